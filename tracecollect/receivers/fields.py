"""The header fields of HTTP/2: read (HPACK, RFC 7541), and looked at once for what RFC 9113 forbids (section 8.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hpack import Decoder, HPACKError

from tracecollect.receivers.frames import FRAME, Broken, Error

Fields = Mapping[bytes, bytes]
_NEEDED = (b":method", b":scheme", b":path")
_PSEUDO = (*_NEEDED, b":authority")
# They are about a connection of HTTP/1.1.
_FORBIDDEN = (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
_REMEMBERED = 16
# More bytes than have a number of so many are not sent.
_DIGITS = 18


class FieldReader:
    """Reads the fields of one connection. Senders repeat themselves: what changes no table is remembered."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=FRAME)
        self._known: dict[bytes, Fields | None] = {}

    def __call__(self, block: bytes) -> Fields | None:
        """The fields by name; None where a request must not have them. Raises `Broken` for what cannot be read."""
        if block in self._known:
            return self._known[block]
        before = self._newest()
        try:
            fields = _request(self._decoder.decode(block, raw=True))
        except HPACKError as error:
            raise Broken(Error.COMPRESSION_ERROR, f"header fields that cannot be read: {error}") from error
        # A new entry moves all others, and a change of the table's size (001xxxxx) may drop some.
        if self._newest() is not before or (block and block[0] >> 5 == 1):
            self._known.clear()
        elif len(self._known) < _REMEMBERED:
            self._known[block] = fields
        return fields

    def _newest(self) -> tuple[bytes, bytes] | None:
        table = self._decoder.header_table.dynamic_entries
        return table[0] if table else None


def _request(said: Iterable[tuple[bytes, bytes]]) -> Fields | None:
    """Of a request, or of its trailers, which have no pseudo-header fields."""
    fields: dict[bytes, bytes] = {}
    pseudo = True
    for name, value in said:
        special = name.startswith(b":")
        if special and (not pseudo or name in fields or name not in _PSEUDO):
            return None
        pseudo = special
        if name != name.lower() or name in _FORBIDDEN or (name == b"te" and value != b"trailers"):
            return None
        if name == b"content-length" and not (value.isdigit() and len(value) <= _DIGITS):
            return None
        fields[name] = value
    named = [one for one in _PSEUDO if one in fields]
    return fields if not named or all(fields.get(one) for one in _NEEDED) else None


def trailers(fields: Fields) -> bool:
    """Whether these come after a body."""
    return not any(one in fields for one in _PSEUDO)

"""Compressed bodies, unpacked no further than the limits allow: 64 KiB of gzip can be 64 MiB of zeros."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

from tracecollect.errors import Rejected, TooLarge

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# Recorded telemetry packs 5 to 60 times, a thousand equal spans 200 times; what packs better than this is no telemetry.
MAX_RATIO = 400
# Below this size unpacking costs nothing and short texts may pack as they like.
_RATIO_FROM = 1 << 20


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


# RFC 8878 asks for 8 MiB; a larger window would be memory that nobody counts.
_WINDOW = {int(zstd.DecompressionParameter.window_log_max): 23}
# 47: gzip or zlib, whichever it is; "deflate" is zlib by the letter of RFC 9110.
_KINDS: Mapping[str, Callable[[], _Unpacker]] = {
    "gzip": lambda: zlib.decompressobj(wbits=47),
    "x-gzip": lambda: zlib.decompressobj(wbits=47),
    "deflate": lambda: zlib.decompressobj(wbits=47),
    "zlib": lambda: zlib.decompressobj(wbits=47),
    "zstd": lambda: zstd.ZstdDecompressor(options=_WINDOW),
}
ENCODINGS = tuple(_KINDS)


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """At most `limit` bytes out of a stream packed as HTTP's `encoding` says; several streams may follow each other.

    Raises `TooLarge` beyond the limit or `MAX_RATIO`, `Rejected` for a stream that is broken or of no known kind.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in _KINDS:
        raise Rejected(f"{encoding!r} is no encoding that is understood here", hint=f"use one of {', '.join(_KINDS)}")
    limit_here = min(limit, max(_RATIO_FROM, MAX_RATIO * len(body)))
    pieces, size, rest = [], 0, body
    while rest:
        unpacker = _KINDS[encoding]()
        try:
            piece = unpacker.decompress(rest, limit_here - size + 1)
        except (zlib.error, zstd.ZstdError) as error:
            raise Rejected(f"not a {encoding} stream: {error}", reason="not_packed") from error
        size += len(piece)
        if size > limit_here:
            raise _too_large(limit, limit_here, len(body))
        if not unpacker.eof:
            raise Rejected("the compressed stream ends in the middle", reason="not_packed")
        pieces.append(piece)
        rest = unpacker.unused_data
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(limit: int, here: int, packed: int) -> TooLarge:
    if here == limit:
        return TooLarge(f"the request has more than {limit} bytes after decompression")
    return TooLarge(
        f"{packed} bytes unpack to more than {MAX_RATIO} times as many: that is no telemetry", reason="bomb"
    )

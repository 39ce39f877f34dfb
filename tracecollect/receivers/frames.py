"""The frames of HTTP/2: their kinds, flags and error codes (RFC 9113, sections 6 and 7)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ACK = END_STREAM = 0x1
END_HEADERS, PADDED, PRIORITY = 0x4, 0x8, 0x20
FRAME = 16_384
"""Bytes of a frame that every peer must be content with, and we are: half a frame is all that is kept unread."""
WINDOW, MOST_WINDOW = 65_535, 0x7FFFFFFF
"""Bytes that may be on their way where nothing else was said, and at most."""


class Kind(IntEnum):
    """What a frame is."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Error(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


_SETTINGS = {
    "header_table_size": 1,
    "enable_push": 2,
    "max_concurrent_streams": 3,
    "initial_window_size": 4,
    "max_frame_size": 5,
    "max_header_list_size": 6,
}
_NAMES = {number: name for name, number in _SETTINGS.items()}


class Broken(Exception):
    """The peer does not keep to the protocol: the connection ends with `code`."""

    def __init__(self, code: Error, message: str) -> None:
        super().__init__(message)
        self.code = code


def frame(kind: Kind, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame as bytes."""
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def settings(**said: int) -> bytes:
    """A SETTINGS frame."""
    return frame(Kind.SETTINGS, 0, 0, b"".join(struct.pack(">HI", _SETTINGS[name], said[name]) for name in said))


def settings_of(payload: bytes) -> Mapping[str, int]:
    """What a SETTINGS frame says; unknown ones are left out. Raises `Broken`."""
    if len(payload) % 6:
        raise Broken(Error.FRAME_SIZE_ERROR, "settings have six bytes each")
    said = {_NAMES[number]: value for number, value in struct.iter_unpack(">HI", payload) if number in _NAMES}
    if said.get("enable_push", 0) > 1 or not FRAME <= said.get("max_frame_size", FRAME) < 1 << 24:
        raise Broken(Error.PROTOCOL_ERROR, "a setting with a value that it cannot have")
    return said


def literal(name: bytes, value: bytes) -> bytes:
    """A header field in HPACK (RFC 7541, 6.2.2) that enters no table."""
    return b"\x00" + _text(name) + _text(value)


def _text(text: bytes) -> bytes:
    if len(text) < 0x7F:
        return bytes((len(text),)) + text
    length, digits = len(text) - 0x7F, bytearray(b"\x7f")
    while length >= 0x80:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    digits.append(length)
    return bytes(digits) + text

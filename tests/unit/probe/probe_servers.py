"""Servers that speak just enough of a protocol for a real driver to connect, for databases that no package brings."""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def listening(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    """The port on which it answers."""

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class MySQL(socketserver.StreamRequestHandler):
    """Greets, lets everybody in, and answers OK to everything until COM_QUIT."""

    _OK = b"\x00\x00\x00\x02\x00\x00\x00"
    _CAPABILITIES = 0x000FA20F  # protocol 4.1, secure connection, plugin authentication, with database; no TLS

    def handle(self) -> None:
        low, high = self._CAPABILITIES & 0xFFFF, self._CAPABILITIES >> 16
        greeting = b"\x0a8.0.0\x00" + struct.pack("<I", 7) + b"saltsalt\x00" + struct.pack("<HBHH", low, 45, 2, high)
        greeting += bytes([21]) + bytes(10) + b"saltsaltsalt\x00" + b"mysql_native_password\x00"
        self._send(0, greeting)
        while (packet := self._receive()) is not None:
            number, body = packet
            if body[:1] == b"\x01" and number == 0:
                return
            self._send(number + 1, self._OK)

    def _receive(self) -> tuple[int, bytes] | None:
        head = self.rfile.read(4)
        if len(head) < 4:
            return None
        return head[3], self.rfile.read(int.from_bytes(head[:3], "little"))

    def _send(self, number: int, body: bytes) -> None:
        self.wfile.write(len(body).to_bytes(3, "little") + bytes([number]) + body)


class MongoDB(socketserver.StreamRequestHandler):
    """A primary of its own that says yes to every command."""

    def handle(self) -> None:
        import bson

        hello = {"ismaster": True, "helloOk": True, "maxWireVersion": 21, "minWireVersion": 0, "ok": 1.0}
        answer = bson.encode(hello | {"maxBsonObjectSize": 1 << 24, "maxMessageSizeBytes": 1 << 25})
        while len(head := self.rfile.read(16)) == 16:
            size, request, _, code = struct.unpack("<iiii", head)
            self.rfile.read(size - 16)
            legacy = code == 2004
            body = struct.pack("<iqii", 8, 0, 0, 1) + answer if legacy else struct.pack("<iB", 0, 0) + answer
            self.wfile.write(struct.pack("<iiii", 16 + len(body), 1, request, 1 if legacy else 2013) + body)

"""Every way bytes from outside take to columns, with the one promise: columns, or `Rejected`, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence

from contract.receiver import ONE, trace_request
from hpack import Encoder

from tracecollect.errors import Rejected
from tracecollect.ports import Recorded, Telemetry
from tracecollect.receivers.frames import PREFACE, Kind, frame
from tracecollect.receivers.http import http_server
from tracecollect.receivers.intake import Homing, Intake
from tracecollect.receivers.otlp_grpc import SERVICES, OtlpGrpcReceiver
from tracecollect.receivers.otlp_http import OtlpHttpService
from tracecollect.receivers.tcp import Bounds, Server
from tracecollect.redact import Redactor
from tracecollect.wire.check import check
from tracecollect.wire.decode import decode, distinct, plain
from tracecollect.wire.otlp_json import read_request
from tracecollect.wire.packing import unpack, zstd
from tracecollect.wire.zipkin import read_spans

LIMIT = 1 << 20
_REDACT = Redactor(literals=True)


def otlp(telemetry: Telemetry) -> Callable[[bytes], None]:
    """What was acknowledged can be decoded: as many spans as were promised."""

    def run(data: bytes) -> None:
        receipt, _ = check(telemetry, data)
        tables = {name: plain(distinct(_REDACT(table))) for name, table in decode(telemetry, [data], [1]).items()}
        found = sum(table.num_rows for table in tables.values())
        # A metric of no known kind has points that no table keeps.
        assert found == receipt.accepted or telemetry is Telemetry.METRICS, (found, receipt)

    return run


def otlp_json(telemetry: Telemetry) -> Callable[[bytes], None]:
    """JSON that was read is a request that can be decoded."""
    return lambda data: otlp(telemetry)(read_request(telemetry, data))


def packed(encoding: str) -> Callable[[bytes], None]:
    """What comes out stays below the limit."""

    def run(data: bytes) -> None:
        assert len(unpack(data, encoding, LIMIT)) <= LIMIT

    return run


class Wire(asyncio.Transport):
    """A transport whose other end reads everything and says nothing more."""

    def write(self, data: bytes) -> None:
        assert data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


def connection(listener: Callable[[Intake, Homing], tuple[Server, Callable[[], int]]]) -> Callable[[bytes], None]:
    """Bytes that come as they like are answered, refused or cut; what was held for them is let go."""

    async def play(data: bytes) -> None:
        loop = asyncio.get_running_loop()
        server, held = listener(Intake(_Keeping(), max_body=LIMIT), Homing(loop))
        made = server._connect(server, loop)
        made.connection_made(Wire())
        for at in range(0, len(data), 64):
            made.data_received(data[at : at + 64])
        for _ in range(4):
            await asyncio.sleep(0)
        made.sweep(time.monotonic() + 3600)
        made.finish()
        made.connection_lost(None)
        await asyncio.sleep(0)
        assert not server.connections
        assert not held()

    return lambda data: asyncio.run(play(data))


class _Keeping:
    """A recorder that has room for everything."""

    def append(self, *_: object) -> bool:
        return True

    def submit(self, telemetry: Telemetry, body: bytes, items: int, done: Recorded) -> None:
        done(None, True)

    def close(self) -> None: ...


def _grpc(intake: Intake, home: Homing) -> tuple[Server, Callable[[], int]]:
    receiver = OtlpGrpcReceiver(intake, home, bounds=Bounds(body=LIMIT))
    service = receiver._service
    return receiver._server, lambda: service.received + service.open_calls + service.running


def _http(intake: Intake, home: Homing) -> tuple[Server, Callable[[], int]]:
    server = http_server(OtlpHttpService(intake, home), bounds=Bounds(body=LIMIT))
    return server, lambda: server.buffered


def _frames(*sent: tuple[int, int, int, bytes]) -> bytes:
    return PREFACE + b"".join(frame(Kind(kind), flags, number, payload) for kind, flags, number, payload in sent)


_BODY = ONE[Telemetry.TRACES]
_CALL = Encoder().encode(
    {":method": "POST", ":scheme": "http", ":path": f"/{SERVICES[Telemetry.TRACES]}/Export", ":authority": "x",
     "content-type": "application/grpc", "te": "trailers", "grpc-timeout": "1S"}.items()
)  # fmt: skip
_SPAN = {
    "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "x", "kind": 2,
    "attributes": [{"key": "a", "value": {"arrayValue": {"values": [{"doubleValue": "NaN"}]}}}],
    "startTimeUnixNano": "1",
    "events": [{"name": "e", "timeUnixNano": 3}], "status": {"code": 2}, "links": [{"traceId": "00", "spanId": "11"}],
}  # fmt: skip
_ZIPKIN = {
    "traceId": "1", "id": "2", "timestamp": 5, "duration": 6, "tags": {"error": "x"}, "kind": "CLIENT",
    "localEndpoint": {"serviceName": "a"}, "annotations": [{"timestamp": 1, "value": "v"}],
}  # fmt: skip
_RICH = (
    trace_request((b"t" * 16, b"s" * 8, "one"), (b"u" * 16, b"r" * 8, "two"))
    + bytes.fromhex("0a2a0a280a0a6b65792e6c6f6e671a1a0a18") + bytes(24)
)  # fmt: skip
DECODERS: Mapping[str, tuple[Callable[[bytes], None], Sequence[bytes]]] = {
    "traces": (otlp(Telemetry.TRACES), [ONE[Telemetry.TRACES], _RICH]),
    "logs": (otlp(Telemetry.LOGS), [ONE[Telemetry.LOGS]]),
    "metrics": (otlp(Telemetry.METRICS), [ONE[Telemetry.METRICS]]),
    "json": (
        otlp_json(Telemetry.TRACES),
        [json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [_SPAN, _SPAN]}]}]}).encode()],
    ),
    "zipkin": (lambda data: otlp(Telemetry.TRACES)(read_spans(data)), [json.dumps([_ZIPKIN, _ZIPKIN]).encode()]),
    "http2": (
        connection(_grpc),
        [
            _frames(
                (4, 0, 0, b"\0\4\0\1\0\0"), (1, 4, 1, _CALL), (0, 1, 1, b"\0" + len(_BODY).to_bytes(4, "big") + _BODY)
            ),
            _frames(
                (1, 4, 1, _CALL),
                (0, 8, 1, b"\2\1\0\0\0\0\0\0"),
                (3, 0, 1, bytes(4)),
                (6, 0, 0, bytes(8)),
                (8, 0, 0, b"\0\0\0\5"),
                (2, 0, 3, bytes(5)),
                (1, 0, 3, _CALL[:9]),
                (9, 4, 3, _CALL[9:]),
            ),
        ],
    ),
    "http1": (
        connection(_http),
        [
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
            + f"content-length: {len(_BODY)}\r\n\r\n".encode()
            + _BODY,
            b"POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n"
            b"expect: 100-continue\r\n\r\n2\r\n{}\r\n0\r\n\r\nOPTIONS /v1/logs HTTP/1.1\r\norigin: http://a\r\n\r\n",
        ],
    ),
    "gzip": (packed("gzip"), [gzip.compress(b"abc" * 99), zlib.compress(bytes(999))]),
    "zstd": (packed("zstd"), [zstd.compress(b"abc" * 99), zstd.compress(bytes(9999))]),
}
"""Each with real examples to begin from."""


def holds(decoder: Callable[[bytes], None], data: bytes) -> None:
    """Run one; only `Rejected` is an answer beside success."""
    with contextlib.suppress(Rejected):
        decoder(data)

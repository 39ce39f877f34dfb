"""Every way bytes from outside take to columns, with the one promise: columns, or `Rejected`, and nothing else."""

from __future__ import annotations

import contextlib
import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence

from contract.receiver import ONE, trace_request

from tracecollect.errors import Rejected
from tracecollect.ports import Telemetry
from tracecollect.redact import Redactor
from tracecollect.wire.check import check
from tracecollect.wire.decode import decode, plain
from tracecollect.wire.otlp_json import read_request
from tracecollect.wire.packing import unpack, zstd
from tracecollect.wire.zipkin import read_spans

LIMIT = 1 << 20
_REDACT = Redactor(literals=True)


def otlp(telemetry: Telemetry) -> Callable[[bytes], None]:
    """What was acknowledged can be decoded: as many spans as were promised."""

    def run(data: bytes) -> None:
        receipt, _ = check(telemetry, data)
        tables = {name: plain(_REDACT(table)) for name, table in decode(telemetry, [data], [1]).items()}
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
    "gzip": (packed("gzip"), [gzip.compress(b"abc" * 99), zlib.compress(bytes(999))]),
    "zstd": (packed("zstd"), [zstd.compress(b"abc" * 99), zstd.compress(bytes(9999))]),
}
"""Each with real examples to begin from."""


def holds(decoder: Callable[[bytes], None], data: bytes) -> None:
    """Run one; only `Rejected` is an answer beside success."""
    with contextlib.suppress(Rejected):
        decoder(data)

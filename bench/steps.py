"""CPU per span of each step between the wire and the store, on synthetic requests.

    python -m bench.steps [--spans 512] [--requests 200] [--repeat 3]

Prints one line a step: check (before the acknowledgement), pack (journal), decode, redact, distinct, and with
`--store` the insert into an embedded engine in a temporary directory.
"""

from __future__ import annotations

import argparse
import itertools
import random
import tempfile
import time
from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tracecollect.ports import Batch, Telemetry
from tracecollect.redact import Redactor
from tracecollect.wire.check import check
from tracecollect.wire.decode import decode, distinct

T = TypeVar("T")
RESOURCE = {
    "service.name": "orders",
    "service.instance.id": "orders-7d9f-1",
    "host.name": "node-3",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.version": "1.45.2",
}
NAMES = ("SELECT orders", "GET /orders/{oid}", "pay", "connect")


def request(spans: int, dice: random.Random) -> bytes:
    """One export request as a Python service would send it: ten attributes a span, some 350 bytes."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    for key, value in RESOURCE.items():
        resource.resource.attributes.add(key=key).value.string_value = value
    scope = resource.scope_spans.add()
    scope.scope.name, scope.scope.version = "opentelemetry.instrumentation.asyncpg", "0.66b1"
    now = time.time_ns()
    for number in range(spans):
        span = scope.spans.add(
            trace_id=dice.randbytes(16),
            span_id=dice.randbytes(8),
            parent_span_id=dice.randbytes(8),
            name=dice.choice(NAMES),
            kind=3,
            flags=0x101,
            start_time_unix_nano=now + number * 1000,
            end_time_unix_nano=now + number * 1000 + dice.randrange(10**7),
        )
        for key, value in {
            "db.system": "postgresql",
            "db.name": "shop",
            "db.user": "me",
            "net.peer.name": "127.0.0.1",
            "db.statement": f"SELECT * FROM orders WHERE id = {dice.randrange(10**6)}",
            "http.route": "/orders/{oid}/pay",
            "thread.name": "MainThread",
        }.items():
            span.attributes.add(key=key).value.string_value = value
        span.attributes.add(key="net.peer.port").value.int_value = 5432
        span.attributes.add(key="thread.id").value.int_value = 140_000_000_000_000 + dice.randrange(64)
        span.attributes.add(key="db.ok").value.bool_value = True
        if number % 10 == 0:
            span.events.add(name="acquired", time_unix_nano=now).attributes.add(key="pool").value.string_value = "p"
    return message.SerializeToString()


def timed(step: str, spans: int, work: Callable[[], T]) -> T:
    began = time.process_time()
    result = work()
    print(f"  {step:8} {(time.process_time() - began) / spans * 1e6:7.2f} µs/span")
    return result


def once(bodies: list[bytes], spans: int, write: Callable[[pa.Table], None] | None) -> None:
    redact = Redactor()
    chunks = list(itertools.batched(bodies, 40)) if hasattr(itertools, "batched") else [bodies]
    timed("check", spans, lambda: [check(Telemetry.TRACES, body) for body in bodies])
    tables = timed(
        "decode", spans, lambda: [decode(Telemetry.TRACES, c, [time.time_ns()] * len(c))["otel_traces"] for c in chunks]
    )
    tables = timed("redact", spans, lambda: [redact(table) for table in tables])
    table = timed("distinct", spans, lambda: distinct(pa.concat_tables(tables)))
    assert table.num_rows == spans
    if write is not None:
        timed("insert", spans, lambda: write(table))


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU per span of the way in")
    parser.add_argument("--spans", type=int, default=512, help="spans in a request")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--store", action="store_true", help="insert into an embedded engine, too")
    args = parser.parse_args()
    dice = random.Random(1)
    with tempfile.TemporaryDirectory() as directory:
        store = None
        if args.store:
            from tracecollect.storage.clickhouse import ClickHouseStore

            store = ClickHouseStore(f"chdb://{directory}/store")
        for number in range(args.repeat):
            bodies = [request(args.spans, dice) for _ in range(args.requests)]
            print(f"{args.requests} requests of {args.spans} spans, {len(bodies[0]) / args.spans:.0f} bytes a span")
            token = f"bench:{number}"
            once(
                bodies,
                args.requests * args.spans,
                (lambda table, t=token: store.write(Batch(t, {"otel_traces": table}))) if store else None,
            )
        if store is not None:
            store.close()


if __name__ == "__main__":
    main()

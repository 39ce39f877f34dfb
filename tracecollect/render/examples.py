"""The example data of the gallery: a shop that leaks in one path, and one trace with everything that can be broken."""

from __future__ import annotations

from collections.abc import Mapping

from tracecollect import diagrams
from tracecollect.diagrams import Diagram
from tracecollect.model import (
    SECOND,
    Blame,
    CallEdge,
    Evidence,
    EvidenceKind,
    Finding,
    Hold,
    Instant,
    LeakedHold,
    Lifecycle,
    Owner,
    PoolSample,
    ProcessSample,
    Signal,
    SignalKind,
    Span,
    SpanKind,
    Starvation,
    StatusCode,
    Trace,
    Verdict,
    Window,
)
from tracecollect.model import Role as SignalRole

_MS = SECOND // 1000
_T0 = 1_795_425_240 * SECOND  # 2026-11-23 09:14:00 UTC
_ENTRY = "POST /orders/{oid}/pay"
_CODE = "shop/pay.py:41 pay"
_STATEMENT = "SELECT id, total FROM orders WHERE id = $1 FOR UPDATE"
_POOL = "orders-db"


def examples() -> Mapping[str, Diagram]:
    """Every diagram of the gallery by name, the empty one first. The same on every call."""
    return {
        "empty": diagrams.waterfall(Trace("0" * 32, ())),
        "trace": diagrams.waterfall(_paying()),
        "trace-broken": diagrams.waterfall(_broken()),
        "lifecycle-finding": diagrams.lifecycle(_finding_holds()),
        "lifecycle-pool": diagrams.lifecycle(_pool_holds()),
        "lifecycle-trace": diagrams.lifecycle(_trace_holds()),
        "finding": diagrams.finding_summary(_finding()),
        "starvation": diagrams.starvation(_starvation()),
        "call-graph": diagrams.call_graph(_edges(), title="Calls from 09:00 to 10:00 UTC"),
        "service-graph": diagrams.service_graph(_paying(), title="Services of one payment"),
    }


def _id(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


def _trace_id(number: int) -> str:
    return _id(number) + _id(number + 7919)


def _span(number: int, parent: int, name: str, start: float, end: float, **said: object) -> Span:
    """A span of the example trace, its times in milliseconds."""
    kind = said.pop("kind", SpanKind.INTERNAL)
    service = str(said.pop("service", "orders"))
    return Span(
        trace_id=_trace_id(1),
        span_id=_id(number),
        parent_id=_id(parent) if parent else "",
        name=name,
        kind=SpanKind(str(kind)),
        service=service,
        instance=f"{service}-1",
        start=Instant(_T0 + int(start * _MS)),
        duration=int((end - start) * _MS),
        **said,  # type: ignore[arg-type]  # the fields of Span, written out by the callers below
    )


def _paying() -> Trace:
    client, server = SpanKind.CLIENT, SpanKind.SERVER
    database = {"db.system.name": "postgresql", "db.namespace": "shop"}
    failed = {"status": StatusCode.ERROR, "status_message": "card declined"}
    spans = (
        _span(1, 0, "POST /checkout", 0, 148, kind=server, service="gateway", status=StatusCode.ERROR),
        _span(2, 1, "check basket", 3, 22, service="gateway"),
        _span(3, 1, "POST", 24, 141, kind=client, service="gateway", status=StatusCode.ERROR),
        _span(4, 3, _ENTRY, 26, 139, kind=server, **failed),
        _span(5, 4, _STATEMENT, 41, 58, kind=client, attributes=database),
        _span(6, 4, "charge card", 61, 133, **failed),
        _span(7, 6, "POST /charges", 64, 130, kind=client, **failed),
    )
    return Trace(_trace_id(1), spans, holds=(_hold(1, 38, None, owner_end=139, span=5, wait=9),))


def _broken() -> Trace:
    server, client = SpanKind.SERVER, SpanKind.CLIENT
    spans = (
        _span(1, 0, "GET /orders", 0, 120, kind=server, service="gateway"),
        _span(2, 1, "GET", 8, 96, kind=client, service="gateway"),
        _span(3, 2, "GET /orders/{oid}", -390, -318, kind=server, service="orders"),
        _span(4, 3, "load order", -380, -330, service="orders"),
        _span(5, 99, "SELECT 1", 30, 34, kind=client, service="stock"),
        _span(6, 99, "SELECT stock", 36, 61, kind=client, service="stock"),
        _span(7, 8, "retry", 100, 112, service="stock"),
        _span(8, 7, "attempt", 102, 110, service="stock"),
        _span(9, 1, "render page", 98, 104, service="gateway"),
        _span(9, 1, "render page", 98, 118, service="gateway", attributes={"page": "orders"}),
        _span(10, 1, "stream rest", 112, 120, service="gateway", open=True),
    )
    return Trace(_trace_id(1), spans)


def _hold(
    number: int,
    start: float,
    released: float | None,
    *,
    owner_end: float,
    span: int = 0,
    wait: float = 0,
    entry: str = _ENTRY,
    connection: str = "",
    busy: float = 17,
) -> Hold:
    """A hold, its times in milliseconds after the example's beginning; one that stays out is a leak."""
    at = Instant(_T0 + int(start * _MS))
    used = Instant(at + int(busy * _MS))
    trace_id, span_id = _trace_id(number), _id(span or number + 500)
    leaked = released is None
    statement = _STATEMENT if leaked else "SELECT * FROM stock WHERE sku = ANY($1)"
    common = ("orders", "orders-1", "python-asyncpg", "borrow")
    use = Signal(*common, SignalKind.USED, SignalRole.OPEN, span_id, used, Instant(at + 3 * _MS), trace_id, span_id)
    return Hold(
        service="orders",
        instance="orders-1",
        pool=_POOL,
        dialect="python-asyncpg",
        pair="borrow",
        key=span_id,
        acquired_at=at,
        released_at=None if released is None else Instant(_T0 + int(released * _MS)),
        last_used_at=used,
        trace_id=trace_id,
        span_id=span_id,
        owner=Owner(
            trace_id,
            _id(4),
            "orders",
            "orders-1",
            entry,
            Instant(at - 12 * _MS),
            Instant(_T0 + int(owner_end * _MS)),
        ),
        wait=int(wait * _MS),
        connection_id=connection,
        statement=statement,
        code=_CODE if leaked else "",
        release="" if leaked else "reset query",
        verdict=Verdict.LEAKED if leaked else None,
        uses=(use,),
    )


def _leaks() -> tuple[Hold, ...]:
    return tuple(
        _hold(number, 1300.0 * number, None, owner_end=1300.0 * number + 420, busy=260) for number in range(1, 46)
    )


def _neighbours() -> tuple[Hold, ...]:
    entries = ("GET /orders/{oid}", "GET /stock", "PUT /orders/{oid}")
    return tuple(
        _hold(
            100 + number,
            start := 900.0 + 2430.0 * number,
            start + 900 + 210 * (number % 7),
            owner_end=start + 1100 + 210 * (number % 7),
            wait=max(0.0, 130.0 * (number - 16)),
            entry=entries[number % 3],
            busy=700,
        )
        for number in range(24)
    )


def _finding() -> Finding:
    leaks = _leaks()
    return Finding(
        id="f_3f9a1c20",
        verdict=Verdict.LEAKED,
        confidence=0.95,
        family="B",
        dialect="python-asyncpg",
        service="orders",
        instance="orders-1",
        pool=_POOL,
        entry=_ENTRY,
        code=_CODE,
        statement=_STATEMENT,
        leaked_count=len(leaks),
        first_at=leaks[0].acquired_at,
        last_at=leaks[-1].acquired_at,
        per_hour=2769.0,
        exhausted_at=Instant(_T0 + 66 * SECOND),
        starved_requests=7,
        evidence=(
            Evidence(
                EvidenceKind.INFERRED,
                "45 of 45 failed payments lack the reset query that release() sends; 1,210 other holds have it.",
            ),
            Evidence(EvidenceKind.OBSERVED, "The pool's used connections rose from 3 to 48 and never fell."),
            Evidence(EvidenceKind.OBSERVED, "7 requests waited for a connection until they timed out."),
        ),
        instances=tuple(LeakedHold(h.trace_id, h.span_id, None, h.acquired_at, 41.2) for h in leaks),
    )


def _starvation() -> Starvation:
    found = _finding()
    leak = ("orders", _ENTRY, _CODE, _STATEMENT, found.id, Verdict.LEAKED)
    peek = ("orders", "GET /orders/{oid}/peek", "shop/peek.py:17 peek", "", "f_81c4e7aa", Verdict.SUSPECTED)
    slow = ("orders", "GET /orders/export", "shop/export.py:63 export", "", "", None)
    return Starvation(
        service="orders",
        pool=_POOL,
        waits=61,
        unexplained=3,
        omitted=0,
        blames=(
            Blame(*leak, "GET /orders/{oid}", 31, 24, 71.5),
            Blame(*leak, _ENTRY, 18, 18, 41.2),
            Blame(*slow, "GET /orders/{oid}", 9, 0, 12.4),
            Blame(*peek, "GET /orders/{oid}", 31, 24, 6.3),
            Blame(*slow, "GET /stock", 4, 0, 2.1),
        ),
    )


def _samples() -> tuple[PoolSample, ...]:
    samples = []
    for second in range(0, 72, 4):
        leaked = min(45, max(0, int(second / 1.3)))
        values = {"used": min(50, leaked + 2 + second % 3), "max": 50, "pending": max(0, second - 62)}
        at = Instant(_T0 + second * SECOND)
        samples += [
            PoolSample("orders", "orders-1", "semconv", _POOL, measure, at, float(value))
            for measure, value in values.items()
        ]
    return tuple(samples)


def _window(seconds: int = 2520) -> Window:
    return Window(Instant(_T0), Instant(_T0 + seconds * SECOND))


def _finding_holds() -> Lifecycle:
    samples = _samples()
    return Lifecycle("finding", _window(), _leaks() + _neighbours(), samples, _finding(), process=_process(samples))


def _process(samples: tuple[PoolSample, ...]) -> tuple[ProcessSample, ...]:
    """The files of the process follow its pool: each connection is one of them."""
    used = [one for one in samples if one.measure == "used"]
    files = [ProcessSample(one.service, one.instance, "files", one.at, 13 + one.value) for one in used]
    return (*files, ProcessSample(used[0].service, used[0].instance, "files_limit", used[0].at, 1024))


def _pool_holds() -> Lifecycle:
    holds = []
    for connection in range(1, 7):
        at = 40.0 * connection
        for turn in range(4):
            number = 200 + connection * 10 + turn
            if connection in (2, 5) and turn == 2 + connection // 5:
                holds.append(_hold(number, at, None, owner_end=at + 120, connection=f"#{connection}", busy=60))
                break
            end = at + 130 + 35 * ((connection + turn) % 4)
            holds.append(_hold(number, at, end, owner_end=end + 5, connection=f"#{connection}", busy=90))
            at = end + 60 + 25 * ((connection * turn) % 3)
    return Lifecycle(f"Pool {_POOL}", _window(90), tuple(holds))


def _trace_holds() -> Lifecycle:
    leak = _hold(1, 38, None, owner_end=139, span=5, wait=9)
    fine = _hold(1, 4, 21, owner_end=139, span=2, wait=1, busy=12)
    return Lifecycle(f"Trace {_trace_id(1)[:8]}", _window(), (fine, leak))


def _edges() -> tuple[CallEdge, ...]:
    server, client, inner = SpanKind.SERVER, SpanKind.CLIENT, SpanKind.INTERNAL
    ms = _MS
    return (
        CallEdge("", "", "gateway", "POST /checkout", server, 1204, 45, 180_000 * ms, 148 * ms, 2100 * ms),
        CallEdge("", "", "gateway", "GET /orders", server, 5310, 0, 210_000 * ms, 38 * ms, 160 * ms),
        CallEdge("gateway", "POST /checkout", "orders", _ENTRY, server, 1204, 45, 140_000 * ms, 113 * ms, 2050 * ms),
        CallEdge(
            "gateway", "GET /orders", "orders", "GET /orders/{oid}", server, 5310, 0, 150_000 * ms, 27 * ms, 120 * ms
        ),
        CallEdge("orders", _ENTRY, "orders", _STATEMENT, client, 1204, 0, 20_000 * ms, 17 * ms, 80 * ms),
        CallEdge("orders", _ENTRY, "orders", "charge card", inner, 1204, 45, 90_000 * ms, 70 * ms, 1900 * ms),
        CallEdge("orders", "GET /orders/{oid}", "orders", "SELECT * FROM orders", client, 5310, 0, 32_000 * ms, 6 * ms),
        CallEdge("", "parent never arrived", "stock", "SELECT stock", client, 12, 0, 300 * ms, 25 * ms, 30 * ms),
    )

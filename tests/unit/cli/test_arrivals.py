"""What `doctor` remarks of the newest traces, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace

from tracecollect.cli.arrivals import remarks
from tracecollect.model import SECOND, Instant, LogRecord, ServiceReport, Span, SpanKind, Trace, TraceSummary

LOCAL = 0x100
ROOT = Span("t", "r", "", "GET /", SpanKind.SERVER, "shop", "i", Instant(10 * SECOND), SECOND)
CHILD = replace(ROOT, span_id="c", parent_id="r", kind=SpanKind.CLIENT, flags=LOCAL, duration=SECOND // 2)


def said(*spans: Span, services: tuple[ServiceReport, ...] = ()) -> list[tuple[str, str]]:
    return [(one.service, one.change) for one in remarks(services, [Trace("t", spans)])]


def service(name: str, spans: int) -> ServiceReport:
    return ServiceReport(name, "i", spans, Instant(1), Instant(2), ("x",))


def test_a_whole_trace_needs_no_remark():
    assert said(ROOT, CHILD, services=(service("shop", 2),)) == []


def test_missing_parents_of_the_same_process_are_an_exporter_that_drops():
    ((name, change),) = said(ROOT, CHILD, replace(CHILD, span_id="d", parent_id="gone"))
    assert name == "shop"
    assert "OTEL_BSP_MAX_QUEUE_SIZE" in change


def test_a_missing_parent_elsewhere_is_nobodys_fault():
    assert said(replace(ROOT, parent_id="elsewhere", flags=0x300), CHILD) == []


def test_sampling_is_told_by_its_threshold():
    ((_, change),) = said(replace(ROOT, trace_state="rojo=1,ot=rv:1;th:8"), CHILD)
    assert "always_on" in change
    assert said(replace(ROOT, trace_state="ot=th:0"), CHILD) == []


def test_sampling_is_told_by_the_ids_of_what_was_kept():
    ids = [f"{number * 7919 % 2**64:016x}{number * 2**64 // 1000:016x}" for number in range(1, 100)]
    newest = [TraceSummary(one, "shop", "GET /", Instant(0), 1, 1, 0, ("shop",)) for one in ids]
    (remark,) = remarks((), (), newest)
    assert remark.service == "shop"
    assert "some 10 % of them are kept" in remark.text
    assert "always_on" in remark.change


def test_clocks_that_are_apart_are_told_with_how_much():
    away = replace(ROOT, span_id="s", parent_id="c", service="stock", start=Instant(2 * SECOND), duration=SECOND // 4)
    (remark,) = remarks((), [Trace("t", (ROOT, CHILD, away))])
    assert remark.service == "stock"
    assert "8.0 s" in remark.text or "8.1 s" in remark.text
    assert "NTP" in remark.change


def test_a_service_without_spans_is_told():
    ((name, change),) = said(ROOT, CHILD, services=(service("shop", 2), service("cron", 0)))
    assert name == "cron"
    assert "OTEL_TRACES_EXPORTER" in change


def test_a_probe_that_sees_no_code_of_its_service_is_told_how_to():
    taken = LogRecord(Instant(1), "t", "r", "shop", "INFO", "", "db.client.connection.acquired", "tracecollect.probe")
    placed = replace(taken, attributes={"code.file.path": "shop/pay.py"})
    (remark,) = remarks((), [Trace("t", (ROOT,), (taken, replace(placed, service="stock")))])
    assert remark.service == "shop"
    assert "TRACECOLLECT_PROBE_OWN" in remark.change
    assert not remarks((), [Trace("t", (ROOT,), (taken, placed))])
    assert not remarks((), [Trace("t", (replace(CHILD, parent_id=""),), (taken,))]), "a statement that nobody asked for"

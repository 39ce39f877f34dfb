"""What tracecollect says of itself, in Prometheus text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from tracecollect.model import SECOND, Verdict
from tracecollect.ports import Depth

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


@dataclass(frozen=True, slots=True)
class Vitals:
    """The numbers of one moment, put together by whoever owns the parts. `accepted` by kind of telemetry."""

    ready: bool = False
    why_not: str = ""
    requests: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    accepted: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    redacted: Mapping[str, int] = field(default_factory=dict)
    spans_stored: int = 0
    rows_stored: int = 0
    set_aside: int = 0
    store_failures: int = 0
    inserts: int = 0
    insert_seconds: float = 0.0
    store_bytes: int = 0
    journal: Depth = field(default_factory=Depth)
    findings: Mapping[str, int] = field(default_factory=dict)


class _Vitals(Collector):
    def __init__(self, vitals: Callable[[], Vitals]) -> None:
        self._vitals = vitals

    def collect(self) -> Iterable[Metric]:
        now = self._vitals()
        requests = CounterMetricFamily(
            "tracecollect_requests", "Export requests answered", labels=("transport", "signal", "code")
        )
        for key, count in now.requests.items():
            requests.add_metric(key, count)
        rejected = CounterMetricFamily("tracecollect_spans_rejected", "Items left out of requests", labels=("reason",))
        for reason, count in now.rejected.items():
            rejected.add_metric((reason,), count)
        refused = CounterMetricFamily("tracecollect_requests_refused", "Requests refused", labels=("reason",))
        for reason, count in now.refused.items():
            refused.add_metric((reason,), count)
        redacted = CounterMetricFamily("tracecollect_values_redacted", "Values that held a secret", labels=("rule",))
        for rule, count in now.redacted.items():
            redacted.add_metric((rule,), count)
        insert = SummaryMetricFamily("tracecollect_store_insert_seconds", "Time of inserts into the store")
        insert.add_metric((), now.inserts, now.insert_seconds)
        findings = GaugeMetricFamily("tracecollect_findings", "Leak sites at the last judgement", labels=("verdict",))
        for verdict in Verdict:
            findings.add_metric((verdict,), now.findings.get(verdict, 0))
        return (requests, rejected, refused, redacted, insert, findings, *_plain(now))


def _plain(now: Vitals) -> Iterable[Metric]:
    oldest = 0.0 if now.journal.oldest is None else max(0.0, time.time() - now.journal.oldest / SECOND)
    count, gauge = CounterMetricFamily, GaugeMetricFamily
    yield count("tracecollect_spans_accepted", "Spans acknowledged", now.accepted.get("traces", 0))
    yield count("tracecollect_spans_stored", "Spans written to the store", now.spans_stored)
    yield count("tracecollect_rows_stored", "Spans, log records and points written", now.rows_stored)
    yield count("tracecollect_requests_set_aside", "Requests that could not be decoded", now.set_aside)
    yield count("tracecollect_store_failures", "Inserts that failed and are tried again", now.store_failures)
    yield gauge("tracecollect_journal_requests", "Requests acknowledged and not stored yet", now.journal.entries)
    yield gauge("tracecollect_journal_bytes", "Bytes of these requests", now.journal.bytes)
    yield gauge("tracecollect_journal_oldest_seconds", "Age of the oldest of these requests", oldest)
    yield gauge("tracecollect_store_bytes", "Bytes of the store on disk", now.store_bytes)


class Metrics:
    """The page of `/metrics`."""

    def __init__(self, vitals: Callable[[], Vitals]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Vitals(vitals))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Prometheus text of this moment."""
        return generate_latest(self._registry)

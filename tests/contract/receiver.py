"""What every receiver promises, whatever its transport. Subclass `ReceiverContract` with a `receiver` fixture."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass
from typing import Protocol

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tracecollect.errors import Busy
from tracecollect.ports import Recorded, Telemetry
from tracecollect.receivers.intake import Intake

LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sender hears. `code` is the canonical gRPC name; `retry_after` is None where none was promised."""

    code: str
    message: str = ""
    rejected: int = 0
    retry_after: float | None = None


class Recording:
    """A recorder that keeps everything in memory, and is busy when told so."""

    def __init__(self) -> None:
        self.taken: list[tuple[Telemetry, bytes, int]] = []
        self.busy = False
        self.broken = False
        self.release = threading.Event()
        self.release.set()
        self.asked = threading.Event()

    def append(self, telemetry: Telemetry, body: bytes, items: int) -> bool:
        self.asked.set()
        self.release.wait(10)
        if self.busy:
            raise Busy("no room", retry_after=2.5)
        if self.broken:
            raise RuntimeError("a secret detail")
        self.taken.append((telemetry, body, items))
        return True

    def submit(self, telemetry: Telemetry, body: bytes, items: int, done: Recorded) -> None:
        def work() -> None:
            try:
                done(None, self.append(telemetry, body, items))
            except Exception as error:
                done(error, False)

        threading.Thread(target=work, name="recording").start()

    def close(self) -> None:
        self.release.set()


class Listening(Protocol):
    """A receiver under test. It must have been made with `intake` on `recorder` and the limit `LIMIT`."""

    recorder: Recording
    intake: Intake

    def send(self, telemetry: Telemetry, body: bytes, *, compressed: bool = False) -> Answer: ...


def trace_request(*ids: tuple[bytes, bytes, str]) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for trace_id, span_id, name in ids:
        scope.spans.add(trace_id=trace_id, span_id=span_id, name=name)
    return request.SerializeToString()


def log_request() -> bytes:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "hello"
    return request.SerializeToString()


def metric_request() -> bytes:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="db.pool")
    metric.gauge.data_points.add(as_int=3)
    return request.SerializeToString()


GOOD = (b"t" * 16, b"s" * 8, "GET /")
ONE = {Telemetry.TRACES: trace_request(GOOD), Telemetry.LOGS: log_request(), Telemetry.METRICS: metric_request()}


class ReceiverContract:
    """The promises. `receiver` is a fixture of the subclass."""

    @pytest.mark.parametrize("telemetry", list(Telemetry))
    @pytest.mark.parametrize("compressed", [False, True])
    def test_a_request_is_recorded_byte_for_byte_and_then_acknowledged(
        self, receiver: Listening, telemetry: Telemetry, compressed: bool
    ) -> None:
        assert receiver.send(telemetry, ONE[telemetry], compressed=compressed) == Answer("OK")
        assert receiver.recorder.taken == [(telemetry, ONE[telemetry], 1)]

    @pytest.mark.parametrize("telemetry", list(Telemetry))
    def test_an_empty_request_succeeds_and_leaves_nothing(self, receiver: Listening, telemetry: Telemetry) -> None:
        assert receiver.send(telemetry, b"") == Answer("OK")
        assert receiver.recorder.taken == []

    def test_unknown_fields_are_no_reason_to_refuse(self, receiver: Listening) -> None:
        assert receiver.send(Telemetry.TRACES, ONE[Telemetry.TRACES] + b"\xa2\x06\x03abc") == Answer("OK")

    def test_bad_spans_are_counted_with_their_reason_and_the_rest_is_kept(self, receiver: Listening) -> None:
        bad = [(bytes(16), b"s" * 8, "zero"), (b"t" * 16, b"short", "short"), (b"t" * 16, b"s" * 8, "")]
        body = trace_request(GOOD, *bad)
        answer = receiver.send(Telemetry.TRACES, body)
        assert (answer.code, answer.rejected) == ("OK", 3)
        assert "trace id" in answer.message
        assert "span id" in answer.message
        assert "name" in answer.message
        assert receiver.recorder.taken == [(Telemetry.TRACES, body, 1)]
        assert sum(receiver.intake.counters().rejected.values()) == 3

    def test_a_request_of_only_bad_spans_is_answered_and_not_recorded(self, receiver: Listening) -> None:
        answer = receiver.send(Telemetry.TRACES, trace_request((b"", b"", "")))
        assert (answer.code, answer.rejected) == ("OK", 1)
        assert receiver.recorder.taken == []

    @pytest.mark.parametrize("body", [b"\x0a\xff\xff", b"garbage", ONE[Telemetry.TRACES][:-1]])
    def test_malformed_bytes_are_refused_for_good_and_change_nothing(self, receiver: Listening, body: bytes) -> None:
        answer = receiver.send(Telemetry.TRACES, body)
        assert answer.code == "INVALID_ARGUMENT"
        assert "well-formed" in answer.message
        assert answer.retry_after is None
        assert receiver.recorder.taken == []

    def test_text_that_is_not_utf8_is_taken(self, receiver: Listening) -> None:
        body = trace_request((b"t" * 16, b"s" * 8, "GET /")).replace(b"GET /", b"GET \xff")
        assert receiver.send(Telemetry.TRACES, body) == Answer("OK")

    @pytest.mark.parametrize("compressed", [False, True])
    def test_a_request_over_the_limit_will_never_fit(self, receiver: Listening, compressed: bool) -> None:
        answer = receiver.send(Telemetry.TRACES, bytes(LIMIT + 1), compressed=compressed)
        assert answer.code == "RESOURCE_EXHAUSTED"
        assert answer.retry_after is None

    def test_a_small_request_that_unpacks_to_a_gigabyte_is_refused_in_time(self, receiver: Listening) -> None:
        assert len(gzip.compress(bytes(50_000_000))) < LIMIT
        answer = receiver.send(Telemetry.TRACES, bytes(50_000_000), compressed=True)
        assert answer.code == "RESOURCE_EXHAUSTED"

    def test_a_busy_recorder_makes_the_sender_come_again(self, receiver: Listening) -> None:
        receiver.recorder.busy = True
        answer = receiver.send(Telemetry.LOGS, ONE[Telemetry.LOGS])
        assert (answer.code, answer.retry_after) == ("UNAVAILABLE", 2.5)
        assert receiver.recorder.taken == []

    def test_what_goes_wrong_inside_is_not_told_to_strangers(self, receiver: Listening) -> None:
        receiver.recorder.broken = True
        answer = receiver.send(Telemetry.LOGS, ONE[Telemetry.LOGS])
        assert answer.code == "INTERNAL"
        assert "secret" not in answer.message

    def test_every_request_is_counted_by_its_answer(self, receiver: Listening) -> None:
        receiver.send(Telemetry.TRACES, ONE[Telemetry.TRACES])
        receiver.send(Telemetry.TRACES, b"garbage")
        counters = receiver.intake.counters()
        by_code = {(signal, code): count for (_, signal, code), count in counters.requests.items()}
        assert by_code == {("traces", "OK"): 1, ("traces", "INVALID_ARGUMENT"): 1}
        assert counters.accepted == {"traces": 1}
        assert counters.refused == {"malformed": 1}

    def test_what_is_in_flight_is_bounded_and_the_sender_told_to_come_again(self, receiver: Listening) -> None:
        with receiver.intake.room(receiver.intake.max_body):
            answer = receiver.send(Telemetry.LOGS, ONE[Telemetry.LOGS])
        assert answer.code == "UNAVAILABLE"
        assert answer.retry_after is not None
        assert receiver.intake.counters().refused == {"in_flight": 1}
        assert receiver.send(Telemetry.LOGS, ONE[Telemetry.LOGS]) == Answer("OK")

"""What is larger than anybody needs is cut where it is, or refused; nothing of it takes the process down."""

from __future__ import annotations

import gzip

import pytest
from contract.receiver import trace_request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tracecollect.errors import Rejected, TooLarge
from tracecollect.ports import Telemetry
from tracecollect.wire import check as checking
from tracecollect.wire.check import check
from tracecollect.wire.decode import decode, plain
from tracecollect.wire.packing import MAX_RATIO, unpack
from tracecollect.wire.values import LONGEST, MOST_ATTRIBUTES


def span_with(attributes: dict[str, str]) -> bytes:
    request = ExportTraceServiceRequest.FromString(
        trace_request((b"t" * 16, b"s" * 8, "before"), (b"t" * 16, b"r" * 8, "x"), (b"t" * 16, b"q" * 8, "after"))
    )
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.start_time_unix_nano, span.end_time_unix_nano = 4, 5
        span.attributes.add(key="own").value.string_value = span.name
    for key, value in attributes.items():
        request.resource_spans[0].scope_spans[0].spans[1].attributes.add(key=key).value.string_value = value
    return request.SerializeToString()


def rows(body: bytes) -> list[dict]:
    return plain(decode(Telemetry.TRACES, [body], [1])["otel_traces"]).to_pylist()


def test_ten_thousand_attributes_are_cut_and_the_span_says_so_and_its_neighbours_keep_theirs() -> None:
    before, middle, after = rows(span_with({f"k{n}": f"v{n}" for n in range(10_000)}))
    said = dict(middle["SpanAttributes"])
    assert len(said) == MOST_ATTRIBUTES + 1
    assert (said["own"], said["k0"]) == ("x", "v0")
    assert said["tracecollect.cut"] == f"{10_001 - MOST_ATTRIBUTES} attributes"
    assert dict(before["SpanAttributes"]) == {"own": "before"}
    assert dict(after["SpanAttributes"]) == {"own": "after"}


def test_a_long_value_is_cut_at_a_character() -> None:
    _, middle, _ = rows(span_with({"long": "ä" * (LONGEST + 10), "just": "ä" * LONGEST}))
    said = dict(middle["SpanAttributes"])
    assert said["long"] == "ä" * (LONGEST - 1) + "…"
    assert said["just"] == "ä" * LONGEST


def test_a_request_of_too_many_spans_will_never_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MOST_ITEMS", 2)
    with pytest.raises(TooLarge) as error:
        check(Telemetry.TRACES, span_with({}))
    assert error.value.reason == "items"


def test_what_packs_better_than_telemetry_is_a_bomb_long_before_the_limit() -> None:
    bomb = gzip.compress(bytes(60_000_000))
    assert MAX_RATIO * len(bomb) < 60_000_000
    with pytest.raises(TooLarge) as error:
        unpack(bomb, "gzip", 64 << 20)
    assert error.value.reason == "bomb"


def test_an_unknown_encoding_names_those_that_are_understood() -> None:
    with pytest.raises(Rejected) as error:
        unpack(b"x", "br", 100)
    assert "zstd" in error.value.hint

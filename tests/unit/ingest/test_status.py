"""The table of errors against what the OTLP specification says of retries."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from tracecollect import errors
from tracecollect.ports import Receipt, Telemetry
from tracecollect.wire.answers import json_response, response
from tracecollect.wire.status import wire_status

# https://opentelemetry.io/docs/specs/otlp/: "the client SHOULD retry"; the last one only where RetryInfo comes along.
RETRYABLE_GRPC = {"CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS"}
WITH_RETRY_INFO = "RESOURCE_EXHAUSTED"
RETRYABLE_HTTP = {429, 502, 503, 504}
# How the Collector turns a gRPC status into one of HTTP.
COLLECTOR = {"INVALID_ARGUMENT": 400, "UNAUTHENTICATED": 401, "UNAVAILABLE": 503, "INTERNAL": 500}
RETRIED = [errors.Busy("x", retry_after=2.5), errors.StoreFull("x")]
FINAL = [errors.Rejected("x"), errors.TooLarge("x"), errors.NotAllowed("x"), errors.StoreError("x"), RuntimeError("x")]


def details(error: Exception) -> Status:
    return Status.FromString(wire_status(error).details())


def retry_infos(status: Status) -> list[RetryInfo]:
    found = []
    for one in status.details:
        info = RetryInfo()
        if one.Unpack(info):
            found.append(info)
    return found


@pytest.mark.parametrize("error", RETRIED, ids=lambda one: type(one).__name__)
def test_what_may_succeed_later_is_retryable_over_both_transports_and_says_when(error):
    status = wire_status(error)
    assert status.name in RETRYABLE_GRPC
    assert status.http in RETRYABLE_HTTP
    assert status.retry_after
    (info,) = retry_infos(details(error))
    assert info.retry_delay.seconds + info.retry_delay.nanos / 1e9 == status.retry_after
    assert status.retry_seconds >= status.retry_after


@pytest.mark.parametrize("error", FINAL, ids=lambda one: type(one).__name__)
def test_what_will_never_succeed_is_retried_over_neither_transport(error):
    status = wire_status(error)
    assert status.name not in RETRYABLE_GRPC
    assert status.http not in RETRYABLE_HTTP
    assert status.retry_after is None
    assert retry_infos(details(error)) == []


def test_too_large_is_what_the_specification_names_for_it():
    status = wire_status(errors.TooLarge("x"))
    assert (status.name, status.http) == (WITH_RETRY_INFO, 413)


@pytest.mark.parametrize("error", [*RETRIED, *FINAL], ids=lambda one: type(one).__name__)
def test_both_transports_say_the_same(error):
    status = wire_status(error)
    if status.name in COLLECTOR:
        assert COLLECTOR[status.name] == status.http
    assert StatusCode[status.name].value[0] == status.grpc == details(error).code
    assert json_format.Parse(status.json(), Status()) == details(error)


def test_bad_data_comes_with_the_reason_as_a_detail():
    bad = BadRequest()
    assert details(errors.Rejected("it is bad")).details[0].Unpack(bad)
    assert bad.field_violations[0].description == "it is bad"


def test_every_error_of_ours_has_a_place_in_the_table():
    def every(kind: type[Exception]) -> list[type[Exception]]:
        return [kind, *(one for sub in kind.__subclasses__() for one in every(sub))]

    plain = [kind for kind in every(errors.TracecollectError) if kind not in (errors.MissingExtra, errors.Ambiguous)]
    assert {wire_status(kind("x")).http for kind in plain if kind.__module__ == errors.__name__} <= {
        400,
        401,
        413,
        500,
        503,
    }


def test_a_full_success_leaves_partial_success_unset():
    assert response(Receipt(3)) == b""
    assert json_response(Telemetry.TRACES, Receipt(3)) == b"{}"


def test_a_message_without_rejections_is_a_warning():
    said = json.loads(json_response(Telemetry.LOGS, Receipt(3, 0, "look out")))
    assert said == {"partialSuccess": {"errorMessage": "look out"}}
    assert b"look out" in response(Receipt(3, 0, "look out"))


def test_an_answer_stays_far_below_four_megabytes():
    assert len(response(Receipt(1, 1, "x" * 10**7))) < 10_000

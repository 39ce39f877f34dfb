"""The harness that records services: what it keeps, what it takes out, what it calls a leak. No service is run here."""

from __future__ import annotations

import gzip
import random
import socket
import urllib.error
import urllib.request

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from record import load
from record.clean import clean
from record.labels import labels
from record.service import SERVICES, Service, every
from record.tape import Tape, listening

from tracecollect.receivers.files import import_file
from tracecollect.receivers.intake import Intake

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def request(name: str) -> bytes:
    whole = ExportTraceServiceRequest()
    resource = whole.resource_spans.add()
    resource.resource.attributes.add(key="host.name").value.string_value = socket.gethostname()
    resource.resource.attributes.add(key="service.name").value.string_value = "orders"
    span = resource.scope_spans.add().spans.add(name=name, trace_id=b"t" * 16, span_id=b"s" * 8)
    span.start_time_unix_nano, span.end_time_unix_nano = 1, 2
    return whole.SerializeToString()


def send(endpoint: str, body: bytes, headers: dict[str, str]) -> int:
    asked = urllib.request.Request(f"{endpoint}/v1/traces", body, headers)
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_requests_over_grpc_and_http_are_kept_in_order_and_can_be_imported(tmp_path):
    tape, bodies = Tape(), [request("one"), request("two"), request("three")]
    protobuf = {"Content-Type": "application/x-protobuf"}
    with listening(tape) as (over_grpc, over_http):
        with grpc.insecure_channel(over_grpc.removeprefix("http://")) as channel:
            channel.unary_unary(EXPORT)(bodies[0], timeout=5)
        assert send(over_http, gzip.compress(bodies[1]), {**protobuf, "Content-Encoding": "gzip"}) == 200
        assert send(over_http, b"[]", {"Content-Type": "application/json"}) == 400
        assert send(over_http, b"\xff\xff", protobuf) == 400
        tape.stop()
        assert send(over_http, bodies[2], protobuf) == 200
    tape.write(tmp_path / "x.jsonl.gz", lambda _, body: body)
    again = Tape()
    import_file(tmp_path / "x.jsonl.gz", Intake(again))
    assert [body for _, _, body in again._requests] == bodies[:2]


def test_host_names_are_taken_out_and_a_request_without_one_stays_as_it_is():
    found = ExportTraceServiceRequest.FromString(clean("traces", request(f"at {socket.gethostname()}")))
    (resource,) = found.resource_spans
    assert [one.key for one in resource.resource.attributes] == ["service.name"]
    assert resource.scope_spans[0].spans[0].name == "at host"
    plain = clean("traces", request("GET"))
    assert clean("traces", plain) == plain


def lease(number: int, **said: object) -> dict:
    plain = {"t_release": None, "forgot": None, "collected": False, "backend_pid": number, "t_acquire": 1}
    return {"lease": number, "route": "peek", "trace_id": "", "span_id": "", **plain, **said}


def test_what_nobody_gave_back_is_leaked_and_what_the_collector_gave_back_is_not():
    leases = [lease(1, t_release=5), lease(2, forgot="dropped"), lease(3, forgot="dropped", collected=True)]
    said = labels(leases, {2}, load.Told(sent=3))
    assert [(one["lease"], one["backend_alive_at_end"]) for one in said["leaks"]] == [(2, True)]
    assert [one["lease"] for one in said["forgotten_but_harmless"]] == [3]
    assert (said["n_leases"], said["n_true_leaks"]) == (3, 1)


@pytest.mark.parametrize("scenario", load.SCENARIOS.values(), ids=lambda one: one.name)
def test_a_scenario_forgets_and_holds_as_often_as_it_says(scenario):
    chance = random.Random(3)
    sent = [load._request(chance, scenario) for _ in range(4000)]
    forgetful = [path for _, route, path in sent if route.rpartition("/")[2] in ("peek", "export", "pay")]
    forgot = sum("forget=1" in path for path in forgetful) / len(forgetful)
    assert forgot == pytest.approx(scenario.forget, abs=0.04)
    assert sum(route == "/slow" for _, route, _ in sent) / len(sent) == pytest.approx(scenario.slow, abs=0.04)


@pytest.mark.parametrize("name", every())
def test_every_service_says_how_it_is_run_and_what_it_can_show(name):
    one = Service.read(name)
    assert one.run
    assert set() != set(one.scenarios) <= load.SCENARIOS.keys()
    assert (SERVICES / name).is_dir()

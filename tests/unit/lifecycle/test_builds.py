"""Builds of a service out of recordings: what requests did with connections, what is new, what vanished."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from builders.store import Bench, Request, bench
from captures import Capture
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tracecollect.errors import NotFound
from tracecollect.lifecycle.builds import compare
from tracecollect.model import SECOND, Build, BuildQuery, Instant, Window
from tracecollect.ports import Telemetry
from tracecollect.storage import builds
from tracecollect.storage.local import LocalAnswers

GRACE = 5 * SECOND
HEALTHY, LEAKING = Capture("asyncpg-healthy"), Capture("asyncpg-leak")
BLIND, SPLIT = Capture("psycopg3pool-healthy"), Capture("node-events-leak")
MIDDLE = Instant((SPLIT.begin + SPLIT.end) // 2)


pytestmark = pytest.mark.slow  # four recordings have to be stored first


@dataclass(frozen=True)
class World:
    """One store with four recordings, each as a version of its own; the last one changes its version in the middle."""

    answers: LocalAnswers

    def build(self, version: str = "", window: Window | None = None) -> Build:
        return self.answers.build(BuildQuery("orders", version, window))


def deliver(into: Bench, capture: Capture, version: Callable[[int], str]) -> None:
    requests = []
    with gzip.open(capture.path, "rt") as lines:
        for one in map(json.loads, lines):
            body = base64.b64decode(one["b64"])
            if one["signal"] == "traces":
                body = as_version(body, version)
            requests.append(Request(Telemetry(one["signal"]), Instant(one["t"]), body))
    into.deliver(requests)


def as_version(body: bytes, version: Callable[[int], str]) -> bytes:
    request = ExportTraceServiceRequest.FromString(body)
    whole = ExportTraceServiceRequest()
    for resource in request.resource_spans:
        # A batch may have spans of both versions: each gets a resource of its own.
        for scope in resource.scope_spans:
            for span in scope.spans:
                one = whole.resource_spans.add(resource=resource.resource)
                for attribute in one.resource.attributes:
                    if attribute.key == "service.version":
                        attribute.value.string_value = version(span.end_time_unix_nano)
                one.scope_spans.add(scope=scope.scope, spans=[span])
    return whole.SerializeToString()


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    with bench(tmp_path_factory.mktemp("builds")) as one:
        deliver(one, HEALTHY, lambda _: "1.0")
        deliver(one, LEAKING, lambda _: "2.0")
        deliver(one, BLIND, lambda _: "3.0")
        deliver(one, SPLIT, lambda ended: "4.0" if ended < MIDDLE else "4.1")
        answers = one.answers(GRACE / SECOND)
        yield World(answers)
        answers.close()


def entries(capture: Capture) -> int:
    return capture.labels["requests_total"]


def leases(capture: Capture) -> list[int]:
    """How long connections that came back were really held."""
    found = capture.labels["all_leases"]
    return sorted(one["t_release"] - one["t_acquire"] for one in found if one["t_release"])


def test_requests_and_their_connections_are_those_that_were_recorded(world):
    one = world.build("1.0")
    assert one.whole.requests == one.side.followed == entries(HEALTHY)
    assert one.whole.connections_per_request == HEALTHY.labels["n_leases"] / entries(HEALTHY)
    assert sum(each.requests for each in one.operations) == entries(HEALTHY)
    assert {each.entry: each.requests for each in one.operations}["GET /orders/export"] == 40


def test_hold_times_are_near_what_the_service_measured(world):
    one, truth = world.build("1.0").whole, leases(HEALTHY)
    # A hold begins with its first statement here, and the lease a little before.
    assert truth[len(truth) // 2] * 0.6 < one.held_p50 <= truth[len(truth) // 2] * 1.05
    assert truth[len(truth) * 95 // 100] * 0.6 < one.held_p95 <= truth[len(truth) * 95 // 100] * 1.05


def test_statements_are_those_that_ran_while_the_connection_was_held(world):
    by_entry = {one.entry: one.statements_per_hold for one in world.build("1.0").operations}
    assert by_entry["GET /orders/{oid}"] == 2
    assert by_entry["POST /orders"] == 4
    assert by_entry["GET /orders/export"] == 1


def test_a_leaking_version_has_new_leak_sites_and_the_one_before_it_none(world):
    healthy, leaking = world.build("1.0"), world.build("2.0")
    diff = compare(healthy, leaking)
    assert sum(one.leaked_count for one in diff.new) == LEAKING.labels["n_true_leaks"]
    assert (diff.vanished, diff.still) == ((), ())
    assert compare(leaking, healthy).vanished == diff.new
    assert compare(leaking, leaking).still == diff.new


def test_what_leaks_always_has_no_time_for_which_it_was_held(world):
    peek = next(one for one in world.build("2.0").operations if one.entry.endswith("/peek"))
    assert peek.connections_per_request == 1
    assert (peek.held_p50, peek.held_p95) == (None, None)


def test_an_operation_that_only_one_build_has_is_absent_in_the_other(world):
    diff = compare(world.build("1.0"), world.build("3.0"))
    changes = {one.entry: one for one in diff.operations}
    assert changes["GET /orders/{oid}"].after is None
    assert changes["GET /orders/<int:oid>"].before is None


def test_a_window_says_the_same_as_the_version_that_ran_in_it(world):
    window = Window(LEAKING.begin, Instant(LEAKING.end + GRACE))
    by_window, by_version = world.build(window=window), world.build("2.0")
    assert (by_window.whole, by_window.operations) == (by_version.whole, by_version.operations)
    assert {one.id for one in by_window.findings} == {one.id for one in by_version.findings}


def test_half_a_window_has_the_requests_that_began_in_it(world):
    middle = Instant((LEAKING.begin + LEAKING.end) // 2)
    halves = [Window(LEAKING.begin, middle), Window(middle, Instant(LEAKING.end + GRACE))]
    counts = [world.build(window=one).whole.requests for one in halves]
    assert sum(counts) == entries(LEAKING)
    assert min(counts) > 0


def test_a_process_that_changes_its_version_is_two_builds(world):
    before, after = world.build("4.0"), world.build("4.1")
    assert before.whole.requests + after.whole.requests == entries(SPLIT)
    assert min(before.whole.requests, after.whole.requests) > 0
    assert (before.whole.connections_per_request, after.whole.connections_per_request) == (1, 1)
    leaked = [sum(one.leaked_count for one in build.findings) for build in (before, after)]
    assert sum(leaked) == SPLIT.labels["n_true_leaks"]
    assert min(leaked) > 0


def test_what_a_long_grace_leaves_unjudged_is_said_and_no_leak_site(world):
    one = world.answers.build(BuildQuery("orders", "2.0", grace=120 * SECOND))
    assert one.side.unjudged == LEAKING.labels["n_true_leaks"]
    assert compare(one, one).still == ()


def test_where_no_hold_is_seen_nothing_is_said_of_connections(world):
    one = world.build("3.0")
    assert one.whole.requests == entries(BLIND)
    assert (one.whole.connections_per_request, one.whole.held_p50, one.whole.statements_per_hold) == (None, None, None)
    assert [each.level for each in one.side.coverage] == ["blind"]


def test_of_many_requests_a_sample_is_followed_and_all_are_counted_and_judged(world, monkeypatch):
    whole = world.build("2.0")
    monkeypatch.setattr(builds, "_MOST_FOLLOWED", 100)
    sampled = world.build("2.0")
    assert sampled.side.requests == entries(LEAKING)
    assert 50 < sampled.side.followed < 160
    assert sampled.whole.connections_per_request == 1
    assert sampled.findings == whole.findings


def test_a_version_that_never_ran_names_those_that_did(world):
    with pytest.raises(NotFound, match=r"no version 9\.9 of orders") as caught:
        world.build("9.9")
    assert set(caught.value.hint.removeprefix("seen: ").split(", ")) == {"1.0", "2.0", "3.0", "4.0", "4.1"}


def test_a_service_or_a_window_of_silence_is_not_there(world):
    with pytest.raises(NotFound, match="nothing was heard of a service nobody"):
        world.answers.build(BuildQuery("nobody"))
    with pytest.raises(NotFound, match="in this window"):
        world.build(window=Window(Instant(0), Instant(1)))

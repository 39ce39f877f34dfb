"""The comparison with other collectors: whom it finds, what it sends, and that it measures. It needs none of them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import resource_tracker
from pathlib import Path

import grpc
import pytest

from bench.peering import Plan, candidates, compare, tables, totals
from bench.peers import OURS, OURS_OVER_HTTP, PEERS
from bench.sending import Batch, Load, Sender, Target, bodies, templates
from bench.serving import EXPORT


@pytest.fixture(autouse=True, scope="module")
def tracker() -> None:
    """The process that multiprocessing starts once and keeps."""
    resource_tracker.ensure_running()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of its own, with nothing on it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(path: Path, name: str) -> None:
    (path / name).write_text("#!/bin/sh\necho I have no licence >&2\nexit 1\n")
    (path / name).chmod(0o755)


def batch(load: Load, seed: int, most: int = 20) -> Batch:
    return Batch(load, templates(load.spans), seed, time.time_ns(), most, seconds=5)


def test_where_no_other_collector_is_on_path_it_says_so_and_ours_is_measured_alone(path, capsys):
    assert candidates() == [OURS]
    said = capsys.readouterr().out
    assert "no other collector was found on PATH: ours alone" in said
    assert all(f"{one.name} ({' or '.join(one.programs)})" in said for one in PEERS)


def test_who_is_on_path_is_measured_beside_ours_and_it_says_where_it_was_found(path, capsys):
    program(path, "jaeger")
    assert [one.name for one in candidates()] == ["tracecollect", "Jaeger, Badger"]
    assert str(path / "jaeger") in capsys.readouterr().out


def test_who_speaks_only_http_is_compared_with_ours_over_http(path):
    program(path, "victoria-traces-prod")
    assert [one.name for one in candidates()] == ["tracecollect", "tracecollect (HTTP)", "VictoriaTraces"]


def test_who_does_not_start_is_left_out_with_what_it_said(path, capsys):
    program(path, "phoenix")
    phoenix = next(one for one in PEERS if "phoenix" in one.programs)
    assert compare([phoenix], 1, Plan()) == {}
    said = capsys.readouterr().out
    assert "left out: Arize Phoenix did not get ready" in said
    assert "I have no licence" in said


@pytest.mark.parametrize("load", [Load(10), Load(0)], ids=["generated", "recorded"])
def test_everybody_gets_the_same_bytes_and_no_other_load_has_its_ids(load):
    one = batch(load, seed=1)
    assert bodies(one) == bodies(one)
    other = bodies(Batch(load, one.templates, 2, one.end, one.most, one.seconds))
    assert not {body.trace for body in bodies(one)} & {body.trace for body in other}


@pytest.fixture
def refusing() -> Iterator[str]:
    """A receiver that takes three requests and refuses what comes after."""
    taken: list[bytes] = []

    def export(request: bytes, context: grpc.ServicerContext) -> bytes:
        taken.append(request)
        if len(taken) > 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "full")
        return b""

    _, service, method = EXPORT.split("/")
    server = grpc.server(ThreadPoolExecutor(1))
    handlers = {method: grpc.unary_unary_rpc_method_handler(export)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.mark.parametrize("zipped", [False, True])
def test_sending_ends_at_the_first_refusal_and_says_why(refusing, zipped):
    with Sender() as sender:
        seen = sender.pour(Target(refusing, EXPORT, grpc=True), batch(Load(100, 1, zipped), seed=1), lambda: None)
    assert (seen.spans, seen.refused) == (300, "gRPC status 14")


@pytest.mark.slow
@pytest.mark.parametrize("ours", [OURS, OURS_OVER_HTTP], ids=["grpc", "http"])
def test_ours_alone_goes_through_the_same_measuring_and_gives_numbers(ours):
    plan = Plan(Load(10), loads=(Load(10, 2, zipped=True),), seconds=5, most=lambda _: 20, lookups=5)
    turns = compare([ours], 1, plan)
    [turn] = turns[ours]
    assert all(one.cpu > 0 and one.rate > 0 and not one.refused and one.rested for one in turn.loads.values())
    assert turn.resident > 0
    assert turn.bytes_a_span > 0
    assert len(turn.lookups) == 5
    text = tables(turns, plan)
    assert "| 10 spans, gzip, 2 conn. |" in text
    assert "nan" not in text
    assert not any(math.isnan(value) for _, value, _ in totals(turns))

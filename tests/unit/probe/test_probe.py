"""What the probe promises its service: it costs little, holds nothing, breaks nothing and says the truth."""

from __future__ import annotations

import gc
import os
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
import weakref
from functools import partial
from importlib.metadata import requires

import pytest
from driver_words import line
from opentelemetry import context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from packaging.requirements import Requirement

import tracecollect.probe
from tracecollect.probe import Probe
from tracecollect.probe.place import Place

KEPT = pytest.mark.keeps_connection(reason="forgets connections to see what is said of it")
PLACE = Place("postgresql", "db", 5432, "shop")


class Connection:
    """Stands for a driver's."""


def test_it_imports_neither_the_sdk_nor_anything_of_the_collector():
    program = "import sys, tracecollect.probe; tracecollect.probe.install();print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    ours = {one for one in loaded if one.startswith("tracecollect.") and not one.startswith("tracecollect.probe")}
    others = {one.partition(".")[0] for one in loaded}
    assert ours == set()
    assert not others & {"chdb", "pyarrow", "grpc", "click", "httpx", "networkx", "psycopg", "sqlite3"}
    assert not [one for one in loaded if one.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]


def test_its_extra_brings_neither_engine_nor_arrow():
    wanted = [Requirement(text) for text in requires("tracecollect")]
    brought = {one.name for one in wanted if one.marker is None or one.marker.evaluate({"extra": "probe"})}
    assert "opentelemetry-api" in brought
    assert not brought & {"chdb-core", "clickhouse-connect", "pyarrow", "ptars", "grpcio", "opentelemetry-sdk"}


def test_a_hold_costs_its_borrower_less_than_20_microseconds(watching):
    holds = watching.probe.holds
    spent = []
    for _ in range(2000):
        connection = Connection()
        began = time.thread_time_ns()
        holds.acquired(connection, place=PLACE)
        holds.released(connection)
        spent.append(time.thread_time_ns() - began)
    assert statistics.median(spent) < 20_000


def test_events_carry_the_trace_of_whoever_took_the_connection(watching):
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("shop")
    with tracer.start_as_current_span("POST /pay") as span:
        connection = sqlite3.connect(":memory:")
    connection.close()
    assert [one.trace_id for one in watching.said()] == [span.get_span_context().trace_id] * 2


def test_an_event_of_no_trace_is_not_told_of_the_trace_in_which_it_is_sent(watching):
    sqlite3.connect(":memory:").close()
    with TracerProvider(shutdown_on_exit=False).get_tracer("shop").start_as_current_span("flush"):
        said = watching.said()
    assert [one.trace_id for one in said] == [0, 0]


def test_a_connection_that_the_service_keeps_in_its_context_is_not_kept_alive(watching):
    connection = Connection()
    gone = weakref.ref(connection)
    token = context.attach(context.set_value("connection", connection))
    watching.probe.holds.acquired(connection, place=PLACE)
    context.detach(token)
    del connection, token
    assert watching.story() == ["acquired", "released collected"]
    assert gone() is None


def test_two_functions_of_the_same_text_are_told_apart(watching):
    text = "def pay(take):\n    take()\n"
    modules = [{"__name__": name} for name in ("shop", "stock")]
    for one in modules:
        exec(compile(text, "pay.py", "exec"), one)
        one["pay"](partial(watching.probe.holds.acquired, Connection(), place=PLACE))
    functions = [one.attributes["code.function.name"] for one in watching.said() if one.event == "acquired"]
    assert functions == ["shop.pay", "stock.pay"]


@pytest.mark.parametrize(
    "file",
    [
        "<string>",
        "<frozen x>",
        "<decorator-gen-7>",
        "<attrs generated init x>",
        "<sqlalchemy generated f() wrapper for x>",
    ],
)
def test_code_that_a_library_generated_is_the_librarys(watching, file):
    generated = {"__name__": "library"}
    exec(compile("def call(take):\n    take()\n", file, "exec"), generated)
    generated["call"](partial(watching.probe.holds.acquired, Connection(), place=PLACE))
    assert watching.said()[0].code == f"tests/unit/probe/test_probe.py:{line() - 1}"


@pytest.mark.parametrize("file", ["<stdin>", "<console>", "<ipython-input-3-abc>", "<python-input-0>"])
def test_code_that_somebody_typed_is_theirs(watching, file):
    exec(compile("take()\n", file, "exec"), {"take": partial(watching.probe.holds.acquired, Connection(), place=PLACE)})
    assert watching.said()[0].code == f"{file}:1"


def test_it_keeps_no_connection_alive(watching):
    connection = Connection()
    gone = weakref.ref(connection)
    watching.probe.holds.acquired(connection, place=PLACE)
    del connection
    assert gone() is None
    assert watching.story() == ["acquired", "released collected"]


def test_a_release_inside_the_garbage_collector_of_the_sending_thread_waits_for_nothing(watching):
    class Cycle(Connection):
        def __init__(self):
            self.me = self

    holds, sending = watching.probe.holds, watching.probe.outbox._sending
    holds.acquired(Cycle(), place=PLACE)
    with sending:  # as if the collector ran in the middle of sending
        gc.collect()
    assert watching.story() == ["acquired", "released collected"]


def test_what_fails_inside_never_reaches_the_application(watching, monkeypatch):
    monkeypatch.setattr(watching.probe.holds, "_calling", lambda: 1 / 0)
    sqlite3.connect(":memory:").close()
    assert watching.story() == []


def test_many_threads_at_once_are_each_told(watching):
    def borrow():
        for _ in range(200):
            connection = Connection()
            watching.probe.holds.acquired(connection, place=PLACE)
            watching.probe.holds.released(connection)

    threads = [threading.Thread(target=borrow) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    said = watching.said()
    assert len({one.hold for one in said}) == 800
    assert len(said) == 1600


def test_an_exporter_that_fails_is_not_noticed_by_the_application():
    class Broken:
        def get_logger(self, *_, **__):
            raise ConnectionError("the exporter is down")

    probe = Probe(logger_provider=Broken())
    probe.start()
    try:
        sqlite3.connect(":memory:").close()
        probe.outbox.flush()
        assert not probe.outbox._queue
    finally:
        probe.stop()


# --- processes -----------------------------------------------------------------------------------------

PROGRAM = """
import json, os, sqlite3, sys
from opentelemetry._logs import set_logger_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor, LogRecordExporter, LogRecordExportResult
import tracecollect.probe

class Print(LogRecordExporter):
    def export(self, batch):
        for one in batch:
            said = one.log_record
            reason = said.attributes.get("db.client.connection.release.reason", "")
            os.write(1, f"{os.getpid() == ME} {said.event_name.rpartition('.')[2]} {reason}".strip().encode() + b"\\n")
        return LogRecordExportResult.SUCCESS
    def shutdown(self): pass
    def force_flush(self, timeout_millis=0): return True

ME = os.getpid()
tracecollect.probe.install()
provider = LoggerProvider()
provider.add_log_record_processor(SimpleLogRecordProcessor(Print()))
set_logger_provider(provider)
"""


def lines(program: str, *, status: int = 0) -> list[str]:
    # Python 3.12 warns of a fork beside any thread; the SDK has some, too.
    quiet = ("-W", "ignore:This process:DeprecationWarning")
    done = subprocess.run([sys.executable, *quiet, "-c", PROGRAM + program], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_process_that_ends_in_order_says_what_it_still_held():
    assert lines("kept = sqlite3.connect(':memory:')") == ["True acquired", "True abandoned"]


def test_a_process_that_leaves_without_a_word_says_nothing():
    assert "True abandoned" not in lines("kept = sqlite3.connect(':memory:'); os._exit(3)", status=3)


def test_a_forked_child_answers_for_its_own_connections_only():
    said = lines(
        """
kept = sqlite3.connect(":memory:")
child = os.fork()
mine = sqlite3.connect(":memory:")
mine.close()
if child:
    os.waitpid(child, 0)
    kept.close()
"""
    )
    assert [one for one in said if one.startswith("False")] == ["False acquired", "False released closed"]
    own = [one for one in said if one.startswith("True")]
    assert own == ["True acquired", "True acquired", "True released closed", "True released closed"]


def test_a_child_of_multiprocessing_says_at_its_end_what_it_still_held():
    said = lines(
        """
import multiprocessing
fork = multiprocessing.get_context("fork")
def work(again):
    global kept
    kept = sqlite3.connect(":memory:")
    if again:
        one = fork.Process(target=work, args=(False,))
        one.start()
        one.join()
one = fork.Process(target=work, args=(True,))
one.start()
one.join()
"""
    )
    assert sorted(said) == ["False abandoned"] * 2 + ["False acquired"] * 2


def test_a_worker_of_celery_says_at_its_end_what_it_still_held_when_its_own_end_was_heard():
    said = lines(
        """
import billiard.pool
def work():
    global kept, closed_at_its_end
    kept, closed_at_its_end = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
def heard(pid, exitcode):
    closed_at_its_end.close()
pool = billiard.pool.Pool(1, on_process_exit=heard)
pool.apply(work)
pool.close()
pool.join()
"""
    )
    assert said == ["False acquired", "False acquired", "False released closed", "False abandoned"]


def test_the_holds_of_a_forked_child_are_never_taken_for_those_of_its_parent():
    said = lines(
        """
from tracecollect.probe import installed
if child := os.fork():
    os.waitpid(child, 0)
os.write(1, installed().outbox._process.encode() + b"\\n")
"""
    )
    assert len(set(said)) == 2


def test_under_gevent_greenlets_are_each_told():
    said = lines(
        """
import gevent, gevent.monkey
gevent.monkey.patch_all()
def work(_):
    connection = sqlite3.connect(":memory:")
    gevent.sleep(0.01)
    connection.close()
gevent.joinall([gevent.spawn(work, number) for number in range(20)])
"""
    )
    assert sorted(said) == ["True acquired"] * 20 + ["True released closed"] * 20


def test_an_exporter_that_is_down_costs_a_process_no_word():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sqlite3, tracecollect.probe; tracecollect.probe.install(); sqlite3.connect(':memory:')",
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_opentelemetry_instrument_finds_it_by_its_entry_point():
    from importlib.metadata import entry_points

    (found,) = entry_points(group="opentelemetry_instrumentor", name="tracecollect")
    assert found.load() is tracecollect.probe.ConnectionInstrumentor


# --- pools ---------------------------------------------------------------------------------------------


def test_a_pool_says_its_numbers_as_metrics_of_the_conventions(dsn):
    from psycopg_pool import ConnectionPool

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    probe = Probe(meter_provider=provider)
    probe.start()
    try:
        with ConnectionPool(dsn, min_size=2, max_size=5, name="orders", open=True) as pool:
            pool.wait()
            with pool.connection():
                found = {
                    (metric.name, point.attributes.get("db.client.connection.state", "")): point.value
                    for resource in reader.get_metrics_data().resource_metrics
                    for scope in resource.scope_metrics
                    for metric in scope.metrics
                    for point in metric.data.data_points
                }
    finally:
        probe.stop()
        provider.shutdown()
    assert found == {
        ("db.client.connection.count", "used"): 1,
        ("db.client.connection.count", "idle"): 1,
        ("db.client.connection.max", ""): 5,
        ("db.client.connection.idle.min", ""): 2,
        ("db.client.connection.pending_requests", ""): 0,
    }


def test_the_whole_stack_is_said_where_it_is_asked_for(watching):
    probe = Probe(stack=True, logger_provider=watching.provider)
    connection = Connection()
    probe.holds.acquired(connection, place=PLACE)
    probe.holds.released(connection)
    probe.stop()
    taken, back = watching.said()
    assert "test_the_whole_stack_is_said_where_it_is_asked_for" in taken.attributes["code.stacktrace"]
    assert "tracecollect/probe" not in taken.attributes["code.stacktrace"]
    assert "code.stacktrace" not in back.attributes


def test_without_a_trace_an_event_has_none(watching):
    assert not trace.get_current_span().get_span_context().is_valid
    sqlite3.connect(":memory:").close()
    assert {one.trace_id for one in watching.said()} == {0}


def test_what_the_service_says_it_keeps_is_nobodys_hold(watching):
    with tracecollect.probe.kept():
        kept = sqlite3.connect(":memory:")
    assert watching.probe.holds.open() == []
    kept.close()
    assert watching.story() == []

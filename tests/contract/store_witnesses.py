"""What every store promises of metrics and of what surrounds the accused."""

from __future__ import annotations

import pytest
from builders.otlp import EPOCH, INTERNAL, REMOTE, World, instant
from contract.store_world import ALL, GRACE, SCOPE, said, tell
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from tracecollect.model import (
    SECOND,
    Instant,
    Window,
)
from tracecollect.ports import SpanLoss, Store


class WitnessesContract:
    """The promises about pools and processes."""

    # --- metrics --------------------------------------------------------------------------------------

    def test_samples_have_one_value_a_moment_and_a_unit(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        for at in (1, 2):
            shop.level("contract.used", at, at, scope=SCOPE, since=0.5, pool__name="p", shard=1)
            shop.level("contract.used", 10, at, scope=SCOPE, since=0.5, pool__name="p", shard=2)
        gauge = Metric(name="contract.idle")
        gauge.gauge.data_points.add(time_unix_nano=instant(1), as_double=1.5)
        shop.metric(gauge, 1, scope=SCOPE)
        shop.level("contract.used", 99, 1, scope="elsewhere")
        tell(store, world.items)
        tell(store, world.items)
        told = [(one.pool, one.measure, one.at, one.value, one.since) for one in store.samples(ALL)]
        assert told == [
            ("", "idle", instant(1), 3.0, Instant(0)),
            ("p", "used", instant(1), 11.0, instant(0.5)),
            ("p", "used", instant(2), 12.0, instant(0.5)),
        ]
        assert len(store.samples(ALL, "i", "p")) == 2
        assert len(store.samples(Window(instant(2), instant(3)))) == 1
        assert not store.samples(ALL, "j")

    def test_deltas_are_added_up_from_the_beginning_of_the_window(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        for at in range(1, 5):
            metric = Metric(name="contract.acquires")
            metric.sum.aggregation_temporality = 1
            metric.sum.data_points.add(time_unix_nano=instant(at), start_time_unix_nano=instant(at - 1), as_int=at)
            shop.metric(metric, at, scope=SCOPE)
        tell(store, world.items)
        tell(store, world.items[2:3])
        assert [one.value for one in store.samples(ALL)] == [1, 3, 6, 10]
        assert [one.value for one in store.samples(Window(instant(2), instant(4)))] == [2, 5, 9]
        assert {one.since for one in store.samples(ALL)} == {0}

    def test_exemplars_name_the_traces_of_a_sample(self, store: Store, world: World) -> None:
        metric = Metric(name="contract.used")
        metric.sum.aggregation_temporality = 2
        point = metric.sum.data_points.add(time_unix_nano=instant(1), as_int=1)
        for name in (b"a" * 16, b"b" * 16, b"a" * 16):
            point.exemplars.add(trace_id=name)
        world.process("shop", "i").metric(metric, 1, scope=SCOPE)
        tell(store, world.items)
        (one,) = store.samples(ALL)
        assert sorted(one.trace_ids) == [(b"a" * 16).hex(), (b"b" * 16).hex()]

    def test_processes_say_their_files_and_memory_under_one_name(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        for state in ("runnable", "waiting"):
            shop.level("jvm.thread.count", 4, 1, scope="jvm", jvm__thread__state=state)
        shop.level("process.unix.file_descriptor.count", 20, 2, scope="os")
        shop.level("nothing.known", 20, 2, scope="os")
        tell(store, world.items)
        tell(store, world.items)
        told = [(one.measure, one.at, one.value) for one in store.process(["shop"], ["i"], ALL)]
        assert told == [("threads", instant(1), 8), ("files", instant(2), 20)]
        assert not store.process(["shop"], ["j"], ALL)

    # --- what surrounds the accused -------------------------------------------------------------------

    def test_instances_are_told_by_scope_with_the_systems_they_speak_to(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        shop.span("a", 0, 2, scope="lib", db__system="postgresql")
        shop.span("b", 1, 2, scope="lib", db__system__name="redis", db__system="other")
        shop.log("c", 3)
        tell(store, world.items)
        none, lib = store.instances(ALL)
        assert (none.scope, none.spans, none.systems, none.last_at) == ("", 0, (), instant(3))
        assert (lib.scope, lib.spans, lib.systems) == ("lib", 2, ("postgresql", "redis"))
        assert (lib.first_at, lib.last_at, lib.arrived_at) == (instant(0), instant(2), instant(3))

    @pytest.mark.parametrize("kind", ["gauge", "sum", "histogram", "exponential_histogram", "summary"])
    def test_a_process_that_sends_any_kind_of_metric_is_heard_of(self, store: Store, world: World, kind: str) -> None:
        metric = Metric(name="m")
        getattr(metric, kind).data_points.add(time_unix_nano=instant(61))
        world.process("shop", "i").metric(metric, 61, scope="meter")
        tell(store, world.items)
        assert [(one.instance, one.scope) for one in store.instances(ALL)] == [("i", "meter")]
        assert list(store.minutes(["i", "j"], ALL)["i"]) == [instant(61) // SECOND // 60 * 60]

    def test_loss_is_the_share_of_local_parents_that_never_came(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        entry = shop.entry("GET /", 0, 9)
        lost = shop.span("lost", 1, 2, parent=entry, sent=False)
        for at in (1, 2):
            shop.span("child", at, at + 1, parent=lost)
        shop.span("child", 3, 4, parent=entry)
        shop.span("remote", 3, 4, parent=shop.span("far", 1, 2, sent=False), flags=REMOTE)
        shop.span("young", 100, 101, parent=shop.span("to come", 1, 2, sent=False))
        tell(store, world.items)
        tell(store, world.items)
        measured = store.loss(["shop"], Window(ALL.since, instant(100)), grace=GRACE, enough=1000)
        assert list(measured) == [SpanLoss("i", 2, 1)]
        assert not store.loss(["bank"], ALL, grace=GRACE, enough=1000)

    def test_a_pool_leads_to_where_its_newest_event_says(self, store: Store, world: World) -> None:
        shop, other = world.process("shop", "i"), world.process("shop", "j")
        there = {"server__address": "db-1", "server__port": 5432, "db__namespace": "shop"}
        for process, pool, where, at in (
            (shop, "p", {"server__address": "elsewhere"}, 1),
            (shop, "p", there, 2),
            (shop, "q", {"db__namespace": "x.db"}, 2),
            (shop, "nowhere", {}, 3),
            (other, "p", {"server__address": "db-2"}, 2),
        ):
            about = {"db__client__connection__pool__name": pool, "db__client__connection__hold__id": f"{pool}{at}"}
            process.log("db.client.connection.acquired", at, **about, **where)
            process.log("something else", at, db__client__connection__pool__name=pool, server__address="not said here")
        tell(store, world.items)
        totals = store.totals(ALL, grace=GRACE)
        assert store.places([one for one in totals if one.instance == "i"]) == {
            ("i", "p"): "db-1:5432/shop",
            ("i", "q"): "/x.db",
        }
        assert not store.places([])

    def test_identities_are_told_with_every_time_they_were_taken_or_given_back(
        self, store: Store, world: World
    ) -> None:
        shop = world.process("shop", "i")
        for at, event in ((1, "acquired"), (2, "released"), (5, "acquired"), (6, "opened")):
            shop.log(
                f"db.client.connection.{event}", at,
                db__client__connection__hold__id=f"h{at}", db__client__connection__id="7",
                db__client__connection__pool__name="p",
            )  # fmt: skip
        tell(store, world.items)
        tell(store, world.items)
        (one,) = store.taken(["i"], ALL)
        assert (one.pool, one.connection_id) == ("p", "7")
        assert list(one.at) == [instant(1), instant(2), instant(5)]
        assert one.back == {instant(2)}

    def test_how_paths_give_back_is_told_and_which_do_so_after_their_owner(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        for at, back in ((0, 0.5), (10, 4), (20, 7)):
            entry = shop.entry("GET /export", at, at + 1)
            shop.span("none.open", at, at + 0.3, parent=entry, scope=SCOPE, hold=f"h{at}")
            shop.span("none.close", at, at + back, parent=entry, scope=SCOPE, hold=f"h{at}")
        prompt = shop.entry("GET /", 30, 31)
        shop.span("none.open", 30, 30.2, parent=prompt, scope=SCOPE, hold="prompt")
        shop.span("none.close", 30, 30.5, parent=prompt, scope=SCOPE, hold="prompt")
        tell(store, world.items)
        found = store.returns(["i"], ALL)
        told = {(one.dialect, one.pair, one.entry): (one.closed, one.late, one.latest) for one in found.paths}
        assert told == {
            ("contract", "none", "GET /export"): (3, 2, 6 * SECOND),
            ("contract", "none", "GET /"): (1, 0, -SECOND // 2),
        }
        assert found.share == 1

    def test_who_lives_at_a_moment_is_counted(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        for at in (0, 1, 2):
            shop.span("inner", at, at + 9, parent=shop.entry("GET /", at, at + 2), kind=INTERNAL)
        world.process("shop", "j").entry("GET /", 0, 9)
        tell(store, world.items)
        tell(store, world.items)
        moments = [instant(at) for at in (-1, 0, 1, 2, 3.5, 4)]
        assert list(store.alive("shop", "i", moments, ALL)) == [0, 1, 2, 2, 1, 0]
        assert not store.alive("bank", "i", moments, ALL)

    def test_who_waited_long_is_told_and_whether_in_vain(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        shop.span("borrow.acquired", 0, 0.05, scope=SCOPE, pool__name="p")
        long = shop.span("borrow.acquired", 1, 3, scope=SCOPE, pool__name="p")
        vain = shop.span("borrow.failed", 2, 7, scope=SCOPE, pool__name="p")
        tell(store, world.items)
        tell(store, world.items)
        told = store.waits(["i"], ALL, least=SECOND // 10)
        assert [(one.span_id, one.began, one.ended, one.failed) for one in told] == [
            (said(long), instant(1), instant(3), False), (said(vain), instant(2), instant(7), True),
        ]  # fmt: skip

    def test_requests_served_stand_beside_those_traced_where_any_was(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        for route in ("/pay", "/health"):
            for at, served in ((0, 5), (10, 9)):
                metric = Metric(name="http.server.request.duration")
                metric.histogram.aggregation_temporality = 2
                point = metric.histogram.data_points.add(
                    time_unix_nano=instant(at), start_time_unix_nano=instant(-7200), count=served
                )
                point.attributes.add(key="http.route").value.string_value = route
                shop.metric(metric, at, scope="http")
        for at in (1, 2, 3, 20):
            shop.span("GET /pay", at, at + 1, kind=2, http__route="/pay")
        tell(store, world.items)
        tell(store, world.items)
        (one,) = store.served(["i", "j"], ALL)
        assert (one.instance, one.served, one.traced) == ("i", 4, 3)

    def test_sessions_are_those_that_the_database_saw_idle_in_a_transaction_last(
        self, store: Store, world: World
    ) -> None:
        traces = [f"{number:032x}" for number in (1, 2)]
        scope = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/postgresqlreceiver"
        for pid, trace, states in (
            (7, traces[0], ("active", "idle in transaction")),
            (8, traces[1], ("idle in transaction", "idle")),
        ):
            for at, state in enumerate(states):
                world.process("postgres", "db").log(
                    "db.server.query_sample", at, scope=scope, postgresql__state=state, postgresql__pid=pid,
                    postgresql__application_name=f"shop:00-{trace}-00f067aa0ba902b7-01",
                )  # fmt: skip
        tell(store, world.items)
        tell(store, world.items)
        (one,) = store.sessions(traces, ALL)
        assert (one.connection_id, one.trace_id, one.first_at, one.last_at) == ("7", traces[0], EPOCH, instant(1))
        assert not store.sessions([], ALL)

    def test_the_last_thing_done_for_a_request_is_told_a_process(self, store: Store, world: World) -> None:
        shop, bank = world.process("shop", "i"), world.process("bank", "j")
        entry = shop.entry("GET /", 0, 2)
        bank.span("charge", 1, 5, parent=entry, flags=REMOTE)
        shop.span("later", 20, 21, parent=entry)
        tell(store, world.items)
        told = store.lived([entry.trace_id], Window(ALL.since, instant(10)))
        assert dict(told.active) == {("i", entry.trace_id): instant(2), ("j", entry.trace_id): instant(5)}
        assert not store.lived(["00" * 16], ALL).active

    def test_requests_are_counted_by_operation_and_version_and_a_sample_is_followed(
        self, store: Store, world: World
    ) -> None:
        old, new = world.process("shop", "i", service__version="1"), world.process("shop", "j", service__version="2")
        asked = [old.entry("GET /", 0, 1), new.entry("GET /", 10, 11), new.entry("GET /pay", 12, 13)]
        for process, entry in zip((old, new, new), asked, strict=True):
            process.span("none.open", entry.start, entry.end, parent=entry, scope=SCOPE, hold=entry.trace_id)
            process.span("none.close", entry.start, entry.end + 1, scope=SCOPE, hold=entry.trace_id)
        new.span("GET /", 14, 15, kind=2, tracecollect__open="true")
        tell(store, world.items)
        tell(store, world.items)
        told = [(one.instance, one.version, one.first_at) for one in store.versions("shop", ALL)]
        assert told == [("i", "1", instant(0)), ("j", "2", instant(10))]
        every = [(one.entry, one.requests, one.followed) for one in store.requests("shop", "", ALL, below="g")]
        assert every == [("GET /", 2, 2), ("GET /pay", 1, 1)]
        none = [(one.entry, one.requests, one.followed) for one in store.requests("shop", "2", ALL, below="00000000")]
        assert none == [("GET /", 1, 0), ("GET /pay", 1, 0)]
        first = asked[1].trace_id
        followed = store.signals_of_requests("shop", ["j"], ALL, below=first[-8:] + "0")
        keys = {one.trace_id for one in asked[1:] if one.trace_id[-8:] <= first[-8:]}
        assert keys <= {one.key for one in followed}
        assert [one.role for one in followed if one.key == first] == ["open", "close"]
        assert not store.signals_of_requests("shop", ["i"], Window(instant(5), instant(9)), below="g")

"""What every store promises, whatever it is made of. Subclass `StoreContract` with a `store` fixture.

The store must read the dialects `DIALECTS`: those that ship, and one made up here whose spans say what they mean by
their names. Every test tells a store of one small world, and asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import pytest
from builders.otlp import CONSUMER, EPOCH, INTERNAL, REMOTE, Item, Sent, World, instant, requests
from known_answers import FINDING
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from tracecollect.lifecycle.dialects import OPEN_IF, parse, shipped
from tracecollect.model import (
    SECOND,
    FindingChange,
    Instant,
    LogRecord,
    SearchQuery,
    SpanKind,
    StatusCode,
    Verdict,
    Window,
)
from tracecollect.ports import Batch, KeyTotals, OpenKey, SpanLoss, Store, Telemetry
from tracecollect.wire.decode import decode, plain

ALL = Window(instant(-3600), instant(3600))
GRACE = 5 * SECOND
RULES = tuple(rule for rule in OPEN_IF if rule != "never")
SCOPE = "contract"
_HEAD = """
[dialect]
name = "contract"
version = 3
library = "made up"
scopes = ["contract"]
coverage = "inferred"
why = "w"
blind_to = "b"
"""
_PAIR = """
[pair.{rule}]
family = "B"
key = ["attr:hold"]
open_if = "{rule}"
needs = "close_seen"
entered_by = "{entered_by}"
"""
_BORROWS = """
[pair.borrow]
family = "count"
key = ["trace"]
open_if = "never"
needs = "nothing"
entered_by = "begin"

[[signal]]
from = "spans"
pair = "borrow"
is = "{kind}"
role = "{role}"
where = {{ name = "borrow.{kind}" }}
"""
_SIGNAL = """
[[signal]]
from = "spans"
pair = "{rule}"
is = "{kind}"
role = "{role}"
where = {{ name = "{rule}.{role}" }}
"""
_SERIES = """
[[series]]
from = "{source}"
metric = ["contract.{measure}"]
is = "{measure}"
pool = ["pool.name"]
unit = {unit}
"""
_KINDS = {"open": "used", "close": "released", "excuse": "failed", "pin": "used", "note": "used"}


def _text() -> str:
    pairs = [_PAIR.format(rule=rule, entered_by="touch" if rule == "last" else "begin") for rule in RULES]
    signals = [_SIGNAL.format(rule=rule, role=role, kind=kind) for rule in RULES for role, kind in _KINDS.items()]
    acquired, *others = [
        _BORROWS.format(kind=kind, role=role)
        for kind, role in {"acquired": "open", "used": "note", "failed": "note", "opened": "note"}.items()
    ]
    borrows = [acquired, *(one[one.index("[[signal]]") :] for one in others)]
    series = [_SERIES.format(source="sum", measure=one, unit=1) for one in ("used", "acquires", "returns")]
    series += [_SERIES.format(source="gauge", measure="idle", unit=2)]
    return "".join([_HEAD, *pairs, *signals, *borrows, *series])


DIALECTS = (*shipped(), parse(_text(), "contract.toml"))
_tokens = count()


def tell(store: Store, items: Sequence[Item], *, token: str = "") -> None:
    """Deliver telemetry as the pipeline does, one batch a kind."""
    asked = requests(items)
    for telemetry in Telemetry:
        mine = [one for one in asked if one.telemetry is telemetry]
        if mine:
            tables = decode(telemetry, [one.body for one in mine], [one.arrived for one in mine])
            store.write(batch(token or f"contract:{next(_tokens)}", tables))


def batch(token: str, tables: dict) -> Batch:
    """Columns as the engine takes them."""
    return Batch(token, {name: plain(table) for name, table in tables.items()})


def said(one: Sent) -> str:
    """A span's id as readers spell it."""
    return one.own.hex()


@pytest.fixture
def world() -> World:
    return World()


def _of_keys(total: KeyTotals) -> KeyTotals:
    """Without what counts copies."""
    return replace(total, stray_closes=0, acquired=0)


class StoreContract:
    """The promises. `store` is a fixture of the subclass: an empty store that reads `DIALECTS`."""

    # --- traces -------------------------------------------------------------------------------------

    def test_a_span_comes_back_as_it_was_told(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i", region="north")
        entry = shop.entry("GET /pay", 0, 2)
        shop.span("ask", 0.5, 1, parent=entry, scope="lib", error=True, happened=[("tick", 0.7)], db__name="orders")
        tell(store, world.items)
        first, second = store.spans(entry.trace_id)
        assert (first.name, first.kind, first.parent_id, first.scope) == ("GET /pay", SpanKind.SERVER, "", "http")
        assert (second.start, second.end, second.arrived) == (instant(0.5), instant(1), instant(3))
        assert (second.parent_id, second.status, second.parent_is_local) == (said(entry), StatusCode.ERROR, True)
        assert (second.service, second.instance, second.resource["region"]) == ("shop", "i", "north")
        assert second.attributes == {"db.name": "orders"}
        assert [(one.at, one.name) for one in second.events] == [(instant(0.7), "tick")]

    def test_log_records_of_a_trace_are_in_order_and_those_of_others_are_not_there(
        self, store: Store, world: World
    ) -> None:
        shop = world.process("shop", "i")
        entry = shop.entry("GET /pay", 0, 2)
        for at, event in ((1.5, "late"), (0.5, "early")):
            shop.log(event, at, of=entry, scope="app", body="hello", n=1)
        shop.log("alone", 1)
        tell(store, world.items)
        early, late = store.logs(entry.trace_id)
        assert late.event_name == "late"
        assert early == LogRecord(
            instant(0.5), entry.trace_id, said(entry), "shop", "", "hello", "early", "app", {"n": "1"}
        )

    def test_what_is_not_there_is_empty(self, store: Store) -> None:
        assert not store.spans("00" * 16)
        assert not store.logs("00" * 16)
        assert not store.trace_ids("", 5)
        assert not store.search(SearchQuery(ALL))
        assert not store.calls(ALL)
        assert not store.totals(ALL, grace=GRACE)
        assert not store.alive("shop", "i", [instant(1)], ALL)
        assert not store.findings()
        assert not store.history("f_1")

    def test_a_batch_that_is_written_again_under_its_token_is_there_once(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        entry = shop.entry("GET /pay", 0, 1)
        shop.log("said", 0.5, of=entry)
        token = f"again:{next(_tokens)}"
        for _ in range(3):
            tell(store, world.items, token=token)
        assert len(store.spans(entry.trace_id)) == 1
        assert len(store.logs(entry.trace_id)) == 1
        assert [one.spans for one in store.services(ALL)] == [1]
        tell(store, world.items)
        assert len(store.spans(entry.trace_id)) == 2

    def test_ids_are_found_by_their_beginning_newest_first(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        ids = [shop.entry("GET /", at, at + 1).trace_id for at in range(40)]
        tell(store, world.items)
        assert list(store.trace_ids("", 3)) == ids[:-4:-1]
        for prefix in (ids[7], ids[7][:5], ids[7][0]):
            assert list(store.trace_ids(prefix, 99)) == [one for one in reversed(ids) if one.startswith(prefix)]

    def test_one_span_must_meet_every_condition_of_a_search(self, store: Store, world: World) -> None:
        shop, bank = world.process("shop", "i", zone="a"), world.process("bank", "j")
        slow = shop.entry("GET /pay", 10, 14, error=True)
        bank.span("charge", 11, 12, parent=slow, flags=REMOTE, kind=2, card="visa")
        quick = shop.entry("GET /pay", 20, 21)
        tell(store, world.items)

        def found(**asked: object) -> list[str]:
            return [one.trace_id for one in store.search(SearchQuery(**({"window": ALL} | asked)))]  # type: ignore[arg-type]

        both = [quick.trace_id, slow.trace_id]
        assert found() == both
        assert found(limit=1) == both[:1]
        assert found(service="shop", operation="GET /pay") == both
        assert found(attributes={"zone": "a"}) == both
        assert found(error=True) == found(min_duration=2 * SECOND) == found(attributes={"card": "visa"}) == both[1:]
        assert found(max_duration=SECOND) == both
        assert found(service="shop", max_duration=SECOND) == both[:1]
        assert found(service="shop", attributes={"card": "visa"}) == found(attributes={"zone": ""}) == []
        assert found(window=Window(instant(11), instant(20))) == both[1:]
        _, summary = store.search(SearchQuery(ALL))
        assert (summary.root_service, summary.root_name, summary.services) == ("shop", "GET /pay", ("bank", "shop"))
        assert (summary.start, summary.duration, summary.span_count, summary.error_count) == (
            instant(10), 4 * SECOND, 2, 1,
        )  # fmt: skip

    def test_services_are_who_was_heard_of_through_anything(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        shop.span("a", 0, 90, scope="one")
        shop.span("b", 10, 11, scope="two")
        world.process("quiet", "j").level("x", 1, 30, scope="meter")
        world.process("gone", "k").log("x", -3000)
        world.process("pod", "", host__name="h", process__pid=7).log("x", 1)
        tell(store, world.items)
        told = {one.service: one for one in store.services(Window(instant(-600), instant(3600)))}
        assert {name: (one.instance, one.spans, one.scopes) for name, one in told.items()} == {
            "shop": ("i", 2, ("one", "two")), "quiet": ("j", 0, ("meter",)), "pod": ("h:7", 0, ()),
        }  # fmt: skip
        assert (told["shop"].first_at, told["shop"].last_at) == (instant(0), instant(90))

    def test_calls_join_an_operation_with_its_caller_and_count_a_redelivered_span_once(
        self, store: Store, world: World
    ) -> None:
        shop, bank = world.process("shop", "i"), world.process("bank", "j")
        for at in (0, 10, 20):
            entry = shop.entry("GET /pay", at, at + 1)
            bank.span("charge", at, at + 1 + at / 10, parent=entry, kind=2, flags=REMOTE, error=at == 10)
        tell(store, world.items)
        tell(store, world.items)
        edges = {(one.caller_name, one.name): one for one in store.calls(ALL)}
        assert {name: one.count for name, one in edges.items()} == {("", "GET /pay"): 3, ("GET /pay", "charge"): 3}
        charge = edges["GET /pay", "charge"]
        assert (charge.caller_service, charge.service, charge.kind) == ("shop", "bank", SpanKind.SERVER)
        assert (charge.errors, charge.total, charge.p50) == (1, 6 * SECOND, 2 * SECOND)
        assert 2.9 * SECOND < charge.p99 <= 3 * SECOND
        assert len(store.calls(ALL, "bank")) == 1
        assert not store.calls(ALL, "nobody")

    # --- the book of findings -----------------------------------------------------------------------

    def test_the_book_has_what_was_said_last_and_everything_before_it(self, store: Store) -> None:
        other = replace(FINDING, id="f_0001")
        later = replace(FINDING, verdict=Verdict.CLOSED_LATE, leaked_count=44)
        store.record([FINDING, other], instant(1), {FINDING.id: "first seen"})
        store.record([later], instant(2), {FINDING.id: "came back"})
        store.record([], instant(3), {})
        assert list(store.findings()) == [other, later]
        assert list(store.history(FINDING.id)) == [
            FindingChange(instant(1), Verdict.LEAKED, 45, "first seen"),
            FindingChange(instant(2), Verdict.CLOSED_LATE, 44, "came back"),
        ]

    # --- keys ---------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("rule", "course", "is_open"),
        [
            *((rule, "open", True) for rule in RULES),
            *((rule, "close", False) for rule in RULES),
            *((rule, "note", False) for rule in RULES),
            *((rule, "open close", False) for rule in RULES if rule != "cover"),
            *((rule, "open pin", False) for rule in RULES),
            *((rule, "pin open", True) for rule in RULES),
            ("last", "open close open", True),
            ("last", "open open close", False),
            ("none", "open close open", False),
            ("none", "close open", False),
            ("count", "open close open", True),
            ("count", "open open close", True),
            ("count", "open open close close", False),
            ("count", "open close close open", False),
            ("count", "open excuse", False),
            ("count", "open open excuse", False),
            ("cover", "open close", True),
        ],
    )
    def test_a_key_is_open_by_the_rule_of_its_pair(
        self, store: Store, world: World, rule: str, course: str, is_open: bool
    ) -> None:
        shop = world.process("shop", "i")
        for at, role in enumerate(course.split()):
            shop.span(f"{rule}.{role}", at, at + 0.5, scope=SCOPE, hold="h")
        tell(store, world.items)
        (total,) = store.totals(ALL, grace=GRACE)
        assert (total.pair, total.open_keys) == (rule, ("h",) if is_open else ())

    def test_a_closer_that_spans_the_whole_hold_covers_it(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        for hold, ends in (("within", 5), ("beyond", 1.5)):
            shop.span("cover.open", 1, 2, scope=SCOPE, hold=hold)
            shop.span("cover.close", 0, ends, scope=SCOPE, hold=hold)
        tell(store, world.items)
        (total,) = store.totals(ALL, grace=GRACE)
        assert total.open_keys == ("beyond",)

    @pytest.mark.parametrize(
        ("statement", "reason", "is_open"),
        [("a", "", False), ("b", "", True), ("a", "count.open", False), ("a", "x", True)],
    )
    def test_an_excuse_is_for_its_statement_and_the_name_that_it_gives(
        self, store: Store, world: World, statement: str, reason: str, is_open: bool
    ) -> None:
        shop = world.process("shop", "i")
        shop.span("count.open", 0, 1, scope=SCOPE, hold="h", db__statement="a")
        because = {"db__client__connection__release__reason": reason} if reason else {}
        shop.span("count.excuse", 0, 2, scope=SCOPE, hold="h", db__statement=statement, **because)
        tell(store, world.items)
        (total,) = store.totals(ALL, grace=GRACE)
        assert (total.open_keys == ("h",)) is is_open

    def test_totals_count_keys_and_strays_a_pool(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")

        def say(role: str, hold: str, at: float, pool: str) -> None:
            shop.span(f"none.{role}", at, at + 1, scope=SCOPE, hold=hold, pool__name=pool)

        for number in range(3):
            say("open", f"closed {number}", number, "main")
            say("close", f"closed {number}", number + 1, "main")
        say("open", "left", 10, "main")
        say("note", "left", 11, "zoo")
        say("close", "stray", 12, "main")
        say("open", "elsewhere", 3597, "other")
        tell(store, world.items)
        main, other = store.totals(ALL, grace=GRACE)
        assert main == KeyTotals(
            "shop", "i", "contract", "none", "main", 5, 3, 1, 0, instant(1), instant(13), ("left",)
        )  # fmt: skip
        assert (other.pool, other.keys, other.open_keys) == ("other", 1, ())
        assert [one.open_keys for one in store.totals(ALL, grace=SECOND)] == [("left",), ("elsewhere",)]

    def test_what_is_delivered_twice_is_counted_once(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        trace = shop.entry("GET /", 0, 1)
        for rule in RULES:
            for hold, roles in (("came", ("open", "close")), ("left", ("open",)), ("stray", ("close",))):
                for role in roles:
                    shop.span(f"{rule}.{role}", 0, 1 + (role == "close"), parent=trace, scope=SCOPE, hold=hold)
        shop.span("borrow.acquired", 0, 1, parent=trace, scope=SCOPE)
        tell(store, world.items)
        totals, signals = store.totals(ALL, grace=GRACE), store.signals_of_trace(trace.trace_id)
        borrows = store.borrows(["i"], ALL)
        tell(store, [replace(one, arrives=one.arrives + 60) for one in world.items])
        assert list(map(_of_keys, store.totals(ALL, grace=GRACE))) == list(map(_of_keys, totals))
        assert {one.pair: one.open_keys for one in totals} == {
            "cover": ("left",), "count": ("left",), "last": ("left",), "none": ("left",), "borrow": (),
        }  # fmt: skip
        assert sorted(store.signals_of_trace(trace.trace_id), key=str) == sorted(signals, key=str)
        assert store.borrows(["i"], ALL) == borrows

    def test_signals_are_told_by_key_by_trace_and_by_pool_in_order_of_time(self, store: Store, world: World) -> None:
        shop, twin = world.process("shop", "i"), world.process("shop", "j")
        entry = shop.entry("GET /", 0, 9)
        for at, hold in enumerate("abc"):
            shop.span(
                "last.open", at, at + 1, parent=entry, scope=SCOPE, hold=hold, pool__name="p", db__statement="é" * 300
            )
            twin.span("last.open", at, at + 1, scope=SCOPE, hold=hold, pool__name="p")
        tell(store, world.items)
        keys = [OpenKey("i", "contract", "last", hold) for hold in "ca"]
        assert [one.key for one in store.signals_of_keys(keys, ALL)] == ["a", "c"]
        assert [one.key for one in store.signals_of_keys(keys, Window(ALL.since, instant(2)))] == ["a"]
        first, *_ = told = store.signals_of_trace(entry.trace_id)
        assert [one.key for one in told] == ["a", "b", "c"]
        assert (first.at, first.started, first.parent_id, first.pool) == (instant(1), instant(0), said(entry), "p")
        assert (first.statement, first.name, first.arrived) == ("é" * 200, "last.open", instant(4))
        assert [one.key for one in store.signals_of_pool("i", "p", ALL, 2)] == ["b", "c"]
        assert not store.signals_of_pool("i", "q", ALL, 2)

    # --- owners and borrows -------------------------------------------------------------------------

    def test_owners_are_entry_spans_that_have_ended(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        entry = shop.entry("GET /", 0, 9)
        job = shop.span("job", 1, 2, parent=entry, kind=CONSUMER)
        called = shop.span("called", 2, 3, parent=entry, kind=INTERNAL, flags=REMOTE)
        shop.span("inner", 3, 4, parent=entry, kind=INTERNAL)
        shop.span("statement", 3, 4, kind=3)
        shop.span("unfinished", 4, 5, parent=entry, kind=CONSUMER, tracecollect__open="true")
        tell(store, world.items)
        tell(store, world.items)
        told = store.owners({entry.trace_id, "00" * 16})
        assert [(one.name, one.span_id, one.start, one.end) for one in told] == [
            ("GET /", said(entry), instant(0), instant(9)),
            ("job", said(job), instant(1), instant(2)),
            ("called", said(called), instant(2), instant(3)),
        ]

    def test_a_borrow_knows_its_owner_its_last_use_and_what_went_wrong(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        entry = shop.entry("GET /", 0, 9)
        taken = shop.span("borrow.acquired", 1, 2, parent=entry, scope=SCOPE, pool__name="p")
        shop.span("borrow.opened", 1.2, 1.8, parent=taken, scope=SCOPE)
        shop.span("borrow.used", 3, 4, parent=entry, scope=SCOPE, db__statement="SELECT 1")
        shop.span("borrow.failed", 5, 6, parent=entry, scope=SCOPE)
        alone = shop.span("borrow.acquired", 20, 21, scope=SCOPE, pool__name="p")
        tell(store, world.items)
        first, second = store.borrows(["i"], ALL)
        assert (first.span_id, first.pool, first.began, first.at) == (said(taken), "p", instant(1), instant(2))
        assert (first.last_use, first.statement, first.fresh, first.failed) == (instant(4), "SELECT 1", True, True)
        assert (first.owner_end, first.entry, first.entry_span) == (instant(9), "GET /", said(entry))
        assert (second.span_id, second.owner_end, second.last_use) == (said(alone), None, instant(21))
        assert (second.fresh, second.failed, second.entry) == (False, False, "")
        assert not store.borrows(["j"], ALL)
        (early, *_) = store.borrows(["i"], Window(ALL.since, instant(8)))
        assert early.owner_end is None

    def test_the_owner_of_a_borrow_has_not_ended_while_it_is_told_as_open(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        entry = shop.span("GET /", 0, 2, kind=2, tracecollect__open="true")
        shop.span("borrow.acquired", 1, 2, parent=entry, scope=SCOPE, pool__name="p")
        tell(store, world.items)
        (borrow,) = store.borrows(["i"], ALL)
        assert borrow.owner_end is None

    def test_of_several_borrows_of_a_trace_none_is_known_to_be_used(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        entry = shop.entry("GET /", 0, 9)
        for at in (1, 2):
            shop.span("borrow.acquired", at, at + 0.5, parent=entry, scope=SCOPE)
        shop.span("borrow.used", 3, 4, parent=entry, scope=SCOPE)
        tell(store, world.items)
        assert [one.last_use for one in store.borrows(["i"], ALL)] == [instant(1.5), instant(2.5)]

    # --- metrics ------------------------------------------------------------------------------------

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

    # --- what surrounds the accused -----------------------------------------------------------------

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

    def test_paths_that_give_back_after_their_owner_are_told(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        for at, back in ((0, 0.5), (10, 4), (20, 7)):
            entry = shop.entry("GET /export", at, at + 1)
            shop.span("none.open", at, at + 0.3, parent=entry, scope=SCOPE, hold=f"h{at}")
            shop.span("none.close", at, at + back, parent=entry, scope=SCOPE, hold=f"h{at}")
        prompt = shop.entry("GET /", 30, 31)
        shop.span("none.open", 30, 30.2, parent=prompt, scope=SCOPE, hold="prompt")
        shop.span("none.close", 30, 30.5, parent=prompt, scope=SCOPE, hold="prompt")
        tell(store, world.items)
        (one,) = store.late_returns(["i"], ALL)
        assert (one.dialect, one.pair, one.entry) == ("contract", "none", "GET /export")
        assert (one.closed, one.late, one.latest) == (3, 2, 6 * SECOND)

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
        told = store.activity([entry.trace_id], Window(ALL.since, instant(10)))
        assert dict(told) == {("i", entry.trace_id): instant(2), ("j", entry.trace_id): instant(5)}
        assert not store.activity(["00" * 16], ALL)

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

    # --- the rest -----------------------------------------------------------------------------------

    def test_the_store_tells_how_much_it_has(self, store: Store, world: World) -> None:
        world.process("shop", "i").entry("GET /", 0, 1)
        tell(store, world.items)
        assert store.stats()["otel_traces.rows"] == 1
        assert store.stats()["otel_traces.bytes"] > 0
        assert [one.rows for one in store.usage() if one.table == "otel_traces"] == [1]

"""What every store promises of keys, owners and borrows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders.otlp import CONSUMER, INTERNAL, REMOTE, World, instant
from contract.store_world import ALL, GRACE, RULES, SCOPE, TOKENS, of_keys, said, tell

from tracecollect.model import (
    SECOND,
    Window,
)
from tracecollect.ports import KeyTotals, OpenKey, Store


class HoldsContract:
    """The promises about connections."""

    # --- keys -----------------------------------------------------------------------------------------

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
            "shop", "i", "contract", "none", "main", 5, 3, 1, 0, instant(1), instant(13), ("left",), 1
        )  # fmt: skip
        assert (other.pool, other.keys, other.open_keys, other.held) == ("other", 1, (), 1)
        assert [one.open_keys for one in store.totals(ALL, grace=SECOND)] == [("left",), ("elsewhere",)]

    @pytest.mark.parametrize(("since", "until"), [(0, 400), (59, 301), (60, 300), (61, 299), (120, 120.5), (10, 20)])
    def test_a_window_may_begin_and_end_within_a_minute(
        self, store: Store, world: World, since: float, until: float
    ) -> None:
        shop = world.process("shop", "i")
        for at in range(0, 360, 20):
            shop.span("none.open", at, at, scope=SCOPE, hold=f"at {at}")
            shop.span("none.close", at + 60, at + 60, scope=SCOPE, hold=f"at {at}")
        tell(store, world.items)
        window = Window(instant(since), instant(until))
        (total,) = store.totals(window, grace=0)
        opened = {at for at in range(0, 360, 20) if since <= at <= until}
        closed = {at for at in range(0, 360, 20) if since <= at + 60 <= until}
        assert (total.keys, total.closed, total.stray_closes) == (
            len(opened | closed), len(opened & closed), len(closed - opened)
        )  # fmt: skip
        assert set(total.open_keys) == {f"at {at}" for at in opened - closed}
        moments = [*opened, *(at + 60 for at in closed)]
        assert (total.first_at, total.last_at) == (instant(min(moments)), instant(max(moments)))

    @pytest.mark.parametrize("after", [-1, -0.8, -0.1, 0])
    def test_a_batch_of_the_last_second_before_a_whole_minute_is_counted(
        self, store: Store, world: World, after: float
    ) -> None:
        # A batch by itself: the engine decides by the times of a whole part whether to read it.
        minute = -instant(0) // SECOND % 60
        world.process("shop", "i").span("none.open", minute + after, minute + after, scope=SCOPE, hold="h")
        tell(store, world.items)
        (total,) = store.totals(Window(instant(minute - 10), instant(minute + 10)), grace=0)
        assert total.open_keys == ("h",)

    def test_keys_of_a_batch_that_is_written_again_are_counted_once(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        shop.span("none.close", 0, 1, scope=SCOPE, hold="stray")
        shop.span("borrow.acquired", 0, 1, parent=shop.entry("GET /", 0, 1), scope=SCOPE)
        token = f"again:{next(TOKENS)}"
        for _ in range(3):
            tell(store, world.items, token=token)
        totals = {one.pair: one for one in store.totals(ALL, grace=GRACE)}
        assert (totals["none"].stray_closes, totals["borrow"].acquired) == (1, 1)

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
        assert list(map(of_keys, store.totals(ALL, grace=GRACE))) == list(map(of_keys, totals))
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

    # --- owners and borrows ---------------------------------------------------------------------------

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

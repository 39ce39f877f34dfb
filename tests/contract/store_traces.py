"""What every store promises of spans, records, services and findings."""

from __future__ import annotations

from dataclasses import replace

from builders.otlp import REMOTE, World, instant
from contract.store_world import ALL, GRACE, TOKENS, said, tell
from known_answers import FINDING

from tracecollect.model import (
    SECOND,
    FindingChange,
    LogRecord,
    SearchQuery,
    SpanKind,
    StatusCode,
    Verdict,
    Window,
)
from tracecollect.ports import Store


class TracesContract:
    """The promises about what was received, and of the book."""

    # --- traces ---------------------------------------------------------------------------------------

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

    def test_of_a_long_trace_the_earliest_spans_are_told_and_how_many_there_are(
        self, store: Store, world: World
    ) -> None:
        shop = world.process("shop", "i")
        entry = shop.entry("GET /", 0, 9)
        later = [shop.span(f"step {number}", number, number + 1, parent=entry) for number in (3, 1, 2)]
        tell(store, world.items)
        assert [one.span_id for one in store.spans(entry.trace_id, 2)] == [said(entry), said(later[1])]
        assert [one.span_id for one in store.spans(entry.trace_id, 2, 2)] == [said(later[2]), said(later[0])]
        assert not store.spans(entry.trace_id, 2, 4)
        named = store.spans_named(entry.trace_id, [said(later[0]), said(entry), "00" * 8])
        assert [one.span_id for one in named] == [said(entry), said(later[0])]
        assert not store.spans_named(entry.trace_id, [])
        assert store.span_count(entry.trace_id) == 4
        assert store.span_count("00" * 16) == 0

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
        token = f"again:{next(TOKENS)}"
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

    def test_a_search_finds_the_newest_however_long_ago_they_were(self, store: Store, world: World) -> None:
        shop = world.process("shop", "i")
        ids = [shop.entry("GET /pay", -at, 1 - at).trace_id for at in (1, 30, 61, 400, 480, 4000, 30_000)]
        long = shop.entry("GET /all", -4000.5, 0)
        shop.span("again", -30.5, -30, parent=long)
        tell(store, world.items)
        window = Window(instant(-40_000), instant(0))
        ids.insert(2, long.trace_id)
        for limit in (1, 3, 5, 20):
            found = store.search(SearchQuery(window, limit=limit))
            assert {one.trace_id for one in found} == set(ids[:limit])
            assert found == sorted(found, key=lambda one: -one.start)
        assert [one.span_count for one in found if one.trace_id == long.trace_id] == [2]

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

    # --- the book of findings -------------------------------------------------------------------------

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

    # --- the rest -------------------------------------------------------------------------------------

    def test_the_store_tells_how_much_it_has(self, store: Store, world: World) -> None:
        world.process("shop", "i").entry("GET /", 0, 1)
        tell(store, world.items)
        assert store.stats()["otel_traces.rows"] == 1
        assert store.stats()["otel_traces.bytes"] > 0
        assert [one.rows for one in store.usage() if one.table == "otel_traces"] == [1]

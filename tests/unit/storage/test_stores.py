"""The stores keep the same promises, and say the same of the same telemetry."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

import pytest
from builders.otlp import LOCAL, REMOTE, SERVER, World, instant
from captures import Capture
from contract.store import StoreContract
from contract.store_world import ALL, DIALECTS, RULES, SCOPE, batch, tell, world

from tracecollect.lifecycle.facts import Facts, gather
from tracecollect.lifecycle.judge import judge
from tracecollect.model import SECOND, CallEdge, Instant, LeakQuery, PoolSample, SearchQuery, Window
from tracecollect.ports import KeyTotals, OpenKey, Store, Telemetry
from tracecollect.redact import Redactor
from tracecollect.storage import holds
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.memory import MemoryStore
from tracecollect.storage.texts import TABLES
from tracecollect.wire.decode import decode

_KEPT = ("dialect_views", "config_audit")
_ = world


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseStore]:
    directory = tmp_path_factory.mktemp("store")
    one = ClickHouseStore(f"chdb://{directory}/store", retention=20 * 365 * 86400, dialects=DIALECTS)
    yield one
    one.close()


@pytest.fixture
def emptied(engine: ClickHouseStore) -> ClickHouseStore:
    for name in TABLES:
        if name not in _KEPT:
            engine._engine.command(f"TRUNCATE TABLE {name}")
    return engine


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore(DIALECTS)


class TestClickHouse(StoreContract):
    @pytest.fixture
    def store(self, emptied: ClickHouseStore) -> ClickHouseStore:
        return emptied


def test_keys_that_are_looked_at_in_ranges_are_counted_as_if_at_once(
    emptied: ClickHouseStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shops = [world.process("shop", name) for name in ("a", "b")]
    for number in range(60):
        rule = RULES[number // 2 % len(RULES)]
        for shop in shops[: 1 + number % 2]:
            shop.span(f"{rule}.open", number, number + 1, scope=SCOPE, hold=f"h{number}", pool__name=f"p{number % 3}")
            if number % 5:
                shop.span(f"{rule}.close", number + 0.0, number + 101, scope=SCOPE, hold=f"h{number}")
    tell(emptied, world.items)
    at_once = emptied.totals(ALL, grace=SECOND)
    assert {one.pair for one in at_once if one.open_keys} == set(RULES)
    assert sum(len(one.open_keys) for one in at_once) == 18
    for rows in (1, 7, 50):
        monkeypatch.setattr(holds, "_KEYS_AT_ONCE", rows)
        in_ranges = emptied.totals(ALL, grace=SECOND)
        assert [replace(one, open_keys=sorted(one.open_keys)) for one in in_ranges] == [
            replace(one, open_keys=sorted(one.open_keys)) for one in at_once
        ]


def test_keys_of_a_minute_that_the_window_cuts_are_looked_at_in_ranges_too(
    emptied: ClickHouseStore, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = world.process("shop", "a")
    for number in range(40):
        shop.span(f"{RULES[0]}.open", number / 4, number / 4 + 1, scope=SCOPE, hold=f"h{number}", pool__name="p")
    tell(emptied, world.items)
    ask, asked = emptied._engine.rows, list[str]()
    monkeypatch.setattr(emptied._engine, "rows", lambda name, /, **given: (asked.append(name), ask(name, **given))[1])
    monkeypatch.setattr(holds, "_KEYS_AT_ONCE", 10)
    within = emptied.totals(Window(instant(-1), instant(20)), grace=SECOND)
    assert sum(len(one.open_keys) for one in within) == 40
    assert asked.count("holds_totals") == 4


# --- the same telemetry, told to both ------------------------------------------------------------------


@pytest.fixture
def both(emptied: ClickHouseStore) -> tuple[Store, Store]:
    return MemoryStore(DIALECTS), emptied


def anyhow(answer: object) -> object:
    """An answer without the order that nobody promised."""
    if isinstance(answer, KeyTotals):
        return replace(answer, open_keys=tuple(sorted(answer.open_keys)))
    if isinstance(answer, PoolSample):
        return replace(answer, trace_ids=tuple(sorted(answer.trace_ids)))
    if isinstance(answer, CallEdge):  # between two values the last nanosecond is a matter of arithmetic
        return replace(answer, p50=round(answer.p50, -3), p99=round(answer.p99, -3))
    if isinstance(answer, Mapping):
        return {name: anyhow(one) for name, one in answer.items()}
    return sorted(map(anyhow, answer), key=str) if isinstance(answer, (list, tuple)) else answer


def told(facts: Facts) -> dict[str, object]:
    return {one.name: anyhow(getattr(facts, one.name)) for one in fields(facts) if one.name != "dialects"}


@pytest.mark.parametrize(
    "name", ["asyncpg-leak", "nodepg-leak", "go-xsam-leak", "java-micrometer-leak", "go-pgx-logs-leak", "pymongo-leak"]
)
def test_a_recording_is_judged_the_same_by_both(both: tuple[Store, Store], name: str) -> None:
    capture, clean = Capture(name), Redactor()
    with gzip.open(capture.path, "rt", encoding="utf-8") as lines:
        recorded = [json.loads(line) for line in lines]
    for telemetry in Telemetry:
        mine = [one for one in recorded if one["signal"] == telemetry]
        bodies, arrived = [base64.b64decode(one["b64"]) for one in mine], [int(one["t"]) for one in mine]
        tables = {table: clean(columns) for table, columns in decode(telemetry, bodies, arrived).items()}
        for store in both:
            store.write(batch(f"{name}:{telemetry}", tables))
    for moment in (Instant((capture.begin + capture.end) // 2), capture.end, Instant(capture.end + 300 * SECOND)):
        obvious, real = (gather(one, LeakQuery(as_of=moment), moment, grace=5 * SECOND) for one in both)
        assert told(real) == told(obvious)
        assert judge(real) == judge(obvious)
    assert judge(obvious).findings


@pytest.mark.parametrize("seed", range(8))
def test_a_world_thrown_together_is_read_the_same_by_both(both: tuple[Store, Store], seed: int) -> None:
    world = thrown_together(seed)
    for store in both:
        tell(store, world.items, token=f"dice:{seed}")
        tell(store, [one for number, one in enumerate(world.items) if number % 7 == 0], token=f"again:{seed}")
    for window in (ALL, Window(instant(20), instant(70))):
        obvious, real = (answers(one, window) for one in both)
        for question, answer in obvious.items():
            assert (question, anyhow(real[question])) == (question, anyhow(answer))


def thrown_together(seed: int) -> World:
    """Requests that use few holds and pools in any order, with lost parents, pending spans and wrong endings."""
    world = World(seed)
    dice = random.Random(seed)
    processes = [world.process("shop", "i"), world.process("shop", "j"), world.process("bank", "k")]
    for _ in range(40):
        at, process = dice.randrange(90), dice.choice(processes)
        unfinished = {"tracecollect__open": "true"} if dice.random() < 0.1 else {}
        entry = process.span(
            f"GET /{dice.randrange(3)}",
            at,
            at + dice.randrange(1, 9),
            kind=SERVER,
            sent=dice.random() < 0.9,
            **unfinished,
        )
        for _ in range(dice.randrange(6)):
            rule, role = dice.choice(RULES), dice.choice(("open", "open", "close", "close", "excuse", "pin", "note"))
            name = dice.choice((f"{rule}.{role}", "borrow.acquired", "borrow.used", "borrow.failed"))
            begin = at + dice.randrange(8)
            process.span(
                name, begin, begin + dice.randrange(1, 5), parent=entry, scope=SCOPE, hold=f"h{dice.randrange(9)}",
                pool__name=dice.choice("pq"), db__statement=dice.choice("ab"), flags=dice.choice((LOCAL, REMOTE)),
            )  # fmt: skip
    return world


def answers(store: Store, window: Window) -> dict[str, object]:
    """Every question about connections, traces and services, asked of a window."""
    everyone, traces = ["i", "j", "k"], sorted(store.trace_ids("", 1000))
    totals = store.totals(window, grace=SECOND)
    keys = [OpenKey(one.instance, one.dialect, one.pair, key) for one in totals for key in one.open_keys]
    return {
        "totals": totals,
        "facts": store.signals_of_keys(keys, window),
        "signals": [store.signals_of_trace(one) for one in traces],
        "owners": store.owners(traces),
        "borrows": store.borrows(everyone, window),
        "loss": store.loss(["shop", "bank"], window, grace=SECOND, enough=10**6),
        "instances": store.instances(window),
        "minutes": store.minutes(everyone, window),
        "returns": store.returns(everyone, window).paths,
        "waits": store.waits(everyone, window, least=SECOND),
        "alive": store.alive("shop", "i", [instant(at) for at in range(90)], window),
        "living": store.lived(traces, window).owners,
        "active": store.lived(traces, window).active,
        "requests": store.requests("shop", "", window, below="8"),
        "followed": store.signals_of_requests("shop", everyone, window, below="8"),
        "services": store.services(window),
        "calls": store.calls(window),
        "search": store.search(SearchQuery(window, attributes={"pool.name": "p"}, limit=1000)),
        "spans": [store.spans(one) for one in traces],
    }

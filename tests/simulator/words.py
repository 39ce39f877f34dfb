"""A history as its library tells it: blocks of spans and records, what of them is lost, and when the rest arrives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from builders.shops import ASYNCPG, MICROMETER, RESET, SQLALCHEMY, XSAM

from simulator.columns import Block, Floats, Ints, Words, levels, records, spans
from simulator.history import MAIL, NEVER, NIGHTLY, PATHS, START, History

_PULSE = 20.0  # a long hold that is worked with has a statement so often
_EVERY = 10.0  # how often the pool's metric is exported
_STALL_LOSES = 20.0  # times as much telemetry is lost while the database hangs


@dataclass(frozen=True)
class Telemetry:
    """Tables in order of arrival, and the trace id of every hold of the history."""

    tables: Mapping[str, pa.Table]
    trace_ids: Sequence[str]


class _Ids:
    """Ids that are never given twice, and never zero."""

    def __init__(self, dice: np.random.Generator) -> None:
        self._dice = dice

    def some(self, count: int) -> Ints:
        return self._dice.integers(1, 2**63 - 1, count)


@dataclass(frozen=True)
class _Told:
    """What every library's words are made from: the holds that got a connection, and their statements."""

    history: History
    rows: Ints  # of the history
    owner: Ints  # span ids, of all rows
    use_of: Ints  # the row that each statement is of
    use_at: Floats
    last: np.ndarray  # is it the last of its hold?
    ids: _Ids

    def block(self, rows: Ints, start: Floats, end: Floats, scope: str, name: str, **more: object) -> Block:
        """Spans under the owners of these rows."""
        own, process = self.ids.some(len(rows)), self.history.process[rows]
        block = Block(rows, own, self.owner[rows], start, end, process, scope, _one(len(rows), name))
        return replace(block, **more)

    def statement(self, rows: Ints) -> Words:
        return self.history.path[rows], [one.statement for one in PATHS]


def telemetry(history: History, seed: int) -> Telemetry:
    """Everything that arrives."""
    dice = np.random.default_rng([seed, 1])
    traces = dice.integers(1, 2**64, (len(history), 2), np.uint64, endpoint=False).view(np.int64)
    told = _told(history, _Ids(dice))
    said = [*_owners(told), *_WORDS[history.scenario.words](told)]
    resources = [_resource(number) for number in range(len(history.ends))]
    tables = {}
    for name, make, blocks in (
        ("otel_traces", spans, [one for one in said if not one.record and len(one)]),
        ("otel_logs", records, [one for one in said if one.record and len(one)]),
    ):
        if blocks:
            tables[name] = _arriving(history, make, blocks, traces, resources, dice)
    tables |= _metrics(history, resources)
    return Telemetry(tables, [f"{high:016x}{low:016x}" for high, low in traces.view(np.uint64).tolist()])


def _resource(number: int) -> dict[str, str]:
    return {"service.name": "orders", "service.instance.id": f"orders-{number}", "process.pid": str(100 + number)}


def _told(history: History, ids: _Ids) -> _Told:
    rows = np.flatnonzero(history.acquire < NEVER)
    use_of, use_at = [rows], [history.acquire[rows] + 0.0002]
    end = np.minimum(history.release, history.ends[history.process])
    pulsing = np.isin(history.path, (MAIL, NIGHTLY)) & ~history.leaked
    long = rows[pulsing[rows] & (end[rows] - history.acquire[rows] > 1)]
    for row in long:
        more = np.append(np.arange(history.acquire[row] + _PULSE, end[row] - 1, _PULSE), end[row] - 0.5)
        use_of.append(np.full(len(more), row))
        use_at.append(more)
    of, at = np.concatenate(use_of), np.concatenate(use_at)
    order = np.lexsort((at, of))
    of, at = of[order], at[order]
    last = np.append(of[1:] != of[:-1], True)
    return _Told(history, rows, ids.some(len(history)), of, at, last, ids)


def _owners(told: _Told) -> list[Block]:
    """Requests, and what the process does by itself: jobs and what it takes at its start."""
    own = np.isin(told.history.path, (NIGHTLY, START))
    return [_entries(told, np.flatnonzero(~own), "Server"), _entries(told, np.flatnonzero(own), "Internal")]


def _entries(told: _Told, rows: Ints, kind: str) -> Block:
    history = told.history
    return Block(
        rows,
        told.owner[rows],
        np.zeros(len(rows), np.int64),
        history.begin[rows],
        history.owner_end[rows],
        history.process[rows],
        "http",
        (history.path[rows], [one.name for one in PATHS]),
        kind=kind,
        failed=history.failed[rows],
    )


def _one(count: int, word: str) -> Words:
    return np.zeros(count, np.int64), [word]


# --- the words of each library ----------------------------------------------------------------------


def _events(told: _Told) -> list[Block]:
    history = told.history
    back = told.rows[history.release[told.rows] < NEVER]
    return [
        _event(told, told.rows, history.acquire[told.rows], "db.client.connection.acquired"),
        _event(told, back, history.release[back], "db.client.connection.released"),
        _statements(told, "driver", "SELECT", "db.query.text"),
    ]


def _event(told: _Told, rows: Ints, at: Floats, name: str) -> Block:
    history = told.history
    said = {
        "db.client.connection.pool.name": _one(len(rows), "orders-db"),
        "db.client.connection.hold.id": (np.arange(len(rows)), [f"h{row}" for row in rows.tolist()]),
        "code.function.name": (history.path[rows], [one.code for one in PATHS]),
    }
    if history.scenario.identity:
        numbers, codes = np.unique(history.connection[rows], return_inverse=True)
        said["db.client.connection.id"] = (codes, [f"c{number}" for number in numbers.tolist()])
    return told.block(rows, at, at, "", name, record=True, attributes=said)


def _statements(told: _Told, scope: str, name: str, key: str, lasts: float = 0.002) -> Block:
    said = {key: told.statement(told.use_of)} | _place(len(told.use_of))
    return told.block(told.use_of, told.use_at, told.use_at + lasts, scope, name, attributes=said)


def _place(count: int) -> dict[str, Words]:
    place = {"db.system": "postgresql", "db.name": "shop", "net.peer.name": "db-1"}
    return {key: _one(count, word) for key, word in place.items()}


def _asyncpg(told: _Told) -> list[Block]:
    history = told.history
    back = told.rows[history.release[told.rows] < NEVER]
    said = {"db.statement": _one(len(back), RESET)} | _place(len(back))
    release = history.release[back]
    return [
        _statements(told, ASYNCPG, "SELECT", "db.statement"),
        told.block(back, release - 0.0002, release, ASYNCPG, "SELECT", attributes=said),
    ]


def _acquire_only(told: _Told) -> list[Block]:
    at = told.history.acquire[told.rows]
    connect = told.block(told.rows, at, at + 0.0001, SQLALCHEMY, "connect", attributes=_place(len(told.rows)))
    return [connect, _statements(told, SQLALCHEMY, "SELECT", "db.statement")]


def _xsam(told: _Told) -> list[Block]:
    history = told.history
    at = history.acquire[told.rows]
    reset = told.block(told.rows, at, at + 0.0001, XSAM, "sql.conn.reset_session", attributes=_place(len(told.rows)))
    end = np.where(told.last, history.release[told.use_of], told.use_at + 0.003)
    came = np.flatnonzero(end < NEVER)
    of, at = told.use_of[came], told.use_at[came]
    closed = np.maximum(end[came], at + 0.002)
    rows = told.block(of, at + 0.001, closed, XSAM, "sql.rows", attributes=_place(len(came)))
    return [reset, _statements(told, XSAM, "sql.conn.query", "db.query.text"), rows]


def _micrometer(told: _Told) -> list[Block]:
    history = told.history
    back = told.rows[history.release[told.rows] < NEVER]
    own = {"jdbc.datasource.name": "dataSource", "jdbc.datasource.pool": "HikariPool-1"}
    said = {key: _one(len(back), word) for key, word in own.items()}
    begin, end = history.acquire[back], history.release[back]
    whole = told.block(back, begin, end, MICROMETER, "connection", attributes=said, event="acquired")
    query = {"jdbc.query[0]": told.statement(told.use_of), "jdbc.datasource.name": _one(len(told.use_of), "dataSource")}
    queries = told.block(told.use_of, told.use_at, told.use_at + 0.002, MICROMETER, "query", attributes=query)
    return [whole, queries]


_WORDS: Mapping[str, Callable[[_Told], list[Block]]] = {
    "events": _events,
    "asyncpg": _asyncpg,
    "acquire-only": _acquire_only,
    "xsam": _xsam,
    "micrometer": _micrometer,
}


# --- the way to us ----------------------------------------------------------------------------------


def _arriving(
    history: History,
    make: Callable[..., pa.Table],
    blocks: Sequence[Block],
    traces: Ints,
    resources: Sequence[Mapping[str, str]],
    dice: np.random.Generator,
) -> pa.Table:
    """What is not lost, in order of arrival. What had not ended when its process died never comes."""
    scenario = history.scenario
    end = np.concatenate([one.end for one in blocks])
    process = np.concatenate([one.process for one in blocks])
    begin, over = history.stalled
    share = scenario.loss * np.where((end >= begin) & (end < over), _STALL_LOSES, 1.0)
    came = (end < history.ends[process] - 1) & (dice.random(len(end)) >= np.minimum(share, 0.5))
    arrived = end + dice.uniform(0.3, 6.0, len(end)) + np.where(dice.random(len(end)) < scenario.late, 30.0, 0.0)
    moved = [replace(one, start=one.start + scenario.skew, end=one.end + scenario.skew) for one in blocks]
    finite = [replace(one, end=np.where(one.end < NEVER, one.end, one.start)) for one in moved]
    table = make(finite, traces, resources, np.where(arrived < NEVER, arrived, 0.0))
    rows = np.flatnonzero(came)
    again = rows[dice.random(len(rows)) < scenario.twice]
    rows = np.concatenate([rows, again])
    order = np.argsort(np.concatenate([arrived[rows[: len(rows) - len(again)]], arrived[again] + 5]), kind="stable")
    return table.take(pa.array(rows[order]))


def _metrics(history: History, resources: Sequence[Mapping[str, str]]) -> dict[str, pa.Table]:
    """What the pool says is out; only the acquire-only library has such a metric here."""
    if history.scenario.words != "acquire-only":
        return {}
    at, used, of = [], [], []
    for process, (begin, end) in enumerate(zip(history.begins, history.ends, strict=True)):
        mine = history.process == process
        acquire, release = np.sort(history.acquire[mine]), np.sort(history.release[mine])
        moments = np.arange(begin + 1, end, _EVERY)
        at.append(moments)
        used.append(np.searchsorted(acquire, moments, "right") - np.searchsorted(release, moments, "right"))
        of.append(np.full(len(moments), process))
    process = np.concatenate(of)
    moments = np.concatenate(at) + history.scenario.skew
    said = {"state": "used", "pool.name": "orders-db"}
    since = history.begins[process]
    values = np.concatenate(used)
    return {
        "otel_metrics_sum": levels(
            "db.client.connections.usage", SQLALCHEMY, said, moments, values, process, since, resources,
            lag=1.0 - history.scenario.skew,
        )
    }  # fmt: skip

"""Simulated worlds, delivered ten minutes at a time and judged after each, against what really happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from builders.store import Bench
from captures import ACCUSING
from simulator.columns import EPOCH
from simulator.history import PATHS, History, Scenario, simulate
from simulator.words import telemetry

from score.measure import told
from tracecollect.lifecycle.counts import FEWEST
from tracecollect.model import SECOND, Finding, LeakReport, Verdict

GRACE = 120.0
_EVERY = 600.0
# A leak can be known when its grace is over and its telemetry, and that of the connections around it, has come.
_KNOWABLE = GRACE + 60.0
NAMING = ("events", "asyncpg", "xsam", "micrometer")


@dataclass
class SimulatedRow:
    """What one world came to, all its moments together."""

    scenario: str
    held_out: bool
    seed: int
    words: str
    identity: bool
    loss: float
    leaks: int
    named: int = 0
    wrong: int = 0
    found: int = 0
    knowable: int = 0
    suspects: int = 0
    victims: int = 0
    paths: int = 0
    paths_right: int = 0
    counted: int = 0
    held: int = 0
    processes: int = 1
    below: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float | None:
        """Of the traces ever called leaked, how many leaked."""
        return None if not self.named else 1 - self.wrong / self.named

    @property
    def recall(self) -> float | None:
        """Of the leaks that could be known, how many were ever called leaked or suspected."""
        return None if not self.knowable else self.found / self.knowable


@dataclass
class _Said:
    leaked: set[str] = field(default_factory=set)
    accused: set[str] = field(default_factory=set)
    victims: set[str] = field(default_factory=set)
    tops: list[bool] = field(default_factory=list)


def measure(bench: Bench, world: tuple[Scenario, int]) -> SimulatedRow:
    """One world, which is a scenario and a seed."""
    scenario, seed = world
    history = simulate(scenario, seed)
    telling = telemetry(history, seed)
    guilty = {telling.trace_ids[row] for row in np.flatnonzero(history.leaked).tolist()}
    culprits = {PATHS[one.path].name for one in scenario.leaks}
    said, report = _Said(), None
    for moment, part in _arrivals(telling.tables, scenario.hours * 3600):
        bench.insert(part)
        report = bench.leaks(EPOCH + round(moment * SECOND), grace=GRACE)
        _listen(said, report, culprits)
    row = SimulatedRow(
        scenario.name, scenario.held_out, seed, scenario.words, scenario.identity, scenario.loss, len(guilty)
    )
    row.named, row.wrong = len(said.leaked), len(said.leaked - guilty)
    row.suspects = len(said.accused - said.leaked - guilty)
    row.victims = len(said.victims)
    row.paths, row.paths_right = len(said.tops), sum(said.tops)
    knowable = {telling.trace_ids[one] for one in np.flatnonzero(_knowable(history)).tolist()}
    row.knowable, row.found = len(knowable), len(knowable & said.accused)
    row.held, row.processes = len(guilty), len(history.ends)
    row.counted = 0 if report is None else told(report)
    return row


def _arrivals(tables: Mapping[str, pa.Table], end: float) -> Iterator[tuple[float, dict[str, pa.Table]]]:
    begin = 0.0
    while begin < end:
        until = min(begin + _EVERY, end)
        part = {name: _between(table, begin, until) for name, table in tables.items()}
        yield until, {name: table for name, table in part.items() if table.num_rows}
        begin = until


def _between(table: pa.Table, begin: float, end: float) -> pa.Table:
    first, last = (pa.scalar(EPOCH + round(one * SECOND), pa.timestamp("ns")) for one in (begin, end))
    arrived = table["Arrived"]
    return table.filter(pc.and_(pc.greater_equal(arrived, first), pc.less(arrived, last)))


def _accusing(report: LeakReport) -> list[Finding]:
    return [one for one in report.findings if one.verdict in ACCUSING]


def _listen(said: _Said, report: LeakReport, culprits: set[str]) -> None:
    for one in _accusing(report):
        traces = {hold.trace_id for hold in one.instances}
        said.accused |= traces
        if one.verdict is Verdict.LEAKED:
            said.leaked |= traces
            if one.entry and one.entry not in culprits:
                said.victims.add(one.id)
    first = next((one.entry for one in _accusing(report) if one.entry), None)
    if culprits and first is not None:
        said.tops.append(first in culprits)


def _old(history: History) -> np.ndarray:
    """Which holds began long enough before their process ended to be told apart."""
    return history.acquire + _KNOWABLE < history.ends[history.process]


def _knowable(history: History) -> np.ndarray:
    """Leaks that some judgement came upon while their process lived: there is one every ten minutes."""
    next_look = (np.floor((np.minimum(history.acquire, 1e9) + _KNOWABLE) / _EVERY) + 1) * _EVERY
    end = history.scenario.hours * 3600
    return history.leaked & (np.minimum(next_look, end) <= history.ends[history.process]) & _old(history)


def misses(rows: Sequence[SimulatedRow], bars: Mapping[str, float]) -> list[str]:
    """The bars that the rows together are below: in a world are too few leaks for a share."""
    found = []
    for title, some in (("tuned", [r for r in rows if not r.held_out]), ("held out", [r for r in rows if r.held_out])):
        found += [f"{title}: {miss}" for miss in _misses(some, bars)]
    return found


def _misses(rows: Sequence[SimulatedRow], bars: Mapping[str, float]) -> Iterator[str]:
    known = [one for one in rows if one.identity and one.words == "events" and one.leaks]
    total = Counter[str]()
    for one in known:
        total += Counter(named=one.named, wrong=one.wrong, found=one.found, knowable=one.knowable)
    if total["named"] and 1 - total["wrong"] / total["named"] < bars["precision"]:
        yield f"precision with identity {1 - total['wrong'] / total['named']:.3f}"
    if total["knowable"] and total["found"] / total["knowable"] < bars["recall"]:
        yield f"recall with identity {total['found'] / total['knowable']:.3f}"
    if known and not total["named"]:
        yield "nobody is named where connections have identity"
    victims = sum(one.victims for one in rows)
    if victims > bars["victims"]:
        yield f"{victims} victims named as causes"
    tops = sum(one.paths for one in known)
    if tops and sum(one.paths_right for one in known) / tops < bars["path_first"]:
        yield f"code path right first {sum(one.paths_right for one in known) / tops:.3f}"
    false = sum(one.named for one in rows if not one.leaks)
    if false > bars["leaked_when_leak_free"]:
        yield f"{false} traces called leaked in leak-free worlds"
    for one in rows:
        # In each process a few may be out by design: a listener, and what requests hand on.
        off = max(bars["counted_error"], bars["counted_share"] * one.held, FEWEST * one.processes)
        # A lost entry span looks like a request that still lives and may hold: the count is a lower bound then.
        short = 0 if one.loss else one.held - one.counted
        if one.words == "acquire-only" and max(one.counted - one.held, short) > off:
            yield f"{one.scenario}: counted {one.counted} of {one.held}"

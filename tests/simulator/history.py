"""What really happened in one service and its pool: hours of holds out of a seed, in columns. Times are seconds."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
NEVER = np.inf
STALL_SECONDS = 600.0
_SHORTEST = 0.004  # a statement takes half of it
_DOWN = 5.0  # how long a restart takes
_GIVE_UP = 30.0  # how long a request waits for a connection


@dataclass(frozen=True, slots=True)
class Path:
    """One operation: how much of the traffic it is, how long it holds (median, spread), how often it fails."""

    name: str
    share: float
    hold: float
    spread: float = 0.6
    errors: float = 0.002
    code: str = ""
    statement: str = ""
    outlives: bool = False


PATHS = (
    Path("GET /orders/{id}", 0.55, 0.008, code="shop.read:12", statement="SELECT * FROM orders WHERE id = $1"),
    Path("POST /orders", 0.20, 0.015, code="shop.create:31", statement="INSERT INTO orders VALUES ($1, $2)"),
    Path("POST /orders/{id}/pay", 0.15, 0.05, errors=0.02, code="shop.pay:57", statement="UPDATE orders SET paid = $1"),
    Path("GET /report", 0.05, 1.5, 0.7, code="shop.report:80", statement="SELECT sum(total) FROM orders"),
    Path(
        "POST /orders/{id}/mail", 0.05, 4.0, 0.8, code="shop.mail:99", statement="SELECT mail FROM users", outlives=True
    ),
    Path("nightly", 0.0, 0.0, code="shop.nightly:120", statement="DELETE FROM carts WHERE old"),
    Path("start", 0.0, 0.0, code="shop.listen:8", statement="LISTEN orders"),
)
NIGHTLY, START, MAIL = 5, 6, 4


@dataclass(frozen=True, slots=True)
class Leak:
    """Which operation forgets, how often an hour, only in requests that fail or in any; several at once in bursts."""

    path: int = 2
    per_hour: float = 9.0
    on_error: bool = True
    burst: int = 1
    begins: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A world to make. `words` is how the library speaks; `held_out` says that nothing was tuned by it."""

    name: str
    words: str = "events"
    hours: float = 1.0
    rate: float = 20.0
    pool: int = 60
    leaks: tuple[Leak, ...] = (Leak(),)
    loss: float = 0.001
    stall: bool = True
    restart: bool = True
    batch: bool = True
    identity: bool = True
    late: float = 0.0
    twice: float = 0.0
    skew: float = 0.0
    held_out: bool = False


@dataclass
class History:
    """All holds, one a row, in order of their requests; and the metric `used`, a row each ten seconds."""

    scenario: Scenario
    begin: Floats  # of the owner
    owner_end: Floats
    acquire: Floats  # NEVER: it got no connection
    release: Floats  # NEVER: nobody gave it back
    path: Ints
    failed: Mask
    leaked: Mask
    process: Ints
    connection: Ints
    ends: Floats  # of each process
    stalled: tuple[float, float] = (NEVER, NEVER)
    begins: Floats = field(default_factory=lambda: np.zeros(1))

    def __len__(self) -> int:
        return len(self.begin)


def simulate(scenario: Scenario, seed: int) -> History:
    """The same seed is the same world."""
    dice = np.random.default_rng(seed)
    length = scenario.hours * 3600
    stall = 0.35 * length if scenario.stall else NEVER
    restart = 0.6 * length if scenario.restart else NEVER
    history = _requests(scenario, dice, length)
    history.stalled = (stall, stall + STALL_SECONDS)
    if scenario.batch:
        history = _joined(history, _jobs(scenario, dice, length))
    _stall(history, dice)
    _forget(history, dice, length)
    history.ends = np.array([restart, length]) if scenario.restart else np.array([length])
    history.begins = np.array([0.0, restart + _DOWN]) if scenario.restart else np.array([0.0])
    history = _joined(history, _listeners(history))
    return _lent(_restarted(history))


def _requests(scenario: Scenario, dice: np.random.Generator, length: float) -> History:
    """Poisson arrivals; a hold begins half a millisecond after its request and mostly ends before it."""
    count = dice.poisson(scenario.rate * length)
    begin = np.sort(dice.uniform(0, length, count))
    path = dice.choice(len(PATHS), count, p=[one.share for one in PATHS])
    median, spread = (np.array([getattr(one, what) for one in PATHS])[path] for what in ("hold", "spread"))
    hold = np.maximum(median * np.exp(spread * dice.standard_normal(count)), _SHORTEST)
    failed = dice.random(count) < np.array([one.errors for one in PATHS])[path]
    acquire = begin + 0.0005
    release = acquire + hold
    outlives = np.array([one.outlives for one in PATHS])[path]
    owner_end = np.where(outlives, acquire + 0.02, release + 0.001)
    return _rows(scenario, begin, owner_end, acquire, release, path, failed)


def _jobs(scenario: Scenario, dice: np.random.Generator, length: float) -> History:
    """Jobs of five to twenty-five minutes, now and then."""
    begin = np.cumsum(dice.uniform(300, 900, int(length / 300) + 1))
    begin = begin[begin < length]
    hold = dice.uniform(300, 1500, len(begin))
    path = np.full(len(begin), NIGHTLY)
    return _rows(scenario, begin, begin + hold + 0.01, begin + 0.001, begin + hold, path, np.zeros(len(begin), bool))


def _listeners(history: History) -> History:
    """One connection that each process takes at its start and keeps."""
    begin = history.begins + 0.2
    count = len(begin)
    never, path = np.full(count, NEVER), np.full(count, START)
    found = _rows(history.scenario, begin, begin + 1, begin + 0.1, never, path, np.zeros(count, bool))
    return replace(found, ends=history.ends, begins=history.begins, stalled=history.stalled)


def _rows(
    scenario: Scenario, begin: Floats, owner_end: Floats, acquire: Floats, release: Floats, path: Ints, failed: Mask
) -> History:
    count = len(begin)
    none, nobody = np.zeros(count, np.int64), np.zeros(count, bool)
    return History(scenario, begin, owner_end, acquire, release, path, failed, nobody, none, none.copy(), np.zeros(1))


_COLUMNS = ("begin", "owner_end", "acquire", "release", "path", "failed", "leaked", "process", "connection")


def _joined(first: History, second: History) -> History:
    order = np.argsort(np.concatenate([first.begin, second.begin]), kind="stable")
    columns = {name: np.concatenate([getattr(first, name), getattr(second, name)])[order] for name in _COLUMNS}
    return replace(first, **columns)


def _only(history: History, kept: Mask) -> History:
    return replace(history, **{name: getattr(history, name)[kept] for name in _COLUMNS})


def _stall(history: History, dice: np.random.Generator) -> None:
    """The database hangs: a fifth of the holds that begin meanwhile end when it is over, and their owners with them."""
    begin, end = history.stalled
    hit = (history.acquire >= begin) & (history.acquire < end) & (dice.random(len(history)) < 0.2)
    longer = end + dice.uniform(0, 5, len(history)) - history.acquire
    history.release[hit] = history.acquire[hit] + longer[hit]
    history.owner_end[hit] = np.maximum(history.owner_end[hit], history.release[hit] + 0.001)


def _forget(history: History, dice: np.random.Generator, length: float) -> None:
    """Some requests of the leaking operations do not give their connection back; they answer as if they had."""
    for leak in history.scenario.leaks:
        may = (history.path == leak.path) & (history.failed == leak.on_error) & (history.begin >= leak.begins)
        candidates = np.flatnonzero(may)
        bursts = dice.poisson(leak.per_hour * (length - leak.begins) / 3600 / leak.burst)
        starts = dice.integers(0, max(1, len(candidates) - leak.burst), bursts)
        chosen = candidates[np.unique((starts[:, None] + np.arange(leak.burst)).ravel())]
        history.leaked[chosen] = True
        history.owner_end[chosen] = np.minimum(history.owner_end[chosen], history.acquire[chosen] + 0.1)
        history.release[chosen] = NEVER


def _restarted(history: History) -> History:
    """Which process each hold is in; what begins while none runs did not happen."""
    if len(history.ends) == 1:
        return history
    died, born = history.ends[0], history.begins[1]
    history.process = (history.begin >= born).astype(np.int64)
    return _only(history, (history.begin < died) | (history.begin >= born))


def _lent(history: History) -> History:
    """Give out connections, the last returned first. Who finds none for half a minute goes away without."""
    base = 0
    for process, end in enumerate(history.ends):
        base += _lend(history, np.flatnonzero(history.process == process), history.scenario.pool, base, end)
    return history


def _lend(history: History, rows: Ints, pool: int, base: int, end: float) -> int:
    free: list[int] = []
    out: list[tuple[float, int]] = []
    made = 0
    for row in rows[np.argsort(history.acquire[rows], kind="stable")]:
        at = history.acquire[row]
        while out and out[0][0] <= at:
            free.append(heapq.heappop(out)[1])
        if not free and made < pool:
            free.append(base + made)
            made += 1
        if not free:
            wait = out[0][0] - at if out else NEVER
            if wait > _GIVE_UP or at + wait >= end:
                _turned_away(history, row, at)
                continue
            free.append(heapq.heappop(out)[1])
            for column in (history.acquire, history.release, history.owner_end):
                column[row] += wait
            at += wait
        history.connection[row] = free.pop()
        if history.release[row] < NEVER:
            heapq.heappush(out, (history.release[row], history.connection[row]))
    return made


def _turned_away(history: History, row: int, at: float) -> None:
    history.acquire[row] = history.release[row] = NEVER
    history.owner_end[row], history.failed[row], history.leaked[row] = at + _GIVE_UP, True, False

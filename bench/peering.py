"""Our collector beside others, in turns on one machine: every one gets the same bytes, and is measured from outside."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import httpx

from bench.peers import OURS, OURS_OVER_HTTP, PEERS, Peer, Running, found, running
from bench.sending import Batch, Load, Poured, Sender, templates

# Every size packed by nobody over eight connections; what packing and connections change at the ends.
LOADS = (
    *(Load(spans) for spans in (1, 10, 0, 100, 512)),
    *(Load(spans, connections) for spans in (1, 512) for connections in (1, 64)),
    *(Load(spans, zipped=True) for spans in (1, 512)),
)
HEADLINE = Load(512)
# At most so many requests of a size in a turn, and for so long, so that a turn of everybody takes a minute.
_MOST = {1: 3000, 10: 1500, 100: 600, 512: 200, 0: 2 * 207}
_SECONDS, _SETTLE_SECONDS, _FIND_SECONDS, _LOOKUPS = 0.7, 12.0, 30.0, 100
# A generated trace has six spans, one in a thousand five.
_WHOLE = 5
# From here on the sender itself may be what is measured.
_BUSY = 0.9
NOTHING = float("nan")


@dataclass(frozen=True, slots=True)
class Figures:
    """One load in one turn. `busy`: the share of a core that the sender took; not `rested`: there is CPU to come."""

    cpu: float
    rate: float
    done: float
    half: float
    most: float
    refused: str
    rested: bool
    busy: float


@dataclass(slots=True)
class Turn:
    """One candidate's turn: from its start with nothing to its end."""

    loads: dict[Load, Figures] = field(default_factory=dict)
    resident: float = 0.0
    bytes_a_span: float = NOTHING
    lookups: list[float] = field(default_factory=list)

    def lookup(self, share: float) -> float:
        """Milliseconds to a trace by its id."""
        ordered = sorted(self.lookups)
        return 1000 * ordered[int(share * (len(ordered) - 1))] if ordered else NOTHING


@dataclass(frozen=True, slots=True)
class Plan:
    """What a turn consists of. `first` is only to warm up."""

    first: Load = HEADLINE
    loads: Sequence[Load] = LOADS
    seconds: float = _SECONDS
    most: Callable[[Load], int] = lambda load: _MOST[load.spans]
    lookups: int = _LOOKUPS


def candidates() -> list[Peer]:
    """Ours and who is on PATH; ours over HTTP as well if somebody speaks nothing else. Says whom it found."""
    others = found()
    missing = ", ".join(f"{one.name} ({' or '.join(one.programs)})" for one in PEERS if one not in others)
    if others:
        print("  found: " + ", ".join(f"{one.name} ({one.program()})" for one in others))
    else:
        print("  no other collector was found on PATH: ours alone")
    if missing:
        print(f"  not found: {missing}", flush=True)
    over_http = [one for one in others if not one.grpc]
    return [OURS, *(one for one in others if one.grpc), *([OURS_OVER_HTTP, *over_http] if over_http else [])]


def compare(peers: Sequence[Peer], rounds: int, plan: Plan) -> dict[Peer, list[Turn]]:
    """Everybody's turns, in turns. Who does not start is named and left out."""
    turns: dict[Peer, list[Turn]] = {one: [] for one in peers}
    end = time.time_ns()
    for number in range(rounds):
        for peer in list(turns):
            print(f"  round {number + 1} of {rounds}: {peer.name}", file=sys.stderr, flush=True)
            try:
                turns[peer].append(take_turn(peer, plan, number, end))
            except (RuntimeError, OSError, httpx.HTTPError) as error:
                if peer in (OURS, OURS_OVER_HTTP):
                    raise
                print(f"  left out: {error}", flush=True)
                del turns[peer]
    return turns


def take_turn(peer: Peer, plan: Plan, number: int, end: int) -> Turn:
    """Start, all loads, look traces up, stop, weigh what is on disk."""
    turn, traces, spans = Turn(), list[str](), 0
    with running(peer) as it, Sender() as sender:
        for place, (load, most) in enumerate(_amounts(peer, plan)):
            batch = Batch(load, templates(load.spans), 1000 * number + place, end, most, plan.seconds)
            sent, figures = measure(it, sender, batch)
            spans += sent.spans
            turn.resident = max(turn.resident, it.resident())
            if place:
                turn.loads[load] = figures
                traces += sent.traces if load.spans > _WHOLE else []
        if peer.trace:
            turn.lookups = look_up(it, traces[:: math.ceil(len(traces) / plan.lookups) or 1])
        it.stop()
        turn.bytes_a_span = it.on_disk() / spans if spans else NOTHING
    return turn


def _amounts(peer: Peer, plan: Plan) -> list[tuple[Load, int]]:
    """The loads, beginning with the one to warm up, and how many requests of each."""
    if peer.most_spans is None:
        return [(plan.first, 20), *((load, plan.most(load)) for load in plan.loads)]
    plain = [load for load in plan.loads if load == Load(load.spans)]
    return [
        (plan.first, 2),
        *((load, min(plan.most(load), max(8, peer.most_spans // (load.spans or 40)))) for load in plain),
    ]


def measure(it: Running, sender: Sender, batch: Batch) -> tuple[Poured, Figures]:
    """One load."""
    before = began = 0.0

    def ready() -> None:
        nonlocal before, began
        before, began = it.cpu(), time.monotonic()

    sent = sender.pour(it.target, batch, ready)
    rested = it.settle(_SETTLE_SECONDS)
    return sent, Figures(
        cpu=(it.cpu() - before) / sent.spans * 1e6 if sent.spans else NOTHING,
        rate=sent.spans / sent.seconds,
        done=sent.spans / (rested - began) if rested else NOTHING,
        half=sent.quantile(0.5),
        most=sent.quantile(0.99),
        refused=sent.refused,
        rested=rested is not None,
        busy=sent.busy,
    )


def look_up(it: Running, traces: Sequence[str]) -> list[float]:
    """Seconds for each trace, once the last of them can be found whole; none if that does not happen."""
    taken = []
    with httpx.Client(timeout=_FIND_SECONDS, trust_env=False) as client:
        end = time.monotonic() + _FIND_SECONDS
        while not all(it.spans_of(client, one) >= _WHOLE for one in traces[-1:]):
            if time.monotonic() > end:
                return []
            time.sleep(0.2)
        for one in traces:
            began = time.monotonic()
            it.spans_of(client, one)
            taken.append(time.monotonic() - began)
    return taken


Number = Callable[[Turn], float]
PER_LOAD: dict[str, Callable[[Figures], float]] = {
    "CPU a span, µs": lambda one: one.cpu,
    "acknowledged until the end or the first refusal, spans/s": lambda one: one.rate,
    "taken until it rests again, spans/s": lambda one: one.done,
    "acknowledged, half within, ms": lambda one: one.half,
    "acknowledged, 99 % within, ms": lambda one: one.most,
}
# What a figure does not say by itself.
MARKS: dict[str, Callable[[Figures], str]] = {
    "CPU a span, µs": lambda one: "" if one.rested else "≥",
    "acknowledged until the end or the first refusal, spans/s": lambda one: (
        ("†" if one.refused else "") + ("‡" if one.busy > _BUSY else "")
    ),
}
PER_TURN: dict[str, Number] = {
    "resident at most, MB": lambda turn: turn.resident,
    "on disk a span after the stop, bytes": lambda turn: turn.bytes_a_span,
    "trace by id, half within, ms": lambda turn: turn.lookup(0.5),
    "trace by id, 99 % within, ms": lambda turn: turn.lookup(0.99),
}


def tables(turns: dict[Peer, list[Turn]], plan: Plan) -> str:
    """Markdown: medians, and how many times ours in brackets."""
    parts = []
    for title, figure in PER_LOAD.items():
        rows = [
            [str(load), *(_cell(turns, peer, _of(figure, load)) + _marks(turns[peer], title, load) for peer in turns)]
            for load in plan.loads
        ]
        parts.append(_table([title, *(peer.name for peer in turns)], rows))
    rows = [[title, *(_cell(turns, peer, number) for peer in turns)] for title, number in PER_TURN.items()]
    rows.append(["is an acknowledged span on disk?", *(peer.durable for peer in turns)])
    parts.append(_table(["", *(peer.name for peer in turns)], rows))
    return "\n\n".join([*parts, *_refusals(turns)]) + "\n"


def _of(figure: Callable[[Figures], float], load: Load) -> Number:
    return lambda turn: figure(turn.loads[load]) if load in turn.loads else NOTHING


def median(turns: Iterable[Turn], number: Number) -> float:
    """Of those that have one."""
    values = [value for turn in turns if not math.isnan(value := number(turn))]
    return statistics.median(values) if values else NOTHING


def reference(peer: Peer) -> Peer:
    """Ours, as this one is spoken to."""
    return OURS if peer.grpc else OURS_OVER_HTTP


def _cell(turns: dict[Peer, list[Turn]], peer: Peer, number: Number) -> str:
    value, ours = median(turns[peer], number), median(turns.get(reference(peer), ()), number)
    if math.isnan(value):
        return "–"
    compared = peer is not reference(peer) and ours > 0
    return f"{_short(value)} ({_short(value / ours, 2)}×)" if compared else _short(value)


def _marks(turns: Sequence[Turn], title: str, load: Load) -> str:
    if title not in MARKS:
        return ""
    return "".join(sorted({one for turn in turns if load in turn.loads for one in MARKS[title](turn.loads[load])}))


def _short(value: float, digits: int = 3) -> str:
    return f"{value:,.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _refusals(turns: dict[Peer, list[Turn]]) -> list[str]:
    said = {
        f"{peer.name}, {load}: {one.refused}"
        for peer, some in turns.items()
        for turn in some
        for load, one in turn.loads.items()
        if one.refused
    }
    return ["Refused:\n\n" + "\n".join(f"* {one}" for one in sorted(said))] if said else []


def totals(turns: dict[Peer, list[Turn]]) -> Iterator[tuple[str, float, str]]:
    """Name, number and unit: everybody at the load that is compared first, and the whole turn."""
    numbers = {title: _of(figure, HEADLINE) for title, figure in PER_LOAD.items()} | PER_TURN
    for peer, some in turns.items():
        for title, number in numbers.items():
            name, _, unit = title.rpartition(", ")
            if not math.isnan(value := median(some, number)):
                yield f"{peer.name}: {name}", value, unit

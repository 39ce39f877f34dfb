"""What surrounds the accused: borrows, identities, gaps, late returns, waits. Asked for few processes only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from sys import intern

from tracecollect.lifecycle.dialects import Dialect, shipped
from tracecollect.model import Instant, ProcessSample, SignalKind, Window
from tracecollect.ports import Borrow, KeyTotals, Lived, Served, Session, Taken, Wait
from tracecollect.storage.engine import Engine
from tracecollect.storage.remembered import Remembered
from tracecollect.storage.rows import Row, owners_of

_MOST_BORROWS = 2_000_000
_MOST_CONNECTIONS = 100_000
_MOST_WAITS = 100_000
_MOST_SAMPLES = 200_000
_MOST_SESSIONS = 10_000
_MOST_PLACES = 1_000


class StoredWitnesses:
    """Implements `ports.WitnessReader` but for the late returns, and the borrows of `ports.HoldReader`."""

    def __init__(self, engine: Engine, dialects: Sequence[Dialect] | None = None) -> None:
        self._engine = engine
        self._dialects = tuple(shipped() if dialects is None else dialects)
        # Rows written by an older meaning of a dialect are passed over: the version is part of the name.
        pairs = {(one.name, pair.name, one.version): pair for one in self._dialects for pair in one.pairs.values()}
        self._current = list(pairs)
        self._touched = [key for key, pair in pairs.items() if pair.entered_by == "touch"]
        # What follows sessions; what else a witness says of a moment is no word about their transactions.
        self._witnesses = sorted(
            {
                (one.name, rule.pair, one.version)
                for one in self._dialects
                for rule in one.rules
                if one.witness and rule.kind is SignalKind.TX_BEGAN
            }
        )
        self._requests = Remembered(
            self._requests_of, joined=_one_process, newest=partial(self._newest, "otel_traces"), lasting=_ended
        )
        self._counting = [(one.name, pair.name) for one in self._dialects for pair in one.counting]

    def _of(self, instances: Iterable[str], window: Window) -> dict[str, object]:
        return bounds(window) | {"instances": sorted(set(instances)), "pairs": self._current}

    def _rows(self, name: str, asked: Mapping[str, object]) -> Iterable[Row]:
        """The answer about these processes, to be read once; of none of them nothing needs to be asked."""
        return self._engine.each(name, **asked) if asked["instances"] else ()

    def borrows(self, instances: Iterable[str], window: Window) -> Sequence[Borrow]:
        """The borrows of these instances with the entry span that took them, in order of time."""
        asked = self._of(instances, window) | {"touched": self._touched, "counting": self._counting}
        return [_borrow(row) for row in self._rows("holds_borrows", asked | {"limit": _MOST_BORROWS})]

    def taken(self, instances: Iterable[str], window: Window) -> Sequence[Taken]:
        """When each physical connection with a known identity was taken."""
        found = self._rows("holds_acquires", self._of(instances, window) | {"limit": _MOST_CONNECTIONS})
        return [
            Taken(row["instance"], row["pool"], row["connection"], tuple(row["taken"]), frozenset(row["back"]))
            for row in found
        ]

    def minutes(self, instances: Iterable[str], window: Window) -> Mapping[str, Sequence[int]]:
        """The minutes in which each process was heard of, in order."""
        found = self._rows("holds_minutes", bounds(window) | {"instances": sorted(set(instances))})
        return {row["instance"]: row["minutes"] for row in found}

    def places(self, pools: Iterable[KeyTotals]) -> Mapping[tuple[str, str], str]:
        """Where pools lead, as their newest connection event says."""
        asked = sorted(pools, key=lambda one: -one.last_at)[:_MOST_PLACES]
        found = self._rows(
            "holds_places",
            {
                "services": sorted({one.service for one in asked}),
                "instances": sorted({one.instance for one in asked}),
                "moments": sorted({one.last_at for one in asked}),
            },
        )
        return {(row["instance"], row["pool"]): row["place"] for row in found}

    def alive(self, service: str, instance: str, moments: Sequence[Instant], window: Window) -> Sequence[int]:
        """How many entry spans lived at each moment; empty where none was ever seen."""
        (row,) = self._engine.rows(
            "holds_alive", **bounds(window), service=service, asked=instance, moments=list(moments)
        ) or ({"alive": [], "entries": 0},)
        return row["alive"] if row["entries"] else []

    def waits(self, instances: Iterable[str], window: Window, *, least: int) -> Sequence[Wait]:
        """Who waited at least so long for a connection."""
        asked = self._of(instances, window) | {"least_ms": least // 10**6, "limit": _MOST_WAITS}
        return [
            Wait(
                row["instance"],
                row["pool"],
                row["trace_id"],
                row["span_id"],
                Instant(row["began_ns"]),
                Instant(row["ended_ns"]),
                bool(row["failed"]),
            )
            for row in self._rows("holds_waits", asked)
        ]

    def process(self, services: Iterable[str], instances: Iterable[str], window: Window) -> Sequence[ProcessSample]:
        """What these processes say of themselves beside their pools."""
        found = self._engine.rows(
            "process_samples",
            **bounds(window),
            services=sorted(set(services)),
            instances=sorted(set(instances)),
            limit=_MOST_SAMPLES,
        )
        return [
            ProcessSample(row["service"], row["instance"], row["measure"], Instant(row["at_ns"]), row["value"])
            for row in found
        ]

    def served(self, instances: Iterable[str], window: Window) -> Sequence[Served]:
        """What these processes say that they served, beside what was traced of it."""
        found = self._rows("holds_served", bounds(window) | {"instances": sorted(set(instances))})
        return [Served(row["instance"], row["served"], row["traced"]) for row in found]

    def lived(self, trace_ids: Iterable[str], window: Window) -> Lived:
        """The entry spans of these requests, and when each process last did something for them in the window."""
        known = self._requests.of(set(trace_ids), window)
        found = [row for told in known.values() for row in told]
        owners = sorted((one for row in found for one in owners_of(row)), key=lambda one: one.start)
        active = {(row["instance"], row["trace_id"]): Instant(row["last_ns"]) for row in found if row["last_ns"]}
        return Lived(owners, active)

    def _requests_of(self, trace_ids: Collection[str], window: Window, after: int) -> Mapping[str, tuple[Row, ...]]:
        asked = bounds(window) | {"trace_ids": sorted(trace_ids), "after": after}
        told: dict[str, tuple[Row, ...]] = {}
        for row in self._engine.rows("holds_requests", **asked) if trace_ids else []:
            told[row["trace_id"]] = (*told.get(row["trace_id"], ()), row)
        return told

    def _newest(self, table: str) -> int:
        (row,) = self._engine.rows("newest_block", table=table)
        return int(row["block"] or 0)

    def sessions(self, trace_ids: Iterable[str], window: Window) -> Sequence[Session]:
        """The sessions that these requests left idle in a transaction, as the database saw it."""
        asked = {"trace_ids": sorted(set(trace_ids)), "witnesses": self._witnesses, "limit": _MOST_SESSIONS}
        found = self._engine.rows("holds_sessions", **bounds(window), **asked) if asked["trace_ids"] else []
        return [
            Session(row["connection_id"], row["trace_id"], Instant(row["first_ns"]), Instant(row["last_ns"]))
            for row in found
        ]


def _ended(told: Iterable[Row]) -> bool:
    """Is nothing of the request later than what was asked for? Else it is told only when its time has come."""
    return not any(row["goes_on"] for row in told)


def _one_process(told: Sequence[Row], more: Sequence[Row]) -> tuple[Row, ...]:
    """What each process did for a request: its entry spans, and the last that it did."""
    found = {row["instance"]: row for row in told}
    for row in more:
        before = found.get(row["instance"])
        if before is not None:
            row = {
                **row,
                "entries": [*before["entries"], *row["entries"]],
                "last_ns": max(before["last_ns"], row["last_ns"]),
            }
        found[row["instance"]] = row
    return tuple(found.values())


def bounds(window: Window) -> dict[str, object]:
    """A window as the parameters that the questions name."""
    return {"since": window.since, "until": window.until}


def _borrow(row: Row) -> Borrow:
    return Borrow(
        service=intern(row["service"]),
        instance=intern(row["instance"]),
        dialect=intern(row["dialect"]),
        pool=intern(row["pool"]),
        trace_id=row["trace_id"],
        span_id=row["span_id"],
        at=Instant(row["acquired_ns"]),
        owner_end=Instant(row["owner_ended_ns"]) if row["owner_ended_ns"] else None,
        began=Instant(row["began_ns"]),
        last_use=Instant(row["last_use_ns"]),
        fresh=bool(row["fresh"]),
        failed=bool(row["failed"]),
        statement=intern(row["statement"]),
        entry=intern(row["entry"]),
        entry_span=row["entry_span"],
    )

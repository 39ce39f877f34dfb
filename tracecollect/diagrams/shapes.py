"""The two diagrams: `Timeline` and `Graph`. They carry meaning as roles; viz/theme.json says how a role looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tracecollect.model import Instant


class Role(StrEnum):
    """What a mark means. Every role has an entry in viz/theme.json."""

    WAIT = "wait"
    BUSY = "busy"
    IDLE = "idle"
    RELEASED = "released"
    NEVER = "never"
    LEAKED = "leaked"
    SUSPECTED = "suspected"
    HELD_LONG = "held_long"
    CLOSED_LATE = "closed_late"
    RECOVERED = "recovered"
    PINNED = "pinned_by_design"
    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    HELD = "held"
    SPAN = "span"
    ERROR = "error"
    OPEN = "open"
    MISSING = "missing"
    OWNER_ENDED = "owner_ended"
    ENTRY = "entry"
    CODE = "code"
    POOL = "pool"
    SERVICE = "service"
    OPERATION = "operation"
    DATABASE = "database"
    CRITICAL = "critical"
    CALL = "call"
    USED = "used"
    MAX = "max"
    PENDING = "pending"
    FOLD = "fold"
    LOG = "log"
    ADDED = "added"
    GONE = "gone"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled moment of the axis."""

    at: Instant
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """The stretch of time that is drawn. `clock`: ticks are labelled as UTC times, else as time since `start`."""

    start: Instant
    end: Instant
    ticks: tuple[Tick, ...] = ()
    clock: bool = False

    def fraction(self, at: int) -> float:
        """Where a moment lies, 0 at the left edge and 1 at the right; moments outside are put on the edge."""
        if self.end <= self.start:
            return 0.0
        return min(1.0, max(0.0, (at - self.start) / (self.end - self.start)))


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a lane. What lies outside the axis is cut at its edge."""

    start: Instant
    end: Instant
    role: Role
    label: str = ""


@dataclass(frozen=True, slots=True)
class Marker:
    """A moment of a lane."""

    at: Instant
    role: Role
    label: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """One connection, hold or span. `depth` is its place in a tree, `endless` says why it runs off the right edge.

    `label` is short, `detail` is the second column, `note` is what stands at the lane's end ("never released").
    `group` heads the lanes that follow each other with the same words. `trace_id` is whole: what to ask for next.
    """

    id: str
    label: str
    role: Role
    segments: tuple[Segment, ...] = ()
    markers: tuple[Marker, ...] = ()
    detail: str = ""
    note: str = ""
    group: str = ""
    depth: int = 0
    endless: str = ""
    trace_id: str = ""


_FAR = 4


@dataclass(frozen=True, slots=True)
class Sample:
    """What a pool said of itself at one moment; None where it said nothing."""

    at: Instant
    used: int | None = None
    max: int | None = None
    pending: int | None = None


@dataclass(frozen=True, slots=True)
class Occupancy:
    """A pool's or a process's own numbers over the axis, in order of time. `says` is what the number counts."""

    label: str
    samples: tuple[Sample, ...]
    says: str = "in use"

    @property
    def far(self) -> bool:
        """The limit is so far above all values that to draw it would flatten them."""
        most = max([1, *((one.used or 0) + (one.pending or 0) for one in self.samples)])
        return any(one.max is not None and one.max > _FAR * most for one in self.samples)

    @property
    def top(self) -> int:
        """The largest value that must fit, at least 1."""
        return max([1, *(value for s in self.samples for value in (s.used, s.max, s.pending) if value)])


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes over one axis. The title is the finding in one sentence; `folded` says what was left out.

    `beside` are the process's own numbers (open files, threads), on the same axis as the pool's.
    """

    title: str
    caption: str
    axis: Axis
    lanes: tuple[Lane, ...] = ()
    occupancy: Occupancy | None = None
    folded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    beside: tuple[Occupancy, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """One thing of a graph. `group` names the box it is drawn in."""

    id: str
    label: str
    role: Role
    detail: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """From one node to another; `weight` is how much happens there, and decides what is folded first."""

    source: str
    target: str
    role: Role = Role.CALL
    label: str = ""
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and edges; `groups` maps a group to its heading. `folded` says what was left out."""

    title: str
    caption: str
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    folded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


Diagram = Timeline | Graph

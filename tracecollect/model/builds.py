"""Builds and traces, compared."""

from __future__ import annotations

from dataclasses import dataclass

from tracecollect.model.asked import Window
from tracecollect.model.concluded import Coverage, Finding


@dataclass(frozen=True, slots=True)
class BuildQuery:
    """A build of one service: a version (`service.version`), a window, both, or (neither) all that is stored.

    `grace` in nanoseconds, None: the setting of who answers.
    """

    service: str
    version: str = ""
    window: Window | None = None
    grace: int | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What requests of one entry operation did with connections; `entry` is empty for all of them together.

    Hold times are of the holds that came back. None: nothing was seen that says it.
    """

    entry: str
    requests: int
    connections_per_request: float | None
    held_p50: int | None
    held_p95: int | None
    statements_per_hold: float | None


@dataclass(frozen=True, slots=True)
class BuildSide:
    """What was looked at: until `window.until` leaks are judged; of many requests a sample is followed.

    `unjudged` counts connections of which nobody can tell: their process was not heard of until their grace was over.
    """

    version: str
    window: Window
    requests: int
    followed: int
    unjudged: int
    coverage: tuple[Coverage, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """One build of a service: what its requests did with connections, and its leak sites."""

    service: str
    side: BuildSide
    whole: Traffic
    operations: tuple[Traffic, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class TrafficChange:
    """One entry operation in two builds; None: it was not asked for there."""

    entry: str
    before: Traffic | None
    after: Traffic | None


@dataclass(frozen=True, slots=True)
class BuildDiff:
    """Two builds beside each other. Leak sites are the same when their ids are; `still` as they are afterwards."""

    service: str
    before: BuildSide
    after: BuildSide
    whole: TrafficChange
    operations: tuple[TrafficChange, ...]
    new: tuple[Finding, ...]
    vanished: tuple[Finding, ...]
    still: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class OperationCalls:
    """How often one operation was called in a trace; `total` and `longest` are nanoseconds."""

    count: int
    errors: int
    total: int
    longest: int


@dataclass(frozen=True, slots=True)
class OperationChange:
    """One operation in two traces; None: it is not in that one."""

    service: str
    name: str
    before: OperationCalls | None
    after: OperationCalls | None


@dataclass(frozen=True, slots=True)
class TraceDiff:
    """Two traces operation by operation, in the order in which the operations first began; durations in nanoseconds."""

    before: str
    after: str
    before_duration: int
    after_duration: int
    operations: tuple[OperationChange, ...]

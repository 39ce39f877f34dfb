"""Who had the connections that others waited for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tracecollect.model.concluded import Verdict
from tracecollect.model.moments import Instant


class Cause(StrEnum):
    """What a long wait for a connection is put down to."""

    LEAK = "leak"
    SLOW_HOLDERS = "slow_holders"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who had a connection of a pool at a moment. `until` None: nobody saw it come back; `finding` where it leaked."""

    service: str
    instance: str
    entry: str
    trace_id: str
    span_id: str
    since: Instant
    until: Instant | None
    verdict: Verdict | None
    code: str = ""
    statement: str = ""
    connection_id: str = ""
    finding: str = ""


@dataclass(frozen=True, slots=True)
class Starved:
    """A wait for a connection that was long or in vain, and who had the pool's connections when it began.

    Holders are the leaked ones first, then those who had theirs longest. `place` is the place in the queue, `lost` how
    many connections had leaked by then, `unnamed` how many of these are only counted.
    """

    service: str
    instance: str
    pool: str
    entry: str
    trace_id: str
    span_id: str
    began: Instant
    ended: Instant
    failed: bool
    cause: Cause
    why: str
    place: int
    lost: int
    unnamed: int
    pool_size: int | None
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class Blame:
    """One operation kept another waiting: how many of its requests, and for how long together.

    A wait's time is shared evenly by those it is put down to. `finding` and `verdict` where the holders leaked;
    an empty `holder` is what only the pool's own numbers know of.
    """

    service: str
    holder: str
    code: str
    statement: str
    finding: str
    verdict: Verdict | None
    starved: str
    requests: int
    timeouts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Starvation:
    """Who kept whom waiting for one pool, the most time first.

    Of `waits` that were long or in vain, `unexplained` are nobody's; `omitted` are older than the holds that are known.
    """

    service: str
    pool: str
    waits: int
    unexplained: int
    omitted: int
    blames: tuple[Blame, ...]

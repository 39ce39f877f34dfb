"""One build of a service: its requests and their connections out of the store, its leak sites by the judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracecollect.errors import NotFound
from tracecollect.lifecycle.builds import traffic
from tracecollect.lifecycle.dialects import shipped
from tracecollect.lifecycle.facts import gather
from tracecollect.lifecycle.holds import follow
from tracecollect.lifecycle.judge import judge
from tracecollect.model import Build, BuildQuery, BuildSide, Hold, Instant, LeakQuery, Signal, Verdict, Window
from tracecollect.ports import InstanceSeen, RequestsSeen, Store, VersionSeen

# So many requests say how a build behaves; of more, a sample is followed.
_MOST_FOLLOWED = 10_000
_ALL = "g"  # after every hexadecimal digit
_ENDINGS = 1 << 32
_ENDING = 8
_ALWAYS = Window(Instant(0), Instant((1 << 63) - 1))


def build(store: Store, query: BuildQuery, now: Instant, *, grace: int) -> Build:
    """What the requests of a build did with connections, and what they forgot. Raises `NotFound`.

    `grace` in nanoseconds, for a query that does not say one.
    """
    grace = grace if query.grace is None else query.grace
    seen, window = _where(store, query, now, grace)
    instances = set(seen)
    requests, below = _requests(store, query, window)
    signals = store.signals_of_requests(query.service, instances, window, below=below)
    whole, operations = traffic(requests, _holds(store, signals, seen, below), signals)
    facts = gather(store, LeakQuery(since=window.since, as_of=window.until), now, grace=grace, only=instances)
    report = judge(facts)
    sites = tuple(one for one in report.findings if one.service == query.service)
    side = BuildSide(
        version=query.version,
        window=window,
        requests=whole.requests,
        followed=sum(one.followed for one in requests),
        unjudged=sum(one.leaked_count for one in sites if one.verdict is Verdict.UNKNOWN),
        coverage=tuple(one for one in report.coverage if one.service == query.service),
    )
    return Build(query.service, side, whole, operations, sites)


def _where(store: Store, query: BuildQuery, now: Instant, grace: int) -> tuple[Mapping[str, Window], Window]:
    """When each process ran the build; and the window, by itself from its first word until a grace after its last."""
    asked = query.window if query.window is not None else _ALWAYS
    heard = [one for one in store.instances(asked) if one.service == query.service]
    versions = store.versions(query.service, asked) if query.version else ()
    seen = [one for one in versions if one.version == query.version]
    if not heard or (query.version and not seen):
        raise _unknown(query, [one.version for one in versions])
    ran = {one.instance: Window(one.first_at, Instant(one.last_at + 1)) for one in seen}
    ran = ran if query.version else {one.instance: asked for one in heard}
    if query.window is not None:
        return ran, query.window
    first, last = _bounds([one for one in heard if one.instance in ran], versions, seen)
    # Not in the future, unless the recording is.
    return ran, Window(first, Instant(min(max(now, last + 1), last + grace + 1)))


def _bounds(
    heard: Sequence[InstanceSeen], versions: Sequence[VersionSeen], seen: Sequence[VersionSeen]
) -> tuple[Instant, Instant]:
    """When a build was heard of first and last; in a process that ran others, too, its spans alone say so."""
    changed = {one.instance for one in versions if one not in seen}
    firsts = [one.first_at for one in seen] + [one.first_at for one in heard if one.instance not in changed]
    lasts = [one.last_at for one in seen] + [one.last_at for one in heard if one.instance not in changed]
    return Instant(min(firsts)), Instant(max(lasts))


def _unknown(query: BuildQuery, versions: Sequence[str]) -> NotFound:
    when = "" if query.window is None else " in this window"
    if not query.version or not versions:
        return NotFound(
            f"nothing was heard of a service {query.service}{when}", hint="tracecollect services lists who was heard of"
        )
    known = ", ".join(dict.fromkeys(filter(None, versions)))
    hint = f"seen: {known}" if known else "its telemetry says no service.version; compare windows or files instead"
    return NotFound(f"there is no version {query.version} of {query.service}{when}", hint=hint)


def _requests(store: Store, query: BuildQuery, window: Window) -> tuple[Sequence[RequestsSeen], str]:
    """How many requests, and below which end of a trace id they are followed."""
    requests = store.requests(query.service, query.version, window, below=_ALL)
    many = sum(one.requests for one in requests)
    if many <= _MOST_FOLLOWED:
        return requests, _ALL
    below = f"{_MOST_FOLLOWED * _ENDINGS // many:08x}"
    return store.requests(query.service, query.version, window, below=below), below


def _holds(store: Store, signals: Sequence[Signal], ran: Mapping[str, Window], below: str) -> Sequence[Hold]:
    """The holds of the requests that are followed, taken while their process ran the build."""
    traces = {one.trace_id for one in signals if one.trace_id and one.trace_id[-_ENDING:] < below}
    found = follow(signals, store.owners(traces), {one.name: one for one in shipped()})
    return [
        one
        for one in found
        if one.owner is not None and ran[one.instance].since <= one.owner.start < ran[one.instance].until
    ]

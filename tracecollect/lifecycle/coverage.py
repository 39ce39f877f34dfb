"""How much each pool lets us see, why, and the one change that would raise it. Silence is not health."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tracecollect.lifecycle.dialects import ANY_SCOPE, Dialect, Pair
from tracecollect.lifecycle.facts import EVENTS, Facts
from tracecollect.lifecycle.pools import TOGETHER, span_names
from tracecollect.lifecycle.verdicts import ABANDONED
from tracecollect.model import Coverage, CoverageLevel
from tracecollect.ports import KeyTotals

_ORDER = tuple(CoverageLevel)


@dataclass(slots=True)
class _Seen:
    """What was seen of one pool by one dialect."""

    closed: bool = False
    opened: bool = False
    measures: set[str] = field(default_factory=set)
    borrows: int = 0


def coverages(facts: Facts) -> Sequence[Coverage]:
    """One line per pool that was seen through anything, the blind ones included."""
    names = span_names(facts)
    pools: dict[tuple[str, str, str], dict[str, _Seen]] = {}
    for total in sorted(facts.totals, key=lambda one: _beside(facts, one)):
        known = facts.dialects.get(total.dialect)
        if known is not None and known.witness:
            continue
        if _beside(facts, total) and (total.service, total.instance, total.pool) in pools:
            continue
        seen = pools.setdefault((total.service, total.instance, total.pool), {}).setdefault(total.dialect, _Seen())
        pair = _pair(facts, total.dialect, total.pair)
        if pair is not None and pair.open_if != "never":
            seen.closed |= (
                total.closed + total.stray_closes > 0 or (total.instance, total.dialect, total.pool) in facts.whole
            )
            seen.opened |= total.keys > 0
        seen.borrows += total.acquired
    for hold, signals in facts.signals.items():
        if any(one.reason == ABANDONED for one in signals):
            # A process that told what it had not given back tells what comes back, too.
            pool = max(one.pool for one in signals)
            pools[signals[0].service, hold.instance, pool][hold.dialect].closed = True
    for sample in facts.samples:
        # A measure of pools that are counted together is one of each.
        for name in names[sample.instance, sample.dialect, sample.pool].split(TOGETHER):
            key = (sample.service, sample.instance, name)
            pools.setdefault(key, {}).setdefault(sample.dialect, _Seen()).measures.add(sample.measure)
    _share_nameless(pools)
    _join_places(facts, pools)
    found = [_of_pool(facts, pool, seen) for pool, seen in sorted(pools.items())]
    return [*found, *_unknown_clients(facts, {(one.service, one.instance) for one in found})]


def _beside(facts: Facts, total: KeyTotals) -> bool:
    """Nothing was taken here by this pair: another library's word was heard, to pin what is not this one's."""
    pair = _pair(facts, total.dialect, total.pair)
    return pair is not None and pair.open_if == "last" and total.keys == 0


def _share_nameless(pools: dict[tuple[str, str, str], dict[str, _Seen]]) -> None:
    """A library's log may not name its pool: what it shows counts for every pool of that library in the process."""
    for service, instance, name in [key for key in pools if not key[2]]:
        nameless = pools[service, instance, name]
        named = [seen for key, seen in pools.items() if key[:2] == (service, instance) and key[2]]
        for dialect in [one for one in nameless if any(one in seen for seen in named)]:
            shown = nameless.pop(dialect)
            for seen in (each[dialect] for each in named if dialect in each):
                seen.closed |= shown.closed
                seen.opened |= shown.opened
        if nameless and len(named) == 1:
            named[0].update(nameless)
            nameless.clear()
        if not nameless:
            del pools[service, instance, name]


def _join_places(facts: Facts, pools: dict[tuple[str, str, str], dict[str, _Seen]]) -> None:
    """A library that knows a pool's database only, and shows nothing of its own, speaks of what events tell of."""
    led = facts.led_to
    for key in [key for key in pools if key[1:] in led and EVENTS not in pools[key]]:
        if all(_level(facts.dialects[name], seen) is CoverageLevel.BLIND for name, seen in pools[key].items()):
            del pools[key]


def _pair(facts: Facts, dialect: str, pair: str) -> Pair | None:
    known = facts.dialects.get(dialect)
    return known.pairs.get(pair) if known else None


def _of_pool(facts: Facts, pool: tuple[str, str, str], by_dialect: dict[str, _Seen]) -> Coverage:
    service, instance, name = pool
    levels = {dialect: _level(facts.dialects[dialect], seen) for dialect, seen in by_dialect.items()}
    best = min(levels, key=lambda dialect: (_ORDER.index(levels[dialect]), dialect))
    level, dialect = levels[best], facts.dialects[best]
    return Coverage(
        service=service,
        instance=instance,
        pool=name,
        level=level,
        dialects=tuple(sorted(by_dialect)),
        why=_why(dialect, level, by_dialect[best]),
        hint="" if level is CoverageLevel.CERTAIN else _hint(dialect, level),
    )


def _level(dialect: Dialect, seen: _Seen) -> CoverageLevel:
    """The best the dialect can reach, lowered to what was seen of it here."""
    if dialect.coverage in (CoverageLevel.CERTAIN, CoverageLevel.INFERRED):
        if seen.closed:
            return dialect.coverage
        return CoverageLevel.COUNTED if "used" in seen.measures else CoverageLevel.BLIND
    if dialect.coverage is CoverageLevel.COUNTED and "used" in seen.measures:
        return CoverageLevel.COUNTED
    return CoverageLevel.BLIND


def _why(dialect: Dialect, level: CoverageLevel, seen: _Seen) -> str:
    if level is dialect.coverage:
        return f"{dialect.why}; not seen: {dialect.blind_to}"
    if dialect.coverage is CoverageLevel.COUNTED:
        rest = "what else is out than the spans name" if seen.closed else "what is out"
        return f"checkouts are traced, but the pool's metric has not arrived: nothing says {rest}"
    if level is CoverageLevel.COUNTED:
        return f"the pool's metric counts what is out, and nothing says who has it; not seen: {dialect.blind_to}"
    return "no connection of this process was ever seen to come back, so nothing can be concluded when one does not"


def _hint(dialect: Dialect, level: CoverageLevel) -> str:
    if dialect.coverage is CoverageLevel.COUNTED and level is CoverageLevel.BLIND:
        return "export metrics too (OTEL_METRICS_EXPORTER=otlp); then leaks are counted. " + dialect.hint
    return dialect.hint or "emit both events of every hold: see docs/dialects.md, connection-events"


def _unknown_clients(facts: Facts, covered: set[tuple[str, str]]) -> Sequence[Coverage]:
    """Processes that talk to a database through a library without a dialect: blind, and said so."""
    known = {scope for one in facts.dialects.values() for scope in one.scopes if scope != ANY_SCOPE}
    found: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for one in facts.instances:
        if one.systems and one.scope not in known and (one.service, one.instance) not in covered:
            scopes, systems = found.setdefault((one.service, one.instance), (set(), set()))
            scopes.add(one.scope)
            systems.update(one.systems)
    return [
        Coverage(
            service=service,
            instance=instance,
            pool=", ".join(sorted(systems)),
            level=CoverageLevel.BLIND,
            dialects=(),
            why=f"there is no dialect for {', '.join(sorted(scopes))}: nothing is known of its connections",
            hint="emit connection events where they are taken and given back: see docs/dialects.md, connection-events",
        )
        for (service, instance), (scopes, systems) in sorted(found.items())
    ]

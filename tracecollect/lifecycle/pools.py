"""Pools by their names: what spans call a pool and what its metrics call it, and what it had at a moment."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from tracecollect.lifecycle.facts import EVENTS, Facts
from tracecollect.lifecycle.findings import lost
from tracecollect.model import Coverage, CoverageLevel, Finding, Instant, LeakReport, PoolReport, PoolSample, Verdict

Process = tuple[str, str]
"""A service's instance and one dialect spoken in it."""
_WORDS = re.compile(r"[\w.-]+")
_NAMED = (CoverageLevel.CERTAIN, CoverageLevel.INFERRED)
TOGETHER = " + "
"""Between the names of pools that a library counts together."""


def span_names(facts: Facts) -> Mapping[tuple[str, str, str], str]:
    """For each (instance, dialect, metric's pool name) the name that spans give the same pool.

    SQLAlchemy's metric name ends with the spans' address, mysql spells it out, node-postgres often knows no name at
    all. Where a process has one pool by either count, they are the same pool.
    """
    by_spans: dict[Process, set[str]] = {}
    for total in facts.totals:
        if total.pool:
            by_spans.setdefault((total.instance, total.dialect), set()).add(total.pool)
    by_metrics: dict[Process, set[str]] = {}
    for sample in facts.samples:
        by_metrics.setdefault((sample.instance, sample.dialect), set()).add(sample.pool)
    found = {
        (*process, metric): _same(metric, names, by_spans.get(process, set()))
        for process, names in by_metrics.items()
        for metric in names
    }
    return {key: _as_told(facts, key[0], name, found, by_spans) for key, name in found.items()}


def _as_told(
    facts: Facts,
    instance: str,
    name: str,
    found: Mapping[tuple[str, str, str], str],
    by_spans: Mapping[Process, set[str]],
) -> str:
    """Where a process has one pool by its metrics, and one by those who see most of it, that is its name."""
    if len({each for key, each in found.items() if key[0] == instance}) > 1:
        return name
    levels = tuple(CoverageLevel)
    told = [
        (levels.index(facts.dialects[dialect].coverage), names)
        for (process, dialect), names in by_spans.items()
        if process == instance and dialect in facts.dialects
    ]
    best = min((level for level, _ in told), default=None)
    names = {each for level, each_names in told if level == best for each in each_names}
    return next(iter(names)) if len(names) == 1 else name


def _same(metric: str, metrics: set[str], spans: set[str]) -> str:
    if not metric and len(spans) > 1:
        return TOGETHER.join(sorted(spans))
    fitting = [name for name in spans if metric.endswith(name)] or _spelled_otherwise(metric, spans)
    if len(fitting) == 1:
        return fitting[0]
    return next(iter(spans)) if len(spans) == 1 and len(metrics) == 1 else metric


def _spelled_otherwise(metric: str, spans: set[str]) -> Sequence[str]:
    """The address with most parts, all of them words of the metric's name (`host: 'db', port: 3306, database: …`)."""
    words = set(_WORDS.findall(metric))
    fitting = {name: len(parts) for name in spans if (parts := set(_WORDS.findall(name))) and parts <= words}
    return [name for name, count in fitting.items() if count == max(fitting.values())]


def reports(facts: Facts, report: LeakReport) -> Sequence[PoolReport]:
    """Every pool of a report with its newest numbers."""
    names = span_names(facts)
    held = _held(facts)
    newest: dict[tuple[str, str], dict[str, PoolSample]] = {}
    for sample in facts.samples:
        pool = names.get((sample.instance, sample.dialect, sample.pool), sample.pool)
        newest.setdefault((sample.instance, pool), {})[sample.measure] = sample
    traces: dict[str, set[str]] = {}
    for key, signals in facts.signals.items():
        traces.setdefault(key.instance, set()).add(signals[0].trace_id)
    return [
        _report(
            one,
            newest.get((one.instance, one.pool), {}),
            [
                _here(each, one.instance, traces.get(one.instance, ()))
                for each in report.findings
                if _accuses(each, one)
            ],
            facts,
            held.get((one.instance, one.pool), 0),
        )
        for one in report.coverage
    ]


def _held(facts: Facts) -> Mapping[tuple[str, str], int]:
    """How many are out of each pool as its events say; without them, as that pair says which sees most."""
    by_pair: Counter[tuple[str, str, str, str]] = Counter()
    for total in facts.totals:
        by_pair[total.instance, total.pool, total.dialect, total.pair] += total.held
    told = {(instance, pool) for instance, pool, dialect, _ in by_pair if dialect == EVENTS}
    found: dict[tuple[str, str], int] = {}
    for (instance, pool, dialect, _), count in by_pair.items():
        if dialect == EVENTS or (instance, pool) not in told:
            found[instance, pool] = max(count, found.get((instance, pool), 0))
    return found


def _report(
    coverage: Coverage,
    newest: Mapping[str, PoolSample],
    accused: Sequence[Finding],
    facts: Facts,
    held: int,
) -> PoolReport:
    def value(measure: str) -> int | None:
        # A pool can have no fewer than none idle: a negative value is a listener that was attached late.
        return max(0, round(newest[measure].value)) if measure in newest else None

    leaked = lost(one for one in accused if one.verdict is Verdict.LEAKED)
    return PoolReport(
        service=coverage.service,
        instance=coverage.instance,
        pool=coverage.pool,
        system=", ".join(_systems(facts, coverage.instance)),
        coverage=coverage,
        used=value("used"),
        idle=value("idle"),
        max=value("max") or None,
        pending=value("pending"),
        timeouts=value("timeouts"),
        # Where returns cannot be seen, everything looks open.
        open_holds=held if coverage.level in _NAMED else None,
        leaked=leaked,
        suspected=max(0, lost(accused) - leaked),
        last_at=_last(facts, coverage, newest.values()),
    )


def _accuses(one: Finding, pool: Coverage) -> bool:
    accuses = one.verdict in (Verdict.LEAKED, Verdict.SUSPECTED)
    return accuses and (one.service, one.pool) == (pool.service, pool.pool) and one.instance in ("", pool.instance)


def _here(one: Finding, instance: str, traces: Collection[str]) -> Finding:
    """What one process has of a finding that is of several; of one that is counted and not named, all."""
    if one.instance or not one.instances:
        return one
    holds = tuple(hold for hold in one.instances if hold.trace_id in traces)
    return replace(one, instance=instance, instances=holds, leaked_count=len(holds))


def _systems(facts: Facts, instance: str) -> Sequence[str]:
    return sorted({system for one in facts.instances if one.instance == instance for system in one.systems})


def _last(facts: Facts, coverage: Coverage, samples: Iterable[PoolSample]) -> Instant:
    signals = (one.last_at for one in facts.totals if (one.instance, one.pool) == (coverage.instance, coverage.pool))
    return max((*signals, *(one.at for one in samples)), default=Instant(0))


def only_names(facts: Facts) -> Mapping[str, str]:
    """For each process that has one pool by name: that name. What names no pool (a log line) is then about it."""
    found: dict[str, set[str]] = {}
    for total in facts.totals:
        if total.pool:
            found.setdefault(total.instance, set()).add(total.pool)
    for (instance, _, _), name in span_names(facts).items():
        if name:
            found.setdefault(instance, set()).add(name)
    return {instance: next(iter(names)) for instance, names in found.items() if len(names) == 1}

"""What is done with a connection is stored once, with one of its pairs; the other pairs read it from there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tracecollect.lifecycle.dialects import Dialect
from tracecollect.model import Role, Signal, SignalKind
from tracecollect.ports import OpenKey


def telling(keys: Iterable[OpenKey], dialects: Mapping[str, Dialect]) -> set[OpenKey]:
    """The keys whose signals say what these were used for."""
    told = ((key, dialects[key.dialect].pairs[key.pair].uses) for key in keys if key.dialect in dialects)
    return {replace(key, pair=other) for key, other in told if other}


def with_uses(signals: Iterable[Signal], dialects: Mapping[str, Dialect]) -> Sequence[Signal]:
    """The same signals in order of time, and as notes of a pair what another pair says that its keys were used for."""
    by_key: defaultdict[OpenKey, list[Signal]] = defaultdict(list)
    for one in signals:
        by_key[OpenKey(one.instance, one.dialect, one.pair, one.key)].append(one)
    found = [one for own in by_key.values() for one in own]
    for key, own in list(by_key.items()):
        for other in telling([key], dialects):
            told = {one.span_id for one in own}
            found += [
                replace(one, pair=key.pair, role=Role.NOTE)
                for one in by_key.get(other, ())
                if one.kind is SignalKind.USED and one.role is not Role.PIN and one.span_id not in told
            ]
    return sorted(found, key=lambda one: one.at)

"""Which share of the traces a sampler kept, read from the ids of those that came.

Head samplers decide by the trace id alone, so that every service decides alike: what they keep has only low ids (or, by
the newer rule, only high ones). Random ids that all lie below a bound were cut off there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# Fewer ids than this tell nothing, and so improbable must it be that all of them lie below the bound by chance.
_LEAST = 8
_CHANCE = 1e-9
# So many tell the share to a thousandth; a pool may have a million borrows, and is judged every few seconds.
_ENOUGH = 2_000
# A smaller share than this is no sampler's: such ids are counted up, not drawn.
_SMALLEST = 0.0005
_HALF = 1 << 63


def kept_share(trace_ids: Sequence[str]) -> float:
    """The share that was kept, by some two thousand of the ids; 1 where they say nothing of a sampler.

    The rules are those of the SDKs' `TraceIdRatioBased`: the low 64 bits (Go, PHP, Python, Ruby, Rust), these with a
    sign (Java), the high ones (.NET), all words combined (Node); and of consistent sampling (low 56 bits, from above).
    Ids whose random part is shorter are no such ids (Datadog), nor are those that begin with the time in it (X-Ray).
    """
    ids = [int(one, 16) for one in set(trace_ids[:: 1 + len(trace_ids) // _ENOUGH])]
    if len(ids) < _LEAST or not any(one >> 64 & 0xFFFFFFFF for one in ids):
        return 1.0
    return min(_below(list(map(rule, ids))) for rule in _RULES)


def _below(places: Sequence[float]) -> float:
    """The bound under which places that are drawn from 0 … 1 all lie; 1 where chance may have put them there."""
    count, top = len(places), max(places)
    if top < _SMALLEST or top**count > _CHANCE:
        return 1.0
    # They must be spread evenly below it: the mean of so many is half of it, give or take six deviations.
    if abs(sum(places) / count / top - 0.5) > 6 / (12 * count) ** 0.5:
        return 1.0
    return min(1.0, top * (count + 1) / count)


def _low(one: int) -> float:
    return (one & (2 * _HALF - 1)) / (2 * _HALF)


def _signed(word: int) -> float:
    return (word if word < _HALF else 2 * _HALF - word) / _HALF


def _words(one: int) -> float:
    return (one ^ one >> 32 ^ one >> 64 ^ one >> 96 & 0xFFFFFFFF) % (1 << 32) / (1 << 32)


_RULES: Sequence[Callable[[int], float]] = (
    _low,
    lambda one: _signed(one & (2 * _HALF - 1)),
    lambda one: _signed(one >> 64),
    _words,
    lambda one: 1 - (one & ((1 << 56) - 1)) / (1 << 56),
)

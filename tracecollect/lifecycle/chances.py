"""Quantiles of the gamma and the beta distribution, which the standard library lacks; for reports, not for loops.

By bisection of the distribution functions (series and continued fractions: Abramowitz and Stegun 6.5.29, 26.5.8).
"""

from __future__ import annotations

import math
from collections.abc import Callable

_STEPS = 60
_TERMS = 500
_TINY = 1e-300
_CLOSE = 1e-12


def gamma_quantile(chance: float, shape: float) -> float:
    """Below which value a gamma variable of this shape and scale 1 lies with this probability."""
    high = shape + 10 * math.sqrt(shape) + 20
    return _bisect(lambda x: gamma_below(x, shape), chance, 0.0, high)


def beta_quantile(chance: float, first: float, second: float) -> float:
    """Below which value a beta variable lies with this probability."""
    return _bisect(lambda x: beta_below(x, first, second), chance, 0.0, 1.0)


def _bisect(below: Callable[[float], float], chance: float, low: float, high: float) -> float:
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if below(middle) < chance:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def gamma_below(x: float, shape: float) -> float:
    """P(X <= x) of a gamma variable with scale 1, by its series: good to 1e-10 up to x of some hundreds."""
    if x <= 0:
        return 0.0
    term = total = 1 / shape
    for n in range(1, _TERMS + int(10 * x)):
        term *= x / (shape + n)
        total += term
        if term < total * _CLOSE:
            break
    return min(1.0, total * math.exp(shape * math.log(x) - x - math.lgamma(shape)))


def beta_below(x: float, first: float, second: float) -> float:
    """P(X <= x) of a beta variable, by the continued fraction on the side where it converges."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    log = (
        math.lgamma(first + second)
        - math.lgamma(first)
        - math.lgamma(second)
        + first * math.log(x)
        + second * math.log1p(-x)
    )
    if x < (first + 1) / (first + second + 2):
        return math.exp(log) * _fraction(x, first, second) / first
    return 1 - math.exp(log) * _fraction(1 - x, second, first) / second


def _fraction(x: float, first: float, second: float) -> float:
    """Lentz's evaluation of the continued fraction."""
    c, d = 1.0, 1 / _off_zero(1 - (first + second) * x / (first + 1))
    found = d
    for m in range(1, _TERMS):
        even = m * (second - m) * x / ((first + 2 * m - 1) * (first + 2 * m))
        odd = -(first + m) * (first + second + m) * x / ((first + 2 * m) * (first + 2 * m + 1))
        for part in (even, odd):
            d = 1 / _off_zero(1 + part * d)
            c = _off_zero(1 + part / c)
            found *= c * d
        if abs(c * d - 1) < _CLOSE:
            break
    return found


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY

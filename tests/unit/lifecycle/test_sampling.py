"""A sampler shows in the ids of what it kept, and nothing else is taken for one."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from tracecollect.lifecycle.sampling import kept_share

_64, _63 = 1 << 64, 1 << 63


def drawn(count: int, kept: Callable[[int], bool] = lambda _: True, seed: int = 1) -> list[str]:
    dice, found = random.Random(seed), []
    while len(found) < count:
        one = dice.getrandbits(128)
        if kept(one):
            found.append(f"{one:032x}")
    return found


def python(share: float) -> Callable[[int], bool]:
    sampler = TraceIdRatioBased(share)
    return lambda one: sampler.should_sample(None, one, "GET /").decision is Decision.RECORD_AND_SAMPLE


def java(share: float) -> Callable[[int], bool]:
    return lambda one: abs((one % _64) - (_64 if one % _64 >= _63 else 0)) < share * _63


def dotnet(share: float) -> Callable[[int], bool]:
    return lambda one: java(share)(one >> 64)


def node(share: float) -> Callable[[int], bool]:
    return lambda one: (one ^ one >> 32 ^ one >> 64 ^ one >> 96) % 2**32 < share * 0xFFFFFFFF


def consistent(share: float) -> Callable[[int], bool]:
    return lambda one: one % 2**56 >= (1 - share) * 2**56


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
@pytest.mark.parametrize("sampler", [python, java, dotnet, node, consistent])
def test_the_share_that_a_sampler_of_an_sdk_kept_is_known(sampler, share):
    assert kept_share(drawn(100, sampler(share))) == pytest.approx(share, rel=0.08)


@pytest.mark.parametrize("seed", range(200))
def test_random_ids_are_of_no_sampler(seed):
    assert kept_share(drawn(8 + 5 * seed, seed=seed)) == 1


def test_a_few_ids_tell_nothing():
    assert kept_share(drawn(7, python(0.01))) == 1


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param(lambda n, dice: f"{n + 1:032x}", id="counted up"),
        pytest.param(lambda n, dice: f"{dice.getrandbits(63):032x}", id="63 bits"),
        pytest.param(lambda n, dice: f"{0x6A000000 + n // 9:08x}{dice.getrandbits(96):024x}", id="the time in front"),
        pytest.param(lambda n, dice: f"{0x6A000000 + n // 9:08x}{dice.getrandbits(63):024x}", id="time and 63 bits"),
    ],
)
def test_ids_that_are_made_otherwise_are_of_no_sampler(ids):
    dice = random.Random(1)
    assert kept_share([ids(number, dice) for number in range(500)]) == 1

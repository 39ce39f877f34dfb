"""The interval for the end of a pool is neither boastful nor empty: it holds the truth about nine times in ten."""

from __future__ import annotations

import pytest
from score.exhaustion import DRAINS, Drain, covered


@pytest.mark.parametrize("drain", [DRAINS[0], DRAINS[-1]], ids=lambda one: one.name)
def test_nine_of_ten_pools_run_dry_within_their_interval(drain):
    assert 0.80 <= covered(drain, 100, seed=5) <= 0.99


def test_leaks_that_come_in_bursts_need_the_wider_interval_that_they_get():
    alone, bunched = Drain("alone", 8.0, 1, 2.0, 40), Drain("bunched", 2.0, 4, 2.0, 40)
    assert covered(bunched, 60, seed=2) >= covered(alone, 60, seed=2) - 0.2

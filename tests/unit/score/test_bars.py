"""What a recording must reach: each bar refuses what is below it and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from captures import NAMES
from score.bars import read
from score.measure import Row

BARS = read()
NAMED = Row("asyncpg-leak", "named", 45, precision=1.0, recall=1.0, counted=45, coverage=["inferred"], delay=4.7)
COUNTED = Row("nodepg-leak", "counted", 45, recall=0.0, counted=45, coverage=["counted"])
BLIND = Row("psycopg3pool-leak", "blind", 55, recall=0.0, error=-55, coverage=["blind"])
QUIET = Row("asyncpg-healthy", "named", 0, coverage=["inferred"])


@pytest.mark.parametrize("row", [NAMED, COUNTED, BLIND, QUIET], ids=lambda row: row.sample)
def test_what_reaches_its_bars_misses_none(row):
    assert BARS.misses(row) == []


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(replace(QUIET, false=1), id="a finding on a run in which nobody forgot anything"),
        pytest.param(replace(QUIET, precision=0.0), id="a name on such a run"),
        pytest.param(replace(NAMED, precision=0.98), id="an innocent among the named"),
        pytest.param(replace(NAMED, recall=0.97), id="a leak that is not named"),
        pytest.param(replace(NAMED, recall=None, precision=None, delay=None), id="nobody named at all"),
        pytest.param(replace(NAMED, delay=15.1), id="named too late"),
        pytest.param(replace(COUNTED, error=-3), id="three too few of 45"),
        pytest.param(replace(COUNTED, error=3), id="three too many of 45"),
        pytest.param(replace(COUNTED, leaks=10, error=2), id="two too many of ten"),
        pytest.param(replace(BLIND, coverage=[]), id="blind and not said"),
        pytest.param(replace(BLIND, false=1), id="somebody innocent accused in a blind pool"),
    ],
)
def test_what_is_below_a_bar_is_told(row):
    assert len(BARS.misses(row)) >= 1


def test_a_count_may_be_off_by_one_or_by_a_twentieth():
    assert BARS.misses(replace(COUNTED, leaks=10, error=1)) == []
    assert BARS.misses(replace(COUNTED, leaks=100, error=-5)) == []


def test_an_exception_has_a_reason_and_a_recording():
    for name, exception in BARS.samples.items():
        assert name in NAMES
        assert exception["reason"]

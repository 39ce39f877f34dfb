"""What is done to recordings, and what must be said of them afterwards."""

from __future__ import annotations

import random

import pytest
from captures import Capture
from score.bars import read
from score.disturbed import KINDS, DisturbedRow, misses
from score.measure import requests_of

from tracecollect.ports import Telemetry
from tracecollect.wire.check import check

BARS = read().disturbed
QUIET = DisturbedRow("asyncpg-healthy", "crash", 0, 0, 0, 0)


def spans(sent) -> int:
    return sum(check(one.telemetry, one.body)[0].accepted for one in sent if one.telemetry is Telemetry.TRACES)


@pytest.fixture(scope="module")
def recorded():
    return requests_of(Capture("go-otelpgx-healthy"))


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("a quarter sampled", 0.1, 0.4),
        ("1 % lost", 0.97, 0.999),
        ("crash", 0.2, 0.9),
        ("late", 1, 1),
        ("twice", 2, 2),
        ("no metrics", 1, 1),
    ],
)
def test_so_much_of_a_recording_is_left(recorded, kind, least, most):
    left = KINDS[kind](recorded, random.Random(1))
    assert least <= spans(left) / spans(recorded) <= most
    assert [one.arrived for one in left] == sorted(one.arrived for one in left)
    assert (kind == "no metrics") == (not any(one.telemetry is Telemetry.METRICS for one in left))


@pytest.mark.parametrize(
    ("rows", "missed"),
    [
        pytest.param([QUIET], 0, id="silence"),
        pytest.param([DisturbedRow("asyncpg-healthy", "crash", 0, 0, 0, 1)], 1, id="an accusation on a quiet run"),
        pytest.param(
            [DisturbedRow("asyncpg-leak", "late", 45, 45, 2, 0)], 1, id="two innocents, though nothing got lost"
        ),
        pytest.param(
            [DisturbedRow("asyncpg-leak", "1 % lost", 45, 45, 2, 0)], 0, id="two innocents where spans got lost"
        ),
        pytest.param([DisturbedRow("asyncpg-leak", "1 % lost", 45, 20, 5, 0)], 1, id="a fifth of them innocent"),
    ],
)
def test_what_is_below_a_bar_is_told(rows, missed):
    assert len(misses(rows, BARS)) == missed

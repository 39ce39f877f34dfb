"""What stays out for a while and comes back all the same is a habit of the process, no leak."""

from __future__ import annotations

import pytest

from tracecollect.lifecycle.counts import _swing


@pytest.mark.parametrize(
    ("out", "comes_back"),
    [
        pytest.param([0, 1, 1, 2, 3, 3, 4, 5, 6, 6], 0, id="a leak only grows"),
        pytest.param([0, 5, 5, 5, 0, 5, 5, 5, 0, 5, 5, 5], 5, id="five are handed on again and again"),
        pytest.param([0, 4, 4, 4, 4, 1, 2, 3, 3, 3], 0, id="once, garbage collection took some back"),
        pytest.param([0, 9, 0, 9, 0, 9, 0], 0, id="a peak of one sample did not stay"),
    ],
)
def test_how_many_stayed_out_and_came_back_more_than_once(out: list[int], comes_back: int) -> None:
    assert _swing(out, 3) == comes_back

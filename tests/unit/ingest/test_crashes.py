"""Receivers and pipelines are killed at random moments: what was acknowledged is stored, and stored once."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import run_and_kill, stored


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_or_doubled_when_everything_is_killed(tmp_path: Path) -> None:
    acknowledged = run_and_kill(tmp_path, "sqlite", kills=10)
    assert len(acknowledged) > 30
    assert sorted(stored(tmp_path, "sqlite")) == sorted(acknowledged)


@pytest.mark.slow
def test_the_real_store_keeps_the_promise_too(tmp_path: Path) -> None:
    acknowledged = run_and_kill(tmp_path, "chdb", kills=5)
    assert len(acknowledged) > 30
    assert sorted(stored(tmp_path, "chdb")) == sorted(acknowledged)

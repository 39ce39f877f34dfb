"""Bytes that are nearly right: columns or a refusal with a reason, and nothing else. Longer: make torture."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from torture.decoders import DECODERS, holds
from torture.fuzz import HERE
from torture.mutations import mutated

SEEDS = sorted(HERE.glob("*"))


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.name)
def test_what_once_found_something_new_is_still_answered(path: Path) -> None:
    decoder, _ = DECODERS[path.name.partition("-")[0]]
    holds(decoder, path.read_bytes())


@pytest.mark.parametrize("name", DECODERS)
def test_near_misses_are_answered(name: str) -> None:
    decoder, seeds = DECODERS[name]
    dice = random.Random(name)
    for _ in range(150):
        holds(decoder, mutated(dice.choice(seeds), dice))

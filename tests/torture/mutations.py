"""Byte strings that are nearly right: real requests with a few bytes changed, cut, doubled or swapped for another's."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Mutation = Callable[[bytearray, random.Random], None]
# Lengths, tags and texts that parsers trip over.
_TOKENS = (
    b"\x00", b"\xff", b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"\xff\xff\xff\xff\x0f", b"\x0a\x00",
    b"\x12\xff\x7f",
    b"null", b"true", b"-1", b"1e309", b"NaN", b'"', b"{", b"}", b"[", b"]", b"\\ud800", b"\xed\xa0\x80", b"0" * 40,
    b"'",
)  # fmt: skip


def _flip(data: bytearray, dice: random.Random) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _token(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    data[at : at + dice.choice((0, 1, 4))] = dice.choice(_TOKENS)


def _cut(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    del data[at : at + dice.choice((1, 2, 8, 1000))]


def _double(data: bytearray, dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    data[at:at] = data[at : at + dice.choice((1, 8, 64))] * dice.choice((1, 2, 50))


MUTATIONS: Sequence[Mutation] = (_flip, _token, _cut, _double)


def mutated(seed: bytes, dice: random.Random) -> bytes:
    """A near relative of a seed."""
    data = bytearray(seed)
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        dice.choice(MUTATIONS)(data, dice)
    return bytes(data)

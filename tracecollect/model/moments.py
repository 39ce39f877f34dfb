"""Moments, as every noun has them."""

from __future__ import annotations

from typing import NewType

Instant = NewType("Instant", int)
"""Nanoseconds since the Unix epoch. Written in JSON as RFC 3339 with a Z."""

NEVER = Instant(0)
"""A moment that is not known."""

SECOND = 1_000_000_000

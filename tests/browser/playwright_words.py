"""`expect` of Playwright where it is installed; without it the tests that use it are left out by their fixtures."""

from __future__ import annotations

try:
    from playwright.sync_api import expect

    # A machine that has other work to do is slow, not wrong.
    expect.set_options(timeout=20_000)
except ImportError:  # pragma: no cover -- then no test comes this far
    expect = None

__all__ = ["expect"]

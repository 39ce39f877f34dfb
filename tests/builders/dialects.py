"""The beginning of a dialect's file that a test goes on from."""

from __future__ import annotations


def head(name: str = "one", scope: str = "one", *, version: int = 1, open_if: str = "never") -> str:
    """A dialect of one scope that counts borrows by their trace, without its signals."""
    return f"""
[dialect]
name = "{name}"
version = {version}
library = "a library"
scopes = ["{scope}"]
coverage = "counted"
why = "w"
blind_to = "b"

[pair.borrow]
family = "count"
key = ["trace"]
open_if = "{open_if}"
needs = "nothing"
entered_by = "begin"
"""

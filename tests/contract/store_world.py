"""Small worlds for the promises of stores: the dialect that they speak, and how they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import pytest
from builders.otlp import Item, Sent, World, instant, requests

from tracecollect.lifecycle.dialects import OPEN_IF, parse, shipped
from tracecollect.model import (
    SECOND,
    Window,
)
from tracecollect.ports import Batch, KeyTotals, Store, Telemetry
from tracecollect.wire.decode import decode

ALL = Window(instant(-3600), instant(3600))
GRACE = 5 * SECOND
RULES = tuple(rule for rule in OPEN_IF if rule != "never")
SCOPE = "contract"
_HEAD = """
[dialect]
name = "contract"
version = 3
library = "made up"
scopes = ["contract"]
coverage = "inferred"
why = "w"
blind_to = "b"
"""
_PAIR = """
[pair.{rule}]
family = "B"
key = ["attr:hold"]
open_if = "{rule}"
needs = "close_seen"
entered_by = "{entered_by}"
"""
_BORROWS = """
[pair.borrow]
family = "count"
key = ["trace"]
open_if = "never"
needs = "nothing"
entered_by = "begin"

[[signal]]
from = "spans"
pair = "borrow"
is = "{kind}"
role = "{role}"
where = {{ name = "borrow.{kind}" }}
"""
_SIGNAL = """
[[signal]]
from = "spans"
pair = "{rule}"
is = "{kind}"
role = "{role}"
where = {{ name = "{rule}.{role}" }}
"""
_SERIES = """
[[series]]
from = "{source}"
metric = ["contract.{measure}"]
is = "{measure}"
pool = ["pool.name"]
unit = {unit}
"""
_KINDS = {"open": "used", "close": "released", "excuse": "failed", "pin": "used", "note": "used"}


def _text() -> str:
    pairs = [_PAIR.format(rule=rule, entered_by="touch" if rule == "last" else "begin") for rule in RULES]
    signals = [_SIGNAL.format(rule=rule, role=role, kind=kind) for rule in RULES for role, kind in _KINDS.items()]
    acquired, *others = [
        _BORROWS.format(kind=kind, role=role)
        for kind, role in {"acquired": "open", "used": "note", "failed": "note", "opened": "note"}.items()
    ]
    borrows = [acquired, *(one[one.index("[[signal]]") :] for one in others)]
    series = [_SERIES.format(source="sum", measure=one, unit=1) for one in ("used", "acquires", "returns")]
    series += [_SERIES.format(source="gauge", measure="idle", unit=2)]
    return "".join([_HEAD, *pairs, *signals, *borrows, *series])


DIALECTS = (*shipped(), parse(_text(), "contract.toml"))
TOKENS = count()


def tell(store: Store, items: Sequence[Item], *, token: str = "") -> None:
    """Deliver telemetry as the pipeline does, one batch a kind."""
    asked = requests(items)
    for telemetry in Telemetry:
        mine = [one for one in asked if one.telemetry is telemetry]
        if mine:
            tables = decode(telemetry, [one.body for one in mine], [one.arrived for one in mine])
            store.write(batch(token or f"contract:{next(TOKENS)}", tables))


def batch(token: str, tables: dict) -> Batch:
    """Columns as the engine takes them."""
    return Batch(token, tables)


def said(one: Sent) -> str:
    """A span's id as readers spell it."""
    return one.own.hex()


@pytest.fixture
def world() -> World:
    return World()


def of_keys(total: KeyTotals) -> KeyTotals:
    """Without what counts copies."""
    return replace(total, stray_closes=0, acquired=0)

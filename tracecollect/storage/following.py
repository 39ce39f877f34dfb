"""Signals out of the store as holds, with the requests that own them."""

from __future__ import annotations

from collections.abc import Sequence

from tracecollect.lifecycle.dialects import shipped
from tracecollect.lifecycle.holds import follow
from tracecollect.model import Hold, Signal
from tracecollect.ports import Store


def followed(store: Store, signals: Sequence[Signal]) -> tuple[Hold, ...]:
    """The holds that these signals tell of, in order of acquire."""
    owners = store.owners({one.trace_id for one in signals if one.trace_id})
    return follow(signals, owners, {one.name: one for one in shipped()})

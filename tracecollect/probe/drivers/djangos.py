"""Django: what it opens, it closes or keeps for the next request of the same thread (`CONN_MAX_AGE`).

A request ends with `close_if_unusable_or_obsolete` of each connection, and so does whatever calls
`django.db.close_old_connections`. What is open after it is Django's own: whoever opened it has given it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import RETURNED

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Its drivers tell of every connection; it tells which of them it keeps."""
    from django.db.backends.base.base import BaseDatabaseWrapper

    def ended(original: Any, wrapper: Any) -> None:
        original(wrapper)
        # In the middle of a transaction it looks at nothing: whoever began that still has the connection.
        if wrapper.connection is not None and not wrapper.in_atomic_block:
            probe.holds.released(wrapper.connection, RETURNED)

    probe.patches.wrap(BaseDatabaseWrapper, "close_if_unusable_or_obsolete", ended)

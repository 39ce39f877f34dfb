"""pymongo: its monitoring API (CMAP) tells of every checkout and checkin, by a number of the driver's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED
from tracecollect.probe.place import Place

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Register a listener for every client that is made from now on."""
    from pymongo import monitoring

    holds = probe.holds
    taken: dict[tuple[Any, int], object] = {}

    class Listener(monitoring.ConnectionPoolListener):
        """Two of the eleven events are about holds; one more ends them."""

        def connection_checked_out(self, event: Any) -> None:
            """A connection was handed out, on the borrower's thread."""
            ticket = taken[event.address, event.connection_id] = _Ticket()
            host, port = event.address
            holds.acquired(ticket, place=Place("mongodb", host, port))

        def connection_checked_in(self, event: Any) -> None:
            """It came back."""
            holds.released(taken.pop((event.address, event.connection_id), None))

        def connection_closed(self, event: Any) -> None:
            """It was closed, perhaps while it was out."""
            holds.released(taken.pop((event.address, event.connection_id), None), CLOSED)

        def _unheard(self, event: Any) -> None:
            """Not about a hold."""

        connection_created = connection_ready = _unheard
        connection_check_out_started = connection_check_out_failed = _unheard
        pool_created = pool_ready = pool_cleared = pool_closed = _unheard

    listener = Listener()
    monitoring.register(listener)
    probe.patches.on_undo(lambda: monitoring._LISTENERS.cmap_listeners.remove(listener))


class _Ticket:
    """Stands for a connection that the driver does not show."""

    __slots__ = ("__weakref__",)

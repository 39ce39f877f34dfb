"""What waits to be sent: how much of it, and for how long."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

from tracecollect.probe import outbox
from tracecollect.probe.place import Place

PLACE = Place("postgresql", "db", 5432, "shop")


class Connection:
    """Something that can be taken and given back."""


def test_when_nothing_can_be_sent_whole_holds_are_left_out(watching, monkeypatch):
    monkeypatch.setattr(outbox, "_MOST", 3)
    monkeypatch.setattr(watching.probe.outbox, "_thread", threading.current_thread())  # nobody sends
    kept = [Connection() for _ in range(6)]
    for one in kept:
        watching.probe.holds.acquired(one, place=PLACE)
    for one in kept:
        watching.probe.holds.released(one)
    assert sorted(watching.story()) == ["acquired"] * 3 + ["released returned"] * 3
    assert watching.probe.outbox.left_out == 3


def test_an_event_waits_until_no_query_is_under_way(watching, monkeypatch):
    holds, sender = watching.probe.holds, watching.probe.outbox
    monkeypatch.setattr(sender, "_thread", threading.current_thread())  # nobody else sends
    monkeypatch.setattr(outbox, "_QUERY_NANOSECONDS", 1 << 62)
    connection, breaths = Connection(), []

    def breathe(seconds):
        breaths.append(seconds)
        if len(breaths) == 5:
            holds.released(connection)

    monkeypatch.setattr(outbox, "time", SimpleNamespace(sleep=breathe, time_ns=time.time_ns))
    holds.acquired(connection)
    sender.flush(yielding=True)
    assert breaths == [outbox._BREATH_SECONDS] * 6, "five before it came back, and one between its two events"
    assert not sender._queue


def test_events_are_sent_when_the_clock_was_set_back(watching, monkeypatch):
    monkeypatch.setattr(watching.probe.outbox, "_thread", threading.current_thread())  # nobody else sends
    breaths, connection = [], Connection()
    watching.probe.holds.acquired(connection)
    an_hour_ago = time.time_ns() - 3_600_000_000_000
    monkeypatch.setattr(outbox, "time", SimpleNamespace(sleep=breaths.append, time_ns=lambda: an_hour_ago))
    watching.probe.outbox.flush(yielding=True)
    assert len(breaths) == 1
    assert watching.story() == ["acquired"]


def test_an_event_that_is_late_does_not_wait_for_queries_to_end(watching, monkeypatch):
    monkeypatch.setattr(watching.probe.outbox, "_thread", threading.current_thread())  # nobody else sends
    monkeypatch.setattr(outbox, "_LATE_NANOSECONDS", -1)
    breaths = []
    monkeypatch.setattr(outbox, "time", SimpleNamespace(sleep=breaths.append, time_ns=time.time_ns))
    connection = Connection()
    watching.probe.holds.acquired(connection)
    watching.probe.outbox.flush(yielding=True)
    assert breaths == [outbox._SHORT_BREATH_SECONDS]
    assert watching.story() == ["acquired"]

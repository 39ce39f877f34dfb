"""A probe of its own for every test, and the events that it sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from database import served
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from tracecollect.probe import Probe

EVENT = "db.client.connection."


@dataclass(frozen=True)
class Said:
    """One event: what happened to which hold, and what else was said."""

    event: str
    hold: str
    reason: str
    attributes: dict[str, object]
    trace_id: int

    @property
    def code(self) -> str:
        return f"{self.attributes.get('code.file.path')}:{self.attributes.get('code.line.number')}"


class Watching:
    """A probe, and what it said."""

    def __init__(self) -> None:
        self._sent = InMemoryLogRecordExporter()
        self.provider = LoggerProvider(shutdown_on_exit=False)
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self._sent))
        self.probe = Probe(logger_provider=self.provider)
        self.probe.start()

    def sent(self) -> Sequence[ReadableLogRecord]:
        """The records, as the SDK exported them."""
        self.probe.outbox.flush()
        return self._sent.get_finished_logs()

    def said(self) -> list[Said]:
        return [
            Said(
                one.log_record.event_name.removeprefix(EVENT),
                one.log_record.attributes[f"{EVENT}hold.id"],
                one.log_record.attributes.get(f"{EVENT}release.reason", ""),
                dict(one.log_record.attributes),
                one.log_record.trace_id,
            )
            for one in self.sent()
        ]

    def story(self) -> list[str]:
        """What was said, in order, in a word or two each."""
        return [f"{one.event} {one.reason}".strip() for one in self.said()]


@pytest.fixture
def watching() -> Iterator[Watching]:
    one = Watching()
    yield one
    one.probe.stop()


@pytest.fixture(scope="session")
def dsn() -> Iterator[str]:
    with served() as address:
        yield address

"""What is received: spans and log records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tracecollect.model.moments import NEVER, Instant


class SpanKind(StrEnum):
    """Span kinds, spelled as in the Collector's ClickHouse tables."""

    UNSPECIFIED = "Unspecified"
    INTERNAL = "Internal"
    SERVER = "Server"
    CLIENT = "Client"
    PRODUCER = "Producer"
    CONSUMER = "Consumer"


class StatusCode(StrEnum):
    """Span status, spelled as in the Collector's ClickHouse tables."""

    UNSET = "Unset"
    OK = "Ok"
    ERROR = "Error"


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened inside a span."""

    at: Instant
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A span's reference to a span of this or another trace."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """One span as it was stored. `open`: it was still running when last heard of, `duration` is a lower bound."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: SpanKind
    service: str
    instance: str
    start: Instant
    duration: int
    status: StatusCode = StatusCode.UNSET
    status_message: str = ""
    flags: int = 0
    scope: str = ""
    scope_version: str = ""
    trace_state: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    resource: Mapping[str, str] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    arrived: Instant = NEVER
    open: bool = False

    @property
    def end(self) -> Instant:
        """When the span ended."""
        return Instant(self.start + self.duration)

    @property
    def parent_is_local(self) -> bool:
        """The exporter says that the parent ran in the same process (OTLP span flags, bits 8 and 9)."""
        return self.flags & 0x300 == 0x100


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One log record or event of a trace."""

    at: Instant
    trace_id: str
    span_id: str
    service: str
    severity: str
    body: str
    event_name: str = ""
    scope: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

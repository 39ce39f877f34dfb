"""What serving, reading and importing share: the store, and the pipeline that fills it out of the journal."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tracecollect.errors import MissingExtra, StoreFull
from tracecollect.ports import Check, Depth, TableUsage
from tracecollect.settings import Settings, seconds

if TYPE_CHECKING:
    from tracecollect.pipeline import Pipeline
    from tracecollect.receivers.intake import Intake
    from tracecollect.receivers.process import Receivers
    from tracecollect.redact import Redactor
    from tracecollect.storage.clickhouse import ClickHouseStore
    from tracecollect.web import Access

_RECORDER = "tracecollect.journal:JournalWriter"
_LOW_DISK_BYTES = 500 << 20
_NO_DISK_BYTES = 16 << 20


def journal_path(settings: Settings) -> Path:
    """Where the journal is."""
    return settings.data_dir / "journal.db"


class Stored(NamedTuple):
    """The store, the pipeline that fills it, and what cuts secrets between them."""

    store: ClickHouseStore
    pipeline: Pipeline
    redactor: Redactor | None


def stored(settings: Settings, stack: ExitStack) -> Stored:
    """The store and the pipeline that fills it out of the journal, started."""
    from tracecollect.journal import JournalReader
    from tracecollect.pipeline import Pipeline
    from tracecollect.storage.clickhouse import ClickHouseStore

    if disk_full(settings.data_dir):
        raise StoreFull(f"no room on the disk of {settings.data_dir}", hint="free some space and start again")
    redactor = redaction(settings)
    store = ClickHouseStore(settings.store_url, retention=int(seconds(settings.retention)))
    stack.callback(store.close)
    reader: JournalReader = JournalReader(journal_path(settings))
    stack.callback(reader.close)
    pipeline = Pipeline(reader, store, redact=redactor, linger=seconds(settings.linger))
    pipeline.start()
    stack.callback(pipeline.stop, seconds(settings.drain_timeout))
    return Stored(store, pipeline, redactor)


def redaction(settings: Settings) -> Redactor | None:
    """What takes secrets out before anything is stored; None where that is switched off."""
    from tracecollect.redact import Redactor

    if not settings.redact:
        return None
    return Redactor(keys=settings.redact_keys, patterns=settings.redact_patterns, literals=settings.redact_literals)


def receivers(settings: Settings) -> Receivers:
    """The receiver processes, not started yet."""
    from tracecollect.receivers.listeners import Listening
    from tracecollect.receivers.process import Receivers

    listening = Listening(
        grpc=(settings.otlp_grpc.host, settings.otlp_grpc.port),
        http=(settings.otlp_http.host, settings.otlp_http.port),
        origins=settings.cors_origins,
        tokens=settings.ingest_tokens,
        tls_certificate=settings.tls_certificate,
        tls_key=settings.tls_key,
        tls_client_ca=settings.tls_client_ca,
    )
    return Receivers(
        _RECORDER, _journal(settings), listening, workers=settings.receivers, max_body=settings.max_request_bytes
    )


def web_access(settings: Settings) -> Access:
    """Who may come to the web port."""
    from tracecollect.receivers.access import Tls, Tokens
    from tracecollect.web import Access
    from tracecollect.web.intake import PATH

    tls = Tls(settings.tls_certificate, settings.tls_key) if settings.tls_certificate else None
    return Access(Tokens(settings.read_tokens), Tokens(settings.ingest_tokens), PATH, tls)


def intake(settings: Settings, stack: ExitStack) -> Intake:
    """A way into the journal from this process."""
    from tracecollect.journal import JournalWriter
    from tracecollect.receivers.intake import Intake

    writer = JournalWriter(**_journal(settings))
    stack.callback(writer.close)
    return Intake(writer, max_body=settings.max_request_bytes)


def _journal(settings: Settings) -> dict[str, Any]:
    return {
        "path": str(journal_path(settings)),
        "max_bytes": settings.journal_max_bytes,
        "max_age_seconds": seconds(settings.journal_max_age),
    }


def disk_full(path: Path) -> bool:
    """Whether not even a small table would fit."""
    return shutil.disk_usage(path).free < _NO_DISK_BYTES


@contextlib.contextmanager
def extra(command: str) -> Iterator[None]:
    """A missing package as the extra that brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tracecollect"):
            raise
        raise MissingExtra(command, "server", error.name.partition(".")[0]) from error


def sending(address: str) -> str:
    """How a service of this machine sends here."""
    host, _, port = address.rpartition(":")
    address = f"{ {'0.0.0.0': '127.0.0.1', '[::]': '[::1]'}.get(host, host) }:{port}"  # noqa: S104 - told, not bound
    return f"OTEL_EXPORTER_OTLP_ENDPOINT=http://{address} OTEL_EXPORTER_OTLP_PROTOCOL=grpc YOUR-SERVICE"


def journal_check(depth: Depth) -> Check:
    """Whether what was acknowledged reaches the store."""
    waited = 0.0 if depth.oldest is None else time.time() - depth.oldest / 1e9
    detail = f"{depth.entries} requests ({depth.bytes} bytes) wait to be stored, the oldest for {waited:.0f} s"
    return Check(
        "journal", waited < 60, detail, "" if waited < 60 else "the store does not keep up or refuses: see its log"
    )


def journal_usage(depth: Depth) -> Sequence[TableUsage]:
    """The journal beside the tables of the store."""
    return (TableUsage("(journal)", depth.entries, depth.bytes),)


def disk_check(settings: Settings) -> Check:
    """How much room the data directory has."""
    free = shutil.disk_usage(settings.data_dir).free
    detail = f"{free >> 20} MiB free on the disk of {settings.data_dir}"
    return Check("disk", free > _LOW_DISK_BYTES, detail, "" if free > _LOW_DISK_BYTES else "free some space")

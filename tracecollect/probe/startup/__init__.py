"""What `tracecollect run` switches on in the Python processes of its command, when it is installed there.

Its directory is put on `PYTHONPATH`, so that Python itself loads `sitecustomize` at the start of each. Nothing here may
keep a process from starting, and nothing may be written that the command did not write.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path


def begin() -> None:
    """Auto-instrumentation where it is installed, else an SDK of our own for the probe's events; then the probe."""
    installed = entry_points()
    with contextlib.suppress(ImportError):
        if installed.select(group="opentelemetry_configurator"):
            _auto_instrumentation()
        else:
            _own_sdk()
    from tracecollect.probe import install

    install()
    _known_to_pytest(installed.select(group="pytest11"))


def _known_to_pytest(plugins: Iterable[EntryPoint]) -> None:
    """Tell pytest not to warn of what it can no longer rewrite: where warnings are errors that would end it.

    They are packages with a plugin of pytest's that are imported before pytest is (pytest 9, `AssertionRewriter`).
    """
    for one in plugins:
        module = sys.modules.get(one.module.partition(".")[0])
        if module is not None:
            module.__doc__ = f"{module.__doc__ or ''}\nPYTEST_DONT_REWRITE"


def _auto_instrumentation() -> None:
    # Django's is only switched on when its settings can be imported, and the command's directory is not on the path
    # yet. Our entry point is one of many: the probe is among what is loaded.
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        importlib.import_module("opentelemetry.instrumentation.auto_instrumentation").initialize()
    finally:
        sys.path.remove(here)


def _own_sdk() -> None:
    """The least that sends events: no spans are made here, so holds are named by their code alone."""
    logs = importlib.import_module("opentelemetry.sdk._logs")
    export = importlib.import_module("opentelemetry.sdk._logs.export")
    otlp = importlib.import_module("opentelemetry.exporter.otlp.proto.grpc._log_exporter")
    provider = logs.LoggerProvider()
    delay = int(os.environ.get("OTEL_BLRP_SCHEDULE_DELAY", "1000"))
    provider.add_log_record_processor(
        export.BatchLogRecordProcessor(otlp.OTLPLogExporter(), schedule_delay_millis=delay)
    )
    importlib.import_module("opentelemetry._logs").set_logger_provider(provider)

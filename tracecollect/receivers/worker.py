"""What runs in a receiver process: the listeners in front of a recorder, until an order or the end of stdin."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import resource
import signal
import sys
import threading
from collections.abc import Mapping
from typing import IO, Any

from tracecollect.errors import TracecollectError
from tracecollect.receivers.intake import Intake
from tracecollect.receivers.listeners import Listeners, Listening

_log = logging.getLogger(__name__)
_REPORT_SECONDS = 1.0


def main(orders: IO[str], reports: IO[str]) -> int:
    """Serve what the first line of `orders` says; any other line is how many seconds a stop may take."""
    config: Mapping[str, Any] = json.loads(orders.readline())
    module, _, name = config["recorder"].partition(":")
    try:
        recorder = getattr(importlib.import_module(module), name)(**config["options"])
        wanted = Listening(**_frozen(config["listening"]))
        intake = Intake(recorder, max_body=config["max_body"], max_in_flight=wanted.max_in_flight)
        listeners = Listeners(intake, wanted)
        with contextlib.ExitStack() as starting:
            starting.callback(recorder.close)
            listeners.start()
            starting.pop_all()
    except TracecollectError as error:
        _say(reports, {"failed": type(error).__name__, "message": error.message, "hint": error.hint})
        return 2
    _say(reports, {"ready": [listeners.grpc_port, listeners.http_port]})
    stopped = threading.Event()
    reporter = threading.Thread(target=_report, args=(intake, reports, stopped), name="report", daemon=True)
    reporter.start()
    order = orders.readline()
    listeners.stop(float(order) if order.strip() else 0)
    recorder.close()
    stopped.set()
    reporter.join()
    return 0


def _open_files() -> None:
    """As many as the system lets us have: each sender's connection is one, and a shell's usual limit is 1024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # then it stays as it is
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _frozen(given: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


def _report(intake: Intake, reports: IO[str], stopped: threading.Event) -> None:
    last = None
    while True:
        ended = stopped.wait(_REPORT_SECONDS)
        counters = intake.counters()
        if counters != last:
            _say(
                reports,
                {
                    "requests": [[*key, count] for key, count in counters.requests.items()],
                    "accepted": counters.accepted,
                    "rejected": counters.rejected,
                    "refused": counters.refused,
                    "repeated": counters.repeated,
                },
            )
            last = counters
        if ended:
            return


def _say(reports: IO[str], message: Mapping[str, Any]) -> None:
    try:
        reports.write(json.dumps(message) + "\n")
        reports.flush()
    except OSError:
        # Nobody listens any more: the parent is gone, and the end of stdin says the same.
        _log.debug("the parent is gone")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _open_files()
    sys.exit(main(sys.stdin, sys.stdout))

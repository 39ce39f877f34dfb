"""billiard, the processes of Celery's workers: they end with `os._exit`, and what was left to the end is not done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.children import ending

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Say what is still held when the worker's own end has been heard (Celery's `worker_process_shutdown`)."""
    from billiard.pool import Worker

    def do_exit(original: Any, worker: Any, *given: Any, **named: Any) -> None:
        heard = worker.on_exit

        def ended(*about: Any) -> None:
            try:
                if heard is not None:
                    heard(*about)
            finally:
                ending(probe.ended)

        worker.on_exit = ended
        original(worker, *given, **named)

    probe.patches.wrap(Worker, "_do_exit", do_exit)

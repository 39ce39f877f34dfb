"""Judges again while telemetry arrives, so that findings keep their history also when nobody asks."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

from tracecollect.errors import StoreError
from tracecollect.model import SECOND, LeakQuery
from tracecollect.ports import Answers

_log = logging.getLogger(__name__)


class Judge:
    """Asks for the leaks every `interval` seconds, as long as the answer can have changed.

    Over a large store a judgement takes seconds: then it comes less often, and leaves most of the time to others.

    `progress` grows with everything stored. What is stored ripens by time alone, too: until the grace is over
    after the last arrival, silence changes verdicts. `rest` is called when nothing came since the last judgement.
    """

    def __init__(
        self,
        answers: Answers,
        progress: Callable[[], int],
        *,
        grace: int,
        interval: float,
        rest: Callable[[], None] = lambda: None,
    ) -> None:
        self._answers = answers
        self._progress = progress
        self._rest = rest
        self._query = LeakQuery()
        self._interval = interval
        self._ripe = grace / SECOND + 2 * interval
        self._stop = threading.Event()
        self._counts: Mapping[str, int] = {}
        self._thread = threading.Thread(target=self._run, name="judge", daemon=True)

    def start(self) -> None:
        """Judge now, then again and again."""
        self._thread.start()

    def stop(self) -> None:
        """End after the judgement that runs. Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def counts(self) -> Mapping[str, int]:
        """Findings by verdict at the last judgement."""
        return self._counts

    def _run(self) -> None:
        seen, changed, took = -1, time.monotonic(), 0.0
        while True:
            stored = self._progress()
            quiet = stored == seen
            if not quiet:
                seen, changed = stored, time.monotonic()
            began = time.monotonic()
            if began - changed <= self._ripe + 9 * took:
                self._judge()
                if quiet:
                    self._rest()
            took = time.monotonic() - began
            if self._stop.wait(max(self._interval, 9 * took)):
                return

    def _judge(self) -> None:
        try:
            report = self._answers.leaks(self._query)
        except StoreError as error:
            _log.error("findings could not be judged, will try again: %s", error.message)
            return
        self._counts = dict(Counter(str(one.verdict) for one in report.findings))

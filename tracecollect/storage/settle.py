"""What a crash leaves half done in the embedded engine's files, put right before the engine opens them.

MergeTree writes a block's deduplication token to its log before the block's part is moved into place. Killed
between the two, it refuses the block when it comes again, and the rows are lost: seen once in some 15 kills
among small inserts. The engine does not look for such tokens, so the journal's replay would be dropped in silence.
"""

from __future__ import annotations

import fcntl
import logging
import re
from pathlib import Path

_log = logging.getLogger(__name__)
_ADDED = "1"
_PART = re.compile(r"(?P<partition>.+)_(?P<first>\d+)_(?P<last>\d+)_(?P<level>\d+)(?:_\d+)?")
# Only what was being written when the process died can be half done: the last lines, one for each partition.
_LOOK_BACK = 64


def settle(directory: Path) -> int:
    """Forget tokens whose rows are not there; returns how many. Does nothing while another process has the store."""
    # The engine's own lock, which it takes away when it is closed in order.
    status = directory / "status"
    if not status.exists():
        return 0
    forgotten = 0
    with status.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return 0
        try:
            for log in directory.glob("store/*/*/deduplication_logs/deduplication_log_*.txt"):
                forgotten += _settle_log(log)
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)
    if forgotten:
        _log.warning("%d inserts had been begun and not finished when the last process ended", forgotten)
    return forgotten


def _settle_log(log: Path) -> int:
    lines = log.read_text("utf-8").splitlines(keepends=True)
    parts = _parts(log.parent.parent)
    kept = lines[:-_LOOK_BACK] + [line for line in lines[-_LOOK_BACK:] if _stands(line, parts)]
    if len(kept) == len(lines):
        return 0
    fresh = log.with_suffix(".new")
    fresh.write_text("".join(kept), "utf-8")
    fresh.replace(log)
    return len(lines) - len(kept)


def _parts(table: Path) -> list[tuple[str, int, int]]:
    """Partition, first and last block of every part on disk."""
    found = (_PART.fullmatch(one.name) for one in table.iterdir() if one.is_dir() and not one.name.startswith("tmp"))
    return [(one["partition"], int(one["first"]), int(one["last"])) for one in found if one]


def _stands(line: str, parts: list[tuple[str, int, int]]) -> bool:
    fields = line.rstrip("\n").split("\t")
    name = _PART.fullmatch(fields[1]) if len(fields) == 3 else None
    if name is None or fields[0] != _ADDED:
        return True
    block = int(name["first"])
    return any(partition == name["partition"] and first <= block <= last for partition, first, last in parts)

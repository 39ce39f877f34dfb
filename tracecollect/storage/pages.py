"""How much memory there is in use, and what of it the engine's library keeps when nothing arrives: pages of code."""

from __future__ import annotations

import ctypes
import mmap
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_DONTNEED = 4  # MADV_DONTNEED, include/uapi/asm-generic/mman-common.h
_MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (r-[x-]p) .*/_chdb\S*$")
_WRITTEN = re.compile(r"^Anonymous: +(\d+) kB$")


def give_back() -> None:
    """Unmap the engine's code and constants; what is still needed is mapped again from the file when it is touched.

    A start registers every function, codec and format of chDB 4 and leaves 220-330 MB of a 550 MB library resident,
    more than everything else of an idle collector; 55 MB come back with the next judgement, in milliseconds. Only what
    was never written to is let go, as the kernel does itself when memory is short. Only Linux is asked.
    """
    if sys.platform != "linux":
        return
    advise = ctypes.CDLL(None, use_errno=True).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    for begin, end in _unwritten(Path("/proc/self/smaps")):
        advise(begin, end - begin, _DONTNEED)


def resident() -> int:
    """Bytes of this process that are in memory; 0 where the system does not say (`proc(5)`, statm)."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * mmap.PAGESIZE
    except (OSError, ValueError, IndexError):
        return 0


def _unwritten(maps: Path) -> Iterator[tuple[int, int]]:
    """Where the engine's read-only mappings lie, without those that the loader has written to (relocations)."""
    place: tuple[int, int] | None = None
    try:
        lines = maps.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        if found := _MAPPING.match(line):
            place = int(found[1], 16), int(found[2], 16)
        elif place and (found := _WRITTEN.match(line)):
            if found[1] == "0":
                yield place
            place = None
        elif "-" in line.split(" ", 1)[0]:
            place = None

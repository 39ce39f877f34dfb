"""What a process says of itself, as rows under its pool: a leak of connections is one of files and threads, too."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from tracecollect.diagrams.shapes import Axis, Occupancy, Sample
from tracecollect.model import Instant, ProcessSample

_MIB = 1 << 20
_SAYS: Mapping[str, tuple[str, str]] = {
    "files": ("open files", "open"),
    "sockets": ("database sockets", "open"),
    "goroutines": ("goroutines", "alive"),
    "threads": ("threads", "alive"),
    "heap": ("memory in use", "MiB"),
}
"""Row by measure: its label, and what its number counts."""


def process_rows(samples: Sequence[ProcessSample], span: Axis) -> tuple[Occupancy, ...]:
    """One row a measure, of the process that says most; its limit beside it where it tells one."""
    speakers = Counter(one.instance for one in samples)
    if not speakers:
        return ()
    chosen = min(speakers, key=lambda name: (-speakers[name], name))
    told: dict[str, list[ProcessSample]] = defaultdict(list)
    for one in samples:
        if one.instance == chosen and one.at <= span.end:
            told[one.measure].append(one)
    limit = round(told["files_limit"][-1].value) if told.get("files_limit") else None
    rows = []
    for measure, (label, says) in _SAYS.items():
        if told.get(measure):
            scale = _MIB if measure == "heap" else 1
            size = limit if measure == "files" else None
            rows.append(Occupancy(label, _row(told[measure], span, scale, size), says))
    return tuple(rows)


def _row(samples: Sequence[ProcessSample], span: Axis, scale: int, size: int | None) -> tuple[Sample, ...]:
    found = [Sample(Instant(max(one.at, span.start)), round(one.value / scale), size) for one in samples]
    before = [one for one in found if one.at == span.start][-1:]
    return (*before, *(one for one in found if one.at > span.start))

"""The recorded runs in tests/samples, and how a report about one is scored against what really happened."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tracecollect.model import SECOND, Instant, LeakReport, Verdict

SAMPLES = Path(__file__).parent / "samples"
NAMES = sorted(path.name.removesuffix(".labels.json") for path in SAMPLES.glob("*.labels.json"))
LEAKING = ("-leak", "-exhausted", "-mixed")
QUIET = [name for name in NAMES if not name.endswith(LEAKING)]
ACCUSING = (Verdict.LEAKED, Verdict.SUSPECTED)


@dataclass(frozen=True)
class Capture:
    name: str

    @property
    def path(self) -> Path:
        return SAMPLES / f"{self.name}.jsonl.gz"

    @property
    def labels(self) -> dict:
        return json.loads((SAMPLES / f"{self.name}.labels.json").read_text())

    def times(self) -> list[float]:
        with gzip.open(self.path, "rt") as lines:
            found = [float(json.loads(line)["t"]) for line in lines]
        return [one / SECOND if one > 1e12 else one for one in found]

    @property
    def end(self) -> Instant:
        return Instant(int((max(self.times()) + 1) * SECOND))

    @property
    def begin(self) -> Instant:
        return Instant(int(min(self.times()) * SECOND))

    def leaked(self) -> Counter[str]:
        return Counter(one["trace_id"] for one in self.labels["leaks"])

    def forgotten(self) -> Counter[str]:
        return self.leaked() + Counter(one["trace_id"] for one in self.labels["forgotten_but_harmless"])


def named(report: LeakReport) -> Counter[str]:
    """Trace ids that findings call leaked."""
    leaks = (one for one in report.findings if one.verdict is Verdict.LEAKED)
    return Counter(hold.trace_id for one in leaks for hold in one.instances)


def counted(report: LeakReport) -> int:
    """What findings without names count."""
    return sum(one.leaked_count for one in report.findings if one.verdict in ACCUSING and not one.instances)

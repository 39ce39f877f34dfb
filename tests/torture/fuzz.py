"""Feeds every decoder with near misses of real requests, for seconds of processor time; keeps what found something new.

    python tests/torture/fuzz.py [--seconds 3600] [--only NAME] [--seeds tests/torture/seeds]

An input is kept as a seed when it made a line of ours run that none before it did: so the search goes deeper than
changing examples would. Whatever breaks a promise is written to the seeds and ends the run; the tests replay them.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from torture.decoders import DECODERS, holds
from torture.mutations import mutated

HERE = Path(__file__).parent / "seeds"
_OURS = str(Path(__file__).parents[2] / "tracecollect")
_MOST_BYTES = 20_000


class Lines:
    """Which lines of ours ran."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self.new = False

    def run(self, work: Callable[[], None]) -> None:
        self.new = False
        sys.settrace(self._call)
        try:
            work()
        finally:
            sys.settrace(None)

    def _call(self, frame, event, _):
        return self._line if frame.f_code.co_filename.startswith(_OURS) else None

    def _line(self, frame, event, _):
        place = (frame.f_code.co_filename, frame.f_lineno)
        if place not in self.seen:
            self.seen.add(place)
            self.new = True
        return self._line


def keep(directory: Path, name: str, data: bytes) -> Path:
    path = directory / f"{name}-{hashlib.blake2b(data, digest_size=6).hexdigest()}.bin"
    directory.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def fuzz(name: str, seconds: float, directory: Path, dice: random.Random) -> int:
    """Feed one decoder; how many inputs it had. Raises what it should not have raised, with the input kept."""
    decoder, examples = DECODERS[name]
    seeds = [*examples, *(path.read_bytes() for path in sorted(directory.glob(f"{name}-*")))]
    lines, end, tried = Lines(), time.process_time() + seconds, 0
    for seed in seeds:
        lines.run(lambda seed=seed: holds(decoder, seed))
    while time.process_time() < end:
        data = mutated(dice.choice(seeds), dice)[:_MOST_BYTES]
        tried += 1
        try:
            lines.run(lambda data=data: holds(decoder, data))
        except BaseException:
            print(f"{name}: kept {keep(directory, name, data)}", flush=True)
            raise
        if lines.new:
            seeds.append(data)
            keep(directory, name, data)
    return tried


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--only", choices=DECODERS)
    parser.add_argument("--seeds", type=Path, default=HERE)
    options = parser.parse_args()
    names = [options.only] if options.only else list(DECODERS)
    dice = random.Random()
    for name in names:
        tried = fuzz(name, options.seconds / len(names), options.seeds, dice)
        print(f"{name}: {tried} inputs, nothing broken", flush=True)


if __name__ == "__main__":
    main()

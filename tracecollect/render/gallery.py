"""Writes viz/gallery: every example diagram in every notation. `python -m tracecollect.render.gallery [DIR]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from tracecollect import render
from tracecollect.render.examples import examples
from tracecollect.render.theme import viz_dir

ENGINE = "graphviz-pure"
"""It draws the same bytes on every machine, so a change of the gallery is a change of ours."""


def gallery() -> Iterator[tuple[str, bytes]]:
    """File names and contents, in order."""
    for name, diagram in examples().items():
        for notation in render.NOTATIONS.values():
            suffix = f".{notation.name}.txt" if notation.suffix == ".txt" else notation.suffix
            yield name + suffix, render.data(diagram, notation.name, width=80, engine=ENGINE)


def write(directory: Path) -> Mapping[str, int]:
    """Write the gallery and drop what no longer belongs to it; sizes in bytes by name."""
    directory.mkdir(parents=True, exist_ok=True)
    sizes = {}
    for name, body in gallery():
        (directory / name).write_bytes(body)
        sizes[name] = len(body)
    for stale in directory.iterdir():
        if stale.name not in sizes:
            stale.unlink()
    return sizes


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else viz_dir() / "gallery"
    written = write(place)
    sys.stdout.write(f"{len(written)} pictures, {sum(written.values()):,} bytes in {place}\n")

"""What a disk holds after the power was cut, from the system calls that a program made (strace 6, Linux).

The disk is as ext4 and XFS are, and no better: names change in order, and any sync makes all earlier ones last; the
bytes of a file last when that file was synced. What came after a file's last sync is there, or not, or in part (whole
sectors), each write for itself. A sync of the whole system is not counted: that makes the disk worse, not better.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NAMES = (
    "open", "openat", "creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "symlink", "symlinkat",
    "link", "linkat", "unlink", "unlinkat", "rmdir",
)  # fmt: skip
BYTES = (
    "write", "pwrite64", "writev", "pwritev", "pwritev2", "lseek", "ftruncate", "truncate", "fallocate",
    "copy_file_range", "sendfile", "fsync", "fdatasync",
)  # fmt: skip
_SECTOR, _TORN = 512, 0.3
# As `strace -f -y -xx` writes them: texts, and after each descriptor its path, in hexadecimal digits.
_LINE = re.compile(
    r"(\d+) +(?:(\w+)\((.*?)(?: <unfinished \.\.\.>|\) += (-?\d+).*)"
    r"|<\.\.\. (\w+) resumed>(.*)\) += (-?\d+).*)$"
)
_WORD = re.compile(r'"((?:\\x..)*)"|\w+<((?:\\x..)*)>(?:\(deleted\))?|[^,\s]+')


def traced(command: Sequence[str], trace: Path) -> None:
    """Run a program and write down what it does to files."""
    watched = ["-f", "-qq", "-y", "-xx", "-s", "100000000", "-e", f"trace={','.join(NAMES + BYTES)}"]
    subprocess.run(["strace", *watched, "-o", str(trace), *command], stdout=subprocess.PIPE, check=True)


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that succeeded; `begun` and `ended` count the lines of the trace."""

    name: str
    words: tuple[str | bytes, ...]
    result: int
    begun: int
    ended: int


def calls(trace: Path) -> Iterator[Call]:
    """The calls of a trace in the order in which they ended."""
    open_: dict[str, tuple[int, str]] = {}
    with trace.open() as lines:
        for number, line in enumerate(lines):
            found = _LINE.match(line)
            if found is None:
                continue
            thread, name, words, result, resumed, rest, late = found.groups()
            begun = number
            if result is None and resumed is None:
                open_[thread] = (number, words)
                continue
            if resumed is not None:
                begun, words = open_.pop(thread)
                name, words, result = resumed, words + rest, late
            if int(result) >= 0:
                yield Call(name, tuple(_words(words)), int(result), begun, number)


def _words(text: str) -> Iterator[str | bytes]:
    for one in _WORD.finditer(text):
        if one[1] is not None:
            yield bytes.fromhex(one[1].replace("\\x", ""))
        elif one[2] is not None:
            yield bytes.fromhex(one[2].replace("\\x", "")).decode()
        else:
            yield one[0]


@dataclass(slots=True)
class _Node:
    """A file, a directory or a link. `writes`: when, where, what; without bytes the file ends there."""

    target: str | None = None
    directory: bool = False
    writes: list[tuple[int, int, bytes | None]] = field(default_factory=list)
    synced: list[tuple[int, int]] = field(default_factory=list)

    def whole(self) -> bytes:
        """All that was written."""
        return _joined((offset, what) for _, offset, what in self.writes)

    def after(self, cut: int, dice: random.Random) -> bytes:
        """What is there after a cut at that line."""
        lasting = max((begun for begun, ended in self.synced if ended <= cut), default=-1)
        share = dice.choice((0.0, 0.5, 1.0))

        def kept() -> Iterator[tuple[int, bytes | None]]:
            for at, offset, what in self.writes:
                if at <= lasting:
                    yield offset, what
                elif at <= cut and dice.random() < share:
                    torn = what is not None and dice.random() < _TORN
                    yield offset, what[: dice.randrange(len(what) + 1) & -_SECTOR] if torn else what

        return _joined(kept())


def _joined(writes: Iterable[tuple[int, bytes | None]]) -> bytes:
    data = bytearray()
    for offset, what in writes:
        data.extend(bytes(max(0, offset - len(data))))
        if what is None:
            del data[offset:]
        else:
            data[offset : offset + len(what)] = what
    return bytes(data)


class Disk:
    """Everything that a program did below a directory.

    Moments are lines of the trace; `last` is its end. `said`: what was written to pipes, and when.
    """

    def __init__(self, root: Path, trace: Path) -> None:
        self._root = str(root)
        self._now: dict[str, _Node] = {}
        self._names: list[tuple[int, str, str, _Node | None]] = []
        self._position: dict[str, int] = {}
        self._synced: list[tuple[int, int]] = []
        self.said: list[tuple[int, bytes]] = []
        self.last = 0
        for one in calls(trace):
            self._happened(one)
            self.last = one.ended

    def cut(self, at: int, dice: random.Random) -> None:
        """Put what is there after a power cut at that line where the directory was."""
        lasting = max((begun for begun, ended in self._synced if ended <= at), default=-1)
        until = dice.randint(lasting, at)
        there: dict[str, _Node] = {}
        for when, one, other, node in self._names:
            if when <= until:
                _renamed(there, one, other, node)
        self._put(there, lambda node: node.after(at, dice))

    def all(self) -> None:
        """Put everything that was written there, as if there had been time."""
        self._put(self._now, _Node.whole)

    def _put(self, there: Mapping[str, _Node], held: Callable[[_Node], bytes]) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        for path, node in sorted(there.items()):
            if node.directory:
                Path(path).mkdir(parents=True)
            elif node.target is not None:
                Path(path).symlink_to(node.target)
            else:
                Path(path).write_bytes(held(node))

    def _happened(self, call: Call) -> None:
        if call.name in NAMES:
            self._named(call)
        elif call.name in ("fsync", "fdatasync"):
            self._synced.append((call.begun, call.ended))
            if (node := self._at(call.words[0])) is not None:
                node.synced.append((call.begun, call.ended))
        else:
            self._wrote(call)

    def _named(self, call: Call) -> None:
        texts = [one.decode() for one in call.words if isinstance(one, bytes)]
        paths = [os.path.normpath(one if one.startswith("/") else f"{call.words[0]}/{one}") for one in texts]
        made: _Node | None = None
        match call.name:
            case "open" | "openat" | "creat":
                self._opened(call, paths[0])
                return
            case "mkdir" | "mkdirat":
                made = _Node(directory=True)
            case "symlink" | "symlinkat":
                made, paths = _Node(target=texts[0]), paths[1:]
            case "link" | "linkat":
                made, paths = self._now.get(paths[0]), paths[1:]
        if paths[0].startswith(self._root):
            self._name(call.ended, paths[0], paths[1] if len(paths) > 1 else "", made)

    def _opened(self, call: Call, path: str) -> None:
        flags = next((str(one) for one in call.words if str(one).startswith("O_")), "O_CREAT|O_TRUNC")
        path = self._followed(path)
        if not path.startswith(self._root):
            return
        if "O_CREAT" in flags and path not in self._now:
            self._name(call.ended, path, "", _Node())
        node = self._now.get(path)
        if node is not None and "O_TRUNC" in flags:
            node.writes.append((call.ended, 0, None))
        if node is not None and not node.directory:
            self._position[path] = len(node.whole()) if "O_APPEND" in flags else 0

    def _wrote(self, call: Call) -> None:
        path, node = str(call.words[0]), self._at(call.words[0])
        if node is None:
            if call.name == "write" and path.startswith("pipe:"):
                self.said.append((call.begun, bytes(call.words[1])))
            return
        match call.name, call.words:
            case "write", (_, bytes(data), *_):
                at = self._position.get(path, 0)
                node.writes.append((call.ended, at, data))
                self._position[path] = at + len(data)
            case "pwrite64", (_, bytes(data), _, str(offset)):
                node.writes.append((call.ended, int(offset), data))
            case "ftruncate", (_, str(size)):
                node.writes.append((call.ended, int(size), None))
            case "lseek", _:
                self._position[path] = call.result
            case _:
                raise ValueError(f"{call.name} of {path}: what that leaves on a disk is not known here")

    def _name(self, when: int, one: str, other: str, node: _Node | None) -> None:
        self._names.append((when, one, other, node))
        _renamed(self._now, one, other, node)

    def _at(self, path: str | bytes) -> _Node | None:
        return self._now.get(str(path))

    def _followed(self, path: str) -> str:
        parts, whole = Path(path).parts, ""
        for part in parts:
            whole = str(Path(whole) / part)
            node = self._now.get(whole)
            if node is not None and node.target is not None:
                whole = str((Path(whole).parent / node.target).resolve())
        return whole


def _renamed(there: dict[str, _Node], one: str, other: str, node: _Node | None) -> None:
    """A name is made, changed or gone."""
    if node is not None:
        there[one] = node
        return
    moved = {path: found for path, found in there.items() if path == one or path.startswith(f"{one}/")}
    for path in moved:
        del there[path]
    if other:
        there.update({other + path[len(one) :]: found for path, found in moved.items()})

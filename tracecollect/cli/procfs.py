"""What Linux tells of a process that tells nothing itself: open files, threads, and sockets to databases."""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tracecollect.errors import NotFound, UsageError

DATABASES: Mapping[int, str] = {
    5432: "postgresql",
    6432: "postgresql",
    3306: "mysql",
    1433: "microsoft.sql_server",
    1521: "oracle.db",
    27017: "mongodb",
    6379: "redis",
}
"""Ports that are taken for a database's when nothing else is said."""
_ESTABLISHED = "01"
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Vitals:
    """One look at a process. `sockets` counts established connections by (address, port) of the other side."""

    files: int
    files_limit: int | None
    threads: int
    sockets: Mapping[tuple[str, int], int]


class Watched:
    """A process by its number; knows when that number has become another process."""

    def __init__(self, pid: int, *, proc: Path = _PROC) -> None:
        """Raises `UsageError` where there is no /proc, `NotFound` where there is no such process."""
        if not proc.is_dir():
            raise UsageError("processes can only be watched on Linux", hint="export process metrics from the service")
        self.pid = pid
        self._home = proc / str(pid)
        if not self._home.is_dir():
            raise NotFound(f"there is no process {pid}", hint="pgrep -a NAME lists processes by name")
        self._born = self._birth()

    def alive(self) -> bool:
        """Is it still the same process?"""
        try:
            return self._birth() == self._born
        except OSError:
            return False

    def name(self) -> str:
        """The name of its program."""
        return (self._home / "comm").read_text(encoding="utf-8", errors="replace").strip()

    def environment(self) -> Mapping[str, str]:
        """What it was started with; empty where that may not be read."""
        try:
            raw = (self._home / "environ").read_bytes()
        except OSError:
            return {}
        pairs = (one.decode(errors="replace").partition("=") for one in raw.split(b"\0") if b"=" in one)
        return {key: value for key, _, value in pairs}

    def look(self, ports: Collection[int]) -> Vitals:
        """Count now. Raises `UsageError` where its files may not be seen, `OSError` when it ended meanwhile."""
        try:
            links = list(self._links())
        except PermissionError as error:
            raise UsageError(
                f"the files of process {self.pid} may not be seen", hint="watch as the user of that process, or as root"
            ) from error
        inodes = {one[8:-1] for one in links if one.startswith("socket:[")}
        sockets: dict[tuple[str, int], int] = {}
        for place, inode in self._connections():
            if inode in inodes and place[1] in ports:
                sockets[place] = sockets.get(place, 0) + 1
        return Vitals(len(links), self._limit(), sum(1 for _ in (self._home / "task").iterdir()), sockets)

    def _links(self) -> Iterator[str]:
        for entry in (self._home / "fd").iterdir():
            try:
                yield str(entry.readlink())
            except FileNotFoundError:
                continue  # closed while we looked

    def _limit(self) -> int | None:
        for line in (self._home / "limits").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("Max open files"):
                soft = line.removeprefix("Max open files").split()[0]
                return None if soft == "unlimited" else int(soft)
        return None

    def _connections(self) -> Iterator[tuple[tuple[str, int], str]]:
        for table in ("tcp", "tcp6"):
            path = self._home / "net" / table
            if not path.exists():
                continue
            for line in path.read_text(encoding="ascii").splitlines()[1:]:
                words = line.split()
                if words[3] == _ESTABLISHED:
                    yield _place(words[2]), words[9]

    def _birth(self) -> str:
        # The name stands in parentheses and may hold anything; the fields after it are numbers (proc(5), stat).
        return (self._home / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]


def _place(text: str) -> tuple[str, int]:
    """`0100007F:1538` is 127.0.0.1 port 5432: words of the machine's own order, as proc(5) has them."""
    address, _, port = text.partition(":")
    words = b"".join(struct.pack("=I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8))
    family = socket.AF_INET if len(words) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, words).removeprefix("::ffff:"), int(port, 16)

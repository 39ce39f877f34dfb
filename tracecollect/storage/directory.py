"""The data directory: made if it is not there, owned by one process while it serves."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tracecollect import codec
from tracecollect.errors import StoreError, StoreLocked
from tracecollect.storage.remote import RunningServer, find_server, server_file


class DataDirectory:
    """A directory that this process owns until `close`. The lock dies with the process, however it dies."""

    def __init__(self, path: Path) -> None:
        """Raises `StoreLocked` when another process owns it, `StoreError` when it cannot be written."""
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] | None = (path / "server.lock").open("a", encoding="utf-8")
        except OSError as error:
            raise StoreError(
                f"the data directory {path} cannot be written: {error.strerror}",
                hint="choose another with --data-dir, or change its owner",
            ) from error
        try:
            _lock(self._file)
        except OSError as error:
            self._file.close()
            raise _locked(path) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def announce(self, server: RunningServer) -> None:
        """Leave the server's address for the commands that read."""
        path = server_file(self.path)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(codec.to_plain(server)) + "\n", encoding="utf-8")
        fresh.replace(path)

    def withdraw(self) -> None:
        """Take the address away: nobody should ask any more."""
        with contextlib.suppress(FileNotFoundError):
            server_file(self.path).unlink()

    def close(self) -> None:
        """Let another process own it. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _lock(file: IO[str]) -> None:
    import fcntl  # not on Windows, where no engine runs either

    fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _locked(path: Path) -> StoreLocked:
    server = find_server(path)
    if server is not None and server.pid != os.getpid():
        return StoreLocked(
            f"the data directory {path} belongs to the server with process id {server.pid} at {server.web}",
            hint="ask that one, stop it, or choose another --data-dir",
        )
    return StoreLocked(
        f"another process uses the data directory {path}",
        hint="wait until it ends, or choose another --data-dir",
    )

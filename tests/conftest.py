"""For every test: nothing is left behind. No thread, no process, no listening port."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

# Threads that a library keeps for the life of the process, each with its reason.
_KEPT = (
    "asyncio_",  # the default executor of an event loop that is gone, ends with the interpreter
    "grpc",  # grpcio's own poller
    "pytest_timeout",  # watches the test itself
    "execnet",  # pytest-xdist
    "tracecollect-probe",  # of the gate that these tests run under
)
_KEPT_TARGETS = ("(_poll_wrapper)",)  # grpcio's poller for event loops
_PATIENCE = 5.0


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fail a test that leaves a thread, a child process or a listening port behind."""
    threads, me = set(threading.enumerate()), psutil.Process()
    children, ports = set(_children(me)), _ports(me)
    yield
    left: list[str] = []
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        left = [f"thread {one.name}" for one in set(threading.enumerate()) - threads if not _kept(one.name)]
        left += [f"process {one.pid} {one.name()}" for one in set(_children(me)) - children if _alive(one)]
        left += [f"port {port}" for port in _ports(me) - ports]
        if not left:
            return
        time.sleep(0.02)
    pytest.fail("left behind: " + ", ".join(left))


@pytest.fixture
def own_directory() -> Iterator[Path]:
    """A directory for a PostgreSQL, which root runs as another user.

    Not below `tmp_path`: each run of pytest that starts on the machine closes that one's root for other users
    (`_pytest/tmpdir.py`, 9.2), and a server that is being set up inside then fails.
    """
    with TemporaryDirectory(prefix="tracecollect-test-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _children(me: psutil.Process) -> list[psutil.Process]:
    return [one for one in me.children(recursive=True) if not _of_the_browser(one)]


def _of_the_browser(process: psutil.Process) -> bool:
    """One browser serves all tests of a session, and starts and ends processes of its own as it likes."""
    try:
        return process.name().startswith("chrom")
    except psutil.NoSuchProcess:
        return True


def _kept(name: str) -> bool:
    return name.startswith(_KEPT) or name.endswith(_KEPT_TARGETS)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _ports(me: psutil.Process) -> set[int]:
    return {one.laddr.port for one in me.net_connections("inet") if one.status == psutil.CONN_LISTEN}

"""A server that is gone, was never one, speaks another version, or stops in the middle: one clear error each."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from tracecollect.errors import ServerGone, StoreLocked, UsageError
from tracecollect.model import LeakQuery
from tracecollect.storage import remote as remote_module
from tracecollect.storage.directory import DataDirectory
from tracecollect.storage.remote import RemoteAnswers, RunningServer, find_server, server_file

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTracecollect-Api: 1\r\n"


@contextlib.contextmanager
def saying(answer: bytes):
    """A server that says this to the first who asks, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=talk)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def gone(url: str) -> ServerGone:
    with RemoteAnswers(url) as remote, pytest.raises(ServerGone) as caught:
        remote.leaks(LeakQuery())
    assert caught.value.hint
    return caught.value


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "nothing answers" in gone(f"127.0.0.1:{port}").message


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b'Content-Length: 5000\r\n\r\n{"version": 1, "as_of": "2026',
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n20\r\n{",
        b"HTTP/1.1 200",
        b"",
    ],
)
def test_an_answer_that_breaks_off_is_no_answer(answer):
    with saying(answer) as url:
        assert "in the middle" in gone(url).message


def test_something_else_on_the_port_is_not_taken_for_a_tracecollect():
    with saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as url:
        assert "is not a tracecollect" in gone(url).message


def test_another_version_of_the_interface_is_named():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTracecollect-Api: 9\r\nTracecollect-Version: 3.1\r\n\r\n{}"
    with saying(answer) as url:
        error = gone(url)
    assert "3.1" in error.message
    assert "same version" in error.hint


@pytest.mark.parametrize("body", [b"{}", b"[]", b"no json", b'{"version": 1, "surprise": 2}'])
def test_an_answer_without_meaning_is_named_not_guessed(body):
    with saying(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body) as url:
        gone(url)


def test_an_error_without_a_reason_is_an_error_still():
    with saying(b"HTTP/1.1 502 Bad\r\nTracecollect-Api: 1\r\nContent-Length: 2\r\n\r\n{}") as url:
        assert "502" in gone(url).message


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(remote_module, "_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert "in time" in gone(f"127.0.0.1:{listener.getsockname()[1]}").message


@pytest.mark.parametrize("url", ["ftp://host", "http://", "http://host:0", "http://host:port", ""])
def test_what_is_no_address_of_a_server_is_a_usage_error(url):
    with pytest.raises(UsageError, match="not the address"):
        RemoteAnswers(url)


# --- the data directory ---------------------------------------------------------------------------------


def _left(pid: int) -> RunningServer:
    return RunningServer(pid, "http://127.0.0.1:1", "127.0.0.1:2", "0", "2026-11-23T03:44:00Z")


def test_a_running_server_is_found_by_its_directory(tmp_path):
    with DataDirectory(tmp_path) as directory:
        directory.announce(_left(os.getpid()))
        assert find_server(tmp_path) == _left(os.getpid())
        directory.withdraw()
        assert find_server(tmp_path) is None


def test_a_file_whose_process_is_gone_counts_as_no_server(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with DataDirectory(tmp_path) as directory:
        directory.announce(_left(ended.pid))
    assert find_server(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"pid": "1"})])
def test_a_damaged_file_counts_as_no_server(tmp_path, text):
    server_file(tmp_path).write_text(text)
    assert find_server(tmp_path) is None


def test_a_directory_has_one_owner(tmp_path):
    with DataDirectory(tmp_path), pytest.raises(StoreLocked, match="another process") as caught:
        DataDirectory(tmp_path)
    assert caught.value.hint
    DataDirectory(tmp_path).close()


def test_an_owned_directory_names_the_server_that_owns_it(tmp_path):
    with DataDirectory(tmp_path) as directory:
        directory.announce(_left(os.getppid()))
        with pytest.raises(StoreLocked, match=str(os.getppid())):
            DataDirectory(tmp_path)

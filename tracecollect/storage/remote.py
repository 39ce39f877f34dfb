"""The answers of a running tracecollect, asked over HTTP, and how to find it."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote, urlsplit

import tracecollect
from tracecollect import codec, errors
from tracecollect.errors import Ambiguous, Busy, ServerGone, TracecollectError, UsageError
from tracecollect.model import (
    Build,
    BuildQuery,
    CallEdge,
    Finding,
    FindingChange,
    LeakQuery,
    LeakReport,
    Lifecycle,
    PoolReport,
    SearchQuery,
    ServiceReport,
    Starvation,
    Starved,
    Trace,
    TraceSummary,
    Window,
)
from tracecollect.ports import MOST_SPANS, Status

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
API = "1"
# Judging days of telemetry may take long; a server that does not even accept is gone at once.
_SECONDS, _CONNECT_SECONDS = 60, 2


class RemoteAnswers:
    """`Answers` of the server at a URL. Raises what the server raised, and `ServerGone`."""

    def __init__(self, url: str, *, token: str = "", certificate: str = "") -> None:
        """`token` is shown where the server asks for one; `certificate` (PEM file) is trusted beside the usual ones."""
        import httpx  # 13 MB that a server, which only announces itself, does not need

        self._url = checked_url(url)
        # trust_env off: a proxy of the environment is not asked for this machine's own ports.
        self._client = httpx.Client(
            base_url=self._url,
            timeout=httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS),
            trust_env=False,
            follow_redirects=False,
            verify=_trust(self._url, certificate),
            headers={"Authorization": f"Bearer {token}"} if token else None,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def leaks(self, query: LeakQuery) -> LeakReport:
        """See `Answers`."""
        return self._read(self._get("leaks", codec.leak_parameters(query)), LeakReport)

    def finding(self, finding_id: str, query: LeakQuery) -> tuple[Finding, tuple[FindingChange, ...]]:
        """See `Answers`."""
        document = self._get(f"findings/{_segment(finding_id)}", codec.leak_parameters(query))
        return self._read(document["finding"], Finding), self._read(document["history"], tuple[FindingChange, ...])

    def trace(self, trace_id: str, most: int = MOST_SPANS, skip: int = 0) -> Trace:
        """See `Answers`. The server has its own bound, and begins with the first."""
        del most, skip
        return self._read(self._get(f"traces/{_segment(trace_id)}"), Trace)

    def lifecycle(self, subject: str, query: LeakQuery) -> Lifecycle:
        """See `Answers`."""
        document = self._get(f"lifecycle/{_segment(subject)}", codec.leak_parameters(query))
        return self._read(document, Lifecycle)

    def pool(self, name: str, query: LeakQuery) -> Lifecycle:
        """See `Answers`."""
        document = self._get(f"pools/{_segment(name)}/lifecycle", codec.leak_parameters(query))
        return self._read(document, Lifecycle)

    def pools(self, query: LeakQuery) -> Sequence[PoolReport]:
        """See `Answers`."""
        return self._read(self._get("pools", codec.leak_parameters(query))["pools"], tuple[PoolReport, ...])

    def starved(self, trace_id: str, query: LeakQuery) -> Sequence[Starved]:
        """See `Answers`."""
        document = self._get(f"starved/{_segment(trace_id)}", codec.leak_parameters(query))
        return self._read(document["waits"], tuple[Starved, ...])

    def starvation(self, subject: str, query: LeakQuery) -> Starvation:
        """See `Answers`."""
        return self._read(self._get(f"starvation/{_segment(subject)}", codec.leak_parameters(query)), Starvation)

    def search(self, query: SearchQuery) -> Sequence[TraceSummary]:
        """See `Answers`."""
        return self._read(self._get("search", codec.search_parameters(query))["traces"], tuple[TraceSummary, ...])

    def services(self, window: Window) -> Sequence[ServiceReport]:
        """See `Answers`."""
        document = self._get("services", codec.window_parameters(window))
        return self._read(document["services"], tuple[ServiceReport, ...])

    def calls(self, window: Window, service: str = "") -> Sequence[CallEdge]:
        """See `Answers`."""
        named = {"service": service} if service else {}
        return self._read(self._get("calls", codec.window_parameters(window) | named)["calls"], tuple[CallEdge, ...])

    def build(self, query: BuildQuery) -> Build:
        """See `Answers`."""
        return self._read(self._get("build", codec.build_parameters(query)), Build)

    def status(self) -> Status:
        """See `Answers`."""
        return self._read(self._get("status"), Status)

    def stop(self, name: str) -> None:
        """A server gives a question up when the connection it came on ends: there is nothing to be said to it."""

    def close(self) -> None:
        """Let go of the connection. Idempotent."""
        self._client.close()

    def _get(self, path: str, parameters: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> Any:  # noqa: ANN401 -- any JSON
        import httpx

        try:
            response = self._client.get(f"/api/v1/{path}", params=httpx.QueryParams(list(_pairs(parameters))))
        except httpx.ConnectError as error:
            raise ServerGone(
                f"nothing answers at {self._url}", hint="start it with `tracecollect serve`, or check --server"
            ) from error
        except httpx.TimeoutException as error:
            raise ServerGone(
                f"{self._url} did not answer in time", hint="ask for less with --since, or look at its log"
            ) from error
        except httpx.HTTPError as error:
            raise ServerGone(
                f"{self._url} stopped answering in the middle: {error}",
                hint="was it stopped? ask again when `tracecollect serve` runs; what it acknowledged is not lost",
            ) from error
        self._same_language(response)
        document = self._document(response)
        if response.is_success:
            return document
        raise _raised(document, response.status_code)

    def _same_language(self, response: httpx.Response) -> None:
        spoken = response.headers.get("tracecollect-api")
        if spoken is None:
            raise ServerGone(
                f"what answers at {self._url} is not a tracecollect",
                hint="check the port given to --server; `tracecollect serve` prints its own",
            )
        if spoken != API:
            theirs = response.headers.get("tracecollect-version", "unknown")
            raise ServerGone(
                f"the server at {self._url} is tracecollect {theirs} (API {spoken}), "
                f"this is {tracecollect.__version__} (API {API})",
                hint="use the same version on both sides",
            )

    def _document(self, response: httpx.Response) -> Any:  # noqa: ANN401 -- any JSON
        try:
            return json.loads(response.content)
        except ValueError as error:
            raise ServerGone(f"{self._url} answered something that is not JSON", hint="is a proxy between?") from error

    def _read(self, document: object, kind: type[T]) -> T:
        try:
            return codec.from_plain(document, kind)
        except ValueError as error:
            raise ServerGone(
                f"the answer of {self._url} cannot be understood: {error}", hint="use the same version on both sides"
            ) from error


def _segment(name: str) -> str:
    """A name as part of a path. Raises `UsageError` for one that would be no part of it."""
    if not name.strip():
        raise UsageError("an empty name was given", hint="a trace id, a finding id (f_…) or a pool; leaks lists them")
    return quote(name, safe="")


def _pairs(parameters: Mapping[str, str] | Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    return list(parameters.items()) if isinstance(parameters, Mapping) else parameters


def _raised(document: Any, status: int) -> TracecollectError:  # noqa: ANN401 -- any JSON
    """The error that the server raised, as the same class again."""
    if not isinstance(document, dict) or not isinstance(document.get("message"), str):
        return ServerGone(f"the server answered with status {status} and no reason", hint="look at its log")
    message, hint = document["message"], str(document.get("hint", ""))
    name = document.get("error")
    if name == "Ambiguous":
        return Ambiguous(message, tuple(str(one) for one in document.get("candidates", ())))
    if name == "Busy":
        return Busy(message)
    kind = getattr(errors, name, None) if isinstance(name, str) else None
    if isinstance(kind, type) and issubclass(kind, TracecollectError) and kind is not errors.MissingExtra:
        return kind(message, hint=hint)
    return TracecollectError(message, hint=hint)


def checked_url(url: str) -> str:
    """The URL without its end slash; `HOST:PORT` is taken as http. Raises `UsageError`."""
    text = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"{url!r} is not the address of a server", hint="write it like http://127.0.0.1:16686")
    return text.rstrip("/")


def _trust(url: str, certificate: str) -> ssl.SSLContext | bool:
    if not url.startswith("https:") or not certificate:
        return True
    context = ssl.create_default_context(cafile=certificate)
    # On this machine the very certificate of the settings is what we look for, whatever name it carries.
    context.check_hostname = urlsplit(url).hostname not in ("127.0.0.1", "::1", "localhost")
    return context


# --- the file that says who serves a data directory ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunningServer:
    """What `server.json` says."""

    pid: int
    web: str
    otlp_grpc: str
    version: str
    started_at: str
    otlp_http: str = ""


def server_file(data_dir: Path) -> Path:
    """Where a running server leaves its address."""
    return data_dir / "server.json"


def find_server(data_dir: Path) -> RunningServer | None:
    """The server that runs on a data directory; a file whose process is gone counts as none."""
    try:
        document = json.loads(server_file(data_dir).read_text(encoding="utf-8"))
        server = codec.from_plain(document, RunningServer)
    except (OSError, ValueError):
        return None
    return server if _runs(server.pid) else None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0

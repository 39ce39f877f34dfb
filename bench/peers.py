"""Other collectors, each as it comes: how it is found, configured, started, asked for a trace, and stopped.

A program is looked for on PATH under its usual names; nothing is built or fetched. Each one gets a directory of its
own for its data and its configuration, and free ports.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.sending import Target
from bench.serving import EXPORT

_READY_SECONDS, _STOP_SECONDS = 90, 30


@dataclass(frozen=True, slots=True)
class Place:
    """Where one candidate runs: its directory, and ports that were free a moment ago."""

    directory: Path
    otlp: int
    web: int
    other: tuple[int, int]

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def configuration(self, text: str) -> str:
        """The path of a file with this text."""
        path = self.directory / "config.yaml"
        path.write_text(text)
        return str(path)


@dataclass(frozen=True, slots=True)
class Peer:
    """A collector. `arguments` follow its program; `trace` is the path that answers with one, None: it has none.

    One that is slow by orders of magnitude gets at most `most_spans` of each size, and no other loads.
    """

    name: str
    programs: tuple[str, ...]
    arguments: Callable[[Place], list[str]]
    durable: str
    ready: str = ""
    grpc: bool = True
    path: str = EXPORT
    trace: str | None = None
    spans: Callable[[Any], int] = len
    environment: Callable[[Place], dict[str, str]] = lambda _: {}
    most_spans: int | None = None

    def program(self) -> str | None:
        """The path of its program, if it is there."""
        return next((path for one in self.programs if (path := shutil.which(one))), None)


@dataclass(slots=True)
class Running:
    """A candidate that runs, watched from outside."""

    peer: Peer
    place: Place
    process: psutil.Process
    _seen: dict[int, float] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        return Target(f"127.0.0.1:{self.place.otlp}", self.peer.path, self.peer.grpc)

    def cpu(self) -> float:
        """Seconds of CPU so far, over all its processes, those that ended meanwhile as they were last seen."""
        for one in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                self._seen[one.pid] = sum(one.cpu_times()[:2])
        return sum(self._seen.values())

    def resident(self) -> float:
        """Resident memory in MB, pages that its processes share counted once."""
        total = 0
        for one in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += one.memory_full_info().pss
        return total / 1e6

    def settle(self, patience: float) -> float | None:
        """Wait until it rests, and say since when: six times in a row 0.2 s with less than a seventh of a core.

        None when it does not. Some do what they were given only after a second (ours gathers what it stores).
        """
        end, since, quiet = time.monotonic() + patience, time.monotonic(), 0
        while quiet < 6:
            if time.monotonic() > end:
                return None
            before = self.cpu()
            time.sleep(0.2)
            quiet = quiet + 1 if self.cpu() - before < 0.03 else 0
            since = since if quiet else time.monotonic()
        return since

    def spans_of(self, client: httpx.Client, trace: str) -> int:
        """How many spans it shows of a trace."""
        assert self.peer.trace is not None
        answer = client.get(f"http://127.0.0.1:{self.place.web}{self.peer.trace.format(trace)}")
        return self.peer.spans(answer.json()) if answer.status_code == 200 else 0

    def on_disk(self) -> int:
        """Bytes of its data directory that are allocated."""
        return sum(one.stat().st_blocks * 512 for one in self.place.data.rglob("*") if one.is_file())

    def stop(self) -> None:
        """In order, and by force what is left after half a minute."""
        family = self._family()
        with contextlib.suppress(psutil.NoSuchProcess):
            self.process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(family, _STOP_SECONDS)
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(left, 5)

    def _family(self) -> list[psutil.Process]:
        try:
            return [self.process, *self.process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


@contextlib.contextmanager
def running(peer: Peer) -> Iterator[Running]:
    """The candidate with an empty data directory. Raises `RuntimeError` with what it said if it does not get ready."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        place = Place(Path(name), *_free_ports())
        place.data.mkdir()
        program = peer.program()
        assert program is not None
        with (place.directory / "log").open("wb") as log:
            child = subprocess.Popen(
                [program, *peer.arguments(place)], stdout=log, stderr=log, cwd=place.directory,
                env=os.environ | {"HOME": name} | peer.environment(place),
            )  # fmt: skip
        found = Running(peer, place, psutil.Process(child.pid))
        try:
            _wait(found, child)
            yield found
        finally:
            found.stop()
            child.wait(5)


def _free_ports() -> tuple[int, int, tuple[int, int]]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(contextlib.closing(socket.socket())) for _ in range(4)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        first, second, third, fourth = (one.getsockname()[1] for one in sockets)
    return first, second, (third, fourth)


def _wait(found: Running, child: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _READY_SECONDS
    while not _answers(found):
        if child.poll() is not None or time.monotonic() > end:
            said = (found.place.directory / "log").read_text(errors="replace")[-1500:]
            raise RuntimeError(f"{found.peer.name} did not get ready; it said:\n{said}")
        time.sleep(0.1)


def _answers(found: Running) -> bool:
    try:
        socket.create_connection(("127.0.0.1", found.place.otlp), timeout=1).close()
        url = f"http://127.0.0.1:{found.place.web}{found.peer.ready}"
        return not found.peer.ready or httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except (OSError, httpx.HTTPError):
        return False


def _ours(place: Place) -> list[str]:
    addresses = {"--otlp-grpc": place.otlp, "--web": place.web, "--otlp-http": place.other[0]}
    ports = [word for option, port in addresses.items() for word in (option, f"127.0.0.1:{port}")]
    return ["-m", "tracecollect", "serve", "--data-dir", str(place.data), *ports]


def _ours_over_http(place: Place) -> list[str]:
    swapped = Place(place.directory, place.other[0], place.web, (place.otlp, 0))
    return _ours(swapped)


def _this_tree(_: Place) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])}


OURS = Peer(
    name="tracecollect",
    programs=(sys.executable,),
    arguments=_ours,
    durable="Yes: synced to the journal before the acknowledgement.",
    ready="/readyz",
    trace="/api/v1/traces/{}",
    spans=lambda answer: len(answer["spans"]),
    environment=_this_tree,
)
# What speaks only HTTP is compared with ours over HTTP.
OURS_OVER_HTTP = replace(OURS, name="tracecollect (HTTP)", arguments=_ours_over_http, grpc=False, path="/v1/traces")


def _jaeger(place: Place) -> list[str]:
    directories = f'{{keys: "{place.data}/keys", values: "{place.data}/values"}}'
    return [
        "--config",
        place.configuration(f"""
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines: {{traces: {{receivers: [otlp], processors: [batch], exporters: [jaeger_storage_exporter]}}}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
extensions:
  jaeger_query:
    storage: {{traces: store}}
    http: {{endpoint: "127.0.0.1:{place.web}"}}
    grpc: {{endpoint: "127.0.0.1:{place.other[0]}"}}
  jaeger_storage: {{backends: {{store: {{badger: {{ephemeral: false, directories: {directories}}}}}}}}}
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{place.otlp}"}}}}}}}}
processors: {{batch: {{}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: store}}}}
"""),
    ]


def _collector(place: Place) -> list[str]:
    return [
        "--config",
        place.configuration(f"""
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{place.otlp}"}}}}}}}}
exporters: {{file: {{path: "{place.data}/traces.jsonl"}}}}
service:
  pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
"""),
    ]


def _spans_of_jaeger(answer: Any) -> int:
    return sum(len(one["spans"]) for one in answer.get("data") or ())


PEERS = (
    Peer(
        name="Jaeger, Badger",
        programs=("jaeger",),
        arguments=_jaeger,
        durable="No: acknowledged from memory (its batch processor); Badger does not sync (`consistency: false`).",
        ready="/",
        trace="/api/traces/{}",
        spans=_spans_of_jaeger,
    ),
    Peer(
        name="Collector, file exporter",
        programs=("otelcol-contrib", "otelcol"),
        arguments=_collector,
        durable="No: written to the file before the acknowledgement, but not synced. It answers no questions.",
    ),
    Peer(
        name="VictoriaTraces",
        programs=("victoria-traces", "victoria-traces-prod"),
        arguments=lambda place: [
            f"-storageDataPath={place.data}",
            *(f"-httpListenAddr=127.0.0.1:{port}" for port in (place.otlp, place.web)),
        ],
        ready="/health",
        durable="No: acknowledged from memory, on disk up to 5 s later (`inmemoryDataFlushInterval`).",
        grpc=False,
        path="/insert/opentelemetry/v1/traces",
        trace="/select/jaeger/api/traces/{}",
        spans=_spans_of_jaeger,
    ),
    Peer(
        name="Arize Phoenix",
        programs=("phoenix",),
        arguments=lambda _: ["serve"],
        durable="No: acknowledged from a queue in memory (20,000 spans), then written to SQLite.",
        ready="/healthz",
        trace="/v1/projects/default/spans?limit=100&trace_id={}",
        spans=lambda answer: len(answer["data"]),
        most_spans=1000,
        environment=lambda place: {
            "PHOENIX_WORKING_DIR": str(place.data),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(place.web),
            "PHOENIX_GRPC_PORT": str(place.otlp),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        },
    ),
)


def found() -> list[Peer]:
    """Those whose program is on PATH."""
    return [one for one in PEERS if one.program()]

"""The load of the comparison with other collectors: the same bytes for all, ready before the clock runs.

Every body is made, packed and kept in memory before the first is sent, so that the sender does nothing but hand bytes
to sockets. It says how much of its core it used: near 100 % it would be itself what is measured.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import multiprocessing.connection
import selectors
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from bench import traffic
from bench.wire import Connection, Grpc, Http, packed

SAMPLES = Path(__file__).parents[1] / "tests" / "samples"
# Of a Go, a Java, a Python and a Node service: 8,281 spans in 207 requests.
RECORDINGS = ("go-otelpgx-healthy", "java-agent-slow", "sqlalchemy-asyncpg-healthy", "nodepg-healthy")
# How long a request may take, and how long the bodies may take to be made.
_PATIENCE, _PREPARING = 30.0, 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of load: spans a request (0: as recorded), packed or not, connections with one request each."""

    spans: int
    connections: int = 8
    zipped: bool = False

    def __str__(self) -> str:
        what = f"{self.spans} span{'s'[: self.spans != 1]}" if self.spans else "recorded"
        return f"{what}{', gzip' if self.zipped else ''}, {self.connections} conn."


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go."""

    address: str
    path: str
    grpc: bool

    def connect(self, *, zipped: bool) -> Connection:
        kind: type[Grpc] | type[Http] = Grpc if self.grpc else Http
        return kind(self.address, self.path, packed=zipped)


@dataclass(frozen=True, slots=True)
class Batch:
    """What every candidate gets: which bodies, how many at most, for how long. Times end at `end`."""

    load: Load
    templates: Sequence[traffic.Template]
    seed: int
    end: int
    most: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Body:
    """A request, how many spans it has, and one of its traces."""

    data: bytes
    spans: int
    trace: str


# What waits for its answer, and since when.
Out = dict[Connection, tuple[Body, float]]


@dataclass(slots=True)
class Poured:
    """What the sender saw: what was acknowledged until the end or the first refusal, and what that said."""

    spans: int
    seconds: float
    latencies: list[float]
    traces: list[str]
    refused: str
    busy: float

    def quantile(self, share: float) -> float:
        """Milliseconds until the acknowledgement."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class Sender:
    """A process that sends, so that its CPU is not the candidate's. Ends with the block."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._child = context.Process(target=_child, args=(there,), daemon=True)
        self._child.start()
        there.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._child.join(2)
        self._child.kill()
        self._child.join()

    def pour(self, target: Target, batch: Batch, ready: Callable[[], None]) -> Poured:
        """Send it; `ready` is called when all is made and nothing is sent yet. Raises `RuntimeError`."""
        self._pipe.send((target, batch))
        self._heard(_PREPARING)
        ready()
        self._pipe.send("go")
        answer = self._heard(batch.seconds + 2 * _PATIENCE)
        assert isinstance(answer, Poured)
        return answer

    def _heard(self, patience: float) -> object:
        if not self._pipe.poll(patience):
            raise RuntimeError(f"the sender said nothing within {patience:g} s")
        try:
            return self._pipe.recv()
        except EOFError as error:
            raise RuntimeError("the sender ended without an answer") from error


def _child(pipe: multiprocessing.connection.Connection) -> None:
    with contextlib.suppress(EOFError):
        while True:
            target, batch = pipe.recv()
            wire = [
                replace(one, data=packed(one.data, grpc=target.grpc, zipped=batch.load.zipped)) for one in bodies(batch)
            ]
            pipe.send("ready")
            pipe.recv()
            pipe.send(_poured(target, batch, wire))


@functools.cache
def templates(spans: int) -> Sequence[traffic.Template]:
    """Requests of so many spans; of none: as recorded."""
    if not spans:
        return [one for name in RECORDINGS for one in traffic.recorded(SAMPLES / f"{name}.jsonl.gz")]
    return [traffic.template(spans, seed, f"orders-{seed % 4}", leaks=0.001) for seed in range(8)]


def bodies(batch: Batch) -> list[Body]:
    """Requests whose ids nobody else has; the same for the same batch."""
    made = []
    for number in range(batch.most):
        turn, place = divmod(number, len(batch.templates))
        one = batch.templates[place]
        # One change for a whole turn of a recording: a trace that came in several requests stays together.
        dice = np.random.default_rng([batch.seed, number if batch.load.spans else turn])
        data = one.fresh(dice, batch.end - one.early)
        made.append(Body(data, one.spans, data[one.trace_ids[0] : one.trace_ids[0] + 16].hex()))
    return made


def _poured(target: Target, batch: Batch, wire: list[Body]) -> Poured:
    """Each connection sends, waits, sends the next: until all is sent, time is over or one is refused."""
    seen = Poured(0, 0.0, [], [], "", 0.0)
    queue, began, cpu = iter(wire), time.monotonic(), time.process_time()
    with selectors.DefaultSelector() as selector:
        out: Out = {}
        try:
            for _ in range(min(batch.load.connections, len(wire))):
                connection = target.connect(zipped=batch.load.zipped)
                _next(connection, queue, out)
                selector.register(connection.socket, _wanted(connection), connection)
            while out:
                _turn(selector, queue, out, seen, began + batch.seconds)
        except (OSError, TimeoutError) as error:
            seen.refused = seen.refused or str(error)
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    seen.seconds = time.monotonic() - began
    seen.busy = (time.process_time() - cpu) / seen.seconds
    return seen


def _turn(selector: selectors.BaseSelector, queue: Iterator[Body], out: Out, seen: Poured, until: float) -> None:
    events = selector.select(1.0)
    if not events and time.monotonic() - min(began for _, began in out.values()) > _PATIENCE:
        raise TimeoutError(f"no answer within {_PATIENCE:g} s")
    for key, mask in events:
        connection: Connection = key.data
        if mask & selectors.EVENT_WRITE:
            connection.push()
        answer = connection.receive() if mask & selectors.EVENT_READ else None
        if answer is not None and connection in out:
            body, began = out.pop(connection)
            now = time.monotonic()
            if answer:
                seen.refused = seen.refused or answer
            else:
                seen.spans += body.spans
                seen.latencies.append(now - began)
                seen.traces.append(body.trace)
            if not seen.refused and now < until:
                _next(connection, queue, out)
        if (wanted := _wanted(connection)) != key.events:
            selector.modify(key.fileobj, wanted, connection)


def _wanted(connection: Connection) -> int:
    return selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.waiting else 0)


def _next(connection: Connection, queue: Iterator[Body], out: Out) -> None:
    body = next(queue, None)
    if body is not None:
        out[connection] = body, time.monotonic()
        connection.start(body.data)

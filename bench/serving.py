"""A real `tracecollect serve` and a sender in a process of its own, watched from outside."""

from __future__ import annotations

import contextlib
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tracecollect.storage.remote import RunningServer, find_server

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass(frozen=True, slots=True)
class Served:
    """A running server and how long it took to be ready."""

    where: RunningServer
    process: psutil.Process
    ready_seconds: float

    def family(self) -> list[psutil.Process]:
        """The server's processes."""
        return [self.process, *self.process.children(recursive=True)]

    def cpu(self) -> float:
        """Seconds of CPU so far, over all its processes."""
        return sum(sum(one.cpu_times()[:2]) for one in self.family())

    def resident(self) -> float:
        """Resident memory in MB, pages that its processes share counted once."""
        return sum(one.memory_full_info().pss for one in self.family()) / 1e6


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Served]:
    """`tracecollect serve` on free ports with its data in `directory`; stopped with SIGTERM."""
    began = time.monotonic()
    ports = ["--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--web", "127.0.0.1:0"]
    command = ["serve", "--data-dir", str(directory), *ports]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "tracecollect", *command], stdout=log, stderr=log)
        try:
            while (where := find_server(directory)) is None:
                if process.poll() is not None or time.monotonic() - began > 60:
                    raise RuntimeError((directory / "log").read_text())
                time.sleep(0.01)
            yield Served(where, psutil.Process(process.pid), time.monotonic() - began)
        finally:
            process.terminate()
            process.wait(60)


@dataclass(frozen=True, slots=True)
class Sent:
    """What one sender saw."""

    spans: int
    seconds: float
    latencies: list[float]

    def quantile(self, share: float) -> float:
        """Milliseconds until the acknowledgement."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def median(self) -> float:
        """Milliseconds until the acknowledgement, in the middle."""
        return 1000 * statistics.median(self.latencies)


def send(
    address: str,
    *,
    requests: int,
    spans: int,
    in_flight: int = 8,
    window: float = 0,
    rate: float = 0,
    holds: float = 1,
) -> Sent:
    """Send from another process, so that its CPU is not the server's. Waits for every acknowledgement.

    `window`: seconds into the past over which the spans are spread; `rate`: spans a second, 0 is as fast as possible.
    `holds`: the share of the traces that ask the database.
    """
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(sending, address, requests, spans, in_flight, window, rate, holds))
    child.start()
    sending.close()
    try:
        return Sent(*receiving.recv())
    finally:
        child.join()


def send_http(address: str, *, requests: int, spans: int, connections: int = 8) -> Sent:
    """The same over OTLP/HTTP, one request at a time on each connection."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_send_http, args=(sending, address, requests, spans, connections))
    child.start()
    sending.close()
    try:
        return Sent(*receiving.recv())
    finally:
        child.join()


def _send_http(pipe, address: str, requests: int, spans: int, connections: int) -> None:
    import socket
    import threading

    import numpy as np

    from bench.traffic import template

    templates = [template(spans, seed, f"orders-{seed % 4}", leaks=0.001) for seed in range(min(32, requests))]
    latencies: list[float] = []
    host, _, port = address.rpartition(":")

    def work(number: int) -> None:
        dice = np.random.default_rng()
        with socket.create_connection((host, int(port))) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for turn in range(number, requests, connections):
                body = templates[turn % len(templates)].fresh(dice, time.time_ns())
                head = f"POST /v1/traces HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-protobuf\r\n"
                started = time.monotonic()
                connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
                answer = connection.recv(65536)
                latencies.append(time.monotonic() - started)
                assert answer.startswith(b"HTTP/1.1 200 "), answer

    threads = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    began = time.monotonic()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(latencies) == requests
    pipe.send((requests * spans, time.monotonic() - began, latencies))


def _send(
    pipe, address: str, requests: int, spans: int, in_flight: int, window: float, rate: float, holds: float
) -> None:
    import threading

    import grpc
    import numpy as np

    from bench.traffic import SECOND, template

    templates = [
        template(spans, seed, f"orders-{seed % 4}", leaks=0.001, holds=holds) for seed in range(min(32, requests))
    ]
    dice = np.random.default_rng()
    latencies: list[float] = []
    free = threading.Semaphore(in_flight)
    with grpc.insecure_channel(address) as channel:
        export = channel.unary_unary(EXPORT)
        export(templates[0].fresh(dice, time.time_ns()), timeout=60)
        began = time.monotonic()
        now = time.time_ns()
        for number in range(requests):
            back = window * SECOND * (1 - (number + 1) / requests)
            body = templates[number % len(templates)].fresh(dice, int((now if window else time.time_ns()) - back))
            if rate:
                time.sleep(max(0, began + number * spans / rate - time.monotonic()))
            free.acquire()
            started = time.monotonic()
            call = export.future(body, timeout=60)

            def done(call, started=started) -> None:
                latencies.append(time.monotonic() - started)
                free.release()
                call.result()

            call.add_done_callback(done)
        for _ in range(in_flight):
            free.acquire()
        seconds = time.monotonic() - began
    assert len(latencies) == requests
    pipe.send((requests * spans, seconds, latencies))

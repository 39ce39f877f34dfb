"""More than the store can take, for as long as asked: does memory stay flat, and is what does not fit refused?"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import selectors
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from bench import traffic
from bench.wire import Grpc, packed

_SPANS, _CONNECTIONS, _AGAIN_SECONDS = 512, 16, 0.2


@dataclass(frozen=True, slots=True)
class Pressed:
    """What the sender saw."""

    seconds: float
    acknowledged: int
    refused: int


@contextmanager
def pressing(address: str, rate: float, seconds: float) -> Iterator[multiprocessing.connection.Connection]:
    """Send `rate` spans a second from another process; the pipe says a `Pressed` at the end."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_press, args=(there, address, rate, seconds), daemon=True)
    child.start()
    there.close()
    try:
        yield here
    finally:
        child.join(5)
        child.kill()


def _press(pipe: multiprocessing.connection.Connection, address: str, rate: float, seconds: float) -> None:
    templates = [traffic.template(_SPANS, seed, f"orders-{seed % 4}", leaks=0.001) for seed in range(8)]
    dice, began = np.random.default_rng(), time.monotonic()
    sent = acknowledged = refused = 0
    idle: list[tuple[float, Grpc]] = [(0.0, Grpc(address, packed=False)) for _ in range(_CONNECTIONS)]
    with selectors.DefaultSelector() as selector:
        for _, one in idle:
            selector.register(one.socket, selectors.EVENT_READ, one)
        while (now := time.monotonic()) < began + seconds:
            ready = [one for one in idle if one[0] <= now]
            while ready and sent * _SPANS < rate * (now - began):
                one = ready.pop()
                idle.remove(one)
                body = templates[sent % len(templates)].fresh(dice, time.time_ns())
                one[1].start(packed(body, grpc=True, zipped=False))
                sent += 1
            for key, _ in selector.select(0.002):
                connection: Grpc = key.data
                answer = connection.receive()
                connection.push()
                if answer is not None:
                    acknowledged += not answer
                    refused += bool(answer)
                    idle.append((now + _AGAIN_SECONDS if answer else 0.0, connection))
    pipe.send(Pressed(time.monotonic() - began, acknowledged * _SPANS, refused * _SPANS))

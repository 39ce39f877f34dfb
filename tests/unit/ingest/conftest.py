"""A receiver of gRPC on a free port, and a peer that speaks HTTP/2 to it frame by frame."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from http2_peer import Peer, Served


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.close()


@pytest.fixture
def peer(served: Served) -> Iterator[Peer]:
    with Peer(served.port) as made:
        yield made

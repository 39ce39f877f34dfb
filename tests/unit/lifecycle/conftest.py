"""A real store for the worlds of a file, emptied after each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from builders.store import Bench, bench


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("worlds")) as one:
        yield one


@pytest.fixture
def ask(store: Bench) -> Iterator[Bench]:
    yield store
    store.empty()

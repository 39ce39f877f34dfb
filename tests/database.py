"""A real PostgreSQL for a test, in a directory that its own user can reach: pytest's are closed to it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tracecollect.demo.postgres import postgres


@contextmanager
def served() -> Iterator[str]:
    """Its address; stopped and removed afterwards."""
    with TemporaryDirectory(prefix="tracecollect-test-", ignore_cleanup_errors=True) as directory:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of platformdirs, where there is no runtime directory
            server = postgres(Path(directory))
            address = server.__enter__()
        try:
            yield address
        finally:
            server.__exit__(None, None, None)

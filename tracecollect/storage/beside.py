"""Questions that are asked at once: each waits for the engine most of its time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Beside(ThreadPoolExecutor):
    """Asks on threads of its own for the reader who asks: when that one goes, these questions end as well."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The answer to come."""
        context = copy_context()
        return super().submit(lambda: context.run(fn, *args, **kwargs))

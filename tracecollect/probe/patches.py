"""Wrapping what drivers offer, so that it can be undone and never raises anything of ours."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED

if TYPE_CHECKING:
    from tracecollect.probe.holds import Holds

Wrapped = Callable[..., Any]
_ABSENT = object()


class Patches:
    """What was replaced, newest last."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, object]] = []
        self._undo: list[Callable[[], None]] = []

    def replace(self, owner: Any, name: str, value: object) -> None:
        """Put a value in the place of an attribute, the inherited one included."""
        before = vars(owner).get(name, _ABSENT)
        self._done.append((owner, name, before))
        setattr(owner, name, value)

    def wrap(self, owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
        """Call `wrapper(original, *arguments, **named)` in the place of a function, method or class method."""
        raw = inspect.getattr_static(owner, name)
        if isinstance(raw, classmethod):
            original = raw.__func__
            self.replace(owner, name, classmethod(_around(original, wrapper)))
        elif isinstance(raw, staticmethod):
            self.replace(owner, name, staticmethod(_around(raw.__func__, wrapper)))
        else:
            self.replace(owner, name, _around(getattr(owner, name), wrapper))

    def before(self, owner: Any, name: str, first: Callable[..., object]) -> None:
        """Call `first` with the same arguments before a method: one call less than `wrap`."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def called(*given: Any, **named: Any) -> Any:
            first(*given, **named)
            return original(*given, **named)

        @functools.wraps(original)
        async def awaited(*given: Any, **named: Any) -> Any:
            first(*given, **named)
            return await original(*given, **named)

        self.replace(owner, name, awaited if inspect.iscoroutinefunction(original) else called)

    def on_undo(self, undo: Callable[[], None]) -> None:
        """Something else to take back."""
        self._undo.append(undo)

    def undo(self) -> None:
        """Everything as it came, newest first."""
        for owner, name, before in reversed(self._done):
            if before is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
        for undo in reversed(self._undo):
            undo()
        self._done.clear()
        self._undo.clear()


def followed(factory: Any, holds: Holds, *uses: str) -> Any:
    """A subclass of a connection class that says when it is closed, and used by one of these methods.

    What is no class stays what it is.
    """
    if not isinstance(factory, type):
        return factory
    made = _FOLLOWED.get(factory)
    if made is None:
        made = _FOLLOWED[factory] = _subclass(factory, uses)
    made.followed_by = holds
    return made


def _subclass(factory: type, uses: Iterable[str]) -> Any:
    def close(self: Any) -> None:
        super(made, self).close()
        made.followed_by.released(self, CLOSED)

    def using(name: str) -> Wrapped:
        original = getattr(factory, name)

        @functools.wraps(original)
        def called(self: Any, *given: Any, **named: Any) -> Any:
            made.followed_by.used(self)
            return original(self, *given, **named)

        return called

    told = {
        **{name: using(name) for name in uses},
        "close": close,
        "__module__": factory.__module__,
        "__qualname__": factory.__qualname__,
        "__doc__": factory.__doc__,
    }
    made: Any = type(factory.__name__, (factory,), told)
    return made


_FOLLOWED: dict[type, Any] = {}


def _around(original: Wrapped, wrapper: Callable[..., Any]) -> Wrapped:
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def awaited(*arguments: Any, **named: Any) -> Any:
            return await wrapper(original, *arguments, **named)

        return awaited

    @functools.wraps(original)
    def called(*arguments: Any, **named: Any) -> Any:
        return wrapper(original, *arguments, **named)

    return called

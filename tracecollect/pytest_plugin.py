"""pytest --connection-leaks: a test that takes a database connection and does not return it fails, with the line.

    pytest --connection-leaks

What a test takes is its own; what a wider fixture takes is asked for when that fixture has ended. A test that must keep
one says why: `@pytest.mark.keeps_connection(reason="…")`, or the fixture `keeps_connection("…")`, or a line in the ini
option `connection_leaks_allow`. It needs the extra `probe`, and no collector.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import gc
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tracecollect.probe import Hold, Probe

_OPTION = "--connection-leaks"
_MARK = "keeps_connection"
_INI = "connection_leaks_allow"


class ConnectionCollectedWarning(UserWarning):
    """A connection came back only because the garbage collector took it. Turn it into an error with filterwarnings.

    No `ResourceWarning`: those are not shown unless somebody asks.
    """


def pytest_addoption(parser: pytest.Parser) -> None:
    """--connection-leaks, and the list of what is allowed."""
    group = parser.getgroup("connection leaks")
    group.addoption(_OPTION, action="store_true", help="fail tests that take a database connection and keep it")
    parser.addini(
        _INI, type="linelist", help="what may stay open: `PATTERN: reason`; the pattern is of the code or of the pool"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Switch the probe on, before any test module is imported. Raises `UsageError` for an exclusion without reason."""
    config.addinivalue_line(
        "markers", f"{_MARK}(reason): the test may keep database connections; pytest {_OPTION} asks for the reason"
    )
    allowed = [_allowance(line) for line in config.getini(_INI)]
    if not config.getoption(_OPTION):
        return
    try:
        from tracecollect import probe
    except ModuleNotFoundError as error:
        raise pytest.UsageError(
            f"{_OPTION} needs the package {error.name}: pip install 'tracecollect[probe]'"
        ) from error
    config.pluginmanager.register(_Gate(probe.install(), allowed), "connection-leaks-gate")


def _allowance(line: str) -> str:
    pattern, colon, reason = line.partition(": ")
    if not colon or not reason.strip():
        raise pytest.UsageError(f"{_INI}: {line!r} has no reason; write `PATTERN: reason`")
    return pattern.strip()


@pytest.fixture
def keeps_connection(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Call it with the reason why connections of this test stay open."""

    def keep(reason: str) -> None:
        if not reason.strip():
            raise pytest.UsageError("keeps_connection needs the reason why a connection stays open")
        request.node.add_marker(pytest.mark.keeps_connection(reason=reason))

    return keep


@dataclass(slots=True)
class _Stretch:
    """What was taken while one fixture was set up: the serials between."""

    fixture: pytest.FixtureDef[Any]
    begin: int
    end: int
    ended: bool = False

    def has(self, hold: Hold) -> bool:
        """Whether it was taken then."""
        return self.begin < hold.serial < self.end


@dataclass(slots=True, eq=False)
class _Gate:
    """Asks after each test what it left open. One a process, so one for each worker of xdist."""

    probe: Probe
    allowed: list[str]
    _fixtures: list[_Stretch] = field(default_factory=list)
    _told: set[int] = field(default_factory=set)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Remember what a fixture of a wider scope takes: its test must not answer for it."""
        begin = self.probe.holds.last()
        result = yield
        if fixturedef.scope != "function":
            self._fixtures.append(_Stretch(fixturedef, begin, self.probe.holds.last()))
        return result

    @pytest.hookimpl
    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """A fixture has ended: from now on what it took is missing."""
        for one in self._fixtures:
            if one.fixture is fixturedef:
                one.ended = True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Where the test begins."""
        item.stash[_BEGAN] = self.probe.holds.last()
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """After the test and its fixtures: what is still open, and not allowed, is its fault."""
        parent = item.listchain()[-2]
        if nextitem is None or parent not in nextitem.listchain():
            # Fixtures of a wider scope end in this teardown, too, and a pool of theirs takes back what the test forgot.
            # What was registered last runs first: after all of the test's own, and before any of theirs.
            with contextlib.suppress(AssertionError, KeyError):  # never set up: then there is nobody to be before
                parent.addfinalizer(functools.partial(self._check, item))
        result = yield
        self._check(item)
        return result

    def _check(self, item: pytest.Item) -> None:
        began = item.stash[_BEGAN]
        left = self._left(began)
        if left:
            gc.collect()  # only where there is a suspicion: it is slow
            left = self._left(began)
        self._warn(item, began)
        marks = list(item.iter_markers(_MARK))
        for mark in marks:
            if not str(mark.kwargs.get("reason", "")).strip() and not mark.args:
                pytest.fail(f"@pytest.mark.{_MARK} needs a reason", pytrace=False)
        self._told.update(one.serial for one in left)
        if left and not marks:
            pytest.fail(self._said(left), pytrace=False)

    def _left(self, began: int) -> list[Hold]:
        def missing(hold: Hold) -> bool:
            if hold.serial in self._told or self._may_stay(hold):
                return False
            wider = self._wider(hold)
            return hold.serial > began if wider is None else wider.ended

        return [one for one in self.probe.holds.open() if missing(one)]

    def _wider(self, hold: Hold) -> _Stretch | None:
        """The fixture of a wider scope that took it."""
        return next((one for one in self._fixtures if one.has(hold)), None)

    def _may_stay(self, hold: Hold) -> bool:
        names = (str(hold.code), hold.pool)
        return any(fnmatch.fnmatch(name, pattern) for name in names for pattern in self.allowed)

    def _said(self, left: list[Hold]) -> str:
        lines = [f"{len(left)} database connection{'s were' if len(left) != 1 else ' was'} taken and not given back"]
        for one in left:
            what = "dropped; its pool still counts it as out" if one.lost else "still open"
            wider = self._wider(one)
            by = f", taken by fixture {wider.fixture.argname}" if wider is not None else ""
            lines.append(f"  {one.code or 'outside of the code under test'}: {one.pool}, {what}{by}")
        lines.append(f"hint: close it on every path, or say why not: @pytest.mark.{_MARK}(reason=…)")
        return "\n".join(lines)

    def _warn(self, item: pytest.Item, began: int) -> None:
        """What only the garbage collector gave back is told apart: it works today, and by luck."""
        collected = [self.probe.holds.collected.popleft() for _ in range(len(self.probe.holds.collected))]
        if any(item.iter_markers(_MARK)):
            return
        for one in collected:
            if one.serial > began and not self._may_stay(one):
                path, line = (one.code.path, one.code.line) if one.code is not None else (str(item.path), 1)
                text = f"a connection to {one.pool} was not closed: the garbage collector took it"
                warnings.warn_explicit(text, ConnectionCollectedWarning, path, line)


_BEGAN = pytest.StashKey[int]()

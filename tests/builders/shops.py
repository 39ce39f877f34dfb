"""A shop and its pool, told in the words of one library: what each borrow says, and what a leaked one leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from builders.otlp import INTERNAL, Process, Sent, Value, World
from tracecollect.lifecycle.dialects import ANY_SCOPE, shipped
from tracecollect.lifecycle.facts import PROBE

ASYNCPG = "opentelemetry.instrumentation.asyncpg"
PSYCOPG = "opentelemetry.instrumentation.psycopg"
SQLALCHEMY = "opentelemetry.instrumentation.sqlalchemy"
XSAM = "github.com/XSAM/otelsql"
MICROMETER = "org.springframework.boot"
RESET = "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;"
PLACE = {"db__system": "postgresql", "db__name": "shop", "net__peer__name": "db-1", "net__peer__port": 5432}


@dataclass(frozen=True, slots=True)
class Borrow:
    """One connection from acquired to released. `end` None: nobody gives it back."""

    owner: Sent
    start: float
    end: float | None
    statement: str
    connection: str
    hold: str
    used_until: float

    @property
    def uses(self) -> Iterable[float]:
        """When its statements begin: one at the start, and one every 20 s while it is worked with."""
        moment = self.start + 0.002
        while moment < max(self.used_until, self.start + 0.003):
            yield moment
            moment += 20


def events(process: Process, one: Borrow, scope: str = "", **place: Value) -> None:
    """Connection events: both ends, with the identity of the connection."""
    common = {"db__client__connection__pool__name": "orders-db", "db__client__connection__id": one.connection}
    common |= {"db__client__connection__hold__id": one.hold, "db__system__name": "postgresql"} | place
    code = {"code__function__name": f"shop.{one.statement}"}
    process.log("db.client.connection.acquired", one.start, of=one.owner, scope=scope, **code, **common)
    for at in one.uses:
        process.span("SELECT", at, at + 0.002, parent=one.owner, scope="driver", db__query__text=one.statement, **PLACE)
    if one.end is not None:
        reason = {"db__client__connection__release__reason": "returned"}
        process.log("db.client.connection.released", one.end, of=one.owner, scope=scope, **common, **reason)


def probed(process: Process, one: Borrow, **place: Value) -> None:
    """The events of the probe."""
    events(process, one, PROBE, **place)


def asyncpg(process: Process, one: Borrow) -> None:
    """Statements, and the reset query that gives the connection back."""
    for at in one.uses:
        process.span("SELECT", at, at + 0.002, parent=one.owner, scope=ASYNCPG, db__statement=one.statement, **PLACE)
    if one.end is not None:
        process.span("SELECT", one.end - 0.001, one.end, parent=one.owner, scope=ASYNCPG, db__statement=RESET, **PLACE)


def sqlalchemy(process: Process, one: Borrow) -> None:
    """The checkout and the statements; what comes back only the metric knows."""
    process.span("connect", one.start, one.start + 0.001, parent=one.owner, scope=SQLALCHEMY, **PLACE)
    for at in one.uses:
        process.span("SELECT", at, at + 0.002, parent=one.owner, scope=SQLALCHEMY, db__statement=one.statement, **PLACE)


def xsam(process: Process, one: Borrow) -> None:
    """database/sql by XSAM/otelsql: the rows are a span that ends when they are closed, beside the query's."""
    common = {"db__system__name": "postgresql"}
    process.span("sql.conn.reset_session", one.start, one.start + 0.001, parent=one.owner, scope=XSAM, **common)
    for at in one.uses:
        process.span(
            "sql.conn.query", at, at + 0.002, parent=one.owner, scope=XSAM, db__query__text=one.statement, **common
        )
    uses = list(one.uses)
    if one.end is not None:
        for at in uses:
            process.span("sql.rows", at + 0.001, one.end, parent=one.owner, scope=XSAM, **common)
    else:
        for at in uses[:-1]:
            process.span("sql.rows", at + 0.001, at + 0.004, parent=one.owner, scope=XSAM, **common)


def micrometer(process: Process, one: Borrow) -> None:
    """datasource-micrometer: the hold is a span, and its statements are its siblings."""
    own = {"jdbc__datasource__name": "dataSource"}
    more = {"jdbc__datasource__pool": "HikariPool-1"}
    process.span(
        "connection", one.start, one.end or one.start, parent=one.owner, scope=MICROMETER, sent=one.end is not None,
        happened=(("acquired", one.start + 0.001),), **own, **more,
    )  # fmt: skip
    for at in one.uses:
        query = {"jdbc.query[0]": one.statement, "jdbc.row-affected": 1}
        process.span("query", at, at + 0.002, parent=one.owner, scope=MICROMETER, **own, **query)


Words = Callable[[Process, Borrow], None]
WORDS: dict[str, Words] = {"events": events, "asyncpg": asyncpg, "xsam": xsam, "micrometer": micrometer}
_SCOPES = {"events": ANY_SCOPE, "asyncpg": ASYNCPG, "xsam": XSAM, "micrometer": MICROMETER}
NAMING = [name for name, scope in _SCOPES.items() if any(scope in one.scopes for one in shipped())]
"""The libraries here that some dialect reads and in which a leak can be named."""


@dataclass
class Shop:
    """A service with one pool. Connections are given out last in, first out, as pools do."""

    words: Words
    process: Process
    leaked: set[str] = field(default_factory=set)
    open: list[tuple[float, float | None]] = field(default_factory=list)
    _free: list[tuple[float, str]] = field(default_factory=list)
    _made: int = 0
    _holds: int = 0

    def request(
        self,
        at: float,
        *,
        path: str = "GET /orders/{id}",
        statement: str = "SELECT * FROM orders",
        hold: float = 0.01,
        lasts: float = 0.02,
        leak: bool = False,
        used_until: float = 0.0,
        owner_sent: bool = True,
    ) -> Sent:
        """One request that borrows a connection for `hold` seconds, and forgets it where it leaks.

        The request lasts `lasts` seconds; a longer hold outlives it. Not `owner_sent`: its own span never comes.
        """
        owner = self.process.entry(path, at, at + lasts, sent=owner_sent)
        self.borrow(owner, at + 0.001, None if leak else at + 0.001 + hold, statement, used_until)
        if leak:
            self.leaked.add(owner.trace_id)
        return owner

    def borrow(self, owner: Sent, start: float, end: float | None, statement: str, used_until: float = 0.0) -> None:
        """One connection, for somebody who is there already."""
        connection = self._taken(start, end)
        self._holds += 1
        # As emitters do: workers that were forked may share an instance id.
        process = dict(self.process.resource).get("process.pid", "")
        hold, connection = f"{process}-{self._holds}", f"{process}-{connection}"
        self.open.append((start, end))
        self.words(self.process, Borrow(owner, start, end, statement, connection, hold, used_until))

    def traffic(
        self, begin: float, end: float, *, every: float = 0.5, leaks: Iterable[int] = (), **more: object
    ) -> None:
        """Requests one after the other; those with these numbers forget their connection."""
        wanted = set(leaks)
        for number in range(round((end - begin) / every)):
            self.request(begin + number * every, leak=number in wanted, **more)

    def used(self, moment: float) -> int:
        """How many connections are out."""
        return sum(1 for start, stop in self.open if start <= moment and (stop is None or moment < stop))

    def metric(
        self,
        begin: float,
        end: float,
        *,
        every: float = 5.0,
        scope: str = SQLALCHEMY,
        since: float = 0.0,
        pool: str = "orders-db",
    ) -> None:
        """What the pool says is out, as its library's metric has it."""
        moment = begin
        while moment <= end:
            about = {"state": "used", "pool__name": pool}
            self.process.level(
                "db.client.connections.usage", self.used(moment), moment, scope=scope, since=since, **about
            )
            moment += every

    def _taken(self, start: float, end: float | None) -> str:
        free = sorted(one for one in self._free if one[0] <= start)
        if free:
            self._free.remove(free[-1])
            connection = free[-1][1]
        else:
            self._made += 1
            connection = f"c{self._made}"
        if end is not None:
            self._free.append((end, connection))
        return connection


def shop(
    world: World, words: str | Words, instance: str = "orders-1", service: str = "orders", **resource: str | int
) -> Shop:
    """A shop of a world, in the words of a library."""
    return Shop(WORDS[words] if isinstance(words, str) else words, world.process(service, instance, **resource))


def background(process: Process, begin: float, end: float, *, every: float = 2.0) -> None:
    """A process that goes on being heard of, and by whose spans the loss of telemetry can be measured."""
    moment = begin
    while moment < end:
        root = process.entry("GET /healthz", moment, moment + 0.01)
        process.span("check", moment + 0.001, moment + 0.009, parent=root, kind=INTERNAL, scope="app")
        moment += every

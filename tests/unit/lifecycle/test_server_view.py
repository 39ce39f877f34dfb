"""What PostgreSQL sees of its sessions, by the Collector's receiver: a witness beside what a client says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fixtures.libraries import ruby_pg
from fixtures.process import END, FORGETS, REQUESTS, T0, Process, Request, forgotten, moment, shop

from tracecollect.model import SECOND, Instant, LeakQuery, Window
from tracecollect.ports import Batch
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.local import LocalAnswers
from tracecollect.wire.decode import decode

ALL = Window(Instant(T0), Instant(END))
SCOPE = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/postgresqlreceiver"


def sample(server: Process, at: float, request: Request, state: str, *, traced: bool = False) -> None:
    """One session as the receiver tells it: the client wrote its traceparent into application_name."""
    said = {
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "postgresql.pid": 5000 + request.number,
        "postgresql.state": state,
        "postgresql.application_name": f"00-{request.trace.hex()}-{request.root.hex()}-01",
        "network.peer.address": "10.0.0.7",
        "network.peer.port": 40000 + request.number,
    }
    record = server.log(SCOPE, "", at, said, request=request if traced else None)
    record.event_name = "db.server.query_sample"


def server(*, traced: bool) -> Process:
    """Every ten seconds: who is idle in a transaction, and once, who was merely idle after a query."""
    process = Process("unknown_service:postgresql", "db-1")
    requests = [Request(number, number * 0.3, number % FORGETS == 0) for number in range(REQUESTS)]
    for at in range(10, 90, 10):
        for request in requests:
            if request.forgets and request.at < at:
                sample(process, at, request, "idle in transaction", traced=traced)
            elif at - 10 <= request.at < at:
                sample(process, at, request, "idle", traced=traced)
    return process


@contextmanager
def stored(directory: Path, *processes: Process) -> Iterator[ClickHouseStore]:
    store = ClickHouseStore(f"chdb://{directory}/store", retention=20 * 365 * 86400)
    try:
        for number, process in enumerate(processes):
            for telemetry, message in process.sent():
                tables = decode(telemetry, [message.SerializeToString()], [END])
                store.write(Batch(f"{number}-{telemetry}", tables))
        yield store
    finally:
        store.close()


@pytest.mark.parametrize("traced", [False, True], ids=["by application_name", "by the trace of the sample"])
def test_the_requests_that_left_a_session_idle_in_a_transaction_are_told(tmp_path, traced):
    everybody = [Request(number).trace.hex() for number in range(REQUESTS)]
    with stored(tmp_path, server(traced=traced)) as store:
        found = store.sessions(everybody, ALL)
    assert {one.trace_id for one in found} == forgotten("shop")
    assert {one.last_at for one in found} == {moment(80)}
    assert {one.connection_id for one in found} == {str(5000 + number) for number in range(0, REQUESTS, FORGETS)}


def test_a_session_that_was_used_again_is_told_no_more(tmp_path):
    process, first, second = Process("unknown_service:postgresql", "db-1"), Request(0), Request(1)
    sample(process, 10, first, "idle in transaction")
    later = {"postgresql.pid": 5000, "postgresql.state": "active"}
    later["postgresql.application_name"] = f"00-{second.trace.hex()}-{second.root.hex()}-01"
    process.log(SCOPE, "", 20, later).event_name = "db.server.query_sample"
    with stored(tmp_path, process) as store:
        assert not store.sessions([first.trace.hex(), second.trace.hex()], ALL)


def test_a_witness_has_no_pool_of_its_own(tmp_path):
    with stored(tmp_path, shop(ruby_pg, leaks=True), server(traced=False)) as store:
        report = LocalAnswers(store, grace=5 * SECOND).leaks(LeakQuery(as_of=Instant(END), grace=5 * SECOND))
    assert {one.service for one in report.coverage} == {"shop"}

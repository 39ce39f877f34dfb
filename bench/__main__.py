"""Measures a real server from outside and compares with what is promised. `make bench` runs all of it.

    python -m bench [PART …] [--spans 5000000] [--rounds 2] [--seconds 30] [--json FILE]

start      time until ready, resident memory when idle, time to stop
ingest     CPU per span over all processes (gRPC in, durable, in the store), spans a second, time to acknowledge
questions  a trace by id while spans arrive, and `leaks`, over --spans spans; bytes a span on disk
page       what its views ask, over --spans spans with a thousand findings and long traces beside them
judging    `leaks` over --spans spans of which one in a hundred is of a hold
overload   twice what is stored in the same time, for --seconds: what is refused, and memory
probe      what a hold costs a Python service with the probe in it, and a pooled query on a real PostgreSQL
steps      CPU of each step between the wire and the store, in one process
peers      beside other collectors that are found on PATH, in turns, --rounds of them
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from bench.serving import Sent, Served, send, send_http, serving


@dataclass(frozen=True, slots=True)
class Measured:
    """One number, and what was promised of it (`at most`); None: nothing was."""

    name: str
    value: float
    unit: str
    at_most: float | None = None

    def line(self) -> str:
        """For a person."""
        promise = (
            "" if self.at_most is None else f"{'ok' if self.value <= self.at_most else 'MISSED'}, ≤ {self.at_most:g}"
        )
        return f"  {self.name:62} {self.value:12,.2f} {self.unit:10} {promise}"


def start(_: argparse.Namespace) -> list[Measured]:
    """Ready, idle, stopped."""
    with tempfile.TemporaryDirectory() as directory:
        began = 0.0
        with serving(Path(directory)) as served:
            time.sleep(15)
            cpu = served.cpu()
            time.sleep(10)
            found = [
                Measured("ready after", served.ready_seconds, "s", 3),
                Measured("resident when idle", served.resident(), "MB", 450),
                Measured("CPU when idle", 100 * (served.cpu() - cpu) / 10, "% of one"),
            ]
            began = time.monotonic()
        return [*found, Measured("stopped after", time.monotonic() - began, "s", 10)]


def ingest(_: argparse.Namespace) -> list[Measured]:
    """Requests of one span, and of 512. The small ones first: what a store does later with millions is not theirs."""
    with tempfile.TemporaryDirectory() as directory, serving(Path(directory)) as served:
        where = served.where
        found = [
            *_lone(served, "gRPC", lambda requests: send(where.otlp_grpc, requests=requests, spans=1)),
            *_lone(served, "HTTP", lambda requests: send_http(where.otlp_http, requests=requests, spans=1)),
        ]
        _stored_after(served, lambda: send(where.otlp_grpc, requests=100, spans=512))
        cpu = served.cpu()
        sent, seconds = _stored_after(served, lambda: send(where.otlp_grpc, requests=2000, spans=512))
        return [
            *found,
            Measured("512-span requests: CPU a span, all processes", (served.cpu() - cpu) / sent.spans * 1e6, "µs", 18),
            Measured("512-span requests: sent and stored", sent.spans / seconds, "spans/s"),
            Measured("512-span requests: acknowledged, half within", sent.median(), "ms"),
            Measured("512-span requests: acknowledged, 99 % within", sent.quantile(0.99), "ms"),
            Measured("resident after the load", served.resident(), "MB"),
        ]


def _lone(served: Served, over: str, work: Callable[[int], Sent]) -> list[Measured]:
    _stored_after(served, lambda: work(500))
    cpu = served.cpu()
    sent, _ = _stored_after(served, lambda: work(8000))
    return [
        Measured(f"1-span requests over {over}: CPU a request", (served.cpu() - cpu) / sent.spans * 1e3, "ms", 0.25),
        Measured(f"1-span requests over {over}", sent.spans / sent.seconds, "requests/s"),
        Measured(f"1-span requests over {over}: acknowledged, 99 % within", sent.quantile(0.99), "ms"),
    ]


def _stored_after(served: Served, work: Callable[[], Sent]) -> tuple[Sent, float]:
    """What was sent, and seconds from its beginning until all of it was in the store."""
    before = _metric(served, "tracecollect_spans_accepted_total")
    sent = work()
    while _metric(served, "tracecollect_spans_accepted_total") < before + sent.spans:
        time.sleep(0.02)
    ended = time.monotonic()
    while _metric(served, "tracecollect_journal_requests"):
        time.sleep(0.02)
    return sent, sent.seconds + time.monotonic() - ended


def _metric(served: Served, name: str) -> float:
    text = httpx.get(f"{served.where.web}/metrics", trust_env=False).text
    return sum(
        float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))
    )


def questions(options: argparse.Namespace) -> list[Measured]:
    """A trace by id and `leaks` over a large store while spans arrive."""
    with tempfile.TemporaryDirectory() as directory, serving(Path(directory)) as served:
        requests = options.spans // 512
        _stored_after(served, lambda: send(served.where.otlp_grpc, requests=requests, spans=512, window=3600))
        size = _metric(served, "tracecollect_spans_stored_total")
        ids = _some_traces(served, 200)
        load = threading.Thread(
            target=lambda: send(served.where.otlp_grpc, requests=1200, spans=512, rate=20_000), name="load"
        )
        load.start()
        time.sleep(2)
        traces = _asked(served, [f"traces/{one}" for one in ids])
        leaks = _asked(served, ["leaks"] * 5)
        searches = _asked(served, ["search?service=orders&min_duration=30ms"] * 5)
        load.join()
        found = [
            Measured("spans in the store", size, "spans"),
            Measured("trace by id while spans arrive, half within", 1000 * statistics.median(traces), "ms", 50),
            Measured("trace by id while spans arrive, 99 % within", 1000 * _quantile(traces, 0.99), "ms", 70),
            Measured("leaks while spans arrive, worst", max(leaks), "s"),
            Measured("search while spans arrive, worst", max(searches), "s"),
        ]
        time.sleep(12)
        found.append(Measured("leaks, nothing arriving, worst", max(_asked(served, ["leaks"] * 3)), "s", 2))
        stored = _metric(served, "tracecollect_store_bytes")
        found.append(Measured("on disk a span", stored / _metric(served, "tracecollect_spans_stored_total"), "bytes"))
        return [*found, Measured("resident after the questions", served.resident(), "MB")]


def _some_traces(served: Served, number: int) -> list[str]:
    answer = httpx.get(
        f"{served.where.web}/api/v1/search", params={"service": "orders", "limit": str(number), "since": "2h"},
        timeout=60, trust_env=False,
    )  # fmt: skip
    return [one["trace_id"] for one in answer.raise_for_status().json()["traces"]]


def _asked(served: Served, paths: list[str]) -> list[float]:
    times = []
    with httpx.Client(base_url=f"{served.where.web}/api/v1/", timeout=60, trust_env=False) as client:
        for path in paths:
            began = time.monotonic()
            client.get(path).raise_for_status()
            times.append(time.monotonic() - began)
    return times


def _half(served: Served, paths: list[str]) -> float:
    return statistics.median(_asked(served, paths))


def page(options: argparse.Namespace) -> list[Measured]:
    """Home, a finding, the beginning of long traces."""
    from bench.page import FINDINGS, findings, send_leaks, send_long

    with tempfile.TemporaryDirectory() as directory, serving(Path(directory)) as served:
        _stored_after(
            served, lambda: send(served.where.otlp_grpc, requests=options.spans // 512, spans=512, window=3600)
        )
        send_leaks(served)
        long = {spans: send_long(served, spans) for spans in (10_000, 1_000_000)}
        some = findings(served, FINDINGS, 300)[:: FINDINGS // 20]
        return [
            Measured("spans in the store", _metric(served, "tracecollect_spans_stored_total"), "spans"),
            Measured(f"home with {FINDINGS} findings", 1000 * _half(served, ["overview?fresh=false"] * 20), "ms", 200),
            Measured("finding", 1000 * _half(served, [f"findings/{one}?fresh=false" for one in some]), "ms", 500),
            Measured(
                "finding, its lanes",
                1000 * _half(served, [f"diagrams/lifecycle/{one}?fresh=false" for one in some]),
                "ms",
                500,
            ),
            *(
                Measured(
                    f"first lanes of {spans} spans",
                    _half(served, [f"traces/{name}/lanes"] * 3),
                    "s",
                    promise,
                )
                for (spans, name), promise in zip(long.items(), (1, None), strict=True)
            ),
            Measured("resident after the questions", served.resident(), "MB"),
        ]


def judging(options: argparse.Namespace) -> list[Measured]:
    """`leaks` where one span in a hundred is of a hold: what it costs follows the holds."""
    with tempfile.TemporaryDirectory() as directory, serving(Path(directory)) as served:
        requests = options.spans // 512
        _stored_after(
            served, lambda: send(served.where.otlp_grpc, requests=requests, spans=512, window=3600, holds=0.06)
        )
        time.sleep(40)
        return [
            Measured("spans in the store", _metric(served, "tracecollect_spans_stored_total"), "spans"),
            Measured("leaks with a hundredth of holds, worst", max(_asked(served, ["leaks"] * 3)), "s", 3),
            Measured("resident after it, all processes", served.resident(), "MB", 1000),
        ]


def overload(options: argparse.Namespace) -> list[Measured]:
    """Twice what is stored in the same time, for --seconds: what does not fit waits, memory stays flat."""
    from bench.overload import pressing

    with tempfile.TemporaryDirectory() as directory, serving(Path(directory)) as served:
        where = served.where.otlp_grpc
        _stored_after(served, lambda: send(where, requests=200, spans=512))
        sent, took = _stored_after(served, lambda: send(where, requests=2000, spans=512))
        resident: list[float] = []
        with pressing(where, 2 * sent.spans / took, options.seconds) as pipe:
            while not pipe.poll(2.0):
                resident.append(served.resident())
            pressed = pipe.recv()
        waiting = _metric(served, "tracecollect_journal_bytes") / 1e6
        third = max(1, len(resident) // 3)
        return [
            Measured("stored when it keeps up", sent.spans / took, "spans/s"),
            Measured(f"acknowledged over {pressed.seconds:.0f} s at twice that", pressed.acknowledged, "spans"),
            Measured("told to come again", pressed.refused, "spans"),
            Measured("waiting in the journal at the end", waiting, "MB"),
            Measured("resident at most, first third", max(resident[:third]), "MB", 1200),
            Measured("resident at most, last third", max(resident[-third:]), "MB", 1200),
        ]


def steps(_: argparse.Namespace) -> list[Measured]:
    """The steps of the way in, printed by their own module."""
    subprocess.run([sys.executable, "-m", "bench.steps", "--store"], check=True)
    return []


def probe(_: argparse.Namespace) -> list[Measured]:
    """What the probe costs where it runs."""
    from bench.probe import hold_microseconds, query_milliseconds

    taken, sent = hold_microseconds()
    found = [
        Measured("a hold, on the borrower's thread", taken, "µs", 20),
        Measured("sending its two events, on the probe's thread", sent, "µs"),
    ]
    for load, pause in (("200 a second", 0.005), ("one after the other", 0.0)):
        times = query_milliseconds(pause)
        for share, words in ((0.5, "half within"), (0.99, "99 % within")):
            for probed in ("without", "with"):
                name = f"a pooled query {probed} the probe, {load}, {words}"
                found.append(Measured(name, _quantile(times[probed], share), "ms"))
    return found


def peers(options: argparse.Namespace) -> list[Measured]:
    """Ours beside others, as tables; and what is compared first as numbers."""
    from bench.peering import Plan, candidates, compare, tables, totals

    plan = Plan()
    turns = compare(candidates(), options.rounds, plan)
    print(f"\n{tables(turns, plan)}", flush=True)
    return [Measured(name, value, unit) for name, value, unit in totals(turns)]


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


PARTS = {
    "start": start,
    "ingest": ingest,
    "questions": questions,
    "page": page,
    "judging": judging,
    "probe": probe,
    "overload": overload,
    "steps": steps,
    "peers": peers,
}


def main() -> int:
    """Run what was asked for; status 1 when something promised was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="which parts (all)")
    parser.add_argument("--spans", type=int, default=5_000_000, help="how many spans `questions` stores first")
    parser.add_argument("--seconds", type=float, default=30, help="for how long `overload` sends")
    parser.add_argument("--rounds", type=int, default=2, help="how many turns everybody has in `peers`")
    parser.add_argument("--json", type=Path, help="write the numbers to a file, too")
    options = parser.parse_args()
    found: list[Measured] = []
    for name in options.parts or list(PARTS):
        print(name, flush=True)
        for one in PARTS[name](options):
            print(one.line(), flush=True)
            found.append(one)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    return int(any(one.at_most is not None and one.value > one.at_most for one in found))


if __name__ == "__main__":
    # Told to end, it stops what it started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())

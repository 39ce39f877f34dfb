"""One process of the demo: serve, postgres, orders, gateway or load.

With `--with-parent` it ends when its parent does: the parent holds the other end of standard input. When that closes,
because the parent stopped or was killed, this process gets SIGTERM and stops in order. Containers run it without.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> int:
    """Run one part of the demo until it is told to stop."""
    if arguments[:1] == ["--with-parent"]:
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
        arguments = arguments[1:]
    if arguments[:1] == ["serve"]:
        from tracecollect.cli import main as command

        sys.argv = ["tracecollect", *arguments]
        command()
    return _part(parser().parse_args(arguments))


def parser() -> argparse.ArgumentParser:
    """What every part but `serve` takes; in containers most of it comes from the environment."""
    whole = argparse.ArgumentParser(prog="python -m tracecollect.demo.child")
    parts = whole.add_subparsers(dest="part", required=True)
    database = parts.add_parser("postgres", help="a PostgreSQL in a directory")
    database.add_argument("--directory", type=Path, required=True)
    dsn = os.environ.get("TRACECOLLECT_DEMO_DSN")
    orders = parts.add_parser("orders", help="the orders service")
    orders.add_argument("--dsn", default=dsn, required=dsn is None)
    orders.add_argument("--pool-size", type=int, default=60)
    orders.add_argument("--probe", action="store_true", help="with tracecollect.probe, as a service would install it")
    gateway = parts.add_parser("gateway", help="the gateway")
    gateway.add_argument("--orders", default=os.environ.get("TRACECOLLECT_DEMO_ORDERS", "http://127.0.0.1:8002"))
    load = parts.add_parser("load", help="customers of the gateway")
    load.add_argument("--gateway", default=os.environ.get("TRACECOLLECT_DEMO_GATEWAY", "http://127.0.0.1:8001"))
    load.add_argument("--seconds", type=float, default=3600)
    load.add_argument("--rate", type=float, default=5)
    for service, port in ((orders, 8002), (gateway, 8001)):
        service.add_argument("--host", default="127.0.0.1")
        service.add_argument("--port", type=int, default=port)
        service.add_argument("--otlp", default=os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317"))
    return whole


def _part(options: argparse.Namespace) -> int:
    if options.part == "postgres":
        return _postgres(options.directory)
    if options.part == "load":
        return _load(options)
    return _service(options)


def _postgres(directory: Path) -> int:
    from tracecollect.demo.postgres import postgres

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with postgres(directory) as dsn:
        sys.stdout.write(f"{dsn}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def _load(options: argparse.Namespace) -> int:
    import asyncio

    from tracecollect.demo import load

    _leave_on_sigterm()
    asyncio.run(load.run(options.gateway, seconds=options.seconds, rate=options.rate, tell=lambda _: None))
    return 0


def _service(options: argparse.Namespace) -> int:
    import uvicorn
    from opentelemetry.instrumentation.starlette import StarletteInstrumentor

    from tracecollect.demo.telemetry import Telemetry

    _leave_on_sigterm()
    telemetry = Telemetry(options.part, options.otlp)
    if options.part == "orders":
        from tracecollect.demo import orders

        if options.probe:
            from tracecollect import probe

            probe.install(own=["tracecollect.demo"])
        app = orders.build(options.dsn, options.pool_size)
    else:
        from tracecollect.demo import gateway

        app = gateway.build(options.orders)
    StarletteInstrumentor.instrument_app(app)
    try:
        uvicorn.run(app, host=options.host, port=options.port, log_level="warning", timeout_graceful_shutdown=1)
    finally:
        telemetry.close()
    return 0


def _leave_on_sigterm() -> None:
    """Leave through every `finally`: uvicorn ends by raising its signal again, and the last spans would be lost."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def _end_with_parent() -> None:
    # Not through sys.stdin: a process that ends on its own could not close what this thread reads from.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

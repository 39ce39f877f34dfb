"""`tracecollect serve`: receive, keep, judge, answer, until a signal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracecollect.cli.common import note

if TYPE_CHECKING:
    from tracecollect.app import Server


@click.command("serve")
@click.option("--data-dir", metavar="DIR", help="Where the journal and the store live.")
@click.option("--store", metavar="URL", help="chdb:///DIR or clickhouse://… (default: chDB in the data directory).")
@click.option("--otlp-grpc", metavar="HOST:PORT", help="Where OTLP over gRPC is received (default 127.0.0.1:4317).")
@click.option("--otlp-http", metavar="HOST:PORT", help="Where OTLP over HTTP is received (default 127.0.0.1:4318).")
@click.option("--web", metavar="HOST:PORT", help="Where answers are given over HTTP (default 127.0.0.1:16686).")
@click.option("--retention", metavar="DURATION", help="How long telemetry is kept (default 7d).")
@click.option("--grace", metavar="DURATION", help="How long a connection may still come back (default 120s).")
@click.option("--allow-public", is_flag=True, default=None, help="Allow addresses that other machines can reach.")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error (default info).")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (TOML).")
def command(config: Path | None, **flags: str | bool | None) -> None:
    """Receive OTLP, keep it, judge it, answer.

    Stops in order on Ctrl-C or SIGTERM: what was acknowledged is stored first. A second signal leaves at once;
    the journal keeps the rest. Every option is also a key of tracecollect.toml and a TRACECOLLECT_* variable.
    """
    from tracecollect import app, settings

    app.serve(settings.load(flags, config=config), _announce)


def _announce(server: Server) -> None:
    from tracecollect.app import sending

    note(f"OTLP/gRPC   {server.otlp_grpc}")
    note(f"OTLP/HTTP   {server.otlp_http}")
    note(f"answers     {server.web.url}")
    note(f"data        {server.settings.data_dir}")
    note(f"send        {sending(server.otlp_grpc)}")
    note("ask         tracecollect leaks      (Ctrl-C stops)")

"""`tracecollect watch --pid N`: open files, threads and database sockets of a process that exports none itself."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracecollect import codec
from tracecollect.cli import common
from tracecollect.cli.procfs import DATABASES, Vitals, Watched
from tracecollect.errors import MissingExtra, ServerGone, UsageError
from tracecollect.model import SECOND

if TYPE_CHECKING:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

_EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
_SCOPE = "tracecollect.watch"
_LEAST_SECONDS = 0.1
_PATIENCE_SECONDS = 5.0
# A collector that restarts is waited for; one that never answers is told.
_MOST_REFUSALS = 24


@click.command("watch")
@click.option("--pid", type=click.IntRange(1), required=True, help="The process to watch.")
@click.option("--to", metavar="HOST:PORT", help="Where OTLP over gRPC is received (default: the setting otlp_grpc).")
@click.option("--interval", default="5s", show_default=True, metavar="DURATION", help="How often to look.")
@click.option("--service", default="", help="Its service.name (default: OTEL_SERVICE_NAME of its environment).")
@click.option("--port", "ports", type=click.IntRange(1, 65535), multiple=True, help="A database's port; repeatable.")
@click.option("--count", type=click.IntRange(1), help="Look so often, then stop (default: until the process ends).")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (TOML).")
def command(
    pid: int,
    to: str | None,
    interval: str,
    service: str,
    ports: tuple[int, ...],
    count: int | None,
    config: Path | None,
) -> None:
    """Send the open files, their limit, threads and database sockets of a process as OTLP metrics. Linux only.

    Names and resource attributes are taken from the environment of the process, so that its telemetry and what is seen
    of it belong together. Ends when the process does.
    """
    try:
        seconds = max(_LEAST_SECONDS, codec.read_duration(interval) / SECOND)
    except ValueError as error:
        raise UsageError(f"--interval: {error}", hint="write 5s or 500ms") from error
    target = to or str(common.settings_of(None, config).otlp_grpc)
    watched = Watched(pid)
    resource = _resource(watched, service)
    send = _sender(target)
    known = ports or tuple(DATABASES)
    common.note(f"watching {watched.name()} ({pid}) as {resource['service.name']}, to {target}; Ctrl-C stops")
    looks = refusals = 0
    while watched.alive() and looks != count:
        try:
            vitals = watched.look(known)
        except OSError:
            break  # it ended while we looked
        refusals = 0 if send(_request(resource, vitals)) else refusals + 1
        if refusals == 1:
            common.note(f"nobody takes it at {target}; will try again")
        if refusals >= _MOST_REFUSALS:
            raise ServerGone(
                f"{target} did not take anything {refusals} times",
                hint="start `tracecollect serve`, or say where with --to",
            )
        looks += 1
        if looks != count:
            time.sleep(seconds)
    if looks != count:
        common.note(f"process {pid} has ended")


def _resource(watched: Watched, service: str) -> Mapping[str, str]:
    """What the process calls itself; else its program, its host and its number, as an unnamed instance is known."""
    environment = watched.environment()
    pairs = (one.partition("=") for one in environment.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","))
    said = {key.strip(): value.strip() for key, _, value in pairs if key.strip() and value.strip()}
    name = service or environment.get("OTEL_SERVICE_NAME") or said.get("service.name") or watched.name()
    own = {} if "service.instance.id" in said else {"host.name": socket.gethostname(), "process.pid": str(watched.pid)}
    return own | said | {"service.name": name}


def _request(resource: Mapping[str, str], vitals: Vitals) -> ExportMetricsServiceRequest:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    for key, value in resource.items():
        group.resource.attributes.add(key=key).value.string_value = value
    scope = group.scope_metrics.add()
    scope.scope.name = _SCOPE
    at = time.time_ns()

    def gauge(name: str, value: int, **attributes: str) -> None:
        point = scope.metrics.add(name=name).gauge.data_points.add(time_unix_nano=at, as_int=value)
        for key, text in attributes.items():
            point.attributes.add(key=key.replace("_", ".")).value.string_value = text

    gauge("process.open_file_descriptor.count", vitals.files)
    if vitals.files_limit is not None:
        gauge("process.open_file_descriptor.limit", vitals.files_limit)
    gauge("process.thread.count", vitals.threads)
    for (address, port), count in sorted(vitals.sockets.items()):
        gauge("process.database_sockets", count, server_address=address, server_port=str(port))
    if not vitals.sockets:
        gauge("process.database_sockets", 0)
    return request


def _sender(target: str) -> Any:  # noqa: ANN401 -- grpc has no types here
    """A function that sends a request and says whether it was taken."""
    try:
        import grpc
        import opentelemetry.proto
    except ModuleNotFoundError as error:
        raise MissingExtra("watch", "server", (error.name or "grpc").partition(".")[0]) from error
    del opentelemetry
    channel = grpc.insecure_channel(target)
    call: Any = channel.unary_unary(_EXPORT, lambda request: request.SerializeToString(), lambda raw: raw)

    def send(request: ExportMetricsServiceRequest) -> bool:
        try:
            call(request, timeout=_PATIENCE_SECONDS)
        except grpc.RpcError:
            return False
        return True

    return send

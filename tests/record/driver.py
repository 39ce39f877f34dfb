"""One recording: database, receiver, service, load, truth; everything is stopped at the end."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx

from record import database, load
from record.clean import clean
from record.labels import labels
from record.load import Scenario
from record.service import Broken, Service
from record.tape import Tape, listening
from tracecollect.demo.ports import free_port
from tracecollect.demo.postgres import postgres

# A grace of 5 s can be judged when nothing happened for longer than that, and metrics came twice.
SETTLE = 14.0
STARTUP = 120.0
METRICS_MS = 5000
SPANS_MS = 1000


async def record(service: Service, scenario: Scenario, seconds: float, output: Path) -> str:
    """Record and write both files; the answer says what was recorded."""
    tape = Tape()
    with ExitStack() as stack:
        dsn = stack.enter_context(postgres(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "data"))
        await database.prepare(dsn)
        grpc, http = stack.enter_context(listening(tape))
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        process = stack.enter_context(service.running(environment(port, dsn, grpc, http, scenario)))
        async with httpx.AsyncClient(base_url=url, timeout=10) as client:
            await _started(client, process, service)
            truth = await _observe(client, url, scenario, seconds, grpc)
            tape.stop()
            leases = (await client.get("/_labels")).json()
        alive = await database.backends(dsn)
    told: load.Told = truth.pop("told")
    whole = {
        "library": service.library,
        "scenario": scenario.name,
        "config": {"pool_max": scenario.pool_max, "metric_export_interval_ms": METRICS_MS},
        **truth,
        "backends_alive_at_end": len(alive),
        **labels(leases, alive, told),
    }
    output.mkdir(parents=True, exist_ok=True)
    name = f"{service.name}-{scenario.name}"
    tape.write(output / f"{name}.jsonl.gz", clean)
    (output / f"{name}.labels.json").write_text(json.dumps(whole, separators=(",", ":")) + "\n")
    return _summary(name, whole)


def environment(port: int, dsn: str, grpc: str, http: str, scenario: Scenario) -> dict[str, str]:
    """What every service is told."""
    return {
        "PORT": str(port),
        "DATABASE_URL": dsn,
        "POOL_MAX": str(scenario.pool_max),
        "SCENARIO": scenario.name,
        "OTEL_SERVICE_NAME": "orders",
        "OTEL_RESOURCE_ATTRIBUTES": f"service.version=1.0.0,service.instance.id={uuid.uuid4()}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": grpc,
        "RECORD_OTLP_HTTP": http,
        "OTEL_METRIC_EXPORT_INTERVAL": str(METRICS_MS),
        "OTEL_BSP_SCHEDULE_DELAY": str(SPANS_MS),
        "OTEL_BLRP_SCHEDULE_DELAY": str(SPANS_MS),
    }


async def _started(client: httpx.AsyncClient, process: subprocess.Popen[bytes], service: Service) -> None:
    end = time.monotonic() + STARTUP
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Broken(f"{service.name} ended with {process.returncode}\nhint: its output is above")
        with suppress(httpx.HTTPError):
            if (await client.get("/healthz")).status_code == 200:
                return
        await asyncio.sleep(0.2)
    raise Broken(f"{service.name} did not answer GET /healthz in {STARTUP:.0f} s\nhint: it must listen on $PORT")


async def _observe(
    client: httpx.AsyncClient, url: str, scenario: Scenario, seconds: float, endpoint: str
) -> dict[str, Any]:
    """Send the load, wait until it has settled, and watch the pool meanwhile."""
    timeline: list[dict[str, Any]] = []
    watch = asyncio.create_task(_watch(client, timeline))
    try:
        await asyncio.sleep(2)
        began = time.time_ns()
        with load.gateway(endpoint) as tracer:
            told = await load.run(url, scenario, seconds, tracer)
        ended = time.time_ns()
        await asyncio.sleep(SETTLE)
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
    return {
        "told": told,
        "t_load_start": began,
        "t_load_end": ended,
        "t_final_observation": time.time_ns(),
        "pool_timeline": timeline,
    }


async def _watch(client: httpx.AsyncClient, timeline: list[dict[str, Any]]) -> None:
    while True:
        with suppress(httpx.HTTPError):
            pool = (await client.get("/_pool")).json()
            timeline.append({**pool, "t": time.time_ns()})
        await asyncio.sleep(1)


def _summary(name: str, whole: dict[str, Any]) -> str:
    leaks, used = whole["n_true_leaks"], whole["pool_timeline"][-1]["used"] if whole["pool_timeline"] else None
    if used is not None and used != leaks:
        print(f"warning: {name}: the pool has {used} out, the leases say {leaks}: which is true?", file=sys.stderr)
    return f"{name}: {whole['requests_total']} requests, {whole['n_leases']} leases, {leaks} leaked, pool used {used}"

"""The scenarios, and the requests that make them: a seeded stream from a traced client, the service `gateway`."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

RATE = 8.0
ORDERS = 200
_PATIENCE = 25.0
_FORGETFUL = ("peek", "export", "pay")
_MIX = {"show": 0.38, "create": 0.14, "pay": 0.24, "export": 0.12, "peek": 0.12}


@dataclass(frozen=True)
class Scenario:
    """Shares: of peek, export and pay requests that forget; of all requests that hold for seconds and give back."""

    name: str
    forget: float = 0.0
    slow: float = 0.0
    pool_max: int = 80


SCENARIOS = {
    one.name: one
    for one in (
        Scenario("healthy"),
        Scenario("leak", forget=0.2),
        Scenario("slow", slow=1 / 3),
        Scenario("exhausted", forget=0.2, pool_max=12),
        Scenario("mixed", forget=0.2, slow=1 / 3),
    )
}


@dataclass
class Told:
    """What the client saw: answers by route and status, and the requests that got no connection."""

    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, object]] = field(default_factory=list)


@contextmanager
def gateway(endpoint: str) -> Iterator[Tracer]:
    """The tracer of the client, exporting to this endpoint."""
    resource = Resource({"service.name": "gateway", "service.instance.id": "gateway-1", "service.version": "1.0.0"})
    traces = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint, insecure=True)
    traces.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    try:
        yield traces.get_tracer("gateway")
    finally:
        traces.shutdown()


async def run(url: str, scenario: Scenario, seconds: float, tracer: Tracer, seed: int = 11) -> Told:
    """Send RATE requests a second and wait for the answers."""
    chance, told = random.Random(seed), Told()
    began = asyncio.get_running_loop().time()
    limits = httpx.Limits(max_connections=200)
    async with (
        httpx.AsyncClient(base_url=url, timeout=_PATIENCE, limits=limits) as client,
        asyncio.TaskGroup() as requests,
    ):
        for number in range(round(seconds * RATE)):
            await asyncio.sleep(max(0.0, began + number / RATE - asyncio.get_running_loop().time()))
            requests.create_task(_send(client, tracer, told, *_request(chance, scenario)))
            told.sent += 1
    return told


def _request(chance: random.Random, scenario: Scenario) -> tuple[str, str, str]:
    """Method, route, and path with its query."""
    number = chance.randint(1, ORDERS)
    if chance.random() < scenario.slow:
        return "GET", "/slow", f"/slow?seconds={chance.uniform(3, 10):.1f}"
    what = chance.choices(list(_MIX), list(_MIX.values()))[0]
    query = "?forget=1" if what in _FORGETFUL and chance.random() < scenario.forget else ""
    match what:
        case "show":
            return "GET", "/orders/{id}", f"/orders/{number}"
        case "create":
            return "POST", "/orders", "/orders"
        case "pay":
            return "POST", "/orders/{id}/pay", f"/orders/{number}/pay{query}"
        case "export":
            return "GET", "/orders/export", f"/orders/export{query}"
        case _:
            return "GET", "/orders/{id}/peek", f"/orders/{number}/peek{query}"


async def _send(client: httpx.AsyncClient, tracer: Tracer, told: Told, method: str, route: str, path: str) -> None:
    with tracer.start_as_current_span(f"{method} {route}", kind=SpanKind.CLIENT) as span:
        span.set_attributes({"http.request.method": method, "url.template": route})
        headers: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(headers)
        try:
            status: int | str = (await client.request(method, path, headers=headers)).status_code
            span.set_attribute("http.response.status_code", status)
        except httpx.HTTPError as error:
            status = type(error).__name__
            span.set_attribute("error.type", status)
        if status not in (200, 201, 402):
            span.set_status(Status(StatusCode.ERROR))
        told.answers[f"{method} {route} {status}"] += 1
        if status == 503 or isinstance(status, str):
            trace_id = f"{span.get_span_context().trace_id:032x}"
            told.failures.append({"t": time.time_ns(), "route": route, "status": status, "trace_id": trace_id})

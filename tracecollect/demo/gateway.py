"""The gateway: passes every call on to the orders service, with the trace context that httpx's instrumentation adds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def build(orders: str) -> Starlette:
    """The gateway before the orders service at this URL."""
    HTTPXClientInstrumentor().instrument()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(base_url=orders, timeout=30) as client:
            app.state.orders = client
            yield

    return Starlette(
        routes=[
            Route("/api/orders", forward, methods=["POST"]),
            Route("/api/orders/report", forward),
            Route("/api/orders/{id:int}", forward),
            Route("/api/orders/{id:int}/pay", forward, methods=["POST"]),
            Route("/api/orders/{id:int}/receipt", forward),
        ],
        lifespan=lifespan,
    )


async def forward(request: Request) -> Response:
    """The same call, one service further."""
    client: httpx.AsyncClient = request.app.state.orders
    try:
        answer = await client.request(request.method, request.url.path.removeprefix("/api"))
    except httpx.HTTPError as error:
        return JSONResponse({"error": f"orders did not answer: {error!r}"}, 502)
    return Response(answer.content, answer.status_code, media_type="application/json")

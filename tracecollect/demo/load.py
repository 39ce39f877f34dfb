"""Customers: a bounded, seeded stream of calls to the gateway."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

ORDERS = 200
_MIX = (("show", 0.62), ("create", 0.14), ("pay", 0.11), ("receipt", 0.09), ("report", 0.04))
_PATIENCE = 20.0


@dataclass(slots=True)
class Load:
    """What was sent so far."""

    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    unanswered: int = 0


async def run(gateway: str, *, seconds: float, rate: float, tell: Callable[[Load], None], seed: int = 7) -> Load:
    """Send `rate` calls a second for so many seconds and wait for the answers; `tell` hears of it every second."""
    chance, load = random.Random(seed), Load()
    began = asyncio.get_running_loop().time()
    limits = httpx.Limits(max_connections=200)
    async with (
        httpx.AsyncClient(base_url=gateway, timeout=_PATIENCE, limits=limits) as client,
        asyncio.TaskGroup() as calls,
    ):
        for number in range(round(seconds * rate)):
            await asyncio.sleep(max(0.0, began + number / rate - asyncio.get_running_loop().time()))
            method, path = _call(chance)
            calls.create_task(_send(client, method, path, load))
            load.sent += 1
            if number % max(1, round(rate)) == 0:
                tell(load)
    tell(load)
    return load


def _call(chance: random.Random) -> tuple[str, str]:
    what = chance.choices([name for name, _ in _MIX], [share for _, share in _MIX])[0]
    number = chance.randint(1, ORDERS)
    match what:
        case "create":
            return "POST", "/api/orders"
        case "report":
            return "GET", "/api/orders/report"
        case "show":
            return "GET", f"/api/orders/{number}"
        case "pay":
            return "POST", f"/api/orders/{number}/pay"
        case _:
            return "GET", f"/api/orders/{number}/receipt"


async def _send(client: httpx.AsyncClient, method: str, path: str, load: Load) -> None:
    try:
        answer = await client.request(method, path)
    except httpx.HTTPError:
        load.unanswered += 1
    else:
        load.statuses[answer.status_code] += 1

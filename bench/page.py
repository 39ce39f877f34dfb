"""What the views of the page ask of the server, in its own words."""

from __future__ import annotations

import time
from collections.abc import Sequence

import grpc
import httpx
import numpy as np

from bench.serving import EXPORT, Served
from bench.traffic import long_trace, template

FINDINGS = 1000


def send_leaks(served: Served) -> None:
    """One leaked hold of each of a thousand operations."""
    body = template(5 * FINDINGS, 1, "orders-0", leaks=1, each_its_own=True).fresh(
        np.random.default_rng(), time.time_ns()
    )
    _send(served, [body])


def send_long(served: Served, spans: int) -> str:
    """One trace of so many spans; its id."""
    trace_id = spans.to_bytes(16, "big")
    _send(served, long_trace(trace_id, spans, time.time_ns()))
    return trace_id.hex()


def _send(served: Served, bodies: Sequence[bytes]) -> None:
    with grpc.insecure_channel(served.where.otlp_grpc) as channel:
        export = channel.unary_unary(EXPORT)
        for body in bodies:
            export(body, timeout=60)


def findings(served: Served, least: int, patience: float) -> list[str]:
    """The ids of the findings, once so many were judged. Raises `TimeoutError`."""
    end = time.monotonic() + patience
    with httpx.Client(base_url=f"{served.where.web}/api/v1/", timeout=120, trust_env=False) as client:
        while time.monotonic() < end:
            rows = (
                client.get("overview", params={"fresh": "false", "limit": str(least)}).raise_for_status().json()["rows"]
            )
            if len(rows) >= least:
                return [one["id"] for one in rows]
            time.sleep(2)
    raise TimeoutError(f"fewer than {least} findings were judged within {patience} s")

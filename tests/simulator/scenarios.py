"""The worlds that are scored. Those that are `held_out` are of kinds by which no threshold was ever chosen."""

from __future__ import annotations

from simulator.history import Leak, Scenario

REGULAR = Leak(path=1, on_error=False)
OFTEN = Leak(per_hour=30.0)
TUNED = (
    Scenario("events with identity, 0.01 % lost", loss=0.0001, hours=4),
    Scenario("events with identity, 0.1 % lost", loss=0.001, hours=4),
    Scenario("events with identity, 1 % lost", loss=0.01, hours=4),
    Scenario("events without identity, 0.1 % lost", identity=False, leaks=(OFTEN,)),
    Scenario("asyncpg, 0.1 % lost", "asyncpg", leaks=(OFTEN,)),
    Scenario("asyncpg, nothing lost, no stall", "asyncpg", leaks=(OFTEN,), loss=0.0, stall=False),
    Scenario("acquire only with a metric, nothing lost", "acquire-only", leaks=(OFTEN,), loss=0.0),
    Scenario("acquire only with a metric, 0.1 % lost", "acquire-only", leaks=(OFTEN,)),
    Scenario("acquire only with a metric, 1 % lost", "acquire-only", leaks=(OFTEN,), loss=0.01),
    Scenario("XSAM, 0.1 % lost", "xsam", leaks=(OFTEN,)),
    Scenario("micrometer, 0.1 % lost", "micrometer", leaks=(OFTEN,)),
    Scenario("events, leak-free, 1 % lost", leaks=(), loss=0.01),
    Scenario("events without identity, leak-free, 1 % lost", leaks=(), loss=0.01, identity=False),
    Scenario("asyncpg, leak-free, 1 % lost", "asyncpg", leaks=(), loss=0.01),
    Scenario("acquire only, leak-free, nothing lost", "acquire-only", leaks=(), loss=0.0),
    Scenario("acquire only, leak-free, 1 % lost", "acquire-only", leaks=(), loss=0.01),
    Scenario("XSAM, leak-free, 1 % lost", "xsam", leaks=(), loss=0.01),
    Scenario("micrometer, leak-free, 1 % lost", "micrometer", leaks=(), loss=0.01),
)
HELD_OUT = (
    Scenario("leaks on a regular path, 1 % lost", leaks=(REGULAR,), loss=0.01, held_out=True),
    Scenario("two operations leak, 1 % lost", leaks=(Leak(), REGULAR), loss=0.01, held_out=True),
    Scenario("leaks in bursts of four, 0.1 % lost", leaks=(Leak(per_hour=30.0, burst=4),), held_out=True),
    Scenario(
        "a deployment begins to leak, 0.1 % lost",
        leaks=(Leak(per_hour=60.0, begins=1800.0),),
        restart=False,
        held_out=True,
    ),
    Scenario("2 requests a second, 1 % lost", rate=2.0, loss=0.01, hours=2, leaks=(REGULAR,), held_out=True),
    Scenario("0.3 requests a second, 0.1 % lost", rate=0.3, hours=4, leaks=(REGULAR,), held_out=True),
    Scenario("late by 30 s and twice, 0.1 % lost", late=0.02, twice=0.05, leaks=(OFTEN,), held_out=True),
    Scenario("a clock half a second fast, 0.1 % lost", skew=0.5, leaks=(OFTEN,), held_out=True),
    Scenario(
        "asyncpg on a regular path, bursts",
        "asyncpg",
        leaks=(Leak(path=1, per_hour=30.0, on_error=False, burst=4),),
        held_out=True,
    ),
    Scenario(
        "acquire only, a deployment begins to leak",
        "acquire-only",
        leaks=(Leak(per_hour=60.0, begins=1800.0),),
        held_out=True,
    ),
    Scenario("leak-free, late and twice, 1 % lost", leaks=(), late=0.05, twice=0.05, loss=0.01, held_out=True),
    Scenario(
        "asyncpg, leak-free, 2 requests a second, 1 % lost", "asyncpg", rate=2.0, leaks=(), loss=0.01, held_out=True
    ),
)
ALL = (*TUNED, *HELD_OUT)

"""What is said of each pool beside its findings: its numbers are those of its own process."""

from __future__ import annotations

from builders.judged import END
from builders.otlp import World, instant, requests
from builders.shops import asyncpg, background, events, probed, shop

from tracecollect.model import LeakQuery

GRACE = 30.0


def told(ask, world: World) -> dict[tuple[str, str], tuple[int | None, int]]:
    """What is out and what leaked, by service and instance."""
    ask.deliver(requests(world.items))
    found = ask.answers(GRACE).pools(LeakQuery(as_of=instant(END)))
    return {(one.service, one.instance): (one.open_holds, one.leaked) for one in found}


def test_each_process_has_what_it_leaked_itself_and_another_service_nothing_of_it(ask):
    world = World()
    for service, instance, leaks in (("orders", "a", 3), ("orders", "b", 2), ("stock", "c", 0)):
        one = shop(world, events, instance, service)
        one.traffic(10, 300, leaks=range(100, 100 + leaks))
        background(one.process, 0, END)
    assert told(ask, world) == {("orders", "a"): (3, 3), ("orders", "b"): (2, 2), ("stock", "c"): (0, 0)}


def test_what_two_libraries_say_of_one_hold_is_one_hold(ask):
    def said(process, one):
        probed(process, one, server__address="db-1", server__port=5432, db__namespace="shop")
        asyncpg(process, one)

    world = World()
    one = shop(world, said)
    one.traffic(10, 300, leaks=range(100, 103))
    background(one.process, 0, END)
    assert told(ask, world)["orders", "orders-1"] == (3, 3)

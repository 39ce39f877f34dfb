"""Who kept whom waiting for a pool: where connections leaked or were held, and the operations that had none."""

from __future__ import annotations

from collections.abc import Sequence

from tracecollect.diagrams.shapes import Edge, Graph, Node, Role
from tracecollect.diagrams.words import duration, many
from tracecollect.model import SECOND, Blame, Starvation, Verdict

LIMIT = 40
"""More edges than this are a ball of wool; those with the least time are folded."""
_COUNTED = "counted, not named"


def starvation(found: Starvation, *, limit: int = LIMIT) -> Graph:
    """Holders on the left, leak sites first, starved operations on the right; an edge has its requests and their time.

    An operation that holds and waits is on both sides: what it suffers is not what it does.
    """
    kept = found.blames[:limit]
    sites = list(dict.fromkeys(_site(one) for one in sorted(kept, key=lambda one: one.verdict is None)))
    victims = list(dict.fromkeys(one.starved for one in kept))
    holders = [_holder(f"h{number}", kept, site) for number, site in enumerate(sites)]
    starved = [_starved(f"s{number}", kept, victim) for number, victim in enumerate(victims)]
    edges = tuple(
        Edge(
            f"h{sites.index(_site(one))}",
            f"s{victims.index(one.starved)}",
            _role(one.verdict),
            f"{many(one.requests, 'request')}, {_time(one.seconds)}",
            one.requests,
        )
        for one in kept
    )
    return Graph(
        title=_title(found),
        caption=_caption(found),
        nodes=(*holders, *starved),
        edges=edges,
        folded=(f"+{len(found.blames) - limit:,} more that cost less time",) if len(found.blames) > limit else (),
    )


_Site = tuple[str, str, str, Verdict | None]


def _site(one: Blame) -> _Site:
    return one.holder, one.code or one.statement, one.finding, one.verdict


def _role(verdict: Verdict | None) -> Role:
    return Role.HELD_LONG if verdict is None else Role(verdict)


def _holder(id_: str, blames: Sequence[Blame], site: _Site) -> Node:
    holder, where, finding, verdict = site
    name = holder or (_COUNTED if verdict is not None and not finding else "(unknown operation)")
    seconds = sum(one.seconds for one in blames if _site(one) == site)
    return Node(id_, name, _role(verdict), " · ".join(filter(None, [where, f"cost {_time(seconds)}"])))


def _starved(id_: str, blames: Sequence[Blame], victim: str) -> Node:
    of_it = [one for one in blames if one.starved == victim]
    waited = f"waited {_time(sum(one.seconds for one in of_it))}"
    return Node(id_, victim or "(unknown operation)", Role.WAIT, waited)


def _time(seconds: float) -> str:
    return duration(round(seconds * SECOND))


def _title(found: Starvation) -> str:
    pool = found.pool or "(unnamed)"
    if not found.blames:
        return f"Nobody is known to have kept others waiting for pool {pool}"
    leaked = sum(one.seconds for one in found.blames if one.verdict is not None)
    share = round(100 * leaked / max(1e-9, sum(one.seconds for one in found.blames)))
    whose = (
        "leaks"
        if share == 100
        else "slow holders"
        if share == 0
        else f"leaks {share} % of the time, slow holders the rest"
    )
    return f"Who kept whom waiting for pool {pool}: {whose}"


def _caption(found: Starvation) -> str:
    parts = [
        f"{many(found.waits, 'long wait')} in {found.service}" if found.service else many(found.waits, "long wait")
    ]
    if found.unexplained:
        parts.append(f"{found.unexplained:,} of them nobody's fault that is known")
    if found.omitted:
        parts.append(f"{found.omitted:,} older ones not looked at")
    return " · ".join(parts)

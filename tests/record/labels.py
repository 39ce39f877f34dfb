"""What really happened, put together from the service's own account, the client's and the database's."""

from __future__ import annotations

from typing import Any

from record.load import Told


def labels(leases: list[dict[str, Any]], alive: set[int], told: Told) -> dict[str, Any]:
    """The part of the labels file that follows from the leases. `alive`: backends of the service at the end."""
    leases = [{**one, "pool": one.get("pool", "orders-db")} for one in leases]
    forgotten = [_forgotten(one, alive) for one in leases if one["t_release"] is None or one["forgot"]]
    leaks = [one for one in forgotten if one["leaked"]]
    return {
        "requests_total": told.sent,
        "requests_by_route_status": dict(sorted(told.answers.items())),
        "n_leases": len(leases),
        "n_true_leaks": len(leaks),
        "n_acquire_failures": len(told.failures),
        "leaks": leaks,
        "forgotten_but_harmless": [one for one in forgotten if not one["leaked"]],
        "acquire_failures": told.failures,
        "all_leases": [{key: one[key] for key in _PLAIN if key in one} for one in leases],
    }


_PLAIN = ("lease", "route", "trace_id", "span_id", "t_acquire", "t_release", "backend_pid", "pool")


def _forgotten(lease: dict[str, Any], alive: set[int]) -> dict[str, Any]:
    leaked = lease["t_release"] is None and not lease["collected"]
    pid = lease.get("backend_pid")
    return {**lease, "backend_alive_at_end": None if pid is None else pid in alive, "leaked": leaked}

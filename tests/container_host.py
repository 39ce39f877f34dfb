"""Runs what docker-compose.yml runs, without containers: the same commands, environment, checks and signals."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import container_files as files

from tracecollect import codec
from tracecollect.demo.family import Family
from tracecollect.demo.ports import free_port
from tracecollect.model import SECOND

DATA = "/var/lib/tracecollect"


class Host:
    """Runs what the containers run, with their environment, here: on free ports and in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ports = {str(port): str(free_port()) for port in (4317, 4318, 16686, 5432, 8001, 8002)}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def port(self, number: int) -> int:
        return int(self._ports[str(number)])

    def move(self, number: int, port: int) -> None:
        """Something that listens elsewhere already."""
        self._ports[str(number)] = str(port)

    def here(self, text: str) -> str:
        text = re.sub(r"(?<=[/@])(collector|postgres|orders|gateway)(?=:\d)", "127.0.0.1", text)
        text = re.sub(r"\b(4317|4318|16686|5432|8001|8002)\b", lambda found: self._ports[found[0]], text)
        return text.replace(DATA, str(self._directory))

    def start(self, service: str, *more: str) -> subprocess.Popen[bytes]:
        self._running[service] = subprocess.Popen(
            self._words([*files.command(service), *more]), env=self._environment(service), cwd=self._directory
        )
        return self._running[service]

    def run(self, service: str, words: list[str]) -> subprocess.CompletedProcess[str]:
        """As `docker compose exec` does."""
        return subprocess.run(
            self._words(words),
            env=self._environment(service),
            cwd=self._directory,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def healthy(self, service: str) -> bool:
        return self.run(service, files.healthcheck(service)).returncode == 0

    def until_healthy(self, service: str) -> None:
        while not self.healthy(service):
            assert self._running[service].poll() is None, f"{service} ended"

    def stop(self, service: str) -> int:
        """As `docker compose stop` does; whoever needs longer than the grace is left to `close`."""
        running = self._running[service]
        running.send_signal(signal.SIGTERM)
        return running.wait(codec.read_duration(files.services()[service]["stop_grace_period"]) / SECOND)

    def close(self) -> None:
        for one in self._running.values():
            one.kill()
            one.wait()

    def _words(self, words: list[str]) -> list[str]:
        programs = {"python": sys.executable, "tracecollect": str(Path(sys.executable).with_name("tracecollect"))}
        return [programs[words[0]], *(self.here(word) for word in words[1:])]

    def _environment(self, service: str) -> dict[str, str]:
        return {name: self.here(value) for name, value in files.environment(service).items()}


@contextmanager
def foreign_postgres(directory: Path) -> Iterator[int]:
    """A PostgreSQL with what its image makes of POSTGRES_*: a user, a password that is asked for, an empty database."""
    said = files.services()["postgres"]["environment"]
    user, password, database = said["POSTGRES_USER"], said["POSTGRES_PASSWORD"], said["POSTGRES_DB"]
    with Family(directory / "logs") as family:
        data = directory / "data"
        dsn = family.start("postgres", "postgres", "--directory", str(data)).first_line(30)
        asyncio.run(
            _execute(dsn, f"CREATE ROLE {user} LOGIN PASSWORD '{password}'", f"CREATE DATABASE {database} OWNER {user}")
        )
        rules = data / "pg_hba.conf"
        rules.write_text(f"host all {user} 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        asyncio.run(_execute(dsn, "SELECT pg_reload_conf()"))
        yield int(urlsplit(dsn).port or 0)


async def _execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for one in statements:
            await connection.execute(one)
    finally:
        await connection.close()

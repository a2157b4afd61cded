"""A real Prefect server for tests: a process of its own, with its own home, on a free port of this machine, quiet."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from reconcile.gateway.reading import Reading
from reconcile.wire import Request, Snapshot, Writer

PROMPT: Final = {"PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1"}
"""Runs of changed deployments come after one second instead of five: every apply that wipes some waits for them."""

LEAN: Final = {
    f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false"
    for service in ("EVENT_PERSISTER", "TRIGGERS", "TASK_RUN_RECORDER")
}
"""Nobody records or watches events: for tests that ask for none of that, and run beside others."""

START_TIMEOUT: Final = 180.0
"""Seconds; a new database takes 17 s on a small machine, and tests seldom have one to themselves."""

STOP_TIMEOUT: Final = 20.0

MEASURING: Final = "COVERAGE_PROCESS_"
"""How the variables begin by which coverage.py measures the processes that a measured one starts."""

_NEW_DATABASE: Final[list[bytes]] = []
"""What the first server of this process made of no database. Later ones, but for those of other settings, begin with it: that saves 4 s of processor."""


@contextmanager
def prefect_server(home: Path, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """The API's address of a server that runs as long as the context. Its database is kept in `home`.

    `settings` are further settings of Prefect's. What it says goes to `server.log` in `home`.
    """
    server = Mortal(home, settings)
    server.start()
    try:
        server.wait()
        yield server.url
    finally:
        server.stop()


class Mortal:
    """A Prefect server that can be killed, and started anew on the same port and database."""

    def __init__(self, home: Path, settings: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        self._settings = settings or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._is_new = False

    def start(self) -> None:
        """Start it; it answers some seconds later."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._is_new = self._settings.keys() <= {*PROMPT, *LEAN} and not self._database.exists()
        if self._is_new and _NEW_DATABASE:
            self._database.write_bytes(_NEW_DATABASE[0])
        command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui"]
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**environment(self.home, self.url), **self._settings},
                cwd=self.home,
            )

    def wait(self) -> None:
        """Until it answers."""
        assert self._process is not None
        _wait_until_healthy(self._process, self.url, self._log)
        if self._is_new and not _NEW_DATABASE:
            with closing(sqlite3.connect(self._database)) as database:
                _NEW_DATABASE.append(database.serialize())

    def kill(self) -> None:
        """End it without a word, in the middle of whatever it does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it as its administrator does."""
        if self._process is not None:
            _stop(self._process)

    @property
    def _log(self) -> Path:
        return self.home / "server.log"

    @property
    def _database(self) -> Path:
        return self.home / "prefect.db"


def environment(home: Path, url: str | None = None) -> dict[str, str]:
    """An environment for a Prefect of its own: nothing of the person who runs the tests, no telemetry, no colours.

    Its coverage is not measured: nothing of this repository runs in a server, and measuring slows it.
    """
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", MEASURING))}
    return {
        **inherited,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
        "PREFECT_CLI_COLORS": "false",
        "PYTHONUTF8": "1",
        **({"PREFECT_API_URL": url} if url else {}),
    }


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The Prefect server ended at once ({process.returncode}):\n{_end_of(log)}")
        if _is_healthy(url):
            return
        time.sleep(0.1)
    raise RuntimeError(f"The Prefect server did not answer within {START_TIMEOUT:g} s:\n{_end_of(log)}")


def _is_healthy(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/health", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]


class RealServer:
    """A Prefect server behind the real gateway, with the eyes that the fake one has."""

    def __init__(self, reading: Reading, writing: Writer) -> None:
        self.requests: list[Request] = []
        self.reading = reading
        self._writing = writing

    def read(self) -> Snapshot:
        blocks = self.reading.rows("/block_documents/filter", {"include_secrets": False})
        return replace(self.reading.read(), blocks=blocks)

    def get(self, path: str) -> Any:
        return self.reading.get(path)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self.reading.post(path, body)

    def secret(self, block: str) -> str | None:
        return self.reading.secret(block)

    def write(self, request: Request) -> Mapping[str, Any]:
        self.requests.append(request)
        return self._writing.write(request)

    def coming(self, deployment_id: str) -> tuple[Mapping[str, Any], ...]:
        """The coming runs, whole."""
        only_it = {"id": {"any_": [deployment_id]}}
        scheduled = {"state": {"type": {"any_": ["SCHEDULED"]}}}
        return self.reading.rows("/flow_runs/filter", {"deployments": only_it, "flow_runs": scheduled})

    def runs(self, deployment_id: str) -> frozenset[str]:
        return frozenset(run["id"] for run in self.coming(deployment_id))

    def limits(self) -> dict[str, int]:
        return {row["name"]: row["limit"] for row in self.reading.rows("/v2/concurrency_limits/filter")}

    def clear(self) -> None:
        """Leave nothing to the next test: reading takes as long as there is to read."""
        found = self.reading.read()
        for row in found.deployments:
            self._writing.write(Request(method="DELETE", path=f"/deployments/{row['id']}"))
        for row in found.pools:
            self._writing.write(Request(method="DELETE", path=f"/work_pools/{row['name']}"))
        besides = {
            "/v2/concurrency_limits": self.reading.rows("/v2/concurrency_limits/filter"),
            "/variables": found.variables,
            "/automations": found.automations,
            "/block_documents": self.reading.rows("/block_documents/filter", {"include_secrets": False}),
        }
        for room, rows in besides.items():
            for row in rows:
                self._writing.write(Request(method="DELETE", path=f"{room}/{row['id']}"))

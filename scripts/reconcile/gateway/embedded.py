"""Prefect's embedded server, for the length of a command: SQLite under PREFECT_HOME, on a free port, quiet.

An own `prefect server start` takes half the time of the server that Prefect starts behind `get_client()`, and its
lines stay out of the terminal. It ends with us, also where we are killed: see `companion`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from reconcile.errors import ServerUnreachableError
from reconcile.gateway.target import Target

START_TIMEOUT: Final = 120.0
"""Seconds; a new database takes 17 s on a small machine."""

STOP_TIMEOUT: Final = 15.0

_COMPANION: Final = Path(__file__).with_name("companion.py")
_START: Final = (sys.executable, "-P", str(_COMPANION), "prefect", "server", "start", "--no-ui")


class Embedded:
    """A server process of our own. Starts at once, so that the files can be read meanwhile; `target` waits for it."""

    def __init__(self) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 # closed with the server
        self._process = subprocess.Popen(
            [*_START, "--host", "127.0.0.1", "--port", str(self.port)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=_environment(os.environ, self.url),
            cwd=tempfile.gettempdir(),
            creationflags=_OWN_GROUP,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def target(self) -> Target:
        """Where the server is, once it answers. Raises ServerUnreachableError."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerUnreachableError(
                    f"Prefect's embedded server stopped at once (exit code {self._process.returncode}): "
                    f"{self._last_words()}",
                    "Run `prefect server start` by hand to see more, or set PREFECT_API_URL to a server that runs.",
                )
            if _answers(f"{self.url}/health"):
                return Target(url=self.url, origin="Prefect's embedded server")
            time.sleep(0.1)
        raise ServerUnreachableError(
            f"Prefect's embedded server did not answer within {START_TIMEOUT:g} s.",
            f"Its last words: {self._last_words()}",
        )

    def stop(self) -> None:
        """End the server, and wait until its database is closed."""
        assert self._process.stdin is not None
        self._process.stdin.close()  # which ends it; on Windows `terminate` would not let it close its database
        if self._process.poll() is None:
            try:
                self._process.wait(STOP_TIMEOUT)
            except BaseException as error:  # Ctrl-C once more, too: it must not outlive us
                self._process.kill()
                self._process.wait()
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
        self._log.close()

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "nothing was said"


def _environment(environ: Mapping[str, str], url: str) -> dict[str, str]:
    """With its own address, whatever the profile says; without telemetry, without colours.

    For each schedule that it reads or takes, the server asks Python several times for all time zones, which then walks
    through the system's. Those of the package tzdata are listed in one file: that reads deployments ten times faster.
    """
    return {
        "PYTHONTZPATH": "",
        **environ,
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
        "PREFECT_CLI_COLORS": "false",
        "PYTHONUTF8": "1",
    }


# Ctrl-C is meant for us: we end the server ourselves, after the request in hand.
_OWN_GROUP: Final[int] = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False

"""A real Prefect server for the tests of this folder, and a real git server. Most tests share them, with their own names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from end_to_end.api import Api
from end_to_end.watch import FIGURES, WATCH, recording, search_all
from git_server import GitServer
from servers import LEAN, PROMPT, prefect_server


@pytest.fixture(scope="session", autouse=True)
def nothing_leaks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Once the tests of this folder are through, whatever they said and wrote is searched for their tokens."""
    base = tmp_path_factory.getbasetemp()
    with recording(WATCH, base / "command-lines"):
        yield
    searched = search_all(WATCH, base)
    request.config.stash[FIGURES] = searched.figures
    if searched.found:
        pytest.fail("Tokens came out:\n" + "\n".join(map(str, searched.found)), pytrace=False)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory, nothing_leaks: None) -> Iterator[Api]:
    """The server that is shared. Its database is new, and keeps Secrets that nothing uses."""
    home = tmp_path_factory.mktemp("prefect")
    settings = {**PROMPT, **LEAN, "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "true"}  # its events are searched
    with prefect_server(home, settings) as url, Api(url, home) as client:
        for name in ("prefect.db", "prefect.db-wal", "prefect.db-shm"):
            WATCH.plant(home / name, "the server's database, which keeps the blocks")
        client.make_decoys()
        yield client
        WATCH.say("everything that the server shows", client.everything())


@pytest.fixture(scope="session")
def git() -> Iterator[GitServer]:
    """The git server that is shared."""
    with GitServer() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder for one test's PREFECT_HOME on the client's side."""
    return tmp_path / "home"

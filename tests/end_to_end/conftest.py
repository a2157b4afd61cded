"""A real Prefect server for the tests of this folder, and a real git server. Most tests share them, with their own names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from end_to_end.api import Api
from git_server import GitServer
from servers import prefect_server


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The server that is shared. Its database is new."""
    home = tmp_path_factory.mktemp("prefect")
    with prefect_server(home) as url, Api(url, home) as client:
        yield client


@pytest.fixture(scope="session")
def git() -> Iterator[GitServer]:
    """The git server that is shared."""
    with GitServer() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder for one test's PREFECT_HOME on the client's side."""
    return tmp_path / "home"

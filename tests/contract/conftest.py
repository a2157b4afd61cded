"""The two servers that a contract is held against: the fake gateway, and a real Prefect server shared by all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("roundtrips")

from fake_gateway import FakeGateway  # noqa: E402
from roundtrips import Server  # noqa: E402
from servers import LEAN, PROMPT, RealServer, environment, prefect_server  # noqa: E402

from reconcile.gateway.reading import Reading  # noqa: E402
from reconcile.gateway.target import Target  # noqa: E402

SETTINGS = {**PROMPT, **LEAN, "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false"}


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server that runs for the whole session."""
    with prefect_server(tmp_path_factory.mktemp("prefect-server"), SETTINGS) as url:
        yield url


@pytest.fixture(scope="session")
def shared_real(prefect_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """The real server behind the real gateway. Prefect is imported here, with a home of its own."""
    home = tmp_path_factory.mktemp("prefect-client")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(home, prefect_url).items():
            patch.setenv(name, value)
        from reconcile.gateway.writing import Writing

        target = Target(url=prefect_url, origin="the tests")
        with Reading(target) as reading, Writing(target) as writing:
            yield RealServer(reading, writing)


@pytest.fixture
def real(shared_real: RealServer) -> Iterator[RealServer]:
    """The real server, empty but for flows."""
    shared_real.requests.clear()
    yield shared_real
    shared_real.clear()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.contract)])
def server(request: pytest.FixtureRequest) -> Server:
    """The one, then the other."""
    if request.param == "fake":
        return FakeGateway()
    found: RealServer = request.getfixturevalue("real")
    return found

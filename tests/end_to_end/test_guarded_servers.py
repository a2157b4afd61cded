"""A server that wants a password, and a token with each request that changes something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from end_to_end.api import Api
from end_to_end.tool import Tool, write_tree
from end_to_end.watch import WATCH
from servers import prefect_server

pytestmark = pytest.mark.e2e

USER: Final = "capataz"
PASSWORD: Final = "frase-muy-larga-8841"  # the server fails at one that is not ASCII
WRONG: Final = "otra-muy-distinta-1234"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home = tmp_path_factory.mktemp("guarded")
    settings = {
        "PREFECT_SERVER_API_AUTH_STRING": f"{USER}:{PASSWORD}",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        # The server's own services ask it too.
        "PREFECT_API_AUTH_STRING": f"{USER}:{PASSWORD}",
    }
    with prefect_server(home, settings) as url, Api(url, home, auth=(USER, PASSWORD)) as api:
        yield api


@pytest.fixture
def tool(guarded: Api, tmp_path: Path) -> Tool:
    root = write_tree(
        tmp_path / "repository",
        {
            "prefect.yaml": "name: guardado\n",
            "deployments/environments.yaml": "environments: {prod: {work_pool: guardado}}\n",
            "deployments/area/prod.yaml": """
                deployments:
                  Soplar: {entrypoint: "soplar.py:soplar", source: aqui}
                """,
            "deployments/shared.yaml": "sources: {aqui: {path: .}}\n",
            "pools/guardado.yaml": "type: process\n",
            "soplar.py": "from prefect import flow\n\n\n@flow\ndef soplar() -> None:\n    pass\n",
        },
    )
    settings = {"PREFECT_API_AUTH_STRING": f"{USER}:{PASSWORD}"}
    return Tool(root=root, home=tmp_path / "home", url=guarded.url, settings=settings)


def test_plan_apply_and_status_work_with_the_password(guarded: Api, tool: Tool) -> None:
    assert tool.plan()["summary"]["create"] == 2
    applied = tool.apply()
    assert {outcome["status"] for outcome in applied["outcomes"]} == {"done"}
    assert guarded.has_deployment("soplar/Soplar")
    assert tool.apply()["requests"]["write"] == 0
    (tool.root / "deployments" / "area" / "prod.yaml").write_text(
        'deployments:\n  Soplar: {entrypoint: "soplar.py:soplar", source: aqui, tags: [nueva]}\n', encoding="utf-8"
    )
    assert tool.apply()["summary"]["update"] == 1
    assert "nueva" in guarded.deployment("soplar/Soplar")["tags"]
    status = tool("status", "--json")
    assert status.document["deployments"]["managed"] == 1
    assert PASSWORD not in status.said


def test_the_password_may_stand_in_a_profile(tool: Tool) -> None:
    (tool.home).mkdir(exist_ok=True)
    WATCH.plant(tool.home / "profiles.toml", "where a person keeps the password")
    (tool.home / "profiles.toml").write_text(
        f'active = "taller"\n[profiles.taller]\nPREFECT_API_URL = "{tool.url}"\n'
        f'PREFECT_API_AUTH_STRING = "{USER}:{PASSWORD}"\n',
        encoding="utf-8",
    )
    result = replace(tool, url=None, settings=None)("status", "--json")
    assert result.code == 0, result.said
    assert result.document["origin"] == "profile 'taller'"


@pytest.mark.parametrize("settings", [{}, {"PREFECT_API_AUTH_STRING": f"{USER}:{WRONG}"}], ids=["none", "wrong"])
@pytest.mark.parametrize("command", [("plan",), ("apply", "--yes"), ("status",)], ids=" ".join)
def test_without_the_password_one_message_says_so(
    command: tuple[str, ...], settings: dict[str, str], tool: Tool
) -> None:
    result = replace(tool, settings=settings)(*command, "--json")
    assert result.code == 1
    error = result.document["error"]
    assert "401" in error["message"]
    assert "PREFECT_API_AUTH_STRING" in error["hint"]
    assert len(result.err.strip().splitlines()) == 2
    assert WRONG not in result.said

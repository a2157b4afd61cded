"""Pruning, renaming, releasing and taking over, as a person does it: on the command line, at a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.api import Api
from end_to_end.loopback import Relay
from end_to_end.tool import Tool, write_tree

pytestmark = pytest.mark.e2e

FLOW: Final = """
from prefect import flow


@flow
def facturar(veces: int = 1) -> None:
    pass
"""


@pytest.fixture
def relay(api: Api) -> Iterator[Relay]:
    with Relay(api.url) as between:
        yield between


def tool_for(folder: Path, project: str, relay: Relay, *entries: str) -> Tool:
    tool = Tool(root=folder / "repository", home=folder / "home", url=relay.url)
    write_tree(
        tool.root,
        {
            "prefect.yaml": f"name: {project}\n",
            "deployments/environments.yaml": f"""
                default_timezone: America/Argentina/Buenos_Aires
                environments: {{prod: {{work_pool: {project}}}}}
                """,
            "deployments/shared.yaml": """
                sources: {aqui: {path: .}}
                schedules: {noche: {cron: "55 23 * * *"}}
                defaults: {source: aqui, entrypoint: "flows/facturar.py:facturar", schedules: {noche: {}}}
                """,
            f"pools/{project}.yaml": "type: process\n",
            "flows/facturar.py": FLOW,
        },
    )
    declare(tool, *entries)
    return tool


def declare(tool: Tool, *entries: str) -> None:
    lines = "\n".join(f"  {entry}" for entry in entries)
    write_tree(
        tool.root, {"deployments/ventas/prod.yaml": f"deployments:\n{lines}\n" if entries else "deployments: {}\n"}
    )


def refused(tool: Tool, relay: Relay, *arguments: str) -> list[str]:
    """Why an apply, and the plan before it, are refused; nothing is written."""
    before = len(relay.writes)
    codes = []
    for command in (("plan",), ("apply", "--yes")):
        result = tool(*command, "--json", *arguments)
        assert result.code == 1, result.said
        codes.append([notice["code"] for notice in result.document["refusals"]])
    assert codes[0] == codes[1]
    assert len(relay.writes) == before
    return codes[0]


def actions(document: Any) -> dict[str, str]:
    return {outcome["key"]: f"{outcome['action']} {outcome['status']}" for outcome in document["outcomes"]}


def test_an_area_is_pruned_and_at_last_retired(relay: Relay, api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "podada", relay, *(f'"{name} podada": {{}}' for name in ("Una", "Dos", "Tres", "Cuatro")))
    tool.apply()
    usage = tool("apply", "--yes", "--prune", "--only", "Una*")
    assert (usage.code, usage.out) == (64, "")

    declare(tool, '"Una podada": {}')
    spoken = tool("plan")
    assert "3 orphans still run, next 23:55" in spoken.out
    left = tool.apply()
    assert (left["outcomes"], len(left["orphans"])) == ([], 3)
    assert refused(tool, relay, "--prune") == ["max-delete-share"]
    assert actions(tool.apply("--prune", "--max-deletes", "3")) == {
        f"facturar/{name} podada": "delete done" for name in ("Dos", "Tres", "Cuatro")
    }
    assert not api.has_deployment("facturar/Dos podada")

    declare(tool)
    assert refused(tool, relay, "--prune") == ["area-empty"]
    deployment = api.deployment("facturar/Una podada")
    run = {"flow_id": deployment["flow_id"], "deployment_id": deployment["id"], "state": {"type": "RUNNING"}}
    at_work = api.post("/flow_runs/", run)["id"]
    assert refused(tool, relay, "--prune", "--allow-empty", "ventas") == ["runs-active"]
    over = {"state": {"type": "COMPLETED", "name": "Completed"}, "force": True}
    api.post(f"/flow_runs/{at_work}/set_state", over)
    tool.apply("--prune", "--allow-empty", "ventas")
    assert not api.has_deployment("facturar/Una podada")
    assert tool.apply("--prune", "--allow-empty", "ventas")["requests"]["write"] == 0


def test_a_rename_in_the_files_is_one_on_the_server_if_it_says_so(relay: Relay, api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "renombrada", relay, '"Saludo de noche": {}')
    tool.apply()
    old = api.deployment("facturar/Saludo de noche")
    api.patch(f"/deployments/{old['id']}", {"paused": True})
    declare(tool, '"Saludo de la noche": {}')
    [warning] = [one for one in tool.plan()["warnings"] if one["code"] == "looks-renamed"]
    assert "replaces: Saludo de noche" in warning["message"]
    declare(tool, '"Saludo de la noche": {replaces: Saludo de noche}')
    applied = tool.apply()
    assert actions(applied) == {"facturar/Saludo de la noche": "replace done"}
    assert not api.has_deployment("facturar/Saludo de noche")
    assert api.deployment("facturar/Saludo de la noche")["paused"] is True
    again = tool.apply()
    assert (again["requests"]["write"], [hold["field"] for hold in again["holds"]]) == (0, ["paused"])

    assert refused(tool, relay, "--release", "facturar/Saludo de noche") == ["release-missing"]
    assert "resumes" in tool("plan", "--release", "facturar/Saludo de la noche").out
    tool.apply("--release", "facturar/Saludo de la noche")
    assert api.deployment("facturar/Saludo de la noche")["paused"] is False


def test_one_project_takes_over_from_another_only_if_it_is_told_to(relay: Relay, api: Api, tmp_path: Path) -> None:
    theirs = tool_for(tmp_path / "suya", "cedente", relay, '"Traspaso": {}')
    theirs.apply()
    ours = tool_for(tmp_path / "mia", "tomadora", relay, '"Traspaso": {}')
    assert refused(ours, relay) == ["other-project"]
    assert refused(ours, relay, "--adopt", "facturar/Otro") == ["other-project", "adopt-missing"]
    before = api.deployment("facturar/Traspaso")
    applied = ours.apply("--adopt-from", "cedente")
    assert actions(applied)["facturar/Traspaso"] == "adopt done"
    after = api.deployment("facturar/Traspaso")
    assert (after["id"], after["schedules"][0]["id"]) == (before["id"], before["schedules"][0]["id"])
    assert refused(theirs, relay) == ["other-project"]
    assert theirs("apply", "--yes", "--prune", "--json").code == 1

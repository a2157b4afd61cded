"""What the commands answer at a real server: usage, selections, show, status, holds, orphans, adoption."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.api import Api
from end_to_end.loopback import Relay
from end_to_end.tool import Tool, wait_for, worker, write_tree

pytestmark = pytest.mark.e2e

USAGE: Final = 64

FLOW: Final = """
from prefect import flow


@flow
def {name}(veces: int = 1) -> None:
    pass
"""


def repository(folder: Path, name: str) -> Path:
    """Two environments and two areas, all of it on one server."""
    return write_tree(
        folder,
        {
            "prefect.yaml": f"name: {name}\n",
            "deployments/environments.yaml": f"""
                default_timezone: America/Argentina/Buenos_Aires
                environments:
                  dev: {{name: "{{name}}-dev", work_pool: {name}-dev, defaults: {{tags: [Dev]}}}}
                  prod: {{work_pool: {name}-prod}}
                """,
            "deployments/shared.yaml": """
                sources: {aqui: {path: .}}
                schedules: {noche: {cron: "55 23 * * *"}}
                defaults: {source: aqui}
                """,
            "deployments/ventas/prod.yaml": f"""
                deployments:
                  "Facturar {name}":
                    entrypoint: flows/facturar.py:facturar
                    schedules: {{noche: {{}}}}
                    parameters: {{veces: 3}}
                  "Cobrar {name}":
                    entrypoint: flows/facturar.py:facturar
                    schedules: {{noche: {{}}}}
                """,
            "deployments/ventas/dev.yaml": f"""
                deployments:
                  "Facturar {name}": {{entrypoint: "flows/facturar.py:facturar"}}
                """,
            "deployments/compras/prod.yaml": f"""
                deployments:
                  "Pagar {name}": {{entrypoint: "flows/pagar.py:pagar"}}
                """,
            f"pools/{name}-dev.yaml": "type: process\n",
            f"pools/{name}-prod.yaml": "type: process\n",
            "flows/facturar.py": FLOW.format(name="facturar"),
            "flows/pagar.py": FLOW.format(name="pagar"),
        },
    )


@pytest.fixture
def relay(api: Api) -> Iterator[Relay]:
    """The server, with what is asked of it written down."""
    with Relay(api.url) as between:
        yield between


def tool_for(folder: Path, name: str, url: str) -> Tool:
    return Tool(root=repository(folder / "repository", name), home=folder / "home", url=url)


def keys(document: Any) -> set[str]:
    return {change["key"] for change in document["changes"] if change["kind"] == "deployment"}


# Usage


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("apply", "--yes"), "--env"),
        (("apply", "--env", "prod"), "--yes"),
        (("plan", "--env", "pord"), "prod"),
        (("apply", "--yes", "--env", "pord"), "prod"),
        (("plan", "--area", "vantas"), "ventas"),
        (("plan", "--env", "all", "--env", "prod"), "--env all"),
        (("plan", "--no-such-option"), "--no-such-option"),
        (("plan", "--env"), "--env"),
        (("plan", "--root", "no-such-folder"), "no-such-folder"),
        (("aply", "--yes"), "aply"),
        (("show",), "KEY"),
        (("show", "Facturar uso"), "--env"),
        ((), "COMMAND"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_wrong_usage_exits_64_and_writes_nothing(
    arguments: tuple[str, ...], word: str, relay: Relay, tmp_path: Path
) -> None:
    tool = tool_for(tmp_path, "uso", relay.url)
    if not arguments or "--root" in arguments:
        tool = replace(tool, root=Path(__file__).resolve().parents[2])
    result = tool(*arguments, "--json")
    assert result.code == USAGE, result.said
    error = result.document["error"]
    assert word in error["message"] + error["hint"], error
    assert result.err.strip()
    assert relay.writes == []
    spoken = tool(*arguments)
    assert (spoken.code, spoken.out) == (USAGE, "")
    assert word in spoken.err


def test_plan_without_an_environment_takes_all_of_them(api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "todos", api.url)
    every = {"facturar/Facturar todos", "facturar/Cobrar todos", "pagar/Pagar todos", "facturar/Facturar todos-dev"}
    assert keys(tool.plan()) == every
    assert keys(tool.plan("--env", "all")) == every


def test_a_selection_filters_what_is_acted_on(api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "recorte", api.url)
    invoice, charge, pay = "facturar/Facturar recorte", "facturar/Cobrar recorte", "pagar/Pagar recorte"
    assert keys(tool.plan("--env", "prod")) == {invoice, charge, pay}
    assert keys(tool.plan("--env", "dev")) == {f"{invoice}-dev"}
    assert keys(tool.plan("--env", "prod", "--area", "ventas")) == {invoice, charge}
    assert keys(tool.plan("--env", "prod", "--area", "ventas", "--area", "compras")) == {invoice, charge, pay}
    assert keys(tool.plan("--only", "Facturar*")) == {invoice, f"{invoice}-dev"}
    assert keys(tool.plan("--only", "*-dev")) == {f"{invoice}-dev"}
    assert keys(tool.plan("--only", "pagar/*", "--only", "Cobrar recorte")) == {pay, charge}
    assert keys(tool.plan("--only", "nada*")) == set()


def test_apply_touches_only_what_is_selected(api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "parte", api.url)
    applied = tool.apply("--env", "prod", "--only", "Facturar*")
    assert [(one["kind"], one["key"]) for one in applied["outcomes"]] == [
        ("work-pool", "parte-prod"),
        ("deployment", "facturar/Facturar parte"),
    ]
    assert not api.has_deployment("facturar/Cobrar parte")
    assert not api.has_deployment("facturar/Facturar parte-dev")
    again = tool.apply("--env", "prod", "--only", "Facturar*")
    assert again["requests"]["write"] == 0


def test_exit_code_2_says_that_changes_are_pending(api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "pendiente", api.url)
    assert tool("plan", "--env", "prod", "--exit-code").code == 2
    tool.apply("--env", "prod")
    assert tool("plan", "--env", "prod", "--exit-code").code == 0


def test_problems_in_the_files_stop_every_command_before_anything_is_written(relay: Relay, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "rota", relay.url)
    file = tool.root / "deployments" / "ventas" / "prod.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("noche: {}", "nohce: {}"), encoding="utf-8")
    for command in (("validate",), ("plan",), ("apply", "--yes", "--env", "prod"), ("show", "pagar/Pagar rota")):
        result = tool(*command, "--json")
        assert result.code == 1, command
        assert list(result.document) == ["problems"]
        codes = {(one["file"], one["severity"]) for one in result.document["problems"]}
        assert codes == {("deployments/ventas/prod.yaml", "error")}
    assert relay.writes == []


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals to be had")
@pytest.mark.parametrize(("answer", "applied"), [("n\n", False), ("\n", False), ("y\n", True), ("sí\n", True)])
def test_at_a_terminal_apply_asks(answer: str, applied: bool, api: Api, tmp_path: Path) -> None:
    name = f"pregunta-{len(answer)}{'si' if applied else 'no'}"
    tool = tool_for(tmp_path, name, api.url)
    tool.home.mkdir()
    ours, theirs = os.openpty()
    try:
        with subprocess.Popen(
            tool.command("apply", "--env", "dev"),
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=tool.environ(),
            cwd=tool.home,
            encoding="utf-8",
        ) as process:
            os.write(ours, answer.encode("utf-8"))
            out, err = process.communicate(timeout=120)
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == 0, out + err
    assert "[y/N]" in err
    assert f"Facturar {name}-dev" in out
    assert api.has_deployment(f"facturar/Facturar {name}-dev") is applied


# Show


def test_show_tells_where_each_field_comes_from(api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "muestra", api.url)
    document = tool("show", "Facturar muestra", "--env", "prod", "--json").document
    assert document["key"] == "facturar/Facturar muestra"
    assert (document["area"], document["environment"], document["work_pool"]) == ("ventas", "prod", "muestra-prod")
    assert (document["file"], document["line"]) == ("deployments/ventas/prod.yaml", 2)
    fields = {field["path"]: (field["value"], field["file"], field["line"]) for field in document["fields"]}
    entry = "deployments/ventas/prod.yaml"
    assert fields["entrypoint"] == ("flows/facturar.py:facturar", entry, 3)
    assert fields["parameters.veces"] == (3, entry, 5)
    assert fields["source"] == ("aqui", "deployments/shared.yaml", 3)
    by_final_name = tool("show", "Facturar muestra-dev", "--json").document
    assert by_final_name["environment"] == "dev"
    assert by_final_name == tool("show", "facturar/Facturar muestra-dev", "--json").document


def test_show_for_people(api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "lectura", api.url)
    result = tool("show", "Facturar lectura", "--env", "prod")
    assert result.code == 0
    assert result.out.splitlines()[0] == "facturar/Facturar lectura"
    assert "deployments/ventas/prod.yaml:3" in result.out
    assert "23:55" in result.out


def test_show_of_what_is_not_there_names_the_nearest(api: Api, tmp_path: Path) -> None:
    result = tool_for(tmp_path, "parecida", api.url)("show", "Facturra parecida", "--json")
    assert result.code == 1
    assert "Facturar parecida" in result.document["error"]["hint"]


# Status


def test_status_tells_pools_workers_holds_and_orphans(api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "estado", api.url)
    before = tool("status", "--json").document
    assert {pool["name"]: pool["exists"] for pool in before["pools"]}["estado-prod"] is False
    assert before["deployments"]["declared"] == 4
    assert before["deployments"]["managed"] == 0

    tool.apply("--env", "prod")
    held = api.deployment("facturar/Facturar estado")
    api.patch(f"/deployments/{held['id']}", {"paused": True})
    orphan = "facturar/Cobrar estado"
    drop_entry(tool.root / "deployments" / "ventas" / "prod.yaml", "Cobrar estado")
    with worker("estado-prod", home=tmp_path / "worker", url=api.url):
        wait_for("the worker", lambda: online(tool("status", "--json").document, "estado-prod"))
        spoken = tool("status")
    document = tool("status", "--env", "prod", "--json").document
    assert document["target"] == api.url
    assert document["version"] == "3.8.8"
    assert document["origin"] == "environment variable PREFECT_API_URL"
    assert document["deployments"] == {"managed": 2, "declared": 2, "foreign": document["deployments"]["foreign"]}
    assert [pool["name"] for pool in document["pools"]] == ["estado-prod"]
    assert "2 managed of 3 declared, 1 no longer declared" in spoken.out
    assert "estado-dev" in spoken.out
    assert "paused = true  (since 20" in spoken.out
    [hold] = document["holds"]
    assert (hold["key"], hold["field"], hold["value"]) == ("facturar/Facturar estado", "paused", True)
    assert hold["since"]
    [found] = document["orphans"]
    assert (found["key"], found["area"], found["environment"]) == (orphan, "ventas", "prod")
    assert found["next_run"]
    assert set(document["runs"]) == {"late", "running", "failed_24h"}
    assert spoken.code == 0
    for words in ("estado-prod (process): workers: worker-estado-prod", "paused = true", orphan, "Prefect 3.8.8"):
        assert words in spoken.out


def online(document: Any, name: str) -> list[str]:
    pools = {pool["name"]: pool for pool in document["pools"]}
    return [one["name"] for one in pools[name]["workers"] if one["status"] == "ONLINE"]


def drop_entry(file: Path, name: str) -> None:
    """The file without one deployment."""
    lines = file.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if name in line)
    rest = (number for number in range(start + 1, len(lines)) if not lines[number].startswith("    "))
    end = next(rest, len(lines))
    file.write_text("\n".join(lines[:start] + lines[end:]) + "\n", encoding="utf-8")


def test_what_is_no_longer_declared_is_left_and_told(relay: Relay, api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "huerfana", relay.url)
    tool.apply("--env", "prod")
    drop_entry(tool.root / "deployments" / "ventas" / "prod.yaml", "Cobrar huerfana")
    relay.asked.clear()
    applied = tool.apply("--env", "prod")
    assert applied["summary"]["orphaned"] == 1
    assert (applied["summary"]["delete"], applied["changes"], relay.writes) == (0, [], [])
    assert [orphan["key"] for orphan in applied["orphans"]] == ["facturar/Cobrar huerfana"]
    assert api.has_deployment("facturar/Cobrar huerfana")


# What an operator does in the UI


def test_a_pause_of_an_operator_is_a_hold(relay: Relay, api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "pausa", relay.url)
    key = "facturar/Facturar pausa"
    tool.apply("--env", "prod")
    standing = api.deployment(key)
    api.patch(f"/deployments/{standing['id']}", {"paused": True})
    [schedule] = standing["schedules"]
    api.patch(f"/deployments/{standing['id']}/schedules/{schedule['id']}", {"active": False})
    relay.asked.clear()
    applied = tool.apply("--env", "prod")
    assert {(hold["field"], hold["value"]) for hold in applied["holds"]} == {
        ("paused", True),
        ("schedules.noche.active", False),
    }
    assert (applied["changes"], relay.writes) == ([], [])
    assert api.deployment(key)["paused"] is True


def test_drift_is_reverted_and_named(api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "deriva", api.url)
    key = "facturar/Facturar deriva"
    tool.apply("--env", "prod")
    api.patch(f"/deployments/{api.deployment(key)['id']}", {"description": "cambiada en la pantalla"})
    plan = tool.plan("--env", "prod")
    [change] = plan["changes"]
    assert (change["key"], change["reason"]) == (key, "drift")
    assert change["fields"] == [{"path": "description", "before": "cambiada en la pantalla", "after": None}]
    assert 1 <= tool.apply("--env", "prod")["requests"]["write"] <= 3  # a busy server is asked again
    assert not api.deployment(key)["description"]
    assert tool.plan("--env", "prod")["changes"] == []


# Adoption


def test_an_unmanaged_deployment_is_refused_until_it_is_adopted(relay: Relay, api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "ajena", relay.url)
    key = "facturar/Facturar ajena"
    made = api.make_deployment("facturar", "Facturar ajena", parameters={"veces": 9}, tags=["de antes"])
    for command in (("plan", "--env", "prod"), ("apply", "--yes", "--env", "prod")):
        result = tool(*command, "--json")
        assert result.code == 1
        [refusal] = result.document["refusals"]
        assert (refusal["code"], refusal["key"]) == ("unmanaged", key)
        assert f'--adopt "{key}"' in refusal["message"]
        spoken = tool(*command)
        assert spoken.code == 1
        assert f'--adopt "{key}"' in spoken.out
    assert relay.writes == []
    assert not api.has_deployment("facturar/Cobrar ajena")

    other = tool("apply", "--yes", "--env", "prod", "--adopt", "facturar/Cobrar ajena", "--json")
    assert (other.code, relay.writes) == (1, [])

    adopted = tool.apply("--env", "prod", "--adopt", key)
    assert [one["action"] for one in adopted["outcomes"] if one["key"] == key] == ["adopt"]
    standing = api.deployment(key)
    assert standing["id"] == made
    assert standing["parameters"] == {"veces": 3}
    assert standing["tags"] == ["managed-by:ajena/ventas/prod"]
    assert tool.apply("--env", "prod")["requests"]["write"] == 0


def test_a_deployment_of_another_project_is_refused_even_with_adopt(relay: Relay, api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "vecina", relay.url)
    key = "facturar/Facturar vecina"
    api.make_deployment("facturar", "Facturar vecina", tags=["managed-by:otro-proyecto/ventas/prod"])
    result = tool("apply", "--yes", "--env", "prod", "--adopt", key, "--adopt-all", "--json")
    assert result.code == 1
    [refusal] = result.document["refusals"]
    assert (refusal["code"], refusal["key"]) == ("other-project", key)
    assert relay.writes == []


# Another server than the environment's


def test_an_environment_that_belongs_on_another_server_is_refused(relay: Relay, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "lejana", relay.url)
    file = tool.root / "deployments" / "environments.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("prod: {", 'prod: {api_url: "http://192.0.2.7:4200/api", '), encoding="utf-8")
    result = tool("apply", "--yes", "--env", "prod", "--json")
    assert result.code == 1
    [refusal] = result.document["refusals"]
    assert refusal["code"] == "pinned-elsewhere"
    assert "192.0.2.7" in refusal["message"]
    assert relay.writes == []
    assert keys(tool.plan()) == {"facturar/Facturar lejana-dev"}

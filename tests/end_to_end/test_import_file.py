"""`import FILE` and `apply --build` on a real server: the same deployments as Prefect's own command line makes."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.api import Api
from end_to_end.tool import Tool, prefect, write_tree
from servers import environment

pytestmark = pytest.mark.e2e

FLOWS: Final = """
    from prefect import flow


    @flow
    def traer(dias: int = 1, sucursal: str = "0010") -> None:
        print(dias, sucursal)


    @flow(name="Flujo con nombre")
    def cerrar(mensaje: str) -> None:
        print(mensaje)
    """

FILE: Final = """
    name: importado
    prefect-version: 3.8.8
    definitions:
      pool: &pool {name: Pool importado, work_queue_name: urgente, job_variables: {env: {PYTHONUTF8: "1"}}}
    deployments:
    - name: Traer ventas
      entrypoint: ./flujos.py:traer
      description: Trae las ventas.
      tags: [ventas, nocturno]
      parameters: {dias: 3}
      concurrency_limit: {limit: 2, collision_strategy: CANCEL_NEW, grace_period_seconds: 120}
      work_pool: *pool
      schedules:
      - {cron: "55 23 * * *", timezone: America/Argentina/Buenos_Aires, slug: noche}
      - {interval: 1800, anchor_date: "2026-01-01T00:00:00", timezone: America/Lima, slug: media, active: false}
      - {rrule: "FREQ=MONTHLY;BYMONTHDAY=1", timezone: Europe/Madrid, slug: mes, parameters: {sucursal: "0020"}}
    - name: Cerrar importado
      entrypoint: flujos.py:cerrar
      parameters: {mensaje: hola}
      enforce_parameter_schema: false
      work_pool: *pool
      schedule: {cron: "0 8 * * 1-5"}
      pull:
      - prefect.deployments.steps.git_clone:
          id: clon
          repository: https://git.ejemplo.invalid/empresa/proyectos.git
          branch: main
          access_token: "{{ prefect.blocks.secret.no-usado }}"
      - prefect.deployments.steps.run_shell_script: {script: pip install ., directory: "{{ clon.directory }}"}
    """

BUILT: Final = """
    name: con-pasos
    build:
    - prefect.deployments.steps.run_shell_script: {id: imagen, script: echo %(tag)s}
    deployments:
    - name: Con pasos
      entrypoint: flujos.py:traer
      work_pool: {name: Pool con pasos, job_variables: {env: {VERSION: "v{{ imagen.stdout }}"}}}
    """


def test_the_same_deployments_as_the_stock_command_line(api: Api, home: Path, tmp_path: Path) -> None:
    old = write_tree(tmp_path / "old", {"prefect.yaml": FILE, "flujos.py": FLOWS})
    (tmp_path / "new").mkdir()
    tool = Tool(root=tmp_path / "new", home=home, url=api.url)
    home.mkdir()
    api.make_secret("no-usado", "un-valor-que-no-se-usa-7712")
    done = tool("import", str(old / "prefect.yaml"), "--yes")
    assert done.code == 0, done.said
    tool.apply("--env", "prod", "--yes")
    keys = ("traer/Traer ventas", "Flujo con nombre/Cerrar importado")
    ours = {key: _comparable(api.deployment(_here(api, key))) for key in keys}
    for key in keys:
        api.delete(f"/deployments/{api.deployment(_here(api, key))['id']}")
    done = prefect("--no-prompt", "deploy", "--all", environ=environment(home, api.url), folder=old)
    assert done.code == 0, done.said
    stock = {key: _comparable(api.deployment(key)) for key in keys}
    differing = {
        (key, field): (value, ours[key][field])
        for key in keys
        for field, value in stock[key].items()
        if value != ours[key][field]
    }
    assert differing == {}


def _here(api: Api, key: str) -> str:
    """Where its code cannot be read from here, a flow is taken to be named after its function."""
    return key if api.has_deployment(key) else f"cerrar/{key.partition('/')[2]}"


def _comparable(one: dict[str, Any]) -> dict[str, Any]:
    limit = one.get("global_concurrency_limit") or {}
    # The slugs of the file; one that it does not give is made here, and the stock command line leaves it out.
    schedules = {
        f"schedule {each['slug'] if each['slug'] in {'noche', 'media', 'mes'} else 'of no slug'}": (
            _timing(each["schedule"]), each["active"], each["parameters"]
        )
        for each in one["schedules"]
    }  # fmt: skip
    return {
        "entrypoint": one["entrypoint"].removeprefix("./"),
        "pull_steps": one["pull_steps"],
        "parameters": one["parameters"],
        "tags": sorted(tag for tag in one["tags"] if not tag.startswith("managed-by:")),
        "where": (one["work_pool_name"], one["work_queue_name"], one["job_variables"]),
        "limit": (limit.get("limit"), one["concurrency_options"]),
        # Prefect's SDK stores a missing description as this text.
        "description": None if one["description"] == "None" else one["description"],
        "enforced": one["enforce_parameter_schema"],
        "paused": one["paused"],
        **schedules,
    }


def _timing(schedule: dict[str, Any]) -> dict[str, Any]:
    """A timing whatever its writing: an anchor's offset, and UTC where no zone is said."""
    said = {**schedule, "timezone": schedule["timezone"] or "UTC"}
    if "anchor_date" in said:
        said["anchor_date"] = datetime.fromisoformat(said["anchor_date"])
    if "rrule" in said:
        said["rrule"] = sorted(line.removeprefix("RRULE:") for line in said["rrule"].splitlines())
    return said


def test_steps_run_when_asked_only_and_their_outputs_stay(api: Api, home: Path, tmp_path: Path) -> None:
    old = write_tree(tmp_path / "old", {"prefect.yaml": BUILT % {"tag": "7"}, "flujos.py": FLOWS})
    (tmp_path / "new").mkdir()
    home.mkdir()
    tool = Tool(root=tmp_path / "new", home=home, url=api.url)
    assert tool("import", str(old / "prefect.yaml"), "--yes").code == 0

    refused = tool("apply", "--env", "prod", "--yes", "--json")
    assert refused.code == 1
    assert [one["code"] for one in refused.document["refusals"]] == ["never-built"]
    assert not api.has_deployment("traer/Con pasos")

    built = tool("apply", "--build", "--env", "prod", "--yes", "--json")
    assert built.code == 0, built.said
    assert json.loads(built.out)["summary"]["create"] == 2  # with its pool
    assert api.deployment("traer/Con pasos")["job_variables"] == {"env": {"VERSION": "v7"}}
    assert tool.plan("--env", "prod")["changes"] == []  # the build's value stays, whoever plans

    path = tmp_path / "new/deployments/con-pasos/prod.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("echo 7", "echo 8"), encoding="utf-8")
    assert tool.plan("--env", "prod")["changes"] == []
    again = tool("apply", "--build", "--env", "prod", "--yes", "--json")
    (change,) = again.document["changes"]
    assert [(one["path"], one["after"]) for one in change["fields"]] == [("job_variables.env.VERSION", "v8")]

    path.write_text(path.read_text(encoding="utf-8").replace("echo 8", "exit 3"), encoding="utf-8")
    failed = tool("apply", "--build", "--env", "prod", "--yes", "--json")
    assert failed.code == 1
    assert "run_shell_script" in failed.document["error"]["message"] if "error" in failed.document else failed.said
    assert api.deployment("traer/Con pasos")["job_variables"] == {"env": {"VERSION": "v8"}}

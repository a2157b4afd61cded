"""`import --from-server` over a real server that was filled by Prefect's SDK, by its stock command line and by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.api import Api
from end_to_end.tool import Tool, prefect, run, write_tree
from end_to_end.watch import WATCH
from servers import environment, prefect_server

pytestmark = pytest.mark.e2e

FLOWS: Final = """
    from prefect import flow


    @flow(name="Flujo Uno")
    def uno(mensaje: str = "hola", dias: int = 1) -> None:
        print(mensaje, dias)


    @flow
    def dos(mensaje: str = "hola") -> None:
        print(mensaje)
    """

SDK: Final = """
    import sys
    from datetime import datetime, timedelta

    from prefect import flow
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron, Interval, RRule

    folder = sys.argv[1]
    uno = flow.from_source(source=folder, entrypoint="flujos.py:uno")
    dos = flow.from_source(source=folder, entrypoint="flujos.py:dos")
    common = {"work_pool_name": "Pool con espacios", "print_next_steps": False, "ignore_warnings": True}
    uno.deploy(
        name="Con todo",
        description="Dos líneas:\\nla segunda, con \\"comillas\\" y # almohadilla.",
        tags=["Compras", "a b", "Ñ"],
        parameters={"mensaje": "yes", "dias": 3},
        job_variables={"env": {"PYTHONUTF8": "1", "VACIO": ""}},
        work_queue_name="urgente",
        concurrency_limit=ConcurrencyLimitConfig(limit=2, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        schedules=[
            Cron("55 23 * * *", timezone="America/Buenos_Aires"),
            Cron("0 8 1 * 1", timezone="America/Argentina/Buenos_Aires", day_or=False),
            Interval(timedelta(minutes=30), anchor_date=datetime(2026, 1, 1, 3, 0, 0), timezone="America/New_York"),
            RRule("DTSTART:20260101T200000\\nRRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
                  timezone="America/Argentina/Buenos_Aires"),
        ],
        **common,
    )
    uno.deploy(name="Repetido", cron="55 23 * * *", tags=["Compras"], **common)
    dos.deploy(name="Repetido", interval=3600.5, tags=["Compras"], paused=True, **common)
    """

STOCK: Final = """
    name: viejo
    prefect-version: 3.8.8
    pull:
    - prefect.deployments.steps.set_working_directory:
        directory: {folder}
    deployments:
    - name: "De la CLI"
      entrypoint: flujos.py:uno
      tags: [Ventas]
      parameters: {{mensaje: hola mundo}}
      work_pool: {{name: ventas-prod}}
      schedules:
      - {{cron: "30 8 * * 1-5", timezone: America/Argentina/Buenos_Aires, slug: mañana, active: false}}
      - {{cron: "0 12 * * *", timezone: UTC, slug: mediodia, parameters: {{mensaje: otra}}}}
    - name: "De la CLI con git"
      entrypoint: flujos.py:dos
      tags: [Ventas]
      description: Con git.
      enforce_parameter_schema: false
      concurrency_limit: 1
      work_pool: {{name: ventas-prod}}
      schedules:
      - {{cron: "30 8 * * 1-5", timezone: America/Argentina/Buenos_Aires, slug: mañana}}
      pull:
      - prefect.deployments.steps.git_clone:
          repository: https://github.com/DesarrollosElectra/ProyectosPython.git
          branch: main
          credentials:
            access_token: "{{{{ prefect.blocks.secret.clave-softland }}}}"
    - name: "Con un secreto en claro"  # which Prefect's command line makes of the placeholder
      entrypoint: flujos.py:dos
      work_pool:
        name: ventas-prod
        job_variables: {{env: {{CLAVE: "{{{{ prefect.blocks.secret.clave-softland }}}}"}}}}
    """


def fill(api: Api, home: Path, folder: Path) -> None:
    """Everything that the tool knows, made by others."""
    api.make_secret("clave-softland", "un-valor-que-no-se-ve-9431")
    api.make_github_credentials("cred-electra", "otro-valor-que-no-se-ve-9432")
    templates = api.get("/collections/views/aggregate-worker-metadata")["prefect"]
    process = templates["process"]["default_base_job_configuration"]
    changed = _with_default(process, "working_dir", "C:/Python_Scripts")
    for name, body in {
        "Pool con espacios": {"type": "process", "concurrency_limit": 4, "base_job_template": changed},
        "ventas-prod": {"type": "process", "description": "Ventas.", "base_job_template": process, "is_paused": True},
    }.items():
        api.post("/work_pools/", {"name": name, **body})
    api.post("/work_pools/Pool con espacios/queues", {"name": "urgente", "concurrency_limit": 1, "priority": 1})
    environ = environment(home, api.url)
    script = write_tree(home / "sdk", {"sdk.py": SDK})
    done = run([sys.executable, str(script / "sdk.py"), str(folder)], environ=environ, folder=home)
    assert done.code == 0, done.said
    stock = write_tree(home / "stock", {"prefect.yaml": STOCK.format(folder=folder), "flujos.py": FLOWS})
    done = prefect("--no-prompt", "deploy", "--all", environ=environ, folder=stock)
    assert done.code == 0, done.said
    _fill_by_hand(api)


def _fill_by_hand(api: Api) -> None:
    """As the UI, scripts of requests and older versions leave things."""
    api.post(
        "/variables/", {"name": "sql_server", "value": {"servidor": "srv-sql", "puerto": 1433}, "tags": ["compras"]}
    )
    api.post("/variables/", {"name": "vacia", "value": None})
    limit = api.post("/v2/concurrency_limits/", {"name": "softland", "limit": 2})["id"]
    api.post("/v2/concurrency_limits/", {"name": "Tasa de API", "limit": 5, "slot_decay_per_second": 0.5})
    windows = api.make_deployment(
        "flujo-de-windows",
        "Cierre mensual",
        entrypoint="src\\cierre.py:cierre",
        pull_steps=[{"prefect.deployments.steps.set_working_directory": {"directory": "C:\\Python_Scripts"}}],
        work_pool_name="ventas-prod",
        parameters={"mes": None, "lista": [1, 2.5, {"a": "x: y"}]},
        schedules=[
            {"schedule": {"cron": "55 23 * * *", "timezone": "America/Buenos_Aires"}, "active": True},
            {"schedule": {"interval": 900, "anchor_date": "2026-01-01T00:00:00Z", "timezone": "UTC"}, "active": False},
        ],
        global_concurrency_limit_id=limit,
        enforce_parameter_schema=False,
    )
    api.make_deployment(
        "otro-flujo",
        "Con credenciales de GitHub",
        entrypoint="paquete.modulo:otro_flujo",
        pull_steps=[
            {
                "prefect.deployments.steps.git_clone": {
                    "repository": "https://github.com/DesarrollosElectra/Otro.git",
                    "branch": None,
                    "credentials": "{{ prefect.blocks.github-credentials.cred-electra }}",
                }
            }
        ],
        work_pool_name="Pool con espacios",
    )
    api.make_deployment(
        "con-pasos",
        "Con pasos propios",
        entrypoint="flujos.py:con_pasos",
        pull_steps=[
            {
                "prefect.deployments.steps.git_clone": {
                    "repository": "https://github.com/DesarrollosElectra/Otro.git",
                    "access_token": "{{ prefect.blocks.secret.clave-softland }}",
                }
            },
            {"prefect.deployments.steps.run_shell_script": {"script": "echo listo", "stream_output": True}},
        ],
        work_pool_name="ventas-prod",
    )
    api.make_deployment("servido", "Sin pool", entrypoint="flujos.py:servido")
    api.post(
        "/automations/",
        {
            "name": "Cierre fallido",
            "description": "Avisa.",
            "enabled": True,
            "trigger": {
                "type": "event",
                "posture": "Reactive",
                "expect": ["prefect.flow-run.Failed", "prefect.flow-run.Crashed"],
                "match": {"prefect.resource.id": "prefect.flow-run.*"},
                "match_related": {
                    "prefect.resource.role": "deployment",
                    "prefect.resource.id": f"prefect.deployment.{windows}",
                },
                "threshold": 1,
                "within": 0,
            },
            "actions": [{"type": "pause-deployment", "source": "selected", "deployment_id": windows}],
            "tags": ["avisos"],
        },
    )
    api.post(
        "/automations/",
        {
            "name": "Tarde",
            "enabled": False,
            "trigger": {
                "type": "event",
                "posture": "Proactive",
                "after": ["prefect.flow-run.Late"],
                "expect": ["prefect.flow-run.*"],
                "for_each": ["prefect.resource.id"],
                "match": {"prefect.resource.id": "prefect.flow-run.*"},
                "threshold": 1,
                "within": 14400,
            },
            "actions": [{"type": "cancel-flow-run"}],
        },
    )


def _with_default(template: dict[str, Any], name: str, value: str) -> dict[str, Any]:
    properties = template["variables"]["properties"]
    changed = {**properties, name: {**properties[name], "default": value}}
    return {**template, "variables": {**template["variables"], "properties": changed}}


def texts(root: Path) -> dict[str, str]:
    """The files of a tree."""
    found = (path for path in sorted(root.rglob("*")) if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in found}


def other_than_the_mark(plan: Any) -> list[Any]:
    """What a plan would change besides the mark, and the slug that a schedule without one gets."""
    return [
        (change["key"], change["action"], field)
        for change in plan["changes"]
        for field in change["fields"] or [None]
        if field is None
        or not (field["path"] == "managed-by" or (field["path"].endswith(".slug") and field["before"] is None))
    ]


def _watched(home: Path) -> Path:
    """A server's folder, whose database is where the secrets belong."""
    for name in ("prefect.db", "prefect.db-wal", "prefect.db-shm"):
        WATCH.plant(home / name, "the server's database, which keeps the blocks")
    return home


def test_what_a_server_holds_becomes_yaml_and_yaml_becomes_the_server_again(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "codigo", {"flujos.py": FLOWS})
    first, second = tmp_path / "primero", tmp_path / "segundo"
    home = tmp_path / "home"
    for each in (first, second, home):
        each.mkdir()
    how = ("import", "--from-server", "--area-from", "tag:*", "--json")
    with prefect_server(_watched(tmp_path / "one")) as url, Api(url, tmp_path / "one") as api:
        fill(api, home, folder)
        tool = Tool(root=first, home=home, url=url)
        assert [tool("import", *more).code for more in ((), ("--from-server",), ("--from-server", "--area-from", "x"))] == [
            64, 64, 64,
        ]  # fmt: skip
        shown = tool(*how).document
        assert shown["written"] is False
        assert list(first.iterdir()) == []
        done = tool(*how, "--yes").document
        assert done["written"] is True
        assert {each["path"]: each["text"] for each in done["files"]} == texts(first)
        left_out = [(note["key"], note["message"]) for note in done["notes"] if note["left_out"]]
        assert [key for key, _ in left_out] == ["dos/Con un secreto en claro", "servido/Sin pool"], left_out
        assert len(done["entries"]) == 8
        said = "\n".join(texts(first).values())
        assert "no-se-ve" not in said
        assert tool("validate", "--json").code == 0
        plan = tool.plan("--adopt-all")
        assert plan["refusals"] == []
        assert other_than_the_mark(plan) == []
        assert {change["action"] for change in plan["changes"]} == {"adopt"}
        assert tool(*how, "--yes").document["files"] == []
        assert tool("apply", "--yes", "--adopt-all", "--json").code == 0
        assert tool.plan()["changes"] == []
        assert tool(*how, "--yes").document["files"] == []
    with prefect_server(_watched(tmp_path / "two")) as url, Api(url, tmp_path / "two") as api:
        api.make_secret("clave-softland", "un-valor-que-no-se-ve-9431")
        api.make_github_credentials("cred-electra", "otro-valor-que-no-se-ve-9432")
        Tool(root=first, home=home, url=url).apply()
        done = Tool(root=second, home=home, url=url)(*how, "--yes").document
        assert [note for note in done["notes"] if note["left_out"]] == []
    assert texts(second) == texts(first)

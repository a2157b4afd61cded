"""`export` deployed by Prefect's own command line on one server, `apply` on another: the two hold the same."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from end_to_end.api import Api
from end_to_end.tool import PROJECT, Tool, run, write_tree
from servers import Mortal, environment

pytestmark = pytest.mark.e2e

FULL: Final = Path(__file__).resolve().parents[1] / "repositories" / "full"

MORE: Final = {
    "flows/basic.py": """
        from prefect import flow


        @flow
        def basic_flow(message: str = "Hola", cuando: str | None = None) -> None:
            print(message, cuando)
        """,
    "pools/ventas-prod.yaml": """
        type: process
        job_defaults: {env: {PYTHONUTF8: "1"}}
        """,
    "deployments/ventas/shared.yaml": """
        variables:
          servidor: {value: {host: srv-sql, puerto: 1433}, tags: [ventas]}
          numero_como_texto: {value: "123"}
        concurrency_limits:
          softland: {limit: 2}
        """,
    "deployments/ventas/dev.yaml": """
        deployments:
          "Con llaves":
            entrypoint: flows/basic.py:basic_flow
            description: Un {{ texto }} con {{ llaves }}.
            parameters: {message: "{{ prefect.variables.servidor }}", cuando: "a {{ $HOME }} b"}
            job_variables: {env: {CLAVE: "{{ prefect.blocks.secret.clave }}"}}
            concurrency_limit: 3
            paused: true
            schedules:
              a-las-9: {cron: "0 9 1 * 1", day_or: false, active: false, parameters: {message: "{{ x }}"}}
              cada-90-s: {interval: 90s, anchor_date: "2026-01-01T00:00:00", timezone: America/New_York}
          "Comparte":
            entrypoint: flows/basic.py:basic_flow
            description: Comparte un límite.
            source: version
            concurrency_limit: {shared: softland}
            enforce_parameter_schema: false
          "Con pasos":
            entrypoint: flows/basic.py:basic_flow
            description: Lo que dan sus pasos, sus {{ prefect.variables.servidor }} y sus propios.
            build:
              - json.loads: {id: edicion, s: '{"numero": 7, "nombre": "siete"}'}
            push:
              - json.loads: {id: publicado, s: '"{{ edicion.nombre }}"'}
            pull:
              - prefect.deployments.steps.set_working_directory: {id: casa, directory: /srv/casa}
              - prefect.deployments.steps.pip_install_requirements:
                  {directory: "{{ casa.directory }}", requirements_file: "{{ edicion.nombre }}.txt"}
            job_variables:
              env:
                EDICION: "v{{ edicion.numero }} en {{ prefect.variables.servidor }}"
                CLAVE: "{{ prefect.blocks.secret.clave }}"
          "Sin descripción":
            source: fija
            entrypoint: flows/basic.py:basic_flow
        """,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """What the two servers hold, field by field, and what export said."""

    ours: Mapping[tuple[str, str], Mapping[str, Any]]
    stock: Mapping[tuple[str, str], Mapping[str, Any]]
    said: Mapping[str, Mapping[str, Any]]
    """By the repository's name."""

    one: Mortal
    other: Mortal


def full(folder: Path) -> Path:
    """The repository with every key, with what it needs to be applied, and what is hard to say in prefect.yaml."""
    root = Path(shutil.copytree(FULL, folder))
    prod = root / "deployments" / "environments.yaml"
    kept = [line for line in prod.read_text(encoding="utf-8").splitlines() if not line.strip().startswith("api_url")]
    prod.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return write_tree(root, MORE)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """This repository and the one with every key, applied to one server, and deployed to another as they export."""
    base = tmp_path_factory.mktemp("export")
    one, other = Mortal(base / "one"), Mortal(base / "two")
    servers = [one, other]
    try:
        for server in servers:
            server.start()
        repositories = {"full": full(base / "full"), "this": PROJECT}
        said = {name: exported(root, base / f"{name}-stock", one) for name, root in repositories.items()}
        for server in servers:
            server.wait()
        for name, root in repositories.items():
            tool(root, one).apply("--env", "all", *(["--build"] if name == "full" else []))
            deploy(root, base / f"{name}-stock", said[name]["commands"], environment(other.home, other.url))
        with Api(one.url, one.home) as ours, Api(other.url, other.home) as stock:
            yield Both(ours=held(ours), stock=held(stock), said=said, one=one, other=other)
    finally:
        for server in servers:
            server.stop()


def tool(root: Path, server: Mortal) -> Tool:
    return Tool(root=root, home=server.home, url=server.url, settings={"PYTHONDONTWRITEBYTECODE": "1"})


def exported(root: Path, out: Path, server: Mortal) -> Any:
    result = tool(root, server)("export", "--json", "--out", str(out))
    assert result.code == 0, result.said
    assert result.document["written"]
    return result.document


ONE_AFTER_ANOTHER: Final = """
import json, sys
from prefect.cli import app
for words in json.loads(sys.argv[1]):
    sys.argv = words
    try:
        app()
    except SystemExit as end:
        if end.code:
            sys.exit(f"{words}: {end.code}")
"""
"""Prefect's own commands in one process: it takes seconds to start."""


def deploy(root: Path, out: Path, commands: list[list[str]], environ: Mapping[str, str]) -> None:
    """What somebody does who has the exported folder and the flows; of code that is elsewhere, a placeholder."""
    for folder in ("flows", "scripts"):  # a flow of this repository imports the tool
        if (root / folder).is_dir():
            shutil.copytree(root / folder, out / folder, ignore=shutil.ignore_patterns("__pycache__"))
    data = yaml.safe_load((out / "prefect.yaml").read_text(encoding="utf-8"))
    for file, _, function in (one["entrypoint"].partition(":") for one in data["deployments"]):
        path = out / file
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            text = f"from prefect import flow\n\n\n@flow\ndef {function}(message: str = ''):\n    pass\n"
            path.write_text(text, encoding="utf-8")
    environ = {**environ, "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(out)}
    words = [[program, "--no-prompt", *rest] for program, *rest in (*commands, ["prefect", "deploy", "--all"])]
    done = run([sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(words)], environ=environ, folder=out)
    assert done.code == 0, done.said
    assert "Skipping" not in done.said, done.said


def held(api: Api) -> dict[tuple[str, str], dict[str, Any]]:
    """Everything that a server holds of what is compared, by kind and name; our mark and the version aside."""
    flows = {row["id"]: row["name"] for row in api.post("/flows/filter", {"limit": 200})}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in api.post("/deployments/filter", {"limit": 200}):
        found["deployment", f"{flows[row['flow_id']]}/{row['name']}"] = deployment_fields(row)
    for row in api.post("/work_pools/filter", {"limit": 200}):
        same = ("type", "description", "concurrency_limit", "is_paused", "base_job_template")
        found["pool", row["name"]] = {name: row[name] for name in same}
        for queue in api.post(f"/work_pools/{row['name']}/queues/filter", {}):
            said = {name: queue[name] for name in ("priority", "concurrency_limit", "is_paused")}
            found["queue", f"{row['name']}/{queue['name']}"] = {**said, "description": queue["description"] or ""}
    for row in api.post("/variables/filter", {"limit": 200}):
        found["variable", row["name"]] = {"value": row["value"], "tags": unmarked(row["tags"])}
    for row in api.post("/v2/concurrency_limits/filter", {"limit": 200}):
        if not row["name"].startswith("deployment:"):
            found["limit", row["name"]] = {name: row[name] for name in ("limit", "active", "slot_decay_per_second")}
    return found


def deployment_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    names = (
        "description", "entrypoint", "path", "pull_steps", "work_pool_name", "work_queue_name", "job_variables",
        "parameters", "parameter_openapi_schema", "enforce_parameter_schema", "paused", "concurrency_options",
    )  # fmt: skip
    limit = row["global_concurrency_limit"]
    schedules = {
        one["slug"]: {name: one[name] for name in ("schedule", "active", "parameters")} for one in row["schedules"]
    }
    return {
        **{name: row[name] for name in names},
        "tags": unmarked(row["tags"]),
        "limit": limit and limit["limit"],
        "schedules": schedules,
    }


def unmarked(tags: list[str]) -> list[str]:
    return [tag for tag in tags if not tag.startswith("managed-by:")]


def noted(said: Mapping[str, Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    """The fields that export says to be otherwise."""
    fields = {
        "description": [("deployment", "description")],
        "shared-limit": [("deployment", "limit"), ("deployment", "concurrency_options")],
        "queue": [("queue", "description")],
    }
    notes = [note for document in said.values() for note in document["notes"]]
    return {(kind, note["key"], name) for note in notes for kind, name in fields.get(note["code"], ())}


def test_the_two_servers_hold_the_same_but_for_what_is_said(both: Both) -> None:
    assert both.ours.keys() == both.stock.keys()
    differing = {
        (kind, key, name): (value, both.stock[kind, key][name])
        for (kind, key), fields in both.ours.items()
        for name, value in fields.items()
        if value != both.stock[kind, key][name] and not unread(name, value)
    }
    assert differing.keys() == noted(both.said), json.dumps(list(map(str, differing.items())), indent=1)


def unread(name: str, value: Any) -> bool:
    """Of code in another repository, which this machine cannot read, apply knows no parameters."""
    return name == "parameter_openapi_schema" and value in ({}, {"type": "object", "properties": {}})


def test_enough_is_compared(both: Both) -> None:
    kinds = [kind for kind, _ in both.ours]
    assert kinds.count("deployment") >= 25
    assert kinds.count("pool") >= 7
    assert sum(len(fields.get("schedules", ())) for fields in both.ours.values()) >= 19
    steps = both.ours["deployment", "basic-flow/Con pasos-dev"]
    assert steps["job_variables"]["env"]["EDICION"] == "v7 en {{ prefect.variables.servidor }}"
    assert [list(step) for step in steps["pull_steps"]][1:] == [["prefect.deployments.steps.pip_install_requirements"]]


def test_compare_tells_of_the_two_servers_what_export_said(both: Both, tmp_path: Path) -> None:
    """One by its profile, one by its address."""
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(f'[profiles.uno]\nPREFECT_API_URL = "{both.one.url}"\n', encoding="utf-8")
    asked = Tool(root=PROJECT, home=tmp_path / "home", settings={"PREFECT_PROFILES_PATH": str(profiles)})
    result = asked("compare", "--server", "uno", "--server", both.other.url, "--exit-code", "--json")
    assert result.code == 2, result.said
    found = {
        (change["kind"], change["key"], field["path"].partition(".")[0])
        for change in result.document["changes"]
        for field in change["fields"]
    }
    words = {"description": "description", "shared-limit": "concurrency_limit"}
    notes = [note for document in both.said.values() for note in document["notes"]]
    expected = {("deployment", note["key"], words[note["code"]]) for note in notes if note["code"] in words}
    pools = {("work-pool", note["key"].partition("/")[0], "queues") for note in notes if note["code"] == "queue"}
    # Of code in another repository apply knows no parameters, and what was deployed here is a placeholder's.
    assert {one for one in found if one[2] != "parameter_schema"} == expected | pools
    assert {change["action"] for change in result.document["changes"]} == {"update"}
    same = asked(
        "compare", "--server", "uno", "--server", both.one.url.replace("127.0.0.1", "localhost"), "--exit-code"
    )
    assert same.code == 0, same.said

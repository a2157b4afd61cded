"""This repository itself, as somebody has it after cloning: applied to the embedded server, then run by a worker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from end_to_end.api import Api
from end_to_end.tool import PROJECT, Result, Tool, prefect, worker
from servers import environment, prefect_server

pytestmark = pytest.mark.e2e

SECRET: Final = "valor-que-nadie-ve-5521"

RUN: Final = (
    "basic-flow/Hola mundo-dev",
    "main-flow/Subflujos en paralelo-dev",
    "runs/Ejecuciones del período-dev",
    "health/Salud del servidor-dev",
    "credentials-flow/Credenciales-dev",
    "logging-flow/Registro en archivo-dev",
)

CLEAN: Final = {"PYTHONDONTWRITEBYTECODE": "1"}
"""Nothing is to be left in the repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """Two applies to the embedded server, and where its database is."""

    home: Path
    first: Result
    second: Result
    spoken: Result


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Local:
    home = tmp_path_factory.mktemp("home")
    tool = Tool(root=PROJECT, home=home, settings=CLEAN)
    first, second = (tool("apply", "--local", "--yes", "--json") for _ in range(2))
    return Local(home=home, first=first, second=second, spoken=tool("plan", "--local"))


@pytest.fixture(scope="module")
def api(local: Local) -> Iterator[Api]:
    """A server on the database that the embedded one left."""
    with prefect_server(local.home) as url, Api(url, local.home) as client:
        yield client


def declared_names() -> set[str]:
    """The final names of all deployments, from the files as they stand."""
    environments = yaml.safe_load((PROJECT / "deployments" / "environments.yaml").read_text(encoding="utf-8"))
    found = set()
    for path in (PROJECT / "deployments").glob("*/*.yaml"):
        rules = environments["environments"].get(path.stem)
        entries = yaml.safe_load(path.read_text(encoding="utf-8")).get("deployments") if rules else None
        found |= {rules["name"].replace("{name}", name) for name in entries or ()}
    return found


def test_it_is_applied_to_the_embedded_server(local: Local) -> None:
    assert local.first.code == 0, local.first.said
    document = local.first.document
    assert {outcome["status"] for outcome in document["outcomes"]} == {"done"}
    assert document["summary"]["create"] == len(document["outcomes"]) >= 17
    assert {warning["code"] for warning in document["warnings"]} <= {"source-unreadable", "secret-missing"}
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api", document["target"])


def test_standard_error_has_no_stray_line(local: Local) -> None:
    assert local.first.err.strip().splitlines() == ["Starting Prefect's embedded server …"]


def test_a_second_apply_writes_nothing(local: Local) -> None:
    assert local.second.code == 0, local.second.said
    document = local.second.document
    assert (document["requests"]["write"], document["changes"], document["outcomes"]) == (0, [], [])
    assert document["summary"]["unchanged"] == local.first.document["summary"]["create"]


def test_a_plan_for_people_says_that_nothing_is_to_do(local: Local) -> None:
    assert local.spoken.code == 0, local.spoken.said
    assert local.spoken.out.startswith("Plan for http://127.0.0.1:")


def test_every_declared_deployment_stands_there(api: Api) -> None:
    standing = api.post("/deployments/filter", {"limit": 200})
    ours = {one["name"] for one in standing if any(tag.startswith("managed-by:") for tag in one["tags"])}
    assert ours == declared_names()
    pools = {pool["name"] for pool in api.post("/work_pools/filter", {"limit": 200})}
    assert pools >= {path.stem for path in (PROJECT / "pools").glob("*.yaml")}


def test_an_apply_to_a_server_of_that_database_writes_nothing(api: Api, local: Local) -> None:
    """Whether a server is the embedded one makes no difference to what is desired."""
    document = Tool(root=PROJECT, home=local.home, url=api.url, settings=CLEAN).apply("--env", "all")
    assert (document["requests"]["write"], document["changes"]) == (0, [])
    assert document["summary"]["unchanged"] == local.first.document["summary"]["create"]


@pytest.fixture(scope="module")
def runs(api: Api, local: Local, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run of each flow of this repository in dev, by a worker that is online when the first begins."""
    api.make_secret("clave-softland", SECRET)
    api.post("/variables/", {"name": "sql_server_softland", "value": "srv-sql"})
    home = tmp_path_factory.mktemp("worker")
    started = {key: api.start_run(key) for key in RUN}
    with worker("pool-dev", home=home, url=api.url, settings=CLEAN):
        return {key: api.wait_for_run(run) for key, run in started.items()}


@pytest.mark.parametrize("key", RUN)
def test_a_worker_runs_it_to_its_end(key: str, api: Api, runs: dict[str, Any]) -> None:
    assert runs[key]["state_name"] == "Completed", api.logs(runs[key]["id"])


def test_what_the_flows_did_is_in_their_logs(api: Api, runs: dict[str, Any]) -> None:
    api.wait_for_log(runs["basic-flow/Hola mundo-dev"]["id"], "Hola mundo desde desarrollo!")
    api.wait_for_log(runs["health/Salud del servidor-dev"]["id"], "pool-dev: worker-pool-dev")
    registered = runs["logging-flow/Registro en archivo-dev"]["id"]
    api.wait_for_log(registered, "Hola Córdoba: esto está en la interfaz y en otro.log")
    api.wait_for_log(registered, "La librería también saludó a Ñandú")
    credentials = runs["credentials-flow/Credenciales-dev"]["id"]
    api.wait_for_log(credentials, "sql_server_softland = srv-sql")
    api.wait_for_log(credentials, f"clave-softland was read: {len(SECRET)} characters")


def test_the_secret_is_nowhere_to_be_read(api: Api, runs: dict[str, Any]) -> None:
    api.wait_for_log(runs["credentials-flow/Credenciales-dev"]["id"], "Finished in state Completed()")
    assert SECRET not in api.everything()


def test_the_stock_command_line_takes_the_pull_steps_of_prefect_yaml(api: Api, local: Local) -> None:
    """In this folder, where nothing but `prefect.yaml` tells it where workers get the code."""
    arguments = ("deploy", "flows/examples/basic.py:basic_flow", "--name", "stock", "--pool", "pool-dev")
    environ = {**environment(local.home, api.url), **CLEAN}
    result = prefect("--no-prompt", *arguments, environ=environ, folder=PROJECT)
    assert result.code == 0, result.said
    standing = api.deployment("basic-flow/stock")
    project = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))
    assert standing["pull_steps"] == project["pull"]
    assert standing["entrypoint"] == "flows/examples/basic.py:basic_flow"
    # It is a stranger to the tool: told, and left alone.
    plan = Tool(root=PROJECT, home=local.home, url=api.url, settings=CLEAN).plan()
    assert "basic-flow/stock" in plan["foreign"]
    assert plan["changes"] == []

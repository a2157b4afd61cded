"""The commands of the day on a real server with a real worker: run, pause, resume, try."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from end_to_end.api import Api
from end_to_end.tool import Tool, run, wait_for, worker, write_tree
from git_server import GitServer

from reconcile.trials import user_name

pytestmark = pytest.mark.e2e

ZONE: Final = ZoneInfo("America/Argentina/Buenos_Aires")
KEY: Final = "tostar/Tostar café"
TRIAL: Final = f"tostar/Tostar café-try-{user_name(getpass.getuser())}"

FLOW: Final = """
import time

from prefect import flow, get_run_logger


@flow(name="tostar")
def tostar(minutos: int, grano: str = "fino", {more}pausa: float = 0) -> None:
    for line in range(3):
        get_run_logger().info("tostado %s {branch} %s, línea %s", minutos, grano, line)
    time.sleep(pausa)
    if minutos > 99:
        raise ValueError("quemado")
"""

FILES: Final = {
    "prefect.yaml": "name: tostadero\n",
    "deployments/environments.yaml": """
        default_timezone: America/Argentina/Buenos_Aires
        environments:
          dev: {name: "{name}-dev", work_pool: pool-tostadero-dev}
          prod: {name: "{name}", work_pool: "{area}-prod"}
        """,
    "deployments/tostadero/prod.yaml": """
        defaults: {source: repo}
        deployments:
          "Tostar café":
            entrypoint: src/tostar.py:tostar
            description: Tuesta.
            tags: [Tostado]
            schedules: {noche: {cron: "55 23 * * *"}}
            parameters: {minutos: 7}
          "Moler café":
            entrypoint: src/tostar.py:tostar
            description: Muele.
            schedules: {noche: {cron: "55 22 * * *"}}
            parameters: {minutos: 3}
        """,
    "pools/tostadero-prod.yaml": "type: process\n",
    "pools/pool-tostadero-dev.yaml": "type: process\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Roastery:
    """A repository that was applied to a server on which workers are at work."""

    tool: Tool
    api: Api
    git: GitServer


@pytest.fixture(scope="module")
def roastery(api: Api, git: GitServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roastery]:
    folder = tmp_path_factory.mktemp("tostadero")
    git.add_repository("tostadero", {"src/tostar.py": FLOW.format(more="", branch="main")})
    git.commit(
        "tostadero", {"src/tostar.py": FLOW.format(more="sal: bool = False, ", branch="arreglo")}, branch="arreglo"
    )
    shared = f'sources: {{repo: {{git: "{git.url_of("tostadero")}", branch: main}}}}\n'
    root = write_tree(folder / "repositorio", {**FILES, "deployments/shared.yaml": shared})
    tool = Tool(root=root, home=folder / "home", url=api.url, settings=git.environment())
    tool.apply("--env", "all")
    with (
        worker("tostadero-prod", home=folder / "w1", url=api.url, settings=git.environment()),
        worker("pool-tostadero-dev", home=folder / "w2", url=api.url, settings=git.environment()),
    ):
        yield Roastery(tool=tool, api=api, git=git)


def unchanged(roastery: Roastery) -> Any:
    """The plan, which has nothing to do, and names nothing that these commands left."""
    plan = roastery.tool.plan("--env", "all")
    assert plan["changes"] == []
    assert plan["orphans"] == []
    assert not [key for key in plan["foreign"] if "café" in key]
    return plan


# ---------------------------------------------------------------- run


def test_run_follows_a_run_to_its_end(roastery: Roastery) -> None:
    done = roastery.tool("run", "Tostar café", "--param", "grano=7", "--watch")
    assert done.code == 0, done.said
    assert [f"tostado 7 main 7, línea {line}" in done.out for line in range(3)] == [True, True, True]
    assert done.out.count("tostado 7 main 7, línea 1") == 1
    assert "/runs/flow-run/" in done.out
    assert "Completed" in done.out


def test_a_run_that_fails_exits_1(roastery: Roastery) -> None:
    tool = roastery.tool  # what the flow logs is a traceback, which the tool itself must never say
    command = tool.command("run", KEY, "--param", "minutos=100", "--watch", "--json")
    done = run(command, environ=tool.environ(), folder=tool.home)
    assert (done.code, done.document["run"]["state"]) == (1, "Failed")
    assert "quemado" in done.err
    assert roastery.api.get(f"/flow_runs/{done.document['run']['id']}")["parameters"]["minutos"] == 100


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["Tostar", "--json"], 1, "Tostar café"),
        (["Tostar café", "--param", "minutes=3"], 1, "minutos"),
        (["Tostar café", "--param", "minutos=poco"], 1, "minutos"),
        (["Tostar café", "--param", "minutos"], 64, "name=value"),
        (["Tostar café", "--at", "nunca"], 64, "18:30"),
        (["Tostar café", "--at", "2020-01-01 08:00"], 64, "is over"),
        (["Tostar café", "--local"], 64, "--local"),
    ],
)
def test_what_cannot_run_is_refused_and_nothing_is_started(
    arguments: list[str], code: int, word: str, roastery: Roastery
) -> None:
    before = {one["id"] for one in _manual(roastery)}
    done = roastery.tool("run", *arguments)
    assert done.code == code, done.said
    assert word in done.said
    assert {one["id"] for one in _manual(roastery)} == before


def _manual(roastery: Roastery) -> list[Any]:
    query = {"deployments": {"name": {"any_": ["Tostar café"]}}}
    return [one for one in roastery.api.post("/flow_runs/filter", query) if not one["auto_scheduled"]]


def test_a_moment_without_an_offset_is_of_buenos_aires(roastery: Roastery) -> None:
    later = (datetime.now(ZONE) + timedelta(days=2)).replace(hour=18, minute=30, second=0, microsecond=0)
    done = roastery.tool("run", KEY, "--at", f"{later:%Y-%m-%d %H:%M}", "--json")
    assert done.code == 0, done.said
    made = roastery.api.get(f"/flow_runs/{done.document['run']['id']}")
    assert datetime.fromisoformat(made["expected_start_time"]) == later
    assert made["state_type"] == "SCHEDULED"
    roastery.api.delete(f"/flow_runs/{made['id']}")


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to one process there")
def test_ctrl_c_ends_the_watching_of_a_run_that_waits(roastery: Roastery, tmp_path: Path) -> None:
    started = _watching_ended(roastery, tmp_path, ("--at", "+5h"), until="-- Scheduled")
    made = roastery.api.get(f"/flow_runs/{started}")
    assert made["state_type"] == "SCHEDULED"
    roastery.api.delete(f"/flow_runs/{started}")


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to one process there")
def test_ctrl_c_ends_the_watching_and_not_the_run(roastery: Roastery, tmp_path: Path) -> None:
    started = _watching_ended(roastery, tmp_path, ("--param", "pausa=12"), until="línea 2")
    assert roastery.api.wait_for_run(started)["state_type"] == "COMPLETED"


def _watching_ended(roastery: Roastery, folder: Path, arguments: tuple[str, ...], *, until: str) -> str:
    """Watch a run until something is told of it, end that with Ctrl-C, and say which run it was."""
    said = folder / "said"
    with said.open("wb") as out:
        process = subprocess.Popen(
            roastery.tool.command("run", KEY, *arguments, "--watch"),
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=roastery.tool.environ(), cwd=folder,
        )  # fmt: skip
    try:
        wait_for("what the run tells", lambda: until in said.read_text(encoding="utf-8"), timeout=90)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()
    text = said.read_text(encoding="utf-8")
    assert "the run goes on" in text
    assert "Traceback" not in text
    return text.split("/runs/flow-run/")[1].split()[0]


# ---------------------------------------------------------------- pause, resume


def test_an_incident_is_one_command_and_its_end_another(roastery: Roastery) -> None:
    tool, api = roastery.tool, roastery.api
    other = "tostar/Moler café"
    api.patch(f"/deployments/{api.deployment(other)['id']}", {"paused": True})  # in the UI, before
    assert tool("pause", "--area", "tostadero", "--reason", "x").code == 64  # nobody to ask
    assert api.deployment(KEY)["paused"] is False
    paused = tool("pause", "--area", "tostadero", "--reason", "Softland  no responde", "--yes", "--json")
    assert paused.code == 0, paused.said
    assert {row["key"]: row["status"] for row in paused.document["resources"]} == {KEY: "done", other: "skipped"}
    assert api.deployment(KEY)["paused"] is True
    wait_for("no coming run", lambda: not api.scheduled(KEY))
    holds = {hold["key"]: hold for hold in unchanged(roastery)["holds"]}
    assert (holds[KEY]["reason"], holds[KEY]["since"]) == ("Softland no responde", paused.document["since"])
    assert holds[KEY]["by"].startswith(getpass.getuser())
    assert "by" not in holds[other]
    shown = tool("status", "--env", "prod").out
    assert "Softland no responde" in shown
    assert getpass.getuser() in shown
    assert tool.apply("--env", "all")["requests"]["write"] == 0
    resumed = tool("resume", "--area", "tostadero", "--yes", "--json")
    assert {row["key"]: row["status"] for row in resumed.document["resources"]} == {KEY: "done", other: "skipped"}
    assert (api.deployment(KEY)["paused"], api.deployment(other)["paused"]) == (False, True)
    assert not [name for name in api.variables() if name.startswith("sync-holds-tostadero")]
    assert tool("resume", "Moler café", "--yes").code == 0
    assert api.deployment(other)["paused"] is False
    assert unchanged(roastery)["holds"] == []


def test_a_pool_is_paused_and_resumed(roastery: Roastery) -> None:
    tool, api = roastery.tool, roastery.api
    assert tool("pause", "--pool", "tostadero-prod", "--reason", "mantenimiento", "--yes").code == 0
    assert api.get("/work_pools/tostadero-prod")["is_paused"] is True
    [hold] = unchanged(roastery)["holds"]
    assert (hold["field"], hold["reason"]) == ("is_paused", "mantenimiento")
    assert "is paused" in tool("run", KEY, "--at", "+5h").err
    assert tool("resume", "--yes").code == 0  # everything that `pause` paused
    assert api.get("/work_pools/tostadero-prod")["is_paused"] is False
    assert unchanged(roastery)["holds"] == []
    assert not [name for name in api.variables() if name.startswith("sync-holds-tostadero")]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["pause", "--reason", "x", "--yes"], 64),
        (["pause", "--pool", "tostadero-prod", "--area", "tostadero", "--reason", "x", "--yes"], 64),
        (["pause", KEY, "--reason", " ", "--yes"], 64),
        (["pause", KEY, "--yes"], 64),
        (["pause", "Nadie", "--reason", "x", "--yes"], 1),
        (["pause", "--pool", "nadie", "--reason", "x", "--yes"], 1),
        (["resume", "--pool", "nadie", "--yes"], 1),
    ],
)
def test_what_cannot_be_paused_is_refused(arguments: list[str], code: int, roastery: Roastery) -> None:
    done = roastery.tool(*arguments)
    assert done.code == code, done.said
    assert roastery.api.deployment(KEY)["paused"] is False


def test_the_help_says_what_a_pause_does(roastery: Roastery) -> None:
    for command in ("pause", "resume"):
        said = run_help(roastery.tool, command)
        assert "none is caught up" in said
        assert "pile up" in said


def run_help(tool: Tool, command: str) -> str:
    return tool(command, "--help").out


# ---------------------------------------------------------------- try


def test_a_branch_is_tried_in_the_pool_for_development(roastery: Roastery) -> None:
    tool, api = roastery.tool, roastery.api
    tried = tool("try", "Tostar café", "--branch", "arreglo", "--param", "sal=true", "--run", "--watch", "--json")
    assert tried.code == 0, tried.said
    assert "tostado 7 arreglo fino" in tried.err
    assert (tried.document["try"]["key"], tried.document["try"]["branch"]) == (TRIAL, "arreglo")
    copy = api.deployment(TRIAL)
    assert (copy["schedules"], copy["work_pool_name"]) == ([], "pool-tostadero-dev")
    assert copy["parameters"] == {"minutos": 7, "sal": True}
    assert "sal" in copy["parameter_openapi_schema"]["properties"]
    unchanged(roastery)
    assert [one["key"] for one in tool("try", "--list", "--json").document["tries"]] == [TRIAL]
    assert tool("run", TRIAL, "--json", "--at", "+5h").code == 0
    assert tool("try", "--clean", "--yes", "--json").document == {"deleted": [TRIAL]}
    assert not api.has_deployment(TRIAL)
    assert api.has_deployment(KEY)


def test_a_branch_of_prefects_own_pull_steps_is_tried_and_the_other_steps_stay(
    roastery: Roastery, tmp_path: Path
) -> None:
    url = roastery.git.url_of("tostadero")
    clone = f'prefect.deployments.steps.git_clone: {{id: code, repository: "{url}", branch: main}}'
    folder = 'prefect.deployments.steps.set_working_directory: {directory: "{{ code.directory }}"}'
    shutil.copytree(roastery.tool.root, tmp_path / "r", ignore=shutil.ignore_patterns(".*"))
    root = write_tree(
        tmp_path / "r",
        {
            "prefect.yaml": f"name: tostadero\npull:\n  - {clone}\n  - {folder}\n",
            "deployments/tostadero/prod.yaml": FILES["deployments/tostadero/prod.yaml"].replace("source: repo", ""),
        },
    )
    tried = replace(roastery.tool, root=root)("try", KEY, "--branch", "arreglo", "--param", "sal=true")
    assert tried.code == 0, tried.said
    copy = roastery.api.deployment(TRIAL)
    [first, second] = copy["pull_steps"]
    assert first["prefect.deployments.steps.git_clone"] == {"id": "code", "repository": url, "branch": "arreglo"}
    assert list(second) == ["prefect.deployments.steps.set_working_directory"]
    assert "sal" in copy["parameter_openapi_schema"]["properties"]
    roastery.api.delete(f"/deployments/{copy['id']}")


@pytest.mark.long
def test_a_trial_whose_time_is_over_goes_with_the_next_apply(roastery: Roastery) -> None:
    tool, api = roastery.tool, roastery.api
    assert tool("try", KEY).code == 0
    copy = api.deployment(TRIAL)
    [mark] = [tag for tag in copy["tags"] if tag.startswith("try-of:")]
    old = f"{mark.rpartition('/')[0]}/{datetime.now(ZONE).date() - timedelta(days=1)}"
    api.patch(f"/deployments/{copy['id']}", {"tags": ["try", old]})
    assert tool("plan", "--env", "all", "--exit-code").code == 2
    [outcome] = tool.apply("--env", "all")["outcomes"]
    assert (outcome["key"], outcome["action"], outcome["status"]) == (TRIAL, "delete", "done")
    assert not api.has_deployment(TRIAL)
    unchanged(roastery)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["try"], 64),
        (["try", "Nadie"], 1),
        (["try", KEY, "--branch", "no-hay"], 1),
        (["try", KEY, "--branch", "-x"], 64),
        (["try", KEY, "--pool", "no-hay"], 1),
        (["try", KEY, "--param", "nada=1", "--run"], 1),
        (["try", "--list", "--clean"], 64),
        (["try", KEY, "--watch"], 64),
    ],
)
def test_what_cannot_be_tried_is_refused(arguments: list[str], code: int, roastery: Roastery) -> None:
    done = roastery.tool(*arguments)
    assert done.code == code, done.said
    assert not roastery.api.has_deployment(TRIAL)

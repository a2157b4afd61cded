"""From files to real runs: validate, plan, apply; a real worker runs flows of a folder and of git repositories with tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from end_to_end.api import Api
from end_to_end.tool import Tool, own_credentials, worker, write_tree
from git_server import GitServer

pytestmark = pytest.mark.e2e

ZONE: Final = ZoneInfo("America/Argentina/Buenos_Aires")
TOKEN: Final = "llave-del-taller-7f3a91c2"
OTHER_TOKEN: Final = "llave-de-github-b20d44e8"
WRONG_TOKEN: Final = "llave-equivocada-55aa55aa"

GOOD: Final[dict[str, dict[str, Any]]] = {
    "pintar/Pintar local": {"color": "azul añil", "manos": 2, "fecha": None},
    "lijar/Lijar desde git": {"grano": 120, "con_agua": True},
    "encerar/Encerar con GitHub": {"capas": ["fina", "gruesa"]},
}
"""Each deployment that must run to its end, and the parameters that it declares."""

WRONG: Final = "barnizar/Barnizar con otra llave"

FLOW = '''
from __future__ import annotations

import json
from pathlib import Path

from prefect import flow, get_run_logger


@flow(name="{name}")
def {name}({parameters}) -> None:
    """Write what was received into a file beside this source, and say it.

    Args:
        salida: The folder to write into.
    """
    received = {{{received}}}
    get_run_logger().info("%s", json.dumps(received))
    Path(salida, "{name}.json").write_text(json.dumps(received), encoding="utf-8")
'''


def flow_source(name: str, **parameters: str) -> str:
    """A flow that writes its parameters to a file; each is given with its annotation and default."""
    return FLOW.format(
        name=name,
        parameters=", ".join(["salida: str", *(f"{key}: {rest}" for key, rest in parameters.items())]),
        received=", ".join(f'"{key}": {key}' for key in parameters),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """A repository that was applied, what the tool said on the way, and where its flows write."""

    tool: Tool
    api: Api
    written: Path
    validated: Any
    planned: Any
    applied: Any


@pytest.fixture(scope="module")
def workshop(api: Api, git: GitServer, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("taller")
    written = folder / "escrito"
    written.mkdir()
    api.make_secret("llave-del-taller", TOKEN)
    api.make_github_credentials("llave-de-github", OTHER_TOKEN)
    api.make_secret("llave-equivocada", WRONG_TOKEN)
    git.add_repository(
        "taller",
        {
            "src/lijar.py": flow_source("lijar", grano="int = 80", con_agua="bool = False"),
            "src/barnizar.py": flow_source("barnizar"),
        },
        token=TOKEN,
    )
    git.add_repository("cera", {"src/encerar.py": flow_source("encerar", capas="list[str]")}, token=OTHER_TOKEN)
    root = write_tree(folder / "repositorio", _files(git, written))
    known = {git.url_of("taller"): TOKEN, git.url_of("cera"): OTHER_TOKEN}
    tool = Tool(
        root=root,
        home=folder / "home",
        url=api.url,
        settings={**git.environment(), **own_credentials(folder / "person.gitconfig", known)},
    )
    return Workshop(
        tool=tool,
        api=api,
        written=written,
        validated=tool("validate", "--json"),
        planned=tool("plan", "--json"),
        applied=tool("apply", "--yes", "--json"),
    )


def _files(git: GitServer, written: Path) -> dict[str, str]:
    salida = json.dumps(str(written))
    return {
        "prefect.yaml": """
            name: taller
            prefect-version: 3.8.8
            """,
        "deployments/environments.yaml": """
            default_timezone: America/Argentina/Buenos_Aires
            environments:
              prod: {work_pool: taller}
            """,
        "deployments/shared.yaml": f"""
            sources:
              aqui: {{path: .}}
              taller: {{git: "{git.url_of("taller")}", branch: main, token: {{secret: llave-del-taller}}}}
              cera: {{git: "{git.url_of("cera")}", branch: main, token: {{github_credentials: llave-de-github}}}}
              cerrado: {{git: "{git.url_of("taller")}", branch: main, token: {{secret: llave-equivocada}}}}
            schedules:
              noche: {{cron: "55 23 * * *"}}
            """,
        "deployments/muebles/prod.yaml": f"""
            defaults:
              tags: [Muebles]
            deployments:
              "Pintar local":
                source: aqui
                entrypoint: flows/pintar.py:pintar
                description: Pinta de noche.
                schedules: {{noche: {{}}}}
                parameters: {{salida: {salida}, color: azul añil, manos: 2, fecha: null}}
              "Lijar desde git":
                source: taller
                entrypoint: src/lijar.py:lijar
                schedules:
                  noche: {{}}
                  mañana: {{cron: "30 8 * * 1-5", parameters: {{grano: 40}}}}
                parameters: {{salida: {salida}, grano: 120, con_agua: true}}
              "Encerar con GitHub":
                source: cera
                entrypoint: src/encerar.py:encerar
                schedules:
                  cada-4-horas: {{interval: 4h, anchor_date: "2026-01-01T01:30:00"}}
                parameters: {{salida: {salida}, capas: [fina, gruesa]}}
              "Barnizar con otra llave":
                source: cerrado
                entrypoint: src/barnizar.py:barnizar
                parameters: {{salida: {salida}}}
            """,
        "pools/taller.yaml": """
            type: process
            concurrency_limit: 4
            """,
        "flows/pintar.py": flow_source("pintar", color="str", manos="int = 1", fecha='str | None = "hoy"'),
    }


def test_validate_finds_no_problem(workshop: Workshop) -> None:
    assert workshop.validated.code == 0
    assert workshop.validated.document == {"problems": []}


def test_plan_creates_everything_and_warns_of_nothing(workshop: Workshop) -> None:
    plan = workshop.planned.document
    assert workshop.planned.code == 0
    assert plan["target"] == workshop.api.url
    assert {(change["action"], change["kind"], change["key"]) for change in plan["changes"]} == {
        ("create", "work-pool", "taller"),
        *(("create", "deployment", key) for key in (*GOOD, WRONG)),
    }
    assert (plan["warnings"], plan["refusals"]) == ([], [])


def test_apply_does_it(workshop: Workshop) -> None:
    applied = workshop.applied.document
    assert workshop.applied.code == 0, workshop.applied.said
    assert {(outcome["key"], outcome["status"]) for outcome in applied["outcomes"]} == {
        (key, "done") for key in ("taller", *GOOD, WRONG)
    }
    assert applied["fingerprint"] == workshop.planned.document["fingerprint"]
    # A request for the pool, and two for each deployment, whose flow is new. Read before and with the lock, which is
    # taken and given back.
    requests, needed = applied["requests"], 1 + 2 * len((*GOOD, WRONG))
    assert requests["read"] == 18
    assert needed <= requests["write"] <= needed + 3  # a busy server is asked again
    assert requests["lock"] >= 2  # and renewed, on a slow machine


def test_what_stands_on_the_server_is_what_was_declared(workshop: Workshop) -> None:
    standing = workshop.api.deployment("lijar/Lijar desde git")
    assert standing["entrypoint"] == "src/lijar.py:lijar"
    assert standing["work_pool_name"] == "taller"
    assert set(standing["tags"]) == {"Muebles", "managed-by:taller/muebles/prod"}
    assert standing["enforce_parameter_schema"] is True
    properties = standing["parameter_openapi_schema"]["properties"]
    assert {name: (one["type"], one.get("default")) for name, one in properties.items()} == {
        "salida": ("string", None),
        "grano": ("integer", 80),
        "con_agua": ("boolean", False),
    }
    step = standing["pull_steps"][0]["prefect.deployments.steps.git_clone"]
    assert step["credentials"] == {"access_token": "{{ prefect.blocks.secret.llave-del-taller }}"}


def test_a_second_apply_writes_nothing_and_every_id_stays(workshop: Workshop) -> None:
    keys = [key for key in GOOD if workshop.api.schedule_ids(key)]
    assert len(keys) == 3
    before = {key: _ids(workshop.api, key) for key in keys}
    applied = workshop.tool.apply()
    assert applied["requests"]["write"] == 0
    assert applied["changes"] == []
    assert applied["summary"]["unchanged"] == 5
    assert {key: _ids(workshop.api, key) for key in keys} == before


def _ids(api: Api, key: str) -> tuple[dict[str, str], set[str]]:
    """Of the schedules, and of the runs that are scheduled already."""
    return api.schedule_ids(key), {run["id"] for run in api.wait_for_scheduled(key, 3)}


def test_runs_are_scheduled_for_every_night_in_buenos_aires(workshop: Workshop) -> None:
    times = _times(workshop.api.wait_for_scheduled("pintar/Pintar local", 3))
    assert times[:3] == _coming_nights(3)
    assert {(moment.hour, moment.minute, moment.second) for moment in times} == {(2, 55, 0)}


def test_runs_of_two_schedules_carry_their_own_parameters(workshop: Workshop) -> None:
    runs = workshop.api.wait_for_scheduled("lijar/Lijar desde git", 6)
    nights = [run for run in runs if run["parameters"]["grano"] == 120]
    mornings = [run for run in runs if run["parameters"]["grano"] == 40]
    assert _times(nights)[:3] == _coming_nights(3)
    assert len(nights) + len(mornings) == len(runs)
    for moment in _times(mornings):
        there = moment.astimezone(ZONE)
        assert (there.hour, there.minute) == (8, 30)
        assert there.weekday() < 5
        assert (moment.hour, moment.minute) == (11, 30)


def test_runs_of_an_interval_stand_on_its_anchor(workshop: Workshop) -> None:
    anchor = datetime(2026, 1, 1, 1, 30, tzinfo=ZONE)
    times = _times(workshop.api.wait_for_scheduled("encerar/Encerar con GitHub", 3))
    assert all((moment - anchor) % timedelta(hours=4) == timedelta(0) for moment in times)
    assert times[1] - times[0] == timedelta(hours=4)


def _times(runs: list[Any]) -> list[datetime]:
    return [datetime.fromisoformat(run["expected_start_time"]) for run in runs]


def _coming_nights(number: int) -> list[datetime]:
    """The next nights at 23:55 in Buenos Aires, in UTC."""
    today = datetime.now(ZONE).date()
    nights = [datetime.combine(today + timedelta(days=day), time(23, 55), tzinfo=ZONE) for day in range(number + 1)]
    return [night.astimezone(UTC) for night in nights if night > datetime.now(UTC)][:number]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The runs, each over, and what the worker said."""

    runs: dict[str, Any]
    said: str


@pytest.fixture(scope="module")
def ended(workshop: Workshop, git: GitServer, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run of each deployment, by a worker that has no git credentials of its own."""
    api, home = workshop.api, tmp_path_factory.mktemp("worker")
    started = {key: api.start_run(key) for key in (*GOOD, WRONG)}
    with worker("taller", home=home, url=api.url, settings=git.environment()) as log:
        runs = {key: api.wait_for_run(run) for key, run in started.items()}
    return Ended(runs=runs, said=log.read_text(encoding="utf-8", errors="replace"))


@pytest.mark.parametrize("key", GOOD)
def test_a_worker_runs_it_with_the_declared_parameters(key: str, workshop: Workshop, ended: Ended) -> None:
    run = ended.runs[key]
    assert run["state_name"] == "Completed", workshop.api.logs(run["id"])
    assert run["parameters"] == {"salida": str(workshop.written), **GOOD[key]}
    written = workshop.written / f"{key.partition('/')[0]}.json"
    assert json.loads(written.read_text(encoding="utf-8")) == GOOD[key]
    workshop.api.wait_for_log(run["id"], json.dumps(GOOD[key]))


def test_a_worker_with_a_wrong_token_gets_nothing(workshop: Workshop, ended: Ended, git: GitServer) -> None:
    run = ended.runs[WRONG]
    assert run["state_type"] in {"CRASHED", "FAILED"}
    assert not (workshop.written / "barnizar.json").exists()
    refused = [request for request in git.requests if request.token == WRONG_TOKEN]
    assert refused
    assert {request.status for request in refused} == {401}


def test_the_tokens_are_nowhere_to_be_read(workshop: Workshop, ended: Ended) -> None:
    assert git_tokens_known(workshop.api)
    for key in GOOD:
        workshop.api.wait_for_log(ended.runs[key]["id"], "Finished in state Completed()")
    seen = [
        workshop.api.everything(),
        ended.said,
        json.dumps(list(ended.runs.values())),
        *(result.said for result in (workshop.validated, workshop.planned, workshop.applied)),
        workshop.tool("plan", "--read-source-secrets").said,
        workshop.tool("status").said,
        *(workshop.tool("show", key).said for key in GOOD),
    ]
    for token in (TOKEN, OTHER_TOKEN, WRONG_TOKEN):
        assert not any(token in text for text in seen), token


def git_tokens_known(api: Api) -> bool:
    """That the search would find them: the server does keep them, where they belong."""
    path = "/block_types/slug/secret/block_documents/name/llave-del-taller?include_secrets=true"
    return bool(api.get(path)["data"]["value"] == TOKEN)

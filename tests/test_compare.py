"""`compare`: what would make one server like another, in the words of a plan."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from reconcile.cli import main
from reconcile.commands.comparing import compared, target_named
from reconcile.errors import ReconcileError, UsageError
from reconcile.model import (
    ConcurrencyLimit,
    Cron,
    Deployment,
    GlobalLimit,
    Mark,
    Schedule,
    Secret,
    State,
    Variable,
    WorkPool,
    WorkQueue,
)
from reconcile.plan import Action, Plan

NIGHT = Schedule(slug=None, timing=Cron(cron="55 23 * * *", timezone="UTC"), active=True, id="s1")
POOL = WorkPool(
    name="p", type="process", is_paused=False, job_template={"variables": {}}, queues=(WorkQueue(name="q"),)
)
ONE = Deployment(
    flow="f",
    name="d",
    entrypoint="a.py:f",
    parameter_schema={},
    work_pool="p",
    schedules=(NIGHT,),
    paused=False,
    id="1",
)
STATE = State(
    pools={"p": POOL},
    deployments={"f/d": ONE},
    variables={"v": Variable(name="v", value=1)},
    limits={"l": GlobalLimit(name="l", limit=2)},
)


def against(other: State) -> Plan:
    return compared(STATE, other, one="A", other="B")


def only(plan: Plan) -> tuple[Action, list[tuple[str, object, object]]]:
    (change,) = plan.changes
    return change.action, [(field.path, field.before, field.after) for field in change.fields]


def deployment(**fields: object) -> State:
    return replace(STATE, deployments={"f/d": replace(ONE, **fields)})  # type: ignore[arg-type]


def test_the_same_is_the_same_whoever_manages_it() -> None:
    plan = against(deployment(mark=Mark(project="x", area="y", environment="z"), version="abc", id="2"))
    assert (plan.changes, plan.unchanged, plan.warnings) == ((), 4, ())


def test_what_the_other_has_beyond_is_taken_away() -> None:
    limit = deployment(concurrency_limit=ConcurrencyLimit(limit=3))
    action, fields = only(against(limit))
    assert action is Action.UPDATE
    assert [(path, after) for path, _, after in fields] == [("concurrency_limit", None)]


def test_a_pause_is_a_difference() -> None:
    assert only(against(deployment(paused=True))) == (Action.UPDATE, [("paused", True, False)])


def test_schedules_without_names_are_told_apart_by_what_they_say() -> None:
    other = replace(NIGHT, id="s2", timing=Cron(cron="0 1 * * *", timezone="UTC"))
    _, fields = only(against(deployment(schedules=(other,))))
    assert [path for path, _, _ in fields] == ["schedules.at 23:55 every day, UTC", "schedules.at 01:00 every day, UTC"]


def test_that_a_schedule_has_a_name_on_one_server_alone_is_no_difference() -> None:
    named = replace(NIGHT, id="s2", slug="noche")
    assert against(deployment(schedules=(named,))).is_empty
    assert compared(deployment(schedules=(named,)), STATE, one="A", other="B").is_empty
    both = deployment(schedules=(named, NIGHT))
    _, fields = only(against(both))
    assert [(path, after) for path, _, after in fields] == [("schedules.at 23:55 every day, UTC", None)]


def test_what_stands_on_one_only_is_made_or_deleted() -> None:
    plan = against(replace(STATE, deployments={}, variables={"w": Variable(name="w", value=1)}))
    found = [(change.action, str(change.key)) for change in plan.changes]
    assert found == [(Action.CREATE, "v"), (Action.DELETE, "w"), (Action.CREATE, "f/d")]
    assert plan.unchanged == 2


def test_a_queue_that_is_only_there() -> None:
    queues = (*POOL.queues, WorkQueue(name="r", priority=2))
    action, fields = only(against(replace(STATE, pools={"p": replace(POOL, queues=queues)})))
    assert (action, [path for path, _, _ in fields]) == (Action.UPDATE, ["queues.r"])


def test_a_pool_of_another_type_is_said() -> None:
    plan = against(replace(STATE, pools={"p": replace(POOL, type="docker")}))
    assert [notice.code for notice in plan.warnings] == ["pool-type"]


def test_a_block_is_only_told() -> None:
    plan = against(replace(STATE, secrets={"secret/x": Secret(name="x")}))
    assert (plan.changes, [notice.message for notice in plan.warnings]) == (
        (),
        ["The block secret/x stands on B and not on A."],
    )


def test_a_server_by_its_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = tmp_path / "profiles.toml"
    profiles.write_text('[profiles.prod]\nPREFECT_API_URL = "http://srv:4200/api"\n[profiles.nada]\n', encoding="utf-8")
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(profiles))
    monkeypatch.setenv("PREFECT_API_URL", "http://otro:1/api")
    assert target_named("prod").url == "http://srv:4200/api"
    assert target_named("https://aqui/api").url == "https://aqui/api"
    with pytest.raises(UsageError):
        target_named("nada")
    with pytest.raises(ReconcileError):
        target_named("no-hay")


@pytest.mark.parametrize(
    ("servers", "code", "said"),
    [
        (("no-hay", "http://127.0.0.1:9/api"), 64, "Profiles are: dos, otra, prod"),
        (("ftp://srv", "prod"), 1, "--server should be like"),
        (("http://127.0.0.1:9/api", "otra"), 1, "The server at http://127.0.0.1:9/api (--server) cannot be reached"),
        (("prod", "dos"), 64, "Both name one server"),
    ],
)
def test_what_is_no_server_is_told_in_one_message(
    *,
    servers: tuple[str, str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = "PREFECT_API_URL = 'http://127.0.0.1:9/api/'"
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(
        f"[profiles.prod]\n{one}\n[profiles.dos]\n{one}\n[profiles.otra]\nPREFECT_API_URL = 'http://127.0.0.1:8/api'\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(profiles))
    assert main(["compare", "--server", servers[0], "--server", servers[1], "--json"]) == code
    error = json.loads(capsys.readouterr().out)["error"]
    assert said in f"{error['message']} {error['hint']}"
    assert "--local" not in error["hint"]
    assert "PREFECT_API_URL" not in error["hint"]


def test_it_takes_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--server", "http://uno/api", "--json"]) == 64
    assert "twice" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_what_the_tool_keeps_and_copies_for_trial_are_no_difference() -> None:
    copy = replace(ONE, name="d-try-ana", tags=("try-of:p/ana/2026-12-01",), id="2")
    kept = {name: Variable(name=name, value="{}") for name in ("sync-lock-p", "sync-holds-p")}
    there = replace(
        STATE,
        deployments={**STATE.deployments, "f/d-try-ana": copy},
        variables={**STATE.variables, **kept},
    )
    assert against(there).changes == ()
    assert compared(there, STATE, one="A", other="B").changes == ()

"""The commands of the day, as far as they need no server: parameters, moments, holds, trials, what is followed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import builders as a
import pytest

from reconcile.commands.following import follow
from reconcile.commands.holding import AWAY, STOPPED, Done, switch_all
from reconcile.commands.judging import without_old_trials
from reconcile.commands.parameters import check_run, given_parameters
from reconcile.commands.starting import link_to, moment_of
from reconcile.diff import difference
from reconcile.errors import ExitCode, ReconcileError, ServerError, ServerUnreachableError, UsageError
from reconcile.holds import Record, new_records, pruned_records, record_for, records_of, with_reasons
from reconcile.model import Deployment, Kind, Mark, State, Variable
from reconcile.plan import Action, Hold, Plan
from reconcile.pull import GIT_CLONE, SET_WORKING_DIRECTORY, steps_on_branch
from reconcile.trials import Trial, trial_name, trial_of, user_name
from reconcile.wire import Request

ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)  # noon in Buenos Aires

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["anio"],
    "properties": {
        "anio": {"type": "string"},
        "manos": {"type": "integer"},
        "hasta": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "modo": {"$ref": "#/definitions/Modo"},
        "capas": {"type": "array", "items": {"type": "string"}},
    },
    "definitions": {"Modo": {"enum": ["rápido", "lento"]}},
}


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("anio=2026", "2026"),
        ("manos=2", 2),
        ("hasta=null", None),
        ("hasta=2026-01-01T00:00:00", "2026-01-01T00:00:00"),
        ("modo=rápido", "rápido"),
        ('capas=["fina", "2"]', ["fina", "2"]),
        ("anio=a=b", "a=b"),
        ("anio=", ""),
        ("otro=[1]", [1]),
    ],
)
def test_a_parameter_is_read_as_its_schema_takes_it(text: str, value: Any) -> None:
    assert given_parameters([text], SCHEMA) == {text.partition("=")[0]: value}


@pytest.mark.parametrize("texts", [["anio"], ["=3"], ["anio=1", "anio=2"]])
def test_what_is_no_parameter_is_wrong_usage(texts: list[str]) -> None:
    with pytest.raises(UsageError):
        given_parameters(texts, SCHEMA)


@pytest.mark.parametrize(
    ("given", "word", "hint"),
    [
        ({"anios": "2026", "anio": "1"}, "'anios'", "anio"),
        ({}, "'anio'", "--param anio="),
        ({"anio": "1", "manos": "dos"}, "'manos'", ""),
        ({"anio": "1", "modo": "otro"}, "'modo'", ""),
    ],
)
def test_parameters_that_do_not_fit_are_refused_by_name(given: Mapping[str, Any], word: str, hint: str) -> None:
    with pytest.raises(ReconcileError) as refused:
        check_run(given, {}, SCHEMA, enforced=True)
    assert word in refused.value.message
    assert hint in refused.value.hint
    assert check_run(given, {}, SCHEMA, enforced=False)


def test_the_parameters_of_the_deployment_count_too() -> None:
    assert check_run({"manos": 3}, {"anio": "2026"}, SCHEMA, enforced=True) == []


def test_without_a_schema_it_is_said_that_nothing_was_checked() -> None:
    assert check_run({"x": 1}, {}, {"type": "object", "properties": {}}, enforced=True)


# ---------------------------------------------------------------- moments and links


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("18:30", datetime(2026, 11, 23, 21, 30, tzinfo=UTC)),
        ("9:05", datetime(2026, 11, 24, 12, 5, tzinfo=UTC)),
        ("2026-12-01 18:30", datetime(2026, 12, 1, 21, 30, tzinfo=UTC)),
        ("2026-12-01T18:30:00+00:00", datetime(2026, 12, 1, 18, 30, tzinfo=UTC)),
        ("+30m", NOW + timedelta(minutes=30)),
    ],
)
def test_a_moment_without_an_offset_is_of_the_default_zone(text: str, moment: datetime) -> None:
    assert moment_of(text, NOW, ZONE) == moment


@pytest.mark.parametrize("text", ["mañana", "25:00", "+", "2026-11-23 11:00", "2026-13-01", "", "9999-12-31T23:59:59"])
def test_what_is_no_moment_to_come_is_wrong_usage(text: str) -> None:
    if text.startswith("9999"):  # the last hours of the last year are no moment in UTC
        with pytest.raises(UsageError):
            moment_of(text, NOW, ZONE)
        return
    with pytest.raises(UsageError):
        moment_of(text, NOW, ZONE)


def test_the_link_is_of_the_ui(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_UI_URL", raising=False)
    assert link_to("http://srv:4200/api", "x") == "http://srv:4200/runs/flow-run/x"
    monkeypatch.setenv("PREFECT_UI_URL", "https://prefect.example/ui/")
    assert link_to("http://srv:4200/api", "x") == "https://prefect.example/ui/runs/flow-run/x"


# ---------------------------------------------------------------- holds


def record(number: int = 1, **more: Any) -> Record:
    ids = frozenset(str(uuid4()) for _ in range(number))
    fields = {"name": "", "by": "ana on pc", "since": "2026-11-23T10:00:00+00:00", "reason": "se cayó", **more}
    return Record(**{"deployments": ids, **fields})


def as_variables(records: list[Record]) -> list[Variable]:
    return [Variable(name=one.name, value=one.value, id=str(uuid4())) for one in records]


def test_a_record_comes_back_as_it_was_written_however_long() -> None:
    whole = record(730, pools=frozenset({str(uuid4())}), reason="😀" * 200)
    parts = list(new_records("ventas", whole))
    assert len(parts) == 13
    assert all(len(json.dumps(part.value)) <= 5000 for part in parts)
    back = records_of(as_variables(parts), "ventas")
    assert frozenset().union(*(one.deployments for one in back)) == whole.deployments
    assert frozenset().union(*(one.pools for one in back)) == whole.pools
    assert {(one.by, one.since, one.reason) for one in back} == {(whole.by, whole.since, whole.reason)}


def test_another_projects_records_and_other_variables_are_left_out() -> None:
    mine = as_variables(list(new_records("a", record())))
    other = as_variables(list(new_records("a-b", record())))
    values: tuple[Any, ...] = (None, 3, {"by": 1}, [], "x")
    odd = [Variable(name=f"sync-holds-a-{'0' * 12}", value=value) for value in values]
    assert [one.name for one in records_of([*mine, *other, *odd], "a")] == [mine[0].name]


def test_the_last_record_of_a_thing_counts() -> None:
    one = record()
    [held] = one.deployments
    later = replace(one, since="2026-11-23T12:00:00+00:00", reason="otra vez")
    found = records_of(as_variables([*new_records("a", later), *new_records("a", one)]), "a")
    assert (last := record_for(found, Kind.DEPLOYMENT, held)) is not None
    assert last.reason == "otra vez"
    assert record_for(found, Kind.WORK_POOL, held) is None


def test_what_is_not_held_any_more_is_forgotten_and_no_more() -> None:
    first, second = record(2), record(1)
    kept = min(first.deployments)
    [(_, left), (_, empty)] = pruned_records([first, second], deployments=[kept], pools=[])
    assert left.deployments == {kept}
    assert not empty.deployments
    assert list(pruned_records([left], deployments=[kept], pools=[])) == []


def test_a_hold_says_who_and_why_only_where_it_was_written_down() -> None:
    paused = replace(a.deployment(), paused=True, id=str(uuid4()))
    [written] = new_records("ventas", record(deployments=frozenset({paused.id})))
    [variable] = as_variables([written])
    standing = State(deployments={paused.key.name: paused}, variables={variable.name: variable})
    holds = (
        Hold(key=paused.key, field="paused", value=True),
        Hold(key=paused.key, field="schedules.x.active", value=False),
    )
    told = with_reasons(Plan(target="t", holds=holds), standing, "ventas").holds
    assert (told[0].by, told[0].reason, told[0].since) == ("ana on pc", "se cayó", "2026-11-23T10:00:00+00:00")
    assert (told[1].by, told[1].reason) == (None, None)
    assert with_reasons(Plan(target="t", holds=holds), standing, "otro").holds[0].by is None


# ---------------------------------------------------------------- trials


def trial(until: date, project: str = "p", **more: Any) -> Deployment:
    mark = Trial(project=project, user="ana", until=until)
    return replace(a.deployment(), name="x-try-ana", tags=("try", mark.tag), mark=None, id=str(uuid4()), **more)


def test_a_trial_is_known_by_its_mark_alone() -> None:
    one = trial(date(2026, 11, 30))
    assert trial_of(one) == Trial(project="p", user="ana", until=date(2026, 11, 30))
    assert trial_of(replace(one, tags=("try", "try-of:p/ana/2026-13-45"))) is None
    assert trial_of(replace(one, tags=("try",))) is None
    assert trial_of(replace(one, mark=Mark(project="p", area="a", environment="e"))) is None


def test_a_trial_is_no_orphan_and_not_foreign_and_another_projects_is() -> None:
    one, other = trial(date(2026, 11, 30)), replace(trial(date(2026, 11, 30), "q"), name="y-try-ana")
    observed = State(deployments={one.key.name: one, other.key.name: other})
    found = difference(State(), observed, replace(a.selection(State()), project="p"))
    assert (found.orphans, found.changes, found.foreign) == ((), (), (other.key,))


@pytest.mark.parametrize(("day", "deleted"), [(date(2026, 11, 30), 0), (date(2026, 12, 1), 1)])
def test_apply_deletes_a_trial_once_its_last_day_is_over(day: date, deleted: int) -> None:
    one = trial(date(2026, 11, 30))
    observed = State(deployments={one.key.name: one})
    plan = without_old_trials(Plan(target="t"), observed, "p", day)
    assert [change.action for change in plan.changes] == [Action.DELETE] * deleted
    assert [notice.code for notice in plan.warnings] == ["try-over"] * deleted
    assert without_old_trials(Plan(target="t"), observed, "q", day).is_empty


@pytest.mark.parametrize(
    ("login", "name"),
    [("ana", "ana"), ("EMPRESA\\José Pérez", "jos-p-rez"), ("a.b@c", "a-b-c"), ("ñ", "somebody"), ("", "somebody")],
)
def test_a_login_becomes_part_of_a_name(login: str, name: str) -> None:
    assert user_name(login) == name
    assert trial_name("Cierre", user_name(login)) == f"Cierre-try-{name}"


# ---------------------------------------------------------------- following


class Run:
    """A run that logs: each look sees one state more, and the logs of that moment, some of them late."""

    def __init__(self, looks: list[tuple[str, list[tuple[int, str]]]]) -> None:
        self.looks = looks
        self.at = -1

    def get(self, path: str) -> Any:
        self.at = min(self.at + 1, len(self.looks) - 1)
        kind = self.looks[self.at][0]
        return {"state_type": kind, "state": {"name": kind.title(), "message": ""}}

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        logs = sorted(row for _, rows in self.looks[: self.at + 1] for row in rows)
        since = body["logs"].get("timestamp", {}).get("after_")
        rows = [{"id": text, "message": text, "level": 20, "timestamp": self.moment(second)} for second, text in logs]
        rows = [row for row in rows if since is None or row["timestamp"] > since]
        return rows[body["offset"] : body["offset"] + body["limit"]]

    @staticmethod
    def moment(second: int) -> str:
        return (NOW + timedelta(seconds=second)).isoformat()


def test_every_log_is_told_once_the_late_ones_too() -> None:
    many = [(10, f"n{number:03}") for number in range(450)]
    run = Run(
        [("PENDING", []), ("RUNNING", [(5, "b"), *many]), ("RUNNING", [(3, "a, late")]), ("COMPLETED", [(11, "z")])]
    )
    told: list[str] = []
    ended = follow(run, "x", lambda log: told.append(str(log.get("message") or log.get("state"))), lambda _: None)
    assert ended["state_type"] == "COMPLETED"
    assert [one for one in told if one in {"Pending", "Running", "Completed"}] == ["Pending", "Running", "Completed"]
    assert sorted(told) == sorted(["Pending", "Running", "Completed", "b", "a, late", "z", *(text for _, text in many)])


# ---------------------------------------------------------------- a server that goes away in between


class _Dying:
    """A server that takes the first requests, and answers what comes after with an error."""

    def __init__(self, takes: int, error: BaseException) -> None:
        self.takes, self.error, self.seen = takes, error, 0

    def write(self, request: Request) -> Mapping[str, Any]:
        self.seen += 1
        if self.seen == self.takes + 1:
            raise self.error
        return {}


def _five() -> list[Deployment]:
    return [a.deployment(name=f"Cierre {number}") for number in range(5)]


@pytest.mark.parametrize(
    ("error", "why", "code"),
    [
        (ServerUnreachableError("No answer."), AWAY, ExitCode.FAILED),
        (KeyboardInterrupt(), STOPPED, ExitCode.INTERRUPTED),
    ],
)
def test_a_pause_that_is_cut_off_says_what_was_done_and_what_not(
    error: BaseException, why: str, code: ExitCode
) -> None:
    done, server = Done(action="paused"), _Dying(2, error)
    assert not switch_all(server, _five(), done, paused=True)
    assert [row["status"] for row in done.rows] == ["done", "done", "failed", "failed", "failed"]
    assert [row["why"] for row in done.rows[3:]] == [why, why]
    assert (server.seen, done.code) == (3, code)


def test_one_that_the_server_refuses_does_not_keep_the_others_from_being_paused() -> None:
    done = Done(action="paused")
    assert switch_all(_Dying(2, ServerError("It was refused.")), _five(), done, paused=True)
    assert [row["status"] for row in done.rows] == ["done", "done", "failed", "done", "done"]
    assert done.code is ExitCode.FAILED


# ---------------------------------------------------------------- values that no request and no calendar takes


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", '"\\ud800"', "[1, NaN]"])
def test_a_value_that_json_cannot_carry_is_a_text(text: str) -> None:
    assert given_parameters([f"x={text}"], {}) == {"x": text}


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageError, match="no text"):
        given_parameters(["x=caf\udce9"], {})


@pytest.mark.parametrize(
    "text", ["0001-01-01", "0001-01-01T00:00+00:00", "+99999999999h", "+99999d", "9999-12-31 23:59"]
)
def test_a_moment_at_the_end_of_all_calendars_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        moment_of(text, NOW, ZONE)


def test_on_a_branch_only_the_last_clone_is_another() -> None:
    clone = {"id": "code", "repository": "https://git.example/a.git", "branch": "main", "commit_sha": "a" * 40}
    tools = {GIT_CLONE: {"repository": "https://git.example/tools.git", "branch": "main"}}
    there = {SET_WORKING_DIRECTORY: {"directory": "{{ code.directory }}/flows"}}
    changed = {"id": "code", "repository": "https://git.example/a.git", "branch": "arreglo"}
    assert steps_on_branch((tools, {GIT_CLONE: clone}, there), "arreglo") == (tools, {GIT_CLONE: changed}, there)
    assert clone["branch"] == "main"

"""The due-soon guard on the fake server: which runs a change would wipe, how long it waits, and what is told afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import builders as a
import pytest
from fake_gateway import FakeGateway

from reconcile.apply import apply, never
from reconcile.commands.guard import Guard, Pace
from reconcile.diff import difference
from reconcile.due import Run, Wipes, at_stake, awaited, missing, read_run, standing_of, wipes
from reconcile.errors import ServerAnswerError
from reconcile.model import Deployment, Schedule, State
from reconcile.observed import observed
from reconcile.plan import Action, Change, FieldChange, Notice, Outcome, Plan, Status
from reconcile.rules import Rules, rules_of

pytest.register_assert_rewrite("roundtrips")

from roundtrips import apply_all  # noqa: E402

KEY = "basic-flow/Despliegue básico"
SOON, LATER = timedelta(seconds=20), timedelta(hours=3)


@dataclass(slots=True)
class World:
    """A fake server with a deployment that was applied, and a clock that goes on when somebody waits."""

    server: FakeGateway = field(default_factory=FakeGateway)
    said: list[str] = field(default_factory=list)
    waited: float = 0.0
    rules: Mapping[str, Rules] = field(default_factory=dict)

    def pause(self, seconds: float) -> None:
        self.waited = round(self.waited + seconds, 6)
        self.server.time += timedelta(seconds=seconds)

    def every(self, seconds: float, after: timedelta, slug: str = "cada-tanto") -> Schedule:
        """A schedule that first runs so long from now."""
        anchor = (self.server.time + after).astimezone(ZoneInfo(a.ZONE)).isoformat()
        return a.schedule(slug, a.interval(seconds, anchor=anchor))

    def stand(self, *deployments: Deployment) -> None:
        apply_all(a.state(*deployments), self.server)
        self.server.requests.clear()

    def plan(self, *deployments: Deployment) -> Plan:
        found, _ = a.compared(a.state(*deployments), self.server.read())
        return a.plan_of(found)

    def removal(self) -> Plan:
        """A plan that deletes what stands."""
        changes = [
            Change(action=Action.DELETE, key=one.key, declaration=None, observed=one)
            for one in observed(self.server.read()).deployments.values()
        ]
        return Plan(target="", changes=tuple(changes))

    def apply(
        self, plan: Plan, *, stop: Callable[[], bool] = never, even_if_running: bool = False
    ) -> tuple[list[Outcome], tuple[Notice, ...]]:
        guard = Guard(
            self.server, self.rules, say=self.said.append, even_if_running=even_if_running,
            pace=Pace(now=lambda: self.waited, pause=self.pause),
        )  # fmt: skip
        guard.begin(plan)
        flows = observed(self.server.read()).flows
        outcomes = list(
            apply(plan, self.server, flows=flows, commit=a.COMMIT, stop=stop, ready=lambda one: guard(one, stop))
        )
        return outcomes, guard.check(outcomes, stop)

    def due(self) -> list[tuple[str, datetime]]:
        """Every run there ever was: its state, and its time."""
        only = observed(self.server.read()).deployments[KEY].id
        rows = self.server.rows("/flow_runs/filter", {"deployments": {"id": {"any_": [only]}}, "flow_runs": {}})
        return sorted((row["state_type"], datetime.fromisoformat(row["expected_start_time"])) for row in rows)


@pytest.fixture
def world() -> World:
    return World()


def statuses(outcomes: list[Outcome]) -> list[Status]:
    return [outcome.status for outcome in outcomes]


# ---------------------------------------------------------------- before a change


def test_a_change_far_from_every_run_does_not_wait(world: World) -> None:
    schedules = (world.every(14400, LATER),)
    world.stand(a.deployment(schedules=schedules))
    outcomes, notices = world.apply(world.plan(a.deployment(schedules=schedules, description="otra")))
    assert (statuses(outcomes), notices, world.waited, world.said) == ([Status.DONE], (), 0.0, [])


def test_a_change_shortly_before_a_run_waits_until_it_has_started(world: World) -> None:
    schedules = (world.every(3600, SOON),)
    due = world.server.time + SOON
    world.stand(a.deployment(schedules=schedules))
    world.server.scheduler.worker = True
    world.server.scheduler.lag = timedelta(seconds=5)
    outcomes, notices = world.apply(world.plan(a.deployment(schedules=schedules, description="otra")))
    assert (statuses(outcomes), notices) == ([Status.DONE], ())
    assert 20 <= world.waited < 25
    assert [time for state, time in world.due() if state == "RUNNING"] == [due]
    assert next(time for state, time in world.due() if state == "SCHEDULED") == due + timedelta(hours=1)
    assert len(world.said) == 1
    assert KEY in world.said[0]


def test_a_run_that_no_worker_takes_is_not_wiped_either(world: World) -> None:
    """Once it is due a PATCH spares it, so the change is made although it has not started."""
    schedules = (world.every(3600, SOON),)
    due = world.server.time + SOON
    world.stand(a.deployment(schedules=schedules))
    outcomes, notices = world.apply(world.plan(a.deployment(schedules=schedules, description="otra")))
    assert (statuses(outcomes), notices) == ([Status.DONE], ())
    assert 20 < world.waited < 45
    assert [time for _, time in world.due()].count(due) == 1


def test_being_told_to_stop_ends_the_wait_for_the_runs_to_come_back(world: World) -> None:
    """The change was made; its coming runs are with the scheduler, which takes its time."""
    schedules = (world.every(14400, LATER),)
    world.stand(a.deployment(schedules=schedules))
    carried_out = replace_runs(world, [], stop=lambda: world.waited >= 3)
    outcomes, notices = carried_out(world.plan(a.deployment(schedules=schedules, description="otra")))
    assert statuses(outcomes) == [Status.DONE]
    assert [notice.code for notice in notices] == ["runs-unchecked"]
    assert KEY in notices[0].message
    assert 3 <= world.waited < 3.5


def test_without_the_guard_that_run_would_be_lost(world: World) -> None:
    """What the test of the guard is worth: with `due_within: 0` the run is wiped, and that is told."""
    schedules = (world.every(3600, timedelta(seconds=3)),)
    due = world.server.time + timedelta(seconds=3)
    world.rules = {"prod": rules_of({"protect": {"due_within": 0}})}
    world.stand(a.deployment(schedules=schedules))
    world.server.scheduler.lag = timedelta(seconds=5)
    plan = world.plan(a.deployment(schedules=schedules, description="otra"))
    guard = Guard(world.server, world.rules, pace=Pace(now=lambda: world.waited, pause=world.pause))
    guard.begin(plan)
    outcomes = list(apply(plan, world.server, flows={}, commit=a.COMMIT, ready=lambda one: guard(one, never)))
    assert world.waited == 0.0
    world.pause(6)
    notices = guard.check(outcomes, never)
    assert due not in [time for _, time in world.due()]
    assert [notice.code for notice in notices] == ["run-missing"]
    assert f'prefect deployment run "{KEY}"' in notices[0].message


def test_how_soon_is_soon_is_a_rule_of_the_environment(world: World) -> None:
    schedules = (world.every(7200, timedelta(minutes=10)),)
    world.stand(a.deployment(schedules=schedules))
    world.rules = {"prod": rules_of({"protect": {"due_within": "15m"}}), "dev": rules_of({})}
    world.server.scheduler.worker = True
    outcomes, _ = world.apply(world.plan(a.deployment(schedules=schedules, description="otra")))
    assert statuses(outcomes) == [Status.DONE]
    assert 600 <= world.waited < 605


def test_one_start_is_waited_for_and_not_the_next(world: World) -> None:
    """Forty deployments that run every minute are not forty minutes' work."""
    schedules = (world.every(60, timedelta(seconds=30)),)
    many = [a.deployment(f"Cada minuto {number}", schedules=schedules) for number in range(40)]
    world.stand(*many)
    world.server.scheduler.worker = True
    outcomes, _ = world.apply(world.plan(*(replace(one, description="otra") for one in many)))
    assert set(statuses(outcomes)) == {Status.DONE}
    assert len(outcomes) == 40
    assert 30 <= world.waited < 45


def test_ctrl_c_ends_the_wait(world: World) -> None:
    schedules = (world.every(3600, timedelta(seconds=100)),)
    world.stand(a.deployment(schedules=schedules))
    plan = world.plan(a.deployment(schedules=schedules, description="otra"))
    outcomes, _ = world.apply(plan, stop=lambda: world.waited > 3)
    assert statuses(outcomes) == [Status.SKIPPED]
    assert "interrupted while it waited for its run" in (outcomes[0].error or "")
    assert world.waited < 4
    assert world.server.requests == []


@pytest.mark.parametrize("late", [timedelta(seconds=10), timedelta(hours=2)])
def test_a_late_run_keeps_its_schedule_from_being_deleted(world: World, late: timedelta) -> None:
    """The DELETE of one schedule takes the late runs of the others along."""
    kept, gone = world.every(86400, SOON), world.every(86400, LATER, "otro")
    world.stand(a.deployment(schedules=(kept, gone)))
    world.server.time += SOON + late
    plan = world.plan(a.deployment(schedules=(kept,)))
    outcomes, _ = world.apply(plan)
    assert statuses(outcomes) == [Status.SKIPPED]
    assert "apply again once it has (is a worker online?), or cancel the run in the UI" in (outcomes[0].error or "")
    assert world.waited <= 61
    assert (world.waited == 0) == (late > timedelta(minutes=1))
    assert world.server.requests == []
    world.server.scheduler.worker = True
    outcomes, notices = world.apply(plan)
    assert (statuses(outcomes), notices) == ([Status.DONE], ())


def test_a_late_run_stops_no_change_that_spares_it(world: World) -> None:
    schedules = (world.every(86400, SOON),)
    due = world.server.time + SOON
    world.stand(a.deployment(schedules=schedules))
    world.server.time += timedelta(hours=1)
    outcomes, notices = world.apply(world.plan(a.deployment(schedules=schedules, description="otra")))
    assert (statuses(outcomes), notices, world.waited) == ([Status.DONE], (), 0.0)
    assert [time for _, time in world.due()].count(due) == 1


def test_what_is_deleted_may_take_its_late_runs_along_if_that_is_said(world: World) -> None:
    world.stand(a.deployment(schedules=(world.every(86400, SOON),)))
    world.server.time += timedelta(hours=1)
    outcomes, _ = world.apply(world.removal())
    assert statuses(outcomes) == [Status.SKIPPED]
    assert world.server.requests == []
    outcomes, _ = world.apply(world.removal(), even_if_running=True)
    assert statuses(outcomes) == [Status.DONE]
    assert observed(world.server.read()).deployments == {}


def test_a_server_that_does_not_answer_puts_the_change_off(world: World) -> None:
    schedules = (world.every(3600, SOON),)
    world.stand(a.deployment(schedules=schedules))
    plan = world.plan(a.deployment(schedules=schedules, description="otra"))
    guard = Guard(world.server, {}, pace=Pace(now=lambda: world.waited, pause=world.pause))
    guard.begin(plan)

    def broken(path: str, query: Any = None) -> Any:
        raise ServerAnswerError("The server answered 500.", status=500)

    world.server.rows = broken  # type: ignore[method-assign]
    outcomes = list(apply(plan, world.server, flows={}, commit=a.COMMIT, ready=lambda one: guard(one, never)))
    assert statuses(outcomes) == [Status.SKIPPED]
    assert world.server.requests == []


# ---------------------------------------------------------------- after all changes


def test_runs_of_a_new_timing_are_not_missed(world: World) -> None:
    """Only what is still declared has to stand: from daily to hourly, few of the old times are held so soon."""
    world.stand(a.deployment(schedules=(world.every(86400, LATER), world.every(7 * 86400, LATER, "otro"))))
    hourly = (world.every(3600, LATER), world.every(7 * 86400, LATER, "otro"))
    outcomes, notices = world.apply(world.plan(a.deployment(schedules=hourly)))
    assert (statuses(outcomes), notices, world.waited) == ([Status.DONE], (), 0.0)


@pytest.mark.parametrize("fields", [{"paused": True}, {"schedules": ()}])
def test_runs_that_are_declared_no_more_are_not_missed(world: World, fields: dict[str, Any]) -> None:
    schedules = (world.every(14400, LATER),)
    world.stand(a.deployment(schedules=schedules, paused=False))
    outcomes, notices = world.apply(world.plan(a.deployment(**{"schedules": schedules, "paused": False, **fields})))
    assert (statuses(outcomes), notices) == ([Status.DONE], ())


@pytest.mark.parametrize("released", [False, True])
def test_runs_of_what_an_operator_paused_are_missed_only_once_it_goes_on(world: World, released: bool) -> None:
    """A run can outlive the pause: the scheduler made it while the operator paused."""
    schedules = (world.every(14400, LATER),)
    world.stand(a.deployment(schedules=schedules))
    runs = [read_run(row) for row in world.server.scheduler.rows(all_of(world))]
    [change] = world.plan(a.deployment(schedules=schedules, description="otra")).changes
    assert isinstance(change.observed, Deployment)
    change = replace(change, observed=replace(change.observed, paused=True))
    if released:
        ends = FieldChange(path="paused", field="paused", before=True, after=False)
        change = replace(change, fields=(*change.fields, ends))
    standing = standing_of(change, [run for run in runs if run is not None])
    assert standing is not None
    assert bool(missing(standing, (), world.server.time)) is released


def test_runs_that_the_scheduler_does_not_bring_back_are_told(world: World) -> None:
    schedules = (world.every(14400, LATER),)
    world.stand(a.deployment(schedules=schedules))
    plan = world.plan(a.deployment(schedules=schedules, description="otra"))
    asleep = replace_runs(world, [])
    outcomes, notices = asleep(plan)
    assert statuses(outcomes) == [Status.DONE]
    assert [(notice.code, notice.key) for notice in notices] == [("run-missing", KEY)]
    assert 70 <= world.waited < 75
    assert any("scheduler" in text for text in world.said)


def test_runs_that_stand_twice_are_told(world: World) -> None:
    schedules = (world.every(14400, LATER),)
    world.stand(a.deployment(schedules=schedules))
    plan = world.plan(a.deployment(schedules=schedules, description="otra"))
    first = list(world.server.scheduler.rows(all_of(world)))
    _, notices = replace_runs(
        world, [*first, {**first[0], "id": "another", "created_by": {"id": "s", "type": "SCHEDULE"}}]
    )(plan)
    assert [(notice.code, notice.key) for notice in notices] == [("run-doubled", KEY)]
    assert "cancel all but one" in notices[0].message


def test_two_schedules_of_one_time_are_no_double(world: World) -> None:
    schedules = (world.every(14400, LATER), replace(world.every(14400, LATER, "otro"), parameters={"days": 3}))
    world.stand(a.deployment(schedules=schedules))
    _, notices = world.apply(world.plan(a.deployment(schedules=schedules, description="otra")))
    assert notices == ()


def all_of(world: World) -> dict[str, Any]:
    only = observed(world.server.read()).deployments[KEY].id
    return {"deployments": {"id": {"any_": [only]}}, "flow_runs": {}}


def replace_runs(
    world: World, rows: list[Any], stop: Callable[[], bool] = never
) -> Callable[[Plan], tuple[list[Outcome], tuple[Notice, ...]]]:
    """An apply after which the server answers those runs."""

    def answer(path: str, query: Mapping[str, Any] | None = None) -> tuple[Mapping[str, Any], ...]:
        return tuple(rows)

    def carried_out(plan: Plan) -> tuple[list[Outcome], tuple[Notice, ...]]:
        guard = Guard(world.server, {}, say=world.said.append, pace=Pace(now=lambda: world.waited, pause=world.pause))
        guard.begin(plan)
        outcomes = list(apply(plan, world.server, flows={}, commit=a.COMMIT, ready=lambda one: guard(one, never)))
        world.server.rows = answer  # type: ignore[method-assign]
        return outcomes, guard.check(outcomes, stop)

    return carried_out


# ---------------------------------------------------------------- pure


NOW = datetime.fromisoformat("2026-11-22T12:00:00+00:00")
TWO = timedelta(minutes=2)


def run_at(seconds: float, *, waiting: bool = True, schedule: str | None = "s") -> Run:
    due = NOW + timedelta(seconds=seconds)
    return Run(id=str(seconds), deployment="d", expected=due, due=due, waiting=waiting, schedule=schedule)


def changed(action: Action = Action.UPDATE, **fields: Any) -> Change:
    standing = a.deployment(schedules=(a.schedule(id="s"), a.schedule("otra", a.cron("5 4 * * *"), id="t")))
    desired = replace(standing, **{"description": "otra", **fields})
    wanted = State(deployments={KEY: desired})
    found = difference(wanted, State(deployments={KEY: standing}), a.selection(wanted))
    return replace(found.changes[0], action=action)


def test_what_a_change_wipes() -> None:
    assert wipes(changed()) is Wipes.COMING
    assert wipes(changed(schedules=(a.schedule(id="s"),))) is Wipes.DUE
    assert wipes(changed(Action.REPLACE)) is Wipes.EVERY
    pool = a.pool()
    assert (
        wipes(Change(action=Action.UPDATE, key=pool.key, declaration=None, desired=pool, observed=pool))
        is Wipes.NOTHING
    )
    new = a.deployment()
    assert wipes(Change(action=Action.CREATE, key=new.key, declaration=None, desired=new)) is Wipes.NOTHING


@pytest.mark.parametrize(
    ("run", "patched", "schedule_deleted", "deleted"),
    [
        (run_at(60), True, True, True),
        (run_at(180), False, False, False),
        (run_at(-60), False, True, True),
        (run_at(60, waiting=False), False, False, False),
        (run_at(60, schedule=None), False, False, True),
        (run_at(-60, schedule=None), False, False, True),
    ],
)
def test_what_is_at_stake(run: Run, patched: bool, schedule_deleted: bool, deleted: bool) -> None:
    found = [
        bool(at_stake(change, [run], NOW, TWO))
        for change in (changed(), changed(schedules=(a.schedule(id="s"),)), changed(Action.DELETE))
    ]
    assert found == [patched, schedule_deleted, deleted]


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], None),
        ([run_at(90), run_at(60)], 60),
        ([run_at(-5, waiting=False), run_at(55)], None),
        ([run_at(-5, waiting=False), run_at(10)], 10),
        ([run_at(-300, waiting=False), run_at(55)], 55),
    ],
)
def test_what_is_waited_for(runs: list[Run], expected: float | None) -> None:
    found = awaited(changed(), runs, NOW, TWO)
    assert (found.id if found else None) == (str(expected) if expected is not None else None)


ROW = {
    "id": "r", "deployment_id": "d", "state_type": "SCHEDULED", "state_name": "Late", "run_count": 0,
    "auto_scheduled": True, "expected_start_time": "2026-11-22T12:00:00Z",
    "next_scheduled_start_time": "2026-11-22T12:05:00Z", "created_by": {"id": "s", "type": "SCHEDULE", "display_value": "noche"},
}  # fmt: skip


def test_a_row_of_the_server() -> None:
    assert read_run(ROW) == Run(
        id="r", deployment="d", expected=NOW, due=NOW + timedelta(minutes=5), waiting=True, schedule="s", slug="noche"
    )


@pytest.mark.parametrize(
    ("fields", "waiting", "schedule"),
    [
        ({"state_type": "PENDING"}, False, "s"),
        ({"state_name": "AwaitingConcurrencySlot"}, False, "s"),
        ({"state_name": "AwaitingRetry", "run_count": 1}, False, "s"),
        ({"auto_scheduled": False, "created_by": None}, True, None),
        ({"next_scheduled_start_time": None}, True, "s"),
    ],
)
def test_rows_of_other_runs(fields: dict[str, Any], waiting: bool, schedule: str | None) -> None:
    run = read_run({**ROW, **fields})
    assert run is not None
    assert (run.waiting, run.schedule) == (waiting, schedule)


@pytest.mark.parametrize(
    "fields", [{"deployment_id": None}, {"expected_start_time": None, "next_scheduled_start_time": None}]
)
def test_rows_that_are_of_no_deployment_or_time(fields: dict[str, Any]) -> None:
    assert read_run({**ROW, **fields}) is None

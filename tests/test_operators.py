"""What an operator decided in the UI: held with since when, released, reported as drift, and never ended silently."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

pytest.register_assert_rewrite("roundtrips")

import builders as a  # noqa: E402
from fake_gateway import FakeGateway  # noqa: E402
from roundtrips import Act, apply_all, carry_out, link_shared_limit, patch, patch_pool, patch_schedule, row_of  # noqa: E402

from reconcile.diff import Difference, difference  # noqa: E402
from reconcile.model import ConcurrencyLimit, Mark, State  # noqa: E402
from reconcile.observed import observed  # noqa: E402
from reconcile.plan import Action, Reason  # noqa: E402
from reconcile.policy import pause_warnings  # noqa: E402
from reconcile.render.json import plan_document  # noqa: E402
from reconcile.render.text import plan_lines  # noqa: E402
from reconcile.wire import Request  # noqa: E402

KEY = "basic-flow/Despliegue básico"
NIGHT, DAWN = a.schedule("noche"), a.schedule("madrugada", a.cron("5 4 * * *"))
TWO = {"schedules": (NIGHT, DAWN)}


def found_in(server: FakeGateway, desired: State, **more: Any) -> Difference:
    return difference(desired, observed(server.read()), replace(a.selection(desired), **more))


def standing(*acts: Act, **fields: Any) -> tuple[FakeGateway, State]:
    """A server with one deployment, on which an operator acted."""
    server, desired = FakeGateway(), a.state(a.deployment(**fields))
    apply_all(desired, server)
    for act in acts:
        act(server)
    return server, desired


def reported(server: FakeGateway, desired: State) -> Difference:
    return found_in(server, desired, report_drift={"prod"})


def done(found: Difference, server: FakeGateway) -> None:
    carry_out(found, observed(server.read()), server)


# Holds


def test_a_hold_tells_since_when() -> None:
    server, desired = standing(patch(paused=True), patch_pool(is_paused=True))
    holds = {hold.field: hold for hold in found_in(server, desired).holds}
    assert holds["paused"].since == row_of(server)["updated"]
    plan = a.plan_of(found_in(server, desired))
    document = plan_document(plan)["holds"]
    assert [hold["since"] for hold in document if hold["field"] == "paused"] == [row_of(server)["updated"]]
    # An apply touches what bears a decision, so what is known is a moment by which it had been made.
    assert any(re.search(r"paused = true  \(since 20\S+ \S+ or earlier\)", line.text) for line in plan_lines(plan))


def test_a_schedules_hold_is_as_old_as_the_schedule() -> None:
    raw = {"id": "s", "slug": "noche", "active": False, "updated": "2026-11-20T10:00:00Z"}
    server, desired = standing(patch_schedule("noche", active=False))
    snapshot = server.read()
    rows = [
        {**row, "schedules": [{**one, "updated": raw["updated"]} for one in row["schedules"]]}
        for row in snapshot.deployments
    ]
    it = observed(replace(snapshot, deployments=tuple(rows)))
    assert [hold.since for hold in difference(desired, it, a.selection(desired)).holds] == [raw["updated"]]


# Release

HELD = (patch(paused=True, concurrency_limit=3), patch_schedule("noche", active=False), patch_pool(is_paused=True))


def test_a_release_ends_every_hold_of_a_deployment_and_of_no_other() -> None:
    server, desired = standing(*HELD)
    found = found_in(server, desired, release={KEY})
    assert [hold.field for hold in found.holds] == ["is_paused"]
    assert [field.path for field in found.changes[0].fields] == [
        "paused",
        "concurrency_limit",
        "schedules.noche.active",
    ]
    assert found.changes[0].reason is Reason.DRIFT
    assert [notice.code for notice in found.warnings] == ["resumes", "resumes"]
    done(found, server)
    row = row_of(server)
    assert (row["paused"], row["global_concurrency_limit"]) == (False, None)
    assert [one["active"] for one in row["schedules"]] == [True]
    assert found_in(server, desired).changes == ()


def test_a_release_of_a_pool() -> None:
    server, desired = standing(*HELD)
    done(found_in(server, desired, release={"compras-prod"}), server)
    assert next(row["is_paused"] for row in server.read().pools if row["name"] == "compras-prod") is False
    assert len(found_in(server, desired).holds) == 3


def test_a_release_leaves_a_shared_limit_to_the_others() -> None:
    server, desired = standing(link_shared_limit(2))
    done(found_in(server, desired, release={KEY}), server)
    assert server.limits() == {"softland": 2}
    assert row_of(server)["global_concurrency_limit"] is None


def test_a_release_of_what_is_not_held_changes_nothing() -> None:
    server, desired = standing()
    found = found_in(server, desired, release={KEY, "compras-prod"})
    assert (found.changes, found.warnings) == ((), ())


def test_what_is_declared_is_no_hold_and_a_release_does_not_touch_it() -> None:
    server, desired = standing(paused=True, concurrency_limit=ConcurrencyLimit(limit=2))
    assert found_in(server, desired, release={KEY}).changes == ()


# Declared once, then dropped


def test_what_is_dropped_resumes_and_says_so() -> None:
    schedules = (replace(NIGHT, active=False),)
    server, _ = standing(paused=True, schedules=schedules)
    desired = a.state(a.deployment())
    found = found_in(server, desired)
    assert [(notice.code, notice.key) for notice in found.warnings] == [("resumes", KEY)] * 2
    lines = [line.text for line in plan_lines(a.plan_of(found)) if "resumes" in line.text]
    assert any("paused" in line and "true → false" in line for line in lines)
    assert any("schedules.noche.active" in line and "false → true" in line for line in lines)


def test_what_is_declared_to_run_resumes_without_an_announcement() -> None:
    server, _ = standing(paused=True)
    assert found_in(server, a.state(a.deployment(paused=False))).warnings == ()


# A pause until a day


@pytest.mark.parametrize(
    ("today", "warned"),
    [("2026-12-14", False), ("2026-12-15", True), ("2027-01-01", True)],
)
def test_a_pause_is_brought_to_mind_from_its_day_on(today: str, warned: bool) -> None:
    pauses = {KEY: {"until": "2026-12-15", "reason": "espera la firma"}}
    found = list(pause_warnings(pauses, date.fromisoformat(today)))
    assert [notice.code for notice in found] == (["paused-until"] if warned else [])
    assert all("espera la firma" in notice.message and notice.key == KEY for notice in found)


def test_a_pause_without_a_reason_or_with_a_day_that_is_none() -> None:
    pauses = {"x/y": {"until": "2026-01-01"}, "x/z": {"until": "2026-02-31"}, "x/w": {}}
    assert [notice.key for notice in pause_warnings(pauses, date(2026, 11, 22))] == ["x/y"]


# Drift that is reported and left


def test_drift_is_left_and_told_field_by_field() -> None:
    server, desired = standing(patch(description="Mía"), patch(parameters={"message": "Chau"}))
    found = reported(server, desired)
    assert found.changes == ()
    assert [notice.code for notice in found.warnings] == ["drift-left", "drift-left"]
    assert "description" in found.warnings[0].message
    assert "parameters.message" in found.warnings[1].message
    assert len(found_in(server, desired, report_drift={"dev"}).changes) == 1


def test_a_release_ends_the_hold_and_not_the_drift() -> None:
    cron = {"cron": "0 1 * * *", "timezone": a.ZONE}
    drift = (patch(description="Mía"), patch_schedule("noche", schedule=cron))
    server, desired = standing(*HELD, *drift)
    found = found_in(server, desired, report_drift={"prod"}, release={KEY})
    assert [field.path for field in found.changes[0].fields] == [
        "paused",
        "concurrency_limit",
        "schedules.noche.active",
    ]
    assert [notice.code for notice in found.warnings].count("drift-left") == 2
    done(found, server)
    row = row_of(server)
    assert (row["paused"], row["description"]) == (False, "Mía")
    assert [(one["active"], one["schedule"]["cron"]) for one in row["schedules"]] == [(True, "0 1 * * *")]
    again = reported(server, desired)
    assert (again.changes, len(again.warnings)) == ((), 2)


def test_a_change_of_the_files_beside_drift_leaves_it() -> None:
    server, _ = standing(patch(tags=["de la UI", a.MARK.tag]), patch(job_variables={"env": {"A": "1"}}))
    desired = a.state(a.deployment(description="Otra", work_queue="urgent"))
    found = reported(server, desired)
    assert [field.path for field in found.changes[0].fields] == ["description", "work_queue"]
    assert found.changes[0].reason is Reason.FILES
    done(found, server)
    row = row_of(server)
    assert (row["description"], row["work_queue_name"]) == ("Otra", "urgent")
    assert (row["tags"][0], row["job_variables"]) == ("de la UI", {"env": {"A": "1"}})
    again = reported(server, desired)
    assert (again.changes, len(again.warnings)) == ((), 2)


def test_what_both_changed_is_as_the_files_say() -> None:
    server, _ = standing(patch(description="Mía"))
    found = reported(server, a.state(a.deployment(description="Otra")))
    assert [change.reason for change in found.changes] == [Reason.BOTH]


def test_a_drifted_schedule_is_left_while_another_changes() -> None:
    cron = {"cron": "0 1 * * *", "timezone": a.ZONE}
    server, _ = standing(patch_schedule("noche", schedule=cron), patch_schedule("noche", active=False), **TWO)
    desired = a.state(a.deployment(schedules=(NIGHT, replace(DAWN, timing=a.cron("6 4 * * *")))))
    found = reported(server, desired)
    assert [field.path for field in found.changes[0].fields] == ["schedules.madrugada.cron"]
    done(found, server)
    after = {one["slug"]: (one["schedule"]["cron"], one["active"]) for one in row_of(server)["schedules"]}
    assert after == {"noche": ("0 1 * * *", False), "madrugada": ("6 4 * * *", True)}
    assert reported(server, desired).changes == ()


def test_the_switch_of_a_schedule_and_the_schedule_drift_apart() -> None:
    switched = (replace(NIGHT, active=True), DAWN)
    server, _ = standing(patch_schedule("noche", active=False), schedules=switched)
    desired = a.state(a.deployment(schedules=(replace(NIGHT, active=True, timing=a.cron("50 23 * * *")), DAWN)))
    found = reported(server, desired)
    assert [field.path for field in found.changes[0].fields] == ["schedules.noche.cron"]
    done(found, server)
    night = next(one for one in row_of(server)["schedules"] if one["slug"] == "noche")
    assert (night["schedule"]["cron"], night["active"]) == ("50 23 * * *", False)


def test_a_switch_by_the_files_leaves_the_drifted_timing() -> None:
    cron = {"cron": "0 1 * * *", "timezone": a.ZONE}
    server, _ = standing(patch_schedule("noche", schedule=cron, parameters={"days": 2}))
    desired = a.state(a.deployment(schedules=(replace(NIGHT, active=False),)))
    done(reported(server, desired), server)
    night = row_of(server)["schedules"][0]
    assert (night["schedule"]["cron"], night["parameters"], night["active"]) == ("0 1 * * *", {"days": 2}, False)


def test_a_schedule_made_in_the_ui_is_left_while_another_changes() -> None:
    """One without a slug gets one: the server refuses a mix."""
    server, desired = FakeGateway(), a.state(a.deployment(schedules=()))
    apply_all(desired, server)
    path = f"/deployments/{row_of(server)['id']}"
    mine = {"schedule": {"cron": "0 5 * * *", "timezone": a.ZONE}, "active": False, "parameters": {"days": 4}}
    server.write(Request(method="PATCH", path=path, body={"schedules": [mine]}))
    before = row_of(server)["schedules"][0]
    assert (before["slug"], reported(server, desired).changes) == (None, ())
    after = a.state(a.deployment())
    done(reported(server, after), server)
    rows = {one["id"]: one for one in row_of(server)["schedules"]}
    assert len(rows) == 2
    assert {**rows[before["id"]], "slug": None} == before
    assert reported(server, after).changes == ()


def test_a_schedule_deleted_in_the_ui_stays_away() -> None:
    server, desired = standing(**TWO)
    row = row_of(server)
    night = next(one["id"] for one in row["schedules"] if one["slug"] == "noche")
    server.write(Request(method="DELETE", path=f"/deployments/{row['id']}/schedules/{night}"))
    found = reported(server, desired)
    assert found.changes == ()
    assert "schedules.noche" in found.warnings[0].message


def test_a_release_ends_a_hold_where_drift_is_reported_too() -> None:
    server, desired = standing(patch(paused=True))
    found = found_in(server, desired, release={KEY}, report_drift={"prod"})
    assert [field.path for field in found.changes[0].fields] == ["paused"]


# Taking over from another project


def test_what_another_project_managed_keeps_what_its_operator_set() -> None:
    other = Mark(project="otro", area="compras", environment="prod")
    server = FakeGateway()
    theirs = a.deployment(mark=other, paused=True, concurrency_limit=ConcurrencyLimit(limit=2))
    pools = a.state(theirs)
    done(difference(pools, observed(server.read()), a.selection(pools, project="otro")), server)
    desired = a.state(a.deployment())
    refused = found_in(server, desired)
    assert [notice.code for notice in refused.refusals] == ["other-project"]
    assert "--adopt-from otro" in refused.refusals[0].message
    assert found_in(server, desired, adopt_from={"tercero"}).refusals != ()
    ids = (row_of(server)["id"], [one["id"] for one in row_of(server)["schedules"]])
    found = found_in(server, desired, adopt_from={"otro"})
    assert [(change.action, change.reason) for change in found.changes] == [(Action.ADOPT, None)]
    done(found, server)
    row = row_of(server)
    assert (row["id"], [one["id"] for one in row["schedules"]]) == ids
    assert (row["paused"], row["global_concurrency_limit"]["limit"]) == (True, 2)
    again = found_in(server, desired)
    assert (again.changes, {hold.field for hold in again.holds}) == ((), {"paused", "concurrency_limit"})
    assert found_in(server, desired, project="otro").refusals != ()

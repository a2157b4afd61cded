"""What an apply does to schedules and their coming runs; and, on a real server, that runs come at the right times."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

import builders as a
import pytest
from fake_gateway import FakeGateway
from roundtrips import Server, apply_all, carry_out, deploy_foreign, row_of, schedule_ids
from servers import RealServer

from reconcile.model import Schedule, Timing
from reconcile.plan import Action
from reconcile.schedule import occurrences
from reconcile.wire import Request

SCHEDULER = 2.5
"""Seconds in which the server's scheduler has looked at what was changed lately, which it does every second here."""

NIGHT, DAWN = a.schedule("noche"), a.schedule("madrugada", a.cron("5 4 * * *"))


def runs_of(server: Server, count: int = 1) -> frozenset[str]:
    """The coming runs, once there are so many."""
    deployment_id = row_of(server)["id"]
    deadline = time.monotonic() + 30
    while len(runs := server.runs(deployment_id)) < count:
        assert time.monotonic() < deadline, f"{len(runs)} of {count} runs were scheduled"
        time.sleep(0.25)
    return runs


def test_a_second_apply_writes_nothing_and_leaves_schedules_and_runs_as_they_are(server: Server) -> None:
    desired = a.state(a.deployment(schedules=(NIGHT, DAWN), paused=False))
    apply_all(desired, server)
    runs, ids, sent = runs_of(server, 6), schedule_ids(server.read()), len(server.requests)
    apply_all(desired, server)
    if not isinstance(server, FakeGateway):
        time.sleep(SCHEDULER)
    assert len(server.requests) == sent
    assert schedule_ids(server.read()) == ids
    assert runs_of(server) == runs


@pytest.mark.parametrize(
    "schedules",
    [(NIGHT,), (NIGHT, a.schedule("nueva", a.interval())), (NIGHT, replace(DAWN, timing=a.cron("6 4 * * *")))],
    ids=["one goes", "one goes and one comes", "one changes"],
)
def test_a_change_of_schedules_alone_ends_with_the_patch_that_brings_the_runs_back(
    server: Server, schedules: tuple[Schedule, ...]
) -> None:
    apply_all(a.state(a.deployment(schedules=(NIGHT, DAWN))), server)
    before, ids = runs_of(server, 6), schedule_ids(server.read())
    apply_all(a.state(a.deployment(schedules=schedules)), server)
    last = server.requests[-1]
    assert (last.method, last.path) == ("PATCH", f"/deployments/{row_of(server)['id']}")
    assert "version" in last.body
    assert schedule_ids(server.read())["Despliegue básico", "noche"] == ids["Despliegue básico", "noche"]
    started = time.monotonic()
    assert runs_of(server, 3 * len(schedules)).isdisjoint(before)
    assert time.monotonic() - started < 20


def test_adopting_gives_slugs_and_keeps_the_ids(server: Server) -> None:
    timings = ({"cron": "5 4 * * *", "timezone": "America/Buenos_Aires"}, {"cron": "55 23 * * *", "timezone": a.ZONE})
    apply_all(a.state(), server)
    deploy_foreign("Despliegue básico", schedules=[{"schedule": timing} for timing in timings])(server)
    before = {item["schedule"]["cron"]: item["id"] for item in row_of(server)["schedules"]}
    desired = a.state(a.deployment(schedules=(NIGHT, DAWN)))
    found, standing = a.compared(desired, server.read(), adopt=("basic-flow/Despliegue básico",))
    assert [change.action for change in found.changes] == [Action.ADOPT]
    carry_out(found, standing, server)
    after = {item["slug"]: item["id"] for item in row_of(server)["schedules"]}
    assert after == {"madrugada": before["5 4 * * *"], "noche": before["55 23 * * *"]}
    assert a.compared(desired, server.read())[0].changes == ()


def test_an_own_pause_of_one_schedule_survives_a_change_of_another(server: Server) -> None:
    apply_all(a.state(a.deployment(schedules=(NIGHT, DAWN))), server)
    row = row_of(server)
    paused = next(item for item in row["schedules"] if item["slug"] == "noche")
    body = {"active": False, "parameters": paused["parameters"]}
    server.write(Request(method="PATCH", path=f"/deployments/{row['id']}/schedules/{paused['id']}", body=body))
    apply_all(a.state(a.deployment(schedules=(NIGHT, replace(DAWN, timing=a.cron("6 4 * * *"))))), server)
    assert {item["slug"]: item["active"] for item in row_of(server)["schedules"]} == {"noche": False, "madrugada": True}


@pytest.mark.contract
class TestTimes:
    """Of a real server, with the libraries that are pinned: with others it starts, and schedules nothing at all."""

    TIMINGS: ClassVar[dict[str, Timing]] = {
        "cron": a.cron("30 8 * * 1-5"),
        "interval": a.interval(7200, anchor="2026-01-01T00:10:00-03:00"),
        "rrule": a.rrule("FREQ=WEEKLY;BYDAY=SA"),
    }

    def test_runs_are_scheduled_at_the_local_times_that_were_declared(self, real: RealServer) -> None:
        schedules = tuple(a.schedule(slug, timing) for slug, timing in self.TIMINGS.items())
        apply_all(a.state(a.deployment(schedules=schedules)), real)
        now = datetime.now(UTC)
        runs_of(real, 9)
        wanted = {moment for timing in self.TIMINGS.values() for moment in occurrences(timing, after=now, limit=3)}
        found = {self.at(run) for run in real.coming(row_of(real)["id"])}
        assert len(found) == 9
        assert found == wanted

    def test_a_nightly_run_is_at_that_hour_of_buenos_aires(self, real: RealServer) -> None:
        apply_all(a.state(a.deployment(schedules=(a.schedule("noche", a.cron("55 23 * * *")),))), real)
        runs_of(real, 3)
        local = [self.at(run).astimezone(ZoneInfo(a.ZONE)) for run in real.coming(row_of(real)["id"])]
        assert {moment.strftime("%H:%M") for moment in local} == {"23:55"}
        assert {moment.strftime("%H:%M") for moment in map(self.at, real.coming(row_of(real)["id"]))} == {"02:55"}

    def test_a_runs_parameters_are_the_deployments_under_the_schedules(self, real: RealServer) -> None:
        own = replace(NIGHT, parameters={"days": 2})
        apply_all(a.state(a.deployment(parameters={"message": "Hola", "days": 1}, schedules=(own,))), real)
        runs_of(real, 3)
        runs = real.coming(row_of(real)["id"])
        assert [run["parameters"] for run in runs] == [{"message": "Hola", "days": 2}] * 3

    @staticmethod
    def at(run: object) -> datetime:
        assert isinstance(run, dict)
        return datetime.fromisoformat(run["expected_start_time"])

"""What a change does to the runs of a deployment: one test a fact, asked of the fake and of the real server.

The guard of `commands.guard` is built on these.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import builders as a
import pytest
from fake_gateway import FakeGateway
from roundtrips import Server
from servers import RealServer

from reconcile.due import Run, read_run
from reconcile.wire import Request

HOUR = 3600


def send(server: Any, method: str, path: str, /, **body: Any) -> Any:
    return server.write(Request(method=method, path=path, body=body))


class Clock:
    """The server's time, and letting some pass."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def now(self) -> datetime:
        if isinstance(self._server, FakeGateway):
            return self._server.time
        self._server.reading.get("/health")
        found: datetime = self._server.reading.clock()
        return found

    def wait_until(self, due: datetime) -> None:
        if isinstance(self._server, FakeGateway):
            self._server.time = due
        while self.now() < due:
            time.sleep(0.3)


@pytest.fixture
def clock(server: Server) -> Clock:
    return Clock(server)


def every(seconds: float, first: datetime, slug: str) -> dict[str, Any]:
    anchor = first.astimezone(ZoneInfo(a.ZONE)).isoformat()
    return {"slug": slug, "schedule": {"interval": seconds, "anchor_date": anchor, "timezone": a.ZONE}}


def deploy(server: Server, *schedules: dict[str, Any]) -> str:
    """A new deployment; its id."""
    send(server, "POST", "/work_pools/", name="p", type="process", base_job_template=a.TEMPLATE)
    flow = send(server, "POST", "/flows/", name="f")
    body = {"name": "d", "flow_id": flow["id"], "work_pool_name": "p", "schedules": list(schedules)}
    return str(send(server, "POST", "/deployments/", **body)["id"])


def runs(server: Any, deployment: str) -> list[Run]:
    reader = server if isinstance(server, FakeGateway) else server.reading
    query = {"deployments": {"id": {"any_": [deployment]}}, "flow_runs": {}}
    found = (read_run(row) for row in reader.rows("/flow_runs/filter", query))
    return sorted((run for run in found if run is not None), key=lambda run: (run.due, run.slug or ""))


def once(what: Callable[[], list[Run]], enough: Callable[[list[Run]], bool], seconds: float = 30) -> list[Run]:
    """What there is, once it is enough."""
    deadline = time.monotonic() + seconds
    while not enough(found := what()):
        assert time.monotonic() < deadline, found
        time.sleep(0.25)
    return found


def test_a_coming_run_tells_its_time_and_its_schedule(server: Server, clock: Clock) -> None:
    first = clock.now() + timedelta(hours=1)
    deployment = deploy(server, every(2 * HOUR, first, "cada-2-horas"))
    found = once(lambda: runs(server, deployment), lambda found: len(found) >= 3)
    schedule = server.read().deployments[0]["schedules"][0]
    assert {(run.deployment, run.schedule, run.slug, run.waiting) for run in found} == {
        (deployment, schedule["id"], "cada-2-horas", True)
    }
    assert [run.expected for run in found[:3]] == [first + timedelta(hours=2 * number) for number in range(3)]
    assert [run.due for run in found] == [run.expected for run in found]


def test_a_patch_makes_the_coming_runs_anew_and_spares_those_that_are_due(server: Server, clock: Clock) -> None:
    first = clock.now() + timedelta(seconds=8)
    deployment = deploy(server, every(HOUR, first, "una"), every(2 * HOUR, first, "otra"))
    before = once(lambda: runs(server, deployment), lambda found: len(found) >= 6)
    clock.wait_until(first + timedelta(seconds=1))
    send(server, "PATCH", f"/deployments/{deployment}", description="otra")
    after = once(lambda: runs(server, deployment), lambda found: len(found) >= 8)
    due = {run.id for run in before if run.due == first}
    assert {run.id for run in after} & {run.id for run in before} == due
    assert [(run.due, run.slug) for run in after[:2]] == [(first, "otra"), (first, "una")]
    assert {run.due for run in after} >= {run.due for run in before}


def test_the_delete_of_a_schedule_takes_runs_of_the_others_that_are_due(server: Server, clock: Clock) -> None:
    first = clock.now() + timedelta(seconds=8)
    deployment = deploy(server, every(HOUR, first, "una"), every(2 * HOUR, first, "otra"))
    once(lambda: runs(server, deployment), lambda found: len(found) >= 6)
    clock.wait_until(first + timedelta(seconds=1))
    gone = next(one["id"] for one in server.read().deployments[0]["schedules"] if one["slug"] == "otra")
    send(server, "DELETE", f"/deployments/{deployment}/schedules/{gone}")
    assert not [run for run in runs(server, deployment) if run.due == first]


def test_the_delete_of_a_deployment_takes_them_all(server: Server, clock: Clock) -> None:
    first = clock.now() + timedelta(seconds=6)
    deployment = deploy(server, every(HOUR, first, "una"))
    once(lambda: runs(server, deployment), lambda found: len(found) >= 3)
    clock.wait_until(first + timedelta(seconds=1))
    send(server, "DELETE", f"/deployments/{deployment}")
    assert runs(server, deployment) == []


@pytest.mark.contract
def test_a_late_run_waits_still_and_a_patch_spares_it(real: RealServer) -> None:
    clock = Clock(real)
    first = clock.now() + timedelta(seconds=6)
    deployment = deploy(real, every(HOUR, first, "una"))
    once(lambda: runs(real, deployment), lambda found: len(found) >= 3)
    name = {"flow_runs": {"state": {"name": {"any_": ["Late"]}}}, "deployments": {"id": {"any_": [deployment]}}}
    deadline = time.monotonic() + 60
    while not (late := real.reading.rows("/flow_runs/filter", name)):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    run = read_run(late[0])
    assert run is not None
    assert (run.waiting, run.due, run.expected) == (True, first, first)
    send(real, "PATCH", f"/deployments/{deployment}", paused=True)
    assert [found.id for found in runs(real, deployment)] == [run.id]

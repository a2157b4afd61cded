"""Deletes, renames, and drift that is left: what they need of the server, asked of the fake one and of a real one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import builders as a
from fake_gateway import FakeGateway
from roundtrips import Server, apply_all, carry_out, link_shared_limit, patch, patch_schedule, row_of
from servers import RealServer

from reconcile.commands.runs import runs_of
from reconcile.diff import difference
from reconcile.model import State
from reconcile.observed import observed
from reconcile.prune import pruned
from reconcile.wire import Reader, Request

NIGHT, DAWN = a.schedule("noche"), a.schedule("madrugada", a.cron("5 4 * * *"))
NEW = a.deployment("Nuevo", schedules=(NIGHT, DAWN))
KEY = "basic-flow/Despliegue básico"


def bring(desired: State, server: Server, **more: Any) -> None:
    """Apply, with what is not declared deleted."""
    standing = observed(server.read())
    found = difference(desired, standing, replace(a.selection(desired), **more))
    plan = pruned(a.plan_of(found), standing)
    carry_out(replace(found, changes=plan.changes), standing, server)


def schedules_of(server: Server, name: str = "Despliegue básico") -> dict[str, Mapping[str, Any]]:
    return {one["slug"]: one for one in row_of(server, name)["schedules"]}


def test_a_shared_limit_survives_the_deployment_that_was_linked(server: Server) -> None:
    apply_all(a.state(a.deployment()), server)
    link_shared_limit(2)(server)
    bring(a.state(), server)
    assert server.read().deployments == ()
    assert server.limits() == {"softland": 2}


def test_a_rename_takes_along_what_an_operator_set(server: Server) -> None:
    apply_all(a.state(a.deployment(schedules=(NIGHT, DAWN))), server)
    patch(paused=True, concurrency_limit=3)(server)
    patch_schedule("madrugada", active=False, parameters={})(server)
    bring(a.state(NEW), server, replaces={NEW.key: lambda _: "Despliegue básico"})
    row = row_of(server, "Nuevo")
    assert [one["name"] for one in server.read().deployments] == ["Nuevo"]
    assert (row["paused"], row["global_concurrency_limit"]["limit"]) == (True, 3)
    assert {slug: one["active"] for slug, one in schedules_of(server, "Nuevo").items()} == {
        "noche": True,
        "madrugada": False,
    }
    assert server.limits() == {f"deployment:{row['id']}": 3}
    assert a.compared(a.state(NEW), server.read())[0].changes == ()


def test_a_rename_keeps_the_shared_limit(server: Server) -> None:
    apply_all(a.state(a.deployment()), server)
    link_shared_limit(2)(server)
    bring(a.state(NEW), server, replaces={NEW.key: lambda _: "Despliegue básico"})
    assert row_of(server, "Nuevo")["global_concurrency_limit"]["name"] == "softland"
    assert server.limits() == {"softland": 2}


def test_of_a_schedule_only_what_differs_is_sent(server: Server) -> None:
    """The switch without the timing, the timing without the switch: the server keeps what is left out."""
    cron = {"cron": "0 1 * * *", "timezone": a.ZONE}
    apply_all(a.state(a.deployment(schedules=(NIGHT, DAWN))), server)
    patch_schedule("noche", schedule=cron, parameters={"days": 2})(server)
    patch_schedule("madrugada", active=False, parameters={})(server)
    schedules = (replace(NIGHT, active=False), replace(DAWN, timing=a.cron("6 4 * * *")))
    bring(a.state(a.deployment(schedules=schedules)), server, report_drift={"prod"})
    after = schedules_of(server)
    assert (after["noche"]["schedule"]["cron"], after["noche"]["parameters"]) == ("0 1 * * *", {"days": 2})
    assert after["noche"]["active"] is False
    assert (after["madrugada"]["schedule"]["cron"], after["madrugada"]["active"]) == ("6 4 * * *", False)


def test_a_schedule_of_the_ui_without_a_slug_is_left_beside_one_that_comes(server: Server) -> None:
    apply_all(a.state(a.deployment(schedules=())), server)
    mine = {"schedule": {"cron": "0 5 * * *", "timezone": a.ZONE}, "active": False, "parameters": {"days": 4}}
    patch(schedules=[mine])(server)
    before = row_of(server)["schedules"][0]
    bring(a.state(a.deployment()), server, report_drift={"prod"})
    after = {one["id"]: one for one in row_of(server)["schedules"]}
    assert len(after) == 2
    kept = ("active", "parameters", "schedule")
    assert [after[before["id"]][name] for name in kept] == [before[name] for name in kept]


def test_the_runs_of_a_deployment_are_counted(server: Server) -> None:
    apply_all(a.state(a.deployment(), a.deployment("Sin corridas", schedules=())), server)
    row = row_of(server)
    for state in ("COMPLETED", "RUNNING", "PENDING", "SCHEDULED"):
        body = {"flow_id": row["flow_id"], "deployment_id": row["id"], "state": {"type": state, "name": state.title()}}
        server.write(Request(method="POST", path="/flow_runs/", body=body))
    reader: Reader = server if isinstance(server, FakeGateway) else _reading(server)
    found = runs_of(reader, observed(server.read()).deployments.values())
    assert (found[KEY].active, found[KEY].total) == (2, 2)
    last = found[KEY].last
    assert last is not None
    assert last.tzinfo is not None
    empty = found["basic-flow/Sin corridas"]
    assert (empty.active, empty.total, empty.last) == (0, 0, None)


def _reading(server: Server) -> Reader:
    assert isinstance(server, RealServer)
    return server.reading

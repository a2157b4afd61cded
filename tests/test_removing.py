"""Deletes and renames: in which order, what stops them, and what they leave standing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

pytest.register_assert_rewrite("roundtrips")

import builders as a  # noqa: E402
from fake_gateway import FakeGateway  # noqa: E402
from roundtrips import apply_all, link_shared_limit, row_of  # noqa: E402

from reconcile.apply import apply  # noqa: E402
from reconcile.diff import difference  # noqa: E402
from reconcile.errors import ServerAnswerError, ServerUnreachableError  # noqa: E402
from reconcile.facts import RunsOf  # noqa: E402
from reconcile.model import ConcurrencyLimit, Deployment, Mark, ResourceKey, State  # noqa: E402
from reconcile.observed import observed  # noqa: E402
from reconcile.plan import Action, Outcome, Plan, Status  # noqa: E402
from reconcile.prune import Pruning, Stock, managed, prune_refusals, pruned, running_refusals  # noqa: E402
from reconcile.renames import likely_renames  # noqa: E402
from reconcile.rules import Protection  # noqa: E402
from reconcile.selection import Selection  # noqa: E402
from reconcile.wire import Request, Snapshot  # noqa: E402

OLD, NEW, OTHER = (a.deployment(name, schedules=()) for name in ("Viejo", "Nuevo", "Otro"))


class Failing(FakeGateway):
    """A server that answers some requests with an error; what came before is done."""

    def __init__(self, fails: Callable[[Request], bool], error: Exception) -> None:
        super().__init__()
        self.fails, self.error = fails, error
        self.armed = False

    def write(self, request: Request) -> Mapping[str, Any]:
        if self.armed and self.fails(request):
            self.requests.append(request)
            raise self.error
        return super().write(request)


def refused(status: int = 500) -> ServerAnswerError:
    return ServerAnswerError(f"The server answered {status}", status=status)


def patch_in(server: FakeGateway, name: str, **body: Any) -> None:
    server.write(Request(method="PATCH", path=f"/deployments/{row_of(server, name)['id']}", body=body))


def creates(name: str) -> Callable[[Request], bool]:
    return lambda request: request.method == "POST" and request.body.get("name") == name


def plan_to(
    desired: State, snapshot: Snapshot, replaces: Mapping[ResourceKey, Callable[[str], str | None]] | None = None
) -> Plan:
    """The plan with what is not declared deleted."""
    standing = observed(snapshot)
    selection = replace(a.selection(desired), replaces=replaces or {})
    return pruned(a.plan_of(difference(desired, standing, selection)), standing)


def carried_out(plan: Plan, server: FakeGateway, **more: Any) -> list[Outcome]:
    server.requests.clear()
    flows = {flow["name"]: flow["id"] for flow in server.read().flows}
    return list(apply(plan, server, flows=flows, commit=a.COMMIT, **more))


def told(outcomes: Iterable[Outcome]) -> dict[str, str]:
    return {outcome.key.name: str(outcome.status) for outcome in outcomes}


def names(server: FakeGateway) -> set[str]:
    return {str(row["name"]) for row in server.read().deployments}


# The order of an apply


def test_deletes_come_last() -> None:
    server = FakeGateway()
    apply_all(a.state(OLD, replace(OTHER, description="Antes")), server)
    outcomes = carried_out(plan_to(a.state(NEW, OTHER), server.read()), server)
    assert {outcome.status for outcome in outcomes} == {Status.DONE}
    assert [request.method for request in server.requests] == ["POST", "PATCH", "DELETE"]
    assert names(server) == {"Nuevo", "Otro"}


@pytest.mark.parametrize("status", [409, 422, 500])
def test_nothing_is_deleted_where_a_create_fails(status: int) -> None:
    server = Failing(creates("Nuevo"), refused(status))
    apply_all(a.state(OLD), server)
    server.armed = True
    outcomes = carried_out(plan_to(a.state(NEW), server.read()), server)
    assert told(outcomes) == {"basic-flow/Nuevo": "failed", "basic-flow/Viejo": "skipped"}
    assert "every other change" in (outcomes[1].error or "")
    assert [request.method for request in server.requests] == ["POST"]
    assert names(server) == {"Viejo"}


def test_nothing_is_deleted_where_an_update_fails_and_the_rest_is_done_all_the_same() -> None:
    server = Failing(lambda request: request.method == "PATCH", refused())
    apply_all(a.state(OLD, replace(OTHER, description="Antes")), server)
    server.armed = True
    outcomes = carried_out(plan_to(a.state(NEW, OTHER), server.read()), server)
    assert told(outcomes) == {
        "basic-flow/Nuevo": "done",
        "basic-flow/Otro": "failed",
        "basic-flow/Viejo": "skipped",
    }
    assert names(server) == {"Nuevo", "Otro", "Viejo"}


def test_a_delete_that_fails_stops_no_other() -> None:
    server = Failing(lambda request: request.path.endswith(str(row_of(server, "Viejo")["id"])), refused())
    apply_all(a.state(OLD, OTHER), server)
    server.armed = True
    assert told(carried_out(plan_to(a.state(), server.read()), server)) == {
        "basic-flow/Otro": "done",
        "basic-flow/Viejo": "failed",
    }


def test_what_somebody_else_deleted_meanwhile_is_deleted() -> None:
    server = FakeGateway()
    apply_all(a.state(OLD), server)
    plan = plan_to(a.state(), server.read())
    server.write(Request(method="DELETE", path=f"/deployments/{row_of(server, 'Viejo')['id']}"))
    assert told(carried_out(plan, server)) == {"basic-flow/Viejo": "done"}


def test_a_shared_limit_survives_those_that_are_deleted() -> None:
    server = FakeGateway()
    apply_all(a.state(a.deployment()), server)
    link_shared_limit(2)(server)
    assert told(carried_out(plan_to(a.state(), server.read()), server)) == {"basic-flow/Despliegue básico": "done"}
    assert server.limits() == {"softland": 2}
    assert [request.method for request in server.requests] == ["PATCH", "DELETE"]


def test_an_own_limit_goes_with_its_deployment_at_the_cost_of_one_request() -> None:
    server = FakeGateway()
    apply_all(a.state(replace(OLD, concurrency_limit=ConcurrencyLimit(limit=3))), server)
    carried_out(plan_to(a.state(), server.read()), server)
    assert [request.method for request in server.requests] == ["DELETE"]
    assert server.limits() == {}


# Renames

NAMED = {NEW.key: lambda _: "Viejo"}
ELSEWHERE = Mark(project=a.PROJECT, area="rrhh", environment="prod")


def test_a_rename_creates_then_deletes() -> None:
    server = FakeGateway()
    apply_all(a.state(OLD), server)
    plan = plan_to(a.state(NEW), server.read(), NAMED)
    assert [change.action for change in plan.changes] == [Action.REPLACE]
    assert told(carried_out(plan, server)) == {"basic-flow/Nuevo": "done"}
    assert [request.method for request in server.requests] == ["POST", "DELETE"]
    assert plan_to(a.state(NEW), server.read(), NAMED).changes == ()


def test_a_rename_takes_what_an_operator_set_along() -> None:
    schedules = (a.schedule("noche"), a.schedule("tarde", a.cron("0 18 * * *")))
    server = FakeGateway()
    apply_all(a.state(replace(OLD, schedules=schedules)), server)
    row = row_of(server, "Viejo")
    path = f"/deployments/{row['id']}"
    late = next(one["id"] for one in row["schedules"] if one["slug"] == "tarde")
    server.write(Request(method="PATCH", path=path, body={"paused": True, "concurrency_limit": 3}))
    server.write(Request(method="PATCH", path=f"{path}/schedules/{late}", body={"active": False, "parameters": {}}))
    desired = a.state(replace(NEW, schedules=schedules))
    carried_out(plan_to(desired, server.read(), NAMED), server)
    after = row_of(server, "Nuevo")
    assert after["paused"] is True
    assert after["global_concurrency_limit"]["limit"] == 3
    assert {one["slug"]: one["active"] for one in after["schedules"]} == {"noche": True, "tarde": False}
    found, _ = a.compared(desired, server.read())
    assert found.changes == ()
    assert {hold.field for hold in found.holds} == {"paused", "concurrency_limit", "schedules.tarde.active"}


def test_a_rename_keeps_the_shared_limit_that_was_linked() -> None:
    server = FakeGateway()
    apply_all(a.state(a.deployment()), server)
    link_shared_limit(2)(server)
    carried_out(plan_to(a.state(NEW), server.read(), {NEW.key: lambda _: "Despliegue básico"}), server)
    assert server.limits() == {"softland": 2}
    assert row_of(server, "Nuevo")["global_concurrency_limit"]["name"] == "softland"


def test_a_pause_that_the_files_declared_does_not_outlive_them() -> None:
    server = FakeGateway()
    apply_all(a.state(replace(OLD, paused=True)), server)
    carried_out(plan_to(a.state(NEW), server.read(), NAMED), server)
    assert row_of(server, "Nuevo")["paused"] is False


def test_where_another_change_fails_the_renamed_one_is_left_paused_and_goes_next_time() -> None:
    server = Failing(creates("Otro"), refused())
    apply_all(a.state(OLD), server)
    server.armed = True
    desired = a.state(NEW, OTHER)
    outcomes = {one.key.name: one for one in carried_out(plan_to(desired, server.read(), NAMED), server)}
    assert told(outcomes.values()) == {"basic-flow/Otro": "failed", "basic-flow/Nuevo": "failed"}
    assert "paused" in (outcomes["basic-flow/Nuevo"].error or "")
    assert "DELETE" not in {request.method for request in server.requests}
    assert row_of(server, "Viejo")["paused"] is True
    assert row_of(server, "Nuevo")["paused"] is False
    server.armed = False
    assert set(told(carried_out(plan_to(desired, server.read(), NAMED), server)).values()) == {"done"}
    assert names(server) == {"Nuevo", "Otro"}


def test_where_the_server_goes_away_in_the_middle_of_a_rename_nothing_is_lost() -> None:
    server = Failing(lambda request: request.method == "DELETE", ServerUnreachableError("It is away."))
    apply_all(a.state(OLD), server)
    server.armed = True
    outcomes = carried_out(plan_to(a.state(NEW), server.read(), NAMED), server)
    assert told(outcomes) == {"basic-flow/Nuevo": "failed"}
    assert "basic-flow/Viejo still stands" in (outcomes[0].error or "")
    server.armed = False
    again = plan_to(a.state(NEW), server.read(), NAMED)
    assert [(change.action, change.key.name) for change in again.changes] == [(Action.DELETE, "basic-flow/Viejo")]
    carried_out(again, server)
    assert names(server) == {"Nuevo"}


def test_interrupted_between_the_two_halves_of_a_rename() -> None:
    server = FakeGateway()
    apply_all(a.state(OLD), server)
    outcomes = carried_out(plan_to(a.state(NEW), server.read(), NAMED), server, stop=lambda: len(server.requests) >= 1)
    assert told(outcomes) == {"basic-flow/Nuevo": "failed"}
    assert "interrupted" in (outcomes[0].error or "")
    assert names(server) == {"Nuevo", "Viejo"}


@pytest.mark.parametrize(
    "standing",
    [
        replace(OLD, mark=Mark(project="otro", area="compras", environment="prod")),
        replace(OLD, mark=Mark(project=a.PROJECT, area="compras", environment="dev")),
    ],
    ids=["of another project", "of another environment"],
)
def test_what_is_not_ours_is_not_replaced(standing: Deployment) -> None:
    server = FakeGateway()
    apply_all(a.state(), server)
    found = observed(server.read())
    server_state = State(pools=found.pools, deployments={standing.key.name: standing})
    selection = replace(a.selection(a.state(NEW)), replaces=NAMED)
    changes = difference(a.state(NEW), server_state, selection).changes
    assert [change.action for change in changes] == [Action.CREATE]


def test_a_rename_into_another_area_takes_over_what_an_operator_set() -> None:
    server = FakeGateway()
    apply_all(a.state(a.deployment("Viejo", mark=ELSEWHERE)), server)
    patch_in(server, "Viejo", paused=True, concurrency_limit=2)
    outcomes = carried_out(plan_to(a.state(a.deployment("Nuevo")), server.read(), NAMED), server)
    assert told(outcomes) == {"basic-flow/Nuevo": "done"}
    assert [row["name"] for row in server.read().deployments] == ["Nuevo"]
    assert row_of(server, "Nuevo")["paused"] is True
    assert row_of(server, "Nuevo")["global_concurrency_limit"]["limit"] == 2
    assert plan_to(a.state(a.deployment("Nuevo")), server.read(), NAMED).changes == ()


def test_a_rename_into_another_area_that_stopped_half_way_is_finished_by_the_next_apply() -> None:
    server = Failing(lambda request: request.method == "DELETE", ServerUnreachableError("gone"))
    apply_all(a.state(replace(OLD, mark=ELSEWHERE)), server)
    server.armed = True
    carried_out(plan_to(a.state(NEW), server.read(), NAMED), server)
    assert {row["name"] for row in server.read().deployments} == {"Viejo", "Nuevo"}
    server.armed = False
    standing = observed(server.read())
    rest = difference(a.state(NEW), standing, replace(a.selection(a.state(NEW)), replaces=NAMED))
    assert [(change.action, str(change.key)) for change in rest.changes] == [(Action.DELETE, "basic-flow/Viejo")]
    carried_out(a.plan_of(rest), server)
    assert [row["name"] for row in server.read().deployments] == ["Nuevo"]


def test_a_forgotten_replaces_takes_nothing_from_another_area() -> None:
    server = FakeGateway()
    apply_all(a.state(NEW), server)
    apply_all(a.state(NEW, replace(OLD, mark=ELSEWHERE)), server)
    standing = observed(server.read())
    found = difference(a.state(NEW), standing, replace(a.selection(a.state(NEW)), replaces=NAMED))
    assert found.changes == ()
    assert [str(orphan.key) for orphan in found.orphans] == ["basic-flow/Viejo"]


def test_of_two_flows_with_one_deployment_name_the_same_flows_is_replaced() -> None:
    twin = replace(OLD, flow="otro-flow")
    server = FakeGateway()
    apply_all(a.state(OLD, twin), server)
    selection = replace(a.selection(a.state(NEW)), replaces=NAMED, covers=lambda _, __: False)
    found = difference(a.state(NEW), observed(server.read()), selection)
    assert [str(change.observed.key) for change in found.changes if change.observed] == ["basic-flow/Viejo"]
    third = replace(NEW, flow="tercero")
    selection = replace(a.selection(a.state(third)), replaces={third.key: lambda _: "Viejo"})
    found = difference(a.state(third), observed(server.read()), selection)
    assert [notice.code for notice in found.warnings] == ["replaces-ambiguous"]
    assert [change.action for change in found.changes] == [Action.CREATE]


@pytest.mark.parametrize(
    ("new", "alike"),
    [
        (a.deployment("Saludo de la noche"), True),
        (a.deployment("Cierre", entrypoint="src/cierre.py:cierre", parameters={"days": 2}), False),
        (a.deployment("Saludo de noche", flow="otro-flow"), True),
        (a.deployment("Saludo de la noche", mark=ELSEWHERE), True),
        (a.deployment("Saludo de la noche", mark=ELSEWHERE, parameters={"days": 2}), False),
        (a.deployment("Saludo de la noche", mark=replace(a.MARK, environment="dev")), False),
        (a.deployment("Saludo de la noche", flow="otro-flow"), False),
    ],
    ids=["name", "nothing alike", "flow", "area", "area and work", "environment", "name and flow"],
)
def test_what_looks_like_a_rename(new: Deployment, alike: bool) -> None:
    server = FakeGateway()
    apply_all(a.state(a.deployment("Saludo de noche")), server)
    found, standing = a.compared(a.state(new), server.read())
    for plan in (a.plan_of(found), pruned(a.plan_of(found), standing)):
        assert [one.new.key for one in likely_renames(plan, standing.deployments)] == ([new.key] if alike else [])


def test_each_orphan_is_taken_for_one_rename_at_most() -> None:
    server = FakeGateway()
    apply_all(a.state(a.deployment("Saludo 1"), a.deployment("Saludo 2")), server)
    news = [a.deployment(f"Saludo {number}0") for number in (1, 2, 3)]
    found, standing = a.compared(a.state(*news), server.read())
    pairs = [(one.new.name, one.old.name) for one in likely_renames(a.plan_of(found), standing.deployments)]
    assert len(pairs) == 2
    assert len({old for _, old in pairs}) == 2


# What speaks against deletes


def doomed(number: int, environment: str = "prod", area: str = "compras") -> Plan:
    """A plan that deletes so many."""
    server = FakeGateway()
    mark = Mark(project=a.PROJECT, area=area, environment=environment)
    apply_all(a.state(*(a.deployment(f"d{index}", schedules=(), mark=mark) for index in range(number))), server)
    return plan_to(a.state(), server.read())


@pytest.mark.parametrize(
    ("number", "standing", "protection", "codes"),
    [
        (5, 100, Protection(), []),
        (6, 100, Protection(), ["max-deletes"]),
        (2, 2, Protection(), []),
        (3, 15, Protection(), []),
        (3, 14, Protection(), ["max-delete-share"]),
        (6, 6, Protection(), ["max-deletes", "max-delete-share"]),
        (1, 100, Protection(max_deletes=0), ["max-deletes"]),
        (3, 3, Protection(max_delete_share=1), []),
        (1, 100, Protection(never_prune=True), ["prune-never"]),
    ],
)
def test_how_much_may_be_pruned(number: int, standing: int, protection: Protection, codes: list[str]) -> None:
    stock = Stock(declared={("compras", "prod")}, managed={"prod": standing}, protections={"prod": protection})
    found = list(prune_refusals(doomed(number), Pruning(allowed=True), stock))
    assert [notice.code for notice in found] == codes
    for notice in found[: 1 if "max-deletes" in codes else 0]:
        assert f"--max-deletes {number}" in notice.message


@pytest.mark.parametrize(("said", "codes"), [(6, []), (7, []), (5, ["max-deletes"]), (0, ["max-deletes"])])
def test_the_number_that_is_said_takes_the_place_of_the_rules(said: int, codes: list[str]) -> None:
    stock = Stock(declared={("compras", "prod")}, managed={"prod": 6})
    found = prune_refusals(doomed(6), Pruning(allowed=True, max_deletes=said), stock)
    assert [notice.code for notice in found] == codes


def test_an_area_is_empty_in_each_environment_for_itself() -> None:
    stock = Stock(declared={("compras", "dev"), ("rrhh", "prod")}, managed={"prod": 100})
    found = list(prune_refusals(doomed(1), Pruning(allowed=True), stock))
    assert [notice.code for notice in found] == ["area-empty"]
    assert "--allow-empty compras" in found[0].message
    assert list(prune_refusals(doomed(1), Pruning(allowed=True, allow_empty={"compras"}), stock)) == []
    assert len(list(prune_refusals(doomed(1), Pruning(allowed=True, allow_empty={"rrhh"}), stock))) == 1


def test_what_replaces_names_is_not_counted_as_pruned() -> None:
    server = FakeGateway()
    apply_all(a.state(OLD, NEW), server)
    plan = plan_to(a.state(NEW), server.read(), NAMED)
    assert [change.action for change in plan.changes] == [Action.DELETE]
    stock = Stock(protections={"prod": Protection(max_deletes=0)})
    assert list(prune_refusals(plan, Pruning(), stock)) == []
    active = {"basic-flow/Viejo": RunsOf(active=1)}
    assert [notice.code for notice in running_refusals(plan, active, Pruning())] == ["runs-active"]
    assert list(running_refusals(plan, active, Pruning(even_if_running=True))) == []


def test_stock_counts_the_projects_own_only() -> None:
    mine, other = a.deployment(), a.deployment("x", mark=Mark(project="otro", area="compras", environment="prod"))
    assert managed([mine, other, replace(mine, mark=None)], a.PROJECT) == {"prod": 1}


def test_what_carries_the_marks_of_two_projects_is_nobodys_until_it_is_adopted() -> None:
    server = FakeGateway()
    flow = server.write(Request(method="POST", path="/flows/", body={"name": "f"}))["id"]
    tags = [a.MARK.tag, replace(a.MARK, project="otro").tag]
    server.write(Request(method="POST", path="/deployments/", body={"name": "d", "flow_id": flow, "tags": tags}))
    found = difference(State(), observed(server.read()), Selection(project=a.PROJECT))
    assert (found.orphans, [str(key) for key in found.foreign]) == ((), ["f/d"])

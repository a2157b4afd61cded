"""Single changes and what they take: a table that is asked of the fake gateway and of a real server.

Each case stands on a server, is changed in the files or by an operator, and is brought to what the files say. Told
are the requests that takes, who is said to have caused it, and that nothing is left to do afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import quote

import builders as a

from reconcile.apply import apply
from reconcile.diff import Difference
from reconcile.model import ConcurrencyLimit, Mark, State, WorkQueue
from reconcile.plan import Reason, Status
from reconcile.wire import Request, Snapshot


class Server(Protocol):
    """The fake gateway, or a real one: reads, writes, and tells what a test must see besides."""

    requests: list[Request]

    def read(self) -> Snapshot: ...
    def get(self, path: str) -> Any: ...
    def post(self, path: str, body: Mapping[str, Any]) -> Any: ...
    def secret(self, block: str) -> str | None: ...
    def write(self, request: Request) -> Mapping[str, Any]: ...
    def runs(self, deployment_id: str) -> frozenset[str]: ...
    def limits(self) -> Mapping[str, int]: ...


Act = Callable[[Server], None]


def nothing(_: Server) -> None:
    """What an operator does mostly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`before` is applied, `operator` acts, and then `after` is what the files say.

    `fields` are the paths that the plan shows; None: not asked.
    """

    id: str
    before: State
    after: State
    writes: int
    reason: Reason | None = None
    operator: Act = nothing
    fields: tuple[str, ...] | None = None
    holds: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    adopt: tuple[str, ...] = ()
    finally_: Act = field(default=nothing)


def check(case: Case, server: Server) -> None:
    """Carry a case out."""
    apply_all(case.before, server)
    case.operator(server)
    before = server.read()
    found, standing = a.compared(case.after, before, adopt=case.adopt)
    assert tuple(notice.code for notice in found.refusals) == case.refusals
    assert tuple(hold.field for hold in found.holds) == case.holds
    assert [change.reason for change in found.changes] == ([case.reason] if case.writes else [])
    if case.fields is not None:
        assert tuple(item.path for change in found.changes for item in change.fields) == case.fields
    sent = len(server.requests)
    carry_out(found, standing, server)
    assert server.requests[sent:][case.writes :] == []
    assert len(server.requests) - sent == case.writes
    after = server.read()
    left, _ = a.compared(case.after, after, adopt=case.adopt)
    assert left.changes == ()
    assert tuple(notice.code for notice in left.refusals) == case.refusals
    kept = schedule_ids(before).keys() & schedule_ids(after).keys()
    assert {slug: schedule_ids(before)[slug] for slug in kept} == {slug: schedule_ids(after)[slug] for slug in kept}
    untouched = rows(before).keys() - {str(change.key) for change in found.changes}
    assert {key: rows(before)[key] for key in untouched} == {key: rows(after)[key] for key in untouched}
    case.finally_(server)


def apply_all(desired: State, server: Server) -> None:
    """Bring a server to a state, and see that nothing is left to do."""
    found, standing = a.compared(desired, server.read())
    assert found.refusals == ()
    carry_out(found, standing, server)
    left, _ = a.compared(desired, server.read())
    assert left.changes == ()


def carry_out(found: Difference, standing: State, server: Server) -> None:
    """Apply what was found, and see that all of it was done."""
    outcomes = list(apply(a.plan_of(found), server, flows=standing.flows, commit=a.COMMIT, ids=standing.ids()))
    assert [outcome.error for outcome in outcomes if outcome.status is not Status.DONE] == []


def rows(snapshot: Snapshot) -> dict[str, Mapping[str, Any]]:
    """The deployments as they were read, by key; without their status, which the server sets by itself."""
    flows = {flow["id"]: flow["name"] for flow in snapshot.flows}
    volatile = {"status", "last_polled"}
    return {
        f"{flows[row['flow_id']]}/{row['name']}": {key: row[key] for key in row.keys() - volatile}
        for row in snapshot.deployments
    }


def schedule_ids(snapshot: Snapshot) -> dict[tuple[str, str], str]:
    """The ids of schedules by their deployment's name and their slug."""
    return {
        (row["name"], schedule["slug"]): schedule["id"]
        for row in snapshot.deployments
        for schedule in row["schedules"]
        if schedule["slug"] is not None
    }


def row_of(server: Server, name: str = "Despliegue básico") -> Mapping[str, Any]:
    """The server's JSON of a deployment."""
    return next(row for row in server.read().deployments if row["name"] == name)


# What an operator does


def patch(**body: Any) -> Act:
    """Change the deployment."""
    return lambda server: _write(server, "PATCH", f"/deployments/{row_of(server)['id']}", body)


def patch_schedule(slug: str, **body: Any) -> Act:
    """Change one of its schedules; the UI always sends the parameters along."""
    return lambda server: _write(server, "PATCH", _schedule_path(server, slug), body)


def delete_schedule(slug: str) -> Act:
    """Delete one of its schedules."""
    return lambda server: _write(server, "DELETE", _schedule_path(server, slug), {})


def replace_schedules(*schedules: Mapping[str, Any]) -> Act:
    """A deployment that was made elsewhere, by a POST that makes all its schedules anew."""

    def act(server: Server) -> None:
        row = row_of(server)
        kept = ("name", "flow_id", "tags", "version", "parameters", "entrypoint", "pull_steps", "work_pool_name")
        _write(server, "POST", "/deployments/", {**{key: row[key] for key in kept}, "schedules": list(schedules)})

    return act


def patch_pool(name: str = "compras-prod", **body: Any) -> Act:
    """Change a work pool."""
    return lambda server: _write(server, "PATCH", f"/work_pools/{quote(name)}", body)


def create_pool(name: str, **body: Any) -> Act:
    """Make a work pool by hand."""
    return lambda server: _write(server, "POST", "/work_pools/", {"name": name, "type": "process", **body})


def add_queue(**body: Any) -> Act:
    """Make a queue by hand."""
    return lambda server: _write(server, "POST", "/work_pools/compras-prod/queues", body)


def link_shared_limit(slots: int = 2) -> Act:
    """Have the deployment share a limit with others."""

    def act(server: Server) -> None:
        limit = server.write(
            Request(method="POST", path="/v2/concurrency_limits/", body={"name": "softland", "limit": slots})
        )
        patch(global_concurrency_limit_id=limit["id"])(server)

    return act


def all_of(*acts: Act) -> Act:
    """One after the other."""

    def act(server: Server) -> None:
        for one in acts:
            one(server)

    return act


def deploy_foreign(name: str, **body: Any) -> Act:
    """Somebody deploys without this tool."""

    def act(server: Server) -> None:
        flow = server.write(Request(method="POST", path="/flows/", body={"name": "basic-flow"}))
        _write(server, "POST", "/deployments/", {"name": name, "flow_id": flow["id"], **body})

    return act


def _schedule_path(server: Server, slug: str) -> str:
    row = row_of(server)
    schedule_id = next(schedule["id"] for schedule in row["schedules"] if schedule["slug"] == slug)
    return f"/deployments/{row['id']}/schedules/{schedule_id}"


def _write(server: Server, method: str, path: str, body: Mapping[str, Any]) -> None:
    server.write(Request(method=method, path=path, body=body))


# What is asked in the end


def limits_are(**expected: int) -> Act:
    """The limits with a name of their own, and their slots; and how many belong to a deployment, as `own`."""

    def ask(server: Server) -> None:
        shared = {name: slots for name, slots in server.limits().items() if not name.startswith("deployment:")}
        own = sum(name.startswith("deployment:") for name in server.limits())
        assert {**shared, "own": own} == {"own": 0, **expected}

    return ask


def reads(name: str, expected: Any) -> Act:
    """A field of the deployment, as the server tells it."""

    def ask(server: Server) -> None:
        assert row_of(server)[name] == expected

    return ask


def queues_are(**expected: int) -> Act:
    """The priorities of the pool's queues."""

    def ask(server: Server) -> None:
        snapshot = server.read()
        pool_id = next(row["id"] for row in snapshot.pools if row["name"] == "compras-prod")
        assert {row["name"]: row["priority"] for row in snapshot.queues if row["work_pool_id"] == pool_id} == expected

    return ask


# The table

FILES, DRIFT, BOTH, SOURCE, UNKNOWN = Reason.FILES, Reason.DRIFT, Reason.BOTH, Reason.SOURCE, Reason.UNKNOWN
KEY = "basic-flow/Despliegue básico"
NIGHT, DAWN = a.schedule("noche"), a.schedule("madrugada", a.cron("5 4 * * *"))
OWN_LIMIT = ConcurrencyLimit(limit=3)
OTHER_MARK = Mark(project=a.PROJECT, area="contabilidad", environment="prod")
TWO_POOLS = (a.pool(), a.pool("contabilidad-prod", queues=()))


def change(case_id: str, before: Mapping[str, Any], after: Mapping[str, Any], writes: int = 1, **more: Any) -> Case:
    """A change of fields of the deployment."""
    pools = more.pop("pools", (a.pool(),))
    if writes and "reason" not in more:
        more["reason"] = FILES
    return Case(
        id=case_id,
        before=a.state(*pools, a.deployment(**before)),
        after=a.state(*pools, a.deployment(**after)),
        writes=writes,
        **more,
    )


def same(case_id: str, before: Mapping[str, Any], after: Mapping[str, Any], **more: Any) -> Case:
    """Two ways of saying one thing."""
    return change(case_id, before, after, 0, **more)


def held(case_id: str, operator: Act, *holds: str) -> Case:
    """What an operator did, and the files say nothing of."""
    return change(case_id, {}, {}, 0, operator=operator, holds=holds)


def drift(case_id: str, operator: Act, writes: int = 1, said: Mapping[str, Any] | None = None, **more: Any) -> Case:
    """What an operator did against the files."""
    return change(case_id, said or {}, said or {}, writes, operator=operator, **{"reason": DRIFT, **more})


def pool_change(
    case_id: str, before: Mapping[str, Any], after: Mapping[str, Any], writes: int = 1, **more: Any
) -> Case:
    """A change of a work pool, of which it is not known who caused it."""
    return Case(
        id=case_id,
        before=a.state(a.pool(**before)),
        after=a.state(a.pool(**after)),
        writes=writes,
        reason=UNKNOWN if writes else None,
        **more,
    )


FIELDS = (
    change("description changed", {}, {"description": "Otra"}, fields=("description",)),
    change("description removed", {}, {"description": None}, finally_=reads("description", None)),
    same("description empty", {"description": None}, {"description": ""}),
    change("parameter changed", {}, {"parameters": {"message": "Chau"}}, fields=("parameters.message",)),
    change("parameters emptied", {}, {"parameters": {}}, finally_=reads("parameters", {})),
    change("parameter null", {}, {"parameters": {"message": None}, "parameter_schema": {}}),
    same("parameter 1 and 1.0", {"parameters": {"days": 1}}, {"parameters": {"days": 1.0}}),
    change("parameter 1 and true", {"parameters": {"days": 1}, "parameter_schema": {}},
           {"parameters": {"days": True}, "parameter_schema": {}}),
    same("parameters in another order", {"parameters": {"message": "a", "days": 1}}, {"parameters": {"days": 1, "message": "a"}}),
    change("parameter and its schema at once", {},
           {"parameters": {"hasta": 5}, "parameter_schema": {"type": "object", "properties": {"hasta": {"type": "integer"}}}}),
    change("job variables emptied", {}, {"job_variables": {}}, finally_=reads("job_variables", {})),
    change("job variable inside changed", {}, {"job_variables": {"env": {"PYTHONUTF8": "0"}}}, fields=("job_variables.env.PYTHONUTF8",)),
    change("queue chosen", {}, {"work_queue": "urgent"}, finally_=reads("work_queue_name", "urgent")),
    change("queue back to default", {"work_queue": "urgent"}, {}, finally_=reads("work_queue_name", "default")),
    change("pool moved", {}, {"work_pool": "contabilidad-prod"}, pools=TWO_POOLS, finally_=reads("work_pool_name", "contabilidad-prod")),
    change("pool moved keeps its queue's name", {"work_queue": "urgent"}, {"work_queue": "urgent", "work_pool": "otra"},
           pools=(a.pool(), a.pool("otra")), finally_=reads("work_queue_name", "urgent")),
    change("pool moved and queue dropped", {"work_queue": "urgent"}, {"work_pool": "contabilidad-prod"}, pools=TWO_POOLS,
           finally_=reads("work_queue_name", "default")),
    change("pool and a variable at once", {}, {"work_pool": "contabilidad-prod", "job_variables": {}}, pools=TWO_POOLS),
    change("pool dropped", {}, {"work_pool": None}, finally_=reads("work_pool_name", None)),
    change("pool given", {"work_pool": None}, {}, finally_=reads("work_pool_name", "compras-prod")),
    change("tags changed", {}, {"tags": ("compras", "diario")}),
    change("tags removed", {}, {"tags": ()}, finally_=reads("tags", [a.MARK.tag])),
    same("tags in another order", {"tags": ("x", "y")}, {"tags": ("y", "x")}),
    change("pull steps changed", {}, {"pull_steps": a.GIT_PULL}, finally_=reads("pull_steps", list(a.GIT_PULL))),
    change("branch changed", {"pull_steps": a.GIT_PULL},
           {"pull_steps": ({"prefect.deployments.steps.git_clone": {**a.GIT_PULL[0]["prefect.deployments.steps.git_clone"], "branch": "desarrollo"}},)},
           fields=("pull_steps.0.git_clone.branch",)),
    change("pull steps removed", {}, {"pull_steps": ()}),
    change("entrypoint changed", {}, {"entrypoint": "src/basic.py:other_flow"}),
    change("entrypoint a module", {}, {"entrypoint": "basic.flows:basic_flow"}),
    same("entrypoint with backslashes", {}, {"entrypoint": "src\\basic.py:basic_flow"}),
    change("path set", {}, {"path": "/srv/flows"}),
    change("path dropped", {"path": "/srv/flows"}, {}, finally_=reads("path", None)),
    change("schema no more enforced", {}, {"enforce_parameter_schema": False}),
    change("schema enforced again", {"enforce_parameter_schema": False}, {}),
    change("flow's source changed", {}, {"parameter_schema": {**a.SCHEMA, "title": "Other"}}, reason=SOURCE),
    change("flow's source and the files changed", {}, {"parameter_schema": {**a.SCHEMA, "title": "Other"}, "description": "Otra"}),
    change("flow takes no parameters any more", {"parameters": {}}, {"parameters": {}, "parameter_schema": {}}, reason=SOURCE),
    change("flow's source can be read at last", {"parameter_schema": None}, {}, reason=SOURCE),
    same("flow's source cannot be read", {}, {"parameter_schema": None}, finally_=reads("parameter_openapi_schema", a.SCHEMA)),
    change("moved to another area", {}, {"mark": OTHER_MARK}, fields=("managed-by",), finally_=reads("tags", ["compras", OTHER_MARK.tag])),
)  # fmt: skip

SCHEDULES = (
    change("cron changed", {}, {"schedules": (replace(NIGHT, timing=a.cron("50 23 * * *")),)}, fields=("schedules.noche.cron",)),
    change("day_or changed", {}, {"schedules": (replace(NIGHT, timing=a.cron(day_or=False)),)}),
    change("time zone changed", {}, {"schedules": (replace(NIGHT, timing=a.cron(timezone="America/Montevideo")),)}),
    drift("time zone under its old name", patch_schedule("noche", schedule={"cron": "55 23 * * *", "timezone": "America/Buenos_Aires"}),
          0, reason=None),
    change("cron becomes an interval", {}, {"schedules": (replace(NIGHT, timing=a.interval()),)}),
    change("interval becomes a rule", {"schedules": (a.schedule("x", a.interval()),)}, {"schedules": (a.schedule("x", a.rrule()),)}),
    change("rule becomes a cron", {"schedules": (a.schedule("x", a.rrule()),)}, {"schedules": (a.schedule("x"),)}),
    same("interval 1800 and 1800.0", {"schedules": (a.schedule("x", a.interval(1800)),)}, {"schedules": (a.schedule("x", a.interval(1800.0)),)}),
    change("anchor moved", {"schedules": (a.schedule("x", a.interval()),)},
           {"schedules": (a.schedule("x", a.interval(anchor="2026-01-01T00:10:00-03:00")),)}),
    change("schedule added", {}, {"schedules": (NIGHT, DAWN)}, fields=("schedules.madrugada",)),
    change("first schedule added", {"schedules": ()}, {}),
    change("schedule removed", {"schedules": (NIGHT, DAWN)}, {}, 2, fields=("schedules.madrugada",)),
    change("last schedule removed", {}, {"schedules": ()}, 2, finally_=reads("schedules", [])),
    change("schedule renamed", {}, {"schedules": (replace(NIGHT, slug="nocturno"),)}, 2),
    change("one of two changed", {"schedules": (NIGHT, DAWN)}, {"schedules": (NIGHT, replace(DAWN, timing=a.cron("6 4 * * *")))}),
    change("one removed, one added, one changed", {"schedules": (NIGHT, DAWN)},
           {"schedules": (replace(NIGHT, timing=a.cron("1 1 * * *")), a.schedule("nueva", a.rrule()))}, 2),
    change("schedule's parameters given", {}, {"schedules": (replace(NIGHT, parameters={"message": "Buenas noches"}),)},
           fields=("schedules.noche.parameters.message",)),
    change("schedule's parameters removed", {"schedules": (replace(NIGHT, parameters={"days": 2}),)}, {}),
    change("timing changed beside parameters", {"schedules": (replace(NIGHT, parameters={"days": 2}),)},
           {"schedules": (replace(NIGHT, parameters={"days": 2}, timing=a.cron("1 1 * * *")),)}),
    change("active declared", {}, {"schedules": (replace(NIGHT, active=False),)}, fields=("schedules.noche.active",)),
    change("active dropped", {"schedules": (replace(NIGHT, active=False),)}, {}, fields=("schedules.noche.active",)),
    same("active declared as it is", {}, {"schedules": (replace(NIGHT, active=True),)}),
    change("slugs that begin alike", {"schedules": (a.schedule("a"), a.schedule("a.active"))},
           {"schedules": (a.schedule("a"), replace(a.schedule("a.active"), active=False))}),
    held("schedule paused in the UI", patch_schedule("noche", active=False), "schedules.noche.active"),
    change("slug like another's field", {"schedules": (a.schedule("a"),)}, {"schedules": (a.schedule("a"), a.schedule("a.active"))},
           operator=patch_schedule("a", active=False), holds=("schedules.a.active",)),
    drift("declared active, paused in the UI", patch_schedule("noche", active=False), said={"schedules": (replace(NIGHT, active=True),)}),
    drift("schedule edited in the UI", patch_schedule("noche", schedule={"cron": "0 1 * * *", "timezone": a.ZONE})),
    drift("schedule deleted in the UI", delete_schedule("noche")),
    drift("schedule without a slug added", replace_schedules({"slug": "noche", "schedule": {"cron": "55 23 * * *", "timezone": a.ZONE}},
          {"schedule": {"cron": "0 1 * * *", "timezone": a.ZONE}}), 2,
          said={"description": None, "job_variables": {}}),
    drift("schedules lost their slugs", replace_schedules({"schedule": {"cron": "55 23 * * *", "timezone": a.ZONE}}), 2,
          said={"description": None, "job_variables": {}}, fields=("schedules.noche.slug",)),
)  # fmt: skip

OPERATORS = (
    change("paused declared", {}, {"paused": True}, finally_=reads("paused", True)),
    change("paused dropped: resumes", {"paused": True}, {}, finally_=reads("paused", False)),
    held("paused in the UI", patch(paused=True), "paused"),
    drift("declared running, paused in the UI", patch(paused=True), said={"paused": False}),
    change("limit declared", {}, {"concurrency_limit": OWN_LIMIT}, finally_=limits_are(own=1)),
    change("limit changed", {"concurrency_limit": OWN_LIMIT}, {"concurrency_limit": ConcurrencyLimit(limit=1)}),
    change("limit's strategy changed", {"concurrency_limit": OWN_LIMIT},
           {"concurrency_limit": ConcurrencyLimit(limit=3, collision_strategy="CANCEL_NEW")}),
    change("limit's grace period given", {"concurrency_limit": OWN_LIMIT}, {"concurrency_limit": ConcurrencyLimit(limit=3, grace_period_seconds=300)}),
    change("limit's grace period dropped", {"concurrency_limit": ConcurrencyLimit(limit=3, grace_period_seconds=300)}, {"concurrency_limit": OWN_LIMIT}),
    change("limit dropped", {"concurrency_limit": OWN_LIMIT}, {}, finally_=limits_are()),
    held("limit set in the UI", patch(concurrency_limit=5), "concurrency_limit"),
    held("shared limit linked in the UI", link_shared_limit(), "concurrency_limit"),
    drift("limit changed in the UI", patch(concurrency_limit=9), said={"concurrency_limit": OWN_LIMIT}),
    drift("limit removed in the UI", patch(concurrency_limit=None), said={"concurrency_limit": OWN_LIMIT}),
    drift("shared limit in place of the declared one", link_shared_limit(), 2, said={"concurrency_limit": OWN_LIMIT},
          finally_=limits_are(softland=2, own=1)),
    change("shared limit where one is declared now", {}, {"concurrency_limit": OWN_LIMIT}, 2, operator=link_shared_limit(),
           finally_=limits_are(softland=2, own=1)),
    change("limit dropped while a shared one is linked", {"concurrency_limit": OWN_LIMIT}, {}, 2, operator=link_shared_limit(), reason=BOTH,
           finally_=all_of(limits_are(softland=2), reads("global_concurrency_limit", None))),
)  # fmt: skip

CAUSES = (
    drift("description changed in the UI", patch(description="Mía")),
    change(
        "changed in the UI and in the files",
        {},
        {"description": "Otra"},
        operator=patch(description="Mía"),
        reason=BOTH,
    ),
    change("one field drifted, one changed", {}, {"tags": ("x",)}, operator=patch(description="Mía"), reason=BOTH),
    change("version overwritten", {}, {"description": "Otra"}, operator=patch(version="1.0"), reason=UNKNOWN),
    same("version overwritten and nothing else", {}, {}, operator=patch(version="1.0")),
    drift("parameters emptied by an operator", patch(parameters={})),
    drift("mark and tags removed", patch(tags=[]), adopt=(KEY,), reason=None),
)

OWNERS = (
    Case(id="foreign deployment untouched", before=a.state(a.deployment()), after=a.state(a.deployment(description="Otra")), writes=1,
         reason=FILES, operator=deploy_foreign("ajeno", tags=["compras"], schedules=[{"schedule": {"cron": "0 8 * * *"}}])),
    Case(id="unmanaged refused", before=a.state(), after=a.state(a.deployment()), writes=0, refusals=("unmanaged",),
         operator=deploy_foreign("Despliegue básico")),
    Case(id="unmanaged adopted", before=a.state(), after=a.state(a.deployment()), writes=1, adopt=(KEY,),
         operator=deploy_foreign("Despliegue básico", schedules=[{"slug": "noche", "schedule": {"cron": "0 8 * * *"}}])),
    Case(id="unmanaged adopted with slugless schedules", before=a.state(), writes=3, adopt=(KEY,),
         after=a.state(a.deployment(schedules=(NIGHT, DAWN, a.schedule("nueva", a.interval())))),
         operator=deploy_foreign("Despliegue básico", schedules=[
             {"schedule": {"cron": "5 4 * * *", "timezone": "America/Buenos_Aires"}},
             {"schedule": {"cron": "55 23 * * *", "timezone": a.ZONE}, "parameters": {"days": 3}}])),
    Case(id="other project's refused", before=a.state(), after=a.state(a.deployment()), writes=0, refusals=("other-project",),
         operator=deploy_foreign("Despliegue básico", tags=["managed-by:otro/compras/prod"])),
    Case(id="undeclared limit and pause survive adoption", before=a.state(), after=a.state(a.deployment(schedules=())), writes=1, adopt=(KEY,),
         operator=deploy_foreign("Despliegue básico", paused=True, concurrency_limit=4), holds=("paused", "concurrency_limit"),
         finally_=all_of(reads("paused", True), limits_are(own=1))),
)  # fmt: skip

POOLS = (
    pool_change("pool described", {}, {"description": "Producción"}),
    pool_change("pool's description left alone", {}, {}, 0, operator=patch_pool(description="Suya"), holds=("description",)),
    pool_change("pool's limit", {}, {"concurrency_limit": 4}, fields=("concurrency_limit",)),
    pool_change("pool's limit of none at all", {}, {"concurrency_limit": 0}),
    pool_change("pool's limit left alone", {}, {}, 0, operator=patch_pool(concurrency_limit=9), holds=("concurrency_limit",)),
    pool_change("pool paused by the files", {}, {"is_paused": True}),
    pool_change("pool paused in the UI", {}, {}, 0, operator=patch_pool(is_paused=True), holds=("is_paused",)),
    pool_change("pool's default laid over", {}, {"job_defaults": {"working_dir": "C:/src"}}, fields=("job_defaults.working_dir",)),
    pool_change("pool's default laid over inside", {"job_defaults": {"env": {"A": "1"}}}, {"job_defaults": {"env": {"A": "1", "B": "2"}}},
                fields=("job_defaults.env.B",)),
    pool_change("pool's default no more declared stays", {"job_defaults": {"working_dir": "C:/src"}}, {}, 0),
    pool_change("pool's template left alone", {"job_defaults": {"env": {"A": "1"}}}, {"job_defaults": {"env": {"A": "1"}}}, 0, operator=patch_pool(
        base_job_template={**a.TEMPLATE, "variables": {**a.TEMPLATE["variables"], "properties": {
            **a.TEMPLATE["variables"]["properties"], "env": {"type": "object", "default": {"A": "1", "Z": "26"}}, "extra": {"type": "string"}}}})),
    pool_change("pool's own template", {}, {"job_template": {**a.TEMPLATE, "job_configuration": {"command": "{{ command }}"}}}),
    pool_change("pool made by hand has no template", {}, {}, operator=patch_pool(base_job_template={})),
    pool_change("pool of an unknown kind has none", {"type": "casero", "type_template": {}}, {"type": "casero", "type_template": {}}, 0),
    pool_change("pool's type changed", {}, {"type": "docker"}, 0, refusals=("pool-type",)),
    pool_change("queue added", {}, {"queues": (*a.pool().queues, WorkQueue(name="noche"))}, fields=("queues.noche",)),
    pool_change("queue limited", {}, {"queues": (WorkQueue(name="urgent", priority=1, concurrency_limit=1), WorkQueue(name="default", priority=2))}),
    pool_change("queue described", {}, {"queues": (WorkQueue(name="urgent", description="Lo de hoy"),)}),
    pool_change("queue's limit left alone", {}, {"queues": (WorkQueue(name="urgent"),)}, 0),
    pool_change("queue no more declared stays", {}, {"queues": ()}, 0),
    pool_change("queues swapped", {}, {"queues": (WorkQueue(name="urgent", priority=2), WorkQueue(name="default", priority=1))},
                finally_=queues_are(default=1, urgent=2)),
    pool_change("queue pushed in front", {}, {"queues": (WorkQueue(name="ya", priority=1), WorkQueue(name="urgent", priority=2), WorkQueue(name="default", priority=3))},
                finally_=queues_are(ya=1, urgent=2, default=3)),
    pool_change("queues far apart", {}, {"queues": (WorkQueue(name="urgent", priority=5), WorkQueue(name="default", priority=10))}, 2,
                finally_=queues_are(urgent=5, default=10)),
    pool_change("queue beside one made by hand", {}, {"queues": (WorkQueue(name="urgent", priority=3), WorkQueue(name="default", priority=2))},
                operator=add_queue(name="mia"), finally_=queues_are(urgent=3, default=2, mia=4)),
)  # fmt: skip

CASES: tuple[Case, ...] = (*FIELDS, *SCHEDULES, *OPERATORS, *CAUSES, *OWNERS, *POOLS)


def ids(cases: Iterable[Case]) -> list[str]:
    """The names of the cases, for pytest."""
    return [case.id.replace(" ", "-") for case in cases]

"""State -> the server's JSON: the fewest requests that bring about a change, as data. The inverse of `observed`.

Each quirk of the server that shapes a request here has a contract test against a real server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from reconcile.compare import desired_template, paired
from reconcile.fingerprint import active_code, read_version, write_version
from reconcile.model import DEPLOYMENT_FIELDS, Deployment, Schedule, WorkPool, WorkQueue
from reconcile.plan import Change, FieldChange
from reconcile.schedule import write_stored
from reconcile.wire import REPLACED_LABEL, Request


def create_flow(name: str) -> Request:
    """A flow of that name. The server answers with the one that stands, if there is one."""
    return Request(method="POST", path="/flows/", body={"name": name})


def create_deployment(desired: Deployment, flow_id: str, commit: str, *, replaced: Deployment | None = None) -> Request:
    """A new deployment; in place of another it takes over what an operator decided there.

    Everything is said, defaults too: a POST resets what it leaves out, so that a repeated one does no harm.
    """
    version = write_version(desired, commit)  # of what is declared: what is taken over stays the operator's
    labels = {}
    if replaced is not None:
        # An apply that ends before the old one is deleted is finished by the next one, which has to know it.
        labels = {REPLACED_LABEL: replaced.id} if replaced.mark != desired.mark else {}
        desired = _taken_over(desired, replaced)
    body = {
        "name": desired.name,
        "flow_id": flow_id,
        **{name: value for field in _PLAIN for name, value in _field(desired, field).items()},
        "parameter_openapi_schema": dict(desired.parameter_schema or {}),
        "schedules": [_schedule(schedule) for schedule in desired.schedules],
        "paused": bool(desired.paused),
        "version": version,
        **({"labels": labels} if labels else {}),
    }
    if desired.concurrency_limit is not None:
        body.update(_field(desired, "concurrency_limit"))
    return Request(method="POST", path="/deployments/", body=body)


def _taken_over(desired: Deployment, old: Deployment) -> Deployment:
    """What is declared, with what an operator decided about the one that it replaces, where git did not own that."""
    stored = read_version(old.version)
    owned = {rule.name for rule in DEPLOYMENT_FIELDS if stored is not None and stored.owned(rule.code)}
    kept: dict[str, Any] = {
        name: getattr(old, name)
        for name in ("paused", "concurrency_limit")
        if getattr(desired, name) is None and name not in owned
    }
    partners = {one.slug: other for one, other in paired(desired.schedules, old.schedules) if one and other}
    schedules = []
    for schedule in desired.schedules:
        partner = partners.get(schedule.slug)
        is_owned = stored is not None and stored.owned(active_code(schedule.slug or ""))
        takes_over = schedule.active is None and partner is not None and not is_owned
        schedules.append(replace(schedule, active=partner.active) if takes_over and partner else schedule)
    return replace(desired, schedules=tuple(schedules), **kept)


def delete_deployment(observed: Deployment) -> Iterator[Request]:
    """What deletes a deployment. With a shared limit still linked, the server would delete that too, for everyone."""
    if observed.concurrency_limit is not None and observed.concurrency_limit.shared:
        yield Request(method="PATCH", path=_path(observed), body={"global_concurrency_limit_id": None})
    yield Request(method="DELETE", path=_path(observed))


def pause_deployment(observed: Deployment) -> Request:
    """No more runs of a deployment that should be gone already."""
    return Request(method="PATCH", path=_path(observed), body={"paused": True})


def update_deployment(change: Change, commit: str) -> Iterator[Request]:
    """What changes a deployment that stands: schedules that go, slugs for those without, then one PATCH.

    The PATCH comes last always, also where only a schedule goes: it is what brings the coming runs back within
    seconds, and it carries the version, which must not be written before the rest is true.
    """
    desired, observed = change.desired, change.observed
    assert isinstance(desired, Deployment)
    assert isinstance(observed, Deployment)
    fields = {field.field for field in change.fields}
    body: dict[str, Any] = {"version": write_version(desired, commit)}
    if "schedules" in fields:
        sent = _schedules_within(desired, observed, change)
        yield from _schedules_before(desired, observed, change, named=bool(sent))
        body.update({"schedules": sent} if sent else {})
    # What a field takes along although it does not change stays as it is: it may be drift that is left.
    along = {name: getattr(observed, name) for name in ("work_pool", "work_queue", "job_variables")}
    reached = replace(desired, **{name: value for name, value in along.items() if name not in fields})
    for name in sorted(fields - {"schedules"}):
        body.update(_field(reached, name))
    wanted, standing = desired.concurrency_limit, observed.concurrency_limit
    if "concurrency_limit" in fields and standing and standing.shared and not (wanted and wanted.shared):
        yield from _unlinked(observed, body)
    if "concurrency_limit" in fields and wanted and wanted.shared and standing and not standing.shared:
        yield from _without_own_limit(observed)
    yield Request(method="PATCH", path=_path(observed), body=body)


def _without_own_limit(observed: Deployment) -> Iterator[Request]:
    """The deployment's own limit would stay behind when another is linked, and be in the way of the next own one.

    Deleted while it is linked, it takes nothing along but the link.
    """
    yield Request(method="DELETE", path=f"/v2/concurrency_limits/{quote(f'deployment:{observed.id}')}")


def _unlinked(observed: Deployment, body: dict[str, Any]) -> Iterator[Request]:
    """Leave a shared limit to the others: a number sent while it is linked rewrites it for all, null deletes it.

    A limit of the deployment's own, from before it shared one, may still stand, which what is read of a deployment
    does not tell; making it again, now or later, would be refused.
    """
    body["global_concurrency_limit_id"] = None
    if body["concurrency_limit"] is None:
        del body["concurrency_limit"]
    yield Request(method="DELETE", path=f"/v2/concurrency_limits/{quote(f'deployment:{observed.id}')}")


_PLAIN = (
    "description",
    "entrypoint",
    "path",
    "pull_steps",
    "tags",
    "parameters",
    "enforce_parameter_schema",
    "work_pool",
    "job_variables",
)


def _field(desired: Deployment, name: str) -> dict[str, Any]:
    """One field of ours as the fields of the server's that say it."""
    if name in ("work_pool", "work_queue"):
        # The pool alone resets the queue to `default`; the queue alone is looked for in no pool at all. The
        # variables go along because the server checks what is sent against the pool's template.
        return {
            "work_pool_name": desired.work_pool,
            # Without a pool, a named queue would be looked for in whatever pool has one of that name.
            "work_queue_name": desired.work_queue if desired.work_pool else None,
            "job_variables": dict(desired.job_variables),
        }
    if name == "tags":
        return {"tags": [*desired.tags, *([desired.mark.tag] if desired.mark else [])]}
    if name == "parameter_schema":
        return {"parameter_openapi_schema": dict(desired.parameter_schema or {})}
    if name == "concurrency_limit":
        return _limit(desired)
    if name == "paused":
        return {"paused": bool(desired.paused)}
    value = getattr(desired, name)
    if isinstance(value, tuple):
        value = list(value)
    return {name: dict(value) if isinstance(value, Mapping) else value}


def _limit(desired: Deployment) -> dict[str, Any]:
    limit = desired.concurrency_limit
    if limit is None:
        return {"concurrency_limit": None, "concurrency_options": None}
    options: dict[str, Any] = {"collision_strategy": limit.collision_strategy}
    if limit.grace_period_seconds is not None:
        options["grace_period_seconds"] = limit.grace_period_seconds
    if limit.shared:
        # With a number beside it, that would rewrite the limit of all the others.
        return {"global_concurrency_limit_id": limit.id, "concurrency_options": options}
    return {"concurrency_limit": limit.limit, "concurrency_options": options}


def _schedule(schedule: Schedule) -> dict[str, Any]:
    """A schedule whole: a slugged one that leaves its parameters out loses them."""
    body = {
        "slug": schedule.slug,
        "schedule": write_stored(schedule.timing),
        "parameters": dict(schedule.parameters),
    }
    return body if schedule.active is None else {**body, "active": schedule.active}


def _schedules_before(desired: Deployment, observed: Deployment, change: Change, *, named: bool) -> Iterator[Request]:
    """A PATCH deletes no schedule and refuses a mix of slugged and slugless ones: both are mended first.

    One that is left although nobody declares it (drift that is only reported) gets a slug where others are sent along.
    """
    for wanted, standing in paired(desired.schedules, observed.schedules):
        if standing is None:
            continue
        path = f"{_path(observed)}/schedules/{quote(standing.id or '')}"
        if wanted is not None and standing.slug is None:
            if named or _touched(change, wanted.slug or ""):
                yield Request(method="PATCH", path=path, body=_schedule(wanted))
        elif wanted is None and _touched(change, standing.slug or f"#{standing.id}"):
            yield Request(method="DELETE", path=path)
        elif wanted is None and standing.slug is None and named:
            yield Request(method="PATCH", path=path, body=_schedule(replace(standing, slug=f"ui-{standing.id}")))


def _schedules_within(desired: Deployment, observed: Deployment, change: Change) -> list[dict[str, Any]]:
    """The schedules that the PATCH carries: new ones and those that differ. The others keep what they have.

    So does of each what does not differ: of a timing that is left out the server keeps the one that stands.
    """
    sent = []
    for wanted, standing in paired(desired.schedules, observed.schedules):
        if wanted is None or (standing is not None and standing.slug is None):
            continue
        touched = _touched(change, wanted.slug or "")
        if not touched:
            continue
        body = _schedule(wanted)
        if standing is not None:
            switched = [field.after for field in touched if _is_switch(field, wanted.slug or "")]
            body.pop("active", None)
            body.update({"active": bool(switched[0])} if switched else {})
            if len(switched) == len(touched):
                del body["schedule"]
                body["parameters"] = dict(standing.parameters)
        sent.append(body)
    return sent


def _touched(change: Change, slug: str) -> list[FieldChange]:
    """What changes of a schedule."""
    path = f"schedules.{slug}"
    return [field for field in change.fields if field.path == path or field.path.startswith(f"{path}.")]


def _is_switch(field: FieldChange, slug: str) -> bool:
    """Whether a schedule is switched on or off: its value tells it from a schedule whose slug is `….active`."""
    return field.path == f"schedules.{slug}.active" and isinstance(field.after, bool)


def _path(deployment: Deployment) -> str:
    return f"/deployments/{quote(deployment.id or '')}"


# Work pools


def create_pool(desired: WorkPool) -> Iterator[Request]:
    """A new pool, with its type's template (without one the pool's template is empty), and its queues."""
    body = {
        "name": desired.name,
        "type": desired.type,
        "description": desired.description,
        "concurrency_limit": desired.concurrency_limit,
        "is_paused": bool(desired.is_paused),
        "base_job_template": desired_template(desired, None),
    }
    yield Request(method="POST", path="/work_pools/", body=body)
    standing = WorkPool(name=desired.name, type=desired.type, queues=(WorkQueue(name="default", priority=1),))
    yield from _queues(desired, standing)


def update_pool(change: Change) -> Iterator[Request]:
    """What changes a pool that stands."""
    desired, observed = change.desired, change.observed
    assert isinstance(desired, WorkPool)
    assert isinstance(observed, WorkPool)
    fields = {field.field for field in change.fields}
    body: dict[str, Any] = {name: getattr(desired, name) for name in sorted(fields - {"job_template", "queues"})}
    if "is_paused" in body:
        body["is_paused"] = bool(desired.is_paused)
    if "job_template" in fields:
        body["base_job_template"] = desired_template(desired, observed)
    if body:
        yield Request(method="PATCH", path=f"/work_pools/{quote(desired.name, safe='')}", body=body)
    if "queues" in fields:
        yield from _queues(desired, observed)


def _queues(desired: WorkPool, observed: WorkPool) -> Iterator[Request]:
    """The queues that differ, lowest priority number first, and again those that an earlier one pushed away."""
    path = f"/work_pools/{quote(desired.name, safe='')}/queues"
    priorities = {queue.name: queue.priority or 0 for queue in observed.queues}
    standing = {queue.name: queue for queue in observed.queues}
    for queue in sorted(desired.queues, key=lambda queue: (queue.priority or 10**9, queue.name)):
        known = standing.get(queue.name)
        body = {
            name: value
            for name in ("concurrency_limit", "description")
            if (value := getattr(queue, name)) is not None and value != getattr(known, name, None)
        }
        if queue.priority is not None and priorities.get(queue.name) != queue.priority:
            body["priority"] = queue.priority
        if known is None:
            yield Request(method="POST", path=path, body={"name": queue.name, **body})
        elif body:
            yield Request(method="PATCH", path=f"{path}/{quote(queue.name, safe='')}", body=body)
        priorities = renumbered(priorities, queue.name, body.get("priority"))


def renumbered(priorities: Mapping[str, int], name: str, priority: int | None) -> dict[str, int]:
    """The priorities of a pool's queues after the server has set one of them.

    A queue that is given another's number pushes that one, and those behind it as far as needed, one further
    (`bulk_update_work_queue_priorities` in Prefect's server/models/workers.py); one without a number gets the first
    that is free.
    """
    others = sorted((number, other) for other, number in priorities.items() if other != name)
    if priority is None:
        taken = {number for number, _ in others}
        free = next(number for number in range(1, len(taken) + 2) if number not in taken)
        return {**priorities, name: priorities.get(name, free)}
    place = next((index for index, (number, _) in enumerate(others) if number >= priority), len(others))
    moved = {name: priority}
    last = 0
    for number, other in [*others[:place], (priority, name), *others[place:]]:
        last = number if number > last else last + 1
        moved[other] = last
    return moved

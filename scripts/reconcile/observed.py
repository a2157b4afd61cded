"""The server's JSON -> State. Normalises representation, hides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconcile.model import DEFAULT_QUEUE, ConcurrencyLimit, Deployment, Mark, Schedule, State, WorkPool, WorkQueue
from reconcile.schedule import read_stored
from reconcile.wire import REPLACED_LABEL, Snapshot

OWN_LIMIT_PREFIX = "deployment:"
"""How Prefect names the limit that it makes for one deployment; any other name is a shared limit."""


def observed(snapshot: Snapshot) -> State:
    """Everything that the server told, as the same types as what is desired."""
    flow_names = {flow["id"]: flow["name"] for flow in snapshot.flows}
    deployments = (_deployment(raw, flow_names) for raw in _once(snapshot.deployments))
    queues: dict[str, list[WorkQueue]] = {}
    for raw in _once(snapshot.queues):
        queues.setdefault(raw["work_pool_id"], []).append(_queue(raw))
    return State(
        pools={raw["name"]: _pool(raw, queues.get(raw["id"], ())) for raw in _once(snapshot.pools)},
        deployments={deployment.key.name: deployment for deployment in deployments},
        flows={name: flow_id for flow_id, name in flow_names.items()},
    )


def _once(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each row once: the server pages without a tie-breaker, so that one may come twice."""
    return list({row["id"]: row for row in rows}.values())


def _mark(raw: Mapping[str, Any]) -> Mark | None:
    """Whose it is. With the marks of two projects it is nobody's until somebody takes it over by name."""
    marks = [mark for tag in raw.get("tags") or () if (mark := Mark.parse(tag))]
    return marks[0] if len({mark.project for mark in marks}) == 1 else None


def _deployment(raw: Mapping[str, Any], flow_names: Mapping[str, str]) -> Deployment:
    mark = _mark(raw)
    schedules = sorted((_schedule(item) for item in raw.get("schedules") or ()), key=_schedule_order)
    return Deployment(
        flow=flow_names.get(raw["flow_id"], raw["flow_id"]),
        name=raw["name"],
        id=raw["id"],
        flow_id=raw["flow_id"],
        updated=raw.get("updated"),
        replaced=(raw.get("labels") or {}).get(REPLACED_LABEL),
        entrypoint=raw.get("entrypoint"),
        path=raw.get("path"),
        description=raw.get("description") or None,
        pull_steps=tuple(raw.get("pull_steps") or ()),
        tags=tuple(tag for tag in raw.get("tags") or () if mark is None or tag != mark.tag),
        parameters=raw.get("parameters") or {},
        parameter_schema=raw.get("parameter_openapi_schema") or {},
        enforce_parameter_schema=bool(raw.get("enforce_parameter_schema")),
        work_pool=raw.get("work_pool_name"),
        work_queue=raw.get("work_queue_name") or DEFAULT_QUEUE,
        job_variables=raw.get("job_variables") or {},
        schedules=tuple(schedules),
        paused=bool(raw.get("paused")),
        concurrency_limit=_limit(raw),
        mark=mark,
        version=raw.get("version"),
    )


def _schedule(raw: Mapping[str, Any]) -> Schedule:
    return Schedule(
        id=raw["id"],
        slug=raw.get("slug"),
        updated=raw.get("updated"),
        timing=read_stored(raw["schedule"]),
        parameters=raw.get("parameters") or {},
        active=bool(raw.get("active")),
    )


def _schedule_order(schedule: Schedule) -> tuple[str, str]:
    return schedule.slug or "", schedule.id or ""


def _limit(raw: Mapping[str, Any]) -> ConcurrencyLimit | None:
    """`concurrency_limit` itself always reads back null: the limit stands in `global_concurrency_limit`."""
    limit = raw.get("global_concurrency_limit")
    if not limit:
        return None
    options = raw.get("concurrency_options") or {}
    return ConcurrencyLimit(
        limit=limit["limit"],
        shared=None if limit["name"].startswith(OWN_LIMIT_PREFIX) else limit["name"],
        collision_strategy=options.get("collision_strategy") or "ENQUEUE",
        grace_period_seconds=options.get("grace_period_seconds"),
        id=limit.get("id"),
    )


def _pool(raw: Mapping[str, Any], queues: Sequence[WorkQueue]) -> WorkPool:
    return WorkPool(
        id=raw["id"],
        name=raw["name"],
        type=raw["type"],
        description=raw.get("description"),
        concurrency_limit=raw.get("concurrency_limit"),
        is_paused=bool(raw.get("is_paused")),
        job_template=raw.get("base_job_template") or {},
        updated=raw.get("updated"),
        queues=tuple(sorted(queues, key=lambda queue: queue.name)),
    )


def _queue(raw: Mapping[str, Any]) -> WorkQueue:
    return WorkQueue(
        id=raw["id"],
        name=raw["name"],
        priority=raw.get("priority"),
        concurrency_limit=raw.get("concurrency_limit"),
        description=raw.get("description"),
    )

"""The server's JSON -> State. Normalises representation, hides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconcile.automations import names_by_id, observed_automation, with_turn
from reconcile.model import (
    DEFAULT_QUEUE,
    Automation,
    ConcurrencyLimit,
    Deployment,
    GlobalLimit,
    Mark,
    Schedule,
    Secret,
    State,
    Variable,
    WorkPool,
    WorkQueue,
)
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
    state = State(
        pools={raw["name"]: _pool(raw, queues.get(raw["id"], ())) for raw in _once(snapshot.pools)},
        variables={raw["name"]: _variable(raw) for raw in _once(snapshot.variables)},
        secrets={block.block: block for raw in _once(snapshot.blocks) if (block := _block(raw)) is not None},
        limits={
            raw["name"]: _global_limit(raw)
            for raw in _once(snapshot.limits)
            if not raw["name"].startswith(OWN_LIMIT_PREFIX)
        },
        deployments={deployment.key.name: deployment for deployment in deployments},
        flows={name: flow_id for flow_id, name in flow_names.items()},
    )
    return replace(state, automations=_automations(snapshot, state))


def _automations(snapshot: Snapshot, state: State) -> dict[str, Automation]:
    """Automations by name. Of several of one name, which the server lets be, the one with a mark, or the oldest.

    The others go by a name with their id in it.
    """
    if not snapshot.automations:
        return {}
    oldest = sorted(_once(snapshot.automations), key=lambda raw: (str(raw.get("created")), raw["id"]))
    names = names_by_id(state, oldest)
    found: dict[str, Automation] = {}
    for raw in sorted(oldest, key=lambda raw: _mark(raw) is None):
        mark = _mark(raw)
        one = replace(observed_automation(raw, names), tags=_tags(raw, mark), mark=mark)
        one = with_turn(one) if one.name in found else one
        found[one.name] = one
    return found


def _once(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Each row once: the server pages without a tie-breaker, so that one may come twice."""
    return list({row["id"]: row for row in rows}.values())


def _mark(raw: Mapping[str, Any]) -> Mark | None:
    """Whose it is. With the marks of two projects it is nobody's until somebody takes it over by name."""
    marks = [mark for tag in raw.get("tags") or () if (mark := Mark.parse(tag))]
    return marks[0] if len({mark.project for mark in marks}) == 1 else None


def _tags(raw: Mapping[str, Any], mark: Mark | None) -> tuple[str, ...]:
    return tuple(tag for tag in raw.get("tags") or () if mark is None or tag != mark.tag)


def _variable(raw: Mapping[str, Any]) -> Variable:
    mark = _mark(raw)
    return Variable(id=raw["id"], name=raw["name"], value=raw.get("value"), tags=_tags(raw, mark), mark=mark)


def _global_limit(raw: Mapping[str, Any]) -> GlobalLimit:
    decay = raw.get("slot_decay_per_second") or 0.0
    return GlobalLimit(id=raw["id"], name=raw["name"], limit=raw["limit"], slot_decay_per_second=decay)


def _block(raw: Mapping[str, Any]) -> Secret | None:
    """A block that has a name; what it keeps is not read."""
    name, kind = raw.get("name"), (raw.get("block_type") or {}).get("slug")
    able = (raw.get("block_schema") or {}).get("capabilities")
    able = None if able is None else tuple(able)
    return Secret(id=raw["id"], name=name, block_type=kind, capabilities=able) if name and kind else None


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
        tags=_tags(raw, mark),
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

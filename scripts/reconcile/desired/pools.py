"""Work pools: what their files declare, and which one a deployment runs in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconcile.desired.draft import Draft, formed
from reconcile.document import Document
from reconcile.layers import NAME, Entry
from reconcile.model import (
    DEFAULT_QUEUE,
    NOTHING,
    WorkPool,
    WorkQueue,
)
from reconcile.problem import Fault, Problem
from reconcile.resolve import nearest
from reconcile.schema import UNUSABLE, check_value


def pool_from(draft: Draft, stem: str, document: Document) -> WorkPool:
    """What a pool's file declares."""
    data: Mapping[str, Any] = document.data
    kind = str(data.get("type") or "process")
    types = draft.evidence.templates
    template = data.get("base_job_template")
    if "type" in data and types and kind not in types and not isinstance(template, dict):
        draft.problems.append(
            Problem(
                location=document.locate(("type",)),
                code="pool-type-unknown",
                message=f"{kind!r} is no type of work pool that this Prefect brings a job template for.",
                hint=f"{nearest(kind, types)} For a type of your own give its `base_job_template:`.",
            )
        )
    known = "type" in data and not document.at_fault(("base_job_template",))
    pool = WorkPool(
        name=str(data.get("name") or stem),
        type=kind,
        description=data.get("description"),
        concurrency_limit=data.get("concurrency_limit"),
        is_paused=data.get("is_paused"),
        job_template=template if isinstance(template, dict) else None,
        job_defaults=data.get("job_defaults") or {},
        type_template=types.get(kind, NOTHING) if known else NOTHING,
        queues=tuple(WorkQueue(name=name, **(said or {})) for name, said in (data.get("queues") or {}).items()),
    )
    draft.problems += _same_priority(document, pool)
    draft.problems += _default_problems(document, pool)
    return pool


def _default_problems(document: Document, pool: WorkPool) -> Iterator[Problem]:
    schema = _variables(pool)
    for fault in check_value(dict(pool.job_defaults), schema) if schema else ():
        if fault.code == UNUSABLE:
            yield replace(fault, hint=_TEMPLATE).located(document.locate(("base_job_template",)))
            continue
        message = f"The job template of the type {pool.type!r} does not take this: {fault.message}"
        place = document.locate(("job_defaults", *fault.at))
        yield replace(fault, code="job-default-type", message=message, hint=fault.hint or _TEMPLATE).located(place)


_TEMPLATE = "Write what the job template's variables take; the UI shows them when the pool is edited."


def _variables(pool: WorkPool | None) -> dict[str, Any] | None:
    """The schema of what a pool's template takes; what it requires may come from elsewhere."""
    variables = (pool.job_template or pool.type_template).get("variables") if pool else None
    if not isinstance(variables, Mapping):
        return None
    return {key: value for key, value in variables.items() if key != "required"}


def _same_priority(document: Document, pool: WorkPool) -> Iterator[Problem]:
    seen: dict[int, str] = {}
    for queue in pool.queues:
        if queue.priority is not None and queue.priority in seen:
            yield Problem(
                location=document.locate(("queues", queue.name, "priority")),
                code="queue-priority-twice",
                message=f"The queues {seen[queue.priority]!r} and {queue.name!r} have one priority: {queue.priority}.",
                hint="Within a pool each priority is given once: 1 is served first.",
            )
        if queue.priority is not None:
            seen.setdefault(queue.priority, queue.name)


def pools_of_one_name(draft: Draft) -> Iterator[Problem]:
    """Two files that would be one pool on the server."""
    seen: dict[str, str] = {}
    for stem, pool in draft.pools.items():
        if pool.name in seen:
            yield Problem(
                location=draft.repository.pools[stem].locate(("name",)),
                code="pool-twice",
                message=f"The work pool {pool.name!r} is declared twice: also in pools/{seen[pool.name]}.yaml.",
                hint="Keep one of the two files.",
            )
        seen.setdefault(pool.name, stem)


def pool_of(draft: Draft, entry: Entry) -> WorkPool | None:
    """The pool that a deployment runs in: its own, or the one that its environment gives its area."""
    rules = entry.scope.rules
    form = rules.data.get("work_pool")
    coherent = formed(str(form), entry) if form else None
    own = entry.fields.get("work_pool")
    said = own or coherent
    if entry.at_fault("work_pool") or (said is None and rules.at_fault("work_pool")):
        return None
    if not isinstance(said, str) or said not in draft.pools:
        draft.problems += _no_pool(draft, entry, said, own=isinstance(own, str))
        return None
    allowed = (rules.data.get("allow_pools") or {}).get(entry.scope.area) or []
    if coherent is not None and said != coherent and said not in allowed and not rules.at_fault("allow_pools"):
        draft.problems.append(_incoherent_pool(entry, said, coherent))
    draft.problems += _queue_problems(draft, entry, said)
    return draft.pools[said]


def _queue_problems(draft: Draft, entry: Entry, pool: str) -> Iterator[Problem]:
    queue = entry.fields.get("work_queue")
    known = {DEFAULT_QUEUE, *(known.name for known in draft.pools[pool].queues)}
    lost = draft.repository.pools[pool].at_fault(("queues", str(queue)))
    if isinstance(queue, str) and queue not in known and not lost:
        fault = Fault(
            code="queue-undeclared",
            message=f"The work pool {pool!r} has no queue {queue!r}.",
            hint=f"Declare it under `queues:` in pools/{pool}.yaml. {nearest(queue, known)}",
            at=("work_queue",),
        )
        yield entry.problem(fault)


def _no_pool(draft: Draft, entry: Entry, said: str | None, *, own: bool) -> Iterator[Problem]:
    """No pool, or none of that name. What is missing for a whole area is said once, at its first deployment."""
    scope = entry.scope
    who = f"deployments of {scope.area} in {scope.environment}"
    if own:
        yield entry.problem(replace(_undeclared_pool(draft, str(said)), at=("work_pool",)))
    elif (scope.area, scope.environment) not in draft.poolless and NAME.fullmatch(scope.area):
        draft.poolless.add((scope.area, scope.environment))
        if said is not None:
            fault = _undeclared_pool(draft, said, f", which environments.yaml names for {who}")
        else:
            fault = Fault(
                code="pool-missing",
                message=f"No work pool is named for {who}.",
                hint="Write `work_pool:` here, or for the whole environment in environments.yaml.",
            )
        yield entry.problem(fault)


def _undeclared_pool(draft: Draft, said: str, why: str = "") -> Fault:
    stem = next((stem for stem, pool in draft.pools.items() if pool.name == said), None)
    hint = f"Declare it in pools/{said}.yaml. {nearest(said, draft.pools)}"
    if stem is not None:
        hint = f"Pools are called as their files here: write {stem!r}."
    return Fault(code="pool-undeclared", message=f"No work pool is called {said!r}{why}.", hint=hint)


def _incoherent_pool(entry: Entry, said: str, coherent: str) -> Problem:
    scope = entry.scope
    return entry.problem(
        Fault(
            code="pool-not-coherent",
            message=f"Deployments of {scope.area} in {scope.environment} run in the work pool {coherent!r}, "
            f"not in {said!r}.",
            hint="Leave `work_pool` out, or allow it in environments.yaml: "
            f"allow_pools: {{{scope.area}: [{said}]}} under {scope.environment}.",
            at=("work_pool",),
        )
    )


def check_job_variables(draft: Draft, entry: Entry, pool: WorkPool | None) -> None:
    """Whether the pool's job template takes the deployment's job variables."""
    schema = _variables(pool)
    if pool is None or schema is None:
        return
    for fault in check_value(dict(entry.fields.get("job_variables") or {}), schema):
        if fault.code == UNUSABLE:  # said of the pool
            continue
        message = f"The job template of the work pool {pool.name!r} does not take this: {fault.message}"
        at = ("job_variables", *fault.at)
        told = replace(fault, code="job-variable-type", message=message, hint=fault.hint or _TEMPLATE, at=at)
        draft.problems.append(entry.problem(told))

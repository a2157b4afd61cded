"""The work pool of a deployment of a prefect.yaml, its queue and its job variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from reconcile.moving.draft import DraftPool, file_name, free_name
from reconcile.moving.prefect_file import Draft, KeyPath, near
from reconcile.moving.prefect_templates import stands

POOL: Final = frozenset({"name", "work_queue_name", "job_variables"})


def pool_of(work: Draft, raw: Mapping[str, Any], at: KeyPath, outputs: frozenset[str] | None) -> dict[str, Any]:
    """Its work pool, queue and job variables; a pool that is declared nowhere is added to the draft."""
    pool, place = raw.get("work_pool"), (*at, "work_pool")
    fields: dict[str, Any] = {}
    if isinstance(pool, str):
        work.say(
            place,
            "pool-text",
            f"Prefect 3 refuses the whole file for a work pool that is a text; {pool!r} is taken for its name.",
            f"It is `work_pool: {{name: {pool}}}`.",
        )
        pool = {"name": pool}
    if pool is not None and not isinstance(pool, dict):
        work.say(place, "pool-invalid", "`work_pool` must be a mapping with its `name`.", "Correct it.", error=True)
        pool = None
    for key in pool or {}:
        if key not in POOL:
            work.leave_out(
                (*place, key),
                f"Prefect drops {key!r} of a work pool in silence, so it is not carried over.",
                near(key, POOL),
                "key-dropped",
            )
    name = (pool or {}).get("name")
    if name is None or "{{" in str(name):
        reason = "has no work pool" if name is None else "takes its work pool from a template"
        work.say(
            place,
            "pool-missing",
            f"{raw.get('name')!r} {reason}: Prefect asks for one at each deploy.",
            "Write `work_pool: {name: …}`.",
            error=True,
        )
    else:
        fields |= _pool_fields(work, str(name), pool or {}, place)
    variables = _variables(work, raw, pool or {}, at)
    said = {key: _kept_variables(work, value, (*variables_at, key), outputs) for variables_at, key, value in variables}
    said = {key: value for key, value in said.items() if value is not _GONE}
    if said:
        fields["job_variables"] = said
    return fields


_GONE: Final = object()


def _variables(
    work: Draft, raw: Mapping[str, Any], pool: Mapping[str, Any], at: KeyPath
) -> list[tuple[KeyPath, str, Any]]:
    found: dict[str, tuple[KeyPath, str, Any]] = {}
    old = raw.get("infra_overrides")
    if old:
        work.say(
            (*at, "infra_overrides"),
            "prefect-2-key",
            "`infra_overrides` is of Prefect 2, and 3 drops it; it is taken for job_variables.",
            key=True,
        )
    for value, place in (
        (old, (*at, "infra_overrides")),
        (pool.get("job_variables"), (*at, "work_pool", "job_variables")),
    ):
        if value is not None and not isinstance(value, dict):
            work.say(place, "job-variables-invalid", "Job variables are a mapping.", "Correct it.", error=True)
        elif value:
            found |= {key: (place, key, item) for key, item in value.items()}
    return list(found.values())


def _kept_variables(work: Draft, value: Any, at: KeyPath, outputs: frozenset[str] | None) -> Any:
    """A job variable without what nobody would fill in."""
    if isinstance(value, dict):
        kept = {key: _kept_variables(work, item, (*at, key), outputs) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not _GONE}
    return value if stands(work, value, at, outputs, worker=True) else _GONE


def _pool_fields(work: Draft, name: str, pool: Mapping[str, Any], at: KeyPath) -> dict[str, Any]:
    stem = work.target.pools.get(name)
    if stem is None:
        known = {str(said.fields.get("name") or stem): stem for stem, said in work.pools.items()}
        stem = known.get(name) or free_name(file_name(name, "pool"), {*work.pools, *work.target.stems, "logging"})
        kind = work.target.pool_types.get(name) or _kind(name, pool.get("job_variables"))
        if stem not in work.pools or work.pools[stem].fields["type"] == "process":
            work.pools[stem] = DraftPool(fields={**({"name": name} if name != stem else {}), "type": kind})
    queue = pool.get("work_queue_name")
    if queue is None or queue == "default":
        return {"work_pool": stem}
    if "{{" in str(queue):
        work.leave_out((*at, "work_queue_name"), "A queue that is filled in at each deploy cannot be declared.")
        return {"work_pool": stem}
    work.queues.setdefault(stem, set()).add(str(queue))
    return {"work_pool": stem, "work_queue": str(queue)}


_KUBERNETES: Final = frozenset({"namespace", "service_account_name", "finished_job_ttl", "image_pull_secrets"})

_DOCKER: Final = frozenset({"image", "networks", "volumes", "auto_remove", "container_create_kwargs", "mem_limit"})


def _kind(name: str, variables: Any) -> str:
    """The type that a pool most likely has, by the variables of its jobs: the file does not say it."""
    keys = set(variables) if isinstance(variables, Mapping) else set()
    if keys & _KUBERNETES or re.search(r"k8s|kube", name, re.IGNORECASE):
        return "kubernetes"
    return "docker" if keys & _DOCKER else "process"

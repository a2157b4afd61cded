"""An entry and its code -> a Deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconcile.desired.automations import care_faults
from reconcile.desired.draft import Draft, final_name
from reconcile.desired.flow import check_parameters_of, signature_of, warn_of_relative_paths
from reconcile.desired.pools import check_job_variables, pool_of
from reconcile.desired.schedules import schedules_of
from reconcile.layers import Entry, KeyPath
from reconcile.model import (
    DEFAULT_QUEUE,
    ConcurrencyLimit,
    Deployment,
    GlobalLimit,
    Mark,
    Schedule,
    WorkPool,
)
from reconcile.problem import Fault
from reconcile.pull import canonical_entrypoint
from reconcile.resolve import Code, nearest
from reconcile.schedule import read_day
from reconcile.signature import Signature, default_flow_name

FORBIDDEN_IN_NAMES = frozenset("/%&><")
"""Characters that Prefect refuses in a name, or that break its address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """What of an entry does not depend on its code."""

    name: str
    schedules: tuple[Schedule, ...]
    pool: WorkPool | None


def checked(draft: Draft, entry: Entry) -> _Checked:
    """What can be judged of an entry without its code."""
    name = final_name(entry)
    faults = (
        *_name_faults(name),
        *_kind_faults(entry.fields.get("parameters")),
        *_pause_faults(entry),
        *care_faults(entry),
    )
    for fault in faults:
        draft.problems.append(entry.problem(fault))
    schedules = tuple(schedules_of(draft, entry))
    pool = pool_of(draft, entry)
    check_job_variables(draft, entry, pool)
    _check_limit(draft, entry)
    return _Checked(name=name, schedules=schedules, pool=pool)


def deployment_of(draft: Draft, code: Code) -> Deployment:
    """The deployment that an entry declares; its problems go to the draft."""
    entry = code.entry
    fields = entry.fields
    found = checked(draft, entry)
    mark = Mark(
        project=str(draft.repository.project.data.get("name") or "project"),
        area=entry.scope.area,
        environment=entry.scope.environment,
    )
    signature = signature_of(draft, code)
    warn_of_relative_paths(draft, code)
    parameters = dict(fields.get("parameters") or {})
    if signature is not None:
        check_parameters_of(draft, entry, signature, parameters, found.schedules)
    return Deployment(
        flow=_flow_name(draft, code, signature, mark, found.name),
        name=found.name,
        entrypoint=canonical_entrypoint(code.entrypoint),  # with backslashes only Windows workers would find it
        pull_steps=code.steps,
        description=fields.get("description"),
        tags=tuple(fields.get("tags") or ()),
        parameters=parameters,
        parameter_schema=signature.parameter_schema if signature else None,
        enforce_parameter_schema=fields.get("enforce_parameter_schema", True),
        work_pool=found.pool.name if found.pool else None,
        work_queue=fields.get("work_queue") or DEFAULT_QUEUE,
        job_variables=dict(fields.get("job_variables") or {}),
        # As an observed one has them: which of two keys stands first in a file decides nothing.
        schedules=tuple(sorted(found.schedules, key=lambda schedule: str(schedule.slug))),
        paused=_paused(fields.get("paused")),
        concurrency_limit=_limit(draft, entry),
        mark=mark,
    )


def _paused(said: Any) -> bool | None:
    """`{until: …}` is a pause too: nothing resumes by itself once that day has come."""
    return True if isinstance(said, Mapping) else said


def _limit(draft: Draft, entry: Entry) -> ConcurrencyLimit | None:
    said = entry.fields.get("concurrency_limit")
    given = said if isinstance(said, Mapping) else {"limit": said}
    fields = {name: value for name, value in given.items() if value is not None}
    shared = _shared_limits(draft, entry).get(fields["shared"]) if isinstance(fields.get("shared"), str) else None
    limit = shared.limit if shared else fields.get("limit")
    if limit is None:  # not said, or at fault
        return None
    return ConcurrencyLimit(**{**fields, "limit": int(limit)})


def _shared_limits(draft: Draft, entry: Entry) -> dict[str, GlobalLimit]:
    declared = draft.besides.for_environments({entry.scope.environment})
    return {key.name: one.resource for key, one in declared.items() if isinstance(one.resource, GlobalLimit)}


def _check_limit(draft: Draft, entry: Entry) -> None:
    """Whether the limit that an entry shares is declared where its environment sees it."""
    said = entry.fields.get("concurrency_limit")
    name = said.get("shared") if isinstance(said, Mapping) else None
    if not isinstance(name, str) or entry.at_fault("concurrency_limit"):
        return
    known = _shared_limits(draft, entry)
    lost = any(document.at_fault(("concurrency_limits", name)) for document in draft.repository.documents())
    if name not in known and not lost:
        fault = Fault(
            code="limit-undeclared",
            message=f"No concurrency limit is called {name!r} for {entry.scope.environment}.",
            hint=f"Declare it under `concurrency_limits:` of a shared.yaml. {nearest(name, known)}",
            at=("concurrency_limit", "shared"),
        )
        draft.problems.append(entry.problem(fault))


def _flow_name(draft: Draft, code: Code, signature: Signature | None, mark: Mark, name: str) -> str:
    """The flow's name: as pinned, as its source says, as it stands on the server, or as Prefect would make it up."""
    pinned = code.entry.fields.get("flow")
    if isinstance(pinned, str):
        return pinned
    if signature is not None and signature.flow_name is not None:
        return signature.flow_name
    return draft.evidence.known_flow(mark, name) or default_flow_name(code.function)


def _name_faults(name: str) -> Iterator[Fault]:
    bad = sorted({character for character in name if character in FORBIDDEN_IN_NAMES or not character.isprintable()})
    if bad:
        yield Fault(
            code="name-invalid",
            message=f"The deployment's name {name!r} has characters that Prefect does not take in a name: "
            f"{' '.join(map(repr, bad))}.",
            hint="Leave them out.",
        )
    if name != name.strip():
        yield Fault(
            code="name-invalid",
            message=f"The deployment's name {name!r} begins or ends with a space, which nobody sees.",
            hint="Leave it out.",
        )


def _pause_faults(entry: Entry) -> Iterator[Fault]:
    said = entry.fields.get("paused")
    until = said.get("until") if isinstance(said, Mapping) else None
    if isinstance(until, str) and read_day(until) is None:
        yield Fault(
            code="date-invalid",
            message=f"There is no day {until}.",
            hint='Write it as year, month and day: "2026-12-15".',
            at=("paused", "until"),
        )


def _kind_faults(value: Any, at: KeyPath = ("parameters",)) -> Iterator[Fault]:
    """The server evaluates `__prefect_kind` in an update and stores the result, but not when it creates."""
    if isinstance(value, Mapping):
        if "__prefect_kind" in value:
            yield Fault(
                code="prefect-kind",
                message="`__prefect_kind` is evaluated by the server at some requests and stored as it is at others.",
                hint="Write the value itself.",
                at=(*at, "__prefect_kind"),
                on_key=True,
            )
        for key, item in value.items():
            yield from _kind_faults(item, (*at, key))

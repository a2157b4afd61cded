r"""When two values are the same although they are written differently, and what of a deployment is compared.

Representation is no difference: `src\basic.py` and `src/basic.py`, 1 and 1.0, null and the server's default.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from reconcile.model import NOTHING, ConcurrencyLimit, Deployment, Schedule, WorkPool
from reconcile.plan import FieldChange
from reconcile.pull import SET_WORKING_DIRECTORY, canonical_directory, canonical_entrypoint
from reconcile.schedule import write_stored
from reconcile.secrets import mask

NO_PARAMETERS: Final = {"type": "object", "properties": {}}
"""How the server stores the schema of a flow without parameters, whatever empty form was sent."""


def canonical(value: Any) -> str:
    """A text that is equal for values that mean the same: keys sorted, whole floats as integers, true never 1."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def same(one: Any, other: Any) -> bool:
    """Whether two values of JSON mean the same."""
    return canonical(one) == canonical(other)


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`: mappings merge at every depth, anything else replaces."""
    merged = dict(below)
    for key, value in above.items():
        lower = merged.get(key)
        merged[key] = overlay(lower, value) if isinstance(value, Mapping) and isinstance(lower, Mapping) else value
    return merged


def comparable(deployment: Deployment, name: str) -> Any:
    """The value of a field in the form in which it is compared and fingerprinted. Schedules: see `of_schedule`."""
    value = getattr(deployment, name)
    form = _FORMS.get(name)
    return form(value) if form else value


def written(deployment: Deployment, name: str) -> Any:
    """The value of a field as it is written, of the same shape as `comparable`: what people are shown."""
    if name in WRITTEN:
        value = getattr(deployment, name)
        return list(value) if isinstance(value, tuple) else value
    return comparable(deployment, name)


WRITTEN: Final = frozenset({"tags", "entrypoint", "pull_steps"})
"""The fields whose comparable form is another text than what stands in a file or on a server."""

_FORMS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "description": lambda text: text or None,
    "entrypoint": lambda text: canonical_entrypoint(text) if text else None,
    "pull_steps": lambda steps: [_comparable_step(step) for step in steps],
    "tags": lambda tags: sorted(set(tags)),
    "parameter_schema": lambda schema: schema or NO_PARAMETERS,
    "concurrency_limit": lambda limit: None if limit is None else _of_limit(limit),
}


def of_schedule(schedule: Schedule) -> dict[str, Any]:
    """What git owns of a schedule, as it is compared."""
    return {**write_stored(schedule.timing), "parameters": dict(schedule.parameters)}


def paired(desired: Iterable[Schedule], observed: Sequence[Schedule]) -> list[tuple[Schedule | None, Schedule | None]]:
    """Desired schedules with the observed ones that they are, by slug; then the observed ones nobody declares.

    An observed schedule without a slug is taken for a desired one of the same timing that has none yet, so that it
    can be given its slug and keep its id and its runs.
    """
    by_slug = {schedule.slug: schedule for schedule in observed if schedule.slug is not None}
    nameless = [schedule for schedule in observed if schedule.slug is None]
    pairs: list[tuple[Schedule | None, Schedule | None]] = []
    for schedule in desired:
        partner = by_slug.pop(schedule.slug or "", None)
        if partner is None:
            partner = _alike(schedule, nameless)
            if partner is not None:
                nameless = [other for other in nameless if other is not partner]
        pairs.append((schedule, partner))
    return [*pairs, *((None, left) for left in (*by_slug.values(), *nameless))]


def desired_template(desired: WorkPool, observed: WorkPool | None) -> dict[str, Any]:
    """The job template to reach: the file's own, else what stands, else the type's; the defaults laid over it."""
    standing = observed.job_template if observed and observed.job_template else desired.type_template
    base = desired.job_template or standing
    if not base and not desired.job_defaults:
        return {}  # a kind of pool that Prefect brings no template for
    variables = dict(base.get("variables") or {})
    properties = {name: dict(prop) for name, prop in (variables.get("properties") or {}).items()}
    for name, default in desired.job_defaults.items():
        known = properties.setdefault(name, {"title": name})
        lower = known.get("default", NOTHING)
        both = isinstance(default, Mapping) and isinstance(lower, Mapping)
        known["default"] = overlay(lower, default) if both else default
    return {**base, "variables": {**variables, "properties": properties}}


def _comparable_step(step: Mapping[str, Any]) -> Mapping[str, Any]:
    """A pull step whose folder is written in one way; a worker's folder may be a Windows path."""
    inputs = step.get(SET_WORKING_DIRECTORY)
    if not isinstance(inputs, Mapping) or not isinstance(directory := inputs.get("directory"), str):
        return step
    return {**step, SET_WORKING_DIRECTORY: {**inputs, "directory": canonical_directory(directory)}}


def _alike(schedule: Schedule, candidates: Sequence[Schedule]) -> Schedule | None:
    same_timing = [other for other in candidates if same(write_stored(other.timing), write_stored(schedule.timing))]
    same_whole = [other for other in same_timing if same(other.parameters, schedule.parameters)]
    return next(iter((*same_whole, *same_timing)), None)


def _of_limit(limit: ConcurrencyLimit) -> dict[str, Any]:
    """Of a limit that is shared the number is not the deployment's."""
    return {
        **({"shared": limit.shared} if limit.shared else {"limit": limit.limit}),
        "collision_strategy": limit.collision_strategy,
        "grace_period_seconds": limit.grace_period_seconds,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


# What differs, leaf by leaf


def flattened(path: str, before: Any, after: Any, *, name: str | None = None) -> Iterator[FieldChange]:
    """The leaves that differ between two values, as field changes. A parameter's value is shown whole."""
    name = name or path
    for at, old, new in _differing((path,), before, after, depth=2 if name == "parameters" else 12):
        before, after = (None if value is _ABSENT else mask(value, at[-1]) for value in (old, new))
        yield FieldChange(path=".".join(at), field=name, before=before, after=after)


_ABSENT: Final = object()


def _differing(
    at: tuple[str, ...], before: Any, after: Any, *, depth: int
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    absent = (before is _ABSENT) + (after is _ABSENT)
    if not absent and same(before, after):
        return
    old, new = (None if value is _ABSENT else children(value) for value in (before, after))
    if absent or len(at) >= depth or old is None or new is None:
        yield at, before, after
        return
    for key in sorted({*old, *new}):
        yield from _differing((*at, key), old.get(key, _ABSENT), new.get(key, _ABSENT), depth=depth)


def children(value: Any) -> dict[str, Any] | None:
    """The parts of a value that are worth showing one by one: a mapping's, or those of a list of one-key steps."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and len(item) == 1 for item in value):
        return {
            f"{index}.{next(iter(item)).rpartition('.')[2]}": next(iter(item.values()))
            for index, item in enumerate(value)
        }
    return None

"""The difference between what is desired and what was observed, as changes, holds, orphans and refusals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconcile.compare import comparable, desired_template, of_schedule, paired, same
from reconcile.fingerprint import Fingerprint, active_code, digest, read_version, schedule_code
from reconcile.model import (
    DEPLOYMENT_FIELDS,
    NOTHING,
    Deployment,
    Mark,
    Owner,
    ResourceKey,
    Schedule,
    State,
    WorkPool,
    WorkQueue,
)
from reconcile.plan import Action, Change, Declaration, FieldChange, Hold, Notice, Orphan, Reason
from reconcile.secrets import mask


def nobody(_: ResourceKey) -> bool:
    """Adopts nothing."""
    return False


def everything(_: Mark, __: Deployment) -> bool:
    """Covers every area and environment."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of the repository is acted on. `declared` holds every declared deployment, selected or not.

    `adopt` says which unmanaged deployments may be taken over; `covers` whether a managed one that is no longer
    declared falls within the selection.
    """

    project: str
    declarations: Mapping[ResourceKey, Declaration] = field(default_factory=dict)
    declared: Collection[str] = ()
    adopt: Callable[[ResourceKey], bool] = nobody
    covers: Callable[[Mark, Deployment], bool] = everything


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Everything that a comparison found."""

    changes: tuple[Change, ...] = ()
    unchanged: int = 0
    holds: tuple[Hold, ...] = ()
    orphans: tuple[Orphan, ...] = ()
    foreign: tuple[ResourceKey, ...] = ()
    refusals: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One field that differs: its place for people and for whoever writes it, and who caused the difference."""

    changes: tuple[FieldChange, ...]
    reason: Reason


def difference(desired: State, observed: State, selection: Selection) -> Difference:
    """Compare. The order of the answer depends on names alone, not on the order of files or of the server's answers."""
    refusals: list[Notice] = []
    changes: list[Change] = []
    holds: list[Hold] = []
    for name, pool in sorted(desired.pools.items()):
        changes += _pool_changes(pool, observed.pools.get(name), selection, holds, refusals)
    for name, deployment in sorted(desired.deployments.items()):
        changes += _deployment_changes(deployment, observed.deployments.get(name), selection, holds, refusals)
    refused = {notice.key for notice in refusals}
    total = len(desired.pools) + len(desired.deployments)
    return Difference(
        changes=tuple(changes),
        unchanged=total - len(changes) - sum(1 for key in refused if key is not None),
        holds=tuple(holds),
        orphans=tuple(_orphans(observed, selection)),
        foreign=tuple(_foreign(observed, selection)),
        refusals=tuple(refusals),
    )


def _orphans(observed: State, selection: Selection) -> Iterator[Orphan]:
    for name, deployment in sorted(observed.deployments.items()):
        mark = deployment.mark
        if mark is None or mark.project != selection.project or name in selection.declared:
            continue
        if selection.covers(mark, deployment):
            yield Orphan(key=deployment.key, mark=mark)


def _foreign(observed: State, selection: Selection) -> Iterator[ResourceKey]:
    for name, deployment in sorted(observed.deployments.items()):
        ours = deployment.mark is not None and deployment.mark.project == selection.project
        if not ours and name not in selection.declared:
            yield deployment.key


# Deployments


def _deployment_changes(
    desired: Deployment, observed: Deployment | None, selection: Selection, holds: list[Hold], refusals: list[Notice]
) -> Iterator[Change]:
    declaration = selection.declarations.get(desired.key)
    if observed is None:
        fields = tuple(_created(desired))
        yield Change(action=Action.CREATE, key=desired.key, declaration=declaration, fields=fields, desired=desired)
        return
    refusal = _not_ours(desired, observed, selection)
    if refusal is not None:
        refusals.append(refusal)
        return
    stored = read_version(observed.version) if observed.mark is not None else None
    found = [*_field_differences(desired, observed, stored), *_schedule_differences(desired, observed, stored)]
    holds += _holds(desired, observed, stored)
    if desired.mark != observed.mark:
        found.append(_mark_difference(desired, observed))
    if not found:
        return
    adopted = observed.mark is None
    yield Change(
        action=Action.ADOPT if adopted else Action.UPDATE,
        key=desired.key,
        declaration=declaration,
        reason=None if adopted else _overall(item.reason for item in found),
        fields=tuple(change for item in found for change in item.changes),
        desired=desired,
        observed=observed,
    )


def _not_ours(desired: Deployment, observed: Deployment, selection: Selection) -> Notice | None:
    if observed.mark is None and not selection.adopt(desired.key):
        return Notice(
            code="unmanaged",
            key=str(desired.key),
            message=f"{desired.key} stands on the server already and is not managed from here; to take it over as it "
            f'is declared, run again with --adopt "{desired.key}" (or --adopt-all).',
        )
    if observed.mark is not None and observed.mark.project != selection.project:
        return Notice(
            code="other-project",
            key=str(desired.key),
            message=f"{desired.key} belongs to the project {observed.mark.project!r} (tag {observed.mark.tag!r}); "
            "remove it there first, or give this one another name.",
        )
    return None


def _field_differences(desired: Deployment, observed: Deployment, stored: Fingerprint | None) -> Iterator[_Found]:
    for rule in DEPLOYMENT_FIELDS:
        if rule.name == "schedules" or _left_alone(desired, rule.name, rule.owner, stored, rule.code):
            continue
        wanted, standing = _wanted(desired, rule.name), comparable(observed, rule.name)
        if same(wanted, standing):
            continue
        reason = _reason(stored, rule.code, wanted, standing)
        if rule.name == "parameter_schema" and reason is Reason.FILES:
            reason = Reason.SOURCE
        yield _Found(changes=tuple(_flattened(rule.name, standing, wanted)), reason=reason)


def _reason(stored: Fingerprint | None, code: str, wanted: Any, standing: Any) -> Reason:
    """Who made a field differ. One that git did not own at the last apply differs because the files declare it now."""
    if stored is None:
        return Reason.UNKNOWN
    return stored.reason(code, digest(wanted), digest(standing)) if stored.owned(code) else Reason.FILES


def _left_alone(desired: Deployment, name: str, owner: Owner, stored: Fingerprint | None, code: str) -> bool:
    """An operator's field is compared if it is declared, or was at the last apply; an unknown schema never."""
    if name == "parameter_schema":
        return desired.parameter_schema is None
    if owner is Owner.GIT or getattr(desired, name) is not None:
        return False
    return stored is None or not stored.owned(code)


def _wanted(desired: Deployment, name: str) -> Any:
    """The value to reach; an operator's field that is declared no more goes back to its default."""
    value = comparable(desired, name)
    return False if name == "paused" and value is None else value


def _holds(desired: Deployment, observed: Deployment, stored: Fingerprint | None) -> Iterator[Hold]:
    for rule in DEPLOYMENT_FIELDS:
        if rule.owner is Owner.OPERATOR and _left_alone(desired, rule.name, rule.owner, stored, rule.code):
            value = comparable(observed, rule.name)
            if value not in (None, False):
                yield Hold(key=desired.key, field=rule.name, value=value)
    for wanted, standing in paired(desired.schedules, observed.schedules):
        if wanted is None or standing is None or standing.active or wanted.active is not None:
            continue
        if stored is None or not stored.owned(active_code(wanted.slug or "")):
            yield Hold(key=desired.key, field=f"schedules.{wanted.slug}.active", value=False)


def _schedule_differences(desired: Deployment, observed: Deployment, stored: Fingerprint | None) -> Iterator[_Found]:
    for wanted, standing in paired(desired.schedules, observed.schedules):
        changes = tuple(_schedule_changes(wanted, standing, stored))
        if changes:
            slug = (wanted or standing).slug or ""  # type: ignore[union-attr] # one of a pair always is
            before = None if standing is None else digest(of_schedule(standing))
            after = None if wanted is None else digest(of_schedule(wanted))
            yield _Found(changes=changes, reason=_schedule_reason(stored, slug, before, after, changes))


def _schedule_reason(
    stored: Fingerprint | None, slug: str, before: str | None, after: str | None, changes: tuple[FieldChange, ...]
) -> Reason:
    if stored is None:
        return Reason.UNKNOWN
    reasons: set[Reason] = set()
    if before != after:
        reasons.add(stored.reason(schedule_code(slug), after, before))
    for change in changes:
        if change.path == f"schedules.{slug}.active":
            reasons.add(_reason(stored, active_code(slug), change.after, change.before))
        elif change.path.endswith(".slug"):
            reasons.add(Reason.DRIFT)
    return _overall(reasons)


def _schedule_changes(
    wanted: Schedule | None, standing: Schedule | None, stored: Fingerprint | None
) -> Iterator[FieldChange]:
    if wanted is None:
        assert standing is not None
        name = standing.slug or f"#{standing.id}"
        yield FieldChange(path=f"schedules.{name}", field="schedules", before=mask(of_schedule(standing)), after=None)
        return
    path = f"schedules.{wanted.slug}"
    if standing is None:
        yield FieldChange(path=path, field="schedules", before=None, after=mask(of_schedule(wanted)))
        return
    if standing.slug is None:
        yield FieldChange(path=f"{path}.slug", field="schedules", before=None, after=wanted.slug)
    yield from _flattened(path, of_schedule(standing), of_schedule(wanted), name="schedules")
    active = wanted.active
    if active is None and stored is not None and stored.owned(active_code(wanted.slug or "")):
        active = True
    if active is not None and active != standing.active:
        yield FieldChange(path=f"{path}.active", field="schedules", before=standing.active, after=active)


def _mark_difference(desired: Deployment, observed: Deployment) -> _Found:
    before = observed.mark.tag if observed.mark else None
    after = desired.mark.tag if desired.mark else None
    change = FieldChange(path="managed-by", field="tags", before=before, after=after)
    return _Found(changes=(change,), reason=Reason.FILES)


def _created(desired: Deployment) -> Iterator[FieldChange]:
    """What a new deployment is given, leaving out what is its default anyway."""
    blank = Deployment(flow="", name="", entrypoint=None)
    for rule in DEPLOYMENT_FIELDS:
        if rule.name in ("schedules", "parameter_schema"):
            continue
        value = comparable(desired, rule.name)
        if value is not None and not same(value, comparable(blank, rule.name)):
            yield FieldChange(path=rule.name, field=rule.name, before=None, after=mask(value, rule.name))
    for schedule in desired.schedules:
        yield FieldChange(
            path=f"schedules.{schedule.slug}", field="schedules", before=None, after=mask(of_schedule(schedule))
        )


# Work pools


def _pool_changes(
    desired: WorkPool, observed: WorkPool | None, selection: Selection, holds: list[Hold], refusals: list[Notice]
) -> Iterator[Change]:
    declaration = selection.declarations.get(desired.key)
    if observed is None:
        fields = (FieldChange(path="type", field="type", before=None, after=desired.type), *_pool_fields(desired, None))
        yield Change(action=Action.CREATE, key=desired.key, declaration=declaration, fields=fields, desired=desired)
        return
    if desired.type != observed.type:
        refusals.append(_other_type(desired, observed))
        return
    if desired.is_paused is None and observed.is_paused:
        holds.append(Hold(key=desired.key, field="is_paused", value=True))
    fields = tuple(_pool_fields(desired, observed))
    if fields:
        # Pools keep no fingerprint, so who made the difference cannot be told.
        yield Change(
            action=Action.UPDATE,
            key=desired.key,
            declaration=declaration,
            reason=Reason.UNKNOWN,
            fields=fields,
            desired=desired,
            observed=observed,
        )


def _other_type(desired: WorkPool, observed: WorkPool) -> Notice:
    return Notice(
        code="pool-type",
        key=str(desired.key),
        message=f"The work pool {desired.name} is of type {observed.type!r} on the server and of type {desired.type!r} "
        "in its file, and a pool's type cannot be changed; correct the file, or delete the pool in the UI first "
        "(its deployments lose their pool).",
    )


def _pool_fields(desired: WorkPool, observed: WorkPool | None) -> Iterator[FieldChange]:
    for name in ("description", "concurrency_limit", "is_paused"):
        wanted, standing = getattr(desired, name), getattr(observed, name, None)
        if wanted is not None and not same(wanted, standing):
            yield FieldChange(path=name, field=name, before=mask(standing), after=mask(wanted))
    yield from _template_changes(desired, observed)
    standing_queues = {queue.name: queue for queue in observed.queues} if observed else {}
    for queue in sorted(desired.queues, key=lambda queue: queue.name):
        yield from _queue_changes(queue, standing_queues.get(queue.name))


def _template_changes(desired: WorkPool, observed: WorkPool | None) -> Iterator[FieldChange]:
    standing = observed.job_template or NOTHING if observed else NOTHING
    wanted = desired_template(desired, observed)
    if observed is None:
        for path, value in _leaves(("job_defaults",), desired.job_defaults) if desired.job_defaults else ():
            yield FieldChange(path=".".join(path), field="job_template", before=None, after=mask(value, path[-1]))
        return
    if same(wanted, standing):
        return
    before, after = _defaults(standing), _defaults(wanted)
    yield from _flattened("job_defaults", before, after, name="job_template")
    if not same(_without_defaults(standing), _without_defaults(wanted)):
        yield from _flattened(
            "base_job_template", _without_defaults(standing), _without_defaults(wanted), name="job_template"
        )


def _defaults(template: Mapping[str, Any]) -> dict[str, Any]:
    properties = (template.get("variables") or {}).get("properties") or {}
    return {name: prop["default"] for name, prop in properties.items() if "default" in prop}


def _without_defaults(template: Mapping[str, Any]) -> dict[str, Any]:
    variables = dict(template.get("variables") or {})
    properties = {
        name: {key: value for key, value in prop.items() if key != "default"}
        for name, prop in (variables.get("properties") or {}).items()
    }
    return {**template, "variables": {**variables, "properties": properties}}


def _queue_changes(desired: WorkQueue, observed: WorkQueue | None) -> Iterator[FieldChange]:
    path = f"queues.{desired.name}"
    if observed is None:
        told = {name: getattr(desired, name) for name in ("priority", "concurrency_limit", "description")}
        after = {name: value for name, value in told.items() if value is not None}
        yield FieldChange(path=path, field="queues", before=None, after=mask(after))
        return
    for name in ("priority", "concurrency_limit", "description"):
        wanted, standing = getattr(desired, name), getattr(observed, name)
        if wanted is not None and wanted != standing:
            yield FieldChange(path=f"{path}.{name}", field="queues", before=mask(standing), after=mask(wanted))


# What both use


def _overall(reasons: Iterable[Reason]) -> Reason:
    """One reason for a whole change: a source's change counts as the files' beside another of theirs."""
    found = set(reasons)
    if Reason.UNKNOWN in found:
        return Reason.UNKNOWN
    if found <= {Reason.FILES, Reason.SOURCE}:
        return Reason.SOURCE if found == {Reason.SOURCE} else Reason.FILES
    return Reason.DRIFT if found == {Reason.DRIFT} else Reason.BOTH


def _flattened(path: str, before: Any, after: Any, *, name: str | None = None) -> Iterator[FieldChange]:
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
    old, new = (None if value is _ABSENT else _children(value) for value in (before, after))
    if absent or len(at) >= depth or old is None or new is None:
        yield at, before, after
        return
    for key in sorted({*old, *new}):
        yield from _differing((*at, key), old.get(key, _ABSENT), new.get(key, _ABSENT), depth=depth)


def _children(value: Any) -> dict[str, Any] | None:
    """The parts of a value that are worth showing one by one: a mapping's, or those of a list of one-key steps."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and len(item) == 1 for item in value):
        return {
            f"{index}.{next(iter(item)).rpartition('.')[2]}": next(iter(item.values()))
            for index, item in enumerate(value)
        }
    return None


def _leaves(at: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves((*at, str(key)), item)
    else:
        yield at, value

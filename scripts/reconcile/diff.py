"""The difference between what is desired and what was observed, as changes, holds, orphans and refusals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from reconcile.compare import (
    WRITTEN,
    canonical,
    children,
    comparable,
    desired_template,
    flattened,
    of_schedule,
    paired,
    same,
    written,
)
from reconcile.fingerprint import Fingerprint, active_code, digest, read_version, schedule_code
from reconcile.model import (
    DEPLOYMENT_FIELDS,
    NOTHING,
    Deployment,
    Kind,
    Owner,
    ResourceKey,
    Schedule,
    State,
    WorkPool,
    WorkQueue,
)
from reconcile.plan import Action, Change, Declaration, FieldChange, Hold, Notice, Orphan, Reason
from reconcile.secrets import mask
from reconcile.selection import Remarks, Selection, is_adopted, not_ours
from reconcile.side import side_changes, side_orphans, side_total
from reconcile.trials import trial_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Everything that a comparison found."""

    changes: tuple[Change, ...] = ()
    unchanged: int = 0
    holds: tuple[Hold, ...] = ()
    orphans: tuple[Orphan, ...] = ()
    foreign: tuple[ResourceKey, ...] = ()
    refusals: tuple[Notice, ...] = ()
    warnings: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One field that differs: its place for people and for whoever writes it, and who caused the difference.

    `released`: an operator held it, and was let go by name.
    """

    changes: tuple[FieldChange, ...]
    reason: Reason
    released: bool = False


def difference(desired: State, observed: State, selection: Selection) -> Difference:
    """Compare. The order of the answer depends on names alone, not on the order of files or of the server's answers."""
    remarks = Remarks()
    changes: list[Change] = [*side_changes(desired, observed, selection, remarks)]
    for name, pool in sorted(desired.pools.items()):
        changes += _pool_changes(pool, observed.pools.get(name), selection, remarks)
    going = _replaced(observed, selection, remarks, selected=desired.deployments)
    replaced = {name: old for name, old in going.items() if name in desired.deployments}
    for name, deployment in sorted(desired.deployments.items()):
        old = replaced.get(name)
        changes += _deployment_changes(deployment, observed.deployments.get(name), old, selection, remarks)
    touched = sum(change.action is not Action.DELETE for change in changes)
    total = len(desired.pools) + len(desired.deployments) + side_total(desired, observed)
    return Difference(
        changes=tuple(sorted(changes, key=lambda change: list(Kind).index(change.key.kind))),
        unchanged=total - touched - sum(1 for notice in remarks.refusals if notice.key is not None),
        holds=tuple(remarks.holds),
        orphans=(
            *_orphans(observed, selection, {old.key.name for old in going.values()}),
            *side_orphans(observed, selection),
        ),
        foreign=tuple(_foreign(observed, selection)),
        refusals=tuple(remarks.refusals),
        warnings=tuple(remarks.warnings),
    )


def _orphans(observed: State, selection: Selection, replaced: Collection[str]) -> Iterator[Orphan]:
    for name, deployment in sorted(observed.deployments.items()):
        mark = deployment.mark
        if mark is None or mark.project != selection.project or name in selection.declared or name in replaced:
            continue
        if selection.covers(mark, deployment):
            yield Orphan(key=deployment.key, mark=mark)


def _foreign(observed: State, selection: Selection) -> Iterator[ResourceKey]:
    for name, deployment in sorted(observed.deployments.items()):
        ours = deployment.mark is not None and deployment.mark.project == selection.project
        trial = trial_of(deployment)
        ours = ours or (trial is not None and trial.project == selection.project)
        if not ours and name not in selection.declared:
            yield deployment.key


# Renames


def _replaced(
    observed: State, selection: Selection, remarks: Remarks, *, selected: Collection[str]
) -> dict[str, Deployment]:
    """The deployments that stand and are to go, by the key of the one that `replaces` them.

    Those count too whose new one is not selected now: they wait for it, and are nobody's orphans meanwhile.
    """
    found: dict[str, Deployment] = {}
    for key in sorted(selection.replaces):
        new = selection.declared.get(key.name)
        if new is None:
            continue
        named = _named(selection.replaces[key], new, observed)
        ours = [one for one in named if one.mark == new.mark]
        moved = [one for one in named if one.mark != new.mark and _moves(new, observed.deployments.get(key.name), one)]
        free = [one for one in ours or moved if one.key.name not in selection.declared and one not in found.values()]
        of_flow = [one for one in free if one.flow == new.flow] or free
        if len(of_flow) == 1:
            found[key.name] = of_flow[0]
        elif key.name not in selected:
            continue
        elif of_flow:
            remarks.warnings.append(_ambiguous(key, of_flow))
        elif ours:
            remarks.warnings.append(_still_declared(key, ours[0].key))
    return found


def _named(name_in: Callable[[str], str | None], new: Deployment, observed: State) -> list[Deployment]:
    """What has the old name and is of the same project and environment; another area may have been its."""
    return [
        one
        for _, one in sorted(observed.deployments.items())
        if new.mark is not None
        and one.mark is not None
        and (one.mark.project, one.mark.environment) == (new.mark.project, new.mark.environment)
        and one.name == name_in(one.mark.area)
        and one.key != new.key
    ]


def _moves(new: Deployment, standing: Deployment | None, old: Deployment) -> bool:
    """Whether a rename moves a deployment out of another area, too.

    Once the new one stands, only what it was made in the place of is left of it to delete: a `replaces` that was
    forgotten must not take away what an area of its own gave up later.
    """
    return old.flow == new.flow if standing is None else standing.replaced == old.id


def _ambiguous(key: ResourceKey, candidates: Iterable[Deployment]) -> Notice:
    names = " and ".join(str(one.key) for one in candidates)
    return Notice(
        code="replaces-ambiguous",
        key=str(key),
        message=f"{key} replaces one of {names}, and which of them cannot be told, so all of them are left; delete "
        "what is not wanted with --prune.",
    )


def _still_declared(key: ResourceKey, old: ResourceKey) -> Notice:
    return Notice(
        code="replaces-declared",
        key=str(key),
        message=f"{key} says that it replaces {old}, which is declared or replaced by another, so it stays; delete "
        "the entry of the one, or the `replaces` of the other.",
    )


def _replace(desired: Deployment, old: Deployment, declaration: Declaration | None, remarks: Remarks) -> Change:
    """One made in the place of another: what tells them apart."""
    stored = read_version(old.version)
    remarks.holds += _holds(desired, old, stored)
    named = [
        FieldChange(path=name, field=name, before=getattr(old, name), after=getattr(desired, name))
        for name in ("flow", "name")
        if getattr(old, name) != getattr(desired, name)
    ]
    found = [*_field_differences(desired, old, stored), *_schedule_differences(desired, old, stored)]
    remarks.warnings += _resumes(desired, found, released=False)
    found += [_mark_difference(desired, old)] if desired.mark != old.mark else []
    return Change(
        action=Action.REPLACE,
        key=desired.key,
        declaration=declaration,
        reason=Reason.FILES,
        fields=(*named, *(change for item in found for change in item.changes)),
        desired=desired,
        observed=old,
    )


# Deployments


def _deployment_changes(
    desired: Deployment, observed: Deployment | None, old: Deployment | None, selection: Selection, remarks: Remarks
) -> Iterator[Change]:
    declaration = selection.declarations.get(desired.key)
    if observed is None and old is not None:
        yield _replace(desired, old, declaration, remarks)
    elif observed is None:
        fields = tuple(_created(desired))
        yield Change(action=Action.CREATE, key=desired.key, declaration=declaration, fields=fields, desired=desired)
    else:
        yield from _standing_changes(desired, observed, selection, remarks)
        if old is not None:
            yield Change(action=Action.DELETE, key=old.key, declaration=declaration, observed=old)


def _standing_changes(
    desired: Deployment, observed: Deployment, selection: Selection, remarks: Remarks
) -> Iterator[Change]:
    """What changes a deployment that stands, be it ours or one to be taken over."""
    refusal = not_ours(desired, observed, selection)
    if refusal is not None:
        remarks.refusals.append(refusal)
        return
    adopted = is_adopted(observed, selection)
    # What git owned at the last apply of another project says nothing of what it owns here.
    stored = None if adopted else read_version(observed.version)
    released = desired.key.name in selection.release
    found = [
        *_field_differences(desired, observed, stored, released=released),
        *_schedule_differences(desired, observed, stored, released=released),
    ]
    if not released:
        remarks.holds += _holds(desired, observed, stored)
    if observed.mark is not None and observed.mark.environment in selection.report_drift:
        drifted = [item for item in found if item.reason is Reason.DRIFT and not item.released]
        remarks.warnings += (_left(desired.key, item) for item in drifted)
        found = [item for item in found if item not in drifted]
    remarks.warnings += _resumes(desired, found, released=released)
    if desired.mark != observed.mark:
        found.append(_mark_difference(desired, observed))
    if found:
        yield Change(
            action=Action.ADOPT if adopted else Action.UPDATE,
            key=desired.key,
            declaration=selection.declarations.get(desired.key),
            reason=None if adopted else _overall(item.reason for item in found),
            fields=tuple(change for item in found for change in item.changes),
            desired=desired,
            observed=observed,
        )


def _left(key: ResourceKey, found: _Found) -> Notice:
    told = ", ".join(
        f"{change.path} (declared: {_short(change.after)}, now: {_short(change.before)})" for change in found.changes
    )
    return Notice(
        code="drift-left",
        key=str(key),
        message=f"{key} was changed on the server and is left so (protect: drift: report): {told}; declare it so, or "
        "make it `drift: revert` in environments.yaml.",
    )


def _short(value: Any) -> str:
    text = canonical(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


SHOWN: Final = 80
"""Characters of a value in a sentence."""


def _resumes(desired: Deployment, found: Iterable[_Found], *, released: bool) -> Iterator[Notice]:
    """What will run again although no file says so: they paused it once, or an operator did whose hold ends."""
    why = "its hold is released" if released else "the files do not say `paused` or `active: false` any more"
    silent = {f"schedules.{one.slug}.active" for one in desired.schedules if one.active is None}
    silent |= {"paused"} if desired.paused is None else set()
    for change in (change for item in found for change in item.changes):
        if change.path in silent and change.after is (change.path != "paused"):
            what = (
                "" if change.path == "paused" else f" by its schedule {change.path.split('.', 1)[1].rpartition('.')[0]}"
            )
            yield Notice(code="resumes", key=str(desired.key), message=f"{desired.key} resumes{what}: {why}.")


def _field_differences(
    desired: Deployment, observed: Deployment, stored: Fingerprint | None, *, released: bool = False
) -> Iterator[_Found]:
    for rule in DEPLOYMENT_FIELDS:
        if rule.name == "schedules":
            continue
        left = _left_alone(desired, rule.name, rule.owner, stored, rule.code)
        if left and not (released and rule.owner is Owner.OPERATOR):
            continue
        wanted, standing = _wanted(desired, rule.name), comparable(observed, rule.name)
        if same(wanted, standing):
            continue
        reason = Reason.DRIFT if left else _reason(stored, rule.code, wanted, standing)
        if rule.name == "parameter_schema" and reason is Reason.FILES:
            reason = Reason.SOURCE
        shown = tuple(_as_written(change, desired, observed) for change in flattened(rule.name, standing, wanted))
        yield _Found(changes=shown, reason=reason, released=left)


def _as_written(change: FieldChange, desired: Deployment, observed: Deployment) -> FieldChange:
    """A change of what is compared, with the values that stand in the file and on the server."""
    if change.field not in WRITTEN:
        return change
    before, after = (_at(change.path, change.field, written(one, change.field)) for one in (observed, desired))
    return replace(change, before=before, after=after)


def _at(path: str, name: str, value: Any) -> Any:
    """The value at a path of `flattened`, fit to be shown."""
    found = {".".join(at): leaf for at, leaf in _reached((name,), value)}
    return mask(found.get(path), path.rpartition(".")[2])


def _reached(at: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every part of a value at every depth, by its path."""
    yield at, value
    for key, item in (children(value) or {}).items():
        yield from _reached((*at, key), item)


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
                yield Hold(key=desired.key, field=rule.name, value=value, since=observed.updated)
    for wanted, standing in paired(desired.schedules, observed.schedules):
        if wanted is not None and standing is not None and _is_held(wanted, standing, stored):
            since = standing.updated or observed.updated
            yield Hold(key=desired.key, field=f"schedules.{wanted.slug}.active", value=False, since=since)


def _is_held(wanted: Schedule, standing: Schedule, stored: Fingerprint | None) -> bool:
    """Whether an operator switched a schedule off, of which the files say nothing and said nothing before."""
    if standing.active or wanted.active is not None:
        return False
    return stored is None or not stored.owned(active_code(wanted.slug or ""))


def _schedule_differences(
    desired: Deployment, observed: Deployment, stored: Fingerprint | None, *, released: bool = False
) -> Iterator[_Found]:
    """What differs of each schedule: itself, and whether it is active. The one may have drifted and the other not."""
    for wanted, standing in paired(desired.schedules, observed.schedules):
        changes = tuple(_schedule_changes(wanted, standing))
        if changes:
            slug = (wanted or standing).slug or ""  # type: ignore[union-attr] # one of a pair always is
            before = None if standing is None else digest(of_schedule(standing))
            after = None if wanted is None else digest(of_schedule(wanted))
            yield _Found(changes=changes, reason=_schedule_reason(stored, slug, before, after, changes))
        if wanted is not None and standing is not None:
            yield from _active_difference(wanted, standing, stored, released=released)


def _schedule_reason(
    stored: Fingerprint | None, slug: str, before: str | None, after: str | None, changes: tuple[FieldChange, ...]
) -> Reason:
    if stored is None:
        return Reason.UNKNOWN
    reasons: set[Reason] = set()
    if before != after:
        reasons.add(stored.reason(schedule_code(slug), after, before))
    if any(change.path.endswith(".slug") for change in changes):
        reasons.add(Reason.DRIFT)
    return _overall(reasons)


def _active_difference(
    wanted: Schedule, standing: Schedule, stored: Fingerprint | None, *, released: bool
) -> Iterator[_Found]:
    code = active_code(wanted.slug or "")
    held = _is_held(wanted, standing, stored)
    active = wanted.active
    if active is None and ((held and released) or (stored is not None and stored.owned(code))):
        active = True
    if active is not None and active != standing.active:
        path = f"schedules.{wanted.slug}.active"
        change = FieldChange(path=path, field="schedules", before=standing.active, after=active)
        reason = Reason.DRIFT if held else _reason(stored, code, active, standing.active)
        yield _Found(changes=(change,), reason=reason, released=held)


def _schedule_changes(wanted: Schedule | None, standing: Schedule | None) -> Iterator[FieldChange]:
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
    yield from flattened(path, of_schedule(standing), of_schedule(wanted), name="schedules")


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
            shown = mask(written(desired, rule.name), rule.name)
            yield FieldChange(path=rule.name, field=rule.name, before=None, after=shown)
    for schedule in desired.schedules:
        yield FieldChange(
            path=f"schedules.{schedule.slug}", field="schedules", before=None, after=mask(of_schedule(schedule))
        )


# Work pools


def _pool_changes(
    desired: WorkPool, observed: WorkPool | None, selection: Selection, remarks: Remarks
) -> Iterator[Change]:
    declaration = selection.declarations.get(desired.key)
    if observed is None:
        fields = (FieldChange(path="type", field="type", before=None, after=desired.type), *_pool_fields(desired, None))
        yield Change(action=Action.CREATE, key=desired.key, declaration=declaration, fields=fields, desired=desired)
        return
    if desired.type != observed.type:
        remarks.refusals.append(_other_type(desired, observed))
        return
    fields = tuple(_pool_fields(desired, observed))
    if desired.is_paused is None and observed.is_paused:
        if desired.key.name in selection.release:
            fields = (FieldChange(path="is_paused", field="is_paused", before=True, after=False), *fields)
        else:
            remarks.holds.append(Hold(key=desired.key, field="is_paused", value=True, since=observed.updated))
    remarks.holds += _left_of_pool(desired, observed)
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


def _left_of_pool(desired: WorkPool, observed: WorkPool) -> Iterator[Hold]:
    """What the server has of a pool and its file does not say: taken out of the file, or set in the UI.

    Which of the two cannot be told, since pools keep no fingerprint, so it stays and is shown. A queue's description
    is not: Prefect writes one of its own.
    """
    for name in ("description", "concurrency_limit"):
        value = getattr(observed, name)
        if getattr(desired, name) is None and value not in (None, ""):
            yield Hold(key=desired.key, field=name, value=mask(value), since=observed.updated)
    standing = {queue.name: queue for queue in observed.queues}
    for queue in sorted(desired.queues, key=lambda one: one.name):
        known = standing.get(queue.name)
        if known is not None and queue.concurrency_limit is None and known.concurrency_limit is not None:
            path = f"queues.{queue.name}.concurrency_limit"
            yield Hold(key=desired.key, field=path, value=known.concurrency_limit, since=observed.updated)


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
    yield from flattened("job_defaults", before, after, name="job_template")
    if not same(_without_defaults(standing), _without_defaults(wanted)):
        yield from flattened(
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


def _leaves(at: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves((*at, str(key)), item)
    else:
        yield at, value

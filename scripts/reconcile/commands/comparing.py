"""`compare`: what would have to be done to make one server like another, in the words of a plan. It only reads."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from reconcile.commands import output
from reconcile.commands.options import add_root
from reconcile.compare import canonical, of_schedule
from reconcile.diff import difference
from reconcile.errors import ExitCode, UsageError
from reconcile.keeping import is_kept
from reconcile.model import Deployment, Kind, Resource, ResourceKey, Schedule, State
from reconcile.moving.draft import free_name
from reconcile.observed import observed
from reconcile.plan import Action, Change, FieldChange, Hold, Notice, Plan
from reconcile.render.json import plan_document
from reconcile.render.text import Line, plan_lines
from reconcile.schedule.words import explain
from reconcile.secrets import mask_text
from reconcile.selection import Selection
from reconcile.trials import trial_of

if TYPE_CHECKING:
    from reconcile.gateway.target import Target

NOTES = """A is what should be, B what is: the plan tells what would make B like A. Each is the address of a server's
API, or the name of one of Prefect's profiles. Versions, ids, who manages what, and copies made by `try` are no
difference; of secrets only that they are there is compared. A schedule without a name is called by its times.

example: python3 scripts/sync.py compare --server prod --server http://127.0.0.1:4200/api
"""


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    parser.epilog = NOTES
    parser.add_argument(
        "--server", action="append", default=[], metavar="A", help="a profile's name or an address; given twice"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="GLOB", help="deployments by name, or flow/name; repeatable"
    )
    parser.add_argument("--exit-code", action="store_true", help="exit 2 when they differ")
    add_root(parser)  # every command takes it; the files say nothing here


def run(options: Namespace) -> ExitCode:
    """Read both, compare, show."""
    from reconcile.gateway.reading import Reading

    if len(options.server) != 2:
        raise UsageError("compare takes --server twice: what should be, and what is.", "--server A --server B")
    one, other = (target_named(said) for said in options.server)
    if one == replace(other, origin=one.origin):
        raise UsageError(f"Both name one server: {mask_text(one.url or '')}.", "Name two.")
    with Reading(one) as first, Reading(other) as second:
        first.begin()
        second.begin()
        wanted, standing = observed(first.read()), observed(second.read())
    plan = compared(wanted, standing, one=mask_text(one.url or ""), other=mask_text(other.url or ""))
    plan = _picked(plan, tuple(options.only))
    if options.json:
        output.document(plan_document(plan))
    else:
        output.lines(_said_here(line) for line in plan_lines(plan))
    return ExitCode.PENDING if options.exit_code and not plan.is_empty else ExitCode.DONE


def _said_here(line: Line) -> Line:
    return line._replace(text=line.text.replace("no longer declared", "only there"))


def target_named(said: str) -> Target:
    """A server by its address, or by the name of a profile."""
    from reconcile.gateway.target import known_profiles, resolve, target_of

    if "://" in said:
        return target_of({"PREFECT_API_URL": said}, "--server")
    # What the environment says is of the server that is active, not of this one.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_") or name in _PLACES}
    known = known_profiles(kept, Path.home())
    if said not in known:
        raise UsageError(
            f"--server {said!r} is neither an address nor one of Prefect's profiles.",
            f"Profiles are: {', '.join(sorted(known)) or 'none'}; an address is like http://192.168.1.13:4200/api.",
        )
    target = resolve({**kept, "PREFECT_PROFILE": said}, Path.home())
    if target.url is None:
        raise UsageError(f"The profile {said!r} names no server.", "Give it a PREFECT_API_URL, or give an address.")
    return replace(target, origin=f"--server {said}")


_PLACES = frozenset({"PREFECT_HOME", "PREFECT_PROFILES_PATH"})


def compared(wanted: State, standing: State, *, one: str, other: str) -> Plan:
    """What would make `standing` like `wanted`."""
    desired, found = _plain(wanted, standing), _plain(standing, wanted)
    result = difference(desired, found, Selection(project="", declared=desired.deployments, adopt=lambda _: True))
    changes = {change.key: _told(change) for change in result.changes}
    more = [*_not_wanted(result.holds), *_queues_only_there(desired, found)]
    for key, field in more:
        known = changes.get(key) or Change(action=Action.UPDATE, key=key, declaration=None, observed=_of(found, key))
        changes[key] = replace(known, fields=(*known.fields, field))
    kept = [change for change in changes.values() if change.action is Action.CREATE or change.fields]
    gone = [*_only_there(desired, found)]
    total = sum(len(desired.of(kind)) for kind in _COMPARED)
    order = list(Kind)
    return Plan(
        target=f"{other}, to be like {one}",
        changes=tuple(sorted((*kept, *gone), key=lambda change: (order.index(change.key.kind), change.key.name))),
        unchanged=total - len(kept) - len(result.refusals),
        warnings=(*result.refusals, *_blocks(wanted, standing)),
    )


_COMPARED = tuple(kind for kind in Kind if kind is not Kind.SECRET)
"""The kinds that can be made here. Of blocks nothing is known but that they are there."""


def _of(state: State, key: ResourceKey) -> Resource | None:
    return state.of(key.kind).get(key.name)


def _told(change: Change) -> Change:
    """Nobody takes anything over here."""
    fields = tuple(field for field in change.fields if field.path != "managed-by")
    action = Action.UPDATE if change.action is Action.ADOPT else change.action
    return replace(change, action=action, fields=fields, reason=None)


def _not_wanted(holds: Iterable[Hold]) -> Iterator[tuple[ResourceKey, FieldChange]]:
    """What a plan leaves to an operator, since nobody declares it; here the other server says that there is none."""
    for hold in holds:
        field = hold.field.partition(".")[0]
        yield hold.key, FieldChange(path=hold.field, field=field, before=hold.value, after=None)


def _queues_only_there(wanted: State, standing: State) -> Iterator[tuple[ResourceKey, FieldChange]]:
    for name, pool in sorted(standing.pools.items()):
        known = {queue.name for queue in wanted.pools[name].queues} if name in wanted.pools else None
        for queue in pool.queues if known is not None else ():
            if known is not None and queue.name not in known:
                before = {"priority": queue.priority, "concurrency_limit": queue.concurrency_limit}
                path = f"queues.{queue.name}"
                yield pool.key, FieldChange(path=path, field="queues", before=before, after=None)


def _only_there(wanted: State, standing: State) -> Iterator[Change]:
    for kind in _COMPARED:
        for name, one in sorted(standing.of(kind).items()):
            if name not in wanted.of(kind):
                yield Change(action=Action.DELETE, key=one.key, declaration=None, observed=one)


def _blocks(wanted: State, standing: State) -> Iterator[Notice]:
    for name in sorted(wanted.secrets.keys() ^ standing.secrets.keys()):
        only, lacks = ("A", "B") if name in wanted.secrets else ("B", "A")
        yield Notice(code="block", key=name, message=f"The block {name} stands on {only} and not on {lacks}.")


def _plain(state: State, other: State) -> State:
    """A state without marks and versions, copies for trial, and what the tool keeps; every schedule has a name."""
    return replace(
        state,
        deployments={
            name: replace(one, mark=None, version=None, replaced=None, schedules=tuple(_named(one, other)))
            for name, one in state.deployments.items()
            if trial_of(one) is None
        },
        secrets={},
        variables={name: replace(one, mark=None) for name, one in state.variables.items() if not is_kept(name)},
        automations={name: replace(one, mark=None) for name, one in state.automations.items()},
    )


def _named(one: Deployment, other: State) -> Iterator[Schedule]:
    """Its schedules. One without a name has that of its equal on the other server, or is called by its times."""
    taken = {schedule.slug for schedule in one.schedules if schedule.slug is not None}
    there = other.deployments.get(one.key.name)
    names: dict[str, list[str]] = {}
    for schedule in there.schedules if there is not None else ():
        if schedule.slug is not None and schedule.slug not in taken:
            names.setdefault(canonical(of_schedule(schedule)), []).append(schedule.slug)
    for schedule in sorted(one.schedules, key=lambda one: canonical(of_schedule(one))):
        slug = schedule.slug
        if slug is None:
            equal = names.get(canonical(of_schedule(schedule)), [])
            slug = equal.pop(0) if equal else free_name(explain(schedule.timing).replace(".", ","), taken)
            taken.add(slug)
        yield replace(schedule, slug=slug)


def _picked(plan: Plan, globs: tuple[str, ...]) -> Plan:
    if not globs:
        return plan
    kept = tuple(
        change
        for change in plan.changes
        if any(
            fnmatchcase(name, glob) for glob in globs for name in (change.key.name, change.key.name.partition("/")[2])
        )
    )
    return replace(plan, changes=kept, unchanged=0)

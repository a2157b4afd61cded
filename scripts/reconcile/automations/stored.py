"""The server's JSON of an automation as ours, and ours as the server's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from reconcile.automations.form import LISTS, comparable_part
from reconcile.automations.names import FIELDS, Named, Thing, key_of, names_in, renamed, with_names
from reconcile.errors import ServerError
from reconcile.model import Automation, ResourceKey, State

Names = Mapping[tuple[Thing, str], str]
"""What things are called, by their ids."""


def names_by_id(state: State, automations: Iterable[Mapping[str, Any]]) -> Names:
    """The names of everything that an automation can name."""
    named: list[tuple[Thing, str | None, str]] = [
        *((Thing.DEPLOYMENT, one.id, name) for name, one in state.deployments.items()),
        *((Thing.WORK_POOL, one.id, name) for name, one in state.pools.items()),
        *(
            (Thing.WORK_QUEUE, queue.id, f"{name}/{queue.name}")
            for name, one in state.pools.items()
            for queue in one.queues
        ),
        *((Thing.BLOCK, one.id, name) for name, one in state.secrets.items()),
        *((Thing.AUTOMATION, raw["id"], raw["name"]) for raw in automations),
    ]
    return {(thing, found): name for thing, found, name in named if found is not None}


def observed_automation(raw: Mapping[str, Any], names: Names) -> Automation:
    """The server's JSON as ours: ids become names where they are known. Tags are as they stand, mark too."""

    def name_of(named: Named) -> str:
        return names.get((named.thing, named.name), named.name)

    lists = {each: tuple(_with_fields(action) for action in raw.get(each) or ()) for each in LISTS}
    automation = Automation(
        id=raw["id"],
        name=raw["name"],
        description=raw.get("description") or None,
        enabled=bool(raw.get("enabled", True)),
        trigger=comparable_part(raw.get("trigger") or {}),
        actions=tuple(comparable_part(action) for action in lists["actions"]),
        actions_on_trigger=tuple(comparable_part(action) for action in lists["actions_on_trigger"]),
        actions_on_resolve=tuple(comparable_part(action) for action in lists["actions_on_resolve"]),
        tags=tuple(raw.get("tags") or ()),
    )
    return renamed(automation, name_of)


_NAMES_OF: Final = {theirs: ours for ours, (_, theirs) in FIELDS.items()}


def _with_fields(action: Mapping[str, Any]) -> dict[str, Any]:
    return {_NAMES_OF.get(key, key): value for key, value in action.items()}


def automation_body(desired: Automation, ids: Mapping[ResourceKey, str]) -> dict[str, Any]:
    """The server's JSON of an automation: names become ids. `ids` holds what was made in the same apply, too.

    Raises ServerError where something that it names has no id.
    """

    def id_of(named: Named) -> str:
        if named.is_id:
            return named.name
        found = ids.get(key_of(named.thing, named.name))
        if found is None:
            raise ServerError(f"The {named.thing} {named.name}, which it names, is not on the server.", "Apply again.")
        return found

    lists = {
        each: [
            {FIELDS[key][1] if key in FIELDS else key: value for key, value in with_names(action, id_of, ()).items()}
            for action in getattr(desired, each)
        ]
        for each in LISTS
    }
    return {
        "name": said_name(desired),
        "description": desired.description or "",
        "enabled": desired.enabled,
        "trigger": with_names(desired.trigger, id_of, ()),
        **lists,
        "tags": [*desired.tags, *([desired.mark.tag] if desired.mark else [])],
    }


def first_body(desired: Automation, ids: Mapping[ResourceKey, str]) -> tuple[dict[str, Any], bool]:
    """The JSON to create it by, and whether it has to be written once more.

    One that names itself cannot know its id before it stands: it is made switched off, without those actions.
    """
    own = any(named.thing is Thing.AUTOMATION and named.name == desired.name for named in names_in(desired))
    if not own or key_of(Thing.AUTOMATION, desired.name) in ids:
        return automation_body(desired, ids), False
    known = {**ids, key_of(Thing.AUTOMATION, desired.name): _NOBODY}
    body = automation_body(replace(desired, enabled=False), known)
    body |= {each: [action for action in body[each] if action.get("automation_id") != _NOBODY] for each in LISTS}
    return body, True


_NOBODY: Final = "00000000-0000-0000-0000-000000000000"


def ours_first(state: State, project: str) -> State:
    """The state in which, of several automations of one name, the project's own goes by it.

    The server lets several have one name. `with_turn` keeps the rest, under names of their own.
    """
    found = dict(state.automations)
    for key, one in state.automations.items():
        match = _TURN.fullmatch(key)
        if match is None or one.id != match[2] or one.mark is None or one.mark.project != project:
            continue
        first = found.get(match[1])
        if first is not None and (first.mark is None or first.mark.project != project):
            found[match[1]], found[key] = replace(one, name=match[1]), with_turn(first)
    return replace(state, automations=found)


_TURN: Final = re.compile(r"(.*) \(([0-9a-f-]{36})\)", re.DOTALL)


def with_turn(automation: Automation) -> Automation:
    """The automation under a name that nothing else has: its own, with its id."""
    return replace(automation, name=f"{automation.name} ({automation.id})")


def said_name(automation: Automation) -> str:
    """The name that it has on the server, which `with_turn` may have lengthened."""
    match = _TURN.fullmatch(automation.name)
    return match[1] if match is not None and match[2] == automation.id else automation.name


def is_second(automation: Automation) -> bool:
    """Whether another one of the project's goes by its name."""
    return said_name(automation) != automation.name

"""What an automation names: deployments, work pools and queues, blocks and other automations.

They stand as fields of actions, in a trigger's `for_deployment`, and in the ids of resources that a trigger matches:
`prefect.deployment.FLOW/NAME` here is `prefect.deployment.UUID` on the server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from reconcile.automations.form import LISTS, RESOURCE, comparable_part
from reconcile.model import Automation, Deployment, Kind, ResourceKey

Path = tuple[str | int, ...]


class Thing(StrEnum):
    """What can be named."""

    DEPLOYMENT = "deployment"
    WORK_POOL = "work pool"
    WORK_QUEUE = "work queue"
    BLOCK = "block"
    AUTOMATION = "automation"


FIELDS: Final[Mapping[str, tuple[Thing, str]]] = {
    "deployment": (Thing.DEPLOYMENT, "deployment_id"),
    "work_pool": (Thing.WORK_POOL, "work_pool_id"),
    "work_queue": (Thing.WORK_QUEUE, "work_queue_id"),
    "block": (Thing.BLOCK, "block_document_id"),
    "automation": (Thing.AUTOMATION, "automation_id"),
}
"""The fields of actions that name something, and the server's for its id."""

_RESOURCES: Final = {
    "deployment": Thing.DEPLOYMENT,
    "work-pool": Thing.WORK_POOL,
    "work-queue": Thing.WORK_QUEUE,
    "automation": Thing.AUTOMATION,
}
_RESOURCE_ID: Final = re.compile(rf"(!?prefect\.({'|'.join(_RESOURCES)})\.)(.+)", re.DOTALL)
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One name in an automation. `at` is where it stands in what was declared."""

    thing: Thing
    name: str
    at: Path = ()

    @property
    def is_id(self) -> bool:
        """Whether it is the server's id already."""
        return _UUID.fullmatch(self.name) is not None


Rename = Callable[[Named], str]


def key_of(thing: Thing, name: str) -> ResourceKey:
    """The key by which an id is known. A queue goes by `pool/queue`, a block by `type/name`."""
    return ResourceKey(kind=_KINDS[thing], name=name)


_KINDS: Final = {
    Thing.DEPLOYMENT: Kind.DEPLOYMENT,
    Thing.WORK_POOL: Kind.WORK_POOL,
    Thing.WORK_QUEUE: Kind.WORK_POOL,
    Thing.BLOCK: Kind.SECRET,
    Thing.AUTOMATION: Kind.AUTOMATION,
}


def renamed(automation: Automation, rename: Rename) -> Automation:
    """The automation with every name as `rename` answers it."""
    trigger = comparable_part(with_names(automation.trigger, rename, ("trigger",)))  # other names sort otherwise
    lists: dict[str, Any] = {
        each: tuple(with_names(action, rename, (each, index)) for index, action in enumerate(getattr(automation, each)))
        for each in LISTS
    }
    return replace(automation, trigger=trigger, **lists)


def names_in(automation: Automation) -> tuple[Named, ...]:
    """Everything that the automation names."""
    found: list[Named] = []
    renamed(automation, _noting(found))
    return tuple(found)


def said_names(said: Mapping[str, Any]) -> Iterator[Named]:
    """Everything that a declaration names, with its place in it."""
    found: list[Named] = []
    with_names(said.get("trigger") or {}, _noting(found), ("trigger",))
    for each in LISTS:
        for index, action in enumerate(said.get(each) or ()):
            with_names(action, _noting(found), (each, index))
    yield from found


def _noting(found: list[Named]) -> Rename:
    def note(named: Named) -> str:
        found.append(named)
        return named.name

    return note


def with_names(part: Mapping[str, Any], rename: Rename, at: Path) -> dict[str, Any]:
    """A trigger or an action with every name as `rename` answers it. What a run is given is none of our names."""
    changed = dict(part)
    for key, value in part.items():
        place = (*at, key)
        if key in FIELDS and isinstance(value, str):
            changed[key] = rename(Named(thing=FIELDS[key][0], name=value, at=place))
        elif key == "for_deployment":
            changed[key] = _each(value, place, lambda text, there: rename(_deployment(text, there)))
        elif key in {"match", "match_related"}:
            changed[key] = _in_labels(value, rename, place)
        elif key == "triggers":
            changed[key] = [with_names(each, rename, (*place, index)) for index, each in enumerate(value)]
    return changed


def _deployment(name: str, at: Path) -> Named:
    return Named(thing=Thing.DEPLOYMENT, name=name, at=at)


def _each(value: Any, at: Path, change: Callable[[str, Path], str]) -> Any:
    if isinstance(value, list):
        return [change(each, (*at, index)) for index, each in enumerate(value)]
    return change(value, at) if isinstance(value, str) else value


def _in_labels(labels: Any, rename: Rename, at: Path) -> Any:
    if isinstance(labels, list):
        return [_in_labels(each, rename, (*at, index)) for index, each in enumerate(labels)]
    if not isinstance(labels, Mapping) or RESOURCE not in labels:
        return labels
    ids = _each(labels[RESOURCE], (*at, RESOURCE), lambda text, there: _in_resource(text, rename, there))
    return {**labels, RESOURCE: ids}


def _in_resource(text: str, rename: Rename, at: Path) -> str:
    match = _RESOURCE_ID.fullmatch(text)
    if match is None or ("/" not in match[3] and re.search(r"[*?\[]", match[3])):  # a pattern names nothing
        return text
    return match[1] + rename(Named(thing=_RESOURCES[match[2]], name=match[3], at=at))


def concerns(desired: Automation, deployment: Deployment) -> bool:
    """Whether the automation names the deployment, so that it comes along where only that is selected."""
    key = deployment.key.name
    return any(named.thing is Thing.DEPLOYMENT and named.name == key for named in names_in(desired))


def needs(desired: Automation) -> frozenset[ResourceKey]:
    """What must stand before the automation can be written, by the keys of what is declared."""
    return frozenset(_declared_key(named) for named in names_in(desired) if named.name != desired.name)


def _declared_key(named: Named) -> ResourceKey:
    """A queue stands with its pool; a declared block goes by its name alone."""
    if named.thing is Thing.WORK_QUEUE:
        return key_of(Thing.WORK_POOL, named.name.partition("/")[0])
    return key_of(named.thing, named.name.partition("/")[2] if named.thing is Thing.BLOCK else named.name)


def depth(automation: Automation, others: Mapping[str, Automation], above: frozenset[str] = frozenset()) -> int:
    """How many automations must be made before it, one after the other, because it names them."""
    above |= {automation.name}
    below = {named.name for named in names_in(automation) if named.thing is Thing.AUTOMATION} - above
    return max((1 + depth(others[name], others, above) for name in below & others.keys()), default=0)

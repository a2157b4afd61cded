"""Whom automations mean by a name, and the automations that deployments ask for by `watchdog` and `notify`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconcile.automations import Care, Path, Thing, cares_of, said_names
from reconcile.desired.besides import Besides, Declared
from reconcile.desired.draft import final_name
from reconcile.layers import Entry, Repository
from reconcile.model import EVERYWHERE, Automation, Mark
from reconcile.problem import Location, Problem, Severity
from reconcile.resolve import nearest

Pair = tuple[str, Entry]
"""A deployment that is declared: its key on the server, and its entry."""


def meant(name: str, area: str, environment: str, pairs: Sequence[Pair]) -> frozenset[str]:
    """The deployments that a name can mean where an area and environment say it: the nearest that go by it.

    A key means itself. Else a name on the server goes before a declared one, and what is of the same area and
    environment before all others.
    """
    keys = {key for key, _ in pairs}
    if name in keys:
        return frozenset({name})
    near = [pair for pair in pairs if _is_near(pair[1], area, environment)]
    for some in (near, pairs):
        for known_as in (final_name, _declared_as):
            found = frozenset(key for key, entry in some if known_as(entry) == name)
            if found:
                return found
    return frozenset()


def _is_near(entry: Entry, area: str, environment: str) -> bool:
    return area in {EVERYWHERE, entry.scope.area} and environment in {EVERYWHERE, entry.scope.environment}


def _declared_as(entry: Entry) -> str:
    return entry.declared


def two_meant(named: str, found: Collection[str]) -> str:
    """What to say of a name that means several deployments."""
    first, second, *more = sorted(found)
    rest = f" and {len(more)} more" if more else ""
    return f"{named!r} can mean {first} or {second}{rest}"


def name_problems(repository: Repository, declared: Iterable[Declared], pairs: Sequence[Pair]) -> Iterator[Problem]:
    """A problem for each name that two deployments of one environment have."""
    for one, said in _written(repository, declared):
        for named in said_names(said):
            if named.thing is not Thing.DEPLOYMENT:
                continue
            found = meant(named.name, one.area, one.environment, pairs)
            places = {(entry.scope.area, entry.scope.environment) for key, entry in pairs if key in found}
            if len(found) > 1 and len(places) == 1:
                yield Problem(
                    location=_place(repository, one, named.at),
                    code="deployment-ambiguous",
                    message=f"{two_meant(named.name, found)}.",
                    hint="Write flow/name.",
                )


def unknown_deployments(
    repository: Repository, declared: Iterable[Declared], pairs: Sequence[Pair]
) -> Iterator[Problem]:
    """A warning for each deployment that an automation names and no file declares: the server may have it."""
    for one, said in _written(repository, declared):
        for named in said_names(said):
            if named.thing is not Thing.DEPLOYMENT or named.is_id:
                continue
            if not meant(named.name, one.area, one.environment, pairs) and not _is_lost(repository, named.name):
                known = {entry.declared for _, entry in pairs}
                yield Problem(
                    location=_place(repository, one, named.at),
                    code="deployment-undeclared",
                    message=f"No file declares a deployment {named.name!r}, so it has to be on the server already.",
                    hint=nearest(named.name, known),
                    severity=Severity.WARNING,
                )


def _is_lost(repository: Repository, name: str) -> bool:
    """Whether it may well be declared, in a way that could not be read."""
    declared = name.rpartition("/")[2]
    return any(document.at_fault(("deployments", declared)) for document in repository.documents())


def _written(repository: Repository, declared: Iterable[Declared]) -> Iterator[tuple[Declared, Mapping[str, Any]]]:
    """The declarations of automations that stand in a file, as they stand there."""
    documents = {document.file: document for document in repository.documents()}
    for one in declared:
        if isinstance(one.resource, Automation) and not one.generated:
            room = documents[one.location.file].data.get("automations") or {}
            yield one, room.get(one.resource.name) or {}


def _place(repository: Repository, one: Declared, at: Path) -> Location:
    document = next(each for each in repository.documents() if each.file == one.location.file)
    return document.locate(("automations", one.key.name, *at))


# ---------------------------------------------------------------- watchdog and notify


@dataclass(slots=True)
class _Asked:
    care: Care
    first: Entry
    keys: set[str] = field(default_factory=set)
    places: set[tuple[str, str]] = field(default_factory=set)


def with_cares(beside: Besides, pairs: Iterable[Pair], project: str) -> Besides:
    """The declarations, and one for each thing that deployments of an environment ask for by watchdog or notify."""
    asked: dict[tuple[str, str], _Asked] = {}
    for key, entry in pairs:
        environment = entry.scope.environment
        for care in cares_of(entry.fields):
            one = asked.setdefault((environment, care.name), _Asked(care=care, first=entry))
            one.keys.add(key)
            one.places.add((entry.scope.area, environment))
    made = (_declared(one, Mark(project=project, area=EVERYWHERE, environment=env)) for (env, _), one in asked.items())
    return replace(beside, declared=(*beside.declared, *made))


def _declared(one: _Asked, mark: Mark) -> Declared:
    automation = one.care.automation(mark, sorted(one.keys))
    return Declared(
        resource=automation,
        area=EVERYWHERE,
        environment=mark.environment,
        location=one.first.locate((one.care.field,), key=True),
        said=automation.name,
        places=tuple(sorted(one.places)),
        generated=True,
    )

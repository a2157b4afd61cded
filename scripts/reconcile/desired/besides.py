"""What files declare besides pools and deployments: variables, secrets, concurrency limits, automations.

They may stand in deployments/shared.yaml, in an area's shared.yaml and in an environment's file. Their names are the
server's, so two declarations of one name for one server have to say the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from reconcile.automations import automation_from
from reconcile.compare import canonical
from reconcile.desired.automations import automation_faults
from reconcile.desired.servers import can_be_one_server
from reconcile.document import Document
from reconcile.keeping import HOLDS, LOCK, is_kept
from reconcile.layers import Repository
from reconcile.model import (
    EVERYWHERE,
    GlobalLimit,
    Kind,
    Mark,
    Marked,
    Resource,
    ResourceKey,
    Secret,
    Variable,
)
from reconcile.plan import Declaration
from reconcile.problem import Fault, Location, Problem, Severity
from reconcile.references import Reference, references_in
from reconcile.resolve import nearest
from reconcile.schedule import read_day

LONGEST: Final = 5000
"""Bytes of a variable's value as JSON that the server takes."""

ROOMS: Final[Mapping[Kind, str]] = {
    Kind.VARIABLE: "variables",
    Kind.SECRET: "secrets",
    Kind.CONCURRENCY_LIMIT: "concurrency_limits",
    Kind.AUTOMATION: "automations",
}
"""The key under which each kind is declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One declaration: for an area and an environment, or for all of them (`all`)."""

    resource: Resource
    area: str
    environment: str
    location: Location
    said: str
    """What is said, in a form in which two that say the same are the same text."""
    places: tuple[tuple[str, str], ...] = ()
    """The areas and environments of every file that says it."""
    generated: bool = False
    """Whether it is made of fields of deployments, so that nobody wrote it as it is."""

    @property
    def key(self) -> ResourceKey:
        """What names it on the server."""
        return self.resource.key

    @property
    def declaration(self) -> Declaration:
        """The place, for a plan."""
        area, environment = (None if one == EVERYWHERE else one for one in (self.area, self.environment))
        return Declaration(location=self.location, area=area, environment=environment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Besides:
    """Every declaration, the widest first, and what is wrong with them."""

    declared: tuple[Declared, ...] = ()
    problems: tuple[Problem, ...] = ()

    def for_environments(self, environments: Collection[str]) -> dict[ResourceKey, Declared]:
        """What is declared for a server with these environments. Those that say the same are one, for all of them."""
        found: dict[ResourceKey, Declared] = {}
        for one in self.declared:
            if one.environment == EVERYWHERE or one.environment in environments:
                known = found.get(one.key)
                found[one.key] = one if known is None else _both(known, one)
        return found


def _both(one: Declared, other: Declared) -> Declared:
    area = one.area if one.area == other.area else EVERYWHERE
    environment = one.environment if one.environment == other.environment else EVERYWHERE
    resource = one.resource
    if isinstance(resource, Marked) and resource.mark is not None:
        resource = _marked(resource, replace(resource.mark, area=area, environment=environment))
    places = (*one.places, *other.places)
    return replace(one, area=area, environment=environment, resource=resource, places=places)


def _marked(resource: Marked, mark: Mark) -> Marked:
    return replace(resource, mark=mark)


def besides(repository: Repository) -> Besides:
    """Every declaration of these kinds, and every problem of them."""
    declared: list[Declared] = []
    problems: list[Problem] = [*_reserved(repository)]
    for document, area, environment in _files(repository):
        mark = Mark(project=str(repository.project.data.get("name") or "project"), area=area, environment=environment)
        for kind, room in ROOMS.items():
            for name, said in (document.data.get(room) or {}).items():
                at = (room, name)
                faults = _faults(kind, name, said or {})
                problems += (fault.located(document.locate((*at, *fault.at), key=fault.on_key)) for fault in faults)
                declared.append(
                    Declared(
                        resource=_BUILD[kind](name, said or {}, mark),
                        area=area,
                        environment=environment,
                        places=((area, environment),),
                        location=document.locate(at, key=True),
                        said=_said(said or {}),
                    )
                )
    problems += (*_twice(repository, declared), *undeclared(repository, declared))
    return Besides(declared=tuple(declared), problems=tuple(problems))


def _said(said: Mapping[str, Any]) -> str:
    """What is said, without the keys that are null; but a variable may be."""
    return canonical({key: value for key, value in said.items() if value is not None or key == "value"})


def undeclared(repository: Repository, declared: Iterable[Declared]) -> Iterator[Problem]:
    """A warning for each name of a variable or a secret that no file declares, where files declare any of its kind.

    Where none is declared they may all be made elsewhere; whether they stand on the server only a plan can say.
    """
    variables = {one.key.name for one in declared if one.key.kind is Kind.VARIABLE}
    blocks = {one.resource.block for one in declared if isinstance(one.resource, Secret)}
    for document in repository.documents():
        for reference, at in _references(document):
            known = variables if reference.variable else blocks
            lost = document.at_fault(at) or _is_lost(repository, reference)
            declarable = reference.variable or reference.name.partition("/")[0] in TYPES
            if known and declarable and reference.name not in known and not lost:
                yield _undeclared(reference, document.locate(at), known)


TYPES: Final = frozenset({"secret", "github-credentials", "slack-webhook", "email-server-credentials"})
"""The types of blocks that can be declared."""


def _references(document: Document) -> Iterator[tuple[Reference, tuple[str | int, ...]]]:
    for reference in references_in(document.data):
        yield reference, reference.at
    places = [("sources",), *(("environments", name, "sources") for name in document.data.get("environments") or {})]
    for place in places:
        for name, said in _within(document.data, place).items():
            for path in (("token",), ("deploy_as", "token")):
                token = _within(said, path)
                for key, kind in (("secret", "secret"), ("github_credentials", "github-credentials")):
                    if isinstance(token.get(key), str):
                        yield Reference(block=f"{kind}/{token[key]}"), (*place, name, *path, key)


def _within(data: Any, path: Iterable[str]) -> Mapping[str, Any]:
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data if isinstance(data, Mapping) else {}


def _is_lost(repository: Repository, reference: Reference) -> bool:
    """Whether it may well be declared, in a way that could not be read."""
    at = ("variables", reference.name) if reference.variable else ("secrets", reference.name.partition("/")[2])
    return any(document.at_fault(at) for document in repository.documents())


def _undeclared(reference: Reference, location: Location, known: Collection[str]) -> Problem:
    kind, _, block = reference.name.partition("/")
    if reference.variable:
        what, room = f"variable {reference.name!r}", "variables"
    else:
        what, room = f"secret {block!r}" + ("" if kind == "secret" else f" of the type {kind}"), "secrets"
    names = {name.removeprefix(f"{kind}/") for name in known} if not reference.variable else known
    return Problem(
        location=location,
        code="variable-undeclared" if reference.variable else "secret-undeclared",
        message=f"No file declares the {what}.",
        hint=f"Declare it under `{room}:`, or correct the name. {nearest(block or reference.name, names)}",
        severity=Severity.WARNING,
    )


def disputed(declared: Iterable[Declared], environments: Collection[str]) -> Iterator[Problem]:
    """Two differing declarations for environments that are of one server after all, since all of them are taken."""
    first: dict[ResourceKey, Declared] = {}
    for one in declared:
        if one.environment == EVERYWHERE or one.environment in environments:
            known = first.setdefault(one.key, one)
            if known.said != one.said:
                yield _dispute(known, one, " Or take one environment at a time, with --env.")


def _files(repository: Repository) -> Iterator[tuple[Document, str, str]]:
    """The files that can declare them, the widest first."""
    if repository.shared is not None:
        yield repository.shared, EVERYWHERE, EVERYWHERE
    for area, files in sorted(repository.areas.items()):
        if files.shared is not None:
            yield files.shared, area, EVERYWHERE
    known = repository.environments.data.get("environments") or {}
    for area, files in sorted(repository.areas.items()):
        for environment, document in sorted(files.environments.items()):
            if environment in known:
                yield document, area, environment


def _twice(repository: Repository, declared: Iterable[Declared]) -> Iterator[Problem]:
    rules = repository.environments.data.get("environments") or {}
    seen: dict[ResourceKey, list[Declared]] = {}
    for one in declared:
        for other in seen.setdefault(one.key, []):
            if one.said != other.said and _meet(repository, rules, one, other):
                yield _dispute(other, one)
                break
        seen[one.key].append(one)


def _meet(repository: Repository, rules: Mapping[str, Any], one: Declared, other: Declared) -> bool:
    """Whether both are for one server, as far as the files say."""
    if EVERYWHERE in {one.environment, other.environment} or one.environment == other.environment:
        return True
    at_fault = any(
        repository.environments.at_fault(("environments", each.environment, "api_url")) for each in (one, other)
    )
    return not at_fault and can_be_one_server(rules.get(one.environment) or {}, rules.get(other.environment) or {})


def _dispute(one: Declared, other: Declared, more: str = "") -> Problem:
    return Problem(
        location=other.location,
        code="declared-twice",
        message=f"The {other.key.kind} {other.key} is declared otherwise at {one.location}, and on one server there is "
        "only one of that name.",
        hint=f"Declare it once, in the shared.yaml of both, or give one of the two another name.{more}",
    )


def _reserved(repository: Repository) -> Iterator[Problem]:
    """`all` is what marks say of what is shared, so nothing else may be called so."""
    hint = "Give it another name."
    if EVERYWHERE in repository.areas:
        place = Location(file=f"deployments/{EVERYWHERE}")
        yield Problem(
            location=place,
            code="name-reserved",
            message=f"No area can be called {EVERYWHERE!r}: marks on the server mean every area by it.",
            hint=hint,
        )
    if EVERYWHERE in (repository.environments.data.get("environments") or {}):
        place = repository.environments.locate(("environments", EVERYWHERE), key=True)
        yield Problem(
            location=place,
            code="name-reserved",
            message=f"No environment can be called {EVERYWHERE!r}: --env and marks mean every environment by it.",
            hint=hint,
        )


# ---------------------------------------------------------------- each kind


def _variable(name: str, said: Mapping[str, Any], mark: Mark) -> Variable:
    return Variable(name=name, value=said.get("value"), tags=tuple(said.get("tags") or ()), mark=mark)


def _secret(name: str, said: Mapping[str, Any], _: Mark) -> Secret:
    return Secret(
        name=name,
        block_type=said.get("type") or "secret",
        from_env=said.get("from_env"),
        expires=said.get("expires"),
    )


def _limit(name: str, said: Mapping[str, Any], _: Mark) -> GlobalLimit:
    return GlobalLimit(
        name=name,
        limit=int(said.get("limit") or 0),
        slot_decay_per_second=float(said.get("slot_decay_per_second") or 0),
    )


_BUILD: Final[Mapping[Kind, Callable[[str, Mapping[str, Any], Mark], Resource]]] = {
    Kind.VARIABLE: _variable,
    Kind.SECRET: _secret,
    Kind.CONCURRENCY_LIMIT: _limit,
    Kind.AUTOMATION: automation_from,
}


def _faults(kind: Kind, name: str, said: Mapping[str, Any]) -> Iterator[Fault]:
    if kind is Kind.VARIABLE:
        yield from _variable_faults(name, said)
    if kind is Kind.AUTOMATION:
        yield from automation_faults(said)
    if kind is Kind.SECRET and isinstance(said.get("expires"), str) and read_day(said["expires"]) is None:
        yield Fault(
            code="date-invalid",
            message=f"There is no day {said['expires']}.",
            hint='Write it as year, month and day: "2027-03-01".',
            at=("expires",),
        )


def _variable_faults(name: str, said: Mapping[str, Any]) -> Iterator[Fault]:
    if is_kept(name):
        yield Fault(
            code="name-reserved",
            message=f"Variables that begin with {LOCK!r} or {HOLDS!r} are the tool's own, so none can be declared.",
            hint="Give it another name.",
            on_key=True,
        )
    size = len(json.dumps(said.get("value"), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
    if size > LONGEST:
        yield Fault(
            code="variable-too-long",
            message=f"The value has {size:,} bytes as JSON, and Prefect takes {LONGEST:,} at most.",
            hint="Keep it in a file that the flow reads, or share it out among several variables.",
            at=("value",),
        )

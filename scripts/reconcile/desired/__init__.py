"""Entries -> State, or every Problem at once. Pure: the flows' source texts and the job templates are handed in.

draft.py        what is being put together, and what it is judged by
pools.py        work pools, and which one a deployment runs in
schedules.py    its schedules
flow.py         its flow's signature, and whether the parameters fit
deployment.py   all of that as a Deployment
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from unicodedata import normalize

from reconcile.desired.deployment import checked, deployment_of
from reconcile.desired.draft import (
    Chosen,
    Draft,
    Evidence,
    KnownFlows,
    declared_name,
    final_name,
    no_flows,
    replaced_name,
)
from reconcile.desired.flow import unread_warnings
from reconcile.desired.pools import pool_from, pools_of_one_name
from reconcile.desired.schedules import default_zone, named_schedules
from reconcile.layers import Entry, Layer, Repository
from reconcile.model import Deployment, ResourceKey, State
from reconcile.plan import Declaration
from reconcile.problem import Location, Problem
from reconcile.resolve import Resolved
from reconcile.wire import server_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What the files say. `state` holds what is free of errors; `entries` the entry of each deployment."""

    state: State
    declarations: Mapping[ResourceKey, Declaration]
    entries: Mapping[str, Entry]
    problems: tuple[Problem, ...]


def desired(repository: Repository, resolved: Resolved, evidence: Evidence, chosen: Chosen | None = None) -> Desired:
    """Every pool and deployment that the files declare.

    Entries of one name whose environments are of different servers do not disturb each other: the state holds the
    one that is `chosen`. Where both are chosen, they are for one server after all.
    """
    draft = Draft(repository=repository, evidence=evidence)
    declarations: dict[ResourceKey, Declaration] = {}
    for stem, document in sorted(repository.pools.items()):
        pool = pool_from(draft, stem, document)
        draft.pools[stem] = pool
        declarations[pool.key] = Declaration(location=Location(file=document.file))
    draft.problems += (*pools_of_one_name(draft), *default_zone(draft), *named_schedules(draft))
    deployments: dict[str, Deployment] = {}
    entries: dict[str, Entry] = {}
    for code in resolved.codes:
        deployment, entry = deployment_of(draft, code), code.entry
        name = deployment.key.name
        if name in deployments:
            draft.problems += _same_identity(entries[name], entry, deployment, chosen)
            if chosen is not None and not chosen(entry):
                continue
        deployments[name], entries[name] = deployment, entry
        declarations[deployment.key] = Declaration(
            location=entry.location, area=entry.scope.area, environment=entry.scope.environment
        )
    for entry in resolved.without:
        checked(draft, entry)
    draft.problems += (*unread_warnings(draft), *_replaced_twice(entries.values()), *_alike(entries))
    pools = {pool.name: pool for pool in draft.pools.values()}
    return Desired(
        state=State(pools=pools, deployments=deployments),
        declarations=declarations,
        entries=entries,
        problems=_not_reported(draft),
    )


def _replaced_twice(entries: Iterable[Entry]) -> Iterator[Problem]:
    """Two entries of one area and environment that would take the place of one deployment."""
    found: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        name = replaced_name(entry)
        if name is None:
            continue
        first = found.setdefault((entry.scope.area, entry.scope.environment, name), entry)
        if first is not entry:
            yield Problem(
                location=entry.locate(("replaces",)),
                code="replaces-twice",
                message=f"{first.declared!r} replaces the same deployment; only one can take its place.",
                hint="Delete `replaces` from one of the two.",
            )


def _alike(entries: Mapping[str, Entry]) -> Iterator[Problem]:
    """Names that look the same and are not, since an accent can be written in two ways."""
    found: dict[str, Entry] = {}
    for name, entry in entries.items():
        if name.isascii():
            continue
        first = found.setdefault(normalize("NFC", name), entry)
        if first is not entry:
            yield Problem(
                location=entry.location,
                code="name-alike",
                message=f"The names of this deployment and of the one at {first.location} look the same, and differ "
                "only in how Unicode writes an accent.",
                hint="Give one of the two another name; type the accents anew, so that both are written alike.",
            )


def _not_reported(draft: Draft) -> tuple[Problem, ...]:
    """The problems, but for those of a value that was found at fault when its file was read."""
    reported = {location for document in draft.repository.documents() for location in document.reported}
    return tuple(problem for problem in draft.problems if problem.location not in reported)


def _same_identity(one: Entry, other: Entry, deployment: Deployment, chosen: Chosen | None) -> Iterator[Problem]:
    """Two entries that would be one deployment, unless their environments are of servers that cannot be one."""
    if any(entry.at_fault("name") or entry.scope.rules.at_fault("name") for entry in (one, other)):
        return
    together = chosen is not None and chosen(one) and chosen(other)
    if not together and not _can_be_one_server(one.scope.rules, other.scope.rules):
        return
    hint = 'Give the environment a `name:` such as "{name}-dev", or one of the two entries another name.'
    if one.scope.environment == other.scope.environment:
        hint = "Give one of the two another name."
    elif together:
        hint = f"{hint} Or take one environment at a time: --env {other.scope.environment}."
    yield Problem(
        location=other.location,
        code="deployment-twice",
        message=f"{deployment.key} is declared twice, also at {one.location}: "
        "on one server they would overwrite each other.",
        hint=hint,
    )


def _can_be_one_server(one: Layer, other: Layer) -> bool:
    if one.data is other.data:
        return True
    if one.at_fault("api_url") or other.at_fault("api_url"):
        return False
    first, second = _servers(one), _servers(other)
    return not first or not second or not first.isdisjoint(second)


def _servers(rules: Layer) -> set[tuple[str, str, int | None, str]]:
    urls = rules.data.get("api_url") or []
    return {server_of(url) for url in ([urls] if isinstance(urls, str) else urls)}


__all__ = [
    "Desired",
    "Evidence",
    "KnownFlows",
    "declared_name",
    "desired",
    "final_name",
    "no_flows",
    "replaced_name",
]

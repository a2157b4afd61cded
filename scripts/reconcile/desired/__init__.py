"""Entries -> State, or every Problem at once. Pure: the flows' source texts and the job templates are handed in.

draft.py        what is being put together, and what it is judged by
pools.py        work pools, and which one a deployment runs in
schedules.py    its schedules
calendars.py    the days that they leave out
flow.py         its flow's signature, and whether the parameters fit
deployment.py   all of that as a Deployment
besides.py      variables, secrets, concurrency limits and automations
automations.py  what is wrong with an automation
naming.py       whom automations mean by a name; those that deployments ask for
servers.py      which environments can be of one server
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from unicodedata import normalize

from reconcile.desired.besides import Besides, besides, disputed
from reconcile.desired.calendars import calendar_problems
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
from reconcile.desired.naming import Pair, name_problems, unknown_deployments, with_cares
from reconcile.desired.pools import pool_from, pools_of_one_name
from reconcile.desired.schedules import default_zone, named_schedules
from reconcile.desired.servers import can_be_one_server
from reconcile.layers import Entry, Layer, Repository
from reconcile.model import Deployment, ResourceKey, State
from reconcile.plan import Declaration
from reconcile.problem import Location, Problem, has_errors
from reconcile.resolve import Resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What the files say. `state` holds what is free of errors; `entries` the entry of each deployment.

    `besides` are the declarations of the other kinds, of which it depends on the server which ones count.
    """

    state: State
    besides: Besides
    declarations: Mapping[ResourceKey, Declaration]
    entries: Mapping[str, Entry]
    problems: tuple[Problem, ...]
    pairs: tuple[Pair, ...] = ()
    """Every deployment with its entry, also those of other servers that go by one name."""


def desired(repository: Repository, resolved: Resolved, evidence: Evidence, chosen: Chosen | None = None) -> Desired:
    """Everything that the files declare.

    Entries of one name whose environments are of different servers do not disturb each other: the state holds the
    one that is `chosen`. Where both are chosen, they are for one server after all.
    """
    beside = besides(repository)
    draft = Draft(repository=repository, evidence=evidence, besides=beside)
    draft.problems += beside.problems
    if chosen is not None and not has_errors(beside.problems):
        draft.problems += disputed(beside.declared, _environments(repository, chosen))
    declarations: dict[ResourceKey, Declaration] = {}
    for stem, document in sorted(repository.pools.items()):
        pool = pool_from(draft, stem, document)
        draft.pools[stem] = pool
        declarations[pool.key] = Declaration(location=Location(file=document.file))
    draft.problems += (*pools_of_one_name(draft), *default_zone(draft), *named_schedules(draft))
    deployments: dict[str, Deployment] = {}
    entries: dict[str, Entry] = {}
    pairs: list[Pair] = []
    for code in resolved.codes:
        deployment, entry = deployment_of(draft, code), code.entry
        name = deployment.key.name
        pairs.append((name, entry))
        if name in deployments:
            draft.problems += _same_identity(entries[name], entry, deployment, chosen)
            if chosen is not None and not chosen(entry.scope.environment):
                continue
        deployments[name], entries[name] = deployment, entry
        declarations[deployment.key] = Declaration(
            location=entry.location, area=entry.scope.area, environment=entry.scope.environment
        )
    for entry in resolved.without:
        checked(draft, entry)
    draft.problems += (
        *calendar_problems(draft),
        *unread_warnings(draft),
        *_replaced_twice(entries.values()),
        *_alike(entries),
    )
    draft.problems += name_problems(repository, beside.declared, pairs)
    beside = with_cares(beside, pairs, str(repository.project.data.get("name") or "project"))
    pools = {pool.name: pool for pool in draft.pools.values()}
    return Desired(
        state=State(pools=pools, deployments=deployments),
        besides=beside,
        declarations=declarations,
        entries=entries,
        problems=_not_reported(draft),
        pairs=tuple(pairs),
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
    together = chosen is not None and chosen(one.scope.environment) and chosen(other.scope.environment)
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
    return can_be_one_server(one.data, other.data)


def _environments(repository: Repository, chosen: Chosen) -> frozenset[str]:
    return frozenset(name for name in repository.environments.data.get("environments") or {} if chosen(name))


__all__ = [
    "Desired",
    "Evidence",
    "KnownFlows",
    "declared_name",
    "desired",
    "final_name",
    "no_flows",
    "replaced_name",
    "unknown_deployments",
]

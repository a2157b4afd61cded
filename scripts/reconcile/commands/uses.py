"""Who uses a server's variables and blocks: what deployments and work pools name, and what of that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconcile.automations import Thing, names_in
from reconcile.desired.besides import TYPES
from reconcile.model import Kind, Resource, ResourceKey, State
from reconcile.plan import Notice
from reconcile.references import references_in
from reconcile.resolve import nearest

Users = Mapping[ResourceKey, tuple[str, ...]]
"""What is named, and by whom. A block goes by `type/name`."""


def users_of(*states: State) -> Users:
    """Who names what, of deployments (by `flow/name`) and work pools, in any of the states."""
    found: dict[ResourceKey, set[str]] = {}
    for state in states:
        for user, key in _named(state):
            found.setdefault(key, set()).add(user)
    return {key: tuple(sorted(users)) for key, users in found.items()}


def _named(state: State) -> Iterator[tuple[str, ResourceKey]]:
    values: list[tuple[Resource, Any]] = [
        *((one, (one.parameters, one.job_variables, one.pull_steps)) for one in state.deployments.values()),
        *((one, (one.job_defaults, one.job_template)) for one in state.pools.values()),
    ]
    for resource, value in values:
        for reference in references_in(value):
            kind = Kind.VARIABLE if reference.variable else Kind.SECRET
            yield str(resource.key), ResourceKey(kind=kind, name=reference.name)
    for automation in state.automations.values():
        for named in names_in(automation):
            if named.thing is Thing.BLOCK:
                yield str(automation.key), ResourceKey(kind=Kind.SECRET, name=named.name)
    for one in state.deployments.values():
        if one.concurrency_limit is not None and one.concurrency_limit.shared:
            yield str(one.key), ResourceKey(kind=Kind.CONCURRENCY_LIMIT, name=one.concurrency_limit.shared)


def missing_warnings(selected: State, observed: State) -> Iterator[Notice]:
    """A warning for each variable or block that is named, is not on the server, and that no apply would make."""
    for key, users in sorted(users_of(selected).items()):
        if key.kind is Kind.CONCURRENCY_LIMIT or key.name in {*observed.of(key.kind), *selected.of(key.kind)}:
            continue  # of a declared secret that is missing it is said elsewhere
        told = _variable_missing if key.kind is Kind.VARIABLE else _block_missing
        yield told(key, f"{_list(users)} {'names' if len(users) == 1 else 'name'}", observed)


def _variable_missing(key: ResourceKey, users: str, observed: State) -> Notice:
    return Notice(
        code="variable-missing",
        key=str(key),
        message=f"{users} {{{{ prefect.variables.{key} }}}}, and the server has no such variable, so runs take "
        f"nothing for it; declare it under `variables:`, or correct the name.{_near(key, observed.variables)}",
    )


def _block_missing(key: ResourceKey, users: str, observed: State) -> Notice:
    kind, _, name = key.name.partition("/")
    way = f"declare it under `secrets:` and run `secret set {name}`" if kind in TYPES else "make it in the UI"
    return Notice(
        code="block-missing",
        key=str(key),
        message=f"{users} {{{{ prefect.blocks.{kind}.{name} }}}}, and the server has no such block, so its "
        f"runs fail; {way}, or correct the name.{_near(key, observed.secrets)}",
    )


def _near(key: ResourceKey, known: Iterable[str]) -> str:
    hint = nearest(key.name, known)
    return f" {hint}" if hint.startswith("Did you mean") else ""


def _list(users: tuple[str, ...]) -> str:
    more = len(users) - 2
    return f"{', '.join(users[:2])} and {more} more" if more > 0 else " and ".join(users)

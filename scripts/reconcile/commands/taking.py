"""What is selected besides deployments: what the selected files declare, and what the selected deployments name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconcile.automations import concerns
from reconcile.commands.options import Filter
from reconcile.commands.uses import Users, users_of
from reconcile.desired.besides import Declared
from reconcile.model import Automation, GlobalLimit, Resource, Secret, State, Variable


def with_besides(state: State, declared: Iterable[Declared], chosen: Filter) -> State:
    """The selected pools and deployments with what is selected of the other kinds."""
    every = list(declared)
    automations = [one for one in every if isinstance(one.resource, Automation)]
    state = replace(state, automations=_automations(automations, state, chosen))
    named = users_of(state)
    taken = [one.resource for one in every if _is_taken(one, chosen) or _is_named(one.resource, named)]
    return replace(
        state,
        variables={one.name: one for one in taken if isinstance(one, Variable)},
        secrets={one.block: one for one in taken if isinstance(one, Secret)},
        limits={one.name: one for one in taken if isinstance(one, GlobalLimit)},
    )


def _automations(declared: Iterable[Declared], state: State, chosen: Filter) -> dict[str, Automation]:
    """Those of the selected files, and those that name a selected deployment."""
    return {
        one.resource.name: one.resource
        for one in declared
        if isinstance(one.resource, Automation)
        and (_is_taken(one, chosen) or any(concerns(one.resource, each) for each in state.deployments.values()))
    }


def _is_taken(one: Declared, chosen: Filter) -> bool:
    return any(chosen.takes_file(area, environment) for area, environment in one.places)


def _is_named(resource: Resource, named: Users) -> bool:
    key = resource.key
    return (replace(key, name=resource.block) if isinstance(resource, Secret) else key) in named

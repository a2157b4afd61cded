"""What the names in automations mean on one server, and what is to be said of those that mean nothing, or two."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from reconcile.automations import (
    Named,
    Thing,
    is_second,
    key_of,
    names_in,
    prefix_of,
    renamed,
    restricted,
    said_name,
)
from reconcile.desired.besides import Declared
from reconcile.desired.naming import Pair, meant, two_meant
from reconcile.model import DEFAULT_QUEUE, Automation, Kind, Mark, Marked, ResourceKey, State
from reconcile.plan import Action, Notice, Plan
from reconcile.resolve import nearest

Besides = Mapping[ResourceKey, Declared]


@dataclass(slots=True)
class Links:
    """The declarations with every name in its last form, and what is wrong with some of them, by automation."""

    besides: dict[ResourceKey, Declared]
    ambiguous: dict[str, list[Notice]] = field(default_factory=dict)


def linked(besides: Besides, pairs: Iterable[Pair], pools: State, standing: State, here: Collection[str]) -> Links:
    """The automations with every name as it goes on the server: what files declare for it, or what stands there."""
    links = Links(besides=dict(besides))
    here_declared = [pair for pair in pairs if pair[1].scope.environment in here]
    names = {found: key.name for key, found in standing.ids().items()}
    queues = _queues(pools) | _queues(standing)
    for key, one in besides.items():
        if isinstance(one.resource, Automation) and not one.generated:
            link = _Link(one=one, pairs=here_declared, names=names, queues=queues, standing=standing)
            links.besides[key] = replace(one, resource=renamed(one.resource, link))
            if link.notices:
                links.ambiguous[key.name] = link.notices
    return links


@dataclass(slots=True)
class _Link:
    """The name that one of an automation's names goes by."""

    one: Declared
    pairs: list[Pair]
    names: Mapping[str, str]
    queues: frozenset[str]
    standing: State
    notices: list[Notice] = field(default_factory=list)

    def __call__(self, named: Named) -> str:
        if named.is_id:
            return self.names.get(named.name, named.name)
        if named.thing is Thing.DEPLOYMENT:
            found = meant(named.name, self.one.area, self.one.environment, self.pairs) or self._standing(named.name)
            return self._only(named, found, "write flow/name")
        if named.thing is Thing.WORK_QUEUE and "/" not in named.name:
            found = frozenset(queue for queue in self.queues if queue.rpartition("/")[2] == named.name)
            return self._only(named, found, "write pool/queue")
        return named.name

    def _standing(self, name: str) -> frozenset[str]:
        return frozenset(key for key, one in self.standing.deployments.items() if name in (key, one.name))

    def _only(self, named: Named, found: frozenset[str], way: str) -> str:
        if len(found) > 1:
            text = f"The automation {self.one.key} ({self.one.location}): {two_meant(named.name, found)}"
            message = f"{text}; correct it there: {way}."
            self.notices.append(Notice(code="automation-ambiguous", key=str(self.one.key), message=message))
        return next(iter(found)) if len(found) == 1 else named.name


def _queues(state: State) -> frozenset[str]:
    return frozenset(
        f"{pool.name}/{queue}"
        for pool in state.pools.values()
        for queue in (DEFAULT_QUEUE, *(queue.name for queue in pool.queues))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The selected state with those automations that can be written, and what is said of the others."""

    state: State
    refusals: tuple[Notice, ...] = ()
    warnings: tuple[Notice, ...] = ()


def settled(state: State, standing: State, links: Links) -> Settled:
    """The automations that can be written: whatever they name stands on the server, or comes with this plan.

    Of those that deployments ask for, the deployments that are not there yet are left out. One whose block is not there
    is left out whole, and stays as it stands: blocks are made elsewhere, and nothing else has to wait for them.
    """
    here = {name: _for_those_here(one, state, standing, links) for name, one in state.automations.items()}
    taken = {name: one for name, one in here.items() if one is not None}
    refusals: list[Notice] = []
    warnings: list[Notice] = []
    for name, one in sorted(taken.items()):
        place = links.besides[one.key].location
        without = [named for named in names_in(one) if not _is_known(named, state, standing)]
        blocks = [named for named in without if named.thing is Thing.BLOCK]
        refusals += links.ambiguous.get(name, ())
        told = {notice.message for notice in links.ambiguous.get(name, ())}
        refusals += (
            _nothing(name, str(place), named, state, standing)
            for named in without
            if named.thing is not Thing.BLOCK and not any(repr(named.name) in text for text in told)
        )
        refusals += _unfit(name, str(place), one, standing)
        if blocks:
            warnings.append(_no_block(name, str(place), blocks[0], standing))
            del taken[name]
    refusals += _circles(taken, standing)
    return Settled(state=replace(state, automations=taken), refusals=tuple(refusals), warnings=tuple(warnings))


def _for_those_here(one: Automation, state: State, standing: State, links: Links) -> Automation | None:
    if not links.besides[one.key].generated:
        return one
    return restricted(one, {*state.deployments, *standing.deployments})


def _is_known(named: Named, state: State, standing: State) -> bool:
    return named.name in _known(named.thing, state) or named.name in _known(named.thing, standing)


def _known(thing: Thing, state: State) -> Collection[str]:
    if thing is Thing.WORK_QUEUE:
        return _queues(state)
    if thing is Thing.BLOCK:  # a declared one whose value a person has to type stands once that is done
        return {name for name, one in state.secrets.items() if one.id is not None or one.from_env}
    return state.of(key_of(thing, "").kind)


def _nothing(automation: str, place: str, named: Named, state: State, standing: State) -> Notice:
    known = {*_known(named.thing, state), *_known(named.thing, standing)}
    hint = nearest(named.name, known)
    more = f" {hint}" if hint.startswith("Did you mean") else ""
    return Notice(
        code="automation-names-nothing",
        key=automation,
        message=f"The automation {automation} ({place}) names the {named.thing} {named.name!r}, which is neither "
        f"selected here nor on the server; correct the name, or declare it, or take it into the selection.{more}",
    )


def _no_block(automation: str, place: str, named: Named, standing: State) -> Notice:
    kind, _, name = named.name.partition("/")
    hint = nearest(named.name, standing.secrets)
    more = f" {hint}" if hint.startswith("Did you mean") else ""
    return Notice(
        code="automation-block-missing",
        key=automation,
        message=f"The automation {automation} ({place}) sends through the block {named.name}, which the server does "
        f"not have, so it is left out until then; make a block {name!r} of the type {kind} in the UI, or declare it "
        f"under `secrets:`, and apply again.{more}",
    )


_WANTED: Final = {
    "send-notification": "a notification block, such as slack-webhook",
    "call-webhook": "a webhook block",
}


def _unfit(automation: str, place: str, one: Automation, standing: State) -> Iterator[Notice]:
    """Prefect takes any block, and then sends nothing through it."""
    for action in (*one.actions, *one.actions_on_trigger, *one.actions_on_resolve):
        kind = str(action.get("type"))
        block = standing.secrets.get(str(action.get("block")))
        if kind not in _WANTED or block is None or block.capabilities is None:
            continue
        if not ("notify" in block.capabilities if kind == "send-notification" else block.block_type == "webhook"):
            yield Notice(
                code="automation-block-unfit",
                key=automation,
                message=f"The automation {automation} ({place}) cannot {kind} through {block.block}: Prefect wants "
                f"{_WANTED[kind]}; correct the block.",
            )


def _circles(automations: Mapping[str, Automation], standing: State) -> Iterator[Notice]:
    """Automations that are to be made and name each other: one of them has to be there before the other."""
    new = {name: one for name, one in automations.items() if name not in standing.automations}
    named = {name: {each.name for each in names_in(one) if each.thing is Thing.AUTOMATION} for name, one in new.items()}
    for name in sorted(new):
        reached: set[str] = set()
        waiting = (named[name] & new.keys()) - {name}
        while waiting:
            reached |= waiting
            waiting = {each for one in waiting for each in named[one] & new.keys()} - reached
        if name in reached:
            yield Notice(
                code="automation-circle",
                key=name,
                message=f"The automation {name} names others that name it, and none of them is on the server yet; "
                "delete the action from one of them, apply, and write it again.",
            )


def retired(
    standing: State, besides: Besides, project: str, covers: Callable[[Mark, Marked], bool]
) -> dict[str, Automation]:
    """Automations of watchdog and notify that no deployment asks for any more, and second ones, switched off.

    An orphan would go on with its work: it would cancel runs that nobody wants to be cancelled. A second one of a name
    that is declared, which comes of a create whose answer was lost, would do everything once more.
    """
    return {
        name: replace(one, enabled=False)
        for name, one in standing.automations.items()
        if one.mark is not None
        and one.mark.project == project
        and one.key not in besides
        and (one.name.startswith(prefix_of(one.mark)) or _is_declared_twice(one, besides))
        and covers(one.mark, one)
    }


def _is_declared_twice(one: Automation, besides: Besides) -> bool:
    return is_second(one) and key_of(Thing.AUTOMATION, said_name(one)) in besides


def retired_warning(one: Automation) -> Notice:
    """What is said of one as long as it stands."""
    name = one.name
    if is_second(one):
        return Notice(
            code="automation-twice",
            key=name,
            message=f"The server has a second automation {said_name(one)}, made in this project's name, so this one is "
            "switched off; --prune deletes it.",
        )
    return Notice(
        code="automation-retired",
        key=name,
        message=f"No deployment asks for the automation {name} any more, so it is switched off; --prune deletes it.",
    )


def bereft(plan: Plan, automations: Iterable[Automation]) -> Iterator[Notice]:
    """A refusal for each automation that would be left naming a deployment that the plan deletes."""
    gone = {
        change.observed.key.name
        for change in plan.changes
        if change.action in {Action.DELETE, Action.REPLACE}
        and change.observed is not None
        and change.observed.key.kind is Kind.DEPLOYMENT
    }
    for one in automations:
        for name in sorted({named.name for named in names_in(one) if named.thing is Thing.DEPLOYMENT} & gone):
            yield Notice(
                code="automation-bereft",
                key=one.name,
                message=f"The automation {one.name} names {name}, which this plan deletes; correct the name, or delete "
                "the automation, or declare the deployment.",
            )

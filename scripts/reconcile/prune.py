"""What is deleted because no file declares it any more, and what speaks against it. Pure: plan x facts -> plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from reconcile.facts import RunsOf
from reconcile.model import EVERYWHERE, Deployment, Kind, Marked, State
from reconcile.plan import Action, Change, Notice, Plan
from reconcile.rules import Protection

SHARE_FROM: Final = 3
"""From how many deletes on their share of an environment counts: of three deployments one may always go."""

Place = tuple[str, str]
"""An area and an environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What of deleting is allowed. `max_deletes` takes the place of what the environments' rules say, the share too."""

    allowed: bool = False
    max_deletes: int | None = None
    allow_empty: Collection[str] = frozenset()
    even_if_running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What deletes are held against: where something is declared, and how many things of ours an environment has."""

    declared: Collection[Place] = ()
    managed: Mapping[str, int] | None = None
    protections: Mapping[str, Protection] | None = None

    def protection(self, environment: str) -> Protection:
        """What an environment's rules protect; of one that has no files any more, the defaults."""
        return (self.protections or {}).get(environment) or Protection()


def managed(observed: Iterable[Marked], project: str) -> dict[str, int]:
    """How many deployments, variables and automations of the project each environment has."""
    marks = [one.mark for one in observed if one.mark is not None and one.mark.project == project]
    return dict(Counter(mark.environment for mark in marks))


def pruned(plan: Plan, observed: State) -> Plan:
    """The plan with its orphans as deletes."""
    deletes = (
        Change(action=Action.DELETE, key=orphan.key, declaration=None, observed=observed.standing(orphan.key))
        for orphan in plan.orphans
    )
    return replace(plan, changes=(*plan.changes, *deletes), orphans=())


def removed(plan: Plan) -> Iterator[Deployment]:
    """The deployments that the plan takes away: deleted, or replaced by another."""
    for change in plan.changes:
        if change.action in {Action.DELETE, Action.REPLACE} and isinstance(change.observed, Deployment):
            yield change.observed


def prune_refusals(plan: Plan, pruning: Pruning, stock: Stock) -> Iterator[Notice]:
    """Why not so much may be pruned. What `replaces:` names is none of it: that was said of it by name."""
    deletes = [change for change in plan.changes if change.action is Action.DELETE and change.declaration is None]
    places = Counter((area or "", environment or "") for area, environment in (change.owner for change in deletes))
    for area, environment in sorted(places):
        if not _is_declared(area, environment, stock.declared) and area not in pruning.allow_empty:
            yield _empty(area, environment, _what(deletes, area, environment))
    for environment in sorted({environment for _, environment in places}):
        if stock.protection(environment).never_prune:
            yield _never(environment)
    if pruning.max_deletes is not None:
        if len(deletes) > pruning.max_deletes:
            allowed = f"--max-deletes {pruning.max_deletes} allows"
            yield _too_many(_what(deletes), len(deletes), allowed)
        return
    by_environment: Counter[str] = Counter()
    for (_, environment), number in places.items():
        by_environment[environment] += number
    for environment, number in sorted(by_environment.items()):
        yield from _limit_refusals(environment, _what(deletes, None, environment), number, stock, len(deletes))


def _is_declared(area: str, environment: str, declared: Collection[Place]) -> bool:
    """Whether anything is still declared there; of what is shared (`all`), anywhere within it."""
    return any(
        area in {known_area, EVERYWHERE} and environment in {known, EVERYWHERE} for known_area, known in declared
    )


def _limit_refusals(environment: str, what: str, number: int, stock: Stock, total: int) -> Iterator[Notice]:
    protection, standing = stock.protection(environment), (stock.managed or {}).get(environment, number)
    if number > protection.max_deletes:
        of = "" if environment == EVERYWHERE else f" of {environment}"
        yield _too_many(what, total, f"max_deletes: {protection.max_deletes}{of} allows")
    if number >= SHARE_FROM and number > protection.max_delete_share * standing:
        yield Notice(
            code="max-delete-share",
            message=f"{number} of the {standing} {_noun(what, environment)} would be deleted, more than the "
            f"{protection.max_delete_share:.0%} that max_delete_share allows; is the selection right? If they all are "
            f"to go, run again with --max-deletes {total}, or raise protect.max_delete_share in environments.yaml.",
        )


def _never(environment: str) -> Notice:
    return Notice(
        code="prune-never",
        message=f"Nothing of {environment} is to be pruned (protect: prune: never); leave --prune out, select other "
        "environments, or delete that line in environments.yaml.",
    )


def _too_many(what: str, total: int, allowed: str) -> Notice:
    return Notice(
        code="max-deletes",
        message=f"{what} would be deleted, more than {allowed}; is the selection right? If they all are to go, run "
        f"again with --max-deletes {total}.",
    )


def _empty(area: str, environment: str, what: str) -> Notice:
    where = "" if area == EVERYWHERE else f" in the area {area}"
    whom = "" if environment == EVERYWHERE else f" for {environment}"
    return Notice(
        code="area-empty",
        message=f"Nothing is declared{where}{whom} any more, and {what} would be deleted; has its file been lost? If "
        f"the area is to be retired, run again with --allow-empty {area}.",
    )


def running_refusals(plan: Plan, runs: Mapping[str, RunsOf], pruning: Pruning) -> Iterator[Notice]:
    """A refusal for each deployment that would be taken away from under its runs."""
    for deployment in () if pruning.even_if_running else removed(plan):
        active = runs.get(deployment.key.name, RunsOf()).active
        if active:
            yield Notice(
                code="runs-active",
                key=str(deployment.key),
                message=f"{deployment.key} would be deleted while {_runs(active)} of it "
                f"{'is' if active == 1 else 'are'} at work; wait for the end, or run again with --even-if-running.",
            )


def history_warnings(plan: Plan, runs: Mapping[str, RunsOf]) -> Iterator[Notice]:
    """What becomes of the runs of each deployment that is taken away."""
    for change in plan.changes:
        old = change.observed
        if change.action not in {Action.DELETE, Action.REPLACE} or not isinstance(old, Deployment):
            continue
        known = runs.get(old.key.name, RunsOf())
        if change.action is Action.REPLACE:
            yield Notice(
                code="replaces",
                key=str(change.key),
                message=f"{change.key} takes the place of {old.key}, with what an operator set there. On the server it "
                f"is another deployment: of the old one {_history(known)}.",
            )
        elif known.total:
            yield Notice(
                code="history",
                key=str(old.key),
                message=f"{old.key} is deleted, and of it {_history(known)}.",
            )


def _history(known: RunsOf) -> str:
    if not known.total:
        return "nothing is left; it has not run yet"
    last = f", the last of {known.last:%Y-%m-%d %H:%M %Z}" if known.last else ""
    return f"only the list of runs is left ({_runs(known.total)}{last})"


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


def _what(deletes: Iterable[Change], area: str | None = None, environment: str | None = None) -> str:
    """How many of which kinds are among the deletes of an area and environment: `3 deployments and 1 variable`."""
    counted = Counter(
        change.key.kind
        for change in deletes
        if area in {None, change.owner[0]} and environment in {None, change.owner[1]}
    )
    kinds = [kind for kind in (Kind.DEPLOYMENT, Kind.VARIABLE, Kind.AUTOMATION) if counted[kind]]
    return " and ".join(f"{counted[kind]} {kind}{'' if counted[kind] == 1 else 's'}" for kind in kinds)


def _noun(what: str, environment: str) -> str:
    """What is counted: deployments where they are alone."""
    counted = "resources" if "variable" in what or "automation" in what else "deployments"
    return f"{counted} of {environment}" if environment != EVERYWHERE else f"{counted} that shared files declared"

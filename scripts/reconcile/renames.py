"""What looks like one deployment under another name: pointed out, since to Prefect it is a new one without a past."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final

from reconcile.compare import canonical, comparable, of_schedule
from reconcile.facts import RunsOf
from reconcile.model import Deployment, Kind
from reconcile.plan import Action, Notice, Plan

ALIKE: Final = 0.6
"""From what likeness on, of at most 1, two names of one flow are taken for one deployment's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """One that comes and one that no file declares any more. `stays`: it is not deleted, so it goes on running."""

    new: Deployment
    old: Deployment
    stays: bool

    @property
    def is_of_flow(self) -> bool:
        """Whether only the flow has another name."""
        return self.new.name == self.old.name


def likely_renames(plan: Plan, observed: Mapping[str, Deployment]) -> tuple[Rename, ...]:
    """The pairs of one that is created and one that goes, or is left an orphan, that look alike; each once."""
    created = [one.desired for one in plan.changes if one.action is Action.CREATE]
    orphans = [observed[orphan.key.name] for orphan in plan.orphans if orphan.key.kind is Kind.DEPLOYMENT]
    deleted = [one.observed for one in plan.changes if one.action is Action.DELETE and one.declaration is None]
    pairs = [
        (_likeness(new, old), Rename(new=new, old=old, stays=old in orphans))
        for new in created
        for old in (*orphans, *deleted)
        if isinstance(new, Deployment) and isinstance(old, Deployment)
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1].new.key, pair[1].old.key))
    found: dict[str, Rename] = {}
    taken: set[str] = set()
    for likeness, rename in pairs:
        if likeness >= ALIKE and rename.new.key.name not in found and rename.old.key.name not in taken:
            found[rename.new.key.name] = rename
            taken.add(rename.old.key.name)
    return tuple(found[name] for name in sorted(found))


def _likeness(new: Deployment, old: Deployment) -> float:
    """How much they look like one: 0 to 2. Nothing beats an equal name. One of another area must do the same work."""
    if new.mark != old.mark:
        return _likeness(new, replace(old, mark=new.mark)) if _is_moved(new, old) and _work(new) == _work(old) else 0
    if new.name == old.name:
        return 2
    if new.flow != old.flow:
        return 0
    names = SequenceMatcher(None, new.name.lower(), old.name.lower()).ratio()
    return 0.7 * names + (0.5 if _work(new) == _work(old) else 0)


def _is_moved(new: Deployment, old: Deployment) -> bool:
    """Whether they are of one flow, in two areas of one environment."""
    places = {(one.mark.project, one.mark.environment) if one.mark else None for one in (new, old)}
    return new.flow == old.flow and len(places) == 1 and None not in places


def _work(deployment: Deployment) -> str:
    """What it does, and when."""
    timings = sorted(canonical(of_schedule(schedule)) for schedule in deployment.schedules)
    return canonical([comparable(deployment, "entrypoint"), comparable(deployment, "parameters"), timings])


def rename_warnings(
    renames: tuple[Rename, ...], runs: Mapping[str, RunsOf], declared: Callable[[Deployment], str]
) -> Iterator[Notice]:
    """What is at stake, and how the one becomes the other. `declared` tells the name by which the files knew it."""
    for rename in renames:
        known = runs.get(rename.old.key.name, RunsOf())
        last = f", the last on {known.last:%Y-%m-%d %H:%M %Z}" if known.last else ""
        past = (
            f"the past of the old one ({known.total} run{'' if known.total == 1 else 's'}{last}) is not the new one's"
        )
        left = "goes on running beside it until it is pruned" if rename.stays else "is deleted"
        replaces = f"`replaces: {declared(rename.old)}`"
        if rename.is_of_flow:
            yield Notice(
                code="identity-lost",
                key=str(rename.new.key),
                message=f"The flow of {rename.new.name!r} is called {rename.new.flow!r} now and {rename.old.flow!r} on "
                f"the server, which makes another deployment of it: {past}, and the old one {left}. To keep it pin the "
                f"name with `flow: {rename.old.flow}`; to have the new one take its place write {replaces}.",
            )
        else:
            yield Notice(
                code="looks-renamed",
                key=str(rename.new.key),
                message=f"{rename.new.key} is new, and {rename.old.key}, which looks like it, is not declared any "
                f"more: {past}, and the old one {left}. If it is a rename, write {replaces} in its entry, and it takes "
                "over what an operator set.",
            )

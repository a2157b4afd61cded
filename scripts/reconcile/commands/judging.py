"""A plan with what is to be said of it: what it takes away, what speaks against that, and what may be a mistake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, tzinfo
from typing import Any

from reconcile.commands.permissions import Permissions, unfounded
from reconcile.commands.runs import runs_of
from reconcile.desired import declared_name
from reconcile.layers import Entry, Repository
from reconcile.model import State
from reconcile.plan import Action, Change, Notice, Plan
from reconcile.policy import pause_warnings, token_warnings
from reconcile.prune import Stock, history_warnings, prune_refusals, pruned, removed, running_refusals
from reconcile.renames import likely_renames, rename_warnings
from reconcile.trials import trials_of
from reconcile.wire import Reader


def judged(
    plan: Plan,
    *,
    permissions: Permissions,
    stock: Stock,
    selected: State,
    observed: State,
    repository: Repository,
    reader: Reader,
    zone: tzinfo,
) -> Plan:
    """The plan, its orphans deleted if that is allowed, with the refusals and warnings of everything that goes."""
    if permissions.pruning.allowed:
        plan = pruned(plan, observed)
    renames = likely_renames(plan, observed.deployments)
    runs = runs_of(reader, (*removed(plan), *(rename.old for rename in renames)), zone)
    refusals = (
        *unfounded(permissions, selected, observed),
        *prune_refusals(plan, permissions.pruning, stock),
        *running_refusals(plan, runs, permissions.pruning),
    )
    warnings = (
        *history_warnings(plan, runs),
        *token_warnings(plan, observed.deployments.values()),
        *rename_warnings(renames, runs, lambda old: declared_name(repository, old)),
    )
    return replace(plan, refusals=(*plan.refusals, *refusals), warnings=(*plan.warnings, *warnings))


def with_pauses(plan: Plan, entries: Mapping[str, Entry], selected: Iterable[str], today: date) -> Plan:
    """The plan with a word on each pause that was to end by now."""
    said: dict[str, Any] = {name: entries[name].fields.get("paused") for name in sorted(selected)}
    pauses = {name: paused for name, paused in said.items() if isinstance(paused, Mapping)}
    return replace(plan, warnings=(*plan.warnings, *pause_warnings(pauses, today)))


def without_old_trials(plan: Plan, observed: State, project: str, today: date) -> Plan:
    """The plan, which deletes the trials whose time is over too. They are no orphans, so that no --prune is needed."""
    old = [(one, trial) for one, trial in trials_of(observed, project) if trial.until < today]
    gone = (Change(action=Action.DELETE, key=one.key, declaration=None, observed=one) for one, _ in old)
    told = (
        Notice(
            code="try-over",
            key=str(one.key),
            message=f"{one.key} is what {trial.user} tried until {trial.until}: it is deleted; `try` makes it anew.",
        )
        for one, trial in old
    )
    return replace(plan, changes=(*plan.changes, *gone), warnings=(*plan.warnings, *told))

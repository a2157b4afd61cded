"""Plan x facts -> what the rules `require` and `freeze` of an environment say to what would change in it.

Where nothing would change nothing is said. Every refusal names its way out; `warn` makes a warning of a requirement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from reconcile.facts import Facts
from reconcile.fingerprint import read_version
from reconcile.model import EVERYWHERE, NO_COMMIT, Deployment, Kind, Marked, State
from reconcile.plan import Action, Change, Notice, Plan
from reconcile.pull import GIT_CLONE, SET_WORKING_DIRECTORY
from reconcile.rules import DEFAULT_BRANCHES, Force, Require, Requirement, Rules, frozen_until

OF_GIT = frozenset({Require.BRANCH, Require.CLEAN, Require.PUSHED, Require.UP_TO_DATE})
"""What git has to be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the rules say to a plan."""

    refusals: tuple[Notice, ...] = ()
    warnings: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """That something is not as it must be: what, and what to do."""

    what: str
    hint: str
    key: str | None = None


def touched(plan: Plan, declared: State, here: Collection[str] = ()) -> dict[str, tuple[Change, ...]]:
    """The changes in each environment. A work pool is in all environments whose deployments use it.

    What shared files declare, and what has no owner, is in all the environments of this server: those that are `here`.
    """
    found: dict[str, list[Change]] = {}
    for change in plan.changes:
        for environment in sorted(_environments(change, declared, here)):
            found.setdefault(environment, []).append(change)
    return {name: tuple(changes) for name, changes in sorted(found.items())}


def _environments(change: Change, declared: State, here: Collection[str]) -> set[str]:
    if change.key.kind is Kind.WORK_POOL:
        users = [one for one in declared.deployments.values() if one.work_pool == change.key.name]
        return {one.mark.environment for one in users if one.mark is not None}
    resources = [one for one in (change.desired, change.observed) if isinstance(one, Marked)]
    found = {one.mark.environment for one in resources if one.mark is not None}
    if not resources:  # a limit or a secret, which have no mark
        found = {change.place[1] or EVERYWHERE}
    return set(here) | (found - {EVERYWHERE}) if EVERYWHERE in found else found


def asks_git(changes: Mapping[str, tuple[Change, ...]], rules: Mapping[str, Rules]) -> bool:
    """Whether a rule of an environment that changes wants to know something of git."""
    return any(not OF_GIT.isdisjoint(rules[name].require) for name in changes if name in rules)


def commits_of(changes: Mapping[str, tuple[Change, ...]], rules: Mapping[str, Rules]) -> frozenset[str]:
    """The commits, by their first digits, that `up_to_date` has to know of: those that git is then asked about."""
    return frozenset(
        commit
        for name, found in changes.items()
        if name in rules and Require.UP_TO_DATE in rules[name].require
        for change in found
        if (commit := _applied_from(change)) is not None
    )


def findings(
    changes: Mapping[str, tuple[Change, ...]], rules: Mapping[str, Rules], facts: Facts, zone: ZoneInfo
) -> Findings:
    """What the rules of each environment say to its changes. To the embedded server, which is nobody's, nothing."""
    refusals: list[Notice] = []
    warnings: list[Notice] = []
    for name, found in changes.items():
        if facts.embedded or name not in rules:
            continue
        refusals += _frozen(name, rules[name], facts.now.astimezone(zone))
        for requirement, required in rules[name].require.items():
            into = warnings if required.force is Force.WARN else refusals
            into += (
                _notice(name, requirement, required, lack) for lack in _LACKING[requirement](required, found, facts)
            )
    return Findings(refusals=tuple(refusals), warnings=tuple(warnings))


def _frozen(name: str, rules: Rules, local: datetime) -> Iterator[Notice]:
    until = frozen_until(rules.freeze, local.replace(tzinfo=None))
    if until is not None:
        end = until.replace(tzinfo=local.tzinfo)
        yield Notice(
            code="frozen",
            message=f"The environment {name} is frozen until {end:%A %Y-%m-%d %H:%M} ({local.tzinfo}), so nothing is "
            f"changed in it; apply again then, or change its freeze in environments.yaml in a reviewed change.",
        )


def _notice(name: str, requirement: Require, required: Requirement, lack: _Found) -> Notice:
    if required.force is Force.WARN:
        message = f"The environment {name} asks for {requirement}, and {lack.what}; {lack.hint}."
    else:
        message = (
            f"The environment {name} requires {requirement}, and {lack.what}; {lack.hint}, or set {requirement} to "
            "`warn` in environments.yaml in a reviewed change."
        )
    return Notice(code=f"require-{requirement.replace('_', '-')}", message=message, key=lack.key)


def _written(changes: tuple[Change, ...]) -> Iterator[tuple[Change, Deployment]]:
    """The deployments that are made or changed; not those that go."""
    for change in changes:
        if isinstance(change.desired, Deployment):
            yield change, change.desired


def _in_a_folder(steps: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the code is in a folder of the workers' machine; one within what was cloned before is none."""
    names = [name for step in steps for name in step]
    return SET_WORKING_DIRECTORY in names and GIT_CLONE not in names


def _source(_: Requirement, changes: tuple[Change, ...], __: Facts) -> Iterator[_Found]:
    for change, desired in _written(changes):
        if not desired.pull_steps or _in_a_folder(desired.pull_steps):
            yield _Found(
                what=f"the code of {change.key} comes from a folder of a machine and not from git",
                hint="give it a source with git",
                key=str(change.key),
            )


def _description(_: Requirement, changes: tuple[Change, ...], __: Facts) -> Iterator[_Found]:
    for change, desired in _written(changes):
        if not (desired.description or "").strip():
            yield _Found(what=f"{change.key} has no description", hint="add one", key=str(change.key))


def _branch(required: Requirement, _: tuple[Change, ...], facts: Facts) -> Iterator[_Found]:
    wanted = (required.value,) if required.value else DEFAULT_BRANCHES
    if facts.git.sha is None:
        yield _no_commit()
    elif not any(facts.git.is_on(branch) for branch in wanted):
        standing = f"the branch {facts.git.branch}" if facts.git.branch else "a commit by itself"
        yield _Found(
            what=f"{standing} is checked out and not {' or '.join(wanted)}",
            hint=f"run `git switch {wanted[0]}`",
        )


def _clean(_: Requirement, __: tuple[Change, ...], facts: Facts) -> Iterator[_Found]:
    if facts.git.sha is None:
        yield _no_commit()
    elif facts.git.dirty:
        yield _Found(what="files here are not committed", hint="commit them, or set them aside with `git stash -u`")


def _pushed(_: Requirement, __: tuple[Change, ...], facts: Facts) -> Iterator[_Found]:
    if facts.git.sha is None:
        yield _no_commit()
    elif not facts.git.pushed:
        yield _Found(what=f"the commit {facts.git.short} is on no remote", hint="run `git push`")


def _no_commit() -> _Found:
    return _Found(what="git knows no commit of these files", hint="apply from a clone of the repository")


def _up_to_date(_: Requirement, changes: tuple[Change, ...], facts: Facts) -> Iterator[_Found]:
    how = "run `git fetch --unshallow`" if facts.git.shallow else "pull first (`git pull`)"
    if facts.git.sha is None and any(_applied_from(change) for change in changes):
        yield _no_commit()
        return
    for change in changes:
        commit = _applied_from(change)
        if commit is not None and not facts.git.ancestors.get(commit, False):
            yield _Found(
                what=f"{change.key} was last applied from the commit {commit}, which is no ancestor of the one here",
                hint=how,
                key=str(change.key),
            )


def _applied_from(change: Change) -> str | None:
    """The commit that a managed deployment was last applied from, by its first digits; None where none is known."""
    observed = change.observed
    if change.action is Action.CREATE or not isinstance(observed, Deployment) or observed.mark is None:
        return None
    stored = read_version(observed.version)
    commit = stored.commit.removesuffix(".dirty") if stored else NO_COMMIT
    return commit if commit != NO_COMMIT else None


_LACKING = {
    Require.SOURCE: _source,
    Require.BRANCH: _branch,
    Require.DESCRIPTION: _description,
    Require.CLEAN: _clean,
    Require.PUSHED: _pushed,
    Require.UP_TO_DATE: _up_to_date,
}

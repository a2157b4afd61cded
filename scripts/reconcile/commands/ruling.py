"""A plan held against the rules of the environments that it changes, with what they ask of git and the clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from reconcile.commands.checkout import git_state
from reconcile.facts import Facts, GitState
from reconcile.model import State
from reconcile.plan import Plan
from reconcile.requirements import asks_git, commits_of, findings, touched
from reconcile.rules import Rules


def under_rules(
    plan: Plan, declared: State, rules: Mapping[str, Rules], *, here: Collection[str], zone: ZoneInfo, root: Path
) -> Plan:
    """The plan with what `require` and `freeze` say to it.

    `here` are the environments of this server, `zone` is of the rules' clock, `root` the repository.
    """
    changes = {name: found for name, found in touched(plan, declared, here).items() if name in rules}
    if not changes:
        return plan
    git = git_state(root, commits_of(changes, rules)) if asks_git(changes, rules) else GitState()
    facts = Facts(now=datetime.now(UTC), url=plan.target, git=git)
    found = findings(changes, rules, facts, zone)
    return replace(plan, refusals=(*plan.refusals, *found.refusals), warnings=(*plan.warnings, *found.warnings))

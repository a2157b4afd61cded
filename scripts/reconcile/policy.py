"""Plan x facts -> refusals, each with its way out. Rules of the environments, not of the comparison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconcile.model import Deployment
from reconcile.plan import Notice, Orphan, Plan
from reconcile.schedule import occurrences
from reconcile.wire import server_of

Rules = Mapping[str, Mapping[str, Any]]
"""The rules of each environment, as environments.yaml gives them."""


def pinned_elsewhere(rules: Rules, url: str) -> dict[str, list[str]]:
    """The environments whose `api_url` does not name the address, with the addresses that they name."""
    pinned = {name: addresses(rule) for name, rule in rules.items()}
    return {name: urls for name, urls in pinned.items() if urls and server_of(url) not in map(server_of, urls)}


def addresses(rule: Mapping[str, Any]) -> list[str]:
    """The addresses that an environment is pinned to."""
    said = rule.get("api_url") or []
    return [said] if isinstance(said, str) else list(said)


def pin_refusals(named: Iterable[str], rules: Rules, url: str) -> Iterator[Notice]:
    """A refusal for each environment that was asked for by name and belongs on another server."""
    elsewhere = pinned_elsewhere(rules, url)
    for name in named:
        if name in elsewhere:
            yield Notice(
                code="pinned-elsewhere",
                message=f"The environment {name} is applied to {' or '.join(elsewhere[name])} only, and the target is "
                f"{url}; set PREFECT_API_URL to one of those, or add this address to its api_url in environments.yaml.",
            )


def with_next_runs(plan: Plan, observed: Mapping[str, Deployment], now: datetime) -> Plan:
    """The plan with what each orphan will still run."""
    return replace(plan, orphans=tuple(_with_next_run(orphan, observed, now) for orphan in plan.orphans))


def _with_next_run(orphan: Orphan, observed: Mapping[str, Deployment], now: datetime) -> Orphan:
    deployment = observed[orphan.key.name]
    if deployment.paused:
        return orphan
    coming = [
        time
        for schedule in deployment.schedules
        if schedule.active
        for time in occurrences(schedule.timing, after=now, limit=1)
    ]
    return replace(orphan, next_run=min(coming).isoformat()) if coming else orphan

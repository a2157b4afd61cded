"""Plan x facts -> refusals, each with its way out. Rules of the environments, not of the comparison."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from reconcile.model import Deployment, Kind, Secret
from reconcile.plan import Notice, Orphan, Plan
from reconcile.pull import tokens_given
from reconcile.rules import Rules
from reconcile.schedule import occurrences, read_day
from reconcile.wire import server_of


def pinned_elsewhere(rules: Mapping[str, Rules], url: str) -> dict[str, tuple[str, ...]]:
    """The environments whose `api_url` does not name the address, with the addresses that they name."""
    pinned = {name: rule.api_urls for name, rule in rules.items()}
    return {name: urls for name, urls in pinned.items() if urls and server_of(url) not in map(server_of, urls)}


def pin_refusals(named: Iterable[str], rules: Mapping[str, Rules], url: str) -> Iterator[Notice]:
    """A refusal for each environment that was asked for by name and belongs on another server."""
    elsewhere = pinned_elsewhere(rules, url)
    for name in named:
        if name in elsewhere:
            yield Notice(
                code="pinned-elsewhere",
                message=f"The environment {name} is applied to {' or '.join(elsewhere[name])} only, and the target is "
                f"{url}; set PREFECT_API_URL to one of those, or add this address to its api_url in environments.yaml.",
            )


def token_warnings(plan: Plan, observed: Iterable[Deployment]) -> Iterator[Notice]:
    """A warning for each token that workers would give to a host it does not go to today.

    It is what a pull request would write to have a token sent to its author. The tool itself gives none there; the
    workers will, once it is applied, so whoever reviews the plan has to see it.
    """
    today: dict[str, set[str]] = {}
    for one in observed:
        for host, block in tokens_given(one.pull_steps):
            today.setdefault(block, set()).add(_host_text(host))
    for block, name, keys in sorted(_tokens_elsewhere(plan, today)):
        known = ", ".join(sorted(today[block]))
        yield Notice(
            code="token-elsewhere",
            key=keys[0],
            message=f"Workers would give the token of the block {block} to {name}, and today it goes to {known} only "
            f"({', '.join(keys)}); apply this only if {name} is yours to trust.",
        )


def _tokens_elsewhere(plan: Plan, today: Mapping[str, Collection[str]]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    found: dict[tuple[str, str], list[str]] = {}
    for change in plan.changes:
        if isinstance(change.desired, Deployment):
            for host, block in tokens_given(change.desired.pull_steps):
                if block in today and _host_text(host) not in today[block]:
                    found.setdefault((block, _host_text(host)), []).append(str(change.key))
    yield from ((block, name, tuple(sorted(keys))) for (block, name), keys in found.items())


def _host_text(host: tuple[str, str]) -> str:
    name, port = host
    return name if port == "443" else f"{name}:{port}"


def pause_warnings(pauses: Mapping[str, Mapping[str, Any]], today: date) -> Iterator[Notice]:
    """A warning for each pause whose last day is past: nothing resumes by itself."""
    for name, said in pauses.items():
        until = read_day(said.get("until"))
        if until is not None and until <= today:
            reason = f" ({said['reason']})" if said.get("reason") else ""
            yield Notice(
                code="paused-until",
                key=name,
                message=f"{name} was to be paused until {until}{reason}, and its `paused` still stands in the "
                "files; delete it to have it resume, or set another day.",
            )


SOON: Final = timedelta(days=30)
"""How long before the end of a secret plans speak of it."""


def expiry_warnings(secrets: Iterable[Secret], today: date) -> Iterator[Notice]:
    """A warning for each secret that ends soon, or has ended."""
    for secret in sorted(secrets, key=lambda one: one.block):
        end = read_day(secret.expires)
        if end is None or end - today > SOON:
            continue
        left = (end - today).days
        when = f"expired on {end}" if left < 0 else f"expires on {end}, {_days(left)}"
        yield Notice(
            code="secret-expired" if left < 0 else "secret-expires",
            key=str(secret.key),
            message=f"The secret {secret.name} {when}; renew it with `secret set {secret.name}`, then write its day.",
        )


def _days(left: int) -> str:
    return {0: "today", 1: "tomorrow"}.get(left, f"in {left} days")


def with_next_runs(plan: Plan, observed: Mapping[str, Deployment], now: datetime) -> Plan:
    """The plan with what each orphan will still run."""
    return replace(plan, orphans=tuple(_with_next_run(orphan, observed, now) for orphan in plan.orphans))


def _with_next_run(orphan: Orphan, observed: Mapping[str, Deployment], now: datetime) -> Orphan:
    if orphan.key.kind is not Kind.DEPLOYMENT:
        return orphan
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

"""Plans, outcomes and problems as lines for people. Styles are names; `terminal` knows what they look like."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from reconcile.model import Deployment, Kind, Schedule, Secret
from reconcile.plan import Action, Change, FieldChange, Notice, Orphan, Outcome, Plan, Reason, Status
from reconcile.problem import Problem, Severity
from reconcile.render.escape import safe
from reconcile.schedule import briefly, explain_schedule
from reconcile.secrets import mask_text

WIDEST = 160
"""Characters of a value that are shown; the JSON has it whole."""


class Line(NamedTuple):
    """One line and the name of its style."""

    text: str
    style: str = ""


Lines = Iterator[Line]

_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.ADOPT: "»", Action.REPLACE: "±", Action.DELETE: "-"}
_REASONS = {
    Reason.FILES: "the files changed",
    Reason.DRIFT: "changed on the server",
    Reason.BOTH: "changed here and on the server",
    Reason.SOURCE: "the flow's source changed",
    Reason.UNKNOWN: "differs",
}


def problem_lines(problems: Sequence[Problem]) -> Lines:
    """A block for each problem, and how many there are."""
    for problem in problems:
        style = "error" if problem.severity is Severity.ERROR else "warning"
        yield Line(f"{safe(str(problem.location))}: {problem.severity} [{problem.code}] {safe(problem.message)}", style)
        if problem.hint:
            yield Line(f"    {safe(problem.hint)}", "dim")
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    yield Line(
        f"{_count(errors, 'error')}, {_count(len(problems) - errors, 'warning')}.", "error" if errors else "good"
    )


def plan_lines(plan: Plan) -> Lines:
    """The whole plan: what changes, grouped by area and environment, then what is left as it is."""
    yield Line(f"Plan for {safe(plan.target)}", "title")
    group: tuple[str, ...] | None = None
    for change in sorted(plan.changes, key=_group_order):
        if _group(change) != group:
            group = _group(change)
            yield Line("")
            yield Line(safe(" / ".join(group)), "title")
        yield from _change_lines(change)
    yield from _section("Left as the operator set it:", (_hold_text(plan, index) for index in range(len(plan.holds))))
    yield from _section(
        "No longer declared, left on the server:",
        map(_orphan_text, plan.orphans),
    )
    yield from _orphans_total(plan)
    yield from _section("Not managed from here, never touched:", (safe(str(key)) for key in plan.foreign))
    yield from _notices("Warnings:", plan.warnings, "warning")
    yield from refusal_lines(plan.refusals)
    yield Line("")
    if plan.refusals:
        yield Line(f"{_count(len(plan.refusals), 'refusal')}: nothing is written.", "error")
    else:
        yield Line(total_text(plan), "title")


def refusal_lines(refusals: Sequence[Notice]) -> Lines:
    """Why nothing is written."""
    yield from _notices("Refused, so nothing is written:", refusals, "error")


def total_text(plan: Plan) -> str:
    """The plan in one sentence."""
    words = {
        Action.CREATE: "to create",
        Action.UPDATE: "to update",
        Action.ADOPT: "to adopt",
        Action.REPLACE: "to replace",
        Action.DELETE: "to delete",
    }
    counted = [
        f"{number} {words[action]}"
        for action in Action
        if (number := sum(change.action is action for change in plan.changes))
    ]
    return f"{', '.join(counted) or 'Nothing to do'}; {plan.unchanged} unchanged."


def outcome_line(outcome: Outcome) -> Line:
    """How one change ended."""
    text = f"{outcome.status}  {outcome.action} {outcome.key.kind} {safe(str(outcome.key))}"
    if outcome.error:
        return Line(f"{text}: {safe(outcome.error)}", "error" if outcome.status is Status.FAILED else "warning")
    return Line(f"{text}  ({outcome.seconds:.1f} s)", "good")


def outcome_total(outcomes: Sequence[Outcome]) -> Line:
    """How all of them ended."""
    counted = [f"{number} {status}" for status in Status if (number := sum(one.status is status for one in outcomes))]
    bad = any(outcome.status is not Status.DONE for outcome in outcomes)
    return Line(f"Applied: {', '.join(counted)}.", "error" if bad else "good")


def value_text(value: Any) -> str:
    """A value in the form of JSON, on one line, cut where it is long."""
    text = safe(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _group(change: Change) -> tuple[str, ...]:
    return tuple(part for part in change.place if part is not None) or (_GROUPS[change.key.kind],)


_GROUPS = {kind: f"{str(kind).replace('-', ' ')}s" for kind in Kind}


def _group_order(change: Change) -> tuple[int, tuple[str, ...], str]:
    return list(Kind).index(change.key.kind), _group(change), change.key.name


def _change_lines(change: Change) -> Lines:
    place = (
        f"  {safe(str(change.declaration.location.file))}:{change.declaration.location.line}"
        if change.declaration
        else ""
    )
    reason = f"  {_REASONS[change.reason]}" if change.reason else ""
    style = {Action.CREATE: "good", Action.DELETE: "error"}.get(change.action, "change")
    yield Line(f"  {_SIGNS[change.action]} {_told(change)}{place}{reason}", style)
    if change.action is Action.CREATE:
        yield from _created_lines(change)
        return
    if change.action is Action.DELETE:
        why = "replaced by another" if change.declaration else "no longer declared"
        yield Line(f"      {why}", "dim")
    if change.action is Action.REPLACE and change.observed:
        yield Line(f"      in place of {safe(str(change.observed.key))}, which is deleted last", "dim")
    width = min(max((len(safe(field.path)) for field in change.fields), default=0), 44)
    for field in change.fields:
        yield Line(f"      {safe(field.path):<{width}}  {_change_text(field)}")
        yield from _explained(change, field)


def _told(change: Change) -> str:
    """What changes. Beside deployments, or in the place of one, a bare name does not say what it is of."""
    name = safe(str(change.key))
    is_clear = change.key.kind is Kind.DEPLOYMENT or _group(change) == (_GROUPS[change.key.kind],)
    return name if is_clear else f"{change.key.kind} {name}"


def _created_lines(change: Change) -> Lines:
    if change.key.kind in {Kind.VARIABLE, Kind.CONCURRENCY_LIMIT}:
        for field in change.fields:
            yield Line(f"      {safe(field.path)}: {value_text(field.after)}", "dim")
    if isinstance(change.desired, Secret):
        yield Line(f"      its value is taken from {safe(change.desired.from_env or '')}", "dim")
    if isinstance(change.desired, Deployment):
        for schedule in change.desired.schedules:
            yield Line(f"      {safe(schedule.slug or '')}: {safe(explain_schedule(schedule))}", "dim")
        if change.desired.paused:
            yield Line("      paused", "dim")


def _explained(change: Change, field: FieldChange) -> Lines:
    """A schedule's new timing in words, below the field that changes it."""
    if field.field == "schedules" and isinstance(change.desired, Deployment):
        for schedule in change.desired.schedules:
            if _is_timing(field, schedule):
                yield Line(f"        {safe(explain_schedule(schedule))}", "dim")


def _is_timing(field: FieldChange, schedule: Schedule) -> bool:
    prefix = f"schedules.{schedule.slug}"
    timing = {
        prefix,
        *(f"{prefix}.{name}" for name in ("cron", "interval", "rrule", "timezone", "day_or", "anchor_date")),
    }
    return field.path in timing


def _change_text(field: FieldChange) -> str:
    if (field.field, field.path, field.after) == ("paused", "paused", False):
        return "resumes: true → false"
    if field.path.startswith("schedules.") and (field.before, field.after) == (False, True):
        return "resumes: false → true"
    before, after = briefly(field.path, field.before, field.after)
    if before is None:
        return f"set to {value_text(after)}"
    if after is None:
        return f"{value_text(before)} removed"
    return f"{value_text(before)} → {value_text(after)}"


def _hold_text(plan: Plan, index: int) -> str:
    hold = plan.holds[index]
    return hold_text(str(hold.key), hold.field, hold.value, hold.since, by=hold.by, reason=hold.reason)


def hold_text(
    key: str, field: str, value: Any, since: str | None, *, by: str | None = None, reason: str | None = None
) -> str:
    """What an operator decided, and since when that has stood; who and why, where that is known."""
    told = f"  (since {_minute(since)} or earlier)" if since else ""
    if by is not None:
        told = f"  (by {safe(by)} since {_minute(since or '')}: {safe(mask_text(reason or ''))})"
    return f"{safe(key)}  {safe(field)} = {value_text(value)}{told}"


def _minute(moment: str) -> str:
    """A moment of the server's to the minute, in the time of here."""
    try:
        return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):
        return safe(moment)


def _orphans_total(plan: Plan) -> Lines:
    """How many of the orphans go on, and when the first of them runs."""
    coming = sorted(datetime.fromisoformat(orphan.next_run) for orphan in plan.orphans if orphan.next_run)
    if coming:
        number = len(coming)
        still = f"{_count(number, 'orphan')} still run{'s' if number == 1 else ''}, next {coming[0]:%H:%M}"
        yield Line(f"  {still} ({coming[0]:%Y-%m-%d, %Z}); --prune deletes what is not declared", "warning")


def _orphan_text(orphan: Orphan) -> str:
    if orphan.key.kind is not Kind.DEPLOYMENT:
        return f"{orphan.key.kind} {safe(str(orphan.key))}"
    return f"{safe(str(orphan.key))}  ({_coming(orphan.next_run)})"


def _coming(next_run: str | None) -> str:
    return f"still runs, next {safe(next_run)}" if next_run else "has no run coming"


def _section(title: str, rows: Iterable[str]) -> Lines:
    rows = list(rows)
    if rows:
        yield Line("")
        yield Line(title, "title")
        for row in rows[:20]:
            yield Line(f"  {row}")
        if len(rows) > 20:
            yield Line(f"  and {len(rows) - 20} more")


def _notices(title: str, notices: Sequence[Notice], style: str) -> Lines:
    if notices:
        yield Line("")
        yield Line(title, "title")
        for notice in notices:
            yield Line(f"  [{notice.code}] {safe(notice.message)}", style)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

"""The schedules of a deployment, and the named ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconcile.desired.calendars import left_out, meaning_of
from reconcile.desired.draft import Draft
from reconcile.layers import Entry, scopes
from reconcile.model import (
    Schedule,
)
from reconcile.problem import Fault, Location, Problem
from reconcile.resolve import nearest
from reconcile.schedule import check_zone, read_spec
from reconcile.schedule.zones import ARGENTINA

TIMINGS = frozenset({"cron", "interval", "rrule"})


def schedules_of(draft: Draft, entry: Entry) -> Iterator[Schedule]:
    """The schedules that an entry declares."""
    for slug, said in (entry.fields.get("schedules") or {}).items():
        if not TIMINGS & said.keys():
            if not _is_named_at_fault(entry, slug, said):
                draft.problems.append(entry.problem(_no_timing(entry, slug, said)))
            continue
        timing, faults = read_spec(said, entry.scope.default_timezone, draft.evidence.now)
        compiled, calendar_fault = left_out(draft, entry.scope, said, timing)
        for fault in (*faults, *((calendar_fault,) if calendar_fault else ())):
            if entry.at_fault("schedules", slug, _LACKS.get(fault.code, "timezone")) and not fault.at:
                continue
            place = entry.locate(("schedules", slug, *fault.at), key=fault.on_key)
            if not fault.at:
                place = _key_of_timing(entry, slug)
            draft.problems += _schedule_problem(draft, fault, place)
        if timing is not None and compiled is not None:
            yield Schedule(
                slug=slug,
                timing=compiled,
                parameters=dict(said.get("parameters") or {}),
                active=said.get("active"),
                meaning=meaning_of(said, timing),
            )


_LACKS: Mapping[str, str] = {"interval-anchor": "anchor_date", "rrule-start": "start"}
"""The key that is missing, by the code of the fault that says so."""


def _is_named_at_fault(entry: Entry, slug: str, said: Mapping[str, Any]) -> bool:
    """Whether the timing is missing because of a fault that is told where it is."""
    name = str(said.get("use", slug))
    named = name in entry.scope.schedules or entry.scope.at_fault("schedules", name)
    return named or entry.at_fault("schedules", slug)


def _key_of_timing(entry: Entry, slug: str) -> Location:
    """The key of the schedule that has the timing, be it the entry's own or a shared one."""
    origins = entry.origins()
    for kind in TIMINGS:
        if ("schedules", slug, kind) in origins:
            origin = origins["schedules", slug, kind]
            return origin.document.locate(origin.at[:-1], key=True)
    return entry.locate(("schedules", slug), key=True)


def _schedule_problem(draft: Draft, fault: Fault, place: Location) -> Iterator[Problem]:
    if fault.at or not fault.code.startswith("timezone-"):
        yield fault.located(place)
    elif "default_timezone" in draft.repository.environments.data:
        yield _of_default_zone(draft, fault)
    elif not draft.repository.environments.at_fault(("default_timezone",)):
        yield Problem(
            location=place,
            code="timezone-missing",
            message="This schedule has no time zone: it names none, and environments.yaml has no default_timezone.",
            hint=f"Write `default_timezone: {ARGENTINA}`, say, in deployments/environments.yaml.",
        )


def _of_default_zone(draft: Draft, fault: Fault) -> Problem:
    hint = fault.hint
    if fault.code == "timezone-utc":
        hint = f"Use a zone like {ARGENTINA}; a schedule that means UTC says `timezone: UTC` and `allow_utc: true`."
    return replace(fault, hint=hint).located(draft.repository.environments.locate(("default_timezone",)))


def default_zone(draft: Draft) -> Iterator[Problem]:
    """What is wrong with the repository's own time zone."""
    zone = draft.repository.environments.data.get("default_timezone")
    fault = check_zone(zone, allow_utc=True) if zone is not None else None
    if fault is not None:
        yield _of_default_zone(draft, fault)


def named_schedules(draft: Draft) -> Iterator[Problem]:
    """What is wrong with the shared schedules, whether a deployment uses them or not."""
    found = {
        (layer.document.file, layer.at): (layer, scope)
        for scope in scopes(draft.repository)
        for layer in scope.schedules.values()
    }
    for layer, scope in found.values():
        if TIMINGS & layer.data.keys():
            timing, faults = read_spec(layer.data, scope.default_timezone, draft.evidence.now)
            _, calendar_fault = left_out(draft, scope, layer.data, timing)
            for fault in (*faults, *((calendar_fault,) if calendar_fault else ())):
                if layer.at_fault(_LACKS.get(fault.code, "timezone")) and not fault.at:
                    continue
                place = layer.document.locate((*layer.at, *fault.at), key=fault.on_key or not fault.at)
                yield from _schedule_problem(draft, fault, place)
        elif not layer.at_fault():
            yield Problem(
                location=layer.document.locate(layer.at, key=True),
                code="schedule-timing",
                message=f"The shared schedule {layer.at[-1]!r} does not say when it runs.",
                hint='Give it a cron, an interval or an rrule: {cron: "30 8 * * 1-5"}, say.',
            )


def _no_timing(entry: Entry, slug: str, said: Mapping[str, Any]) -> Fault:
    name = said.get("use", slug)
    used = "use" in said
    return Fault(
        code="schedule-undeclared",
        message=f"No shared schedule is called {name!r}, and this one has no cron, interval or rrule of its own.",
        hint=nearest(str(name), entry.scope.schedules),
        at=("schedules", slug, "use") if used else ("schedules", slug),
        on_key=not used,
    )

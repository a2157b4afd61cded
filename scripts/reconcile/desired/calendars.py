"""The calendars whose days schedules leave out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

from reconcile.desired.draft import Draft
from reconcile.layers import Layer, Scope
from reconcile.model import Timing
from reconcile.problem import Fault, Problem, Severity
from reconcile.resolve import nearest
from reconcile.schedule import explain, read_day, without_days, zone_info

NOTICE: Final = timedelta(days=60)
"""How long before its last day a calendar is said to come to its end."""

_YEARS: Final = range(2000, 2200)
_AT: Final = ("except",)


def left_out(
    draft: Draft, scope: Scope, said: Mapping[str, Any], timing: Timing | None
) -> tuple[Timing | None, Fault | None]:
    """The timing without the days of its calendar, if it has one; or what is wrong with that."""
    name = said.get("except")
    if name is None:
        return timing, None
    calendar = scope.calendars.get(str(name))
    if calendar is None:
        at_fault = scope.at_fault("calendars", str(name))
        return None, None if at_fault else _undeclared(str(name), scope)
    draft.calendars[calendar.document.file, calendar.at] = calendar
    days = _days(calendar)
    if timing is None or not days:
        return None, None
    found = without_days(timing, days, _year(draft, timing, days))
    return (None, found) if isinstance(found, Fault) else (found, None)


def meaning_of(said: Mapping[str, Any], timing: Timing) -> str | None:
    """A timing in words, where it leaves out the days of a calendar."""
    return None if said.get("except") is None else f"{explain(timing)}, except {said['except']}"


def _undeclared(name: str, scope: Scope) -> Fault:
    hint = nearest(name, scope.calendars)
    return Fault(code="calendar-undeclared", message=f"no calendar is called {name!r}", hint=hint, at=_AT)


def _year(draft: Draft, timing: Timing, days: tuple[date, ...]) -> int:
    """The year that the rule begins with: this one, in the schedule's time zone."""
    if draft.evidence.now is None:
        return days[0].year
    return draft.evidence.now.astimezone(zone_info(timing.timezone)).year


def _days(calendar: Layer) -> tuple[date, ...]:
    """Its days in order, each once, without those that are none."""
    found = (_read(text) for text in calendar.data.get("dates") or ())
    return tuple(sorted({day for day in found if day is not None}))


def _read(text: object) -> date | None:
    day = read_day(text)
    return day if day is not None and day.year in _YEARS else None


def calendar_problems(draft: Draft) -> Iterator[Problem]:
    """What is wrong with the calendars; call it once every schedule has been looked at."""
    for calendar in _declared(draft):
        yield from _odd_days(calendar)
        key = calendar.document.file, calendar.at
        if key not in draft.calendars:
            yield _warning(
                calendar,
                "calendar-unused",
                f"No schedule leaves out the days of the calendar {calendar.at[-1]!r}.",
                f"Write `except: {calendar.at[-1]}` in a schedule, or delete the calendar.",
            )
        else:
            yield from _ending(draft, calendar)


def _declared(draft: Draft) -> Iterator[Layer]:
    files = (draft.repository.shared, *(area.shared for _, area in sorted(draft.repository.areas.items())))
    for document in files:
        for name, data in ((document.data.get("calendars") or {}) if document is not None else {}).items():
            if document is not None and isinstance(data, dict):
                yield Layer(document=document, at=("calendars", name), data=data)


def _odd_days(calendar: Layer) -> Iterator[Problem]:
    for index, text in enumerate(calendar.data.get("dates") or ()):
        if _read(text) is None and not calendar.at_fault("dates", index):
            yield Problem(
                location=calendar.document.locate((*calendar.at, "dates", index)),
                code="calendar-date",
                message=f"Expected a day between the years {_YEARS[0]} and {_YEARS[-1]}, got {str(text)[:40]!r}.",
                hint='Write it as "2026-12-25": year, month, day.',
            )


def _ending(draft: Draft, calendar: Layer) -> Iterator[Problem]:
    days, now = _days(calendar), draft.evidence.now
    if not days or now is None or calendar.at_fault():
        return
    zone = zone_info(str(draft.repository.environments.data.get("default_timezone")))
    left = days[-1] - now.astimezone(zone).date()
    if left > NOTICE:
        return
    name, last = calendar.at[-1], days[-1].isoformat()
    when = f"ended on {last}" if left.days < 0 else f"ends on {last}, in {left.days} day{'s' * (left.days != 1)}"
    yield _warning(
        calendar,
        "calendar-ending",
        f"The calendar {name!r} {when}; after that, what leaves out its days runs on every holiday.",
        "Add the days of the coming year to its `dates`.",
    )


def _warning(calendar: Layer, code: str, message: str, hint: str) -> Problem:
    location = calendar.document.locate(calendar.at, key=True)
    return Problem(location=location, code=code, message=message, hint=hint, severity=Severity.WARNING)

"""A timing without the days of a calendar: as a rule with dates left out, since that is what Prefect's server takes.

A cron is written as the rule that has the same times. The rule begins with the year, and leaves out the days of the
calendar from then on: what it says changes once a year, and else only with the files.

The days are left out one run after the other (EXDATE). Where that is more than Prefect takes, the runs of a cron are
left out by the days of each year (EXRULE): they are at the same times on each of its days.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby, takewhile
from typing import Any, Final

from reconcile.model import Cron, Interval, RRule, Timing
from reconcile.problem import Fault
from reconcile.schedule.cron import HOUR, MINUTE, MONTH, Field, cron_clock, expanded
from reconcile.schedule.rrule import LIMIT, STAMP, rule_clock

_EXCEPT: Final = ("except",)
_BYDAY: Final = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
_FIVE: Final = 5


@lru_cache(maxsize=1024)
def without_days(timing: Timing, days: tuple[date, ...], year: int) -> RRule | Fault:
    """The timing without its runs on those days, counted from the beginning of that year; or why it cannot be said."""
    coming = tuple(sorted({day for day in days if day.year >= year}))
    match timing:
        case Interval():
            hint = "write it as a `cron`, or as an `rrule` such as FREQ=HOURLY;INTERVAL=4 with its `start`"
            return _fault("`except` beside a `cron` or an `rrule`, of which Prefect can leave out days", hint)
        case RRule():
            return _without_runs(timing, coming)
        case Cron():
            return _cron_without(timing, coming, year)


def _fault(expected: str, hint: str) -> Fault:
    return Fault(code="except-impossible", message=f"expected {expected}", hint=hint, at=_EXCEPT)


def _without_runs(timing: RRule, days: Sequence[date]) -> RRule | Fault:
    found = f"{timing.rrule}{_exdate(_runs_of_rule(timing.rrule, days))}"
    if len(found) > LIMIT:
        return _too_long(len(found), "leave the past days out of the calendar, or say it as a `cron`")
    return RRule(rrule=found, timezone=timing.timezone)


def _too_long(length: int, hint: str) -> Fault:
    return _fault(f"at most {LIMIT:,} characters of rule and days left out, got {length:,}", hint)


def _cron_without(timing: Cron, days: Sequence[date], year: int) -> RRule | Fault:
    rules = cron_rules(timing)
    if isinstance(rules, Fault):
        return rules
    fired = [day for day in days if _fires(timing, day)]
    runs = [_midnight(day) + since for day in fired for since in _clock_times(timing.cron)]
    found = f"{_begun(rules, year)}{_exdate(runs)}"
    if len(found) > LIMIT:
        # A year back: so each year of the calendar is a different number of years away, and found by INTERVAL.
        found = "\n".join([_begun(rules, year - 1), *_exrules(timing.cron, fired, year - 1)])
    if len(found) > LIMIT:
        return _too_long(len(found), "leave the past days out of the calendar, or make two schedules of this one")
    return RRule(rrule=found, timezone=timing.timezone)


def _begun(rules: Iterable[str], year: int) -> str:
    return "\n".join([f"DTSTART:{year:04}0101T000000", *(f"RRULE:{rule}" for rule in rules)])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def _fires(timing: Cron, day: date) -> bool:
    first = next(cron_clock(timing.cron, timing.day_or, _midnight(day)), None)
    return first is not None and first.date() == day


def _clock_times(cron: str) -> list[timedelta]:
    """The times of each day on which a cron fires: they are the same on all of them."""
    (minutes, hours, *_), _ = _values(cron)
    return [timedelta(hours=h, minutes=m) for h in _numbers(HOUR, hours) for m in _numbers(MINUTE, minutes)]


def _runs_of_rule(rule: str, days: Sequence[date]) -> Iterator[datetime]:
    """The rule's runs on those days: it is counted out once, for all of them."""
    if not days:
        return
    wanted, end = frozenset(days), _midnight(days[-1]) + timedelta(days=1)
    for moment in takewhile(lambda moment: moment < end, rule_clock(rule, _midnight(days[0]))):
        if moment.date() in wanted:
            yield moment


def _exdate(runs: Iterable[datetime]) -> str:
    stamps = ",".join(f"{run:{STAMP}}" for run in runs)
    return f"\nEXDATE:{stamps}" if stamps else ""


def _exrules(cron: str, days: Iterable[date], first: int) -> Iterator[str]:
    """A rule for the days of each year; counted from another year, the interval leads to no other before it ends."""
    grid = _times(_values(cron))
    for year, of_year in groupby(days, key=lambda day: day.year):
        numbers = ",".join(str(day.timetuple().tm_yday) for day in of_year)
        yield f"EXRULE:FREQ=YEARLY;INTERVAL={year - first};UNTIL={year}1231T235959;BYYEARDAY={numbers};{grid}"


# ─── cron -> rules ───────────────────────────────────────────────────────────────────────────────────────────────

_Values = tuple[list[list[Any]], Mapping[Any, set[Any]]]


def _values(cron: str) -> _Values:
    found = expanded(cron)
    assert found is not None
    return found


def cron_rules(timing: Cron) -> tuple[str, ...] | Fault:
    """The rules that together have the times of a cron: one, or two where either day counts."""
    found = expanded(timing.cron)
    if found is None or len(found[0]) != _FIVE:
        return _fault(f"`except` beside a cron of five fields, got `{timing.cron}`", "leave seconds and years out")
    (_, _, days, months, week), nth = found
    month_days, weekdays = _month_days(days), _weekdays(week, nth)
    rest = [*_by("BYMONTH", _numbers(MONTH, months)), _times(found)]
    both = bool(month_days and weekdays)
    if both and timing.day_or and nth:
        hint = "put * in the day of month, or add `day_or: false` for days that fit both"
        return _fault(f"`except` beside an n-th weekday alone, got `{timing.cron}`", hint)
    freq = "FREQ=MONTHLY" if nth or month_days else "FREQ=DAILY"
    if both and timing.day_or:
        return (";".join(["FREQ=MONTHLY", *month_days, *rest]), ";".join(["FREQ=DAILY", *weekdays, *rest]))
    return (";".join([freq, *month_days, *weekdays, *rest]),)


def _month_days(days: Sequence[Any]) -> list[str]:
    if days[0] == "*":
        return []
    return _by("BYMONTHDAY", [*sorted(day for day in days if day != "l"), *([-1] if "l" in days else [])])


def _weekdays(week: Sequence[Any], nth: Mapping[Any, set[Any]]) -> list[str]:
    if week[0] == "*":
        return []
    return _by("BYDAY", [name for day in sorted({day % 7 for day in week}) for name in _named(day, nth)])


def _named(day: int, nth: Mapping[Any, set[Any]]) -> list[str]:
    """`1` is MO, `1#2` is 2MO, `L5` is -1FR."""
    numbers = sorted(-1 if number == "l" else number for number in nth.get(day, ()))
    return [f"{number}{_BYDAY[day]}" for number in numbers] or [_BYDAY[day]]


def _times(found: _Values) -> str:
    (minutes, hours, *_), _ = found
    return ";".join([*_by("BYHOUR", _numbers(HOUR, hours)), *_by("BYMINUTE", _numbers(MINUTE, minutes))])


def _numbers(part: Field, values: Sequence[Any]) -> list[int]:
    """The values of a field, all of them where it is a star; months that are all are not said."""
    if values[0] != "*":
        return sorted(values)
    return [] if part is MONTH else list(range(part.first, part.last + 1))


def _by(name: str, values: Iterable[int | str]) -> list[str]:
    text = ",".join(map(str, values))
    return [f"{name}={text}"] if text else []

"""A timing in English words; its own text where words would not be exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from reconcile.model import Cron, Interval, RRule, Schedule, Timing
from reconcile.schedule.cron import HOUR, MINUTE, MONTH, Field, expanded
from reconcile.schedule.rrule import STAMP, rule_parts

_WEEK: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_JANUARY_TO_JUNE: Final = ("January", "February", "March", "April", "May", "June")
_YEAR: Final = (*_JANUARY_TO_JUNE, "July", "August", "September", "October", "November", "December")
_ORDINALS: Final = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last", -2: "second to last"}
_MANY: Final = 6
"""How many times of a day are still named one by one."""


def explain(timing: Timing, *, home: str | None = None) -> str:
    """When it runs, and by the clock of which zone, unless that is `home`."""
    where = "" if timing.timezone == home else f", {_place(timing.timezone)}"
    return _said(timing) + where


def explain_schedule(schedule: Schedule) -> str:
    """When a schedule runs, in the words of the files where they say more than its timing."""
    return schedule.meaning or explain(schedule.timing)


def _said(timing: Timing) -> str:
    match timing:
        case Cron():
            return _cron_words(timing) or f"cron `{timing.cron}`"
        case Interval():
            return f"every {_span(timing.seconds)}, counted from {_minute(timing.anchor)}"
        case RRule():
            return _rule_words(timing.rrule) or f"rrule `{' '.join(timing.rrule.split())}`"


def _place(zone: str) -> str:
    return "UTC" if zone == "UTC" else f"{zone.rsplit('/', 1)[-1].replace('_', ' ')} time"


def _minute(anchor: str) -> str:
    return anchor[:19].replace("T", " ").removesuffix(":00") if len(anchor) > 18 else anchor


def _span(seconds: float) -> str:
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            return name if seconds == size else f"{seconds / size:.0f} {name}s"
    return "second" if seconds == 1 else f"{seconds:.6f}".rstrip("0").rstrip(".") + " seconds"


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _some(name: str, numbers: Sequence[int]) -> str:
    """`day 1`, `days 1 and 15`, `days 1 to 7`."""
    if len(numbers) > 2 and _gap(numbers) == 1:
        return f"{name}s {numbers[0]} to {numbers[-1]}"
    return f"{name}{'s' * (len(numbers) > 1)} {_listed([str(number) for number in numbers])}"


def _gap(values: Sequence[int]) -> int | None:
    """The distance between neighbours, where all have the same."""
    gaps = {later - earlier for earlier, later in pairwise(values)}
    return gaps.pop() if len(gaps) == 1 else None


# ─── the times of a day ──────────────────────────────────────────────────────────────────────────────────────────


def _times_words(minutes: Sequence[int], hours: Sequence[int]) -> str | None:
    if len(minutes) * len(hours) <= _MANY:
        return f"at {_listed([f'{hour:02}:{minute:02}' for hour in hours for minute in minutes])}"
    rhythm, gap = _rhythm(minutes), _gap(hours)
    if len(hours) == 24:
        return _hourly_words(minutes, rhythm)
    first, last = f"{hours[0]:02}:{minutes[0]:02}", f"{hours[-1]:02}:{minutes[-1]:02}"
    if gap and len(minutes) == 1:
        return f"every {_span(gap * 3600)} from {first} to {last}"
    if gap == 1 and rhythm:
        return f"every {_span(rhythm * 60)} from {first} to {last}"
    if len(minutes) <= _MANY and len(hours) <= _MANY:
        return f"at {_some('minute', minutes)} of hour{'s' * (len(hours) > 1)} {_listed([str(hour) for hour in hours])}"
    return None


def _hourly_words(minutes: Sequence[int], rhythm: int | None) -> str | None:
    if rhythm and minutes[0] == 0:
        return f"every {_span(rhythm * 60)}"
    if list(minutes) == [0]:
        return "every hour"
    return f"at {_some('minute', minutes)} of every hour" if len(minutes) <= 2 * _MANY else None


def _rhythm(minutes: Sequence[int]) -> int | None:
    """The step of minutes that go evenly through the hours."""
    gap = _gap(minutes)
    return gap if gap and gap * len(minutes) == 60 else None


# ─── days and months ─────────────────────────────────────────────────────────────────────────────────────────────


def _month_days(days: Iterable[int | str]) -> str:
    numbers = sorted(day for day in days if isinstance(day, int))
    return _listed([_some("day", numbers)] * bool(numbers) + ["the last day"] * ("l" in days))


def _weekdays(days: Sequence[int]) -> str:
    """Days counted from Monday: a run of three or more as such."""
    if len(days) > 2 and _gap(days) == 1:
        return f"{_WEEK[days[0]]} to {_WEEK[days[-1]]}"
    return f"on {_plural(days)}"


def _plural(days: Iterable[int]) -> str:
    return _listed([f"{_WEEK[day]}s" for day in days])


def _attached(weekdays: str) -> str:
    return f" {weekdays}" if weekdays.startswith("on ") else f", {weekdays}"


def _months_words(months: Sequence[int]) -> str:
    if len(months) == 12:
        return ""
    if len(months) > 2 and _gap(months) == 1:
        return f" from {_YEAR[months[0] - 1]} to {_YEAR[months[-1] - 1]}"
    return f" in {_listed([_YEAR[month - 1] for month in months])}"


# ─── cron ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cron_words(timing: Cron) -> str | None:
    found = expanded(timing.cron)
    if found is None or len(found[0]) != 5:
        return None
    (minutes, hours, days, months, week), nth = found
    times = _times_words(_values(MINUTE, minutes), _values(HOUR, hours))
    which = _days_words(days, week, nth, timing.day_or)
    if times is None or which is None:
        return None
    daily = " every day" if ":" in times and times.startswith("at ") and not which else ""
    return times + (which or daily) + _months_words(_values(MONTH, months))


def _values(part: Field, values: Sequence[Any]) -> list[int]:
    everything = range(part.first, part.last + 1)
    return list(everything) if "*" in values else [value for value in everything if value in values]


def _days_words(days: Sequence[Any], week: Sequence[Any], nth: Mapping[Any, set[Any]], day_or: bool) -> str | None:
    any_day, any_weekday = "*" in days, "*" in week
    if nth and set(week) != set(nth):
        return None
    month = f"on {_month_days(days)} of the month"
    if any_weekday:
        return "" if any_day else f" {month}"
    from_monday = sorted({(day - 1) % 7 for day in week})
    if any_day:
        return _attached(_nth_words(nth) if nth else _weekdays(from_monday))
    if nth:
        return None
    return f" {month} and {_weekdays(from_monday)}" if day_or else f" on {_plural(from_monday)} that fall {month}"


def _nth_words(nth: Mapping[Any, set[Any]]) -> str:
    pairs = sorted((-1 if n == "l" else n, (day - 1) % 7) for day, ns in nth.items() for n in ns)
    return f"on {_listed([f'the {_ORDINALS[n]} {_WEEK[day]}' for n, day in pairs])} of the month"


# ─── rrule ───────────────────────────────────────────────────────────────────────────────────────────────────────

_BYDAY: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_SETS: Final = {(0, 1, 2, 3, 4): "weekday", (0, 1, 2, 3, 4, 5, 6): "day", (5, 6): "weekend day"}
_BY_DAY: Final = frozenset({"BYDAY", "BYMONTHDAY", "BYSETPOS"})
_EXPLAINED: Final = _BY_DAY | {"FREQ", "INTERVAL", "BYHOUR", "BYMINUTE", "BYMONTH", "COUNT", "UNTIL", "WKST"}


def _rule_words(text: str) -> str | None:
    """The usual rules: one RRULE of days, weeks, months or years, perhaps with dates left out."""
    names, values = zip(*(line.partition(":")[::2] for line in text.split("\n")), strict=True)
    if names[:2] != ("DTSTART", "RRULE") or any(not name.startswith("EXDATE") for name in names[2:]):
        return None
    parts = rule_parts(values[1])
    try:
        start = datetime.strptime(values[0], STAMP)  # noqa: DTZ007 a clock time of the schedule's zone
        words = _rule_times(parts, start), _rule_days(parts, start), _rule_months(parts)
        bounds = _rule_bounds(parts, start)
    except (ValueError, LookupError):
        return None
    if start.second or not parts.keys() <= _EXPLAINED or None in words:
        return None
    return "".join(word or "" for word in words) + bounds + ", except on some dates" * (len(names) > 2)


def _numbers(parts: Mapping[str, str], name: str) -> list[int]:
    return sorted({int(number) for number in parts[name].split(",")}) if name in parts else []


def _every(parts: Mapping[str, str]) -> int:
    return int(parts.get("INTERVAL", "1"))


def _rule_times(parts: Mapping[str, str], start: datetime) -> str | None:
    hours, minutes = _numbers(parts, "BYHOUR") or [start.hour], _numbers(parts, "BYMINUTE") or [start.minute]
    if "BYSETPOS" in parts and len(hours) * len(minutes) > 1:
        return None  # it picks among the times too
    return _times_words(minutes, hours)


def _rule_months(parts: Mapping[str, str]) -> str | None:
    if "BYMONTH" not in parts:
        return ""
    plain = parts["FREQ"] in ("DAILY", "WEEKLY", "MONTHLY") and _every(parts) == 1
    return _months_words(_numbers(parts, "BYMONTH")) if plain else None


def _rule_days(parts: Mapping[str, str], start: datetime) -> str | None:
    every, by = _every(parts), parts.keys() & _BY_DAY
    match parts["FREQ"]:
        case "DAILY" if not by:
            return " every day" if every == 1 else f" every {every} days"
        case "DAILY" | "WEEKLY" if by <= {"BYDAY"}:
            return _rule_weekdays(parts, start, every)
        case "MONTHLY":
            days = _rule_month_days(parts, start)
            return days if days is None or every == 1 else f"{days}, every {every} months"
        case "YEARLY" if not by and "BYMONTH" not in parts:
            return f" on {start.day} {_YEAR[start.month - 1]}, every {'year' if every == 1 else f'{every} years'}"
    return None


def _rule_weekdays(parts: Mapping[str, str], start: datetime, every: int) -> str | None:
    days = sorted({_BYDAY.index(day) for day in parts["BYDAY"].split(",")}) if "BYDAY" in parts else [start.weekday()]
    if every == 1:
        return _attached(_weekdays(days))
    if parts["FREQ"] == "WEEKLY" and len(days) == 1:
        return f" on {_plural(days)}, every {every} weeks"
    return None  # with several days it matters on which one a week begins


def _rule_month_days(parts: Mapping[str, str], start: datetime) -> str | None:
    if {"BYDAY", "BYMONTHDAY"} <= parts.keys():
        return None
    if "BYDAY" in parts:
        ordinal, day = _ordinal_day(parts)
        return f" on the {_ORDINALS[ordinal]} {day} of the month"
    days = _numbers(parts, "BYMONTHDAY") or [start.day]
    if "BYSETPOS" in parts or min(days) < -1:
        return None
    return f" on {_month_days(['l' if day == -1 else day for day in days])} of the month"


def _ordinal_day(parts: Mapping[str, str]) -> tuple[int, str]:
    """`BYDAY=-1FR`, or `BYDAY=FR;BYSETPOS=-1`, or a usual set of days with a BYSETPOS; else a ValueError."""
    if "BYSETPOS" not in parts:
        return int(parts["BYDAY"][:-2]), _WEEK[_BYDAY.index(parts["BYDAY"][-2:])]
    days = tuple(sorted({_BYDAY.index(day) for day in parts["BYDAY"].split(",")}))
    return int(parts["BYSETPOS"]), _WEEK[days[0]] if len(days) == 1 else _SETS[days]


def _rule_bounds(parts: Mapping[str, str], start: datetime) -> str:
    count = int(parts.get("COUNT", "0"))
    times = (", once" if count == 1 else f", {count} times") if count else ""
    return f", from {start:%Y-%m-%d}{_until(parts)}{times}"


def _until(parts: Mapping[str, str]) -> str:
    if "UNTIL" not in parts:
        return ""
    dated = "T" in parts["UNTIL"]
    until = datetime.strptime(parts["UNTIL"], STAMP if dated else "%Y%m%d")  # noqa: DTZ007 likewise
    return f" until {until:%Y-%m-%d %H:%M}"

"""Rules of RFC 5545: their text in one form, what is wrong with one, its clock times.

Prefect lays the schedule's zone over every time in a rule, whatever zone it names, so that a rule is in local time.
"""

from __future__ import annotations

import re
from calendar import isleap, weekday
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from reconcile.problem import Fault, Severity
from reconcile.schedule.zones import canonical_zone, shown, zone_info

STAMP: Final = "%Y%m%dT%H%M%S"
DEFAULT_START: Final = "DTSTART:20200101T000000"
"""Where Prefect counts from when a rule has no DTSTART."""

LIMIT: Final = 6500
_BROKEN: Final = (ValueError, TypeError, KeyError, AttributeError, IndexError, AssertionError, OverflowError)
_CLOCKWORK: Final = ("HOURLY", "MINUTELY", "SECONDLY")
_FREQUENCIES: Final = {"YEARLY": 366, "MONTHLY": 31, "WEEKLY": 7, "DAILY": 1} | dict.fromkeys(_CLOCKWORK, 0)
_UTC_TIME: Final = re.compile(r"\b([0-9]{8}T[0-9]{6})Z")
_TZID: Final = re.compile(r";TZID=([^:;\n]*)", re.IGNORECASE)


def rule_lines(text: str) -> list[str]:
    """The properties, DTSTART first: Prefect splits at any space and ignores case, except in the name of a zone."""
    lines = [line if _TZID.search(line) else line.upper() for line in text.split()]
    return sorted((line if ":" in line else f"RRULE:{line}" for line in lines), key=lambda line: not _starts(line))


def _starts(line: str) -> bool:
    return line.upper().startswith("DTSTART")


def localised(lines: Iterable[str]) -> str:
    """The text without `Z` and TZID, which Prefect ignores."""
    return "\n".join(_TZID.sub("", _UTC_TIME.sub(r"\1", line)).upper() for line in lines)


def anchored(lines: Sequence[str]) -> bool:
    """Whether there is a DTSTART."""
    return any(_starts(line) for line in lines)


def rule_parts(value: str) -> dict[str, str]:
    """The parts of an RRULE."""
    return {name: said for name, _, said in (part.partition("=") for part in value.split(";"))}


def _rules(text: str) -> list[dict[str, str]]:
    lines = (line.partition(":") for line in text.split("\n"))
    return [rule_parts(value) for name, _, value in lines if name == "RRULE"]


def rule_fault(message: str, hint: str = "", code: str = "rrule-invalid") -> Fault:
    """A fault of the rule as a whole."""
    return Fault(code=code, message=message, hint=hint, at=("rrule",))


def foreign_times(lines: Iterable[str], zone: str) -> Iterator[Fault]:
    """Times that name another zone than the schedule's: Prefect would take them for the schedule's."""
    for line in lines:
        for stamp in _UTC_TIME.findall(line.upper()):
            hint = f"write {_in_zone(stamp, zone)}, the same moment in {zone}"
            yield rule_fault(f"expected local times: Prefect ignores the Z of {stamp}Z", hint)
        named = _TZID.search(line)
        if named and canonical_zone(named[1]) != zone:
            yield rule_fault(
                f"expected times of {zone}: Prefect ignores TZID={named[1][:60]}", "set `timezone` instead"
            )


def _in_zone(stamp: str, zone: str) -> str:
    try:
        return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).astimezone(zone_info(zone)).strftime(STAMP)
    except (ValueError, OverflowError):
        return "a local time"


@lru_cache(maxsize=1024)
def rule_faults(text: str) -> tuple[Fault, ...]:
    """What is wrong with a rule in its stored form."""
    if len(text) > LIMIT:
        return (rule_fault(f"expected at most {LIMIT:,} characters, got {len(text):,}", "make two schedules of it"),)
    faults = tuple(dict.fromkeys(fault for parts in _rules(text) for fault in _parts_faults(parts)))
    if any(fault.severity is Severity.ERROR for fault in faults):
        return faults
    verdict = _verdict(text)
    return (*faults, verdict) if verdict else faults


def _verdict(text: str) -> Fault | None:
    """What dateutil makes of the rule, as Prefect would hear it; some faults it meets only while it counts."""
    if "EXRULE" in text:
        return rule_fault("expected no EXRULE, which RFC 5545 has withdrawn", "list the dates in an EXDATE")
    try:
        _ruleset(text)
        alive = fires(text)
    except _BROKEN as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        return rule_fault(f"expected a rule of RFC 5545: {said}", "a full one is FREQ=MONTHLY;BYMONTHDAY=-1")
    if alive:
        return None
    return rule_fault("the rule never fires: no date fits it", "change its BY parts", "rrule-never-fires")


def _parts_faults(parts: Mapping[str, str]) -> Iterator[Fault]:
    freq = parts.get("FREQ", "")
    if freq not in _FREQUENCIES:
        yield rule_fault("expected FREQ=YEARLY, MONTHLY, WEEKLY or DAILY in the rule", "write FREQ=DAILY, say")
    for name in ("INTERVAL", "COUNT"):
        if not re.fullmatch(r"0*[1-9][0-9]{0,5}", parts.get(name, "1")):
            yield rule_fault(f"expected {name} to be a number from 1, got {shown(parts[name])}", f"write {name}=1, say")
    if "COUNT" in parts and "UNTIL" in parts:
        yield rule_fault("expected COUNT or UNTIL, got both", "keep one of them")
    if freq in _CLOCKWORK and "BYSETPOS" in parts:
        yield rule_fault(f"expected no BYSETPOS beside FREQ={freq}: it picks among the times of a day, or more", "")
    if freq in ("MINUTELY", "SECONDLY"):
        yield Fault(
            code="rrule-frequent",
            message=f"FREQ={freq}: Prefect's server counts every run since the start, each time that it schedules",
            hint="use an `interval` or a `cron`",
            at=("rrule",),
            severity=Severity.WARNING,
        )


def _ruleset(text: str) -> Any:
    from dateutil.rrule import rrulestr  # paid for only where there is an rrule

    return rrulestr(text)


def fires(text: str) -> bool:
    """Whether there is a run at all. Dates that are left out are not looked at."""
    lines = text.split("\n")
    if any(line.startswith("RDATE") for line in lines):
        return True
    start = next((line for line in lines if _starts(line)), DEFAULT_START)
    rules = [line for line in lines if line.startswith("RRULE")]
    return any(_possible(start, line) and next(iter(_ruleset(f"{start}\n{line}")), None) for line in rules)


def _possible(start: str, line: str) -> bool:
    """Whether a date fits, COUNT and UNTIL aside.

    dateutil searches up to the year 9999, which takes minutes for a rule that nothing fits. So it searches from a
    late year with the same calendar, which leaves 28 years and more: the whole cycle of weekdays and leap years.
    """
    parts = {name: said for name, said in rule_parts(line[6:]).items() if name not in ("COUNT", "UNTIL")}
    if parts["FREQ"] in _CLOCKWORK:
        parts = {name: said for name, said in parts.items() if name.startswith(("BYM", "BYD", "BYW", "BYY", "BYE"))}
        parts = {name: said for name, said in parts.items() if name != "BYMINUTE"} | {"FREQ": "DAILY"}
    first: datetime = _ruleset(f"{start}\nRRULE:FREQ=DAILY;COUNT=1")[0]
    if _FREQUENCIES[parts["FREQ"]] * int(parts.get("INTERVAL", "1")) <= 1461:
        first = first.replace(year=_late_year(first.year))
    rule = ";".join(f"{name}={said}" for name, said in parts.items())
    return next(iter(_ruleset(f"DTSTART:{first:{STAMP}}\nRRULE:{rule}")), None) is not None


def _late_year(year: int) -> int:
    def calendar(of: int) -> tuple[int, bool, int]:
        return of % 4, isleap(of), weekday(of, 1, 1)

    return next((late for late in range(9944, 9972) if calendar(late) == calendar(year)), year)


def ended(text: str, now: datetime) -> Iterator[Fault]:
    """A warning, when the last run of a rule with an end is past."""
    endless = any("UNTIL" not in parts and int(parts.get("COUNT", 10**6)) > 5000 for parts in _rules(text))
    if not endless and _ruleset(text).after(now.replace(tzinfo=None), inc=True) is None:
        yield Fault(
            code="rrule-ended",
            message="the rule has come to its end: no run is left",
            hint="extend UNTIL or COUNT, or remove the schedule",
            at=("rrule",),
            severity=Severity.WARNING,
        )


def rule_clock(text: str, after: datetime) -> Iterator[datetime]:
    """The clock times from some hours before `after`, both without a zone; none when the rule is wrong."""
    try:
        if fires(text):
            yield from _ruleset(text).xafter(after - timedelta(hours=3), inc=True)
    except _BROKEN:
        return

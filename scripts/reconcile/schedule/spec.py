"""A schedule entry of the YAML -> Timing, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from reconcile.model import Cron, Interval, RRule, Timing
from reconcile.problem import Fault, Severity
from reconcile.schedule.cron import cron_fault, cron_faults, folded
from reconcile.schedule.interval import anchor_text, hasty, read_seconds
from reconcile.schedule.rrule import (
    STAMP,
    anchored,
    ended,
    foreign_times,
    localised,
    rule_fault,
    rule_faults,
    rule_lines,
)
from reconcile.schedule.zones import canonical_zone, check_zone, read_local, shown, zone_info

Spec = Mapping[str, Any]
Checked = tuple[Timing | None, tuple[Fault, ...]]

_KINDS: Final = ("cron", "interval", "rrule")
_BELONGS: Final = {"day_or": "cron", "anchor_date": "interval", "start": "rrule"}
_EXAMPLE: Final = '"2026-01-01T00:00:00"'


def read_spec(spec: Spec, default_timezone: str, now: datetime | None = None) -> Checked:
    """One merged entry: its timing, or None when something is wrong, and all that is wrong or doubtful about it.

    A fault of the default zone has an empty `at`. With `now`, a rule whose last run is past is warned of.
    """
    said = {key: value for key, value in spec.items() if value is not None}
    faults = _shape_faults(said)
    if faults:
        return None, faults
    zone_fault = _zone_fault(said, default_timezone)
    zone = canonical_zone(str(said.get("timezone"))) or canonical_zone(default_timezone) or "UTC"
    timing, faults = _read(said, zone)
    if timing is not None and isinstance(timing, RRule) and now is not None:
        faults = (*faults, *ended(timing.rrule, now.astimezone(zone_info(zone))))
    return (None if zone_fault else timing), (*((zone_fault,) if zone_fault else ()), *faults)


def _shape_faults(said: Spec) -> tuple[Fault, ...]:
    kinds = [kind for kind in _KINDS if kind in said]
    if len(kinds) == 1:
        return tuple(_misplaced(key, kinds[0]) for key in _BELONGS if key in said and _BELONGS[key] != kinds[0])
    got = " and ".join(f"`{kind}`" for kind in kinds) or "none"
    message = f"expected exactly one of `cron`, `interval` and `rrule`, got {got}"
    if not kinds:
        return (Fault(code="schedule-timing", message=message, hint='say when it runs: `cron: "30 8 * * 1-5"`, say'),)
    hint = "keep one of them; what runs at several rhythms has several schedules"
    return (Fault(code="schedule-timing", message=message, hint=hint, at=(kinds[1],), on_key=True),)


def _misplaced(key: str, kind: str) -> Fault:
    message = f"expected `{key}` beside `{_BELONGS[key]}` only, and this schedule has `{kind}`"
    return Fault(code="schedule-timing", message=message, hint=f"remove `{key}`", at=(key,), on_key=True)


def _zone_fault(said: Spec, default_timezone: str) -> Fault | None:
    at = ("timezone",) if "timezone" in said else ()
    return check_zone(said.get("timezone", default_timezone), allow_utc=said.get("allow_utc") is True, at=at)


def _read(said: Spec, zone: str) -> Checked:
    if "cron" in said:
        return _read_cron(said, zone)
    return _read_interval(said, zone) if "interval" in said else _read_rrule(said, zone)


def _checked(timing: Timing, faults: tuple[Fault, ...]) -> Checked:
    """A timing counts only without errors; warnings do not matter."""
    wrong = any(fault.severity is Severity.ERROR for fault in faults)
    return None if wrong else timing, faults


def _read_cron(said: Spec, zone: str) -> Checked:
    cron, day_or = said["cron"], said.get("day_or")
    if not isinstance(cron, str):
        return None, (
            cron_fault(f"expected a cron expression in quotes, got {shown(cron)}", 'write "30 8 * * 1-5", say'),
        )
    if not isinstance(day_or, bool | None):
        message, hint = f"expected true or false, got {shown(day_or)}", "true: either day fits; false: both must"
        return None, (Fault(code="cron-day-or", message=message, hint=hint, at=("day_or",)),)
    timing = Cron(cron=folded(cron), timezone=zone, day_or=day_or is not False)
    return _checked(timing, cron_faults(timing.cron, day_or))


def _read_interval(said: Spec, zone: str) -> Checked:
    seconds, anchor = read_seconds(said["interval"]), _anchor(said, zone)
    faults = [found for found in (seconds, anchor) if isinstance(found, Fault)]
    if isinstance(seconds, Fault) or isinstance(anchor, Fault):
        return None, tuple(faults)
    return Interval(seconds=seconds, anchor=anchor_text(anchor), timezone=zone), tuple(hasty(seconds))


def _anchor(said: Spec, zone: str) -> datetime | Fault:
    if "anchor_date" in said:
        return read_local(said["anchor_date"], zone, code="interval-anchor", at=("anchor_date",))
    message = "expected `anchor_date` beside `interval`: without it, every apply would shift the times"
    return Fault(code="interval-anchor", message=message, hint=f"add `anchor_date: {_EXAMPLE}`, in local time")


def _read_rrule(said: Spec, zone: str) -> Checked:
    if not isinstance(said["rrule"], str) or not said["rrule"].strip():
        message, hint = (
            f"expected a rule of RFC 5545, got {shown(said['rrule'])}",
            "write FREQ=MONTHLY;BYMONTHDAY=-1, say",
        )
        return None, (rule_fault(message, hint),)
    lines = rule_lines(said["rrule"])
    start = _start(said, lines, zone)
    foreign = tuple(foreign_times(lines, zone))
    if isinstance(start, Fault):
        return None, (*foreign, start)
    timing = RRule(rrule=localised((*start, *lines)), timezone=zone)
    return (None, foreign) if foreign else _checked(timing, rule_faults(timing.rrule))


def _start(said: Spec, lines: list[str], zone: str) -> tuple[str, ...] | Fault:
    """The DTSTART to add: none when the rule has one."""
    if anchored(lines) and "start" in said:
        message = "expected one beginning of the rule, got `start` and DTSTART"
        return Fault(code="rrule-start", message=message, hint="leave DTSTART out of the rule", at=("start",))
    if anchored(lines):
        return ()
    if "start" not in said:
        message = "expected `start` beside `rrule`: without it, Prefect counts from 2020-01-01 00:00"
        return Fault(code="rrule-start", message=message, hint=f"add `start: {_EXAMPLE}`, in local time")
    start = read_local(said["start"], zone, code="rrule-start", at=("start",))
    return start if isinstance(start, Fault) else (f"DTSTART:{start:{STAMP}}",)

"""Every so many seconds from an anchor."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from reconcile.model import Interval
from reconcile.problem import Fault, Severity
from reconcile.schedule.zones import moment_of, shown

PENDULUM: Final = sys.version_info < (3, 13)
"""Prefect counts with pendulum before Python 3.13 and with whenever since: they differ where clocks change."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST: Final = timedelta(days=36525).total_seconds()
_EXAMPLE: Final = "write `interval: 30m`, for example"


def read_seconds(value: object) -> float | Fault:
    """The seconds of `1800`, `90s`, `30m`, `4h` or `2d`."""
    seconds = _plain(value)
    if seconds is not None and math.isfinite(seconds) and 1e-6 <= seconds <= _LONGEST:
        return in_microseconds(seconds)
    message = f"expected seconds above 0, or text like 90s, 30m, 4h, 2d, got {shown(value)}"
    return Fault(code="interval-invalid", message=message, hint=_hint(value), at=("interval",))


def in_microseconds(seconds: float) -> float:
    """What the server keeps of them."""
    try:
        return timedelta(seconds=seconds).total_seconds()
    except (ValueError, OverflowError):
        return float(seconds)


def anchor_text(moment: datetime) -> str:
    """An anchor as it is compared and sent. Of offsets the server takes whole minutes only (Monrovia, 1970)."""
    offset = moment.utcoffset() or timedelta()
    return (moment.astimezone(UTC) if offset % timedelta(minutes=1) else moment).isoformat()


def _plain(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) <= _LONGEST else None
    match = re.fullmatch(r"([0-9]{1,10})([smhd])", value) if isinstance(value, str) else None
    return float(int(match[1]) * _UNITS[match[2]]) if match else None


def _hint(value: object) -> str:
    """What was meant by `1h30m`, `30 min`, `PT15M` or `"1800"`, where that can be told."""
    if not isinstance(value, str):
        return _EXAMPLE
    text = re.sub(r"\s", "", value.casefold()).removeprefix("p").removeprefix("t")
    if re.fullmatch(r"[1-9][0-9]{0,9}", text):
        return f"write {text}s, or the number without quotes"
    parts = re.findall(r"([0-9]{1,10})([smhd])[a-z]*", text)
    total = sum(int(number) * _UNITS[unit] for number, unit in parts)
    rest = re.sub(r"[0-9]{1,10}[smhd][a-z]*", "", text)
    return f"write {_short(total)}" if total and not rest else _EXAMPLE


def _short(seconds: int) -> str:
    unit = next(unit for unit in "dhms" if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def hasty(seconds: float) -> Iterator[Fault]:
    """A warning, when the runs come thicker than anyone means."""
    if seconds < 60:
        yield Fault(
            code="interval-short",
            message=f"every {seconds:g} s makes {86400 / seconds:,.0f} runs a day, each of them started anew",
            hint="use 60s or more, or a loop inside the flow",
            at=("interval",),
            severity=Severity.WARNING,
        )


def interval_moments(timing: Interval, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The runs about `after` and later.

    As in Prefect: first a jump of elapsed time from the anchor, then steps, of which whole days follow the clock. So
    there are runs before the anchor too, and in summer a daily one may be an hour off the winter's anchor.
    """
    try:
        every, anchor = timedelta(seconds=timing.seconds), datetime.fromisoformat(timing.anchor).astimezone(UTC)
        jumps = int((after.astimezone(UTC) - anchor).total_seconds() / timing.seconds)
        moment = (anchor + timedelta(seconds=timing.seconds * jumps)).astimezone(zone)
        while True:
            yield moment
            moment = _step(moment, every, zone)
    except (ValueError, OverflowError, ZeroDivisionError):
        return


def _step(moment: datetime, every: timedelta, zone: ZoneInfo) -> datetime:
    days = timedelta(days=every.days)
    if not days:
        return (moment.astimezone(UTC) + every).astimezone(zone)
    naive = moment.replace(tzinfo=None, fold=0)
    if PENDULUM:
        return moment_of(naive + every, zone, later=True)
    return (moment_of(naive + days, zone).astimezone(UTC) + (every - days)).astimezone(zone)

"""The rules of an environment as environments.yaml gives them: where it is applied, what it requires, what it protects.

They guard against accidents. Whoever reaches a server's open API is its administrator, with or without them.
docs/safety.md says more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

WEEK: Final = 7 * 24 * 60
"""Minutes of a week, which begins on Monday."""

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


DEFAULT_BRANCHES: Final = ("main", "master")
"""What `branch: warn`, which names none, takes for the right one."""


class Require(StrEnum):
    """What an environment can require of an apply that changes something in it."""

    SOURCE = "source"
    BRANCH = "branch"
    DESCRIPTION = "description"
    CLEAN = "clean"
    PUSHED = "pushed"
    UP_TO_DATE = "up_to_date"


class Force(StrEnum):
    """Whether a rule refuses or only says so."""

    REFUSE = "refuse"
    WARN = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One thing that an environment requires. `value` is what it must be, where there is a choice."""

    force: Force
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What an apply must not do without being told to.

    `max_delete_share` counts from the third delete on. `due_within` is how shortly before a run its deployment is not
    disturbed. `report_drift`: what was changed in the UI is left, and said.
    """

    max_deletes: int = 5
    max_delete_share: float = 0.2
    due_within: timedelta = timedelta(minutes=2)
    report_drift: bool = False
    never_prune: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the week in which nothing is applied, in minutes from Monday 00:00; it may reach over its end."""

    text: str
    start: int
    end: int

    def holds(self, local: datetime) -> bool:
        """Whether a local time lies in it; its end is already outside."""
        return (_minute_of(local) - self.start) % WEEK < (self.end - self.start) % WEEK

    def left(self, local: datetime) -> timedelta:
        """How long after a local time it next ends, by the clock on the wall."""
        whole = local.replace(second=0, microsecond=0)
        return timedelta(minutes=(self.end - _minute_of(local)) % WEEK) - (local - whole)


def frozen_until(windows: Sequence[Window], local: datetime) -> datetime | None:
    """When the freeze that a local time lies in ends, also where several windows follow each other; None: in none.

    Windows that leave no gap never end: then the end of the last one that was looked at is answered, a week away.
    """
    until = local
    for _ in range(2 * len(windows)):
        window = next((window for window in windows if window.holds(until)), None)
        if window is None:
            break
        until += window.left(until)
    return until if until > local else None


def _minute_of(local: datetime) -> int:
    return local.weekday() * 24 * 60 + local.hour * 60 + local.minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one environment."""

    api_urls: tuple[str, ...] = ()
    require: Mapping[Require, Requirement] = field(default_factory=dict)
    protect: Protection = field(default_factory=Protection)
    freeze: tuple[Window, ...] = ()


def rules_of(said: Mapping[str, Any] | None) -> Rules:
    """The rules that an environment's mapping says; the files were held against their schema before."""
    said = said or {}
    urls = said.get("api_url") or ()
    return Rules(
        api_urls=(urls,) if isinstance(urls, str) else tuple(urls),
        require=_requirements(said.get("require") or {}),
        protect=_protection(said.get("protect") or {}),
        freeze=tuple(window for text in said.get("freeze") or () if (window := window_of(text))),
    )


def _requirements(said: Mapping[str, Any]) -> Mapping[Require, Requirement]:
    found = {name: _requirement(said.get(name)) for name in Require}
    return {name: required for name, required in found.items() if required is not None}


def _requirement(value: Any) -> Requirement | None:
    """`warn`, or a value, or a value that is only warned of: `{main: warn}`. False and null require nothing."""
    if value is None or value is False:
        return None
    if isinstance(value, Mapping):
        name, force = next(iter(value.items()), (None, Force.REFUSE))
        return Requirement(force=Force.WARN if force == Force.WARN else Force.REFUSE, value=name)
    if value == Force.WARN:
        return Requirement(force=Force.WARN)
    return Requirement(force=Force.REFUSE, value=value if isinstance(value, str) else None)


def _protection(said: Mapping[str, Any]) -> Protection:
    default = Protection()
    due = said.get("due_within")
    return Protection(
        max_deletes=said.get("max_deletes", default.max_deletes),
        max_delete_share=said.get("max_delete_share", default.max_delete_share),
        due_within=duration(due) if due is not None else default.due_within,
        report_drift=said.get("drift") == "report",
        never_prune=said.get("prune") == "never",
    )


_WINDOW = re.compile(rf"({'|'.join(DAYS)}) (\d\d):(\d\d)/({'|'.join(DAYS)}) (\d\d):(\d\d)")


def window_of(text: str) -> Window | None:
    """`fri 18:00/mon 06:00` as a window; None where it is none."""
    match = _WINDOW.fullmatch(text.strip().lower())
    if match is None:
        return None
    start, end = _minute(*match.groups()[:3]), _minute(*match.groups()[3:])
    return Window(text=text, start=start, end=end) if start is not None and end is not None and start != end else None


def _minute(day: str, hour: str, minute: str) -> int | None:
    if int(hour) > 23 or int(minute) > 59:
        return None
    return DAYS.index(day) * 24 * 60 + int(hour) * 60 + int(minute)


_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(said: str | float) -> timedelta:
    """Seconds, or a text such as 90s, 30m, 4h, 2d. Raises ValueError."""
    if isinstance(said, int | float):
        return timedelta(seconds=said)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", said.strip())
    if match is None:
        raise ValueError(f"{said!r} is no duration such as 90s, 30m, 4h or 2d")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])

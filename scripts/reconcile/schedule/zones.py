"""Time zones by their names, and clock times in them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from reconcile.problem import Fault

ARGENTINA: Final = "America/Argentina/Buenos_Aires"

_UTC: Final = re.compile(r"(Etc/)?(UTC|UCT|Universal|Zulu|GMT|GMT[+-]?0|Greenwich)")
_OFFSET: Final = re.compile(r"(?:etc/)?(?:gmt|utc)?\s*([+-])\s*0?(\d{1,2})(?::?00)?")
_NICKNAMES: Final = frozenset({"art", "argentina", "america/argentina", "argentina standard time", "bsas", "caba"})
_LINE: Final = re.compile(r"^(?:Z (\S+)|L (\S+) (\S+))", re.MULTILINE)
_PLACE: Final = re.compile(r"^[A-Z]{2}\t\S+\t(\S+)", re.MULTILINE)


def is_utc(name: str) -> bool:
    """Whether the name is one of those of UTC (or of GMT, which is the same clock)."""
    return _UTC.fullmatch(name) is not None


def canonical_zone(name: str) -> str | None:
    """The current IANA name: `America/Buenos_Aires` is `America/Argentina/Buenos_Aires`. None when unknown.

    The names of UTC are all `UTC`. Letter case counts, as it does on the server.
    """
    return "UTC" if is_utc(name) else known_zones().get(name)


def nearest_zone(name: str) -> str | None:
    """The zone that was probably meant by an unknown name, or None."""
    folded = re.sub(r"\s*/\s*", "/", name.strip().casefold())
    offset = _OFFSET.fullmatch(folded)
    if offset:
        return ARGENTINA if offset.groups() == ("-", "3") else None
    if folded in _NICKNAMES:
        return ARGENTINA
    wanted = re.sub(r"[\s-]+", "_", folded)
    return _same_city(wanted) or _like(wanted)


def _city(name: str) -> str:
    return name.casefold().rsplit("/", 1)[-1]


def _same_city(wanted: str) -> str | None:
    fitting = sorted({zone for name, zone in known_zones().items() if _city(name) == _city(wanted)})
    exact = [zone for zone in fitting if zone.casefold().endswith(wanted)]
    return next(iter(exact or fitting), None)


def _like(wanted: str) -> str | None:
    names = {name.casefold(): zone for name, zone in sorted(known_zones().items())}
    cities = {_city(name): zone for name, zone in names.items() if "/" in name}
    for table in (names, cities):
        close = difflib.get_close_matches(wanted, table, n=1, cutoff=0.8)
        if close:
            return table[close[0]]
    return None


@lru_cache(maxsize=1)
def known_zones() -> Mapping[str, str]:
    """Every known name and its canonical one.

    tzdata links the old names to the new ones, but also current zones that agree since 1970
    (Europe/Stockholm to Europe/Berlin): what zone.tab lists is a name of its own.
    """
    package = find_spec("tzdata")
    if package is None or package.origin is None:
        return {name: name for name in available_timezones()}
    folder = Path(package.origin).parent / "zoneinfo"
    places = set(_PLACE.findall((folder / "zone.tab").read_text(encoding="utf-8")))
    lines = _LINE.findall((folder / "tzdata.zi").read_text(encoding="utf-8"))
    links = {link: target for _, target, link in lines if link and link not in places}
    names = {zone or link for zone, _, link in lines} - {"Factory"}
    return {name: _resolved(name, links) for name in names}


def _resolved(name: str, links: Mapping[str, str]) -> str:
    for _ in links:
        if name not in links:
            break
        name = links[name]
    return "UTC" if is_utc(name) else name


def check_zone(name: object, *, allow_utc: bool = False, at: tuple[str | int, ...] = ()) -> Fault | None:
    """What is wrong with a time zone: not known, or UTC where that was not asked for."""
    zone = canonical_zone(name) if isinstance(name, str) else None
    if zone is None:
        near = nearest_zone(name) if isinstance(name, str) else None
        hint = f"did you mean {near}?" if near else f"use a name like {ARGENTINA}"
        message = f"expected an IANA time zone, got {shown(name)}"
        return Fault(code="timezone-unknown", message=message, hint=hint, at=at)
    if zone == "UTC" and not allow_utc:
        return Fault(
            code="timezone-utc",
            message=f"expected a local time zone, got `{name}`, whose clock is hours away from the local one",
            hint=f"use a zone like {ARGENTINA}, or say `allow_utc: true` beside it",
            at=at,
        )
    return None


def shown(value: object) -> str:
    """A value as a message shows it: short, whatever was written."""
    try:
        text = f"`{value}`" if isinstance(value, str) else repr(value)
    except ValueError:  # Python refuses to make a text of thousands of digits
        text = "a huge number"
    return text if len(text) <= 80 else f"{text[:77]}..."


class Comes(Enum):
    """How often a clock time comes in a zone."""

    ONCE = 1
    TWICE = 2
    NEVER = 0


@lru_cache(maxsize=256)
def zone_info(name: str) -> ZoneInfo | None:
    """The zone's data, or None when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # KeyError: not found; OSError: the name of a folder, like `America`
        return None


def comes(naive: datetime, zone: ZoneInfo) -> Comes:
    """How often a clock time comes in the zone: clocks are set back, and forward."""
    first = naive.replace(tzinfo=zone, fold=0).utcoffset() or timedelta()
    second = naive.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
    if first == second:
        return Comes.ONCE
    return Comes.TWICE if first > second else Comes.NEVER


def moment_of(naive: datetime, zone: ZoneInfo, *, later: bool = False, back: bool = False) -> datetime:
    """A clock time as a moment: the `later` one of two; if it never comes, moved on, or `back`, by the skipped hour."""
    fold = {Comes.ONCE: False, Comes.TWICE: later, Comes.NEVER: back}[comes(naive, zone)]
    return naive.replace(tzinfo=zone, fold=int(fold)).astimezone(UTC).astimezone(zone)


def read_local(value: object, zone: str, *, code: str, at: tuple[str | int, ...]) -> datetime | Fault:
    """ISO 8601 text as a moment in the zone; without an offset it is the zone's own time."""
    moment, place = _parsed(value), zone_info(zone)
    if moment is None or place is None:
        hint = 'write "2026-01-01T00:00:00", say, in the time of the schedule\'s zone'
        return Fault(code=code, message=f"expected a local date and time, got {shown(value)}", hint=hint, at=at)
    if moment.tzinfo is not None:
        return moment.astimezone(place)
    if comes(moment, place) is Comes.NEVER:
        message = f"expected a time that exists in {zone}: its clocks skip {value}"
        return Fault(code=code, message=message, hint="choose another hour", at=at)
    return moment.replace(tzinfo=place)


def read_day(text: object) -> date | None:
    """A day such as 2026-12-15; None where it is none."""
    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _parsed(value: object) -> datetime | None:
    """Between 1970 and 2199: of times before, tzdata is not sure, and of those beyond nobody is."""
    try:
        moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment and 1970 <= moment.year < 2200 else None

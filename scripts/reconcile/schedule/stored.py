"""The server's JSON of a schedule <-> Timing, in one canonical form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reconcile.errors import ServerError
from reconcile.model import Cron, Interval, RRule, Timing
from reconcile.schedule.cron import folded
from reconcile.schedule.interval import anchor_text, in_microseconds
from reconcile.schedule.rrule import DEFAULT_START, anchored, localised, rule_lines
from reconcile.schedule.zones import canonical_zone, zone_info


def read_stored(stored: Mapping[str, Any]) -> Timing:
    """The timing that the server's JSON means; a zone that is not known here is kept as it stands."""
    zone = _zone(stored.get("timezone"))
    if isinstance(stored.get("cron"), str):
        return Cron(cron=folded(stored["cron"]), timezone=zone, day_or=stored.get("day_or") is not False)
    if isinstance(stored.get("interval"), int | float):
        anchor = _anchor(str(stored.get("anchor_date")), zone)
        return Interval(seconds=in_microseconds(stored["interval"]), anchor=anchor, timezone=zone)
    if isinstance(stored.get("rrule"), str):
        return RRule(rrule=_rule(stored["rrule"]), timezone=zone)
    raise ServerError(f"the server gave a schedule that is neither cron, interval nor rrule, but {dict(stored)}")


def _zone(name: object) -> str:
    """Null and empty are UTC to Prefect."""
    return (canonical_zone(str(name)) or str(name)) if name else "UTC"


def _anchor(anchor: str, zone: str) -> str:
    place = zone_info(zone) or UTC
    try:
        moment = datetime.fromisoformat(anchor)
        return anchor_text((moment if moment.tzinfo else moment.replace(tzinfo=place)).astimezone(place))
    except (ValueError, OverflowError):
        return anchor


def _rule(text: str) -> str:
    lines = rule_lines(text)
    return localised(lines if anchored(lines) else (DEFAULT_START, *lines))


def write_stored(timing: Timing) -> dict[str, Any]:
    """The JSON of a schedule that the server is sent."""
    match timing:
        case Cron():
            return {"cron": timing.cron, "timezone": timing.timezone, "day_or": timing.day_or}
        case Interval():
            return {"interval": timing.seconds, "anchor_date": timing.anchor, "timezone": timing.timezone}
        case RRule():
            return {"rrule": timing.rrule, "timezone": timing.timezone}

"""The runs of a timing, as Prefect's scheduler finds them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

from reconcile.model import Cron, Interval, RRule, Timing
from reconcile.schedule.cron import cron_clock
from reconcile.schedule.interval import PENDULUM, interval_moments
from reconcile.schedule.rrule import rule_clock
from reconcile.schedule.zones import moment_of, zone_info


def occurrences(
    timing: Timing, *, after: datetime, until: datetime | None = None, limit: int | None = None
) -> Iterator[datetime]:
    """The runs at `after` or later, up to and with `until`, at most `limit`.

    They ascend, in the zone of the timing. A zone or an expression that cannot be understood has none.
    """
    zone = zone_info(timing.timezone)
    if zone is None:
        return iter(())
    return islice(_within(_moments(timing, after.astimezone(zone), zone), after, until), limit)


def _moments(timing: Timing, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    clock = after.replace(tzinfo=None, fold=0)
    match timing:
        case Cron():
            return (moment_of(time, zone, back=PENDULUM) for time in cron_clock(timing.cron, timing.day_or, clock))
        case Interval():
            return interval_moments(timing, after, zone)
        case RRule():
            return (moment_of(time, zone, back=True) for time in rule_clock(timing.rrule, clock))


def _within(moments: Iterator[datetime], after: datetime, until: datetime | None) -> Iterator[datetime]:
    """Ascending, and each once: clock times that never come fall on others. Compared in UTC, where none comes twice."""
    last: datetime | None = None
    for moment in moments:
        instant = moment.astimezone(UTC)
        if until is not None and instant > until:
            return
        if instant >= after and (last is None or instant > last):
            last = instant
            yield moment

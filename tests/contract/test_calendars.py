"""What a real server makes of schedules that leave out the days of a calendar."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import builders as a
import pytest
from roundtrips import apply_all
from servers import RealServer

from reconcile.due import Run, read_run
from reconcile.model import RRule, Timing
from reconcile.observed import observed
from reconcile.schedule import occurrences, without_days

pytestmark = pytest.mark.contract

HERE = ZoneInfo(a.ZONE)


@pytest.mark.parametrize("cron", ["30 1,13 * * *", "*/15 * * * *", "0 12 2-31 * 1-5"])
def test_the_runs_that_the_server_schedules_are_those_that_are_meant(cron: str, real: RealServer) -> None:
    """Left out one by one, by the days of a year, and from two rules."""
    timing = a.cron(cron)
    now = datetime.now(UTC)
    today = now.astimezone(HERE).date()
    days = tuple(today + timedelta(days=n) for n in (0, 1, *range(20, 200, 12)))
    rule = without_days(timing, days, today.year)
    assert isinstance(rule, RRule)
    desired = a.state(a.pool(), a.deployment(schedules=(a.schedule(timing=rule),)))
    apply_all(desired, real)
    (standing,) = observed(real.read()).deployments.values()
    assert [schedule.timing for schedule in standing.schedules] == [rule]
    runs = _runs(real, standing.id or "")
    assert [run.expected for run in runs] == _meant(timing, days, now, len(runs))


def _runs(real: RealServer, deployment: str) -> list[Run]:
    """The coming runs in order, once the scheduler has made them: it makes three at least."""
    deadline = time.monotonic() + 60
    while len(found := real.coming(deployment)) < 3:
        assert time.monotonic() < deadline, found
        time.sleep(0.25)
    runs = [run for row in found if (run := read_run(row)) is not None]
    return sorted(runs, key=lambda run: run.expected)


def _meant(timing: Timing, days: tuple[object, ...], now: datetime, count: int) -> list[datetime]:
    coming = occurrences(timing, after=now)
    working = (moment for moment in coming if moment.date() not in days)
    return [next(working) for _ in range(count)]

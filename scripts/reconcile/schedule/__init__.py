"""When a deployment runs: cron, interval and rrule, checked, said in words, and counted out in a time zone.

Everything follows what Prefect's scheduler does with a schedule, also where that surprises; what surprises is a
fault in a file. Nothing here reads a clock or a network, only the time zone data that is installed.

    zones.py        time zones by their names, and clock times in them
    cron.py         what is wrong with a cron expression, its values, its clock times
    interval.py     the same of intervals
    rrule.py        the same of rules
    calendars.py    a timing without the days of a calendar
    spec.py         an entry of the YAML -> Timing, or what is wrong with it
    stored.py       the server's JSON <-> Timing, in one canonical form, so that `==` compares meaning
    occurrences.py  the runs of a timing
    words.py        a timing in English
    brief.py        two rules of a plan, said as far as they differ

croniter and dateutil.rrule are loaded only when a schedule needs them.
"""

from __future__ import annotations

from reconcile.schedule.brief import briefly
from reconcile.schedule.calendars import without_days
from reconcile.schedule.occurrences import occurrences
from reconcile.schedule.spec import read_spec
from reconcile.schedule.stored import read_stored, write_stored
from reconcile.schedule.words import explain, explain_schedule
from reconcile.schedule.zones import canonical_zone, check_zone, is_utc, nearest_zone, read_day, zone_info

__all__ = [
    "briefly",
    "canonical_zone",
    "check_zone",
    "explain",
    "explain_schedule",
    "is_utc",
    "nearest_zone",
    "occurrences",
    "read_day",
    "read_spec",
    "read_stored",
    "without_days",
    "write_stored",
    "zone_info",
]

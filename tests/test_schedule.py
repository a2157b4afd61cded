"""Schedules are held against Prefect's own scheduler, and the words against a reading of the words."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from prefect._internal.schemas.validators import default_timezone, validate_cron_string
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

from reconcile.errors import ServerError
from reconcile.model import Cron, Interval, RRule, Timing
from reconcile.problem import Severity
from reconcile.schedule import (
    canonical_zone,
    explain,
    is_utc,
    nearest_zone,
    occurrences,
    read_spec,
    read_stored,
    write_stored,
)
from reconcile.schedule.zones import known_zones

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
HERE = "America/Argentina/Buenos_Aires"
NEW_YORK, MADRID, SANTIAGO = "America/New_York", "Europe/Madrid", "America/Santiago"
START = "2026-01-01T20:00:00"

# ─── time zones ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        (HERE, HERE),
        ("America/Buenos_Aires", HERE),
        ("America/Rosario", "America/Argentina/Cordoba"),
        ("US/Eastern", NEW_YORK),
        ("Asia/Calcutta", "Asia/Kolkata"),
        ("Europe/Stockholm", "Europe/Stockholm"),
        ("Etc/GMT+3", "Etc/GMT+3"),
        *(
            (name, "UTC")
            for name in ("UTC", "Etc/UTC", "Zulu", "GMT", "Etc/GMT", "UCT", "Universal", "Greenwich", "GMT0")
        ),
        *((name, None) for name in ("", "ART", "GMT-3", "Buenos Aires", "america/buenos_aires", "Factory", "America")),
    ],
)
def test_canonical_zone(name: str, canonical: str | None) -> None:
    assert canonical_zone(name) == canonical
    assert is_utc(name) == (canonical == "UTC")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        *((name, HERE) for name in ("Buenos Aires", "America/Buenos Aires", "America / Buenos Aires", "ART", "bsas")),
        *((name, HERE) for name in ("GMT-3", "UTC-3", "UTC-03:00", "-03", "Argentina/Buenos_Aires", "Argentina")),
        *((name, HERE) for name in ("buenos_aires", "Bueno Aires", "Argentina Standard Time", "AMERICA/BUENOS_AIRES")),
        ("Madrid", MADRID),
        ("America/New York", NEW_YORK),
        ("america/new_york", NEW_YORK),
        ("utc", "UTC"),
        *((name, None) for name in ("", "Nowhere/Land", "GMT+5", "/", "\x00")),
    ],
)
def test_nearest_zone(name: str, near: str | None) -> None:
    assert nearest_zone(name) == near


def test_prefect_takes_every_zone_that_we_take() -> None:
    assert len(known_zones()) > 500
    assert [name for name in known_zones() if default_timezone(name) != name] == []


def test_a_canonical_zone_has_the_clock_of_the_name() -> None:
    moments = [datetime(year, month, 1, 12, tzinfo=UTC) for year in (2020, 2026, 2030) for month in (1, 4, 7, 10)]
    for name, canonical in known_zones().items():
        assert [moment.astimezone(ZoneInfo(name)).utcoffset() for moment in moments] == [
            moment.astimezone(ZoneInfo(canonical)).utcoffset() for moment in moments
        ], name


# ─── entries of the YAML ─────────────────────────────────────────────────────────────────────────────────────────


def cron(expression: Any, **more: Any) -> dict[str, Any]:
    return {"cron": expression, **more}


def interval(every: Any, anchor: Any = "2026-01-01T00:00:00", **more: Any) -> dict[str, Any]:
    return {"interval": every, "anchor_date": anchor, **more}


def rrule(rule: Any, **more: Any) -> dict[str, Any]:
    return {"rrule": rule, "start": START, **more}


@pytest.mark.parametrize(
    ("spec", "timing"),
    [
        (cron(" 30  1,13,17 * *\t* "), Cron(cron="30 1,13,17 * * *", timezone=HERE)),
        (cron("0 9 1 * 1", day_or=False), Cron(cron="0 9 1 * 1", timezone=HERE, day_or=False)),
        (cron("0 9 1 * 1", day_or=True), Cron(cron="0 9 1 * 1", timezone=HERE)),
        (cron("@daily", timezone="America/Buenos_Aires"), Cron(cron="@daily", timezone=HERE)),
        (cron("0 9 * * *", timezone="Zulu", allow_utc=True), Cron(cron="0 9 * * *", timezone="UTC")),
        (cron("0 9 * * *", interval=None, timezone=None), Cron(cron="0 9 * * *", timezone=HERE)),
        (cron("*/60 */24 * * *", active=True, parameters={}), Cron(cron="*/60 */24 * * *", timezone=HERE)),
        (interval("30m"), Interval(seconds=1800.0, anchor="2026-01-01T00:00:00-03:00", timezone=HERE)),
        (interval(90), Interval(seconds=90.0, anchor="2026-01-01T00:00:00-03:00", timezone=HERE)),
        (interval("4h", "2026-07-01"), Interval(seconds=14400.0, anchor="2026-07-01T00:00:00-03:00", timezone=HERE)),
        (
            interval("2d", "2026-07-01T12:00:00Z", timezone=MADRID),
            Interval(seconds=172800.0, anchor="2026-07-01T14:00:00+02:00", timezone=MADRID),
        ),
        (rrule("freq=daily"), RRule(rrule="DTSTART:20260101T200000\nRRULE:FREQ=DAILY", timezone=HERE)),
        (
            rrule("RRULE:FREQ=DAILY\r\nEXDATE:20261225T200000\n"),
            RRule(rrule="DTSTART:20260101T200000\nRRULE:FREQ=DAILY\nEXDATE:20261225T200000", timezone=HERE),
        ),
        (
            {"rrule": "RRULE:FREQ=DAILY\nDTSTART;TZID=America/Buenos_Aires:20260101T200000"},
            RRule(rrule="DTSTART:20260101T200000\nRRULE:FREQ=DAILY", timezone=HERE),
        ),
        (
            {"rrule": "FREQ=DAILY", "start": "2026-01-01T12:00:00Z"},
            RRule(rrule="DTSTART:20260101T090000\nRRULE:FREQ=DAILY", timezone=HERE),
        ),
    ],
)
def test_an_entry_becomes_a_timing(spec: dict[str, Any], timing: Timing) -> None:
    assert read_spec(spec, HERE) == (timing, ())
    assert read_stored(write_stored(timing)) == timing


AT_CRON, AT_RRULE, AT_START, AT_ANCHOR = ("cron",), ("rrule",), ("start",), ("anchor_date",)
FAULTY: list[tuple[dict[str, Any], str, tuple[str, ...], str]] = [
    ({}, "schedule-timing", (), "say when"),
    (cron("0 9 * * *", rrule="FREQ=DAILY"), "schedule-timing", AT_RRULE, "keep one"),
    (cron("0 9 * * *", start=START), "schedule-timing", AT_START, "remove"),
    (cron("0 9 * * *", anchor_date=START), "schedule-timing", AT_ANCHOR, "remove"),
    (interval("30m", day_or=True), "schedule-timing", ("day_or",), "remove"),
    (cron("0 9 * * *", timezone="ART"), "timezone-unknown", ("timezone",), HERE),
    (cron("0 9 * * *", timezone="GMT-3"), "timezone-unknown", ("timezone",), HERE),
    (cron("0 9 * * *", timezone=-3), "timezone-unknown", ("timezone",), HERE),
    (cron("0 9 * * *", timezone="Nowhere/Land"), "timezone-unknown", ("timezone",), HERE),
    (cron("0 9 * * *", timezone="UTC"), "timezone-utc", ("timezone",), "allow_utc: true"),
    (cron("0 9 * * *", timezone="Etc/Zulu", allow_utc="yes"), "timezone-utc", ("timezone",), "allow_utc: true"),
    (cron(5), "cron-invalid", AT_CRON, "30 8 * * 1-5"),
    (cron(""), "cron-invalid", AT_CRON, "30 8 * * 1-5"),
    (cron("0 9 * *"), "cron-invalid", AT_CRON, "30 8 * * 1-5"),
    (cron("@reboot"), "cron-invalid", AT_CRON, "minute, hour"),
    (cron("*/90 * * * *"), "cron-invalid", AT_CRON, "interval"),
    (cron("59/15 * * * *"), "cron-invalid", AT_CRON, "interval"),
    (cron("10-20/30 * * * *"), "cron-invalid", AT_CRON, "interval"),
    (cron("0 dec/3 * * *"), "cron-invalid", AT_CRON, "*/10"),
    (cron("0 0 1 dec/3 *"), "cron-invalid", AT_CRON, "interval"),
    (cron("60 * * * *"), "cron-invalid", AT_CRON, "*/10"),
    (cron("0 24 * * *"), "cron-invalid", AT_CRON, "*/10"),
    (cron("0 0 0 1 *"), "cron-invalid", AT_CRON, "*/10"),
    (cron("0 0 * 13 *"), "cron-invalid", AT_CRON, "*/10"),
    (cron("0 9 * * 8"), "cron-invalid", AT_CRON, "L5"),
    (cron("0 9 * * LUN"), "cron-invalid", AT_CRON, "mon"),
    (cron("0 9 * * lunes-viernes"), "cron-invalid", AT_CRON, "mon"),
    (cron("0 9 * * SÁB"), "cron-invalid", AT_CRON, "sat"),
    (cron("0 9 * * friday"), "cron-invalid", AT_CRON, "fri"),
    (cron("0 0 1 ENE *"), "cron-invalid", AT_CRON, "jan"),
    (cron("0 0 * * 5L"), "cron-invalid", AT_CRON, "L5"),
    (cron("0 0 15W * *"), "cron-invalid", AT_CRON, "BYSETPOS"),
    (cron(f"*/{'9' * 5000} * * * *"), "cron-invalid", AT_CRON, "*/10"),
    (cron("x" * 5000), "cron-invalid", AT_CRON, "30 8"),
    (cron("R * * * *"), "cron-invalid", AT_CRON, "0 to 59"),
    (cron("R(0-10) * * * *"), "cron-invalid", AT_CRON, "0 to 59"),
    (cron("H/5 * * * *"), "cron-invalid", AT_CRON, "0 to 59"),
    (cron("5-5 * * * *"), "cron-invalid", AT_CRON, "write 5"),
    (cron("0 0 * * mon-mon"), "cron-invalid", AT_CRON, "write mon"),
    (cron("0 0 12 * * ?"), "cron-six-fields", AT_CRON, "`0 12 * * ?`"),
    (cron("30 8 * * 1-5 0"), "cron-six-fields", AT_CRON, "`30 8 * * 1-5`"),
    (cron("30 8 * * 1-5 0 2027"), "cron-six-fields", AT_CRON, "`30 8 * * 1-5`"),
    (cron("0 0 31 2 *"), "cron-never-fires", AT_CRON, "change"),
    (cron("0 0 31 4,6,9,11 *"), "cron-never-fires", AT_CRON, "change"),
    (cron("0 0 30 2 1", day_or=True), "cron-never-fires", AT_CRON, "change"),
    (cron("0 0 1 * 1#2", day_or=True), "cron-never-fires", AT_CRON, "change"),
    (cron("0 0 30 2 1", day_or=False), "cron-never-fires", AT_CRON, "change"),
    (cron("0 9 1 * 1"), "cron-day-or", AT_CRON, "day_or: false"),
    (cron("0 9 */2 * 1"), "cron-day-or", AT_CRON, "day_or: false"),
    (cron("0 9 */1 * 1"), "cron-day-or", AT_CRON, "day_or: false"),
    (cron("0 9 1 * */2"), "cron-day-or", AT_CRON, "day_or: false"),
    (cron("0 9 1 * 1#2"), "cron-day-or", AT_CRON, "day_or: false"),
    (cron("0 9 1 * 1", day_or="no"), "cron-day-or", ("day_or",), "both"),
    ({"interval": "30m"}, "interval-anchor", (), "anchor_date"),
    (interval("30m", "tomorrow"), "interval-anchor", AT_ANCHOR, "2026-01-01T00:00:00"),
    (interval("30m", 20260101), "interval-anchor", AT_ANCHOR, "2026-01-01T00:00:00"),
    (interval("30m", "0001-01-01T00:00:00"), "interval-anchor", AT_ANCHOR, "2026-01-01T00:00:00"),
    (interval("30m", "2026-03-08T02:30:00", timezone=NEW_YORK), "interval-anchor", AT_ANCHOR, "another hour"),
    (interval(0), "interval-invalid", ("interval",), "30m"),
    (interval(-5), "interval-invalid", ("interval",), "30m"),
    (interval(True), "interval-invalid", ("interval",), "30m"),
    (interval(float("nan")), "interval-invalid", ("interval",), "30m"),
    (interval(float("inf")), "interval-invalid", ("interval",), "30m"),
    (interval(10**400), "interval-invalid", ("interval",), "30m"),
    (interval("1h30m"), "interval-invalid", ("interval",), "90m"),
    (interval("30 min"), "interval-invalid", ("interval",), "30m"),
    (interval("PT15M"), "interval-invalid", ("interval",), "15m"),
    (interval("48 horas"), "interval-invalid", ("interval",), "2d"),
    (interval("1800"), "interval-invalid", ("interval",), "1800s"),
    (interval("0m"), "interval-invalid", ("interval",), "30m"),
    (interval([30]), "interval-invalid", ("interval",), "30m"),
    ({"rrule": "FREQ=DAILY"}, "rrule-start", (), "start"),
    (rrule("DTSTART:20260101T200000\nRRULE:FREQ=DAILY"), "rrule-start", AT_START, "DTSTART"),
    (rrule("FREQ=DAILY", start="soon"), "rrule-start", AT_START, "2026-01-01T00:00:00"),
    (rrule(""), "rrule-invalid", AT_RRULE, "FREQ="),
    (rrule(["FREQ=DAILY"]), "rrule-invalid", AT_RRULE, "FREQ="),
    (rrule("every day"), "rrule-invalid", AT_RRULE, "FREQ=DAILY"),
    (rrule("INTERVAL=2"), "rrule-invalid", AT_RRULE, "FREQ=DAILY"),
    (rrule("FREQ=DAILY;INTERVAL=0"), "rrule-invalid", AT_RRULE, "INTERVAL=1"),
    (rrule(f"FREQ=DAILY;INTERVAL={'9' * 5000}"), "rrule-invalid", AT_RRULE, "INTERVAL=1"),
    (rrule("FREQ=DAILY;COUNT=-1"), "rrule-invalid", AT_RRULE, "COUNT=1"),
    (rrule("FREQ=DAILY;WHEN=NOON"), "rrule-invalid", AT_RRULE, "FREQ="),
    (rrule("FREQ=HOURLY;BYHOUR=25"), "rrule-invalid", AT_RRULE, "FREQ="),
    (rrule("FREQ=DAILY;BYHOUR=25"), "rrule-invalid", AT_RRULE, "FREQ="),
    (rrule("FREQ=DAILY;BYDAY=LU"), "rrule-invalid", AT_RRULE, "FREQ="),
    (rrule("FREQ=DAILY;COUNT=2;UNTIL=20270101T000000"), "rrule-invalid", AT_RRULE, "one of them"),
    (rrule("FREQ=DAILY;UNTIL=20270101T000000Z"), "rrule-invalid", AT_RRULE, "20261231T210000"),
    (rrule("FREQ=DAILY\nEXDATE;TZID=Europe/Madrid:20261225T200000"), "rrule-invalid", AT_RRULE, "timezone"),
    (rrule("FREQ=DAILY\nEXRULE:FREQ=DAILY"), "rrule-invalid", AT_RRULE, "EXDATE"),
    (rrule("FREQ=HOURLY;BYSETPOS=2"), "rrule-invalid", AT_RRULE, ""),
    (rrule("FREQ=DAILY\nRDATE:" + ",".join(["20261225T200000"] * 410)), "rrule-invalid", AT_RRULE, "two schedules"),
    (rrule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31"), "rrule-never-fires", AT_RRULE, "BY"),
    (rrule("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31"), "rrule-never-fires", AT_RRULE, "BY"),
    (rrule("FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=31"), "rrule-never-fires", AT_RRULE, "BY"),
    (rrule("FREQ=DAILY;BYSETPOS=2"), "rrule-never-fires", AT_RRULE, "BY"),
    (rrule("FREQ=DAILY;UNTIL=20250101T000000"), "rrule-never-fires", AT_RRULE, "BY"),
]


@pytest.mark.parametrize(("spec", "code", "at", "hint"), FAULTY, ids=lambda value: str(value)[:60])
def test_faults(spec: dict[str, Any], code: str, at: tuple[str, ...], hint: str) -> None:
    timing, faults = read_spec(spec, HERE)
    assert timing is None
    assert [(fault.code, fault.at, fault.severity) for fault in faults] == [(code, at, Severity.ERROR)]
    assert hint in faults[0].hint
    assert len(faults[0].message) < 300


def test_a_number_that_python_cannot_show() -> None:
    for huge in (10**5000, [10**5000]):
        assert [fault.code for fault in read_spec(interval(huge), HERE)[1]] == ["interval-invalid"]
        assert [fault.code for fault in read_spec(cron(huge), HERE)[1]] == ["cron-invalid"]


def test_all_faults_at_once() -> None:
    _, faults = read_spec(cron("99 99 * * LUN", timezone="ART"), HERE)
    assert [fault.code for fault in faults] == ["timezone-unknown", *["cron-invalid"] * 3]
    assert [("minute" in fault.message, "hour field" in fault.message) for fault in faults[1:3]] == [(1, 0), (0, 1)]
    _, faults = read_spec({"interval": 0}, "UTC")
    assert [(fault.code, fault.at) for fault in faults] == [
        ("timezone-utc", ()),
        ("interval-invalid", ("interval",)),
        ("interval-anchor", ()),
    ]


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (interval(10), "interval-short"),
        (rrule("FREQ=MINUTELY"), "rrule-frequent"),
        (rrule("FREQ=DAILY;COUNT=3"), "rrule-ended"),
        (rrule("FREQ=DAILY;UNTIL=20260301T000000"), "rrule-ended"),
    ],
)
def test_warnings_leave_the_timing(spec: dict[str, Any], code: str) -> None:
    timing, faults = read_spec(spec, HERE, now=datetime(2026, 11, 22, tzinfo=UTC))
    assert timing is not None
    assert [(fault.code, fault.severity) for fault in faults] == [(code, Severity.WARNING)]


def test_a_rule_that_goes_on_has_not_ended() -> None:
    for rule in ("FREQ=DAILY", "FREQ=DAILY;UNTIL=20270301T000000", "FREQ=MONTHLY;COUNT=300", "FREQ=DAILY;COUNT=99999"):
        assert read_spec(rrule(rule), HERE, now=datetime(2026, 11, 22, tzinfo=UTC))[1] == ()


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.lists(st.integers())
KEYS = st.sampled_from(["cron", "interval", "rrule", "timezone", "allow_utc", "day_or", "anchor_date", "start", "x"])


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, ODD), st.sampled_from([HERE, "UTC", "Nowhere", ""]))
def test_no_entry_is_too_odd(spec: dict[str, Any], zone: str) -> None:
    timing, faults = read_spec(spec, zone)
    assert (timing is None) == any(fault.severity is Severity.ERROR for fault in faults)


RULE_PARTS = """
    FREQ=DAILY FREQ=YEARLY FREQ=HOURLY INTERVAL=2 INTERVAL= BYDAY=MO BYDAY=6MO BYDAY=-1 BYMONTHDAY=0 BYMONTHDAY=32
    BYSETPOS=0 BYSETPOS=400 BYHOUR=25 BYMINUTE=x UNTIL=2026 UNTIL=20270101 COUNT=1 BYWEEKNO=53 BYYEARDAY=-366
    BYEASTER=0 WKST=MO WKST=8 BYMONTH=13 = ; : RRULE DTSTART EXDATE
"""


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(RULE_PARTS.split()), max_size=5).map(";".join))
def test_no_rule_is_too_odd(rule: str) -> None:
    timing, faults = read_spec(rrule(rule), HERE)
    if timing is None:
        assert faults
    else:
        assert explain(timing)
        assert list(occurrences(timing, after=datetime(2026, 1, 1, tzinfo=UTC), limit=1))
        assert isinstance(schedule_of(timing), RRuleSchedule)


# ─── the verdict on cron expressions is Prefect's ────────────────────────────────────────────────────────────────

NAMES = ["jan", "DEC", "mon", "Sun", "fri", "lun", "L", "l", "L5", "5L", "W", "R", "h", "?", "*", "", "x"]
ATOM = st.integers(0, 75).map(str) | st.integers(0, 12).map(str) | st.sampled_from(NAMES)
TOKEN = st.one_of(
    ATOM,
    st.just("*"),
    st.tuples(ATOM, ATOM).map("-".join),
    st.tuples(ATOM, st.integers(0, 70).map(str)).map("/".join),
    st.tuples(ATOM, ATOM, st.integers(0, 30).map(str)).map(lambda said: f"{said[0]}-{said[1]}/{said[2]}"),
    st.tuples(ATOM, st.integers(0, 6).map(str)).map("#".join),
)
FIELD = st.lists(TOKEN, min_size=1, max_size=2).map(",".join)
EXPRESSION = st.one_of(
    st.tuples(*[FIELD | st.just("*")] * 5).map(" ".join),
    st.integers(0, 4).flatmap(lambda n: FIELD.map(lambda said: " ".join([*["*"] * n, said, *["*"] * (4 - n)]))),
    st.sampled_from(["@daily", "@Hourly", "@reboot", "@weekly", "@", "* * * *", "* * * * * *"]),
)
OUR_OWN = ("does not fit between", "alone", "random or hashed", "nearest weekday")
"""What we refuse although Prefect takes it, since nobody means what it does."""


def prefect_takes(expression: str) -> bool:
    try:
        return validate_cron_string(expression) == expression
    except ValueError:
        return False


@settings(max_examples=500, deadline=None)
@given(EXPRESSION)
@example("*/90 * * * *")
@example("*/0 * * * *")
@example("0 0 * * 1#1,3")
@example("0 0 1-L * *")
@example("0 0 * * *,1")
def test_the_verdict_on_a_cron_is_that_of_prefect(expression: str) -> None:
    _, faults = read_spec(cron(expression, day_or=True), HERE)
    assume(not any(word in fault.message for fault in faults for word in OUR_OWN))
    assume(not {fault.code for fault in faults} & {"cron-never-fires", "cron-six-fields"})
    assert (faults == ()) == prefect_takes(" ".join(expression.split()))


# ─── the times are those of Prefect ──────────────────────────────────────────────────────────────────────────────


def at(text: str, zone: str = HERE) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def ruled(rule: str, zone: str, start: str = "20260101T200000") -> RRule:
    return RRule(rrule=f"DTSTART:{start}\nRRULE:{rule}", timezone=zone)


def counted(seconds: float, anchor: str, zone: str) -> Interval:
    return Interval(seconds=seconds, anchor=at(anchor, zone).isoformat(), timezone=zone)


WEEKDAYS = "MO,TU,WE,TH,FR"
EDGES = ("30 2 * * *", "30 1 * * *", "30 0 * * *", "0 0 * * *", "0 3 * * *", "30 23 * * *", "0 */6 * * *")
TIMINGS: list[Timing] = [
    *(Cron(cron=edge, timezone=zone) for zone in (NEW_YORK, MADRID, SANTIAGO) for edge in EDGES),
    *(
        ruled("FREQ=DAILY", zone, f"20260101T{hour}3000")
        for zone in (NEW_YORK, SANTIAGO)
        for hour in ("00", "01", "02")
    ),
    *(counted(86400, f"2026-01-01T{hour}:30", zone) for zone in (NEW_YORK, MADRID, SANTIAGO) for hour in ("02", "23")),
    *(counted(86400, f"2026-07-01T{hour}:30", zone) for zone in (NEW_YORK, SANTIAGO) for hour in ("00", "01", "02")),
    Cron(cron="30 1,13,17 * * *", timezone=HERE),
    Cron(cron="30 8 * * 1-5", timezone=HERE),
    Cron(cron="55 23 * * 0", timezone=HERE),
    Cron(cron="0 7 1 * *", timezone=HERE),
    Cron(cron="0 9 1 * 1", timezone=HERE),
    Cron(cron="0 9 1-7 * 1", timezone=HERE, day_or=False),
    Cron(cron="0 9 */2 * 1", timezone=HERE),
    Cron(cron="0 9 */1 * 1", timezone=HERE),
    Cron(cron="0 9 1-12 * 1#2", timezone=HERE),
    Cron(cron="0 9 1-12 * 1#2", timezone=HERE, day_or=False),
    Cron(cron="0 9 * * mon#1,L5", timezone=HERE),
    Cron(cron="0 22 L * *", timezone=HERE),
    Cron(cron="0 12 29 2 *", timezone=HERE),
    Cron(cron="59/30 6 * * *", timezone=HERE),
    Cron(cron="0 6 31/2 dec/4 *", timezone=HERE),
    Cron(cron="0 22-2 * * fri-mon", timezone=HERE),
    Cron(cron="@weekly", timezone=HERE),
    Cron(cron="0 6 * * 1 30", timezone=HERE),
    Cron(cron="0 6 1 * * 0 2026-2060", timezone=HERE),
    Cron(cron="0 9 * * *", timezone="UTC"),
    counted(6 * 3600, "2026-01-01T00:00", NEW_YORK),
    counted(7 * 3600, "2026-01-01T00:00", SANTIAGO),
    counted(36 * 3600, "2026-01-01T01:30", NEW_YORK),
    counted(172800.5, "2026-01-01T00:00", MADRID),
    counted(7 * 86400, "2029-01-01T08:00", HERE),
    ruled(f"FREQ=MONTHLY;BYDAY={WEEKDAYS};BYSETPOS=-1", HERE),
    ruled(f"FREQ=MONTHLY;BYDAY={WEEKDAYS};BYSETPOS=2", MADRID),
    ruled("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", NEW_YORK),
    ruled("FREQ=MONTHLY;BYDAY=-1FR", SANTIAGO),
    ruled("FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,30", NEW_YORK),
    ruled("FREQ=DAILY;UNTIL=20260801T200000", HERE),
    ruled("FREQ=DAILY;COUNT=40", HERE),
    ruled("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", HERE),
    ruled("FREQ=DAILY;BYHOUR=1,13,17;BYMINUTE=30\nEXDATE:20261225T013000,20261225T133000,20261225T173000", HERE),
    ruled("FREQ=WEEKLY\nRDATE:20260515T120000,20260308T023000", NEW_YORK),
    ruled("FREQ=HOURLY;INTERVAL=6", NEW_YORK),
]


def schedule_of(timing: Timing) -> CronSchedule | IntervalSchedule | RRuleSchedule:
    stored = write_stored(timing)
    if isinstance(timing, Cron):
        return CronSchedule(**stored)
    return IntervalSchedule(**stored) if isinstance(timing, Interval) else RRuleSchedule(**stored)


def of_prefect(timing: Timing, start: datetime, end: datetime) -> list[datetime]:
    dates = asyncio.run(schedule_of(timing).get_dates(start=start, end=end))
    assert len(dates) < 1000, "Prefect stops there: take a shorter span"
    return [moment.astimezone(UTC) for moment in dates]


def ours(timing: Timing, start: datetime, end: datetime) -> list[datetime]:
    return [moment.astimezone(UTC) for moment in occurrences(timing, after=start, until=end)]


@pytest.mark.parametrize("timing", TIMINGS, ids=str)
def test_the_times_of_two_years_are_those_of_prefect(timing: Timing) -> None:
    edges = [at("2026-01-01T12:00", timing.timezone) + timedelta(days=73 * n) for n in range(11)]
    found = [(ours(timing, start, end), of_prefect(timing, start, end)) for start, end in pairwise(edges)]
    assert [mine for mine, _ in found] == [theirs for _, theirs in found]
    rare = ("29 2", "BYMONTHDAY=29")
    assert any(mine for mine, _ in found) or any(word in str(timing) for word in rare)


def of_scheduler(timing: Timing, start: datetime, end: datetime) -> list[datetime]:
    """What comes together while the scheduler looks ahead again and again.

    One look alone leaves out an hour that comes twice, before Python 3.13, since pendulum takes both for the same.
    """
    looks = [start.astimezone(UTC) + timedelta(minutes=30 * n) for n in range(20)]
    found = {moment for look in looks for moment in of_prefect(timing, look.astimezone(start.tzinfo), end)}
    return sorted(moment for moment in found if moment >= start)


CHANGES = [
    (zone, day)
    for zone, days in {
        NEW_YORK: ("2026-03-07", "2026-10-31"),
        MADRID: ("2026-03-28", "2026-10-24"),
        SANTIAGO: ("2026-04-04", "2026-09-05"),
    }.items()
    for day in days
]


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize(
    "every", ["* * * * *", "*/30 * * * *", "0 * * * *", "15,45 0-3 * * *", "0 2-4/2 * * *", 900, 10800]
)
def test_the_days_of_a_change_of_clocks_are_those_of_prefect(zone: str, day: str, every: str | int) -> None:
    start = at(f"{day}T20:00", zone)
    end = start + timedelta(hours=10)
    timing = Cron(cron=every, timezone=zone) if isinstance(every, str) else counted(every, "2026-01-01T00:10", zone)
    assert ours(timing, start, end) == of_scheduler(timing, start, end)


def test_occurrences_are_aware_ascending_inclusive_and_limited() -> None:
    timing = Cron(cron="30 1 * * *", timezone=NEW_YORK)
    first, last = at("2026-10-30T01:30", NEW_YORK), at("2026-11-02T01:30", NEW_YORK)
    found = list(occurrences(timing, after=first, until=last))
    assert (found[0], found[-1], len(found)) == (first, last, 4)
    assert all(moment.tzinfo == ZoneInfo(NEW_YORK) for moment in found)
    assert list(occurrences(timing, after=first.astimezone(UTC), limit=2)) == found[:2]
    assert list(occurrences(timing, after=first + timedelta(microseconds=1), limit=1)) == found[1:2]


@pytest.mark.parametrize(
    "timing",
    [
        Cron(cron="0 0 31 2 *", timezone=HERE),
        Cron(cron="0 0 30 2 1", timezone=HERE),
        Cron(cron="not a cron", timezone=HERE),
        Cron(cron="0 9 * * *", timezone="Nowhere/Land"),
        Cron(cron="0 9 * * *", timezone="../etc/passwd"),
        Cron(cron="0 9 * * *", timezone="America"),
        Interval(seconds=0.0, anchor="2026-01-01T00:00:00+00:00", timezone=HERE),
        Interval(seconds=60.0, anchor="None", timezone=HERE),
        Interval(seconds=1e300, anchor="2026-01-01T00:00:00+00:00", timezone=HERE),
        RRule(rrule="DTSTART:20200101T000000\nRRULE:FREQ=DAILY;BYSETPOS=2", timezone=HERE),
        RRule(rrule="nothing", timezone=HERE),
    ],
)
def test_what_has_no_times_ends(timing: Timing) -> None:
    assert list(occurrences(timing, after=at("2026-11-22T12:00"), limit=1)) == []
    assert explain(timing)


# ─── the server's JSON ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("stored", "timing"),
    [
        ({"cron": "0  9 * * *", "timezone": None}, Cron(cron="0 9 * * *", timezone="UTC")),
        ({"cron": "0 9 * * *", "timezone": "", "day_or": True}, Cron(cron="0 9 * * *", timezone="UTC")),
        (
            {"cron": "0 9 * * *", "timezone": "America/Buenos_Aires", "day_or": False},
            Cron(cron="0 9 * * *", timezone=HERE, day_or=False),
        ),
        ({"cron": "0 9 * * *", "timezone": "Mars/Base"}, Cron(cron="0 9 * * *", timezone="Mars/Base")),
        (
            {"interval": 1800.0, "anchor_date": "2026-01-01T03:00:00Z", "timezone": HERE},
            Interval(seconds=1800.0, anchor="2026-01-01T00:00:00-03:00", timezone=HERE),
        ),
        (
            {"interval": 1800, "anchor_date": "2026-07-01T00:00:00.250000+00:00", "timezone": "UTC"},
            Interval(seconds=1800.0, anchor="2026-07-01T00:00:00.250000+00:00", timezone="UTC"),
        ),
        (
            {"interval": 1e300, "anchor_date": "9999-12-31T23:59:59Z", "timezone": "Asia/Tokyo"},
            Interval(seconds=1e300, anchor="9999-12-31T23:59:59Z", timezone="Asia/Tokyo"),
        ),
        (
            {"interval": 60.0, "anchor_date": None, "timezone": "Mars/Base"},
            Interval(seconds=60.0, anchor="None", timezone="Mars/Base"),
        ),
        (
            {"rrule": "RRULE:FREQ=DAILY\r\nDTSTART:20260101T200000", "timezone": "America/Buenos_Aires"},
            ruled("FREQ=DAILY", HERE),
        ),
        ({"rrule": "DTSTART:20260101T200000Z\nFREQ=DAILY", "timezone": HERE}, ruled("FREQ=DAILY", HERE)),
        ({"rrule": "FREQ=DAILY", "timezone": None}, ruled("FREQ=DAILY", "UTC", "20200101T000000")),
    ],
)
def test_read_stored(stored: dict[str, Any], timing: Timing) -> None:
    assert read_stored(stored) == timing
    assert read_stored(write_stored(timing)) == timing


@pytest.mark.parametrize("stored", [{}, {"cron": None}, {"interval": "PT30M"}])
def test_a_schedule_of_no_known_kind_is_an_error(stored: dict[str, Any]) -> None:
    with pytest.raises(ServerError, match="neither cron, interval nor rrule"):
        read_stored(stored)


@pytest.mark.parametrize(
    "rule",
    [
        "RRULE:FREQ=DAILY;UNTIL=20260301T200000Z\nDTSTART:20260101T200000Z",
        "DTSTART;TZID=Europe/Madrid:20260101T200000\nRRULE:FREQ=WEEKLY",
        "DTSTART:20260101T200000\nRRULE:FREQ=DAILY\nEXDATE:20260105T200000Z",
        "FREQ=MONTHLY;BYMONTHDAY=-1",
        "DTSTART:20260101\nRRULE:FREQ=DAILY",
    ],
)
def test_the_canonical_form_of_a_rule_has_the_times_of_the_stored_one(rule: str) -> None:
    stored = {"rrule": rule, "timezone": HERE}
    start, end = at("2026-01-01T12:00"), at("2026-07-01T12:00")
    prefect = asyncio.run(RRuleSchedule(**stored).get_dates(start=start, end=end))
    assert prefect
    assert ours(read_stored(stored), start, end) == [moment.astimezone(UTC) for moment in prefect]


ZONES = st.sampled_from([HERE, NEW_YORK, MADRID, SANTIAGO, "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Monrovia"])
ANCHORS = st.integers(0, 7258118399).map(
    lambda second: datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()
)
SPECS = st.one_of(
    EXPRESSION.map(cron),
    st.builds(cron, EXPRESSION, day_or=st.booleans()),
    st.builds(interval, st.integers(1, 10**6) | st.floats(0.001, 10**7), ANCHORS),
    st.builds(rrule, st.sampled_from(["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO"]), start=ANCHORS),
)


@settings(max_examples=300, deadline=None)
@given(SPECS, ZONES)
def test_what_is_sent_reads_back_the_same(spec: dict[str, Any], zone: str) -> None:
    timing, _ = read_spec({**spec, "timezone": zone}, HERE)
    assume(timing is not None)
    assert timing is not None
    assert read_stored(write_stored(timing)) == timing
    assert read_stored(schedule_of(timing).model_dump(mode="json")) == timing
    assert explain(timing)


# ─── in words ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (cron("30 1,13,17 * * *"), "at 01:30, 13:30 and 17:30 every day"),
        (cron("30 8 * * 1-5"), "at 08:30, Monday to Friday"),
        (cron("55 23 * * 0"), "at 23:55 on Sundays"),
        (cron("0 7 * * 1,4"), "at 07:00 on Mondays and Thursdays"),
        (cron("0 7 1 * *"), "at 07:00 on day 1 of the month"),
        (cron("0 7 1,15,L * *"), "at 07:00 on days 1 and 15 and the last day of the month"),
        (cron("0 7 1 1,7 *"), "at 07:00 on day 1 of the month in January and July"),
        (cron("0 9 1 * 1", day_or=True), "at 09:00 on day 1 of the month and on Mondays"),
        (cron("0 9 1-7 * 1", day_or=False), "at 09:00 on Mondays that fall on days 1 to 7 of the month"),
        (cron("0 9 * * 1#2"), "at 09:00 on the second Monday of the month"),
        (cron("0 9 * * L5"), "at 09:00 on the last Friday of the month"),
        (cron("*/15 * * * *"), "every 15 minutes"),
        (cron("* * * * *"), "every minute"),
        (cron("0 * * * *"), "every hour"),
        (cron("20 * * * *"), "at minute 20 of every hour"),
        (cron("*/45 * * * *"), "at minutes 0 and 45 of every hour"),
        (cron("*/30 8-18 * * 1-5"), "every 30 minutes from 08:00 to 18:30, Monday to Friday"),
        (cron("15 */2 * * *"), "every 2 hours from 00:15 to 22:15"),
        (cron("0 */6 * 3-6 *"), "at 00:00, 06:00, 12:00 and 18:00 every day from March to June"),
        (cron("@hourly"), "every hour"),
        (cron("*/7 */5 3-29 * *"), "cron `*/7 */5 3-29 * *`"),
        (interval("30m"), "every 30 minutes, counted from 2026-01-01 00:00"),
        (interval("2d"), "every 2 days, counted from 2026-01-01 00:00"),
        (interval(3600), "every hour, counted from 2026-01-01 00:00"),
        (interval(90.5), "every 90.5 seconds, counted from 2026-01-01 00:00"),
        (rrule("FREQ=DAILY;INTERVAL=3"), "at 20:00 every 3 days, from 2026-01-01"),
        (rrule("FREQ=WEEKLY"), "at 20:00 on Thursdays, from 2026-01-01"),
        (rrule("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"), "at 20:00 on Fridays, every 2 weeks, from 2026-01-01"),
        (
            rrule(f"FREQ=MONTHLY;BYDAY={WEEKDAYS};BYSETPOS=-1"),
            "at 20:00 on the last weekday of the month, from 2026-01-01",
        ),
        (rrule("FREQ=MONTHLY;BYDAY=1MO"), "at 20:00 on the first Monday of the month, from 2026-01-01"),
        (
            rrule("FREQ=MONTHLY;BYMONTHDAY=-1;INTERVAL=2"),
            "at 20:00 on the last day of the month, every 2 months, from 2026-01-01",
        ),
        (rrule("FREQ=YEARLY"), "at 20:00 on 1 January, every year, from 2026-01-01"),
        (rrule("FREQ=DAILY;COUNT=5"), "at 20:00 every day, from 2026-01-01, 5 times"),
        (rrule("FREQ=DAILY;UNTIL=20260201T000000"), "at 20:00 every day, from 2026-01-01 until 2026-02-01 00:00"),
        (rrule("FREQ=DAILY EXDATE:20261225T200000"), "at 20:00 every day, from 2026-01-01, except on some dates"),
        (rrule("FREQ=YEARLY;BYEASTER=0"), "rrule `DTSTART:20260101T200000 RRULE:FREQ=YEARLY;BYEASTER=0`"),
        (rrule("FREQ=HOURLY"), "rrule `DTSTART:20260101T200000 RRULE:FREQ=HOURLY`"),
    ],
)
def test_explain(spec: dict[str, Any], words: str) -> None:
    timing, _ = read_spec(spec, HERE)
    assert timing is not None
    assert explain(timing, home=HERE) == words
    assert explain(timing) == f"{words}, Buenos Aires time"


def test_explain_names_otherknown_zones() -> None:
    assert explain(Cron(cron="0 9 * * *", timezone="UTC"), home=HERE) == "at 09:00 every day, UTC"
    assert explain(Cron(cron="0 9 * * *", timezone=NEW_YORK), home=HERE) == "at 09:00 every day, New York time"


WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
NTH = ("first", "second", "third", "fourth", "fifth")
Days = Callable[[date], bool]
Clock = set[tuple[int, int]]


def split_list(text: str) -> list[str]:
    return re.split(r", | and ", text)


def days_until_next_month(day: date) -> int:
    return ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - day).days


def read_words(words: str) -> tuple[Clock, Days]:
    """What a person understands: the clock times, and on which days."""
    months = re.search(r" in ((?:[A-Z][a-z]+|, | and )+)$| from ([A-Z][a-z]+) to ([A-Z][a-z]+)$", words)
    in_month = set(range(1, 13))
    if months and months[1]:
        in_month = {MONTHS.index(name) + 1 for name in split_list(months[1])}
    elif months:
        in_month = set(range(MONTHS.index(months[2]) + 1, MONTHS.index(months[3]) + 2))
    words = words[: months.start()] if months else words
    times, of_days = re.fullmatch(r"(.*?)( every day| on .*|, [A-Z].*|)", words).groups()  # type: ignore[union-attr]
    fits = read_days(of_days.removeprefix(", ").strip())
    return read_times(times), lambda day: day.month in in_month and fits(day)


def read_times(words: str) -> Clock:
    whole = range(24)
    if found := re.fullmatch(r"every (?:(\d+) )?(minute|hour)s?(?: from (\d\d):(\d\d) to (\d\d):(\d\d))?", words):
        step = int(found[1] or 1) * (60 if found[2] == "hour" else 1)
        first, last = (
            (int(found[3]) * 60 + int(found[4]), int(found[5]) * 60 + int(found[6])) if found[3] else (0, 1439)
        )
        return {divmod(minute, 60) for minute in range(first, last + 1, step)}
    if found := re.fullmatch(r"at minutes? (.*) of (every hour|hours? (.*))", words):
        hours = [int(hour) for hour in split_list(found[3])] if found[3] else whole
        return {(hour, minute) for hour in hours for minute in read_numbers(found[1])}
    return {(int(time[:2]), int(time[3:])) for time in split_list(words.removeprefix("at "))}


def read_numbers(words: str) -> list[int]:
    if found := re.fullmatch(r"(\d+) to (\d+)", words):
        return list(range(int(found[1]), int(found[2]) + 1))
    return [int(number) for number in split_list(words)]


def read_days(words: str) -> Days:
    if words in ("", "every day"):
        return lambda _: True
    if found := re.fullmatch(r"on ([A-Z].*) that fall (on .*)", words):
        weekdays, of_month = read_days(f"on {found[1]}"), read_days(found[2])
        return lambda day: weekdays(day) and of_month(day)
    if found := re.fullmatch(r"(on (?:days?|the last day) .*of the month) and (.*)", words):
        either = read_days(found[1]), read_days(found[2])
        return lambda day: any(fits(day) for fits in either)
    if found := re.fullmatch(r"on ((?:days?|the last day).*) of the month", words):
        return read_month_days(found[1])
    if found := re.fullmatch(r"on (the .*) of the month", words):
        pairs = [said.removeprefix("the ").rsplit(" ", 1) for said in split_list(found[1])]
        return lambda day: any(is_nth(day, nth, name) for nth, name in pairs)
    if found := re.fullmatch(r"(\w+) to (\w+)", words):
        run = range(WEEK.index(found[1]), WEEK.index(found[2]) + 1)
        return lambda day: day.weekday() in run
    names = {WEEK.index(name.removesuffix("s")) for name in split_list(words.removeprefix("on "))}
    return lambda day: day.weekday() in names


def read_month_days(words: str) -> Days:
    numbers = words.removesuffix("the last day").removesuffix(" and ")
    wanted = read_numbers(re.sub(r"^days? ", "", numbers)) if numbers else []
    last = words.endswith("the last day")
    return lambda day: day.day in wanted or (last and days_until_next_month(day) == 1)


def is_nth(day: date, nth: str, name: str) -> bool:
    of_kind = {"weekday": range(5), "day": range(7)}.get(name) or [WEEK.index(name)]
    first = day.replace(day=1)
    month = [first + timedelta(days=n) for n in range(days_until_next_month(first))]
    fitting = [other for other in month if other.weekday() in of_kind]
    index = -1 if nth == "last" else NTH.index(nth)
    return index < len(fitting) and fitting[index] == day


def told(words: str, start: date, days: int) -> Iterator[tuple[date, int, int]]:
    clock, fits = read_words(words)
    for day in (start + timedelta(days=n) for n in range(days)):
        if fits(day):
            yield from ((day, *time) for time in sorted(clock))


def is_told(timing: Timing, words: str, start: date) -> bool:
    """Whether the words and the occurrences are the same, as far as sixty of them or four years."""
    days, midnight = 1461, at(f"{start}T00:00")
    found = occurrences(timing, after=midnight, until=midnight + timedelta(days=days, seconds=-1), limit=60)
    mine = [(moment.date(), moment.hour, moment.minute) for moment in found]
    return mine == list(islice(told(words, start, days), 60))


def numbers(low: int, high: int, most: int) -> st.SearchStrategy[str]:
    return st.one_of(
        st.just("*"),
        st.integers(2, high).map(lambda step: f"*/{step}"),
        st.lists(st.integers(low, high), min_size=1, max_size=most, unique=True).map(
            lambda some: ",".join(map(str, some))
        ),
        st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda two: f"{two[0]}-{two[1]}"),
        st.tuples(st.integers(low, high), st.integers(1, high)).map(lambda two: f"{two[0]}/{two[1]}"),
    )


REAL_CRON = st.tuples(
    numbers(0, 59, 3),
    numbers(0, 23, 3),
    st.just("*") | numbers(1, 31, 3) | st.sampled_from(["L", "15,L"]),
    st.just("*") | numbers(1, 12, 3),
    st.just("*") | numbers(0, 6, 3) | st.sampled_from(["mon-fri", "5-7", "1#2", "L5", "1#1,L5", "3#5"]),
).map(" ".join)


@settings(max_examples=400, deadline=None)
@given(REAL_CRON, st.booleans(), st.dates(date(2026, 1, 1), date(2028, 12, 31)))
@example("0 9 */1 * 1", True, date(2026, 1, 1))
@example("0 9 1 * 1#2", True, date(2026, 1, 1))
@example("0 9 1 * 0-6", True, date(2026, 1, 1))
@example("0 9 1 * 0-6", False, date(2026, 1, 1))
def test_the_words_of_a_cron_are_never_wrong(expression: str, day_or: bool, start: date) -> None:
    timing = Cron(cron=expression, timezone=HERE, day_or=day_or)
    words = explain(timing, home=HERE)
    assume(not words.startswith("cron `"))
    assert is_told(timing, words, start), words


REAL_RULE = st.one_of(
    st.just("FREQ=DAILY"),
    st.just("FREQ=WEEKLY"),
    st.sampled_from([WEEKDAYS, "MO", "SU,TU", "SA,SU,FR"]).map(lambda days: f"FREQ=WEEKLY;BYDAY={days}"),
    st.sampled_from([WEEKDAYS, "MO,SU"]).map(lambda days: f"FREQ=DAILY;BYDAY={days}"),
    st.sampled_from(["1MO", "-1FR", "5WE", "+2TU"]).map(lambda day: f"FREQ=MONTHLY;BYDAY={day}"),
    st.sampled_from([WEEKDAYS, "FR", f"{WEEKDAYS},SA,SU"]).flatmap(
        lambda days: st.sampled_from([1, 2, 5, -1]).map(lambda n: f"FREQ=MONTHLY;BYDAY={days};BYSETPOS={n}")
    ),
    st.sampled_from(["1", "31", "-1", "15,-1", "1,2,3"]).map(lambda days: f"FREQ=MONTHLY;BYMONTHDAY={days}"),
    st.just("FREQ=MONTHLY"),
)
MORE_RULE = st.sampled_from(["", ";BYHOUR=8", ";BYHOUR=8,12;BYMINUTE=0,30", ";BYMONTH=2,3", ";BYMONTH=12", ";WKST=SU"])


@settings(max_examples=300, deadline=None)
@given(REAL_RULE, MORE_RULE, st.dates(date(2026, 1, 1), date(2027, 12, 31)))
def test_the_words_of_a_rule_are_never_wrong(rule: str, more: str, start: date) -> None:
    timing = ruled(rule + more, HERE, f"{start:%Y%m%d}T000000")
    words = explain(timing, home=HERE)
    assume(not words.startswith("rrule `"))
    assert is_told(timing, words.removesuffix(f", from {start}"), start), words


# ─── cost ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_libraries_are_loaded_only_when_needed() -> None:
    code = (
        "import sys, reconcile.schedule as s\n"
        "heavy = lambda: sorted({'croniter', 'dateutil.rrule', 'tzdata', 'prefect'} & sys.modules.keys())\n"
        "print(heavy())\n"
        f"s.read_spec({cron('30 1 * * *')!r}, {HERE!r})\n"
        "print(heavy())\n"
        f"s.read_spec({rrule('FREQ=DAILY')!r}, {HERE!r})\n"
        "print(heavy())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
    )
    assert done.stdout.split("\n")[:3] == ["[]", "['croniter']", "['croniter', 'dateutil.rrule']"]


@pytest.mark.parametrize(
    "rule", ["FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;BYSETPOS=3", "FREQ=WEEKLY;BYMONTH=2;BYMONTHDAY=31"]
)
def test_a_rule_that_never_fires_is_found_out_within_a_moment(rule: str) -> None:
    """dateutil alone would go through all days up to the year 9999."""
    started = datetime.now(UTC)
    assert "rrule-never-fires" in {fault.code for fault in read_spec(rrule(rule), HERE)[1]}
    assert datetime.now(UTC) - started < timedelta(seconds=2)

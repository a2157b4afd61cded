"""Schedules without the days of a calendar: Prefect's scheduler is asked for two years what it makes of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from small import copy_small
from test_schedule import HERE, MADRID, NEW_YORK, SANTIAGO, at, counted, of_prefect, ours, ruled

from reconcile.desired import Desired, Evidence, desired
from reconcile.layers import entries
from reconcile.model import Cron, RRule, Timing
from reconcile.problem import Fault, Severity
from reconcile.resolve import Place, resolve
from reconcile.schedule import briefly, explain_schedule, read_spec, read_stored, without_days, write_stored
from reconcile.workspace import load

FERIADOS = tuple(
    date.fromisoformat(f"{year}-{day}")
    for year, days in {
        2025: "12-08 12-25",
        2026: "01-01 02-16 02-17 03-24 04-02 04-03 05-01 05-25 06-15 06-20 07-09 08-17 10-12 12-08 12-25",
        2027: "01-01 02-08 02-09 03-24 03-26 04-02 05-01 05-25 06-20 07-09 12-08 12-31",
    }.items()
    for day in days.split()
)

TIMINGS: list[Timing] = [
    Cron(cron="30 8 * * 1-5", timezone=HERE),
    Cron(cron="30 1,13,17 * * *", timezone=HERE),
    Cron(cron="55 23 * * *", timezone=HERE),
    Cron(cron="0 7 1 * *", timezone=HERE),
    Cron(cron="0 9 1,15 * 1", timezone=HERE),
    Cron(cron="0 9 1-7 * 1", timezone=HERE, day_or=False),
    Cron(cron="0 9 1-12 * 1#2", timezone=HERE, day_or=False),
    Cron(cron="0 9 * * mon#1,L5", timezone=HERE),
    Cron(cron="0 22 L * *", timezone=HERE),
    Cron(cron="0 9 */2 * 1", timezone=HERE),
    Cron(cron="0 6 31/2 dec/4 *", timezone=HERE),
    Cron(cron="0 22-2 * * fri-mon", timezone=HERE),
    Cron(cron="0 */3 * * *", timezone=HERE),
    Cron(cron="@weekly", timezone=HERE),
    *(Cron(cron="30 2 * * *", timezone=zone) for zone in (NEW_YORK, MADRID, SANTIAGO)),
    *(Cron(cron="30 0,1 * * *", timezone=zone) for zone in (NEW_YORK, MADRID, SANTIAGO)),
    ruled("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", HERE, "20250101T200000"),
    ruled("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", HERE, "20240101T200000"),
    ruled("FREQ=DAILY;COUNT=600", HERE, "20250601T083000"),
    ruled("FREQ=DAILY;BYHOUR=8,12;BYMINUTE=0\nEXDATE:20261224T080000", HERE, "20260101T000000"),
]


def without(timing: Timing, year: int = 2026, days: tuple[date, ...] = FERIADOS) -> RRule:
    found = without_days(timing, days, year)
    assert isinstance(found, RRule), found
    return found


def spans(timing: Timing, days: int) -> list[tuple[datetime, datetime]]:
    """The two years of the calendar, in parts that Prefect counts out to their end."""
    edges = [at("2026-01-01T00:00", timing.timezone) + timedelta(days=n) for n in range(0, 731, days)]
    return list(pairwise(edges))


def working(moments: list[datetime], timing: Timing) -> list[datetime]:
    zone = at("2026-01-01", timing.timezone).tzinfo
    return [moment for moment in moments if moment.astimezone(zone).date() not in FERIADOS]


@pytest.mark.parametrize("timing", TIMINGS, ids=str)
def test_for_two_years_prefect_runs_it_as_before_but_not_on_those_days(timing: Timing) -> None:
    rule = without(timing)
    found = [(of_prefect(rule, *span), ours(rule, *span), of_prefect(timing, *span)) for span in spans(timing, 73)]
    meant = [working(all_of_them, timing) for _, _, all_of_them in found]
    assert [theirs for theirs, _, _ in found] == meant
    assert [mine for _, mine, _ in found] == meant
    assert any(meant)


@pytest.mark.parametrize("cron", ["*/15 8-20 * * 1-5", "*/20 * * * *"])
def test_more_runs_than_can_be_left_out_one_by_one_are_left_out_by_their_days(cron: str) -> None:
    timing = Cron(cron=cron, timezone=HERE)
    rule = without(timing)
    assert "EXDATE" not in rule.rrule
    assert len(rule.rrule) < 1500
    for day in (*FERIADOS[2::4], date(2026, 3, 25), date(2027, 6, 19), date(2026, 2, 8)):
        span = at(f"{day}T00:00"), at(f"{day}T23:59")
        assert ours(rule, *span) == working(ours(timing, *span), timing)
    span = at("2027-12-29T00:00"), at("2028-01-02T00:00")
    assert of_prefect(rule, *span) == working(of_prefect(timing, *span), timing)


def test_what_is_sent_reads_back_the_same() -> None:
    for timing in (*TIMINGS, Cron(cron="*/5 8-20 * * 1-5", timezone=HERE)):
        rule = without(timing)
        assert read_stored(write_stored(rule)) == rule


def test_the_rule_is_another_one_only_when_a_year_begins_and_means_the_same_then() -> None:
    timing = Cron(cron="30 8 * * 1-5", timezone=HERE)
    old, new = without(timing, 2026), without(timing, 2027)
    assert len(new.rrule) < len(old.rrule)
    span = at("2027-01-01T00:00"), at("2028-06-01T00:00")
    assert ours(old, *span) == ours(new, *span)


@pytest.mark.parametrize(
    ("timing", "days", "expected"),
    [
        (counted(1800, "2026-01-01T00:00", HERE), FERIADOS, "`cron` or an `rrule`"),
        (Cron(cron="0 9 1-12 * 1#2", timezone=HERE), FERIADOS, "n-th weekday"),
        (ruled("FREQ=MINUTELY;INTERVAL=5", HERE, "20260101T000000"), FERIADOS, "6,500 characters"),
        (Cron(cron="* * * * *", timezone=HERE), tuple(date(y, 5, 1) for y in range(2026, 2100)), "6,500 characters"),
    ],
    ids=["interval", "nth", "rule-too-long", "cron-too-long"],
)
def test_what_cannot_be_said_is_refused(timing: Timing, days: tuple[date, ...], expected: str) -> None:
    found = without_days(timing, days, 2026)
    assert isinstance(found, Fault)
    assert (found.at, expected in found.message, bool(found.hint)) == (("except",), True, True)


FIELD = st.sampled_from
CRONS = st.tuples(
    FIELD(["0", "*/20", "5,50", "10-40/15"]),
    FIELD(["9", "*/8", "1,13,17", "8-11"]),
    FIELD(["*", "1", "*/2", "L", "15,L", "8-14", "31", "1-31"]),
    FIELD(["*", "2", "1,7", "4-6", "*/3", "apr,dec"]),
    FIELD(["*", "1-5", "0", "7", "mon#1", "L5", "*/2", "sun,wed"]),
)


@settings(max_examples=60, deadline=None)
@given(CRONS, st.booleans(), st.sampled_from([HERE, NEW_YORK]), st.integers(0, 660))
def test_any_cron_keeps_its_times_but_for_those_days(
    fields: tuple[str, ...], day_or: bool, zone: str, first: int
) -> None:
    timing, faults = read_spec({"cron": " ".join(fields), "day_or": day_or, "timezone": zone}, HERE)
    assume(timing is not None and not faults)
    assert timing is not None
    rule = without_days(timing, FERIADOS, 2026)
    if isinstance(rule, Fault):
        assert "n-th weekday" in rule.message
        return
    start = at("2026-01-01T00:00", zone) + timedelta(days=first)
    span = start, start + timedelta(days=70)
    assert ours(rule, *span) == working(ours(timing, *span), timing)


# ─── for people ──────────────────────────────────────────────────────────────────────────────────────────────────

ONCE = Cron(cron="30 8 * * 1-5", timezone=HERE)
OFTEN = Cron(cron="*/20 * * * *", timezone=HERE)
THREE = (date(2026, 12, 8), date(2026, 12, 25), date(2027, 1, 1))
PATH = "schedules.habiles.rrule"


@pytest.mark.parametrize("timing", [ONCE, OFTEN], ids=str)
def test_a_plan_names_the_days_that_are_others(timing: Timing) -> None:
    days = FERIADOS if timing is OFTEN else THREE
    fewer, more = without(timing, 2026, days[1:]).rrule, without(timing, 2026, days).rrule
    first = min(day for day in days if day.year >= 2026)
    named = {True: "too", False: "no more"}
    if first in days[1:]:  # of the year before: nothing to leave out any more
        assert fewer == more
        fewer = without(timing, 2026, tuple(day for day in days if day != first)).rrule
    count = sum(day.year >= 2026 and _runs_on(timing, day) for day in days)
    assert briefly(PATH, fewer, more) == (f"without {count - 1} days", f"without {count} days: {first} {named[True]}")
    assert briefly(PATH, more, fewer) == (
        f"without {count} days",
        f"without {count - 1} days: {first} {named[False]}",
    )


def _runs_on(timing: Timing, day: date) -> bool:
    return bool(ours(timing, at(f"{day}T00:00"), at(f"{day}T23:59")))


def test_a_rule_that_begins_otherwise_is_shown_with_the_number_of_its_days() -> None:
    before, after = briefly(PATH, without(ONCE, 2026, THREE).rrule, without(ONCE, 2027, THREE).rrule)
    rule = "RRULE:FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=8;BYMINUTE=30 without"
    assert before == f"DTSTART:20260101T000000 {rule} 3 days"
    assert after == f"DTSTART:20270101T000000 {rule} 1 day"


def test_a_rule_within_a_schedule_is_brief_too_and_all_else_stays_as_it_is() -> None:
    rule = without(ONCE, 2026, THREE).rrule
    _, made = briefly("schedules.habiles", None, {"rrule": rule, "timezone": HERE})
    assert (made["rrule"].endswith(" without 3 days"), made["timezone"]) == (True, HERE)
    assert briefly("parameters.rrule", rule, None) == (rule, None)
    assert briefly("schedules.x.cron", "0 1 * * *", None) == ("0 1 * * *", None)
    noon, evening = (f"DTSTART:20260101T000000\nRRULE:FREQ=DAILY\nEXDATE:20261208T{hour}0000" for hour in (12, 20))
    assert briefly(PATH, noon, evening) == (noon, evening)


@given(st.text(), st.text())
def test_no_rule_is_too_odd_to_be_shown(before: str, after: str) -> None:
    for text in (before, f"EXDATE:{before}", f"EXDATE:99999999T000000,{before}", f"EXRULE:{before}"):
        briefly(PATH, text, after)
        briefly(PATH, after, text)


# ─── from the files ──────────────────────────────────────────────────────────────────────────────────────────────


def wanted(root: Path, now: datetime | None) -> Desired:
    repository, problems = load(root)
    assert not problems
    resolved = resolve(repository, entries(repository), Place(root=str(root)))
    unread = dict.fromkeys({code.reads for code in resolved.codes})
    return desired(repository, resolved, Evidence(unreadable=unread, now=now))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A shared schedule with a calendar, which one deployment leaves and another lays over a schedule without one."""
    root = copy_small(tmp_path / "repository")
    shared = root / "deployments" / "shared.yaml"
    text = shared.read_text(encoding="utf-8").replace('"55 23 * * *"}', '"55 23 * * 1-5", except: feriados-ar}')
    days = ", ".join(f'"{day}"' for day in FERIADOS)
    shared.write_text(f"{text}calendars:\n  feriados-ar: {{dates: [{days}]}}\n", encoding="utf-8")
    (root / "deployments" / "ventas" / "prod.yaml").write_text(
        "deployments:\n"
        '  "Todos los días hábiles": {entrypoint: flows/basic.py:basic_flow, schedules: {noche: {}}}\n'
        '  "También en feriados": {entrypoint: flows/basic.py:basic_flow, schedules: {noche: {except: null}}}\n'
        '  "Otro": {entrypoint: flows/basic.py:basic_flow, schedules: {usual-hours: {except: feriados-ar}}}\n'
        '  "Propio": {entrypoint: flows/basic.py:basic_flow, schedules: {noche: {cron: "0 7 * * *"}}}\n',
        encoding="utf-8",
    )
    return root


def schedules_of(found: Desired) -> dict[str, tuple[Timing, str]]:
    deployments = found.state.deployments.values()
    return {
        one.name: (schedule.timing, explain_schedule(schedule)) for one in deployments for schedule in one.schedules
    }


def test_a_schedule_leaves_out_the_calendar_of_the_highest_layer_that_speaks_of_it(root: Path) -> None:
    found = schedules_of(wanted(root, datetime(2026, 11, 22, tzinfo=UTC)))
    noche = Cron(cron="55 23 * * 1-5", timezone=HERE)
    assert found["Todos los días hábiles"] == (
        without(noche),
        "at 23:55, Monday to Friday, Buenos Aires time, except feriados-ar",
    )
    assert found["También en feriados"] == (noche, "at 23:55, Monday to Friday, Buenos Aires time")
    usual = without(Cron(cron="30 1,13,17 * * *", timezone=HERE))
    assert found["Otro"] == (usual, "at 01:30, 13:30 and 17:30 every day, Buenos Aires time, except feriados-ar")
    assert found["Propio"] == (Cron(cron="0 7 * * *", timezone=HERE), "at 07:00 every day, Buenos Aires time")


def test_a_later_day_of_the_year_changes_nothing(root: Path) -> None:
    first, last = datetime(2026, 1, 1, 3, tzinfo=UTC), datetime(2027, 1, 1, 2, 59, tzinfo=UTC)
    assert wanted(root, first).state == wanted(root, last).state
    assert wanted(root, last).state != wanted(root, last + timedelta(minutes=1)).state


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("2027-10-31T12:00", None),
        ("2027-11-01T12:00", "ends on 2027-12-31, in 60 days"),
        ("2027-12-30T12:00", "ends on 2027-12-31, in 1 day;"),
        ("2028-01-01T12:00", "ended on 2027-12-31"),
    ],
)
def test_the_end_of_a_calendar_is_told_sixty_days_before(root: Path, now: str, words: str | None) -> None:
    problems = wanted(root, at(now)).problems
    found = [one for one in problems if one.code == "calendar-ending"]
    assert [(one.severity, words is not None and words in one.message) for one in found] == (
        [] if words is None else [(Severity.WARNING, True)]
    )

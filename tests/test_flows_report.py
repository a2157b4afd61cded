"""The periodic report without a server: what it counts, what it says, what the page is made of."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any, Final
from uuid import UUID

import pytest
from report_rows import run_row, said

from flows.monitoring import page, words
from flows.monitoring.failures import LISTED, MESSAGE, NAME, ZONE, Gathering, Kind, Origin, Period, Report, clean

END: Final = datetime(2026, 11, 22, 23, 55, tzinfo=ZONE)
DAY: Final = Period(start=END - timedelta(days=1), end=END)
WEEK: Final = Period(start=END - timedelta(days=7), end=END)
NOON: Final = datetime(2026, 11, 22, 12, 30, tzinfo=ZONE)
HOSTILE: Final = (
    "<script>alert('x')</script>\"><img src=x onerror=alert(1)>&amp;\u202eoculto\x00\r\nBcc: otro@x.example"
)


def gather(*rows: dict[str, Any], period: Period = DAY, late_before: int = 0) -> Report:
    gathering = Gathering(period)
    for row in rows:
        gathering.add(row)
    return gathering.report(late_before=late_before)


def sheet(report: Report, **changed: Any) -> words.Sheet:
    origins = {key: Origin(deployment=f"Despliegue {key[-2:]}", flow="flujo") for key in report.shown_origins}
    known = {"report": report, "origins": origins, "ui": "http://prefect.example:4200", "written": END}
    return words.Sheet(**{**known, **changed})


# What is counted


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("Failed", Kind.FAILED),
        ("TimedOut", Kind.FAILED),
        ("Crashed", Kind.CRASHED),
        ("Cancelled", Kind.CANCELLED),
        ("Late", Kind.LATE),
    ],
)
def test_each_kind_of_failure_is_counted(state: str, kind: Kind) -> None:
    report = gather(run_row(1, state, NOON), run_row(2, "Completed", NOON))
    assert report.all.failures == {kind: 1}
    assert (report.all.total, report.all.failed) == (2, 1)


def test_a_state_with_a_name_of_its_own_is_judged_by_its_type() -> None:
    row = {**run_row(1, "Failed", NOON), "state_name": "Sin stock"}
    assert gather(row).all.failures == {Kind.FAILED: 1}


def test_a_run_that_waits_or_went_well_is_no_failure() -> None:
    assert gather(run_row(1, "Scheduled", NOON), run_row(2, "Completed", NOON)).all.failed == 0


def test_a_run_that_two_pages_tell_is_counted_once() -> None:
    late = run_row(7, "Late", NOON)
    assert gather(late, run_row(7, "Failed", NOON), late).all.total == 1


def test_a_subflow_is_told_by_its_parent_but_a_deployment_that_a_flow_started_counts() -> None:
    parent = str(UUID(int=5))
    subflow = run_row(1, "Failed", NOON, parent_task_run_id=parent, deployment_id=None)
    started = run_row(2, "Failed", NOON, parent_task_run_id=parent)
    assert [run.id for run in gather(subflow, started).latest] == [started["id"]]


@pytest.mark.parametrize(
    ("at", "counts"), [(DAY.start, 1), (DAY.start - timedelta(seconds=1), 0), (DAY.end, 0), (END - timedelta(0, 1), 1)]
)
def test_a_failure_belongs_to_one_report_only(at: datetime, counts: int) -> None:
    assert gather(run_row(1, "Failed", at)).all.failed == counts
    after = Period(start=DAY.end, end=DAY.end + timedelta(days=1))
    before = Period(start=DAY.start - timedelta(days=1), end=DAY.start)
    assert sum(gather(run_row(1, "Failed", at), period=one).all.failed for one in (before, DAY, after)) == 1


@pytest.mark.parametrize(
    ("tags", "pool", "area"),
    [
        (["x", "managed-by:p/compras/prod"], "compras-prod", "compras · prod"),
        (["managed-by:p/compras/dev"], None, "compras · dev"),
        (["managed-by:p/compras"], "compras-prod", "pool compras-prod"),
        (["managed-by:p//prod"], "compras-prod", "pool compras-prod"),
        ([], "viejo", "pool viejo"),
        ([], None, "sin pool"),
    ],
)
def test_the_area_is_that_of_the_mark_or_else_the_pool(tags: list[str], pool: str | None, area: str) -> None:
    report = gather(run_row(1, "Failed", NOON, tags=tags, work_pool_name=pool))
    assert [name for name, _ in report.areas] == [area]


def test_areas_and_offenders_come_worst_first() -> None:
    rows = [run_row(n, "Failed", NOON, tags=[], work_pool_name="b", deployment_id="d1") for n in range(1, 3)]
    rows += [run_row(n, "Crashed", NOON, tags=[], work_pool_name="a", deployment_id="d2") for n in range(3, 6)]
    rows += [run_row(n, "Completed", NOON, tags=[], work_pool_name="c", deployment_id="d3") for n in range(6, 20)]
    report = gather(*rows)
    assert [(name, tally.failed) for name, tally in report.areas] == [("pool a", 3), ("pool b", 2)]
    assert [(key, tally.failed) for key, _, tally in report.offenders] == [("d2", 3), ("d1", 2)]


def test_durations_are_those_of_runs_that_ran() -> None:
    rows = [run_row(n, "Failed", NOON, total_run_time=n * 10.0) for n in (1, 2, 3)]
    report = gather(*rows, run_row(4, "Late", NOON), run_row(5, "Cancelled", NOON, total_run_time=0))
    assert (report.all.mean, report.all.longest) == (20.0, 30.0)
    assert [run.seconds for run in report.longest] == [30.0, 20.0, 10.0]


def test_the_latest_failures_are_listed_latest_first_and_the_rest_counted() -> None:
    rows = [run_row(n, "Failed", NOON + timedelta(seconds=n)) for n in range(1, 101)]
    random.Random(3).shuffle(rows)
    report = gather(*rows)
    assert [run.name for run in report.latest] == [f"corrida-{n}" for n in range(100, 100 - LISTED, -1)]
    assert "Y 80 fallas anteriores en el período." in words.text(sheet(report))


def test_the_order_of_the_rows_changes_nothing() -> None:
    states = ("Failed", "Crashed", "Cancelled", "Late", "Completed")
    rows = [run_row(n, states[n % 5], NOON - timedelta(minutes=n % 9), total_run_time=float(n % 7)) for n in range(300)]
    first = gather(*rows)
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        again = gather(*rows)
        assert page.html(sheet(again)) == page.html(sheet(first))


def test_a_day_has_a_column_an_hour_and_a_week_a_column_a_day() -> None:
    report = gather(run_row(1, "Failed", DAY.start), run_row(2, "Failed", END - timedelta(seconds=1)))
    assert [sum(one.values()) for one in report.moments] == [1, *[0] * 22, 1]
    report = gather(run_row(1, "Failed", NOON), period=WEEK)
    assert [sum(one.values()) for one in report.moments] == [0] * 6 + [1]
    assert "lun 16" in page.html(sheet(report))


def test_times_are_those_of_buenos_aires() -> None:
    at = datetime(2026, 11, 22, 2, 30, tzinfo=UTC)
    assert "sáb 21/11 23:30" not in words.text(sheet(gather(run_row(1, "Failed", at))))
    report = gather(run_row(1, "Failed", at), period=WEEK)
    assert "sáb 21/11 23:30" in words.text(sheet(report))


# What it says


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, "—"),
        (0.04, "0,0 s"),
        (4.25, "4,2 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations_in_words(seconds: float | None, told: str) -> None:
    assert words.duration(seconds).replace("\u00a0", " ") == told


@pytest.mark.parametrize(
    ("part", "whole", "told"),
    [
        (0, 0, "0 %"),
        (0, 9, "0 %"),
        (9, 9, "100 %"),
        (1, 9000, "menos de 0,1 %"),
        (8999, 9000, "99,9 %"),
        (1, 3, "33,3 %"),
    ],
)
def test_shares_never_say_nothing_of_something_nor_all_of_less(part: int, whole: int, told: str) -> None:
    assert words.percent(part, whole).replace("\u00a0", " ") == told


def test_numbers_are_written_as_in_argentina() -> None:
    assert words.number(1234567.89, 1) == "1.234.567,9"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "Prefect: ninguna ejecución en el reporte del día (22/11/2026)"),
        (["Completed"], "Prefect: sin fallas en el reporte del día (22/11/2026)"),
        (["Failed"], "Prefect: 1 falla en el reporte del día (22/11/2026)"),
        (["Failed", "Late"], "Prefect: 2 fallas en el reporte del día (22/11/2026)"),
    ],
)
def test_the_subject_tells_it_all(rows: list[str], told: str) -> None:
    report = gather(*(run_row(n, state, NOON) for n, state in enumerate(rows, start=1)))
    assert words.subject(report) == told
    assert words.subject(gather(period=WEEK)).startswith("Prefect: ninguna ejecución en el reporte de la semana")


def test_runs_late_from_before_are_told() -> None:
    told = sheet(gather(late_before=3))
    assert "Siguen 3 atrasadas de antes del período." in words.text(told)
    assert "Siguen 3 atrasadas de antes del período." in page.html(told)
    assert "Sigue 1 atrasada de antes" in words.text(sheet(gather(late_before=1)))


def test_a_deployment_that_was_deleted_and_a_flow_without_one_are_told() -> None:
    report = gather(run_row(1, "Failed", NOON), run_row(2, "Failed", NOON, deployment_id=None))
    flow_id = run_row(2, "Failed", NOON)["flow_id"]
    told = words.text(sheet(report, origins={flow_id: Origin(deployment=None, flow="prueba")}))
    assert "despliegue borrado" in told
    assert "prueba (sin despliegue, compras · prod)" in told


def test_a_password_in_an_address_is_left_out() -> None:
    row = run_row(1, "Failed", NOON, state=said("no conecta: mssql://sa:secretísima@srv-sql/softland"))
    for told in (words.text(sheet(gather(row))), page.html(sheet(gather(row)))):
        assert "secretísima" not in told
        assert "srv-sql/softland" in told


# What the page is made of


class _Page(HTMLParser):
    """The tags of a page, whether they close in order, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def full_report() -> Report:
    states = ("Failed", "Crashed", "Cancelled", "Late", "Completed", "TimedOut")
    rows = [run_row(n, states[n % 6], NOON - timedelta(minutes=n), state=said("se cortó")) for n in range(1, 600)]
    return gather(*rows, late_before=2)


def test_the_page_has_only_what_mail_programs_show() -> None:
    tags = _Page(page.html(sheet(full_report()))).tags
    names = {tag for tag, _ in tags}
    assert names <= {"html", "head", "meta", "title", "body", "table", "tr", "td", "div", "span", "a", "b"}
    addresses = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert len(addresses) > 30
    assert all(address and address.startswith("http://prefect.example:4200/") for address in addresses)
    assert not any("class" in attributes or "src" in attributes for _, attributes in tags)


def test_every_listed_failure_links_to_its_run() -> None:
    report = full_report()
    links = {attributes.get("href") for tag, attributes in _Page(page.html(sheet(report))).tags if tag == "a"}
    assert {f"http://prefect.example:4200/runs/flow-run/{run.id}" for run in report.latest} <= links
    assert {f"http://prefect.example:4200/deployments/deployment/{key}" for key, _, _ in report.offenders} <= links


def test_without_an_address_of_the_ui_there_is_no_link() -> None:
    told = sheet(full_report(), ui=None)
    assert "<a " not in page.html(told)
    assert "http" not in words.text(told)


def test_hostile_names_are_text_and_nothing_else() -> None:
    row = run_row(
        1, "Failed", NOON, name=HOSTILE, tags=[f"managed-by:p/{HOSTILE.replace('/', '')}/x"], state=said(HOSTILE)
    )
    report = gather(row)
    origins = {row["deployment_id"]: Origin(deployment=HOSTILE, flow=HOSTILE)}
    parsed = _Page(page.html(sheet(report, origins=origins)))
    assert not {"script", "img"} & {tag for tag, _ in parsed.tags}
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    assert any("<script>alert('x')</script>" in text for text in parsed.text)
    listed = report.latest[0]
    for text in (listed.name, listed.message, listed.area):
        assert not set(text) & set("\u202e\x00\r\n")


def test_long_names_are_cut() -> None:
    assert clean("x" * 500, NAME) == "x" * (NAME - 1) + "…"
    report = gather(run_row(1, "Failed", NOON, name="n" * 3000, state=said("m" * 10**6)))
    assert (len(report.latest[0].name), len(report.latest[0].message)) == (NAME, MESSAGE)


def test_the_fullest_page_is_not_cut_off_by_mail_programs() -> None:
    """They cut at 102 kB. Names and messages are as long as they can be."""
    rows = []
    for n in range(1, 2000):
        deployment, area = str(UUID(int=n % 60 + 10**6)), "á" * 40 + str(n % 50)
        state = ("Failed", "Crashed", "Cancelled", "Late")[n % 4]
        tags = [f"managed-by:p/{area}/prod"]
        rows.append(run_row(n, state, NOON, name="ñ" * 200, deployment_id=deployment, tags=tags, state=said("ó" * 400)))
    report = gather(*rows, period=WEEK)
    origins = {key: Origin(deployment="é" * NAME, flow="í" * NAME) for key in report.shown_origins}
    assert len(page.html(sheet(report, origins=origins)).encode()) < 102_000


def test_the_widths_of_every_bar_come_to_a_hundred() -> None:
    drawn = page.html(sheet(full_report()))
    bars = re.findall(r"<tr>((?:<td width=\"\d+%\" height[^>]*>&nbsp;</td>){2,})</tr>", drawn)
    assert len(bars) > 10
    for bar in bars:
        assert sum(int(width) for width in re.findall(r'<td width="(\d+)%"', bar)) == 100


@pytest.mark.parametrize("report", [gather(), gather(run_row(1, "Completed", NOON)), gather(run_row(1, "Late", NOON))])
def test_little_to_tell_is_a_page_too(report: Report) -> None:
    parsed = _Page(page.html(sheet(report)))
    told = " ".join(parsed.text)
    assert ("Sin fallas" in told) == (report.all.failed == 0 and report.all.total > 0)
    assert ("Sin ejecuciones" in told) == (report.all.total == 0)
    assert words.text(sheet(report)).startswith("Reporte diario de fallas\n")

"""The report in words, in Spanish as its readers: sentences, numbers and times, and all of it as plain text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from flows.monitoring.failures import ZONE, Kind, Origin, Report, Run, Tally

LABELS: Final = {
    Kind.FAILED: ("fallida", "fallidas"),
    Kind.CRASHED: ("caída", "caídas"),
    Kind.CANCELLED: ("cancelada", "canceladas"),
    Kind.LATE: ("atrasada", "atrasadas"),
}
DAYS: Final = ("lun", "mar", "mié", "jue", "vie", "sáb", "dom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A report, and what is needed to show it."""

    report: Report
    origins: Mapping[str, Origin]
    ui: str | None
    """The address of Prefect's UI; without it there are no links."""
    written: datetime

    def origin(self, run_or_id: Run | str) -> tuple[str, str]:
        """The name of a deployment and that of its flow."""
        key = run_or_id if isinstance(run_or_id, str) else run_or_id.origin
        found = self.origins.get(key)
        if found is None:
            return "despliegue borrado", ""
        return found.deployment or found.flow or "", (found.flow or "") if found.deployment else "sin despliegue"


def subject(report: Report) -> str:
    """The line that an inbox shows."""
    word = {1: "del día", 7: "de la semana"}.get(report.period.days, f"de {report.period.days} días")
    day = f"{report.period.end.astimezone(ZONE):%d/%m/%Y}"
    if not report.all.total:
        return f"Prefect: ninguna ejecución en el reporte {word} ({day})"
    if not report.all.failed:
        return f"Prefect: sin fallas en el reporte {word} ({day})"
    return f"Prefect: {plural(report.all.failed, 'falla', 'fallas')} en el reporte {word} ({day})"


def number(value: float, decimals: int = 0) -> str:
    """As it is written in Argentina: 1.234,5"""
    return f"{value:,.{decimals}f}".translate(str.maketrans(",.", ".,"))


def plural(count: int, one: str, many: str) -> str:
    """1 falla, 2 fallas."""
    return f"{number(count)} {one if count == 1 else many}"


def percent(part: int, whole: int) -> str:
    """A share that says 0 and 100 only of nothing and all."""
    if not whole:
        return "0\u00a0%"
    share = 100 * part / whole
    if part and share < 0.1:
        return "menos de 0,1\u00a0%"
    shown = min(share, 99.9) if part < whole else share
    return f"{number(shown, 0 if shown in {0, 100} else 1)}\u00a0%"


def duration(seconds: float | None) -> str:
    """2 h 05 min, 3 min 20 s, 4,2 s; with spaces that no line is broken at."""
    if seconds is None:
        return "—"
    if seconds < 9.95:
        return f"{number(seconds, 1)}\u00a0s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}\u00a0s"
    if whole < 3600:
        return f"{whole // 60}\u00a0min\u00a0{whole % 60:02}\u00a0s"
    minutes = round(whole / 60)
    if minutes < 48 * 60:
        return f"{number(minutes // 60)}\u00a0h\u00a0{minutes % 60:02}\u00a0min"
    return f"{number(minutes // 1440)}\u00a0d\u00a0{minutes % 1440 // 60}\u00a0h"


def moment(at: datetime) -> str:
    """sáb 21/11 23:55."""
    there = at.astimezone(ZONE)
    return f"{DAYS[there.weekday()]} {there:%d/%m %H:%M}"


def title(report: Report) -> str:
    return {1: "Reporte diario de fallas", 7: "Reporte semanal de fallas"}.get(report.period.days, "Reporte de fallas")


def span(report: Report) -> str:
    return f"{moment(report.period.start)} a {moment(report.period.end)}, hora de Buenos Aires"


def summary(report: Report) -> str:
    """The period in a sentence."""
    tally = report.all
    if not tally.total:
        return "No terminó ninguna ejecución en el período."
    ended = f"{plural(tally.total, 'ejecución', 'ejecuciones')} en el período"
    if not tally.failed:
        return f"{ended}, sin fallas."
    return f"{ended}: {plural(tally.failed, 'falla', 'fallas')} ({percent(tally.failed, tally.total)})."


def late_before(report: Report) -> str:
    count = report.late_before
    if not count:
        return ""
    return f"{'Sigue' if count == 1 else 'Siguen'} {plural(count, 'atrasada', 'atrasadas')} de antes del período."


def kinds(failures: Counter[Kind]) -> str:
    return ", ".join(plural(failures[kind], *LABELS[kind]) for kind in Kind if failures[kind])


def times(tally: Tally) -> str:
    """How long its runs took."""
    if not tally.timed:
        return "no llegó a correr"
    return f"media {duration(tally.mean)}, máx.\u00a0{duration(tally.longest)}"


def rest_of_failures(report: Report) -> str:
    rest = report.all.failed - len(report.latest)
    return f"Y {plural(rest, 'falla anterior', 'fallas anteriores')} en el período." if rest > 0 else ""


def rest_of_offenders(report: Report) -> str:
    rest = report.origins_failing - len(report.offenders)
    return f"Y {plural(rest, 'despliegue más', 'despliegues más')} con fallas." if rest > 0 else ""


# Plain text


def text(sheet: Sheet) -> str:
    """The report for programs and people that do without HTML."""
    report = sheet.report
    blocks = [
        [title(report), span(report)],
        [line for line in (summary(report), kinds(report.all.failures), late_before(report)) if line],
        _text_block("POR ÁREA", [_text_area(area, tally) for area, tally in report.areas]),
        _text_block(
            "LO QUE MÁS FALLA", [_text_offender(sheet, one) for one in report.offenders], rest_of_offenders(report)
        ),
        _text_block("LAS EJECUCIONES MÁS LARGAS", [_text_long(sheet, run) for run in report.longest]),
        _text_block("ÚLTIMAS FALLAS", [_text_run(sheet, run) for run in report.latest], rest_of_failures(report)),
        ["-- ", *footer(sheet)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _text_block(title: str, lines: Sequence[str], rest: str = "") -> list[str]:
    return [title, *(f"  {line}" for line in lines), *([f"  {rest}"] if rest else [])] if lines else []


def _text_area(area: str, tally: Tally) -> str:
    return f"{area}: {number(tally.failed)} de {number(tally.total)} ({kinds(tally.failures)})"


def _text_offender(sheet: Sheet, offender: tuple[str, str, Tally]) -> str:
    origin, area, tally = offender
    name, of = sheet.origin(origin)
    where = ", ".join(part for part in (of, area) if part)
    counts = f"{number(tally.failed)} de {number(tally.total)}; {kinds(tally.failures)}"
    return f"{name} ({where}): {counts}; {times(tally)}"


def _text_long(sheet: Sheet, run: Run) -> str:
    return f"{duration(run.seconds)}: {sheet.origin(run)[0]}, {run.name} ({moment(run.at)})"


def _text_run(sheet: Sheet, run: Run) -> str:
    kind = LABELS[run.kind][0] if run.kind else ""
    lines = [f"{moment(run.at)}  {kind}  {sheet.origin(run)[0]}, {run.name}, {duration(run.seconds)}"]
    lines += [f"    {part}" for part in (run.message, run_address(sheet, run)) if part]
    return "\n  ".join(lines)


def run_address(sheet: Sheet, run: Run) -> str:
    return f"{sheet.ui}/runs/flow-run/{run.id}" if sheet.ui else ""


def footer(sheet: Sheet) -> list[str]:
    at = f"Escrito el {moment(sheet.written)} por el flujo periodic-report de Prefect."
    return [at, *([f"Interfaz de Prefect: {sheet.ui}"] if sheet.ui else [])]

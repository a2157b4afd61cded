"""The report as a page of HTML that mail programs show.

They know tables, background colours and styles written in the tags, and little else: no style sheets, no SVG, no
scripts, no images that have to be fetched. Bars are cells whose widths are percentages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from flows.monitoring import words
from flows.monitoring.failures import ZONE, Kind, Report, Run, Tally

COLOURS: Final = {
    Kind.FAILED: "#d13438",
    Kind.CRASHED: "#e07b24",
    Kind.CANCELLED: "#7a869a",
    Kind.LATE: "#d9a514",
}
GOOD: Final = "#2e9e6b"
INK, QUIET, LINE, TRACK, BACK, HEAD = "#1d2733", "#667085", "#e6e9ee", "#eef1f5", "#f2f4f7", "#16324f"

FONT: Final = "font-family:'Segoe UI',Helvetica,Arial,sans-serif"
COLUMN: Final = 64
"""Pixels of the highest column."""
BOLD: Final = ";font-weight:600"


def html(sheet: words.Sheet) -> str:
    """The report as a page."""
    report = sheet.report
    parts = [
        _header(report),
        _figures(report),
        _section("Cuándo", _columns(report)) if report.all.failed else "",
        _section("Por área", _areas(report)) if report.areas else "",
        _section("Lo que más falla", _offenders(sheet)) if report.offenders else "",
        _section("Últimas fallas", _failures(sheet)) if report.latest else "",
        _section("Las ejecuciones más largas", _longest(sheet)) if report.longest else "",
        _end(sheet),
    ]
    return _page(words.subject(report), words.summary(report), "".join(parts))


def _page(title: str, preview: str, body: str) -> str:
    hidden = (
        f'<div style="display:none;max-height:0;overflow:hidden;font-size:1px;color:{BACK}">{escape(preview)}</div>'
    )
    outer = f'style="background-color:{BACK};{FONT};color:{INK}"'
    return f"""<!DOCTYPE html>
<html lang="es">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>{escape(title)}</title>
</head>
<body style="margin:0;padding:0;background-color:{BACK}">
{hidden}
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" bgcolor="{BACK}" {outer}>
<tr><td align="center" style="padding:12px 4px">
<table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0" bgcolor="#ffffff"
 style="width:100%;max-width:600px;background-color:#ffffff;border:1px solid {LINE};border-radius:8px;overflow:hidden">
{body}
</table>
</td></tr>
</table>
</body>
</html>
"""


def _line(content: str, size: int, colour: str = INK, more: str = "") -> str:
    """A line of text, or several."""
    style = f"font-size:{size}px;line-height:{size + 6}px;color:{colour};word-break:break-word{more}"
    return f'<div style="{style}">{content}</div>'


def _row(content: str, style: str, colour: str = "#ffffff") -> str:
    return f'<tr><td bgcolor="{colour}" style="background-color:{colour};{FONT};{style}">{content}</td></tr>\n'


def _header(report: Report) -> str:
    colour = HEAD
    title = _line(words.title(report), 21, "#ffffff", BOLD)
    span = _line(escape(words.span(report)), 13, "#c9d6e4")
    return _row(title + span, "padding:22px 20px 20px 20px", colour)


def _section(title: str, content: str) -> str:
    heading = _line(title, 15, INK, f"{BOLD};padding-bottom:10px")
    return _row(heading + content, f"padding:20px 20px 16px 20px;border-top:1px solid {LINE}")


def _table(rows: Iterable[str], *, fixed: bool = False) -> str:
    layout = ";table-layout:fixed" if fixed else ""
    inner = "".join(f"<tr>{row}</tr>" for row in rows)
    opening = '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"'
    return f'{opening} style="width:100%;border-collapse:collapse{layout}">{inner}</table>\n'


def _cell(content: str, style: str = "", attributes: str = "") -> str:
    return f'<td {attributes} style="{FONT};{style}">{content}</td>'


def _figures(report: Report) -> str:
    cells = [_figure(report.all.failures[kind], *words.LABELS[kind], COLOURS[kind]) for kind in Kind]
    figures = _table(["".join(cells)], fixed=True) if report.all.failed else ""
    good = _line("Sin fallas", 18, GOOD, BOLD) if report.all.total else _line("Sin ejecuciones", 18, QUIET, BOLD)
    sentence = _line(escape(words.summary(report)), 14, INK, ";padding-top:14px")
    late = words.late_before(report)
    more = _line(escape(late), 13, QUIET) if late else ""
    bar = _bar(_parts(report.all), 10) if report.all.total else ""
    return _row((figures or good) + sentence + more + f'<div style="padding-top:10px">{bar}</div>', "padding:20px")


def _figure(count: int, one: str, many: str, colour: str) -> str:
    shade = colour if count else "#b4bcc8"
    size = 28 if count < 10_000 else 20
    figure = _line(words.number(count), size, shade, BOLD)
    label = _line(one if count == 1 else many, 11, QUIET)
    return _cell(
        figure + label, f"width:25%;border-left:3px solid {shade};padding:0 0 0 7px", 'width="25%" valign="top"'
    )


def _parts(tally: Tally) -> list[tuple[int, str]]:
    """The kinds of failure, and what went well."""
    return [*((tally.failures[kind], COLOURS[kind]) for kind in Kind), (tally.total - tally.failed, GOOD)]


def _bar(parts: Sequence[tuple[int, str]], height: int, whole: int | None = None) -> str:
    """A bar of coloured cells; with `whole` it reaches as far as its share of that."""
    shares = _shares([count for count, _ in parts], whole or sum(count for count, _ in parts))
    cells = [(share, colour) for share, (_, colour) in zip(shares, parts, strict=True) if share]
    rest = 100 - sum(shares)
    if rest > 0:
        cells.append((rest, TRACK))
    drawn = "".join(_fill(colour, height, f"{share}%") for share, colour in cells)
    return _table([drawn], fixed=True)


def _fill(colour: str, height: int, width: str = "100%") -> str:
    """A cell that is nothing but its colour."""
    line = min(height, 8)  # no mail program makes it higher for the sake of the space in it
    style = f"width:{width};height:{height}px;line-height:{line}px;font-size:1px;background-color:{colour}"
    return f'<td width="{width}" height="{height}" bgcolor="{colour}" style="{style}">&nbsp;</td>'


def _shares(counts: Sequence[int], whole: int) -> list[int]:
    """Whole percentages; what is there is seen, however little, at the cost of the largest."""
    shares = [max(1, int(100 * count / whole)) if count else 0 for count in counts]
    if not shares or not sum(counts):
        return shares
    target = max(1, round(100 * sum(counts) / whole))
    largest = max(range(len(shares)), key=lambda index: shares[index])
    shares[largest] = max(1, shares[largest] + target - sum(shares))
    return shares


def _columns(report: Report) -> str:
    """The failures over time, as columns."""
    highest = max(sum(one.values()) for one in report.moments)
    width = f"{100 / len(report.moments):.2f}%"
    columns = [_column(one, highest, width) for one in report.moments]
    labels = [
        _cell(
            label,
            f"font-size:10px;line-height:14px;color:{QUIET};padding-top:4px;white-space:nowrap",
            f'align="left" {span}',
        )
        for label, span in _labels(report)
    ]
    peak = words.plural(highest, "falla", "fallas")
    span = "una hora" if report.period.days == 1 else "un día"
    note = _note(f"Máximo: {peak} en {span}.")
    return _table(["".join(columns), "".join(labels)], fixed=True) + note


def _column(failures: Counter[Kind], highest: int, width: str) -> str:
    """A cell with a stack of cells at its foot."""
    pieces = [
        (max(2, round(COLUMN * failures[kind] / highest)), COLOURS[kind]) for kind in reversed(Kind) if failures[kind]
    ]
    rows = [_fill(colour, height) for height, colour in pieces or [(2, TRACK)]]
    style = f"width:{width};height:{COLUMN + 8}px;vertical-align:bottom;padding:0 1px"
    return f'<td width="{width}" height="{COLUMN + 8}" valign="bottom" style="{style}">{_table(rows)}</td>'


def _labels(report: Report) -> list[tuple[str, str]]:
    """What stands under the columns: every sixth hour where it begins, or the day that is most of the column."""
    start, columns = report.period.start.astimezone(ZONE), len(report.moments)
    span = (report.period.end - report.period.start) / columns
    if report.period.days == 1:
        return [
            (f"{start + span * index:%H:%M}", f'colspan="{min(6, columns - index)}"') for index in range(0, columns, 6)
        ]
    middles = [start + span * (index + 0.5) for index in range(columns)]
    return [(f"{words.DAYS[at.weekday()]} {at.day}", "") for at in middles]


def _areas(report: Report) -> str:
    most = max(tally.failed for _, tally in report.areas)
    rows = []
    for area, tally in report.areas:
        top = _two(escape(area), _share(tally), 13)
        rows.append(_cell(top + _bar(_parts(tally)[:-1], 10, most), "padding:0 0 8px 0"))
    return _table(rows) + _legend(report)


def _share(tally: Tally) -> str:
    return f'<b>{words.number(tally.failed)}</b> <span style="color:{QUIET}">de {words.number(tally.total)}</span>'


def _legend(report: Report) -> str:
    shown = [kind for kind in Kind if report.all.failures[kind]]
    marks = [_mark(COLOURS[kind], words.LABELS[kind][1]) for kind in shown]
    return _line(" &nbsp; ".join(marks), 12, QUIET, ";padding-top:8px")


def _offenders(sheet: words.Sheet) -> str:
    report = sheet.report
    most = max(tally.failed for _, _, tally in report.offenders)
    rows = []
    for origin, area, tally in report.offenders:
        name, of = sheet.origin(origin)
        top = _two(f"<b>{_origin_link(sheet, origin, name)}</b>", _share(tally), 14)
        below = escape(" · ".join(part for part in (of, area, words.times(tally)) if part))
        bar = _bar(_parts(tally)[:-1], 6, most)
        rows.append(_cell(top + bar + _line(below, 12, QUIET, ";padding-top:3px"), "padding:0 0 12px 0"))
    return _table(rows) + _note(words.rest_of_offenders(report))


def _origin_link(sheet: words.Sheet, origin: str, name: str) -> str:
    found = sheet.origins.get(origin)
    if not sheet.ui or found is None:
        return escape(name)
    path = "deployments/deployment" if found.deployment else "flows/flow"
    return _link(f"{sheet.ui}/{path}/{origin}", name)


def _link(address: str, told: str) -> str:
    return f'<a href="{escape(address)}" style="color:#0b5cad;text-decoration:none">{escape(told)}</a>'


def _two(left: str, right: str, size: int, colour: str = INK) -> str:
    """Something at the left edge, something at the right one."""
    style = f"font-size:{size}px;line-height:{size + 6}px;color:{colour};padding:1px 0 3px 0"
    one = _cell(left, f"{style};word-break:break-word", 'align="left" valign="top"')
    other = _cell(right, f"{style};padding-left:10px;white-space:nowrap", 'align="right" valign="top"')
    return _table([one + other])


def _failures(sheet: words.Sheet) -> str:
    rows = [
        _cell(_failure(sheet, run), f"padding:9px 0 9px 10px;border-left:3px solid {_colour(run)}")
        for run in sheet.report.latest
    ]
    spaced = [
        part
        for row in rows
        for part in (row, '<td height="8" style="height:8px;line-height:8px;font-size:1px">&nbsp;</td>')
    ]
    return _table(spaced[:-1]) + _note(words.rest_of_failures(sheet.report))


def _failure(sheet: words.Sheet, run: Run) -> str:
    name, _ = sheet.origin(run)
    kind = words.LABELS[run.kind][0] if run.kind else ""
    top = _two(f"<b>{escape(name)}</b>", escape(words.moment(run.at)), 13)
    told = _link(words.run_address(sheet, run), run.name) if sheet.ui else escape(run.name)
    ran = f" · {words.duration(run.seconds)}" if run.seconds is not None else ""
    middle = _line(f'<b style="color:{_colour(run)}">{kind}</b> · {told}{ran} · {escape(run.area)}', 12, QUIET)
    message = _line(escape(run.message), 12, INK, ";padding-top:2px") if run.message else ""
    return top + middle + message


def _colour(run: Run) -> str:
    return COLOURS[run.kind] if run.kind else GOOD


def _longest(sheet: words.Sheet) -> str:
    most = max(run.seconds or 0 for run in sheet.report.longest)
    rows = []
    for run in sheet.report.longest:
        told = _link(words.run_address(sheet, run), run.name) if sheet.ui else escape(run.name)
        top = _two(
            f'{escape(sheet.origin(run)[0])} <span style="color:{QUIET}">·</span> {told}',
            f"<b>{words.duration(run.seconds)}</b>",
            13,
        )
        share = max(1, round(1000 * (run.seconds or 0) / most))
        rows.append(_cell(top + _bar([(share, _colour(run))], 6, 1000), "padding:0 0 10px 0"))
    return _table(rows)


def _mark(colour: str, told: str) -> str:
    return f'<span style="white-space:nowrap"><span style="color:{colour}">&#9632;</span> {told}</span>'


def _note(told: str) -> str:
    return _line(escape(told), 12, QUIET, ";padding-top:6px") if told else ""


def _end(sheet: words.Sheet) -> str:
    button = ""
    if sheet.ui:
        style = f"{FONT};font-size:14px;color:#ffffff;text-decoration:none;display:inline-block;padding:10px 18px"
        link = f'<a href="{escape(sheet.ui)}/runs" style="{style}">Abrir Prefect</a>'
        cell = f'<td bgcolor="{HEAD}" style="background-color:{HEAD};border-radius:5px">{link}</td>'
        opening = '<table role="presentation" cellpadding="0" cellspacing="0" border="0">'
        button = f"{opening}<tr>{cell}</tr></table>"
    at = _line(escape(words.footer(sheet)[0]), 11, QUIET, ";padding-top:12px")
    return _row(button + at, f"padding:18px 20px 20px 20px;border-top:1px solid {LINE}", "#fafbfc")

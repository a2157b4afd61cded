"""A plan as a page of Markdown, out of its JSON document: for pull requests, wikis, and Prefect's artifacts.

Whatever files or the server say is shown as it stands: none of it is Markdown, HTML or a link.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from reconcile.render.escape import safe
from reconcile.schedule import briefly

_ROWS: Final = 200
"""Changes, and fields of one, that are shown; Prefect keeps a page in its database."""

_VALUE: Final = 200
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:@$^=])")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_REASONS: Final = {
    "files": "the files changed",
    "drift": "it drifted on the server",
    "both": "the files changed, and it drifted",
    "source": "the flow's source changed",
    "unknown": "",
}
_SECTIONS: Final = (
    ("refusals", "Refused: nothing is written"),
    ("warnings", "Warnings"),
    ("orphans", "No longer declared"),
    ("holds", "Held by an operator"),
)

Document = Mapping[str, Any]


def plan_page(document: Document, *, title: str = "Plan") -> str:
    """The page of what `plan --json` or `apply --json` prints."""
    return "\n".join(_plan_lines(document, title)).rstrip() + "\n"


def problems_page(document: Document, *, title: str = "Plan") -> str:
    """The page of what is wrong with the files."""
    problems = document["problems"]
    rows = (
        f"- {plain('{file}:{line}:{column}'.format(**one))} {plain(one['message'])} {plain(one['hint'])}"
        for one in problems
    )
    return "\n".join([f"# {plain(title)}", "", "The files are wrong, so that nothing is compared:", "", *rows]) + "\n"


def plain(text: object) -> str:
    """Text that Markdown shows as it is: on one line, every sign with a meaning escaped."""
    line = safe(" ".join(str(text).split()))
    entities = "".join(_ENTITIES.get(sign, sign) for sign in line)
    return _SPECIAL.sub(r"\\\1", entities)


def _plan_lines(document: Document, title: str) -> Iterator[str]:
    yield from (f"# {plain(title)}", "", f"Server: {plain(document['target'])}", "")
    counted = ", ".join(f"{number} {name}" for name, number in document["summary"].items() if number)
    yield from (plain(counted) or "Nothing is declared\\.", "")
    if not document["changes"] and not document["refusals"]:
        yield from ("Nothing to do\\.", "")
    outcomes = {(one["kind"], one["key"]): one for one in document.get("outcomes", ())}
    yield from _some(list(_changes(document["changes"], outcomes)))
    for name, heading in _SECTIONS:
        if document[name]:
            yield from (f"## {heading}", "")
            yield from _some([[f"- {plain(_said(one))}"] for one in document[name]])
            yield ""


def _some(groups: Sequence[Sequence[str]]) -> Iterator[str]:
    for group in groups[:_ROWS]:
        yield from group
    if len(groups) > _ROWS:
        yield from ("", f"and {len(groups) - _ROWS} more")


def _changes(changes: Iterable[Document], outcomes: Mapping[tuple[str, str], Document]) -> Iterator[list[str]]:
    for change in changes:
        yield [*_change(change, outcomes.get((change["kind"], change["key"]))), ""]


def _change(change: Document, outcome: Document | None) -> Iterator[str]:
    place = f" {plain('({area}/{environment})'.format(**change))}" if change["area"] else ""
    yield f"### {plain(change['action'])} {plain(change['kind'])} {plain(change['key'])}{place}"
    yield ""
    reason = _REASONS.get(change["reason"] or "", change["reason"])
    if reason:
        yield from (plain(reason), "")
    if outcome is not None:
        error = f": {plain(outcome['error'])}" if outcome["error"] else ""
        yield from (f"**{plain(outcome['status'])}**{error}", "")
    if change["fields"]:
        yield from ("| field | before | after |", "|---|---|---|")
        yield from _some([[_row(one)] for one in change["fields"]])


def _row(field: Document) -> str:
    before, after = briefly(field["path"], field["before"], field["after"])
    return f"| {plain(field['path'])} | {_value(before)} | {_value(after)} |"


def _value(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return plain(text if len(text) <= _VALUE else f"{text[: _VALUE - 1]}…")


def _said(one: Document) -> str:
    if "message" in one:
        return f"{one['code']}: {one['message']}"
    if "field" in one:
        return f"{one['key']}: {one['field']} = {json.dumps(one['value'], ensure_ascii=False)}"
    coming = f", next run {one['next_run']}" if one["next_run"] else ""
    return f"{one['kind']} {one['key']} ({one['area']}/{one['environment']}){coming}"

"""What is filled in of a prefect.yaml: by other tools before Prefect reads it, by its command line, or by workers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconcile.moving.prefect_file import Draft, KeyPath
from reconcile.problem import Location, Problem

OTHER_TOOLS: Final = re.compile(
    r"\{\{\s*cookiecutter\b|\{%|\{\{-|\$\{\{|<%|\{\{\s*\.(?:Values|Chart|Release)\b|\{\{\s*copier\b"
)
"""What is filled in before Prefect reads the file: cookiecutter, Jinja, GitHub Actions, Helm."""


def template_problem(file: str, text: str) -> Problem | None:
    """That a file is a template for another tool, which is no prefect.yaml before that tool has filled it in."""
    match = OTHER_TOOLS.search(_without_comments(text))
    if match is None:
        return None
    line = text.count("\n", 0, match.start()) + 1
    column = match.start() - text.rfind("\n", 0, match.start())
    return Problem(
        location=Location(file=file, line=line, column=column),
        code="template-of-another-tool",
        message=f"{match[0].strip()}… is filled in by another tool: this is a template of a prefect.yaml.",
        hint="Import the file that the other tool makes of it.",
    )


def _without_comments(text: str) -> str:
    """The text with its whole-line comments blanked, of the same length."""
    return re.sub(r"(?m)^[ \t]*#.*$", lambda match: " " * len(match[0]), text)


_TEMPLATE: Final = re.compile(r"\{\{\s*(?P<inner>[^{}]*?)\s*\}\}")


def stands(work: Draft, value: Any, at: KeyPath, outputs: frozenset[str] | None, *, worker: bool = False) -> bool:
    """Whether a value can be declared as it is written. `worker`: workers fill in variables and blocks in it."""
    for text in _all_texts(value):
        for match in _TEMPLATE.finditer(text):
            why = _not_kept(match["inner"], outputs, worker=worker)
            if why is not None:
                where = ".".join(map(str, at[2:]))
                work.leave_out(
                    at,
                    f"`{where}` holds {match[0]}, {why}; it is not carried over.",
                    "Write the value itself.",
                    "template",
                )
                return False
            if match["inner"].startswith("prefect."):
                work.say(
                    at,
                    "template-at-run",
                    f"Prefect's command line fills in {match[0]} at each deploy and stores what comes out; "
                    "here the worker fills it in at each run.",
                )
    return True


def _not_kept(inner: str, outputs: frozenset[str] | None, *, worker: bool) -> str | None:
    if inner.startswith("$"):
        return "which the environment of whoever deploys fills in"
    if inner.startswith("ctx."):
        return None
    if inner.startswith("prefect."):
        return None if worker else "which Prefect's command line fills in at each deploy, and nobody at a run"
    if outputs is None:
        return "which no step of its own gives, so that Prefect puts nothing there"
    head = inner.partition(".")[0]
    if "." in inner and head not in outputs:
        return f"and no build or push step has the id {head!r}, so that Prefect puts nothing there"
    return None


def _all_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _all_texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _all_texts(item)

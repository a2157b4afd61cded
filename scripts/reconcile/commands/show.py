"""`show KEY`: one effective deployment, with the file and line of every field."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any, NamedTuple

from reconcile.commands import output
from reconcile.commands.options import Filter, add_root, add_selection, filter_of, root_of
from reconcile.commands.session import TOOL, Files, declared_here, read_files
from reconcile.desired import Desired, final_name
from reconcile.errors import ExitCode, ProblemsError, ReconcileError, UsageError
from reconcile.layers import Entry
from reconcile.model import Deployment
from reconcile.problem import Location, has_errors
from reconcile.render.escape import safe
from reconcile.render.text import Line, value_text
from reconcile.resolve import nearest
from reconcile.schedule import explain_schedule
from reconcile.secrets import mask


class Field(NamedTuple):
    """One effective value, and where it was written."""

    path: str
    value: Any
    location: Location


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("key", metavar="KEY", help="a deployment: its declared or final name, or flow/name")
    add_root(parser)
    add_selection(parser)


def run(options: Namespace) -> ExitCode:
    """Show it. Files only: no server is asked."""
    files = read_files(root_of(options, TOOL))
    wanted = declared_here(files)
    if has_errors(wanted.problems):
        raise ProblemsError(wanted.problems)
    deployment, entry = _find(options.key, wanted, filter_of(options, files.repository))
    fields = list(_fields(files, entry))
    if options.json:
        output.document(_document(deployment, entry, fields))
    else:
        output.lines(_lines(deployment, entry, fields))
    return ExitCode.DONE


def _find(key: str, wanted: Desired, chosen: Filter) -> tuple[Deployment, Entry]:
    matches = []
    for name, entry in wanted.entries.items():
        names = (entry.declared, final_name(entry), name)
        if key in names and chosen.takes(entry.scope.area, entry.scope.environment, names):
            matches.append((wanted.state.deployments[name], entry))
    if not matches:
        known = [name for name, entry in wanted.entries.items() for name in (name, entry.declared)]
        raise ReconcileError(f"No deployment is called {key!r}.", nearest(key, known))
    if len(matches) > 1:
        found = ", ".join(f"{entry.scope.area}/{entry.scope.environment}" for _, entry in matches)
        raise UsageError(f"{key!r} is declared in {found}.", "Say which with --env and --area.")
    return matches[0]


def _fields(files: Files, entry: Entry) -> Iterator[Field]:
    """Every leaf of the entry, then what its environment gives it."""
    origins = entry.origins()
    inner = {at[:length] for at in origins for length in range(1, len(at))}
    for at, origin in sorted(origins.items(), key=lambda item: [str(step) for step in item[0]]):
        value = _at(entry.fields, at)
        # A mapping or list is told by what stands in it, unless it replaces whole and has no places of its own.
        if at not in inner and (value is not None or at[0] in {"parameters", "job_variables"}):
            yield Field(".".join(map(str, at)), mask(value, str(at[-1])), origin.locate())
    rules = entry.scope.rules
    for name in ("name", "work_pool"):
        if name in rules.data and (name == "name" or name not in entry.fields):
            yield Field(f"environment.{name}", rules.data[name], rules.document.locate((*rules.at, name)))
    environments = files.repository.environments
    if "default_timezone" in environments.data:
        yield Field(
            "default_timezone", environments.data["default_timezone"], environments.locate(("default_timezone",))
        )


def _at(value: Any, at: tuple[str | int, ...]) -> Any:
    for step in at:
        if isinstance(value, dict):
            value = value.get(str(step))
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _document(deployment: Deployment, entry: Entry, fields: list[Field]) -> dict[str, Any]:
    return {
        "key": str(deployment.key),
        "area": entry.scope.area,
        "environment": entry.scope.environment,
        "file": entry.location.file,
        "line": entry.location.line,
        "work_pool": deployment.work_pool,
        "fields": [
            {"path": field.path, "value": field.value, "file": field.location.file, "line": field.location.line}
            for field in fields
        ],
    }


def _lines(deployment: Deployment, entry: Entry, fields: list[Field]) -> Iterator[Line]:
    yield Line(safe(str(deployment.key)), "title")
    yield Line(
        f"{safe(entry.scope.area)} / {safe(entry.scope.environment)}, work pool {safe(deployment.work_pool or '')}",
        "dim",
    )
    width = min(max((len(safe(field.path)) for field in fields), default=0), 40)
    for field in fields:
        place = f"{field.location.file}:{field.location.line}"
        yield Line(f"  {safe(field.path):<{width}}  {value_text(field.value)}    {safe(place)}")
    for schedule in deployment.schedules:
        yield Line(f"  {safe(schedule.slug or '')}: {safe(explain_schedule(schedule))}", "dim")

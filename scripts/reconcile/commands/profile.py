"""`profile [ENV]`: an environment's settings in Prefect's own profile of that name, on this machine."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reconcile.commands import output
from reconcile.commands.options import add_root, add_selection, root_of, without_deployments
from reconcile.commands.session import TOOL, Files, read_files
from reconcile.desired.settings import settings_of
from reconcile.errors import ExitCode, ProblemsError, ReconcileError, UsageError
from reconcile.problem import as_told, has_errors
from reconcile.render.escape import safe
from reconcile.render.text import Line
from reconcile.resolve import nearest


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    parser.add_argument("name", nargs="?", metavar="ENV", help="the environment; not needed where there is only one")
    parser.add_argument("--activate", action="store_true", help="make it the active profile, too")
    add_root(parser)
    add_selection(parser)


def run(options: Namespace) -> ExitCode:
    """Write the profile. No server is asked; other profiles, comments and settings nobody declares stay."""
    from reconcile.gateway import profiles

    without_deployments(options, "a profile")
    files = read_files(root_of(options, TOOL))
    if has_errors(files.problems):
        raise ProblemsError(as_told(files.problems))
    name, settings = _declared([*([options.name] if options.name else []), *options.env], files)
    file = profiles.where(os.environ, Path.home(), Path.cwd())
    text = profiles.read(file)
    edited = profiles.edited(file, text, name, settings, activate=options.activate)
    if edited.text != text:
        profiles.write(file, edited.text)
    active = name if options.activate else edited.active_before
    changes = [
        {"setting": setting, "before": _shown(setting, edited.before.get(setting)), "after": _shown(setting, value)}
        for setting, value in settings.items()
        if edited.before.get(setting) != value
    ]
    document = {
        "format": 1,
        "file": str(file),
        "profile": name,
        "status": "unchanged" if edited.text == text else "created" if edited.is_new else "updated",
        "changes": changes,
        "active": {"before": edited.active_before, "after": active},
        "left": sorted(edited.before.keys() - settings.keys()),
        "overridden": [
            *(["PREFECT_PROFILE"] if os.environ.get("PREFECT_PROFILE", name) != name else []),
            *sorted(key for key in settings if key in os.environ and os.environ[key] != settings[key]),
        ],
    }
    if options.json:
        output.document(document)
    else:
        output.lines(_lines(document))
    return ExitCode.DONE


def _declared(said: Sequence[str], files: Files) -> tuple[str, Mapping[str, str]]:
    """The environment, and its settings."""
    known = files.repository.environments.data.get("environments") or {}
    named = list(dict.fromkeys(said or (known if len(known) == 1 else ())))
    if len(named) != 1:
        raise UsageError("A profile is of one environment; say which.", f"profile {' or '.join(known)}.")
    name = named[0]
    if name not in known:
        raise UsageError(f"No environment is called {name!r}.", nearest(name, known))
    settings = settings_of(known[name] or {})
    if not settings:
        raise ReconcileError(
            f"The environment {name} says nothing that a profile could hold.",
            "Give it its `api_url:`, and further settings by `profile:`, in deployments/environments.yaml.",
        )
    return name, settings


def _shown(setting: str, value: object) -> str | None:
    from reconcile.gateway.in_force import shown

    return None if value is None else shown(setting, value)


def _lines(document: Mapping[str, Any]) -> Iterator[Line]:
    yield Line(f"{safe(document['file'])}: profile {safe(document['profile'])} {document['status']}", "title")
    for change in document["changes"]:
        before = "not set" if change["before"] is None else safe(change["before"])
        yield Line(f"  {change['setting']}: {before} -> {safe(change['after'])}", "change")
    active = document["active"]
    if active["before"] != active["after"]:
        yield Line(f"  active profile: {safe(active['before'] or 'none')} -> {safe(active['after'])}", "change")
    elif active["after"] != document["profile"]:
        which = f"{safe(active['after'])} is" if active["after"] else "no profile is"
        yield Line(f"  {which} active: --activate makes it this one, prefect --profile NAME uses it once", "dim")
    if document["left"]:
        yield Line(f"  not declared, left as they are: {safe(', '.join(document['left']))}", "dim")
    for name in document["overridden"]:
        yield Line(f"  the environment variable {name} goes before the profile here", "warning")

"""`promote AREA dev prod`: the edit of <area>/prod.yaml that makes prod like dev.

What an environment decides stays as it decides it: its names, pools and sources, the defaults of its rules and of its
file. What is carried over is what the other file says of the deployments.
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from reconcile.commands import output
from reconcile.commands.asking import may_write
from reconcile.commands.options import add_root, root_of
from reconcile.commands.proposing import standing, write
from reconcile.commands.session import TOOL, Files, declared_here, read_files, say
from reconcile.commands.staging import Staging, diff_lines, differing
from reconcile.desired import Desired
from reconcile.document import Document, read_document
from reconcile.errors import ExitCode, ProblemsError, UsageError
from reconcile.layers import AreaFiles, Entry, Repository, as_in, below
from reconcile.moving.draft import ENTRY_ORDER, DraftEntry
from reconcile.moving.edits import GONE, UneditableError, cut, operations, put
from reconcile.moving.emit import entry_lines
from reconcile.moving.merge import ShadowedError, added, against
from reconcile.problem import Severity, has_errors
from reconcile.render.escape import safe
from reconcile.render.text import Line
from reconcile.resolve import nearest

BY_RULE: Final = frozenset({"work_pool", "work_queue"})
"""Fields of an entry that are the environment's to give; a queue is one of its pool."""

_WORDS: Final = {"pull_steps": "source"}
_SILENT: Final = frozenset({"parameter_schema"})
_STAYING: Final = ("variables", "secrets", "concurrency_limits", "automations")


@dataclass(slots=True)
class Promotion:
    """The new text, what it changes, and what it does not."""

    file: str
    environment: str
    text: str | None = None
    keys: list[str] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    parser.epilog = "example: python3 scripts/sync.py promote compras dev prod"
    parser.add_argument("area", metavar="AREA")
    parser.add_argument("source", metavar="FROM", help="the environment that is as it should be")
    parser.add_argument("to", metavar="TO", help="the environment that is to be like it")
    parser.add_argument(
        "--only", action="append", default=[], metavar="GLOB", help="only deployments declared so; repeatable"
    )
    parser.add_argument("--yes", action="store_true", help="write without asking")
    add_root(parser)


def run(options: Namespace) -> ExitCode:
    """Propose the edit, ask, write it. No server is asked."""
    root = root_of(options, TOOL)
    files = read_files(root)
    wanted = declared_here(files)
    if has_errors(wanted.problems):
        raise ProblemsError(wanted.problems)
    _check(options, files.repository)
    found = promotion(root, files, options)
    texts = {} if found.text is None else {found.file: found.text}
    if not options.json:
        output.lines(_lines(root, texts, found))
    before = standing(root, texts)
    written = bool(texts) and may_write(options, f"Write {found.file}?")
    if written:
        write(root, texts, before)
    if options.json:
        output.document(
            {
                "files": [
                    {"path": name, "action": "change" if (root / name).exists() else "create", "text": text}
                    for name, text in texts.items()
                ],
                "changed": found.keys,
                "notes": [{"key": key, "message": message} for key, message in found.notes],
                "written": written,
            }
        )
    elif texts:
        say("Written." if written else "Nothing was written; --yes writes it.")
    return ExitCode.DONE


def _check(options: Namespace, repository: Repository) -> None:
    if options.area not in repository.areas:
        raise UsageError(f"No area is called {options.area!r}.", nearest(options.area, repository.areas))
    known = repository.environments.data.get("environments") or {}
    for name in (options.source, options.to):
        if name not in known:
            raise UsageError(f"No environment is called {name!r}.", nearest(name, known))
    if options.source == options.to:
        raise UsageError("FROM and TO are one environment.", "Name two.")
    if options.source not in repository.areas[options.area].environments:
        there = ", ".join(sorted(repository.areas[options.area].environments)) or "none"
        raise UsageError(f"The area {options.area} has no {options.source}.yaml.", f"Its environments are: {there}.")


def promotion(root: Path, files: Files, options: Namespace) -> Promotion:
    """What makes the second environment like the first."""
    area, source, to = options.area, options.source, options.to
    found = Promotion(file=f"deployments/{area}/{to}.yaml", environment=to)
    mine = {one.declared: one for one in files.entries if (one.scope.area, one.scope.environment) == (area, source)}
    theirs = {one.declared: one for one in files.entries if (one.scope.area, one.scope.environment) == (area, to)}
    picked = _picked(mine, options)
    pairs = [(mine[name], theirs.get(name)) for name in picked]
    with (
        tempfile.TemporaryDirectory(prefix="reconcile-promote-") as folder,
        Staging(root=root, folder=Path(folder)) as staging,
    ):
        text = staging.original(found.file) if (root / found.file).exists() else "deployments:\n"
        whole = replace(found, notes=[], keys=[])
        edited = _promoted(files.repository, whole, text, pairs)
        if has_errors(_put(staging, found.file, edited).problems):
            edited = _one_by_one(staging, files.repository, found, (text, pairs))
            _put(staging, found.file, edited)
        else:
            found = whole
        found.text = edited if found.keys else None
        found.notes += _what_differs(staging.desired(), area, (source, to), picked)
    found.notes += _not_carried(files.repository, options)
    for name in sorted(theirs.keys() - mine.keys()):
        if any(fnmatchcase(name, glob) for glob in options.only or ["*"]):
            found.notes.append((name, f"only {to} has it: it stays; delete its entry if it should not"))
    return found


def _picked(mine: Mapping[str, Entry], options: Namespace) -> list[str]:
    for glob in options.only:
        if not any(fnmatchcase(name, glob) for name in mine):
            known = nearest(glob, mine)
            raise UsageError(f"--only {glob!r} matches nothing that {options.source} has in {options.area}.", known)
    return [name for name in mine if any(fnmatchcase(name, glob) for glob in options.only or ["*"])]


def _put(staging: Staging, file: str, text: str) -> Desired:
    if not (staging.root / file).exists():
        (staging.folder / file).touch()
    staging.put({file: text})
    return staging.desired()


def _one_by_one(
    staging: Staging, repository: Repository, found: Promotion, all_of: tuple[str, list[tuple[Entry, Entry | None]]]
) -> str:
    """The text with what can be promoted, where not all can; why not is noted."""
    text, pairs = all_of
    for pair in pairs:
        name = pair[0].declared
        edited = _promoted(repository, found, text, [pair])
        problems = _put(staging, found.file, edited).problems if edited != text else ()
        if has_errors(problems):
            found.keys.remove(name)
            first = next(one for one in problems if one.severity is Severity.ERROR)
            found.notes.append((name, f"left, for {found.environment} would be wrong then: {first.message}"))
        else:
            text = edited
    return text


def _promoted(repository: Repository, found: Promotion, text: str, pairs: Iterable[tuple[Entry, Entry | None]]) -> str:
    for mine, theirs in pairs:
        try:
            edited = _edited(
                found.file, text, mine.declared, _said(repository, mine, theirs, found.environment), theirs
            )
        except (ShadowedError, UneditableError) as error:
            found.notes.append((mine.declared, str(error)))
            continue
        if edited != text:
            found.keys.append(mine.declared)
        text = edited
    return text


def _said(repository: Repository, mine: Entry, theirs: Entry | None, to: str) -> dict[str, Any]:
    """What the entry has to say in the other environment, above what that one's layers say."""
    lower = below(_without(repository, mine, to), mine.scope.area, to, mine.declared)
    lower = {name: value for name, value in lower.items() if name not in BY_RULE and value != {}}
    want = {name: value for name, value in as_in(repository, mine, to).items() if name not in BY_RULE}
    if lower.get("schedules"):  # those of its file's defaults, though it inherits none
        want["schedules"] = {**lower["schedules"], **want.get("schedules", {})}
    said = against(lower, {name: value for name, value in want.items() if value != {} or name in lower})
    for slug, spec in (said.get("schedules") or {}).items():
        written = (mine.layers[-1].data.get("schedules") or {}).get(slug)
        if spec is not None and slug not in (lower.get("schedules") or {}) and written is not None:
            said["schedules"] = {**said["schedules"], slug: written}
    own = {} if theirs is None else theirs.layers[-1].data
    said = {**said, **{name: own[name] for name in own if name in BY_RULE}}
    return {name: said[name] for name in (*ENTRY_ORDER, *sorted(said)) if name in said}


def _without(repository: Repository, mine: Entry, to: str) -> Repository:
    """The repository without what the other environment's file says of the deployment."""
    area = repository.areas[mine.scope.area]
    document = area.environments.get(to)
    if document is None:
        return repository
    others = {name: one for name, one in (document.data.get("deployments") or {}).items() if name != mine.declared}
    bare: Document = replace(document, data={**document.data, "deployments": others})
    files = AreaFiles(shared=area.shared, environments={**area.environments, to: bare})
    return replace(repository, areas={**repository.areas, mine.scope.area: files})


def _edited(file: str, text: str, name: str, said: Mapping[str, Any], theirs: Entry | None) -> str:
    if theirs is None:
        document, _ = read_document(file, text.encode("utf-8"))
        if document is None:
            raise UneditableError("the file cannot be read")
        entry = DraftEntry(area="", environment="", key=name, fields=dict(said))
        return added(text, document, "deployments", lambda indent: list(entry_lines(entry, indent)))
    own = theirs.layers[-1].data
    for key in dict.fromkeys([*own, *said]):
        have, want = own.get(key), said.get(key)
        if key in own and key in said and want is None:
            text = text if have is None else put(text, ("deployments", name, key), None)
            continue
        if key in said and key not in own:
            text = put(text, ("deployments", name, key), want)
            continue
        for path, value in operations(key, have, want):
            at = ("deployments", name, *path)
            text = cut(text, at) if value is GONE else put(text, at, value)
    return text


def _what_differs(
    wanted: Desired, area: str, pair: tuple[str, str], picked: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """What the rules of the two environments make different, for whoever reads the proposal."""
    entries = wanted.entries.items()
    keys = {(one.scope.environment, one.declared): name for name, one in entries if one.scope.area == area}
    for name in picked:
        one, other = (wanted.state.deployments.get(keys.get((each, name), "")) for each in pair)
        found = differing(one, other) if one is not None and other is not None else ()
        fields = [_WORDS.get(name, name) for name in found if name not in _SILENT]
        if fields:
            yield name, f"{pair[1]} stays different in {', '.join(fields)}, by its rules and defaults"


def _not_carried(repository: Repository, options: Namespace) -> Iterator[tuple[str, str]]:
    document = repository.areas[options.area].environments[options.source]
    rooms = [room for room in _STAYING if document.data.get(room)]
    if rooms and not options.only:
        yield document.file, f"its {', '.join(rooms)} are not carried over: their names belong to one server"


def _lines(root: Path, texts: Mapping[str, str], found: Promotion) -> Iterator[Line]:
    if not texts:
        yield Line("There is nothing to promote.", "good")
    yield from diff_lines(root, texts)
    by_message: dict[str, list[str]] = {}
    for key, message in found.notes:
        by_message.setdefault(message, []).append(key)
    for message, keys in by_message.items():
        yield Line(f"{safe(', '.join(keys))}: {safe(message)}", "dim")

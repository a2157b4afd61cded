"""Where the code of each entry is: for the worker that runs it, and for this tool, which only reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from reconcile.errors import SourceError
from reconcile.layers import Entry, Layer, Repository, Scope, merge_source, scopes
from reconcile.problem import Fault, Location, Problem
from reconcile.pull import (
    GitSource,
    PathSource,
    Source,
    entrypoint_candidates,
    faults,
    is_absolute_path,
    pull_steps,
    source_of,
    step_faults,
)
from reconcile.secrets import secret_in_text

REPOSITORY: Final[Source] = PathSource(path=".")
"""This repository itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the target's place means for sources that are paths of this repository.

    `root` is the absolute path of the repository; `is_here` says that workers see it, which is so at loopback.
    """

    root: str
    is_here: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Where the code of one entry is. `files` are where the function may stand in the source that is read."""

    entry: Entry
    entrypoint: str
    function: str
    files: tuple[str, ...]
    steps: tuple[Mapping[str, Any], ...]
    reads: Source
    source_name: str | None
    is_guess: bool = False
    """Whether `reads` is only where the code may well be: nothing says where its pull steps take it from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The code of each entry. `without` are the entries whose code is not known; what else they say still counts."""

    codes: tuple[Code, ...]
    without: tuple[Entry, ...]
    problems: tuple[Problem, ...]


def resolve(repository: Repository, entries: Iterable[Entry], place: Place) -> Resolved:
    """The code of every entry, with what is wrong about it. Of the sources themselves see `source_problems`."""
    codes: list[Code] = []
    without: list[Entry] = []
    problems: list[Problem] = []
    for entry in entries:
        code = _code(repository, entry, place, problems)
        if code is None:
            without.append(entry)
        else:
            codes.append(code)
    return Resolved(codes=tuple(codes), without=tuple(without), problems=tuple(problems))


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint that names the nearest known name, or all of them where they are few."""
    known = sorted(set(names))
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    if not known:
        return "None is declared."
    return f"Declared are: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}."


class _ReportedError(SourceError):
    """Already said where it belongs: of another source, or of a value that its file's schema refused."""

    def __init__(self) -> None:
        super().__init__("said elsewhere")


def _code(repository: Repository, entry: Entry, place: Place, problems: list[Problem]) -> Code | None:
    target = _entrypoint(entry, problems)
    source = _source(repository, entry, place, problems)
    if target is None or source is None:
        return None
    entrypoint, files, function = target
    steps, reads, name, is_guess = source
    return Code(
        entry=entry,
        entrypoint=entrypoint,
        function=function,
        files=files,
        steps=steps,
        reads=reads,
        source_name=name,
        is_guess=is_guess,
    )


def _entrypoint(entry: Entry, problems: list[Problem]) -> tuple[str, tuple[str, ...], str] | None:
    entrypoint = entry.fields.get("entrypoint")
    if entry.at_fault("entrypoint"):
        return None
    if not isinstance(entrypoint, str):
        problems.append(_no_entrypoint(entry))
        return None
    try:
        return entrypoint, *entrypoint_candidates(entrypoint)
    except SourceError as error:
        fault = Fault(code="entrypoint-invalid", message=error.message, hint=error.hint, at=("entrypoint",))
        problems.append(entry.problem(fault))
        return None


_Found = tuple[tuple[Mapping[str, Any], ...], Source, str | None, bool]


def _source(repository: Repository, entry: Entry, place: Place, problems: list[Problem]) -> _Found | None:
    name = entry.fields.get("source")
    if entry.at_fault("source") or entry.at_fault("pull"):
        return None
    problems += (entry.problem(fault) for field in ("build", "push") for fault in _own_faults(entry, field))
    if isinstance(entry.fields.get("pull"), list):
        return _own_steps(entry, place, problems)
    if isinstance(name, str):
        return _named_source(entry, name, place, problems)
    pull = repository.project.data.get("pull")
    if pull:
        return tuple(pull), REPOSITORY, None, False
    if not repository.project.at_fault(("pull",)):
        problems.append(_no_source(entry))
    return None


def _own_steps(entry: Entry, place: Place, problems: list[Problem]) -> _Found | None:
    """Prefect's own pull steps. A source beside them says where the code is read; else they may say it themselves."""
    faults = [entry.problem(fault) for fault in _own_faults(entry, "pull")]
    problems += faults
    name = entry.fields.get("source")
    steps = tuple({key: inputs or {} for key, inputs in step.items()} for step in entry.fields["pull"])
    if isinstance(name, str):
        named = _named_source(entry, name, place, problems)
        return None if named is None or faults else (steps, *named[1:])
    reads = source_of(steps)
    return None if faults else (steps, reads or REPOSITORY, None, reads is None)


def _own_faults(entry: Entry, field: str) -> Iterator[Fault]:
    steps = entry.fields.get(field)
    return step_faults(steps, field) if isinstance(steps, list) and not entry.at_fault(field) else iter(())


def _named_source(entry: Entry, name: str, place: Place, problems: list[Problem]) -> _Found | None:
    layers = entry.scope.sources.get(name)
    if layers is None:
        if not entry.scope.at_fault("sources", name):
            problems.append(entry.problem(_undeclared(entry.scope, name)))
        return None
    try:
        return *_of_source(entry.scope, layers, place), name, False
    except _ReportedError:
        return None
    except SourceError as error:
        problems.append(_source_problem(layers, error))
        return None


def steps_of(scope: Scope, name: str, place: Place) -> tuple[Mapping[str, Any], ...]:
    """What a worker does for a source that is declared; nothing where the source is at fault."""
    try:
        return _of_source(scope, scope.sources[name], place)[0]
    except SourceError:
        return ()


def _undeclared(scope: Scope, name: str) -> Fault:
    hint = nearest(name, scope.sources)
    return Fault(code="source-undeclared", message=f"No source is called {name!r}.", hint=hint, at=("source",))


def _no_entrypoint(entry: Entry) -> Problem:
    lent = any(layer.at[:1] == ("deployments",) for layer in entry.layers[:-1])
    return Problem(
        location=entry.location,
        code="entrypoint-missing",
        message=f"The deployment {entry.declared!r} has no entrypoint.",
        hint="Write `entrypoint: folder/file.py:function` here"
        + ("." if lent else ", or lend it in the area's shared.yaml under the same name (check its spelling)."),
    )


def _no_source(entry: Entry) -> Problem:
    return Problem(
        location=entry.location,
        code="source-missing",
        message=f"The deployment {entry.declared!r} does not say where its code is.",
        hint="Write `source:` with the name of a source of shared.yaml, here or in the file's defaults.",
    )


def source_problems(repository: Repository, scopes: Iterable[Scope]) -> Iterator[Problem]:
    """What is wrong with the sources themselves, whether a deployment uses them or not."""
    yield from _stray_overlays(repository)
    for scope in scopes:
        for layers in scope.sources.values():
            for error in _source_errors(scope, layers):
                if not isinstance(error, _ReportedError):
                    yield _source_problem(layers, error)


def _stray_overlays(repository: Repository) -> Iterator[Problem]:
    """An environment lays something over a source that is declared nowhere."""
    files = [repository.shared, *(area.shared for area in repository.areas.values())]
    sharing = [document for document in files if document is not None]
    declared = {name for document in sharing for name in document.data.get("sources") or {}}
    environments = repository.environments
    for environment, rules in (environments.data.get("environments") or {}).items():
        for name, said in ((rules or {}).get("sources") or {}).items():
            lost = any(document.at_fault(("sources", name)) for document in sharing)
            if name not in declared and not lost and not {"git", "path"} & (said or {}).keys():
                yield Problem(
                    location=environments.locate(("environments", environment, "sources", name), key=True),
                    code="source-undeclared",
                    message=f"No shared source is called {name!r}, which {environment} lays something over.",
                    hint=nearest(name, declared),
                )


def _source_problem(layers: tuple[Layer, ...], error: SourceError) -> Problem:
    """At the key that is at fault, in the uppermost layer that has it."""
    layer = next((layer for layer in reversed(layers) if error.key in layer.data), layers[0])
    known = error.key in layer.data
    location = layer.document.locate((*layer.at, error.key) if known else layer.at, key=not known)
    return Problem(location=location, code="source-invalid", message=error.message, hint=error.hint)


def _source_errors(scope: Scope, layers: tuple[Layer, ...]) -> Iterator[SourceError]:
    data = merge_source(layers)
    deploy_as = data.get("deploy_as")
    if isinstance(deploy_as, dict) and "git" in deploy_as:
        yield from _located(faults(_git_source(deploy_as)), "deploy_as")
    if "git" in data:
        # An address that holds a secret was found when the file was read; of one value, its first fault is enough.
        seen = {"git"} if secret_in_text(str(data["git"])) else set()
        for error in faults(_git_source(data)):
            if error.key not in seen:
                seen.add(error.key)
                yield error
        return
    try:
        _typed(scope, layers)
    except SourceError as error:
        yield error


def _located(errors: Iterable[SourceError], key: str) -> Iterator[SourceError]:
    for error in errors:
        yield SourceError(error.message, error.hint, key=key)


def _of_source(scope: Scope, layers: tuple[Layer, ...], place: Place) -> tuple[tuple[Mapping[str, Any], ...], Source]:
    data = merge_source(layers)
    if any(True for _ in _source_errors(scope, layers)):
        raise _ReportedError
    source = _typed(scope, layers)
    if isinstance(source, GitSource) or is_absolute_path(source.path):
        return pull_steps(source, root=None), source
    if place.is_here:
        return pull_steps(source, root=place.root), source
    deploy_as = data.get("deploy_as")
    if not isinstance(deploy_as, dict):
        raise SourceError(
            f"The path {source.path!r} is relative, so only workers on this machine would find it.",
            "Write `deploy_as:` with the git source that workers elsewhere take it from.",
            key="path",
        )
    if "git" not in deploy_as:
        raise _ReportedError
    return pull_steps(_git_source(deploy_as), root=None), source


def _typed(scope: Scope, layers: tuple[Layer, ...]) -> Source:
    """A source as data. Raises where it, or a source that it is read from, cannot be one."""
    data = merge_source(layers)
    if any(layer.at_fault() for layer in layers) and not {"git", "path"} & data.keys():
        raise _ReportedError
    if "git" in data:
        return _git_source(data)
    if not isinstance(data.get("path"), str):
        # Only an overlay of an environment comes here: a source without either is refused by its schema.
        raise _ReportedError
    reads = _read_from(scope, layers, data["read_from"]) if isinstance(data.get("read_from"), str) else None
    source = PathSource(path=data["path"], read_from=reads)
    if not is_absolute_path(source.path):
        pull_steps(source, root="/")  # raises where it leaves the repository
    return source


def _read_from(scope: Scope, layers: tuple[Layer, ...], name: str) -> Source:
    own = str(layers[0].at[-1])
    seen = [own]
    while True:
        if name in seen:
            if name != own or own != min(seen):  # a circle is said once
                raise _ReportedError
            hint = "Point it to a source that does not read from another."
            raise SourceError(f"`read_from` leads in a circle: {' → '.join([*seen, name])}.", hint, key="read_from")
        if name not in scope.sources:
            if len(seen) > 1 or scope.at_fault("sources", name):
                raise _ReportedError
            message = f"`read_from` names the source {name!r}, which is not declared."
            raise SourceError(message, nearest(name, scope.sources), key="read_from")
        seen.append(name)
        following = merge_source(scope.sources[name]).get("read_from")
        if not isinstance(following, str):
            break
        name = following
    return _typed(scope, scope.sources[seen[1]])


def _git_source(data: Mapping[str, Any]) -> GitSource:
    token = data.get("token") or {}
    return GitSource(
        url=str(data["git"]),
        branch=data.get("branch"),
        tag=data.get("tag"),
        commit=data.get("commit"),
        secret=token.get("secret"),
        github_credentials=token.get("github_credentials"),
        directories=tuple(data.get("directories") or ()),
        include_submodules=bool(data.get("include_submodules")),
    )


def git_sources(repository: Repository) -> Iterator[GitSource]:
    """Every git source without fault: as it is declared, as areas and environments see it, and those of `deploy_as`."""
    files = (repository.shared, *(area.shared for area in repository.areas.values()))
    declared = [data for document in files if document for data in (document.data.get("sources") or {}).values()]
    seen = [merge_source(layers) for scope in scopes(repository) for layers in scope.sources.values()]
    for data in (*declared, *seen):
        for found in (data, (data or {}).get("deploy_as")):
            if isinstance(found, Mapping) and "git" in found and not any(True for _ in faults(_git_source(found))):
                yield _git_source(found)


def git_source_of(entry: Entry, name: str | None) -> GitSource | None:
    """The git source that workers elsewhere clone a source from: itself, or its `deploy_as`."""
    data = merge_source(entry.scope.sources.get(name, ()) if name is not None else ())
    found = [one for one in (data, data.get("deploy_as")) if isinstance(one, Mapping) and "git" in one]
    return _git_source(found[0]) if found else None


def leads_here(source: Source) -> bool:
    """Whether the code is read from a folder of this repository, which is there for everybody or not at all."""
    while isinstance(source, PathSource) and source.read_from is not None:
        source = source.read_from
    return isinstance(source, PathSource) and not is_absolute_path(source.path)


def folder_location(code: Code) -> Location:
    """Where the folder is named that the code of an entry is read from."""
    scope, name = code.entry.scope, code.source_name
    while name is not None and (layers := scope.sources.get(name)):
        following = merge_source(layers).get("read_from")
        layer = next((layer for layer in reversed(layers) if "path" in layer.data), layers[0])
        if not isinstance(following, str):
            return layer.document.locate((*layer.at, "path"))
        name = following
    return location_of(code)


def location_of(code: Code) -> Location:
    """Where the source of an entry is named, or the entry itself."""
    if code.source_name:
        return code.entry.locate(("source",))
    return code.entry.locate(("pull",), key=True)

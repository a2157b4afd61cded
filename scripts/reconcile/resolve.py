"""Where the code of each entry is: for the worker that runs it, and for this tool, which only reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from reconcile.errors import SourceError
from reconcile.layers import Entry, Layer, Repository, Scope, merge_source
from reconcile.problem import Fault, Location, Problem
from reconcile.pull import GitSource, PathSource, Source, check, entrypoint_candidates, is_absolute_path, pull_steps

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


def resolve(repository: Repository, entries: Iterable[Entry], place: Place) -> tuple[list[Code], list[Problem]]:
    """The code of every entry; a problem for each that has none."""
    found: list[Code] = []
    problems: list[Problem] = []
    for entry in entries:
        code = _code(repository, entry, place)
        if isinstance(code, Code):
            found.append(code)
        else:
            problems += code
    return found, problems


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint that names the nearest known name, or all of them where they are few."""
    known = sorted(names)
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    if not known:
        return "None is declared."
    return f"Declared are: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}."


def _code(repository: Repository, entry: Entry, place: Place) -> Code | list[Problem]:
    entrypoint = entry.fields.get("entrypoint")
    if not isinstance(entrypoint, str):
        return [_no_entrypoint(entry)]
    try:
        files, function = entrypoint_candidates(entrypoint)
    except SourceError as error:
        return [
            entry.problem(Fault(code="entrypoint-invalid", message=error.message, hint=error.hint, at=("entrypoint",)))
        ]
    name = entry.fields.get("source")
    if not isinstance(name, str):
        pull = repository.project.data.get("pull")
        if not pull:
            return [_no_source(entry)]
        steps, reads = tuple(pull), REPOSITORY
    else:
        layers = entry.scope.sources.get(name)
        if layers is None:
            hint = nearest(name, entry.scope.sources)
            fault = Fault(code="source-undeclared", message=f"No source is called {name!r}.", hint=hint, at=("source",))
            return [entry.problem(fault)]
        try:
            steps, reads = _of_source(entry.scope, layers, place)
        except SourceError as error:
            return [_source_problem(layers, error)]
    return Code(
        entry=entry, entrypoint=entrypoint, function=function, files=files, steps=steps, reads=reads,
        source_name=name if isinstance(name, str) else None,
    )  # fmt: skip


def _no_entrypoint(entry: Entry) -> Problem:
    lent = len(entry.layers) > 1 and any(layer.at[:1] == ("deployments",) for layer in entry.layers[:-1])
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
    place = Place(root="/", is_here=True)
    for scope in scopes:
        for layers in scope.sources.values():
            try:
                _of_source(scope, layers, place)
            except SourceError as error:
                yield _source_problem(layers, error)


def _source_problem(layers: tuple[Layer, ...], error: SourceError) -> Problem:
    layer = layers[-1]
    location = layer.document.locate(layer.at, key=True)
    return Problem(location=location, code="source-invalid", message=error.message, hint=error.hint)


def _of_source(scope: Scope, layers: tuple[Layer, ...], place: Place) -> tuple[tuple[Mapping[str, Any], ...], Source]:
    data = merge_source(layers)
    source = _typed(scope, data, set())
    if isinstance(source, GitSource):
        return pull_steps(source, root=None), source
    if is_absolute_path(source.path):
        return pull_steps(source, root=None), source
    deploy_as = data.get("deploy_as")
    if place.is_here:
        return pull_steps(source, root=place.root), source
    if not isinstance(deploy_as, dict):
        raise SourceError(
            f"The path {source.path!r} is relative, so only workers on this machine would find it.",
            "Write `deploy_as:` with the git source that workers elsewhere take it from.",
        )
    return pull_steps(_git(deploy_as), root=None), source


def _typed(scope: Scope, data: Mapping[str, Any], seen: set[str]) -> Source:
    if "git" in data:
        return _git(data)
    if not isinstance(data.get("path"), str):
        raise SourceError("A source needs `git:` with an address, or `path:` with a folder.", "Write one of them.")
    reads: Source | None = None
    name = data.get("read_from")
    if isinstance(name, str):
        if name in seen:
            raise SourceError(f"`read_from` leads in a circle through {name!r}.", "Point it to a git source.")
        layers = scope.sources.get(name)
        if layers is None:
            raise SourceError(
                f"`read_from` names the source {name!r}, which is not declared.", nearest(name, scope.sources)
            )
        reads = _typed(scope, merge_source(layers), {*seen, name})
    source = PathSource(path=data["path"], read_from=reads)
    if not is_absolute_path(source.path):
        pull_steps(source, root="/")  # raises where it leaves the repository
    return source


def _git(data: Mapping[str, Any]) -> GitSource:
    token = data.get("token") or {}
    source = GitSource(
        url=str(data["git"]),
        branch=data.get("branch"),
        tag=data.get("tag"),
        commit=data.get("commit"),
        secret=token.get("secret"),
        github_credentials=token.get("github_credentials"),
        directories=tuple(data.get("directories") or ()),
        include_submodules=bool(data.get("include_submodules")),
    )
    fault = check(source)
    if fault is not None:
        raise fault
    return source


def location_of(code: Code) -> Location:
    """Where the source of an entry is named, or the entry itself."""
    return code.entry.locate(("source",)) if code.source_name else code.entry.location

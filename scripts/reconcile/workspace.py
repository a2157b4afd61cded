"""Finds and reads the repository's files, each held against its schema."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from reconcile.document import MAX_SIZE, Document, read_document
from reconcile.layers import NAME, AreaFiles, KeyPath, Repository
from reconcile.problem import Fault, Location, Problem, Severity
from reconcile.resolve import nearest
from reconcile.schema import faults_of, problems_of
from reconcile.secrets import secrets_in, secrets_in_comments

SHARED: Final = "shared"
NOT_POOLS: Final = frozenset({"logging"})
"""Files of the pools folder that are no pools: logging.yml is Prefect's own."""

_UNREADABLE: Final = frozenset[KeyPath]({()})
"""What is left out of a file that could not be read: all of it."""


@dataclass(slots=True)
class _Files:
    """The files as they are read, with every problem found on the way."""

    root: Path
    problems: list[Problem] = field(default_factory=list)


def load(root: Path) -> tuple[Repository, list[Problem]]:
    """The repository below a root, and what is wrong with its files, which is left out of it (Document.dropped)."""
    files = _Files(root=root)
    folder = root / "deployments"
    environments = _needed(files, folder / "environments.yaml", "environments")
    repository = Repository(
        project=_needed(files, root / "prefect.yaml", "prefect"),
        environments=environments,
        shared=_named(files, folder / f"{SHARED}.yaml", "shared"),
        areas={path.name: _area(files, path, environments) for path in _areas(files, folder)},
        pools=dict(_pools(files)),
    )
    return repository, files.problems


def _areas(files: _Files, folder: Path) -> Iterator[Path]:
    for path in _sorted(files, folder):
        if path.is_dir() and not path.name.startswith((".", "_")):
            if not NAME.fullmatch(path.name):
                _misnamed(files, path, "An area's folder")
            yield path
        elif path.is_file() and _is_yaml(path) and path.stem.lower() not in {"environments", SHARED}:
            expected = "environments.yaml, shared.yaml or <area>/<environment>.yaml"
            _stray(files, path, f"Files of this folder are called {expected}.")


def _area(files: _Files, folder: Path, environments: Document) -> AreaFiles:
    known = environments.data.get("environments")
    found: dict[str, Document] = {}
    for path in _sorted(files, folder):
        if path.is_dir():
            if _is_yaml(path):
                hint = "Put a file here that this user may read."
                _say(files, path, "file-unreadable", f"{_name(files, path)} is a folder, not a file.", hint)
            if not path.is_symlink():
                _nothing_below(files, path)
        elif _is_yaml(path) and path.stem.lower() != SHARED:
            found[path.stem] = _listed(files, path, "deployments")
            declared = known is None or path.stem in known or environments.at_fault(("environments", path.stem))
            if not declared and path.suffix == ".yaml":
                hint = f"{nearest(path.stem, known)} Rename the file, or declare the environment in environments.yaml."
                _say(files, path, "environment-unknown", f"No environment is called {path.stem!r}.", hint)
    return AreaFiles(shared=_named(files, folder / f"{SHARED}.yaml", "area-shared"), environments=found)


def _pools(files: _Files) -> Iterator[tuple[str, Document]]:
    for path in _sorted(files, files.root / "pools"):
        if _is_yaml(path) and path.stem not in NOT_POOLS:
            if not NAME.fullmatch(path.stem):
                _misnamed(files, path, "A pool's file")
            yield path.stem, _with_template(files, path, _listed(files, path, "pool"))


def _with_template(files: _Files, path: Path, document: Document) -> Document:
    """A template that the pool's file names by its path, read in its place."""
    name = document.data.get("base_job_template")
    if not isinstance(name, str):
        return document
    template = _template(files, path.parent, name)
    if isinstance(template, Fault):
        files.problems.append(template.located(document.locate(("base_job_template",))))
        data = {key: value for key, value in document.data.items() if key != "base_job_template"}
        return replace(document, data=data, dropped=document.dropped | {("base_job_template",)})
    return replace(document, data={**document.data, "base_job_template": template})


def _template(files: _Files, folder: Path, name: str) -> dict[str, Any] | Fault:
    hint = (
        "Write the path of a JSON file, relative to the pools folder; "
        "`prefect work-pool get-default-base-job-template` writes one."
    )
    try:
        file = (folder / name.replace("\\", "/")).resolve()
        if not file.is_relative_to(files.root.resolve()):
            return Fault(code="path-outside", message=f"The path {name!r} leaves the repository.", hint=hint)
        if file.exists() and (not file.is_file() or file.stat().st_size > MAX_SIZE):
            most = f"{MAX_SIZE:,} bytes"
            return Fault(
                code="template-invalid",
                message=f"The job template {name!r} is not a file of at most {most}.",
                hint=hint,
            )
        template = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError, RuntimeError) as error:
        reason = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read: {_reason(error)}"
        return Fault(code="template-invalid", message=f"The job template {name!r} {reason}.", hint=hint)
    if not isinstance(template, dict):
        return Fault(code="template-invalid", message=f"The job template {name!r} is not a mapping.", hint=hint)
    return template


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


# ---------------------------------------------------------------- one file


def _needed(files: _Files, path: Path, kind: str) -> Document:
    document = _named(files, path, kind)
    if document is None:
        hint = "Is this the repository's folder? `--root DIR` names another."
        _say(files, path, "file-missing", f"There is no {_name(files, path)}.", hint)
    return document or _nothing(files, path)


def _named(files: _Files, path: Path, kind: str) -> Document | None:
    """A file of a fixed name; None where there is none."""
    others = [each for each in _sorted(files, path.parent) if each.name != path.name and _resembles(each, path)]
    for other in others:
        _stray(files, other, f"Rename it to {path.name}.")
    if path.exists() or path.is_symlink():
        return _document(files, path, kind)
    return _nothing(files, path) if others else None


def _resembles(path: Path, other: Path) -> bool:
    return path.is_file() and _is_yaml(path) and path.stem.lower() == other.stem


def _listed(files: _Files, path: Path, kind: str) -> Document:
    """A file that was found in its folder."""
    if path.suffix == ".yaml":
        return _document(files, path, kind)
    _stray(files, path, f"Rename it to {path.stem}.yaml.")
    return _nothing(files, path)


def _document(files: _Files, path: Path, kind: str) -> Document:
    """A file held against the schema of its kind. What is at fault is left out of it."""
    content = _content(files, path)
    return _nothing(files, path) if content is None else _checked(files, path, kind, content)


def _content(files: _Files, path: Path) -> bytes | None:
    name = _name(files, path)
    try:
        if not path.resolve().is_relative_to(files.root.resolve()):
            hint = "Put the file itself here."
            _say(files, path, "path-outside", f"{name} is a link that leaves the repository.", hint)
            return None
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would be waited for
            _say(files, path, "file-unreadable", f"{name} is a pipe or a device, not a file.", "Put a file here.")
            return None
        with path.open("rb") as stream:
            return stream.read(_MOST)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links, before Python 3.13
        hint = "Put a file here that this user may read."
        _say(files, path, "file-unreadable", f"{name} cannot be read: {_reason(error)}.", hint)
        return None


_MOST: Final = 32 * MAX_SIZE
"""Bytes of a file that are read at most: what is beyond is refused for its size, and shall not take our memory."""


def _checked(files: _Files, path: Path, kind: str, content: bytes) -> Document:
    document, problems = read_document(_name(files, path), content)
    files.problems += problems
    if document is None:
        return _nothing(files, path)
    secrets = tuple(_secrets(document))
    files.problems += secrets
    files.problems += _secrets_in_comments(document)
    document = replace(document, reported=document.reported | {problem.location for problem in secrets})
    faults = faults_of(document, kind)
    files.problems += problems_of(document, (replace(fault, hint=fault.hint or ANY_HINT) for fault in faults))
    return _without(document, faults)


ANY_HINT: Final = "Correct it, or delete it: in an editor, the schema of this file explains each key."


def _nothing(files: _Files, path: Path) -> Document:
    """A file that cannot be read: whatever is looked for in it may well stand there."""
    return Document(file=_name(files, path), data={}, dropped=_UNREADABLE)


def _secrets(document: Document) -> Iterator[Problem]:
    for at, kind in secrets_in(document.data):
        fault = Fault(
            code="secret-in-clear",
            message=f"Here stands {kind} in clear text: whoever reads the repository or the server can use it.",
            hint="Revoke it, keep the new one in a Secret block, and write {{ prefect.blocks.secret.NAME }} in quotes.",
        )
        yield fault.located(document.locate(at))


def _secrets_in_comments(document: Document) -> Iterator[Problem]:
    for at, kind in secrets_in_comments(document.text, document.data):
        yield Problem(
            location=document.location(at),
            code="secret-in-clear",
            message=f"Here stands {kind} in clear text, in a comment: whoever reads the repository can use it.",
            hint="Revoke it, and delete it here.",
        )


def _without(document: Document, faults: tuple[Fault, ...]) -> Document:
    """The document without what is at fault: the checks which follow can trust its shape and say all the rest."""
    wrong = {_unit(fault.at) for fault in faults if fault.severity is Severity.ERROR and not _is_missing(fault)}
    if () in wrong or not isinstance(document.data, dict):
        return replace(document, data={}, dropped=_UNREADABLE)
    return replace(document, data=_dropped(document.data, wrong), dropped=frozenset(wrong))


def _is_missing(fault: Fault) -> bool:
    """Whether the whole file lacks a key, which is no reason to leave out the keys that it has."""
    return fault.code == "missing-key" and not fault.at


def _unit(at: KeyPath) -> KeyPath:
    """What is left out for a fault: the value alone; a whole list for one of its items."""
    return next((at[:index] for index, step in enumerate(at) if isinstance(step, int)), at)


def _dropped(data: dict[str, Any], wrong: Iterable[KeyPath]) -> dict[str, Any]:
    """The data without the values at some paths: all at once, for there may be a hundred thousand."""
    below: dict[str, set[KeyPath]] = {}
    for head, *rest in wrong:
        below.setdefault(str(head), set()).add(tuple(rest))
    return {
        key: _dropped(value, below[key]) if key in below and isinstance(value, dict) else value
        for key, value in data.items()
        if () not in below.get(key, ())
    }


# ---------------------------------------------------------------- the folders


def _sorted(files: _Files, folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        _say(files, folder, "folder-unreadable", f"This folder cannot be read: {_reason(error)}.", "Check who may.")
        return []


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in {".yaml", ".yml"} and not path.name.startswith(".")


def _nothing_below(files: _Files, folder: Path) -> None:
    """Areas have no folders of their own: a file there would be forgotten in silence."""
    for path in _sorted(files, folder):
        if path.is_dir() and not path.is_symlink():
            _nothing_below(files, path)
        elif _is_yaml(path):
            _stray(files, path, "Files of deployments are called deployments/<area>/<environment>.yaml.")


def _name(files: _Files, path: Path) -> str:
    return path.relative_to(files.root).as_posix()


def _say(files: _Files, path: Path, code: str, message: str, hint: str) -> None:
    files.problems.append(Problem(location=Location(file=_name(files, path)), code=code, message=message, hint=hint))


def _stray(files: _Files, path: Path, hint: str) -> None:
    _say(files, path, "file-stray", "This file would be read by nobody.", hint)


def _misnamed(files: _Files, path: Path, what: str) -> None:
    hint = "Rename it; what the UI shows can be said inside the files."
    _say(
        files, path, "name-invalid", f"{what} is named with small letters, digits and hyphens, not {path.name!r}.", hint
    )


def job_templates() -> Mapping[str, Mapping[str, Any]]:
    """The default job template of each type of pool, from a file of the Prefect package, which is not imported."""
    spec = importlib.util.find_spec("prefect")
    if spec is None or not spec.submodule_search_locations:
        return {}
    folder = Path(next(iter(spec.submodule_search_locations)))
    path = folder / "server" / "api" / "collections_data" / "views" / "aggregate-worker-metadata.json"
    packages = json.loads(path.read_text(encoding="utf-8"))
    return {
        kind: worker["default_base_job_configuration"]
        for workers in packages.values()
        for kind, worker in workers.items()
    }

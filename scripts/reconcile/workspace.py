"""Finds and reads the repository's files, each held against its schema."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from reconcile.document import Document, read_document
from reconcile.layers import AreaFiles, Repository
from reconcile.problem import Fault, Location, Problem, Severity
from reconcile.resolve import nearest
from reconcile.schema import faults_of, problems_of

NAME: Final = re.compile(r"[a-z0-9-]+")
SHARED: Final = "shared"
NOT_POOLS: Final = frozenset({"logging"})
"""Files of the pools folder that are no pools: logging.yml is Prefect's own."""


@dataclass(slots=True)
class _Files:
    """The files as they are read, with every problem found on the way."""

    root: Path
    problems: list[Problem] = field(default_factory=list)


def load(root: Path) -> tuple[Repository | None, list[Problem]]:
    """The repository below a root; None where it is none at all. What is at fault is left out of it."""
    files = _Files(root=root)
    project = _document(files, root / "prefect.yaml", "prefect")
    environments = _document(files, root / "deployments" / "environments.yaml", "environments")
    if project is None or environments is None:
        return None, files.problems
    areas = {folder.name: _area(files, folder, environments) for folder in _areas(files)}
    repository = Repository(
        project=project,
        environments=environments,
        shared=_document(files, root / "deployments" / "shared.yaml", "shared", needed=False),
        areas=areas,
        pools=dict(_pools(files)),
    )
    return repository, files.problems


def _areas(files: _Files) -> Iterator[Path]:
    for path in _sorted(files.root / "deployments"):
        if path.is_dir() and not path.name.startswith((".", "_")):
            if NAME.fullmatch(path.name):
                yield path
            else:
                _misnamed(files, path, "An area's folder")
        elif (
            path.is_file()
            and path.suffix in {".yaml", ".yml"}
            and path.name not in {"environments.yaml", "shared.yaml"}
        ):
            _stray(
                files,
                path,
                "deployments/environments.yaml, deployments/shared.yaml or deployments/<area>/<environment>.yaml",
            )


def _area(files: _Files, folder: Path, environments: Document) -> AreaFiles:
    known = environments.data.get("environments") or {}
    shared: Document | None = None
    found: dict[str, Document] = {}
    for path in _sorted(folder):
        if path.suffix == ".yml":
            _stray(files, path, f"{path.stem}.yaml")
        if path.suffix != ".yaml":
            continue
        if path.stem == SHARED:
            shared = _document(files, path, "area-shared")
        elif path.stem not in known:
            hint = f"{nearest(path.stem, known)} Rename the file, or declare the environment in environments.yaml."
            _say(files, path, "environment-unknown", f"No environment is called {path.stem!r}.", hint)
        else:
            document = _document(files, path, "deployments")
            if document is not None:
                found[path.stem] = document
    return AreaFiles(shared=shared, environments=found)


def _pools(files: _Files) -> Iterator[tuple[str, Document]]:
    for path in _sorted(files.root / "pools"):
        if not path.is_file() or path.suffix not in {".yaml", ".yml"} or path.stem in NOT_POOLS:
            continue
        if path.suffix == ".yml":
            _stray(files, path, f"{path.stem}.yaml")
        elif not NAME.fullmatch(path.stem):
            _misnamed(files, path, "A pool's file")
        else:
            document = _document(files, path, "pool")
            if document is not None:
                yield path.stem, _with_template(files, path, document)


def _with_template(files: _Files, path: Path, document: Document) -> Document:
    """A template that the pool's file names by its path, read in its place."""
    name = document.data.get("base_job_template")
    if not isinstance(name, str):
        return document
    template: Any = None
    file = (path.parent / name).resolve()
    hint = "Write a path relative to the pools folder, of a JSON file such as `prefect work-pool get-default-base-job-template` writes."
    if not file.is_relative_to(files.root.resolve()):
        fault = Fault(code="path-outside", message=f"The path {name!r} leaves the repository.", hint=hint)
    else:
        try:
            template = json.loads(file.read_text(encoding="utf-8"))
            fault = Fault(code="template-invalid", message=f"{name} is not a mapping of JSON.", hint=hint)
        except (OSError, ValueError, RecursionError) as error:
            reason = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
            fault = Fault(code="template-invalid", message=f"The job template {name!r} {reason}.", hint=hint)
    if not isinstance(template, dict):
        files.problems.append(fault.located(document.locate(("base_job_template",))))
    data = {key: value for key, value in document.data.items() if key != "base_job_template"}
    return replace(document, data={**data, "base_job_template": template} if isinstance(template, dict) else data)


def _document(files: _Files, path: Path, kind: str, *, needed: bool = True) -> Document | None:
    name = _name(files, path)
    if not path.is_file():
        if needed:
            hint = "Is this the repository's folder? `--root DIR` names another."
            _say(files, path, "file-missing", f"There is no {name}.", hint)
        return None
    if not path.resolve().is_relative_to(files.root.resolve()):
        _say(files, path, "path-outside", f"{name} is a link that leaves the repository.", "Put the file itself here.")
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        _say(files, path, "file-unreadable", f"{name} cannot be read: {error.strerror}.", "Check who may read it.")
        return None
    document, problems = read_document(name, content)
    files.problems += problems
    if document is None:
        return None
    faults = faults_of(document, kind)
    files.problems += problems_of(document, faults)
    return replace(document, data=_without(document.data, faults))


def _without(data: Any, faults: tuple[Fault, ...]) -> Any:
    """The data without what is at fault, so that the checks which follow can trust its shape and say all the rest."""
    if any(not fault.at for fault in faults) or not isinstance(data, dict):
        return {}
    for fault in faults:
        if fault.severity is Severity.ERROR:
            data = _dropped(data, _unit(fault.at))
    return data


def _unit(at: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """What is dropped for a fault: whole list items' lists, whole schedules, whole sources; else the value alone."""
    for index, step in enumerate(at):
        if isinstance(step, int):
            return at[:index]
        if step in {"schedules", "sources", "queues"} and len(at) > index + 2:
            return at[: index + 2]
    return at


def _dropped(data: dict[str, Any], at: tuple[str | int, ...]) -> dict[str, Any]:
    head, rest = str(at[0]), at[1:]
    if head not in data:
        return data
    if rest and isinstance(data[head], dict):
        return {**data, head: _dropped(data[head], rest)}
    return {key: value for key, value in data.items() if key != head}


def _sorted(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _name(files: _Files, path: Path) -> str:
    return path.relative_to(files.root).as_posix()


def _say(files: _Files, path: Path, code: str, message: str, hint: str) -> None:
    files.problems.append(Problem(location=Location(file=_name(files, path)), code=code, message=message, hint=hint))


def _stray(files: _Files, path: Path, expected: str) -> None:
    _say(files, path, "file-stray", "This file would be read by nobody.", f"Files here are called {expected}.")


def _misnamed(files: _Files, path: Path, what: str) -> None:
    hint = "Rename it; what the UI shows can be said inside the files."
    _say(
        files, path, "name-invalid", f"{what} is named with small letters, digits and hyphens, not {path.name!r}.", hint
    )


def job_templates() -> Mapping[str, Mapping[str, Any]]:
    """The default job template of each type of work pool, from the file that the Prefect package brings; not imported."""
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

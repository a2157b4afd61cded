"""`import FILE`: a prefect.yaml becomes YAML of this repository. Nothing is asked of any server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from reconcile.commands.proposing import Faults, Ground, Proposal, propose
from reconcile.commands.session import Files
from reconcile.document import MAX_SIZE, Document, read_document
from reconcile.errors import ProblemsError, ReconcileError, UsageError
from reconcile.layers import NAME
from reconcile.moving.draft import DraftEntry, DraftTree, Fields, area_name, plain_name
from reconcile.moving.from_prefect_yaml import from_prefect_yaml
from reconcile.moving.prefect_file import Imported, Target
from reconcile.moving.prefect_templates import template_problem
from reconcile.problem import Location, Problem, Severity, has_errors, in_order
from reconcile.schedule import zone_info

NOTES: Final = """FILE is a prefect.yaml of Prefect 3, or what is left of 2. What Prefect drops in silence is
named with its line, and what cannot be carried over with its reason; with an error nothing is written, and --only
takes the others. The file does not say of which type a work pool is: --pool-type does, or it is guessed.

  python3 scripts/sync.py import ../old/prefect.yaml --area compras --env prod
  python3 scripts/sync.py import ../old/prefect.yaml --only 'Cierre*' --pool-type caja=docker --yes
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedFile:
    """A prefect.yaml that somebody wants imported, into which folder, and as what."""

    path: Path
    root: Path
    environment: str
    area: str | None = None
    only: tuple[str, ...] = ()
    pool_types: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProposal:
    """The files to write, and what is said of the file that they come from: warnings, as errors are raised."""

    proposal: Proposal
    problems: tuple[Problem, ...]
    already: tuple[str, ...] = ()


def file_proposal_of(asked: AskedFile) -> FileProposal:
    """The files that declare what a prefect.yaml does. Raises ProblemsError with every reason why not."""
    document, problems = _read(asked.path)
    if document is None:
        raise ProblemsError(problems)
    errors = tuple(problem for problem in problems if problem.severity is Severity.ERROR)
    area = _area(asked, document)
    seen: list[Imported] = []
    blamed: dict[str, str] = {}

    def drafting(files: Files, faults: Faults) -> DraftTree:
        found = _picked(from_prefect_yaml(document, _target(asked, area, files)), asked.only)
        seen[:] = [found]
        blamed.update({name: why for (kind, name), why in faults.items() if kind == "deployment"})
        tree = replace(found.tree, entries=tuple(one for one in found.tree.entries if one.identity not in blamed))
        others = {name for kind, name in faults if kind == "automation"}
        blamed.update({f"automation {name}": why for (kind, name), why in faults.items() if kind == "automation"})
        return replace(tree, automations={name: said for name, said in tree.automations.items() if name not in others})

    proposal = propose(_ground(asked, document), drafting, lambda _, __: {})
    found = seen[0]
    told = in_order((*problems, *found.problems, *_blame(document, found.tree.entries, blamed)))
    if errors or has_errors(told):
        raise ProblemsError(told)
    return FileProposal(proposal=proposal, problems=told, already=found.already)


# ---------------------------------------------------------------- reading it


def _read(path: Path) -> tuple[Document | None, tuple[Problem, ...]]:
    """The file as a document. What makes it unreadable is located in it."""
    name = path.as_posix()
    try:
        if path.is_dir():
            path = path / "prefect.yaml"
            name = path.as_posix()
        if path.exists() and not path.is_file():
            raise UsageError(f"{name} is no file.", "Name a prefect.yaml.")
        with path.open("rb") as stream:
            content = stream.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ReconcileError(f"{name} cannot be read: {reason}.", "Name a prefect.yaml that is there.") from None
    template = template_problem(name, content.decode("utf-8", "replace"))
    if template is not None:
        return None, (template,)
    return read_document(name, content)


# ---------------------------------------------------------------- where it goes


def _area(asked: AskedFile, document: Document) -> str:
    """The area that is named, or one called as the project is."""
    named = document.data.get("name") if isinstance(document.data, dict) else None
    area = asked.area or plain_name(str(named or asked.path.resolve().parent.name), "general")
    if not NAME.fullmatch(area):
        raise UsageError(f"{area!r} is no name of an area.", "Small letters, digits and hyphens: compras, say.")
    return area_name(area)


def _ground(asked: AskedFile, document: Document) -> Ground:
    named = document.data.get("name") if isinstance(document.data, dict) else None
    zones = re.findall(r"timezone:\s*[\"']?([A-Za-z_]+/[A-Za-z_/+-]+)", document.text)
    known = {zone for zone in zones if zone_info(zone) is not None}
    favourite = min(known, key=lambda zone: (-zones.count(zone), zone), default="UTC")
    project = plain_name(str(named or asked.root.resolve().name), "project")[:63].strip("-")
    return Ground(root=asked.root, environment=asked.environment, project=project, zone=favourite)


def _target(asked: AskedFile, area: str, files: Files) -> Target:
    repository = files.repository
    rules = (repository.environments.data.get("environments") or {}).get(asked.environment) or {}
    here = repository.areas.get(area)
    standing = here.environments.get(asked.environment) if here else None
    folder = asked.path.resolve() if asked.path.is_dir() else asked.path.resolve().parent
    return Target(
        area=area,
        environment=asked.environment,
        folder=_folder(folder, asked.root.resolve()),
        folder_name=folder.name or "project",
        form=str(rules.get("name") or "{name}"),
        pools={str(pool.data.get("name") or stem): stem for stem, pool in repository.pools.items()},
        stems=frozenset(repository.pools),
        pool_types=asked.pool_types or {},
        taken=frozenset(map(str, (standing.data.get("deployments") or {}) if standing else ())),
    )


def _folder(folder: Path, root: Path) -> str:
    """The folder of the file: relative where it is in the repository, else as it stands on this machine."""
    return folder.relative_to(root).as_posix() if folder.is_relative_to(root) else folder.as_posix()


# ---------------------------------------------------------------- a part of it


def _picked(found: Imported, only: Iterable[str]) -> Imported:
    """Those entries that are asked for; what is wrong with the others is then nobody's concern."""
    globs = tuple(only)
    if not globs:
        return found
    entries = tuple(one for one in found.tree.entries if _takes(globs, one))
    names = {one.key for one in entries}
    starts = sorted(int(one.origin.rpartition(":")[2]) for one in found.tree.entries)
    wanted = [(line, _end(line, starts)) for one in entries if (line := int(one.origin.rpartition(":")[2]))]
    pools = {str(one.fields.get("work_pool")) for one in entries}
    tree = replace(
        found.tree,
        entries=entries,
        pools={stem: pool for stem, pool in found.tree.pools.items() if stem in pools},
        automations={name: said for name, said in found.tree.automations.items() if _runs(said) & names},
    )
    problems = tuple(
        problem
        for problem in found.problems
        if problem.severity is not Severity.ERROR or any(a <= problem.location.line < b for a, b in wanted)
    )
    return Imported(tree=tree, problems=problems, already=found.already)


def _end(line: int, starts: list[int]) -> float:
    return next((other for other in starts if other > line), float("inf"))


def _takes(globs: tuple[str, ...], one: DraftEntry) -> bool:
    return any(fnmatchcase(text, glob) for text in (one.key, one.identity) for glob in globs)


def _runs(automation: Fields) -> set[str]:
    return {str(action.get("deployment")) for action in automation.get("actions") or ()}


def _blame(document: Document, entries: Iterable[DraftEntry], blamed: Mapping[str, str]) -> Iterable[Problem]:
    """What is wrong with entries once they are declared, at their lines."""
    lines: dict[str, list[int]] = {}
    for one in entries:
        lines.setdefault(one.identity, []).append(int(one.origin.rpartition(":")[2]))
    for name, why in sorted(blamed.items()):
        first, *others = lines.get(name, [1])
        # The file that says where the other one is will never be written: its place here is told instead.
        here = re.sub(r"deployments/\S+:\d+:\d+", f"{document.file}:{first}", why) if others else why
        location = Location(file=document.file, line=(others or [first])[-1])
        yield Problem(location=location, code="not-importable", message=f"{name} cannot be declared: {here}")


def pool_types_of(said: Iterable[str]) -> dict[str, str]:
    """`--pool-type NAME=TYPE`, read."""
    found: dict[str, str] = {}
    for text in said:
        name, equals, kind = text.rpartition("=")
        if not equals or not name.strip() or not kind.strip():
            raise UsageError(f"--pool-type {text!r} is not NAME=TYPE.", "Write it as caja=docker, say.")
        found[name.strip()] = kind.strip()
    return found


def file_document(found: FileProposal, document: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a proposal, with what is said of the file."""
    from reconcile.render.json import problems_document

    return {**document, **problems_document(found.problems), "already": list(found.already)}

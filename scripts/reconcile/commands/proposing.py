"""A draft as the files of a repository: put together in a folder of its own, judged there, and only then written.

What a draft would make wrong is left out of it, with the reason, and it is put together anew: what is proposed is
always free of errors, and, held against the server that it came from, changes nothing there but who manages it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

from reconcile.commands.session import Files, declared_here, read_files
from reconcile.compare import canonical
from reconcile.desired import Desired
from reconcile.document import Document
from reconcile.errors import ProblemsError, ReconcileError
from reconcile.layers import Repository, below, scope_of
from reconcile.model import NOTHING, State
from reconcile.moving.draft import DraftEntry, DraftTree, Fields, Known, Place
from reconcile.moving.emit import ENVIRONMENTS, PROJECT, ROOMS, SHARED, emit, entry_lines, path_of, room_lines, rooms
from reconcile.moving.factor import factor
from reconcile.moving.from_state import source_of
from reconcile.moving.merge import ShadowedError, added, against
from reconcile.problem import Problem, Severity, as_told, has_errors
from reconcile.resolve import Place as WorkerPlace
from reconcile.resolve import steps_of
from reconcile.workspace import ANY_HINT

Faults = Mapping[tuple[str, str], str]
"""What cannot be declared, by its kind and name, and why."""

Drafting = Callable[[Files, Faults], DraftTree]
"""Makes the draft for a repository, without what is at fault."""

Judging = Callable[[Desired, DraftTree], Faults]
"""What of a draft turns out wrong once it is declared."""

ROUNDS: Final = 12
"""How often a draft is put together anew without what was wrong with it. Each time there is less of it."""

_KINDS: Final = {
    "variables": "variable",
    "secrets": "secret",
    "concurrency_limits": "concurrency-limit",
    "automations": "automation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The repository that a draft comes into, and what it has to have where it is not one yet."""

    root: Path
    environment: str
    project: str
    zone: str
    is_here: bool = True
    standing: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The files to write, by their paths, what they were made of, and what stood there before."""

    files: Mapping[str, str]
    tree: DraftTree
    before: Mapping[str, bytes | None]

    @property
    def changed(self) -> frozenset[str]:
        """Those of the files that are there already."""
        return frozenset(name for name in self.files if self.before.get(name) is not None)


def propose(ground: Ground, drafting: Drafting, judging: Judging) -> Proposal:
    """The files that a draft comes to. Raises ProblemsError where the repository is at fault itself."""
    _check(ground.root)
    faults: dict[tuple[str, str], str] = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="reconcile-import-") as folder:
            try:
                proposal, found = _round(ground, Path(folder), drafting, judging, faults)
            except OSError as error:
                raise _out_of_place(error, Path(folder), ground.root) from None
        if not found:
            return proposal
        if not found.keys() - faults.keys():
            break
        faults = {**found, **faults}
    raise ReconcileError("What was read cannot be declared without errors.", "Pick a part of it with --only.")


def _out_of_place(error: OSError, folder: Path, root: Path) -> ReconcileError:
    """That a folder stands where a file belongs, or the other way round, as of the repository itself."""
    place, reason = Path(error.filename or root), error.strerror or str(error)
    if isinstance(error, shutil.Error):
        where, _, told = error.args[0][0]
        place, reason = Path(where), "it is a link to nothing" if Path(where).is_symlink() else str(told)
    if place.is_relative_to(folder):
        place = root / place.relative_to(folder)
    if isinstance(error, FileExistsError):
        reason = "a folder is needed there"
    return ReconcileError(f"{place} cannot be used: {reason}.", "Nothing was written. Move it away, and run it again.")


def _check(root: Path) -> None:
    if (root / PROJECT).exists() or (root / "deployments").exists():
        problems = read_files(root).problems if (root / PROJECT).exists() and (root / ENVIRONMENTS).exists() else ()
        if has_errors(problems):
            raise ProblemsError(as_told(problems))


def _round(
    ground: Ground, folder: Path, drafting: Drafting, judging: Judging, faults: Faults
) -> tuple[Proposal, Faults]:
    _copy(ground.root, folder)
    before: dict[str, bytes | None] = dict(_contents(folder))
    _lay_ground(ground, folder)
    files = replace(read_files(folder), root=ground.root)
    shadowed: dict[tuple[str, str], str] = {}
    tree = factor(
        drafting(files, faults),
        _known(files, ground),
        lambda entry: _above(files.repository, entry, shadowed),
    )
    _write_into(folder, _texts(files, tree, schemas=(ground.root / "schemas").is_dir()))
    staged = replace(read_files(folder), root=ground.root)
    wanted = declared_here(staged, is_here=ground.is_here, standing=ground.standing)
    found = {**shadowed, **_faults(staged, tree, wanted.problems)}
    if not found:
        found = dict(judging(wanted, tree))
    written = {name: said.decode("utf-8") for name, said in _contents(folder) if said != before.get(name)}
    return Proposal(files=written, tree=tree, before={name: before.get(name) for name in written}), found


# ---------------------------------------------------------------- the folder that it is put together in


def _copy(root: Path, folder: Path) -> None:
    for name in ("deployments", "pools"):
        if (root / name).is_dir():
            shutil.copytree(root / name, folder / name)
    if (root / PROJECT).exists():
        shutil.copyfile(root / PROJECT, folder / PROJECT)


def _lay_ground(ground: Ground, folder: Path) -> None:
    """The project's file and the environment, where they are not there yet."""
    schemas = (ground.root / "schemas").is_dir()
    rules = {ground.environment: {"name": "{name}"}}
    project = {"name": ground.project, "prefect-version": version("prefect")}
    tree = DraftTree(
        project=None if (folder / PROJECT).exists() else project,
        environments=None
        if (folder / ENVIRONMENTS).exists()
        else {"default_timezone": ground.zone, "environments": rules},
    )
    _write_into(folder, emit(tree, schemas=schemas))
    document = read_files(folder).repository.environments
    if ground.environment not in (document.data.get("environments") or {}):
        text = _text_of(folder / ENVIRONMENTS)
        lines = [f"{ground.environment}:", '  name: "{name}"']
        more = added(text, document, "environments", lambda indent: [f"{' ' * indent}{line}" for line in lines])
        _write_into(folder, {ENVIRONMENTS: more})


def _write_into(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8-sig")


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


# ---------------------------------------------------------------- what the files say already


def _known(files: Files, ground: Ground) -> Known:
    repository = files.repository
    shared = repository.shared.data if repository.shared else {}
    scope = scope_of(repository, "", ground.environment)
    place = WorkerPlace(root=str(ground.root), is_here=ground.is_here)
    sources: dict[str, str] = {}
    for name in sorted(scope.sources if scope else ()):
        said = source_of(steps_of(scope, name, place)) if scope else None
        if said is not None:
            sources.setdefault(canonical(said), name)
    names = {
        name
        for document in repository.documents()
        for name in (document.data.get("sources") or {} if isinstance(document.data, dict) else {})
    }
    return Known(
        sources=sources,
        source_names=frozenset(names),
        schedules={name: said or {} for name, said in (shared.get("schedules") or {}).items()},
        places=frozenset((area, each) for area, found in repository.areas.items() for each in found.environments),
    )


def _above(repository: Repository, entry: DraftEntry, shadowed: dict[tuple[str, str], str]) -> DraftEntry:
    lower = below(repository, entry.area, entry.environment, entry.key)
    if not lower:
        return entry
    try:
        return replace(entry, fields=against(lower, entry.fields))
    except ShadowedError as error:
        shadowed["deployment", entry.identity] = f"Files that are there say more of it: {error}."
        return entry


def _texts(files: Files, tree: DraftTree, *, schemas: bool) -> dict[str, str]:
    """New files as they are emitted; those that are there with what is new added."""
    repository = files.repository
    documents = {document.file: document for document in repository.documents() if document.text}
    texts = {name: text for name, text in emit(tree, schemas=schemas).items() if name not in documents}
    if SHARED in documents:
        text, document = documents[SHARED].text, documents[SHARED]
        for room, said in rooms(tree).items():
            if said:
                text, document = _room_added(text, document, room, said)
        texts[SHARED] = text
    for place in sorted({entry.place for entry in tree.entries}):
        if path_of(place) in documents:
            texts[path_of(place)] = _entries_added(documents[path_of(place)], tree, place)
    return texts


def _room_added(text: str, document: Document, room: str, said: Mapping[str, Fields]) -> tuple[str, Document]:
    from reconcile.document import read_document

    more = added(text, document, room, lambda indent: list(room_lines(room, said, indent)))
    again, _ = read_document(document.file, more.encode("utf-8"))
    return more, again or document


def _entries_added(document: Document, tree: DraftTree, place: Place) -> str:
    def lines(indent: int) -> list[str]:
        here = (entry for entry in tree.entries if entry.place == place)
        return [line for entry in here for line in ("", *entry_lines(entry, indent))]

    return added(document.text, document, "deployments", lines)


# ---------------------------------------------------------------- what is wrong with it


def _faults(staged: Files, tree: DraftTree, problems: Iterable[Problem]) -> dict[tuple[str, str], str]:
    """The things of the draft that have errors. Raises ProblemsError where an error is nobody's of the draft."""
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    index = _Index.of(staged, tree) if errors else None
    found: dict[tuple[str, str], str] = {}
    for problem in errors:
        assert index is not None
        found |= dict.fromkeys(index.at(problem), _why(index, problem))
    if errors and not found:
        raise ProblemsError(as_told(errors))
    return found


def _why(index: _Index, problem: Problem) -> str:
    """A problem in the words of somebody who never saw the files: its place by the field's name."""
    start = index.start(problem)
    field = start.field if start is not None else ""
    lead = f"Its {field} cannot be declared so: " if field else ""
    hint = "" if problem.hint == ANY_HINT else problem.hint
    return f"{lead}{problem.message} {hint}".strip()


class _Start(NamedTuple):
    """Where something begins: a thing of a file, or one of its fields."""

    line: int
    column: int
    room: str
    name: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    """What of a draft stands where, by file: where each thing begins, in order."""

    tree: DraftTree
    starts: Mapping[str, tuple[_Start, ...]]

    @classmethod
    def of(cls, staged: Files, tree: DraftTree) -> _Index:
        starts = {document.file: tuple(sorted(_starts(document))) for document in staged.repository.documents()}
        return cls(tree=tree, starts=starts)

    def start(self, problem: Problem) -> _Start | None:
        """What begins last before a problem."""
        place = problem.location.line, problem.location.column
        before = [start for start in self.starts.get(problem.location.file, ()) if start[:2] <= place]
        return before[-1] if before else None

    def at(self, problem: Problem) -> list[tuple[str, str]]:
        """The things of the draft that a problem is about, as kind and name."""
        file = problem.location.file
        stem = file.removeprefix("pools/").removeprefix("templates/").partition(".")[0]
        if file.startswith("pools/") and stem in self.tree.pools:
            return [("work-pool", str(self.tree.pools[stem].fields.get("name") or stem))]
        start = self.start(problem)
        return list(self._about(file, start.room, start.name)) if start is not None else []

    def _about(self, file: str, room: str, name: str) -> Iterator[tuple[str, str]]:
        for entry in self.tree.entries:
            here = path_of(entry.place) == file
            defaults = self.tree.defaults.get(entry.place) or NOTHING
            if (
                (here and room == "defaults" and (name in _UNITED or name not in entry.fields))
                or (here and room == "deployments" and entry.key == name)
                or (room == "sources" and name in {entry.fields.get("source"), defaults.get("source")})
                or (room == "schedules" and name in set(_shared_of(entry.fields)))
            ):
                yield "deployment", entry.identity
        if room in _KINDS and file == SHARED and name in rooms(self.tree)[room]:
            yield _KINDS[room], name


_UNITED: Final = frozenset({"tags"})
"""Defaults that are everybody's, whatever a deployment says itself."""


def _starts(document: Document) -> Iterator[_Start]:
    for room in ("defaults", "deployments", *ROOMS):
        for name in document.keys_at((room,)):
            at = document.locate((room, name), key=True)
            yield _Start(at.line, at.column, room, str(name), str(name) if room == "defaults" else "")
            for field in document.keys_at((room, name)) if room == "deployments" else ():
                inside = document.locate((room, name, field), key=True)
                yield _Start(inside.line, inside.column, room, str(name), str(field))


def _shared_of(fields: Fields) -> Iterator[str]:
    for slug, said in (fields.get("schedules") or {}).items():
        if isinstance(said, Mapping) and not {"cron", "interval", "rrule"} & said.keys():
            yield str(said.get("use") or slug)


# ---------------------------------------------------------------- writing


def standing(root: Path, names: Iterable[str]) -> dict[str, bytes | None]:
    """What stands at places now; None where nothing does, or something that is no file."""
    found: dict[str, bytes | None] = {}
    for name in names:
        with suppress(OSError):
            found[name] = (root / name).read_bytes()
    return {name: found.get(name) for name in names}


def write(root: Path, files: Mapping[str, str], before: Mapping[str, bytes | None]) -> None:
    """Write the files whole, and all of them or none.

    All are written beside their places first, so that nothing stands there by halves, and what others name comes
    before who names it. `before`: what stood there when they were made up; what somebody wrote since is left alone.
    """
    beside: list[tuple[Path, Path, bytes | None]] = []
    folders: list[Path] = []
    try:
        for name in sorted(files, key=_after_what_it_names):
            temporary = _beside(root / name, files[name], folders)
            beside.append((temporary, root / name, before.get(name)))
        for _, path, content in beside:
            _still(path, content)
        for number, (temporary, path, _) in enumerate(beside):
            try:
                temporary.replace(path)
            except BaseException:
                _put_back(beside[:number])
                raise
        folders.clear()
    except OSError as error:
        raise _not_written(error, root) from None
    finally:
        for temporary, _, _ in beside:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        for folder in reversed(folders):
            with suppress(OSError):
                folder.rmdir()


def _after_what_it_names(name: str) -> tuple[int, str]:
    """So that an import that was killed between two files can be run again: no file names what is not there yet."""
    order = (PROJECT, ENVIRONMENTS, "pools/templates/", "pools/", SHARED)
    return next((number for number, start in enumerate(order) if name.startswith(start)), len(order)), name


def _beside(path: Path, text: str, folders: list[Path]) -> Path:
    """The text in a file of its own beside its place; which folders are made for it is noted in `folders`."""
    new = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    folders.extend(reversed(new))
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode("utf-8"))
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _still(path: Path, content: bytes | None) -> None:
    try:
        now = path.read_bytes()
    except FileNotFoundError:
        now = None
    if now != content:
        what = "was deleted" if now is None else "was written by somebody else" if content is None else "was changed"
        raise ReconcileError(f"{path} {what} meanwhile.", "Nothing was written. Run it again, to see what is new then.")


def _put_back(written: Iterable[tuple[Path, Path, bytes | None]]) -> None:
    """Undo what was written before something failed."""
    for temporary, path, content in written:
        with suppress(OSError):
            if content is None:
                path.unlink()
            else:
                temporary.write_bytes(content)
                temporary.chmod(path.stat().st_mode & 0o777)
                temporary.replace(path)


def _not_written(error: OSError, place: Path) -> ReconcileError:
    reason = "a folder is needed there" if isinstance(error, FileExistsError) else error.strerror or str(error)
    return ReconcileError(
        f"{error.filename or place} cannot be written: {reason}.", "Nothing was written. Mend that, and run it again."
    )


def document_of(proposal: Proposal) -> dict[str, Any]:
    """The proposal as JSON."""
    entries = [
        {"key": one.identity, "name": one.key, "area": one.area, "environment": one.environment,
         "file": path_of(one.place)}
        for one in proposal.tree.entries
    ]  # fmt: skip
    notes = [
        {"code": note.code, "key": note.key, "message": note.message, "origin": note.origin or None,
         "left_out": note.left_out}
        for note in proposal.tree.notes
    ]  # fmt: skip
    files = [
        {"path": name, "action": "change" if name in proposal.changed else "create", "text": text}
        for name, text in proposal.files.items()
    ]
    return {"files": files, "entries": entries, "notes": notes}

"""Saved plans: `plan --out FILE` writes one, `apply FILE` applies exactly it or refuses.

A saved plan is the plan's document, secrets masked, with what it was made from: the tool, the commit, digests of the
files and of the plan with nothing masked, and what the command line selected. Applying one makes the plan anew, from
the files and the server as they are, and goes on only if it is the same. So the file need hold no secret, and nobody
gains anything by changing it; `sha256` notices when a byte of it changed all the same.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from reconcile.commands.checkout import git_state
from reconcile.commands.session import TOOL, Files, Session
from reconcile.document import Document
from reconcile.errors import ReconcileError, UsageError
from reconcile.plan import Notice, Plan
from reconcile.render.json import FORMAT, dump, plan_document
from reconcile.wire import server_of

SETTLED: Final[Mapping[str, Any]] = {
    "env": [],
    "area": [],
    "only": [],
    "local": False,
    "prune": False,
    "adopt": [],
    "adopt_all": False,
    "adopt_from": [],
    "release": [],
    "max_deletes": None,
    "allow_empty": [],
    "even_if_running": False,
    "read_source_secrets": False,
}
"""What the command line can say of what a plan takes in, and what it is where nothing is said."""

MOST: Final = 32 * 1024 * 1024
"""Bytes of the largest file that is taken for a plan: one of a thousand changes has about one million."""

_AGAIN: Final = "Make it anew with `plan --out FILE`, read it, and apply that."


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A plan that was read back, as it was written."""

    path: Path
    document: Mapping[str, Any]

    @property
    def selection(self) -> Mapping[str, Any]:
        """What the command line selected when it was made, and for which project."""
        found: Mapping[str, Any] = self.document["selection"]
        return found


# Writing


def check_place(path: Path) -> None:
    """Raises UsageError where no plan can be written to, before anybody has waited for one."""
    try:
        path.exists()
    except OSError as error:  # too long for a name
        raise UsageError(f"--out {path} cannot be written: {error.strerror}.", "Name another file.") from None
    if not path.parent.is_dir():
        raise UsageError(f"--out {path}: there is no folder {path.parent}.", "Make it first, or name another file.")
    if path.exists() and not path.is_file():
        raise UsageError(f"--out {path} is not a file.", "Name a file, such as monday.plan.json.")


def save(path: Path, plan: Plan, session: Session, options: Namespace) -> None:
    """Write the plan; what stands in the file is there whole, or as it was before. Raises UsageError."""
    text = _text(
        {
            **plan_document(plan),
            "tool": tool(),
            "commit": git_state(session.root).short,
            "inputs": inputs(session),
            "selection": {
                "project": session.project,
                "embedded": session.embedded,
                **{name: getattr(options, name, default) for name, default in SETTLED.items()},
            },
            "digest": digest_of(plan),
        }
    )
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise UsageError(f"--out {path} cannot be written: {error.strerror}.", "Name another file.") from None


def _text(document: Mapping[str, Any]) -> str:
    """The document with its own digest as its last key."""
    return dump({**document, "sha256": _sha256(dump(document))}) + "\n"


def _sha256(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode('utf-8', errors='surrogatepass')).hexdigest()}"


# Reading


def read_saved(path: Path) -> SavedPlan:
    """Read a plan back. Raises UsageError where there is no such file, ReconcileError where it is no plan of ours."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST + 1)  # a device or a pipe may have no end
        text = raw.decode("utf-8")
    except OSError as error:
        reason = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise UsageError(f"The plan {path} {reason}.", "Name a file that `plan --out FILE` wrote.") from None
    except UnicodeDecodeError:
        raise _no_plan(path) from None
    try:
        document = json.loads(text) if len(raw) <= MOST else None
    except (ValueError, RecursionError):
        raise _no_plan(path) from None
    if not isinstance(document, dict) or not {"format", "changes", "selection", "sha256"} <= document.keys():
        raise _no_plan(path)
    if document["format"] != FORMAT:
        raise ReconcileError(
            f"The plan {path} is of format {document['format']}, and this version of the tool reads format {FORMAT}.",
            _AGAIN,
        )
    if not (_is_as_written(document, text) and _is_plan(document) and _is_selection(document["selection"])):
        raise ReconcileError(f"The plan {path} was changed after it was saved, so it is not applied.", _AGAIN)
    return SavedPlan(path=path, document=document)


def _no_plan(path: Path) -> ReconcileError:
    return ReconcileError(f"{path} is not a saved plan.", "`plan --out FILE` writes one; `plan --json` does not.")


def _is_as_written(document: Mapping[str, Any], text: str) -> bool:
    """Whether that is, byte for byte, what would be written: spaces and the order of keys count too."""
    try:
        return text == _text({key: value for key, value in document.items() if key != "sha256"})
    except (ValueError, RecursionError):
        return False


def _is_plan(document: Mapping[str, Any]) -> bool:
    """Whether what it is held against is there: whoever changes a file can also write its digest anew."""
    texts = all(isinstance(document.get(name), str) for name in ("target", "tool", "commit", "inputs", "digest"))
    changes = document["changes"]
    return texts and isinstance(changes, list) and all(_is_change(change) for change in changes)


def _is_change(said: object) -> bool:
    return isinstance(said, dict) and isinstance(said.get("key"), str)


def _is_selection(said: object) -> bool:
    wanted = {"project": "", "embedded": False, **SETTLED}
    return (
        isinstance(said, dict)
        and said.keys() == wanted.keys()
        and all(_is_like(said[name], default) for name, default in wanted.items())
    )


def _is_like(value: object, default: object) -> bool:
    if isinstance(default, list):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if default is None:
        return value is None or (isinstance(value, int) and not isinstance(value, bool))
    return type(value) is type(default)


def selected_by(saved: SavedPlan, options: Namespace) -> Namespace:
    """The options with what the plan selects. Raises UsageError where the command line says any of it too."""
    said = [name for name, default in SETTLED.items() if getattr(options, name, default) != default]
    if said:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in said)
        raise UsageError(
            f"The plan {saved.path} says itself what it takes in, so {flags} cannot stand beside it.",
            f"Leave {flags} out, or make another plan with {flags}.",
        )
    return Namespace(**{**vars(options), **{name: saved.selection[name] for name in SETTLED}})


# Whether it still fits


def check_origin(saved: SavedPlan, session: Session) -> None:
    """Raises ReconcileError where the plan was made by another version, for another project, or for another server."""
    document = saved.document
    if document["tool"] != tool():
        raise ReconcileError(
            f"The plan {saved.path} was made by version {document['tool']} of the tool, and this is {tool()}.", _AGAIN
        )
    project = session.project
    if saved.selection["project"] != project:
        raise ReconcileError(
            f"The plan {saved.path} is for the project {saved.selection['project']!r}, and this repository is "
            f"{project!r}.",
            "Go to the repository that it was made in, or name it with --root.",
        )
    if not _is_target(saved, session):
        here = "Prefect's embedded server" if session.embedded else session.target.url
        there = "Prefect's embedded server" if saved.selection["embedded"] else document["target"]
        raise ReconcileError(
            f"The plan {saved.path} is for {there}, and the target is {here}.",
            "Set PREFECT_API_URL to the server of the plan, or make the plan anew for this one.",
        )


def _is_target(saved: SavedPlan, session: Session) -> bool:
    if saved.selection["embedded"] or session.embedded:
        return bool(saved.selection["embedded"] == session.embedded)
    return server_of(str(saved.document["target"])) == server_of(session.target.url or "")


def check_inputs(saved: SavedPlan, session: Session) -> None:
    """Raises ReconcileError where the files, or the flows' sources, are not those that the plan was made from."""
    if saved.document["inputs"] != inputs(session):
        commit, there = git_state(session.root).short, saved.document["commit"]
        where = f"commit {there}; this is {commit}" if commit != there else f"both on commit {commit}"
        raise ReconcileError(
            f"The files are not those that the plan {saved.path} was made from ({where}).",
            f"Check out that commit, or make the plan anew. {_AGAIN}" if commit != there else _AGAIN,
        )


def misfit(saved: SavedPlan, plan: Plan) -> Notice | None:
    """A refusal where the plan, made anew, is not the one that was saved: the server is not as it was."""
    if digest_of(plan) == saved.document["digest"] and _changes(plan) == saved.document["changes"]:
        return None
    before = {change["key"]: change for change in saved.document["changes"]}
    after = {change["key"]: change for change in _changes(plan)}
    keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    where = f" ({', '.join(keys[:3])}{' and more' if len(keys) > 3 else ''})" if keys else ""
    return Notice(
        code="plan-stale",
        message=f"The server is not as it was when the plan {saved.path} was made{where}, so nothing of it is applied; "
        "make it anew with `plan --out FILE`, read it, and apply that.",
    )


def _changes(plan: Plan) -> Any:
    return json.loads(dump(plan_document(plan)["changes"]))


# Digests


@cache
def tool() -> str:
    """The version of the tool, and a few digits of its own code: any change of it may plan otherwise."""
    digest = hashlib.sha256()
    house = TOOL / "scripts" / "reconcile"
    for path in sorted(house.rglob("*.py"), key=lambda path: path.relative_to(house).as_posix()):
        digest.update(f"{path.relative_to(house).as_posix()}\n".encode())
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    project = tomllib.loads((TOOL / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"{project['version']}+{digest.hexdigest()[:12]}"


def inputs(session: Session) -> str:
    """A digest of every file that the plan was made from: the repository's, and the flows' where they could be read."""
    texts = session.evidence.texts if session.evidence else {}
    read = [*_documents(session.files), *((f"source {path}", text or "") for (_, path), text in texts.items())]
    return _sha256(json.dumps(sorted((name, text.replace("\r\n", "\n")) for name, text in read)))


def _documents(files: Files) -> Iterator[tuple[str, str]]:
    repository = files.repository
    found: Iterable[Document | None] = (
        repository.project,
        repository.environments,
        repository.shared,
        *(document for area in repository.areas.values() for document in (area.shared, *area.environments.values())),
        *repository.pools.values(),
    )
    for document in found:
        if document is not None:
            yield document.file, document.text
            yield f"template {document.file}", json.dumps(document.data.get("base_job_template"), sort_keys=True)


def digest_of(plan: Plan) -> str:
    """A digest of everything that the plan would do, and of what it was held against, with nothing masked."""
    told = [
        [change.action, change.key, change.reason, change.fields, change.desired, change.observed]
        for change in plan.changes
    ]
    return _sha256(json.dumps(_plain(told), sort_keys=True, default=str))


_IDENTITY: Final = frozenset({"id", "flow_id"})


def _plain(value: Any) -> Any:
    """The value as JSON has it. What two resources are not compared by is left out, but for which they are."""
    if is_dataclass(value):
        kept = (field for field in fields(value) if field.compare or field.name in _IDENTITY)
        return {field.name: _plain(getattr(value, field.name)) for field in kept}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value

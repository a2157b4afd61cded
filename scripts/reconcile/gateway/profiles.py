"""Prefect's profiles.toml: one profile of it written anew, all the rest left as it is. The only tomlkit import."""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Comment, Table, Whitespace

from reconcile.errors import ReconcileError
from reconcile.gateway.target import profiles_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A text of profiles.toml with one profile written anew. `before` are the settings that the profile had."""

    text: str
    before: Mapping[str, Any]
    active_before: str | None
    is_new: bool


def where(environ: Mapping[str, str], home: Path, folder: Path) -> Path:
    """Where Prefect, started in this folder, keeps its profiles: in the order in which it looks itself."""
    if not environ.get("PREFECT_PROFILES_PATH"):
        said = (
            _in_dotenv(folder / ".env")
            or _in_toml(folder / "prefect.toml", ())
            or _in_toml(folder / "pyproject.toml", ("tool", "prefect"))
        )
        if said:
            return folder / said
    return profiles_path(environ, home)


def _in_dotenv(file: Path) -> str | None:
    for line in _read(file).splitlines():
        name, _, value = line.strip().removeprefix("export ").partition("=")
        if name.strip() == "PREFECT_PROFILES_PATH":
            return value.strip().strip("'\"")
    return None


def _in_toml(file: Path, at: tuple[str, ...]) -> str | None:
    try:
        data: Any = tomllib.loads(_read(file))
    except tomllib.TOMLDecodeError:
        return None
    for step in at:
        data = data.get(step) if isinstance(data, dict) else None
    said = data.get("profiles_path") if isinstance(data, dict) else None
    return said if isinstance(said, str) else None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def read(file: Path) -> str:
    """The text of profiles.toml, its line ends as they are; empty where there is none. Raises ReconcileError."""
    try:
        return file.read_bytes().decode("utf-8") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(file, error) from None


def edited(file: Path, text: str, name: str, settings: Mapping[str, str], *, activate: bool) -> Edited:
    """The text with these settings in the profile of that name; others of the profile stay. Raises ReconcileError."""
    try:
        standing = tomllib.loads(text)
        profiles = standing.get("profiles", {})
        before = profiles.get(name, {})
        if not isinstance(before, dict):
            raise _unusable(file, f"profiles.{name} is no table")
        wanted = {**standing, "profiles": {**profiles, name: {**before, **settings}}}
        if activate:
            wanted["active"] = name
        changed = text if wanted == standing else _edited(text, name, settings, activate=activate)
        # What is written must say what it said, and the settings: whatever the file's form, nothing else may change.
        if tomllib.loads(changed) != wanted:
            raise _unusable(file, "its form is too unusual to be edited in place")
    except (tomllib.TOMLDecodeError, TOMLKitError, AttributeError, TypeError) as error:
        raise _unusable(file, error) from None
    active = standing.get("active")
    return Edited(
        text=changed,
        before=before,
        active_before=active if isinstance(active, str) else None,
        is_new=name not in profiles,
    )


def _edited(text: str, name: str, settings: Mapping[str, str], *, activate: bool) -> str:
    windows = "\r\n" in text and "\n" not in text.replace("\r\n", "")
    document = tomlkit.parse(text.replace("\r\n", "\n") if windows else text)
    if activate and document.get("active") != name:
        _activate(document, name)
    profiles: Any = document.get("profiles", {})
    if name in profiles:
        _lay(profiles[name], settings)
        changed = tomlkit.dumps(document)
    else:
        changed = _with_profile(tomlkit.dumps(document), name, settings)
    return changed.replace("\n", "\r\n") if windows else changed


def _activate(document: tomlkit.TOMLDocument, name: str) -> None:
    if "active" in document:
        document["active"] = name
    else:
        rest = tomlkit.dumps(document)
        document.clear()
        head = f"active = {tomlkit.item(name).as_string()}\n" + ("\n" if rest.strip() else "")
        document.update(tomlkit.parse(head + rest))


def _with_profile(text: str, name: str, settings: Mapping[str, str]) -> str:
    """The text with a new profile at its end."""
    table = tomlkit.table()
    table.update(settings)
    body = table.as_string().strip("\n")
    separator = "" if not text.strip() else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{separator}[profiles.{tomlkit.key(name).as_string()}]\n{body}\n"


def _lay(table: Any, settings: Mapping[str, str]) -> None:
    """Settings over those of a profile. New ones come before the blank lines and comments at its end.

    Those belong to what follows: a comment above the next profile is about that one.
    """
    new = {key: value for key, value in settings.items() if key not in table}
    for key, value in settings.items():
        if key not in new and table[key] != value:
            table[key] = value
    if not new:
        return
    tail = _cut_tail(table)
    for key, value in new.items():
        table.append(key, value)
    for item in tail:
        table.add(item)


def _cut_tail(table: Any) -> list[Any]:
    tail: list[Any] = []
    if isinstance(table, Table):
        body = table.value.body
        while body and isinstance(body[-1][1], Whitespace | Comment):
            tail.insert(0, body.pop()[1])
    return tail


def write(file: Path, text: str) -> None:
    """The file whole or not at all, with the rights that it had. Raises ReconcileError."""
    target = file.resolve() if file.is_symlink() else file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".profiles-")
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(text.encode("utf-8"))
            if target.exists():
                shutil.copymode(target, name)
            Path(name).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        why = error.strerror or str(error)
        raise ReconcileError(f"Prefect's profiles cannot be written: {file}: {why}.", "Check who may.") from None


def _unusable(file: Path, why: object) -> ReconcileError:
    text = why.strerror if isinstance(why, OSError) and why.strerror else str(why)
    return ReconcileError(f"Prefect's profiles cannot be read: {file}: {text}.", "Correct that file.")

"""A draft into files that are there: only what is new is added, and not a letter of what a person wrote is touched.

Lines are put in where the mapping that they belong to ends; everything else is copied as it stands, comments, quotes
and line ends. What is added to an entry is said against the defaults that its layers give it already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from reconcile.compare import same
from reconcile.document import Document
from reconcile.errors import ReconcileError
from reconcile.moving.draft import Fields

Lines = Callable[[int], Sequence[str]]
"""The lines to add, indented by so many spaces."""


def added(text: str, document: Document, room: str, lines: Lines) -> str:
    """The text with lines put in at the end of the mapping under one of its first keys, which may not be there yet."""
    ending = "\r\n" if "\r\n" in text else "\n"
    standing = text.split("\n")
    if room not in (document.data or {}):
        body = text if not text or text.endswith("\n") else text + ending
        gap = ending if body.strip() else ""
        return body + gap + ending.join([f"{room}:", *lines(2)]) + ending
    key = document.locate((room,), key=True).line - 1
    value = document.data[room]
    if not value:
        standing[key] = _emptied(standing[key], document, room)
        at, indent = key + 1, 2
    else:
        child = document.locate((room, next(iter(value))), key=True)
        if child.line - 1 == key:
            raise _one_line(document, room)
        indent = child.column - 1
        at = _end_of(standing, key, indent)
    carriage = "\r" if ending == "\r\n" else ""
    return "\n".join([*standing[:at], *(f"{line}{carriage}" for line in lines(indent)), *standing[at:]])


_EMPTY: Final = re.compile(r"(?P<key>[^#]*?:)\s*(?:\{\s*\}|null|~)?(?P<rest>\s*(?:\s#.*)?\r?)")


def _emptied(line: str, document: Document, room: str) -> str:
    """The line of a key that has nothing below it, ready to have something."""
    match = _EMPTY.fullmatch(line)
    if match is None:
        raise _one_line(document, room)
    return match["key"] + match["rest"]


def _one_line(document: Document, room: str) -> ReconcileError:
    place = document.locate((room,), key=True)
    return ReconcileError(
        f"{place}: {room!r} is written in braces, so nothing can be added to it line by line.",
        "Write it with one name a line, and run this again.",
    )


def _end_of(lines: Sequence[str], key: int, indent: int) -> int:
    """The line behind the last one that belongs to the mapping below a key."""
    last = key
    for index in range(key + 1, len(lines)):
        line = lines[index].rstrip("\r")
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip(" "))
        if depth >= max(indent, 1):
            last = index
        elif not line.lstrip(" ").startswith("#"):
            break
    return last + 1


# ---------------------------------------------------------------- an entry above its layers


class ShadowedError(Exception):
    """What the layers below give an entry, and it cannot be rid of."""


_DEEP: Final = frozenset({"job_variables"})
_SHALLOW: Final = frozenset({"parameters", "watchdog", "notify"})


def against(below: Fields, wanted: Fields) -> dict[str, Any]:
    """What an entry has to say so that, laid over what the layers below it say, it comes to what is wanted.

    Raises ShadowedError where no entry can: tags unite, and a key of a mapping that merges cannot be unsaid.
    """
    said: dict[str, Any] = {}
    for name in wanted:
        if name not in below:
            said[name] = wanted[name]
        elif name == "tags":
            said |= _tags(below[name], wanted[name])
        elif name == "schedules":
            said |= _schedules(below[name], wanted[name])
        elif name in _DEEP | _SHALLOW and isinstance(below[name], Mapping) and isinstance(wanted[name], Mapping):
            inner = _mapping(below[name], wanted[name], name, deep=name in _DEEP)
            said |= {name: inner} if inner else {}
        elif not same(below[name], wanted[name]):
            said[name] = wanted[name]
    return {**said, **{name: None for name in below if name not in wanted}}


def _tags(below: Sequence[str], wanted: Sequence[str]) -> dict[str, Any]:
    more = [tag for tag in below if tag not in wanted]
    if more:
        raise ShadowedError(f"the defaults give it the tag {more[0]!r}, which it is not to have")
    new = [tag for tag in wanted if tag not in below]
    return {"tags": new} if new else {}


def _schedules(below: Fields, wanted: Fields) -> dict[str, Any]:
    said: dict[str, Any] = {slug: None for slug in below if slug not in wanted}
    for slug, timing in wanted.items():
        lower = below.get(slug)
        if lower is None:
            said[slug] = timing
        elif not same(lower, timing):
            unset = {name: None for name in ("active", "parameters") if name in lower and name not in timing}
            said[slug] = {**timing, **unset}
    return {"schedules": said} if said else {}


def _mapping(below: Fields, wanted: Fields, at: str, *, deep: bool) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for key in below:
        if key not in wanted:
            raise ShadowedError(f"the defaults give it {at}.{key}, which it is not to have")
    for key, value in wanted.items():
        lower = below.get(key)
        if deep and isinstance(value, Mapping) and isinstance(lower, Mapping):
            inner = _mapping(lower, value, f"{at}.{key}", deep=True)
            said |= {key: inner} if inner else {}
        elif key not in below or not same(lower, value):
            said[key] = value
    return said

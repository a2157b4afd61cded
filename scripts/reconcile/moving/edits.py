"""One value of a YAML file changed where it stands: its line, and not a letter besides.

A file is parsed for the places of its values alone; the text is cut there and put together again, so that comments,
quotes, order and line ends of everything else stay as a person wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from reconcile.moving.emit import flow

KeyPath = tuple[str | int, ...]


class UneditableError(Exception):
    """What cannot be changed line by line: something that is written by an alias, say."""


def put(text: str, path: KeyPath, value: Any) -> str:
    """The text with a value at a path of keys, in the place of the one that stands there or as a new line."""
    node, key, rest = _reached(text, path)
    if rest:
        return _with_new(text, node, key, str(rest[0]), _nested(rest[1:], value))
    if isinstance(node, SequenceNode) and not node.flow_style and isinstance(value, list):
        edited = _list_edited(text, node, value)
        if edited is not None:
            return edited
    if _is_empty(node):
        at = _after_colon(text, key)
        return f"{text[:at]} {flow(value)}{text[at:]}"
    return text[: node.start_mark.index] + flow(value) + text[_end(text, node) :]


def cut(text: str, path: KeyPath, *, entry: int = 2) -> str:
    """The text without the line of a path. A mapping of which nothing would be left goes too, but not an entry.

    `entry` is how deep entries stand: deployments, NAME.
    """
    parent, _, missing = _reached(text, path[:-1])
    if missing or not isinstance(parent, MappingNode):
        raise UneditableError("there is no such line")
    keys = [_name(key) for key, _ in parent.value]
    if str(path[-1]) not in keys:
        raise UneditableError("there is no such line")
    index = keys.index(str(path[-1]))
    key, value = parent.value[index]
    _check(text, key, value)
    if len(keys) == 1:
        if len(path) > entry + 1:
            return cut(text, path[:-1], entry=entry)
        if parent.flow_style:
            return text[: parent.start_mark.index] + "{}" + text[_end(text, parent) :]
    if parent.flow_style:
        return _cut_between(text, parent, index)
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    end = text.find("\n", max(_end(text, value), key.end_mark.index))
    return text[:start] + ("" if end < 0 else text[end + 1 :])


@dataclass(slots=True)
class Sheet:
    """A file's text under many edits, each made in the lines of its own entry: the whole is parsed once."""

    text: str
    _parts: list[str] = field(default_factory=list)
    _places: dict[KeyPath, int] = field(default_factory=dict)

    def put(self, path: KeyPath, value: Any) -> None:
        """`put` here."""
        self._edit(path, lambda text, at, _: put(text, at, value))

    def cut(self, path: KeyPath) -> None:
        """`cut` here."""
        self._edit(path, lambda text, at, entry: cut(text, at, entry=entry))

    def whole(self) -> str:
        """The text with every edit so far."""
        return "".join(self._parts) if self._parts else self.text

    def copied(self) -> Sheet:
        """One that goes its own way from here."""
        return Sheet(self.text, list(self._parts), dict(self._places))

    def _edit(self, path: KeyPath, edit: Callable[[str, KeyPath, int], str]) -> None:
        if not self._parts:
            self._split()
        index = self._places.get(path[:2])
        if index is not None and len(path) > len(path[:2]):
            with suppress(UneditableError):  # what it names may stand elsewhere in the file; if not, that is said below
                self._parts[index] = edit(self._parts[index], path[1:], 1)
                return
        self.text, self._parts = edit(self.whole(), path, 2), []

    def _split(self) -> None:
        """Into the lines of every entry of every room, and those between them."""
        places = [(at, path) for path, at in _starts(self.text)]
        ends = [*(at for at, _ in places), len(self.text)]
        self._parts = [self.text[: ends[0]], *(self.text[one:other] for one, other in pairwise(ends))]
        self._places = {path: index for index, (_, path) in enumerate(places, start=1) if path}


def _starts(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Where the lines of each room and of each entry begin; a room's own lines have no path."""
    try:
        root: Any = YAML(typ="rt", pure=True).compose(text)
    except YAMLError as error:
        raise UneditableError(str(error)) from None
    for key, value in root.value if isinstance(root, MappingNode) and not root.flow_style else ():
        yield (), _line_start(text, key)
        if isinstance(value, MappingNode) and not value.flow_style and not getattr(value, "anchor", None):
            for name, said in value.value:
                start = _line_start(text, name)
                is_entry = not text[start : name.start_mark.index].strip() and said.start_mark.index > start
                yield ((_name(key), _name(name)) if is_entry else ()), start


def _line_start(text: str, key: Any) -> int:
    return text.rfind("\n", 0, key.start_mark.index) + 1


def _cut_between(text: str, parent: MappingNode, index: int) -> str:
    """Out of braces, with the comma that separates it."""
    key, value = parent.value[index]
    end = max(_end(text, value), key.end_mark.index)
    if index + 1 < len(parent.value):
        return text[: key.start_mark.index] + text[parent.value[index + 1][0].start_mark.index :]
    before_key, before = parent.value[index - 1]
    return text[: max(_end(text, before), before_key.end_mark.index)] + text[end:]


# ---------------------------------------------------------------- finding the place


def _reached(text: str, path: KeyPath) -> tuple[Any, Any, KeyPath]:
    """The last value on a path that is there, its key, and what of the path is not there."""
    try:
        node: Any = YAML(typ="rt", pure=True).compose(text)
    except YAMLError as error:
        raise UneditableError(str(error)) from None
    key: Any = None
    if node is None:
        raise UneditableError("the file is empty")
    for depth, step in enumerate(path):
        found = _child(node, step)
        if found is None:
            return node, key, path[depth:]
        key, node = found
        _check(text, key, node)
    return node, key, ()


def _child(node: Any, step: str | int) -> tuple[Any, Any] | None:
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in node.value if _name(key) == str(step)), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


def _name(key: Any) -> str:
    return str(key.value)


def _check(text: str, key: Any, value: Any) -> None:
    if key is not None and not _is_empty(value):
        between = text[key.end_mark.index : value.start_mark.index]
        if value.start_mark.index < key.end_mark.index or not _SEPARATION.fullmatch(between):
            raise UneditableError("it is written by an alias (*)")
    if getattr(value, "anchor", None):
        raise UneditableError("it has an anchor (&), by which other lines may say it too")


_SEPARATION: Final = re.compile(r"\s*:\s*(?:#[^\n]*\s*)*(?:&\S+\s+)?")


def _is_empty(node: Any) -> bool:
    return isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index


def _after_colon(text: str, key: Any) -> int:
    return text.index(":", key.end_mark.index) + 1


def _end(text: str, node: Any) -> int:
    """Where the content of a value ends: the marks of block values lie behind the comments and blank lines below."""
    if isinstance(node, MappingNode) and not node.flow_style and node.value:
        key, value = node.value[-1]
        return _after_colon(text, key) if _is_empty(value) else _end(text, value)
    if isinstance(node, SequenceNode) and not node.flow_style and node.value:
        return _end(text, node.value[-1])
    end = int(node.end_mark.index)
    if isinstance(node, ScalarNode) and node.style in {"|", ">"}:
        kept = text[node.start_mark.index : end].rstrip()
        return int(node.start_mark.index) + len(kept)
    return end


# ---------------------------------------------------------------- new lines


def _nested(path: KeyPath, value: Any) -> Any:
    for step in reversed(path):
        value = {str(step): value}
    return value


def _with_new(text: str, node: Any, key: Any, name: str, value: Any) -> str:
    """The text with a key more in a mapping."""
    said = flow({name: value})[1:-1]
    if isinstance(node, ScalarNode) and (_is_empty(node) or node.value in {"null", "~", "Null", "NULL"}):
        at = _after_colon(text, key)
        indent = _indent_of(text, key) + 2
        rest = text[at:] if _is_empty(node) else text[node.end_mark.index :]
        line_end = _line_end(text, len(text) - len(rest))
        return (
            text[:at] + text[len(text) - len(rest) : line_end] + _newline(text) + " " * indent + said + text[line_end:]
        )
    if not isinstance(node, MappingNode):
        raise UneditableError("it has another form there")
    if not node.value:
        return text[: node.start_mark.index] + "{" + said + "}" + text[_end(text, node) :]
    last_key, last = node.value[-1]
    end = _after_colon(text, last_key) if _is_empty(last) else _end(text, last)
    if node.flow_style:
        return f"{text[:end]}, {said}{text[end:]}"
    line_end = _line_end(text, end)
    indent = int(node.value[0][0].start_mark.column)
    return text[:line_end] + _newline(text) + " " * indent + said + text[line_end:]


def _indent_of(text: str, key: Any) -> int:
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    line = text[start : key.start_mark.index]
    return len(line) - len(line.lstrip(" "))


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    return end - 1 if text[at:end].endswith("\r") else end


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _list_edited(text: str, node: SequenceNode, wanted: Sequence[Any]) -> str | None:
    """A list of one item a line: lines of what goes are cut, what is new gets lines at its end."""
    standing = [item.value for item in node.value]
    if not all(isinstance(item, ScalarNode) for item in node.value) or not all(isinstance(one, str) for one in wanted):
        return None
    kept = [one for one in standing if one in wanted]
    if not kept or list(wanted[: len(kept)]) != kept:
        return None
    last: Node = node.value[-1]
    start = text.rfind("\n", 0, last.start_mark.index) + 1
    lead = text[start : last.start_mark.index]
    at = _line_end(text, _end(text, last))
    text = text[:at] + "".join(f"{_newline(text)}{lead}{flow(one)}" for one in wanted[len(kept) :]) + text[at:]
    for item in reversed([item for item in node.value if item.value not in wanted]):
        begin = text.rfind("\n", 0, item.start_mark.index) + 1
        end = text.find("\n", item.end_mark.index)
        text = text[:begin] + ("" if end < 0 else text[end + 1 :])
    return text


# ---------------------------------------------------------------- from one mapping to another


GONE: Final = object()
"""In the place of a value that is no more."""

_LEAFWISE: Final = frozenset({"parameters", "job_variables", "schedules"})


def operations(name: str, have: Any, want: Any) -> Iterator[tuple[KeyPath, Any]]:
    """The paths of a field that change, each with its new value or GONE."""
    if name in _LEAFWISE and isinstance(have, Mapping) and isinstance(want, Mapping):
        yield from _inner((name,), have, want, depth={"parameters": 1, "schedules": 2}.get(name, 12))
    elif want is None and have is not None:
        yield (name,), GONE
    elif want != have:
        yield (name,), want


def _inner(
    at: KeyPath, have: Mapping[str, Any], want: Mapping[str, Any], *, depth: int
) -> Iterator[tuple[KeyPath, Any]]:
    for key in have:
        if key not in want:
            yield (*at, key), GONE
    for key, value in want.items():
        lower = have.get(key, GONE)
        if depth > 1 and isinstance(lower, Mapping) and isinstance(value, Mapping):
            yield from _inner((*at, key), lower, value, depth=depth - 1)
        elif lower is GONE or lower != value:
            yield (*at, key), value

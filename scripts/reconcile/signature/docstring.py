"""The descriptions of parameters in a docstring of Google's style, read as Prefect's parser (griffe) reads them.

Other styles give nothing there, so they give nothing here. The last section of parameters counts, alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

_TITLE: Final = re.compile(r"^(?P<type>[\w][\s\w-]*):(\s+(?P<title>[^\s].*))?\s*$", re.IGNORECASE)

_PARAMETERS: Final = frozenset(["args", "arguments", "params", "parameters"])
_LISTS: Final = _PARAMETERS | frozenset(
    [
        *("keyword args", "keyword arguments", "other args", "other arguments", "other params", "other parameters"),
        *("type args", "type arguments", "type params", "type parameters", "raises", "exceptions", "returns"),
        *("yields", "receives", "attributes", "functions", "methods", "classes", "type aliases", "modules"),
        *("warns", "warnings"),
    ]
)


def parameter_descriptions(docstring: str | None) -> Mapping[str, str]:
    """The description of each parameter that the docstring names."""
    if not docstring:
        return {}
    lines = docstring.split("\n")
    found: Mapping[str, str] = {}
    in_code = False
    offset = 0
    while offset < len(lines):
        line = lines[offset]
        if line.lstrip(" ").startswith("```"):
            in_code = not in_code
        elif not in_code and (match := _TITLE.match(line)) and _opens_section(lines, offset):
            title = match["type"].lower()
            items, offset = (_items if title in _LISTS else _block)(lines, offset + 1)
            found = (_descriptions(items) if title in _PARAMETERS else None) or found
        offset += 1
    return found


def _opens_section(lines: Sequence[str], offset: int) -> bool:
    """A title has a blank line above it, and indented lines below that no blank line parts from it."""
    if offset > 0 and not _is_empty(lines[offset - 1]):
        return False
    below = lines[offset + 1 : offset + 3]
    return (
        bool(below) and not _is_empty(below[0]) and any(line.startswith(" ") and not _is_empty(line) for line in below)
    )


def _items(lines: Sequence[str], offset: int) -> tuple[list[list[str]], int]:
    """The items of a section, each as its lines, and the offset of the section's last line."""
    indent = len(lines[offset]) - len(lines[offset].lstrip())
    if indent == 0:
        return [], offset - 1
    items = [[lines[offset][indent:]]]
    offset += 1
    while offset < len(lines):
        line = lines[offset]
        if _is_empty(line):
            items[-1].append("")
        elif line.startswith(indent * 2 * " "):
            items[-1].append(line[indent * 2 :])
        elif line.startswith((indent + 1) * " "):
            items[-1].append(line.lstrip())
        elif line.startswith(indent * " "):
            items.append([line[indent:]])
        else:
            break
        offset += 1
    return items, offset - 1


def _block(lines: Sequence[str], offset: int) -> tuple[list[list[str]], int]:
    """A section of plain text: only where it ends matters."""
    indent = len(lines[offset]) - len(lines[offset].lstrip())
    if indent == 0:
        return [], offset - 1
    while offset < len(lines) and (lines[offset].startswith(indent * " ") or _is_empty(lines[offset])):
        offset += 1
    return [], offset - 1


def _descriptions(items: Sequence[Sequence[str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for first, *rest in items:
        name, colon, description = first.partition(":")
        if not colon:
            continue
        if "(" in name and name.endswith(")"):
            name = name.partition("(")[0].strip()
        found[name] = "\n".join([description.lstrip(), *rest]).rstrip("\n")
    return found


def _is_empty(line: str) -> bool:
    return not line or line.isspace()

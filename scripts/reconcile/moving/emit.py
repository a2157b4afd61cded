"""A draft -> the texts of files, as a person would write them. Deterministic to the byte; UTF-8, LF.

Short values stand on their line, schedules always; a text is quoted only where YAML, or a reader, could take it for
something else. What is written is read again by `document`: a test holds the two together for texts of all kinds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, Final

from reconcile.moving.draft import DraftEntry, DraftPool, DraftTree, Fields, Place

WIDEST: Final = 110
"""Characters of a line up to which a value stands on one."""

SHARED: Final = "deployments/shared.yaml"
ENVIRONMENTS: Final = "deployments/environments.yaml"
PROJECT: Final = "prefect.yaml"

ROOMS: Final = ("sources", "schedules", "variables", "secrets", "concurrency_limits", "automations")
"""The keys of shared.yaml that a draft can fill, in their order."""


def emit(tree: DraftTree, *, schemas: bool = True) -> dict[str, str]:
    """The text of each file, by its path below the root. `schemas`: whether editors find the schemas beside it."""
    files: dict[str, str] = {}
    if tree.project is not None:
        files[PROJECT] = _head("schemas/prefect", schemas) + block(tree.project)
    if tree.environments is not None:
        files[ENVIRONMENTS] = _head("../schemas/environments", schemas) + block(tree.environments)
    shared = {room: said for room, said in rooms(tree).items() if said}
    if shared:
        body = "\n".join(room_text(room, said) for room, said in shared.items())
        files[SHARED] = _head("../schemas/shared", schemas) + body
    for stem, pool in sorted(tree.pools.items()):
        files.update(_pool(stem, pool, schemas))
    for place in sorted({entry.place for entry in tree.entries}):
        head = _head("../../schemas/deployments", schemas)
        files[path_of(place)] = head + deployments_text(
            [entry for entry in tree.entries if entry.place == place], tree.defaults.get(place) or {}
        )
    return files


def path_of(place: Place) -> str:
    """The file of an area and an environment."""
    return f"deployments/{place[0]}/{place[1]}.yaml"


def rooms(tree: DraftTree) -> dict[str, Mapping[str, Fields]]:
    """What of a draft stands in shared.yaml, by its key there."""
    found = (tree.sources, tree.schedules, tree.variables, tree.secrets, tree.limits, tree.automations)
    return dict(zip(ROOMS, found, strict=True))


def room_text(room: str, said: Mapping[str, Fields]) -> str:
    """One key of shared.yaml with everything under it."""
    return f"{room}:\n" + "".join(f"{line}\n" for line in room_lines(room, said))


def room_lines(room: str, said: Mapping[str, Fields], indent: int = 2) -> Iterator[str]:
    """The lines below a key of shared.yaml."""
    for index, (name, fields) in enumerate(said.items()):
        if room == "automations" and index:
            yield ""
        if room == "secrets" and not fields:
            yield f"{' ' * indent}{_key(name)}:"
            continue
        flat = room in {"schedules", "secrets", "concurrency_limits", "variables"}
        yield from _pair(name, fields, indent, flat=flat)


def deployments_text(entries: Sequence[DraftEntry], defaults: Fields) -> str:
    """A file of deployments, less its first line."""
    lines: list[str] = []
    if defaults:
        lines += ["defaults:", *_pairs(defaults, 2), ""]
    lines.append("deployments:")
    for index, entry in enumerate(entries):
        lines += ["", *entry_lines(entry)] if index else entry_lines(entry)
    return "\n".join(lines) + "\n"


def entry_lines(entry: DraftEntry, indent: int = 2) -> Iterator[str]:
    """A deployment as it stands in its file: its comments, its key, its fields."""
    yield from comment_lines(entry.comments, indent)
    if not entry.fields:
        yield f"{' ' * indent}{quoted(entry.key)}:"
        return
    yield f"{' ' * indent}{quoted(entry.key)}:"
    yield from _pairs(entry.fields, indent + 2)


def comment_lines(comments: Iterable[str], indent: int) -> Iterator[str]:
    """Comments, no line wider than a person would write it."""
    for comment in comments:
        for line in wrap(_visible(comment), WIDEST - indent - 2, break_long_words=False, break_on_hyphens=False):
            yield f"{' ' * indent}# {line}"


def _visible(text: str) -> str:
    """A text of one line without anything that YAML does not take even in a comment."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _head(schema: str, schemas: bool) -> str:
    return f"# yaml-language-server: $schema={schema}.schema.json\n" if schemas else ""


def _pool(stem: str, pool: DraftPool, schemas: bool) -> dict[str, str]:
    fields = dict(pool.fields)
    files = {}
    if pool.template is not None:
        fields["base_job_template"] = f"templates/{stem}.json"
        files[f"pools/templates/{stem}.json"] = json.dumps(pool.template, indent=2, ensure_ascii=False) + "\n"
    return {f"pools/{stem}.yaml": _head("../schemas/pool", schemas) + block(fields), **files}


# ---------------------------------------------------------------- values


def block(data: Fields) -> str:
    """A mapping as a file."""
    return "".join(f"{line}\n" for line in _pairs(data, 0))


def _pairs(data: Fields, indent: int, *, flat: bool = False) -> Iterator[str]:
    for key, value in data.items():
        yield from _pair(key, value, indent, flat=flat)


def _pair(key: str, value: Any, indent: int, *, flat: bool = False) -> Iterator[str]:
    """A key and its value: on one line where that is short, or `flat`; below it where it is not."""
    lead = f"{' ' * indent}{_key(key)}:"
    if isinstance(value, str) and (lines := _literal(value)) is not None:
        yield f"{lead} |{'' if value.endswith(chr(10)) else '-'}"
        yield from (f"{' ' * (indent + 2)}{line}" if line else "" for line in lines)
        return
    line = f"{lead} {flow(value)}"
    fits = flat or (not _is_large(value) and len(line) <= WIDEST)
    if not value or not isinstance(value, Mapping | list | tuple) or (fits and key not in _SPREAD):
        yield line
    elif isinstance(value, Mapping):
        yield lead
        for name, item in value.items():
            if key in _BY_BLOCKS and isinstance(item, Mapping) and item:
                yield from (f"{' ' * (indent + 2)}{_key(name)}:", *_pairs(item, indent + 4))
            else:
                yield from _pair(name, item, indent + 2, flat=key == "schedules")
    else:
        yield lead
        yield from _items(value, indent + 2)


_SPREAD: Final = frozenset({"schedules", "sources", "environments", "pull", "actions", "queues"})
"""Keys whose values stand below them, one a line, whatever their length."""


_BY_BLOCKS: Final = frozenset({"environments"})
"""Keys whose values' own keys stand one a line, however few."""


def _is_large(value: Any) -> bool:
    """Whether a value has more than two levels: nobody reads those on one line."""
    return _depth(value) > 2 or (isinstance(value, Mapping) and len(value) > 6)


def _depth(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list | tuple):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _items(values: Sequence[Any], indent: int) -> Iterator[str]:
    """A list below its key. A mapping in it begins on the line of its dash."""
    lead = " " * indent
    for value in values:
        line = f"{lead}- {flow(value)}"
        if isinstance(value, Mapping) and value and (len(line) > WIDEST or _depth(value) > 1):
            first, *rest = _pairs(value, indent + 2)
            yield f"{lead}- {first.lstrip(' ')}"
            yield from rest
        else:
            yield line


def flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key, inside=True)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    return "null" if value is None else str(value)


def _float(value: float) -> str:
    text = repr(value)
    if text in {"inf", "-inf", "nan"}:
        return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}[text]
    mantissa, e, exponent = text.partition("e")  # YAML 1.1 wants a dot, and the exponent's sign
    if not e:
        return text
    return f"{mantissa if '.' in mantissa else f'{mantissa}.0'}e{exponent if exponent[0] in '+-' else f'+{exponent}'}"


_PLAIN: Final = re.compile(r"/?[^\W\d_](?:[\w ./@+()-]|:(?=[\w./]))*")
_DURATION: Final = re.compile(r"[1-9][0-9]{0,7}[smhd]")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"})
"""What looks like something else than a text, to YAML or to people."""


def _text(value: str) -> str:
    plain = _PLAIN.fullmatch(value) and value[-1] != " " and value.isprintable() and value.lower() not in _WORDS
    return value if plain or _DURATION.fullmatch(value) else quoted(value)


def _key(key: str, *, inside: bool = False) -> str:
    """A key; one with a colon in it is quoted where the next one is near."""
    return quoted(key) if ":" in key or (inside and " " in key) else _text(key)


def quoted(value: str) -> str:
    """A text in double quotes; what cannot be seen in it is escaped by its number. Backslashes want single quotes."""
    if "\\" in value and not _HIDDEN.search(value):
        return "'" + value.replace("'", "''") + "'"
    text = '"' + "".join(_ESCAPES.get(letter, letter) for letter in value) + '"'
    return _HIDDEN.sub(lambda match: _escaped(match[0]), text)


_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n"}
"""What has an escape of its own that no reader takes for part of a Windows path; a tab has none."""


_HIDDEN: Final = re.compile(
    "[^\x20-\x7e\xa1-\xac\xae-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def _escaped(letter: str) -> str:
    number = ord(letter)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _literal(value: str) -> list[str] | None:
    """The lines of a text that stands best as it is, below a `|`; None for any other."""
    if "\n" not in value or value.endswith("\n\n") or not value.strip():
        return None
    lines = value.removesuffix("\n").split("\n")
    if any(line and (not line.isprintable() or line[0] == " " or line[-1] == " ") for line in lines) or not lines[0]:
        return None
    return lines

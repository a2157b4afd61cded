"""Hostile input: texts that try to act on a terminal or a page, and a fuzzer that spoils the files of a repository.

Everything is seeded: a document is made again by its number.
"""

from __future__ import annotations

import io
import json
import random
import re
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from small import copy_small, overlay

from reconcile.problem import Problem
from reconcile.render.json import dump
from reconcile.render.terminal import show
from reconcile.render.text import Line

TESTS: Final = Path(__file__).parent
PROJECT: Final = TESTS.parent

TEXTS: Final = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]8;;https://example.org\x1b\\link",
    "\x9b2J",
    "\u202etxt.exe\u202c",
    "\u2066x\u2069",
    "\u200b\u200d\u2060\u00ad",
    "\ufeff",
    "a\x00b",
    "\x07\x08\x7f\x0b\x0c",
    "one\rtwo",
    "one\ntwo\n\nthree",
    "\u2028\u2029\u0085",
    "\U000e0041\U000e007f",
    "\ufffe\uffff\U0010ffff",
    "e\u0301" * 40,
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "[x](javascript:alert(1)) **b** `c` | # h\n- i",
    "[bold red]markup[/bold red] [/]",
    "{{ prefect.blocks.secret.x }} {{ ",
    "{name} {area} {0} %s %(x)s ${HOME} $(id)",
    "../../../../etc/passwd",
    "C:\\Users\\x\\..\\y",
    "-rf",
    "",
    " ",
    "x" * 5000,
    "\U0001f600\u200d\U0001f525",
)
"""What stands where a text is expected."""

RAW: Final = (
    '"\\ud800"',
    '"\\udc80 \\x1b[31m \\u202e \\0 \\x9b"',
    "!!python/object/apply:os.system [echo]",
    "!!python/name:os.system",
    "!!binary R0lGODlhDAAMAIQAAP",
    "!!set {a, b}",
    "!!omap [a: 1]",
    "!!timestamp 2026-01-31",
    "!!float 1",
    "!!str",
    "!x y",
    "&a [*a]",
    "&a {b: *a}",
    "*nowhere",
    "{<<: {cron: x}}",
    "{<<: [1, 2]}",
    "{a: 1, a: 2}",
    "{? [a, b] : c}",
    "{? {a: b} : c}",
    "{1: a, true: b, null: c, 2026-01-01: d, .inf: e}",
    "[[[[[[[[]]]]]]]]",
    "{{ x }}",
    "{{{{{{x}}}}}}",
    "~",
    "null",
    "yes",
    "NO",
    "0x7fffffffffffffffffff",
    "99999999999999999999999999999",
    "-99999999999999999999999999999",
    "9" * 5000,
    "1e400",
    "-1.5e-400",
    ".inf",
    "-.INF",
    ".nan",
    "0o17",
    "017",
    "1_000",
    "12:30:45",
    "2026-01-31",
    "2026-01-31T25:61:00Z",
    "0001-01-01",
    "9999-12-31T23:59:59.999999999+14:00",
    "-1",
    "0",
    "1.5",
    "true",
    "|\n      a\n     b",
    ">-\n",
    "'a''b",
    '"a',
    "@x",
    "`x`",
    "%x",
    "# gone",
    "a: b: c",
    "- a",
    "[a, b",
    "{a: b",
    "\t",
    "--- x",
    "...",
)
"""What YAML itself makes something of, in place of a value."""

BYTES: Final = (
    b"\x00",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"\xf4\x90\x80\x80",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xae",
    b"\x1b[31m",
    b"\t",
    b"\r",
    b"\n",
    b"\n---\n",
    b"\n...\n",
    b"%YAML 9.9\n---\n",
    b": ",
    b"- ",
    b"? ",
    b"&x ",
    b"*x ",
    b"!!x ",
    b'"',
    b"'",
    b"[" * 200,
    b"{a: " * 200,
    b"<<<<<<< HEAD\n",
    b"| ",
    b"#",
    b"\\",
)
"""What is thrown between the bytes of a file."""

VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    10**30,
    1.5,
    [],
    {},
    [[]],
    [{}],
    {"a": None},
    [None],
    ["a", 1],
)

ACTS: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Categories of characters that a terminal acts on or hides."""

COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
BREAK: Final = re.compile(r"\r\n|\r|\n")
ABSENT: Final = frozenset({"file-missing"})
"""Codes of problems of files that are not there."""

Rng = random.Random


class Terminal(io.StringIO):
    """A stream where a person looks."""

    def isatty(self) -> bool:
        return True


def assert_harmless(text: str) -> None:
    """Nothing in it but line breaks acts on a terminal, and all of it can be written in UTF-8."""
    text.encode("utf-8")
    found = {character for character in set(text) if unicodedata.category(character) in ACTS} - {"\n"}
    assert not found, f"{sorted(map(ascii, found))} in {text!a:.2000}"


def assert_shown_harmlessly(lines: list[Line], document: Any) -> str:
    """Lines onto a terminal with colours and onto none, and the document as JSON: none lets anything through."""
    coloured, plain = Terminal(), io.StringIO()
    show(lines, coloured)
    show(lines, plain)
    assert_harmless(COLOUR.sub("", coloured.getvalue()))
    assert_harmless(plain.getvalue())
    assert plain.getvalue().count("\n") == len(lines)
    told = dump(document)
    assert_harmless(told)
    json.loads(told, parse_constant=_no_constant)
    return plain.getvalue()


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def assert_located(problem: Problem, root: Path) -> None:
    """The problem stands in a file that is there, within it, and says something in one line."""
    assert problem.code
    assert problem.message
    path = root / problem.location.file
    assert not Path(problem.location.file).is_absolute()
    if problem.code in ABSENT:
        return
    assert path.exists() or path.is_symlink(), problem
    assert problem.location.line >= 1
    assert problem.location.column >= 1
    if not path.is_file():
        return
    rows = BREAK.split(path.read_bytes().decode("utf-8-sig", errors="replace"))
    assert problem.location.line <= len(rows), problem
    assert problem.location.column <= len(rows[problem.location.line - 1]) + 1, problem


# ---------------------------------------------------------------- the trees that are spoiled


@dataclass(slots=True)
class Seedling:
    """A repository that is sound or was wrong to begin with, and its files of YAML."""

    name: str
    root: Path
    files: tuple[Path, ...] = field(default=())


def seedlings(folder: Path) -> Iterator[Seedling]:
    """Every repository of the tests, and this one."""
    folder.mkdir(parents=True)
    for kind in ("invalid", "scenarios"):
        for case in sorted((TESTS / kind).iterdir()):
            files = case / "repository" if kind == "scenarios" else case
            if files.is_dir():
                root = copy_small(folder / f"{kind}-{case.name}")
                overlay(files, root)
                yield _seedling(root)
    for path in sorted((TESTS / "repositories").iterdir()):
        yield _seedling(Path(shutil.copytree(path, folder / f"repositories-{path.name}")))
    own = folder / "own"
    for part in ("deployments", "pools", "flows"):
        shutil.copytree(PROJECT / part, own / part)
    shutil.copy(PROJECT / "prefect.yaml", own)
    yield _seedling(own)


def _seedling(root: Path) -> Seedling:
    return Seedling(name=root.name, root=root, files=tuple(sorted(root.rglob("*.yaml"))))


# ---------------------------------------------------------------- the fuzzer


def spoiled(content: bytes, other: bytes, number: int, seed: int) -> bytes:
    """The document of that number: one to four faults in the bytes of a file. `other` lends lines."""
    rng = Rng(f"{seed}/{number}")
    if number % 3 == 0:
        return _in_texts(content, other, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        content = rng.choice((_in_bytes, _in_lines, _in_nodes, _in_nodes, _as_a_whole))(content, other, rng)
    return content


def _in_bytes(content: bytes, other: bytes, rng: Rng) -> bytes:
    at = rng.randint(0, len(content))
    end = min(len(content), at + rng.choice((0, 0, 1, 1, 2, 8, 64)))
    middle = rng.choice(
        (
            rng.choice(BYTES),
            rng.choice(TEXTS).encode("utf-8"),
            rng.choice(RAW).encode("utf-8"),
            bytes([rng.randrange(256)]),
            content[at:end] * rng.randint(2, 40),
            b"",
        )
    )
    return content[:at] + middle + content[end:]


def _in_lines(content: bytes, other: bytes, rng: Rng) -> bytes:
    rows, lent = content.split(b"\n"), other.split(b"\n")
    at, to = rng.randrange(len(rows)), rng.randrange(len(rows))
    indent = rows[at][: len(rows[at]) - len(rows[at].lstrip())]
    match rng.randrange(9):
        case 0:
            del rows[at]
        case 1:
            rows.insert(to, rows[at])
        case 2:
            rows[at], rows[to] = rows[to], rows[at]
        case 3:
            rows[at] = rng.choice((b"  ", b"\t", b" ", b"        ", b"- ")) + rows[at]
        case 4:
            rows[at] = rows[at].lstrip()
        case 5:
            rows[at] = rng.choice(lent)
        case 6:
            rows[at : to + 1] = [b" ".join(rows[at : to + 1])]
        case 7:
            key, colon, _ = rows[at].partition(b":")
            rows[at] = key + colon + b" " + rng.choice(RAW).encode("utf-8")
        case _:
            rows.insert(
                at, indent + rng.choice((b"<<: *x", b"x: &x {a: 1}", b"? x", b"- x", b"x", b"'x': y", b"#\xc2\x85"))
            )
    return b"\n".join(rows)


def _as_a_whole(content: bytes, other: bytes, rng: Rng) -> bytes:
    text = content.decode("utf-8", errors="replace")
    match rng.randrange(12):
        case 0:
            return text.encode("utf-16")
        case 1:
            return text.encode("utf-16-le")
        case 2:
            return text.encode("latin-1", errors="replace")
        case 3:
            return b"\xef\xbb\xbf" + content
        case 4:
            return text.replace("\n", "\r\n").encode("utf-8")
        case 5:
            return text.replace("\n", "\u0085").encode("utf-8")
        case 6:
            return text.replace("\n", "\u2028").encode("utf-8")
        case 7:
            return text.replace("\n", "\r").encode("utf-8")
        case 8:
            return content[: rng.randrange(len(content) + 1)]
        case 9:
            return content + rng.choice((b"\n---\n", b"\n", b"")) + other
        case 10:
            return text.replace("  ", "\t").encode("utf-8")
        case _:
            return text.encode("utf-32")


def _in_texts(content: bytes, other: bytes, rng: Rng) -> bytes:
    """A text that is there holds something hostile: what most often passes for sound."""
    data = _plain_data(content)
    places = [place for place in places_in(_copy(data)) if isinstance(place[0][place[1]], str)] if data else []
    if not places:
        return _in_lines(content, other, rng)
    wanted = rng.randrange(len(places))
    data = _copy(data)
    holder, key = [place for place in places_in(data) if isinstance(place[0][place[1]], str)][wanted]
    text = rng.choice(TEXTS)
    holder[key] = rng.choice((text, holder[key] + text, text + holder[key]))
    return yaml.safe_dump(data, allow_unicode=False, sort_keys=False).encode("utf-8")


def _copy(data: Any) -> Any:
    return json.loads(json.dumps(data))


_MARK: Final = "SPOILEDHERE"


def _in_nodes(content: bytes, other: bytes, rng: Rng) -> bytes:
    """A value, or a key, of the data is another one; what is no YAML any more is spoiled by its lines instead."""
    data = _plain_data(content)
    if not isinstance(data, dict | list):
        return _in_lines(content, other, rng)
    data = _copy(data)
    places = list(places_in(data))
    if not places:
        return _in_lines(content, other, rng)
    holder, key = rng.choice(places)
    raw = rng.choice(RAW)
    what = rng.randrange(6)
    if what == 0:
        holder[key] = _MARK
    elif what == 1:
        holder[key] = rng.choice(TEXTS)
    elif what == 2:
        holder[key] = _copy(rng.choice(VALUES))
    elif what == 3 and isinstance(holder, dict):
        holder[rng.choice(TEXTS)] = holder.pop(key)
    elif what == 4:
        other_holder, other_key = rng.choice(places)
        holder[key] = _copy(other_holder[other_key]) if other_key in _keys(other_holder) else _MARK
    else:
        for _ in range(rng.randint(1, 150)):
            holder[key] = rng.choice(([holder[key]], {"a": holder[key]}))
    flow = rng.choice((None, None, True, False))
    try:
        text = yaml.safe_dump(data, allow_unicode=rng.random() < 0.5, default_flow_style=flow, sort_keys=False)
    except RecursionError:  # nested again and again: PyYAML writes less deep than it reads
        return content
    return text.replace(_MARK, raw).encode("utf-8", errors="replace")


def _keys(holder: Any) -> Any:
    return holder.keys() if isinstance(holder, dict) else range(len(holder))


@cache
def _plain_data(content: bytes) -> Any:
    try:
        if sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content)) > 8:
            return None  # a bomb, which only the tool need survive
        return json.loads(json.dumps(yaml.safe_load(content), default=str))
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def places_in(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value: what holds it, and its key there."""
    for key in list(_keys(data)):
        yield data, key
        if isinstance(data[key], dict | list):
            yield from places_in(data[key])


# ---------------------------------------------------------------- every text of the format


def text_fields(schemas: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The kind of file and the path of every field of the YAML format that may hold a text, as its schema says.

    `*` stands for any key of a mapping, `0` for the items of a list.
    """
    for path in sorted(schemas.glob("*.schema.json")):
        kind = path.name.removesuffix(".schema.json")
        if kind not in {"definitions", "plan", "problems"}:
            found = _texts(json.loads(path.read_text(encoding="utf-8")), path, (), ())
            yield from sorted({(kind, at) for at in found})


def _texts(schema: Any, file: Path, at: tuple[str, ...], seen: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        name, _, pointer = schema["$ref"].partition("#")
        target = file.parent / name if name else file
        mark = f"{target.name}#{pointer}"
        if mark not in seen:
            yield from _texts(_pointed(target, pointer), target, at, (*seen, mark))
    kinds = schema.get("type", [])
    if "string" in ([kinds] if isinstance(kinds, str) else kinds) or isinstance(schema.get("const"), str):
        yield at
    if any(isinstance(value, str) for value in schema.get("enum", ())) or "pattern" in schema:
        yield at
    for name, part in schema.get("properties", {}).items():
        yield from _texts(part, file, (*at, name), seen)
    for name in ("additionalProperties", *schema.get("patternProperties", {})):
        part = schema.get("patternProperties", {}).get(name, schema.get(name))
        yield from _texts(part, file, (*at, "*"), seen)
    yield from _texts(schema.get("items"), file, (*at, "0"), seen)
    for name in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(name, ()):
            yield from _texts(part, file, at, seen)
    for name in ("if", "then", "else"):
        yield from _texts(schema.get(name), file, at, seen)


@cache
def _pointed(file: Path, pointer: str) -> Any:
    found = json.loads(file.read_text(encoding="utf-8"))
    for step in pointer.strip("/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")] if step else found
    return found

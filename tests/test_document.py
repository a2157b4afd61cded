"""What a YAML file is read as, where its values stand, and every trap that is named."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile import document
from reconcile.document import MAX_DEPTH, MAX_SIZE, Document, read_document
from reconcile.problem import Severity

PARSERS = {"libyaml": getattr(yaml, "CSafeLoader", yaml.SafeLoader), "python": yaml.SafeLoader}


@pytest.fixture(params=list(PARSERS), autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test holds for the parser in C and for the one in Python, which stands in where there is none."""
    monkeypatch.setattr(document, "_LOADER", PARSERS[request.param])


def read(text: str | bytes) -> tuple[Document | None, list[str]]:
    """The document, and its problems as `line:column code`."""
    content = text if isinstance(text, bytes) else text.encode()
    found, problems = read_document("f.yaml", content)
    assert all(p.message and p.hint and p.location.file == "f.yaml" for p in problems)
    return found, [f"{p.location.line}:{p.location.column} {p.code}" for p in problems]


def data(text: str | bytes) -> Any:
    found, problems = read(text)
    assert found is not None
    assert problems == []
    return found.data


# ---------------------------------------------------------------- data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# only a comment\n", {}),
        ("---\n", {}),
        ("---\na: 1\n...\n", {"a": 1}),
        ("\ufeffa: 1\n", {"a": 1}),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("a: ~\nb: null\nc:\n", {"a": None, "b": None, "c": None}),
        ("a: true\nb: False\nc: TRUE\n", {"a": True, "b": False, "c": True}),
        ("a: 0\nb: -3\nc: 1.5\nd: 1.0e+3\ne: .5\n", {"a": 0, "b": -3, "c": 1.5, "d": 1000.0, "e": 0.5}),
        ("a: 2026-01-01\nb: 2026-01-01T00:00:00\nc: 12:30:00\nd: 1:30\n",
         {"a": "2026-01-01", "b": "2026-01-01T00:00:00", "c": "12:30:00", "d": "1:30"}),
        ("a: 0999\nb: 1.2.3\nc: y\nd: Si\ne: =\n", {"a": "0999", "b": "1.2.3", "c": "y", "d": "Si", "e": "="}),
        ("on: 1\nNO: 2\n12:30: 3\n2026-01-01: 4\n", {"on": 1, "NO": 2, "12:30": 3, "2026-01-01": 4}),
        ('"1": a\n"null": b\n"<<": c\n', {"1": "a", "null": "b", "<<": "c"}),
        ("a: !!str 12\nb: ! 7\n", {"a": "12", "b": "7"}),
        ("a: |\n  uno #3\n  dos\nb: >-\n  C:\\tareas\n", {"a": "uno #3\ndos\n", "b": "C:\\tareas"}),
        ("a: C:\\tareas\nb: 'C:\\nuevo'\nc: \\\\srv\\x\n", {"a": "C:\\tareas", "b": "C:\\nuevo", "c": "\\\\srv\\x"}),
        ('a: "uno\\ndos"\nb: "\\t"\nc: "\\"x\\""\n', {"a": "uno\ndos", "b": "\t", "c": '"x"'}),
        ('a: "C:\\\\tareas"\nb: "\\\\\\\\srv\\\\x"\n', {"a": "C:\\tareas", "b": "\\\\srv\\x"}),
        ("a: http://x/y\nb: module:flow\nc: R&D, 50% @casa\n",
         {"a": "http://x/y", "b": "module:flow", "c": "R&D, 50% @casa"}),
        ("a: x # comment\nb: [1, 2] # another\nc: x #\nd: y #!z\n", {"a": "x", "b": [1, 2], "c": "x", "d": "y"}),
        ("a:\n  module:flow # x\n", None),
        ("{cron: 0 9 * * 1-5}", {"cron": "0 9 * * 1-5"}),
        ("{a: , b: x}", {"a": None, "b": "x"}),
        ("a: «hola»\n", {"a": "«hola»"}),
        ("a: 10\u00a0000 x\n", {"a": "10\u00a0000 x"}),
        ("x: &d {a: 1, b: 2}\ny: {<<: *d, b: 3}\nz: *d\n",
         {"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}, "z": {"a": 1, "b": 2}}),
        ("x: &d {a: 1}\ny: &e {a: 2, c: 3}\nz: {<<: [*d, *e], b: 4}\n",
         {"x": {"a": 1}, "y": {"a": 2, "c": 3}, "z": {"a": 1, "b": 4, "c": 3}}),
        ("- 1\n- [2]\n", [1, [2]]),
        ("texto\n", "texto"),
    ],
)  # fmt: skip
def test_data(text: str, expected: Any) -> None:
    found, problems = read(text)
    if expected is None:
        assert problems == ["2:3 missing-space"]
        return
    assert problems == []
    assert found is not None
    assert found.data == expected
    assert [type(value) for value in found.data] == [type(value) for value in expected]


def test_data_is_what_pyyaml_reads() -> None:
    text = """
defaults: {source: electra, tags: [compras, "Producción"]}
deployments:
  "Despliegue básico":
    entrypoint: src/basic.py:basic_flow
    schedules: {noche: {cron: "55 23 * * *"}}
    parameters: {message: Hola mundo!, hasta: null, dias: 3, peso: 1.5, activo: true}
  'Otro':
    description: >
      Varias
      líneas.
  Vacío:
"""
    assert data(text) == yaml.safe_load(text)


# ---------------------------------------------------------------- places


def test_values_and_keys_are_located() -> None:
    found, _ = read("defaults: {tags: [a, b]}\ndeployments:\n  X:\n    cron: 5\n  Y:\n")
    assert found is not None

    def at(*path: str | int, key: bool = False) -> str:
        return str(found.locate(path, key=key)).removeprefix("f.yaml:")

    assert at() == "1:1"
    assert at("defaults") == "1:11"
    assert at("defaults", "tags", 1) == "1:22"
    assert at("deployments", "X", "cron") == "4:11"
    assert at("deployments", "X", "cron", key=True) == "4:5"
    assert at("deployments", "Y", key=True) == "5:3"
    assert at("deployments", "Y", "entrypoint") == "5:3", "what lacks it"
    assert at("deployments", "X", "cron", "deeper", 3) == "4:5"
    assert at("nowhere") == "1:1"


def test_columns_count_characters_and_carriage_returns_are_one_line_end() -> None:
    found, problems = read('\ufeff"é😀": {a: NO}\r\n\r\nb: 07\n')
    assert found is not None
    assert problems == ["1:11 boolean-word", "3:4 ambiguous-number"]


def test_values_of_aliases_and_merges_are_located_where_they_stand() -> None:
    found, _ = read("x: &d\n  a: 1\ny: *d\nz:\n  <<: *d\n  b: 2\n")
    assert found is not None
    assert found.locate(("y",)).line == 3
    assert found.locate(("y", "a")).line == 2
    assert found.locate(("z", "a")).line == 2
    assert found.locate(("z", "b")).line == 6


def test_a_document_of_nothing_has_a_place() -> None:
    found, _ = read("")
    assert found is not None
    assert str(found.locate(("a", "b"))) == "f.yaml:1:1"


# ---------------------------------------------------------------- traps that leave a document


@pytest.mark.parametrize(
    ("text", "problems", "meant"),
    [
        (r'a: "C:\tareas"', ["1:4 backslash-in-quotes"], None),
        (r'a: "C:\Python_Scripts"', ["1:4 backslash-in-quotes"], None),
        (r'a: "C:\xampp"', ["1:4 backslash-in-quotes"], {"a": "C:/xampp"}),
        (r'a: "C:\users\tareas\"', ["1:4 backslash-in-quotes"], {"a": "C:/users/tareas/"}),
        (r'a: "\\srv\nueva"', ["1:4 backslash-in-quotes"], None),
        (r'a: "flows\basic.py:main"', ["1:4 backslash-in-quotes"], None),
        (r'a: ".\tareas"', ["1:4 backslash-in-quotes"], None),
        (r'"C:\tareas": 1', ["1:1 backslash-in-quotes"], None),
        ("a: 0110101", ["1:4 ambiguous-number"], {"a": "0110101"}),
        ("a: [07, -07, 0x1F, 0b1, 1_000, 0o17, 1e5, 1.5e3, +54, 1_0.5]",
         [f"1:{column} ambiguous-number" for column in (5, 9, 14, 20, 25, 32, 38, 43, 50, 55)],
         {"a": ["07", "-07", "0x1F", "0b1", "1_000", "0o17", "1e5", "1.5e3", "+54", "1_0.5"]}),
        ("a: .nan\nb: -.Inf\nc: 1.0e+999", ["1:4 not-a-number", "2:4 not-a-number", "3:4 not-a-number"],
         {"a": ".nan", "b": "-.Inf", "c": "1.0e+999"}),
        (f"a: {2**63}\nb: {2**63 - 1}", ["1:4 number-too-large"], {"a": str(2**63), "b": 2**63 - 1}),
        (f"a: {'9' * 5000}\nb: 0{'7' * 5000}", ["1:4 number-too-large", "2:4 ambiguous-number"], None),
        ("a: NO\nb: [yes, On, off]", ["1:4 boolean-word", "2:5 boolean-word", "2:10 boolean-word", "2:14 boolean-word"],
         {"a": "NO", "b": ["yes", "On", "off"]}),
        ("a: Proceso #3", ["1:4 cut-by-comment"], {"a": "Proceso"}),
        ("a: [Proceso #3\n]", ["1:5 cut-by-comment"], {"a": ["Proceso"]}),
        ("a: #3\nb: 1", ["1:4 cut-by-comment"], {"a": None, "b": 1}),
        ("a:\n- #3\n- x", ["2:3 cut-by-comment"], {"a": [None, "x"]}),
        ("{a: #3\n}", ["1:5 cut-by-comment"], {"a": None}),
        ("a: {cron: 30 1,13,17 * * *}", ["1:11 unquoted-cron"], {"a": {"cron": "30 1,13,17 * * *"}}),
        ("{cron: 0 9,13,13 * * 1,5, timezone: x}", ["1:8 unquoted-cron"],
         {"cron": "0 9,13,13 * * 1,5", "timezone": "x"}),
        ("{a: Hola, mundo, b: 1}", ["1:5 unquoted-comma"], {"a": "Hola, mundo", "b": 1}),
        ("a: {{ prefect.blocks.secret.x }}\nb: [{{ y }}]\nc: {d: {{ z }}}",
         ["1:4 unquoted-template", "2:5 unquoted-template", "3:8 unquoted-template"],
         {"a": "{{ prefect.blocks.secret.x }}", "b": ["{{ y }}"], "c": {"d": "{{ z }}"}}),
        ("a: {noche, tarde}", ["1:4 key-without-value"], {"a": {"noche": None, "tarde": None}}),
        ('{cron:"x"}', ["1:2 missing-space"], None),
        ("a:\n  b:hola", ["2:3 missing-space"], {"a": "b:hola"}),
        ("entrypoint:src/x.py", ["1:1 missing-space"], "entrypoint:src/x.py"),
        ("a: “hola”\nb: ‘x’", ["1:4 curly-quotes", "2:4 curly-quotes"], {"a": "“hola”", "b": "‘x’"}),
        ("a:\n\u00a0\u00a0b: 1", ["2:1 invisible-space"], None),
        ("a:\u00a01", ["1:3 invisible-space"], None),
        ("a: x\u200b", ["1:5 invisible-space"], None),
        ("a: 1\nb: 2\na: 3\nc: {d: 1, d: 2}", ["3:1 duplicate-key", "4:11 duplicate-key"],
         {"a": 1, "b": 2, "c": {"d": 1}}),
        ('a: "\\ud800x\\""', ["1:4 backslash-in-quotes"], {"a": '/ud800x"'}),
        ('{"a": "\\uD83D\\uDE00", b: 1}', ["1:7 backslash-in-quotes"], {"a": "/uD83D/uDE00", "b": 1}),
        ("a: &x {b: 1}\na: *x", ["2:1 duplicate-key"], {"a": {"b": 1}}),
        ("1: a\nnull: b\ntrue: c\n1.5: d", [f"{line}:1 key-not-text" for line in (1, 2, 3, 4)], None),
        ("? [a]\n: 1\n? {b: {c: 1}}\n: 2", ["1:3 key-not-text", "3:3 key-not-text"], {"[a]": 1, "{b: {c: 1}}": 2}),
        ("a: &k x\n*k : 1", ["2:1 key-not-text"], None),
        ("a: !x y\nb: !!binary aGk=\nc: !!set {}", ["1:4 custom-tag", "2:4 custom-tag", "3:4 custom-tag"], None),
        ("a: &Co\nb: 1", ["1:4 reserved-character"], {"a": None, "b": 1}),
        ("a: *foo", ["1:4 undefined-alias"], {"a": "*foo"}),
        ("a: &x 1\nb: &x 2\nc: *x", ["2:4 duplicate-anchor"], {"a": 1, "b": 2, "c": 2}),
        ("a: {<<: 3, b: 1}", ["1:9 bad-merge"], {"a": {"b": 1}}),
        ("a: {<<: [3], b: 1}", ["1:9 bad-merge"], {"a": {"b": 1}}),
    ],
)  # fmt: skip
def test_a_trap_is_named_and_the_rest_is_read(text: str, problems: list[str], meant: Any) -> None:
    found, named = read(text)
    assert named == problems
    assert found is not None
    assert {f"{place.line}:{place.column}" for place in found.reported} == {each.split()[0] for each in problems}
    if meant is not None:
        assert found.data == meant


def test_all_faults_of_a_file_come_at_once() -> None:
    found, problems = read('a: "C:\\qwe"\nb: NO\nc: "C:\\tareas"\nd: 07\ne: "\\zzz"\nf: Proceso #3\nb: 1\n')
    assert found is not None
    assert [problem.split()[1] for problem in problems] == [
        "backslash-in-quotes", "boolean-word", "backslash-in-quotes", "ambiguous-number", "backslash-in-quotes",
        "cut-by-comment", "duplicate-key",
    ]  # fmt: skip


def test_a_tab_between_two_words_is_only_a_warning() -> None:
    _, problems = read_document("f.yaml", b'a: "DOMINIO\\tareas"')
    assert [(problem.code, problem.severity) for problem in problems] == [("backslash-in-quotes", Severity.WARNING)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 0110101", ("0110101", "36929", '"0110101"')),
        ("a: NO", ("NO", "false", '"NO"')),
        ("a: Proceso #3", ("#3", "Proceso", "quotes")),
        ('a: "C:\\tareas"', ("\\t", "a tab", "'C:\\tareas'")),
        ('a: "\\\\srv\\nueva"', ("\\n", "'\\\\srv\\nueva'")),
        ("{cron: 30 1,13,17 * * *}", ("30 1", 'cron: "30 1,13,17 * * *"')),
        ("a: {{ x }}", ("{{ x }}", '"{{ x }}"')),
        ("a: 1\n\na: 2", ("line 1",)),
        ("{cron: */5 * * * *}", ('"*/5 * * * *"',)),
        ("entrypoint:x\nb: 1", ("entrypoint: x",)),
    ],
)
def test_messages_say_what_yaml_read_and_what_to_write(text: str, words: tuple[str, ...]) -> None:
    _, problems = read_document("f.yaml", text.encode())
    assert len(problems) == 1
    said = f"{problems[0].message} {problems[0].hint}"
    assert [word for word in words if word not in said] == []


# ---------------------------------------------------------------- traps that end the reading


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a:\n\tb: 1", ["2:1 tab"]),
        ("a:\n  - x\n\t- y", ["3:1 tab"]),
        ("b: NO\na: b: c", ["1:4 boolean-word", "2:5 colon-in-text"]),
        ("description: Nota: algo", ["1:18 colon-in-text"]),
        ("{description: Nota: algo}", ["1:19 colon-in-text"]),
        ("working_dir: C:", ["1:15 colon-in-text"]),
        ("{path: C:}", ["1:9 colon-in-text"]),
        ("a: @x", ["1:4 reserved-character"]),
        ("a: `x`", ["1:4 reserved-character"]),
        ("a: %x", ["1:4 reserved-character"]),
        ("%x: 1", ["1:1 reserved-character"]),
        ("a: - x", ["1:4 reserved-character"]),
        ("a: ? x", ["1:4 reserved-character"]),
        ("a: > x", ["1:4 reserved-character"]),
        ("a: *importante*", ["1:4 reserved-character"]),
        ("a: !Atención", ["1:4 reserved-character"]),
        ("a: {cron: */5 * * * *}\nb: 1", ["1:11 unquoted-cron"]),
        ("cron: * * * * *", ["1:7 unquoted-cron"]),
        ('a: "x\nb: 1', ["1:4 unclosed-quote"]),
        ("a: 'x\nb: 1", ["1:4 unclosed-quote"]),
        ("a: [x\nb: 1", ["1:4 unclosed-bracket"]),
        ("a: {x: 1\nb: 1", ["1:4 unclosed-bracket"]),
        ("a: [1, 2", ["1:4 unclosed-bracket"]),
        ('a: "x" y', ["1:8 text-after-value"]),
        ("a: [URGENTE] algo", ["1:14 text-after-value"]),
        ('a: "x",', ["1:7 text-after-value"]),
        ("a: {{ x }} y", ["1:4 unquoted-template"]),
        ("a: {name}-dev", ["1:4 key-without-value"]),
        ('a: "C:\\tareas\\"\nb: "x"', ["1:4 backslash-in-quotes"]),
        ("k:v\nb: 1", ["1:1 missing-space"]),
        ("a:\n  k: v\n  d:Hola\n  e: 1", ["3:3 missing-space"]),
        ("a: 1\nhola\nb: 2", ["2:1 missing-colon"]),
        ("a: 1\n  b: 2", ["2:4 indentation"]),
        ("  a: 1\nb: 2", ["2:1 indentation"]),
        ("a:\n  b: 1\n c: 2", ["3:2 indentation"]),
        ("a: x\n- b", ["2:1 indentation"]),
        ("Proceso #3: 4\nb: 2", ["1:1 cut-by-comment"]),
        ("a: 1\nProceso #3:\n  b: 2", ["2:1 cut-by-comment"]),
        ("deployments:\n  Proceso #3:\n    entrypoint: x", ["2:3 cut-by-comment"]),
        (": 1", ["1:1 key-not-text"]),
        ("{: 1}", ["1:2 key-not-text"]),
        ("a: 1\n---\nb: 2", ["2:1 several-documents"]),
        ("a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n", ["2:1 merge-conflict"]),
        ("a: 1\n>>>>>>> x\nb: 2\n", ["2:1 merge-conflict"]),
        ("a: x\x07y", ["1:5 control-character"]),
        ("a: x\x85y", ["1:5 control-character"]),
        ("a: x\u2028y", ["1:5 control-character"]),
        ("a: x\ufeffy", ["1:5 control-character"]),
        ("a: &x [*x]", ["1:8 recursive-alias"]),
    ],
)
def test_what_cannot_be_read_is_named(text: str, problems: list[str]) -> None:
    found, named = read(text)
    assert found is None
    assert named == problems


# ---------------------------------------------------------------- encodings and limits


@pytest.mark.parametrize(
    ("content", "problem", "word"),
    [
        ("a: ñ\n".encode("utf-16"), "1:1 encoding", "UTF-16"),
        ("a: x\n".encode("utf-16-le"), "1:1 encoding", "UTF-16"),
        ("a: 1\nb: producción\n".encode("latin-1"), "2:12 encoding", "'ó'"),
        ("é: 1\n".encode() + b"b: \xff\n", "2:4 encoding", "0xFF"),
        (b"a: \x81\n", "1:4 encoding", "0x81"),
        (b"\n\0\0\0", "1:1 encoding", "no text"),
    ],
)
def test_other_encodings_are_refused(content: bytes, problem: str, word: str) -> None:
    found, problems = read_document("f.yaml", content)
    assert found is None
    assert [f"{p.location.line}:{p.location.column} {p.code}" for p in problems] == [problem]
    assert word in problems[0].message
    assert "UTF-8" in problems[0].hint


def test_a_large_file_is_refused_unread() -> None:
    start = time.perf_counter()
    assert read(b"a: 1\n" * MAX_SIZE)[1] == ["1:1 file-too-large"]
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "{{"])
def test_deep_nesting_is_refused(opening: str) -> None:
    found, problems = read(opening * 100_000)
    assert found is None
    assert [problem.split()[1] for problem in problems] == ["too-deep"]
    assert data("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_deep_nesting_through_aliases_is_refused() -> None:
    chain = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200))
    assert [problem.split()[1] for problem in read(chain)[1]] == ["too-deep"]


def test_alias_bombs_are_refused() -> None:
    laughs = "a: &a [lol, lol, lol]\n"
    for name, last in zip("bcdefghijklmnop", "abcdefghijklmno", strict=True):
        laughs += f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]\n"
    assert [problem.split()[1] for problem in read(laughs)[1]] == ["alias-bomb"]
    long_text = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]\n"
    assert [problem.split()[1] for problem in read(long_text)[1]] == ["alias-bomb"]
    merges = f"a: &a {{{', '.join(f'k{n}: {n}' for n in range(1000))}}}\n"
    merges += "".join(f"b{n}: {{<<: *a}}\n" for n in range(1000))
    assert [problem.split()[1] for problem in read(merges)[1]] == ["alias-bomb"]
    assert data("a: &a {b: 1}\nc: [*a, *a, *a]\n")["c"] == [{"b": 1}] * 3


def test_many_bad_escapes_stay_quick() -> None:
    start = time.perf_counter()
    found, problems = read('a: "\\q"\n' + "".join(f'b{n}: "C:\\q{n}"\n' for n in range(3000)))
    assert len(problems) > 50
    assert found is None
    assert time.perf_counter() - start < 20


def test_memory_stays_small() -> None:
    """10,000 deployments are to stay under 400 MB with all that is made of them: 40 KB each."""
    entry = """  "Tarea {0}":
    entrypoint: src/basic.py:basic_flow
    description: Saluda todas las noches {0}.
    schedules: {{noche: {{cron: "55 23 * * *"}}}}
    parameters: {{message: Hola mundo, hasta: null, dias: {0}}}
    tags: [monitoreo, compras]
"""
    content = ("deployments:\n" + "".join(entry.format(n) for n in range(500))).encode()
    tracemalloc.start()
    try:
        found, problems = read_document("f.yaml", content)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found is not None
    assert problems == ()
    assert held / 500 < 8_000
    assert peak / 500 < 16_000


# ---------------------------------------------------------------- anything at all

PIECES = [
    "a", "b", "entrypoint", ": ", ":", "\n", "\n  ", "\n    ", "\n- ", "- ", "{", "}", "[", "]", ", ", ",", '"', "'",
    "#", " #3", " # x", "*", "*x", "&x ", "!t ", "<<: ", "|", ">", "|\n", "%", "@", "`", "?", "? ", "\t", "\\", "\\t",
    "C:\\", "07", "NO", "~", ".nan", "1_0", "12:30", "{{ ", " }}", "“", "\u00a0", "\ufeff", "\u2028", "---", "...",
    "\r", "é", "😀", "\\ud800", "=", "-", "0x", "+", ".", "1e5", "<<<<<<<", "\x00",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_no_text_raises(text: str) -> None:
    for loader in PARSERS.values():
        document._LOADER = loader
        found, problems = read_document("f.yaml", text.encode())
        assert found is not None or problems
        lines = text.count("\n") + text.count("\r") + 1
        assert all(1 <= problem.location.line <= lines for problem in problems)
        assert all(problem.message and problem.hint and "\n" not in problem.message for problem in problems)
        if found is not None:
            _check_places(found, (), found.data)


def _check_places(found: Document, path: tuple[str | int, ...], value: Any) -> None:
    place = found.locate(path)
    assert place.line >= 1
    assert place.column >= 1
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        assert not isinstance(value, dict) or isinstance(key, str)
        _check_places(found, (*path, key), child)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise(content: bytes) -> None:
    found, problems = read_document("f.yaml", content)
    assert found is not None or problems


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(max_size=8)
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=12,
    )
)  # fmt: skip
def test_json_reads_back_as_it_was(value: Any) -> None:
    """JSON is YAML; only escapes in quotes, halves of characters and exponents without a sign are refused."""
    text = json.dumps({"value": value})
    found, problems = read_document("f.yaml", text.encode())
    if problems:
        assert {problem.code for problem in problems} <= {"backslash-in-quotes", "ambiguous-number"}
        assert "\\" in text or "e" in text
        return
    assert found is not None
    assert found.data == {"value": value}

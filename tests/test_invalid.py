"""Wrong repositories, and every problem that they show.

A folder of tests/invalid is a case: its files are laid over tests/repositories/small, which is without fault, and
`expected.txt` has a line for each problem: `file:line:column severity code`. `remove.txt` names files of the small
repository that the case does without. Adding a case is adding a folder; what it shows is then written by

    REWRITE=1 python -m pytest tests/test_invalid.py

and has to be read line by line before it is believed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from small import copy_small, overlay

from reconcile.cli import main
from reconcile.errors import ExitCode

TESTS = Path(__file__).parent
CASES = sorted(path for path in (TESTS / "invalid").iterdir() if path.is_dir())
SCHEMA: Any = json.loads((TESTS.parent / "schemas" / "problems.schema.json").read_text(encoding="utf-8"))

SHOUTED = re.compile(r"Traceback|Error\b|Exception|<class|object at 0x|\bNone\b(?! is)|\bdict\b|\bstr\b")
"""What no sentence for people has in it: Python's own words."""

Problems = list[dict[str, Any]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The small repository, to be spoiled."""
    return copy_small(tmp_path / "repository")


def validate(root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, Problems]:
    code = main(["validate", "--root", str(root), "--json"])
    told = capsys.readouterr()
    assert told.err == ""
    document = json.loads(told.out)
    Draft202012Validator(SCHEMA).validate(document)
    return code, document["problems"]


def lines(problems: Problems) -> list[str]:
    return ["{file}:{line}:{column} {severity} {code}".format(**problem) for problem in problems]


def codes(problems: Problems) -> list[str]:
    return [problem["code"] for problem in problems]


def check_words(problem: dict[str, Any]) -> None:
    message, hint = problem["message"], problem["hint"]
    assert not re.match(r"[a-z]+ ", message), f"{message!r} does not begin like a sentence"
    assert message[-1] in ".?!}" or "xample: " in message, f"{message!r} does not end like a sentence"
    assert hint, f"{message!r} has no hint"
    assert not re.match(r"[a-z]+ ", hint), f"{hint!r} does not begin like a sentence"
    assert hint[-1] in ".?!}:" or "xample: " in hint, f"{hint!r} does not end like a sentence"
    assert not SHOUTED.search(message + hint), f"{message!r} {hint!r} speaks Python"
    assert "\n" not in message + hint


def test_the_small_repository_is_without_fault(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(root, capsys) == (ExitCode.DONE, [])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_problem_is_told_at_its_place(case: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overlay(case, root)
    code, problems = validate(root, capsys)
    expected = case / "expected.txt"
    if os.environ.get("REWRITE"):
        expected.write_text("".join(f"{line}\n" for line in lines(problems)), encoding="utf-8", newline="\n")
    assert lines(problems) == expected.read_text(encoding="utf-8").splitlines()
    assert code == (ExitCode.FAILED if any(problem["severity"] == "error" for problem in problems) else ExitCode.DONE)
    for problem in problems:
        check_words(problem)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_place_is_in_the_file(case: Path, root: Path) -> None:
    overlay(case, root)
    for line in (case / "expected.txt").read_text(encoding="utf-8").splitlines():
        name, number, column = line.split(" ")[0].rsplit(":", 2)
        if (root / name).is_file() and (number, column) != ("1", "1"):
            text = (root / name).read_text(encoding="utf-8").splitlines()[int(number) - 1]
            assert 1 <= int(column) <= len(text) + 1


def test_people_read_the_same_problems(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overlay(TESTS / "invalid" / "unknown-keys", root)
    _, problems = validate(root, capsys)
    assert main(["validate", "--root", str(root)]) == ExitCode.FAILED
    told = capsys.readouterr().out
    for problem in problems:
        place = "{file}:{line}:{column}".format(**problem)
        assert f"{place}: {problem['severity']} [{problem['code']}]" in told
    assert f"{len(problems)} errors, 0 warnings." in told


# ---------------------------------------------------------------- what a text file in a folder cannot hold

TOKENS = {
    "github": "ghp_" + "a1B2" * 9,
    "github-oauth": "gho_" + "a1B2" * 9,
    "github-fine-grained": "github_pat_" + "a1B2c3_" * 9,
    "gitlab": "glpat-" + "a1B2-c3D4_e5F6g7H8i9",
    "prefect": "pnu_" + "a1B2" * 9,
    "aws": "AKIA" + "A1B2" * 4,
    "slack": "xoxb-" + "123456789012-" + "a1B2c3D4e5F6",
    "slack-webhook": "https://hooks.slack.com/" + "services/T000/B000/" + "a1B2" * 6,
    "google": "AIza" + "a1B2c3D" * 5,
    "stripe": "sk_" + "live_" + "a1B2" * 6,
    "anthropic": "sk-ant-" + "a1B2" * 10,
    "openai": "sk-proj-" + "a1B2" * 10,
    "npm": "npm_" + "a1B2" * 9,
    "pypi": "pypi-" + "a1B2" * 12,
    "azure": "DefaultEndpointsProtocol=https;AccountKey=" + "a1B2" * 16 + "==",
    "jwt": "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0" + ".c2lnbmF0dXJl",
    "private-key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "password-in-an-address": "postgresql://sa:" + "hunter2hunter2" + "@srv-sql/softland",
    "token-in-an-address": "https://" + "a1B2" * 9 + "@github.com/a/b.git",
}
"""Made of pieces, so that nobody who looks for tokens finds one here."""


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize(
    ("at", "value"),
    [
        ("parameters", "{{message: '{}'}}"),
        ("description", "'Con {} adentro.'"),
        ("job_variables", "{{env: {{CLAVE: '{}'}}}}"),
        ("tags", "['{}']"),
    ],
)
def test_a_token_in_clear_is_told_and_not_shown(
    at: str, value: str, token: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = f'deployments:\n  "Saludo":\n    entrypoint: flows/basic.py:basic_flow\n    {at}: {value.format(token)}\n'
    (root / "deployments/ventas/prod.yaml").write_text(entry, encoding="utf-8")
    code, problems = validate(root, capsys)
    assert [(problem["code"], problem["line"]) for problem in problems] == [("secret-in-clear", 4)]
    assert code == ExitCode.FAILED
    secret = max([*re.findall(r"\w{9,}", token), token[:9]], key=len)
    assert main(["validate", "--root", str(root)]) == ExitCode.FAILED
    assert secret not in json.dumps(problems) + capsys.readouterr().out


def _spoil(root: Path, name: str, content: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)


NESTED = b"deployments:\n  X:\n    parameters: " + b"{a: " * 1000 + b"1" + b"}" * 1000
DEEP_LIST = b"deployments: " + b"[" * 100_000
BINARY = bytes(range(256)) * 64
BYTES = {
    "utf-16": ("deployments:\n  Año: {}\n".encode("utf-16"), "encoding", (1, 1)),
    "windows-1252": ("deployments:\n  Año: {}\n".encode("cp1252"), "encoding", (2, 4)),
    "zero-bytes": (b"\0" * 5000, "encoding", (1, 1)),
    "binary": (BINARY, "encoding", (3, 115)),
    "one-zero-byte": (b"deployments:\n  X: a\0b\n", "control-character", (2, 7)),
    "ten-megabytes": (b"# " + b"x" * 10_000_000, "file-too-large", (1, 1)),
    "nested-a-thousand-times": (NESTED, "too-deep", (3, 405)),
    "brackets-without-end": (DEEP_LIST, "too-deep", (1, 113)),
    "two-documents": (b"deployments: {}\n---\ndeployments: {}\n", "several-documents", (2, 1)),
    "a-python-object": (b"!!python/object/apply:os.system [echo]\n", "custom-tag", (1, 1)),
    "a-timestamp": (b"2026-01-31\n", "wrong-type", (1, 1)),
    "a-list": (b"- deployments\n", "wrong-type", (1, 1)),
    "a-word": (b"deployments\n", "wrong-type", (1, 1)),
    "only-spaces-and-tab": (b"\t\n", "tab", (1, 1)),
}


@pytest.mark.parametrize("spoiled", BYTES.values(), ids=BYTES.keys())
@pytest.mark.parametrize("kind", ["deployments/ventas/prod.yaml", "deployments/shared.yaml", "prefect.yaml"])
def test_bytes_that_are_no_sound_yaml(
    kind: str, spoiled: tuple[bytes, str, tuple[int, int]], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, fault, place = spoiled
    _spoil(root, kind, content)
    code, problems = validate(root, capsys)
    told = [(problem["file"], problem["code"]) for problem in problems]
    assert told[:1] == [(kind, fault)]
    assert (problems[0]["line"], problems[0]["column"]) == place
    assert {problem["file"] for problem in problems} == {kind}
    assert code == ExitCode.FAILED
    for problem in problems:
        check_words(problem)


def test_a_byte_order_mark_and_line_endings_of_windows_are_no_fault(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in root.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode("utf-8"))
    assert validate(root, capsys) == (ExitCode.DONE, [])


needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")


@needs_links
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("deployments/ventas/prod.yaml", "deployments/ventas/prod.yaml:1:1 error path-outside"),
        ("deployments/shared.yaml", "deployments/shared.yaml:1:1 error path-outside"),
        ("deployments/environments.yaml", "deployments/environments.yaml:1:1 error path-outside"),
        ("prefect.yaml", "prefect.yaml:1:1 error path-outside"),
        ("pools/ventas-prod.yaml", "pools/ventas-prod.yaml:1:1 error path-outside"),
        ("flows/basic.py", "deployments/ventas/prod.yaml:3:17 error entrypoint-unreadable"),
    ],
)
def test_a_link_that_leaves_the_repository(
    name: str, expected: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / name).rename(tmp_path / "outside")
    (root / name).symlink_to(tmp_path / "outside")
    code, problems = validate(root, capsys)
    assert lines(problems) == [expected]
    assert code == ExitCode.FAILED


@needs_links
def test_a_folder_that_is_a_link_out(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "flows").rename(tmp_path / "flows")
    (root / "flows").symlink_to(tmp_path / "flows")
    _, problems = validate(root, capsys)
    assert codes(problems) == ["entrypoint-unreadable", "entrypoint-unreadable"]


@needs_links
def test_a_link_within_the_repository_is_followed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "deployments/ventas/prod.yaml").rename(root / "deployments/ventas/real.txt")
    (root / "deployments/ventas/prod.yaml").symlink_to(root / "deployments/ventas/real.txt")
    assert validate(root, capsys) == (ExitCode.DONE, [])


@needs_links
def test_links_that_lead_nowhere(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "deployments/ventas/prod.yaml").unlink()
    (root / "deployments/ventas/prod.yaml").symlink_to(root / "nowhere")
    (root / "deployments/compras/dev.yaml").unlink()
    (root / "deployments/compras/dev.yaml").symlink_to(root / "deployments/compras/dev.yaml")
    _, problems = validate(root, capsys)
    assert lines(problems) == [
        "deployments/compras/dev.yaml:1:1 error file-unreadable",
        "deployments/ventas/prod.yaml:1:1 error file-unreadable",
    ]


def test_a_folder_where_a_file_should_be(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "prefect.yaml").unlink()
    (root / "prefect.yaml").mkdir()
    _, problems = validate(root, capsys)
    assert lines(problems) == ["prefect.yaml:1:1 error file-unreadable"]


def test_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, problems = validate(tmp_path, capsys)
    assert lines(problems) == [
        "deployments/environments.yaml:1:1 error file-missing",
        "prefect.yaml:1:1 error file-missing",
    ]


def test_no_folder_at_all_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--root", str(tmp_path / "nowhere"), "--json"]) == ExitCode.USAGE
    told = capsys.readouterr()
    assert "is not a folder" in json.loads(told.out)["error"]["message"]


# ---------------------------------------------------------------- many faults at once


def test_all_files_tell_all_their_problems_in_order(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["entrypoints", "key-twice", "parameters", "pools", "schedules", "yaml-traps"]
    for name in names[1:]:
        for path in sorted((TESTS / "invalid" / name).rglob("*.yaml")):
            area = root / path.relative_to(TESTS / "invalid" / name)
            if area.parent.name == "ventas":
                area = root / "deployments" / name / "prod.yaml"
                _spoil(root, f"pools/{name}-prod.yaml", b"type: process\n")
            if path.name != "shared.yaml":
                _spoil(root, area.relative_to(root).as_posix(), path.read_bytes())
    overlay(TESTS / "invalid" / names[0], root)
    code, problems = validate(root, capsys)
    assert code == ExitCode.FAILED
    places = [(problem["file"], problem["line"], problem["column"]) for problem in problems]
    assert places == sorted(places)
    assert len(problems) > 60
    told = set(lines(problems))
    for name in ["key-twice", "parameters", "schedules"]:
        alone = (TESTS / "invalid" / name / "expected.txt").read_text(encoding="utf-8")
        moved = alone.replace("deployments/ventas/", f"deployments/{name}/").splitlines()
        assert set(moved) <= told


def test_one_fault_used_by_many_is_told_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = "".join(f'  "Nº {number}": {{entrypoint: "flows/basic.py:basic_flow"}}\n' for number in range(200))
    defaults = "defaults: {source: her, work_pool: vents, schedules: {nohce: {}}}\n"
    _spoil(root, "deployments/ventas/prod.yaml", f"{defaults}deployments:\n{entries}".encode())
    _, problems = validate(root, capsys)
    assert lines(problems) == [
        "deployments/ventas/prod.yaml:1:20 error source-undeclared",
        "deployments/ventas/prod.yaml:1:36 error pool-undeclared",
        "deployments/ventas/prod.yaml:1:55 error schedule-undeclared",
    ]


@pytest.mark.parametrize("name", ["deployments/shared.yaml", "deployments/environments.yaml", "prefect.yaml"])
@pytest.mark.parametrize("content", [b"[", b"- x\n", b"x: y\n", b"\xff\xfe", b"'"])
def test_a_file_that_cannot_be_used_is_told_alone(
    name: str, content: bytes, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What stands nowhere because its file is broken is not also missing everywhere it is used."""
    _spoil(root, name, content)
    _, problems = validate(root, capsys)
    if content == b"x: y\n" and name == "deployments/shared.yaml":
        return  # a file that can be read, and declares nothing: then all that it should declare is missing
    assert {problem["file"] for problem in problems} == {name}


# ---------------------------------------------------------------- anything anywhere

FULL = TESTS / "repositories" / "full"
WEIRD: tuple[Any, ...] = (
    None, [], {}, 5, -1, 1.5, 1e300, "", "x", True, [None], [[]], {"a": None}, {"": {}}, {"x": {"y": {"z": 1}}},
    "{{ x }}", "a/b", "managed-by:x/y/z", "C:\\x", "ñ\u2028\u202e",
)  # fmt: skip


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield at
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*at, key))


def replaced(value: Any, at: tuple[str | int, ...], new: Any) -> Any:
    if not at:
        return new
    copy = value.copy()
    copy[at[0]] = replaced(value[at[0]], at[1:], new)
    return copy


def test_the_full_repository_says_every_key_and_is_without_fault(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overlay(FULL, root)
    assert validate(root, capsys) == (ExitCode.DONE, [])


@pytest.mark.parametrize("name", [path.relative_to(FULL).as_posix() for path in sorted(FULL.rglob("*.yaml"))])
def test_whatever_stands_anywhere_is_told_in_words(name: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every value of every key in its turn is something else; JSON is YAML, too."""
    overlay(FULL, root)
    data = yaml.safe_load((FULL / name).read_text(encoding="utf-8"))
    weird = cycle(WEIRD)
    for at in places(data):
        for _ in range(3):
            (root / name).write_text(json.dumps(replaced(data, at, next(weird))), encoding="utf-8")
            code, problems = validate(root, capsys)
            assert code in (ExitCode.DONE, ExitCode.FAILED)
            for problem in problems:
                check_words(problem)

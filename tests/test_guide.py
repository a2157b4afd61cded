"""docs/guia.md says nothing that is not so: its examples validate, and its commands, options and files exist."""

from __future__ import annotations

import re
import shutil
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconcile.cli import COMMANDS, MODULES
from reconcile.commands.session import read_files
from reconcile.problem import has_errors

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "guia.md").read_text(encoding="utf-8")
PROSE = re.sub(r"```yaml\n.*?```", "", TEXT, flags=re.DOTALL)
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
SECTION = re.compile(r"^# (\d+)\. .*?(?=^# \d+\. |\Z)", re.DOTALL | re.MULTILINE)
SECTIONS = {int(found[1]): found[0] for found in SECTION.finditer(TEXT)}
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in SECTIONS[12].splitlines() if line.startswith("| ")
][1:]
PATH = re.compile(r"(?:deployments|pools|flows|docs|scripts|schemas)/[\w./-]+|(?:README|CONTRIBUTING)\.md")


class Loader(yaml.SafeLoader):
    """Reads `on` as the text that it is for the tool, not as true."""


Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if first not in "oO" or not rule[0].endswith(":bool")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def examples(section: str) -> list[tuple[str, Any]]:
    """The file that each example names in its first line, and what it adds to it."""
    found = []
    for text in BLOCK.findall(section):
        marker = re.match(r"# (\S+\.yaml)\n", text)
        assert marker, f"an example names no file:\n{text}"
        found.append((marker[1], yaml.load(text, Loader)))
    return found


def laid_over(below: Any, above: Any) -> Any:
    """One file with an example added to it."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: laid_over(below.get(key), value) for key, value in above.items()}}


@pytest.mark.parametrize("number", [number for number, text in SECTIONS.items() if BLOCK.search(text)])
def test_examples_of_a_section_validate_over_the_files_that_are_there(number: int, tmp_path: Path) -> None:
    for name in ("deployments", "pools", "flows"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "prefect.yaml", tmp_path)
    added: dict[str, Any] = defaultdict(dict)
    for file, said in examples(SECTIONS[number]):
        added[file] = laid_over(added[file], said)
    for file, said in added.items():
        path = tmp_path / file
        standing = yaml.load(path.read_text(encoding="utf-8"), Loader) if path.is_file() else {}
        path.write_text(yaml.safe_dump(laid_over(standing, said), allow_unicode=True), encoding="utf-8")
    problems = read_files(tmp_path).problems
    assert not has_errors(problems), problems


def parsers() -> dict[str, ArgumentParser]:
    """The parser of each command."""
    made = {}
    for name in COMMANDS:
        made[name] = ArgumentParser(prog=name)
        import_module(f"reconcile.commands.{MODULES.get(name, name)}").configure(made[name])
    return made


def mentions() -> Iterator[tuple[str, list[str]]]:
    """Each command that is named, with the options behind it on its line."""
    for said in re.findall(r"sync\.py +([a-z][^`|\n]*)", PROSE):
        command, *rest = said.split()
        yield command, [word for word in rest if word.startswith("--")]


def test_every_command_and_option_that_is_named_is_there() -> None:
    known = parsers()
    named = list(mentions())
    assert {command for command, _ in named} == set(known)
    wrong = [
        f"{command} {option}"
        for command, options in named
        for option in options
        if option not in known[command]._option_string_actions
    ]
    assert wrong == []


def test_every_file_that_is_named_is_there() -> None:
    named = {path.rstrip(".") for path in PATH.findall(PROSE.replace("\\", "/"))} | {"docs/safety.md"}
    assert len(named) > 25
    assert {path for path in named if not (ROOT / path).exists() and not re.search(r"/$", path)} == set()


def test_sections_follow_the_old_guide() -> None:
    assert list(SECTIONS) == list(range(1, 13))
    titles = set(re.findall(r"^## (\d+\.\d+) ", TEXT, re.MULTILINE))
    assert titles >= {"2.1", "3.1", "4.1", "4.2", "4.3", "6.1", "6.2", "6.3", "10.1", "10.2"}


def test_the_table_has_every_practice_of_the_old_guide_and_names_what_is_there() -> None:
    practices = {row[0].split()[0].rstrip(":,") for row in ROWS}
    assert practices >= {
        *("1.1", "2", "2.1", "3", "3.1", "4", "4.1", "4.2", "4.3", "5", "6", "6.1", "6.2", "6.3", "7", "8", "10"),
        *("10.1", "10.2", "11", "Notas"),
    }
    notes = {row[0].removeprefix("Notas: ").split(",")[0] for row in ROWS if row[0].startswith("Notas: ")}
    assert notes == {"Perfiles", "Deploys", "Work Pools", "Logeo"}
    headings = set(re.findall(r"^#+ (\d+(?:\.\d+)?)\.? ", TEXT, re.MULTILINE))
    for practice, section, where in ROWS:
        assert section in headings, practice
        named = re.findall(r"`([^`]+)`", where)
        assert named, practice
        for one in named:
            known = one.removeprefix("sync.py ").split()[0] in parsers()
            assert known if one.startswith("sync.py ") else (ROOT / one).exists(), one

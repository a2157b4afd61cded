"""The import rules of the house. The layers stand in pyproject.toml, for `lint-imports` too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import grimp
import pytest
from importlinter import configuration
from importlinter.application import use_cases

if TYPE_CHECKING:
    from grimp import ImportGraph

ROOT = Path(__file__).resolve().parent.parent
HOUSE = ROOT / "scripts" / "reconcile"

ONLY_IN = {
    "yaml": {"reconcile.document"},
    "jsonschema": {"reconcile.schema"},
    "httpx": {"reconcile.gateway.reading", "reconcile.gateway.writing"},
    "prefect": {"reconcile.gateway.stepping", "reconcile.gateway.writing"},
    "rich": {"reconcile.render.terminal"},
    "tomlkit": {"reconcile.gateway.profiles"},
}
"""Packages that few modules import, so that only what needs them pays for them."""


@pytest.fixture(scope="module")
def graph() -> ImportGraph:
    return grimp.build_graph("reconcile", include_external_packages=True, cache_dir=None)


def test_imports_follow_the_layers(capsys: pytest.CaptureFixture[str]) -> None:
    configuration.configure()
    kept = use_cases.lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None, no_logo=True)
    assert kept, capsys.readouterr().out


@pytest.mark.parametrize(("package", "rooms"), ONLY_IN.items())
def test_a_package_is_imported_where_it_belongs_only(package: str, rooms: set[str], graph: ImportGraph) -> None:
    importers = graph.find_modules_that_directly_import(package) if package in graph.modules else set()
    assert importers <= rooms


def test_every_module_is_seen(graph: ImportGraph) -> None:
    """A folder without __init__.py would not be looked at, and its imports not be checked."""
    files = {path.relative_to(HOUSE.parent).with_suffix("") for path in HOUSE.rglob("*.py")}
    modules = {".".join(path.parts).removesuffix(".__init__") for path in files}
    assert modules <= graph.modules


def test_nothing_in_the_house_imports_the_bootstrap(graph: ImportGraph) -> None:
    """The environment stands before the house is entered."""
    assert "bootstrap" not in graph.modules


@pytest.mark.parametrize(
    ("command", "never"),
    [
        (["validate"], {"prefect", "httpx", "rich"}),
        (["show", "basic-flow/Hola mundo"], {"prefect", "httpx", "rich"}),
        (["services", "pool-dev"], {"prefect", "httpx", "rich", "tomlkit"}),
    ],
)
def test_a_command_does_not_load_what_it_does_not_need(command: list[str], never: set[str]) -> None:
    """Measured in a process of its own: imports inside functions are seen too."""
    code = (
        "import sys, json; from reconcile.cli import main; status = main(sys.argv[1:]);"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        env={**os.environ, "PYTHONPATH": str(HOUSE.parent)}, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert never.isdisjoint(json.loads(done.stderr.splitlines()[-1]))

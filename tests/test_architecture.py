"""The import rules of the house. The layers stand in pyproject.toml, for `lint-imports` too."""

from __future__ import annotations

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
    "yaml": "reconcile.document",
    "jsonschema": "reconcile.schema",
    "httpx": "reconcile.gateway.reading",
    "prefect": "reconcile.gateway.writing",
    "rich": "reconcile.render.text",
}
"""Packages that one module alone imports, so that only what needs them pays for them."""


@pytest.fixture(scope="module")
def graph() -> ImportGraph:
    return grimp.build_graph("reconcile", include_external_packages=True, cache_dir=None)


def test_imports_follow_the_layers(capsys: pytest.CaptureFixture[str]) -> None:
    configuration.configure()
    kept = use_cases.lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None, no_logo=True)
    assert kept, capsys.readouterr().out


@pytest.mark.parametrize(("package", "room"), ONLY_IN.items())
def test_a_package_is_imported_in_one_room_only(package: str, room: str, graph: ImportGraph) -> None:
    importers = graph.find_modules_that_directly_import(package) if package in graph.modules else set()
    assert importers <= {room}


def test_every_module_is_seen(graph: ImportGraph) -> None:
    """A folder without __init__.py would not be looked at, and its imports not be checked."""
    files = {path.relative_to(HOUSE.parent).with_suffix("") for path in HOUSE.rglob("*.py")}
    modules = {".".join(path.parts).removesuffix(".__init__") for path in files}
    assert modules <= graph.modules


def test_nothing_in_the_house_imports_the_bootstrap(graph: ImportGraph) -> None:
    """The environment stands before the house is entered."""
    assert "bootstrap" not in graph.modules

"""docs/safety.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
CODE = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))


def test_every_test_that_is_named_is_there() -> None:
    names = set(re.findall(r"`(test_\w+)(?:\[|`)", TEXT))
    assert len(names) > 15
    assert {name for name in names if f"def {name}(" not in CODE} == set()


def test_every_file_and_scenario_that_is_named_is_there() -> None:
    files = set(re.findall(r"tests/[\w/]+\.py", TEXT))
    assert {file for file in files if not (ROOT / file).is_file()} == set()
    scenarios = {
        name
        for row in re.findall(r"tests/scenarios ((?:`[\w-]+`(?:, )?)+)", TEXT)
        for name in re.findall(r"[\w-]+", row)
    }
    assert scenarios
    assert {name for name in scenarios if not (ROOT / "tests" / "scenarios" / name).is_dir()} == set()

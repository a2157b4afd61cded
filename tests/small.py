"""The small repository that cases begin with, and how a case is laid over it."""

from __future__ import annotations

import shutil
from pathlib import Path

SMALL = Path(__file__).parent / "repositories" / "small"
REMOVED = "remove.txt"
"""Names the files, one a line, of the small repository that a case does without."""


def copy_small(root: Path) -> Path:
    """The small repository, to be spoiled or changed."""
    return Path(shutil.copytree(SMALL, root))


def overlay(case: Path, root: Path) -> None:
    """The files of a case over those that stand below the root."""
    shutil.copytree(case, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns(REMOVED, "expected.txt"))
    removed = case / REMOVED
    for name in removed.read_text(encoding="utf-8").split() if removed.exists() else ():
        (root / name).unlink()

"""What all tests need, and their order: those with servers first, so that the last minute of a run is not one test's alone."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
SLOW = {"contract", "end_to_end", "test_environment.py", "test_sources.py"}


def pytest_configure() -> None:
    """Where the tests were started in the background, Ctrl-C is ignored, and so it would be in every process of theirs."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by how slow a file is; within each the order stays."""
    items.sort(key=lambda item: item.path.relative_to(ROOT).parts[0] not in SLOW)

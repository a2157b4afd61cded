"""What all tests need, and their order: those with servers first, so that the last minute of a run is not one test's alone."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from end_to_end.watch import FIGURES
from hypothesis import settings

ROOT = Path(__file__).parent
AGAIN = "the first try"
SLOW = ("end_to_end", "contract", "test_environment.py", "test_sources.py")


def pytest_configure(config: pytest.Config) -> None:
    """Where the tests were started in the background, Ctrl-C is ignored, and so it would be in every process of theirs.

    Likewise the end of the terminal, where they were started by nohup. And no example has a time limit: machines differ.
    """
    settings.register_profile("short", deadline=None, max_examples=50)
    settings.register_profile("long", deadline=None)
    settings.load_profile("short" if config.getoption("markexpr") == "not long" else "long")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A worker of pytest-xdist has ended: what its part of the end-to-end suite was searched for."""
    _keep(node.config, getattr(node, "workeroutput", {}).get("secrets"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what was searched to the process that tells it."""
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["secrets"] = session.config.stash.get(FIGURES, None)


def _keep(config: pytest.Config, figures: dict[str, int] | None) -> None:
    known = config.stash.get(FIGURES, {})
    if figures:
        config.stash[FIGURES] = {name: known.get(name, 0) + number for name, number in figures.items()}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How much was searched for tokens, and what was tried twice."""
    for report in terminalreporter.getreports("passed"):
        for name, reason in report.user_properties:
            if name == AGAIN and report.when == "call":
                terminalreporter.write_line(f"SECOND TRY {report.nodeid}: {reason}")
    if figures := config.stash.get(FIGURES, None):
        told = ", ".join(f"{number:,} {name}" for name, number in figures.items())
        terminalreporter.write_line(f"FIGURES secrets: {told}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by how slow a file is; within each the order stays."""
    items.sort(key=_speed)


def _speed(item: pytest.Item) -> int:
    first = item.path.relative_to(ROOT).parts[0]
    return SLOW.index(first) if first in SLOW else len(SLOW)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A test of real processes that fails is tried once more, and that is told: SQLite is locked, a machine is busy."""
    if item.path.relative_to(ROOT).parts[0] != "end_to_end":
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    reasons = [report.longreprtext.strip().rpartition("\n")[2] for report in reports if report.failed]
    if reasons:
        item._initrequest()  # type: ignore[attr-defined] # as pytest-rerunfailures does; a test knows its fixtures by it
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        for report in reports:
            report.user_properties.append((AGAIN, reasons[0]))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test said can hold text that no encoding has; a worker of xdist could not send its report, and ends all."""
    report = yield
    report.sections = [
        (title, text.encode("utf-8", "backslashreplace").decode("utf-8")) for title, text in report.sections
    ]
    return report

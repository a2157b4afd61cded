"""Where the commands write: one JSON document, or lines for people; prose about progress goes to standard error."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from typing import Any

from reconcile.errors import ExitCode
from reconcile.problem import Problem, has_errors
from reconcile.render.json import dump, problems_document
from reconcile.render.terminal import show
from reconcile.render.text import Line, problem_lines


def document(data: Any) -> None:
    """Print the one JSON document of a command."""
    sys.stdout.write(dump(data) + "\n")


def text(page: str) -> None:
    """Print a page that is written for another reader than a terminal."""
    sys.stdout.write(page)


def lines(found: Iterable[Line]) -> None:
    """Print lines for people."""
    show(found, sys.stdout)


def problems(options: Namespace, found: Sequence[Problem]) -> ExitCode:
    """Print the problems of the files, and answer whether they stop the command."""
    if options.json:
        document(problems_document(found))
    else:
        lines(problem_lines(found))
    return ExitCode.FAILED if has_errors(found) else ExitCode.DONE

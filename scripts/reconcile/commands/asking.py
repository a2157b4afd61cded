"""A yes before something is written: on the terminal, or by `--yes`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from reconcile.errors import UsageError


def add_yes(parser: ArgumentParser) -> None:
    """`--yes`."""
    parser.add_argument("--yes", action="store_true", help="do it without asking")


def need_answer(options: Namespace) -> None:
    """Raises UsageError where nobody can be asked, before anything is looked up."""
    if not options.yes and not is_somebody_there():
        raise UsageError("There is no terminal to ask on.", "Add --yes.")


def may_write(options: Namespace, question: str) -> bool:
    """Whether files are to be written. Who has no terminal, or wants JSON, is not asked: then `--yes` alone writes."""
    return bool(options.yes) or (not options.json and is_somebody_there() and agreed(options, question))


def is_somebody_there() -> bool:
    """Whether there is a terminal to ask on."""
    return sys.stdin is not None and sys.stdin.isatty()


def files_told(number: int) -> str:
    """As many files, in words."""
    return f"{number} file{'' if number == 1 else 's'}"


def agreed(options: Namespace, question: str) -> bool:
    """Whether it is to be done."""
    if options.yes:
        return True
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes", "s", "si", "sí"}

"""`validate`: the files alone, of every environment; no network, no server, no Prefect. Every problem at once."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reconcile.commands import output
from reconcile.commands.options import add_root, add_selection, root_of
from reconcile.commands.session import TOOL, declared_here, read_files
from reconcile.errors import ExitCode


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    add_root(parser)
    add_selection(parser)


def run(options: Namespace) -> ExitCode:
    """Check the files. A selection filters nothing here: all files are always read, and a fault anywhere is one."""
    files = read_files(root_of(options, TOOL))
    return output.problems(options, declared_here(files).problems)

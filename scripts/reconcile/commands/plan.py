"""`plan`: what apply would do. It only reads."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reconcile.commands import output
from reconcile.commands.adoption import add_adoption, adopts
from reconcile.commands.options import add_root, add_selection, add_server, add_source_secrets, filter_of, root_of
from reconcile.commands.session import TOOL, observe, open_session
from reconcile.errors import ExitCode
from reconcile.render.json import plan_document
from reconcile.render.text import plan_lines


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    add_root(parser)
    add_selection(parser)
    add_server(parser)
    add_adoption(parser)
    add_source_secrets(parser)
    parser.add_argument("--exit-code", action="store_true", help="exit 2 when changes are pending")


def run(options: Namespace) -> ExitCode:
    """Plan and show the plan. A refusal exits 1."""
    root = root_of(options, TOOL)
    with open_session(
        root, local=options.local, select=lambda files: filter_of(options, files.repository), need_env=False
    ) as session:
        session.adopt = adopts(options)
        session.read_secrets = options.read_source_secrets
        plan = observe(session).plan
    if options.json:
        output.document(plan_document(plan))
    else:
        output.lines(plan_lines(plan))
    if plan.refusals:
        return ExitCode.FAILED
    return ExitCode.PENDING if options.exit_code and not plan.is_empty else ExitCode.DONE

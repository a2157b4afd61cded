"""`plan`: what apply would do. It only reads."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from reconcile.commands import output
from reconcile.commands.options import add_root, add_selection, add_server, add_source_secrets, filter_of, root_of
from reconcile.commands.permissions import add_permissions, permissions_of
from reconcile.commands.saved import check_place, save
from reconcile.commands.session import TOOL, observe, open_session, say
from reconcile.errors import ExitCode, UsageError
from reconcile.plan import Plan
from reconcile.render.json import plan_document
from reconcile.render.markdown import plan_page
from reconcile.render.text import plan_lines


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    add_root(parser)
    add_selection(parser)
    add_server(parser)
    add_permissions(parser)
    add_source_secrets(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="save the plan, for `apply FILE`")
    parser.add_argument("--markdown", action="store_true", help="the plan as Markdown, for a pull request or a wiki")
    parser.add_argument("--exit-code", action="store_true", help="exit 2 when changes are pending")


def run(options: Namespace) -> ExitCode:
    """Plan and show the plan. A refusal exits 1."""
    root = root_of(options, TOOL)
    permissions = permissions_of(options)
    if options.json and options.markdown:
        raise UsageError("--json and --markdown both say what is printed.", "Leave one of them out.")
    if options.out is not None:
        check_place(options.out)
    with open_session(
        root, local=options.local, select=lambda files: filter_of(options, files.repository), need_env=False
    ) as session:
        session.permissions = permissions
        session.read_secrets = options.read_source_secrets
        plan = observe(session).plan
        if options.out is not None and not plan.refusals:
            save(options.out, plan, session, options)
    if options.json:
        output.document(plan_document(plan))
    elif options.markdown:
        output.text(plan_page(plan_document(plan)))
    else:
        output.lines(plan_lines(plan))
    if options.out is not None:
        say(_saved_or_not(options, plan))
    if plan.refusals:
        return ExitCode.FAILED
    return ExitCode.PENDING if options.exit_code and not plan.is_empty else ExitCode.DONE


def _saved_or_not(options: Namespace, plan: Plan) -> str:
    if plan.refusals:
        return f"A plan that is refused is not saved, so {options.out} is left as it was."
    return f"Saved as {options.out}. To apply exactly this plan: python3 scripts/sync.py apply {options.out}"

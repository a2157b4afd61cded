"""`run KEY`: a run of a deployment now or later, with parameters that were checked; `--watch` follows it to its end."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from reconcile.commands import output
from reconcile.commands.following import follow
from reconcile.commands.options import add_root, add_selection, add_server, filter_of, root_of
from reconcile.commands.parameters import check_run, given_parameters
from reconcile.commands.picking import pick, refuse_other_servers
from reconcile.commands.session import TOOL, Session, open_session, say
from reconcile.commands.starting import link_to, moment_of, start, waits_for
from reconcile.errors import ExitCode, UsageError
from reconcile.model import Deployment
from reconcile.render.escape import safe
from reconcile.render.terminal import show
from reconcile.render.text import Line
from reconcile.secrets import mask_text

HELP = """The run waits for a worker of the deployment's pool. With --watch its logs are shown until it is over, and the
exit code tells how it ended: 0 completed, 1 anything else. Ctrl-C ends the watching (130), never the run.

examples:
  run "Cierre mensual" --env prod
  run cierre/"Cierre mensual" --param anio=2026 --param empresas='["A", "B"]' --watch
  run "Cierre mensual" --at 22:30
"""


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = HELP
    parser.add_argument("key", metavar="KEY", help="a deployment: its declared or final name, or flow/name")
    add_parameters(parser)
    parser.add_argument(
        "--at",
        default=None,
        metavar="TIME",
        help="when: 18:30, 2026-12-01 18:30 (in the files' default_timezone), with an offset, or +30m",
    )
    parser.add_argument("--watch", action="store_true", help="follow its logs to the end, and exit by its state")
    add_root(parser)
    add_selection(parser)
    add_server(parser)


def add_parameters(parser: ArgumentParser) -> None:
    """`--param`."""
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter: JSON where that fits it, otherwise a text; repeatable",
    )


def run(options: Namespace) -> ExitCode:
    """Find it, check what is given, start it, and follow it if asked."""
    if options.local:
        raise UsageError(
            "--local is a server for the length of this command, on which no worker runs anything.",
            "Leave --local out, and say which server with PREFECT_API_URL or a profile.",
        )
    root = root_of(options, TOOL)
    with open_session(
        root,
        local=False,
        select=lambda files: filter_of(options, files.repository),
        need_env=False,
        whole=False,
    ) as session:
        refuse_other_servers(session)
        at = None if options.at is None else moment_of(options.at, datetime.now(UTC), session.files.zone)
        deployment = pick(session, options.key).deployment
        schema = deployment.parameter_schema or {}
        parameters = given_parameters(options.param, schema)
        enforced = deployment.enforce_parameter_schema
        for remark in check_run(parameters, deployment.parameters, schema, enforced=enforced):
            say(remark)
        return started(options, session, deployment, parameters, at)


def started(
    options: Namespace,
    session: Session,
    deployment: Deployment,
    parameters: Mapping[str, Any],
    at: datetime | None = None,
    *,
    more: Mapping[str, Any] | None = None,
) -> ExitCode:
    """Start a run and tell of it; with `--watch` to its end. `more` stands in the JSON document beside the run."""
    from reconcile.gateway.writing import Writing

    with Writing(session.target) as writing:
        made = start(writing, deployment, parameters, at)
    link = link_to(session.target.url or "", str(made["id"]))
    if not options.json:
        when = f" at {at.astimezone(session.files.zone):%Y-%m-%d %H:%M %Z}" if at is not None else ""
        output.lines(
            [
                Line(f"{safe(str(deployment.key))} runs{when} as {safe(str(made.get('name')))}", "good"),
                Line(f"  {link}"),
            ]
        )
    if (why := waits_for(session, deployment)) is not None:
        say(why)
    ended, code = _watched(options, session, str(made["id"]), link) if options.watch else (made, ExitCode.DONE)
    if options.json:
        output.document({**(more or {}), "run": _document(deployment, ended, link)})
    elif options.watch and code is not ExitCode.INTERRUPTED:
        style = "good" if code is ExitCode.DONE else "error"
        output.lines([Line(f"{safe(str(ended.get('state_name')))}: {link}", style)])
    return code


def _watched(options: Namespace, session: Session, run: str, link: str) -> tuple[Mapping[str, Any], ExitCode]:
    session.reading.contact.patient = True
    stream = sys.stderr if options.json else sys.stdout
    try:
        ended = follow(session.reading, run, _teller(stream))
    except KeyboardInterrupt:
        say(f"No longer watched; the run goes on: {link}")
        say(f"    `prefect flow-run cancel {run}` ends it.")
        return {"id": run, "state_name": None, "state_type": None}, ExitCode.INTERRUPTED
    return ended, ExitCode.DONE if ended.get("state_type") == "COMPLETED" else ExitCode.FAILED


LEVELS = {50: "CRITICAL", 40: "ERROR", 30: "WARNING", 20: "INFO", 10: "DEBUG"}


def _teller(stream: Any) -> Callable[[Mapping[str, Any]], None]:
    return partial(_tell, stream)


def _tell(stream: Any, log: Mapping[str, Any]) -> None:
    """A log, or a state, as a line with the time of here."""
    moment = str(log.get("timestamp") or "")
    try:
        moment = f"{datetime.fromisoformat(moment).astimezone():%H:%M:%S}"
    except (ValueError, OverflowError):
        moment = "        "
    if "state" in log:
        text = f"{log['state']} {log.get('message') or ''}".rstrip()
        show([Line(f"{moment}  -- {safe(mask_text(text))}", "dim")], stream)
        return
    level = int(log.get("level") or 20)
    word = LEVELS.get(level // 10 * 10, str(level))
    style = "error" if level >= 40 else "warning" if level >= 30 else ""
    for line in str(log.get("message") or "").splitlines() or [""]:
        show([Line(f"{moment}  {word:<8} {safe(mask_text(line))}", style)], stream)
    stream.flush()


def _document(deployment: Deployment, made: Mapping[str, Any], link: str) -> dict[str, Any]:
    return {
        "id": made["id"],
        "name": made.get("name"),
        "deployment": str(deployment.key),
        "state": made.get("state_name"),
        "expected_start": made.get("expected_start_time"),
        "url": link,
    }

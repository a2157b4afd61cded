"""`pause`: deployments or work pools in an incident, by one command, with who, why and since when."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from typing import Any

from reconcile.commands import output
from reconcile.commands.asking import agreed, need_answer
from reconcile.commands.holding import (
    WHAT_A_PAUSE_DOES,
    Done,
    add_targets,
    check_targets,
    declares_pause,
    find_records,
    forget,
    pools_called,
    selected,
    switch_all,
    told,
)
from reconcile.commands.options import filter_of, root_of
from reconcile.commands.picking import Picked, refuse_other_servers
from reconcile.commands.session import TOOL, Session, open_session, say
from reconcile.errors import ExitCode, ReconcileError, UsageError
from reconcile.holds import LONGEST, Record, new_records
from reconcile.lock import this_process
from reconcile.model import NO_COMMIT, Deployment, WorkPool
from reconcile.render.escape import safe
from reconcile.render.text import Line
from reconcile.secrets import mask_text
from reconcile.wire import Request

EXAMPLES = """
Plans and `status` show it as a hold, with who, why and since when; `apply` leaves it as it is. `resume` ends it.

examples:
  pause --area compras --env prod --reason "Softland no responde"
  pause "Cierre mensual" --env prod --reason "datos a medias"
  pause --pool compras-prod --reason "mantenimiento de SRV-TAREAS"
"""


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = WHAT_A_PAUSE_DOES + EXAMPLES
    add_targets(parser)
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why, for whoever sees it")
    parser.set_defaults(local=False)


def run(options: Namespace) -> ExitCode:
    """Show what would be paused, ask, write down why, pause."""
    check_targets(options)
    reason = " ".join(options.reason.split())
    if not reason or len(reason) > LONGEST:
        raise UsageError(f"--reason takes a sentence of 1 to {LONGEST} characters.", "Say why, for whoever sees it.")
    if not (options.key or options.env or options.area or options.only or options.pool):
        raise UsageError(
            "Say what to pause.", "A KEY, --area, --env (`--env all` is everything declared), --only, or --pool."
        )
    need_answer(options)
    with open_session(
        root_of(options, TOOL),
        local=False,
        select=lambda files: filter_of(options, files.repository),
        need_env=False,
        whole=False,
    ) as session:
        refuse_other_servers(session)
        return _paused(options, session, reason)


def _paused(options: Namespace, session: Session, reason: str) -> ExitCode:
    done = Done(action="paused")
    found: tuple[Picked, ...] | tuple[WorkPool, ...]
    found = pools_called(session, options.pool) if options.pool else selected(session, options)
    if not found:
        raise ReconcileError(
            f"Nothing of that selection stands on the server at {session.target.url}.",
            "`status` and `plan` show what does.",
        )
    going = []
    for one in found:
        resource = one.deployment if isinstance(one, Picked) else one
        if resource.paused if isinstance(resource, Deployment) else resource.is_paused:
            done.note(resource.key, "skipped", "is paused already")
        else:
            going.append(resource)
        if declares_pause(one) is False:
            say(
                f"{resource.key}: the files declare `paused: false`, so the next apply resumes it; take that line out, "
                "or make it `paused: {reason: …}`."
            )
    return _written(options, session, reason, going, done)


def _written(
    options: Namespace, session: Session, reason: str, going: list[Deployment | WorkPool], done: Done
) -> ExitCode:
    holder = this_process(NO_COMMIT)
    record = Record(
        name="",
        by=f"{holder.user} on {holder.host}",
        since=holder.since,
        reason=reason,
        deployments=frozenset(one.id or "" for one in going if isinstance(one, Deployment)),
        pools=frozenset(one.id or "" for one in going if isinstance(one, WorkPool)),
    )
    more: dict[str, Any] = {"by": record.by, "since": record.since, "reason": mask_text(reason)}
    if not options.json:
        output.lines(_plan_lines(going, reason))
        output.lines(done.lines("skipped"))
    if not going:
        return told(options, done, more)
    number = f"these {len(going)}" if len(going) > 1 else str(going[0].key)
    if not agreed(options, f"Pause {number}?"):
        say("Nothing was written.")
        return told(options, Done(action="paused"), more)
    _pause(session, record, going, done)
    if not options.json:
        output.lines([*done.lines("done"), *done.lines("failed")])
    return told(options, done, more)


def _plan_lines(going: list[Deployment | WorkPool], reason: str) -> Iterator[Line]:
    if going:
        yield Line(f"To pause, because: {safe(mask_text(reason))}", "title")
    for one in going:
        yield Line(f"  {one.key.kind} {safe(str(one.key))}")
    if any(isinstance(one, Deployment) for one in going):
        yield Line("Their coming runs vanish, and none is caught up when they are resumed.", "dim")
    if any(isinstance(one, WorkPool) for one in going):
        yield Line("Runs pile up as late, and all of them start when it is resumed.", "dim")


def _pause(session: Session, record: Record, going: list[Deployment | WorkPool], done: Done) -> None:
    """What was paused is written down first: a pause of which nobody knows why would be worse than a record too many.

    No apply is waited for: it writes no pause that the files do not declare, and an incident cannot wait.
    """
    from reconcile.gateway.writing import Writing

    records = find_records(session)
    with Writing(session.target) as writing:
        for part in new_records(session.project, record):
            writing.write(Request(method="POST", path="/variables/", body={"name": part.name, "value": part.value}))
        if switch_all(writing, going, done, paused=True):
            forget(session, writing, records)  # what somebody resumed in the UI since

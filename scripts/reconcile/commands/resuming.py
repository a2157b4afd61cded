"""`resume`: ends what `pause` began, and leaves what was paused in the UI, unless it is named."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
from reconcile.errors import ExitCode
from reconcile.holds import Record, record_for
from reconcile.model import Deployment, Kind, WorkPool
from reconcile.render.escape import safe
from reconcile.render.text import Line
from reconcile.secrets import mask_text

EXAMPLES = """
Without a KEY or a --pool only what `pause` paused is resumed: what somebody paused in the UI is theirs. Nothing said
at all means everything of this project that `pause` paused on this server.

examples:
  resume --area compras --env prod
  resume "Cierre mensual" --env prod
  resume --pool compras-prod
"""


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = WHAT_A_PAUSE_DOES + EXAMPLES
    add_targets(parser)
    parser.set_defaults(local=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resuming:
    """One thing to be resumed, and what was written down when it was paused."""

    one: Deployment | WorkPool
    record: Record | None


def run(options: Namespace) -> ExitCode:
    """Show what would be resumed, ask, resume, and forget why it was paused."""
    check_targets(options)
    need_answer(options)
    with open_session(
        root_of(options, TOOL),
        local=False,
        select=lambda files: filter_of(options, files.repository),
        need_env=False,
        whole=False,
    ) as session:
        refuse_other_servers(session)
        return _resumed(options, session, find_records(session))


def _resumed(options: Namespace, session: Session, records: tuple[Record, ...]) -> ExitCode:
    done = Done(action="resumed")
    going = list(_going(options, session, records, done))
    if not options.json:
        output.lines(_plan_lines(going))
        output.lines(done.lines("skipped"))
    if going:
        number = f"these {len(going)}" if len(going) > 1 else str(going[0].one.key)
        if not agreed(options, f"Resume {number}?"):
            say("Nothing was written.")
            return told(options, Done(action="resumed"), {})
    elif not options.json:
        output.lines([Line("Nothing to resume.")])
    if going or records:
        _resume(session, records, going, done)
    if not options.json:
        output.lines([*done.lines("done"), *done.lines("failed")])
    return told(options, done, {})


def _going(options: Namespace, session: Session, records: tuple[Record, ...], done: Done) -> Iterator[_Resuming]:
    """What is paused and meant."""
    named = bool(options.key or options.pool)
    for one in _meant(options, session, records):
        resource = one.deployment if isinstance(one, Picked) else one
        if not (resource.paused if isinstance(resource, Deployment) else resource.is_paused):
            if named:
                done.note(resource.key, "skipped", "is not paused")
            continue
        record = record_for(records, resource.key.kind, resource.id)
        if declares_pause(one) is True:
            done.note(resource.key, "skipped", "the files say `paused`: take that out, and apply")
        elif record is None and not named:
            done.note(resource.key, "skipped", "was not paused by `pause`: name it to resume it")
        else:
            yield _Resuming(one=resource, record=record)


def _meant(options: Namespace, session: Session, records: Sequence[Record]) -> Iterator[Picked | WorkPool]:
    if options.pool:
        yield from pools_called(session, options.pool)
        return
    yield from selected(session, options)
    nothing_said = not (options.key or options.env or options.area or options.only)
    if nothing_said and any(record.pools for record in records):
        pools = pools_called(session, None)
        yield from (one for one in pools if record_for(records, Kind.WORK_POOL, one.id) is not None)


def _plan_lines(going: Sequence[_Resuming]) -> Iterator[Line]:
    if going:
        yield Line("To resume", "title")
    for one in going:
        why = f"  (paused by {one.record.by} since {one.record.since}: {one.record.reason})" if one.record else ""
        yield Line(f"  {one.one.key.kind} {safe(str(one.one.key))}{safe(mask_text(why))}")
    if any(isinstance(one.one, Deployment) for one in going):
        yield Line("Their runs of the time between are not caught up.", "dim")
    if any(isinstance(one.one, WorkPool) for one in going):
        yield Line("The runs that have piled up start now.", "dim")


def _resume(session: Session, records: tuple[Record, ...], going: Sequence[_Resuming], done: Done) -> None:
    """Resume, then forget: a record is dropped only once what it tells of is over."""
    from reconcile.gateway.writing import Writing

    with Writing(session.target) as writing:
        if switch_all(writing, [one.one for one in going], done, paused=False):
            forget(session, writing, records)

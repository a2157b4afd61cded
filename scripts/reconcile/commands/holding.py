"""What `pause` and `resume` share: what they act on, and the requests that change it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from reconcile.commands import output
from reconcile.commands.asking import add_yes
from reconcile.commands.options import add_root, add_selection
from reconcile.commands.picking import Picked, pick, selected_entries, standing
from reconcile.commands.session import Session, say
from reconcile.desired import final_name
from reconcile.errors import ExitCode, ReconcileError, ServerError, ServerUnreachableError, UsageError
from reconcile.holds import Record, pruned_records, records_of
from reconcile.keeping import HOLDS
from reconcile.layers import Entry
from reconcile.model import Deployment, Kind, ResourceKey, WorkPool
from reconcile.observed import observed
from reconcile.render.escape import safe
from reconcile.render.text import Line
from reconcile.resolve import nearest
from reconcile.wire import Request, Snapshot, Writer

WHAT_A_PAUSE_DOES = """what a pause does:
  a paused deployment   its coming runs vanish, and none is caught up when it is resumed: the runs of that time never
                        happen. Runs that are under way go on. `run` starts one all the same.
  a paused work pool    its workers take no more runs, of whatever deployment: they pile up as late, and all of them
                        start when it is resumed. Runs that are under way go on.
"""


@dataclass(slots=True, kw_only=True)
class Done:
    """What became of each, for people and for machines."""

    action: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False

    def note(self, key: ResourceKey, status: str, why: str = "") -> None:
        """One resource: `done`, `failed`, `skipped`."""
        self.rows.append({"key": str(key), "kind": str(key.kind), "status": status, "why": why or None})

    def rest(self, left: Iterable[Deployment | WorkPool], why: str) -> None:
        """Those that were not come to."""
        for one in left:
            self.note(one.key, "failed", why)

    @property
    def code(self) -> ExitCode:
        """Failed where one failed."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        return ExitCode.FAILED if any(row["status"] == "failed" for row in self.rows) else ExitCode.DONE

    def lines(self, of: str) -> Iterator[Line]:
        """A line for each that has one status."""
        styles = {"done": "good", "failed": "error", "skipped": "dim"}
        for row in self.rows:
            if row["status"] == of:
                told = f"  {safe(row['why'])}" if row["why"] else ""
                word = self.action if of == "done" else of
                yield Line(f"  {word} {safe(row['kind'])} {safe(row['key'])}{told}", styles[of])


def add_targets(parser: ArgumentParser) -> None:
    """KEY, `--pool`, and what all commands take."""
    parser.add_argument(
        "key", nargs="?", default=None, metavar="KEY", help="a deployment: its declared or final name, or flow/name"
    )
    parser.add_argument("--pool", action="append", default=[], metavar="NAME", help="a work pool itself; repeatable")
    add_yes(parser)
    add_root(parser)
    add_selection(parser)


def check_targets(options: Namespace) -> None:
    """Raises UsageError where pools and deployments are mixed: the two pauses are not the same."""
    if options.pool and (options.key or options.env or options.area or options.only):
        raise UsageError(
            "--pool names work pools, the rest deployments; the two pauses do different things.",
            "Run it once for each: --help says what they do.",
        )
    if options.key and options.only:
        raise UsageError("A KEY is one deployment; --only picks out several.", "Leave one of them out.")


def find_records(session: Session) -> tuple[Record, ...]:
    """What was written down of the pauses of this project."""
    rows = session.reading.rows("/variables/filter", {"variables": {"name": {"like_": HOLDS}}})
    return records_of(observed(Snapshot(variables=rows)).variables.values(), session.project)


def selected(session: Session, options: Namespace) -> tuple[Picked, ...]:
    """The deployments that are meant, of those that stand; by KEY one."""
    if options.key:
        return (pick(session, options.key),)
    there = standing(session)
    entries = {(entry.scope.area, entry.scope.environment, name): entry for entry, name in _named(session)}
    environments = {entry.scope.environment for entry in selected_entries(session)}
    found = []
    for _, one in sorted(there.deployments.items()):
        mark = one.mark
        if mark is None or mark.project != session.project:
            continue
        entry = entries.get((mark.area, mark.environment, one.name))
        names = (one.name, one.key.name, *([entry.declared] if entry else []))
        if mark.environment in environments and session.chosen.takes(mark.area, mark.environment, names):
            found.append(Picked(deployment=one, entry=entry))
    return tuple(found)


def _named(session: Session) -> Iterator[tuple[Entry, str]]:
    for entry in session.files.entries:
        yield entry, final_name(entry)


def pools_called(session: Session, names: Sequence[str] | None) -> tuple[WorkPool, ...]:
    """The work pools of those names; None: all. Raises ReconcileError where there is none."""
    state = observed(Snapshot(pools=session.reading.rows("/work_pools/filter")))
    if names is None:
        return tuple(one for _, one in sorted(state.pools.items()))
    for name in names:
        if name not in state.pools:
            raise ReconcileError(
                f"No work pool on the server at {session.target.url} is called {name!r}.", nearest(name, state.pools)
            )
    return tuple(state.pools[name] for name in dict.fromkeys(names))


def declares_pause(one: Picked | WorkPool) -> bool | None:
    """What the files say of the pause, which the next apply makes true again; None: nothing, it is the operator's."""
    if isinstance(one, WorkPool):
        return None
    said = one.entry.fields.get("paused") if one.entry is not None else None
    return True if isinstance(said, Mapping) else said if isinstance(said, bool) else None


AWAY: Final = "not tried: the server gave no answer to the one before"
STOPPED: Final = "not tried: interrupted"


def switch_all(writer: Writer, going: Sequence[Deployment | WorkPool], done: Done, *, paused: bool) -> bool:
    """Pause or resume one after the other, and note what became of each; whether all were tried.

    A server that is away, or Ctrl-C, ends it: an incident is no time to wait as often as there are deployments.
    """
    for number, one in enumerate(going):
        left = going[number + 1 :]
        try:
            _switch(writer, one, paused=paused)
        except ServerUnreachableError as error:
            done.note(one.key, "failed", error.message)
            done.rest(left, AWAY)
            return False
        except ServerError as error:
            done.note(one.key, "failed", error.message)
        except KeyboardInterrupt:
            done.interrupted = True
            done.note(one.key, "failed", "interrupted: whether it was done is not known")
            done.rest(left, STOPPED)
            return False
        else:
            done.note(one.key, "done")
    return True


def forget(session: Session, writer: Writer, records: Sequence[Record]) -> None:
    """Drop of the records what is not paused any more; where that fails, they tell of nothing, which does no harm."""
    if not records:
        return
    try:
        held = [one for one in standing(session).deployments.values() if one.paused]
        prune(writer, records, [*held, *(one for one in pools_called(session, None) if one.is_paused)])
    except ServerError as error:
        say(f"What was written down of pauses that are over is left; the next `resume` tidies it up. ({error.message})")


def _switch(writer: Writer, one: Deployment | WorkPool, *, paused: bool) -> None:
    if isinstance(one, Deployment):
        request = Request(method="PATCH", path=f"/deployments/{quote(one.id or '')}", body={"paused": paused})
    else:
        path = f"/work_pools/{quote(one.name, safe='')}"
        request = Request(method="PATCH", path=path, body={"is_paused": paused})
    writer.write(request)


def prune(writer: Writer, records: Iterable[Record], held: Iterable[Deployment | WorkPool]) -> None:
    """Forget what is not paused any more. Raises ServerError."""
    ids: dict[Kind, set[str]] = {Kind.DEPLOYMENT: set(), Kind.WORK_POOL: set()}
    for one in held:
        ids[one.key.kind].add(one.id or "")
    for old, left in pruned_records(records, deployments=ids[Kind.DEPLOYMENT], pools=ids[Kind.WORK_POOL]):
        path = f"/variables/{quote(old.id or '')}"
        if left.deployments or left.pools:
            writer.write(Request(method="PATCH", path=path, body={"value": left.value}))
        else:
            writer.write(Request(method="DELETE", path=path))


def told(options: Namespace, done: Done, more: Mapping[str, Any]) -> ExitCode:
    """The end of it, for people or machines."""
    if options.json:
        output.document({"action": done.action, **more, "resources": done.rows})
    return done.code

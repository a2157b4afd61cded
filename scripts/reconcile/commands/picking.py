"""The deployments that a command of the day means, by what people call them, as they stand on the server."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from reconcile.commands.session import Session, environments_here
from reconcile.desired import final_name
from reconcile.errors import ReconcileError, UsageError
from reconcile.layers import Entry
from reconcile.model import Deployment, State
from reconcile.observed import observed
from reconcile.policy import pin_refusals
from reconcile.resolve import nearest
from reconcile.wire import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """A deployment that stands on the server, and its entry; None: no file of this selection declares it."""

    deployment: Deployment
    entry: Entry | None = None


def refuse_other_servers(session: Session) -> None:
    """Raises ReconcileError where an environment was asked for by name that belongs on another server."""
    if session.embedded:
        return
    for refusal in pin_refusals(session.chosen.named, session.files.rules, session.target.url or ""):
        raise ReconcileError(refusal.message)


def selected_entries(session: Session) -> Iterator[Entry]:
    """The entries of this server that the command line selects."""
    here = environments_here(session)
    for entry in session.files.entries:
        scope = entry.scope
        names = (entry.declared, final_name(entry))
        if scope.environment in here and session.chosen.takes(scope.area, scope.environment, names):
            yield entry


def called(entries: Iterator[Entry], key: str) -> list[Entry]:
    """The entries that a key may mean: a declared or final name, or one behind a flow's."""
    behind = key.rpartition("/")[2] if key.count("/") == 1 else key  # no name has a slash
    return [entry for entry in entries if key in (entry.declared, final_name(entry)) or behind == final_name(entry)]


def standing(session: Session, names: Collection[str] | None = None) -> State:
    """What stands on the server of those names; None: of every name."""
    reading = session.reading
    if names is None:
        return observed(Snapshot(deployments=reading.rows("/deployments/filter"), flows=reading.rows("/flows/filter")))
    rows = reading.rows("/deployments/filter", {"deployments": {"name": {"any_": sorted(names)}}})
    wanted = sorted({str(row["flow_id"]) for row in rows})
    flows = reading.rows("/flows/filter", {"flows": {"id": {"any_": wanted}}}) if wanted else ()
    return observed(Snapshot(deployments=rows, flows=flows))


def pick(session: Session, key: str) -> Picked:
    """The one deployment that a key means: a declared one, or any that stands on the server."""
    known = list(selected_entries(session))
    declared = called(iter(known), key)
    there = standing(session, {key.rpartition("/")[2], *map(final_name, declared)})
    found = [Picked(deployment=one, entry=entry) for entry in declared for one in _made_of(session, entry, there, key)]
    if not found:
        found = [
            Picked(deployment=one)
            for name, one in sorted(there.deployments.items())
            if key in (name, one.name) and _may_be_meant(session, one)
        ]
    if not found:
        raise _unknown(session, key, known, declared)
    if len(found) > 1:
        told = ", ".join(
            f"{one.deployment.key}" + (f" ({one.entry.scope.area}/{one.entry.scope.environment})" if one.entry else "")
            for one in found
        )
        raise UsageError(f"{key!r} may mean {told}.", "Say which with flow/name, --env or --area.")
    return found[0]


def _made_of(session: Session, entry: Entry, there: State, key: str) -> Iterator[Deployment]:
    for name, one in sorted(there.deployments.items()):
        mark = one.mark
        if mark is None or one.name != final_name(entry) or ("/" in key and key not in (name, entry.declared)):
            continue
        if (mark.project, mark.area, mark.environment) == (
            session.project,
            entry.scope.area,
            entry.scope.environment,
        ):
            yield one


def _may_be_meant(session: Session, one: Deployment) -> bool:
    """Whether what no selected entry declares is meant: where areas or environments are picked out, by its mark."""
    chosen = session.chosen
    if not chosen.named and not chosen.is_partial:
        return True
    return one.mark is not None and chosen.takes(one.mark.area, one.mark.environment, (one.name, one.key.name))


def _unknown(session: Session, key: str, known: list[Entry], declared: list[Entry]) -> ReconcileError:
    if declared:
        scope = declared[0].scope
        return ReconcileError(
            f"{key!r} is declared ({declared[0].location}) and does not stand on the server at {session.target.url} "
            f"as {final_name(declared[0])!r} of this project.",
            f"Apply it first: apply --env {scope.environment} --area {scope.area}.",
        )
    names = [name for entry in known for name in (entry.declared, final_name(entry))]
    return ReconcileError(
        f"No deployment is called {key!r}, neither in the files nor on the server at {session.target.url}.",
        nearest(key, names),
    )

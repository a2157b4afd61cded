"""apply(plan, writer) -> outcomes. Applies exactly the plan; compares nothing anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from reconcile.errors import ServerAnswerError, ServerError, ServerUnreachableError
from reconcile.model import Deployment, Kind, WorkPool
from reconcile.payload import create_deployment, create_flow, create_pool, update_deployment, update_pool
from reconcile.plan import Action, Change, Outcome, Plan, Status
from reconcile.wire import Request, Writer


def never() -> bool:
    """Does not ask to stop."""
    return False


def apply(
    plan: Plan, writer: Writer, *, flows: Mapping[str, str], commit: str, stop: Callable[[], bool] = never
) -> Iterator[Outcome]:
    """Make the plan's changes one after the other; an outcome for each, as it comes.

    One that fails stops no other, except those that need it: the deployments of a pool that could not be made. When
    the server is gone, or `stop` says so, what is left is skipped, and said so. `flows` are the ids that are known.
    """
    known = dict(flows)
    lost: set[str] = set()
    gone: str | None = None
    for change in _in_order(plan.changes):
        reason = gone or ("interrupted before its turn" if stop() else _lacking(change, lost))
        if reason is not None:
            yield _outcome(change, Status.SKIPPED, reason)
            continue
        started = time.monotonic()
        try:
            _carry_out(change, writer, known, commit)
        except ServerError as error:
            if isinstance(error, ServerUnreachableError):
                gone = "the server could not be reached any more"
            if isinstance(change.desired, WorkPool) and change.action is Action.CREATE:
                lost.add(change.desired.name)
            text = " ".join(filter(None, (error.message, error.hint)))
            yield _outcome(change, Status.FAILED, text, time.monotonic() - started)
        else:
            yield _outcome(change, Status.DONE, None, time.monotonic() - started)


def _in_order(changes: tuple[Change, ...]) -> list[Change]:
    """Kinds in the order of the model: what others need comes first."""
    kinds = list(Kind)
    return sorted(changes, key=lambda change: kinds.index(change.key.kind))


def _lacking(change: Change, lost: set[str]) -> str | None:
    if isinstance(change.desired, Deployment) and change.desired.work_pool in lost:
        return f"its work pool {change.desired.work_pool} could not be made"
    return None


def _carry_out(change: Change, writer: Writer, flows: dict[str, str], commit: str) -> None:
    if isinstance(change.desired, WorkPool):
        requests = create_pool(change.desired) if change.action is Action.CREATE else update_pool(change)
        for request in requests:
            writer.write(request)
    elif isinstance(change.desired, Deployment):
        if change.action is Action.CREATE:
            _create_deployment(change.desired, writer, flows, commit)
        else:
            for request in update_deployment(change, commit):
                _send(request, writer)


def _send(request: Request, writer: Writer) -> None:
    """What is to go and is not there is no failure: somebody else was quicker, or it never was."""
    try:
        writer.write(request)
    except ServerAnswerError as error:
        if request.method != "DELETE" or error.status != 404:
            raise


def _create_deployment(desired: Deployment, writer: Writer, flows: dict[str, str], commit: str) -> None:
    if desired.flow not in flows:
        flows[desired.flow] = str(writer.write(create_flow(desired.flow))["id"])
    writer.write(create_deployment(desired, flows[desired.flow], commit))


def _outcome(change: Change, status: Status, error: str | None, seconds: float = 0.0) -> Outcome:
    return Outcome(key=change.key, action=change.action, status=status, error=error, seconds=round(seconds, 3))

"""apply(plan, writer) -> outcomes. Applies exactly the plan; compares nothing anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from reconcile.errors import LockLostError, ServerAnswerError, ServerError, ServerUnreachableError
from reconcile.model import Deployment, Kind, WorkPool
from reconcile.payload import (
    create_deployment,
    create_flow,
    create_pool,
    delete_deployment,
    pause_deployment,
    update_deployment,
    update_pool,
)
from reconcile.plan import Action, Change, Outcome, Plan, Status
from reconcile.wire import Request, Writer


def never() -> bool:
    """Does not ask to stop."""
    return False


def at_once(_: Change) -> str | None:
    """Puts no change off."""
    return None


def apply(
    plan: Plan,
    writer: Writer,
    *,
    flows: Mapping[str, str],
    commit: str,
    stop: Callable[[], bool] = never,
    ready: Callable[[Change], str | None] = at_once,
) -> Iterator[Outcome]:
    """Make the plan's changes one after the other; an outcome for each, as it comes.

    One that fails stops no other, except those that need it: the deployments of a pool that could not be made, and
    every delete. Deletes come last, and only where all else was done. When the server is gone, or `stop` says so, what
    is left is skipped, and said so. `flows` are the ids that are known. `ready` is asked before each change: it waits
    for the right moment, or says why the change is put off.
    """
    work = _Work(writer=writer, commit=commit, flows=dict(flows), stop=stop, ready=ready)
    replaced: list[tuple[Change, Outcome]] = []
    for change in _in_order(plan.changes):
        if change.action is Action.DELETE:
            continue
        outcome = work.make(change)
        if change.action is Action.REPLACE and outcome.status is Status.DONE:
            replaced.append((change, outcome))
        else:
            yield outcome
    for change, made in replaced:
        yield work.finish(change, made)
    for change in plan.changes:
        if change.action is Action.DELETE:
            yield work.delete(change)


def _in_order(changes: tuple[Change, ...]) -> list[Change]:
    """Kinds in the order of the model: what others need comes first. What ends in a delete comes last of its kind."""
    kinds = list(Kind)
    return sorted(changes, key=lambda change: (kinds.index(change.key.kind), change.action is Action.REPLACE))


@dataclass(slots=True, kw_only=True)
class _Work:
    """An apply under way: what it knows by now, and what has gone wrong."""

    writer: Writer
    commit: str
    flows: dict[str, str]
    stop: Callable[[], bool]
    ready: Callable[[Change], str | None]
    lost: set[str] = field(default_factory=set)
    gone: str | None = None
    incomplete: bool = False

    def make(self, change: Change) -> Outcome:
        """Carry out what creates or changes something."""
        reason = self._stopped() or _lacking(change, self.lost) or self._put_off(change)
        if reason is not None:
            self.incomplete = True
            return _outcome(change, Status.SKIPPED, reason)
        outcome = self._tried(change, lambda: _carry_out(change, self.writer, self.flows, self.commit))
        if outcome.status is Status.FAILED:
            self.incomplete = True
            if isinstance(change.desired, WorkPool) and change.action is Action.CREATE:
                self.lost.add(change.desired.name)
        return outcome

    def delete(self, change: Change) -> Outcome:
        """Delete what no file declares any more."""
        reason = self._stopped() or (NOT_ALL_DONE if self.incomplete else self._put_off(change))
        if reason is not None:
            return _outcome(change, Status.SKIPPED, reason)
        return self._tried(change, lambda: _delete(change, self.writer))

    def finish(self, change: Change, made: Outcome) -> Outcome:
        """Delete what was replaced. Where that must not be yet, it is paused at least: the new one runs instead."""
        reason = self._stopped()
        if reason is not None:
            return _outcome(change, Status.FAILED, f"{_half(change)} and still runs: {reason}", made.seconds)
        if not self.incomplete:
            ended = self._tried(change, lambda: _delete(change, self.writer))
            text = f"{_half(change)}: {ended.error}" if ended.error else None
            return _outcome(change, ended.status, text, made.seconds + ended.seconds)
        ended = self._tried(change, lambda: _pause(change, self.writer))
        text = (
            f"{_half(change)}, {'but could not be paused' if ended.error else 'paused'}: {ended.error or NOT_ALL_DONE}"
        )
        return _outcome(change, Status.FAILED, text, made.seconds + ended.seconds)

    def _stopped(self) -> str | None:
        return self.gone or ("interrupted before its turn" if self.stop() else None)

    def _put_off(self, change: Change) -> str | None:
        try:
            return self.ready(change)
        except ServerError as error:
            self.gone = self.gone or _gone(error)
            return f"its coming runs could not be read: {error.message}"

    def _tried(self, change: Change, act: Callable[[], None]) -> Outcome:
        started = time.monotonic()
        try:
            act()
        except ServerError as error:
            self.gone = self.gone or _gone(error)
            text = " ".join(filter(None, (error.message, error.hint)))
            return _outcome(change, Status.FAILED, text, time.monotonic() - started)
        return _outcome(change, Status.DONE, None, time.monotonic() - started)


NOT_ALL_DONE: Final = "nothing is deleted before every other change is done; run apply again"


def _half(change: Change) -> str:
    return f"it was made, but {change.observed.key if change.observed else 'the one it replaces'} still stands"


def _gone(error: ServerError) -> str | None:
    """Why nothing more can be written after that error; None where it was about one change alone."""
    if isinstance(error, ServerUnreachableError):
        return "the server could not be reached any more"
    return "the lock was lost to another apply" if isinstance(error, LockLostError) else None


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
        elif change.action is Action.REPLACE:
            assert isinstance(change.observed, Deployment)
            _create_deployment(change.desired, writer, flows, commit, replaced=change.observed)
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


def _delete(change: Change, writer: Writer) -> None:
    assert isinstance(change.observed, Deployment)
    try:
        for request in delete_deployment(change.observed):
            writer.write(request)
    except ServerAnswerError as error:
        if error.status != 404:  # somebody else was quicker
            raise


def _pause(change: Change, writer: Writer) -> None:
    assert isinstance(change.observed, Deployment)
    if not change.observed.paused:
        writer.write(pause_deployment(change.observed))


def _create_deployment(
    desired: Deployment, writer: Writer, flows: dict[str, str], commit: str, *, replaced: Deployment | None = None
) -> None:
    if desired.flow not in flows:
        flows[desired.flow] = str(writer.write(create_flow(desired.flow))["id"])
    writer.write(create_deployment(desired, flows[desired.flow], commit, replaced=replaced))


def _outcome(change: Change, status: Status, error: str | None, seconds: float = 0.0) -> Outcome:
    return Outcome(key=change.key, action=change.action, status=status, error=error, seconds=round(seconds, 3))

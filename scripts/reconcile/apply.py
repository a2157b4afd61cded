"""apply(plan, writer) -> outcomes. Applies exactly the plan; compares nothing anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from reconcile.automations import depth, needs
from reconcile.errors import LockLostError, ServerAnswerError, ServerError, ServerUnreachableError
from reconcile.model import (
    DEFAULT_QUEUE,
    Automation,
    Deployment,
    Kind,
    Resource,
    ResourceKey,
    Secret,
    Variable,
    WorkPool,
)
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
from reconcile.side_payload import create_beside, delete_beside, finish_beside, update_beside
from reconcile.wire import Request, Writer


def never() -> bool:
    """Does not ask to stop."""
    return False


def at_once(_: Change) -> str | None:
    """Puts no change off."""
    return None


def no_secret(secret: Secret) -> Request:
    """Knows no value of any secret."""
    raise ServerError(f"Nobody here knows the value of the secret {secret.name}.")


def apply(
    plan: Plan,
    writer: Writer,
    *,
    flows: Mapping[str, str],
    commit: str,
    stop: Callable[[], bool] = never,
    ready: Callable[[Change], str | None] = at_once,
    ids: Mapping[ResourceKey, str] | None = None,
    secret: Callable[[Secret], Request] = no_secret,
) -> Iterator[Outcome]:
    """Make the plan's changes one after the other; an outcome for each, as it comes.

    One that fails stops no other, except those that need it: the deployments of a pool or a limit that could not be
    made, and every delete. Deletes come last, and only where all else was done. When the server is gone, or `stop` says
    so, what is left is skipped, and said so. `flows` and `ids` are the ids that are known. `ready` is asked before each
    change: it waits for the right moment, or says why the change is put off. `secret` makes the request that writes a
    secret with its value, which nothing else here ever sees.
    """
    known = dict(ids or {})
    work = _Work(
        writer=writer, commit=commit, flows=dict(flows), stop=stop, ready=ready, ids=known, secret=secret
    )  # fmt: skip
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
    deletes = [change for change in plan.changes if change.action is Action.DELETE]
    for change in sorted(deletes, key=lambda change: -_KINDS.index(change.key.kind)):  # who needs others goes first
        yield work.delete(change)


_KINDS: Final = tuple(Kind)


def _in_order(changes: tuple[Change, ...]) -> list[Change]:
    """Kinds in the order of the model: what others need comes first. What ends in a delete comes last of its kind."""
    named = {one.name: one for change in changes if isinstance(one := change.desired, Automation)}

    def order(change: Change) -> tuple[int, bool, int]:
        desired = change.desired
        after = depth(desired, named) if isinstance(desired, Automation) else 0
        return _KINDS.index(change.key.kind), change.action is Action.REPLACE, after

    return sorted(changes, key=order)


@dataclass(slots=True, kw_only=True)
class _Work:
    """An apply under way: what it knows by now, and what has gone wrong."""

    writer: Writer
    commit: str
    flows: dict[str, str]
    stop: Callable[[], bool]
    ready: Callable[[Change], str | None]
    ids: dict[ResourceKey, str]
    secret: Callable[[Secret], Request]
    lost: set[ResourceKey] = field(default_factory=set)
    gone: str | None = None
    incomplete: bool = False

    def make(self, change: Change) -> Outcome:
        """Carry out what creates or changes something."""
        reason = self._stopped() or _lacking(change, self.lost) or self._put_off(change)
        outcome = (
            self._tried(change, lambda: self._carry_out(change))
            if reason is None
            else _outcome(change, Status.SKIPPED, reason)
        )
        if outcome.status is not Status.DONE:
            self.incomplete = True
            if change.action in {Action.CREATE, Action.REPLACE}:
                self.lost.add(change.key)
        return outcome

    def _carry_out(self, change: Change) -> None:
        desired = change.desired
        if isinstance(desired, Deployment):
            self._deploy(change, self._linked(desired))
        elif isinstance(desired, WorkPool):
            for request in create_pool(desired) if change.action is Action.CREATE else update_pool(change):
                self._note_pool(desired.name, request, self.writer.write(request))
        elif isinstance(desired, Secret):
            self._note(ResourceKey(kind=Kind.SECRET, name=desired.block), self.writer.write(self.secret(desired)))
        elif desired is not None and change.action is Action.CREATE:
            request, unfinished = create_beside(desired, self.ids)
            self._note(change.key, self.writer.write(request))
            if unfinished:
                self.writer.write(finish_beside(desired, self.ids))
        else:
            for request in update_beside(change, self.ids):
                self.writer.write(request)

    def _deploy(self, change: Change, desired: Deployment) -> None:
        if change.action is Action.CREATE:
            self._create_deployment(desired)
        elif change.action is Action.REPLACE:
            assert isinstance(change.observed, Deployment)
            self._create_deployment(desired, replaced=change.observed)
        else:
            for request in update_deployment(replace(change, desired=desired), self.commit):
                _send(request, self.writer)

    def _create_deployment(self, desired: Deployment, *, replaced: Deployment | None = None) -> None:
        if desired.flow not in self.flows:
            self.flows[desired.flow] = str(self.writer.write(create_flow(desired.flow))["id"])
        request = create_deployment(desired, self.flows[desired.flow], self.commit, replaced=replaced)
        self._note(desired.key, self.writer.write(request))

    def _linked(self, desired: Deployment) -> Deployment:
        """The deployment with the id of the limit that it shares, which may have been made a moment ago."""
        limit = desired.concurrency_limit
        if limit is None or not limit.shared:
            return desired
        key = ResourceKey(kind=Kind.CONCURRENCY_LIMIT, name=limit.shared)
        if key not in self.ids:
            raise ServerError(f"The concurrency limit {limit.shared} is not on the server.", "Apply again.")
        return replace(desired, concurrency_limit=replace(limit, id=self.ids[key]))

    def _note(self, key: ResourceKey, answer: Mapping[str, object]) -> None:
        """Remember the id of what was made, for those that name it."""
        if "id" in answer:
            self.ids[key] = str(answer["id"])

    def _note_pool(self, pool: str, request: Request, answer: Mapping[str, object]) -> None:
        """Remember the ids of a pool and of its queues."""
        if request.method == "POST" and request.path == "/work_pools/":
            self._note(ResourceKey(kind=Kind.WORK_POOL, name=pool), answer)
            if queue := answer.get("default_queue_id"):
                self._note(ResourceKey(kind=Kind.WORK_POOL, name=f"{pool}/{DEFAULT_QUEUE}"), {"id": queue})
        elif request.method == "POST":
            self._note(ResourceKey(kind=Kind.WORK_POOL, name=f"{pool}/{request.body.get('name')}"), answer)

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


def _lacking(change: Change, lost: set[ResourceKey]) -> str | None:
    """What could not be made and the change needs."""
    missing = sorted(_needs(change.desired) & lost)
    return f"its {_WORDS[missing[0].kind]} {missing[0]} could not be made" if missing else None


_WORDS: Final = {kind: str(kind).replace("-", " ") for kind in Kind}


def _needs(desired: Resource | None) -> frozenset[ResourceKey]:
    if isinstance(desired, Automation):
        return needs(desired)
    if not isinstance(desired, Deployment):
        return frozenset()
    limit = desired.concurrency_limit
    named = ((Kind.WORK_POOL, desired.work_pool), (Kind.CONCURRENCY_LIMIT, limit.shared if limit else None))
    return frozenset(ResourceKey(kind=kind, name=name) for kind, name in named if name)


def _send(request: Request, writer: Writer) -> None:
    """What is to go and is not there is no failure: somebody else was quicker, or it never was."""
    try:
        writer.write(request)
    except ServerAnswerError as error:
        if request.method != "DELETE" or error.status != 404:
            raise


def _delete(change: Change, writer: Writer) -> None:
    try:
        for request in _deletes(change):
            writer.write(request)
    except ServerAnswerError as error:
        if error.status != 404:  # somebody else was quicker
            raise


def _deletes(change: Change) -> Iterator[Request]:
    if isinstance(change.observed, Deployment):
        yield from delete_deployment(change.observed)
    else:
        assert isinstance(change.observed, Variable | Automation)  # pools, limits and secrets are never deleted
        yield delete_beside(change.observed)


def _pause(change: Change, writer: Writer) -> None:
    assert isinstance(change.observed, Deployment)
    if not change.observed.paused:
        writer.write(pause_deployment(change.observed))


def _outcome(change: Change, status: Status, error: str | None, seconds: float = 0.0) -> Outcome:
    return Outcome(key=change.key, action=change.action, status=status, error=error, seconds=round(seconds, 3))

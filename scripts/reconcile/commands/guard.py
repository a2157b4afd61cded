"""The runs of what an apply changes: none that is about to start is wiped, and afterwards each stands exactly once.

What is said and decided here is `due`'s; this asks the server and waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from urllib.parse import quote

from reconcile.commands.interruption import let_pass
from reconcile.due import (
    GRACE,
    RETURN,
    SETTLING,
    Run,
    Standing,
    Wipes,
    awaited,
    doubled,
    missing,
    read_run,
    run_notices,
    shown,
    standing_of,
    unchecked,
    wipes,
)
from reconcile.model import Deployment
from reconcile.plan import Action, Change, Notice, Outcome, Plan, Status
from reconcile.rules import Protection, Rules

POLL: Final = 1.0
"""Seconds between two looks at a run that is waited for."""

IDS: Final = 100
"""Deployments asked for at once."""

FRESH: Final = timedelta(minutes=10)
"""How long what was read of coming runs is good for: of each schedule the server holds those of an hour or three."""


class Runs(Protocol):
    """What reads the runs. Raises ServerError."""

    def rows(self, path: str, query: Mapping[str, Any] | None = None) -> tuple[Mapping[str, Any], ...]:
        """Every row that a filter route answers with."""
        ...

    def get(self, path: str) -> Any:
        """What a GET answers."""
        ...

    def clock(self) -> datetime:
        """The server's time at its last answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How time goes by here: seconds that only grow, and letting some pass."""

    now: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep


REAL: Final = Pace()
"""Time as it is."""


def silent(_: str) -> None:
    """Says nothing."""


class Guard:
    """Watches over the runs of one apply: `begin` before it, the guard itself before each change, `check` after all."""

    def __init__(
        self,
        reading: Runs,
        rules: Mapping[str, Rules],
        *,
        say: Callable[[str], None] = silent,
        even_if_running: bool = False,
        pace: Pace = REAL,
    ) -> None:
        """`even_if_running`: what is deleted may take along its runs that are due."""
        self._reading = reading
        self._rules = rules
        self._say = say
        self._careless = even_if_running
        self._pace = pace
        self._changes: tuple[Change, ...] = ()
        self._before: Mapping[str, tuple[Run, ...]] = {}
        self._runs: dict[str, tuple[Run, ...]] = {}
        self._looked: dict[str, datetime] = {}
        self._began = self._told = reading.clock()
        self._when = pace.now()

    def begin(self, plan: Plan) -> None:
        """Read the runs of every deployment that changes. Raises ServerError."""
        self._changes = tuple(change for change in plan.changes if wipes(change) is not Wipes.NOTHING)
        self._look([_id(change) for change in self._changes])
        self._before = dict(self._runs)
        self._began = self._now()

    def __call__(self, change: Change, stop: Callable[[], bool]) -> str | None:
        """Wait until a change may be made; or why it is put off. Raises ServerError."""
        if wipes(change) is Wipes.NOTHING or (self._careless and change.action is Action.DELETE):
            return None
        run = self._awaited(change)
        return None if run is None else self._wait(change, run, stop)

    def check(self, outcomes: Iterable[Outcome], stop: Callable[[], bool]) -> tuple[Notice, ...]:
        """What is wrong with the runs of the deployments that were changed; waits until the scheduler has seen to them.

        Being told to stop ends the wait: what is not known by then is said. Raises ServerError.
        """
        done = {outcome.key for outcome in outcomes if outcome.status is Status.DONE}
        changed = [change for change in self._changes if change.key in done]
        found = ((change, standing_of(change, self._before.get(_id(change), ()))) for change in changed)
        standings = {self._id_after(change): one for change, one in found if one is not None and one.before}
        return tuple(self._checked(standings, stop)) if standings else ()

    # Before a change

    def _awaited(self, change: Change) -> Run | None:
        name, within = _id(change), self._within(change)
        is_old = name not in self._looked or self._now() - self._looked[name] > FRESH
        if not is_old and awaited(change, self._runs[name], self._now(), within) is None:
            return None
        self._look([name])  # what was read at the beginning may have begun since, or been cancelled
        return awaited(change, self._runs[name], self._now(), within)

    def _wait(self, change: Change, run: Run, stop: Callable[[], bool]) -> str | None:
        """Until the run has started. One that would not be wiped any more, since it is due, is not waited for long."""
        is_safe = wipes(change) is Wipes.COMING
        end = run.due + (SETTLING if is_safe else GRACE)
        if self._now() < end:
            self._say(f"Waiting for the start of the run of {change.key} that is due at {shown(run.due)} …")
        while self._now() < end:
            if self._sleep(run, stop):
                return f"interrupted while it waited for its run that is due at {shown(run.due)}"
            self._look([_id(change)])
            if not any(each.id == run.id and each.waiting for each in self._runs[_id(change)]):
                return None
        if is_safe:
            return None
        return (
            f"its run that was due at {shown(run.due)} has not started yet, and this change would wipe it; apply again "
            "once it has (is a worker online?), or cancel the run in the UI first"
        )

    def _sleep(self, run: Run, stop: Callable[[], bool]) -> bool:
        """Until the next look, which is not before the run can have begun; answers whether it was interrupted."""
        # A worker takes a run up to ten seconds before its time.
        early = (run.due - self._now()).total_seconds() - 10
        return not let_pass(max(POLL, early), stop, self._pace.pause)

    def _within(self, change: Change) -> timedelta:
        resource = change.desired or change.observed
        mark = resource.mark if isinstance(resource, Deployment) else None
        rules = self._rules.get(mark.environment) if mark else None
        return (rules.protect if rules else Protection()).due_within

    # After all of them

    def _checked(self, pending: dict[str, Standing], stop: Callable[[], bool]) -> Iterator[Notice]:
        since = min((run.expected for one in pending.values() for run in one.before), default=self._began)
        end, told = self._now() + RETURN, False
        while pending:
            after = self._ask(pending, {"expected_start_time": {"after_": min(since, self._began).isoformat()}})
            now = self._now()
            lost = {key: missing(one, after[key], now) for key, one in pending.items()}
            for key in [key for key, due in lost.items() if now > end or not any(one > now for one in due)]:
                twice = doubled(pending[key], after[key], self._began)
                yield from run_notices(pending.pop(key), lost[key], twice)
            if pending and not told and now > end - RETURN + SETTLING:
                self._say("Waiting for the server's scheduler to bring the coming runs back …")
                told = True
            if pending and not let_pass(POLL, stop, self._pace.pause):
                yield unchecked(one.key for one in pending.values())
                return

    def _id_after(self, change: Change) -> str:
        """The id of the deployment that stands after a change: of one that was replaced it is another."""
        if change.action is not Action.REPLACE or not isinstance(change.desired, Deployment):
            return _id(change)
        flow, name = (quote(text, safe="") for text in (change.desired.flow, change.desired.name))
        return str(self._reading.get(f"/deployments/name/{flow}/{name}")["id"])

    # The server

    def _look(self, deployments: Collection[str]) -> None:
        """Read what waits. What waited before and is not among it has begun, or is gone."""
        for name, waiting in self._ask(deployments, {"state": {"type": {"any_": ["SCHEDULED"]}}}).items():
            standing = {run.id for run in waiting}
            begun = [replace(run, waiting=False) for run in self._runs.get(name, ()) if run.id not in standing]
            self._runs[name] = (*begun, *waiting)
            self._looked[name] = self._now()

    def _ask(self, deployments: Collection[str], query: Mapping[str, Any]) -> dict[str, tuple[Run, ...]]:
        """The runs of each deployment."""
        found: dict[str, list[Run]] = {name: [] for name in deployments}
        names = sorted(found)
        for first in range(0, len(names), IDS):
            those = {"id": {"any_": names[first : first + IDS]}}
            for row in self._reading.rows("/flow_runs/filter", {"deployments": those, "flow_runs": dict(query)}):
                run = read_run(row)
                if run is not None and run.deployment in found:
                    found[run.deployment].append(run)
            self._told, self._when = self._reading.clock(), self._pace.now()
        return {name: tuple(runs) for name, runs in found.items()}

    def _now(self) -> datetime:
        """The server's time, never later than it is: the server tells it to the second."""
        return self._told + timedelta(seconds=self._pace.now() - self._when)


def _id(change: Change) -> str:
    return (change.observed.id or "") if isinstance(change.observed, Deployment) else ""

"""The scheduled runs of the fake gateway: made, deleted and read as Prefect's server does. See tests/contract/test_runs.py.

When a run is due is worked out only when somebody asks: most tests never do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import Any

from reconcile.schedule import occurrences, read_stored

Row = Mapping[str, Any]
AHEAD = 3
"""Runs that the server holds of each schedule, as it does of one that runs once an hour or less often."""


@dataclass(kw_only=True)
class FakeRun:
    """One run that a schedule made: the `number`th after `made`."""

    id: str
    deployment: str
    schedule: Row
    made: datetime
    number: int
    state: str = "SCHEDULED"

    @cached_property
    def due(self) -> datetime:
        times = occurrences(read_stored(self.schedule["schedule"]), after=self.made, limit=AHEAD)
        return next(islice(times, self.number, None), datetime.max.replace(tzinfo=self.made.tzinfo))

    def row(self) -> Row:
        """As the server answers."""
        return {
            "id": self.id,
            "deployment_id": self.deployment,
            "state_type": self.state,
            "start_time": None if self.state == "SCHEDULED" else self.due.isoformat(),
            "state_name": self.state.title(),
            "run_count": 0 if self.state == "SCHEDULED" else 1,
            "expected_start_time": self.due.isoformat(),
            "next_scheduled_start_time": self.due.isoformat() if self.state == "SCHEDULED" else None,
            "auto_scheduled": True,
            "created_by": {"id": self.schedule["id"], "type": "SCHEDULE", "display_value": self.schedule["slug"]},
        }


class FakeRuns:
    """All of them. `lag` is how long the scheduler stays away after a change; `worker` whether due runs are begun."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self.lag = timedelta(0)
        self.worker = False
        self._new_id = new_id
        self._of: dict[str, list[FakeRun]] = {}

    def coming(self, deployment: str) -> list[FakeRun]:
        """Those that have not begun."""
        return [run for run in self._of.get(deployment, ()) if run.state == "SCHEDULED"]

    def make(self, deployment: str, schedules: Iterable[Row], now: datetime) -> None:
        """What a change of a deployment does: coming runs go, and those that are then still to come are made again."""
        self.drop(deployment, now)
        made = now + self.lag
        self._of.setdefault(deployment, []).extend(
            FakeRun(id=self._new_id(), deployment=deployment, schedule=dict(one), made=made, number=number)
            for one in schedules
            for number in range(AHEAD)
        )

    def drop(self, deployment: str, now: datetime | None) -> None:
        """Delete what has not begun and is due after `now`; None: due or not."""
        runs = self._of.get(deployment, [])
        # A run that was made at this very time is to come, so its time need not be worked out.
        self._of[deployment] = [
            run for run in runs if run.state != "SCHEDULED" or (now is not None and run.made < now and run.due <= now)
        ]

    def begin(self, now: datetime) -> None:
        """Let the workers begin what is due."""
        for runs in self._of.values() if self.worker else ():
            for run in runs:
                run.state = "RUNNING" if run.due <= now else run.state

    def rows(self, query: Row) -> tuple[Row, ...]:
        """What the filter route answers, as far as this tool asks it."""
        named = query["deployments"]["id"]["any_"]
        asked = query["flow_runs"]
        states = asked.get("state", {}).get("type", {}).get("any_")
        after = asked.get("expected_start_time", {}).get("after_")
        return tuple(
            run.row()
            for name in named
            for run in self._of.get(name, ())
            if ("start_time" not in asked or run.state != "SCHEDULED")
            and (states is None or run.state in states)
            and (after is None or run.due >= datetime.fromisoformat(after))
        )

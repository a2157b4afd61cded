"""The flow runs of a period, by state: all of them, however many, with times as they are in Buenos Aires."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from prefect import flow, get_client, get_run_logger

from flows.common.server import ZONE, Row, aware, read_time, rows

STATE_TYPES: Final = frozenset(
    ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "CRASHED", "PAUSED", "CANCELLING")
)

NAMED: Final = 50
"""How many of the failed runs are named in the log; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A flow run. Its times are those of Buenos Aires."""

    id: str
    name: str
    state_type: str
    state: str
    message: str
    due: datetime
    started: datetime | None
    ended: datetime | None
    seconds: float
    """How long it was running, all attempts together."""
    parameters: Mapping[str, Any]
    flow_id: str
    deployment_id: str | None


async def each_run(start: datetime, end: datetime, states: Sequence[str] | None = None) -> AsyncIterator[Run]:
    """Every flow run that was due in a period, also one that never started. Naive times are those of Buenos Aires.

    `states` are types (`failed`, which takes in those that timed out) or names (`Late`); in capitals or not.
    """
    due = {"after_": aware(start).isoformat(), "before_": aware(end).isoformat()}
    query = {"flow_runs": {"expected_start_time": due, **_state_filter(states)}, "sort": "ID_DESC"}
    async with get_client() as client:
        async for row in rows(client, "/flow_runs/filter", query):
            yield _run(row)


async def runs_between(start: datetime, end: datetime, states: Sequence[str] | None = None) -> list[Run]:
    """The same as a list, latest first."""
    found = [run async for run in each_run(start, end, states)]
    return sorted(found, key=lambda run: (run.due, run.id), reverse=True)


def _state_filter(states: Sequence[str] | None) -> Mapping[str, Any]:
    if not states:
        return {}
    types = [state.upper() for state in states if state.upper() in STATE_TYPES]
    names = [state[:1].upper() + state[1:] for state in states if state.upper() not in STATE_TYPES]
    asked = {"type": {"any_": types} if types else None, "name": {"any_": names} if names else None}
    return {"state": {"operator": "or_", **{key: value for key, value in asked.items() if value}}}


def _run(row: Row) -> Run:
    state = row["state"] or {}
    return Run(
        id=row["id"],
        name=row["name"],
        state_type=row["state_type"] or "",
        state=row["state_name"] or "Unknown",
        message=state.get("message") or "",
        due=read_time(row["expected_start_time"] or row["created"]) or datetime.now(ZONE),
        started=read_time(row["start_time"]),
        ended=read_time(row["end_time"]),
        seconds=row["total_run_time"] or 0.0,
        parameters=row["parameters"],
        flow_id=row["flow_id"],
        deployment_id=row["deployment_id"],
    )


@flow
async def runs(hours: int = 24, states: list[str] | None = None) -> dict[str, int]:
    """Count the runs of the last hours by state, and name those that failed.

    Args:
        hours: How many hours back the period reaches.
        states: Only runs in these states, such as Failed or Late; in any where none is given.
    """
    logger = get_run_logger()
    end = datetime.now(ZONE)
    start = end - timedelta(hours=hours)
    counted: Counter[str] = Counter()
    failed = 0
    async for run in each_run(start, end, states):
        counted[run.state] += 1
        if run.state_type in {"FAILED", "CRASHED"}:
            failed += 1
            if failed <= NAMED:
                logger.warning("%s (%s): %s", run.name, _clock(run.started or run.due), run.message)
    if failed > NAMED:
        logger.warning("… and %d more failed", failed - NAMED)
    logger.info("Since %s: %s", _clock(start), dict(counted.most_common()) or "no runs")
    return dict(counted)


def _clock(moment: datetime) -> str:
    return moment.strftime("%d/%m %H:%M")

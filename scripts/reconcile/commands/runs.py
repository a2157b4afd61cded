"""What the server knows of the runs of deployments that are to go: asked of few, when a plan takes them away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from reconcile.facts import RunsOf
from reconcile.model import Deployment
from reconcile.wire import Reader

ACTIVE: Final = ("RUNNING", "PENDING", "PAUSED", "CANCELLING")
"""The types of states of a run that is at work, or will be once it is let on."""

AT_ONCE: Final = 100
"""Deployments that are asked of in one request."""


def runs_of(reader: Reader, deployments: Iterable[Deployment], zone: tzinfo = UTC) -> dict[str, RunsOf]:
    """The runs of each deployment by its key: how many are at work, how many ever began, and when the last one did.

    That moment is told by the clock of `zone`.
    """
    by_id = {one.id: one for one in deployments if one.id is not None}
    active = _active(reader, list(by_id))
    return {one.key.name: _began(reader, name, active[name], zone) for name, one in by_id.items()}


def _active(reader: Reader, ids: list[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for start in range(0, len(ids), AT_ONCE):
        states = {"state": {"type": {"any_": list(ACTIVE)}}}
        rows = reader.rows("/flow_runs/filter", {**_of(ids[start : start + AT_ONCE]), "flow_runs": states})
        found.update(str(row.get("deployment_id")) for row in rows)
    return found


def _began(reader: Reader, deployment_id: str, active: int, zone: tzinfo) -> RunsOf:
    query = {**_of([deployment_id]), "flow_runs": {"start_time": {"is_null_": False}}}
    total = int(reader.post("/flow_runs/count", query))
    if not total:
        return RunsOf(active=active)
    rows = reader.post("/flow_runs/filter", {**query, "sort": "START_TIME_DESC", "limit": 1})
    return RunsOf(active=active, total=total, last=_moment(rows[0].get("start_time"), zone) if rows else None)


def _of(ids: list[str]) -> dict[str, Any]:
    return {"deployments": {"id": {"any_": ids}}}


def _moment(text: Any, zone: tzinfo) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(zone)
    except (TypeError, ValueError, OverflowError):
        return None

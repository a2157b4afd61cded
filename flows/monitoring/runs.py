"""The flow runs of the last hours, counted by state: what the guide's script shows, without its limit of 200 rows."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from prefect import flow, get_client, get_run_logger
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterStartTime
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

ZONE = ZoneInfo("America/Argentina/Buenos_Aires")
PAGE = 200
"""Rows a page: the most that the server gives at once."""


async def runs_between(start: datetime, end: datetime) -> list[FlowRun]:
    """Every flow run that started between two times (aware ones), newest first."""
    chosen = FlowRunFilter(start_time=FlowRunFilterStartTime(after_=start, before_=end))
    found: dict[str, FlowRun] = {}
    async with get_client() as client:
        while True:
            page = await client.read_flow_runs(
                flow_run_filter=chosen, sort=FlowRunSort.START_TIME_DESC, limit=PAGE, offset=len(found)
            )
            found.update({str(run.id): run for run in page})
            if len(page) < PAGE:
                return list(found.values())


@flow
async def runs(hours: int = 24) -> dict[str, int]:
    """Count the runs of a period by state, and name those that failed.

    Args:
        hours: How many hours back the period reaches.
    """
    logger = get_run_logger()
    end = datetime.now(UTC)
    found = await runs_between(end - timedelta(hours=hours), end)
    counted = Counter(run.state_name or "Unknown" for run in found)
    logger.info("Since %s: %s", (end - timedelta(hours=hours)).astimezone(ZONE).strftime("%d/%m %H:%M"), dict(counted))
    for run in found:
        if run.state and (run.state.is_failed() or run.state.is_crashed()):
            at = run.start_time.astimezone(ZONE).strftime("%d/%m %H:%M") if run.start_time else "never started"
            logger.warning("%s (%s): %s", run.name, at, run.state.message)
    return dict(counted)

"""Runs of a deployment at a list of times: all of them are checked before the first is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import httpx
from prefect import flow, get_client, get_run_logger
from prefect.client.orchestration import PrefectClient
from prefect.utilities.schema_tools.hydration import Placeholder, hydrate
from prefect.utilities.schema_tools.validation import validate

from flows.common.server import PAGE, ZONE, Row, aware, rows

TAG: Final = "Programado por script"

EXAMPLE: Final = "2026-12-24 08:30"


class ScheduleError(ValueError):
    """Why nothing was scheduled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledRun:
    """A run that stands on the server."""

    id: str
    at: datetime
    """In Buenos Aires."""
    is_new: bool
    """Not so where an earlier call made it."""
    same_parameters: bool = True
    """Whether it has the parameters that were asked for; one of an earlier call is left as it is."""


async def schedule(
    deployment: str, times: Sequence[str | datetime], parameters: Mapping[str, Any] | None = None
) -> tuple[ScheduledRun, ...]:
    """Have a deployment run at each of these times, once each, however often this is called.

    `deployment` is a name, `flow/name` or an id. Naive times are those of Buenos Aires. Raises ScheduleError, with
    nothing made, where a time cannot be read or is past, or the parameters do not fit the deployment.
    """
    moments = read_times(times, datetime.now(UTC))
    async with get_client() as client:
        found = await _find(client, deployment)
        given = {**found["parameters"], **(parameters or {})}
        check_parameters(given, found["parameter_openapi_schema"] or {}, asked=parameters or {})
        return await _make(client, found["id"], moments, parameters or {}, whole=given)


def read_times(times: Sequence[str | datetime], now: datetime) -> tuple[datetime, ...]:
    """The moments in Buenos Aires, in order, each once. Raises ScheduleError that names every line that is wrong."""
    found: set[datetime] = set()
    faults = []
    for number, line in enumerate(times, start=1):
        try:
            found.add(_read_time(line, now))
        except ValueError as fault:
            faults.append(f"line {number}, {str(line)[:60]!r}: {fault}")
    if faults:
        raise ScheduleError("Nothing was scheduled. " + "; ".join(faults))
    if not found:
        raise ScheduleError(f"Nothing was scheduled: the list of times is empty. Write them as {EXAMPLE}")
    return tuple(sorted(found))


def _read_time(line: str | datetime, now: datetime) -> datetime:
    moment = line if isinstance(line, datetime) else _parse(str(line).strip())
    there = aware(moment)
    if there <= now:
        raise ValueError(f"it is past (now it is {now.astimezone(ZONE):%Y-%m-%d %H:%M} in Buenos Aires)")
    if moment.tzinfo is None and there.astimezone(UTC).astimezone(ZONE).replace(tzinfo=None) != moment:
        raise ValueError("there is no such time in Buenos Aires, where clocks are put forward over it")
    return there


def _parse(text: str) -> datetime:
    if ":" not in text and "T" not in text:
        raise ValueError(f"a date and a time are expected, like {EXAMPLE}")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for pattern in ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S"):
        try:
            return datetime.strptime(text, pattern)  # noqa: DTZ007 - naive is meant: it is Buenos Aires
        except ValueError:
            continue
    raise ValueError(f"a date and a time are expected, like {EXAMPLE}")


def key_of(deployment_id: str, moment: datetime) -> str:
    """What makes a run the only one: the server makes no second run of one key."""
    return f"schedule_runs/{deployment_id}/{moment.astimezone(UTC).isoformat()}"


def check_parameters(parameters: Mapping[str, Any], schema: Mapping[str, Any], *, asked: Mapping[str, Any]) -> None:
    """Raises ScheduleError where the flow would not take them."""
    properties = schema.get("properties") or {}
    # A schema without a title is that of a deployment whose source could not be read: it says nothing.
    unknown = [name for name in asked if name not in properties] if properties or "title" in schema else []
    if unknown:
        takes = ", ".join(properties) or "none"
        raise ScheduleError(
            f"Nothing was scheduled: the flow takes no parameter {', '.join(unknown)}; it takes: {takes}"
        )
    faults = [
        f"{'.'.join(str(part) for part in error.absolute_path)}: {error.message}".removeprefix(": ")
        for error in validate(hydrate(dict(parameters)), dict(schema))
        if not isinstance(error.instance, Placeholder)  # the server fills it in when it makes the run
    ]
    if faults:
        raise ScheduleError(f"Nothing was scheduled: the parameters do not fit. {'; '.join(sorted(faults))}")


async def _find(client: PrefectClient, deployment: str) -> Row:
    flow_name, _, name = deployment.rpartition("/")
    query: dict[str, Any] = {"deployments": {"name": {"any_": [name]}}}
    if flow_name:
        query["flows"] = {"name": {"any_": [flow_name]}}
    if _is_id(deployment):
        query = {"deployments": {"id": {"any_": [deployment]}}}
    found = [row async for row in rows(client, "/deployments/filter", query)]
    if not found:
        raise ScheduleError(f"Nothing was scheduled: the server has no deployment {deployment!r}")
    if len(found) > 1:
        ids = ", ".join(sorted(row["id"] for row in found))
        raise ScheduleError(
            f"Nothing was scheduled: {len(found)} deployments are called {deployment!r}."
            f" Write flow/name, or an id: {ids}"
        )
    return found[0]


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


async def _make(
    client: PrefectClient,
    deployment_id: str,
    moments: Sequence[datetime],
    parameters: Mapping[str, Any],
    *,
    whole: Mapping[str, Any],
) -> tuple[ScheduledRun, ...]:
    """The runs. All of them stand in the end, or none that this call made."""
    keys = [key_of(deployment_id, moment) for moment in moments]
    before = await _standing(client, keys)
    found: list[ScheduledRun] = []
    path = f"/deployments/{quote(deployment_id, safe='')}/create_flow_run"
    try:
        for moment in moments:
            answer = await client.request("POST", path, json=_body(deployment_id, moment, parameters))  # type: ignore[arg-type]
            row = answer.json()
            is_new = row["id"] not in before
            same = is_new or row["parameters"] == whole
            found.append(ScheduledRun(id=row["id"], at=moment, is_new=is_new, same_parameters=same))
    except BaseException as error:
        left = await _take_back(client, keys, before)
        if isinstance(error, httpx.HTTPError):
            raise ScheduleError(f"{left or 'Nothing was scheduled'}: {_told(error)}") from None
        raise
    return tuple(found)


async def _standing(client: PrefectClient, keys: Sequence[str]) -> frozenset[str]:
    """The ids of the runs that have these keys."""
    found = []
    for first in range(0, len(keys), PAGE):
        query = {"flow_runs": {"idempotency_key": {"any_": keys[first : first + PAGE]}}, "sort": "ID_DESC"}
        found += [row["id"] async for row in rows(client, "/flow_runs/filter", query)]
    return frozenset(found)


async def _take_back(client: PrefectClient, keys: Sequence[str], before: frozenset[str]) -> str:
    """Delete what was made, also that whose answer was lost. What stands nevertheless, in words; or nothing."""
    try:
        made = await _standing(client, keys) - before
    except httpx.HTTPError:
        return "Some of the runs may stand, the server cannot be asked; the same call makes the rest"
    left = []
    for run_id in sorted(made):
        try:
            await client.delete_flow_run(UUID(run_id))
        except httpx.HTTPError:
            left.append(run_id)
    return f"Only some of the runs stand, and the same call makes the rest ({', '.join(left)})" if left else ""


def _told(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"the server refuses: {error.response.text[:300]}"
    return f"the server does not answer: {str(error) or type(error).__name__}"


def _body(deployment_id: str, moment: datetime, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "idempotency_key": key_of(deployment_id, moment),
        "parameters": dict(parameters),
        "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": moment.isoformat()}},
        "tags": [TAG],
    }


@flow
async def schedule_runs(deployment: str, times: list[str], parameters: dict[str, Any] | None = None) -> list[str]:
    """Have a deployment run at each of these times; calling it twice makes each run once.

    Args:
        deployment: Its name, flow/name or id.
        times: Such as 2026-12-24 08:30 or 24/12/2026 08:30, in Buenos Aires where no other offset is given.
        parameters: What differs from the deployment's own parameters.
    """
    logger = get_run_logger()
    found = await schedule(deployment, times, parameters)
    for run in found:
        logger.info("%s: %s (%s)", deployment, f"{run.at:%d/%m/%Y %H:%M}", "new" if run.is_new else "already there")
        if not run.same_parameters:
            logger.warning("The run of %s has other parameters, and keeps them", f"{run.at:%d/%m/%Y %H:%M}")
    return [run.id for run in found]

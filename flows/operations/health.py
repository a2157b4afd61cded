"""Whether the server answers, and every work pool has a worker that lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
from prefect import flow, get_client, get_run_logger
from prefect.client.orchestration import PrefectClient

from flows.common.server import ZONE, read_time, rows


class UnhealthyError(Exception):
    """What is wrong, in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorker:
    """A worker that the server counts as alive."""

    name: str
    heartbeat: datetime | None
    """When the server last heard of it, in Buenos Aires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHealth:
    """A work pool."""

    name: str
    workers: tuple[LiveWorker, ...]
    needs_worker: bool
    """Not so where its runs are started by the server, nor where somebody paused it."""

    @property
    def is_lonely(self) -> bool:
        """Runs pile up here."""
        return self.needs_worker and not self.workers


async def look(pools: Sequence[str] | None = None) -> tuple[PoolHealth, ...]:
    """How the work pools are, by name; all of them where none is named.

    Raises UnhealthyError where the API does not answer, has lost its database, or does not know a pool.
    """
    async with get_client() as client:
        await _see_that_it_answers(client)
        known = {row["name"]: row async for row in rows(client, "/work_pools/filter")}
        unknown = sorted(set(pools or ()) - set(known))
        if unknown:
            raise UnhealthyError(
                f"The server has no work pool {', '.join(unknown)}; it has: {', '.join(sorted(known))}"
            )
        return tuple([await _look_at(client, known[name]) for name in pools or sorted(known)])


async def _see_that_it_answers(client: PrefectClient) -> None:
    fault = await client.api_healthcheck()
    if fault is not None:
        raise UnhealthyError(f"The API at {client.api_url} does not answer: {str(fault) or type(fault).__name__}")
    try:
        await client.request("GET", "/ready")
    except httpx.HTTPError as error:
        raise UnhealthyError(
            f"The API at {client.api_url} answers, but does not reach its database: {error}"
        ) from error


async def _look_at(client: PrefectClient, pool: Any) -> PoolHealth:
    path = f"/work_pools/{quote(pool['name'], safe='')}/workers/filter"
    online = {"workers": {"status": {"any_": ["ONLINE"]}}}
    found = [
        LiveWorker(name=row["name"], heartbeat=read_time(row["last_heartbeat_time"]))
        async for row in rows(client, path, online)
    ]
    served = pool["type"].endswith(":push") or pool["type"] == "prefect:managed"
    return PoolHealth(
        name=pool["name"],
        workers=tuple(sorted(found, key=lambda worker: worker.name)),
        needs_worker=not served and not pool["is_paused"],
    )


def describe(pool: PoolHealth) -> str:
    """The workers of a pool in words."""
    if pool.workers:
        return ", ".join(f"{worker.name} ({_clock(worker.heartbeat)})" for worker in pool.workers)
    return "no worker online" if pool.needs_worker else "no worker online, and none is needed"


def _clock(moment: datetime | None) -> str:
    return "never heard of" if moment is None else f"heard at {moment.astimezone(ZONE):%H:%M:%S}"


@flow
async def health(pools: list[str] | None = None) -> None:
    """Fail where the API does not answer or a pool has no worker.

    Args:
        pools: The work pools to look at; all of them where none is named.
    """
    logger = get_run_logger()
    found = await look(pools)
    for pool in found:
        logger.info("%s: %s", pool.name, describe(pool))
    lonely = [pool.name for pool in found if pool.is_lonely]
    if lonely:
        raise UnhealthyError(f"No worker is online in: {', '.join(lonely)}")

"""Whether the server answers and every work pool has a worker that lives."""

from __future__ import annotations

from prefect import flow, get_client, get_run_logger
from prefect.client.schemas.objects import WorkerStatus


async def workers_online(pool: str) -> list[str]:
    """The names of the workers of a pool whose heartbeat the server has seen lately."""
    async with get_client() as client:
        workers = await client.read_workers_for_work_pool(pool)
    return sorted(worker.name for worker in workers if worker.status == WorkerStatus.ONLINE)


@flow
async def health(pools: list[str] | None = None) -> None:
    """Fail where the API does not answer or a pool has no worker.

    Args:
        pools: The work pools to look at; all of them where none is named.
    """
    logger = get_run_logger()
    async with get_client() as client:
        fault = await client.api_healthcheck()
        if fault is not None:
            raise RuntimeError(f"The API does not answer: {fault}")
        names = pools or [pool.name for pool in await client.read_work_pools()]
    lonely = []
    for name in names:
        online = await workers_online(name)
        logger.info("%s: %s", name, ", ".join(online) or "no worker online")
        if not online:
            lonely.append(name)
    if lonely:
        raise RuntimeError(f"No worker is online in: {', '.join(lonely)}")

"""The guide's subflows: two asynchronous flows that a third runs at the same time."""

from __future__ import annotations

import asyncio

from prefect import flow, get_run_logger, task


@task
async def print_text(text: str) -> None:
    """Log the text from a task."""
    get_run_logger().info("%s", text)


@flow
async def subflow_1(seconds: float = 1.0) -> None:
    """Say that it started, and wait."""
    await print_text("Subflow 1 started!")
    await asyncio.sleep(seconds)


@flow
async def subflow_2(seconds: float = 1.0) -> None:
    """Say that it started, and wait."""
    await print_text("Subflow 2 started!")
    await asyncio.sleep(seconds)


@flow
async def main_flow(seconds: float = 1.0) -> None:
    """Run both subflows at the same time: it takes as long as one of them.

    Args:
        seconds: How long each of them waits.
    """
    await asyncio.gather(subflow_1(seconds), subflow_2(seconds))


if __name__ == "__main__":
    asyncio.run(main_flow())

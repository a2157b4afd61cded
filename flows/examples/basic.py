"""The guide's basic flow: a parameter, a task, and a log that the UI shows."""

from __future__ import annotations

from prefect import flow, get_run_logger, task


@task
def print_message(message: str) -> None:
    """Log the message from a task."""
    get_run_logger().info("%s", message)


@flow
def basic_flow(message: str = "Hola mundo!") -> None:
    """Say something.

    Args:
        message: What to say.
    """
    get_run_logger().info("Saying hello")
    print_message(message)


if __name__ == "__main__":
    basic_flow()

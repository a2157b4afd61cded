"""The guide's credentials: a Variable for what may be seen, a Secret block for what may not.

Both are read when the flow runs, not when the file is imported, so that the file can be read anywhere.
"""

from __future__ import annotations

from prefect import flow, get_run_logger, task
from prefect.blocks.system import Secret
from prefect.variables import Variable


@task
def read_variable(name: str) -> str:
    """The value of a Variable. Raises ValueError where there is none."""
    value = Variable.get(name)
    if value is None:
        raise ValueError(f"There is no Variable {name!r}: create it in the UI, under Variables.")
    get_run_logger().info("%s = %s", name, value)
    return str(value)


@task
def read_secret(name: str) -> str:
    """The value of a Secret block. It is never logged, nor returned by the flow, whose results may be kept."""
    value = Secret.load(name).get()  # type: ignore[union-attr] # a coroutine only for those who await it
    get_run_logger().info("The Secret %s was read: %d characters", name, len(str(value)))
    return str(value)


@flow
def credentials_flow(variable: str, secret: str) -> None:
    """Read a Variable and a Secret block.

    Args:
        variable: The name of the Variable.
        secret: The name of the Secret block.
    """
    read_variable(variable)
    read_secret(secret)


if __name__ == "__main__":
    credentials_flow("sql_server_softland", "clave-softland")

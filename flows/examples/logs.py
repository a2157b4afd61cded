"""The guide's logger: what the UI shows stands in a file too, and one task of three writes to another file.

By hand, from the root of the repository: `python -m flows.examples.logs`.
"""

from __future__ import annotations

import logging

from prefect import flow, task

from flows.common.log_tools import PrefectLogger

registro = PrefectLogger(__file__, extra_loggers=["examples.library"])
library = logging.getLogger("examples.library")  # as a library has it, which knows nothing of Prefect


@task
def greet(name: str) -> None:
    """Say hello, to the UI and to the script's file."""
    registro.obtener_logger_prefect().info("Hola %s desde la tarea", name)
    library.info("La librería también saludó a %s", name)


@task
def greet_elsewhere(name: str, file: str) -> None:
    """The same, but from the second line on to a file of this task's own."""
    logger = registro.obtener_logger_prefect()
    logger.info("Iniciando la tarea")
    logger = registro.cambiar_rotfile_handler_params(file)
    logger.info("Hola %s: esto está en la interfaz y en %s", name, file)


@flow
def logging_flow(names: list[str] | None = None, file: str = "otro.log") -> None:
    """Greet everybody at the same time, one of them in another file.

    Args:
        names: Whom to greet.
        file: The other file; a relative one stands in the log folder.
    """
    logger = registro.obtener_logger_prefect()
    logger.info("Saludando; el archivo es %s", registro.path)
    greeted = [greet.submit(name) for name in names or ["Año Nuevo", "Ñandú"]]
    greeted.append(greet_elsewhere.submit("Córdoba", file))
    for one in greeted:
        one.wait()
    logger.warning("Fin: ¡%d saludos!", len(greeted))


if __name__ == "__main__":
    logging_flow()

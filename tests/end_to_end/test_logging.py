"""PrefectLogger in real runs: the file and Prefect's API hold the same records, line by line, whatever befalls either."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from end_to_end.api import Api
from end_to_end.tool import PROJECT, Tool, run, wait_for, worker, write_tree
from git_server import GitServer
from servers import environment, prefect_server

pytestmark = pytest.mark.e2e

LOGGING_YML: Final = PROJECT / "pools" / "logging.yml"
LOG_TOOLS: Final = PROJECT / "flows" / "common" / "log_tools.py"

FLOW: Final = """
    import asyncio
    import logging

    temprano = logging.getLogger("biblioteca.temprano")   # before prefect is imported

    from prefect import flow, task

    from flows.common.log_tools import PrefectLogger

    registro = PrefectLogger(__file__)
    tarde = logging.getLogger("biblioteca.tarde")


    @task(task_run_name="hilo-{numero}")
    def en_un_hilo(numero: int) -> None:
        logger = registro.obtener_logger_prefect()
        for paso in range(10):
            logger.info("hilo %d, paso %d: año, ñandú, 你好", numero, paso)
            temprano.info("temprano, hilo %d, paso %d", numero, paso)


    @task(task_run_name="aparte-{numero}")
    async def aparte(numero: int) -> None:
        logger = registro.obtener_logger_prefect()
        logger.info("aparte %d: todavía en el archivo del script", numero)
        await asyncio.sleep(0.05)
        logger = registro.cambiar_rotfile_handler_params(f"aparte-{numero}.log")
        for paso in range(10):
            logger.info("aparte %d, paso %d", numero, paso)
            tarde.warning("tarde, aparte %d, paso %d", numero, paso)
            await asyncio.sleep(0.01)


    @task(task_run_name="falla")
    def falla() -> None:
        registro.obtener_logger_prefect().debug("por debajo del nivel")
        try:
            raise ValueError("un error\\nen dos líneas")
        except ValueError:
            registro.obtener_logger_prefect().exception("No se pudo: %s", "acentuación")


    @flow(flow_run_name="subflujo-{numero}")
    async def subflujo(numero: int) -> None:
        logger = registro.cambiar_rotfile_handler_params("subflujos.log", level="WARNING")
        logger.info("subflujo %d: solo en la interfaz", numero)
        logger.warning("subflujo %d: también en el archivo", numero)
        await asyncio.gather(*(aparte(numero * 10 + uno) for uno in range(3)))


    @flow(log_prints=True)
    def registrar() -> None:
        logger = registro.obtener_logger_prefect()
        logger.info("Comienza en %s", registro.path)
        for uno in [en_un_hilo.submit(numero) for numero in range(4)]:
            uno.wait()
        falla()
        print("impreso también")
        asyncio.run(subflujo(1))
        logger.critical("Fin")
    """


class Line(NamedTuple):
    """What a record says, in the file as in the API."""

    logger: str
    level: str
    message: str
    at: datetime


LEVELS: Final = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
HEAD: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) \| ([A-Z]+) *\| ([\w.]+) \| ([^|]*) \| ")


def lines_of(text: str) -> list[Line]:
    """The records of a file; what has no head goes on with the message of the line before."""
    found: list[Line] = []
    for line in text.removesuffix("\n").split("\n"):
        head = HEAD.match(line)
        if head:
            at = datetime.strptime(head[1], "%Y-%m-%d %H:%M:%S.%f").astimezone(UTC)
            found.append(Line(logger=head[3], level=head[2], message=line[head.end() :], at=at))
        else:
            found[-1] = found[-1]._replace(message=f"{found[-1].message}\n{line}")
    return found


def lines_in(*paths: Path) -> list[Line]:
    return [line for path in paths for line in lines_of(path.read_bytes().decode("utf-8"))]


def runs_of(api: Api, flow_run: str) -> list[str]:
    """A flow run and its subflows."""
    tasks = {row["id"] for row in _page(api, "/task_runs/filter", {"flow_runs": {"id": {"any_": [flow_run]}}})}
    query = {"flow_runs": {"parent_task_run_id": {"any_": sorted(tasks)}}}
    return [flow_run, *(row["id"] for row in (_page(api, "/flow_runs/filter", query) if tasks else ()))]


def lines_sent(api: Api, flow_run: str) -> list[Line]:
    """What the API has of a run since its flow began: before, neither the script was loaded nor its logger made.

    What the worker says of a run, in a process of its own, is left out by the name of its loggers.
    """
    query = {"logs": {"flow_run_id": {"any_": [flow_run]}}, "sort": "TIMESTAMP_ASC"}
    lines = [
        Line(
            logger=row["name"],
            level=LEVELS[row["level"]],
            message=row["message"],
            at=datetime.fromisoformat(row["timestamp"]),
        )
        for row in _page(api, "/logs/filter", query)
        if not row["name"].startswith("prefect.flow_runs.")
    ]
    began = [line.at for line in lines if line.message.startswith("Beginning flow run")]
    return [line for line in lines if line.at >= min(began, default=line.at)]


def wait_for_the_last_line(api: Api, flow_run: str) -> None:
    """Records are sent in their order, some after the run is over; a flow's end is its last. Its tasks say the same."""

    def is_there() -> bool:
        last = ("prefect.flow_runs", "INFO", "Finished in state Completed()")
        return last in [line[:3] for line in lines_sent(api, flow_run)]

    wait_for(f"the last line of run {flow_run}", is_there, timeout=60)


def _page(api: Api, path: str, query: Mapping[str, Any]) -> list[Any]:
    """All there is, on one page: between two, rows of one time might change places."""
    page: list[Any] = api.post(path, {**query, "limit": 200})
    assert len(page) < 200
    return page


def assert_the_same(file: list[Line], sent: list[Line]) -> None:
    """Line by line; a file's times are milliseconds. Prefect keeps from the API the line with a run's own address."""
    assert len(sent) > 2
    in_file, in_api = sorted(line for line in file if not line.message.startswith("View at http")), sorted(sent)
    assert [line[:3] for line in in_file] == [line[:3] for line in in_api]
    for one, other in zip(in_file, in_api, strict=True):
        assert abs(one.at - other.at) <= timedelta(milliseconds=1.5), (one, other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run that is over, by a worker that has pools/logging.yml, and the folder of its logs."""

    run: str
    logs: Path
    said: str


@pytest.fixture(scope="module")
def ran(api: Api, git: GitServer, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("registro")
    files = {"flows/common/log_tools.py": LOG_TOOLS.read_bytes(), "flows/registrar.py": _dedented(FLOW)}
    git.add_repository("registro", files)
    root = write_tree(
        folder / "repositorio",
        {
            "prefect.yaml": "name: registro\nprefect-version: 3.8.8\n",
            "deployments/environments.yaml": "environments:\n  prod: {work_pool: registro}\n",
            "deployments/shared.yaml": f"""
                sources:
                  git: {{git: "{git.url_of("registro")}", branch: main}}
                """,
            "deployments/logs/prod.yaml": """
                deployments:
                  "Registrar": {source: git, entrypoint: "flows/registrar.py:registrar"}
                """,
            "pools/registro.yaml": "type: process\n",
        },
    )
    Tool(root=root, home=folder / "home", url=api.url, settings=git.environment()).apply()
    home = folder / "worker"
    settings = {
        **git.environment(),
        "PREFECT_LOGGING_SETTINGS_PATH": str(LOGGING_YML),
        "PREFECT_LOGGING_EXTRA_LOGGERS": "biblioteca",
    }
    started = api.start_run("registrar/Registrar")
    with worker("registro", home=home, url=api.url, settings=settings) as log:
        ended = api.wait_for_run(started)
        assert ended["state_name"] == "Completed", api.logs(started)
        wait_for_the_last_line(api, started)
    return Ran(run=started, logs=home / "logs", said=log.read_text(encoding="utf-8", errors="replace"))


def _dedented(text: str) -> bytes:
    lines = text.strip("\n").split("\n")
    return "\n".join(line.removeprefix("    ") for line in lines).encode()


def test_the_files_and_the_api_agree_line_by_line(api: Api, ran: Ran) -> None:
    files = lines_in(*ran.logs.glob("*.log"))
    main, subflow = runs_of(api, ran.run)
    below = [line for line in lines_sent(api, subflow) if _below_the_level(line)]
    assert [line.message for line in below] == ["subflujo 1: solo en la interfaz", "Finished in state Completed()"]
    assert_the_same(files, [line for line in (*lines_sent(api, main), *lines_sent(api, subflow)) if line not in below])
    counted = Counter(line.logger for line in files)
    assert counted["biblioteca.temprano"] == 40
    assert counted["biblioteca.tarde"] == 30
    assert {line.level for line in files} == {"INFO", "WARNING", "ERROR", "CRITICAL"}


def _below_the_level(line: Line) -> bool:
    """That the subflow gave its file, for what it says itself; its tasks keep theirs."""
    began = line.message.startswith("Beginning subflow run")  # which was before
    return line[:2] == ("prefect.flow_runs", "INFO") and not began


def test_a_task_changes_its_own_file_only(ran: Ran) -> None:
    apart = {path.stem: lines_in(path) for path in ran.logs.glob("aparte-*.log")}
    assert sorted(apart) == ["aparte-10", "aparte-11", "aparte-12"]
    for name, lines in apart.items():
        number = name.removeprefix("aparte-")
        said = [line.message for line in lines if not line.message.startswith("Finished in state")]
        assert said == [
            text
            for step in range(10)
            for text in (f"aparte {number}, paso {step}", f"tarde, aparte {number}, paso {step}")
        ]
    own = "\n".join(line.message for line in lines_in(ran.logs / "registrar.log"))
    assert own.count("todavía en el archivo del script") == 3
    assert "aparte 10, paso" not in own


def test_a_line_tells_the_run_and_a_message_of_two_lines_stays_together(ran: Ran) -> None:
    text = (ran.logs / "registrar.log").read_bytes().decode("utf-8")
    heads = [match[4] for match in map(HEAD.match, text.split("\n")) if match]
    flow_run = next(head for head in heads if "/" not in head)
    assert {f"{flow_run}/hilo-{number}" for number in range(4)} <= set(heads)
    failed = next(line for line in lines_of(text) if line.message.startswith("No se pudo: acentuación"))
    assert failed.message.endswith("ValueError: un error\nen dos líneas")
    assert "Traceback (most recent call last)" in failed.message
    assert "hilo 3, paso 9: año, ñandú, 你好" in text
    assert "impreso también" in text


def test_the_worker_took_the_settings_and_no_log_is_in_the_clone(ran: Ran) -> None:
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| INFO +\| prefect\.\S+ \| ", ran.said), ran.said
    first = lines_in(ran.logs / "registrar.log")
    assert f"Comienza en {ran.logs / 'registrar.log'}" in {line.message for line in first}


# ---------------------------------------------------------------- scripts by hand, each a process of its own


@contextmanager
def started(script: Path, *arguments: str, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(script), *arguments],
        env=dict(environ),
        cwd=script.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def environ_of(home: Path, url: str, **settings: str) -> dict[str, str]:
    home.mkdir(parents=True, exist_ok=True)
    return {
        **environment(home, url),
        "PREFECT_LOGGING_SETTINGS_PATH": str(LOGGING_YML),
        "PYTHONPATH": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
        **settings,
    }


BEFORE: Final = """
    import logging
    logging.basicConfig(level=logging.INFO, format="lo de antes: %(message)s")
    logger = logging.getLogger("propio")
    logger.setLevel(logging.INFO)
    """
IMPORTS: Final = """
    from prefect import flow
    from flows.common.log_tools import PrefectLogger
    """
AFTER: Final = """
    import logging
    logger = logging.getLogger("propio")
    """
BODY: Final = """
    registro = PrefectLogger(__file__, extra_loggers={extra})

    @flow
    def saludar():
        logger.info("del propio: mañana")
        registro.obtener_logger_prefect().info("del flujo: mañana")
        print(registro_del_flujo := flow_run.id)

    from prefect.runtime import flow_run
    saludar()
    """


@pytest.mark.parametrize("by", ["setting", "argument"])
@pytest.mark.parametrize("order", ["logger-first", "prefect-first"])
def test_an_extra_logger_is_heard_whatever_is_imported_first(order: str, by: str, api: Api, tmp_path: Path) -> None:
    parts = [BEFORE, IMPORTS] if order == "logger-first" else [IMPORTS, AFTER]
    extra = '["propio"]' if by == "argument" else "()"
    script = tmp_path / "orden.py"
    script.write_bytes(b"\n".join(_dedented(part) for part in (*parts, BODY.replace("{extra}", extra))))
    named = {"PREFECT_LOGGING_EXTRA_LOGGERS": "propio"} if by == "setting" else {}
    done = run([sys.executable, str(script)], environ=environ_of(tmp_path / "home", api.url, **named), folder=tmp_path)
    assert done.code == 0, done.said
    identity = done.out.strip().splitlines()[-1]
    file = lines_in(tmp_path / "home" / "logs" / "orden.log")
    wait_for_the_last_line(api, identity)
    assert_the_same(file, lines_sent(api, identity))
    assert [line.message for line in file if line.logger == "propio"] == ["del propio: mañana"]


ROTATING: Final = """
    import sys
    from prefect import flow, task
    from flows.common.log_tools import PrefectLogger

    registro = PrefectLogger(__file__, path="compartido.log", max_bytes=20_000, backup_count=500)

    @task
    def tarea(proceso: str, numero: int) -> None:
        logger = registro.obtener_logger_prefect()
        for paso in range(50):
            logger.info("proceso %s, tarea %d, paso %d: %s", proceso, numero, paso, "ñ" * 40)

    @flow
    def flujo(proceso: str) -> None:
        for una in [tarea.submit(proceso, numero) for numero in range(4)]:
            una.wait()

    flujo(sys.argv[1])
    """


def test_flow_runs_that_share_a_rotating_file_lose_no_line(api: Api, tmp_path: Path) -> None:
    script = tmp_path / "rotar.py"
    script.write_bytes(_dedented(ROTATING))
    environ = environ_of(tmp_path / "home", api.url)
    with started(script, "a", environ=environ) as one, started(script, "b", environ=environ) as other:
        for process in (one, other):
            said, _ = process.communicate(timeout=300)
            assert process.returncode == 0, said
    files = sorted((tmp_path / "home" / "logs").glob("compartido.log*"))
    files = [path for path in files if path.suffix != ".lock"]
    assert len(files) > 2, files
    assert max(path.stat().st_size for path in files) <= 20_000
    assert all(path.read_bytes().endswith(b"\n") for path in files)
    written = Counter(line.message for line in lines_in(*files) if line.message.startswith("proceso"))
    assert written == {
        f"proceso {process}, tarea {number}, paso {step}: {'ñ' * 40}": 1
        for process in "ab" for number in range(4) for step in range(50)
    }  # fmt: skip


ALONE: Final = """
    import sys, time
    from pathlib import Path
    from prefect import flow
    from flows.common.log_tools import PrefectLogger

    registro = PrefectLogger(__file__)
    here = Path(sys.argv[1])

    @flow
    def flujo() -> None:
        logger = registro.obtener_logger_prefect()
        for paso in range(200):
            logger.info("paso %d: día", paso)
            if paso == 50:
                (here / "medio").touch()
                while not (here / "sigue").exists():
                    time.sleep(0.05)
        (here / "entero").touch()

    flujo()
    """


@pytest.mark.long
def test_nothing_is_lost_nor_raised_when_the_api_goes_away(tmp_path: Path) -> None:
    script = tmp_path / "solo.py"
    script.write_bytes(_dedented(ALONE))
    quick = {
        "PREFECT_CLIENT_MAX_RETRIES": "0",
        "PREFECT_API_REQUEST_TIMEOUT": "2",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.2",
    }
    with prefect_server(tmp_path / "server") as url:
        process = subprocess.Popen(
            [sys.executable, str(script), str(tmp_path)],
            env=environ_of(tmp_path / "home", url, **quick),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        wait_for("the middle of the flow", (tmp_path / "medio").exists)
    try:
        (tmp_path / "sigue").touch()
        said, _ = process.communicate(timeout=240)
    finally:
        process.kill()
    assert (tmp_path / "entero").exists(), said
    file = lines_in(tmp_path / "home" / "logs" / "solo.log")
    assert [line.message for line in file if line.message.startswith("paso")] == [f"paso {n}: día" for n in range(200)]
    assert "Error logging to API" in said  # else the API was there to the end, and nothing is shown

"""The file of PrefectLogger: what is written by many at once, what changes for one run only, and that nothing is raised."""

from __future__ import annotations

import contextvars
import json
import logging
import pickle
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect import task
from prefect.client.schemas.objects import TaskRun
from prefect.context import TaskRunContext
from prefect.logging.configuration import load_logging_config
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from servers import environment

from flows.common import log_tools
from flows.common.log_tools import FileSettings, PrefectLogger, RotfileHandler, Run, append

ROOT = Path(__file__).resolve().parent.parent
LOGGING_YML = ROOT / "pools" / "logging.yml"


@pytest.fixture(autouse=True)
def _no_api() -> Iterator[None]:
    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: False}):
        yield


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log folder, and a working directory that is another."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PREFECT_LOGGING_ROTFILE_FOLDER", str(tmp_path / "registro"))
    return tmp_path / "registro"


def in_threads(work: Callable[[str], None], *names: str) -> None:
    """Do it at the same time, each in a copy of this context, as Prefect has its tasks done."""
    threads = [threading.Thread(target=contextvars.copy_context().run, args=(work, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run_python(code: str, *arguments: str, home: Path, **settings: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**environment(home), "PREFECT_LOGGING_ROTFILE_FOLDER": str(home / "registro"), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **settings},
        cwd=home, capture_output=True, encoding="utf-8", check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---------------------------------------------------------------- the file


def test_backups_are_numbered_from_the_newest_and_the_oldest_goes(tmp_path: Path) -> None:
    file = tmp_path / "no" / "hay" / "uno.log"
    for number in range(1, 8):
        append(file, f"línea {number}\n".encode() * 3, max_bytes=40, backup_count=3)
    assert [line for line in _in_order(file) if line] == [
        f"línea {number}" for number in (4, 5, 6, 7) for _ in range(3)
    ]
    assert sorted(path.suffix for path in file.parent.iterdir()) == [".1", ".2", ".3", ".lock", ".log"]


@pytest.mark.parametrize(("max_bytes", "backup_count"), [(0, 5), (10, 0)])
def test_without_a_size_or_without_backups_a_file_is_never_renamed(
    max_bytes: int, backup_count: int, tmp_path: Path
) -> None:
    for _ in range(20):
        append(tmp_path / "uno.log", b"0123456789\n", max_bytes=max_bytes, backup_count=backup_count)
    assert sorted(path.name for path in tmp_path.glob("uno*")) == ["uno.log", "uno.log.lock"]
    assert (tmp_path / "uno.log").stat().st_size == 220


def test_a_record_longer_than_a_file_may_be_has_a_file_to_itself(tmp_path: Path) -> None:
    for text in (b"corta\n", b"x" * 100 + b"\n", b"corta\n"):
        append(tmp_path / "uno.log", text, max_bytes=50, backup_count=5)
    sizes = [(tmp_path / name).stat().st_size for name in ("uno.log.2", "uno.log.1", "uno.log")]
    assert sizes == [6, 101, 6]


def test_the_line_of_a_process_that_was_killed_is_ended_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "uno.log").write_bytes(b"entera\na medi")
    append(tmp_path / "uno.log", b"otra\n")
    assert (tmp_path / "uno.log").read_bytes() == b"entera\na medi\notra\n"


def test_a_renaming_that_was_left_half_way_is_ended_before_the_next(tmp_path: Path) -> None:
    file = tmp_path / "uno.log"
    (tmp_path / "uno.log.rotating").write_bytes(b"segundo\n")
    (tmp_path / "uno.log.1").write_bytes(b"primero\n")
    file.write_bytes(b"tercero\n")
    append(file, b"cuarto\n", max_bytes=8, backup_count=9)
    append(file, b"quinto\n", max_bytes=8, backup_count=9)
    assert _in_order(file) == ["primero", "segundo", "tercero", "cuarto", "quinto"]


def test_a_file_that_cannot_be_renamed_grows_and_nothing_is_lost(tmp_path: Path) -> None:
    """As Windows has it while another program reads a backup; here what is in the way is a folder."""
    file, obstacle = tmp_path / "uno.log", tmp_path / "uno.log.2"
    for number in range(3):
        append(file, b"linea %d\n" % number, max_bytes=8, backup_count=9)
    obstacle.unlink()
    obstacle.mkdir()
    (obstacle / "algo").touch()
    before = {path.name for path in tmp_path.iterdir()}
    for number in range(3, 8):
        append(file, b"linea %d\n" % number, max_bytes=8, backup_count=2)
    assert {path.name for path in tmp_path.iterdir()} == before | {"uno.log.rotating"}
    (obstacle / "algo").unlink()
    obstacle.rmdir()
    append(file, b"linea 8\n", max_bytes=8, backup_count=9)
    append(file, b"linea 9\n", max_bytes=8, backup_count=9)
    assert _in_order(file) == [f"linea {number}" for number in range(1, 10)]


def _in_order(file: Path) -> list[str]:
    """Every line of a file and its backups, oldest first."""
    backups = [path for path in file.parent.glob(f"{file.name}.*") if path.is_file() and path.suffix[1:].isdigit()]
    backups.sort(key=lambda path: -int(path.suffix[1:]))
    return [line for path in (*backups, file) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.skipif(sys.platform == "win32", reason="the lock is held as POSIX has it")
def test_a_process_that_stopped_with_the_lock_holds_up_nobody_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr(log_tools, "PATIENCE", 0.3)
    file = tmp_path / "uno.log"
    append(file, b"antes\n")
    with (tmp_path / "uno.log.lock").open("rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        for _ in range(20):
            append(file, b"mientras\n", max_bytes=8, backup_count=2)
        assert time.monotonic() - began < 2
        assert _in_order(file) == ["antes", *["mientras"] * 20]
        assert not (tmp_path / "uno.log.1").exists()
    append(file, b"luego\n", max_bytes=8, backup_count=2)
    assert (tmp_path / "uno.log.1").exists()


WRITER = """
import sys
from pathlib import Path
from flows.common.log_tools import append
file, name, lines = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(lines):
    append(file, f"{name} {number} {'ñ' * (number % 50)}.\\n".encode(), max_bytes=30_000, backup_count=100_000)
    if number == 0:
        print("began", flush=True)
"""


def many_write(file: Path, *, writers: int, lines: int) -> None:
    """Processes that write one file at once, and one more that is killed meanwhile. No line is lost, torn or doubled."""
    environ = {**environment(file.parent), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}

    def start(name: str, number: int) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", WRITER, str(file), name, str(number)]
        return subprocess.Popen(arguments, env=environ, stdout=subprocess.PIPE, encoding="utf-8")

    processes = [start(f"proceso-{number}", lines) for number in range(writers)]
    victim = start("víctima", 100 * lines)
    try:
        assert victim.stdout
        assert victim.stdout.readline() == "began\n"
        time.sleep(0.2)
        victim.kill()
        codes = [process.wait(600) for process in processes]
    finally:
        for process in (*processes, victim):
            process.kill()
            process.communicate()
    assert codes == [0] * writers
    said = Counter(_in_order(file))
    killed = {line for line in said if line.startswith("víctima")}
    expected = {
        f"proceso-{one} {number} {'ñ' * (number % 50)}.": 1 for one in range(writers) for number in range(lines)
    }
    assert {line: count for line, count in said.items() if line not in killed} == expected
    whole = {f"víctima {number} {'ñ' * (number % 50)}." for number in range(len(killed))}
    assert len(killed - whole) <= 1  # what it was writing when it was killed
    backups = [path for path in file.parent.glob(f"{file.name}.*[0-9]") if path.is_file()]
    assert len(backups) >= 1
    assert max(path.stat().st_size for path in (file, *backups)) <= 30_000
    print(f"FIGURES log files: {writers} processes, {lines} lines each, {len(backups)} renamings, 0 lost, 0 torn")


def test_many_processes_write_one_file_and_no_line_is_lost_or_torn(tmp_path: Path) -> None:
    many_write(tmp_path / "uno.log", writers=3, lines=800)


@pytest.mark.long
def test_many_processes_write_one_file_for_long_and_no_line_is_lost_or_torn(tmp_path: Path) -> None:
    many_write(tmp_path / "uno.log", writers=8, lines=10_000)


def test_many_threads_write_one_file(tmp_path: Path) -> None:
    registro = PrefectLogger("hilos.py", max_bytes=5_000, backup_count=1_000)
    logger = registro.obtener_logger_prefect()

    def write(name: str) -> None:
        for number in range(100):
            logger.info("hilo %s línea %d", name, number)

    in_threads(write, *"abcdef")
    said = Counter(line.rpartition(" | ")[2] for line in _in_order(registro.path))
    assert said == {f"hilo {name} línea {number}": 1 for name in "abcdef" for number in range(100)}


# ---------------------------------------------------------------- where it is, and how a line looks


def test_a_file_is_named_for_its_script_and_never_in_the_working_directory(folder: Path) -> None:
    assert PrefectLogger("/un/clon/flows/ventas.py").path == folder / "ventas.log"
    assert PrefectLogger("ventas.py", path="norte/enero.log").path == folder / "norte" / "enero.log"
    (folder / "sur").mkdir(parents=True)
    assert PrefectLogger("ventas.py", path="sur").path == folder / "sur" / "ventas.log"
    assert PrefectLogger("ventas.py", path=folder.parent / "x.log").path == folder.parent / "x.log"


def test_without_a_setting_the_folder_is_in_prefect_home(tmp_path: Path) -> None:
    code = "from flows.common.log_tools import PrefectLogger; print(PrefectLogger('a/b.py').path)"
    clean = {"PREFECT_LOGGING_ROTFILE_FOLDER": ""}
    assert run_python(code, home=tmp_path, **clean).strip() == str(tmp_path / "logs" / "b.log")


def test_outside_of_any_run_there_is_a_logger_all_the_same() -> None:
    registro = PrefectLogger("afuera.py")
    registro.obtener_logger_prefect().info("Año %d: %s", 2026, "你好")
    at, level, name, run, message = registro.path.read_text(encoding="utf-8").split(" | ")
    assert (level, name, run, message) == ("INFO    ", "log_tools.afuera", "-", "Año 2026: 你好\n")
    assert len(at) == len("2026-11-23 01:02:03.004")


def test_the_methods_have_english_names_too(folder: Path) -> None:
    registro = PrefectLogger("names.py")
    registro.get_logger().info("one")
    registro.change_file("other.log").info("two")
    assert _messages(folder / "names.log") == ["one"]
    assert _messages(folder / "other.log") == ["two"]


def _messages(path: Path) -> list[str]:
    return [line.rpartition(" | ")[2] for line in path.read_text(encoding="utf-8").splitlines()]


def test_text_that_has_no_encoding_is_written_as_far_as_it_goes() -> None:
    registro = PrefectLogger("roto.py")
    registro.obtener_logger_prefect().info("nombre \udcff de archivo")
    assert _messages(registro.path) == ["nombre \\udcff de archivo"]


def test_a_wrong_setting_stops_nothing_and_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PREFECT_LOGGING_ROTFILE_MAX_BYTES", "mucho")
    monkeypatch.setenv("PREFECT_LOGGING_ROTFILE_LEVEL", "GRITO")
    with caplog.at_level(logging.WARNING, logger="prefect"):
        registro = PrefectLogger("mal.py")
    registro.obtener_logger_prefect().info("sigue")
    assert _messages(registro.path) == ["sigue"]
    assert "PREFECT_LOGGING_ROTFILE_MAX_BYTES is wrong: 'mucho'" in caplog.text
    assert "PREFECT_LOGGING_ROTFILE_LEVEL is wrong: 'GRITO'" in caplog.text


def test_settings_of_the_environment_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_LOGGING_ROTFILE_MAX_BYTES", "150")
    monkeypatch.setenv("PREFECT_LOGGING_ROTFILE_BACKUP_COUNT", "2")
    monkeypatch.setenv("PREFECT_LOGGING_ROTFILE_LEVEL", "warning")
    registro = PrefectLogger("entorno.py")
    logger = registro.obtener_logger_prefect()
    for number in range(9):
        logger.info("no va")
        logger.warning("va %d", number)
    assert _in_order(registro.path)[-1].endswith("va 8")
    assert sorted(path.name for path in registro.path.parent.glob("entorno.log.*")) == [
        "entorno.log.1", "entorno.log.2", "entorno.log.lock",
    ]  # fmt: skip


# ---------------------------------------------------------------- one run's own


@task
def tarea() -> None:
    """Any."""


@contextmanager
def within_a_task(name: str) -> Iterator[None]:
    """The context that Prefect's engine sets around a task."""
    row = TaskRun(id=uuid.uuid4(), name=name, task_key="tarea", dynamic_key="0")
    with TaskRunContext.model_construct(task=tarea, task_run=row):
        yield


def test_a_change_holds_for_one_task_and_not_for_another_at_the_same_time(folder: Path) -> None:
    registro = PrefectLogger("tareas.py")
    both = threading.Barrier(2, timeout=20)

    def work(name: str) -> None:
        with within_a_task(name):
            logger = registro.obtener_logger_prefect()
            both.wait()
            if name == "una":
                logger = registro.cambiar_rotfile_handler_params("propio.log")
            both.wait()
            for number in range(20):
                logger.info("%s %d", name, number)

    in_threads(work, "una", "otra")
    assert _messages(folder / "propio.log") == [f"una {number}" for number in range(20)]
    assert _messages(folder / "tareas.log") == [f"otra {number}" for number in range(20)]
    registro.obtener_logger_prefect().info("afuera")
    assert _messages(folder / "tareas.log")[-1] == "afuera"


def test_a_change_of_one_thing_leaves_the_others(folder: Path) -> None:
    registro = PrefectLogger("formatos.py", fmt="%(message)s (%(task_run_name)s, %(flow_name)s)", level="WARNING")
    with within_a_task("t-0"):
        logger = registro.cambiar_rotfile_handler_params("uno.log")
        logger.info("no va")
        logger.warning("va")
        registro.cambiar_rotfile_handler_params(fmt="%(asctime)s %(message)s", datefmt="%Y", level=logging.INFO)
        logger.info("ahora sí")
        assert registro.path == folder / "uno.log"
    text = (folder / "uno.log").read_text(encoding="utf-8")
    assert text == f"va (t-0, <unknown>)\n{time.strftime('%Y')} ahora sí\n"


@pytest.mark.parametrize("wrong", [{"level": "GRITO"}, {"fmt": "%(message"}])
def test_a_wrong_change_is_refused_and_nothing_changes(wrong: dict[str, Any], folder: Path) -> None:
    registro = PrefectLogger("mal_cambio.py")
    with within_a_task("t"):
        with pytest.raises(ValueError, match=r"GRITO|format"):
            registro.cambiar_rotfile_handler_params("otro.log", **wrong)
        registro.obtener_logger_prefect().info("sigue")
    assert _messages(folder / "mal_cambio.log") == ["sigue"]


def test_an_extra_logger_follows_the_run_that_it_is_used_in(folder: Path) -> None:
    registro = PrefectLogger("extra.py", extra_loggers=["una_biblioteca", "una_biblioteca.parte"])
    with within_a_task("t-1"):
        registro.cambiar_rotfile_handler_params("de_la_tarea.log")
        logging.getLogger("una_biblioteca.parte").info("una vez")
    assert _messages(folder / "de_la_tarea.log") == ["una vez"]
    assert " | t-1 | " in (folder / "de_la_tarea.log").read_text(encoding="utf-8")


def test_what_prefect_says_goes_to_the_script_that_was_made_last_before_the_run() -> None:
    """A script makes its logger after its imports, which have made theirs."""
    handler = RotfileHandler()
    made = {name: _settings(name) for name in ("importado", "principal", "tardio")}
    handler.add_script("importado", made["importado"])
    handler.add_script("principal", made["principal"])
    handler.emit(logging.makeLogRecord({"flow_run_id": "1", "msg": "Beginning flow run", "levelno": 0}))
    handler.add_script("tardio", made["tardio"])
    run = Run(id="1", name="x")
    assert handler.settings(run, None) == made["principal"]
    assert handler.settings(run, "importado") == made["importado"]
    handler.change("1", made["tardio"])
    assert handler.settings(run, "importado") == made["tardio"]


def _settings(name: str) -> FileSettings:
    path = log_tools.log_folder() / f"{name}.log"
    return FileSettings(path=path, fmt="%(message)s", datefmt=None, level=10, max_bytes=0, backup_count=0)


def test_a_logger_travels_to_another_process() -> None:
    registro = PrefectLogger("viaja.py", path="allá.log", level="ERROR")
    arrived = pickle.loads(pickle.dumps(registro))
    arrived.obtener_logger_prefect().warning("no")
    arrived.obtener_logger_prefect().error("sí")
    assert arrived.path == registro.path
    assert _messages(registro.path) == ["sí"]


# ---------------------------------------------------------------- nothing is raised


def test_a_file_that_cannot_be_written_is_said_once_and_nothing_is_raised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "archivo").touch()
    logger = PrefectLogger("imposible.py", path=tmp_path / "archivo" / "x.log").obtener_logger_prefect()
    for _ in range(5):
        logger.info("igual")
    assert capsys.readouterr().err.count("cannot be written") == 1


MISFITS = """
import logging, sys
from flows.common.log_tools import PrefectLogger
registro = PrefectLogger("raro.py", extra_loggers=["extra"])
logger = registro.obtener_logger_prefect()
logger.info("dos: %s %s", "uno")
try:
    logging.getLogger("extra").info("fuera de todo")
except Exception as error:
    print(type(error).__name__)
logger.info("sigue")
"""


def test_a_message_that_does_not_fit_its_arguments_raises_nothing(tmp_path: Path, folder: Path) -> None:
    run_python(MISFITS, home=tmp_path)
    assert _messages(folder / "raro.log") == ["fuera de todo", "sigue"]


def test_the_file_has_what_the_api_handler_raises_for(tmp_path: Path, folder: Path) -> None:
    said = run_python(MISFITS, home=tmp_path, PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW="error")
    assert said == "MissingContextError\n"
    assert _messages(folder / "raro.log") == ["fuera de todo", "sigue"]


# ---------------------------------------------------------------- pools/logging.yml


def test_the_file_of_settings_is_read_on_any_machine() -> None:
    """Prefect reads it in the encoding of the machine; and its values come from settings and variables."""
    LOGGING_YML.read_bytes().decode("ascii")
    config = load_logging_config(LOGGING_YML)
    loggers = [*config["loggers"].values(), config["root"]]
    assert {name for one in loggers for name in one.get("handlers", [])} == set(config["handlers"])
    assert config["loggers"]["prefect"]["level"] in logging.getLevelNamesMapping()
    assert config["formatters"]["rotfile"] == {"format": log_tools.FORMAT, "datefmt": log_tools.DATE_FORMAT}
    assert (config["rotfile"]["max_bytes"], config["rotfile"]["backup_count"]) == (
        log_tools.MAX_BYTES, log_tools.BACKUP_COUNT,
    )  # fmt: skip


TWICE = """
import json, logging
before = logging.getLogger("alguien")
from flows.common.log_tools import HANDLER, PrefectLogger
from prefect.logging.configuration import setup_logging
registro = PrefectLogger("a.py")
setup_logging()
loggers = ["prefect.flow_runs", "prefect.task_runs", "prefect.extra", "prefect.workers"]
print(json.dumps({
    "has": [name for name in loggers if HANDLER in logging.getLogger(name).handlers],
    "disabled": before.disabled,
    "file": str(registro.path),
    "said": [type(handler).__name__ for handler in logging.getLogger("prefect.flow_runs").handlers],
}))
registro.obtener_logger_prefect().info("x")
"""


def test_prefect_takes_the_file_and_coming_back_to_it_drops_nothing(tmp_path: Path) -> None:
    settings = {
        "PREFECT_LOGGING_SETTINGS_PATH": str(LOGGING_YML),
        "PREFECT_LOGGING_ROTFILE_FOLDER": str(tmp_path / "otra"),
        "PREFECT_LOGGING_FORMATTERS_ROTFILE_FORMAT": "propio: %(message)s",
    }
    found = json.loads(run_python(TWICE, home=tmp_path, **settings))
    assert found == {
        "has": ["prefect.flow_runs", "prefect.task_runs", "prefect.extra"],
        "disabled": False,
        "file": str(tmp_path / "otra" / "a.log"),
        "said": ["RotfileHandler", "APILogHandler"],
    }
    assert (tmp_path / "otra" / "a.log").read_text(encoding="utf-8") == "propio: x\n"


def test_no_place_is_left_open_between_records(tmp_path: Path) -> None:
    """So that Windows can rename the file, and a script can have a file a task."""
    registro = PrefectLogger("abiertos.py")
    registro.obtener_logger_prefect().info("uno")
    registro.path.rename(registro.path.with_name("movido.log"))
    registro.obtener_logger_prefect().info("dos")
    assert _messages(registro.path) == ["dos"]
    if sys.platform == "linux":
        names = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert not [name for name in names if name.startswith(str(tmp_path))]

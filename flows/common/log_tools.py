"""A logger whose records go to Prefect's UI and, the same ones, to a rotating file.

    registro = PrefectLogger(__file__)

    @task
    def facturar() -> None:
        logger = registro.obtener_logger_prefect()
        logger.info("Facturando")                                       # the UI, and <logs>/<this script>.log
        logger = registro.cambiar_rotfile_handler_params("facturas.log")
        logger.info("Facturado")                                        # the UI, and <logs>/facturas.log

The file holds what the API is sent: it hangs on every logger that has Prefect's API handler, before that one, and is
written at once. So it is whole when the API is away, or when the process is killed.

Many runs write one file, each a process of its own. Nobody keeps it open: a record is one write under a lock that all
processes share (`<file>.lock`), and whoever finds the file full renames it under the same lock. Windows cannot rename a
file that is open; here nobody has it open then. Where some other program does, the file grows until it can be renamed.

Settings, each also an argument: `rotfile` and the formatter `rotfile` of the logging.yml that
PREFECT_LOGGING_SETTINGS_PATH names, or the environment: PREFECT_LOGGING_ROTFILE_FOLDER, …_MAX_BYTES, …_BACKUP_COUNT,
…_LEVEL. This file needs Prefect and nothing else, so that another repository can have a copy.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from inspect import unwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from prefect.context import FlowRunContext, TaskRunContext
from prefect.exceptions import MissingContextError
from prefect.logging.configuration import PROCESS_LOGGING_CONFIG, ensure_logging_setup
from prefect.logging.filters import ObfuscateApiKeyFilter
from prefect.logging.handlers import APILogHandler, WorkerAPILogHandler
from prefect.logging.loggers import PrefectLogAdapter, get_run_logger
from prefect.settings import PREFECT_HOME, PREFECT_LOGGING_EXTRA_LOGGERS

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    AnyLogger = logging.Logger | logging.LoggerAdapter[logging.Logger]

FORMAT: Final = "%(asctime)s.%(msecs)03d | %(levelname)-8s | %(name)s | %(prefect_run)s | %(message)s"
DATE_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
MAX_BYTES: Final = 5_000_000
BACKUP_COUNT: Final = 5

RUN_FIELDS: Final = (
    "prefect_run", "flow_run_id", "flow_run_name", "flow_name", "task_run_id", "task_run_name", "task_name",
)  # fmt: skip
"""What a format may name besides the fields of Python's own; "-" where a record has none."""

SCRIPT: Final = "rotfile_script"
"""The field of a record that tells whose PrefectLogger it was logged by."""

WRITTEN: Final = "rotfile_written"
"""The field of a record that is in its file: on its way up it meets the handler on each logger that has it."""

OUTSIDE: Final = "log_tools"
"""The logger, by script, where no run is on."""

PATIENCE: Final = 10.0
"""Seconds to wait for the lock of a file: a process that is stopped while it holds one must not stop all others."""


# ---------------------------------------------------------------- the file


def append(path: Path, data: bytes, *, max_bytes: int = 0, backup_count: int = 0) -> None:
    """Write at the end of a file that other processes write too, after renaming it where it is full.

    What is said in one call stands together. Raises OSError where it cannot be written.
    """
    with _locked(path) as locked:
        if locked and max_bytes > 0 and backup_count > 0:
            _rotate_when_full(path, len(data), max_bytes, backup_count)
        _write(path, data)


def _write(path: Path, data: bytes) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    file = os.open(path, flags, 0o666)
    try:
        if _ends_within_a_line(file):
            data = b"\n" + data  # of a process that was killed, or a disk that was full
        while data:
            data = data[os.write(file, data) :]
    finally:
        os.close(file)


def _ends_within_a_line(file: int) -> bool:
    if os.fstat(file).st_size == 0:
        return False
    os.lseek(file, -1, os.SEEK_END)
    return os.read(file, 1) != b"\n"


def _rotate_when_full(path: Path, more: int, max_bytes: int, backup_count: int) -> None:
    """Make room. A file that cannot be renamed stays, and is tried again: nothing is lost."""
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        if size == 0 or size + more <= max_bytes:
            return
        leaving = _with_suffix(path, "rotating")
        if not leaving.exists():  # else it was left half way: first the backups make room for that one
            path.replace(leaving)
        _shift(path, backup_count)
        leaving.replace(_with_suffix(path, 1))


def _shift(path: Path, backup_count: int) -> None:
    """Free number 1, moving no more than it takes: the last one goes only where all numbers are taken."""
    free = 1
    while free < backup_count and _with_suffix(path, free).exists():
        free += 1
    for number in range(free - 1, 0, -1):
        _with_suffix(path, number).replace(_with_suffix(path, number + 1))


def _with_suffix(path: Path, suffix: str | int) -> Path:
    return path.with_name(f"{path.name}.{suffix}")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a file. False where it cannot be had: then nothing is renamed, but a record may be added."""
    name = _with_suffix(path, "lock")
    try:
        lock = _open_lock(name)
    except PermissionError:  # of another user's: his file may be writable all the same
        yield False
        return
    try:
        held = _wait_for(lock, name)
        try:
            yield held
        finally:
            if held:
                _unlock(lock)  # closing is not enough: a process forked meanwhile has the file open too
    finally:
        os.close(lock)


def _open_lock(name: Path) -> int:
    try:
        return os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
    except FileNotFoundError:
        name.parent.mkdir(parents=True, exist_ok=True)
        return os.open(name, os.O_RDWR | os.O_CREAT, 0o666)


_given_up: Final[dict[Path, float]] = {}
"""Locks that were waited for in vain, and until when nobody waits for them again."""


def _wait_for(lock: int, name: Path) -> bool:
    """Whether the lock was had. Some network folders have none: then there is nothing to wait for."""
    now = time.monotonic()
    deadline = now if _given_up.get(name, 0.0) > now else now + PATIENCE
    pause = 0.0005
    try:
        while not _try_lock(lock):
            if time.monotonic() >= deadline:
                _given_up[name] = time.monotonic() + 6 * PATIENCE
                return False
            time.sleep(pause)
            pause = min(pause * 2, 0.01)
    except OSError:
        return False
    return True


if sys.platform == "win32":

    def _try_lock(lock: int) -> bool:
        os.lseek(lock, 0, os.SEEK_SET)
        try:
            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(lock: int) -> None:
        os.lseek(lock, 0, os.SEEK_SET)
        with contextlib.suppress(OSError):
            msvcrt.locking(lock, msvcrt.LK_UNLCK, 1)

else:

    def _try_lock(lock: int) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(lock: int) -> None:
        fcntl.flock(lock, fcntl.LOCK_UN)


# ---------------------------------------------------------------- settings


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """Where a record is written, and how."""

    path: Path
    fmt: str
    datefmt: str | None
    level: int
    max_bytes: int
    backup_count: int


def log_folder() -> Path:
    """Where files go that are given no folder: never a run's working directory, a clone that is thrown away."""
    named = _configured("folder")
    return Path(str(named)).expanduser().absolute() if named else PREFECT_HOME.value() / "logs"


def _defaults(script: Path) -> FileSettings:
    formatter = PROCESS_LOGGING_CONFIG.get("formatters", {}).get("rotfile", {})
    return FileSettings(
        path=log_folder() / f"{script.stem}.log",
        fmt=formatter.get("format") or FORMAT,
        datefmt=formatter.get("datefmt") or DATE_FORMAT,
        level=_lenient("level", _level, logging.NOTSET),
        max_bytes=_lenient("max_bytes", int, MAX_BYTES),
        backup_count=_lenient("backup_count", int, BACKUP_COUNT),
    )


def _configured(key: str) -> Any:
    """From the environment, which Prefect lets override its file; or from the file; or None."""
    file = PROCESS_LOGGING_CONFIG.get("rotfile")
    named = file.get(key) if isinstance(file, dict) else None
    return os.environ.get(f"PREFECT_LOGGING_ROTFILE_{key.upper()}") or named


def _lenient(key: str, read: Any, otherwise: int) -> int:
    """A setting as a number. A wrong one stops no flow: it is said, and the default holds."""
    value = _configured(key)
    if value is None:
        return otherwise
    try:
        return int(read(value))
    except (ValueError, TypeError):
        logging.getLogger("prefect").warning("PREFECT_LOGGING_ROTFILE_%s is wrong: %r", key.upper(), value)
        return otherwise


def _level(level: int | str) -> int:
    """A level by name or number. Raises ValueError where there is none of that name."""
    if isinstance(level, int):
        return level
    known = logging.getLevelNamesMapping()
    if level.upper() not in known:
        raise ValueError(f"There is no level {level!r}: expected one of {', '.join(known)}.")
    return known[level.upper()]


def _place(path: str | os.PathLike[str], script: Path) -> Path:
    """The file that is meant: a relative one stands in the log folder, and in a folder the script's own name."""
    found = log_folder() / Path(path).expanduser()
    return found / f"{script.stem}.log" if found.is_dir() else found


@lru_cache(maxsize=256)
def _identity(file: str) -> str:
    """One text for one file, however it is written."""
    return os.path.normcase(os.path.realpath(file))


# ---------------------------------------------------------------- runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The flow or task run that a record belongs to. Its name is `flow run`, or `flow run/task run`."""

    id: str
    name: str


def _run_of(record: logging.LogRecord) -> Run | None:
    """The run that a record tells of itself (Prefect's loggers), or the one that is on where it was logged (others)."""
    return _run_told(record.__dict__) or _run_on()


def _run_told(fields: Any) -> Run | None:
    identity = fields.get("task_run_id") or fields.get("flow_run_id")
    if not identity:
        return None
    return Run(id=str(identity), name=_joined(fields.get("flow_run_name"), fields.get("task_run_name")))


def _run_on() -> Run | None:
    flow, task = FlowRunContext.get(), TaskRunContext.get()
    flow_run = flow.flow_run if flow else None
    flow_run_name = flow_run.name if flow_run else None
    if task:
        return Run(id=str(task.task_run.id), name=_joined(flow_run_name, task.task_run.name))
    return Run(id=str(flow_run.id), name=_joined(flow_run_name)) if flow_run else None


def _joined(*names: str | None) -> str:
    return "/".join(name for name in names if name and name != "<unknown>") or "-"


def _script_of_the_flow() -> str | None:
    """The file that defines the flow that is on."""
    context = FlowRunContext.get()
    flow = context.flow if context else None
    code = getattr(unwrap(flow.fn), "__code__", None) if flow else None
    return _identity(code.co_filename) if code else None


# ---------------------------------------------------------------- the handler


class RotfileHandler(logging.Handler):
    """One a process: it knows the scripts' files and writes each record to the one that it belongs to."""

    def __init__(self) -> None:
        super().__init__()
        self._of_scripts: dict[str, FileSettings] = {}
        self._changed: dict[str, FileSettings] = {}
        self._main: str | None = None
        self._running = False
        self._said: set[str] = set()
        self.addFilter(ObfuscateApiKeyFilter())  # Prefect has it on its own loggers only

    def add_script(self, script: str, settings: FileSettings) -> None:
        """Know a script's file. Scripts make theirs after their imports, so the last before a run is the main one."""
        self._of_scripts[script] = settings
        if not self._running:
            self._main = script

    def settings(self, run: Run | None, script: str | None) -> FileSettings | None:
        """What holds for a record: as changed for its run; else its script's, the flow's script's, the main one's."""
        changed = self._changed.get(run.id if run else script or "")
        if changed:
            return changed
        for known in (script, _script_of_the_flow(), self._main):
            if known in self._of_scripts:
                return self._of_scripts[known]
        return None

    def change(self, key: str, settings: FileSettings) -> None:
        """From now on, the records of this run; or, with a script for a key, its records outside of any run."""
        self._changed[key] = settings

    def handle(self, record: logging.LogRecord) -> bool:
        """As the base class, but for the lock: on Python up to 3.12 a timeout that Prefect throws into the thread
        between its two lines would leave the handler locked for good."""
        if not self.filter(record):
            return False
        with cast("contextlib.AbstractContextManager[object]", self.lock):
            self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record. Whatever happens, nothing is raised in the flow that logs."""
        if getattr(record, WRITTEN, False):
            return
        setattr(record, WRITTEN, True)
        run = _run_of(record)
        self._running = self._running or run is not None
        settings = self.settings(run, getattr(record, SCRIPT, None))
        if settings is None or record.levelno < settings.level:
            return
        try:
            record.prefect_run = run.name if run else "-"
            self._append(_formatter(settings.fmt, settings.datefmt).format(record), settings)
        except OSError as error:
            self._say(f"{settings.path} cannot be written: {error}")
        except Exception:  # noqa: BLE001 # a message that does not fit its arguments, as logging itself takes it
            self.handleError(record)

    def _append(self, text: str, settings: FileSettings) -> None:
        data = f"{text}\n".encode(errors="backslashreplace")
        append(settings.path, data, max_bytes=settings.max_bytes, backup_count=settings.backup_count)

    def _say(self, message: str) -> None:
        """Once each: the file is not worth a line for every record."""
        if message not in self._said and sys.stderr:
            self._said.add(message)
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"{message}\n")


@lru_cache(maxsize=64)
def _formatter(fmt: str, datefmt: str | None) -> logging.Formatter:
    return logging.Formatter(fmt, datefmt, defaults=dict.fromkeys(RUN_FIELDS, "-"))


def _shared_handler() -> RotfileHandler:
    """The process's own: a copy of this file in another repository may have made it already."""
    for handler in logging.getLogger("prefect.flow_runs").handlers:
        if type(handler).__name__ == RotfileHandler.__name__:
            return cast("RotfileHandler", handler)
    return RotfileHandler()


HANDLER: Final = _shared_handler()


# ---------------------------------------------------------------- the loggers that it hangs on


class OnlyInRuns(logging.Filter):
    """Of the loggers outside of runs: what is logged by one of them within a run goes to the API too."""

    def filter(self, _record: logging.LogRecord) -> bool:
        return _run_on() is not None


def _goes_to_the_api(logger: logging.Logger) -> bool:
    return any(_is_api(handler) for handler in logger.handlers)


def _is_api(handler: logging.Handler) -> bool:
    return isinstance(handler, APILogHandler) and not isinstance(handler, WorkerAPILogHandler)


def _with_ancestors(logger: logging.Logger) -> Iterator[logging.Logger]:
    here: logging.Logger | None = logger
    while here:
        yield here
        here = here.parent if here.propagate else None


def attach(extra_loggers: Iterable[str] = ()) -> None:
    """Hang the handler on every logger that goes to the API, and make such loggers of the extra ones.

    It may be called at any time, again and again; when a logger was got, and by whom, does not matter.
    """
    ensure_logging_setup()
    for name in {*PREFECT_LOGGING_EXTRA_LOGGERS.value(), *extra_loggers}:
        _make_extra(logging.getLogger(name))
    _make_outside()
    always = [logging.getLogger(name) for name in ("prefect.flow_runs", "prefect.task_runs", OUTSIDE)]
    existing = [one for one in list(logging.root.manager.loggerDict.values()) if isinstance(one, logging.Logger)]
    for logger in (*always, *(one for one in (logging.root, *existing) if _goes_to_the_api(one))):
        if HANDLER not in logger.handlers:
            logger.handlers.insert(0, HANDLER)  # first: Prefect's may raise, if its settings say so


def _make_extra(logger: logging.Logger) -> None:
    """As Prefect does for PREFECT_LOGGING_EXTRA_LOGGERS when it is imported, and their level besides."""
    model = logging.getLogger("prefect.extra")
    logger.disabled = False
    if logger.level == logging.NOTSET:
        logger.setLevel(model.getEffectiveLevel())
    if not any(_goes_to_the_api(one) for one in _with_ancestors(logger)):
        for handler in filter(_is_api, model.handlers):
            logger.addHandler(handler)


def _make_outside() -> None:
    logger = logging.getLogger(OUTSIDE)
    if not _goes_to_the_api(logger):
        logger.setLevel(logging.getLogger("prefect").getEffectiveLevel())
        handler = APILogHandler()
        handler.addFilter(OnlyInRuns())
        logger.addHandler(handler)


# ---------------------------------------------------------------- what scripts use


class PrefectLogger:
    """A script's logger: `PrefectLogger(__file__)`, once, after the imports.

    Args:
        script: The script's `__file__`; its file of logs is named for it.
        path: Another file; a relative one stands in the log folder.
        fmt: The format of a line, as Python's own, and with the fields of RUN_FIELDS.
        datefmt: The format of `%(asctime)s`.
        level: What is less does not go to the file.
        max_bytes: The size that the file is renamed at; 0 for never.
        backup_count: How many renamed files are kept; 0 for never renaming.
        extra_loggers: Names of loggers whose records go to the API and to the file too.
    """

    def __init__(
        self,
        script: str | os.PathLike[str],
        *,
        path: str | os.PathLike[str] | None = None,
        fmt: str | None = None,
        datefmt: str | None = None,
        level: int | str | None = None,
        max_bytes: int | None = None,
        backup_count: int | None = None,
        extra_loggers: Iterable[str] = (),
    ) -> None:
        self._script = Path(script)
        self._key = _identity(os.fspath(script))
        self._changes: dict[str, Any] = {
            "path": path, "fmt": fmt, "datefmt": datefmt, "level": level,
            "max_bytes": max_bytes, "backup_count": backup_count,
        }  # fmt: skip
        self._extra_loggers = tuple(extra_loggers)
        attach(self._extra_loggers)
        self._settings = self._changed(_defaults(self._script), self._changes)
        HANDLER.add_script(self._key, self._settings)

    def __reduce__(self) -> Any:
        """A task that runs in another process takes its script's logger along."""
        return _rebuilt, (os.fspath(self._script), {**self._changes, "extra_loggers": self._extra_loggers})

    @property
    def path(self) -> Path:
        """The file that is written here and now."""
        run = _run_told(_extra(self._logger())) or _run_on()
        return (HANDLER.settings(run, self._key) or self._settings).path

    def obtener_logger_prefect(self) -> AnyLogger:
        """The logger of the flow run or task run that is on; outside of any run, one that needs none."""
        attach(self._extra_loggers)
        return self._logger()

    def cambiar_rotfile_handler_params(
        self,
        path: str | os.PathLike[str] | None = None,
        fmt: str | None = None,
        *,
        datefmt: str | None = None,
        level: int | str | None = None,
        max_bytes: int | None = None,
        backup_count: int | None = None,
    ) -> AnyLogger:
        """Change the file, or how it is written, for the flow run or task run that is on, and for no other.

        A flow's tasks keep theirs. What is not named stays as it is. Returns the logger. Raises ValueError where a
        level or a format is none.
        """
        logger = self.obtener_logger_prefect()
        run = _run_told(_extra(logger)) or _run_on()
        changes = {
            "path": path, "fmt": fmt, "datefmt": datefmt, "level": level,
            "max_bytes": max_bytes, "backup_count": backup_count,
        }  # fmt: skip
        holding = HANDLER.settings(run, self._key) or self._settings
        HANDLER.change(run.id if run else self._key, self._changed(holding, changes))
        return logger

    get_logger = obtener_logger_prefect
    change_file = cambiar_rotfile_handler_params

    def _logger(self) -> AnyLogger:
        try:
            return get_run_logger(None, **{SCRIPT: self._key})
        except MissingContextError:
            outside = logging.getLogger(f"{OUTSIDE}.{self._script.stem}")
            return PrefectLogAdapter(outside, extra={SCRIPT: self._key})

    def _changed(self, settings: FileSettings, changes: dict[str, Any]) -> FileSettings:
        """With what is named. Raises ValueError where a level or a format is none."""
        values = {field: getattr(settings, field) for field in FileSettings.__slots__}
        values |= {field: value for field, value in changes.items() if value is not None}
        values["path"] = _place(values["path"], self._script)
        values["level"] = _level(values["level"])
        _formatter(values["fmt"], values["datefmt"])
        return FileSettings(**values)


def _extra(logger: AnyLogger) -> Any:
    return (logger.extra or {}) if isinstance(logger, logging.LoggerAdapter) else {}


def _rebuilt(script: str, arguments: dict[str, Any]) -> PrefectLogger:
    return PrefectLogger(script, **arguments)

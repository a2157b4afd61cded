"""Makes the environment and mends it, one start at a time, with nothing but Python's own library.

venv makes the folder, pip brings uv, uv brings exactly what the lock names. An environment whose lock has changed is
changed in place; one that is broken is made anew; one that a program runs from is left to it (see `environment`).
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from bootstrap import environment, installers
from bootstrap.environment import BROKEN, DEV, HOUSING, MISSING, OUTDATED, PLACES, READY, BootstrapError
from bootstrap.installers import PackageIndexError, say

LOCK: Final = Path(HOUSING, ".venv.lock")
PATIENCE: Final = 900.0
"""How many seconds to wait for another start that makes the environment: a first one over a slow line takes minutes."""


def mend(profile: str) -> tuple[str, bool]:
    """The environment that is in force, and whether it was made or mended here. Raises BootstrapError."""
    try:
        with exclusive(LOCK):
            return _first_usable(profile)
    except OSError as error:
        raise installers.explain(str(error)) from error


def _first_usable(profile: str) -> tuple[str, bool]:
    for place in PLACES:
        verdict, reason = environment.judge(place, profile)
        if verdict == READY:
            return place, False
        if _make_room(place, verdict):
            _build(place, verdict, profile, reason)
            _remove_others(place)
            return place, True
        say(f"{_name(place)} must be mended ({reason}), but a program is running from it: looking beside it")
    raise BootstrapError(
        f"every environment is in use: {', '.join(map(_name, PLACES))}",
        "stop the programs that run from them (workers, servers), and start again",
    )


def _make_room(place: str, verdict: str) -> bool:
    """Whether the environment can be changed now: nothing holds its files. A broken one is removed."""
    if verdict == MISSING:
        return True
    if verdict == BROKEN:
        return remove(Path(place))
    return not in_use(Path(place))


def in_use(place: Path) -> bool:
    """Whether a running program has loaded a library or a program of it, which Windows then refuses to replace.

    The interpreter does not count: packages do not bring it. Elsewhere libraries have other names, and replacing one
    that is in use is harmless.
    """
    programs = (path for path in place.rglob("*") if path.suffix.lower() in {".pyd", ".dll", ".exe"})
    return any(_is_held(path) for path in programs if path.name.lower() not in {"python.exe", "pythonw.exe"})


def _is_held(path: Path) -> bool:
    try:
        with path.open("r+b"):
            return False
    except OSError as error:
        return os.name == "nt" or error.errno == errno.ETXTBSY


def remove(place: Path) -> bool:
    """Remove a folder, or nothing of it: Windows does not rename one that a program runs from."""
    if place.is_symlink() or place.is_file():
        place.unlink()
        return True
    doomed = place.with_name(f"{place.name}.{os.getpid()}.old")
    try:
        place.rename(doomed)
    except OSError:
        return False
    shutil.rmtree(doomed, ignore_errors=True)
    return True


def _remove_others(place: str) -> None:
    """Remove the environments that stood in for this one, and what is left of those removed before."""
    for other in PLACES[PLACES.index(place) + 1 :]:
        if os.path.lexists(other):
            remove(Path(other))
    for left in Path(HOUSING).glob(".venv*.old"):
        shutil.rmtree(left, ignore_errors=True)


def _build(place: str, verdict: str, profile: str, reason: str) -> None:
    if verdict == OUTDATED:
        _change(place, profile, reason)
    else:
        _make(place, profile, reason)


def _make(place: str, profile: str, reason: str) -> None:
    say(f"Making the environment {_name(place)}: {reason}. It is done once and takes less than a minute")
    digest = environment.lock_digest(profile)
    _make_bare(place)
    installers.install(place, profile)
    environment.write_stamp(place, profile=profile, interpreter=interpreter(place), lock=digest)


def _change(place: str, profile: str, reason: str) -> None:
    say(f"Mending the environment {_name(place)}: {reason}")
    former = environment.read_stamp(place)
    profile = DEV if former["profile"] == DEV else profile
    digest = environment.lock_digest(profile)
    environment.delete_stamp(place)
    try:
        installers.install(place, profile)
    except PackageIndexError:  # uv fetches everything before it changes anything
        environment.write_stamp(
            place, profile=former["profile"], interpreter=former["interpreter"], lock=former.get("lock", "")
        )
        raise
    environment.write_stamp(place, profile=profile, interpreter=former["interpreter"], lock=digest)


def _make_bare(place: str) -> None:
    """An environment with pip in it, and nothing else."""
    for module in ("venv", "ensurepip"):
        if find_spec(module) is None:
            raise _no_venv(module)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = [environment.base_python(), "-I", "-m", "venv", place]
    installers.step(f"Python {version} environment", command, installers.variables())


def _no_venv(module: str) -> BootstrapError:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return BootstrapError(
        f"this Python {version} comes without `{module}`, which makes environments",
        f"on Debian and Ubuntu: sudo apt install python{version}-venv; elsewhere install Python from python.org",
    )


def interpreter(place: str) -> str:
    """What the environment's Python is, or on Windows starts, for its stamp."""
    return environment.base_python() if os.name == "nt" else os.path.realpath(environment.python_in(place))


def _name(place: str) -> str:
    return Path(place).name


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keep other starts away. The system lets go of the lock when this process ends, however it ends.

    Where that can be, pip and uv hold it too: should this process be killed, nobody begins before they have ended.
    """
    with path.open("a+b") as held:
        if os.name != "nt":
            os.set_inheritable(held.fileno(), True)
        if not _taken(held):
            say("Another start is making the environment: waiting for it")
            _wait_for(held)
        yield


def _wait_for(held: IO[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    while not _taken(held):
        if time.monotonic() > until:
            raise BootstrapError(
                f"another start has been making the environment for {PATIENCE / 60:.0f} minutes",
                "end it if it hangs, and start again",
            )
        time.sleep(0.2)


if sys.platform == "win32":
    import msvcrt

    def _taken(held: IO[bytes]) -> bool:
        """Take the lock, if nobody has it."""
        held.seek(0)
        try:
            msvcrt.locking(held.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _taken(held: IO[bytes]) -> bool:
        """Take the lock, if nobody has it."""
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

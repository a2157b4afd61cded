"""Which environment the tools run in, and whether it is what the locks say.

Every start of a command pays for this module: it knows os, sys and a hash, nothing else. What makes and mends
environments is in `making`, and is imported only when there is something to make.

An environment is a folder made by `venv` that holds exactly what a lock names. It is `.venv`. When a program that
runs from it (a worker, on Windows) keeps it from being changed, a new one is made beside it, `.venv-2`, and used until
`.venv` is free again: then `.venv` is mended and the other one goes. Nothing points at the one in force: it is the
first of PLACES whose stamp is right.

The stamp is written last and deleted before anything is changed, so an interrupted installation has none. It says what
the environment was made from; one that says anything else than what is true now is mended.
"""

from __future__ import annotations

import os
import sys
from hashlib import sha256

LAYOUT = "1"
"""Raise it when environments must be made anew although no lock has changed."""

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REQUIREMENTS = os.path.join(ROOT, "scripts", "requirements")
HOUSING = os.path.abspath(os.environ.get("RECONCILE_ENVIRONMENTS") or ROOT)
"""The folder that environments are made in: this repository, or one that outlives a checkout."""
PLACES = tuple(os.path.join(HOUSING, name) for name in (".venv", ".venv-2", ".venv-3"))

RUNTIME, DEV = "runtime", "dev"
"""The profiles, each with its lock. What DEV installs is a superset: it serves both."""

READY, OUTDATED, BROKEN, MISSING = "ready", "outdated", "broken", "missing"
"""The verdicts: use it, bring it in step with the lock, make it anew, make it."""

STAMP = "made-from.txt"


class BootstrapError(Exception):
    """The environment cannot be made: one clear message, and what to do about it."""

    def __init__(self, message: str, hint: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        lines = [f"error: {self.message}", f"  hint: {self.hint}"]
        return "\n".join([*lines, *(f"  | {line}" for line in self.detail.splitlines())])


def provide(profile: str) -> tuple[str, bool]:
    """The environment to use, and whether it had to be made or mended. Raises BootstrapError."""
    if judge(PLACES[0], profile)[0] == READY:
        return PLACES[0], False
    from bootstrap import making  # only a start that has something to make pays for it

    return making.mend(profile)


def judge(place: str, profile: str) -> tuple[str, str]:
    """The verdict on one environment, and the reason in words."""
    if not os.path.lexists(place):
        return MISSING, "there is none yet"
    stamp = read_stamp(place)
    broken = _why_broken(place, stamp)
    if broken:
        return BROKEN, broken
    outdated = _why_outdated(stamp, profile)
    return (OUTDATED, outdated) if outdated else (READY, "it is in step with the lock")


def _why_broken(place: str, stamp: dict[str, str]) -> str:
    if not stamp:
        return "it is unfinished"
    if os.path.normcase(stamp.get("place", "")) != os.path.normcase(place):
        return "the folder was moved"
    if not _interpreter_stands(place, stamp.get("interpreter", "")):
        return "its Python is gone or was replaced"
    if (stamp.get("layout"), stamp.get("platform")) != (LAYOUT, platform()):
        return "it was made for another system or by another version of this tool"
    return "" if stamp.get("profile") in (RUNTIME, DEV) else "its stamp cannot be read"


def _why_outdated(stamp: dict[str, str], profile: str) -> str:
    made_for = stamp["profile"]
    if profile == DEV and made_for != DEV:
        return "it lacks the development packages"
    return "" if stamp.get("lock") == lock_digest(made_for) else "the lock has changed"


def python_in(place: str) -> str:
    """The environment's interpreter."""
    return program_in(place, "python")


def program_in(place: str, name: str) -> str:
    """A program that is installed in the environment."""
    if os.name == "nt":
        return os.path.join(place, "Scripts", f"{name}.exe")
    return os.path.join(place, "bin", name)


def base_python() -> str:
    """The Python that environments are made from, also where this one runs in an environment itself."""
    return getattr(sys, "_base_executable", "") or sys.executable


def lock_file(profile: str) -> str:
    """The lock of a profile."""
    return os.path.join(REQUIREMENTS, f"{profile}.lock")


def lock_digest(profile: str) -> str:
    """What the environment is installed from, as one hash: the installer and the profile's packages."""
    digest = sha256()
    for name in ("installer", profile):
        try:
            with open(lock_file(name), "rb") as lock:
                digest.update(lock.read())
        except OSError as error:
            raise BootstrapError(
                f"cannot read scripts/requirements/{name}.lock: {error.strerror}", "restore it: git checkout scripts"
            ) from None
    return digest.hexdigest()


def platform() -> str:
    """The system and the processor that installed packages are made for."""
    machine = os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE", "")
    return f"{sys.platform} {machine}"


def read_stamp(place: str) -> dict[str, str]:
    """What the environment says it was made from; empty when it says nothing readable."""
    try:
        with open(os.path.join(place, STAMP), encoding="utf-8") as stamp:
            lines = stamp.read().splitlines()
    except (OSError, ValueError):
        return {}
    return {key: value for key, equals, value in (line.partition("=") for line in lines) if equals}


def write_stamp(place: str, *, profile: str, interpreter: str, lock: str) -> None:
    """Say what the environment was made from: from now on it is finished. Written aside, so that none is half there."""
    facts = {
        "layout": LAYOUT,
        "place": place,
        "platform": platform(),
        "interpreter": interpreter,
        "profile": profile,
        "lock": lock,
    }
    path = os.path.join(place, STAMP)
    with open(f"{path}.new", "w", encoding="utf-8", newline="\n") as stamp:
        stamp.writelines(f"{key}={value}\n" for key, value in facts.items())
    os.replace(f"{path}.new", path)


def delete_stamp(place: str) -> None:
    """Take the environment for unfinished until a new stamp is written."""
    try:  # noqa: SIM105  importing contextlib costs more than all that is done here
        os.remove(os.path.join(place, STAMP))
    except FileNotFoundError:
        pass


def _interpreter_stands(place: str, interpreter: str) -> bool:
    """Whether the environment's Python is still the one it was made with.

    On Windows it is a small program that looks for that one; elsewhere it is a link to it, and a system's upgrade
    can make the link lead to another version, for which nothing is installed.
    """
    python = python_in(place)
    if not (os.path.isfile(python) and os.path.isfile(interpreter)):
        return False
    return os.name == "nt" or os.path.realpath(python) == interpreter

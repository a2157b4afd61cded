"""From the Python that was started to the one of the environment: the same script again, with the same arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from bootstrap import environment
from bootstrap.environment import RUNTIME, BootstrapError

MARK = "environment"
"""`-X environment=found` or `=made`: this process was handed over to. No variable, so that no child inherits it."""

FAILED, BUG, INTERRUPTED = 1, 70, 130
_CONTROL_C = 0xC000013A
"""The status of a process that Windows ended for Ctrl-C."""


def run(script: str, command: Callable[[], int]) -> int:
    """Run a command in the environment, which is made first if need be; the exit code."""
    harden_output()
    try:
        mark = sys._xoptions.get(MARK)
        if mark is None:
            return _hand_over(script)
        return _run_here(script, command, just_made=mark == "made")
    except BootstrapError as failure:
        print(failure, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED


def harden_output() -> None:
    """Whatever the console's encoding lacks is written as an escape, and never a crash."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _hand_over(script: str) -> int:
    place, made = environment.provide(RUNTIME)
    forget_paths()
    python = environment.python_in(place)
    try:
        return _become([python, "-X", f"{MARK}={'made' if made else 'found'}", script, *sys.argv[1:]])
    except OSError as error:
        environment.delete_stamp(place)
        raise BootstrapError(f"cannot start {python}: {error.strerror}", "start again: it is made anew") from error


def forget_paths() -> None:
    """Drop what would mix other packages into the environment, here and in every program started from it."""
    for variable in ("PYTHONPATH", "PYTHONHOME"):
        os.environ.pop(variable, None)


def _run_here(script: str, command: Callable[[], int], *, just_made: bool) -> int:
    try:
        return command()
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "reconcile":
            print(f"error: {error}\n  hint: this is a fault of scripts/reconcile: report it", file=sys.stderr)
            return BUG
        if just_made:
            raise BootstrapError(
                f"the environment was just made, and still: {error}", "delete .venv and start again"
            ) from error
        print(f"The environment is damaged ({error})", file=sys.stderr)
        environment.delete_stamp(sys.prefix)
        return _become([environment.base_python(), script, *sys.argv[1:]])


def _become(command: list[str]) -> int:
    """Go on as another program. On Windows it runs below this one, which passes on how it ended."""
    for stream in (sys.stdout, sys.stderr):
        if stream:
            stream.flush()
    if os.name != "nt":
        os.execv(command[0], command)  # noqa: S606  this process becomes the other one: no shell, no return
    return run_below(command)


def run_below(command: list[str]) -> int:
    """Run a program to its end; its exit code. Ctrl-C reaches it too, and it decides what that means."""
    import subprocess  # only Windows pays for it

    with subprocess.Popen(command) as child:
        while True:
            try:
                return _exit_code(child.wait())
            except KeyboardInterrupt:
                continue


def _exit_code(status: int) -> int:
    if status == _CONTROL_C:
        return INTERRUPTED
    return status if status >= 0 else 128 - status

"""The checks that keep this repository right, one after the other: `python3 scripts/test.py`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from bootstrap import environment, handover
from bootstrap.environment import DEV, ROOT, BootstrapError
from bootstrap.handover import FAILED, INTERRUPTED
from bootstrap.installers import say

DONE, USAGE = 0, 64

LINT, TYPES, TESTS = "lint", "types", "tests"

COMMANDS: Final = {
    LINT: (("ruff", "check", "."), ("ruff", "format", "--check", ".")),
    TYPES: (("mypy",),),
    TESTS: (("pytest",),),
}
"""Modules to run with their arguments; the rest of what they need to know stands in pyproject.toml."""

WORKERS: Final = ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
"""Three at a time, each a file: the tests of a file share its real servers, and wait for them half of the time.

Without the last, xdist takes the files with the most tests first, so that the long ones of a few tests end it alone.
"""

COVERAGE_GATE: Final = 90
COVERAGE: Final = ("--cov", "--cov-report=term-missing:skip-covered", f"--cov-fail-under={COVERAGE_GATE}")
"""Measured only when all tests run: a part of them covers a part."""

PROGRAMS: Final = {"git": "git", **({"systemd-analyze": "systemd"} if sys.platform == "linux" else {})}
"""Programs that the tests run, each with the Debian package that has it."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A usage error is 64 everywhere here; argparse's 2 means something else."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"error: {message}\n")


def run(arguments: Sequence[str]) -> int:
    """Run what the arguments ask for; the exit code."""
    handover.harden_output()
    own, for_pytest = _split(arguments)
    options = _parser().parse_args(own)
    try:
        place, _ = environment.provide(DEV)
        handover.forget_paths()
        if options.lock is not None:
            return _renew_locks(place, options.lock)
        return _check(place, options, for_pytest)
    except BootstrapError as failure:
        print(failure, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is for this script, and what stands after `--`, for pytest."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return list(arguments[:at]), list(arguments[at + 1 :])


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="test.py",
        description="Run every check of this repository: lint, types, tests with branch coverage.",
        epilog="What stands after -- goes to pytest (then nothing is said of coverage): test.py -- -k cron -x",
        allow_abbrev=False,
    )
    parser.add_argument("--only", choices=(LINT, TYPES, TESTS), help="run this check alone")
    parser.add_argument("--long", action="store_true", help="run the tests marked `long` too")
    parser.add_argument("--install", action="store_true", help="install missing programs by apt-get (CI=true: always)")
    parser.add_argument(
        "--lock",
        nargs="*",
        metavar="PACKAGE",
        help="run no check: write the locks anew, with the newest versions of these packages, or of all",
    )
    return parser


def _renew_locks(place: str, packages: Sequence[str]) -> int:
    from bootstrap import locks  # seldom

    locks.renew(place, packages)
    say("The locks are written. Look at what changed (git diff), then run: python3 scripts/test.py")
    return DONE


def _check(place: str, options: argparse.Namespace, for_pytest: Sequence[str]) -> int:
    wanted = [options.only] if options.only else [LINT, TYPES, TESTS]
    if TESTS in wanted:
        _have_programs(install=options.install or os.environ.get("CI", "").lower() in {"1", "true"})
    failed: list[str] = []
    for name in wanted:
        if name == TESTS and failed:
            print(f"FAILED so far: {', '.join(failed)} (see above)", flush=True)
        extra = pytest_arguments(long=options.long, more=for_pytest) if name == TESTS else []
        failed += [" ".join(command) for command in COMMANDS[name] if _run_module(place, [*command, *extra]) != 0]
    return FAILED if failed else DONE


def pytest_arguments(*, long: bool, more: Sequence[str]) -> list[str]:
    """What pytest is told besides its settings; the later goes before the earlier."""
    return [*WORKERS, *(() if more else COVERAGE), *(("-m", "") if long else ()), *more]


def _run_module(place: str, command: Sequence[str]) -> int:
    print(f"$ {' '.join(command)}", flush=True)
    return subprocess.run([environment.python_in(place), "-m", *command], cwd=ROOT, check=False).returncode


def _have_programs(*, install: bool) -> None:
    """See that the programs which the tests run are there. Raises BootstrapError."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing and install and shutil.which("apt-get"):
        _apt_get([PROGRAMS[program] for program in missing])
        missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        raise BootstrapError(
            f"the tests need {' and '.join(missing)}, which is not installed",
            "install it, or on Debian and Ubuntu start again with --install",
        )


def _apt_get(packages: Sequence[str]) -> None:
    as_root = ["sudo", "-n"] if shutil.which("sudo") and sys.platform != "win32" and os.geteuid() != 0 else []
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        command = [*as_root, "apt-get", "--quiet", *arguments]
        say(f"$ {' '.join(command)}")
        subprocess.run(command, env=quiet, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)

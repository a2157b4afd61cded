"""Arguments, the console, and exit codes.

Whatever happens ends in one clear message and the right code, never in a traceback.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import tempfile
import traceback
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from reconcile.commands.interruption import ending_as_ctrl_c
from reconcile.errors import ExitCode, ProblemsError, ReconcileError, UsageError
from reconcile.render.escape import safe
from reconcile.secrets import mask_text

COMMANDS = {
    "validate": "check the files: no network, no server",
    "plan": "show what apply would do",
    "apply": "show the plan, ask, apply it",
    "show": "one effective deployment, with file and line of every field",
    "status": "the server: pools, workers, holds, orphans, late and failed runs",
    "secret": "write a secret of the server, typed unseen or taken from the environment",
    "services": "workers and servers as services of their machines: nssm for Windows, systemd for Linux",
    "run": "run a deployment now, or at a time, with parameters",
    "pause": "pause deployments or work pools in an incident, and say why",
    "resume": "resume what `pause` paused",
    "try": "a copy of a deployment that tries a branch, in the pool for development",
    "profile": "write an environment's settings into Prefect's own profile",
    "import": "what exists becomes YAML of this repository",
    "export": "the way out: one prefect.yaml for Prefect's own command line",
    "compare": "what differs between two servers, in the words of a plan",
    "promote": "propose the edit that makes an area in one environment like another",
}
MODULES = {
    "compare": "comparing",
    "export": "exporting",
    "import": "importing",
    "pause": "pausing",
    "promote": "promoting",
    "resume": "resuming",
    "run": "running",
    "try": "trying",
}
"""The modules of commands whose names are Python's own words, or another's."""

EXAMPLES = """examples:
  python3 scripts/sync.py validate
  python3 scripts/sync.py apply --local --yes
  python3 scripts/sync.py plan --env prod --area compras
  python3 scripts/sync.py apply --env prod

exit codes: 0 done or nothing to do, 1 problems, refusals or failures, 2 pending changes (plan --exit-code),
64 wrong usage, 70 a bug here, 130 interrupted
"""


class _Parser(ArgumentParser):
    """argparse exits 2 on wrong usage, which here means pending changes: 64 instead."""

    def error(self, message: str) -> NoReturn:
        raise _WrongUsageError(f"{message[:1].upper()}{message[1:]}.", f"{self.prog} --help tells what there is.")


class _WrongUsageError(UsageError):
    pass


def main(arguments: Sequence[str]) -> int:
    """Run one command; answers its exit code."""
    _prepare_console()
    try:
        code = _run(arguments, wants_json="--json" in arguments)
        sys.stdout.flush()
    except OSError as error:
        return _unheard(error)
    return code


def _run(arguments: Sequence[str], *, wants_json: bool) -> int:  # noqa: PLR0911 # one for each way to end
    """Raises OSError where nothing can be written to standard output, or to standard error."""
    try:
        with ending_as_ctrl_c():
            options = _parse(arguments)
            return int(options.run(options))
    except ProblemsError as error:
        from reconcile.commands import output

        output.problems(Namespace(json=wants_json), error.problems)
        return error.exit_code
    except ReconcileError as error:
        return _failed(error, wants_json)
    except SystemExit as ended:  # --help, which is through before it is known whether it could be written
        return int(ended.code or 0)
    except KeyboardInterrupt:
        return _failed(_InterruptedError("Interrupted."), wants_json)
    except RecursionError:
        message = "Something in the files, or in the server's answer, is nested too deeply."
        return _failed(ReconcileError(message, "Write it flatter."), wants_json)
    except Exception as error:  # the last resort: a bug here must not show as a traceback
        if isinstance(error, OSError) and error.filename is None and error.errno in _OF_OUTPUT:
            raise
        return _bug(wants_json)


def _parse(arguments: Sequence[str]) -> Namespace:
    from importlib import import_module

    parser = _Parser(
        prog="sync.py",
        description="Deployments of Prefect as code: declare in YAML, read the plan, apply it.",
        epilog=EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=f"{summary[:1].upper()}{summary[1:]}.")
        if name in arguments[:1] or not arguments:
            module = import_module(f"reconcile.commands.{MODULES.get(name, name)}")
            module.configure(sub)
            sub.set_defaults(run=module.run)
    return parser.parse_args(list(arguments))


def _failed(error: ReconcileError, wants_json: bool) -> int:
    message, hint = mask_text(error.message), mask_text(error.hint)
    if wants_json:
        from reconcile.render.json import dump, error_document

        print(dump(error_document(message, hint)))
    print(f"{safe(message)}", file=sys.stderr)
    if hint:
        print(f"    {safe(hint)}", file=sys.stderr)
    return error.exit_code


_OF_OUTPUT: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EPIPE, errno.EINVAL}
)
"""What writing says where a disk is full, or whoever reads has gone away (EINVAL: so says Windows)."""


def _unheard(error: OSError) -> int:
    """Say so in one line, if that can be heard. Flushing at exit must not fail again."""
    if not isinstance(error, BrokenPipeError):  # whoever closed it wants to hear no more
        with suppress(OSError):
            print(f"The output cannot be written: {error.strerror or error}.", file=sys.stderr, flush=True)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError):  # a stream that is no file
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return ExitCode.FAILED


def _bug(wants_json: bool) -> int:
    with tempfile.NamedTemporaryFile(
        "w", prefix="reconcile-", suffix=".log", delete=False, encoding="utf-8", errors="replace"
    ) as log:
        log.write(mask_text(traceback.format_exc()))
    message = "This is a bug in the tool, not in your files."
    hint = f"What happened is written in {log.name}; please report it."
    return _failed(_BugError(message, hint), wants_json)


class _BugError(ReconcileError):
    exit_code = ExitCode.BUG


class _InterruptedError(ReconcileError):
    exit_code = ExitCode.INTERRUPTED


def _prepare_console() -> None:
    """No console encoding can crash the output; where standard output is no terminal it is UTF-8."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 # to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            settings: dict[str, Any] = {"errors": "backslashreplace"}
            if not stream.isatty():
                settings["encoding"] = "utf-8"
            stream.reconfigure(**settings)

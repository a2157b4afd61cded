"""Arguments, the console, and exit codes.

Whatever happens ends in one clear message and the right code, never in a traceback.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import Any, NoReturn

from reconcile.errors import ExitCode, ProblemsError, ReconcileError, UsageError
from reconcile.render.escape import safe
from reconcile.secrets import mask_text

COMMANDS = {
    "validate": "check the files: no network, no server",
    "plan": "show what apply would do",
    "apply": "show the plan, ask, apply it",
    "show": "one effective deployment, with file and line of every field",
    "status": "the server: pools, workers, holds, orphans, late and failed runs",
}

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
    wants_json = "--json" in arguments
    try:
        options = _parse(arguments)
        code = options.run(options)
        sys.stdout.flush()
        return int(code)
    except ProblemsError as error:
        from reconcile.commands import output

        output.problems(Namespace(json=wants_json), error.problems)
        return error.exit_code
    except ReconcileError as error:
        return _failed(error, wants_json)
    except KeyboardInterrupt:
        return _failed(_InterruptedError("Interrupted."), wants_json)
    except BrokenPipeError:
        # Whoever read our output went away: nothing is left to say, and flushing at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except Exception:  # noqa: BLE001 # the last resort: a bug here must not show as a traceback
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
            module = import_module(f"reconcile.commands.{name}")
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            settings: dict[str, Any] = {"errors": "backslashreplace"}
            if not stream.isatty():
                settings["encoding"] = "utf-8"
            stream.reconfigure(**settings)

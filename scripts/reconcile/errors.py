"""What can go wrong, and the exit code of each.

    ReconcileError                  1   every error that a user can cause or meet
    ├── ProblemsError               1   the files are wrong: carries the located problems
    ├── SourceError                 1   a source cannot be read (git, path)
    ├── ServerError                 1   the server is away, refuses, or answers what was not expected
    │   ├── ServerUnreachableError  1   no answer: down, refused, timed out
    │   ├── ServerAnswerError       1   an answer of 4xx or 5xx, with its status
    │   └── LockLostError           1   another apply took the lock over: nothing more may be written
    ├── LockHeldError               1   another apply of the project is at work
    └── UsageError                 64   the command line contradicts itself or lacks something

Anything else that is raised is a bug here: exit 70, never a traceback. Ctrl-C is 130.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from reconcile.problem import Problem


class ExitCode(IntEnum):
    """The exit codes of every command."""

    DONE = 0
    FAILED = 1
    PENDING = 2
    USAGE = 64
    BUG = 70
    INTERRUPTED = 130


class ReconcileError(Exception):
    """An error with one clear message: `hint` says what to do."""

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ProblemsError(ReconcileError):
    """The repository's files are wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(f"{len(problems)} problems in the files")
        self.problems = tuple(problems)


class SourceError(ReconcileError):
    """A source is wrong, or cannot be read from this machine; `key` is the key of its declaration that is at fault."""

    def __init__(self, message: str, hint: str = "", *, key: str = "") -> None:
        super().__init__(message, hint)
        self.key = key


class ServerError(ReconcileError):
    """The server cannot be used."""


class ServerUnreachableError(ServerError):
    """The server gives no answer."""


class ServerAnswerError(ServerError):
    """The server answered, but not with success; `status` is the HTTP status."""

    def __init__(self, message: str, *, status: int, hint: str = "") -> None:
        super().__init__(message, hint)
        self.status = status


class LockLostError(ServerError):
    """The lock was taken over while we worked, or nobody knows, so nothing more may be written."""


class LockHeldError(ReconcileError):
    """Somebody else is applying."""


class UsageError(ReconcileError):
    """The command line is wrong."""

    exit_code = ExitCode.USAGE

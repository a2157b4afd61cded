"""A located fault in a file: what is wrong, where it stands, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """Whether a problem stops the command (error) or is only said (warning)."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Location:
    """A place in a file of the repository.

    `file` is relative to the root, with forward slashes; `line` and `column` count from 1.
    """

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault: `code` names its kind for machines, `message` says what was expected, `hint` the way out."""

    location: Location
    code: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems in the order of the files, each of them once."""
    return tuple(sorted(set(problems), key=lambda p: (p.location, p.severity, p.code, p.message)))


def as_told(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems in order, as they are told to people: their texts are whole sentences."""
    return in_order(
        replace(problem, message=_sentence(problem.message), hint=_sentence(problem.hint)) for problem in problems
    )


def _sentence(text: str) -> str:
    if _WORD.match(text):
        text = text[0].upper() + text[1:]
    # What follows as an example is often copied: a full stop would go with it.
    return text if not text or text[-1] in ".?!:…}" or "xample: " in text else f"{text}."


_WORD: Final = re.compile(r"[a-z]+[ ,:]")


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether one of the problems stops the command."""
    return any(problem.severity is Severity.ERROR for problem in problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A problem whose place is not looked up yet: `at` is the path of keys below the value that was checked.

    `on_key` says that the key itself is at fault (an unknown key), not its value.
    """

    code: str
    message: str
    hint: str = ""
    at: tuple[str | int, ...] = ()
    on_key: bool = False
    severity: Severity = Severity.ERROR

    def located(self, location: Location) -> Problem:
        """The problem that this fault is at that place."""
        return Problem(location=location, code=self.code, message=self.message, hint=self.hint, severity=self.severity)

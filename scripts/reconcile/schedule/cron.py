"""Cron expressions: what is wrong with one, the values of its fields, its clock times.

Prefect carries a copy of an older croniter. Where today's reads an expression otherwise, a file may not say it, and
one that stands on a server is read as Prefect reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from reconcile.problem import Fault
from reconcile.schedule.zones import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a cron expression: its bounds, its names, and what a person may write there."""

    name: str
    first: int
    last: int
    allowed: str
    hint: str = "single values, ranges 1-5, steps */10 and lists 1,15 of them are allowed"
    names: tuple[str, ...] = ()
    spanish: Mapping[str, str] = field(default_factory=dict)

    def number(self, text: str) -> int | None:
        """The value that a number or a name means."""
        if text in self.names:
            return self.names.index(text) + self.first
        return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None


_LIMIT: Final = 1000
_MESES: Final = {"ene": "jan", "abr": "apr", "ago": "aug", "dic": "dec"}
_LUNES_A_JUEVES: Final = {"lun": "mon", "mar": "tue", "mie": "wed", "mié": "wed", "jue": "thu"}
_DIAS: Final = {**_LUNES_A_JUEVES, "vie": "fri", "sab": "sat", "sáb": "sat", "dom": "sun"}

MINUTE: Final = Field(name="minute", first=0, last=59, allowed="0 to 59")
HOUR: Final = Field(name="hour", first=0, last=23, allowed="0 to 23")
DAY: Final = Field(name="day of month", first=1, last=31, allowed="1 to 31, or L for the last day")
MONTH: Final = Field(
    name="month",
    first=1,
    last=12,
    allowed="1 to 12, or jan to dec",
    names=("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    spanish=_MESES,
)
WEEKDAY: Final = Field(
    name="day of week",
    first=0,
    last=6,
    allowed="0 to 7 (0 and 7 are Sunday) or sun to sat",
    hint="1#2 is the second Monday of the month, L5 the last Friday; 1-5 are all from Monday to Friday",
    names=("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
    spanish=_DIAS,
)
FIELDS: Final = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)
_SECOND: Final = Field(name="second", first=0, last=59, allowed="0 to 59")
_YEAR: Final = Field(name="year", first=1970, last=2099, allowed="1970 to 2099")
_STORED_FIELDS: Final = (*FIELDS, _SECOND, _YEAR)

_ALIASES: Final = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_RANGE: Final = re.compile(r"([^/-]+)(?:-([^/-]+))?(?:/([0-9]{1,6}))?")
_SOMEWHEN: Final = datetime(2024, 1, 1)  # noqa: DTZ001 a clock time of any zone: where the search for a run starts

Expanded = tuple[list[list[Any]], dict[Any, set[Any]]]


def folded(cron: str) -> str:
    """With single spaces: more of them mean nothing."""
    return " ".join(cron.split())


@lru_cache(maxsize=4096)
def cron_faults(cron: str, day_or: bool | None) -> tuple[Fault, ...]:
    """What is wrong with an expression; `day_or` None: the file does not say it."""
    if cron.startswith("@"):
        return () if cron.lower() in _ALIASES else (_alias_fault(cron),)
    texts = cron.split()
    if len(texts) != len(FIELDS):
        return (_count_fault(cron, texts),)
    faults = tuple(fault for part, text in zip(FIELDS, texts, strict=True) if (fault := _field_fault(part, text)))
    if faults:
        return faults
    if len(cron) > _LIMIT:
        return (cron_fault(f"expected at most {_LIMIT:,} characters, got {len(cron):,}", "make two schedules of it"),)
    if day_or is None and _ors_days(cron):
        return (_day_or_fault(cron, texts),)
    return () if _fires(cron, day_or is not False) else (_dead_fault(cron, day_or is not False),)


def cron_fault(message: str, hint: str = "", code: str = "cron-invalid") -> Fault:
    """A fault of the expression as a whole."""
    return Fault(code=code, message=message, hint=hint, at=("cron",))


def _alias_fault(cron: str) -> Fault:
    message = f"expected five fields or one of {', '.join(_ALIASES)}, got {shown(cron)}"
    return cron_fault(message, 'five fields are minute, hour, day of month, month, day of week, like "30 8 * * 1-5"')


def _count_fault(cron: str, texts: Sequence[str]) -> Fault:
    if len(texts) not in (6, 7):
        message = (
            f"expected five fields (minute, hour, day of month, month, day of week), got {len(texts)}: {shown(cron)}"
        )
        return cron_fault(message, 'a full one is "30 8 * * 1-5"')
    seconds_first = texts[0] == "0" or "?" in texts
    shorter = " ".join(texts[1:6] if seconds_first else texts[:5])
    return cron_fault(
        f"expected five fields, got {len(texts)}: Prefect takes the sixth for seconds and the seventh for years",
        f"write {shown(shorter)}, if no seconds are meant",
        "cron-six-fields",
    )


def _field_fault(part: Field, text: str) -> Fault | None:
    odd = next((odd for token in text.lower().split(",") if (odd := _odd(part, token))), None)
    if odd:
        return cron_fault(f"{shown(text)} in the {part.name} field {odd[0]}", odd[1])
    if expanded(" ".join(text if part is other else "*" for other in FIELDS)) is not None:
        return None
    message = f"expected {part.allowed} in the {part.name} field, got {shown(text)}"
    return cron_fault(message, _field_hint(part, text) or part.hint)


def _odd(part: Field, token: str) -> tuple[str, str] | None:
    """What Prefect refuses, or reads otherwise than people do: what it means to Prefect, and the way out."""
    if token[:1] in ("h", "r"):
        return "is a random or hashed value, which Prefect does not support", f"choose from {part.allowed}"
    if part is DAY and re.fullmatch(r"[0-9]+w|w[0-9]+", token):
        return "means the nearest weekday, which Prefect does not know", "use an rrule with BYSETPOS"
    match = _RANGE.fullmatch(token)
    return _odd_range(part, *match.groups()) if match else None


def _odd_range(part: Field, start: str, end: str | None, step: str | None) -> tuple[str, str] | None:
    if end is not None and start == end:
        return f"means every {part.name} to Prefect, not {start} alone", f"write {start}, or *"
    low = part.first if start == "*" else part.number(start)
    high = part.last if end is None else part.number(end)
    if step is None or int(step) == 0 or low is None or high is None or low > high:
        return None
    if low + int(step) <= high or (start == "*" and int(step) == high + 1 - low):
        return None  # the second: */60 and */24 are wide-spread, and do what they say
    message = f"has a step of {step}, which does not fit between {low} and {high}"
    return message, "use an `interval` for a rhythm that the clock does not have"


def _field_hint(part: Field, text: str) -> str:
    last = re.search(r"\b([0-7])L\b", text, re.IGNORECASE)
    if part is WEEKDAY and last:
        return f"write L{last[1]}"
    for word in re.findall(r"[^\W\d_]{3,}", text.lower()):
        short = part.spanish.get(word[:3]) or (word[:3] if word[:3] in part.names else word)
        if short != word:
            return f"write {short} instead of {word}"
    return ""


def _ors_days(cron: str) -> bool:
    """Whether Prefect takes the day of month OR the day of week: neither of them is everything.

    `*/2` is not everything, and `*/1` only beside a day of week with a star: croniter's rule, not that of cron.
    """
    values = expanded(cron)
    return values is not None and values[0][2][0] != "*" and values[0][4][0] != "*"


def _fires(cron: str, day_or: bool) -> bool:
    return next(cron_clock(cron, day_or, _SOMEWHEN), None) is not None


def _dead_fault(cron: str, day_or: bool) -> Fault:
    why = "no day of any year fits it"
    if day_or and _ors_days(cron):
        why = "no month of it has that day, and Prefect then gives up on the day of week too"
    return cron_fault(f"{shown(cron)} never fires: {why}", "change its day or its month", "cron-never-fires")


def _day_or_fault(cron: str, texts: Sequence[str]) -> Fault:
    either = f"fires when day of month `{texts[2]}` OR day of week `{texts[4]}` fits"
    hint = "add `day_or: true` for either of them or `day_or: false` for days that fit both, or put * in one of the two"
    if re.search(r"#|l[0-9]", texts[4].lower()):  # croniter asks for the n-th weekday on both sides of its OR
        either = f"has day of month `{texts[2]}` beside the n-th weekday `{texts[4]}`, which Prefect does not OR"
        hint = "put * in the day of month, or add `day_or: false` for days that fit both"
    return cron_fault(f"{shown(cron)} {either}: say whether that is meant", hint, "cron-day-or")


@lru_cache(maxsize=4096)
def expanded(cron: str) -> Expanded | None:
    """The values of each field and the n-th weekdays, in croniter's form; None when it is no cron expression."""
    from croniter import croniter  # paid for only where there is a cron

    try:
        return croniter.expand(_as_prefect(cron))
    except (ValueError, TypeError, LookupError, OverflowError):
        return None


def cron_clock(cron: str, day_or: bool, after: datetime) -> Iterator[datetime]:
    """The clock times at `after` or later, both without a zone; none when the expression is wrong.

    None too when one side of an OR can never be: today's croniter minds the other side, Prefect's fails.
    """
    from croniter import croniter  # paid for only where there is a cron

    if day_or and _ors_days(cron) and not _fires(_on_any_weekday(cron), day_or):
        return
    try:
        times = croniter(_as_prefect(cron), after - timedelta(microseconds=1), datetime, day_or=day_or)
        while True:
            yield times.get_next(datetime)
    except (ValueError, TypeError, LookupError, OverflowError):
        return


def _on_any_weekday(cron: str) -> str:
    texts = cron.split()
    return " ".join([*texts[:4], "*", *texts[5:]])


def _as_prefect(cron: str) -> str:
    """The expression in the reading of Prefect's croniter: there, `59/15` has its steps over all the field.

    See https://github.com/pallets-eco/croniter/issues/246.
    """
    if cron.startswith("@"):
        return cron
    parts = zip(_STORED_FIELDS, cron.split(), strict=False)
    return " ".join([*(_wide_steps(part, text) for part, text in parts), *cron.split()[len(_STORED_FIELDS) :]])


def _wide_steps(part: Field, text: str) -> str:
    return ",".join(_wide_step(part, token) for token in text.split(","))


def _wide_step(part: Field, token: str) -> str:
    start, slash, step = token.partition("/")
    return f"*/{step}" if slash and part.number(start.lower()) == part.last else token

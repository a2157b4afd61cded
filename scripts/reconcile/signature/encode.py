"""Defaults as JSON, as pydantic writes them into a schema."""

from __future__ import annotations

import datetime as dt
import math
import pathlib
import uuid
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any

from reconcile.signature.kinds import (
    ClassValue,
    EnumMember,
    FunctionValue,
    Generic,
    Library,
    Secret,
    UnionOf,
    UnknowableError,
    Value,
)


class NotInJsonError(UnknowableError):
    """A value for which JSON has no form: pydantic leaves such a default out."""

    def __init__(self) -> None:
        super().__init__("JSON has no form for it")


def to_json(value: Value) -> Any:
    """A static value as the JSON of a schema's default."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {_key(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return [to_json(item) for item in _sorted(value)]
    return _scalar(value)


def _scalar(value: Value) -> Any:
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, EnumMember):
        return to_json(value.value)
    return _text(value)


def _text(value: Value) -> str:
    """A value that JSON can only hold as text."""
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, Secret):
        return "" if value.empty else "*" * 10
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.timedelta):
        return duration(value)
    if isinstance(value, (Decimal, uuid.UUID, pathlib.PurePath)):
        return str(value)
    raise _refusal(value)


def _refusal(value: Value) -> Exception:
    if isinstance(value, (FunctionValue, ClassValue, Generic, UnionOf, dt.tzinfo)):
        return NotInJsonError()
    if isinstance(value, Library):
        known = value.name.startswith(("builtins.", "typing."))
        return NotInJsonError() if known else UnknowableError(f"`{value.name}` is imported")
    return value if isinstance(value, UnknowableError) else UnknowableError("it shows only when the file runs")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise UnknowableError("JSON has no infinity")
    return value


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotInJsonError from error


def _sorted(value: AbstractSet[Value]) -> list[Value]:
    """A set in the order in which pydantic writes it; one that cannot be sorted has an order of its own every time."""
    items = list(value)
    numbers = all(isinstance(item, (bool, int, float)) for item in items)
    if len(items) <= 1 or numbers or len({type(item) for item in items} - {str, dt.date}) == 0:
        try:
            return sorted(items)
        except TypeError as error:
            raise UnknowableError("the set has no order") from error
    raise UnknowableError("the set has no order")


def _key(value: Value) -> str:
    if isinstance(value, EnumMember):
        return _key(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, (dt.date, uuid.UUID, pathlib.PurePath)):
        return str(to_json(value))
    raise UnknowableError("its keys are not text")


def duration(value: dt.timedelta) -> str:
    """ISO 8601 as pydantic writes it: a year is 365 days, and there are neither months nor weeks."""
    whole = abs(value)
    years, days = divmod(whole.days, 365)
    hours, rest = divmod(whole.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    date = "".join(f"{amount}{unit}" for amount, unit in ((years, "Y"), (days, "D")) if amount)
    time = "".join(f"{amount}{unit}" for amount, unit in ((hours, "H"), (minutes, "M")) if amount)
    if whole.microseconds:
        time += f"{seconds}.{whole.microseconds:06}".rstrip("0") + "S"
    elif seconds:
        time += f"{seconds}S"
    text = date + (f"T{time}" if time else "") or "T0S"
    return ("-" if value < dt.timedelta(0) else "") + "P" + text

"""Parameters as they are typed: `name=value`, read and checked by the parameter schema of a deployment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from reconcile.errors import ReconcileError, UsageError
from reconcile.problem import Severity
from reconcile.render.escape import safe
from reconcile.resolve import nearest
from reconcile.schema import check_value

Schema = Mapping[str, Any]

_SHARED: Final = ("definitions", "$defs")


def given_parameters(texts: Sequence[str], schema: Schema) -> dict[str, Any]:
    """The values of `name=value`: JSON where that fits the parameter, otherwise the text. Raises UsageError."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UsageError(f"--param {text!r} is no parameter and its value.", "Write --param name=value.")
        if not _is_text(text):
            raise UsageError(f"--param {name!r} holds bytes that are no text.", "Write it in UTF-8.")
        if name in found:
            raise UsageError(f"--param gives {name!r} twice.", "Leave one of them out.")
        found[name] = _value(value, _properties(schema).get(name), schema)
    return found


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _value(text: str, schema: Any, whole: Schema) -> Any:
    """What a text means for one parameter. A text that is meant as one may look like a number: `anio=2026`."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # NaN, 1e999, half a pair: no request takes it
    except (ValueError, RecursionError):
        return text
    if not isinstance(schema, Mapping):
        return value
    alone = {**{key: whole[key] for key in _SHARED if key in whole}, **schema}
    return text if check_value(value, alone) and not check_value(text, alone) else value


def _properties(schema: Schema) -> Mapping[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def check_run(given: Mapping[str, Any], standing: Mapping[str, Any], schema: Schema, *, enforced: bool) -> list[str]:
    """What is to be said of the parameters of a run. Raises ReconcileError where the server or the flow refuses them.

    `given` is laid over `standing`, those of the deployment.
    """
    if not schema.get("properties") and not schema.get("required"):
        return (
            ["The parameters were not checked: the server has no parameter schema of this deployment."] if given else []
        )
    faults = [*_unknown(given, schema), *_misfits({**standing, **given}, schema)]
    if faults and enforced:
        raise ReconcileError(" ".join(f"{message}" for message, _ in faults), next((h for _, h in faults if h), ""))
    return [message for message, _ in faults]


def _unknown(given: Mapping[str, Any], schema: Schema) -> Iterator[tuple[str, str]]:
    known = _properties(schema)
    for name in given:
        if name not in known and schema.get("additionalProperties") in (None, False):
            yield f"The flow has no parameter {safe(repr(name))}.", nearest(name, known)


def _misfits(parameters: Mapping[str, Any], schema: Schema) -> Iterator[tuple[str, str]]:
    missing = [name for name in schema.get("required") or () if name not in parameters]
    for name in missing:
        yield f"The flow needs the parameter {name!r}.", f"Add --param {name}=VALUE."
    known = _properties(schema)
    held = {name: value for name, value in parameters.items() if name in known}
    for fault in check_value(held, {**schema, "required": [], "additionalProperties": True}):
        if fault.severity is Severity.ERROR:
            at = ".".join(map(str, fault.at))
            yield f"The parameter {at!r} does not fit: {fault.message}", fault.hint

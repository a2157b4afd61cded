"""Document x JSON Schema -> Problems, in plain words. The only place that imports jsonschema.

`check` holds a file against the schema of its kind; `check_value` holds any value against any schema, as a flow's
parameters against the flow's signature. Schemas stand beside the tool, not in the repository that is checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import UnknownType, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from reconcile.document import Document
from reconcile.problem import Fault, Problem, Severity, in_order

SCHEMAS: Final = Path(__file__).resolve().parents[2] / "schemas"

KINDS: Final = ("prefect", "environments", "shared", "area-shared", "deployments", "pool")
"""The kinds of files; each has a schema of its name."""


def faults_of(document: Document, kind: str) -> tuple[Fault, ...]:
    """Every fault of a document against the schema of its kind."""
    return tuple(_worst(fault for error in _validator(kind).iter_errors(document.data) for fault in _faults(error)))


def check(document: Document, kind: str) -> tuple[Problem, ...]:
    """Every problem that a document has with the schema of its kind, in the order of the file."""
    return problems_of(document, faults_of(document, kind))


def problems_of(document: Document, faults: Iterable[Fault]) -> tuple[Problem, ...]:
    """The faults of a document as problems, in the order of the file, but for places that have one already."""
    problems = (fault.located(document.locate(fault.at, key=fault.on_key)) for fault in faults)
    return in_order(problem for problem in problems if problem.location not in document.reported)


def check_value(value: Any, schema: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Every fault of a value against a JSON Schema that is not ours, with the paths of the values at fault.

    Formats, and null for what is optional, are taken as Prefect's server takes them. What Prefect fills in at run
    time, such as a text with `{{ … }}` in it, fits any type. A schema that cannot be used is a warning.
    """
    validator = _FOREIGN(
        schema, registry=Registry(), format_checker=_FOREIGN.FORMAT_CHECKER
    )  # an empty registry: nothing is fetched
    try:
        found = _worst(fault for error in validator.iter_errors(value) for fault in _faults(error))
    except _UNUSABLE:
        message = "this is no JSON Schema that can be used, so nothing was checked against it"
        return (Fault(code=UNUSABLE, message=message, severity=Severity.WARNING),)
    return tuple(sorted(found, key=lambda fault: ([str(step) for step in fault.at], fault.code, fault.message)))


def _worst(faults: Iterable[Fault]) -> list[Fault]:
    """Each fault once, and of the several that one value can have only the first that has to be mended."""
    ranked = sorted(faults, key=lambda fault: _RANK.get(fault.code, 0))
    worst: dict[Any, Fault] = {}
    for fault in ranked:
        worst.setdefault((fault.at, fault.on_key) if fault.code in _RANK else fault, fault)
    return list(worst.values())


UNUSABLE: Final = "unusable-schema"
"""The code of the one fault of a schema that cannot be used."""

_RANK: Final = {"conflicting-keys": 1, "wrong-type": 1, "wrong-value": 2, "wrong-form": 3}

_UNUSABLE: Final = (  # a schema from elsewhere can be broken in any way
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    re.error,
    UnknownType,
    Unresolvable,
)


# ---------------------------------------------------------------- our schemas


@cache
def _validator(kind: str) -> Any:
    """The validator of a kind of files, with every reference in its place: looking them up takes most of the time."""
    resolver = _registry().resolver(f"{kind}.schema.json")
    return Draft202012Validator(_resolved({"$ref": ""}, resolver))


@cache
def _registry() -> Any:
    """All schemas by file name, so that they refer to each other as in an editor."""
    resources = (
        (path.name, DRAFT202012.create_resource(json.loads(path.read_text(encoding="utf-8"))))
        for path in sorted(SCHEMAS.glob("*.schema.json"))
    )
    return Registry().with_resources(resources)


_DONE: Final[dict[int, dict[str, Any]]] = {}
"""What references came to, by the schema that they lead to: many lead to the same."""

_NOT_NEEDED: Final = frozenset({"$schema", "$defs", "description", "default"})


def _resolved(schema: Any, resolver: Any) -> Any:
    """A schema without references, and without what no check and no message needs."""
    if isinstance(schema, list):
        return [_resolved(each, resolver) for each in schema]
    if not isinstance(schema, dict):
        return schema
    target: dict[str, Any] = {}
    if "$ref" in schema:
        found = resolver.lookup(schema["$ref"])
        known = _DONE.get(id(found.contents))  # of the registry, which stays
        target = _resolved(found.contents, found.resolver) if known is None else known
        _DONE[id(found.contents)] = target
    return target | {key: _kept(key, value, resolver) for key, value in schema.items() if key not in _DROPPED}


_DROPPED: Final = _NOT_NEEDED | {"$ref"}


def _kept(key: str, value: Any, resolver: Any) -> Any:
    if key in ("properties", "dependentSchemas"):  # its keys are names, not keywords
        return {name: _resolved(each, resolver) for name, each in value.items()}
    return value if key in ("examples", "enum", "const", "required", "hints") else _resolved(value, resolver)


# ---------------------------------------------------------------- schemas from elsewhere


def _filled_in_later(value: Any) -> bool:
    """Whether Prefect puts another value here at run time: a template, a hydrated value, a block's document."""
    if isinstance(value, str):
        return (at := value.find("{{")) >= 0 and value.find("}}", at + 2) >= 0
    return isinstance(value, dict) and ("__prefect_kind" in value or value.keys() == {"$ref"})


def _tolerant(keyword: Any) -> Any:
    def checked(validator: Any, wanted: Any, value: Any, schema: Any) -> Iterable[ValidationError]:
        return () if _filled_in_later(value) else keyword(validator, wanted, value, schema) or ()

    return checked


def _properties(validator: Any, properties: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    """As Prefect does, null is allowed for what is neither required nor has a default."""
    if not isinstance(value, dict):
        return
    for name, subschema in properties.items():
        if name not in value:
            continue
        optional = name not in schema.get("required", ()) and "default" not in subschema and "type" in subschema
        if not (value[name] is None and optional):
            yield from validator.descend(value[name], subschema, path=name, schema_path=name)


_RULES: Final[Mapping[str, Any]] = Draft202012Validator.VALIDATORS
_extend: Any = extend  # the stubs leave it untyped
_FOREIGN: Any = _extend(
    Draft202012Validator,
    {
        name: _tolerant(rule)
        for name, rule in {**_RULES, "oneOf": _RULES["anyOf"], "properties": _properties}.items()
        if name not in ("$ref", "$dynamicRef")
    },
)


# ---------------------------------------------------------------- from errors to faults


def _faults(error: ValidationError) -> Iterator[Fault]:
    """What an error of jsonschema means, as one fault or several."""
    keyword = _keyword(error)
    if keyword in ("anyOf", "oneOf"):
        yield from _of_branches(error)
    elif keyword in _SEVERAL:
        yield from _SEVERAL[keyword](error)
    else:
        yield _single(error, keyword)


def _keyword(error: ValidationError) -> str:
    keyword: Any = error.validator
    return "false" if keyword is None else str(keyword)


def _path(error: ValidationError) -> tuple[str | int, ...]:
    return tuple(error.absolute_path)


def _single(error: ValidationError, keyword: str) -> Fault:
    code, message, hint = _SINGLE.get(keyword, _other)(error)
    name = _name_at_fault(error)
    path = _path(error) if name is None else (*_path(error), name)
    return Fault(code=code, message=message, hint=hint, at=path, on_key=name is not None or keyword in _ON_KEY)


def _name_at_fault(error: ValidationError) -> str | None:
    """The key itself, where it is the key that is wrong (propertyNames)."""
    schema_path = list(error.absolute_schema_path)
    return str(error.instance) if "propertyNames" in schema_path[-3:-1] else None


_Words = tuple[str, str, str]
"""Code, message and hint."""

_ON_KEY: Final = frozenset({"false", "not", "minProperties", "maxProperties"})


def _unknown_keys(error: ValidationError) -> Iterator[Fault]:
    schema: Any = error.schema
    mapping: Any = error.instance
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    for key in mapping:
        if key not in known and not any(re.search(pattern, key) for pattern in patterns):
            thing = f"this {schema['title']}" if _titled(schema) else "this mapping"
            yield Fault(
                code="unknown-key",
                message=f"'{_short(key)}' is no key of {thing}",
                hint=_nearest(key, tuple(name for name in known if known[name] is not False)),
                at=(*_path(error), key),
                on_key=True,
            )


def _titled(schema: Mapping[str, Any]) -> bool:
    """Whether a schema has a title of ours, which begins with a small letter; those of pydantic repeat the name."""
    return str(schema.get("title", ""))[:1].islower()


def _missing_keys(error: ValidationError) -> Iterator[Fault]:
    wanted: Any = error.validator_value
    key = next((key for key in wanted if error.message.startswith(f"{key!r} is")), wanted[0])
    schema: Any = error.schema
    thing = f" of this {schema['title']}" if _titled(schema) else ""
    hint = _example_of(key, schema.get("properties", {}).get(key))
    yield Fault(
        code="missing-key", message=f"the key '{key}'{thing} is missing", hint=hint, at=_path(error), on_key=True
    )


_SEVERAL: Final = {
    "additionalProperties": _unknown_keys,
    "unevaluatedProperties": _unknown_keys,
    "required": _missing_keys,
}


def _example_of(key: str, schema: Any) -> str:
    examples = schema.get("examples") if isinstance(schema, dict) else None
    return f"Add it, for example: {key}: {_inline(examples[0])}" if examples else f"Add the key '{key}'."


def _inline(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


_STOCK_KEYS: Final = {
    "schedule": "schedules",
    "work_pool_name": "work_pool",
    "work_queue_name": "work_queue",
    "flow_name": "flow",
    "infra_overrides": "job_variables",
    "deployment_id": "deployment",
    "work_pool_id": "work_pool",
    "work_queue_id": "work_queue",
    "automation_id": "automation",
    "block_document_id": "block",
}
"""Keys of Prefect's own prefect.yaml and SDK that have another name here."""


@lru_cache(maxsize=256)  # the same key is often wrong in many places
def _nearest(key: str, known: tuple[str, ...]) -> str:
    if not known:
        return "Delete it."
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).replace("-", "_").lower()
    by_form = {name.replace("-", "_"): name for name in known}
    stock = _STOCK_KEYS.get(plain)
    close = [stock] if stock in by_form else get_close_matches(plain, by_form, n=1, cutoff=0.6)
    return f"Did you mean '{by_form[str(close[0])]}'?" if close else f"Known here: {', '.join(sorted(known))}."


# ---------------------------------------------------------------- the words of each keyword

_TYPES: Final = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def _wrong_type(error: ValidationError) -> _Words:
    wanted: Any = error.validator_value
    types = [wanted] if isinstance(wanted, str) else list(wanted)
    return _type_words(types, error)


def _type_words(types: Sequence[str], error: ValidationError) -> _Words:
    named = [name for kind, name in _TYPES.items() if kind in types] or ["nothing"]
    message = f"expected {_either(named)}, got {_shown(error)}"
    return "wrong-type", message, _type_hint(types, error)


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


_FORMS: Final = {
    ("schedules", "list"): "Write each schedule under a name of its own: noche: {cron: …}.",
    ("deployments", "list"): 'Write each deployment under its name: "Despliegue básico": {entrypoint: …}.',
    ("work_pool", "dict"): "Write only its name; work_queue and job_variables are keys of their own.",
    ("source", "dict"): "Declare the source under `sources` in a shared.yaml, and name it here.",
    ("token", "str"): "Keep the token in a Secret block of Prefect, and name it: token: {secret: name-of-the-block}.",
    ("queues", "list"): "Write each queue under its name: urgent: {priority: 1}.",
}
"""How Prefect's own forms are written here: (key, type found) -> hint."""


def _type_hint(types: Sequence[str], error: ValidationError) -> str:
    value, path = error.instance, _path(error)
    key = path[-1] if path else ""
    if (form := _FORMS.get((str(key), type(value).__name__))) is not None:
        return form
    if _is_secret(error):
        return ""
    if value is None:
        return "Write a value, or delete the key."
    if isinstance(value, (str, int, float)):
        return _scalar_hint(types, value, key)
    return "Write 'key: value' pairs." if "object" in types else ""


def _scalar_hint(types: Sequence[str], value: str | float, key: str | int) -> str:
    if "string" in types:
        return f"Write it in quotes: {_inline(_inline(value))}."
    if "array" in types:
        why = "; in Prefect a text would become one tag for each letter" if key == "tags" else ""
        return f"Write a list: [{_short(value)}]{why}."
    if "boolean" in types:
        return "Write true or false, without quotes."
    if isinstance(value, str) and {"integer", "number"} & set(types) and re.fullmatch(r"-?\d+(?:\.\d+)?", value):
        return f"Write it without quotes: {value}."
    return "Write 'key: value' pairs." if "object" in types else ""


def _wrong_value(error: ValidationError) -> _Words:
    wanted: Any = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    return _value_words(wanted, error)


def _value_words(wanted: Sequence[Any], error: ValidationError) -> _Words:
    choices = [_short(each) for each in wanted if each is not None]
    close: list[str] = []
    if isinstance(error.instance, str):
        lower = {choice.lower(): choice for choice in choices}
        close = [lower[name] for name in get_close_matches(error.instance.lower(), lower, n=1)]
    expected = choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    schema: Any = error.schema
    known = schema.get("hints", {}).get(error.instance) if isinstance(error.instance, str) else None
    hint = f"Did you mean {close[0]}?" if close else ""
    return "wrong-value", f"expected {expected}, got {_shown(error)}", known or hint


def _wrong_form(error: ValidationError) -> _Words:
    schema: Any = error.schema
    expected = schema.get("patternErrorMessage", f"expected a text that fits {_short(error.validator_value)}")
    return "wrong-form", f"{expected}, got {_shown(error)}", _examples(schema)


def _examples(schema: Mapping[str, Any]) -> str:
    examples = [each for each in schema.get("examples", ()) if isinstance(each, str)]
    return f"For example: {examples[0]}" if examples else ""


_FORMAT_NAMES: Final = {
    "date-time": "a date and time with its offset from UTC, such as 2026-01-31T08:30:00-03:00",
    "date": "a date such as 2026-01-31",
    "time": "a time of day with its offset from UTC, such as 08:30:00-03:00",
    "uuid": "a UUID",
    "email": "an e-mail address",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
}


def _wrong_format(error: ValidationError) -> _Words:
    wanted = str(error.validator_value)
    return "wrong-form", f"expected {_FORMAT_NAMES.get(wanted, wanted)}, got {_shown(error)}", ""


def _bound(words: str) -> Any:
    def told(error: ValidationError) -> _Words:
        return "wrong-value", f"expected {words.format(error.validator_value)}, got {_shown(error)}", ""

    return told


def _length(least: bool, things: str) -> Any:
    def told(error: ValidationError) -> _Words:
        size: Any = error.validator_value
        value: Any = error.instance
        if least and size == 1:
            return "wrong-value", "expected a list with an item, got an empty one" if things == "items" else _EMPTY, ""
        bound = "at least" if least else "at most"
        return "wrong-value", f"expected {bound} {size} {things}, got {len(value)}", ""

    return told


_EMPTY: Final = "expected a text, got an empty one"


def _number_of_keys(error: ValidationError) -> _Words:
    """Too few or too many keys; one exactly, where the schema says so twice."""
    schema: Any = error.schema
    mapping: Any = error.instance
    least, most, got = schema.get("minProperties"), schema.get("maxProperties"), len(mapping)
    known = [f"'{name}'" for name in schema.get("properties", {})]
    if least == most == 1:
        which = f"exactly one of {', '.join(known)}" if known else "exactly one key"
        return "wrong-value", f"expected {which}, got {got}", ""
    bound = f"at least {least}" if _keyword(error) == "minProperties" else f"at most {most}"
    return "wrong-value", f"expected {bound} {'key' if bound.endswith(' 1') else 'keys'}, got {got}", ""


def _too_many_items(error: ValidationError) -> _Words:
    if error.validator_value == 0:
        return "wrong-value", "expected an empty list", "Declare them in deployments/<area>/<environment>.yaml."
    return _length(least=False, things="items")(error)  # type: ignore[no-any-return]


def _conflict(error: ValidationError) -> _Words:
    """A key that is not allowed at all, or not beside another one (dependentSchemas)."""
    steps = [str(step) for step in error.absolute_schema_path]
    key = error.absolute_path[-1] if error.absolute_path else "this"
    if "dependentSchemas" in steps:
        other = steps[len(steps) - steps[::-1].index("dependentSchemas")]
        hint = _WHY_NOT_BOTH.get(frozenset({str(key), other}), "Keep one of the two.")
        return "conflicting-keys", f"'{key}' cannot stand beside '{other}'", hint
    if _keyword(error) == "false":
        return "unknown-key", f"'{key}' is not allowed here", "Delete it."
    return _other(error)


_WHY_NOT_BOTH: Final = {
    frozenset({"limit", "shared"}): "Prefect links one limit to a deployment, its own or one that it shares: keep one "
    "of the two. To have both, limit the work queue or the work pool.",
}


def _other(error: ValidationError) -> _Words:
    return "wrong-value", f"{_shown(error)} does not fit what is expected here ({_keyword(error)})", ""


_SINGLE: Final = {
    "type": _wrong_type,
    "enum": _wrong_value,
    "const": _wrong_value,
    "pattern": _wrong_form,
    "format": _wrong_format,
    "minimum": _bound("a number of at least {}"),
    "maximum": _bound("a number of at most {}"),
    "exclusiveMinimum": _bound("a number greater than {}"),
    "exclusiveMaximum": _bound("a number smaller than {}"),
    "multipleOf": _bound("a multiple of {}"),
    "minLength": _length(least=True, things="characters"),
    "maxLength": _length(least=False, things="characters"),
    "minItems": _length(least=True, things="items"),
    "maxItems": _too_many_items,
    "minProperties": _number_of_keys,
    "maxProperties": _number_of_keys,
    "false": _conflict,
    "not": _conflict,
}


# ---------------------------------------------------------------- anyOf and oneOf


def _of_branches(error: ValidationError) -> Iterator[Fault]:
    """The faults of the branch that fits best; where none fits at all, what the branches expect together."""
    branches = [list(group) for _, group in groupby(error.context or (), key=lambda each: each.schema_path[0])]
    if not branches:
        yield Fault(code="wrong-value", message="expected a value that fits one form only", at=_path(error))
    elif all(_only_misses(branch) for branch in branches):
        yield _missing_choice(error, branches)
    elif fitting := [branch for branch in branches if not any(_misfits(error, each) for each in branch)]:
        best = min(fitting, key=lambda branch: (len(branch), -max(len(each.absolute_path) for each in branch)))
        for each in best:
            yield from _faults(each)
    else:
        yield _together(error, [each for branch in branches for each in branch if _misfits(error, each)])


def _only_misses(branch: Sequence[ValidationError]) -> bool:
    return all(error.validator == "required" and not error.path for error in branch)


def _missing_choice(error: ValidationError, branches: Sequence[Sequence[ValidationError]]) -> Fault:
    keys = [key for branch in branches for each in branch for key in _list(each.validator_value)]
    named = _either([f"'{key}'" for key in dict.fromkeys(keys)])
    schema: Any = error.schema
    thing = f" of this {schema['title']}" if _titled(schema) else ""
    message = f"one of the keys {named}{thing} is missing"
    return Fault(code="missing-key", message=message, hint="Add one of them.", at=_path(error), on_key=True)


def _misfits(parent: ValidationError, error: ValidationError) -> bool:
    """Whether a branch is another kind of value altogether."""
    if len(error.absolute_path) != len(parent.absolute_path):
        return False
    if error.validator in ("anyOf", "oneOf"):
        return all(_misfits(error, each) for each in error.context or ())
    return error.validator in ("type", "enum", "const")


def _together(error: ValidationError, misfits: Sequence[ValidationError]) -> Fault:
    leaves = list(_leaves(misfits))
    types = [kind for each in leaves if each.validator == "type" for kind in _list(each.validator_value)]
    values = [value for each in leaves if each.validator != "type" for value in _list(each.validator_value)]
    if values and (not types or set(types) == {"null"} or isinstance(error.instance, str)):
        code, message, hint = _value_words(values, error)
    else:
        code, message, hint = _type_words(types, error)
    return Fault(code=code, message=message, hint=hint, at=_path(error))


def _leaves(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    for error in errors:
        if error.validator in ("anyOf", "oneOf"):
            yield from _leaves(error.context or ())
        else:
            yield error


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# ---------------------------------------------------------------- values in messages

_SECRET_NAME = re.compile(r"pass|secret|token|clave|contrase|credential|api_?key|pwd", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"gh[pousr]_|github_pat_|glpat-|xox[abprs]-|AKIA|eyJ[\w-]+\.|sk-\w{16}|-----BEGIN|://[^/\s@]*@", re.IGNORECASE
)


def _is_secret(error: ValidationError) -> bool:
    """Whether a value might be one that nobody may read in a log."""
    schema: Any = error.schema
    marked = isinstance(schema, dict) and (schema.get("writeOnly") or schema.get("format") == "password")
    named = any(isinstance(step, str) and _SECRET_NAME.search(step) for step in error.absolute_path)
    return bool(marked or named or (isinstance(error.instance, str) and _SECRET_VALUE.search(error.instance)))


def _shown(error: ValidationError) -> str:
    """A value as a message names it: its kind, and what it is unless it might be a secret."""
    value = error.instance
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    kind = "the text" if isinstance(value, str) else "the number"
    if _is_secret(error):
        return f"another {kind.removeprefix('the ')} (not shown)"
    return f"{kind} '{_short(value)}'" if isinstance(value, str) else f"{kind} {_short(value)}"


def _short(value: Any, limit: int = 60) -> str:
    text = value if isinstance(value, str) else _inline(value)
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"

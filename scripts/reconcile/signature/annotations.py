"""Annotations as JSON Schema, as pydantic writes them for a parameter of a flow.

Two exceptions tell apart what ends up untyped: `UnknowableError`, where only running the file would tell, and
`UntypedError`, where Prefect itself gives up and writes no type, so that nothing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from reconcile.signature.encode import NotInJsonError, to_json
from reconcile.signature.kinds import (
    Call,
    ClassValue,
    EnumMember,
    Generic,
    Library,
    UnionOf,
    UnknowableError,
    UnresolvableError,
    Value,
)

Schema = dict[str, Any]
Forward = Callable[[str], Value]
"""What an annotation inside an annotation, written as a string, stands for."""


class UntypedError(Exception):
    """A type for which Prefect writes an untyped property."""


MAX_STEPS: Final = 20_000
"""No type that people write takes longer."""


class Missing:
    """No default: None is one."""


MISSING: Final = Missing()


@dataclass(slots=True)
class FieldFacts:
    """What `Field(…)` and its kind add to a type."""

    constraints: dict[str, Value] = field(default_factory=dict)
    updates: Schema = field(default_factory=dict)
    extra: Schema = field(default_factory=dict)
    default: Value = MISSING
    has_factory: bool = False
    factory: Value = None
    alias: str | None = None

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return isinstance(self.default, Missing) and not self.has_factory


class TypeWriter:
    """Writes the schema of one parameter, and the definitions that it refers to."""

    def __init__(self, define: Callable[[TypeWriter, ClassValue], Schema | None]) -> None:
        self._define = define
        self.definitions: dict[str, Schema] = {}
        self.owners: dict[str, ClassValue] = {}
        self._steps = 0

    def schema(self, type_: Value, forward: Forward) -> Schema:
        """The schema of a type."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise UnknowableError("it is too large to be read")
        if isinstance(type_, UnknowableError):
            raise type_
        write = _WRITERS.get(type(type_))
        if write is None:
            raise UnknowableError("it is not a type")
        return write(self, type_, forward)

    def _none(self, type_: None, forward: Forward) -> Schema:  # noqa: ARG002  one of several of one shape
        return {"type": "null"}

    def _text(self, text: str, forward: Forward) -> Schema:
        return self.schema(resolved(text, forward), forward)

    def _library(self, type_: Library, forward: Forward) -> Schema:  # noqa: ARG002  one of several of one shape
        return _of_library(type_)

    def constrained(self, type_: Value, constraints: Mapping[str, Value], forward: Forward) -> Schema:
        """The schema of a type with the limits that stand beside it."""
        wanted = {name: value for name, value in constraints.items() if value is not None and name not in _SILENT}
        if not wanted:
            return self.schema(type_, forward)
        if isinstance(type_, str):
            return self.constrained(resolved(type_, forward), wanted, forward)
        if isinstance(type_, UnionOf):
            return self._constrained_union(type_, wanted, forward)
        inner, facts = self.unwrapped(type_, forward)
        if facts is not None:
            return self._with(inner, facts, wanted, forward)
        return {**self.schema(type_, forward), **_limits(type_, wanted)}

    def unwrapped(self, type_: Value, forward: Forward) -> tuple[Value, FieldFacts | None]:
        """The type within `Annotated[…]` or a constrained type of pydantic, and what stands beside it."""
        if isinstance(type_, Generic) and type_.origin == Library("typing.Annotated"):
            if len(type_.arguments) < 2:
                raise UnknowableError("`Annotated` takes a type and what stands beside it")
            return type_.arguments[0], facts_of(type_.arguments[1:])
        if isinstance(type_, Library) and type_.name in _CONSTRAINED:
            name, constraints = _CONSTRAINED[type_.name]
            return Library(name), FieldFacts(constraints=dict(constraints))
        if isinstance(type_, Call) and type_.function.name in _CONSTRAINING:
            if type_.arguments:
                raise UnknowableError(f"`{type_.function.name}` has arguments without names")
            facts = facts_of([Call(Library("pydantic.StringConstraints"), (), type_.keywords)])
            return Library(_CONSTRAINING[type_.function.name]), facts
        if isinstance(type_, str):
            return self.unwrapped(resolved(type_, forward), forward)
        if isinstance(type_, Call) and type_.function == Library("typing.NewType") and len(type_.arguments) == 2:
            return type_.arguments[1], FieldFacts()
        return type_, None

    def flattened(self, type_: Value, forward: Forward) -> tuple[Value, FieldFacts]:
        """The innermost type, and all that stands beside it, the outer over the inner."""
        inner, facts = self.unwrapped(type_, forward)
        if facts is None:
            return inner, FieldFacts()
        if isinstance(type_, Call) and type_.function == Library("typing.NewType"):
            return type_, FieldFacts()
        base, deeper = self.flattened(inner, forward)
        return base, merged(deeper, facts)

    def _with(self, inner: Value, facts: FieldFacts, outer: Mapping[str, Value], forward: Forward) -> Schema:
        schema = self.constrained(inner, {**facts.constraints, **outer}, forward)
        return finished(schema, facts)

    def _constrained_union(self, union: UnionOf, constraints: Mapping[str, Value], forward: Forward) -> Schema:
        members = self.members(union, forward)
        others = [member for member in members if member is not None]
        if len(others) != 1 or len(members) == 1:
            raise UnknowableError("limits beside a union")
        return any_of([self.constrained(others[0], constraints, forward), {"type": "null"}])

    def members(self, union: UnionOf, forward: Forward) -> list[Value]:
        """The types of a union, flat, each of them once."""
        found: list[Value] = []
        for part in union.members:
            member = resolved(part, forward) if isinstance(part, str) else part
            inner = self.members(member, forward) if isinstance(member, UnionOf) else [member]
            # of the others, equal ones may differ: Literal[1] and Literal[True]
            found += [one for one in inner if not (isinstance(one, (Library, ClassValue)) and one in found)]
        return [None if member == Library("types.NoneType") else member for member in found]

    def _union(self, union: UnionOf, forward: Forward) -> Schema:
        members = self.members(union, forward)
        others = [member for member in members if member is not None]
        if not others:
            return {"type": "null"}
        nullable = len(others) < len(members)
        if len(others) == 1:
            schemas = [self.schema(others[0], forward)]
        else:
            schemas = [schema for member in others if (schema := self._choice(member, forward)) is not None]
        if not schemas:
            raise UntypedError
        chosen = schemas[0] if len(schemas) == 1 else any_of(schemas)
        return any_of([chosen, {"type": "null"}]) if nullable and chosen != {"type": "null"} else chosen

    def _choice(self, member: Value, forward: Forward) -> Schema | None:
        """One of several; pydantic skips those for which JSON Schema has no form."""
        if is_callable(member):
            return None
        return self.schema(member, forward)

    def _class(self, owner: ClassValue, forward: Forward) -> Schema:  # noqa: ARG002  its own strings are its file's
        name = re.sub(r"[^a-zA-Z0-9.\-_]", "_", owner.name)
        known = self.owners.get(name)
        if known is not None and known != owner:
            raise UnknowableError(f"two classes are named `{owner.name}`")
        if name not in self.definitions:
            self.owners[name], self.definitions[name] = owner, {}
            schema = self._define(self, owner)
            if schema is None:
                del self.owners[name], self.definitions[name]
                return {}
            self.definitions[name] = schema
        return {"$ref": f"#/definitions/{name}"}

    def _generic(self, generic: Generic, forward: Forward) -> Schema:
        origin, arguments = generic.origin, generic.arguments
        if not isinstance(origin, Library):
            raise UnknowableError("generic classes are made when the file runs")
        if origin.name == "typing.Annotated":
            inner, facts = self.unwrapped(generic, forward)
            return self._with(inner, facts or FieldFacts(), {}, forward)
        if origin.name == "typing.Literal":
            return literal(arguments)
        if is_callable(origin):
            raise UntypedError
        if origin.name in _OPAQUE_GENERICS:
            return _of_library(origin)
        if origin.name in _ARRAYS:
            self._expect(arguments, 1, origin)
            return {**_ARRAYS[origin.name], "items": self.schema(arguments[0], forward)}
        if origin.name in _TUPLES:
            return self._tuple(arguments, forward)
        if origin.name in _MAPPINGS:
            return self._mapping(origin, arguments, forward)
        raise UnknowableError(f"`{origin.name}` is imported")

    def _expect(self, arguments: tuple[Value, ...], count: int, origin: Library) -> None:
        if len(arguments) != count or ... in arguments:
            raise UnknowableError(f"`{origin.name.removeprefix('builtins.')}` takes another number of types")

    def _tuple(self, arguments: tuple[Value, ...], forward: Forward) -> Schema:
        if len(arguments) == 2 and arguments[1] is ...:
            return {"type": "array", "items": self.schema(arguments[0], forward)}
        items = [] if arguments == ((),) else [self.schema(argument, forward) for argument in arguments]
        counts = {"minItems": len(items), "maxItems": len(items)}
        return {"type": "array", **({"prefixItems": items} if items else {}), **counts}

    def _mapping(self, origin: Library, arguments: tuple[Value, ...], forward: Forward) -> Schema:
        if origin.name in _COUNTERS:
            self._expect(arguments, 1, origin)
            arguments = (*arguments, Library("builtins.int"))
        self._expect(arguments, 2, origin)
        if origin.name in _DEFAULTING and not _has_default_factory(arguments[1]):
            raise UnknowableError("the factory of its values shows only when the file runs")
        keys, values = (self.schema(argument, forward) for argument in arguments)
        pattern = keys.pop("pattern", None) if "$ref" not in keys else None
        keys.pop("title", None)
        values.pop("title", None)
        schema: Schema = {"type": "object"}
        if pattern is not None:
            schema["patternProperties"] = {pattern: values}
        else:
            schema["additionalProperties"] = values or True
        if "$ref" in keys or (keys.get("type") == "string" and len(keys) > 1):
            schema["propertyNames"] = {name: value for name, value in keys.items() if name != "type"}
        return schema

    def _call(self, call: Call, forward: Forward) -> Schema:
        if call.function == Library("typing.NewType") and len(call.arguments) == 2:
            return self.schema(call.arguments[1], forward)
        if call.function == Library("typing.TypeVar") and call.keywords.keys() <= {"bound", "covariant"}:
            return self._type_variable(call, forward)
        inner, facts = self.unwrapped(call, forward)
        if facts is None:
            raise UnknowableError(f"`{call.function.name}` is not a type")
        return self._with(inner, facts, {}, forward)

    def _type_variable(self, call: Call, forward: Forward) -> Schema:
        if "bound" in call.keywords:
            return self.schema(call.keywords["bound"], forward)
        choices = call.arguments[1:]
        return self.schema(UnionOf(choices), forward) if choices else {}


def resolved(text: str, forward: Forward) -> Value:
    """The type that a string in an annotation names; without it, Prefect leaves the parameter untyped."""
    try:
        return forward(text)
    except UnresolvableError as error:
        raise UntypedError from error


def any_of(schemas: list[Schema]) -> Schema:
    """One of several schemas, as pydantic writes it: flat, each of them once."""
    members: list[Schema] = []
    for schema in schemas:
        for member in schema["anyOf"] if schema.keys() == {"anyOf"} else [schema]:
            if not any(same(member, known) for known in members):
                members.append(member)
    return members[0] if len(members) == 1 else {"anyOf": members}


def same(one: Any, other: Any) -> bool:
    """Equality of JSON, where true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return type(one) is type(other) and bool(one == other)


def literal(arguments: Iterable[Value]) -> Schema:
    """The schema of `Literal[…]`."""
    values: list[Value] = []
    for value in _literals(arguments):
        plain = value.value if isinstance(value, EnumMember) else value
        if not any(type(plain) is type(known) and plain == known for known in values):
            values.append(plain)
    return {**({"const": to_json(values[0])} if len(values) == 1 else {"enum": _encoded(values)}), **type_of(values)}


def _encoded(values: Iterable[Value]) -> list[Any]:
    return [to_json(value) for value in values]


def _literals(arguments: Iterable[Value]) -> list[Value]:
    found: list[Value] = []
    for argument in arguments:
        if isinstance(argument, Generic) and argument.origin == Library("typing.Literal"):
            found += _literals(argument.arguments)
        elif argument is None or isinstance(argument, (str, int, float, bytes, EnumMember)):
            found.append(argument)
        else:
            raise UnknowableError("a literal is text, a number, true, false, None or a member of an enumeration")
    return found


def type_of(values: Iterable[Value]) -> Schema:
    """The type that all values of a Literal or of an enumeration share, where they share one."""
    types = {type(to_json(value)) for value in values}
    name = _JSON_TYPES.get(types.pop()) if len(types) == 1 else None
    return {"type": name} if name else {}


def is_callable(type_: Value) -> bool:
    """Whether a type is a function's: JSON has no form for it."""
    origin = type_.origin if isinstance(type_, Generic) else type_
    return isinstance(origin, Library) and origin.name in ("typing.Callable", "collections.abc.Callable")


def is_reference(writer: TypeWriter, type_: Value, forward: Forward) -> bool:
    """Whether a field of this type gets no title of its own, because what it refers to has one."""
    inner, facts = writer.unwrapped(type_, forward)
    if facts is not None:
        return is_reference(writer, inner, forward)
    if isinstance(inner, UnionOf):
        others = [member for member in writer.members(inner, forward) if member is not None]
        return len(others) == 1 and is_reference(writer, others[0], forward)
    return isinstance(inner, ClassValue) and "$ref" in writer.schema(inner, forward)


def facts_of(metadata: Iterable[Value]) -> FieldFacts:
    """What stands beside a type in `Annotated[type, …]`."""
    facts = FieldFacts()
    for item in metadata:
        facts = merged(facts, _fact(item))
    return facts


def _fact(item: Value) -> FieldFacts:
    if isinstance(item, Call):
        name = item.function.name
        if name == "pydantic.Field":
            return field_facts(item)
        if name in _BESIDE and len(item.arguments) == 1 and not item.keywords:
            return FieldFacts(constraints={_BESIDE[name]: item.arguments[0]})
        if name == "annotated_types.Interval" and not item.arguments:
            return FieldFacts(constraints=dict(item.keywords))
        if name == "pydantic.StringConstraints" and not item.arguments:
            return FieldFacts(constraints={k: v for k, v in item.keywords.items() if k not in _SHAPING})
        if name in _HARMLESS_BESIDE and not item.keywords:
            return FieldFacts()
    elif item is None or isinstance(item, (str, int, float, bytes, list, tuple, dict)):
        return FieldFacts()
    raise UnknowableError("what stands beside the type shows only when the file runs")


def field_facts(call: Call) -> FieldFacts:
    """What `Field(…)` says."""
    facts = FieldFacts()
    keywords = dict(call.keywords)
    if call.arguments:
        keywords["default"] = call.arguments[0]
    for name in sorted(keywords):  # so that validation_alias comes after alias, which it outranks
        _take(facts, name, keywords[name])
    return facts


def _take(facts: FieldFacts, name: str, value: Value) -> None:
    if isinstance(value, UnknowableError) and name not in ("default", "default_factory", *_IGNORED):
        raise value
    if name in ("title", "description", "examples"):
        facts.updates[name] = None if value is None else to_json(value)
    elif name in _LIMITS or name in _SILENT:
        facts.constraints[name] = value
    elif name in _TAKERS:
        _TAKERS[name](facts, value)
    elif name not in _IGNORED:
        raise UnknowableError(f"`{name}` of a field shows only when the file runs")


def _take_default(facts: FieldFacts, value: Value) -> None:
    facts.default = MISSING if value is ... else value


def _take_factory(facts: FieldFacts, value: Value) -> None:
    facts.has_factory, facts.factory = value is not None, value


def _take_deprecated(facts: FieldFacts, value: Value) -> None:
    facts.updates["deprecated"] = True if value else None


def _take_extra(facts: FieldFacts, value: Value) -> None:
    if not isinstance(value, (dict, type(None))):
        raise UnknowableError("`json_schema_extra` shows only when the file runs")
    facts.extra |= to_json(value or {})


def _take_alias(facts: FieldFacts, value: Value) -> None:
    if not isinstance(value, (str, type(None))):
        raise UnknowableError("the other name of a field shows only when the file runs")
    facts.alias = value


def merged(under: FieldFacts, over: FieldFacts) -> FieldFacts:
    """Both, where the second wins."""
    return FieldFacts(
        constraints={**under.constraints, **over.constraints},
        updates={**under.updates, **over.updates},
        extra={**under.extra, **over.extra},
        default=under.default if isinstance(over.default, Missing) else over.default,
        has_factory=over.has_factory or (under.has_factory and isinstance(over.default, Missing)),
        factory=over.factory or under.factory,
        alias=over.alias or under.alias,
    )


def finished(schema: Schema, facts: FieldFacts) -> Schema:
    """A schema with its default, its texts and its extra keys."""
    updates = {name: value for name, value in facts.updates.items() if value is not None}
    return {**schema, **default_of(facts), **updates, **facts.extra}


def default_of(facts: FieldFacts) -> Schema:
    """The default as a part of a schema; nothing where JSON has no form for it."""
    if isinstance(facts.default, Missing) or facts.has_factory:
        return {}
    try:
        return {"default": to_json(facts.default)}
    except NotInJsonError:
        return {}


def _limits(type_: Value, constraints: Mapping[str, Value]) -> Schema:
    origin = type_.origin if isinstance(type_, Generic) else type_
    name = origin.name if isinstance(origin, Library) else ""
    keys = _LIMIT_KEYS.get(_FAMILIES.get(name, ""), {})
    if name in _DATES and constraints.keys() <= {"ge", "gt", "le", "lt"}:
        return {}
    if not constraints.keys() <= keys.keys():
        raise UnknowableError("these limits do not fit the type")
    if name == "decimal.Decimal":
        number = {keys[key]: float(_number(value)) for key, value in constraints.items()}
        return {"anyOf": [{"type": "number", **number}, {"type": "string"}]}
    return {keys[key]: _limit(name, key, value) for key, value in constraints.items()}


def _limit(name: str, key: str, value: Value) -> Value:
    if key == "pattern":
        if not isinstance(value, str):
            raise UnknowableError("the pattern shows only when the file runs")
        return value
    number = _number(value)
    if isinstance(number, Decimal) or (isinstance(number, float) and name != "builtins.float"):
        raise UnknowableError("this limit does not fit the type")
    return number


def _number(value: Value) -> int | float | Decimal:
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return value
    raise value if isinstance(value, UnknowableError) else UnknowableError("a limit is a number")


def _has_default_factory(type_: Value) -> bool:
    origin = type_.origin if isinstance(type_, Generic) else type_
    names = ("int", "str", "float", "bool", "list", "dict", "set", "tuple")
    return isinstance(origin, Library) and origin.name in [f"builtins.{name}" for name in names]


def _of_library(type_: Library) -> Schema:
    name = type_.name
    if is_callable(type_):
        raise UntypedError
    if name in _CONSTRAINED:
        base, constraints = _CONSTRAINED[name]
        return {**_of_library(Library(base)), **_limits(Library(base), constraints)}
    if name in _SCALARS:
        return {**_SCALARS[name]}
    if name in _ARRAYS:
        return {**_ARRAYS[name], "items": {}}
    if name in _TUPLES:
        return {"type": "array", "items": {}}
    if name in _COUNTERS:
        return {"type": "object", "additionalProperties": {"type": "integer"}}
    if name in _MAPPINGS and name not in _DEFAULTING:
        return {"type": "object", "additionalProperties": True}
    where = "has no form that is known here" if name.startswith("builtins.") else "is imported"
    raise UnknowableError(f"`{name.removeprefix('builtins.')}` {where}")


def _text(format_: str | None = None, **more: Any) -> Schema:
    return {"type": "string", **({"format": format_} if format_ else {}), **more}


_JSON_TYPES: Final[Mapping[type, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    type(None): "null",
}

_OBJECTS: Final = (
    *("builtins.object", "builtins.type", "builtins.bytearray", "builtins.Exception", "builtins.BaseException"),
    *("typing.Any", "typing.Hashable", "typing.Sized", "typing.Type", "typing.NoReturn", "typing.Never"),
    *("typing.Collection", "typing.Iterator", "typing.Awaitable", "typing.AsyncIterator", "typing.LiteralString"),
    *("collections.abc.Hashable", "collections.abc.Sized", "collections.abc.Collection", "collections.abc.Iterator"),
    *("collections.abc.Awaitable", "collections.abc.AsyncIterator", "datetime.tzinfo", "datetime.timezone"),
    "logging.Logger",
)
_OPAQUE_GENERICS: Final = frozenset(
    [
        *(
            "re.Pattern",
            "typing.Pattern",
            "builtins.type",
            "typing.Type",
            "typing.Collection",
            "typing.Iterator",
            "typing.Awaitable",
        ),
        *("typing.AsyncIterator", "collections.abc.Collection", "collections.abc.Iterator"),
        *("collections.abc.Awaitable", "collections.abc.AsyncIterator"),
    ]
)

_SCALARS: Final[Mapping[str, Schema]] = {
    **{name: {} for name in _OBJECTS},
    "builtins.int": {"type": "integer"},
    "builtins.float": {"type": "number"},
    "builtins.bool": {"type": "boolean"},
    "builtins.str": _text(),
    "builtins.bytes": _text("binary"),
    "builtins.complex": _text(),
    "types.NoneType": {"type": "null"},
    "typing.Text": _text(),
    "datetime.datetime": _text("date-time"),
    "datetime.date": _text("date"),
    "datetime.time": _text("time"),
    "datetime.timedelta": _text("duration"),
    "decimal.Decimal": {"anyOf": [{"type": "number"}, _text()]},
    "uuid.UUID": _text("uuid"),
    **{f"pathlib.{name}": _text("path") for name in ("Path", "PurePath", "PosixPath", "PurePosixPath")},
    "re.Pattern": _text("regex"),
    "typing.Pattern": _text("regex"),
    **{f"ipaddress.IPv{n}Address": _text(f"ipv{n}") for n in (4, 6)},
    **{f"pydantic.{name}": {"type": "integer"} for name in ("StrictInt",)},
    **{f"pydantic.{name}": {"type": "number"} for name in ("StrictFloat", "FiniteFloat")},
    **{f"pydantic.{name}": _text("date") for name in ("PastDate", "FutureDate")},
    **{f"pydantic.{name}": _text("date-time") for name in ("PastDatetime", "FutureDatetime", "AwareDatetime")},
    **{f"pydantic.{name}": _text("password", writeOnly=True) for name in ("SecretStr", "SecretBytes")},
    **{f"pydantic.UUID{n}": _text(f"uuid{n}") for n in (1, 3, 4, 5)},
    "pydantic.NaiveDatetime": _text("date-time"),
    "pydantic.StrictStr": _text(),
    "pydantic.StrictBool": {"type": "boolean"},
    "pydantic.StrictBytes": _text("binary"),
    "pydantic.HttpUrl": _text("uri", minLength=1, maxLength=2083),
    "pydantic.AnyUrl": _text("uri", minLength=1),
    "pydantic.AnyHttpUrl": _text("uri", minLength=1),
    "pydantic.PostgresDsn": _text("multi-host-uri", minLength=1),
    "pydantic.FilePath": _text("file-path"),
    "pydantic.DirectoryPath": _text("directory-path"),
    "pydantic.NewPath": _text("path"),
}

_CONSTRAINED: Final[Mapping[str, tuple[str, Mapping[str, Value]]]] = {
    **{
        f"pydantic.{word}{kind}": (f"builtins.{kind.lower()}", {limit: 0})
        for kind in ("Int", "Float")
        for word, limit in (("Positive", "gt"), ("Negative", "lt"), ("NonNegative", "ge"), ("NonPositive", "le"))
    },
}
_CONSTRAINING: Final = {
    "pydantic.conint": "builtins.int",
    "pydantic.confloat": "builtins.float",
    "pydantic.constr": "builtins.str",
}

_ARRAY: Final[Schema] = {"type": "array"}
_UNIQUE: Final[Schema] = {"type": "array", "uniqueItems": True}
_ARRAYS: Final[Mapping[str, Schema]] = {
    **{f"builtins.{name}": _ARRAY for name in ("list",)},
    **{f"typing.{name}": _ARRAY for name in ("List", "Sequence", "MutableSequence", "Iterable", "Deque")},
    **{f"collections.{name}": _ARRAY for name in ("deque", "abc.Sequence", "abc.MutableSequence", "abc.Iterable")},
    **{f"builtins.{name}": _UNIQUE for name in ("set", "frozenset")},
    **{f"typing.{name}": _UNIQUE for name in ("Set", "FrozenSet", "AbstractSet", "MutableSet")},
    **{f"collections.abc.{name}": _UNIQUE for name in ("Set", "MutableSet")},
}
_TUPLES: Final = frozenset(["builtins.tuple", "typing.Tuple"])
_COUNTERS: Final = frozenset(["typing.Counter", "collections.Counter"])
_DEFAULTING: Final = frozenset(["typing.DefaultDict", "collections.defaultdict"])
_MAPPINGS: Final = (
    _COUNTERS
    | _DEFAULTING
    | frozenset(
        [
            *("builtins.dict", "typing.Dict", "typing.Mapping", "typing.MutableMapping", "typing.OrderedDict"),
            *("collections.OrderedDict", "collections.abc.Mapping", "collections.abc.MutableMapping"),
        ]
    )
)

_DATES: Final = frozenset([f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta")])
_FAMILIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("builtins.int", "builtins.float", "decimal.Decimal"), "number"),
    **dict.fromkeys(("builtins.str", "typing.Text"), "text"),
    "builtins.bytes": "bytes",
    **dict.fromkeys([*_ARRAYS, *_TUPLES], "array"),
    **dict.fromkeys(_MAPPINGS, "object"),
}
_BOUNDS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_LENGTHS: Final = {"min_length": "minLength", "max_length": "maxLength"}
_LIMIT_KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    "number": _BOUNDS,
    "text": {**_LENGTHS, "pattern": "pattern"},
    "bytes": _LENGTHS,
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
}
_LIMITS: Final = frozenset([*_BOUNDS, *_LENGTHS, "pattern"])
_SILENT: Final = frozenset(
    ["strict", "allow_inf_nan", "max_digits", "decimal_places", "union_mode", "fail_fast", "coerce_numbers_to_str"]
)
_SHAPING: Final = frozenset(["strip_whitespace", "to_upper", "to_lower"])
_IGNORED: Final = frozenset(
    ["frozen", "repr", "init", "exclude", "serialization_alias", "alias_priority", "validate_default", "kw_only"]
)
_TAKERS: Final[Mapping[str, Callable[[FieldFacts, Value], None]]] = {
    "default": _take_default,
    "default_factory": _take_factory,
    "deprecated": _take_deprecated,
    "json_schema_extra": _take_extra,
    "alias": _take_alias,
    "validation_alias": _take_alias,
}
_BESIDE: Final = {
    "annotated_types.Ge": "ge",
    "annotated_types.Gt": "gt",
    "annotated_types.Le": "le",
    "annotated_types.Lt": "lt",
    "annotated_types.MultipleOf": "multiple_of",
    "annotated_types.MinLen": "min_length",
    "annotated_types.MaxLen": "max_length",
}
_HARMLESS_BESIDE: Final = frozenset(["typing.Doc", "pydantic.BeforeValidator", "pydantic.AfterValidator"])
_WRITERS: Final[Mapping[type, Callable[[TypeWriter, Any, Forward], Schema]]] = {
    type(None): TypeWriter._none,
    str: TypeWriter._text,
    Library: TypeWriter._library,
    UnionOf: TypeWriter._union,
    ClassValue: TypeWriter._class,
    Generic: TypeWriter._generic,
    Call: TypeWriter._call,
}

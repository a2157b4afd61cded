"""Classes of the same file as definitions of a JSON Schema: pydantic models, dataclasses, typed dicts, enumerations.

A class that does anything that could change its schema (a validator that takes over, a metaclass, a generated
alias) is `UnknowableError`; a plain class has no schema, as in Prefect.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from reconcile.signature.annotations import (
    MISSING,
    FieldFacts,
    Forward,
    Missing,
    Schema,
    TypeWriter,
    field_facts,
    finished,
    is_reference,
    merged,
    type_of,
)
from reconcile.signature.encode import to_json
from reconcile.signature.enums import bases, enum_members, is_enum
from reconcile.signature.kinds import (
    Call,
    ClassValue,
    Generic,
    Instance,
    Library,
    UnknowableError,
    UnresolvableError,
    Value,
)
from reconcile.signature.names import ClassDefined, Unbound
from reconcile.signature.values import Evaluator


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a class."""

    name: str
    type: Value
    facts: FieldFacts
    forward: Forward
    required: bool

    @property
    def key(self) -> str:
        """Its name in JSON."""
        return self.facts.alias or self.name


class ClassReader:
    """Reads the classes of one module."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self._kinds: dict[ClassValue, str] = {}
        self._lines: dict[ClassValue, list[ClassValue]] = {}

    def define(self, writer: TypeWriter, owner: ClassValue) -> Schema | None:
        """The definition of a class; None for a plain class, of which Prefect knows only that it is one."""
        kind = self.kind(owner)
        self._refuse_own_schema(owner)
        return _DEFINITIONS[kind](self, writer, owner) if kind != "plain" else None

    def kind(self, owner: ClassValue) -> str:
        """What a class is: model, dataclass, typed dict, named tuple, enumeration, or plain."""
        if owner not in self._kinds:
            self._kinds[owner] = self._kind(owner)
        return self._kinds[owner]

    def _kind(self, owner: ClassValue) -> str:
        if is_enum(self.evaluator, owner):
            return "enum"
        kinds = {self._kind_of_base(owner, base) for base in bases(self.evaluator, owner)} - {"plain"}
        decorated = self._decorated_as_dataclass(owner)
        if decorated is not None and kinds <= {"dataclass"}:
            return "dataclass"
        if len(kinds) > 1 or "dataclass" in kinds or decorated is not None:
            raise UnknowableError(f"`{owner.name}` is several things at once")
        if not kinds and any(keyword.arg != "metaclass" for keyword in owner.binding.node.keywords):
            raise UnknowableError(f"`{owner.name}` is made in its own way")
        return kinds.pop() if kinds else "plain"

    def _kind_of_base(self, owner: ClassValue, base: Value) -> str:
        if isinstance(base, ClassValue):
            self._refuse_own_schema(base)
            return self.kind(base)
        if isinstance(base, Library) and base.name in _KINDS:
            return _KINDS[base.name]
        if isinstance(base, Library) and base.name.removeprefix("builtins.") in _PLAIN_BASES:
            return "plain"
        if isinstance(base, Generic) and base.origin in (Library("builtins.list"), Library("builtins.dict")):
            return "plain"
        raise UnknowableError(f"`{owner.name}` inherits from something that is not in this file")

    def _decorated_as_dataclass(self, owner: ClassValue) -> Value:
        """The decorator that makes a class a dataclass, or None; others that change a class are refused."""
        found: Value = None
        for node in owner.binding.node.decorator_list:
            decorator = self.evaluator.value(node, owner.binding.scope, owner.binding.moment)
            function = decorator.function if isinstance(decorator, Call) else decorator
            if function in (Library("dataclasses.dataclass"), Library("pydantic.dataclasses.dataclass")):
                found = decorator
            elif function not in (Library("typing.final"), Library("functools.total_ordering")):
                raise UnknowableError(f"a decorator of `{owner.name}` may change it")
        return found

    def _refuse_own_schema(self, owner: ClassValue) -> None:
        if getattr(owner.binding.node, "type_params", ()):  # Python 3.12
            raise UnknowableError("generic classes are made when the file runs")
        for statement in owner.binding.node.body:
            name = getattr(statement, "name", "")
            if name in _OWN_SCHEMA or not isinstance(statement, _SIMPLE):
                raise UnknowableError(f"`{owner.name}` makes its schema in its own way")
            for decorator in getattr(statement, "decorator_list", []):
                self._refuse_validator(owner, decorator)

    def _refuse_validator(self, owner: ClassValue, decorator: ast.expr) -> None:
        if not isinstance(decorator, ast.Call):
            return
        for keyword in decorator.keywords:
            mode = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if keyword.arg == "json_schema_input_type" or (keyword.arg == "mode" and mode in ("plain", None)):
                raise UnknowableError(f"a validator of `{owner.name}` takes any input")

    # -- the lines of descent ------------------------------------------------------------------------------------

    def line(self, owner: ClassValue) -> list[ClassValue]:
        """The class and those of this file that it inherits from, nearest first (its method resolution order)."""
        if owner not in self._lines:
            self._lines[owner] = self._line(owner)
        return self._lines[owner]

    def _line(self, owner: ClassValue) -> list[ClassValue]:
        parents = [base for base in bases(self.evaluator, owner) if isinstance(base, ClassValue)]
        return [owner, *_linearized([*[self.line(parent) for parent in parents], parents])]

    # -- enumerations --------------------------------------------------------------------------------------------

    def _enum(self, writer: TypeWriter, owner: ClassValue) -> Schema:  # noqa: ARG002  one of several of one shape
        values = [member.value for member in enum_members(self.evaluator, owner).values()]
        if not values:
            raise UnknowableError(f"`{owner.name}` has no members")
        return {"title": owner.name, **_description(owner), "enum": to_json(values), **type_of(values)}

    # -- models, dataclasses, typed dicts ------------------------------------------------------------------------

    def _model(self, writer: TypeWriter, owner: ClassValue) -> Schema:
        config = self.config(owner)
        schema = self._object(writer, self.model_fields(owner))
        schema["title"] = config.get("title") or owner.name
        schema |= _description(owner)
        if config.get("extra") in ("allow", "forbid"):
            schema["additionalProperties"] = config["extra"] == "allow"
        extra = config.get("json_schema_extra") or {}
        if not isinstance(extra, dict):
            raise UnknowableError(f"`json_schema_extra` of `{owner.name}` shows only when the file runs")
        return {**schema, **to_json(extra)}

    def config(self, owner: ClassValue) -> Mapping[str, Value]:
        """The configuration of a model, inherited parts included."""
        config: dict[str, Value] = {}
        for one in reversed(self.line(owner)):
            config |= self._own_config(one)
        for name, value in config.items():
            if name not in _CONFIG or isinstance(value, UnknowableError):
                raise UnknowableError(f"`{name}` in the configuration of `{owner.name}` may change its schema")
        return config

    def _own_config(self, owner: ClassValue) -> dict[str, Value]:
        binding = owner.binding
        config = {
            keyword.arg or "**": self.evaluator.value(keyword.value, binding.scope, binding.moment)
            for keyword in binding.node.keywords
        }
        if binding.body.at("Config", self.evaluator.module.end):
            raise UnknowableError(f"`{owner.name}` has a class Config")
        for statement in binding.node.body:
            target, value = _target(statement)
            if target == "model_config" and value is not None:
                given = self.evaluator.value(value, binding.body, self.evaluator.module.end)
                given = given.keywords if isinstance(given, Call) and not given.arguments else given
                if not isinstance(given, Mapping):
                    raise UnknowableError(f"the configuration of `{owner.name}` shows only when the file runs")
                config |= given
        return config

    def _dataclass(self, writer: TypeWriter, owner: ClassValue) -> Schema:
        decorator = self._decorated_as_dataclass(owner)
        if isinstance(decorator, Call) and (decorator.arguments or "config" in decorator.keywords):
            raise UnknowableError(f"the configuration of `{owner.name}` may change its schema")
        return {**self._object(writer, self.dataclass_fields(owner)), "title": owner.name, **_description(owner)}

    def _typed_dict(self, writer: TypeWriter, owner: ClassValue) -> Schema:
        found: dict[str, Field] = {}
        for one in reversed(self.line(owner)):
            total = self._total(one)
            for field in self._fields(one, owner):
                type_, required = _requirement(field.type, total)
                inner = self._field(field.name, type_, field.facts, field.forward)
                found[field.name] = replace(inner, required=required)
        return {**self._object(writer, found.values()), "title": owner.name, **_description(owner)}

    def _total(self, owner: ClassValue) -> bool:
        total: Value = True
        for keyword in owner.binding.node.keywords:
            total = self.evaluator.value(keyword.value, owner.binding.scope, owner.binding.moment)
            if keyword.arg != "total" or not isinstance(total, bool):
                raise UnknowableError(f"`{owner.name}` is made in its own way")
        return bool(total)

    def _named_tuple(self, writer: TypeWriter, owner: ClassValue) -> Schema:
        if Library("typing.NamedTuple") not in bases(self.evaluator, owner):
            raise UnknowableError(f"`{owner.name}` inherits from a named tuple")
        fields = list(self._fields(owner, owner))
        items = [self._property(writer, field) for field in fields]
        needed = sum(1 for field in fields if field.required)
        minimum = {"minItems": needed} if needed else {}
        return {"type": "array", "prefixItems": items, **minimum, "maxItems": len(items)}

    def _object(self, writer: TypeWriter, fields: Iterable[Field]) -> Schema:
        fields = list(fields)
        schema: Schema = {
            "type": "object",
            "properties": {field.key: self._property(writer, field) for field in fields},
        }
        required = [field.key for field in fields if field.required]
        return {**schema, "required": required} if required else schema

    def _property(self, writer: TypeWriter, field: Field) -> Schema:
        schema = finished(writer.constrained(field.type, field.facts.constraints, field.forward), field.facts)
        if "title" not in schema and not is_reference(writer, field.type, field.forward):
            schema["title"] = field.key.title().replace("_", " ").strip()
        return schema

    # -- fields --------------------------------------------------------------------------------------------------

    def model_fields(self, owner: ClassValue) -> list[Field]:
        """The fields of a model, inherited ones first."""
        found: dict[str, Field] = {}
        for one in reversed(self.line(owner)):
            if self.kind(one) == "plain" and any(isinstance(part, ast.AnnAssign) for part in one.binding.node.body):
                raise UnknowableError(f"`{owner.name}` takes fields from a class that is no model")
            for field in self._fields(one, owner):
                if not field.name.startswith("_") and field.name != "model_config":
                    found[field.name] = field
        return list(found.values())

    def dataclass_fields(self, owner: ClassValue) -> list[Field]:
        """The fields of a dataclass, inherited ones first."""
        found: dict[str, Field] = {}
        for one in reversed(self.line(owner)):
            if self.kind(one) == "dataclass":
                decorator = self._decorated_as_dataclass(one)
                function = decorator.function if isinstance(decorator, Call) else decorator
                for field in self._fields(one, owner, standard=function == Library("dataclasses.dataclass")):
                    found[field.name] = field
        return list(found.values())

    def _fields(self, one: ClassValue, owner: ClassValue, *, standard: bool = False) -> Iterator[Field]:
        """The fields that the body of a class itself declares."""
        kind = self.kind(one)
        for statement in one.binding.node.body:
            name, value = _target(statement)
            if isinstance(statement, ast.Assign) and name != "model_config" and not _is_dunder(name):
                raise UnknowableError(f"`{owner.name}.{name}` has no annotation")
            if not isinstance(statement, ast.AnnAssign) or (kind == "model" and name.startswith("_")):
                continue
            forward = self._forward(one)
            type_ = self._annotation(one, statement.annotation, name, forward)
            if _is_named(type_, "typing.ClassVar") or type_ == Library("dataclasses.KW_ONLY"):
                continue
            if _is_named(type_, "dataclasses.InitVar") or (name.startswith("__") and not name.endswith("__")):
                raise UnknowableError(f"`{owner.name}.{name}` is a field of its own kind")
            facts = FieldFacts() if value is None else self._assigned(one, value, standard=standard)
            yield self._field(name, type_, facts, forward)

    def _field(self, name: str, type_: Value, given: FieldFacts, forward: Forward) -> Field:
        beside = TypeWriter(self.define).flattened(type_, forward)
        facts = merged(beside[1], given)
        # what is assigned comes before what is annotated, https://github.com/pydantic/pydantic/issues/10507
        facts.constraints = {**given.constraints, **beside[1].constraints}
        return Field(name=name, type=beside[0], facts=facts, forward=forward, required=facts.required)

    def _annotation(self, one: ClassValue, node: ast.expr, name: str, forward: Forward) -> Value:
        used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
        if any(_is_value(one, part, self.evaluator.module.end) for part in used):
            raise UnknowableError(f"the type of `{one.name}.{name}` has the name of another field")
        if self.evaluator.module.future_annotations:
            node = ast.copy_location(ast.Constant(ast.unparse(node)), node)
        binding = one.binding
        value = self.evaluator.value(node, binding.body, self._inside(binding))
        if isinstance(value, str):
            return forward(value) if not _is_missing(forward, value) else value
        return value

    def _inside(self, binding: ClassDefined) -> int:
        """A moment within the class's body: all that is declared above the class is there, what comes below is not."""
        moments = [version[0] for versions in binding.body.versions.values() for version in versions]
        return max([binding.moment, *moments])

    def _forward(self, one: ClassValue) -> Forward:
        """What strings in the annotations of a class name: first what stands above it, then what comes below."""

        def forward(text: str) -> Value:
            try:
                return self.evaluator.text(text, one.binding.body, self._inside(one.binding))
            except UnresolvableError:
                return self.evaluator.text(text, one.binding.body, self.evaluator.module.end)

        return forward

    def _assigned(self, one: ClassValue, node: ast.expr, *, standard: bool) -> FieldFacts:
        try:
            value = self.evaluator.value(node, one.binding.body, self._inside(one.binding))
        except UnknowableError as unknowable:
            value = unknowable
        if isinstance(value, Call) and value.function == Library("pydantic.Field") and not standard:
            facts = field_facts(value)
            facts.default = self._as_json(facts.default)
            return facts
        if isinstance(value, Call) and value.function == Library("dataclasses.field"):
            return _standard_field(value)
        return FieldFacts(default=self._as_json(value))

    def _as_json(self, value: Value) -> Value:
        return self.instance(value) if isinstance(value, Instance) else value

    # -- instances as defaults -----------------------------------------------------------------------------------

    def instance(self, made: Instance) -> dict[str, Any]:
        """An instance of a class of this file as JSON, where nothing that its class does can change it."""
        kind = self.kind(made.of)
        if made.positional or kind not in ("model", "dataclass"):
            raise UnknowableError(f"`{made.of.name}(…)` shows only when the file runs")
        for one in self.line(made.of):
            if any(isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) for part in one.binding.node.body):
                raise UnknowableError(f"`{made.of.name}` may change its values")
        if kind == "model" and self.config(made.of).keys() - {"extra", "title", "frozen"}:
            raise UnknowableError(f"`{made.of.name}` may change its values")
        fields = self.model_fields(made.of) if kind == "model" else self.dataclass_fields(made.of)
        given = dict(made.keywords)
        values = {field.key: self._held(field, given, kind) for field in fields}
        if given:
            raise UnknowableError(f"`{made.of.name}` has no such field")
        return values

    def _held(self, field: Field, given: dict[str, Value], kind: str) -> Any:
        schema = TypeWriter(self.define).schema(field.type, field.forward)
        if field.key in given:
            value = given.pop(field.key)
            if not _fits(value, schema):
                raise UnknowableError("its value may be converted")
            return to_json(value)
        held = _by_default(field.facts)
        is_number = kind == "model" and schema.get("type") == "number"
        return float(held) if type(held) is int and is_number else held


def _by_default(facts: FieldFacts) -> Any:
    """What a field holds that is not given: pydantic does not convert that."""
    value = facts.default
    if facts.has_factory and isinstance(facts.factory, Library) and facts.factory.name in _EMPTY:
        value = _EMPTY[facts.factory.name]
    elif facts.has_factory or isinstance(value, Missing):
        raise UnknowableError("its default is made when the file runs")
    if isinstance(value, (set, frozenset)) and len(value) > 1:
        raise UnknowableError("the set has no order")
    return to_json(value)


def _fits(value: Value, schema: Schema) -> bool:
    """Whether pydantic keeps a value as it is."""
    if value is None:
        return {"type": "null"} in schema.get("anyOf", [schema])
    names: Mapping[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
    kinds = [choice for choice in schema.get("anyOf", [schema]) if choice != {"type": "null"}]
    return type(value) in names and kinds == [{"type": names[type(value)]}]


def _linearized(lines: list[list[ClassValue]]) -> list[ClassValue]:
    found: list[ClassValue] = []
    lines = [line for line in lines if line]
    while lines:
        tails = [one for line in lines for one in line[1:]]
        head = next((line[0] for line in lines if line[0] not in tails), None)
        if head is None:
            raise UnknowableError("its base classes contradict each other")
        found.append(head)
        lines = [rest for line in lines if (rest := [one for one in line if one != head])]
    return found


def _description(owner: ClassValue) -> Schema:
    text = ast.get_docstring(owner.binding.node, clean=False)
    text = inspect.cleandoc(text) if text else ""
    return {"description": text} if text and text != "An enumeration." else {}


def _target(statement: ast.stmt) -> tuple[str, ast.expr | None]:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return name, value
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case _:
            return "", None


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in ("__slots__", "__pydantic_config__")


def _is_value(one: ClassValue, name: str, end: int) -> bool:
    bound = one.binding.body.at(name, end)
    return any(not isinstance(part, (ClassDefined, Unbound)) for part in bound)


def _is_missing(forward: Forward, text: str) -> bool:
    try:
        forward(text)
    except UnresolvableError:
        return True
    return False


def _is_named(type_: Value, name: str) -> bool:
    return Library(name) in (type_, type_.origin if isinstance(type_, Generic) else None)


def _requirement(type_: Value, total: bool) -> tuple[Value, bool]:
    """The type within `Required[…]` or `NotRequired[…]`, and whether the key must be there."""
    for name, required in (("typing.Required", True), ("typing.NotRequired", False)):
        if isinstance(type_, Generic) and type_.origin == Library(name):
            return type_.arguments[0], required
    return type_, total


def _standard_field(call: Call) -> FieldFacts:
    keywords = call.keywords
    if call.arguments or keywords.get("init", True) is not True:
        raise UnknowableError("a field that is not given shows only when the file runs")
    return FieldFacts(
        default=keywords.get("default", MISSING),
        has_factory="default_factory" in keywords,
        factory=keywords.get("default_factory"),
    )


_KINDS: Final = {
    "pydantic.BaseModel": "model",
    "typing.TypedDict": "typed dict",
    "typing.NamedTuple": "named tuple",
}
_PLAIN_BASES: Final = frozenset(
    ["object", "Exception", "ValueError", "RuntimeError", "abc.ABC", "str", "int", "float", "list", "dict", "set"]
)
_EMPTY: Final[Mapping[str, Any]] = {"builtins.list": [], "builtins.dict": {}, "builtins.set": []}
_OWN_SCHEMA: Final = frozenset(
    [
        *("__get_pydantic_core_schema__", "__get_pydantic_json_schema__", "__get_validators__", "__new__"),
        *("__init_subclass__", "__pydantic_init_subclass__", "__class_getitem__", "__modify_schema__"),
    ]
)
_SIMPLE: Final = (
    *(ast.AnnAssign, ast.Assign, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass, ast.Expr),
)
_CONFIG: Final = frozenset(
    [
        *("extra", "title", "json_schema_extra", "frozen", "populate_by_name", "validate_assignment", "strict"),
        *("validate_default", "arbitrary_types_allowed", "str_strip_whitespace", "str_to_lower", "str_to_upper"),
        *("use_enum_values", "from_attributes", "protected_namespaces", "hide_input_in_errors", "revalidate_instances"),
        *("validate_by_name",),
    ]
)
_DEFINITIONS: Final[Mapping[str, Callable[[ClassReader, TypeWriter, ClassValue], Schema]]] = {
    "enum": ClassReader._enum,
    "model": ClassReader._model,
    "dataclass": ClassReader._dataclass,
    "typed dict": ClassReader._typed_dict,
    "named tuple": ClassReader._named_tuple,
}

"""The parameters of a flow's function as the schema that Prefect stores with a deployment."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from reconcile.signature.annotations import (
    MISSING,
    FieldFacts,
    Forward,
    Schema,
    TypeWriter,
    UntypedError,
    default_of,
    field_facts,
)
from reconcile.signature.classes import ClassReader
from reconcile.signature.docstring import parameter_descriptions
from reconcile.signature.flows import docstring
from reconcile.signature.kinds import (
    Call,
    ClassValue,
    FunctionValue,
    Instance,
    Library,
    UnknowableError,
    UnresolvableError,
    Value,
)
from reconcile.signature.names import Imported, Module, Scope, Unclear
from reconcile.signature.result import Parameter, SignatureError
from reconcile.signature.values import Evaluator

_IMPLIED: Final = ("self", "cls")
_RESERVED: Final = ("return_state", "wait_for")
_REFUSED: Final = ("v__args", "v__kwargs", "v__positional_only", "v__duplicate_kwargs", "model_config")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One parameter as it is written."""

    name: str
    position: int
    annotation: ast.expr | None
    default: ast.expr | None
    is_variadic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One parameter as it is read; `definitions` are the classes that its schema refers to."""

    parameter: Parameter
    in_required: bool
    definitions: Mapping[str, Schema]
    owners: Mapping[str, ClassValue]
    doubts: tuple[str, ...] = ()


def read_parameters(evaluator: Evaluator, function: FunctionValue) -> tuple[Read, ...]:
    """All parameters, except the ones that a method gets by itself."""
    written = [one for one in _written(function.node) if one.name not in _IMPLIED]
    for one in written:
        _refuse(one, function.node)
    reader = _ParameterReader(evaluator, function)
    return _untangled([reader.read(one) for one in written])


def parameter_schema(reads: Sequence[Read]) -> Schema:
    """The schema of all parameters, as Prefect stores it."""
    schema: Schema = {
        "title": "Parameters",
        "type": "object",
        "properties": {read.parameter.name: dict(read.parameter.schema) for read in reads},
    }
    required = [read.parameter.name for read in reads if read.in_required]
    definitions = {name: schema for read in reads for name, schema in read.definitions.items()}
    if required:
        schema["required"] = required
    if definitions:
        schema["definitions"] = definitions
    return schema


def _written(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[Written]:
    """The parameters in the order of inspect.signature, which counts their positions."""
    given = node.args
    plain = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    rows: list[tuple[ast.arg, ast.expr | None, bool]] = [
        *[(one, default, False) for one, default in zip(plain, defaults, strict=True)],
        *([(given.vararg, None, True)] if given.vararg else []),
        *[(one, default, False) for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)],
        *([(given.kwarg, None, True)] if given.kwarg else []),
    ]
    return [
        Written(name=one.arg, position=position, annotation=one.annotation, default=default, is_variadic=variadic)
        for position, (one, default, variadic) in enumerate(rows)
    ]


def _refuse(one: Written, node: ast.AST) -> None:
    """Names with which Prefect cannot even load the flow."""
    line = getattr(node, "lineno", None)
    if one.name in _RESERVED or one.name in _REFUSED:
        reason = "Prefect keeps that name for itself"
    elif one.name.startswith("_"):
        reason = "Prefect cannot load a flow with a parameter that begins with an underscore"
    else:
        return
    raise SignatureError(
        "parameter-name-invalid",
        f"The flow has a parameter `{one.name}`, but {reason}.",
        "Give the parameter another name.",
        line,
    )


class _ParameterReader:
    """Reads the parameters of one function."""

    def __init__(self, evaluator: Evaluator, function: FunctionValue) -> None:
        self.evaluator = evaluator
        self.function = function
        self.classes = ClassReader(evaluator)
        self.descriptions = parameter_descriptions(docstring(function))
        self.elsewhere = Evaluator(_prefect_module())
        self.type_variables = {part.name for part in getattr(function.node, "type_params", ())}  # Python 3.12
        self.gives_up = not self.type_variables and self._has_undefined_annotation()

    def read(self, one: Written) -> Read:
        """One parameter."""
        facts, doubts = self._default(one)
        writer = TypeWriter(self.classes.define)
        known = True
        try:
            schema, beside = self._typed(one, writer)
        except UntypedError:
            writer, schema, beside = TypeWriter(self.classes.define), {}, FieldFacts()
        except (UnknowableError, RecursionError) as error:
            writer, schema, beside, known = TypeWriter(self.classes.define), {}, FieldFacts(), False
            reason = str(error) if isinstance(error, UnknowableError) else "it is nested too deeply"
            doubts = (*doubts, f"the type of `{one.name}` is not known: {reason}")
        facts, more = self._settled(one, beside, facts)
        return Read(
            parameter=Parameter(
                name=one.name,
                required=facts.required and not one.is_variadic,
                schema=self._property(one, schema, beside, facts),
                known=known,
            ),
            in_required=facts.required,
            definitions=writer.definitions,
            owners=writer.owners,
            doubts=(*doubts, *more),
        )

    def _property(self, one: Written, schema: Schema, beside: FieldFacts, facts: FieldFacts) -> Schema:
        description = facts.updates.get("description") or self.descriptions.get(one.name)
        updates = {
            name: value for name, value in beside.updates.items() if name in ("examples", "deprecated") and value
        }
        extra = {**beside.extra, "position": one.position, **facts.extra}
        texts = {"title": one.name, **({"description": description} if description is not None else {})}
        return {**schema, **default_of(facts), **updates, **texts, **extra}

    def _settled(self, one: Written, beside: FieldFacts, given: FieldFacts) -> tuple[FieldFacts, tuple[str, ...]]:
        """The default that counts, the function's over the annotation's, as long as JSON can hold it."""
        facts = given
        if given.required:
            facts = replace(given, default=beside.default, has_factory=beside.has_factory)
        try:
            default_of(facts)
        except (UnknowableError, RecursionError) as error:
            return replace(facts, has_factory=True), (f"the default of `{one.name}` is not known: {error}",)
        return facts, ()

    # -- types ---------------------------------------------------------------------------------------------------

    def _typed(self, one: Written, writer: TypeWriter) -> tuple[Schema, FieldFacts]:
        if one.annotation is None:
            return {}, FieldFacts()
        if self.evaluator.module.uses_pydantic_1:
            raise UnknowableError("the file uses pydantic 1")
        if self.type_variables & {part.id for part in ast.walk(one.annotation) if isinstance(part, ast.Name)}:
            raise UnknowableError("the flow is generic")
        type_, forward = self._annotation(one.annotation)
        base, beside = writer.flattened(type_, forward)
        schema = writer.constrained(base, beside.constraints, forward)
        _check_texts(beside)
        return schema, beside

    def _annotation(self, node: ast.expr) -> tuple[Value, Forward]:
        """The type of a parameter, and how Prefect looks up the strings within it: not in the flow's file."""
        if self._is_text(node):
            text = self._text(node)
            if self.gives_up:
                return text, self._forward
            return self.evaluator.text(text, self.evaluator.module.scope, self.evaluator.module.end), self._forward
        return self.evaluator.value(node, self.function.scope, self.function.moment), self._forward

    def _is_text(self, node: ast.expr) -> bool:
        is_string = isinstance(node, ast.Constant) and isinstance(node.value, str)
        return is_string or self.evaluator.module.future_annotations

    def _text(self, node: ast.expr) -> str:
        """The text that Python keeps; under the future import, a string is kept with its quotes."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return ast.unparse(node) if self.evaluator.module.future_annotations else node.value
        return ast.unparse(node)

    def _has_undefined_annotation(self) -> bool:
        """Whether an annotation names something that is not there, for a type checker only.

        inspect.signature(eval_str=True) then fails, and Prefect takes all strings as they are.
        """
        node = self.function.node
        if isinstance(node, ast.Lambda):
            return False
        nodes = [one.annotation for one in _written(node)] + [node.returns]
        return any(one is not None and self._is_text(one) and self._is_undefined(one) for one in nodes)

    def _is_undefined(self, node: ast.expr) -> bool:
        try:
            self.evaluator.text(self._text(node), self.evaluator.module.scope, self.evaluator.module.end)
        except UnresolvableError:
            return True
        except UnknowableError:
            return False
        return False

    def _forward(self, text: str) -> Value:
        return self.elsewhere.text(text, self.elsewhere.module.scope, self.elsewhere.module.end)

    # -- defaults ------------------------------------------------------------------------------------------------

    def _default(self, one: Written) -> tuple[FieldFacts, tuple[str, ...]]:
        if one.default is None:
            return FieldFacts(), ()
        try:
            value = self.evaluator.value(one.default, self.function.scope, self.function.moment)
            return self._given(value), ()
        except (UnknowableError, RecursionError) as error:
            return FieldFacts(has_factory=True), (f"the default of `{one.name}` is not known: {error}",)

    def _given(self, value: Value) -> FieldFacts:
        if isinstance(value, Call) and value.function == Library("pydantic.Field"):
            return _field_default(value)
        if isinstance(value, Instance):
            return FieldFacts(default=self.classes.instance(value))
        return FieldFacts(default=MISSING if value is ... else value)


def _field_default(call: Call) -> FieldFacts:
    """Of a `Field(…)` that is the default, Prefect keeps three things."""
    kept = {name: value for name, value in call.keywords.items() if name in _KEPT}
    facts = field_facts(Call(call.function, call.arguments, kept))
    if isinstance(facts.default, UnknowableError):
        raise facts.default
    return facts


_KEPT: Final = ("default", "description", "json_schema_extra")


def _check_texts(beside: FieldFacts) -> None:
    if isinstance(beside.default, (Call, Instance)):
        raise UnknowableError("its default shows only when the file runs")


def _prefect_module() -> Module:
    """The names among which Prefect looks up a string within an annotation: those of its own module."""
    scope = Scope(name="")
    for name, target in (("typing", "typing"), ("t", "typing"), ("inspect", "inspect"), ("pydantic", "pydantic")):
        scope.put(name, 0, (Imported(target),))
    for name in _PREFECT_NAMES:
        scope.put(name, 0, (Unclear("Prefect has a name of its own like it"),))
    return Module(
        tree=ast.Module([], []),
        scope=scope,
        end=1,
        future_annotations=False,
        altered=frozenset(),
        opened=frozenset(),
        restamped=frozenset(),
        unstable=frozenset(),
        uses_pydantic_1=False,
    )


_PREFECT_NAMES: Final = (
    *("V2BaseModel", "ConfigDict", "PydanticUndefinedAnnotation", "create_model", "PydanticUserError", "FieldInfo"),
    *("TypeAdapter", "GenerateEmptySchemaForUserClasses", "is_v2_model", "is_v2_type", "has_v2_type_as_param"),
    *("process_v2_params", "create_v2_schema", "name_", "model_cfg", "model_base", "model_fields", "model"),
)


def _untangled(reads: Iterable[Read]) -> tuple[Read, ...]:
    """Two classes of one name get longer names from the module's, which the text does not tell."""
    reads = list(reads)
    owners: dict[str, set[ClassValue]] = {}
    for read in reads:
        for name, owner in read.owners.items():
            owners.setdefault(name, set()).add(owner)
    tangled = {name for name, found in owners.items() if len(found) > 1}
    return tuple(_loosened(read) if tangled & read.owners.keys() else read for read in reads)


def _loosened(read: Read) -> Read:
    kept = {key: value for key, value in read.parameter.schema.items() if key in ("title", "position", "default")}
    parameter = replace(read.parameter, schema=kept, known=False)
    doubt = f"the type of `{parameter.name}` is not known: two classes have one name"
    return replace(read, parameter=parameter, definitions={}, owners={}, doubts=(*read.doubts, doubt))

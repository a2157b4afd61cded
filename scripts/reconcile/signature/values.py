"""What an expression is worth without running it: constants, known library names, and what this file declares.

Only literals, names, a little arithmetic and the constructors of plain standard types (dates, decimals, paths) are
worked out, all of them on constants. Anything else is `UnknowableError`, with a reason for the reader of the warning.
"""

from __future__ import annotations

import ast
import builtins
import datetime as dt
import operator
import pathlib
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final, TypeGuard

from reconcile.signature.enums import enum_member, enum_of_value, is_enum
from reconcile.signature.kinds import (
    Call,
    ClassValue,
    EnumMember,
    FlowMaker,
    FlowValue,
    FunctionValue,
    Generic,
    Instance,
    Library,
    Method,
    Secret,
    UnionOf,
    UnknowableError,
    UnresolvableError,
    Value,
    shown,
)
from reconcile.signature.names import (
    Assigned,
    Binding,
    ClassDefined,
    FunctionDefined,
    FunctionNode,
    Imported,
    Module,
    Scope,
    Unbound,
    Unclear,
)

CANONICAL_PREFIXES: Final = (
    ("typing_extensions.", "typing."),
    ("pydantic.fields.", "pydantic."),
    ("pydantic.types.", "pydantic."),
    ("pydantic.main.", "pydantic."),
    ("pydantic.networks.", "pydantic."),
    ("pydantic.config.", "pydantic."),
    ("pydantic.functional_validators.", "pydantic."),
    ("prefect.flows.", "prefect."),
    ("prefect.main.", "prefect."),
    ("_collections_abc.", "collections.abc."),
)
"""Other addresses of the same things."""

DEFERRED: Final = frozenset(
    [
        *(f"pydantic.{name}" for name in ("Field", "ConfigDict", "StringConstraints", "conint", "constr", "confloat")),
        *(f"pydantic.{name}" for name in ("BeforeValidator", "AfterValidator", "WrapValidator", "field_validator")),
        *(f"pydantic.{name}" for name in ("model_validator", "computed_field", "field_serializer", "validator")),
        *(f"pydantic.{name}" for name in ("model_serializer", "dataclasses.dataclass", "PrivateAttr")),
        *(f"annotated_types.{name}" for name in ("Ge", "Gt", "Le", "Lt", "MultipleOf", "MinLen", "MaxLen", "Interval")),
        *("typing.NewType", "typing.TypeVar", "typing.Doc", "dataclasses.dataclass", "dataclasses.field", "enum.auto"),
        *("functools.lru_cache", "functools.wraps", "prefect.task", "prefect.materialize"),
    ]
)

_FLOWS: Final = frozenset(["prefect.flow", "prefect.Flow"])
_TASKS: Final = frozenset(["prefect.task", "prefect.materialize"])
_TRANSPARENT: Final = frozenset(["functools.lru_cache", "functools.cache"])
_METHODS: Final = frozenset(["builtins.staticmethod", "builtins.classmethod"])

MODULE_CLASSES: Final = frozenset(
    ["datetime.datetime", "datetime.date", "datetime.time", "datetime.timedelta", "datetime.timezone"]
)
MAX_STEPS: Final = 100_000
MAX_SIZE: Final = 20_000
MAX_BITS: Final = 512
"""No file is read for longer, and no value that is worked out gets larger, than any that people write."""


class Evaluator:
    """Reads values out of one module."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._known: dict[int, Value] = {}
        self._open: set[int] = set()
        self._steps = 0
        self.enums: dict[ClassValue, bool] = {}

    def value(self, node: ast.expr, scope: Scope, moment: int) -> Value:
        """The value of an expression at a moment in a scope."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise UnknowableError("the file takes too long to read")
        read = _EXPRESSIONS.get(type(node))
        if read is None:
            raise UnknowableError(f"`{shown(node)}` shows only when the file runs")
        return _bounded(read(self, node, scope, moment))

    def text(self, text: str, scope: Scope, moment: int) -> Value:
        """The value of an annotation that is written as a string."""
        try:
            node = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError) as error:
            raise UnknowableError(f'"{text}" is not an expression') from error
        return self.value(node, scope, moment)

    def name(self, name: str, scope: Scope | None, moment: int) -> Value:
        """What a name stands for; the scope's own names first, then the module's, then the builtins."""
        if scope is None or (found := scope.at(name, moment)) == (Unbound(),) or not found:
            if scope is not None and scope.outer is not None:
                return self.name(name, scope.outer, moment)
            return self._builtin(name)
        bound = [binding for binding in found if not isinstance(binding, Unbound)]
        if name in self.module.unstable:
            raise UnknowableError(f"a function rebinds `{name}`")
        if len({_identity(binding) for binding in bound}) > 1:
            raise UnknowableError(f"`{name}` depends on what happens when the file runs")
        if len(found) > len(bound) and (hasattr(builtins, name) or scope.outer is not None):
            raise UnknowableError(f"`{name}` is only sometimes bound")
        return self._checked(name, scope, self.of_binding(bound[0]))

    def _builtin(self, name: str) -> Value:
        if name == "Ellipsis":
            return ...
        if hasattr(builtins, name):
            return Library(f"builtins.{name}")
        if self.module.scope.star is not None:
            raise UnknowableError(f"`{name}` may come from an `import *`")
        raise UnresolvableError(f"`{name}` is not defined")

    def _checked(self, name: str, scope: Scope, value: Value) -> Value:
        altered = name in self.module.altered or scope.outer is not None
        if isinstance(value, _CHANGEABLE) and altered:
            raise UnknowableError(f"`{name}` may be changed after it is made")
        if _holds_changeable(value) and (altered or name in self.module.opened):
            raise UnknowableError(f"`{name}` may be changed after it is made")
        if isinstance(value, ClassValue) and name in self.module.restamped:
            raise UnknowableError(f"`{name}` is changed after it is declared")
        return value

    def of_binding(self, binding: Binding) -> Value:
        """The value that a binding gives its name."""
        key = id(binding)
        if key in self._known:
            return self._known[key]
        with self._entered(key):
            value = self._of_binding(binding)
        self._known[key] = value
        return value

    @contextmanager
    def _entered(self, key: int) -> Iterator[None]:
        if key in self._open:
            raise UnknowableError("it refers to itself")
        self._open.add(key)
        try:
            yield
        finally:
            self._open.discard(key)

    def _of_binding(self, binding: Binding) -> Value:
        match binding:
            case Imported(name=name):
                return library(name)
            case Assigned(value=value, scope=scope, moment=moment):
                return self.value(value, scope, moment)
            case ClassDefined():
                return ClassValue(binding)
            case FunctionDefined(node=node, scope=scope, moment=moment):
                return self._decorated(FunctionValue(node, scope, moment), node.decorator_list)
            case Unclear(why=why):
                raise UnknowableError(why)
            case Unbound():
                raise UnresolvableError("it is not defined")

    def _decorated(self, value: Value, decorators: Sequence[ast.expr]) -> Value:
        assert isinstance(value, FunctionValue)
        scope, moment = value.scope, value.moment
        for node in reversed(decorators):
            try:
                decorator = self.value(node, scope, moment)
            except UnknowableError:
                decorator = None
            value = self._apply(decorator, value, node)
        return value

    def _apply(self, decorator: Value, value: Value, node: ast.expr) -> Value:
        if isinstance(decorator, FlowMaker):
            return _made(decorator, value)
        if isinstance(value, FlowValue) and value.doubt:
            return value
        function = decorator.function if isinstance(decorator, Call) else decorator
        name = function.name if isinstance(function, Library) else ""
        if name in _TASKS:
            return Call(function)
        if name == "builtins.classmethod" and isinstance(value, FlowValue):
            return FlowValue(None, {}, "`@classmethod` above `@flow` gives a flow up to Python 3.12 only; put it below")
        return value if self._keeps(decorator, name, value) else _doubted(node)

    def _keeps(self, decorator: Value, name: str, value: Value) -> bool:
        """Whether a decorator leaves what it decorates as it is, as far as a signature shows."""
        if name in _TRANSPARENT:
            return isinstance(value, FunctionValue)
        return name in _METHODS or (isinstance(decorator, FunctionValue) and self._is_transparent(decorator, value))

    def _is_transparent(self, decorator: FunctionValue, value: Value) -> bool:
        """Whether a decorator of this file returns its function, or a wrapper under functools.wraps of it.

        A wrapper of a flow is no flow any more.
        """
        node = decorator.node
        if isinstance(node, ast.Lambda) or len(node.args.args) != 1 or node.decorator_list:
            return False
        wrapped = node.args.args[0].arg
        returned = {part.value.id if isinstance(part.value, ast.Name) else "" for part in _returns(node)}
        kept = {wrapped}
        if isinstance(value, FunctionValue):
            kept |= {part.name for part in node.body if self._wraps(part, wrapped, decorator)}
        rebound = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
        return bool(returned) and returned <= kept - rebound

    def _wraps(self, part: ast.stmt, wrapped: str, decorator: FunctionValue) -> TypeGuard[FunctionNode]:
        if not isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)) or len(part.decorator_list) != 1:
            return False
        call = part.decorator_list[0]
        if not isinstance(call, ast.Call) or len(call.args) != 1 or call.keywords:
            return False
        given = call.args[0]
        function = self._lenient(call.func, decorator.scope, self.module.end)
        return function == Library("functools.wraps") and isinstance(given, ast.Name) and given.id == wrapped

    # -- expressions ---------------------------------------------------------------------------------------------

    def _constant(self, node: ast.expr, scope: Scope, moment: int) -> Value:  # noqa: ARG002  one of several
        assert isinstance(node, ast.Constant)
        return node.value

    def _name(self, node: ast.expr, scope: Scope, moment: int) -> Value:
        assert isinstance(node, ast.Name)
        return self.name(node.id, scope, moment)

    def _attribute(self, node: ast.expr, scope: Scope, moment: int) -> Value:
        assert isinstance(node, ast.Attribute)
        owner = self.value(node.value, scope, moment)
        if isinstance(owner, Library):
            return library(f"{owner.name}.{node.attr}")
        if isinstance(owner, ClassValue):
            return self.attribute(owner, node.attr)
        if isinstance(owner, EnumMember) and node.attr in ("value", "name"):
            return owner.value if node.attr == "value" else owner.name
        if isinstance(owner, FlowValue):
            return Method(owner, node.attr)
        raise UnknowableError(f"`{shown(node)}` shows only when the file runs")

    def attribute(self, owner: ClassValue, name: str) -> Value:
        """An attribute of a class: a member of an enumeration, a class inside, a constant, a method."""
        if is_enum(self, owner):
            return enum_member(self, owner, name)
        body = owner.binding.body
        if body.at(name, self.module.end):
            return self.name(name, body, self.module.end)
        if owner.name in self.module.restamped:
            raise UnknowableError(f"`{owner.name}` is changed after it is declared")
        return self._inherited(owner, name)

    def _inherited(self, owner: ClassValue, name: str) -> Value:
        for node in owner.binding.node.bases:
            base = self.value(node, owner.binding.scope, owner.binding.moment)
            if not isinstance(base, ClassValue):
                raise UnknowableError(f"`{owner.name}` inherits from `{shown(node)}`, which is not in this file")
            try:
                return self.attribute(base, name)
            except UnresolvableError:
                continue
        raise UnresolvableError(f"`{owner.name}` has no `{name}`")

    def _subscript(self, node: ast.expr, scope: Scope, moment: int) -> Value:
        assert isinstance(node, ast.Subscript)
        origin = self.value(node.value, scope, moment)
        if isinstance(origin, (list, tuple, dict)):
            return self._item(origin, self.value(node.slice, scope, moment), node)
        if isinstance(origin, ClassValue) and isinstance(node.slice, ast.Constant) and is_enum(self, origin):
            return enum_member(self, origin, str(node.slice.value))
        if not isinstance(origin, (Library, ClassValue)):
            raise UnknowableError(f"`{shown(node)}` shows only when the file runs")
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        arguments = tuple(self.value(part, scope, moment) for part in parts)
        return _union_form(origin, arguments)

    def _item(self, owner: Value, key: Value, node: ast.expr) -> Value:
        try:
            return owner[key]
        except (LookupError, TypeError) as error:
            raise UnknowableError(f"`{shown(node)}` fails") from error

    def _sequence(self, node: ast.expr, scope: Scope, moment: int) -> Value:
        assert isinstance(node, (ast.List, ast.Tuple, ast.Set))
        items: list[Value] = []
        for part in node.elts:
            if isinstance(part, ast.Starred):
                inner = self.value(part.value, scope, moment)
                if not isinstance(inner, (list, tuple)):
                    raise UnknowableError(f"`{shown(node)}` shows only when the file runs")
                items += inner
            else:
                items.append(self.value(part, scope, moment))
        kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return self._built(lambda: kind(items), node)

    def _dict(self, node: ast.expr, scope: Scope, moment: int) -> Value:
        assert isinstance(node, ast.Dict)
        made: dict[Value, Value] = {}
        for key, part in zip(node.keys, node.values, strict=True):
            item = self.value(part, scope, moment)
            if key is not None:
                found = self.value(key, scope, moment)
                made |= self._pair(found, item, node)
            elif isinstance(item, dict):
                made |= item
            else:
                raise UnknowableError(f"`{shown(node)}` shows only when the file runs")
        return made

    def _pair(self, key: Value, item: Value, node: ast.expr) -> dict[Value, Value]:
        return self._built(lambda: {key: item}, node)  # type: ignore[no-any-return]

    def _unary(self, node: ast.expr, scope: Scope, moment: int) -> Value:
        assert isinstance(node, ast.UnaryOp)
        operand = self.value(node.operand, scope, moment)
        if isinstance(node.op, ast.Not) and isinstance(operand, (bool, int, str, type(None))):
            return not operand
        operation = _SIGNS.get(type(node.op))
        if operation is not None and isinstance(operand, (int, float, Decimal, dt.timedelta)):
            return self._built(lambda: operation(operand), node)
        raise UnknowableError(f"`{shown(node)}` shows only when the file runs")

    def _binary(self, node: ast.expr, scope: Scope, moment: int) -> Value:
        assert isinstance(node, ast.BinOp)
        left, right = (self.value(side, scope, moment) for side in (node.left, node.right))
        if isinstance(node.op, ast.BitOr) and _may_be_type(left) and _may_be_type(right):
            return UnionOf((left, right))
        operation = _OPERATIONS.get(type(node.op))
        if operation is None or not self._built(lambda: _calculable(type(node.op), left, right), node):
            raise UnknowableError(f"`{shown(node)}` shows only when the file runs")
        return self._built(lambda: operation(left, right), node)

    def _joined(self, node: ast.expr, scope: Scope, moment: int) -> Value:
        assert isinstance(node, ast.JoinedStr)
        text = ""
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                value = self.value(part.value, scope, moment)
                if part.format_spec is not None or part.conversion != -1 or type(value) not in (str, int, bool):
                    raise UnknowableError(f"`{shown(node)}` shows only when the file runs")
                text += str(value)
            else:
                text += str(self.value(part, scope, moment))
        return text

    def _lambda(self, node: ast.expr, scope: Scope, moment: int) -> Value:
        assert isinstance(node, ast.Lambda)
        return FunctionValue(node, scope, moment)

    def _call(self, node: ast.expr, scope: Scope, moment: int) -> Value:
        assert isinstance(node, ast.Call)
        function = self.value(node.func, scope, moment)
        if isinstance(function, Library):
            return self._library_call(function, node, scope, moment)
        if isinstance(function, FlowMaker):
            return self._flow_call(function, node, scope, moment)
        if isinstance(function, Method) and function.name == "with_options":
            return _with_options(function.of, self._keywords(node, scope, moment))
        if isinstance(function, ClassValue):
            return self._instance(function, node, scope, moment)
        raise UnknowableError(f"`{shown(node)}` shows only when the file runs")

    def _library_call(self, function: Library, node: ast.Call, scope: Scope, moment: int) -> Value:
        if function.name == "functools.partial":
            return self._partial(node, scope, moment)
        if function.name in CONSTRUCTORS:
            return self._constructed(function.name, node, scope, moment)
        if function.name not in DEFERRED:
            raise UnknowableError(f"`{shown(node)}` shows only when the file runs")
        arguments = tuple(self._lenient(part, scope, moment) for part in node.args)
        return Call(function, arguments, self._keywords(node, scope, moment))

    def _keywords(self, node: ast.Call, scope: Scope, moment: int) -> dict[str, Value]:
        """The keywords of a call; what is unknowable among them stands there as that exception."""
        keywords: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self._lenient(keyword.value, scope, moment)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
                keywords |= value
            else:
                raise UnknowableError(f"`{shown(node)}` shows only when the file runs")
        return keywords

    def _lenient(self, node: ast.expr, scope: Scope, moment: int) -> Value:
        try:
            return self.value(node, scope, moment)
        except UnknowableError as unknowable:
            return unknowable

    def _partial(self, node: ast.Call, scope: Scope, moment: int) -> Value:
        made = self.value(node.args[0], scope, moment) if len(node.args) == 1 else None
        if not isinstance(made, FlowMaker):
            raise UnknowableError(f"`{shown(node)}` shows only when the file runs")
        return FlowMaker({**made.keywords, **self._keywords(node, scope, moment)})

    def _flow_call(self, maker: FlowMaker, node: ast.Call, scope: Scope, moment: int) -> Value:
        keywords = {**maker.keywords, **self._keywords(node, scope, moment)}
        function = keywords.pop("fn", None)
        if node.args and function is None:
            function = self.value(node.args[0], scope, moment)
        maker = FlowMaker(keywords)
        return maker if function is None else _made(maker, function)

    def _instance(self, owner: ClassValue, node: ast.Call, scope: Scope, moment: int) -> Value:

        if is_enum(self, owner) and len(node.args) == 1 and not node.keywords:
            return enum_of_value(self, owner, self.value(node.args[0], scope, moment))
        return Instance(owner, self._keywords(node, scope, moment), positional=bool(node.args))

    def _constructed(self, name: str, node: ast.Call, scope: Scope, moment: int) -> Value:
        if any(isinstance(part, ast.Starred) for part in node.args):
            raise UnknowableError(f"`{shown(node)}` shows only when the file runs")
        arguments = [self.value(part, scope, moment) for part in node.args]
        keywords = self._keywords(node, scope, moment)
        if not all(_is_plain(value) for value in [*arguments, *keywords.values()]):
            raise UnknowableError(f"`{shown(node)}` shows only when the file runs")
        return self._built(lambda: CONSTRUCTORS[name](*arguments, **keywords), node)

    def _built(self, build: Callable[[], Value], node: ast.expr) -> Value:
        try:
            return build()
        except (ValueError, TypeError, ArithmeticError, LookupError, OSError) as error:
            raise UnknowableError(f"`{shown(node)}` fails: {error}") from error


def library(name: str) -> Value:
    """Something of a library, under the one name by which it is known here."""
    name = _canonical(name)
    if name in _FLOWS:
        return FlowMaker({})
    if name in ("datetime.timezone.utc", "datetime.UTC"):
        return dt.UTC
    if name.startswith("datetime.") and name.removesuffix(".min").removesuffix(".max") in MODULE_CLASSES - {name}:
        cls, _, end = name.removeprefix("datetime.").rpartition(".")
        return getattr(getattr(dt, cls), end)
    return Library(name)


def _canonical(name: str) -> str:
    for prefix, canonical in CANONICAL_PREFIXES:
        if name.startswith(prefix):
            return canonical + name.removeprefix(prefix)
    return name


def _identity(binding: Binding) -> str | int:
    """The same for two imports of one thing, as in `try: from typing import … except ImportError: …`."""
    return _canonical(binding.name) if isinstance(binding, Imported) else id(binding)


_CHANGEABLE: Final = (list, dict, set)


def _holds_changeable(value: Value) -> bool:
    """Whether a collection holds collections that can be changed."""
    items = [*value.values()] if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else []
    return any(isinstance(item, _CHANGEABLE) or _holds_changeable(item) for item in items)


def _made(maker: FlowMaker, function: Value) -> FlowValue:
    if isinstance(function, FunctionValue):
        return FlowValue(function, maker.keywords)
    if isinstance(function, FlowValue) and function.doubt:
        return FlowValue(None, maker.keywords, function.doubt)
    if isinstance(function, FlowValue):
        # update_wrapper() copies what the inner flow holds, its name and description included, over the outer's
        return function
    raise UnknowableError("the flow's function is not in this file")


def _with_options(made: FlowValue, keywords: Mapping[str, Value]) -> FlowValue:
    given = {name: value for name, value in keywords.items() if name in ("name", "description") and value}
    return FlowValue(made.defined, {**made.keywords, **given}, made.doubt)


def _doubted(node: ast.expr) -> FlowValue:
    """What a decorator leaves that may replace the function: a `@flow(name=…)` above it still names the flow."""
    return FlowValue(None, {}, f"the decorator `@{shown(node)}` may change the function")


def _bounded(value: Value) -> Value:
    """The value, unless it is larger than any that people write."""
    if isinstance(value, (str, bytes)):
        large = len(value) > MAX_SIZE
    elif isinstance(value, int):
        large = value.bit_length() > MAX_BITS
    else:
        large = isinstance(value, _COMPOSED) and _is_large(value)
    if large:
        raise UnknowableError("its value is too large to be read")
    return value


def _is_large(value: Value) -> bool:
    count, waiting = 0, [value]
    while waiting:
        parts = _parts(waiting.pop())
        count += 1 + len(parts)
        if count > MAX_SIZE:
            return True
        waiting += [part for part in parts if isinstance(part, _COMPOSED)]
    return False


def _parts(value: Value) -> Collection[Value]:
    if isinstance(value, dict):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, Generic):
        return value.arguments
    if isinstance(value, UnionOf):
        return value.members
    if isinstance(value, (Call, Instance)):
        return [*getattr(value, "arguments", ()), *value.keywords.values()]
    return value if isinstance(value, (list, tuple, set, frozenset)) else ()


_COMPOSED: Final = (list, tuple, dict, set, frozenset, Generic, UnionOf, Call, Instance)


def _returns(node: ast.AST) -> Iterator[ast.Return]:
    """The return statements of a function itself, not those of functions within it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Return):
            yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            yield from _returns(child)


def _union_form(origin: Value, arguments: tuple[Value, ...]) -> Value:
    if origin == Library("typing.Optional") and len(arguments) == 1:
        return UnionOf((arguments[0], None))
    if origin == Library("typing.Union"):
        return UnionOf(arguments)
    return Generic(origin, arguments)


def _may_be_type(value: Value) -> bool:
    return value is None or isinstance(value, (Library, Generic, UnionOf, ClassValue, Call))


def _calculable(operation: type[ast.operator], left: Value, right: Value) -> bool:
    if isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS):
        big = operation in {ast.Pow, ast.LShift} and (abs(_float(right)) > 64 or abs(_float(left)) > 10**9)
        return not big and operation is not ast.MatMult
    if operation is ast.Add and isinstance(left, (str, bytes, list, tuple)):
        return type(left) is type(right) and _is_plain(left)
    if operation is ast.Mult and isinstance(left, (str, bytes, list, tuple)) and type(right) is int:
        return len(left) * max(right, 0) <= MAX_SIZE
    dated = isinstance(left, dt.date) and isinstance(right, dt.timedelta)
    return dated and operation in {ast.Add, ast.Sub}


_NUMBERS: Final = (int, float, Decimal, dt.timedelta)


def _float(value: Value) -> float:
    return value.total_seconds() if isinstance(value, dt.timedelta) else float(value)


_PLAIN: Final = (
    *(bool, int, float, str, bytes, type(None), Decimal, uuid.UUID, pathlib.PurePath),
    *(dt.date, dt.time, dt.timedelta, dt.tzinfo),
)


def _is_plain(value: Value) -> bool:
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(item) for pair in value.items() for item in pair)
    return isinstance(value, _PLAIN)


def _collection(kind: Callable[..., Value]) -> Callable[..., Value]:
    def build(*arguments: Value, **keywords: Value) -> Value:
        if arguments and not isinstance(arguments[0], (list, tuple, set, frozenset, dict)):
            raise TypeError("a collection of constants is expected")
        return kind(*arguments, **keywords)

    return build


def _scalar(kind: Callable[..., Value]) -> Callable[..., Value]:
    def build(*given: Value) -> Value:
        if len(given) > 1 or not all(isinstance(value, (str, int)) for value in given):
            raise TypeError("one text or whole number is expected")
        return kind(*given)

    return build


CONSTRUCTORS: Final[Mapping[str, Callable[..., Value]]] = {
    "datetime.date": dt.date,
    "datetime.datetime": dt.datetime,
    "datetime.time": dt.time,
    "datetime.timedelta": dt.timedelta,
    "datetime.timezone": dt.timezone,
    "datetime.date.fromisoformat": dt.date.fromisoformat,
    "decimal.Decimal": Decimal,
    "uuid.UUID": uuid.UUID,
    # the parts of a path are joined as on the machines that review the plan, whatever system this one runs
    "pathlib.Path": pathlib.PurePosixPath,
    "pathlib.PurePath": pathlib.PurePosixPath,
    "pathlib.PurePosixPath": pathlib.PurePosixPath,
    "pathlib.PureWindowsPath": pathlib.PureWindowsPath,
    "pydantic.SecretStr": lambda text: Secret(empty=not text),
    "builtins.list": _collection(list),
    "builtins.tuple": _collection(tuple),
    "builtins.set": _collection(set),
    "builtins.frozenset": _collection(frozenset),
    "builtins.dict": _collection(dict),
    "builtins.int": _scalar(int),
    "builtins.float": _scalar(float),
    "builtins.bool": _scalar(bool),
    "builtins.str": _scalar(str),
}
"""Calls that are worked out, on constants only."""

_SIGNS: Final[Mapping[type[ast.unaryop], Callable[[Any], Any]]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
}

_EXPRESSIONS: Final[Mapping[type[ast.expr], Callable[[Evaluator, ast.expr, Scope, int], Value]]] = {
    ast.Constant: Evaluator._constant,
    ast.Name: Evaluator._name,
    ast.Attribute: Evaluator._attribute,
    ast.Subscript: Evaluator._subscript,
    ast.List: Evaluator._sequence,
    ast.Tuple: Evaluator._sequence,
    ast.Set: Evaluator._sequence,
    ast.Dict: Evaluator._dict,
    ast.UnaryOp: Evaluator._unary,
    ast.BinOp: Evaluator._binary,
    ast.JoinedStr: Evaluator._joined,
    ast.Lambda: Evaluator._lambda,
    ast.Call: Evaluator._call,
}

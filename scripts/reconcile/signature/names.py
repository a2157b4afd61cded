"""What each name of a module may stand for, at each moment while Python would run the file from top to bottom.

Every binding gets a moment; a branch leaves each of its names with several possible bindings. Nothing is evaluated
here: a binding keeps its expression, for `values` to read.
"""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Imported:
    """Something of another module, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """The value of an expression, read in its scope at its moment."""

    value: ast.expr
    scope: Scope
    moment: int


@dataclass(frozen=True, slots=True, eq=False)
class ClassDefined:
    """A class of this file, with the names of its body."""

    node: ast.ClassDef
    scope: Scope
    body: Scope
    moment: int


@dataclass(frozen=True, slots=True, eq=False)
class FunctionDefined:
    """A function of this file."""

    node: FunctionNode
    scope: Scope
    moment: int


@dataclass(frozen=True, slots=True)
class Unclear:
    """Something, but what it is shows only when the file runs."""

    why: str


@dataclass(frozen=True, slots=True)
class Unbound:
    """Nothing: where one branch binds the name and another does not."""


Binding = Imported | Assigned | ClassDefined | FunctionDefined | Unclear | Unbound
Bindings = tuple[Binding, ...]

UNBOUND: Final = Unbound()
MANY: Final = 8
"""With more possible bindings than this, nobody asks which one it is."""


@dataclass(slots=True, eq=False)
class Scope:
    """The names of the module or of one class body. `name` is the qualified name of the class, "" for the module."""

    name: str
    outer: Scope | None = None
    versions: dict[str, list[tuple[int, Bindings]]] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    star: int | None = None

    def at(self, name: str, moment: int) -> Bindings:
        """What the name may stand for in this scope itself; nothing when it is not bound yet."""
        versions = self.versions.get(name, [])
        place = bisect_right(versions, moment, key=lambda version: version[0])
        return versions[place - 1][1] if place else ()

    def since(self, name: str, moment: int) -> Bindings:
        """Everything that the name stood for after a moment."""
        found = [bindings for when, bindings in self.versions.get(name, []) if when > moment]
        return tuple(binding for bindings in found for binding in bindings)

    def put(self, name: str, moment: int, bindings: Bindings) -> None:
        """From this moment on, the name stands for one of these."""
        self.versions.setdefault(name, []).append((moment, bindings))
        self.changed.append(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A file that was read: its names, and what code does to them beyond binding.

    `altered` are names that are used in a way in which a list could be changed in place; `opened` those whose items
    are handed out, which matters for lists within lists; `restamped` those that get attributes set from outside,
    which matters for classes; `unstable` those that functions rebind by `global`. `uses_pydantic_1`: Prefect then
    writes the whole schema by the rules of pydantic 1.
    """

    tree: ast.Module
    scope: Scope
    end: int
    future_annotations: bool
    altered: frozenset[str]
    opened: frozenset[str]
    restamped: frozenset[str]
    unstable: frozenset[str]
    uses_pydantic_1: bool


def read_module(tree: ast.Module) -> Module:
    """All names of a module."""
    scope = Scope(name="")
    reader = _Reader()
    reader.run(tree.body, scope)
    survey = _Survey(tree)
    return Module(
        tree=tree,
        scope=scope,
        end=reader.moment + 1,
        future_annotations=_has_future_annotations(tree.body),
        altered=survey.altered(),
        opened=frozenset(survey.opened.values()),
        restamped=frozenset(survey.restamped),
        unstable=frozenset(survey.unstable),
        uses_pydantic_1=survey.uses_pydantic_1,
    )


def _has_future_annotations(body: Sequence[ast.stmt]) -> bool:
    return any(
        isinstance(statement, ast.ImportFrom)
        and statement.module == "__future__"
        and any(alias.name == "annotations" for alias in statement.names)
        for statement in body
    )


class _Reader:
    """Walks the statements in the order in which they run; functions' bodies don't run."""

    def __init__(self) -> None:
        self.moment = 0

    def run(self, body: Iterable[ast.stmt], scope: Scope) -> bool:
        """Read statements; whether they leave by an exception or an exit, so that nothing after them is reached."""
        for statement in body:
            reader = _READERS.get(type(statement), _Reader._expression)
            reader(self, statement, scope)
            if _leaves(statement):
                return True
        return False

    def bind(self, scope: Scope, name: str, *bindings: Binding) -> None:
        self.moment += 1
        many = len(bindings) > MANY
        scope.put(name, self.moment, (Unclear("it depends on what happens when the file runs"),) if many else bindings)

    def _expression(self, statement: ast.stmt, scope: Scope) -> None:
        for node in ast.walk(statement):
            if isinstance(node, ast.NamedExpr) and isinstance(node.target, ast.Name):
                self.bind(scope, node.target.id, Unclear("it is assigned inside an expression"))

    def _import(self, statement: ast.stmt, scope: Scope) -> None:
        assert isinstance(statement, ast.Import)
        for alias in statement.names:
            top = alias.name.partition(".")[0]
            self.bind(scope, alias.asname or top, Imported(alias.name if alias.asname else top))

    def _import_from(self, statement: ast.stmt, scope: Scope) -> None:
        assert isinstance(statement, ast.ImportFrom)
        module = "." * statement.level + (statement.module or "")
        for alias in statement.names:
            if alias.name == "*":
                self._star(module, scope)
            else:
                self.bind(scope, alias.asname or alias.name, Imported(f"{module}.{alias.name}"))

    def _star(self, module: str, scope: Scope) -> None:
        """`import *` may rebind what the file itself has bound: only names imported by name are still trusted."""
        known = STAR_EXPORTS.get(module)
        if known is None:
            for name in list(scope.versions):
                if any(not isinstance(binding, Imported) for binding in scope.at(name, self.moment)):
                    self.bind(scope, name, Unclear(f"`from {module} import *` may have replaced it"))
            self.moment += 1
            scope.star = self.moment
        for name in known or ():
            self.bind(scope, name, Imported(f"{module}.{name}"))

    def _assign(self, statement: ast.stmt, scope: Scope) -> None:
        assert isinstance(statement, ast.Assign)
        self._expression(statement, scope)
        for target in statement.targets:
            self._target(target, statement.value, scope)

    def _annotated(self, statement: ast.stmt, scope: Scope) -> None:
        assert isinstance(statement, ast.AnnAssign)
        if statement.value is not None:
            self._expression(statement, scope)
            self._target(statement.target, statement.value, scope)

    def _target(self, target: ast.expr, value: ast.expr | None, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            if value is None:
                self.bind(scope, target.id, Unclear("its value shows only when the file runs"))
            else:
                self.bind(scope, target.id, Assigned(value, scope, self.moment))
        elif isinstance(target, ast.Starred):
            self._target(target.value, None, scope)
        elif isinstance(target, (ast.Tuple, ast.List)):
            parts = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
            starred = any(isinstance(part, ast.Starred) for part in [*parts, *target.elts])
            matched = len(parts) == len(target.elts) and not starred
            before = self.moment
            for index, element in enumerate(target.elts):
                part = parts[index] if matched else None
                if part is not None and isinstance(element, ast.Name):
                    self.bind(scope, element.id, Assigned(part, scope, before))
                else:
                    self._target(element, part, scope)

    def _augmented(self, statement: ast.stmt, scope: Scope) -> None:
        assert isinstance(statement, ast.AugAssign)
        self._target(statement.target, None, scope)

    def _delete(self, statement: ast.stmt, scope: Scope) -> None:
        assert isinstance(statement, ast.Delete)
        for target in statement.targets:
            if isinstance(target, ast.Name):
                self.bind(scope, target.id, UNBOUND)

    def _function(self, statement: ast.stmt, scope: Scope) -> None:
        assert isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef))
        self.bind(scope, statement.name, FunctionDefined(statement, scope, self.moment))

    def _class(self, statement: ast.stmt, scope: Scope) -> None:
        assert isinstance(statement, ast.ClassDef)
        outer = scope.outer or scope
        body = Scope(name=f"{scope.name}.{statement.name}".lstrip("."), outer=outer)
        before = self.moment
        self.run(statement.body, body)
        self.bind(scope, statement.name, ClassDefined(statement, scope, body, before))

    def _if(self, statement: ast.stmt, scope: Scope) -> None:
        assert isinstance(statement, ast.If)
        decided = _decided(statement.test)
        if decided is None:
            self._branches(scope, [statement.body, statement.orelse])
        else:
            self.run(statement.body if decided else statement.orelse, scope)

    def _try(self, statement: ast.stmt, scope: Scope) -> None:
        # ast.TryStar has the same fields
        body, orelse = statement.body, statement.orelse  # type: ignore[attr-defined]
        handlers, finalbody = statement.handlers, statement.finalbody  # type: ignore[attr-defined]
        before = self.moment
        self._branches(scope, [[*body, *orelse], *[handler.body for handler in handlers]], unfinished=bool(handlers))
        for handler in handlers:
            if handler.name and scope.at(handler.name, before) == ():
                self.bind(scope, handler.name, UNBOUND)
        self.run(finalbody, scope)

    def _loop(self, statement: ast.stmt, scope: Scope) -> None:
        assert isinstance(statement, (ast.For, ast.AsyncFor, ast.While))
        before = len(scope.changed)
        if not isinstance(statement, ast.While):
            self._target(statement.target, None, scope)
        self._branches(scope, [statement.body, []])
        self.run(statement.orelse, scope)
        for name in dict.fromkeys(scope.changed[before:]):
            if any(isinstance(binding, Assigned) for binding in scope.at(name, self.moment)):
                self.bind(scope, name, Unclear("it is assigned in a loop"))

    def _with(self, statement: ast.stmt, scope: Scope) -> None:
        assert isinstance(statement, (ast.With, ast.AsyncWith))
        for item in statement.items:
            if item.optional_vars is not None:
                self._target(item.optional_vars, None, scope)
        # a context manager may swallow an exception anywhere in its body
        self._branches(scope, [statement.body, []], unfinished=True)

    def _match(self, statement: ast.stmt, scope: Scope) -> None:
        assert isinstance(statement, ast.Match)
        for node in (node for case in statement.cases for node in ast.walk(case.pattern)):
            name = getattr(node, "name", None) or getattr(node, "rest", None)
            if isinstance(name, str):
                self.bind(scope, name, Unclear("a `match` binds it"))
        self._branches(scope, [*[case.body for case in statement.cases], []])

    def _type_alias(self, statement: ast.stmt, scope: Scope) -> None:
        name = getattr(statement, "name", None)
        if isinstance(name, ast.Name):
            self.bind(scope, name.id, Unclear("it is declared by a `type` statement"))

    def _branches(self, scope: Scope, bodies: Sequence[Sequence[ast.stmt]], *, unfinished: bool = False) -> None:
        """Read alternatives, each from the same start, then leave every changed name with what any left it with.

        `unfinished`: the first may stop anywhere, and the others begin where it stopped.
        """
        start, ends = self.moment, []
        changed: dict[str, None] = {}
        for body in bodies:
            done = len(scope.changed)
            leaves = self.run(body, scope)
            touched = dict.fromkeys(scope.changed[done:])
            changed |= touched
            if not leaves:
                ends.append({name: scope.at(name, self.moment) for name in touched})
            self._rewind(scope, touched, start, keep=unfinished and body is bodies[0])
            if unfinished and body is bodies[0]:
                start = self.moment
        for name in changed:
            before = scope.at(name, start) or (UNBOUND,)
            found = [end.get(name, before) for end in ends] or [before]
            self.bind(scope, name, *dict.fromkeys(binding for bindings in found for binding in bindings))

    def _rewind(self, scope: Scope, names: Iterable[str], start: int, *, keep: bool) -> None:
        for name in names:
            before = scope.at(name, start) or (UNBOUND,)
            after = scope.since(name, start) if keep else ()
            self.bind(scope, name, *dict.fromkeys((*before, *after)))


def _leaves(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise):
        return True
    call = statement.value if isinstance(statement, ast.Expr) else None
    called = call.func if isinstance(call, ast.Call) else None
    if isinstance(called, ast.Attribute):
        return called.attr == "exit" and isinstance(called.value, ast.Name) and called.value.id == "sys"
    return isinstance(called, ast.Name) and called.id in ("exit", "quit")


def _decided(test: ast.expr) -> bool | None:
    """The outcome of a test that is the same at every import: a type checker's block, the script's own main."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _decided(test.operand)
        return None if inner is None else not inner
    name = getattr(test, "attr", None) or getattr(test, "id", None)
    if name == "TYPE_CHECKING":
        return False
    is_main = isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"
    if is_main and isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq):
        other = test.comparators[0]
        return False if isinstance(other, ast.Constant) and other.value == "__main__" else None
    return None


_READERS: Final[dict[type[ast.AST], Callable[[_Reader, ast.stmt, Scope], None]]] = {
    ast.Import: _Reader._import,
    ast.ImportFrom: _Reader._import_from,
    ast.Assign: _Reader._assign,
    ast.AnnAssign: _Reader._annotated,
    ast.AugAssign: _Reader._augmented,
    ast.Delete: _Reader._delete,
    ast.FunctionDef: _Reader._function,
    ast.AsyncFunctionDef: _Reader._function,
    ast.ClassDef: _Reader._class,
    ast.If: _Reader._if,
    ast.Try: _Reader._try,
    ast.TryStar: _Reader._try,
    ast.For: _Reader._loop,
    ast.AsyncFor: _Reader._loop,
    ast.While: _Reader._loop,
    ast.With: _Reader._with,
    ast.AsyncWith: _Reader._with,
    ast.Match: _Reader._match,
}
if hasattr(ast, "TypeAlias"):  # Python 3.12
    _READERS[ast.TypeAlias] = _Reader._type_alias

STAR_EXPORTS: Final[dict[str, tuple[str, ...]]] = {
    "prefect": ("flow", "task", "Flow"),
    "datetime": ("date", "datetime", "time", "timedelta", "timezone", "tzinfo", "UTC"),
    "decimal": ("Decimal",),
    "pathlib": ("Path", "PurePath", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"),
    "enum": ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "auto", "unique"),
    "dataclasses": ("dataclass", "field", "InitVar", "KW_ONLY"),
    "typing": (
        *("Any", "Optional", "Union", "Literal", "Annotated", "List", "Dict", "Tuple", "Set", "FrozenSet", "Sequence"),
        *("Iterable", "Mapping", "MutableMapping", "MutableSequence", "Callable", "Type", "NamedTuple", "TypedDict"),
        *("NewType", "TypeVar", "Generic", "ClassVar", "Final", "Deque", "DefaultDict", "OrderedDict", "Counter"),
        *("NotRequired", "Required", "Text", "Pattern", "TYPE_CHECKING", "Protocol", "final"),
    ),
}
"""What `import *` brings from modules that bind nothing else of use in a signature."""

_LOOKING: Final = frozenset(["print", "len", "repr", "str", "isinstance", "bool", "type"])
_OPENING: Final = frozenset(
    [
        *("sorted", "list", "tuple", "set", "frozenset", "dict", "sum", "min", "max", "any", "all", "enumerate"),
        *("reversed", "zip", "map", "filter", "iter", "get", "items", "keys", "values", "copy", "index", "count"),
    ]
)


class _Survey:
    """One walk over the whole file, for what code does to names apart from binding them."""

    def __init__(self, tree: ast.Module) -> None:
        self.names: list[ast.Name] = []
        self.looked: set[int] = set()
        self.opened: dict[int, str] = {}
        self.restamped: set[str] = set()
        self.unstable: set[str] = set()
        self.uses_pydantic_1 = False
        for node in ast.walk(tree):
            note = _NOTES.get(type(node))
            if note is not None:
                note(self, node)

    def altered(self) -> frozenset[str]:
        """The names of which a use could change a list in place."""
        safe = self.looked | self.opened.keys()
        return frozenset(node.id for node in self.names if isinstance(node.ctx, ast.Load) and id(node) not in safe)

    def look(self, *nodes: ast.AST | None) -> None:
        """These parts are read and no more."""
        self.looked.update(id(node) for node in nodes if isinstance(node, ast.Name))

    def open(self, *nodes: ast.AST | None) -> None:
        """The items of these parts go elsewhere."""
        self.opened.update((id(node), node.id) for node in nodes if isinstance(node, ast.Name))

    def _name(self, node: ast.Name) -> None:
        self.names.append(node)

    def _function(self, node: FunctionNode) -> None:
        # flows and tasks: nothing calls them while the file is imported
        if node.decorator_list:
            self.look(*node.args.defaults, *node.args.kw_defaults)

    def _compare(self, node: ast.Compare) -> None:
        self.look(node.left, *node.comparators)

    def _formatted(self, node: ast.FormattedValue) -> None:
        self.look(node.value)

    def _call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _LOOKING:
            self.look(*node.args)
        elif name in _OPENING:
            self.open(*node.args)
        elif name in {"setattr", "delattr"}:
            self.restamped.update(part.id for part in node.args[:1] if isinstance(part, ast.Name))

    def _iterated(self, node: ast.For | ast.AsyncFor | ast.comprehension) -> None:
        self.open(node.iter)

    def _dict(self, node: ast.Dict) -> None:
        self.open(*[value for key, value in zip(node.keys, node.values, strict=True) if key is None])

    def _keyword(self, node: ast.keyword) -> None:
        if node.arg is None:
            self.open(node.value)

    def _starred(self, node: ast.Starred) -> None:
        self.open(node.value)

    def _subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.ctx, ast.Load):
            self.open(node.value)

    def _attribute(self, node: ast.Attribute) -> None:
        if node.attr in _OPENING:
            self.open(node.value)
        if not isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name):
            self.restamped.add(node.value.id)
        if node.attr == "v1":
            self.uses_pydantic_1 = True

    def _global(self, node: ast.Global) -> None:
        self.unstable.update(node.names)

    def _import(self, node: ast.Import) -> None:
        if any(alias.name.startswith("pydantic.v1") for alias in node.names):
            self.uses_pydantic_1 = True

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if module.startswith("pydantic.v1") or (module == "pydantic" and any(a.name == "v1" for a in node.names)):
            self.uses_pydantic_1 = True


_NOTES: Final[dict[type[ast.AST], Callable[[_Survey, Any], None]]] = {
    ast.Name: _Survey._name,
    ast.FunctionDef: _Survey._function,
    ast.AsyncFunctionDef: _Survey._function,
    ast.Compare: _Survey._compare,
    ast.FormattedValue: _Survey._formatted,
    ast.Call: _Survey._call,
    ast.For: _Survey._iterated,
    ast.AsyncFor: _Survey._iterated,
    ast.comprehension: _Survey._iterated,
    ast.Dict: _Survey._dict,
    ast.keyword: _Survey._keyword,
    ast.Starred: _Survey._starred,
    ast.Subscript: _Survey._subscript,
    ast.Attribute: _Survey._attribute,
    ast.Global: _Survey._global,
    ast.Import: _Survey._import,
    ast.ImportFrom: _Survey._import_from,
}

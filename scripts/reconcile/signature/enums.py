"""Enumerations of the same file: their members and values, as the enum module makes them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from reconcile.signature.kinds import Call, ClassValue, EnumMember, Library, UnknowableError, Value

if TYPE_CHECKING:
    from reconcile.signature.values import Evaluator

_BASES: Final = {
    "enum.Enum": "object",
    "enum.IntEnum": "int",
    "enum.StrEnum": "str",
    "enum.Flag": "flag",
    "enum.IntFlag": "flag",
}
_MIXINS: Final = {"builtins.str": "str", "builtins.int": "int", "builtins.float": "float"}
_AUTO: Final = Library("enum.auto")
_UNSETTLING: Final = frozenset(["__new__", "_generate_next_value_", "_value_", "__set_name__", "_ignore_"])


def bases(evaluator: Evaluator, owner: ClassValue) -> tuple[Value, ...]:
    """What a class of this file inherits from; an exception stands for what cannot be known."""
    binding, found = owner.binding, []
    for node in binding.node.bases:
        try:
            found.append(evaluator.value(node, binding.scope, binding.moment))
        except UnknowableError as unknowable:
            found.append(unknowable)
    return tuple(found)


def is_enum(evaluator: Evaluator, owner: ClassValue) -> bool:
    """Whether a class of this file is an enumeration."""
    if owner not in evaluator.enums:
        evaluator.enums[owner] = _is_enum(evaluator, owner)
    return evaluator.enums[owner]


def _is_enum(evaluator: Evaluator, owner: ClassValue) -> bool:
    for base in bases(evaluator, owner):
        if isinstance(base, Library) and base.name in _BASES:
            return True
        if isinstance(base, ClassValue) and base != owner and is_enum(evaluator, base):
            return True
    return False


def enum_member(evaluator: Evaluator, owner: ClassValue, name: str) -> EnumMember:
    """One member, by its name."""
    members = enum_members(evaluator, owner)
    if name not in members:
        raise UnknowableError(f"`{owner.name}` has no member `{name}`")
    return members[name]


def enum_of_value(evaluator: Evaluator, owner: ClassValue, value: Value) -> EnumMember:
    """One member, by its value."""
    for member in enum_members(evaluator, owner).values():
        if type(member.value) is type(value) and member.value == value:
            return member
    raise UnknowableError(f"`{owner.name}` has no such member")


def enum_members(evaluator: Evaluator, owner: ClassValue) -> dict[str, EnumMember]:
    """All members in their order, other names of the same member included."""
    kind = _kind(evaluator, owner)
    _refuse_unsettled(evaluator, owner)
    members: dict[str, EnumMember] = {}
    for statement in owner.binding.node.body:
        for name, node in _assignments(statement):
            if name.startswith("_") and (name.endswith("_") or name.startswith("__")):
                if name.startswith("__") and not name.endswith("__"):
                    continue
                raise UnknowableError(f"`{owner.name}.{name}` changes the enumeration")
            if isinstance(node, ast.Lambda):
                continue
            value = evaluator.value(node, owner.binding.body, evaluator.module.end)
            if _is_auto(value):
                value = _next(evaluator, owner, name, [member.value for member in members.values()])
            members[name] = EnumMember(owner, name, _settled(owner, name, value, kind))
    return members


def _kind(evaluator: Evaluator, owner: ClassValue) -> str:
    kinds = []
    for base in bases(evaluator, owner):
        if isinstance(base, ClassValue) and is_enum(evaluator, base):
            _refuse_unsettled(evaluator, base)
            kinds.append(_kind(evaluator, base))
        elif isinstance(base, Library) and base.name in _BASES | _MIXINS:
            kinds.append((_BASES | _MIXINS)[base.name])
        else:
            raise UnknowableError(f"`{owner.name}` inherits from something that is not in this file")
    return next((kind for kind in kinds if kind != "object"), "object")


def _refuse_unsettled(evaluator: Evaluator, owner: ClassValue) -> None:
    node = owner.binding.node
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    names |= {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
    names |= {part.name for part in ast.walk(node) if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))}
    if names & _UNSETTLING or node.keywords or not all(_is_unique(evaluator, owner, d) for d in node.decorator_list):
        raise UnknowableError(f"`{owner.name}` makes its members in its own way")


def _is_unique(evaluator: Evaluator, owner: ClassValue, decorator: ast.expr) -> bool:
    return bool(evaluator.value(decorator, owner.binding.scope, owner.binding.moment) == Library("enum.unique"))


def _assignments(statement: ast.stmt) -> list[tuple[str, ast.expr]]:
    match statement:
        case ast.Assign(targets=targets, value=value) if all(isinstance(target, ast.Name) for target in targets):
            return [(target.id, value) for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return [(name, value)] if value is not None else []
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Pass() | ast.Expr(value=ast.Constant()):
            return []
        case _:
            raise UnknowableError("its body does more than list members")


def _is_auto(value: Value) -> bool:
    return _AUTO in (value, value.function if isinstance(value, Call) else None)


def _settled(owner: ClassValue, name: str, value: Value, kind: str) -> Value:
    if isinstance(value, EnumMember):
        value = value.value
    if kind == "object" and not isinstance(value, (Call, ClassValue, Library)):
        return value
    if kind in {"str", "int", "float"} and type(value).__name__ == kind:
        return value
    raise UnknowableError(f"`{owner.name}.{name}` shows only when the file runs")


def _next(evaluator: Evaluator, owner: ClassValue, name: str, before: list[Value]) -> Value:
    """The value of auto(), where every Python since 3.11 gives the same one."""
    if bases(evaluator, owner) == (Library("enum.StrEnum"),):
        return name.lower()
    if all(type(value) is int for value in before):
        return max(before, default=0) + 1
    raise UnknowableError(f"`{owner.name}.{name}` shows only when the file runs")

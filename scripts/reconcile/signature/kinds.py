"""The kinds of values that an expression can have when it is read without running it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconcile.signature.names import ClassDefined, FunctionNode, Scope

Value = Any
"""A constant as Python has it, or one of the classes below."""


class UnknowableError(Exception):
    """It shows only when the file runs; the text says why."""


class UnresolvableError(UnknowableError):
    """A name that is certainly not there when the flow is read: Python raises NameError."""


@dataclass(frozen=True, slots=True)
class Library:
    """Something of another module or a builtin, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True)
class Generic:
    """`origin[arguments]`."""

    origin: Value
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class UnionOf:
    """`a | b`, or what `Union` and `Optional` say."""

    members: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class ClassValue:
    """A class of this file."""

    binding: ClassDefined

    @property
    def name(self) -> str:
        """Its own name, without the classes around it."""
        return self.binding.node.name


@dataclass(frozen=True, slots=True, eq=False)
class FunctionValue:
    """A function of this file, or a lambda; `scope` and `moment` are those of its definition."""

    node: FunctionNode | ast.Lambda
    scope: Scope
    moment: int


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call of something known that is understood where it is used: `Field(…)`, `NewType(…)`."""

    function: Library
    arguments: tuple[Value, ...] = ()
    keywords: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """A call of a class of this file."""

    of: ClassValue
    keywords: Mapping[str, Value]
    positional: bool


@dataclass(frozen=True, slots=True)
class EnumMember:
    """A member of an enumeration of this file."""

    of: ClassValue
    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Secret:
    """A SecretStr: what it hides is not kept."""

    empty: bool


@dataclass(frozen=True, slots=True, eq=False)
class FlowMaker:
    """`flow`, or `flow(…)` that waits for its function."""

    keywords: Mapping[str, Value]


@dataclass(frozen=True, slots=True, eq=False)
class FlowValue:
    """A flow. `keywords`: those of its decorator that count; `defined` is None when its function is not known."""

    defined: FunctionValue | None
    keywords: Mapping[str, Value]
    doubt: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A method of a flow, not called yet."""

    of: FlowValue
    name: str


def shown(node: ast.expr) -> str:
    """An expression as it is written, cut to a length that fits a message."""
    try:
        text = " ".join(ast.unparse(node).split())
    except (ValueError, RecursionError):
        return "…"
    return text if len(text) <= 60 else text[:59] + "…"

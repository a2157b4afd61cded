"""Finds a flow in a module: what the last part of an entrypoint, `function` or `Class.method`, stands for."""

from __future__ import annotations

import ast
import difflib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reconcile.signature.kinds import ClassValue, FlowValue, FunctionValue, UnknowableError, UnresolvableError, Value
from reconcile.signature.names import UNBOUND, Assigned, ClassDefined, FunctionDefined, Imported, Module
from reconcile.signature.result import SignatureError
from reconcile.signature.values import Evaluator

_BANNED: Final = re.compile(r"[/%&<>]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A flow, or the reason why it is not certain what the name stands for."""

    flow: FlowValue | None
    line: int
    doubt: str = ""


def default_flow_name(function: str) -> str:
    """The name that Prefect gives a flow whose decorator has no `name=`."""
    return function.rpartition(".")[2].replace("_", "-").replace("<lambda>", "unknown-lambda")


def find_flow(evaluator: Evaluator, function: str) -> Found:
    """The flow that `function` or `Class.method` names."""
    module = evaluator.module
    line = _line(module, function)
    try:
        value = _named(evaluator, function)
    except UnknowableError as unknowable:
        return Found(flow=None, line=line, doubt=str(unknowable))
    if isinstance(value, FlowValue):
        return Found(flow=value, line=line, doubt=value.doubt)
    if isinstance(value, (FunctionValue, ClassValue)) or not _is_imported(module, function):
        raise SignatureError(
            "not-a-flow",
            f"`{function}` was expected to be a flow, but it has no `@flow` above it.",
            _hint(evaluator, function) or "Put `@flow` above the function, or name a function that has it.",
            line,
        )
    return Found(flow=None, line=line, doubt=f"`{function}` is imported from another file")


def flow_name(flow: FlowValue, line: int) -> str | None:
    """The name of a flow; None when it shows only when the file runs."""
    name = flow.keywords.get("name") or None
    if name is None:
        defined = flow.defined
        if defined is None:
            return None
        name = default_flow_name("<lambda>" if isinstance(defined.node, ast.Lambda) else defined.node.name)
    if not isinstance(name, str):
        return None
    if _BANNED.search(name):
        raise SignatureError(
            "flow-name-invalid",
            f'A flow\'s name must not contain / % & < or >, but this one is "{name}".',
            "Change `name=` in its `@flow(…)`: Prefect refuses to load it.",
            line,
        )
    return name


def description(flow: FlowValue) -> str | None:
    """The description of a flow: its decorator's, else its docstring; None also where it is not certain."""
    given = flow.keywords.get("description")
    if given:
        return given if isinstance(given, str) else None
    return docstring(flow.defined) if flow.defined else None


def docstring(function: FunctionValue) -> str | None:
    """The docstring of a function, as inspect.getdoc gives it."""
    if isinstance(function.node, ast.Lambda):
        return None
    text = ast.get_docstring(function.node, clean=False)
    return inspect.cleandoc(text) if text is not None else None


def _named(evaluator: Evaluator, function: str) -> Value:
    first, *rest = function.split(".")
    module = evaluator.module
    if module.scope.at(first, module.end) in ((), (UNBOUND,)):
        if module.scope.star is not None:
            raise UnknowableError("it may come from an `import *`")
        raise _missing(evaluator, function)
    value = evaluator.name(first, module.scope, module.end)
    for name in rest:
        if isinstance(value, (FlowValue, FunctionValue)):
            raise _missing(evaluator, function)
        if not isinstance(value, ClassValue):
            raise UnknowableError(f"what `{function}` belongs to is not a class of this file")
        try:
            value = evaluator.attribute(value, name)
        except UnresolvableError as error:
            raise _missing(evaluator, function) from error
    return value


def _line(module: Module, function: str) -> int:
    scope, line = module.scope, 1
    for name in function.split("."):
        for binding in scope.at(name, module.end):
            if isinstance(binding, (ClassDefined, FunctionDefined)):
                line = binding.node.lineno
            elif isinstance(binding, Assigned):
                line = binding.value.lineno
            if isinstance(binding, ClassDefined):
                scope = binding.body
    return line


def _is_imported(module: Module, function: str) -> bool:
    return any(isinstance(bound, Imported) for bound in module.scope.at(function.partition(".")[0], module.end))


def _missing(evaluator: Evaluator, function: str) -> SignatureError:
    return SignatureError(
        "function-missing",
        f"The file was expected to define `{function}`, but it does not.",
        _hint(evaluator, function) or "Name a function with `@flow` that the file defines.",
    )


def _hint(evaluator: Evaluator, function: str) -> str:
    outer = _nested_in(evaluator.module, function)
    if outer:
        return f"It is defined inside `{outer}`: move it to the top of the file, where Prefect can load it."
    flows = list(_flows(evaluator))
    last = {name.rpartition(".")[2]: name for name in flows}
    near = difflib.get_close_matches(function, flows, 1) or [
        last[name] for name in difflib.get_close_matches(function, list(last), 1)
    ]
    if near:
        return f"Did you mean `{near[0]}`?"
    return f"Flows of this file: {', '.join(flows[:5])}." if flows else ""


def _nested_in(module: Module, function: str) -> str:
    for outer in ast.walk(module.tree):
        if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for inner in ast.walk(outer):
                named = isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)) and inner.name == function
                if named and inner is not outer:
                    return outer.name
    return ""


def _flows(evaluator: Evaluator) -> Iterator[str]:
    """The flows of a module, methods included, by the names that an entrypoint uses."""
    module = evaluator.module
    scopes = [("", module.scope)]
    for prefix, scope in scopes:
        for name in scope.versions:
            for binding in scope.at(name, module.end):
                if isinstance(binding, ClassDefined):
                    scopes.append((f"{prefix}{name}.", binding.body))
                elif isinstance(binding, (FunctionDefined, Assigned)) and _is_flow(evaluator, binding):
                    yield prefix + name


def _is_flow(evaluator: Evaluator, binding: FunctionDefined | Assigned) -> bool:
    try:
        return isinstance(evaluator.of_binding(binding), FlowValue)
    except UnknowableError:
        return False

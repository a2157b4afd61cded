"""A flow's name and parameter schema out of its source text, which is never executed.

    names        what each name of the file may stand for, at each moment
    kinds        the kinds of values that an expression can have
    values       the value of an expression, without running it
    enums        enumerations of the file
    encode       a value as the JSON of a default
    annotations  a type as JSON Schema
    classes      models, dataclasses and the like of the file as definitions
    docstring    the descriptions of parameters
    flows        the flow that an entrypoint names
    parameters   its parameters
    folders      the relative paths that it takes
    result       what comes out

The result equals what Prefect computes for a flow that it can import; tests compare the two. What only running the
file would tell is left untyped, with a warning: never guessed.
"""

from __future__ import annotations

import ast
import difflib
import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from reconcile.problem import Fault, Severity
from reconcile.signature.flows import Found, default_flow_name, description, find_flow, flow_name
from reconcile.signature.folders import RelativePath, relative_paths
from reconcile.signature.names import read_module
from reconcile.signature.parameters import Read, parameter_schema, read_parameters
from reconcile.signature.result import Parameter, Signature, SignatureError
from reconcile.signature.values import Evaluator

__all__ = [
    "Parameter",
    "RelativePath",
    "Signature",
    "SignatureError",
    "check_parameters",
    "default_flow_name",
    "read_signature",
    "relative_paths",
]


def read_signature(text: str, function: str) -> Signature:
    """The signature of the flow that `function`, or `Class.method`, names in the text of a Python file."""
    try:
        evaluator = Evaluator(read_module(_parsed(text)))
        return _signature(evaluator, find_flow(evaluator, function), function)
    except RecursionError as error:
        raise SignatureError(
            "source-too-deep", "The file is nested too deeply to be read.", "Split its longest expression."
        ) from error


def check_parameters(signature: Signature, parameters: Mapping[str, Any], *, require_all: bool) -> tuple[Fault, ...]:
    """Names that the flow does not take and, if a run needs them all, the ones that are missing."""
    if signature.parameter_schema is None:
        return ()
    known = {parameter.name: parameter for parameter in signature.parameters}
    faults = [_unknown(name, known, signature) for name in parameters if name not in known]
    missing = [name for name, one in known.items() if one.required and name not in parameters]
    if require_all and missing:
        faults.append(_missing(missing, signature))
    return tuple(faults)


def _parsed(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.removeprefix("\ufeff"))
    except SyntaxError as error:
        running = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SignatureError(
            "source-syntax",
            f"The file was expected to be Python, but it does not parse: {error.msg}.",
            f"Correct it; if it needs a newer Python than the {running} that runs this, name the flow by `flow:`.",
            error.lineno,
        ) from error
    except (ValueError, MemoryError) as error:
        raise SignatureError(
            "source-syntax",
            f"The file was expected to be Python, but it does not parse: {error}.",
            "Save it as text in UTF-8.",
        ) from error


def _signature(evaluator: Evaluator, found: Found, function: str) -> Signature:
    flow = found.flow
    name = flow_name(flow, found.line) if flow is not None else None
    reads = read_parameters(evaluator, flow.defined) if flow is not None and flow.defined is not None else None
    return Signature(
        flow_name=name,
        function=function,
        line=found.line,
        parameters=tuple(read.parameter for read in reads or ()),
        parameter_schema=None if reads is None else parameter_schema(reads),
        description=description(flow) if flow is not None else None,
        warnings=tuple(_warnings(found, name, reads)),
    )


def _warnings(found: Found, name: str | None, reads: Iterable[Read] | None) -> Iterable[Fault]:
    if name is None:
        reason = found.doubt or "its `name=` shows only when the file runs"
        yield _warning("flow-name-unknown", f"The flow's name is not known: {reason}.", "Name it by `flow:`.")
    if reads is None:
        yield _warning(
            "parameters-unknown",
            f"The flow's parameters are not known: {found.doubt}.",
            "They are not checked, and their schema on the server stays as it is.",
        )
    for read in reads or ():
        for doubt in read.doubts:
            yield _warning(
                "parameter-unknown-type" if doubt.startswith("the type") else "parameter-unknown-default",
                f"{doubt[0].upper()}{doubt[1:]}.",
                "Everything else of the flow is known; this is left open in its schema.",
            )


def _warning(code: str, message: str, hint: str) -> Fault:
    return Fault(code=code, message=message, hint=hint, severity=Severity.WARNING)


def _unknown(name: str, known: Mapping[str, Parameter], signature: Signature) -> Fault:
    near = difflib.get_close_matches(str(name), list(known), 1)
    others = f"It takes {', '.join(known)}." if known else "It takes none."
    return Fault(
        code="parameter-unknown",
        message=f"The flow `{signature.function}` takes no parameter `{name}`.",
        hint=f"Did you mean `{near[0]}`?" if near else others,
        at=(name,),
        on_key=True,
    )


def _missing(names: list[str], signature: Signature) -> Fault:
    several = "parameters" if len(names) > 1 else "the parameter"
    listed = ", ".join(f"`{name}`" for name in names)
    return Fault(
        code="parameter-missing",
        message=f"A run of `{signature.function}` needs {several} {listed}.",
        hint="Give a value under `parameters`, or a default in the flow.",
    )

"""What is read out of a flow's source text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconcile.errors import ReconcileError
from reconcile.problem import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a flow.

    `required`: a run fails without a value. `known` is False where the type shows only when the file runs: the
    schema is then an untyped property.
    """

    name: str
    required: bool
    schema: Mapping[str, Any]
    known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A flow as Prefect would describe it.

    None stands for what shows only when the file runs: `flow_name` when its name is computed, `parameter_schema`
    when even the names of the parameters are not certain (an unknown decorator, a flow made elsewhere).
    """

    flow_name: str | None
    function: str
    line: int
    parameters: tuple[Parameter, ...]
    parameter_schema: Mapping[str, Any] | None
    description: str | None
    warnings: tuple[Fault, ...]


class SignatureError(ReconcileError):
    """The text holds no such flow; `line` is the place in the text, where there is one."""

    def __init__(self, code: str, message: str, hint: str = "", line: int | None = None) -> None:
        super().__init__(message, hint)
        self.code = code
        self.line = line

"""What values name of a server: `{{ prefect.variables.NAME }}`, `{{ prefect.blocks.TYPE.NAME }}`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_PLACEHOLDER: Final = re.compile(
    r"\{\{\s*prefect\.(?:variables\.(?P<variable>[\w.-]+)|blocks\.(?P<block>[\w.\-\[\]]+))\s*\}\}"
)
_BLOCK: Final = re.compile(r"(?P<type>[\w-]+)\.(?P<name>[\w-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One name in a value: of a variable, or of a block as `type/name`. `at` is the path to the text that has it."""

    variable: str | None = None
    block: str | None = None
    at: tuple[str | int, ...] = ()

    @property
    def name(self) -> str:
        """The name, whichever it is of."""
        return self.variable or self.block or ""

    @property
    def text(self) -> str:
        """As it is written."""
        inner = f"variables.{self.variable}" if self.variable else f"blocks.{(self.block or '').replace('/', '.', 1)}"
        return f"{{{{ prefect.{inner} }}}}"


def references_in(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[Reference]:
    """Every name that a value of JSON holds, in the order in which they stand."""
    if isinstance(value, str):
        for found in _PLACEHOLDER.finditer(value) if "{{" in value else ():
            if found["variable"]:
                yield Reference(variable=found["variable"], at=at)
            elif block := _BLOCK.match(found["block"]):
                yield Reference(block=f"{block['type']}/{block['name']}", at=at)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from references_in(item, (*at, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from references_in(item, (*at, index))

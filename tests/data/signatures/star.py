# ruff: noqa: B006, F401, F403, F405, I001, PLR0917, PLW1641, PTH123, TRY203, UP004
"""What `import *` of well-known modules brings, and statements that change nothing."""

from dataclasses import *
from datetime import *
from decimal import *
from enum import *
from pathlib import *
from typing import *

from prefect import *
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, StringConstraints
from pydantic.fields import Field as Campo
import annotated_types
import typing_extensions

ENTERO = Decimal("1.5")
VIEJO: "int"
VIEJO = 3
del VIEJO
SUCIO, (LIMPIO, OTRO) = 1, (2, 3)
Anidado = Annotated[Optional[Annotated[int, Field(le=5)]], Field(ge=1)]

with open(__file__, encoding="utf-8") as archivo:
    LEIDO = 5

match 3:
    case 4:
        pass
    case _:
        pass

if not TYPE_CHECKING:
    SIEMPRE = 7

if __name__ != "__main__":
    pass

try:
    pass
finally:
    FINAL = 8

try:
    OPCIONAL = 9
except ImportError:
    raise

try:
    OTRA_OPCIONAL = 10
except ImportError:
    import sys

    sys.exit(1)


class Modo(StrEnum):
    COMPLETO = auto()


@final
class Fijo(BaseModel):
    model_config = ConfigDict(frozen=True)
    modo: Modo = Modo.COMPLETO
    positivo: PositiveInt = 1
    nuevo: "typing_extensions.Annotated[int, Campo(ge=1)]" = 2

    def __eq__(self, otro):
        return True


Sobre = NewType("Sobre", Fijo)


@dataclass
class Con:
    sobre: Sobre
    _: KW_ONLY
    uno: int = 1
    dos: list[int] = field(default_factory=list)


class Base:
    pass


class MiError(ValueError):
    pass


class Lista(list[int]):
    pass


class Heredera(Base, object):
    pass


@flow
def from_stars(
    a: date, b: Decimal = ENTERO, c: Optional[Path] = None, d: Modo = Modo.COMPLETO, e: List[timedelta] = []
):
    pass


@flow
def after_statements(a=LIMPIO, b=OTRO, c=SUCIO, d=LEIDO, f=SIEMPRE, g=FINAL, h=OPCIONAL, i=OTRA_OPCIONAL):
    pass


@flow
def more_limits(
    a: Anidado,
    b: Annotated[int, annotated_types.Interval(gt=1, le=9)],
    c: Annotated[str, AfterValidator(str.strip)] = "",
    d: Annotated["int", Field(ge=1)] = 2,
    e: Annotated["Optional[int]", Field(ge=1)] = 2,
    f: Annotated[PositiveInt, Field(le=9)] = 3,
    g: Optional[PositiveInt] = None,
    h: list[PositiveInt] = [],
):
    pass


@flow
def nothing_but_none(a: Optional[None], b: Union[None] = None, c: list[None] = []):
    pass


@flow
def functions_only(a: Union[Callable, int, None], b: Union[Callable, Callable[[int], int], str] = "x"):
    pass


@flow
def dated(a: date = date.min, b: date = date.max, c: timedelta = timedelta.max, d: "Literal[1.5, 2.5]" = 1.5):
    pass


@flow
def more_classes(a: Fijo, b: Sobre, c: Con, d: MiError, e: Lista, f: Heredera, g: list[Heredera] = []):
    pass


@flow
def same_in_both(a: Literal[True, 1], b: Union[Literal[1], Literal[True]] = 1, c: Literal[b"x"] = b"x"):
    pass


def _registered(nombre):
    """No decorator: it takes a name."""
    return nombre


@flow(name=None, description="")
def falsy_options(a: int):
    """Con docstring."""

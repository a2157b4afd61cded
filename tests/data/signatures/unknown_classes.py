# ruff: noqa: ARG005, B008, B024, F401, N805, PLR0917, RUF012, UP007, UP042, UP045
"""Classes of which the schema shows only when the file runs."""

import abc
import enum
import os
from collections import UserDict
from dataclasses import dataclass, field
from datetime import date
from enum import Enum, IntEnum, StrEnum, auto
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Optional, Protocol, Union

import annotated_types
import pydantic
from prefect import flow
from pydantic import BaseModel, ConfigDict, Field, field_validator
from typing_extensions import TypedDict


class Ajeno(UserDict):
    pass


class ConMeta(metaclass=abc.ABCMeta):
    pass


class Inicial:
    def __init_subclass__(cls, nombre=None):
        pass


class ConNombre(Inicial, nombre="x"):
    pass


class Mezcla:
    campo: int
    otro = 3


class ConMezcla(Mezcla, BaseModel):
    propio: int


class ConConfig(BaseModel):
    a: int

    class Config:
        extra = "forbid"


class ConExtra(BaseModel):
    model_config = ConfigDict(json_schema_extra=lambda schema: None)
    a: int


class ConDesconocido(BaseModel):
    model_config = ConfigDict(extra="forbid" if os.sep else "allow")
    a: int


CONFIG = ConfigDict(str_min_length=2)


class ConOtra(BaseModel):
    model_config = CONFIG
    a: str


class ConValores(BaseModel):
    a: set[int] = {2, 1}
    b: int = 1

    def model_post_init(self, contexto):
        self.b = 5


class Conversor(BaseModel):
    a: int = 1
    b: float = 2
    c: Optional[int] = None
    d: set[int] = {2, 1}


class DeFabrica(BaseModel):
    a: int = Field(default_factory=lambda: 3)


class Recortado(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)
    a: str = "x"


class Condicional(BaseModel):
    a: int
    if os.sep:
        b: int = 1


class Tapada(BaseModel):
    uno: int = 1

    def date(self):
        return 1

    dos: "Optional[date]" = None


class Metodo(BaseModel):
    a: int

    @classmethod
    def __get_pydantic_json_schema__(cls, schema, handler):
        return {"type": "object"}


class SinMiembros(Enum):
    pass


class ConPrivado(Enum):
    _ignore_ = ["x"]
    A = 1


class ConMangle(Enum):
    __x = 5
    A = 1


class DeFuera(str, Enum):
    A = os.sep


class NumeroTexto(str, Enum):
    A = 1


class AutoTexto(str, Enum):
    A = auto()


class AutoTrasTexto(Enum):
    A = "x"
    B = "y"


class ConBucle(Enum):
    A = 1
    if os.sep:
        B = 2


class Generador(Enum):
    def _generate_next_value_(nombre, inicio, cantidad, ultimos):
        return nombre

    A = auto()


class ConClase(enum.Enum):
    A = int


class Otro(Enum):
    A = 1
    B: int = 2
    C: str


@dataclass
class SinInicio:
    a: int
    b: int = field(init=False, default=3)


@dataclass
class ConFabrica:
    a: list[int] = field(default_factory=lambda: [1])


@pydantic.dataclasses.dataclass(config=ConfigDict(extra="forbid"))
class Estricta:
    a: int


class DeDataclass(SinInicio):
    pass


class ConTotal(TypedDict, total=bool(os.sep)):
    a: int


class Tupla(NamedTuple):
    a: int = 1


class MasTupla(Tupla):
    pass


def _decora(cls):
    return cls


@_decora
class Decorada(BaseModel):
    a: int


class Limites(BaseModel):
    a: Annotated[int, Field(ge=len("x"))]


class Alias(BaseModel):
    a: int = Field(alias="x" + os.sep)


class Fuera:
    class Dentro(BaseModel):
        a: int


class Dentro(BaseModel):
    b: int


@flow
def plain(a: Ajeno, b: ConMeta, c: ConNombre):
    pass


@flow
def models(
    a: ConMezcla, b: ConConfig, c: ConExtra, d: ConDesconocido, e: ConOtra, f: Condicional, g: Tapada, h: Metodo
):
    pass


@flow
def more_models(a: Decorada, b: Limites, c: Alias, d: Union[Dentro, Fuera.Dentro, None] = None):
    pass


@flow
def model_defaults(
    a: ConValores = ConValores(),
    b: Conversor = Conversor(a="3"),
    c: Conversor = Conversor(b=3),
    d: Conversor = Conversor(c=None),
    e: DeFabrica = DeFabrica(),
    f: Recortado = Recortado(a=" x "),
    g: ConFabrica = ConFabrica(),
    h: ConFabrica = ConFabrica([1]),
    i: Conversor = Conversor(sobra=1),
):
    pass


@flow
def enums(
    a: SinMiembros,
    b: ConPrivado,
    c: ConMangle,
    d: DeFuera,
    e: NumeroTexto,
    f: AutoTexto,
    g: ConBucle,
    h: Generador,
    i: ConClase,
):
    pass


@flow
def enum_defaults(a: Otro = Otro(2), b: int = Otro.A.value, c=Otro["A"].nada if False else 1, d=AutoTrasTexto("x")):
    pass


@flow
def dataclasses_(a: SinInicio, b: Estricta, c: DeDataclass, d: ConTotal, e: MasTupla):
    pass


@flow
def odd_limits(
    a: Annotated[int, Field(ge=True)],
    b: Annotated[list[int], Field(min_length=len("a"))],
    c: Annotated[float, Field(ge=1)],
    d: Annotated[dict[str, int], annotated_types.Len(1, 2)],
):
    pass

# ruff: noqa: B006, B008, B018, C416, DTZ005, F401, F403, F405, ICN001, PLR0133, PLR0917, PLW0131, PLW0603, PTH109, RUF012, UP007, UP031, UP036, UP045
"""What shows only when the file runs: left open, never guessed."""

import contextlib
import datetime
import enum
import functools
import os
import sys
import typing
from dataclasses import InitVar, dataclass
from os.path import *
from typing import Annotated, Any, Generic, Literal, NamedTuple, Optional, TypeVar, Union

from prefect import flow, task
from prefect.blocks.system import Secret
from pydantic import BaseModel, Field, RootModel, create_model, field_validator
from rich.console import Console

if sys.version_info >= (3, 11):
    Segun = int
else:
    Segun = str

try:
    import a_module_that_is_nowhere

    CONSTANTE = 1
except ImportError:
    CONSTANTE = 2

for numero in range(3):
    EN_BUCLE = numero

SUMADO = 1
SUMADO += 1
GLOBAL = 1


def _cambia():
    global GLOBAL
    GLOBAL = 5


_cambia()
CAMBIADA = [1]
CAMBIADA.append(2)
APODADA = [1]
APODO = APODADA
APODO.append(2)
ANIDADA = {"a": [1]}
ANIDADA["a"].append(2)
EN_TUPLA = [1]
(EN_TUPLA,)[0].append(2)
PASADA = [1]


def _agrega(lista=PASADA):
    lista.append(2)


_agrega()
RECORRIDA = [[1]]
for interior in RECORRIDA:
    interior.append(2)
PARTE = 2
with contextlib.suppress(Exception):
    1 / 0
    PARTE = 3
INTENTO = 1
try:
    INTENTO = 2
    int("x")
    INTENTO = 3
except ValueError:
    pass
(DE_EXPRESION := 3)


class Modelo(BaseModel):
    a: int


Modelo.__doc__ = "Cambiado desde afuera."
T = TypeVar("T")


class Generico(BaseModel, Generic[T]):
    a: T


class Raiz(RootModel[list[int]]):
    pass


class ConFecha(BaseModel):
    fecha: datetime.datetime = datetime.datetime.now()


class Tapado(BaseModel):
    date: Optional[int] = None
    otra: Optional["date"] = None


class Cualquiera(BaseModel):
    a: int

    @field_validator("a", mode="plain")
    @classmethod
    def revisar(cls, valor):
        return valor


class ConAlias(BaseModel):
    model_config = {"alias_generator": str.upper}
    a: int


class Bandera(enum.Flag):
    A = enum.auto()
    B = enum.auto()


class Calculado(enum.Enum):
    A = os.sep
    B = "b"


class ConNuevo(enum.Enum):
    A = 1

    def __new__(cls, valor):
        miembro = object.__new__(cls)
        miembro._value_ = valor * 10
        return miembro


Funcional = enum.Enum("Funcional", "A B")
Creado = create_model("Creado", a=(int, 3))


@dataclass
class ConInicio:
    a: InitVar[int] = 1


class Uno:
    class Repetido(BaseModel):
        a: int


class Repetido(BaseModel):
    b: int


class Constantes:
    LISTA = [1]
    CAMBIADA = 1


Constantes.LISTA.append(2)
Constantes.CAMBIADA = 2


@flow
def imported_types(a: Secret, b: Optional[Console] = None, c: list[Console] = [], d: int = 1):
    pass


@flow
def conditional(a: Segun, b=CONSTANTE, c=EN_BUCLE, d=SUMADO, e=GLOBAL, f=DE_EXPRESION, g=PARTE, h=INTENTO):
    pass


@flow
def changed(
    a=CAMBIADA, b=APODADA, c=ANIDADA, d=EN_TUPLA, e=PASADA, f=RECORRIDA, g=Constantes.LISTA, h=Constantes.CAMBIADA
):
    pass


@flow
def from_star(a=sep, b: int = 1, c: Optional[str] = None):
    pass


@flow
def called(
    a=os.getcwd(),
    b=len("abc"),
    c=datetime.timezone(datetime.timedelta(0)).utcoffset(None),
    d: int = int(os.getenv("NADA", "3")),
):
    pass


@flow
def odd_defaults(
    a=float("inf"),
    b={1, "a"},
    c={(1, 2): 3},
    d=1 + 2j,
    e="%s" % 1,
    f="a".upper(),
    g=1 < 2,
    h=1 if True else 2,
    i=[x for x in (1, 2)],
):
    pass


@flow
def model_classes(a: Modelo, b: Generico[int], c: Raiz, d: ConFecha, e: Cualquiera, f: ConAlias, g: Creado):
    pass


@flow
def other_classes(a: Bandera, b: Calculado, c: ConNuevo, d: Funcional, e: ConInicio):
    pass


@flow
def one_name_twice(a: Uno.Repetido, b: Repetido, c: int = 1):
    pass


@flow
def odd_types(
    a: Annotated[bool, Field(ge=0)],
    b: Annotated[Union[int, str], Field(min_length=1)],
    c: typing.Generator,
    d: typing.AnyStr,
    e: enum.Enum,
):
    pass


@flow(name=os.getenv("NADA", "de afuera"))
def named_by_environment(a: int):
    pass


def replaces(function):
    def otra(*args):
        return function(*args)

    return otra


@flow
@replaces
def replaced(a: int, b: str = "x"):
    pass


@flow
@task
def flow_of_task(a: int):
    pass

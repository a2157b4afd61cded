# ruff: noqa: A001, ARG005, B006, B007, B008, B010, C406, E402, E731, E741, F401, F403, ICN001, PIE804, PLR0917, PLW0120, PLW0127, PTH123, RET504, UP007, UP017
"""Names of which the value shows only when the file runs."""

import datetime
import os
import typing
from typing import Annotated, Any, Literal, Optional, Union

from prefect import flow
from pydantic import Field

DESPUES = 1
from os.path import *

if os.sep:
    int_o_no = int
    str = str

for DE_BUCLE, (OTRO, *RESTO) in [(1, (2, 3))]:
    pass
while True:
    EN_WHILE = 1
    break
while False:
    pass
else:
    TRAS_BUCLE = 6
match [1, 2, {"a": 3}]:
    case [PRIMERO, *DEMAS]:
        pass
match {"a": 3, "b": 4}:
    case {"a": A, **LLAVES}:
        pass
with open(os.devnull, encoding="utf-8") as ARCHIVO:
    pass
UNO, *VARIOS = [1, 2, 3]
(X, Y), Z = [(1, 2), 3]
try:
    raise ValueError
except ValueError as ERROR:
    del ERROR
AJENO = [1]
AJENO[0] = 2
setattr(os, "nada", 1)
CLAVES = {**dict(os.environ), "x": 1}
LISTADO = [*os.environ]
GRANDE = "x" * 30_000
COLA = [1, 2]
MUCHO = 10**600
if os.sep == "/":
    M = 1
elif os.sep == "\\":
    M = 2
else:
    M = 3
MUCHAS = 0
if os.environ.get("1"):
    MUCHAS = 1
if os.environ.get("2"):
    MUCHAS = 2
if os.environ.get("3"):
    MUCHAS = 3
if os.environ.get("4"):
    MUCHAS = 4
if os.environ.get("5"):
    MUCHAS = 5
if os.environ.get("6"):
    MUCHAS = 6
if os.environ.get("7"):
    MUCHAS = 7
if os.environ.get("8"):
    MUCHAS = 8
if os.environ.get("9"):
    MUCHAS = 9


def _uno(function, otra=None):
    return function


def _dos(function):
    function = lambda: 1
    return function


def _tres(function):
    @staticmethod
    def wrapper():
        return 1

    return wrapper


def _cuatro(*functions):
    return functions[0]


def _nombre():
    return "x"


@flow
def statements(
    a=DESPUES, b=DE_BUCLE, c=OTRO, d=RESTO, e=EN_WHILE, f=PRIMERO, g=DEMAS, h=LLAVES, i=UNO, j=VARIOS, k=X, l=Z
):
    pass


@flow
def more_statements(a=AJENO, b=CLAVES, c=LISTADO, d=GRANDE, e=COLA[0:1], f=MUCHO, g=M, h=MUCHAS, i=A, j=TRAS_BUCLE):
    pass


@flow
def sometimes(a: int_o_no, b: str = "x"):
    pass


@flow
def expressions(
    a=[1][len("")],
    b=f"{1:>3}",
    c=datetime.date(*[2020, 1, 1]),
    d=datetime.date(year=int(os.getenv("A", "2020")), month=1, day=1),
    e=int("3", base=16),
    f=list("abc"),
    g=-datetime.timedelta(1) // 2,
    j=not os.sep,
    l=_nombre(),
    m=datetime.date(**{"year": 2020, "month": 1, "day": 1}),
    n=datetime.date(2020, 1, 1).year,
    o=[*range(2)],
    p=dict(**{"a": 1}),
    q={"a": datetime.timezone.utc},
    r=dict([("a", 1)]),
    s=2**65 % 7,
    t=(1).real,
):
    pass


@flow
def odd_annotations(
    a: typing.Generator[int, None, None],
    b: "Annotated[int, Field(ge=len('a'))]",
    c: Annotated[int, Field(json_schema_extra=lambda schema: None)],
    d: Annotated[int, Field(validation_alias=None, field_title_generator=lambda name, info: "x")],
    f: Annotated[int, object()],
    g: "typing.Union[int, str]" = 1,
):
    pass


@flow
def odd_fields(
    a: int = Field(len("abc")),
    b: int = Field(default=len("x"), description="d"),
    c: int = Field(3, description="x" + _nombre()),
):
    pass


@flow
@_uno
def two_arguments(a: int):
    pass


@flow
@_dos
def another_function(a: int):
    pass


@flow(name="Con nombre")
@_cuatro
def any_arguments(a: int):
    pass

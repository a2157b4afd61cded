# ruff: noqa: B006, B008, C408, C409, DTZ001, E741, F401, I001, ICN001, PLR0917, RUF005, RUF013, UP017, UP018, UP045
"""Defaults: constants, names, and what JSON cannot hold."""

import collections
import datetime
import enum
import re
import uuid
from datetime import date, datetime as dtime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Optional

from prefect import flow
from pydantic import SecretStr

DIAS = 7
NEGATIVO = -DIAS
SEGUNDOS = 60 * 60 * DIAS
RUTA = "C:/Python_Scripts/" + "compras"
SALUDO = f"Hola {DIAS} veces"
TABLAS = ["ventas", "stock"]
DESDE = date(2026, 1, 1)
PAR, IMPAR = 2, "x"
UNO = OTRO = 1
TODAS = [*TABLAS, "precios"]
AJUSTES = {"modo": "completo", "limite": 3}
TUPLA = (1, (2, 3))
REASIGNADO = 1


class Color(enum.Enum):
    ROJO = "rojo"
    AZUL = 2


class Predeterminados:
    DIAS = 30
    RUTA = "x"


@flow
def constants(a=1, b=-1, c="a", d=None, e=True, f=1.5, g=-1.5, h="", i=10**20, j=1_000, k=0x10, l="ab", m=b"abc"):
    pass


@flow
def collections_(
    a=(1, 2),
    b=[1, [2, (3,)]],
    c={"a": 1, "b": [1]},
    d={3, 1, 2},
    e={"b", "a"},
    f=set(),
    g=frozenset({1}),
    h=[],
    i={},
    j=(),
):
    pass


@flow
def keys(a={1: 2}, b={True: 1, None: 2}, c={date(2020, 1, 1): 1}, d={Color.ROJO: 1}):
    pass


@flow
def by_name(
    a=DIAS,
    b=NEGATIVO,
    c=SEGUNDOS,
    d=RUTA,
    e=SALUDO,
    f: list[str] = TABLAS,
    g: date = DESDE,
    h=PAR,
    i=IMPAR,
    j=UNO + OTRO,
    k=TUPLA,
):
    pass


@flow
def by_item(a=AJUSTES["modo"], b=TUPLA[0], c={**AJUSTES}, d=[*TUPLA]):
    pass


@flow
def by_class(a=Predeterminados.DIAS, b=Predeterminados.RUTA):
    pass


@flow
def before_it_changes(a=REASIGNADO):
    pass


REASIGNADO = 2


@flow
def after_it_changed(a=REASIGNADO):
    pass


@flow
def dates(
    a=date(2020, 1, 2),
    b=datetime.datetime(2020, 1, 2, 3, 4),
    c=dtime(2020, 1, 2, tzinfo=timezone.utc),
    d=time(1, 2),
    e=date(2020, 1, 1) - timedelta(days=1),
):
    pass


@flow
def zones(
    a=dtime(2020, 1, 2, tzinfo=timezone(timedelta(hours=-3))),
    b=dtime(2020, 1, 2, 3, 4, 5, 600),
    c=time(1, 2, tzinfo=timezone.utc),
):
    pass


@flow
def durations(
    a=timedelta(days=1, hours=2),
    b=timedelta(seconds=90),
    c=timedelta(milliseconds=1500),
    d=timedelta(days=-1),
    e=timedelta(0),
    f=timedelta(microseconds=1),
    g=timedelta(days=400, seconds=3),
    h=timedelta(weeks=1),
    i=timedelta(days=-1, hours=1),
    j=-timedelta(hours=25, seconds=1, microseconds=120),
    k=timedelta(days=730),
    l=timedelta(minutes=30) * 3,
):
    pass


@flow
def others(
    a=Decimal("1.50"),
    b=Decimal(3),
    c=uuid.UUID("12345678-1234-5678-1234-567812345678"),
    d=Path("datos"),
    e=Path(),
    f=SecretStr("oculto"),
    g=SecretStr(""),
):
    pass


@flow
def members(
    a: Color = Color.ROJO,
    b: list[Color] = [Color.AZUL],
    c=Color.AZUL.value,
    d=Color.ROJO.name,
    e: Color = Color("rojo"),
    f: Color = Color["AZUL"],
    g: Optional[Color] = None,
):
    pass


@flow
def without_json(a=lambda: 1, b=print, c=int, d=Color, e=[int], f=timezone.utc, g=b"\xff"):
    pass


@flow
def sentinel(a: int = ..., b=Ellipsis):
    pass


@flow
def calculated(
    a=5 / 2, b=7 // 2, c=2**-1, d=[1] * 3, e="a" * 3, f=7 % 4, g=not True, h=~1, i=+1, j=1 << 4, k=(1,) + (2,)
):
    pass


@flow
def constructed(
    a=dict(a=1),
    b=list(),
    c=tuple([1]),
    d=str("x"),
    e=int("3"),
    f=float(1),
    g=bool(0),
    h=date.fromisoformat("2026-01-02"),
):
    pass


@flow
def unlike_their_type(
    a: int = "x", b: list[int] = (1, 2), c: date = "2020-01-01", d: int = None, e: float = 1, f: bool = 0
):
    pass

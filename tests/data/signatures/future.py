# ruff: noqa: UP037, UP045
"""Annotations that are kept as text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Optional

from prefect import flow
from pydantic import BaseModel, Field


@dataclass
class Punto:
    x: int
    sigue: Punto | None = None


class Pedido(BaseModel):
    cliente: str
    punto: Optional[Punto] = None
    anterior: Pedido | None = None


@flow
def plain(a: int, b: Optional[date] = None, c: list[str] | None = None) -> str:
    pass


@flow
def classes(a: Pedido, b: list[Punto], c: Despues) -> None:
    pass


class Despues(BaseModel):
    x: int = Field(1, ge=0)


@flow
def quoted_twice(a: "int", b: "list[Pedido]", c: Optional["date"] = None, d: "Optional[int]" = 1):
    pass


class Proceso:
    @flow
    def metodo(self, a: int, b: Pedido = None):
        pass

# ruff: noqa: ICN001, PLR0917, UP045
"""Names that are there for a type checker only: Prefect then reads all annotations without the file's names."""

from __future__ import annotations

import datetime
import typing
from typing import TYPE_CHECKING, Optional

from prefect import flow

if TYPE_CHECKING:
    from pandas import DataFrame


@flow
def with_missing(
    a: DataFrame, b: int, c: list[str], d: int | None, e: Optional[int], f: datetime.date, g: typing.Optional[int]
):
    pass


@flow
def missing_in_return(b: int, c: Optional[str] = None) -> DataFrame:
    pass


@flow
def nothing_missing(b: int, c: Optional[str] = None) -> int:
    pass

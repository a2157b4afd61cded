# ruff: noqa: B006, B008, ICN001, PLR0917, PYI016, PYI061, PYI062, RUF036, RUF041, UP006, UP007, UP035, UP045
"""Types of the standard library and of pydantic."""

import collections
import collections.abc
import datetime
import datetime as dt
import decimal
import ipaddress
import logging
import pathlib
import re
import typing
import uuid
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Callable,
    Deque,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Literal,
    Mapping,
    NewType,
    Optional,
    Sequence,
    Set,
    Tuple,
    Type,
    TypeVar,
    Union,
)
from uuid import UUID

import annotated_types
from prefect import flow
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    DirectoryPath,
    Field,
    FilePath,
    HttpUrl,
    NonNegativeInt,
    PastDate,
    PositiveFloat,
    PositiveInt,
    SecretBytes,
    SecretStr,
    StrictInt,
    StringConstraints,
    confloat,
    conint,
    constr,
)

try:
    from typing import TypeAlias
except ImportError:
    from typing_extensions import TypeAlias

Money = Decimal
Modo = Literal["completo", "incremental"]
Clave = Union[int, str]
QuizasClave = Optional[Clave]
Tabla: TypeAlias = dict[str, list[int]]
Limite = Annotated[int, Field(ge=1, le=100, description="el límite", default=5)]
Legajo = NewType("Legajo", int)
Lista = NewType("Lista", list[str])
T = TypeVar("T")
Acotado = TypeVar("Acotado", bound=int)
Elegido = TypeVar("Elegido", int, str)
MAXIMO = 10


@flow
def scalars(a: int, b: float, c: bool, d: str, e: bytes, f: None, g: complex, h: object, i: Any):
    pass


@flow
def times(a: datetime.datetime, b: date, c: dt.time, d: timedelta, e: Optional[date] = None):
    pass


@flow
def others(a: UUID, b: Path, c: Decimal, d: decimal.Decimal, e: pathlib.PurePath, f: re.Pattern, g: uuid.UUID):
    pass


@flow
def addresses(a: ipaddress.IPv4Address, b: ipaddress.IPv6Address):
    pass


@flow
def bare_collections(a: list, b: dict, c: tuple, d: set, e: frozenset, f: List, g: Dict, h: Tuple, i: Set, j: Sequence):
    pass


@flow
def lists(a: list[int], b: List[str], c: list[list[float]], d: Sequence[int], e: Iterable[str], f: Deque[int]):
    pass


@flow
def sets(a: set[int], b: Set[str], c: frozenset[int], d: FrozenSet[str]):
    pass


@flow
def dicts(a: dict[str, int], b: Dict[str, Any], c: dict[int, list[str]], d: Mapping[str, float], e: Dict[str, object]):
    pass


@flow
def dict_keys(a: dict[Modo, int], b: dict[UUID, int], c: dict[date, str], d: dict[constr(pattern="^a"), int]):
    pass


@flow
def abstract_collections(a: collections.abc.Sequence[collections.abc.Mapping[str, int]], b: collections.OrderedDict):
    pass


@flow
def counting(a: collections.Counter, b: typing.Counter[str], c: collections.defaultdict[str, list[int]]):
    pass


@flow
def tuples(a: tuple[int, str], b: tuple[int, ...], c: Tuple[int, Tuple[str, ...]], d: tuple[()]):
    pass


@flow
def optionals(
    a: Optional[int], b: Optional[str] = None, c: int | None = None, d: None | str = "x", e: Optional[Any] = 1
):
    pass


@flow
def unions(
    a: Union[int, str], b: int | str | None, c: Union[list[int], dict[str, int], None] = None, d: Union[int] = 1
):
    pass


@flow
def nested_unions(
    a: Optional[Union[int, str]], b: Union[Optional[int], float], c: list[int | None], d: Union[int, int]
):
    pass


@flow
def decimal_unions(a: Optional[Decimal], b: Union[float, Decimal], c: list[Decimal | None]):
    pass


@flow
def literals(a: Literal["x"], b: Literal["x", "y"] = "x", c: Literal[1, 2] = 1, d: Literal[1, "a", None, True] = None):
    pass


@flow
def more_literals(
    a: Literal[Literal[1, 2], 3], b: Optional[Modo] = None, c: list[Modo] = ["completo"], d: Literal["a", "a"] = "a"
):
    pass


@flow
def aliases(
    a: Money, b: Modo, c: Clave, d: QuizasClave = None, e: Tabla = {}, f: Limite = 3, g: Optional[Limite] = None
):
    pass


@flow
def default_of_annotation(a: Limite, b: Annotated[list[int], Field(default_factory=list)]):
    pass


@flow
def default_of_annotation_and_field(
    a: Limite = Field(description="sin defecto"), b: Limite = Field(3), c: Limite = ...
):
    pass


@flow
def new_types(a: Legajo, b: Lista, c: list[Legajo], d: Optional[Legajo] = None):
    pass


@flow
def type_variables(a: T, b: Acotado, c: Elegido):
    pass


@flow
def without_json(
    a: Callable, b: Callable[[int], str], c: list[Callable], d: Union[int, Callable], e: Optional[Callable] = None
):
    pass


@flow
def classes_as_values(a: type, b: Type[int], c: type[int], d: Optional[type] = None):
    pass


@flow
def opaque(a: logging.Logger, b: Optional[logging.Logger] = None, c: list[bytearray] = [], d: typing.Hashable = 1):
    pass


@flow
def limits(
    a: Annotated[int, Field(ge=1, le=MAXIMO)],
    b: Annotated[float, Field(gt=0, lt=1, multiple_of=0.5)],
    c: Annotated[str, Field(min_length=1, max_length=5, pattern="^a")],
    d: Annotated[list[int], Field(min_length=1)],
    e: Annotated[dict[str, int], Field(max_length=3)],
    f: Annotated[Optional[int], Field(ge=1)] = None,
    g: Optional[Annotated[int, Field(ge=1, description="adentro")]] = None,
    h: Annotated[Decimal, Field(gt=0, max_digits=5)] = Decimal("1.5"),
    i: Annotated[bytes, Field(min_length=2)] = b"xx",
    j: Annotated[set[int], Field(min_length=1)] = {1},
    k: Annotated[date, Field(ge=date(2020, 1, 1))] = date(2026, 1, 1),
):
    pass


@flow
def annotated(
    a: Annotated[int, "una nota"],
    b: Annotated[int, Field(title="no", description="no", alias="no")],
    c: Annotated[int, Field(examples=[1, 2], deprecated=True, json_schema_extra={"unidad": "días"})] = 1,
    d: Annotated[Annotated[int, Field(ge=1)], Field(le=5)] = 2,
    e: Annotated[int, Field(ge=1), Field(ge=5)] = 6,
    f: list[Annotated[int, Field(ge=1, title="T", description="sí")]] = [],
    g: Annotated[int, annotated_types.Ge(1), annotated_types.Le(9)] = 3,
    h: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)] = "x",
    i: Annotated[int, BeforeValidator(int), AfterValidator(abs)] = 1,
    j: Annotated[Decimal, Field(description="x")] | None = None,
):
    pass


@flow
def field_as_default(
    a: int = Field(3, ge=1, description="de Field"),
    b: int = Field(description="hace falta", json_schema_extra={"unidad": "días"}),
    c: list[int] = Field(default_factory=list),
    d: Optional[str] = Field(default=None, title="no cuenta"),
    e: int = Field(...),
):
    """Con Field.

    Args:
        a: del docstring
        d: sin descripción en Field
    """


@flow
def pydantic_types(
    a: SecretStr, b: SecretBytes, c: HttpUrl, d: FilePath, e: DirectoryPath, f: PastDate, g: AwareDatetime
):
    pass


@flow
def pydantic_numbers(
    a: PositiveInt,
    b: NonNegativeInt,
    c: PositiveFloat,
    d: StrictInt,
    e: conint(ge=3),
    f: confloat(lt=1),
    g: constr(min_length=2),
):
    pass


@flow
def written_as_text(
    a: "int", b: "Optional[list[Modo]]", c: Optional["int"] = None, d: "Limite" = 1, e: list["int"] = []
):
    pass


@flow
def out_of_reach(a: list["Modo"], b: Optional["Tabla"] = None):
    pass

# ruff: noqa: ARG005, B006, B008, E731, F401, ICN001, N801, PIE796, PLC2401, PLR0917, UP007, UP035, UP042, UP045
"""Classes of the same file."""

import dataclasses
import datetime
import enum
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum, auto, unique
from typing import Any, Callable, ClassVar, List, Literal, NamedTuple, NewType, Optional, Union

import pydantic
from prefect import flow
from pydantic import BaseModel, ConfigDict, Field, SecretStr, computed_field, field_validator, model_validator
from typing_extensions import NotRequired, Required, TypedDict

PREFIJO = "p"


class Estado(Enum):
    ABIERTO = "abierto"
    CERRADO = "cerrado"


class Documentado(str, Enum):
    """Los modos.

    Dos.
    """

    COMPLETO = "completo"
    PARCIAL = PREFIJO + "arcial"

    @classmethod
    def todos(cls):
        return list(cls)

    def __str__(self):
        return self.value


class Mezclado(Enum):
    A = 1
    B = "b"
    C = None
    D = (1, 2)
    E = date(2020, 1, 1)
    _privado = 4
    OTRA_A = 1
    metodo = lambda self: 1


class Numerado(IntEnum):
    UNO = 1
    DOS = auto()
    CINCO = 5
    SEIS = auto()


@unique
class Texto(StrEnum):
    ALGO = auto()
    OTRA_COSA = "x"


class Base(Enum):
    """Sin miembros."""

    def metodo(self):
        return 1


class Derivado(Base):
    A = True
    B = False


class Año_É(BaseModel):
    años: int


class Direccion(BaseModel):
    """Una dirección.

    Con calle.
    """

    calle: str
    numero: Optional[int] = None
    tags: list[str] = []


class Cliente(BaseModel):
    nombre: str
    HTTPServer: int = 1
    doble__guion: int = 1
    direccion: Direccion
    otras: list[Direccion] = []
    anterior: Optional[Direccion] = None
    descripta: Direccion = Field(description="con texto")
    titulada: Direccion = Field(default=Direccion(calle="x"), title="Título", examples=[{"calle": "y"}])
    estado: Estado = Estado.ABIERTO
    estados: list[Estado] = Field(default_factory=list)
    union: Union[Direccion, Estado, None] = None
    limite: int = Field(
        1, ge=0, le=9, description="d", title="t", json_schema_extra={"unidad": "días"}, deprecated=True
    )
    anotado: "pydantic.PositiveInt" = 3
    conocido: ClassVar[int] = 4
    _privado: int = 5
    Interno: ClassVar[type] = int

    class Dentro(BaseModel):
        x: int

    dentro: Optional[Dentro] = None

    @field_validator("nombre")
    @classmethod
    def revisar(cls, valor):
        return valor

    @model_validator(mode="after")
    def revisar_todo(self):
        return self

    @computed_field
    @property
    def calculado(self) -> int:
        return 1


class Heredado(Direccion):
    calle: int
    extra: Decimal = Decimal("1.5")


class Doble(Año_É, Direccion):
    propio: int = 1


class Configurado(BaseModel):
    model_config = ConfigDict(extra="forbid", title="Otro título", json_schema_extra={"examples": [1]})
    a: int


class Permisivo(BaseModel, extra="allow", frozen=True):
    a: int = Field(alias="Alias_a")
    b: int = Field(validation_alias="bb", serialization_alias="no")
    c: SecretStr = SecretStr("x")


class Nodo(BaseModel):
    hijo: Optional["Nodo"] = None
    hijos: "list[Nodo]" = []


class Ida(BaseModel):
    vuelta: Optional["Vuelta"] = None


class Vuelta(BaseModel):
    ida: Optional[Ida] = None


class ConPuesto(BaseModel):
    a: int = 1
    b: list[str] = Field(default_factory=list)
    c: float = 2
    d: Optional[date] = date(2020, 1, 1)
    e: Estado = Estado.CERRADO
    f: Nodo = Nodo()


class SinEsquema(BaseModel):
    funcion: Callable = print


class Suelta:
    pass


@dataclass
class Punto:
    x: int
    y: float = 1.5
    nombres: list[str] = field(default_factory=list)
    z: int = field(default=3, repr=False)
    conocido: ClassVar[int] = 1
    _oculto: int = 2


@dataclass(frozen=True, slots=True)
class Linea:
    """Una línea."""

    desde: Punto
    hasta: Optional[Punto] = None
    sigue: "Optional[Linea]" = None


@dataclass
class PuntoConNombre(Punto):
    nombre: str = "x"

    def metodo(self):
        return 1


@dataclass
class Opciones:
    limite: int = 5
    tags: list[str] = field(default_factory=list)
    desde: Optional[date] = None


@pydantic.dataclasses.dataclass
class Validado:
    """De pydantic."""

    a: int = Field(1, ge=0)
    b: Optional[str] = None


class Fila(TypedDict):
    id: int
    nombre: NotRequired[str]
    cliente: Direccion


class Parcial(TypedDict, total=False):
    """Parcial."""

    a: int
    b: Required[str]


class FilaLarga(Fila, total=False):
    extra: Optional[str]


class Coordenada(NamedTuple):
    """No se ve."""

    x: int
    y: float = 0.0
    direccion: Optional[Direccion] = None


class Contenedor:
    class Interno(BaseModel):
        a: int

    @flow
    def metodo(self, a: Interno, b: Optional[Interno] = None):
        pass


Identificado = NewType("Identificado", Direccion)


@flow
def enums(a: Estado, b: Documentado, c: Mezclado, d: Numerado, e: Texto, f: Derivado):
    pass


@flow
def enum_defaults(
    a: Estado = Estado.ABIERTO,
    b: Optional[Documentado] = None,
    c: dict[str, Numerado] = {"x": Numerado.DOS},
    d: dict[Texto, int] = {},
):
    pass


@flow
def enum_literals(
    a: Literal[Estado.ABIERTO], b: Literal[Documentado.COMPLETO, Documentado.PARCIAL] = Documentado.COMPLETO
):
    pass


@flow
def models(a: Direccion, b: Optional[Direccion] = None, c: list[Direccion] = [], d: dict[str, Direccion] = {}):
    pass


@flow
def larger_model(a: Cliente):
    pass


@flow
def inherited_models(a: Heredado, b: Doble, c: Año_É):
    pass


@flow
def configured_models(a: Configurado, b: Permisivo):
    pass


@flow
def recursive_models(a: Nodo, b: Ida):
    pass


@flow
def model_defaults(
    a: ConPuesto = ConPuesto(), b: ConPuesto = ConPuesto(a=3), c: Nodo = Nodo(), d: Direccion = Direccion(calle="x")
):
    pass


@flow
def model_without_schema(a: SinEsquema, b: Optional[SinEsquema] = None):
    pass


@flow
def annotated_models(
    a: Union[Direccion, Estado, None] = None, b: Identificado = None, c: Union[Direccion, list[Direccion]] = []
):
    pass


@flow
def nested_class(a: Contenedor.Interno, b: Cliente.Dentro):
    pass


@flow
def plain_classes(a: Suelta, b: Optional[Suelta] = None, c: list[Suelta] = []):
    pass


@flow
def dataclasses_(a: Punto, b: Linea, c: PuntoConNombre, d: Optional[Punto] = None, e: Validado = None):
    pass


@flow
def dataclass_defaults(a: Opciones = Opciones(), b: Opciones = Opciones(limite=3)):
    pass


@flow
def typed_dicts(a: Fila, b: Parcial, c: FilaLarga, d: list[Fila] = []):
    pass


@flow
def named_tuples(a: Coordenada, b: Optional[Coordenada] = None):
    pass


@flow
def declared_later(a: "Despues", b: "Optional[list[Despues]]" = None):
    pass


class Despues(BaseModel):
    x: int

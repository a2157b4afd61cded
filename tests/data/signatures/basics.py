# ruff: noqa: A002, ARG005, F811, N802, PLC2401, PLR0917
"""Parameters, kinds of parameters, names of flows, the forms of the decorator."""

import functools

import prefect
import prefect as pf
from prefect import Flow, flow
from prefect import flow as f
from prefect.flows import flow as from_flows

NOMBRE = "Cierre mensual"
OPCIONES = {"name": "Con opciones", "retries": 2}


@flow
def no_parameters():
    pass


@flow()
def called_decorator(cliente: str):
    pass


@flow(name="Despliegue básico", retries=3, retry_delay_seconds=10, log_prints=True)
def named_flow(message: str = "Hola mundo!"):
    """Saluda."""


@flow(name=NOMBRE)
def named_by_constant(x):
    pass


@flow(name=f"{NOMBRE} de " + "compras")
def named_by_text(x):
    pass


@flow(name="")
def empty_name(x):
    pass


@flow(name=None)
def none_name(x):
    pass


@flow(**OPCIONES)
def named_by_options(x):
    pass


@flow
def __odd__Name_(x):
    pass


@flow(description="De la tabla, no del docstring")
def described(x):
    """Otra."""


@flow
async def async_flow(desde: str, hasta: str | None = None) -> int:
    """Espera."""
    return 1


@flow
def generator_flow(n: int = 3):
    yield from range(n)


@flow
async def async_generator(n: int = 3):
    yield n


@f
def aliased_import(x: int):
    pass


@from_flows(name="de prefect.flows")
def imported_from_flows(x: int):
    pass


@prefect.flow
def attribute_of_prefect(x: int):
    pass


@prefect.flow(name="con nombre")
def attribute_with_name(x: int):
    pass


@pf.flow
def attribute_of_alias(x: int):
    pass


@prefect.flows.flow
def attribute_of_module(x: int):
    pass


decorate = flow
with_retries = functools.partial(flow, retries=2, name="Parcial")
prepared = flow(name="Preparado", log_prints=True)


@decorate
def decorator_alias(x: int):
    pass


@with_retries
def decorator_partial(x: int):
    pass


@with_retries(name="Otro nombre")
def decorator_partial_called(x: int):
    pass


@prepared
def decorator_prepared(x: int):
    pass


def _plain(tabla: str, limite: int = 10):
    """Copia una tabla.

    Args:
        tabla: la tabla
    """


made_by_call = flow(_plain)
made_by_two_calls = flow(name="Dos llamadas", retries=1)(_plain)
made_by_class = Flow(_plain, name="De la clase")
made_by_class_keyword = Flow(fn=_plain)
made_by_lambda = flow(lambda x, y=2: x)
made_by_alias = named_flow
made_by_options = named_flow.with_options(name="Renombrado", description="Otra")
made_by_other_options = described.with_options(retries=5)


def transparent(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def registered(function):
    print(function.__name__)
    return function


@flow(name="Envuelto")
@transparent
def wrapped_inside(a: int, b: str = "x"):
    """Envuelto."""


@flow
@registered
def registered_inside(a: int):
    pass


@registered
@flow
def registered_outside(a: int):
    pass


@flow
@functools.lru_cache
def cached_inside(a: int):
    pass


@flow(name="de afuera", description="no cuenta")
@flow(name="de adentro")
def flow_of_flow(a: int):
    pass


@flow
def unannotated(a, b=1, *args, c, d=2, **kwargs):
    pass


@flow
def variadic(*args: int, **kwargs: str):
    pass


@flow
def positional_only(a, b=1, /, c=2, *, d, e=3):
    pass


@flow
def keyword_only(*, a: int, b: str = "x"):
    pass


@flow
def named_like_the_schema(title: str, type: str, required: bool, properties: dict, definitions: int, default: int = 1):
    pass


@flow
def named_like_model_methods(json, copy=1, dict=2, schema=3, fields=4, construct=5, validate=6, parse_obj=7):
    pass


@flow
def accented(año: int = 2026, ñandú: str = "ñ"):
    """Año.

    Args:
        año: el año
    """


@flow(validate_parameters=False)
def not_validated(a: int = "x"):
    pass


@flow
def defined_twice(before: int):
    pass


@flow(name="la segunda")
def defined_twice(after: int):
    pass


class Proceso:
    """Flows as methods."""

    LIMITE = 5
    Tipo = int

    @flow
    def metodo(self, tabla: str, limite: int = LIMITE):
        """Copia.

        Args:
            tabla: la tabla
        """

    @flow
    @classmethod
    def de_clase(cls, tabla: str):
        pass

    @flow
    @staticmethod
    def estatico(tabla: str):
        pass

    @staticmethod
    @flow
    def estatico_por_fuera(tabla: str):
        pass

    @flow
    def con_tipo(self, a: Tipo, b: "int" = 1):
        pass

    class Interno:
        @flow(name="Interno")
        def metodo(self, x: int):
            pass


class Heredado(Proceso):
    pass


if True:

    @flow
    def in_an_if(x: int):
        pass


try:
    import a_module_that_is_nowhere
except ImportError:
    a_module_that_is_nowhere = None

    @flow
    def in_an_except(x: int):
        pass


if __name__ == "__main__":
    named_flow = 3

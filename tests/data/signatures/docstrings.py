# ruff: noqa: B021, F541, ISC001, PLR0917, W191, W291
# fmt: off
"""Descriptions of parameters: Prefect reads Google's style."""

from prefect import flow


@flow
def google(a: int, b, c, d, e, g=1):
    """Suma.

    Args:
        a: la a
        b (int): la b
          una continuación rara
        c (str, optional): la c
            otra línea

            un párrafo
        d:
            en la línea siguiente
        e sin dos puntos
        *args: no
        g : con espacio

    Returns:
        x: y
    """


@flow
def numpy(a: int, b):
    """Suma.

    Parameters
    ----------
    a : int
        la a
    """


@flow
def rest(a: int, b):
    """Suma.

    :param a: la a
    """


@flow
def two_sections(a: int, b):
    """Suma.

    Args:
        a: la a

    Parameters:
        b: la b
    """


@flow
def not_a_section(a: int, b):
    """Suma.
    Args:
        a: no hay línea en blanco arriba

    Params: con título
        b: la b: más
    """


@flow
def first_line(a, b):
    """Args:
        a: x
    """


@flow
def in_code(a, b):
    """Suma.

    ```

    Args:
        a: x
    ```
    """


@flow
def other_sections(a, b):
    """Suma.

    Keyword Args:
        a: no

    Raises:
        ValueError: x

    Note:
        a: b

    Examples:
        >>> f(1)

        Args:
            a: no

    arguments:
        b: sí
    """


@flow
def empty_descriptions(a, b):
    """Suma.

    Args:
        a:
        b: 
    """


@flow
def spanish(a):
    """Suma.

    Argumentos:
        a: sí
    """


@flow
def empty_line_below(a, b):
    """Suma.

    Args:

        a: no

    Args:
        b: sí
    """


@flow
def unindented_below(a, b):
    """Suma.

    Args:
        b: sí

    Args:
    nada
        a: no
    """


@flow
def short_indent(a, b, c):
    """Suma.

    Returns:
        a
      b

    Args:
        a: sí
       b: fuera
    c: fuera
    """


@flow
def variadic(a, *args, **kwargs):
    """Suma.

    Args:
        a: x
        *args: no
        **kwargs: no
        args: sí
    """


@flow
def raw(a):
    r"""Suma.

    Args:
        a: C:\tareas
    """


@flow
def formatted(a):
    f"""No es docstring.

    Args:
        a: no
    """


@flow
def joined(a):
    "Suma.\n\nArgs:\n" "    a: junta"


@flow
def tabs(a, b):
	"""Suma.

	Args:
		a: la a
		b: la b
	"""


@flow
def empty(a):
    ""


@flow
def blank(a):
    """   """


@flow
def last_title(a):
    """Suma.

    Args:"""

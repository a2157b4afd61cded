"""A signature read out of the text equals the one that Prefect computes by importing the file."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import json
import subprocess
import sys
import textwrap
import typing
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconcile.problem import Severity
from reconcile.signature import (
    Signature,
    SignatureError,
    check_parameters,
    default_flow_name,
    read_signature,
)

SAMPLES = Path(__file__).parent / "data" / "signatures"
EXACT = ("basics", "types", "defaults", "classes", "future", "type_checking", "docstrings", "star")
OPEN = ("unknown", "unknown_names", "unknown_classes")

Oracle = Callable[[str, str], "tuple[str, dict[str, Any], str | None]"]


def flows_in(sample: str) -> list[str]:
    """The flows that a sample is there for: decorated functions, methods, and names that begin with `made_`."""
    return list(dict.fromkeys(_flows(ast.parse(_text(sample)).body, "")))


def _flows(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if _is_flow(node):
                yield prefix + name
            case ast.ClassDef(name=name):
                yield from _flows(node.body, f"{prefix}{name}.")
            case ast.Assign(targets=[ast.Name(id=name)]) if name.startswith("made_"):
                yield name
            case ast.If() | ast.Try():
                yield from _flows(
                    [*node.body, *[part for h in getattr(node, "handlers", []) for part in h.body]], prefix
                )
            case _:
                pass


def _is_flow(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    words = ("flow", "with_retries", "prepared", "decorate", "@f\n")
    return any(word in f"@{ast.unparse(decorator)}\n" for decorator in node.decorator_list for word in words)


def _text(sample: str) -> str:
    return (SAMPLES / f"{sample}.py").read_text(encoding="utf-8")


CASES = [(sample, name) for sample in EXACT for name in flows_in(sample)] + [("basics", "Heredado.metodo")]
OPEN_CASES = [(sample, name) for sample in OPEN for name in flows_in(sample)]


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ModuleType]]:
    """Imports a text as Prefect imports the file of an entrypoint; each text once."""
    folder = tmp_path_factory.mktemp("imported")
    loaded: dict[str, ModuleType] = {}

    def load(text: str) -> ModuleType:
        if text not in loaded:
            loaded[text] = _imported(folder, text)
        return loaded[text]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DO_NOT_TRACK", "1")
        patch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        patch.setenv("PREFECT_HOME", str(folder / "home"))
        yield load


def _imported(folder: Path, text: str) -> ModuleType:
    path = folder / f"flows_{uuid.uuid4().hex}.py"
    path.write_text(text, encoding="utf-8", newline="\n")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    # typing keeps what it made, and takes Union[int, str] for Union[str, int]: one file must not see another's
    for clear in typing._cleanups:  # type: ignore[attr-defined]
        clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def prefects(load: Callable[[str], ModuleType]) -> Oracle:
    """What Prefect computes: the flow's name, the schema as a deployment stores it, the description."""

    def compute(text: str, function: str) -> tuple[str, dict[str, Any], str | None]:
        flow = found(load(text), function)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from prefect.utilities.callables import parameter_schema

            schema = parameter_schema(flow).model_dump(exclude_unset=True)
        return flow.name, json.loads(json.dumps(schema)), flow.description

    return compute


def found(module: ModuleType, function: str) -> Any:
    from prefect.flows import Flow

    value: Any = module
    for name in function.split("."):
        value = getattr(value, name)
    assert isinstance(value, Flow)
    return value


def same(one: object, other: object) -> bool:
    """Equality as JSON text: 1, 1.0 and true differ."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def shown(value: object) -> str:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False)


def schema_of(signature: Signature) -> dict[str, Any]:
    assert signature.parameter_schema is not None
    return dict(signature.parameter_schema)


def test_the_table_is_large() -> None:
    assert len(CASES) >= 130


@pytest.mark.parametrize(("sample", "function"), CASES, ids=lambda value: value)
def test_equals_what_prefect_computes(prefects: Oracle, sample: str, function: str) -> None:
    name, schema, description = prefects(_text(sample), function)
    signature = read_signature(_text(sample), function)
    assert signature.flow_name == name
    assert shown(signature.parameter_schema) == shown(schema)
    assert signature.description == description
    assert signature.warnings == ()
    assert all(parameter.known for parameter in signature.parameters)
    assert [parameter.name for parameter in signature.parameters] == list(schema["properties"])


@pytest.mark.parametrize(("sample", "function"), OPEN_CASES, ids=lambda value: value)
def test_what_only_a_run_tells_is_left_open(prefects: Oracle, sample: str, function: str) -> None:
    name, schema, _ = prefects(_text(sample), function)
    signature = read_signature(_text(sample), function)
    assert signature.warnings
    assert signature.flow_name in {name, None}
    if signature.parameter_schema is not None:
        assert_not_wrong(signature, schema)


def assert_not_wrong(signature: Signature, schema: dict[str, Any]) -> None:
    """Each property is Prefect's own, or lacks its type or its default and a warning says so."""
    ours = schema_of(signature)
    assert ours.get("required") == schema.get("required")
    for name, theirs in schema["properties"].items():
        mine = ours["properties"][name]
        if not same(mine, theirs):
            assert any(f"`{name}`" in warning.message for warning in signature.warnings)
            assert mine["position"] == theirs["position"]
            assert all(same(value, theirs.get(key)) for key, value in mine.items())
    for name, definition in ours.get("definitions", {}).items():
        assert same(definition, schema["definitions"][name])


@pytest.mark.parametrize(("sample", "function"), OPEN_CASES, ids=lambda value: value)
def test_every_warning_is_told_and_said_of_the_parameter(sample: str, function: str) -> None:
    signature = read_signature(_text(sample), function)
    said = " ".join(warning.message for warning in signature.warnings)
    assert {warning.severity for warning in signature.warnings} == {Severity.WARNING}
    assert all(f"`{one.name}`" in said for one in signature.parameters if not one.known)
    assert {warning.code for warning in signature.warnings} <= {
        *("parameter-unknown-type", "parameter-unknown-default", "flow-name-unknown", "parameters-unknown"),
    }


def test_equals_what_a_deployment_stores(load: Callable[[str], ModuleType]) -> None:
    text = _text("classes")
    flow = found(load(text), "larger_model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        deployment = flow.to_deployment("x")
    stored = json.loads(json.dumps(deployment._parameter_openapi_schema.model_dump(exclude_unset=True)))
    signature = read_signature(text, "larger_model")
    assert shown(signature.parameter_schema) == shown(stored)
    assert signature.description == deployment.description


# -- what is wrong with a file ---------------------------------------------------------------------------------------


def refused(text: str, function: str) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        read_signature(textwrap.dedent(text), function)
    return caught.value


TWO_FLOWS = """
    from prefect import flow

    @flow
    def basic_flow(message: str = "Hola"):
        pass

    def helper():
        @flow
        def inside():
            pass

    class Proceso:
        @flow
        def copiar(self):
            pass
"""


def test_missing_function_names_the_nearest_flow() -> None:
    error = refused(TWO_FLOWS, "basc_flow")
    assert error.code == "function-missing"
    assert "`basc_flow`" in error.message
    assert error.hint == "Did you mean `basic_flow`?"


def test_missing_method_names_the_class() -> None:
    assert refused(TWO_FLOWS, "copiar").hint == "Did you mean `Proceso.copiar`?"
    assert refused(TWO_FLOWS, "Proceso.kopiar").hint == "Did you mean `Proceso.copiar`?"
    assert refused(TWO_FLOWS, "basic_flow.copiar").code == "function-missing"


def test_missing_function_lists_the_flows() -> None:
    assert refused(TWO_FLOWS, "zzz").hint == "Flows of this file: basic_flow, Proceso.copiar."
    assert refused("x = 1", "zzz").hint == "Name a function with `@flow` that the file defines."


def test_function_inside_a_function_is_missing() -> None:
    assert "inside `helper`" in refused(TWO_FLOWS, "inside").hint


@pytest.mark.parametrize(
    "text",
    [
        "def f(): pass",
        "f = 3",
        "class f: pass",
        "def flow(function): return function\n@flow\ndef f(): pass",
        "from prefect import flow\n@flow\ndef f(): pass\ndef f(): pass",
        "from prefect import task\n@task\ndef f(): pass",
    ],
)
def test_not_a_flow(text: str) -> None:
    error = refused(text, "f")
    assert error.code == "not-a-flow"
    assert error.line is not None
    assert text.splitlines()[error.line - 1].startswith(("def f", "f = ", "class f"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\ndef f(:\n  pass", 2),
        ("def f()\n  pass", 1),
        ("x = 1\0", None),
        ("x = '\ud800'", None),
        ("x = " + "(" * 300, 1),
    ],
)
def test_text_that_is_no_python(text: str, line: int | None) -> None:
    error = refused(text, "f")
    assert error.code == "source-syntax"
    assert line is None or error.line == line


@pytest.mark.parametrize(
    "text",
    ["x = " + "+".join(["1"] * 30_000), "x = a" + ".b" * 30_000, "if x: y = 1\n" + "elif x: y = 1\n" * 5_000],
)
def test_text_that_is_nested_too_deeply(text: str) -> None:
    assert refused(text, "f").code in {"source-too-deep", "source-syntax", "function-missing"}


@pytest.mark.parametrize("parameter", ["_oculto", "wait_for", "return_state", "model_config", "v__args"])
def test_parameters_with_which_prefect_loads_no_flow(load: Callable[[str], ModuleType], parameter: str) -> None:
    text = f"from prefect import flow\n\n@flow\ndef f(a, {parameter}=1): pass\n"
    error = refused(text, "f")
    assert (error.code, error.line) == ("parameter-name-invalid", 4)
    with pytest.raises(Exception, match=r"."):
        load(text)


@pytest.mark.parametrize("name", ["a/b", "a%", "a&b", "<a>"])
def test_names_with_which_prefect_loads_no_flow(load: Callable[[str], ModuleType], name: str) -> None:
    text = f'from prefect import flow\n\n@flow(name="{name}")\ndef f(a): pass\n'
    assert refused(text, "f").code == "flow-name-invalid"
    with pytest.raises(Exception, match="invalid character"):
        load(text)


@pytest.mark.parametrize(
    "text",
    [
        "from elsewhere import f",
        "from elsewhere import *",
        "from prefect import flow\nfrom elsewhere import g\nf = flow(g)",
        "from elsewhere import make\nf = make()",
        "from prefect import flow\nfrom elsewhere import deco\n@deco\n@flow\ndef f(a): pass",
        "from prefect import flow\nimport os\nif os.name:\n    @flow\n    def f(a): pass\nelse:\n    @flow\n    def f(b): pass",
        "from elsewhere import C\nclass D(C): pass\nf = D.f",
        "from prefect import flow\nclass C:\n    @classmethod\n    @flow\n    def f(cls, a): pass\nf = C.f",
    ],
)
def test_flow_of_which_nothing_is_known(text: str) -> None:
    signature = read_signature(text, "f")
    assert (signature.flow_name, signature.parameters, signature.parameter_schema) == (None, (), None)
    assert [warning.code for warning in signature.warnings] == ["flow-name-unknown", "parameters-unknown"]
    assert check_parameters(signature, {"anything": 1}, require_all=True) == ()


def test_name_is_known_though_parameters_are_not() -> None:
    text = "from prefect import flow\nfrom elsewhere import deco\n@flow(name='Sí')\n@deco\ndef f(a): pass"
    signature = read_signature(text, "f")
    assert (signature.flow_name, signature.parameter_schema) == ("Sí", None)
    assert [warning.code for warning in signature.warnings] == ["parameters-unknown"]


def test_pydantic_1_leaves_every_type_open() -> None:
    """Prefect writes the whole schema by other rules then."""
    text = "from prefect import flow\nfrom pydantic.v1 import BaseModel\n@flow\ndef f(a: int, b: str = 'x'): pass"
    signature = read_signature(text, "f")
    assert schema_of(signature)["properties"] == {
        "a": {"title": "a", "position": 0},
        "b": {"title": "b", "position": 1, "default": "x"},
    }
    assert not any(parameter.known for parameter in signature.parameters)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax came with Python 3.12")
@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_type_parameters_are_left_open(prefects: Oracle, future: str) -> None:
    text = f"""{future}
from typing import Optional
from prefect import flow
from pydantic import BaseModel

type Numero = int

class Caja[T](BaseModel):
    contenido: T

@flow
def f[T](a: T, b: Optional[int], c: Numero, d: Caja[int], e: list[T]): pass
"""
    signature = read_signature(text, "f")
    assert_not_wrong(signature, prefects(text, "f")[1])
    assert [parameter.name for parameter in signature.parameters if parameter.known] == ["b"]


def test_nothing_is_executed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    text = f"""
        from pathlib import Path
        from prefect import flow
        Path({str(trace)!r}).touch()

        def touch():
            Path({str(trace)!r}).touch()

        @flow(name=touch())
        def f(a: touch() = touch(), b=Path({str(trace)!r}).touch(), c: "touch()" = 1):
            touch()

        raise SystemExit(3)
    """
    signature = read_signature(textwrap.dedent(text), "f")
    assert [parameter.name for parameter in signature.parameters] == ["a", "b", "c"]
    assert not trace.exists()


def test_byte_order_mark_is_no_fault() -> None:
    assert read_signature("\ufefffrom prefect import flow\n@flow\ndef f(): pass", "f").flow_name == "f"


def test_line_is_that_of_the_function() -> None:
    signature = read_signature(textwrap.dedent(TWO_FLOWS), "Proceso.copiar")
    assert (signature.line, signature.function) == (15, "Proceso.copiar")


BOMBS = {
    "union": ("X0 = int", "X{n} = dict[str, X{m}] | list[X{m}]"),
    "list": ("X0 = [1, 1]", "X{n} = [*X{m}, *X{m}]"),
    "tuple": ("X0 = (1, 1)", "X{n} = (X{m}, X{m})"),
    "text": ("X0 = 'aaaaaaaa'", "X{n} = X{m} + X{m}"),
    "formatted": ("X0 = 'aaaaaaaa'", "X{n} = f'{{X{m}}}{{X{m}}}'"),
    "number": ("X0 = 99999", "X{n} = X{m} * X{m}"),
    "alias": ("X0 = int", "X{n} = X{m}"),
    "quoted": ("X0 = int", "X{n} = 'dict[str, X{m}] | list[X{m}]'"),
    "annotated": ("X0 = int", "X{n} = typing.Annotated[X{m} | X{m}, X{m}]"),
    "class": ("class X0: pass", "class X{n}(X{m}, object): pass"),
    "model": (
        "class X0(BaseModel): a: int = 1",
        "class X{n}(BaseModel):\n    a: X{m} = X{m}()\n    b: X{m} = X{m}()",
    ),
    "dataclass": (
        "@dataclass\nclass X0:\n    a: int = 1",
        "@dataclass\nclass X{n}:\n    a: 'X{m} | list[X{m}]' = X{m}()\n    b: 'X{m} | None' = X{m}()",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("use", ["a: X50", "a=X50", "a: X50 = X50()", "a: 'X50' = X50"])
def test_what_grows_without_end_is_given_up(name: str, use: str) -> None:
    first, step = BOMBS[name]
    lines = [first, *[step.format(n=n, m=n - 1) for n in range(1, 51)]]
    head = (
        "import typing\nfrom dataclasses import dataclass\nfrom prefect import flow\nfrom pydantic import BaseModel\n"
    )
    signature = read_signature(head + "\n".join(lines) + f"\n@flow\ndef f({use}): pass", "f")
    assert len(json.dumps(signature.parameter_schema)) < 200_000


def test_import_is_light() -> None:
    code = "import reconcile.signature, sys; print([m for m in ('prefect', 'pydantic', 'yaml', 'httpx') if m in sys.modules])"
    path = str(Path(__file__).parents[1] / "scripts")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r}); {code}"],
        capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["basic_flow", "a__b_", "Proceso.copiar_tabla", "ñ_é"])
def test_default_flow_name_is_prefects(load: Callable[[str], ModuleType], function: str) -> None:
    *classes, name = function.split(".")
    head = "".join(f"class {one}:\n    " for one in classes)
    text = f"from prefect import flow\n{head}@flow\n{'    ' if classes else ''}def {name}(self): pass\n"
    assert default_flow_name(function) == found(load(text), function).name


# -- parameters ------------------------------------------------------------------------------------------------------

TAKES = """
from prefect import flow

@flow
def copiar(tabla: str, destino: str, limite: int = 10, *args, **kwargs): pass

@flow
def nada(): pass
"""


def test_parameters_that_fit() -> None:
    signature = read_signature(TAKES, "copiar")
    assert check_parameters(signature, {"tabla": "a", "destino": "b"}, require_all=True) == ()
    assert check_parameters(signature, {"kwargs": {"x": 1}}, require_all=False) == ()
    assert check_parameters(read_signature(TAKES, "nada"), {}, require_all=True) == ()


def test_variadic_parameters_are_not_needed_by_a_run() -> None:
    signature = read_signature(TAKES, "copiar")
    assert schema_of(signature)["required"] == ["tabla", "destino", "args", "kwargs"]
    assert [one.name for one in signature.parameters if one.required] == ["tabla", "destino"]


def test_unknown_parameter_names_the_nearest() -> None:
    (fault,) = check_parameters(read_signature(TAKES, "copiar"), {"tabal": 1}, require_all=False)
    assert (fault.code, fault.at, fault.on_key) == ("parameter-unknown", ("tabal",), True)
    assert fault.hint == "Did you mean `tabla`?"


def test_unknown_parameter_lists_what_there_is() -> None:
    (fault,) = check_parameters(read_signature(TAKES, "copiar"), {"zzz": 1}, require_all=False)
    assert fault.hint == "It takes tabla, destino, limite, args, kwargs."
    (fault,) = check_parameters(read_signature(TAKES, "nada"), {"zzz": 1}, require_all=False)
    assert fault.hint == "It takes none."


def test_missing_parameters_are_one_fault() -> None:
    signature = read_signature(TAKES, "copiar")
    (fault,) = check_parameters(signature, {}, require_all=True)
    assert (fault.code, fault.at) == ("parameter-missing", ())
    assert "`tabla`, `destino`" in fault.message
    (fault,) = check_parameters(signature, {"tabla": 1}, require_all=True)
    assert "the parameter `destino`" in fault.message


# -- anything else ---------------------------------------------------------------------------------------------------

HEAD = """
import datetime, decimal, enum, pathlib, typing, uuid
from dataclasses import dataclass
from typing import Annotated, Any, Dict, List, Literal, Optional, Tuple, Union
from prefect import flow
from pydantic import BaseModel, Field

class Color(enum.Enum):
    ROJO = "rojo"
    AZUL = 2

class Punto(BaseModel):
    x: int
    y: Optional[float] = None

@dataclass
class Linea:
    desde: Punto
    hasta: Optional[Punto] = None

LISTA = ["a", "b"]
DIAS = 7
"""

SCALARS = st.sampled_from(
    [
        *("int", "str", "float", "bool", "bytes", "Any", "None", "dict", "list", "Color", "Punto", "Linea"),
        *("datetime.date", "datetime.datetime", "datetime.timedelta", "uuid.UUID", "pathlib.Path", "decimal.Decimal"),
        *("Literal['a', 'b']", "Literal[1, 2]", "Annotated[int, Field(ge=1, description='d')]"),
    ]
)


def _wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    unions = st.lists(SCALARS, min_size=2, max_size=3, unique=True).map(sorted)
    return st.one_of(
        inner.map("list[{}]".format),
        inner.map("List[{}]".format),
        inner.map("set[{}]".format),
        inner.map("dict[str, {}]".format),
        inner.map("Dict[int, {}]".format),
        inner.map("Optional[{}]".format),
        inner.map("tuple[{}, ...]".format),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"Tuple[{', '.join(parts)}]"),
        unions.map(lambda parts: f"Union[{', '.join(parts)}]"),
        inner.map("Annotated[{}, Field(description='anotado')]".format),
    )


TYPES = st.recursive(SCALARS, _wider, max_leaves=4)
DEFAULTS = st.one_of(
    st.none().map(repr),
    st.booleans().map(repr),
    st.integers(-(2**70), 2**70).map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(max_size=8).map(repr),
    st.lists(st.integers(), max_size=3).map(repr),
    st.dictionaries(st.text(max_size=3), st.booleans(), max_size=2).map(repr),
    st.dates().map(repr),
    st.timedeltas().map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda value: f"decimal.{value!r}"),
    st.sampled_from(["LISTA", "DIAS", "-DIAS", "Color.ROJO", "[Color.AZUL]", "Field(3)", "lambda: 1", "..."]),
)


@st.composite
def flows(draw: st.DrawFn) -> str:
    """A file with one flow, out of the grammar of what is supported."""
    names = draw(st.lists(st.sampled_from(["a", "tabla", "ñ", "desde", "json", "x1"]), max_size=4, unique=True))
    keyword_from = draw(st.integers(0, 4))
    parts, documented, defaulted = [], [], False
    for index, name in enumerate(names):
        if index == keyword_from:
            parts.append("*")
            defaulted = False
        type_ = draw(st.none() | TYPES)
        quoted = type_ is not None and "'" not in type_ and draw(st.booleans())
        text = name if type_ is None else f"{name}: {chr(34) + type_ + chr(34) if quoted else type_}"
        defaulted = draw(st.booleans()) or (defaulted and index < keyword_from)
        parts.append(text + (f" = {draw(DEFAULTS)}" if defaulted else ""))
        if draw(st.booleans()):
            documented.append(f"        {name}: {draw(st.sampled_from(['el valor', 'uno: dos', '']))}")
    if parts[-1:] == ["*"]:
        parts.pop()
    doc = "\n".join(["    '''Hace.", "", "    Args:", *documented, "    '''"]) if documented else "    pass"
    future = "from __future__ import annotations\n" if draw(st.booleans()) else ""
    return f"{future}{HEAD}\n@flow\ndef f({', '.join(parts)}):\n{doc}\n"


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=flows())
def test_any_signature_of_the_grammar_equals_prefects(prefects: Oracle, text: str) -> None:
    name, schema, description = prefects(text, "f")
    signature = read_signature(text, "f")
    assert (signature.flow_name, signature.description) == (name, description)
    assert shown(signature.parameter_schema) == shown(schema), text
    assert signature.warnings == ()


TOKENS = st.sampled_from(
    [
        *("[", "]", "(", ")", ",", ".", "|", "*", "-", ":", "=", "'", '"', "{", "}", "...", " ", "\n", "@", "lambda"),
        *("int", "None", "Optional", "Union", "Literal", "Annotated", "Field", "Color", "Punto", "Linea", "LISTA"),
        *("list", "dict", "tuple", "typing", "ROJO", "value", "1", "'a'", "b'x'", "f'{a}'", "Any", "a", "x=1", "ge="),
        *("datetime.date", "(2020, 1, 1)", "await", "yield", "if", "else", "for", "in", "x", "not", "decimal.Decimal"),
    ]
)
SOUP = st.lists(TOKENS, min_size=1, max_size=8).map(" ".join)


@settings(max_examples=400, deadline=None)
@given(type_=SOUP, default=SOUP, extra=SOUP)
def test_no_text_is_too_odd(type_: str, default: str, extra: str) -> None:
    for text in (
        f"{HEAD}\n@flow\ndef f(a: {type_} = {default}): pass\n",
        f"{HEAD}\n@flow(name={default})\ndef f(a: {type_!r}): pass\n",
        f"{HEAD}\nX = {extra}\nclass M(BaseModel):\n    a: {type_} = {default}\n@flow\ndef f(a: M = M(), b: X = X): pass\n",
        f"{HEAD}\n{extra}\n@flow\ndef f(a={default}): pass\n",
    ):
        answered(text, "f")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_is_too_odd(data: st.DataObject) -> None:
    lines = _text(data.draw(st.sampled_from([*EXACT, *OPEN]))).splitlines(keepends=True)
    start = data.draw(st.integers(0, len(lines) - 1))
    end = data.draw(st.integers(start, min(len(lines), start + 40)))
    damaged = lines[:start] + lines[end:]
    function = data.draw(
        st.sampled_from(["models", "scalars", "f", "Proceso.metodo", "", ".", "a.b.c", "larger_model"])
    )
    answered("".join(damaged), function)


def answered(text: str, function: str) -> None:
    """There is an answer, whatever the text: a signature, or an error with a message."""
    signature = None
    with contextlib.suppress(SignatureError):
        signature = read_signature(text, function)
    if signature is not None:
        json.dumps(signature.parameter_schema)
        assert all(warning.message.endswith(".") for warning in signature.warnings)

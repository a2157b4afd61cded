"""Relative paths in the text of a flow: found where they are certain, told where the worker clones the code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import copy_small

from reconcile.cli import main
from reconcile.desired import Evidence, desired
from reconcile.layers import entries
from reconcile.problem import Problem, Severity
from reconcile.resolve import Place, resolve
from reconcile.signature import relative_paths
from reconcile.workspace import load

IMPORTS = """\
import io, logging, logging.handlers, os, pathlib, sqlite3
import numpy as np
import pandas as pd
from logging.handlers import RotatingFileHandler, TimedRotatingFileHandler as Nightly
from pathlib import Path
from pandas import read_excel
"""


@pytest.mark.parametrize(
    ("code", "call", "path"),
    [
        ('open("salida.csv", "w")', "open", "salida.csv"),
        ("open(file='datos/x.txt')", "open", "datos/x.txt"),
        ("open(r'datos\\x.txt')", "open", r"datos\x.txt"),
        ('open(f"reporte_{hoy}.csv")', "open", "reporte_"),
        ('io.open("../x.txt")', "io.open", "../x.txt"),
        ('Path("x.txt").read_text()', "….read_text", "x.txt"),
        ('(Path("datos") / nombre).open()', "….open", "datos"),
        ('pathlib.Path("salida").mkdir(exist_ok=True)', "….mkdir", "salida"),
        ('pd.read_csv("x.csv")', "pd.read_csv", "x.csv"),
        ('pd.read_excel(io="x.xlsx")', "pd.read_excel", "x.xlsx"),
        ('read_excel("x.xlsx")', "read_excel", "x.xlsx"),
        ('tabla.query("a").to_csv("x.csv")', "….to_csv", "x.csv"),
        ('tabla.to_excel(excel_writer="x.xlsx")', "tabla.to_excel", "x.xlsx"),
        ('pd.ExcelWriter("x.xlsx")', "pd.ExcelWriter", "x.xlsx"),
        ('np.loadtxt("x.txt")', "np.loadtxt", "x.txt"),
        ('logging.basicConfig(level=1, filename="flow.log")', "logging.basicConfig", "flow.log"),
        ('logging.FileHandler("flow.log")', "logging.FileHandler", "flow.log"),
        ('logging.handlers.RotatingFileHandler("logs/x.log")', "logging.handlers.RotatingFileHandler", "logs/x.log"),
        ('RotatingFileHandler(filename="x.log")', "RotatingFileHandler", "x.log"),
        ('Nightly("x.log")', "Nightly", "x.log"),
        ('sqlite3.connect("x.db")', "sqlite3.connect", "x.db"),
        ('os.makedirs("salida")', "os.makedirs", "salida"),
    ],
)
def test_a_relative_path_is_found_with_its_line(code: str, call: str, path: str) -> None:
    top, inner = relative_paths(f"{IMPORTS}{code}\n\ndef flujo(hoy):\n    return [{code}]\n")
    assert (top.line, top.call, top.path) == (7, call, path)
    assert (inner.line, inner.call, inner.path) == (10, call, path)


@pytest.mark.parametrize(
    "code",
    [
        'open("/srv/datos/x.txt")',
        'open("C:/datos/x.txt")',
        r'open("C:\\datos\\x.txt")',
        r'open("\\\\srv\\compartido\\x.txt")',
        'open("~/x.txt")',
        "open(ruta)",
        'open(carpeta + "/x.txt")',
        'open(f"{carpeta}/x.txt")',
        'open(f"C{resto}")',
        "open(0)",
        'open("")',
        'Path(__file__).parent.joinpath("x.txt").read_text()',
        '(Path(__file__).parent / "x.txt").read_text()',
        'Path.home().joinpath("x").read_text()',
        'pd.read_csv("https://example.com/x.csv")',
        'pd.read_csv("s3://cubo/x.csv")',
        'pd.read_sql("select 1", conexion)',
        'sqlite3.connect(":memory:")',
        "logging.basicConfig(level=10)",
        'logging.getLogger("flow.log")',
        'tabla.to_json("x")',
        'otro.open("pagina")',
        'navegador.connect("x.db")',
        "\"open('x.txt')\"",
        "def open_report(x): ...",
    ],
)
def test_what_is_absolute_or_uncertain_is_left_alone(code: str) -> None:
    assert relative_paths(f"{IMPORTS}{code}\n") == ()


def test_what_is_no_python_has_none() -> None:
    assert [relative_paths(text) for text in ("def (", "\x00", "(" * 5000, "")] == [(), (), (), ()]


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    relative_paths(text)
    relative_paths(f"open({text!r})")


# ─── from the files ──────────────────────────────────────────────────────────────────────────────────────────────

FLOW = """\
from prefect import flow

def guardar(texto):
    with open("salida.txt", "a") as file:
        file.write(texto)

@flow
def basic_flow(message: str = "Hola"):
    guardar(message)
    open("otra.txt").close()

@flow
def otro_flow(): ...
"""

FINE = FLOW.replace('open("', 'open("/srv/')


def told(root: Path, source: str) -> list[Problem]:
    """The warnings about two deployments of one file and one of another, which is without fault."""
    (root / "deployments" / "ventas" / "prod.yaml").write_text(
        f"defaults: {{source: {source}}}\n"
        "deployments:\n"
        '  "Uno": {entrypoint: flows/basic.py:basic_flow}\n'
        '  "Dos": {entrypoint: flows/basic.py:otro_flow}\n'
        '  "Tres": {entrypoint: flows/fine.py:basic_flow}\n',
        encoding="utf-8",
    )
    repository, problems = load(root)
    assert not problems
    resolved = resolve(repository, entries(repository), Place(root=str(root)))
    mine = [code for code in resolved.codes if code.entry.scope.area == "ventas"]
    texts = {(code.reads, code.files[0]): FINE if "fine" in code.files[0] else FLOW for code in mine}
    found = desired(repository, replace(resolved, codes=tuple(mine), without=()), Evidence(texts=texts))
    return [one for one in found.problems if one.code == "relative-path"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy_small(tmp_path / "repository")


def test_it_is_told_once_a_file_at_the_entrypoint_where_the_code_is_cloned(root: Path) -> None:
    (found,) = told(root, "electra")
    assert (str(found.location), found.severity) == ("deployments/ventas/prod.yaml:3:23", Severity.WARNING)
    assert "flows/basic.py:4: open takes the relative path 'salida.txt' (and line 10)" in found.message


@pytest.mark.parametrize("source", ["here", "local"])
def test_a_folder_of_the_machine_may_be_meant(root: Path, source: str) -> None:
    assert told(root, source) == []


def test_validate_tells_it_of_a_folder_that_workers_elsewhere_clone(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is fetched: what validate has before it are the flows of the repository itself."""
    shared = root / "deployments" / "shared.yaml"
    text = shared.read_text(encoding="utf-8")
    (root / "flows" / "basic.py").write_text(FLOW, encoding="utf-8")
    entry = 'deployments:\n  "Uno": {entrypoint: flows/basic.py:basic_flow}\n'
    (root / "deployments" / "ventas" / "prod.yaml").write_text(entry, encoding="utf-8")
    address = "https://example.com/este.git"
    found = {}
    for source in ("{path: .}", f"{{path: ., deploy_as: {{git: {address}, branch: main}}}}"):
        shared.write_text(text.replace("here: {path: .}", f"here: {source}"), encoding="utf-8")
        main(["validate", "--root", str(root), "--json"])
        problems = json.loads(capsys.readouterr().out)["problems"]
        found[source] = [one for one in problems if one["code"] == "relative-path"]
    without, (told_of,) = found.values()
    assert without == []
    assert (told_of["severity"], "flows/basic.py:4: open" in told_of["message"]) == ("warning", True)
    assert (told_of["file"], told_of["line"]) == ("deployments/ventas/prod.yaml", 2)

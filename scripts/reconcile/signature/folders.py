"""Where a source text takes a relative path: of a flow whose code is cloned, that is not the folder people think of.

Only what is certain is found: the text of the path stands in the call itself. The file is never executed.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_OPENERS: Final = frozenset(
    {
        *("open", "io.open", "codecs.open", "gzip.open", "zipfile.ZipFile", "sqlite3.connect"),
        *("os.listdir", "os.scandir", "os.walk", "os.mkdir", "os.makedirs", "os.remove", "os.unlink", "os.chdir"),
        *("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.move", "shutil.rmtree", "shutil.copytree"),
        *("glob.glob", "glob.iglob", "openpyxl.load_workbook", "pandas.ExcelFile", "pandas.ExcelWriter"),
        *("numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "numpy.save", "numpy.savez", "numpy.savetxt"),
    }
)
"""Functions whose first argument is a path."""

_NAMED: Final = {"logging.basicConfig": "filename"}
"""Functions that take a path by that name alone."""

_LOG_FILE: Final = re.compile(r"logging\.(?:FileHandler|handlers\.(?:Watched|Rotating|TimedRotating)FileHandler)")
_PANDAS: Final = re.compile(
    r"pandas\.read_(?:csv|excel|parquet|json|pickle|feather|hdf|xml|html|stata|orc|table|fwf|sas|spss)"
)
_TO_FILE: Final = frozenset(f"to_{kind}" for kind in ("csv", "excel", "parquet", "pickle", "feather", "stata", "orc"))
"""Methods of data frames that no other objects are likely to have."""

_OF_PATHS: Final = frozenset(
    {
        *("open", "read_text", "read_bytes", "write_text", "write_bytes", "exists", "is_file", "is_dir", "stat"),
        *("mkdir", "touch", "unlink", "rmdir", "iterdir", "glob", "rglob", "rename", "replace", "resolve", "absolute"),
    }
)
_PATH: Final = frozenset({"pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath"})
_KEYWORDS: Final = frozenset({"file", "filename", "path", "filepath_or_buffer", "path_or_buf", "io", "excel_writer"})

_ELSEWHERE: Final = re.compile(r"[/\\~$%{<]|[A-Za-z]:|[a-z][a-z0-9+.-]*://|:memory:|file:|-$")
"""How a path begins that is not relative, or that cannot be told: roots, homes, drives, addresses, placeholders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativePath:
    """A call with a relative path: its line, what is called, and how the path begins."""

    line: int
    call: str
    path: str


def relative_paths(text: str) -> tuple[RelativePath, ...]:
    """The calls of a file that take a relative path, in the order of their lines; none of a file that is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.removeprefix("\ufeff"))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return ()
    names = dict(_imports(tree))
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    found = (one for call in calls if (one := _relative(call, names)) is not None)
    return tuple(sorted(found, key=lambda one: one.line))


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What each imported name is: `pd` is pandas."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                yield one.asname or one.name.partition(".")[0], one.name if one.asname else one.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for one in node.names:
                yield one.asname or one.name, f"{node.module}.{one.name}"


def _relative(call: ast.Call, names: dict[str, str]) -> RelativePath | None:
    path = _path_of(call, names)
    if path is None or not path or _ELSEWHERE.match(path):
        return None
    return RelativePath(line=call.lineno, call=_shown(call.func), path=path)


def _path_of(call: ast.Call, names: dict[str, str]) -> str | None:
    """How the path begins that a call takes, if it takes one and that is written there."""
    name = _dotted(call.func, names)
    if name in _NAMED:
        return _text(next((one.value for one in call.keywords if one.arg == _NAMED[name]), None))
    if name in _OPENERS or (name and (_LOG_FILE.fullmatch(name) or _PANDAS.fullmatch(name))):
        return _text(_first(call))
    if not isinstance(call.func, ast.Attribute):
        return None
    if call.func.attr in _TO_FILE:
        return _text(_first(call))
    return _begin_of_path(call.func.value, names) if call.func.attr in _OF_PATHS else None


def _first(call: ast.Call) -> ast.expr | None:
    named = (one.value for one in call.keywords if one.arg in _KEYWORDS)
    return call.args[0] if call.args else next(named, None)


def _begin_of_path(value: ast.expr, names: dict[str, str]) -> str | None:
    """The beginning of `Path("a")`, of `Path("a") / "b"` and of the parent of such ones."""
    while True:
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Div):
            value = value.left
        elif isinstance(value, ast.Attribute) and value.attr == "parent":
            value = value.value
        else:
            break
    if not isinstance(value, ast.Call) or _dotted(value.func, names) not in _PATH or not value.args:
        return None
    return _text(value.args[0])


def _text(value: ast.expr | None) -> str | None:
    """A text that is written there, or how one begins that is put together; at least two characters, to be certain."""
    if isinstance(value, ast.JoinedStr) and value.values:
        begun = _text(value.values[0])
        return begun if begun is not None and len(begun) > 1 else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _dotted(value: ast.expr, names: dict[str, str]) -> str | None:
    """The whole name of what is called: `pd.read_csv` is pandas.read_csv."""
    steps: list[str] = []
    while isinstance(value, ast.Attribute):
        steps.append(value.attr)
        value = value.value
    if not isinstance(value, ast.Name) or (steps and value.id not in names):
        return None
    return ".".join([names.get(value.id, value.id), *reversed(steps)])


def _shown(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return f"{_shown(function.value)}.{function.attr}" if isinstance(function, ast.Attribute) else "…"

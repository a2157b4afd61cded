"""Files that are too big, too deep, never end, or are none: each by a process of its own, measured."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.tool import MAIN, Tool
from hostile import TEXTS, assert_harmless
from small import copy_small

pytestmark = pytest.mark.e2e

MOST: Final = 500
"""Megabytes that a process may take."""

LONGEST: Final = 120.0
"""Seconds that it may take, on a machine that does other things too."""

posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such files, and no such measure of memory")
not_root = pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() == 0, reason="root may read everything")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How a process ended, and what it took."""

    code: int
    out: str
    err: str
    megabytes: float
    seconds: float

    @property
    def problems(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.out)["problems"]
        return found


def measured(root: Path, home: Path, *arguments: str) -> Measured:
    """Run the tool. Its memory is what the system says of it once it has ended."""
    home.mkdir(exist_ok=True)
    tool = Tool(root=root, home=home)
    began = time.monotonic()
    with (home / "out").open("wb") as out, (home / "err").open("wb") as err:
        process = subprocess.Popen(
            tool.command(*arguments), stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=tool.environ(), cwd=home
        )
        code, megabytes = _ended(process)
    said = (home / "out").read_text(encoding="utf-8"), (home / "err").read_text(encoding="utf-8")
    found = Measured(code=code, out=said[0], err=said[1], megabytes=megabytes, seconds=time.monotonic() - began)
    assert "Traceback" not in found.out + found.err
    assert_harmless(found.out + found.err)
    assert found.megabytes < MOST, f"{found.megabytes:.0f} MB"
    TAKEN.append((found.megabytes, found.seconds))
    return found


def _ended(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        if sys.platform == "win32":
            if process.poll() is not None:
                return process.returncode, 0.0
        else:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                process.returncode = os.waitstatus_to_exitcode(status)
                return process.returncode, usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise AssertionError(f"not within {LONGEST:g} s")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The small repository, to be spoiled."""
    return copy_small(tmp_path / "repository")


def head(tail: bytes) -> bytes:
    return b"deployments:\n  X:\n    entrypoint: flows/basic.py:basic_flow\n    parameters: " + tail


def bomb(levels: int) -> bytes:
    rows = [b"  a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [b"  a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, levels)]
    return b"deployments: {}\ndefaults:\n" + b"\n".join(rows) + b"\n"


def blocks(levels: int) -> bytes:
    return b"".join(b" " * level + b"a:\n" for level in range(levels))


KEYS: Final = b"".join(b"      k%d: 1\n" % number for number in range(100_000))
BIG: Final[dict[str, tuple[bytes, str, int]]] = {
    "ten-megabytes-of-text": (head(b"{message: " + b"x" * 10_000_000 + b"}\n"), "file-too-large", 1),
    "ten-megabytes-of-entries": (b"deployments:\n" + b"  X: {}\n" * 1_250_000, "file-too-large", 1),
    "a-thousand-levels-of-braces": (head(b"{a: " * 1000 + b"1" + b"}" * 1000), "too-deep", 4),
    "a-hundred-thousand-levels-of-braces": (head(b"{a: " * 100_000 + b"1" + b"}" * 100_000), "too-deep", 4),
    "a-hundred-thousand-levels-of-brackets": (head(b"[" * 100_000), "too-deep", 4),
    "a-hundred-thousand-levels-of-keys": (head(b"{? " * 100_000), "too-deep", 4),
    "a-thousand-levels-of-blocks": (blocks(1000), "too-deep", 101),
    "nineteen-hundred-levels-of-blocks": (blocks(1900), "too-deep", 101),
    "a-hundred-thousand-dashes": (b"- " * 100_000, "too-deep", 1),
    "a-bomb-of-ten-levels": (bomb(10), "alias-bomb", 0),
    "a-bomb-of-two-thousand-levels": (bomb(2000), "alias-bomb", 0),
    "a-hundred-thousand-keys": (head(b"\n" + KEYS), "parameter-unknown", 0),
    "ten-thousand-wrong-entries": (b"deployments:\n" + b"".join(b"  X%d: {nonsense: 1}\n" % n for n in range(10_000)), "unknown-key", 2),
    "ten-thousand-names-that-are-none": (b"deployments:\n" + b"".join(b"  X%d: {source: x%d}\n" % (n, n) for n in range(10_000)), "source-undeclared", 0),
    "ten-thousand-schedules": (head(b"{}\n    schedules:\n" + b"".join(b"      s%d: {use: laboral}\n" % n for n in range(10_000))), "", 0),
    "a-megabyte-of-one-text": (head(b"{message: " + b"x" * 1_000_000 + b"}\n"), "", 0),
    "a-megabyte-of-one-number": (head(b"{message: " + b"9" * 1_000_000 + b"}\n"), "number-too-large", 4),
    "a-megabyte-of-one-name": (b'deployments:\n  "' + b"x" * 1_000_000 + b'": {}\n', "", 0),
    "a-megabyte-of-one-key-alone": (b"x" * 1_000_000 + b"\n", "", 1),
    "a-megabyte-of-backslashes": (head(b'{message: "' + b"\\q" * 500_000 + b'"}\n'), "backslash-in-quotes", 0),
    "a-hundred-thousand-bad-escapes": (head(b"\n" + b'      k: "C:\\Users"\n' * 80_000), "backslash-in-quotes", 0),
    "a-megabyte-of-quotes": (head(b"'" * 1_000_001), "", 0),
    "a-megabyte-of-anchors": (b"".join(b"a%d: &a%d x\n" % (n, n) for n in range(70_000)), "", 1),
    "a-megabyte-of-comments": (b"# https://u:\n" * 80_000 + b"deployments: {}\n", "", 0),
    "a-megabyte-of-hashes": (b"#" * 1_000_000 + b"\ndeployments: {}\n", "", 0),
    "a-megabyte-of-spaces": (b"deployments:" + b" " * 1_000_000 + b"{}\n", "", 0),
    "a-megabyte-of-lines": (b"\n" * 1_000_000 + b"x: {}\n", "unknown-key", 1_000_001),
    "a-megabyte-of-colons": (b":" * 1_000_000, "", 0),
    "a-megabyte-of-question-marks": (b"? " * 500_000, "", 0),
    "a-megabyte-of-exclamation-marks": (b"!" * 1_000_000 + b" x\n", "", 0),
    "a-megabyte-of-percent": (b"%" * 1_000_000, "", 0),
    "a-megabyte-of-documents": (b"---\n" * 250_000, "several-documents", 2),
    "a-megabyte-of-conflicts": (b"<<<<<<< a\n" * 100_000, "merge-conflict", 1),
    "a-megabyte-of-cron": (b'deployments: {X: {schedules: {a: {cron: "' + b"1," * 500_000 + b'1 * * * *"}}}}\n', "", 0),
    "a-megabyte-of-rrule": (b'deployments: {X: {schedules: {a: {start: "2026-01-01T00:00:00", rrule: "FREQ=DAILY;BYHOUR=' + b"1," * 500_000 + b'1"}}}}\n', "", 0),
    "a-megabyte-of-token-starts": (head(b"{message: '" + b"eyJ" * 330_000 + b"'}\n"), "", 0),
    "a-megabyte-of-addresses": (head(b"{message: '" + b"a://" * 250_000 + b"'}\n"), "", 0),
    "a-megabyte-of-addresses-in-a-comment": (b"# " + b"a://b:" * 160_000 + b"\ndeployments: {}\n", "", 0),
    "a-megabyte-of-placeholders": (head(b"{message: '" + b"{{" * 500_000 + b"'}\n"), "", 0),
}  # fmt: skip


AT_ONCE: Final = ("ten-megabytes", "a-hundred-thousand-levels", "a-bomb", "a-thousand", "a-megabyte-of-one-text")
"""Those that are tried each time; what begins otherwise takes its time."""

TAKEN: Final[list[tuple[float, float]]] = []
"""What each process of this run took: megabytes and seconds."""


@posix
@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        pytest.param(*one, id=name, marks=[] if name.startswith(AT_ONCE) else pytest.mark.long)
        for name, one in BIG.items()
    ],
)
def test_what_is_too_big_or_too_deep_is_one_clear_problem(
    content: bytes, code: str, line: int, root: Path, tmp_path: Path
) -> None:
    (root / "deployments/ventas/prod.yaml").write_bytes(content)
    found = measured(root, tmp_path / "home", "validate", "--json")
    assert found.code in {0, 1}, found.err
    told = [problem for problem in found.problems if problem["file"] == "deployments/ventas/prod.yaml"]
    if code:
        assert code in {problem["code"] for problem in told}
    if line:
        assert next(problem["line"] for problem in told if problem["code"] == code or not code) == line
    assert all(len(problem["message"]) < 2_000_000 for problem in told)


@posix
@pytest.mark.parametrize("command", ["validate", "show X"])
def test_people_are_told_of_it_in_few_words(command: str, root: Path, tmp_path: Path) -> None:
    (root / "deployments/ventas/prod.yaml").write_bytes(BIG["a-hundred-thousand-levels-of-braces"][0])
    found = measured(root, tmp_path / "home", *command.split())
    assert found.code == 1
    assert found.out.count("\n") <= 4


# ---------------------------------------------------------------- what is no file


def a_loop(path: Path) -> None:
    path.symlink_to(path)


def a_longer_loop(path: Path) -> None:
    other = path.with_suffix(".other")
    other.symlink_to(path)
    path.symlink_to(other)


def a_way_out(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def the_endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def the_empty_device(path: Path) -> None:
    path.symlink_to("/dev/null")


def standard_input(path: Path) -> None:
    path.symlink_to("/dev/stdin")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.with_suffix(".pipe"))
    path.symlink_to(path.with_suffix(".pipe"))


def a_folder(path: Path) -> None:
    path.mkdir()


def a_socket(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def a_link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def the_folder_above(path: Path) -> None:
    path.symlink_to("..")


NO_FILES: Final = (
    a_loop, a_longer_loop, a_way_out, the_endless_device, the_empty_device, standard_input, a_pipe, a_link_to_a_pipe,
    a_folder, a_socket, a_link_to_nowhere, the_folder_above,
)  # fmt: skip

PLACES: Final = {
    "deployments/ventas/prod.yaml": "deployments/ventas/prod.yaml",
    "deployments/shared.yaml": "deployments/shared.yaml",
    "deployments/environments.yaml": "deployments/environments.yaml",
    "pools/ventas-prod.yaml": "pools/ventas-prod.yaml",
    "prefect.yaml": "prefect.yaml",
    "flows/basic.py": "deployments/ventas/prod.yaml",
}


def some(values: Iterable[Any], at_once: Container[Any]) -> list[Any]:
    """The values, of which most are for the long run."""
    return [pytest.param(value, marks=[] if value in at_once else pytest.mark.long) for value in values]


@posix
@pytest.mark.parametrize("name", some(PLACES, {"deployments/ventas/prod.yaml"}))
@pytest.mark.parametrize("make", NO_FILES, ids=lambda make: make.__name__.replace("_", "-"))
def test_what_is_no_file_is_told_and_not_waited_for(
    make: Callable[[Path], None], name: str, root: Path, tmp_path: Path
) -> None:
    (root / name).unlink()
    make(root / name)
    found = measured(root, tmp_path / "home", "validate", "--json")
    assert found.seconds < LONGEST / 2
    assert found.code == 1, found.out
    assert PLACES[name] in {problem["file"] for problem in found.problems}


@posix
@pytest.mark.long
@pytest.mark.parametrize("name", ["templates/x.json", "deployments/ventas", "deployments", "pools", "flows"])
@pytest.mark.parametrize("make", NO_FILES, ids=lambda make: make.__name__.replace("_", "-"))
def test_what_is_no_folder_or_template_is_not_waited_for(
    make: Callable[[Path], None], name: str, root: Path, tmp_path: Path
) -> None:
    path = root / ("pools" if name.endswith("json") else "") / name
    if path.is_dir():
        path.rename(tmp_path / "aside")
    path.parent.mkdir(exist_ok=True)
    make(path)
    (root / "pools").is_dir() and (root / "pools/otra.yaml").write_text(
        "type: process\nbase_job_template: templates/x.json\n", encoding="utf-8"
    )
    found = measured(root, tmp_path / "home", "validate", "--json")
    assert found.code in {0, 1}, found.err
    assert isinstance(found.problems, list)


@posix
@not_root
@pytest.mark.parametrize("name", ["deployments/ventas/prod.yaml", "deployments/ventas", "deployments", "prefect.yaml"])
def test_what_may_not_be_read_is_told(name: str, root: Path, tmp_path: Path) -> None:
    (root / name).chmod(0)
    try:
        found = measured(root, tmp_path / "home", "validate", "--json")
    finally:
        (root / name).chmod(0o755)
    assert found.code == 1
    assert found.problems


@posix
def test_names_of_files_that_are_no_text(root: Path, tmp_path: Path) -> None:
    """A name is bytes: those that are not UTF-8, or that a terminal acts on, are told escaped."""
    for number, text in enumerate([b"\xff\xfe", b"a\x1b[31mb", "\u202eb".encode(), b"one\ntwo", b" ", b"'\"`$(id)"]):
        for folder, ending in ((b"deployments", b".yaml"), (b"pools", b".yaml"), (b"deployments/ventas", b".yml")):
            (Path(os.fsdecode(os.fsencode(root) + b"/" + folder + b"/" + text + ending))).write_bytes(b"x: y\n")
        made = Path(os.fsdecode(os.fsencode(root) + b"/deployments/" + text + b"%d" % number))
        made.mkdir()
        (made / "prod.yaml").write_bytes(b"deployments: {X: {entrypoint: 'flows/basic.py:basic_flow'}}\n")
    for arguments in (("validate",), ("validate", "--json")):
        found = measured(root, tmp_path / "home", *arguments)
        assert found.code == 1, found.err
        assert "name-invalid" in found.out


# ---------------------------------------------------------------- arguments and the environment


def said(root: Path, home: Path, *arguments: bytes | str, **settings: str) -> Measured:
    """The tool with arguments and settings that need not be text."""
    home.mkdir(exist_ok=True)
    environ = {os.fsencode(name): os.fsencode(value) for name, value in Tool(root=root, home=home).environ().items()}
    environ |= {name.encode(): os.fsencode(value) for name, value in settings.items()}
    command = [os.fsencode(sys.executable), b"-c", MAIN.encode(), *(os.fsencode(each) for each in arguments)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environ, cwd=home, timeout=LONGEST
    )
    out, err = done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
    assert "Traceback" not in out + err, err
    assert_harmless(out + err)
    return Measured(code=done.returncode, out=out, err=err, megabytes=0.0, seconds=0.0)


ARGUMENTS: Final = [
    b"\xff\xfe",
    *(text.encode("utf-8", "ignore") for text in TEXTS if "\x00" not in text),
    b"--",
    b"[",
    b"*" * 200,
    b"[!]",
]


@posix
@pytest.mark.parametrize("number", some(range(len(ARGUMENTS)), {0, 1}))
def test_a_hostile_argument_is_one_clear_message(number: int, root: Path, tmp_path: Path) -> None:
    hostile = ARGUMENTS[number]
    home, at = tmp_path / "home", os.fsencode(root)
    away = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    for arguments in (
        (hostile,),
        ("validate", b"--root", at, b"--json", hostile),
        ("validate", "--root", hostile, "--json"),
        ("show", hostile, "--root", at),
        ("show", "Saludo", "--root", at, "--env", hostile),
        ("plan", "--root", at, "--area", hostile),
        ("plan", "--root", at, "--only", hostile),
        ("apply", "--yes", "--root", at, "--env", "all", "--adopt", hostile, "--release", hostile),
        ("plan", "--root", at, "--out", hostile, "--env", "all"),
        ("apply", hostile, "--yes", "--root", at, "--json"),
    ):  # fmt: skip
        found = said(root, home, *arguments, **away)
        assert found.code in {0, 1, 64}, (arguments, found)
        assert found.err or found.code == 0 or "problems" in found.out, arguments


SETTINGS: Final = {
    "PREFECT_API_URL": ["\x1b[31m", "http://", "http://[", "http://\udcff/api", "http://a b/api", "ftp://x/api", "http://x:99999/api", "http://127.0.0.1:9/\u202e\x1b[31m/api", "http://" + "x" * 5000 + "/api", "http://é\u202e.invalid/api", "http://127.0.0.1:9/%ff/api", "HTTP://127.0.0.1:9/api?x=\x9b#y"],
    "PREFECT_API_KEY": ["\x1b[31m", "a\nb", "ñandú", "\udcff", " "],
    "PREFECT_API_AUTH_STRING": ["\x1b[31m:x", "a\nb", "ñ:ü", "\udcff"],
    "PREFECT_CLIENT_CUSTOM_HEADERS": ["{", "[]", '{"a\\nb": "c"}', '{"ñ": "ü"}', '{"a": "b\\u0000"}', "[" * 100_000, "\udcff", "1"],
    "PREFECT_API_REQUEST_TIMEOUT": ["nan", "inf", "-1", "0", "1e400", "x", "\x1b[31m"],
    "PREFECT_API_SSL_CERT_FILE": ["/nowhere", "/etc", "/dev/null", "\udcff"],
    "PREFECT_API_TLS_INSECURE_SKIP_VERIFY": ["\x1b[31m"],
    "PREFECT_PROFILE": ["\x1b[31m", "\udcff", "nowhere", "\u202e"],
    "PREFECT_PROFILES_PATH": ["/dev/null", "/etc", "~nobody-of-that-name/x", "x" * 5000, "\udcff"],
    "PREFECT_HOME": ["~nobody-of-that-name", "/dev/null", "x" * 5000, "\udcff", "/etc/passwd"],
    "HTTPS_PROXY": ["\x1b[31m", "x", "socks9://x", "http://["],
    "RECONCILE_CACHE": ["/dev/null/x", "\udcff", "\x1b[31m"],
    "LANG": ["\udcff"],
    "TZ": ["\x1b[31m", "/dev/zero", "\udcff"],
    "COLUMNS": ["-1", "x", "999999999999"],
    "TERM": ["\x1b[31m"],
}  # fmt: skip


@posix
@pytest.mark.parametrize("name", some(SETTINGS, {"PREFECT_API_KEY", "PREFECT_PROFILE"}))
def test_a_hostile_setting_is_one_clear_message(name: str, root: Path, tmp_path: Path) -> None:
    for value in SETTINGS[name]:
        scheme = "https" if name == "PREFECT_API_SSL_CERT_FILE" or "PROXY" in name else "http"
        settings = {"PREFECT_API_URL": f"{scheme}://127.0.0.1:9/api", name: value}
        found = said(root, tmp_path / "home", "plan", "--root", str(root), "--json", **settings)
        assert found.code == 1, (value, found)
        assert json.loads(found.out)["error"]["message"]


def test_a_profile_that_is_not_there_is_told_with_those_that_are(root: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "profiles.toml").write_text(
        'active = "casa"\n[profiles.casa]\nPREFECT_API_URL = "http://127.0.0.1:9/api"\n[profiles.planta]\n', "utf-8"
    )
    tool = Tool(root=root, home=home, settings={"PREFECT_PROFILES_PATH": str(home / "profiles.toml")})
    known = tool("plan", "--json")
    assert "127.0.0.1:9" in known.document["error"]["message"]
    lost = Tool(root=root, home=home, settings={**(tool.settings or {}), "PREFECT_PROFILE": "plnta"})("plan", "--json")
    assert lost.code == 1
    message = lost.document["error"]["message"]
    assert "no profile called 'plnta', which PREFECT_PROFILE names" in message
    assert "There are: casa, planta." in message


# ---------------------------------------------------------------- where the output goes


@pytest.fixture
def many(root: Path) -> Path:
    """A repository with more problems than a pipe holds."""
    rows = "".join(f'  "X{number}": {{nonsense: 1}}\n' for number in range(3000))
    (root / "deployments/ventas/prod.yaml").write_text(f"deployments:\n{rows}", encoding="utf-8")
    return root


def command_of(root: Path, home: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    home.mkdir(exist_ok=True)
    tool = Tool(root=root, home=home)
    return tool.command(*arguments), tool.environ()


SLOWER = [pytest.param(words, marks=pytest.mark.long) for words in (("validate",), ("show", "Saludo"))]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [("validate", "--json"), ("--help",), *SLOWER])
def test_a_full_disk_is_one_line(arguments: tuple[str, ...], root: Path, tmp_path: Path) -> None:
    command, environ = command_of(root, tmp_path / "home", *arguments)
    if arguments == ("--help",):
        command = command[: command.index("--help") + 1]
    if arguments != ("--help",):  # argparse itself passes over what cannot be written at once
        assert_told_in_one_line(command, {**environ, "PYTHONUNBUFFERED": "1"})
    assert_told_in_one_line(command, {name: value for name, value in environ.items() if name != "PYTHONUNBUFFERED"})


def assert_told_in_one_line(command: list[str], environ: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environ, check=False, encoding="utf-8")
        assert (done.returncode, done.stderr) == (1, "The output cannot be written: No space left on device.\n")
        silent = subprocess.run(command, stdout=full, stderr=full, env=environ, check=False)
        assert silent.returncode == 1


@posix
@pytest.mark.parametrize("arguments", [("validate",), pytest.param(("validate", "--json"), marks=pytest.mark.long)])
def test_a_reader_that_goes_away_is_told_nothing(arguments: tuple[str, ...], many: Path, tmp_path: Path) -> None:
    command, environ = command_of(many, tmp_path / "home", *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(LONGEST) == 1


@posix
def test_no_output_at_all_is_no_fault(root: Path, tmp_path: Path) -> None:
    """Started with standard output closed, as some schedulers do."""
    command, environ = command_of(root, tmp_path / "home", "validate")
    closing = [sys.executable, "-c", "import os, sys; os.close(1); os.close(2); os.execv(sys.argv[1], sys.argv[1:])"]
    done = subprocess.run([*closing, *command], env=environ, check=False)
    assert done.returncode == 0


@posix
@pytest.mark.long
def test_what_all_of_them_took() -> None:
    """Stands last, so that it tells of those above."""
    most, longest = (max((taken[index] for taken in TAKEN), default=0.0) for index in (0, 1))
    print(f"FIGURES hostile files: {len(TAKEN)} processes, at most {most:.0f} MB and {longest:.1f} s, 0 tracebacks")
    assert most < MOST

"""The bootstrap: which environment is used, when it is mended, and what is said when it cannot be made."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from bootstrap import checks, environment, handover, installers, locks, making
from bootstrap.environment import BROKEN, DEV, MISSING, OUTDATED, READY, RUNTIME

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "scripts"
ON_WINDOWS = os.name == "nt"

COMMAND = """
import sys

import yaml


def main(arguments):
    print("ran", *arguments, "ñandú → 5 €")
    return 3
"""
"""A command that needs an installed package, in place of the house's."""

NOWHERE = "http://127.0.0.1:9/simple"
"""Nothing listens on the discard port."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copy_of_the_bootstrap(tmp_path / "clone")


def copy_of_the_bootstrap(target: Path) -> Path:
    for folder in ("bootstrap", "requirements"):
        shutil.copytree(SCRIPTS / folder, target / "scripts" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SCRIPTS / "sync.py", target / "scripts")
    (target / "scripts" / "reconcile").mkdir()
    (target / "scripts" / "reconcile" / "__init__.py").touch()
    (target / "scripts" / "reconcile" / "cli.py").write_text(COMMAND, encoding="utf-8")
    return target


def command_line(tree: Path, *arguments: str) -> list[str]:
    return [environment.base_python(), str(tree / "scripts" / "sync.py"), *arguments]


def sync(tree: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(command_line(tree, *arguments), variables)


def run(command: list[str], variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


# Too old a Python


@pytest.mark.parametrize("name", ["sync.py", "test.py"])
def test_an_old_python_is_refused_with_one_message(name: str) -> None:
    pretend = (
        "import runpy, sys; sys.version_info = (3, 8, 10, 'final', 0); "
        f"sys.argv = ['scripts/{name}']; runpy.run_path({str(SCRIPTS / name)!r}, run_name='__main__')"
    )
    done = run([sys.executable, "-c", pretend])
    assert done.returncode == 1
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first.startswith("error: Python 3.11 or newer is needed, and this is Python 3.8 (")
    assert f"scripts/{name}" in second


@pytest.mark.parametrize("name", ["sync.py", "test.py", "bootstrap/__init__.py", "bootstrap/old_python.py"])
def test_what_an_old_python_reads_is_written_for_it(name: str) -> None:
    parsed = ast.parse((SCRIPTS / name).read_text(encoding="utf-8"), feature_version=(3, 7))
    assert not any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in ast.walk(parsed))


# The verdict on an environment


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A real environment, without packages, whose stamp says that all is well."""
    made = tmp_path / ".venv"
    subprocess.run([environment.base_python(), "-m", "venv", "--without-pip", str(made)], check=True)
    stamp(made)
    return made


def stamp(place: Path, **other: str) -> None:
    facts = {"profile": RUNTIME, "interpreter": making.interpreter(str(place)), **other}
    facts.setdefault("lock", environment.lock_digest(facts["profile"]))
    environment.write_stamp(str(place), **facts)


def test_an_environment_in_step_is_ready(place: Path) -> None:
    assert environment.judge(str(place), RUNTIME)[0] == READY


def test_no_environment_is_missing(tmp_path: Path) -> None:
    assert environment.judge(str(tmp_path / ".venv"), RUNTIME)[0] == MISSING


def test_the_development_packages_serve_both(place: Path) -> None:
    stamp(place, profile=DEV)
    assert environment.judge(str(place), RUNTIME)[0] == READY
    assert environment.judge(str(place), DEV)[0] == READY


def test_the_runtime_packages_do_not_serve_development(place: Path) -> None:
    assert environment.judge(str(place), DEV) == (OUTDATED, "it lacks the development packages")


@pytest.mark.parametrize("profile", [RUNTIME, DEV])
def test_another_lock_makes_it_outdated(place: Path, profile: str) -> None:
    stamp(place, profile=profile, lock="0" * 64)
    assert environment.judge(str(place), RUNTIME) == (OUTDATED, "the lock has changed")


@pytest.mark.parametrize(
    "text", ["", "nonsense", "layout=1\n", "\x00\x00", "place=\n=\n=x\nprofile=../../etc/passwd\n"]
)
def test_a_stamp_that_says_nothing_makes_it_broken(place: Path, text: str) -> None:
    (place / environment.STAMP).write_text(text, encoding="utf-8")
    assert environment.judge(str(place), RUNTIME)[0] == BROKEN


def test_a_stamp_that_is_no_text_makes_it_broken(place: Path) -> None:
    (place / environment.STAMP).write_bytes(b"\xff\xfe\x00=")
    assert environment.judge(str(place), RUNTIME)[0] == BROKEN


@pytest.mark.parametrize(
    ("key", "value"), [("layout", "0"), ("platform", "plan9 mips"), ("profile", "other"), ("interpreter", "/no/python")]
)
def test_a_stamp_that_says_something_untrue_makes_it_broken(place: Path, key: str, value: str) -> None:
    path = place / environment.STAMP
    path.write_text(re.sub(f"(?m)^{key}=.*$", f"{key}={value}", path.read_text(encoding="utf-8")), encoding="utf-8")
    assert environment.judge(str(place), RUNTIME)[0] == BROKEN


def test_an_interrupted_installation_is_unfinished(place: Path) -> None:
    environment.delete_stamp(str(place))
    environment.delete_stamp(str(place))
    assert environment.judge(str(place), RUNTIME) == (BROKEN, "it is unfinished")


def test_a_moved_folder_is_broken(place: Path) -> None:
    moved = place.with_name("moved")
    place.rename(moved)
    assert environment.judge(str(moved), RUNTIME) == (BROKEN, "the folder was moved")


def test_without_its_python_it_is_broken(place: Path) -> None:
    Path(environment.python_in(str(place))).unlink()
    assert environment.judge(str(place), RUNTIME) == (BROKEN, "its Python is gone or was replaced")


@pytest.mark.skipif(ON_WINDOWS, reason="there the environment's Python is no link")
def test_a_link_that_leads_to_another_python_is_broken(place: Path, tmp_path: Path) -> None:
    upgraded = tmp_path / "python3.99"
    shutil.copy(sys.executable, upgraded)
    for link in (place / "bin").glob("python*"):
        link.unlink()
    Path(environment.python_in(str(place))).symlink_to(upgraded)
    assert environment.judge(str(place), RUNTIME) == (BROKEN, "its Python is gone or was replaced")


def test_a_start_that_finds_its_environment_imports_next_to_nothing(place: Path) -> None:
    """The budget of a second start is 0.1 s, of which Python itself takes a part on slow machines."""
    judging = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); from bootstrap import environment, handover; "
        f"environment.judge({str(place)!r}, 'runtime'); print(*sys.modules)"
    )
    imported = set(run([environment.base_python(), "-I", "-S", "-c", judging]).stdout.split())
    assert "bootstrap.handover" in imported
    assert not imported & {"contextlib", "dataclasses", "pathlib", "re", "subprocess", "typing", "urllib", "venv"}


# Making room


@pytest.fixture
def program(place: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A program of the environment, running."""
    with running_program(place) as process:
        yield place, process
        process.kill()


def running_program(place: Path) -> subprocess.Popen[bytes]:
    original = shutil.which("ping" if ON_WINDOWS else "sleep")
    assert original
    copy = shutil.copy(original, place / "worker.exe")
    return subprocess.Popen([copy, *(["-n", "120", "127.0.0.1"] if ON_WINDOWS else ["120"])], stdout=subprocess.DEVNULL)


def test_a_running_program_keeps_an_environment_in_use(program: tuple[Path, subprocess.Popen[bytes]]) -> None:
    place, process = program
    assert making.in_use(place)
    process.kill()
    process.wait()
    assert not making.in_use(place)


def test_an_environment_is_removed_whole(place: Path) -> None:
    assert making.remove(place)
    assert list(place.parent.iterdir()) == []


def test_what_only_has_the_name_is_removed_alone(place: Path, tmp_path: Path) -> None:
    file = tmp_path / ".venv-2"
    file.write_text("not a folder", encoding="utf-8")
    assert making.remove(file)
    assert not file.exists()
    if not ON_WINDOWS:
        file.symlink_to(place, target_is_directory=True)
        assert making.remove(file)
        assert place.is_dir()


# One start at a time


HOLDER = """
import sys
from pathlib import Path
from bootstrap.making import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(lock: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_one_start_waits_for_the_other_even_if_that_one_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / ".venv.lock"
    with hold(lock) as first:
        assert first.stdout
        assert first.stdout.readline() == "held\n"
        with hold(lock) as second:
            assert second.stderr
            assert second.stderr.readline() == "Another start is making the environment: waiting for it\n"
            assert second.poll() is None
            first.kill()
            assert second.communicate(timeout=30)[0] == "held\n"
    assert second.returncode == 0


# pip and uv are told the same


def test_pip_is_asked_for_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://one.example/simple\ntimeout = 60\ncert = C:\\CA's\\ca.pem\n"
        "[install]\nindex-url = https://two.example/simple\ntimeout = 70\n"
        "[list]\nformat = columns\n",
        encoding="utf-8",
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_TIMEOUT", "80")
    settings = installers.pip_settings(sys.executable)
    assert settings["index-url"] == "https://two.example/simple"
    assert settings["timeout"] == "80"
    assert settings["cert"] == "C:\\CA's\\ca.pem"
    assert "format" not in settings


@pytest.mark.parametrize(
    ("settings", "told", "expected"),
    [
        ({"index-url": "https://i.example"}, {}, {"UV_DEFAULT_INDEX": "https://i.example"}),
        ({"extra-index-url": "https://a\nhttps://b"}, {}, {"UV_INDEX": "https://a https://b"}),
        ({"find-links": "/a /b"}, {}, {"UV_FIND_LINKS": "/a,/b"}),
        ({"cert": "/my certs/ca.pem"}, {}, {"SSL_CERT_FILE": "/my certs/ca.pem"}),
        ({"proxy": "http://p:3128"}, {}, {"HTTPS_PROXY": "http://p:3128", "HTTP_PROXY": "http://p:3128"}),
        ({"default-timeout": "180"}, {}, {"UV_HTTP_TIMEOUT": "180"}),
        ({"timeout": "15.5"}, {}, {"UV_HTTP_TIMEOUT": None}),
        ({"index-url": "https://i"}, {"UV_INDEX_URL": "https://mine"}, {"UV_DEFAULT_INDEX": None}),
        ({"extra-index-url": "https://i"}, {"UV_DEFAULT_INDEX": "https://mine"}, {"UV_INDEX": None}),
        ({"cert": "/ca.pem"}, {"SSL_CERT_FILE": "/mine.pem"}, {"SSL_CERT_FILE": "/mine.pem"}),
        ({"proxy": "http://p"}, {"https_proxy": "http://mine"}, {"HTTPS_PROXY": None}),
        ({}, {"UV_INDEX_STRATEGY": "first-index"}, {"UV_INDEX_STRATEGY": "first-index"}),
    ],
)
def test_uv_is_told_what_pip_knows(
    settings: dict[str, str], told: dict[str, str], expected: dict[str, str | None]
) -> None:
    variables = installers.like_pip(told, settings)
    assert {name: variables.get(name) for name in expected} == expected


def test_variables_that_lead_astray_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    variables = installers.variables()
    assert "/elsewhere" not in variables.values()
    assert variables["PIP_USER"] == "0"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        (
            "error: failed to write\n  Caused by: There is not enough space on the disk. (os error 112)",
            "the disk is full",
        ),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate", "certificate"),
        ("  Caused by: invalid peer certificate: UnknownIssuer", "certificate"),
        ("ERROR: HTTP error 401 Client Error: Unauthorized for url", "credentials"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "another file"),
        ("error: Hash mismatch for `yaml==1`", "another file"),
        ("NewConnectionError: Failed to establish a new connection: [Errno 111]", "cannot be reached"),
        (
            "error: Failed to fetch: `x`\n  Caused by: client error (Connect)\n  Caused by: dns error",
            "cannot be reached",
        ),
        ("error: failed to remove file `x.pyd`: Access is denied. (os error 5)", "may not be written"),
        ("[Errno 30] Read-only file system: '/srv/deploys/.venv.lock'", "may not be written"),
        ("The filename or extension is too long. (os error 206)", "too long"),
        ("something that nobody has seen before", "could not be made"),
        ("", "could not be made"),
    ],
)
def test_what_the_tools_say_is_put_in_plain_words(output: str, message: str) -> None:
    failure = installers.explain(output)
    assert message in failure.message
    assert failure.hint
    assert all(f"  | {line.strip()}" in str(failure) for line in output.splitlines())


# What cannot be made


def test_without_network_the_message_says_what_to_do(tree: Path) -> None:
    nowhere = {"PIP_INDEX_URL": NOWHERE, "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    done = sync(tree, "plan", **nowhere, PIP_EXTRA_INDEX_URL="", PIP_FIND_LINKS="")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "error: the package index cannot be reached\n  hint: this start needs the network" in done.stderr
    assert environment.judge(str(tree / ".venv"), RUNTIME) == (BROKEN, "it is unfinished")


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_without_venv_the_message_says_what_to_install(tree: Path, module: str) -> None:
    script = str(tree / "scripts" / "sync.py")
    as_on_debian = (
        f"import runpy, sys; sys.modules[{module!r}] = None; sys.argv = [{script!r}, 'plan']; "
        f"runpy.run_path({script!r}, run_name='__main__')"
    )
    done = run([environment.base_python(), "-c", as_on_debian])
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"comes without `{module}`" in done.stderr
    assert f"sudo apt install python{sys.version_info.major}.{sys.version_info.minor}-venv" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_be_written_is_one_message(tree: Path) -> None:
    (tree / ".venv.lock").mkdir()
    done = sync(tree, "plan")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_lock_that_is_gone_is_one_message(tree: Path) -> None:
    (tree / "scripts" / "requirements" / "runtime.lock").unlink()
    done = sync(tree, "plan")
    assert done.returncode == 1
    assert "error: cannot read scripts/requirements/runtime.lock" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(ON_WINDOWS, reason="there a test cannot send Ctrl-C to a process without ending itself")
def test_an_interrupted_making_ends_quietly(tree: Path) -> None:
    with subprocess.Popen(
        command_line(tree, "plan"), stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True
    ) as process:
        assert process.stderr
        assert process.stderr.readline().startswith("Making the environment .venv: there is none yet")
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert environment.judge(str(tree / ".venv"), RUNTIME) in {
        (BROKEN, "it is unfinished"),
        (MISSING, "there is none yet"),
    }


# Handing over as on Windows


@pytest.mark.parametrize("status", [0, 1, 2, 64, 130])
def test_the_exit_code_of_a_process_below_is_passed_on(status: int) -> None:
    assert handover.run_below([sys.executable, "-c", f"raise SystemExit({status})"]) == status


BELOW = """
import sys, time
try:
    print("below", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.skipif(ON_WINDOWS, reason="there a test cannot send Ctrl-C to a process without ending itself")
def test_control_c_is_the_affair_of_the_process_below() -> None:
    above = (
        f"import sys; from bootstrap import handover; sys.exit(handover.run_below([sys.executable, '-c', {BELOW!r}]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", above],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "below\n"
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == ""


# The locks


def pins(name: str) -> dict[str, str]:
    """Each package of a lock with its version and marker."""
    text = (SCRIPTS / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"(?m)^([\w.-]+)==([^\\]+?) *\\?$", text))


def asked_for(name: str) -> set[str]:
    text = (SCRIPTS / "requirements" / f"{name}.in").read_text(encoding="utf-8")
    return {found.lower() for found in re.findall(r"(?m)^([\w.-]+)", text) if not found.startswith("-")}


@pytest.mark.parametrize("name", locks.LOCKS)
def test_a_lock_holds_what_is_asked_for_and_says_not_from_where(name: str) -> None:
    text = (SCRIPTS / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    assert asked_for(name) <= pins(name).keys()
    assert not re.search(r"https?:|file:|^-", text, re.MULTILINE)


@pytest.mark.parametrize("name", locks.LOCKS)
def test_every_package_of_a_lock_has_hashes(name: str) -> None:
    lines = (SCRIPTS / "requirements" / f"{name}.lock").read_text(encoding="utf-8").splitlines()
    after = [below for line, below in pairwise(lines) if "==" in line]
    assert len(after) == len(pins(name))
    assert all(line.startswith("    --hash=sha256:") for line in after)


def test_what_development_installs_holds_the_runtime_whole() -> None:
    development = pins(DEV)
    assert {name: development.get(name) for name in pins(RUNTIME)} == pins(RUNTIME)


def test_the_locks_are_universal() -> None:
    markers = " ".join(pins(DEV).values())
    assert "sys_platform == 'win32'" in markers
    assert "python_full_version >= " in markers
    assert "python_full_version < " in markers


# scripts/test.py


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--only", "nothing"], ["stray"]])
def test_a_usage_error_of_the_checks_is_64(arguments: list[str]) -> None:
    done = run([environment.base_python(), str(SCRIPTS / "test.py"), *arguments])
    assert done.returncode == 64
    assert done.stdout == ""
    assert "error: " in done.stderr


def test_coverage_is_asked_of_a_whole_run_only() -> None:
    assert f"--cov-fail-under={checks.COVERAGE_GATE}" in checks.pytest_arguments(long=False, more=[])
    assert checks.pytest_arguments(long=True, more=["-k", "cron"])[-4:] == ["-m", "", "-k", "cron"]


# The real thing: installs from the package index


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone that two first starts at once have given an environment."""
    tree = copy_of_the_bootstrap(tmp_path_factory.mktemp("first start") / "clone ñ")
    starts = [
        subprocess.Popen(
            command_line(tree, str(number)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=CLEAN, encoding="utf-8"
        )
        for number in range(2)
    ]
    said = [start.communicate(timeout=600) for start in starts]
    assert [start.returncode for start in starts] == [3, 3], said
    assert [out for out, _ in said] == [f"ran {number} ñandú → 5 €\n" for number in range(2)]
    errors = sorted(err for _, err in said)
    assert errors[0] == "Another start is making the environment: waiting for it\n"
    assert errors[1].startswith("Making the environment .venv: there is none yet")
    return tree


CLEAN = {**os.environ, "PYTHONIOENCODING": "utf-8"}


@pytest.mark.e2e
class TestAnInstalledEnvironment:
    def test_the_next_start_finds_it_and_is_quick(self, installed: Path) -> None:
        def seconds(command: list[str]) -> float:
            began = time.perf_counter()
            done = run(command)
            assert (done.returncode, done.stderr) == (3, "")
            return time.perf_counter() - began

        python = environment.python_in(str(installed / ".venv"))
        direct = [python, "-X", "environment=found", *command_line(installed, "x")[1:]]
        whole = min(seconds(command_line(installed, "x")) for _ in range(7))
        assert whole - min(seconds(direct) for _ in range(7)) < 0.1

    def test_nothing_of_the_persons_environment_leads_it_astray(self, installed: Path, tmp_path: Path) -> None:
        (tmp_path / "yaml.py").write_text("raise RuntimeError('the wrong yaml')", encoding="utf-8")
        done = sync(installed, "x", PYTHONPATH=str(tmp_path), PYTHONSAFEPATH="1", PYTHONDONTWRITEBYTECODE="1")
        assert (done.returncode, done.stdout) == (3, "ran x ñandú → 5 €\n")

    def test_a_poor_console_gets_escapes(self, installed: Path) -> None:
        done = sync(installed, "x", PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stdout) == (3, "ran x \\xf1and\\xfa \\u2192 5 \\u20ac\n")

    def test_one_that_has_lost_a_package_is_made_anew(self, installed: Path) -> None:
        package = next((installed / ".venv").rglob("yaml/__init__.py")).parent
        shutil.rmtree(package)
        done = sync(installed, "x")
        assert (done.returncode, done.stdout) == (3, "ran x ñandú → 5 €\n")
        assert done.stderr.startswith(
            "The environment is damaged (No module named 'yaml')\nMaking the environment .venv"
        )
        assert sync(installed, "x").stderr == ""

    def test_one_that_is_in_use_is_left_to_its_program_until_it_ends(self, installed: Path) -> None:
        with (installed / "scripts" / "requirements" / "runtime.lock").open("a", encoding="utf-8") as lock:
            lock.write("# changed\n")
        with running_program(installed / ".venv") as process:
            beside = sync(installed, "x")
            process.kill()
        assert beside.returncode == 3
        assert "a program is running from it" in beside.stderr
        assert (installed / ".venv-2").is_dir()
        after = sync(installed, "x")
        assert (after.returncode, after.stdout) == (3, "ran x ñandú → 5 €\n")
        assert after.stderr.startswith("Mending the environment .venv: the lock has changed\n")
        assert not (installed / ".venv-2").exists()

    def test_a_package_that_nobody_asked_for_goes_with_the_next_mending(self, installed: Path) -> None:
        stray = next((installed / ".venv").rglob("yaml/__init__.py")).parent.parent / "stray-1.0.dist-info"
        stray.mkdir()
        (stray / "METADATA").write_text("Metadata-Version: 2.1\nName: stray\nVersion: 1.0\n", encoding="utf-8")
        (stray / "RECORD").write_text(
            "stray-1.0.dist-info/METADATA,,\nstray-1.0.dist-info/RECORD,,\n", encoding="utf-8"
        )
        with (installed / "scripts" / "requirements" / "runtime.lock").open("a", encoding="utf-8") as lock:
            lock.write("# changed again\n")
        assert sync(installed, "x").returncode == 3
        assert not stray.exists()

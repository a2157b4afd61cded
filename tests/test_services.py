"""Workers and servers as services: what is declared, and that no name is too odd for systemd, sh, PowerShell and nssm."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from small import copy_small

from reconcile.cli import main
from reconcile.commands.session import read_files
from reconcile.desired.services import Service, System, services_of, unit_name
from reconcile.errors import ExitCode
from reconcile.problem import Location
from reconcile.render import nssm, systemd

HOSTILE: Final = (
    "con espacios",
    "año ñandú €",
    "it's",
    "typo‘gra’fi‚co‛s",
    'with "quotes"',
    "back\\slash",
    "ends in \\",
    'both \\" of them\\\\"',
    "$HOME ${HOME} $$ $(id)",
    "`id` $(Get-Item .)",
    "a;b ; c | d",
    "semi\\;colon",
    "#no comment",
    "{brace} [bracket] *?",
    "=equals=",
    "@at -dash",
    "fin\u00a0duro",
)
"""What names and values of people, and of those who mean no good, are like. Names in Prefect hold no / % & < >."""

VALUES: Final = (*HOSTILE, "100% 50%% %n %h %USERPROFILE%", "", "C:\\Users\\tareas\\", "<a&b>", "sqlite:///C:/x y.db")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The small repository."""
    return copy_small(tmp_path / "repository")


def declare(root: Path, pool: str, workers: dict[str, Any], **more: Any) -> None:
    path = root / "pools" / f"{pool}.yaml"
    path.write_text(
        yaml.safe_dump({"type": "process", **more, "workers": workers}, allow_unicode=True), encoding="utf-8"
    )


def rules(root: Path, **prod: Any) -> None:
    """Further rules of the environment prod."""
    path = root / "deployments" / "environments.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    data["environments"]["prod"].update(prod)
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")


def declared(root: Path) -> tuple[Service, ...]:
    found = services_of(read_files(root).repository)
    assert found.problems == ()
    return found.services


WINDOWS: Final = {"host": "SRV-TAREAS", "system": "windows", "environment": "prod"}


def on_linux(program: Path | str = "/opt/prefect/bin/prefect") -> dict[str, Any]:
    return {"host": "lin-1", "system": "linux", "user": "root", "prefect": str(program), "environment": "prod"}


def server_on_linux(program: Path | str = "/opt/prefect/bin/prefect") -> dict[str, Any]:
    return {key: value for key, value in on_linux(program).items() if key != "environment"}


# ---------------------------------------------------------------- what is declared


def test_a_worker_has_the_address_and_the_profile_of_its_environment(root: Path) -> None:
    rules(
        root,
        api_url=["http://uno:442/api", "http://dos:442/api"],
        profile={"PREFECT_LOGGING_LEVEL": "INFO", "PREFECT_LOGGING_TO_API_ENABLED": True},
    )
    worker = {
        **WINDOWS,
        "limit": 4,
        "queues": ["urgent"],
        "home": "C:/p/home/",
        "env": {"PREFECT_LOGGING_LEVEL": "DEBUG", "N": 3},
    }
    declare(root, "ventas-prod", {"v-1": worker}, queues={"urgent": {"priority": 1}}, name="Ventas Prod")
    [service] = declared(root)
    assert (service.pool, service.name, service.service, service.scopes) == (
        "Ventas Prod",
        "v-1",
        "Prefect worker v-1",
        ("prod",),
    )
    assert service.environment == {
        "PYTHONUTF8": "1",
        "PREFECT_API_URL": "http://uno:442/api",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_LOGGING_TO_API_ENABLED": "true",
        "PREFECT_HOME": "C:\\p\\home",
        "N": "3",
    }
    assert shlex.join(service.arguments) == (
        "worker start --pool 'Ventas Prod' --name v-1 --type process --work-queue urgent --limit 4 "
        "--install-policy never --no-create-pool-if-not-found"
    )


@pytest.mark.parametrize(
    ("said", "api_url", "listen", "port"),
    [
        ({}, ["http://192.168.1.13:442/api", "http://127.0.0.1:442/api"], "0.0.0.0", "442"),
        ({}, "http://srv/api", "0.0.0.0", "80"),
        ({}, "http://localhost:4201/api", "127.0.0.1", "4201"),
        ({}, None, "127.0.0.1", "4200"),
        ({"listen": "10.0.0.1", "port": 9}, "http://srv/api", "10.0.0.1", "9"),
    ],
)
def test_a_server_listens_where_its_address_says(
    said: dict[str, Any], api_url: Any, listen: str, port: str, root: Path
) -> None:
    rules(root, api_url=api_url, server={"host": "SRV", "system": "windows", **said})
    [service] = declared(root)
    assert service.arguments == ("server", "start", "--host", listen, "--port", port)


def test_environments_that_say_the_same_share_one_server(root: Path) -> None:
    path = root / "deployments" / "environments.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    for each in data["environments"].values():
        each.update(api_url="http://srv:442/api", server={"host": "SRV", "system": "windows"})
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    [service] = declared(root)
    assert service.scopes == ("dev", "prod")


@pytest.mark.parametrize(
    ("name", "unit"),
    [("Prefect Worker compras", "prefect-worker-compras"), ("Año  ñ_1", "ano-n-1"), ("日本", "prefect"), ("-x-", "x")],
)
def test_units_are_named_in_plain_letters(name: str, unit: str) -> None:
    assert unit_name(name) == unit


# ---------------------------------------------------------------- the command


def services(root: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["services", "--root", str(root), *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_one_unit_alone_is_printed_as_it_is_and_without_an_address_it_says_so(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(root, "ventas-prod", {"v-1": on_linux()})
    code, out, err = services(root, capsys, "ventas-prod")
    assert code == ExitCode.DONE
    assert out == systemd.unit(declared(root)[0])
    assert "no api_url" in err


def test_json_is_one_document_with_the_files(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules(root, api_url="http://srv:442/api", server=server_on_linux())
    declare(root, "ventas-prod", {"v-1": WINDOWS, "v-2": on_linux()})
    code, out, err = services(root, capsys, "--json")
    assert (code, err) == (ExitCode.DONE, "")
    document = json.loads(out)
    assert [(one["kind"], one["name"], one["host"]) for one in document["services"]] == [
        ("server", None, "lin-1"), ("worker", "v-1", "SRV-TAREAS"), ("worker", "v-2", "lin-1"),
    ]  # fmt: skip
    assert [one["path"] for one in document["files"]] == [
        "lin-1/prefect-server.service", "lin-1/prefect-worker-v-2.service", "lin-1/install-services.sh",
        "SRV-TAREAS/install-services.ps1",
    ]  # fmt: skip


def test_selections(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules(root, api_url="http://srv:442/api", server={"host": "SRV", "system": "windows"})
    declare(root, "ventas-prod", {"v-1": WINDOWS})
    declare(root, "compras-prod", {"c-1": on_linux()}, name="Compras")

    def chosen(*arguments: str) -> list[str]:
        return [one["service"] for one in json.loads(services(root, capsys, "--json", *arguments)[1])["services"]]

    assert chosen() == ["Prefect server", "Prefect worker c-1", "Prefect worker v-1"]
    assert chosen("compras-prod") == chosen("Compras") == ["Prefect worker c-1"]
    assert chosen("--server") == ["Prefect server"]
    assert chosen("--host", "srv-tareas") == ["Prefect worker v-1"]
    assert chosen("--env", "prod") == chosen()
    for arguments, code, words in [
        (("--env", "dev"), ExitCode.FAILED, "workers:"),
        (("--env", "pord"), ExitCode.USAGE, "prod"),
        (("--only", "x"), ExitCode.USAGE, "--only"),
        (("vantas-prod",), ExitCode.USAGE, "ventas-prod"),
        (("--host", "SRV-TARAES"), ExitCode.USAGE, "SRV-TAREAS"),
        (("ventas-prod", "--server"), ExitCode.USAGE, "Leave out"),
        (("pool-dev",), ExitCode.FAILED, "workers:"),
    ]:
        got, out, err = services(root, capsys, *arguments)
        assert (got, out) == (code, "")
        assert words in err


def test_files_are_written_once_and_then_left(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declare(root, "ventas-prod", {"v-1": {**WINDOWS, "service": "Prefect año"}, "v-2": on_linux()})
    out = tmp_path / "salida ñ"

    def states() -> list[str | None]:
        return [one["status"] for one in json.loads(services(root, capsys, "--out", str(out), "--json")[1])["files"]]

    assert states() == ["written"] * 3
    script = out / "SRV-TAREAS" / "install-services.ps1"
    content = script.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf#Requires")
    assert content.count(b"\n") == content.count(b"\r\n") > 100
    assert "Prefect año" in content.decode("utf-8-sig")
    before = script.stat().st_mtime_ns
    assert states() == ["unchanged"] * 3
    assert script.stat().st_mtime_ns == before
    declare(root, "ventas-prod", {"v-1": {**WINDOWS, "service": "Prefect otro"}, "v-2": on_linux()})
    assert states() == ["unchanged", "unchanged", "updated"]
    assert sorted(path.name for path in out.rglob("*") if path.is_file()) == [
        "install-services.ps1", "install-services.sh", "prefect-worker-v-2.service",
    ]  # fmt: skip


def test_a_folder_that_cannot_be_written_is_told(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(root, "ventas-prod", {"v-1": WINDOWS})
    (tmp_path / "file").write_text("x", encoding="utf-8")
    code, out, err = services(root, capsys, "--out", str(tmp_path / "file"))
    assert (code, out) == (ExitCode.FAILED, "")
    assert "cannot be written" in err


# ---------------------------------------------------------------- systemd

needs_systemd = pytest.mark.skipif(sys.platform != "linux", reason="there is no systemd")


def unquoted(word: str) -> tuple[str, str]:
    """The first word of a line of a unit as systemd reads it, and the rest; written after systemd.syntax(7)."""
    assert word[0] == '"'
    text, at = "", 1
    while word[at] != '"':
        if word[at] == "\\":
            at += 1
            assert word[at] in '\\"'
        text += word[at]
        at += 1
    return text, word[at + 1 :].removeprefix(" ")


def words_of(line: str) -> Iterator[str]:
    while line:
        word, line = unquoted(line)
        yield word


def specified(text: str) -> str:
    """Specifiers put in: only %% may stand here."""
    assert re.fullmatch(r"(?:[^%]|%%)*", text), text
    return text.replace("%%", "%")


def expanded(text: str) -> str:
    """Variables put in: only $$ may stand here."""
    assert re.fullmatch(r"(?:[^$]|\$\$)*", text), text
    return text.replace("$$", "$")


def a_service(system: System, argument: str, value: str, program: str) -> Service:
    return Service(
        name=argument,
        pool="un pool",
        scopes=("prod",),
        host="lin-1",
        system=system,
        service="Prefect worker",
        arguments=("worker", "start", "--pool", "un pool", "--name", argument),
        user="root" if system is System.LINUX else ".\\tareas",
        program=program,
        environment={"VALOR": value, "PYTHONUTF8": "1"},
        location=Location(file="pools/un-pool.yaml"),
    )


one_line = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=40)


@given(argument=one_line, value=one_line)
def test_systemd_reads_every_text_as_it_was(argument: str, value: str) -> None:
    text = systemd.unit(a_service(System.LINUX, argument, value, "/opt/p r/prefect"))
    lines = [line.partition("=")[::2] for line in text.splitlines() if line and line[0] not in "#["]
    [command] = [value for key, value in lines if key == "ExecStart"]
    program, *arguments = words_of(command)
    assert program == "/opt/p r/prefect"
    assert [expanded(specified(word)) for word in arguments] == [
        "worker",
        "start",
        "--pool",
        "un pool",
        "--name",
        argument,
    ]
    settings = [specified(next(words_of(value))) for key, value in lines if key == "Environment"]
    assert settings == [f"VALOR={value}", "PYTHONUTF8=1"]


@needs_systemd
@pytest.mark.parametrize("text", VALUES)
def test_the_unit_passes_systemd_analyze(
    text: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Verified with warnings: systemd says each line that it does not take. The server's unit, too."""
    folder = tmp_path / (re.sub(r"[/'\"\\\\]", "-", text).strip() or "vacio")  # systemd itself takes no others
    program = folder / "prefect"
    folder.mkdir()
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    name = re.sub(r"[/%&<>]", "-", text).strip(" -") or "vacio"
    declare(
        root, "ventas-prod", {name: {**on_linux(program), "service": "Prefect v", "env": {"VALOR": text}}}, name=name
    )
    rules(
        root,
        api_url="http://srv:442/api",
        profile={"PREFECT_LOGGING_SETTINGS_PATH": text},
        server=server_on_linux(program),
    )
    assert services(root, capsys, "--out", str(tmp_path / "out"))[0] == ExitCode.DONE
    units = sorted((tmp_path / "out" / "lin-1").glob("*.service"))
    assert [unit.name for unit in units] == ["prefect-server.service", "prefect-v.service"]
    done = verify(units)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert 'Environment="PYTHONTZPATH="' in units[0].read_text(encoding="utf-8")
    assert "PYTHONTZPATH" not in units[1].read_text(encoding="utf-8")


def verify(units: list[Path]) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *map(str, units)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


@needs_systemd
def test_systemd_analyze_would_say_what_is_wrong(tmp_path: Path) -> None:
    """Were it not so, the test above could not fail."""
    text = systemd.unit(a_service(System.LINUX, "x", "y", "/bin/true"))
    for number, (right, wrong) in enumerate(
        [('VALOR=y"', "VALOR=y"), ('"x"', '"x'), ("Type=exec", "Type=exex"), ('"/bin/true"', '"/no/such"')]
    ):
        unit = tmp_path / f"mal-{number}.service"
        assert right in text
        unit.write_text(text.replace(right, wrong), encoding="utf-8")
        assert "mal-" in verify([unit]).stderr


# ---------------------------------------------------------------- the script that installs units

SYSTEMCTL: Final = """\
#!/bin/sh
echo "$*" >> "$STATE/asked"
for unit in "$@"; do :; done
case $1 in
    is-enabled) [ -e "$STATE/enabled-$unit" ] ;;
    enable) : > "$STATE/enabled-$unit" ;;
    is-active) [ -e "$STATE/active-$unit" ] ;;
    start|restart) : > "$STATE/active-$unit" ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine whose systemctl remembers: `bin`, `units`, `state`."""
    for name in ("bin", "units", "state"):
        (tmp_path / name).mkdir()
    for name, text in (
        ("systemctl", SYSTEMCTL),
        ("hostname", "#!/bin/sh\necho lin-1.local\n"),
        ("prefect", "#!/bin/sh\n"),
        ("python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'),
    ):
        (tmp_path / "bin" / name).write_text(text, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def install(machine: Path, *arguments: str) -> tuple[int, str, list[str]]:
    asked = machine / "state" / "asked"
    asked.write_text("", encoding="utf-8")
    done = subprocess.run(
        ["sh", str(machine / "out" / "lin-1" / "install-services.sh"), *arguments],
        env={"PATH": f"{machine / 'bin'}{os.pathsep}{os.environ['PATH']}", "STATE": str(machine / "state"), "UNIT_FOLDER": str(machine / "units")},
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    changes = [line for line in asked.read_text(encoding="utf-8").splitlines() if not line.startswith("is-")]
    return done.returncode, done.stdout + done.stderr, changes


@needs_systemd
def test_units_are_installed_once_and_only_what_changed_is_restarted(
    root: Path, machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = machine / "bin" / "prefect"
    rules(root, api_url="http://srv:442/api", server=server_on_linux(program))

    def make(limit: int) -> None:
        declare(root, "ventas-prod", {"v-1": {**on_linux(program), "limit": limit}, "v-2": on_linux(program)})
        assert services(root, capsys, "--out", str(machine / "out"))[0] == ExitCode.DONE

    make(1)
    code, said, changes = install(machine)
    assert code == 0, said
    assert changes[0] == "daemon-reload"
    assert [change for change in changes if change.startswith("start")] == [
        "start prefect-server.service", "start prefect-worker-v-1.service", "start prefect-worker-v-2.service",
    ]  # fmt: skip
    assert len(list((machine / "units").iterdir())) == 3
    assert install(machine)[::2] == (0, [])
    make(2)
    code, said, changes = install(machine, "--no-restart")
    assert changes == ["daemon-reload"]
    assert "not restarted yet" in said
    make(3)
    assert install(machine)[::2] == (0, ["daemon-reload", "restart prefect-worker-v-1.service"])


@needs_systemd
def test_the_settings_of_logging_are_put_where_the_profile_says(
    root: Path, machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program, there = machine / "bin" / "prefect", machine / "con espacio" / "logging.yml"
    rules(root, profile={"PREFECT_LOGGING_SETTINGS_PATH": str(there)})
    declare(root, "ventas-prod", {"v-1": on_linux(program), "v-2": on_linux(program)})
    for text in ("version: 1  # año\n", "version: 1\n"):
        (root / "pools" / "logging.yml").write_text(text, encoding="utf-8")
        assert services(root, capsys, "--out", str(machine / "out"))[0] == ExitCode.DONE
        code, said, _ = install(machine)
        assert (code, said.count("to be read at the next start")) == (0, 1)
        assert there.read_text(encoding="utf-8") == text
        assert "to be read" not in install(machine)[1]


def test_windows_gets_the_settings_of_logging_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules(root, profile={"PREFECT_LOGGING_SETTINGS_PATH": "C:/prefect/logging.yml"})
    declare(root, "ventas-prod", {"v-1": WINDOWS})
    code, text, _ = services(root, capsys)
    assert (code, "Logging = 'C:/prefect/logging.yml'" in text) == (ExitCode.DONE, True)


@needs_systemd
def test_the_script_refuses_what_could_not_run(root: Path, machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = machine / "bin" / "prefect"
    worker = on_linux(program)
    cases: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
        ({**worker, "host": "lin-1"}, ("--what",), "not known"),
        ({**worker, "prefect": "/no/such/prefect"}, (), "no program"),
        ({**worker, "user": "nadie-con-este-nombre"}, (), "no user"),
    ]
    for said, arguments, words in cases:
        declare(root, "ventas-prod", {"v-1": said})
        assert services(root, capsys, "--out", str(machine / "out"))[0] == ExitCode.DONE
        code, told, changes = install(machine, *arguments)
        assert code != 0
        assert changes == []
        assert words in told
    declare(root, "ventas-prod", {"v-1": worker})
    services(root, capsys, "--out", str(machine / "out"))
    (machine / "bin" / "hostname").write_text("#!/bin/sh\necho otra\n", encoding="utf-8")
    assert "this is otra" in install(machine)[1]
    assert install(machine, "--any-host")[0] == 0


# ---------------------------------------------------------------- PowerShell and nssm

QUOTES: Final = "'\u2018\u2019\u201a\u201b"
"""What PowerShell's tokenizer takes for a single quote (CharExtensions.IsSingleQuote)."""


def powershell_strings(text: str) -> Iterator[tuple[str, str]]:
    """Every literal in single quotes of a table of services, with what stands before it on its line."""
    for line in text.splitlines():
        at = next((number for number, character in enumerate(line) if character in QUOTES), None)
        if at is None:
            continue
        value, end = one_literal(line, at)
        assert line[end:] == "", f"{line!r} goes on behind the text"
        yield line[:at].strip(), value


def one_literal(line: str, at: int) -> tuple[str, int]:
    """The literal that begins here, and where it ends: two quotes in a row, whichever, are the first of them."""
    value, at = "", at + 1
    while True:
        if line[at] in QUOTES:
            if at + 1 < len(line) and line[at + 1] in QUOTES:
                value, at = value + line[at], at + 2
                continue
            return value, at + 1
        value, at = value + line[at], at + 1


def command_line_to_argv(text: str) -> list[str]:
    """As CommandLineToArgvW reads the arguments: 2n backslashes before a quote are n, and one more makes it a quote."""
    found: list[str] = []
    word: str | None = None
    at, quoted = 0, False
    while at < len(text):
        slashes = len(text[at:]) - len(text[at:].lstrip("\\"))
        at += slashes
        if slashes and (at == len(text) or text[at] != '"'):
            word = (word or "") + "\\" * slashes
        elif at < len(text) and text[at] == '"':
            word = (word or "") + "\\" * (slashes // 2)
            if slashes % 2:
                word += '"'
            else:
                quoted = not quoted
            at += 1
        elif text[at] in " \t" and not quoted:
            if word is not None:
                found.append(word)
            word, at = None, at + 1
        else:
            word, at = (word or "") + text[at], at + 1
    return [*found, word] if word is not None else found


def format_argument(script: str, text: str) -> str:
    """What the script's own Format-Argument makes of a text: its two -replace, read out of the script."""
    steps = re.findall(
        r"-replace '([^']*)', '([^']*)'", script[script.index("function Format-Argument") :].partition("}")[0]
    )
    assert len(steps) == 2
    for pattern, into in steps:
        text = re.sub(pattern, re.sub(r"\$(\d)", r"\\g<\1>", into.replace("\\", "\\\\")), text)
    return f'"{text}"'


@given(argument=one_line, value=one_line)
def test_powershell_nssm_and_the_worker_read_every_text_as_it_was(argument: str, value: str) -> None:
    """YAML -> literal -> nssm's command line -> what nssm keeps -> the worker's command line."""
    script = nssm.in_bytes(nssm.script([a_service(System.WINDOWS, argument, value, "C:\\p r\\prefect.exe")])).decode(
        "utf-8-sig"
    )
    table = script[script.index("$Services = @(") : script.index("# Secrets that somebody")]
    told = list(powershell_strings(table.replace("\r\n", "\n")))
    known = {key.removesuffix(" ="): text for key, text in told if key}
    kept = command_line_to_argv(f"set x AppParameters {format_argument(script, known['Arguments'])}")[3]
    assert kept == known["Arguments"]
    assert command_line_to_argv(kept) == ["worker", "start", "--pool", "un pool", "--name", argument]
    assert [text for key, text in told if not key] == [f"VALOR={value}", "PYTHONUTF8=1"]
    assert known["Program"] == "C:\\p r\\prefect.exe"


@given(one_line)
def test_any_password_reaches_nssm_whole(password: str) -> None:
    script = nssm.script([a_service(System.WINDOWS, "x", "y", "C:\\prefect.exe")])
    line = " ".join(
        format_argument(script, word) for word in ["set", "Prefect worker", "ObjectName", ".\\tareas", password]
    )
    assert command_line_to_argv(line)[4] == password


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_declared_and_survive_both_systems(
    name: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(root, "ventas-prod", {name: WINDOWS, f"{name}2": on_linux()})
    windows, linux = declared(root)
    code, out, _ = services(root, capsys, "--host", "SRV-TAREAS")
    assert code == ExitCode.DONE
    table = out[out.index("$Services = @(") : out.index("# Secrets that somebody")]
    known = {key.removesuffix(" ="): text for key, text in powershell_strings(table) if key}
    assert command_line_to_argv(known["Arguments"])[5] == windows.name == name
    assert not set(known["Name"]) & set("\"'`/\\<>|:;*?&%$")
    code, out, _ = services(root, capsys, "--host", "lin-1")
    [command] = [line for line in out.splitlines() if line.startswith("ExecStart=")]
    assert (
        [expanded(specified(word)) for word in words_of(command.removeprefix("ExecStart="))][6]
        == linux.name
        == f"{name}2"
    )


def test_no_line_of_the_script_holds_a_password_and_it_is_plain_ascii_but_for_names() -> None:
    script = nssm.script([a_service(System.WINDOWS, "x", "y", "C:\\prefect.exe")])
    assert script.isascii()
    assert "AsSecureString" in script
    assert script.count("{") == script.count("}")
    assert script.count("(") - script.count("'\\(") == script.count(")")


@pytest.mark.parametrize(
    ("user", "asks"),
    [
        (".\\tareas", True),
        ("DOMINIO\\tareas", True),
        ("LocalSystem", False),
        ("NT AUTHORITY\\NetworkService", False),
        ("DOMINIO\\gmsa$", False),
        (None, False),
    ],
)
def test_only_users_that_have_a_password_are_asked_for_it(user: str | None, asks: bool, root: Path) -> None:
    declare(root, "ventas-prod", {"v-1": {**WINDOWS, **({"user": user} if user else {})}})
    assert f"AsksPassword = ${str(asks).lower()}" in nssm.script(declared(root))


@pytest.mark.skipif(shutil.which("pwsh") is None, reason="PowerShell is not installed here")
def test_powershell_parses_the_script(tmp_path: Path) -> None:
    file = tmp_path / "x.ps1"
    services = [a_service(System.WINDOWS, text, text, "C:\\prefect.exe") for text in HOSTILE]
    file.write_bytes(nssm.in_bytes(nssm.script(services)))
    code = "$errors = $null; [void][System.Management.Automation.Language.Parser]::ParseFile($args[0], [ref]$null, [ref]$errors); $errors; exit $errors.Count"
    done = subprocess.run(
        ["pwsh", "-NoProfile", "-Command", f"& {{ {code} }}", str(file)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout

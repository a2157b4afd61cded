"""Services and profiles with Prefect itself: a worker started as its definition says, a profile that Prefect reads."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.api import Api
from end_to_end.tool import Tool, plain_git, prefect, wait_for, worker, write_tree
from servers import environment

pytestmark = pytest.mark.e2e

NAME: Final = "compras '1' \"año\" $HOME `id` \\ ; #"
"""A worker's name that no shell and no service manager must make another of."""


def repository(folder: Path, name: str, url: str, program: str) -> Path:
    """One pool with a worker on Linux, one on Windows, and one that never comes; one more pool that is not there yet."""
    quoted = "'" + NAME.replace("'", "''") + "'"
    return write_tree(
        folder,
        {
            "prefect.yaml": f"name: {name}\n",
            "deployments/environments.yaml": f"""
                default_timezone: America/Argentina/Buenos_Aires
                environments:
                  prod:
                    work_pool: {name}-prod
                    api_url: {url}
                    profile: {{PREFECT_WORKER_QUERY_SECONDS: 2, PREFECT_LOGGING_LEVEL: INFO}}
                  otro: {{api_url: "http://otro:442/api", work_pool: {name}-prod}}
                """,
            "deployments/shared.yaml": "sources: {aqui: {path: .}}\ndefaults: {source: aqui}\n",
            "deployments/ventas/prod.yaml": 'deployments: {Nada: {entrypoint: "flows/nada.py:nada"}}\n',
            "flows/nada.py": "from prefect import flow\n\n\n@flow\ndef nada() -> None:\n    pass\n",
            f"pools/{name}-prod.yaml": f"""
                type: process
                queues: {{"una cola": {{priority: 2}}}}
                workers:
                  {quoted}:
                    host: lin-1
                    system: linux
                    user: root
                    prefect: {program}
                    limit: 2
                    queues: [default, una cola]
                    environment: prod
                    env: {{PREFECT_LOGGING_LEVEL: DEBUG}}
                  nunca: {{host: SRV-TAREAS, system: windows, environment: prod}}
                  ajeno: {{host: SRV-TAREAS, system: windows, environment: otro}}
                """,
            f"pools/{name}-falta.yaml": """
                type: process
                workers: {espera: {host: SRV-TAREAS, system: windows, environment: prod}}
                """,
        },
    )


def words(line: str) -> list[str]:
    """A line of a unit as systemd splits it. In double quotes it reads backslashes as sh does, but for $ and `."""
    return [word.replace("%%", "%") for word in shlex.split(line)]


@contextmanager
def service(unit: str, home: Path, log: Path) -> Iterator[None]:
    """The process that systemd would start of a unit: its command line and environment to the letter."""
    lines = [line.partition("=")[::2] for line in unit.splitlines() if "=" in line and not line.startswith("#")]
    [command] = [words(value) for key, value in lines if key == "ExecStart"]
    settings = dict(word.split("=", 1) for key, value in lines if key == "Environment" for word in words(value))
    command = [command[0], *(word.replace("$$", "$") for word in command[1:])]
    home.mkdir(parents=True, exist_ok=True)
    environ = {**environment(home), **plain_git(home), **settings}
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environ, cwd=home
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


def workers(document: Any, pool: str) -> Mapping[str, Any]:
    [found] = [one for one in document["pools"] if one["name"] == pool]
    return {one["name"]: (one["status"], one["declared"], one["host"]) for one in found["workers"]}


@pytest.mark.skipif(sys.platform == "win32", reason="units are of Linux")
def test_a_worker_started_by_its_unit_comes_online_under_its_name(api: Api, tmp_path: Path) -> None:
    program = shutil.which("prefect", path=str(Path(sys.executable).parent))
    assert program is not None
    tool = Tool(root=repository(tmp_path / "r", "servicios", api.url, program), home=tmp_path / "home", url=api.url)
    pool = "servicios-prod"
    before = tool("status", "--json", "--env", "prod").document
    assert workers(before, pool) == {NAME: (None, True, "lin-1"), "nunca": (None, True, "SRV-TAREAS")}
    tool.apply("--env", "prod", "--only", "Nada")
    defined = tool("services", pool, "--host", "lin-1")
    assert defined.code == 0, defined.said
    log = tmp_path / "service.log"
    with service(defined.out, tmp_path / "service-home", log), worker(pool, home=tmp_path / "other", url=api.url):
        wait_for(
            "both workers",
            lambda: {"ONLINE"} == {workers(tool("status", "--json", "--env", "prod").document, pool).get(name, [""])[0] for name in (NAME, f"worker-{pool}")},
        )  # fmt: skip
        document = tool("status", "--json", "--env", "prod").document
        spoken = tool("status", "--env", "prod").out
    assert workers(document, pool) == {
        NAME: ("ONLINE", True, "lin-1"),
        "nunca": (None, True, "SRV-TAREAS"),
        f"worker-{pool}": ("ONLINE", False, None),
    }
    assert workers(document, "servicios-falta") == {"espera": (None, True, "SRV-TAREAS")}
    assert f"{pool} (process): workers: {NAME}, worker-{pool} (not declared)" in spoken
    assert "not online: nunca, declared on SRV-TAREAS, never seen" in spoken
    assert "servicios-falta: declared, not on this server" in spoken
    assert "not online: espera" in spoken
    assert "ajeno" not in spoken
    assert "PREFECT_API_URL" in {one["name"] for one in document["settings"]["in_force"]}
    assert "(environment variable PREFECT_API_URL)" in spoken


def test_prefect_reads_the_profile_and_status_says_so(api: Api, tmp_path: Path) -> None:
    root = repository(tmp_path / "r", "perfiles", api.url, "/opt/prefect")
    tool = Tool(root=root, home=tmp_path / "home")
    assert (
        prefect("config", "set", "PREFECT_LOGGING_TO_API_ENABLED=false", environ=tool.environ(), folder=tool.home).code
        == 0
    )
    written = tool("profile", "prod", "--activate", "--json").document
    assert written["status"] == "created"
    viewed = prefect("config", "view", environ=tool.environ(), folder=tool.home)
    assert viewed.code == 0, viewed.said
    told = " ".join(viewed.out.split())
    assert "PREFECT_PROFILE='prod'" in told
    assert f"PREFECT_API_URL='{api.url}' (from profile)" in told
    assert "PREFECT_WORKER_QUERY_SECONDS='2' (from profile)" in told
    assert prefect("profile", "ls", environ=tool.environ(), folder=tool.home).out.count("prod") == 1
    document = tool("status", "--json", "--env", "prod").document
    assert document["target"] == api.url
    settings = document["settings"]
    assert (settings["profile"], settings["file"]) == ("prod", written["file"])
    found = {one["name"]: (one["value"], one["origin"]) for one in settings["in_force"]}
    assert found["PREFECT_LOGGING_LEVEL"] == ("INFO", f"profile 'prod' in {written['file']}")
    assert found["PREFECT_HOME"] == (str(tool.home), "environment variable PREFECT_HOME")
    assert tool("profile", "prod", "--activate", "--json").document["status"] == "unchanged"


@pytest.mark.skipif(sys.platform == "win32", reason="units are of Linux")
def test_the_server_of_a_unit_answers(tmp_path: Path) -> None:
    """With the time zones of the tzdata package, as its unit has it."""
    from servers import free_port

    program, port = shutil.which("prefect", path=str(Path(sys.executable).parent)), free_port()
    root = repository(tmp_path / "r", "propio", f"http://127.0.0.1:{port}/api", str(program))
    path = root / "deployments" / "environments.yaml"
    server = (
        f"server: {{host: lin-1, system: linux, user: root, prefect: {program}, home: {tmp_path / 'casa del server'}}}"
    )
    text = path.read_text(encoding="utf-8").replace("    profile:", f"    {server}\n    profile:")
    path.write_text(text, encoding="utf-8")
    tool = Tool(root=root, home=tmp_path / "home", url=f"http://127.0.0.1:{port}/api")
    unit = tool("services", "--server").out
    assert 'Environment="PYTHONTZPATH="' in unit
    with service(unit, tmp_path / "server-home", tmp_path / "server.log"):
        wait_for("the server", lambda: tool("status", "--json", "--env", "prod").code == 0, timeout=120)
        applied = tool.apply("--env", "prod")
        assert applied["summary"]["create"] == 3
    assert (tmp_path / "casa del server" / "prefect.db").is_file()

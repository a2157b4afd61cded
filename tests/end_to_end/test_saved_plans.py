"""Saved plans as people use them: planned by one process, applied by another, against a real server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.api import Api
from end_to_end.loopback import Relay
from end_to_end.test_two_at_once import repository
from end_to_end.tool import Result, Tool, wait_for

pytestmark = pytest.mark.e2e

USAGE: Final = 64
NAME: Final = "guardada"


@pytest.fixture(scope="module")
def tool(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Tool:
    folder = tmp_path_factory.mktemp("saved")
    return Tool(root=repository(folder / "repository", NAME, 0), home=folder / "home", url=api.url)


def saved(tool: Tool, file: Path, *more: str) -> Any:
    return tool.plan("--out", str(file), *more)


def apply_saved(tool: Tool, api: Api, file: Path, *more: str) -> tuple[Result, int]:
    """How it ended, and how many writes the server got, those for the lock included."""
    with Relay(api.url) as relay:
        result = replace(tool, url=relay.url if tool.url else None)("apply", str(file), "--yes", "--json", *more)
    return result, sum(asked.is_write for asked in relay.asked)


def test_a_plan_is_saved_reviewed_and_applied_once(tool: Tool, api: Api, tmp_path: Path) -> None:
    file = tmp_path / "monday.plan.json"
    plan = saved(tool, file)
    assert plan["summary"]["create"] == 7
    applied = tool("apply", str(file), "--yes", "--json")
    assert applied.code == 0, applied.said
    assert {outcome["status"] for outcome in applied.document["outcomes"]} == {"done"}
    assert applied.document["changes"] == plan["changes"]
    assert applied.document["requests"]["lock"] >= 2
    again = tool("apply", str(file), "--yes", "--json")
    assert again.code == 1
    assert [refusal["code"] for refusal in again.document["refusals"]] == ["plan-stale"]
    assert again.document["requests"]["write"] == again.document["requests"]["lock"] == 0


def spoil_byte(file: Path, tool: Tool, api: Api) -> None:
    """Elsewhere it may be no JSON any more, which is told otherwise."""
    whole = file.read_bytes()
    assert b"estado-1" in whole
    file.write_bytes(whole.replace(b"estado-1", b"estado-2", 1))


def change_file(file: Path, tool: Tool, api: Api) -> None:
    path = tool.root / "deployments" / "uno" / "prod.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "# otra línea\n", encoding="utf-8")


def change_server(file: Path, tool: Tool, api: Api) -> None:
    api.patch(f"/deployments/{api.deployment(f'moler/{NAME}-uno-1')['id']}", {"description": "a mano"})


def rename_project(file: Path, tool: Tool, api: Api) -> None:
    (tool.root / "prefect.yaml").write_text("name: otra-guardada\n", encoding="utf-8")


CASES: Final[dict[str, tuple[Callable[[Path, Tool, Api], None], str]]] = {
    "byte": (spoil_byte, "changed after it was saved"),
    "inputs": (change_file, "The files are not those"),
    "server": (change_server, "The server is not as it was"),
    "project": (rename_project, "'otra-guardada'"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_plan_that_no_longer_fits_writes_nothing(case: str, tool: Tool, api: Api, tmp_path: Path) -> None:
    act, words = CASES[case]
    repository(tool.root, NAME, 0)
    tool.apply()
    repository(tool.root, NAME, 1)
    file = tmp_path / "a.plan.json"
    # Through a relay, as it is applied, for the target is the relay's address.
    with Relay(api.url) as relay:
        at_relay = replace(tool, url=relay.url)
        saved(at_relay, file)
        act(file, tool, api)
        before = len(relay.asked)
        result = at_relay("apply", str(file), "--yes", "--json")
        writes = [asked for asked in relay.asked[before:] if asked.is_write]
    repository(tool.root, NAME, 0)
    assert (result.code, writes) == (1, [])
    said = [refusal["message"] for refusal in result.document.get("refusals", [])] or [
        result.document["error"]["message"]
    ]
    assert len(said) == 1
    assert words in said[0]
    assert "Traceback" not in result.said


def test_a_plan_for_another_server_writes_nothing(tool: Tool, api: Api, tmp_path: Path) -> None:
    file = tmp_path / "a.plan.json"
    saved(tool, file)
    result, writes = apply_saved(tool, api, file)
    assert (result.code, writes) == (1, 0)
    assert api.url in result.document["error"]["message"]


@pytest.mark.parametrize(
    "more",
    [
        ("--env", "prod"),
        ("--area", "uno"),
        ("--only", "x"),
        ("--prune",),
        ("--adopt", "a/b"),
        ("--local",),
        ("--wait", "x"),
    ],
    ids=" ".join,
)
def test_what_contradicts_the_plan_is_wrong_usage(more: tuple[str, ...], tool: Tool, api: Api, tmp_path: Path) -> None:
    file = tmp_path / "a.plan.json"
    saved(tool, file)
    result, writes = apply_saved(tool, api, file, *more)
    assert (result.code, writes) == (USAGE, 0)
    assert more[0] in result.document["error"]["message"]


@pytest.mark.parametrize("arguments", [("apply", "nonesuch.plan.json", "--yes"), ("plan", "--out", "no-such/a.json")])
def test_a_file_that_is_not_there_is_wrong_usage(arguments: tuple[str, ...], tool: Tool) -> None:
    assert tool(*arguments, "--json").code == USAGE


def test_without_a_terminal_a_saved_plan_needs_yes_too(tool: Tool, tmp_path: Path) -> None:
    file = tmp_path / "a.plan.json"
    saved(tool, file)
    assert tool("apply", str(file), "--json").code == USAGE


def test_a_refused_plan_is_not_saved(tool: Tool, api: Api, tmp_path: Path) -> None:
    file = tmp_path / "a.plan.json"
    result = tool("plan", "--json", "--out", str(file), "--adopt", "no/existe")
    assert result.code == 1
    assert not file.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to see that nobody is left")
def test_the_embedded_server_ends_with_an_apply_that_is_told_to_stop(tool: Tool, tmp_path: Path) -> None:
    local = replace(tool, url=None, home=tmp_path / "embedded")
    local.home.mkdir()
    with subprocess.Popen(
        local.command("apply", "--yes", "--local"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=local.environ(),
        cwd=local.home,
        encoding="utf-8",
    ) as process:
        wait_for("the server's process", lambda: len(processes_of(local.home)) > 1)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert processes_of(local.home) == []


@pytest.mark.skipif(sys.platform != "linux", reason="as above")
@pytest.mark.parametrize("when", ["while it starts", "while it is at work"])
def test_the_embedded_server_ends_with_an_apply_that_is_killed(when: str, tool: Tool, tmp_path: Path) -> None:
    local = replace(tool, url=None, home=tmp_path / "embedded")
    local.home.mkdir()
    with subprocess.Popen(
        local.command("apply", "--yes", "--local"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=local.environ(),
        cwd=local.home,
    ) as process:
        wait_for("the server's process", lambda: len(processes_of(local.home)) > 1)
        if when == "while it is at work":
            wait_for("the server's database", (local.home / "prefect.db-wal").exists)
        process.kill()
    wait_for("the end of the server", lambda: processes_of(local.home) == [], timeout=20)


def processes_of(home: Path) -> list[int]:
    """The processes whose PREFECT_HOME is that folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environ = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"PREFECT_HOME={home}\0".encode() in environ:
                found.append(int(entry.name))
    return found

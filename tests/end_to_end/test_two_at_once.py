"""Two applies of one project at once, as processes of their own; and holders of the lock that die, sleep or are ended."""

from __future__ import annotations

import getpass
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.api import Api
from end_to_end.loopback import Answer, Asked, Relay
from end_to_end.tool import Tool, wait_for, write_tree
from servers import prefect_server

from reconcile.lock import LEASE

pytestmark = pytest.mark.e2e

AREAS: Final = ("uno", "dos")
EACH: Final = 3
"""Deployments of an area."""

FLOW: Final = """
from prefect import flow


@flow
def moler() -> None:
    pass
"""


def repository(folder: Path, name: str, state: int) -> Path:
    """Two areas in one pool. Each deployment and the pool say which state of the files it is."""
    entries = "\n".join(f"  {name}-%s-{number}: {{}}" for number in range(EACH))
    return write_tree(
        folder,
        {
            "prefect.yaml": f"name: {name}\n",
            "deployments/environments.yaml": f"environments: {{prod: {{work_pool: {name}}}}}\n",
            "deployments/shared.yaml": f"""
                sources: {{aqui: {{path: .}}}}
                defaults: {{source: aqui, entrypoint: "flows/moler.py:moler", tags: [estado-{state}]}}
                """,
            **{f"deployments/{area}/prod.yaml": f"deployments:\n{entries % ((area,) * EACH)}\n" for area in AREAS},
            f"pools/{name}.yaml": f"type: process\ndescription: estado {state}\n",
            "flows/moler.py": FLOW,
        },
    )


@dataclass(slots=True)
class Journal:
    """The writes of several processes in the order in which the server got them, but for those of the lock."""

    api: Api
    entries: list[tuple[str, str, str]] = field(default_factory=list)

    @contextmanager
    def relay(self, who: str, url: str) -> Iterator[str]:
        def note(_: Relay, asked: Asked) -> Answer | None:
            if asked.is_write and not asked.is_lock:
                self.entries.append((who, asked.method, asked.path + asked.body.decode("utf-8")[:200]))
            return None

        with Relay(url, note) as between:
            yield between.url

    def turns(self) -> list[str]:
        """Who wrote, one after the other: each name once means that nobody wrote between another's writes."""
        return [who for who, _ in groupby(self.entries, key=lambda entry: entry[0])]


def apply_both(tool: Tool, journal: Journal, *more: str, other: str | None = None) -> dict[str, tuple[int, Any]]:
    """Both areas at once, each by a process of its own; the second through another API server of the database, if any."""
    first = journal.api.url
    with (
        journal.relay("uno", first) as one,
        journal.relay("dos", other or first) as two,
        ThreadPoolExecutor(2) as pool,
    ):
        running = {
            area: pool.submit(replace(tool, url=url), "apply", "--yes", "--json", "--area", area, *more)
            for area, url in (("uno", one), ("dos", two))
        }
        results = {area: future.result() for area, future in running.items()}
    return {area: (result.code, result.document) for area, result in results.items()}


def pair(tool: Tool, api: Api, name: str, state: int, *more: str, other: str | None = None) -> set[int]:
    """One pair of applies of a new state of the files; their exit codes. Everything that must hold is held."""
    repository(tool.root, name, state)
    journal = Journal(api)
    ended = apply_both(tool, journal, *more, other=other)
    assert sorted(set(journal.turns())) == sorted(journal.turns()), journal.entries
    # A server that is busy answers 503, and the same request comes again at once: that is no second write.
    written = [entry[1:] for entry, _ in groupby(journal.entries)]
    assert len(set(written)) == len(written), "something was written twice"
    for area, (code, document) in ended.items():
        if code == 0:
            assert {outcome["status"] for outcome in document["outcomes"]} <= {"done"}
            continue
        assert code == 1
        [refusal] = document["refusals"]
        assert refusal["code"] == "locked"
        for word in (getpass.getuser(), socket.gethostname(), "since 20", "--wait"):
            assert word in refusal["message"]
        assert document["requests"]["write"] == 0
        assert [entry for entry in journal.entries if entry[0] == area] == []
        tool.apply("--area", area)
    keys = [f"moler/{name}-{area}-{number}" for area in AREAS for number in range(EACH)]
    assert all(f"estado-{state}" in api.deployment(key)["tags"] for key in keys), "a change was lost"
    assert api.get(f"/work_pools/{name}")["description"] == f"estado {state}"
    assert f"sync-lock-{name}" not in api.variables()
    return {code for code, _ in ended.values()}


@pytest.mark.parametrize("pairs", [3, pytest.param(50, marks=pytest.mark.long)])
def test_two_at_once_never_write_twice_nor_in_between(pairs: int, api: Api, tmp_path: Path) -> None:
    """Every second pair waits for its turn: then both must succeed."""
    name = f"molino-{pairs}"
    tool = Tool(root=repository(tmp_path / "repository", name, 0), home=tmp_path / "home", url=api.url)
    refused = 0
    for state in range(pairs):
        waiting = ("--wait", "3m") if state % 2 else ()
        codes = pair(tool, api, name, state, *waiting)
        assert codes == {0} or not waiting
        refused += codes != {0}
    print(f"FIGURES two at once: {pairs} pairs, {refused} with one of them refused, 0 written twice, 0 interleaved")
    assert tool.apply()["requests"] == {"read": 8, "write": 0, "lock": 0}


@pytest.mark.long
@pytest.mark.parametrize("pairs", [20])
def test_two_at_once_through_two_api_servers_of_one_database(pairs: int, tmp_path: Path) -> None:
    home = tmp_path / "servers"
    with prefect_server(home) as one, prefect_server(home) as two, Api(one, home) as api:
        tool = Tool(root=repository(tmp_path / "repository", "gemelos", 0), home=tmp_path / "home", url=one)
        for state in range(pairs):
            pair(tool, api, "gemelos", state, *(("--wait", "3m") if state % 2 else ()), other=two)
    print(f"FIGURES two API servers: {pairs} pairs, 0 written twice, 0 interleaved")


# Holders


@contextmanager
def held_up(tool: Tool, api: Api, word: bytes) -> Iterator[tuple[subprocess.Popen[str], threading.Event]]:
    """An apply whose write with that word in it does not reach the server until it is let go."""
    reached, go_on = threading.Event(), threading.Event()

    def before(_: Relay, asked: Asked) -> Answer | None:
        if asked.is_write and word in asked.body and not asked.is_lock and not reached.is_set():
            reached.set()
            go_on.wait(120)
        return None

    tool.home.mkdir(exist_ok=True)
    with Relay(api.url, before) as relay:
        slow = replace(tool, url=relay.url)
        with subprocess.Popen(
            slow.command("apply", "--yes", "--json"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=slow.environ(),
            cwd=slow.home,
            encoding="utf-8",
        ) as process:
            try:
                wait_for("the write", reached.is_set, timeout=90)
                yield process, go_on
            finally:
                go_on.set()
                process.kill()
                process.communicate(timeout=60)  # what nobody has read yet is said, too


def tool_for(folder: Path, name: str, api: Api) -> Tool:
    return Tool(root=repository(folder / "repository", name, 1), home=folder / "home", url=api.url)


def statuses(document: Mapping[str, Any]) -> dict[str, str]:
    return {outcome["key"]: outcome["status"] for outcome in document["outcomes"]}


def test_after_a_killed_holder_the_next_apply_goes_on_at_once(api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "matado", api)
    with held_up(tool, api, b"matado-dos-2") as (process, _):
        holder = api.variables()["sync-lock-matado"]
        assert (holder["process"], holder["host"]) == (process.pid, socket.gethostname())
        refused = tool("apply", "--yes", "--json")
        assert refused.code == 1
        assert f"process {process.pid}" in refused.document["refusals"][0]["message"]
        process.kill()
        process.wait(30)
    started = time.monotonic()
    rest = tool.apply()
    assert time.monotonic() - started < LEASE.total_seconds() / 2
    assert set(statuses(rest).values()) == {"done"}
    assert 0 < rest["summary"]["create"] < 1 + 2 * EACH
    assert "sync-lock-matado" not in api.variables()
    assert tool.apply()["requests"]["write"] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_one_that_is_told_to_stop_finishes_what_is_in_hand_and_gives_the_lock_back(
    number: signal.Signals, api: Api, tmp_path: Path
) -> None:
    name = f"parado-{number.name.lower()}"
    tool = tool_for(tmp_path, name, api)
    with held_up(tool, api, f"{name}-uno-0".encode()) as (process, go_on):
        process.send_signal(number)
        time.sleep(0.5)
        assert process.poll() is None
        go_on.set()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    done = statuses(json.loads(out))
    assert done[f"moler/{name}-uno-0"] == "done"
    assert done[f"moler/{name}-uno-1"] == "skipped"
    assert api.has_deployment(f"moler/{name}-uno-0")
    assert not api.has_deployment(f"moler/{name}-uno-1")
    assert f"sync-lock-{name}" not in api.variables()


@pytest.mark.skipif(sys.platform == "win32", reason="as above")
def test_one_that_waits_and_is_told_to_stop_leaves_the_lock_to_its_holder(api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "paciente", api)
    with held_up(tool, api, b"paciente-uno-1") as (holder, go_on):
        with subprocess.Popen(
            tool.command("apply", "--yes", "--wait", "5m"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=tool.environ(),
            cwd=tool.home,
            encoding="utf-8",
        ) as waiting:
            assert waiting.stderr is not None
            said = waiting.stderr.readline()
            assert f"process {holder.pid}" in said
            waiting.send_signal(signal.SIGTERM)
            waiting.communicate(timeout=60)
            assert waiting.returncode == 130
        assert api.variables()["sync-lock-paciente"]["process"] == holder.pid
        go_on.set()
        out, err = holder.communicate(timeout=90)
    assert holder.returncode == 0, err
    assert set(statuses(json.loads(out)).values()) == {"done"}


def test_one_whose_lock_was_taken_over_writes_no_more(api: Api, tmp_path: Path) -> None:
    """As if it had slept for longer than a lease: the lock that stands is another's by the time its write is over."""
    tool = tool_for(tmp_path, "dormido", api)
    with held_up(tool, api, b"dormido-dos-0") as (process, go_on):
        [row] = [row for row in api.post("/variables/filter", {"limit": 200}) if row["name"] == "sync-lock-dormido"]
        api.delete(f"/variables/{row['id']}")
        other = {**row["value"], "host": "otra", "user": "otro", "nonce": "otro"}
        taken = api.post("/variables/", {"name": row["name"], "value": other})
        time.sleep(17)  # its next renewal
        go_on.set()
        out, err = process.communicate(timeout=90)
    assert process.returncode == 1, err
    document = json.loads(out)
    counted = list(statuses(document).values())
    assert (counted.count("failed"), counted.count("skipped")) == (1, 2 * EACH - 2)
    assert any("taken over" in str(outcome["error"]) for outcome in document["outcomes"])
    assert not api.has_deployment("moler/dormido-dos-1")
    assert api.variables()["sync-lock-dormido"]["host"] == "otra"
    api.delete(f"/variables/{taken['id']}")


def test_a_plan_that_another_one_carried_out_meanwhile_is_not_carried_out_again(api: Api, tmp_path: Path) -> None:
    tool = tool_for(tmp_path, "relevo", api)
    with held_up(tool, api, b"relevo-uno-0") as (first, go_on), ThreadPoolExecutor(1) as pool:
        second = pool.submit(tool, "apply", "--yes", "--json", "--wait", "2m")
        time.sleep(6)
        go_on.set()
        assert first.wait(90) == 0
        result = second.result()
    assert result.code == 0
    assert (result.document["outcomes"], result.document["requests"]["write"]) == ([], 0)
    assert result.document["summary"]["unchanged"] == 1 + 2 * EACH


@pytest.mark.long
def test_the_lock_outlasts_a_restart_of_the_server(tmp_path: Path) -> None:
    """It stands in the database, and names its holder still: here one that died, so that the next goes on at once."""
    home = tmp_path / "server"
    with prefect_server(home) as url, Api(url, home) as before:
        tool = Tool(root=repository(tmp_path / "repository", "reinicio", 1), home=tmp_path / "home", url=url)
        tool.apply()
        repository(tool.root, "reinicio", 2)
        with held_up(tool, before, b"estado-2") as (process, _):
            assert "sync-lock-reinicio" in before.variables()
            holder = process.pid
    with prefect_server(home) as url, Api(url, home) as after:
        assert after.variables()["sync-lock-reinicio"]["process"] == holder
        again = replace(tool, url=url).apply()
        assert set(statuses(again).values()) == {"done"}
        assert "sync-lock-reinicio" not in after.variables()

"""An apply that is killed right after one of its writes, whichever it is: the next one brings everything to its end."""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.api import Api
from end_to_end.loopback import Answer, Asked, Relay
from end_to_end.tool import Tool, entries_yaml, write_tree
from servers import PROMPT, prefect_server

pytestmark = pytest.mark.e2e

NEW, CHANGED, GONE, RENAMED, ADOPTED, FOREIGN, LIMITED = 10, 12, 6, 4, 6, 2, 2
CHANGES: Final = NEW + CHANGED + GONE + RENAMED + ADOPTED + LIMITED + 2  # and two pools

ALLOWED: Final = ("--prune", "--max-deletes", "50", "--adopt-all")

FLOW: Final = """
from prefect import flow


@flow
def forjar(golpes: int = 1) -> None:
    pass
"""

# Once a year, so that no run is due while the test goes on.
NIGHT, DAWN, NOON = ({"cron": f"0 {hour} 1 1 *"} for hour in (1, 5, 12))


def numbered(word: str, count: int) -> list[str]:
    return [f"{word}-{number}" for number in range(count)]


def before_of() -> dict[str, dict[str, Any]]:
    """What an earlier apply has made."""
    both = {"schedules": {"noche": NIGHT, "madrugada": DAWN}}
    return {
        **{name: {**both, "parameters": {"golpes": 1}} for name in numbered("cambia", CHANGED)},
        **dict.fromkeys(numbered("sobra", GONE), both),
        **dict.fromkeys(numbered("vieja", RENAMED), both),
        **{name: {"concurrency_limit": 1} for name in numbered("limitada", LIMITED)},
    }


def after_of() -> dict[str, dict[str, Any]]:
    """What the files say now: a schedule of each changed one goes, one comes, one stays."""
    changed = {"schedules": {"noche": NIGHT, "tarde": NOON}, "parameters": {"golpes": 2}, "tags": ["cambiada"]}
    return {
        **{name: {"schedules": {"noche": NIGHT, "tarde": NOON}} for name in numbered("nueva", NEW)},
        **dict.fromkeys(numbered("cambia", CHANGED), changed),
        **{
            f"joven-{number}": {"schedules": {"noche": NIGHT}, "replaces": f"vieja-{number}"}
            for number in range(RENAMED)
        },
        **{name: {"schedules": {"noche": NIGHT, "tarde": NOON}} for name in numbered("ajena", ADOPTED)},
        **{name: {"concurrency_limit": 3} for name in numbered("limitada", LIMITED)},
    }


def repository(folder: Path, project: str, entries: dict[str, dict[str, Any]], *, second_pool: bool) -> Path:
    queues = "{urgente: {priority: 1}}"
    files = {
        "prefect.yaml": f"name: {project}\n",
        "deployments/environments.yaml": f"""
            default_timezone: America/Argentina/Buenos_Aires
            environments: {{prod: {{work_pool: {project}}}}}
            """,
        "deployments/shared.yaml": """
            sources: {aqui: {path: .}}
            defaults: {source: aqui, entrypoint: "flows/forjar.py:forjar"}
            """,
        f"pools/{project}.yaml": f"type: process\n{f'description: otra{chr(10)}queues: {queues}' if second_pool else ''}\n",
        "flows/forjar.py": FLOW.replace("@flow", f'@flow(name="{project}")'),
    }
    if second_pool:
        files[f"pools/{project}-dos.yaml"] = f"type: process\nqueues: {queues}\n"
    root = write_tree(folder, files)
    (root / "deployments" / "fragua").mkdir(exist_ok=True)
    (root / "deployments" / "fragua" / "prod.yaml").write_text(entries_yaml(entries), encoding="utf-8")
    return root


class Killing(Relay):
    """Passes on, and kills the client before it learns that its write number `at` was carried out."""

    def __init__(self, url: str, at: int) -> None:
        super().__init__(url)
        self.victim: subprocess.Popen[bytes] | None = None
        self._at = at
        self._seen = 0
        self._turn = threading.Lock()

    def _relayed(self, asked: Asked) -> Answer:
        answer = super()._relayed(asked)
        with self._turn:
            self._seen += asked.is_write
            if not asked.is_write or self._seen != self._at:
                return answer
        assert self.victim is not None
        self.victim.kill()
        self.victim.wait(30)
        return Answer(status=0)


class Site:
    """A project on the shared server, with an earlier apply, and with what others made beside it."""

    def __init__(self, api: Api, folder: Path, at: int) -> None:
        self.api = api
        self.project = f"forja-{at}"
        root = repository(folder / "repository", self.project, before_of(), second_pool=False)
        self.tool = Tool(root=root, home=folder / "home", url=api.url)
        self.tool.apply()
        template = [{"schedule": {**cron, "timezone": "America/Argentina/Buenos_Aires"}} for cron in (NIGHT, NOON)]
        for name in numbered("ajena", ADOPTED):
            api.make_deployment(self.project, name, schedules=template, work_pool_name=self.project)
        for name in numbered("intocable", FOREIGN):
            api.make_deployment(self.project, name, schedules=template, tags=["ajena"], paused=True)
        self.foreign = {name: api.deployment(self.key(name)) for name in numbered("intocable", FOREIGN)}
        self.kept = {name: self.ids(name) for name in (*numbered("cambia", CHANGED), *numbered("ajena", ADOPTED))}
        repository(root, self.project, after_of(), second_pool=True)

    def key(self, name: str) -> str:
        return f"{self.project}/{name}"

    def ids(self, name: str) -> tuple[str, str]:
        """A deployment's id, and that of the schedule of it that stays."""
        row = self.api.deployment(self.key(name))
        return row["id"], next(one["id"] for one in row["schedules"] if one["schedule"]["cron"] == NIGHT["cron"])

    def killed_at(self, at: int) -> bool:
        """Whether the apply made so many writes, and was killed then."""
        with Killing(self.api.url, at) as relay:
            tool = replace(self.tool, url=relay.url)
            with (tool.home / "killed.log").open("ab") as said:
                relay.victim = subprocess.Popen(
                    tool.command("apply", "--yes", *ALLOWED),
                    stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                    env=tool.environ(), cwd=tool.home,
                )  # fmt: skip
                return relay.victim.wait(180) != 0

    def rows(self) -> dict[str, Any]:
        query = {"flows": {"name": {"any_": [self.project]}}, "limit": 200}
        found = self.api.post("/deployments/filter", query)
        assert len({row["name"] for row in found}) == len(found)
        return {row["name"]: row for row in found}

    def tamper(self) -> None:
        """Change something in the UI, for the next apply to have something to do."""
        self.api.patch(f"/deployments/{self.rows()['nueva-0']['id']}", {"description": "de la UI"})

    def check(self) -> None:
        """Everything is as declared, once; what was there is what it was; nothing of others was touched."""
        rows, declared = self.rows(), after_of()
        assert rows.keys() == {*declared, *numbered("intocable", FOREIGN)}
        for name, entry in declared.items():
            slugs = Counter(schedule["slug"] for schedule in rows[name]["schedules"])
            assert slugs == Counter(list(entry.get("schedules", {}))), name
            assert f"managed-by:{self.project}/fragua/prod" in rows[name]["tags"]
        assert {name: self.ids(name) for name in self.kept} == self.kept
        assert {name: self.api.deployment(self.key(name)) for name in self.foreign} == self.foreign
        assert {rows[name]["global_concurrency_limit"]["limit"] for name in numbered("limitada", LIMITED)} == {3}
        queues = self.api.post("/work_queues/filter", {"limit": 200})
        pools = {self.api.get(f"/work_pools/{name}")["id"] for name in (self.project, f"{self.project}-dos")}
        named = Counter((queue["work_pool_id"], queue["name"]) for queue in queues if queue["work_pool_id"] in pools)
        assert set(named.values()) == {1}
        assert len(named) == 4
        assert f"sync-lock-{self.project}" not in self.api.variables()
        runs = self.api.post("/flow_runs/filter", {"flows": {"name": {"any_": [self.project]}}, "limit": 200})
        times = Counter((run["deployment_id"], run["expected_start_time"]) for run in runs)
        assert set(times.values()) <= {1}

    def clear(self) -> None:
        """Reading takes as long as there is to read."""
        for row in self.rows().values():
            self.api.delete(f"/deployments/{row['id']}")
        for name in (self.project, f"{self.project}-dos"):
            if self.api.has_pool(name):
                self.api.delete(f"/work_pools/{name}")


def crash(api: Api, folder: Path, at: int, *, clear: bool = False) -> bool:
    """One apply killed after so many writes, and the next one. Answers whether there were so many."""
    site = Site(api, folder, at)
    if at == 1:
        assert len(site.tool.plan(*ALLOWED)["changes"]) == CHANGES >= 40
    if not site.killed_at(at):
        return False
    # No --wait: the holder is dead, and that is seen.
    rest = site.tool.apply(*ALLOWED)
    assert {outcome["status"] for outcome in rest["outcomes"]} <= {"done"}
    if not rest["outcomes"]:  # all that was left was to let go of the lock: who next has something to write does
        site.tamper()
        assert [outcome["status"] for outcome in site.tool.apply(*ALLOWED)["outcomes"]] == ["done"]
    site.check()
    left = site.tool("plan", "--json", "--exit-code", *ALLOWED)
    assert left.code == 0, left.said
    if clear:
        site.clear()
    return True


@pytest.mark.long
@pytest.mark.parametrize("at", [37])
def test_an_apply_that_is_killed_after_a_write_is_finished_by_the_next(at: int, api: Api, tmp_path: Path) -> None:
    assert crash(api, tmp_path, at)


SHARES: Final = 2
"""Parts that can go on side by side, each with a server of its own: reading and writing take turns on one."""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server for the long form alone."""
    home = tmp_path_factory.mktemp("prefect-quick")
    with prefect_server(home, PROMPT) as url, Api(url, home) as client:
        yield client


@pytest.mark.long
@pytest.mark.parametrize("share", range(SHARES))
def test_an_apply_that_is_killed_after_any_of_its_writes_is_finished_by_the_next(
    share: int, quick: Api, tmp_path: Path
) -> None:
    killed, at, began = [], share + 1, time.monotonic()
    while crash(quick, tmp_path / str(at), at, clear=True):
        killed.append(at)
        at += SHARES
    assert killed[-1] > CHANGES
    took = time.monotonic() - began
    print(
        f"FIGURES crash: killed after each of {len(killed)} writes ({killed[0]}, {killed[1]}, … {killed[-1]}) of a plan "
        f"of {CHANGES} changes; each time the next apply converged, 0 failed; {took:.0f} s"
    )

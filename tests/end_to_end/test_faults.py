"""What lies between the tool and the server fails, or the server itself does: nothing is lost, nothing is there twice.

Each apply ends by itself with a code that is true, and the next one, with nothing in its way, brings all to its end.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.api import Api
from end_to_end.loopback import Answer, Asked, Relay
from end_to_end.tool import Result, Tool, entries_yaml, wait_for, write_tree
from servers import LEAN, PROMPT, Mortal

pytestmark = pytest.mark.e2e

ALLOWED: Final = ("--prune", "--max-deletes", "50", "--adopt-all")

FLOW: Final = """
from prefect import flow


@flow(name="{project}")
def templar(grados: int = 1) -> None:
    pass
"""

DAY: Final = datetime.now(UTC) + timedelta(days=40)
"""Once a year: no run is due while the tests go on, and one of each schedule stands."""

NIGHT, DAWN, NOON = ({"cron": f"0 {hour} {DAY.day} {DAY.month} *"} for hour in (1, 5, 12))


class Site:
    """A project whose files say one of two states in turn, beside what belongs to others."""

    def __init__(self, api: Api, folder: Path, project: str) -> None:
        self.api, self.project, self.state = api, project, 0
        self.tool = Tool(root=folder / "repository", home=folder / "home", url=api.url)
        self.write()
        self.stand_aside()
        self.tool.apply(*ALLOWED)
        self.foreign = {name: api.deployment(self.key(name)) for name in ("intocable", "de-otro")}
        self.check()

    def key(self, name: str) -> str:
        return f"{self.project}/{name}"

    def entries(self) -> dict[str, dict[str, Any]]:
        """What is declared in this state: every kind of change leads to it from the other one."""
        state = self.state
        mine, other = ("ab", "ba")[state]
        dos = f"{self.project}-dos"
        changed = {
            "schedules": {"noche": NIGHT, **({"tarde": NOON} if state else {"madrugada": DAWN})},
            "parameters": {"grados": state},
            "tags": [f"estado-{state}"],
        }
        return {
            **{f"cambia-{number}": changed for number in range(3)},
            **{f"alterna-{mine}-{number}": {"schedules": {"noche": NIGHT}} for number in range(2)},
            f"nombre-{mine}": {"schedules": {"noche": NIGHT}, "replaces": f"nombre-{other}"},
            "ajena": {"schedules": {"noche": NIGHT, "tarde": NOON}, "tags": [f"estado-{state}"]},
            "limitada": {"concurrency_limit": 1 + 2 * state},
            "suelta": {"concurrency_limit": 2} if state else {},
            "mudada": {"work_pool": dos, "work_queue": "lenta"} if state else {"work_queue": "urgente"},
        }

    def write(self) -> None:
        """The files of this state."""
        project, state = self.project, self.state
        pools = {
            project: f"{{urgente: {{priority: {1 + state}, concurrency_limit: {3 - state}}}}}",
            f"{project}-dos": "{lenta: {}}",
            **({f"{project}-tres": "{urgente: {priority: 1}, lenta: {}}"} if state else {}),
        }
        (self.tool.root / "pools" / f"{project}-tres.yaml").unlink(missing_ok=True)
        write_tree(
            self.tool.root,
            {
                "prefect.yaml": f"name: {project}\n",
                "deployments/environments.yaml": f"""
                    default_timezone: America/Argentina/Buenos_Aires
                    environments: {{prod: {{work_pool: {project}, allow_pools: {{fragua: [{project}-dos]}}}}}}
                    """,
                "deployments/shared.yaml": """
                    sources: {aqui: {path: .}}
                    defaults: {source: aqui, entrypoint: "flows/templar.py:templar"}
                    """,
                "deployments/fragua/prod.yaml": entries_yaml(self.entries()),
                "flows/templar.py": FLOW.format(project=project),
                **{
                    f"pools/{name}.yaml": f"type: process\ndescription: estado {state}\nqueues: {queues}\n"
                    for name, queues in pools.items()
                },
            },
        )

    def turn(self) -> None:
        """The files say the other state, and beside them stands again what is to be adopted, and not what is to come."""
        self.state = 1 - self.state
        self.write()
        self.api.delete(f"/deployments/{self.api.deployment(self.key('ajena'))['id']}")
        if self.state and self.api.has_pool(f"{self.project}-tres"):
            self.api.delete(f"/work_pools/{self.project}-tres")
        self.stand_aside()

    def stand_aside(self) -> None:
        """What others made, or made by hand."""
        schedules = [{"schedule": {**cron, "timezone": "America/Argentina/Buenos_Aires"}} for cron in (NIGHT, DAWN)]
        if not self.api.has_deployment(self.key("intocable")):
            self.api.make_deployment(self.project, "intocable", schedules=schedules, paused=True)
            tags = ["managed-by:otro-proyecto/fragua/prod"]
            self.api.make_deployment(self.project, "de-otro", schedules=schedules, paused=True, tags=tags)
        self.api.make_deployment(self.project, "ajena", schedules=schedules)

    def rows(self) -> dict[str, Any]:
        found = self.api.post("/deployments/filter", {"flows": {"name": {"any_": [self.project]}}, "limit": 200})
        assert len({row["name"] for row in found}) == len(found), "a deployment stands twice"
        return {row["name"]: row for row in found}

    def pools(self) -> dict[str, Any]:
        found = self.api.post("/work_pools/filter", {"limit": 200})
        return {row["name"]: row for row in found if row["name"].startswith(self.project)}

    def fits(self, name: str, row: Mapping[str, Any] | None) -> None:
        """A deployment is as it is declared in this state."""
        entry = self.entries()[name]
        assert row is not None, name
        assert f"managed-by:{self.project}/fragua/prod" in row["tags"], name
        slugs = Counter(schedule["slug"] for schedule in row["schedules"])
        assert slugs == Counter(entry.get("schedules", {}).keys()), name
        assert set(entry.get("tags", [])) <= set(row["tags"]), name
        assert row["parameters"] == entry.get("parameters", {}), name
        limit = row["global_concurrency_limit"]
        assert (limit and limit["limit"]) == entry.get("concurrency_limit"), name
        pool, queue = entry.get("work_pool", self.project), entry.get("work_queue", "default")
        assert (row["work_pool_name"], row["work_queue_name"]) == (pool, queue), name

    def check(self) -> None:
        """Everything is as declared, once; nothing of others was touched; the lock is gone."""
        rows = self.rows()
        assert rows.keys() == {*self.entries(), *self.foreign}
        for name in self.entries():
            self.fits(name, rows[name])
        assert {name: self.api.deployment(self.key(name)) for name in self.foreign} == self.foreign
        pools = self.pools()
        wanted = {self.project, f"{self.project}-dos"} | ({f"{self.project}-tres"} if self.state else set())
        assert wanted <= pools.keys()
        assert {pools[name]["description"] for name in wanted} == {f"estado {self.state}"}
        ids = {row["id"]: name for name, row in pools.items()}
        queues = self.api.post("/work_queues/filter", {"limit": 200})
        named = Counter((ids[one["work_pool_id"]], one["name"]) for one in queues if one["work_pool_id"] in ids)
        assert set(named.values()) == {1}
        [urgent] = [one for one in queues if one["name"] == "urgente" and ids.get(one["work_pool_id"]) == self.project]
        assert (urgent["priority"], urgent["concurrency_limit"]) == (1 + self.state, 3 - self.state)
        assert f"sync-lock-{self.project}" not in self.api.variables()
        runs = self.api.post("/flow_runs/filter", {"flows": {"name": {"any_": [self.project]}}, "limit": 200})
        times = Counter((run["deployment_id"], run["expected_start_time"]) for run in runs)
        assert set(times.values()) <= {1}, "a run stands twice"
        limits = [row["name"] for row in self.api.post("/v2/concurrency_limits/filter", {"limit": 200})]
        assert len(set(limits)) == len(limits)

    def is_true(self, result: Result, before: Mapping[str, Any], relay: Relay) -> set[tuple[str, str]]:
        """What the tool says of its apply is so; what of it is said to be done, as kind and key."""
        document = result.document
        assert result.code in {0, 1}, result.said
        if "error" in document:
            assert result.code == 1
            assert document["error"]["message"]
            assert relay.writes == [], "something was written, and is not told"
            return set()
        counted = document["requests"]
        assert counted["write"] == len(relay.writes)
        assert counted["lock"] == len([asked for asked in relay.asked if asked.is_lock])
        statuses = {outcome["status"] for outcome in document["outcomes"]}
        told = {warning["code"] for warning in document["warnings"]} & {"runs-unchecked", "run-missing", "run-doubled"}
        assert (result.code == 0) == (statuses == {"done"} and not told), result.said
        rows, pools = self.rows(), self.pools()
        for outcome in document["outcomes"]:
            assert outcome["error"] or outcome["status"] == "done"
            name = outcome["key"].partition("/")[2] or outcome["key"]
            if outcome["kind"] == "work-pool":
                done = outcome["status"] == "done"
                assert not done or pools[name]["description"] == f"estado {self.state}"
            elif outcome["status"] == "skipped":
                assert rows.get(name, {}).get("updated") == before.get(name, {}).get("updated"), name
            elif outcome["status"] == "done" and outcome["action"] == "delete":
                assert name not in rows
            elif outcome["status"] == "done":
                self.fits(name, rows.get(name))
                assert outcome["action"] != "replace" or self.entries()[name]["replaces"] not in rows
        return {(one["kind"], one["key"]) for one in document["outcomes"] if one["status"] == "done"}

    def applied_in_trouble(self, relay: Relay) -> Result:
        """Turn to the other state in trouble, hold what is said against what is so, and finish without trouble."""
        self.turn()
        before = self.rows()
        result = replace(self.tool, url=relay.url)("apply", "--yes", "--json", *ALLOWED)
        self.finish(result, before, relay)
        return result

    def finish(self, result: Result, before: Mapping[str, Any], relay: Relay) -> None:
        """One clean apply is enough, does nothing of what was done again, and no lock is in its way."""
        done = self.is_true(result, before, relay)
        rest = self.tool.apply(*ALLOWED)
        assert {outcome["status"] for outcome in rest["outcomes"]} <= {"done"}
        assert not done & {(change["kind"], change["key"]) for change in rest["changes"]}
        left = self.tool("plan", "--json", "--exit-code", *ALLOWED)
        assert left.code == 0, left.said
        self.check()


# What lies between fails


@dataclass(slots=True)
class Figures:
    """What the faults came to."""

    applies: Counter[int] = field(default_factory=Counter)
    whole: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    requests: int = 0

    def __str__(self) -> str:
        each = ", ".join(f"{rate} %: {self.whole[rate]} of {number} whole" for rate, number in self.applies.items())
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.faults.items()))
        return (
            f"FIGURES faults: {self.applies.total()} applies of {self.requests} requests with {self.faults.total()} "
            f"faults ({kinds}); {each} at the first go, all of them after one more"
        )


FAULTS: Final = ("busy", "dropped before", "dropped after", "delayed", "cut short", "garbled")


class Faulty(Relay):
    """Passes on, but for so many of a hundred requests, which fail in one of several ways.

    With every second seed that begins with the lock: few applies would come as far as to write otherwise.
    """

    def __init__(self, url: str, seed: int, rate: int) -> None:
        super().__init__(url)
        self.faults: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._rate = rate
        self._is_calm = seed % 2 == 0
        self._turn = threading.Lock()

    def _fault(self, asked: Asked) -> tuple[str, float]:
        with self._turn:
            self._is_calm &= not asked.is_lock
            is_fault = self._chance.random() * 100 < self._rate and not self._is_calm
            # A body that is JSON no more, in a whole answer, is what no retry is for; it is rarer than the others.
            fault = self._chance.choices(FAULTS, weights=(4, 4, 4, 4, 4, 1))[0]
            delay = self._chance.uniform(0.05, 0.8)
            self.faults.update([fault] if is_fault else [])
            return (fault if is_fault else ""), delay

    def _relayed(self, asked: Asked) -> Answer:
        fault, delay = self._fault(asked)
        if fault == "busy":
            return Answer(status=503, body=b'{"exception_message": "Service Unavailable"}')
        if fault == "dropped before":
            return Answer(status=0)
        if fault == "delayed":
            time.sleep(delay)
        answer = super()._relayed(asked)
        half = len(answer.body) // 2
        if fault == "dropped after" or (fault == "cut short" and not half):
            return Answer(status=0)
        if fault == "cut short":
            return replace(answer, sent=half)
        return replace(answer, body=answer.body[:half]) if fault == "garbled" else answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    """A server of these tests' own: some of them kill it."""
    mortal = Mortal(tmp_path_factory.mktemp("mortal"), {**PROMPT, **LEAN})
    mortal.start()
    try:
        mortal.wait()
        yield mortal
    finally:
        mortal.stop()


@pytest.fixture
def alive(server: Mortal) -> Iterator[Api]:
    """Its API."""
    with Api(server.url, server.home) as api:
        yield api


SHARES: Final = [range(2), *(pytest.param(range(at, at + 51), marks=pytest.mark.long) for at in range(0, 204, 51))]


@pytest.mark.parametrize("seeds", SHARES, ids=str)
def test_whatever_fails_between_tool_and_server_the_next_apply_puts_right(
    seeds: range, alive: Api, tmp_path: Path
) -> None:
    site, figures = Site(alive, tmp_path, f"templado-{seeds.start}-{seeds.stop}"), Figures()
    for seed in seeds:
        rate = (5, 20, 50)[seed % 3]
        with Faulty(alive.url, seed, rate) as relay:
            try:
                result = site.applied_in_trouble(relay)
            except AssertionError as error:
                error.add_note(f"seed {seed}, {rate} %, {dict(relay.faults)}")
                raise
        figures.applies[rate] += 1
        figures.whole[rate] += result.code == 0
        figures.faults += relay.faults
        figures.requests += len(relay.asked)
    assert figures.applies.total() == len(seeds)
    print(figures)


# The server fails


class Striking(Relay):
    """Passes on, and strikes the server down with its write number `at`: before it has answered, or right after."""

    def __init__(self, server: Mortal, at: int, *, after: bool) -> None:
        super().__init__(server.url)
        self.struck = threading.Event()
        self.lock: Any = None
        self._mortal, self._at, self._after = server, at, after
        self._turn = threading.Lock()

    def _relayed(self, asked: Asked) -> Answer:
        with self._turn:
            is_it = not self.struck.is_set() and len(self.writes) == self._at and asked.is_write and not asked.is_lock
            if is_it and not self._after:
                self._strike()
        answer = super()._relayed(asked)
        if is_it and self._after:
            self._strike()
        return answer

    def _strike(self) -> None:
        with Api(self._mortal.url, self._mortal.home) as api:
            [self.lock] = [row for row in api.post("/variables/filter", {"limit": 200}) if "sync-lock" in row["name"]]
        self._mortal.kill()
        self.struck.set()


@contextmanager
def revived(server: Mortal, struck: threading.Event, seconds: float) -> Iterator[list[float]]:
    """Started anew so many seconds after it was struck down; how long it was away is known then."""
    away: list[float] = []

    def revive() -> None:
        if struck.wait(120):
            began = time.monotonic()
            time.sleep(seconds)
            server.start()
            server.wait()
            away.append(time.monotonic() - began)

    thread = threading.Thread(target=revive)
    thread.start()
    try:
        yield away
    finally:
        struck.set()
        thread.join()


@pytest.mark.long
@pytest.mark.parametrize(
    ("at", "after"),
    [(at, after) for at in (1, 2, 5, 7, 10, 15, 19) for after in (False, True)],
)
def test_a_server_that_is_killed_in_the_middle_of_an_apply_and_started_anew(
    at: int, after: bool, server: Mortal, alive: Api, tmp_path: Path
) -> None:
    """A proxy between the two breaks connections off meanwhile. The lock stands in the database, and is held on to."""
    site = Site(alive, tmp_path, f"reanimado-{at}-{int(after)}")
    site.turn()
    before = site.rows()
    with Striking(server, at, after=after) as relay, revived(server, relay.struck, 2) as away:
        result = replace(site.tool, url=relay.url)("apply", "--yes", "--json", *ALLOWED)
        assert relay.struck.is_set()
        held = [asked for asked in relay.asked if asked.is_lock and asked.method in {"POST", "DELETE"}]
    site.finish(result, before, relay)
    if result.code == 0:  # it held on to one lock from its beginning to its end
        assert [asked.method for asked in held] == ["POST", "DELETE"]
        assert held[1].path.endswith(relay.lock["id"])
    assert result.code == 0 or away[0] > 25, result.said
    print(f"FIGURES restart: killed with write {at}, away for {away[0]:.1f} s, exit {result.code}")


def test_a_server_that_is_killed_and_started_anew_without_anything_in_between(
    server: Mortal, alive: Api, tmp_path: Path
) -> None:
    """Here nobody listens meanwhile."""
    site, struck = Site(alive, tmp_path, "reanimado"), threading.Event()
    site.turn()
    with revived(server, struck, 2) as away, started(site.tool) as process:
        wait_for("the first of the changes", lambda: f"{site.project}-tres" in site.pools(), timeout=60)
        is_under_way = process.poll() is None  # on a busy machine it may be over before anybody looks
        server.kill()
        struck.set()
        out, err = process.communicate(timeout=180)
    statuses = {outcome["status"] for outcome in Result(code=0, out=out, err=err).document["outcomes"]}
    assert away
    assert (process.returncode == 0) == (statuses == {"done"})
    assert process.returncode == 0 or away[0] > 25, out + err
    assert "waiting for it" in err or not is_under_way
    site.tool.apply(*ALLOWED)
    site.check()
    assert site.tool.plan(*ALLOWED)["changes"] == []


@contextmanager
def started(tool: Tool) -> Iterator[subprocess.Popen[str]]:
    """An apply that is under way."""
    with subprocess.Popen(
        tool.command("apply", "--yes", "--json", *ALLOWED),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=tool.environ(),
        cwd=tool.home,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.long
@pytest.mark.parametrize("behind_a_proxy", [False, True])
def test_a_server_that_never_comes_back(behind_a_proxy: bool, server: Mortal, alive: Api, tmp_path: Path) -> None:
    site = Site(alive, tmp_path, f"difunto-{int(behind_a_proxy)}")
    site.turn()
    before = site.rows()
    with Striking(server, 5, after=False) as relay, started(replace(site.tool, url=relay.url)) as process:
        try:
            assert relay.struck.wait(60)
            began = time.monotonic()
            if not behind_a_proxy:
                relay.stop()
            out, err = process.communicate(timeout=180)
            seconds = time.monotonic() - began
        finally:
            server.start()
            server.wait()
    result = Result(code=process.returncode, out=out, err=err)
    assert result.code == 1
    assert "Traceback" not in result.said
    outcomes = result.document["outcomes"]
    counted = Counter(outcome["status"] for outcome in outcomes)
    assert (counted["done"] > 0, counted["failed"], counted["skipped"] > 0) == (True, 1, True)
    [failed] = [outcome["error"] for outcome in outcomes if outcome["status"] == "failed"]
    assert "cannot be reached" in failed
    assert {one["error"] for one in outcomes if one["status"] == "skipped"} == {
        "the server could not be reached any more"
    }
    assert 25 < seconds < 60
    if behind_a_proxy:
        site.finish(result, before, relay)
    site.tool.apply(*ALLOWED)
    site.check()
    print(f"FIGURES never back: given up after {seconds:.1f} s")


# Told to stop


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize(
    "when", ["while the runs come back", pytest.param("while the server is away", marks=pytest.mark.long)]
)
def test_being_told_to_stop_ends_every_wait(when: str, alive: Api, tmp_path: Path) -> None:
    """What was done is told, and the lock given back."""
    site = Site(alive, tmp_path, f"impaciente-{len(when)}")
    site.turn()
    waiting = threading.Event()

    def before(relay: Relay, asked: Asked) -> Answer | None:
        if when == "while the runs come back" and b"expected_start_time" in asked.body:
            waiting.set()  # all of them were wiped, and none is made again
            return Answer(body=b"[]", headers={"Content-Type": "application/json"})
        if when == "while the server is away" and len(relay.writes) > 5 and not asked.is_lock:
            waiting.set()
            return Answer(status=502)
        return None

    with Relay(alive.url, before) as relay, started(replace(site.tool, url=relay.url)) as process:
        assert waiting.wait(60)
        time.sleep(2.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - began < 5
    result = Result(code=process.returncode, out=out, err=err)
    assert result.code == 130, result.said
    assert "Traceback" not in result.said
    assert f"sync-lock-{site.project}" not in alive.variables()
    counted = Counter(outcome["status"] for outcome in result.document["outcomes"])
    told = [warning["code"] for warning in result.document["warnings"]]
    if when == "while the runs come back":
        assert set(counted) == {"done"}
        assert "runs-unchecked" in told
    else:
        assert counted["failed"] == 1
        assert counted["skipped"] > 0
    site.tool.apply(*ALLOWED)
    site.check()

"""Servers that are down, are none of Prefect's, fail, hang, talk nonsense, or die half-way: one message, and the truth."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.api import Api
from end_to_end.loopback import Answer, Asked, Loopback, Relay
from end_to_end.tool import Result, Tool, wait_for, write_tree
from servers import free_port

pytestmark = pytest.mark.e2e

COMMANDS: Final = {"plan": ("plan",), "apply": ("apply", "--yes"), "status": ("status",)}

FLOW: Final = """
from prefect import flow


@flow
def coser(puntadas: int = 1) -> None:
    pass
"""


def repository(folder: Path, name: str, deployments: int = 4) -> Path:
    entries = "\n".join(
        f"  {name}-{number}: {{source: aqui, entrypoint: 'flows/coser.py:coser'}}"
        for number in range(1, deployments + 1)
    )
    return write_tree(
        folder,
        {
            "prefect.yaml": f"name: {name}\n",
            "deployments/environments.yaml": f"environments: {{prod: {{work_pool: {name}}}}}\n",
            "deployments/shared.yaml": "sources: {aqui: {path: .}}\n",
            f"deployments/{name}/prod.yaml": f"deployments:\n{entries}\n",
            f"pools/{name}.yaml": "type: process\n",
            "flows/coser.py": FLOW,
        },
    )


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """For a repository, with a server yet to be named."""
    return Tool(root=repository(tmp_path / "repository", "costura"), home=tmp_path / "home")


def assert_one_message(result: Result, *words: str) -> None:
    """One message and its hint on standard error, and the same as one JSON document; no more, and exit 1."""
    assert result.code == 1, result.said
    error = result.document["error"]
    assert list(result.document) == ["error"]
    for word in words:
        assert word in error["message"], error
    assert error["message"].count(".") >= 1
    lines = [line for line in result.err.splitlines() if line.strip()]
    assert [line.strip() for line in lines] == [text for text in (error["message"], error["hint"]) if text]


def json_answer(value: Any, status: int = 200) -> Answer:
    return Answer(status=status, body=json.dumps(value).encode("utf-8"), headers={"Content-Type": "application/json"})


HTML: Final = b"<!doctype html><html><head><title>Router</title></head><body>Welcome</body></html>"

ANSWERS: Final[Mapping[str, tuple[Answer, tuple[str, ...]]]] = {
    "html": (Answer(body=HTML, headers={"Content-Type": "text/html"}), ("not JSON", "is", "a Prefect API?")),
    "html-404": (Answer(status=404, body=HTML, headers={"Content-Type": "text/html"}), ("404", "_pools/filter")),
    "empty": (Answer(), ("not JSON",)),
    "error-500": (json_answer({"exception_message": "Internal Server Error"}, 500), ("500", "Internal Server Error")),
    "error-503": (Answer(status=503, body=b"busy"), ("503", "busy")),
    "error-401": (json_answer({"exception_message": "Unauthorized"}, 401), ("401", "Unauthorized")),
    "error-403": (json_answer({"detail": "Forbidden"}, 403), ("403", "Forbidden")),
    "redirect-loop": (Answer(status=307, headers={"Location": "/api/again/filter"}), ("redirect",)),
    "cut-json": (Answer(body=b'[{"id": "1", "name"'), ("not JSON",)),
    "null": (json_answer(None), ("not a list", "a Prefect API?")),
    "mapping": (json_answer({"detail": "ok"}), ("not a list",)),
    "numbers": (json_answer([1, 2, 3]), ("a Prefect API?",)),
    "strange-rows": (json_answer([{"id": "1"}]), ("a Prefect API?",)),
    "strange-values": (json_answer([{"id": 1, "name": None, "type": 7, "flow_id": []}]), ("a Prefect API?",)),
    "no-utf-8": (Answer(body=b"\xff\xfe\x00["), ("not JSON",)),
    "silence": (Answer(status=0), ("broke the connection off",)),
}


EVERYWHERE: Final = ("html", "error-401", "strange-rows")
"""What is tried with every command; the rest with one, for reading is the same in all."""

CASES: Final = [(kind, command) for kind in ANSWERS for command in COMMANDS if command == "apply" or kind in EVERYWHERE]


@pytest.mark.parametrize(("kind", "command"), CASES)
def test_a_server_that_answers_wrongly(kind: str, command: str, tool: Tool) -> None:
    answer, words = ANSWERS[kind]
    with Loopback(lambda _: answer) as server:
        result = replace(tool, url=server.url)(*COMMANDS[command], "--json")
        assert_one_message(result, *words)
        assert server.writes == []


@pytest.mark.parametrize("route", ["/v2/concurrency_limits/filter", "/automations/filter"])
def test_a_server_that_lacks_a_feature(route: str, tool: Tool) -> None:
    def answer(asked: Asked) -> Answer:
        return json_answer({"detail": "Not Found"}, 404) if asked.path.endswith(route) else json_answer([])

    with Loopback(answer) as server:
        there = replace(tool, url=server.url)
        before = {path: path.read_bytes() for path in tool.root.rglob("*") if path.is_file()}
        for command in (("plan",), ("import", "--from-server", "--area-from", "name", "--yes")):
            assert_one_message(there(*command, "--json"), "has no", route, "404", "another version")
        assert {path: path.read_bytes() for path in tool.root.rglob("*") if path.is_file()} == before
        assert server.writes == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_server_that_is_down(command: str, tool: Tool) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    result = replace(tool, url=url)(*COMMANDS[command], "--json")
    assert_one_message(result, url, "PREFECT_API_URL", "cannot be reached", "refused")


@pytest.mark.parametrize(
    "url", ["http://[::1/api", "ftp://example.invalid/api", "http://", "nonsense", "http://h:x/api"]
)
def test_an_address_that_is_none(url: str, tool: Tool) -> None:
    result = replace(tool, url=url)("plan", "--json")
    assert_one_message(result, "PREFECT_API_URL")


def test_a_host_that_is_not_known(tool: Tool) -> None:
    result = replace(tool, url="http://no-such-host.invalid/api")("plan", "--json")
    assert_one_message(result, "no-such-host.invalid", "cannot be reached")


def test_a_server_that_hangs(tool: Tool) -> None:
    release = threading.Event()

    def hang(_: Asked) -> Answer:
        release.wait(60)
        return Answer(status=0)

    with Loopback(hang) as server:
        quick = {"PREFECT_API_REQUEST_TIMEOUT": "0.3"}
        try:
            result = replace(tool, url=server.url, settings=quick)("apply", "--yes", "--json", timeout=60)
        finally:
            release.set()
        assert_one_message(result, "no answer within 0.3 s")


def test_without_json_the_message_stands_alone_on_standard_error(tool: Tool) -> None:
    result = replace(tool, url=f"http://127.0.0.1:{free_port()}/api")("apply", "--yes")
    assert (result.code, result.out) == (1, "")
    assert len(result.err.strip().splitlines()) == 2


# Servers that fail only when something is written


Failing = Callable[[Relay, Asked], Answer | None]


def after_writes(number: int, answer: Answer, *, die: bool = False) -> Failing:
    """Lets so many writes pass, and answers all that come after them. One that dies is reached by nobody any more."""
    stopping = threading.Lock()

    def before(relay: Relay, asked: Asked) -> Answer | None:
        if len(relay.writes) <= number or asked.is_lock:
            return None
        if die and stopping.acquire(blocking=False):
            relay.stop()
        return answer

    return before


def outcomes(document: Any) -> dict[str, str]:
    return {outcome["key"]: outcome["status"] for outcome in document["outcomes"]}


def assert_truthful(document: Any, api: Api) -> None:
    """What is said to be done stands there, and what is not done is said with a reason."""
    for outcome in document["outcomes"]:
        stands = api.has_deployment(outcome["key"]) if outcome["kind"] == "deployment" else api.has_pool(outcome["key"])
        if outcome["status"] == "done":
            assert stands, outcome
            assert outcome["error"] is None
        else:
            assert outcome["error"], outcome
            assert not stands, outcome


@pytest.mark.long
def test_a_server_that_dies_in_the_middle(api: Api, tmp_path: Path) -> None:
    """The pool, the flow and two deployments pass; the fifth write finds nobody."""
    root = repository(tmp_path / "repository", "muere")
    with Relay(api.url, after_writes(4, Answer(status=0), die=True)) as relay:
        tool = Tool(root=root, home=tmp_path / "home", url=relay.url)
        result = tool("apply", "--yes", "--json")
    assert result.code == 1
    document = result.document
    assert outcomes(document) == {
        "muere": "done",
        "coser/muere-1": "done",
        "coser/muere-2": "done",
        "coser/muere-3": "failed",
        "coser/muere-4": "skipped",
    }
    assert_truthful(document, api)
    [failed] = [outcome for outcome in document["outcomes"] if outcome["status"] == "failed"]
    assert relay.url in failed["error"]
    [skipped] = [outcome for outcome in document["outcomes"] if outcome["status"] == "skipped"]
    assert "could not be reached any more" in skipped["error"]
    # What is left is done by the next apply, and nothing twice.
    rest = Tool(root=root, home=tmp_path / "home", url=api.url).apply()
    assert outcomes(rest) == {"coser/muere-3": "done", "coser/muere-4": "done"}


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("falla", json_answer({"exception_message": "database is locked"}, 500), ("500", "database is locked")),
        ("rechaza", json_answer({"detail": "Invalid deployment"}, 422), ("422", "Invalid deployment")),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in (
                ("delira", Answer(body=b"<html>", headers={"Content-Type": "text/html"}), ("/deployments/",)),
                ("miente", json_answer([1, 2]), ("/deployments/",)),
            )
        ),
    ],
)
def test_a_server_that_fails_one_write(
    name: str, answer: Answer, words: tuple[str, ...], api: Api, tmp_path: Path
) -> None:
    """The second deployment alone fails; the others are made, and all is said."""

    def before(_: Relay, asked: Asked) -> Answer | None:
        return answer if asked.is_write and f'"{name}-2"'.encode() in asked.body else None

    root = repository(tmp_path / "repository", name, deployments=3)
    with Relay(api.url, before) as relay:
        tool = Tool(root=root, home=tmp_path / "home", url=relay.url)
        result = tool("apply", "--yes", "--json")
        spoken = tool("apply", "--yes")
    assert result.code == 1
    assert outcomes(result.document) == {
        name: "done",
        f"coser/{name}-1": "done",
        f"coser/{name}-2": "failed",
        f"coser/{name}-3": "done",
    }
    assert_truthful(result.document, api)
    [failed] = [outcome for outcome in result.document["outcomes"] if outcome["status"] == "failed"]
    for word in words:
        assert word in failed["error"]
    assert spoken.code == 1
    assert f"coser/{name}-2" in spoken.out
    assert "1 failed" in spoken.out


@pytest.mark.parametrize(
    ("name", "answer"),
    [("sin-flujo", json_answer({})), ("flujo-raro", json_answer({"id": None})), ("flujo-html", Answer(body=HTML))],
)
def test_a_flow_whose_id_is_not_told(name: str, answer: Answer, api: Api, tmp_path: Path) -> None:
    def before(_: Relay, asked: Asked) -> Answer | None:
        return answer if asked.is_write and asked.path.startswith("/api/flows/") else None

    root = repository(tmp_path / "repository", name, deployments=2)
    flow = root / "flows" / "coser.py"
    flow.write_text(FLOW.replace("@flow", f'@flow(name="{name}")'), encoding="utf-8")
    with Relay(api.url, before) as relay:
        result = Tool(root=root, home=tmp_path / "home", url=relay.url)("apply", "--yes", "--json")
    assert result.code == 1
    assert outcomes(result.document) == {name: "done", f"{name}/{name}-1": "failed", f"{name}/{name}-2": "failed"}


def test_the_deployments_of_a_pool_that_could_not_be_made_are_skipped(api: Api, tmp_path: Path) -> None:
    def before(_: Relay, asked: Asked) -> Answer | None:
        is_pool = asked.is_write and asked.path.startswith("/api/work_pools/")
        return json_answer({"detail": "no pools today"}, 500) if is_pool else None

    root = repository(tmp_path / "repository", "sin-pool", deployments=2)
    with Relay(api.url, before) as relay:
        result = Tool(root=root, home=tmp_path / "home", url=relay.url)("apply", "--yes", "--json")
    assert result.code == 1
    assert outcomes(result.document) == {
        "sin-pool": "failed",
        "coser/sin-pool-1": "skipped",
        "coser/sin-pool-2": "skipped",
    }
    assert_truthful(result.document, api)


def test_a_server_that_dies_while_it_is_read(api: Api, tmp_path: Path) -> None:
    def before(relay: Relay, asked: Asked) -> Answer | None:
        return Answer(status=0) if asked.path.startswith("/api/deployments/filter") else None

    root = repository(tmp_path / "repository", "se-corta")
    with Relay(api.url, before) as relay:
        result = Tool(root=root, home=tmp_path / "home", url=relay.url)("apply", "--yes", "--json")
        assert_one_message(result, "broke the connection off")
        assert relay.writes == []


def test_a_server_that_stumbles_while_it_is_read_is_asked_again(api: Api, tmp_path: Path) -> None:
    stumbled: list[str] = []

    def before(relay: Relay, asked: Asked) -> Answer | None:
        if asked.path in stumbled:
            return None
        stumbled.append(asked.path)
        return Answer(status=503, body=b"busy")

    root = repository(tmp_path / "repository", "tropieza")
    with Relay(api.url, before) as relay:
        plan = Tool(root=root, home=tmp_path / "home", url=relay.url).plan()
    assert plan["summary"]["create"] == 5


@pytest.mark.skipif(sys.platform == "win32", reason="a process group of its own gets no Ctrl-C from here on Windows")
def test_ctrl_c_finishes_the_request_in_hand_and_tells_the_truth(api: Api, tmp_path: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def before(relay: Relay, asked: Asked) -> Answer | None:
        if not (asked.is_write and b"interrumpe-2" in asked.body):
            return None
        reached.set()
        go_on.wait(60)
        answer = relay.pass_on(asked)
        while answer.status == 503:  # SQLite is busy; who was interrupted does not ask again
            answer = relay.pass_on(asked)
        return answer

    root = repository(tmp_path / "repository", "interrumpe")
    with Relay(api.url, before) as relay:
        tool = Tool(root=root, home=tmp_path / "home", url=relay.url)
        tool.home.mkdir()
        with subprocess.Popen(
            tool.command("apply", "--yes", "--json"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=tool.environ(),
            cwd=tool.home,
            encoding="utf-8",
        ) as process:
            wait_for("the second deployment", reached.is_set, timeout=60)
            process.send_signal(signal.SIGINT)
            threading.Timer(1.0, go_on.set).start()
            out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    document = json.loads(out)
    assert outcomes(document) == {
        "interrumpe": "done",
        "coser/interrumpe-1": "done",
        "coser/interrumpe-2": "done",
        "coser/interrumpe-3": "skipped",
        "coser/interrumpe-4": "skipped",
    }
    assert_truthful(document, api)


@pytest.mark.skipif(sys.platform == "win32", reason="as above")
def test_ctrl_c_while_nothing_is_written_yet(tool: Tool) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hang(_: Asked) -> Answer:
        reached.set()
        go_on.wait(60)
        return Answer(status=0)

    with Loopback(hang) as server:
        asking = replace(tool, url=server.url)
        asking.home.mkdir()
        with subprocess.Popen(
            asking.command("plan", "--json"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=asking.environ(),
            cwd=asking.home,
            encoding="utf-8",
        ) as process:
            wait_for("the first request", reached.is_set, timeout=60)
            process.send_signal(signal.SIGINT)
            threading.Timer(1.0, go_on.set).start()
            out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert isinstance(json.loads(out), dict)

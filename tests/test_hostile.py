"""Hostile files, servers, sources and command lines: no traceback, no character that acts on a terminal, one clear word."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from end_to_end.loopback import Answer, Asked, Loopback
from fake_gateway import FakeGateway
from hostile import (
    COLOUR,
    PROJECT,
    TESTS,
    TEXTS,
    VALUES,
    Seedling,
    Terminal,
    assert_harmless,
    assert_located,
    assert_shown_harmlessly,
    places_in,
    seedlings,
    spoiled,
    text_fields,
)
from small import copy_small

from reconcile.apply import apply
from reconcile.cli import main
from reconcile.commands.options import Filter
from reconcile.commands.session import Files, Observation, Session, declared_here, observe, read_files
from reconcile.errors import ReconcileError, SourceError
from reconcile.gateway.target import Target
from reconcile.problem import Location, Problem, has_errors
from reconcile.render.json import plan_document, problems_document
from reconcile.render.text import plan_lines, problem_lines
from reconcile.signature import SignatureError, read_signature
from reconcile.sources.tree import FolderTree
from reconcile.wire import Request

SEED = 20261123
SERVER = "http://127.0.0.1:4200/api"
SAMPLES = TESTS / "data" / "signatures"


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the person who runs the tests, and no network: what a spoiled file names is asked of nobody."""
    for name in [name for name in os.environ if name.startswith("PREFECT_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("GIT_SSH_COMMAND", "false")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("RECONCILE_CACHE", str(tmp_path / "cache"))


def session_of(files: Files, server: FakeGateway) -> Session:
    known = frozenset(files.rules)
    target = Target(url=SERVER, origin="the test")
    return Session(
        root=files.root,
        target=target,
        embedded=False,
        reading=cast("Any", _Counted(server)),
        files=files,
        chosen=Filter(environments=known),
    )


class _Counted:
    """The fake gateway as what a session reads."""

    requests = 0

    def __init__(self, server: FakeGateway) -> None:
        self._server = server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)


def planned(files: Files, server: FakeGateway) -> Observation | None:
    """The plan; None where the tool refuses with an error of its own."""
    try:
        return observe(session_of(files, server))
    except ReconcileError as error:
        assert error.message  # noqa: PT017 # both ends are right
        return None


class Fuzz:
    """Documents spoiled one after the other, each in its tree, and what became of them."""

    def __init__(self, folder: Path) -> None:
        self.trees = list(seedlings(folder))
        self.files = [(tree, path, path.read_bytes()) for tree in self.trees for path in tree.files]
        self.sound = [one for one in self.files if not one[0].name.startswith("invalid-")]
        self.servers: dict[str, FakeGateway] = {}
        self.counts: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()

    def run(self, number: int, seed: int) -> None:
        among = self.sound if number % 3 == 0 else self.files
        tree, path, content = among[number * 7919 % len(among)]
        other = self.files[(number * 104729 + 1) % len(self.files)][2]
        path.write_bytes(spoiled(content, other, number, seed))
        try:
            self._check(tree, number)
        except Exception as error:
            error.add_note(f"document {number} of seed {seed}: {tree.name}/{path.relative_to(tree.root)}")
            raise
        finally:
            path.write_bytes(content)

    def _check(self, tree: Seedling, number: int) -> None:
        files = read_files(tree.root)
        problems = declared_here(files).problems
        for problem in problems:
            assert_located(problem, tree.root)
            self.codes[problem.code] += 1
        assert_shown_harmlessly(list(problem_lines(problems)), problems_document(problems))
        self.counts["documents"] += 1
        self.counts["problems"] += len(problems)
        if has_errors(problems):
            self.counts["with errors"] += 1
        else:
            self._plan(tree, files)
        if number % 25 == 0:
            self._whole(tree)

    def _plan(self, tree: Seedling, files: Files) -> None:
        if tree.name not in self.servers:
            self.servers[tree.name] = FakeGateway()
            found = planned(files, self.servers[tree.name])
            if found is not None and not found.plan.refusals:
                self._shown(found)
                list(apply(found.plan, self.servers[tree.name], flows=found.observed.flows, commit="0123456789ab"))
        found = planned(files, self.servers[tree.name])
        if found is not None:
            self.counts["planned"] += 1
            self.counts["changes"] += len(found.plan.changes)
            self._shown(found)

    @staticmethod
    def _shown(found: Observation) -> None:
        assert_shown_harmlessly(list(plan_lines(found.plan)), plan_document(found.plan))

    def _whole(self, tree: Seedling) -> None:
        """As it is run: with its arguments, console and exit code."""
        code, out, err = ran("validate", "--root", str(tree.root), "--json")
        assert code in {0, 1}, err
        assert_harmless(out + err)
        assert isinstance(json.loads(out)["problems"], list)
        self.counts["commands"] += 1


def ran(*arguments: str, colours: bool = False) -> tuple[int, str, str]:
    """The tool in this process: its exit code, and what it said, to somebody who looks or to nobody."""
    out, err = (Terminal(), Terminal()) if colours else (io.StringIO(), io.StringIO())
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(arguments))
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def fuzz(tmp_path: Path) -> Fuzz:
    return Fuzz(tmp_path / "trees")


def test_no_spoiled_document_does_more_than_be_told(fuzz: Fuzz) -> None:
    for number in range(250):
        fuzz.run(number, SEED)
    assert fuzz.counts["with errors"] > 100
    assert fuzz.counts["planned"] > 15


@pytest.mark.long
@pytest.mark.parametrize("numbers", [range(at, at + 5_000) for at in range(0, 20_000, 5_000)], ids=str)
def test_twenty_thousand_spoiled_documents(numbers: range, fuzz: Fuzz) -> None:
    fuzz.counts.clear()
    began = time.monotonic()
    for number in numbers:
        fuzz.run(number, SEED + 1)
    told = ", ".join(f"{number:,} {what}" for what, number in sorted(fuzz.counts.items()))
    print(
        f"FIGURES hostile documents: {told}, {len(fuzz.codes)} kinds of problems; seed {SEED + 1}; 0 tracebacks, "
        f"0 unescaped characters; {time.monotonic() - began:.0f} s"
    )


# ---------------------------------------------------------------- every text of the format

FIELDS = list(text_fields(PROJECT / "schemas"))
PLACES = {
    "prefect": "prefect.yaml",
    "environments": "deployments/environments.yaml",
    "shared": "deployments/shared.yaml",
    "area-shared": "deployments/ventas/shared.yaml",
    "deployments": "deployments/ventas/prod.yaml",
    "pool": "pools/ventas-prod.yaml",
}
LOUD = (
    "\x1b[31mred\x1b[0m \x9b2J \u202etxt.exe\u202c \u2028 \x07 \x7f \ufeff",
    "<script>alert(1)</script> [x](javascript:a) `|` **b** [bold]markup[/]",
    "one\r\ntwo\nthree",
)


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> FakeGateway:
    """A server on which the small repository was applied."""
    root = copy_small(tmp_path_factory.mktemp("applied") / "repository")
    server = FakeGateway()
    found = planned(read_files(root), server)
    assert found is not None
    list(apply(found.plan, server, flows=found.observed.flows, commit="0123456789ab"))
    return server


def test_every_kind_of_file_is_walked_through() -> None:
    assert {kind for kind, _ in FIELDS} == set(PLACES)
    assert ("deployments", ("deployments", "*", "description")) in FIELDS
    assert ("environments", ("environments", "*", "work_pool")) in FIELDS
    assert ("shared", ("sources", "*", "branch")) in FIELDS


@pytest.mark.parametrize(
    ("kind", "at"),
    [
        # Automations are the same in three kinds of files, and most of all fields: the short form takes some of one.
        pytest.param(kind, at, marks=pytest.mark.long if at[0] == "automations" and (kind != "shared" or n % 4) else ())
        for n, (kind, at) in enumerate(FIELDS)
    ],
    ids=lambda value: value if isinstance(value, str) else ".".join(value),
)
def test_a_hostile_text_in_any_field_is_escaped(
    kind: str, at: tuple[str, ...], applied: FakeGateway, tmp_path: Path
) -> None:
    root = copy_small(tmp_path / "repository")
    path = root / PLACES[kind]
    before = path.read_bytes() if path.exists() else b"{}"
    for text in LOUD:
        for as_key in (False, True) if "*" in at else (False,):
            data = with_text(yaml.safe_load(before) or {}, at, text, as_key=as_key)
            path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
            files = read_files(root)
            problems = declared_here(files).problems
            for problem in problems:
                assert_located(problem, root)
            assert_shown_harmlessly(list(problem_lines(problems)), problems_document(problems))
            again = None if has_errors(problems) else planned(files, applied)
            if again is not None:
                assert_shown_harmlessly(list(plan_lines(again.plan)), plan_document(again.plan))
            code, out, err = ran("show", "Saludo", "--area", "ventas", "--root", str(root))
            assert code in {0, 1, 64}, err
            assert_harmless(out + err)


def with_text(data: Any, at: tuple[str, ...], text: str, *, as_key: bool) -> Any:
    """The data with a text at a path; `*` is a key that is there, or the text itself, where keys are to be hostile."""
    if not at:
        return text
    step, rest = at[0], at[1:]
    if step == "0":
        return [with_text(None, rest, text, as_key=as_key)]
    mapping = dict(data) if isinstance(data, dict) else {}
    key = step if step != "*" else text if as_key else next(iter(mapping), "x")
    return {**mapping, key: with_text(mapping.get(key), rest, text, as_key=as_key)}


# ---------------------------------------------------------------- hostile servers


class HostileServer:
    """What a server answers that keeps rows of Prefect's, some of which are spoiled."""

    def __init__(self, rows: dict[str, Any]) -> None:
        self.sound = rows
        self.rows = rows
        self.is_free = True

    def __call__(self, asked: Asked) -> Answer:
        path = asked.path.partition("?")[0].removeprefix("/api")
        if path in self.rows:
            found = self.rows[path]
            return _answer(
                found[json.loads(asked.body or b"{}").get("offset", 0) :] if isinstance(found, list) else found
            )
        if path.startswith("/work_pools/") and asked.method == "GET":
            return _answer(self.rows["/work_pools/filter"][0])
        if path.endswith("/workers/filter"):
            return _answer(self.rows["workers"])
        if path.startswith("/variables/name/") and asked.method == "GET":
            return _answer(self.rows["lock"], status=200)
        if path == "/variables/" and asked.method == "POST":
            return _answer(self.rows["lock"], status=201) if self.is_free else _answer(self.rows["refusal"], status=409)
        if path.startswith("/variables/"):
            return Answer(status=204)
        return _answer(self.rows["refusal"], status=422)

    def spoil(self, number: int, seed: int) -> str:
        """One value of one answer is another, or is not there; what was done, in words."""
        rng = random.Random(f"{seed}/{number}")
        self.is_free = rng.random() < 0.7
        self.rows = json.loads(json.dumps(self.sound))
        places = list(places_in(self.rows))
        holder, key = rng.choice(places)
        what = rng.randrange(5)
        if what == 0 and isinstance(holder, dict) and holder is not self.rows:
            del holder[key]
        elif what == 1:
            holder[key] = rng.choice((*VALUES, 10**400, 2**70, -(10**30), 1e308, "x" * 100_000))
        elif what == 2:
            for _ in range(rng.choice((3, 90, 400))):
                holder[key] = rng.choice(([holder[key]], {"a": holder[key]}))
        else:
            texts = [place for place in places if isinstance(place[0][place[1]], str)]
            holder, key = rng.choice(texts)
            text = rng.choice((*TEXTS, *MOMENTS))
            holder[key] = rng.choice((text, holder[key] + text))
        return f"{key!r} of {str(holder)[:100]!a}"


MOMENTS = (
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-11-23T00:00:00",
    "2026-11-23",
    "* * * * *",
    "0 0 31 2 *",
    "FREQ=SECONDLY",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
    "../../../etc/passwd",
    "/etc/localtime",
)
"""Texts that are not what a time, a cron, a rule or a zone is expected to be."""


def _answer(value: Any, status: int = 200) -> Answer:
    return Answer(status=status, body=json.dumps(value).encode("utf-8"), headers={"Content-Type": "application/json"})


BESIDES = """
  watchdog: {late: 4h, running: 2h}
variables: {servidor: {value: {host: srv}, tags: [compras]}}
secrets: {clave: {expires: "2030-01-01"}}
concurrency_limits: {softland: {limit: 2}}
automations:
  pausa:
    trigger: {type: event, posture: Reactive, expect: [prefect.flow-run.Failed], threshold: 1, within: 0}
    actions: [{type: pause-work-pool, work_pool: compras-prod}]
"""
"""One of each other kind, after the defaults of the small repository."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A repository, and what a server answers on which an older form of it was applied."""
    root = copy_small(tmp_path_factory.mktemp("hostile") / "repository")
    shared = root / "deployments" / "shared.yaml"
    shared.write_text(shared.read_text(encoding="utf-8").rstrip("\n") + BESIDES, encoding="utf-8")
    server = FakeGateway()
    kind = server.get("/block_types/slug/secret")["id"]
    body = {"name": "clave", "data": {"value": "x"}, "block_type_id": kind, "block_schema_id": kind}
    server.write(Request(method="POST", path="/block_documents/", body=body))
    found = planned(read_files(root), server)
    assert found is not None
    list(apply(found.plan, server, flows=found.observed.flows, commit="0123456789ab"))
    for path in (root / "deployments").glob("*/*.yaml"):  # what stands is changed, orphaned and held
        path.write_text(
            path.read_text(encoding="utf-8").replace("description:", "work_queue: x\n    description:"), "utf-8"
        )
    read = server.read()
    ids = [row["id"] for row in read.deployments]
    rows: dict[str, Any] = {
        "/work_pools/filter": [*read.pools],
        "/work_queues/filter": [*read.queues],
        "/flows/filter": [*read.flows],
        "/deployments/filter": [*read.deployments],
        "/variables/filter": [*read.variables],
        "/block_documents/filter": [*server.read().blocks],
        "/v2/concurrency_limits/filter": [*read.limits],
        "/automations/filter": [*read.automations],
        "/flow_runs/filter": [
            *server.rows("/flow_runs/filter", {"deployments": {"id": {"any_": ids}}, "flow_runs": {}})
        ],
        "/flow_runs/count": 3,
        "/admin/version": "3.8.8",
        "workers": [
            {
                "id": "d0000000-0000-4000-8000-000000000000",
                "name": "w",
                "status": "ONLINE",
                "last_heartbeat_time": "2026-11-23T00:00:00Z",
            }
        ],
        "lock": {
            "id": "1",
            "name": "sync-lock-x",
            "updated": "2026-11-23T00:00:00Z",
            "value": {"user": "u", "host": "h", "process": 1, "commit": "c", "since": "2026"},
        },
        "refusal": {"detail": "no"},
    }
    foreign = json.loads(json.dumps(rows["/deployments/filter"][0]))
    rows["/deployments/filter"].append(
        {**foreign, "id": "f0000000-0000-4000-8000-000000000000", "name": "ajeno", "tags": [], "paused": True}
    )
    orphan = {**foreign, "id": "e0000000-0000-4000-8000-000000000000", "name": "huérfano"}
    rows["/deployments/filter"].append(orphan)
    rows["/deployments/filter"][0]["paused"] = True
    return root, json.loads(json.dumps(rows))


ASKING = (
    ("plan",),
    ("plan", "--json"),
    ("plan", "--prune"),
    ("status",),
    ("status", "--json"),
    ("apply", "--yes", "--prune", "--env", "all", "--json"),
)


def ask_hostile(
    answers: tuple[Path, dict[str, Any]], numbers: Iterable[int], seed: int, monkeypatch: Any
) -> Counter[str]:
    root, rows = answers
    hostile = HostileServer(rows)
    counts: Counter[str] = Counter()
    with Loopback(hostile) as server:
        monkeypatch.setenv("PREFECT_API_URL", server.url)
        for number in numbers:
            said = hostile.spoil(number, seed)
            command = ASKING[number % len(ASKING)]
            code, out, err = ran(*command, "--root", str(root), colours=True)
            about = f"document {number} of seed {seed}, {' '.join(command)}: {said}\n{err}"
            assert code in {0, 1}, about
            assert_harmless(COLOUR.sub("", out + err))
            if "--json" in command:
                document = json.loads(out, parse_constant=pytest.fail)
                counts["errors"] += "error" in document
                assert "error" not in document or document["error"]["message"], about
            counts["answers"] += 1
            counts[command[0]] += 1
    return counts


def test_no_hostile_answer_does_more_than_be_told(
    answers: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = ask_hostile(answers, range(90), SEED, monkeypatch)
    assert 3 < counts["errors"] < 36


@pytest.mark.long
def test_five_thousand_hostile_answers(answers: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    counts = ask_hostile(answers, range(5000), SEED + 1, monkeypatch)
    told = ", ".join(f"{number:,} {what}" for what, number in sorted(counts.items()))
    print(f"FIGURES hostile answers: {told}; seed {SEED + 1}; 0 tracebacks, 0 unescaped characters")


def test_what_is_wrong_in_an_answer_is_named(
    answers: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, rows = answers
    hostile = HostileServer(json.loads(json.dumps(rows)))
    hostile.rows["/deployments/filter"][1]["tags"] = "\x1b[31m"
    with Loopback(hostile) as server:
        monkeypatch.setenv("PREFECT_API_URL", server.url)
        code, _, err = ran("plan", "--root", str(root))
    assert code == 1
    assert "/deployments/filter is not what Prefect's is like" in err
    assert '[1].tags: expected a list, got "\\u001b[31m"' in err


# ---------------------------------------------------------------- hostile sources


def sources() -> list[bytes]:
    return [path.read_bytes() for path in sorted(SAMPLES.glob("*.py"))]


SNIPPETS = (
    b"(" * 300,
    b"[" * 3000,
    b"lambda: " * 500,
    b"not " * 2000,
    b"x" + b".x" * 3000,
    b"1" + b"+1" * 5000,
    b"9" * 5000,
    b"9**9**9**9",
    b"'x' * 10**12",
    b"[0] * 10**12",
    b"1 << 10**9",
    b"float('nan')",
    b"1e999",
    b"\x00",
    b"\x0c",
    b"\xff",
    b"# -*- coding: no-such -*-\n",
    b"# -*- coding: utf-16 -*-\n",
    b"'\\ud800'",
    b"f'{x!r:{y}}'",
    b"*",
    b"**",
    b"@flow(name='\\x1b[31m')\n",
    b"@flow(name=__import__('os').system('x'))\n",
    b"class A(A): pass\n",
    b"A = A\n",
    b"from x import *\n",
    b"type A = A\n",
    b"def f[T: f](x: T = f): ...\n",
    b"\nif True:\n" * 50,
    b":",
    b"\t",
    b"\xe2\x80\xae",
    "def ﬁ(ª: '\u202e' = 'İ'): ...\n".encode(),
)


def spoiled_source(number: int, seed: int) -> tuple[bytes, bytes]:
    rng = random.Random(f"{seed}/{number}")
    content = rng.choice(sources())
    sound = content
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randint(0, len(content))
        end = min(len(content), at + rng.choice((0, 0, 1, 8, 200)))
        middle = rng.choice((rng.choice(SNIPPETS), bytes([rng.randrange(256)]), content[at:end] * 20, b""))
        if rng.random() < 0.4:  # a name or number is another one: what still parses goes deepest
            words = list(re.finditer(rb"\b\w+\b", content))
            word = rng.choice(words)
            at, end = word.span()
            middle = rng.choice((rng.choice(words).group(), rng.choice(SNIPPETS), b"None", b"-1", b"flow"))
        content = content[:at] + middle + content[end:]
    return content, sound


def read_sources(numbers: Iterable[int], seed: int, folder: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    tree = FolderTree(label="the test", folder=folder.resolve())
    for number in numbers:
        content, sound = spoiled_source(number, seed)
        (folder / "flow.py").write_bytes(content)
        names = re.findall(r"def (\w+)", sound.decode("utf-8"))[:60:7]
        began = time.monotonic()
        try:
            text = tree.read("flow.py")
            assert text is not None
            for name in names:
                counts["signatures"] += 1
                try:
                    found = read_signature(text, name)
                except SignatureError as error:
                    counts["faults"] += 1
                    lines = problem_lines(
                        [Problem(location=Location(file="x"), code=error.code, message=error.message, hint=error.hint)]
                    )
                    assert_shown_harmlessly(list(lines), [error.message, error.hint])
                else:
                    assert_shown_harmlessly([], [found.flow_name, found.parameter_schema])
        except SourceError as error:
            counts["no text"] += 1
            assert error.message  # noqa: PT017 # both ends are right
        except Exception as error:
            error.add_note(f"document {number} of seed {seed}")
            raise
        assert time.monotonic() - began < 20, f"document {number} of seed {seed}"
        counts["sources"] += 1
    return counts


def test_no_hostile_source_does_more_than_be_told(tmp_path: Path) -> None:
    counts = read_sources(range(80), SEED, tmp_path)
    assert counts["faults"] > 20
    assert counts["signatures"] > counts["faults"]


@pytest.mark.long
def test_three_thousand_hostile_sources(tmp_path: Path) -> None:
    counts = read_sources(range(3000), SEED + 1, tmp_path)
    told = ", ".join(f"{number:,} {what}" for what, number in sorted(counts.items()))
    print(f"FIGURES hostile sources: {told}; seed {SEED + 1}; 0 tracebacks, 0 unescaped characters")


# ---------------------------------------------------------------- what is easily overlooked in a file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy_small(tmp_path / "repository")


def validated(root: Path, content: str) -> list[tuple[str, int, str]]:
    (root / "deployments/ventas/prod.yaml").write_text(content, encoding="utf-8")
    _, out, _ = ran("validate", "--root", str(root), "--json")
    return [(problem["code"], problem["line"], problem["severity"]) for problem in json.loads(out)["problems"]]


ENTRY = "{entrypoint: 'flows/basic.py:basic_flow'}"
TOKEN = "ghp_" + "a1B2" * 9


def test_names_that_look_the_same_are_told(root: Path) -> None:
    composed, taken_apart = "Env\u00edo", "Envi\u0301o"
    both = f"deployments:\n  {composed}: {ENTRY}\n  {taken_apart}: {ENTRY}\n"
    assert validated(root, both) == [("name-alike", 3, "error")]
    assert validated(root, f"deployments:\n  {taken_apart}: {ENTRY}\n") == []


@pytest.mark.parametrize("name", [" Saludo", "Saludo ", "\u3000Saludo"])
def test_a_name_with_a_space_around_it_is_told(name: str, root: Path) -> None:
    assert ("name-invalid", 2, "error") in validated(root, f'deployments:\n  "{name}": {ENTRY}\n')


def test_a_token_in_a_comment_is_told_and_not_shown(root: Path) -> None:
    found = validated(root, f"deployments:\n  # antes: {TOKEN}\n  Saludo: {ENTRY} # https://u:{'x' * 12}@h/\n")
    assert found == [("secret-in-clear", 2, "error"), ("secret-in-clear", 3, "error")]
    _, out, _ = ran("validate", "--root", str(root))
    assert TOKEN not in out
    assert "x" * 12 not in out


def test_a_token_behind_a_hash_of_a_text_is_told_once(root: Path) -> None:
    text = f"deployments:\n  Saludo:\n    entrypoint: 'flows/basic.py:basic_flow'\n    description: 'Nº #1 # {TOKEN}'\n"
    assert validated(root, text) == [("secret-in-clear", 4, "error")]


def test_an_address_with_a_placeholder_in_a_comment_is_no_secret(root: Path) -> None:
    text = f"deployments:\n  # https://u:{{{{ prefect.blocks.secret.x }}}}@host\n  Saludo: {ENTRY}\n"
    assert validated(root, text) == []


def test_a_rule_whose_end_is_past_is_warned_of(root: Path) -> None:
    entry = ENTRY.replace(
        "}", ', schedules: {a: {start: "2020-01-01T00:00:00", rrule: "FREQ=DAILY;UNTIL=YEAR0301T000000"}}}'
    )
    past, coming = (f"deployments:\n  Saludo: {entry.replace('YEAR', year)}\n" for year in ("2020", "2120"))
    assert validated(root, past) == [("rrule-ended", 2, "warning")]
    assert validated(root, coming) == []

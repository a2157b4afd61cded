"""The parts of the flow that applies its own repository; tests/end_to_end/test_reconcile.py has the whole of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from git_server import GitServer

from flows.operations.reconcile import (
    UNUSED,
    ReconcileError,
    Result,
    clone,
    commit_of,
    faults_of,
    has_packages,
    keep_environments,
    lines_of,
    python_for,
)
from reconcile.commands.checkout import git_state
from reconcile.render.markdown import plain, plan_page, problems_page

TOKEN = "llave-de-clonar-8a1d"
PYYAML = metadata.version("pyyaml")


@pytest.mark.parametrize(
    ("lock", "fits"),
    [
        (f"pyyaml=={PYYAML} \\\n    --hash=sha256:00\n", True),
        (f"PyYAML=={PYYAML}\n# a comment\n    # via x\n", True),
        (f"pyyaml[extra]=={PYYAML} ; python_version >= '3.0' \\\n    --hash=sha256:00\n", True),
        ("pyyaml==0.0.1 \\\n    --hash=sha256:00\n", False),
        ("no-such-package-here==1.0\n", False),
        ("no-such-package-here==1.0 ; sys_platform == 'nowhere' \\\n    --hash=sha256:00\n", True),
    ],
)
def test_a_python_fits_that_has_every_package_of_the_lock(lock: str, fits: bool) -> None:
    assert has_packages(lock) is fits


def locked(root: Path, runtime: str, installer: str = "") -> Path:
    folder = root / "scripts" / "requirements"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runtime.lock").write_text(runtime, encoding="utf-8")
    (folder / "installer.lock").write_text(installer, encoding="utf-8")
    return root


def test_the_workers_python_is_used_where_it_fits(tmp_path: Path) -> None:
    assert python_for(locked(tmp_path, f"pyyaml=={PYYAML}\n")) == [sys.executable, "-X", "environment=found"]
    assert python_for(locked(tmp_path, "pyyaml==0.0.1\n")) == [sys.executable]


def test_an_environment_is_kept_for_its_lock_and_goes_when_it_is_not_used(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = keep_environments(home, locked(tmp_path, "a==1\n"))
    (first / ".venv").mkdir()
    assert keep_environments(home, locked(tmp_path, "a==1\n")) == first
    second = keep_environments(home, locked(tmp_path, "a==2\n"))
    assert second != first
    assert first.is_dir()
    long_ago = time.time() - UNUSED - 60
    os.utime(first, (long_ago, long_ago))
    assert keep_environments(home, locked(tmp_path, "a==2\n")) == second
    assert not first.exists()


def test_the_tool_makes_its_environment_in_the_folder_that_is_kept(tmp_path: Path) -> None:
    code = "from bootstrap import environment, making; print(environment.PLACES[0], making.LOCK, sep='\\n')"
    scripts = Path(__file__).resolve().parent.parent / "scripts"
    for kept, place in ((str(tmp_path), tmp_path), ("", scripts.parent)):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(scripts), "RECONCILE_ENVIRONMENTS": kept},
            capture_output=True,
            check=True,
            encoding="utf-8",
        )
        assert done.stdout.splitlines() == [str(place / ".venv"), str(place / ".venv.lock")]


def test_a_clone_has_its_history_and_its_upstream_and_holds_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GitServer() as git:
        url = git.add_repository("propio", {"a.txt": "1"}, token=TOKEN)
        head = git.commit("propio", {"a.txt": "2"}, message="Segundo: <cambio>")
        monkeypatch.setenv("GIT_SSL_CAINFO", str(git.ca_file))
        root = clone(url, "main", TOKEN, "llave", tmp_path)
        assert git.tokens == {TOKEN}
        assert (root / "a.txt").read_text(encoding="utf-8") == "2"
        assert head.startswith(commit_of(root).split()[0])
        assert commit_of(root).endswith("Segundo: <cambio>")
        state = git_state(root)
        assert (state.sha, state.branch, state.pushed, state.dirty, state.shallow) == (head, "main", True, False, False)
        held = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
        assert held == []


@pytest.mark.parametrize(
    ("branch", "token", "words"),
    [
        ("main", "llave-equivocada", "refused the token of the block secret/llave"),
        ("no-hay", TOKEN, "no-hay"),
        ("--upload-pack=x", TOKEN, "`branch` is wrong"),
    ],
)
def test_what_cannot_be_cloned_says_why_and_not_the_token(
    branch: str, token: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with GitServer() as git:
        url = git.add_repository("propio", {"a.txt": "1"}, token=TOKEN)
        monkeypatch.setenv("GIT_SSL_CAINFO", str(git.ca_file))
        with pytest.raises(ReconcileError) as caught:
            clone(url, branch, token, "llave", tmp_path)
    assert words in str(caught.value)
    assert token not in str(caught.value)


@pytest.mark.parametrize("url", ["https://usuario:clave@localhost/x.git", "--upload-pack=x", "ftp://localhost/x", ""])
def test_an_odd_address_is_refused_before_git_is_asked(url: str, tmp_path: Path) -> None:
    with pytest.raises(ReconcileError) as caught:
        clone(url, "main", None, None, tmp_path)
    assert "clave" not in str(caught.value)


# ─── what is told ────────────────────────────────────────────────────────────────────────────────────────────────

CHANGE: dict[str, Any] = {
    "action": "update",
    "kind": "deployment",
    "key": "f/<b>uno</b> | [x](http://y)",
    "area": "a",
    "environment": "prod",
    "file": "x.yaml",
    "line": 1,
    "reason": "both",
    "fields": [{"path": "description", "before": None, "after": "una\nlínea | `otra` <img src=x> \x1b[31m\u202e"}],
}
PLAN: dict[str, Any] = {
    "target": "http://localhost/api",
    "summary": {"create": 0, "update": 1, "unchanged": 3},
    "changes": [CHANGE],
    "holds": [{"key": "f/dos", "field": "paused", "value": True, "since": None}],
    "orphans": [{"key": "f/tres", "kind": "deployment", "area": "a", "environment": "prod", "next_run": None}],
    "foreign": [],
    "refusals": [{"code": "frozen", "key": None, "message": "It is *Friday*."}],
    "warnings": [{"code": "w", "key": None, "message": "# not a heading"}],
}
OUTCOME = {"key": CHANGE["key"], "kind": "deployment", "action": "update", "status": "failed", "error": "a|b"}


def test_a_page_shows_what_it_is_given_as_it_stands() -> None:
    page = plan_page({**PLAN, "outcomes": [OUTCOME]}, title="Plan <1>")
    assert [part for part in ("<", "\x1b", "\u202e", " `otra`", "[x](", "*Friday*") if part in page] == []
    lines = page.splitlines()
    assert lines[0] == r"# Plan &lt;1&gt;"
    assert r"### update deployment f/&lt;b&gt;uno&lt;/b&gt; \| \[x\]\(http\://y\) \(a/prod\)" in lines
    assert r"**failed**: a\|b" in lines
    (row,) = [line for line in lines if line.startswith("| description")]
    assert row.startswith(r"| description |  | una línea \| \`otra\` &lt;img src\=x&gt; ")
    assert "## Refused: nothing is written" in lines
    assert r"- w\: \# not a heading" in lines


def test_a_page_of_many_changes_ends_somewhere() -> None:
    page = plan_page({**PLAN, "changes": [{**CHANGE, "key": f"f/{n}"} for n in range(1000)]})
    assert page.count("### update") == 200
    assert "and 800 more" in page


def test_a_page_of_problems() -> None:
    problem = {
        "file": "a.yaml",
        "line": 1,
        "column": 2,
        "code": "c",
        "message": "Bad <x>.",
        "hint": "Fix.",
        "severity": "error",
    }
    assert r"- a\.yaml\:1\:2 Bad &lt;x&gt;\. Fix\." in problems_page({"problems": [problem]})


def test_plain_text_stays_on_its_line() -> None:
    assert plain("a\n\n# b") == r"a \# b"


@pytest.mark.parametrize(
    ("code", "document", "found"),
    [
        (0, {**PLAN, "refusals": []}, []),
        (2, {**PLAN, "refusals": []}, []),
        (1, PLAN, ["refused: It is *Friday*."]),
        (1, {**PLAN, "refusals": [], "outcomes": [OUTCOME]}, [f"update deployment {CHANGE['key']} failed: a|b"]),
        (1, {"error": {"message": "No server.", "hint": "Start it."}}, ["No server. Start it."]),
        (1, {"problems": []}, ["the tool ended with 1"]),
        (70, {**PLAN, "refusals": []}, ["the tool ended with 70"]),
        (
            1,
            {
                "problems": [
                    {"file": "a", "line": 1, "message": "Bad.", "hint": "", "severity": s} for s in ("error", "warning")
                ]
            },
            ["a:1: Bad."],
        ),
    ],
)
def test_what_a_run_fails_for(code: int, document: dict[str, Any], found: list[str]) -> None:
    assert faults_of(Result(code=code, document=document)) == found


def test_the_log_has_a_line_a_change_with_what_became_of_it() -> None:
    assert next(lines_of(PLAN)) == f"update deployment {CHANGE['key']}"
    assert list(lines_of({**PLAN, "outcomes": [OUTCOME]})) == [f"update deployment {CHANGE['key']}: failed a|b"]

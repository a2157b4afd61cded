"""The rules of environments: what the files say of them, and what they say to a plan."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import builders as a
import pytest
from fake_gateway import FakeGateway

from reconcile.commands.checkout import git_state
from reconcile.facts import Facts, GitState
from reconcile.model import NO_COMMIT, Deployment, Mark, State
from reconcile.plan import Action, Change, Notice, Plan
from reconcile.requirements import Findings, asks_git, commits_of, findings, touched
from reconcile.rules import (
    Force,
    Protection,
    Require,
    Requirement,
    Rules,
    duration,
    frozen_until,
    rules_of,
    window_of,
)

pytest.register_assert_rewrite("roundtrips")

from roundtrips import apply_all  # noqa: E402

ZONE = ZoneInfo(a.ZONE)
MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001 # the clock on the wall
SHA = "0123456789abcdef0123456789abcdef01234567"
CLEAN = GitState(sha=SHA, dirty=False, branch="main", pushed=True)


# ---------------------------------------------------------------- as the files say them


def test_nothing_said_is_nothing_required_and_the_defaults_protected() -> None:
    for said in (None, {}, {"require": None, "protect": None, "freeze": None, "api_url": None}):
        assert rules_of(said) == Rules()
    assert Protection() == Protection(
        max_deletes=5, max_delete_share=0.2, due_within=timedelta(minutes=2), report_drift=False, never_prune=False
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("git", Requirement(force=Force.REFUSE, value="git")),
        (True, Requirement(force=Force.REFUSE)),
        ("warn", Requirement(force=Force.WARN)),
        ({"main": "warn"}, Requirement(force=Force.WARN, value="main")),
        (False, None),
        (None, None),
    ],
)
def test_a_requirement_refuses_or_warns(said: Any, expected: Requirement | None) -> None:
    assert rules_of({"require": {"branch": said}}).require.get(Require.BRANCH) == expected


def test_everything_said() -> None:
    rules = rules_of({
        "api_url": "http://srv/api",
        "protect": {"max_deletes": 0, "max_delete_share": 0.5, "due_within": "90s", "drift": "report", "prune": "never"},
        "freeze": ["fri 18:00/mon 06:00"],
    })  # fmt: skip
    assert rules.api_urls == ("http://srv/api",)
    assert rules.protect == Protection(
        max_deletes=0, max_delete_share=0.5, due_within=timedelta(seconds=90), report_drift=True, never_prune=True
    )
    assert [(window.start, window.end) for window in rules.freeze] == [(4 * 1440 + 18 * 60, 6 * 60)]


@pytest.mark.parametrize(
    ("said", "seconds"), [(90, 90), (0, 0), (1.5, 1.5), ("90s", 90), ("30m", 1800), ("4h", 14400), ("2d", 172800)]
)
def test_durations(said: str | float, seconds: float) -> None:
    assert duration(said) == timedelta(seconds=seconds)


@pytest.mark.parametrize("said", ["", "2", "m", "2 minutes", "-5m", "1e3s", "2w"])
def test_no_durations(said: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        duration(said)


@pytest.mark.parametrize("said", ["fri 18:00", "fri 24:00/mon 06:00", "vie 18:00/lun 06:00", "fri 18:00/fri 18:00", ""])
def test_no_windows(said: str) -> None:
    assert window_of(said) is None


# ---------------------------------------------------------------- freeze


@pytest.mark.parametrize(
    ("windows", "now", "until"),
    [
        (["fri 18:00/mon 06:00"], "fri 17:59", None),
        (["fri 18:00/mon 06:00"], "fri 18:00", "mon 06:00"),
        (["fri 18:00/mon 06:00"], "sun 12:00", "mon 06:00"),
        (["fri 18:00/mon 06:00"], "mon 05:59", "mon 06:00"),
        (["fri 18:00/mon 06:00"], "mon 06:00", None),
        (["tue 09:00/tue 17:00"], "tue 12:00", "tue 17:00"),
        (["tue 09:00/tue 17:00"], "wed 12:00", None),
        (["tue 17:00/tue 09:00"], "tue 12:00", None),
        (["tue 17:00/tue 09:00"], "wed 12:00", "tue 09:00"),
        (["fri 18:00/mon 06:00", "mon 05:00/mon 08:00"], "sat 00:00", "mon 08:00"),
        (["mon 06:00/mon 08:00", "fri 18:00/mon 06:00"], "sat 00:00", "mon 08:00"),
        ([], "sat 00:00", None),
    ],
)
def test_a_freeze_ends_when_its_last_window_does(windows: list[str], now: str, until: str | None) -> None:
    found = frozen_until([window for text in windows if (window := window_of(text))], at(now))
    assert (f"{found:%a %H:%M}".lower() if found else None) == until


def test_windows_without_a_gap_do_not_hang() -> None:
    windows = [window_of("mon 00:00/thu 00:00"), window_of("thu 00:00/mon 00:00")]
    until = frozen_until([window for window in windows if window], at("tue 10:00"))
    assert until is not None
    assert until > at("tue 10:00")


def test_seconds_do_not_outlast_a_window() -> None:
    window = window_of("mon 00:00/mon 06:00")
    assert window is not None
    assert frozen_until([window], at("mon 05:59") + timedelta(seconds=30)) == at("mon 06:00")


def at(text: str) -> datetime:
    day, _, clock = text.partition(" ")
    hours, _, minutes = clock.partition(":")
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun").index(day)
    return MONDAY + timedelta(days=days, hours=int(hours), minutes=int(minutes))


# ---------------------------------------------------------------- what they say to a plan


def change(**fields: Any) -> Change:
    desired = a.deployment(**fields)
    return Change(action=Action.CREATE, key=desired.key, declaration=None, desired=desired)


def update(version: str | None, **fields: Any) -> Change:
    desired = a.deployment(**fields)
    standing = replace(desired, version=version, description="otra")
    return Change(action=Action.UPDATE, key=desired.key, declaration=None, desired=desired, observed=standing)


def said(
    require: Mapping[str, Any] | None = None,
    *changes: Change,
    freeze: list[str] | None = None,
    now: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC),
    git: GitState = CLEAN,
    embedded: bool = False,
    environment: str = "prod",
) -> Findings:
    rules = {environment: rules_of({"require": require or {}, "freeze": freeze or []})}
    plan = Plan(target="http://srv/api", changes=changes)
    found = touched(
        plan, State(deployments={str(one.key): one.desired for one in changes if isinstance(one.desired, Deployment)})
    )
    return findings(found, rules, Facts(now=now, url=plan.target, git=git, embedded=embedded), ZONE)


def only(notices: tuple[Notice, ...]) -> Notice:
    assert len(notices) == 1, notices
    return notices[0]


def test_a_frozen_environment_says_until_when_in_the_default_time_zone() -> None:
    # Sunday 12:00 in UTC is 09:00 in Buenos Aires.
    notice = only(said({}, change(), freeze=["fri 18:00/mon 06:00"]).refusals)
    assert notice.code == "frozen"
    assert "prod is frozen until Monday 2026-11-23 06:00 (America/Argentina/Buenos_Aires)" in notice.message
    assert "apply again then" in notice.message


def test_the_freeze_is_told_by_the_clock_of_the_zone() -> None:
    window = ["sun 10:00/sun 11:00"]
    assert said({}, change(), freeze=window).refusals == ()
    assert said({}, change(), freeze=window, now=datetime(2026, 11, 22, 13, 30, tzinfo=UTC)).refusals != ()


def test_nothing_is_said_where_nothing_changes() -> None:
    rules = {"description": True, "branch": "otra", "clean": True}
    assert said(rules, freeze=["mon 00:00/sun 23:59"]) == Findings()
    other = change(mark=Mark(project=a.PROJECT, area="compras", environment="dev"), description=None)
    assert said(rules, other, freeze=["mon 00:00/sun 23:59"]) == Findings()


def test_nothing_is_said_to_the_embedded_server() -> None:
    rules = {"description": True, "branch": "otra"}
    assert said(rules, change(description=None), freeze=["mon 00:00/sun 23:59"], embedded=True) == Findings()


def test_a_delete_and_a_pool_are_changes_of_the_environment_too() -> None:
    gone = Change(action=Action.DELETE, key=a.deployment().key, declaration=None, observed=a.deployment())
    pool = a.pool()
    changed = Change(action=Action.UPDATE, key=pool.key, declaration=None, desired=pool, observed=pool)
    declared = State(deployments={"basic-flow/Despliegue básico": a.deployment()})
    for one in (gone, changed):
        assert touched(Plan(target="", changes=(one,)), declared) == {"prod": (one,)}
    assert touched(Plan(target="", changes=(changed,)), State()) == {}


@pytest.mark.parametrize(
    ("require", "changed", "git", "code"),
    [
        ({"source": "git"}, change(pull_steps=a.PULL), CLEAN, "require-source"),
        ({"source": "git"}, change(pull_steps=()), CLEAN, "require-source"),
        ({"description": True}, change(description=" "), CLEAN, "require-description"),
        ({"branch": "main"}, change(), replace(CLEAN, branch="otra"), "require-branch"),
        ({"branch": "main"}, change(), replace(CLEAN, branch=None), "require-branch"),
        ({"clean": True}, change(), replace(CLEAN, dirty=True), "require-clean"),
        ({"pushed": True}, change(), replace(CLEAN, pushed=False), "require-pushed"),
        ({"up_to_date": True}, update("aaaaaaaaaaaa+1:dxyz"), CLEAN, "require-up-to-date"),
        ({"up_to_date": True}, update("aaaaaaaaaaaa.dirty+1:dxyz"), replace(CLEAN, ancestors={"aaaaaaaaaaaa": False}), "require-up-to-date"),
        *(({name: True}, change(), GitState(), f"require-{name}") for name in ("clean", "pushed")),
        ({"branch": "main"}, change(), GitState(), "require-branch"),
        ({"up_to_date": True}, update("aaaaaaaaaaaa+1:dxyz"), GitState(), "require-up-to-date"),
    ],
)  # fmt: skip
def test_what_is_required_and_lacking(require: dict[str, Any], changed: Change, git: GitState, code: str) -> None:
    refused = said(require, changed, git=git)
    notice = only(refused.refusals)
    assert notice.code == code
    assert refused.warnings == ()
    assert "prod" in notice.message
    name = next(iter(require))
    assert f"set {name} to `warn` in environments.yaml" in notice.message
    warned = said({name: "warn"}, changed, git=git)
    assert warned.refusals == ()
    assert only(warned.warnings).code == code


@pytest.mark.parametrize(
    ("require", "changed", "git"),
    [
        ({"source": "git"}, change(pull_steps=a.GIT_PULL), CLEAN),
        ({"description": True}, change(), CLEAN),
        ({"branch": "main"}, change(), CLEAN),
        ({"branch": "main"}, change(), replace(CLEAN, branch=None, tips=frozenset({"main", "otra"}))),
        ({"branch": "warn"}, change(), replace(CLEAN, branch="master")),
        ({"clean": True, "pushed": True}, change(), CLEAN),
        ({"clean": False, "pushed": False}, change(), GitState()),
        ({"up_to_date": True}, update("aaaaaaaaaaaa+1:dxyz"), replace(CLEAN, ancestors={"aaaaaaaaaaaa": True})),
        ({"up_to_date": True}, update(f"{NO_COMMIT}+1:dxyz"), CLEAN),
        ({"up_to_date": True}, update("a version of somebody's"), CLEAN),
        ({"up_to_date": True}, update(None), CLEAN),
        ({"up_to_date": True}, change(), CLEAN),
    ],
)
def test_what_is_as_required(require: dict[str, Any], changed: Change, git: GitState) -> None:
    assert said(require, changed, git=git) == Findings()


def test_up_to_date_names_the_commit_and_says_pull_first() -> None:
    notice = only(said({"up_to_date": True}, update("aaaaaaaaaaaa+1:dxyz")).refusals)
    assert "commit aaaaaaaaaaaa" in notice.message
    assert "pull first" in notice.message
    assert notice.key == "basic-flow/Despliegue básico"
    shallow = said({"up_to_date": True}, update("aaaaaaaaaaaa+1:dxyz"), git=replace(CLEAN, shallow=True))
    assert "--unshallow" in only(shallow.refusals).message


def test_where_there_is_no_repository_nobody_is_told_to_pull() -> None:
    two = (update("aaaaaaaaaaaa+1:dxyz"), update("bbbbbbbbbbbb+1:dxyz"))
    message = only(said({"up_to_date": True}, *two, git=GitState()).refusals).message
    assert "git pull" not in message
    assert "apply from a clone" in message


def test_git_is_asked_only_where_something_wants_to_know() -> None:
    changes = {"prod": (update("aaaaaaaaaaaa+1:dxyz"), update("bbbbbbbbbbbb.dirty+1:dxyz"), change())}
    plain, wanting = rules_of({"require": {"source": "git"}}), rules_of({"require": {"up_to_date": True}})
    assert not asks_git(changes, {"prod": plain, "dev": wanting})
    assert commits_of(changes, {"prod": plain}) == frozenset()
    assert asks_git(changes, {"prod": wanting})
    assert commits_of(changes, {"prod": wanting}) == {"aaaaaaaaaaaa", "bbbbbbbbbbbb"}


# ---------------------------------------------------------------- what git knows


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=Ana", "-c", "user.email=ana@electra", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of a repository with two commits, both on main and pushed."""
    origin, clone = tmp_path / "origin.git", tmp_path / "clone"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(origin)], check=True)
    subprocess.run(["git", "clone", "--quiet", str(origin), str(clone)], check=True, capture_output=True)
    git(clone, "switch", "--quiet", "--create", "main")
    for text in ("uno", "dos"):
        commit(clone, text)
    git(clone, "push", "--quiet", "--set-upstream", "origin", "main")
    return clone


def commit(clone: Path, text: str) -> str:
    (clone / "a.txt").write_text(text, encoding="utf-8")
    git(clone, "add", "a.txt")
    git(clone, "commit", "--quiet", "--message", text)
    return git(clone, "rev-parse", "HEAD")


def test_a_pushed_commit_of_a_branch(clone: Path) -> None:
    found = git_state(clone)
    assert (found.dirty, found.branch, found.pushed, found.shallow) == (False, "main", True, False)
    assert found.is_on("main")
    (clone / "b.txt").touch()
    assert git_state(clone).dirty


@pytest.mark.parametrize("setting", ["status.showUntrackedFiles=no", "diff.ignoreSubmodules=all"])
def test_what_somebodys_git_hides_is_not_clean_all_the_same(setting: str, clone: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    subprocess.run(["git", "clone", "--quiet", str(tmp_path / "origin.git"), str(inner)], check=True)
    git(clone, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "origin.git"), "sub")
    commit(clone, "con otro dentro")
    name, _, value = setting.partition("=")
    git(clone, "config", name, value)
    assert not git_state(clone).dirty
    where = clone / "sub" if "Submodules" in setting else clone
    (where / "nuevo.txt").write_text("x", encoding="utf-8")
    assert git_state(clone).dirty


def test_a_commit_that_is_not_pushed(clone: Path) -> None:
    commit(clone, "tres")
    assert not git_state(clone).pushed


def test_ancestors_by_their_first_digits(clone: Path) -> None:
    first, second = git(clone, "rev-parse", "HEAD~1"), git(clone, "rev-parse", "HEAD")
    git(clone, "switch", "--quiet", "--create", "otra", first)
    beside = commit(clone, "al lado")
    git(clone, "switch", "--quiet", "main")
    asked = {text[:12] for text in (first, second, beside)} | {"aaaaaaaaaaaa"}
    assert git_state(clone, asked).ancestors == {
        first[:12]: True, second[:12]: True, beside[:12]: False, "aaaaaaaaaaaa": False,
    }  # fmt: skip


def test_a_commit_checked_out_by_itself_is_on_the_branch_that_ends_there(clone: Path) -> None:
    git(clone, "switch", "--quiet", "--detach", "HEAD")
    found = git_state(clone)
    assert (found.branch, found.tips) == (None, frozenset({"main"}))
    assert found.is_on("main")
    git(clone, "switch", "--quiet", "--detach", "HEAD~1")
    assert not git_state(clone).is_on("main")


def test_a_shallow_clone_says_that_it_is_one(clone: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    origin = (tmp_path / "origin.git").as_uri()
    subprocess.run(["git", "clone", "--quiet", "--depth=1", origin, str(shallow)], check=True, capture_output=True)
    assert git_state(shallow).shallow


def test_no_repository(tmp_path: Path) -> None:
    assert git_state(tmp_path, ["aaaaaaaaaaaa"]) == GitState()


# ---------------------------------------------------------------- through the fake server


def test_up_to_date_is_read_from_what_stands_on_the_server() -> None:
    server, desired = FakeGateway(), a.state(a.deployment(description="una"))
    apply_all(desired, server)
    found, _ = a.compared(a.state(a.deployment(description="otra")), server.read())
    changes = touched(a.plan_of(found), desired)
    rules = {"prod": rules_of({"require": {"up_to_date": True}})}
    assert commits_of(changes, rules) == {a.COMMIT}
    facts = Facts(now=datetime.now(UTC), url="", git=CLEAN)
    assert only(findings(changes, rules, facts, ZONE).refusals).code == "require-up-to-date"
    known = replace(facts, git=replace(CLEAN, ancestors={a.COMMIT: True}))
    assert findings(changes, rules, known, ZONE) == Findings()

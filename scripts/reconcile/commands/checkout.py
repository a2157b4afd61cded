"""What git knows of the repository: the commit, its branch, whether it is pushed.

Asked only when something is written or required, because starting git takes longer than a comparison.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from reconcile.facts import GitState

_EVERYTHING = ("--porcelain", "--untracked-files=normal", "--ignore-submodules=none")
"""Whatever somebody's git configuration leaves out of sight."""


def git_state(root: Path, commits: Iterable[str] = ()) -> GitState:
    """The state of the repository at `root`, and of each of those commits whether it is an ancestor.

    Commits are named by their first digits, as versions carry them; all of them are asked of git at once.
    """
    sha = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if not sha:
        return GitState()
    branch = _git(root, "symbolic-ref", "--quiet", "--short", "HEAD") or None
    return GitState(
        sha=sha,
        dirty=bool(_git(root, "status", *_EVERYTHING, "--", ".")),
        branch=branch,
        tips=frozenset() if branch else _tips(root),
        pushed=bool(_git(root, "branch", "--remotes", "--contains", sha)),
        shallow=_git(root, "rev-parse", "--is-shallow-repository") == "true",
        ancestors=_ancestors(root, set(commits)),
    )


def _tips(root: Path) -> frozenset[str]:
    """The remote branches that end at this commit, without the remote's name."""
    refs = _git(root, "for-each-ref", "--points-at", "HEAD", "--format=%(refname:lstrip=3)", "refs/remotes")
    return frozenset(ref for ref in refs.splitlines() if ref != "HEAD")


def _ancestors(root: Path, commits: set[str]) -> dict[str, bool]:
    """One look through the history for all of them: starting git once a commit would take longer."""
    if not commits:
        return {}
    widths = {len(commit) for commit in commits}
    history = _git(root, "rev-list", "HEAD").splitlines()
    known = {sha[:width] for sha in history for width in widths}
    return {commit: commit in known for commit in commits}


def _git(root: Path, *arguments: str) -> str:
    code, out = _run(root, *arguments)
    return out if code == 0 else ""


def _run(root: Path, *arguments: str) -> tuple[int, str]:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except OSError:
        return 127, ""
    return done.returncode, done.stdout.strip()

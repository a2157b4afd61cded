"""What git knows of the repository: the commit, its branch, whether it is pushed.

Asked only when something is written or required, because starting git takes longer than a comparison.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from reconcile.facts import GitState


def git_state(root: Path, commits: Iterable[str] = ()) -> GitState:
    """The state of the repository at `root`, and of each of those commits whether it is an ancestor."""
    sha = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if not sha:
        return GitState()
    return GitState(
        sha=sha,
        dirty=bool(_git(root, "status", "--porcelain", "--", ".")),
        branch=_git(root, "symbolic-ref", "--quiet", "--short", "HEAD") or None,
        pushed=bool(_git(root, "branch", "--remotes", "--contains", sha)),
        ancestors={commit: _is_ancestor(root, commit) for commit in set(commits)},
    )


def _is_ancestor(root: Path, commit: str) -> bool:
    return _run(root, "merge-base", "--is-ancestor", commit, "HEAD") == (0, "")


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

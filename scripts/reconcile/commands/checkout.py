"""What git knows of the repository: the commit that the files are of.

Asked only when something is written, because starting git takes longer than a comparison.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from reconcile.facts import GitState


def git_state(root: Path) -> GitState:
    """The state of the repository at `root`."""
    sha = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    return GitState(sha=sha, dirty=bool(_git(root, "status", "--porcelain", "--", "."))) if sha else GitState()


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

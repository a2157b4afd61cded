"""Writes the locks anew from the requirements: `python3 scripts/test.py --lock`.

The locks are universal: one holds the packages of every system and Python that is supported, each with its hashes, and
says nothing of where they come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootstrap import environment, installers

LOCKS: Final = ("installer", "runtime", "dev")
"""In the order in which they are written: the last is held to the one before it, so that it serves both profiles."""

OPTIONS: Final = (
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-header",
    "--annotation-style=line",
    "--no-emit-index-url",
    "--no-emit-find-links",
)

PARTIAL: Final = ("extra-index-url", "find-links", "no-index")
"""Settings of pip that are left out: what stands there is often for one system only, and so would be the lock."""


def renew(place: str, packages: Sequence[str]) -> None:
    """Write the locks with every package at the newest version that may be; only the named ones, if any are named."""
    newest = [f"--upgrade-package={name}" for name in packages] or ["--upgrade"]
    for name in LOCKS:
        installers.uv_pip(place, f"{name}.lock", ["compile", *OPTIONS, *newest, *_files(name)], but=PARTIAL)


def _files(name: str) -> list[str]:
    held = ["--constraint=runtime.lock"] if name == "dev" else []
    return [f"--directory={environment.REQUIREMENTS}", *held, f"--output-file={name}.lock", f"{name}.in"]

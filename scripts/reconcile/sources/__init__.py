"""A source -> a readable tree at a ref, or the reason why it cannot be read from this machine.

A git source is fetched into a cache (repository.py, by git.py) and a folder is read as it stands (tree.py).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

from reconcile.errors import SourceError
from reconcile.pull import GitSource, PathSource, Source, check, inside, is_absolute_path, is_windows_path
from reconcile.sources.git import CACHE_VARIABLE, Git
from reconcile.sources.repository import Repository
from reconcile.sources.tree import FolderTree, Tree

MAX_FETCHES: Final = 8
"""How many repositories are fetched at once."""


def open_sources(
    sources: Iterable[Source],
    *,
    root: Path,
    cache: Path,
    credentials: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Mapping[Source, Tree | SourceError]:
    """A tree for every source, or why there is none. Each repository is asked once, all at the same time.

    `root` is the repository that relative paths are below. `credentials` holds the tokens that may be used, under
    the names of their blocks (`GitSource.block`). `timeout`, in seconds, holds for each repository.
    """
    reading = {source: read_at(source) for source in sources}
    trees = _open_git(
        {source for source in reading.values() if isinstance(source, GitSource)},
        cache=cache,
        credentials=credentials or {},
        timeout=timeout,
    )
    return {
        source: trees[at] if isinstance(at, GitSource) else _open_folder(at, root) for source, at in reading.items()
    }


def refusal_of(url: str, *, block: str, token: str, cache: Path, timeout: float = 30.0) -> SourceError | None:
    """Why a host does not list a repository with a token that its block is to hold; None: it does."""
    try:
        Repository(git=Git.found(cache), url=url, block=block, token=token, timeout=timeout).ask()
    except SourceError as error:
        return error
    return None


def default_cache() -> Path:
    """Where repositories are cached: RECONCILE_CACHE, or below the folder that the platform has for it."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "reconcile" / "git"


def read_at(source: Source) -> Source:
    """Where the code of a source is read from, which may be another source than workers take it from."""
    while isinstance(source, PathSource) and source.read_from is not None:
        source = source.read_from
    return source


def _open_folder(source: Source, root: Path) -> Tree | SourceError:
    assert isinstance(source, PathSource)
    try:
        return FolderTree(label=f"the folder {source.path}", folder=_folder(source.path, root))
    except SourceError as error:
        return error


def _folder(path: str, root: Path) -> Path:
    if is_absolute_path(path):
        foreign = is_windows_path(path) != (sys.platform == "win32")
        folder = None if foreign else _resolved(Path(path))
        if folder is None:
            raise SourceError(
                f"The folder {path!r} is not on this machine, so its flows cannot be read from here.",
                "Say with `read_from:` which source holds the same code, or name each flow with `flow:`.",
            )
        return folder
    folder = _resolved(root / inside(path, f"The folder {path!r}"))
    if folder is None:
        raise SourceError(f"The repository has no folder {path!r}.", "Check the path of the source.")
    if not folder.is_relative_to(root.resolve()):
        raise SourceError(f"The folder {path!r} leads out of the repository.", "Name a folder inside it.")
    return folder


def _resolved(path: Path) -> Path | None:
    """A folder without symbolic links; None when there is none, or its name is none that a folder can have."""
    try:
        return path.resolve() if path.is_dir() else None
    except (OSError, ValueError):
        return None


def _open_git(
    sources: set[GitSource], *, cache: Path, credentials: Mapping[str, str], timeout: float
) -> dict[GitSource, Tree | SourceError]:
    trees: dict[GitSource, Tree | SourceError] = {s: error for s in sources if (error := check(s)) is not None}
    repositories: dict[tuple[str, str | None], list[GitSource]] = {}
    for source in sorted(sources - trees.keys(), key=repr):
        repositories.setdefault((source.url, source.block), []).append(source)
    if not repositories:
        return trees
    try:
        git = Git.found(cache)
    except SourceError as error:
        return trees | dict.fromkeys(sources - trees.keys(), error)
    jobs = [
        (Repository(git=git, url=url, block=block, token=credentials.get(block or ""), timeout=timeout), group)
        for (url, block), group in repositories.items()
    ]
    for opened in _at_once(git, jobs):
        trees.update(opened)
    return trees


def _at_once(git: Git, jobs: Sequence[tuple[Repository, list[GitSource]]]) -> list[dict[GitSource, Tree | SourceError]]:
    pool = ThreadPoolExecutor(max_workers=min(MAX_FETCHES, len(jobs)), thread_name_prefix="fetch")
    futures = [pool.submit(repository.open, group) for repository, group in jobs]
    try:
        while wait(futures, timeout=0.2).not_done:  # in short turns: on Windows a wait does not hear Ctrl-C
            continue
        return [future.result() for future in futures]
    except BaseException:  # git was started apart from this terminal, so that Ctrl-C does not reach it by itself
        git.end_all()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

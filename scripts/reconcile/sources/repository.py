"""A git repository at commits: fetched into a bare copy in the user's cache, and read there.

Files are read out of git's own objects. Nothing is ever checked out: without a working tree there are no hooks,
filters or submodules that could run anything.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from reconcile.errors import SourceError
from reconcile.pull import GitSource, https_host, inside
from reconcile.sources.git import (
    REMOTE,
    DamagedError,
    Git,
    NoSuchCommitError,
    explained,
    local_environment,
)
from reconcile.sources.tree import MAX_FILE, Tree, leaves, text_of, too_large


class Repository:
    """One repository, its bare copy in the cache, and the trees read from it."""

    def __init__(self, *, git: Git, url: str, block: str | None, token: str | None, timeout: float) -> None:
        self.git = git
        self.url = url
        self.block = block
        self.token = token.strip() if token and https_host(url) else None
        self.timeout = timeout
        self.directory = git.cache / _cache_name(url)
        self.git_dir = f"--git-dir={self.directory}"
        self._opened: set[_Wanted] = set()

    def open(self, sources: Sequence[GitSource]) -> dict[GitSource, Tree | SourceError]:
        """A tree for each source, which are all of this repository."""
        deadline = time.monotonic() + self.timeout
        try:
            commits = self._commits(sources, deadline)
            with self._locked(deadline):
                self._have(commits, deadline)
        except SourceError as error:
            return dict.fromkeys(sources, self._about(sources, error))
        self._opened = {found for found in commits.values() if isinstance(found, _Wanted)}
        return {source: self._tree(source, commits[source]) for source in sources}

    def _about(self, sources: Sequence[GitSource], error: SourceError) -> SourceError:
        at = ", ".join(dict.fromkeys(source.at for source in sources))
        return SourceError(f"The git source {self.url} at {at} cannot be read: {error.message}.", error.hint)

    def _tree(self, source: GitSource, found: _Wanted | SourceError) -> Tree | SourceError:
        if isinstance(found, SourceError):
            return self._about([source], found)
        return GitTree(repository=self, source=source, wanted=found)

    # What each branch and tag is now: asked every time, because they move. A commit does not.

    def _commits(self, sources: Sequence[GitSource], deadline: float) -> dict[GitSource, _Wanted | SourceError]:
        refs = self._refs([source for source in sources if not source.commit], deadline)
        return {source: _wanted(source, refs) for source in sources}

    def ask(self) -> None:
        """Have the host list what it has, and keep nothing. Raises SourceError."""
        self._there("ls-remote", "--quiet", "--", self.url, "HEAD", deadline=time.monotonic() + self.timeout)

    def _refs(self, sources: Sequence[GitSource], deadline: float) -> dict[str, str]:
        if not sources:
            return {}
        names = sorted({name for source in sources for name in _names_to_ask(source)})
        answer = self._there("ls-remote", "--quiet", "--", self.url, *names, deadline=deadline)
        lines = (line.partition("\t") for line in answer.splitlines())
        return {name: sha for sha, _, name in lines}

    # What is not in the cache yet is fetched. Whatever goes wrong in the cache itself: it is made anew, once.

    def _have(self, commits: dict[GitSource, _Wanted | SourceError], deadline: float) -> None:
        """Puts every commit into the cache; those that the server does not have become errors."""
        existed = (self.directory / "HEAD").is_file()
        try:
            self._fetch_missing(commits, deadline)
        except DamagedError:
            if not existed:
                raise
            self._remove()
            self._fetch_missing(commits, deadline)

    def _fetch_missing(self, commits: dict[GitSource, _Wanted | SourceError], deadline: float) -> None:
        if not (self.directory / "HEAD").is_file():
            self._make(deadline)
        wanted = {found for found in commits.values() if isinstance(found, _Wanted)}
        missing = wanted - self._present(wanted, deadline)
        named = sorted((one for one in missing if one.ref), key=repr)
        if named:
            self._fetch(named, deadline)
        for one in sorted((one for one in missing if not one.ref), key=repr):
            try:
                self._fetch([one], deadline)
            except NoSuchCommitError as error:
                commits.update({source: error for source, found in commits.items() if found == one})
                missing.discard(one)
        if missing - self._present(missing, deadline):
            raise DamagedError("git fetched nothing that can be read", f"Delete the folder {self.directory}.")

    def _present(self, wanted: set[_Wanted], deadline: float) -> set[_Wanted]:
        if not wanted:
            return set()
        asked = sorted(wanted, key=repr)
        lines = "".join(f"{one.commit}^{{tree}}\n" for one in asked)
        answer = self._here("cat-file", "--batch-check", stdin=lines, deadline=deadline)
        return {one for one, line in zip(asked, answer.splitlines(), strict=False) if " tree " in line}

    def _fetch(self, wanted: Sequence[_Wanted], deadline: float) -> None:
        self._there(
            *(
                self.git_dir,
                "fetch",
                "--quiet",
                "--depth=1",
                f"--filter=blob:limit={MAX_FILE + 1}",
                "--force",
                "--no-tags",
            ),
            *("--no-write-fetch-head", "--no-recurse-submodules", "--", REMOTE),
            # A ref of our own keeps the objects; hashed, so that no two names collide on a disk that knows no case.
            *(f"+{one.object}:refs/reconcile/{_digest(one.ref or one.commit)}" for one in wanted),
            deadline=deadline,
        )

    def _make(self, deadline: float) -> None:
        if self.directory.exists():
            self._remove()
        init = ("init", "--quiet", "--bare", "--template=", "--object-format=sha1", "--", str(self.directory))
        self._checked(self.git.run(init, local_environment(), deadline))

    def _remove(self) -> None:
        aside = self.directory.with_name(f"{self.directory.name}.{os.getpid()}.{threading.get_ident()}.old")
        try:
            self.directory.rename(aside)
        except OSError as error:
            raise SourceError(
                f"its cache is damaged and cannot be removed ({error})", f"Delete the folder {self.directory}."
            ) from None
        _delete(aside)

    def damaged(self) -> DamagedError:
        """The error of a cache that cannot be read."""
        return DamagedError("its cache is damaged", f"Delete the folder {self.directory}.")

    def rebuild(self) -> None:
        """Fetches what was opened into a new cache, after the old one turned out to be damaged."""
        deadline = time.monotonic() + self.timeout
        with self._locked(deadline):
            if self.directory.exists():
                self._remove()
            self._make(deadline)
            self._fetch(sorted(self._opened, key=repr), deadline)

    @contextmanager
    def _locked(self, deadline: float) -> Iterator[None]:
        """One process and thread at a time changes the cache of a repository; reading needs no lock."""
        with self.directory.with_suffix(".lock").open("a+b") as file:
            while not _try_lock(file):
                if time.monotonic() > deadline or self.git.ended:
                    raise SourceError("another process keeps its cache busy", "Try again when that one has ended.")
                time.sleep(0.05)
            try:
                yield
            finally:
                _unlock(file)

    def _there(self, *arguments: str, deadline: float) -> str:
        """The output of a git that talks to the server."""
        return self._checked(self.git.run(arguments, self.git.remote_environment(self.url, self.token), deadline))

    def _here(self, *arguments: str, stdin: str, deadline: float) -> str:
        """The output of a git that reads the cache."""
        return self._checked(self.git.run((self.git_dir, *arguments), local_environment(), deadline, stdin=stdin))

    def _checked(self, result: tuple[int, str, str]) -> str:
        code, out, err = result
        if code:
            raise explained(err, url=self.url, block=self.block, token_given=self.token is not None)
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A commit to be read. `object` is what the server calls it by: the commit, or the tag that points to it."""

    commit: str
    object: str
    ref: str | None


def _names_to_ask(source: GitSource) -> tuple[str, ...]:
    # Branch and tag of one name are both asked for: the worker's `git clone --branch NAME` prefers the branch.
    name = source.branch or source.tag
    return (f"refs/heads/{name}", f"refs/tags/{name}", f"refs/tags/{name}^{{}}") if name else ("HEAD",)


def _wanted(source: GitSource, refs: Mapping[str, str]) -> _Wanted | SourceError:
    if source.commit:
        return _Wanted(commit=source.commit, object=source.commit, ref=None)
    head, tag = f"refs/heads/{source.branch or source.tag}", f"refs/tags/{source.branch or source.tag}"
    if source.tag and head in refs:
        return SourceError(
            f"it has a branch and a tag of the name {source.tag!r}, and workers would take the branch",
            "Write `commit:` with the tag's full SHA instead.",
        )
    name = head if source.branch else tag if source.tag else "HEAD"
    if name in refs:
        return _Wanted(commit=refs.get(f"{name}^{{}}", refs[name]), object=refs[name], ref=name)
    if name == "HEAD":
        return SourceError("it has no default branch, or no commit yet", "Name a branch, or push a first commit.")
    kind = "tag" if source.tag else "branch"
    hint = f"There is a tag of that name: write `tag: {source.branch}`." if tag in refs else "Check its spelling."
    return SourceError(f"it has no {kind} {source.branch or source.tag!r}", hint)


def _cache_name(url: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9-]+", "-", url.rstrip("/").removesuffix(".git").rpartition("/")[2])[:40]
    return f"{readable or 'repository'}-{_digest(url)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _delete(folder: Path) -> None:
    """Deletes what stood in a cache's place. Git writes its packs read-only, which on Windows keeps them there."""
    with suppress(OSError):
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o700)
    if folder.is_dir():
        shutil.rmtree(folder, ignore_errors=True)
    else:
        folder.unlink(missing_ok=True)


def _try_lock(file: IO[bytes]) -> bool:
    file.seek(0)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _unlock(file: IO[bytes]) -> None:
    file.seek(0)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_UN)


# --- Reading a commit ---------------------------------------------------------------------------------------------


class GitTree:
    """The files of a commit in the cache, read through one git process."""

    def __init__(self, *, repository: Repository, source: GitSource, wanted: _Wanted) -> None:
        self.label = f"{source.url} ({source.at})"
        self.commit: str | None = wanted.commit
        self._repository = repository
        self._source = source
        self._objects = _Objects(repository)
        self._lock = threading.Lock()

    def read(self, path: str) -> str | None:
        """See Tree.read. A worker has no file outside the source's `directories`, so there is none here either."""
        name = inside(path, f"The file {path!r}")
        if "\n" in name or "\0" in name or not self._is_checked_out(name):
            return None
        with self._lock:
            try:
                return self._read(path, name)
            except DamagedError:
                return self._read_anew(path, name)

    def _read(self, path: str, name: str) -> str | None:
        found = self._ask(name)
        if found.kind in {"symlink", "loop"}:
            raise leaves(path, self.label)
        if found.kind == "missing":
            self._check_absent(path, name)
        if found.kind != "blob":
            return None
        if found.size > MAX_FILE:
            raise too_large(path, self.label)
        return text_of(found.data, path, self.label)

    def _read_anew(self, path: str, name: str) -> str | None:
        """Reads from a new copy. A file that is not in that one either was left out for its size."""
        self._objects.stop()
        try:
            self._repository.rebuild()
        except SourceError as error:
            raise self._unreadable(error) from None
        try:
            return self._read(path, name)
        except _LeftOutError:
            raise too_large(path, self.label) from None
        except DamagedError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: SourceError) -> SourceError:
        return SourceError(f"{self.label} cannot be read: {error.message}.", error.hint)

    def _ask(self, name: str) -> _Object:
        return self._objects.ask(f"{self.commit}:{name}")

    def _is_checked_out(self, name: str) -> bool:
        """What `git sparse-checkout set` leaves: the directories, and the files beside and above them."""
        if not self._source.directories:
            return True
        folder = f"{name.rpartition('/')[0]}/".lstrip("/")
        kept = [f"{directory.strip('/')}/" for directory in self._source.directories]
        return any(folder.startswith(directory) or directory.startswith(folder) for directory in kept)

    def _check_absent(self, path: str, name: str) -> None:
        """Raises when a file that git does not find stands in the commit all the same."""
        parts = name.split("/")
        for depth, part in enumerate(parts):
            folder = self._ask("/".join(parts[:depth]))
            if folder.kind == "missing":
                raise self._repository.damaged()
            mode = folder.modes().get(part)
            if mode is None:
                return
            if mode == _SUBMODULE:
                raise SourceError(
                    f"{path} of {self.label} is in a submodule, and submodules are not read.",
                    "Name the flow with `flow:`.",
                )
        raise _LeftOutError("its cache lacks a file", self._repository.damaged().hint)


class _LeftOutError(DamagedError):
    """The commit has a file that the cache does not have: left out for its size, or lost."""


_SUBMODULE: Final = "160000"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Object:
    """Git's answer. `kind`: blob, tree, commit, missing; symlink (out of the tree), dangling, loop, notdir."""

    kind: str
    size: int = 0
    data: bytes = b""

    def modes(self) -> dict[str, str]:
        """The entries of a tree and their modes; nothing for anything else."""
        if self.kind != "tree":
            return {}
        entries = re.findall(rb"([0-7]{5,6}) ([^\0]+)\0(?s:.{20})", self.data)
        return {name.decode("utf-8", "replace"): mode.decode("ascii") for mode, name in entries}


class _Objects:
    """One `git cat-file --batch` process, started by the first question and ended with the tree."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._stop: Callable[[], object] = _nothing

    def ask(self, name: str) -> _Object:
        """What git has under a name, with the content of a blob or tree unless it is too large."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(name.encode("utf-8", "surrogatepass") + b"\n")
            process.stdin.flush()
            return _answer(process.stdout)
        except (OSError, ValueError, IndexError):
            return self._after_the_end()

    def _start(self) -> subprocess.Popen[bytes]:
        # The errors go to a file: a pipe that nobody reads would fill up and stop git.
        self._errors = errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        arguments = (self._repository.git_dir, "cat-file", "--batch", "--follow-symlinks")
        self._process = process = self._repository.git.start(arguments, local_environment(), stderr=errors)
        self._stop = weakref.finalize(self, _stop, process, errors)
        return process

    def stop(self) -> None:
        """Ends the process; the next question starts another."""
        self._process = None
        self._stop()

    def _after_the_end(self) -> _Object:
        """Git ended: newer versions do over an object that was left out for its size, all do over a damaged one."""
        said = _tail(self._errors)
        self.stop()
        if "promisor" in said:
            return _Object(kind="missing")
        raise self._repository.damaged()


_BARE_KINDS: Final = {b"symlink", b"dangling", b"loop", b"notdir"}


def _answer(stream: IO[bytes]) -> _Object:
    """Git's answer to one question: a line, and what it announces. ValueError when git ended."""
    line = stream.readline().rstrip(b"\n")
    if line.endswith((b" missing", b" ambiguous")):
        return _Object(kind="missing")
    first, *rest = line.split(b" ")
    if first in _BARE_KINDS:
        _content(stream, int(rest[0]))
        return _Object(kind=first.decode("ascii"))
    kind, size = rest
    return _Object(kind=kind.decode("ascii"), size=int(size), data=_content(stream, int(size)))


def _content(stream: IO[bytes], size: int) -> bytes:
    """What follows an answer's line; read past but not kept when it is too large."""
    if size <= MAX_FILE:
        data = stream.read(size)
    else:
        data = b""
        for start in range(0, size, MAX_FILE):
            stream.read(min(MAX_FILE, size - start))
    if stream.read(1) != b"\n":
        raise ValueError
    return data


def _tail(file: IO[bytes] | None) -> str:
    if file is None:
        return ""
    file.seek(max(0, file.seek(0, os.SEEK_END) - 2000))
    return file.read().decode("utf-8", "replace")


def _stop(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    for stream in (process.stdin, process.stdout, errors):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    process.kill()
    process.wait()


def _nothing() -> None:
    """Before a process is started there is none to stop."""

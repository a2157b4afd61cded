"""Where a deployment's code is, and what a worker does to get it: data and pure functions, no git and no disk.

The pull steps are those that Prefect's own `flow.from_source(...).deploy(...)` writes; a test compares them with
the SDK's. Paths here are mostly paths of workers, that is of other machines, so they are handled as text of the
Windows or the POSIX kind whatever the machine this runs on.
"""

from __future__ import annotations

import ntpath
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PureWindowsPath
from typing import Any, Final

from reconcile.errors import SourceError
from reconcile.problem import Fault

GIT_CLONE: Final = "prefect.deployments.steps.git_clone"
SET_WORKING_DIRECTORY: Final = "prefect.deployments.steps.set_working_directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """A git repository at a branch, a tag or a commit (its full SHA); none of them: the default branch.

    `secret` and `github_credentials` are names of blocks on the server that hold the token for `url`.
    """

    url: str
    branch: str | None = None
    tag: str | None = None
    commit: str | None = None
    secret: str | None = None
    github_credentials: str | None = None
    directories: tuple[str, ...] = ()
    include_submodules: bool = False

    @property
    def block(self) -> str | None:
        """The block that holds the token, as Prefect writes it: `secret/NAME` or `github-credentials/NAME`."""
        if self.secret:
            return f"secret/{self.secret}"
        return f"github-credentials/{self.github_credentials}" if self.github_credentials else None

    @property
    def at(self) -> str:
        """The branch, tag or commit, in words."""
        named = (("branch", self.branch), ("tag", self.tag), ("commit", self.commit))
        return next((f"{kind} {name}" for kind, name in named if name), "its default branch")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSource:
    """A folder of the workers' machine: absolute (Windows or POSIX), or relative to the repository's root.

    `read_from`: where the same code can be read from this machine.
    """

    path: str
    read_from: GitSource | PathSource | None = None


Source = GitSource | PathSource


# --- What a worker does -------------------------------------------------------------------------------------------


def pull_steps(source: Source, *, root: str | None) -> tuple[dict[str, Any], ...]:
    """The pull steps that Prefect's SDK would write for a source.

    `root` is the absolute path of the repository on the workers' machine, which relative paths are below.
    """
    if isinstance(source, PathSource):
        return ({SET_WORKING_DIRECTORY: {"directory": worker_directory(source.path, root=root)}},)
    # The SDK writes `branch` always, as null when there is none, and everything else only when it is set.
    # It writes `clone_directory_name` only for a repository that was given a name of its own, which none has here.
    step: dict[str, Any] = {"repository": source.url, "branch": source.branch or source.tag}
    if source.directories:
        step["directories"] = list(source.directories)
    if source.include_submodules:
        step["include_submodules"] = True
    if source.commit:
        step["commit_sha"] = source.commit
    if source.secret:
        step["credentials"] = {"access_token": _placeholder("secret", source.secret)}
    elif source.github_credentials:
        step["credentials"] = _placeholder("github-credentials", source.github_credentials)
    return ({GIT_CLONE: step},)


def steps_on_branch(steps: Sequence[Mapping[str, Any]], branch: str) -> tuple[dict[str, Any], ...]:
    """The same steps, whose last clone brings another branch instead of what it is pinned to."""
    changed = [dict(step) for step in steps]
    for step in reversed(changed):
        inputs = step.get(GIT_CLONE)
        if isinstance(inputs, Mapping):
            step[GIT_CLONE] = {**{key: value for key, value in inputs.items() if key != "commit_sha"}, "branch": branch}
            break
    return tuple(changed)


def source_of(steps: Sequence[Mapping[str, Any]]) -> Source | None:
    """Where workers with these steps have the code from, as far as it can be read here; None where that is not said.

    It is what the last clone brings, or a folder; not a folder below what was cloned, whose name nobody knows here.
    """
    found: Source | None = None
    clone = ""
    for step in steps:
        for name, inputs in step.items():
            said = inputs if isinstance(inputs, Mapping) else {}
            if name == GIT_CLONE:
                found, clone = _cloned(said), str(said.get("id") or "git_clone")
            elif name == SET_WORKING_DIRECTORY:
                directory = str(said.get("directory") or "")
                if not re.fullmatch(rf"\{{\{{\s*{re.escape(clone)}\.directory\s*\}}\}}", directory) or not clone:
                    found = PathSource(path=directory) if is_absolute_path(directory) else None
            elif "pull" in name or "clone" in name:
                found = None
    return found


def _cloned(inputs: Mapping[str, Any]) -> GitSource | None:
    """What a clone brings, where all of it is said in plain text, but for its token."""
    texts = [inputs.get(name) for name in ("repository", "branch", "commit_sha")]
    if not isinstance(texts[0], str) or any(isinstance(text, str) and "{{" in text for text in texts):
        return None
    kind, _, name = (block_of(inputs) or "").partition("/")
    source = GitSource(
        url=texts[0],
        branch=None if texts[1] is None else str(texts[1]),
        commit=None if texts[2] is None else str(texts[2]),
        secret=name if kind == "secret" else None,
        github_credentials=name if kind == "github-credentials" else None,
        directories=tuple(map(str, inputs.get("directories") or ())),
        include_submodules=inputs.get("include_submodules") is True,
    )
    return source if check(source) is None else None


def block_of(inputs: Mapping[str, Any]) -> str | None:
    """The block whose token a clone is given, as `type/name`."""
    credentials = inputs.get("credentials")
    inner = credentials.get("access_token") if isinstance(credentials, Mapping) else None
    for text in (inputs.get("access_token"), credentials, inner):
        match = _BLOCK_TEXT.fullmatch(text) if isinstance(text, str) else None
        if match is not None:
            return f"{match['type']}/{match['name']}"
    return None


_BLOCK_TEXT = re.compile(r"\{\{\s*prefect\.blocks\.(?P<type>[\w-]+)\.(?P<name>[\w-]+)\s*\}\}")

STEPS: Final[Mapping[str, frozenset[str]]] = {
    GIT_CLONE: frozenset(
        {"repository", "branch", "commit_sha", "include_submodules", "access_token", "credentials", "directories",
         "clone_directory_name"}
    ),
    SET_WORKING_DIRECTORY: frozenset({"directory"}),
    "prefect.deployments.steps.pull_from_remote_storage": frozenset(),
    "prefect.deployments.steps.pull_with_block": frozenset({"block_document_name", "block_type_slug"}),
    "prefect.deployments.steps.run_shell_script": frozenset(
        {"script", "directory", "env", "stream_output", "expand_env_vars", "shell"}
    ),
    "prefect.deployments.steps.pip_install_requirements": frozenset(
        {"directory", "requirements_file", "stream_output"}
    ),
}  # fmt: skip
"""Prefect's own steps and what they take; nothing said: anything. A contract test holds them against Prefect."""

_NEEDED: Final = {GIT_CLONE: "repository", SET_WORKING_DIRECTORY: "directory"}
_ALWAYS: Final = frozenset({"id", "requires"})


def step_faults(steps: Sequence[Mapping[str, Any]], field: str) -> Iterator[Fault]:
    """What is wrong with steps of Prefect's own: names and inputs that it does not have. `field` has the steps."""
    for index, step in enumerate(steps):
        for name, inputs in step.items():
            yield from _step_faults(name, inputs or {}, (field, index, name))


def _step_faults(name: str, inputs: Mapping[str, Any], at: tuple[str | int, ...]) -> Iterator[Fault]:
    if name.startswith(("prefect.deployments.steps.", "prefect.projects.")) and name not in STEPS:
        close = get_close_matches(name, STEPS, n=1, cutoff=0.5)
        yield Fault(
            code="step-unknown",
            message=f"Prefect has no step {name}.",
            hint=f"Did you mean {close[0]}?" if close else f"It has: {', '.join(STEPS)}.",
            at=at,
            on_key=True,
        )
        return
    taken = STEPS.get(name)
    for key in sorted(inputs.keys() - (taken or ()) - _ALWAYS) if taken else ():
        close = get_close_matches(key, taken or (), n=1)
        yield Fault(
            code="step-input-unknown",
            message=f"The step {name.rpartition('.')[2]} takes no {key!r}: runs would fail.",
            hint=f"Did you mean {close[0]!r}?" if close else f"It takes: {', '.join(sorted(taken or ()))}.",
            at=(*at, key),
            on_key=True,
        )
    needed = _NEEDED.get(name)
    if needed is not None and inputs.get(needed) is None:
        message = f"The step {name.rpartition('.')[2]} needs `{needed}`: runs would fail."
        yield Fault(code="step-input-missing", message=message, hint=f"Write `{needed}:`.", at=at, on_key=True)


def _placeholder(block_type: str, name: str) -> str:
    return f"{{{{ prefect.blocks.{block_type}.{name} }}}}"


# --- Paths of other machines --------------------------------------------------------------------------------------

# `//server/share` is taken as Windows': on POSIX two leading slashes are the same as one, and nobody writes them.
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|[\\/]{2}[^\\/]")
_DEVICE_UNC = re.compile(r"[\\/]{2}[?.][\\/]UNC[\\/]", re.IGNORECASE)
_DEVICE = re.compile(r"[\\/]{2}[?.][\\/](?=[A-Za-z]:)")


def is_windows_path(text: str) -> bool:
    """Whether a path is absolute on Windows: with a drive (`C:/x`) or on a share (`//server/share`)."""
    return _WINDOWS.match(text) is not None


def is_absolute_path(text: str) -> bool:
    """Whether a path is absolute, on Windows or on POSIX."""
    return is_windows_path(text) or text.startswith("/")


def worker_directory(text: str, *, root: str | None = None) -> str:
    """An absolute path as the SDK would write it on the worker's own machine; a relative one is below `root`."""
    if not is_absolute_path(text):
        if root is None or not is_absolute_path(root):
            raise SourceError(
                f"The path {text!r} is relative, and the folder it is relative to is not known.",
                "Write an absolute path, or `deploy_as:` with a git source.",
            )
        text = posixpath.join(root, inside(text, f"The path {text!r}"))
    return _tidy_windows(text) if is_windows_path(text) else _tidy_posix(text)


def canonical_directory(text: str) -> str:
    """A form of a worker's path in which two paths of one folder are the same text.

    Windows knows no case and takes both slashes; on POSIX case matters.
    """
    if is_windows_path(text):
        return _tidy_windows(text).lower()
    if text.startswith("/"):
        return _tidy_posix(text)
    return posixpath.normpath(text.replace("\\", "/"))


def same_directory(a: str, b: str) -> bool:
    """Whether two workers' paths name one folder, whatever the slashes, and on Windows the case."""
    return canonical_directory(a) == canonical_directory(b)


def _tidy_windows(text: str) -> str:
    plain = _DEVICE.sub("", _DEVICE_UNC.sub(r"\\\\", text))
    tidy = str(PureWindowsPath(ntpath.normpath(plain)))
    # Python's resolve() on Windows answers with the drive's letter in upper case.
    return tidy[0].upper() + tidy[1:]


def _tidy_posix(text: str) -> str:
    return "/" + posixpath.normpath(text).lstrip("/")


def inside(text: str, what: str) -> str:
    """A relative path with forward slashes and nothing to fold; refused when it climbs out of its folder."""
    path = posixpath.normpath(text.replace("\\", "/"))
    if re.match(r"[A-Za-z]:", path) or path.startswith("/"):
        raise SourceError(
            f"{what} must be relative to its source.", "Leave out the drive and the leading slash.", key="path"
        )
    if path == ".." or path.startswith("../"):
        raise SourceError(f"{what} must stay below its source's folder.", "Leave out the `..`.", key="path")
    return path


# --- Entrypoints --------------------------------------------------------------------------------------------------

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def canonical_entrypoint(entrypoint: str) -> str:
    r"""An entrypoint with forward slashes: `src\basic.py:flow` is `src/basic.py:flow`, which runs on every system."""
    path, colon, function = entrypoint.rpartition(":")
    if not colon or not path.endswith(".py"):
        return entrypoint
    return f"{posixpath.normpath(path.replace(chr(92), '/'))}:{function}"


def entrypoint_candidates(entrypoint: str) -> tuple[tuple[str, ...], str]:
    """The files of a source in which an entrypoint may be, best first, and the function's name.

    Prefect takes `path/file.py:function`, `package.module:function` and `package.module.function`. The function may
    be a method, `Class.method`, except in the last form.
    """
    path, function = _split_entrypoint(entrypoint)
    if path.endswith(".py"):
        return (inside(path, f"The entrypoint {entrypoint!r}"),), function
    if not _MODULE.fullmatch(path):
        raise _not_an_entrypoint(entrypoint)
    module = path.replace(".", "/")
    names = (f"{module}.py", f"{module}/__init__.py")
    # `src/` is where an installed package has its modules; the plain folder is what Prefect finds by itself.
    return (*names, *(f"src/{name}" for name in names)), function


def _split_entrypoint(entrypoint: str) -> tuple[str, str]:
    separator = ":" if ":" in entrypoint else "."
    path, _, function = entrypoint.rpartition(separator)
    is_file_alone = separator == "." and function == "py"
    if not path or is_file_alone or not _MODULE.fullmatch(function) or _CONTROL.search(path):
        raise _not_an_entrypoint(entrypoint)
    return path, function


def _not_an_entrypoint(entrypoint: str) -> SourceError:
    return SourceError(
        f"The entrypoint {entrypoint!r} must name a file and its flow function, or a module and its flow function.",
        "Write `folder/file.py:function` or `package.module:function`.",
    )


# --- Git addresses and names --------------------------------------------------------------------------------------

_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_PORT = r"(?::(?P<port>[0-9]{1,5}))?"
_REST = r"/[^\s\\\x00-\x1f\x7f]+"
_HTTP = re.compile(rf"(?P<scheme>https?)://{_HOST}{_PORT}{_REST}")
_SSH = re.compile(rf"ssh://(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?{_HOST}{_PORT}{_REST}")
_SCP = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]*@{_HOST}:[^\s\\:\x00-\x1f\x7f-][^\s\\\x00-\x1f\x7f]*")
_USERINFO = re.compile(r"(?:https?://[^/\s@]*@|[a-z+]+://[^/\s@]*:[^/\s@]*@)", re.IGNORECASE)
_FULL_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DEFAULT_PORT: Final = "443"


def transport(url: str) -> str | None:
    """How git reaches an address: `https`, `http`, `ssh` or `file`; None for any other, which is not used.

    Everything that git would take for a helper's command (`ext::`), an option or a hidden login is none of these.
    """
    if match := _HTTP.fullmatch(url):
        return match["scheme"]
    if _SSH.fullmatch(url) or _SCP.fullmatch(url):
        return "ssh"
    return "file" if is_absolute_path(url) and url.isprintable() else None


def without_login(text: str) -> str:
    """A text in which the addresses have lost their `user:password@`."""
    return re.sub(r"(?<=://)[^/\s@]*@", "", text)


def is_ref_name(name: str) -> bool:
    """Whether git takes a text as the name of a branch or tag: the rules of `git check-ref-format --branch`."""
    parts = name.split("/")
    return (
        bool(name)
        and not name.startswith("-")
        and name != "HEAD"
        and not name.endswith(".")
        and not re.search(r"\.\.|@\{|[\x00-\x20\x7f~^:?*\[\\]", name)
        and all(part and not part.startswith(".") and not part.endswith(".lock") for part in parts)
    )


def check(source: GitSource) -> SourceError | None:
    """What is wrong with a git source as it is written, or None."""
    return next(faults(source), None)


def faults(source: GitSource) -> Iterator[SourceError]:
    """Everything that is wrong with a git source as it is written."""
    shown = without_login(source.url)
    if _USERINFO.match(source.url):
        yield SourceError(
            f"The address {shown} must not hold a user or a password.",
            "Put the token in a Secret block and write `token: {secret: NAME}`.",
            key="git",
        )
    how = transport(source.url)
    if how is None:
        yield SourceError(
            f"{shown!r} is not an address that git sources can have.",
            "Write `https://host/owner/repository.git` or `git@host:owner/repository.git`.",
            key="git",
        )
    if source.block and how != "https":
        yield SourceError(
            f"The token of {shown} would not be used: Prefect gives tokens to https addresses only.",
            "Write the address with https, or leave out the token.",
            key="token",
        )
    yield from _ref_faults(source)
    for directory in source.directories:
        if not directory or directory.startswith("-") or is_absolute_path(directory) or ".." in directory.split("/"):
            yield SourceError(
                f"The directory {directory!r} of {shown} must be a folder inside the repository.",
                "Write it relative to the repository's root, as in `src/flows`.",
                key="directories",
            )


def _ref_faults(source: GitSource) -> Iterator[SourceError]:
    shown = without_login(source.url)
    if sum(1 for ref in (source.branch, source.tag, source.commit) if ref is not None) > 1:
        yield SourceError(
            f"{shown} must have one of branch, tag and commit, not several.", "Keep one of them.", key="branch"
        )
    for kind, name in (("branch", source.branch), ("tag", source.tag)):
        if name is not None and not is_ref_name(name):
            message = f"{name!r} of {shown} is not a name that a {kind} can have."
            yield SourceError(message, "Check its spelling.", key=kind)
    if source.commit is not None and not _FULL_SHA.fullmatch(source.commit):
        yield SourceError(
            f"The commit {source.commit!r} of {shown} must be a full SHA of 40 hexadecimal digits, in lower case.",
            "Copy it from `git rev-parse COMMIT`.",
            key="commit",
        )


# --- Who may be given a token -------------------------------------------------------------------------------------


def may_send(source: GitSource, observed_pull_steps: Iterable[Sequence[Mapping[str, Any]]]) -> bool:
    """Whether the source's token may be given to the source's host.

    Only when a deployment that is on the server already gives the token of the same block to the same host and port,
    over https. So a pull request, which writes the source but not the server, cannot have a token sent elsewhere.
    """
    host = https_host(source.url)
    if host is None or source.block is None:
        return False
    return any((host, source.block) in tokens_given(steps) for steps in observed_pull_steps)


def tokens_given(steps: Iterable[Mapping[str, Any]]) -> set[tuple[tuple[str, str], str]]:
    """Each host and port that a worker with these pull steps gives a token, and the block that holds it."""
    return {given for step in steps for given in _tokens_given(step)}


def https_host(url: str) -> tuple[str, str] | None:
    """Host and port of an https address; None for any other, and for one that two readers could read differently."""
    match = _HTTP.fullmatch(url)
    if match is None or match["scheme"] != "https":
        return None
    return match["host"].lower(), (match["port"] or _DEFAULT_PORT).lstrip("0")


def _tokens_given(step: object) -> set[tuple[tuple[str, str], str]]:
    inputs = step.get(GIT_CLONE) if isinstance(step, Mapping) else None
    if not isinstance(inputs, Mapping) or not isinstance(url := inputs.get("repository"), str):
        return set()
    host = https_host(url)
    credentials = inputs.get("credentials")
    inner = credentials.get("access_token") if isinstance(credentials, Mapping) else None
    blocks = (
        _block_of(credentials, "github-credentials"),
        _block_of(inner, "secret"),
        _block_of(inputs.get("access_token"), "secret"),
    )
    return {(host, block) for block in blocks if host and block}


def _block_of(value: object, block_type: str) -> str | None:
    if not isinstance(value, str):
        return None
    match = re.fullmatch(rf"\{{\{{\s*prefect\.blocks\.{block_type}\.([^\s{{}}.]+)\s*\}}\}}", value.strip())
    return f"{block_type}/{match[1]}" if match else None

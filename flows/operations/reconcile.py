"""This repository applies itself: its main branch is fetched, compared with the server, and applied.

It is how a server that no CI can reach follows its repository: a worker beside it runs this flow on a schedule.

The repository is cloned anew for each run, and its own `scripts/sync.py` does the work, in a process of its own: what
is applied is what a person would apply who has just pulled. The tool runs in the Python of the worker where that has
every package of the lock; otherwise in an environment that is kept beside PREFECT_HOME and made once for each lock.

A run that changes the deployment it belongs to goes on: an update leaves running runs alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from packaging.markers import Marker
from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.blocks.system import Secret
from prefect.settings import get_current_settings

SCRIPTS: Final = Path(__file__).resolve().parents[2] / "scripts"
if __name__ == "reconcile":  # Prefect calls a file's module after the file, and the tool's package has that name too
    del sys.modules[__name__]
sys.path.insert(0, str(SCRIPTS))  # before this folder, which Prefect has put first

from reconcile.errors import SourceError  # noqa: E402
from reconcile.pull import GitSource, faults  # noqa: E402
from reconcile.render.markdown import plan_page, problems_page  # noqa: E402
from reconcile.schedule import briefly  # noqa: E402
from reconcile.sources.git import Git, explained  # noqa: E402

CLONING: Final = 600.0
"""Seconds that git may take."""

WORKING: Final = 3600.0
"""Seconds that a plan or an apply may take: the tool waits for runs that are about to start."""

UNUSED: Final = 30 * 86400
"""Seconds after which an environment that no run has used is removed."""

ARTIFACT: Final = "reconcile"
_PINNED: Final = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)\s*(?:;\s*([^\\]+?))?\s*\\?$")
_DONE, _PENDING = 0, 2

Document = Mapping[str, Any]


class ReconcileError(RuntimeError):
    """Why the server does not follow the repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a command of the tool answered: its exit code and its JSON document."""

    code: int
    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The tool of a checkout, for some environments of the server of this run."""

    root: Path
    options: tuple[str, ...]

    def __call__(self, command: str, *options: str) -> Result:
        """Run a command of it to its end. What it says on the way is logged."""
        arguments = [*python_for(self.root), str(self.root / "scripts" / "sync.py"), command, "--json", *options]
        done = subprocess.run(
            [*arguments, *self.options],
            cwd=self.root,
            env=environment(self.root),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=WORKING,
            encoding="utf-8",
            errors="replace",
        )
        for line in done.stderr.splitlines():
            get_run_logger().info("%s", line)
        try:
            document = json.loads(done.stdout)
        except ValueError:
            said = (done.stderr or done.stdout).strip()[-2000:]
            raise ReconcileError(f"`{command}` ended with {done.returncode} and said: {said or 'nothing'}") from None
        return Result(code=done.returncode, document=document)


# ─── the checkout ────────────────────────────────────────────────────────────────────────────────────────────────


def clone(repository: str, branch: str, token: str | None, block: str | None, folder: Path) -> Path:
    """The repository with its history, as somebody has it who has just cloned it. Raises ReconcileError.

    Git takes the token from its environment: it is in no argument, no address and no file.
    """
    source = GitSource(url=repository, branch=branch, secret=block)
    wrong = next(faults(source), None)
    if wrong is not None:
        raise ReconcileError(f"The parameter `repository` or `branch` is wrong: {wrong.message} {wrong.hint}")
    place = folder / "repository"
    try:
        git = Git.found(folder)
        given = git.remote_environment(repository, token)
        command = ("clone", "--quiet", "--no-tags", "--single-branch", "--branch", branch, repository, str(place))
        code, _, said = git.run(command, given, time.monotonic() + CLONING)
        if code != 0:
            raise explained(said, url=repository, block=f"secret/{block}", token_given=token is not None)
    except SourceError as error:
        raise ReconcileError(f"{repository} at {branch} cannot be cloned: {error.message}. {error.hint}") from None
    return place


def commit_of(root: Path) -> str:
    """The commit that was fetched, and its first line."""
    command = ["git", "-C", str(root), "log", "-1", "--format=%h %s"]
    done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8", errors="replace")
    return done.stdout.strip()


# ─── what the tool runs in ───────────────────────────────────────────────────────────────────────────────────────


def python_for(root: Path) -> list[str]:
    """The Python that starts the tool: told to stay in it where it has all that the lock names."""
    fits = has_packages(_lock(root, "runtime").read_text(encoding="utf-8"))
    return [sys.executable, *(("-X", "environment=found") if fits else ())]


def has_packages(lock: str) -> bool:
    """Whether this Python has the packages of a lock, each in its version."""
    return all(_version(name) == version for name, version in _pinned(lock))


def _pinned(lock: str) -> Iterator[tuple[str, str]]:
    for match in filter(None, map(_PINNED.match, lock.splitlines())):
        if match[3] is None or Marker(match[3]).evaluate():
            yield match[1], match[2]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _lock(root: Path, name: str) -> Path:
    return root / "scripts" / "requirements" / f"{name}.lock"


def environment(root: Path) -> dict[str, str]:
    """The environment of the tool: this run's server, and the folder where it keeps its packages."""
    settings = get_current_settings()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT__")}
    kept = keep_environments(settings.home / "reconcile", root)
    return {
        **inherited,
        **settings.to_environment_variables(exclude_unset=True),
        "RECONCILE_ENVIRONMENTS": str(kept),
        "PYTHONUTF8": "1",
    }


def keep_environments(home: Path, root: Path) -> Path:
    """The folder for the environment of this lock. Those that were not used for long go."""
    digest = sha256(b"".join(_lock(root, name).read_bytes() for name in ("installer", "runtime"))).hexdigest()
    kept = home / digest[:12]
    kept.mkdir(parents=True, exist_ok=True)
    os.utime(kept)
    for other in home.iterdir():
        if other.is_dir() and time.time() - other.stat().st_mtime > UNUSED:
            shutil.rmtree(other, ignore_errors=True)
    return kept


# ─── what comes of it ────────────────────────────────────────────────────────────────────────────────────────────


def lines_of(document: Document) -> Iterator[str]:
    """A plan for the log, a line a thing."""
    outcomes = {(one["kind"], one["key"]): one for one in document.get("outcomes", ())}
    for change in document.get("changes", ()):
        became = outcomes.get((change["kind"], change["key"]), {})
        told = f": {became['status']} {became['error'] or ''}".rstrip() if became else ""
        yield f"{change['action']} {change['kind']} {change['key']}{told}"
        for field in () if became else change["fields"]:
            before, after = briefly(field["path"], field["before"], field["after"])
            yield f"    {field['path']}: {_short(before)} → {_short(after)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:199]}…"


def faults_of(result: Result) -> list[str]:
    """Everything for which the run has to fail, in words."""
    document = result.document
    if "error" in document:
        return [f"{document['error']['message']} {document['error']['hint']}".strip()]
    problems = [one for one in document.get("problems", ()) if one["severity"] == "error"]
    found = [f"{one['file']}:{one['line']}: {one['message']} {one['hint']}".strip() for one in problems]
    found += [f"refused: {one['message']}" for one in document.get("refusals", ())]
    failed = [one for one in document.get("outcomes", ()) if one["status"] != "done"]
    found += [f"{one['action']} {one['kind']} {one['key']} {one['status']}: {one['error']}" for one in failed]
    if not found and result.code not in (_DONE, _PENDING):
        found.append(f"the tool ended with {result.code}")
    return found


def _tell(result: Result, title: str, commit: str) -> None:
    """The plan in the log, and as an artifact of the run."""
    logger = get_run_logger()
    for line in lines_of(result.document):
        logger.info("%s", line)
    for notice in result.document.get("warnings", ()):
        logger.warning("%s", notice["message"])
    page = None
    if "summary" in result.document:
        page = plan_page(result.document, title=title)
    elif "problems" in result.document:
        page = problems_page(result.document, title=title)
    if page is not None:
        create_markdown_artifact(page, key=ARTIFACT, description=commit[:200])


def _fail_on(result: Result, what: str) -> None:
    found = faults_of(result)
    if found:
        raise ReconcileError(f"{what}: {'; '.join(found)}")


@flow
def reconcile(
    repository: str,
    environments: list[str],
    *,
    token: str | None = None,
    branch: str = "main",
    apply: bool = True,
    prune: bool = False,
) -> dict[str, int]:
    """Make the server what the repository's branch says; fail where that cannot be, or where it should not.

    Args:
        repository: The address of this repository.
        environments: The environments of this server.
        token: The Secret block that holds the token of the repository.
        branch: The branch that counts.
        apply: False only checks: the run fails when the server differs from the files.
        prune: Whether to delete what is no longer declared.
    """
    logger = get_run_logger()
    if not environments:
        raise ReconcileError("The parameter `environments` names none: write the environments of this server.")
    secret = str(Secret.load(token).get()) if token else None  # type: ignore[union-attr] # a flow that waits
    with tempfile.TemporaryDirectory(prefix="reconcile-", ignore_cleanup_errors=True) as folder:
        root = clone(repository, branch, secret, token, Path(folder))
        commit = commit_of(root)
        logger.info("%s at %s: %s", repository, branch, commit)
        selected = [option for name in environments for option in ("--env", name)]
        tool = Tool(root=root, options=(*selected, *(("--prune",) if prune else ())))
        planned = tool("plan", "--exit-code", "--read-source-secrets")
        _tell(planned, "Plan", commit)
        _fail_on(planned, "The plan of the repository cannot be applied")
        if planned.code == _DONE:
            logger.info("Nothing to do")
        elif not apply:
            number = len(planned.document["changes"])
            changes = "1 change" if number == 1 else f"{number} changes"
            raise ReconcileError(f"The server differs from the repository: {changes} (see the artifact)")
        else:
            planned = tool("apply", "--yes", "--wait", "5m")
            _tell(planned, "Applied", commit)
            _fail_on(planned, "The repository was not applied whole")
    return dict(planned.document["summary"])

"""`apply`: shows the plan, asks, applies exactly it, and reports every outcome."""

from __future__ import annotations

import signal
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from reconcile.apply import apply
from reconcile.commands import output
from reconcile.commands.adoption import add_adoption, adopts
from reconcile.commands.options import add_root, add_selection, add_server, add_source_secrets, filter_of, root_of
from reconcile.commands.session import TOOL, Observation, Session, observe, open_session, say
from reconcile.errors import ExitCode, UsageError
from reconcile.facts import Commit
from reconcile.model import Deployment
from reconcile.plan import Outcome, Status
from reconcile.render.json import apply_document
from reconcile.render.terminal import show
from reconcile.render.text import Line, outcome_line, outcome_total, plan_lines
from reconcile.wire import Counts


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    add_root(parser)
    add_selection(parser)
    add_server(parser)
    add_adoption(parser)
    add_source_secrets(parser)
    parser.add_argument("--yes", action="store_true", help="apply without asking")


def run(options: Namespace) -> ExitCode:
    """Plan, ask, apply. Refusals and failed outcomes exit 1."""
    if not options.yes and not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask on.", "Read the plan first (`plan`), then add --yes.")
    root = root_of(options, TOOL)
    with open_session(
        root, local=options.local, select=lambda files: filter_of(options, files.repository), need_env=True
    ) as session:
        session.adopt = adopts(options)
        session.read_secrets = True
        return _run(options, session)


def _run(options: Namespace, session: Session) -> ExitCode:
    found = observe(session)
    if not options.json:
        output.lines(plan_lines(found.plan))
    if found.plan.refusals or found.plan.is_empty:
        return _finish(options, session, found, [], 0)
    if not options.yes and not _agreed(options, found):
        say("Nothing was written.")
        return _finish(options, session, found, [], 0)
    # Prefect is imported here and not above: an apply that changes nothing never pays for it.
    from reconcile.gateway.writing import Writing

    outcomes: list[Outcome] = []
    with Writing(session.target) as writing, _interruptible() as stop:
        for outcome in apply(
            found.plan, writing, flows=found.observed.flows, commit=str(commit_of(session.root)), stop=stop
        ):
            outcomes.append(outcome)
            if not options.json:
                output.lines([outcome_line(outcome)])
        code = _finish(options, session, found, outcomes, writing.requests)
        return ExitCode.INTERRUPTED if stop() else code


def _finish(
    options: Namespace, session: Session, found: Observation, outcomes: list[Outcome], writes: int
) -> ExitCode:
    if options.json:
        output.document(apply_document(found.plan, outcomes, Counts(read=found.reads, write=writes)))
    elif outcomes:
        output.lines([outcome_total(outcomes)])
    failed = any(outcome.status is not Status.DONE for outcome in outcomes)
    if not options.json and not failed and not found.plan.refusals:
        output.lines(_next_steps(session, found))
    return ExitCode.FAILED if failed or found.plan.refusals else ExitCode.DONE


def _agreed(options: Namespace, found: Observation) -> bool:
    if options.json:
        show(plan_lines(found.plan), sys.stderr)
    sys.stderr.write("Apply this plan? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes", "s", "si", "sí"}


def _next_steps(session: Session, found: Observation) -> Iterator[Line]:
    """What somebody who has just applied does next, in commands that can be copied."""
    deployments = sorted(found.wanted.state.deployments.items())
    shown = next((one for name, one in deployments if name in _changed(found)), None)
    shown = shown or next((one for _, one in deployments), None)
    if shown is None:
        return
    prefect = _prefect()
    yield Line("")
    yield Line("Next:", "title")
    if session.embedded:
        yield Line(f"  open the UI         {prefect} server start, then http://127.0.0.1:4200")
        yield Line("  for the next two, in another terminal, with PREFECT_API_URL=http://127.0.0.1:4200/api")
    else:
        yield Line(f"  open the UI         {session.target.url.removesuffix('/api') if session.target.url else ''}")
    yield Line(f'  start a worker      {prefect} worker start --pool "{shown.work_pool}"')
    yield Line(f'  run a deployment    {prefect} deployment run "{shown.key}"')


def _changed(found: Observation) -> set[str]:
    return {change.key.name for change in found.plan.changes if isinstance(change.desired, Deployment)}


def _prefect() -> str:
    """The prefect command beside this Python, as short as it can be typed from here."""
    path = Path(sys.executable).parent / ("prefect.exe" if sys.platform == "win32" else "prefect")
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C while writing finishes the request in hand; what is left is skipped. A second one is a plain Ctrl-C."""
    asked: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        say("Interrupted: finishing the request in hand …")

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def commit_of(root: Path) -> Commit:
    """The commit that the files are of; without one where this is no git repository, or git is not here."""
    sha = _git(root, "rev-parse", "--verify", "HEAD")
    if not sha:
        return Commit(dirty=True)
    return Commit(sha=sha, dirty=bool(_git(root, "status", "--porcelain", "--", ".")))


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

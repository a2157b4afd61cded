"""`apply`: shows the plan, asks, applies exactly it, and reports every outcome."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from reconcile.apply import apply
from reconcile.commands import output
from reconcile.commands.adoption import add_adoption, adopts
from reconcile.commands.checkout import git_state
from reconcile.commands.options import add_root, add_selection, add_server, add_source_secrets, filter_of, root_of
from reconcile.commands.session import TOOL, Observation, Session, observe, open_session, say
from reconcile.errors import ExitCode, ProblemsError, UsageError
from reconcile.model import Deployment
from reconcile.plan import Action, Outcome, Status
from reconcile.problem import Problem
from reconcile.pull import SET_WORKING_DIRECTORY
from reconcile.render.escape import safe
from reconcile.render.json import apply_document
from reconcile.render.terminal import show
from reconcile.render.text import Line, outcome_line, outcome_total, plan_lines, problem_lines
from reconcile.wire import Counts, Writer


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
    if found.plan.refusals:
        return _finish(options, session, _Applied(found=found))
    if not found.plan.is_empty and not options.yes and not _agreed(options, found):
        say("Nothing was written.")
        return _finish(options, session, _Applied(found=found, declined=True))
    if found.plan.is_empty:
        return _finish(options, session, _Applied(found=found))
    return _finish(options, session, _write(options, session, found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applied:
    """What became of a plan."""

    found: Observation
    outcomes: tuple[Outcome, ...] = ()
    writes: int = 0
    problems: tuple[Problem, ...] = ()
    declined: bool = False
    interrupted: bool = False

    @property
    def code(self) -> ExitCode:
        if self.interrupted:
            return ExitCode.INTERRUPTED
        failed = any(outcome.status is not Status.DONE for outcome in self.outcomes)
        return ExitCode.FAILED if failed or self.problems or self.found.plan.refusals else ExitCode.DONE


def _write(options: Namespace, session: Session, found: Observation) -> _Applied:
    # Prefect is imported here and not above: an apply that changes nothing never pays for it.
    from reconcile.gateway.writing import Writing

    problems: tuple[Problem, ...] = ()
    with Writing(session.target) as writing, _interruptible() as stop:
        outcomes = _apply(options, session, found, writing, stop)
        if found.withheld and all(outcome.status is Status.DONE for outcome in outcomes):
            try:
                found, more = _second_look(options, session, found, writing, stop)
                outcomes = (*outcomes, *more)
            except ProblemsError as error:
                problems = error.problems
        return _Applied(
            found=found, outcomes=outcomes, writes=writing.requests, problems=problems, interrupted=stop()
        )  # fmt: skip


def _apply(
    options: Namespace, session: Session, found: Observation, writing: Writer, stop: Callable[[], bool]
) -> tuple[Outcome, ...]:
    outcomes: list[Outcome] = []
    commit = git_state(session.root).short
    for outcome in apply(found.plan, writing, flows=found.observed.flows, commit=commit, stop=stop):
        outcomes.append(outcome)
        if not options.json:
            output.lines([outcome_line(outcome)])
    return tuple(outcomes)


def _second_look(
    options: Namespace, session: Session, found: Observation, writing: Writer, stop: Callable[[], bool]
) -> tuple[Observation, tuple[Outcome, ...]]:
    """Fill in the parameter schemas of sources whose token may be used only now.

    A token is given to git only for a host that a deployment on the server gives it to. The deployments that were
    just applied are the first that do, so without this look the next apply would have something to write. A token
    that the server gives to another host already is not sent to a new one on the strength of this apply alone.
    """
    session.barred = found.barred
    again = observe(session)
    schemas = tuple(change for change in again.plan.changes if {field.field for field in change.fields} == _SCHEMA)
    changes = (*found.plan.changes, *schemas)
    outcomes = _apply(options, session, replace(again, plan=replace(again.plan, changes=schemas)), writing, stop)
    return replace(again, plan=replace(found.plan, changes=changes)), outcomes


_SCHEMA = {"parameter_schema"}


def _finish(options: Namespace, session: Session, applied: _Applied) -> ExitCode:
    found, outcomes = applied.found, applied.outcomes
    if options.json:
        output.document(apply_document(found.plan, outcomes, Counts(read=found.reads, write=applied.writes)))
    elif outcomes:
        output.lines([outcome_total(outcomes)])
    if applied.problems:
        say("A source that can be read only now shows problems, which the next plan refuses:")
        show(problem_lines(applied.problems), sys.stderr)
    created = any(outcome.action is Action.CREATE for outcome in outcomes)
    if not options.json and applied.code is ExitCode.DONE and not applied.declined and (session.embedded or created):
        output.lines(_next_steps(session, found))
    return applied.code


def _agreed(options: Namespace, found: Observation) -> bool:
    if options.json:
        show(plan_lines(found.plan), sys.stderr)
    sys.stderr.write("Apply this plan? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes", "s", "si", "sí"}


def _next_steps(session: Session, found: Observation) -> Iterator[Line]:
    """What somebody who has just applied does next, in commands that can be copied."""
    deployments = [deployment for _, deployment in sorted(found.wanted.state.deployments.items())]
    shown = next((one for one in deployments if _runs_here(one)), deployments[0] if deployments else None)
    if shown is None:
        return
    prefect = _prefect()
    address = "http://127.0.0.1:4200" if session.embedded else (session.target.url or "").removesuffix("/api")
    yield Line("")
    yield Line("Next:", "title")
    if session.embedded:
        yield Line(f"  start the server     {prefect} server start")
        yield Line(f"  point others at it   {prefect} config set PREFECT_API_URL={address}/api")
    yield Line(f"  open the UI          {address}")
    yield Line(f'  start a worker       {prefect} worker start --pool "{safe(shown.work_pool or "")}"')
    yield Line(f'  run a deployment     {prefect} deployment run "{safe(str(shown.key))}"')


def _runs_here(deployment: Deployment) -> bool:
    """Whether its code is a folder of this machine, so that it runs without a token."""
    folders = [step.get(SET_WORKING_DIRECTORY, {}).get("directory", "") for step in deployment.pull_steps]
    return any(Path(folder).is_dir() for folder in folders if folder)


def _prefect() -> str:
    """The prefect command beside this Python, as short as it can be typed from here."""
    path = Path(sys.executable).parent / ("prefect.exe" if sys.platform == "win32" else "prefect")
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C while writing finishes the request in hand; what is left is skipped. A second one is a plain Ctrl-C."""
    asked: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        asked.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        say("Interrupted: finishing the request in hand …")

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)

"""`apply`: shows the plan, asks, applies exactly it, and reports every outcome."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from reconcile.apply import apply, at_once
from reconcile.commands import output
from reconcile.commands.building import NEVER_BUILT, run_recipes, steps_told
from reconcile.commands.checkout import git_state
from reconcile.commands.guard import Guard
from reconcile.commands.interruption import finishing
from reconcile.commands.options import (
    add_root,
    add_selection,
    add_server,
    add_source_secrets,
    filter_of,
    root_of,
    seconds,
)
from reconcile.commands.patience import Patience
from reconcile.commands.permissions import add_permissions, permissions_of
from reconcile.commands.saved import (
    SavedPlan,
    check_inputs,
    check_origin,
    digest_of,
    misfit,
    read_saved,
    selected_by,
)
from reconcile.commands.secret_values import secret_from_environment
from reconcile.commands.session import TOOL, Observation, Session, observe, open_session, say
from reconcile.errors import ExitCode, LockHeldError, ProblemsError, ServerError, UsageError
from reconcile.lock import Guarded, Lock, this_process
from reconcile.model import Deployment
from reconcile.plan import Action, Notice, Outcome, Status
from reconcile.problem import Problem
from reconcile.pull import SET_WORKING_DIRECTORY
from reconcile.render.escape import safe
from reconcile.render.json import apply_document
from reconcile.render.terminal import show
from reconcile.render.text import Line, outcome_line, outcome_total, plan_lines, problem_lines, refusal_lines
from reconcile.wire import Counts, Writer


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    add_root(parser)
    add_selection(parser)
    add_server(parser)
    add_permissions(parser)
    add_source_secrets(parser)
    parser.add_argument("plan", nargs="?", type=Path, metavar="PLAN", help="a plan that `plan --out` saved: exactly it")
    parser.add_argument("--yes", action="store_true", help="apply without asking")
    parser.add_argument(
        "--build",
        action="store_true",
        help="run the build and push steps of the selected deployments first, on this machine, as Prefect itself does",
    )
    parser.add_argument(
        "--wait",
        type=seconds,
        default=0.0,
        metavar="TIME",
        help="how long to wait for another apply to end, such as 90s or 5m; otherwise not at all",
    )


def run(options: Namespace) -> ExitCode:
    """Plan, ask, apply. Refusals and failed outcomes exit 1."""
    root = root_of(options, TOOL)
    saved = None if options.plan is None else read_saved(options.plan)
    if saved is not None:
        options = selected_by(saved, options)
    if saved is not None and options.build:
        raise UsageError(
            "A saved plan holds what it writes, so nothing is built for it.", "Leave out --build, or PLAN."
        )
    permissions = permissions_of(options)
    if not options.yes and (sys.stdin is None or not sys.stdin.isatty()):
        raise UsageError("There is no terminal to ask on.", "Read the plan first (`plan`), then add --yes.")
    with open_session(
        root, local=options.local, select=lambda files: filter_of(options, files.repository), need_env=saved is None
    ) as session:
        session.permissions = permissions
        session.read_secrets = saved is None or options.read_source_secrets
        if saved is not None:
            check_origin(saved, session)
        return _run(options, session, saved)


def _run(options: Namespace, session: Session, saved: SavedPlan | None) -> ExitCode:
    found = observe(session)
    if options.build:
        found = _built(options, session, found)
    if saved is not None:
        check_inputs(saved, session)
        found = _held_against(saved, found)
    applied = _shown(options, found)
    return _finish(options, session, applied or _write(options, session, found, saved))


def _built(options: Namespace, session: Session, found: Observation) -> Observation:
    """What is planned once the steps have run; not where it is refused anyway, or somebody says no."""
    if not found.recipes or any(refusal.code != NEVER_BUILT for refusal in found.plan.refusals):
        return found
    say(steps_told(found.recipes))
    if not options.yes and not _yes("Run them?"):
        return found
    session.outputs = run_recipes(found.recipes, root=session.root, url=session.target.url or "")
    return observe(session)


def _shown(options: Namespace, found: Observation) -> _Applied | None:
    """Show the plan; the end of it where it is refused, declined or empty, None where it is to be applied."""
    if not options.json:
        output.lines(plan_lines(found.plan))
    if found.plan.refusals or found.plan.is_empty:
        return _Applied(found=found)
    if not options.yes and not _agreed(options, found):
        say("Nothing was written.")
        return _Applied(found=found, declined=True)
    return None


def _held_against(saved: SavedPlan, found: Observation) -> Observation:
    refusal = None if found.plan.refusals else misfit(saved, found.plan)
    return found if refusal is None else _refused(found, refusal)


def _refused(found: Observation, refusal: Notice) -> Observation:
    return replace(found, plan=replace(found.plan, refusals=(*found.plan.refusals, refusal)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Applied:
    """What became of a plan."""

    found: Observation
    outcomes: tuple[Outcome, ...] = ()
    writes: int = 0
    locks: int = 0
    problems: tuple[Problem, ...] = ()
    runs: tuple[Notice, ...] = ()
    """What is wrong with coming runs since."""
    declined: bool = False
    interrupted: bool = False

    @property
    def code(self) -> ExitCode:
        if self.interrupted:
            return ExitCode.INTERRUPTED
        failed = any(outcome.status is not Status.DONE for outcome in self.outcomes)
        wrong = self.problems or self.runs or self.found.plan.refusals
        return ExitCode.FAILED if failed or wrong else ExitCode.DONE


def _write(options: Namespace, session: Session, found: Observation, saved: SavedPlan | None) -> _Applied:
    """Apply the plan under the lock. Who cannot have it is told whose it is."""
    # Prefect is imported here and not above: an apply that changes nothing never pays for it.
    from reconcile.gateway.door import Door

    holder = this_process(git_state(session.root).short)
    with Door(session.target) as door:
        try:
            with Lock(door, session.project, holder) as lock:
                door.contact.between = lock.between
                lock.acquire(options.wait, say)
                applied = _locked(options, session, found, saved, lock)
        except LockHeldError as error:
            notice = Notice(code="locked", message=f"{error.message} {error.hint}")
            applied = _Applied(found=_refused(found, notice))
            if not options.json:
                output.lines(refusal_lines([notice]))
    return replace(applied, locks=door.requests)


def _locked(options: Namespace, session: Session, found: Observation, saved: SavedPlan | None, lock: Lock) -> _Applied:
    """Look again, now that nobody else applies: what another one did meanwhile is neither done twice nor undone."""
    session.reading.contact.patient = True
    again = observe(session)
    if digest_of(again.plan) != digest_of(found.plan) or again.plan.refusals:
        say("By now the plan is another one:")
        again = again if saved is None else _held_against(saved, again)
        ended = _shown(options, again)
        if ended is not None:
            return ended
    return _written(options, session, again, saved, lock)


def _written(options: Namespace, session: Session, found: Observation, saved: SavedPlan | None, lock: Lock) -> _Applied:
    from reconcile.gateway.writing import Writing

    problems: tuple[Problem, ...] = ()
    contact = session.reading.contact
    with finishing() as stop, Writing(session.target, contact) as writing:
        contact.between = Patience(lock=lock, stop=stop, say=say)
        guarded = Guarded(writer=writing, lock=lock)
        outcomes, runs = _apply(options, session, found, guarded, stop)
        # A saved plan is applied and nothing else.
        all_done = all(outcome.status is Status.DONE for outcome in outcomes)
        if saved is None and found.withheld and all_done and not stop():
            try:
                found, more, amiss = _second_look(options, session, found, guarded, stop)
                outcomes, runs = (*outcomes, *more), (*runs, *amiss)
            except ProblemsError as error:
                problems = error.problems
            except ServerError as error:  # what was done before is told all the same
                text = f"The sources that can be read only now were not read: {error.message} Run apply again."
                runs = (*runs, Notice(code="second-look", message=text))
        return _Applied(
            found=replace(found, plan=replace(found.plan, warnings=(*found.plan.warnings, *runs))),
            outcomes=outcomes,
            writes=writing.requests,
            problems=problems,
            runs=runs,
            interrupted=stop(),
        )


def _apply(
    options: Namespace, session: Session, found: Observation, writing: Writer, stop: Callable[[], bool]
) -> tuple[tuple[Outcome, ...], tuple[Notice, ...]]:
    """The outcomes, and what is wrong with coming runs afterwards. Nothing runs on a server that is ours alone."""
    outcomes: list[Outcome] = []
    careless = session.permissions.pruning.even_if_running
    guard = None if session.embedded else Guard(session.reading, session.files.rules, say=say, even_if_running=careless)
    if guard is not None:
        guard.begin(found.plan)
    ready = partial(guard, stop=stop) if guard is not None else at_once
    commit = git_state(session.root).short
    for outcome in apply(
        found.plan,
        writing,
        flows=found.observed.flows,
        commit=commit,
        stop=stop,
        ready=ready,
        ids=found.observed.ids(),
        secret=partial(secret_from_environment, session.reading),
    ):
        outcomes.append(outcome)
        if not options.json:
            output.lines([outcome_line(outcome)])
    if guard is None or stop():
        return tuple(outcomes), ()
    try:
        return tuple(outcomes), guard.check(outcomes, stop)
    except ServerError as error:
        notice = Notice(code="runs-unchecked", message=f"The coming runs could not be checked: {error.message}")
        return tuple(outcomes), (notice,)


def _second_look(
    options: Namespace, session: Session, found: Observation, writing: Writer, stop: Callable[[], bool]
) -> tuple[Observation, tuple[Outcome, ...], tuple[Notice, ...]]:
    """Fill in the parameter schemas of sources whose token may be used only now.

    A token is given to git only for a host that a deployment on the server gives it to. The deployments that were
    just applied are the first that do, so without this look the next apply would have something to write. A token
    that the server gives to another host already is not sent to a new one on the strength of this apply alone.
    """
    session.barred, session.evidence = found.barred, None
    again = observe(session)
    schemas = tuple(change for change in again.plan.changes if {field.field for field in change.fields} == _SCHEMA)
    changes = (*found.plan.changes, *schemas)
    outcomes, runs = _apply(options, session, replace(again, plan=replace(again.plan, changes=schemas)), writing, stop)
    return replace(again, plan=replace(found.plan, changes=changes)), outcomes, runs


_SCHEMA = {"parameter_schema"}


def _finish(options: Namespace, session: Session, applied: _Applied) -> ExitCode:
    found, outcomes = applied.found, applied.outcomes
    if options.json:
        counts = Counts(read=session.reading.requests, write=applied.writes, lock=applied.locks)
        output.document(apply_document(found.plan, outcomes, counts))
    elif outcomes:
        output.lines([outcome_total(outcomes), *(Line(safe(notice.message), "warning") for notice in applied.runs)])
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
    return _yes("Apply this plan?")


def _yes(question: str) -> bool:
    sys.stderr.write(f"{question} [y/N] ")
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

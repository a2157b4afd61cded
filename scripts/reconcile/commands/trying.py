"""`try KEY`: a copy of a deployment that runs a branch, in the pool for development, without schedules.

It is called `<name>-try-<user>` and has a mark of its own (`reconcile.trials`). Seven days later the next apply
deletes it.
"""

from __future__ import annotations

import getpass
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import quote

from reconcile.commands import output
from reconcile.commands.asking import add_yes, agreed, need_answer
from reconcile.commands.options import add_root, add_selection, filter_of, root_of
from reconcile.commands.parameters import check_run, given_parameters
from reconcile.commands.picking import called, refuse_other_servers, selected_entries, standing
from reconcile.commands.running import add_parameters, started
from reconcile.commands.session import TOOL, Session, evidence_of, open_session, say
from reconcile.desired import desired, final_name
from reconcile.errors import ExitCode, ProblemsError, ReconcileError, ServerAnswerError, ServerError, UsageError
from reconcile.layers import Entry
from reconcile.model import DEFAULT_QUEUE, Deployment, Mark, State
from reconcile.payload import create_deployment, create_flow
from reconcile.problem import has_errors
from reconcile.pull import GIT_CLONE, GitSource, faults, pull_steps, source_of, steps_on_branch
from reconcile.render.escape import safe
from reconcile.render.text import Line
from reconcile.resolve import Code, Place, Resolved, git_source_of, nearest, resolve
from reconcile.sources import read_at
from reconcile.trials import LIFE, Trial, trial_name, trial_of, trials_of, user_name
from reconcile.wire import Request, Writer

DEV: Final = "dev"
"""The environment whose pool is for trying."""

HELP = f"""The copy has no schedules, the work pool of the environment `{DEV}` (or --pool), and a mark of its own: plans
count it neither as managed nor as somebody else's, and the first apply after {LIFE.days} days deletes it.

examples:
  try "Cierre mensual" --branch arreglo-iva --run --watch
  try "Cierre mensual" --env prod --param anio=2026
  try --list
  try --clean
"""


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = HELP
    parser.add_argument(
        "key", nargs="?", default=None, metavar="KEY", help="a declared deployment: its declared or final name"
    )
    parser.add_argument("--branch", default=None, metavar="B", help="the branch to run; otherwise what is declared")
    add_parameters(parser)
    parser.add_argument("--pool", default=None, metavar="NAME", help="another work pool")
    parser.add_argument("--run", dest="run_now", action="store_true", help="run it at once")
    parser.add_argument("--watch", action="store_true", help="with --run: follow its logs, and exit by its state")
    parser.add_argument("--list", action="store_true", help="the copies that stand, everybody's")
    parser.add_argument("--clean", action="store_true", help="delete your copies; with a KEY only those of it")
    parser.add_argument("--everybody", action="store_true", help="with --clean: everybody's")
    add_yes(parser)
    add_root(parser)
    add_selection(parser)
    parser.set_defaults(local=False)


def run(options: Namespace) -> ExitCode:
    """Make a copy, tell of those that stand, or delete them."""
    _check(options)
    if options.clean:
        need_answer(options)
    with open_session(
        root_of(options, TOOL),
        local=False,
        select=lambda files: filter_of(options, files.repository),
        need_env=False,
        whole=False,
    ) as session:
        if options.list:
            return _listed(options, session)
        if options.clean:
            return _cleaned(options, session)
        refuse_other_servers(session)
        return _tried(options, session)


def _check(options: Namespace) -> None:
    making = not options.list and not options.clean
    if options.list and options.clean:
        raise UsageError("--list and --clean are two commands.", "Leave one of them out.")
    if making and not options.key:
        raise UsageError("Say which deployment to try.", "try KEY, or try --list, or try --clean.")
    if not making and (options.branch or options.param or options.run_now or options.watch or options.pool):
        raise UsageError("--list and --clean make no copy.", "Leave --branch, --param, --pool, --run and --watch out.")
    if options.watch and not options.run_now:
        raise UsageError("--watch follows a run.", "Add --run.")
    if options.everybody and not options.clean:
        raise UsageError("--everybody is for --clean.", "Leave it out.")


def _user() -> str:
    try:
        return user_name(getpass.getuser())
    except (KeyError, OSError):  # no such user in a container
        return user_name("")


# ---------------------------------------------------------------- making one


def _tried(options: Namespace, session: Session) -> ExitCode:
    entry = _entry(session, options.key)
    code = _code(session, entry, options.branch)
    there = standing(session)
    made = _copy(options, session, _declared(session, code, there))
    other = there.deployments.get(made.key.name)
    if other is not None and trial_of(other) is None:
        raise ReconcileError(f"{made.key} stands on the server already and is no trial.", "Rename or delete it.")
    _check_pool(session, made.work_pool or "")
    identifier = _written(session, made, there.flows, options.branch)
    shown = _document(made, identifier, options.branch)
    if not options.json:
        output.lines(_lines(made, shown))
    if not options.run_now:
        if options.json:
            output.document({"try": shown})
        return ExitCode.DONE
    return started(options, session, replace(made, id=identifier), {}, more={"try": shown})


def _entry(session: Session, key: str) -> Entry:
    """The entry that is meant; of several environments the one for development."""
    known = list(selected_entries(session))
    found = called(iter(known), key)
    if len(found) > 1:
        found = [entry for entry in found if entry.scope.environment == DEV] or found
    if not found:
        names = [name for entry in known for name in (entry.declared, final_name(entry))]
        raise ReconcileError(f"No file declares a deployment {key!r} for this server.", nearest(key, names))
    if len(found) > 1:
        told = ", ".join(f"{entry.scope.area}/{entry.scope.environment}" for entry in found)
        raise UsageError(f"{key!r} is declared in {told}.", "Say which with --env and --area.")
    return found[0]


def _code(session: Session, entry: Entry, branch: str | None) -> Code:
    """Where its code is, on the branch. Raises ReconcileError where its source has no branches."""
    # On a branch workers clone, also what they take from this folder otherwise.
    place = Place(root=str(session.root), is_here=session.target.is_loopback and branch is None)
    resolved = resolve(session.files.repository, [entry], place)
    found = next((code for code in resolved.codes if code.entry is entry), None)
    if found is None:
        if branch is not None and resolve(session.files.repository, [entry], replace(place, is_here=True)).codes:
            raise _no_branches(entry)
        raise ProblemsError(resolved.problems or session.files.problems)
    return found if branch is None else _on_branch(found, branch)


def _no_branches(entry: Entry) -> ReconcileError:
    return ReconcileError(
        f"{entry.declared!r} runs from a folder, which has no branches.",
        "Leave --branch out, or give its source `git:` or `deploy_as:`.",
    )


def _on_branch(code: Code, branch: str) -> Code:
    # Prefect's own pull steps, of the entry or of the whole prefect.yaml, may do more than clone: the rest stays.
    has_own_steps = code.source_name is None or isinstance(code.entry.fields.get("pull"), list)
    source = source_of(code.steps) if has_own_steps else _git_of(code)
    if not isinstance(source, GitSource):
        raise _no_clone(code.entry) if has_own_steps else _no_branches(code.entry)
    source = replace(source, branch=branch, tag=None, commit=None)
    wrong = next(faults(source), None)
    if wrong is not None:
        raise UsageError(f"--branch: {wrong.message}", wrong.hint)
    steps = steps_on_branch(code.steps, branch) if has_own_steps else pull_steps(source, root=None)
    return replace(code, steps=steps, reads=source, is_guess=False)


def _no_clone(entry: Entry) -> ReconcileError:
    return ReconcileError(
        f"The pull steps of {entry.declared!r} clone no repository whose address and branch are said in plain text.",
        f"Leave --branch out, or give them a {GIT_CLONE} step that says both.",
    )


def _git_of(code: Code) -> GitSource | None:
    """The git source that workers clone it from."""
    return code.reads if isinstance(code.reads, GitSource) else git_source_of(code.entry, code.source_name)


def _declared(session: Session, code: Code, there: State) -> Deployment:
    """The deployment as it is declared, with the signature of its flow as the branch has it."""
    evidence = evidence_of(session, code, there)
    error = evidence.unreadable.get(code.reads)
    if error is not None and isinstance(read_at(code.reads), GitSource):
        raise ReconcileError(f"The code cannot be read: {error.message}", error.hint)
    flows = {(one.mark, one.name): one.flow for one in there.deployments.values() if one.mark is not None}

    def known_flow(mark: Mark, name: str) -> str | None:
        return flows.get((mark, name))

    repository = session.files.repository
    resolved = Resolved(codes=(code,), without=(), problems=())
    wanted = desired(repository, resolved, replace(evidence, known_flow=known_flow))
    found = next((name for name, entry in wanted.entries.items() if entry is code.entry), None)
    if has_errors(wanted.problems) or found is None:
        raise ProblemsError(wanted.problems or session.files.problems)
    return wanted.state.deployments[found]


def _copy(options: Namespace, session: Session, of: Deployment) -> Deployment:
    """What is made: nothing of it runs by itself, and no tag of the original tells automations that it is that."""
    user = _user()
    until = datetime.now(UTC).astimezone(session.files.zone).date() + LIFE
    trial = Trial(project=session.project, user=user, until=until)
    schema = of.parameter_schema or {}
    given = given_parameters(options.param, schema)
    remarks = check_run(given, of.parameters, schema, enforced=of.enforce_parameter_schema and options.run_now)
    for remark in remarks:
        say(remark)
    return replace(
        of,
        name=trial_name(of.name, user),
        tags=("try", trial.tag),
        mark=None,
        parameters={**of.parameters, **given},
        schedules=(),
        paused=False,
        concurrency_limit=None,
        work_pool=options.pool or _dev_pool(session, of),
        work_queue=DEFAULT_QUEUE,
    )


def _dev_pool(session: Session, of: Deployment) -> str:
    rules = (session.files.repository.environments.data.get("environments") or {}).get(DEV)
    form = rules.get("work_pool") if isinstance(rules, Mapping) else None
    if not isinstance(form, str):
        raise UsageError(f"No environment {DEV!r} names a work pool to try in.", "Say which with --pool NAME.")
    area = of.mark.area if of.mark is not None else ""
    return form.replace("{area}", area).replace("{environment}", DEV)


def _check_pool(session: Session, pool: str) -> None:
    try:
        session.reading.get(f"/work_pools/{quote(pool, safe='')}")
    except ServerAnswerError as error:
        if error.status != 404:
            raise
        hint = f"Apply it (apply --env {DEV}), or say another with --pool NAME."
        raise ReconcileError(f"The work pool {pool!r} is not on the server at {session.target.url}.", hint) from None


def _written(session: Session, made: Deployment, flows: Mapping[str, str], branch: str | None) -> str:
    from reconcile.gateway.writing import Writing

    with Writing(session.target) as writing:
        flow = flows.get(made.flow) or str(writing.write(create_flow(made.flow))["id"])
        request = create_deployment(made, flow, "")
        # Nothing of it is ever compared: what the UI is told is the branch.
        request = replace(request, body={**request.body, "version": f"try {branch or 'as declared'}"[:200]})
        return str(writing.write(request)["id"])


def _document(one: Deployment, identifier: str, branch: str | None) -> dict[str, Any]:
    trial = trial_of(one)
    assert trial is not None
    return {
        "key": str(one.key),
        "id": identifier,
        "user": trial.user,
        "until": trial.until.isoformat(),
        "branch": branch,
        "work_pool": one.work_pool,
    }


def _lines(made: Deployment, shown: Mapping[str, Any]) -> Iterator[Line]:
    branch = f" on the branch {safe(shown['branch'])}" if shown["branch"] else ""
    yield Line(f"{safe(str(made.key))} was made{branch}, in the work pool {safe(made.work_pool or '')}.", "good")
    yield Line(f"  it stays until {shown['until']}; `try --clean` deletes it", "dim")


# ---------------------------------------------------------------- those that stand


def _trials(session: Session, key: str | None) -> list[tuple[Deployment, Trial]]:
    found = list(trials_of(standing(session), session.project))
    if key is None:
        return found
    originals = {final_name(entry) for entry in called(iter(session.files.entries), key)}
    return [
        (one, trial)
        for one, trial in found
        if key in (one.name, one.key.name) or one.name in {trial_name(name, trial.user) for name in {key, *originals}}
    ]


def _listed(options: Namespace, session: Session) -> ExitCode:
    found = _trials(session, options.key)
    rows = [_document(one, one.id or "", _branch(one)) for one, _ in found]
    if options.json:
        output.document({"tries": rows})
    else:
        output.lines(_list_lines(rows, datetime.now(UTC).astimezone(session.files.zone).date()))
    return ExitCode.DONE


def _branch(one: Deployment) -> str | None:
    for step in one.pull_steps:
        for inputs in step.values():
            if isinstance(inputs, Mapping) and isinstance(inputs.get("branch"), str):
                return str(inputs["branch"])
    return None


def _list_lines(rows: Sequence[Mapping[str, Any]], today: date) -> Iterable[Line]:
    if not rows:
        yield Line("Nobody tries anything.")
    for row in rows:
        over = ", over: the next apply deletes it" if date.fromisoformat(row["until"]) < today else ""
        branch = f", branch {safe(row['branch'])}" if row["branch"] else ""
        yield Line(f"  {safe(row['key'])}  {safe(row['work_pool'] or '')}{branch}, until {row['until']}{over}")


def _cleaned(options: Namespace, session: Session) -> ExitCode:
    from reconcile.gateway.writing import Writing

    user = _user()
    going = [one for one, trial in _trials(session, options.key) if options.everybody or trial.user == user]
    if not options.json:
        output.lines(Line(f"  delete {safe(str(one.key))}") for one in going)
    gone: list[str] = []
    why: str | None = None
    if going and agreed(options, f"Delete {len(going)} of them?" if len(going) > 1 else "Delete it?"):
        with Writing(session.target) as writing:
            why = _deleted(writing, going, gone)
    if options.json:
        output.document({"deleted": gone})
    else:
        output.lines([Line(f"{len(gone)} deleted." if gone else "Nothing was deleted.", "good" if gone else "")])
    if why is not None:
        left = ", ".join(str(one.key) for one in going[len(gone) :])
        raise ReconcileError(f"Not deleted: {left}. {why}", "Run it again.")
    return ExitCode.DONE


def _deleted(writer: Writer, going: Iterable[Deployment], gone: list[str]) -> str | None:
    """Delete one after the other; why that ended before the last. What is gone already is gone."""
    for one in going:
        try:
            writer.write(Request(method="DELETE", path=f"/deployments/{quote(one.id or '')}"))
        except ServerAnswerError as error:
            if error.status != 404:
                return error.message
        except ServerError as error:
            return error.message
        gone.append(str(one.key))
    return None

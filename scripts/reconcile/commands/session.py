"""What the commands share: the files checked, the sources read, the server observed, and the plan between the two."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from reconcile.automations import ours_first
from reconcile.building import Recipe
from reconcile.commands.building import Outputs, with_builds
from reconcile.commands.judging import judged, with_pauses, without_old_trials
from reconcile.commands.linking import bereft, linked, retired, retired_warning, settled
from reconcile.commands.options import Filter
from reconcile.commands.permissions import Permissions
from reconcile.commands.ruling import under_rules
from reconcile.commands.taking import with_besides
from reconcile.commands.uses import missing_warnings
from reconcile.desired import (
    Desired,
    Evidence,
    KnownFlows,
    desired,
    final_name,
    no_flows,
    replaced_name,
    unknown_deployments,
)
from reconcile.desired.services import services_of
from reconcile.desired.settings import settings_problems
from reconcile.errors import ProblemsError, SourceError, UsageError
from reconcile.holds import with_reasons
from reconcile.layers import Entry, Repository, entries, scopes, unused_loans
from reconcile.model import Mark, Marked, State
from reconcile.plan import Notice, Plan
from reconcile.policy import expiry_warnings, pin_refusals, pinned_elsewhere, with_next_runs
from reconcile.problem import Problem, Severity, as_told, has_errors, in_order
from reconcile.prune import Stock, managed
from reconcile.pull import GitSource, PathSource, Source, may_send
from reconcile.render.escape import safe
from reconcile.resolve import Code, Place, leads_here, resolve, source_problems
from reconcile.rules import Rules, rules_of
from reconcile.schedule import zone_info
from reconcile.secrets import mask_text
from reconcile.sources import default_cache, open_sources, read_at
from reconcile.wire import Snapshot
from reconcile.workspace import job_templates, load

if TYPE_CHECKING:
    from reconcile.gateway.embedded import Embedded
    from reconcile.gateway.reading import Reading
    from reconcile.gateway.target import Target

TOOL = Path(__file__).resolve().parents[3]
"""The repository that this tool is part of: the default root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A repository that was read: its entries, and the problems found so far."""

    root: Path
    repository: Repository
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]

    @property
    def rules(self) -> Mapping[str, Rules]:
        """The rules of each environment."""
        said = self.repository.environments.data.get("environments") or {}
        return {name: rules_of(rules) for name, rules in said.items()}

    @property
    def zone(self) -> ZoneInfo:
        """The default time zone, in which the rules tell the time."""
        return zone_info(str(self.repository.environments.data.get("default_timezone"))) or ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A plan and what it was made from."""

    plan: Plan
    observed: State
    target: Target
    files: Files
    reads: int
    wanted: Desired
    withheld: bool = False
    """Whether a source could not be read, whose token nobody was given so far: once applied, it may be."""
    barred: frozenset[Source] = frozenset()
    """Sources that could not be read, whose token the server gives to other hosts than theirs."""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """The build and push steps of what is selected, by `flow/name`."""


@dataclass(slots=True)
class Session:
    """One command's dealings with one server."""

    root: Path
    target: Target
    embedded: bool
    reading: Reading
    files: Files
    chosen: Filter
    permissions: Permissions = field(default_factory=Permissions)
    read_secrets: bool = False
    barred: frozenset[Source] = frozenset()
    """Sources that get no token, whatever stands on the server by now."""
    outputs: Outputs = field(default_factory=dict)
    """What build steps gave that ran in this command."""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    evidence: Evidence | None = None
    """What was read of the sources. A second look at the server takes it as it is; None: they are read."""

    @property
    def project(self) -> str:
        """The project's name, which marks what it manages."""
        return str(self.files.repository.project.data.get("name") or "project")


def read_files(root: Path) -> Files:
    """The files, held against their schemas and laid over each other."""
    repository, problems = load(root)
    found = tuple(entries(repository))
    problems += unused_loans(repository)
    problems += source_problems(repository, scopes(repository))
    problems += (*services_of(repository).problems, *settings_problems(repository))
    return Files(root=root, repository=repository, entries=found, problems=in_order(problems))


def declared_here(files: Files, *, is_here: bool = True, standing: State | None = None) -> Desired:
    """What the files alone say is desired, with every problem that they show: nothing is fetched, no server asked.

    `is_here`: they are for workers of this machine. `standing` is what was observed, where a server was asked already:
    it knows flows whose names only their code says.
    """
    resolved = resolve(files.repository, files.entries, Place(root=str(files.root), is_here=is_here))
    codes = resolved.codes
    evidence = _evidence(files.root, [code for code in codes if _is_folder(code.reads)])
    # A folder that is only on the workers' machine is nothing to warn of here; plan says what it could not read.
    certain = {source: error for source, error in evidence.unreadable.items() if leads_here(source)}
    silent = dict.fromkeys(
        {code.reads for code in codes} - {source for source, _ in (*evidence.texts, *evidence.misread)}
    )
    evidence = replace(evidence, unreadable={**silent, **certain})
    if standing is not None:
        evidence = replace(evidence, known_flow=_known_flows(standing))
    wanted = desired(files.repository, resolved, evidence)
    unknown = unknown_deployments(files.repository, wanted.besides.declared, wanted.pairs)
    return replace(wanted, problems=as_told((*files.problems, *resolved.problems, *wanted.problems, *unknown)))


@contextmanager
def open_session(
    root: Path, *, local: bool, select: Callable[[Files], Filter], need_env: bool, whole: bool = True
) -> Iterator[Session]:
    """A server found and the files read; meanwhile the server is read too, or comes up where it is the embedded one.

    `whole` False: little of the server is wanted, which whoever wants it asks for.
    """
    with ExitStack() as stack:
        target = None if local else find_target()
        embedded: Embedded | None = None
        reading: Reading | None = None
        if target is None or target.url is None:
            embedded = _start(stack)
        else:
            reading = _begin_to_read(stack, target, whole=whole)
        files = read_files(root)
        if "environments" not in files.repository.environments.data:  # nothing can be selected then
            raise ProblemsError(declared_here(files).problems)
        chosen = select(files)
        if need_env and embedded is None and chosen.nothing_said and len(chosen.environments) > 1:
            raise UsageError(
                "This repository has several environments; say which of them this server is for.",
                f"--env {' or --env '.join(sorted(chosen.environments))} (or --env all).",
            )
        if embedded is not None:
            reading = _begin_to_read(stack, embedded.target(), whole=whole)
        assert reading is not None
        yield Session(
            root=root, target=reading.target, embedded=embedded is not None, reading=reading, files=files, chosen=chosen
        )  # fmt: skip


def reading_of(stack: ExitStack, *, local: bool) -> Reading:
    """A server found, and its reading begun, for whoever needs no files to begin with."""
    target = None if local else find_target()
    if target is None or target.url is None:
        target = _start(stack).target()
    return _begin_to_read(stack, target, whole=True)


def _begin_to_read(stack: ExitStack, target: Target, *, whole: bool) -> Reading:
    from reconcile.gateway.reading import Reading

    reading = stack.enter_context(Reading(target))
    if whole:
        reading.begin()
    return reading


def find_target() -> Target:
    """The server that Prefect itself would use here."""
    from reconcile.gateway.target import other_sources, resolve

    others = other_sources(Path.cwd())
    if others and "PREFECT_API_URL" not in os.environ:
        from reconcile.gateway.writing import ask_prefect

        return ask_prefect(f"Prefect's settings, {' and '.join(others)} among them")
    return resolve(os.environ, Path.home())


def observe(session: Session, *, sources: bool = True) -> Observation:
    """Read the sources and the server at the same time, and compare. Raises ProblemsError where the files are wrong."""
    files, chosen = session.files, _without_pinned(session)
    place = Place(root=str(session.root), is_here=session.target.is_loopback)
    resolved = resolve(files.repository, files.entries, place)
    codes = resolved.codes
    if sources and has_errors(files.problems):
        # What is wrong without asking anybody is said at once, also while the server is slow or away.
        raise ProblemsError(as_told((*declared_here(files).problems, *resolved.problems)))
    opened = {code.reads for code in codes if _takes(chosen, code.entry)}
    # Of a source that is opened every file is read: an entry that is not selected would seem to lack its own.
    selected = [code for code in codes if code.reads in opened]
    with ThreadPoolExecutor(max_workers=1) as pool:
        reading: Future[Snapshot] = pool.submit(_snapshot, session)
        evidence = session.evidence or _evidence(session.root, selected if sources else [])
        snapshot = reading.result()
    from reconcile.observed import observed

    standing = ours_first(observed(snapshot), session.project)
    if session.read_secrets and session.evidence is None:
        evidence = _with_tokens(session, evidence, selected, standing)
    session.evidence = evidence
    silent = {code.reads: None for code in codes if code.reads not in _tried(evidence)}
    evidence = replace(evidence, unreadable={**silent, **evidence.unreadable}, known_flow=_known_flows(standing))
    wanted = desired(files.repository, resolved, evidence, chosen.environments.__contains__)
    found = as_told((*files.problems, *resolved.problems, *wanted.problems))
    if has_errors(found) and sources:
        raise ProblemsError(found)
    plan = _plan(session, chosen, wanted, standing, found)
    withheld = _withheld(evidence, standing)
    barred = frozenset(source for source in withheld if _is_in_use(source, standing))
    return Observation(
        plan=plan,
        observed=standing,
        target=session.target,
        files=files,
        reads=session.reading.requests,
        wanted=wanted,
        withheld=bool(withheld - barred),
        barred=barred,
        recipes=session.recipes,
    )


def _plan(session: Session, chosen: Filter, wanted: Desired, standing: State, problems: tuple[Problem, ...]) -> Plan:
    from reconcile.diff import difference
    from reconcile.selection import Selection

    known = frozenset(session.files.rules)
    here = environments_here(session)
    besides = wanted.besides.for_environments(here)
    picked = selected_of(chosen, wanted)
    links = linked(besides, wanted.pairs, wanted.state, standing, here)
    state = with_besides(picked, links.besides.values(), chosen)
    built = with_builds(state, standing, wanted.entries, session.outputs)
    state, session.recipes = built.state, built.recipes
    settlement = settled(state, standing, links)

    def covers(mark: Mark, one: Marked) -> bool:
        return chosen.covers(mark, one, known)

    # What is pruned is deleted anyway.
    off = {} if session.permissions.pruning.allowed else retired(standing, besides, session.project, covers)
    state = replace(settlement.state, automations={**settlement.state.automations, **off})
    selection = Selection(
        project=session.project,
        declarations={**wanted.declarations, **{key: one.declaration for key, one in besides.items()}},
        declared=wanted.state.deployments,
        declared_besides=frozenset({*besides, *(one.key for one in off.values())}),
        adopt=session.permissions.adopts,
        adopt_from=session.permissions.adopt_from,
        covers=covers,
        replaces={
            wanted.state.deployments[name].key: partial(replaced_name, entry)
            for name, entry in wanted.entries.items()
            if replaced_name(entry) is not None
        },
        release=session.permissions.release,
        report_drift=frozenset(name for name, rules in session.files.rules.items() if rules.protect.report_drift),
        set_here=frozenset(
            one.from_env for one in state.secrets.values() if one.from_env and os.environ.get(one.from_env)
        ),
    )
    found = difference(state, standing, selection)
    url = session.target.url or ""
    pins = () if session.embedded else tuple(pin_refusals(session.chosen.named, session.files.rules, url))
    plan = Plan(
        target=mask_text(url),
        changes=found.changes,
        unchanged=found.unchanged,
        holds=found.holds,
        orphans=found.orphans,
        foreign=found.foreign,
        refusals=(*pins, *built.refusals, *settlement.refusals, *found.refusals),
        warnings=(
            *_left_out(session, chosen),
            *matching_nothing(chosen, wanted),
            *_as_notices(problems),
            *settlement.warnings,
            *found.warnings,
            *(retired_warning(one) for _, one in sorted(off.items())),
        ),
    )
    now = datetime.now(UTC)
    plan = with_next_runs(plan, standing.deployments, now)
    today = now.astimezone(session.files.zone).date()
    plan = with_pauses(plan, wanted.entries, state.deployments, today)
    more = (*expiry_warnings(state.secrets.values(), today), *missing_warnings(state, standing))
    plan = replace(plan, warnings=(*plan.warnings, *more))
    plan = judged(
        plan,
        permissions=session.permissions,
        stock=_stock(session, wanted, standing),
        selected=state,
        observed=standing,
        repository=session.files.repository,
        reader=session.reading,
        zone=session.files.zone,
    )
    plan = replace(plan, refusals=(*plan.refusals, *bereft(plan, settlement.state.automations.values())))
    plan = with_reasons(plan, standing, session.project)
    if not chosen.is_partial:
        plan = without_old_trials(plan, standing, session.project, today)
    if session.embedded:  # nobody's server: the rules are of those that others use
        return plan
    files = session.files
    return under_rules(plan, wanted.state, files.rules, here=here, zone=files.zone, root=session.root)


def selected_of(chosen: Filter, wanted: Desired) -> State:
    """What of the declared is selected: deployments, and the pools that they use."""
    names = {name for name, entry in wanted.entries.items() if _takes(chosen, entry, name)}
    pools = _pools_taken(chosen, wanted, names)
    return State(
        pools={name: pool for name, pool in wanted.state.pools.items() if name in pools},
        deployments={name: one for name, one in wanted.state.deployments.items() if name in names},
    )


def _stock(session: Session, wanted: Desired, standing: State) -> Stock:
    entries = {(entry.scope.area, entry.scope.environment) for entry in session.files.entries}
    ours = (standing.deployments, standing.variables, standing.automations)
    return Stock(
        declared=frozenset(entries | {(one.area, one.environment) for one in wanted.besides.declared}),
        managed=managed(chain.from_iterable(one.values() for one in ours), session.project),
        protections={name: rules.protect for name, rules in session.files.rules.items()},
    )


def _snapshot(session: Session) -> Snapshot:
    """What stands on the server; its blocks only where the files speak of any, or an automation can."""
    found = session.reading.read()
    if not found.automations and not any(word in text for text in _texts(session.files) for word in _OF_BLOCKS):
        return found
    return replace(found, blocks=session.reading.rows("/block_documents/filter", {"include_secrets": False}))


_OF_BLOCKS: Final = ("secrets:", "prefect.blocks.", "token:", "automations:", "notify:")


def _texts(files: Files) -> Iterator[str]:
    return (document.text for document in files.repository.documents())


def environments_here(session: Session) -> frozenset[str]:
    """The environments of this server, selected or not; of the embedded one those that were selected."""
    if session.embedded:
        return session.chosen.environments
    elsewhere = pinned_elsewhere(session.files.rules, session.target.url or "")
    return frozenset(session.files.rules) - elsewhere.keys()


def _pools_taken(chosen: Filter, wanted: Desired, names: set[str]) -> set[str]:
    """The pools of the selected deployments; and those that no deployment uses, unless something is picked out."""
    users: dict[str, set[str]] = {}
    for name, deployment in wanted.state.deployments.items():
        users.setdefault(deployment.work_pool or "", set()).add(name)
    free = set() if chosen.is_partial else wanted.state.pools.keys() - users.keys()
    return {pool for pool, used_by in users.items() if used_by & names} | free


def _without_pinned(session: Session) -> Filter:
    """The selection without the environments of other servers that nobody asked for by name."""
    if session.embedded:
        return session.chosen
    elsewhere = pinned_elsewhere(session.files.rules, session.target.url or "")
    left = session.chosen.environments - (elsewhere.keys() - set(session.chosen.named))
    return replace(session.chosen, environments=frozenset(left))


def matching_nothing(chosen: Filter, wanted: Desired) -> Iterator[Notice]:
    """A word on each glob that was mistyped: otherwise there would just be nothing to do."""
    for glob in chosen.only:
        alone = replace(chosen, only=(glob,))
        if not any(_takes(alone, entry, name) for name, entry in wanted.entries.items()):
            yield Notice(
                code="only-nothing",
                message=f"--only {glob!r} selects nothing that is declared in the areas and environments selected; it "
                "is a declared name, a name on the server, or flow/name, and * stands for any text.",
            )


def _left_out(session: Session, chosen: Filter) -> Iterator[Notice]:
    for name in sorted(session.chosen.environments - chosen.environments):
        yield Notice(
            code="environment-left-out",
            message=f"The environment {name} belongs on another server (its api_url), so it is left out here.",
        )


def _as_notices(problems: Iterable[Problem]) -> Iterator[Notice]:
    for problem in problems:
        if problem.severity is Severity.WARNING:
            text = f"{problem.location}: {problem.message}"
            yield Notice(code=problem.code, message=f"{text} {problem.hint}".strip())


def _takes(chosen: Filter, entry: Entry, key: str = "") -> bool:
    """Whether an entry is selected. Before its flow is known, a glob with a slash in it takes it for the time being."""
    names = [entry.declared, final_name(entry), *([key] if key else [])]
    if not key and any("/" in glob for glob in chosen.only):
        chosen = replace(chosen, only=())
    return chosen.takes(entry.scope.area, entry.scope.environment, names)


def _known_flows(standing: State) -> KnownFlows:
    flows: dict[tuple[Mark, str], str] = {}
    for deployment in standing.deployments.values():
        if deployment.mark is not None:
            flows[deployment.mark, deployment.name] = deployment.flow
    return (lambda mark, name: flows.get((mark, name))) if flows else no_flows


def _is_folder(source: Source) -> bool:
    return isinstance(read_at(source), PathSource)


def _evidence(root: Path, codes: Iterable[Code], tokens: Mapping[str, str] | None = None) -> Evidence:
    """The text of every file that a signature is read from, or why its source cannot be read."""
    wanted: dict[Source, set[str]] = {}
    for code in codes:
        wanted.setdefault(code.reads, set()).update(code.files)
    texts: dict[tuple[Source, str], str | None] = {}
    unreadable: dict[Source, SourceError | None] = {}
    misread: dict[tuple[Source, str], SourceError] = {}
    for source, tree in open_sources(wanted, root=root, cache=default_cache(), credentials=tokens).items():
        if isinstance(tree, SourceError):
            unreadable[source] = tree
            continue
        for path in sorted(wanted[source]):
            try:
                texts[source, path] = tree.read(path)
            except SourceError as error:
                if _is_folder(source):
                    misread[source, path] = error
                else:  # of a commit it may be the network, too
                    unreadable[source] = error
    return Evidence(
        texts=texts, unreadable=unreadable, misread=misread, templates=job_templates(), now=datetime.now(UTC)
    )


def evidence_of(session: Session, code: Code, standing: State) -> Evidence:
    """What is read of the one source of one entry, with the token that the server keeps for its host if need be."""
    return _with_tokens(session, _evidence(session.root, [code]), [code], standing)


def _with_tokens(session: Session, evidence: Evidence, codes: Iterable[Code], standing: State) -> Evidence:
    """A second try of the sources that could not be read, with the tokens that the server keeps for their hosts.

    Only where a deployment on the server already gives that token to that host: a pull request, which can write any
    address beside a Secret's name, must not get the Secret sent there.
    """
    steps = [deployment.pull_steps for deployment in standing.deployments.values()]
    refused = {source: read_at(source) for source in evidence.unreadable}
    open_to = {source: at for source, at in refused.items() if isinstance(at, GitSource) and at not in session.barred}
    allowed = {source: at for source, at in open_to.items() if may_send(at, steps)}
    tokens = {at.block: session.reading.secret(at.block) for at in allowed.values() if at.block}
    known = {block: token for block, token in tokens.items() if token}
    again = {source for source, at in allowed.items() if at.block in known}
    if not again:
        return evidence
    more = _evidence(session.root, [code for code in codes if code.reads in again], known)
    left = {source: error for source, error in evidence.unreadable.items() if source not in again}
    return replace(evidence, texts={**evidence.texts, **more.texts}, unreadable={**left, **more.unreadable})


def _withheld(evidence: Evidence, standing: State) -> frozenset[GitSource]:
    """The sources that could not be read, and whose token may not be used for them."""
    steps = [deployment.pull_steps for deployment in standing.deployments.values()]
    unread = [read_at(source) for source, error in evidence.unreadable.items() if error is not None]
    return frozenset(at for at in unread if isinstance(at, GitSource) and at.block and not may_send(at, steps))


def _is_in_use(source: GitSource, standing: State) -> bool:
    """Whether any pull step on the server takes the source's block: its token is then known to belong somewhere."""
    name = f"prefect.blocks.{(source.block or '').replace('/', '.')}"
    steps = [deployment.pull_steps for deployment in standing.deployments.values()]
    return re.search(rf"{re.escape(name)}(?![\w-])", json.dumps(steps, default=str)) is not None


def _tried(evidence: Evidence) -> set[Source]:
    return {source for source, _ in (*evidence.texts, *evidence.misread)} | set(evidence.unreadable)


def _start(stack: ExitStack) -> Embedded:
    from reconcile.gateway.embedded import Embedded

    say("Starting Prefect's embedded server …")
    return stack.enter_context(Embedded())


def say(text: str) -> None:
    """A word on how far it is, on standard error."""
    print(safe(text), file=sys.stderr, flush=True)

"""Entries -> State, or every Problem at once. Pure: the flows' source texts and the job templates are handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconcile.document import Document
from reconcile.errors import SourceError
from reconcile.layers import NAME, Entry, KeyPath, Layer, Repository, scopes
from reconcile.model import (
    DEFAULT_QUEUE,
    NOTHING,
    ConcurrencyLimit,
    Deployment,
    Mark,
    ResourceKey,
    Schedule,
    State,
    WorkPool,
    WorkQueue,
)
from reconcile.plan import Declaration
from reconcile.problem import Fault, Location, Problem, Severity
from reconcile.pull import Source
from reconcile.resolve import Code, Resolved, folder_location, leads_here, location_of, nearest
from reconcile.schedule import check_zone, read_spec
from reconcile.schedule.zones import ARGENTINA
from reconcile.schema import UNUSABLE, check_value
from reconcile.signature import Signature, SignatureError, check_parameters, default_flow_name, read_signature
from reconcile.wire import server_of

FORBIDDEN_IN_NAMES = frozenset("/%&><")
"""Characters that Prefect refuses in a name, or that break its address."""

TIMINGS = frozenset({"cron", "interval", "rrule"})

Texts = Mapping[tuple[Source, str], str | None]
"""The text of each file that was asked for; None: the source can be read and has no such file."""

KnownFlows = Callable[[Mark, str], str | None]
"""The flow of a deployment that stands on the server, by its mark and name."""


def no_flows(_: Mark, __: str) -> str | None:
    """Knows no flow: for whoever asks no server."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of the world outside the declarations when they are judged.

    `unreadable` holds why a source cannot be read; None as a reason says that nobody tried, which is not worth a
    warning. `misread` holds why a single file of a readable source cannot be. `templates` are the job templates of
    each type of pool.
    """

    texts: Texts = field(default_factory=dict)
    unreadable: Mapping[Source, SourceError | None] = field(default_factory=dict)
    misread: Mapping[tuple[Source, str], SourceError] = field(default_factory=dict)
    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    known_flow: KnownFlows = no_flows


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What the files say. `state` holds what is free of errors; `entries` the entry of each deployment."""

    state: State
    declarations: Mapping[ResourceKey, Declaration]
    entries: Mapping[str, Entry]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Draft:
    """What is being put together, with every problem found on the way."""

    repository: Repository
    evidence: Evidence
    pools: dict[str, WorkPool] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    poolless: set[tuple[str, str]] = field(default_factory=set)
    signatures: dict[tuple[Source, tuple[str, ...], str], Signature | SignatureError | None] = field(
        default_factory=dict
    )
    unread: dict[Source, list[Code]] = field(default_factory=dict)


Chosen = Callable[[Entry], bool]
"""Whether an entry is among those that one server is to get."""


def desired(repository: Repository, resolved: Resolved, evidence: Evidence, chosen: Chosen | None = None) -> Desired:
    """Every pool and deployment that the files declare.

    Entries of one name whose environments are of different servers do not disturb each other: the state holds the
    one that is `chosen`. Where both are chosen, they are for one server after all.
    """
    draft = _Draft(repository=repository, evidence=evidence)
    declarations: dict[ResourceKey, Declaration] = {}
    for stem, document in sorted(repository.pools.items()):
        pool = _pool(draft, stem, document)
        draft.pools[stem] = pool
        declarations[pool.key] = Declaration(location=Location(file=document.file))
    draft.problems += (*_pools_of_one_name(draft), *_default_zone(draft), *_named_schedules(draft))
    deployments: dict[str, Deployment] = {}
    entries: dict[str, Entry] = {}
    for code in resolved.codes:
        deployment, entry = _deployment(draft, code), code.entry
        name = deployment.key.name
        if name in deployments:
            draft.problems += _same_identity(entries[name], entry, deployment, chosen)
            if chosen is not None and not chosen(entry):
                continue
        deployments[name], entries[name] = deployment, entry
        declarations[deployment.key] = Declaration(
            location=entry.location, area=entry.scope.area, environment=entry.scope.environment
        )
    for entry in resolved.without:
        _checked(draft, entry)
    draft.problems += _unread_warnings(draft)
    pools = {pool.name: pool for pool in draft.pools.values()}
    return Desired(
        state=State(pools=pools, deployments=deployments),
        declarations=declarations,
        entries=entries,
        problems=_not_reported(draft),
    )


def _not_reported(draft: _Draft) -> tuple[Problem, ...]:
    """The problems, but for those of a value that was found at fault when its file was read."""
    reported = {location for document in draft.repository.documents() for location in document.reported}
    return tuple(problem for problem in draft.problems if problem.location not in reported)


# A deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """What of an entry does not depend on its code."""

    name: str
    schedules: tuple[Schedule, ...]
    pool: WorkPool | None


def _checked(draft: _Draft, entry: Entry) -> _Checked:
    name = final_name(entry)
    for fault in (*_name_faults(name), *_kind_faults(entry.fields.get("parameters"))):
        draft.problems.append(entry.problem(fault))
    schedules = tuple(_schedules(draft, entry))
    pool = _pool_of(draft, entry)
    _check_job_variables(draft, entry, pool)
    return _Checked(name=name, schedules=schedules, pool=pool)


def _deployment(draft: _Draft, code: Code) -> Deployment:
    entry = code.entry
    fields = entry.fields
    checked = _checked(draft, entry)
    mark = Mark(
        project=str(draft.repository.project.data.get("name") or "project"),
        area=entry.scope.area,
        environment=entry.scope.environment,
    )
    signature = _signature(draft, code)
    parameters = dict(fields.get("parameters") or {})
    if signature is not None:
        _check_parameters(draft, entry, signature, parameters, checked.schedules)
    return Deployment(
        flow=_flow_name(draft, code, signature, mark, checked.name),
        name=checked.name,
        entrypoint=code.entrypoint,
        pull_steps=code.steps,
        description=fields.get("description"),
        tags=tuple(fields.get("tags") or ()),
        parameters=parameters,
        parameter_schema=signature.parameter_schema if signature else None,
        enforce_parameter_schema=fields.get("enforce_parameter_schema", True),
        work_pool=checked.pool.name if checked.pool else None,
        work_queue=fields.get("work_queue") or DEFAULT_QUEUE,
        job_variables=dict(fields.get("job_variables") or {}),
        schedules=checked.schedules,
        paused=fields.get("paused"),
        concurrency_limit=_limit(fields.get("concurrency_limit")),
        mark=mark,
    )


def final_name(entry: Entry) -> str:
    """The deployment's name on the server: the entry's, in the form that its environment gives names."""
    form = entry.scope.rules.data.get("name") or "{name}"
    said = str(entry.fields.get("name") or entry.declared)
    return _formed(form, entry, name=said)


def _formed(form: str, entry: Entry, **more: str) -> str:
    text = form
    for key, value in {"area": entry.scope.area, "environment": entry.scope.environment, **more}.items():
        text = text.replace(f"{{{key}}}", value)
    return text


def _limit(said: Any) -> ConcurrencyLimit | None:
    fields = dict(said) if isinstance(said, Mapping) else {"limit": said}
    if fields.get("limit") is None:  # not said, or at fault
        return None
    return ConcurrencyLimit(**{**fields, "limit": int(fields["limit"])})


def _flow_name(draft: _Draft, code: Code, signature: Signature | None, mark: Mark, name: str) -> str:
    """The flow's name: as pinned, as its source says, as it stands on the server, or as Prefect would make it up."""
    pinned = code.entry.fields.get("flow")
    if isinstance(pinned, str):
        return pinned
    if signature is not None and signature.flow_name is not None:
        return signature.flow_name
    return draft.evidence.known_flow(mark, name) or default_flow_name(code.function)


def _same_identity(one: Entry, other: Entry, deployment: Deployment, chosen: Chosen | None) -> Iterator[Problem]:
    """Two entries that would be one deployment, unless their environments are of servers that cannot be one."""
    if any(entry.at_fault("name") or entry.scope.rules.at_fault("name") for entry in (one, other)):
        return
    together = chosen is not None and chosen(one) and chosen(other)
    if not together and not _can_be_one_server(one.scope.rules, other.scope.rules):
        return
    hint = 'Give the environment a `name:` such as "{name}-dev", or one of the two entries another name.'
    if one.scope.environment == other.scope.environment:
        hint = "Give one of the two another name."
    elif together:
        hint = f"{hint} Or take one environment at a time: --env {other.scope.environment}."
    yield Problem(
        location=other.location,
        code="deployment-twice",
        message=f"{deployment.key} is declared twice, also at {one.location}: "
        "on one server they would overwrite each other.",
        hint=hint,
    )


def _can_be_one_server(one: Layer, other: Layer) -> bool:
    if one.data is other.data:
        return True
    if one.at_fault("api_url") or other.at_fault("api_url"):
        return False
    first, second = _servers(one), _servers(other)
    return not first or not second or not first.isdisjoint(second)


def _servers(rules: Layer) -> set[tuple[str, str, int | None, str]]:
    urls = rules.data.get("api_url") or []
    return {server_of(url) for url in ([urls] if isinstance(urls, str) else urls)}


def _name_faults(name: str) -> Iterator[Fault]:
    bad = sorted({character for character in name if character in FORBIDDEN_IN_NAMES or not character.isprintable()})
    if bad:
        yield Fault(
            code="name-invalid",
            message=f"The deployment's name {name!r} has characters that Prefect does not take in a name: "
            f"{' '.join(map(repr, bad))}.",
            hint="Leave them out.",
        )


def _kind_faults(value: Any, at: KeyPath = ("parameters",)) -> Iterator[Fault]:
    """The server evaluates `__prefect_kind` in an update and stores the result, but not when it creates."""
    if isinstance(value, Mapping):
        if "__prefect_kind" in value:
            yield Fault(
                code="prefect-kind",
                message="`__prefect_kind` is evaluated by the server at some requests and stored as it is at others.",
                hint="Write the value itself.",
                at=(*at, "__prefect_kind"),
                on_key=True,
            )
        for key, item in value.items():
            yield from _kind_faults(item, (*at, key))


# Its flow


def _signature(draft: _Draft, code: Code) -> Signature | None:
    """The flow's signature; None where it cannot be known, which is said once a source or reported as a problem."""
    key = (code.reads, code.files, code.function)
    if code.reads in draft.evidence.unreadable:
        draft.unread.setdefault(code.reads, []).append(code)
        return None
    error = next((draft.evidence.misread.get((code.reads, path)) for path in code.files), None)
    if error is not None:
        fault = Fault(code="entrypoint-unreadable", message=error.message, hint=error.hint, at=("entrypoint",))
        draft.problems.append(code.entry.problem(fault))
        return None
    if key not in draft.signatures:
        draft.signatures[key] = _read(draft, code)
    found = draft.signatures[key]
    if found is None:
        draft.problems.append(code.entry.problem(_no_such_file(code)))
    if isinstance(found, SignatureError):
        file = next(path for path in code.files if draft.evidence.texts.get((code.reads, path)) is not None)
        where = f"{file}:{found.line}: " if found.line else f"{file}: "
        fault = Fault(code=found.code, message=where + found.message, hint=found.hint, at=("entrypoint",))
        draft.problems.append(code.entry.problem(fault))
    if not isinstance(found, Signature):
        return None
    for warning in found.warnings:
        fault = Fault(
            code=warning.code, message=warning.message, hint=warning.hint, at=("entrypoint",), severity=Severity.WARNING
        )
        draft.problems.append(code.entry.problem(fault))
    return found


def _read(draft: _Draft, code: Code) -> Signature | SignatureError | None:
    for path in code.files:
        text = draft.evidence.texts.get((code.reads, path))
        if text is not None:
            try:
                return read_signature(text, code.function)
            except SignatureError as error:
                return error
    return None


def _no_such_file(code: Code) -> Fault:
    source = f"the source {code.source_name!r}" if code.source_name else "this repository"
    return Fault(
        code="entrypoint-not-found",
        message=f"There is no {code.files[0]} in {source}.",
        hint="Paths start at the top folder of the source, with forward slashes; check the spelling, and the branch.",
        at=("entrypoint",),
    )


def _unread_warnings(draft: _Draft) -> Iterator[Problem]:
    """One warning a reason: several environments and sources may lead to one repository that cannot be reached."""
    by_reason: dict[tuple[str, str], list[Code]] = {}
    for source, codes in draft.unread.items():
        error = draft.evidence.unreadable[source]
        if error is not None:
            by_reason.setdefault((error.message, error.hint), []).extend(codes)
    for (message, hint), codes in by_reason.items():
        guessed = [code for code in codes if not isinstance(code.entry.fields.get("flow"), str)]
        naming = (
            f" Flows are taken to be named as on the server, or after their functions: {_some(guessed)}."
            if guessed
            else ""
        )
        count = f"{len(codes)} deployments" if len(codes) > 1 else repr(codes[0].entry.declared)
        if leads_here(codes[0].reads):
            yield Problem(location=folder_location(codes[0]), code="source-invalid", message=message, hint=hint)
            continue
        yield Problem(
            location=location_of(codes[0]),
            code="source-unreadable",
            message=f"{message} Entrypoints and parameters of {count} are not checked, and parameter schemas on the "
            f"server stay as they are.{naming}",
            hint=" ".join(filter(None, (hint, "Pin the names with `flow:`." if guessed else ""))),
            severity=Severity.WARNING,
        )


def _some(codes: list[Code]) -> str:
    names = [repr(code.entry.declared) for code in codes]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _check_parameters(
    draft: _Draft, entry: Entry, signature: Signature, parameters: dict[str, Any], schedules: tuple[Schedule, ...]
) -> None:
    faults = list(_parameter_faults(entry, signature, parameters, ("parameters",)))
    for schedule in schedules:
        at: KeyPath = ("schedules", schedule.slug or "")
        faults += _parameter_faults(entry, signature, dict(schedule.parameters), (*at, "parameters"))
        if schedule.active is False or entry.at_fault("parameters") or entry.at_fault(*at, "parameters"):
            continue
        together = {**parameters, **schedule.parameters}
        for fault in check_parameters(signature, together, require_all=True):
            if fault.code == "parameter-missing":
                faults.append(replace(fault, at=at, on_key=True))
    draft.problems += [entry.problem(fault) for fault in faults]


def _parameter_faults(entry: Entry, signature: Signature, parameters: dict[str, Any], at: KeyPath) -> Iterator[Fault]:
    for fault in check_parameters(signature, parameters, require_all=False):
        yield replace(fault, at=(*at, *fault.at), on_key=True)
    schema = signature.parameter_schema
    if schema is None or entry.fields.get("enforce_parameter_schema") is False:
        return
    # What is missing matters to a run, not here; but what a flow requires does not take null instead.
    required = [name for name in schema.get("required", ()) if name in parameters]
    for fault in check_value(parameters, {**schema, "required": required}):
        hint = fault.hint or f"`{signature.function}` takes it so: correct the value, or the flow."
        yield replace(fault, code="parameter-type", hint=hint, at=(*at, *fault.at))


# Its schedules


def _schedules(draft: _Draft, entry: Entry) -> Iterator[Schedule]:
    for slug, said in (entry.fields.get("schedules") or {}).items():
        if not TIMINGS & said.keys():
            if not _is_named_at_fault(entry, slug, said):
                draft.problems.append(entry.problem(_no_timing(entry, slug, said)))
            continue
        timing, faults = read_spec(said, entry.scope.default_timezone)
        for fault in faults:
            if entry.at_fault("schedules", slug, _LACKS.get(fault.code, "timezone")) and not fault.at:
                continue
            place = entry.locate(("schedules", slug, *fault.at), key=fault.on_key)
            if not fault.at:
                place = _key_of_timing(entry, slug)
            draft.problems += _schedule_problem(draft, fault, place)
        if timing is not None:
            yield Schedule(
                slug=slug, timing=timing, parameters=dict(said.get("parameters") or {}), active=said.get("active")
            )


_LACKS: Mapping[str, str] = {"interval-anchor": "anchor_date", "rrule-start": "start"}
"""The key that is missing, by the code of the fault that says so."""


def _is_named_at_fault(entry: Entry, slug: str, said: Mapping[str, Any]) -> bool:
    """Whether the timing is missing because of a fault that is told where it is."""
    name = str(said.get("use", slug))
    named = name in entry.scope.schedules or entry.scope.at_fault("schedules", name)
    return named or entry.at_fault("schedules", slug)


def _key_of_timing(entry: Entry, slug: str) -> Location:
    """The key of the schedule that has the timing, be it the entry's own or a shared one."""
    origins = entry.origins()
    for kind in TIMINGS:
        if ("schedules", slug, kind) in origins:
            origin = origins["schedules", slug, kind]
            return origin.document.locate(origin.at[:-1], key=True)
    return entry.locate(("schedules", slug), key=True)


def _schedule_problem(draft: _Draft, fault: Fault, place: Location) -> Iterator[Problem]:
    if fault.at or not fault.code.startswith("timezone-"):
        yield fault.located(place)
    elif "default_timezone" in draft.repository.environments.data:
        yield _of_default_zone(draft, fault)
    elif not draft.repository.environments.at_fault(("default_timezone",)):
        yield Problem(
            location=place,
            code="timezone-missing",
            message="This schedule has no time zone: it names none, and environments.yaml has no default_timezone.",
            hint=f"Write `default_timezone: {ARGENTINA}`, say, in deployments/environments.yaml.",
        )


def _of_default_zone(draft: _Draft, fault: Fault) -> Problem:
    hint = fault.hint
    if fault.code == "timezone-utc":
        hint = f"Use a zone like {ARGENTINA}; a schedule that means UTC says `timezone: UTC` and `allow_utc: true`."
    return replace(fault, hint=hint).located(draft.repository.environments.locate(("default_timezone",)))


def _default_zone(draft: _Draft) -> Iterator[Problem]:
    zone = draft.repository.environments.data.get("default_timezone")
    fault = check_zone(zone, allow_utc=True) if zone is not None else None
    if fault is not None:
        yield _of_default_zone(draft, fault)


def _named_schedules(draft: _Draft) -> Iterator[Problem]:
    """What is wrong with the shared schedules, whether a deployment uses them or not."""
    found = {
        (layer.document.file, layer.at): (layer, scope)
        for scope in scopes(draft.repository)
        for layer in scope.schedules.values()
    }
    for layer, scope in found.values():
        if TIMINGS & layer.data.keys():
            for fault in read_spec(layer.data, scope.default_timezone)[1]:
                if layer.at_fault(_LACKS.get(fault.code, "timezone")) and not fault.at:
                    continue
                place = layer.document.locate((*layer.at, *fault.at), key=fault.on_key or not fault.at)
                yield from _schedule_problem(draft, fault, place)
        elif not layer.at_fault():
            yield Problem(
                location=layer.document.locate(layer.at, key=True),
                code="schedule-timing",
                message=f"The shared schedule {layer.at[-1]!r} does not say when it runs.",
                hint='Give it a cron, an interval or an rrule: {cron: "30 8 * * 1-5"}, say.',
            )


def _no_timing(entry: Entry, slug: str, said: Mapping[str, Any]) -> Fault:
    name = said.get("use", slug)
    used = "use" in said
    return Fault(
        code="schedule-undeclared",
        message=f"No shared schedule is called {name!r}, and this one has no cron, interval or rrule of its own.",
        hint=nearest(str(name), entry.scope.schedules),
        at=("schedules", slug, "use") if used else ("schedules", slug),
        on_key=not used,
    )


# Its pool


def _pool_of(draft: _Draft, entry: Entry) -> WorkPool | None:
    rules = entry.scope.rules
    form = rules.data.get("work_pool")
    coherent = _formed(str(form), entry) if form else None
    own = entry.fields.get("work_pool")
    said = own or coherent
    if entry.at_fault("work_pool") or (said is None and rules.at_fault("work_pool")):
        return None
    if not isinstance(said, str) or said not in draft.pools:
        draft.problems += _no_pool(draft, entry, said, own=isinstance(own, str))
        return None
    allowed = (rules.data.get("allow_pools") or {}).get(entry.scope.area) or []
    if coherent is not None and said != coherent and said not in allowed and not rules.at_fault("allow_pools"):
        draft.problems.append(_incoherent_pool(entry, said, coherent))
    draft.problems += _queue_problems(draft, entry, said)
    return draft.pools[said]


def _queue_problems(draft: _Draft, entry: Entry, pool: str) -> Iterator[Problem]:
    queue = entry.fields.get("work_queue")
    known = {DEFAULT_QUEUE, *(known.name for known in draft.pools[pool].queues)}
    lost = draft.repository.pools[pool].at_fault(("queues", str(queue)))
    if isinstance(queue, str) and queue not in known and not lost:
        fault = Fault(
            code="queue-undeclared",
            message=f"The work pool {pool!r} has no queue {queue!r}.",
            hint=f"Declare it under `queues:` in pools/{pool}.yaml. {nearest(queue, known)}",
            at=("work_queue",),
        )
        yield entry.problem(fault)


def _no_pool(draft: _Draft, entry: Entry, said: str | None, *, own: bool) -> Iterator[Problem]:
    """No pool, or none of that name. What is missing for a whole area is said once, at its first deployment."""
    scope = entry.scope
    who = f"deployments of {scope.area} in {scope.environment}"
    if own:
        yield entry.problem(replace(_undeclared_pool(draft, str(said)), at=("work_pool",)))
    elif (scope.area, scope.environment) not in draft.poolless and NAME.fullmatch(scope.area):
        draft.poolless.add((scope.area, scope.environment))
        if said is not None:
            fault = _undeclared_pool(draft, said, f", which environments.yaml names for {who}")
        else:
            fault = Fault(
                code="pool-missing",
                message=f"No work pool is named for {who}.",
                hint="Write `work_pool:` here, or for the whole environment in environments.yaml.",
            )
        yield entry.problem(fault)


def _undeclared_pool(draft: _Draft, said: str, why: str = "") -> Fault:
    stem = next((stem for stem, pool in draft.pools.items() if pool.name == said), None)
    hint = f"Declare it in pools/{said}.yaml. {nearest(said, draft.pools)}"
    if stem is not None:
        hint = f"Pools are called as their files here: write {stem!r}."
    return Fault(code="pool-undeclared", message=f"No work pool is called {said!r}{why}.", hint=hint)


def _incoherent_pool(entry: Entry, said: str, coherent: str) -> Problem:
    scope = entry.scope
    return entry.problem(
        Fault(
            code="pool-not-coherent",
            message=f"Deployments of {scope.area} in {scope.environment} run in the work pool {coherent!r}, "
            f"not in {said!r}.",
            hint="Leave `work_pool` out, or allow it in environments.yaml: "
            f"allow_pools: {{{scope.area}: [{said}]}} under {scope.environment}.",
            at=("work_pool",),
        )
    )


def _check_job_variables(draft: _Draft, entry: Entry, pool: WorkPool | None) -> None:
    schema = _variables(pool)
    if pool is None or schema is None:
        return
    for fault in check_value(dict(entry.fields.get("job_variables") or {}), schema):
        if fault.code == UNUSABLE:  # said of the pool
            continue
        message = f"The job template of the work pool {pool.name!r} does not take this: {fault.message}"
        at = ("job_variables", *fault.at)
        told = replace(fault, code="job-variable-type", message=message, hint=fault.hint or _TEMPLATE, at=at)
        draft.problems.append(entry.problem(told))


# The pools themselves


def _pool(draft: _Draft, stem: str, document: Document) -> WorkPool:
    data: Mapping[str, Any] = document.data
    kind = str(data.get("type") or "process")
    types = draft.evidence.templates
    template = data.get("base_job_template")
    if "type" in data and types and kind not in types and not isinstance(template, dict):
        draft.problems.append(
            Problem(
                location=document.locate(("type",)),
                code="pool-type-unknown",
                message=f"{kind!r} is no type of work pool that this Prefect brings a job template for.",
                hint=f"{nearest(kind, types)} For a type of your own give its `base_job_template:`.",
            )
        )
    known = "type" in data and not document.at_fault(("base_job_template",))
    pool = WorkPool(
        name=str(data.get("name") or stem),
        type=kind,
        description=data.get("description"),
        concurrency_limit=data.get("concurrency_limit"),
        is_paused=data.get("is_paused"),
        job_template=template if isinstance(template, dict) else None,
        job_defaults=data.get("job_defaults") or {},
        type_template=types.get(kind, NOTHING) if known else NOTHING,
        queues=tuple(WorkQueue(name=name, **(said or {})) for name, said in (data.get("queues") or {}).items()),
    )
    draft.problems += _same_priority(document, pool)
    draft.problems += _default_problems(document, pool)
    return pool


def _default_problems(document: Document, pool: WorkPool) -> Iterator[Problem]:
    schema = _variables(pool)
    for fault in check_value(dict(pool.job_defaults), schema) if schema else ():
        if fault.code == UNUSABLE:
            yield replace(fault, hint=_TEMPLATE).located(document.locate(("base_job_template",)))
            continue
        message = f"The job template of the type {pool.type!r} does not take this: {fault.message}"
        place = document.locate(("job_defaults", *fault.at))
        yield replace(fault, code="job-default-type", message=message, hint=fault.hint or _TEMPLATE).located(place)


_TEMPLATE = "Write what the job template's variables take; the UI shows them when the pool is edited."


def _variables(pool: WorkPool | None) -> dict[str, Any] | None:
    """The schema of what a pool's template takes; what it requires may come from elsewhere."""
    variables = (pool.job_template or pool.type_template).get("variables") if pool else None
    if not isinstance(variables, Mapping):
        return None
    return {key: value for key, value in variables.items() if key != "required"}


def _same_priority(document: Document, pool: WorkPool) -> Iterator[Problem]:
    seen: dict[int, str] = {}
    for queue in pool.queues:
        if queue.priority is not None and queue.priority in seen:
            yield Problem(
                location=document.locate(("queues", queue.name, "priority")),
                code="queue-priority-twice",
                message=f"The queues {seen[queue.priority]!r} and {queue.name!r} have one priority: {queue.priority}.",
                hint="Within a pool each priority is given once: 1 is served first.",
            )
        if queue.priority is not None:
            seen.setdefault(queue.priority, queue.name)


def _pools_of_one_name(draft: _Draft) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for stem, pool in draft.pools.items():
        if pool.name in seen:
            yield Problem(
                location=draft.repository.pools[stem].locate(("name",)),
                code="pool-twice",
                message=f"The work pool {pool.name!r} is declared twice: also in pools/{seen[pool.name]}.yaml.",
                hint="Keep one of the two files.",
            )
        seen.setdefault(pool.name, stem)

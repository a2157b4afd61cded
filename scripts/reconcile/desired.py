"""Entries -> State, or every Problem at once. Pure: the flows' source texts and the job templates are handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconcile.document import Document
from reconcile.errors import SourceError
from reconcile.layers import Entry, KeyPath, Layer, Repository
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
from reconcile.pull import Source, is_absolute_path
from reconcile.resolve import Code, location_of, nearest
from reconcile.schedule import read_spec
from reconcile.schema import check_value
from reconcile.secrets import secrets_in
from reconcile.signature import Signature, SignatureError, check_parameters, default_flow_name, read_signature

FORBIDDEN_IN_NAMES = frozenset("/%&><")
"""Characters that Prefect refuses in a name, or that break its address."""

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
    warning. `templates` are the job templates of each type of pool.
    """

    texts: Texts = field(default_factory=dict)
    unreadable: Mapping[Source, SourceError | None] = field(default_factory=dict)
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
    signatures: dict[tuple[Source, tuple[str, ...], str], Signature | SignatureError | None] = field(
        default_factory=dict
    )
    unread: dict[Source, list[Code]] = field(default_factory=dict)


def desired(repository: Repository, codes: Iterable[Code], evidence: Evidence) -> Desired:
    """Every pool and deployment that the files declare."""
    draft = _Draft(repository=repository, evidence=evidence)
    declarations: dict[ResourceKey, Declaration] = {}
    for stem, document in sorted(repository.pools.items()):
        pool = _pool(draft, stem, document)
        draft.pools[stem] = pool
        declarations[pool.key] = Declaration(location=Location(file=document.file))
    draft.problems += _pools_of_one_name(draft)
    deployments: dict[str, Deployment] = {}
    entries: dict[str, Entry] = {}
    for code in codes:
        deployment = _deployment(draft, code)
        name = deployment.key.name
        if name in deployments:
            draft.problems += _same_identity(repository, entries[name], code.entry, deployment)
        deployments[name], entries[name] = deployment, code.entry
        scope = code.entry.scope
        declarations[deployment.key] = Declaration(
            location=code.entry.location, area=scope.area, environment=scope.environment
        )
    draft.problems += _unread_warnings(draft)
    pools = {pool.name: pool for pool in draft.pools.values()}
    return Desired(
        state=State(pools=pools, deployments=deployments),
        declarations=declarations,
        entries=entries,
        problems=tuple(draft.problems),
    )


# A deployment


def _deployment(draft: _Draft, code: Code) -> Deployment:
    entry = code.entry
    fields = entry.fields
    name = final_name(entry)
    mark = Mark(
        project=str(draft.repository.project.data.get("name") or "project"),
        area=entry.scope.area,
        environment=entry.scope.environment,
    )
    signature = _signature(draft, code)
    parameters = dict(fields.get("parameters") or {})
    schedules = tuple(_schedules(draft, entry))
    pool = _pool_of(draft, entry)
    for fault in (*_name_faults(name), *_clear_secrets(entry), *_kind_faults(parameters)):
        draft.problems.append(entry.problem(fault))
    if signature is not None:
        _check_parameters(draft, entry, signature, parameters, schedules)
    _check_job_variables(draft, entry, pool)
    return Deployment(
        flow=_flow_name(draft, code, signature, mark, name),
        name=name,
        entrypoint=code.entrypoint,
        pull_steps=code.steps,
        description=fields.get("description"),
        tags=tuple(fields.get("tags") or ()),
        parameters=parameters,
        parameter_schema=signature.parameter_schema if signature else None,
        enforce_parameter_schema=fields.get("enforce_parameter_schema", True),
        work_pool=pool.name if pool else None,
        work_queue=fields.get("work_queue") or DEFAULT_QUEUE,
        job_variables=dict(fields.get("job_variables") or {}),
        schedules=schedules,
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
    if said is None:
        return None
    return ConcurrencyLimit(limit=said) if isinstance(said, int) else ConcurrencyLimit(**said)


def _flow_name(draft: _Draft, code: Code, signature: Signature | None, mark: Mark, name: str) -> str:
    """The flow's name: as pinned, as its source says, as it stands on the server, or as Prefect would name the function."""
    pinned = code.entry.fields.get("flow")
    if isinstance(pinned, str):
        return pinned
    if signature is not None and signature.flow_name is not None:
        return signature.flow_name
    return draft.evidence.known_flow(mark, name) or default_flow_name(code.function)


def _same_identity(repository: Repository, one: Entry, other: Entry, deployment: Deployment) -> Iterator[Problem]:
    """Two entries that would be one deployment, unless their environments are of servers that cannot be one."""
    if _servers(one).isdisjoint(_servers(other)) and _servers(one) and _servers(other):
        return
    yield Problem(
        location=other.location,
        code="deployment-twice",
        message=f"{deployment.key} is declared twice: also at {one.location}. On one server they would overwrite each other.",
        hint='Give the environment a `name:` such as "{name}-dev", or one of the two entries another name.',
    )


def _servers(entry: Entry) -> set[str]:
    urls = entry.scope.rules.data.get("api_url") or []
    return {url.rstrip("/").lower() for url in ([urls] if isinstance(urls, str) else urls)}


def _name_faults(name: str) -> Iterator[Fault]:
    bad = sorted({character for character in name if character in FORBIDDEN_IN_NAMES or not character.isprintable()})
    if bad:
        yield Fault(
            code="name-invalid",
            message=f"The deployment's name {name!r} has characters that Prefect does not take in a name: {' '.join(map(repr, bad))}.",
            hint="Leave them out.",
        )


def _clear_secrets(entry: Entry) -> Iterator[Fault]:
    for at, kind in secrets_in(dict(entry.fields)):
        yield Fault(
            code="secret-in-clear",
            message=f"Here stands {kind} in clear text: whoever reads the repository or the server can use it.",
            hint="Revoke it, keep the new one in a Secret block, and write {{ prefect.blocks.secret.NAME }} in quotes.",
            at=at,
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
        yield Problem(
            location=location_of(codes[0]),
            code="source-unreadable",
            message=f"{message} Entrypoints and parameters of {count} are not checked, and parameter schemas on the server "
            f"stay as they are.{naming}",
            hint=" ".join(filter(None, (hint, "Pin the names with `flow:`." if guessed else ""))),
            severity=Severity.WARNING,
        )


def _some(codes: list[Code]) -> str:
    names = [repr(code.entry.declared) for code in codes]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _check_parameters(
    draft: _Draft, entry: Entry, signature: Signature, parameters: dict[str, Any], schedules: tuple[Schedule, ...]
) -> None:
    scheduled = [schedule for schedule in schedules if schedule.active is not False]
    faults = list(_parameter_faults(entry, signature, parameters, ("parameters",)))
    for schedule in schedules:
        at: KeyPath = ("schedules", schedule.slug or "", "parameters")
        faults += _parameter_faults(entry, signature, dict(schedule.parameters), at)
    for schedule in scheduled:
        together = {**parameters, **schedule.parameters}
        for fault in check_parameters(signature, together, require_all=True):
            if fault.code == "parameter-missing":
                faults.append(
                    Fault(
                        code=fault.code,
                        message=fault.message,
                        hint=fault.hint,
                        at=("schedules", schedule.slug or ""),
                        on_key=True,
                    )
                )
    draft.problems += [entry.problem(fault) for fault in faults]


def _parameter_faults(entry: Entry, signature: Signature, parameters: dict[str, Any], at: KeyPath) -> Iterator[Fault]:
    unknown = check_parameters(signature, parameters, require_all=False)
    for fault in unknown:
        yield Fault(code=fault.code, message=fault.message, hint=fault.hint, at=(*at, *fault.at), on_key=True)
    if entry.fields.get("enforce_parameter_schema") is False:
        return
    schema = {key: value for key, value in signature.parameter_schema.items() if key != "required"}
    for fault in check_value(parameters, schema):
        yield Fault(code="parameter-type", message=fault.message, hint=fault.hint, at=(*at, *fault.at))


# Its schedules


def _schedules(draft: _Draft, entry: Entry) -> Iterator[Schedule]:
    for slug, said in (entry.fields.get("schedules") or {}).items():
        if not {"cron", "interval", "rrule"} & said.keys():
            draft.problems.append(entry.problem(_no_timing(entry, slug, said)))
            continue
        timing, faults = read_spec(said, entry.scope.default_timezone)
        for fault in faults:
            at = ("schedules", slug, *fault.at)
            draft.problems.append(
                entry.problem(
                    Fault(
                        code=fault.code,
                        message=fault.message,
                        hint=fault.hint,
                        at=at,
                        on_key=fault.on_key,
                        severity=fault.severity,
                    )
                )
            )
        if timing is not None:
            yield Schedule(
                slug=slug, timing=timing, parameters=dict(said.get("parameters") or {}), active=said.get("active")
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
    form = entry.scope.rules.data.get("work_pool")
    coherent = _formed(str(form), entry) if form else None
    said = entry.fields.get("work_pool") or coherent
    if not isinstance(said, str):
        fault = Fault(
            code="pool-missing",
            message=f"The deployment {entry.declared!r} has no work pool, and its environment names none.",
            hint="Write `work_pool:` here, or in its environment in environments.yaml.",
        )
        draft.problems.append(entry.problem(fault))
        return None
    if said not in draft.pools:
        draft.problems.append(_undeclared_pool(draft, entry, said))
        return None
    allowed = (entry.scope.rules.data.get("allow_pools") or {}).get(entry.scope.area) or []
    if coherent is not None and said != coherent and said not in allowed:
        draft.problems.append(_incoherent_pool(entry, said, coherent))
    queue = entry.fields.get("work_queue")
    pool = draft.pools[said]
    if isinstance(queue, str) and queue not in {DEFAULT_QUEUE, *(known.name for known in pool.queues)}:
        fault = Fault(
            code="queue-undeclared",
            message=f"The work pool {said!r} has no queue {queue!r}.",
            hint=f"Declare it under `queues:` in pools/{said}.yaml. {nearest(queue, [known.name for known in pool.queues])}",
            at=("work_queue",),
        )
        draft.problems.append(entry.problem(fault))
    return pool


def _undeclared_pool(draft: _Draft, entry: Entry, said: str) -> Problem:
    at: KeyPath = ("work_pool",) if "work_pool" in entry.fields else ()
    hint = f"Declare it in pools/{said}.yaml. {nearest(said, draft.pools)}"
    return entry.problem(Fault(code="pool-undeclared", message=f"No work pool is called {said!r}.", hint=hint, at=at))


def _incoherent_pool(entry: Entry, said: str, coherent: str) -> Problem:
    scope = entry.scope
    return entry.problem(
        Fault(
            code="pool-not-coherent",
            message=f"Deployments of {scope.area} in {scope.environment} run in the work pool {coherent!r}, not in {said!r}.",
            hint="Leave `work_pool` out, or allow it in environments.yaml: "
            f"allow_pools: {{{scope.area}: [{said}]}} under {scope.environment}.",
            at=("work_pool",),
        )
    )


def _check_job_variables(draft: _Draft, entry: Entry, pool: WorkPool | None) -> None:
    template = (pool.job_template or pool.type_template) if pool else None
    variables = (template or {}).get("variables")
    if not isinstance(variables, Mapping):
        return
    schema = {key: value for key, value in variables.items() if key != "required"}
    for fault in check_value(dict(entry.fields.get("job_variables") or {}), schema):
        message = f"The job template of the work pool {pool.name if pool else ''!r} does not take this: {fault.message}"
        at = ("job_variables", *fault.at)
        draft.problems.append(entry.problem(Fault(code="job-variable-type", message=message, hint=fault.hint, at=at)))


# The pools themselves


def _pool(draft: _Draft, stem: str, document: Document) -> WorkPool:
    data: Mapping[str, Any] = document.data
    kind = str(data.get("type") or "process")
    types = draft.evidence.templates
    template = data.get("base_job_template")
    if types and kind not in types and not isinstance(template, dict):
        draft.problems.append(
            Problem(
                location=document.locate(("type",)),
                code="pool-type-unknown",
                message=f"{kind!r} is no type of work pool that this Prefect brings a job template for.",
                hint=f"{nearest(kind, types)} For a type of your own give its `base_job_template:`.",
            )
        )
    for at, secret in secrets_in(dict(data)):
        fault = next(_clear_secrets_at(at, secret))
        draft.problems.append(fault.located(document.locate(at)))
    pool = WorkPool(
        name=str(data.get("name") or stem),
        type=kind,
        description=data.get("description"),
        concurrency_limit=data.get("concurrency_limit"),
        is_paused=data.get("is_paused"),
        job_template=template if isinstance(template, dict) else None,
        job_defaults=data.get("job_defaults") or {},
        type_template=types.get(kind, NOTHING),
        queues=tuple(WorkQueue(name=name, **(said or {})) for name, said in (data.get("queues") or {}).items()),
    )
    draft.problems += _same_priority(document, pool)
    draft.problems += _default_problems(document, pool)
    return pool


def _clear_secrets_at(at: KeyPath, kind: str) -> Iterator[Fault]:
    yield Fault(
        code="secret-in-clear",
        message=f"Here stands {kind} in clear text: whoever reads the repository or the server can use it.",
        hint="Revoke it, keep the new one in a Secret block, and write {{ prefect.blocks.secret.NAME }} in quotes.",
        at=at,
    )


def _default_problems(document: Document, pool: WorkPool) -> Iterator[Problem]:
    variables = (pool.job_template or pool.type_template or {}).get("variables")
    if isinstance(variables, Mapping):
        for fault in check_value(
            dict(pool.job_defaults), {key: value for key, value in variables.items() if key != "required"}
        ):
            yield Problem(
                location=document.locate(("job_defaults", *fault.at)),
                code="job-default-type",
                message=f"The job template of the type {pool.type!r} does not take this: {fault.message}",
                hint=fault.hint,
            )


def _same_priority(document: Document, pool: WorkPool) -> Iterator[Problem]:
    seen: dict[int, str] = {}
    for queue in pool.queues:
        if queue.priority is not None and queue.priority in seen:
            yield Problem(
                location=document.locate(("queues", queue.name, "priority")),
                code="queue-priority-twice",
                message=f"The queues {seen[queue.priority]!r} and {queue.name!r} have the same priority {queue.priority}.",
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


def source_secrets(layers: Iterable[Layer]) -> Iterator[Problem]:
    """Tokens in clear in a layer that no entry shows: a source's address, a named schedule."""
    for layer in layers:
        for at, kind in secrets_in(dict(layer.data)):
            fault = next(_clear_secrets_at(at, kind))
            yield fault.located(layer.document.locate((*layer.at, *at)))


__all__ = [
    "Desired",
    "Evidence",
    "desired",
    "final_name",
    "is_absolute_path",
    "no_flows",
    "source_secrets",
]

"""What was observed on a server -> a draft of what would declare it.

What cannot be declared as it stands is left out whole, with its reason: it stays on the server as it is, nobody's.
Declared by halves, the next apply would take away what the files do not say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reconcile.automations import automation_from
from reconcile.compare import canonical, desired_template, same
from reconcile.keeping import is_kept
from reconcile.model import (
    DEFAULT_QUEUE,
    NOTHING,
    Automation,
    ConcurrencyLimit,
    Cron,
    Deployment,
    GlobalLimit,
    Interval,
    Mark,
    Marked,
    RRule,
    Schedule,
    Secret,
    State,
    Timing,
    Variable,
    WorkPool,
)
from reconcile.moving.draft import (
    DraftEntry,
    DraftNote,
    DraftPool,
    DraftTree,
    Fields,
    Place,
    file_name,
    free_name,
    plain_name,
)
from reconcile.pull import (
    GIT_CLONE,
    SET_WORKING_DIRECTORY,
    GitSource,
    PathSource,
    canonical_entrypoint,
    is_absolute_path,
    is_windows_path,
    pull_steps,
    worker_directory,
)
from reconcile.references import references_in
from reconcile.schedule import read_spec, zone_info
from reconcile.secrets import mask, secrets_in
from reconcile.signature import default_flow_name
from reconcile.trials import trial_of

Steps = Iterable[Mapping[str, Any]]
Areas = Callable[[Deployment], str]

SECRET_TYPES: Final = frozenset({"secret", "github-credentials", "slack-webhook"})
"""The types of blocks that can be declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What of a server is wanted, and what is known of the tree that it comes into.

    `takes` says of a deployment whether it is picked; `partial`: only some are, and of the rest what they use.
    `form` is how the environment makes names; `declared` the names of everything that the files declare already, by
    kind; `keys` those taken in each file; `taken` the names of files of pools that are taken for other reasons;
    `templates` the job template of each type of pool.
    """

    project: str
    environment: str
    areas: Areas
    zone: str
    form: str = "{name}"
    takes: Callable[[Deployment], bool] = lambda _: True
    partial: bool = False
    declared: Mapping[str, Collection[str]] = field(default_factory=dict)
    keys: Mapping[Place, Collection[str]] = field(default_factory=dict)
    stems: Mapping[str, str] = field(default_factory=dict)
    """The files of work pools that are there, by the pools' names: files name pools by their files."""
    taken: Collection[str] = ()
    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    left_out: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """What turned out not to be declarable, by its kind and name, and why."""
    blocks: Collection[str] = ()
    """The names of the server's blocks: a value that is one of them names a secret, and holds none."""

    def holds_a_secret(self, value: Any) -> bool:
        """Whether a value holds what looks like a secret, by itself or by the key that it stands under."""
        plain = _without(value, self.blocks)
        return not same(mask(plain), plain)

    def has(self, kind: str, name: str) -> bool:
        """Whether the files declare it already."""
        return name in self.declared.get(kind, ())


def _without(value: Any, names: Collection[str]) -> Any:
    """The value with an empty text wherever one of the names stands."""
    if isinstance(value, Mapping):
        return {key: _without(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without(item, names) for item in value]
    return "" if isinstance(value, str) and value in names else value


class _LeftOutError(Exception):
    """Why something cannot be declared as it stands."""


def from_state(state: State, wish: Wish) -> DraftTree:
    """The draft of everything on a server that is wanted, can be declared, and is not yet."""
    notes: list[DraftNote] = []
    wish = replace(wish, blocks=frozenset({*state.secrets, *(one.name for one in state.secrets.values())}))
    stems = _stems(state, wish)
    entries, chosen = _entries(state, wish, stems, notes)
    used = _Used.of(chosen, entries) if wish.partial else None
    notes += _of_trials(state, wish)
    return DraftTree(
        entries=tuple(entries),
        pools=_pools(state, wish, used, stems, notes),
        variables=_variables(state, wish, used, notes),
        secrets=_secrets(state, wish, used, notes),
        limits=_limits(state, wish, used, notes),
        automations=_automations(state, wish, used, notes),
        notes=tuple(notes),
    )


def favourite_zone(state: State) -> str:
    """The time zone that most schedules are in, UTC aside, which nobody means for a whole repository."""
    zones = Counter(
        schedule.timing.timezone
        for deployment in state.deployments.values()
        for schedule in deployment.schedules
        if schedule.timing.timezone != "UTC" and zone_info(schedule.timing.timezone) is not None
    )
    return min(zones, key=lambda zone: (-zones[zone], zone), default="UTC")


def _is_of_others(one: Marked, wish: Wish) -> bool:
    return one.mark is not None and one.mark.project != wish.project


def code_key(name: str, entrypoint: str | None) -> str:
    """What tells a deployment whose flow's name is not known: its name and its code."""
    return f"{name}\n{canonical_entrypoint(entrypoint or '')}"


# ---------------------------------------------------------------- deployments


def _stems(state: State, wish: Wish) -> dict[str, str]:
    """The file of each work pool, by the pool's name."""
    stems = dict(wish.stems)
    for name in sorted(state.pools.keys() - stems.keys()):
        stems[name] = free_name(file_name(name, "pool"), {*stems.values(), *wish.taken, "logging"})
    return stems


def _entries(
    state: State, wish: Wish, stems: Mapping[str, str], notes: list[DraftNote]
) -> tuple[list[DraftEntry], list[Deployment]]:
    taken: dict[Place, set[str]] = {place: set(keys) for place, keys in wish.keys.items()}
    entries: list[DraftEntry] = []
    chosen: list[Deployment] = []
    for name, one in sorted(state.deployments.items(), key=lambda pair: (pair[1].name, pair[0])):
        if not wish.takes(one) or trial_of(one) is not None or _is_declared(name, one, wish):
            continue
        if _is_of_others(one, wish):
            assert one.mark is not None
            message = f"It belongs to the project {one.mark.project!r}, whose files declare it."
            notes.append(DraftNote(code="other-project", key=name, message=message, left_out=True))
            continue
        try:
            if ("deployment", name) in wish.left_out:
                raise _LeftOutError(wish.left_out["deployment", name])
            entry = _entry(one, wish, stems, taken)
        except _LeftOutError as error:
            notes.append(DraftNote(code="not-declarable", key=name, message=str(error), left_out=True))
            continue
        notes += (DraftNote(code="not-kept", key=name, message=comment) for comment in entry.comments)
        taken.setdefault(entry.place, set()).add(entry.key)
        entries.append(entry)
        chosen.append(one)
    return entries, chosen


def _entry(one: Deployment, wish: Wish, stems: Mapping[str, str], taken: Mapping[Place, Collection[str]]) -> DraftEntry:
    area = wish.areas(one)
    declared = _without_form(one.name, wish.form, area, wish.environment)
    key, named = declared, {}
    if declared in taken.get((area, wish.environment), ()):
        key = _other_key(f"{declared} ({one.flow})", taken[area, wish.environment])
        named = {"name": declared}
    _refuse_secrets(one, wish)
    fields = {**_code(one), **named, **_when(one, wish.zone), **_how(one, stems)}
    return DraftEntry(
        area=area,
        environment=wish.environment,
        key=key,
        fields=fields,
        identity=one.key.name,
        comments=tuple(_not_kept(one)),
    )


def _is_declared(name: str, one: Deployment, wish: Wish) -> bool:
    return wish.has("deployment", name) or wish.has("code", code_key(one.name, one.entrypoint))


def _of_trials(state: State, wish: Wish) -> Iterator[DraftNote]:
    """That copies which try a branch stand there too. They go by themselves, and no file declares them."""
    number = sum(wish.takes(one) and trial_of(one) is not None for one in state.deployments.values())
    if number:
        key = f"{number} trial {'copy' if number == 1 else 'copies'}"
        yield DraftNote(code="trials", key=key, message="Not imported; try --list shows them.")


def _other_key(key: str, taken: Collection[str]) -> str:
    number = 2
    while key in taken:
        key = f"{key} {number}"
        number += 1
    return key


def _without_form(name: str, form: str, area: str, environment: str) -> str:
    """The declared name that the environment's form makes this one of."""
    before, found, after = form.replace("{area}", area).replace("{environment}", environment).partition("{name}")
    inner = name[len(before) : len(name) - len(after)]
    if not found or "{name}" in after or f"{before}{inner}{after}" != name or not inner:
        raise _LeftOutError(f"Names of the environment {environment} have the form {form!r}, and this one has not.")
    return inner


def _refuse_secrets(one: Deployment, wish: Wish) -> None:
    """What looks like a secret must not be written into a file, where everybody who reads the repository sees it."""
    said = {
        "parameters": one.parameters,
        "job_variables": one.job_variables,
        "description": one.description,
        "pull steps": [dict(step) for step in one.pull_steps],
        "schedules": {str(index): dict(each.parameters) for index, each in enumerate(one.schedules)},
    }
    for name, value in said.items():
        if wish.holds_a_secret(value):
            raise _LeftOutError(
                f"Its {name} hold what looks like a secret in clear text; keep it in a Secret block, and name the "
                "block in its place."
            )


def _code(one: Deployment) -> dict[str, Any]:
    if not one.entrypoint:
        raise _LeftOutError("It has no entrypoint, so nothing says what it runs.")
    if not one.work_pool:
        raise _LeftOutError("It has no work pool, as what `serve` runs has none, and every deployment here names one.")
    entrypoint = canonical_entrypoint(one.entrypoint)
    fields: dict[str, Any] = {"entrypoint": entrypoint}
    if one.flow != default_flow_name(re.split(r"[:.]", entrypoint)[-1]):
        fields["flow"] = one.flow
    if one.description:
        fields["description"] = one.description
    source = source_of(one.pull_steps)
    if source is not None:
        return {**fields, "source": source}
    return {**fields, "pull": in_order([dict(step) for step in one.pull_steps])}


def in_order(value: Any) -> Any:
    """A value with the keys of its mappings in one order: servers keep them in orders of their own."""
    if isinstance(value, Mapping):
        return {key: in_order(value[key]) for key in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list | tuple) else value


def source_of(steps: Steps) -> dict[str, Any] | None:
    """The source that a worker with these pull steps takes the code from; None where no short form says the same."""
    given = [dict(step) for step in steps]
    if len(given) != 1 or len(given[0]) != 1:
        return None
    function, inputs = next(iter(given[0].items()))
    if not isinstance(inputs, Mapping):
        return None
    if function == SET_WORKING_DIRECTORY:
        return _folder(inputs)
    source = _git(inputs) if function == GIT_CLONE else None
    if source is None or not same(pull_steps(source, root=None), given):
        return None
    token = {
        name: said
        for name, said in (("secret", source.secret), ("github_credentials", source.github_credentials))
        if said
    }
    said = {
        "git": source.url,
        "branch": source.branch,
        "commit": source.commit,
        "token": token or None,
        "directories": list(source.directories) or None,
        "include_submodules": source.include_submodules or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _folder(inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    directory = inputs.get("directory")
    if set(inputs) != {"directory"} or not isinstance(directory, str) or not is_absolute_path(directory):
        return None
    path = worker_directory(directory)
    source = PathSource(path=path.replace("\\", "/") if is_windows_path(path) else path)
    return {"path": source.path}


def _git(inputs: Mapping[str, Any]) -> GitSource | None:
    url, branch, directories = inputs.get("repository"), inputs.get("branch"), inputs.get("directories")
    if not isinstance(url, str) or not (branch is None or isinstance(branch, str)):
        return None
    commit = inputs.get("commit_sha")
    credentials = inputs.get("credentials")
    inner = credentials.get("access_token") if isinstance(credentials, Mapping) else None
    return GitSource(
        url=url,
        branch=branch,
        commit=commit if isinstance(commit, str) else None,
        secret=_block_named(inner, "secret"),
        github_credentials=_block_named(credentials, "github-credentials"),
        directories=tuple(map(str, directories)) if isinstance(directories, list) else (),
        include_submodules=inputs.get("include_submodules") is True,
    )


def _block_named(value: object, block_type: str) -> str | None:
    if not isinstance(value, str):
        return None
    match = re.fullmatch(rf"\{{\{{ prefect\.blocks\.{block_type}\.([a-z0-9-]+) \}}\}}", value)
    return match[1] if match else None


def fields_of(one: Deployment, zone: str, stems: Mapping[str, str]) -> dict[str, Any]:
    """What an entry says of a deployment as it stands, its code aside. Raises UndeclarableError."""
    description = {"description": one.description} if one.description else {}
    try:
        return {**description, **_how(one, stems), **_when(one, zone)}
    except _LeftOutError as error:
        raise UndeclarableError(str(error)) from None


class UndeclarableError(Exception):
    """What no key of ours says."""


def _how(one: Deployment, stems: Mapping[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "parameters": in_order(one.parameters) or None,
        "tags": list(dict.fromkeys(one.tags)) or None,
        "work_pool": stems.get(one.work_pool, one.work_pool) if one.work_pool else None,
        "work_queue": one.work_queue if one.work_queue != DEFAULT_QUEUE else None,
        "job_variables": in_order(one.job_variables) or None,
        "concurrency_limit": _limit(one.concurrency_limit),
        "enforce_parameter_schema": None if one.enforce_parameter_schema else False,
        "paused": True if one.paused else None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _limit(limit: ConcurrencyLimit | None) -> Any:
    if limit is None:
        return None
    own: dict[str, Any] = {"shared": limit.shared} if limit.shared else {"limit": limit.limit}
    if limit.collision_strategy != "ENQUEUE":
        own["collision_strategy"] = limit.collision_strategy
    if limit.grace_period_seconds is not None:
        own["grace_period_seconds"] = limit.grace_period_seconds
    return limit.limit if own.keys() == {"limit"} else own


def _not_kept(one: Deployment) -> Iterator[str]:
    """What no key says. Prefect reads a deployment's path only where it has no pull steps."""
    if one.path is not None and one.pull_steps:
        yield f"Its path on the server, {one.path!r}, which nobody reads beside pull steps, is not kept."
    elif one.path is not None:
        raise _LeftOutError(f"Its code is at the path {one.path!r}, without pull steps, which no key says.")


# ---------------------------------------------------------------- schedules


def _when(one: Deployment, zone: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    named = sorted((each for each in one.schedules if each.slug), key=lambda each: each.slug or "")
    nameless = [(each, _spec(each, zone)) for each in one.schedules if not each.slug]
    for schedule in named:
        found[schedule.slug or ""] = _spec(schedule, zone)
    for schedule, spec in sorted(nameless, key=lambda pair: (slug_of(pair[0].timing), canonical(pair[1]))):
        found[free_name(slug_of(schedule.timing), found)] = spec
    return {"schedules": found} if found else {}


def _spec(schedule: Schedule, default_zone: str) -> dict[str, Any]:
    timing = schedule.timing
    zone: dict[str, Any] = {} if timing.timezone == default_zone else {"timezone": timing.timezone}
    if timing.timezone == "UTC":
        zone = {"timezone": "UTC", "allow_utc": True}
    for form in _forms(timing):
        spec = {**form, **zone}
        if read_spec(spec, default_zone)[0] == timing:
            own: dict[str, Any] = {} if schedule.active else {"active": False}
            return {**spec, **own, **({"parameters": in_order(schedule.parameters)} if schedule.parameters else {})}
    faults = read_spec({**next(_forms(timing)), **zone}, default_zone)[1]
    why = faults[0].message if faults else "no form says it as the server has it"
    raise _LeftOutError(f"Its schedule {schedule.slug or slug_of(timing)!r} cannot be declared: {why}.")


def _forms(timing: Timing) -> Iterator[dict[str, Any]]:
    """The ways to write a timing, the shortest first."""
    match timing:
        case Cron():
            yield {"cron": timing.cron, **({} if timing.day_or else {"day_or": False})}
            yield {"cron": timing.cron, "day_or": timing.day_or}
        case Interval():
            every = span_of(timing.seconds)
            yield {"interval": every, "anchor_date": timing.anchor[:19]}
            yield {"interval": every, "anchor_date": timing.anchor[:26]}
            yield {"interval": every, "anchor_date": timing.anchor}
        case RRule():
            start = re.fullmatch(r"DTSTART:(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\n(.*)", timing.rrule, re.DOTALL)
            if start is not None:
                year, month, day, hour, minute, second, rule = start.groups()
                at = f"{year}-{month}-{day}T{hour}:{minute}:{second}"
                yield {"rrule": rule.removeprefix("RRULE:"), "start": at}
                yield {"rrule": rule, "start": at}
            yield {"rrule": timing.rrule}


_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60))


def span_of(seconds: float) -> Any:
    """Seconds as a person writes them."""
    if seconds != int(seconds):
        return seconds
    whole = int(seconds)
    if not whole:
        return 0
    return next((f"{whole // size}{unit}" for unit, size in _UNITS if whole % size == 0), whole)


_DAYS: Final = {
    "* * *": "daily", "* * 1-5": "weekdays", "* * MON-FRI": "weekdays", "* * 0": "sundays", "* * 1": "mondays",
    "* * 2": "tuesdays", "* * 3": "wednesdays", "* * 4": "thursdays", "* * 5": "fridays", "* * 6": "saturdays",
    "* * 7": "sundays", "1 * *": "monthly",
}  # fmt: skip


def slug_of(timing: Timing) -> str:
    """A name for a schedule that has none: the same for the same timing, whoever has it."""
    return f"{_slug_of(timing)}-utc" if timing.timezone == "UTC" else _slug_of(timing)


def _slug_of(timing: Timing) -> str:
    match timing:
        case Cron():
            minute, _, rest = timing.cron.partition(" ")
            hour, _, days = rest.partition(" ")
            if minute.isdigit() and hour.isdigit() and days in _DAYS:
                return f"{_DAYS[days]}-{int(hour):02}-{int(minute):02}"
            return "cron-" + plain_name(timing.cron.replace("*", "x"), "x")
        case Interval():
            return f"every-{plain_name(str(span_of(timing.seconds)))}"
        case RRule():
            frequency = re.search(r"FREQ=([A-Z]+)", timing.rrule)
            return f"rule-{frequency[1].lower()}" if frequency else "rule"


# ---------------------------------------------------------------- the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Used:
    """What the picked deployments use of the other kinds."""

    pools: frozenset[str]
    variables: frozenset[str]
    blocks: frozenset[str]
    limits: frozenset[str]
    keys: frozenset[str]

    @classmethod
    def of(cls, chosen: Iterable[Deployment], entries: Iterable[DraftEntry]) -> _Used:
        deployments = list(chosen)
        values = [
            [dict(one.parameters), dict(one.job_variables), [dict(step) for step in one.pull_steps]]
            for one in deployments
        ]
        references = list(references_in(values))
        limits = (one.concurrency_limit for one in deployments)
        return cls(
            pools=frozenset(one.work_pool for one in deployments if one.work_pool),
            variables=frozenset(each.variable for each in references if each.variable),
            blocks=frozenset(each.block for each in references if each.block),
            limits=frozenset(limit.shared for limit in limits if limit and limit.shared),
            keys=frozenset(entry.identity for entry in entries),
        )


def _left_out(kind: str, name: str, wish: Wish, notes: list[DraftNote]) -> bool:
    why = wish.left_out.get((kind, name))
    if why is not None:
        notes.append(DraftNote(code="not-declarable", key=name, message=why, left_out=True))
    return why is not None


def _variables(state: State, wish: Wish, used: _Used | None, notes: list[DraftNote]) -> dict[str, Fields]:
    found: dict[str, Fields] = {}
    for name, one in sorted(state.variables.items()):
        if wish.has("variable", name) or is_kept(name) or _is_of_others(one, wish):
            continue
        if (used is not None and name not in used.variables) or _left_out("variable", name, wish, notes):
            continue
        if wish.holds_a_secret({name: one.value}):
            message = "Its value looks like a secret in clear text; keep it in a Secret block."
            notes.append(DraftNote(code="secret-in-clear", key=name, message=message, left_out=True))
            continue
        found[name] = _variable(one)
    return found


def _variable(one: Variable) -> dict[str, Any]:
    return {"value": in_order(one.value), **({"tags": list(dict.fromkeys(one.tags))} if one.tags else {})}


def _secrets(state: State, wish: Wish, used: _Used | None, notes: list[DraftNote]) -> dict[str, Fields]:
    found: dict[str, Fields] = {}
    for block, one in sorted(state.secrets.items(), key=lambda pair: (pair[1].name, pair[1].block_type != "secret")):
        if wish.has("secret", one.name) or one.block_type not in SECRET_TYPES:
            continue
        if (used is not None and block not in used.blocks) or _left_out("secret", one.name, wish, notes):
            continue
        if one.name in found:
            message = f"A block of another type has the same name, and of one name one can be declared: {block}."
            notes.append(DraftNote(code="not-declarable", key=block, message=message, left_out=True))
            continue
        found[one.name] = _secret(one)
    return found


def _secret(one: Secret) -> dict[str, Any]:
    return {} if one.block_type == "secret" else {"type": one.block_type}


def _limits(state: State, wish: Wish, used: _Used | None, notes: list[DraftNote]) -> dict[str, Fields]:
    return {
        name: _global_limit(one)
        for name, one in sorted(state.limits.items())
        if not wish.has("concurrency-limit", name)
        and (used is None or name in used.limits)
        and not _left_out("concurrency-limit", name, wish, notes)
    }


def _global_limit(one: GlobalLimit) -> dict[str, Any]:
    decay = one.slot_decay_per_second
    return {"limit": one.limit, **({"slot_decay_per_second": decay} if decay else {})}


def _automations(state: State, wish: Wish, used: _Used | None, notes: list[DraftNote]) -> dict[str, Fields]:
    found: dict[str, Fields] = {}
    for name, one in sorted(state.automations.items()):
        if wish.has("automation", name) or _is_of_others(one, wish):
            continue
        text = canonical([one.trigger, *one.actions, *one.actions_on_trigger, *one.actions_on_resolve])
        if used is not None and not any(key in text for key in used.keys):
            continue
        if _left_out("automation", name, wish, notes):
            continue
        said = automation_fields(one)
        if said is None or name.endswith(f" ({one.id})"):
            why = "another one has the same name" if said is not None else "no form says it as the server has it"
            message = f"The automation cannot be declared: {why}."
            notes.append(DraftNote(code="not-declarable", key=name, message=message, left_out=True))
        elif wish.holds_a_secret(said):
            message = "It holds what looks like a secret in clear text."
            notes.append(DraftNote(code="secret-in-clear", key=name, message=message, left_out=True))
        else:
            found[name] = said
    return found


def automation_fields(one: Automation) -> dict[str, Any] | None:
    """An automation as a person would declare it; None where that would be read as another."""
    said: dict[str, Any] = {
        "description": one.description or None,
        "enabled": None if one.enabled else False,
        "tags": list(dict.fromkeys(one.tags)) or None,
        "trigger": _trigger(one.trigger),
        "actions": [_action(each) for each in one.actions],
        "actions_on_trigger": [_action(each) for each in one.actions_on_trigger] or None,
        "actions_on_resolve": [_action(each) for each in one.actions_on_resolve] or None,
    }
    said = {name: value for name, value in said.items() if value is not None}
    again = automation_from(one.name, said, _NOBODYS)
    alike = all(
        same(getattr(again, name), getattr(one, name))
        for name in ("trigger", "actions", "actions_on_trigger", "actions_on_resolve", "enabled")
    )
    return said if alike else None


_NOBODYS: Final = Mark(project="x", area="x", environment="x")
_SILENT: Final[Mapping[str, Any]] = {"match": {}, "match_related": {}, "after": [], "for_each": [], "threshold": 1}
"""What a trigger of events need not say."""


def _trigger(trigger: Mapping[str, Any]) -> dict[str, Any]:
    if "triggers" in trigger:
        kept = {name: trigger[name] for name in ("type", "require", "within") if trigger.get(name) is not None}
        if "within" in kept:
            kept["within"] = span_of(kept["within"])
        return {**kept, "triggers": [_trigger(each) for each in trigger["triggers"]]}
    order = ("type", "posture", "expect", "after", "for_deployment", "match", "match_related", "for_each", "threshold")
    said = {**_with_deployment(trigger), "within": span_of(trigger.get("within") or 0)}
    silent = {**_SILENT, "within": 0 if trigger.get("posture") == "Reactive" else 10}
    if not said.get("expect"):
        said.pop("expect", None)
    return {
        name: in_order(said[name])
        for name in (*order, "within")
        if name in said and not (name in silent and same(silent[name], said[name]))
    }


def _with_deployment(trigger: Mapping[str, Any]) -> dict[str, Any]:
    """The trigger with `for_deployment` in place of the labels that it is short for."""
    related = trigger.get("match_related")
    ids = related.get("prefect.resource.id") if isinstance(related, Mapping) else None
    if not isinstance(related, Mapping) or set(related) != {"prefect.resource.id", "prefect.resource.role"}:
        return dict(trigger)
    if related["prefect.resource.role"] != "deployment":
        return dict(trigger)
    names = [str(each).removeprefix("prefect.deployment.") for each in (ids if isinstance(ids, list) else [ids])]
    if not all("/" in name for name in names):
        return dict(trigger)
    return {**trigger, "match_related": {}, "for_deployment": names[0] if len(names) == 1 else names}


_ACTION_DEFAULTS: Final[Mapping[str, Any]] = {
    "source": "selected", "schedule_after": 0, "force": False, "subject": "Prefect automated notification",
    "payload": "",
}  # fmt: skip


def _action(action: Mapping[str, Any]) -> dict[str, Any]:
    kept = {
        name: value
        for name, value in action.items()
        if value is not None and not (name in _ACTION_DEFAULTS and same(value, _ACTION_DEFAULTS[name]))
    }
    if "schedule_after" in kept:
        kept["schedule_after"] = span_of(kept["schedule_after"])
    return {"type": kept.pop("type"), **in_order(kept)}


# ---------------------------------------------------------------- work pools


def _pools(
    state: State, wish: Wish, used: _Used | None, stems: Mapping[str, str], notes: list[DraftNote]
) -> dict[str, DraftPool]:
    found: dict[str, DraftPool] = {}
    for name, pool in sorted(state.pools.items()):
        if wish.has("work-pool", name) or (used is not None and name not in used.pools):
            continue
        if _left_out("work-pool", name, wish, notes):
            continue
        if _holds_a_secret(pool, wish):
            message = "Its job template holds what looks like a secret in clear text; name a Secret block in its place."
            notes.append(DraftNote(code="secret-in-clear", key=name, message=message, left_out=True))
            continue
        if not pool.job_template and pool.type in wish.templates:
            message = "It has no job template, as no worker can use it; apply gives it that of its type."
            notes.append(DraftNote(code="not-kept", key=name, message=message))
        found[stems[name]] = _pool(pool, stems[name], wish.templates)
    return found


def _holds_a_secret(pool: WorkPool, wish: Wish) -> bool:
    """Whether a job template does. That a variable of it is called after a secret is no reason: its default is."""
    template = pool.job_template or {}
    properties = _properties(template)
    defaults = {name: each.get("default") for name, each in properties.items() if isinstance(each, Mapping)}
    return any(True for _ in secrets_in(template)) or wish.holds_a_secret(defaults)


def _pool(pool: WorkPool, stem: str, templates: Mapping[str, Mapping[str, Any]]) -> DraftPool:
    said: dict[str, Any] = {
        "name": pool.name if pool.name != stem else None,
        "type": pool.type,
        "description": pool.description or None,
        "concurrency_limit": pool.concurrency_limit,
        "is_paused": True if pool.is_paused else None,
        "queues": _queues(pool) or None,
    }
    standard = templates.get(pool.type, NOTHING)
    defaults = _job_defaults(pool, standard)
    if defaults:
        said["job_defaults"] = defaults
    whole = dict(pool.job_template or {}) if defaults is None and pool.job_template else None
    fields = {name: value for name, value in said.items() if value is not None}
    return DraftPool(fields=fields, template=whole)


def _queues(pool: WorkPool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for queue in pool.queues:
        said = {
            "priority": queue.priority if queue.name != DEFAULT_QUEUE or queue.priority != 1 else None,
            "concurrency_limit": queue.concurrency_limit,
            "description": (queue.description or None) if queue.name != DEFAULT_QUEUE else None,
        }
        said = {name: value for name, value in said.items() if value is not None}
        if queue.name != DEFAULT_QUEUE or said:
            found[queue.name] = said
    return found


def _job_defaults(pool: WorkPool, standard: Mapping[str, Any]) -> dict[str, Any] | None:
    """What lays the pool's template over its type's; None where that takes a template of its own."""
    properties = _properties(pool.job_template or {})
    usual = _properties(standard)
    changed = {
        name: in_order(each["default"])
        for name, each in sorted(properties.items())
        if isinstance(each, Mapping) and "default" in each and not same(each, usual.get(name, NOTHING))
    }
    trial = WorkPool(name=pool.name, type=pool.type, job_defaults=changed, type_template=standard)
    return changed if same(desired_template(trial, None), pool.job_template or {}) else None


def _properties(template: Mapping[str, Any]) -> Mapping[str, Any]:
    variables = template.get("variables")
    properties = variables.get("properties") if isinstance(variables, Mapping) else None
    return properties if isinstance(properties, Mapping) else NOTHING

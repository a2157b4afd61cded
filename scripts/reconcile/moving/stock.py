"""What is declared -> one prefect.yaml for Prefect's own command line, and what has to be said beside it.

`prefect deploy` fills in every `{{ … }}` of a deployment before it is sent: a block's secret would be stored in clear
text, and what it does not know is cut out. So a value with braces in it is handed through a build step, whose output is
put in last and looked at no more: `json.loads`, of a text in which the braces are written by their number.

Pools, queues, limits and variables have no place in prefect.yaml: they are commands of Prefect's.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from reconcile.building import Recipe
from reconcile.compare import canonical, desired_template
from reconcile.model import DEFAULT_QUEUE, Cron, Deployment, Interval, RRule, Schedule, State, WorkPool
from reconcile.moving.emit import block

LITERAL: Final = "literal"
"""The id of the build step that hands values through."""

_PLACEHOLDER: Final = re.compile(r"{{\s*(?P<name>[\w.\-\[\]$]+)\s*}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What Prefect's own files cannot say of something, or say otherwise."""

    code: str
    message: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The file, the job templates beside it by their names, the commands that go before it, and what is not in it."""

    text: str
    templates: Mapping[str, str]
    commands: tuple[tuple[str, ...], ...]
    remarks: tuple[Remark, ...]

    @property
    def files(self) -> dict[str, str]:
        """Every file, by its path."""
        return {"prefect.yaml": self.text, **self.templates}


@dataclass(slots=True)
class _Literals:
    """The values that Prefect must not fill in."""

    values: dict[str, Any] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def kept(self, value: Any, ids: AbstractSet[str] = frozenset()) -> Any:
        """The value as it is written, whatever has braces in it by the name that the build step gives it.

        What the steps of these `ids` give is filled in.
        """
        if isinstance(value, Mapping):
            if "$ref" in value:
                return self._named(value)
            return {key: self.kept(item, ids) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.kept(item, ids) for item in value]
        return self._text(value, ids) if isinstance(value, str) else value

    def _text(self, text: str, ids: AbstractSet[str]) -> str:
        given = [match["name"].partition(".")[0] in ids for match in _PLACEHOLDER.finditer(text)]
        if any(given):
            others = iter(given)
            return _PLACEHOLDER.sub(lambda match: match[0] if next(others) else self._named(match[0]), text)
        return self._named(text) if given else text

    def _named(self, value: Any) -> str:
        text = canonical(value)
        name = self._names.setdefault(text, f"v{len(self._names) + 1}")
        self.values[name] = value
        return f"{{{{ {LITERAL}.{name} }}}}"

    def step(self) -> dict[str, Any] | None:
        if not self.values:
            return None
        text = json.dumps(self.values, ensure_ascii=False).replace("{{", "\\u007b\\u007b")
        return {"json.loads": {"id": LITERAL, "s": text}}


def exported(project: str, version: str, state: State, recipes: Mapping[str, Recipe]) -> Exported:
    """The selected state for Prefect's own command line. `recipes`: the build and push steps, by `flow/name`."""
    templates = {f"pools/{_file_name(name)}.json": pool for name, pool in sorted(state.pools.items())}
    commands = tuple(_commands(state, {pool.name: path for path, pool in templates.items()}))
    taken = [one for _, one in sorted(state.deployments.items()) if one.work_pool]
    literals = _Literals()
    common = _most_common_pull([one for one in taken if one.key.name not in recipes])
    written = [_deployment(one, common, recipes.get(one.key.name, Recipe()), literals) for one in taken]
    head: dict[str, Any] = {"name": project, "prefect-version": version}
    literal = literals.step()
    if literal is not None:
        head["build"] = [literal]
        written = [_with_literal(one, literal) for one in written]
    if common is not None:
        head["pull"] = [dict(step) for step in common]
    remarks = tuple(_remarks(state))
    body = block({**head, "deployments": written})
    comments = _comments(commands, remarks, body, has_literal=literal is not None)
    return Exported(
        text="".join(f"{line}\n" for line in comments) + body,
        templates={
            path: json.dumps(desired_template(pool, None), ensure_ascii=False, indent=2) + "\n"
            for path, pool in templates.items()
        },
        commands=commands,
        remarks=remarks,
    )


def _file_name(name: str) -> str:
    return re.sub(r"[^\w-]+", "-", name).strip("-").lower() or "pool"


def _with_literal(one: dict[str, Any], literal: Mapping[str, Any]) -> dict[str, Any]:
    """A deployment's own build steps take the place of those of the file."""
    return {**one, "build": [dict(literal), *one["build"]]} if "build" in one else one


def _most_common_pull(deployments: Iterable[Deployment]) -> tuple[Mapping[str, Any], ...] | None:
    """The pull steps of most: they stand once. Those are not looked at for blocks, as a deployment's own ones are.

    Steps that give each other something are each deployment's own.
    """
    pulls = [one.pull_steps for one in deployments if not Recipe(build=one.pull_steps).ids]
    counted = Counter(canonical(pull) for pull in pulls)
    if not counted:
        return None
    most = max(sorted(counted), key=lambda text: counted[text])
    return next(pull for pull in pulls if canonical(pull) == most)


def _deployment(
    one: Deployment, common: Sequence[Mapping[str, Any]] | None, recipe: Recipe, literals: _Literals
) -> dict[str, Any]:
    said: dict[str, Any] = {"name": one.name, "entrypoint": one.entrypoint}
    if one.description:
        said["description"] = one.description
    if one.tags:
        said["tags"] = list(one.tags)
    if one.parameters:
        said["parameters"] = dict(one.parameters)
    said["enforce_parameter_schema"] = one.enforce_parameter_schema
    said["paused"] = bool(one.paused)
    limit = one.concurrency_limit
    if limit is not None and not limit.shared:
        grace = {} if limit.grace_period_seconds is None else {"grace_period_seconds": limit.grace_period_seconds}
        said["concurrency_limit"] = {"limit": limit.limit, "collision_strategy": limit.collision_strategy, **grace}
    pool: dict[str, Any] = {"name": one.work_pool, "work_queue_name": one.work_queue}
    if one.job_variables:
        pool["job_variables"] = dict(one.job_variables)
    said["work_pool"] = pool
    if one.schedules:
        said["schedules"] = [_schedule(schedule) for schedule in one.schedules]
    kept: dict[str, Any] = literals.kept(said, recipe.ids)
    if common is None or canonical(one.pull_steps) != canonical(common):
        # What pull steps give each other is filled in at each run.
        kept["pull"] = literals.kept(one.pull_steps, recipe.ids - Recipe(build=one.pull_steps).ids)
    # Steps are the person's own: what stands in them is to be filled in.
    own = {"build": recipe.build, "push": recipe.push}
    return {**kept, **{name: [*map(dict, steps)] for name, steps in own.items() if steps}}


def _schedule(schedule: Schedule) -> dict[str, Any]:
    said: dict[str, Any] = {"slug": schedule.slug} if schedule.slug else {}
    match schedule.timing:
        case Cron() as cron:
            said |= {"cron": cron.cron, "timezone": cron.timezone, "day_or": cron.day_or}
        case Interval() as interval:
            said |= {"interval": interval.seconds, "anchor_date": interval.anchor, "timezone": interval.timezone}
        case RRule() as rule:
            said |= {"rrule": rule.rrule, "timezone": rule.timezone}
    if schedule.active is not None:
        said["active"] = schedule.active
    if schedule.parameters:
        said["parameters"] = dict(schedule.parameters)
    return said


# ---------------------------------------------------------------- what goes before


def _commands(state: State, templates: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    for name, pool in sorted(state.pools.items()):
        yield from _pool_commands(pool, templates[name])
    for name, limit in sorted(state.limits.items()):
        decay = limit.slot_decay_per_second
        more = ("--slot-decay-per-second", str(decay)) if decay else ()
        yield ("prefect", "global-concurrency-limit", "create", name, "--limit", str(limit.limit), *more)
    for name, variable in sorted(state.variables.items()):
        tags = (word for tag in variable.tags for word in ("--tag", tag))
        yield ("prefect", "variable", "set", name, json.dumps(variable.value, ensure_ascii=False), *tags)


def _pool_commands(pool: WorkPool, template: str) -> Iterator[tuple[str, ...]]:
    paused = ("--paused",) if pool.is_paused else ()
    yield (
        "prefect", "work-pool", "create", pool.name, "--type", pool.type, "--base-job-template", template, *paused,
    )  # fmt: skip
    more: list[str] = ["--description", pool.description] if pool.description else []
    if pool.concurrency_limit is not None:
        more += ["--concurrency-limit", str(pool.concurrency_limit)]
    if more:
        yield ("prefect", "work-pool", "update", pool.name, *more)
    for queue in sorted(pool.queues, key=lambda queue: (queue.priority or 10**9, queue.name)):
        if queue.name == DEFAULT_QUEUE:
            continue
        limit = () if queue.concurrency_limit is None else ("--limit", str(queue.concurrency_limit))
        priority = () if queue.priority is None else ("--priority", str(queue.priority))
        yield ("prefect", "work-queue", "create", queue.name, "--pool", pool.name, *limit, *priority)


# ---------------------------------------------------------------- what is not in it


def _remarks(state: State) -> Iterator[Remark]:
    for name, one in sorted(state.deployments.items()):
        yield from _remarks_on(name, one)
    for name, pool in sorted(state.pools.items()):
        for queue in pool.queues:
            if queue.description or (queue.name == DEFAULT_QUEUE and (queue.priority or queue.concurrency_limit)):
                yield Remark(
                    code="queue",
                    key=f"{name}/{queue.name}",
                    message="Prefect's command line gives a queue no description, and the queue `default` no priority.",
                )
    for name in sorted(state.secrets):
        yield Remark(code="secret", key=name, message="Its value is not here: make the block on the new server.")
    for name in sorted(state.automations):
        yield Remark(
            code="automation",
            key=name,
            message="It is not in prefect.yaml: automations name things by the ids of one server. Make it there.",
        )


def _remarks_on(name: str, one: Deployment) -> Iterator[Remark]:
    if not one.work_pool:
        yield Remark(
            code="no-pool", key=name, message="It is left out: `prefect deploy` deploys nothing without a pool."
        )
    if not one.description:
        yield Remark(
            code="description",
            key=name,
            message="It has no description; `prefect deploy` gives it its flow's docstring, or the word None.",
        )
    if one.concurrency_limit is not None and one.concurrency_limit.shared:
        yield Remark(
            code="shared-limit",
            key=name,
            message=f"It shares the limit {one.concurrency_limit.shared!r}; prefect.yaml knows only limits of one "
            "deployment, so here it has none.",
        )
    if one.name.endswith(".py"):
        yield Remark(code="name", key=name, message="Prefect takes `.py` off the end of a deployment's name.")


def _comments(
    commands: Iterable[Sequence[str]], remarks: Iterable[Remark], body: str, *, has_literal: bool
) -> Iterator[str]:
    yield "# For Prefect's own command line: `prefect deploy --all`, in a folder where the entrypoints are found."
    yield "# It runs the code of each flow, and reads the flow's name and parameters there."
    if not body.isascii():
        yield "# This file is UTF-8: on Windows set PYTHONUTF8=1, or Prefect reads other letters."
    if has_literal:
        yield "# The build step only hands values through: what has braces in it would be filled in before it is sent."
    commands = list(commands)
    if commands:
        yield "#"
        yield "# Before the first time:"
        yield from (f"#   {_printable(shlex.join(command))}" for command in commands)
    remarks = list(remarks)
    if remarks:
        yield "#"
        yield "# What is not said here:"
        by_message: dict[str, list[str]] = {}
        for remark in remarks:
            by_message.setdefault(remark.message, []).append(remark.key)
        for message, keys in by_message.items():
            yield f"#   {_printable(message)}"
            yield from (f"#     {_printable(key)}" for key in keys)
    yield ""


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)

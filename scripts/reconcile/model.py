"""What stands on a server, as plain data, and what is known of each kind: its order and who owns its fields.

Desired and observed resources are the same types, so that a comparison compares like with like. Nothing here
knows YAML, Prefect or HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

DEFAULT_QUEUE: Final = "default"
"""The queue that Prefect makes with every work pool, and that a deployment without a queue uses."""


NO_COMMIT: Final = "0" * 12
"""What stands for the commit where the files are of none."""


class Kind(StrEnum):
    """The kinds of resources, in the order in which they are created."""

    WORK_POOL = "work-pool"
    VARIABLE = "variable"
    SECRET = "secret"  # noqa: S105 # a kind
    CONCURRENCY_LIMIT = "concurrency-limit"
    DEPLOYMENT = "deployment"
    AUTOMATION = "automation"


EVERYWHERE: Final = "all"
"""What a mark has for an area or an environment where a shared file declares it: no other may be called so."""


class Owner(StrEnum):
    """Who decides a field: git always, or the operator in the UI unless the files declare it."""

    GIT = "git"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ResourceKey:
    """What names a resource on a server: a deployment is `flow/name`, anything else its name."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mark:
    """Whose a managed resource is, carried on the server as the tag `managed-by:<project>/<area>/<environment>`."""

    project: str
    area: str
    environment: str

    PREFIX = "managed-by:"

    @property
    def tag(self) -> str:
        """The mark as the tag that the server keeps."""
        return f"{self.PREFIX}{self.project}/{self.area}/{self.environment}"

    @classmethod
    def parse(cls, tag: str) -> Mark | None:
        """The mark that a tag is, or None for any other tag."""
        match = _MARK.fullmatch(tag)
        return cls(**match.groupdict()) if match else None


_MARK = re.compile(r"managed-by:(?P<project>[a-z0-9-]{1,63})/(?P<area>[a-z0-9-]+)/(?P<environment>[a-z0-9-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A cron expression of five fields in a time zone; `day_or` as cron does: day of month OR day of week."""

    cron: str
    timezone: str
    day_or: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Every so many seconds, counted from `anchor`: ISO 8601 with its offset from UTC."""

    seconds: float
    anchor: str
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RRule:
    """An iCalendar rule (RFC 5545) with its DTSTART, in local time of the time zone."""

    rrule: str
    timezone: str


Timing = Cron | Interval | RRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a deployment runs. `slug` names it within its deployment; one made in the UI may have none.

    `active` None: not declared, the operator's. `updated` is when the server last saw it change, ISO 8601. `meaning`
    says in words what the files say of the timing, where its own words would say less: which calendar it leaves out.
    """

    slug: str | None
    timing: Timing
    parameters: Mapping[str, Any] = field(default_factory=dict)
    active: bool | None = None
    id: str | None = field(default=None, compare=False)
    updated: str | None = field(default=None, compare=False)
    meaning: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyLimit:
    """How many runs of a deployment may run at once, and what happens to one more.

    `shared` is the name of a limit of the server that other deployments use too, whose `limit` is its own affair; `id`
    is the server's.
    """

    limit: int
    shared: str | None = None
    collision_strategy: str = "ENQUEUE"
    grace_period_seconds: int | None = None
    id: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A flow, where its code is, with what, where and when it runs.

    `tags` are without the mark. None means: `parameter_schema` not known, so left as it is; `paused` and
    `concurrency_limit` not declared, so the operator's. `id`, `flow_id` and `updated` are the server's. `replaced` is
    the id of the one of another area that it was made in the place of.
    """

    flow: str
    name: str
    entrypoint: str | None
    pull_steps: tuple[Mapping[str, Any], ...] = ()
    path: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parameter_schema: Mapping[str, Any] | None = None
    enforce_parameter_schema: bool = True
    work_pool: str | None = None
    work_queue: str = DEFAULT_QUEUE
    job_variables: Mapping[str, Any] = field(default_factory=dict)
    schedules: tuple[Schedule, ...] = ()
    paused: bool | None = None
    concurrency_limit: ConcurrencyLimit | None = None
    mark: Mark | None = None
    version: str | None = None
    id: str | None = field(default=None, compare=False)
    flow_id: str | None = field(default=None, compare=False)
    updated: str | None = field(default=None, compare=False)
    replaced: str | None = field(default=None, compare=False)

    @property
    def key(self) -> ResourceKey:
        """`flow/name`, which names it on a server."""
        return ResourceKey(kind=Kind.DEPLOYMENT, name=f"{self.flow}/{self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkQueue:
    """A queue of a work pool; None: not declared, left as it is."""

    name: str
    priority: int | None = None
    concurrency_limit: int | None = None
    description: str | None = None
    id: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPool:
    """Where runs wait for a worker. Pools have no owner mark: what is None or left out stays as it is.

    Desired, `job_template` is a whole template that the file gives (or None), `job_defaults` are laid over the
    variables of it or of the one that stands, and `type_template` is what a new pool of the type begins with.
    Observed, `job_template` is the one that stands.
    """

    name: str
    type: str
    description: str | None = None
    concurrency_limit: int | None = None
    is_paused: bool | None = None
    job_template: Mapping[str, Any] | None = None
    job_defaults: Mapping[str, Any] = field(default_factory=dict)
    type_template: Mapping[str, Any] = field(default_factory=dict)
    queues: tuple[WorkQueue, ...] = ()
    id: str | None = field(default=None, compare=False)
    updated: str | None = field(default=None, compare=False)

    @property
    def key(self) -> ResourceKey:
        """Its name, which names it on a server."""
        return ResourceKey(kind=Kind.WORK_POOL, name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A named value that flows and job variables can read. Prefect keeps any JSON of up to 5,000 characters."""

    name: str
    value: Any
    tags: tuple[str, ...] = ()
    mark: Mark | None = None
    id: str | None = field(default=None, compare=False)

    @property
    def key(self) -> ResourceKey:
        """Its name, which names it on a server."""
        return ResourceKey(kind=Kind.VARIABLE, name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A block that keeps a secret: that it is there is all that is ever known of it here.

    `block_type` is the slug of the block's type. `from_env` names the variable of the environment that its value comes
    from where it is to be made; `expires` is the day (ISO 8601) on which the secret stops to be valid. `capabilities`
    are what a block that stands can do (`notify`), None where that is not known.
    """

    name: str
    block_type: str = "secret"
    from_env: str | None = field(default=None, compare=False)
    expires: str | None = field(default=None, compare=False)
    capabilities: tuple[str, ...] | None = field(default=None, compare=False)
    id: str | None = field(default=None, compare=False)

    @property
    def key(self) -> ResourceKey:
        """Its name, which names it on a server among the blocks of its type."""
        return ResourceKey(kind=Kind.SECRET, name=self.name)

    @property
    def block(self) -> str:
        """The block as Prefect's placeholders name it: `type/name`."""
        return f"{self.block_type}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalLimit:
    """A limit of the server that several deployments and tasks can share: so many slots at once."""

    name: str
    limit: int
    slot_decay_per_second: float = 0.0
    id: str | None = field(default=None, compare=False)

    @property
    def key(self) -> ResourceKey:
        """Its name, which names it on a server."""
        return ResourceKey(kind=Kind.CONCURRENCY_LIMIT, name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """What the server does by itself when something happens, in Prefect's own form, with names in place of ids."""

    name: str
    trigger: Mapping[str, Any]
    actions: tuple[Mapping[str, Any], ...]
    actions_on_trigger: tuple[Mapping[str, Any], ...] = ()
    actions_on_resolve: tuple[Mapping[str, Any], ...] = ()
    description: str | None = None
    enabled: bool = True
    tags: tuple[str, ...] = ()
    mark: Mark | None = None
    id: str | None = field(default=None, compare=False)

    @property
    def key(self) -> ResourceKey:
        """Its name. The server lets several have one name; of ours there is one."""
        return ResourceKey(kind=Kind.AUTOMATION, name=self.name)


Resource = WorkPool | Variable | Secret | GlobalLimit | Deployment | Automation
Marked = Variable | Deployment | Automation
"""What carries a mark, so that it is known whose it is: only that is ever deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that is desired, or everything that was observed, by name.

    `secrets` are by `type/name`: the blocks of another type may have the same name. `flows`: flow name to its id on the
    server.
    """

    pools: Mapping[str, WorkPool] = field(default_factory=dict)
    variables: Mapping[str, Variable] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    limits: Mapping[str, GlobalLimit] = field(default_factory=dict)
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    automations: Mapping[str, Automation] = field(default_factory=dict)
    flows: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: Kind) -> Mapping[str, Resource]:
        """The resources of one kind."""
        found: dict[Kind, Mapping[str, Resource]] = {
            Kind.WORK_POOL: self.pools,
            Kind.VARIABLE: self.variables,
            Kind.SECRET: self.secrets,
            Kind.CONCURRENCY_LIMIT: self.limits,
            Kind.DEPLOYMENT: self.deployments,
            Kind.AUTOMATION: self.automations,
        }
        return found[kind]

    def marked(self, kind: Kind) -> Mapping[str, Marked]:
        """The resources of one kind that can carry a mark."""
        return {name: one for name, one in self.of(kind).items() if isinstance(one, Marked)}

    def standing(self, key: ResourceKey) -> Marked | None:
        """The resource of that key, if it can carry a mark."""
        return self.marked(key.kind).get(key.name)

    def ids(self) -> dict[ResourceKey, str]:
        """The server's ids, by what things are called. A block goes by `type/name`, whatever its own key says.

        A queue goes by `pool/queue`, as of its pool's kind.
        """
        found = {
            ResourceKey(kind=kind, name=name): one.id
            for kind in Kind
            for name, one in self.of(kind).items()
            if one.id is not None
        }
        for pool in self.pools.values():
            for queue in pool.queues:
                if queue.id is not None:
                    found[ResourceKey(kind=Kind.WORK_POOL, name=f"{pool.name}/{queue.name}")] = queue.id
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """What is known of one field: its owner, and the letter that stands for it in the version's fingerprint."""

    name: str
    owner: Owner
    code: str


DEPLOYMENT_FIELDS: Final = (
    FieldRule(name="description", owner=Owner.GIT, code="d"),
    FieldRule(name="entrypoint", owner=Owner.GIT, code="e"),
    FieldRule(name="path", owner=Owner.GIT, code="P"),
    FieldRule(name="pull_steps", owner=Owner.GIT, code="g"),
    FieldRule(name="work_pool", owner=Owner.GIT, code="w"),
    FieldRule(name="work_queue", owner=Owner.GIT, code="q"),
    FieldRule(name="job_variables", owner=Owner.GIT, code="j"),
    FieldRule(name="parameters", owner=Owner.GIT, code="p"),
    FieldRule(name="parameter_schema", owner=Owner.GIT, code="o"),
    FieldRule(name="enforce_parameter_schema", owner=Owner.GIT, code="f"),
    FieldRule(name="tags", owner=Owner.GIT, code="t"),
    FieldRule(name="schedules", owner=Owner.GIT, code="s"),
    FieldRule(name="paused", owner=Owner.OPERATOR, code="h"),
    FieldRule(name="concurrency_limit", owner=Owner.OPERATOR, code="c"),
)
"""Every field of a deployment that is compared. The codes are written on servers: never reuse one."""

"""Resources for tests with sane defaults: what a test does not say is as a repository would most likely have it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from reconcile.diff import Difference, difference
from reconcile.model import (
    Automation,
    Cron,
    Deployment,
    GlobalLimit,
    Interval,
    Kind,
    Mark,
    Resource,
    Schedule,
    Secret,
    State,
    Timing,
    Variable,
    WorkPool,
    WorkQueue,
)
from reconcile.observed import observed
from reconcile.plan import Action, Change, Declaration, Plan
from reconcile.problem import Location
from reconcile.schedule import read_spec
from reconcile.selection import Selection, nobody
from reconcile.wire import Snapshot

ZONE = "America/Argentina/Buenos_Aires"
COMMIT = "0123456789ab"
PROJECT = "prefect-deploys"
MARK = Mark(project=PROJECT, area="compras", environment="prod")

SCHEMA: dict[str, Any] = {
    "title": "Parameters",
    "type": "object",
    "properties": {
        "message": {"title": "message", "type": "string", "default": "Hola", "position": 0},
        "days": {"title": "days", "type": "number", "default": 1, "position": 1},
    },
}
TEMPLATE: dict[str, Any] = {
    "job_configuration": {"command": "{{ command }}", "env": "{{ env }}", "working_dir": "{{ working_dir }}"},
    "variables": {
        "type": "object",
        "properties": {
            "command": {"title": "Command", "type": "string"},
            "env": {
                "title": "Environment",
                "type": "object",
                "additionalProperties": {"type": "string"},
                "default": {},
            },
            "working_dir": {"title": "Working Directory", "type": "string"},
        },
    },
}
PULL = ({"prefect.deployments.steps.set_working_directory": {"directory": "/srv/flows"}},)
GIT_PULL = (
    {
        "prefect.deployments.steps.git_clone": {
            "repository": "https://github.com/DesarrollosElectra/ProyectosPython.git",
            "branch": "main",
            "credentials": {"access_token": "{{ prefect.blocks.secret.desarrollos-electra-access-token }}"},
        }
    },
)


def cron(text: str = "55 23 * * *", *, timezone: str = ZONE, day_or: bool = True) -> Cron:
    """Every night, unless told otherwise."""
    return Cron(cron=text, timezone=timezone, day_or=day_or)


def interval(seconds: float = 1800, *, anchor: str = "2026-01-01T00:00:00-03:00") -> Interval:
    """Every half hour, unless told otherwise."""
    return Interval(seconds=seconds, anchor=anchor, timezone=ZONE)


def rrule(rule: str = "FREQ=MONTHLY;BYMONTHDAY=-1", *, start: str = "2026-01-01T20:00:00") -> Timing:
    """On the last of each month, unless told otherwise; read as the files are, since a rule has one form of many."""
    timing, faults = read_spec({"rrule": rule, "start": start}, ZONE)
    assert timing is not None, faults
    return timing


def schedule(slug: str | None = "noche", timing: Timing | None = None, **fields: Any) -> Schedule:
    """A schedule: every night, unless told otherwise."""
    return Schedule(slug=slug, timing=timing or cron(), **fields)


def deployment(name: str = "Despliegue básico", **fields: Any) -> Deployment:
    """A deployment of the basic flow in the pool `compras-prod`, with one schedule."""
    said: dict[str, Any] = {
        "flow": "basic-flow",
        "entrypoint": "src/basic.py:basic_flow",
        "pull_steps": PULL,
        "description": "Saluda todas las noches.",
        "tags": ("compras",),
        "parameters": {"message": "Hola mundo"},
        "parameter_schema": SCHEMA,
        "work_pool": "compras-prod",
        "job_variables": {"env": {"PYTHONUTF8": "1"}},
        "schedules": (schedule(),),
        "mark": MARK,
    }
    return Deployment(name=name, **{**said, **fields})


def pool(name: str = "compras-prod", **fields: Any) -> WorkPool:
    """A process pool, with a queue for what is urgent."""
    said: dict[str, Any] = {
        "type": "process",
        "type_template": TEMPLATE,
        "queues": (WorkQueue(name="urgent", priority=1), WorkQueue(name="default", priority=2)),
    }
    return WorkPool(name=name, **{**said, **fields})


def variable(name: str = "sql_server", value: Any = "srv-sql", **fields: Any) -> Variable:
    """A variable that the project manages."""
    return Variable(name=name, value=value, **{"mark": MARK, **fields})


def limit(name: str = "softland", limit: int = 2, **fields: Any) -> GlobalLimit:
    """A limit that deployments can share."""
    return GlobalLimit(name=name, limit=limit, **fields)


def automation(name: str = "cierre-fallido", **fields: Any) -> Automation:
    """An automation that does nothing when a run fails."""
    trigger = {
        "type": "event",
        "posture": "Reactive",
        "expect": ["prefect.flow-run.Failed"],
        "threshold": 1,
        "within": 0,
    }
    said: dict[str, Any] = {"trigger": trigger, "actions": ({"type": "do-nothing"},), "mark": MARK}
    return Automation(name=name, **{**said, **fields})


def state(*resources: Resource) -> State:
    """The resources as what is desired; without a pool among them, with the one of `pool`."""
    pools = [resource for resource in resources if isinstance(resource, WorkPool)] or [pool()]
    return State(
        pools={resource.name: resource for resource in pools},
        variables={one.name: one for one in resources if isinstance(one, Variable)},
        secrets={one.block: one for one in resources if isinstance(one, Secret)},
        limits={one.name: one for one in resources if isinstance(one, GlobalLimit)},
        deployments={one.key.name: one for one in resources if isinstance(one, Deployment)},
        automations={one.name: one for one in resources if isinstance(one, Automation)},
    )


def deletion(observed: Resource) -> Change:
    """A change that deletes what stands."""
    return Change(action=Action.DELETE, key=observed.key, declaration=None, observed=observed)


def selection(
    desired: State, *, project: str = PROJECT, adopt: Iterable[str] | None = None, set_here: Collection[str] = ()
) -> Selection:
    """Everything that is desired, selected; `adopt` names the deployments that may be taken over."""
    adopted = set(adopt or ())
    declared: list[Resource] = [one for kind in Kind for one in desired.of(kind).values()]
    places = {
        resource.key: Declaration(location=Location(file="deployments/compras/prod.yaml", line=number))
        for number, resource in enumerate(declared, start=1)
    }
    return Selection(
        project=project,
        declarations=places,
        declared=desired.deployments,
        declared_besides={
            *(one.key for one in desired.variables.values()),
            *(one.key for one in desired.automations.values()),
        },
        adopt=(lambda key: str(key) in adopted) if adopted else nobody,
        set_here=set_here,
    )


def compared(desired: State, snapshot: Snapshot, **options: Any) -> tuple[Difference, State]:
    """The difference from what was read, and what that is."""
    standing = observed(snapshot)
    return difference(desired, standing, selection(desired, **options)), standing


def plan_of(found: Difference) -> Plan:
    """The plan that a difference alone makes."""
    return Plan(
        target="http://127.0.0.1:4200/api",
        changes=found.changes,
        unchanged=found.unchanged,
        holds=found.holds,
        orphans=found.orphans,
        foreign=found.foreign,
        refusals=found.refusals,
    )

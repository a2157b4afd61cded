"""What `watchdog` and `notify` of a deployment ask for, each as an automation that serves all who ask for the same.

They match changes of state only: heartbeats are events of a run too, but have no state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from reconcile.automations.form import RESOURCE, automation_from, comparable_part, seconds_of
from reconcile.automations.names import Thing, names_in
from reconcile.model import Automation, Mark

STATE_TYPE: Final = "prefect.state-type"
RUNS: Final[Mapping[str, Any]] = {RESOURCE: "prefect.flow-run.*", STATE_TYPE: "*"}
"""Changes of state of runs, by whatever name the state goes."""

CLEARED_AFTER: Final = 600
"""Seconds for which a run may be on its way to its end before it is written off: nobody is there to end it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """One thing that a deployment asks for. `name` is the same for the same thing; `field` is what asks for it."""

    field: str
    name: str
    description: str
    trigger: Mapping[str, Any]
    actions: tuple[Mapping[str, Any], ...]

    def automation(self, mark: Mark, deployments: Sequence[str]) -> Automation:
        """The automation for these deployments, by their keys."""
        said = {
            "description": f"{self.description} Made from the deployments' `{self.field}`.",
            "trigger": {**self.trigger, "for_deployment": sorted(deployments)},
            "actions": list(self.actions),
        }
        return automation_from(f"{prefix_of(mark)}{self.name}", said, mark)


def prefix_of(mark: Mark) -> str:
    """How the names of all of them begin, of one project and environment; no declared name can."""
    return f"{mark.project}/{mark.environment}/"


def cares_of(fields: Mapping[str, Any]) -> Iterator[Care]:
    """What a deployment with these fields asks for."""
    watchdog, notify = fields.get("watchdog") or {}, fields.get("notify") or {}
    late, running = (seconds_of(watchdog.get(name)) for name in ("late", "running"))
    if late:
        yield _late(late)
    if running:
        yield _running(running)
        yield _CLEARED
    if notify.get("on") and notify.get("block"):
        yield from _told({str(state) for state in notify["on"]}, str(notify["block"]))


def _watch(after: Sequence[str], seconds: float) -> dict[str, Any]:
    """Nothing for so long after that. What `after` and `expect` both hold starts the clock anew."""
    return {
        "type": "event",
        "posture": "Proactive",
        "after": [f"prefect.flow-run.{state}" for state in after],
        "expect": ["prefect.flow-run.*"],
        "for_each": [RESOURCE],
        "match": RUNS,
        "within": seconds,
    }


_CANCEL: Final = ({"type": "cancel-flow-run"},)


def _late(seconds: float) -> Care:
    return Care(
        field="watchdog",
        name=f"watchdog-late-{_in_words(seconds)}",
        description=f"Cancels runs that have been late for {_in_words(seconds)}.",
        trigger=_watch(["Late"], seconds),
        actions=_CANCEL,
    )


def _running(seconds: float) -> Care:
    """Each attempt has its own time: a retry begins anew, and what is paused or waits is not running."""
    return Care(
        field="watchdog",
        name=f"watchdog-running-{_in_words(seconds)}",
        description=f"Cancels runs that have been running for {_in_words(seconds)}.",
        trigger=_watch(["Running", "Retrying"], seconds),
        actions=_CANCEL,
    )


_CLEARED: Final = Care(
    field="watchdog",
    name="watchdog-cancelling",
    description="Writes off runs that were to be cancelled while their worker was away.",
    trigger=_watch(["Cancelling"], CLEARED_AFTER),
    actions=(
        {
            "type": "change-flow-run-state",
            "state": "CANCELLED",
            "message": f"Nobody ended it within {CLEARED_AFTER // 60} minutes: its worker may be away.",
        },
    ),
)

_TYPES: Final = {"failed": "FAILED", "crashed": "CRASHED", "cancelled": "CANCELLED", "completed": "COMPLETED"}
"""The types of states that can be told of: whatever a state is called, it is of one type."""


def _told(states: set[str], block: str) -> Iterator[Care]:
    """A late run is told by the name of its state, others by its type: these are two automations."""
    ended = sorted(states & _TYPES.keys())
    if ended:
        yield _notice(ended, block, {STATE_TYPE: [_TYPES[state] for state in ended]})
    if "late" in states:
        yield _notice(["late"], block, {"prefect.state-name": "Late"})


def _notice(states: Sequence[str], block: str, labels: Mapping[str, Any]) -> Care:
    return Care(
        field="notify",
        name=f"notify-{'-'.join(states)}-{block.replace('/', '-')}",
        description=f"Tells through {block} of runs that are {' or '.join(states)}.",
        trigger={
            "type": "event",
            "posture": "Reactive",
            "expect": ["prefect.flow-run.*"],
            "match": {RESOURCE: "prefect.flow-run.*", **labels},
        },
        actions=({"type": "send-notification", "block": block, "subject": SUBJECT, "body": BODY},),
    )


SUBJECT: Final = "{{ flow_run.state.name }}: {{ flow.name }}/{{ deployment.name }}"
BODY: Final = """\
The run {{ flow_run.name }} of {{ flow.name }}/{{ deployment.name }} is {{ flow_run.state.name }}.
{% if flow_run.state.message %}
{{ flow_run.state.message }}
{% endif %}
Due:     {{ flow_run.expected_start_time }}
Started: {{ flow_run.start_time or 'not yet' }}
Pool:    {{ deployment.work_pool_name or 'none' }}
{{ flow_run|ui_url }}
"""


def _in_words(seconds: float) -> str:
    """A duration in the largest unit that it is whole in: 4h, 90m, 45s."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def restricted(automation: Automation, deployments: Collection[str]) -> Automation | None:
    """The automation for those of its deployments that are among these; None where none is."""
    left = {named.name for named in names_in(automation) if named.thing is Thing.DEPLOYMENT} & set(deployments)
    trigger = {**automation.trigger, "match_related": {}, "for_deployment": sorted(left)}
    return replace(automation, trigger=comparable_part(trigger)) if left else None

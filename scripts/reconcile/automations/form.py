"""The form in which triggers and actions are compared and written: one of the many that mean the same.

Prefect's server fills in what is left out, keeps sets in any order, takes durations as seconds, and gives every
trigger another id at each write. None of that is a difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reconcile.model import Automation, Mark

LISTS: Final = ("actions", "actions_on_trigger", "actions_on_resolve")
"""The fields that hold actions."""

COMPOSITE: Final = frozenset({"compound", "sequence"})
"""The triggers that are made of others."""

RESOURCE: Final = "prefect.resource.id"
ROLE: Final = "prefect.resource.role"
DEPLOYMENT_EVENTS: Final = "prefect.deployment."
"""How the events begin that happen to a deployment itself, not to its runs."""

LEAST_PROACTIVE: Final = 10.0
"""Seconds: what Prefect takes for a Proactive trigger that says nothing, and the least that it accepts."""

NOTIFIES: Final = "Prefect automated notification"
"""The subject of a notification that says none."""

_INFERRED: Final[Mapping[str, Any]] = {"source": "selected"}

ACTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "do-nothing": {},
    "run-deployment": {**_INFERRED, "parameters": None, "job_variables": None, "schedule_after": 0},
    "pause-deployment": _INFERRED,
    "resume-deployment": _INFERRED,
    "cancel-flow-run": {},
    "delete-flow-run": {},
    "suspend-flow-run": {},
    "resume-flow-run": {},
    "change-flow-run-state": {"name": None, "message": None, "force": False},
    "pause-work-queue": _INFERRED,
    "resume-work-queue": _INFERRED,
    "pause-work-pool": _INFERRED,
    "resume-work-pool": _INFERRED,
    "pause-automation": _INFERRED,
    "resume-automation": _INFERRED,
    "send-notification": {"subject": NOTIFIES},
    "call-webhook": {"payload": ""},
}
"""Prefect's actions, and what its server fills in where they say nothing."""


def automation_from(name: str, said: Mapping[str, Any], mark: Mark) -> Automation:
    """An automation as it is declared. Its deployments may still go by their declared names."""
    lists = {each: tuple(normal_action(action) for action in said.get(each) or ()) for each in LISTS}
    return Automation(
        name=name,
        description=said.get("description"),
        enabled=said.get("enabled") is not False,
        trigger=normal_trigger(said.get("trigger") or {}),
        actions=lists["actions"],
        actions_on_trigger=lists["actions_on_trigger"],
        actions_on_resolve=lists["actions_on_resolve"],
        tags=tuple(said.get("tags") or ()),
        mark=mark,
    )


def comparable_part(part: Mapping[str, Any]) -> dict[str, Any]:
    """A trigger or an action in the form in which it is compared."""
    return normal_action(part) if part.get("type") in ACTIONS else normal_trigger(part)


def normal_trigger(said: Mapping[str, Any]) -> dict[str, Any]:
    """A trigger in its one form. `for_deployment` becomes what Prefect knows: labels of resources."""
    kind = said.get("type") or "event"
    if kind in COMPOSITE:
        normal: dict[str, Any] = {
            "type": kind,
            "triggers": [normal_trigger(each) for each in said.get("triggers") or ()],
            "within": seconds_of(said.get("within")),
        }
        return {**normal, "require": said.get("require")} if kind == "compound" else normal
    events = {name: sorted(set(said.get(name) or ())) for name in ("after", "expect", "for_each")}
    posture = said.get("posture")
    within = seconds_of(said.get("within")) or (LEAST_PROACTIVE if posture == "Proactive" else 0)
    threshold = said.get("threshold")
    deployments = deployments_of(said)
    itself = about_deployments([*events["after"], *events["expect"]])
    match = _labels(said.get("match") or {})
    if deployments and itself:
        match = {**match, RESOURCE: _one_or_several(_deployment_ids(deployments))}
        deployments = ()
    return {
        "type": kind,
        "posture": posture,
        "match": match,
        "match_related": _related(said.get("match_related"), deployments),
        **events,
        "threshold": 1 if threshold is None else threshold,
        "within": within,
    }


def about_deployments(events: Sequence[str]) -> bool:
    """Whether all the events are of what happens to deployments, not to their runs."""
    return bool(events) and all(event.startswith(DEPLOYMENT_EVENTS) for event in events)


def deployments_of(trigger: Mapping[str, Any]) -> tuple[str, ...]:
    """The deployments that `for_deployment` names."""
    said = trigger.get("for_deployment")
    return (said,) if isinstance(said, str) else tuple(said or ())


def normal_action(said: Mapping[str, Any]) -> dict[str, Any]:
    """An action in its one form: with the server's defaults, and no more."""
    kind = str(said.get("type"))
    normal = {**ACTIONS.get(kind, {}), **{name: value for name, value in said.items() if value is not None}}
    if "schedule_after" in normal:
        normal["schedule_after"] = seconds_of(normal["schedule_after"])
    if not isinstance(normal.get("payload", ""), str):  # Prefect makes the same text of it
        normal["payload"] = json.dumps(normal["payload"], ensure_ascii=False, indent=2)
    return normal


_DURATION: Final = re.compile(r"([0-9]+)([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(said: Any) -> float | None:
    """A duration as seconds: a number, or 90s, 30m, 4h, 2d. None where there is none."""
    if isinstance(said, str):
        match = _DURATION.fullmatch(said)
        return float(match[1]) * _UNITS[match[2]] if match else None
    return float(said) if isinstance(said, int | float) else None


def _related(said: Any, deployments: Sequence[str]) -> Any:
    """The labels of related resources: one set, or several that all have to be met."""
    several = [_labels(labels or {}) for labels in (said if isinstance(said, list) else [said])]
    if deployments:
        several.append({RESOURCE: _one_or_several(_deployment_ids(deployments)), ROLE: "deployment"})
    different = {_text(labels): labels for labels in several if labels}
    met = [different[text] for text in sorted(different)]
    return met[0] if len(met) == 1 else met or {}


def _deployment_ids(deployments: Iterable[str]) -> list[str]:
    return [f"prefect.deployment.{name}" for name in deployments]


def _labels(said: Mapping[str, Any]) -> dict[str, Any]:
    return {str(label): _one_or_several(value) for label, value in said.items()}


def _one_or_several(value: Any) -> Any:
    """Any of several values, each once. A list of one means what the one means."""
    if not isinstance(value, list):
        return value
    different = sorted({str(each) for each in value})
    return different[0] if len(different) == 1 else different


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)

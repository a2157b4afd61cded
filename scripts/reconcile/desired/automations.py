"""What is wrong with an automation that is declared: what Prefect would refuse, or take for something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconcile.automations import (
    ACTIONS,
    COMPOSITE,
    LEAST_PROACTIVE,
    LISTS,
    Path,
    about_deployments,
    seconds_of,
)
from reconcile.layers import Entry
from reconcile.problem import Fault


def automation_faults(said: Mapping[str, Any]) -> Iterator[Fault]:
    """What Prefect would refuse, or take for something else, and no schema can say."""
    yield from _trigger_faults(said.get("trigger") or {}, ("trigger",))
    for each in LISTS:
        for index, action in enumerate(said.get(each) or ()):
            yield from _action_faults(action, (each, index))
    yield from _loop_faults(said)


def _trigger_faults(trigger: Mapping[str, Any], at: Path) -> Iterator[Fault]:
    parts = trigger.get("triggers") or ()
    for index, part in enumerate(parts):
        yield from _trigger_faults(part, (*at, "triggers", index))
    if trigger.get("type") in COMPOSITE:
        needed = trigger.get("require")
        if isinstance(needed, int) and parts and needed > len(parts):
            yield Fault(
                code="trigger-invalid",
                message=f"{needed} of its triggers have to fire, and it has {len(parts)}.",
                hint="Write a smaller number, or any, or all.",
                at=(*at, "require"),
            )
        return
    within = seconds_of(trigger.get("within"))
    if trigger.get("posture") == "Proactive" and within and within < LEAST_PROACTIVE:
        yield _too_short("A Proactive trigger waits", (*at, "within"))
    events = [event for name in ("after", "expect") for event in trigger.get(name) or ()]
    if trigger.get("for_deployment") and not about_deployments(events):
        for name in ("after", "expect"):
            for index, event in enumerate(trigger.get(name) or ()):
                if about_deployments([event]):
                    yield Fault(
                        code="trigger-invalid",
                        message=f"{event} happens to a deployment itself and the other events to its runs, so "
                        "for_deployment cannot mean both.",
                        hint="Write two automations, or a compound trigger.",
                        at=(*at, name, index),
                    )


def _too_short(what: str, at: Path) -> Fault:
    return Fault(
        code="duration-too-short",
        message=f"{what} {LEAST_PROACTIVE:g} seconds at least: Prefect looks no more often.",
        hint="Write 10s or more.",
        at=at,
    )


_PICKED: Final = {
    f"{verb}-{thing.replace('_', '-')}": thing
    for thing in ("deployment", "work_queue", "work_pool", "automation")
    for verb in ("pause", "resume")
} | {"run-deployment": "deployment"}
"""The actions that are about one thing, named or inferred from the event, and its field."""


def _action_faults(action: Mapping[str, Any], at: Path) -> Iterator[Fault]:
    thing = _PICKED.get(str(action.get("type")))
    if thing is not None:
        inferred = action.get("source") == "inferred"
        if inferred and action.get(thing) is not None:
            yield Fault(
                code="conflicting-keys",
                message=f"The {thing.replace('_', ' ')} is named, and to be inferred from the event.",
                hint="Keep one of the two.",
                at=(*at, thing),
                on_key=True,
            )
        elif not inferred and action.get(thing) is None:
            yield Fault(
                code="missing-key",
                message=f"The action {action['type']} does not say which {thing.replace('_', ' ')}.",
                hint=f"Add {thing}: NAME, or source: inferred for the one of the event.",
                at=at,
            )
    for name in ("subject", "body", "payload"):
        text = action.get(name)
        wrong = _template_fault(text) if isinstance(text, str) and str(action.get("type")) in ACTIONS else None
        if wrong is not None:
            yield Fault(
                code="template-invalid",
                message=f"This is no template that Prefect can fill in: {wrong}.",
                hint="Write {{ flow_run.name }} for a value, and nothing else in such braces.",
                at=(*at, name),
            )


def _template_fault(text: str) -> str | None:
    if "{{" not in text and "{%" not in text and "{#" not in text:
        return None
    from jinja2 import Environment, TemplateSyntaxError  # Prefect's; only who writes templates pays for it

    try:
        Environment(autoescape=False).parse(text)  # noqa: S701 # nothing is rendered
    except TemplateSyntaxError as error:
        return str(error.message).rstrip(".")
    return None


_LOOPING: Final = {f"prefect.flow-run.{state}" for state in ("Scheduled", "Pending", "Running", "*")}
"""Events that every run of a deployment has."""


def _loop_faults(said: Mapping[str, Any]) -> Iterator[Fault]:
    """A run that starts a run that starts a run: Prefect refuses what is sure to, and so do we."""
    trigger = said.get("trigger") or {}
    reactive = (
        trigger.get("type") == "event" and trigger.get("posture") == "Reactive" and said.get("enabled") is not False
    )
    if not reactive or not _LOOPING.intersection(trigger.get("expect") or ()):
        return
    narrow = trigger.get("for_deployment") or (
        _is_narrow(trigger.get("match")) or _is_narrow(trigger.get("match_related"))
    )
    for index, action in enumerate(said.get("actions") or ()):
        inferred = action.get("source") == "inferred"
        if action.get("type") == "run-deployment" and (inferred or not narrow):
            yield Fault(
                code="automation-loop",
                message="Each run that this starts is an event that starts another one, without end.",
                hint="Expect an event that not every run has, such as prefect.flow-run.Failed"
                + ("." if inferred else ", or say for which deployment: for_deployment."),
                at=("actions", index),
            )


def _is_narrow(labels: Any) -> bool:
    """Whether labels of resources leave out any run."""
    if isinstance(labels, list):
        return bool(labels) and all(_is_narrow(each) for each in labels)
    if not isinstance(labels, Mapping) or not labels:
        return False
    ids = labels.get("prefect.resource.id")
    several = ids if isinstance(ids, list) else [ids]
    return len(labels) > 1 or "prefect.flow-run.*" not in several


def care_faults(entry: Entry) -> Iterator[Fault]:
    """What is wrong with a deployment's watchdog and notify, all layers together."""
    watchdog, notify = entry.fields.get("watchdog") or {}, entry.fields.get("notify") or {}
    for name in ("late", "running"):
        seconds = seconds_of(watchdog.get(name))
        if seconds is not None and seconds < LEAST_PROACTIVE:
            yield _too_short("A watchdog waits", ("watchdog", name))
    lacking = [name for name in ("on", "block") if notify.get(name) is None and not entry.at_fault("notify", name)]
    if notify and lacking:
        yield Fault(
            code="missing-key",
            message=f"`notify` does not say {' and '.join(lacking)}.",
            hint="Write both, here or in defaults: notify: {on: [failed, crashed], block: slack-webhook/avisos}.",
            at=("notify",),
            on_key=True,
        )

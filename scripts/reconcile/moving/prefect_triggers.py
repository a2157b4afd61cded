"""The triggers of a deployment of a prefect.yaml, which are automations here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconcile.moving.prefect_file import Draft, KeyPath

_ACTION: Final = ("parameters", "job_variables", "schedule_after")

_OF_AUTOMATION: Final = ("description", "enabled")


def take_triggers(work: Draft, raw: Mapping[str, Any], at: KeyPath, name: str) -> None:
    """Triggers of a deployment are automations that run it."""
    given = raw.get("triggers")
    if given is not None and not isinstance(given, list):
        work.say((*at, "triggers"), "triggers-not-a-list", "`triggers` must be a list.", "Correct it.", error=True)
        return
    for index, trigger in enumerate(given or ()):
        place = (*at, "triggers", index)
        if not isinstance(trigger, dict):
            work.say(place, "trigger-invalid", "A trigger is a mapping.", "Correct it.", error=True)
            continue
        called = str(trigger.get("name") or f"{name}__automation_{index + 1}")
        if called in work.automations:
            work.say(
                place,
                "automation-twice",
                f"Two automations are called {called!r}.",
                "Give each a `name:` of its own.",
                error=True,
            )
            continue
        said = _automation(work, trigger, place, name)
        if said is not None:
            work.automations[called] = said


def _automation(work: Draft, trigger: Mapping[str, Any], at: KeyPath, name: str) -> dict[str, Any] | None:
    if str(trigger.get("type") or "event") == "metric":
        work.leave_out(at, "A metric trigger is of Prefect Cloud; a server of one's own has none.")
        return None
    if "{{" in str(trigger.get("enabled")):
        work.leave_out((*at, "enabled"), "`enabled` is filled in at each deploy; the automation is declared enabled.")
    action = {key: trigger[key] for key in _ACTION if trigger.get(key) is not None}
    said = {
        key: trigger[key]
        for key in _OF_AUTOMATION
        if isinstance(trigger.get(key), str if key == "description" else bool)
    }
    if said.get("enabled") is True:
        del said["enabled"]
    if not said.get("description"):
        said.pop("description", None)
    own = {
        key: value
        for key, value in trigger.items()
        if key not in {*_ACTION, *_OF_AUTOMATION, "name"} and value is not None
    }
    return {**said, "trigger": _as_declared(own), "actions": [{"type": "run-deployment", "deployment": name, **action}]}


def _as_declared(trigger: Mapping[str, Any]) -> dict[str, Any]:
    """A trigger with what Prefect takes for granted and the schema here asks for: its type and its posture."""
    inner = trigger.get("triggers")
    if isinstance(inner, list):
        parts = [_as_declared(each) for each in inner if isinstance(each, Mapping)]
        return {"type": "compound", **{k: v for k, v in trigger.items() if k != "triggers"}, "triggers": parts}
    lists = {key: _listed(trigger[key]) for key in ("expect", "after", "for_each") if key in trigger}
    return {"type": "event", "posture": "Reactive", **trigger, **lists}


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value

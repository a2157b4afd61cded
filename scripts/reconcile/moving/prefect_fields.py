"""The plain fields of a deployment of a prefect.yaml: its texts, tags, parameters, switches and limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconcile.moving.prefect_file import Draft, KeyPath, near
from reconcile.moving.prefect_templates import stands

LIMIT: Final = frozenset({"limit", "collision_strategy", "grace_period_seconds"})


def texts_of(work: Draft, raw: Mapping[str, Any], at: KeyPath, outputs: frozenset[str] | None) -> dict[str, Any]:
    """Its description, tags and parameters. `outputs` are the ids of its steps; None: it has none."""
    fields: dict[str, Any] = {}
    description = raw.get("description")
    text = "" if description is None else str(description)
    if text.strip() and stands(work, text, (*at, "description"), outputs):
        fields["description"] = text
    tags = _tags(work, raw.get("tags"), (*at, "tags"), outputs)
    if tags:
        fields["tags"] = tags
    parameters = raw.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        work.say(
            (*at, "parameters"), "parameters-invalid", "`parameters` must be a mapping.", "Correct it.", error=True
        )
    elif parameters:
        kept = {
            key: value for key, value in parameters.items() if stands(work, value, (*at, "parameters", key), outputs)
        }
        fields["parameters"] = kept or None
    for key in ("version", "version_type"):
        if raw.get(key) is not None:
            refused = ", and Prefect 3 takes only a text there" if not isinstance(raw[key], str) else ""
            work.leave_out(
                (*at, key), f"The {key} {raw[key]} is not kept: apply writes the commit as the version{refused}."
            )
    if raw.get("flow_name") is not None:
        work.leave_out(
            (*at, "flow_name"),
            "Prefect takes the flow's name from its code and drops `flow_name` in silence, so it is not carried over.",
            code="key-dropped",
        )
    if raw.get("sla"):
        work.leave_out(
            (*at, "sla"), "`sla` is of Prefect Cloud; here a `watchdog:` tells of runs that are late or too long."
        )
    return fields


def _tags(work: Draft, tags: Any, at: KeyPath, outputs: frozenset[str] | None) -> list[str]:
    if isinstance(tags, str) and tags:
        work.say(
            at,
            "tags-text",
            f"Prefect makes a tag of each letter of {tags!r}; it is taken for one tag.",
            "Write a list.",
        )
        tags = [tags]
    if tags is None or tags == "":
        return []
    if not isinstance(tags, list):
        work.say(at, "tags-invalid", "`tags` must be a list.", "Write `tags: [one, two]`.", error=True)
        return []
    found: list[str] = []
    for index, tag in enumerate(tags):
        if str(tag).startswith("managed-by:"):
            work.leave_out((*at, index), f"The tag {tag!r} is what this tool marks its own with.")
        elif str(tag).strip() and stands(work, str(tag), (*at, index), outputs) and str(tag) not in found:
            found.append(str(tag))
    return found


def numbers_of(work: Draft, raw: Mapping[str, Any], at: KeyPath) -> dict[str, Any]:
    """Its limit, and what is true or false of it."""
    fields: dict[str, Any] = {
        "concurrency_limit": _limit(work, raw.get("concurrency_limit"), (*at, "concurrency_limit"))
    }
    for key in ("paused", "enforce_parameter_schema"):
        value = raw.get(key)
        if value is not None and not isinstance(value, bool):
            work.say((*at, key), "not-a-boolean", f"`{key}` must be true or false.", "Write true or false.", error=True)
    if raw.get("paused") is True:
        fields["paused"] = True
    if raw.get("enforce_parameter_schema") is False:
        fields["enforce_parameter_schema"] = False
    return fields


def _limit(work: Draft, said: Any, at: KeyPath) -> Any:
    given = said if isinstance(said, dict) else {"limit": said}
    for key in given:
        if key not in LIMIT:
            work.leave_out(
                (*at, key),
                f"Prefect drops {key!r} of a concurrency limit in silence, so it is not carried over.",
                near(key, LIMIT),
                "key-dropped",
            )
    kept = {key: value for key, value in given.items() if key in LIMIT and value is not None}
    if not kept:
        return None
    if kept.get("limit") is None:
        work.leave_out(
            at,
            "A concurrency limit without `limit` limits nothing in Prefect, so it is not carried over.",
            "Write `limit: 1` to have it.",
        )
        return None
    if not isinstance(kept["limit"], int) or isinstance(kept["limit"], bool) or kept["limit"] < 1:
        work.say(
            at,
            "limit-invalid",
            f"A concurrency limit is a whole number from 1, not {kept['limit']!r}.",
            "Correct it.",
            error=True,
        )
        return None
    if kept.get("collision_strategy") not in {None, "ENQUEUE", "CANCEL_NEW"}:
        work.say(
            (*at, "collision_strategy"),
            "limit-invalid",
            "The collision strategy is ENQUEUE or CANCEL_NEW.",
            "Write one of them.",
            error=True,
        )
    if kept.get("collision_strategy") == "ENQUEUE":
        del kept["collision_strategy"]
    return kept["limit"] if kept.keys() == {"limit"} else kept

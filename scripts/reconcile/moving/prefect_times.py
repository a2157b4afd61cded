"""The schedules of a deployment of a prefect.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconcile.moving.draft import free_name
from reconcile.moving.prefect_file import Draft, KeyPath
from reconcile.moving.prefect_schedules import schedule_of


def schedules_of(work: Draft, raw: Mapping[str, Any], at: KeyPath) -> dict[str, Any]:
    """Its schedules, by slugs of their own or made from their times."""
    given = _given_schedules(work, raw, at)
    found: dict[str, Any] = {}
    active = raw.get("is_schedule_active")
    if active is not None:
        work.say(
            (*at, "is_schedule_active"),
            "prefect-2-key",
            "`is_schedule_active` is of Prefect 2, and 3 drops it; it is taken for `active`.",
            key=True,
        )
    for place, one in given:
        read = schedule_of(one)
        for fault in read.faults:
            work.fault(place, fault)
        if read.fields is None:
            continue
        if read.slug in found and isinstance(one, dict) and one.get("slug"):
            work.say(
                (*place, "slug"),
                "slug-twice",
                f"Two schedules have the slug {read.slug!r}.",
                "Give each its own.",
                error=True,
            )
        fields = {**read.fields, **({"active": False} if active is False else {})}
        found[free_name(read.slug, found)] = fields
        if read.zoneless:
            line = work.document.locate(place).line
            work.comments.append(f"{work.name}:{line}: no time zone is said there, for which Prefect takes UTC.")
    return {"schedules": found} if found else {}


def _given_schedules(work: Draft, raw: Mapping[str, Any], at: KeyPath) -> list[tuple[KeyPath, Any]]:
    one, many = raw.get("schedule"), raw.get("schedules")
    if one and "schedules" in raw:
        work.say(
            (*at, "schedule"),
            "schedule-twice",
            "Prefect takes `schedule` or `schedules`, not both.",
            "Keep `schedules`.",
            key=True,
            error=True,
        )
        return []
    if one:
        return [((*at, "schedule"), one)]
    if many is not None and not isinstance(many, list):
        work.say(
            (*at, "schedules"),
            "schedules-not-a-list",
            "`schedules` must be a list.",
            "Begin each with `- cron:`, say.",
            error=True,
        )
        return []
    return [((*at, "schedules", index), each) for index, each in enumerate(many or ()) if each]

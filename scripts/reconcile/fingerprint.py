"""What git owned at the last apply, a few characters a field, kept in the deployment's `version` on the server.

`version` is `<12 hex of the commit>[.dirty]+<format>:<fingerprint>`; the fingerprint is a run of items,
each of them a field's letter and the hash of its value; or `~`, the hash of a schedule's slug and the hash of the
schedule; or `!`, the hash of the slug of a schedule whose `active` was declared and the hash of that.

With it, for a field stored as S, desired as D and observed as O, O not being D: S = O says that the files changed,
S = D that the server drifted, anything else both. There is no state file.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconcile.compare import canonical, comparable, of_schedule
from reconcile.model import DEPLOYMENT_FIELDS, Deployment, Owner
from reconcile.plan import Reason

FORMAT: Final = 1
WIDTH: Final = 3

_VERSION = re.compile(rf"(?P<commit>[0-9a-f]{{12}}(?:\.dirty)?)\+{FORMAT}:(?P<items>[A-Za-z0-9_~!-]*)")
_ITEM = re.compile(rf"(?:(?P<field>[A-Za-z])|(?P<schedule>[~!])(?P<slug>.{{{WIDTH}}}))(?P<hash>.{{{WIDTH}}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a version tells: the commit, and the hash of each field, schedule and declared `active` by its code."""

    commit: str
    hashes: Mapping[str, str] = field(default_factory=dict)

    def reason(self, code: str, desired: str | None, observed: str | None) -> Reason:
        """Who made the observed value differ from the desired one; None stands for a value that is not there."""
        stored = self.hashes.get(code)
        if stored == observed:
            return Reason.FILES
        return Reason.DRIFT if stored == desired else Reason.BOTH

    def owned(self, code: str) -> bool:
        """Whether git owned that field at the last apply."""
        return code in self.hashes


def digest(value: Any) -> str:
    """The few characters that stand for a value."""
    raw = hashlib.sha256(canonical(value).encode("utf-8")).digest()
    return base64.urlsafe_b64encode(raw).decode("ascii")[:WIDTH]


def schedule_code(slug: str) -> str:
    """The code under which the schedule of that slug is kept."""
    return f"~{digest(slug)}"


def active_code(slug: str) -> str:
    """The code under which the declared `active` of the schedule of that slug is kept."""
    return f"!{digest(slug)}"


def write_version(deployment: Deployment, commit: str) -> str:
    """The version of a desired deployment that is applied from that commit."""
    items = [f"{rule.code}{digest(comparable(deployment, rule.name))}" for rule in _owned_rules(deployment)]
    for schedule in sorted(deployment.schedules, key=lambda schedule: schedule.slug or ""):
        slug = schedule.slug or ""
        items.append(f"{schedule_code(slug)}{digest(of_schedule(schedule))}")
        if schedule.active is not None:
            items.append(f"{active_code(slug)}{digest(schedule.active)}")
    return f"{commit}+{FORMAT}:{''.join(items)}"


def read_version(version: str | None) -> Fingerprint | None:
    """What a version tells, or None where it is not one of ours."""
    match = _VERSION.fullmatch(version or "")
    if match is None:
        return None
    hashes = {
        item["field"] or f"{item['schedule']}{item['slug']}": item["hash"] for item in _ITEM.finditer(match["items"])
    }
    return Fingerprint(commit=match["commit"], hashes=hashes)


def _owned_rules(deployment: Deployment) -> list[Any]:
    return [
        rule
        for rule in DEPLOYMENT_FIELDS
        if rule.name != "schedules"
        and not (rule.owner is Owner.OPERATOR and getattr(deployment, rule.name) is None)
        and not (rule.name == "parameter_schema" and deployment.parameter_schema is None)
    ]

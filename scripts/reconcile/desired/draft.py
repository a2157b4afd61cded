"""What is being put together, what it is judged by, and the problems found on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconcile.desired.besides import Besides
from reconcile.errors import SourceError
from reconcile.layers import Entry, KeyPath, Layer, Repository
from reconcile.model import (
    Deployment,
    Mark,
    WorkPool,
)
from reconcile.problem import Problem
from reconcile.pull import Source
from reconcile.resolve import Code
from reconcile.signature import Signature, SignatureError

Texts = Mapping[tuple[Source, str], str | None]
"""The text of each file that was asked for; None: the source can be read and has no such file."""

KnownFlows = Callable[[Mark, str], str | None]
"""The flow of a deployment that stands on the server, by its mark and name."""


def no_flows(_: Mark, __: str) -> str | None:
    """Knows no flow: for whoever asks no server."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of the world outside the declarations when they are judged.

    `unreadable` holds why a source cannot be read; None as a reason says that nobody tried, which is not worth a
    warning. `misread` holds why a single file of a readable source cannot be. `templates` are the job templates of
    each type of pool. `now` is the time, by which a rule with an end is over; None: nobody asks.
    """

    texts: Texts = field(default_factory=dict)
    unreadable: Mapping[Source, SourceError | None] = field(default_factory=dict)
    misread: Mapping[tuple[Source, str], SourceError] = field(default_factory=dict)
    templates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    known_flow: KnownFlows = no_flows
    now: datetime | None = None
    """The time, which calendars come to their end by; None where it does not matter."""


@dataclass(slots=True)
class Draft:
    """What is being put together, with every problem found on the way."""

    repository: Repository
    evidence: Evidence
    besides: Besides = field(default_factory=Besides)
    pools: dict[str, WorkPool] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    poolless: set[tuple[str, str]] = field(default_factory=set)
    signatures: dict[tuple[Source, tuple[str, ...], str], Signature | SignatureError | None] = field(
        default_factory=dict
    )
    unread: dict[Source, list[Code]] = field(default_factory=dict)
    calendars: dict[tuple[str, KeyPath], Layer] = field(default_factory=dict)
    """Those that a schedule leaves out, by the place where they are declared."""
    relative: set[tuple[Source, str]] = field(default_factory=set)
    """The files that were looked through for relative paths."""


Chosen = Callable[[str], bool]
"""Whether an environment is among those that one server is to get."""


def final_name(entry: Entry) -> str:
    """The deployment's name on the server: the entry's, in the form that its environment gives names."""
    form = entry.scope.rules.data.get("name") or "{name}"
    said = str(entry.fields.get("name") or entry.declared)
    return formed(form, entry, name=said)


def replaced_name(entry: Entry, area: str | None = None) -> str | None:
    """The name on the server of what an entry says that it replaces: the declared one, formed as names are.

    `area` is the one in which it was declared then, if that was another.
    """
    said = entry.fields.get("replaces")
    if not isinstance(said, str):
        return None
    form = entry.scope.rules.data.get("name") or "{name}"
    return formed(form, entry, name=said, area=area or entry.scope.area)


def declared_name(repository: Repository, deployment: Deployment) -> str:
    """The name by which the files most likely knew a managed deployment, out of its environment's form of names."""
    mark = deployment.mark
    environments = repository.environments.data.get("environments") or {}
    form = (environments.get(mark.environment) or {}).get("name") or "{name}" if mark else "{name}"
    if mark is None or form.count("{name}") != 1:
        return deployment.name
    before, after = form.replace("{area}", mark.area).replace("{environment}", mark.environment).split("{name}")
    return deployment.name.removeprefix(before).removesuffix(after) or deployment.name


def formed(form: str, entry: Entry, **more: str) -> str:
    """A form of the environment's rules with the entry's area and environment put into it."""
    text = form
    for key, value in {"area": entry.scope.area, "environment": entry.scope.environment, **more}.items():
        text = text.replace(f"{{{key}}}", value)
    return text

"""What is about to be declared, before it is text: plain data, the same whether it comes from a server or from a file.

A draft's fields are those of the YAML, in any order, with two freedoms that `factor` takes away: `source` may be the
source itself, a mapping, in place of a name, and every schedule has its own timing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from unicodedata import normalize

from reconcile.model import EVERYWHERE

Fields = Mapping[str, Any]
Place = tuple[str, str]
"""An area and an environment: the file deployments/<area>/<environment>.yaml."""

ENTRY_ORDER: Final = (
    "entrypoint", "flow", "name", "description", "source", "pull", "schedules", "parameters", "tags", "work_pool",
    "work_queue", "job_variables", "concurrency_limit", "enforce_parameter_schema", "paused", "watchdog", "notify",
    "build", "push", "replaces",
)  # fmt: skip
"""The order in which an entry's keys are written."""

SCHEDULE_ORDER: Final = (
    "use", "cron", "interval", "rrule", "day_or", "anchor_date", "start", "except", "timezone", "allow_utc", "active",
    "parameters",
)  # fmt: skip
SOURCE_ORDER: Final = (
    "git", "path", "branch", "tag", "commit", "token", "directories", "include_submodules", "read_from", "deploy_as",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftEntry:
    """One deployment of one environment. `key` is its key in the file; `identity` its `flow/name` on a server.

    `comments` are lines for whoever reads the file; `origin` says where it comes from, for messages (FILE:LINE).
    """

    area: str
    environment: str
    key: str
    fields: Fields
    identity: str = ""
    comments: tuple[str, ...] = ()
    origin: str = ""

    @property
    def place(self) -> Place:
        """The file that it belongs to."""
        return self.area, self.environment


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPool:
    """A work pool's file: its fields, and the whole job template where it needs one of its own, a file beside it."""

    fields: Fields
    template: Fields | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftNote:
    """Something that could not be carried over, or not as it was. `key` names what it is about.

    `origin` is FILE:LINE, where there is one. `left_out`: the whole of it is not declared.
    """

    code: str
    key: str
    message: str
    origin: str = ""
    left_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftTree:
    """Everything that is about to be declared. Sources and schedules are those of deployments/shared.yaml.

    `defaults` are those of the files of deployments. `pools` are by the names of their files. `project` and
    `environments` are the files prefect.yaml and environments.yaml, None where they are there already.
    """

    entries: tuple[DraftEntry, ...] = ()
    defaults: Mapping[Place, Fields] = field(default_factory=dict)
    sources: Mapping[str, Fields] = field(default_factory=dict)
    schedules: Mapping[str, Fields] = field(default_factory=dict)
    variables: Mapping[str, Fields] = field(default_factory=dict)
    secrets: Mapping[str, Fields] = field(default_factory=dict)
    limits: Mapping[str, Fields] = field(default_factory=dict)
    automations: Mapping[str, Fields] = field(default_factory=dict)
    pools: Mapping[str, DraftPool] = field(default_factory=dict)
    project: Fields | None = None
    environments: Fields | None = None
    notes: tuple[DraftNote, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the files declare already, as far as a draft has to know.

    `sources`: what workers do for each named source, as `canonical` text, by place; `schedules`: the shared schedules
    as they are written; `places`: the files of deployments that are there. Names that are taken are taken for good.
    """

    sources: Mapping[str, str] = field(default_factory=dict)
    source_names: Collection[str] = ()
    schedules: Mapping[str, Fields] = field(default_factory=dict)
    places: Collection[Place] = ()


_NOT_PLAIN: Final = re.compile(r"[^a-z0-9]+")


def plain_name(text: str, otherwise: str = "x") -> str:
    """A text as areas, files and sources are named: small letters, digits and hyphens, accents left out."""
    bare = "".join(letter for letter in normalize("NFKD", text) if not 0x300 <= ord(letter) < 0x370)
    return _NOT_PLAIN.sub("-", bare.lower()).strip("-")[:80].strip("-") or otherwise


DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
)
"""What Windows lets no file or folder be called, whatever its ending."""


def file_name(text: str, kind: str) -> str:
    """A text as the file or folder of a thing of that kind is named, on every system."""
    name = plain_name(text, kind)
    return f"{name}-{kind}" if name in DEVICES else name


def area_name(name: str) -> str:
    """The name as an area's: some stand for something else, or are no folders everywhere."""
    return f"{name}-area" if name in {EVERYWHERE, "shared", *DEVICES} else name


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or the first of `name-2`, `name-3`, … that nothing has."""
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def ordered(fields: Fields, order: tuple[str, ...]) -> dict[str, Any]:
    """The fields in the order in which they are written; what the order does not know comes last, by name."""
    places = {name: index for index, name in enumerate(order)}
    return {name: fields[name] for name in sorted(fields, key=lambda name: (places.get(name, len(order)), name))}

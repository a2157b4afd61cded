"""The plan: what would change and why. Plain data; what is rendered, saved, reviewed and applied is this object."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as data_field
from enum import StrEnum
from typing import Any

from reconcile.model import EVERYWHERE, Mark, Marked, Resource, ResourceKey
from reconcile.problem import Location


class Action(StrEnum):
    """What is done to a resource."""

    CREATE = "create"
    UPDATE = "update"
    ADOPT = "adopt"
    REPLACE = "replace"
    DELETE = "delete"


class Reason(StrEnum):
    """Who caused a difference: the files, somebody on the server, both, the flow's source, or not known."""

    FILES = "files"
    DRIFT = "drift"
    BOTH = "both"
    SOURCE = "source"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One value that changes, fit to be shown: secrets in it are masked.

    `path` is dotted, for people; `field` is the field of the resource that it belongs to, for whoever writes it.
    """

    path: str
    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Where a desired resource is declared, and for whom. None: for all; a pool has neither area nor environment."""

    location: Location
    area: str | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One resource that changes.

    `desired` is None for a delete, `observed` for a create; a replace creates `desired` and deletes `observed`, which
    goes by another name. A delete has a declaration where one of another resource says that it replaces this one.
    """

    action: Action
    key: ResourceKey
    declaration: Declaration | None
    reason: Reason | None = None
    fields: tuple[FieldChange, ...] = ()
    desired: Resource | None = None
    observed: Resource | None = None

    @property
    def place(self) -> tuple[str | None, str | None]:
        """The area and environment that it belongs to, as declared, or as the mark of what goes says; None: to all."""
        if self.declaration is not None:
            return self.declaration.area, self.declaration.environment
        area, environment = self.owner
        return (None if area == EVERYWHERE else area, None if environment == EVERYWHERE else environment)

    @property
    def owner(self) -> tuple[str | None, str | None]:
        """The area and environment of the mark that stands; `all` where files declare it that are shared."""
        mark = self.observed.mark if isinstance(self.observed, Marked) else None
        return (mark.area, mark.environment) if mark else (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """An operator's decision made in the UI, which the plan leaves standing.

    `since` is when what bears it was last changed, ISO 8601: the decision is as old, or older. Where `pause` made it,
    `by` and `reason` say who and why, and `since` is that moment.
    """

    key: ResourceKey
    field: str
    value: Any
    since: str | None = data_field(default=None, compare=False)
    by: str | None = data_field(default=None, compare=False)
    reason: str | None = data_field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """What is managed and no file declares any more. `next_run` is when a deployment next runs, ISO 8601, or None."""

    key: ResourceKey
    mark: Mark
    next_run: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to be known of the plan: as a refusal it stops the apply and names the way out."""

    code: str
    message: str
    key: str | None = None


class Status(StrEnum):
    """How a change ended."""

    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one change: `error` says why it failed or was skipped; `seconds` is how long it took."""

    key: ResourceKey
    action: Action
    status: Status
    error: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that an apply would do to one server, and everything that it would leave."""

    target: str
    changes: tuple[Change, ...] = ()
    unchanged: int = 0
    holds: tuple[Hold, ...] = ()
    orphans: tuple[Orphan, ...] = ()
    foreign: tuple[ResourceKey, ...] = ()
    refusals: tuple[Notice, ...] = ()
    warnings: tuple[Notice, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether an apply would write nothing."""
        return not self.changes

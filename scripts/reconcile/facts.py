"""What policy must know of the world, gathered once into plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconcile.model import NO_COMMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The world at the time of a plan. `embedded`: the target is Prefect's own embedded server."""

    now: datetime
    url: str
    embedded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The commit that the files are of, and whether they differ from it."""

    sha: str | None = None
    dirty: bool = False

    def __str__(self) -> str:
        short = self.sha[:12] if self.sha else NO_COMMIT
        return f"{short}.dirty" if self.dirty else short

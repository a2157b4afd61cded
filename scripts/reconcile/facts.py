"""What policy must know of the world, gathered once into plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconcile.model import NO_COMMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState:
    """The repository that the files are in. `sha` None: it is none, or git is not here.

    `branch` is the one that is checked out; where none is, as CI systems do it, `tips` are the remote branches that end
    at this commit. `ancestors` says of commits, by their first digits, whether this one descends from them; one that
    this clone does not have is none of its ancestors. A `shallow` clone lacks most of them.
    """

    sha: str | None = None
    dirty: bool = True
    branch: str | None = None
    tips: frozenset[str] = frozenset()
    pushed: bool = False
    shallow: bool = False
    ancestors: Mapping[str, bool] = field(default_factory=dict)

    def is_on(self, branch: str) -> bool:
        """Whether that branch is checked out."""
        return branch == self.branch if self.branch is not None else branch in self.tips

    @property
    def short(self) -> str:
        """The commit as versions carry it: its first twelve digits, and whether the files differ from it."""
        known = self.sha[:12] if self.sha else NO_COMMIT
        return f"{known}.dirty" if self.dirty else known


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsOf:
    """The runs of one deployment that matter for a change of it.

    `active` counts those that are at work or about to be; `total` all there ever were; `last` and `next` are when the
    last one began and the next one is due; `late` counts those that are due already and wait for a worker.
    """

    active: int = 0
    late: int = 0
    total: int = 0
    last: datetime | None = None
    next: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The world at the time of a plan. `runs` are known of the deployments whose runs are at stake, by their key."""

    now: datetime
    url: str
    embedded: bool = False
    git: GitState = field(default_factory=GitState)
    runs: Mapping[str, RunsOf] = field(default_factory=dict)

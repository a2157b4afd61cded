"""What must be known of the world besides the files and the server, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from reconcile.model import NO_COMMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class GitState:
    """The repository that the files are in. `sha` None: it is none, or git is not here."""

    sha: str | None = None
    dirty: bool = True

    @property
    def short(self) -> str:
        """The commit as versions carry it: its first twelve digits, and whether the files differ from it."""
        known = self.sha[:12] if self.sha else NO_COMMIT
        return f"{known}.dirty" if self.dirty else known

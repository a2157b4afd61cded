"""What the tool keeps on a server for itself: variables that no file declares and no import takes for somebody's."""

from __future__ import annotations

from typing import Final

LOCK: Final = "sync-lock-"
"""How the names of the variables begin that keep two applies apart."""

HOLDS: Final = "sync-holds-"
"""How the names of the variables begin that say who paused what, and why."""


def is_kept(variable: str) -> bool:
    """Whether a variable of this name is the tool's own, of whatever project."""
    return variable.startswith((LOCK, HOLDS))

"""What an apply does while the server stumbles: it waits, for as long as that makes sense."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reconcile.commands.interruption import let_pass
from reconcile.lock import Lock

QUIET = 2.0
"""A pause of so many seconds is one that a person is told of."""


@dataclass(slots=True, kw_only=True)
class Patience:
    """Between two tries of one request. A lock that was lost meanwhile ends it: nothing may be written any more."""

    lock: Lock = field(repr=False)
    stop: Callable[[], bool]
    say: Callable[[str], None]
    told: bool = False

    def __call__(self, seconds: float) -> bool:
        """Wait; answers whether to try again. Raises LockLostError."""
        if seconds >= QUIET and not self.told:
            self.say("The server does not see to requests just now; waiting for it …")
            self.told = True
        if not let_pass(seconds, self.stop):
            return False
        self.lock.check()
        return True

"""Whether a server is there, and how long it is waited for: known to all that talk to it in one command."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Final

RETRIED: Final = frozenset({429, 502, 503, 504})
"""What a server answers that could not see to a request just then."""

PATIENCE: Final = 30.0
"""Seconds that a server may be away: Prefect's takes ten to twenty to start anew. It is less than the lease of the
lock, so that ours still stands when the server is back."""


def sleep(seconds: float) -> bool:
    """Let time pass between two tries, and go on."""
    time.sleep(seconds)
    return True


@dataclass(slots=True, kw_only=True)
class Contact:
    """What is known of a server, and what is done while it stumbles.

    `patient`: one that has answered is waited for, since it may be starting anew; otherwise a request is given up
    after a few tries. `between` is called between two tries with the seconds to let pass; it answers whether to go on.
    """

    patient: bool = False
    between: Callable[[float], bool] = sleep
    answered: bool = False

    def pauses(self, first: Sequence[float]) -> Iterator[float]:
        """Seconds before each further try: those, then the last one over and over while there is patience.

        Once they are at an end the server is given up: the next request does not wait for it like that again.
        """
        began, hopeful = time.monotonic(), self.hopeful
        for number, pause in enumerate(chain(first, repeat(first[-1]))):
            if time.monotonic() - began >= PATIENCE or (number >= len(first) and not hopeful):
                break
            yield pause
        self.answered = False

    @property
    def hopeful(self) -> bool:
        """Whether a server that nobody listens at is waited for."""
        return self.patient and self.answered

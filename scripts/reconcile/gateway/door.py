"""A connection of its own for the lock, whose requests are counted apart and may be sent while others are under way."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from reconcile.gateway.contact import Contact
from reconcile.gateway.reading import Reading
from reconcile.gateway.target import Target
from reconcile.gateway.writing import Writing
from reconcile.wire import Request


class Door:
    """What `lock.Door` asks for, at a real server."""

    def __init__(self, target: Target) -> None:
        self._reading = Reading(target)
        self.contact = Contact()
        self._writing = Writing(target, self.contact)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._reading)
        self._stack.enter_context(self._writing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def requests(self) -> int:
        """How many requests the lock took, those that only look included."""
        return self._reading.requests + self._writing.requests

    def get(self, path: str) -> Any:
        """What a GET answers."""
        return self._reading.get(path)

    def clock(self) -> datetime:
        """The server's time at its last answer to a GET."""
        return self._reading.clock()

    def write(self, request: Request) -> Mapping[str, Any]:
        """Send a request that changes state."""
        return self._writing.write(request)

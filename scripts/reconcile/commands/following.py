"""Following a run: what it logs, as it comes, until it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from reconcile.commands.interruption import SLICE

TERMINAL: Final = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
"""The types of states that a run ends in."""

EACH: Final = 1.0
"""Seconds between two looks."""

AFTERWARDS: Final = 4.0
"""Seconds that logs are waited for once the run is over: its process sends them in batches, its last ones late."""

OVERLAP: Final = timedelta(seconds=30)
"""How far back each look goes: logs of several processes do not come in the order of their times."""

PAGE: Final = 200


class Asked(Protocol):
    """What following needs of a server. Raises ServerError."""

    def get(self, path: str) -> Any:
        """What a GET answers."""
        ...

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What a reading POST answers."""
        ...


def pause(length: float) -> None:
    """Let time pass, in slices, so that Ctrl-C is heard."""
    end = time.monotonic() + length
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, SLICE))


def follow(
    asked: Asked, run: str, tell: Callable[[Mapping[str, Any]], None], wait: Callable[[float], None] = pause
) -> Mapping[str, Any]:
    """Tell each log of a run once, and each of its states as a log; the run once it is over."""
    logs = _Logs(asked, run)
    told = None
    while True:
        found = asked.get(f"/flow_runs/{run}")
        state = found.get("state") or {}
        name = state.get("name") or found.get("state_name")
        for log in logs.new():
            tell(log)
        if name != told:
            tell({"state": name, "message": state.get("message") or "", "timestamp": state.get("timestamp")})
            told = name
        if found.get("state_type") in TERMINAL:
            break
        wait(EACH)
    for _ in range(int(AFTERWARDS / EACH)):
        wait(EACH)
        for log in logs.new():
            tell(log)
    return dict(found)


class _Logs:
    """The logs of a run that were not told yet."""

    def __init__(self, asked: Asked, run: str) -> None:
        self._asked = asked
        self._run = run
        self._seen: set[str] = set()
        self._since: datetime | None = None

    def new(self) -> Iterator[Mapping[str, Any]]:
        """Those that came since the last look, by their times."""
        for row in self._rows():
            key = str(row.get("id"))
            if key not in self._seen:
                self._seen.add(key)
                self._note(row.get("timestamp"))
                yield row

    def _rows(self) -> list[Mapping[str, Any]]:
        query: dict[str, Any] = {"flow_run_id": {"any_": [self._run]}}
        if self._since is not None:
            query["timestamp"] = {"after_": (self._since - OVERLAP).isoformat()}
        rows: list[Mapping[str, Any]] = []
        while True:
            body = {"logs": query, "sort": "TIMESTAMP_ASC", "limit": PAGE, "offset": len(rows)}
            page = self._asked.post("/logs/filter", body)
            rows += page
            if len(page) < PAGE:
                return rows

    def _note(self, timestamp: Any) -> None:
        try:
            moment = datetime.fromisoformat(timestamp)
        except (TypeError, ValueError):
            return
        self._since = moment if self._since is None else max(self._since, moment)

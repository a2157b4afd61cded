"""The failures of a period, folded out of the runs one by one: what is kept does not grow with the number of runs."""

from __future__ import annotations

import heapq
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Any, Final
from zoneinfo import ZoneInfo

ZONE: Final = ZoneInfo("America/Argentina/Buenos_Aires")

MARK: Final = "managed-by:"
LISTED: Final = 20
AREAS: Final = 15
OFFENDERS: Final = 10
LONGEST: Final = 5
"""How many of each the report shows: mail programs cut a mail off at 100 kB."""

MESSAGE: Final = 240
NAME: Final = 90

PASSWORD_IN_ADDRESS: Final = re.compile(r"(://[^\s/:@]*:)[^\s/@]+@")


class Kind(StrEnum):
    """How a run failed; the value is the name of its state."""

    FAILED = "Failed"
    CRASHED = "Crashed"
    CANCELLED = "Cancelled"
    LATE = "Late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From a moment to another, the second left out."""

    start: datetime
    end: datetime

    @property
    def days(self) -> int:
        """Whole days, at least one."""
        return max(1, round((self.end - self.start) / timedelta(days=1)))

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the report shows of a run."""

    id: str
    name: str
    origin: str
    """The id of its deployment; of its flow where it has none."""
    area: str
    kind: Kind | None
    at: datetime
    """When it ended; a late one, when it was due."""
    seconds: float | None
    message: str


@dataclass(slots=True, kw_only=True)
class Tally:
    """What is counted of some runs."""

    total: int = 0
    failures: Counter[Kind] = field(default_factory=Counter)
    timed: int = 0
    seconds: float = 0.0
    longest: float = 0.0

    def add(self, run: Run) -> None:
        """Count a run."""
        self.total += 1
        if run.kind:
            self.failures[run.kind] += 1
        if run.seconds is not None:
            self.timed += 1
            self.seconds += run.seconds
            self.longest = max(self.longest, run.seconds)

    @property
    def failed(self) -> int:
        """How many failed in any way."""
        return self.failures.total()

    @property
    def mean(self) -> float | None:
        """Seconds a run that ran."""
        return self.seconds / self.timed if self.timed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a run comes from, by name."""

    deployment: str | None
    flow: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is told of a period."""

    period: Period
    all: Tally
    areas: tuple[tuple[str, Tally], ...]
    """Those with most failures, these first."""
    offenders: tuple[tuple[str, str, Tally], ...]
    """Id, area and counts of the origins with most failures."""
    origins_failing: int
    moments: tuple[Counter[Kind], ...]
    """The failures of each hour, or of each day where there are several."""
    longest: tuple[Run, ...]
    latest: tuple[Run, ...]
    """The failures, latest first: no more than are shown."""
    late_before: int
    """Runs due before the period that are late still."""

    @property
    def shown_origins(self) -> frozenset[str]:
        """The ids whose names are needed."""
        shown = [run.origin for run in (*self.longest, *self.latest)]
        return frozenset([*shown, *(origin for origin, _, _ in self.offenders)])


class Gathering:
    """Takes the rows of the API one by one."""

    def __init__(self, period: Period) -> None:
        self._period = period
        self._all = Tally()
        self._areas: dict[str, Tally] = {}
        self._origins: dict[str, tuple[str, Tally]] = {}
        self._moments = [Counter[Kind]() for _ in range(_moments(period))]
        self._latest: list[tuple[datetime, str, Run]] = []
        self._longest: list[tuple[float, str, Run]] = []
        self._seen: set[str] = set()

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a run, once. A subflow's failure is its parent's to tell; a late run may have ended meanwhile."""
        if (row["parent_task_run_id"] and not row["deployment_id"]) or row["id"] in self._seen:
            return
        run = read_run(row)
        if run.at not in self._period:
            return
        self._seen.add(run.id)
        self._all.add(run)
        self._areas.setdefault(run.area, Tally()).add(run)
        self._origins.setdefault(run.origin, (run.area, Tally()))[1].add(run)
        if run.seconds is not None:
            _keep(self._longest, (run.seconds, run.id, run), LONGEST)
        if run.kind:
            _keep(self._latest, (run.at, run.id, run), LISTED)
            span = (self._period.end - self._period.start) / len(self._moments)
            self._moments[min(int((run.at - self._period.start) / span), len(self._moments) - 1)][run.kind] += 1

    def report(self, *, late_before: int = 0) -> Report:
        """What has come together."""
        failing = [(origin, area, tally) for origin, (area, tally) in self._origins.items() if tally.failed]
        areas = [(area, tally) for area, tally in self._areas.items() if tally.failed]
        return Report(
            period=self._period,
            all=self._all,
            areas=tuple(sorted(areas, key=lambda one: (-one[1].failed, one[0]))[:AREAS]),
            offenders=tuple(sorted(failing, key=lambda one: (-one[2].failed, one[2].total, one[0]))[:OFFENDERS]),
            origins_failing=len(failing),
            moments=tuple(self._moments),
            longest=tuple(run for _, _, run in sorted(self._longest, reverse=True)),
            latest=tuple(run for _, _, run in sorted(self._latest, reverse=True)),
            late_before=late_before,
        )


def _keep(heap: list[Any], entry: Any, most: int) -> None:
    """The largest entries; the ids in them decide between equals, so that runs are never compared."""
    (heapq.heappush if len(heap) < most else heapq.heappushpop)(heap, entry)


def _moments(period: Period) -> int:
    """One an hour for a day, else one a day."""
    return max(1, ceil((period.end - period.start) / timedelta(hours=1))) if period.days == 1 else period.days


def read_run(row: Mapping[str, Any]) -> Run:
    """What the report needs of a row."""
    kind = _kind(row)
    at = row["expected_start_time"] if kind is Kind.LATE else row["end_time"] or row["expected_start_time"]
    seconds = float(row["total_run_time"] or 0.0)
    return Run(
        id=row["id"],
        name=clean(row["name"], NAME),
        origin=row["deployment_id"] or row["flow_id"],
        area=area_of(row["tags"], row["work_pool_name"]),
        kind=kind,
        at=datetime.fromisoformat(at).astimezone(ZONE),
        seconds=seconds if seconds > 0 else None,
        message=clean(PASSWORD_IN_ADDRESS.sub(r"\1…@", (row["state"] or {}).get("message") or ""), MESSAGE),
    )


def _kind(row: Mapping[str, Any]) -> Kind | None:
    """By the state's type: a flow may call its states as it likes. Late is a name, of the type SCHEDULED."""
    if row["state_type"] == "SCHEDULED":
        return Kind.LATE if row["state_name"] == Kind.LATE else None
    return {"FAILED": Kind.FAILED, "CRASHED": Kind.CRASHED, "CANCELLED": Kind.CANCELLED}.get(row["state_type"])


def area_of(tags: Sequence[str], pool: str | None) -> str:
    """Out of the mark `managed-by:<project>/<area>/<environment>`; without it the work pool."""
    for tag in tags:
        parts = tag.removeprefix(MARK).split("/")
        if tag.startswith(MARK) and len(parts) == 3 and all(parts):
            return clean(f"{parts[1]} · {parts[2]}", NAME)
    return clean(f"pool {pool}" if pool else "sin pool", NAME)


def clean(text: str, most: int) -> str:
    """One line without what turns the direction of writing or is not seen; cut where it is too long."""
    seen = "".join(
        " " if one.isspace() else one for one in text if one.isspace() or unicodedata.category(one)[0] != "C"
    )
    line = " ".join(seen.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"

"""Who paused what, why and since when: kept on the server in variables beside the pauses themselves.

One incident is one record, in one or several variables `sync-holds-<project>-<12 hex>`: Prefect keeps 5,000 characters
in each. A record carries no mark and no file declares it, so it is neither an orphan nor drift. It tells of what it
names only while that is paused.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from reconcile.keeping import HOLDS
from reconcile.model import Kind, State, Variable
from reconcile.plan import Hold, Plan

AT_ONCE: Final = 60
"""Ids in one variable: 60 of 33 characters and the longest reason stay below 5,000 characters."""

LONGEST: Final = 200
"""Characters of a reason. Each may take twelve where the server counts what JSON makes of it."""

_HELD: Final = {"deployments": Kind.DEPLOYMENT, "pools": Kind.WORK_POOL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one command paused. `deployments` and `pools` are the server's ids; `id` is the variable's."""

    name: str
    by: str
    since: str
    reason: str
    deployments: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()
    id: str | None = None

    @property
    def value(self) -> dict[str, Any]:
        """The variable's value. Ids without their hyphens, in one text: that is shorter than a list."""
        return {
            "by": self.by,
            "since": self.since,
            "reason": self.reason,
            **{name: " ".join(sorted(one.replace("-", "") for one in getattr(self, name))) for name in _HELD},
        }


def new_records(project: str, record: Record) -> Iterator[Record]:
    """A record in as many variables as it takes, each with a name that no other has."""
    named = [(kind, one) for kind in _HELD for one in sorted(getattr(record, kind))]
    for start in range(0, len(named), AT_ONCE):
        part = named[start : start + AT_ONCE]
        ids = {kind: frozenset(one for of, one in part if of == kind) for kind in _HELD}
        name = f"{_prefix(project)}{uuid.uuid4().hex[:12]}"
        yield replace(record, name=name, deployments=ids["deployments"], pools=ids["pools"])


def _prefix(project: str) -> str:
    return f"{HOLDS}{project}-"


def records_of(variables: Iterable[Variable], project: str) -> tuple[Record, ...]:
    """The project's records, oldest first. A variable that is like none is left out: somebody else's."""
    form = re.compile(re.escape(_prefix(project)) + "[0-9a-f]{12}")
    found = [_record(one) for one in variables if form.fullmatch(one.name)]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.since, one.name)))


def _record(variable: Variable) -> Record | None:
    value = variable.value
    if not isinstance(value, Mapping) or not all(isinstance(value.get(key), str) for key in ("by", "since", "reason")):
        return None
    ids = {kind: frozenset(_ids(value.get(kind))) for kind in _HELD}
    return Record(
        name=variable.name, id=variable.id, by=value["by"], since=value["since"], reason=value["reason"], **ids
    )


def _ids(text: Any) -> Iterator[str]:
    for one in text.split() if isinstance(text, str) else ():
        try:
            yield str(uuid.UUID(one))
        except ValueError:
            continue


def record_for(records: Iterable[Record], kind: Kind, held: str | None) -> Record | None:
    """The last record that names what has this id."""
    found = None
    for record in records:
        if held in (record.deployments if kind is Kind.DEPLOYMENT else record.pools):
            found = record
    return found


def pruned_records(
    records: Iterable[Record], *, deployments: Iterable[str], pools: Iterable[str]
) -> Iterator[tuple[Record, Record]]:
    """Each record that names something which is not held any more, before and after; what is held is given."""
    kept, kept_pools = frozenset(deployments), frozenset(pools)
    for record in records:
        left = replace(record, deployments=record.deployments & kept, pools=record.pools & kept_pools)
        if left != record:
            yield record, left


def with_reasons(plan: Plan, standing: State, project: str) -> Plan:
    """The plan, its holds with who made them, why and since when, where that was written down."""
    records = records_of(standing.variables.values(), project)
    return replace(plan, holds=tuple(_told(hold, standing, records) for hold in plan.holds)) if records else plan


def _told(hold: Hold, standing: State, records: tuple[Record, ...]) -> Hold:
    if hold.field not in {"paused", "is_paused"}:
        return hold
    one = standing.of(hold.key.kind).get(hold.key.name)
    record = record_for(records, hold.key.kind, one.id if one is not None else None)
    return hold if record is None else replace(hold, since=record.since, by=record.by, reason=record.reason)

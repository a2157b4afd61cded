"""The coming runs of what an apply changes: which of them a change would wipe, and whether each stands afterwards.

What the server does, held by tests/contract/test_runs.py: a PATCH of a deployment deletes the runs that its schedules
made and that are still to come; the scheduler makes those again that are then still to come, within seconds, so one
that was due in between is lost. Runs that are due already, late ones among them, it spares. The DELETE of a schedule
deletes these too, also those of the other schedules; the DELETE of a deployment all that have not started.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final

from reconcile.compare import paired
from reconcile.model import Deployment, Schedule
from reconcile.plan import Action, Change, Notice
from reconcile.schedule import occurrences

QUEUED: Final = "AwaitingConcurrencySlot"
"""A scheduled run that was begun already and waits for its turn: no change wipes it."""

SETTLING: Final = timedelta(seconds=15)
"""How long the scheduler takes, at most, to bring coming runs back, and a worker to start one that is due."""

GRACE: Final = timedelta(seconds=60)
"""How long after its time a run that would be wiped is waited for."""


RETURN: Final = timedelta(seconds=70)
"""How long the coming runs may stay away at most: the scheduler's long loop takes a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a deployment, whose time is `expected`; somebody may have put it off since, until `due`.

    `waiting`: it has not been begun. `schedule` is the id of the schedule that made it, `slug` what it was called.
    """

    id: str
    deployment: str
    expected: datetime
    due: datetime
    waiting: bool
    schedule: str | None = None
    slug: str | None = None


def read_run(raw: Mapping[str, Any]) -> Run | None:
    """A row of the server's; None for one that has no deployment or no time."""
    expected = _moment(raw.get("expected_start_time")) or _moment(raw.get("next_scheduled_start_time"))
    if expected is None or not raw.get("deployment_id"):
        return None
    due = _moment(raw.get("next_scheduled_start_time")) or expected
    made_by = raw.get("created_by") or {}
    scheduled = bool(raw.get("auto_scheduled")) and made_by.get("type") == "SCHEDULE"
    return Run(
        id=str(raw["id"]),
        deployment=str(raw["deployment_id"]),
        expected=expected,
        due=due,
        waiting=raw.get("state_type") == "SCHEDULED" and raw.get("state_name") != QUEUED and not raw.get("run_count"),
        schedule=str(made_by.get("id")) if scheduled else None,
        slug=made_by.get("display_value") if scheduled else None,
    )


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Wipes(IntEnum):
    """Which runs a change deletes that have not begun: none; those to come; those that are due, too; all.

    All but the last are of runs that a schedule made.
    """

    NOTHING = 0
    COMING = 1
    DUE = 2
    EVERY = 3


def wipes(change: Change) -> Wipes:
    """What a change does to the runs of the deployment that stands."""
    if not isinstance(change.observed, Deployment):
        return Wipes.NOTHING
    if change.action in {Action.DELETE, Action.REPLACE} or not isinstance(change.desired, Deployment):
        return Wipes.EVERY
    pairs = paired(change.desired.schedules, change.observed.schedules)
    schedules = any(field.field == "schedules" for field in change.fields)
    return Wipes.DUE if schedules and any(wanted is None for wanted, _ in pairs) else Wipes.COMING


def at_stake(change: Change, runs: Iterable[Run], now: datetime, within: timedelta) -> tuple[Run, ...]:
    """The runs that the change would wipe and that are due within that time, or late; the earliest first."""
    extent = wipes(change)
    found = (
        run
        for run in runs
        if run.waiting
        and run.due <= now + within
        and (extent is Wipes.EVERY or (extent and run.schedule is not None))
        and (run.due > now or extent >= Wipes.DUE)
    )
    return tuple(sorted(found, key=lambda run: (run.due, run.id)))


def awaited(change: Change, runs: Iterable[Run], now: datetime, within: timedelta) -> Run | None:
    """The run whose start has to be waited for before the change is made, if there is one.

    One start at most: where a run has just been due, the next one is waited for only if it is so close that the
    scheduler may not be back in time.
    """
    runs = tuple(runs)
    found = at_stake(change, runs, now, within)
    if not found:
        return None
    run = found[0]
    just_been = any(now - within < each.due <= now for each in runs if each.schedule is not None)
    return None if just_been and run.due > now + SETTLING else run


# After the apply


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A deployment after its change, and the runs that stood before.

    `declared` is what is declared now of a schedule that had that id before. `anew`: the runs were another deployment's
    that this one replaces. `paused`: it is, by the files or by an operator, and no run of it comes back.
    """

    key: str
    desired: Deployment
    before: tuple[Run, ...]
    declared: Mapping[str, Schedule]
    anew: bool = False
    paused: bool = False


def standing_of(change: Change, runs: Iterable[Run]) -> Standing | None:
    """What has to stand after a change; None where nothing has to."""
    desired, observed = change.desired, change.observed
    if not isinstance(desired, Deployment) or not isinstance(observed, Deployment):
        return None
    pairs = paired(desired.schedules, observed.schedules)
    declared = {had.id: wanted for wanted, had in pairs if wanted is not None and had is not None and had.id}
    anew = change.action is Action.REPLACE
    return Standing(
        key=str(change.key),
        desired=desired,
        before=tuple(runs),
        declared=declared,
        anew=anew,
        paused=_is_paused(change, desired, observed),
    )


def _is_paused(change: Change, desired: Deployment, observed: Deployment) -> bool:
    """After its change. Where no file says so it stays as the operator has it, unless the plan ends the hold."""
    if desired.paused is not None:
        return desired.paused
    return bool(observed.paused) and all(field.path != "paused" for field in change.fields)


def missing(standing: Standing, after: Iterable[Run], now: datetime) -> tuple[datetime, ...]:
    """The times of runs that stood before, are still declared, and are not there any more.

    The server holds only so many runs of a schedule: what lies behind the last one that it holds now is not asked for.
    """
    after = tuple(after)
    held: dict[str | None, datetime] = {}
    for run in after:
        held[run.slug] = max(run.expected, held.get(run.slug, run.expected))
    wanted = Counter(run.expected for run in standing.before if _must_stand(run, standing, held, now))
    found = Counter(run.expected for run in after if run.schedule is not None)
    return tuple(sorted((wanted - found).elements()))


def _must_stand(run: Run, standing: Standing, held: Mapping[str | None, datetime], now: datetime) -> bool:
    schedule = standing.declared.get(run.schedule or "")
    if schedule is None or schedule.active is False or standing.paused or not run.waiting:
        return False
    if next(_times(schedule, run.expected, run.expected), None) is None or (standing.anew and run.expected <= now):
        return False
    last = held.get(schedule.slug, now)
    if last <= now:
        last = next(_times(schedule, now, None), now)
    return run.expected <= max(last, now)


def doubled(standing: Standing, after: Iterable[Run], since: datetime) -> tuple[datetime, ...]:
    """The times for which more runs stand than there are schedules that say so."""
    found = Counter(run.expected for run in after if run.schedule is not None and run.expected >= since)
    declared = {time: sum(1 for one in standing.desired.schedules if any(_times(one, time, time))) for time in found}
    return tuple(sorted(time for time, number in found.items() if number > declared[time] > 0))


def _times(schedule: Schedule, after: datetime, until: datetime | None) -> Iterator[datetime]:
    return occurrences(schedule.timing, after=after, until=until, limit=1)


def run_notices(standing: Standing, lost: Iterable[datetime], twice: Iterable[datetime]) -> Iterator[Notice]:
    """What has to be said of a deployment's runs after its change."""
    for due in lost:
        yield Notice(
            code="run-missing",
            key=standing.key,
            message=f"The run of {standing.key} that was due at {shown(due)} stood before and does not any more; start "
            f'it by hand: prefect deployment run "{standing.key}".',
        )
    for due in twice:
        yield Notice(
            code="run-doubled",
            key=standing.key,
            message=f"More than one run of {standing.key} stands for {shown(due)}; cancel all but one in the UI.",
        )


def unchecked(keys: Iterable[str]) -> Notice:
    """That nobody waited until the runs of those deployments were back."""
    names = sorted(keys)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return Notice(
        code="runs-unchecked",
        message=f"Interrupted before the coming runs of {', '.join(names[:3])}{more} were seen again; the server's "
        "scheduler makes them within a minute.",
    )


def shown(moment: datetime) -> str:
    """A moment as people read it here, with its offset from UTC."""
    return moment.isoformat(sep=" ", timespec="seconds")

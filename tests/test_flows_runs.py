"""Times and states as the flows ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from prefect.types._datetime import create_datetime_instance

from flows.common.server import ZONE, aware
from flows.monitoring.periodic_report import period_before
from flows.monitoring.runs import _state_filter

AT: Final = datetime(2026, 11, 22, 23, 55, tzinfo=ZONE)


@pytest.mark.parametrize(
    "moment",
    [
        AT.replace(tzinfo=None),
        AT,
        AT.astimezone(UTC),
        create_datetime_instance(AT.astimezone(UTC)),  # of the class that Prefect tells a run's time in
    ],
)
def test_a_moment_is_told_in_buenos_aires(moment: datetime) -> None:
    found = aware(moment)
    assert found == AT
    assert (type(found), found.tzinfo) == (datetime, ZONE)
    assert period_before(moment, "semana").end - period_before(moment, "semana").start == timedelta(days=7)


def test_each_report_begins_where_the_one_before_ended() -> None:
    for periodo, days in (("dia", 1), ("semana", 7)):
        before, after = (period_before(AT + timedelta(days=days * n), periodo) for n in (0, 1))  # type: ignore[arg-type]
        assert before.end == after.start


@pytest.mark.parametrize(
    ("states", "asked"),
    [
        (None, {}),
        ([], {}),
        (["Failed"], {"operator": "or_", "type": {"any_": ["FAILED"]}}),
        (["late"], {"operator": "or_", "name": {"any_": ["Late"]}}),
        (["crashed", "TimedOut"], {"operator": "or_", "type": {"any_": ["CRASHED"]}, "name": {"any_": ["TimedOut"]}}),
    ],
)
def test_states_are_types_or_names(states: list[str] | None, asked: Mapping[str, Any]) -> None:
    assert _state_filter(states) == ({"state": asked} if asked else {})

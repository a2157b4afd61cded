"""What `schedule_runs` refuses before it asks for anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import pytest

from flows.common.server import ZONE
from flows.operations.schedule_runs import ScheduleError, check_parameters, key_of, read_times

NOW: Final = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
AT: Final = datetime(2026, 12, 24, 11, 30, tzinfo=UTC)

SCHEMA: Final[dict[str, Any]] = {
    "title": "Parameters",
    "type": "object",
    "properties": {
        "grano": {"title": "grano", "type": "integer"},
        "capas": {"title": "capas", "type": "array", "items": {"type": "string"}, "default": []},
    },
    "required": ["grano"],
    "definitions": {},
}


@pytest.mark.parametrize(
    "line",
    [
        "2026-12-24 08:30",
        "2026-12-24T08:30:00",
        " 2026-12-24 08:30 ",
        "24/12/2026 08:30",
        "24/12/2026 08:30:00",
        "2026-12-24T11:30:00Z",
        "2026-12-24 08:30-03:00",
        datetime(2026, 12, 24, 8, 30),  # noqa: DTZ001 - as people give it
        datetime(2026, 12, 24, 20, 30, tzinfo=timezone(timedelta(hours=9))),
    ],
)
def test_a_time_without_a_zone_is_that_of_buenos_aires(line: str | datetime) -> None:
    assert read_times([line], NOW) == (AT,)


def test_times_are_put_in_order_and_each_is_taken_once() -> None:
    found = read_times(["2026-12-25 08:30", "24/12/2026 08:30", "2026-12-24T11:30:00Z"], NOW)
    assert found == (AT, AT + timedelta(days=1))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("mañana", "a date and a time are expected, like 2026-12-24 08:30"),
        ("", "a date and a time are expected"),
        ("2026-12-24", "a date and a time are expected"),
        ("2026-02-30 08:30", "a date and a time are expected"),
        ("12/24/2026 08:30", "a date and a time are expected"),
        ("2026-11-22 12:00", "it is past (now it is 2026-11-22 12:00 in Buenos Aires)"),
        ("2020-01-01 08:30", "it is past"),
    ],
)
def test_a_bad_line_is_named(line: str, told: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        read_times(["2026-12-24 08:30", line, "2026-12-25 08:30"], NOW)
    assert str(caught.value).startswith("Nothing was scheduled. line 2, ")
    assert repr(line) in str(caught.value)
    assert told in str(caught.value)
    assert "line 1" not in str(caught.value)
    assert "line 3" not in str(caught.value)


def test_every_bad_line_is_named_at_once() -> None:
    with pytest.raises(ScheduleError, match=r"line 1, 'ayer': .*; line 3, '2020-01-01 00:00': it is past"):
        read_times(["ayer", "2026-12-24 08:30", "2020-01-01 00:00"], NOW)


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ScheduleError, match="the list of times is empty"):
        read_times([], NOW)


def test_one_moment_has_one_key_however_it_is_written() -> None:
    assert key_of("d", AT) == key_of("d", AT.astimezone(ZONE))
    assert key_of("d", AT) != key_of("e", AT)
    assert key_of("d", AT) != key_of("d", AT + timedelta(seconds=1))


def test_parameters_that_fit_are_let_through() -> None:
    check_parameters({"grano": 80, "capas": ["fina"]}, SCHEMA, asked={"capas": ["fina"]})


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"grano": "ochenta"}, "grano: 'ochenta' is not of type 'integer'"),
        ({}, "'grano' is a required property"),
        ({"grano": 80, "capas": ["a", 2]}, "capas.1: 2 is not"),
        ({"grano": 80, "gramo": 1}, "takes no parameter gramo; it takes: grano, capas"),
    ],
)
def test_parameters_that_do_not_fit_are_named(parameters: dict[str, Any], told: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        check_parameters(parameters, SCHEMA, asked=parameters)
    assert told in str(caught.value)


def test_a_value_that_the_server_fills_in_is_left_to_it() -> None:
    variable = {"__prefect_kind": "workspace_variable", "variable_name": "grano"}
    check_parameters({"grano": variable}, SCHEMA, asked={"grano": variable})


def test_a_deployment_without_a_schema_takes_anything_and_a_flow_without_parameters_nothing() -> None:
    check_parameters({"x": 1}, {"type": "object", "properties": {}}, asked={"x": 1})
    with pytest.raises(ScheduleError, match="takes no parameter x; it takes: none"):
        check_parameters({"x": 1}, {"title": "Parameters", "type": "object", "properties": {}}, asked={"x": 1})

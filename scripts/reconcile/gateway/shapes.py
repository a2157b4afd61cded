"""What the answers of a Prefect API look like, as far as they are read here: checked at the door, trusted behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

Shape = Callable[[Any, str], Iterator[str]]
"""Tells what is wrong with a value, where it stands; nothing where it is as it should be."""


def misfit(path: str, answer: Any) -> str | None:
    """The first thing in an answer that is not as Prefect's; None where all is, or where a route is not known here."""
    route = path.partition("?")[0]
    shape = next((shape for pattern, shape in _ROUTES if pattern.fullmatch(route)), None)
    return None if shape is None else next(shape(answer, ""), None)


def loads(text: str) -> Any:
    """JSON as a server writes it: numbers that are none are refused. Raises ValueError, for what is too deep too."""
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if abs(number) < float("inf") else _no_number(text)


def _told(at: str, expected: str, value: Any) -> Iterator[str]:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
    yield f"{at}: expected {expected}, got {shown}" if at else f"It is not {expected}, but {shown}"


def _of_type(kind: type, expected: str) -> Shape:
    def check(value: Any, at: str) -> Iterator[str]:
        return iter(()) if type(value) is kind else _told(at, expected, value)

    return check


_text: Final = _of_type(str, "a text")
_flag: Final = _of_type(bool, "true or false")
_whole: Final = _of_type(int, "a whole number")
_mapping: Final = _of_type(dict, "a mapping")


def _maybe(shape: Shape) -> Shape:
    return lambda value, at: iter(()) if value is None else shape(value, at)


def _list(shape: Shape) -> Shape:
    def check(value: Any, at: str) -> Iterator[str]:
        if type(value) is not list:
            return _told(at, "a list", value)
        return chain.from_iterable(shape(item, f"{at}[{index}]") for index, item in enumerate(value))

    return check


def _number(value: Any, at: str) -> Iterator[str]:
    return iter(()) if type(value) in {int, float} else _told(at, "a number", value)


def _one_or_list(shape: Shape) -> Shape:
    """One, or a list of them."""
    return lambda value, at: _list(shape)(value, at) if type(value) is list else shape(value, at)


def _values(shape: Shape) -> Shape:
    def check(value: Any, at: str) -> Iterator[str]:
        if type(value) is not dict:
            return _told(at, "a mapping", value)
        return chain.from_iterable(shape(item, f"{at}.{key}") for key, item in value.items())

    return check


def _row(needed: Mapping[str, Shape], more: Mapping[str, Shape] | None = None) -> Shape:
    """A mapping that has some keys, and others that may be null or not there. Further keys are nobody's concern."""
    shapes = {**needed, **{key: _maybe(shape) for key, shape in (more or {}).items()}}

    def check(value: Any, at: str) -> Iterator[str]:
        if type(value) is not dict:
            return _told(at, "a mapping", value)
        return chain.from_iterable(shape(value.get(key), f"{at}.{key}") for key, shape in shapes.items())

    return check


_PROPERTIES: Final = _row({}, {"properties": _values(_mapping), "required": _list(_text)})
_TEMPLATE: Final = _row({}, {"variables": _PROPERTIES, "job_configuration": _mapping})
_POOL: Final = _row(
    {"id": _text, "name": _text, "type": _text},
    {
        "description": _text,
        "concurrency_limit": _whole,
        "is_paused": _flag,
        "base_job_template": _TEMPLATE,
        "status": _text,
        "updated": _text,
    },
)
_QUEUE: Final = _row(
    {"id": _text, "name": _text, "work_pool_id": _text},
    {"priority": _whole, "concurrency_limit": _whole, "description": _text},
)
_FLOW: Final = _row({"id": _text, "name": _text})
_SCHEDULE: Final = _row(
    {"id": _text, "schedule": _mapping},
    {"slug": _text, "updated": _text, "parameters": _mapping, "active": _flag},
)
_DEPLOYMENT: Final = _row(
    {"id": _text, "name": _text, "flow_id": _text},
    {
        "updated": _text,
        "entrypoint": _text,
        "path": _text,
        "description": _text,
        "version": _text,
        "work_pool_name": _text,
        "work_queue_name": _text,
        "pull_steps": _list(_mapping),
        "tags": _list(_text),
        "labels": _mapping,
        "parameters": _mapping,
        "parameter_openapi_schema": _mapping,
        "job_variables": _mapping,
        "enforce_parameter_schema": _flag,
        "paused": _flag,
        "schedules": _list(_SCHEDULE),
        "global_concurrency_limit": _row({"name": _text, "limit": _whole}, {"id": _text}),
        "concurrency_options": _row({}, {"collision_strategy": _text, "grace_period_seconds": _whole}),
    },
)
_RUN: Final = _row(
    {"id": _text},
    {
        "deployment_id": _text,
        "expected_start_time": _text,
        "next_scheduled_start_time": _text,
        "start_time": _text,
        "state_type": _text,
        "state_name": _text,
        "auto_scheduled": _flag,
        "run_count": _whole,
        "created_by": _row({}, {"type": _text, "id": _text, "display_value": _text}),
    },
)
_WORKER: Final = _row({"id": _text, "name": _text}, {"status": _text, "last_heartbeat_time": _text})

_VARIABLE: Final = _row({"id": _text, "name": _text}, {"tags": _list(_text), "updated": _text})
_BLOCK: Final = _row(
    {"id": _text},
    {
        "name": _text,
        "block_type": _row({}, {"slug": _text}),
        "block_schema": _row({}, {"capabilities": _list(_text)}),
    },
)
_LIMIT: Final = _row({"id": _text, "name": _text, "limit": _whole}, {"slot_decay_per_second": _number})
_LABELS: Final = _values(_one_or_list(_text))


def _trigger(value: Any, at: str) -> Iterator[str]:
    """A trigger, and those that it is made of: Prefect itself nests them two or three deep."""
    if at.count(".triggers[") > DEEPEST:
        return _told(at, f"triggers nested at most {DEEPEST} deep", "…")
    return _TRIGGER(value, at)


DEEPEST: Final = 20
"""Levels of nested triggers that are read."""

_TRIGGER: Final = _row(
    {"type": _text},
    {
        "posture": _text,
        "match": _LABELS,
        "match_related": _one_or_list(_LABELS),
        "after": _list(_text),
        "expect": _list(_text),
        "for_each": _list(_text),
        "threshold": _whole,
        "within": _number,
        "triggers": _list(_trigger),
    },
)
_ACTION: Final = _row(
    {"type": _text},
    {
        "deployment_id": _text,
        "work_pool_id": _text,
        "work_queue_id": _text,
        "automation_id": _text,
        "block_document_id": _text,
        "parameters": _mapping,
        "job_variables": _mapping,
        "schedule_after": _number,
        "payload": _text,
    },
)
_AUTOMATION: Final = _row(
    {"id": _text, "name": _text, "trigger": _trigger},
    {
        "description": _text,
        "enabled": _flag,
        "tags": _list(_text),
        "created": _text,
        "actions": _list(_ACTION),
        "actions_on_trigger": _list(_ACTION),
        "actions_on_resolve": _list(_ACTION),
    },
)

_ROUTES: Final = tuple(
    (re.compile(pattern), shape)
    for pattern, shape in {
        "/work_pools/filter": _list(_POOL),
        "/work_queues/filter": _list(_QUEUE),
        "/flows/filter": _list(_FLOW),
        "/deployments/filter": _list(_DEPLOYMENT),
        "/deployments/name/[^/]+/[^/]+": _DEPLOYMENT,
        "/flow_runs/filter": _list(_RUN),
        "/flow_runs/count": _whole,
        "/work_pools/[^/]+": _POOL,
        "/work_pools/[^/]+/workers/filter": _list(_WORKER),
        "/admin/version": _text,
        "/variables/filter": _list(_VARIABLE),
        "/block_documents/filter": _list(_BLOCK),
        "/v2/concurrency_limits/filter": _list(_LIMIT),
        "/automations/filter": _list(_AUTOMATION),
        "/variables/name/[^/]+": _row({"id": _text, "name": _text}, {"updated": _text}),
        "/block_types/slug/[^/]+/block_documents/name/[^/]+": _row({}, {"data": _mapping}),
    }.items()
)

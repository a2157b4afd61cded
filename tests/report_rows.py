"""Flow runs as Prefect's API tells them, for tests and benchmarks of what reads them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

MARK: Final = "managed-by:prefect-deploys/compras/prod"


def run_row(number: int, state_name: str, at: datetime, **changed: Any) -> dict[str, Any]:
    """A run that ended, or was due, at a moment. `state_name` is Prefect's own."""
    kind = {"Late": "SCHEDULED", "TimedOut": "FAILED"}.get(state_name, state_name.upper())
    over = kind not in {"SCHEDULED", "RUNNING", "PENDING"}
    seconds = 60.0 if over else 0.0
    row = {
        "id": str(UUID(int=number)),
        "created": at.isoformat(),
        "updated": at.isoformat(),
        "name": f"corrida-{number}",
        "flow_id": str(UUID(int=10**9)),
        "state_id": str(UUID(int=2 * 10**9 + number)),
        "deployment_id": str(UUID(int=10**6 + number % 40)),
        "deployment_version": None,
        "work_queue_id": str(UUID(int=3 * 10**9)),
        "work_queue_name": "default",
        "flow_version": "0123456789abcdef0123456789abcdef",
        "parameters": {"message": "Hola mundo desde el deploy!", "numero": number},
        "idempotency_key": None,
        "context": {},
        "empirical_policy": {"max_retries": 0, "retry_delay_seconds": 0.0, "retries": 0, "retry_delay": 0},
        "tags": ["Compras", MARK],
        "labels": {"prefect.flow.id": str(UUID(int=10**9))},
        "parent_task_run_id": None,
        "state_type": kind,
        "state_name": state_name,
        "run_count": 1,
        "expected_start_time": (at - timedelta(seconds=seconds)).isoformat(),
        "next_scheduled_start_time": None,
        "start_time": (at - timedelta(seconds=seconds)).isoformat() if over else None,
        "end_time": at.isoformat() if over else None,
        "total_run_time": seconds,
        "estimated_run_time": seconds,
        "estimated_start_time_delta": 0.0,
        "auto_scheduled": True,
        "infrastructure_document_id": None,
        "infrastructure_pid": "4711",
        "created_by": None,
        "work_pool_id": str(UUID(int=4 * 10**9)),
        "work_pool_name": "compras-prod",
        "state": {"type": kind, "name": state_name, "message": None if over else "", "timestamp": at.isoformat()},
        "job_variables": {},
    }
    return {**row, **changed}


def said(message: str) -> dict[str, Any]:
    """A state with a message."""
    return {"message": message}


def page_of(rows: list[dict[str, Any]], body: bytes) -> bytes:
    """The page of them that a request asks for."""
    asked = json.loads(body)
    return json.dumps(rows[asked["offset"] : asked["offset"] + asked["limit"]]).encode()

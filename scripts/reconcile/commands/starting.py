"""Starting a run of a deployment: the request, the moment, and the link to it."""

from __future__ import annotations

import os
import re
import uuid
from argparse import ArgumentTypeError
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import quote

from reconcile.commands.options import seconds
from reconcile.commands.session import Session
from reconcile.errors import ServerError, UsageError
from reconcile.model import Deployment
from reconcile.wire import Request, Writer

_FORMS = "Write 18:30, 2026-12-01 18:30, 2026-12-01T18:30-03:00, or +30m."


def moment_of(text: str, now: datetime, zone: tzinfo) -> datetime:
    """When a run is to begin. Without an offset it is the time of `zone`; an hour alone is the next one to come.

    Raises UsageError for what is no time, or is over.
    """
    text = text.strip()
    if text.startswith("+"):
        try:
            return now + timedelta(seconds=seconds(text[1:]))
        except (ArgumentTypeError, OverflowError):
            raise UsageError(f"--at {text!r} is no time.", _FORMS) from None
    if re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", text):
        found = _read(f"{now.astimezone(zone).date().isoformat()} {text.zfill(len(text) + text.index(':') % 2)}", zone)
        return found if found >= now else _read_next(found, zone)
    found = _read(text, zone)
    if found < now - timedelta(minutes=1):
        raise UsageError(
            f"--at {text!r} is over: it is {now.astimezone(zone):%Y-%m-%d %H:%M %Z} now.",
            "Leave --at out to run it now.",
        )
    return found


def _read(text: str, zone: tzinfo) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"--at {text!r} is no time.", _FORMS) from None


def _read_next(found: datetime, zone: tzinfo) -> datetime:
    """The same hour of the day after, by the clock of the zone."""
    return (found.astimezone(zone) + timedelta(days=1)).astimezone(UTC)


def start(
    writer: Writer, deployment: Deployment, parameters: Mapping[str, Any], at: datetime | None
) -> Mapping[str, Any]:
    """A run of a deployment, made once whatever becomes of the first answer; the run as the server has it."""
    details = {} if at is None else {"scheduled_time": at.isoformat()}
    body = {
        "parameters": dict(parameters),
        "state": {"type": "SCHEDULED", "name": "Scheduled", "state_details": details},
        # The server answers a repeated request that has the same key with the run that it made for the first.
        "idempotency_key": f"sync-run-{uuid.uuid4().hex}",
    }
    return writer.write(
        Request(method="POST", path=f"/deployments/{quote(deployment.id or '')}/create_flow_run", body=body)
    )


def link_to(url: str, run: str) -> str:
    """Where the run is shown: in the UI that PREFECT_UI_URL names, or beside the API."""
    base = os.environ.get("PREFECT_UI_URL") or url.rstrip("/").removesuffix("/api")
    return f"{base.rstrip('/')}/runs/flow-run/{run}"


def waits_for(session: Session, deployment: Deployment) -> str | None:
    """Why a run would not begin, in a sentence; None where a worker is there, or that cannot be told."""
    pool = deployment.work_pool
    if pool is None:
        return "The deployment has no work pool, so only a process that serves it runs it."
    path = f"/work_pools/{quote(pool, safe='')}"
    try:
        raw = session.reading.get(path)
        workers = session.reading.rows(f"{path}/workers/filter")
    except ServerError:
        return None
    if raw.get("is_paused"):
        return f"The work pool {pool} is paused: the run waits until it is resumed."
    if not any(worker.get("status") == "ONLINE" for worker in workers):
        return f"No worker of the work pool {pool} is online: the run waits for one."
    return None

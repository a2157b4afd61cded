"""`status`: the server, its pools and workers, holds, orphans, late and failed runs. It only reads."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from reconcile.commands import output
from reconcile.commands.options import add_root, add_selection, add_server, filter_of, root_of
from reconcile.commands.session import TOOL, Observation, Session, observe, open_session, selected_of
from reconcile.errors import ExitCode
from reconcile.model import Mark
from reconcile.render.escape import safe
from reconcile.render.json import plan_document
from reconcile.render.text import Line, hold_text

PERIOD = timedelta(hours=24)
"""How far back failed runs are counted."""


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    add_root(parser)
    add_selection(parser)
    add_server(parser)


def run(options: Namespace) -> ExitCode:
    """Look and tell. Sources are not read: what stands on the server needs none."""
    root = root_of(options, TOOL)
    with open_session(
        root, local=options.local, select=lambda files: filter_of(options, files.repository), need_env=False
    ) as session:
        document = _document(session, observe(session, sources=False))
    if options.json:
        output.document(document)
    else:
        output.lines(_lines(document))
    return ExitCode.DONE


def _document(session: Session, found: Observation) -> dict[str, Any]:
    plan = plan_document(found.plan)
    selected = selected_of(session.chosen, found.wanted)
    ours = [name for name, mark in _marks(found) if name in selected.deployments and mark.project == _project(session)]
    return {
        "format": 1,
        "target": session.target.url,
        "origin": session.target.origin,
        "version": session.reading.get("/admin/version"),
        "deployments": {
            "managed": len(ours),
            "declared": len(selected.deployments),
            "foreign": len(plan["foreign"]),
        },
        "pools": [_pool(session, name, name in found.wanted.state.pools) for name in sorted(_pools(session, found))],
        "holds": plan["holds"],
        "orphans": plan["orphans"],
        "runs": _runs(session),
    }


def _marks(found: Observation) -> Iterator[tuple[str, Mark]]:
    yield from ((name, one.mark) for name, one in found.observed.deployments.items() if one.mark is not None)


def _pools(session: Session, found: Observation) -> set[str]:
    """The pools that are told of: those of what is selected, and without a selection all that stand."""
    selected = selected_of(session.chosen, found.wanted)
    used = {one.work_pool for one in selected.deployments.values() if one.work_pool in found.observed.pools}
    is_whole = not session.chosen.named and not session.chosen.is_partial
    return {*selected.pools, *filter(None, used), *(found.observed.pools if is_whole else ())}


def _project(session: Session) -> str:
    return str(session.files.repository.project.data.get("name") or "project")


def _pool(session: Session, name: str, declared: bool) -> dict[str, Any]:
    from reconcile.errors import ServerAnswerError

    path = f"/work_pools/{quote(name, safe='')}"
    try:
        raw = session.reading.get(path)
    except ServerAnswerError as error:
        if error.status != 404:
            raise
        return {"name": name, "declared": declared, "exists": False, "workers": []}
    workers = session.reading.post(f"{path}/workers/filter", {"limit": 200})
    return {
        "name": name,
        "declared": declared,
        "exists": True,
        "type": raw["type"],
        "status": raw.get("status"),
        "paused": raw.get("is_paused"),
        "concurrency_limit": raw.get("concurrency_limit"),
        "workers": sorted((_worker(worker) for worker in workers), key=lambda worker: str(worker["name"])),
    }


def _worker(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": raw["name"], "status": raw.get("status"), "last_heartbeat": raw.get("last_heartbeat_time")}


def _runs(session: Session) -> dict[str, Any]:
    since = (datetime.now(UTC) - PERIOD).isoformat()
    return {
        "late": _count(session, {"state": {"name": {"any_": ["Late"]}}}),
        "running": _count(session, {"state": {"type": {"any_": ["RUNNING"]}}}),
        "failed_24h": _count(
            session, {"state": {"type": {"any_": ["FAILED", "CRASHED"]}}, "end_time": {"after_": since}}
        ),
    }


def _count(session: Session, query: Mapping[str, Any]) -> int:
    return int(session.reading.post("/flow_runs/count", {"flow_runs": query}))


def _lines(document: Mapping[str, Any]) -> Iterator[Line]:
    yield Line(f"{safe(document['target'])}  Prefect {safe(document['version'])}", "title")
    yield Line(f"  chosen by: {safe(document['origin'])}", "dim")
    counted = document["deployments"]
    yield Line(
        f"  deployments: {counted['managed']} managed of {counted['declared']} declared, "
        f"{len(document['orphans'])} no longer declared, "
        f"{counted['foreign']} not managed from here"
    )
    runs = document["runs"]
    style = "warning" if runs["late"] or runs["failed_24h"] else ""
    yield Line(
        f"  runs: {runs['running']} running, {runs['late']} late, {runs['failed_24h']} failed in the last 24 hours",
        style,
    )
    yield Line("")
    yield Line("Work pools", "title")
    for pool in document["pools"]:
        yield from _pool_lines(pool)
    if document["holds"]:
        yield Line("")
        yield Line("Left as the operator set it", "title")
        for hold in document["holds"]:
            yield Line(f"  {hold_text(hold['key'], hold['field'], hold['value'], hold['since'])}")
    if document["orphans"]:
        yield Line("")
        yield Line("No longer declared, left on the server", "title")
        for orphan in document["orphans"]:
            coming = f"next run {safe(orphan['next_run'])}" if orphan["next_run"] else "no run coming"
            yield Line(f"  {safe(orphan['key'])}  {coming}")


def _pool_lines(pool: Mapping[str, Any]) -> Iterator[Line]:
    name = safe(pool["name"])
    if not pool["exists"]:
        yield Line(f"  {name}: declared, not on this server", "warning")
        return
    notes = [
        safe(str(pool["type"])),
        *(["paused"] if pool["paused"] else []),
        *([] if pool["declared"] else ["not declared here"]),
    ]
    online = [worker for worker in pool["workers"] if worker["status"] == "ONLINE"]
    words = ", ".join(safe(worker["name"]) for worker in online) if online else "none online"
    yield Line(f"  {name} ({', '.join(notes)}): workers: {words}", "" if online else "warning")

"""`status`: the server, the settings that led to it, pools, workers, holds, orphans, late and failed runs."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reconcile.commands import output
from reconcile.commands.options import add_root, add_selection, add_server, filter_of, root_of
from reconcile.commands.session import (
    TOOL,
    Observation,
    Session,
    environments_here,
    observe,
    open_session,
    selected_of,
)
from reconcile.commands.uses import users_of
from reconcile.desired.services import Service, services_of
from reconcile.errors import ExitCode
from reconcile.model import Kind, Mark, ResourceKey, Secret
from reconcile.policy import SOON, pinned_elsewhere
from reconcile.pull import without_login
from reconcile.render.escape import safe
from reconcile.render.json import plan_document
from reconcile.render.text import Line, hold_text
from reconcile.resolve import git_sources
from reconcile.schedule import read_day

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
    declared = set(found.wanted.state.pools)
    workers = services_of(session.files.repository).services
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
        "settings": _settings(),
        "pools": [
            _pool(session, name, declared=name in declared, workers=[one for one in workers if one.pool == name])
            for name in sorted(_pools(session, found) | selected_of(session.chosen, found.wanted).pools.keys())
        ],
        "secrets": _secrets(session, found),
        "holds": plan["holds"],
        "orphans": plan["orphans"],
        "runs": _runs(session),
    }


def _secrets(session: Session, found: Observation) -> list[dict[str, Any]]:
    """Each declared secret of this server: whether it is there, when it ends, and what uses it, here or there."""
    declared = found.wanted.besides.for_environments(session.chosen.environments & environments_here(session))
    users = users_of(found.wanted.state, found.observed)
    today = datetime.now(session.files.zone).date()
    secrets = sorted(
        (one.resource for one in declared.values() if isinstance(one.resource, Secret)), key=lambda one: one.block
    )
    return [
        {
            "name": one.name,
            "type": one.block_type,
            "exists": one.block in found.observed.secrets,
            "from_env": one.from_env,
            "expires": one.expires,
            "days_left": (end - today).days if (end := read_day(one.expires)) else None,
            "used_by": [
                *users.get(ResourceKey(kind=Kind.SECRET, name=one.block), ()),
                *_as_a_token(session, one.block),
            ],
        }
        for one in secrets
    ]


def _as_a_token(session: Session, block: str) -> list[str]:
    """The repositories whose token a block holds, in use by a deployment or not."""
    sources = git_sources(session.files.repository)
    return sorted({f"the source {without_login(source.url)}" for source in sources if source.block == block})


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


def _settings() -> dict[str, Any]:
    from reconcile.gateway.in_force import in_force

    found = in_force(os.environ, Path.home(), Path.cwd())
    return {
        "file": str(found.file),
        "profile": found.profile,
        "profile_chosen_by": found.chosen_by,
        "other_files": list(found.other_files),
        "in_force": [{"name": one.name, "value": one.value, "origin": one.origin} for one in found.settings],
    }


def _pool(session: Session, name: str, *, declared: bool, workers: Sequence[Service]) -> dict[str, Any]:
    from reconcile.errors import ServerAnswerError

    path = f"/work_pools/{quote(name, safe='')}"
    try:
        raw = session.reading.get(path)
    except ServerAnswerError as error:
        if error.status != 404:
            raise
        return {"name": name, "declared": declared, "exists": False, "workers": _workers(session, (), workers)}
    standing = session.reading.rows(f"{path}/workers/filter")
    return {
        "name": name,
        "declared": declared,
        "exists": True,
        "type": raw["type"],
        "status": raw.get("status"),
        "paused": raw.get("is_paused"),
        "concurrency_limit": raw.get("concurrency_limit"),
        "workers": _workers(session, standing, workers),
    }


def _workers(
    session: Session, standing: Iterable[Mapping[str, Any]], declared: Sequence[Service]
) -> list[dict[str, Any]]:
    """The workers that the server knows, and those that are declared for it and that it has not heard of."""
    known = {service.name: service for service in declared}
    rows = {str(raw.get("name")): raw for raw in standing}
    elsewhere = pinned_elsewhere(session.files.rules, session.target.url or "") if not session.embedded else {}
    wanted = session.chosen.environments - elsewhere.keys()
    missing = {service.name for service in declared if wanted & set(service.scopes)}
    return [_worker(name, rows.get(name, {}), known.get(name)) for name in sorted({*rows, *missing})]


def _worker(name: str, raw: Mapping[str, Any], service: Service | None) -> dict[str, Any]:
    return {
        "name": name,
        "status": raw.get("status"),
        "last_heartbeat": raw.get("last_heartbeat_time"),
        "declared": service is not None,
        "host": service.host if service else None,
        "environment": service.scopes[0] if service else None,
    }


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
    yield from _settings_lines(document["settings"])
    yield Line("")
    yield Line("Work pools", "title")
    for pool in document["pools"]:
        yield from _pool_lines(pool)
    yield from _secret_lines(document["secrets"])
    if document["holds"]:
        yield Line("")
        yield Line("Left as the operator set it", "title")
        for hold in document["holds"]:
            yield Line(f"  {_hold_text(hold)}")
    if document["orphans"]:
        yield Line("")
        yield Line("No longer declared, left on the server", "title")
        for orphan in document["orphans"]:
            coming = f"next run {safe(orphan['next_run'])}" if orphan["next_run"] else "no run coming"
            yield Line(f"  {safe(orphan['key'])}  {coming}")


def _hold_text(hold: Mapping[str, Any]) -> str:
    who, why = hold.get("by"), hold.get("reason")
    return hold_text(hold["key"], hold["field"], hold["value"], hold["since"], by=who, reason=why)


def _secret_lines(secrets: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    if secrets:
        yield Line("")
        yield Line("Secrets", "title")
    for one in secrets:
        users = ", ".join(safe(user) for user in one["used_by"]) or "nothing"
        state = "there" if one["exists"] else "MISSING"
        worry = not one["exists"] or (one["days_left"] is not None and one["days_left"] <= SOON.days)
        text = f"  {safe(one['type'])}/{safe(one['name'])}: {state}{_end(one)}; used by {users}"
        yield Line(text, "warning" if worry else "")


def _end(secret: Mapping[str, Any]) -> str:
    """When a secret ends, in words."""
    left = secret["days_left"]
    if left is None:
        return ""
    if left < 0:
        return f", expired on {secret['expires']}"
    return f", expires on {secret['expires']}" + (f" ({left} days left)" if left <= SOON.days else "")


def _settings_lines(settings: Mapping[str, Any]) -> Iterator[Line]:
    yield Line("Prefect's settings here", "title")
    yield Line(
        f"  profile {safe(settings['profile'])} ({safe(settings['profile_chosen_by'])}), {safe(settings['file'])}"
    )
    for one in settings["in_force"]:
        value = "not set" if one["value"] is None else safe(one["value"])
        yield Line(f"  {safe(one['name'])}: {value}  ({safe(one['origin'])})")
    for name in settings["other_files"]:
        yield Line(f"  Prefect reads settings from {safe(name)} of this folder too", "warning")


def _pool_lines(pool: Mapping[str, Any]) -> Iterator[Line]:
    name = safe(pool["name"])
    online = [worker for worker in pool["workers"] if worker["status"] == "ONLINE"]
    away = [worker for worker in pool["workers"] if worker["declared"] and worker["status"] != "ONLINE"]
    if pool["exists"]:
        notes = [
            safe(str(pool["type"])),
            *(["paused"] if pool["paused"] else []),
            *([] if pool["declared"] else ["not declared here"]),
        ]
        words = ", ".join(_online(worker) for worker in online) if online else "none online"
        yield Line(f"  {name} ({', '.join(notes)}): workers: {words}", "" if online else "warning")
    else:
        yield Line(f"  {name}: declared, not on this server", "warning")
    for worker in away:
        seen = f"last heard of {safe(str(worker['last_heartbeat']))}" if worker["last_heartbeat"] else "never seen"
        yield Line(f"    not online: {safe(worker['name'])}, declared on {safe(worker['host'])}, {seen}", "warning")


def _online(worker: Mapping[str, Any]) -> str:
    return safe(worker["name"]) + ("" if worker["declared"] else " (not declared)")

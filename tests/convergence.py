"""The laws of the house, asked of a whole world: files that are read, a server that is planned for, and the apply."""

from __future__ import annotations

import json
import random
import re
import tempfile
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import pytest

pytest.register_assert_rewrite("roundtrips")

from roundtrips import Server, rows  # noqa: E402
from worlds import OTHER, PROJECT, Edit, World, shuffled, write_files  # noqa: E402

from reconcile.apply import apply  # noqa: E402
from reconcile.commands.options import filter_of  # noqa: E402
from reconcile.commands.permissions import add_permissions, permissions_of  # noqa: E402
from reconcile.commands.session import Observation, Session, observe, read_files  # noqa: E402
from reconcile.gateway.target import Target  # noqa: E402
from reconcile.model import Cron, Deployment, Kind, Mark  # noqa: E402
from reconcile.plan import Action, Outcome, Status  # noqa: E402
from reconcile.render.json import plan_document  # noqa: E402
from reconcile.wire import Reader, Request, Snapshot  # noqa: E402

COMMIT: Final = "0123456789ab"
ZONE: Final = "America/Argentina/Buenos_Aires"
WAYS_OUT: Final[Mapping[str, Mapping[str, Any]]] = {
    "unmanaged": {"adopt_all": True},
    "other-project": {"adopt_from": [OTHER]},
}
"""What each refusal that a world can meet names as its way out."""

Json = dict[str, Any]


@dataclass(slots=True)
class Figures:
    """What a campaign has met: that the cases are not all of one kind can be seen."""

    cases: int = 0
    met: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """In one line."""
        return f"{self.cases} cases, " + ", ".join(f"{self.met[name]} {name}" for name in sorted(self.met))


@dataclass(slots=True, kw_only=True)
class Site:
    """A folder with files, and the server that they are planned for."""

    root: Path
    server: Server
    reader: Reader

    def planned(self, options: Mapping[str, Any], chance: random.Random | None = None) -> Observation:
        """What `plan` finds; with `chance`, out of the server's answers in another order and some of them twice."""
        files = read_files(self.root)
        parser = ArgumentParser()
        add_permissions(parser)
        said = Namespace(**{"env": [], "area": [], "only": [], **vars(parser.parse_args([])), **options})
        session = Session(
            root=self.root,
            target=Target(url="http://127.0.0.1:4200/api", origin="the test"),
            embedded=False,
            reading=cast("Any", _Reading(reader=self.reader, chance=chance)),
            files=files,
            chosen=filter_of(said, files.repository),
            permissions=permissions_of(said),
        )
        return observe(session)

    def applied(self, found: Observation) -> list[Outcome]:
        return list(apply(found.plan, self.server, flows=found.observed.flows, commit=COMMIT))

    def written_by(self, act: Callable[[], Any]) -> list[Request]:
        sent = len(self.server.requests)
        act()
        return self.server.requests[sent:]


@dataclass(slots=True, kw_only=True)
class _Reading:
    """Reads, and counts as the session wants it."""

    reader: Reader
    chance: random.Random | None
    requests: int = 0

    def read(self) -> Snapshot:
        found = self.reader.read()
        return found if self.chance is None else mixed(found, self.chance)

    def rows(self, path: str, query: Mapping[str, Any] | None = None) -> tuple[Mapping[str, Any], ...]:
        return self.reader.rows(path, query)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self.reader.post(path, body)


def mixed(snapshot: Snapshot, chance: random.Random) -> Snapshot:
    """The same answers in another order, with some of them twice, as pages may overlap."""

    def of(found: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
        twice = [shuffled(row, chance) for row in (*found, *found[:1])]
        for row in twice:
            if "schedules" in row:
                chance.shuffle(row["schedules"])
        chance.shuffle(twice)
        return tuple(twice)

    return Snapshot(
        pools=of(snapshot.pools), queues=of(snapshot.queues), flows=of(snapshot.flows), deployments=of(snapshot.deployments)
    )  # fmt: skip


# One case


def check(world: World, server: Server, reader: Reader, figures: Figures) -> None:
    """Let a world happen, and see that every law holds."""
    figures.cases += 1
    with tempfile.TemporaryDirectory() as folder:
        earlier = _arrange(Path(folder), world, server, reader)
        root = Path(folder) / "now"
        write_files(root, world.after)
        site = Site(root=root, server=server, reader=reader)
        options, before = dict(world.options), server.read()
        refused = _allowing(site, options)
        found = site.planned(options)
        released = _released(found, world.released)
        if released:
            options["release"] = released
            found = site.planned(options)
        assert [notice.message for notice in found.plan.refusals] == []
        _order_changes_nothing(Path(folder) / "mixed", site, world, options, found)
        limits = dict(server.limits())
        written = site.written_by(lambda: _all_done(site.applied(found)))
        after = server.read()
        _only_what_was_planned_is_written(found, written)
        _nothing_else_is_touched(found, rows(before), rows(after))
        _only_what_may_go_is_gone(found, options)
        _what_is_declared_stands(found, options, rows(after))
        _ids_stay(rows(before), rows(after))
        _holds_are_kept(found, rows(after), after)
        kept = _what_is_the_operators_stays(earlier, found, released, rows(before), rows(after))
        _shared_limits_survive(limits, server.limits())
        _no_run_stands_twice(reader, after)
        _nothing_is_left(site, options, found)
    figures.met.update(refused)
    figures.met.update(f"{change.action}" for change in found.plan.changes)
    figures.met.update({"fields left to operators": kept})
    figures.met.update({"writes": len(written), "holds": len(found.plan.holds), "released": len(released)})
    figures.met.update({"orphans": len(found.plan.orphans), "foreign": len(found.plan.foreign)})
    figures.met.update(notice.code for notice in found.plan.warnings)


def _arrange(folder: Path, world: World, server: Server, reader: Reader) -> Mapping[str, Deployment]:
    """What was applied earlier, from here and from another project, and what operators did since.

    Answers what was declared here.
    """
    earlier: Mapping[str, Deployment] = {}
    standing = [world.before] if world.other is None else [world.before, world.other]
    for number, files in enumerate(standing):
        root = folder / f"earlier-{number}"
        write_files(root, files)
        site = Site(root=root, server=server, reader=reader)
        found = site.planned({})
        if not found.plan.refusals:  # the two projects may declare one deployment: the first one has it
            _all_done(site.applied(found))
        earlier = earlier or found.wanted.state.deployments
    for edit in world.edits:
        operate(edit, server)
    return earlier


def _all_done(outcomes: list[Outcome]) -> None:
    assert [(str(one.key), one.error) for one in outcomes if one.status is not Status.DONE] == []


def _allowing(site: Site, options: Json) -> list[str]:
    """Go the way out that each refusal names. Answers the refusals."""
    codes = sorted({notice.code for notice in site.planned(options).plan.refusals})
    for code in codes:
        options.update(WAYS_OUT[code])
    return codes


def _released(found: Observation, most: int) -> list[str]:
    return sorted({str(hold.key) for hold in found.plan.holds})[:most]


# The laws


def told(found: Observation, root: Path) -> str:
    """The plan's JSON without where in a file something stands, which the order of keys decides."""
    document = plan_document(found.plan)
    for change in document["changes"]:
        del change["line"]
    text = json.dumps(document, ensure_ascii=False, sort_keys=True).replace(root.as_posix(), "<root>")
    return re.sub(r"(\.yaml):\d+(?::\d+)?", r"\1", text)


def _order_changes_nothing(folder: Path, site: Site, world: World, options: Json, found: Observation) -> None:
    expected = told(found, site.root)
    assert told(site.planned(options), site.root) == expected
    chance = random.Random(world.seed)
    write_files(folder, world.after, chance)
    again = replace_root(site, folder).planned(options, chance)
    # Folders have other paths here, in pull steps too; and with them another fingerprint.
    assert _without_fingerprint(told(again, folder)) == _without_fingerprint(expected)


def replace_root(site: Site, root: Path) -> Site:
    """The same server, planned for from other files."""
    return Site(root=root, server=site.server, reader=site.reader)


def _without_fingerprint(text: str) -> Json:
    document: Json = json.loads(text)
    del document["fingerprint"]
    return document


def _only_what_was_planned_is_written(found: Observation, written: list[Request]) -> None:
    """Every write is of something that the plan changes; deletes of deployments come after all else."""
    changes = found.plan.changes
    ids = {change.observed.id for change in changes if isinstance(change.observed, Deployment)}
    names = {change.desired.name for change in changes if isinstance(change.desired, Deployment)}
    flows = {change.desired.flow for change in changes if isinstance(change.desired, Deployment)}
    pools = {change.key.name for change in changes if change.key.kind is Kind.WORK_POOL}
    kinds = []
    for request in written:
        parts = request.path.strip("/").split("/")
        if parts[0] == "deployments" and len(parts) > 1:
            assert parts[1] in ids, request
        elif parts[0] == "work_pools" and len(parts) > 1:
            assert parts[1] in pools, request
        elif parts[0] != "v2":
            assert request.body["name"] in {"deployments": names, "flows": flows, "work_pools": pools}[parts[0]]
        deletes = parts[0] == "deployments" and len(parts) == 2 and _ends(request)
        kinds.append(deletes)
    assert kinds == sorted(kinds)
    patches = Counter(request.path for request in written if _is_patch(request))
    updates = [change for change in changes if change.action in {Action.UPDATE, Action.ADOPT}]
    assert all(
        patches[f"/deployments/{one.observed.id}"] == 1 for one in updates if isinstance(one.observed, Deployment)
    )
    created = Counter(request.body["name"] for request in written if request.path == "/deployments/")
    assert created.total() == sum(
        change.action in {Action.CREATE, Action.REPLACE} and change.key.kind is Kind.DEPLOYMENT for change in changes
    )
    assert bool(written) == bool(changes)


def _ends(request: Request) -> bool:
    """Whether it belongs to a delete, as the unlinking of a shared limit does."""
    return request.method == "DELETE" or request.body == {"global_concurrency_limit_id": None}


def _is_patch(request: Request) -> bool:
    return request.method == "PATCH" and request.path.count("/") == 2 and "version" in request.body


def _nothing_else_is_touched(found: Observation, before: Json, after: Json) -> None:
    """What is foreign, an orphan or unchanged is what it was; and only what the plan takes away is gone."""
    gone = {str(one.observed.key) for one in found.plan.changes if one.observed and one.action in REMOVING}
    made = {str(one.key) for one in found.plan.changes if one.action in {Action.CREATE, Action.REPLACE}}
    changed = gone | {str(change.key) for change in found.plan.changes}
    left = [str(key) for key in (*found.plan.foreign, *(orphan.key for orphan in found.plan.orphans))]
    assert changed.isdisjoint(left)
    assert before.keys() - after.keys() == gone
    assert after.keys() - before.keys() == {name for name in made if "/" in name}
    assert {key: after[key] for key in before.keys() - changed} == {key: before[key] for key in before.keys() - changed}


REMOVING: Final = {Action.DELETE, Action.REPLACE}


def _is_selected(mark: Mark | None, options: Mapping[str, Any]) -> bool:
    return (
        mark is not None
        and (not options.get("env") or mark.environment in options["env"])
        and (not options.get("area") or mark.area in options["area"])
    )


def _only_what_may_go_is_gone(found: Observation, options: Mapping[str, Any]) -> None:
    """What is deleted is of this project; and, unless it is replaced, pruning was allowed, and there."""
    for change in found.plan.changes:
        if change.action in REMOVING:
            assert isinstance(change.observed, Deployment)
            assert change.observed.mark is not None
            assert change.observed.mark.project == PROJECT
            assert change.observed.key.name not in found.wanted.state.deployments
            if change.action is Action.DELETE and change.declaration is None:
                assert options.get("prune")
                assert _is_selected(change.observed.mark, options)


def _what_is_declared_stands(found: Observation, options: Mapping[str, Any], after: Json) -> None:
    """Held against the server's JSON without the tool's own comparison, where drift is not left."""
    reported = {name for name, rules in found.files.rules.items() if rules.protect.report_drift}
    for key, wanted in found.wanted.state.deployments.items():
        if not _is_selected(wanted.mark, options) or (wanted.mark and wanted.mark.environment in reported):
            continue
        row, mark = after[key], wanted.mark.tag if wanted.mark else ""
        assert (row["description"] or None) == (wanted.description or None)
        assert set(row["tags"]) == {*wanted.tags, mark}
        assert (row["parameters"], row["job_variables"]) == (wanted.parameters, wanted.job_variables)
        assert (row["work_pool_name"], row["work_queue_name"]) == (wanted.work_pool, wanted.work_queue)
        assert (row["entrypoint"], row["pull_steps"]) == (wanted.entrypoint, list(wanted.pull_steps))
        assert row["enforce_parameter_schema"] == wanted.enforce_parameter_schema
        assert row["paused"] == wanted.paused or wanted.paused is None
        limit = wanted.concurrency_limit
        assert limit is None or row["global_concurrency_limit"]["limit"] == limit.limit
        standing = {one["slug"]: one for one in row["schedules"]}
        assert standing.keys() == {one.slug for one in wanted.schedules}
        for one in wanted.schedules:
            assert standing[one.slug]["parameters"] == one.parameters
            assert standing[one.slug]["active"] == one.active or one.active is None
            assert not isinstance(one.timing, Cron) or standing[one.slug]["schedule"]["cron"] == one.timing.cron


def _what_is_the_operators_stays(
    earlier: Mapping[str, Deployment], found: Observation, released: list[str], before: Json, after: Json
) -> int:
    """What neither the files say nor those of the last apply said is as it was. Answers how often that was so."""
    kept = 0
    for change in found.plan.changes:
        one, old = change.desired, change.observed
        if not isinstance(one, Deployment) or not isinstance(old, Deployment) or str(one.key) in released:
            continue
        # What another project declared binds nobody here, nor does what stands without a mark.
        last = earlier.get(old.key.name) if change.action is not Action.ADOPT else None
        was, now = before[str(old.key)], after[str(one.key)]
        if one.paused is None and (last is None or last.paused is None):
            assert was["paused"] == now["paused"]
            kept += 1
        if one.concurrency_limit is None and (last is None or last.concurrency_limit is None):
            limits = [(row["global_concurrency_limit"] or {}).get("limit") for row in (was, now)]
            assert limits[0] == limits[1]
            kept += 1
        said = {each.slug for each in (*one.schedules, *(last.schedules if last else ())) if each.active is not None}
        switched = {each["slug"]: each["active"] for each in was["schedules"]}
        for each in now["schedules"]:
            if each["slug"] in switched and each["slug"] not in said:
                assert each["active"] == switched[each["slug"]]
                kept += 1
    return kept


def _ids_stay(before: Json, after: Json) -> None:
    """A change keeps the deployment's id, and those of all schedules that stay, also of those without a slug."""
    both = before.keys() & after.keys()
    assert {key: before[key]["id"] for key in both} == {key: after[key]["id"] for key in both}
    for key in both:
        old = {one["slug"]: one["id"] for one in before[key]["schedules"] if one["slug"]}
        new = {one["slug"]: one["id"] for one in after[key]["schedules"] if one["slug"]}
        stayed = old.keys() & new.keys()
        assert {slug: old[slug] for slug in stayed} == {slug: new[slug] for slug in stayed}
        ids = {one["id"] for one in after[key]["schedules"]}
        nameless = [one for one in before[key]["schedules"] if not one["slug"]]
        fresh = [_when(one) for one in after[key]["schedules"] if one["slug"] not in old]
        for time in {_when(one) for one in nameless}:
            alike = [one["id"] for one in nameless if _when(one) == time]
            assert len(ids & {*alike}) >= min(len(alike), fresh.count(time))


def _when(schedule: Json) -> tuple[str, str]:
    return schedule["schedule"].get("cron", ""), schedule["schedule"].get("timezone") or ""


def _holds_are_kept(found: Observation, after: Json, snapshot: Snapshot) -> None:
    pools = {row["name"]: row for row in snapshot.pools}
    for hold in found.plan.holds:
        if hold.key.kind is Kind.WORK_POOL:
            if "." not in hold.field:
                assert pools[hold.key.name][hold.field] == hold.value
            continue
        row = after[str(hold.key)]
        if hold.field == "paused":
            assert row["paused"] is True
        elif hold.field == "concurrency_limit":
            limit, value = row["global_concurrency_limit"], hold.value
            assert limit["name"] == value["shared"] if "shared" in value else limit["limit"] == value["limit"]
        else:
            slug = hold.field.removeprefix("schedules.").removesuffix(".active")
            assert {one["slug"]: one["active"] for one in row["schedules"]}[slug] is False


def _shared_limits_survive(before: Mapping[str, int], after: Mapping[str, int]) -> None:
    assert [
        (name, after.get(name)) for name, slots in before.items() if not _is_own(name) and after.get(name) != slots
    ] == []


def _is_own(name: str) -> bool:
    return name.startswith("deployment:")


def _no_run_stands_twice(reader: Reader, snapshot: Snapshot) -> None:
    ids = [row["id"] for row in snapshot.deployments]
    runs = reader.rows("/flow_runs/filter", _coming(ids)) if ids else ()
    counted = Counter((run["deployment_id"], run["created_by"]["id"], run["expected_start_time"]) for run in runs)
    assert [run for run, times in counted.items() if times > 1] == []


def _coming(ids: list[str]) -> Json:
    return {"deployments": {"id": {"any_": ids}}, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}


def _nothing_is_left(site: Site, options: Json, found: Observation) -> None:
    """The next plan is empty and tells the same of what stays; applied, it writes nothing."""
    standing = rows(site.server.read())
    again = site.planned({name: value for name, value in options.items() if name not in {"release", "adopt_from"}})
    assert [(str(one.key), one.fields) for one in again.plan.changes] == []
    assert again.plan.refusals == ()
    assert site.written_by(lambda: site.applied(again)) == []
    assert rows(site.server.read()) == standing
    assert [hold for hold in found.plan.holds if hold not in again.plan.holds] == []
    # What the files gave up while it was changed in the UI is drift that is left, and from then on a hold.
    assert len(again.plan.holds) + len(_left(again)) == len(found.plan.holds) + len(_left(found))
    assert [orphan.key for orphan in again.plan.orphans] == [orphan.key for orphan in found.plan.orphans]
    assert again.plan.foreign == found.plan.foreign
    assert set(_left(again)) <= set(_left(found))


def _left(found: Observation) -> list[str]:
    """What the plan says that it leaves although the files say otherwise.

    But for slugs: where schedules are sent along, the server wants one of each, so those that are left get one.
    """
    told = (notice.message for notice in found.plan.warnings if notice.code == "drift-left")
    return sorted(re.sub(r"schedules\.(#|ui-)", "schedules.", text) for text in told if ".slug (declared: " not in text)


# What an operator does


def operate(edit: Edit, server: Server) -> None:
    """Do it; or nothing, where there is nothing that it can be done to."""
    found = server.read()
    if edit.kind == "pool":
        pools = sorted(row["name"] for row in found.pools)
        if pools:
            _write(server, "PATCH", f"/work_pools/{pools[edit.which % len(pools)]}", edit.value)
    elif edit.kind == "foreign":
        _deploy(server, edit.value)
    elif found.deployments:
        near = [row for key, row in sorted(rows(found).items()) if edit.at in key]
        if not near:
            return
        row = near[edit.which % len(near)]
        schedules = sorted(row["schedules"], key=lambda one: one["slug"] or "")
        _ON_DEPLOYMENT[edit.kind](
            server, row, schedules[edit.which % len(schedules)] if schedules else None, edit.value
        )


def _write(server: Server, method: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    return server.write(Request(method=method, path=path, body=body))


def _patch(server: Server, row: Mapping[str, Any], _: Any, body: Mapping[str, Any]) -> None:
    # Whom a shared limit is linked to cannot be given another number without giving it to all.
    if row["global_concurrency_limit"] is None or "concurrency_limit" not in body:
        _write(server, "PATCH", f"/deployments/{row['id']}", body)


def _tag(server: Server, row: Mapping[str, Any], _: Any, tag: str) -> None:
    _write(server, "PATCH", f"/deployments/{row['id']}", {"tags": [*row["tags"], tag]})


def _share(server: Server, row: Mapping[str, Any], _: Any, slots: int) -> None:
    name = f"softland-{slots}"
    if name not in server.limits() and row["global_concurrency_limit"] is None:
        limit = _write(server, "POST", "/v2/concurrency_limits/", {"name": name, "limit": slots})
        _write(server, "PATCH", f"/deployments/{row['id']}", {"global_concurrency_limit_id": limit["id"]})


def _switch(server: Server, row: Mapping[str, Any], schedule: Any, active: bool) -> None:
    if schedule is not None:
        body = {"active": active, "parameters": schedule["parameters"]}
        _write(server, "PATCH", f"/deployments/{row['id']}/schedules/{schedule['id']}", body)


def _retime(server: Server, row: Mapping[str, Any], schedule: Any, cron: str) -> None:
    if schedule is not None:
        body = {"schedule": {"cron": cron, "timezone": ZONE}, "parameters": schedule["parameters"]}
        _write(server, "PATCH", f"/deployments/{row['id']}/schedules/{schedule['id']}", body)


def _unschedule(server: Server, row: Mapping[str, Any], schedule: Any, _: None) -> None:
    if schedule is not None:
        _write(server, "DELETE", f"/deployments/{row['id']}/schedules/{schedule['id']}", {})


def _schedule(server: Server, row: Mapping[str, Any], _: Any, slug: str) -> None:
    if all(one["slug"] for one in row["schedules"]):
        timing = {"cron": "0 5 * * *", "timezone": ZONE}
        _write(server, "PATCH", f"/deployments/{row['id']}", {"schedules": [{"slug": slug, "schedule": timing}]})


def _redeploy(server: Server, row: Mapping[str, Any], _: Any, crons: list[str]) -> None:
    """Somebody deploys it by the stock CLI: an upsert, whose schedules have no slugs."""
    kept = ("name", "flow_id", "tags", "version", "parameters", "entrypoint", "pull_steps", "work_pool_name")
    body = {**{name: row[name] for name in kept}, "enforce_parameter_schema": False}
    timings = [{"schedule": {"cron": cron, "timezone": ZONE}} for cron in crons]
    _write(server, "POST", "/deployments/", {**body, "schedules": timings})


def _delete(server: Server, row: Mapping[str, Any], _: Any, __: None) -> None:
    if row["global_concurrency_limit"] and not _is_own(row["global_concurrency_limit"]["name"]):
        _write(server, "PATCH", f"/deployments/{row['id']}", {"global_concurrency_limit_id": None})
    _write(server, "DELETE", f"/deployments/{row['id']}", {})


_ON_DEPLOYMENT: Final[Mapping[str, Callable[[Server, Mapping[str, Any], Any, Any], None]]] = {
    "patch": _patch, "tag": _tag, "share": _share, "switch": _switch, "retime": _retime, "unschedule": _unschedule,
    "schedule": _schedule, "redeploy": _redeploy, "delete": _delete,
}  # fmt: skip


def _deploy(server: Server, name: str) -> None:
    """A deployment that nobody manages, unless one of that name is there."""
    found = server.read()
    if f"basic-flow/{name}" not in rows(found):
        flow = _write(server, "POST", "/flows/", {"name": "basic-flow"})
        schedules = [{"schedule": {"cron": "30 1,13,17 * * *", "timezone": ZONE}}]
        _write(server, "POST", "/deployments/", {"name": name, "flow_id": flow["id"], "schedules": schedules})

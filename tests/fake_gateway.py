"""A Prefect server in memory, at the level of `wire.Reader` and `wire.Writer`, with the real one's quirks.

It knows the routes that `payload` sends and those by which a test plays the operator. Every quirk here is held against
a real server by tests/contract, which asks both the same questions: what has no test there does not belong here.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from fake_runs import FakeRuns
from jsonschema import Draft202012Validator

from reconcile.errors import ServerAnswerError
from reconcile.wire import Request, Snapshot

Row = dict[str, Any]

PATCHABLE = frozenset({
    "paused", "schedules", "concurrency_limit", "concurrency_options", "global_concurrency_limit_id",
    "enforce_parameter_schema", "parameter_openapi_schema", "parameters", "tags", "pull_steps", "work_pool_name",
    "work_queue_name", "description", "path", "version", "entrypoint", "job_variables",
})  # fmt: skip
CREATABLE = PATCHABLE | {"name", "flow_id", "labels"}
POOL_FIELDS = frozenset({"description", "concurrency_limit", "is_paused", "base_job_template"})
QUEUE_FIELDS = frozenset({"description", "concurrency_limit", "is_paused", "priority"})
VARIABLE_FIELDS = frozenset({"name", "value", "tags"})
LIMIT_FIELDS = frozenset({"name", "limit", "slot_decay_per_second", "active"})
BLOCK_FIELDS = frozenset({"name", "data", "block_type_id", "block_schema_id"})
AUTOMATION_FIELDS = frozenset({
    "name", "description", "enabled", "trigger", "actions", "actions_on_trigger", "actions_on_resolve", "tags",
})  # fmt: skip
BLOCK_TYPES = {
    "secret": "value",
    "github-credentials": "token",
    "slack-webhook": "url",
    "email-server-credentials": "password",
}
"""The types of blocks that hold one secret, and its field."""
LONGEST_VALUE = 5000
REFUSED_NULLS = {"paused": 422, "tags": 422, "schedules": 422, "parameters": 409, "enforce_parameter_schema": 409}


class FakeGateway:
    """Reads and writes like the gateway to a real server. `requests` are those that were written, in order.

    `time` is the server's clock, by which variables are dated; it stands still unless a test moves it on. Several
    threads may write: as in the real one's database, one of them comes first.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.time = datetime(2026, 11, 22, 12, tzinfo=UTC)
        self._turn = threading.RLock()
        self._numbers = count(1)
        self._flows: dict[str, Row] = {}
        self._pools: dict[str, Row] = {}
        self._queues: dict[str, Row] = {}
        self._deployments: dict[str, Row] = {}
        self._limits: dict[str, Row] = {}
        self.scheduler = FakeRuns(self._id)
        self._runs_by_hand: dict[str, Row] = {}
        self._variables_by_id: dict[str, Row] = {}
        self._blocks: dict[str, Row] = {}
        self._automations: dict[str, Row] = {}

    def read(self) -> Snapshot:
        """Everything, as the real server would put it into JSON."""
        return Snapshot(
            pools=_json(self._pools.values()),
            queues=_json(self._queues.values()),
            flows=_json(self._flows.values()),
            deployments=_json(self._as_read(row) for row in self._deployments.values()),
            variables=_json(self._rows_of_variables()),
            blocks=_json(_masked(row) for row in self._blocks.values()),
            limits=_json(self._limits.values()),
            automations=_json(self._automations.values()),
        )

    def write(self, request: Request) -> Mapping[str, Any]:
        """Do what the request says, or raise ServerAnswerError. One that is refused changes nothing."""
        with self._turn:
            return self._written(request)

    def _written(self, request: Request) -> Mapping[str, Any]:
        self.requests.append(request)
        for method, pattern, handler in self._routes():
            match = re.fullmatch(pattern, request.path)
            if method == request.method and match is not None:
                body: Row = json.loads(json.dumps(dict(request.body)))
                row = handler(
                    *(unquote(part) for part in match.groups()), **({} if method == "DELETE" else {"body": body})
                )
                return json.loads(json.dumps(row)) if method == "POST" else {}
        raise _refusal(404, f"{request.method} {request.path} is no route")

    def get(self, path: str) -> Any:
        """A variable by its name, a type of blocks by its slug, or a deployment by its flow's name and its own."""
        if slug := re.fullmatch(r"/block_types/slug/([^/]+)", path):
            _found(BLOCK_TYPES, slug[1])
            return {"id": _type_id(slug[1]), "slug": slug[1]}
        if named := re.fullmatch(r"/deployments/name/([^/]+)/([^/]+)", path):
            flow, name = map(unquote, named.groups())
            ids = [row["id"] for row in self._flows.values() if row["name"] == flow]
            found = {row["name"]: row for row in self._deployments.values() if row["flow_id"] in ids}
            return self._as_read(_found(found, name))
        match = re.fullmatch(r"/variables/name/([^/]+)", path)
        assert match is not None, path
        with self._turn:
            return json.loads(json.dumps(_found({row["name"]: row for row in self._rows_of_variables()}, match[1])))

    def clock(self) -> datetime:
        """The server's time."""
        return self.time

    def variables(self) -> dict[str, Any]:
        """The variables: name to value."""
        return {row["name"]: row["value"] for row in self._rows_of_variables()}

    def runs(self, deployment_id: str) -> frozenset[str]:
        """The ids of the coming runs."""
        return frozenset(run.id for run in self.scheduler.coming(deployment_id))

    def rows(self, path: str, query: Mapping[str, Any] | None = None) -> tuple[Mapping[str, Any], ...]:
        """Runs, by their deployments; or all blocks, masked."""
        if path == "/block_documents/filter":
            return self.read().blocks
        assert path == "/flow_runs/filter", path
        self.scheduler.begin(self.time)
        by_hand = (row for row in self._runs_by_hand.values() if _answers(row, query or {}))
        return (*self.scheduler.rows(query or {}), *_json(by_hand))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What a reading POST answers: how many runs there are, or the latest of them; the form of a type of blocks."""
        if path == "/block_schemas/filter":
            return [{"id": type_id} for type_id in body["block_schemas"]["block_type_id"]["any_"]]
        found = sorted(self.rows("/flow_runs/filter", body), key=lambda row: row["start_time"] or "", reverse=True)
        return len(found) if path == "/flow_runs/count" else found[: body["limit"]]

    def limits(self) -> dict[str, int]:
        """The global concurrency limits: name to number of slots."""
        return {row["name"]: row["limit"] for row in self._limits.values()}

    def secret(self, block: str) -> str | None:
        """The value that a block keeps, by `type/name`, as whoever may read it is told."""
        kind, _, name = block.partition("/")
        found = (
            row["data"] for row in self._blocks.values() if (row["block_type"]["slug"], row["name"]) == (kind, name)
        )
        return next((str(data[BLOCK_TYPES[kind]]) for data in found), None)

    def _routes(self) -> Sequence[tuple[str, str, Callable[..., Row]]]:
        deployment, pool = r"/deployments/([^/]+)", r"/work_pools/([^/]+)"
        return (
            ("POST", "/flows/", self._create_flow),
            ("POST", "/flow_runs/", self._create_run),
            ("POST", "/deployments/", self._create_deployment),
            ("PATCH", deployment, self._update_deployment),
            ("DELETE", deployment, self._delete_deployment),
            ("PATCH", rf"{deployment}/schedules/([^/]+)", self._update_schedule),
            ("DELETE", rf"{deployment}/schedules/([^/]+)", self._delete_schedule),
            ("POST", "/work_pools/", self._create_pool),
            ("PATCH", pool, self._update_pool),
            ("POST", rf"{pool}/queues", self._create_queue),
            ("PATCH", rf"{pool}/queues/([^/]+)", self._update_queue),
            ("POST", "/v2/concurrency_limits/", self._create_limit),
            ("PATCH", r"/v2/concurrency_limits/([^/]+)", self._update_limit),
            ("DELETE", r"/v2/concurrency_limits/([^/]+)", self._delete_limit),
            ("POST", "/block_documents/", self._create_block),
            ("PATCH", r"/block_documents/([^/]+)", self._update_block),
            ("DELETE", r"/block_documents/([^/]+)", self._delete_block),
            ("POST", "/automations/", self._create_automation),
            ("PUT", r"/automations/([^/]+)", self._replace_automation),
            ("DELETE", r"/automations/([^/]+)", self._delete_automation),
            ("POST", "/variables/", self._create_variable),
            ("PATCH", r"/variables/([^/]+)", self._update_variable),
            ("DELETE", r"/variables/([^/]+)", self._delete_variable),
        )

    # Flows and deployments

    def _create_run(self, body: Row) -> Row:
        """A run in a state that somebody gives it; one that has not begun has no start."""
        _found(self._deployments, body["deployment_id"])
        state = body["state"]["type"]
        start = None if state in {"SCHEDULED", "PENDING"} else self.time.isoformat()
        return self._added(self._runs_by_hand, {**body, "state_type": state, "start_time": start})

    def _create_flow(self, body: Row) -> Row:
        found = next((row for row in self._flows.values() if row["name"] == body["name"]), None)
        return found or self._added(self._flows, {"name": body["name"], "tags": [], "labels": {}})

    def _create_deployment(self, body: Row) -> Row:
        _only(body, CREATABLE)
        if re.search(r"[/%&><]", body["name"]):
            raise _refusal(500, "Internal Server Error")
        pool = body.get("work_pool_name")
        if pool is not None and self._pool(pool) and not _fits(body.get("job_variables"), self._variables(pool)):
            raise _refusal(422, "the job variables do not fit the template")
        if body.get("enforce_parameter_schema") and not _fits(
            body.get("parameters"), body.get("parameter_openapi_schema")
        ):
            raise _refusal(422, "the parameters do not fit the schema")
        _check_slugs([schedule.get("slug") for schedule in body.get("schedules") or ()])
        key = (body["flow_id"], body["name"])
        row = next((row for row in self._deployments.values() if (row["flow_id"], row["name"]) == key), None)
        row = row or self._added(self._deployments, _new_deployment(*key))
        # An upsert: schedules are made anew, and these are reset where they are left out.
        row.update({"parameters": {}, "schedules": [], **_stored(body)})
        row["schedules"] = [self._new_schedule(schedule) for schedule in body.get("schedules") or ()]
        row["labels"] = {**(body.get("labels") or {}), "prefect.flow.id": row["flow_id"]}
        self._put_in_queue(row, body)
        self._limit_deployment(row, body)
        self._touch(row)
        return self._as_read(row)

    def _update_deployment(self, deployment_id: str, body: Row) -> Row:
        row = _found(self._deployments, deployment_id)
        _only(body, PATCHABLE)
        for name, status in REFUSED_NULLS.items():
            if name in body and body[name] is None:
                raise _refusal(status, f"{name} must not be null")
        if body.get("concurrency_limit") == 0:
            raise _refusal(422, "a concurrency limit must be greater than 0")
        if body.get("work_pool_name") and body["work_pool_name"] not in self._pool_names():
            raise _refusal(500, "Internal Server Error")
        if body.get("work_pool_name") and not _fits(body.get("job_variables"), self._variables(body["work_pool_name"])):
            raise _refusal(409, "the job variables do not fit the template")
        stored = _stored({**body, **({"parameters": _hydrated(body["parameters"])} if "parameters" in body else {})})
        after = {**row, **stored}
        if after["enforce_parameter_schema"] and not _fits(after["parameters"], after["parameter_openapi_schema"]):
            raise _refusal(409, "the parameters do not fit the schema")
        schedules = self._patched_schedules(row["schedules"], body.get("schedules") or [])
        self._limit_deployment(row, body)
        self._put_in_queue(row, body)
        row.update({**stored, "schedules": schedules})
        self._touch(row)
        return {}

    def _delete_deployment(self, deployment_id: str) -> Row:
        row = _found(self._deployments, deployment_id)
        self._drop_limit(row)
        del self._deployments[deployment_id]
        self.scheduler.drop(deployment_id, None)
        return {}

    def _as_read(self, row: Row) -> Row:
        queue = self._queues.get(row["work_queue_id"] or "")
        pool = self._pools[queue["work_pool_id"]] if queue else None
        return {
            **row,
            "concurrency_limit": None,
            "global_concurrency_limit": self._limits.get(row["limit_id"]),
            "work_pool_name": pool["name"] if pool else None,
            "work_queue_name": queue["name"] if queue else None,
        }

    def _put_in_queue(self, row: Row, body: Row) -> None:
        pool, queue = body.get("work_pool_name"), body.get("work_queue_name")
        if pool is None and queue is None:
            row["work_queue_id"] = None if "work_pool_name" in body else row["work_queue_id"]
        elif pool is None and "work_pool_name" in body and row["work_queue_id"]:
            row["work_queue_id"] = None
        else:
            # A queue without a pool is looked for in the pool that Prefect keeps for its agents of old.
            if pool is None and "default-agent-pool" not in self._pool_names():
                self._create_pool({"name": "default-agent-pool", "type": "prefect-agent"})
            row["work_queue_id"] = self._queue(pool or "default-agent-pool", queue or "default", create=True)["id"]

    def _limit_deployment(self, row: Row, body: Row) -> None:
        linked = body.get("global_concurrency_limit_id", row["limit_id"])
        standing, wanted = self._limits.get(linked or ""), body.get("concurrency_limit")
        own = f"deployment:{row['id']}"
        if "concurrency_limit" in body and wanted is not None and standing is None and own in self.limits():
            raise _refusal(409, "Data integrity conflict.")
        row["limit_id"] = linked
        if "concurrency_limit" not in body:
            return
        if wanted is None:
            self._drop_limit(row)
        elif standing is not None:
            standing["limit"] = wanted
        else:
            row["limit_id"] = self._create_limit({"name": own, "limit": wanted})["id"]

    def _drop_limit(self, row: Row) -> None:
        """Whoever else is linked to it loses it too."""
        gone = row["limit_id"]
        self._limits.pop(gone, None)
        for other in self._deployments.values():
            other["limit_id"] = None if other["limit_id"] == gone else other["limit_id"]

    def _touch(self, row: Row) -> None:
        row["updated"] = self._now()
        self._schedule_runs(row)

    def _schedule_runs(self, row: Row) -> None:
        active = [] if row["paused"] else [schedule for schedule in row["schedules"] if schedule["active"]]
        self.scheduler.make(row["id"], active, self.time)

    # Schedules

    def _new_schedule(self, body: Row) -> Row:
        active = body.get("active")
        return {
            "id": self._id(),
            "slug": body.get("slug"),
            "schedule": self._timing(body["schedule"]),
            "active": True if active is None else active,
            "parameters": body.get("parameters") or {},
        }

    def _timing(self, sent: Row) -> Row:
        """With the server's defaults: an anchor of now where none is given."""
        if "cron" in sent:
            return {"timezone": None, "day_or": True, **sent}
        if "interval" in sent:
            anchor = sent.get("anchor_date") or self._now()
            return {"timezone": "UTC", **sent, "interval": float(sent["interval"]), "anchor_date": anchor}
        start = "" if "DTSTART" in sent["rrule"] else "DTSTART:20200101T000000\n"
        return {"timezone": "UTC", **sent, "rrule": start + sent["rrule"]}

    def _patched_schedules(self, standing: list[Row], sent: list[Row]) -> list[Row]:
        sent_slugs = [schedule.get("slug") for schedule in sent]
        if not standing or not all(schedule["slug"] for schedule in standing):
            _check_slugs(sent_slugs)
            return [self._new_schedule(schedule) for schedule in sent] if sent else standing
        if not all(sent_slugs):
            raise _refusal(422, "Please provide a slug for each schedule")
        after = {schedule["slug"]: schedule for schedule in standing}
        for schedule in sent:
            slug = schedule["slug"]
            known = after.pop(schedule.get("replaces") or slug, None)
            if known is None and "schedule" not in schedule:
                raise _refusal(422, "Unable to create new deployment schedules without a schedule configuration.")
            after[slug] = self._new_schedule(schedule) if known is None else self._changed_schedule(known, schedule)
        return list(after.values())

    def _changed_schedule(self, standing: Row, sent: Row) -> Row:
        """Parameters that are left out are lost; anything else that is left out, or null, stays."""
        told = {name: sent[name] for name in ("slug", "active") if sent.get(name) is not None}
        timing = self._timing(sent["schedule"]) if sent.get("schedule") else standing["schedule"]
        return {**standing, **told, "schedule": timing, "parameters": sent.get("parameters") or {}}

    def _update_schedule(self, deployment_id: str, schedule_id: str, body: Row) -> Row:
        row = _found(self._deployments, deployment_id)
        standing = {schedule["id"]: schedule for schedule in row["schedules"]}
        changed = self._changed_schedule(_found(standing, schedule_id), body)
        standing[schedule_id] = changed
        _check_slugs([schedule["slug"] for schedule in standing.values()])
        row["schedules"] = list(standing.values())
        self.scheduler.drop(deployment_id, self.time)  # and `updated` stays, so that they come back late
        return {}

    def _delete_schedule(self, deployment_id: str, schedule_id: str) -> Row:
        row = _found(self._deployments, deployment_id)
        standing = {schedule["id"]: schedule for schedule in row["schedules"]}
        _found(standing, schedule_id)
        row["schedules"] = [schedule for schedule in row["schedules"] if schedule["id"] != schedule_id]
        self.scheduler.drop(deployment_id, None)  # late ones of the others, too
        return {}

    # Work pools and limits

    def _create_pool(self, body: Row) -> Row:
        if body["name"] in self._pool_names():
            raise _refusal(409, "A work pool with this name already exists.")
        if body["name"].lower().startswith("prefect"):
            raise _refusal(403, "Work pools starting with 'Prefect' are reserved for internal use.")
        _check_template(body.get("base_job_template", {}))
        blank: Row = {"description": None, "concurrency_limit": None, "is_paused": False, "base_job_template": {}}
        pool = self._added(self._pools, {**blank, **body})
        queue = self._create_queue(pool["name"], {"name": "default", "description": "The work pool's default queue."})
        return {**pool, "default_queue_id": queue["id"]}

    def _update_pool(self, name: str, body: Row) -> Row:
        pool = self._pool(name)
        _only(body, POOL_FIELDS)
        if "is_paused" in body and body["is_paused"] is None:
            raise _refusal(409, "is_paused must not be null")
        if "base_job_template" in body:
            _check_template(body["base_job_template"])
        pool.update(body)
        return {}

    def _create_queue(self, pool_name: str, body: Row) -> Row:
        pool = self._pool(pool_name)
        siblings = self._siblings(pool["id"])
        if any(queue["name"] == body["name"] for queue in siblings):
            raise _refusal(409, "A work queue with this name already exists.")
        taken = {queue["priority"] for queue in siblings}
        free = next(number for number in count(1) if number not in taken)
        blank: Row = {"description": "", "concurrency_limit": None, "is_paused": False, "work_pool_id": pool["id"]}
        queue = self._added(self._queues, {**blank, **body, "priority": free})
        self._renumber(queue, body.get("priority"))
        return queue

    def _update_queue(self, pool_name: str, name: str, body: Row) -> Row:
        queue = self._queue(pool_name, name, create=False)
        _only(body, QUEUE_FIELDS)
        queue.update({key: value for key, value in body.items() if key != "priority"})
        self._renumber(queue, body.get("priority"))
        return {}

    def _renumber(self, queue: Row, priority: int | None) -> None:
        """The numbers stay unique: whoever has the number taken moves one on, and so does who is pushed by that."""
        pushed: Row | None = queue
        while pushed is not None and priority is not None:
            pushed["priority"] = priority
            siblings = (row for row in self._siblings(queue["work_pool_id"]) if row is not pushed)
            pushed = next((row for row in siblings if row["priority"] == priority), None)
            priority += 1

    def _create_limit(self, body: Row) -> Row:
        _only(body, LIMIT_FIELDS)
        if re.search(r"[/%&><]", body["name"]):
            raise _refusal(422, "String should match pattern '^[^/%&><]+$'")
        if body["name"] in self.limits():
            raise _refusal(409, "Data integrity conflict.")
        return self._added(self._limits, {"slot_decay_per_second": 0.0, "active": True, **body})

    def _update_limit(self, name: str, body: Row) -> Row:
        _only(body, LIMIT_FIELDS)
        self._limit(name).update(body)
        return {}

    def _delete_limit(self, name: str) -> Row:
        self._drop_limit({"limit_id": self._limit(name)["id"]})
        return {}

    def _limit(self, name: str) -> Row:
        found: Row = _found({**{row["name"]: row for row in self._limits.values()}, **self._limits}, name)
        return found

    # Blocks and automations

    def _create_block(self, body: Row) -> Row:
        _only(body, BLOCK_FIELDS)
        if not re.fullmatch(r"[a-z0-9-]+", body["name"]):
            raise _refusal(422, "Block document name must only contain lowercase letters, numbers, and dashes.")
        slug = next(slug for slug in BLOCK_TYPES if _type_id(slug) == body["block_type_id"])
        if self.secret(f"{slug}/{body['name']}") is not None:
            raise _refusal(409, "Block already exists")
        kept = {"name": body["name"], "data": body["data"], "block_type_id": body["block_type_id"]}
        return _masked(self._added(self._blocks, {**kept, "block_type": {"slug": slug}}))

    def _update_block(self, block_id: str, body: Row) -> Row:
        row = _found(self._blocks, block_id)
        row["data"] = {**(row["data"] if body.get("merge_existing_data", True) else {}), **body["data"]}
        return {}

    def _delete_block(self, block_id: str) -> Row:
        _found(self._blocks, block_id)
        del self._blocks[block_id]
        return {}

    def _create_automation(self, body: Row) -> Row:
        """Names are taken as often as they are sent."""
        return self._added(self._automations, {**self._automation(body), "created": self._now()})

    def _replace_automation(self, automation_id: str, body: Row) -> Row:
        _found(self._automations, automation_id).update(self._automation(body))
        return {}

    def _delete_automation(self, automation_id: str) -> Row:
        _found(self._automations, automation_id)
        del self._automations[automation_id]
        return {}

    def _automation(self, body: Row) -> Row:
        """As it is stored: with what was left out, and another id of its trigger each time."""
        _only(body, AUTOMATION_FIELDS)
        if not {"name", "trigger", "actions"} <= body.keys():
            raise _refusal(422, "Field required")
        if body.get("description", "") is None:
            raise _refusal(422, "Input should be a valid string")
        blank: Row = {"description": "", "enabled": True, "tags": []}
        lists = {
            each: [_action(action) for action in body.get(each) or ()]
            for each in ("actions", "actions_on_trigger", "actions_on_resolve")
        }
        return {**blank, **body, **lists, "trigger": self._trigger(body["trigger"])}

    def _trigger(self, sent: Row) -> Row:
        """With the server's defaults, durations as floats, and nothing that it does not know."""
        kind = sent.get("type")
        if kind in {"compound", "sequence"}:
            within = sent["within"]
            if kind == "compound" and isinstance(sent["require"], int) and sent["require"] > len(sent["triggers"]):
                raise _refusal(422, "require must be less than or equal to the number of triggers")
            return {
                "type": kind,
                "id": self._id(),
                "triggers": [self._trigger(each) for each in sent["triggers"]],
                "within": within if within is None else float(within),
                **({"require": sent["require"]} if kind == "compound" else {}),
            }
        if kind != "event" or sent.get("posture") not in {"Reactive", "Proactive"}:
            raise _refusal(422, "Invalid request received.")
        within = float(sent.get("within") or 0)
        if sent["posture"] == "Proactive":
            within = within or 10.0
            if within < 10:
                raise _refusal(422, "`within` for Proactive triggers must be greater than or equal to 10 seconds")
        sets = {name: sorted(set(sent.get(name) or ()), reverse=True) for name in ("after", "expect", "for_each")}
        return {
            "type": "event",
            "id": self._id(),
            "match": sent.get("match") or {},
            "match_related": sent.get("match_related") or {},
            **sets,
            "posture": sent["posture"],
            "threshold": sent.get("threshold", 1),
            "within": within,
        }

    # Variables

    def _rows_of_variables(self) -> list[Row]:
        return list(self._variables_by_id.values())

    def _create_variable(self, body: Row) -> Row:
        _only(body, VARIABLE_FIELDS)
        _check_variable(body)
        if body["name"] in self.variables():
            raise _refusal(409, f"A variable with the name {body['name']!r} already exists.")
        dated = {"created": self.time.isoformat(), "updated": self.time.isoformat()}
        return self._added(self._variables_by_id, {"tags": [], **body, **dated})

    def _update_variable(self, variable_id: str, body: Row) -> Row:
        _only(body, VARIABLE_FIELDS)
        _check_variable(body)
        _found(self._variables_by_id, variable_id).update({**body, "updated": self.time.isoformat()})
        return {}

    def _delete_variable(self, variable_id: str) -> Row:
        _found(self._variables_by_id, variable_id)
        del self._variables_by_id[variable_id]
        return {}

    # What they share

    def _pool_names(self) -> set[str]:
        return {pool["name"] for pool in self._pools.values()}

    def _pool(self, name: str) -> Row:
        found: Row = _found({pool["name"]: pool for pool in self._pools.values()}, name)
        return found

    def _variables(self, pool: str) -> Row:
        return self._pool(pool)["base_job_template"].get("variables") or {}

    def _siblings(self, pool_id: str) -> list[Row]:
        return [queue for queue in self._queues.values() if queue["work_pool_id"] == pool_id]

    def _queue(self, pool_name: str, name: str, *, create: bool) -> Row:
        queues = {queue["name"]: queue for queue in self._siblings(self._pool(pool_name)["id"])}
        found: Row = (
            self._create_queue(pool_name, {"name": name}) if create and name not in queues else _found(queues, name)
        )
        return found

    def _added(self, rows: dict[str, Row], values: Row) -> Row:
        row = {"id": self._id(), **values}
        rows[row["id"]] = row
        return row

    def _id(self) -> str:
        return str(UUID(int=next(self._numbers)))

    def _now(self) -> str:
        return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(self._numbers))).isoformat()


def _new_deployment(flow_id: str, name: str) -> Row:
    return {
        "flow_id": flow_id, "name": name, "version": None, "description": None, "entrypoint": None, "path": None,
        "pull_steps": [], "tags": [], "parameters": {}, "parameter_openapi_schema": {}, "job_variables": {},
        "enforce_parameter_schema": True, "paused": False, "schedules": [], "concurrency_options": None,
        "limit_id": None, "work_queue_id": None,
    }  # fmt: skip


def _stored(body: Row) -> Row:
    """The sent fields that are kept as they are; null job variables are not heeded."""
    elsewhere = {
        "schedules",
        "labels",
        "concurrency_limit",
        "global_concurrency_limit_id",
        "work_pool_name",
        "work_queue_name",
    }
    stored = {name: value for name, value in body.items() if name not in elsewhere}
    if stored.get("job_variables", {}) is None:
        del stored["job_variables"]
    if stored.get("parameter_openapi_schema") == {}:
        stored["parameter_openapi_schema"] = {"type": "object", "properties": {}}
    return stored


def _hydrated(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("__prefect_kind") == "json":
            return json.loads(value["value"])
        return {key: _hydrated(item) for key, item in value.items()}
    return [_hydrated(item) for item in value] if isinstance(value, list) else value


def _fits(value: Any, schema: Any) -> bool:
    return Draft202012Validator({**(schema or {}), "required": []}).is_valid(value or {})


def _answers(run: Row, query: Mapping[str, Any]) -> bool:
    """Whether a run that was made by hand is among those asked for. It has no time at which it was due."""
    asked = query["flow_runs"]
    states = asked.get("state", {}).get("type", {}).get("any_")
    return (
        run["deployment_id"] in query["deployments"]["id"]["any_"]
        and (states is None or run["state_type"] in states)
        and ("start_time" not in asked or run["start_time"] is not None)
        and "expected_start_time" not in asked
    )


_PICKED = {
    "deployment": "deployment_id",
    "work-pool": "work_pool_id",
    "work-queue": "work_queue_id",
    "automation": "automation_id",
}
_ACTION_DEFAULTS: Mapping[str, Row] = {
    "run-deployment": {"parameters": None, "job_variables": None, "schedule_after": 0.0},
    "change-flow-run-state": {"name": None, "message": None, "force": False},
    "send-notification": {"subject": "Prefect automated notification"},
    "call-webhook": {"payload": ""},
}  # fmt: skip


def _action(sent: Row) -> Row:
    """With the server's defaults, and nothing that it does not know."""
    kind = str(sent.get("type"))
    verb, _, thing = kind.partition("-")
    known: Row = {"type": kind, **_ACTION_DEFAULTS.get(kind, {})}
    if thing in _PICKED and verb in {"run", "pause", "resume"}:
        known |= {"source": "selected", _PICKED[thing]: None}
        if (sent.get("source", "selected") == "selected") != bool(sent.get(_PICKED[thing])):
            raise _refusal(422, f"{_PICKED[thing]} is required")
    if kind in {"send-notification", "call-webhook"}:
        known |= {"block_document_id": sent["block_document_id"]}
    wanted = {"change-flow-run-state": {"state"}, "send-notification": {"body"}}.get(kind, set())
    if kind not in _ACTION_TYPES or not wanted <= sent.keys():
        raise _refusal(422, "Invalid request received.")
    stored = {**known, **{name: value for name, value in sent.items() if name in {*known, *wanted}}}
    return {**stored, **({"schedule_after": float(stored["schedule_after"])} if "schedule_after" in stored else {})}


_ACTION_TYPES = {
    "do-nothing", "run-deployment", "cancel-flow-run", "delete-flow-run", "suspend-flow-run", "resume-flow-run",
    "change-flow-run-state", "send-notification", "call-webhook",
    *(f"{verb}-{thing}" for verb in ("pause", "resume") for thing in _PICKED),
}  # fmt: skip


def _check_slugs(slugs: list[str | None]) -> None:
    named = [slug for slug in slugs if slug is not None]
    if len(named) != len(set(named)):
        raise _refusal(409, "Data integrity conflict.")


def _check_variable(body: Row) -> None:
    if "tags" in body and body["tags"] is None:
        raise _refusal(409, "tags must not be null")
    if not re.fullmatch(r"[a-z0-9_-]+", body.get("name", "x")):
        raise _refusal(422, "Variable name must only contain lowercase letters, numbers, and dashes or underscores.")
    if len(json.dumps(body.get("value"), ensure_ascii=False, separators=(",", ":")).encode()) > LONGEST_VALUE:
        raise _refusal(422, "Variable value must be less than 5000 characters")


def _type_id(slug: str) -> str:
    """The id of a type of blocks, and of its form."""
    return str(UUID(int=2**64 + sum(slug.encode())))


def _masked(block: Row) -> Row:
    return {**block, "data": dict.fromkeys(block["data"], "********")}


def _check_template(template: Row | None) -> None:
    if template is None:
        raise _refusal(500, "Internal Server Error")
    if template and not (template.get("job_configuration") and template.get("variables")):
        raise _refusal(
            422, "The `base_job_template` must contain both a `job_configuration` key and a `variables` key."
        )


def _only(body: Row, allowed: frozenset[str]) -> None:
    if extra := sorted(body.keys() - allowed):
        raise _refusal(422, f"{extra[0]}: Extra inputs are not permitted")


def _found(rows: Mapping[str, Any], key: str) -> Any:
    if key not in rows:
        raise _refusal(404, f"{key} not found.")
    return rows[key]


def _refusal(status: int, text: str) -> ServerAnswerError:
    return ServerAnswerError(f"The server answered {status}: {text}", status=status)


def _json(rows: Any) -> tuple[Row, ...]:
    return tuple(json.loads(json.dumps(list(rows))))

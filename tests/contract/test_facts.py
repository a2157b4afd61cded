"""What Prefect's server does, as far as this tool depends on it: one test a fact, asked of the fake and of the real one.

One that fails for the real server only means that an upgrade changed Prefect: look at what `payload` and `observed`
make of it. One that fails for the fake only means that the fake lies.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import builders as a
import pytest
from roundtrips import Server

from reconcile.errors import ServerAnswerError
from reconcile.payload import renumbered
from reconcile.wire import Request

CRON = {"cron": "0 8 * * *", "timezone": a.ZONE}
OTHER_CRON = {"cron": "0 9 * * *", "timezone": a.ZONE}
NOBODY = "00000000-0000-4000-8000-000000000000"


def send(server: Server, method: str, path: str, /, **body: Any) -> Mapping[str, Any]:
    return server.write(Request(method=method, path=path, body=body))


def refused(server: Server, method: str, path: str, /, **body: Any) -> int:
    """The status of a refusal."""
    with pytest.raises(ServerAnswerError) as caught:
        send(server, method, path, **body)
    return caught.value.status


def deploy(server: Server, name: str = "d", **body: Any) -> str:
    """A new deployment, in the pool `p` unless it is said to have another or none; its path."""
    if not any(row["name"] == "p" for row in server.read().pools):
        send(server, "POST", "/work_pools/", name="p", type="process", base_job_template=a.TEMPLATE)
    flow = send(server, "POST", "/flows/", name="f")
    made = send(server, "POST", "/deployments/", **{"name": name, "flow_id": flow["id"], "work_pool_name": "p", **body})
    return f"/deployments/{made['id']}"


def read(server: Server, path: str) -> Mapping[str, Any]:
    return next(row for row in server.read().deployments if path.endswith(row["id"]))


def schedules(server: Server, path: str) -> dict[str | None, Mapping[str, Any]]:
    return {schedule["slug"]: schedule for schedule in read(server, path)["schedules"]}


def queues(server: Server, pool: str = "p") -> dict[str, int]:
    snapshot = server.read()
    pool_id = next(row["id"] for row in snapshot.pools if row["name"] == pool)
    return {row["name"]: row["priority"] for row in snapshot.queues if row["work_pool_id"] == pool_id}


def coming_runs(server: Server, path: str, seconds: float = 30) -> frozenset[str]:
    """The coming runs, once there are some."""
    deadline = time.monotonic() + seconds
    while not (runs := server.runs(path.rpartition("/")[2])):
        assert time.monotonic() < deadline, "no run was scheduled"
        time.sleep(0.25)
    return runs


class TestPost:
    def test_it_says_what_it_made(self, server: Server) -> None:
        path = deploy(server, description="Saluda", tags=["b", "a", "b"])
        row = read(server, path)
        assert (row["name"], row["description"], row["tags"]) == ("d", "Saluda", ["b", "a", "b"])

    def test_what_is_not_said_has_the_servers_defaults(self, server: Server) -> None:
        row = read(server, deploy(server))
        defaults: dict[str, Any] = {
            "description": None, "entrypoint": None, "path": None, "version": None, "pull_steps": [], "tags": [],
            "parameters": {}, "job_variables": {}, "enforce_parameter_schema": True, "paused": False, "schedules": [],
            "concurrency_limit": None, "global_concurrency_limit": None, "concurrency_options": None,
            "work_queue_name": "default", "work_pool_name": "p",
        }  # fmt: skip
        assert {name: row[name] for name in defaults} == defaults
        assert row["parameter_openapi_schema"] in ({}, {"type": "object", "properties": {}})

    def test_an_empty_parameter_schema_is_that_of_no_parameters(self, server: Server) -> None:
        path = deploy(server, parameter_openapi_schema={})
        assert read(server, path)["parameter_openapi_schema"] == {"type": "object", "properties": {}}

    def test_a_second_one_keeps_the_id_and_makes_every_schedule_anew(self, server: Server) -> None:
        path = deploy(server, parameters={"a": 1}, schedules=[{"slug": "s", "schedule": CRON}])
        before = schedules(server, path)["s"]
        send(server, "PATCH", f"{path}/schedules/{before['id']}", active=False)
        assert deploy(server, schedules=[{"slug": "s", "schedule": CRON}]) == path
        after = schedules(server, path)["s"]
        assert before["id"] != after["id"]
        assert after["active"] is True, "a pause made in the UI is lost"
        assert read(server, path)["parameters"] == {}, "parameters that are left out are reset"

    def test_a_second_one_without_schedules_leaves_none(self, server: Server) -> None:
        path = deploy(server, schedules=[{"slug": "s", "schedule": CRON}])
        assert deploy(server) == path
        assert read(server, path)["schedules"] == []

    def test_a_flow_that_stands_is_answered_with(self, server: Server) -> None:
        first, second = (send(server, "POST", "/flows/", name="f") for _ in range(2))
        assert first["id"] == second["id"]

    def test_parameters_are_checked_only_when_that_is_asked_for(self, server: Server) -> None:
        wrong = {"parameters": {"days": "x"}, "parameter_openapi_schema": a.SCHEMA}
        deploy(server, "unasked", **wrong)
        with pytest.raises(ServerAnswerError) as caught:
            deploy(server, "asked", enforce_parameter_schema=True, **wrong)
        assert caught.value.status == 422

    def test_job_variables_are_checked_against_the_template_unless_unknown_to_it(self, server: Server) -> None:
        deploy(server, "unknown", job_variables={"otra": 5})
        with pytest.raises(ServerAnswerError) as caught:
            deploy(server, "wrong", job_variables={"env": 5})
        assert caught.value.status in (409, 422)

    def test_an_unknown_pool_is_refused(self, server: Server) -> None:
        with pytest.raises(ServerAnswerError) as caught:
            deploy(server, work_pool_name="nonesuch")
        assert caught.value.status == 404

    def test_a_slash_in_a_name_breaks_the_server_and_nothing_else(self, server: Server) -> None:
        with pytest.raises(ServerAnswerError) as caught:
            deploy(server, "a/b")
        assert caught.value.status == 500
        assert read(server, deploy(server, "a-b"))["name"] == "a-b"

    def test_a_queue_that_is_not_there_is_made(self, server: Server) -> None:
        deploy(server, work_queue_name="new")
        assert queues(server) == {"default": 1, "new": 2}

    def test_without_pool_and_queue_there_is_neither(self, server: Server) -> None:
        row = read(server, deploy(server, work_pool_name=None, work_queue_name=None))
        assert (row["work_pool_name"], row["work_queue_name"]) == (None, None)

    def test_placeholders_stay(self, server: Server) -> None:
        said = {"env": {"A": "{{ prefect.blocks.secret.x }}", "B": "{{ prefect.variables.y }}"}}
        assert read(server, deploy(server, job_variables=said, parameters=said))["job_variables"] == said

    def test_two_schedules_of_one_slug_are_refused(self, server: Server) -> None:
        with pytest.raises(ServerAnswerError) as caught:
            deploy(server, schedules=[{"slug": "s", "schedule": CRON}, {"slug": "s", "schedule": OTHER_CRON}])
        assert caught.value.status == 409


class TestPatch:
    def test_even_an_empty_one_bumps_updated_and_takes_the_coming_runs_away(self, server: Server) -> None:
        path = deploy(server, schedules=[{"slug": "s", "schedule": CRON}])
        runs, updated = coming_runs(server, path), read(server, path)["updated"]
        send(server, "PATCH", path)
        assert read(server, path)["updated"] != updated
        assert coming_runs(server, path).isdisjoint(runs), "the runs come back, as others"

    @pytest.mark.parametrize(
        ("name", "status"),
        [("paused", 422), ("tags", 422), ("schedules", 422), ("parameters", 409), ("enforce_parameter_schema", 409)],
    )
    def test_null_is_refused(self, server: Server, name: str, status: int) -> None:
        assert refused(server, "PATCH", deploy(server), **{name: None}) == status

    @pytest.mark.parametrize("name", ["description", "entrypoint", "path", "version"])
    def test_null_empties(self, server: Server, name: str) -> None:
        path = deploy(server, **{name: "x"})
        send(server, "PATCH", path, **{name: None})
        assert read(server, path)[name] is None

    def test_null_job_variables_are_not_heeded_and_empty_ones_are(self, server: Server) -> None:
        path = deploy(server, job_variables={"otra": 5})
        send(server, "PATCH", path, job_variables=None)
        assert read(server, path)["job_variables"] == {"otra": 5}
        send(server, "PATCH", path, job_variables={})
        assert read(server, path)["job_variables"] == {}

    @pytest.mark.parametrize("name", ["name", "flow_id", "labels", "nonesuch"])
    def test_what_cannot_change_is_refused(self, server: Server, name: str) -> None:
        assert refused(server, "PATCH", deploy(server), **{name: "x"}) == 422

    def test_labels_are_given_at_creation_and_stay(self, server: Server) -> None:
        path = deploy(server, labels={"sync.replaced": NOBODY})
        send(server, "PATCH", path, description="otra", tags=["x"])
        assert read(server, path)["labels"]["sync.replaced"] == NOBODY

    def test_a_deployment_that_is_gone_is_not_found(self, server: Server) -> None:
        assert refused(server, "PATCH", f"/deployments/{NOBODY}", version="1") == 404

    def test_a_null_queue_is_not_heeded(self, server: Server) -> None:
        path = deploy(server, work_queue_name="q")
        send(server, "PATCH", path, work_queue_name=None)
        assert read(server, path)["work_queue_name"] == "q"

    def test_the_pool_alone_resets_the_queue(self, server: Server) -> None:
        path = deploy(server, work_queue_name="q")
        send(server, "PATCH", path, work_pool_name="p")
        assert read(server, path)["work_queue_name"] == "default"

    def test_the_queue_alone_is_not_looked_for_in_the_pool(self, server: Server) -> None:
        path = deploy(server)
        send(server, "PATCH", path, work_queue_name="nueva")
        assert read(server, path)["work_pool_name"] != "p"

    def test_pool_and_queue_can_be_taken_away(self, server: Server) -> None:
        path = deploy(server, work_queue_name="q")
        send(server, "PATCH", path, work_pool_name=None, work_queue_name=None)
        row = read(server, path)
        assert (row["work_pool_name"], row["work_queue_name"]) == (None, None)

    def test_an_unknown_pool_breaks_the_server_and_nothing_else(self, server: Server) -> None:
        path = deploy(server)
        assert refused(server, "PATCH", path, work_pool_name="nonesuch") == 500
        send(server, "PATCH", path, description="the next request works")
        assert read(server, path)["work_pool_name"] == "p"

    def test_job_variables_are_checked_only_beside_the_pool(self, server: Server) -> None:
        path = deploy(server)
        assert refused(server, "PATCH", path, work_pool_name="p", job_variables={"env": 5}) == 409
        send(server, "PATCH", path, job_variables={"env": 5})
        assert read(server, path)["job_variables"] == {"env": 5}

    def test_parameters_must_fit_the_schema_that_comes_along(self, server: Server) -> None:
        path = deploy(server, parameters={"days": 1}, parameter_openapi_schema=a.SCHEMA)
        assert refused(server, "PATCH", path, parameters={"days": "x"}) == 409
        text = {"type": "object", "properties": {"days": {"type": "string"}}}
        assert refused(server, "PATCH", path, parameter_openapi_schema=text) == 409
        send(server, "PATCH", path, parameters={"days": "x"}, parameter_openapi_schema=text)
        assert read(server, path)["parameters"] == {"days": "x"}

    def test_required_parameters_may_be_missing(self, server: Server) -> None:
        path = deploy(server)
        send(server, "PATCH", path, parameter_openapi_schema={**a.SCHEMA, "required": ["message"]})
        assert read(server, path)["parameter_openapi_schema"]["required"] == ["message"]

    def test_parameters_are_hydrated(self, server: Server) -> None:
        said = {"x": {"__prefect_kind": "json", "value": "[1]"}}
        path = deploy(server, parameters=said)
        assert read(server, path)["parameters"] == said, "a POST stores them as they are"
        send(server, "PATCH", path, parameters=said)
        assert read(server, path)["parameters"] == {"x": [1]}

    def test_pull_steps_are_kept_as_they_are(self, server: Server) -> None:
        path = deploy(server)
        send(server, "PATCH", path, pull_steps=list(a.GIT_PULL))
        assert read(server, path)["pull_steps"] == list(a.GIT_PULL)

    def test_a_zone_is_kept_as_it_is_spelt(self, server: Server) -> None:
        path = deploy(server)
        zones = ("America/Buenos_Aires", "America/Argentina/Buenos_Aires")
        sent = [{"slug": zone, "schedule": {**CRON, "timezone": zone}} for zone in zones]
        send(server, "PATCH", path, schedules=sent)
        assert {item["schedule"]["timezone"] for item in read(server, path)["schedules"]} == set(zones)


class TestSchedules:
    def test_the_server_adds_its_defaults(self, server: Server) -> None:
        timings = ({"cron": "0 8 * * *"}, {"interval": 3600}, {"rrule": "FREQ=DAILY"})
        path = deploy(server, schedules=[{"slug": next(iter(timing)), "schedule": timing} for timing in timings])
        found = {slug: schedule["schedule"] for slug, schedule in schedules(server, path).items()}
        assert found["cron"] == {"cron": "0 8 * * *", "timezone": None, "day_or": True}
        assert found["rrule"] == {"rrule": "DTSTART:20200101T000000\nFREQ=DAILY", "timezone": "UTC"}
        anchor = found["interval"].pop("anchor_date")
        assert anchor, "an anchor that is left out is now: it moves with each request"
        assert found["interval"] == {"interval": 3600.0, "timezone": "UTC"}

    def test_slugged_ones_are_changed_one_by_one(self, server: Server) -> None:
        path = deploy(server, schedules=[{"slug": slug, "schedule": CRON} for slug in ("a", "b")])
        before = schedules(server, path)
        send(server, "PATCH", path, schedules=[{"slug": "a", "schedule": OTHER_CRON}, {"slug": "c", "schedule": CRON}])
        after = schedules(server, path)
        assert after.keys() == {"a", "b", "c"}, "one that is left out is not deleted"
        assert {slug: after[slug]["id"] for slug in "ab"} == {slug: before[slug]["id"] for slug in "ab"}
        assert after["a"]["schedule"]["cron"] == "0 9 * * *"
        assert after["b"] == {
            **before["b"],
            **{key: after["b"][key] for key in ("created", "updated") if key in after["b"]},
        }

    def test_an_empty_list_does_nothing(self, server: Server) -> None:
        path = deploy(server, schedules=[{"slug": "a", "schedule": CRON}])
        send(server, "PATCH", path, schedules=[])
        assert schedules(server, path).keys() == {"a"}

    def test_parameters_left_out_are_lost_and_active_left_out_stays(self, server: Server) -> None:
        path = deploy(server, schedules=[{"slug": "a", "schedule": CRON, "parameters": {"x": 1}, "active": False}])
        send(server, "PATCH", path, schedules=[{"slug": "a", "schedule": OTHER_CRON}])
        schedule = schedules(server, path)["a"]
        assert (schedule["parameters"], schedule["active"]) == ({}, False)

    def test_slugless_ones_among_slugged_are_refused(self, server: Server) -> None:
        path = deploy(server, schedules=[{"slug": "a", "schedule": CRON}])
        assert refused(server, "PATCH", path, schedules=[{"schedule": OTHER_CRON}]) == 422

    @pytest.mark.parametrize("also", [[], [{"slug": "b", "schedule": CRON}]])
    def test_where_one_has_no_slug_all_are_replaced(self, server: Server, also: list[dict[str, Any]]) -> None:
        path = deploy(server, schedules=[{"schedule": CRON}, *also])
        send(server, "PATCH", path, schedules=[{"slug": "n", "schedule": OTHER_CRON}])
        assert schedules(server, path).keys() == {"n"}

    def test_a_new_one_without_a_timing_is_refused(self, server: Server) -> None:
        path = deploy(server, schedules=[{"slug": "a", "schedule": CRON}])
        assert refused(server, "PATCH", path, schedules=[{"slug": "b", "active": True}]) == 422

    def test_replaces_renames_and_keeps_the_id(self, server: Server) -> None:
        path = deploy(server, schedules=[{"slug": "a", "schedule": CRON}])
        before = schedules(server, path)["a"]["id"]
        send(server, "PATCH", path, schedules=[{"slug": "b", "replaces": "a", "schedule": CRON}])
        assert {slug: schedule["id"] for slug, schedule in schedules(server, path).items()} == {"b": before}

    def test_a_slug_can_be_given_and_the_id_stays(self, server: Server) -> None:
        path = deploy(server, schedules=[{"schedule": CRON, "parameters": {"x": 1}, "active": False}])
        before = schedules(server, path)[None]
        send(server, "PATCH", f"{path}/schedules/{before['id']}", slug="a")
        after = schedules(server, path)["a"]
        assert (after["id"], after["active"]) == (before["id"], False)
        assert after["parameters"] == {}, "and the parameters are lost where they are left out"

    def test_a_slug_of_another_is_refused(self, server: Server) -> None:
        path = deploy(server, schedules=[{"slug": slug, "schedule": CRON} for slug in "ab"])
        assert refused(server, "PATCH", f"{path}/schedules/{schedules(server, path)['b']['id']}", slug="a") == 409

    def test_one_that_is_gone_is_not_found(self, server: Server) -> None:
        path = deploy(server)
        assert refused(server, "DELETE", f"{path}/schedules/{NOBODY}") == 404
        assert refused(server, "PATCH", f"{path}/schedules/{NOBODY}", active=True) == 404

    @pytest.mark.parametrize("method", ["DELETE", "PATCH"])
    def test_their_own_routes_take_all_coming_runs_and_leave_updated_so_a_patch_must_follow(
        self, server: Server, method: str
    ) -> None:
        path = deploy(server, schedules=[{"slug": slug, "schedule": CRON} for slug in "ab"])
        runs, updated = coming_runs(server, path), read(server, path)["updated"]
        send(server, method, f"{path}/schedules/{schedules(server, path)['a']['id']}")
        assert runs.isdisjoint(server.runs(path.rpartition("/")[2])), "those of the other schedule too"
        assert read(server, path)["updated"] == updated
        send(server, "PATCH", path, version="1")
        assert coming_runs(server, path, seconds=20)

    def test_a_paused_deployment_has_no_coming_runs(self, server: Server) -> None:
        path = deploy(server, schedules=[{"slug": "a", "schedule": CRON}])
        coming_runs(server, path)
        send(server, "PATCH", path, paused=True)
        assert not server.runs(path.rpartition("/")[2])


class TestLimits:
    def test_an_own_one_is_read_elsewhere_than_it_is_written(self, server: Server) -> None:
        path = deploy(server, concurrency_limit=3)
        row = read(server, path)
        assert row["concurrency_limit"] is None
        assert row["global_concurrency_limit"]["limit"] == 3
        assert row["global_concurrency_limit"]["name"] == f"deployment:{row['id']}"

    def test_null_takes_an_own_one_away(self, server: Server) -> None:
        path = deploy(server, concurrency_limit=3)
        send(server, "PATCH", path, concurrency_limit=None, concurrency_options=None)
        assert read(server, path)["global_concurrency_limit"] is None
        assert server.limits() == {}

    def test_zero_is_refused(self, server: Server) -> None:
        assert refused(server, "PATCH", deploy(server), concurrency_limit=0) == 422

    def test_options_are_kept(self, server: Server) -> None:
        path = deploy(server, concurrency_limit=3, concurrency_options={"collision_strategy": "CANCEL_NEW"})
        assert read(server, path)["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"

    def share(self, server: Server, *paths: str) -> None:
        limit = send(server, "POST", "/v2/concurrency_limits/", name="softland", limit=2)
        for path in paths:
            send(server, "PATCH", path, global_concurrency_limit_id=limit["id"])

    def test_null_deletes_a_shared_one_for_everyone(self, server: Server) -> None:
        one, other = deploy(server, "one"), deploy(server, "other")
        self.share(server, one, other)
        send(server, "PATCH", one, concurrency_limit=None)
        assert read(server, other)["global_concurrency_limit"] is None
        assert server.limits() == {}

    def test_a_number_rewrites_a_shared_one_for_everyone(self, server: Server) -> None:
        one, other = deploy(server, "one"), deploy(server, "other")
        self.share(server, one, other)
        send(server, "PATCH", one, concurrency_limit=7)
        assert read(server, other)["global_concurrency_limit"]["limit"] == 7

    def test_deleting_a_deployment_deletes_a_shared_one(self, server: Server) -> None:
        one, other = deploy(server, "one"), deploy(server, "other")
        self.share(server, one, other)
        send(server, "DELETE", one)
        assert read(server, other)["global_concurrency_limit"] is None

    @pytest.mark.parametrize(
        ("own", "left"), [({"concurrency_limit": 7}, {"softland": 2, "own": 7}), ({}, {"softland": 2})]
    )
    def test_unlinked_in_the_same_request_a_shared_one_stays(
        self, server: Server, own: Mapping[str, int], left: Mapping[str, int]
    ) -> None:
        one, other = deploy(server, "one"), deploy(server, "other")
        self.share(server, one, other)
        send(server, "PATCH", one, global_concurrency_limit_id=None, **own)
        found = {"own" if name.startswith("deployment:") else name: slots for name, slots in server.limits().items()}
        assert found == left
        assert read(server, other)["global_concurrency_limit"]["name"] == "softland"

    def test_an_own_one_left_from_before_is_in_the_way_until_it_is_deleted(self, server: Server) -> None:
        path = deploy(server, concurrency_limit=3)
        self.share(server, path)
        assert server.limits().keys() == {"softland", f"deployment:{path.rpartition('/')[2]}"}
        again = {"global_concurrency_limit_id": None, "concurrency_limit": 5}
        assert refused(server, "PATCH", path, **again) == 409
        send(server, "DELETE", f"/v2/concurrency_limits/deployment%3A{path.rpartition('/')[2]}")
        send(server, "PATCH", path, **again)
        assert read(server, path)["global_concurrency_limit"]["limit"] == 5

    def test_one_that_is_not_there_is_not_found(self, server: Server) -> None:
        assert refused(server, "DELETE", f"/v2/concurrency_limits/deployment%3A{NOBODY}") == 404


class TestWorkPools:
    def make(self, server: Server, name: str = "p", **body: Any) -> str:
        send(server, "POST", "/work_pools/", **{"name": name, "type": "process", **body})
        return f"/work_pools/{name}"

    def read(self, server: Server, name: str = "p") -> Mapping[str, Any]:
        return next(row for row in server.read().pools if row["name"] == name)

    def test_one_without_a_template_has_an_empty_one(self, server: Server) -> None:
        self.make(server)
        assert self.read(server)["base_job_template"] == {}

    def test_a_template_is_kept_to_the_letter(self, server: Server) -> None:
        self.make(server, base_job_template=a.TEMPLATE)
        assert self.read(server)["base_job_template"] == a.TEMPLATE

    def test_half_a_template_is_refused_and_null_breaks_the_server(self, server: Server) -> None:
        path = self.make(server)
        assert refused(server, "PATCH", path, base_job_template={"variables": {"properties": {}}}) == 422
        assert refused(server, "PATCH", path, base_job_template=None) == 500

    def test_a_name_is_taken_once(self, server: Server) -> None:
        self.make(server)
        assert refused(server, "POST", "/work_pools/", name="p", type="process") == 409

    def test_names_that_begin_with_prefect_are_kept_for_prefect(self, server: Server) -> None:
        assert refused(server, "POST", "/work_pools/", name="Prefect-x", type="process") == 403

    @pytest.mark.parametrize("name", ["name", "type"])
    def test_name_and_type_cannot_change(self, server: Server, name: str) -> None:
        assert refused(server, "PATCH", self.make(server), **{name: "x"}) == 422

    def test_only_what_is_sent_changes(self, server: Server) -> None:
        path = self.make(server, description="x", concurrency_limit=2)
        send(server, "PATCH", path, concurrency_limit=None)
        row = self.read(server)
        assert (row["description"], row["concurrency_limit"]) == ("x", None)

    def test_each_has_a_queue_named_default(self, server: Server) -> None:
        self.make(server)
        assert queues(server) == {"default": 1}

    def test_an_unknown_one_is_not_found(self, server: Server) -> None:
        assert refused(server, "PATCH", "/work_pools/nonesuch", description="x") == 404
        assert refused(server, "POST", "/work_pools/nonesuch/queues", name="q") == 404
        assert refused(server, "PATCH", f"{self.make(server)}/queues/nonesuch", priority=1) == 404

    def test_a_queue_without_a_number_gets_the_first_that_is_free(self, server: Server) -> None:
        path = self.make(server)
        send(server, "POST", f"{path}/queues", name="c", priority=3)
        send(server, "POST", f"{path}/queues", name="b")
        assert queues(server) == {"default": 1, "b": 2, "c": 3}

    def test_a_queue_is_made_once(self, server: Server) -> None:
        assert refused(server, "POST", f"{self.make(server)}/queues", name="default") == 409

    @pytest.mark.parametrize(
        "moves",
        [
            [("default", 2)], [("a", 1)], [("c", 1)], [("c", 2)], [("default", 3)], [("default", 9)],
            [("b", 1), ("c", 1)], [("default", 7), ("a", 7)], [("a", 5), ("b", 6), ("default", 5)],
        ],
    )  # fmt: skip
    def test_a_queues_number_pushes_the_others_as_was_reckoned(
        self, server: Server, moves: list[tuple[str, int]]
    ) -> None:
        path = self.make(server)
        for number, queue in enumerate("abc", start=2):
            send(server, "POST", f"{path}/queues", name=queue, priority=number)
        expected = queues(server)
        for queue, number in moves:
            send(server, "PATCH", f"{path}/queues/{queue}", priority=number)
            expected = renumbered(expected, queue, number)
            assert queues(server) == expected

    def test_what_is_not_sent_of_a_queue_stays(self, server: Server) -> None:
        path = self.make(server)
        send(server, "POST", f"{path}/queues", name="q", priority=5, concurrency_limit=2, description="x")
        send(server, "PATCH", f"{path}/queues/q", description="y")
        row = next(row for row in server.read().queues if row["name"] == "q")
        assert (row["priority"], row["concurrency_limit"], row["description"]) == (5, 2, "y")

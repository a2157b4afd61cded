"""Automations: what Prefect's server makes of them, and what an apply makes of that.

Each test is asked of the fake gateway and of a real server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import builders as a
import pytest
from roundtrips import Server, apply_all, carry_out

from reconcile.automations import automation_from, is_second, said_name
from reconcile.commands.secret_values import create_secret
from reconcile.errors import ServerAnswerError
from reconcile.model import Automation, Secret, State, WorkQueue
from reconcile.observed import observed
from reconcile.wire import Request

UNO, DOS = "basic-flow/uno", "basic-flow/dos"
BLOCK = Secret(name="avisos", block_type="slack-webhook")
NOTHING = [{"type": "do-nothing"}]
FAILED: Mapping[str, Any] = {"type": "event", "posture": "Reactive", "expect": ["prefect.flow-run.Failed"]}

EVENTS: Mapping[str, Mapping[str, Any]] = {
    "the least": {"type": "event", "posture": "Reactive"},
    "one deployment": {**FAILED, "for_deployment": UNO},
    "several, twice": {**FAILED, "for_deployment": [DOS, UNO, DOS], "threshold": 3, "within": "90s"},
    "a deployment itself": {"type": "event", "posture": "Reactive", "expect": ["prefect.deployment.not-ready"],
                            "for_deployment": [UNO, DOS]},
    "labels in any order": {**FAILED, "expect": ["b", "a", "b"], "after": ["d", "c"], "for_each": ["y", "x"],
                            "match": {"prefect.resource.id": ["prefect.flow-run.*"], "prefect.state-type": "FAILED"},
                            "match_related": {"prefect.resource.role": "tag", "prefect.resource.id": ["b", "a"]}},
    "several sets of labels": {**FAILED, "for_deployment": UNO, "match_related": [
        {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.x"}, {"prefect.resource.role": "flow"}]},
    "named by their resources": {**FAILED, "match_related": {"prefect.resource.id": [
        f"prefect.deployment.{UNO}", "prefect.work-pool.compras-prod", "prefect.work-queue.compras-prod/urgente"]}},
    "not these": {**FAILED, "match_related": {"prefect.resource.id": f"!prefect.deployment.{UNO}"}},
    "proactive": {**FAILED, "posture": "Proactive"},
    "proactive for long": {**FAILED, "posture": "Proactive", "within": "2d", "for_each": ["prefect.resource.id"]},
}  # fmt: skip
DEEP: Mapping[str, Any] = {
    "type": "compound",
    "require": "any",
    "triggers": [
        EVENTS["proactive"],
        {"type": "sequence", "triggers": [FAILED, EVENTS["one deployment"]], "within": 5},
    ],
}
TRIGGERS: Mapping[str, Mapping[str, Any]] = {
    **EVENTS,
    **{f"compound of {require}": {**DEEP, "require": require, "within": "1h"} for require in ("any", "all", 1, 2)},
    "compound without a time": DEEP,
    "sequence": {"type": "sequence", "within": 60, "triggers": [FAILED, DEEP]},
}

ACTIONS: tuple[Mapping[str, Any], ...] = (
    {"type": "do-nothing"},
    {"type": "run-deployment", "deployment": UNO},
    {"type": "run-deployment", "deployment": DOS, "schedule_after": "15m", "job_variables": {"env": {"A": "b"}},
     "parameters": {"message": "{{ flow_run.name }}", "deployment": "no es un nombre", "n": 1, "nada": None}},
    {"type": "run-deployment", "source": "inferred"},
    *({"type": f"{verb}-{thing}", field: name} for verb in ("pause", "resume") for thing, field, name in (
        ("deployment", "deployment", UNO),
        ("work-pool", "work_pool", "compras-prod"),
        ("work-queue", "work_queue", "compras-prod/urgente"),
        ("work-queue", "work_queue", "compras-prod/default"),
        ("automation", "automation", "otra"),
    )),
    *({"type": f"{verb}-{thing}", "source": "inferred"} for verb in ("pause", "resume")
      for thing in ("deployment", "work-pool", "work-queue", "automation")),
    {"type": "cancel-flow-run"},
    {"type": "suspend-flow-run"},
    {"type": "resume-flow-run"},
    {"type": "delete-flow-run"},
    {"type": "change-flow-run-state", "state": "FAILED"},
    {"type": "change-flow-run-state", "state": "CANCELLED", "name": "Ñ", "message": "basta", "force": True},
    {"type": "send-notification", "block": BLOCK.block, "body": "{{ flow_run|ui_url }} ñ"},
    {"type": "send-notification", "block": BLOCK.block, "subject": "", "body": ""},
    {"type": "call-webhook", "block": BLOCK.block},
    {"type": "call-webhook", "block": BLOCK.block, "payload": {"b": [1, {"ñ": None}], "a": "{{ event.id }}"}},
    {"type": "call-webhook", "block": BLOCK.block, "payload": '{{ flow_run.name }}, {"a":  1}'},
)  # fmt: skip


def made(name: str, **said: Any) -> Automation:
    """An automation as a file declares it."""
    return automation_from(name, {"trigger": FAILED, "actions": NOTHING, **said}, a.MARK)


def named(*automations: Automation) -> State:
    """What they name, and they. `otra` names nothing."""
    pool = a.pool(queues=(WorkQueue(name="urgente", priority=1),))
    return a.state(pool, a.deployment("uno"), a.deployment("dos"), made("otra"), *automations)


@pytest.fixture
def supplied(server: Server) -> Server:
    """The server, with the block that sends."""
    server.write(create_secret(server, BLOCK, "https://avisos.example/correcthorse"))
    return server


def test_what_is_applied_stands_and_is_not_applied_again(supplied: Server) -> None:
    """Every trigger, and every action in each of the lists, in one apply with what they name, and then changed."""
    triggers = [made(f"trigger {name}", trigger=trigger) for name, trigger in TRIGGERS.items()]
    actions = [
        made(f"action {number}", **{room: [action], **({} if room == "actions" else {"actions": NOTHING})})
        for number, action in enumerate(ACTIONS)
        for room in (("actions", "actions_on_trigger", "actions_on_resolve")[number % 3],)
    ]
    every = made("todas", actions=list(ACTIONS), description="ñ", tags=["b", "a"], enabled=False)
    desired = named(*triggers, *actions, every)
    apply_all(desired, supplied)
    assert observed(supplied.read()).automations.keys() == desired.automations.keys()
    sent = len(supplied.requests)
    apply_all(desired, supplied)
    assert len(supplied.requests) == sent
    last = replace(every, trigger=triggers[-1].trigger, actions=every.actions[::-1], tags=("a", "b"), enabled=True)
    apply_all(named(*triggers, *actions, last), supplied)
    assert [request.method for request in supplied.requests[sent:]] == ["PUT"], "nothing else differs"


def test_the_same_in_other_words_is_no_difference(supplied: Server) -> None:
    one = made(
        "a", trigger={**FAILED, "for_deployment": [UNO]}, actions=[{"type": "pause-deployment", "deployment": UNO}]
    )
    apply_all(named(one), supplied)
    sent = len(supplied.requests)
    words = {
        "match_related": {"prefect.resource.role": ["deployment"], "prefect.resource.id": f"prefect.deployment.{UNO}"},
        "threshold": 1,
        "within": 0,
        "after": [],
    }
    said = {"trigger": {**FAILED, **words}, "description": "", "actions_on_resolve": None}
    action = {"type": "pause-deployment", "deployment": UNO, "source": "selected"}
    apply_all(named(made("a", **said, actions=[action])), supplied)
    assert len(supplied.requests) == sent


def test_one_that_names_itself_is_made_and_not_written_again(server: Server) -> None:
    desired = named(made("una vez", actions=[{"type": "pause-automation", "automation": "una vez"}, *NOTHING]))
    apply_all(desired, server)
    row = next(row for row in server.read().automations if row["name"] == "una vez")
    assert row["enabled"] is True
    assert [action.get("automation_id") for action in row["actions"]] == [row["id"], None]


def test_one_that_names_another_comes_after_it_by_whatever_name(server: Server) -> None:
    names = ("a", "b", "c")
    pausing = {one: [{"type": "pause-automation", "automation": other}] for one, other in (("a", "b"), ("b", "c"))}
    apply_all(named(*(made(name, actions=pausing.get(name, NOTHING)) for name in names)), server)


def test_a_second_of_one_name_is_taken_and_changed_under_its_name(server: Server) -> None:
    """As after a create whose answer was lost: the oldest goes by the name, the other by its id too."""
    desired = named(made("doble"))
    apply_all(desired, server)
    [first] = (row for row in server.read().automations if row["name"] == "doble")
    body = {key: first[key] for key in ("name", "trigger", "actions", "tags")}
    second = server.write(Request(method="POST", path="/automations/", body=body))
    state = observed(server.read())
    assert state.automations["doble"].id == first["id"]
    [other] = (one for one in state.automations.values() if is_second(one))
    assert (other.id, said_name(other)) == (second["id"], "doble")

    off = replace(other, enabled=False)
    found, standing = a.compared(replace(desired, automations={**desired.automations, off.name: off}), server.read())
    carry_out(found, standing, server)

    rows = {row["id"]: row for row in server.read().automations if row["name"] == "doble"}
    assert {key: row["enabled"] for key, row in rows.items()} == {first["id"]: True, second["id"]: False}


def test_every_write_gives_its_trigger_another_id(server: Server) -> None:
    apply_all(named(), server)
    before = server.read().automations[0]
    apply_all(named(made("otra", description="nueva")), server)
    after = server.read().automations[0]
    assert before["id"] == after["id"]
    assert before["trigger"]["id"] != after["trigger"]["id"]


@pytest.mark.parametrize(
    ("trigger", "actions"),
    [
        ({"type": "metric", "posture": "Metric", "metric": {"name": "successes", "operator": "<", "threshold": 1}}, NOTHING),
        ({**FAILED, "posture": "Proactive", "within": 9}, NOTHING),
        ({"type": "compound", "require": 2, "triggers": [FAILED], "within": 1}, NOTHING),
        (FAILED, [{"type": "declare-incident"}]),
        (FAILED, [{"type": "pause-deployment"}]),
    ],
    ids=["metric", "too short", "more than there are", "incident", "which deployment"],
)  # fmt: skip
def test_what_no_file_can_declare_is_refused(server: Server, trigger: Any, actions: Any) -> None:
    body = {"name": "a", "trigger": trigger, "actions": actions}
    with pytest.raises(ServerAnswerError) as caught:
        server.write(Request(method="POST", path="/automations/", body=body))
    assert caught.value.status == 422

"""Variables, secrets and concurrency limits: what Prefect's server does with them, and what an apply makes of that.

Each test is asked of the fake gateway and of a real server.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import builders as a
import pytest
from roundtrips import Server, apply_all

from reconcile.apply import apply
from reconcile.commands.secret_values import create_secret, rotate_secret
from reconcile.errors import ServerAnswerError
from reconcile.model import ConcurrencyLimit, Deployment, Secret, State
from reconcile.observed import observed
from reconcile.plan import Action, Status
from reconcile.wire import Request

VALUES: tuple[Any, ...] = (
    "srv-sql", "", "ñandú", 0, 1.5, 1e20, True, None, [], {}, {"a": [1, {"b": None}]}, 2**63 - 1, "{{ x }}", "null",
)  # fmt: skip


def send(server: Server, method: str, path: str, /, **body: Any) -> Mapping[str, Any]:
    return server.write(Request(method=method, path=path, body=body))


def refused(server: Server, method: str, path: str, /, **body: Any) -> int:
    with pytest.raises(ServerAnswerError) as caught:
        send(server, method, path, **body)
    return caught.value.status


def variable(server: Server, name: str = "v") -> Mapping[str, Any]:
    return next(row for row in server.read().variables if row["name"] == name)


class TestVariables:
    @pytest.mark.parametrize("value", VALUES, ids=repr)
    def test_any_value_of_json_is_kept(self, server: Server, value: Any) -> None:
        made = send(server, "POST", "/variables/", name="v", value=value, tags=["b", "a", "b"])
        assert (variable(server)["value"], variable(server)["tags"]) == (value, ["b", "a", "b"])
        send(server, "PATCH", f"/variables/{made['id']}", value="x")
        assert (variable(server)["value"], variable(server)["tags"]) == ("x", ["b", "a", "b"])
        send(server, "PATCH", f"/variables/{made['id']}", tags=[])
        assert (variable(server)["value"], variable(server)["tags"]) == ("x", [])

    @pytest.mark.parametrize(
        ("value", "taken"),
        [("x" * 4998, True), ("x" * 4999, False), ("ñ" * 2499, True), ("ñ" * 2500, False), (["x" * 4995, 1], False)],
        ids=["text", "longer", "two bytes a letter", "longer in bytes", "a list"],
    )
    def test_a_value_has_five_thousand_bytes_as_json(self, server: Server, value: Any, taken: bool) -> None:
        if taken:
            send(server, "POST", "/variables/", name="v", value=value)
        else:
            assert refused(server, "POST", "/variables/", name="v", value=value) == 422

    @pytest.mark.parametrize("name", ["Mayúscula", "con espacio", "a.b", "a/b"])
    def test_names_have_small_letters(self, server: Server, name: str) -> None:
        assert refused(server, "POST", "/variables/", name=name, value=1) == 422

    def test_a_name_is_taken_once_and_tags_are_never_null(self, server: Server) -> None:
        made = send(server, "POST", "/variables/", name="v", value=1)
        assert refused(server, "POST", "/variables/", name="v", value=1) == 409
        assert refused(server, "PATCH", f"/variables/{made['id']}", tags=None) == 409

    def test_what_is_applied_stands_and_is_not_applied_again(self, server: Server) -> None:
        before = a.state(*(a.variable(f"v{number}", value) for number, value in enumerate(VALUES)))
        apply_all(before, server)
        after = a.state(
            *(a.variable(f"v{number}", [value], tags=("sql",)) for number, value in enumerate(VALUES)),
            a.variable("uno", 1.0),
        )
        apply_all(after, server)
        sent = len(server.requests)
        apply_all(replace(after, variables={**after.variables, "uno": a.variable("uno", 1)}), server)
        assert len(server.requests) == sent, "1 and 1.0 are the same"


class TestLimits:
    def make(self, server: Server, name: str = "softland", limit: int = 2) -> str:
        return str(send(server, "POST", "/v2/concurrency_limits/", name=name, limit=limit)["id"])

    def row(self, server: Server, name: str) -> Mapping[str, Any]:
        return next(row for row in server.read().deployments if row["name"] == name)

    def linked(self, server: Server, name: str) -> tuple[str, int] | None:
        found = self.row(server, name)["global_concurrency_limit"]
        return None if found is None else (found["name"], found["limit"])

    def deploy(self, server: Server, name: str = "d", **body: Any) -> str:
        flow = send(server, "POST", "/flows/", name="f")
        return str(send(server, "POST", "/deployments/", name=name, flow_id=flow["id"], **body)["id"])

    def test_a_name_is_taken_once(self, server: Server) -> None:
        self.make(server)
        assert refused(server, "POST", "/v2/concurrency_limits/", name="softland", limit=3) == 409

    def test_only_what_is_sent_changes(self, server: Server) -> None:
        made = self.make(server, limit=0)
        send(server, "PATCH", f"/v2/concurrency_limits/{made}", slot_decay_per_second=0.5)
        row = next(row for row in server.read().limits if row["name"] == "softland")
        assert (row["limit"], row["slot_decay_per_second"]) == (0, 0.5)

    def test_deleting_a_deployments_own_limit_only_unlinks_it(self, server: Server) -> None:
        made = self.deploy(server, concurrency_limit=4)
        send(server, "DELETE", f"/v2/concurrency_limits/deployment:{made}")
        assert self.linked(server, "d") is None
        assert server.limits() == {}

    def test_another_that_is_linked_leaves_the_own_one_behind(self, server: Server) -> None:
        shared, made = self.make(server), self.deploy(server, concurrency_limit=4)
        send(server, "PATCH", f"/deployments/{made}", global_concurrency_limit_id=shared)
        assert self.linked(server, "d") == ("softland", 2)
        assert server.limits() == {"softland": 2, f"deployment:{made}": 4}

    def test_one_shared_limit_for_another_leaves_both(self, server: Server) -> None:
        one, other = self.make(server), self.make(server, "otro", 5)
        made = self.deploy(server, global_concurrency_limit_id=one)
        send(server, "PATCH", f"/deployments/{made}", global_concurrency_limit_id=other)
        assert self.linked(server, "d") == ("otro", 5)
        assert server.limits() == {"softland": 2, "otro": 5}

    def test_options_alone_leave_the_link(self, server: Server) -> None:
        made = self.deploy(server, global_concurrency_limit_id=self.make(server))
        send(server, "PATCH", f"/deployments/{made}", concurrency_options={"collision_strategy": "CANCEL_NEW"})
        assert self.linked(server, "d") == ("softland", 2)
        assert self.row(server, "d")["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"


SHARED = ConcurrencyLimit(limit=2, shared="softland", collision_strategy="CANCEL_NEW", grace_period_seconds=120)
OTHER = ConcurrencyLimit(limit=5, shared="otro")
OWN = ConcurrencyLimit(limit=3)
LIMITS: dict[str, ConcurrencyLimit | None] = {"none": None, "shared": SHARED, "other": OTHER, "own": OWN}


TELLING: Final = {
    ("none", "shared"), ("shared", "other"), ("shared", "own"), ("own", "shared"), ("own", "none"), ("other", "none"),
}  # fmt: skip
"""What the short form takes: each way in, over and out."""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(*pair, marks=() if pair in TELLING else pytest.mark.long)
        for pair in itertools.product(LIMITS, LIMITS)
    ],
)
def test_a_deployment_goes_from_any_limit_to_any_other_and_nobody_else_loses_one(
    server: Server, before: str, after: str
) -> None:
    """A second deployment shares the limit all along, and a third has one of its own."""
    rest = (
        a.limit("softland", 2), a.limit("otro", 5),
        a.deployment("vecino", concurrency_limit=SHARED), a.deployment("propio", concurrency_limit=OWN),
    )  # fmt: skip
    for name in (before, after):
        apply_all(a.state(*rest, a.deployment("mudado", concurrency_limit=LIMITS[name])), server)
    links = {
        row["name"]: None if (limit := row["global_concurrency_limit"]) is None else limit["name"].partition(":")[0]
        for row in server.read().deployments
    }
    shown = {"none": None, "shared": "softland", "other": "otro", "own": "deployment"}
    assert links == {"vecino": "softland", "propio": "deployment", "mudado": shown[after]}
    named = {name: limit for name, limit in server.limits().items() if not name.startswith("deployment:")}
    assert named == {"softland": 2, "otro": 5}
    own = [name for name in server.limits() if name.startswith("deployment:")]
    assert len(own) == (2 if after == "own" else 1), "no own limit is left behind"


def test_a_deployment_that_goes_leaves_its_shared_limit_to_the_others(server: Server) -> None:
    both = a.state(a.limit(), *(a.deployment(name, concurrency_limit=SHARED) for name in ("uno", "dos")))
    apply_all(both, server)
    found, standing = a.compared(both, server.read())
    gone = standing.deployments["basic-flow/uno"]
    plan = a.plan_of(found)
    plan = replace(plan, changes=(a.deletion(gone),))
    assert [one.status for one in apply(plan, server, flows={}, commit=a.COMMIT)] == [Status.DONE]
    assert server.limits() == {"softland": 2}
    [left] = server.read().deployments
    assert left["global_concurrency_limit"]["name"] == "softland"


def test_a_limit_that_cannot_be_made_is_waited_for_by_nobody(server: Server) -> None:
    bad = a.limit("con/barra")
    shares = ConcurrencyLimit(limit=2, shared="con/barra")
    desired = a.state(bad, a.deployment("la usa", concurrency_limit=shares), a.deployment("no la usa"))
    found, standing = a.compared(desired, server.read())
    outcomes = list(apply(a.plan_of(found), server, flows=standing.flows, commit=a.COMMIT))
    told = {str(one.key): (one.status, one.error) for one in outcomes}
    assert told["con/barra"][0] is Status.FAILED
    assert told["basic-flow/la usa"] == (Status.SKIPPED, "its concurrency limit con/barra could not be made")
    assert told["basic-flow/no la usa"][0] is Status.DONE


class TestSecrets:
    @pytest.mark.parametrize("kind", ["secret", "github-credentials"])
    def test_one_is_made_and_rotated_and_its_value_is_not_read(self, server: Server, kind: str) -> None:
        secret = Secret(name="clave", block_type=kind, from_env="CLAVE")
        server.write(create_secret(server, secret, "correcthorse ñ"))
        assert server.secret(secret.block) == "correcthorse ñ"
        standing = observed(server.read()).secrets[secret.block]
        assert (standing.name, standing.block_type) == ("clave", kind)
        server.write(rotate_secret(standing, "batterystaple"))
        assert server.secret(secret.block) == "batterystaple"
        assert observed(server.read()).secrets[secret.block].id == standing.id
        assert "horse" not in repr(server.read())
        assert "batterystaple" not in repr(server.read())

    def test_a_second_of_one_name_is_refused(self, server: Server) -> None:
        secret = Secret(name="clave")
        server.write(create_secret(server, secret, "uno"))
        with pytest.raises(ServerAnswerError) as caught:
            server.write(create_secret(server, secret, "dos"))
        assert caught.value.status == 409

    def test_what_is_refused_is_not_repeated(self, server: Server) -> None:
        secret = Secret(name="Con_Mayúscula")
        with pytest.raises(ServerAnswerError) as caught:
            server.write(create_secret(server, secret, "correcthorse"))
        assert caught.value.status == 422
        assert "correcthorse" not in f"{caught.value.message} {caught.value.hint}"

    def test_an_apply_makes_what_is_missing_and_leaves_what_stands(self, server: Server) -> None:
        desired = a.state(Secret(name="clave", from_env="CLAVE"))
        for value in ("uno", "dos"):
            found, standing = a.compared(desired, server.read(), set_here={"CLAVE"})
            assert [change.action for change in found.changes if change.key.kind == "secret"] == (
                [Action.CREATE] if value == "uno" else []
            )
            plan, ids, request = a.plan_of(found), standing.ids(), partial(create_secret, server, value=value)
            outcomes = list(apply(plan, server, flows=standing.flows, commit=a.COMMIT, ids=ids, secret=request))
            assert {one.status for one in outcomes} <= {Status.DONE}
            assert server.secret("secret/clave") == "uno"


def test_states_of_all_kinds_are_reached_and_kept(server: Server) -> None:
    """What is read of a server is what was written to it."""
    desired = a.state(a.variable(), a.limit(), a.deployment(concurrency_limit=SHARED))
    apply_all(desired, server)
    standing: State = observed(server.read())
    assert standing.variables == desired.variables
    assert standing.limits == desired.limits
    found: Deployment = standing.deployments["basic-flow/Despliegue básico"]
    assert found.concurrency_limit == SHARED

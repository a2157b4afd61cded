"""Variables, secrets, limits: declarations that meet, what is selected, what is named, what ends soon, what is not shown."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import builders as a
import pytest
from fake_gateway import FakeGateway
from small import copy_small

from reconcile.apply import apply
from reconcile.commands.options import Filter, filter_of
from reconcile.commands.saved import digest_of
from reconcile.commands.secret_values import create_secret
from reconcile.commands.session import read_files
from reconcile.commands.taking import with_besides
from reconcile.commands.uses import missing_warnings, users_of
from reconcile.desired.besides import Besides, besides
from reconcile.diff import difference
from reconcile.model import EVERYWHERE, Kind, Mark, ResourceKey, Secret, State
from reconcile.observed import observed
from reconcile.plan import Action, Status
from reconcile.policy import expiry_warnings
from reconcile.references import references_in
from reconcile.render.json import plan_document
from reconcile.render.text import plan_lines
from reconcile.requirements import touched
from reconcile.wire import Request, Snapshot

TODAY = date(2026, 11, 23)
FILES = {
    "deployments/shared.yaml": "de_todos",
    "deployments/compras/shared.yaml": "de_compras",
    "deployments/compras/prod.yaml": "de_compras_prod",
    "deployments/compras/dev.yaml": "de_compras_dev",
    "deployments/ventas/prod.yaml": "de_ventas_prod",
}


def declared(root: Path, more: dict[str, str] | None = None) -> Besides:
    """The small repository with a variable in every file that can have one, and with more."""
    copy_small(root)
    for name, variable in FILES.items():
        text = f"\nvariables:\n  {variable}: {{value: 1}}\n{(more or {}).get(name, '')}"
        with (root / name).open("a", encoding="utf-8") as file:
            file.write(text)
    return besides(read_files(root).repository)


def names(found: Collection[ResourceKey]) -> set[str]:
    return {key.name for key in found}


def chosen(root: Path, **said: Any) -> Filter:
    options = {"env": [], "area": [], "only": [], **said}
    return filter_of(Namespace(**options), read_files(root).repository)


class TestDeclarations:
    def test_marks_say_which_files_declare_it(self, tmp_path: Path) -> None:
        found = declared(tmp_path / "r").for_environments({"dev", "prod"})
        marks = {key.name: one.resource.mark for key, one in found.items() if hasattr(one.resource, "mark")}
        assert marks == {
            "de_todos": Mark(project="small", area=EVERYWHERE, environment=EVERYWHERE),
            "de_compras": Mark(project="small", area="compras", environment=EVERYWHERE),
            "de_compras_prod": Mark(project="small", area="compras", environment="prod"),
            "de_compras_dev": Mark(project="small", area="compras", environment="dev"),
            "de_ventas_prod": Mark(project="small", area="ventas", environment="prod"),
        }

    def test_a_mark_reads_back(self) -> None:
        mark = Mark(project="small", area=EVERYWHERE, environment=EVERYWHERE)
        assert Mark.parse(mark.tag) == mark

    @pytest.mark.parametrize(
        ("environments", "mark"),
        [({"prod"}, (EVERYWHERE, "prod")), ({"dev", "prod"}, (EVERYWHERE, EVERYWHERE)), ({"dev"}, ("compras", "dev"))],
    )
    def test_several_that_say_the_same_are_one_for_all_of_them(
        self, environments: set[str], mark: tuple[str, str], tmp_path: Path
    ) -> None:
        same = dict.fromkeys(list(FILES)[2:], "  doble: {value: {a: 1.0, b: null}}\n")
        same["deployments/compras/dev.yaml"] = "  doble: {value: {b: null, a: 1}, tags: null}\n"
        found = declared(tmp_path / "r", same)
        assert found.problems == ()
        one = found.for_environments(environments)[ResourceKey(kind=Kind.VARIABLE, name="doble")]
        assert (one.area, one.environment) == mark

    @pytest.mark.parametrize("kind", ["list", "null"])
    def test_what_is_not_said_is_not_missed(self, kind: str, tmp_path: Path) -> None:
        """Every key may be null, as everywhere."""
        root = copy_small(tmp_path / "r")
        text = (root / "deployments/shared.yaml").read_text(encoding="utf-8")
        rooms = ("variables", "secrets", "concurrency_limits", "automations")
        said = "".join(f"{room}:{' {}' if kind == 'list' else ''}\n" for room in rooms)
        (root / "deployments/shared.yaml").write_text(text + said, encoding="utf-8")
        files = read_files(root)
        assert (files.problems, besides(files.repository).declared) == ((), ())


class TestSelection:
    @pytest.mark.parametrize(
        ("said", "taken"),
        [
            ({}, set(FILES.values())),
            ({"env": ["prod"]}, {"de_todos", "de_compras", "de_compras_prod", "de_ventas_prod"}),
            ({"area": ["compras"]}, {"de_compras", "de_compras_prod", "de_compras_dev"}),
            ({"area": ["compras"], "env": ["dev"]}, {"de_compras", "de_compras_dev"}),
            ({"area": ["ventas"]}, {"de_ventas_prod"}),
            ({"only": ["Saludo"]}, set()),
        ],
        ids=["all", "prod", "compras", "compras-dev", "ventas", "one deployment"],
    )
    def test_files_are_taken_whole(self, said: dict[str, list[str]], taken: set[str], tmp_path: Path) -> None:
        found = declared(tmp_path / "r")
        here = found.for_environments({"dev", "prod"}).values()
        assert with_besides(State(), here, chosen(tmp_path / "r", **said)).variables.keys() == taken

    @pytest.mark.parametrize(
        "naming",
        [
            {"parameters": {"message": ["{{prefect.variables.de_todos}}"]}},
            {"job_variables": {"env": {"X": "a {{ prefect.variables.de_todos }} b"}}},
            {"pull_steps": ({"prefect.deployments.steps.git_clone": {"branch": "{{ prefect.variables.de_todos }}"}},)},
        ],
        ids=str,
    )
    def test_what_a_selected_deployment_names_comes_along(self, naming: dict[str, Any], tmp_path: Path) -> None:
        here = declared(tmp_path / "r").for_environments({"prod"}).values()
        state = a.state(a.deployment("Saludo", **naming))
        assert with_besides(state, here, chosen(tmp_path / "r", only=["Saludo"])).variables.keys() == {"de_todos"}

    @pytest.mark.parametrize(
        ("said", "mark", "covered"),
        [
            ({}, (EVERYWHERE, EVERYWHERE), True),
            ({"env": ["prod"]}, (EVERYWHERE, EVERYWHERE), True),
            ({"area": ["compras"]}, (EVERYWHERE, EVERYWHERE), False),
            ({"area": ["compras"]}, ("compras", EVERYWHERE), True),
            ({"area": ["ventas"]}, ("compras", EVERYWHERE), False),
            ({"env": ["prod"]}, ("compras", "dev"), False),
            ({}, ("compras", "de-antes"), True),
            ({"env": ["prod"]}, ("compras", "de-antes"), False),
            ({"only": ["*"]}, ("compras", "prod"), False),
        ],
        ids=str,
    )
    def test_what_nobody_declares_is_an_orphan_within_the_selection_only(
        self, said: dict[str, list[str]], mark: tuple[str, str], covered: bool, tmp_path: Path
    ) -> None:
        copy_small(tmp_path / "r")
        filter_ = chosen(tmp_path / "r", **said)
        mark_ = Mark(project="small", area=mark[0], environment=mark[1])
        one = a.variable(mark=mark_)
        assert filter_.covers(mark_, one, frozenset({"dev", "prod"})) is covered


class TestReferences:
    def test_names_are_found_wherever_they_stand(self) -> None:
        value = {
            "a": [
                "{{ prefect.variables.uno }} y {{prefect.variables.dos-3}}",
                {"b": "{{ prefect.blocks.secret.tres }}"},
            ],
            "c": "{{ prefect.blocks.github-credentials.cuatro.token }} {{ prefect.blocks.json.cinco.value.x[0] }}",
            "d": "{{ otra.cosa }} {{ $ENV }} {{ prefect.variables }} {prefect.variables.no}",
        }
        found = [(reference.name, reference.at) for reference in references_in(value)]
        assert found == [
            ("uno", ("a", 0)),
            ("dos-3", ("a", 0)),
            ("secret/tres", ("a", 1, "b")),
            ("github-credentials/cuatro", ("c",)),
            ("json/cinco", ("c",)),
        ]

    def test_users_are_deployments_pools_and_those_of_limits(self) -> None:
        block = {"env": {"X": "{{ prefect.blocks.secret.x }}"}}
        state = a.state(a.pool(job_defaults=block), a.deployment("uno", job_variables=block, pull_steps=a.GIT_PULL))
        users = {str(key): who for key, who in users_of(state).items()}
        assert users == {
            "secret/x": ("basic-flow/uno", "compras-prod"),
            "secret/desarrollos-electra-access-token": ("basic-flow/uno",),
        }

    def test_what_is_missing_is_told_once_with_all_who_name_it(self) -> None:
        value = {"message": "{{ prefect.variables.sql_sever }}"}
        state = a.state(*(a.deployment(f"d{number}", parameters=value) for number in range(4)))
        [notice] = missing_warnings(state, a.state(a.variable("sql_server")))
        assert notice.code == "variable-missing"
        assert "basic-flow/d0, basic-flow/d1 and 2 more" in notice.message
        assert "Did you mean 'sql_server'?" in notice.message
        assert list(missing_warnings(state, a.state(a.variable("sql_sever")))) == []
        made = replace(state, variables={"sql_sever": a.variable("sql_sever")})
        assert list(missing_warnings(made, State())) == []


class TestSecrets:
    @pytest.mark.parametrize(
        ("days", "code", "words"),
        [
            (31, None, ""), (30, "secret-expires", "in 30 days"), (1, "secret-expires", "tomorrow"),
            (0, "secret-expires", "today"), (-1, "secret-expired", "expired on 2026-11-22"), (-400, "secret-expired", ""),
        ],
    )  # fmt: skip
    def test_the_end_is_told_from_thirty_days_before(self, days: int, code: str | None, words: str) -> None:
        secret = Secret(name="clave", expires=str(TODAY + timedelta(days=days)))
        found = list(expiry_warnings([secret], TODAY))
        assert [one.code for one in found] == ([code] if code else [])
        assert all(words in one.message for one in found)

    def test_the_value_is_in_nothing_but_its_request(self) -> None:
        server, secret = FakeGateway(), Secret(name="clave", from_env="CLAVE")
        found, standing = a.compared(a.state(secret), server.read(), set_here={"CLAVE"})
        plan = a.plan_of(found)

        def request(one: Secret) -> Request:
            return create_secret(server, one, "correcthorse")

        outcomes = list(apply(plan, server, flows=standing.flows, commit=a.COMMIT, secret=request))
        assert server.secret("secret/clave") == "correcthorse"
        told = [json.dumps(plan_document(plan)), *(line.text for line in plan_lines(plan)), repr(plan), repr(outcomes)]
        assert "correcthorse" not in "".join([*told, digest_of(plan), repr(observed(server.read()))])
        assert [one.status for one in outcomes if one.key.kind is Kind.SECRET] == [Status.DONE]

    def test_without_its_value_nothing_is_made(self) -> None:
        server, secret = FakeGateway(), Secret(name="clave", from_env="CLAVE")
        found, _ = a.compared(a.state(secret), server.read())
        assert [notice.code for notice in found.refusals] == ["secret-not-set"]
        found, _ = a.compared(a.state(secret), server.read(), set_here={"CLAVE"})
        outcomes = {one.key.kind: one for one in apply(a.plan_of(found), server, flows={}, commit=a.COMMIT)}
        assert outcomes[Kind.SECRET].status is Status.FAILED
        assert server.read().blocks == ()

    def test_an_equal_name_of_another_type_is_another_secret(self) -> None:
        server = FakeGateway()
        server.write(create_secret(server, Secret(name="clave", block_type="github-credentials"), "x"))
        found, _ = a.compared(a.state(Secret(name="clave")), server.read())
        assert [notice.code for notice in found.warnings] == ["secret-missing"]


class TestApplying:
    def test_what_others_need_is_made_first_and_deleted_last(self) -> None:
        desired = a.state(
            a.automation(), a.deployment(), a.limit(), a.variable(), Secret(name="clave", from_env="CLAVE"), a.pool()
        )
        server = FakeGateway()
        found, _ = a.compared(desired, server.read(), set_here={"CLAVE"})

        def request(one: Secret) -> Request:
            return create_secret(server, one, "x")

        made = [one.key.kind for one in apply(a.plan_of(found), server, flows={}, commit=a.COMMIT, secret=request)]
        assert made == list(Kind)
        standing = observed(server.read())
        deletes = [a.deletion(one) for kind in Kind for one in standing.marked(kind).values()]
        plan = replace(a.plan_of(found), changes=tuple(deletes))
        gone = [one.key.kind for one in apply(plan, server, flows={}, commit=a.COMMIT)]
        assert gone == [Kind.AUTOMATION, Kind.DEPLOYMENT, Kind.VARIABLE]
        assert server.variables() == {}

    def test_one_that_is_gone_already_is_no_failure(self) -> None:
        server = FakeGateway()
        made = replace(a.variable(), id="00000000-0000-4000-8000-000000000000")
        plan = replace(a.plan_of(difference(State(), State(), a.selection(State()))), changes=(a.deletion(made),))
        assert [one.status for one in apply(plan, server, flows={}, commit=a.COMMIT)] == [Status.DONE]

    def test_nobodys_and_anothers_variables_are_left(self) -> None:
        server = FakeGateway()
        for name, tags in {"de_nadie": [], "de_otro": ["managed-by:otro/all/all"]}.items():
            server.write(Request(method="POST", path="/variables/", body={"name": name, "value": 1, "tags": tags}))
        before = server.read().variables
        found, standing = a.compared(a.state(a.variable("de_nadie"), a.variable("de_otro")), server.read())
        assert sorted(notice.code for notice in found.refusals) == ["other-project", "unmanaged"]
        assert [change.key.kind for change in found.changes] == [Kind.WORK_POOL]
        assert found.orphans == ()
        list(apply(a.plan_of(found), server, flows=standing.flows, commit=a.COMMIT))
        assert server.read().variables == before

    def test_the_lock_is_nobodys_orphan(self) -> None:
        lock = {"id": "1", "name": "sync-lock-prefect-deploys", "value": {}, "tags": []}
        found, _ = a.compared(a.state(), Snapshot(variables=(lock,)))
        assert (found.orphans, found.refusals, found.foreign) == ((), (), ())


class TestRules:
    def test_what_is_shared_touches_every_environment_of_the_server(self) -> None:
        everywhere = Mark(project=a.PROJECT, area=EVERYWHERE, environment=EVERYWHERE)
        shared, own, limit = a.variable("a", mark=everywhere), a.variable("b"), a.limit()
        found, _ = a.compared(a.state(shared, own, limit), Snapshot())
        plan = a.plan_of(found)
        by_name = {
            name: {str(change.key) for change in changes}
            for name, changes in touched(plan, State(), {"dev", "prod"}).items()
        }
        assert by_name == {"dev": {"a", "softland"}, "prod": {"a", "b", "softland"}}


def test_a_variable_called_like_a_secret_is_never_shown() -> None:
    server = FakeGateway()
    for value, action in (("correcthorse", Action.CREATE), ("batterystaple", Action.UPDATE)):
        found, standing = a.compared(a.state(a.variable("clave_sql", value)), server.read())
        [change] = [change for change in found.changes if change.key.kind is Kind.VARIABLE]
        assert change.action is action
        assert {field.after for field in change.fields} == {"********"}
        list(apply(a.plan_of(found), server, flows=standing.flows, commit=a.COMMIT))
    assert server.variables() == {"clave_sql": "batterystaple"}

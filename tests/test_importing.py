"""`import --from-server` as a law: whatever stands on a server, a plan after importing it changes its mark alone."""

from __future__ import annotations

import io
import json
import random
import shutil
import tempfile
import textwrap
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

pytest.register_assert_rewrite("convergence", "roundtrips")

import builders as a  # noqa: E402
from convergence import Site, operate  # noqa: E402
from fake_gateway import FakeGateway  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from roundtrips import apply_all  # noqa: E402
from test_laws import states  # noqa: E402
from worlds import World, shuffled, worlds, write_files  # noqa: E402

from reconcile.automations import automation_from  # noqa: E402
from reconcile.commands.importing import Asked, _areas, _asked_rules, _rule, proposal_of  # noqa: E402
from reconcile.commands.proposing import Proposal, write  # noqa: E402
from reconcile.document import read_document  # noqa: E402
from reconcile.errors import ProblemsError, ReconcileError, UsageError  # noqa: E402
from reconcile.holds import Record, new_records  # noqa: E402
from reconcile.keeping import HOLDS, LOCK  # noqa: E402
from reconcile.lock import Lock, this_process  # noqa: E402
from reconcile.model import ConcurrencyLimit, Deployment, Resource, Schedule, State, WorkPool  # noqa: E402
from reconcile.moving.emit import block  # noqa: E402
from reconcile.moving.from_state import automation_fields  # noqa: E402
from reconcile.plan import Plan  # noqa: E402
from reconcile.secrets import mask  # noqa: E402
from reconcile.trials import Trial, trial_name  # noqa: E402
from reconcile.wire import Request, Snapshot  # noqa: E402
from reconcile.workspace import job_templates  # noqa: E402

POOL = _rule("pool")
NAME = _rule("name")


@pytest.fixture(autouse=True)
def no_cache_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILE_CACHE", str(tmp_path / "cache"))


def imported(root: Path, server: FakeGateway, **asked: Any) -> Proposal:
    """Import what stands on the server into a folder."""
    root.mkdir(exist_ok=True, parents=True)
    proposal = proposal_of(Asked(**{"root": root, "rules": (POOL,), **asked}), server.read())
    write(root, proposal.files, proposal.before)
    return proposal


def planned(root: Path, server: FakeGateway) -> Plan:
    """What a plan finds right after, everything being taken over."""
    return Site(root=root, server=server, reader=server).planned({"adopt_all": True}).plan


def changes_of(plan: Plan) -> list[tuple[str, str]]:
    """What a plan would change, but for the mark, and the name that a schedule without one gets."""
    return [
        (str(change.key), field.path)
        for change in plan.changes
        for field in change.fields
        if not (field.path == "managed-by" or (field.path.endswith(".slug") and field.before is None))
    ] + [(str(change.key), change.action) for change in plan.changes if change.action not in {"adopt", "update"}]


def texts(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


# The law


def _shuffled(snapshot: Snapshot, chance: random.Random) -> Snapshot:
    """The same answers in another order."""

    def of(rows: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
        mixed = [shuffled(row, chance) for row in rows]
        chance.shuffle(mixed)
        return tuple(mixed)

    return Snapshot(**{name: of(getattr(snapshot, name)) for name in Snapshot.__slots__})


def law(world: World, met: Counter[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = FakeGateway()
        for number, files in enumerate([world.before] if world.other is None else [world.before, world.other]):
            root = Path(folder) / f"earlier-{number}"
            write_files(root, files)
            site = Site(root=root, server=server, reader=server)
            found = site.planned({})
            if not found.plan.refusals:
                site.applied(found)
        for edit in world.edits:
            operate(edit, server)
        root = Path(folder) / "casa"
        root.mkdir()
        mixed = _shuffled(server.read(), random.Random(world.seed))
        other_order = proposal_of(Asked(root=root, rules=(POOL,)), mixed)
        proposal = imported(root, server)
        assert dict(other_order.files) == dict(proposal.files)
        left_out = [note for note in proposal.tree.notes if note.left_out]
        met.update({"deployments": len(proposal.tree.entries), "left out": len(left_out)})
        met.update(note.message[:60] for note in left_out)
        plan = planned(root, server)
        assert [notice.message for notice in plan.refusals] == []
        paths = [(key, path) for key, path in changes_of(plan) if path != "path"]
        assert [each for each in paths if not each[1].startswith("parameter_schema")] == []
        assert dict(imported(root, server).files) == {}
        empty = FakeGateway()
        again = Site(root=root, server=empty, reader=empty)
        assert [one.error for one in again.applied(again.planned({})) if one.error] == []
        elsewhere = Path(folder) / "elsewhere" / "casa"  # a server without any mark has no other name to give
        imported(elsewhere, empty)
        if not left_out:
            met.update(["round trips"])
            assert texts(elsewhere) == texts(root)


def test_after_an_import_a_plan_changes_the_mark_alone() -> None:
    met: Counter[str] = Counter()
    settings(
        max_examples=25,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )(given(worlds())(lambda world: law(world, met)))()
    print(met)
    assert met["deployments"] > 10
    assert met["round trips"] > 3


# States that nobody thought of


def fill(server: FakeGateway, state: State) -> None:
    """Bring a server to a state, as somebody else would have it: without the mark."""
    apply_all(replace(state, flows={}), server)
    for row in server.read().deployments:
        tags = [tag for tag in row["tags"] if not tag.startswith("managed-by:")]
        server.write(Request(method="PATCH", path=f"/deployments/{row['id']}", body={"tags": tags}))


def cleaned(state: State) -> State:
    """The state with nothing that would have a deployment left out: secrets, empty tags, no work pool, a path alone."""
    deployments = {
        name: replace(
            one,
            parameters=mask(one.parameters),
            job_variables=mask(one.job_variables),
            tags=tuple(filter(None, one.tags)),
            path=one.path if one.pull_steps else None,
            schedules=tuple(replace(each, parameters=mask(each.parameters)) for each in one.schedules),
            work_pool=one.work_pool or next(iter(state.pools), None),
        )
        for name, one in state.deployments.items()
    }
    return replace(state, deployments=deployments)


def state_law(state: State, met: Counter[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = FakeGateway()
        fill(server, state)
        root = Path(folder) / "casa"
        proposal = imported(root, server, rules=(NAME,))
        left_out = {note.message[:50] for note in proposal.tree.notes if note.left_out}
        met.update({"deployments": len(proposal.tree.entries), "variables": len(proposal.tree.variables)})
        met.update(left_out)
        plan = planned(root, server)
        assert [notice.message for notice in plan.refusals] == []
        assert [each for each in changes_of(plan) if each[1] != "path"] == []
        assert dict(imported(root, server, rules=(NAME,)).files) == {}


def test_after_an_import_of_any_state_a_plan_changes_the_mark_alone() -> None:
    met: Counter[str] = Counter()
    settings(
        max_examples=40,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )(
        given(states(), st.sampled_from([True, True, False]))(
            lambda state, clean: state_law(cleaned(state) if clean else state, met)
        )
    )()
    print(met)
    assert met["deployments"] > 3  # far below what any seed gives: the examples depend on what else was imported
    assert met["variables"] > 3


# What is written


def pool(name: str) -> WorkPool:
    """A work pool as Prefect's own command line makes it."""
    return WorkPool(name=name, type="process", job_template=job_templates()["process"])


def deployment(name: str, work_pool: str | None = "p", **fields: Any) -> Deployment:
    """A deployment with as little as there can be."""
    blank: dict[str, Any] = {
        "description": None,
        "tags": (),
        "parameters": {},
        "job_variables": {},
        "schedules": (),
        "parameter_schema": {},
    }
    return a.deployment(name=name, work_pool=work_pool, **{**blank, "work_queue": "default", **fields})


def filled(server: FakeGateway, *resources: Resource) -> FakeGateway:
    fill(server, a.state(*resources))
    return server


STOCKED = a.state(
    pool("Pool A"),
    *[
        deployment("Cierre mensual", flow="basic-flow", work_pool="Pool A", tags=("x", "area-compras")),
        deployment("Cierre mensual", flow="otro", work_pool="Pool A", tags=("x", "area-ventas")),
        deployment("Orders", flow="basic-flow", work_pool="Pool A", tags=("x",), description="a: b # c"),
    ],
)


@pytest.fixture
def server() -> FakeGateway:
    found = FakeGateway()
    fill(found, STOCKED)
    return found


def test_a_person_would_write_it_so(tmp_path: Path, server: FakeGateway) -> None:
    imported(tmp_path, server, rules=(_rule("tag:area-*"),))
    found = {name: text.decode() for name, text in texts(tmp_path).items()}
    assert sorted(found) == [
        "deployments/compras/prod.yaml",
        "deployments/environments.yaml",
        "deployments/general/prod.yaml",
        "deployments/shared.yaml",
        "deployments/ventas/prod.yaml",
        "pools/pool-a.yaml",
        "prefect.yaml",
    ]
    assert found["deployments/general/prod.yaml"] == textwrap.dedent(
        """\
        deployments:
          "Orders":
            entrypoint: src/basic.py:basic_flow
            description: "a: b # c"
            source: flows
            tags: [x]
            work_pool: pool-a
        """
    )
    assert found["pools/pool-a.yaml"] == "name: Pool A\ntype: process\n"
    assert found["deployments/shared.yaml"] == "sources:\n  flows: {path: /srv/flows}\n"


def test_two_flows_with_one_deployment_name_stand_in_one_file(tmp_path: Path, server: FakeGateway) -> None:
    imported(tmp_path, server)
    text = (tmp_path / "deployments/pool-a/prod.yaml").read_text(encoding="utf-8")
    assert '  "Cierre mensual":\n' in text
    assert '  "Cierre mensual (otro)":\n' in text
    assert "    name: Cierre mensual\n" in text
    assert changes_of(planned(tmp_path, server)) == []


PERSONS = """\
# compras, a mano
defaults:
  tags: [x]   # de todos
  work_pool: pool-a
deployments:
    # el más viejo
    "Orders":     {entrypoint: 'src/basic.py:basic_flow', description: "a: b # c", source: flows}   # ¡ojo!
    # fin

# al final, una nota
"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_only_what_is_new_is_added_and_nothing_of_a_persons_is_touched(
    tmp_path: Path, server: FakeGateway, ending: str
) -> None:
    imported(tmp_path, server, only=("Orders",))
    file = tmp_path / "deployments/pool-a/prod.yaml"
    file.write_bytes(PERSONS.replace("\n", ending).encode())
    proposal = imported(tmp_path, server)
    assert set(proposal.files) == {"deployments/pool-a/prod.yaml"}
    assert proposal.changed == {"deployments/pool-a/prod.yaml"}
    text = file.read_bytes().decode()
    new = textwrap.indent(
        textwrap.dedent(
            """
            "Cierre mensual":
              entrypoint: src/basic.py:basic_flow
              source: flows
              tags: [area-compras]

            "Cierre mensual (otro)":
              entrypoint: src/basic.py:basic_flow
              flow: otro
              name: Cierre mensual
              source: flows
              tags: [area-ventas]
            """
        ),
        "    ",
    )
    before, after = PERSONS.split("    # fin\n")
    assert text == f"{before}    # fin\n{new}{after}".replace("\n", ending)
    assert changes_of(planned(tmp_path, server)) == []
    assert dict(imported(tmp_path, server).files) == {}


def test_what_defaults_of_a_person_say_otherwise_is_unsaid_or_left_out(tmp_path: Path, server: FakeGateway) -> None:
    imported(tmp_path, server, only=("Orders",))
    file = tmp_path / "deployments/pool-a/prod.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(f"defaults:\n  description: De todos.\n  tags: [area-ventas]\n{text}", encoding="utf-8")
    proposal = imported(tmp_path, server)
    assert [(note.key, note.left_out) for note in proposal.tree.notes] == [("basic-flow/Cierre mensual", True)]
    assert "tag 'area-ventas'" in proposal.tree.notes[0].message
    assert "    description: null\n" in file.read_text(encoding="utf-8")


def test_a_known_source_and_schedule_are_used_and_new_ones_added_to_shared(tmp_path: Path) -> None:
    server = FakeGateway()
    schedule = Schedule(slug="noche", timing=a.cron("55 23 * * *"), active=True)
    other = Schedule(slug="hora", timing=a.cron("0 * * * *"), active=True)
    one = [deployment(name, schedules=(schedule,)) for name in ("A", "B")]
    filled(server, pool("p"), *one)
    imported(tmp_path, server)
    shared = tmp_path / "deployments/shared.yaml"
    text = shared.read_text(encoding="utf-8").replace("schedules:\n", "# horarios\nschedules:\n")
    shared.write_text(text, encoding="utf-8")
    more = [deployment(n, schedules=(schedule, other), pull_steps=a.GIT_PULL) for n in ("C", "D")]
    filled(server, pool("p"), *more)
    imported(tmp_path, server)
    said = read_document("x", shared.read_bytes())[0]
    assert said is not None
    assert said.data["schedules"] == {"noche": {"cron": "55 23 * * *"}, "hora": {"cron": "0 * * * *"}}
    assert len(said.data["sources"]) == 2
    assert "# horarios\nschedules:\n" in said.text
    entries = read_document("x", (tmp_path / "deployments/p/prod.yaml").read_bytes())[0]
    assert entries is not None
    assert entries.data["deployments"]["C"]["schedules"] == {"hora": {}, "noche": {}}
    assert changes_of(planned(tmp_path, server)) == []


def test_only_picks_out_and_takes_along_what_is_used(tmp_path: Path) -> None:
    server = FakeGateway()
    limit = ConcurrencyLimit(limit=2, shared="softland")
    uses = a.deployment(
        name="Usa", work_pool="uno", parameters={"s": "{{ prefect.variables.usada }}"}, concurrency_limit=limit
    )
    variables = [a.variable(name, 1) for name in ("usada", "ajena")]
    limits = [a.limit("softland", 2), a.limit("ajeno", 1)]
    filled(server, pool("uno"), pool("dos"), *variables, *limits, uses, deployment("Ajena", "dos"))
    tree = imported(tmp_path, server, only=("Us?",)).tree
    assert [entry.identity for entry in tree.entries] == ["basic-flow/Usa"]
    assert (set(tree.pools), set(tree.variables), set(tree.limits)) == ({"uno"}, {"usada"}, {"softland"})
    assert changes_of(planned(tmp_path, server)) == []
    tree = imported(tmp_path, server).tree
    assert [entry.identity for entry in tree.entries] == ["basic-flow/Ajena"]
    assert (set(tree.pools), set(tree.variables), set(tree.limits)) == ({"dos"}, {"ajena"}, {"ajeno"})


def test_only_that_fits_nothing_is_told(tmp_path: Path, server: FakeGateway) -> None:
    with pytest.raises(UsageError, match="--only 'Ordres' fits no deployment"):
        imported(tmp_path, server, only=("Ordres",))
    assert texts(tmp_path) == {}


def test_an_environment_that_is_new_is_declared_and_forms_of_names_are_undone(tmp_path: Path) -> None:
    server = FakeGateway()
    filled(server, pool("p"), deployment("A"))
    imported(tmp_path, server)
    environments = tmp_path / "deployments/environments.yaml"
    text = environments.read_text(encoding="utf-8") + '  # las pruebas\n  dev:\n    name: "{name}-dev"\n'
    environments.write_text(text, encoding="utf-8")
    filled(server, pool("p"), *(deployment(each) for each in ("B-dev", "C")))
    tree = imported(tmp_path, server, environment="dev").tree
    assert [(entry.key, entry.environment) for entry in tree.entries] == [("B", "dev")]
    assert [(note.key, note.left_out) for note in tree.notes] == [("basic-flow/C", True)]
    imported(tmp_path, server, environment="staging")
    assert environments.read_text(encoding="utf-8") == text + '  staging:\n    name: "{name}"\n'
    assert changes_of(planned(tmp_path, server)) == []
    with pytest.raises(UsageError, match="several environments"):
        imported(tmp_path, server)


def test_what_looks_like_a_secret_is_never_written(tmp_path: Path) -> None:
    server = FakeGateway()
    token = "ghp_" + "A1b2C3d4E5" * 4
    deployments = [
        deployment("A", parameters={"clave": "hunter2hunter2"}),
        deployment("B", job_variables={"env": {"X": token}}),
        deployment("C", description=f"con {token}"),
    ]
    filled(server, pool("p"), *deployments, a.variable("v", token, mark=None))
    proposal = imported(tmp_path, server)
    said = b"".join(texts(tmp_path).values()).decode() + str(proposal.tree.notes)
    assert "hunter2" not in said
    assert token not in said
    assert {note.key for note in proposal.tree.notes if note.left_out} == {
        "basic-flow/A", "basic-flow/B", "basic-flow/C", "v",
    }  # fmt: skip


def test_the_name_of_a_block_is_no_secret(tmp_path: Path) -> None:
    server = filled(FakeGateway(), pool("p"), deployment("A", parameters={"token": "clave-softland", "x": 1}))
    assert [note.left_out for note in imported(tmp_path / "una", server).tree.notes] == [True]
    kind = server.get("/block_types/slug/secret")["id"]
    schema = server.post("/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}})[0]["id"]
    body = {"name": "clave-softland", "data": {"value": "x"}, "block_type_id": kind, "block_schema_id": schema}
    server.write(Request(method="POST", path="/block_documents/", body=body))
    tree = imported(tmp_path / "otra", server).tree
    assert [entry.identity for entry in tree.entries] == ["basic-flow/A"]
    assert tree.secrets == {"clave-softland": {}}


@pytest.mark.parametrize("kind", sorted(job_templates()))
def test_a_pool_of_every_type_is_said_in_a_line(tmp_path: Path, kind: str) -> None:
    server = filled(FakeGateway(), WorkPool(name="p", type=kind, job_template=job_templates()[kind]))
    tree = imported(tmp_path, server).tree
    assert tree.notes == ()
    assert {name: (one.fields, one.template) for name, one in tree.pools.items()} == {"p": ({"type": kind}, None)}


def test_a_pool_that_windows_has_no_file_for_gets_another(tmp_path: Path) -> None:
    server = filled(FakeGateway(), pool("AUX"), deployment("Uno", "AUX"))
    assert list(imported(tmp_path, server, rules=(NAME,)).tree.pools) == ["aux-pool"]
    assert changes_of(planned(tmp_path, server)) == []


def test_a_pool_with_a_template_of_its_own_has_a_file_for_it(tmp_path: Path) -> None:
    template = {**job_templates()["process"], "job_configuration": {"command": "propio"}}
    server = filled(FakeGateway(), WorkPool(name="Mi pool", type="process", job_template=template))
    imported(tmp_path, server)
    text = (tmp_path / "pools/mi-pool.yaml").read_text(encoding="utf-8")
    assert text == "name: Mi pool\ntype: process\nbase_job_template: templates/mi-pool.json\n"
    assert json.loads((tmp_path / "pools/templates/mi-pool.json").read_text(encoding="utf-8")) == template
    assert changes_of(planned(tmp_path, server)) == []


EVENT: dict[str, Any] = {"type": "event", "posture": "Reactive", "expect": ["a.b"]}
NOTHING = [{"type": "do-nothing"}]


AUTOMATIONS: list[dict[str, Any]] = [
    {"trigger": EVENT, "actions": NOTHING},
    {"trigger": {**EVENT, "threshold": 3, "within": "1h", "for_each": ["x"]}, "actions": NOTHING, "enabled": False},
    {"trigger": {**EVENT, "for_deployment": "f/x"}, "actions": NOTHING, "description": "Qué hace."},
    {"trigger": {**EVENT, "for_deployment": ["f/x", "f/y"]}, "actions": NOTHING, "tags": ["a"]},
    {"trigger": {"type": "event", "posture": "Proactive", "expect": ["x"]}, "actions": NOTHING},
    {
        "trigger": {"type": "compound", "require": "all", "within": "1h", "triggers": [EVENT, EVENT]},
        "actions": [{"type": "run-deployment", "deployment": "f/x", "parameters": {"a": 1}, "schedule_after": "1h"}],
        "actions_on_resolve": NOTHING,
    },
    {
        "trigger": {"type": "sequence", "triggers": [EVENT, EVENT]},
        "actions": [{"type": "change-flow-run-state", "state": "CANCELLED"}],
    },
]


@pytest.mark.parametrize("said", AUTOMATIONS)
def test_an_automation_is_said_as_it_was(said: dict[str, Any]) -> None:
    assert automation_fields(automation_from("x", said, a.MARK)) == said


# The rules that give areas


@pytest.mark.parametrize(
    ("rule", "fields", "area"),
    [
        ("pool", {"work_pool": "compras-prod"}, "compras"),
        ("pool", {"work_pool": "Pool con Ñandúes"}, "pool-con-nandues"),
        ("pool", {"work_pool": None}, "general"),
        ("name", {"name": "Cierre mensual"}, "cierre"),
        ("name", {"name": "__"}, "general"),
        ("name", {"name": "all"}, "all-area"),
        ("name", {"name": "Con todo"}, "con-area"),  # Windows has no folder of that name
        ("tag:area-*", {"tags": ("z", "area-Recursos Humanos")}, "recursos-humanos"),
        ("tag:*", {"tags": ("b", "a")}, "a"),
        ("tag:compras", {"tags": ("compras",)}, "compras"),
        ("tag:compras", {"tags": ("x",)}, "general"),
    ],
)
def test_areas(rule: str, fields: Mapping[str, Any], area: str) -> None:
    assert _areas((_rule(rule),), "prod")(deployment(**{"name": "x", **fields})) == area


@pytest.mark.parametrize("text", ["", "tag", "tag:", "pools", "area:x"])
def test_a_rule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no rule"):
        _rule(text)


# Files that are wrong


def test_a_repository_with_errors_is_told_and_left_alone(tmp_path: Path, server: FakeGateway) -> None:
    imported(tmp_path, server)
    file = tmp_path / "deployments/shared.yaml"
    file.write_text("<<<<<<< HEAD\na: 1\n=======\n>>>>>>> x\n", encoding="utf-8")
    before = texts(tmp_path)
    with pytest.raises(ProblemsError) as caught:
        imported(tmp_path, server)
    assert next((str(one.location), one.code) for one in caught.value.problems) == (
        "deployments/shared.yaml:1:1", "merge-conflict",
    )  # fmt: skip
    assert texts(tmp_path) == before


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("as it was", encoding="utf-8")
    (tmp_path / "b").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(ReconcileError, match="cannot be written"):
        write(tmp_path, {"a": "new", "b/c": "new"}, {"a": b"as it was"})
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
    assert (tmp_path / "a").read_text(encoding="utf-8") == "as it was"


# Texts


TEXTS = st.text(max_size=12).filter(lambda text: text.replace("\n", "").isprintable() and "\\" not in text)
TRICKY = st.sampled_from(
    ["a: b", "x #y", "- a", "{{ x }}", "12:30", "2026-01-01", "yes", "0x1f", "1e5", "a\nb\n", "a\n\nb", " a\n b", "x: ",
     "https://a/b:c", "C:\\x", "null", "~", "30m", "[x]", "ñandú", "a:", "<<", "=", "!x", "&a", "*a", "|", "", "0110", "NO"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS | TRICKY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | TRICKY, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(TEXTS | TRICKY, VALUES, max_size=4))
def test_what_is_written_is_read_as_it_was_meant(data: dict[str, Any]) -> None:
    document, problems = read_document("x", block(data).encode())
    assert document is not None
    assert problems == ()
    assert json.dumps(document.data, sort_keys=True) == json.dumps(data, sort_keys=True)


# Asked at a terminal


def test_without_a_rule_and_a_terminal_nothing_is_guessed(server: FakeGateway) -> None:
    with pytest.raises(UsageError, match="which area"):
        _asked_rules(Namespace(json=True, env=None), server.read())


def test_at_a_terminal_the_rule_is_asked_for(
    server: FakeGateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = io.StringIO(" name \n")
    typed.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", typed)
    (rule,) = _asked_rules(Namespace(json=False, env=None), server.read())
    assert rule(deployment("Cierre mensual"), "prod") == "cierre"
    assert "name   2 areas: cierre (2), orders (1)" in capsys.readouterr().err


# What is there already


def test_importing_what_this_repository_applied_proposes_nothing(tmp_path: Path) -> None:
    project = Path(__file__).resolve().parents[1]
    for name in ("deployments", "pools", "flows"):
        shutil.copytree(project / name, tmp_path / name)
    shutil.copyfile(project / "prefect.yaml", tmp_path / "prefect.yaml")
    server = FakeGateway()
    site = Site(root=tmp_path, server=server, reader=server)
    assert [one.error for one in site.applied(site.planned({})) if one.error] == []
    for environment in ("dev", "prod"):
        proposal = imported(tmp_path, server, environment=environment)
        assert dict(proposal.files) == {}
        assert [note.key for note in proposal.tree.notes] == []


def test_what_the_tool_keeps_for_itself_is_left_to_it(tmp_path: Path) -> None:
    copy = trial_name("Orders", "juan")
    trial = Trial(project="otra-casa", user="juan", until=date(2026, 11, 30))
    own = deployment(copy, work_pool="p", tags=("x", trial.tag))
    server = filled(FakeGateway(), pool("p"), deployment("Orders"), own, a.variable("mia", 1, mark=None))
    Lock(server, "casa", this_process("abc")).acquire()
    record = Record(name="", by="juan", since="2026-11-23", reason="Caído.", pools=frozenset({str(uuid4())}))
    for each in new_records("otra-casa", record):
        server.write(Request(method="POST", path="/variables/", body={"name": each.name, "value": each.value}))
    assert len(server.variables()) == 3
    tree = imported(tmp_path, server).tree
    assert [entry.identity for entry in tree.entries] == ["basic-flow/Orders"]
    assert list(tree.variables) == ["mia"]
    assert [(note.key, note.left_out) for note in tree.notes] == [("1 trial copy", False)]
    said = b"".join(texts(tmp_path).values()).decode()
    assert not any(text in said for text in (copy, "try-of:", LOCK, HOLDS))
    assert changes_of(planned(tmp_path, server)) == []


def test_what_another_project_manages_is_left_to_it(tmp_path: Path, server: FakeGateway) -> None:
    imported(tmp_path / "una", server)
    site = Site(root=tmp_path / "una", server=server, reader=server)
    site.applied(site.planned({"adopt_all": True}))
    (tmp_path / "otra" / "deployments").mkdir(parents=True)
    (tmp_path / "otra" / "prefect.yaml").write_text("name: otra\n", encoding="utf-8")
    (tmp_path / "otra" / "deployments" / "environments.yaml").write_text("environments: {prod: {}}\n", encoding="utf-8")
    tree = imported(tmp_path / "otra", server).tree
    assert tree.entries == ()
    assert {note.code for note in tree.notes} == {"other-project"}


# What is wrong with what stands there


def test_what_several_have_wrong_alike_leaves_those_out_and_no_other(tmp_path: Path) -> None:
    """It would be a default of their file, and is no value that the checks let through."""
    wrong = [deployment(f"Cierre {number}", tags=("",)) for number in (1, 2)]
    server = filled(FakeGateway(), pool("p"), *wrong, deployment("Orders"))
    tree = imported(tmp_path, server, rules=(NAME,)).tree
    assert [entry.identity for entry in tree.entries] == ["basic-flow/Orders"]
    why = "Its tags cannot be declared so: Expected a text, got an empty one."
    assert [(note.key, note.message) for note in tree.notes] == [
        ("basic-flow/Cierre 1", why), ("basic-flow/Cierre 2", why),
    ]  # fmt: skip


def test_a_default_that_is_wrong_is_nobodys_who_says_another(tmp_path: Path) -> None:
    wrong = [deployment(f"A {number}", work_pool="viejo") for number in (1, 2)]
    old = WorkPool(name="viejo", type="prefect-agent", job_template={})
    server = filled(FakeGateway(), pool("p"), old, *wrong, deployment("A 3"))
    tree = imported(tmp_path, server, rules=(NAME,)).tree
    assert [entry.identity for entry in tree.entries] == ["basic-flow/A 3"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"schedules": [{"cron": "0 9 * * * *", "timezone": "UTC"}]}, "schedule"),
        ({"schedules": [{"cron": "0 0 31 2 *", "timezone": "UTC"}]}, "schedule"),
        ({"schedules": [{"cron": "0 9 * * *", "timezone": "Nowhere/Land"}]}, "schedule"),
        ({"entrypoint": None}, "no entrypoint"),
        ({"entrypoint": "sin función"}, "path/to/file.py:function"),
        ({"path": "/opt/x", "pull_steps": []}, "without pull steps"),
        ({"work_pool_name": None}, "no work pool"),
        ({"tags": [""]}, "Its tags cannot"),
        ({"parameters": {"__prefect_kind": "jinja", "template": "x"}}, "__prefect_kind"),
    ],
)
def test_what_cannot_be_declared_is_left_out_with_its_reason(
    tmp_path: Path, server: FakeGateway, fields: dict[str, Any], why: str
) -> None:
    schedules = [{"schedule": each, "active": True} for each in fields.pop("schedules", [])]
    flow = server.write(Request(method="POST", path="/flows/", body={"name": "rara"}))["id"]
    body = {
        "name": "Rara",
        "flow_id": flow,
        "entrypoint": "a.py:rara",
        "work_pool_name": "Pool A",
        "schedules": schedules,
    }
    pull = [{"prefect.deployments.steps.set_working_directory": {"directory": "/srv/flows"}}]
    server.write(Request(method="POST", path="/deployments/", body={**body, "pull_steps": pull, **fields}))
    tree = imported(tmp_path, server, rules=(NAME,)).tree
    (note,) = [note for note in tree.notes if note.left_out]
    assert note.key == "rara/Rara"
    assert why in note.message
    assert len(tree.entries) == 3
    assert changes_of(planned(tmp_path, server)) == []

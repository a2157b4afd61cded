"""The laws of the house, for states that nobody thought of: on the fake gateway, which tests/contract holds honest."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytest.register_assert_rewrite("roundtrips")

import builders as a  # noqa: E402
from fake_gateway import FakeGateway  # noqa: E402
from roundtrips import apply_all, carry_out, rows  # noqa: E402

from reconcile.diff import difference  # noqa: E402
from reconcile.model import ConcurrencyLimit, Deployment, Mark, Schedule, State, WorkPool, WorkQueue  # noqa: E402
from reconcile.observed import observed  # noqa: E402
from reconcile.wire import Request, Snapshot  # noqa: E402

SECRETS = (
    "ghp_" + "A1b2C3d4E5" * 4,
    "https://user:hunter2hunter2@github.com/o/r.git",
    "xoxb-123456789012-abcdefghijkl",
    "Data Source=x;AccountKey=" + "QUJD" * 15 + "==",
)
SECRET_KEYS = ("password", "api_key", "dbPassword", "clave", "SQL_TOKEN")
SECRET_VALUE = "correct-horse-battery"

# What states are made of

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)
NAMES = st.text("aábñ .-_'\"{}[]:0", min_size=1, max_size=8).filter(lambda name: name.strip() == name)
SCALARS = st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-9, 9, allow_nan=False) | TEXT
HIDDEN = st.sampled_from(SECRETS)
JSON = st.recursive(
    SCALARS | HIDDEN,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
BY_NAME = st.dictionaries(st.sampled_from(SECRET_KEYS), st.just(SECRET_VALUE), max_size=2)
MAPPINGS = st.dictionaries(TEXT, JSON, max_size=3) | BY_NAME | st.fixed_dictionaries({"env": BY_NAME})
TIMINGS = st.one_of(
    st.builds(lambda minute, either: a.cron(f"{minute} 8 * * 1-5", day_or=either), st.integers(0, 59), st.booleans()),
    st.builds(lambda seconds: a.interval(float(seconds)), st.integers(60, 90000)),
    st.builds(lambda day: a.rrule(f"FREQ=MONTHLY;BYMONTHDAY={day}"), st.integers(1, 28)),
)
SHARED = {"softland": 2, "otro": 5}
LIMITS = st.builds(
    lambda own, shared, **fields: ConcurrencyLimit(limit=SHARED[shared] if shared else own, shared=shared, **fields),
    own=st.integers(1, 9),
    shared=st.none() | st.sampled_from(sorted(SHARED)),
    collision_strategy=st.sampled_from(["ENQUEUE", "CANCEL_NEW"]),
    grace_period_seconds=st.none() | st.integers(60, 600),
)
VARIABLES = st.builds(
    a.variable,
    name=st.sampled_from(["sql_server", "clave_sql", "x", "api-key"]),
    value=JSON | BY_NAME,
    tags=st.lists(TEXT, max_size=2).map(tuple),
    mark=st.just(a.MARK),
)
SCHEDULES = st.builds(
    Schedule,
    slug=st.sampled_from(["noche", "día", "a", "a.active", "a.cron"]),
    timing=TIMINGS,
    parameters=MAPPINGS,
    active=st.none() | st.booleans(),
)
MARKS = st.builds(
    Mark, project=st.just(a.PROJECT), area=st.sampled_from(["compras", "rrhh"]), environment=st.just("prod")
)
POOLS = ("uno", "dos")


ROOMS = ("pools", "variables", "secrets", "limits", "deployments", "automations")


def some(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The value, or None."""
    return st.none() | value


@st.composite
def deployments(draw: st.DrawFn) -> Deployment:
    return a.deployment(
        name=draw(st.sampled_from(["Cierre mensual", "x", "Ñandú"]) | NAMES),
        flow=draw(st.sampled_from(["basic-flow", "Otro flow"])),
        description=draw(some(TEXT)),
        entrypoint=draw(st.sampled_from(["src/basic.py:basic_flow", "src\\basic.py:basic_flow", "pkg.mod:flow"])),
        path=draw(some(st.just("/srv"))),
        pull_steps=draw(st.sampled_from([a.PULL, a.GIT_PULL, ()])),
        tags=tuple(draw(st.lists(TEXT, max_size=3))),
        parameters=draw(MAPPINGS),
        parameter_schema=draw(st.sampled_from([None, {}, {"type": "object", "properties": {"x": {"title": "x"}}}])),
        enforce_parameter_schema=draw(st.booleans()),
        work_pool=(pool := draw(some(st.sampled_from(POOLS)))),
        work_queue=draw(st.sampled_from(["default", "urgent"])) if pool else "default",
        job_variables=draw(MAPPINGS),
        schedules=tuple(draw(st.lists(SCHEDULES, max_size=3, unique_by=lambda schedule: schedule.slug))),
        paused=draw(some(st.booleans())),
        concurrency_limit=draw(some(LIMITS)),
        mark=draw(MARKS),
    )


@st.composite
def pools(draw: st.DrawFn, name: str) -> WorkPool:
    queues = draw(st.lists(st.sampled_from(["default", "urgent", "ya"]), max_size=3, unique=True))
    numbers = draw(st.permutations([1, 2, 3, 5]))
    return a.pool(
        name,
        description=draw(some(TEXT)),
        concurrency_limit=draw(some(st.integers(0, 9))),
        is_paused=draw(some(st.booleans())),
        job_defaults=draw(
            st.fixed_dictionaries({}, optional={"env": st.dictionaries(TEXT, TEXT, max_size=2), "working_dir": TEXT})
        ),
        queues=tuple(
            WorkQueue(name=queue, priority=draw(some(st.just(number))), concurrency_limit=draw(some(st.integers(0, 3))))
            for queue, number in zip(queues, numbers, strict=False)
        ),
    )


@st.composite
def states(draw: st.DrawFn) -> State:
    found = draw(st.lists(deployments(), max_size=3, unique_by=lambda deployment: deployment.key))
    variables = draw(st.lists(VARIABLES, max_size=3, unique_by=lambda variable: variable.name))
    limits = [a.limit(name, limit, slot_decay_per_second=draw(st.floats(0, 2))) for name, limit in SHARED.items()]
    return a.state(*(draw(pools(name)) for name in POOLS), *variables, *limits, *found)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A repository before and after a change, and a number that stands for all that is left to chance."""

    before: State
    after: State
    seed: int


WORLDS = st.builds(World, before=states(), after=states(), seed=st.integers(0, 2**16))


def keeping_names(world: World) -> State:
    """What is declared after, under the names of before: so that there is more to update than to create."""
    names = list(world.before.deployments.values())
    renamed = [
        replace(deployment, flow=name.flow, name=name.name)
        for deployment, name in zip(world.after.deployments.values(), names, strict=False)
    ]
    return replace(world.after, deployments=a.state(*renamed).deployments)


# The laws


def a_state_does_not_differ_from_itself(world: World) -> None:
    server = FakeGateway()
    apply_all(world.before, server)
    it = observed(server.read())
    found = difference(it, it, a.selection(it))
    assert (found.changes, found.refusals, found.holds) == ((), (), ())


def after_an_apply_nothing_is_left_to_do_and_a_second_one_writes_nothing(world: World) -> None:
    server = FakeGateway()
    apply_all(world.before, server)
    for desired in (keeping_names(world), world.after):
        apply_all(desired, server)
        sent, standing = len(server.requests), server.read()
        apply_all(desired, server)
        assert len(server.requests) == sent
        assert server.read() == standing


def every_active_schedule_has_coming_runs_after_an_apply(world: World) -> None:
    server = FakeGateway()
    for desired in (world.before, keeping_names(world)):
        apply_all(desired, server)
        for row in server.read().deployments:
            runs = any(schedule["active"] for schedule in row["schedules"]) and not row["paused"]
            assert bool(server.runs(row["id"])) == runs


def order_changes_nothing(world: World) -> None:
    server = FakeGateway()
    apply_all(world.before, server)
    snapshot, chance = server.read(), random.Random(world.seed)
    desired = keeping_names(world)
    expected, _ = a.compared(desired, snapshot)
    mixed = State(**{name: _mixed(getattr(desired, name), chance) for name in ROOMS})
    found = difference(mixed, observed(_mixed_snapshot(snapshot, chance)), a.selection(desired))
    assert found == expected
    assert [str(change) for change in found.changes] != [] or not expected.changes


def nothing_foreign_is_touched(world: World) -> None:
    server = FakeGateway()
    apply_all(a.state(*world.before.pools.values()), server)
    for number, deployment in enumerate(world.before.deployments.values()):
        flow = server.write(Request(method="POST", path="/flows/", body={"name": deployment.flow}))
        tags = [*deployment.tags, *(["managed-by:another/compras/prod"] if number % 2 else [])]
        body = {"name": deployment.name, "flow_id": flow["id"], "tags": tags, "work_pool_name": deployment.work_pool}
        server.write(Request(method="POST", path="/deployments/", body=body))
    before = rows(server.read())
    found, standing = a.compared(world.after, server.read())
    carry_out(found, standing, server)
    after = rows(server.read())
    assert {key: after[key] for key in before} == before
    assert {str(key) for key in found.foreign} == before.keys() - world.after.deployments.keys()
    assert {notice.key for notice in found.refusals} == before.keys() & world.after.deployments.keys()


def no_secret_is_in_a_plan(world: World) -> None:
    server = FakeGateway()
    created, _ = a.compared(world.before, server.read())
    apply_all(world.before, server)
    updated, _ = a.compared(keeping_names(world), server.read())
    for found in (created, updated):
        shown = [(field.before, field.after) for change in found.changes for field in change.fields]
        text = json.dumps([shown, [hold.value for hold in found.holds], [notice.message for notice in found.refusals]])
        assert [secret for secret in (*SECRETS, SECRET_VALUE, "hunter2") if secret in text] == []


def _mixed(value: Any, chance: random.Random) -> Any:
    """The same mapping, its keys in another order at every depth."""
    if isinstance(value, Mapping):
        keys = list(value)
        chance.shuffle(keys)
        return {key: _mixed(value[key], chance) for key in keys}
    return [_mixed(item, chance) for item in value] if isinstance(value, list) else value


def _mixed_snapshot(snapshot: Snapshot, chance: random.Random) -> Snapshot:
    """The same answers in another order, with some of them twice, as pages may overlap."""

    def mixed(rows: tuple[Mapping[str, Any], ...]) -> tuple[Mapping[str, Any], ...]:
        twice = [_mixed(row, chance) for row in (*rows, *rows[:1])]
        for row in twice:
            if "schedules" in row:
                chance.shuffle(row["schedules"])
        chance.shuffle(twice)
        return tuple(twice)

    return Snapshot(
        pools=mixed(snapshot.pools),
        queues=mixed(snapshot.queues),
        flows=mixed(snapshot.flows),
        deployments=mixed(snapshot.deployments),
        variables=mixed(snapshot.variables),
        blocks=mixed(snapshot.blocks),
        limits=mixed(snapshot.limits),
        automations=mixed(snapshot.automations),
    )


LAWS = (
    a_state_does_not_differ_from_itself,
    after_an_apply_nothing_is_left_to_do_and_a_second_one_writes_nothing,
    every_active_schedule_has_coming_runs_after_an_apply,
    order_changes_nothing,
    nothing_foreign_is_touched,
    no_secret_is_in_a_plan,
)


def _hold(law: Callable[[World], None], examples: int, *, chance: bool) -> None:
    checked = given(WORLDS)(law)
    settings(
        max_examples=examples,
        derandomize=not chance,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )(checked)()


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law(law: Callable[[World], None]) -> None:
    _hold(law, 40, chance=False)


@pytest.mark.long
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_law_for_long(law: Callable[[World], None]) -> None:
    _hold(law, 1000, chance=True)

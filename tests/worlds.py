"""Repositories as YAML files and what befalls a server, as hypothesis makes them up.

A `World` is a repository as it was applied, what another project has on the same server, what operators did there
afterwards, and the repository as it is now, with what the command line says.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml
from hypothesis import strategies as st

Files = Mapping[str, Any]
"""By path: the data of a YAML file, or the text of any other."""

AREAS: Final = ("compras", "ventas")
ENVIRONMENTS: Final = ("dev", "prod")
POOLS: Final = ("compras-prod", "ventas-prod", "pool-dev", "cierre")
NAMES: Final = ("Cierre mensual", "Ñandú diario", "x.y", "It's: #1", "Orders [old]", "a b  c", "zeta-9", "mañana")
PROJECT: Final = "casa"
OTHER: Final = "otra-casa"

# What fields are made of

TEXTS = st.sampled_from(
    ["", "Saluda.", "una línea\notra", "None", "null", "yes", "0", " con blancos ", "a: b # c", "{{ x }}", "<b>🎉</b>"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.5, 1.0, -2.0]) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=3,
)
TIMINGS = st.one_of(
    st.builds(lambda minute, hour: {"cron": f"{minute} {hour} * * 1-5"}, st.integers(0, 59), st.integers(0, 23)),
    st.builds(
        lambda every, zone: {"interval": every, "anchor_date": "2026-01-01T00:00:00", **zone},
        st.sampled_from(["90m", "4h", 7200, "2d"]),
        st.sampled_from([{}, {"timezone": "America/New_York"}, {"timezone": "UTC", "allow_utc": True}]),
    ),
    st.builds(
        lambda day: {"rrule": f"FREQ=MONTHLY;BYMONTHDAY={day}", "start": "2026-01-01T20:00:00"}, st.integers(1, 28)
    ),
)
SWITCHED = st.sampled_from([{}, {}, {"active": True}, {"active": False}])
SCHEDULES = st.dictionaries(
    st.sampled_from(["tarde", "día", "a.active", "habiles"]),
    st.builds(lambda timing, active, special: (timing, active, special), TIMINGS, SWITCHED, st.booleans()),
    max_size=2,
)
SHARED_SCHEDULES = st.dictionaries(st.sampled_from(["usual-hours", "noche"]), SWITCHED, max_size=2)
LIMITS = st.integers(1, 4) | st.builds(
    lambda limit, strategy, grace: {"limit": limit, "collision_strategy": strategy, "grace_period_seconds": grace},
    st.integers(1, 4), st.sampled_from(["ENQUEUE", "CANCEL_NEW"]), st.none() | st.integers(60, 600),
)  # fmt: skip
PAUSES = st.booleans() | st.builds(
    lambda day: {"until": f"{day}-01-15", "reason": "espera la firma"}, st.sampled_from(["2026", "2031"])
)
TAGS = st.lists(st.sampled_from(["diario", "ñ", "a b", "x"]), max_size=2, unique=True)
FLOWS: Final = {
    "flows/basic.py:basic_flow": st.fixed_dictionaries({}, optional={"message": TEXTS, "extra": VALUES}),
    "flows/orders.py:import_orders": st.fixed_dictionaries(
        {"days": st.integers(0, 9)}, optional={"until": st.sampled_from([None, "2026-12-31"])}
    ),
}

# The flows themselves: their signature changes, and so may their name

BASIC: Final = """from typing import Any
from prefect import flow


@flow{name}
def basic_flow(message: str = {default!r}, extra: Any = None) -> None:
    print(message, extra)
"""
ORDERS: Final = """from datetime import date
from prefect import flow


@flow(name="import-orders")
def import_orders(days: int, until: date | None = None) -> None:
    print(days, until)
"""


@st.composite
def fields_of(draw: st.DrawFn) -> dict[str, Any]:
    """What is said of one deployment."""
    entrypoint = draw(st.sampled_from(sorted(FLOWS)))
    fields = {
        "entrypoint": entrypoint,
        "parameters": draw(FLOWS[entrypoint]),
        "schedules": {
            **{slug: _schedule(*said, entrypoint) for slug, said in draw(SCHEDULES).items()},
            **draw(SHARED_SCHEDULES),
        },
        **draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "description": TEXTS,
                    "tags": TAGS,
                    "work_queue": st.sampled_from(["default", "urgent"]),
                    "job_variables": st.sampled_from(
                        [{"env": {"PYTHONUTF8": "1"}}, {"working_dir": "/srv", "env": {}}]
                    ),
                    "concurrency_limit": LIMITS,
                    "paused": PAUSES,
                    "enforce_parameter_schema": st.booleans(),
                    "source": st.sampled_from(["here", "local"]),
                    "work_pool": st.just("cierre"),
                },
            )
        ),
    }
    if entrypoint.startswith("flows/basic") and draw(st.booleans()):
        fields["flow"] = "basic-flow"
    return fields


def _schedule(timing: Mapping[str, Any], active: Mapping[str, Any], special: bool, entrypoint: str) -> dict[str, Any]:
    """A schedule; `special`: with a parameter of its own, which the flow must take."""
    parameters = {"message": "otro"} if entrypoint.startswith("flows/basic") else {"days": 9}
    return {**timing, **active, **({"parameters": parameters} if special else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One deployment: in which area and environments, and what is said of it, in two layers."""

    area: str
    environments: tuple[str, ...]
    lent: Mapping[str, Any]
    said: Mapping[str, Any]


@st.composite
def declarations(draw: st.DrawFn) -> Declared:
    fields = draw(fields_of())
    lent = draw(st.sets(st.sampled_from(sorted(fields))))
    return Declared(
        area=draw(st.sampled_from(AREAS)),
        environments=draw(st.sampled_from([("prod",), ("prod",), ("dev",), ENVIRONMENTS])),
        lent={name: value for name, value in fields.items() if name in lent},
        said={name: value for name, value in fields.items() if name not in lent},
    )


def declared(names: tuple[str, ...], least: int, most: int) -> st.SearchStrategy[dict[str, Declared]]:
    """Deployments by name. A name stands in one area only, as a name template without the area wants it."""
    return st.dictionaries(st.sampled_from(names), declarations(), min_size=least, max_size=most)


POOL_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "description": TEXTS,
        "concurrency_limit": st.none() | st.integers(0, 4),
        "is_paused": st.booleans(),
        "job_defaults": st.sampled_from([{}, {"env": {"A": "1"}}, {"working_dir": "/srv"}]),
    },
)


@st.composite
def pool_files(draw: st.DrawFn) -> dict[str, Any]:
    numbers = draw(st.sampled_from([(None, None), (1, 2), (2, 1), (None, 1), (3, None)]))
    queues = {
        name: {"priority": number} if number else {} for name, number in zip(("urgent", "ya"), numbers, strict=True)
    }
    return {"type": "process", "queues": queues, **draw(POOL_FIELDS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What a repository says besides its deployments."""

    environments: Mapping[str, Any]
    defaults: Mapping[str, Any]
    area_defaults: Mapping[str, Any]
    pools: Mapping[str, Any]
    noche: Mapping[str, Any]
    basic: str


@st.composite
def rests(draw: st.DrawFn) -> Rest:
    report = {"protect": {"drift": "report"}}
    allowed = {"allow_pools": {area: ["cierre"] for area in AREAS}}
    dev = {
        "name": draw(st.sampled_from(["{name}-dev", "{name}-dev", "{area}.{name}.{environment}"])),
        "work_pool": "pool-dev",
        "inherit_schedules": draw(st.booleans()),
        "defaults": {"tags": ["Dev"]},
        **allowed,
        **draw(st.sampled_from([{}, report])),
    }
    prod = {
        "name": draw(st.sampled_from(["{name}", "{name}", "{area} {name}"])),
        "work_pool": "{area}-prod",
        **allowed,
        **draw(st.sampled_from([{}, {}, report])),
    }
    changing = draw(st.sampled_from(POOLS))
    return Rest(
        environments={"dev": dev, "prod": prod},
        defaults=draw(st.sampled_from([{}, {"description": "De todos."}, {"tags": ["casa"], "paused": False}])),
        area_defaults=draw(st.sampled_from([{}, {"tags": ["compras"]}, {"concurrency_limit": 2}])),
        pools={name: draw(pool_files()) if name == changing else {"type": "process", "queues": {"urgent": {}}} for name in POOLS},
        noche=draw(TIMINGS),
        basic=draw(
            st.sampled_from(
                [BASIC.format(name="", default="Hola")] * 2
                + [BASIC.format(name="", default="Chau"), BASIC.format(name='(name="Otro flow")', default="Hola")]
            )
        ),
    )  # fmt: skip


def files_of(project: str, rest: Rest, names: Mapping[str, Declared], replaces: Mapping[str, str]) -> Files:
    """The repository's files."""
    files: dict[str, Any] = {
        "prefect.yaml": {"name": project, "prefect-version": "3.8.8"},
        "flows/basic.py": rest.basic,
        "flows/orders.py": ORDERS,
        "deployments/environments.yaml": {
            "default_timezone": "America/Argentina/Buenos_Aires",
            "environments": rest.environments,
        },
        "deployments/shared.yaml": {
            "sources": {"here": {"path": "."}, "local": {"path": "C:/Python_Scripts", "read_from": "here"}},
            "schedules": {"noche": rest.noche, "usual-hours": {"cron": "30 1,13,17 * * *"}},
            "defaults": {"source": "here", **rest.defaults},
        },
        **{f"pools/{name}.yaml": said for name, said in rest.pools.items()},
    }
    for area in AREAS:
        here = {name: one for name, one in names.items() if one.area == area}
        lent = {name: dict(one.lent) for name, one in here.items() if one.lent}
        files[f"deployments/{area}/shared.yaml"] = {
            **({"defaults": rest.area_defaults} if area == AREAS[0] else {}),
            **({"deployments": lent} if lent else {}),
        }
        for environment in ENVIRONMENTS:
            entries: dict[str, Any] = {
                name: {**one.said, **({"replaces": replaces[name]} if name in replaces else {})} or None
                for name, one in here.items()
                if environment in one.environments
            }
            if entries:
                files[f"deployments/{area}/{environment}.yaml"] = {"deployments": entries}
    return files


# What operators do

NAMELESS: Final = ["30 1,13,17 * * *", "0 4 * * *"]
"""Timings of schedules without slugs; the first is that of the shared schedule `usual-hours`."""

HOLDS: Final = (("patch", {"paused": True}), ("patch", {"concurrency_limit": 3}), ("switch", False), ("share", 2))
EDITS = st.one_of(
    st.sampled_from(HOLDS),
    st.sampled_from(HOLDS),
    st.just(("patch", {"tags": ["ajena"]})),  # and with that nobody's
    st.tuples(st.just("patch"), st.sampled_from([
        {"paused": False}, {"description": "de la UI"}, {"job_variables": {"env": {"B": "2"}}}, {"work_queue_name": "ya"}, {"work_pool_name": "cierre"},
        {"enforce_parameter_schema": False}, {"version": "1.0"}, {"entrypoint": "flows/basic.py:helper"},
        {"pull_steps": []},
    ])),
    st.tuples(st.just("tag"), st.just("de la UI")),
    st.tuples(st.just("switch"), st.booleans()),
    st.tuples(st.just("retime"), st.just("0 3 * * *")),
    st.tuples(st.just("unschedule"), st.just(None)),
    st.tuples(st.just("schedule"), st.sampled_from(["mía", "noche", "tarde"])),
    st.sampled_from([("redeploy", []), ("redeploy", NAMELESS), ("share", 1), ("share", 3)]),
    st.tuples(st.just("delete"), st.just(None)),
    st.tuples(st.just("pool"), st.sampled_from([{"is_paused": True}, {"concurrency_limit": 9}, {"description": "UI"}])),
    st.tuples(st.just("foreign"), st.sampled_from(NAMES[:5])),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Something an operator does; `which` picks the deployment, or its schedule, or the pool, it is done to.

    `at` is a part of the deployment's name, where chance seldom hits what matters.
    """

    kind: str
    value: Any
    which: int
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that a case is made of. `seed` stands for what is left to chance: orders."""

    before: Files
    other: Files | None
    edits: tuple[Edit, ...]
    after: Files
    options: Mapping[str, Any]
    released: int
    seed: int


@st.composite
def renames(draw: st.DrawFn, first: Mapping[str, Declared]) -> dict[str, tuple[str, Declared]]:
    """Some of what there was under another name, mostly as it was, and now and then in another area."""
    found = {}
    for old, new in zip(sorted(first), draw(st.permutations(NAMES[5:])), strict=False):
        if draw(st.integers(0, 2)) == 0:
            kept = first[old] if draw(st.integers(0, 2)) else draw(declarations())
            area = kept.area if draw(st.booleans()) else draw(st.sampled_from(AREAS))
            found[new] = old, replace(kept, area=area)
    return found


PRUNE: Final = {"prune": True, "max_deletes": 99, "allow_empty": [*AREAS]}
SELECTIONS: Final[tuple[dict[str, list[str]], ...]] = (
    {},
    {},
    {},
    {"env": ["prod"]},
    {"area": ["compras"]},
    {"area": ["ventas"], "env": ["dev", "prod"]},
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    first = draw(declared(NAMES[:5], 1, 4))
    rest = draw(rests())
    later = draw(st.just(rest) | rests())
    renamed = draw(renames(first))
    changed = draw(declared(NAMES[:6], 0, 2))
    gone = {old for old, _ in renamed.values()} | draw(st.sets(st.sampled_from(NAMES[:5]), max_size=1))
    after = {name: one for name, one in {**first, **changed}.items() if name not in gone}
    after |= {new: one for new, (_, one) in renamed.items()}
    replaces = {new: old for new, (old, _) in renamed.items() if draw(st.integers(0, 3))}
    if draw(st.booleans()):  # one that is long done
        replaces |= {name: "Nunca existió" for name in sorted(after)[:1] if name not in replaces}
    other = draw(st.none() | declared(NAMES[3:], 1, 3))
    edits = st.builds(lambda edit, which: Edit(kind=edit[0], value=edit[1], which=which), EDITS, st.integers(0, 9))
    aimed = [Edit(kind="share", value=5, which=0, at=name) for name in sorted(gone)[:1]]
    aimed += [Edit(kind="redeploy", value=NAMELESS, which=0, at=name) for name in sorted(first.keys() - gone)[:1]]
    aimed = draw(st.lists(st.sampled_from(aimed), max_size=2, unique_by=lambda edit: edit.kind)) if aimed else []
    return World(
        before=files_of(PROJECT, rest, first, {}),
        other=None if other is None else files_of(OTHER, rest, other, {}),
        edits=(*aimed, *draw(st.lists(edits, min_size=0 if aimed else 1, max_size=5))),
        after=files_of(PROJECT, later, after, replaces),
        options={**draw(st.sampled_from([{}, PRUNE])), **draw(st.sampled_from(SELECTIONS))},
        released=draw(st.sampled_from([0, 0, 1, 3])),
        seed=draw(st.integers(0, 2**16)),
    )


# The files on a disk


def write_files(root: Path, files: Files, chance: random.Random | None = None) -> None:
    """Write a repository; with `chance`, its files and the keys of each in another order, and in another style."""
    names = list(files)
    if chance is not None:
        chance.shuffle(names)
    for name in names:
        path, content = root / name, files[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else yaml_of(content, chance)
        path.write_text(text, encoding="utf-8", newline="\n")


def yaml_of(data: Any, chance: random.Random | None = None) -> str:
    flow = None if chance is None else chance.choice([None, False, True])
    mixed = data if chance is None else shuffled(data, chance)
    return yaml.dump(mixed, Dumper=_Plain, allow_unicode=True, sort_keys=False, width=10**6, default_flow_style=flow)


class _Plain(yaml.SafeDumper):
    """Without anchors, which a person would not write."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same value, the keys of its mappings in another order at every depth."""
    if isinstance(value, Mapping):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(item, chance) for item in value] if isinstance(value, list | tuple) else value

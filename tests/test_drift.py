"""`import --drift`: a change on the server becomes the edit of one line, at its layer, and of nothing else."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.tool import write_tree

from reconcile.commands.drifting import Harvest, harvest
from reconcile.commands.session import Files, Observation, declared_here, read_files
from reconcile.fingerprint import write_version
from reconcile.gateway.target import Target
from reconcile.model import NO_COMMIT, ConcurrencyLimit, Cron, Deployment, Schedule, State
from reconcile.moving.edits import GONE, Sheet, UneditableError, cut, put
from reconcile.plan import Plan

FILES: Final = {
    "prefect.yaml": """
        name: casa
        prefect-version: 3.8.8
        """,
    "flows/basic.py": """
        from prefect import flow


        @flow
        def basic_flow(message: str = "Hola", veces: int = 1) -> None:
            print(message, veces)
        """,
    "pools/una.yaml": "type: process\n",
    "pools/otra.yaml": "type: process\n",
    "deployments/environments.yaml": """
        default_timezone: America/Argentina/Buenos_Aires
        environments:
          dev: {name: "{name}-dev", work_pool: una, allow_pools: {ventas: [otra]}}
          prod: {name: "{name}", work_pool: una, allow_pools: {ventas: [otra]}}
        """,
    "deployments/shared.yaml": """
        sources:
          here: {path: .}
        schedules:
          noche: {cron: "55 23 * * *"}  # después del cierre
          sola: {cron: "0 5 * * *"}  # de uno solo
        defaults:
          source: here
          entrypoint: flows/basic.py:basic_flow
        """,
    "deployments/ventas/shared.yaml": """
        deployments:
          Prestado:
            parameters: {message: de todos}  # para dev y prod
            description: La de todos.
        """,
    "deployments/ventas/dev.yaml": """
        deployments:
          Prestado:
        """,
    "deployments/ventas/prod.yaml": """
        # Lo de ventas.
        defaults:
          tags: [ventas]
        deployments:
          Prestado:  # lo de la nota 4
            schedules:
              noche: {}
              sola: {}
          # El diario:
          Diario:
            description: 'Saluda'  # corto
            parameters: {message: hola, veces: 2}  # dos veces
            schedules:
              cada-hora: {cron: "0 * * * *", active: true}  # sin feriados
              tarde:
                cron: "0 17 * * *"
                # en verano
                parameters:
                  veces: 3
            tags:
              - uno  # el primero
              - dos
            job_variables:
              env:
                A: "1"  # la a
                B: "2"
            paused: false

          Otro: {schedules: {noche: {}}}
        """,
}

Change = Callable[[Deployment], Deployment]


def changed(root: Path, name: str, change: Change) -> Harvest:
    """What is proposed where everything stands as it was applied, but for one change."""
    return all_changed(root, {name: change})


def all_changed(root: Path, changes: Mapping[str, Change]) -> Harvest:
    """What is proposed where everything stands as it was applied, but for these changes, by declared name."""
    files = read_files(root)
    wanted = declared_here(files)
    assert not wanted.problems, wanted.problems
    standing = {}
    for key, one in wanted.state.deployments.items():
        schedules = tuple(
            replace(each, id=each.slug, active=True if each.active is None else each.active) for each in one.schedules
        )
        seen = replace(one, version=write_version(one, NO_COMMIT), schedules=schedules, paused=bool(one.paused), id=key)
        standing[key] = changes[name](seen) if (name := key.partition("/")[2]) in changes else seen
    observation = Observation(
        plan=Plan(target=""), observed=State(deployments=standing), target=Target(url=None, origin=""), files=files,
        reads=0, wanted=wanted,
    )  # fmt: skip
    return harvest(root, observation, wanted.state.deployments, is_here=True)


def schedule_changed(slug: str, **fields: Any) -> Change:
    def change(one: Deployment) -> Deployment:
        return replace(
            one, schedules=tuple(replace(each, **fields) if each.slug == slug else each for each in one.schedules)
        )

    return change


def without(slug: str) -> Change:
    return lambda one: replace(one, schedules=tuple(each for each in one.schedules if each.slug != slug))


def cron(text: str, zone: str = "America/Argentina/Buenos_Aires") -> Cron:
    return Cron(cron=text, timezone=zone)


NEW: Final = Schedule(slug=None, timing=cron("30 8 * * 1-5"), active=True, id="x")
PROD: Final = "deployments/ventas/prod.yaml"

CASES: Final[dict[str, tuple[str, Change, str, list[str], list[str]]]] = {
    "description": (
        "Diario", lambda one: replace(one, description="Otra: cosa"), PROD,
        ["    description: 'Saluda'  # corto"], ['    description: "Otra: cosa"  # corto'],
    ),
    "description gone": (
        "Diario", lambda one: replace(one, description=None), PROD, ["    description: 'Saluda'  # corto"], [],
    ),
    "parameter": (
        "Diario", lambda one: replace(one, parameters={"message": "chau", "veces": 2}), PROD,
        ["    parameters: {message: hola, veces: 2}  # dos veces"],
        ["    parameters: {message: chau, veces: 2}  # dos veces"],
    ),
    "parameter gone": (
        "Diario", lambda one: replace(one, parameters={"message": "hola"}), PROD,
        ["    parameters: {message: hola, veces: 2}  # dos veces"],
        ["    parameters: {message: hola}  # dos veces"],
    ),
    "lent to two, so said by the entry": (
        "Prestado", lambda one: replace(one, parameters={"message": "mío"}), PROD,
        [], ["    parameters: {message: mío}"],
    ),
    "lent to two, gone": (
        "Prestado", lambda one: replace(one, description=None), PROD, [], ["    description: null"],
    ),
    "a shared schedule of one": (
        "Prestado", schedule_changed("sola", timing=cron("0 6 * * *")), "deployments/shared.yaml",
        ['  sola: {cron: "0 5 * * *"}  # de uno solo'], ['  sola: {cron: "0 6 * * *"}  # de uno solo'],
    ),
    "a shared schedule of two": (
        "Otro", schedule_changed("noche", timing=cron("0 22 * * *")), PROD,
        ["  Otro: {schedules: {noche: {}}}"], ['  Otro: {schedules: {noche: {cron: "0 22 * * *"}}}'],
    ),
    "the zone of a schedule": (
        "Diario", schedule_changed("tarde", timing=cron("0 17 * * *", "America/Santiago")), PROD,
        [], ["        timezone: America/Santiago"],
    ),
    "a schedule switched off": (
        "Diario", schedule_changed("cada-hora", active=False), PROD,
        ['      cada-hora: {cron: "0 * * * *", active: true}  # sin feriados'],
        ['      cada-hora: {cron: "0 * * * *", active: false}  # sin feriados'],
    ),
    "a schedule's parameters gone": (
        "Diario", schedule_changed("tarde", parameters={}), PROD, ["        parameters:", "          veces: 3"], [],
    ),
    "a schedule deleted": (
        "Diario", without("cada-hora"), PROD,
        ['      cada-hora: {cron: "0 * * * *", active: true}  # sin feriados'], [],
    ),
    "a schedule made": (
        "Diario", lambda one: replace(one, schedules=(*one.schedules, NEW)), PROD,
        [], ['      weekdays-08-30: {cron: "30 8 * * 1-5"}'],
    ),
    "tags": (
        "Diario", lambda one: replace(one, tags=("ventas", "dos", "tres")), PROD,
        ["      - uno  # el primero"], ["      - tres"],
    ),
    "job variables": (
        "Diario", lambda one: replace(one, job_variables={"env": {"A": "9", "B": "2", "C": "3"}}), PROD,
        ['        A: "1"  # la a'], ['        A: "9"  # la a', '        C: "3"'],
    ),
    "pool": (
        "Otro", lambda one: replace(one, work_pool="otra"), PROD,
        ["  Otro: {schedules: {noche: {}}}"], ["  Otro: {schedules: {noche: {}}, work_pool: otra}"],
    ),
    "paused": ("Diario", lambda one: replace(one, paused=True), PROD, ["    paused: false"], ["    paused: true"]),
    "strict no more": (
        "Diario", lambda one: replace(one, enforce_parameter_schema=False), PROD,
        [], ["    enforce_parameter_schema: false"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_change_is_the_edit_of_its_line(case: str, tmp_path: Path) -> None:
    name, change, file, gone, come = CASES[case]
    root = write_tree(tmp_path, FILES)
    found = changed(root, name, change)
    assert found.left == []
    assert list(found.texts) == [file]
    before, after = (root / file).read_text(encoding="utf-8").splitlines(), found.texts[file].splitlines()
    assert [line for line in before if line not in after] == gone
    assert [line for line in after if line not in before] == come
    assert [line for line in after if line not in come] == [line for line in before if line not in gone]


def test_what_a_lower_layer_says_too_is_unset(tmp_path: Path) -> None:
    text = FILES[PROD].replace("Prestado:  # lo de la nota 4", "Prestado:\n" + " " * 12 + "description: La de prod.")
    root = write_tree(tmp_path, {**FILES, PROD: text})
    found = changed(root, "Prestado", lambda one: replace(one, description=None))
    assert found.left == []
    assert "    description: null\n" in found.texts[PROD]


def test_two_that_change_a_shared_schedule_say_it_themselves(tmp_path: Path) -> None:
    change = schedule_changed("noche", timing=cron("0 22 * * *"))
    found = all_changed(write_tree(tmp_path, FILES), {"Prestado": change, "Otro": change})
    assert found.left == []
    assert list(found.texts) == [PROD]
    assert found.texts[PROD].count('noche: {cron: "0 22 * * *"}') == 2


def test_what_would_be_wrong_is_left_and_all_else_is_taken(tmp_path: Path) -> None:
    changes: dict[str, Change] = {
        "Diario": lambda one: replace(one, work_pool="no-hay", description="Otra"),
        "Otro": lambda one: replace(one, description="Otra", tags=("otra",)),
        "Prestado": lambda one: replace(one, work_pool="otra"),
    }
    found = all_changed(write_tree(tmp_path, FILES), changes)
    assert [(key, name) for key, name, _ in found.left] == [
        ("basic-flow/Diario", "work_pool"),
        ("basic-flow/Otro", "tags"),
    ]
    assert "no-hay" in found.left[0][2]
    taken = [(one.key.partition("/")[2], one.name) for one in found.taken]
    assert taken == [("Diario", "description"), ("Otro", "description"), ("Prestado", "work_pool")]


def test_many_changes_are_tried_out_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"Carga {number}" for number in range(60)]
    text = "deployments:\n" + "".join(f"  {name}:  # la suya\n    tags: [uno]\n" for name in names)
    root = write_tree(tmp_path, {**FILES, PROD: text})
    read: list[Path] = []

    def counted(folder: Path) -> Files:
        read.append(folder)
        return read_files(folder)

    monkeypatch.setattr("reconcile.commands.staging.read_files", counted)
    change: Change = lambda one: replace(one, description="Otra", tags=("dos",))  # noqa: E731 # as the cases have it
    found = all_changed(root, dict.fromkeys(names, change))
    assert found.left == []
    assert found.texts[PROD].count("  # la suya\n    tags: [dos]\n    description: Otra\n") == 60
    assert len(read) <= 3


EDITS: Final[tuple[tuple[tuple[str, ...], Any], ...]] = (
    (("deployments", "Diario", "description"), "Otra"),
    (("deployments", "Diario", "tags"), ["dos", "tres"]),
    (("deployments", "Otro", "schedules", "noche", "cron"), "0 1 * * *"),
    (("deployments", "Diario", "schedules", "tarde", "parameters", "veces"), GONE),
    (("defaults", "tags"), ["ventas", "más"]),
    (("deployments", "Prestado", "paused"), True),
    (("deployments", "Diario", "schedules", "cada-hora"), GONE),
    (("deployments", "Diario", "schedules", "tarde"), GONE),
    (("deployments", "Otro", "schedules"), GONE),
    (("deployments", "Nuevo", "description"), "Uno más"),
    (("deployments", "Nuevo", "paused"), False),
    (("deployments", "Otro", "no-hay"), GONE),
)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("indented", [True, False])
def test_many_edits_of_a_file_are_those_edits_one_after_another(ending: str, indented: bool) -> None:
    text = textwrap.dedent(FILES[PROD]).lstrip("\n").replace("\n", ending)
    text = text if indented else "deployments: {Diario: {tags: [uno]}, Otro: {schedules: {noche: {}}}, Prestado: {}}\n"
    sheet = Sheet(text)
    for path, value in EDITS:
        try:
            text = cut(text, path) if value is GONE else put(text, path, value)
        except UneditableError:
            with pytest.raises(UneditableError):
                sheet.cut(path)
            continue
        copy = sheet.copied()
        sheet.cut(path) if value is GONE else sheet.put(path, value)
        assert sheet.whole() == text, path
        assert copy.whole() != text, path


def test_nothing_changed_is_nothing_to_write(tmp_path: Path) -> None:
    found = changed(write_tree(tmp_path, FILES), "Diario", lambda one: one)
    assert (found.texts, found.left) == ({}, [])


def test_an_operators_hold_stays_a_hold(tmp_path: Path) -> None:
    found = changed(
        write_tree(tmp_path, FILES),
        "Otro",
        lambda one: replace(one, paused=True, concurrency_limit=ConcurrencyLimit(limit=3)),
    )
    assert (found.texts, found.left) == ({}, [])


def test_what_no_line_says_is_told(tmp_path: Path) -> None:
    step = {"prefect.deployments.steps.set_working_directory": {"directory": "/otra"}}
    found = changed(write_tree(tmp_path, FILES), "Otro", lambda one: replace(one, pull_steps=(step,)))
    assert found.texts == {}
    assert [(key, name) for key, name, _ in found.left] == [("basic-flow/Otro", "pull_steps")]


def test_a_tag_that_the_defaults_give_is_no_entrys_to_unsay(tmp_path: Path) -> None:
    found = changed(write_tree(tmp_path, FILES), "Otro", lambda one: replace(one, tags=("otra",)))
    assert found.texts == {}
    assert [(key, name) for key, name, _ in found.left] == [("basic-flow/Otro", "tags")]


def test_what_an_alias_says_is_left(tmp_path: Path) -> None:
    text = (
        FILES[PROD]
        .replace("'Saluda'  # corto", "&uno Saluda")
        .replace("Otro: {schedules", "Otro: {description: *uno, schedules")
    )
    found = changed(
        write_tree(tmp_path, {**FILES, PROD: text}), "Otro", lambda one: replace(one, description="Distinta")
    )
    assert found.texts == {}
    assert "alias" in found.left[0][2]


def test_line_ends_of_windows_stay(tmp_path: Path) -> None:
    root = write_tree(tmp_path, FILES)
    path = root / PROD
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    found = changed(root, "Diario", lambda one: replace(one, enforce_parameter_schema=False, description=None))
    assert found.texts[PROD].count("\r\n") == found.texts[PROD].count("\n") > 10


def test_a_secret_is_never_written(tmp_path: Path) -> None:
    found = changed(
        write_tree(tmp_path, FILES),
        "Otro",
        lambda one: replace(one, job_variables={"env": {"API_TOKEN": "ghp_0123456789abcdefghijABCDEFGHIJ012345"}}),
    )
    assert found.texts == {}
    assert "looks like a secret" in found.left[0][2]

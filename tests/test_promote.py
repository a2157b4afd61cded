"""`promote AREA FROM TO`: the edit that makes one environment's file say what the other's says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.tool import write_tree
from test_drift import FILES

from reconcile.cli import main

DEV: Final = """
    deployments:
      Prestado: {parameters: {message: nuevo}, tags: [probado]}
      Nuevo:
        entrypoint: flows/basic.py:basic_flow
        description: Recién probado.
        work_pool: otra
        schedules:
          noche: {}
          propia: {cron: "0 3 * * *", parameters: {veces: 5}}
    """
PROD: Final = """
    # Lo de producción.
    deployments:
      Prestado:  # lo de la nota 4
        description: La de todos, en prod.  # se va
        parameters: {message: viejo}  # el mensaje
        work_pool: otra
      Viejo: {entrypoint: flows/basic.py:basic_flow}
    """
RULES: Final = """
    default_timezone: America/Argentina/Buenos_Aires
    environments:
      dev: {name: "{name}-dev", work_pool: una, allow_pools: {ventas: [otra]}, defaults: {tags: [Dev]}}
      prod: {name: "{name}", work_pool: una, allow_pools: {ventas: [otra]}, defaults: {tags: [Prod]}}
    """


def tree(root: Path, rules: str = RULES, **more: str) -> Path:
    files = {
        **FILES,
        "deployments/environments.yaml": rules,
        "deployments/ventas/dev.yaml": DEV,
        "deployments/ventas/prod.yaml": PROD,
    }
    return write_tree(root, {**files, **more})


def promote(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> Any:
    code = main(["promote", *arguments, "--root", str(root), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0, document
    return document


def test_prod_says_what_dev_says_and_keeps_its_pools_names_and_comments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path)
    document = promote(capsys, root, "ventas", "dev", "prod", "--yes")
    assert document["written"]
    assert (root / "deployments/ventas/prod.yaml").read_text(encoding="utf-8").splitlines() == [
        "# Lo de producción.",
        "deployments:",
        "  Prestado:  # lo de la nota 4",
        "    parameters: {message: nuevo}  # el mensaje",
        "    work_pool: otra",
        "    tags: [probado]",
        "  Viejo: {entrypoint: flows/basic.py:basic_flow}",
        '  "Nuevo":',
        "    description: Recién probado.",
        "    schedules:",
        "      noche: {}",
        '      propia: {cron: "0 3 * * *", parameters: {veces: 5}}',
    ]
    assert document["changed"] == ["Prestado", "Nuevo"]
    assert "Viejo" in [note["key"] for note in document["notes"]]


def test_promoting_twice_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tree(tmp_path)
    promote(capsys, root, "ventas", "dev", "prod", "--yes")
    assert promote(capsys, root, "ventas", "dev", "prod", "--yes")["files"] == []


def test_without_a_yes_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tree(tmp_path)
    before = (root / "deployments/ventas/prod.yaml").read_bytes()
    assert promote(capsys, root, "ventas", "dev", "prod")["files"]
    assert (root / "deployments/ventas/prod.yaml").read_bytes() == before


def test_only_what_is_picked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert promote(capsys, tree(tmp_path), "ventas", "dev", "prod", "--only", "Pre*")["changed"] == ["Prestado"]


def test_schedules_that_dev_does_not_inherit_stay_in_prod(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = """
        deployments:
          Prestado:
            entrypoint: flows/basic.py:basic_flow
            schedules: {noche: {}}
        """
    files = {"deployments/ventas/shared.yaml": shared, "deployments/ventas/dev.yaml": "deployments:\n  Prestado:\n"}
    files["deployments/ventas/prod.yaml"] = "deployments:\n  Prestado:\n"
    root = tree(tmp_path, RULES.replace("dev: {", "dev: {inherit_schedules: false, "), **files)
    assert promote(capsys, root, "ventas", "dev", "prod")["files"] == []
    assert promote(capsys, root, "ventas", "prod", "dev")["files"] == []


def test_what_an_environment_gives_all_its_deployments_stays_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = RULES.replace("{tags: [Prod]}", "{tags: [Prod], watchdog: {late: 4h}}").replace("{tags: [Dev]}", "{}")
    dev = """
        defaults: {description: La del archivo.}
        deployments:
          Prestado: {work_queue: urgente}
          Nuevo:
        """
    prod = """
        defaults: {job_variables: {env: {A: "1"}}}
        deployments:
          Prestado: {work_pool: otra}
          Nuevo:
        """
    shared = "deployments: {Nuevo: {watchdog: {running: 2h}}}\n"
    files = {
        f"deployments/ventas/{name}.yaml": text for name, text in (("dev", dev), ("prod", prod), ("shared", shared))
    }
    files["pools/una.yaml"] = "type: process\nqueues: {urgente: {priority: 1}}\n"
    root = tree(tmp_path, rules, **files)
    forth = promote(capsys, root, "ventas", "dev", "prod")
    assert [file["text"].splitlines() for file in forth["files"]] == [
        [
            'defaults: {job_variables: {env: {A: "1"}}}',
            "deployments:",
            "  Prestado: {work_pool: otra, description: La del archivo.}",
            "  Nuevo:",
            "    description: La del archivo.",
        ]
    ]
    back = promote(capsys, root, "ventas", "prod", "dev")
    assert [file["text"].count("env: {A:") for file in back["files"]] == [2]
    assert "watchdog" not in back["files"][0]["text"]
    assert "urgente" in back["files"][0]["text"]


def test_what_would_be_wrong_there_is_left_and_all_else_promoted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = """
        deployments:
          Prestado: {parameters: {message: nuevo}}
          Diario: {entrypoint: flows/basic.py:basic_flow, source: solo}
        variables: {una: {value: 1}}
        """
    rules = RULES.replace("dev: {", "dev: {sources: {solo: {path: .}}, ")
    document = promote(
        capsys, tree(tmp_path, rules, **{"deployments/ventas/dev.yaml": dev}), "ventas", "dev", "prod", "--yes"
    )
    assert document["changed"] == ["Prestado"]
    notes = {note["key"]: note["message"] for note in document["notes"]}
    assert "would be wrong" in notes["Diario"]
    assert "variables" in notes["deployments/ventas/dev.yaml"]


def test_a_glob_that_matches_nothing_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["promote", "ventas", "dev", "prod", "--only", "Nada*", "--root", str(tree(tmp_path)), "--json"]
    assert main(arguments) == 64
    assert "Nada*" in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.parametrize("arguments", [("nada", "dev", "prod"), ("ventas", "dev", "test"), ("ventas", "dev", "dev")])
def test_wrong_names_are_wrong_usage(
    arguments: tuple[str, str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["promote", *arguments, "--root", str(tree(tmp_path)), "--json"]) == 64
    assert json.loads(capsys.readouterr().out)["error"]["hint"]

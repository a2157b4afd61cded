"""`export` without servers: what its file says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from end_to_end.tool import write_tree
from test_drift import FILES

from reconcile.cli import main

STEPS: Final = """
    deployments:
      Con pasos:
        entrypoint: flows/basic.py:basic_flow
        build: [{json.loads: {id: edicion, s: "7"}}]
        push: [{json.loads: {id: publicado, s: "{{ edicion.numero }}"}}]
        pull:
          - prefect.deployments.steps.set_working_directory: {id: casa, directory: /srv}
          - prefect.deployments.steps.pip_install_requirements:
              {directory: "{{ casa.directory }}", requirements_file: "{{ edicion.nombre }}"}
        job_variables: {env: {A: "{{ edicion.numero }}", B: "v{{ edicion.numero }} {{ prefect.variables.x }}"}}
      Sin pasos:
        entrypoint: flows/basic.py:basic_flow
        parameters: {message: "{{ edicion.numero }}"}
    """


def exported(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str, code: int = 0) -> Any:
    assert main(["export", *arguments, "--root", str(root), "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_what_steps_give_is_filled_in_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_tree(tmp_path, {**FILES, "deployments/ventas/prod.yaml": STEPS})
    document = exported(capsys, root, "--env", "prod")
    data = yaml.safe_load(document["files"][0]["text"])
    literal = data["build"][0]
    values = json.loads(literal["json.loads"]["s"])
    by_name = {one["name"]: one for one in data["deployments"]}
    one = by_name["Con pasos"]
    assert one["build"] == [literal, {"json.loads": {"id": "edicion", "s": "7"}}]
    assert one["push"] == [{"json.loads": {"id": "publicado", "s": "{{ edicion.numero }}"}}]
    env = one["work_pool"]["job_variables"]["env"]
    assert env["A"] == "{{ edicion.numero }}"
    head, _, name = env["B"].removesuffix(" }}").partition(" {{ literal.")
    assert (head, values[name]) == ("v{{ edicion.numero }}", "{{ prefect.variables.x }}")
    pip = one["pull"][1]["prefect.deployments.steps.pip_install_requirements"]
    assert pip["requirements_file"] == "{{ edicion.nombre }}"
    assert values[pip["directory"].removeprefix("{{ literal.").removesuffix(" }}")] == "{{ casa.directory }}"
    other = by_name["Sin pasos"]["parameters"]["message"]
    assert values[other.removeprefix("{{ literal.").removesuffix(" }}")] == "{{ edicion.numero }}"


def test_wrong_usage_is_told_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_tree(tmp_path / "repository", FILES)
    before = (root / "prefect.yaml").read_bytes()
    file = root / "prefect.yaml"
    for arguments, said in (
        (["--only", "Nada"], "'Nada'"),
        (["--out", str(file), "--yes"], "takes a folder"),
        (["--out", str(root), "--yes"], "would be lost"),
    ):
        assert said in exported(capsys, root, *arguments, code=64)["error"]["message"]
    assert file.read_bytes() == before


def test_what_somebody_has_is_written_over_only_with_a_yes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = (
        write_tree(tmp_path / "repository", FILES),
        write_tree(tmp_path / "out", {"prefect.yaml": "name: otra\n"}),
    )
    assert not exported(capsys, root, "--out", str(out))["written"]
    assert (out / "prefect.yaml").read_text(encoding="utf-8") == "name: otra\n"
    document = exported(capsys, root, "--out", str(out), "--yes")
    assert document["written"]
    for file in document["files"]:
        assert (out / file["path"]).read_bytes() == file["text"].encode("utf-8")
    assert exported(capsys, root, "--out", str(out))["written"]

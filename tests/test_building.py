"""What build steps give, in the fields of a deployment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconcile.building import Recipe, as_last_built, recipe_of, with_outputs
from reconcile.model import Deployment

RECIPE = Recipe(build=({"pkg.build": {"id": "imagen"}},), push=({"pkg.push": {}},))
DECLARED = Deployment(
    flow="f",
    name="n",
    entrypoint="a.py:f",
    tags=("v{{ imagen.tag }}",),
    parameters={"n": "{{ imagen.numero }}", "otro": "{{ prefect.variables.x }}", "quieto": ["{{ tag }}", 1]},
    job_variables={"image": "{{ imagen.image }}", "env": {"A": "{{ $A }}"}},
    pull_steps=(
        {"prefect.deployments.steps.git_clone": {"id": "clon", "repository": "r"}},
        {"pkg.pull": {"a": "{{ clon.directory }}", "b": "{{ imagen.tag }}", "c": "{{ suelto }}"}},
    ),
)
OUTPUTS: dict[str, Any] = {"imagen": {"tag": "7", "numero": 3, "image": "x:7"}, "tag": "7"}


def test_outputs_take_their_places_and_other_templates_stay() -> None:
    found = with_outputs(DECLARED, RECIPE, OUTPUTS)
    assert found.missing == {}
    assert found.deployment.tags == ("v7",)
    assert found.deployment.parameters == {"n": 3, "otro": "{{ prefect.variables.x }}", "quieto": ["7", 1]}
    assert found.deployment.job_variables == {"image": "x:7", "env": {"A": "{{ $A }}"}}
    inputs = found.deployment.pull_steps[1]["pkg.pull"]
    assert inputs == {"a": "{{ clon.directory }}", "b": "7", "c": "{{ suelto }}"}


def test_what_no_step_gave_is_missing() -> None:
    found = with_outputs(DECLARED, RECIPE, {"imagen": {"tag": "7"}})
    assert set(found.missing) == {"parameters.n", "parameters.quieto.0", "job_variables.image"}


def test_without_a_build_what_stands_stays() -> None:
    standing = with_outputs(DECLARED, RECIPE, OUTPUTS).deployment
    found = as_last_built(DECLARED, standing, RECIPE)
    assert (found.deployment, found.missing) == (standing, {})
    changed = replace(DECLARED, entrypoint="b.py:f")
    assert as_last_built(changed, standing, RECIPE).deployment == replace(standing, entrypoint="b.py:f")


def test_what_was_never_built_is_missing() -> None:
    assert "job_variables.image" in as_last_built(DECLARED, None, RECIPE).missing


def test_an_entry_without_steps_has_no_recipe() -> None:
    assert recipe_of({"build": [], "push": None}) is None
    assert recipe_of({"push": [{"a.b": None}]}) == Recipe(push=({"a.b": None},))

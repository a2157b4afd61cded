"""Prefect's own steps, their names and inputs, are those that are known here."""

from __future__ import annotations

import inspect

import pytest
from prefect.deployments import steps
from prefect.deployments.steps import pull, utility

from reconcile.pull import STEPS, step_faults

pytestmark = pytest.mark.contract


def test_the_steps_are_those_of_prefect() -> None:
    found = {f"prefect.deployments.steps.{name}" for name in vars(steps) if callable(getattr(steps, name))}
    assert found - {"prefect.deployments.steps.run_step"} == set(STEPS)


@pytest.mark.parametrize("name", STEPS)
def test_the_inputs_are_those_of_prefect(name: str) -> None:
    short = name.rpartition(".")[2]
    parameters = inspect.signature(getattr(pull, short, None) or getattr(utility, short)).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        assert STEPS[name] == frozenset()
    else:
        assert STEPS[name] == {one.name for one in parameters}


def test_a_misspelled_step_and_input_are_named_and_the_right_one_proposed() -> None:
    given: list[dict[str, dict[str, str]]] = [
        {"prefect.deployments.steps.git_clone": {"repositori": "x"}},
        {"prefect.deployments.steps.git_clon": {}},
    ]
    found = {(fault.code, fault.at): fault.hint for fault in step_faults(given, "pull")}
    assert "repository" in found["step-input-unknown", ("pull", 0, "prefect.deployments.steps.git_clone", "repositori")]
    assert ("step-input-missing", ("pull", 0, "prefect.deployments.steps.git_clone")) in found
    assert "git_clone" in found["step-unknown", ("pull", 1, "prefect.deployments.steps.git_clon")]
    assert list(step_faults([{"mi_paquete.pasos.buscar": {"x": 1}}], "pull")) == []

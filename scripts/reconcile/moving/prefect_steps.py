"""Steps of a prefect.yaml: their shapes, the names they had in Prefect 2, and which of the three lists holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconcile.problem import Fault, Severity

Steps = list[dict[str, Any]]

_OLD: Final = (
    ("prefect.projects.steps.git_clone_project", "prefect.deployments.steps.git_clone"),
    ("prefect.deployments.steps.git_clone_project", "prefect.deployments.steps.git_clone"),
    ("prefect.projects.steps.", "prefect.deployments.steps."),
    ("prefect_docker.projects.steps.", "prefect_docker.deployments.steps."),
    ("prefect_aws.projects.steps.", "prefect_aws.deployments.steps."),
    ("prefect_gcp.projects.steps.", "prefect_gcp.deployments.steps."),
    ("prefect_azure.projects.steps.", "prefect_azure.deployments.steps."),
)
"""Names of Prefect 2, longest first, and what they became."""

DOCKER_BUILDS: Final = frozenset({"prefect_docker.deployments.steps.build_docker_image"})


def steps_of(value: Any) -> tuple[Steps | None, tuple[Fault, ...]]:
    """The steps that a list, one step, or nothing at all (None) says, and what is wrong or old about them."""
    if value is None or value == {}:
        return None, ()
    given = [value] if isinstance(value, Mapping) else value
    if not isinstance(given, list):
        return None, (_not_steps(()),)
    steps: Steps = []
    faults: list[Fault] = []
    for index, step in enumerate(given):
        at = (index,) if isinstance(value, list) else ()
        if not isinstance(step, Mapping):
            faults.append(_not_steps(at))
            continue
        if len(step) != 1:
            faults.append(_many_keys(step, at))
            continue
        name, inputs = next(iter(step.items()))
        if inputs is not None and not isinstance(inputs, Mapping):
            faults.append(_not_inputs(str(name), (*at, name)))
            continue
        new = _renamed(str(name))
        if new != name:
            faults.append(_old_name(str(name), new, (*at, name)))
        steps.append({new: dict(inputs or {})})
    return steps, tuple(faults)


def step_ids(*lists: Steps | None) -> frozenset[str]:
    """The ids under which the outputs of steps can be named."""
    return frozenset(
        str(inputs["id"]) for steps in lists for step in steps or () for inputs in step.values() if inputs.get("id")
    )


def builds_an_image(steps: Steps | None) -> Mapping[str, Any] | None:
    """The inputs of the step that builds an image, by which Prefect makes up pull steps where there are none."""
    return next((inputs for step in steps or () for name, inputs in step.items() if name in DOCKER_BUILDS), None)


def _renamed(name: str) -> str:
    return next((new + name.removeprefix(old) for old, new in _OLD if name.startswith(old)), name)


def _old_name(name: str, new: str, at: tuple[Any, ...]) -> Fault:
    return Fault(
        code="step-renamed",
        message=f"{name} is of Prefect 2, which Prefect 3 does not find: it is written as {new}.",
        hint="",
        at=at,
        on_key=True,
        severity=Severity.WARNING,
    )


def _many_keys(step: Mapping[str, Any], at: tuple[Any, ...]) -> Fault:
    names = " and ".join(map(repr, list(step)[:3])) or "none"
    return Fault(
        code="step-invalid",
        message=f"A step has one key, its function, and this has {names}: Prefect refuses to run it.",
        hint="Indent the inputs below the function's name.",
        at=at,
    )


def _not_inputs(name: str, at: tuple[Any, ...]) -> Fault:
    return Fault(
        code="step-invalid",
        message=f"What {name} is given must be a mapping of its inputs.",
        hint="Write each input below it, as `name: value`.",
        at=at,
    )


def _not_steps(at: tuple[Any, ...]) -> Fault:
    message = "Steps are a list, each of them the dotted name of a function and its inputs."
    return Fault(code="step-invalid", message=message, hint="Write `- package.module.function: {…}`.", at=at)

"""What a plan shows: values as they are written, not in the form in which they are compared, and what it leaves."""

from __future__ import annotations

from typing import Any

import builders as a
import pytest

from reconcile.diff import difference
from reconcile.model import Deployment, State, WorkQueue
from reconcile.plan import FieldChange, Plan
from reconcile.policy import token_warnings
from reconcile.pull import GIT_CLONE, SET_WORKING_DIRECTORY, GitSource, pull_steps
from reconcile.render.text import plan_lines
from reconcile.resolve import nearest


def folder(directory: str) -> dict[str, Any]:
    return {SET_WORKING_DIRECTORY: {"directory": directory}}


def clone(branch: str) -> dict[str, Any]:
    return {GIT_CLONE: {"repository": "https://host.example/a.git", "branch": branch}}


def only(deployment: Deployment) -> State:
    return State(deployments={deployment.key.name: deployment})


def changed(standing: Deployment, declared: Deployment) -> list[FieldChange]:
    desired = only(declared)
    found = difference(desired, only(standing), a.selection(desired))
    return [field for change in found.changes for field in change.fields]


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("tags", ("Zeta", "beta", "Alfa"), ("Zeta", "beta", "Alfa", "acá")),
        ("entrypoint", "src\\basic.py:flow", "src\\Otro.py:flow"),
    ],
)
def test_values_are_shown_as_they_are_written(name: str, before: Any, after: Any) -> None:
    [field] = changed(a.deployment(**{name: before}), a.deployment(**{name: after}))
    told = [list(value) if isinstance(value, tuple) else value for value in (before, after)]
    assert (field.path, field.before, field.after) == (name, *told)


def test_only_the_folder_that_differs_is_shown_and_as_it_is_written() -> None:
    """The first step is the same folder, written in another way; it is no change."""
    standing = a.deployment(pull_steps=(folder("C:\\Comun\\Src"), folder("C:\\Taller\\Src"), clone("main")))
    declared = a.deployment(pull_steps=(folder("c:/comun/src"), folder("D:\\Taller\\Src"), clone("main")))
    [field] = changed(standing, declared)
    assert field.path == "pull_steps.1.set_working_directory.directory"
    assert (field.before, field.after) == ("C:\\Taller\\Src", "D:\\Taller\\Src")


def test_steps_of_another_kind_are_shown_as_they_are_written() -> None:
    standing = a.deployment(pull_steps=(folder("C:\\Taller\\Src"),))
    before = {field.path: field.before for field in changed(standing, a.deployment(pull_steps=(clone("main"),)))}
    assert before["pull_steps.0.set_working_directory"] == {"directory": "C:\\Taller\\Src"}


def test_a_new_deployment_is_shown_as_it_is_written() -> None:
    desired = a.state(a.deployment(tags=("Zeta", "beta"), pull_steps=(folder("C:\\Taller"),)))
    found = difference(desired, State(), a.selection(desired))
    fields = {field.path: field.after for change in found.changes for field in change.fields}
    assert (fields["tags"], fields["pull_steps"]) == (["Zeta", "beta"], [folder("C:\\Taller")])


def test_the_order_of_tags_and_the_spelling_of_folders_are_no_change() -> None:
    standing = a.deployment(tags=("b", "a"), pull_steps=(folder("C:\\Src"),), entrypoint="src\\basic.py:flow")
    assert (
        changed(standing, a.deployment(tags=("a", "b"), pull_steps=(folder("c:/src"),), entrypoint="src/basic.py:flow"))
        == []
    )


def test_what_was_taken_out_of_a_pools_file_is_said_to_be_left() -> None:
    queues = (WorkQueue(name="default", priority=1, concurrency_limit=2, description="Prefect's own"),)
    standing = a.pool(
        job_template=a.TEMPLATE, description="Naves", concurrency_limit=5, queues=queues, updated="2026-11-20T10:00:00Z"
    )
    desired = a.state(a.pool(queues=(WorkQueue(name="default"),)))
    found = difference(desired, a.state(standing), a.selection(desired))
    assert found.changes == ()
    assert [(hold.field, hold.value, hold.since) for hold in found.holds] == [
        ("description", "Naves", standing.updated),
        ("concurrency_limit", 5, standing.updated),
        ("queues.default.concurrency_limit", 2, standing.updated),
    ]
    lines = [line.text for line in plan_lines(a.plan_of(found))]
    assert any("compras-prod  concurrency_limit = 5  (since 2026-11-20" in line for line in lines)


def test_a_name_that_is_known_twice_is_suggested_once() -> None:
    assert nearest("nada", ["Ventas", "Compras", "Ventas"]) == "Declared are: Compras, Ventas."


# Tokens that would go elsewhere


def source(url: str, secret: str = "llave") -> Deployment:
    return a.deployment(pull_steps=pull_steps(GitSource(url=url, branch="main", secret=secret), root=None))


def warned(standing: Deployment, declared: Deployment) -> list[str]:
    desired, server = a.state(declared), a.state(standing)
    plan: Plan = a.plan_of(difference(desired, server, a.selection(desired)))
    return [notice.message for notice in token_warnings(plan, server.deployments.values())]


@pytest.mark.parametrize(
    ("url", "elsewhere"),
    [
        ("https://git.example/b.git", None),
        ("https://GIT.example:443/b.git", None),
        ("https://git.example:8443/b.git", "git.example:8443"),
        ("https://git.example.evil.example/b.git", "git.example.evil.example"),
    ],
)
def test_a_token_that_would_go_to_another_host_is_told(url: str, elsewhere: str | None) -> None:
    told = warned(source("https://git.example/a.git"), source(url))
    assert len(told) == (elsewhere is not None)
    assert all(f"to {elsewhere}," in text and "goes to git.example only" in text for text in told)


def test_a_token_that_goes_nowhere_today_is_not_told() -> None:
    """The first source that uses it is how every source begins."""
    assert warned(source("https://git.example/a.git"), source("https://other.example/a.git", "otra")) == []

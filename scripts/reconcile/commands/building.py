"""`apply --build`: the build and push steps of deployments, and what they gave in the plan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from reconcile.building import Recipe, as_last_built, recipe_of, with_outputs
from reconcile.errors import ReconcileError
from reconcile.layers import Entry
from reconcile.model import Deployment, State
from reconcile.plan import Notice
from reconcile.render.escape import safe

Outputs = Mapping[str, Mapping[str, Any]]
"""What the steps of each deployment gave, by `flow/name`."""

NEVER_BUILT: Final = "never-built"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The declared state with what builds gave in it, why some of it cannot be made, and the steps of each."""

    state: State
    refusals: tuple[Notice, ...] = ()
    recipes: Mapping[str, Recipe] = field(default_factory=dict)


def with_builds(state: State, standing: State, entries: Mapping[str, Entry], outputs: Outputs) -> Built:
    """What steps give: of those that ran now what they gave, of the others what stands on the server."""
    recipes = {name: recipe for name in state.deployments if (recipe := _recipe(entries.get(name))) is not None}
    if not recipes:
        return Built(state=state)
    deployments: dict[str, Deployment] = dict(state.deployments)
    refusals: list[Notice] = []
    for name, recipe in recipes.items():
        one = deployments[name]
        gave = outputs.get(name)
        found = (
            as_last_built(one, standing.deployments.get(name), recipe)
            if gave is None
            else with_outputs(one, recipe, gave)
        )
        deployments[name] = found.deployment
        refusals += (_missing(name, at, text, ran=gave is not None) for at, text in found.missing.items())
    return Built(state=replace(state, deployments=deployments), refusals=tuple(refusals), recipes=recipes)


def _recipe(entry: Entry | None) -> Recipe | None:
    return recipe_of(entry.fields) if entry is not None else None


def _missing(name: str, at: str, text: str, *, ran: bool) -> Notice:
    if ran:
        message = f"{at} of {name} is {text}, and none of its steps gave that; correct the name of the output."
        return Notice(code="output-missing", key=name, message=message)
    message = f"{at} of {name} is {text}, which its build steps give, and they never ran; run `apply --build`."
    return Notice(code=NEVER_BUILT, key=name, message=message)


def run_recipes(recipes: Mapping[str, Recipe], *, root: Path, url: str) -> Outputs:
    """Run the steps of each deployment in the repository's folder; the same steps once for all that have them.

    Raises ReconcileError where a step fails.
    """
    groups: dict[str, dict[str, Any]] = {}
    users: dict[str, str] = {}
    for name, recipe in recipes.items():
        group = {"build": list(recipe.build), "push": list(recipe.push)}
        users[name] = json.dumps(group, sort_keys=True, default=str)
        groups.setdefault(users[name], group)
    with tempfile.TemporaryDirectory(prefix="reconcile-build-") as folder:
        results = _run(list(groups.values()), Path(folder) / "outputs.json", root, url)
    by_group = dict(zip(groups, results, strict=True))
    return {name: by_group[key] for name, key in users.items()}


_STEPPING: Final = Path(__file__).resolve().parent.parent / "gateway" / "stepping.py"


def _run(groups: list[dict[str, Any]], into: Path, root: Path, url: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-P", str(_STEPPING)],
        input=json.dumps({"groups": groups, "into": str(into)}).encode("utf-8"),
        stdout=sys.stderr.fileno() if _has_descriptor() else subprocess.DEVNULL,
        cwd=root,
        env={**os.environ, "PREFECT_API_URL": url, "PYTHONUTF8": "1"},
        check=False,
    )
    try:
        answer = json.loads(into.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        answer = {
            "error": f"The process of the steps ended with the code {done.returncode}",
            "reason": "it said no more",
        }
    if "error" in answer:
        raise ReconcileError(
            f"A build step failed, so nothing was written: {safe(answer['error'])}: {safe(answer['reason'])}.",
            "What the step printed stands above. Correct it and run apply --build again.",
        )
    results: list[dict[str, Any]] = answer["outputs"]
    return results


def _has_descriptor() -> bool:
    try:
        sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return False
    return True


def steps_told(recipes: Mapping[str, Recipe]) -> str:
    """Which steps would run, in words."""
    names = {
        next(iter(step)).rpartition(".")[2] for recipe in recipes.values() for step in (*recipe.build, *recipe.push)
    }
    count = f"{len(recipes)} deployments" if len(recipes) > 1 else next(iter(recipes))
    return f"Runs the build and push steps of {count} on this machine: {', '.join(sorted(names))}."

"""What build and push steps give, in the fields of a deployment: `{{ id.output }}`. Pure.

Steps run only when somebody asks (`apply --build`). Otherwise a field that holds such a placeholder is the last
build's: it stays as it stands on the server, and a deployment that was never built cannot be made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reconcile.model import Deployment

Steps = Sequence[Mapping[str, Any]]
KeyPath = tuple[str | int, ...]

FIELDS: Final = ("description", "tags", "parameters", "job_variables", "pull_steps")
"""The fields of a deployment in which what steps gave can stand."""

_PLACEHOLDER: Final = re.compile(r"\{\{\s*(?P<inner>[^{}\s$]+?)\s*\}\}")
_NOT_OF_STEPS: Final = ("prefect.", "ctx.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The steps of one deployment, as its entry has them."""

    build: Steps = ()
    push: Steps = ()

    @property
    def ids(self) -> frozenset[str]:
        """The ids under which what they give can be named."""
        return _ids((*self.build, *self.push))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A deployment without placeholders of steps, but for those in `missing`, by the path of each."""

    deployment: Deployment
    missing: Mapping[str, str] = field(default_factory=dict)


def recipe_of(fields: Mapping[str, Any]) -> Recipe | None:
    """The steps that an entry has; None where it has none."""
    build, push = tuple(fields.get("build") or ()), tuple(fields.get("push") or ())
    return Recipe(build=build, push=push) if build or push else None


def with_outputs(deployment: Deployment, recipe: Recipe, outputs: Mapping[str, Any]) -> Filled:
    """The deployment with what the steps gave in place of what names it."""

    def value_of(text: str, _: Any, names: Sequence[str]) -> Any:
        found = {name: _named(outputs, name) for name in names}
        if any(value is _NOTHING for value in found.values()):
            return _NOTHING
        if len(names) == 1 and _PLACEHOLDER.fullmatch(text.strip()):
            return found[names[0]]
        return _PLACEHOLDER.sub(lambda match: str(found[match["inner"]]) if match["inner"] in found else match[0], text)

    return _with(deployment, None, recipe, value_of)


def as_last_built(deployment: Deployment, observed: Deployment | None, recipe: Recipe) -> Filled:
    """The deployment with what stands on the server wherever a build is to say it."""
    return _with(deployment, observed, recipe, lambda _, standing, __: standing)


_NOTHING: Final = object()
_Filling = Callable[[str, Any, Sequence[str]], Any]


def _with(deployment: Deployment, observed: Deployment | None, recipe: Recipe, filling: _Filling) -> Filled:
    missing: dict[str, str] = {}
    fields: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(deployment, name)
        standing = _NOTHING if observed is None else getattr(observed, name)
        ids = recipe.ids - _ids(deployment.pull_steps) if name == "pull_steps" else None
        new = _walked(value, standing, (name,), ids, filling, missing)
        if new != value:
            fields[name] = new
    return Filled(deployment=replace(deployment, **fields) if fields else deployment, missing=missing)


def _walked(  # noqa: PLR0917 # one step of a walk takes all that it carries
    value: Any, standing: Any, at: KeyPath, ids: frozenset[str] | None, filling: _Filling, missing: dict[str, str]
) -> Any:
    if isinstance(value, str):
        names = tuple(_outputs_in(value, ids))
        if not names:
            return value
        new = filling(value, standing, names)
        if new is _NOTHING or new is None:
            missing[".".join(map(str, at))] = value
            return value
        return new
    if isinstance(value, Mapping):
        below = standing if isinstance(standing, Mapping) else {}
        return {
            key: _walked(item, below.get(key, _NOTHING), (*at, key), ids, filling, missing)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        lower = standing if isinstance(standing, list | tuple) else ()
        items = [
            _walked(item, lower[index] if index < len(lower) else _NOTHING, (*at, index), ids, filling, missing)
            for index, item in enumerate(value)
        ]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def _outputs_in(text: str, ids: frozenset[str] | None) -> Iterator[str]:
    """The names of outputs in a text. Pull steps have outputs of their own: there only those of `ids` are meant."""
    for match in _PLACEHOLDER.finditer(text):
        inner = match["inner"]
        if not inner.startswith(_NOT_OF_STEPS) and (ids is None or inner.partition(".")[0] in ids):
            yield inner


def _named(outputs: Mapping[str, Any], name: str) -> Any:
    found: Any = outputs
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return _NOTHING
        found = found[part]
    return found


def _ids(steps: Steps) -> frozenset[str]:
    inputs = (one for step in steps for one in step.values() if isinstance(one, Mapping))
    return frozenset(str(one["id"]) for one in inputs if one.get("id"))

"""What of a repository a comparison acts on, whose things may be taken over, and what is said of it on the way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from reconcile.model import Deployment, Mark, Marked, ResourceKey
from reconcile.plan import Declaration, Hold, Notice


def nobody(_: ResourceKey) -> bool:
    """Adopts nothing."""
    return False


def everything(_: Mark, __: Marked) -> bool:
    """Covers every area and environment."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of the repository is acted on. `declared` holds every declared deployment by its key, selected or not.

    `declared_besides` holds the keys of everything else that is declared for this server and could carry a mark.
    `adopt` says which unmanaged resources may be taken over, and `adopt_from` of which other projects; `covers`
    whether a managed one that is no longer declared falls within the selection. `replaces` tells of a deployment
    the name that the one it takes the place of has, if it was of a given area; `release` whose holds end, and
    `report_drift` the environments in which what was changed in the UI is left as it is. `set_here` are the
    environment variables, of those that secrets are made from, that are set.
    """

    project: str
    declarations: Mapping[ResourceKey, Declaration] = field(default_factory=dict)
    declared: Mapping[str, Deployment] = field(default_factory=dict)
    declared_besides: Collection[ResourceKey] = ()
    adopt: Callable[[ResourceKey], bool] = nobody
    adopt_from: Collection[str] = ()
    covers: Callable[[Mark, Marked], bool] = everything
    replaces: Mapping[ResourceKey, Callable[[str], str | None]] = field(default_factory=dict)
    release: Collection[str] = ()
    report_drift: Collection[str] = ()
    set_here: Collection[str] = ()


@dataclass(slots=True)
class Remarks:
    """What is said of a comparison besides its changes."""

    holds: list[Hold] = field(default_factory=list)
    refusals: list[Notice] = field(default_factory=list)
    warnings: list[Notice] = field(default_factory=list)


def not_ours(desired: Marked, observed: Marked, selection: Selection) -> Notice | None:
    """A refusal where what stands under a declared name belongs to nobody, or to another project."""
    if observed.mark is None and not selection.adopt(desired.key):
        return Notice(
            code="unmanaged",
            key=str(desired.key),
            message=f"{_named(desired)} stands on the server already and is not managed from here; to take it over as "
            f'it is declared, run again with --adopt "{desired.key}" (or --adopt-all).',
        )
    project = observed.mark.project if observed.mark else selection.project
    if observed.mark is not None and project not in {selection.project, *selection.adopt_from}:
        return Notice(
            code="other-project",
            key=str(desired.key),
            message=f"{_named(desired)} belongs to the project {project!r} (tag {observed.mark.tag!r}); take "
            f"its entry out of that project's files and run again with --adopt-from {project}, which takes it over as "
            "it stands, or give this one another name.",
        )
    return None


def is_adopted(observed: Marked, selection: Selection) -> bool:
    """Whether it was nobody's, or another project's, until now."""
    return observed.mark is None or observed.mark.project != selection.project


def _named(resource: Marked) -> str:
    """A deployment's key says what it is; anything else is only a name."""
    key = resource.key
    return str(key) if "/" in key.name else f"The {key.kind} {key}"

"""Defaults, shared, area, environment: the layers of the files laid over each other, each field with its origin.

Lowest first: the defaults of shared.yaml, of the environment, of the area's shared.yaml, of the file; then the
deployment as the area's shared.yaml lends it; then the entry. What is said of one deployment beats what is said of
many. Origins are not kept but found again when somebody asks, so that ten thousand entries stay small.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from reconcile.document import Document
from reconcile.model import NOTHING
from reconcile.problem import Fault, Location, Problem, Severity

NAME: Final = re.compile(r"[a-z0-9-]+")
"""How areas, environments and the files of pools are named."""

KeyPath = tuple[str | int, ...]
Origins = dict[KeyPath, "Origin"]

DEEP: Final = frozenset({"job_variables"})
"""Fields whose mappings merge at every depth."""

SHALLOW: Final = frozenset({"parameters", "watchdog", "notify"})
"""Fields whose mappings merge, while each value in them replaces whole."""

_TIMINGS: Final = frozenset({"cron", "interval", "rrule"})
TIMING: Final = _TIMINGS | {"use"}
_MERGED: Final = DEEP | SHALLOW | {"schedules", "tags"}
TIMING_DETAILS: Final = frozenset({"timezone", "allow_utc", "day_or", "anchor_date", "start", "except"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value was written."""

    document: Document
    at: KeyPath

    def locate(self, *, key: bool = False) -> Location:
        """The place in the file."""
        return self.document.locate(self.at, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A mapping of fields, and where it stands."""

    document: Document
    at: KeyPath
    data: Mapping[str, Any]

    @property
    def origin(self) -> Origin:
        """Where the mapping stands."""
        return Origin(document=self.document, at=self.at)

    def at_fault(self, *path: str | int) -> bool:
        """Whether something at, above or below a path in it was wrong in the file, and is not here."""
        return self.document.at_fault((*self.at, *path))


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaFiles:
    """The files of one area: what it shares, and a file per environment."""

    shared: Document | None = None
    environments: Mapping[str, Document] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The files of a repository, read. Areas and pools are named as their folders and files are."""

    project: Document
    environments: Document
    shared: Document | None = None
    areas: Mapping[str, AreaFiles] = field(default_factory=dict)
    pools: Mapping[str, Document] = field(default_factory=dict)

    def documents(self) -> Iterator[Document]:
        """Every file of it."""
        yield from (self.project, self.environments, *self.pools.values())
        shared = (self.shared, *(area.shared for area in self.areas.values()))
        yield from (document for document in shared if document is not None)
        for area in self.areas.values():
            yield from area.environments.values()

    def with_document(self, document: Document) -> Repository:
        """The repository with another text of one of its files of deployments."""
        if document.file == self.environments.file:
            return replace(self, environments=document)
        if self.shared is not None and document.file == self.shared.file:
            return replace(self, shared=document)
        for area, files in self.areas.items():
            here = {each: one for each, one in files.environments.items() if one.file == document.file}
            if here or (files.shared is not None and files.shared.file == document.file):
                said = {**files.environments, **dict.fromkeys(here, document)}
                changed = AreaFiles(shared=files.shared if here else document, environments=said)
                return replace(self, areas={**self.areas, area: changed})
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one area sees in one environment: its rules, sources, named schedules and calendars.

    `shared` are the files that can declare sources, schedules and calendars for it.
    """

    area: str
    environment: str
    rules: Layer
    default_timezone: str
    sources: Mapping[str, tuple[Layer, ...]]
    schedules: Mapping[str, Layer]
    calendars: Mapping[str, Layer] = field(default_factory=dict)
    shared: tuple[Document, ...] = ()

    def at_fault(self, kind: str, name: str) -> bool:
        """Whether a source, schedule or calendar of that name may well be declared, but could not be read."""
        return any(document.at_fault((kind, name)) for document in self.shared)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """One deployment of one environment, effective: every field that some layer gives it."""

    scope: Scope
    declared: str
    layers: tuple[Layer, ...]
    fields: Mapping[str, Any]

    @property
    def origin(self) -> Origin:
        """Where the environment's file names it."""
        return self.layers[-1].origin

    @property
    def location(self) -> Location:
        """Where the environment's file names it: its key."""
        return self.origin.locate(key=True)

    def at_fault(self, *path: str | int) -> bool:
        """Whether something at, above or below a field was wrong in one of the files, and is not here.

        Where a field replaces those of the layers below, theirs do not matter; nor their `pull`, where it is `source`.
        """
        for layer in reversed(self.layers):
            if layer.at_fault(*path):
                return True
            if path[0] in layer.data and path[0] not in _MERGED:
                return False
            if path[0] == "pull" and layer.data.get("source") is not None:
                return False
        return False

    def origins(self) -> Origins:
        """The place of every field and of every value below it that can come from a layer of its own."""
        return _origins_of(self)

    def locate(self, at: KeyPath, *, key: bool = False) -> Location:
        """The place of the value at a path of the entry, or of the nearest thing above it that was written."""
        origins = self.origins()
        for length in range(len(at), 0, -1):
            if at[:length] in origins:
                found = origins[at[:length]]
                return found.document.locate((*found.at, *at[length:]), key=key)
        return self.location

    def problem(self, fault: Fault) -> Problem:
        """The fault as a problem of this entry, at its place."""
        return fault.located(self.locate(fault.at, key=fault.on_key))


def entries(repository: Repository) -> Iterator[Entry]:
    """Every deployment of every environment, in the order of areas, environments and files."""
    for area, files in sorted(repository.areas.items()):
        for environment, document in sorted(files.environments.items()):
            scope = scope_of(repository, area, environment)
            if scope is not None:
                yield from _entries_of(repository, scope, files, document)


def scopes(repository: Repository) -> Iterator[Scope]:
    """What every area sees in each of its environments."""
    for area, files in sorted(repository.areas.items()):
        for environment in sorted(files.environments):
            scope = scope_of(repository, area, environment)
            if scope is not None:
                yield scope


def scope_of(repository: Repository, area: str, environment: str) -> Scope | None:
    """What the area sees in the environment; None where environments.yaml does not declare it."""
    rules = _layer(repository.environments, ("environments", environment))
    known = environment in _mapping(repository.environments.data.get("environments"))
    if not known and not repository.environments.at_fault(rules.at):
        return None
    files = repository.areas.get(area, AreaFiles())
    sharing = [document for document in (repository.shared, files.shared) if document is not None]
    sources: dict[str, tuple[Layer, ...]] = {}
    schedules: dict[str, Layer] = {}
    calendars: dict[str, Layer] = {}
    for document in sharing:
        for layer in _named(document, ("sources",)):
            sources[str(layer.at[-1])] = (*sources.get(str(layer.at[-1]), ()), layer)
        schedules.update({str(layer.at[-1]): layer for layer in _named(document, ("schedules",))})
        calendars.update({str(layer.at[-1]): layer for layer in _named(document, ("calendars",))})
    for layer in _named(repository.environments, ("environments", environment, "sources")):
        sources[str(layer.at[-1])] = (*sources.get(str(layer.at[-1]), ()), layer)
    return Scope(
        area=area,
        environment=environment,
        rules=rules,
        default_timezone=str(repository.environments.data.get("default_timezone") or "UTC"),
        sources=sources,
        schedules=schedules,
        calendars=calendars,
        shared=tuple(sharing),
    )


def unused_loans(repository: Repository) -> Iterator[Problem]:
    """A warning for each deployment that an area's shared.yaml lends and that no environment names."""
    for files in repository.areas.values():
        if files.shared is None:
            continue
        named = {
            name for document in files.environments.values() for name in _mapping(document.data.get("deployments"))
        }
        for name in _mapping(files.shared.data.get("deployments")):
            at_fault = any(document.at_fault(("deployments", name)) for document in files.environments.values())
            if name not in named and not at_fault:
                yield Problem(
                    location=files.shared.locate(("deployments", name), key=True),
                    code="deployment-unused",
                    message=f"No environment of this area names the deployment {name!r}, so it exists nowhere.",
                    hint="Name it in an environment's file, or delete it here.",
                    severity=Severity.WARNING,
                )


def merge_source(layers: Sequence[Layer]) -> dict[str, Any]:
    """A source as the environment sees it. A branch, tag or commit said higher up replaces any said below."""
    merged: dict[str, Any] = {}
    refs = {"branch", "tag", "commit"}
    for layer in layers:
        if refs & layer.data.keys():
            merged = {name: value for name, value in merged.items() if name not in refs}
        merged.update(layer.data)
    return {name: value for name, value in merged.items() if value is not None}


def below(repository: Repository, area: str, environment: str, name: str) -> Mapping[str, Any]:
    """The fields that the layers give a deployment of that name that says nothing itself, there or not yet there."""
    scope = scope_of(repository, area, environment)
    if scope is None:
        return NOTHING
    files = repository.areas.get(area, AreaFiles())
    document = files.environments.get(environment) or Document(file="", data={})
    lent = (_layer(files.shared, ("deployments", name)),) if files.shared else ()
    own = _layer(document, ("deployments", name))
    return _effective((*_common_layers(repository, scope, files, document), *lent, own), scope, None)


def as_in(repository: Repository, entry: Entry, environment: str) -> Mapping[str, Any]:
    """The fields of an entry if it stood in another environment of its area: under that one's rules, and its defaults.

    The defaults of the file that it stands in now come along, below those of the other file.
    """
    area = entry.scope.area
    scope = scope_of(repository, area, environment)
    if scope is None:
        return NOTHING
    files = repository.areas.get(area, AreaFiles())
    document = files.environments.get(environment) or Document(file="", data={})
    common = _common_layers(repository, scope, files, document)
    there = tuple(layer for layer in common if layer.document is document)
    here = _layer(entry.layers[-1].document, ("defaults",))
    own = tuple(layer for layer in entry.layers if layer.at[:1] == ("deployments",))
    return _effective((*common[: len(common) - len(there)], here, *there, *own), scope, None)


def _common_layers(repository: Repository, scope: Scope, files: AreaFiles, document: Document) -> tuple[Layer, ...]:
    defaults = [_layer(repository.shared, ("defaults",))] if repository.shared else []
    defaults.append(_layer(repository.environments, (*scope.rules.at, "defaults")))
    defaults += [_layer(files.shared, ("defaults",))] if files.shared else []
    defaults.append(_layer(document, ("defaults",)))
    return tuple(layer for layer in defaults if layer.data or layer.at_fault())


def _entries_of(repository: Repository, scope: Scope, files: AreaFiles, document: Document) -> Iterator[Entry]:
    common = _common_layers(repository, scope, files, document)
    lent = _mapping(files.shared.data.get("deployments")) if files.shared else NOTHING
    for name in _mapping(document.data.get("deployments")):
        loan: tuple[Layer, ...] = ()
        if files.shared and (name in lent or files.shared.at_fault(("deployments", name))):
            loan = (_layer(files.shared, ("deployments", name)),)
        layers = (*common, *loan, _layer(document, ("deployments", name)))
        yield Entry(scope=scope, declared=str(name), layers=layers, fields=_effective(layers, scope, None))


@lru_cache(maxsize=2)  # who asks of one place of an entry soon asks of others
def _origins_of(entry: Entry) -> Origins:
    origins: Origins = {}
    _effective(entry.layers, entry.scope, origins)
    return origins


def _effective(layers: Sequence[Layer], scope: Scope, origins: Origins | None) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for layer in layers:
        if layer.data.get("source") is not None:  # a source said higher up is where workers take the code from, too
            fields.pop("pull", None)
            _forget(origins, ("pull",))
        for name, value in layer.data.items():
            _lay_field(fields, origins, name, value, Origin(document=layer.document, at=(*layer.at, name)))
    if "schedules" in fields:
        if scope.rules.data.get("inherit_schedules") is False:
            _keep_written(fields, layers)
        _use_named(fields, scope, origins)
    return fields


def _lay_field(fields: dict[str, Any], origins: Origins | None, name: str, value: Any, origin: Origin) -> None:
    if value is None:
        fields.pop(name, None)
        _forget(origins, (name,))
    elif name == "tags" and isinstance(value, list):
        _unite(fields, origins, value, origin)
    elif name == "schedules" and isinstance(value, dict):
        _lay_schedules(fields, origins, value, origin)
    elif name in DEEP and isinstance(value, dict):
        fields[name] = _merged(fields.get(name), value, origins, (name,), origin, deep=True)
    elif name in SHALLOW and isinstance(value, dict):
        fields[name] = _merged(fields.get(name), value, origins, (name,), origin, deep=False)
    else:
        fields[name] = value
        _forget(origins, (name,))
        _remember(origins, (name,), origin)


def _unite(fields: dict[str, Any], origins: Origins | None, tags: list[Any], origin: Origin) -> None:
    united = list(fields.get("tags", ()))
    for index, tag in enumerate(tags):
        if tag not in united:
            _remember(origins, ("tags", len(united)), Origin(document=origin.document, at=(*origin.at, index)))
            united.append(tag)
    fields["tags"] = united
    _remember(origins, ("tags",), origin)


def _merged(
    below: Any, above: dict[str, Any], origins: Origins | None, at: KeyPath, origin: Origin, *, deep: bool
) -> Any:
    merged = dict(below) if isinstance(below, dict) else {}
    _remember(origins, at, origin)
    for key, value in above.items():
        place, source = (*at, key), Origin(document=origin.document, at=(*origin.at, key))
        if not (deep and isinstance(value, dict) and isinstance(merged.get(key), dict)):
            _forget(origins, place)
        if deep and isinstance(value, dict):
            merged[key] = _merged(merged.get(key), value, origins, place, source, deep=True)
        else:
            merged[key] = value
            _remember(origins, place, source)
    return merged


def _lay_schedules(fields: dict[str, Any], origins: Origins | None, value: dict[str, Any], origin: Origin) -> None:
    schedules = dict(fields.get("schedules") or {})
    _remember(origins, ("schedules",), origin)
    for slug, said in value.items():
        place = Origin(document=origin.document, at=(*origin.at, slug))
        if said is None:
            schedules.pop(slug, None)
            _forget(origins, ("schedules", slug))
        else:
            schedules[slug] = _lay_schedule(schedules.get(slug, {}), said, origins, slug, place)
    fields["schedules"] = schedules


def _lay_schedule(
    below: Mapping[str, Any], above: Mapping[str, Any], origins: Origins | None, slug: str, origin: Origin
) -> dict[str, Any]:
    """One schedule over another of the same slug: a timing that is said replaces the other's whole timing."""
    merged = dict(below)
    if TIMING & above.keys():
        for name in TIMING | TIMING_DETAILS:
            merged.pop(name, None)
            _forget(origins, ("schedules", slug, name))
    _remember(origins, ("schedules", slug), origin)
    for name, value in above.items():
        place, source = ("schedules", slug, name), Origin(document=origin.document, at=(*origin.at, name))
        if value is None:
            merged.pop(name, None)
            _forget(origins, place)
            if name in TIMING_DETAILS and not _TIMINGS & merged.keys():
                merged[name] = None  # the shared schedule that may come below has it unset, too
        elif name in SHALLOW and isinstance(value, dict):
            merged[name] = _merged(merged.get(name), value, origins, place, source, deep=False)
        else:
            merged[name] = value
            _forget(origins, place)
            _remember(origins, place, source)
    return merged


def _keep_written(fields: dict[str, Any], layers: Sequence[Layer]) -> None:
    """`inherit_schedules: false`: of all schedules keep those that the environment's own file writes."""
    own = layers[-1].document
    written = {slug for layer in layers if layer.document is own for slug in _mapping(layer.data.get("schedules"))}
    fields["schedules"] = {slug: said for slug, said in fields["schedules"].items() if slug in written}


def _use_named(fields: dict[str, Any], scope: Scope, origins: Origins | None) -> None:
    """A schedule without a timing of its own takes the shared one of its name, or of the name that `use` gives."""
    resolved: dict[str, Any] = {}
    for slug, said in fields["schedules"].items():
        name = said.get("use", slug)
        named = scope.schedules.get(name)
        if _TIMINGS & said.keys() or named is None or not _TIMINGS & named.data.keys():
            resolved[slug] = said
            continue
        own = {} if origins is None else {at: kept for at, kept in origins.items() if at[:2] == ("schedules", slug)}
        below = _lay_schedule({}, named.data, origins, slug, named.origin)
        resolved[slug] = {key: value for key, value in {**below, **said}.items() if key != "use" and value is not None}
        if below.get("parameters") and said.get("parameters"):
            resolved[slug]["parameters"] = {**below["parameters"], **said["parameters"]}
        for unset in (key for key, value in said.items() if value is None):
            _forget(origins, ("schedules", slug, unset))
        if origins is not None:
            origins.update(own)
    fields["schedules"] = resolved


def _remember(origins: Origins | None, at: KeyPath, origin: Origin) -> None:
    if origins is not None:
        origins[at] = origin


def _forget(origins: Origins | None, at: KeyPath) -> None:
    if origins is not None and at in origins:  # what has a place below has one itself
        for known in [known for known in origins if known[: len(at)] == at]:
            del origins[known]


def _layer(document: Document, at: KeyPath) -> Layer:
    data: Any = document.data
    for key in at:
        data = data.get(key) if isinstance(data, dict) else None
    return Layer(document=document, at=at, data=_mapping(data))


def _named(document: Document, at: KeyPath) -> Iterator[Layer]:
    for name in _layer(document, at).data:
        yield _layer(document, (*at, name))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else NOTHING

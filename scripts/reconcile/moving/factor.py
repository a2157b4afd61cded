"""What recurs in a draft goes where it is said once: sources and schedules to shared.yaml, the rest to defaults.

Deterministic: what comes out depends on what the draft holds, not on the order in which it was put together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from reconcile.compare import canonical
from reconcile.moving.draft import (
    ENTRY_ORDER,
    SCHEDULE_ORDER,
    SOURCE_ORDER,
    DraftEntry,
    DraftTree,
    Fields,
    Known,
    Place,
    free_name,
    ordered,
    plain_name,
)

RECURS: Final = 2
"""How many deployments have to say a thing before it is said once for all of them."""

OWN: Final = frozenset({"use", "active", "parameters"})
"""What of a schedule is the deployment's own, whoever lends the timing."""


Above = Callable[[DraftEntry], DraftEntry]
"""An entry as it has to be said above what the files give it already."""


def factor(tree: DraftTree, known: Known | None = None, above: Above | None = None) -> DraftTree:
    """The draft with its sources named and what recurs said once. `known` is what the files say already.

    `above` is asked for each entry once its sources and schedules are named, and before defaults are made.
    """
    known = known or Known()
    entries = sorted(tree.entries, key=lambda entry: (entry.place, entry.key))
    sources, entries = _with_sources(tree.sources, entries, known)
    schedules, entries = _with_schedules(tree.schedules, entries, known)
    entries = [above(entry) for entry in entries] if above else entries
    defaults, entries = _with_defaults(dict(tree.defaults), entries, known)
    return replace(
        tree,
        entries=tuple(replace(entry, fields=ordered(entry.fields, ENTRY_ORDER)) for entry in entries),
        sources={name: ordered(sources[name], SOURCE_ORDER) for name in sorted(sources)},
        schedules={name: ordered(schedules[name], SCHEDULE_ORDER) for name in sorted(schedules)},
        defaults={place: ordered(defaults[place], ENTRY_ORDER) for place in sorted(defaults)},
    )


# Sources


def _with_sources(
    declared: Mapping[str, Fields], entries: Sequence[DraftEntry], known: Known
) -> tuple[dict[str, Fields], list[DraftEntry]]:
    """Each source by a name: one that is known to be the same, or a new one made of its address."""
    sources = dict(declared)
    names = {**{canonical(said): name for name, said in sources.items()}, **known.sources}
    found = {canonical(said): said for entry in entries if isinstance(said := entry.fields.get("source"), Mapping)}
    taken = {*sources, *known.source_names, *known.sources.values()}
    for text in sorted(found.keys() - names.keys(), key=lambda text: (_source_name(found[text]), text)):
        name = free_name(_source_name(found[text], taken), taken)
        taken.add(name)
        names[text], sources[name] = name, found[text]
    return sources, [_naming_its_source(entry, names) for entry in entries]


def _naming_its_source(entry: DraftEntry, names: Mapping[str, str]) -> DraftEntry:
    said = entry.fields.get("source")
    if not isinstance(said, Mapping):
        return entry
    return replace(entry, fields={**entry.fields, "source": names[canonical(said)]})


def _source_name(said: Fields, taken: Iterable[str] = ()) -> str:
    """What a person would call it: the repository, or the folder; with its branch where the name is gone."""
    address = str(said.get("git") or said.get("path") or "source").replace("\\", "/").rstrip("/")
    name = plain_name(address.rpartition("/")[2].rpartition(":")[2].removesuffix(".git"), "source")
    at = said.get("branch") or said.get("tag") or said.get("commit")
    return f"{name}-{plain_name(str(at)[:40])}" if at and name in set(taken) else name


# Schedules


def _with_schedules(
    declared: Mapping[str, Fields], entries: Sequence[DraftEntry], known: Known
) -> tuple[dict[str, Fields], list[DraftEntry]]:
    """A timing that several deployments have is a shared schedule, called as most of them call it."""
    shared = {**known.schedules, **declared}
    names = {canonical(said): name for name, said in sorted(shared.items(), reverse=True) if not OWN & said.keys()}
    slugs: dict[str, Counter[str]] = {}
    timings: dict[str, Fields] = {}
    users: dict[str, set[int]] = {}
    for number, entry in enumerate(entries):
        for slug, said in _timed(entry):
            timing = _timing(said)
            text = canonical(timing)
            slugs.setdefault(text, Counter())[slug] += 1
            timings.setdefault(text, timing)
            users.setdefault(text, set()).add(number)
    new: dict[str, Fields] = dict(declared)
    for text in sorted(slugs.keys() - names.keys(), key=lambda text: (_favourite(slugs[text]), text)):
        if len(users[text]) >= RECURS:
            name = free_name(_favourite(slugs[text]), shared)
            shared[name] = new[name] = timings[text]
            names[text] = name
    return new, [_using_shared(entry, names) for entry in entries]


def _timed(entry: DraftEntry) -> list[tuple[str, Fields]]:
    """The schedules of an entry that have a timing of their own."""
    schedules = entry.fields.get("schedules") or {}
    return [(slug, said) for slug, said in schedules.items() if isinstance(said, Mapping) and _timing(said)]


def _timing(said: Fields) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in OWN}


def _favourite(slugs: Counter[str]) -> str:
    """The slug that most use; of several, the first by its letters."""
    return min(slugs, key=lambda slug: (-slugs[slug], slug))


def _using_shared(entry: DraftEntry, names: Mapping[str, str]) -> DraftEntry:
    schedules = entry.fields.get("schedules")
    if not schedules:
        return entry
    said = dict(schedules)
    for slug, own in _timed(entry):
        name = names.get(canonical(_timing(own)))
        if name is not None:
            kept = {key: value for key, value in own.items() if key in OWN}
            said[slug] = kept if name == slug else {"use": name, **kept}
    in_order = {
        slug: ordered(said[slug], SCHEDULE_ORDER) if isinstance(said[slug], Mapping) else said[slug]
        for slug in sorted(said)
    }
    return replace(entry, fields={**entry.fields, "schedules": in_order})


# Defaults

_WHOLE: Final = ("work_queue", "job_variables", "enforce_parameter_schema", "pull", "build", "push")
"""Fields that become a default where every deployment of a file says the same."""

_MOSTLY: Final = ("source", "work_pool")
"""Fields that become a default where most say the same, and the others another: they replace whole."""


def _with_defaults(
    defaults: dict[Place, Fields], entries: Sequence[DraftEntry], known: Known
) -> tuple[dict[Place, Fields], list[DraftEntry]]:
    """What the deployments of a file have in common. A file that is there keeps the defaults that it has."""
    by_place: dict[Place, list[DraftEntry]] = {}
    for entry in entries:
        by_place.setdefault(entry.place, []).append(entry)
    found: list[DraftEntry] = []
    for place, group in sorted(by_place.items()):
        if len(group) < RECURS or place in known.places or place in defaults:
            found += group
            continue
        common = _common(group)
        if common:
            defaults[place] = common
        found += (replace(entry, fields=_without(entry.fields, common)) for entry in group)
    return defaults, found


def _common(group: Sequence[DraftEntry]) -> dict[str, Any]:
    common: dict[str, Any] = {}
    for name in _MOSTLY:
        values = Counter(canonical(entry.fields[name]) for entry in group if entry.fields.get(name) is not None)
        if values.total() == len(group):
            text = min(values, key=lambda text: (-values[text], text))
            if values[text] * 2 > len(group):
                common[name] = next(e.fields[name] for e in group if canonical(e.fields[name]) == text)
    for name in _WHOLE:
        values = Counter(canonical(entry.fields.get(name)) for entry in group)
        if len(values) == 1 and group[0].fields.get(name) is not None:
            common[name] = group[0].fields[name]
    tags = [tag for tag in group[0].fields.get("tags") or () if all(tag in (e.fields.get("tags") or ()) for e in group)]
    return {**common, "tags": tags} if tags else common


def _without(fields: Fields, common: Fields) -> dict[str, Any]:
    kept = {name: value for name, value in fields.items() if name == "tags" or not _same(common, name, value)}
    tags = [tag for tag in fields.get("tags") or () if tag not in (common.get("tags") or ())]
    if tags:
        return {**kept, "tags": tags}
    return {name: value for name, value in kept.items() if name != "tags"}


def _same(common: Fields, name: str, value: Any) -> bool:
    return name in common and canonical(common[name]) == canonical(value)

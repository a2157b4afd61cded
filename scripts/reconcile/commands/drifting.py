"""`import --drift`: what somebody changed in the UI becomes an edit of the line that declares it.

Of the places that could say it the one is taken that says it now, as long as that changes no other deployment;
otherwise the entry itself says it. The edits are tried out in a copy of the files before they are proposed.
"""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from reconcile.commands import output
from reconcile.commands.asking import files_told, may_write
from reconcile.commands.options import filter_of, root_of
from reconcile.commands.proposing import standing, write
from reconcile.commands.session import (
    TOOL,
    Files,
    Observation,
    matching_nothing,
    observe,
    open_session,
    say,
    selected_of,
)
from reconcile.commands.staging import Staging, changed, diff_lines, differing
from reconcile.compare import canonical
from reconcile.desired import Desired
from reconcile.document import read_document
from reconcile.errors import ExitCode, UsageError
from reconcile.layers import Entry, KeyPath, entries
from reconcile.model import Deployment
from reconcile.moving.drifts import Drift, drifts
from reconcile.moving.edits import GONE, Sheet, UneditableError, cut, operations, put
from reconcile.plan import Reason
from reconcile.problem import Location, Problem, Severity, has_errors
from reconcile.render.escape import safe
from reconcile.render.text import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was taken over of a deployment, and where to."""

    key: str
    name: str
    file: str
    line: int


@dataclass(slots=True)
class Harvest:
    """The files to write, what they take over, and what they do not, with the reason."""

    texts: dict[str, str] = field(default_factory=dict)
    taken: list[Written] = field(default_factory=list)
    left: list[tuple[str, str, str]] = field(default_factory=list)


Identity = tuple[str, str, str]
"""Area, environment and declared name of an entry."""


def identity(entry: Entry) -> Identity:
    """Which entry it is, of the files as they are and of those that were edited."""
    return entry.scope.area, entry.scope.environment, entry.declared


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wish:
    """A drift that is to be taken over. `own_only`: where its entry stands, and at no lower layer."""

    entry: Entry
    observed: Deployment
    drift: Drift
    own_only: bool = False

    @property
    def name(self) -> str:
        """`flow/name`."""
        return self.observed.key.name


@dataclass(slots=True)
class Trials:
    """Edits of what more than one entry may say, each tried out alone."""

    files: Files
    _known: dict[tuple[str, KeyPath, str], frozenset[Identity]] = field(default_factory=dict)

    def touched(self, file: str, at: KeyPath, value: Any) -> frozenset[Identity]:
        """The entries that the edit changes; none where it cannot be made."""
        key = (file, at, "" if value is GONE else canonical(value))
        if key not in self._known:
            self._known[key] = frozenset(self._touched(file, at, value))
        return self._known[key]

    def _touched(self, file: str, at: KeyPath, value: Any) -> Iterator[Identity]:
        repository = self.files.repository
        text = next(one.text for one in repository.documents() if one.file == file)
        try:
            edited = cut(text, at) if value is GONE else put(text, at, value)
        except UneditableError:
            return
        document, problems = read_document(file, edited.encode("utf-8"))
        if document is None or has_errors(problems):
            return
        for one, other in zip(self.files.entries, entries(repository.with_document(document)), strict=True):
            if one.fields != other.fields:
                yield identity(one)


@dataclass(slots=True)
class _Draft:
    """The files with edits made, where each was made, and which could not be."""

    texts: dict[str, str] = field(default_factory=dict)
    places: dict[Wish, list[Written]] = field(default_factory=dict)
    refused: dict[Wish, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Work:
    """What is settled so far."""

    staging: Staging
    found: Harvest
    before: Desired
    trials: Trials
    accepted: list[Wish] = field(default_factory=list)

    def left(self, wish: Wish, why: str) -> None:
        self.found.left.append((wish.name, wish.drift.name, why))


def run_drift(options: Namespace) -> ExitCode:
    """Propose the edits, ask, write them. `options`: root, local, env (one name or several), only, yes, json."""
    root = root_of(options, TOOL)
    asked = Namespace(
        env=_several(getattr(options, "env", None)),
        area=_several(getattr(options, "area", None)),
        only=_several(options.only),
    )
    with open_session(
        root, local=options.local, select=lambda files: filter_of(asked, files.repository), need_env=False
    ) as session:
        observation = observe(session)
        for notice in matching_nothing(session.chosen, observation.wanted):
            raise UsageError(notice.message, "Correct it: nothing of it would be taken over.")
        selected = selected_of(session.chosen, observation.wanted).deployments
        is_here = session.target.is_loopback
    found = harvest(root, observation, selected, is_here=is_here)
    return _finish(options, root, found)


def _several(said: str | list[str] | None) -> list[str]:
    """What `import` takes once and other commands several times."""
    return [said] if isinstance(said, str) else list(said or ())


def harvest(root: Path, observation: Observation, selected: Mapping[str, Deployment], *, is_here: bool) -> Harvest:
    """The edits that make the files say what stands on the server, where somebody changed it there."""
    found = Harvest()
    zone = str(observation.files.repository.environments.data.get("default_timezone") or "UTC")
    stems = {str(one.data.get("name") or stem): stem for stem, one in observation.files.repository.pools.items()}
    wishes: list[Wish] = []
    for name, desired in sorted(selected.items()):
        observed = observation.observed.deployments.get(name)
        if observed is None or observed.mark != desired.mark:
            continue
        entry = observation.wanted.entries[name]
        for drift in drifts(desired, observed, entry.fields, zone, stems):
            why = drift.fault or (_BOTH if drift.reason is Reason.BOTH else "")
            if why:
                found.left.append((name, drift.name, why))
            else:
                wishes.append(Wish(entry=entry, observed=observed, drift=drift))
    with (
        tempfile.TemporaryDirectory(prefix="reconcile-drift-") as folder,
        Staging(root=root, folder=Path(folder), is_here=is_here, standing=observation.observed) as staging,
    ):
        if wishes:
            work = _Work(staging=staging, found=found, before=staging.desired(), trials=Trials(staging.files()))
            _settle(work, wishes)
            draft = _drafted(work, work.accepted)
            found.texts = draft.texts
            found.taken = [place for wish in work.accepted for place in draft.places[wish]]
    found.left.sort(key=lambda one: one[0])
    return found


_BOTH: Final = "the files changed too since the last apply, and stay as they are"
_UNREACHED: Final = "the edited files would not say it as it stands there"


def _settle(work: _Work, wishes: list[Wish]) -> None:
    """Take over what can be. All is tried at once; what goes wrong is tried in the entry itself, and then left."""
    draft = _drafted(work, [*work.accepted, *wishes])
    for wish in wishes:
        if wish in draft.refused:
            work.left(wish, draft.refused[wish])
    wishes = [wish for wish in wishes if wish in draft.places]
    if not wishes:
        return
    wrong = _wrong(work, draft, wishes)
    if wrong is None and len(wishes) > 1:
        half = len(wishes) // 2
        _settle(work, wishes[:half])
        _settle(work, wishes[half:])
        return
    wrong = dict.fromkeys(wishes, _UNREACHED) if wrong is None else wrong
    again = [wish for wish in wishes if wish not in wrong]
    if not wrong:
        work.accepted += wishes
        return
    for wish, why in wrong.items():
        if wish.own_only:
            work.left(wish, why)
        else:
            again.append(replace(wish, own_only=True))
    _settle(work, again)


def _drafted(work: _Work, wishes: Iterable[Wish]) -> _Draft:
    """The texts with these edits, each in the first place where it changes its deployment and no other."""
    sheets: dict[str, Sheet] = {}
    draft = _Draft()
    for wish in wishes:
        before = {name: sheet.copied() for name, sheet in sheets.items()}
        try:
            ways = list(operations(wish.drift.name, wish.drift.have, wish.drift.want))
            draft.places[wish] = [_edited(work, sheets, wish, path, value) for path, value in ways]
        except UneditableError as error:
            sheets = before
            draft.refused[wish] = str(error)
    texts = {name: sheet.whole() for name, sheet in sheets.items()}
    draft.texts = {name: text for name, text in texts.items() if text != work.staging.original(name)}
    return draft


def _edited(work: _Work, sheets: dict[str, Sheet], wish: Wish, path: KeyPath, value: Any) -> Written:
    entry = wish.entry
    why = "it is said for other deployments too, and an entry cannot unsay it"
    for file, at, said in _places(entry, path, value):
        is_own = (file, at[: len(entry.origin.at)]) == (entry.origin.document.file, entry.origin.at)
        if not is_own and (wish.own_only or work.trials.touched(file, at, said) != {identity(entry)}):
            continue
        sheet = sheets.setdefault(file, Sheet(work.staging.original(file)))
        try:
            sheet.cut(at) if said is GONE else sheet.put(at, said)
        except UneditableError as error:
            why = str(error)
            continue
        return Written(key=wish.name, name=".".join(map(str, path)), file=file, line=_line(entry, file, at))
    raise UneditableError(why)


def _wrong(work: _Work, draft: _Draft, wishes: list[Wish]) -> dict[Wish, str] | None:
    """What came out wrong of these edits, and why; None: something did, and nobody knows which it was."""
    work.staging.put(draft.texts)
    after = work.staging.desired()
    if has_errors(after.problems):
        return _blamed(work.staging.files().entries, after.problems, wishes) or None
    touched = changed(work.before, after)
    if touched is None or touched - {wish.name for wish in (*work.accepted, *wishes)}:
        return None
    return {wish: _UNREACHED for wish in wishes if not _is_reached(after, wish)}


def _blamed(entries: Iterable[Entry], problems: Iterable[Problem], wishes: Iterable[Wish]) -> dict[Wish, str]:
    """The edits of the entries in whose lines an error stands; of several the last one above it."""
    edited: dict[Identity, list[Wish]] = {}
    for wish in wishes:
        edited.setdefault(identity(wish.entry), []).append(wish)
    blamed: dict[Wish, str] = {}
    starts: dict[str, list[tuple[tuple[int, int], Entry]]] = {}
    for entry in entries:
        starts.setdefault(entry.location.file, []).append((_at(entry.location), entry))
    for problem in problems:
        here = _at(problem.location)
        above = [one for one in starts.get(problem.location.file, ()) if one[0] <= here]
        if problem.severity is not Severity.ERROR or not above:
            continue
        start, entry = max(above, key=lambda one: one[0])
        mine = edited.get(identity(entry), [])
        places = [(_at(entry.locate((wish.drift.name,), key=True)), wish) for wish in mine]
        near = max((at for at, _ in places if start < at <= here), default=None)
        why = f"the files would be wrong then: {problem.message}"
        blamed |= {wish: why for at, wish in places if near is None or at == near}
    return blamed


def _at(place: Location) -> tuple[int, int]:
    return place.line, place.column


def _is_reached(after: Desired, wish: Wish) -> bool:
    desired = after.state.deployments.get(wish.name)
    if desired is None:
        return False
    if wish.drift.name != "schedules":
        return wish.drift.name not in set(differing(desired, wish.observed))
    return True  # only those schedules were edited that drifted; others may wait for an apply


def _places(entry: Entry, path: KeyPath, value: Any) -> Iterator[tuple[str, KeyPath, Any]]:
    """Where an edit could be made: where the value was written, and in the entry, which beats all else."""
    own = entry.origin
    origins = entry.origins()
    is_below = value is GONE and any(_gives(layer.data, path) for layer in entry.layers[:-1])
    for length in range(len(path), 0, -1):
        origin = origins.get(path[:length])
        if origin is not None:
            at = (*origin.at, *path[length:])
            if is_below and origin.at[: len(own.at)] == own.at:
                break  # what stands below would come to light
            yield origin.document.file, at, _own(entry, path, value, origin.at)
            break
    at = (*own.at, *path)
    if value is GONE:
        if not is_below:
            yield own.document.file, at, GONE
        yield own.document.file, at, None
        return
    yield own.document.file, at, _own(entry, path, value, at)
    if path[0] == "schedules" and len(path) == 3:
        # A timing that is said replaces the whole timing below it.
        whole = {**(entry.fields.get("schedules") or {}).get(path[1], {}), path[2]: value}
        yield own.document.file, (*own.at, *path[:2]), whole


def _gives(data: Any, path: KeyPath) -> bool:
    for step in path:
        if not isinstance(data, Mapping) or data.get(step) is None:
            return False
        data = data[step]
    return True


def _own(entry: Entry, path: KeyPath, value: Any, at: KeyPath) -> Any:
    """Of tags, which unite, only those that no other layer gives."""
    if path != ("tags",) or not isinstance(value, list):
        return value
    others = {
        tag
        for layer in entry.layers
        if (*layer.at, "tags") != at[: len(layer.at) + 1]
        for tag in layer.data.get("tags") or ()
    }
    return [tag for tag in value if tag not in others]


def _line(entry: Entry, file: str, at: KeyPath) -> int:
    for layer in entry.layers:
        if layer.document.file == file:
            return layer.document.locate(at, key=True).line
    return entry.location.line


def _finish(options: Namespace, root: Path, found: Harvest) -> ExitCode:
    if not options.json:
        output.lines(_lines(root, found))
    before = standing(root, found.texts)
    written = bool(found.texts) and may_write(options, f"Write {files_told(len(found.texts))}?")
    if written:
        write(root, found.texts, before)
    if options.json:
        output.document({**_document(found), "written": written})
    elif found.texts:
        say("Written." if written else "Nothing was written; --yes writes it.")
    return ExitCode.DONE


def _lines(root: Path, found: Harvest) -> Iterator[Line]:
    if not found.texts:
        yield Line("Nothing that was changed on the server is to be taken over.", "good")
    yield from diff_lines(root, found.texts)
    for key, name, why in found.left:
        yield Line(f"left: {safe(key)}: {name}: {safe(why)}", "warning")


def _document(found: Harvest) -> dict[str, Any]:
    return {
        "files": [{"path": name, "action": "change", "text": text} for name, text in sorted(found.texts.items())],
        "edits": [{"key": one.key, "field": one.name, "file": one.file, "line": one.line} for one in found.taken],
        "left": [{"key": key, "field": name, "message": why} for key, name, why in found.left],
    }

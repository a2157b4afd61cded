"""YAML text -> Document: its data, and where each value stands. The only place that imports yaml.

PyYAML parses, as in Prefect itself, but its events are turned into data here and not by its constructor: that is
how a key given twice, an alias bomb or an unquoted `{{ … }}` is refused before anything is built, how every fault of
a file is found and not only the first, and how deep nesting can never exhaust the stack.

Data differs from PyYAML's in three ways: timestamps and base-60 numbers (12:30:00) stay text; keys are always text
(`on:` is "on"); and what YAML 1.1 reads as something else than it looks (NO, 0110101) is a problem. A value at fault
stands in the data as the text that its writer probably meant, so that the checks which follow can tell all the rest.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconcile import traps
from reconcile.problem import Location, Problem, Severity, in_order
from reconcile.traps import Trap

MAX_SIZE: Final = 2_000_000
"""Bytes of a file, and characters of its values once every alias is replaced by what it stands for."""

MAX_DEPTH: Final = 100
"""How deep values may be nested."""

MAX_REREAD: Final = 4_000_000
"""Characters that are read again behind bad escapes, to find what else is wrong."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVERS: Final[Mapping[str, Any]] = yaml.SafeLoader.yaml_implicit_resolvers
_STANDARD_TAGS: Final = ("!", "tag:yaml.org,2002:str")
_CONTAINER_TAGS: Final = ("!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_BITS: Final = 32
_LOW: Final = (1 << _BITS) - 1


class Branch(NamedTuple):
    """Where the children of a mapping or list stand: offsets of key and value packed into one number each."""

    marks: dict[str | int, int]
    branches: dict[str | int, Branch]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A YAML file: its data, and the text that positions are looked up in.

    `reported` are the places that already have a problem: another one there would only be its consequence.
    `dropped` are the paths of what was at fault and was left out of the data; `()` among them: all of it.
    """

    file: str
    data: Any
    text: str = field(default="", repr=False, compare=False)
    reported: frozenset[Location] = field(default=frozenset(), repr=False, compare=False)
    dropped: frozenset[tuple[str | int, ...]] = field(default=frozenset(), repr=False, compare=False)
    start: int = field(default=0, repr=False, compare=False)
    branch: Branch | None = field(default=None, repr=False, compare=False)

    def locate(self, path: tuple[str | int, ...], *, key: bool = False) -> Location:
        """Where the value at a path of keys stands, or its key; for what is missing, the key of what lacks it."""
        branch: Branch | None = self.branch
        mark = _packed(self.start, self.start)
        for step in path:
            if branch is None or step not in branch.marks:
                key = True
                break
            mark = branch.marks[step]
            branch = branch.branches.get(step)
        return _location(self.file, self.text, mark >> _BITS if key else mark & _LOW)

    def keys_at(self, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """The keys of the mapping at a path as they stand in the text, what was left out of the data among them."""
        branch: Branch | None = self.branch
        for step in path:
            branch = branch.branches.get(step) if branch is not None else None
        return tuple(branch.marks) if branch is not None else ()

    def location(self, offset: int) -> Location:
        """The place of an offset into the text."""
        return _location(self.file, self.text, offset)

    def at_fault(self, path: tuple[str | int, ...]) -> bool:
        """Whether something at, above or below a path was left out, so that what is not there may well be meant."""
        return path in _heads(self.dropped) or any(path[:length] in self.dropped for length in range(len(path)))


def read_document(file: str, content: bytes) -> tuple[Document | None, tuple[Problem, ...]]:
    """The document that a file holds, and its problems; without a document where it cannot be read to its end."""
    if len(content) > MAX_SIZE:
        return None, (_problem(file, "", _too_large(len(content))),)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return None, (_encoding(file, content, error.start),)
    if "\0" in text and text.count("\0") * 3 > len(text):
        return None, (_not_utf8(Location(file=file), "UTF-16 or no text at all"),)
    return _read(file, text)


def _read(file: str, text: str) -> tuple[Document | None, tuple[Problem, ...]]:
    found = tuple(traps.in_text(text))
    if found:
        return None, _problems(file, text, found)
    reader, found = _read_repaired(text)
    problems = _problems(file, text, found)
    if not reader.whole:
        return None, problems
    document = Document(
        file=file,
        data={} if reader.root.value is None else reader.root.value,
        text=text,
        reported=frozenset(problem.location for problem in problems if problem.severity is Severity.ERROR),
        start=reader.root.at,
        branch=reader.root.branch,
    )
    return document, problems


def _read_repaired(text: str) -> tuple[_Reader, tuple[Trap, ...]]:
    """Reads a text; behind a bad escape it goes on as if slashes stood there (a repair moves no offset)."""
    repaired: list[Trap] = []
    reader = _read_once(text)
    while reader.bad_escape is not None:
        bad = reader.bad_escape
        repaired.append(bad)
        if len(repaired) * len(text) > MAX_REREAD:
            break
        text = traps.without_backslashes(text, bad.at, bad.end)
        reader = _read_once(text)
    return reader, (*repaired, *reader.found)


def _read_once(text: str) -> _Reader:
    reader = _Reader(text)
    reader.read()
    return reader


def _problems(file: str, text: str, found: tuple[Trap, ...]) -> tuple[Problem, ...]:
    return in_order(_problem(file, text, trap) for trap in found)


def _problem(file: str, text: str, trap: Trap) -> Problem:
    location = _location(file, text, trap.at)
    return Problem(location=location, code=trap.code, message=trap.message, hint=trap.hint, severity=trap.severity)


def _location(file: str, text: str, offset: int) -> Location:
    starts = _line_starts(text)
    line = bisect_right(starts, offset)
    return Location(file=file, line=line, column=offset - starts[line - 1] + 1)


@lru_cache(maxsize=64)
def _heads(paths: frozenset[tuple[str | int, ...]]) -> frozenset[tuple[str | int, ...]]:
    """The paths, and those that lead to them."""
    return frozenset(path[:length] for path in paths for length in range(len(path) + 1))


@lru_cache(maxsize=64)
def _line_starts(text: str) -> array[int]:
    starts = array("L", [0])
    starts.extend(match.end() for match in traps.BREAK.finditer(text))
    return starts


def _packed(key_at: int, at: int) -> int:
    return key_at << _BITS | at


def _too_large(size: int) -> Trap:
    message = f"expected a file of at most {MAX_SIZE:,} bytes, got {size:,} or more"
    return Trap(0, "file-too-large", message, "Split it: every area and environment has a file of its own.")


def _encoding(file: str, content: bytes, at: int) -> Problem:
    before = content[:at].decode("utf-8-sig", errors="replace")
    letter = content[at : at + 1].decode("cp1252", errors="replace")
    got = f"the byte 0x{content[at]:02X} ('{letter}' in Windows-1252)"
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        got = "UTF-16"
    return _not_utf8(_location(file, before, len(before)), got)


def _not_utf8(location: Location, got: str) -> Problem:
    message = f"expected a file in UTF-8, got {got}"
    return Problem(location=location, code="encoding", message=message, hint="Save it as UTF-8 in your editor.")


class _Value(NamedTuple):
    """A value that was read: where, where its children stand, how large and how deep it is."""

    value: Any
    at: int = 0
    branch: Branch | None = None
    size: int = 1
    height: int = 0


class _Last(NamedTuple):
    """The last unquoted value of a mapping: its key, its text, its offset."""

    key: str
    text: str
    at: int


_NOTHING: Final = _Last("", "", 0)


class _Open:
    """A mapping or list that is being read."""

    __slots__ = ("alone", "anchor", "at", "branch", "doomed", "drop", "flow", "height", "key", "key_at", "key_end",
                 "last", "lone", "merges", "plain", "size", "split", "value")  # fmt: skip

    def __init__(self, value: dict[str, Any] | list[Any], at: int, *, flow: bool, anchor: str | None) -> None:
        self.value: Any = value
        self.at = at
        self.flow = flow
        self.anchor = anchor
        self.branch = Branch({}, {})
        self.size = 1
        self.height = 1
        self.key: str | None = None
        self.key_at = self.key_end = at
        self.drop = False  # the value to come is of a key that was given before
        self.doomed = False  # {{ … }}: not meant as a mapping
        self.alone = False  # a key without a value was already found in it
        self.lone = False  # the key that stands open has no colon, within braces
        self.split = 0  # where the rest of a text ends that its own comma cut
        self.plain = self.last = _NOTHING  # the unquoted value just read, and the one that was put last
        self.merges: list[_Value] = []

    @property
    def wants_key(self) -> bool:
        """Whether a key comes next, not a value."""
        return self.key is None and type(self.value) is dict

    def put(self, item: _Value) -> None:
        """Adds a value, for the key that stands open."""
        self.size += item.size
        self.height = max(self.height, item.height + 1)
        if type(self.value) is list:
            self._record(len(self.value), item.at, item)
            self.value.append(item.value)
        elif not self.drop and self.key is not None:
            self._record(self.key, self.key_at, item)
            self.value[self.key] = item.value
        if not self.lone:
            self.last = self.plain
        self.key, self.drop, self.plain = None, False, _NOTHING

    def _record(self, key: str | int, key_at: int, item: _Value) -> None:
        self.branch.marks[key] = _packed(key_at, item.at)
        if item.branch is not None:
            self.branch.branches[key] = item.branch

    def merge(self) -> None:
        """Adds what `<<` brings: keys of its own win, then the mapping that is named first."""
        for merged in self.merges:
            if merged.branch is None:
                continue
            for key, value in merged.value.items():
                if key not in self.value:
                    self.value[key] = value
                    self.branch.marks[key] = merged.branch.marks[key]
                    if key in merged.branch.branches:
                        self.branch.branches[key] = merged.branch.branches[key]


class _UnreadableError(Exception):
    """Reading ends here; the trap says why."""

    def __init__(self, trap: Trap) -> None:
        super().__init__(trap.message)
        self.trap = trap


class _Reader:
    """Turns the parser's events into data, offsets and faults, without recursion."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Trap] = []
        self.whole = False
        self.root = _Value(None)
        self.bad_escape: Trap | None = None
        self._open: list[_Open] = []
        self._anchors: dict[str, _Value | None] = {}
        self._skipping = 0
        self._expanded = 0
        self._documents = 0

    def read(self) -> None:
        """Reads to the end, or to the first fault that makes the rest unreadable."""
        try:
            for event in yaml.parse(self.text, Loader=_LOADER):
                self._take(event)
            self.whole = True
        except _UnreadableError as error:
            self._stop(error.trap)
        except yaml.YAMLError as error:
            self._stop(self._refused(error))

    def _stop(self, trap: Trap) -> None:
        if trap.code == "backslash-in-quotes":
            self.bad_escape = trap
        elif not any(self._follows(trap, known) for known in self.found):
            self.found.append(trap)

    def _follows(self, trap: Trap, known: Trap) -> bool:
        """Whether a fault stands on the lines of a known one, so that it is only its consequence."""
        first, last, line = (bisect_right(_line_starts(self.text), offset) for offset in (known.at, known.end, trap.at))
        return first <= line <= max(first, last)

    def _refused(self, error: Any) -> Trap:
        mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
        at = min(mark.index, len(self.text)) if mark else 0
        start = min(context.index, len(self.text)) if context else at
        words = f"{getattr(error, 'context', None) or ''} {getattr(error, 'problem', None) or error}".strip()
        bracket = next((frame.at for frame in reversed(self._open) if frame.flow), None)
        return traps.syntax(self.text, traps.Refusal(at, start, words, bracket))

    # ------------------------------------------------------------ events

    def _take(self, event: Any) -> None:
        kind = type(event)
        if self._skipping:
            self._skip(event)
        elif kind is ScalarEvent:
            self._take_scalar(event)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            self._take_start(event)
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            self._take_end(event)
        elif kind is AliasEvent:
            self._take_alias(event)
        elif kind is DocumentStartEvent:
            self._take_document(event)

    def _take_document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            message = "expected one YAML document in a file, but '---' begins another one"
            raise _UnreadableError(Trap(event.start_mark.index, "several-documents", message, "Split the file."))

    def _skip(self, event: Any) -> None:
        """Passes over a mapping or list that stands where a key is expected."""
        kind, frame = type(event), self._open[-1]
        if issubclass(kind, CollectionStartEvent):
            self._skipping += 1
            self._check_depth(event.start_mark.index, len(self._open) + self._skipping)
        elif issubclass(kind, CollectionEndEvent):
            self._skipping -= 1
            if not self._skipping:
                frame.key_end = event.end_mark.index
                frame.key = self.text[frame.key_at : frame.key_end]

    def _take_start(self, event: Any) -> None:
        at = event.start_mark.index
        self._check_depth(at, len(self._open) + 1)
        if self._open and self._open[-1].wants_key:
            self._begin_strange_key(at)
            return
        self._check_tag(event, _CONTAINER_TAGS)
        self._declare(event.anchor, at)
        value: dict[str, Any] | list[Any] = {} if type(event) is MappingStartEvent else []
        self._open.append(_Open(value, at, flow=bool(event.flow_style), anchor=event.anchor))

    def _begin_strange_key(self, at: int) -> None:
        frame = self._open[-1]
        self._skipping = 1
        frame.key_at = at
        if frame.flow and self.text[at] == "{" == self.text[frame.at]:
            frame.doomed = True
        else:
            self._add(at, "key-not-text", "expected a text as key, got a list or a mapping", "Put the key in quotes.")

    def _take_end(self, event: Any) -> None:
        frame = self._open.pop()
        frame.merge()
        if frame.doomed:
            self._close_template(frame, event.end_mark.index)
            return
        self._close_split(frame)
        value = _Value(frame.value, frame.at, frame.branch, frame.size, frame.height)
        self._deliver(value, frame.anchor)

    def _close_split(self, frame: _Open) -> None:
        """Puts a text together again that its own comma cut within braces."""
        if frame.split:
            last, whole = frame.last, self.text[frame.last.at : frame.split]
            self.found.append(traps.split_by_comma(last.at, last.key, last.text, whole))
            frame.value[last.key] = whole
            frame.split = 0

    def _close_template(self, frame: _Open, end: int) -> None:
        raw = self.text[frame.at : end]
        self.found.append(traps.unquoted_template(frame.at, raw, end))
        self._deliver(_Value(raw, frame.at, size=len(raw)), frame.anchor)

    def _take_alias(self, event: Any) -> None:
        at, name = event.start_mark.index, event.anchor
        if self._open and self._open[-1].wants_key:
            self._add(at, "key-not-text", f"expected a text as key, got the alias *{name}", "Write the key itself.")
            self._begin_key(f"*{name}", at, event.end_mark.index)
            return
        if name not in self._anchors:
            self._add(at, "undefined-alias", f"*{name} uses an anchor that is not set above",
                      f"Write &{name} where it is set; a text that begins with * needs quotes.")  # fmt: skip
        value = self._anchors.get(name, _Value(f"*{name}"))
        if value is None:
            message = f"*{name} stands within what &{name} names, which would never end"
            raise _UnreadableError(Trap(at, "recursive-alias", message, "Write the value without an alias."))
        self._expanded += value.size
        if self._expanded > MAX_SIZE:
            message = f"the aliases of this file stand for more than {MAX_SIZE:,} characters"
            raise _UnreadableError(Trap(at, "alias-bomb", message, "Write less with aliases: use defaults instead."))
        self._check_depth(at, len(self._open) + value.height)
        self._deliver(value._replace(at=at), None)

    # ------------------------------------------------------------ scalars

    def _take_scalar(self, event: Any) -> None:
        at, end = event.start_mark.index, event.end_mark.index
        plain = not event.style and event.tag is None
        if self._open and self._open[-1].wants_key:
            self._take_key(event, at, end, plain=plain)
            return
        if event.tag is not None or event.anchor is not None:
            self._check_tag(event, _STANDARD_TAGS)
            self._declare(event.anchor, at)
        if plain:
            value = self._plain(event, at, end)
        else:
            value = event.value
            if event.style == '"':
                self._check_quoted(at, end)
        self._deliver(_Value(value, at, None, len(event.value) + 1), event.anchor)

    def _take_key(self, event: Any, at: int, end: int, *, plain: bool) -> None:
        key = event.value
        if event.tag is not None or event.anchor is not None:
            self._check_tag(event, _STANDARD_TAGS)
            self._declare(event.anchor, at)
            self._remember(event.anchor, _Value(key, at, None, len(key) + 1))
        frame = self._open[-1]
        frame.lone = frame.flow and not traps.has_colon(self.text, end)
        if plain and key != "<<" and not frame.lone:
            self._check_plain_key(key, at, end)
        elif event.style == '"':
            self._check_quoted(at, end)
        self._begin_key(key, at, end, merge=plain and key == "<<")

    def _begin_key(self, key: str, at: int, end: int, *, merge: bool = False) -> None:
        frame = self._open[-1]
        frame.key, frame.key_at, frame.key_end = key, at, end
        frame.size += len(key) + 1
        if not frame.lone:
            self._close_split(frame)
        if merge:
            frame.key, frame.drop = _MERGE, True
        elif frame.lone and (frame.split or frame.last.key):
            frame.split, frame.drop = end, True
        elif key in frame.value:
            line = _location("", self.text, frame.branch.marks[key] >> _BITS).line
            message = f"the key '{traps.shorten(key)}' is given twice: it already stands in line {line}"
            self._add(at, "duplicate-key", message, "Delete one of the two, or put both into one.")
            frame.drop = True

    def _check_plain_key(self, key: str, at: int, end: int) -> None:
        if not key:
            self._add(at, "key-not-text", "expected a text as key, got nothing", "Write a key before the colon.")
            return
        kind = (_tag(key) or "").removeprefix("tag:yaml.org,2002:")
        number = kind in ("int", "float") and ":" not in key
        if number or kind == "null" or key.lower() in ("true", "false"):
            message = f"expected a text as key, got {traps.shorten(key)}"
            self._add(at, "key-not-text", message, f'Write it in quotes: "{traps.shorten(key)}":')
        elif trap := traps.around_plain(self.text, at, end):
            self.found.append(trap)

    def _check_quoted(self, at: int, end: int) -> None:
        if "\\" not in self.text[at:end]:
            return
        if trap := traps.half_character(self.text, at, end):
            raise _UnreadableError(trap)
        if trap := traps.double_quoted(self.text, at, end):
            self.found.append(trap)

    def _plain(self, event: Any, at: int, end: int) -> Any:
        text = event.value
        if not text:
            self._check_empty(event, at)
            return None
        if trap := self._check_around(text, at, end):
            self.found.append(trap)
            return text
        value, code, message, hint = traps.plain_value(text, _tag(text))
        if code:
            self._add(at, code, message, hint)
        if self._open:
            frame = self._open[-1]
            frame.plain = _Last(frame.key or "", text, at)
        return value

    def _check_around(self, text: str, at: int, end: int) -> Trap | None:
        if ":" in text and traps.missing_space(text) and self._on_own_line(at):
            return traps.no_space(at, traps.rest_of_line(self.text, at))
        return traps.around_plain(self.text, at, end)

    def _on_own_line(self, at: int) -> bool:
        """Whether a value begins on a line below its key, where a key would be expected."""
        if not self._open:
            return True
        frame = self._open[-1]
        return not frame.flow and type(frame.value) is dict and "\n" in self.text[frame.key_end : at]

    def _check_empty(self, event: Any, at: int) -> None:
        """A value that is not there: left out, cut by a #, or a key that should not be one."""
        if event.anchor is not None:
            self._add(at, "reserved-character", f"&{event.anchor} names nothing: a value cannot begin with &",
                      traps.QUOTE_IT)  # fmt: skip
        if not self._open:
            return
        frame = self._open[-1]
        before = frame.key_end if type(frame.value) is dict else at
        if trap := traps.after_empty(self.text, before):
            self.found.append(trap)
        elif frame.lone and not (frame.doomed or frame.split or frame.alone):
            frame.alone = True
            key = frame.key or ""
            self.found.append(traps.key_alone(frame.key_at if traps.missing_space(key) else frame.at, key))

    # ------------------------------------------------------------ what holds for every value

    def _deliver(self, item: _Value, anchor: str | None) -> None:
        self._remember(anchor, item)
        if not self._open:
            self.root = item
            return
        frame = self._open[-1]
        if frame.key is _MERGE:
            self._merge(frame, item)
        frame.put(item)

    def _merge(self, frame: _Open, item: _Value) -> None:
        if isinstance(item.value, dict):
            frame.merges.append(item)
            return
        items = item.value if isinstance(item.value, list) else [None]
        branches = item.branch.branches if item.branch else {}
        if not all(isinstance(each, dict) for each in items):
            self._add(item.at, "bad-merge", "expected a mapping, or a list of mappings, after <<",
                      "Write <<: *name, where &name stands at a mapping.")  # fmt: skip
            return
        frame.merges.extend(_Value(each, item.at, branches[i]) for i, each in enumerate(items))

    def _declare(self, anchor: str | None, at: int) -> None:
        if anchor is None:
            return
        if anchor in self._anchors:
            self._add(at, "duplicate-anchor", f"the anchor &{anchor} is set twice", "Give one of them another name.")
        self._anchors[anchor] = None

    def _remember(self, anchor: str | None, item: _Value) -> None:
        if anchor is not None:
            self._anchors[anchor] = item

    def _check_tag(self, event: Any, allowed: tuple[str, ...]) -> None:
        if event.tag is not None and event.tag not in allowed:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            message = f"the tag {traps.shorten(tag)} is not allowed: files hold plain data"
            self._add(event.start_mark.index, "custom-tag", message,
                      "Remove it; a text that begins with ! needs quotes.")  # fmt: skip

    def _check_depth(self, at: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            message = f"expected at most {MAX_DEPTH} levels of nesting"
            raise _UnreadableError(Trap(at, "too-deep", message, "Write it flatter."))

    def _add(self, at: int, code: str, message: str, hint: str) -> None:
        self.found.append(Trap(at, code, message, hint))


_MERGE: Final = "<<"
"""The key of a merge; compared by identity, as the text "<<" in quotes is a key like any other."""


def _tag(text: str) -> str | None:
    """The type that YAML 1.1 gives an unquoted text; None for text."""
    for tag, pattern in _RESOLVERS.get(text[0], ()):
        if pattern.match(text):
            return str(tag)
    return None

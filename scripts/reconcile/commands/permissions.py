"""What the command line allows beyond what the files say: to adopt, to release, to delete."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from reconcile.errors import UsageError
from reconcile.model import Kind, Marked, ResourceKey, State
from reconcile.plan import Notice
from reconcile.prune import Pruning


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """What may be taken over (by key, or by the project it is of), whose holds end, and what may be deleted."""

    adopt: frozenset[str] = frozenset()
    adopt_all: bool = False
    adopt_from: frozenset[str] = frozenset()
    release: frozenset[str] = frozenset()
    pruning: Pruning = field(default_factory=Pruning)

    def adopts(self, key: ResourceKey) -> bool:
        """Whether something unmanaged may be taken over."""
        return self.adopt_all or key.name in self.adopt


def add_permissions(parser: ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "--adopt",
        action="append",
        default=[],
        metavar="KEY",
        help="take over this unmanaged deployment (flow/name), variable or automation; repeatable",
    )
    parser.add_argument("--adopt-all", action="store_true", help="take over everything unmanaged that is declared here")
    parser.add_argument(
        "--adopt-from",
        action="append",
        default=[],
        metavar="PROJECT",
        help="take over what is declared here and belongs to that project; repeatable",
    )
    parser.add_argument(
        "--release",
        action="append",
        default=[],
        metavar="KEY",
        help="end what an operator set in the UI of this deployment, flow/name, or work pool; repeatable",
    )
    parser.add_argument("--prune", action="store_true", help="delete what is managed from here and no longer declared")
    parser.add_argument(
        "--max-deletes", type=_number, default=None, metavar="N", help="prune up to so many, whatever the rules say"
    )
    parser.add_argument(
        "--allow-empty",
        action="append",
        default=[],
        metavar="AREA",
        help="prune an area in which nothing is declared any more; repeatable",
    )
    parser.add_argument("--even-if-running", action="store_true", help="delete deployments whose runs are at work, too")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ArgumentTypeError(f"{text!r} is not a number of deletes: 0, 1, 2, …")
    return int(text)


def permissions_of(options: Namespace) -> Permissions:
    """What was allowed. Raises UsageError where it contradicts itself."""
    if options.prune and options.only:
        raise UsageError(
            "--prune and --only exclude each other: what is not declared any more is in no selection by name.",
            "Prune whole areas and environments, with --area and --env.",
        )
    for option in ("max_deletes", "allow_empty"):
        if not options.prune and getattr(options, option) not in (None, []):
            name = f"--{option.replace('_', '-')}"
            raise UsageError(
                f"{name} says how much may be pruned, and nothing is without --prune.",
                f"Add --prune, or leave {name} out.",
            )
    return Permissions(
        adopt=frozenset(options.adopt),
        adopt_all=options.adopt_all,
        adopt_from=frozenset(options.adopt_from),
        release=frozenset(options.release),
        pruning=Pruning(
            allowed=options.prune,
            max_deletes=options.max_deletes,
            allow_empty=frozenset(options.allow_empty),
            even_if_running=options.even_if_running,
        ),
    )


def unfounded(permissions: Permissions, selected: State, observed: State) -> list[Notice]:
    """A refusal for each permission that is about something that is not there."""
    refusals = [_nothing_to_adopt(key, selected, observed) for key in sorted(permissions.adopt)]
    known = {**selected.deployments, **selected.pools}
    refusals += [_nothing_to_release(key, known) for key in sorted(permissions.release - known.keys())]
    marks = {one.mark.project for one in _adoptable(observed) if one.mark}
    ours = {one.mark.project for one in _adoptable(selected) if one.mark}
    for project in sorted(permissions.adopt_from - marks - ours):
        message = f"--adopt-from {project}: nothing on the server belongs to that project; "
        refusals.append(Notice(code="adopt-from-missing", message=message + _way_out(project, marks - ours)))
    return [notice for notice in refusals if notice is not None]


_ADOPTABLE: Final = (Kind.DEPLOYMENT, Kind.VARIABLE, Kind.AUTOMATION)


def _adoptable(state: State) -> Iterator[Marked]:
    for kind in _ADOPTABLE:
        yield from state.marked(kind).values()


def _nothing_to_adopt(key: str, selected: State, observed: State) -> Notice | None:
    standing = {one.key for one in _adoptable(observed) if one.key.name == key}
    if standing & {one.key for one in _adoptable(selected)}:
        return None
    if not standing:
        known = [one.key.name for one in _adoptable(observed) if one.mark is None]
        message = f"--adopt {key!r}: nothing on the server is called so; {_way_out(key, known)}"
        return Notice(code="adopt-missing", key=key, message=message)
    return Notice(
        code="adopt-undeclared",
        key=key,
        message=f"--adopt {key!r}: it stands on the server, and nothing that is selected here declares it; add its "
        "entry to the file of its environment first.",
    )


def _nothing_to_release(key: str, known: Iterable[str]) -> Notice:
    message = f"--release {key!r}: nothing that is selected here is called so; {_way_out(key, known)}"
    return Notice(code="release-missing", key=key, message=message)


def _way_out(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1)
    return f"did you mean {close[0]!r}? Correct it, or leave it out." if close else "correct it, or leave it out."

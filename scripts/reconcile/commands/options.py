"""The arguments that commands share, and the selection that they make."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from reconcile.errors import UsageError
from reconcile.layers import Repository
from reconcile.model import EVERYWHERE, Deployment, Mark, Marked
from reconcile.resolve import nearest

ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: how it is configured and run. `summary` is its line of help."""

    name: str
    summary: str
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What the command line selects. No environments named: `environments` holds all of them.

    `nothing_said`: not even `--env all` was.
    """

    environments: frozenset[str]
    nothing_said: bool = False
    named: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    only: tuple[str, ...] = ()

    def takes(self, area: str, environment: str, names: Iterable[str]) -> bool:
        """Whether a deployment of that area and environment, known by any of those names, is selected."""
        return (
            environment in self.environments
            and (not self.areas or area in self.areas)
            and (not self.only or any(fnmatchcase(name, glob) for name in names for glob in self.only))
        )

    def covers(self, mark: Mark, one: Marked, known: frozenset[str]) -> bool:
        """Whether something managed that nobody declares falls within; an environment without files any more too."""
        environments = self.environments if self.named else self.environments | ({mark.environment} - known)
        if mark.environment == EVERYWHERE:
            environments |= {EVERYWHERE}
        wide = replace(self, environments=frozenset(environments))
        if not isinstance(one, Deployment):
            return not self.only and wide.takes(mark.area, mark.environment, ())
        return wide.takes(mark.area, mark.environment, (one.name, one.key.name))

    def takes_file(self, area: str, environment: str) -> bool:
        """Whether what a file declares besides deployments is taken for its own sake; `all`: that file is shared.

        Where only environments are named, shared files are taken whole: they are for every server.
        """
        return (
            not self.only
            and (not self.areas or area in self.areas)
            and (environment == EVERYWHERE or environment in self.environments)
        )

    @property
    def is_partial(self) -> bool:
        """Whether areas or deployments are picked out."""
        return bool(self.areas or self.only)


def add_root(parser: ArgumentParser) -> None:
    """`--root` and `--json`, which every command takes."""
    parser.add_argument(
        "--root",
        type=Path,
        default=None,
        metavar="DIR",
        help="another tree with prefect.yaml, deployments, pools and flows",
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON document on standard output, and nothing else there"
    )


def add_selection(parser: ArgumentParser) -> None:
    """`--env`, `--area` and `--only`."""
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME", help="an environment, or `all`; repeatable"
    )
    parser.add_argument("--area", action="append", default=[], metavar="NAME", help="an area; repeatable")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="GLOB",
        help="deployments by declared or final name, or flow/name; repeatable",
    )


def without_deployments(options: Namespace, what: str) -> None:
    """Refuse `--area` and `--only` where no deployments are acted on: taken in silence they would mislead."""
    if options.area or options.only:
        raise UsageError(f"--area and --only pick out deployments, and {what} is about none.", "Leave them out.")


def add_server(parser: ArgumentParser) -> None:
    """`--local`."""
    parser.add_argument(
        "--local",
        action="store_true",
        help="Prefect's embedded server, started for the length of the command; all environments",
    )


def add_source_secrets(parser: ArgumentParser) -> None:
    """`--read-source-secrets`: what apply does anyway."""
    parser.add_argument(
        "--read-source-secrets",
        action="store_true",
        help="read the tokens of git sources from the server's blocks, for hosts that it gives them to already",
    )


def seconds(text: str) -> float:
    """A time to wait: seconds, or 90s, 5m, 2h. Raises ArgumentTypeError."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smh]?)", text.strip())
    if match is None:
        raise ArgumentTypeError(f"{text!r} is no time such as 90s, 5m or 2h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def root_of(options: Namespace, tool: Path) -> Path:
    """The tree to act on: the tool's own unless `--root` names another."""
    root: Path = options.root or tool
    try:
        root = root.resolve()
        is_folder = root.is_dir()
    except (OSError, ValueError, RuntimeError):  # too long for a name, or a loop of links before Python 3.13
        is_folder = False
    if not is_folder:
        raise UsageError(f"--root {root} is not a folder.", "Name the folder that holds prefect.yaml.")
    return root


def filter_of(options: Namespace, repository: Repository) -> Filter:
    """The selection, with every name in it known."""
    known = set(repository.environments.data.get("environments") or {})
    named = tuple(dict.fromkeys(options.env))
    if ALL in named and len(named) > 1:
        raise UsageError("--env all takes every environment; name no other beside it.", "Leave one of them out.")
    for name in named:
        if name != ALL and name not in known:
            raise UsageError(f"No environment is called {name!r}.", nearest(name, known))
    given_up = getattr(options, "allow_empty", None)  # where nothing can be pruned there is no such option
    for area in options.area:
        if area not in {*repository.areas, *(given_up or ())}:
            also = "" if given_up is None else f" One without files any more takes --allow-empty {area} beside it."
            raise UsageError(f"No area is called {area!r}.", nearest(area, repository.areas) + also)
    chosen = known if not named or named == (ALL,) else set(named)
    return Filter(
        environments=frozenset(chosen),
        nothing_said=not named,
        named=() if named == (ALL,) else named,
        areas=tuple(options.area),
        only=tuple(options.only),
    )

"""`--adopt` and `--adopt-all`: which unmanaged deployments may be taken over."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from reconcile.model import ResourceKey


def add_adoption(parser: ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "--adopt",
        action="append",
        default=[],
        metavar="KEY",
        help="take over this unmanaged deployment, flow/name; repeatable",
    )
    parser.add_argument(
        "--adopt-all", action="store_true", help="take over every unmanaged deployment that is declared here"
    )


def adopts(options: Namespace) -> Callable[[ResourceKey], bool]:
    """Whether a deployment may be taken over."""
    named = frozenset(options.adopt)
    return lambda key: options.adopt_all or key.name in named

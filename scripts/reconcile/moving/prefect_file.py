"""What is being put together of a prefect.yaml, and where it is to go."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from reconcile.document import Document
from reconcile.moving.draft import DraftEntry, DraftPool, DraftTree, Fields
from reconcile.problem import Fault, Problem, Severity

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the entries go, and what is there: `pools` are declared work pools, their files' stems by their names.

    `folder` is what Prefect takes for the code where nothing is pulled: as workers see it, or relative to the root;
    `folder_name` its last part. `form` is how the environment forms names. `pool_types` are types of new pools.
    """

    area: str
    environment: str
    folder: str = "."
    folder_name: str = "project"
    form: str = "{name}"
    pools: Mapping[str, str] = field(default_factory=dict)
    stems: Collection[str] = ()
    pool_types: Mapping[str, str] = field(default_factory=dict)
    taken: Collection[str] = ()
    """The keys of deployments that the file of that area and environment has already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What would be declared, and every problem: errors are why an entry is not among it.

    `already` are the entries that are declared already, which are left as they are.
    """

    tree: DraftTree
    problems: tuple[Problem, ...]
    already: tuple[str, ...] = ()


@dataclass(slots=True)
class Draft:
    """What is being put together."""

    document: Document
    target: Target
    problems: list[Problem] = field(default_factory=list)
    entries: list[DraftEntry] = field(default_factory=list)
    automations: dict[str, Fields] = field(default_factory=dict)
    pools: dict[str, DraftPool] = field(default_factory=dict)
    queues: dict[str, set[str]] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    """Of the entry at hand: what of it is not carried over."""
    exposed: set[KeyPath] = field(default_factory=set)
    """The entries that hold a secret in clear text."""

    @property
    def name(self) -> str:
        """The file's name, for comments, which are read where its folder means nothing."""
        return self.document.file.rpartition("/")[2]

    def say(
        self, at: KeyPath, code: str, message: str, hint: str = "", *, key: bool = False, error: bool = False
    ) -> None:
        """Note a problem at a path of the file; with `key`, at the key itself."""
        severity = Severity.ERROR if error else Severity.WARNING
        self.fault((), Fault(code=code, message=message, hint=hint, at=at, on_key=key, severity=severity))

    def fault(self, at: KeyPath, fault: Fault) -> None:
        """Note a fault of what stands at a path."""
        self.problems.append(fault.located(self.document.locate((*at, *fault.at), key=fault.on_key)))

    def leave_out(self, at: KeyPath, message: str, hint: str = "", code: str = "left-out") -> None:
        """Something that is not carried over, said here and where the deployment is declared."""
        self.say(at, code, message, hint, key=True)
        line = self.document.locate(at, key=True).line
        self.comments.append(f"{self.name}:{line}: {message}")


def near(key: str, known: Collection[str]) -> str:
    """A hint at the key that was probably meant."""
    close = get_close_matches(key, known, n=1, cutoff=0.75)
    return f"Did you mean {close[0]!r}?" if close else ""

"""Edits of a repository's files tried out in a copy before they are proposed, and shown as the lines that change."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from pathlib import Path
from types import TracebackType
from typing import Self

from reconcile.commands.session import Files, declared_here, read_files
from reconcile.compare import comparable, of_schedule, same
from reconcile.desired import Desired
from reconcile.model import DEPLOYMENT_FIELDS, Deployment, State
from reconcile.problem import has_errors
from reconcile.render.escape import safe
from reconcile.render.text import Line


@dataclass(slots=True)
class Staging:
    """A copy of a repository, in a folder that is somebody else's to delete. `texts` are the files changed so far."""

    root: Path
    folder: Path
    is_here: bool = True
    standing: State | None = None
    texts: dict[str, str] = field(default_factory=dict)
    _files: Files | None = None
    _desired: Desired | None = None

    def __enter__(self) -> Self:
        for name in ("deployments", "pools"):
            if (self.root / name).is_dir():
                shutil.copytree(self.root / name, self.folder / name)
        shutil.copyfile(self.root / "prefect.yaml", self.folder / "prefect.yaml")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left open."""

    def text(self, name: str) -> str:
        """A file as it would be by now."""
        return self.texts.get(name) or self.original(name)

    def original(self, name: str) -> str:
        """A file as it is."""
        return (self.root / name).read_bytes().decode("utf-8-sig")

    def put(self, texts: Mapping[str, str]) -> None:
        """Lay these texts into the copy, in the place of those that were laid before."""
        if texts == self.texts:
            return
        self._files = self._desired = None
        for name in {*self.texts, *texts}:
            text = texts.get(name)
            content = (self.root / name).read_bytes() if text is None else text.encode("utf-8")
            (self.folder / name).write_bytes(content)
        self.texts = dict(texts)

    def files(self) -> Files:
        """The copy, read; its paths are those of the repository itself."""
        if self._files is None:
            self._files = replace(read_files(self.folder), root=self.root)
        return self._files

    def desired(self) -> Desired:
        """What the copy says."""
        if self._desired is None:
            self._desired = declared_here(self.files(), is_here=self.is_here, standing=self.standing)
        return self._desired


def changed(before: Desired, after: Desired) -> frozenset[str] | None:
    """The deployments that the two say otherwise; None where the second has errors."""
    if has_errors(after.problems):
        return None
    one, other = before.state.deployments, after.state.deployments
    return frozenset(
        name
        for name in {*one, *other}
        if name not in one or name not in other or list(differing(one[name], other[name]))
    )


def differing(one: Deployment, other: Deployment) -> Iterator[str]:
    """The fields in which two deployments differ, schedules by `schedules`."""
    for rule in DEPLOYMENT_FIELDS:
        if rule.name == "schedules":
            if not same(_schedules(one), _schedules(other)):
                yield rule.name
        elif not same(comparable(one, rule.name), comparable(other, rule.name)):
            yield rule.name


def _schedules(one: Deployment) -> dict[str, object]:
    return {schedule.slug or "": {**of_schedule(schedule), "active": schedule.active} for schedule in one.schedules}


def diff_lines(root: Path, texts: Mapping[str, str]) -> Iterator[Line]:
    """The lines that change, as git shows them."""
    for name, text in sorted(texts.items()):
        path = root / name
        before = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
        for line in unified_diff(before.splitlines(), text.splitlines(), f"a/{name}", f"b/{name}", lineterm="", n=1):
            style = "dim"
            if not line.startswith(("---", "+++", "@@", " ")):
                style = "good" if line.startswith("+") else "error"
            yield Line(safe(line), style)

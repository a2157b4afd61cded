"""Copies of deployments that somebody tries a branch with: whose they are, and until when they stay.

They carry a mark of their own, so that they are neither managed nor foreign: no plan counts them, none is an orphan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from reconcile.model import Deployment, State

LIFE: Final = timedelta(days=7)
"""How long one stays after it was made or renewed."""

_TAG = re.compile(r"try-of:(?P<project>[a-z0-9-]{1,63})/(?P<user>[a-z0-9-]+)/(?P<until>\d{4}-\d\d-\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Whose copy it is, carried on the server as the tag `try-of:<project>/<user>/<last day>`."""

    project: str
    user: str
    until: date

    @property
    def tag(self) -> str:
        """The mark as the tag that the server keeps."""
        return f"try-of:{self.project}/{self.user}/{self.until.isoformat()}"


def trial_of(deployment: Deployment) -> Trial | None:
    """The trial that a deployment is. What carries a mark of the managed ones too is none."""
    if deployment.mark is not None:
        return None
    for tag in deployment.tags:
        match = _TAG.fullmatch(tag)
        if match is None:
            continue
        try:
            until = date.fromisoformat(match["until"])
        except ValueError:
            continue
        return Trial(project=match["project"], user=match["user"], until=until)
    return None


def trials_of(state: State, project: str) -> Iterator[tuple[Deployment, Trial]]:
    """The project's trials, by name."""
    for _, deployment in sorted(state.deployments.items()):
        found = trial_of(deployment)
        if found is not None and found.project == project:
            yield deployment, found


def user_name(login: str) -> str:
    """A login as it stands in names and marks: small letters, digits and hyphens."""
    plain = re.sub(r"[^a-z0-9]+", "-", login.rpartition("\\")[2].lower()).strip("-")
    return plain or "somebody"


def trial_name(name: str, user: str) -> str:
    """What the copy of a deployment is called."""
    return f"{name}-try-{user}"

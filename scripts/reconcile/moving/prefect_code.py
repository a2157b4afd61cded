"""Where the code of a deployment of a prefect.yaml comes from: its steps, and those that Prefect makes up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from reconcile.moving.draft import Fields
from reconcile.moving.from_state import source_of
from reconcile.moving.prefect_file import Draft, KeyPath
from reconcile.moving.prefect_steps import Steps, builds_an_image, steps_of
from reconcile.problem import Severity
from reconcile.pull import (
    GIT_CLONE,
    SET_WORKING_DIRECTORY,
    GitSource,
    block_of,
    check,
    step_faults,
    transport,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySteps:
    """The steps that hold for an entry. `pull` is None where Prefect makes them up."""

    build: Steps | None
    push: Steps | None
    pull: Steps | None


def entry_steps(work: Draft, data: Mapping[str, Any], raw: Mapping[str, Any], index: int) -> EntrySteps:
    """As Prefect chooses: a `build` of the entry's own holds even if null, a `push` or `pull` only if it says some."""
    at: KeyPath = ("deployments", index)
    build = _read_steps(work, raw["build"], (*at, "build")) if "build" in raw else _project_steps(work, data, "build")
    push = _read_steps(work, raw.get("push"), (*at, "push")) or _project_steps(work, data, "push")
    pull = _read_steps(work, raw.get("pull"), (*at, "pull"))
    own = pull is not None
    if pull is None:
        pull = _project_steps(work, data, "pull")
    for fault in step_faults(pull or [], "pull"):
        work.fault(at if own else (), replace(fault, severity=Severity.ERROR))
    return EntrySteps(build=build or None, push=push or None, pull=pull)


def _project_steps(work: Draft, data: Mapping[str, Any], key: str) -> Steps | None:
    steps, faults = steps_of(data.get(key))
    for fault in faults:
        work.fault((key,), fault)
    return steps


def _read_steps(work: Draft, value: Any, at: KeyPath) -> Steps | None:
    steps, faults = steps_of(value)
    for fault in faults:
        work.fault(at, fault)
    return steps


def code_of(work: Draft, steps: EntrySteps, raw: Mapping[str, Any], at: KeyPath) -> dict[str, Any]:
    """Where workers have the code from: a source where one says the same, else Prefect's steps as they are."""
    pull = steps.pull
    if pull is None:
        pull = _made_up(work, steps, raw)
        if pull is None:
            return {"source": {"path": work.target.folder}}
    for step in steps.pull or ():
        inputs = step.get(GIT_CLONE)
        if inputs and block_of(inputs) and transport(str(inputs.get("repository"))) in {"ssh", "file", "http"}:
            key: KeyPath = ("pull",) if raw.get("pull") is None else (*at, "pull")
            hint = "Write the address with https, or leave out the token."
            work.say(
                key,
                "token-unused",
                "Prefect gives tokens to https addresses only, so this one is never used.",
                hint,
                key=True,
            )
    short = source_of([_in_the_sdk_form(step) for step in pull])
    return {"source": short} if short is not None and _is_plain(short) else {"pull": pull}


def _is_plain(source: Fields) -> bool:
    """Whether a source can be declared: with a template in it, or a token that git does not take, it stays steps."""
    if "git" not in source:
        return True
    token = source.get("token") or {}
    said = GitSource(
        url=str(source["git"]),
        branch=source.get("branch"),
        commit=source.get("commit"),
        secret=token.get("secret"),
        github_credentials=token.get("github_credentials"),
        directories=tuple(source.get("directories") or ()),
    )
    return check(said) is None and "{{" not in f"{source['git']} {source.get('branch')}"


def _made_up(work: Draft, steps: EntrySteps, raw: Mapping[str, Any]) -> Steps | None:
    """The pull steps that Prefect makes up where none are said; None: the folder that it deploys from."""
    image = builds_an_image(steps.build)
    if image is not None:
        if image.get("dockerfile") != "auto":
            return []
        return [{SET_WORKING_DIRECTORY: {"directory": f"/opt/prefect/{work.target.folder_name}"}}]
    pool = raw.get("work_pool")
    variables = pool.get("job_variables") if isinstance(pool, dict) else None
    if isinstance(variables, dict) and variables.get("image"):
        return [{SET_WORKING_DIRECTORY: {"directory": "/opt/prefect"}}]
    return None


_TOKEN: Final = re.compile(r"\{\{\s*prefect\.blocks\.(?P<type>secret|github-credentials)\.(?P<name>[a-z0-9-]+)\s*\}\}")


def _in_the_sdk_form(step: Mapping[str, Any]) -> dict[str, Any]:
    """A clone as Prefect's SDK writes it: `access_token` is short for credentials, and an id nobody asks for goes."""
    inputs = step.get(GIT_CLONE)
    if not isinstance(inputs, Mapping):
        return dict(step)
    said = {key: value for key, value in inputs.items() if key != "id" and value is not None}
    for key in ("access_token", "credentials"):
        match = _TOKEN.fullmatch(said[key]) if isinstance(said.get(key), str) else None
        if match is not None:
            del said[key]
            text = f"{{{{ prefect.blocks.{match['type']}.{match['name']} }}}}"
            said["credentials"] = {"access_token": text} if match["type"] == "secret" else text
    if said.get("include_submodules") is False:
        del said["include_submodules"]
    return {GIT_CLONE: {"repository": said.pop("repository", None), "branch": said.pop("branch", None), **said}}

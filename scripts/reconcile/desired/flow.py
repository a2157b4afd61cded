"""The flow of a deployment: its signature, and whether the parameters fit it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reconcile.desired.draft import Draft
from reconcile.layers import Entry, KeyPath
from reconcile.model import (
    Schedule,
)
from reconcile.problem import Fault, Problem, Severity
from reconcile.resolve import Code, folder_location, leads_here, location_of
from reconcile.schema import check_value
from reconcile.signature import Signature, SignatureError, check_parameters, read_signature, relative_paths


def signature_of(draft: Draft, code: Code) -> Signature | None:
    """The flow's signature; None where it cannot be known, which is said once a source or reported as a problem."""
    key = (code.reads, code.files, code.function)
    if code.reads in draft.evidence.unreadable:
        draft.unread.setdefault(code.reads, []).append(code)
        return None
    error = next((draft.evidence.misread.get((code.reads, path)) for path in code.files), None)
    if error is not None:
        fault = Fault(code="entrypoint-unreadable", message=error.message, hint=error.hint, at=("entrypoint",))
        draft.problems.append(code.entry.problem(fault))
        return None
    if key not in draft.signatures:
        draft.signatures[key] = _read(draft, code)
    found = draft.signatures[key]
    if found is None and code.is_guess:
        if not isinstance(code.entry.fields.get("flow"), str):
            draft.problems.append(code.entry.problem(_not_read()))
    elif found is None:
        draft.problems.append(code.entry.problem(_no_such_file(code)))
    if isinstance(found, SignatureError):
        file = next(path for path in code.files if draft.evidence.texts.get((code.reads, path)) is not None)
        where = f"{file}:{found.line}: " if found.line else f"{file}: "
        fault = Fault(code=found.code, message=where + found.message, hint=found.hint, at=("entrypoint",))
        draft.problems.append(code.entry.problem(fault))
    if not isinstance(found, Signature):
        return None
    for warning in found.warnings:
        fault = Fault(
            code=warning.code, message=warning.message, hint=warning.hint, at=("entrypoint",), severity=Severity.WARNING
        )
        draft.problems.append(code.entry.problem(fault))
    return found


def _read(draft: Draft, code: Code) -> Signature | SignatureError | None:
    for path in code.files:
        text = draft.evidence.texts.get((code.reads, path))
        if text is not None:
            try:
                return read_signature(text, code.function)
            except SignatureError as error:
                return error
    return None


def _no_such_file(code: Code) -> Fault:
    source = f"the source {code.source_name!r}" if code.source_name else "this repository"
    return Fault(
        code="entrypoint-not-found",
        message=f"There is no {code.files[0]} in {source}.",
        hint="Paths start at the top folder of the source, with forward slashes; check the spelling, and the branch.",
        at=("entrypoint",),
    )


def _not_read() -> Fault:
    """Once for all deployments that have the same steps: it names none of them."""
    return Fault(
        code="pull-unreadable",
        message="Where these pull steps take the code from cannot be read here, so entrypoints and parameters are not "
        "checked, and flows are taken to be named after their functions.",
        hint="Name a `source:` beside `pull:` that holds the same code, or pin the flows' names with `flow:`.",
        at=("pull",),
        on_key=True,
        severity=Severity.WARNING,
    )


def warn_of_relative_paths(draft: Draft, code: Code) -> None:
    """A warning, once a file, where a flow takes relative paths although a worker clones its code."""
    if not _is_cloned(code):
        return
    texts = draft.evidence.texts
    file = next((path for path in code.files if texts.get((code.reads, path)) is not None), None)
    if file is None or (code.reads, file) in draft.relative:
        return
    draft.relative.add((code.reads, file))
    found = relative_paths(texts[code.reads, file] or "")
    if not found:
        return
    first, others = found[0], sorted({one.line for one in found[1:]} - {found[0].line})
    more = f" (and line{'s' * (len(others) > 1)} {', '.join(map(str, others[:8]))})" if others else ""
    fault = Fault(
        code="relative-path",
        message=f"{file}:{first.line}: {first.call} takes the relative path {first.path[:60]!r}{more}, which is looked "
        "for where the worker clones the code, and what is written there can be gone after the run.",
        hint='Give the whole path of a file of the machine; a file of the repository is Path(__file__).parent / "…".',
        at=("entrypoint",),
        severity=Severity.WARNING,
    )
    draft.problems.append(code.entry.problem(fault))


def _is_cloned(code: Code) -> bool:
    """Whether a worker clones it: here, or elsewhere by the source's `deploy_as`."""
    layers = code.entry.scope.sources.get(code.source_name or "", ())
    steps = (name for step in code.steps for name in step)
    elsewhere = (layer.data.get("deploy_as") for layer in layers)
    return any("git_clone" in name or "pull_with_block" in name for name in steps) or any(
        isinstance(one, dict) and "git" in one for one in elsewhere
    )


def unread_warnings(draft: Draft) -> Iterator[Problem]:
    """One warning a reason: several environments and sources may lead to one repository that cannot be reached."""
    by_reason: dict[tuple[str, str], list[Code]] = {}
    for source, codes in draft.unread.items():
        error = draft.evidence.unreadable[source]
        if error is not None:
            by_reason.setdefault((error.message, error.hint), []).extend(codes)
    for (message, hint), codes in by_reason.items():
        guessed = [code for code in codes if not isinstance(code.entry.fields.get("flow"), str)]
        naming = (
            f" Flows are taken to be named as on the server, or after their functions: {_some(guessed)}."
            if guessed
            else ""
        )
        count = f"{len(codes)} deployments" if len(codes) > 1 else repr(codes[0].entry.declared)
        if leads_here(codes[0].reads):
            yield Problem(location=folder_location(codes[0]), code="source-invalid", message=message, hint=hint)
            continue
        yield Problem(
            location=location_of(codes[0]),
            code="source-unreadable",
            message=f"{message} Entrypoints and parameters of {count} are not checked, and parameter schemas on the "
            f"server stay as they are.{naming}",
            hint=" ".join(filter(None, (hint, "Pin the names with `flow:`." if guessed else ""))),
            severity=Severity.WARNING,
        )


def _some(codes: list[Code]) -> str:
    names = [repr(code.entry.declared) for code in codes]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def check_parameters_of(
    draft: Draft, entry: Entry, signature: Signature, parameters: dict[str, Any], schedules: tuple[Schedule, ...]
) -> None:
    """Whether the parameters of a deployment and of its schedules fit its flow."""
    faults = list(_parameter_faults(entry, signature, parameters, ("parameters",)))
    for schedule in schedules:
        at: KeyPath = ("schedules", schedule.slug or "")
        faults += _parameter_faults(entry, signature, dict(schedule.parameters), (*at, "parameters"))
        if schedule.active is False or entry.at_fault("parameters") or entry.at_fault(*at, "parameters"):
            continue
        together = {**parameters, **schedule.parameters}
        for fault in check_parameters(signature, together, require_all=True):
            if fault.code == "parameter-missing":
                faults.append(replace(fault, at=at, on_key=True))
    draft.problems += [entry.problem(fault) for fault in faults]


def _parameter_faults(entry: Entry, signature: Signature, parameters: dict[str, Any], at: KeyPath) -> Iterator[Fault]:
    for fault in check_parameters(signature, parameters, require_all=False):
        yield replace(fault, at=(*at, *fault.at), on_key=True)
    schema = signature.parameter_schema
    if schema is None or entry.fields.get("enforce_parameter_schema") is False:
        return
    # What is missing matters to a run, not here; but what a flow requires does not take null instead.
    required = [name for name in schema.get("required", ()) if name in parameters]
    for fault in check_value(parameters, {**schema, "required": required}):
        hint = fault.hint or f"`{signature.function}` takes it so: correct the value, or the flow."
        yield replace(fault, code="parameter-type", hint=hint, at=(*at, *fault.at))

"""A prefect.yaml, of Prefect 3 or what is left of 2, -> a draft of what would declare the same, with located notes.

What Prefect's command line makes of the file is what counts: what it drops is not carried over, and is named with its
line; what it refuses is taken as it was meant, where that is plain, and said. Only Prefect 2's own keys, which had a
meaning then, keep it. An error is the reason why an entry cannot be imported.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from reconcile.document import Document
from reconcile.errors import SourceError
from reconcile.moving.draft import DraftEntry, DraftPool, DraftTree, Fields, free_name
from reconcile.moving.prefect_code import code_of, entry_steps
from reconcile.moving.prefect_fields import numbers_of, texts_of
from reconcile.moving.prefect_file import Draft, Imported, KeyPath, Target, near
from reconcile.moving.prefect_pools import pool_of
from reconcile.moving.prefect_steps import step_ids
from reconcile.moving.prefect_times import schedules_of
from reconcile.moving.prefect_triggers import take_triggers
from reconcile.problem import Location, Problem, Severity, in_order
from reconcile.pull import (
    entrypoint_candidates,
)
from reconcile.secrets import secrets_in
from reconcile.signature import default_flow_name

TOP: Final = frozenset({"name", "prefect-version", "build", "push", "pull", "deployments", "definitions"})

ENTRY: Final = frozenset(
    {"name", "version", "version_type", "tags", "description", "schedule", "schedules", "paused", "concurrency_limit",
     "flow_name", "entrypoint", "parameters", "enforce_parameter_schema", "build", "push", "pull", "work_pool",
     "triggers", "sla", "infra_overrides", "is_schedule_active"}
)  # fmt: skip


def from_prefect_yaml(document: Document, target: Target) -> Imported:
    """What a prefect.yaml declares. Raises nothing: whatever it holds is a problem, or is carried over."""
    work = Draft(document=document, target=target)
    data = document.data
    if not isinstance(data, dict):
        work.say(
            (),
            "not-a-mapping",
            "A prefect.yaml is a mapping, with `deployments:` in it.",
            "Is it another file?",
            error=True,
        )
        return _done(work)
    for at, kind in secrets_in(data):
        hint = "Revoke it, keep the new one in a Secret block, and write {{ prefect.blocks.secret.NAME }} in quotes."
        work.exposed.add(at[:2])
        work.say(at, "secret-in-clear", f"Here stands {kind} in clear text, which is not copied.", hint, error=True)
    _top_keys(work, data)
    listed = data.get("deployments")
    if listed is not None and not isinstance(listed, list):
        work.say(
            ("deployments",),
            "deployments-not-a-list",
            "`deployments` must be a list.",
            "Begin each with `- name:`.",
            error=True,
        )
    elif not listed:
        _nothing_declared(work, data)
    for index, raw in enumerate(listed if isinstance(listed, list) else ()):
        _entry(work, data, raw, index)
    return _done(work)


def _top_keys(work: Draft, data: Mapping[str, Any]) -> None:
    anchors = {key for key, value in data.items() if key.startswith((".", "x-", "_"))}
    for key in data:
        if key not in TOP and key not in anchors and not ("entrypoint" in data and key in ENTRY):
            work.say(
                (key,),
                "key-dropped",
                f"Prefect drops {key!r} in silence, and so does the import.",
                near(key, TOP),
                key=True,
            )


def _nothing_declared(work: Draft, data: Mapping[str, Any]) -> None:
    if "entrypoint" in data:
        work.say(("entrypoint",), "deployments-missing",
                 "This is one deployment of Prefect 2: 3 deploys nothing from it.",
                 "Put its fields below `deployments:`, as an item of a list.", key=True, error=True)  # fmt: skip
        return
    work.say(("deployments",), "deployments-missing", "The file declares no deployment, so there is nothing to import.",
             "What was made by hand comes from the server: `import --from-server`.", error=True)  # fmt: skip


def _entry(work: Draft, data: Mapping[str, Any], raw: Any, index: int) -> None:
    at: KeyPath = ("deployments", index)
    work.comments = []
    if not isinstance(raw, dict):
        work.say(
            at, "entry-invalid", "A deployment is a mapping of its fields.", "Begin it with `- name:`.", error=True
        )
        return
    faults = len(work.problems)
    name = _name(work, raw, at)
    entrypoint = _entrypoint(work, raw, at)
    for key in raw:
        if key not in ENTRY:
            _dropped(work, key, at)
    steps = entry_steps(work, data, raw, index)
    outputs = step_ids(steps.build, steps.push) if steps.build or steps.push else None
    fields: dict[str, Any] = {"entrypoint": entrypoint, **code_of(work, steps, raw, at)}
    fields |= texts_of(work, raw, at, outputs)
    fields |= schedules_of(work, raw, at)
    fields |= numbers_of(work, raw, at)
    fields |= pool_of(work, raw, at, outputs)
    fields |= {key: value for key, value in (("build", steps.build), ("push", steps.push)) if value}
    wrong = any(problem.severity is Severity.ERROR for problem in work.problems[faults:])
    if wrong or name is None or at in work.exposed:
        return
    function = re.split(r"[:.]", str(entrypoint))[-1]
    work.entries.append(
        DraftEntry(
            area=work.target.area,
            environment=work.target.environment,
            key=name,
            fields={key: value for key, value in fields.items() if value is not None},
            identity=f"{default_flow_name(function)}/{name}",
            comments=tuple(work.comments),
            origin=f"{work.document.file}:{work.document.locate(at).line}",
        )
    )
    take_triggers(work, raw, at, name)


_BAD_IN_NAMES: Final = re.compile(r"[/%&><\x00-\x1f\x7f-\x9f]")


def _name(work: Draft, raw: Mapping[str, Any], at: KeyPath) -> str | None:
    name = raw.get("name")
    if name is None or str(name).strip() == "":
        work.say(
            (*at, "name"),
            "name-missing",
            "This deployment has no name, which Prefect asks for.",
            "Give it a `name:`.",
            error=True,
        )
        return None
    text = str(name)
    if "{{" in text:
        work.say(
            (*at, "name"),
            "template",
            "A name that is filled in at each deploy cannot be declared.",
            "Write the name itself.",
            error=True,
        )
    elif _BAD_IN_NAMES.search(text) or text != text.strip():
        work.say((*at, "name"), "name-invalid", f"Prefect does not take the name {text!r}.",
                 "Leave out / % & > < and spaces around it.", error=True)  # fmt: skip
    return text


def _entrypoint(work: Draft, raw: Mapping[str, Any], at: KeyPath) -> str | None:
    said = raw.get("entrypoint")
    if said is None or not str(said).strip():
        flow = raw.get("flow")
        hint = "Write `entrypoint: folder/file.py:function`."
        if isinstance(flow, str) and ":" in flow:
            hint = f"Prefect knows no `flow:`; write `entrypoint: {flow}`."
        work.say(
            (*at, "entrypoint"),
            "entrypoint-missing",
            f"{raw.get('name')!r} has no entrypoint: Prefect refuses it.",
            hint,
            error=True,
        )
        return None
    text = str(said)
    if "{{" in text:
        work.say(
            (*at, "entrypoint"),
            "template",
            "An entrypoint that is filled in at each deploy cannot be declared.",
            "Write it itself.",
            error=True,
        )
        return None
    try:
        entrypoint_candidates(text)
    except SourceError as error:
        work.say((*at, "entrypoint"), "entrypoint-invalid", error.message, error.hint, error=True)
        return None
    return text.replace("\\", "/").removeprefix("./")


_MEANT: Final = {
    "job_variables": "it belongs under `work_pool:`; write `job_variables:` beside the entrypoint here to have them",
    "work_queue_name": "it belongs under `work_pool:`; write `work_queue:` here to have it",
    "work_queue": "it belongs under `work_pool:` as work_queue_name; write `work_queue:` here to have it",
    "work_pool_name": "it is `work_pool: {name: …}`",
    "infrastructure": "it is of Prefect 2; a work pool has its place",
    "storage": "it is of Prefect 2; pull steps have its place",
    "timezone": "it belongs to a schedule",
    "cron": "it belongs to `schedules:`",
    "requirements": "install them on the worker, in its image, or in a pull step",
    "env": "it belongs under `work_pool: {job_variables: …}`",
    "retries": "it belongs to the flow's decorator",
    "automations": "automations of a deployment are its `triggers:`",
}


def _dropped(work: Draft, key: str, at: KeyPath) -> None:
    meant = f": {_MEANT[key]}" if key in _MEANT else ""
    work.leave_out(
        (*at, key),
        f"Prefect drops {key!r} of a deployment in silence, so it is not carried over{meant}.",
        near(key, ENTRY),
        "key-dropped",
    )


def _done(work: Draft) -> Imported:
    entries = _with_keys(work)
    new = [entry for entry in entries if entry.key not in work.target.taken]
    already = tuple(sorted(entry.key for entry in entries if entry.key in work.target.taken))
    if work.target.form != "{name}" and new:
        formed = work.target.form.replace("{name}", new[0].key)
        work.say((), "names-formed", f"Names are formed there: {new[0].key!r} is called {formed!r} on the server.",
                 'Names are kept by an environment that says `name: "{name}"`.')  # fmt: skip
    used = {str(entry.fields.get("work_pool")) for entry in new}
    for stem, queues in sorted(work.queues.items()):
        if stem in work.pools:
            fields = {**work.pools[stem].fields, "queues": {queue: {} for queue in sorted(queues)}}
            work.pools[stem] = DraftPool(fields=fields)
    names = {entry.key for entry in new}
    automations = {name: said for name, said in work.automations.items() if _runs(said) & names}
    tree = DraftTree(
        entries=tuple(new),
        automations=automations,
        pools={stem: pool for stem, pool in sorted(work.pools.items()) if stem in used},
    )
    return Imported(tree=tree, problems=in_order(work.problems), already=already)


def _runs(automation: Fields) -> set[str]:
    return {str(action.get("deployment")) for action in automation.get("actions") or ()}


def _with_keys(work: Draft) -> list[DraftEntry]:
    """The entries by keys of their own: two flows may have one deployment name, one flow may not."""
    times = Counter(entry.key for entry in work.entries)
    seen: dict[tuple[str, str], DraftEntry] = {}
    found: list[DraftEntry] = []
    for entry in work.entries:
        same = (entry.key, str(entry.fields["entrypoint"]))
        if same in seen:
            file, _, line = entry.origin.rpartition(":")
            work.problems.append(
                Problem(
                    location=Location(file=file, line=int(line)),
                    code="name-twice",
                    message=f"{entry.key!r} of {same[1]} is declared twice, also at {seen[same].origin}: the second "
                    "would be written over the first.",
                    hint="Rename one of the two, or delete it.",
                )
            )
            continue
        seen[same] = entry
        found.append(_by_its_flow(entry, {one.key for one in found}) if times[entry.key] > 1 else entry)
    return found


def _by_its_flow(entry: DraftEntry, taken: Collection[str]) -> DraftEntry:
    flow = entry.identity.partition("/")[0]
    key = free_name(f"{entry.key} ({flow})", taken)
    return replace(entry, key=key, fields={**entry.fields, "name": entry.key})

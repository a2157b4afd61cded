"""What differs of variables, secrets, concurrency limits and automations: one row of data for each kind.

None of them carries a fingerprint, so who made a difference cannot be told. Variables and automations carry a mark;
what does can be deleted when no file declares it any more. Limits have no owner. Of a secret nothing is known but
whether it is there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconcile.automations import comparable_part
from reconcile.compare import flattened, same
from reconcile.model import Automation, Kind, Marked, Resource, Secret, State, Variable
from reconcile.plan import Action, Change, FieldChange, Notice, Orphan, Reason
from reconcile.secrets import MASK, mask, names_a_secret
from reconcile.selection import Remarks, Selection, is_adopted, not_ours


def _as_it_is(value: Any) -> Any:
    return value


def _as_set(tags: Any) -> Any:
    return sorted(set(tags))


def _compared_actions(actions: Any) -> Any:
    return [_compared_action(comparable_part(action)) for action in actions]


def _compared_action(action: Mapping[str, Any]) -> Mapping[str, Any]:
    """A payload that is JSON goes as what it says: only so are the keys seen that name a secret."""
    try:
        payload = json.loads(action.get("payload") or "")
    except (ValueError, RecursionError):
        return action
    return {**action, "payload": payload} if isinstance(payload, dict | list) else action


@dataclass(frozen=True, slots=True, kw_only=True)
class SideKind:
    """What is compared of one kind. `forms` are those in which fields are compared, `defaults` go without saying."""

    kind: Kind
    fields: tuple[str, ...]
    forms: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def value(self, resource: Resource, name: str) -> Any:
        """A field in the form in which it is compared."""
        return self.forms.get(name, _as_it_is)(getattr(resource, name))


COMPARED: Final = (
    SideKind(
        kind=Kind.VARIABLE,
        fields=("value", "tags"),
        forms={"tags": _as_set},
        defaults={"tags": []},
    ),
    SideKind(
        kind=Kind.CONCURRENCY_LIMIT,
        fields=("limit", "slot_decay_per_second"),
        defaults={"slot_decay_per_second": 0},
    ),
    SideKind(
        kind=Kind.AUTOMATION,
        fields=("description", "enabled", "trigger", "actions", "actions_on_trigger", "actions_on_resolve", "tags"),
        forms={
            "tags": _as_set,
            "description": lambda text: text or None,
            "trigger": comparable_part,
            "actions": _compared_actions,
            "actions_on_trigger": _compared_actions,
            "actions_on_resolve": _compared_actions,
        },
        defaults={"description": None, "enabled": True, "actions_on_trigger": [], "actions_on_resolve": [], "tags": []},
    ),
)
"""The kinds whose fields are known. Secrets are not among them."""

ORPHANED: Final = (Kind.VARIABLE, Kind.AUTOMATION)
"""The kinds that carry a mark, besides deployments."""


def side_changes(desired: State, observed: State, selection: Selection, remarks: Remarks) -> Iterator[Change]:
    """What changes of each kind, by name."""
    for row in COMPARED:
        standing = observed.of(row.kind)
        for name, resource in sorted(desired.of(row.kind).items()):
            yield from _changes(row, resource, standing.get(name), selection, remarks)
    for name, secret in sorted(desired.secrets.items()):
        if name not in observed.secrets:
            yield from _missing_secret(secret, selection, remarks)


def side_total(desired: State, observed: State) -> int:
    """How many of them there are to reach. Of the secrets, those that stand or can be made."""
    here = [one for name, one in desired.secrets.items() if name in observed.secrets or one.from_env]
    return len(here) + sum(len(desired.of(row.kind)) for row in COMPARED)


def side_orphans(observed: State, selection: Selection) -> Iterator[Orphan]:
    """What the project manages and no file declares any more."""
    for kind in ORPHANED:
        for _, one in sorted(observed.marked(kind).items()):
            if one.mark is None or one.mark.project != selection.project or one.key in selection.declared_besides:
                continue
            if selection.covers(one.mark, one):
                yield Orphan(key=one.key, mark=one.mark)


def _changes(
    row: SideKind, desired: Resource, observed: Resource | None, selection: Selection, remarks: Remarks
) -> Iterator[Change]:
    declaration = selection.declarations.get(desired.key)
    if observed is None:
        fields = tuple(_created(row, desired))
        yield Change(action=Action.CREATE, key=desired.key, declaration=declaration, fields=fields, desired=desired)
        return
    adopted = False
    if isinstance(desired, Marked) and isinstance(observed, Marked):
        refusal = not_ours(desired, observed, selection)
        if refusal is not None:
            remarks.refusals.append(refusal)
            return
        adopted = is_adopted(observed, selection)
    fields = tuple(_differences(row, desired, observed))
    if fields:
        yield Change(
            action=Action.ADOPT if adopted else Action.UPDATE,
            key=desired.key,
            declaration=declaration,
            reason=None if adopted else Reason.UNKNOWN,
            fields=fields,
            desired=desired,
            observed=observed,
        )


def _created(row: SideKind, desired: Resource) -> Iterator[FieldChange]:
    for name in row.fields:
        value = row.value(desired, name)
        if name not in row.defaults or not same(value, row.defaults[name]):
            yield FieldChange(path=name, field=name, before=None, after=_shown(desired, name, value))


def _differences(row: SideKind, desired: Resource, observed: Resource) -> Iterator[FieldChange]:
    for name in row.fields:
        wanted, standing = row.value(desired, name), row.value(observed, name)
        if same(wanted, standing):
            continue
        if _is_hidden(desired, name):
            before, after = (_shown(desired, name, value) for value in (standing, wanted))
            yield FieldChange(path=name, field=name, before=before, after=after)
        else:
            yield from flattened(name, standing, wanted)
    if isinstance(desired, Variable | Automation) and isinstance(observed, Variable | Automation):
        before, after = (one.mark.tag if one.mark else None for one in (observed, desired))
        if before != after:
            yield FieldChange(path="managed-by", field="tags", before=before, after=after)


def _is_hidden(resource: Resource, name: str) -> bool:
    """Whether a variable is called like something that nobody is to see."""
    return isinstance(resource, Variable) and name == "value" and names_a_secret(resource.name)


def _shown(resource: Resource, name: str, value: Any) -> Any:
    return mask(value, resource.key.name if _is_hidden(resource, name) else name)


# Secrets


def _missing_secret(secret: Secret, selection: Selection, remarks: Remarks) -> Iterator[Change]:
    declaration = selection.declarations.get(secret.key)
    if secret.from_env is None:
        remarks.warnings.append(_expected(secret))
    elif secret.from_env not in selection.set_here:
        remarks.refusals.append(_not_set(secret))
    else:
        value = FieldChange(path="value", field="value", before=None, after=MASK)
        yield Change(action=Action.CREATE, key=secret.key, declaration=declaration, fields=(value,), desired=secret)


def _expected(secret: Secret) -> Notice:
    kind = "" if secret.block_type == "secret" else f" --type {secret.block_type}"
    return Notice(
        code="secret-missing",
        key=str(secret.key),
        message=f"The secret {secret.name} is declared and not on the server (block {secret.block}); run `secret set "
        f"{secret.name}{kind}`, or give it a from_env.",
    )


def _not_set(secret: Secret) -> Notice:
    return Notice(
        code="secret-not-set",
        key=str(secret.key),
        message=f"The secret {secret.name} is to be made from the environment variable {secret.from_env}, which is not "
        f"set here; set it, or run `secret set {secret.name}` first.",
    )

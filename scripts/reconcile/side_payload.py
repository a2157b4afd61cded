"""The requests of variables, concurrency limits and automations. The inverse of `observed`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from reconcile.automations import automation_body, first_body
from reconcile.model import Automation, GlobalLimit, ResourceKey, Variable
from reconcile.plan import Change
from reconcile.wire import Request


def create_beside(desired: Variable | GlobalLimit | Automation, ids: Mapping[ResourceKey, str]) -> tuple[Request, bool]:
    """What makes one of them, and whether `finish_beside` has to follow. `ids` are those of all that stands by now."""
    body, unfinished = first_body(desired, ids) if isinstance(desired, Automation) else (_body(desired, ids), False)
    return Request(method="POST", path=f"{_room(desired)}/", body=body), unfinished


def finish_beside(desired: Automation | Variable | GlobalLimit, ids: Mapping[ResourceKey, str]) -> Request:
    """What completes one that was made without knowing its own id."""
    return Request(method="PUT", path=f"{_room(desired)}/{quote(ids[desired.key])}", body=_body(desired, ids))


def update_beside(change: Change, ids: Mapping[ResourceKey, str]) -> Iterator[Request]:
    """What changes one of them that stands. An automation is replaced whole: the server knows no other way."""
    desired, observed = change.desired, change.observed
    assert isinstance(desired, Variable | GlobalLimit | Automation)
    assert isinstance(observed, Variable | GlobalLimit | Automation)
    body = _body(desired, ids)
    if isinstance(desired, Automation):
        yield Request(method="PUT", path=_path(observed), body=body)
        return
    fields = {field.field for field in change.fields}
    yield Request(method="PATCH", path=_path(observed), body={name: body[name] for name in sorted(fields)})


def delete_beside(observed: Variable | Automation) -> Request:
    """What deletes one that no file declares any more."""
    return Request(method="DELETE", path=_path(observed))


def _room(resource: Variable | GlobalLimit | Automation) -> str:
    if isinstance(resource, Variable):
        return "/variables"
    return "/v2/concurrency_limits" if isinstance(resource, GlobalLimit) else "/automations"


def _path(observed: Variable | GlobalLimit | Automation) -> str:
    return f"{_room(observed)}/{quote(observed.id or '')}"


def _body(desired: Variable | GlobalLimit | Automation, ids: Mapping[ResourceKey, str]) -> dict[str, Any]:
    if isinstance(desired, Automation):
        return automation_body(desired, ids)
    if isinstance(desired, GlobalLimit):
        return {
            "name": desired.name,
            "limit": desired.limit,
            "slot_decay_per_second": desired.slot_decay_per_second,
        }
    tags = [*desired.tags, *([desired.mark.tag] if desired.mark else [])]
    return {"name": desired.name, "value": desired.value, "tags": tags}

"""Plans, outcomes and problems as the JSON documents that schemas/ describes."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reconcile.plan import Action, Change, Notice, Outcome, Plan
from reconcile.problem import Problem
from reconcile.render.escape import INVISIBLE
from reconcile.secrets import mask_text
from reconcile.wire import Counts

FORMAT = 1
"""The number of the format of plans; another one would be read differently."""


def dump(document: Any) -> str:
    """The one JSON document of a command.

    Letters of every language stand in it as they are; what a terminal would act on, or hide, and what is no character
    at all (half of one, out of a name that is not UTF-8) stands as JSON's escape, which reads back the same.
    """
    return _OTHER.sub(_escaped, json.dumps(document, ensure_ascii=False, indent=2))


_OTHER: Final = re.compile("[^\n\x20-\x7e\xa1-\xac\xae-\u02ff]")


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    return json.dumps(character)[1:-1] if unicodedata.category(character) in INVISIBLE else character


def problems_document(problems: Iterable[Problem]) -> dict[str, Any]:
    """`{"problems": […]}`, for every command whose files are wrong, and for validate."""
    return {
        "problems": [
            {
                "file": problem.location.file,
                "line": problem.location.line,
                "column": problem.location.column,
                "code": problem.code,
                "message": problem.message,
                "hint": problem.hint,
                "severity": str(problem.severity),
            }
            for problem in problems
        ]
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    """The plan, as schemas/plan.schema.json describes it."""
    changes = [_change(change) for change in plan.changes]
    return {
        "format": FORMAT,
        "target": plan.target,
        "fingerprint": _fingerprint(plan.target, changes),
        "summary": summary(plan),
        "changes": changes,
        "holds": [
            {
                "key": str(hold.key),
                "field": hold.field,
                "value": hold.value,
                "since": hold.since,
                **({"by": hold.by, "reason": mask_text(hold.reason or "")} if hold.by is not None else {}),
            }
            for hold in plan.holds
        ],
        "orphans": [
            {
                "key": str(orphan.key),
                "kind": str(orphan.key.kind),
                "area": orphan.mark.area,
                "environment": orphan.mark.environment,
                "next_run": orphan.next_run,
            }
            for orphan in plan.orphans
        ],
        "foreign": [str(key) for key in plan.foreign],
        "refusals": [_notice(notice) for notice in plan.refusals],
        "warnings": [_notice(notice) for notice in plan.warnings],
    }


def summary(plan: Plan) -> dict[str, int]:
    """How many of each, by the names that the plan's JSON gives them."""
    counted = {str(action): sum(change.action is action for change in plan.changes) for action in Action}
    return {
        **counted,
        "unchanged": plan.unchanged,
        "held": len(plan.holds),
        "orphaned": len(plan.orphans),
    }


def apply_document(plan: Plan, outcomes: Sequence[Outcome], requests: Counts) -> dict[str, Any]:
    """The plan with what became of it."""
    return {
        **plan_document(plan),
        "outcomes": [
            {
                "key": str(outcome.key),
                "kind": str(outcome.key.kind),
                "action": str(outcome.action),
                "status": str(outcome.status),
                "error": outcome.error,
                "seconds": outcome.seconds,
            }
            for outcome in outcomes
        ],
        "requests": {"read": requests.read, "write": requests.write, "lock": requests.lock},
    }


def error_document(message: str, hint: str) -> dict[str, Any]:
    """What a command prints that stopped before it had a plan."""
    return {"error": {"message": message, "hint": hint}}


def _change(change: Change) -> dict[str, Any]:
    declaration, (area, environment) = change.declaration, change.place
    return {
        "action": str(change.action),
        "kind": str(change.key.kind),
        "key": str(change.key),
        "area": area,
        "environment": environment,
        "file": declaration.location.file if declaration else None,
        "line": declaration.location.line if declaration else None,
        "reason": str(change.reason) if change.reason else None,
        "fields": [{"path": field.path, "before": field.before, "after": field.after} for field in change.fields],
    }


def _notice(notice: Notice) -> Mapping[str, Any]:
    return {"code": notice.code, "key": notice.key, "message": notice.message}


def _fingerprint(target: str, changes: list[dict[str, Any]]) -> str:
    """A digest of what the plan would do and to whom: equal for plans that would do the same."""
    told = [{key: value for key, value in change.items() if key != "line"} for change in changes]
    text = json.dumps([target, told], sort_keys=True, ensure_ascii=False, default=str)
    return f"sha256:{hashlib.sha256(text.encode('utf-8')).hexdigest()}"

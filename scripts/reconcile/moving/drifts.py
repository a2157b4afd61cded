"""What somebody changed on the server since the last apply, by what its version says that git owned then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconcile.compare import comparable, of_schedule, paired, same
from reconcile.fingerprint import Fingerprint, active_code, digest, read_version, schedule_code
from reconcile.model import DEPLOYMENT_FIELDS, Deployment, Schedule
from reconcile.moving.draft import Fields
from reconcile.moving.from_state import UndeclarableError, fields_of, slug_of
from reconcile.plan import Reason
from reconcile.secrets import mask

ONLY_SERVER: Final = frozenset({"path", "pull_steps", "parameter_schema"})
"""Fields that no single line declares: where code is, and what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One field of a deployment. `have` is what its entry says, effective, and `want` what it would have to say.

    `reason` DRIFT: the server changed and the files did not. `fault`: why no line can say it.
    """

    name: str
    reason: Reason
    have: Any = None
    want: Any = None
    fault: str = ""


def drifts(
    desired: Deployment, observed: Deployment, fields: Mapping[str, Any], zone: str, stems: Mapping[str, str]
) -> Iterator[Drift]:
    """Every field that was changed on the server, or there and here."""
    stored = read_version(observed.version)
    if stored is None:
        return
    fault = ""
    said: dict[str, Any] = {}
    try:
        said = fields_of(observed, zone, stems)
    except UndeclarableError as error:
        fault = str(error)
    for rule in DEPLOYMENT_FIELDS:
        if rule.name == "schedules" or not stored.owned(rule.code):
            continue
        reason = _reason(stored, rule.code, comparable(desired, rule.name), comparable(observed, rule.name))
        if reason in {Reason.DRIFT, Reason.BOTH}:
            why = "no line of an entry says it" if rule.name in ONLY_SERVER else fault
            want = _wanted(rule.name, said, observed)
            have = fields.get(rule.name)
            if rule.name in {"parameters", "job_variables"}:
                have, want = have or {}, want or {}
            yield Drift(
                name=rule.name, reason=reason, have=have, want=want, fault=why or _secret(rule.name, have, want)
            )
    spoken = (fields.get("schedules") or {}, said.get("schedules") or {})
    yield from _schedules(stored, (desired, observed), *spoken, fault)


def _wanted(name: str, said: Mapping[str, Any], observed: Deployment) -> Any:
    """A switch is said also where it has come to its default: some layer says otherwise."""
    switches = {"paused", "enforce_parameter_schema", "work_queue", "entrypoint"}
    return getattr(observed, name) if name in switches else said.get(name)


def _secret(name: str, have: Any, want: Any) -> str:
    """Why a value is not to stand in a file, where it looks like a secret that the files did not have."""
    is_new = mask(want, name) != want and mask(have, name) == have
    return "it looks like a secret, which no file should say; keep it in a block, and name that" if is_new else ""


def _reason(stored: Fingerprint, code: str, wanted: Any, standing: Any) -> Reason | None:
    return None if same(wanted, standing) else stored.reason(code, digest(wanted), digest(standing))


def _schedules(
    stored: Fingerprint, pair: tuple[Deployment, Deployment], have: Fields, said: Fields, fault: str
) -> Iterator[Drift]:
    desired, observed = pair
    want, reasons = dict(have), set()
    for wanted, standing in paired(desired.schedules, observed.schedules):
        slug = _slug(wanted, standing)
        reason = _schedule_reason(stored, slug, wanted, standing)
        if reason is None:
            continue
        reasons.add(reason)
        if reason is not Reason.DRIFT:
            continue
        if standing is None:
            want.pop(slug, None)
        else:
            want[slug] = _spec(said.get(slug) or {}, have.get(slug), standing)
    if reasons:
        overall = Reason.BOTH if Reason.BOTH in reasons else Reason.DRIFT
        fault = fault or _secret("schedules", have, want)
        yield Drift(name="schedules", reason=overall, have=have, want=want, fault=fault)


def _slug(wanted: Schedule | None, standing: Schedule | None) -> str:
    if wanted is not None:
        return wanted.slug or ""
    assert standing is not None
    return standing.slug or slug_of(standing.timing)


def _spec(said: Mapping[str, Any], have: Mapping[str, Any] | None, standing: Schedule) -> dict[str, Any]:
    """What the entry says of a schedule; whether it is active only where it says so now, or somebody made it new."""
    spec = {name: value for name, value in said.items() if name != "active"}
    is_said = have is not None and "active" in have
    if is_said or (have is None and not standing.active):
        spec["active"] = standing.active
    return spec


def _schedule_reason(
    stored: Fingerprint, slug: str, wanted: Schedule | None, standing: Schedule | None
) -> Reason | None:
    before = None if standing is None else digest(of_schedule(standing))
    after = None if wanted is None else digest(of_schedule(wanted))
    reasons = {stored.reason(schedule_code(slug), after, before)} if before != after else set()
    if wanted is not None and standing is not None and wanted.active is not None:
        code = active_code(slug)
        if wanted.active != standing.active and stored.owned(code):
            reasons.add(stored.reason(code, digest(wanted.active), digest(standing.active)))
    reasons.discard(Reason.FILES)
    return None if not reasons else Reason.BOTH if Reason.BOTH in reasons else Reason.DRIFT

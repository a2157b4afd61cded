"""A schedule of a prefect.yaml -> a schedule as it is declared here, firing at the same times.

Prefect takes UTC where no zone is said, the moment of the deploy where an interval has no anchor, and UTC for an anchor
without a zone. Here each is written out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconcile.moving.from_state import slug_of, span_of
from reconcile.problem import Fault, Severity
from reconcile.schedule import read_spec

ANCHOR: Final = "2026-01-01T00:00:00+00:00"
"""What an interval is counted from that Prefect counts from each deploy."""

RULE_START: Final = "2020-01-01T00:00:00"
"""What Prefect's server counts a rule from that does not say it."""

_TAKEN: Final = frozenset(
    {"cron", "interval", "rrule", "timezone", "anchor_date", "active", "parameters", "slug", "replaces", "day_or"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A schedule as it is declared here, or None; `zoneless`: Prefect takes UTC for want of a zone."""

    slug: str = ""
    fields: Mapping[str, Any] | None = None
    faults: tuple[Fault, ...] = ()
    zoneless: bool = False


def schedule_of(raw: Any) -> Read:
    """A schedule, and all that is wrong with it or is not carried over. Faults are at keys of the schedule."""
    if not isinstance(raw, Mapping):
        fault = _error("schedule-invalid", "A schedule is a mapping with cron, interval or rrule.", "Correct it.")
        return Read(faults=(fault,))
    raw = {key: value for key, value in raw.items() if value is not None or key not in _TAKEN}
    faults = list(_refused_keys(raw))
    templated = [key for key in sorted(_TAKEN & raw.keys()) if key != "parameters" and "{{" in str(raw[key])]
    faults += (
        _error("template", f"`{key}` is filled in at each deploy, and here it must be said.", "Write the value.", key)
        for key in templated
    )
    kinds = [kind for kind in ("cron", "interval", "rrule") if kind in raw]
    if len(kinds) != 1:
        got = " and ".join(kinds) or "none"
        faults.append(
            _error(
                "schedule-invalid", f"A schedule has one of cron, interval and rrule, and this has {got}.", "Keep one."
            )
        )
    if any(fault.severity is Severity.ERROR for fault in faults):
        return Read(faults=tuple(faults))
    fields, more = _timing(raw, kinds[0])
    faults += more
    zone = str(raw.get("timezone") or _zone_within(raw) or "UTC")
    fields = {**fields, "timezone": zone, **({"allow_utc": True} if _is_utc(zone) else {})}
    timing, wrong = read_spec(fields, "UTC")
    faults += [_as_written(fault) for fault in wrong if fault.severity is Severity.ERROR]
    if timing is None:
        return Read(faults=tuple(faults))
    faults += _own_faults(raw)
    own = {
        **({"active": False} if raw.get("active") is False else {}),
        **(
            {"parameters": dict(raw["parameters"])}
            if isinstance(raw.get("parameters"), Mapping) and raw["parameters"]
            else {}
        ),
    }
    zoneless = "timezone" not in raw and _zone_within(raw) is None
    return Read(
        slug=str(raw.get("slug") or slug_of(timing)), fields={**fields, **own}, faults=tuple(faults), zoneless=zoneless
    )


def _refused_keys(raw: Mapping[str, Any]) -> Iterator[Fault]:
    for key in raw:
        if key not in _TAKEN:
            yield _warning(
                "key-refused",
                f"Prefect 3 knows no {key!r} of a schedule and refuses the whole file for it; it is left out.",
                "",
                key,
            )
    if "replaces" in raw:
        yield _warning("left-out", "`replaces` renames a schedule once; it is left out.", "", "replaces")


def _own_faults(raw: Mapping[str, Any]) -> Iterator[Fault]:
    if not isinstance(raw.get("active", True), bool):
        yield _error("schedule-invalid", "`active` must be true or false.", "Write true or false.", "active")
    if not isinstance(raw.get("parameters", {}), Mapping):
        yield _error("schedule-invalid", "`parameters` must be a mapping.", "Correct it.", "parameters")


def _timing(raw: Mapping[str, Any], kind: str) -> tuple[dict[str, Any], list[Fault]]:
    if kind == "cron":
        return {"cron": raw["cron"], **({"day_or": False} if raw.get("day_or") is False else {})}, []
    return _interval(raw) if kind == "interval" else _rrule(raw)


def _interval(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    seconds = _seconds(raw["interval"])
    anchor = raw.get("anchor_date")
    said = {"interval": raw["interval"] if seconds is None else span_of(seconds)}
    if anchor is None:
        fault = _warning(
            "anchor-missing",
            "Prefect counts this interval from the moment of each deploy; here it is counted from "
            f"{ANCHOR[:10]}, 00:00 UTC, so runs move within one interval.",
            "Write another anchor_date where it matters.",
            "interval",
        )
        return {**said, "anchor_date": ANCHOR}, [fault]
    text = str(anchor)
    return {**said, "anchor_date": text if _OFFSET.search(text) else f"{_timed(text)}+00:00"}, []


_OFFSET: Final = re.compile(r"(?:Z|[+-][0-9]{2}:?[0-9]{2})$")


def _timed(text: str) -> str:
    return text if re.search(r"[T ][0-9]", text) else f"{text}T00:00:00"


_ISO: Final = re.compile(
    r"P(?:(?P<d>[0-9]+)D)?(?:T(?:(?P<h>[0-9]+)H)?(?:(?P<m>[0-9]+)M)?(?:(?P<s>[0-9]+(?:\.[0-9]+)?)S)?)?", re.IGNORECASE
)
_CLOCK: Final = re.compile(
    r"(?:(?P<d>[0-9]+)(?: days?,? |d,? ?))?(?P<h>[0-9]+):(?P<m>[0-9]{1,2})(?::(?P<s>[0-9]{1,2}(?:\.[0-9]+)?))?"
)


def _seconds(value: Any) -> float | None:
    """The seconds of 3600, PT1H or 01:00:00, which are the forms that Prefect reads."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = (_ISO.fullmatch(value) or _CLOCK.fullmatch(value)) if isinstance(value, str) else None
    if match is None or not any(match.groupdict().values()):
        return None
    sizes = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return sum(float(number) * sizes[unit] for unit, number in match.groupdict().items() if number)


def _rrule(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    rule = str(_json_rule(raw).get("rrule") or raw["rrule"])
    start = {} if "DTSTART" in rule.upper() else {"start": RULE_START}
    return {"rrule": rule, **start}, []


def _json_rule(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Prefect takes a rule as JSON, too, with its zone in it."""
    try:
        found = json.loads(str(raw.get("rrule") or ""))
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _zone_within(raw: Mapping[str, Any]) -> str | None:
    said = _json_rule(raw).get("timezone")
    return str(said) if said else None


def _is_utc(zone: str) -> bool:
    return zone.upper() in {"UTC", "GMT", "ETC/UTC", "ETC/GMT", "Z", "ZULU", "ETC/ZULU", "UCT", "ETC/UCT", "UNIVERSAL"}


def _as_written(fault: Fault) -> Fault:
    """A fault at a key that the file has: `start`, say, is only of this project."""
    at = fault.at if fault.at and fault.at[0] in _TAKEN else ()
    return Fault(code=fault.code, message=fault.message, hint=fault.hint, at=at)


def _error(code: str, message: str, hint: str, *at: str) -> Fault:
    return Fault(code=code, message=message, hint=hint, at=at)


def _warning(code: str, message: str, hint: str, *at: str) -> Fault:
    return Fault(code=code, message=message, hint=hint, at=at, on_key=True, severity=Severity.WARNING)

"""A change of a rule for people: days left out are counted, and the ones that are others are named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final

_OUT: Final = ("EXDATE", "EXRULE")
_STAMPED: Final = re.compile(r"[:,](\d{4})(\d\d)(\d\d)(?=T|,|$)")
_BY_YEAR: Final = re.compile(r"EXRULE:FREQ=YEARLY;INTERVAL=\d+;UNTIL=(\d{4})1231T235959;BYYEARDAY=(\d+(?:,\d+)*);")
"""The days of a year, as `calendars` says them where there are too many runs to name."""

_NAMED: Final = 6


def briefly(path: str, before: Any, after: Any) -> tuple[Any, Any]:
    """The two values of a field for people: of a rule, the number of days that it leaves out, and which are others."""
    if not path.startswith("schedules."):
        return before, after
    old, new = _rule_of(path, before), _rule_of(path, after)
    if old is not None and new is not None:
        old, new = _compared(old, new)
    else:
        old, new = (rule and _brief(rule) for rule in (old, new))
    return _with_rule(before, old), _with_rule(after, new)


def _rule_of(path: str, value: Any) -> str | None:
    rule = value.get("rrule") if isinstance(value, Mapping) else value if path.endswith(".rrule") else None
    return rule if isinstance(rule, str) else None


def _with_rule(value: Any, text: str | None) -> Any:
    if text is None:
        return value
    return {**value, "rrule": text} if isinstance(value, Mapping) else text


def _brief(rule: str) -> str:
    return f"{_kept(rule)}{_without(rule)}"


def _kept(rule: str) -> str:
    return " ".join(line for line in rule.split("\n") if not line.startswith(_OUT))


def _without(rule: str) -> str:
    """How many days a rule leaves out; in its own words where it does not name them."""
    lines = [line for line in rule.split("\n") if line.startswith(_OUT)]
    days = _days_left_out(rule)
    if not lines or days is None:
        return "".join(f" {line}" for line in lines)
    return f" without {len(days)} day{'s' * (len(days) != 1)}"


def _compared(old: str, new: str) -> tuple[str, str]:
    """Two rules, said as far as they differ; whole where that is not to be seen in brief."""
    left, leaves = _days_left_out(old), _days_left_out(new)
    if _brief(old) == _brief(new) and left == leaves:
        return old, new
    if left is None or leaves is None or left == leaves or _kept(old) != _kept(new):
        return _brief(old), _brief(new)
    others = filter(None, (_named("too", leaves - left), _named("no more", left - leaves)))
    return _without(old).strip() or "without none", f"{_without(new).strip() or 'without none'}: {'; '.join(others)}"


def _named(word: str, days: Iterable[date]) -> str:
    found = sorted(days)
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{', '.join(map(str, found[:_NAMED]))}{more} {word}" if found else ""


def _days_left_out(rule: str) -> frozenset[date] | None:
    """The days on which a rule has no runs; None where it leaves out in another manner than `except:` does."""
    found: set[date] = set()
    for line in rule.split("\n"):
        of_year = _BY_YEAR.match(line)
        try:
            if of_year:
                first = date(int(of_year[1]), 1, 1)
                found |= {first + timedelta(days=int(number) - 1) for number in of_year[2].split(",")}
            elif line.startswith("EXDATE"):
                found |= {date(*map(int, stamp)) for stamp in _STAMPED.findall(line)}
            elif line.startswith("EXRULE"):
                return None
        except (ValueError, OverflowError):
            return None
    return frozenset(found)

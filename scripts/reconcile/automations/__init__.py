"""Automations in Prefect's own form: with names in the files and ids on the server, and what of them is compared.

form.py    the form in which triggers and actions are compared and written, the server's defaults filled in
names.py   what an automation names, by its name here and by its id there
stored.py  the server's JSON as ours, and ours as the server's
care.py    the automations that `watchdog` and `notify` of deployments become
"""

from __future__ import annotations

from reconcile.automations.care import Care, cares_of, prefix_of, restricted
from reconcile.automations.form import (
    ACTIONS,
    COMPOSITE,
    LEAST_PROACTIVE,
    LISTS,
    about_deployments,
    automation_from,
    comparable_part,
    seconds_of,
)
from reconcile.automations.names import (
    Named,
    Path,
    Thing,
    concerns,
    depth,
    key_of,
    names_in,
    needs,
    renamed,
    said_names,
)
from reconcile.automations.stored import (
    Names,
    automation_body,
    first_body,
    is_second,
    names_by_id,
    observed_automation,
    ours_first,
    said_name,
    with_turn,
)

__all__ = [
    "ACTIONS",
    "COMPOSITE",
    "LEAST_PROACTIVE",
    "LISTS",
    "Care",
    "Named",
    "Names",
    "Path",
    "Thing",
    "about_deployments",
    "automation_body",
    "automation_from",
    "cares_of",
    "comparable_part",
    "concerns",
    "depth",
    "first_body",
    "is_second",
    "key_of",
    "names_by_id",
    "names_in",
    "needs",
    "observed_automation",
    "ours_first",
    "prefix_of",
    "renamed",
    "restricted",
    "said_name",
    "said_names",
    "seconds_of",
    "with_turn",
]

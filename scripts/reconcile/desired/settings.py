"""Prefect's settings of an environment: its `profile:`, with the address of its server. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconcile.document import Document
from reconcile.layers import Repository
from reconcile.prefect_settings import NAMES, SECRETS
from reconcile.problem import Fault, Problem
from reconcile.resolve import nearest
from reconcile.wire import server_of

API_URL: Final = "PREFECT_API_URL"


def addresses_of(rules: Mapping[str, Any]) -> tuple[str, ...]:
    """The addresses of an environment's server, the first of which is the one to use."""
    said = rules.get("api_url") or ()
    return (said,) if isinstance(said, str) else tuple(said)


def settings_of(rules: Mapping[str, Any]) -> dict[str, str]:
    """The settings of whoever works with an environment, as texts."""
    addresses = addresses_of(rules)
    address = {API_URL: addresses[0]} if addresses else {}
    return {**address, **{name: as_text(value) for name, value in (rules.get("profile") or {}).items()}}


def as_text(value: object) -> str:
    """A setting's value as an environment variable has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def settings_problems(repository: Repository) -> Iterator[Problem]:
    """Settings that Prefect does not know, secrets among them, and an address that is of another server."""
    document = repository.environments
    for scope, rules in (document.data.get("environments") or {}).items():
        at = ("environments", scope)
        yield from _problems(document, (*at, "profile"), (rules or {}).get("profile"))
        yield from _problems(document, (*at, "server", "env"), ((rules or {}).get("server") or {}).get("env"))
        yield from _address_problems(document, (*at, "profile", API_URL), rules or {})
    for pool in repository.pools.values():
        for name, said in (pool.data.get("workers") or {}).items():
            yield from _problems(pool, ("workers", name, "env"), said.get("env"))


def _problems(document: Document, at: tuple[str, ...], said: Mapping[str, Any] | None) -> Iterator[Problem]:
    everything = at[-1] == "profile"
    for name, value in (said or {}).items():
        fault = _fault(name, as_text(value), everything=everything)
        if fault is not None:
            location = document.locate((*at, name), key=True)
            if location not in document.reported:
                yield fault.located(location)


def _fault(name: str, value: str, *, everything: bool) -> Fault | None:
    if name in SECRETS or (name == "PREFECT_CLIENT_CUSTOM_HEADERS" and _CREDENTIAL_HEADER.search(value)):
        return Fault(
            code="secret-in-clear",
            message=f"{name} is a secret: whoever reads the repository could use it.",
            hint=f"Delete it here. On each machine: prefect config set {name}=…, or the environment variable.",
        )
    if name in NAMES or not (everything or name.upper().startswith("PREFECT_")):
        return None
    return Fault(
        code="setting-unknown",
        message=f"{name!r} is no setting of this Prefect.",
        hint=nearest(name.upper(), NAMES) if _near(name) else "`prefect config view --show-defaults` lists them.",
    )


_CREDENTIAL_HEADER: Final = re.compile(r"authorization|token|cookie|api-?key|secret", re.IGNORECASE)


def _near(name: str) -> bool:
    return "Did you mean" in nearest(name.upper(), NAMES)


def _address_problems(document: Document, at: tuple[str, ...], rules: Mapping[str, Any]) -> Iterator[Problem]:
    said = (rules.get("profile") or {}).get(API_URL)
    known = {server_of(url) for url in addresses_of(rules)}
    if isinstance(said, str) and known and server_of(said) not in known:
        yield Fault(
            code="address-elsewhere",
            message=f"api_url gives this environment other addresses: {', '.join(addresses_of(rules))}.",
            hint="Delete it: the first address of api_url is taken.",
        ).located(document.locate(at))

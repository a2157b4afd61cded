"""Whether two environments can be of one server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconcile.wire import server_of


def can_be_one_server(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the rules of two environments leave it open that one server has both."""
    first, second = _servers(one), _servers(other)
    return not first or not second or not first.isdisjoint(second)


def _servers(rules: Mapping[str, Any]) -> set[tuple[str, str, int | None, str]]:
    urls = rules.get("api_url") or []
    return {server_of(url) for url in ([urls] if isinstance(urls, str) else urls)}

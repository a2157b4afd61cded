"""What goes between this tool and a server: what is read, what is written, and who carries it, as plain data.

The fake gateway of the tests and the real one carry the same `Request`s, so a test that holds for one is asked of
the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

REPLACED_LABEL: Final = "sync.replaced"
"""The label that tells the id of the deployment of another area that one was made in the place of."""

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def server_of(url: str) -> tuple[str, str, int | None, str]:
    """The address of a server by its meaning: case, a default port, a last slash and loopback's names do not matter."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:  # half an IPv6 address
        return "", url, None, ""
    try:
        port = parts.port
    except ValueError:
        port = None
    host = (parts.hostname or "").lower()
    default = {"http": 80, "https": 443}.get(parts.scheme.lower())
    return parts.scheme.lower(), "localhost" if host in _LOOPBACK else host, port or default, parts.path.rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The server's own JSON, as it was read: nothing is left out, nothing is interpreted."""

    pools: tuple[Mapping[str, Any], ...] = ()
    queues: tuple[Mapping[str, Any], ...] = ()
    flows: tuple[Mapping[str, Any], ...] = ()
    deployments: tuple[Mapping[str, Any], ...] = ()
    variables: tuple[Mapping[str, Any], ...] = ()
    blocks: tuple[Mapping[str, Any], ...] = ()
    limits: tuple[Mapping[str, Any], ...] = ()
    automations: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that changes state. `path` is below the API's address, with everything in it quoted."""

    method: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many requests were sent."""

    read: int = 0
    write: int = 0
    lock: int = 0


class Reader(Protocol):
    """Reads a server. Raises ServerError."""

    def read(self) -> Snapshot:
        """Everything that a comparison needs."""
        ...

    def rows(self, path: str, query: Mapping[str, Any] | None = None) -> tuple[Mapping[str, Any], ...]:
        """Every row that a filter route answers with."""
        ...

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What a reading POST (filter, count, paginate) answers."""
        ...


class Writer(Protocol):
    """Writes to a server. Raises ServerError."""

    def write(self, request: Request) -> Mapping[str, Any]:
        """Send one request; the answer's JSON, or an empty mapping."""
        ...

"""Writing to a server through Prefect's SDK. Load it only when something is to be written: it imports Prefect.

The requests are those of `payload`, sent as they are by the SDK's own client, which brings its authentication, its
tokens against forged requests and its settings. Its typed methods lose something: `create_deployment` stores a missing
description as the text "None" and takes no labels, `update_deployment` takes no shared limit, and several read more
than they need.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx
from prefect.client.orchestration import SyncPrefectClient

from reconcile.errors import ServerError
from reconcile.gateway.reading import refused, unreachable
from reconcile.gateway.target import SETTINGS, Target, target_of
from reconcile.wire import Request


class Writing:
    """Writes to one server, and counts the requests it takes."""

    def __init__(self, target: Target) -> None:
        assert target.url is not None
        self.target = target
        self.requests = 0
        self._client = SyncPrefectClient(
            target.url,
            auth_string=target.auth,
            api_key=target.key,
            httpx_settings={"timeout": target.timeout},
        )

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.__exit__(kind, error, trace)

    def write(self, request: Request) -> Mapping[str, Any]:
        """Send one request; the answer's JSON, or an empty mapping. Raises ServerError."""
        self.requests += 1
        what = f"{request.method} {request.path}"
        try:
            body = dict(request.body) if request.method != "DELETE" else None
            # The type of `path` lists the routes that the SDK knows; a route with its values filled in is none of them.
            response = self._client.request(request.method, request.path, json=body)  # type: ignore[arg-type]
        except httpx.HTTPStatusError as error:
            raise refused(self.target, what, error.response.status_code, error.response.text) from None
        except httpx.HTTPError as error:
            raise unreachable(self.target, error) from None
        return _answer(request, response, what)


def _answer(request: Request, response: httpx.Response, what: str) -> Mapping[str, Any]:
    """What was answered. Whatever was created is told with its id; without one nobody knows whether it was."""
    try:
        answer = response.json() if response.content else {}
    except ValueError:
        answer = None
    known = answer if isinstance(answer, dict) else {}
    if answer is None or (request.method == "POST" and not isinstance(known.get("id"), str)):
        raise ServerError(
            f"The server's answer to {what} is not one of Prefect's.", "Nobody knows whether it was done: plan again."
        )
    return known


def ask_prefect(origin: str) -> Target:
    """The target as Prefect's own settings have it, for the places where only Prefect knows to look."""
    from prefect.settings import get_current_settings

    values = get_current_settings().to_environment_variables(include_secrets=True)
    return target_of({key: values[key] for key in SETTINGS if key in values}, origin)

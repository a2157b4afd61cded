"""Writing to a server through Prefect's SDK. Load it only when something is to be written: it imports Prefect.

The requests are those of `payload`, sent as they are by the SDK's own client, which brings its authentication, its
tokens against forged requests and its settings. Its typed methods lose something: `create_deployment` stores a missing
description as the text "None" and takes no labels, `update_deployment` takes no shared limit, and several read more
than they need.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

# The SDK would repeat anything, for up to a minute, and say nothing. We repeat what is safe, and say what happened.
os.environ["PREFECT_CLIENT_MAX_RETRIES"] = "0"

from prefect.client.orchestration import SyncPrefectClient

from reconcile.errors import ServerAnswerError, ServerError, ServerUnreachableError
from reconcile.gateway.reading import RETRIED, refused, unreachable
from reconcile.gateway.target import SETTINGS, Target, target_of
from reconcile.wire import Request

PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each further try, give or take a half, so that several clients do not come back at once."""

FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409


class Writing:
    """Writes to one server, and counts the requests it takes."""

    def __init__(self, target: Target) -> None:
        assert target.url is not None
        self.target = target
        self.requests = 0
        self._answered = False
        self._client = SyncPrefectClient(
            target.url,
            auth_string=target.auth,
            api_key=target.key,
            httpx_settings={"timeout": target.timeout, "event_hooks": {"response": [_without_waiting]}},
        )

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.__exit__(kind, error, trace)

    def write(self, request: Request) -> Mapping[str, Any]:
        """Send one request, again where that is safe; the answer's JSON, or an empty mapping. Raises ServerError.

        Every request of ours can be repeated: those that create upsert, or are refused as there already; those that
        change say the value to reach; those that delete find nothing left. What a lost answer leaves in doubt is
        settled by the answer to the next try.
        """
        in_doubt = False
        for pause in (*PAUSES, None):
            try:
                return self._send(request)
            except ServerAnswerError as error:
                if in_doubt and _was_done(request, error.status):
                    return {}
                # With a token that has run out nothing was done, and the SDK has fetched a new one by now.
                outdated = error.status == FORBIDDEN and "CSRF" in error.message
                if not (outdated or error.status in RETRIED) or pause is None:
                    raise
            except ServerUnreachableError:
                if pause is None or not self._answered:
                    raise
            in_doubt = True
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 # jitter, no secret
        raise AssertionError

    def _send(self, request: Request) -> Mapping[str, Any]:
        self.requests += 1
        what = f"{request.method} {request.path}"
        try:
            body = dict(request.body) if request.method != "DELETE" else None
            # The type of `path` lists the routes that the SDK knows; a route with its values filled in is none of them.
            response = self._client.request(request.method, request.path, json=body)  # type: ignore[arg-type]
        except httpx.HTTPStatusError as error:
            self._answered = True
            raise refused(self.target, what, error.response.status_code, error.response.text) from None
        except httpx.HTTPError as error:
            raise unreachable(self.target, error) from None
        self._answered = True
        try:
            answer = response.json() if response.content else {}
        except ValueError:
            answer = None
        # Whatever is created is answered with its id; without one nobody knows whether it was.
        if not isinstance(answer, dict) or (request.method == "POST" and not isinstance(answer.get("id"), str)):
            raise ServerError(f"The server's answer to {what} is not what a Prefect API answers.")
        return answer


def _without_waiting(response: httpx.Response) -> None:
    """Have a refusal at once: where the server says nothing of it, the SDK waits 2 s even after its last try.

    SQLite is busy for a moment each time the scheduler writes, about once in twenty creates, and `PAUSES` are shorter.
    """
    response.headers.setdefault("Retry-After", "0")


def _was_done(request: Request, status: int) -> bool:
    """Whether the answer to a repeated request says that an earlier try, whose answer was lost, was carried out."""
    if request.method == "DELETE":
        return status == NOT_FOUND
    return request.method == "POST" and status == CONFLICT and not request.path.startswith("/variables/")


def ask_prefect(origin: str) -> Target:
    """The target as Prefect's own settings have it, for the places where only Prefect knows to look."""
    from prefect.settings import get_current_settings

    values = get_current_settings().to_environment_variables(include_secrets=True)
    return target_of({key: values[key] for key in SETTINGS if key in values}, origin)

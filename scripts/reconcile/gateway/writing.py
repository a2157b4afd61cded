"""Writing to a server through Prefect's SDK. Load it only when something is to be written: it imports Prefect.

The requests are those of `payload`, sent as they are by the SDK's own client, which brings its authentication, its
tokens against forged requests and its settings. Its typed methods lose something: `create_deployment` stores a missing
description as the text "None" and takes no labels, `update_deployment` takes no shared limit, and several read more
than they need.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from reconcile.errors import ServerAnswerError, ServerError, ServerUnreachableError
from reconcile.gateway.contact import RETRIED, Contact
from reconcile.gateway.reading import refused, unreachable
from reconcile.gateway.target import SETTINGS, Target, target_of
from reconcile.secrets import MASK
from reconcile.wire import Request

PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each further try, give or take a half, so that several clients do not come back at once."""

LONGEST: Final = 30.0
"""Seconds that we wait at most when the server asks for more patience."""

_REFUSED_WHEN_THERE: Final = re.compile(r"/work_pools/(?:[^/]+/queues)?")
"""What answers 409 where a thing of that name stands. A deployment or a flow is upserted instead, so that a 409 means
something else; and of a variable it must be seen whose it is."""

_NOT_TWICE: Final = "/automations/"
"""What makes another one of the same name each time it is sent: whether a lost answer was a yes, the next plan sees."""

_OF_SECRETS: Final = "/block_documents"

BY_A_PROXY: Final = frozenset({502, 504})
"""Answers that leave it open whether the server itself did what it was asked."""

FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409


class Writing:
    """Writes to one server, and counts the requests it takes."""

    def __init__(self, target: Target, contact: Contact | None = None) -> None:
        assert target.url is not None
        self.target = target
        self.contact = contact or Contact()
        self.requests = 0
        self._is_absent = False
        self._asked_to_wait = 0.0
        self._stack = ExitStack()
        self._context = copy_context()
        self._client = SyncPrefectClient(
            target.url,
            auth_string=target.auth,
            api_key=target.key,
            httpx_settings={
                "timeout": target.timeout,
                "event_hooks": {"request": [self._count], "response": [self._note_the_wait]},
            },
        )

    def __enter__(self) -> Self:
        # The SDK would repeat anything, for up to a minute, and say nothing. We repeat what is safe and say what
        # happened.
        self._stack.enter_context(temporary_settings(updates={PREFECT_CLIENT_MAX_RETRIES: 0}))
        self._stack.enter_context(self._client)
        # Those settings are of this thread alone, and the lock is renewed by another one.
        self._context = copy_context()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, request: Request) -> Mapping[str, Any]:
        """Send one request, again where that is safe; the answer's JSON, or an empty mapping. Raises ServerError.

        Nearly every request of ours can be repeated: those that create upsert, or are refused as there already; those
        that change say the value to reach; those that delete find nothing left. What a lost answer leaves in doubt is
        settled by the answer to the next try, and of a deployment by a look before it.
        """
        in_doubt, is_lost, pauses = False, False, self.contact.pauses(PAUSES)
        while True:
            self._asked_to_wait = 0.0
            try:
                return (self._made(request) if is_lost else None) or self._send(request)
            except ServerAnswerError as error:
                is_lost |= error.status in BY_A_PROXY
                if in_doubt and _was_done(request, error.status):
                    return {}
                # With a token that has run out nothing was done, and the SDK has fetched a new one by now.
                outdated = error.status == FORBIDDEN and "CSRF" in error.message
                again = RETRIED if request.path != _NOT_TWICE else RETRIED - BY_A_PROXY
                if not (outdated or error.status in again) or not self._goes_on(pauses):
                    raise
            except ServerUnreachableError:
                not_twice = (request.method, request.path) == ("POST", _NOT_TWICE)
                is_lost |= not self._is_absent
                if self._is_absent or not_twice or not self._goes_on(pauses):
                    raise
            in_doubt = True

    def _made(self, request: Request) -> Mapping[str, Any] | None:
        """The deployment that an earlier try made, whose answer was lost; None where there is none.

        Sent again, the request makes each schedule anew under another id; where the server's scheduler has just come
        by, the run that it made for the old one is left beside that of the new one (seen with Prefect 3.8.8).
        """
        if (request.method, request.path) != ("POST", "/deployments/"):
            return None
        name, flow = request.body.get("name"), request.body.get("flow_id")
        query = {"deployments": {"name": {"any_": [name]}}, "flows": {"id": {"any_": [flow]}}}
        found = self._asked("POST", "/deployments/filter", query)
        rows = found if isinstance(found, list) else []
        made = [row for row in rows if isinstance(row, dict) and row.get("version") == request.body.get("version")]
        return made[0] if made and isinstance(made[0].get("id"), str) else None

    def _goes_on(self, pauses: Iterator[float]) -> bool:
        """Wait for the next try; or not, where there is to be none."""
        pause = next(pauses, None)
        if pause is None:
            return False
        jittered = pause * random.uniform(0.5, 1.5)  # noqa: S311 # jitter, no secret
        return self.contact.between(max(jittered, min(self._asked_to_wait, LONGEST)))

    def _send(self, request: Request) -> Mapping[str, Any]:
        body = request.body if request.method != "DELETE" else None
        answer = self._asked(request.method, request.path, body)
        # Whatever is created is answered with its id; without one nobody knows whether it was.
        if not isinstance(answer, dict) or (request.method == "POST" and not isinstance(answer.get("id"), str)):
            what = f"{request.method} {request.path}"
            raise ServerError(f"The server's answer to {what} is not what a Prefect API answers.")
        return answer

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        """The answer's JSON; an empty mapping where there is no body, None where it is no JSON. Raises ServerError."""
        what = f"{method} {path}"
        try:
            # The type of `path` lists the routes that the SDK knows; a route with its values filled in is none of them.
            send = partial(self._client.request, method, path, json=body and dict(body))  # type: ignore[arg-type]
            response = self._context.copy().run(send)
        except httpx.HTTPStatusError as error:
            self._is_absent = False
            self.contact.answered |= error.response.status_code not in RETRIED
            text = _without_values(path, body or {}, error.response.text)
            raise refused(self.target, what, error.response.status_code, text) from None
        except httpx.HTTPError as error:
            self._is_absent = isinstance(error, httpx.ConnectError) and not self.contact.hopeful
            raise unreachable(self.target, error) from None
        self.contact.answered = True
        try:
            return response.json() if response.content else {}
        except ValueError:
            return None

    def _count(self, request: httpx.Request) -> None:
        """Of what is sent, what changes something. The SDK fetches a token first, and may fail at that already."""
        self.requests += request.method != "GET" and not request.url.path.endswith("/filter")

    def _note_the_wait(self, response: httpx.Response) -> None:
        """Have a refusal at once, and do the waiting ourselves, up to a limit.

        The SDK waits as long as the server says, an hour too, and 2 s where it says nothing, even after its last try;
        for a server that says that it is being maintained it tries for ever. SQLite is busy for a moment each time the
        scheduler writes, about once in twenty creates, and `PAUSES` are shorter.
        """
        with suppress(ValueError):  # a date, which servers of this kind do not send: then our own pauses
            self._asked_to_wait = float(response.headers.get("Retry-After", "0"))
        response.headers["Retry-After"] = "0"
        response.headers.pop("Prefect-Maintenance", None)


def _without_values(path: str, body: Mapping[str, Any], text: str) -> str:
    """The server's words of a refusal, without the secret that it was sent: it repeats what it does not take."""
    if not path.startswith(_OF_SECRETS):
        return text
    for value in dict(body.get("data") or {}).values():
        for shape in {str(value), *(json.dumps(value, ensure_ascii=plain)[1:-1] for plain in (True, False))}:
            text = text.replace(shape, MASK) if shape else text
    return text


def _was_done(request: Request, status: int) -> bool:
    """Whether the answer to a repeated request says that an earlier try, whose answer was lost, was carried out."""
    if request.method == "DELETE":
        return status == NOT_FOUND
    return request.method == "POST" and status == CONFLICT and bool(_REFUSED_WHEN_THERE.fullmatch(request.path))


def ask_prefect(origin: str) -> Target:
    """The target as Prefect's own settings have it, for the places where only Prefect knows to look."""
    from prefect.settings import get_current_settings

    values = get_current_settings().to_environment_variables(include_secrets=True)
    return target_of({key: values[key] for key in SETTINGS if key in values}, origin)

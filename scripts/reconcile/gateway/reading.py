"""Reading a server: its raw JSON over httpx, without Prefect, whose import costs more than reading 100 deployments."""

from __future__ import annotations

import base64
import json
import ssl
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from reconcile.errors import ServerAnswerError, ServerError, ServerUnreachableError
from reconcile.gateway.contact import RETRIED, Contact
from reconcile.gateway.shapes import loads, misfit
from reconcile.gateway.target import Target
from reconcile.secrets import mask_text
from reconcile.wire import Snapshot

PAGE: Final = 200
"""Rows a page; the server's own most (PREFECT_API_DEFAULT_LIMIT)."""

REREADS: Final = 3
"""How often a list that came with a row twice is read again."""

PAUSES: Final = (0.2, 0.6, 1.5)
"""Seconds before each further try. Reading changes nothing, so repeating it is always safe."""


class Reading:
    """Reads one server, and counts the requests it takes."""

    def __init__(self, target: Target) -> None:
        assert target.url is not None
        self.target = target
        self.contact = Contact()
        self.requests = 0
        self._client = _client(target, target.url)
        self._csrf: dict[str, str] = {}
        self._clock: datetime | None = None
        self._begun: Future[Snapshot] | None = None
        self._is_api = False
        """Whether a route has answered as Prefect's does: one that is not there is then no wrong address."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def begin(self) -> None:
        """Begin the next `read` in the background: the server takes longer to answer than we do to read the files."""
        self._begun = Future()
        # A daemon: a command that ends before it needs the answer does not wait for it.
        Thread(target=_fulfil, args=(self._begun, self._read), name="reading", daemon=True).start()

    def read(self) -> Snapshot:
        """Everything that a comparison needs, page by page."""
        begun, self._begun = self._begun, None
        return begun.result() if begun is not None else self._read()

    def _read(self) -> Snapshot:
        return Snapshot(
            pools=self.rows("/work_pools/filter"),
            queues=self.rows("/work_queues/filter"),
            flows=self.rows("/flows/filter"),
            deployments=self.rows("/deployments/filter"),
            variables=self.rows("/variables/filter"),
            blocks=self.rows("/block_documents/filter", {"include_secrets": False}),
            limits=self.rows("/v2/concurrency_limits/filter"),
            automations=self.rows("/automations/filter"),
        )

    def rows(self, path: str, query: Mapping[str, Any] | None = None) -> tuple[Mapping[str, Any], ...]:
        """Every row that a filter route answers with.

        The server pages without a tie-breaker: where one row came twice another may be missing, so all are read again.
        """
        rows = self._pages(path, query)
        for _ in range(REREADS):
            if len({row["id"] for row in rows}) == len(rows):
                break
            rows = self._pages(path, query)
        return tuple({row["id"]: row for row in rows}.values())

    def _pages(self, path: str, query: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = []
        while True:
            page = self.post(path, {**(query or {}), "limit": PAGE, "offset": len(rows)})
            rows += page
            if len(page) < PAGE:
                return rows

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What a reading POST (filter, count, paginate) answers."""
        return self._ask("POST", path, body)

    def get(self, path: str) -> Any:
        """What a GET answers."""
        return self._ask("GET", path, None)

    def secret(self, block: str) -> str | None:
        """The token that a block keeps (`secret/NAME` or `github-credentials/NAME`); None where there is no such block.

        For git alone, and only for a host that the server gives it to already: see `pull.may_send`.
        """
        kind, _, name = block.partition("/")
        path = (
            f"/block_types/slug/{quote(kind, safe='')}/block_documents/name/{quote(name, safe='')}?include_secrets=true"
        )
        try:
            data = self.get(path).get("data") or {}
        except ServerAnswerError as error:
            if error.status in {403, 404}:
                return None
            raise
        token = data.get("value" if kind == "secret" else "token")
        return token if isinstance(token, str) and token else None

    def clock(self) -> datetime:
        """The server's time at its last answer, to the second; ours where it does not say."""
        return self._clock or datetime.now(UTC)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        pauses = self.contact.pauses(PAUSES)
        while True:
            response, failure = self._send(method, path, body)
            if response is not None and response.status_code == 403 and "CSRF" in response.text and not self._csrf:
                self._csrf = self._csrf_headers()
                response, failure = self._send(method, path, body)
            if response is not None and response.status_code not in RETRIED:
                self.contact.answered = True
                return self._answer(response, path)
            is_absent = isinstance(failure, httpx.ConnectError) and not self.contact.hopeful
            if is_absent or not self._goes_on(pauses):
                break
        if response is not None:
            return self._answer(response, path)
        raise unreachable(self.target, failure)

    def _goes_on(self, pauses: Iterator[float]) -> bool:
        """Wait for the next try; or not, where there is to be none."""
        pause = next(pauses, None)
        return pause is not None and self.contact.between(pause)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None
    ) -> tuple[httpx.Response | None, Exception | None]:
        self.requests += 1
        try:
            response = self._client.request(method, path, json=body, headers=self._csrf)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            return None, error
        with suppress(TypeError, ValueError):
            self._clock = parsedate_to_datetime(response.headers.get("date")).astimezone(UTC)
        return response, None

    def _answer(self, response: httpx.Response, path: str) -> Any:
        if response.is_success:
            try:
                answer = loads(response.text)
            except ValueError:
                raise ServerError(
                    f"The server's answer to {path} is not JSON; is {self._shown} a Prefect API?", _ENDING
                ) from None
            if (fault := misfit(path, answer)) is not None:
                raise ServerError(
                    f"The server's answer to {path} is not what Prefect's is like; is {self._shown} a Prefect API? "
                    f"{mask_text(fault)}.",
                    _ENDING,
                )
            self._is_api = True
            return answer
        if response.status_code == httpx.codes.NOT_FOUND and self._is_api and path.endswith("/filter"):
            raise _lacking(self.target, path)
        raise refused(self.target, f"{response.request.method} {path}", response.status_code, response.text)

    @property
    def _shown(self) -> str:
        return mask_text(self.target.url or "")

    def _csrf_headers(self) -> dict[str, str]:
        """A token for servers that want one with each POST (PREFECT_SERVER_CSRF_PROTECTION_ENABLED)."""
        client = str(uuid.uuid4())
        try:
            response = self._client.get("/csrf-token", params={"client": client})
        except httpx.HTTPError as error:
            raise unreachable(self.target, error) from None
        answer = self._answer(response, "/csrf-token")
        if not isinstance(answer, dict) or not isinstance(answer.get("token"), str):
            raise ServerError(f"The server at {self._shown} wants a token with each request and gives none.")
        return {"Prefect-Csrf-Token": answer["token"], "Prefect-Csrf-Client": client}


def _fulfil(begun: Future[Snapshot], read: Callable[[], Snapshot]) -> None:
    try:
        begun.set_result(read())
    except BaseException as error:  # noqa: BLE001 # whoever waits for it is told
        begun.set_exception(error)


_ENDING: Final = "The address of a Prefect API ends in /api."


def unreachable(target: Target, cause: Exception | None) -> ServerUnreachableError:
    """The server gave no answer, and why."""
    if isinstance(cause, httpx.TimeoutException):
        why = f"no answer within {target.timeout:g} s"
    elif isinstance(cause, httpx.RemoteProtocolError | httpx.ReadError):
        why = "it broke the connection off"
    else:
        why = _short(cause)
    return ServerUnreachableError(
        f"The server at {mask_text(target.url or '')} ({target.origin}) cannot be reached: {why}.",
        "Is it running, and is that its address?"
        + ("" if target.origin.startswith("--") else " --local uses Prefect's embedded server instead."),
    )


def _lacking(target: Target, path: str) -> ServerAnswerError:
    """The server is one of Prefect's, of a version that does not keep this kind of thing yet."""
    kind = path.removesuffix("/filter").rpartition("/")[2].replace("_", " ")
    return ServerAnswerError(
        f"The server at {mask_text(target.url or '')} has no {kind}: it answered 404 to {path}, as a server of another "
        "version than this tool works with does.",
        status=httpx.codes.NOT_FOUND,
        hint="Bring the server to the version of Prefect that `prefect-version` names, then run this again.",
    )


def refused(target: Target, what: str, status: int, text: str) -> ServerAnswerError:
    """The server answered a request with an error: in its own words where it has any."""
    detail = mask_text(_detail(text))
    hint = {
        401: "It wants authentication: set PREFECT_API_AUTH_STRING or PREFECT_API_KEY.",
        403: "It does not let you: check PREFECT_API_AUTH_STRING or PREFECT_API_KEY.",
        404: _ENDING,
    }.get(status, "")
    why = f": {detail.rstrip('. ')}" if detail else ""
    return ServerAnswerError(
        f"The server at {mask_text(target.url or '')} answered {status} to {what}{why}.",
        status=status,
        hint=hint,
    )


def _detail(text: str) -> str:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.lstrip().startswith("<") else text[:300].strip()
    found = (
        data.get("detail") or data.get("exception_detail") or data.get("exception_message") or data
        if isinstance(data, dict)
        else data
    )
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)[:600]


def _short(cause: Exception | None) -> str:
    text = str(cause).strip()
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not trusted here (PREFECT_API_SSL_CERT_FILE names the authorities)"
    return text.rstrip(".") or type(cause).__name__


def _client(target: Target, url: str) -> httpx.Client:
    """Raises ServerError where what the settings say of the server cannot be meant: a proxy, a certificate, a key."""
    try:
        return httpx.Client(
            base_url=url,
            headers=_headers(target),
            verify=_verification(target),
            timeout=target.timeout,
            follow_redirects=True,
        )
    except (httpx.InvalidURL, OSError, ValueError) as error:  # an SSLError is an OSError, a UnicodeError a ValueError
        why = "a text that is not ASCII stands in it" if isinstance(error, UnicodeError) else _short(error)
        raise ServerError(
            f"The server at {mask_text(url)} cannot be asked, as the settings stand: {mask_text(why)}.",
            "Look at PREFECT_API_URL, PREFECT_API_KEY, PREFECT_API_AUTH_STRING, PREFECT_API_SSL_CERT_FILE and the "
            "proxies (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY).",
        ) from None


def _headers(target: Target) -> dict[str, str]:
    headers: dict[str, str] = {}
    if target.headers:
        try:
            headers.update({str(name): str(value) for name, value in json.loads(target.headers).items()})
        except (ValueError, AttributeError, RecursionError):
            raise ServerError("PREFECT_CLIENT_CUSTOM_HEADERS is not a mapping of JSON.", "Correct it.") from None
    if target.auth:
        headers["Authorization"] = f"Basic {base64.b64encode(target.auth.encode('utf-8')).decode('ascii')}"
    elif target.key:
        headers["Authorization"] = f"Bearer {target.key}"
    return headers


def _verification(target: Target) -> ssl.SSLContext | bool:
    """Authorities are loaded only for https: that alone takes longer than a request to a server at loopback."""
    if not target.verify or not (target.url or "").startswith("https:"):
        return False
    if target.certificates:
        return ssl.create_default_context(cafile=target.certificates)
    return True

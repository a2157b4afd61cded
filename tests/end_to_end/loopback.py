"""HTTP servers on loopback that behave badly, and one that stands before a real server, sees what is asked, and can fail on cue."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

READING: Final = re.compile(r"/(filter|count|paginate|count_by_state|history)$")
HOP: Final = frozenset(
    {"connection", "transfer-encoding", "content-length", "content-encoding", "keep-alive", "date", "server"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_write(self) -> bool:
        """Whether it can change state."""
        if self.method in {"GET", "HEAD"}:
            return False
        return self.method != "POST" or not READING.search(urlsplit(self.path).path)

    @property
    def is_lock(self) -> bool:
        """Whether it is about the lock, which is counted apart."""
        return "/variables/" in self.path and not self.path.endswith("/filter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered; `status` 0 breaks the connection off without a word. Of the body only so many bytes are `sent`."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None


class Loopback:
    """A server whose answers are made by a function, until the `with` block ends."""

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self.asked: list[Asked] = []
        self._answer = answer
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join()

    @property
    def url(self) -> str:
        """The address of its API."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/api"

    @property
    def writes(self) -> list[Asked]:
        """The requests that can change state, but for those of the lock."""
        return [asked for asked in self.asked if asked.is_write and not asked.is_lock]

    def answer(self, asked: Asked) -> Answer:
        """Note the request and answer it."""
        self.asked.append(asked)
        return self._answer(asked)

    def stop(self) -> None:
        """Listen no more: who comes later is refused the connection."""
        self._server.shutdown()
        self._server.server_close()


class Relay(Loopback):
    """Passes on to a real server, and shows what was asked. `before` may answer in its stead."""

    def __init__(self, url: str, before: Callable[[Relay, Asked], Answer | None] | None = None) -> None:
        self._to = urlsplit(url)
        self._before = before
        super().__init__(self._relayed)

    def _relayed(self, asked: Asked) -> Answer:
        instead = self._before(self, asked) if self._before else None
        return instead or self.pass_on(asked)

    def pass_on(self, asked: Asked) -> Answer:
        """What the real server answers."""
        connection = http.client.HTTPConnection(str(self._to.hostname), int(self._to.port or 80), timeout=60)
        try:
            headers = {name: value for name, value in asked.headers.items() if name.lower() not in HOP | {"host"}}
            headers["Accept-Encoding"] = "identity"
            connection.request(asked.method, asked.path, body=asked.body, headers=headers)
            response = connection.getresponse()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in HOP}
            return Answer(status=response.status, body=response.read(), headers=kept)
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, owner: Loopback) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        assert isinstance(self.server, _Server)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(method=self.command, path=self.path, headers=dict(self.headers), body=body)
        answer = self.server.owner.answer(asked)
        if answer.status == 0:
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != http.HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: answer.sent])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # its name there
        """Nothing on the terminal."""

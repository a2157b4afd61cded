"""A git server on loopback for tests: real git repositories over https, with tokens, redirects and failures.

It runs git's own `http-backend` behind Python's https server, with a certificate of an authority made for the run.
Whatever is asked is recorded, with the Authorization header, so that a test can tell who was given which token.
"""

from __future__ import annotations

import base64
import binascii
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import trustme

_AUTHOR = "Test <test@example.invalid> 1767225600 +0000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Symlink:
    """A symbolic link in a repository."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submodule:
    """A submodule in a repository, at a commit that need not exist."""

    commit: str = "1" * 40


Content = str | bytes | Symlink | Submodule | None
"""A file's content; None removes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that the server got, and the status it answered. `token` is what the Authorization header held."""

    method: str
    path: str
    authorization: str | None
    status: int

    @property
    def token(self) -> str | None:
        """The token of the Authorization header: the password, or the user when there is no password."""
        return _token_of(self.authorization)


@dataclass(slots=True, kw_only=True)
class _Repository:
    token: str | None = None
    refusal: int = 401
    redirect: str | None = None
    status: int | None = None
    hangs: bool = False
    release: threading.Event = field(default_factory=threading.Event)


class GitServer:
    """Serves repositories over https (or plain http) on a free port of loopback, until the `with` block ends."""

    def __init__(self, folder: Path | None = None, *, host: str = "localhost", tls: bool = True) -> None:
        """`folder` holds the repositories; without one a temporary folder does. Both host names are certified."""
        self._temporary = tempfile.TemporaryDirectory(prefix="git-server-") if folder is None else None
        self.folder = Path(self._temporary.name) if self._temporary else Path(str(folder))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.requests: list[Request] = []
        self._repositories: dict[str, _Repository] = {}
        self._host = host
        self._tls = tls
        authority = trustme.CA()
        self.ca_file = self.folder / "test-ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self._server = _Server(self, authority if tls else None)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops serving, lets go of those that hang, and removes the temporary folder."""
        for repository in self._repositories.values():
            repository.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._temporary.cleanup()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The base address."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    @property
    def tokens(self) -> set[str]:
        """Every token that was received."""
        return {token for request in self.requests if (token := request.token) is not None}

    def url_of(self, name: str) -> str:
        """The address of a repository."""
        return f"{self.url}/{name}.git"

    def path_of(self, name: str) -> Path:
        """The folder of a repository."""
        return self.folder / f"{name}.git"

    def environment(self) -> dict[str, str]:
        """What a git or a worker needs in its environment to trust this server."""
        return {"GIT_SSL_CAINFO": str(self.ca_file)}

    def add_repository(
        self, name: str, files: Mapping[str, Content] | None = None, *, token: str | None = None, refusal: int = 401
    ) -> str:
        """A repository with a first commit on `main`, and its address. With a token, only for those who bring it.

        A wrong token is answered with `refusal`: 401, or 403.
        """
        _git(self.folder, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", f"{name}.git")
        for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
            _git(self.path_of(name), "config", key, "true")
        self._repositories[name] = _Repository(token=token, refusal=refusal)
        if files is not None:
            self.commit(name, files)
        return self.url_of(name)

    def add_redirect(self, name: str, target: str, *, token: str | None = None) -> str:
        """An address that leads to another repository's; with a token, only those who bring it."""
        self._repositories[name] = _Repository(redirect=target, token=token)
        return self.url_of(name)

    def add_hanging(self, name: str) -> str:
        """An address that takes the request and never answers."""
        self._repositories[name] = _Repository(hangs=True)
        return self.url_of(name)

    def add_failing(self, name: str, status: int) -> str:
        """An address that answers with that status."""
        self._repositories[name] = _Repository(status=status)
        return self.url_of(name)

    def commit(self, name: str, files: Mapping[str, Content], *, branch: str = "main", message: str = "change") -> str:
        """Commits files on a branch, on top of what it has (a new one begins empty); answers the commit's SHA."""
        repository, ref = self.path_of(name), f"refs/heads/{branch}"
        known = subprocess.run(
            ["git", "-C", str(repository), "rev-parse", "--quiet", "--verify", ref],
            capture_output=True,
            check=False,
            env=_environment(),
        )
        stream = [f"commit {ref}\nauthor {_AUTHOR}\ncommitter {_AUTHOR}\ndata {len(message)}\n{message}\n".encode()]
        if known.returncode == 0:
            stream.append(f"from {ref}^0\n".encode())
        stream += [_change(path, content) for path, content in files.items()]
        _git(repository, "fast-import", "--quiet", "--force", stdin=b"".join(stream))
        return self.head(name, branch)

    def head(self, name: str, branch: str = "main") -> str:
        """The commit that a branch is at."""
        return _git(self.path_of(name), "rev-parse", "--verify", f"refs/heads/{branch}")

    def tag(self, name: str, tag: str, *, branch: str = "main", annotated: bool = False) -> str:
        """Tags a branch's commit, which is answered."""
        options = ("-a", "-m", tag) if annotated else ()
        _git(self.path_of(name), "tag", "--force", *options, tag, f"refs/heads/{branch}")
        return self.head(name, branch)


def _change(path: str, content: Content) -> bytes:
    if content is None:
        return f"D {path}\n".encode()
    if isinstance(content, Submodule):
        return f"M 160000 {content.commit} {path}\n".encode()
    mode = "120000" if isinstance(content, Symlink) else "100644"
    text = content.target if isinstance(content, Symlink) else content
    data = text.encode("utf-8") if isinstance(text, str) else text
    return f"M {mode} inline {path}\ndata {len(data)}\n".encode() + data + b"\n"


def _environment() -> dict[str, str]:
    """Nothing of the person's own git set-up."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_COMMITTER_NAME": "Test",
        "GIT_COMMITTER_EMAIL": "test@example.invalid",
    }


def _git(folder: Path, *arguments: str, stdin: bytes | None = None) -> str:
    result = subprocess.run(
        ["git", *arguments], cwd=folder, input=stdin, capture_output=True, check=False, env=_environment()
    )
    if result.returncode:
        raise RuntimeError(f"git {arguments[0]}: {result.stderr.decode('utf-8', 'replace')}")
    return result.stdout.decode("utf-8").strip()


def _token_of(authorization: str | None) -> str | None:
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user if password in ("", "x-oauth-basic") else password  # as GitHub takes them


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, owner: GitServer, authority: trustme.CA | None) -> None:
        self.owner = owner
        self._context: ssl.SSLContext | None = None
        if authority is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost", "127.0.0.1").configure_cert(self._context)
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[Any, Any]:
        """The handshake is left to the request's own thread, so that a slow client stops nobody else."""
        connection, address = super().get_request()
        if self._context is None:
            return connection, address
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up (it was ended, or does not trust the certificate) is part of the tests."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _owner(self) -> GitServer:
        assert isinstance(self.server, _Server)
        return self.server.owner

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has in the base class
        """Nothing on the terminal."""

    def _serve(self) -> None:
        body = b"".join(self._body())
        name, _, rest = unquote(urlsplit(self.path).path).lstrip("/").partition(".git/")
        repository = self._owner._repositories.get(name)
        if repository is None:
            self._answer(404)
        elif repository.hangs:
            self._record(0)
            repository.release.wait(60)
            self.close_connection = True
        elif repository.status is not None:
            self._answer(repository.status)
        elif (refusal := self._refusal(repository)) is not None:
            self._answer(refusal, {"WWW-Authenticate": 'Basic realm="git"'} if refusal == 401 else {})
        elif repository.redirect is not None:
            self._answer(301, {"Location": f"{repository.redirect}/{self.path.partition('.git/')[2]}"})
        else:
            self._run_backend(name, rest, body)

    def _refusal(self, repository: _Repository) -> int | None:
        authorization = self.headers.get("Authorization")
        if repository.token is None or _token_of(authorization) == repository.token:
            return None
        return 401 if authorization is None else repository.refusal

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _run_backend(self, name: str, rest: str, body: bytes) -> None:
        environment = _environment() | {
            "GIT_PROJECT_ROOT": str(self._owner.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": f"/{name}.git/{rest}",
            "QUERY_STRING": urlsplit(self.path).query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        result = subprocess.run(["git", "http-backend"], input=body, capture_output=True, check=False, env=environment)
        head, _, content = result.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line)
        self._answer(int(headers.pop("Status", "200").split()[0]), headers, content)

    def _answer(self, status: int, headers: Mapping[str, str] | None = None, content: bytes = b"") -> None:
        self._record(status)
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def _record(self, status: int) -> None:
        self._owner.requests.append(
            Request(method=self.command, path=self.path, authorization=self.headers.get("Authorization"), status=status)
        )

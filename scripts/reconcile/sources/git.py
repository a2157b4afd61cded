"""Git's command line, as it is used to read from servers: its environment, its processes, its failures in words.

Git runs with the person's own set-up (credential helpers, ssh agent, proxies), and is given what it needs by its
environment alone. It can never wait at a prompt, reach an address by another way than its own scheme, or live
longer than the time it was given. No token is ever in an argument list, an address, a file or a message.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from reconcile.errors import SourceError
from reconcile.pull import https_host, transport, without_login

CACHE_VARIABLE: Final = "RECONCILE_CACHE"
"""The environment variable that names another cache folder."""

_OLDEST_GIT: Final = (2, 31)  # the first that takes configuration from its environment (GIT_CONFIG_COUNT)

# --- Git's environment --------------------------------------------------------------------------------------------

# What would point git at another repository, or write what it sends into a log (the token among it).
_UNWANTED = re.compile(
    r"GIT_(TRACE.*|CURL_VERBOSE|DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|NAMESPACE|OBJECT_DIRECTORY|PREFIX|CONFIG"
    r"|ALTERNATE_OBJECT_DIRECTORIES|SHALLOW_FILE|GRAFT_FILE|REPLACE_REF_BASE|CONFIG_PARAMETERS|TEMPLATE_DIR)"
)

_TOKEN_VARIABLE: Final = "RECONCILE_GIT_TOKEN"  # noqa: S105 - the name of a variable, not a token
_USER_VARIABLE: Final = "RECONCILE_GIT_USER"

# A credential helper rather than `http.extraHeader`: git asks a helper anew for the host that it was redirected to,
# while it sends an extra header there too. The `!` makes git run it with the sh that every git ships, Windows' also;
# printf is built into that sh, so that the token is in no argument list either.
_TOKEN_HELPER: Final = (
    f'!f() {{ test "$1" = get && printf "username=%s\\npassword=%s\\n" "${_USER_VARIABLE}" "${_TOKEN_VARIABLE}"; }}; f'
)

REMOTE: Final = "reconcile"


def remote_environment(url: str, token: str | None) -> dict[str, str]:
    """The environment of a git that talks to a server: nothing asks, nothing else than the address's own scheme."""
    how = transport(url) or "none"
    config = [
        (f"remote.{REMOTE}.url", url),
        ("protocol.version", "2"),  # lets a commit be asked for by its SHA
        ("core.askPass", ""),
        ("core.hooksPath", os.devnull),
        ("credential.interactive", "false"),
        (f"http.{url}.followRedirects", "initial"),
        ("fetch.recurseSubmodules", "false"),
        ("gc.autoDetach", "false"),
        ("maintenance.autoDetach", "false"),
    ]
    environment = _plain_environment() | {
        "GIT_ALLOW_PROTOCOL": "http:https" if how == "http" else how,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        "GCM_INTERACTIVE": "never",
    }
    if token and (host := https_host(url)):
        config += _token_config(url, host)
        user, token = _login(host[0], token)
        environment |= {_USER_VARIABLE: user, _TOKEN_VARIABLE: token}
        environment.pop("GIT_SSL_NO_VERIFY", None)
    return _with_config(environment, config)


def _token_config(url: str, host: tuple[str, str]) -> list[tuple[str, str]]:
    return [
        # The empty value drops the person's own helpers: one of them would be handed the token to store in a file.
        ("credential.helper", ""),
        (f"credential.https://{host[0]}:{host[1]}.helper", _TOKEN_HELPER),
        (f"http.{url}.sslVerify", "true"),
    ]


def _login(host: str, token: str) -> tuple[str, str]:
    """User and password for a token, as Prefect's own workers write them into the address."""
    for provider, user in (("bitbucket", "x-token-auth"), ("gitlab", "oauth2")):
        if provider in host:
            own_user, colon, rest = token.partition(":")
            return (own_user, rest) if colon else (user, token)
    return "x-access-token", token


def local_environment() -> dict[str, str]:
    """The environment of a git that reads the cache: it reaches no server, not even for objects it left out."""
    return _plain_environment() | {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_REPLACE_OBJECTS": "1"}


def _plain_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not _UNWANTED.fullmatch(name)}
    return kept | {"LC_ALL": "C", "LANGUAGE": "", "GIT_OPTIONAL_LOCKS": "0"}


def _with_config(environment: dict[str, str], config: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Adds configuration after any that the environment already has: the last word counts."""
    given = environment.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdecimal() else 0
    for number, (key, value) in enumerate(config, first):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return environment | {"GIT_CONFIG_COUNT": str(first + len(config))}


# --- Running git --------------------------------------------------------------------------------------------------


class Git:
    """Git's command line, and the processes of it that are running."""

    def __init__(self, *, executable: str, cache: Path) -> None:
        self.executable = executable
        self.cache = cache
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self.ended = False

    @classmethod
    def found(cls, cache: Path) -> Git:
        """Git as it is installed, new enough, with a cache folder that can be written."""
        executable = _executable()
        try:
            cache.mkdir(mode=0o700, parents=True, exist_ok=True)  # private repositories are copied here
        except OSError as error:
            raise SourceError(
                f"Git sources cannot be read: the cache folder {cache} cannot be made ({error.strerror}).",
                f"Name another one in the environment variable {CACHE_VARIABLE}.",
            ) from None
        git = cls(executable=executable, cache=cache.resolve())
        git._check_version()
        return git

    def _check_version(self) -> None:
        _, said, _ = self.run(("version",), local_environment(), time.monotonic() + 10)
        version = re.search(r"(\d+)\.(\d+)", said)
        if version is None or (int(version[1]), int(version[2])) < _OLDEST_GIT:
            wanted = ".".join(map(str, _OLDEST_GIT))
            raise SourceError(
                f"Git sources cannot be read: git must be version {wanted} or newer, and this is {said.strip()!r}.",
                "Install a newer git.",
            )

    def remote_environment(self, url: str, token: str | None) -> dict[str, str]:
        """The environment of a git that talks to a server."""
        environment = remote_environment(url, token)
        if transport(url) == "ssh" and not {"GIT_SSH", "GIT_SSH_COMMAND"} & environment.keys():
            command = self._ssh_command()
            environment["GIT_SSH_COMMAND"] = command or "ssh -oBatchMode=yes"
        return environment

    def _ssh_command(self) -> str:
        """The person's own ssh command: kept as it is, for it may be no OpenSSH. It has no terminal to ask on."""
        arguments = ("config", "--get", "core.sshCommand")
        return self.run(arguments, local_environment(), time.monotonic() + 10)[1].strip()

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], deadline: float, *, stdin: str | None = None
    ) -> tuple[int, str, str]:
        """Exit code, output and errors of a git that is ended at the deadline."""
        process = self.start(arguments, environment, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE)
        self._keep(process)
        try:
            given = None if stdin is None else stdin.encode("utf-8")
            out, err = process.communicate(given, timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill(process)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=5)
            raise SourceError(
                "there was no answer in time", "Try again, or check the address, the network and a VPN."
            ) from None
        finally:
            with self._lock:
                self._running.discard(process)
        return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    def _keep(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.add(process)
            ended = self.ended
        if ended:
            _kill(process)

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        stdin: int = subprocess.PIPE,
        stderr: IO[bytes] | int = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        """A git of its own session: without this terminal nothing of it can ask, and all of it can be ended."""
        try:
            return subprocess.Popen(
                [self.executable, *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=self.cache,
                # The current folder is the cache, and git is not to look for a repository above it.
                env={**environment, "GIT_CEILING_DIRECTORIES": str(self.cache.parent)},
                start_new_session=True,
                creationflags=_CREATION_FLAGS,
            )
        except (OSError, ValueError) as error:  # ValueError: a text that no argument can hold
            raise SourceError(f"git cannot be started ({error})", "Check the address, and that git runs.") from None

    def end_all(self) -> None:
        """Ends every git that is running, and those that are still to come."""
        with self._lock:
            self.ended = True
            running = tuple(self._running)
        for process in running:
            _kill(process)


if sys.platform == "win32":
    _CREATION_FLAGS: Final = subprocess.CREATE_NO_WINDOW
else:
    _CREATION_FLAGS: Final = 0


def _executable() -> str:
    """Git, from the absolute folders of PATH only: Windows would take a git.exe of the current folder first."""
    for folder in map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep)):
        if folder.is_absolute() and (found := shutil.which(str(folder / "git"))):
            return found
    raise SourceError("Git sources cannot be read: git is not installed.", "Install git, or add its folder to PATH.")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends a git and what it started: the transport, a helper, ssh."""
    if sys.platform == "win32":
        taskkill = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "taskkill.exe"
        with suppress(OSError):
            subprocess.run([taskkill, "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


# --- What git said, in words --------------------------------------------------------------------------------------


class DamagedError(SourceError):
    """Git failed for none of the reasons that lie outside: the cache may be damaged."""


class NoSuchCommitError(SourceError):
    """The server does not have the commit, or does not give it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cause:
    """A cause that git's words tell: the first that matches is taken."""

    words: str
    cause: str
    hint: str
    error: type[SourceError] = SourceError


_LOGIN: Final = (
    r"Authentication failed|could not read (?:Username|Password)|error: 40[13]\b|Permission denied \(|HTTP 40[13]"
)

_CAUSES: Final = (
    _Cause(
        words=r"certificate|SEC_E_UNTRUSTED_ROOT|schannel.*(?:trust|revocation)|\bSSL\b.*(?:verif|issuer)",
        cause="the host's TLS certificate is not trusted here",
        hint="Have git trust it: `git config --global http.https://HOST.sslCAInfo FILE`, with your CA's certificate.",
    ),
    _Cause(
        words=r"Host key verification failed",
        cause="the host's ssh key is not known here",
        hint="Connect once by hand, `ssh HOST`, and check the key it shows.",
    ),
    _Cause(
        words=r"Could not resolve host|Name or service not known|nodename nor servname|No such host is known",
        cause="no host of that name is known",
        hint="Check the address, the network and a VPN.",
    ),
    _Cause(
        words=r"Connection refused|Failed to connect|Couldn't connect|Connection timed out|Connection reset"
        r"|unreachable|Empty reply|Could not connect|Operation timed out|Recv failure|early EOF|unexpected disconnect",
        cause="the host cannot be reached",
        hint="Check the address, the network and a VPN.",
    ),
    _Cause(
        words=r"not our ref|unadvertised object|couldn't find remote ref",
        cause="it has no such commit, or does not give it",
        hint="Check the SHA, and that the commit was pushed.",
        error=NoSuchCommitError,
    ),
    _Cause(
        words=r"[Rr]epository .*not found|not appear to be a git repository|error: 404|[Rr]epository not found",
        cause="there is no such repository, or it may not be read with this login",
        hint="Check the address, and who may read it.",
    ),
    _Cause(
        words=r"dubious ownership",
        cause="the folder belongs to another user, so git does not read it",
        hint="Allow it: `git config --global --add safe.directory FOLDER`.",
    ),
    _Cause(
        words=r"transport '.*' not allowed|[Pp]rotocol .* (?:disabled|not supported)|redirect",
        cause="the host leads to an address of another kind",
        hint="Write the address that it leads to.",
    ),
    _Cause(
        words=r"error: 5\d\d",
        cause="the host answered with an error of its own",
        hint="Try again later.",
    ),
    _Cause(words=r"No space left", cause="the disk is full", hint=f"Make room, or move the cache ({CACHE_VARIABLE})."),
)


def explained(said: str, *, url: str, block: str | None, token_given: bool) -> SourceError:
    """Why git failed, from what it said: a cause without a full stop, to be put into a sentence.

    `token_given` says whether git had the token of `block`.
    """
    words = re.sub(r"'[^']*'", "''", said)  # addresses and names, which could hold the words looked for
    if re.search(_LOGIN, words):
        return _refused(said, url=url, block=block, token_given=token_given)
    for known in _CAUSES:
        if re.search(known.words, words):
            return known.error(known.cause, known.hint)
    lines = [line for line in without_login(said).splitlines() if line.strip()]
    shown = next((line for line in lines if line.startswith("fatal:")), lines[-1] if lines else "without a reason")
    return DamagedError(f"git failed, {shown}", "Try `git ls-remote` with this address by hand.")


def _refused(said: str, *, url: str, block: str | None, token_given: bool) -> SourceError:
    asking = re.search(r"'(https?://[^/']+)", without_login(said))
    if asking and not url.startswith(asking[1]):
        return SourceError(
            f"the host leads to {asking[1]}, which wants a login of its own",
            "Write the address that it leads to, if that is right.",
        )
    if token_given:
        return SourceError(f"the host refused the token of the block {block}", "Check that it is valid and may read.")
    if block:
        return SourceError(
            f"the host wants a login, and the token of the block {block} was not used",
            "Log in with git on this machine, or use --read-source-secrets.",
        )
    return SourceError(
        "the host wants a login, or refused the one of this machine",
        "Log in with git on this machine, or add `token: {secret: NAME}` to the source.",
    )

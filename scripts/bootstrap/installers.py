"""pip and uv: run step by step, told the same, and their failures in plain words.

pip cannot install a universal lock in hash mode on every supported version, so it installs only uv, from a lock of its
own, and uv does the rest. Both reach packages the way pip is configured on this machine: uv is told what pip knows.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from bootstrap import environment
from bootstrap.environment import BootstrapError


class PackageIndexError(BootstrapError):
    """The package index gave no package, or not the right one: nothing was installed."""


class Meaning(NamedTuple):
    """What it means when a tool's output holds one of the words (in lower case), and what to do about it."""

    words: tuple[str, ...]
    message: str
    hint: str
    failure: type[BootstrapError] = PackageIndexError


MEANINGS: Final = (
    Meaning(
        words=("no space left", "os error 28", "os error 112", "not enough space"),
        message="the disk is full",
        hint="the environment needs about 300 MB, and uv's cache as much: make room, and start again",
        failure=BootstrapError,
    ),
    Meaning(
        words=("certificate verify failed", "certificate_verify_failed", "invalid peer certificate", "unknownissuer"),
        message="the package index shows a certificate that is not trusted here",
        hint="name your organisation's certificates as for pip: PIP_CERT=FILE, or pip config set global.cert FILE",
    ),
    Meaning(
        words=("401 client", "403 client", "401 unauth", "403 forbid", "407 proxy", "authentication required"),
        message="the package index, or a proxy before it, lets nobody in without credentials",
        hint="give address and credentials as for pip: PIP_INDEX_URL, pip config set global.index-url, HTTPS_PROXY",
    ),
    Meaning(
        words=("hashes do not match", "do not match the hashes", "hash mismatch"),
        message="the package index gave another file than the one that the lock names",
        hint="do not go on before it is known why: ask whoever keeps the package index",
    ),
    Meaning(
        words=(
            "failed to fetch",
            "error sending request",
            "failed to establish a new connection",
            "name resolution",
            "connection refused",
            "connection broken",
            "network is unreachable",
            "timed out",
            "dns error",
            "cannot connect to proxy",
            "could not find a version that satisfies",
        ),
        message="the package index cannot be reached",
        hint="this start needs the network: connect, or set index and proxy as for pip (PIP_INDEX_URL, HTTPS_PROXY)",
    ),
    Meaning(
        words=("path too long", "os error 206", "filename or extension is too long"),
        message="the path of this folder is too long for Windows",
        hint="move the repository to a shorter one, such as C:\\deploys",
        failure=BootstrapError,
    ),
    Meaning(
        words=("permission denied", "access is denied", "os error 5)", "os error 13)", "read-only file system"),
        message="a file may not be written",
        hint="start as the user who owns this folder, and stop the programs that run from .venv",
        failure=BootstrapError,
    ),
)

UV_FOR_PIP: Final = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "timeout": "UV_HTTP_TIMEOUT",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "HTTPS_PROXY",
}
"""Settings of pip, and the variable by which uv is told the same."""

_INDEXES: Final = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
TOLD_ALREADY: Final = {
    "UV_DEFAULT_INDEX": _INDEXES,
    "UV_INDEX": _INDEXES,
    "SSL_CERT_FILE": ("SSL_CERT_FILE", "SSL_CERT_DIR"),
    "HTTPS_PROXY": ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"),
}
"""Variables by which a person may have told uv already: then pip's setting is not passed on."""

SEPARATORS: Final = {"UV_INDEX": " ", "UV_FIND_LINKS": ",", "UV_INSECURE_HOST": " "}
"""What uv puts between the values of a list; pip takes white space."""

SECTIONS: Final = ("global", "install", ":env:")
"""Where pip is configured; as for pip, a later one goes before an earlier one."""

ASTRAY: Final = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "UV_SYSTEM_PYTHON", "UV_PYTHON")
"""Variables that would lead an installation elsewhere."""


def install(place: str, profile: str) -> None:
    """Bring the environment in step with a lock: nothing missing, nothing else, every file by its hash."""
    python = environment.python_in(place)
    pip = [python, "-I", "-m", "pip", "install", "--no-input", "--no-deps", "--require-hashes"]
    step("uv, which installs the rest", [*pip, "-r", environment.lock_file("installer")], variables())
    sync = ["sync", "--python", python, "--require-hashes", "--compile-bytecode", environment.lock_file(profile)]
    uv_pip(place, f"packages of {profile}.lock", sync)


def uv_pip(place: str, label: str, arguments: Sequence[str], *, but: Collection[str] = ()) -> None:
    """Run `uv pip` as one step, with what pip knows of this machine `but` some settings."""
    found = pip_settings(environment.python_in(place))
    settings = {key: value for key, value in found.items() if key not in but}
    command = [environment.program_in(place, "uv"), "--no-progress", "--color", "never", "pip", *arguments]
    if settings.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        command.append("--no-index")
    step(label, command, like_pip(variables(), settings))


def variables() -> dict[str, str]:
    """The environment variables for pip and uv."""
    kept = {name: value for name, value in os.environ.items() if name not in ASTRAY}
    return {"PIP_RETRIES": "2", **kept, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}


def pip_settings(python: str) -> dict[str, str]:
    """What pip is configured with on this machine, in files and in variables."""
    _, listing = _output([python, "-I", "-m", "pip", "config", "list"], variables())
    found: dict[tuple[str, str], str] = {}
    for line in listing.splitlines():
        name, equals, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if equals and section in SECTIONS:
            with suppress(ValueError, SyntaxError):
                found[section, key] = str(ast.literal_eval(value))
    return {key: value for name in SECTIONS for (section, key), value in found.items() if section == name}


def like_pip(told: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """The environment variables with which uv finds packages where pip does; what uv is told already stays.

    pip takes the best of all indexes, uv the first that knows the name. With the hashes of the lock the choice is made,
    so uv may look everywhere too.
    """
    more = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    if sys.platform in ("win32", "darwin"):  # as pip: organisations put their certificates into the system's store
        more["UV_SYSTEM_CERTS"] = "1"
    for key, variable in UV_FOR_PIP.items():
        if key in settings and not any(told.get(name) for name in TOLD_ALREADY.get(variable, ())):
            more.update(_as_uv_says(variable, settings[key]))
    return {**more, **told}


def _as_uv_says(variable: str, value: str) -> dict[str, str]:
    if variable == "SSL_CERT_FILE" and Path(value).is_dir():
        return {"SSL_CERT_DIR": value}
    if variable == "HTTPS_PROXY":
        return {"HTTPS_PROXY": value, "HTTP_PROXY": value}
    if variable == "UV_HTTP_TIMEOUT":
        return {variable: value} if value.isdigit() else {}
    if variable in SEPARATORS:
        return {variable: SEPARATORS[variable].join(value.split())}
    return {variable: value}


def say(text: str) -> None:
    """Tell the person in front; standard output belongs to the commands."""
    print(text, file=sys.stderr, flush=True)


def step(label: str, command: Sequence[str], told: Mapping[str, str]) -> None:
    """Run one step and say how long it took. Raises BootstrapError with what its output means."""
    print(f"  {label} ...", end=" ", file=sys.stderr, flush=True)
    began = time.perf_counter()
    try:
        status, output = _output(command, told)
    except OSError as error:
        status, output = 1, str(error)
    if status != 0:
        say("failed")
        raise explain(output)
    say(f"{time.perf_counter() - began:.1f} s")


def _output(command: Sequence[str], told: Mapping[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        command,
        env=told,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        encoding="utf-8",
        errors="replace",
        close_fds=False,  # the lock, and nothing else, is inheritable: see making
    )
    return done.returncode, done.stdout


def explain(output: str) -> BootstrapError:
    """What a tool's output means; its last lines come along, for the cases that nobody has foreseen."""
    lines = [line.strip()[:160] for line in output.splitlines() if line.strip()]
    detail = "\n".join(lines[-6:])
    for meaning in MEANINGS:
        if any(word in output.lower() for word in meaning.words):
            return meaning.failure(meaning.message, meaning.hint, detail)
    return BootstrapError("the environment could not be made", "delete .venv and start again", detail)

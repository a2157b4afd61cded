"""Which server: resolved as Prefect itself does, from the environment and the active profile, without its import.

Where Prefect would also look elsewhere (prefect.toml, a `[tool.prefect]` in pyproject.toml, a .env), the caller is
told to ask Prefect itself. The order is that of Prefect's settings/sources.py: environment first, the profile last.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from reconcile.errors import ReconcileError

SETTINGS = (
    "PREFECT_API_URL",
    "PREFECT_API_KEY",
    "PREFECT_API_AUTH_STRING",
    "PREFECT_API_TLS_INSECURE_SKIP_VERIFY",
    "PREFECT_API_SSL_CERT_FILE",
    "PREFECT_API_REQUEST_TIMEOUT",
    "PREFECT_CLIENT_CUSTOM_HEADERS",
)
"""The settings that say how a client reaches the server."""

DEFAULT_TIMEOUT = 60.0
"""Seconds; Prefect's own default of PREFECT_API_REQUEST_TIMEOUT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server. `url` None: no address is set, so Prefect would use its embedded server. `origin` says who set it."""

    url: str | None
    origin: str
    key: str | None = field(default=None, repr=False)
    auth: str | None = field(default=None, repr=False)
    verify: bool = True
    certificates: str | None = None
    timeout: float = DEFAULT_TIMEOUT
    headers: str | None = field(default=None, repr=False)

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, by its address."""
        return self.url is None or is_loopback(self.url)


def is_loopback(url: str) -> bool:
    """Whether an address is one of this machine's own, by its name or number alone."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def other_sources(folder: Path) -> tuple[str, ...]:
    """The files beside which Prefect reads settings that this module does not."""
    found = [name for name in (".env", "prefect.toml") if (folder / name).is_file()]
    pyproject = folder / "pyproject.toml"
    if pyproject.is_file() and "[tool.prefect" in pyproject.read_text(encoding="utf-8", errors="replace"):
        found.append("pyproject.toml")
    return tuple(found)


def resolve(environ: Mapping[str, str], home: Path) -> Target:
    """The target that the environment and the active profile name.

    Raises ReconcileError where profiles.toml cannot be read, or names a profile that is not there.
    """
    name, profile = active_profile(environ, home)
    values = {key: str(value) for key, value in profile.items()}
    origins = dict.fromkeys(values, f"profile {name!r}")
    for key in SETTINGS:
        if key in environ:
            values[key], origins[key] = environ[key], f"environment variable {key}"
    return target_of(values, origins.get("PREFECT_API_URL", "no PREFECT_API_URL is set"))


def target_of(values: Mapping[str, str], origin: str) -> Target:
    """The target that the settings describe."""
    return Target(
        url=_checked(values.get("PREFECT_API_URL") or None, origin),
        origin=origin,
        key=values.get("PREFECT_API_KEY") or None,
        auth=values.get("PREFECT_API_AUTH_STRING") or None,
        verify=values.get("PREFECT_API_TLS_INSECURE_SKIP_VERIFY", "").lower()
        not in {"1", "true", "yes", "on", "t", "y"},
        certificates=values.get("PREFECT_API_SSL_CERT_FILE") or None,
        timeout=_seconds(values.get("PREFECT_API_REQUEST_TIMEOUT")),
        headers=values.get("PREFECT_CLIENT_CUSTOM_HEADERS") or None,
    )


def _seconds(said: str | None) -> float:
    try:
        seconds = float(said or DEFAULT_TIMEOUT)
    except ValueError:
        return DEFAULT_TIMEOUT
    return seconds if 0 < seconds < _LONGEST else DEFAULT_TIMEOUT


_LONGEST = 1_000_000.0
"""Seconds; what is beyond no socket can wait."""


def _checked(url: str | None, origin: str) -> str | None:
    if url is None:
        return None
    if not _is_address(url.strip()):
        raise ReconcileError(
            f"The address of the server is not one: {origin} should be like http://192.168.1.13:4200/api.",
            "Correct it." if origin.startswith("--") else "Correct PREFECT_API_URL.",
        )
    return url.strip().rstrip("/")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        return False


def active_profile(environ: Mapping[str, str], home: Path) -> tuple[str, Mapping[str, object]]:
    """The name of Prefect's active profile and its settings; an empty one where there is no profiles.toml."""
    path = profiles_path(environ, home)
    data = _profiles(path)
    profiles = _each(data)
    name = str(environ.get("PREFECT_PROFILE") or data.get("active") or "ephemeral")
    if name not in profiles and name not in _WITHOUT_ADDRESS:
        raise _no_profile(name, profiles, path, is_said=bool(environ.get("PREFECT_PROFILE")))
    return name, profiles.get(name, {})


def known_profiles(environ: Mapping[str, str], home: Path) -> frozenset[str]:
    """The names of the profiles that profiles.toml holds."""
    return frozenset(_each(_profiles(profiles_path(environ, home))))


def _each(data: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    said = data.get("profiles")
    return {name: one for name, one in said.items() if isinstance(one, dict)} if isinstance(said, dict) else {}


_WITHOUT_ADDRESS = frozenset({"ephemeral", "test"})
"""Prefect's own profiles that name no server: nothing is lost where profiles.toml does not hold them."""


def _profiles(path: Path) -> Mapping[str, object]:
    """What profiles.toml says; nothing where there is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise ReconcileError(f"Prefect's profiles cannot be read: {path}: {error}.", "Correct that file.") from None


def _no_profile(name: str, profiles: Mapping[str, object], path: Path, *, is_said: bool) -> ReconcileError:
    who = "PREFECT_PROFILE" if is_said else "active"
    known = ", ".join(sorted(profiles))
    there = f"There are: {known}." if known else "There are none."
    return ReconcileError(
        f"Prefect has no profile called {name!r}, which {who} names; they stand in {path}. {there}",
        "Correct it: Prefect itself would silently use its embedded server.",
    )


def profiles_path(environ: Mapping[str, str], home: Path) -> Path:
    """Where Prefect keeps its profiles."""
    said = environ.get("PREFECT_PROFILES_PATH")
    return _expanded(said, "PREFECT_PROFILES_PATH") if said else prefect_home(environ, home) / "profiles.toml"


def prefect_home(environ: Mapping[str, str], home: Path) -> Path:
    """PREFECT_HOME, or where Prefect keeps its things without it."""
    said = environ.get("PREFECT_HOME")
    return _expanded(said, "PREFECT_HOME") if said else home / ".prefect"


def _expanded(said: str, name: str) -> Path:
    try:
        return Path(said).expanduser()
    except RuntimeError:  # ~somebody who is not there
        raise ReconcileError(f"{name} names a home that is not there: {said}.", f"Correct {name}.") from None

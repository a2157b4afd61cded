"""Which of Prefect's settings are in force here, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconcile.gateway.target import active_profile, other_sources, profiles_path
from reconcile.prefect_settings import NAMES, SECRETS
from reconcile.secrets import MASK, mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting that somebody set. `value` is fit to be shown; None: Prefect's default."""

    name: str
    value: str | None
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The profile in force, where it stands, who chose it, and every setting that is set."""

    file: Path
    profile: str
    chosen_by: str
    other_files: tuple[str, ...]
    settings: tuple[Setting, ...]


def in_force(environ: Mapping[str, str], home: Path, folder: Path) -> InForce:
    """The settings of whoever starts Prefect in this folder. Raises ReconcileError where profiles.toml is broken."""
    file = profiles_path(environ, home)
    name, profile = active_profile(environ, home)
    chosen_by = "no profiles.toml: Prefect's own"
    if environ.get("PREFECT_PROFILE"):
        chosen_by = "environment variable PREFECT_PROFILE"
    elif file.is_file():
        chosen_by = "active there" if name else "none is active: Prefect's own"
    return InForce(
        file=file,
        profile=name or "ephemeral",
        chosen_by=chosen_by,
        other_files=other_sources(folder),
        settings=tuple(_settings(environ, profile, f"profile {name!r} in {file}")),
    )


def _settings(environ: Mapping[str, str], profile: Mapping[str, object], source: str) -> Iterator[Setting]:
    names = {name for name in environ if name in NAMES} | profile.keys()
    for name in sorted(names):
        if name in environ:
            yield Setting(name=name, value=shown(name, environ[name]), origin=f"environment variable {name}")
        else:
            yield Setting(name=name, value=shown(name, profile[name]), origin=source)
    if "PREFECT_API_URL" not in names:
        yield Setting(name="PREFECT_API_URL", value=None, origin="default")


def shown(name: str, value: object) -> str:
    """A setting's value, without its secrets."""
    return MASK if name in SECRETS else str(mask(str(value), name))

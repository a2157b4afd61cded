"""`services [POOL]`: workers and servers as services of their machines: nssm scripts for Windows, units for systemd."""

from __future__ import annotations

import os
import sys
import tempfile
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from reconcile.commands import output
from reconcile.commands.options import add_root, add_selection, filter_of, root_of, without_deployments
from reconcile.commands.session import TOOL, Files, read_files
from reconcile.desired.services import Service, System, services_of
from reconcile.desired.settings import API_URL
from reconcile.errors import ExitCode, ProblemsError, ReconcileError, UsageError
from reconcile.problem import as_told, has_errors
from reconcile.render import nssm, systemd
from reconcile.render.escape import safe
from reconcile.render.text import Line
from reconcile.resolve import nearest

NOTES = """Windows: install-services.ps1 installs, updates and restarts what changed with nssm; it asks for passwords.
Linux: one .service a worker or server, and install-services.sh, which puts them in place and restarts what changed.
Both may be run as often as you like. A service is declared by `workers:` in pools/<pool>.yaml, or by `server:` of an
environment in environments.yaml; what it is given comes from api_url and `profile:` there.

The unit of a server sets PYTHONTZPATH= (empty): Python then takes its time zones from the tzdata package, and a Prefect
server on Linux lists 200 deployments in 0.12 s instead of 1.8 s. Set it for servers that are started otherwise, too.

examples:
  python3 scripts/sync.py services compras-prod
  python3 scripts/sync.py services --host SRV-TAREAS --out services
  python3 scripts/sync.py services --server
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A file that is made: `path` is where it goes below the folder that is asked for."""

    path: str
    text: str
    content: bytes
    is_shown: bool = True


def configure(parser: ArgumentParser) -> None:
    """Its arguments."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = NOTES
    parser.add_argument("pool", nargs="?", metavar="POOL", help="the workers of one pool; without it all, and servers")
    parser.add_argument("--host", metavar="HOST", help="only the services of one machine")
    parser.add_argument("--server", action="store_true", help="only Prefect's own servers")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write them, as DIR/<host>/…, instead of printing them")
    add_root(parser)
    add_selection(parser)


def run(options: Namespace) -> ExitCode:
    """Make the definitions. Files only: no server is asked, and nothing is installed from here."""
    without_deployments(options, "services")
    files = read_files(root_of(options, TOOL))
    if has_errors(files.problems):
        raise ProblemsError(as_told(files.problems))
    chosen = _chosen(options, files)
    made = list(_definitions(chosen, _logging_settings(files)))
    written = _write(options.out, made) if options.out else {}
    if options.json:
        output.document(_document(chosen, made, written))
    elif options.out:
        output.lines(Line(f"{safe(str(options.out / path))}: {status}") for path, status in written.items())
    else:
        _print([one for one in made if one.is_shown])
    if not options.json:
        for warning in _warnings(chosen):
            print(safe(warning), file=sys.stderr)
    return ExitCode.DONE


def _chosen(options: Namespace, files: Files) -> tuple[Service, ...]:
    if options.server and options.pool:
        raise UsageError("A pool has workers and no server.", "Leave out the pool, or --server.")
    found = services_of(files.repository).services
    names = {stem: str(document.data.get("name") or stem) for stem, document in files.repository.pools.items()}
    if options.pool is not None and options.pool not in {*names, *names.values()}:
        raise UsageError(f"No work pool is called {options.pool!r}.", nearest(options.pool, names))
    pool = names.get(options.pool, options.pool)
    scopes = filter_of(options, files.repository).environments
    hosts = {service.host for service in found}
    if options.host is not None and options.host.casefold() not in {host.casefold() for host in hosts}:
        raise UsageError(f"No service is declared for the machine {options.host!r}.", nearest(options.host, hosts))
    chosen = tuple(
        service
        for service in found
        if (pool is None or service.pool == pool)
        and (not options.server or service.pool is None)
        and not scopes.isdisjoint(service.scopes)
        and (options.host is None or service.host.casefold() == options.host.casefold())
    )
    if not chosen:
        what = "server: under an environment" if options.server else "workers: in pools/<pool>.yaml"
        raise ReconcileError("No service of that kind is declared.", f"Declare it by `{what}`; the guide has examples.")
    return chosen


def _logging_settings(files: Files) -> bytes | None:
    """What pools/logging.yml says; None where there is none. Raises ReconcileError."""
    path = files.root / "pools" / "logging.yml"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReconcileError(f"{path} cannot be read: {error.strerror or error}.") from None


def _definitions(chosen: Sequence[Service], settings: bytes | None) -> Iterator[Definition]:
    """The files of each machine. A script for a whole machine is shown; one that only copies units is not.

    `settings` are those of logging: they go along where a service looks for them, and the scripts put them there.
    """
    in_order = sorted(chosen, key=lambda service: (service.host.casefold(), service.system, service.pool or ""))
    for (host, system), group in groupby(in_order, key=lambda service: (service.host.casefold(), service.system)):
        services = list(group)
        folder = services[0].host if host else ""
        if settings is not None and any(service.logging for service in services):
            text = settings.decode("utf-8", errors="replace")
            yield Definition(path=f"{folder}/logging.yml", text=text, content=settings, is_shown=False)
        if system is System.WINDOWS:
            text = nssm.script(services)
            yield Definition(path=f"{folder}/install-services.ps1", text=text, content=nssm.in_bytes(text))
            continue
        for service in services:
            text = systemd.unit(service, services)
            yield Definition(path=f"{folder}/{service.unit}", text=text, content=text.encode("utf-8"))
        text = systemd.install_script(services)
        path = f"{folder}/install-services.sh"
        yield Definition(path=path, text=text, content=text.encode("utf-8"), is_shown=False)


def _print(made: Sequence[Definition]) -> None:
    """The files as they are, so that one alone can be sent on; several are told apart by a comment."""
    for number, one in enumerate(made):
        if len(made) > 1:
            sys.stdout.write(f"{'' if number == 0 else chr(10)}# ---------- {one.path}\n\n")
        sys.stdout.write(one.text)


def _write(folder: Path, made: Sequence[Definition]) -> dict[str, str]:
    """Write what differs; what became of each file."""
    written: dict[str, str] = {}
    for one in made:
        path = folder / one.path
        try:
            standing = path.read_bytes() if path.is_file() else None
            if standing != one.content:
                _replace(path, one.content)
        except OSError as error:
            why = error.strerror or str(error)
            raise ReconcileError(f"{path} cannot be written: {why}.", "Name another folder: --out DIR.") from None
        written[one.path] = "written" if standing is None else "unchanged" if standing == one.content else "updated"
    return written


def _replace(path: Path, content: bytes) -> None:
    """The file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".services-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o755 if path.suffix == ".sh" else 0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _warnings(chosen: Sequence[Service]) -> Iterator[str]:
    for service in chosen:
        if service.pool is not None and API_URL not in service.environment:
            yield (
                f"{service.location}: the environment {service.scopes[0]} has no api_url, so the worker "
                f"{service.name} takes the server that Prefect's profile on {service.host} names; to have it fixed, "
                f"give {service.scopes[0]} an `api_url:` in environments.yaml."
            )


def _document(chosen: Sequence[Service], made: Sequence[Definition], written: Mapping[str, str]) -> dict[str, Any]:
    return {
        "format": 1,
        "services": [
            {
                "kind": "server" if service.pool is None else "worker",
                "name": service.name or None,
                "pool": service.pool,
                "environments": list(service.scopes),
                "host": service.host,
                "system": str(service.system),
                "service": service.service,
                "unit": service.unit if service.system is System.LINUX else None,
                "user": service.user,
                "command": [service.program or "prefect", *service.arguments],
                "variables": dict(service.environment),
                "file": service.location.file,
                "line": service.location.line,
            }
            for service in chosen
        ],
        "files": [{"path": one.path, "status": written.get(one.path), "text": one.text} for one in made],
        "warnings": list(_warnings(chosen)),
    }

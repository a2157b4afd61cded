"""Workers and servers as services of machines: what pools and environments.yaml declare, as plain data. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from reconcile.desired.settings import addresses_of, as_text, settings_of
from reconcile.document import Document
from reconcile.layers import Repository
from reconcile.model import DEFAULT_QUEUE
from reconcile.problem import Fault, Location, Problem
from reconcile.resolve import nearest

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 # an address to tell, nobody listens here
LOOPBACK: Final = "127.0.0.1"
DEFAULT_PORT: Final = 4200
LOGGING: Final = "PREFECT_LOGGING_SETTINGS_PATH"


class System(StrEnum):
    """The systems that a service can run on."""

    WINDOWS = "windows"
    LINUX = "linux"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A worker, or a server where `pool` is None, as a service of `host`.

    `arguments` are those of Prefect's program; `program` None: it is looked up where the service is made.
    `environment` is what the service needs of environment variables; no secrets are in it. `scopes` are the
    environments that it serves.
    """

    name: str
    pool: str | None
    scopes: tuple[str, ...]
    host: str
    system: System
    service: str
    arguments: tuple[str, ...]
    user: str | None = None
    program: str | None = None
    home: str | None = None
    log_dir: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    location: Location = field(compare=False)

    @property
    def unit(self) -> str:
        """The name of its systemd unit, which is also safe as the name of a file."""
        return f"{unit_name(self.service)}.service"

    @property
    def logging(self) -> str | None:
        """Where it looks for the settings of its logging, as its environment's `profile:` says."""
        return self.environment.get(LOGGING)

    @property
    def identity(self) -> tuple[str, str]:
        """What no two services of the same machines may share."""
        name = self.unit if self.system is System.LINUX else self.service.casefold()
        return self.host.casefold(), name


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Every service that the files declare, and what is wrong with their declarations."""

    services: tuple[Service, ...]
    problems: tuple[Problem, ...]

    def workers(self, pool: str, environments: Iterable[str]) -> tuple[Service, ...]:
        """The workers of a pool, by its name on the server, that work for one of these environments."""
        wanted = set(environments)
        return tuple(one for one in self.services if one.pool == pool and wanted & set(one.scopes))


def unit_name(service: str) -> str:
    """A service's name as systemd takes it: `Prefect compras-año` is prefect-compras-ano."""
    plain = unicodedata.normalize("NFKD", service).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "prefect"


def services_of(repository: Repository) -> Services:
    """What the files declare of workers and servers."""
    problems: list[Problem] = []
    found = [*_servers(repository, problems), *_workers(repository, problems)]
    problems += _twice(found)
    reported = {location for document in repository.documents() for location in document.reported}
    unlike = [problem for problem in problems if problem.location not in reported]
    return Services(services=tuple(found), problems=tuple(unlike))


# ---------------------------------------------------------------- workers


def _workers(repository: Repository, problems: list[Problem]) -> Iterator[Service]:
    environments = repository.environments.data.get("environments") or {}
    for stem, document in sorted(repository.pools.items()):
        for name, said in (document.data.get("workers") or {}).items():
            at = ("workers", name)
            scope: str | None = said.get("environment") or (
                next(iter(environments)) if len(environments) == 1 else None
            )
            faults = [*_scope_faults(repository, document, name, scope), *_faults(said)]
            faults += _queue_faults(document, said)
            problems += (_located(document, at, fault) for fault in faults)
            service = _service(said, document.locate(at, key=True))
            if service is None or scope is None or scope not in environments:
                continue
            yield replace(
                service,
                name=name,
                pool=str(document.data.get("name") or stem),
                scopes=(scope,),
                service=said.get("service") or f"Prefect worker {_plain(name)}",
                arguments=_worker_arguments(document, stem, name, said),
                environment=_environment(environments[scope] or {}, said),
            )


def _worker_arguments(document: Document, stem: str, name: str, said: Mapping[str, Any]) -> tuple[str, ...]:
    """The worker's command. A pool that is not there is apply's to make: a worker's own would have another template."""
    words = ["worker", "start", *_option("--pool", str(document.data.get("name") or stem)), *_option("--name", name)]
    words += _option("--type", str(document.data.get("type") or "process"))
    for queue in said.get("queues") or ():
        words += _option("--work-queue", queue)
    if said.get("limit") is not None:
        words += ["--limit", str(said["limit"])]
    return (*words, "--install-policy", "never", "--no-create-pool-if-not-found")


def _option(option: str, value: str) -> list[str]:
    """An option and its value; what begins with a dash must not be taken for the next option."""
    return [f"{option}={value}"] if value.startswith("-") else [option, value]


def _plain(name: str) -> str:
    """A worker's name as a service may be called: Windows makes a key of the registry of it, and a file."""
    return re.sub(r"[\"'`/\\<>|:;*?&%$]", "-", name).rstrip(". ") or "-"


def _scope_faults(repository: Repository, document: Document, name: str, scope: str | None) -> Iterator[Fault]:
    environments = repository.environments.data.get("environments")
    if environments is None or document.at_fault(("workers", name, "environment")):
        return
    if scope is None:
        hint = f"Add `environment:`. {nearest('', environments)}"
        message = f"Nothing says which environment the worker {name!r} works for."
        yield Fault(code="worker-environment-missing", message=message, hint=hint, on_key=True)
    elif scope not in environments and not repository.environments.at_fault(("environments", scope)):
        message = f"No environment is called {scope!r}."
        yield Fault(code="environment-unknown", message=message, hint=nearest(scope, environments), at=("environment",))


def _queue_faults(document: Document, said: Mapping[str, Any]) -> Iterator[Fault]:
    known = {DEFAULT_QUEUE, *(document.data.get("queues") or {})}
    for index, queue in enumerate(said.get("queues") or ()):
        if queue not in known and not document.at_fault(("queues", queue)):
            hint = f"Declare it under `queues:` of this file. {nearest(queue, known)}"
            message = f"This pool has no queue {queue!r}."
            yield Fault(code="queue-undeclared", message=message, hint=hint, at=("queues", index))


# ---------------------------------------------------------------- servers


def _servers(repository: Repository, problems: list[Problem]) -> Iterator[Service]:
    """The server of each environment that declares one. Environments that say the same share it."""
    found: list[Service] = []
    document = repository.environments
    for scope, rules in (document.data.get("environments") or {}).items():
        said = (rules or {}).get("server")
        if not said:
            continue
        at = ("environments", scope, "server")
        problems += (_located(document, at, fault) for fault in _faults(said))
        service = _service(said, document.locate(at, key=True))
        if service is None:
            continue
        service = replace(
            service,
            scopes=(scope,),
            service=said.get("service") or "Prefect server",
            arguments=_server_arguments(rules, said),
            environment=_environment(rules, said),
        )
        same = next((one for one in found if replace(one, scopes=(scope,)) == service), None)
        if same is not None:
            found[found.index(same)] = replace(same, scopes=(*same.scopes, scope))
        else:
            found.append(service)
    yield from found


def _server_arguments(rules: Mapping[str, Any], said: Mapping[str, Any]) -> tuple[str, ...]:
    host, port = _address(next(iter(addresses_of(rules)), ""))
    return (
        "server",
        "start",
        "--host",
        said.get("listen") or (EVERYWHERE if host and not _is_loopback(host) else LOOPBACK),
        "--port",
        str(said.get("port") or port or DEFAULT_PORT),
    )


def _address(url: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


# ---------------------------------------------------------------- both


def _service(said: Mapping[str, Any], location: Location) -> Service | None:
    """What every service says of itself; None where its file could not be read that far."""
    if "host" not in said or "system" not in said:
        return None
    system = System(said["system"])
    return Service(
        name="",
        pool=None,
        scopes=(),
        host=said["host"],
        system=system,
        service="",
        arguments=(),
        user=said.get("user"),
        program=_path(said.get("prefect"), system),
        home=_path(said.get("home"), system),
        log_dir=_path(said.get("log_dir"), system),
        location=location,
    )


def _path(said: str | None, system: System) -> str | None:
    if said is None or system is System.LINUX:
        return said
    path = said.replace("/", "\\")
    return path if path.endswith(":\\") else path.rstrip("\\")


def _environment(rules: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, str]:
    """PYTHONUTF8, the environment's profile, PREFECT_HOME, the service's own: the later goes before the earlier."""
    home = _path(said.get("home"), System(said["system"]))
    return {
        "PYTHONUTF8": "1",
        **settings_of(rules),
        **({"PREFECT_HOME": home} if home else {}),
        **{name: as_text(value) for name, value in (said.get("env") or {}).items()},
    }


_ABSOLUTE: Final = {
    System.WINDOWS: (re.compile(r"[A-Za-z]:[\\/]|[\\/]{2}[^\\/]|%\w+%[\\/]"), "C:/prefect/logs"),
    System.LINUX: (re.compile(r"/"), "/opt/prefect/bin/prefect"),
}
_LINUX_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]*")


def _faults(said: Mapping[str, Any]) -> Iterator[Fault]:
    """What the system of a service asks of it."""
    if "host" not in said or "system" not in said:
        return
    system = System(said["system"])
    absolute, example = _ABSOLUTE[system]
    for key in ("prefect", "home", "log_dir"):
        if key in said and not absolute.match(said[key]):
            message = f"A service of {system} needs a whole path here, not {said[key]!r}."
            yield Fault(code="path-relative", message=message, hint=f"For example: {example}.", at=(key,))
    if system is System.LINUX:
        yield from _linux_faults(said)


def _linux_faults(said: Mapping[str, Any]) -> Iterator[Fault]:
    for key, example in (("prefect", "/opt/prefect/bin/prefect"), ("user", "prefect")):
        if key not in said:
            message = f"A service of linux needs the key {key!r}: systemd does not guess it."
            yield Fault(code="missing-key", message=message, hint=f"For example: {key}: {example}.", on_key=True)
    if "user" in said and not _LINUX_USER.fullmatch(said["user"]):
        hint = "For example: prefect."
        yield Fault(code="wrong-form", message=f"{said['user']!r} is no user of linux.", hint=hint, at=("user",))
    if re.search(r"[\"'\\]", said.get("prefect", "")):
        message = "systemd starts no program whose path holds quotes or backslashes."
        yield Fault(code="path-unusable", message=message, hint="Install Prefect in a plainer folder.", at=("prefect",))
    if "log_dir" in said:
        message = "On linux what a service prints is kept, and rotated, by systemd's journal, so nobody reads this key."
        yield Fault(
            code="log-dir-unused", message=message, hint="Delete it; journalctl -u UNIT shows the log.", at=("log_dir",)
        )


def _located(document: Document, at: tuple[str, ...], fault: Fault) -> Problem:
    return fault.located(document.locate((*at, *fault.at), key=fault.on_key))


def _twice(services: Iterable[Service]) -> Iterator[Problem]:
    """Services of one name on one machine, of which the second would take the place of the first."""
    seen: dict[tuple[str, str], Service] = {}
    for service in services:
        first = seen.setdefault(service.identity, service)
        if first is not service:
            called = service.unit if service.system is System.LINUX else service.service
            yield Problem(
                location=service.location,
                code="service-twice",
                message=f"The service {called!r} of {service.host} is declared twice, also at {first.location}.",
                hint="Give one of the two another name: `service:`. Environments of one server say the same of it."
                if service.pool is None and first.pool is None
                else "Give one of the two another name: `service:`.",
            )

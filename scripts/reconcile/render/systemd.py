"""Services as systemd units, and the script that puts them in their place. Pure text."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from reconcile.desired.services import Service

PRIVATE: Final = "/etc/prefect"
"""Where a machine keeps what may not stand in a repository: a file of secrets for each unit."""


def unit(service: Service, others: Iterable[Service] = ()) -> str:
    """The unit of a service. Servers on the same machine start before their workers."""
    servers = [one.unit for one in others if one.pool is None and service.pool is not None]
    return "\n".join([*_head(service), "", *_what(service, servers), "", *_how(service), "", *_wanted()]) + "\n"


def _head(service: Service) -> Iterator[str]:
    yield f"# /etc/systemd/system/{service.unit}, made of {service.location.file}: change that file, not this one."
    yield f"# What may not stand in a repository, such as PREFECT_API_AUTH_STRING=…, belongs in {_private(service)}"
    yield "# (owner root, mode 0600). The log: journalctl -u " + service.unit


def _private(service: Service) -> str:
    return f"{PRIVATE}/{service.unit.removesuffix('.service')}.env"


def _what(service: Service, servers: Sequence[str]) -> Iterator[str]:
    yield "[Unit]"
    yield f"Description={service.service}"
    yield "Wants=network-online.target"
    yield f"After={' '.join(['network-online.target', *servers])}"
    yield "# It never gives up: a server or a network that is away for an hour comes back too."
    yield "StartLimitIntervalSec=0"


def _how(service: Service) -> Iterator[str]:
    yield "[Service]"
    yield "Type=exec"
    yield f"User={service.user}"
    yield "WorkingDirectory=~"
    for name, value in service.environment.items():
        yield f"Environment={quoted(f'{name}={value}')}"
    if service.pool is None:
        yield "# Time zones from Python's tzdata package, which must be installed beside Prefect, not the system's"
        yield "# files: the server reads deployments much quicker (200 of them in 0.12 s instead of 1.8 s)."
        yield 'Environment="PYTHONTZPATH="'
    yield f"EnvironmentFile=-{_private(service)}"
    words = " ".join(quoted(word, is_argument=True) for word in service.arguments)
    yield f"ExecStart={quoted(service.program or 'prefect')} {words}"
    yield "Restart=always"
    yield "RestartSec=10"
    yield "# Prefect itself is asked to end; what is left of its processes after that, or after a minute, is killed."
    yield "KillMode=mixed"
    yield "TimeoutStopSec=60"


def _wanted() -> Iterator[str]:
    yield "[Install]"
    yield "WantedBy=multi-user.target"


def quoted(text: str, *, is_argument: bool = False) -> str:
    """A text as one word of a unit. Specifiers (%) are put out of force, in arguments variables ($) too."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text.replace("$", "$$") if is_argument else text}"'


def install_script(services: Sequence[Service]) -> str:
    """A shell script, to be run beside the units: it changes what differs, and restarts only that."""
    host = services[0].host
    checks = "".join(_check(service) for service in services)
    logging = sorted({service.logging for service in services if service.logging})
    checks += "".join(f"place_logging {shlex.quote(path)}\n" for path in logging)
    return _SCRIPT.format(
        host=host,
        short=shlex.quote(host.partition(".")[0].lower()),
        units=" ".join(service.unit for service in services),
        checks=checks,
    )


def _check(service: Service) -> str:
    program = shlex.quote(service.program or "")
    text = f"needs {program} {shlex.quote(service.user or '')} {service.unit}\n"
    if service.pool is None:
        text += f"needs_tzdata {program}\n"
    return text


_SCRIPT: Final = """\
#!/bin/sh
# Installs, updates and starts the services of {host}. Run it there, as root, beside the .service files:
#     sudo sh install-services.sh [--no-restart] [--any-host]
# Running it again changes nothing that is as it should be. Only what changed is restarted, which ends its runs:
# --no-restart leaves that to a better moment.
set -eu

units='{units}'
folder=${{UNIT_FOLDER:-/etc/systemd/system}}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
restart=yes any_host=no

for argument in "$@"; do
    case $argument in
        --no-restart) restart=no ;;
        --any-host) any_host=yes ;;
        *) echo "install-services.sh: $argument is not known; there are --no-restart and --any-host" >&2; exit 64 ;;
    esac
done

fail() {{
    echo "install-services.sh: $1" >&2
    exit 1
}}

needs() {{
    [ -x "$1" ] || fail "$3 starts $1, which is no program here: install Prefect there, or correct \\`prefect:\\`"
    id -- "$2" >/dev/null 2>&1 || fail "$3 runs as $2, which is no user here: useradd --system --create-home $2"
}}

needs_tzdata() {{
    "$(dirname -- "$1")/python" -c 'import tzdata' 2>/dev/null ||
        fail "the server needs Python's tzdata package beside $1: pip install tzdata"
}}

place_logging() {{
    [ -f "$here/logging.yml" ] || return 0
    if ! cmp -s -- "$here/logging.yml" "$1"; then
        mkdir -p -- "$(dirname -- "$1")"
        install -m 0644 -- "$here/logging.yml" "$1"
        echo "$1: written, to be read at the next start"
    fi
}}

name=$(hostname | cut -d. -f1 | tr '[:upper:]' '[:lower:]')
if [ "$any_host" = no ] && [ "$name" != {short} ]; then
    fail "these services are of {host}, and this is $name; --any-host installs them all the same"
fi
{checks}
changed=''
for unit in $units; do
    if ! cmp -s -- "$here/$unit" "$folder/$unit"; then
        install -m 0644 -- "$here/$unit" "$folder/$unit"
        changed="$changed $unit"
    fi
done
[ -z "$changed" ] || systemctl daemon-reload

for unit in $units; do
    systemctl is-enabled --quiet "$unit" || systemctl enable --quiet "$unit"
    case " $changed " in *" $unit "*) differs=yes ;; *) differs=no ;; esac
    if ! systemctl is-active --quiet "$unit"; then
        systemctl start "$unit"
        echo "$unit: started"
    elif [ "$differs" = no ]; then
        echo "$unit: as it should be"
    elif [ "$restart" = yes ]; then
        systemctl restart "$unit"
        echo "$unit: changed, restarted"
    else
        echo "$unit: changed, not restarted yet: systemctl restart $unit"
    fi
done
"""

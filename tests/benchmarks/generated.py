"""Repositories of many deployments, in our YAML and in that of the stock command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

POOL: Final = "benchmark"
AREAS: Final = ("compras", "ventas", "finanzas", "logistica", "monitoreo")
FLOW_FILES: Final = 20
ZONE: Final = "America/Argentina/Buenos_Aires"

FLOW: Final = '''"""A flow of the benchmark."""

from __future__ import annotations

from datetime import date

from prefect import flow, task


@task(retries=2)
def step(message: str) -> str:
    """One step."""
    return message.upper()


@flow(name="flujo-{number:02}", log_prints=True)
def run(
    message: str = "hola",
    limit: int = 10,
    since: date | None = None,
    recipients: list[str] | None = None,
    verbose: bool = False,
) -> None:
    """Say a message.

    Args:
        message: What to say.
        limit: How many rows at most.
    """
    print(step(message), limit, since, recipients, verbose)
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment, as both sides declare it."""

    number: int

    @property
    def entrypoint(self) -> str:
        return f"flows/flujo_{self.number % FLOW_FILES:02}.py:run"

    @property
    def common(self) -> dict[str, Any]:
        """What both write with the same words."""
        return {
            "entrypoint": self.entrypoint,
            "description": f"El proceso número {self.number}, que corre a su hora.",
            "tags": ["benchmark", f"grupo-{self.number % 7}"],
            "parameters": {
                "message": f"proceso {self.number}",
                "limit": self.number,
                "recipients": ["compras@example.com", "ventas@example.com"],
            },
        }

    @property
    def cron(self) -> str:
        return f"{self.number % 60} {self.number % 24} * * *"

    @property
    def variables(self) -> dict[str, Any]:
        return {"env": {"PYTHONUTF8": "1", "PROCESO": str(self.number)}}


def write_flows(root: Path) -> None:
    """The flows that the deployments of a repository run."""
    for number in range(FLOW_FILES):
        _write(root / "flows" / f"flujo_{number:02}.py", FLOW.replace("{number:02}", f"{number:02}"))


def write_ours(root: Path, count: int, prefix: str) -> None:
    """A repository of so many deployments in one environment, their flows in the repository itself."""
    write_flows(root)
    _yaml(root / "prefect.yaml", {"name": "benchmark", "prefect-version": "3.8.8"})
    environments = {"prod": {"name": "{name}", "work_pool": POOL}}
    _yaml(root / "deployments" / "environments.yaml", {"default_timezone": ZONE, "environments": environments})
    _yaml(root / "deployments" / "shared.yaml", {"sources": {"here": {"path": "."}}, "defaults": {"source": "here"}})
    _yaml(root / "pools" / f"{POOL}.yaml", {"type": "process"})
    for area in AREAS:
        numbers = range(AREAS.index(area), count, len(AREAS))
        entries = {f"{prefix} {number}": _ours(Deployment(number=number)) for number in numbers}
        _yaml(root / "deployments" / area / "prod.yaml", {"deployments": entries})


def _ours(one: Deployment) -> dict[str, Any]:
    return {**one.common, "schedules": {"diario": {"cron": one.cron}}, "job_variables": one.variables}


def write_stock(root: Path, count: int, prefix: str) -> None:
    """The equal prefect.yaml of the stock command line."""
    write_flows(root)
    document = {
        "name": "benchmark",
        "prefect-version": "3.8.8",
        "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": str(root)}}],
        "deployments": [_stock(Deployment(number=number), prefix) for number in range(count)],
    }
    _yaml(root / "prefect.yaml", document)


def _stock(one: Deployment, prefix: str) -> dict[str, Any]:
    schedule = {"slug": "diario", "cron": one.cron, "timezone": ZONE, "active": True}
    pool = {"name": POOL, "job_variables": one.variables}
    return {"name": f"{prefix} {one.number}", **one.common, "schedules": [schedule], "work_pool": pool}


def write_large(root: Path, files: int, per_file: int) -> None:
    """A repository of so many files of deployments, in two environments, written as people write them."""
    write_flows(root)
    _write(root / "prefect.yaml", "name: benchmark\nprefect-version: 3.8.8\n")
    _write(
        root / "deployments" / "environments.yaml",
        f"default_timezone: {ZONE}\n"
        "environments:\n"
        f'  dev:\n    name: "{{name}}-dev"\n    work_pool: {POOL}\n'
        f'  prod:\n    name: "{{name}}"\n    work_pool: {POOL}\n',
    )
    _write(
        root / "deployments" / "shared.yaml",
        "sources:\n  here: {path: .}\nschedules:\n  noche: {cron: '55 23 * * *'}\ndefaults:\n  source: here\n",
    )
    _write(root / "pools" / f"{POOL}.yaml", "type: process\n")
    for number in range(files):
        area, environment = f"area-{number // 2:04}", ("dev", "prod")[number % 2]
        text = "".join(_block(Deployment(number=number // 2 * per_file + index)) for index in range(per_file))
        _write(
            root / "deployments" / area / f"{environment}.yaml", f"defaults:\n  tags: [{area}]\ndeployments:\n{text}"
        )


def _block(one: Deployment) -> str:
    common = one.common
    return (
        f'  "Proceso número {one.number}":\n'
        f"    entrypoint: {common['entrypoint']}\n"
        f"    description: {common['description']}\n"
        "    schedules:\n"
        f'      diario: {{cron: "{one.cron}"}}\n'
        "      noche: {}\n"
        "    parameters:\n" + "".join(_lines(common["parameters"])) + f"    tags: {json.dumps(common['tags'])}\n"
        f"    job_variables: {json.dumps(one.variables)}\n"
    )


def _lines(mapping: dict[str, Any]) -> Iterator[str]:
    for key, value in mapping.items():
        yield f"      {key}: {json.dumps(value)}\n"


def _yaml(path: Path, data: Any) -> None:
    """JSON is YAML: both sides read it with the same parser."""
    _write(path, json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")

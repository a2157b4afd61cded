"""How long `import --from-server` takes beside the bare paged read of as many deployments, and how much memory.

    python3 tests/benchmarks/import_from_server.py [NUMBER]

Needs the tests' environment. Prints the figures; exits 1 where the import takes more than 1.5 times the read, or 500 MB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "scripts"), str(PROJECT / "tests")]

import httpx  # noqa: E402
from servers import environment, prefect_server  # noqa: E402

from reconcile.workspace import job_templates  # noqa: E402

MOST_TIMES: Final = 1.5
MOST_MEGABYTES: Final = 500
RUN: Final = (
    "import resource, sys; from reconcile.cli import main; code = main(sys.argv[1:]); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr); sys.exit(code)"
)


def fill(client: httpx.Client, number: int) -> None:
    """So many deployments of a hundred flows, each with a schedule."""
    template = job_templates()["process"]
    client.post("/work_pools/", json={"name": "compras", "type": "process", "base_job_template": template})
    flows = [client.post("/flows/", json={"name": f"flujo-{index}"}).json()["id"] for index in range(100)]
    for index in range(number):
        _create(client, _deployment(index, flows[index % 100]))


def _create(client: httpx.Client, body: dict[str, Any]) -> None:
    """While SQLite is busy with the server's own loops it answers 503, and has done nothing."""
    response = client.post("/deployments/", json=body)
    while response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        time.sleep(0.5)
        response = client.post("/deployments/", json=body)
    response.raise_for_status()


def _deployment(index: int, flow: str) -> dict[str, Any]:
    clone = {"repository": "https://github.com/owner/repository.git", "branch": "main"}
    return {
        "flow_id": flow,
        "name": f"Despliegue {index}",
        "entrypoint": f"src/flujo_{index % 100}.py:flujo",
        "description": f"El despliegue número {index}.",
        "pull_steps": [{"prefect.deployments.steps.git_clone": clone}],
        "tags": [f"area-{index % 10}", "todos"],
        "parameters": {"numero": index, "mensaje": "Hola"},
        "parameter_openapi_schema": {"type": "object", "properties": {"numero": {"type": "integer"}}},
        "enforce_parameter_schema": False,
        "work_pool_name": "compras",
        "schedules": [{"schedule": {"cron": f"{index % 60} {index % 24} * * *", "timezone": "America/Lima"}}],
    }


def bare_read(client: httpx.Client) -> float:
    """Seconds that reading every page of deployments and of flows takes, and nothing else."""
    begun = time.perf_counter()
    for path in ("/deployments/filter", "/flows/filter"):
        offset = 0
        while rows := client.post(path, json={"limit": 200, "offset": offset}).json():
            offset += len(rows)
    return time.perf_counter() - begun


def imported(root: Path, home: Path, url: str) -> tuple[float, float, int]:
    """Seconds, megabytes and deployments of one import into a new folder."""
    root.mkdir()
    arguments = ["import", "--from-server", "--area-from", "tag:area-*", "--root", str(root), "--yes", "--json"]
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        env={**environment(home, url), "PYTHONPATH": os.pathsep.join([str(PROJECT / "scripts")])},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    seconds = time.perf_counter() - begun
    return seconds, int(done.stderr.split()[-1]) / 1024, len(json.loads(done.stdout)["entries"])


def main(number: int) -> int:
    """Measure, three times each, and print the best of both."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with prefect_server(home / "server") as url, httpx.Client(base_url=url, timeout=120) as client:
            fill(client, number)
            bare_read(client)
            reads = [bare_read(client) for _ in range(3)]
            runs = [imported(home / f"root-{turn}", home / "client", url) for turn in range(3)]
    read, seconds, memory = min(reads), min(run[0] for run in runs), max(run[1] for run in runs)
    assert {run[2] for run in runs} == {number}
    times = seconds / read
    print(f"FIGURES import: {number} deployments, bare read {read:.2f} s, import {seconds:.2f} s, {times:.2f} times, "
          f"{memory:.0f} MB")  # fmt: skip
    return 0 if times <= MOST_TIMES and memory <= MOST_MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))

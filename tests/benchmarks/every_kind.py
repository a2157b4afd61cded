"""What variables, secrets, limits, automations and calendars cost: the same deployments with them and without.

`python3 tests/benchmarks/every_kind.py [--size 50] [--runs 7]`

`validate` and an unchanged `apply`, as whole processes in turn, each side on a real server of its own: with every kind
they may take a fifth longer at most.
"""

from __future__ import annotations

import json
import sys
import tempfile
from argparse import ArgumentParser
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.generated import write_ours
from benchmarks.measuring import NotMeasuredError, Row, in_turn, progress, run, script, seconds, sync_command, table

MOST: Final = 1.2

SHARED: Final[dict[str, Any]] = {
    "variables": {f"servidor_{number}": {"value": f"srv-{number}", "tags": ["compras"]} for number in range(5)},
    "secrets": {f"clave-{number}": {"from_env": "CLAVE_DE_LA_PRUEBA"} for number in range(3)},
    "concurrency_limits": {"softland": {"limit": 2}, "correo": {"limit": 1}},
    "calendars": {"feriados": {"dates": ["2027-12-08", "2027-12-25"]}},
    "schedules": {"habiles": {"cron": "30 8 * * 1-5", "except": "feriados"}},
    "automations": {
        "pausa": {
            "trigger": {"type": "event", "posture": "Reactive", "expect": ["prefect.flow-run.Crashed"], "threshold": 3, "within": 60},
            "actions": [{"type": "pause-work-pool", "work_pool": "benchmark"}],
        }
    },
}  # fmt: skip

FIELDS: Final[dict[str, Any]] = {
    "watchdog": {"late": "4h", "running": "2h"},
    "concurrency_limit": {"shared": "softland"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A repository and the server that it is applied to."""

    root: Path
    env: dict[str, str]

    def validate(self) -> float:
        return run(sync_command("validate", "--root", str(self.root)), env=self.env).seconds

    def apply(self) -> dict[str, Any]:
        """An apply that does all it has to."""
        done = run(sync_command("apply", "--yes", "--json", "--root", str(self.root)), env=self.env)
        found: dict[str, Any] = json.loads(done.out)
        if any(outcome["status"] != "done" for outcome in found["outcomes"]):
            raise NotMeasuredError(f"apply did not do all of {found['summary']}")
        return {**found, "seconds": done.seconds}

    def unchanged(self) -> float:
        """An apply with nothing to do."""
        found = self.apply()
        if found["requests"]["write"]:
            raise NotMeasuredError(f"the second apply wrote: {found['summary']}")
        return float(found["seconds"])


def main() -> int:
    """Measure both sides in turn."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=50)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    from servers import environment, prefect_server  # needs the project's environment

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        sides = []
        for kind in ("without", "with"):
            progress(f"{kind} the other kinds: a server on a fresh database …")
            folder = Path(name).resolve() / kind
            write_ours(folder / "repository", options.size, kind)
            if kind == "with":
                add_every_kind(folder / "repository")
            url = stack.enter_context(prefect_server(folder / "home"))
            env = {**environment(folder / "home", url), "RECONCILE_CACHE": str(folder / "cache")}
            side = Side(root=folder / "repository", env={**env, "CLAVE_DE_LA_PRUEBA": "una-clave-de-prueba"})
            made = side.apply()["summary"]["create"]
            progress(f"  {made} resources made")
            side.unchanged(), side.validate()
            sides.append(side)
        without, every = sides
        rows = [
            *_rows("validate", *in_turn(without.validate, every.validate, options.runs)),
            *_rows("unchanged apply", *in_turn(without.unchanged, every.unchanged, options.runs)),
        ]
    table(f"{options.size} deployments with every kind beside them, medians of {options.runs} runs in turn", rows)
    return 0


def add_every_kind(root: Path) -> None:
    """Declare the other kinds, and have every deployment use them."""
    path = root / "deployments" / "shared.yaml"
    shared = json.loads(path.read_text(encoding="utf-8"))
    shared = {**shared, **SHARED, "defaults": {**shared["defaults"], **FIELDS}}
    path.write_text(json.dumps(shared), encoding="utf-8", newline="\n")
    for path in (root / "deployments").glob("*/prod.yaml"):
        file = json.loads(path.read_text(encoding="utf-8"))
        for entry in file["deployments"].values():
            entry["schedules"]["habiles"] = {}
        path.write_text(json.dumps(file), encoding="utf-8", newline="\n")


def _rows(what: str, without: list[float], every: list[float]) -> list[Row]:
    found = median(every) / median(without)
    return [
        Row(what=f"{what}, without", figure=seconds(without)),
        Row(what=f"{what}, with every kind", figure=seconds(every)),
        Row(what=f"{what}, with / without", figure=f"{found:.2f}", target=f"at most {MOST:g}", met=found <= MOST),
    ]


if __name__ == "__main__":
    script(__file__, main)

"""`validate` of 1,250 to 10,000 deployments, as whole processes: time linear in their number, memory bounded.

`python3 tests/benchmarks/validate_scaling.py [--sizes 1250 2500 5000 10000] [--runs 1]`
"""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from statistics import median
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.generated import write_large
from benchmarks.measuring import Row, progress, run, script, seconds, sync_command, table

PER_FILE: Final = 50
MOST_GROWTH: Final = 1.25
"""How much longer each of the most may take than each of the size where they take least, and still be called linear."""

MOST_MEMORY: Final = 400
"""MB, for the largest repository."""


def main() -> int:
    """Measure each size."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1250, 2500, 5000, 10000])
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    rows: list[Row] = []
    each: list[float] = []
    memory: float | None = None
    for size in sorted(options.sizes):
        times, memory = _measure(size, options.runs)
        each.append(median(times) / size * 1000)
        peak = "" if memory is None else f", {memory:.0f} MB"
        rows.append(Row(what=f"{size:,} deployments", figure=f"{seconds(times)}, {each[-1]:.2f} ms each{peak}"))
    growth = each[-1] / min(each)
    rows.append(
        Row(
            what="time of each, most / least",
            figure=f"{growth:.2f}",
            target=f"at most {MOST_GROWTH}",
            met=growth <= MOST_GROWTH,
        )
    )
    if memory is not None:
        rows.append(
            Row(
                what="peak memory, most",
                figure=f"{memory:.0f} MB",
                target=f"under {MOST_MEMORY} MB",
                met=memory < MOST_MEMORY,
            )
        )
    table(f"validate, {PER_FILE} deployments a file", rows)
    return 0


def _measure(size: int, runs: int) -> tuple[list[float], float | None]:
    progress(f"{size:,} deployments …")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_large(root, size // PER_FILE, PER_FILE)
        done = [run(sync_command("validate", "--root", folder)) for _ in range(runs)]
    memories = [one.memory for one in done if one.memory is not None]
    return [one.seconds for one in done], max(memories) if memories else None


if __name__ == "__main__":
    script(__file__, main)

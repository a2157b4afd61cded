"""`validate` of this repository against `prefect version`, both as whole processes: a quarter of its time at most.

`python3 tests/benchmarks/validate_against_version.py [--runs 9]`
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import Row, in_turn, prefect_command, ratio, run, script, seconds, sync_command, table


def main() -> int:
    """Measure both in turn."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    validate, version = sync_command("validate"), prefect_command("version")
    run(validate), run(version)  # both sides with warm files
    ours, stock = in_turn(lambda: run(validate).seconds, lambda: run(version).seconds, runs)
    rows = [
        Row(what="validate of this repository", figure=seconds(ours)),
        Row(what="prefect version", figure=seconds(stock)),
        ratio("prefect version / validate", stock, ours, least=4),
    ]
    table(f"validate against prefect version, medians of {runs} runs in turn", rows)
    return 0


if __name__ == "__main__":
    script(__file__, main)

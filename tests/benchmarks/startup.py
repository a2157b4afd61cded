"""What a second start adds: `scripts/sync.py --help` against the module itself in the environment's Python.

`python3 tests/benchmarks/startup.py [--runs 15]`
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from statistics import median
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import ROOT, Row, in_turn, run, script, seconds, sync_command, table

MOST: Final = 0.1
"""Seconds."""

DIRECT: Final = (
    "import sys; sys.path.insert(0, {scripts!r}); from reconcile.cli import main; sys.exit(main(['--help']))"
)


def main() -> int:
    """Measure both in turn."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    started = sync_command("--help")
    direct = [sys.executable, "-c", DIRECT.format(scripts=str(ROOT / "scripts"))]
    run(started), run(direct)  # both sides with warm files
    ours, bare = in_turn(lambda: run(started).seconds, lambda: run(direct).seconds, runs)
    added = median(ours) - median(bare)
    rows = [
        Row(what="scripts/sync.py --help", figure=seconds(ours)),
        Row(what="the module in the environment", figure=seconds(bare)),
        Row(what="ratio", figure=f"{median(ours) / median(bare):.2f}"),
        Row(what="added by a second start", figure=f"{added:.3f} s", target=f"at most {MOST} s", met=added <= MOST),
    ]
    table(f"second start, medians of {runs} runs in turn", rows)
    return 0


if __name__ == "__main__":
    script(__file__, main)

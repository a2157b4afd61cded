"""What the benchmarks share: whole processes timed, their peak memory, ratios in a table.

A benchmark is a script for people and for CI to read, not a test: it prints ratios that were measured in one go, and
exits 0 whatever they are. Only what could not be measured is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO, Final

ROOT: Final = Path(__file__).resolve().parents[2]
SYNC: Final = ROOT / "scripts" / "sync.py"


class NotMeasuredError(Exception):
    """A process failed, so that its time says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A process that ended. `memory` is its peak in MB, None where the system does not tell."""

    seconds: float
    out: str
    err: str
    memory: float | None


def script(name: str, main: Callable[[], int]) -> None:
    """Run a benchmark in the project's environment, which is made first if need be."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from bootstrap import handover

    sys.exit(handover.run(name, lambda: _reported(main)))


def _reported(main: Callable[[], int]) -> int:
    try:
        return main()
    except NotMeasuredError as error:
        print(f"Not measured: {error}", file=sys.stderr)
        return 1


def sync_command(*arguments: str) -> list[str]:
    """Our side as a person starts it: any Python, and from there the environment's."""
    from bootstrap import environment

    if Path(sys.prefix) in map(Path, environment.PLACES):
        return [environment.base_python(), str(SYNC), *arguments]
    # Started in another environment (`-X environment=found`): that one is measured.
    return [sys.executable, "-X", "environment=found", str(SYNC), *arguments]


def prefect_command(*arguments: str) -> list[str]:
    """The stock side."""
    return [sys.executable, "-m", "prefect", *arguments]


def run(
    command: Sequence[str], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None, codes: tuple[int, ...] = (0,)
) -> Run:
    """Run a process to its end. Raises NotMeasuredError where it ends with a code that is not expected."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(env or os.environ), stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        code, memory = _wait(process)
        seconds = time.perf_counter() - started
        texts = [_text(file) for file in (out, err)]
    if code not in codes:
        raise NotMeasuredError(f"{' '.join(command[:8])} ended with {code}:\n{(texts[1] or texts[0])[-2000:]}")
    return Run(seconds=seconds, out=texts[0], err=texts[1], memory=memory)


if sys.platform == "win32":

    def _wait(process: subprocess.Popen[bytes]) -> tuple[int, float | None]:
        return process.wait(), None

else:

    def _wait(process: subprocess.Popen[bytes]) -> tuple[int, float | None]:
        """wait4 tells the peak of this very child; getrusage only that of the largest one so far."""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")


def in_turn(first: Callable[[], float], second: Callable[[], float], runs: int) -> tuple[list[float], list[float]]:
    """Both sides in turn, A B B A, so that a machine that gets slower meanwhile is unfair to neither."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(runs):
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            times[side].append((first, second)[side]())
    return times


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the result. `met` None: there is no target."""

    what: str
    figure: str
    target: str = ""
    met: bool | None = None


def ratio(what: str, numerator: Sequence[float], denominator: Sequence[float], *, least: float) -> Row:
    """How many times larger the median of one side is than that of the other, against a least."""
    found = median(numerator) / median(denominator)
    return Row(what=what, figure=f"{found:.2f}", target=f"at least {least:g}", met=found >= least)


def seconds(times: Sequence[float]) -> str:
    """The median, and the range where there are several."""
    spread = f" ({min(times):.2f} to {max(times):.2f})" if len(times) > 1 else ""
    return f"{median(times):.2f} s{spread}"


def table(title: str, rows: Sequence[Row]) -> None:
    """Print the result."""
    width = max(len(row.what) for row in rows)
    wide = max(len(row.figure) for row in rows)
    print(f"\n{title}")
    for row in rows:
        verdict = "" if row.met is None else "met" if row.met else "MISSED"
        print(f"  {row.what:<{width}}  {row.figure:>{wide}}  {row.target:<16} {verdict}".rstrip(), flush=True)


def progress(text: str) -> None:
    """A word on how far it is; the result alone goes to standard output."""
    print(text, file=sys.stderr, flush=True)

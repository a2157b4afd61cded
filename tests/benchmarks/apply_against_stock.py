"""Our `apply` against the stock `prefect deploy --all`: the same deployments on the same real server, whole processes.

`python3 tests/benchmarks/apply_against_stock.py [--sizes 50 200] [--runs 3]`

Every size has a server of its own, on a fresh database. A round begins without deployments; then each side applies its
own ones, who begins alternates, and then again unchanged. Ours reads the whole server, so its unchanged apply is
measured beside the deployments of the other side, and with its own ones alone. The targets are meant for 50 and 200.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.generated import POOL, write_ours, write_stock
from benchmarks.measuring import (
    NotMeasuredError,
    Row,
    prefect_command,
    progress,
    ratio,
    run,
    script,
    seconds,
    sync_command,
    table,
)

LEAST_FIRST: Final = 2.0
LEAST_UNCHANGED: Final[Mapping[int, float]] = {50: 10.0, 200: 20.0}
"""How many times faster than stock; between the sizes it is taken in proportion."""

SETTLING: Final = 8.0
"""Seconds before each measurement: the server makes the runs of what was just deployed, which is not the next one's."""

OURS, STOCK = "ours", "stock"


@dataclass(slots=True)
class Times:
    """Seconds of one side."""

    first: list[float] = field(default_factory=list)
    unchanged: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A server and both repositories."""

    url: str
    env: Mapping[str, str]
    ours: Path
    stock: Path
    size: int

    def apply(self, changed: int) -> float:
        """Our side; ends with so many changes, or was no measurement."""
        time.sleep(SETTLING)
        done = run(self.command(), env=self.env)
        found = json.loads(done.out)
        made = sum(1 for outcome in found["outcomes"] if outcome["status"] == "done")
        if made != changed or (changed == 0 and found["summary"]["unchanged"] < self.size):
            raise NotMeasuredError(f"apply made {made} changes instead of {changed}: {found['summary']}")
        return done.seconds

    def command(self) -> list[str]:
        """Our side, told to answer in JSON."""
        return sync_command("apply", "--yes", "--json", "--root", str(self.ours))

    def deploy(self) -> float:
        """The stock side."""
        time.sleep(SETTLING)
        return run(prefect_command("--no-prompt", "deploy", "--all"), cwd=self.stock, env=self.env).seconds

    def clean(self, side: str | None = None) -> None:
        """Delete the deployments of one side, or all."""
        while rows := self._ask("POST", "/deployments/filter", _named(side)):
            for row in rows:
                self._ask("DELETE", f"/deployments/{row['id']}")

    def count(self) -> int:
        """How many deployments the server holds."""
        return int(self._ask("POST", "/deployments/count", {}))

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode("utf-8")
        request = urllib.request.Request(
            self.url + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        text = _answer(request)
        return json.loads(text) if text else None


def _answer(request: urllib.request.Request) -> bytes:
    """What the server answers. SQLite is busy now and then, after a hundred deletes above all."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for pause in (0.5, 1.0, 2.0, 4.0, 8.0):
        try:
            with opener.open(request, timeout=60) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            if error.code == 404 and request.method == "DELETE":
                return b""
            if error.code != 503:
                raise
            time.sleep(pause)
    raise NotMeasuredError(f"the server stays too busy for {request.method} {request.full_url}")


def _named(side: str | None) -> dict[str, Any]:
    return {"deployments": {"name": {"like_": f"{side} "}}} if side else {}


def main() -> int:
    """Measure each size."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder).resolve(), size, options.runs)
    return 0


def _measure(folder: Path, size: int, runs: int) -> None:
    from servers import environment, prefect_server  # needs the project's environment

    progress(f"{size} deployments: a server on a fresh database …")
    ours, stock = folder / OURS, folder / STOCK
    write_ours(ours, size, OURS)
    write_stock(stock, size, STOCK)
    with prefect_server(folder / "home") as url:
        env = {**environment(folder / "home", url), "RECONCILE_CACHE": str(folder / "cache")}
        bench = Bench(url=url, env=env, ours=ours, stock=stock, size=size)
        run(prefect_command("work-pool", "create", POOL, "--type", "process"), env=env, cwd=folder)
        times = {OURS: Times(), STOCK: Times()}
        for turn in range(runs):
            _round(bench, times, (OURS, STOCK) if turn % 2 == 0 else (STOCK, OURS))
            progress(f"  round {turn + 1} of {runs}: " + ", ".join(_last(side, times[side]) for side in times))
        requests, prefect_loaded = _what_unchanged_does(bench)
    table(f"{size} deployments, medians of {runs} rounds", _rows(times, size, requests, prefect_loaded=prefect_loaded))


def _round(bench: Bench, times: Mapping[str, Times], order: Sequence[str]) -> None:
    bench.clean()
    for side in order:
        times[side].first.append(bench.apply(bench.size) if side == OURS else bench.deploy())
    if bench.count() != 2 * bench.size:
        raise NotMeasuredError(f"the server holds {bench.count()} deployments instead of {2 * bench.size}")
    # Ours before and after stock's, which takes long enough for the machine to get busier or quieter meanwhile.
    times[OURS].unchanged.append(bench.apply(0))
    times[STOCK].unchanged.append(bench.deploy())
    times[OURS].unchanged.append(bench.apply(0))
    bench.clean(STOCK)
    times[OURS].alone += [bench.apply(0), bench.apply(0)]


def _last(side: str, times: Times) -> str:
    alone = f", alone {times.alone[-1]:.2f} s" if times.alone else ""
    return f"{side} first {times.first[-1]:.2f} s, unchanged {times.unchanged[-1]:.2f} s{alone}"


def _what_unchanged_does(bench: Bench) -> tuple[Mapping[str, int], bool]:
    """The requests of an unchanged apply, and whether it loads Prefect: asked of Python, and apart from the timing."""
    done = run(bench.command(), env={**bench.env, "PYTHONPROFILEIMPORTTIME": "1"})
    loaded = {line.rpartition("|")[2].strip() for line in done.err.splitlines() if line.startswith("import time:")}
    if "httpx" not in loaded:
        raise NotMeasuredError("Python did not tell what it imports")
    return json.loads(done.out)["requests"], "prefect" in loaded


def _rows(times: Mapping[str, Times], size: int, requests: Mapping[str, int], *, prefect_loaded: bool) -> list[Row]:
    ours, stock = times[OURS], times[STOCK]
    least = least_unchanged(size)
    return [
        Row(what="first, stock", figure=seconds(stock.first)),
        Row(what="first, ours", figure=seconds(ours.first)),
        ratio("first, stock / ours", stock.first, ours.first, least=LEAST_FIRST),
        Row(what="unchanged, stock", figure=seconds(stock.unchanged)),
        Row(what=f"unchanged, ours, beside {size} others", figure=seconds(ours.unchanged)),
        ratio("unchanged, stock / ours, beside others", stock.unchanged, ours.unchanged, least=least),
        Row(what="unchanged, ours, alone", figure=seconds(ours.alone)),
        ratio("unchanged, stock / ours, alone", stock.unchanged, ours.alone, least=least),
        Row(what="unchanged, ours: requests that read", figure=str(requests["read"])),
        Row(what="unchanged, ours: requests that write", figure=str(requests["write"]), target="0", met=requests["write"] == 0),
        Row(what="unchanged, ours: imports prefect", figure="yes" if prefect_loaded else "no", target="no", met=not prefect_loaded),
    ]  # fmt: skip


def least_unchanged(size: int) -> float:
    """How many times faster an unchanged apply of that many deployments must be."""
    (few, low), (many, high) = sorted(LEAST_UNCHANGED.items())
    share = min(1.0, max(0.0, (size - few) / (many - few)))
    return low + share * (high - low)


if __name__ == "__main__":
    script(__file__, main)

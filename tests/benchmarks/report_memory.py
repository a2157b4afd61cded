"""What the periodic report over 10,000 runs takes: peak memory of its process, and requests.

`python3 tests/benchmarks/report_memory.py [--runs 10000] [--failed 0.3]`

The API is a server on loopback that answers with rows as a real one does (an end-to-end test compares their fields), so
that nobody waits for 10,000 real runs.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import ROOT, Row, progress, run, seconds, table
from benchmarks.measuring import script as as_script
from report_rows import page_of, run_row, said

MOST: Final = 200
"""MB."""

PAGE: Final = 200
BESIDES: Final = 6
"""Requests besides the pages of runs: the ends of both lists, the count, the names of deployments and flows, one spare."""

END: Final = datetime(2026, 11, 22, 23, 55, tzinfo=ZoneInfo("America/Argentina/Buenos_Aires"))
MESSAGE: Final = "Flow run encountered an exception: OperationalError: no se pudo conectar con srv-sql. " * 6

IMPORTS: Final = """
import asyncio
from datetime import datetime
from flows.common.server import ZONE
from flows.monitoring import mail, page, words
from flows.monitoring.periodic_report import period_before, sheet_of
"""

REPORT: Final = f"""{IMPORTS}
sheet = asyncio.run(sheet_of(period_before(datetime(2026, 11, 22, 23, 55), "dia")))
text, html = words.text(sheet), page.html(sheet)
to = ["ana@empresa.example"]
mail.compose(subject=words.subject(sheet.report), sender=to[0], recipients=to, text=text, html=html, written=sheet.written)
print(sheet.report.all.total, sheet.report.all.failed, len(html.encode()))
"""


def main() -> int:
    """Measure a report, and a process that only imports what it needs."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--failed", type=float, default=0.3, help="the share of runs that failed")
    options = parser.parse_args()
    progress(f"Making {options.runs} runs …")
    with _api(_runs(options.runs, options.failed)) as (url, asked), tempfile.TemporaryDirectory() as home:
        env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")},
            "PREFECT_API_URL": url,
            "PREFECT_HOME": home,
            "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PYTHONPATH": str(ROOT),
        }
        bare = run([sys.executable, "-c", IMPORTS], env=env)
        asked.clear()
        report = run([sys.executable, "-c", REPORT], env=env)
    total, failed, size = (int(one) for one in report.out.split())
    pages, all_requests = asked["/flow_runs/filter"], sum(asked.values())
    allowed = ceil(options.runs / PAGE) + BESIDES
    rows = [
        Row(what="runs told, of which failed", figure=f"{total}, {failed}", met=total == options.runs),
        _memory("peak memory of the report", report.memory, MOST),
        _memory("of a process that imports the same", bare.memory),
        Row(what="requests for runs", figure=f"{pages}"),
        Row(what="requests in all", figure=f"{all_requests}", target=f"at most {allowed}", met=all_requests <= allowed),
        Row(what="size of the page", figure=f"{size / 1000:.1f} kB", target="at most 102 kB", met=size <= 102_000),
        Row(what="time", figure=seconds([report.seconds])),
    ]
    table(f"the report over {options.runs} runs", rows)
    return 0


def _memory(what: str, megabytes: float | None, most: float | None = None) -> Row:
    if megabytes is None:
        return Row(what=what, figure="not told here")
    if most is None:
        return Row(what=what, figure=f"{megabytes:.0f} MB")
    return Row(what=what, figure=f"{megabytes:.0f} MB", target=f"under {most:g} MB", met=megabytes < most)


def _runs(number: int, failed: float) -> dict[str, list[dict[str, Any]]]:
    """Runs over the day: those that ended, and those that are late."""
    kinds = ("Failed", "Crashed", "Cancelled", "Late")
    bad = round(1000 * failed)
    found: dict[str, list[dict[str, Any]]] = {"ended": [], "late": []}
    for one in range(1, number + 1):
        state = kinds[one % 4] if one * 7919 % 1000 < bad else "Completed"
        at = END - timedelta(seconds=86_000 * one / number)
        row = run_row(one, state, at, state={"type": "", "name": state, **said(MESSAGE)})
        found["late" if state == "Late" else "ended"].append(row)
    return found


@contextmanager
def _api(runs: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[str, Counter[str]]]:
    """The address of an API that has these runs, and what it is asked."""
    asked: Counter[str] = Counter()
    deployments = [_named(10**6 + number, f"Despliegue {number}") for number in range(40)]
    flows = [_named(10**9, "flujo")]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            path = self.path.removeprefix("/api")
            asked[path] += 1
            self._answer(self._found(path, body))

        def do_GET(self) -> None:
            self._answer(b'"3.8.8"' if self.path.endswith("/version") else b"true")

        def _found(self, path: str, body: bytes) -> bytes:
            if path == "/flow_runs/count":
                return b"0"
            if path == "/deployments/filter":
                return page_of(deployments, body)
            if path == "/flows/filter":
                return page_of(flows, body)
            late = "name" in json.loads(body)["flow_runs"]["state"]
            return page_of(runs["late" if late else "ended"], body)

        def _answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/api", asked
        server.shutdown()


def _named(number: int, name: str) -> dict[str, Any]:
    return {"id": str(UUID(int=number)), "name": name, "flow_id": str(UUID(int=10**9))}


if __name__ == "__main__":
    as_script(__file__, main)

"""A process of its own that runs Prefect's build and push steps, through Prefect's own runner.

Apart from us, because steps change the folder and the environment that they run in, print, install packages, and may
end the process. What is to run comes in on standard input; what it gave goes to the file named there.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Run each group of steps; 1 where a step fails."""
    job = json.loads(sys.stdin.buffer.read())
    target = Path(job["into"])
    results: list[dict[str, Any]] = []
    try:
        results.extend(asyncio.run(_run(group)) for group in job["groups"])
    except Exception as error:  # noqa: BLE001 # a step is anybody's code
        reason = f"{error.__cause__ or error}".strip() or type(error.__cause__ or error).__name__
        _answer(target, {"error": f"{error}", "reason": reason})
        return 1
    _answer(target, {"outputs": results})
    return 0


async def _run(group: dict[str, Any]) -> dict[str, Any]:
    from prefect.deployments.steps.core import run_steps

    outputs: dict[str, Any] = {}
    for name in ("build", "push"):
        if group[name]:
            outputs.update(await run_steps(group[name], outputs, print_function=_say))
    return outputs


def _say(text: object, **_: Any) -> None:
    print(text, flush=True)


def _answer(target: Path, answer: dict[str, Any]) -> None:
    target.write_text(json.dumps(answer, default=str), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

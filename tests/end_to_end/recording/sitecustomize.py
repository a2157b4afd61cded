"""Python takes this in at its start where this folder is on PYTHONPATH: writes down each command line that it starts."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

TARGET = os.environ.get("END_TO_END_COMMAND_LINES")
STARTS = {"subprocess.Popen": 1, "os.exec": 1, "os.posix_spawn": 1, "os.spawn": 2, "os.system": 0}
"""The events of Python's that start a program, and which of their arguments holds the command line."""


def note(event: str, given: tuple[object, ...]) -> None:
    if event not in STARTS or TARGET is None:
        return
    line = given[STARTS[event]]
    words = [os.fsdecode(word) for word in line] if isinstance(line, list | tuple) else [str(line)]
    with Path(TARGET, f"python-{os.getpid()}.jsonl").open("a", encoding="utf-8", errors="replace") as file:
        file.write(json.dumps({"event": event, "argv": words}, ensure_ascii=False) + "\n")


if TARGET is not None:
    sys.addaudithook(note)

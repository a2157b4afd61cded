"""Run as a program of its own: a module of Python that ends when the one who started it is gone.

    python -P companion.py MODULE ARGUMENTS…

Standard input is a pipe that the parent holds open. Its end says that the parent is gone, however it went: no system
tells that better, and it is the same on all of them.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

GRACE = 12.0
"""Seconds for the module to end by itself. Longer than any request of it takes; shorter than the parent waits."""


def _end_with(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    signal.raise_signal(signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


def main(module: str, *arguments: str) -> None:
    """Run the module as `python -m` does."""
    # The pipe goes out of the way of whoever looks at standard input: on Windows, a look at a pipe that is being read
    # waits until there is something to read.
    pipe = os.dup(0)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 # a name of the system's, not a path
        os.dup2(nothing.fileno(), 0)
    threading.Thread(target=_end_with, args=(pipe,), name="companion", daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

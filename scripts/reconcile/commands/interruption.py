"""Being told to stop: Ctrl-C, and the signals by which services, terminals and consoles end a program.

Unhandled, one of these would leave the embedded server running and the lock standing.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

_ENDING = tuple(
    found for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if (found := getattr(signal, name, None)) is not None
)

SLICE: Final = 0.2
"""Seconds that are slept at once, so that Ctrl-C is heard."""


@contextmanager
def ending_as_ctrl_c() -> Iterator[None]:
    """Everything that ends a program does so as Ctrl-C does. What is ignored (`nohup`) or handled stays so."""
    changed = []
    if threading.current_thread() is threading.main_thread():
        changed = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def finishing() -> Iterator[Callable[[], bool]]:
    """While writing, what is in hand is finished; what is left is not begun. A second Ctrl-C is a plain one.

    Answers whether it was asked for.
    """
    asked: list[int] = []
    numbers = []
    if threading.current_thread() is threading.main_thread():
        ours = signal.default_int_handler
        numbers = [number for number in (signal.SIGINT, *_ENDING) if signal.getsignal(number) is ours]

    def remember(number: int, _: FrameType | None) -> None:
        asked.append(number)
        for each in numbers:
            signal.signal(each, signal.default_int_handler)
        with suppress(RuntimeError, OSError):  # it came in the middle of another word, or nobody listens any more
            print("Interrupted: finishing what is in hand …", file=sys.stderr, flush=True)

    for number in numbers:
        signal.signal(number, remember)
    try:
        yield lambda: bool(asked)
    finally:
        for number in numbers:
            signal.signal(number, signal.default_int_handler)


def let_pass(seconds: float, stop: Callable[[], bool], pause: Callable[[float], None] = time.sleep) -> bool:
    """Let time pass; answers whether all of it did, and nobody asked to stop."""
    slices = max(1, round(seconds / SLICE))
    for _ in range(slices):
        if stop():
            return False
        pause(seconds / slices)
    return not stop()

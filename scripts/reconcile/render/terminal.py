"""Lines onto a stream: with colours where a person looks, plain text elsewhere. Only the former loads rich."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final, TextIO

from reconcile.render.text import Line

_STYLES: Final = {
    "title": "bold",
    "good": "green",
    "change": "yellow",
    "warning": "yellow",
    "error": "red",
    "dim": "dim",
}


def show(lines: Iterable[Line], stream: TextIO) -> None:
    """Print the lines, each as it comes."""
    if not stream.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        for line in lines:
            print(line.text, file=stream, flush=True)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, markup=False, soft_wrap=True)
    for line in lines:
        console.print(Text(line.text, style=_STYLES.get(line.style, "")))

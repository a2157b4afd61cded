"""Whoever reads the output may go away before its end, as `head` does: no fault of anybody's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small import copy_small

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", [["validate"], ["validate", "--json"]])
def test_an_output_that_nobody_reads_is_no_bug(command: list[str], unbuffered: str, tmp_path: Path) -> None:
    """Streams that are not buffered, as in many containers, keep nothing that a later flush could fail with."""
    code = "import sys; from reconcile.cli import main; sys.exit(main(sys.argv[1:]))"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *command, "--root", str(copy_small(tmp_path / "repository"))],
            env={**os.environ, "PYTHONPATH": str(SCRIPTS), "PYTHONUNBUFFERED": unbuffered},
            stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE, encoding="utf-8", check=False,
        )  # fmt: skip
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")

"""The tool and Prefect's own programs as people run them: each a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from end_to_end.watch import ENVIRONMENT, RECORDING, WATCH
from servers import MEASURING, environment

PROJECT: Final = Path(__file__).resolve().parents[2]

SYNC_VARIABLE: Final = "END_TO_END_SYNC"
"""Set to 1: the tool is started by scripts/sync.py, with the environment that it makes, as a person does."""

MAIN: Final = "import sys; from reconcile.cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a program ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """Everything that was said."""
        return self.out + self.err


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The tool for one repository and one server."""

    root: Path
    home: Path
    url: str | None = None
    settings: Mapping[str, str] | None = None

    def environ(self) -> dict[str, str]:
        """Nothing of the person who runs the tests: neither Prefect's settings nor git's, nor a cache of sources.

        What is there are tokens that are not the tool's to say, and what has Python write down its command lines.
        """
        return {
            **environment(self.home, self.url),
            **{name: value for name, value in os.environ.items() if name.startswith(MEASURING)},
            **plain_git(self.home),
            **ENVIRONMENT,
            **WATCH.python(),
            **own_temporary_folder(self.home),
            "PYTHONPATH": os.pathsep.join([str(RECORDING), str(PROJECT / "scripts")]),
            "RECONCILE_CACHE": str(self.home / "git-cache"),
            **(self.settings or {}),
        }

    def command(self, *arguments: str) -> list[str]:
        """The command line. `--root` goes behind the command's name, where every command takes it."""
        entry = [str(PROJECT / "scripts" / "sync.py")] if os.environ.get(SYNC_VARIABLE) == "1" else ["-c", MAIN]
        root = ["--root", str(self.root)] if self.root != PROJECT else []
        return [sys.executable, *entry, *arguments, *root]

    def __call__(self, *arguments: str, timeout: float = 240.0) -> Result:
        """Run it without a terminal; whatever happens, no traceback, and with --json one document."""
        result = run(self.command(*arguments), environ=self.environ(), folder=self.home, timeout=timeout)
        assert "Traceback" not in result.said, result.said
        if "--json" in arguments:
            assert isinstance(result.document, dict), result.out
        return result

    def plan(self, *arguments: str) -> Any:
        """What `plan --json` prints; it must succeed."""
        result = self("plan", "--json", *arguments)
        assert result.code == 0, result.said
        return result.document

    def apply(self, *arguments: str) -> Any:
        """What `apply --yes --json` prints; it must succeed."""
        result = self("apply", "--yes", "--json", *arguments)
        assert result.code == 0, result.said
        return result.document


def run(command: list[str], *, environ: Mapping[str, str], folder: Path, timeout: float = 240.0) -> Result:
    """Run a program to its end."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env=dict(environ),
        cwd=folder,
        timeout=timeout,
        encoding="utf-8",
        errors="replace",
    )
    return Result(code=done.returncode, out=done.stdout, err=done.stderr)


def plain_git(home: Path, *, of_prefect: bool = False) -> dict[str, str]:
    """A git without anybody's set-up, that never asks, and writes down its command lines."""
    home.mkdir(parents=True, exist_ok=True)
    plain = home / ("gitconfig-of-prefect" if of_prefect else "gitconfig")
    plain.write_text(WATCH.git(of_prefect=of_prefect), encoding="utf-8")
    return {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": str(plain), "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": ""}


def own_temporary_folder(home: Path) -> dict[str, str]:
    """A folder for temporary files, among them the account of a crash, which is searched like all others."""
    folder = home / "temporary"
    folder.mkdir(parents=True, exist_ok=True)
    return dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))


def own_credentials(file: Path, tokens: Mapping[str, str]) -> dict[str, str]:
    """A person whose git knows the tokens of some repositories, from a credential helper."""
    lines = [WATCH.git(), "[credential]", "\tuseHttpPath = true"]
    for number, (url, token) in enumerate(tokens.items()):
        answer = file.with_name(f"{file.name}.{number}")
        answer.write_text(f"username=person\npassword={token}\n", encoding="utf-8", newline="\n")
        WATCH.add(f"a person's token for {url}", token)
        WATCH.plant(answer, "what a person's credential helper knows")
        lines += [
            f'[credential "{url}"]',
            f'\thelper = "!f() {{ test \\"$1\\" = get && cat \\"{answer.as_posix()}\\"; }}; f"',
        ]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"GIT_CONFIG_GLOBAL": str(file)}


def prefect(*arguments: str, environ: Mapping[str, str], folder: Path, timeout: float = 240.0) -> Result:
    """Prefect's own command line."""
    command = [sys.executable, "-m", "prefect", *arguments]
    return run(command, environ={**environ, "PREFECT_CLI_PROMPT": "false"}, folder=folder, timeout=timeout)


@contextmanager
def worker(pool: str, *, home: Path, url: str, settings: Mapping[str, str] | None = None) -> Iterator[Path]:
    """A worker of a process pool for the length of the context; the file of what it says."""
    home.mkdir(parents=True, exist_ok=True)
    log = home / f"worker-{pool}.log"
    arguments = ["worker", "start", "--pool", pool, "--name", f"worker-{pool}", "--type", "process", "--limit", "2"]
    environ = {
        **environment(home, url),
        **{name: token for name, token in ENVIRONMENT.items() if not name.startswith("PREFECT_")},
        **plain_git(home, of_prefect=True),
        **WATCH.python(of_prefect=True),
        **own_temporary_folder(home),
        "PYTHONPATH": str(RECORDING),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.5",
        **(settings or {}),
    }
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments, "--install-policy", "never"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environ,
            cwd=home,
        )
        try:
            yield log
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def write_tree(root: Path, files: Mapping[str, str]) -> Path:
    """A repository: each file's text, less the indentation that it has in the test."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return root


def entries_yaml(entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a file of deployments."""
    return "deployments:\n" + "".join(f"  {name}: {_inline(fields)}\n" for name, fields in entries.items())


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{key}": {_inline(item)}' for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return str(value) if isinstance(value, int) else f'"{value}"'


def wait_for(what: str, ask: Any, *, timeout: float = 90.0) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.3)
    raise AssertionError(f"{what}: not within {timeout:g} s")

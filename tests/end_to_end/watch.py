"""Real-looking tokens for the whole suite, and the search that shows where one of them came out.

Each worker of the suite has tokens of its own. The tool's processes have them in their environment, the shared server
holds them in Secret blocks, and what a test gives to a server or to a person's git is added. At the end everything
that was said, every file that was written, every command line and the servers' logs are searched for all of them.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import secrets
import string
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

import pytest

HERE: Final = Path(__file__).resolve().parent
RECORDING: Final = HERE / "recording"

LEAST: Final = 10
"""Characters; a shorter text would be found by chance."""


def _made(before: str, length: int, letters: str = string.ascii_letters + string.digits) -> str:
    return before + "".join(secrets.choice(letters) for _ in range(length))


ENVIRONMENT: Final[Mapping[str, str]] = {
    "GITHUB_TOKEN": _made("ghp_", 36),
    "GH_TOKEN": _made("github_pat_", 22) + _made("_", 59),
    "GITLAB_TOKEN": _made("glpat-", 20),
    "SLACK_BOT_TOKEN": f"{_made('xoxb-', 12, string.digits)}-{_made('', 24)}",
    "AWS_ACCESS_KEY_ID": _made("AKIA", 16, string.ascii_uppercase + string.digits),
    "AWS_SECRET_ACCESS_KEY": f"{_made('', 12)}/{_made('', 12)}+{_made('', 14)}",
    "OPENAI_API_KEY": _made("sk-proj-", 48),
    "PREFECT_API_KEY": _made("pnu_", 36),
    "PGPASSWORD": f'{_made("", 8)}"ñ&%:/@ {_made("", 8)}',
    "AZURE_STORAGE_CONNECTION_STRING": f"AccountName=talleres;AccountKey={_made('', 84)}==;EndpointSuffix=core.windows.net",
}
"""What the tool's processes find in their environment: nothing of it is theirs to say."""

BLOCKS: Final[Mapping[str, str]] = {
    "github": _made("ghp_", 36),
    "gitlab": _made("glpat-", 20),
    "slack": f"{_made('xoxb-', 12, string.digits)}-{_made('', 24)}",
    "aws": f"{_made('', 12)}/{_made('', 12)}+{_made('', 14)}",
    "postgres": f"postgresql://capataz:{_made('', 24)}@srv-datos.example:5432/taller",
    "sqlserver": f"Server=srv-softland;Database=taller;User Id=sa;Password={_made('', 12)};{_made('', 12)}",
    "stripe": _made("sk_live_", 24),
    "jwt": f"{_made('eyJ', 20)}.{_made('eyJ', 60)}.{_made('', 43)}",
}
"""What the shared server keeps in Secret blocks, by the blocks' names."""

FIGURES: Final = pytest.StashKey[dict[str, int]]()
"""Where pytest's configuration keeps how much was searched."""

PASSWORD: Final = re.compile(r"(?:://[^:/]+:|Password=|AccountKey=)([A-Za-z0-9]{20,}|[A-Za-z0-9]{12})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A token that came out: which, in what form, and where. Not the token itself."""

    token: str
    form: str
    where: str

    def __str__(self) -> str:
        return f"{self.token}, {self.form}: {self.where}"


def forms(token: str) -> dict[bytes, str]:
    """Every form that a token is looked for in, and its name.

    Base64 is looked for by what does not depend on what stands around it, so that `user:token` is found whoever the
    user is.
    """
    plain = token.encode("utf-8")
    told = {
        "UTF-16": token.encode("utf-16-le"),
        "HTML": html.escape(token).encode("utf-8"),
        "Python": repr(token)[1:-1].encode("utf-8"),
        "JSON": json.dumps(token)[1:-1].encode("utf-8"),
        "JSON within JSON": json.dumps(json.dumps(token)[1:-1])[1:-1].encode("utf-8"),
        "JSON not ASCII": json.dumps(token, ensure_ascii=False)[1:-1].encode("utf-8"),
        "percent": quote(token, safe="").encode("ascii"),
        "percent, a path": quote(token).encode("ascii"),
        "percent, lower case": re.sub(r"%..", lambda at: at[0].lower(), quote(token, safe="")).encode("ascii"),
        "percent, a form": quote_plus(token).encode("ascii"),
        "hexadecimal": plain.hex().encode("ascii"),
    }
    for lead in range(3):
        inner = _base64_inside(plain, lead)
        told[f"base64, {lead}"] = inner
        told[f"base64 for addresses, {lead}"] = inner.replace(b"+", b"-").replace(b"/", b"_")
    return {text: name for name, text in (*reversed(told.items()), ("plain", plain))}


def _base64_inside(plain: bytes, lead: int) -> bytes:
    """The middle of the base64 of a text that `lead` bytes (modulo 3) stand before and anything behind."""
    coded = base64.b64encode(b"\0" * lead + plain)
    first = -(-lead * 8 // 6)
    return coded[first : (lead + len(plain)) * 8 // 6]


def search(data: bytes, where: str, tokens: Mapping[str, str]) -> Iterator[Found]:
    """Where one of the tokens (by name) stands in some bytes, in whichever form; one finding a token."""
    for name, token in tokens.items():
        for text, form in forms(token).items():
            if text in data:
                yield Found(token=name, form=form, where=where)
                break


@dataclass(slots=True)
class Watch:
    """What was given away and what came out, of this process's part of the suite."""

    tokens: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    said: list[tuple[str, bytes]] = field(default_factory=list)
    command_lines: list[str] = field(default_factory=list)
    planted: dict[Path, str] = field(default_factory=dict)
    given_to_workers: set[str] = field(default_factory=set)
    """The tokens that workers have to use, which Prefect does by writing them into the address that it gives git."""

    def add(self, name: str, token: str, *, to_workers: bool = False) -> None:
        """A token from now on looked for; and what of it is the secret, where only a part is."""
        if len(token) >= LEAST:
            self.tokens[name] = token
            self.tokens |= {f"{name}, its password": part for part in PASSWORD.findall(token)}
            self.given_to_workers |= {token} if to_workers else set()

    def plant(self, file: Path, why: str) -> None:
        """A file that holds a token because a test put it there, or because it is there to hold it."""
        self.planted[file.resolve()] = why

    def say(self, where: str, text: str | bytes | None) -> None:
        """Something that a process said."""
        if text:
            self.said.append((where, text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text))

    def commands(self, *, of_prefect: bool = False) -> Path | None:
        """The folder where command lines are written down: the tool's, or those of Prefect's own programs."""
        if self.folder is None:
            return None
        folder = self.folder / ("of-prefect" if of_prefect else "of-the-tool")
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def python(self, *, of_prefect: bool = False) -> dict[str, str]:
        """What makes a Python write down the command lines that it starts; PYTHONPATH must have RECORDING."""
        folder = self.commands(of_prefect=of_prefect)
        return {"END_TO_END_COMMAND_LINES": str(folder)} if folder else {}

    def git(self, *, of_prefect: bool = False) -> str:
        """The lines of a gitconfig by which git writes down its command line, and those of what it starts."""
        folder = self.commands(of_prefect=of_prefect)
        return f'[trace2]\n\teventTarget = "{folder.as_posix()}"\n' if folder else ""


WATCH: Final = Watch()
for _name, _token in ENVIRONMENT.items():
    WATCH.add(f"{_name} of the environment", _token)
for _name, _token in BLOCKS.items():
    WATCH.add(f"the Secret {_name}", _token)


@contextmanager
def recording(watch: Watch, folder: Path) -> Iterator[None]:
    """Keeps what the processes that this one starts say, and their command lines, for the length of the context."""
    watch.folder = folder
    active = [True]
    communicate = subprocess.Popen.communicate

    def kept(process: subprocess.Popen[Any], *args: Any, **more: Any) -> tuple[Any, Any]:
        said = communicate(process, *args, **more)
        words = process.args if isinstance(process.args, list | tuple) else [str(process.args)]
        where = " ".join(os.fsdecode(word) for word in words)[-300:]
        watch.say(f"output of {where}", said[0])
        watch.say(f"errors of {where}", said[1])
        return said

    def note(event: str, given: tuple[Any, ...]) -> None:
        if active[0] and event == "subprocess.Popen":
            words = given[1] if isinstance(given[1], list | tuple) else [given[1]]
            watch.command_lines.append("\n".join(os.fsdecode(word) for word in words))

    sys.addaudithook(note)
    subprocess.Popen.communicate = kept  # type: ignore[method-assign, assignment] # whoever reads, reads through it
    try:
        yield
    finally:
        subprocess.Popen.communicate = communicate  # type: ignore[method-assign]
        active[0] = False


@dataclass(slots=True)
class Searched:
    """How much was searched, and what was found."""

    tokens: int = 0
    outputs: int = 0
    files: int = 0
    command_lines: int = 0
    size: int = 0
    left_out: int = 0
    found: list[Found] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, int]:
        """Each in words."""
        return {
            "tokens": self.tokens,
            "outputs": self.outputs,
            "files": self.files,
            "command lines": self.command_lines,
            "bytes": self.size,
            "files left out": self.left_out,
            "found": len(self.found),
        }


def search_all(watch: Watch, folder: Path) -> Searched:
    """Everything: what was said, every file below the folder but those that were planted, and all command lines."""
    done = Searched(tokens=len(watch.tokens))
    wanted = _Needles(watch.tokens)
    for where, text in watch.said:
        done.outputs += 1
        done.found += wanted.search(text, where)
        done.size += len(text)
    for line in watch.command_lines:
        done.command_lines += 1
        # A word may hold any half of a surrogate pair: a test asks what becomes of one, and no process begins then.
        done.found += wanted.search(line.encode("utf-8", "surrogatepass"), f"the command line {line[:40]!r}…")
    # Prefect's own workers give git the token of a source within the address, so there the others are looked for.
    others = _Needles({name: token for name, token in watch.tokens.items() if token not in watch.given_to_workers})
    workers = watch.folder / "of-prefect" if watch.folder else None
    for file in sorted(_files(folder)):
        if file.resolve() in watch.planted:
            done.left_out += 1
            continue
        try:
            data = file.read_bytes()
        except OSError:  # a socket, or gone with the process that had it
            continue
        is_workers = workers is not None and file.is_relative_to(workers)
        done.found += (others if is_workers else wanted).search(data, str(file))
        done.files += 1
        done.size += len(data)
        if watch.folder and file.is_relative_to(watch.folder):
            done.command_lines += data.count(b'"argv":[') + data.count(b'"argv": [')
            done.found += _hidden(data, str(file)) if not is_workers else ()
    return done


class _Needles:
    """All forms of all tokens, made once."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tokens = tokens
        self._texts = {text for token in tokens.values() for text in forms(token)}

    def search(self, data: bytes, where: str) -> list[Found]:
        hit = any(text in data for text in self._texts)
        return list(search(data, where, self._tokens)) if hit else []


def _hidden(data: bytes, where: str) -> Iterator[Found]:
    """Newer versions of git do not write down a password of an address; that there was one they do."""
    if b"<REDACTED>" in data:
        yield Found(token="some password", form="in an address on git's command line", where=where)


def _files(folder: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not Path(at, name).is_symlink()]
        yield from (path for name in names if (path := Path(at, name)).is_file() and not path.is_symlink())

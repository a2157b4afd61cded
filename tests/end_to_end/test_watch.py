"""That the search for tokens finds them, in every form and place: otherwise that it found none would say nothing."""

from __future__ import annotations

import base64
import html
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

import pytest
from end_to_end.tool import plain_git, run
from end_to_end.watch import BLOCKS, ENVIRONMENT, RECORDING, Watch, recording, search_all
from servers import environment

pytestmark = pytest.mark.e2e

TOKEN: Final = 'ghx_"Ñandú/+&?~%41\\<secreto> 9f2c'
FORMS: Final[dict[str, Callable[[str], bytes]]] = {
    "plain": str.encode,
    "base64": lambda token: base64.b64encode(token.encode()),
    "base64 for addresses": lambda token: base64.urlsafe_b64encode(token.encode()),
    "of a user": lambda token: base64.b64encode(f"x-access-token:{token}".encode()),
    "of another user": lambda token: base64.b64encode(f"oauth2:{token}".encode()),
    "of a user, for addresses": lambda token: base64.urlsafe_b64encode(f"capataz:{token}".encode()),
    "of no user": lambda token: base64.b64encode(f":{token}".encode()),
    "percent": lambda token: quote(token, safe="").encode(),
    "percent in lower case": lambda token: quote(token, safe="").replace("%C3%91", "%c3%91").lower().encode(),
    "in an address's path": lambda token: quote(token).encode(),
    "a form's": lambda token: quote_plus(token).encode(),
    "JSON": lambda token: json.dumps({"a": token}).encode(),
    "JSON not ASCII": lambda token: json.dumps({"a": token}, ensure_ascii=False).encode(),
    "JSON within JSON": lambda token: json.dumps(json.dumps({"a": token})).encode(),
    "Python": lambda token: repr([token]).encode(),
    "HTML": lambda token: html.escape(token).encode(),
    "UTF-16": lambda token: token.encode("utf-16-le"),
    "hexadecimal": lambda token: token.encode().hex().encode(),
}


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """One of its own, that knows one token."""
    found = Watch(folder=tmp_path / "command-lines")
    found.add("the planted one", TOKEN)
    return found


def places(watch: Watch, folder: Path) -> list[str]:
    found = search_all(watch, folder).found
    assert TOKEN not in "".join(map(str, found))
    return [one.where for one in found]


@pytest.mark.parametrize("form", FORMS)
def test_a_token_is_found_in_every_form(form: str, watch: Watch, tmp_path: Path) -> None:
    token = TOKEN.lower() if form == "percent in lower case" else TOKEN
    watch.tokens = {"the planted one": token}
    watch.say("an output", b"before " + FORMS[form](token) + b" behind")
    watch.say("another output", b"nothing")
    assert places(watch, tmp_path) == ["an output"]


@pytest.mark.parametrize("token", [*ENVIRONMENT.values(), *BLOCKS.values()], ids=[*ENVIRONMENT, *BLOCKS])
@pytest.mark.parametrize("lead", ["", "a", "ab", "abc"])
def test_each_of_the_suites_tokens_is_found_as_a_basic_login(lead: str, token: str, tmp_path: Path) -> None:
    watch = Watch()
    watch.add("this one", token)
    watch.say("a header", b"Authorization: Basic " + base64.b64encode(f"{lead}:{token}:".encode()))
    assert "a header" in places(watch, tmp_path)


def test_the_password_within_a_connection_string_is_found_by_itself(tmp_path: Path) -> None:
    watch = Watch()
    watch.add("the database", BLOCKS["postgres"])
    watch.say("an error", f"login failed with {BLOCKS['postgres'].split(':')[2].partition('@')[0]}")
    assert places(watch, tmp_path) == ["an error"]


def test_a_token_is_found_in_a_file_and_not_in_one_that_is_to_hold_it(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "home" / "cache").mkdir(parents=True)
    leaked, planted = tmp_path / "home" / "cache" / "plan.json", tmp_path / "home" / "login"
    for file in (leaked, planted):
        file.write_text(json.dumps(TOKEN), encoding="utf-8")
    watch.plant(planted, "the test's own")
    assert places(watch, tmp_path) == [str(leaked)]


def test_a_token_is_found_in_what_a_process_says_and_on_its_command_line(watch: Watch, tmp_path: Path) -> None:
    said = "import os, sys; print(os.environ['T']); print(os.environ['T'], file=sys.stderr)"
    environ = {**environment(tmp_path), "T": TOKEN, "PYTHONIOENCODING": "utf-8"}
    with recording(watch, tmp_path / "command-lines"):
        run([sys.executable, "-c", said], environ=environ, folder=tmp_path)
        run([sys.executable, "-c", "", TOKEN], environ=environ, folder=tmp_path)
    found = places(watch, tmp_path)
    assert [where.partition(" ")[0] for where in found] == ["output", "errors", "the"]
    assert "command line" in found[2]


def test_a_token_is_found_on_the_command_line_of_what_a_process_starts(watch: Watch, tmp_path: Path) -> None:
    """Of what a Python starts, and of what git starts: here a credential helper that has it in its own text."""
    environ = {**environment(tmp_path), **watch.python(), "PYTHONPATH": str(RECORDING), "T": TOKEN}
    starts = "import os, subprocess, sys; subprocess.run([sys.executable, '-c', '', os.environ['T']])"
    done = run([sys.executable, "-c", starts], environ=environ, folder=tmp_path)
    assert (done.code, done.said) == (0, "")
    [found] = places(watch, tmp_path)
    assert Path(found).name.startswith("python-")


def test_a_token_is_found_on_the_command_line_of_what_git_starts(watch: Watch, tmp_path: Path) -> None:
    simple = "glpat-9f2c7a61be0d43"
    watch.tokens = {"the planted one": simple}
    settings = tmp_path / "settings"
    settings.write_text(f'{watch.git()}[credential]\n\thelper = "!echo password={simple} #"\n', encoding="utf-8")
    watch.plant(settings, "the test's own")
    environ = {**environment(tmp_path), **plain_git(tmp_path / "home"), "GIT_CONFIG_GLOBAL": str(settings)}
    asked = b"protocol=https\nhost=example.invalid\n\n"
    subprocess.run(["git", "credential", "fill"], input=asked, env=environ, capture_output=True, check=False)
    found = places(watch, tmp_path)
    assert found
    assert {Path(where).parent for where in found} == {watch.commands()}

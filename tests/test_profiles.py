"""`profile`: one profile of Prefect's profiles.toml is written; whatever else stands there stays to the letter."""

from __future__ import annotations

import difflib
import json
import os
import stat
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small import copy_small

from reconcile.cli import main
from reconcile.errors import ExitCode, ReconcileError
from reconcile.gateway.in_force import in_force
from reconcile.gateway.profiles import edited, where
from reconcile.secrets import MASK

FILE = Path("/nowhere/profiles.toml")

STANDING = '''\
# Perfiles de la PC de Ana: no borrar
active = "local"   # el de siempre

[profiles.local]  # en esta máquina
PREFECT_API_URL = 'http://127.0.0.1:4200/api'

[profiles.prod]
PREFECT_API_AUTH_STRING = "admin:nadie-lo-ve"   # a mano
PREFECT_LOGGING_LEVEL   =   "DEBUG"  # mientras se prueba

# la nube
[profiles.cloud]
PREFECT_API_URL = """https://api.prefect.cloud/x"""
'''

SETTINGS = {"PREFECT_API_URL": "http://srv:442/api", "PREFECT_LOGGING_LEVEL": "INFO"}


def lay(text: str, name: str = "prod", *, activate: bool = False) -> str:
    return edited(FILE, text, name, SETTINGS, activate=activate).text


def changed_lines(before: str, after: str) -> list[str]:
    found = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line for line in found if line[0] in "+-"]


def test_only_the_lines_of_the_settings_change() -> None:
    assert changed_lines(STANDING, lay(STANDING)) == [
        '- PREFECT_LOGGING_LEVEL   =   "DEBUG"  # mientras se prueba\n',
        '+ PREFECT_LOGGING_LEVEL   =   "INFO"  # mientras se prueba\n',
        '+ PREFECT_API_URL = "http://srv:442/api"\n',
    ]
    # What is new stands with its profile, not below the comment of the next one.
    assert lay(STANDING).index("srv:442") < lay(STANDING).index("# la nube")


def test_a_second_time_changes_nothing() -> None:
    once = lay(STANDING, activate=True)
    assert lay(once, activate=True) == once


def test_activating_changes_one_line_more() -> None:
    assert '+ active = "prod"   # el de siempre\n' in changed_lines(STANDING, lay(STANDING, activate=True))
    without = STANDING.replace('active = "local"   # el de siempre\n', "")
    active = lay(without, activate=True)
    assert tomllib.loads(active)["active"] == "prod"
    assert set(without.splitlines()) - set(active.splitlines()) == {
        'PREFECT_LOGGING_LEVEL   =   "DEBUG"  # mientras se prueba'
    }


def test_a_new_profile_goes_to_the_end() -> None:
    text = lay(STANDING, "dev")
    assert text.startswith(STANDING)
    assert text[len(STANDING) :] == (
        '\n[profiles.dev]\nPREFECT_API_URL = "http://srv:442/api"\nPREFECT_LOGGING_LEVEL = "INFO"\n'
    )
    assert lay(STANDING.rstrip("\n"), "dev") == text


@pytest.mark.parametrize("name", ["prod", "dev"])
def test_line_ends_of_windows_stay(name: str) -> None:
    text = lay(STANDING.replace("\n", "\r\n"), name, activate=True)
    assert text == lay(STANDING, name, activate=True).replace("\n", "\r\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# nada\n",
        'active = "prod"\n',
        "[profiles]\n",
        "[profiles.prod]\n",
        "[profiles.prod]",
        'profiles.prod.PREFECT_HOME = "x"\n',
        '[profiles]\nprod.PREFECT_HOME = "x"\n',
        '[profiles]\nlocal = {PREFECT_HOME = "x"}\nprod = {PREFECT_HOME = "x"}\n',
        '[profiles.prod]\nA = "1"\n[other]\nB = "2"\n[profiles.local]\nC = "3"\n',
        '[profiles."prod"]\nPREFECT_LOGGING_LEVEL = """\nDEBUG"""\n\n\n',
        "[profiles.prod]\nPREFECT_LOGGING_LEVEL = true\n# fin",
    ],
)
def test_every_form_of_the_file_is_edited(text: str) -> None:
    """What was there is there, and the settings are."""
    found = tomllib.loads(lay(text, activate=True))
    before = tomllib.loads(text)
    before.setdefault("profiles", {}).setdefault("prod", {}).update(SETTINGS)
    assert found == {**before, "active": "prod"}


@pytest.mark.parametrize(
    "text",
    [
        "[profiles",
        "profiles = 3\n",
        "[profiles]\nprod = 'x'\n",
        "\ufeff[profiles.prod]\n",
        'profiles = {a = {X = "1"}}\n',
    ],
)
def test_what_cannot_be_edited_is_told_and_left(text: str) -> None:
    """The last one is sound, but a table in one line takes no other behind it."""
    with pytest.raises(ReconcileError, match=r"cannot be read: .*profiles\.toml"):
        lay(text)


one_line = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    values=st.dictionaries(st.from_regex(r"PREFECT_[A-Z]{1,8}", fullmatch=True), one_line, min_size=1),
    name=st.sampled_from(["prod", "local", "dev"]),
)
def test_any_value_is_read_back_as_it_was(values: dict[str, str], name: str) -> None:
    text = edited(FILE, STANDING, name, values, activate=True).text
    data = tomllib.loads(text)
    assert data["profiles"][name].items() >= values.items()
    assert "# Perfiles de la PC de Ana: no borrar" in text
    assert edited(FILE, text, name, values, activate=True).text == text


# ---------------------------------------------------------------- where


def test_prefect_is_asked_for_its_profiles_in_its_own_order(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "here"
    folder.mkdir()
    assert where({}, home, folder) == home / ".prefect" / "profiles.toml"
    assert where({"PREFECT_HOME": "/p"}, home, folder) == Path("/p/profiles.toml")
    (folder / "pyproject.toml").write_text('[tool.prefect]\nprofiles_path = "/py.toml"\n', encoding="utf-8")
    assert where({"PREFECT_HOME": "/p"}, home, folder) == Path("/py.toml")
    (folder / "prefect.toml").write_text('profiles_path = "/pt.toml"\n', encoding="utf-8")
    assert where({"PREFECT_HOME": "/p"}, home, folder) == Path("/pt.toml")
    (folder / ".env").write_text("OTRA=1\nexport PREFECT_PROFILES_PATH='/env.toml'\n", encoding="utf-8")
    assert where({"PREFECT_HOME": "/p"}, home, folder) == Path("/env.toml")
    assert where({"PREFECT_PROFILES_PATH": "/v.toml"}, home, folder) == Path("/v.toml")


# ---------------------------------------------------------------- the command


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small repository with a profile, and a Prefect of its own."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    root = copy_small(tmp_path / "repository")
    path = root / "deployments" / "environments.yaml"
    text = path.read_text(encoding="utf-8").rstrip("\n")
    path.write_text(
        f"{text}\n    api_url: [http://srv:442/api, http://otra:442/api]\n    profile: {{PREFECT_LOGGING_LEVEL: INFO}}\n",
        encoding="utf-8",
    )
    return root


def profile(root: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["profile", *arguments, "--root", str(root)])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_profile_is_made_then_left_and_what_changed_is_told(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "home" / "profiles.toml"
    code, out, _ = profile(root, capsys, "prod", "--json")
    document = json.loads(out)
    assert (code, document["status"], document["file"]) == (ExitCode.DONE, "created", str(file))
    assert document["changes"] == [
        {"setting": "PREFECT_API_URL", "before": None, "after": "http://srv:442/api"},
        {"setting": "PREFECT_LOGGING_LEVEL", "before": None, "after": "INFO"},
    ]
    assert document["active"] == {"before": None, "after": None}
    before = file.stat().st_mtime_ns
    assert json.loads(profile(root, capsys, "--env", "prod", "--json")[1])["status"] == "unchanged"
    assert file.stat().st_mtime_ns == before
    assert json.loads(profile(root, capsys, "prod", "--activate", "--json")[1])["active"] == {
        "before": None,
        "after": "prod",
    }
    assert sorted(path.name for path in file.parent.iterdir()) == ["profiles.toml"]


def test_a_secret_that_somebody_set_stays_and_is_not_shown(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "home" / "profiles.toml"
    file.parent.mkdir()
    file.write_text(STANDING, encoding="utf-8")
    file.chmod(0o600)
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "ERROR")
    code, out, _ = profile(root, capsys, "prod")
    assert code == ExitCode.DONE
    assert "PREFECT_LOGGING_LEVEL: DEBUG -> INFO" in out
    assert "left as they are: PREFECT_API_AUTH_STRING" in out
    assert "local is active" in out
    assert "environment variable PREFECT_LOGGING_LEVEL goes before" in out
    assert "nadie-lo-ve" not in out
    assert "nadie-lo-ve" in file.read_text(encoding="utf-8")
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), (ExitCode.USAGE, "dev or prod")),
        (("prod", "--env", "dev"), (ExitCode.USAGE, "dev or prod")),
        (("pord",), (ExitCode.USAGE, "'prod'")),
        (("prod", "--area", "ventas"), (ExitCode.USAGE, "--area")),
        (("dev",), (ExitCode.FAILED, "says nothing")),
    ],
)
def test_what_is_no_environment_with_settings(
    arguments: tuple[str, ...], told: tuple[int, str], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    got, out, err = profile(root, capsys, *arguments)
    assert (got, out) == (told[0], "")
    assert told[1] in err
    assert not (root.parent / "home").exists()


def test_a_broken_file_is_left_as_it_is(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "home" / "profiles.toml"
    file.parent.mkdir()
    for content in (b"[profiles", b"\xff\xfe\x00", b"active = 3\nprofiles = []\n"):
        file.write_bytes(content)
        code, out, err = profile(root, capsys, "prod")
        assert (code, out) == (ExitCode.FAILED, "")
        assert "profiles.toml" in err
        assert file.read_bytes() == content


# ---------------------------------------------------------------- what is in force


def test_each_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text(STANDING, encoding="utf-8")
    (tmp_path / "prefect.toml").write_text("", encoding="utf-8")
    environ = {
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_PROFILE": "prod",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_NO": "x",
    }
    found = in_force(environ, Path.home(), tmp_path)
    file = tmp_path / "profiles.toml"
    assert (found.file, found.profile, found.chosen_by) == (file, "prod", "environment variable PREFECT_PROFILE")
    assert found.other_files == ("prefect.toml",)
    assert [(one.name, one.value, one.origin) for one in found.settings] == [
        ("PREFECT_API_AUTH_STRING", MASK, f"profile 'prod' in {file}"),
        ("PREFECT_HOME", str(tmp_path), "environment variable PREFECT_HOME"),
        ("PREFECT_LOGGING_LEVEL", "ERROR", "environment variable PREFECT_LOGGING_LEVEL"),
        ("PREFECT_API_URL", None, "default"),
    ]

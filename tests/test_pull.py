"""Pull steps as Prefect's SDK writes them, workers' paths, entrypoints, addresses, and who may be given a token."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.errors import SourceError
from reconcile.pull import (
    GIT_CLONE,
    GitSource,
    PathSource,
    canonical_directory,
    canonical_entrypoint,
    check,
    entrypoint_candidates,
    https_host,
    is_ref_name,
    may_send,
    pull_steps,
    same_directory,
    transport,
    without_login,
)

URL = "https://github.com/DesarrollosElectra/ProyectosPython.git"
SHA = "0123456789abcdef0123456789abcdef01234567"


# --- Pull steps ---------------------------------------------------------------------------------------------------

REFS: tuple[dict[str, Any], ...] = ({}, {"branch": "main"}, {"branch": "a/b"}, {"tag": "v1.0"}, {"commit": SHA})
TOKENS: tuple[dict[str, Any], ...] = ({}, {"secret": "electra-token"}, {"github_credentials": "electra"})
DIRECTORIES: tuple[tuple[str, ...], ...] = ((), ("src",), ("src", "lib/común"))
URLS = (URL, "git@github.com:o/r.git", "https://host:8443/a.git.b/r.git")


@pytest.mark.parametrize(
    ("url", "ref", "token", "directories", "submodules"),
    list(itertools.product(URLS, REFS, TOKENS, DIRECTORIES, (False, True))),
)
def test_pull_steps_of_git_are_those_of_the_sdk(
    url: str, ref: dict[str, Any], token: dict[str, Any], directories: tuple[str, ...], submodules: bool
) -> None:
    source = GitSource(url=url, directories=directories, include_submodules=submodules, **ref, **token)
    assert pull_steps(source, root=None) == (sdk_git_step(source),)


def sdk_git_step(source: GitSource) -> dict[str, Any]:
    from prefect.blocks.system import Secret
    from prefect.runner.storage import GitRepository
    from prefect_github import GitHubCredentials  # type: ignore[import-untyped]
    from pydantic import SecretStr

    credentials: Any = None
    if source.secret:
        secret: Secret[str] = Secret(value=SecretStr("unused"))
        secret._block_document_name = source.secret
        credentials = {"access_token": secret}
    elif source.github_credentials:
        credentials = GitHubCredentials(token=SecretStr("unused"))
        credentials._block_document_name = source.github_credentials
    return GitRepository(
        url=source.url,
        credentials=credentials,
        branch=source.branch or source.tag,
        commit_sha=source.commit,
        directories=list(source.directories) or None,
        include_submodules=source.include_submodules,
    ).to_pull_step()


@pytest.mark.parametrize("path", ["/srv/flows", "/srv/flows/", "/srv//flows/./x/..", "/"])
def test_pull_steps_of_a_path_are_those_of_the_sdk(path: str) -> None:
    from prefect.runner.storage import LocalStorage

    assert pull_steps(PathSource(path=path), root=None) == (LocalStorage(path).to_pull_step(),)


def test_pull_steps_of_a_relative_path_are_below_the_root(tmp_path: Path) -> None:
    from prefect.runner.storage import LocalStorage

    root = tmp_path.resolve()
    for path, folder in ((".", root), ("flows", root / "flows"), ("./a/../flows/", root / "flows")):
        assert pull_steps(PathSource(path=path), root=str(root)) == (LocalStorage(str(folder)).to_pull_step(),)


@pytest.mark.parametrize(
    ("path", "root", "directory"),
    [
        ("C:/Python_Scripts", None, "C:\\Python_Scripts"),
        ("c:\\Python_Scripts\\", None, "C:\\Python_Scripts"),
        ("C:/a/./b/../c", None, "C:\\a\\c"),
        ("d:/", None, "D:\\"),
        ("//SRV-TAREAS/flujos", None, "\\\\SRV-TAREAS\\flujos\\"),
        ("\\\\SRV-TAREAS\\flujos\\x", None, "\\\\SRV-TAREAS\\flujos\\x"),
        (".", "C:/deploys", "C:\\deploys"),
        ("flows/común", "c:\\deploys", "C:\\deploys\\flows\\común"),
    ],
)
def test_windows_paths_are_written_as_windows_python_writes_them(path: str, root: str | None, directory: str) -> None:
    (step,) = pull_steps(PathSource(path=path), root=root)
    assert step == {"prefect.deployments.steps.set_working_directory": {"directory": directory}}
    assert str(PureWindowsPath(directory)) == directory


@pytest.mark.parametrize(("path", "root"), [("flows", None), ("flows", "also/relative"), ("../flows", "/srv/deploys")])
def test_a_relative_path_without_a_root_or_out_of_it_is_refused(path: str, root: str | None) -> None:
    with pytest.raises(SourceError) as caught:
        pull_steps(PathSource(path=path), root=root)
    assert path in caught.value.message
    assert caught.value.hint


# --- Paths of workers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("C:/Python_Scripts", "c:\\python_scripts\\", True),
        ("C:/Python_Scripts", "C:\\Python_Scripts", True),
        ("C:/Python_Scripts/./x/..", "c:/PYTHON_SCRIPTS", True),
        ("C:/Análisis", "c:\\ANÁLISIS", True),
        ("C:/", "c:\\", True),
        ("//SRV/x", "\\\\srv\\x", True),
        ("//SRV/x/", "\\\\srv\\X\\", True),
        ("\\\\?\\C:\\x", "C:/x", True),
        ("\\\\?\\UNC\\srv\\x", "//srv/x", True),
        ("C:/x", "D:/x", False),
        ("C:/x", "C:/y", False),
        ("C:/x", "//srv/x", False),
        ("//srv/x", "//other/x", False),
        ("/srv/flows", "/srv/flows/", True),
        ("/srv/flows", "/srv//flows/.", True),
        ("/srv/flows", "/srv/Flows", False),
        ("/srv/a\\b", "/srv/a/b", False),
        ("/c/x", "C:/x", False),
        ("flows", "./flows/", True),
        ("flows\\x", "flows/x", True),
        ("flows", "/flows", False),
    ],
)
def test_same_directory(a: str, b: str, same: bool) -> None:
    assert same_directory(a, b) is same
    assert same_directory(b, a) is same


@given(st.text())
def test_canonical_directory_is_canonical_and_takes_anything(text: str) -> None:
    assert canonical_directory(canonical_directory(text)) == canonical_directory(text)


# --- Entrypoints --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("src\\basic.py:flow", "src/basic.py:flow"),
        (".\\src\\basic.py:flow", "src/basic.py:flow"),
        ("./src//basic.py:flow", "src/basic.py:flow"),
        ("src/basic.py:Class.method", "src/basic.py:Class.method"),
        ("package.module:flow", "package.module:flow"),
        ("package.module.flow", "package.module.flow"),
        ("", ""),
    ],
)
def test_canonical_entrypoint(written: str, canonical: str) -> None:
    assert canonical_entrypoint(written) == canonical


MODULE_FILES = (
    "package/module.py",
    "package/module/__init__.py",
    "src/package/module.py",
    "src/package/module/__init__.py",
)


@pytest.mark.parametrize(
    ("entrypoint", "files", "function"),
    [
        ("src/basic.py:basic_flow", ("src/basic.py",), "basic_flow"),
        ("src\\basic.py:basic_flow", ("src/basic.py",), "basic_flow"),
        ("informes del mes/día 1.py:flujo", ("informes del mes/día 1.py",), "flujo"),
        ("a.py:Class.method", ("a.py",), "Class.method"),
        ("a/../b.py:f", ("b.py",), "f"),
        (
            "package.module:flow",
            (
                "package/module.py",
                "package/module/__init__.py",
                "src/package/module.py",
                "src/package/module/__init__.py",
            ),
            "flow",
        ),
        (
            "package.module.flow",
            (
                "package/module.py",
                "package/module/__init__.py",
                "src/package/module.py",
                "src/package/module/__init__.py",
            ),
            "flow",
        ),
        ("module:flow", ("module.py", "module/__init__.py", "src/module.py", "src/module/__init__.py"), "flow"),
        (
            "module:Class.flow",
            ("module.py", "module/__init__.py", "src/module.py", "src/module/__init__.py"),
            "Class.flow",
        ),
    ],
)
def test_entrypoint_candidates(entrypoint: str, files: tuple[str, ...], function: str) -> None:
    assert entrypoint_candidates(entrypoint) == (files, function)


@pytest.mark.parametrize(
    "entrypoint",
    [
        *("", ":", "flow", "a.py", "a.py:", ":flow", "src/basic.py", "src/basic:flow", "a.py:1x", "a.py:f()", "a b:f"),
        *("/etc/x.py:f", "C:/x.py:f", "C:\\x.py:f", "//srv/x.py:f", "../x.py:f", "a/../../x.py:f", "..\\x.py:f"),
        *("a\n.py:f", "a\0.py:f", ".module:flow", "a..b:flow"),
    ],
)
def test_entrypoints_that_name_no_file_of_the_tree_are_refused(entrypoint: str) -> None:
    with pytest.raises(SourceError) as caught:
        entrypoint_candidates(entrypoint)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("entrypoint", "accepted"),
    [("pkg_of_test.module:flow", True), ("pkg_of_test.module.flow", True), ("pkg_of_test/module.py:flow", True)],
)
def test_prefect_finds_a_flow_in_the_first_candidate(
    entrypoint: str, accepted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.utilities.importtools import import_object

    files, function = entrypoint_candidates(entrypoint)
    (tmp_path / files[0]).parent.mkdir()
    (tmp_path / files[0]).write_text(f"{function} = {entrypoint!r}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in ("pkg_of_test", "pkg_of_test.module"):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    assert (import_object(entrypoint) == entrypoint) is accepted


@given(st.text())
def test_any_text_is_an_entrypoint_or_refused(text: str) -> None:
    canonical_entrypoint(text)
    try:
        files, function = entrypoint_candidates(text)
    except SourceError:
        return
    assert files
    assert function
    assert not any(".." in file.split("/") or file.startswith("/") for file in files)


# --- Addresses and names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "how"),
    [
        (URL, "https"),
        ("https://host:8443/o/r.git", "https"),
        ("https://[::1]:8443/o/r.git", "https"),
        ("http://192.168.1.13:3000/o/r.git", "http"),
        ("ssh://git@host:22/o/r.git", "ssh"),
        ("git@github.com:o/r.git", "ssh"),
        ("/srv/git/r.git", "file"),
        ("C:/git/r.git", "file"),
        *((url, None) for url in ("", "r.git", "./r.git", "--upload-pack=touch x", "-x", "ext::sh -c 'touch x'")),
        *((url, None) for url in ("fd::17", "file:///srv/git/r.git", "git://host/r.git", "ftp://host/r.git")),
        *((url, None) for url in ("https://", "https://host", "https:///r.git", "https://a b/r", "https://h/r\nx")),
        *((url, None) for url in ("https://github.com\\@evil.example/r", "https://u:p@host/r", "https://t@host/r")),
        *((url, None) for url in ("ssh://-oProxyCommand=x/r", "git@-oProxyCommand=x:r", "git@host:-x", "a@ext::sh")),
        *(
            (url, None)
            for url in ("HTTPS://host/r", "https::https://host/r", "https://host%2eevil/r", "https://h\u00f6/r")
        ),
    ],
)
def test_transport(url: str, how: str | None) -> None:
    assert transport(url) == how


def test_without_login() -> None:
    said = "fatal: unable to access 'https://user:clave@host/r.git/': https://tok@other/ ssh://git@host/"
    assert without_login(said) == "fatal: unable to access 'https://host/r.git/': https://other/ ssh://host/"


REF_NAMES = [
    *("main", "a/b", "v1.0", "feature/año", "x@y", "a-b", "release-2026.11", "{x}", "a#b", "@x", "héctor's"),
    *(
        "",
        "-x",
        "--upload-pack=x",
        "@",
        "HEAD",
        "a..b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[b",
        "a\\b",
        "/a",
        "a/",
    ),
    *("a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a@{1}", "a\tb", "a\x7f", "a/b.", "a./b"),
]


@pytest.mark.parametrize("name", REF_NAMES)
def test_ref_names_are_those_that_git_takes(name: str) -> None:
    git = subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False)
    assert is_ref_name(name) is (git.returncode == 0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"url": "https://user:clave@host/r.git"}, "user or a password"),
        ({"url": "https://ghp_clave@host/r.git"}, "user or a password"),
        ({"url": "ssh://git:clave@host/r.git"}, "user or a password"),
        ({"url": "ext::sh -c true"}, "not an address"),
        ({"url": "git@host:r.git", "secret": "x"}, "https addresses only"),
        ({"url": "http://host/r.git", "github_credentials": "x"}, "https addresses only"),
        ({"url": URL, "branch": "main", "tag": "v1"}, "one of branch, tag and commit"),
        ({"url": URL, "branch": "-x"}, "'-x'"),
        ({"url": URL, "tag": "a b"}, "'a b'"),
        ({"url": URL, "branch": ""}, "''"),
        ({"url": URL, "commit": SHA[:12]}, "full SHA"),
        ({"url": URL, "commit": "HEAD"}, "full SHA"),
        ({"url": URL, "directories": ("../x",)}, "inside the repository"),
        ({"url": URL, "directories": ("-x",)}, "inside the repository"),
        ({"url": URL, "directories": ("C:/x",)}, "inside the repository"),
    ],
)
def test_check_says_what_is_wrong(fields: dict[str, Any], words: str) -> None:
    error = check(GitSource(**fields))
    assert error is not None
    assert words in error.message
    assert error.hint
    assert "clave" not in error.message + error.hint


@pytest.mark.parametrize("ref", REFS)
def test_check_finds_nothing_wrong(ref: dict[str, Any]) -> None:
    assert check(GitSource(url=URL, secret="token", directories=("src", "lib/x"), **ref)) is None


@given(st.text(), st.text(), st.lists(st.text()))
def test_check_takes_any_text(url: str, ref: str, directories: list[str]) -> None:
    check(GitSource(url=url, branch=ref, tag=ref, commit=ref, directories=tuple(directories)))


# --- A pull request must not be able to send a token elsewhere ----------------------------------------------------


def steps(repository: str, credentials: Any = "{{ prefect.blocks.secret.x }}", **more: Any) -> list[Mapping[str, Any]]:
    inputs = {"repository": repository, "credentials": {"access_token": credentials}, **more}
    return [{"prefect.deployments.steps.git_clone": inputs}]


OBSERVED = [
    [],
    [{"prefect.deployments.steps.set_working_directory": {"directory": "/srv"}}],
    list(pull_steps(GitSource(url=URL, branch="main", secret="electra"), root=None)),
    list(pull_steps(GitSource(url="https://gitlab.example:8443/o/r.git", github_credentials="lab"), root=None)),
]


@pytest.mark.parametrize(
    ("url", "block", "allowed"),
    [
        (URL, {"secret": "electra"}, True),
        ("https://github.com/another/repository.git", {"secret": "electra"}, True),
        ("https://GitHub.com:443/o/r.git", {"secret": "electra"}, True),
        ("https://gitlab.example:8443/x/y.git", {"github_credentials": "lab"}, True),
        (URL, {}, False),
        (URL, {"secret": "another"}, False),
        (URL, {"secret": "lab"}, False),
        (URL, {"github_credentials": "electra"}, False),
        (URL, {"github_credentials": "lab"}, False),
        ("https://evil.example/o/r.git", {"secret": "electra"}, False),
        ("https://github.com.evil.example/o/r.git", {"secret": "electra"}, False),
        ("https://notgithub.com/o/r.git", {"secret": "electra"}, False),
        ("https://github.com:8443/o/r.git", {"secret": "electra"}, False),
        ("https://github.com@evil.example/o/r.git", {"secret": "electra"}, False),
        ("https://evil.example/github.com/o/r.git", {"secret": "electra"}, False),
        ("https://evil.example#@github.com/o/r.git", {"secret": "electra"}, False),
        ("https://evil.example?@github.com/o/r.git", {"secret": "electra"}, False),
        ("https://github.com\\@evil.example/o/r.git", {"secret": "electra"}, False),
        ("https://github.com\t.evil.example/o/r.git", {"secret": "electra"}, False),
        ("http://github.com/o/r.git", {"secret": "electra"}, False),
        ("git@github.com:o/r.git", {"secret": "electra"}, False),
        ("https://gitlab.example/o/r.git", {"github_credentials": "lab"}, False),
    ],
)
def test_a_token_goes_only_where_a_deployment_already_sends_it(url: str, block: dict[str, Any], allowed: bool) -> None:
    assert may_send(GitSource(url=url, **block), OBSERVED) is allowed
    assert may_send(GitSource(url=url, **block), []) is False


@pytest.mark.parametrize(
    ("observed", "allowed"),
    [
        (steps("https://h/r.git"), True),
        (steps("https://h/r.git", "{{prefect.blocks.secret.x}}"), True),
        ([{GIT_CLONE: {"repository": "https://h/r", "access_token": "{{ prefect.blocks.secret.x }}"}}], True),
        (steps("http://h/r.git"), False),
        (steps("https://u:p@h/r.git"), False),
        (steps("https://h/r.git", "{{ prefect.blocks.secret.xy }}"), False),
        (steps("https://h/r.git", "{{ prefect.blocks.secret.x.y }}"), False),
        (steps("https://h/r.git", "{{ prefect.variables.x }}"), False),
        (steps("https://h/r.git", "literal"), False),
        (steps("https://h/r.git", None), False),
        ([{"my.own.step": {"repository": "https://h/r", "access_token": "{{ prefect.blocks.secret.x }}"}}], False),
        ([{"prefect.deployments.steps.git_clone": None}], False),
        ([{"prefect.deployments.steps.git_clone": {"repository": 1, "credentials": []}}], False),
        ([{}], False),
        (["no step"], False),
    ],
)
def test_what_counts_as_a_deployment_that_sends_it(observed: Any, allowed: bool) -> None:
    assert may_send(GitSource(url="https://h/another.git", secret="x"), [observed]) is allowed


def test_https_host() -> None:
    assert https_host(URL) == ("github.com", "443")
    assert https_host("https://H.example:0443/x") == ("h.example", "443")
    assert https_host("http://github.com/x") is None

"""Reading sources for real: git over https from a server on loopback, local repositories, folders."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from git_server import Content, GitServer, Submodule, Symlink

from reconcile.errors import SourceError
from reconcile.pull import GitSource, PathSource, Source
from reconcile.sources import default_cache, open_sources
from reconcile.sources.tree import MAX_FILE, Tree

FLOW = "from prefect import flow\n\n\n@flow\ndef basic_flow():\n    pass\n"
TOKEN = "ghp_testTokenThatMustNotLeak"
NOT_ON_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="absolute paths of Windows are read there")
SECRET = {"secret/electra": TOKEN}


@pytest.fixture(autouse=True)
def _own_git_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the person's git configuration or credentials reaches a test."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "SSH_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitServer]:
    with GitServer() as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


class Reader:
    """Opens sources with a cache and a repository root below a test's folder."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.root = folder / "root"
        self.root.mkdir()

    def results(self, *sources: Source, **options: Any) -> list[Tree | SourceError]:
        opened = open_sources(sources, root=self.root, cache=self.cache, **{"timeout": 20.0, **options})
        assert set(opened) == set(sources)
        return [opened[source] for source in sources]

    def trees(self, *sources: Source, **options: Any) -> list[Tree]:
        results = self.results(*sources, **options)
        assert [result.message for result in results if isinstance(result, SourceError)] == []
        return [result for result in results if not isinstance(result, SourceError)]

    def tree(self, source: Source, **options: Any) -> Tree:
        (tree,) = self.trees(source, **options)
        return tree

    def error(self, source: Source, **options: Any) -> SourceError:
        (result,) = self.results(source, **options)
        assert isinstance(result, SourceError)
        assert result.message.endswith(".")
        assert result.hint
        assert TOKEN not in result.message + result.hint
        return result

    @property
    def copies(self) -> list[Path]:
        return sorted(path for path in self.cache.iterdir() if path.is_dir())


def run_git(folder: Path, *arguments: str) -> str:
    """Git as a person would run it in a folder."""
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, encoding="utf-8")
    return done.stdout.strip()


# --- What is read -------------------------------------------------------------------------------------------------


def test_a_public_repository_is_read_at_its_branches_tags_and_commits(server: GitServer, reader: Reader) -> None:
    url = server.add_repository("public", {"src/basic.py": FLOW, "README.md": "léeme\n"})
    first = server.tag("public", "v1")
    server.tag("public", "v1-annotated", annotated=True)
    second = server.commit("public", {"src/basic.py": FLOW.replace("pass", "...")})
    other = server.commit("public", {"other.py": FLOW}, branch="feature/año")
    sources = (
        GitSource(url=url),
        GitSource(url=url, branch="main"),
        GitSource(url=url, branch="feature/año"),
        GitSource(url=url, tag="v1"),
        GitSource(url=url, tag="v1-annotated"),
        GitSource(url=url, commit=first),
    )

    trees = reader.trees(*sources)

    assert [tree.commit for tree in trees if not isinstance(tree, SourceError)] == [
        second,
        second,
        other,
        first,
        first,
        first,
    ]
    texts = [tree.read("src/basic.py") for tree in trees if not isinstance(tree, SourceError)]
    assert texts == [FLOW.replace("pass", "...")] * 2 + [None] + [FLOW] * 3
    assert reader.tree(sources[1]).read("README.md") == "léeme\n"
    assert reader.tree(sources[1]).label == f"{url} (branch main)"


def test_a_branch_that_moves_is_read_anew_in_one_round_trip(server: GitServer, reader: Reader) -> None:
    source = GitSource(url=server.add_repository("r", {"a.py": "1\n"}), branch="main")
    assert reader.tree(source).read("a.py") == "1\n"
    server.requests.clear()

    assert reader.tree(source).read("a.py") == "1\n"
    assert [request.path.rpartition("/")[2] for request in server.requests] == [
        "refs?service=git-upload-pack",
        "git-upload-pack",
    ]

    server.commit("r", {"a.py": "2\n"})
    assert reader.tree(source).read("a.py") == "2\n"


def test_a_branch_that_was_forced_back_or_became_a_folder_is_read(server: GitServer, reader: Reader) -> None:
    url = server.add_repository("r", {"a.py": "1\n"})
    server.commit("r", {"a.py": "2\n"}, branch="a")
    assert reader.tree(GitSource(url=url, branch="a")).read("a.py") == "2\n"
    run_git(server.path_of("r"), "branch", "-D", "a")
    server.commit("r", {"a.py": "3\n"}, branch="a/b")
    run_git(server.path_of("r"), "branch", "A", "main")
    assert reader.tree(GitSource(url=url, branch="a/b")).read("a.py") == "3\n"
    assert reader.tree(GitSource(url=url, branch="A")).read("a.py") == "1\n"


def test_a_commit_that_is_in_the_cache_needs_no_network(server: GitServer, reader: Reader) -> None:
    url = server.add_repository("r", {"a.py": "1\n"})
    source = GitSource(url=url, commit=server.head("r"))
    assert reader.tree(source).read("a.py") == "1\n"
    server.close()
    assert reader.tree(source).read("a.py") == "1\n"


def test_each_repository_is_asked_once_for_all_its_refs(server: GitServer, reader: Reader) -> None:
    url = server.add_repository("r", {"a.py": "1\n"})
    for number in range(5):
        server.commit("r", {"a.py": f"{number}\n"}, branch=f"b{number}")
    sources = [GitSource(url=url, branch=f"b{number}", directories=(folder,)) for number in range(5) for folder in "xy"]
    trees = reader.results(*sources)
    assert [tree.read("a.py") for tree in trees if not isinstance(tree, SourceError)] == [
        f"{n}\n" for n in range(5) for _ in "xy"
    ]
    assert len(server.requests) <= 4  # two to list the refs, two to fetch
    assert len(reader.copies) == 1


def test_two_hundred_files_are_read_through_one_process(
    server: GitServer, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"src/flow_{number}.py": f"# {number}\n" for number in range(200)}
    tree = reader.tree(GitSource(url=server.add_repository("r", files)))
    started: list[object] = []
    start = subprocess.Popen.__init__

    def counting(self: Any, *arguments: Any, **options: Any) -> None:
        started.append(arguments)
        start(self, *arguments, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", counting)
    assert {path: tree.read(path) for path in files} == files
    assert tree.read("src/none.py") is None
    assert len(started) == 1


def test_threads_read_one_tree_together(server: GitServer, reader: Reader) -> None:
    files = {f"f{number}.py": f"{number}\n" * number for number in range(60)}
    tree = reader.tree(GitSource(url=server.add_repository("r", files)))
    with ThreadPoolExecutor(8) as pool:
        assert dict(zip(files, pool.map(tree.read, files), strict=True)) == files


ODD_FILES = {
    "crlf.py": b"def f():\r\n    pass\r\n",
    "latin.py": "# -*- coding: latin-1 -*-\nx = 'año'\n".encode("latin-1"),
    "bom.py": "\ufeffx = 'año'\n".encode(),
    "wrong.py": b"x = '\xf1'\n",
    "unknown.py": b"# -*- coding: no-such-thing -*-\n",
    "empty.py": b"",
    "no_newline.py": b"x = 1",
    "sub/con espacio y ñ.py": b"x = 2\n",
    "large.py": b"#" * (MAX_FILE + 1),
    "largest.py": b"#" * MAX_FILE,
}


NOT_THERE = ("none.py", "sub", "sub/none.py", "none/none.py", "empty.py/x.py", ".", "a\nb.py", "a\0b.py")


def odd_folder(server: GitServer, reader: Reader, kind: str) -> Tree:
    if kind == "git":
        return reader.tree(GitSource(url=server.add_repository("odd", ODD_FILES)))
    for name, data in ODD_FILES.items():
        (reader.root / name).parent.mkdir(exist_ok=True)
        (reader.root / name).write_bytes(data)
    return reader.tree(PathSource(path="."))


@pytest.mark.parametrize("kind", ["git", "path"])
def test_text_is_read_as_python_reads_it(server: GitServer, reader: Reader, kind: str) -> None:
    tree = odd_folder(server, reader, kind)
    assert tree.read("crlf.py") == "def f():\n    pass\n"
    assert tree.read("latin.py") == "# -*- coding: latin-1 -*-\nx = 'año'\n"
    assert tree.read("bom.py") == "x = 'año'\n"
    assert tree.read("empty.py") == ""
    assert tree.read("no_newline.py") == "x = 1"
    assert tree.read("sub/con espacio y ñ.py") == "x = 2\n"
    assert tree.read("sub\\con espacio y ñ.py") == "x = 2\n"
    assert tree.read("./sub/../empty.py") == ""
    assert len(tree.read("largest.py") or "") == MAX_FILE
    for nothing in NOT_THERE:
        assert tree.read(nothing) is None, nothing
    for name, words in (("wrong.py", "encoding"), ("unknown.py", "encoding"), ("large.py", "2 MB")):
        with pytest.raises(SourceError, match=words):
            tree.read(name)
    for outside in ("../x.py", "/etc/hostname", "C:/x.py", "sub/../../x.py", "..\\x.py"):
        with pytest.raises(SourceError):
            tree.read(outside)


def test_a_large_file_is_not_even_fetched(server: GitServer, reader: Reader) -> None:
    data = os.urandom(4 * MAX_FILE)
    reader.tree(GitSource(url=server.add_repository("data", {"a.py": "1\n", "data.bin": data})))
    assert sum(path.stat().st_size for path in reader.cache.rglob("*") if path.is_file()) < MAX_FILE


def test_a_server_that_cannot_filter_is_read_all_the_same(server: GitServer, reader: Reader) -> None:
    url = server.add_repository("r", {"a.py": "1\n", "large.py": b"#" * (MAX_FILE + 1)})
    run_git(server.path_of("r"), "config", "uploadpack.allowFilter", "false")
    tree = reader.tree(GitSource(url=url))
    with pytest.raises(SourceError, match="2 MB"):
        tree.read("large.py")
    assert tree.read("a.py") == "1\n"


def test_symlinks_of_a_repository(server: GitServer, reader: Reader) -> None:
    files: dict[str, Content] = {
        "src/a.py": "1\n",
        "inside.py": Symlink(target="src/a.py"),
        "folder": Symlink(target="src"),
        "dangling.py": Symlink(target="src/none.py"),
        "loop.py": Symlink(target="loop.py"),
        "absolute.py": Symlink(target="/etc/hostname"),
        "parent.py": Symlink(target="../../x.py"),
    }
    tree = reader.tree(GitSource(url=server.add_repository("r", files)))
    assert tree.read("inside.py") == "1\n"
    assert tree.read("folder/a.py") == "1\n"
    assert tree.read("dangling.py") is None
    for name in ("absolute.py", "parent.py", "loop.py"):
        with pytest.raises(SourceError, match="symbolic link"):
            tree.read(name)
    assert tree.read("src/a.py") == "1\n"


def test_a_file_of_a_submodule_is_said_to_be_in_one(server: GitServer, reader: Reader) -> None:
    tree = reader.tree(GitSource(url=server.add_repository("r", {"a.py": "1\n", "lib/sub": Submodule()})))
    with pytest.raises(SourceError, match="submodule"):
        tree.read("lib/sub/x.py")
    assert tree.read("lib/other/x.py") is None


def test_a_tree_has_the_files_that_a_sparse_worker_has(server: GitServer, reader: Reader, tmp_path: Path) -> None:
    names = ["root.py", "src/flows/a.py", "src/flows/deep/b.py", "src/beside.py", "src/other/c.py", "lib/d.py"]
    url = server.add_repository("r", dict.fromkeys(names, "1\n"))
    tree = reader.tree(GitSource(url=url, directories=("src/flows",)))
    clone = tmp_path / "clone"
    # What a worker runs, with its own options.
    run_git(tmp_path, "clone", "-q", url, "--sparse", "--depth", "1", str(clone))
    run_git(clone, "sparse-checkout", "set", "--", "src/flows")
    assert {name for name in names if tree.read(name)} == {name for name in names if (clone / name).exists()}


# --- Tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["x-access-token:{}@", "{}@", "{}:x-oauth-basic@", "oauth2:{}@"])
def test_the_server_of_these_tests_takes_a_token_as_workers_bring_it(
    server: GitServer, tmp_path: Path, login: str
) -> None:
    url = server.add_repository("private", {"a.py": "1\n"}, token=TOKEN)
    for number, token in enumerate((TOKEN, "wrong")):
        address = url.replace("https://", f"https://{login.format(token)}")
        clone = ["git", "-c", "core.askPass=", "clone", "-q", address, str(tmp_path / f"clone{number}")]
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        done = subprocess.run(clone, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert (done.returncode == 0) is (token == TOKEN), done.stderr
    assert server.tokens == {TOKEN, "wrong"}


@pytest.mark.parametrize("block", [{"secret": "electra"}, {"github_credentials": "electra"}])
def test_a_private_repository_is_read_with_the_token_of_its_block(
    server: GitServer, reader: Reader, block: dict[str, Any]
) -> None:
    source = GitSource(url=server.add_repository("private", {"a.py": "1\n"}, token=TOKEN), branch="main", **block)
    assert source.block is not None
    assert reader.tree(source, credentials={source.block: f"{TOKEN}\n"}).read("a.py") == "1\n"
    assert server.tokens == {TOKEN}


def test_the_token_is_in_no_file_of_the_cache_or_home(server: GitServer, reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "home" / "gitconfig").write_text(
        f"[credential]\n\thelper = store --file={(tmp_path / 'home' / 'stored').as_posix()}\n", encoding="utf-8"
    )
    source = GitSource(url=server.add_repository("private", {"a.py": "1\n"}, token=TOKEN), secret="electra")
    reader.tree(source, credentials=SECRET)
    files = [path for folder in ("cache", "home") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_token_is_in_no_argument_list_and_no_log(
    server: GitServer, reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "trace.log"
    for name in ("GIT_TRACE", "GIT_TRACE_CURL", "GIT_TRACE2_EVENT", "GIT_CURL_VERBOSE"):
        monkeypatch.setenv(name, str(log))
    monkeypatch.setenv("GIT_TRACE_REDACT", "0")
    url = server.add_repository("private", {"a.py": "1\n"}, token=TOKEN)
    seen: set[bytes] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes())
                except OSError:
                    continue

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for number in range(3):
            server.commit("private", {"a.py": f"{number}\n"})
            reader.tree(GitSource(url=url, secret="electra"), credentials=SECRET)
    finally:
        over.set()
        watcher.join()
    assert any(b"git\0" in line or b"git-remote" in line for line in seen)
    assert [line for line in seen if TOKEN.encode() in line] == []
    assert not log.exists()


@pytest.mark.parametrize("refusal", [401, 403])
def test_a_wrong_token_is_said_to_be_refused(server: GitServer, reader: Reader, refusal: int) -> None:
    url = server.add_repository("private", {"a.py": "1\n"}, token="another", refusal=refusal)
    error = reader.error(GitSource(url=url, secret="electra"), credentials=SECRET)
    assert "refused the token of the block secret/electra" in error.message
    assert url in error.message


def test_without_the_token_nothing_prompts_and_the_person_is_told(server: GitServer, reader: Reader) -> None:
    url = server.add_repository("private", {"a.py": "1\n"}, token=TOKEN)
    begun = time.monotonic()
    assert "secret/electra was not used" in reader.error(GitSource(url=url, secret="electra")).message
    assert "wants a login" in reader.error(GitSource(url=url)).message
    assert time.monotonic() - begun < 10
    assert server.tokens == set()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal of its own")
def test_nothing_is_asked_on_a_terminal(server: GitServer, reader: Reader) -> None:
    import pty

    program = (
        "import sys; from pathlib import Path\n"
        "from reconcile.sources import open_sources; from reconcile.pull import GitSource\n"
        "source = GitSource(url=sys.argv[1])\n"
        "print(open_sources([source], root=Path('.'), cache=Path(sys.argv[2]), timeout=60)[source].message)\n"
    )
    url = server.add_repository("private", {"a.py": "1\n"}, token=TOKEN)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program, url, str(reader.cache)],
        env=environment,
        preexec_fn=lambda: os.login_tty(terminal),  # noqa: PLW1509 - a terminal that git could ask on
    )
    os.close(terminal)
    try:
        assert process.wait(30) == 0
        said = os.read(controller, 10_000).decode("utf-8")
    finally:
        process.kill()
        os.close(controller)
    assert "wants a login" in said
    assert "Username" not in said


def test_the_persons_own_credentials_are_used(server: GitServer, reader: Reader, tmp_path: Path) -> None:
    url = server.add_repository("private", {"a.py": "1\n"}, token="own-token")
    stored = tmp_path / "home" / "stored"
    stored.write_text(f"https://me:own-token@localhost%3a{server.port}\n", encoding="utf-8")
    (tmp_path / "home" / "gitconfig").write_text(
        f"[credential]\n\thelper = store --file={stored.as_posix()}\n", encoding="utf-8"
    )
    assert reader.tree(GitSource(url=url, secret="electra")).read("a.py") == "1\n"
    assert server.tokens == {"own-token"}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_token_is_not_sent_to_where_a_redirect_leads(server: GitServer, reader: Reader, host: str) -> None:
    with GitServer(host=host) as other:
        Path(os.environ["GIT_SSL_CAINFO"]).write_bytes(server.ca_file.read_bytes() + other.ca_file.read_bytes())
        target = other.add_repository("private", {"a.py": "1\n"}, token=TOKEN)
        source = GitSource(url=server.add_redirect("moved", target), secret="electra")
        error = reader.error(source, credentials=SECRET)
        assert other.requests
        assert other.tokens == set()
        assert "leads to" in error.message


def test_a_token_already_asked_for_is_not_sent_on(server: GitServer, reader: Reader) -> None:
    """The first answer is 401, and only the request that brings the token is redirected."""
    with GitServer(host="127.0.0.1") as other:
        Path(os.environ["GIT_SSL_CAINFO"]).write_bytes(server.ca_file.read_bytes() + other.ca_file.read_bytes())
        target = other.add_repository("private", {"a.py": "1\n"}, token=TOKEN)
        source = GitSource(url=server.add_redirect("moved", target, token=TOKEN), secret="electra")
        reader.error(source, credentials=SECRET)
        assert server.tokens == {TOKEN}
        assert other.requests
        assert other.tokens == set()


def test_a_repository_that_moved_on_its_own_host_is_read(server: GitServer, reader: Reader) -> None:
    target = server.add_repository("new-name", {"a.py": "1\n"}, token=TOKEN)
    source = GitSource(url=server.add_redirect("old-name", target), secret="electra")
    assert reader.tree(source, credentials=SECRET).read("a.py") == "1\n"


def test_a_token_is_not_sent_over_plain_http_nor_without_a_trusted_certificate(
    server: GitServer, reader: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with GitServer(tls=False) as plain:
        url = plain.add_repository("private", {"a.py": "1\n"}, token=TOKEN)
        reader.error(GitSource(url=url, secret="electra"), credentials=SECRET)
        assert plain.requests == []
    url = server.add_repository("private", {"a.py": "1\n"}, token=TOKEN)
    monkeypatch.delenv("GIT_SSL_CAINFO")
    monkeypatch.setenv("GIT_SSL_NO_VERIFY", "1")
    (tmp_path / "home" / "gitconfig").write_text(f'[http "{url}"]\n\tsslVerify = false\n', encoding="utf-8")
    error = reader.error(GitSource(url=url, secret="electra"), credentials=SECRET)
    assert "certificate is not trusted" in error.message
    assert server.tokens == set()


def test_plain_http_without_a_token_is_read(reader: Reader) -> None:
    with GitServer(tls=False) as plain:
        assert reader.tree(GitSource(url=plain.add_repository("r", {"a.py": "1\n"}))).read("a.py") == "1\n"


# --- Failures, each in a sentence ---------------------------------------------------------------------------------


def test_refs_that_do_not_exist_are_said_so_and_the_others_are_read(server: GitServer, reader: Reader) -> None:
    url = server.add_repository("r", {"a.py": "1\n"})
    server.tag("r", "v1")
    server.commit("r", {"a.py": "2\n"}, branch="both")
    server.tag("r", "both")
    sources = {
        GitSource(url=url, branch="no-branch"): "has no branch 'no-branch'",
        GitSource(url=url, branch="v1"): "has no branch 'v1'",
        GitSource(url=url, tag="no-tag"): "has no tag 'no-tag'",
        GitSource(url=url, tag="both"): "a branch and a tag",
        GitSource(url=url, commit="0123456789" * 4): "no such commit",
    }
    good = GitSource(url=url, branch="main")
    *errors, tree = reader.results(*sources, good)
    for error, words in zip(errors, sources.values(), strict=True):
        assert isinstance(error, SourceError)
        assert words in error.message
        assert url in error.message
        assert error.hint
    assert isinstance(errors[1], SourceError)
    assert "tag: v1" in errors[1].hint
    assert not isinstance(tree, SourceError)
    assert tree.read("a.py") == "1\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_hosts_and_repositories_that_cannot_be_reached(server: GitServer, reader: Reader) -> None:
    sources = {
        GitSource(url=f"https://localhost:{free_port()}/r.git"): "cannot be reached",
        GitSource(url="https://no-such-host.invalid/certificate.git"): "no host of that name",
        GitSource(url=server.url_of("none")): "no such repository",
        GitSource(url=server.add_failing("down", 503)): "an error of its own",
        GitSource(url=server.add_repository("empty")): "no default branch",
        GitSource(url=str(reader.root / "none.git")): "no such repository",
    }
    for error, words in zip(reader.results(*sources), sources.values(), strict=True):
        assert isinstance(error, SourceError)
        assert words in error.message
        assert error.hint


def test_an_untrusted_certificate_is_said_so(reader: Reader) -> None:
    with GitServer() as unknown:
        error = reader.error(GitSource(url=unknown.add_repository("r", {"a.py": "1\n"})))
    assert "certificate is not trusted" in error.message


def test_a_server_that_hangs_is_given_up_and_its_processes_are_ended(server: GitServer, reader: Reader) -> None:
    urls = [server.add_hanging(f"hanging{number}") for number in range(3)]
    begun = time.monotonic()
    results = reader.results(*(GitSource(url=url) for url in urls), timeout=1.0)
    assert time.monotonic() - begun < 6
    assert all(isinstance(result, SourceError) and "no answer in time" in result.message for result in results)
    if sys.platform == "linux":
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
        assert [line for line in lines if b"hanging" in line and str(server.port).encode() in line] == []


@pytest.mark.skipif(sys.platform == "win32", reason="a script that stands for ssh")
def test_an_ssh_host_that_asks_is_not_waited_for(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "ssh-arguments"
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    # An ssh that does what the real one would: it wants to ask on the terminal, and has none.
    ssh.write_text(
        f'#!/bin/sh\necho "$@" > {said}\nif [ -t 0 ] || (: < /dev/tty) 2> /dev/null; then sleep 60; fi\n'
        'echo "git@host: Permission denied (publickey)." >&2\nexit 255\n',
        encoding="utf-8",
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}{os.pathsep}{os.environ['PATH']}")
    error = reader.error(GitSource(url="git@host.invalid:o/r.git", branch="main"), timeout=10.0)
    assert "login" in error.message
    assert "-oBatchMode=yes" in said.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "--upload-pack=touch PWNED"},
        {"url": "ext::sh -c 'touch PWNED'"},
        {"url": "ext::touch% PWNED"},
        {"url": "file:///etc"},
        {"url": "ssh://-oProxyCommand=touch PWNED/r"},
        {"url": "https://user:clave@localhost/r.git"},
        {"url": "{url}", "branch": "--upload-pack=touch PWNED"},
        {"url": "{url}", "branch": "main:refs/heads/x"},
        {"url": "{url}", "tag": "$(touch PWNED)"},
        {"url": "{url}", "commit": "--upload-pack=touch PWNED"},
        {"url": "{url}", "branch": "main", "directories": ("--stdin",)},
    ],
)
def test_nothing_is_injected(
    server: GitServer, reader: Reader, fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = server.add_repository("r", {"a.py": "1\n"})
    error = reader.error(GitSource(**{**fields, "url": fields["url"].format(url=url)}))
    assert "clave" not in error.message + error.hint
    assert server.requests == []
    assert list(tmp_path.rglob("PWNED")) == []


def test_a_redirect_to_another_kind_of_address_is_not_followed(server: GitServer, reader: Reader) -> None:
    with GitServer(tls=False) as plain:
        target = plain.add_repository("r", {"a.py": "1\n"})
        reader.error(GitSource(url=server.add_redirect("moved", target)))
        assert plain.requests == []


def test_nothing_of_a_repository_is_run(server: GitServer, reader: Reader, tmp_path: Path) -> None:
    """Hooks of the person's own, filters and attributes of the repository: reading triggers none."""
    ran = tmp_path / "ran"
    hooks = tmp_path / "home" / "hooks"
    hooks.mkdir()
    for hook in ("post-checkout", "reference-transaction", "post-merge"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch '{ran.as_posix()}'\n", encoding="utf-8")
        (hooks / hook).chmod(0o755)
    (tmp_path / "home" / "gitconfig").write_text(
        f"[core]\n\thooksPath = {hooks.as_posix()}\n[filter \"x\"]\n\tsmudge = touch '{ran.as_posix()}'\n",
        encoding="utf-8",
    )
    url = server.add_repository("r", {"a.py": "1\n", ".gitattributes": "*.py filter=x\n", "hooks/post-checkout": "x"})
    assert reader.tree(GitSource(url=url)).read("a.py") == "1\n"
    assert not ran.exists()


def test_git_is_said_to_be_missing(reader: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in reader.error(GitSource(url="https://localhost/r.git")).message


def test_a_git_of_the_current_folder_is_not_run(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("git", "git.exe", "git.bat"):
        (tmp_path / name).write_text("#!/bin/sh\ntouch PWNED\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join([".", "", "home"]))
    assert "git is not installed" in reader.error(GitSource(url="https://localhost/r.git")).message
    assert list(tmp_path.rglob("PWNED")) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a script that stands for git")
def test_an_old_git_is_said_to_be_too_old(reader: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "git"
    old.write_text("#!/bin/sh\necho git version 2.20.1\n", encoding="utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    assert "2.31 or newer" in reader.error(GitSource(url="https://localhost/r.git")).message


def test_the_persons_git_environment_does_not_lead_astray(
    server: GitServer, reader: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As inside a git hook, which sets GIT_DIR; and configuration given by the environment stays in force."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "astray"))
    url = server.add_repository("r", {"a.py": "1\n"})
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{server.url}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://mirror.invalid/")
    assert reader.tree(GitSource(url=url)).read("a.py") == "1\n"
    assert reader.tree(GitSource(url="https://mirror.invalid/r.git")).read("a.py") == "1\n"


# --- The cache ----------------------------------------------------------------------------------------------------


def damage_head(copy: Path) -> None:
    (copy / "HEAD").unlink()


def damage_config(copy: Path) -> None:
    (copy / "config").write_text("[core\n", encoding="utf-8")


def damage_packs(copy: Path) -> None:
    for path in (copy / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lose_objects(copy: Path) -> None:
    shutil.rmtree(copy / "objects")
    (copy / "objects").mkdir()


def damage_refs(copy: Path) -> None:
    for path in (copy / "refs" / "reconcile").rglob("*"):
        path.write_text("0123456789" * 4 + "\n", encoding="utf-8")


def replace_by_a_file(copy: Path) -> None:
    shutil.rmtree(copy)
    copy.write_text("not a repository\n", encoding="utf-8")


@pytest.mark.parametrize(
    "damage", [damage_head, damage_config, damage_packs, lose_objects, damage_refs, replace_by_a_file]
)
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("files", [1, 150])  # up to a hundred objects git keeps loose, more in a pack
def test_a_damaged_cache_is_made_anew(server: GitServer, reader: Reader, damage: Any, moved: bool, files: int) -> None:
    content = {f"f{number}.py": f"{number}\n" for number in range(files)}
    source = GitSource(url=server.add_repository("r", content), branch="main")
    assert reader.tree(source).read("f0.py") == "0\n"
    if moved:
        server.commit("r", {"f0.py": "moved\n"})
    damage(reader.copies[0])
    assert reader.tree(source).read("f0.py") == ("moved\n" if moved else "0\n")
    assert reader.tree(source).read(f"f{files - 1}.py") is not None
    assert list(reader.cache.glob("*.old")) == []


@pytest.mark.parametrize("damage", [damage_packs, lose_objects, damage_head])
@pytest.mark.parametrize("reading", [False, True])
def test_a_cache_that_is_damaged_while_it_is_read_is_made_anew(
    server: GitServer, reader: Reader, damage: Any, reading: bool
) -> None:
    url = server.add_repository("r", {"sub/a.py": "1\n", "b.py": "2\n"})
    server.commit("r", {"c.py": "3\n"}, branch="other")
    tree, other = reader.trees(GitSource(url=url, branch="main"), GitSource(url=url, branch="other"))
    if reading:
        assert tree.read("b.py") == "2\n"
    damage(reader.copies[0])
    assert tree.read("sub/a.py") == "1\n"
    assert tree.read("b.py") == "2\n"
    assert tree.read("none.py") is None
    assert other.read("c.py") == "3\n"
    assert len(reader.copies) == 1


def test_a_file_that_is_lost_from_the_cache_is_fetched_anew(server: GitServer, reader: Reader, tmp_path: Path) -> None:
    url = server.add_repository("r", {"sub/a.py": "1\n"})
    tree = reader.tree(GitSource(url=url, branch="main"))
    run_git(reader.copies[0], "config", "--unset", "remote.reconcile.promisor")
    for pack in reader.copies[0].rglob("*.pack"):
        taken = pack.rename(tmp_path / pack.name)
        for rest in pack.parent.glob(f"{pack.stem}.*"):
            rest.unlink()
        subprocess.run(["git", "unpack-objects", "-q"], cwd=reader.copies[0], input=taken.read_bytes(), check=True)
    blob = run_git(server.path_of("r"), "rev-parse", "main:sub/a.py")
    (loose,) = reader.cache.rglob(blob[2:])
    loose.chmod(0o600)
    loose.unlink()
    assert tree.read("sub/a.py") == "1\n"


def test_what_stays_damaged_is_said_so(server: GitServer, reader: Reader) -> None:
    source = GitSource(url=server.add_repository("r", {"a.py": "1\n"}), branch="main")
    tree = reader.tree(source)
    shutil.rmtree(reader.copies[0])
    server.close()
    with pytest.raises(SourceError, match=r"cannot be read: .*\.$"):
        tree.read("a.py")


def test_many_processes_share_a_cache(server: GitServer, reader: Reader) -> None:
    url = server.add_repository("r", {f"f{number}.py": f"{number}\n" for number in range(120)})
    program = (
        "import sys; from pathlib import Path\n"
        "from reconcile.sources import open_sources; from reconcile.pull import GitSource\n"
        "source = GitSource(url=sys.argv[1], branch='main')\n"
        "for _ in range(3):\n"
        "    tree = open_sources([source], root=Path('.'), cache=Path(sys.argv[2]), timeout=60)[source]\n"
        "    assert tree.read('f7.py') == '7\\n', tree\n"
    )
    arguments = [sys.executable, "-c", program, url, str(reader.cache)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    running = [subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE) for _ in range(4)]
    server.commit("r", {"new.py": "1\n"})
    assert [(process.communicate()[1], process.returncode) for process in running] == [(b"", 0)] * 4
    assert len(reader.copies) == 1


def test_many_repositories_are_fetched_together(server: GitServer, reader: Reader) -> None:
    sources = [GitSource(url=server.add_repository(f"r{number}", {"a.py": f"{number}\n"})) for number in range(12)]
    assert [tree.read("a.py") for tree in reader.trees(*sources)] == [f"{number}\n" for number in range(12)]


def test_ctrl_c_ends_what_is_being_fetched(server: GitServer, reader: Reader) -> None:
    url = server.add_hanging("hanging")
    program = (
        "import sys, threading, _thread; from pathlib import Path\n"
        "from reconcile.sources import open_sources; from reconcile.pull import GitSource\n"
        "threading.Timer(1.0, _thread.interrupt_main).start()\n"
        "try:\n"
        "    open_sources([GitSource(url=sys.argv[1])], root=Path('.'), cache=Path(sys.argv[2]), timeout=30)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    begun = time.monotonic()
    arguments = [sys.executable, "-c", program, url, str(reader.cache)]
    ended = subprocess.run(arguments, env=environment, capture_output=True, check=False, timeout=30)
    assert ended.returncode == 130, ended.stderr
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize("text", ["\ud800", "\0", "\n", "ñ", "\u202e", "x" * 5000, "%s", "{}"])
def test_any_text_is_read_or_refused_in_a_sentence(server: GitServer, reader: Reader, text: str) -> None:
    url = server.add_repository("r", {"a.py": "1\n"})
    for address in (f"{url}{text}", f"/{text}", text):
        reader.error(GitSource(url=address))
    reader.error(GitSource(url=url, branch=f"x{text}"))
    reader.error(GitSource(url=url, commit=text))
    tree = reader.tree(GitSource(url=url, directories=("src",)))
    assert tree.read(f"{text}.py") is None
    assert tree.read("a.py") == "1\n"
    assert reader.tree(PathSource(path=".")).read(f"x/{text[:100]}.py") is None


def test_a_cache_that_cannot_be_made_is_said_so(reader: Reader) -> None:
    reader.cache.write_text("a file\n", encoding="utf-8")
    assert "cache folder" in reader.error(GitSource(url="https://localhost/r.git")).message


def test_the_default_cache_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RECONCILE_CACHE", raising=False)
    for platform, name in (("linux", "XDG_CACHE_HOME"), ("win32", "LOCALAPPDATA")):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setenv(name, str(tmp_path))
        assert default_cache() == tmp_path / "reconcile" / "git"
        monkeypatch.delenv(name)
        assert default_cache().is_relative_to(Path.home())
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_cache() == Path.home() / "Library" / "Caches" / "reconcile" / "git"
    monkeypatch.setenv("RECONCILE_CACHE", str(tmp_path / "mine"))
    assert default_cache() == tmp_path / "mine"


# --- Folders ------------------------------------------------------------------------------------------------------


def test_a_folder_of_the_repository_is_read(reader: Reader) -> None:
    (reader.root / "flows").mkdir()
    (reader.root / "flows" / "basic.py").write_text(FLOW, encoding="utf-8")
    for source, path in (
        (PathSource(path="."), "flows/basic.py"),
        (PathSource(path="flows"), "basic.py"),
        (PathSource(path=".\\flows\\"), "basic.py"),
        (PathSource(path=str(reader.root)), "flows\\basic.py"),
    ):
        tree = reader.tree(source)
        assert tree.read(path) == FLOW
        assert tree.commit is None
        assert tree.label == f"the folder {source.path}"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("..", "must stay below"),
        ("flows/../../x", "must stay below"),
        ("none", "no folder 'none'"),
        ("file.py", "no folder 'file.py'"),
        ("/no/such/folder", "not on this machine"),
        ("\0", "no folder"),
        ("\ud800", "no folder"),
        ("/\0", "not on this machine"),
        pytest.param("C:/Python_Scripts", "not on this machine", marks=NOT_ON_WINDOWS),
        pytest.param("//SRV/flujos", "not on this machine", marks=NOT_ON_WINDOWS),
    ],
)
def test_a_folder_that_cannot_be_read_is_said_so(reader: Reader, path: str, words: str) -> None:
    (reader.root / "file.py").write_text(FLOW, encoding="utf-8")
    assert words in reader.error(PathSource(path=path)).message


def test_a_path_is_read_from_where_it_says(server: GitServer, reader: Reader) -> None:
    git = GitSource(url=server.add_repository("r", {"a.py": "1\n"}), branch="main")
    local = PathSource(path="C:/Python_Scripts", read_from=git)
    twice = PathSource(path="//SRV/flujos", read_from=local)
    trees = reader.trees(local, twice, git)
    assert [tree.read("a.py") for tree in trees] == ["1\n"] * 3
    assert trees[0] is trees[2]


@pytest.mark.skipif(sys.platform == "win32", reason="symlinks need a privilege there")
def test_symlinks_do_not_lead_out_of_a_folder(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("x\n", encoding="utf-8")
    (reader.root / "a.py").write_text("1\n", encoding="utf-8")
    (reader.root / "out.py").symlink_to(tmp_path / "secret.py")
    (reader.root / "in.py").symlink_to("a.py")
    (reader.root / "loop.py").symlink_to("loop.py")
    (reader.root / "outside").symlink_to(tmp_path)
    if sys.platform != "win32":
        os.mkfifo(reader.root / "pipe.py")
    tree = reader.tree(PathSource(path="."))
    assert tree.read("in.py") == "1\n"
    assert tree.read("pipe.py") is None
    for name in ("out.py", "outside/secret.py"):
        with pytest.raises(SourceError, match="symbolic link"):
            tree.read(name)
    assert "leads out of the repository" in reader.error(PathSource(path="outside")).message


def test_a_local_repository_is_read(server: GitServer, reader: Reader) -> None:
    server.add_repository("r", {"a.py": "1\n"})
    source = GitSource(url=str(server.path_of("r")), branch="main")
    assert reader.tree(source).read("a.py") == "1\n"
    server.commit("r", {"a.py": "2\n"})
    assert reader.tree(source).read("a.py") == "2\n"


def test_no_sources_need_no_git(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert reader.results() == []
    assert not reader.cache.exists()

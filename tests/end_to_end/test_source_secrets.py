"""Signatures of private git sources: with the person's own credentials, or with a token that the server keeps for that host."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from end_to_end.api import Api
from end_to_end.loopback import Relay
from end_to_end.tool import Tool, own_credentials, write_tree
from git_server import GitServer, Submodule

pytestmark = pytest.mark.e2e

FLOW = '''
from prefect import flow


@flow(name="{name}")
def soldar(piezas: int, metal: str = "hierro") -> None:
    """Join."""
'''


@pytest.fixture
def relay(api: Api) -> Iterator[Relay]:
    """The server, with what is asked of it written down."""
    with Relay(api.url) as between:
        yield between


class Forge:
    """A repository with one deployment from a private git repository, whose token a Secret holds."""

    def __init__(self, folder: Path, name: str, api: Api, git: GitServer, relay: Relay) -> None:
        self.name, self.token = name, f"llave-{name}-91c27f3a"
        self.git, self.key = git, f"soldar-{name}/{name}"
        self.folder = folder
        api.make_secret(f"llave-{name}", self.token)
        url = git.add_repository(name, {"soldar.py": FLOW.format(name=f"soldar-{name}")}, token=self.token)
        self.tool = Tool(
            root=self.at(url), home=folder / "home", url=relay.url, settings={**git.environment(), "NO_COLOR": "1"}
        )

    def at(self, url: str, *, flow: str | None = None, folder: str = "repository") -> Path:
        """The repository, with its source at an address."""
        pinned = f"flow: {flow or f'soldar-{self.name}'}" if flow != "" else "description: not pinned"
        return write_tree(
            self.folder / folder,
            {
                "prefect.yaml": f"name: {self.name}\n",
                "deployments/environments.yaml": f"environments: {{prod: {{work_pool: {self.name}}}}}\n",
                f"pools/{self.name}.yaml": "type: process\n",
                "deployments/shared.yaml": f"""
                    sources:
                      fragua: {{git: {json.dumps(url)}, branch: main, token: {{secret: llave-{self.name}}}}}
                    """,
                "deployments/taller/prod.yaml": f"""
                    deployments:
                      {self.name}:
                        source: fragua
                        entrypoint: soldar.py:soldar
                        {pinned}
                        parameters: {{piezas: 4}}
                    """,
            },
        )


def warning_codes(document: Any) -> list[str]:
    return [warning["code"] for warning in document["warnings"]]


def secrets_asked_for(relay: Relay) -> list[str]:
    return [asked.path for asked in relay.asked if "include_secrets=true" in asked.path]


def test_apply_reads_a_token_only_once_the_server_gives_it_to_that_host(
    api: Api, git: GitServer, relay: Relay, tmp_path: Path
) -> None:
    """On a new server nobody is given the token before the deployment stands there; then its schema is filled in."""
    forge = Forge(tmp_path, "fragua-uno", api, git, relay)
    forge.tool.plan("--read-source-secrets")
    assert secrets_asked_for(relay) == []
    assert forge.token not in git.tokens

    first = forge.tool.apply()
    assert warning_codes(first) == ["source-unreadable"]
    paths = [asked.path.partition("?")[0].removeprefix("/api") for asked in relay.asked]
    asked_at = [number for number, path in enumerate(paths) if path.endswith("/name/llave-fragua-uno")]
    created_at = [number for number, asked in enumerate(relay.asked) if asked.is_write and asked.method == "POST"]
    assert len(asked_at) == 1
    assert asked_at > [max(created_at)]
    assert {status_of(outcome) for outcome in first["outcomes"]} == {
        (forge.name, "create", "done"),
        (forge.key, "create", "done"),
        (forge.key, "update", "done"),
    }
    schema = api.deployment(forge.key)["parameter_openapi_schema"]
    assert (list(schema["properties"]), schema["required"]) == (["piezas", "metal"], ["piezas"])

    second = forge.tool.apply()
    assert (second["requests"]["write"], second["changes"], warning_codes(second)) == (0, [], [])


def status_of(outcome: Any) -> tuple[str, str, str]:
    return outcome["key"], outcome["action"], outcome["status"]


def test_a_flow_that_is_not_pinned_is_named_once_its_source_can_be_read(
    api: Api, git: GitServer, relay: Relay, tmp_path: Path
) -> None:
    forge = Forge(tmp_path, "fragua-dos", api, git, relay)
    forge.at(git.url_of("fragua-dos"), flow="")
    plan = forge.tool.plan()
    assert [change["key"] for change in plan["changes"] if change["kind"] == "deployment"] == ["soldar/fragua-dos"]
    [warning] = plan["warnings"]
    assert warning["code"] == "source-unreadable"
    assert "flow:" in warning["message"]


def test_plan_reads_a_secret_only_when_told(api: Api, git: GitServer, relay: Relay, tmp_path: Path) -> None:
    forge = Forge(tmp_path, "fragua-tres", api, git, relay)
    forge.tool.apply()
    git.commit("fragua-tres", {"soldar.py": FLOW.format(name="soldar-fragua-tres").replace("metal", "aleacion")})
    relay.asked.clear()
    git.requests.clear()
    plan = forge.tool.plan()
    assert warning_codes(plan) == ["source-unreadable"]
    assert plan["changes"] == []
    assert secrets_asked_for(relay) == []
    assert forge.token not in git.tokens

    told = forge.tool.plan("--read-source-secrets")
    assert warning_codes(told) == []
    assert [(change["key"], change["reason"]) for change in told["changes"]] == [(forge.key, "source")]
    assert forge.token in git.tokens
    assert relay.writes == []


@pytest.mark.parametrize("command", [("plan", "--read-source-secrets"), ("apply", "--yes")], ids=["plan", "apply"])
def test_a_token_is_never_sent_to_another_host(
    command: tuple[str, ...], api: Api, git: GitServer, relay: Relay, tmp_path: Path
) -> None:
    """A pull request can write any address beside a Secret's name; the Secret must not follow."""
    name = f"fragua-ajena-{command[0]}"
    forge = Forge(tmp_path, name, api, git, relay)
    forge.tool.apply()
    relay.asked.clear()
    with GitServer(tmp_path / "foreign") as foreign:
        url = foreign.add_repository(name, {"soldar.py": FLOW.format(name="x")}, token="another-token-entirely")
        both = tmp_path / "both.pem"
        both.write_bytes(git.ca_file.read_bytes() + foreign.ca_file.read_bytes())
        tool = replace(forge.tool, root=forge.at(url, folder="foreign"), settings={"GIT_SSL_CAINFO": str(both)})
        result = tool(*command, "--json")
        assert result.code == 0, result.said
        assert foreign.requests
        assert [request.authorization for request in foreign.requests] == [None] * len(foreign.requests)
        assert warning_codes(result.document) == ["source-unreadable", "token-elsewhere"]
        [told] = [one["message"] for one in result.document["warnings"] if one["code"] == "token-elsewhere"]
        assert f"secret/llave-{name} to localhost:{foreign.port}," in told
        assert f"today it goes to localhost:{git.port} only" in told
    assert secrets_asked_for(relay) == []
    assert forge.token not in result.said


REFUSED: dict[str, Callable[[int, int], str]] = {
    "http": lambda own, _: f"http://localhost:{own}/trampa.git",
    "another host by http": lambda _, foreign: f"http://127.0.0.1:{foreign}/trampa.git",
    "own host as the user": lambda own, foreign: f"https://localhost:{own}@127.0.0.1:{foreign}/trampa.git",
    "own host before a backslash": lambda own, foreign: f"https://localhost:{own}\\@127.0.0.1:{foreign}/trampa.git",
    "token in the address": lambda _, foreign: (
        f"https://{{{{ prefect.blocks.secret.llave }}}}@127.0.0.1:{foreign}/trampa.git"
    ),
    "a line more": lambda own, foreign: f"https://localhost:{own}/a.git\nurl=https://127.0.0.1:{foreign}/trampa.git",
    "ext": lambda _, foreign: f"ext::git --upload-pack=touch% PWNED https://127.0.0.1:{foreign}/trampa.git",
    "ext in https": lambda _, foreign: f"https::https://127.0.0.1:{foreign}/trampa.git",
    "an option": lambda _, foreign: f"--upload-pack=touch PWNED https://127.0.0.1:{foreign}/trampa.git",
    "configuration": lambda _, foreign: f"-chttp.proxy=https://127.0.0.1:{foreign}",
    "a dash for a host": lambda _, foreign: f"ssh://-oProxyCommand=touch PWNED@127.0.0.1:{foreign}/trampa.git",
    "a dash for a path": lambda _, foreign: f"git@127.0.0.1:-oPort={foreign}",
}
"""Addresses that a pull request could write to have the token: what each is made of is the own port and the foreign."""


@pytest.fixture(scope="module")
def standing(api: Api, git: GitServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Forge, Relay]]:
    """A deployment that stands, whose token is known to belong to its host."""
    with Relay(api.url) as between:
        forge = Forge(tmp_path_factory.mktemp("firme"), "fragua-firme", api, git, between)
        forge.tool.apply()
        yield forge, between


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[GitServer]:
    """The server of who writes the pull request."""
    with GitServer(tmp_path / "foreign", host="127.0.0.1") as server:
        server.add_repository("trampa", {"soldar.py": FLOW.format(name="x")}, token="another-token-entirely")
        yield server


@pytest.mark.parametrize("kind", REFUSED)
def test_an_address_that_would_lead_a_token_astray_is_refused(
    kind: str, standing: tuple[Forge, Relay], foreign: GitServer, git: GitServer, tmp_path: Path
) -> None:
    forge, relay = standing
    root = forge.at(REFUSED[kind](git.port, foreign.port), folder=f"refused-{kind}")
    tool = replace(forge.tool, root=root, home=tmp_path / "home", settings=both(git, foreign, tmp_path))
    relay.asked.clear()
    git.requests.clear()
    for command in (("validate",), ("plan", "--read-source-secrets"), ("apply", "--yes")):
        result = tool(*command, "--json")
        assert result.code == 1, result.said
        assert {problem["file"] for problem in result.document["problems"]} == {"deployments/shared.yaml"}
    assert (foreign.requests, git.requests) == ([], [])
    assert (secrets_asked_for(relay), relay.writes) == ([], [])
    assert not list(tmp_path.rglob("PWNED"))


@pytest.mark.parametrize("port", ["other", "same"])
def test_another_name_of_a_host_gets_no_token_and_the_plan_warns(
    port: str, standing: tuple[Forge, Relay], foreign: GitServer, git: GitServer, tmp_path: Path
) -> None:
    """Also where it is the same machine: by its name alone nobody can tell."""
    forge, relay = standing
    server = foreign if port == "other" else git
    if port == "same":
        git.add_repository("trampa-igual", {"soldar.py": FLOW.format(name="x")}, token="another-token-entirely")
    url = f"https://127.0.0.1:{server.port}/{'trampa' if port == 'other' else 'trampa-igual'}.git"
    tool = replace(forge.tool, root=forge.at(url, folder=f"host-{port}"), settings=both(git, foreign, tmp_path))
    relay.asked.clear()
    git.requests.clear()
    assert tool("validate", "--json").code == 0
    plan = tool.plan("--read-source-secrets")
    assert warning_codes(plan) == ["source-unreadable", "token-elsewhere"]
    assert server.requests
    assert [request.authorization for request in (*git.requests, *foreign.requests)] == [None] * len(server.requests)
    assert (secrets_asked_for(relay), relay.writes) == ([], [])
    assert f"to 127.0.0.1:{server.port}" in tool("plan").out


def test_what_a_repository_says_of_submodules_and_large_files_leads_no_token_away(
    standing: tuple[Forge, Relay], foreign: GitServer, git: GitServer, tmp_path: Path
) -> None:
    """The own host's repository gets its token; nothing that stands in it has git ask another host."""
    forge, relay = standing
    elsewhere = foreign.url_of("trampa")
    git.commit(
        forge.name,
        {
            ".gitmodules": f'[submodule "m"]\n\tpath = m\n\turl = {elsewhere}\n',
            "m": Submodule(),
            ".lfsconfig": f"[lfs]\n\turl = {elsewhere}/info/lfs\n",
            ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
            "a.bin": f"version https://git-lfs.github.com/spec/v1\noid sha256:{'1' * 64}\nsize 5\n",
        },
    )
    root = forge.at(git.url_of(forge.name), folder="with-submodules")
    shared = root / "deployments" / "shared.yaml"
    text = shared.read_text(encoding="utf-8")
    shared.write_text(text.replace("branch: main,", "branch: main, include_submodules: true,"), encoding="utf-8")
    git.requests.clear()
    plan = replace(forge.tool, root=root, settings=both(git, foreign, tmp_path)).plan("--read-source-secrets")
    assert warning_codes(plan) == []
    assert secrets_asked_for(relay)
    assert forge.token in git.tokens
    assert foreign.requests == []


def both(git: GitServer, foreign: GitServer, folder: Path) -> dict[str, str]:
    """An environment in which both servers are trusted."""
    file = folder / "both.pem"
    file.write_bytes(git.ca_file.read_bytes() + foreign.ca_file.read_bytes())
    return {"GIT_SSL_CAINFO": str(file)}


def test_a_token_does_not_follow_a_redirect(api: Api, git: GitServer, relay: Relay, tmp_path: Path) -> None:
    forge = Forge(tmp_path, "fragua-mudada", api, git, relay)
    with GitServer(tmp_path / "foreign") as foreign:
        url = foreign.add_repository("trampa", {"soldar.py": FLOW.format(name="x")}, token="another-token-entirely")
        git.add_redirect("fragua-redirigida", url)
        forge.at(git.url_of("fragua-redirigida"))
        forge.tool.apply()
        both = tmp_path / "both.pem"
        both.write_bytes(git.ca_file.read_bytes() + foreign.ca_file.read_bytes())
        tool = replace(forge.tool, settings={"GIT_SSL_CAINFO": str(both)})
        result = tool("plan", "--read-source-secrets", "--json")
        assert secrets_asked_for(relay)
        assert foreign.requests
        assert forge.token not in foreign.tokens
        assert [request.authorization for request in foreign.requests] == [None] * len(foreign.requests)
        assert forge.token not in result.said


def test_the_own_credentials_of_a_person_read_the_signature_at_once(
    api: Api, git: GitServer, relay: Relay, tmp_path: Path
) -> None:
    forge = Forge(tmp_path, "fragua-propia", api, git, relay)
    forge.at(git.url_of("fragua-propia"), flow="")
    known = own_credentials(tmp_path / "person.gitconfig", {git.url_of("fragua-propia"): forge.token})
    tool = replace(forge.tool, settings={**git.environment(), **known})
    plan = tool.plan()
    assert warning_codes(plan) == []
    assert [change["key"] for change in plan["changes"] if change["kind"] == "deployment"] == [forge.key]
    assert secrets_asked_for(relay) == []


def test_a_wrong_parameter_of_a_private_flow_is_a_problem(
    api: Api, git: GitServer, relay: Relay, tmp_path: Path
) -> None:
    forge = Forge(tmp_path, "fragua-mala", api, git, relay)
    file = forge.tool.root / "deployments" / "taller" / "prod.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("piezas: 4", "piesas: 4"), encoding="utf-8")
    known = own_credentials(tmp_path / "person.gitconfig", {git.url_of("fragua-mala"): forge.token})
    tool = replace(forge.tool, settings={**git.environment(), **known})
    result = tool("apply", "--yes", "--json")
    assert result.code == 1
    [problem] = result.document["problems"]
    assert (problem["code"], problem["file"]) == ("parameter-unknown", "deployments/taller/prod.yaml")
    assert relay.writes == []


def test_a_secret_that_is_not_there_leaves_the_signature_unread(
    api: Api, git: GitServer, relay: Relay, tmp_path: Path
) -> None:
    forge = Forge(tmp_path, "fragua-vacia", api, git, relay)
    shared = forge.tool.root / "deployments" / "shared.yaml"
    shared.write_text(shared.read_text(encoding="utf-8").replace("llave-fragua-vacia", "no-existe"), encoding="utf-8")
    forge.tool.apply()
    second = forge.tool.apply()
    assert warning_codes(second) == ["source-unreadable", "block-missing"]
    assert second["requests"]["write"] == 0

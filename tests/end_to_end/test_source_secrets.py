"""Signatures of private git sources: with the person's own credentials, or with a token that the server keeps for that host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from end_to_end.api import Api
from end_to_end.loopback import Relay
from end_to_end.tool import Tool, own_credentials, write_tree
from git_server import GitServer

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
                      fragua: {{git: "{url}", branch: main, token: {{secret: llave-{self.name}}}}}
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
        assert "source-unreadable" in warning_codes(result.document)
    assert secrets_asked_for(relay) == []
    assert forge.token not in result.said


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
    assert warning_codes(second) == ["source-unreadable"]
    assert second["requests"]["write"] == 0

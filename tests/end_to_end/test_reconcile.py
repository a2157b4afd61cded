"""A repository that applies itself: a commit is pushed, and a worker does all the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
from end_to_end.api import Api
from end_to_end.tool import PROJECT, Tool, wait_for, worker, write_tree
from git_server import GitServer

pytestmark = pytest.mark.e2e

TOKEN: Final = "llave-del-repositorio-4d1e77aa"
KEY: Final = "reconcile/Seguir a main"
PATIENCE: Final = 240.0

SALUDO = '''
from prefect import flow


@flow
def saludar(nombre: str = "mundo") -> None:
    """Greet."""
'''


def declared(url: str, *, description: str, more: str = "", apply: bool = True) -> str:
    return f"""\
defaults: {{source: este}}
deployments:
  Seguir a main:
    entrypoint: flows/operations/reconcile.py:reconcile
    description: {description}
    schedules:
      seguido: {{interval: 20, anchor_date: "2026-01-01T00:00:00"}}
    parameters: {{repository: "{url}", token: llave-propia, environments: [prod], apply: {str(apply).lower()}}}
    concurrency_limit: {{limit: 1, collision_strategy: CANCEL_NEW}}
{more}"""


def files_of(url: str) -> dict[str, str]:
    """A repository with this project's tool and flow, and deployments of its own."""
    wanted = [
        *(PROJECT / "scripts").rglob("*.py"),
        *(PROJECT / "scripts").rglob("*.lock"),
        *(PROJECT / "scripts" / "reconcile").rglob("*.json"),
        *(PROJECT / "schemas").rglob("*.json"),
        PROJECT / "flows" / "operations" / "reconcile.py",
    ]
    tool = {path.relative_to(PROJECT).as_posix(): path.read_text(encoding="utf-8") for path in wanted}
    return {
        **tool,
        "prefect.yaml": "name: seguidor\nprefect-version: 3.8.8\n",
        "pools/seguidor.yaml": "type: process\n",
        "flows/saludar.py": SALUDO,
        "deployments/environments.yaml": "default_timezone: America/Argentina/Buenos_Aires\n"
        "environments: {prod: {work_pool: seguidor, require: {branch: main, clean: true, pushed: true}}}\n",
        "deployments/shared.yaml": f'sources: {{este: {{git: "{url}", branch: main, token: {{secret: llave-propia}}}}}}\n',
        "deployments/todo/prod.yaml": declared(url, description="Sigue a main."),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A server that follows a repository. `others` are the tokens that git was sent before, by other tests."""

    tool: Tool
    api: Api
    git: GitServer
    url: str
    others: frozenset[str]

    def runs(self, state: str) -> list[Any]:
        found = self.api.deployment(KEY)["id"]
        query = {"deployments": {"id": {"any_": [found]}}, "sort": "EXPECTED_START_TIME_DESC"}
        return [run for run in self.api.post("/flow_runs/filter", query) if run["state_name"] == state]

    def push(self, text: str) -> str:
        return self.git.commit("seguidor", {"deployments/todo/prod.yaml": text})

    def run_of(self, commit: str, *, state: str) -> Any:
        """The first run in that state that had the commit."""
        return wait_for(f"a run of {commit[:7]} that is {state}", lambda: self._run_of(commit, state), timeout=PATIENCE)

    def _run_of(self, commit: str, state: str) -> Any:
        for run in self.runs(state):
            if any(f"main: {commit[:7]}" in line for line in self.log(run)):
                return run
        return None

    def log(self, run: Any) -> list[str]:
        rows = self.api.post("/logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}})
        return [row["message"] for row in rows]

    def page(self, run: Any) -> str:
        """The last page that the run left."""
        of_run = {"flow_run_id": {"any_": [run["id"]]}, "type": {"any_": ["markdown"]}}
        query = {"artifacts": of_run, "sort": "UPDATED_DESC"}
        return str(self.api.post("/artifacts/filter", query)[0]["data"])


@pytest.fixture(scope="module")
def followed(api: Api, git: GitServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """A repository that is applied once by hand, and a worker that runs from then on."""
    others = frozenset(git.tokens)
    folder = tmp_path_factory.mktemp("seguidor")
    api.make_secret("llave-propia", TOKEN)
    files = files_of(git.url_of("seguidor"))
    url = git.add_repository("seguidor", files, token=TOKEN)
    root = write_tree(folder / "first", {**files, "deployments/environments.yaml": _without_rules(files)})
    tool = Tool(root=root, home=folder / "home", url=api.url, settings=git.environment())
    tool.apply()
    settings = {**git.environment(), "PREFECT_WORKER_QUERY_SECONDS": "1"}
    with worker("seguidor", home=folder / "worker", url=api.url, settings=settings):
        yield Followed(tool=tool, api=api, git=git, url=url, others=others)


def _without_rules(files: dict[str, str]) -> str:
    """For the first apply, which is of no commit."""
    return files["deployments/environments.yaml"].replace(", require: {branch: main, clean: true, pushed: true}", "")


def test_a_plan_is_printed_as_markdown(followed: Followed) -> None:
    printed = followed.tool("plan", "--markdown")
    assert (printed.code, printed.out.splitlines()[0]) == (0, "# Plan")
    assert "Nothing to do" in printed.out
    both = followed.tool("plan", "--markdown", "--json")
    assert (both.code, both.document["error"]["message"]) == (64, "--json and --markdown both say what is printed.")


def test_a_commit_is_applied_by_the_worker_also_to_the_deployment_that_applies_it(followed: Followed) -> None:
    before = followed.api.deployment(KEY)
    greeting = "  Saludar: {entrypoint: flows/saludar.py:saludar, parameters: {nombre: <b>todos</b> | todas}}\n"
    commit = followed.push(declared(followed.url, description="Cambiado por sí mismo.", more=greeting))

    run = followed.run_of(commit, state="Completed")

    assert followed.api.deployment("saludar/Saludar")["parameters"] == {"nombre": "<b>todos</b> | todas"}
    after = followed.api.deployment(KEY)
    assert (after["id"], after["description"]) == (before["id"], "Cambiado por sí mismo.")
    assert after["version"].startswith(commit[:12])
    for line in (f"update deployment {KEY}: done", "create deployment saludar/Saludar: done"):
        wait_for(line, lambda line=line: line in followed.log(run), timeout=60)  # logs come after the state
    log, page = followed.log(run), followed.page(run)
    assert "### create deployment saludar/Saludar" in page
    assert "<b>" not in page
    assert TOKEN not in "\n".join([*log, page])
    assert followed.git.tokens - followed.others == {TOKEN}
    wait_for("the next run", lambda: followed.runs("Scheduled"), timeout=60)


def test_what_is_wrong_fails_the_run_loudly_and_changes_nothing(followed: Followed) -> None:
    broken = declared(followed.url, description="No llega.", more="  Roto: {entrypoint: flows/no_hay.py:nada}\n")
    commit = followed.push(broken)

    run = followed.run_of(commit, state="Failed")

    assert "flows/no_hay.py" in run["state"]["message"]
    assert "flows/no\\_hay\\.py" in followed.page(run)
    assert followed.api.deployment(KEY)["description"] != "No llega."


@pytest.mark.long
def test_a_check_alone_fails_where_the_server_differs_and_writes_nothing(followed: Followed) -> None:
    followed.push(declared(followed.url, description="Sólo mira.", apply=False))
    wait_for("the change", lambda: not followed.api.deployment(KEY)["parameters"]["apply"], timeout=PATIENCE)
    commit = followed.push(declared(followed.url, description="No se aplica.", apply=False))

    run = followed.run_of(commit, state="Failed")

    assert "differs from the repository: 1 change" in run["state"]["message"]
    assert "No se aplica\\." in followed.page(run)
    assert followed.api.deployment(KEY)["description"] == "Sólo mira."

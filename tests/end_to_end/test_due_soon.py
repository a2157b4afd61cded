"""A deployment is changed shortly before its run: that starts all the same, once, and each coming run stands once.

And the rules of an environment, as `plan` and `apply` tell them.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from end_to_end.api import Api
from end_to_end.tool import Result, Tool, wait_for, worker, write_tree

pytestmark = pytest.mark.e2e

ZONE: Final = ZoneInfo("America/Argentina/Buenos_Aires")
KEY: Final = "sonar/Campana de torre"
FLOW: Final = """
    from prefect import flow


    @flow(name="sonar")
    def sonar() -> None:
        \"\"\"Nothing.\"\"\"
    """


def repository(root: Path, project: str, *, first: datetime, description: str, rules: str = "{}") -> Path:
    """A bell that rings every four hours, first at that moment."""
    anchor = first.astimezone(ZONE).replace(tzinfo=None).isoformat()
    return write_tree(
        root,
        {
            "prefect.yaml": f"""
                name: {project}
                prefect-version: 3.8.8
                """,
            "deployments/environments.yaml": f"""
                default_timezone: America/Argentina/Buenos_Aires
                environments:
                  prod: {{work_pool: {project}, name: "{{name}} de {project}", {rules[1:-1]}}}
                """,
            "deployments/shared.yaml": """
                sources:
                  aqui: {path: .}
                defaults: {source: aqui}
                """,
            "deployments/torre/prod.yaml": f"""
                deployments:
                  "Campana":
                    entrypoint: flows/sonar.py:sonar
                    description: {description}
                    schedules:
                      cada-4-horas: {{interval: 4h, anchor_date: "{anchor}"}}
                      noche: {{cron: "55 23 * * *"}}
                """,
            f"pools/{project}.yaml": "type: process\n",
            "flows/sonar.py": FLOW,
        },
    )


def runs(api: Api) -> list[Any]:
    deployment = api.deployment(KEY)["id"]
    return list(api.post("/flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}, "limit": 200}))


def times(api: Api) -> Counter[datetime]:
    return Counter(datetime.fromisoformat(run["expected_start_time"]) for run in runs(api))


def test_a_run_that_is_due_in_seconds_starts_once_and_the_others_stand_once(api: Api, tmp_path: Path) -> None:
    due = (datetime.now(UTC) + timedelta(seconds=65)).replace(microsecond=0)
    tool = Tool(
        root=repository(tmp_path / "r", "torre", first=due, description="Suena."), home=tmp_path / "h", url=api.url
    )
    tool.apply()
    wait_for("its coming runs", lambda: len(runs(api)) >= 6)
    before = times(api)
    assert due in before
    with worker("torre", home=tmp_path / "worker", url=api.url):
        wait_for("40 s before the run", lambda: datetime.now(UTC) > due - timedelta(seconds=40))
        repository(tmp_path / "r", "torre", first=due, description="Suena más fuerte.")
        result: Result = tool("apply", "--yes", "--json")
        ended = datetime.now(UTC)
        # A worker claims a run up to ten seconds early; from then on nothing wipes it.
        assert ended > due - timedelta(seconds=10)
        run = next(run for run in runs(api) if datetime.fromisoformat(run["expected_start_time"]) == due)
        assert run["state_type"] != "SCHEDULED"
        assert api.wait_for_run(run["id"])["state_type"] == "COMPLETED"
    assert result.code == 0, result.said
    assert [outcome["status"] for outcome in result.document["outcomes"]] == ["done"]
    assert result.document["warnings"] == []
    assert f"Waiting for the start of the run of {KEY}" in result.err
    after = times(api)
    assert set(after.values()) == {1}
    assert set(before) <= set(after)
    assert api.deployment(KEY)["description"] == "Suena más fuerte."


ALWAYS: Final = '{freeze: ["mon 00:00/sun 00:00", "sun 00:00/mon 00:00"], require: {branch: main, source: warn}}'


def test_a_frozen_environment_is_refused_with_its_reason_and_nothing_is_written(api: Api, tmp_path: Path) -> None:
    first = datetime.now(UTC) + timedelta(hours=1)
    root = repository(tmp_path / "r", "campanario", first=first, description="Suena.", rules=ALWAYS)
    tool = Tool(root=root, home=tmp_path / "h", url=api.url)
    for result in (tool("plan", "--json", "--env", "prod"), tool("apply", "--yes", "--json")):
        assert result.code == 1
        refusals = {refusal["code"]: refusal["message"] for refusal in result.document["refusals"]}
        assert "frozen until" in refusals["frozen"]
        assert "America/Argentina/Buenos_Aires" in refusals["frozen"]
        assert "git knows no commit" in refusals["require-branch"]
        assert "require-source" in {warning["code"] for warning in result.document["warnings"]}
        assert result.document.get("requests", {"write": 0, "lock": 0}) | {"read": 0} == {
            "read": 0,
            "write": 0,
            "lock": 0,
        }

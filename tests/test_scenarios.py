"""What stands on a server, what the files say, and the plan between the two.

A folder of tests/scenarios is a case:

    before/         a repository that was applied earlier; laid, as always, over tests/repositories/small
    tampering.json  requests that an operator makes in the UI afterwards: [{"method", "path", "body"}]. Where an id is
                    wanted, `<flow/name>` is the deployment's, `<flow/name#slug>` a schedule's, `<flow>` the flow's,
                    `<variable name>` a variable's, `<automation name>` an automation's
    repository/     the repository as it is now
    options.json    what the command line says: {"env": [], "area": [], "only": [], "adopt": [], "server": "http://…"};
                    "environ" holds environment variables
    plan.json       the plan expected, without what is empty and what differs from run to run

All but plan.json may be left out; without `before/` the server is empty, and with an empty before/remove.txt `small`
alone was applied. Each plan is applied, and after that nothing
must be left to do. Adding a case is adding a folder; its plan is then written by

    REWRITE=1 python -m pytest tests/test_scenarios.py

and has to be read before it is believed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pytest
from fake_gateway import FakeGateway
from jsonschema import Draft202012Validator
from small import copy_small, overlay

from reconcile.apply import apply
from reconcile.commands.options import filter_of
from reconcile.commands.permissions import add_permissions, permissions_of
from reconcile.commands.secret_values import secret_from_environment
from reconcile.commands.session import Observation, Session, observe, read_files
from reconcile.errors import ProblemsError
from reconcile.gateway.target import Target
from reconcile.plan import Outcome, Plan, Status
from reconcile.render.json import apply_document, plan_document
from reconcile.wire import Counts, Request, Snapshot

CASES = sorted(path for path in (Path(__file__).parent / "scenarios").iterdir() if path.is_dir())
SCHEMA: Any = json.loads((Path(__file__).parents[1] / "schemas" / "plan.schema.json").read_text(encoding="utf-8"))
SERVER = "http://127.0.0.1:4200/api"
COMMIT = "0123456789ab"
VOLATILE = frozenset({"format", "target", "fingerprint"})
IDENTITY = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
NAMED = re.compile(r"<([^>#]+)(?:#([^>]+))?>")

Json = dict[str, Any]


@dataclass(slots=True)
class Scenario:
    """A server, and the one folder that a person works in."""

    root: Path
    patch: pytest.MonkeyPatch
    server: FakeGateway = field(default_factory=FakeGateway)
    requests: int = 0

    def read(self) -> Snapshot:
        self.requests += 1
        return self.server.read()

    def rows(self, path: str, query: Mapping[str, Any] | None = None) -> tuple[Mapping[str, Any], ...]:
        self.requests += 1
        return self.server.rows(path, query)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        self.requests += 1
        return self.server.post(path, body)

    def get(self, path: str) -> Any:
        self.requests += 1
        return self.server.get(path)

    def write(self, request: Request) -> Mapping[str, Any]:
        return self.server.write(request)

    def check_out(self, files: Path) -> None:
        """Put the small repository into the folder, with other files over it."""
        if self.root.exists():
            shutil.rmtree(self.root)
        copy_small(self.root)
        if files.is_dir():
            overlay(files, self.root)

    def plan(self, options: Json) -> Observation:
        for name, value in options.get("environ", {}).items():
            self.patch.setenv(name, value)
        files = read_files(self.root)
        parser = ArgumentParser()
        add_permissions(parser)
        said = Namespace(**{"env": [], "area": [], "only": [], **vars(parser.parse_args([])), **options})
        session = Session(
            root=self.root,
            target=Target(url=options.get("server", SERVER), origin="the test"),
            embedded=options.get("embedded", False),
            reading=cast("Any", self),
            files=files,
            chosen=filter_of(said, files.repository),
            permissions=permissions_of(said),
        )
        return observe(session)

    def apply(self, found: Observation) -> list[Outcome]:
        secret = partial(secret_from_environment, self)
        known = found.observed
        return list(apply(found.plan, self, flows=known.flows, commit=COMMIT, ids=known.ids(), secret=secret))

    def tamper(self, requests: list[Json]) -> None:
        """Do what an operator does in the UI."""
        for request in requests:
            path, body = self._named(request["path"]), self._named(json.dumps(request.get("body", {})))
            self.server.write(Request(method=request["method"], path=path, body=json.loads(body)))
        self.server.requests.clear()

    def _named(self, text: str) -> str:
        return NAMED.sub(lambda match: self._id(match[1], match[2]), text)

    def _id(self, name: str, slug: str | None) -> str:
        snapshot = self.server.read()
        flows = {flow["name"]: flow["id"] for flow in snapshot.flows}
        besides = {f"variable {row['name']}": row["id"] for row in snapshot.variables}
        besides |= {f"automation {row['name']}": row["id"] for row in snapshot.automations}
        if name in besides:
            return str(besides[name])
        names = {flow_id: flow for flow, flow_id in flows.items()}
        deployments = {f"{names[row['flow_id']]}/{row['name']}": row for row in snapshot.deployments}
        if name not in deployments:
            return str(flows.get(name) or quote(name))
        row = deployments[name]
        return str(next((each["id"] for each in row["schedules"] if each["slug"] == slug), row["id"]))


def load(path: Path, default: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default


def told(plan: Plan, root: Path) -> Json:
    """The plan's document, without what is empty and what differs from run to run."""
    document = plan_document(plan)
    Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(document)
    for hold in document["holds"]:
        del hold["since"]  # asked of in tests/test_operators.py
    for orphan in document["orphans"]:
        orphan["next_run"] = "<time>" if orphan["next_run"] else None
    document["warnings"] = [warning["code"] for warning in document["warnings"]]
    document["summary"] = {name: number for name, number in document["summary"].items() if number}
    kept = {name: value for name, value in document.items() if value and name not in VOLATILE}
    text = json.dumps(kept, ensure_ascii=False).replace(root.as_posix(), "<root>")
    told: Json = json.loads(IDENTITY.sub("<id>", text))
    return told


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    monkeypatch.setenv("RECONCILE_CACHE", str(tmp_path / "cache"))
    return Scenario(root=tmp_path / "repository", patch=monkeypatch)


def arrange(case: Path, scenario: Scenario) -> Json:
    """The server as the case has it, and the repository as it is now. Answers the options."""
    options: Json = load(case / "options.json", {})
    if (case / "before").is_dir():
        scenario.check_out(case / "before")
        outcomes = scenario.apply(scenario.plan({"environ": options.get("environ", {})}))
        assert {outcome.status for outcome in outcomes} == {Status.DONE}
    scenario.tamper(load(case / "tampering.json", []))
    scenario.check_out(case / "repository")
    return options


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_plan_is_the_one_expected(case: Path, scenario: Scenario) -> None:
    found = scenario.plan(arrange(case, scenario))
    plan, expected = told(found.plan, scenario.root), case / "plan.json"
    if os.environ.get("REWRITE"):
        text = json.dumps(plan, ensure_ascii=False, indent=2)
        expected.write_text(f"{text}\n", encoding="utf-8", newline="\n")
    assert plan == load(expected, None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_after_the_plan_nothing_is_left_to_do(case: Path, scenario: Scenario) -> None:
    options = arrange(case, scenario)
    found = scenario.plan(options)
    if found.plan.refusals:
        return  # then nothing is applied: see test_a_refusal_writes_nothing
    outcomes = scenario.apply(found)
    assert [(str(outcome.key), outcome.error) for outcome in outcomes if outcome.status is not Status.DONE] == []
    document = apply_document(found.plan, outcomes, Counts(read=found.reads, write=len(scenario.server.requests)))
    Draft202012Validator(SCHEMA).validate(document)
    standing, written = scenario.server.read(), len(scenario.server.requests)
    again = scenario.plan(options)
    assert again.plan.changes == ()
    assert (again.plan.holds, again.plan.orphans) == (found.plan.holds, found.plan.orphans)
    assert scenario.apply(again) == []
    assert len(scenario.server.requests) == written
    assert scenario.server.read() == standing


REFUSED = [case for case in CASES if "refusals" in load(case / "plan.json", {})]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_refusal_names_its_way_out(case: Path, scenario: Scenario) -> None:
    found = scenario.plan(arrange(case, scenario))
    assert scenario.server.requests == []
    for refusal in found.plan.refusals:
        assert re.search(r"--[a-z-]+|remove|correct|set|rename|delete|add ", refusal.message)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_foreign_or_orphaned_is_not_touched(case: Path, scenario: Scenario) -> None:
    options = arrange(case, scenario)
    before = rows(scenario.server.read())
    found = scenario.plan(options)
    if not found.plan.refusals:
        scenario.apply(found)
    after = rows(scenario.server.read())
    left = {*found.plan.foreign, *(orphan.key for orphan in found.plan.orphans)}
    untouched = [one for key in left if (one := found.observed.standing(key)) is not None]
    assert len(untouched) == len(left)
    for resource in untouched:
        assert after[resource.id or ""] == before[resource.id or ""]


def rows(snapshot: Snapshot) -> dict[str, Mapping[str, Any]]:
    """What can carry a mark, by its id."""
    return {row["id"]: row for row in (*snapshot.deployments, *snapshot.variables, *snapshot.automations)}


def test_environments_of_two_servers_on_one_server_after_all(scenario: Scenario) -> None:
    """The embedded server takes every environment: entries of one name would overwrite each other there."""
    scenario.check_out(CASES[0].parent / "one-name-on-two-servers" / "repository")
    with pytest.raises(ProblemsError) as raised:
        scenario.plan({"embedded": True})
    assert [problem.code for problem in raised.value.problems] == ["deployment-twice"]
    assert scenario.plan({"embedded": True, "env": ["dev"]}).plan.refusals == ()

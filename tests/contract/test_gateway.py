"""The gateway's own part: pages, refusals and servers that are away, and which server it is that Prefect would take."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import builders as a
import pytest
from roundtrips import apply_all
from servers import RealServer, environment, free_port

from reconcile.apply import apply
from reconcile.errors import ServerAnswerError, ServerUnreachableError
from reconcile.gateway import reading
from reconcile.gateway.reading import Reading
from reconcile.gateway.target import Target, resolve
from reconcile.plan import Status
from reconcile.wire import Request

pytestmark = pytest.mark.contract


def test_what_is_read_page_by_page_is_what_is_read_at_once(real: RealServer, monkeypatch: pytest.MonkeyPatch) -> None:
    apply_all(a.state(*(a.deployment(f"d{number}", schedules=()) for number in range(7))), real)
    at_once, requests = real.read(), real.reading.requests
    monkeypatch.setattr(reading, "PAGE", 2)
    assert {row["id"]: row for row in real.read().deployments} == {row["id"]: row for row in at_once.deployments}
    assert real.reading.requests - requests >= 7


def test_a_refusal_says_what_was_asked_and_why(real: RealServer) -> None:
    with pytest.raises(ServerAnswerError) as caught:
        real.write(Request(method="PATCH", path="/work_pools/nonesuch", body={"description": "x"}))
    assert caught.value.status == 404
    assert "404 to PATCH /work_pools/nonesuch" in caught.value.message
    assert 'Work pool "nonesuch" not found' in caught.value.message


def test_a_server_that_is_away_is_told_by_its_address(shared_real: RealServer) -> None:
    from reconcile.gateway.writing import Writing

    target = Target(url=f"http://127.0.0.1:{free_port()}/api", origin="the tests")
    with Reading(target) as away, pytest.raises(ServerUnreachableError) as caught:
        away.read()
    assert str(target.url) in caught.value.message
    with Writing(target) as gone, pytest.raises(ServerUnreachableError):
        gone.write(Request(method="POST", path="/flows/", body={"name": "x"}))


def test_one_that_fails_stops_no_other_and_is_told_with_its_cause(real: RealServer) -> None:
    good, bad = a.deployment("good"), a.deployment("bad", job_variables={"env": 5})
    desired = a.state(bad, good)
    found, standing = a.compared(desired, real.read())
    outcomes = {
        str(outcome.key): outcome for outcome in apply(a.plan_of(found), real, flows=standing.flows, commit=a.COMMIT)
    }
    assert {key: outcome.status for key, outcome in outcomes.items()} == {
        "compras-prod": Status.DONE,
        "basic-flow/bad": Status.FAILED,
        "basic-flow/good": Status.DONE,
    }
    assert "env" in (outcomes["basic-flow/bad"].error or "")
    left, _ = a.compared(desired, real.read())
    assert [str(change.key) for change in left.changes] == ["basic-flow/bad"]


def test_what_needs_a_pool_that_could_not_be_made_is_skipped(real: RealServer) -> None:
    broken = a.pool(type_template={"variables": {"properties": {}}})
    found, standing = a.compared(a.state(broken, a.deployment()), real.read())
    outcomes = list(apply(a.plan_of(found), real, flows=standing.flows, commit=a.COMMIT))
    assert [outcome.status for outcome in outcomes] == [Status.FAILED, Status.SKIPPED]


PROFILES = """
active = "casa"
[profiles.casa]
PREFECT_API_URL = "http://casa.example:4200/api"
PREFECT_API_AUTH_STRING = "user:of-casa"
[profiles.planta]
PREFECT_API_URL = "http://planta.example:4200/api"
PREFECT_API_REQUEST_TIMEOUT = 7.5
"""


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"PREFECT_PROFILE": "planta"},
        {"PREFECT_API_URL": "http://otra.example/api"},
        {"PREFECT_PROFILE": "planta", "PREFECT_API_REQUEST_TIMEOUT": "3", "PREFECT_API_KEY": "pnu_x"},
    ],
    ids=["the active profile", "another profile", "the environment", "both"],
)
def test_the_server_is_the_one_that_prefect_itself_takes(said: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text(PROFILES, encoding="utf-8")
    environ = {**environment(tmp_path), **said}
    code = (
        "import json; from prefect.settings import get_current_settings as s; a = s().api; "
        "secret = lambda v: v and v.get_secret_value(); "
        "print(json.dumps([a.url, secret(a.key), secret(a.auth_string), a.request_timeout]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=tmp_path, capture_output=True, check=True, encoding="utf-8"
    )
    found = resolve(environ, tmp_path)
    assert [found.url, found.key, found.auth, found.timeout] == json.loads(done.stdout)

"""Watchdog and notify on a real server with short times: what is stuck is cancelled, what failed is told of by mail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Final
from urllib.parse import quote

import pytest
from end_to_end.api import Api
from end_to_end.tool import Tool, wait_for, worker, write_tree
from mail_server import PASSWORD, USER, MailServer
from servers import prefect_server

pytestmark = pytest.mark.e2e

PATIENCE: Final = 240.0
"""Seconds for a run, or for what it leads to: importing Prefect alone takes a while where much else runs."""
TO: Final = "ana@empresa.example"

SOON: Final = {
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "1",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
}

WATCHED: Final = {
    "prefect.yaml": """
        name: guardia
        prefect-version: 3.8.8
        """,
    "deployments/environments.yaml": """
        default_timezone: America/Argentina/Buenos_Aires
        environments:
          prod: {work_pool: guardia, allow_pools: {turnos: [sin-nadie]}}
        """,
    "deployments/shared.yaml": """
        sources:
          aqui: {path: .}
        defaults:
          watchdog: {late: 5m, running: 10s}
          notify: {on: [failed], block: slack-webhook/avisos}
        """,
    "deployments/turnos/prod.yaml": """
        defaults: {source: aqui}
        deployments:
          "Ronda": {entrypoint: "flows/ronda.py:ronda"}
          "Puesto vacío": {entrypoint: "flows/ronda.py:ronda", work_pool: sin-nadie, watchdog: {late: 10s}}
          "Sin guardia": {entrypoint: "flows/ronda.py:ronda", watchdog: null, notify: null}
        """,
    "pools/guardia.yaml": "type: process\n",
    "pools/sin-nadie.yaml": "type: process\n",
    "flows/ronda.py": """
        import time

        from prefect import flow
        from prefect.events import emit_event
        from prefect.runtime import flow_run


        @flow
        def ronda(segundos: int = 0, falla: bool = False) -> str:
            for _ in range(segundos):
                emit_event("prefect.flow-run.heartbeat", resource={"prefect.resource.id": f"prefect.flow-run.{flow_run.id}"})
                time.sleep(1)
            if falla:
                raise RuntimeError("No abre la puerta ñ")
            return "sin novedad"
        """,
}
"""A run that hangs goes on to give signs of life, which are no end of it."""

LATE: Final = "guardia/prod/watchdog-late-10s"
LATE_LONG: Final = "guardia/prod/watchdog-late-5m"
RUNNING: Final = "guardia/prod/watchdog-running-10s"
CLEARED: Final = "guardia/prod/watchdog-cancelling"
FAILED: Final = "guardia/prod/notify-failed-slack-webhook-avisos"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A server with its watchdogs, and the mail server that it tells failures by."""

    tool: Tool
    api: Api
    mail: MailServer

    def automations(self) -> dict[str, Any]:
        return {row["name"]: row for row in self.api.post("/automations/filter", {})}


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """The files are applied, and a worker runs from then on for one of the two pools."""
    folder = tmp_path_factory.mktemp("guardia")
    with ExitStack() as stack:
        mail = stack.enter_context(MailServer(folder))
        settings = {**SOON, "SSL_CERT_FILE": str(mail.authority)}
        url = stack.enter_context(prefect_server(folder / "server", settings))
        api = stack.enter_context(Api(url, folder / "server"))
        api.make_notifier("avisos", f"mailtos://{quote(USER, safe='')}:{PASSWORD}@127.0.0.1:{mail.port}/?{_mailing()}")
        tool = Tool(root=write_tree(folder / "files", WATCHED), home=folder / "home", url=url)
        tool.apply()
        stack.enter_context(worker("guardia", home=folder / "worker", url=url))
        yield Guard(tool=tool, api=api, mail=mail)


def _mailing() -> str:
    return f"smtp=127.0.0.1&mode=starttls&from={quote(USER, safe='')}&to={quote(TO, safe='')}"


def test_what_is_late_or_hangs_is_cancelled_what_fails_is_told_and_the_rest_goes_on(guard: Guard) -> None:
    api = guard.api
    every = {
        "ordinary": api.start_run("ronda/Ronda", segundos=1),
        "unwatched": api.start_run("ronda/Sin guardia", segundos=15),
    }
    ended = {name: api.wait_for_run(run, timeout=PATIENCE) for name, run in every.items()}
    ended["failed"] = _told(guard)
    ended["hangs"] = _cancelled(api, "ronda/Ronda", segundos=600)
    ended["late"] = _cancelled(api, "ronda/Puesto vacío")

    assert {name: run["state_type"] for name, run in ended.items()} == {
        "late": "CANCELLED",
        "hangs": "CANCELLED",
        "ordinary": "COMPLETED",
        "failed": "FAILED",
        "unwatched": "COMPLETED",
    }
    states = [state["name"] for state in api.get(f"/flow_run_states/?flow_run_id={ended['late']['id']}")]
    assert "Late" in states
    assert "Running" not in states
    assert 10 <= ended["hangs"]["total_run_time"] < 120
    assert ended["unwatched"]["total_run_time"] >= 15, "longer than the watchdog of the others has it"
    told = [(recipients, mail["Subject"], _text(mail)) for recipients, mail in guard.mail.mails]
    names = {
        row["name"] for row in api.post("/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["FAILED"]}}}})
    }
    for recipients, subject, text in told:  # Prefect sends once more where it was too busy to note that it had sent
        assert (recipients, subject) == ([TO], "Failed: ronda/Ronda"), told
        assert any(f"The run {name} of ronda/Ronda is Failed." in text for name in names), told
        assert "No abre la puerta ñ" in text, told


def _cancelled(api: Api, key: str, **parameters: Any) -> Any:
    """A run at its end, which a watchdog brought about; at the third try at the latest.

    Where SQLite is locked four times in a row, Prefect throws the event of a run away, and no automation learns of it.
    """
    for _ in range(2):
        run = api.start_run(key, **parameters)
        try:
            return api.wait_for_run(run, timeout=PATIENCE / 3)
        except AssertionError:
            api.post(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})
    return api.wait_for_run(api.start_run(key, **parameters), timeout=PATIENCE)


def _told(guard: Guard) -> Any:
    """A run that failed, once a mail has come; at the third try at the latest, as above."""
    for patience in (PATIENCE / 3, PATIENCE / 3, PATIENCE):
        run = guard.api.wait_for_run(guard.api.start_run("ronda/Ronda", falla=True), timeout=PATIENCE)
        try:
            wait_for("a mail", lambda: guard.mail.mails, timeout=patience)
        except AssertionError:
            continue
        return run
    raise AssertionError("no mail came of three runs that failed")


def _text(mail: EmailMessage) -> str:
    body = mail.get_body(preferencelist=("plain", "html"))
    assert body is not None
    return str(body.get_content())


def test_a_second_apply_writes_nothing(guard: Guard) -> None:
    before = guard.automations()
    assert before.keys() == {LATE, LATE_LONG, RUNNING, CLEARED, FAILED}
    again = guard.tool.apply()
    assert (again["changes"], again["requests"]["write"]) == ([], 0)
    assert guard.automations() == before, "not even the triggers' ids"

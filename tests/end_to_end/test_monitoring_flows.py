"""The flows that watch: deployed by this repository's own files, run by a worker, with real failures and a real mail server."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from end_to_end.api import Api
from end_to_end.tool import PROJECT, Result, Tool, run, wait_for, worker, write_tree
from mail_server import PASSWORD, USER, MailServer
from prefect.utilities.callables import parameter_schema
from report_rows import run_row
from servers import environment, prefect_server

from flows.monitoring.periodic_report import periodic_report
from flows.monitoring.runs import runs
from flows.operations.health import health
from flows.operations.schedule_runs import schedule_runs

pytestmark = pytest.mark.e2e

ZONE: Final = ZoneInfo("America/Argentina/Buenos_Aires")
CLEAN: Final = {"PYTHONDONTWRITEBYTECODE": "1"}
"""Nothing is to be left in the repository."""

LATE_SOON: Final = {
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "1",
}

PATIENCE: Final = 400.0
"""Seconds for a run: importing Prefect alone takes a while where much else runs."""

REPORT: Final = "periodic-report/Reporte de fallas-dev"
SCHEDULE: Final = "schedule-runs/Programar ejecuciones-dev"
TAG: Final = "Programado por script"
HOSTILE: Final = '<script>alert("x")</script><img src=x onerror=alert(1)>'
TO: Final = ["ana@empresa.example", "beto@empresa.example"]
NOBODY: Final = "nadie@empresa.example"

SHOP: Final = {
    "prefect.yaml": """
        name: taller
        prefect-version: 3.8.8
        """,
    "deployments/environments.yaml": """
        default_timezone: America/Argentina/Buenos_Aires
        environments:
          prod: {work_pool: taller, allow_pools: {muebles: [parado]}}
        """,
    "deployments/shared.yaml": """
        sources:
          aqui: {path: .}
        """,
    "deployments/muebles/prod.yaml": """
        defaults: {source: aqui}
        deployments:
          "Lijar": {entrypoint: "flows/lijar.py:lijar"}
          "Nadie lo corre": {entrypoint: "flows/lijar.py:lijar", work_pool: parado}
        """,
    "pools/taller.yaml": "type: process\n",
    "pools/parado.yaml": "type: process\n",
    "flows/lijar.py": """
        import os

        from prefect import flow


        @flow
        def lijar(como: str = "bien", grano: int = 80) -> None:
            if como == "mal":
                raise ValueError("se rompió la lija: https://usuario:clave-de-la-lija@lijas.example")
            if como == "peor":
                os._exit(3)
        """,
}
"""Another repository, whose runs fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A server where runs failed, and a mail server."""

    api: Api
    home: Path
    mail: MailServer
    coming: list[Any]
    """The runs of the report in prod that the server scheduled."""

    def call(self, code: str) -> Result:
        """Python of somebody who uses the flows' functions, in the root of this repository."""
        own = {**CLEAN, "SSL_CERT_FILE": str(self.mail.authority)}
        environ = {**environment(self.home / "person", self.api.url), **own}
        return run([sys.executable, "-c", code], environ=environ, folder=PROJECT)

    def worker(self, pool: str) -> Any:
        settings = {**CLEAN, "SSL_CERT_FILE": str(self.mail.authority)}
        return worker(pool, home=self.home / "worker", url=self.api.url, settings=settings)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("vigilancia")
    home = folder / "home"
    Tool(root=PROJECT, home=home, settings=CLEAN).apply("--local", "--area", "monitoreo", "--area", "operaciones")
    shop = write_tree(folder / "taller", SHOP)
    Tool(root=shop, home=home, settings=CLEAN).apply("--local")
    with (
        MailServer(folder, refused=[NOBODY]) as mail,
        prefect_server(home, LATE_SOON) as url,
        Api(url, home) as api,
    ):
        api._make_block("email-server-credentials", "correo", mail.block())
        api.post("/variables/", {"name": "reporte_destinatarios", "value": TO})
        coming = api.wait_for_scheduled("periodic-report/Reporte de fallas", 6)
        _pause_prod(api)
        yield Ground(api=api, home=folder, mail=mail, coming=coming)


def _pause_prod(api: Api) -> None:
    """No worker is there for it: each half hour a run of its schedules would be late, and be counted."""
    for row in api.post("/deployments/filter", {"limit": 200}):
        if any(tag.startswith("managed-by:prefect-deploys/") and tag.endswith("/prod") for tag in row["tags"]):
            api.patch(f"/deployments/{row['id']}", {"paused": True})


@pytest.fixture(scope="module")
def failures(ground: Ground) -> dict[str, Any]:
    """Runs of every kind, each with the state that it ended in: two that failed, and one of each other kind."""
    api = ground.api
    shop, idle = (api.deployment(f"lijar/{name}")["id"] for name in ("Lijar", "Nadie lo corre"))

    def start(deployment: str, **body: Any) -> str:
        return str(api.post(f"/deployments/{deployment}/create_flow_run", body)["id"])

    made = {
        "good": start(shop),
        "failed": start(shop, name=HOSTILE, parameters={"como": "mal"}),
        "failed-too": start(shop, parameters={"como": "mal"}),
        "crashed": start(shop, parameters={"como": "peor"}),
        "late": start(idle),
        "cancelled": start(idle),
    }
    with ground.worker("taller"):
        ended = {
            key: api.wait_for_run(made[key], timeout=PATIENCE) for key in ("good", "failed", "failed-too", "crashed")
        }
    for key in ("late", "cancelled"):
        wait_for(key, lambda key=key: api.get(f"/flow_runs/{made[key]}")["state_name"] == "Late")
    state = {"type": "CANCELLED", "name": "Cancelled", "message": "nadie la corre"}
    api.post(f"/flow_runs/{made['cancelled']}/set_state", {"state": state})
    return {**ended, **{key: api.get(f"/flow_runs/{made[key]}") for key in ("late", "cancelled")}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The run of a report, and its mail."""

    run: Any
    recipients: list[str]
    message: EmailMessage
    said: str

    @property
    def parts(self) -> dict[str, str]:
        return {part.get_content_type(): part.get_content() for part in self.message.iter_parts()}


@pytest.fixture(scope="module")
def reported(ground: Ground, failures: dict[str, Any]) -> Reported:
    """The report of this repository's own deployment, run by a worker."""
    with ground.worker("pool-dev"):
        ended = ground.api.wait_for_run(
            ground.api.start_run(REPORT, periodo="dia", interfaz="http://prefect.example:442/"), timeout=PATIENCE
        )
    assert ended["state_name"] == "Completed", f"{ended['state']['message']}\n{ground.api.logs(ended['id'])}"
    [(recipients, message)] = ground.mail.mails
    return Reported(run=ended, recipients=recipients, message=message, said=ground.api.logs(ended["id"]))


def test_the_runs_did_end_as_they_should(failures: dict[str, Any]) -> None:
    assert {key: found["state_name"] for key, found in failures.items()} == {
        "good": "Completed",
        "failed": "Failed",
        "failed-too": "Failed",
        "crashed": "Crashed",
        "late": "Late",
        "cancelled": "Cancelled",
    }


def test_the_rows_of_tests_and_benchmarks_have_the_fields_of_real_ones(failures: dict[str, Any]) -> None:
    real, made = failures["failed"], run_row(1, "Failed", datetime.now(ZONE))
    assert set(made) == set(real)
    assert {"type", "name", "message", "timestamp"} <= set(real["state"])


def test_the_report_goes_to_those_of_the_variable_as_html_and_text(reported: Reported) -> None:
    assert reported.recipients == TO
    assert reported.message["From"] == USER
    assert re.fullmatch(r"Prefect: 5 fallas en el reporte del día \(\d\d/\d\d/\d{4}\)", reported.message["Subject"])
    assert list(reported.parts) == ["text/plain", "text/html"]


def test_the_report_counts_what_happened(reported: Reported) -> None:
    text = reported.parts["text/plain"]
    assert "6 ejecuciones en el período: 5 fallas (83,3\u00a0%)." in text
    assert "2 fallidas, 1 caída, 1 cancelada, 1 atrasada" in text
    assert "muebles · prod: 5 de 6" in text
    assert "Lijar (lijar, muebles · prod): 3 de 4; 2 fallidas, 1 caída; media " in text
    assert "Nadie lo corre (lijar, muebles · prod): 2 de 2; 1 cancelada, 1 atrasada; no llegó a correr" in text


def test_the_report_links_to_every_failed_run(reported: Reported, failures: dict[str, Any]) -> None:
    for key in ("failed", "failed-too", "crashed", "late", "cancelled"):
        address = f"http://prefect.example:442/runs/flow-run/{failures[key]['id']}"
        assert all(address in part for part in reported.parts.values())


def test_a_hostile_name_is_only_text(reported: Reported) -> None:
    html = reported.parts["text/html"]
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;" in html
    assert "<script" not in html
    assert "<img" not in html


def test_passwords_are_in_neither_mail_nor_logs(reported: Reported, ground: Ground) -> None:
    told = [*reported.parts.values(), reported.said, ground.api.everything()]
    assert not any(PASSWORD in one for one in told)
    assert not any("clave-de-la-lija" in part for part in reported.parts.values())


def test_its_log_says_what_was_sent_to_whom(reported: Reported) -> None:
    assert f"Sent to {', '.join(TO)}: Prefect: 5 fallas" in reported.said


BROKEN: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "no block": ({"bloque": "no-existe"}, "the block email-server-credentials/no-existe cannot be read"),
    "refused recipient": ({"destinatarios": [TO[0], NOBODY]}, f"550 {NOBODY}: 5.1.1 No such mailbox"),
    "wrong password": ({"bloque": "otra-clave"}, "refuses the user or password of the block"),
    "nobody listens": ({"bloque": "apagado"}, "cannot be used"),
    "bad address": ({"destinatarios": ["ana en empresa"]}, "no mail address: 'ana en empresa'"),
    "no sender": ({"bloque": "sin-usuario"}, "Give the sender in `remitente`"),
}


@pytest.fixture(scope="module")
def broken(ground: Ground, reported: Reported) -> dict[str, str]:
    """Reports that cannot be sent, called as functions, and what each raised."""
    api, mail = ground.api, ground.mail
    api._make_block("email-server-credentials", "otra-clave", mail.block(password="otra"))
    api._make_block("email-server-credentials", "apagado", mail.block(smtp_port=9))
    api._make_block("email-server-credentials", "sin-usuario", {**mail.block(), "username": None})
    before = len(mail.mails)
    calls = json.dumps({name: parameters for name, (parameters, _) in BROKEN.items()})
    result = ground.call(f"""
import asyncio, json
from flows.monitoring.mail import MailError
from flows.monitoring.periodic_report import periodic_report

async def call(parameters):
    try:
        await periodic_report(**parameters)
    except MailError as error:
        return str(error)

print(json.dumps({{name: asyncio.run(call(parameters)) for name, parameters in json.loads({calls!r}).items()}}))
""")
    assert result.code == 0, result.said
    assert len(mail.mails) == before
    told: dict[str, str] = json.loads(result.out.splitlines()[-1])
    return told


@pytest.mark.parametrize("name", BROKEN)
def test_a_report_that_cannot_be_sent_fails_with_one_message(name: str, broken: dict[str, str]) -> None:
    assert broken[name].startswith("No mail was sent: ")
    assert BROKEN[name][1] in broken[name]
    assert "\n" not in broken[name]


# As they are deployed


@pytest.mark.parametrize(
    ("flow", "key"),
    [
        (periodic_report, REPORT),
        (runs, "runs/Ejecuciones del período-dev"),
        (health, "health/Salud del servidor-dev"),
        (schedule_runs, SCHEDULE),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_the_signature_that_was_read_is_that_of_prefect(flow: Any, key: str, ground: Ground) -> None:
    standing = ground.api.deployment(key)["parameter_openapi_schema"]
    assert {"definitions": {}, **standing} == parameter_schema(flow).model_dump_for_openapi()


def test_the_report_comes_every_night_and_every_sunday_night(ground: Ground) -> None:
    times: dict[str, list[datetime]] = {"dia": [], "semana": []}
    for one in ground.coming:
        times[one["parameters"]["periodo"]].append(datetime.fromisoformat(one["expected_start_time"]).astimezone(ZONE))
    assert all((at.hour, at.minute) == (23, 55) for found in times.values() for at in found)
    assert {at.weekday() for at in times["semana"]} == {6}
    days = sorted(times["dia"])
    assert len(days) >= 3
    assert all(after - before == timedelta(days=1) for before, after in pairwise(days))


# As functions


def _all_made(api: Api, path: str, bodies: Any) -> bool:
    """Not so while SQLite is busy; the keys keep it from making one twice."""
    return all(one["status"] == "CREATED" for one in api.post(path, bodies)["results"])


@pytest.mark.long
def test_runs_are_read_beyond_a_page(ground: Ground, broken: dict[str, str]) -> None:
    """210 more, that are due long after this test."""
    shop = ground.api.deployment("lijar/Lijar")["id"]
    at = datetime(2090, 1, 5, 12, 0, tzinfo=UTC)
    for first in range(0, 210, 70):
        bodies: Any = [
            {
                "idempotency_key": f"lejano-{n}",
                "state": {
                    "type": "SCHEDULED",
                    "state_details": {"scheduled_time": (at + timedelta(seconds=n)).isoformat()},
                },
            }
            for n in range(first, first + 70)
        ]
        wait_for("70 runs", partial(_all_made, ground.api, f"/deployments/{shop}/create_flow_run/bulk", bodies))
    code = """
import asyncio, json
from datetime import datetime
from flows.monitoring.runs import runs_between

day = datetime(2090, 1, 5), datetime(2090, 1, 6)
found = asyncio.run(runs_between(*day))
none = asyncio.run(runs_between(*day, states=["failed", "Crashed"]))
late = asyncio.run(runs_between(datetime(2090, 1, 5, 9), datetime(2090, 1, 5, 9, 0, 9), states=["scheduled"]))
print(json.dumps([len(found), len({run.id for run in found}), len(none), len(late), str(found[-1].due), str(found[0].due)]))
"""
    result = ground.call(code)
    assert result.code == 0, result.said
    expected = [210, 210, 0, 10, "2090-01-05 09:00:00-03:00", "2090-01-05 09:03:29-03:00"]
    assert json.loads(result.out.splitlines()[-1]) == expected


def test_runs_are_told_by_state(ground: Ground, failures: dict[str, Any]) -> None:
    code = """
import asyncio, json
from datetime import datetime, timedelta
from flows.common.server import ZONE
from flows.monitoring.runs import runs_between

now = datetime.now(ZONE)
found = asyncio.run(runs_between(now - timedelta(hours=2), now, states=["crashed", "Late", "cancelled"]))
print(json.dumps(sorted([run.id, run.state] for run in found)))
"""
    result = ground.call(code)
    assert result.code == 0, result.said
    expected = sorted([failures[key]["id"], key.capitalize()] for key in ("crashed", "late", "cancelled"))
    assert json.loads(result.out.splitlines()[-1]) == expected


def schedule(ground: Ground, deployment: str, times: list[str], parameters: dict[str, Any] | None = None) -> Result:
    arguments = json.dumps([deployment, times, parameters])
    return ground.call(f"""
import asyncio, json, sys
from flows.operations.schedule_runs import ScheduleError, schedule

deployment, times, parameters = json.loads({arguments!r})
try:
    found = asyncio.run(schedule(deployment, times, parameters))
except ScheduleError as error:
    sys.exit(str(error))
print(json.dumps([[run.id, run.at.isoformat(), run.is_new, run.same_parameters] for run in found]))
""")


def scheduled_by_script(ground: Ground) -> list[Any]:
    found: list[Any] = ground.api.post("/flow_runs/filter", {"flow_runs": {"tags": {"all_": [TAG]}}})
    return found


def test_runs_are_scheduled_once_however_often_it_is_asked(ground: Ground) -> None:
    year = datetime.now(ZONE).year + 1
    times = [f"{year}-12-24 08:30", f"25/12/{year} 08:30", f"{year}-12-24T11:30:00Z"]
    first, second = (schedule(ground, "lijar/Lijar", times, {"grano": 120}) for _ in range(2))
    assert first.code == second.code == 0, first.said + second.said
    made, again = (json.loads(result.out.splitlines()[-1]) for result in (first, second))
    assert [row[1] for row in made] == [f"{year}-12-24T08:30:00-03:00", f"{year}-12-25T08:30:00-03:00"]
    assert [row[2] for row in made] == [True, True]
    assert again == [[row[0], row[1], False, True] for row in made]
    standing = {row["id"]: row for row in scheduled_by_script(ground)}
    for run_id, at, _, _ in made:
        row = standing[run_id]
        assert datetime.fromisoformat(row["expected_start_time"]) == datetime.fromisoformat(at)
        assert (row["parameters"]["grano"], row["parameters"].get("como")) == (120, None)
        assert {TAG, "managed-by:taller/muebles/prod"} <= set(row["tags"])
        assert row["state_type"] == "SCHEDULED"
    changed = json.loads(schedule(ground, "lijar/Lijar", times, {"grano": 40}).out.splitlines()[-1])
    assert [row[2:] for row in changed] == [[False, False], [False, False]]
    assert ground.api.get(f"/flow_runs/{made[0][0]}")["parameters"]["grano"] == 120


@pytest.mark.parametrize(
    ("deployment", "times", "parameters", "told"),
    [
        ("Lijar", ["2099-01-01 08:30", "el lunes"], {}, "line 2, 'el lunes': a date and a time are expected"),
        ("Lijar", ["2099-01-01 08:30", "2020-01-01 08:30"], {}, "line 2, '2020-01-01 08:30': it is past"),
        ("Lijar", ["2099-01-01 08:30"], {"grano": "fino"}, "grano: 'fino' is not of type 'integer'"),
        ("Lijar", ["2099-01-01 08:30"], {"gramo": 1}, "takes no parameter gramo; it takes: como, grano"),
        ("Pintar", ["2099-01-01 08:30"], {}, "the server has no deployment 'Pintar'"),
        ("flujo/Lijar", ["2099-01-01 08:30"], {}, "the server has no deployment 'flujo/Lijar'"),
        ("Dos veces", ["2099-01-01 08:30"], {}, "2 deployments are called 'Dos veces'. Write flow/name"),
    ],
)
def test_nothing_is_scheduled_of_a_list_that_is_wrong(
    deployment: str, times: list[str], parameters: dict[str, Any], told: str, ground: Ground
) -> None:
    if deployment == "Dos veces":
        for flow in ("uno", "otro"):
            ground.api.make_deployment(flow, deployment)
    before = len(scheduled_by_script(ground))
    result = schedule(ground, deployment, times, parameters)
    assert result.code == 1
    assert told in result.err.splitlines()[-1]
    assert "Traceback" not in result.err
    assert len(scheduled_by_script(ground)) == before


def test_a_server_that_fails_half_way_is_left_with_none_of_the_runs(ground: Ground) -> None:
    """The answer to the third request is lost: what it made is taken back, and what the first two did."""
    before = len(scheduled_by_script(ground))
    times = [f"2097-05-0{day} 08:30" for day in range(1, 6)]
    result = ground.call(f"""
import asyncio
import httpx
from prefect.client.orchestration import PrefectClient
from flows.operations.schedule_runs import ScheduleError, schedule

asked, request = [], PrefectClient.request

async def broken(self, method, path, **rest):
    answer = await request(self, method, path, **rest)
    if path.endswith("create_flow_run"):
        asked.append(answer.status_code)
        if len(asked) == 3:
            raise httpx.ReadError("gone")
    return answer

PrefectClient.request = broken
try:
    asyncio.run(schedule("Lijar", {times!r}))
except ScheduleError as error:
    print(asked, error)
""")
    told = "[201, 201, 201] Nothing was scheduled: the server does not answer: gone"
    assert result.out.splitlines()[-1] == told, result.said
    assert len(scheduled_by_script(ground)) == before


@pytest.mark.long
def test_they_run_as_deployed_and_fail_loudly(ground: Ground) -> None:
    """Where there is no worker, or no such pool, a time that is none, a mail server that refuses."""
    api, before = ground.api, len(ground.mail.mails)
    with ground.worker("pool-dev") as log:
        wait_for("the worker", lambda: "started" in log.read_text(encoding="utf-8", errors="replace"))
        started = {
            "healthy": api.start_run("health/Salud del servidor-dev"),
            "lonely": api.start_run("health/Salud del servidor-dev", pools=["pool-dev", "parado"]),
            "unsent": api.start_run(REPORT, destinatarios=[TO[0], NOBODY]),
            "scheduled": api.start_run(SCHEDULE, deployment="Lijar", times=["2098-03-01 06:00"]),
            "refused": api.start_run(SCHEDULE, deployment="Lijar", times=["2098-03-01 07:00", "nunca"]),
            "counted": api.start_run("runs/Ejecuciones del período-dev", hours=3),
        }
        ended = {name: api.wait_for_run(one, timeout=PATIENCE) for name, one in started.items()}
    states = {name: (row["state_type"], row["state"]["message"] or "") for name, row in ended.items()}
    assert {name for name, (state, _) in states.items() if state == "COMPLETED"} == {"healthy", "scheduled", "counted"}
    assert "No worker is online in: parado" in states["lonely"][1]
    assert f"MailError: No mail was sent: 127.0.0.1:{ground.mail.port} refuses it (550 {NOBODY}" in states["unsent"][1]
    assert len(ground.mail.mails) == before
    assert "line 2, 'nunca': a date and a time are expected" in states["refused"][1]
    assert "pool-dev: worker-pool-dev (heard at " in api.logs(ended["healthy"]["id"])
    assert "'Crashed': 1" in api.logs(ended["counted"]["id"])
    times = {row["expected_start_time"][:16] for row in scheduled_by_script(ground)}
    assert "2098-03-01T09:00" in times
    assert "2098-03-01T10:00" not in times


def test_health_tells_of_a_pool_that_there_is_not(ground: Ground) -> None:
    result = ground.call("""
import asyncio, sys
from flows.operations.health import UnhealthyError, look
try:
    asyncio.run(look(["parado", "perdido"]))
except UnhealthyError as error:
    sys.exit(str(error))
""")
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("The server has no work pool perdido; it has: ")


def test_health_tells_of_an_api_that_does_not_answer(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from flows.operations.health import UnhealthyError, look
try:
    asyncio.run(look())
except UnhealthyError as error:
    sys.exit(str(error))
"""
    environ = {**environment(tmp_path, "http://127.0.0.1:9/api"), **CLEAN, "PREFECT_CLIENT_MAX_RETRIES": "0"}
    result = run([sys.executable, "-c", code], environ=environ, folder=PROJECT)
    assert result.code == 1
    assert "The API at http://127.0.0.1:9/api" in result.err.splitlines()[-1]
    assert "does not answer" in result.err

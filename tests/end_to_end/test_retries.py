"""Requests that change something are sent again only where that is safe, and what is said of them is the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
from end_to_end.loopback import Answer, Asked, Loopback
from servers import environment, free_port

from reconcile.errors import ServerAnswerError, ServerError, ServerUnreachableError
from reconcile.gateway.contact import PATIENCE, Contact
from reconcile.gateway.reading import Reading
from reconcile.gateway.target import Target
from reconcile.wire import Request

pytestmark = pytest.mark.e2e

MADE: Final = Answer(status=201, body=b'{"id": "7"}', headers={"Content-Type": "application/json"})
NOTHING: Final = Answer(status=204)
SILENCE: Final = Answer(status=0)

POOL: Final = Request(method="POST", path="/work_pools/", body={"name": "p"})
QUEUE: Final = Request(method="POST", path="/work_pools/p/queues", body={"name": "q"})
FLOW: Final = Request(method="POST", path="/flows/", body={"name": "f"})
DEPLOYMENT: Final = Request(method="POST", path="/deployments/", body={"name": "d", "flow_id": "3", "version": "v1"})
VARIABLE: Final = Request(method="POST", path="/variables/", body={"name": "v"})
CHANGE: Final = Request(method="PATCH", path="/deployments/7", body={"paused": True})
DELETE: Final = Request(method="DELETE", path="/deployments/7")


def refusal(status: int, **headers: str) -> Answer:
    return Answer(status=status, body=json.dumps({"detail": f"no: {status}"}).encode(), headers=headers)


@pytest.fixture
def pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, which take no time here. Prefect is imported with a home of its own."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    from reconcile.gateway import contact

    made: list[float] = []

    class Time:
        sleep = staticmethod(made.append)
        monotonic = staticmethod(lambda: sum(made))

    monkeypatch.setattr(contact, "time", Time)
    return made


@pytest.fixture
def send(pauses: list[float]) -> Callable[..., tuple[Any, int]]:
    """Send a request to a server that gives those answers one after the other, the last one for ever."""
    from reconcile.gateway.writing import Writing

    def sent(request: Request, *answers: Answer, standing: Any = ()) -> tuple[Any, int]:
        """`standing` are the deployments that it has when it is asked."""
        left = list(answers)

        def answer(asked: Asked) -> Answer:
            if "/csrf-token" in asked.path:  # which the SDK asks for first
                return refusal(404)
            if asked.path.endswith("/deployments/filter"):
                return Answer(body=json.dumps(standing).encode(), headers={"Content-Type": "application/json"})
            return left.pop(0) if len(left) > 1 else left[0]

        with Loopback(answer) as server, Writing(Target(url=server.url, origin="the test")) as writing:
            try:
                found: Any = writing.write(request)
            except (ServerAnswerError, ServerUnreachableError) as error:
                found = error
            tries = [asked for asked in server.asked if asked.path == f"/api{request.path}"]
            assert writing.requests == len(tries)
            assert {(asked.method, asked.body) for asked in tries} == {(request.method, tries[0].body)}
            return found, len(tries)

    return sent


EVERY: Final = [POOL, QUEUE, FLOW, DEPLOYMENT, VARIABLE, CHANGE, DELETE]


@pytest.mark.parametrize("request_", EVERY, ids=lambda request: f"{request.method} {request.path}")
@pytest.mark.parametrize(
    "stumble", [*map(refusal, (429, 502, 503, 504)), SILENCE], ids=lambda answer: str(answer.status)
)
def test_a_server_that_stumbles_twice_is_asked_again(
    stumble: Answer, request_: Request, send: Any, pauses: list[float]
) -> None:
    """The very first request too: a server that was read a moment ago is there."""
    well = MADE if request_.method == "POST" else NOTHING
    answer, tries = send(request_, stumble, stumble, well)
    assert answer == ({"id": "7"} if request_.method == "POST" else {})
    assert tries == 3
    assert 0.1 <= pauses[0] <= 0.3
    assert 0.25 <= pauses[1] <= 0.75


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500])
@pytest.mark.parametrize("request_", EVERY, ids=lambda request: f"{request.method} {request.path}")
def test_a_refusal_is_final(status: int, request_: Request, send: Any) -> None:
    answer, tries = send(request_, refusal(status))
    assert isinstance(answer, ServerAnswerError)
    assert (answer.status, tries) == (status, 1)


def test_it_ends_after_six_tries(send: Any, pauses: list[float]) -> None:
    answer, tries = send(CHANGE, refusal(503))
    assert (answer.status, tries, len(pauses)) == (503, 6, 5)
    answer, tries = send(CHANGE, SILENCE)
    assert isinstance(answer, ServerUnreachableError)
    assert tries == 6


@pytest.mark.parametrize("lost", [SILENCE, refusal(502), refusal(504)], ids=lambda answer: str(answer.status))
def test_a_deployment_that_an_earlier_try_made_is_not_made_again(lost: Answer, send: Any) -> None:
    """Its schedules would be made anew, and a run of the old ones can be left."""
    made = {"id": "9", "version": "v1"}
    assert send(DEPLOYMENT, lost, MADE, standing=[made]) == (made, 1)
    assert send(DEPLOYMENT, lost, MADE, standing=[{"id": "9", "version": "v0"}]) == ({"id": "7"}, 2)
    assert send(DEPLOYMENT, refusal(503), MADE, standing=[made]) == ({"id": "7"}, 2)  # nothing was done


@pytest.mark.parametrize(
    ("request_", "status"), [(POOL, 409), (QUEUE, 409), (DELETE, 404)], ids=["pool", "queue", "delete"]
)
@pytest.mark.parametrize("lost", [SILENCE, refusal(502), refusal(504)], ids=lambda answer: str(answer.status))
def test_what_an_earlier_try_did_is_done(lost: Answer, request_: Request, status: int, send: Any) -> None:
    """The server acted and its answer was lost; the next try is told that it is there, or gone, already."""
    assert send(request_, lost, refusal(status)) == ({}, 2)


@pytest.mark.parametrize(
    ("request_", "status"), [(FLOW, 409), (DEPLOYMENT, 409), (VARIABLE, 409), (CHANGE, 404)],
    ids=["flow", "deployment", "variable", "change"],
)  # fmt: skip
def test_what_such_an_answer_does_not_prove_is_not_said_to_be_done(request_: Request, status: int, send: Any) -> None:
    """A deployment is upserted, so 409 is about something else; whose a variable is, only a look at it tells."""
    answer, tries = send(request_, SILENCE, refusal(status))
    assert isinstance(answer, ServerAnswerError)
    assert (answer.status, tries) == (status, 2)


def test_another_thread_repeats_nothing_behind_our_back(send: Any) -> None:
    """The lock is renewed by one. The SDK's own repeating is a setting, and its settings are each thread's own."""
    from reconcile.gateway.writing import Writing

    with (
        Loopback(lambda asked: refusal(404) if "/csrf-token" in asked.path else refusal(503)) as server,
        Writing(Target(url=server.url, origin="the test")) as writing,
        ThreadPoolExecutor(1) as other,
    ):
        assert isinstance(other.submit(writing.write, CHANGE).exception(60), ServerAnswerError)
        assert len(server.writes) == writing.requests == 6


def test_a_server_that_was_never_there_is_not_waited_for(pauses: list[float]) -> None:
    from reconcile.gateway.writing import Writing

    target = Target(url=f"http://127.0.0.1:{free_port()}/api", origin="the test")
    with Writing(target) as writing:
        with pytest.raises(ServerUnreachableError):
            writing.write(CHANGE)
        assert writing.requests == 0  # it came no further than to the token that is fetched first
    assert pauses == []


def test_only_what_is_sent_is_counted(pauses: list[float]) -> None:
    """A token that could not be fetched is no write, though the write waits for it."""
    from reconcile.gateway.writing import Writing

    tokens = [refusal(503), SILENCE, refusal(404)]
    with (
        Loopback(lambda asked: tokens.pop(0) if "/csrf-token" in asked.path else NOTHING) as server,
        Writing(Target(url=server.url, origin="the test")) as writing,
    ):
        writing.write(CHANGE)
        assert len(server.writes) == writing.requests == 1


def test_a_server_that_answered_before_is_waited_for(pauses: list[float]) -> None:
    """It may be starting anew."""
    from reconcile.gateway.writing import Writing

    with (
        Loopback(lambda asked: refusal(404) if "/csrf-token" in asked.path else NOTHING) as server,
        Writing(Target(url=server.url, origin="the test"), Contact(patient=True)) as writing,
    ):
        writing.write(CHANGE)
        server.stop()
        with pytest.raises(ServerUnreachableError):
            writing.write(CHANGE)
        assert PATIENCE <= sum(pauses) <= PATIENCE + 6
        # It was waited for; whatever is asked of it now is not waited for again.
        pauses.clear()
        with pytest.raises(ServerUnreachableError):
            writing.write(CHANGE)
        assert pauses == []


@pytest.mark.parametrize("away", [SILENCE, refusal(502), refusal(503)], ids=lambda answer: str(answer.status))
def test_one_that_is_away_behind_a_proxy_is_waited_for_as_long(away: Answer, pauses: list[float]) -> None:
    from reconcile.gateway.writing import Writing

    answers = [NOTHING]
    with (
        Loopback(lambda asked: refusal(404) if "/csrf-token" in asked.path else answers[-1]) as server,
        Writing(Target(url=server.url, origin="the test"), Contact(patient=True)) as writing,
    ):
        writing.write(CHANGE)
        answers.append(away)
        for least, most in ((PATIENCE, PATIENCE + 6), (3, 12)):
            pauses.clear()
            with pytest.raises(ServerError):
                writing.write(CHANGE)
            assert least <= sum(pauses) <= most
        answers.append(NOTHING)
        writing.write(CHANGE)


def test_reading_is_as_patient(pauses: list[float]) -> None:
    with (
        Loopback(lambda _: Answer(body=b"{}", headers={"Content-Type": "application/json"})) as server,
        Reading(Target(url=server.url, origin="the test")) as reading,
    ):
        assert reading.get("/version") == {}
        server.stop()
        with pytest.raises(ServerUnreachableError):
            reading.get("/version")
        assert pauses == []
        reading.contact.patient = True
        with pytest.raises(ServerUnreachableError):
            reading.get("/version")
        assert PATIENCE <= sum(pauses) <= PATIENCE + 2


def test_waiting_ends_where_nobody_wants_it_any_more(pauses: list[float]) -> None:
    from reconcile.gateway.writing import Writing

    def enough(seconds: float) -> bool:
        pauses.append(seconds)
        return False

    contact = Contact(patient=True, between=enough)
    with (
        Loopback(lambda asked: refusal(404) if "/csrf-token" in asked.path else refusal(503)) as server,
        Writing(Target(url=server.url, origin="the test"), contact) as writing,
    ):
        with pytest.raises(ServerAnswerError):
            writing.write(CHANGE)
        assert (writing.requests, len(pauses)) == (1, 1)


@pytest.mark.parametrize(("said", "waited"), [("2", 2.0), ("3600", 30.0), ("-5", 0.0), ("nan", 0.0), ("soon", 0.0)])
def test_a_server_that_asks_for_patience_gets_some(said: str, waited: float, send: Any, pauses: list[float]) -> None:
    _, tries = send(CHANGE, refusal(503, **{"Retry-After": said}), NOTHING)
    assert tries == 2
    assert pauses[0] == waited if waited else 0.1 <= pauses[0] <= 0.3


def test_a_server_under_maintenance_is_not_asked_for_ever(send: Any) -> None:
    answer, tries = send(CHANGE, refusal(503, **{"Prefect-Maintenance": "true"}))
    assert (answer.status, tries) == (503, 6)


def test_pauses_differ_so_that_clients_do_not_come_back_at_once(send: Any, pauses: list[float]) -> None:
    for _ in range(5):
        send(CHANGE, refusal(503), NOTHING)
    assert len(set(pauses)) == 5


AUTOMATION: Final = Request(method="POST", path="/automations/", body={"name": "a"})


@pytest.mark.parametrize("lost", [refusal(502), refusal(504), SILENCE], ids=lambda answer: str(answer.status))
def test_what_would_be_made_twice_is_not_sent_again_where_it_may_have_been_made(lost: Answer, send: Any) -> None:
    """The server takes as many automations of one name as it is sent."""
    found, tries = send(AUTOMATION, lost, MADE)
    assert isinstance(found, ServerAnswerError | ServerUnreachableError)
    assert tries == 1


@pytest.mark.parametrize("busy", [refusal(429), refusal(503)], ids=lambda answer: str(answer.status))
def test_a_busy_server_has_made_nothing_so_it_is_asked_again(busy: Answer, send: Any) -> None:
    assert send(AUTOMATION, busy, busy, MADE) == ({"id": "7"}, 3)


@pytest.mark.parametrize("value", ["correcthorse", 'con "comillas" y ñ', "línea\notra\\"])
def test_a_server_that_repeats_a_secret_that_it_refuses_is_not_repeated(value: str, send: Any) -> None:
    body = {"name": "B", "data": {"value": value}}
    request = Request(method="POST", path="/block_documents/", body=body)
    for plain in (True, False):
        told = {"exception_detail": [{"msg": "no such name", "input": value}], "request_body": body}
        text = json.dumps(told, ensure_ascii=plain)
        found, _ = send(request, Answer(status=422, body=text.encode()))
        assert isinstance(found, ServerAnswerError)
        assert "no such name" in found.message
        assert value not in found.message
        assert not {json.dumps(value, ensure_ascii=each)[1:-1] for each in (True, False)} & {found.message}
        assert not [part for part in value.split() if len(part) > 6 and part in found.message]

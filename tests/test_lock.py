"""The lock on the fake gateway: races, holders that died, holders that slept, and answers that were lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import builders as a
import pytest
from fake_gateway import FakeGateway

from reconcile.apply import apply
from reconcile.commands.session import say
from reconcile.errors import LockHeldError, LockLostError, ServerAnswerError, ServerUnreachableError
from reconcile.lock import LEASE, Clock, Guarded, Holder, Lock, holder_of, is_running, this_process
from reconcile.plan import Status
from reconcile.wire import Request

NAME = "sync-lock-taller"

ANA = Holder(
    user="ana",
    host="srv-1",
    process=11,
    commit="0123456789ab",
    since="2026-11-22T09:00:00+00:00",
    machine="m",
    nonce="a",
)
BETO = replace(ANA, user="beto", host="srv-2", nonce="b")
HERE = this_process("0123456789ab")


@dataclass(slots=True)
class Time:
    """Time that passes only when somebody waits; the server's goes along. `during` happens in each wait."""

    server: FakeGateway
    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    def clock(self) -> Clock:
        return Clock(now=lambda: self.seconds, pause=self.pause)

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.pass_by(seconds)
        self.during()

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds
        self.server.time += timedelta(seconds=seconds)


@pytest.fixture
def server() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def passing(server: FakeGateway) -> Time:
    return Time(server=server)


def lock_of(server: Any, holder: Holder, passing: Time) -> Lock:
    """A lock whose renewals are the test's own."""
    return Lock(server, "taller", holder, clock=passing.clock(), renewal=3600)


def stand(server: FakeGateway, holder: Holder) -> None:
    """A lock as a process that is gone has left it."""
    server.write(Request(method="POST", path="/variables/", body={"name": NAME, "value": asdict(holder)}))


def silent(_: str) -> None:
    pass


# One at a time


def test_it_stands_while_it_is_held_and_is_gone_afterwards(server: FakeGateway, passing: Time) -> None:
    with lock_of(server, ANA, passing) as lock:
        lock.acquire()
        assert server.variables() == {NAME: asdict(ANA)}
        lock.check()
    assert server.variables() == {}
    assert [request.method for request in server.requests] == ["POST", "DELETE"]


def test_a_second_one_stops_and_names_the_holder(server: FakeGateway, passing: Time) -> None:
    with lock_of(server, ANA, passing) as held:
        held.acquire()
        with lock_of(server, BETO, passing) as second, pytest.raises(LockHeldError) as caught:
            second.acquire()
        for word in ("ana", "srv-1", "0123456789ab", "2026-11-22T09:00:00"):
            assert word in caught.value.message
        assert "--wait" in caught.value.hint
        assert passing.waits == []
        assert server.variables() == {NAME: asdict(ANA)}


def test_a_second_one_waits_and_then_has_it(server: FakeGateway, passing: Time) -> None:
    first, second = lock_of(server, ANA, passing), lock_of(server, BETO, passing)
    said: list[str] = []
    first.acquire()

    def work() -> None:
        first.renew()
        if len(passing.waits) == 90:  # longer than a lease, and it is alive all the time
            first.release()

    passing.during = work
    second.acquire(300, said.append)
    assert server.variables() == {NAME: asdict(BETO)}
    assert len(passing.waits) == 90
    assert len(said) == 1
    assert "ana on srv-1" in said[0]
    second.release()


def test_a_wait_has_an_end(server: FakeGateway, passing: Time) -> None:
    first = lock_of(server, ANA, passing)
    first.acquire()
    passing.during = first.renew
    with pytest.raises(LockHeldError):
        lock_of(server, BETO, passing).acquire(10.5, silent)
    assert sum(passing.waits) == pytest.approx(10.5)
    first.release()


def test_another_projects_lock_is_none_of_ours(server: FakeGateway, passing: Time) -> None:
    with lock_of(server, ANA, passing) as ours, Lock(server, "otro", BETO, clock=passing.clock()) as theirs:
        ours.acquire()
        theirs.acquire()
        assert set(server.variables()) == {NAME, "sync-lock-otro"}


def test_of_many_that_race_exactly_one_has_it(server: FakeGateway) -> None:
    inside: list[str] = []
    most: list[int] = []

    def race(number: int) -> bool:
        holder = replace(HERE, user=f"u{number}", nonce=str(number))
        with Lock(server, "taller", holder) as lock:
            try:
                lock.acquire()
            except LockHeldError:
                return False
            inside.append(holder.user)
            start.wait()  # nobody leaves before everybody has tried
            most.append(len(inside))
            inside.remove(holder.user)
            return True

    for _ in range(20):
        start = threading.Event()
        with ThreadPoolExecutor(8) as pool:
            racing = [pool.submit(race, number) for number in range(8)]
            while sum(future.done() for future in racing) < 7:
                time.sleep(0.001)
            start.set()
            assert [future.result() for future in racing].count(True) == 1
    assert set(most) == {1}
    assert server.variables() == {}


def test_of_many_that_wait_each_has_it_once_and_alone(server: FakeGateway, passing: Time) -> None:
    inside: list[int] = []
    turns: list[int] = []
    clock = Clock(now=time.monotonic, pause=lambda _: time.sleep(0.001))

    def work(number: int) -> None:
        with Lock(server, "taller", replace(HERE, nonce=str(number)), clock=clock) as lock:
            lock.acquire(60, silent)
            inside.append(number)
            assert inside == [number]
            time.sleep(0.002)
            inside.remove(number)
            turns.append(number)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(8)]:
            done.result()
    assert sorted(turns) == list(range(8))


# Holders that are gone


def test_one_that_is_not_renewed_for_a_lease_is_taken_over(server: FakeGateway, passing: Time) -> None:
    stand(server, ANA)
    passing.pass_by(LEASE.total_seconds())
    with pytest.raises(LockHeldError):
        lock_of(server, BETO, passing).acquire()
    passing.pass_by(1)
    with lock_of(server, BETO, passing) as lock:
        lock.acquire()
        assert server.variables() == {NAME: asdict(BETO)}


def test_waiting_outlasts_a_dead_holder(server: FakeGateway, passing: Time) -> None:
    stand(server, ANA)
    with lock_of(server, BETO, passing) as lock:
        lock.acquire(300, silent)
    assert LEASE.total_seconds() < sum(passing.waits) < LEASE.total_seconds() + 5


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def test_one_whose_process_on_this_machine_is_gone_is_taken_over_at_once(server: FakeGateway, passing: Time) -> None:
    stand(server, replace(this_process("c"), process=ended_process(), nonce="dead"))
    with lock_of(server, this_process("c"), passing) as lock:
        lock.acquire()
    assert passing.waits == []


@pytest.mark.parametrize("changed", [{"host": "another"}, {"machine": "another container of that name"}])
def test_a_process_number_of_another_machine_says_nothing(
    changed: dict[str, str], server: FakeGateway, passing: Time
) -> None:
    stand(server, replace(this_process("c"), process=ended_process(), nonce="x", **changed))
    with pytest.raises(LockHeldError):
        lock_of(server, this_process("c"), passing).acquire()


def test_one_whose_process_runs_is_left_alone(server: FakeGateway, passing: Time) -> None:
    stand(server, replace(this_process("c"), process=os.getppid(), nonce="alive"))
    with pytest.raises(LockHeldError):
        lock_of(server, this_process("c"), passing).acquire()


def test_of_many_that_take_a_dead_one_over_exactly_one_has_it(server: FakeGateway) -> None:
    def race(number: int) -> bool:
        with Lock(server, "taller", replace(HERE, nonce=str(number))) as lock:
            try:
                lock.acquire()
            except LockHeldError:
                return False
            all_tried.wait()
            lock.check()
            return True

    for _ in range(20):
        stand(server, ANA)
        server.time += LEASE + timedelta(seconds=1)
        all_tried = threading.Event()
        with ThreadPoolExecutor(4) as pool:
            racing = [pool.submit(race, number) for number in range(4)]
            while sum(future.done() for future in racing) < 3:
                time.sleep(0.001)
            all_tried.set()
            assert [future.result() for future in racing].count(True) == 1
        assert server.variables() == {}


@pytest.mark.parametrize(
    "value", [None, "text", 7, [], {}, {"user": "x"}, {**asdict(ANA), "process": "11"}, {**asdict(ANA), "user": 5}]
)
def test_one_that_nobody_can_read_is_respected_until_it_expires(value: Any, server: FakeGateway, passing: Time) -> None:
    server.write(Request(method="POST", path="/variables/", body={"name": NAME, "value": value}))
    with pytest.raises(LockHeldError) as caught:
        lock_of(server, BETO, passing).acquire()
    assert "its holder is not known" in caught.value.message
    passing.pass_by(LEASE.total_seconds() + 1)
    with lock_of(server, BETO, passing) as lock:
        lock.acquire()


def test_a_holder_of_an_earlier_version_is_named(server: FakeGateway) -> None:
    value = {key: text for key, text in asdict(ANA).items() if key not in {"machine", "nonce"}}
    assert str(holder_of({"value": value})) == str(ANA)


@pytest.mark.parametrize(
    ("process", "running"),
    [(os.getpid(), True), (0, False), (-1, False), (10**30, False)],
    ids=["this one", "zero", "negative", "too large"],  # a number of this process would be another in each worker
)
def test_whether_a_process_runs(process: int, running: bool) -> None:
    assert is_running(process) is running


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has none")
def test_a_process_that_only_waits_to_be_asked_after_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        deadline = time.monotonic() + 30
        while is_running(process.pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert process.returncode is None


# Holders that were taken over


def test_a_holder_that_was_taken_over_writes_no_more(server: FakeGateway, passing: Time) -> None:
    """It slept; meanwhile another one came, worked, and still works. Nothing of the sleeper's gets through."""
    slept, awake = lock_of(server, ANA, passing), lock_of(server, BETO, passing)
    slept.acquire()
    passing.pass_by(LEASE.total_seconds() + 1)
    awake.acquire()
    with pytest.raises(LockLostError):
        Guarded(writer=server, lock=slept).write(Request(method="POST", path="/flows/", body={"name": "f"}))
    assert server.read().flows == ()
    slept.release()
    assert server.variables() == {NAME: asdict(BETO)}
    awake.release()


def test_an_apply_that_loses_its_lock_skips_the_rest_and_says_so(server: FakeGateway, passing: Time) -> None:
    wanted = a.state(*(a.deployment(f"d{number}") for number in range(4)))
    found, standing = a.compared(wanted, server.read())
    lock = lock_of(server, ANA, passing)
    lock.acquire()
    steps = apply(a.plan_of(found), Guarded(writer=server, lock=lock), flows=standing.flows, commit=a.COMMIT)
    outcomes = [next(steps), next(steps)]
    passing.pass_by(LEASE.total_seconds() + 1)
    lock_of(server, BETO, passing).acquire()
    written = len(server.read().deployments)
    outcomes += list(steps)
    assert [outcome.status for outcome in outcomes] == [
        Status.DONE, Status.DONE, Status.FAILED, Status.SKIPPED, Status.SKIPPED,
    ]  # fmt: skip
    assert "taken over" in (outcomes[2].error or "")
    assert "the lock was lost" in (outcomes[3].error or "")
    assert len(server.read().deployments) == written == 1


def test_a_holder_that_slept_and_was_not_missed_goes_on(server: FakeGateway, passing: Time) -> None:
    lock = lock_of(server, ANA, passing)
    lock.acquire()
    passing.pass_by(LEASE.total_seconds() * 5)
    lock.check()
    with pytest.raises(LockHeldError):  # for it renewed what it had
        lock_of(server, BETO, passing).acquire()
    lock.release()


def test_a_lock_that_is_young_costs_a_write_nothing(server: FakeGateway, passing: Time) -> None:
    lock = lock_of(server, ANA, passing)
    lock.acquire()
    sent = len(server.requests)
    for _ in range(20):
        lock.check()
    assert len(server.requests) == sent
    lock.release()


def test_a_lock_that_cannot_be_renewed_is_not_believed_in(server: FakeGateway, passing: Time) -> None:
    flaky = Flaky(server)
    lock = lock_of(flaky, ANA, passing)
    lock.acquire()
    flaky.away = True
    passing.pass_by(40)
    lock.check()  # a renewal failed, and the lease is not over
    passing.pass_by(10)
    with pytest.raises(LockLostError):
        lock.check()
    flaky.away = False
    lock.check()  # it stands after all, renewed just now
    lock.release()
    assert server.variables() == {}


def test_it_is_renewed_while_its_holder_works(server: FakeGateway) -> None:
    with Lock(server, "taller", ANA, renewal=0.01) as lock:
        lock.acquire()
        deadline = time.monotonic() + 30
        while sum(request.method == "PATCH" for request in server.requests) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.005)
    renewals = [request for request in server.requests if request.method == "PATCH"]
    assert {request.body["value"]["nonce"] for request in renewals} == {"a"}
    sent = len(server.requests)
    time.sleep(0.05)
    assert len(server.requests) == sent
    assert server.variables() == {}


# Servers that stumble


@dataclass(slots=True)
class Flaky:
    """A server that is away when told to be; and one that does what it is asked, and loses the answer."""

    server: FakeGateway
    away: bool = False
    answers_lost: int = 0
    error: BaseException = field(default_factory=lambda: ServerUnreachableError("gone"))

    def get(self, path: str) -> Any:
        self._be_there()
        return self.server.get(path)

    def clock(self) -> datetime:
        return self.server.clock()

    def write(self, request: Request) -> Mapping[str, Any]:
        self._be_there()
        answer = self.server.write(request)
        if self.answers_lost:
            self.answers_lost -= 1
            raise self.error
        return answer

    def _be_there(self) -> None:
        if self.away:
            raise ServerUnreachableError("gone")


@pytest.mark.parametrize(
    "error", [ServerUnreachableError("silence"), ServerAnswerError("busy", status=503), KeyboardInterrupt()], ids=str
)
def test_a_lock_whose_answer_was_lost_is_not_left_behind(
    error: BaseException, server: FakeGateway, passing: Time
) -> None:
    flaky = Flaky(server, answers_lost=1, error=error)
    with pytest.raises(type(error)), lock_of(flaky, ANA, passing) as lock:
        lock.acquire()
    assert server.variables() == {}


def test_somebody_elses_is_not_taken_away_when_an_answer_is_lost(server: FakeGateway, passing: Time) -> None:
    stand(server, BETO)
    server_of_ana = Flaky(server, error=KeyboardInterrupt())
    with pytest.raises(LockHeldError), lock_of(server_of_ana, ANA, passing) as lock:
        lock.acquire()
    assert server.variables() == {NAME: asdict(BETO)}


def test_a_repeated_request_that_finds_its_own_lock_has_it(server: FakeGateway, passing: Time) -> None:
    """What a retry below sees: the first try was carried out and its answer lost, the second is refused."""
    stand(server, ANA)
    with lock_of(server, ANA, passing) as lock:
        lock.acquire()
        lock.check()
    assert server.variables() == {}


def test_two_holders_that_are_alike_in_all_but_their_nonce_are_two(server: FakeGateway, passing: Time) -> None:
    stand(server, HERE)
    with pytest.raises(LockHeldError):
        lock_of(server, replace(HERE, nonce="another"), passing).acquire()


def test_a_server_that_is_away_at_the_end_lets_it_expire(server: FakeGateway, passing: Time) -> None:
    flaky = Flaky(server)
    with lock_of(flaky, ANA, passing) as lock:
        lock.acquire()
        flaky.away = True
    assert server.variables() == {NAME: asdict(ANA)}


def test_a_refusal_by_the_server_is_told_as_it_is(server: FakeGateway, passing: Time) -> None:
    class Forbidding(Flaky):
        def write(self, request: Request) -> Mapping[str, Any]:
            raise ServerAnswerError("answered 403", status=403)

    with pytest.raises(ServerAnswerError, match="403"):
        lock_of(Forbidding(server), ANA, passing).acquire()


def test_what_a_holder_is_called_does_nothing_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("Waiting for another apply: \x1b[31mroja\n\u202eana on SRV …")
    assert capsys.readouterr().err == "Waiting for another apply: \\x1b[31mroja\\x0a\\u202eana on SRV …\n"

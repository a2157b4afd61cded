"""What the lock rests on, asked of the fake gateway and of a real server; and races on the real one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from fake_gateway import FakeGateway
from servers import RealServer

from reconcile.errors import LockHeldError, ServerAnswerError
from reconcile.lock import LEASE, Door, Lock, holder_of, this_process
from reconcile.wire import Request

NAME = "sync-lock-contrato"
NOBODY = "00000000-0000-4000-8000-000000000000"
HERE = this_process("0123456789ab")


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.contract)])
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    """A way to the one, then to the other."""
    if request.param == "fake":
        yield FakeGateway()
    else:
        with opened(request.getfixturevalue("server_behind")) as found:
            yield found


@pytest.fixture
def server_behind(shared_real: RealServer) -> Iterator[RealServer]:
    """The real server, on which no lock is left."""
    yield shared_real
    with opened(shared_real) as door:
        remove(door)


def opened(real: RealServer) -> Any:
    from reconcile.gateway.door import Door as RealDoor

    return RealDoor(real.reading.target)


def remove(door: Door) -> None:
    try:
        row = door.get(f"/variables/name/{NAME}")
    except ServerAnswerError:
        return
    send(door, "DELETE", f"/variables/{row['id']}")


def send(door: Door, method: str, path: str, /, **body: Any) -> Any:
    return door.write(Request(method=method, path=path, body=body))


def refused(door: Door, method: str, path: str, /, **body: Any) -> int:
    with pytest.raises(ServerAnswerError) as caught:
        send(door, method, path, **body)
    return caught.value.status


# What a variable does


def test_a_second_variable_of_a_name_is_refused(door: Door) -> None:
    send(door, "POST", "/variables/", name=NAME, value={"a": 1})
    assert refused(door, "POST", "/variables/", name=NAME, value={"a": 2}) == 409
    assert door.get(f"/variables/name/{NAME}")["value"] == {"a": 1}


def test_what_is_not_there_is_not_found(door: Door) -> None:
    assert refused(door, "DELETE", f"/variables/{NOBODY}") == 404
    assert refused(door, "PATCH", f"/variables/{NOBODY}", value=1) == 404
    with pytest.raises(ServerAnswerError) as caught:
        door.get(f"/variables/name/{NAME}")
    assert caught.value.status == 404


def test_a_renewal_that_changes_nothing_dates_it_anew(door: Door) -> None:
    made = send(door, "POST", "/variables/", name=NAME, value={"a": 1})
    first = datetime.fromisoformat(door.get(f"/variables/name/{NAME}")["updated"])
    if isinstance(door, FakeGateway):
        door.time += timedelta(seconds=1)
    else:
        time.sleep(1)
    send(door, "PATCH", f"/variables/{made['id']}", value={"a": 1})
    found = door.get(f"/variables/name/{NAME}")
    assert datetime.fromisoformat(found["updated"]) - first >= timedelta(seconds=1)
    assert found["id"] == made["id"]


def test_one_that_is_made_anew_has_another_id(door: Door) -> None:
    ids = []
    for _ in range(2):
        ids.append(send(door, "POST", "/variables/", name=NAME, value=1)["id"])
        send(door, "DELETE", f"/variables/{ids[-1]}")
    assert len(set(ids)) == 2


def test_the_servers_clock_is_the_one_that_variables_are_dated_by(door: Door) -> None:
    send(door, "POST", "/variables/", name=NAME, value=1)
    updated = datetime.fromisoformat(door.get(f"/variables/name/{NAME}")["updated"])
    assert abs(door.clock() - updated) < timedelta(seconds=3)
    assert door.clock().utcoffset() == timedelta(0)


def test_a_holder_comes_back_as_it_was_written(door: Door) -> None:
    odd = replace(HERE, user="ña\n\x1b[31m", commit="c.dirty")
    send(door, "POST", "/variables/", name=NAME, value=asdict(odd))
    assert holder_of(door.get(f"/variables/name/{NAME}")) == odd


# Races on the real one


@pytest.mark.contract
def test_of_eight_that_race_exactly_one_has_it(server_behind: RealServer) -> None:
    for _ in range(3):
        assert race(server_behind, 8) == 1


@pytest.mark.contract
def test_of_four_that_take_an_ended_process_lock_over_exactly_one_has_it(server_behind: RealServer) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    for _ in range(3):
        leave_behind(server_behind, process.pid)
        started = time.monotonic()
        assert race(server_behind, 4) == 1
        assert time.monotonic() - started < LEASE.total_seconds() / 2


@pytest.mark.contract
def test_of_four_that_take_an_expired_lock_over_exactly_one_has_it(server_behind: RealServer) -> None:
    """The one that left it is of another machine, so nothing but the server's clock tells. The lease is cut short."""
    leave_behind(server_behind, os.getpid(), host="elsewhere")
    lease = timedelta(seconds=8)
    assert race(server_behind, 4, lease=lease) == 0
    time.sleep(lease.total_seconds() + 1.5)  # the clock is told to the second
    assert race(server_behind, 4, lease=lease) == 1


def leave_behind(real: RealServer, process: int, **changed: str) -> None:
    value = asdict(replace(HERE, process=process, nonce="gone", **changed))
    real.write(Request(method="POST", path="/variables/", body={"name": NAME, "value": value}))


def race(real: RealServer, number: int, *, lease: timedelta = LEASE) -> int:
    """How many of so many that begin at once have the lock, each with a connection of its own."""
    begin, tried = Barrier(number), Barrier(number)

    def one(index: int) -> bool:
        with opened(real) as door:
            lock = Lock(door, "contrato", replace(HERE, nonce=str(index)), lease=lease)
            begin.wait(60)
            try:
                lock.acquire()
            except LockHeldError:
                return False
            finally:
                tried.wait(120)
            lock.check()
            lock.release()
            return True

    with ThreadPoolExecutor(number) as pool:
        return sum(pool.map(one, range(number)))


@pytest.mark.contract
def test_requests_of_the_lock_are_counted_and_none_stays(server_behind: RealServer) -> None:
    with opened(server_behind) as door:
        with Lock(door, "contrato", HERE) as lock:
            lock.acquire()
            assert door.requests == 1
            lock.renew()
        assert door.requests == 3
        assert datetime.now(UTC) - door.clock() < timedelta(minutes=1)
    with opened(server_behind) as door, pytest.raises(ServerAnswerError):
        door.get(f"/variables/name/{NAME}")

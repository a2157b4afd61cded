"""One apply at a time for each project and server: a variable on the server that says who holds it.

Of several that create a variable of one name the server lets exactly one succeed, whichever of its API processes they
ask, and of several that delete it by its id likewise. The leases of Prefect's concurrency limits are no lock: they live
in the memory of one API process.

A holder renews the variable while it works, so one that is not renewed for `LEASE` is a dead holder's. Whoever takes it
over deletes that very id, which only one can, and creates its own; a holder that was taken over finds its id gone and
writes no more.
"""

from __future__ import annotations

import getpass
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from reconcile.errors import LockHeldError, LockLostError, ServerAnswerError, ServerError
from reconcile.keeping import LOCK
from reconcile.wire import Request, Writer

LEASE: Final = timedelta(seconds=60)
"""How long a lock that is not renewed still stands, by the server's clock."""

RENEWAL: Final = 15.0
"""Seconds between two renewals."""

POLL: Final = 1.0
"""Seconds between two looks at a lock that somebody else holds."""

NOT_FOUND: Final = 404
CONFLICT: Final = 409
FAULT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the lock. `since` is ISO 8601.

    `machine` tells a computer, since it was last started, from others of the same name: a process number means nothing
    in another container. `nonce` tells this holder from every other.
    """

    user: str
    host: str
    process: int
    commit: str
    since: str
    machine: str = ""
    nonce: str = ""

    def __str__(self) -> str:
        return f"{self.user} on {self.host} (process {self.process}), commit {self.commit}, since {self.since}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How time goes by here: seconds that only grow, and letting some pass."""

    now: Callable[[], float]
    pause: Callable[[float], None]


class Door(Protocol):
    """What the lock needs of a server. Raises ServerError."""

    def get(self, path: str) -> Any:
        """What a GET answers."""
        ...

    def clock(self) -> datetime:
        """The server's time at its last answer."""
        ...

    def write(self, request: Request) -> Mapping[str, Any]:
        """Send a request that changes state."""
        ...


def this_process(commit: str) -> Holder:
    """Ourselves as a holder."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no such user in a container
        user = "unknown"
    return Holder(
        user=user,
        host=socket.gethostname(),
        process=os.getpid(),
        commit=commit,
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=_machine(),
        nonce=uuid.uuid4().hex,
    )


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except (OSError, ValueError):
        return f"{uuid.getnode():012x}"


def _now() -> float:
    """Seconds that go on while the machine sleeps, where it can tell: another may have taken the lock meanwhile."""
    boottime: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


REAL: Final = Clock(now=_now, pause=time.sleep)
"""Time as it is."""


class Lock:
    """Held between `acquire` and `release`, renewed by a thread of its own; `check` says whether it still is."""

    def __init__(
        self,
        door: Door,
        project: str,
        holder: Holder,
        *,
        clock: Clock = REAL,
        lease: timedelta = LEASE,
        renewal: float = RENEWAL,
    ) -> None:
        self.name = f"{LOCK}{project}"
        self._door = door
        self._holder = holder
        self._clock = clock
        self._lease = lease
        self._renewal = renewal
        self._id: str | None = None
        self._renewed = 0.0
        self._lost = threading.Event()
        self._done = threading.Event()
        self._renewer = threading.Thread(target=self._keep, name="lock-renewal", daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self, wait: float = 0.0, say: Callable[[str], None] = print) -> None:
        """Take the lock; wait up to so many seconds for another holder. Raises LockHeldError naming the holder."""
        deadline = self._clock.now() + wait
        while not self._take():
            self._wait_for_turn(deadline, say)
        self._renewer.start()

    def check(self) -> None:
        """Raises LockLostError once somebody else has taken the lock over, or may have.

        A process that was stopped for a while finds its lock old, and renews it here before it writes anything. What
        cannot be renewed is not believed in up to its last second, for a write takes time.
        """
        lease = self._lease.total_seconds()
        if self._age() > lease / 2:
            self.renew()
        if self._lost.is_set() or self._age() > lease * 3 / 4:
            raise LockLostError(
                "The lock of this apply was taken over by another one, or could not be renewed in time, so nothing "
                "more is written.",
                "Run it again; what was not done yet will be in its plan.",
            )

    def renew(self) -> None:
        """Say that we are still at work. One that fails is tried again later: if none gets through, `check` tells."""
        started = self._clock.now()
        try:
            self._write("PATCH", f"/variables/{self._id}", {"value": asdict(self._holder)})
            self._renewed = started
        except ServerAnswerError as error:
            if error.status == NOT_FOUND:
                self._lost.set()
        except ServerError:
            pass

    def release(self) -> None:
        """Give the lock back, if it is ours still. A server that is gone lets it expire."""
        self._done.set()
        if self._renewer.is_alive():
            self._renewer.join(timeout=5)
        if self._id is not None and not self._lost.is_set():
            with suppress(ServerError):
                self._write("DELETE", f"/variables/{self._id}")
        self._id = None

    def between(self, seconds: float) -> bool:
        """What is done between two tries of a request of ours: a renewal is given up once there is nothing to renew."""
        if threading.current_thread() is self._renewer:
            return not self._done.wait(seconds)
        self._clock.pause(seconds)
        return True

    def _age(self) -> float:
        return self._clock.now() - self._renewed

    def _take(self) -> bool:
        started = self._clock.now()
        try:
            made = self._made()
        except BaseException as error:
            if not isinstance(error, ServerAnswerError) or error.status >= FAULT:
                self._withdraw()
            raise
        if made is not None:
            self._id, self._renewed = str(made["id"]), started
        return made is not None

    def _made(self) -> Mapping[str, Any] | None:
        """Our lock, or None where another stands."""
        try:
            return self._write("POST", "/variables/", {"name": self.name, "value": asdict(self._holder)})
        except ServerAnswerError as error:
            if error.status != CONFLICT:
                raise
        # After a lost answer the one that stands may be our own.
        standing = self._standing()
        return standing if standing is not None and holder_of(standing) == self._holder else None

    def _withdraw(self) -> None:
        """After Ctrl-C or a server that went silent nobody knows whether ours stands; it must not be left behind."""
        with suppress(ServerError):
            standing = self._standing()
            if standing is not None and holder_of(standing) == self._holder:
                self._clear(standing)

    def _wait_for_turn(self, deadline: float, say: Callable[[str], None]) -> None:
        """Until nobody holds the lock. A dead holder's is taken away, by whoever is first."""
        told = False
        while (standing := self._standing()) is not None:
            if self._is_dead(standing):
                self._clear(standing)
                return
            left = deadline - self._clock.now()
            if left <= 0:
                raise LockHeldError(
                    f"Another apply of this project is at work: {_name_of(standing)}.",
                    "Wait for it, or let this one wait with --wait 5m. A lock that is not renewed ends after a minute.",
                )
            if not told:
                say(f"Waiting for another apply: {_name_of(standing)} …")
                told = True
            self._clock.pause(min(POLL, left))

    def _standing(self) -> Mapping[str, Any] | None:
        """The lock that stands, or None where it was given back in the meantime."""
        try:
            found = self._door.get(f"/variables/name/{self.name}")
        except ServerAnswerError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        if not isinstance(found, dict) or not isinstance(found.get("id"), str):
            raise ServerError(f"The server's answer about the variable {self.name} is not what a Prefect API answers.")
        return found

    def _is_dead(self, standing: Mapping[str, Any]) -> bool:
        with suppress(TypeError, ValueError):  # a time that nobody can read says nothing
            if self._door.clock() - datetime.fromisoformat(str(standing.get("updated"))) > self._lease:
                return True
        holder = holder_of(standing)
        if holder is None or (holder.host, holder.machine) != (self._holder.host, self._holder.machine):
            return False
        return not is_running(holder.process)

    def _clear(self, standing: Mapping[str, Any]) -> None:
        try:
            self._write("DELETE", f"/variables/{standing['id']}")
        except ServerAnswerError as error:
            if error.status != NOT_FOUND:  # somebody else was quicker
                raise

    def _keep(self) -> None:
        # A connection that is closed while a renewal tries again is the end of the apply, and no fault.
        with suppress(RuntimeError):
            while not self._done.wait(self._renewal) and not self._lost.is_set():
                self.renew()

    def _write(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        return self._door.write(Request(method=method, path=path, body=body or {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """Writes as long as the lock is held: it is looked at before every single request."""

    writer: Writer
    lock: Lock = field(repr=False)

    def write(self, request: Request) -> Mapping[str, Any]:
        """Send one request. Raises ServerError, of which LockLostError is one."""
        self.lock.check()
        return self.writer.write(request)


def holder_of(standing: Mapping[str, Any]) -> Holder | None:
    """Who holds a lock, by its variable; None for one written by hand, or by a version that wrote it otherwise."""
    value = standing.get("value")
    if not isinstance(value, dict):
        return None
    said = {each.name: value.get(each.name, "") for each in fields(Holder)}
    process = said.pop("process")
    if not isinstance(process, int) or not all(isinstance(text, str) for text in said.values()):
        return None
    return Holder(process=process, **said)


def _name_of(standing: Mapping[str, Any]) -> str:
    return str(holder_of(standing) or "its holder is not known")


def is_running(process: int) -> bool:
    """Whether a process of this machine runs. In doubt it does."""
    if process <= 0:
        return False
    if sys.platform == "win32":
        return _is_running_on_windows(process)
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # not ours, so it is there
        return True
    return not _is_zombie(process)


def _is_zombie(process: int) -> bool:
    """Whether it has ended, and only its parent has not asked after it yet."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[:1] in (["Z"], ["X"])


def _is_running_on_windows(process: int) -> bool:
    """`os.kill(pid, 0)` ends a process on Windows, so its handle is asked instead."""
    import ctypes

    query, still_active, invalid_parameter, highest = 0x1000, 259, 87, 0xFFFFFFFF
    if process > highest:
        return False
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore] # Windows only
    handle = kernel.OpenProcess(query, False, process)  # the signature is Windows'
    if not handle:
        return bool(ctypes.get_last_error() != invalid_parameter)  # type: ignore[attr-defined,unused-ignore]
    try:
        code = ctypes.c_ulong()
        kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        return code.value == still_active
    finally:
        kernel.CloseHandle(handle)

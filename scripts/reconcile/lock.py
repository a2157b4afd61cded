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
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Protocol, Self

from reconcile.errors import ReconcileError, ServerAnswerError, ServerError
from reconcile.wire import Request

LEASE: Final = timedelta(seconds=60)
"""How long a lock that is not renewed still stands, by the server's clock."""

NOT_FOUND: Final = 404
CONFLICT: Final = 409

RENEWAL: Final = 15.0
"""Seconds between two renewals."""

POLL: Final = 1.0
"""Seconds between two looks at a lock that somebody else holds."""


class LockHeldError(ReconcileError):
    """Somebody else is applying."""


class LockLostError(ReconcileError):
    """The lock was taken over while we worked, so nothing more may be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the lock. `since` is ISO 8601."""

    user: str
    host: str
    process: int
    commit: str
    since: str

    def __str__(self) -> str:
        return f"{self.user} on {self.host} (process {self.process}), commit {self.commit}, since {self.since}"


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
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return Holder(user=user, host=socket.gethostname(), process=os.getpid(), commit=commit, since=since)


class Lock:
    """Held between `acquire` and `release`, renewed by a thread of its own; `check` says whether it still is."""

    def __init__(self, door: Door, project: str, holder: Holder) -> None:
        self.name = f"sync-lock-{project}"
        self.requests = 0
        self._door = door
        self._holder = holder
        self._id: str | None = None
        self._renewed = 0.0
        self._lost = threading.Event()
        self._done = threading.Event()
        self._renewer = threading.Thread(target=self._renew, name="lock-renewal", daemon=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self, wait: float = 0.0, say: Callable[[str], None] = print) -> None:
        """Take the lock; wait up to so many seconds for another holder. Raises LockHeldError naming the holder."""
        deadline = time.monotonic() + wait
        told = False
        while not self._take():
            standing = self._standing()
            if standing is None:
                continue
            if self._is_dead(standing):
                self._clear(standing)
                continue
            if time.monotonic() >= deadline:
                raise LockHeldError(
                    f"Another apply of this project is at work: {_holder_of(standing) or 'its holder is not known'}.",
                    "Wait for it, or let this one wait with --wait 5m. A lock that is not renewed ends after a minute.",
                )
            if not told:
                say(f"Waiting for another apply: {_holder_of(standing) or 'its holder is not known'} …")
                told = True
            time.sleep(min(POLL, max(0.05, deadline - time.monotonic())))
        self._renewer.start()

    def check(self) -> None:
        """Raises LockLostError once somebody else has taken the lock over.

        A process that was stopped for a while finds its lock old, and renews it here before it writes anything.
        """
        if time.monotonic() - self._renewed > LEASE.total_seconds() / 2:
            self._renew_once()
        if self._lost.is_set():
            raise LockLostError(
                "The lock of this apply was taken over by another one, so nothing more is written.",
                "Run it again; what was not done yet will be in its plan.",
            )

    def release(self) -> None:
        """Give the lock back, if it is ours still. A server that is gone lets it expire."""
        self._done.set()
        if self._renewer.is_alive():
            self._renewer.join(timeout=5)
        if self._id is not None and not self._lost.is_set():
            with suppress(ServerError):
                self._write("DELETE", f"/variables/{self._id}")
        self._id = None

    def _take(self) -> bool:
        try:
            answer = self._write("POST", "/variables/", {"name": self.name, "value": asdict(self._holder)})
        except ServerAnswerError as error:
            if error.status != CONFLICT:
                raise
            # After a lost answer the one that stands may be our own.
            standing = self._standing()
            if standing is None or _holder_of(standing) != self._holder:
                return False
            answer = standing
        self._id, self._renewed = str(answer["id"]), time.monotonic()
        return True

    def _standing(self) -> Mapping[str, Any] | None:
        """The lock that stands, or None where it was given back in the meantime."""
        self.requests += 1
        try:
            found: Mapping[str, Any] = self._door.get(f"/variables/name/{self.name}")
        except ServerAnswerError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return found

    def _is_dead(self, standing: Mapping[str, Any]) -> bool:
        renewed = datetime.fromisoformat(str(standing["updated"]))
        if self._door.clock() - renewed > LEASE:
            return True
        holder = _holder_of(standing)
        return holder is not None and holder.host == self._holder.host and not is_running(holder.process)

    def _clear(self, standing: Mapping[str, Any]) -> None:
        try:
            self._write("DELETE", f"/variables/{standing['id']}")
        except ServerAnswerError as error:
            if error.status != NOT_FOUND:  # somebody else was quicker
                raise

    def _renew(self) -> None:
        while not self._done.wait(RENEWAL) and not self._lost.is_set():
            self._renew_once()

    def _renew_once(self) -> None:
        started = time.monotonic()
        try:
            self._write("PATCH", f"/variables/{self._id}", {"value": asdict(self._holder)})
            self._renewed = started
        except ServerAnswerError as error:
            if error.status == NOT_FOUND:
                self._lost.set()
        except ServerError:
            pass  # the next renewal may get through; if none does, the lock expires and is found lost

    def _write(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        self.requests += 1
        return self._door.write(Request(method=method, path=path, body=body or {}))


def _holder_of(standing: Mapping[str, Any]) -> Holder | None:
    value = standing.get("value")
    try:
        return Holder(**value) if isinstance(value, dict) else None
    except TypeError:  # written by hand, or by another version
        return None


def is_running(process: int) -> bool:
    """Whether a process of this machine runs. In doubt it does."""
    if process <= 0:
        return False
    if sys.platform == "win32":
        return _is_running_on_windows(process)
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # not ours, so it is there
        return True
    return True


def _is_running_on_windows(process: int) -> bool:
    """`os.kill(pid, 0)` ends a process on Windows, so its handle is asked instead."""
    import ctypes

    query, still_active, invalid_parameter = 0x1000, 259, 87
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

"""Time, and waiting for something: the only places where a thread or a task of this package blocks.

``Clock`` may be replaced in tests; see ``skidbladnir.testing``.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from skidbladnir.errors import CallCancelledError
from skidbladnir.options import NS_PER_S

T = TypeVar("T")


class Waiter(Protocol):
    """Something one thread waits for and another sets, once."""

    def wait(self, until: int | None) -> bool:
        """Blocks until set (True) or until the clock reads ``until`` nanoseconds (False)."""
        ...

    def set(self) -> bool:
        """Ends the wait. False when whoever waited cannot be reached any more."""
        ...


class Clock:
    """Monotonic time, and what the sync face needs to wait by it."""

    def now(self) -> int:
        """Monotonic nanoseconds."""
        return time.monotonic_ns()

    def waiter(self) -> Waiter:
        """A waiter for the calling thread."""
        return _ThreadWaiter(self)

    def start_thread(self, target: Callable[[], None], name: str) -> None:
        """Runs ``target`` in a daemon thread, in a copy of the caller's context."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(target,), name=name, daemon=True).start()


SYSTEM_CLOCK = Clock()


class _ThreadWaiter:
    __slots__ = ("_clock", "_event")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = threading.Event()

    def wait(self, until: int | None) -> bool:
        if until is None:
            return self._event.wait()
        # A wait may end early by a rounding of the system's; never take that for the deadline.
        while not self._event.is_set():
            left = until - self._clock.now()
            if left <= 0:
                return False
            self._event.wait(left / NS_PER_S)
        return True

    def set(self) -> bool:
        self._event.set()
        return True


class TaskWaiter:
    """The waiter of an asyncio task: ``await waiter.future``. May be set from any thread or loop."""

    __slots__ = ("_loop", "_thread", "future")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self.future: asyncio.Future[None] = self._loop.create_future()

    def set(self) -> bool:
        if threading.get_ident() == self._thread and not self._loop.is_closed():
            self._resolve()
            return True
        try:
            self._loop.call_soon_threadsafe(self._resolve)
        except RuntimeError:
            return False  # the loop is closed, and its tasks with it
        return True

    def _resolve(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class CancelSignal:
    """Tells the operation of a sync call that its time is up; see ``cancellation()``."""

    __slots__ = ("_cancelled_at", "_clock", "_lock", "_parent", "_waiters", "deadline")

    def __init__(self, clock: Clock, deadline: int | None = None, parent: CancelSignal | None = None) -> None:
        self._clock = clock
        self._parent = parent
        self._cancelled_at: int | None = None
        self._lock = threading.Lock()
        self._waiters: list[Waiter] = []
        if parent is not None and parent.deadline is not None:
            deadline = parent.deadline if deadline is None else min(deadline, parent.deadline)
        self.deadline: int | None = deadline
        """Clock's nanoseconds at which it will be cancelled by itself, or None."""

    @property
    def cancelled(self) -> bool:
        """Whether the operation should end now."""
        if self._cancelled_at is not None or (self._parent is not None and self._parent.cancelled):
            return True
        return self.deadline is not None and self._clock.now() >= self.deadline

    def cancelled_by(self, instant: int) -> bool:
        """Whether it was cancelled at ``instant``, or before."""
        if self._cancelled_at is not None and self._cancelled_at <= instant:
            return True
        if self.deadline is not None and self.deadline <= instant:
            return True
        return self._parent is not None and self._parent.cancelled_by(instant)

    def wait(self, seconds: float | None = None) -> bool:
        """Sleeps for this long (None: for good) or until cancelled; returns whether it was cancelled."""
        until = None if seconds is None else self._clock.now() + round(seconds * NS_PER_S)
        self.park(self._clock.waiter(), until)
        return self.cancelled

    def cancel(self) -> None:
        """Cancels now, from any thread."""
        with self._lock:
            if self._cancelled_at is None:
                self._cancelled_at = self._clock.now()
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set()

    def park(self, waiter: Waiter, until: int | None) -> bool:
        """Waits until ``waiter`` is set (True), ``until``, or the cancellation, which sets the waiter as well."""
        if self.deadline is not None:
            until = self.deadline if until is None else min(until, self.deadline)
        if not self._register(waiter):
            return False
        try:
            return waiter.wait(until)
        finally:
            self._unregister(waiter)

    def _register(self, waiter: Waiter) -> bool:
        with self._lock:
            if self._cancelled_at is not None:
                return False
            self._waiters.append(waiter)
        if self._parent is not None and not self._parent._register(waiter):
            self._unregister(waiter)
            return False
        return True

    def _unregister(self, waiter: Waiter) -> None:
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
        if self._parent is not None:
            self._parent._unregister(waiter)


_signal: contextvars.ContextVar[CancelSignal | None] = contextvars.ContextVar("skidbladnir_signal", default=None)


def cancellation() -> CancelSignal | None:
    """The signal of the sync call this code runs in, or None outside a timeout or a health check (TO-8)."""
    return _signal.get()


def run_with_signal(signal: CancelSignal, function: Callable[[], T]) -> T:
    """Calls ``function`` with ``cancellation()`` answering ``signal``."""
    token = _signal.set(signal)
    try:
        return function()
    finally:
        _signal.reset(token)


def park(clock: Clock, waiter: Waiter, until: int | None) -> bool:
    """Blocks the calling thread until ``waiter`` is set (True), or until the time or its cancellation has come (False)."""
    signal = _signal.get()
    return waiter.wait(until) if signal is None else signal.park(waiter, until)


def caller_gave_up() -> bool:
    """Whether the calling thread's operation has been told to end."""
    signal = _signal.get()
    return signal is not None and signal.cancelled


def task_gave_up() -> bool:
    """Whether the running task has been told to end, even if its operation made something else of that (RT-9, FB-2)."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def check_cancelled(policy: str) -> None:
    """Raises CallCancelledError when the calling thread's operation has been told to end."""
    if caller_gave_up():
        raise CallCancelledError(policy)

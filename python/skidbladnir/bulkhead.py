"""Bulkhead: limits how many calls run at once, and how many may wait (BH)."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from skidbladnir.clock import Clock, TaskWaiter, Waiter, check_cancelled, park
from skidbladnir.errors import BulkheadFullError, BulkheadWaitTimeoutError
from skidbladnir.events import Event, Listener
from skidbladnir.options import NS_PER_MS, NS_PER_S, Duration, integer, optional_nanoseconds
from skidbladnir.policy import SWITCHES_AT_CALLS, AsyncOperation, Guard, Key, Operation, Policy, T


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkheadStats:
    """BH-8."""

    concurrent_executions: int
    queue_size: int


class Hold:
    """Keeps a slot until the call has ended and every operation it abandoned has too (BH-7)."""

    __slots__ = ("_count", "_lock", "_outer", "_release")

    def __init__(self, release: Callable[[], None], outer: Hold | None) -> None:
        self._release = release
        self._outer = outer
        self._count = 1
        self._lock = threading.Lock()

    def add(self) -> None:
        """One more operation keeps the slot, and those of the bulkheads around."""
        with self._lock:
            self._count += 1
        if self._outer is not None:
            self._outer.add()

    def end(self) -> None:
        """An operation that was added has ended."""
        self.leave()
        if self._outer is not None:
            self._outer.end()

    def leave(self) -> None:
        """The call itself has ended."""
        with self._lock:
            self._count -= 1
            last = self._count == 0
        if last:
            self._release()


current_hold: contextvars.ContextVar[Hold | None] = contextvars.ContextVar("skidbladnir_hold", default=None)


class _Waiting:
    """A place in the queue. ``granted`` is written under the bulkhead's lock."""

    __slots__ = ("granted", "waiter")

    def __init__(self, waiter: Waiter | TaskWaiter) -> None:
        self.waiter = waiter
        self.granted = False


class Bulkhead(Policy):
    """At most ``max_concurrent_calls`` run at once, in the order they came, whatever thread or event loop they came from.

    Args:
        max_concurrent_calls: at least 1.
        max_queue_size: calls that may wait, at least 0.
        max_wait: seconds (or ``timedelta``) a call may wait, at least 0; None: no limit.
        name: default ``"bulkhead"``.

    Raises:
        ConfigurationError: for an option outside its range.
    """

    pattern = "bulkhead"

    def __init__(
        self,
        *,
        max_concurrent_calls: int = 10,
        max_queue_size: int = 100,
        max_wait: Duration | None = None,
        name: str | None = None,
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, listeners, clock)
        self._max_running = integer("bulkhead.max_concurrent_calls", max_concurrent_calls, 1)
        self._max_queue = integer("bulkhead.max_queue_size", max_queue_size, 0)
        self._max_wait = optional_nanoseconds("bulkhead.max_wait_ms", max_wait, 0)
        self._lock = threading.Lock()
        self._running = 0
        self._queue: OrderedDict[_Waiting, None] = OrderedDict()

    def stats(self) -> BulkheadStats:
        """How many calls run and wait (BH-8)."""
        with self._lock:
            return BulkheadStats(concurrent_executions=self._running, queue_size=len(self._queue))

    def guard(self) -> Guard:
        """A block of code in a slot: ``with bulkhead.guard():`` or ``async with bulkhead.guard():``."""
        return _SlotGuard(self)

    async def execute(self, operation: AsyncOperation[T], key: Key = None) -> T:
        if not self.try_acquire():
            await self.wait()
        try:
            return await operation()
        finally:
            self.release()

    def call(self, operation: Operation[T], key: Key = None) -> T:
        if not self.try_acquire():
            self._wait_sync()
        try:
            return operation()
        finally:
            self.release()

    async def execute_holding(self, operation: AsyncOperation[T], key: Key = None) -> T:
        """As ``execute``, where a timeout inside may abandon operations. For compositions."""
        if not self.try_acquire():
            await self.wait()
        hold = Hold(self.release, current_hold.get())
        token = current_hold.set(hold)
        try:
            return await operation()
        finally:
            current_hold.reset(token)
            hold.leave()

    def call_holding(self, operation: Operation[T], key: Key = None) -> T:
        """As ``call``, where a timeout inside may abandon operations. For compositions."""
        if not self.try_acquire():
            self._wait_sync()
        hold = Hold(self.release, current_hold.get())
        token = current_hold.set(hold)
        try:
            return operation()
        finally:
            current_hold.reset(token)
            hold.leave()

    # The fast path of both faces: while nobody waits, a slot is a number more or less. Where threads change only at calls,
    # a look and the step after it cannot be torn apart, and need no lock.

    def try_acquire(self) -> bool:
        """Takes a slot if one is free."""
        if SWITCHES_AT_CALLS:
            if self._running < self._max_running:
                self._running += 1
                return True
            return False
        with self._lock:
            if self._running < self._max_running:
                self._running += 1
                return True
        return False

    def _refuse_if_full(self) -> None:
        """So that a rejection costs neither a place to wait nor the lock. Where anybody waits, all slots are taken."""
        if self._running >= self._max_running and len(self._queue) >= self._max_queue:
            raise self._full()

    def _enqueue(self, waiting: _Waiting) -> bool:
        """Takes a slot that has become free meanwhile (False), or a place in the queue (True)."""
        with self._lock:
            if self._running < self._max_running:
                self._running += 1
                return False
            size = len(self._queue)
            full = size >= self._max_queue
            if not full and self._max_wait != 0:
                self._queue[waiting] = None
                size += 1
                # The fast path may have freed a slot since we looked; from now on it hands slots to the queue.
                if self._running < self._max_running:
                    self._running += 1
                    del self._queue[waiting]
                    return False
        if full:
            raise self._full()
        if self._max_wait == 0:
            raise self._waited()
        if self._listeners.all:
            self._listeners.emit(Event("bulkhead_queued", self.name, queue_size=size))
        return True

    async def wait(self) -> None:
        """Waits for a slot (BH-2)."""
        self._refuse_if_full()
        waiter = TaskWaiter()
        waiting = _Waiting(waiter)
        if not self._enqueue(waiting):
            return
        timer = None
        if self._max_wait is not None:
            timer = asyncio.get_running_loop().call_later(self._max_wait / NS_PER_S, waiter.set)
        try:
            await waiter.future
        except BaseException:
            if not self._leave(waiting):
                self.release()
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if self._leave(waiting):
            raise self._waited()

    def _wait_sync(self) -> None:
        self._refuse_if_full()
        waiter = self._clock.waiter()
        waiting = _Waiting(waiter)
        if not self._enqueue(waiting):
            return
        until = None if self._max_wait is None else self._clock.now() + self._max_wait
        try:
            park(self._clock, waiter, until)
        except BaseException:
            if not self._leave(waiting):
                self.release()
            raise
        if self._leave(waiting):
            check_cancelled(self.name)
            raise self._waited()
        try:
            check_cancelled(self.name)
        except BaseException:
            self.release()  # a slot handed to a call that has given up passes on (BH-5)
            raise

    def _leave(self, waiting: _Waiting) -> bool:
        """Leaves the queue; False when the slot has been handed over, and is now the caller's to use or to give back."""
        with self._lock:
            if self._take(waiting):
                return False
            self._queue.pop(waiting, None)
            return True

    def _take(self, waiting: _Waiting) -> bool:
        """Takes a granted slot, once: the grantee and, should that be out of reach, the granter may both try."""
        granted, waiting.granted = waiting.granted, False
        return granted

    def release(self) -> None:
        """Gives a slot back, to the head of the queue if there is one (BH-3)."""
        if SWITCHES_AT_CALLS and not self._queue:
            self._running -= 1
            return
        while True:
            with self._lock:
                if not self._queue:
                    self._running -= 1
                    return
                waiting, _ = self._queue.popitem(last=False)
                waiting.granted = True
                size = len(self._queue)
            if self._listeners.all:
                self._listeners.emit(Event("bulkhead_handed_over", self.name, queue_size=size))
            if waiting.waiter.set():
                return
            with self._lock:
                if not self._take(waiting):
                    return

    def _full(self) -> BulkheadFullError:
        self._reject("full")
        return BulkheadFullError(self.name, self._max_running, self._max_queue)

    def _waited(self) -> BulkheadWaitTimeoutError:
        self._reject("wait_timeout")
        return BulkheadWaitTimeoutError(self.name, (self._max_wait or 0) // NS_PER_MS)

    def _reject(self, reason: str) -> None:
        if self._listeners.all:
            self._listeners.emit(Event("bulkhead_rejected", self.name, reason=reason))


class _SlotGuard(Guard):
    def __init__(self, bulkhead: Bulkhead) -> None:
        self._bulkhead = bulkhead

    def __enter__(self) -> Self:
        if not self._bulkhead.try_acquire():
            self._bulkhead._wait_sync()
        return self

    async def __aenter__(self) -> Self:
        if not self._bulkhead.try_acquire():
            await self._bulkhead.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bulkhead.release()

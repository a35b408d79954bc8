"""Virtual time for tests: no test of a policy has to sleep.

``VirtualLoop`` is an asyncio event loop, ``VirtualThreads`` a clock for the sync face. Both stand still until they are told
to ``advance``, and then go from timer to timer.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import selectors
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVarTuple, Unpack

from skidbladnir.clock import Clock
from skidbladnir.options import NS_PER_S

Ts = TypeVarTuple("Ts")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual.

    ``settle()`` runs until nothing can move without time passing; ``advance(seconds)`` lets time pass. ``clock`` is for the
    policies: ``CircuitBreaker(clock=loop.clock)``.
    """

    def __init__(self) -> None:
        self._now = 0
        self._target = 0
        self._timers: list[asyncio.TimerHandle] = []
        self.clock: Clock = _LoopClock(self)
        super().__init__(_VirtualSelector(self))

    def time(self) -> float:
        return self._now / NS_PER_S

    def now(self) -> int:
        """Virtual nanoseconds."""
        return self._now

    def settle(self) -> None:
        """Runs all that can run now."""
        self._target = self._now
        self.run_forever()

    def advance(self, seconds: float) -> None:
        """Lets time pass, settling at each timer that comes due."""
        self._target = self._now + round(seconds * NS_PER_S)
        self.run_forever()

    def armed_timers(self) -> int:
        """How many timers are armed."""
        self._timers = [timer for timer in self._timers if self._is_armed(timer)]
        return len(self._timers)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        if len(self._timers) > 100:
            self.armed_timers()
        self._timers.append(timer)
        return timer

    def _is_armed(self, timer: asyncio.TimerHandle) -> bool:
        return not timer.cancelled() and round(timer.when() * NS_PER_S) > self._now

    def idle(self, timeout: float | None) -> None:
        """The loop has nothing to run before ``timeout`` seconds: go on to the next timer, or stop."""
        due = None if timeout is None else self._now + round(timeout * NS_PER_S)
        if due is not None and due <= self._target:
            self._now = max(due, self._now + 1)  # after months, asyncio's floating-point time is coarser than this
        else:
            self._now = self._target
            self.stop()


class _LoopClock(Clock):
    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> int:
        return self._loop.now()


class _VirtualSelector(selectors.BaseSelector):
    """Never waits: a loop that would has settled. It watches no files."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, fileobj, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._loop.idle(timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class VirtualThreads(Clock):
    """A clock for the sync face, under which threads run one at a time, in a fixed order.

    Start the code under test by ``start_thread``; then ``settle()`` and ``advance(seconds)`` from the test's own thread.
    """

    def __init__(self) -> None:
        self._now = 0
        self._ready: deque[_VirtualThread] = deque()
        self._timers: list[tuple[int, int, _VirtualWaiter]] = []
        self._order = itertools.count()
        self._control = threading.Semaphore(0)
        self._local = threading.local()
        self._idle: list[_VirtualThread] = []
        self.alive = 0
        """Threads that have been started and have not ended."""

    def now(self) -> int:
        return self._now

    def waiter(self) -> _VirtualWaiter:
        return _VirtualWaiter(self)

    def start_thread(self, target: Callable[[], None], name: str) -> None:
        thread = self._idle.pop() if self._idle else _VirtualThread(self._control, self._local)
        context = contextvars.copy_context()
        thread.target = lambda: context.run(target)
        self.alive += 1
        self._ready.append(thread)

    def settle(self) -> None:
        """Runs each thread that can run, one at a time, until all wait. Raises what a thread does not catch."""
        while self._ready:
            thread = self._ready.popleft()
            thread.resume.release()
            self._control.acquire()
            if thread.target is None:
                self.alive -= 1
                self._idle.append(thread)
                error, thread.error = thread.error, None
                if error is not None:
                    raise error

    def advance(self, seconds: float) -> None:
        """Lets time pass, settling at each instant at which a wait ends."""
        target = self._now + round(seconds * NS_PER_S)
        self.settle()
        while self._timers and self._timers[0][0] <= target:
            due, _, waiter = heapq.heappop(self._timers)
            if waiter.waits():
                self._now = max(self._now, due)
                waiter.expire()
                self.settle()
        self._now = target

    def armed_timers(self) -> int:
        """How many waits with an end are under way."""
        return sum(waiter.waits() for _, _, waiter in self._timers)

    def close(self) -> None:
        """Ends the idle threads it keeps."""
        for thread in self._idle:
            thread.resume.release()
        self._idle.clear()

    def block(self, waiter: _VirtualWaiter, until: int | None) -> None:
        """Gives the turn back until the waiter is set or ``until`` has come."""
        thread: _VirtualThread = self._local.thread
        waiter.thread = thread
        if until is not None:
            heapq.heappush(self._timers, (until, next(self._order), waiter))
        self._control.release()
        thread.resume.acquire()

    def wake(self, thread: _VirtualThread) -> None:
        """Lets a blocked thread run at the next settling."""
        self._ready.append(thread)


class _VirtualThread:
    """An operating system's thread that runs targets by turns; reused, since starting one is slow."""

    def __init__(self, control: threading.Semaphore, local: threading.local) -> None:
        self.target: Callable[[], None] | None = None
        self.error: BaseException | None = None
        self.resume = threading.Semaphore(0)
        self._control = control
        self._local = local
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        self._local.thread = self
        while True:
            self.resume.acquire()
            if self.target is None:
                return  # closed
            try:
                self.target()
            except BaseException as error:
                self.error = error  # raised by settle
            self.target = None
            self._control.release()


class _VirtualWaiter:
    def __init__(self, threads: VirtualThreads) -> None:
        self._threads = threads
        self._is_set = False
        self.thread: _VirtualThread | None = None

    def wait(self, until: int | None) -> bool:
        if not self._is_set and (until is None or until > self._threads.now()):
            self._threads.block(self, until)
        return self._is_set

    def set(self) -> bool:
        self._is_set = True
        self.expire()
        return True

    def waits(self) -> bool:
        return self.thread is not None

    def expire(self) -> None:
        """Ends the wait, set or not."""
        thread, self.thread = self.thread, None
        if thread is not None:
            self._threads.wake(thread)

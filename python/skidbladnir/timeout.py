"""Timeout: ends a call that takes too long (TO)."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterable
from typing import Any, Generic, Literal, cast

from skidbladnir.bulkhead import Hold, current_hold
from skidbladnir.clock import CancelSignal, Clock, Waiter, caller_gave_up, cancellation, park, run_with_signal
from skidbladnir.errors import CallCancelledError, CallTimeoutError
from skidbladnir.events import Event, Listener
from skidbladnir.options import NS_PER_MS, NS_PER_S, Duration, nanoseconds, word
from skidbladnir.policy import AsyncOperation, Key, Operation, Policy, T

TimeoutMode = Literal["cancel", "abandon"]
MODES: tuple[TimeoutMode, ...] = ("cancel", "abandon")


# asyncio counts all cancellations of a task together. To tell a caller's from those of timeouts inside, each timed call has
# a number, inside greater than outside, and those whose deadline has passed are noted here until they have ended.
_numbers = itertools.count()
# Typed once: a policy's coroutine runs in a task.
_current_task = cast("Callable[[asyncio.AbstractEventLoop], asyncio.Task[Any]]", asyncio.current_task)
_fired: dict[asyncio.Task[Any], list[int]] = {}


Timed = tuple["_Watch", int, asyncio.Task[Any], int, int]
"""A call that is timed: who watches it, its number, its task, how often that had been cancelled before, and the deadline."""


class _Watch:
    """The calls under one policy in one event loop, and the one timer that serves them all.

    Calls under one policy share one duration: they come due in the order in which they began. The timer is armed, and
    disarmed, between steps of the loop: calls that begin and end within a step have none.
    """

    __slots__ = ("_looks", "_now", "awake", "calls", "loop", "timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], int]) -> None:
        self.loop = loop
        self._now = now
        # By their numbers, the first first.
        self.calls: dict[int, Timed] = {}
        self.timer: asyncio.TimerHandle | None = None
        self._looks = False
        self.awake = False
        """Whether the timer is armed, or is about to be looked after."""

    def look_soon(self) -> None:
        """Looks after the timer in the next step of the loop."""
        if not self._looks:
            self._looks = self.awake = True
            self.loop.call_soon(self._look)

    def left(self) -> None:
        """A call has ended, maybe without its loop."""
        if not self.calls:
            self._disarm()

    def _look(self) -> None:
        self._looks = False
        if not self.calls:
            self._disarm()
        elif self.timer is None:
            self._arm()

    def _arm(self) -> None:
        number, (*_, deadline) = next(iter(self.calls.items()))
        self.timer = self.loop.call_later(max(0, deadline - self._now()) / NS_PER_S, self._expire, number)

    def _disarm(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.awake = self._looks

    def _expire(self, armed_for: int) -> None:
        """Tells the operations to end whose deadline has come: that for which the timer was armed, by the loop's clock."""
        self.timer = None
        now = self._now()
        due: list[int] = []
        for number, (*_, deadline) in self.calls.items():
            if number != armed_for and deadline > now:
                break
            due.append(number)
        for number in due:
            _, _, task, cancels_before, _ = self.calls.pop(number)
            by_timeouts_inside = sum(each > number for each in _fired.get(task, ()))
            # A caller that has given up first gets what the operation makes of that (TO-6).
            if task.cancelling() - by_timeouts_inside == cancels_before:
                _fired.setdefault(task, []).append(number)
                task.cancel()
        if self.calls:
            self._arm()
        else:
            self.awake = self._looks


class Timeout(Policy):
    """Ends a call at its deadline.

    At the deadline the operation is told to end: its task is cancelled, or the ``cancellation()`` of a sync one is. Mode
    ``"cancel"`` then waits until it has; ``"abandon"`` does not. A sync operation runs in the caller's thread in mode
    ``"cancel"``, in a daemon thread in mode ``"abandon"`` (TO-8).

    Args:
        timeout: seconds (or ``timedelta``), at least 0.001.
        mode: default ``"cancel"`` for ``execute`` and ``"abandon"`` for ``call``.
        name: default ``"timeout"``.

    Raises:
        ConfigurationError: for an option outside its range.
    """

    pattern = "timeout"

    def __init__(
        self,
        timeout: Duration = 30.0,
        *,
        mode: TimeoutMode | None = None,
        name: str | None = None,
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, listeners, clock)
        self._timeout = nanoseconds("timeout.timeout_ms", timeout, 1)
        self._mode: TimeoutMode | None = mode
        if mode is not None:
            word("timeout.mode", mode, MODES)
        # That of the loop which called last.
        self._watch: _Watch | None = None
        # Abandoned tasks: asyncio itself refers to tasks only weakly.
        self._abandoned: set[asyncio.Task[Any]] = set()

    @property
    def mode(self) -> TimeoutMode | None:
        """As given."""
        return self._mode

    async def execute(self, operation: AsyncOperation[T], key: Key = None) -> T:
        if self._mode == "abandon":
            return await self._run_abandoning(operation)
        timed = self.begin()
        error: BaseException | None
        try:
            result = await operation()
        except BaseException as raised:
            error = self.end(timed, raised) or raised
        else:
            error = self.end(timed, None)
            if error is None:
                return result
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame

    def begin(self) -> Timed:
        """The running task begins an operation. It must call ``end``."""
        loop = asyncio.get_running_loop()
        watch = self._watch
        if watch is None or watch.loop is not loop:
            watch = self._watch = _Watch(loop, self._now)
        task = _current_task(loop)
        number = next(_numbers)
        now = self._now
        timed = watch.calls[number] = watch, number, task, task.cancelling(), now() + self._timeout
        if not watch.awake:
            watch.look_soon()
        return timed

    def end(self, timed: Timed, error: BaseException | None) -> CallTimeoutError | None:
        """The operation has ended, by an error or not. Returns what the call is answered with instead, if it is."""
        watch, number, task, cancels_before, deadline = timed
        now = self._now
        # The fast path: in time, and nobody was told to end.
        if watch.calls.pop(number, None) is not None and error is None and now() < deadline:
            if watch.timer is not None and not watch.calls:
                watch.look_soon()
            return None
        watch.left()
        fired = number in _fired.get(task, ())
        cancelled_by_caller = task.cancelling() > cancels_before + fired
        if fired:
            task.uncancel()
            _fired[task].remove(number)
            if not _fired[task]:
                del _fired[task]
        if isinstance(error, asyncio.CancelledError):
            return self._timed_out() if fired and not cancelled_by_caller else None
        # A loop that was blocked may not have run the timer.
        if fired or (not cancelled_by_caller and now() >= deadline):
            timed_out = self._timed_out()
            self._late(error)
            return timed_out
        return None

    def call(self, operation: Operation[T], key: Key = None) -> T:
        return self._call_cancelling(operation) if self._mode == "cancel" else self._call_abandoning(operation)

    async def _run_abandoning(self, operation: AsyncOperation[T]) -> T:
        deadline = self._now() + self._timeout
        task = asyncio.get_running_loop().create_task(_coroutine(operation))
        try:
            await asyncio.wait((task,), timeout=self._timeout / NS_PER_S)
        except asyncio.CancelledError:
            self._abandon(task)
            raise
        if not task.done():
            error = self._timed_out()
            self._abandon(task)
            raise error
        if self._now() < deadline or task.cancelled():
            return task.result()
        error = self._timed_out()
        self._late(task.exception())
        raise error

    def _abandon(self, task: asyncio.Task[Any]) -> None:
        hold = current_hold.get()
        if hold is not None:
            hold.add()
        self._abandoned.add(task)
        task.add_done_callback(lambda task: self._abandoned_ended(task, hold))
        if self._listeners.all:
            self._listeners.emit(Event("call_abandoned", self.name))
        task.cancel()

    def _abandoned_ended(self, task: asyncio.Task[Any], hold: Hold | None) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            self._late(task.exception())
        if hold is not None:
            hold.end()

    def _call_cancelling(self, operation: Operation[T]) -> T:
        outer = cancellation()
        deadline = self._now() + self._timeout
        signal = CancelSignal(self._clock, deadline, outer)
        try:
            result = run_with_signal(signal, operation)
        except Exception as error:
            if not self._is_late(deadline, outer) or (isinstance(error, CallCancelledError) and caller_gave_up()):
                raise
            timed_out = self._timed_out()
            if not isinstance(error, CallCancelledError):
                self._late(error)
        else:
            if not self._is_late(deadline, outer):
                return result
            timed_out = self._timed_out()
            self._late(None)
        # Raised out here it has no context: a retry asks what it is, not how the operation ended.
        raise timed_out

    def _is_late(self, deadline: int, outer: CancelSignal | None) -> bool:
        """Whether our deadline has passed, and nobody outside gave up before it."""
        return self._now() >= deadline and (outer is None or not outer.cancelled_by(deadline))

    def _call_abandoning(self, operation: Operation[T]) -> T:
        outer = cancellation()
        deadline = self._now() + self._timeout
        work = _Work(self._clock, operation, CancelSignal(self._clock, deadline, outer))
        self._clock.start_thread(work.run, f"skidbladnir-{self.name}")
        park(self._clock, work.waiter, deadline)
        hold = current_hold.get()
        if work.finished_before_leaving(lambda: self._abandoned_work_ended(work, hold), hold):
            return self._result_in_time(work, deadline, outer)
        try:
            error = self._timed_out() if self._is_late(deadline, outer) else CallCancelledError(self.name)
            if self._listeners.all:
                self._listeners.emit(Event("call_abandoned", self.name))
        finally:
            work.signal.cancel()
        raise error

    def _result_in_time(self, work: _Work[T], deadline: int, outer: CancelSignal | None) -> T:
        if isinstance(work.error, CallCancelledError) or not isinstance(work.error, (Exception, type(None))):
            if isinstance(work.error, CallCancelledError) and self._is_late(deadline, outer):
                raise self._timed_out()
            raise work.error
        if work.ended >= deadline and self._is_late(deadline, outer):
            timed_out = self._timed_out()
            self._late(work.error)
            raise timed_out
        if work.error is not None:
            raise work.error
        return cast("T", work.result)

    def _abandoned_work_ended(self, work: _Work[Any], hold: Hold | None) -> None:
        if not isinstance(work.error, CallCancelledError):
            self._late(work.error)
        if hold is not None:
            hold.end()

    def _timed_out(self) -> CallTimeoutError:
        if self._listeners.all:
            self._listeners.emit(Event("timed_out", self.name, timeout=self._timeout / NS_PER_S))
        return CallTimeoutError(self.name, self._timeout // NS_PER_MS)

    def _late(self, error: BaseException | None) -> None:
        if self._listeners.all:
            outcome = "success" if error is None else "failure"
            self._listeners.emit(Event("late_outcome", self.name, outcome=outcome, error=error))


class _Work(Generic[T]):
    """A sync operation in a thread of its own, until its caller leaves it."""

    __slots__ = ("_clock", "_done", "_left", "_lock", "_operation", "ended", "error", "result", "signal", "waiter")

    def __init__(self, clock: Clock, operation: Operation[T], signal: CancelSignal) -> None:
        self._clock = clock
        self._operation = operation
        self._lock = threading.Lock()
        self._done = False
        self._left: Callable[[], None] | None = None
        self.signal = signal
        self.waiter: Waiter = clock.waiter()
        self.result: T | None = None
        self.error: BaseException | None = None
        self.ended = 0

    def run(self) -> None:
        try:
            self.result = run_with_signal(self.signal, self._operation)
        except BaseException as error:
            self.error = error  # raised in the caller, or reported as the late outcome
        self.ended = self._clock.now()
        with self._lock:
            self._done = True
            left = self._left
        if left is None:
            self.waiter.set()
        else:
            left()

    def finished_before_leaving(self, on_end: Callable[[], None], hold: Hold | None) -> bool:
        """Whether it has ended. If not, ``on_end`` will be called when it does, and ``hold`` is kept until then."""
        with self._lock:
            if not self._done:
                self._left = on_end
                if hold is not None:
                    hold.add()
            return self._done


async def _coroutine(operation: AsyncOperation[T]) -> T:
    return await operation()

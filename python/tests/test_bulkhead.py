"""The bulkhead among threads, tasks and event loops."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from policy_support import Events
from skidbladnir import Bulkhead, BulkheadFullError, BulkheadWaitTimeoutError, Timeout, compose
from skidbladnir.testing import VirtualLoop, VirtualThreads


class BulkheadMachine(RuleBasedStateMachine):
    """Beside a model: who runs, and who waits in which order (BH-1 to BH-6)."""

    RUNNING, QUEUED, MAX_WAIT = 2, 3, 10.0

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.bulkhead = Bulkhead(
            max_concurrent_calls=self.RUNNING,
            max_queue_size=self.QUEUED,
            max_wait=self.MAX_WAIT,
            clock=self.loop.clock,
        )
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self.ends: dict[int, asyncio.Future[None]] = {}
        self.started: list[int] = []
        self.running: list[int] = []
        self.waiting: list[tuple[int, float]] = []
        self.now = 0.0

    @rule()
    def call(self) -> None:
        number = len(self.tasks)

        async def operation() -> None:
            self.started.append(number)
            self.ends[number] = self.loop.create_future()
            await self.ends[number]

        task = self.tasks[number] = self.loop.create_task(self.bulkhead.execute(operation))
        self.loop.settle()
        if len(self.running) < self.RUNNING:
            self.running.append(number)
        elif len(self.waiting) < self.QUEUED:
            self.waiting.append((number, self.now + self.MAX_WAIT))
        else:
            assert isinstance(task.exception(), BulkheadFullError)

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 99), failed=st.booleans())
    def end(self, pick: int, failed: bool) -> None:
        number = self.running.pop(pick % len(self.running))
        if failed:
            self.ends[number].set_exception(ValueError())
        else:
            self.ends[number].set_result(None)
        self.loop.settle()
        assert isinstance(self.tasks[number].exception(), ValueError if failed else type(None))
        self.hand_over()

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 99))
    def cancel_one_that_runs(self, pick: int) -> None:
        number = self.running.pop(pick % len(self.running))
        self.tasks[number].cancel()
        self.loop.settle()
        assert self.tasks[number].cancelled()
        self.hand_over()

    @precondition(lambda self: self.waiting)
    @rule(pick=st.integers(0, 99))
    def cancel_one_that_waits(self, pick: int) -> None:
        number, _ = self.waiting.pop(pick % len(self.waiting))
        self.tasks[number].cancel()
        self.loop.settle()
        assert self.tasks[number].cancelled()

    @precondition(lambda self: self.waiting and self.running)
    @rule(pick=st.integers(0, 99))
    def cancel_who_has_just_been_handed_the_slot(self, pick: int) -> None:
        number = self.running.pop(pick % len(self.running))
        (heir, _), *self.waiting = self.waiting
        self.ends[number].set_result(None)
        # Without settling between: the slot has been granted once the ended call's task has run its step.
        self.loop.call_soon(self.loop.call_soon, self.tasks[heir].cancel)
        self.loop.settle()
        self.running.append(heir)
        if self.tasks[heir].done():
            self.running.remove(heir)
            self.hand_over()

    @rule(seconds=st.sampled_from([1.0, 4.0, 9.0, 10.0]))
    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.loop.advance(seconds)
        for number, until in list(self.waiting):
            if until <= self.now:
                self.waiting.remove((number, until))
                assert isinstance(self.tasks[number].exception(), BulkheadWaitTimeoutError)

    def hand_over(self) -> None:
        if self.waiting:
            (number, _), *self.waiting = self.waiting
            self.running.append(number)

    @invariant()
    def agrees(self) -> None:
        assert sorted(number for number in self.started if not self.tasks[number].done()) == sorted(self.running)
        stats = self.bulkhead.stats()
        assert (stats.concurrent_executions, stats.queue_size) == (len(self.running), len(self.waiting))
        assert self.loop.armed_timers() == len(self.waiting)

    def teardown(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        self.loop.settle()
        assert (self.bulkhead.stats().concurrent_executions, self.bulkhead.stats().queue_size) == (0, 0)
        for task in self.tasks.values():
            if not task.cancelled():
                task.exception()  # retrieved
        self.loop.close()


BulkheadMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBulkheadMachine = BulkheadMachine.TestCase


class TestSharing:
    """One bulkhead, whoever calls (GN-14)."""

    def test_queue_is_in_order_among_threads_and_two_event_loops(self) -> None:
        bulkhead = Bulkhead(max_concurrent_calls=1)
        order: list[str] = []
        running = threading.Lock()

        def record(name: str) -> None:
            assert running.acquire(blocking=False)
            order.append(name)
            running.release()

        def in_thread(name: str) -> None:
            bulkhead.call(lambda: record(name))

        async def operation(name: str) -> None:
            record(name)

        loops = [asyncio.new_event_loop() for _ in range(2)]
        loop_threads = [threading.Thread(target=loop.run_forever) for loop in loops]
        for thread in loop_threads:
            thread.start()
        expected: list[str] = []
        callers: list[Callable[[], object]] = []
        with bulkhead.guard():
            for number in range(12):
                kind = number % 3
                name = f"{number} of {('threads', 'loop 1', 'loop 2')[kind]}"
                if kind == 0:
                    thread = threading.Thread(target=in_thread, args=(name,))
                    thread.start()
                    callers.append(thread.join)
                else:
                    call: Awaitable[None] = bulkhead.execute(lambda name=name: operation(name))  # type: ignore[misc]
                    future = asyncio.run_coroutine_threadsafe(call, loops[kind - 1])  # type: ignore[arg-type]
                    callers.append(lambda future=future: future.result(10))  # type: ignore[misc]
                expected.append(name)
                _wait_until(lambda: bulkhead.stats().queue_size == len(expected))
            assert order == []
        for caller in callers:
            caller()
        for loop, thread in zip(loops, loop_threads, strict=True):
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
        assert order == expected
        assert (bulkhead.stats().concurrent_executions, bulkhead.stats().queue_size) == (0, 0)

    def test_slot_granted_to_a_closed_loop_passes_on(self, events: Events) -> None:
        bulkhead = Bulkhead(max_concurrent_calls=1, listeners=[events])
        lost = asyncio.new_event_loop()
        task = lost.create_task(bulkhead.execute(lambda: asyncio.sleep(0)))
        with bulkhead.guard():
            lost.call_soon(lost.call_later, 0, lost.stop)
            lost.run_forever()
            assert bulkhead.stats().queue_size == 1
            lost.close()
            thread = threading.Thread(target=lambda: bulkhead.call(lambda: None))
            thread.start()
            _wait_until(lambda: bulkhead.stats().queue_size == 2)
        thread.join(10)
        del task  # and the coroutine with it, which must not give the slot back once more
        gc.collect()
        assert (bulkhead.stats().concurrent_executions, bulkhead.stats().queue_size) == (0, 0)
        assert events.types().count("bulkhead_handed_over") == 2

    def test_limit_holds_under_a_crowd(self) -> None:
        bulkhead = Bulkhead(max_concurrent_calls=3, max_queue_size=5)
        lock = threading.Lock()
        running = most = done = full = 0

        def operation() -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            for _ in range(50):
                pass
            with lock:
                running -= 1

        async def operation_async() -> None:
            operation()
            await asyncio.sleep(0)

        def count(error: BulkheadFullError | None) -> None:
            nonlocal done, full
            with lock:
                done += error is None
                full += error is not None

        def one() -> None:
            try:
                bulkhead.call(operation)
            except BulkheadFullError as error:
                count(error)
            else:
                count(None)

        async def one_async() -> None:
            try:
                await bulkhead.execute(operation_async)
            except BulkheadFullError as error:
                count(error)
            else:
                count(None)

        async def calls_async() -> None:
            for _ in range(50):
                await asyncio.gather(*(one_async() for _ in range(8)))

        threads = [
            threading.Thread(target=lambda: [one() for _ in range(400)])
            for _ in range(6)
        ] + [threading.Thread(target=lambda: asyncio.run(calls_async())) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most <= 3
        assert done + full == 6 * 400 + 2 * 400
        assert done > 0
        assert (bulkhead.stats().concurrent_executions, bulkhead.stats().queue_size) == (0, 0)


class TestAbandonedOperations:
    def test_keep_the_slot_in_a_thread(self, threads: VirtualThreads) -> None:
        bulkhead = Bulkhead(max_concurrent_calls=1, max_queue_size=0, clock=threads)
        layers = compose(bulkhead, Timeout(1.0, clock=threads))
        errors: list[str] = []

        def call() -> None:
            try:
                layers.call(lambda: threads.waiter().wait(threads.now() + 3_000_000_000))
            except Exception as error:
                errors.append(type(error).__name__)

        threads.start_thread(call, "caller")
        threads.advance(2.0)
        assert errors == ["CallTimeoutError"]
        assert bulkhead.stats().concurrent_executions == 1
        threads.start_thread(call, "next")
        threads.settle()
        assert errors == ["CallTimeoutError", "BulkheadFullError"]
        threads.advance(1.0)
        assert bulkhead.stats().concurrent_executions == 0


def _wait_until(condition: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(10_000):
        if condition():
            return
        waited.wait(0.001)
    pytest.fail("this never became true")

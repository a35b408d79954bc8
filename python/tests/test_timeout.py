"""The timeout's two faces; the sync one sees its deadline through ``cancellation()`` (TO-8)."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import Callable

import pytest

from policy_support import Events, Failure
from skidbladnir import (
    Bulkhead,
    CallCancelledError,
    CallTimeoutError,
    CancelSignal,
    CircuitBreaker,
    ConfigurationError,
    Retry,
    Timeout,
    cancellation,
    compose,
)
from skidbladnir.testing import VirtualLoop, VirtualThreads


class Caller:
    """Calls in a virtual thread, and keeps what came of it and when."""

    def __init__(self, threads: VirtualThreads) -> None:
        self.threads = threads
        self.ended_at: float | None = None
        self.outcome: object = None
        self.thread = 0

    def start(self, call: Callable[[], object]) -> Caller:
        def run() -> None:
            self.thread = threading.get_ident()
            try:
                self.outcome = call()
            except Exception as error:
                self.outcome = error
            self.ended_at = self.threads.now() / 1e9

        self.threads.start_thread(run, "caller")
        self.threads.settle()
        return self


def signal() -> CancelSignal:
    found = cancellation()
    assert found is not None
    return found


class TestSyncFace:
    def test_cancel_runs_in_the_callers_thread(self, threads: VirtualThreads) -> None:
        caller = Caller(threads)
        caller.start(lambda: Timeout(1, mode="cancel", clock=threads).call(threading.get_ident))
        assert caller.outcome == caller.thread

    def test_abandon_runs_in_a_thread_of_its_own(self, threads: VirtualThreads) -> None:
        caller = Caller(threads)
        caller.start(lambda: Timeout(1, clock=threads).call(threading.get_ident))
        assert caller.outcome != caller.thread

    def test_abandon_runs_in_the_callers_context(self, threads: VirtualThreads) -> None:
        user = contextvars.ContextVar[str]("user")

        def call() -> str:
            user.set("Ada")
            return Timeout(1, clock=threads).call(user.get)

        assert Caller(threads).start(call).outcome == "Ada"

    def test_operation_that_listens_ends_at_the_deadline(self, threads: VirtualThreads, events: Events) -> None:
        def operation() -> str:
            assert not signal().cancelled
            assert signal().deadline == 1_000_000_000
            assert signal().wait(60)
            assert signal().cancelled
            raise CallCancelledError("operation")

        timeout = Timeout(1, mode="cancel", clock=threads, listeners=[events])
        caller = Caller(threads).start(lambda: timeout.call(operation))
        threads.advance(1)
        assert isinstance(caller.outcome, CallTimeoutError)
        assert (caller.ended_at, events.types()) == (1.0, ["timed_out"])
        assert cancellation() is None

    def test_operation_that_does_not_is_late(self, threads: VirtualThreads, events: Events) -> None:
        def operation() -> str:
            threads.waiter().wait(3_000_000_000)
            return "too late"

        cancelling = Timeout(1, mode="cancel", clock=threads, listeners=[events])
        abandoning = Timeout(1, mode="abandon", clock=threads, listeners=[events])
        first = Caller(threads).start(lambda: cancelling.call(operation))
        second = Caller(threads).start(lambda: abandoning.call(operation))
        threads.advance(1)
        assert (first.ended_at, second.ended_at) == (None, 1.0)
        assert events.types() == ["timed_out", "call_abandoned"]
        threads.advance(2)
        assert first.ended_at == 3.0
        assert isinstance(first.outcome, CallTimeoutError)
        assert isinstance(second.outcome, CallTimeoutError)
        assert sorted(events.types()[2:]) == ["late_outcome", "late_outcome", "timed_out"]

    @pytest.mark.parametrize("mode", ["cancel", "abandon"])
    def test_retry_inside_ends_its_delay_at_the_deadline(self, threads: VirtualThreads, mode: str) -> None:
        attempts: list[int] = []

        def operation() -> None:
            attempts.append(threads.now())
            raise Failure

        layers = compose(
            Timeout(1, mode=mode, clock=threads),  # type: ignore[arg-type]
            Retry(initial_delay=30, max_delay=30, clock=threads),
        )
        caller = Caller(threads).start(lambda: layers.call(operation))
        threads.advance(1)
        assert isinstance(caller.outcome, CallTimeoutError)
        assert (caller.ended_at, attempts) == (1.0, [0])

    @pytest.mark.parametrize("mode", ["cancel", "abandon"])
    def test_queue_of_a_bulkhead_inside_is_left_at_the_deadline(self, threads: VirtualThreads, mode: str) -> None:
        bulkhead = Bulkhead(max_concurrent_calls=1, clock=threads)
        layers = compose(Timeout(1, mode=mode, clock=threads), bulkhead)  # type: ignore[arg-type]
        holder = Caller(threads).start(lambda: bulkhead.call(lambda: threads.waiter().wait(5_000_000_000)))
        caller = Caller(threads).start(lambda: layers.call(lambda: pytest.fail("it must not run")))
        assert bulkhead.stats().queue_size == 1
        threads.advance(1)
        assert isinstance(caller.outcome, CallTimeoutError)
        assert (caller.ended_at, bulkhead.stats().queue_size) == (1.0, 0)
        threads.advance(4)
        assert holder.outcome is False

    def test_shorter_deadline_outside_is_the_outer_timeouts(self, threads: VirtualThreads) -> None:
        outer, inner = (
            Timeout(s, name=name, mode="cancel", clock=threads) for s, name in ((1, "outer"), (2, "inner"))
        )

        def operation() -> None:
            assert signal().wait()
            raise CallCancelledError("operation")

        breaker = CircuitBreaker(failure_threshold=1, clock=threads)
        caller = Caller(threads).start(lambda: compose(outer, breaker, inner).call(operation))
        threads.advance(1)
        assert isinstance(caller.outcome, CallTimeoutError)
        assert caller.outcome.policy == "outer"
        assert (breaker.stats().cancelled, breaker.stats().failures) == (1, 0)

    def test_signal_can_be_cancelled_by_hand(self, threads: VirtualThreads) -> None:
        given: list[CancelSignal] = []

        def operation() -> str:
            given.append(signal())
            return "told" if signal().wait(60) else "not told"

        caller = Caller(threads).start(lambda: Timeout(100, mode="cancel", clock=threads).call(operation))
        threads.advance(2)
        given[0].cancel()
        threads.settle()
        assert (caller.outcome, caller.ended_at) == ("told", 2.0)
        assert given[0].wait()

    def test_abandoned_error_is_reported_and_not_raised(self, threads: VirtualThreads, events: Events) -> None:
        def operation() -> None:
            signal().wait()
            raise Failure("late")

        timeout = Timeout(1, clock=threads, listeners=[events])
        Caller(threads).start(lambda: timeout.call(operation))
        threads.advance(1)
        assert events.types() == ["timed_out", "call_abandoned", "late_outcome"]
        assert (events[-1].outcome, type(events[-1].error)) == ("failure", Failure)

    def test_no_signal_outside_a_call(self) -> None:
        assert cancellation() is None


class TestAsyncFace:
    def test_is_a_timeout_error_of_python(self, loop: VirtualLoop) -> None:
        task = loop.create_task(Timeout(1, clock=loop.clock).execute(lambda: asyncio.sleep(5)))
        loop.advance(1)
        error = task.exception()
        assert isinstance(error, TimeoutError)
        assert isinstance(error, CallTimeoutError)
        assert str(error) == "Operation timed out: timeout, 1000 ms"

    def test_works_within_asyncio_timeout_and_the_other_way_round(self, loop: VirtualLoop) -> None:
        async def inner_first() -> str:
            async with asyncio.timeout(5):
                try:
                    await Timeout(1, clock=loop.clock).execute(lambda: asyncio.sleep(60))
                except CallTimeoutError:
                    await asyncio.sleep(1)
                    return "went on"
            return "never"

        async def outer_first() -> str:
            try:
                async with asyncio.timeout(1):
                    await Timeout(5, clock=loop.clock).execute(lambda: asyncio.sleep(60))
            except TimeoutError as error:
                return type(error).__name__
            return "never"

        tasks = [loop.create_task(inner_first()), loop.create_task(outer_first())]
        loop.advance(3)
        assert [task.result() for task in tasks] == ["went on", "TimeoutError"]

    def test_works_within_a_task_group(self, loop: VirtualLoop) -> None:
        async def main() -> str:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(Timeout(1, clock=loop.clock).execute(lambda: asyncio.sleep(60)))
                    group.create_task(asyncio.sleep(60))
            except* CallTimeoutError:
                pass
            await asyncio.sleep(1)
            return "went on"

        task = loop.create_task(main())
        loop.advance(2)
        assert task.result() == "went on"

    @pytest.mark.parametrize("mode", ["cancel", "abandon"])
    def test_late_error_is_never_unhandled(self, loop: VirtualLoop, events: Events, mode: str) -> None:
        unhandled: list[object] = []
        loop.set_exception_handler(lambda _, context: unhandled.append(context))

        async def operation() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                raise Failure("late")

        timeout = Timeout(1, mode=mode, clock=loop.clock, listeners=[events])  # type: ignore[arg-type]
        task = loop.create_task(timeout.execute(operation))
        loop.advance(1)
        assert isinstance(task.exception(), CallTimeoutError)
        del task
        gc.collect()
        loop.settle()
        assert (unhandled, events.types()[-1]) == ([], "late_outcome")

    def test_calls_that_share_a_timer_end_each_at_its_own_deadline(self, loop: VirtualLoop) -> None:
        timeout, ended = Timeout(1, clock=loop.clock), dict[str, float]()

        async def call(name: str, seconds: float) -> None:
            try:
                await timeout.execute(lambda: asyncio.sleep(seconds))
            finally:
                ended[name] = loop.time()

        tasks = []
        for name, seconds in (("ends early", 0.3), ("first", 60), ("second", 60), ("in time", 0.9), ("third", 60)):
            tasks.append(loop.create_task(call(name, seconds)))
            loop.advance(0.2)
        assert loop.armed_timers() == 1 + 4  # the timeout's, and those of the operations that sleep
        loop.advance(2)
        assert ended == pytest.approx({"ends early": 0.3, "first": 1.2, "second": 1.4, "in time": 1.5, "third": 1.8})
        kinds = [type(task.exception()).__name__ for task in tasks]
        assert kinds == ["NoneType", "CallTimeoutError", "CallTimeoutError", "NoneType", "CallTimeoutError"]
        assert loop.armed_timers() == 0

    def test_serves_event_loops_that_run_by_turns(self) -> None:
        loops = [VirtualLoop(), VirtualLoop()]
        timeout = Timeout(1, clock=loops[0].clock)
        tasks = []
        for _ in range(2):
            for loop in loops:
                tasks.append(loop.create_task(timeout.execute(lambda: asyncio.sleep(60))))
                loop.advance(0.4)
        for loop in loops:
            loop.advance(2)
            assert loop.armed_timers() == 0
            loop.close()
        assert [type(task.exception()).__name__ for task in tasks] == ["CallTimeoutError"] * 4

    def test_abandoned_operation_survives_the_garbage_collector(self, loop: VirtualLoop, events: Events) -> None:
        async def operation() -> str:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(2)
            return "late"

        timeout = Timeout(1, mode="abandon", clock=loop.clock, listeners=[events])
        task = loop.create_task(timeout.execute(operation))
        loop.advance(1)
        assert isinstance(task.exception(), CallTimeoutError)
        gc.collect()
        loop.advance(2)
        assert events.types() == ["timed_out", "call_abandoned", "late_outcome"]


@pytest.mark.parametrize(
    ("timeout", "mode", "message"),
    [
        (0, None, r"timeout\.timeout_ms: 0\.0 is not allowed: 1 to 2147483647 ms"),
        (True, None, r"timeout\.timeout_ms: True is not allowed: seconds as a number, or a timedelta"),
        (float("inf"), None, r"timeout\.timeout_ms: inf is not allowed"),
        (1, "kill", r"timeout\.mode: 'kill' is not allowed: one of cancel, abandon"),
    ],
)
def test_refuses_wrong_options(timeout: float, mode: str | None, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Timeout(timeout, mode=mode)  # type: ignore[arg-type]

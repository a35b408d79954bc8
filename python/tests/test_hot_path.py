"""What a call costs that nothing happens to: in bytecodes and calls of C, which repeat exactly on any machine.

A count more than a tenth above ``hot_path.json`` fails. ``python python/tests/test_hot_path.py`` writes the counts of today there, for
the version of Python that it runs on.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import pytest

from skidbladnir import (
    Bulkhead,
    BulkheadFullError,
    Cache,
    CircuitBreaker,
    CircuitOpenError,
    Clock,
    Fallback,
    ResilienceFacade,
    Retry,
    Timeout,
    Window,
    compose,
)
from skidbladnir.policy import SWITCHES_AT_CALLS
from skidbladnir.testing import VirtualLoop

BASELINE = Path(__file__).with_name("hot_path.json")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


class Failure(Exception):
    pass


async def operation() -> int:
    return 1


def operation_sync() -> int:
    return 1


async def floor(operation: Callable[[], Awaitable[int]]) -> int:
    return await operation()


def open_breaker() -> CircuitBreaker:
    breaker = CircuitBreaker(failure_threshold=1, reset_timeout=3600)
    with suppress(Failure), breaker.guard():
        raise Failure
    return breaker


def fourth_time_lucky() -> Callable[[], Awaitable[int]]:
    left = 3

    async def lucky() -> int:
        nonlocal left
        if left:
            left -= 1
            raise Failure
        left = 3
        return 1

    return lucky


def cases() -> dict[str, Callable[[], Any]]:
    """Functions that make one call each; awaited where they return something to await."""
    breaker, bulkhead, timeout, cache = CircuitBreaker(), Bulkhead(), Timeout(), Cache()
    retry, fallback = Retry(initial_delay=0), Fallback(lambda error: 2)
    refusing, full = open_breaker(), Bulkhead(max_concurrent_calls=1, max_queue_size=0)
    full.guard().__enter__()
    lucky, keys = fourth_time_lucky(), itertools.count()
    facade = ResilienceFacade(retry={"initial_delay": 0})
    uncached = ResilienceFacade(retry={"initial_delay": 0}, cache=None)
    layers = compose(CircuitBreaker(), Bulkhead(), Timeout(), Retry(initial_delay=0))
    counting = CircuitBreaker(window=Window(kind="count"))
    return {
        "floor": lambda: floor(operation),
        "breaker, async": lambda: breaker.execute(operation),
        "breaker, sync": lambda: breaker.call(operation_sync),
        "breaker with a window, sync": lambda: counting.call(operation_sync),
        "rejection by a breaker, async": lambda: _refused(refusing.execute(operation)),
        "rejection by a breaker, sync": lambda: _refused_sync(refusing),
        "retry, async": lambda: retry.execute(operation),
        "retry, sync": lambda: retry.call(operation_sync),
        "retry, three failures": lambda: retry.execute(lucky),
        "bulkhead, async": lambda: bulkhead.execute(operation),
        "bulkhead, sync": lambda: bulkhead.call(operation_sync),
        "rejection by a bulkhead": lambda: _refused(full.execute(operation)),
        "timeout, async": lambda: timeout.execute(operation),
        "fallback, async": lambda: fallback.execute(operation),
        "cache hit, async": lambda: cache.execute(operation, key="key"),
        "cache miss, async": lambda: cache.execute(operation, key=next(keys)),
        "four composed, async": lambda: layers.execute(operation),
        "four in the facade, async": lambda: uncached.execute("key", operation),
        "facade, hit, async": lambda: facade.execute("key", operation),
        "facade, miss, async": lambda: facade.execute(next(keys), operation),
    }


async def _refused(call: Awaitable[int]) -> None:
    try:
        await call
    except (CircuitOpenError, BulkheadFullError):
        return
    raise AssertionError("this call should have been refused")


def _refused_sync(breaker: CircuitBreaker) -> None:
    try:
        breaker.call(operation_sync)
    except CircuitOpenError:
        return
    raise AssertionError("this call should have been refused")


async def count(call: Callable[[], Any]) -> int:
    """Bytecodes, and calls of functions in C, of one call that follows others."""
    number = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal number
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        number += event == "opcode"
        return trace

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal number
        number += event == "c_call"

    for measured in (False, False, False, True):
        if measured:
            sys.setprofile(profile)
            sys.settrace(trace)
        try:
            result = call()
            if hasattr(result, "send"):
                await result
        finally:
            sys.settrace(None)
            sys.setprofile(None)
    return number


def counts() -> dict[str, int]:
    async def main() -> dict[str, int]:
        return {name: await count(call) for name, call in cases().items()}

    return asyncio.run(main())


@pytest.fixture
def before() -> dict[str, int]:
    baseline: dict[str, dict[str, int]] = json.loads(BASELINE.read_text())
    if VERSION not in baseline:
        pytest.skip(f"{BASELINE.name} has no counts for Python {VERSION}")
    return baseline[VERSION]


@pytest.mark.usefixtures("before")
def test_counts_repeat_exactly() -> None:
    assert counts() == counts()


def test_no_call_costs_a_tenth_more_than_it_did(before: dict[str, int]) -> None:
    now = counts()
    assert now.keys() == before.keys(), f"{BASELINE.name} is of other cases: write it anew"
    dearer = {name: (before[name], number) for name, number in now.items() if number > 1.1 * before[name]}
    assert dearer == {}, "bytecodes before and now"


class Forbidden:
    """In place of a lock."""

    def __enter__(self) -> None:
        raise AssertionError("a lock was taken")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None


class Stopped(Clock):
    """A clock that must not be read."""

    def now(self) -> int:
        raise AssertionError("the clock was read")


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads are switched wherever they can be."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("restless")
class TestAmongThreads:
    THREADS, CALLS = 8, 3000

    def crowd(self, run: Callable[[], object]) -> None:
        threads = [threading.Thread(target=lambda: [run() for _ in range(self.CALLS)]) for _ in range(self.THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def test_totals_of_a_breaker_are_exact(self) -> None:
        breaker, outcomes = CircuitBreaker(failure_threshold=1_000_000), itertools.count()

        def run() -> None:
            with suppress(Failure):
                breaker.call(sometimes)

        def sometimes() -> None:
            if next(outcomes) % 7 == 0:
                raise Failure

        self.crowd(run)
        calls, stats = self.THREADS * self.CALLS, breaker.stats()
        failures = -(-calls // 7)
        assert (stats.calls, stats.successes, stats.failures) == (calls, calls - failures, failures)

    def test_rejections_by_a_breaker_are_counted_exactly(self) -> None:
        breaker = open_breaker()

        def run() -> None:
            with suppress(CircuitOpenError):
                breaker.call(operation_sync)

        self.crowd(run)
        assert breaker.stats().rejected == self.THREADS * self.CALLS

    def test_slots_of_a_bulkhead_are_exact_and_nobody_waits_for_ever(self) -> None:
        bulkhead = Bulkhead(max_concurrent_calls=2, max_queue_size=100)
        running: list[int] = []
        most: list[int] = []

        def inside() -> None:
            running.append(1)
            most.append(len(running))
            running.pop()

        self.crowd(lambda: bulkhead.call(inside))
        assert (len(most), max(most) <= 2) == (self.THREADS * self.CALLS, True)
        assert (bulkhead.stats().concurrent_executions, bulkhead.stats().queue_size) == (0, 0)

    def test_slot_freed_while_a_call_enters_the_queue_is_not_overlooked(self) -> None:
        bulkhead = Bulkhead(max_concurrent_calls=1)

        class FreedMeanwhile(OrderedDict[Any, None]):
            def __setitem__(self, waiting: object, value: None) -> None:
                bulkhead.release()
                super().__setitem__(waiting, value)

        bulkhead.guard().__enter__()
        bulkhead._queue = FreedMeanwhile()
        caller = threading.Thread(target=bulkhead.call, args=(operation_sync,), daemon=True)
        caller.start()
        caller.join(10)
        assert not caller.is_alive()
        assert (bulkhead.stats().concurrent_executions, bulkhead.stats().queue_size) == (0, 0)

    def test_each_value_of_a_cache_is_fetched_once(self) -> None:
        cache, fetches, turns = Cache(max_entries=100_000), list[int](), itertools.count()

        def run() -> None:
            key = next(turns) // self.THREADS

            def fetch() -> int:
                fetches.append(key)
                return key

            assert cache.call(fetch, key=key) == key

        self.crowd(run)
        assert sorted(fetches) == list(range(self.CALLS))
        assert cache.stats().size == self.CALLS


@pytest.mark.skipif(not SWITCHES_AT_CALLS, reason="without a GIL every call takes its lock")
class TestFastPath:
    def test_of_a_closed_breaker_takes_no_lock_and_reads_no_clock(self) -> None:
        breaker = CircuitBreaker()
        breaker._lock, breaker._now = Forbidden(), Stopped().now  # type: ignore[assignment]
        assert breaker.call(operation_sync) == 1
        assert asyncio.run(breaker.execute(operation)) == 1
        with pytest.raises(AssertionError, match="a lock was taken"):
            breaker.call(lambda: 1 // 0)

    def test_of_an_open_breaker_takes_no_lock(self) -> None:
        breaker = open_breaker()
        breaker._lock = Forbidden()  # type: ignore[assignment]
        with pytest.raises(CircuitOpenError):
            breaker.call(operation_sync)

    def test_of_a_bulkhead_takes_no_lock(self) -> None:
        bulkhead = Bulkhead(max_concurrent_calls=1, max_queue_size=0)
        bulkhead._lock = Forbidden()  # type: ignore[assignment]
        assert bulkhead.call(operation_sync) == 1
        assert asyncio.run(bulkhead.execute(operation)) == 1
        with bulkhead.guard(), pytest.raises(BulkheadFullError):
            bulkhead.call(operation_sync)

    def test_of_a_cache_takes_no_lock_for_a_hit(self) -> None:
        cache = Cache()
        cache.call(operation_sync, key="key")
        cache._lock = Forbidden()  # type: ignore[assignment]
        assert cache.call(lambda: 2, key="key") == 1
        assert asyncio.run(cache.execute(operation, key="key")) == 1


def test_one_timer_is_armed_and_only_for_operations_that_suspend(loop: VirtualLoop) -> None:
    armed: list[int] = []

    async def main() -> None:
        timeout, ends = Timeout(5, clock=loop.clock), asyncio.Event()
        for _ in range(3):
            await timeout.execute(operation)
        await asyncio.sleep(0)
        armed.append(loop.armed_timers())
        calls = [asyncio.create_task(timeout.execute(ends.wait)) for _ in range(10)]
        for _ in range(3):
            await asyncio.sleep(0)
        armed.append(loop.armed_timers())
        ends.set()
        await asyncio.gather(*calls)
        await asyncio.sleep(0)
        armed.append(loop.armed_timers())

    task = loop.create_task(main())
    loop.settle()
    task.result()
    assert armed == [0, 1, 0]


if __name__ == "__main__":
    known = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    BASELINE.write_text(json.dumps(known | {VERSION: counts()}, indent=1) + "\n")

"""The tools for tests under virtual time."""

from __future__ import annotations

import asyncio

import pytest

from policy_support import Failure, fail
from skidbladnir import Retry
from skidbladnir.testing import VirtualLoop, VirtualThreads


def test_loop_stands_still_until_told_to_advance(loop: VirtualLoop) -> None:
    seen: list[float] = []

    async def sleeper() -> None:
        for seconds in (1, 0.5, 60):
            await asyncio.sleep(seconds)
            seen.append(loop.time())

    task = loop.create_task(sleeper())
    loop.settle()
    assert (seen, loop.now(), loop.armed_timers()) == ([], 0, 1)
    loop.advance(1.5)
    assert (seen, loop.time(), loop.armed_timers()) == ([1.0, 1.5], 1.5, 1)
    loop.advance(59)
    assert len(seen) == 2
    task.cancel()
    loop.settle()
    assert (task.cancelled(), loop.armed_timers()) == (True, 0)


def test_policies_of_a_loop_need_no_sleep(loop: VirtualLoop) -> None:
    attempts: list[float] = []

    async def operation() -> None:
        attempts.append(loop.time())
        fail()

    retry = Retry(max_retries=3, initial_delay=10, max_delay=100, clock=loop.clock)
    task = loop.create_task(retry.execute(operation))
    loop.advance(100)
    assert attempts == [0, 10, 30, 70]
    assert isinstance(task.exception(), Failure)


def test_threads_run_one_at_a_time_in_order(threads: VirtualThreads) -> None:
    seen: list[tuple[str, float]] = []

    def target(name: str, seconds: float) -> None:
        seen.append((name, threads.now() / 1e9))
        threads.waiter().wait(threads.now() + round(seconds * 1e9))
        seen.append((name, threads.now() / 1e9))

    threads.start_thread(lambda: target("slow", 2), "slow")
    threads.start_thread(lambda: target("quick", 1), "quick")
    threads.settle()
    assert (threads.alive, threads.armed_timers()) == (2, 2)
    threads.advance(5)
    assert seen == [("slow", 0), ("quick", 0), ("quick", 1), ("slow", 2)]
    assert threads.now() == 5_000_000_000


def test_what_a_thread_does_not_catch_is_raised_by_settle(threads: VirtualThreads) -> None:
    seen: list[str] = []
    threads.start_thread(fail, "failing")
    threads.start_thread(lambda: seen.append("the next"), "next")
    with pytest.raises(Failure):
        threads.settle()
    assert seen == []
    threads.settle()
    threads.start_thread(lambda: seen.append("one that is reused"), "reused")
    threads.settle()
    assert seen == ["the next", "one that is reused"]

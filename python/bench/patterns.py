"""The cases of single patterns: success on the closed path, rejection, retries, contention, windows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import repeat
from typing import Any

import aiobreaker
import aiocache
import anyio
import async_lru
import async_timeout
import backoff
import cachetools
import cashews
import circuitbreaker
import hyx.bulkhead
import hyx.bulkhead.exceptions
import hyx.circuitbreaker
import hyx.circuitbreaker.exceptions
import hyx.fallback
import hyx.retry
import hyx.timeout
import interlock
import purgatory
import pybreaker
import stamina
import tenacity

from bench.measure import (
    BARE,
    BARE_SYNC,
    Case,
    Contender,
    Loop,
    bare_sync,
    decorated,
    decorated_sync,
    given,
    given_sync,
    operation,
    operation_sync,
    refused,
    refused_sync,
)
from skidbladnir import (
    Bulkhead,
    BulkheadFullError,
    Cache,
    CircuitBreaker,
    CircuitOpenError,
    Fallback,
    Retry,
    Timeout,
    Window,
)


class Failure(Exception):
    pass


async def fail() -> int:
    raise Failure


def fail_sync() -> int:
    raise Failure


def breakers() -> list[Case]:
    ours, interlocked = CircuitBreaker(), interlock.CircuitBreaker(name="bench")
    return [
        Case(
            "breaker-async",
            "circuit breaker, closed, async",
            BARE,
            [
                Contender("skidbladnir", given(ours.execute, operation)),
                Contender("circuitbreaker", decorated(circuitbreaker.circuit(operation))),
                Contender("hyx", decorated(hyx.circuitbreaker.consecutive_breaker()(operation))),
                Contender("aiobreaker", given(aiobreaker.CircuitBreaker().call_async, operation)),
                Contender("purgatory", decorated(purgatory.AsyncCircuitBreakerFactory()("bench")(operation))),
                Contender("interlock-cb", given(interlocked.call_async, operation)),
            ],
            target=1.8,
        ),
        Case(
            "breaker-sync",
            "circuit breaker, closed, sync",
            BARE_SYNC,
            [
                Contender("skidbladnir", given_sync(ours.call, operation_sync)),
                Contender("circuitbreaker", decorated_sync(circuitbreaker.circuit(operation_sync))),
                Contender("pybreaker", given_sync(pybreaker.CircuitBreaker().call, operation_sync)),
                Contender("aiobreaker", given_sync(aiobreaker.CircuitBreaker().call, operation_sync)),
                Contender("purgatory", decorated_sync(purgatory.SyncCircuitBreakerFactory()("bench")(operation_sync))),
                Contender("interlock-cb", given_sync(interlocked.call_sync, operation_sync)),
            ],
            target=2.5,
        ),
    ]


async def open_breakers() -> list[Case]:
    ours = CircuitBreaker(failure_threshold=1, reset_timeout=3600)
    fused = circuitbreaker.CircuitBreaker(failure_threshold=1, recovery_timeout=3600)
    consecutive = hyx.circuitbreaker.consecutive_breaker(failure_threshold=1, recovery_time_secs=3600)
    locked = pybreaker.CircuitBreaker(fail_max=1, reset_timeout=3600)
    interlocked = interlock.CircuitBreaker(name="bench")
    interlocked.force_open()
    guarded, refused_by_hyx, refused_by_circuitbreaker = fused(fail_sync), consecutive(fail), fused(fail)
    for trip in (lambda: ours.call(fail_sync), lambda: locked.call(fail_sync), guarded):
        with suppress(Failure, pybreaker.CircuitBreakerError):
            trip()
    with suppress(Failure):
        await refused_by_hyx()
    return [
        Case(
            "rejection-async",
            "rejection by an open circuit breaker, async",
            BARE,
            [
                Contender("skidbladnir", refused(ours.execute, operation, CircuitOpenError)),
                Contender(
                    "circuitbreaker", refused(_ignoring(refused_by_circuitbreaker), None, circuitbreaker.CircuitBreakerError)
                ),
                Contender("hyx", refused(_ignoring(refused_by_hyx), None, hyx.circuitbreaker.exceptions.BreakerFailing)),
                Contender("interlock-cb", refused(interlocked.call_async, operation, interlock.CircuitOpenError)),
            ],
            target=5,
        ),
        Case(
            "rejection-sync",
            "rejection by an open circuit breaker, sync",
            BARE_SYNC,
            [
                Contender("skidbladnir", refused_sync(ours.call, operation_sync, CircuitOpenError)),
                Contender("circuitbreaker", refused_sync(_ignoring(guarded), None, circuitbreaker.CircuitBreakerError)),
                Contender("pybreaker", refused_sync(locked.call, operation_sync, pybreaker.CircuitBreakerError)),
                Contender("interlock-cb", refused_sync(interlocked.call_sync, operation_sync, interlock.CircuitOpenError)),
            ],
            target=13,
        ),
    ]


def _ignoring(function: Callable[[], Any]) -> Callable[[object], Any]:
    return lambda _: function()


def retries() -> list[Case]:
    def options(package: Any) -> dict[str, Any]:
        return {"stop": package.stop_after_attempt(4), "wait": package.wait_none()}

    stamina.instrumentation.set_on_retry_hooks([])  # nobody listens to ours either
    ours = Retry(initial_delay=0)
    stamina_options: dict[str, Any] = {"on": Failure, "attempts": 4, "timeout": None, "wait_initial": 0, "wait_max": 0, "wait_jitter": 0}

    def all_async(make: Callable[[], Callable[[], Awaitable[int]]]) -> list[Contender]:
        return [
            Contender("skidbladnir", given(ours.execute, make())),
            Contender("hyx", decorated(hyx.retry.retry(on=Failure, attempts=4, backoff=0)(make()))),
            Contender("backoff", decorated(backoff.on_exception(backoff.constant, Failure, max_tries=4, interval=0, jitter=None)(make()))),
            Contender("stamina", decorated(stamina.retry(**stamina_options)(make()))),
            Contender("tenacity", decorated(tenacity.retry(**options(tenacity))(make()))),
        ]

    return [
        Case("retry-async", "retry, first attempt succeeds, async", BARE, all_async(lambda: operation), target=2),
        Case(
            "retry-sync",
            "retry, first attempt succeeds, sync",
            BARE_SYNC,
            [
                Contender("skidbladnir", given_sync(ours.call, operation_sync)),
                Contender("backoff", decorated_sync(backoff.on_exception(backoff.constant, Failure, max_tries=4)(operation_sync))),
                Contender("stamina", decorated_sync(stamina.retry(**stamina_options)(operation_sync))),
                Contender("tenacity", decorated_sync(tenacity.retry(**options(tenacity))(operation_sync))),
            ],
            target=2.5,
        ),
        Case("retry-failures", "retry, three failures then success, no delay, async", BARE, all_async(_fourth_time_lucky), target=25),
    ]


def _fourth_time_lucky() -> Callable[[], Awaitable[int]]:
    left = 3

    async def lucky() -> int:
        nonlocal left
        if left:
            left -= 1
            raise Failure
        left = 3
        return 1

    return lucky


async def bulkheads() -> list[Case]:
    ours, full = Bulkhead(), Bulkhead(max_concurrent_calls=1, max_queue_size=0)
    full.guard().__enter__()
    semaphore, any_semaphore = asyncio.Semaphore(10), anyio.Semaphore(10)
    strategy = interlock.BulkheadStrategy(10, max_wait=30)
    locked = asyncio.Semaphore(0)
    full_hyx = hyx.bulkhead.bulkhead(1, 1)
    await full_hyx.__aenter__()

    async def by_semaphore(calls: int) -> None:
        for _ in repeat(None, calls):
            async with semaphore:
                await operation()

    async def by_anyio(calls: int) -> None:
        for _ in repeat(None, calls):
            async with any_semaphore:
                await operation()

    async def unless_locked(operation: Callable[[], Awaitable[int]]) -> int:
        if locked.locked():
            raise Failure
        async with locked:
            return await operation()

    return [
        Case(
            "bulkhead",
            "bulkhead, free slot, async",
            BARE,
            [
                Contender("skidbladnir", given(ours.execute, operation)),
                Contender("asyncio (Semaphore)", by_semaphore),
                Contender("anyio (Semaphore)", by_anyio),
                Contender("hyx", decorated(hyx.bulkhead.bulkhead(10, 110)(operation))),
                Contender("interlock-cb", given(strategy.execute_async, operation)),
            ],
            target=2.5,
        ),
        Case("bulkhead-sync", "bulkhead, free slot, sync", BARE_SYNC, [Contender("skidbladnir", given_sync(ours.call, operation_sync))]),
        Case(
            "bulkhead-full",
            "rejection by a full bulkhead, async",
            BARE,
            [
                Contender("skidbladnir", refused(full.execute, operation, BulkheadFullError)),
                Contender("asyncio (Semaphore.locked)", refused(unless_locked, operation, Failure)),
                Contender(
                    "hyx", refused(_ignoring(full_hyx(operation)), None, hyx.bulkhead.exceptions.BulkheadFull)
                ),
            ],
        ),
    ]


def timeouts() -> list[Case]:
    ours, cancelling = Timeout(30), Timeout(30, mode="cancel")

    async def by_asyncio(calls: int) -> None:
        for _ in repeat(None, calls):
            async with asyncio.timeout(30):
                await operation()

    async def by_wait_for(calls: int) -> None:
        for _ in repeat(None, calls):
            await asyncio.wait_for(operation(), 30)

    async def by_async_timeout(calls: int) -> None:
        for _ in repeat(None, calls):
            async with async_timeout.timeout(30):
                await operation()

    async def by_anyio(calls: int) -> None:
        for _ in repeat(None, calls):
            with anyio.fail_after(30):
                await operation()

    async def by_interlock(calls: int) -> None:
        for _ in repeat(None, calls):
            async with interlock.timeout(30):
                await operation()

    async def suspends() -> int:
        await asyncio.sleep(0)
        return 1

    async def by_asyncio_suspending(calls: int) -> None:
        for _ in repeat(None, calls):
            async with asyncio.timeout(30):
                await suspends()

    return [
        Case(
            "timeout",
            "timeout, async",
            BARE,
            [
                Contender("skidbladnir", given(ours.execute, operation)),
                Contender("hyx", decorated(hyx.timeout.timeout(30)(operation))),
                Contender("asyncio (timeout)", by_asyncio),
                Contender("asyncio (wait_for)", by_wait_for),
                Contender("async-timeout", by_async_timeout),
                Contender("anyio (fail_after)", by_anyio),
                Contender("interlock-cb", by_interlock),
            ],
            target=9,
        ),
        Case(
            "timeout-suspending",
            "timeout around an operation that suspends once, async",
            given(suspending_bare, suspends),
            [Contender("skidbladnir", given(ours.execute, suspends)), Contender("asyncio (timeout)", by_asyncio_suspending)],
        ),
        Case(
            "timeout-sync",
            "timeout, sync, in the caller's thread",
            BARE_SYNC,
            [Contender("skidbladnir", given_sync(cancelling.call, operation_sync))],
        ),
    ]


async def suspending_bare(operation: Callable[[], Awaitable[int]]) -> int:
    return await operation()


def fallbacks() -> list[Case]:
    ours = Fallback(lambda error: 2)

    async def other(*_: object) -> int:
        return 2

    return [
        Case(
            "fallback",
            "fallback that is not needed, async",
            BARE,
            [
                Contender("skidbladnir", given(ours.execute, operation)),
                Contender("hyx", decorated(hyx.fallback.fallback(other, on=Exception)(operation))),
            ],
        )
    ]


def caches() -> list[Case]:
    ours, ttl = Cache(), cachetools.TTLCache(1000, 60)
    cached = async_lru.alru_cache(maxsize=1000, ttl=60)(_of_key)
    memory = aiocache.cached(ttl=60, key_builder=lambda function, key: key)(_of_key)
    cash = cashews.Cache()
    cash.setup("mem://")
    cashed = cash(ttl="60s", key="{key}")(_of_key)

    async def by_us(calls: int) -> None:
        for _ in repeat(None, calls):
            await ours.execute(operation, key="key")

    async def by_hand(key: str) -> int:
        try:
            return ttl[key]
        except KeyError:
            value = ttl[key] = await operation()
            return value

    return [
        Case(
            "cache-hit",
            "cache hit, async",
            BARE,
            [
                Contender("skidbladnir", by_us),
                Contender("cachetools (TTLCache by hand)", given(by_hand, "key")),
                Contender("async-lru", given(cached, "key")),
                Contender("aiocache", given(memory, "key")),
                Contender("cashews", given(cashed, "key")),
            ],
            target=2.5,
        )
    ]


async def _of_key(key: str) -> int:
    return 1


def windows() -> list[Case]:
    contenders = [Contender(f"skidbladnir (count, {size:,})", _by_window(Window(kind="count", size=size))) for size in (10, 1_000, 100_000)]
    contenders += [
        Contender(f"skidbladnir (time, {buckets:,} buckets)", _by_window(Window(kind="time", buckets=buckets)))
        for buckets in (10, 1000)
    ]
    contenders += [
        Contender(
            f"interlock-cb (count, {size:,})",
            given_sync(interlock.CircuitBreaker(name="bench", config=interlock.Config(window_size=size)).call_sync, operation_sync),
        )
        for size in (10, 1_000, 100_000)
    ]
    return [Case("windows", "circuit breaker with a full sliding window, closed, sync", BARE_SYNC, contenders)]


def _by_window(window: Window) -> Loop:
    breaker = CircuitBreaker(window=window)
    for _ in range(window.size or 0):
        breaker.call(operation_sync)
    return given_sync(breaker.call, operation_sync)


THREADS, TASKS = 4, 100
# So many that threads are switched in between, not only started.
CALLS_OF_A_THREAD = 100


def contention() -> list[Case]:
    plain, held = CircuitBreaker(), Bulkhead(max_concurrent_calls=THREADS)
    queueing, semaphore = Bulkhead(max_concurrent_calls=10, max_queue_size=TASKS), asyncio.Semaphore(10)

    async def passing(operation: Callable[[], Awaitable[int]]) -> int:
        return await operation()

    async def by_semaphore(operation: Callable[[], Awaitable[int]]) -> int:
        async with semaphore:
            return await operation()

    return [
        Case(
            "contention-threads",
            f"{THREADS} threads at once, sync",
            _threads(bare_sync),
            [
                Contender("skidbladnir (breaker)", _threads(plain.call)),
                Contender("circuitbreaker", _threads(_ignoring(circuitbreaker.circuit(operation_sync)))),
                Contender("pybreaker", _threads(pybreaker.CircuitBreaker().call)),
                Contender("skidbladnir (bulkhead)", _threads(held.call)),
            ],
        ),
        Case(
            "contention-tasks",
            f"{TASKS} tasks in 10 slots, async, operations that suspend once",
            _tasks(passing),
            [
                Contender("skidbladnir (bulkhead)", _tasks(queueing.execute)),
                Contender("asyncio (Semaphore)", _tasks(by_semaphore)),
                Contender("hyx (bulkhead)", _tasks(_ignoring(hyx.bulkhead.bulkhead(10, 110)(_suspend)))),
            ],
        ),
    ]


def _threads(call: Callable[[Any], object]) -> Loop:
    loop = given_sync(call, operation_sync)

    def run(calls: int) -> None:
        threads = [threading.Thread(target=loop, args=(calls * CALLS_OF_A_THREAD,)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run


def _tasks(call: Callable[[Any], Awaitable[object]]) -> Loop:
    loop = given(call, _suspend)

    async def run(calls: int) -> None:
        await asyncio.gather(*(loop(calls) for _ in range(TASKS)))

    return run


async def _suspend() -> int:
    await asyncio.sleep(0)
    return 1


async def cases() -> list[Case]:
    """Made in the event loop that measures them: some peers belong to the loop they were made in."""
    plain = (breakers, retries, timeouts, fallbacks, caches, windows, contention)
    return [*await open_breakers(), *await bulkheads(), *[case for group in plain for case in group()]]

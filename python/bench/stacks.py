"""The cases of patterns together: four of them stacked, and the facade with its cache in front."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from itertools import repeat
from typing import Any

import async_lru
import cachetools
import circuitbreaker
import hyx.bulkhead
import hyx.circuitbreaker
import hyx.retry
import hyx.timeout
import interlock

from bench.measure import BARE, Case, Contender, Loop, decorated, given, operation
from skidbladnir import Bulkhead, CircuitBreaker, ResilienceFacade, Retry, Timeout, compose

AsyncOperation = Callable[[], Awaitable[int]]


def singles(operation: AsyncOperation) -> AsyncOperation:
    """The fastest peer of each pattern, composed by hand."""
    semaphore = asyncio.Semaphore(10)
    retried = hyx.retry.retry(on=Exception, attempts=4, backoff=0)(operation)

    async def guarded() -> int:
        async with semaphore, asyncio.timeout(30):
            result: int = await retried()
            return result

    wrapped: AsyncOperation = circuitbreaker.circuit(guarded)
    return wrapped


def by_hyx(operation: Callable[..., Awaitable[int]]) -> Callable[..., Awaitable[int]]:
    """All four by hyx."""
    retried = hyx.retry.retry(on=Exception, attempts=4, backoff=0)(operation)
    limited = hyx.bulkhead.bulkhead(10, 110)(hyx.timeout.timeout(30)(retried))
    wrapped: Callable[..., Awaitable[int]] = hyx.circuitbreaker.consecutive_breaker()(limited)
    return wrapped


def by_interlock() -> interlock.Pipeline:
    """All four by interlock-cb and, for the retry, tenacity."""
    return (
        interlock.Pipeline.builder()
        .circuit_breaker(interlock.CircuitBreaker(name="bench"))
        .bulkhead(10, max_wait=30)
        .timeout(30)
        .retry(attempts=4)
        .build()
    )


def facade(cached: bool) -> ResilienceFacade:
    return ResilienceFacade("bench", retry={"initial_delay": 0}, cache={} if cached else None)


def stacks() -> list[Case]:
    peers = [
        Contender("circuitbreaker, asyncio, hyx by hand", decorated(singles(operation))),
        Contender("hyx", decorated(by_hyx(operation))),
        Contender("interlock-cb", given(by_interlock().call, operation)),
    ]
    free = compose(CircuitBreaker(), Bulkhead(), Timeout(30), Retry(initial_delay=0))
    return [
        Case(
            "stack-facade",
            "circuit breaker, bulkhead, timeout and retry: the facade, async",
            BARE,
            [Contender("skidbladnir", _keyed(facade(cached=False), repeat(None))), *peers],
            target=12,
        ),
        Case(
            "stack-composed",
            "circuit breaker, bulkhead, timeout and retry: composed freely, async",
            BARE,
            [Contender("skidbladnir", given(free.execute, operation)), *[Contender(peer.name, peer.run) for peer in peers]],
            target=18,
        ),
    ]


def caches() -> list[Case]:
    stale = ResilienceFacade("bench", retry={"initial_delay": 0}, cache={"ttl": 0})
    ttl = cachetools.TTLCache[int, int](1000, 60)
    guarded = singles(operation)

    async def by_hand(calls: int) -> None:
        for key in itertools.islice(_KEYS, calls):
            try:
                ttl[key]
            except KeyError:
                ttl[key] = await guarded()

    lru = async_lru.alru_cache(maxsize=1000, ttl=60)(by_hyx(_of_key))

    async def by_lru(calls: int) -> None:
        for key in itertools.islice(_KEYS, calls):
            await lru(key)

    pipeline = by_interlock()

    async def by_hand_interlocked(calls: int) -> None:
        for key in itertools.islice(_KEYS, calls):
            try:
                ttl[key]
            except KeyError:
                ttl[key] = await pipeline.call(operation)

    return [
        Case("facade-hit", "facade, cache hit, async", BARE, [Contender("skidbladnir", _keyed(facade(cached=True), repeat("key")))]),
        Case(
            "facade-miss",
            "facade, cache miss in front of the four, async",
            BARE,
            [
                Contender("skidbladnir", _keyed(facade(cached=True), _KEYS)),
                Contender("cachetools, circuitbreaker, asyncio, hyx by hand", by_hand),
                Contender("async-lru, hyx by hand", by_lru),
                Contender("cachetools, interlock-cb by hand", by_hand_interlocked),
            ],
            target=22,
        ),
        Case(
            "facade-stale",
            "facade, stale hit that starts a refresh, async",
            BARE,
            [Contender("skidbladnir", _refreshing(stale))],
        ),
    ]


_KEYS = itertools.count()


async def _of_key(key: int) -> int:
    return 1


def _keyed(facade: ResilienceFacade, keys: Any) -> Loop:
    async def run(calls: int) -> None:
        execute = facade.execute
        for key in itertools.islice(keys, calls):
            await execute(key, operation)

    return run


def _refreshing(facade: ResilienceFacade) -> Loop:
    async def run(calls: int) -> None:
        execute = facade.execute
        for _ in repeat(None, calls):
            await execute("key", operation)
            await asyncio.sleep(0)  # lets the refresh run

    return run


async def cases() -> list[Case]:
    """Made in the event loop that measures them: some peers belong to the loop they were made in."""
    return [*stacks(), *caches()]

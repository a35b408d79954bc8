"""What things hold: bytes as tracemalloc counts them, the interpreter's own garbage collector header included."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import circuitbreaker
import hyx.circuitbreaker
import interlock
import pybreaker

from bench.measure import version
from skidbladnir import Bulkhead, Cache, CircuitBreaker, ResilienceFacade, Retry, Timeout

OBJECTS = 1000
KEYS = 1_000_000


@dataclass
class Measured:
    id: str
    title: str
    values: dict[str, float]
    target: int | None = None

    def result(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "unit": "bytes",
            "target": self.target,
            "results": [
                {"name": name, "version": version(name), "ours": name == "skidbladnir", "value": round(value)}
                for name, value in self.values.items()
            ],
        }


def measure() -> list[Measured]:
    return [
        Measured(
            "bytes-per-breaker",
            "bytes for each circuit breaker",
            {
                "skidbladnir": per_object(CircuitBreaker),
                "hyx": per_object(hyx.circuitbreaker.consecutive_breaker),
                "circuitbreaker": per_object(circuitbreaker.CircuitBreaker),
                "pybreaker": per_object(pybreaker.CircuitBreaker),
                "interlock-cb": per_object(lambda: interlock.CircuitBreaker(name="bench")),
            },
            target=600,
        ),
        Measured("bytes-per-retry", "bytes for each retry", {"skidbladnir": per_object(Retry)}),
        Measured("bytes-per-bulkhead", "bytes for each bulkhead", {"skidbladnir": per_object(Bulkhead)}),
        Measured("bytes-per-timeout", "bytes for each timeout", {"skidbladnir": per_object(Timeout)}),
        Measured("bytes-per-cache", "bytes for each cache, empty", {"skidbladnir": per_object(Cache)}),
        Measured("bytes-per-facade", "bytes for each facade with all patterns", {"skidbladnir": per_object(ResilienceFacade)}),
        Measured("bytes-per-entry", "bytes for each cached entry, without key and value", {"skidbladnir": per_entry()}),
        Measured("bytes-per-queued", "bytes for each call in a bulkhead's queue, its task included", {"skidbladnir": per_queued_call()}),
        Measured(
            "growth-million-keys",
            f"bytes more after {KEYS:,} further keys through a facade whose cache of 1,000 was full",
            {"skidbladnir": growth_by_keys()},
        ),
        Measured("garbage", f"objects left to the garbage collector by {OBJECTS:,} calls of a facade", {"skidbladnir": garbage()}),
    ]


def per_object(make: Callable[[], object]) -> float:
    make()
    kept: list[object] = [None] * OBJECTS
    with _Traced() as traced:
        for index in range(OBJECTS):
            kept[index] = make()
    return traced.bytes / OBJECTS


def per_entry() -> float:
    cache, keys = Cache(max_entries=100_000), list(range(100_000))
    with _Traced() as traced:
        for key in keys:
            cache.call(lambda: None, key=key)
    return traced.bytes / len(keys)


def per_queued_call() -> float:
    async def main() -> float:
        bulkhead = Bulkhead(max_concurrent_calls=1, max_queue_size=OBJECTS)
        release = asyncio.Event()

        async def operation() -> None:
            await release.wait()

        holder = asyncio.create_task(bulkhead.execute(operation))
        await asyncio.sleep(0)
        with _Traced() as traced:
            waiting = [asyncio.create_task(bulkhead.execute(operation)) for _ in range(OBJECTS)]
            await asyncio.sleep(0)
        release.set()
        await asyncio.gather(holder, *waiting)
        return traced.bytes / OBJECTS

    return asyncio.run(main())


def growth_by_keys() -> float:
    async def main() -> float:
        facade = ResilienceFacade("bench")

        async def operation() -> int:
            return 1

        for key in range(2000):
            await facade.execute(f"before {key}", operation)
        with _Traced() as traced:
            for key in range(KEYS):
                await facade.execute(f"{key:13}", operation)
        return traced.bytes

    return asyncio.run(main())


def garbage() -> float:
    async def main() -> int:
        facade = ResilienceFacade("bench")

        async def operation() -> int:
            return 1

        async def calls(name: str) -> None:
            for number in range(OBJECTS):
                await facade.execute(f"{name} {number}", operation)

        await calls("before")
        gc.collect()
        gc.disable()
        await calls("after")
        return gc.collect()

    try:
        return asyncio.run(main())
    finally:
        gc.enable()


class _Traced:
    """The bytes that a block allocated and did not free."""

    bytes = 0

    def __enter__(self) -> Self:
        gc.collect()
        tracemalloc.start()
        self._before, _ = tracemalloc.get_traced_memory()
        return self

    def __exit__(self, *_: object) -> None:
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        self.bytes = after - self._before

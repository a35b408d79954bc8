"""Whatever way an operation ends: what the call held is given back (GN-8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from policy_support import Events
from skidbladnir import Bulkhead, BulkheadStats, Cache, CircuitBreaker, Clock, Fallback, ResilienceFacade, Retry, Timeout, compose
from skidbladnir.testing import VirtualLoop

WAYS = [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError]


class Unusual(BaseException):
    """No Exception, as some libraries' own cancellations are not."""


@pytest.mark.parametrize("way", [*WAYS, Unusual])
class TestNoException:
    def test_counts_as_cancelled_and_passes_through(self, way: type[BaseException], events: Events) -> None:
        breaker, bulkhead, cache = CircuitBreaker(failure_threshold=1), Bulkhead(max_concurrent_calls=1), Cache()
        layers = compose(
            Fallback(lambda error: pytest.fail("no answer to this")),
            cache,
            breaker,
            bulkhead,
            Timeout(mode="cancel"),
            Retry(initial_delay=0),
        )
        layers.add_listener(events)
        error = way()

        def end() -> None:
            raise error

        with pytest.raises(way) as raised:
            layers.call(end, key="key")
        assert raised.value is error
        assert (breaker.state, breaker.stats().cancelled, breaker.stats().failures) == ("CLOSED", 1, 0)
        assert bulkhead.stats().concurrent_executions == 0
        assert cache.stats().size == 0
        assert events.types() == ["cache_miss", "call_admitted", "call_cancelled"]
        assert layers.call(lambda: "the next call", key="key") == "the next call"

    def test_from_a_block(self, way: type[BaseException]) -> None:
        breaker, bulkhead = CircuitBreaker(failure_threshold=1), Bulkhead(max_concurrent_calls=1)
        with pytest.raises(way), breaker.guard(), bulkhead.guard():
            raise way
        assert (breaker.stats().cancelled, bulkhead.stats().concurrent_executions) == (1, 0)


@pytest.mark.parametrize("way", [asyncio.CancelledError, GeneratorExit, Unusual])
def test_from_an_async_operation(way: type[BaseException]) -> None:
    breaker, bulkhead, cache = CircuitBreaker(failure_threshold=1), Bulkhead(max_concurrent_calls=1), Cache()
    layers = compose(cache, breaker, bulkhead, Timeout(), Retry(initial_delay=0))

    async def end() -> str:
        raise way

    async def main() -> str:
        with pytest.raises(way):
            await layers.execute(end, key="key")
        return await layers.execute(lambda: asyncio.sleep(0, "the next call"), key="key")

    assert asyncio.run(main()) == "the next call"
    assert (breaker.stats().cancelled, bulkhead.stats().concurrent_executions) == (1, 0)


@pytest.mark.parametrize("handed_over", [False, True])
def test_from_the_queue_of_a_bulkhead(handed_over: bool) -> None:
    class Interrupted:
        def wait(self, until: int | None) -> bool:
            if handed_over:
                first.__exit__(None, None, None)
            raise KeyboardInterrupt

        def set(self) -> bool:
            return True

    class InterruptedClock(Clock):
        def waiter(self) -> Interrupted:
            return Interrupted()

    bulkhead = Bulkhead(max_concurrent_calls=1, clock=InterruptedClock())
    first = bulkhead.guard()
    first.__enter__()
    with pytest.raises(KeyboardInterrupt):
        bulkhead.call(lambda: pytest.fail("was interrupted"))
    assert bulkhead.stats() == BulkheadStats(concurrent_executions=0 if handed_over else 1, queue_size=0)


def test_abandoned_thread_passes_an_interrupt_to_its_caller() -> None:
    breaker = CircuitBreaker(failure_threshold=1)
    layers = compose(breaker, Timeout(mode="abandon"))

    def end() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        layers.call(end)
    assert breaker.stats().cancelled == 1


def test_closed_generator_gives_back_what_it_holds() -> None:
    bulkhead, breaker = Bulkhead(max_concurrent_calls=1), CircuitBreaker()

    def rows() -> Iterator[int]:
        with breaker.guard(), bulkhead.guard():
            yield 1
            yield 2

    iterator = rows()
    assert next(iterator) == 1
    assert bulkhead.stats().concurrent_executions == 1
    iterator.close()
    assert (bulkhead.stats().concurrent_executions, breaker.stats().cancelled) == (0, 1)


def test_closed_async_generator_gives_back_what_it_holds() -> None:
    bulkhead = Bulkhead(max_concurrent_calls=1)

    async def rows() -> AsyncIterator[int]:
        async with bulkhead.guard():
            yield 1
            yield 2

    async def main() -> None:
        iterator = rows()
        assert await anext(iterator) == 1
        assert bulkhead.stats().concurrent_executions == 1
        await iterator.aclose()

    asyncio.run(main())
    assert bulkhead.stats().concurrent_executions == 0


def test_coroutine_that_is_closed_unfinished_gives_back_what_it_holds(loop: VirtualLoop) -> None:
    bulkhead, breaker = Bulkhead(max_concurrent_calls=1), CircuitBreaker()
    coroutine = compose(breaker, bulkhead).execute(lambda: loop.create_future())
    coroutine.send(None)
    assert bulkhead.stats().concurrent_executions == 1
    coroutine.close()
    assert (bulkhead.stats().concurrent_executions, breaker.stats().cancelled) == (0, 1)


def test_predicate_that_raises_counts_the_call_as_failed() -> None:
    def broken(error: BaseException | None, result: object) -> bool:
        raise LookupError("a broken predicate")

    for options in ({"is_failure": broken}, {"ignore": broken}):
        breaker = CircuitBreaker(failure_threshold=2, **options)  # type: ignore[arg-type]
        with pytest.raises(LookupError):
            breaker.call(lambda: 1)
        with pytest.raises(LookupError):
            breaker.call(lambda: [][0])
        assert (breaker.state, breaker.stats().failures) == ("OPEN", 2)


def test_facade_fits_back_together_after_any_error() -> None:
    facade = ResilienceFacade(retry={"max_retries": 0}, bulkhead={"max_concurrent_calls": 1, "max_queue_size": 0})
    for way in (ValueError, *WAYS):

        def end(way: type[BaseException] = way) -> None:
            raise way

        with pytest.raises(way):
            facade.call("key", end)
    assert facade.call("key", lambda: 1) == 1

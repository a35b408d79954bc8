"""One object, called in every way Python has."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

import pytest

from policy_support import Events
from skidbladnir import (
    Bulkhead,
    BulkheadFullError,
    Cache,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    Fallback,
    Policy,
    ResilienceFacade,
    Retry,
    Timeout,
    compose,
)

POLICIES: dict[str, Callable[[], Policy]] = {
    "circuit_breaker": CircuitBreaker,
    "retry": Retry,
    "bulkhead": Bulkhead,
    "timeout": Timeout,
    "timeout, cancelling": lambda: Timeout(mode="cancel"),
    "timeout, abandoning": lambda: Timeout(mode="abandon"),
    "cache": Cache,
    "fallback": lambda: Fallback(lambda error: "a substitute", when=lambda error: False),
}


@pytest.fixture(params=POLICIES)
def policy(request: pytest.FixtureRequest) -> Policy:
    return POLICIES[request.param]()


async def greet(name: str, *, mark: str = "!") -> str:
    """Greets."""
    await asyncio.sleep(0)
    return f"Hello {name}{mark}"


def greet_sync(name: str, *, mark: str = "!") -> str:
    """Greets."""
    return f"Hello {name}{mark}"


class Refused(Exception):
    pass


async def refuse() -> str:
    raise Refused


def refuse_sync() -> str:
    raise Refused


class TestEveryPolicy:
    def test_serves_async_and_sync_callers(self, policy: Policy) -> None:
        assert asyncio.run(policy.execute(lambda: greet("Ada"))) == "Hello Ada!"
        assert policy.call(lambda: greet_sync("Ada")) == "Hello Ada!"

    def test_decorates_functions_of_both_kinds(self, policy: Policy) -> None:
        wrapped, wrapped_sync = policy(greet), policy(greet_sync)
        assert inspect.iscoroutinefunction(wrapped)
        assert asyncio.run(wrapped("Ada", mark="?")) == "Hello Ada?"
        assert wrapped_sync("Ada", mark="?") == "Hello Ada?"
        assert (wrapped.__name__, wrapped.__doc__, wrapped_sync.__name__) == ("greet", "Greets.", "greet_sync")

    def test_decorates_methods(self, policy: Policy) -> None:
        class Greeter:
            def __init__(self, name: str) -> None:
                self.name = name

            @policy
            async def greet(self) -> str:
                return await greet(self.name)

            @policy
            def greet_sync(self) -> str:
                return greet_sync(self.name)

        assert asyncio.run(Greeter("Ada").greet()) == Greeter("Ada").greet_sync() == "Hello Ada!"

    def test_raises_the_operations_own_error(self, policy: Policy) -> None:
        error = KeyError("own")

        def fail() -> None:
            raise error

        async def fail_async() -> None:
            raise error

        if isinstance(policy, Retry):
            policy = Retry(max_retries=0)
        for call in (lambda: policy.call(fail), lambda: asyncio.run(policy.execute(fail_async))):
            with pytest.raises(KeyError) as raised:
                call()
            assert raised.value is error

    def test_is_named_after_its_pattern(self, policy: Policy) -> None:
        assert policy.name == policy.pattern

    def test_refuses_a_name_that_is_none(self) -> None:
        with pytest.raises(ConfigurationError, match=r"bulkhead\.name: 7 is not allowed: a string"):
            Bulkhead(name=7)  # type: ignore[arg-type]


class TestWrapWithAKey:
    def test_makes_the_key_from_the_arguments(self) -> None:
        calls: list[str] = []
        cache = Cache(ttl=60)

        def square(name: str, times: int = 1) -> str:
            calls.append(name)
            return name * times

        wrapped = cache.wrap(square, key=lambda name, times=1: (name, times))
        assert [wrapped("a"), wrapped("a"), wrapped("a", times=2), wrapped("b")] == ["a", "a", "aa", "b"]
        assert calls == ["a", "a", "b"]

    def test_makes_the_key_for_an_async_function(self) -> None:
        calls: list[str] = []

        async def upper(name: str) -> str:
            calls.append(name)
            return name.upper()

        wrapped = Cache(ttl=60).wrap(upper, key=lambda name: name)

        async def main() -> list[str]:
            return [await wrapped("a"), await wrapped("a"), await wrapped("b")]

        assert asyncio.run(main()) == ["A", "A", "B"]
        assert calls == ["a", "b"]

    def test_shares_what_async_and_sync_callers_fetched(self) -> None:
        cache = Cache(ttl=60)
        assert asyncio.run(cache.execute(lambda: greet("Ada"), key="ada")) == "Hello Ada!"
        assert cache.call(refuse_sync, key="ada") == "Hello Ada!"
        assert asyncio.run(cache.execute(refuse, key="ada")) == "Hello Ada!"

    def test_passes_by_without_a_key(self) -> None:
        cache = Cache(ttl=60)
        assert cache.call(lambda: 1) == 1
        assert cache.call(lambda: 2) == 2
        assert cache.stats().size == 0


class TestGuards:
    def test_circuit_breaker_counts_a_block(self) -> None:
        breaker = CircuitBreaker(failure_threshold=2)
        with breaker.guard():
            pass
        for _ in range(2):
            with pytest.raises(Refused), breaker.guard():
                raise Refused
        with pytest.raises(CircuitOpenError), breaker.guard():
            pytest.fail("the block must not run")
        stats = breaker.stats()
        assert (stats.successes, stats.failures, stats.rejected) == (1, 2, 1)

    def test_bulkhead_keeps_a_slot_for_a_block(self) -> None:
        bulkhead = Bulkhead(max_concurrent_calls=1, max_queue_size=0)
        with bulkhead.guard():
            assert bulkhead.stats().concurrent_executions == 1
            with pytest.raises(BulkheadFullError), bulkhead.guard():
                pytest.fail("the block must not run")
        assert bulkhead.stats().concurrent_executions == 0

    def test_async_blocks(self) -> None:
        breaker, bulkhead = CircuitBreaker(failure_threshold=1), Bulkhead(max_concurrent_calls=1)
        order: list[str] = []

        async def one(name: str) -> None:
            async with bulkhead.guard():
                order.append(f"{name} begins")
                await asyncio.sleep(0)
                order.append(f"{name} ends")

        async def main() -> None:
            await asyncio.gather(one("a"), one("b"))
            with pytest.raises(Refused):
                async with breaker.guard():
                    raise Refused

        asyncio.run(main())
        assert order == ["a begins", "a ends", "b begins", "b ends"]
        assert breaker.state == "OPEN"

    def test_a_guard_of_a_breaker_is_for_once(self) -> None:
        guard = CircuitBreaker().guard()
        with guard:
            pass
        with pytest.raises(RuntimeError, match="left already"):
            guard.__exit__(None, None, None)


class TestComposition:
    def test_is_called_as_a_policy_is(self, events: Events) -> None:
        attempts: list[int] = []

        def third_time_lucky() -> str:
            attempts.append(1)
            if len(attempts) % 3:
                raise Refused
            return "at last"

        async def third_time_lucky_async() -> str:
            return third_time_lucky()

        both = compose(Retry(max_retries=2, initial_delay=0), compose(CircuitBreaker(), Bulkhead()))
        remove = both.add_listener(events)
        assert both.call(third_time_lucky) == "at last"
        assert asyncio.run(both(third_time_lucky_async)()) == "at last"
        assert events.types().count("retry_scheduled") == 4
        remove()
        events.clear()
        both.call(third_time_lucky)
        assert events == []

    @pytest.mark.parametrize(
        ("policies", "message"),
        [
            ((), r"compose: \(\) is not allowed: at least one policy"),
            ((Retry(), "timeout"), r"compose\[1\]: 'timeout' is not allowed: a policy"),
        ],
    )
    def test_refuses_what_is_no_policy(self, policies: tuple[Policy, ...], message: str) -> None:
        with pytest.raises(ConfigurationError, match=message):
            compose(*policies)


class TestFacade:
    def test_combines_what_is_on(self) -> None:
        facade = ResilienceFacade("users", retry={"max_retries": 1, "initial_delay": 0}, cache=None)
        failures = [Refused()]

        async def once() -> str:
            if failures:
                raise failures.pop()
            return "Ada"

        assert asyncio.run(facade.execute("user-1", once)) == "Ada"
        assert facade.call("user-1", lambda: "Grace") == "Grace"
        status = facade.status()
        assert (status.circuit_state, status.concurrent_executions, status.queue_size) == ("CLOSED", 0, 0)

    def test_with_everything_off_only_calls(self) -> None:
        facade = ResilienceFacade(circuit_breaker=None, retry=None, bulkhead=None, timeout=None, cache=None)
        assert facade.call("key", lambda: 1) == 1
        assert asyncio.run(facade.execute("key", lambda: greet("Ada"))) == "Hello Ada!"
        assert (facade.status().circuit_state, facade.status().queue_size) == (None, None)
        facade.invalidate_cache("key")
        facade.close()

    def test_answers_with_the_fallback(self, events: Events) -> None:
        facade = ResilienceFacade("users", retry={"max_retries": 0}, listeners=[events])

        async def substitute(error: Exception) -> str:
            return f"instead of {type(error).__name__}"

        assert asyncio.run(facade.execute("a", refuse, substitute)) == "instead of Refused"
        assert asyncio.run(facade.execute("a", refuse, lambda error: "plain")) == "plain"
        assert facade.call("a", refuse_sync, lambda error: "sync") == "sync"
        assert events.types().count("fallback_used") == 3
        assert {event.policy for event in events} == {"users"}

    def test_forgets_one_key(self) -> None:
        facade = ResilienceFacade()
        assert [facade.call(key, lambda: 1) for key in "ab"] == [1, 1]
        facade.invalidate_cache("a")
        assert [facade.call(key, lambda: 2) for key in "ab"] == [2, 1]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"retry": {"max_retry": 1}}, r"retry\.max_retry: 1 is not allowed: max_retries, initial_delay"),
            ({"timeout": 5}, "timeout: 5 is not allowed: a mapping of options, or None"),
            ({"cache": {"ttl": -1}}, r"cache\.ttl_ms: -1000\.0 is not allowed: 0 to 2147483647 ms"),
        ],
    )
    def test_refuses_wrong_options(self, options: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigurationError, match=message):
            ResilienceFacade(**options)  # type: ignore[arg-type]

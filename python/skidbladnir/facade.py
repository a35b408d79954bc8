"""The facade: all patterns around one dependency, in their proven order (FA)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, cast

from skidbladnir.bulkhead import Bulkhead
from skidbladnir.cache import Cache
from skidbladnir.circuit_breaker import CircuitBreaker, CircuitState, Predicate, ResetTimeoutBackoff
from skidbladnir.clock import Clock
from skidbladnir.compose import Composition
from skidbladnir.errors import ConfigurationError
from skidbladnir.events import Listener
from skidbladnir.fallback import Fallback
from skidbladnir.matching import Compile, Pattern
from skidbladnir.options import Duration
from skidbladnir.policy import AsyncOperation, Operation, Policy, T
from skidbladnir.retry import Jitter, Retry
from skidbladnir.timeout import Timeout, TimeoutMode
from skidbladnir.window import SlowCall, Window


class CircuitBreakerOptions(TypedDict, total=False):
    """The keyword arguments of ``CircuitBreaker``."""

    failure_threshold: int | None
    reset_timeout: Duration
    half_open_success_threshold: int
    half_open_max_concurrent: int | None
    window: Window | None
    slow_call: SlowCall | None
    reset_timeout_backoff: ResetTimeoutBackoff | None
    is_failure: Predicate | None
    ignore: Predicate | None


class RetryOptions(TypedDict, total=False):
    """The keyword arguments of ``Retry``."""

    max_retries: int
    initial_delay: Duration
    max_delay: Duration
    backoff_factor: float
    jitter: Jitter
    retryable_errors: list[Pattern] | None
    is_retryable: Callable[[Exception], bool] | None
    retry_rejections: bool
    max_retry_after: Duration
    max_elapsed: Duration | None
    random: Callable[[], float]
    compile_regex: Compile


class BulkheadOptions(TypedDict, total=False):
    """The keyword arguments of ``Bulkhead``."""

    max_concurrent_calls: int
    max_queue_size: int
    max_wait: Duration | None


class TimeoutOptions(TypedDict, total=False):
    """The arguments of ``Timeout``."""

    timeout: Duration
    mode: TimeoutMode | None


class CacheOptions(TypedDict, total=False):
    """The keyword arguments of ``Cache``."""

    ttl: Duration
    stale_while_revalidate: bool
    stale_if_error: bool
    max_stale: Duration | None
    max_entries: int


class FacadeOptions(TypedDict, total=False):
    """The sections of ``ResilienceFacade``."""

    circuit_breaker: CircuitBreakerOptions | None
    retry: RetryOptions | None
    bulkhead: BulkheadOptions | None
    timeout: TimeoutOptions | None
    cache: CacheOptions | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FacadeStatus:
    """FA-6. None for a section that is off."""

    circuit_state: CircuitState | None
    concurrent_executions: int | None
    queue_size: int | None


class ResilienceFacade:
    """Fallback, cache, circuit breaker, bulkhead, timeout and retry around the operations of one dependency.

    Each section takes the options of its pattern: left out, the pattern's defaults hold; None turns it off.

    Raises:
        ConfigurationError: for an option outside its range, or an unknown one.
    """

    def __init__(
        self,
        name: str = "facade",
        *,
        circuit_breaker: CircuitBreakerOptions | None = CircuitBreakerOptions(),  # noqa: B008
        retry: RetryOptions | None = RetryOptions(),  # noqa: B008
        bulkhead: BulkheadOptions | None = BulkheadOptions(),  # noqa: B008
        timeout: TimeoutOptions | None = TimeoutOptions(),  # noqa: B008
        cache: CacheOptions | None = CacheOptions(),  # noqa: B008
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
    ) -> None:
        if not isinstance(name, str):
            raise ConfigurationError("type", "facade.name", name, "a string")
        self.name = name
        common: dict[str, Any] = {"name": name, "clock": clock}
        self.circuit_breaker: CircuitBreaker | None = _section(CircuitBreaker, circuit_breaker, common)
        self.retry: Retry | None = _section(Retry, retry, common)
        self.bulkhead: Bulkhead | None = _section(Bulkhead, bulkhead, common)
        self.timeout: Timeout | None = _section(Timeout, timeout, common)
        self.cache: Cache | None = _section(Cache, cache, common)
        self._fallback = Fallback(_no_handler, name=name, clock=clock)
        order = (self.cache, self.circuit_breaker, self.bulkhead, self.timeout, self.retry)
        policies = tuple(policy for policy in order if policy is not None)
        self._inside = Composition(policies) if policies else None
        self._fused = self._fuse()
        for listener in listeners:
            self.add_listener(listener)

    def execute(
        self,
        key: Hashable | None,
        operation: AsyncOperation[T],
        fallback: Callable[[Exception], Awaitable[T] | T] | None = None,
    ) -> Coroutine[Any, Any, T]:
        """Runs an async operation under all patterns. ``key`` None passes the cache by; ``fallback`` receives the error."""
        if fallback is not None:
            return self._fallback.run_with(fallback, partial(self.execute, key, operation))
        if self._fused is not None:
            if key is None or self.cache is None:
                return self._fused(operation)
            return self.cache.execute(partial(self._fused, operation), key)
        return _plain(operation) if self._inside is None else self._inside.execute(operation, key)

    def call(
        self, key: Hashable | None, operation: Operation[T], fallback: Callable[[Exception], T] | None = None
    ) -> T:
        """As ``execute``, for functions that are not async."""
        if fallback is not None:
            return self._fallback.run_with_sync(fallback, partial(self.call, key, operation))
        return operation() if self._inside is None else self._inside.call(operation, key)

    def _fuse(self) -> Callable[[AsyncOperation[Any]], Coroutine[Any, Any, Any]] | None:
        breaker, bulkhead, timeout, retry = self.circuit_breaker, self.bulkhead, self.timeout, self.retry
        if breaker is None or bulkhead is None or timeout is None or retry is None or timeout.mode == "abandon":
            return None
        return _Fused(breaker, bulkhead, timeout, retry).execute

    def status(self) -> FacadeStatus:
        """The circuit's state and the bulkhead's load (FA-6)."""
        bulkhead = None if self.bulkhead is None else self.bulkhead.stats()
        return FacadeStatus(
            circuit_state=None if self.circuit_breaker is None else self.circuit_breaker.state,
            concurrent_executions=None if bulkhead is None else bulkhead.concurrent_executions,
            queue_size=None if bulkhead is None else bulkhead.queue_size,
        )

    def invalidate_cache(self, key: Hashable) -> None:
        """Forgets the cached value of a key (FA-7)."""
        if self.cache is not None:
            self.cache.invalidate(key)

    def close(self) -> None:
        """Cancels the cache's refreshes under way (CA-12)."""
        if self.cache is not None:
            self.cache.close()

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        """Adds a listener for the events of every pattern (EV-4); returns what removes it again."""
        removals = [self._fallback.add_listener(listener)]
        if self._inside is not None:
            removals.append(self._inside.add_listener(listener))

        def remove() -> None:
            for one in removals:
                one()

        return remove


class _Fused:
    """What ``Composition`` does, for the order of the facade and its async face, in fewer coroutines: one costs more than most policies."""

    def __init__(self, breaker: CircuitBreaker, bulkhead: Bulkhead, timeout: Timeout, retry: Retry) -> None:
        self._breaker = breaker
        self._bulkhead = bulkhead
        self._timeout = timeout
        self._retry = retry

    async def execute(self, operation: AsyncOperation[T]) -> T:
        breaker, bulkhead, timeout = self._breaker, self._bulkhead, self._timeout
        late_or_raised: BaseException | None
        permit = breaker.admit()
        try:
            if not bulkhead.try_acquire():
                await bulkhead.wait()
            try:
                timed = timeout.begin()
                try:
                    result = await self._retry.execute(operation)
                except BaseException as raised:
                    result = cast("T", None)
                    late_or_raised = timeout.end(timed, raised) or raised
                else:
                    late_or_raised = timeout.end(timed, None)
                try:
                    if late_or_raised is not None:
                        raise late_or_raised
                finally:
                    del late_or_raised  # its traceback refers to this frame
            finally:
                bulkhead.release()
        except BaseException as error:
            breaker.raised(permit, error)
            raise
        breaker.returned(permit, result)
        return result


def _section(kind: type[Any], options: Any, common: dict[str, Any]) -> Any:
    if options is None:
        return None
    pattern = cast("type[Policy]", kind).pattern
    if not isinstance(options, dict):
        raise ConfigurationError("type", pattern, options, "a mapping of options, or None")
    given = cast("dict[str, Any]", options)
    allowed = _OPTIONS[pattern].__annotations__
    for option, value in given.items():
        if option not in allowed:
            raise ConfigurationError("unknown_key", f"{pattern}.{option}", value, ", ".join(allowed))
    return kind(**given, **common)


_OPTIONS: dict[str, type[Any]] = {
    "circuit_breaker": CircuitBreakerOptions,
    "retry": RetryOptions,
    "bulkhead": BulkheadOptions,
    "timeout": TimeoutOptions,
    "cache": CacheOptions,
}


def _no_handler(error: Exception) -> Any:
    raise error


async def _plain(operation: AsyncOperation[T]) -> T:
    return await operation()

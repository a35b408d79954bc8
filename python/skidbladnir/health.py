"""Service health monitor: checks providers in rounds and keeps what it saw of each (HM)."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Self

from skidbladnir.circuit_breaker import CircuitBreaker, CircuitState
from skidbladnir.clock import SYSTEM_CLOCK, CancelSignal, Clock, Waiter, run_with_signal
from skidbladnir.errors import CallCancelledError, ConfigurationError
from skidbladnir.events import Event, Listener, Listeners
from skidbladnir.facade import ResilienceFacade
from skidbladnir.options import NS_PER_S, Duration, function, nanoseconds, number
from skidbladnir.timeout import Timeout

Check = Callable[[], bool | Awaitable[bool]]


class HealthStatus(StrEnum):
    UP = "UP"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderHealth:
    """What the last check saw. ``response_time`` is in seconds; ``last_checked`` is None before the first check."""

    status: HealthStatus
    response_time: float
    circuit_state: CircuitState
    failure_rate: float
    last_checked: datetime | None


@dataclass(frozen=True, slots=True)
class Thresholds:
    response_time: int
    failure_rate: float

    def assess(
        self, previous: ProviderHealth, healthy: bool, response_time: int, circuit_state: CircuitState
    ) -> ProviderHealth:
        """The health after a check that took ``response_time`` nanoseconds (HM-3, HM-4)."""
        rate = previous.failure_rate * 0.8 if healthy else min(previous.failure_rate * 1.2 + 0.1, 1.0)
        if not healthy:
            status = HealthStatus.DOWN
        elif (
            response_time > self.response_time
            or rate > self.failure_rate
            or circuit_state is not CircuitState.CLOSED
        ):
            status = HealthStatus.DEGRADED
        else:
            status = HealthStatus.UP
        return ProviderHealth(
            status=status,
            response_time=response_time / NS_PER_S,
            circuit_state=circuit_state,
            failure_rate=rate,
            last_checked=datetime.now(UTC),
        )


class ServiceHealthMonitor:
    """Watches the health of providers.

    Args:
        providers: their names, at least one.
        checks: for each provider a function, async or not, that is true when it is healthy; an error means that it is not.
        circuits: for some providers, the circuit breaker or facade whose state counts.
        check_interval: seconds (or ``timedelta``) between rounds, at least 0.001.
        check_timeout: after which a check counts as not healthy.
        degraded_response_time: a healthy answer slower than this is DEGRADED.
        degraded_failure_rate: a failure rate greater than this is DEGRADED, 0 to 1.

    ``async with monitor:`` (or ``start()`` within a running event loop) checks in that loop; ``with monitor:`` (or ``start()``
    elsewhere) in daemon threads, where the checks must not be async.

    Raises:
        ConfigurationError: for an option outside its range, and for providers and checks that do not fit (HM-10).
    """

    def __init__(
        self,
        providers: Sequence[str],
        checks: Mapping[str, Check],
        *,
        circuits: Mapping[str, CircuitBreaker | ResilienceFacade] | None = None,
        check_interval: Duration = 60.0,
        check_timeout: Duration = 10.0,
        degraded_response_time: Duration = 5.0,
        degraded_failure_rate: float = 0.3,
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
    ) -> None:
        circuits = {} if circuits is None else circuits
        _check_names(providers, checks, circuits)
        self._clock = clock or SYSTEM_CLOCK
        self._interval = nanoseconds("health.check_interval_ms", check_interval, 1)
        timeout_ns = nanoseconds("health.check_timeout_ms", check_timeout, 1)
        self._timeout = Timeout(timeout_ns / NS_PER_S, mode="abandon", clock=self._clock)
        self._timeout_ns = timeout_ns
        self._thresholds = Thresholds(
            nanoseconds("health.degraded_response_time_ms", degraded_response_time, 0),
            number("health.degraded_failure_rate", degraded_failure_rate, 0, 1),
        )
        self._checks = {provider: checks[provider] for provider in providers}
        self._circuits = dict(circuits)
        self._lock = threading.Lock()
        self._health = {
            provider: ProviderHealth(
                status=HealthStatus.UP,
                response_time=0.0,
                circuit_state=self._circuit_state(provider),
                failure_rate=0.0,
                last_checked=None,
            )
            for provider in providers
        }
        self._listeners = Listeners()
        for listener in listeners:
            self._listeners.add(listener)
        self._rounds: _TaskRounds | _ThreadRounds | None = None

    def start(self) -> None:
        """Checks at once, and then each interval, until ``stop`` (HM-6). Does nothing when started already."""
        rounds = self._rounds_here()
        rounds.start(self._interval)

    def stop(self) -> None:
        """Ends the rounds, and the one under way, whose unfinished checks change nothing (HM-8)."""
        with self._lock:
            rounds, self._rounds = self._rounds, None
        if rounds is not None:
            rounds.stop()

    async def check_all(self) -> None:
        """One round now, or the end of the one under way (HM-7)."""
        rounds = self._rounds_here()
        if not isinstance(rounds, _TaskRounds):
            raise RuntimeError("this monitor runs in threads: use check_all_sync")
        await rounds.round()

    def check_all_sync(self) -> None:
        """As ``check_all``, in threads."""
        rounds = self._rounds_here()
        if not isinstance(rounds, _ThreadRounds):
            raise RuntimeError("this monitor runs in an event loop: use check_all")
        rounds.round()

    def provider_health(self, provider: str) -> ProviderHealth:
        """What is known of a provider; KeyError for an unknown one."""
        return self._health[provider]

    def all_health(self) -> dict[str, ProviderHealth]:
        """What is known of every provider, in their order."""
        with self._lock:
            return dict(self._health)

    def is_healthy(self, provider: str) -> bool:
        """Whether it is UP."""
        return self._health[provider].status is HealthStatus.UP

    def is_degraded(self, provider: str) -> bool:
        """Whether it is DEGRADED."""
        return self._health[provider].status is HealthStatus.DEGRADED

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        """Adds a listener for ``health_changed``; returns what removes it again."""
        return self._listeners.add(listener)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _rounds_here(self) -> _TaskRounds | _ThreadRounds:
        with self._lock:
            if self._rounds is None:
                try:
                    loop = asyncio.get_running_loop()
                except RuntimeError:
                    self._check_sync()
                    self._rounds = _ThreadRounds(self)
                else:
                    self._rounds = _TaskRounds(self, loop)
            return self._rounds

    def _check_sync(self) -> None:
        for provider, check in self._checks.items():
            if inspect.iscoroutinefunction(check):
                raise TypeError(f"the check of {provider} is async: start this monitor in an event loop")

    async def check_one(self, provider: str, rounds: _TaskRounds) -> None:
        """One check, in the event loop."""

        async def ask() -> bool:
            answer = self._checks[provider]()
            return await answer if inspect.isawaitable(answer) else answer

        began = self._clock.now()
        try:
            healthy = bool(await self._timeout.execute(ask))
        except Exception:
            healthy = False  # an error is an answer here (HM-2)
        self._assess(provider, healthy, began, rounds)

    def check_one_sync(self, provider: str, rounds: _ThreadRounds) -> None:
        """One check, in a thread."""
        began = self._clock.now()
        try:
            answer = self._timeout.call(self._checks[provider])
            if inspect.isawaitable(answer):
                raise TypeError(f"the check of {provider} needs an event loop")
            healthy = bool(answer)
        except CallCancelledError:
            return
        except Exception:
            healthy = False  # an error is an answer here (HM-2)
        self._assess(provider, healthy, began, rounds)

    def _assess(self, provider: str, healthy: bool, began: int, rounds: _TaskRounds | _ThreadRounds) -> None:
        state = self._circuit_state(provider)
        with self._lock:
            if self._rounds is not rounds:
                return  # stopped meanwhile
            before = self._health[provider]
            elapsed = min(self._clock.now() - began, self._timeout_ns)
            after = self._health[provider] = self._thresholds.assess(before, healthy, elapsed, state)
        if before.status is not after.status and self._listeners.all:
            self._listeners.emit(
                Event(
                    "health_changed", "health", provider=provider, from_state=before.status, to_state=after.status
                )
            )

    def _circuit_state(self, provider: str) -> CircuitState:
        circuit = self._circuits.get(provider)
        breaker = circuit.circuit_breaker if isinstance(circuit, ResilienceFacade) else circuit
        return CircuitState.CLOSED if breaker is None else breaker.state


class _TaskRounds:
    """The rounds of a monitor in an event loop."""

    def __init__(self, monitor: ServiceHealthMonitor, loop: asyncio.AbstractEventLoop) -> None:
        self._monitor = monitor
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._round: asyncio.Task[None] | None = None

    def start(self, interval: int) -> None:
        if self._timer is None:
            self._tick(self._loop.time(), interval / NS_PER_S, 0)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._round is not None:
            self._round.cancel()

    async def round(self) -> None:
        await asyncio.shield(self._running_round())

    def _running_round(self) -> asyncio.Task[None]:
        if self._round is None or self._round.done():
            self._round = self._loop.create_task(self._check_all())
        return self._round

    async def _check_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for provider in self._monitor.all_health():
                group.create_task(self._monitor.check_one(provider, self))

    def _tick(self, start: float, interval: float, count: int) -> None:
        self._running_round()
        self._timer = self._loop.call_at(start + (count + 1) * interval, self._tick, start, interval, count + 1)


class _ThreadRounds:
    """The rounds of a monitor in daemon threads."""

    def __init__(self, monitor: ServiceHealthMonitor) -> None:
        self._monitor = monitor
        self._clock = monitor._clock
        self._signal = CancelSignal(self._clock)
        self._lock = threading.Lock()
        self._started = False
        self._round: _ThreadRound | None = None

    def start(self, interval: int) -> None:
        with self._lock:
            if self._started:
                return
            self._started = True
        self._clock.start_thread(lambda: self._tick(self._clock.now(), interval), "skidbladnir-health")

    def stop(self) -> None:
        self._signal.cancel()

    def round(self) -> None:
        self._running_round().wait()

    def _running_round(self) -> _ThreadRound:
        with self._lock:
            if self._round is None or self._round.ended:
                self._round = _ThreadRound(self._monitor, self, self._clock, self._signal)
            return self._round

    def _tick(self, start: int, interval: int) -> None:
        count = 0
        while not self._signal.cancelled:
            self._running_round()
            count += 1
            self._signal.park(self._clock.waiter(), start + count * interval)


class _ThreadRound:
    """One round: a thread for each check; who waits for the round is woken by the last."""

    def __init__(
        self, monitor: ServiceHealthMonitor, rounds: _ThreadRounds, clock: Clock, signal: CancelSignal
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        providers = list(monitor.all_health())
        self._left = len(providers)
        self._waiters: list[Waiter] = []
        for provider in providers:

            def check(provider: str = provider) -> None:
                try:
                    run_with_signal(signal, lambda: monitor.check_one_sync(provider, rounds))
                finally:
                    self._end_one()

            clock.start_thread(check, f"skidbladnir-health-{provider}")

    @property
    def ended(self) -> bool:
        return self._left == 0

    def wait(self) -> None:
        waiter = self._clock.waiter()
        with self._lock:
            if self.ended:
                return
            self._waiters.append(waiter)
        waiter.wait(None)

    def _end_one(self) -> None:
        with self._lock:
            self._left -= 1
            waiters = self._waiters if self.ended else []
        for waiter in waiters:
            waiter.set()


def _check_names(providers: Sequence[str], checks: Mapping[str, Check], circuits: Mapping[str, object]) -> None:
    """HM-10."""
    if isinstance(providers, str) or not isinstance(providers, Sequence):
        raise ConfigurationError("type", "health.providers", providers, "a list of names")
    if not providers:
        raise ConfigurationError("range", "health.providers", providers, "at least one")
    for kind, mapping in (("checks", checks), ("circuits", circuits)):
        if not isinstance(mapping, Mapping):
            raise ConfigurationError("type", f"health.{kind}", mapping, "a mapping by provider")
    for index, provider in enumerate(providers):
        if not isinstance(provider, str):
            raise ConfigurationError("type", f"health.providers[{index}]", provider, "a name")
        if provider in providers[:index]:
            raise ConfigurationError("conflict", "health.providers", provider, "each name once")
        if provider not in checks:
            raise ConfigurationError("required", f"health.checks.{provider}", None, "a check for each provider")
    for kind, mapping in (("checks", checks), ("circuits", circuits)):
        for provider in mapping:
            if provider not in providers:
                raise ConfigurationError("unknown_key", f"health.{kind}.{provider}", provider, ", ".join(providers))
    for provider, check in checks.items():
        function(f"health.checks.{provider}", check)
    for provider, circuit in circuits.items():
        if not isinstance(circuit, (CircuitBreaker, ResilienceFacade)):
            raise ConfigurationError("type", f"health.circuits.{provider}", circuit, "a circuit breaker or a facade")

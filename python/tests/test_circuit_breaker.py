"""The circuit breaker beside models of it, and beside the sample it grew from."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from policy_support import Failure, HandClock, fail
from skidbladnir import (
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    ResetTimeoutBackoff,
    SlowCall,
    Window,
)


class Sample:
    """The sample of the requirement, with a clock handed in; its errors as they are there."""

    def __init__(
        self, clock: HandClock, failure_threshold: int, reset_timeout: float, half_open_success_threshold: int
    ) -> None:
        self.clock = clock
        self.state = "CLOSED"
        self.failure_count = 0
        self.success_count = 0
        self.last_failure_time = 0
        self.failure_threshold = failure_threshold
        self.reset_timeout = reset_timeout * 1e9
        self.half_open_success_threshold = half_open_success_threshold

    def execute(self, operation: Callable[[], None]) -> None:
        if self.state == "OPEN":
            if self.clock.now() - self.last_failure_time >= self.reset_timeout:
                self.state = "HALF_OPEN"
            else:
                raise RuntimeError("Circuit breaker is open")
        try:
            operation()
            self.on_success()
        except Exception:
            self.on_failure()
            raise

    def on_success(self) -> None:
        if self.state == "HALF_OPEN":
            self.success_count += 1
            if self.success_count >= self.half_open_success_threshold:
                self.reset()

    def on_failure(self) -> None:
        self.last_failure_time = self.clock.now()
        if self.state == "CLOSED":
            self.failure_count += 1
            if self.failure_count >= self.failure_threshold:
                self.state = "OPEN"
        elif self.state == "HALF_OPEN":
            self.state = "OPEN"

    def reset(self) -> None:
        self.state = "CLOSED"
        self.failure_count = 0
        self.success_count = 0


class SampleThatForgets(Sample):
    """With the one deviation that calls in sequence can show: a re-opening forgets the probes that succeeded (CB-17)."""

    def on_failure(self) -> None:
        super().on_failure()
        if self.state == "OPEN":
            self.success_count = 0


CALLS = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0])), max_size=60)


@settings(max_examples=300, deadline=None)
@given(
    calls=CALLS,
    failures=st.integers(1, 4),
    reset_timeout=st.sampled_from([0.0, 1.0, 1.5]),
    successes=st.integers(1, 3),
    forgets=st.booleans(),
)
def test_cumulative_window_has_the_states_of_the_sample(
    calls: list[tuple[bool, float]], failures: int, reset_timeout: float, successes: int, forgets: bool
) -> None:
    clock = HandClock()
    kind = SampleThatForgets if forgets else Sample
    successes = successes if forgets else 1
    sample = kind(clock, failures, reset_timeout, successes)
    breaker = CircuitBreaker(
        failure_threshold=failures,
        reset_timeout=reset_timeout,
        half_open_success_threshold=successes,
        window=Window(kind="cumulative"),
        clock=clock,
    )
    for succeeds, pause in calls:
        operation = (lambda: None) if succeeds else fail
        with suppress(Failure, RuntimeError):
            sample.execute(operation)
        with suppress(Failure, CircuitOpenError):
            breaker.call(operation)
        assert breaker.state == sample.state
        clock.advance(pause)


@dataclass(eq=False)
class Running:
    guard: object
    generation: int
    started: float
    probe: bool


class BreakerMachine(RuleBasedStateMachine):
    """Beside a model of the table of states (CB-1, CB-8 to CB-21), with calls that overlap."""

    FAILURES, SUCCESSES, PROBES, RESET = 2, 3, 2, 10.0

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.breaker = CircuitBreaker(
            failure_threshold=self.FAILURES,
            reset_timeout=self.RESET,
            half_open_success_threshold=self.SUCCESSES,
            half_open_max_concurrent=self.PROBES,
            ignore=lambda error, result: isinstance(error, KeyError),
            clock=self.clock,
        )
        self.state, self.generation, self.now, self.opened = "CLOSED", 0, 0.0, 0.0
        self.failed = self.succeeded = 0
        self.running: list[Running] = []
        self.totals = dict.fromkeys(("successes", "failures", "ignored", "cancelled", "rejected"), 0)

    def enter(self, state: str) -> None:
        self.state = state
        self.generation += 1
        if state == "OPEN":
            self.opened = self.now
        else:
            self.failed = self.succeeded = 0

    def probes(self) -> int:
        return sum(
            call.probe and call.generation == self.generation and self.now - call.started < self.RESET
            for call in self.running
        )

    @rule()
    def call(self) -> None:
        if self.state == "OPEN" and self.now - self.opened >= self.RESET:
            self.enter("HALF_OPEN")
        if self.state == "HALF_OPEN":
            admitted = self.probes() < self.PROBES and self.probes() + self.succeeded < self.SUCCESSES
        else:
            admitted = self.state in ("CLOSED", "DISABLED")
        guard = self.breaker.guard()
        if admitted:
            guard.__enter__()
            self.running.append(Running(guard, self.generation, self.now, self.state == "HALF_OPEN"))
        else:
            self.totals["rejected"] += 1
            with pytest.raises(CircuitOpenError) as raised:
                guard.__enter__()
            left = self.opened + self.RESET - self.now if self.state == "OPEN" else None
            assert raised.value.retry_after == left

    def leave(self, pick: int, error: BaseException | None, total: str) -> bool:
        """Ends a running call; whether its outcome is of the present generation."""
        call = self.running.pop(pick % len(self.running))
        self.totals[total] += 1
        call.guard.__exit__(type(error), error, None)  # type: ignore[attr-defined]
        return call.generation == self.generation

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 99))
    def succeed(self, pick: int) -> None:
        if self.leave(pick, None, "successes"):
            if self.state == "CLOSED":
                self.failed = 0
            elif self.state == "HALF_OPEN":
                self.succeeded += 1
                if self.succeeded == self.SUCCESSES:
                    self.enter("CLOSED")

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 99))
    def fail(self, pick: int) -> None:
        if self.leave(pick, Failure(), "failures"):
            if self.state == "CLOSED":
                self.failed += 1
                if self.failed == self.FAILURES:
                    self.enter("OPEN")
            elif self.state == "HALF_OPEN":
                self.enter("OPEN")
                self.failed = 1  # CB-13

    @precondition(lambda self: self.running)
    @rule(pick=st.integers(0, 99), cancelled=st.booleans())
    def leave_uncounted(self, pick: int, cancelled: bool) -> None:
        self.leave(pick, SystemExit() if cancelled else KeyError(), "cancelled" if cancelled else "ignored")

    @rule(seconds=st.sampled_from([1.0, 5.0, 9.0, 10.0]))
    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.clock.advance(seconds)

    @rule(to=st.sampled_from(["FORCED_OPEN", "DISABLED", "CLOSED", "none", "none"]))
    def override(self, to: str) -> None:
        match to:
            case "FORCED_OPEN":
                self.breaker.force_open()
            case "DISABLED":
                self.breaker.disable()
            case "CLOSED":
                self.breaker.reset()
            case _:
                return
        if to != self.state or to == "CLOSED":
            self.enter(to)

    @invariant()
    def agrees(self) -> None:
        stats = self.breaker.stats()
        assert (stats.state, stats.generation) == (self.state, self.generation)
        assert stats.running_probes == (self.probes() if self.state == "HALF_OPEN" else 0)
        assert stats.failure_count == self.failed
        if self.state != "OPEN":
            assert stats.success_count == self.succeeded
            assert stats.retry_after is None
        else:
            assert stats.retry_after == max(0.0, self.opened + self.RESET - self.now)
        assert {total: getattr(stats, total) for total in self.totals} == self.totals
        assert stats.calls == sum(self.totals.values()) + len(self.running)


BreakerMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
TestBreakerMachine = BreakerMachine.TestCase


@settings(max_examples=200, deadline=None)
@given(
    outcomes=st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 2.0])), max_size=40),
    size=st.integers(1, 8),
    minimum=st.integers(1, 8),
    rate=st.sampled_from([0.01, 0.3, 0.5, 2 / 3, 1.0]),
    slow_rate=st.sampled_from([0.5, 1.0]),
)
def test_count_window_beside_the_last_outcomes(
    outcomes: list[tuple[bool, float]], size: int, minimum: int, rate: float, slow_rate: float
) -> None:
    clock, minimum = HandClock(), min(size, minimum)
    breaker = CircuitBreaker(
        window=Window(kind="count", size=size, minimum_calls=minimum, failure_rate=rate),
        slow_call=SlowCall(duration=1.0, rate=slow_rate),
        clock=clock,
    )
    seen: list[tuple[bool, bool]] = []
    for failed, took in outcomes:
        _call(breaker, clock, failed, took)
        seen = [*seen, (failed, took >= 1.0)][-size:]
        failures, slow = (sum(kind) for kind in zip(*seen, strict=True))
        reached = failures / len(seen) >= rate or slow / len(seen) >= slow_rate
        assert (breaker.stats().failure_count, breaker.stats().success_count) == (failures, len(seen) - failures)
        if len(seen) >= minimum and reached:
            assert breaker.state == "OPEN"
            return
        assert breaker.state == "CLOSED"


@settings(max_examples=200, deadline=None)
@given(
    outcomes=st.lists(st.tuples(st.booleans(), st.integers(0, 25)), max_size=60),
    buckets=st.integers(1, 6),
    minimum=st.integers(1, 10),
)
def test_time_window_beside_all_outcomes_with_their_times(
    outcomes: list[tuple[bool, int]], buckets: int, minimum: int
) -> None:
    clock = HandClock()
    clock.advance(3.7)  # buckets count from the breaker's construction
    breaker = CircuitBreaker(
        window=Window(kind="time", duration=buckets * 10.0, buckets=buckets, minimum_calls=minimum, failure_rate=0.5),
        clock=clock,
    )
    now, seen = 0, list[tuple[int, bool]]()
    for failed, pause in outcomes:
        _call(breaker, clock, failed)
        seen.append((now // 10, failed))
        held = [failed for bucket, failed in seen if bucket > now // 10 - buckets]
        assert (breaker.stats().failure_count, breaker.stats().success_count) == (sum(held), len(held) - sum(held))
        if len(held) >= minimum and sum(held) / len(held) >= 0.5:
            assert breaker.state == "OPEN"
            return
        assert breaker.state == "CLOSED"
        now += pause
        clock.advance(pause)
        held = [failed for bucket, failed in seen if bucket > now // 10 - buckets]
        assert (breaker.stats().failure_count, breaker.stats().success_count) == (sum(held), len(held) - sum(held))


def test_totals_add_up_and_probes_stay_few_under_a_crowd() -> None:
    """GN-14: threads hammering one breaker that opens and closes all the time."""
    breaker = CircuitBreaker(
        failure_threshold=2, reset_timeout=0.001, half_open_success_threshold=2, half_open_max_concurrent=2
    )
    lock = threading.Lock()
    seen = {"successes": 0, "failures": 0, "rejected": 0}

    def operation(number: int) -> None:
        stats = breaker.stats()
        if stats.state == "HALF_OPEN":
            assert stats.running_probes <= 2
        if number % 3 == 0:
            raise Failure

    def hammer(offset: int) -> None:
        for number in range(offset, offset + 500):
            try:
                breaker.call(lambda number=number: operation(number))  # type: ignore[misc]
            except Failure:
                outcome = "failures"
            except CircuitOpenError:
                outcome = "rejected"
            else:
                outcome = "successes"
            with lock:
                seen[outcome] += 1

    threads = [threading.Thread(target=hammer, args=(offset,)) for offset in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = breaker.stats()
    assert {total: getattr(stats, total) for total in seen} == seen
    assert stats.calls == sum(seen.values()) == 8 * 500
    assert stats.generation > 0


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "fault", "path", "value"),
        [
            ({"failure_threshold": 0}, "range", "circuit_breaker.failure_threshold", 0),
            ({"failure_threshold": True}, "type", "circuit_breaker.failure_threshold", True),
            ({"failure_threshold": 2.0}, "type", "circuit_breaker.failure_threshold", 2.0),
            ({"reset_timeout": -1}, "range", "circuit_breaker.reset_timeout_ms", -1000),
            ({"reset_timeout": "1"}, "type", "circuit_breaker.reset_timeout_ms", "1"),
            ({"reset_timeout": float("nan")}, "range", "circuit_breaker.reset_timeout_ms", None),
            ({"half_open_max_concurrent": 0}, "range", "circuit_breaker.half_open_max_concurrent", 0),
            ({"window": Window(kind="ring")}, "enum", "circuit_breaker.window.kind", "ring"),  # type: ignore[arg-type]
            ({"window": Window(size=5)}, "conflict", "circuit_breaker.window.size", 5),
            ({"window": Window(kind="count", size=0)}, "range", "circuit_breaker.window.size", 0),
            ({"window": Window(kind="count", duration=5)}, "conflict", "circuit_breaker.window.duration_ms", 5),
            (
                {"window": Window(kind="count", size=5, minimum_calls=6)},
                "range",
                "circuit_breaker.window.minimum_calls",
                6,
            ),
            ({"window": Window(kind="time", failure_rate=0)}, "range", "circuit_breaker.window.failure_rate", 0),
            ({"window": Window(kind="time", buckets=1001)}, "range", "circuit_breaker.window.buckets", 1001),
            (
                {"window": Window(kind="time"), "failure_threshold": 5},
                "conflict",
                "circuit_breaker.failure_threshold",
                5,
            ),
            ({"slow_call": SlowCall(duration=1)}, "conflict", "circuit_breaker.slow_call", SlowCall(duration=1)),
            (
                {"window": Window(kind="time"), "slow_call": SlowCall(duration=1, rate=1.1)},
                "range",
                "circuit_breaker.slow_call.rate",
                1.1,
            ),
            (
                {"reset_timeout_backoff": ResetTimeoutBackoff(maximum=29)},
                "range",
                "circuit_breaker.reset_timeout_backoff.max_ms",
                29_000,
            ),
        ],
    )
    def test_say_what_is_wrong(self, options: dict[str, object], fault: str, path: str, value: object) -> None:
        with pytest.raises(ConfigurationError) as raised:
            CircuitBreaker(**options)  # type: ignore[arg-type]
        assert (raised.value.fault, raised.value.path) == (fault, path)
        assert value is None or raised.value.value == value
        assert str(raised.value).startswith(f"{path}: {raised.value.value!r} is not allowed: {raised.value.allowed}")


def _call(breaker: CircuitBreaker, clock: HandClock, failed: bool, took: float = 0.0) -> None:
    def operation() -> None:
        clock.advance(took)
        if failed:
            raise Failure

    with suppress(Failure):
        breaker.call(operation)

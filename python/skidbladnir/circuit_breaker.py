"""Circuit breaker: stops calls to a dependency that fails (CB).

``Circuit`` decides: the state table of the specification, without clock, lock or listener. ``CircuitBreaker`` does: it
reads the clock, holds the lock while ``Circuit`` decides, and tells the listeners afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple, Self

from skidbladnir.clock import Clock
from skidbladnir.errors import CallCancelledError, CircuitOpenError, ConfigurationError, RejectedError
from skidbladnir.events import Event, EventType, Listener
from skidbladnir.options import (
    MAXIMUM,
    NS_PER_MS,
    NS_PER_S,
    Duration,
    integer,
    nanoseconds,
    number,
    optional_function,
    optional_group,
)
from skidbladnir.policy import SWITCHES_AT_CALLS, AsyncOperation, Guard, Key, Operation, Policy, T
from skidbladnir.window import Counter, SlowCall, Window, build_counter

Predicate = Callable[[BaseException | None, object], bool]
"""Asked with the error (None after a return) and the result (None after an error)."""


class CircuitState(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"
    FORCED_OPEN = "FORCED_OPEN"
    DISABLED = "DISABLED"


# A module's name is read in no time; a member through its class takes longer than the rest of a decision.
_CLOSED, _OPEN, _HALF_OPEN, _FORCED_OPEN, _DISABLED = CircuitState


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetTimeoutBackoff:
    """Each opening in a row multiplies the reset timeout by ``factor`` (1 to 1000), up to ``maximum`` seconds (CB-10)."""

    maximum: Duration
    factor: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreakerStats:
    """CB-22 and CB-23. ``retry_after`` is in seconds, and None unless OPEN."""

    state: CircuitState
    failure_count: int
    success_count: int
    running_probes: int
    generation: int
    retry_after: float | None
    calls: int
    successes: int
    failures: int
    ignored: int
    cancelled: int
    rejected: int
    slow: int


class Permit(NamedTuple):
    """An admitted call: the generation it belongs to, and when it began (0 where nothing is timed)."""

    generation: int
    started: int


class Transition(NamedTuple):
    source: CircuitState
    target: CircuitState
    generation: int
    reason: str


# Shared by all breakers that have never opened.
_FIRST_PERMIT = Permit(0, 0)
_NO_PROBES: list[int] = []


class Circuit:
    """The state machine. Every method takes the time, in nanoseconds, and is called under the breaker's lock."""

    __slots__ = (
        "_backoff",
        "_counts_probes",
        "_max_probes",
        "_next_timeout_ms",
        "_opened_at",
        "_probe_failures",
        "_probe_successes",
        "_probes",
        "_reset_timeout",
        "_slow_call",
        "_success_threshold",
        "_untimed",
        "admitted",
        "cancelled",
        "counter",
        "due",
        "failures",
        "generation",
        "ignored",
        "rejected",
        "slow",
        "state",
        "successes",
    )

    def __init__(
        self,
        *,
        counter: Counter,
        reset_timeout: int,
        success_threshold: int,
        max_probes: int,
        slow_call: int | None,
        backoff: tuple[float, int] | None,
    ) -> None:
        self.state: CircuitState = _CLOSED
        self.generation = 0
        self.admitted = self.successes = self.failures = self.ignored = self.cancelled = self.rejected = self.slow = 0
        self.counter = counter
        self._reset_timeout = reset_timeout
        self._success_threshold = success_threshold
        self._max_probes = max_probes
        self._slow_call = slow_call
        self._backoff = backoff
        self._opened_at = 0
        self._next_timeout_ms = self._first_timeout_ms()
        # When OPEN has lasted long enough.
        self.due = 0
        # Whether the counts are those of the probes: in HALF_OPEN, and in an OPEN that a probe caused.
        self._counts_probes = False
        self._probe_failures = 0
        self._probe_successes = 0
        # When each probe that occupies a place began, the oldest first.
        self._probes = _NO_PROBES
        # The permit that the calls of this generation share, where it does not matter when they began.
        self._untimed = _FIRST_PERMIT

    def admit(self, now: int) -> tuple[Permit | None, Transition | None]:
        """The permit of a call, or None: rejected. With the transition that it caused."""
        transition = None
        state = self.state
        if state is _OPEN and now >= self.due:
            transition = self._enter(_HALF_OPEN, now, "reset_timeout")
            admitted = True
        elif state is _HALF_OPEN:
            self._free_hung_probes(now)
            running = len(self._probes)
            admitted = running < self._max_probes and running + self._probe_successes < self._success_threshold
        else:
            admitted = state is _CLOSED or state is _DISABLED
        if not admitted:
            self.rejected += 1
            return None, None
        self.admitted += 1
        if self.state is _HALF_OPEN:
            self._probes.append(now)
        elif self._slow_call is None:
            return self._untimed, transition
        return Permit(self.generation, now), transition

    def standing(self) -> Permit | None:
        """The permit of a call that would be admitted now, and whose success would change nothing but totals."""
        if self._slow_call is not None or not (self.state is _DISABLED or (self.state is _CLOSED and self.counter.skips_success)):
            return None
        return self._untimed

    def succeed(self, permit: Permit, now: int) -> Transition | None:
        self.successes += 1
        slow = self._end(permit, now)
        if permit.generation != self.generation:
            return None
        if self.state is _CLOSED:
            return self._open_for(self.counter.record(now, False, slow), now)
        if self.state is _HALF_OPEN:
            if slow:
                return self._open_for("probe_slow", now)
            self._probe_successes += 1
            if self._probe_successes >= self._success_threshold:
                return self._enter(_CLOSED, now, "probes_succeeded")
        return None

    def fail(self, permit: Permit, now: int) -> Transition | None:
        self.failures += 1
        slow = self._end(permit, now)
        if permit.generation != self.generation:
            return None
        if self.state is _CLOSED:
            return self._open_for(self.counter.record(now, True, slow), now)
        if self.state is _HALF_OPEN:
            self._probe_failures += 1
            return self._open_for("probe_failed", now)
        return None

    def ignore(self, permit: Permit, *, cancelled: bool) -> None:
        if cancelled:
            self.cancelled += 1
        else:
            self.ignored += 1
        self._leave(permit)

    def force(self, state: CircuitState, now: int, reason: str) -> Transition | None:
        """CB-19 to CB-21."""
        if state is self.state and state is not _CLOSED:
            return None
        return self._enter(state, now, reason)

    def counts(self, now: int) -> tuple[int, int]:
        """Failures and successes that count now."""
        if self._counts_probes:
            return self._probe_failures, self._probe_successes
        return self.counter.counts(self._opened_at if self.state is _OPEN else now)

    def running_probes(self, now: int) -> int:
        return sum(not self._is_hung(started, now) for started in self._probes)

    def retry_after(self, now: int) -> int | None:
        """Nanoseconds that are left of OPEN; None in other states."""
        if self.state is not _OPEN:
            return None
        return max(0, self.due - now)

    def _end(self, permit: Permit, now: int) -> bool:
        """Gives back what the call held; returns whether it was slow."""
        self._leave(permit)
        if self._slow_call is None or now - permit.started < self._slow_call:
            return False
        self.slow += 1
        return True

    def _leave(self, permit: Permit) -> None:
        if permit.generation == self.generation and permit.started in self._probes:
            self._probes.remove(permit.started)

    def _first_timeout_ms(self) -> float:
        return self._reset_timeout / NS_PER_MS if self._backoff else 0.0

    def _is_hung(self, started: int, now: int) -> bool:
        """CB-12."""
        return self._reset_timeout > 0 and now - started >= self._reset_timeout

    def _free_hung_probes(self, now: int) -> None:
        while self._probes and self._is_hung(self._probes[0], now):
            del self._probes[0]

    def _open_for(self, reason: str | None, now: int) -> Transition | None:
        return None if reason is None else self._enter(_OPEN, now, reason)

    def _enter(self, state: CircuitState, now: int, reason: str) -> Transition:
        """Every transition passes here: a new generation, and counts from 0 (CB-17, CB-18)."""
        source, self.state = self.state, state
        self.generation += 1
        self._untimed = Permit(self.generation, 0)
        self._probes = [] if state is _HALF_OPEN else _NO_PROBES
        self._counts_probes = state is _HALF_OPEN or (state is _OPEN and source is _HALF_OPEN)
        if state is _OPEN:
            self._opened_at = now
            self.due = now + (int(self._next_timeout_ms) * NS_PER_MS if self._backoff else self._reset_timeout)
            if self._backoff:
                factor, maximum = self._backoff
                self._next_timeout_ms = min(self._next_timeout_ms * factor, maximum / NS_PER_MS)
        else:
            self.counter.clear()
            self._probe_failures = self._probe_successes = 0
            if state is _CLOSED:
                self._next_timeout_ms = self._first_timeout_ms()
        return Transition(source, state, self.generation, reason)


class CircuitBreaker(Policy):
    """A circuit breaker.

    Args:
        failure_threshold: failures that open the circuit, at least 1; default 5. Not with a rate window.
        reset_timeout: seconds (or ``timedelta``) from opening to the first probe, at least 0.
        half_open_success_threshold: successful probes that close it, at least 1.
        half_open_max_concurrent: probes at once, at least 1; default ``half_open_success_threshold``.
        window: what is counted while CLOSED; default ``Window(kind="consecutive")``.
        slow_call: opens for slow calls too; only with the windows ``count`` and ``time``.
        reset_timeout_backoff: lengthens ``reset_timeout`` by each opening in a row.
        is_failure: decides between failure and success; default: every error fails, no result does.
        ignore: asked before ``is_failure``; an outcome for which it is true does not count.
        name: default ``"circuit_breaker"``.

    Raises:
        ConfigurationError: for an option outside its range, or options that exclude each other.
    """

    pattern = "circuit_breaker"

    def __init__(
        self,
        *,
        failure_threshold: int | None = None,
        reset_timeout: Duration = 30.0,
        half_open_success_threshold: int = 3,
        half_open_max_concurrent: int | None = None,
        window: Window | None = None,
        slow_call: SlowCall | None = None,
        reset_timeout_backoff: ResetTimeoutBackoff | None = None,
        is_failure: Predicate | None = None,
        ignore: Predicate | None = None,
        name: str | None = None,
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, listeners, clock)
        path = self.pattern
        reset = nanoseconds(f"{path}.reset_timeout_ms", reset_timeout, 0)
        threshold = integer(f"{path}.half_open_success_threshold", half_open_success_threshold, 1)
        probes = threshold if half_open_max_concurrent is None else half_open_max_concurrent
        window = optional_group(f"{path}.window", window, Window) or Window()
        slow_call = optional_group(f"{path}.slow_call", slow_call, SlowCall)
        backoff = optional_group(f"{path}.reset_timeout_backoff", reset_timeout_backoff, ResetTimeoutBackoff)
        self._circuit = Circuit(
            counter=build_counter(path, window, failure_threshold, slow_call, self._now()),
            reset_timeout=reset,
            success_threshold=threshold,
            max_probes=integer(f"{path}.half_open_max_concurrent", probes, 1),
            slow_call=None
            if slow_call is None
            else nanoseconds(f"{path}.slow_call.duration_ms", slow_call.duration, 1),
            backoff=None if backoff is None else _backoff(path, backoff, reset),
        )
        self._is_failure = optional_function(f"{path}.is_failure", is_failure)
        self._ignore = optional_function(f"{path}.ignore", ignore)
        self._lock = threading.Lock()
        # The fast path of ``execute`` and ``call``: the permit of a call that needs no decision. None: each needs one.
        self._standing: Permit | None = None
        # Until when a call is refused without a decision; 0: none is.
        self._refuses_until = 0
        # What went by these: part of the totals.
        self._quick_admissions = self._quick_successes = self._quick_rejections = 0
        self._look()

    @property
    def state(self) -> CircuitState:
        """The state. OPEN lasts until a call comes after the reset timeout (CB-9)."""
        return self._circuit.state

    def stats(self) -> CircuitBreakerStats:
        """A consistent picture of the counts (CB-22, CB-23)."""
        with self._lock:
            circuit, now = self._circuit, self._now()
            failures, successes = circuit.counts(now)
            retry_after = circuit.retry_after(now)
            rejected = circuit.rejected + self._quick_rejections
            return CircuitBreakerStats(
                state=circuit.state,
                failure_count=failures,
                success_count=successes,
                running_probes=circuit.running_probes(now),
                generation=circuit.generation,
                retry_after=None if retry_after is None else retry_after / NS_PER_S,
                calls=circuit.admitted + self._quick_admissions + rejected,
                successes=circuit.successes + self._quick_successes,
                failures=circuit.failures,
                ignored=circuit.ignored,
                cancelled=circuit.cancelled,
                rejected=rejected,
                slow=circuit.slow,
            )

    def force_open(self) -> None:
        """Rejects every call until ``reset`` or ``disable`` (CB-19)."""
        self._force(_FORCED_OPEN, "forced_open")

    def disable(self) -> None:
        """Admits every call and counts only totals, until ``reset`` or ``force_open`` (CB-20)."""
        self._force(_DISABLED, "disabled")

    def reset(self) -> None:
        """Closes the circuit, with every count at 0 (CB-21)."""
        self._force(_CLOSED, "reset")

    def guard(self) -> Guard:
        """A block of code under the breaker: ``with breaker.guard():`` or ``async with breaker.guard():``."""
        return _CircuitGuard(self)

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        remove = super().add_listener(listener)

        def remove_and_look() -> None:
            remove()
            with self._lock:
                self._look()

        with self._lock:
            self._look()
        return remove_and_look

    # The fast path of both faces: while a success changes nothing but totals and nobody listens, a call takes no lock, reads
    # no clock and asks nobody. It relies on one thing, that the interpreter does not change threads within `n += 1`;
    # where that is not so, ``_look`` never opens it. It is ``admit`` and ``returned``, written out.

    async def execute(self, operation: AsyncOperation[T], key: Key = None) -> T:
        permit = self._standing
        if permit is None:
            left = self._refuse()
            if left:
                raise CircuitOpenError(self.name, None, left)
            permit = self._decide()
        else:
            self._quick_admissions += 1
        try:
            result = await operation()
        except BaseException as error:
            self.raised(permit, error)
            raise
        if permit is self._standing:
            self._quick_successes += 1
        else:
            self._judge(permit, result)
        return result

    def call(self, operation: Operation[T], key: Key = None) -> T:
        permit = self._standing
        if permit is None:
            left = self._refuse()
            if left:
                raise CircuitOpenError(self.name, None, left)
            permit = self._decide()
        else:
            self._quick_admissions += 1
        try:
            result = operation()
        except BaseException as error:
            self.raised(permit, error)
            raise
        if permit is self._standing:
            self._quick_successes += 1
        else:
            self._judge(permit, result)
        return result

    def admit(self) -> Permit:
        """Lets a call through, which must end with ``returned`` or ``raised``; or raises CircuitOpenError."""
        permit = self._standing
        if permit is None:
            left = self._refuse()
            if left:
                raise CircuitOpenError(self.name, None, left)
            permit = self._decide()
        else:
            self._quick_admissions += 1
        return permit

    def returned(self, permit: Permit, result: object) -> None:
        """An admitted call has returned."""
        if permit is self._standing:
            self._quick_successes += 1
        else:
            self._judge(permit, result)

    def _look(self) -> None:
        """Opens or closes the fast paths; under the lock, whenever an outcome was recorded or a listener came or went."""
        quick = SWITCHES_AT_CALLS and not self._listeners.all
        plain = quick and self._is_failure is None and self._ignore is None
        self._standing = self._circuit.standing() if plain else None
        self._refuses_until = self._circuit.due if quick and self._circuit.state is _OPEN else 0

    def _refuse(self) -> float:
        """The fast path of a rejection, which changes nothing but a total either: seconds left of OPEN. 0: to be decided.

        Raising is left to the caller: each frame that an error passes costs as much as this.
        """
        until = self._refuses_until
        if until:
            now = self._now
            left = until - now()
            if left > 0:
                self._quick_rejections += 1
                return left / NS_PER_S
        return 0

    def _decide(self) -> Permit:
        with self._lock:
            circuit, now = self._circuit, self._now()
            permit, transition = circuit.admit(now)
            if transition is not None:
                self._look()
            if permit is not None and not self._listeners.all:
                return permit
            state, generation, retry_after = circuit.state, circuit.generation, circuit.retry_after(now)
        if self._listeners.all:
            self._changed(transition)
            if permit is None:
                left = None if retry_after is None else retry_after / NS_PER_S
                self._listeners.emit(
                    Event("call_rejected", self.name, state=state, generation=generation, retry_after=left)
                )
            else:
                self._listeners.emit(Event("call_admitted", self.name, state=state, generation=generation))
        if permit is not None:
            return permit
        if retry_after is not None:
            raise CircuitOpenError(self.name, None, retry_after / NS_PER_S)
        raise CircuitOpenError(self.name, "probing" if state is _HALF_OPEN else "forced open", None)

    def _judge(self, permit: Permit, result: object) -> None:
        try:
            if self._ignore is not None and self._ignore(None, result):
                self._ignored(permit, None)
                return
            failed = self._is_failure is not None and self._is_failure(None, result)
        except BaseException as broken:
            self._record(permit, True, broken)
            raise
        self._record(permit, failed, None)

    def raised(self, permit: Permit, error: BaseException) -> None:
        """An admitted call has raised."""
        if not isinstance(error, Exception) or isinstance(error, CallCancelledError):
            with self._lock:
                self._circuit.ignore(permit, cancelled=True)
            if self._listeners.all:
                self._listeners.emit(Event("call_cancelled", self.name, generation=permit.generation))
            return
        try:
            if isinstance(error, RejectedError) or (self._ignore is not None and self._ignore(error, None)):
                self._ignored(permit, error)
                return
            failed = self._is_failure is None or self._is_failure(error, None)
        except BaseException:
            self._record(permit, True, error)
            raise
        self._record(permit, failed, error)

    def _ignored(self, permit: Permit, error: BaseException | None) -> None:
        with self._lock:
            self._circuit.ignore(permit, cancelled=False)
        if self._listeners.all:
            self._listeners.emit(Event("call_ignored", self.name, generation=permit.generation, error=error))

    def _record(self, permit: Permit, failed: bool, error: BaseException | None) -> None:
        with self._lock:
            now = self._now()
            transition = self._circuit.fail(permit, now) if failed else self._circuit.succeed(permit, now)
            self._look()
        if self._listeners.all:
            kind: EventType = "call_failed" if failed else "call_succeeded"
            shown = error if failed else None
            self._listeners.emit(Event(kind, self.name, generation=permit.generation, error=shown))
            self._changed(transition)

    def _force(self, state: CircuitState, reason: str) -> None:
        with self._lock:
            transition = self._circuit.force(state, self._now(), reason)
            self._look()
        self._changed(transition)

    def _changed(self, transition: Transition | None) -> None:
        if transition is not None and self._listeners.all:
            self._listeners.emit(
                Event(
                    "circuit_state_changed",
                    self.name,
                    from_state=transition.source,
                    to_state=transition.target,
                    generation=transition.generation,
                    reason=transition.reason,
                )
            )


class _CircuitGuard(Guard):
    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker
        self._permit: Permit | None = None

    def __enter__(self) -> Self:
        self._permit = self._breaker.admit()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        permit, self._permit = self._permit, None
        if permit is None:
            raise RuntimeError("this guard has not been entered, or has been left already")
        if error is None:
            self._breaker.returned(permit, None)
        else:
            self._breaker.raised(permit, error)


def _backoff(path: str, backoff: ResetTimeoutBackoff, reset_timeout: int) -> tuple[float, int]:
    at = f"{path}.reset_timeout_backoff"
    factor = number(f"{at}.factor", backoff.factor, 1, 1000)
    maximum = nanoseconds(f"{at}.max_ms", backoff.maximum, 0)
    if maximum < reset_timeout:
        least = reset_timeout // NS_PER_MS
        raise ConfigurationError("range", f"{at}.max_ms", maximum // NS_PER_MS, f"{least} (reset_timeout_ms) to {MAXIMUM}")
    return factor, maximum

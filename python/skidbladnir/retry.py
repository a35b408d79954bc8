"""Retry with exponential backoff: repeats a failed operation after growing delays (RT)."""

from __future__ import annotations

import asyncio
import random as random_module
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from skidbladnir.clock import Clock, caller_gave_up, check_cancelled, park, task_gave_up
from skidbladnir.errors import CallCancelledError, ConfigurationError, RejectedError
from skidbladnir.events import Event, Listener
from skidbladnir.matching import Compile, Matcher, Pattern, retry_after_hint
from skidbladnir.options import (
    NS_PER_MS,
    NS_PER_S,
    Duration,
    boolean,
    integer,
    nanoseconds,
    number,
    optional_nanoseconds,
    word,
)
from skidbladnir.policy import AsyncOperation, Key, Operation, Policy, T

Jitter = Literal["none", "full", "equal", "decorrelated"]
JITTERS: tuple[Jitter, ...] = ("none", "full", "equal", "decorrelated")


def delays(
    initial_ms: float, maximum_ms: float, factor: float, jitter: Jitter, random: Callable[[], float]
) -> Iterator[int]:
    """The delays before retry 1, 2, ... in whole milliseconds (RT-2 to RT-4). Endless."""
    delay = initial_ms if jitter == "decorrelated" else min(initial_ms, maximum_ms)
    while True:
        match jitter:
            case "none":
                yield int(delay)
            case "full":
                yield int(random() * delay)
            case "equal":
                yield int(delay / 2 + random() * (delay / 2))
            case "decorrelated":
                delay = min(maximum_ms, initial_ms + random() * (3 * delay - initial_ms))
                yield int(delay)
        if jitter != "decorrelated":
            delay = min(delay * factor, maximum_ms)


class Retry(Policy):
    """Repeats a failed operation.

    Args:
        max_retries: retries after the first attempt, at least 0.
        initial_delay: seconds (or ``timedelta``) before the first retry, at least 0.
        max_delay: the longest delay, at least 0.
        backoff_factor: by which each delay grows, 1 to 1000.
        jitter: ``"none"``, ``"full"``, ``"equal"`` or ``"decorrelated"``.
        retryable_errors: patterns of the errors to retry (RT-6); None: every failure; empty: none.
        is_retryable: decides instead of ``retryable_errors``.
        retry_rejections: retries also what a policy inside refused.
        max_retry_after: an error that asks to wait longer than this ends the retrying.
        max_elapsed: no retry begins later than this after the first attempt; None: no limit.
        random: numbers in [0, 1) for the jitter.
        name: default ``"retry"``.

    Raises:
        ConfigurationError: for an option outside its range.
    """

    pattern = "retry"

    def __init__(
        self,
        *,
        max_retries: int = 3,
        initial_delay: Duration = 1.0,
        max_delay: Duration = 10.0,
        backoff_factor: float = 2.0,
        jitter: Jitter = "none",
        retryable_errors: Sequence[Pattern] | None = None,
        is_retryable: Callable[[Exception], bool] | None = None,
        retry_rejections: bool = False,
        max_retry_after: Duration = 60.0,
        max_elapsed: Duration | None = None,
        random: Callable[[], float] = random_module.random,
        compile_regex: Compile = re.compile,
        name: str | None = None,
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, listeners, clock)
        path = self.pattern
        self._max_retries = integer(f"{path}.max_retries", max_retries, 0)
        self._initial_ms = nanoseconds(f"{path}.initial_delay_ms", initial_delay, 0) / NS_PER_MS
        self._maximum_ms = nanoseconds(f"{path}.max_delay_ms", max_delay, 0) / NS_PER_MS
        self._factor = number(f"{path}.backoff_factor", backoff_factor, 1, 1000)
        self._jitter: Jitter = jitter
        word(f"{path}.jitter", jitter, JITTERS)
        if is_retryable is not None and retryable_errors is not None:
            raise ConfigurationError("conflict", f"{path}.is_retryable", is_retryable, "not with retryable_errors")
        self._matcher = (
            None if retryable_errors is None else Matcher(f"{path}.retryable_errors", retryable_errors, compile_regex)
        )
        self._is_retryable = is_retryable
        self._retry_rejections = boolean(f"{path}.retry_rejections", retry_rejections)
        self._max_hint = nanoseconds(f"{path}.max_retry_after_ms", max_retry_after, 0)
        self._max_elapsed = optional_nanoseconds(f"{path}.max_elapsed_ms", max_elapsed, 0)
        self._random = random

    async def execute(self, operation: AsyncOperation[T], key: Key = None) -> T:
        # A clock is read, and state kept, only once something has failed or a time limit asks for it.
        began = 0 if self._max_elapsed is None else self._clock.now()
        course: _Course | None = None
        while True:
            try:
                return await operation()
            except Exception as error:
                if task_gave_up():
                    raise
                course = course or _Course(self, began)
                delay = course.next_delay(error)
                if delay is None:
                    raise
            if delay > 0:
                await asyncio.sleep(delay / NS_PER_S)

    def call(self, operation: Operation[T], key: Key = None) -> T:
        began = 0 if self._max_elapsed is None else self._clock.now()
        course: _Course | None = None
        while True:
            try:
                return operation()
            except Exception as error:
                if caller_gave_up():
                    raise
                course = course or _Course(self, began)
                delay = course.next_delay(error)
                if delay is None:
                    raise
            if delay > 0:
                park(self._clock, self._clock.waiter(), self._clock.now() + delay)
            check_cancelled(self.name)


class _Course:
    """One call's way through its retries: decides after each failure."""

    __slots__ = ("_attempt", "_began", "_delays", "_retry")

    def __init__(self, retry: Retry, began: int) -> None:
        self._retry = retry
        self._began = began
        self._attempt = 0
        self._delays = delays(retry._initial_ms, retry._maximum_ms, retry._factor, retry._jitter, retry._random)

    def next_delay(self, error: Exception) -> int | None:
        """Nanoseconds until the next attempt; None when there is none."""
        self._attempt += 1
        retry = self._retry
        if not self._retryable(error):
            return None
        if self._attempt > retry._max_retries:
            self._exhausted("max_retries", error)
            return None
        hint = retry_after_hint(error)
        hint_ns = 0 if hint is None else round(hint * NS_PER_S)
        if hint_ns > retry._max_hint:
            self._exhausted("retry_after", error)
            return None
        delay = max(next(self._delays) * NS_PER_MS, hint_ns)
        if retry._max_elapsed is not None and retry._clock.now() - self._began + delay > retry._max_elapsed:
            self._exhausted("max_elapsed", error)
            return None
        if retry._listeners.all:
            retry._listeners.emit(
                Event("retry_scheduled", retry.name, attempt=self._attempt, delay=delay / NS_PER_S, error=error)
            )
        return delay

    def _retryable(self, error: Exception) -> bool:
        retry = self._retry
        if isinstance(error, CallCancelledError):
            return False
        if isinstance(error, RejectedError):
            return retry._retry_rejections
        if retry._is_retryable is not None:
            return retry._is_retryable(error)
        return retry._matcher is None or retry._matcher.matches(error)

    def _exhausted(self, reason: str, error: Exception) -> None:
        retry = self._retry
        error.add_note(f"{retry.name}: gave up after attempt {self._attempt} ({reason})")
        if retry._listeners.all:
            retry._listeners.emit(
                Event("retry_exhausted", retry.name, attempt=self._attempt, reason=reason, error=error)
            )

"""Retry with exponential backoff: repeats a failed operation after growing delays (RT)."""

from __future__ import annotations

import asyncio
import random as random_module
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from skidbladnir.clock import Clock, caller_gave_up, check_cancelled, park
from skidbladnir.errors import CallCancelledError, ConfigurationError, PolicyError, RejectedError
from skidbladnir.events import Event, Listener
from skidbladnir.matching import Compile, Matcher, Pattern, retry_after_hint
from skidbladnir.options import (
    NS_PER_MS,
    NS_PER_S,
    Duration,
    boolean,
    function,
    integer,
    nanoseconds,
    number,
    optional_function,
    optional_nanoseconds,
    word,
)
from skidbladnir.policy import AsyncOperation, Key, Operation, Policy, T

Jitter = Literal["none", "full", "equal", "decorrelated"]
JITTERS: tuple[Jitter, ...] = ("none", "full", "equal", "decorrelated")


class Backoff:
    """The delays before retry 1, 2, ... in milliseconds (RT-2 to RT-4). Each call goes its own way along ``step``, from ``first``."""

    __slots__ = ("_factor", "_initial", "_jitter", "_maximum", "_random", "first")

    def __init__(self, initial: float, maximum: float, factor: float, jitter: Jitter, random: Callable[[], float]) -> None:
        self._initial = initial
        self._maximum = maximum
        self._factor = factor
        self._jitter = jitter
        self._random = random
        self.first = initial if jitter == "decorrelated" else min(initial, maximum)

    def step(self, number: float) -> tuple[int, float]:
        """The delay that belongs to this number of the sequence, in whole milliseconds, and the next number."""
        jitter = self._jitter
        if jitter == "decorrelated":
            number = min(self._maximum, self._initial + self._random() * (3 * number - self._initial))
            return int(number), number
        following = number * self._factor
        if following > self._maximum:
            following = self._maximum
        if jitter == "full":
            number = self._random() * number
        elif jitter == "equal":
            number = number / 2 + self._random() * (number / 2)
        return int(number) if number else 0, following


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
        self._backoff = Backoff(
            nanoseconds(f"{path}.initial_delay_ms", initial_delay, 0) / NS_PER_MS,
            nanoseconds(f"{path}.max_delay_ms", max_delay, 0) / NS_PER_MS,
            number(f"{path}.backoff_factor", backoff_factor, 1, 1000),
            jitter,
            function(f"{path}.random", random),
        )
        word(f"{path}.jitter", jitter, JITTERS)
        if is_retryable is not None and retryable_errors is not None:
            raise ConfigurationError("conflict", f"{path}.is_retryable", is_retryable, "not with retryable_errors")
        self._matcher = (
            None if retryable_errors is None else Matcher(f"{path}.retryable_errors", retryable_errors, compile_regex)
        )
        self._is_retryable = optional_function(f"{path}.is_retryable", is_retryable)
        self._selects = is_retryable is not None or retryable_errors is not None
        self._retry_rejections = boolean(f"{path}.retry_rejections", retry_rejections)
        self._max_hint = nanoseconds(f"{path}.max_retry_after_ms", max_retry_after, 0)
        self._max_elapsed = optional_nanoseconds(f"{path}.max_elapsed_ms", max_elapsed, 0)

    async def execute(self, operation: AsyncOperation[T], key: Key = None) -> T:
        # A clock is read only where a time limit asks for it, and the task only once something has failed.
        began = 0 if self._max_elapsed is None else self._now()
        attempt, number = 1, self._backoff.first
        task: asyncio.Task[object] | None = None
        while True:
            try:
                return await operation()
            except Exception as error:
                task = task or asyncio.current_task()
                if task is not None and task.cancelling():  # whatever the operation made of that (RT-9)
                    raise
                retry = self._retry_after(error, attempt, number, began)
                if retry is None:
                    raise
            delay, number = retry
            attempt += 1
            if delay > 0:
                await asyncio.sleep(delay / NS_PER_S)

    def call(self, operation: Operation[T], key: Key = None) -> T:
        began = 0 if self._max_elapsed is None else self._now()
        attempt, number = 1, self._backoff.first
        while True:
            try:
                return operation()
            except Exception as error:
                if caller_gave_up():
                    raise
                retry = self._retry_after(error, attempt, number, began)
                if retry is None:
                    raise
            delay, number = retry
            attempt += 1
            if delay > 0:
                park(self._clock, self._clock.waiter(), self._now() + delay)
            check_cancelled(self.name)

    def _retry_after(self, error: Exception, attempt: int, number: float, began: int) -> tuple[int, float] | None:
        """Decides after a failed attempt: nanoseconds until the next, and its number in the backoff; None when there is none."""
        if (self._selects or isinstance(error, PolicyError)) and not self._retryable(error):
            return None
        if attempt > self._max_retries:
            self._exhausted("max_retries", attempt, error)
            return None
        hint = retry_after_hint(error)
        hint_ns = 0 if hint is None else round(hint * NS_PER_S)
        if hint_ns > self._max_hint:
            self._exhausted("retry_after", attempt, error)
            return None
        delay_ms, number = self._backoff.step(number)
        delay = delay_ms * NS_PER_MS
        if delay < hint_ns:
            delay = hint_ns
        if self._max_elapsed is not None and self._now() - began + delay > self._max_elapsed:
            self._exhausted("max_elapsed", attempt, error)
            return None
        if self._listeners.all:
            self._listeners.emit(
                Event("retry_scheduled", self.name, attempt=attempt, delay=delay / NS_PER_S, error=error)
            )
        return delay, number

    def _retryable(self, error: Exception) -> bool:
        if isinstance(error, PolicyError):
            if isinstance(error, CallCancelledError):
                return False
            if isinstance(error, RejectedError):
                return self._retry_rejections
        if self._is_retryable is not None:
            return self._is_retryable(error)
        return self._matcher is None or self._matcher.matches(error)

    def _exhausted(self, reason: str, attempt: int, error: Exception) -> None:
        error.add_note(f"{self.name}: gave up after attempt {attempt} ({reason})")
        if self._listeners.all:
            self._listeners.emit(Event("retry_exhausted", self.name, attempt=attempt, reason=reason, error=error))

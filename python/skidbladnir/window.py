"""What a closed circuit counts, and when that is enough to open it (CB-1 to CB-5). Pure: the time is handed in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, Protocol

from skidbladnir.errors import ConfigurationError
from skidbladnir.options import Duration, integer, nanoseconds, number, word

WindowKind = Literal["consecutive", "cumulative", "count", "time"]
KINDS: tuple[WindowKind, ...] = ("consecutive", "cumulative", "count", "time")
_OPTIONS_OF_KIND = {
    "consecutive": (),
    "cumulative": (),
    "count": ("size", "minimum_calls", "failure_rate"),
    "time": ("duration", "buckets", "minimum_calls", "failure_rate"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How a closed circuit counts.

    ``consecutive`` and ``cumulative`` count failures up to the breaker's ``failure_threshold``. ``count`` looks at the last
    ``size`` outcomes (default 100), ``time`` at those of the last ``duration`` seconds (60) in ``buckets`` (10); both open at
    ``failure_rate`` (0.5; above 0, at most 1) once ``minimum_calls`` (10, at most ``size``) are in the window.
    """

    kind: WindowKind = "consecutive"
    size: int | None = None
    duration: Duration | None = None
    buckets: int | None = None
    minimum_calls: int | None = None
    failure_rate: float | None = None

    @property
    def is_rate(self) -> bool:
        """Whether it opens by a rate rather than by ``failure_threshold``."""
        return self.kind in ("count", "time")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowCall:
    """A call that takes ``duration`` seconds or longer is slow; the circuit opens at ``rate`` (above 0, at most 1) of slow calls."""

    duration: Duration
    rate: float = 1.0


class Counter(Protocol):
    """The counts of one generation of a closed circuit."""

    skips_success: bool
    """Whether a success would change nothing now, so that it need not be recorded."""

    def record(self, now: int, failed: bool, slow: bool) -> str | None:
        """Counts one outcome; returns the reason to open, if this is one."""
        ...

    def counts(self, now: int) -> tuple[int, int]:
        """Failures and successes; changes nothing."""
        ...

    def clear(self) -> None:
        """Back to nothing counted."""
        ...


class ThresholdCounter:
    """CB-1, and CB-2 where ``cumulative``."""

    __slots__ = ("_cumulative", "_failures", "_threshold", "skips_success")

    def __init__(self, threshold: int, *, cumulative: bool) -> None:
        self.skips_success = True
        self._threshold = threshold
        self._cumulative = cumulative
        self._failures = 0

    def record(self, now: int, failed: bool, slow: bool) -> str | None:
        if failed:
            self._failures += 1
            self.skips_success = self._cumulative
            if self._failures >= self._threshold:
                return "failure_threshold"
        elif not self._cumulative:
            self.clear()
        return None

    def counts(self, now: int) -> tuple[int, int]:
        return self._failures, 0

    def clear(self) -> None:
        self._failures = 0
        self.skips_success = True


@dataclass(frozen=True, slots=True)
class Limits:
    """When rates are looked at, and where they open."""

    minimum_calls: int
    failure_rate: float
    slow_rate: float | None

    def reason(self, calls: int, failures: int, slow: int) -> str | None:
        if calls < self.minimum_calls:
            return None
        if failures / calls >= self.failure_rate:
            return "failure_rate"
        if self.slow_rate is not None and slow / calls >= self.slow_rate:
            return "slow_call_rate"
        return None


class CountCounter:
    """CB-3: the last ``size`` outcomes."""

    __slots__ = ("_failures", "_limits", "_outcomes", "_slow", "skips_success")

    def __init__(self, size: int, limits: Limits) -> None:
        self.skips_success = False
        self._limits = limits
        # Each 1 for a failure, and 2 more where it was slow: small numbers take no memory of their own.
        self._outcomes: deque[int] = deque(maxlen=size)
        self._failures = 0
        self._slow = 0

    def record(self, now: int, failed: bool, slow: bool) -> str | None:
        if len(self._outcomes) == self._outcomes.maxlen:
            oldest = self._outcomes[0]
            self._failures -= oldest & 1
            self._slow -= oldest >> 1
        self._outcomes.append(failed + 2 * slow)
        self._failures += failed
        self._slow += slow
        return self._limits.reason(len(self._outcomes), self._failures, self._slow)

    def counts(self, now: int) -> tuple[int, int]:
        return self._failures, len(self._outcomes) - self._failures

    def clear(self) -> None:
        self._outcomes.clear()
        self._failures = self._slow = 0


class TimeCounter:
    """CB-4: a ring of buckets, each ``[calls, failures, slow]``; the sums are kept beside it."""

    __slots__ = ("_buckets", "_current", "_limits", "_origin", "_sums", "_width", "skips_success")

    def __init__(self, origin: int, duration: int, buckets: int, limits: Limits) -> None:
        self.skips_success = False
        self._origin = origin
        self._width = max(1, duration // buckets)
        self._limits = limits
        self._current = 0
        self._buckets = [[0, 0, 0] for _ in range(buckets)]
        self._sums = [0, 0, 0]

    def record(self, now: int, failed: bool, slow: bool) -> str | None:
        self._turn(now)
        bucket = self._buckets[self._current % len(self._buckets)]
        for counts in (bucket, self._sums):
            counts[0] += 1
            counts[1] += failed
            counts[2] += slow
        return self._limits.reason(*self._sums)

    def counts(self, now: int) -> tuple[int, int]:
        index = self._index(now)
        calls = failures = 0
        for age in range(len(self._buckets)):
            held = self._current - age
            if held < 0 or held <= index - len(self._buckets):
                break
            bucket = self._buckets[held % len(self._buckets)]
            calls += bucket[0]
            failures += bucket[1]
        return failures, calls - failures

    def clear(self) -> None:
        for bucket in self._buckets:
            bucket[:] = (0, 0, 0)
        self._sums[:] = (0, 0, 0)

    def _index(self, now: int) -> int:
        return (now - self._origin) // self._width

    def _turn(self, now: int) -> None:
        """Empties the buckets that time has passed since the last outcome."""
        index = self._index(now)
        for step in range(min(index - self._current, len(self._buckets))):
            bucket = self._buckets[(index - step) % len(self._buckets)]
            for i in range(3):
                self._sums[i] -= bucket[i]
            bucket[:] = (0, 0, 0)
        self._current = max(index, self._current)


def build_counter(path: str, window: Window, threshold: int | None, slow_call: SlowCall | None, now: int) -> Counter:
    """Checks the options of a window (CB-6) and makes its counter."""
    kind = word(f"{path}.window.kind", window.kind, KINDS)
    for option in ("size", "duration", "buckets", "minimum_calls", "failure_rate"):
        value = getattr(window, option)
        if value is not None and option not in _OPTIONS_OF_KIND[kind]:
            shown = "duration_ms" if option == "duration" else option
            raise ConfigurationError("conflict", f"{path}.window.{shown}", value, f"not with the window {kind}")
    if threshold is not None and window.is_rate:
        raise ConfigurationError("conflict", f"{path}.failure_threshold", threshold, f"not with the window {kind}")
    if slow_call is not None and not window.is_rate:
        raise ConfigurationError("conflict", f"{path}.slow_call", slow_call, "only with the windows count and time")
    if not window.is_rate:
        limit = integer(f"{path}.failure_threshold", 5 if threshold is None else threshold, 1)
        return ThresholdCounter(limit, cumulative=kind == "cumulative")

    size = integer(f"{path}.window.size", 100 if window.size is None else window.size, 1, 1_000_000)
    default_minimum = min(10, size) if kind == "count" else 10
    minimum = integer(
        f"{path}.window.minimum_calls", default_minimum if window.minimum_calls is None else window.minimum_calls, 1
    )
    if kind == "count" and minimum > size:
        raise ConfigurationError("range", f"{path}.window.minimum_calls", minimum, f"1 to size ({size})")
    rate = 0.5 if window.failure_rate is None else window.failure_rate
    limits = Limits(
        minimum_calls=minimum,
        failure_rate=number(f"{path}.window.failure_rate", rate, 0, 1, above_minimum=True),
        slow_rate=None
        if slow_call is None
        else number(f"{path}.slow_call.rate", slow_call.rate, 0, 1, above_minimum=True),
    )
    if kind == "count":
        return CountCounter(size, limits)
    duration = nanoseconds(f"{path}.window.duration_ms", 60 if window.duration is None else window.duration, 1)
    buckets = integer(f"{path}.window.buckets", 10 if window.buckets is None else window.buckets, 1, 1000)
    return TimeCounter(now, duration, buckets, limits)



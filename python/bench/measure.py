"""Measures contenders side by side: in one process, in interleaved rounds, each as a ratio to a bare wrapper of the same round."""

from __future__ import annotations

import asyncio
import inspect
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from importlib import metadata
from itertools import repeat
from platform import python_version
from typing import Any

import skidbladnir

Loop = Callable[[int], Any]
"""Makes that many calls; async or not."""

ROUND_SECONDS = 0.01
"""How long each contender runs in each round, about."""


@dataclass
class Contender:
    """One way to make the calls of a case. ``name``: the packages, then what of them in parentheses; ``asyncio`` is Python's own."""

    name: str
    run: Loop
    ratios: list[float] = field(default_factory=list)
    nanoseconds: list[float] = field(default_factory=list)
    calls: int = 0

    @property
    def packages(self) -> list[str]:
        return self.name.partition(" (")[0].removesuffix(" by hand").split(", ")

    @property
    def is_ours(self) -> bool:
        return self.packages == ["skidbladnir"]

    def result(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": ", ".join(version(package) for package in self.packages),
            "ours": self.is_ours,
            "median": _rounded(statistics.median(self.ratios)),
            "min": _rounded(min(self.ratios)),
            "max": _rounded(max(self.ratios)),
            "ns": round(statistics.median(self.nanoseconds), 1),
        }


@dataclass
class Case:
    """Contenders for the same work. The ratio of ours must not exceed ``target``."""

    id: str
    title: str
    baseline: Loop
    contenders: list[Contender]
    target: float | None = None

    def measure(self, shift: int) -> None:
        """One round; each begins with another contender."""
        bare, _ = _time(self.baseline, self._calls_of_baseline())
        for index in range(len(self.contenders)):
            contender = self.contenders[(index + shift) % len(self.contenders)]
            contender.calls = contender.calls or _calibrate(contender.run)
            taken, _ = _time(contender.run, contender.calls)
            contender.ratios.append(taken / bare)
            contender.nanoseconds.append(taken)

    def _calls_of_baseline(self) -> int:
        if self.baseline not in _CALLS:
            _CALLS[self.baseline] = _calibrate(self.baseline)
        return _CALLS[self.baseline]

    def result(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "title": self.title,
            "unit": "ratio",
            "target": self.target,
            "target_source": None if self.target is None else f"<= {self.target:g}",
            "results": [contender.result() for contender in self.contenders],
        }


_CALLS: dict[Loop, int] = {}
RUNNER = asyncio.Runner()


def version(package: str) -> str:
    """The version of a package, or of Python for its own."""
    match package:
        case "skidbladnir":
            return skidbladnir.__version__
        case "asyncio":
            return python_version()
        case _:
            return metadata.version(package)


def measure(cases: Iterable[Case], rounds: int, progress: Callable[[int], None]) -> None:
    """All cases in each round, so that a slow minute of the machine falls on all of them."""
    for number in range(rounds):
        for case in cases:
            case.measure(number)
        progress(number + 1)


def _time(loop: Loop, calls: int) -> tuple[float, float]:
    """Nanoseconds for each call, and seconds for all."""
    if inspect.iscoroutinefunction(loop):
        taken = RUNNER.run(_timed(loop, calls))
    else:
        began = time.perf_counter_ns()
        loop(calls)
        taken = time.perf_counter_ns() - began
    return taken / calls, taken / 1e9


async def _timed(loop: Callable[[int], Awaitable[None]], calls: int) -> int:
    began = time.perf_counter_ns()
    await loop(calls)
    return time.perf_counter_ns() - began


def _calibrate(loop: Loop) -> int:
    calls = 10
    while True:
        _, seconds = _time(loop, calls)
        if seconds > ROUND_SECONDS / 2:
            return max(10, round(calls * ROUND_SECONDS / seconds))
        calls *= 2


def _rounded(ratio: float) -> float:
    return float(f"{ratio:.3g}")


# How calls are made. Every package is called as its own documentation does.


def given(call: Callable[[Any], Awaitable[object]], operation: object) -> Loop:
    """A function that is given the operation."""

    async def run(calls: int) -> None:
        for _ in repeat(None, calls):
            await call(operation)

    return run


def decorated(function: Callable[[], Awaitable[object]]) -> Loop:
    """A decorated operation."""

    async def run(calls: int) -> None:
        for _ in repeat(None, calls):
            await function()

    return run


def given_sync(call: Callable[[Any], object], operation: object) -> Loop:
    """As ``given``, not async."""

    def run(calls: int) -> None:
        for _ in repeat(None, calls):
            call(operation)

    return run


def decorated_sync(function: Callable[[], object]) -> Loop:
    """As ``decorated``, not async."""

    def run(calls: int) -> None:
        for _ in repeat(None, calls):
            function()

    return run


def refused(call: Callable[[Any], Awaitable[object]], operation: object, error: type[Exception]) -> Loop:
    """As ``given``, where every call raises."""

    async def run(calls: int) -> None:
        for _ in repeat(None, calls):
            try:
                await call(operation)
            except error:
                continue
            raise AssertionError("this call should have been refused")

    return run


def refused_sync(call: Callable[[Any], object], operation: object, error: type[Exception]) -> Loop:
    """As ``refused``, not async."""

    def run(calls: int) -> None:
        for _ in repeat(None, calls):
            try:
                call(operation)
            except error:
                continue
            raise AssertionError("this call should have been refused")

    return run


async def operation() -> int:
    """What is called: it does not suspend, so that nothing is measured but what is around it."""
    return 1


def operation_sync() -> int:
    return 1


async def bare(operation: Callable[[], Awaitable[int]]) -> int:
    return await operation()


def bare_sync(operation: Callable[[], int]) -> int:
    return operation()


BARE = given(bare, operation)
BARE_SYNC = given_sync(bare_sync, operation_sync)

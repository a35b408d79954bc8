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
from types import FunctionType
from typing import Any, cast

import skidbladnir

Loop = Callable[[int], Any]
"""Makes that many calls; async or not."""

SLICE_SECONDS = 0.001
SLICES = 7
"""In each round a contender and the bare wrapper take turns in short slices; the fastest of each counts: the one in which
nothing else ran on the processor."""


@dataclass
class Contender:
    """One way to make the calls of a case. ``name``: the packages, then what of them in parentheses; ``asyncio`` is Python's own."""

    name: str
    run: Loop
    ratios: list[float] = field(default_factory=list)
    nanoseconds: list[float] = field(default_factory=list)

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
        for index in range(len(self.contenders)):
            contender = self.contenders[(index + shift) % len(self.contenders)]
            bare, taken = [], []
            for _ in range(SLICES):
                bare.append(_time(self.baseline, _calls(self.baseline)))
                taken.append(_time(contender.run, _calls(contender.run)))
            contender.ratios.append(min(taken) / min(bare))
            contender.nanoseconds.append(min(taken))

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


def _time(loop: Loop, calls: int) -> float:
    """Nanoseconds of processor time for each call: on a shared machine, others take the rest."""
    if inspect.iscoroutinefunction(loop):
        taken = RUNNER.run(_timed(loop, calls))
    else:
        began = time.process_time_ns()
        loop(calls)
        taken = time.process_time_ns() - began
    return taken / calls


async def _timed(loop: Callable[[int], Awaitable[None]], calls: int) -> int:
    began = time.process_time_ns()
    await loop(calls)
    return time.process_time_ns() - began


def _calls(loop: Loop) -> int:
    """How many calls make a slice."""
    if loop not in _CALLS:
        nanoseconds = min(_time(loop, 10) for _ in range(SLICES))
        _CALLS[loop] = max(10, round(SLICE_SECONDS * 1e9 / nanoseconds))
    return _CALLS[loop]


def _rounded(ratio: float) -> float:
    return float(f"{ratio:.3g}")


# How calls are made. Every package is called as its own documentation does.


def _own(run: FunctionType) -> Loop:
    """The loop with code of its own: the interpreter specialises code to what it calls, and would to whoever calls first."""
    return FunctionType(run.__code__.replace(), run.__globals__, run.__name__, run.__defaults__, run.__closure__)


def given(call: Callable[[Any], Awaitable[object]], operation: object) -> Loop:
    """A function that is given the operation."""

    async def run(calls: int) -> None:
        for _ in repeat(None, calls):
            await call(operation)

    return _own(cast("FunctionType", run))


def decorated(function: Callable[[], Awaitable[object]]) -> Loop:
    """A decorated operation."""

    async def run(calls: int) -> None:
        for _ in repeat(None, calls):
            await function()

    return _own(cast("FunctionType", run))


def given_sync(call: Callable[[Any], object], operation: object) -> Loop:
    """As ``given``, not async."""

    def run(calls: int) -> None:
        for _ in repeat(None, calls):
            call(operation)

    return _own(cast("FunctionType", run))


def decorated_sync(function: Callable[[], object]) -> Loop:
    """As ``decorated``, not async."""

    def run(calls: int) -> None:
        for _ in repeat(None, calls):
            function()

    return _own(cast("FunctionType", run))


def refused(call: Callable[[Any], Awaitable[object]], operation: object, error: type[Exception]) -> Loop:
    """As ``given``, where every call raises."""

    async def run(calls: int) -> None:
        for _ in repeat(None, calls):
            try:
                await call(operation)
            except error:
                continue
            raise AssertionError("this call should have been refused")

    return _own(cast("FunctionType", run))


def refused_sync(call: Callable[[Any], object], operation: object, error: type[Exception]) -> Loop:
    """As ``refused``, not async."""

    def run(calls: int) -> None:
        for _ in repeat(None, calls):
            try:
                call(operation)
            except error:
                continue
            raise AssertionError("this call should have been refused")

    return _own(cast("FunctionType", run))


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

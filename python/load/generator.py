"""Calls at a rate, whether or not earlier ones have ended; their latency counts from when they were due."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

Call = Callable[[int], Awaitable[str]]
"""Makes the call of this number; answers with its outcome."""

MOST_RUNNING = 2000
LONGEST_US = 60_000_000
PATIENCE = 10.0
PERCENTILES = {"p50": 50, "p90": 90, "p99": 99, "p99.9": 99.9, "max": 100}
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Sample:
    """The memory after so many seconds: what the process occupies, and how many blocks of Python's allocator are in use."""

    seconds: float
    rss: int
    blocks: int


class Generator:
    """Issues calls for a while, and keeps what came of them."""

    def __init__(self, name: str, rate: int, seconds: float, call: Call) -> None:
        self.name = name
        self._rate = rate
        self._seconds = seconds
        self._call = call
        self._tasks: set[asyncio.Task[None]] = set()
        self.issued = 0
        self.outcomes = Counter[str]()
        self.memory: list[Sample] = []
        self._answered = HdrHistogram(1, LONGEST_US, 3)
        self._all = HdrHistogram(1, LONGEST_US, 3)

    async def run(self) -> None:
        began = time.perf_counter()
        watch = asyncio.create_task(self._watch(began))
        while (elapsed := time.perf_counter() - began) < self._seconds:
            for number in range(self.issued, int(elapsed * self._rate)):
                self._issue(number, began + number / self._rate)
            await asyncio.sleep(0.001)
        if self._tasks:
            # Calls that do not end within this are missing from the outcomes.
            await asyncio.wait(self._tasks, timeout=PATIENCE)
        watch.cancel()
        self.memory.append(_sample(began))

    def _issue(self, number: int, due: float) -> None:
        self.issued += 1
        if len(self._tasks) >= MOST_RUNNING:
            self.outcomes["not_sent"] += 1
            return
        task = asyncio.create_task(self._one(number, due))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, number: int, due: float) -> None:
        outcome = await self._call(number)
        self.outcomes[outcome] += 1
        microseconds = min(round((time.perf_counter() - due) * 1e6), LONGEST_US)
        self._all.record_value(microseconds)
        if outcome == "ok":
            self._answered.record_value(microseconds)

    async def _watch(self, began: float) -> None:
        while True:
            self.memory.append(_sample(began))
            await asyncio.sleep(1 if self._seconds > 10 else 0.2)

    def result(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "seconds": self._seconds,
            "issued": self.issued,
            "outcomes": dict(sorted(self.outcomes.items())),
            "answered_ms": _percentiles(self._answered),
            "all_ms": _percentiles(self._all),
            "memory": [vars(sample) for sample in self.memory],
        }


def growth(samples: list[dict[str, Any]], what: str, pick: Callable[[list[int]], int]) -> tuple[int, int]:
    """What was in use in the first third of a run, and in the last. The first sample is from before the first call."""
    third = (len(samples) + 2) // 3
    values = [sample[what] for sample in samples]
    return pick(values[1 : max(third, 2)]), pick(values[-third:])


def _sample(began: float) -> Sample:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Sample(time.perf_counter() - began, pages * PAGE, sys.getallocatedblocks())


def _percentiles(histogram: HdrHistogram) -> dict[str, float]:
    return {name: histogram.get_value_at_percentile(value) / 1000 for name, value in PERCENTILES.items()}

"""Replays random traces in all drivers at once, and looks for differences and broken invariants."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Self

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.driver import Driver, name_apart
from skidbladnir_conformance.fuzz.generate import KINDS, Document, make_document
from skidbladnir_conformance.fuzz.invariants import broken_invariants
from skidbladnir_conformance.fuzz.order import is_crowded, is_sequential
from skidbladnir_conformance.fuzz.shrink import shrink
from skidbladnir_conformance.judge import Answer
from skidbladnir_conformance.lint import makes_sense
from skidbladnir_conformance.observation import normalised
from skidbladnir_conformance.paths import SPEC
from skidbladnir_conformance.process import DriverError, DriverSpec
from skidbladnir_conformance.spec import read_spec
from skidbladnir_conformance.trace import Trace, make_trace

BATCH = 200
NOWHERE = Path("fuzz")


@dataclass
class Finding:
    """A trace that languages see differently, or that breaks an invariant; made as small as it could be."""

    document: Document
    reason: str
    seed: int
    number: int
    reference: pb.Observation | None = None


@dataclass
class Statistics:
    """What was explored. ``seen`` counts the traces in which something occurred at least once."""

    traces: int = 0
    tied: int = 0
    open_order: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Traces a second, each counted once however many drivers replay it."""
        return self.traces / self.seconds if self.seconds else 0.0


class Explorer:
    """Drivers that stay up from trace to trace. To be used by ``async with``."""

    def __init__(self, specs: Sequence[DriverSpec], timeout: float) -> None:
        self._drivers = [Driver(spec, timeout, lambda *_: None) for spec in specs]
        self._spec = read_spec(SPEC)
        self.statistics = Statistics()

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(driver.open() for driver in self._drivers))
        problems = [f"{driver.column.language}: {driver.column.problem}" for driver in self._drivers if driver.column.problem]
        if problems:
            await self.__aexit__()
            raise DriverError("; ".join(problems))
        name_apart([driver.column for driver in self._drivers])
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(driver.kill() for driver in self._drivers))

    @property
    def languages(self) -> list[str]:
        return [driver.column.language for driver in self._drivers]

    async def explore(
        self,
        seed: int,
        kinds: Sequence[str] = KINDS,
        *,
        traces: int | None = None,
        seconds: float | None = None,
        most_findings: int = 1,
        on_progress: Callable[[Statistics], None] = lambda statistics: None,
    ) -> list[Finding]:
        """Traces 0, 1, 2, ... of a seed, until there are so many, or so long, or so much is found."""
        findings: list[Finding] = []
        began = time.monotonic()
        numbers: Iterator[int] = count() if traces is None else iter(range(traces))
        batch = _batch(seed, numbers, kinds)
        while batch and len(findings) < most_findings:
            # While the drivers work, the next batch is made.
            answers, upcoming = await asyncio.gather(
                self._replay([trace for _, _, trace in batch]), asyncio.to_thread(_batch, seed, numbers, kinds)
            )
            self.statistics.traces += len(batch)
            self.statistics.seconds = time.monotonic() - began
            for number, document, trace in batch:
                seen = {language: found[trace.id] for language, found in answers.items()}
                reason = self._judge(trace.pattern, document, seen)
                if reason is not None and len(findings) < most_findings:
                    findings.append(await self._made_small(Finding(document, reason, seed, number)))
            on_progress(self.statistics)
            batch = [] if seconds is not None and self.statistics.seconds >= seconds else upcoming
        return findings

    async def _made_small(self, finding: Finding) -> Finding:
        async def still_shows(document: Document) -> bool:
            return await self._still(document, finding.reason)

        document = await shrink(finding.document, still_shows)
        _, reference = judge(document, await self.observe(document))
        return Finding(document, finding.reason, finding.seed, finding.number, reference)

    async def observe(self, document: Document) -> dict[str, Answer | None]:
        """What each language sees of one trace."""
        trace = make_trace(NOWHERE, 1, document)
        answers = await self._replay([trace])
        return {language: found[trace.id] for language, found in answers.items()}

    async def _replay(self, traces: list[Trace]) -> dict[str, dict[str, Answer | None]]:
        for driver in self._drivers:
            driver.column.answers = {}
        await asyncio.gather(*(driver.replay(traces) for driver in self._drivers))
        return {driver.column.language: driver.column.answers for driver in self._drivers}

    def _judge(self, kind: str, document: Document, answers: dict[str, Answer | None]) -> str | None:
        reason, reference = judge(document, answers)
        statistics = self.statistics
        if reference is not None and reference.tied_ms:
            statistics.tied += 1
            return None
        statistics.kinds[kind] += 1
        if reference is not None:
            statistics.open_order += reason is None and is_crowded(document, reference)
            statistics.seen.update(set(_happenings(reference)))
        return reason

    async def _still(self, document: Document, reason: str) -> bool:
        if not makes_sense(document, self._spec):
            return False
        found, reference = judge(document, await self.observe(document))
        return found == reason and not (reference is not None and (reference.tied_ms or reference.faults))


def judge(document: Document, answers: dict[str, Answer | None]) -> tuple[str | None, pb.Observation | None]:
    """What is wrong with the answers, if anything is, and the observation that stands for all."""
    reference: pb.Observation | None = None
    alike: dict[tuple[bytes, ...], list[str]] = {}
    for language, answer in answers.items():
        if isinstance(answer, str):
            return f"{language}: {answer.partition(':')[0]}", None
        if answer is not None:
            reference = reference or answer
            alike.setdefault(normalised(answer, free_order=False), []).append(language)
            if answer.leftovers:
                return f"{language}: something is left behind", reference
    if reference is None:
        return "no driver has the features", None
    if len(alike) > 1 and (is_sequential(reference) or _differ_freely(answers.values())):
        if not is_crowded(document, reference):
            return "seen differently: " + " | ".join(", ".join(group) for group in alike.values()), reference
    broken = next(broken_invariants(document, reference), None)
    return (None if broken is None else f"invariant: {broken}"), reference


def _differ_freely(answers: Iterable[Answer | None]) -> bool:
    """Whether they differ even when the order of events of one instant does not count."""
    seen = {normalised(answer, free_order=True) for answer in answers if isinstance(answer, pb.Observation)}
    return len(seen) > 1


def _happenings(observation: pb.Observation) -> Iterator[str]:
    for step in observation.steps:
        for event in step.events:
            yield f"{event.type} {event.to}" if event.to else event.type
    for call in observation.steps[-1].calls if observation.steps else ():
        yield "end: " + (call.error.code if call.HasField("error") else call.WhichOneof("end") or "none")


def _batch(seed: int, numbers: Iterator[int], kinds: Sequence[str]) -> list[tuple[int, Document, Trace]]:
    batch = []
    for number in islice(numbers, BATCH):
        document = make_document(seed, number, tuple(kinds))
        batch.append((number, document, make_trace(NOWHERE, 1, document)))
    return batch

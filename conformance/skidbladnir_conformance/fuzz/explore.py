"""Replays random traces in all drivers at once, and looks for differences and broken invariants."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Self

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.driver import NOT_REPLAYED, Driver, name_apart
from skidbladnir_conformance.fuzz.generate import KINDS, Document, make_document
from skidbladnir_conformance.fuzz.invariants import broken_invariants
from skidbladnir_conformance.fuzz.order import is_crowded, is_sequential
from skidbladnir_conformance.fuzz.shrink import shrink
from skidbladnir_conformance.judge import Answer
from skidbladnir_conformance.lint import makes_sense
from skidbladnir_conformance.observation import complete, latest_calls, normalised
from skidbladnir_conformance.paths import SPEC
from skidbladnir_conformance.process import DriverError, DriverSpec
from skidbladnir_conformance.spec import read_spec
from skidbladnir_conformance.trace import TOLD, Trace, make_trace

BATCH = 200
# Batches that drivers may be ahead of the slowest one, and of the comparison.
AHEAD = 3
# One trace in so many is replayed a second time, without a listener.
UNHEARD_EVERY = 4
# A driver that breaks or hangs takes its time at each try to make the trace smaller.
SHRINK_SECONDS = 60.0
# What is left of a batch in which a driver broke is not replayed in it: there is a finding, and hanging takes long.
MAX_RESTARTS = 1
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
    skipped: int = 0
    found: int = 0
    open_order: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    replayed: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Traces a second, each counted once however many drivers replay it."""
        return self.traces / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Judgement:
    """What is wrong with the answers, if anything is, and the observation that stands for all."""

    reason: str | None
    reference: pb.Observation | None = None
    tied: bool = False


Answers = dict[str, Answer | None]
"""By language; None where the driver lacks a feature. A language that was not asked is absent."""
Made = tuple[int, Document, Trace]


class Explorer:
    """Drivers that stay up from trace to trace. To be used by ``async with``.

    ``every`` names drivers, by their label, that replay but every n-th batch.
    """

    def __init__(self, specs: Sequence[DriverSpec], timeout: float, every: Mapping[str, int] | None = None) -> None:
        self._drivers = [Driver(spec, timeout, lambda *_: None) for spec in specs]
        self._turns = {driver: asyncio.Lock() for driver in self._drivers}
        self._every = {} if every is None else every
        self._spec = read_spec(SPEC)
        self.statistics = Statistics()

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(driver.open() for driver in self._drivers))
        try:
            self._stop_on_problems()
        except DriverError:
            await self.__aexit__()
            raise
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
        on_finding: Callable[[Finding], None] = lambda finding: None,
    ) -> list[Finding]:
        """Traces 0, 1, 2, ... of a seed, until there are so many, or so long, or so much is found.

        Each finding is told as soon as it has been made small, or when that is interrupted.

        Raises:
            DriverError: when a driver that broke does not start again.
        """
        kinds = self._possible(kinds)
        findings: list[Finding] = []
        began = time.monotonic()
        numbers: Iterator[int] = count() if traces is None else iter(range(traces))
        turns = count()
        ahead: deque[tuple[list[Made], asyncio.Task[list[Answers]]]] = deque()

        def is_over() -> bool:
            return seconds is not None and time.monotonic() - began >= seconds

        try:
            while len(findings) < most_findings:
                while len(ahead) < AHEAD and not is_over() and (batch := _batch(seed, numbers, kinds)):
                    ahead.append((batch, asyncio.create_task(self._replay(_with_unheard(batch), next(turns)))))
                    await asyncio.sleep(0)  # the drivers get their work while the next batch is made
                if not ahead:
                    break
                batch, replay = ahead.popleft()
                replayed = await replay
                unheard = dict(zip(range(0, len(batch), UNHEARD_EVERY), replayed[len(batch) :], strict=True))
                for at, (number, document, trace) in enumerate(batch):
                    reason = self._judge(trace.pattern, document, replayed[at], unheard.get(at, {}))
                    if reason is not None and len(findings) < most_findings:
                        findings.append(await self._made_small(Finding(document, reason, seed, number), on_finding))
                self._stop_on_problems()
                self.statistics.traces += len(batch)
                self.statistics.seconds = time.monotonic() - began
                on_progress(self.statistics)
        finally:
            for _, replay in ahead:
                replay.cancel()
            await asyncio.gather(*(replay for _, replay in ahead), return_exceptions=True)
        return findings

    def _possible(self, kinds: Sequence[str]) -> Sequence[str]:
        """The kinds of which some driver has the feature."""
        features = {feature for driver in self._drivers for feature in driver.column.features}
        possible = [kind for kind in kinds if kind in features]
        if not possible:
            raise DriverError(f"no driver has the features for {', '.join(kinds)}")
        return possible

    async def _made_small(self, finding: Finding, on_finding: Callable[[Finding], None]) -> Finding:
        async def still_shows(document: Document) -> bool:
            if not makes_sense(document, self._spec):
                return False
            trace = make_trace(NOWHERE, 1, document)
            answers, unheard = await self._replay([trace, trace.unheard()], 0)
            judgement = judge(document, answers)
            if (judgement.reason or changed_by_listening(answers, unheard)) != finding.reason or judgement.tied:
                return False
            if judgement.reference is not None and judgement.reference.faults:
                return False
            finding.document, finding.reference = document, judgement.reference
            return True

        try:
            if await still_shows(finding.document):  # else it shows by chance only, and stays as it is
                await shrink(finding.document, still_shows, SHRINK_SECONDS)
        finally:
            self.statistics.found += 1
            on_finding(finding)
        return finding

    async def _replay(self, traces: list[Trace], turn: int) -> list[Answers]:
        asked = [driver for driver in self._drivers if turn % self._every.get(driver.column.spec.label, 1) == 0]
        await asyncio.gather(*(self._replay_in(driver, traces) for driver in asked))
        return [{driver.column.language: driver.column.answers.pop(trace.id, None) for driver in asked} for trace in traces]

    async def _replay_in(self, driver: Driver, traces: list[Trace]) -> None:
        async with self._turns[driver]:
            await driver.replay(traces, MAX_RESTARTS)

    def _stop_on_problems(self) -> None:
        columns = [driver.column for driver in self._drivers]
        problems = [f"{column.language}: {column.problem}" for column in columns if column.problem]
        if problems:
            raise DriverError("; ".join(problems))

    def _judge(self, kind: str, document: Document, answers: Answers, unheard: Answers) -> str | None:
        statistics = self.statistics
        answers = {
            language: answer
            for language, answer in answers.items()
            if answer is not None and not (isinstance(answer, str) and answer.startswith(NOT_REPLAYED))
        }
        if not answers:
            statistics.skipped += 1
            return None
        statistics.replayed.update(answers.keys())
        judgement = judge(document, answers)
        if judgement.tied:
            statistics.tied += 1
            return None
        statistics.kinds[kind] += 1
        reference = judgement.reference
        if reference is not None:
            statistics.open_order += judgement.reason is None and is_crowded(document, reference)
            statistics.seen.update(set(_happenings(reference)))
        return judgement.reason or changed_by_listening(answers, unheard)


def changed_by_listening(heard: Answers, unheard: Answers) -> str | None:
    """Which language shows something else when nobody listens."""
    for language, answer in unheard.items():
        other = heard.get(language)
        if isinstance(answer, pb.Observation) and isinstance(other, pb.Observation):
            if _differ_without_events(answer, other):
                return f"{language}: seen differently when nobody listens"
    return None


def _differ_without_events(one: pb.Observation, other: pb.Observation) -> bool:
    if _without_events(one) == _without_events(other):
        return False
    complete(one)
    complete(other)
    return _without_events(one) != _without_events(other)


def _without_events(seen: pb.Observation) -> bytes:
    copy = pb.Observation()
    copy.CopyFrom(seen)
    copy.ClearField("tied_ms")
    for step in copy.steps:
        for told in TOLD:
            step.ClearField(told)
    return copy.SerializeToString(deterministic=True)


def judge(document: Document, answers: Answers) -> Judgement:
    """Compares the answers of the drivers that have the features; one of them at least has."""
    seen = {language: answer for language, answer in answers.items() if isinstance(answer, pb.Observation)}
    for language, answer in answers.items():
        if isinstance(answer, str):
            return Judgement(f"{language}: {answer.partition(':')[0]}", next(iter(seen.values()), None))
    reference = next(iter(seen.values()))
    tied = any(answer.tied_ms for answer in seen.values())
    for answer in seen.values():
        answer.ClearField("tied_ms")  # which not every driver tells
    alike = len({answer.SerializeToString(deterministic=True) for answer in seen.values()}) == 1
    for answer in () if alike else seen.values():
        complete(answer)
    for language, answer in seen.items():
        if answer.leftovers:
            return Judgement(f"{language}: something is left behind", reference, tied)
    if not alike and (is_sequential(document, reference) or _differ_freely(seen.values())):
        groups: dict[tuple[bytes, ...], list[str]] = {}
        for language, answer in seen.items():
            groups.setdefault(normalised(answer, free_order=False), []).append(language)
        if len(groups) > 1 and not is_crowded(document, reference):
            return Judgement("seen differently: " + " | ".join(", ".join(group) for group in groups.values()), reference, tied)
    broken = next(broken_invariants(document, reference), None)
    return Judgement(None if broken is None else f"invariant: {broken}", reference, tied)


def _differ_freely(seen: Iterable[pb.Observation]) -> bool:
    """Whether they differ even when the order of events of one instant does not count."""
    return len({normalised(answer, free_order=True) for answer in seen}) > 1


def _happenings(observation: pb.Observation) -> Iterator[str]:
    for step in observation.steps:
        for event in step.events:
            yield f"{event.type} {event.to}" if event.to else event.type
    for call in latest_calls(observation).values():
        yield "end: " + (call.error.code if call.HasField("error") else call.WhichOneof("end") or "none")


def _batch(seed: int, numbers: Iterator[int], kinds: Sequence[str]) -> list[Made]:
    batch = []
    for number in islice(numbers, BATCH):
        document = make_document(seed, number, tuple(kinds))
        batch.append((number, document, make_trace(NOWHERE, 1, document)))
    return batch


def _with_unheard(batch: Sequence[Made]) -> list[Trace]:
    """The traces, and then some of them for nobody to listen to."""
    return [*(trace for _, _, trace in batch), *(trace.unheard() for _, _, trace in batch[::UNHEARD_EVERY])]

"""Tries one mutant: the catalogue is replayed in its drivers until something is noticed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.driver import Driver, TraceHangs, TraceLost
from skidbladnir_conformance.judge import Answer, judge
from skidbladnir_conformance.mutants.languages import Language
from skidbladnir_conformance.mutants.model import Mutant, Outcome, Trial
from skidbladnir_conformance.observation import complete
from skidbladnir_conformance.process import DriverSpec
from skidbladnir_conformance.trace import Trace

CLEAN = "clean"
# Traces sent ahead of their answers: few of the first batch, as most of it will not be needed.
AHEAD = (8, 64)
# Bytes of a trace that takes long.
LONG = 10_000
# Files whose traces stand in a folder of another name.
FOLDERS = {"circuit": "circuit_breaker", "window": "circuit_breaker", "compose": "composition", "matching": "retry"}


class Noticed(Exception):
    """A driver gave itself away. What a slow machine could have done as well is ``doubtful``."""

    def __init__(self, by: str, outcome: Outcome = "killed", *, doubtful: bool = False) -> None:
        super().__init__(by)
        self.by = by
        self.outcome = outcome
        self.doubtful = doubtful


@dataclass(frozen=True)
class Clean:
    """What the unmutated drivers of a language saw, by their label and the trace; and as it came.

    And the seconds that a mutant may take: for one answer, and for the catalogue.
    """

    answers: Mapping[str, Mapping[str, Answer | None]]
    wire: Mapping[tuple[str, str], bytes]
    answer_seconds: float
    seconds: float

    @classmethod
    def measured(cls, answers: Mapping[str, Mapping[str, Answer | None]], wire: Mapping[tuple[str, str], bytes], seconds: float) -> Clean:
        """For one answer a mutant may take a good part of what the unmutated drivers took for the catalogue: more than for any one."""
        return cls(answers, wire, answer_seconds=1 + seconds / 4, seconds=5 + 5 * seconds)

    def doubled(self) -> Clean:
        return replace(self, answer_seconds=2 * self.answer_seconds, seconds=2 * self.seconds)


class CleanRunFailed(Exception):
    """The unmutated package is not what the catalogue says."""


async def run_clean(specs: Sequence[DriverSpec], traces: Sequence[Trace]) -> Clean:
    """Replays the catalogue in the unmutated drivers.

    Raises:
        CleanRunFailed: when it is not green.
    """
    began = time.monotonic()
    wire: dict[tuple[str, str], bytes] = {}

    def on_answer(spec: DriverSpec, trace: Trace, answer: Answer | None) -> None:
        if isinstance(answer, pb.Observation):
            wire[spec.label, trace.id] = answer.SerializeToString(deterministic=True)
        if answer is not None and (failed := judge(trace, {spec.label: answer})).failed:
            raise Noticed(f"{trace.id}: {'; '.join(failed.verdicts[spec.label].reasons)}")

    drivers = [Driver(spec, 30.0, on_answer) for spec in specs]
    try:
        await _replay(drivers, [[], traces])
    except Noticed as noticed:
        raise CleanRunFailed(f"without a mutant: {noticed.by}") from None
    answers = {driver.column.spec.label: driver.column.answers for driver in drivers}
    return Clean.measured(answers, wire, time.monotonic() - began)


def replay_key(label: str, trace: Trace) -> str:
    """Names a trace in a driver."""
    return f"{label} {trace.hash}"


async def try_mutant(
    language: Language, mutant: Mutant, traces: Sequence[Trace], clean: Clean, catalogue: str, survived: frozenset[str] = frozenset()
) -> Trial:
    """Whether the traces notice a mutant. ``survived`` are replays that are known not to.

    One that seems to hang, or not to start, is tried again: with twice the time that the unmutated drivers need just then.
    """
    began = time.monotonic()
    batches = own_traces_first(mutant, traces)
    noticed = await _try(language.drivers(mutant), batches, clean, survived)
    if noticed is not None and noticed.doubtful:
        clean = await run_clean(language.drivers(None), traces)
        noticed = await _try(language.drivers(mutant), batches, clean.doubled(), survived)
    seconds = round(time.monotonic() - began, 2)
    return Trial("survived", "", catalogue, seconds) if noticed is None else Trial(noticed.outcome, noticed.by, catalogue, seconds)


async def _try(
    specs: Sequence[DriverSpec], batches: Sequence[Sequence[Trace]], clean: Clean, survived: frozenset[str]
) -> Noticed | None:
    """The first difference from what is expected, or was seen clean."""

    def on_answer(spec: DriverSpec, trace: Trace, answer: Answer | None) -> None:
        as_it_came = answer.SerializeToString(deterministic=True) if isinstance(answer, pb.Observation) else None
        if as_it_came is not None and as_it_came == clean.wire.get((spec.label, trace.id)):
            return
        if _differs(trace, clean.answers[spec.label][trace.id], answer):
            raise Noticed(trace.id)

    drivers = [Driver(spec, clean.answer_seconds, on_answer) for spec in specs]
    try:
        async with asyncio.timeout(clean.seconds):
            await _replay(drivers, batches, survived)
    except Noticed as noticed:
        return noticed
    except TimeoutError:
        return Noticed(f"the catalogue takes longer than {clean.seconds:.0f} s", "timed out", doubtful=True)
    return None


async def _replay(drivers: Sequence[Driver], batches: Sequence[Sequence[Trace]], survived: frozenset[str] = frozenset()) -> None:
    """Replays batches of traces, each in one driver after the other, and leaves no process behind.

    Most mutants are noticed by the first batch in the first driver, so that the other drivers are not even started.

    Raises:
        Noticed: at the first oddity.
    """
    opened = set[Driver]()
    try:
        for traces, ahead in zip(batches, AHEAD, strict=False):
            for driver in drivers:
                left = [trace for trace in traces if replay_key(driver.column.spec.label, trace) not in survived]
                if left and driver not in opened:
                    opened.add(driver)
                    await driver.open()
                if left:
                    await _replay_in(driver, left, ahead)
    finally:
        await asyncio.gather(*(driver.kill(patience=0) for driver in opened))


async def _replay_in(driver: Driver, traces: Sequence[Trace], ahead: int) -> None:
    try:
        await driver.replay_once(traces, ahead)
    except TraceLost as lost:
        waiting = next((trace.id for trace in traces if trace.id not in driver.column.answers), "the end")
        if isinstance(lost, TraceHangs):
            raise Noticed(f"{waiting}: {lost}", "timed out", doubtful=True) from lost
        raise Noticed(f"{waiting}: {lost}") from lost
    if driver.column.problem:
        raise Noticed(f"the driver {driver.column.problem}", doubtful=True)


def _differs(trace: Trace, clean: Answer | None, answer: Answer | None) -> bool:
    """As `conformance run` sees it: against the expectations, and against all that the unmutated package shows."""
    if isinstance(clean, pb.Observation) and isinstance(answer, pb.Observation):
        complete(clean)
        complete(answer)
        return judge(trace, {CLEAN: clean, "mutant": answer}).failed
    return clean != answer


def own_traces_first(mutant: Mutant, traces: Sequence[Trace]) -> tuple[list[Trace], list[Trace]]:
    """The traces of the mutated file's pattern, and the others; of both the long ones last."""
    stem = Path(mutant.file).stem.replace("-", "_")
    folder = "providers" if "providers" in mutant.file or stem.startswith("yaml") else FOLDERS.get(stem, stem)
    own = [trace for trace in traces if folder.startswith(trace.pattern)]
    others = [trace for trace in traces if not folder.startswith(trace.pattern)]
    return sorted(own, key=_is_long), sorted(others, key=_is_long)


def _is_long(trace: Trace) -> bool:
    """Reading the longest files takes longer than all other traces together."""
    return trace.message.ByteSize() > LONG

"""The verdict on one trace: what was expected, what each driver saw, and whether they saw the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.observation import (
    Flat,
    arranged,
    complete,
    effective_of,
    faults_of,
    flat_expectation,
    flat_step,
    normalised,
)
from skidbladnir_conformance.trace import Trace

REFERENCE = "python"

Outcome = Literal["passed", "failed", "skipped", "known"]

Answer = pb.Observation | str
"""What a driver saw, or why there is nothing: it crashed, hung, or does not support the trace."""


@dataclass
class Verdict:
    """Of one trace in one column. ``step`` is where it first differs; None where it differs as a whole."""

    outcome: Outcome
    reasons: list[str] = field(default_factory=list)
    step: int | None = None


@dataclass(frozen=True)
class Result:
    """One trace with its verdict in each column, by the column's language."""

    trace: Trace
    verdicts: dict[str, Verdict]

    @property
    def failed(self) -> bool:
        return any(verdict.outcome == "failed" for verdict in self.verdicts.values())


def judge(trace: Trace, answers: Mapping[str, Answer | None]) -> Result:
    """The verdicts by column; an answer None stands for a trace that the driver lacks a feature for."""
    verdicts: dict[str, Verdict] = {}
    # Columns that saw the same have the same verdict, so that each observation is judged once.
    alike: dict[tuple[bytes, int], Verdict] = {}
    seen: dict[str, tuple[bytes, ...]] = {}
    for column, answer in answers.items():
        if answer is None:
            verdicts[column] = Verdict("skipped", ["the driver lacks " + " or ".join(sorted(trace.needs))])
        elif isinstance(answer, str):
            verdicts[column] = Verdict("failed", [answer])
        else:
            complete(answer)
            key = (answer.SerializeToString(deterministic=True), answer.leftovers)
            if key not in alike:
                alike[key] = _judge_alone(trace, answer)
            verdicts[column] = Verdict(alike[key].outcome, list(alike[key].reasons), alike[key].step)
            if verdicts[column].outcome == "passed":
                seen[column] = normalised(answer, free_order=trace.free_order)
    _compare(trace, seen, verdicts)
    return Result(trace, verdicts)


def with_unheard(result: Result, unheard: Result | None) -> Result:
    """A trace must also be what is expected, and alike, when nobody listens."""
    others = {} if unheard is None else unheard.verdicts
    for column, other in others.items():
        verdict = result.verdicts[column]
        if verdict.outcome == "passed" and other.outcome == "failed":
            verdict.outcome, verdict.step = "failed", other.step
            verdict.reasons = [f"when nobody listens: {reason}" for reason in other.reasons]
    return result


def _compare(trace: Trace, seen: Mapping[str, tuple[bytes, ...]], verdicts: dict[str, Verdict]) -> None:
    """Fails the columns that saw something else than most, though their expectations hold."""
    groups: dict[tuple[bytes, ...], list[str]] = defaultdict(list)
    for column, parts in seen.items():
        groups[parts].append(column)
    if len(groups) < 2:
        return
    standard = _standard(groups)
    for column, parts in seen.items():
        others = [parts_of for parts_of in groups if parts_of != parts] if standard is None else [standard]
        if parts in others:
            continue
        names = ", ".join(name for other in others for name in groups[other])
        first = min(_first_difference(parts, other) for other in others)
        step = first if first < len(trace.expects) else None
        verdicts[column] = Verdict("failed", [f"saw something else than {names}"], step)


def _standard(groups: Mapping[tuple[bytes, ...], Sequence[str]]) -> tuple[bytes, ...] | None:
    """What most columns saw; among as many, what Python saw; None where it saw nothing of use."""
    most = max(len(columns) for columns in groups.values())
    largest = [parts for parts, columns in groups.items() if len(columns) == most]
    if len(largest) == 1:
        return largest[0]
    return next((parts for parts, columns in groups.items() if REFERENCE in columns), None)


def _first_difference(parts: Sequence[bytes], others: Sequence[bytes]) -> int:
    differing = (index for index, pair in enumerate(zip(parts, others, strict=False)) if pair[0] != pair[1])
    return next(differing, min(len(parts), len(others)))


def _judge_alone(trace: Trace, answer: pb.Observation) -> Verdict:
    reasons = list(_whole_differences(trace, answer))
    if reasons:
        return Verdict("failed", reasons)
    if len(answer.steps) != len(trace.expects):
        return Verdict("failed", [f"{len(answer.steps)} steps were observed of {len(trace.expects)}"])
    for index, (expect, step) in enumerate(zip(trace.expects, answer.steps, strict=True)):
        if expect is not None:
            reasons = [difference_text(*each) for each in step_differences(expect, step, trace.free_order)]
            if reasons:
                return Verdict("failed", reasons, index)
    if answer.leftovers:
        return Verdict("failed", [f"{answer.leftovers} timers, tasks or listeners are left behind"])
    return Verdict("passed")


def _whole_differences(trace: Trace, seen: pb.Observation) -> Iterator[str]:
    """The differences from the expectation of the trace itself: faults, and effective options."""
    expect = trace.expect or {}
    wanted = [(fault["code"], fault["path"], fault.get("line", 0)) for fault in expect.get("faults", [])]
    if wanted != faults_of(seen):
        yield difference_text("faults", _faults_text(wanted), _faults_text(faults_of(seen)))
    elif wanted and not trace.needs & {"providers"}:
        message = seen.faults[0].message
        if not re.fullmatch(rf"{re.escape(wanted[0][1])}: .+ is not allowed: .+", message, re.DOTALL):
            yield difference_text("message", f"{wanted[0][1]}: <value> is not allowed: <allowed> (GN-16)", message)
    elif "effective" in expect:
        for difference in _option_differences("effective", expect["effective"], effective_of(seen)):
            yield difference_text(*difference)


def _faults_text(faults: Sequence[tuple[str, str, int]]) -> str:
    return ", ".join(f"{code} at {path or 'the whole'} (line {line})" for code, path, line in faults) or "none"


def _option_differences(path: str, wanted: Any, seen: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(wanted, dict) and isinstance(seen, dict):
        for key, value in wanted.items():
            if value != "absent" or key in seen:
                yield from _option_differences(f"{path}.{key}", value, seen.get(key, "absent"))
    elif wanted != seen or isinstance(wanted, bool) != isinstance(seen, bool):
        yield path, wanted, seen


def step_differences(
    expect: dict[str, Any], step: pb.StepObservation, free_order: bool
) -> Iterator[tuple[str, Any, Any]]:
    """What differs from the expectation of one step: path, wanted, seen."""
    seen = flat_step(step, arranged(expect, step.events) if free_order else None)
    wanted = flat_expectation(expect)
    for path, value in wanted.items():
        if not holds(path, value, seen) and not (path.startswith("events[") and wanted["events"] != seen["events"]):
            yield path, value, seen.get(path, "nothing")


def holds(path: str, wanted: Any, seen: Flat) -> bool:
    """Whether what is wanted at a path was seen there."""
    call, _, name = path.rpartition(".")
    if name == "ok" and path.startswith("calls."):
        return path in seen and seen[path] == wanted  # None is the empty value
    if name in ("message", "policy") and seen.get(f"{call}.error") == "cancelled" and f"{call}.policy" not in seen:
        return True  # the language's own cancellation, which says neither (GN-10)
    return bool(seen.get(path) == wanted)


def difference_text(path: str, wanted: Any, seen: Any) -> str:
    """One difference as a line for people."""
    return f"{path}: expected {text(wanted)}, saw {text(seen)}"


def text(value: Any) -> str:
    """A value of an observation or expectation as people write it in a trace."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(text(item) for item in value)}]"
        case _:
            return str(value)

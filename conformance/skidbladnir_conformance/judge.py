"""The verdict on one trace: what was expected, what each driver saw, and whether they saw the same."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from google.protobuf.message import Message

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.trace import Trace

Outcome = Literal["passed", "failed", "skipped"]


@dataclass
class Verdict:
    """Of one trace in one column. ``step`` is where the first difference is, -1 for the trace as a whole."""

    outcome: Outcome
    reasons: list[str] = field(default_factory=list)
    step: int = -1


Answer = pb.Observation | str
"""What a driver saw, or why there is nothing: it crashed, hung, or does not support the trace."""


def judge(trace: Trace, answers: Mapping[str, Answer | None], reference: str = "python") -> dict[str, Verdict]:
    """The verdicts by column; an answer None stands for a trace that the driver lacks a feature for."""
    verdicts = {column: _judge_alone(trace, answer) for column, answer in answers.items()}
    agreeing: dict[tuple[bytes, ...], list[str]] = defaultdict(list)
    for column, answer in answers.items():
        if isinstance(answer, pb.Observation):
            agreeing[normalised(trace, answer)].append(column)
    if len(agreeing) > 1:
        largest = max(agreeing.items(), key=lambda item: (len(item[1]), reference in item[1]))
        for seen, columns in agreeing.items():
            if columns is not largest[1]:
                for column in columns:
                    if verdicts[column].outcome == "passed":
                        step = next(i for i, (a, b) in enumerate(zip(seen, largest[0], strict=False)) if a != b)
                        others = ", ".join(largest[1])
                        verdicts[column] = Verdict("failed", [f"differs from {others}"], _step_of(trace, step))
    return verdicts


def _step_of(trace: Trace, part: int) -> int:
    return part if part < len(trace.expects) else -1


def _judge_alone(trace: Trace, answer: Answer | None) -> Verdict:
    if answer is None:
        return Verdict("skipped")
    if isinstance(answer, str):
        return Verdict("failed", [answer])
    reasons = list(_trace_differences(trace, answer))
    if reasons:
        return Verdict("failed", reasons)
    if len(answer.steps) != len(trace.expects):
        faults = ", ".join(f"{fault.code} at {fault.path}" for fault in answer.faults) or "nothing"
        return Verdict("failed", [f"the subject could not be built: {faults}"])
    for index, (expect, step) in enumerate(zip(trace.expects, answer.steps, strict=True)):
        reasons = list(step_differences(expect or {}, step))
        if reasons:
            return Verdict("failed", reasons, index)
    if answer.leftovers:
        return Verdict("failed", [f"{answer.leftovers} timers, tasks or listeners are left behind"], len(trace.expects) - 1)
    return Verdict("passed")


def normalised(trace: Trace, seen: pb.Observation) -> tuple[bytes, ...]:
    """An observation in a form in which equal ones are equal: one part for each step, then the rest."""
    parts: list[bytes] = []
    for step in seen.steps:
        copy = pb.StepObservation()
        copy.CopyFrom(step)
        for call in copy.calls:
            if call.error.code == "cancelled":
                call.error.CopyFrom(pb.CallError(code="cancelled"))
        if trace.free_order:
            events = sorted(copy.events, key=lambda event: (event.at_ms, event.SerializeToString(deterministic=True)))
            del copy.events[:]
            copy.events.extend(events)
        parts.append(copy.SerializeToString(deterministic=True))
    effective = json.loads(seen.effective_json, parse_float=_number) if seen.HasField("effective_json") else None
    parts.append(json.dumps([_faults(seen), effective], sort_keys=True).encode())
    return tuple(parts)


def _number(text: str) -> float | int:
    """5.0 is 5, as in JSON Schema."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _faults(seen: pb.Observation) -> list[tuple[str, str, int]]:
    # Where a parser notices that a text is no YAML is its own affair (PF-8).
    return [(fault.code, fault.path, 0 if fault.code == "syntax" else fault.line) for fault in seen.faults]


def _trace_differences(trace: Trace, seen: pb.Observation) -> Iterator[str]:
    """The differences from the expectation of the trace itself: faults, and effective options."""
    expect = trace.expect or {}
    if "faults" in expect:
        wanted = [(fault["code"], fault["path"], fault.get("line", 0)) for fault in expect["faults"]]
        found = _faults(seen)
        if wanted != found:
            yield f"faults: expected {wanted}, saw {found}"
    elif seen.faults:
        yield f"faults: expected none, saw {_faults(seen)}"
    if "effective" in expect:
        found_options = json.loads(seen.effective_json) if seen.HasField("effective_json") else None
        yield from _mapping_differences("effective", expect["effective"], found_options)


def _mapping_differences(path: str, wanted: Any, found: Any) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            if value == "absent":
                if key in found:
                    yield f"{path}.{key}: expected to be absent, saw {found[key]!r}"
            elif key not in found:
                yield f"{path}.{key}: expected {value!r}, saw nothing"
            else:
                yield from _mapping_differences(f"{path}.{key}", value, found[key])
    elif wanted != found or isinstance(wanted, bool) != isinstance(found, bool):
        yield f"{path}: expected {wanted!r}, saw {found!r}"


def step_differences(expect: Mapping[str, Any], seen: pb.StepObservation) -> Iterator[str]:
    """The differences from the expectation of one step."""
    if "running" in expect and expect["running"] != seen.running:
        yield f"running: expected {expect['running']}, saw {seen.running}"
    calls = {call.id: call for call in seen.calls}
    for name, wanted in expect.get("calls", {}).items():
        yield from _call_differences(name, wanted, calls.get(name))
    policies = {policy.name: policy for policy in seen.policies}
    for name, wanted in expect.get("policies", {}).items():
        policy = policies.get(name)
        kind = policy.WhichOneof("state") if policy is not None else None
        if policy is None or kind is None:
            yield f"policies.{name}: expected {wanted}, saw no such policy"
        else:
            yield from _field_differences(f"policies.{name}", wanted, getattr(policy, kind))
    health = {provider.provider: provider for provider in seen.health}
    for name, wanted in expect.get("health", {}).items():
        if name not in health:
            yield f"health.{name}: expected {wanted}, saw no such provider"
        else:
            yield from _field_differences(f"health.{name}", wanted, health[name])
    if "events" in expect:
        yield from _event_differences(expect["events"], list(seen.events))


def _call_differences(name: str, wanted: Any, seen: pb.CallObservation | None) -> Iterator[str]:
    path = f"calls.{name}"
    if seen is None:
        yield f"{path}: expected {wanted}, saw no such call"
        return
    end = seen.WhichOneof("end")
    if wanted == "pending":
        if end != "pending":
            yield f"{path}: expected to be pending, saw {show_end(seen)}"
        return
    for key, value in wanted.items():
        if key in ("starts_ms", "signals_ms"):
            found: Any = list(getattr(seen, key))
        elif key == "ended_ms":
            found = _value(seen, key)
        elif key == "ok":
            found = _value(seen.ok, "text") if end == "ok" else show_end(seen)
        else:
            found = _value(seen.error, "code" if key == "error" else key) if end == "error" else show_end(seen)
        if value != found:
            yield f"{path}.{key}: expected {value!r}, saw {found!r}"


def _event_differences(wanted: list[Any], seen: list[pb.Event]) -> Iterator[str]:
    shown = ", ".join(event.type for event in seen) or "none"
    if [event if isinstance(event, str) else event["type"] for event in wanted] != [event.type for event in seen]:
        names = ", ".join(event if isinstance(event, str) else event["type"] for event in wanted) or "none"
        yield f"events: expected {names}; saw {shown}"
        return
    for index, (event, found) in enumerate(zip(wanted, seen, strict=True)):
        if isinstance(event, dict):
            yield from _field_differences(f"events[{index}] {found.type}", event, found)


def _field_differences(path: str, wanted: Mapping[str, Any], seen: Message) -> Iterator[str]:
    for key, value in wanted.items():
        found = _value(seen, key)
        if value != found:
            yield f"{path}.{key}: expected {value!r}, saw {found!r}"


def _value(seen: Message, name: str) -> Any:
    """A field's value; None for an optional one that is absent."""
    descriptor = seen.DESCRIPTOR.fields_by_name[name]
    if descriptor.has_presence and not seen.HasField(name):
        return None
    return getattr(seen, name)


def show_end(seen: pb.CallObservation) -> str:
    """How a call ended, in a few words."""
    match seen.WhichOneof("end"):
        case "ok":
            return f"ok {_value(seen.ok, 'text')!r} at {seen.ended_ms}"
        case "error":
            return f"{seen.error.code} at {seen.ended_ms}"
        case _:
            return "pending"

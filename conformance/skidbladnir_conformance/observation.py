"""Observations as flat mappings, path by path: so they are compared with expectations and each other, and shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from google.protobuf.message import Message

from skidbladnir_conformance import test_driver_pb2 as pb

Flat = dict[str, Any]


def complete(seen: pb.Observation) -> None:
    """Puts in the calls and policies that were left out because they are as they were after the step before."""
    calls: dict[str, pb.CallObservation] = {}
    policies: dict[str, pb.PolicyState] = {}
    for step in seen.steps:
        calls.update((call.id, call) for call in step.calls)
        policies.update((policy.name, policy) for policy in step.policies)
        if len(step.calls) < len(calls):
            del step.calls[:]
            step.calls.extend(calls.values())
        if len(step.policies) < len(policies):
            del step.policies[:]
            step.policies.extend(policies.values())


def latest_calls(seen: pb.Observation) -> dict[str, pb.CallObservation]:
    """Each call as it was seen last."""
    return {call.id: call for step in seen.steps for call in step.calls}


def present(message: Message) -> Iterator[tuple[str, Any]]:
    """The fields of a message, those left out that are absent."""
    for field in message.DESCRIPTOR.fields:
        if not field.has_presence or message.HasField(field.name):
            yield field.name, getattr(message, field.name)


def flat_step(step: pb.StepObservation, events: Sequence[pb.Event] | None = None) -> Flat:
    """All that was seen after a step: ``calls.a.error``, ``policies.cache.size``, ``events[0].type``, ..."""
    flat: Flat = {"now_ms": step.now_ms, "running": step.running, "reported": step.reported}
    for call in step.calls:
        path = f"calls.{call.id}"
        flat.update({f"{path}.{name}": value for name, value in _end(call)})
        if call.HasField("ended_ms"):
            flat[f"{path}.ended_ms"] = call.ended_ms
        flat[f"{path}.starts_ms"] = list(call.starts_ms)
        flat[f"{path}.signals_ms"] = list(call.signals_ms)
    for policy in step.policies:
        kind = policy.WhichOneof("state")
        if kind is not None:
            flat.update({f"policies.{policy.name}.{name}": value for name, value in present(getattr(policy, kind))})
    for provider in step.health:
        flat.update(
            {f"health.{provider.provider}.{name}": value for name, value in present(provider) if name != "provider"}
        )
    seen = step.events if events is None else events
    flat["events"] = [event.type for event in seen]
    for index, event in enumerate(seen):
        flat.update({f"events[{index}].{name}": value for name, value in present(event) if name != "type"})
    return flat


def flat_expectation(expect: dict[str, Any]) -> Flat:
    """An expectation in the same form. None: absent."""
    flat: Flat = {name: expect[name] for name in ("running", "reported") if name in expect}
    for call, wanted in expect.get("calls", {}).items():
        flat.update({f"calls.{call}.{name}": value for name, value in _named(wanted).items()})
    for section in ("policies", "health"):
        for name, fields in expect.get(section, {}).items():
            flat.update({f"{section}.{name}.{key}": value for key, value in fields.items()})
    if "events" in expect:
        wanted_events = [event if isinstance(event, dict) else {"type": event} for event in expect["events"]]
        flat["events"] = [event["type"] for event in wanted_events]
        for index, event in enumerate(wanted_events):
            flat.update({f"events[{index}].{name}": value for name, value in event.items() if name != "type"})
    return flat


def arranged(expect: dict[str, Any], events: Sequence[pb.Event]) -> list[pb.Event]:
    """The events in the order of the expectation, as far as those of one instant can be exchanged."""
    wanted = [event if isinstance(event, dict) else {"type": event} for event in expect.get("events", [])]
    result: list[pb.Event] = []
    for _, group in groupby(events, key=lambda event: event.at_ms):
        instant = list(group)
        due = wanted[len(result) : len(result) + len(instant)]
        result += _assign(due, instant) or instant
    return result


def _assign(wanted: list[dict[str, Any]], events: list[pb.Event]) -> list[pb.Event] | None:
    """The events in an order in which each has the fields of its expectation; None if there is none."""
    if not wanted:
        return events
    for index, event in enumerate(events):
        fields = dict(present(event))
        if all(fields.get(name) == value for name, value in wanted[0].items()):
            rest = _assign(wanted[1:], events[:index] + events[index + 1 :])
            if rest is not None:
                return [event, *rest]
    return None


def normalised(seen: pb.Observation, *, free_order: bool) -> tuple[bytes, ...]:
    """A form in which equal observations are equal: one part for each step, then the faults and the effective options.

    Left out is what differs between languages by nature: the messages of faults, and all but the code of a
    cancellation, which each language reports in its own way (GN-10).
    """
    parts: list[bytes] = []
    for step in seen.steps:
        copy = pb.StepObservation()
        copy.CopyFrom(step)
        for call in copy.calls:
            if call.error.code == "cancelled":
                call.error.CopyFrom(pb.CallError(code="cancelled"))
        if free_order:
            events = sorted(copy.events, key=lambda event: (event.at_ms, event.SerializeToString(deterministic=True)))
            del copy.events[:]
            copy.events.extend(events)
        parts.append(copy.SerializeToString(deterministic=True))
    parts.append(json.dumps([faults_of(seen), _whole(effective_of(seen))], sort_keys=True).encode())
    return tuple(parts)


def faults_of(seen: pb.Observation) -> list[tuple[str, str, int]]:
    """Code, path and line; where a parser notices that a text is no YAML is its own affair (PF-8)."""
    return [(fault.code, fault.path, 0 if fault.code == "syntax" else fault.line) for fault in seen.faults]


def effective_of(seen: pb.Observation) -> Any:
    """The effective options; None where there are none. Text that is no JSON stands for itself."""
    if not seen.HasField("effective_json"):
        return None
    try:
        return json.loads(seen.effective_json)
    except ValueError:
        return f"no JSON: {seen.effective_json[:200]}"


def _named(wanted: Any) -> dict[str, Any]:
    return {"pending": True} if wanted == "pending" else dict(wanted)


def _end(call: pb.CallObservation) -> Iterator[tuple[str, Any]]:
    match call.WhichOneof("end"):
        case "ok":
            yield "ok", call.ok.text if call.ok.HasField("text") else None
        case "error":
            for name, value in present(call.error):
                yield ("error" if name == "code" else name), value
        case "pending":
            yield "pending", True
        case _:
            return


def _whole(value: Any) -> Any:
    """JSON data in which 2.0 is 2."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _whole(item) for key, item in value.items()}
        case list():
            return [_whole(item) for item in value]
        case _:
            return value

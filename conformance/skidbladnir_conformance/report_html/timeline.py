"""What a driver saw of one trace, as places on the axis of the drawing.

A place is ``[step, ms]``: much may happen at one instant, step after step, and is to be seen side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.judge import text
from skidbladnir_conformance.observation import present
from skidbladnir_conformance.trace import Trace

Place = list[int]
Data = dict[str, Any]


def instants(trace: Trace) -> list[int]:
    """The time after each step."""
    times = []
    now = 0
    for step in trace.message.steps:
        now += step.advance_ms
        times.append(now)
    return times


def timeline(trace: Trace, seen: pb.Observation) -> Data:
    """Calls, bands of states, and events."""
    steps = list(seen.steps)
    asked = {step.call.id: (index, step.call) for index, step in enumerate(trace.message.steps) if step.WhichOneof("action") == "call"}
    calls = [_call(call, steps, *asked[call.id]) for call in (steps[-1].calls if steps else ()) if call.id in asked]
    events = [_event(index, event) for index, step in enumerate(steps) for event in step.events]
    return {"calls": calls, "bands": list(_bands(steps)), "events": events, "left": seen.leftovers}


def _call(call: pb.CallObservation, steps: Sequence[pb.StepObservation], asked_at: int, asked: pb.Call) -> Data:
    history = [next((each for each in step.calls if each.id == call.id), pb.CallObservation()) for step in steps]

    def step_of(field: str, index: int) -> int:
        return next(number for number, each in enumerate(history) if len(getattr(each, field)) > index)

    starts = [[step_of("starts_ms", index), at] for index, at in enumerate(call.starts_ms)]
    signals = [[step_of("signals_ms", index), at] for index, at in enumerate(call.signals_ms)]
    drawn: Data = {"id": call.id, "at": asked_at, "tries": _attempts(starts, signals, asked, steps), "signals": signals}
    if call.HasField("ended_ms"):
        drawn["end"] = [next(number for number, each in enumerate(history) if each.HasField("ended_ms")), call.ended_ms]
    match call.WhichOneof("end"):
        case "ok":
            drawn |= {"how": "ok", "says": text(call.ok.text if call.ok.HasField("text") else None)}
        case "error":
            fields = [f"{name} {text(value)}" for name, value in present(call.error) if name not in ("code", "message") and value]
            drawn |= {"how": "error", "says": call.error.code, "more": ", ".join([call.error.message, *fields])}
        case _:
            drawn["how"] = "pending"
    return drawn


def _attempts(starts: Sequence[Place], signals: Sequence[Place], asked: pb.Call, steps: Sequence[pb.StepObservation]) -> list[Data]:
    """The starts of the operation, with their ends: those follow from its script and from the signals that it heard."""
    unheard = list(signals)
    attempts = []
    for index, start in enumerate(starts):
        script = asked.op[min(index, len(asked.op) - 1)]
        how = script.WhichOneof("end") or "ok"
        end = None if how == "never" else start[1] + script.after_ms
        known = start[0]
        heard = next((signal for signal in unheard if start[1] <= signal[1] and (end is None or signal[1] < end)), None)
        if heard is not None:
            unheard.remove(heard)
            reaction = script.on_cancel.WhichOneof("reaction") if script.HasField("on_cancel") else None
            if reaction != "ignore":
                known = heard[0]
                end = heard[1] + script.on_cancel.settle_after_ms
                how = script.on_cancel.WhichOneof("end") or "cancelled"
        attempt: Data = {"from": start, "how": how}
        step = None if end is None else next((number for number in range(known, len(steps)) if steps[number].now_ms >= end), None)
        if step is None:
            attempt["how"] = "running"
        else:
            attempt["to"] = [step, end]
        attempts.append(attempt)
    return attempts


def _event(index: int, event: pb.Event) -> list[Any]:
    fields = {name: value for name, value in present(event) if name not in ("type", "policy", "at_ms")}
    return [index, event.at_ms, event.type, event.policy, ", ".join(f"{name} {text(value)}" for name, value in fields.items())]


def _bands(steps: Sequence[pb.StepObservation]) -> Iterator[Data]:
    """The states of circuits and of providers over the time: by their events, and by what is seen after each step."""
    circuits = dict.fromkeys(policy.name for step in steps for policy in step.policies if policy.WhichOneof("state") == "circuit_breaker")
    providers = dict.fromkeys(each.provider for step in steps for each in step.health)
    for name in circuits:
        yield {"name": name, "states": _states(steps, name, health=False)}
    for name in providers:
        yield {"name": f"health of {name}", "states": _states(steps, name, health=True)}


def _states(steps: Sequence[pb.StepObservation], name: str, *, health: bool) -> list[list[Any]]:
    states: list[list[Any]] = []
    for index, step in enumerate(steps):
        for event in step.events:
            if _is_of(event, name, health=health):
                if not states:
                    states.append([0, 0, getattr(event, "from")])
                states.append([index, event.at_ms, event.to])
        if health:
            now = next((each.status for each in step.health if each.provider == name), "")
        else:
            now = next((each.circuit_breaker.state for each in step.policies if each.name == name), "")
        if now and not states:
            states.append([0, 0, now])
        elif now and now != states[-1][2]:
            states.append([index, step.now_ms, now])
    return states


def _is_of(event: pb.Event, name: str, *, health: bool) -> bool:
    if health:
        return event.type == "health_changed" and event.provider == name
    return event.type == "circuit_state_changed" and (name == event.policy or name.startswith(f"{event.policy}."))

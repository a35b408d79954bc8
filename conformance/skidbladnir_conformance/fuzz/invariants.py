"""What holds in every trace, whatever the languages agree on; from the observation alone, complete or not.

Policies are told apart by name in events, so an invariant that needs their options looks at subjects with one policy of
its pattern.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.fuzz.generate import Document
from skidbladnir_conformance.observation import latest_calls

TOTALS = ("successes", "failures", "ignored", "cancelled", "rejected")


def broken_invariants(document: Document, seen: pb.Observation) -> Iterator[str]:
    """A sentence for each invariant that is broken."""
    if seen.faults or not seen.steps:
        return
    yield from _every_call_ends(seen)
    yield from _order_of_time(seen)
    yield from _changes_follow_each_other(seen)
    policies = _policies(document)
    for pattern, name, options in policies:
        match pattern:
            case "circuit_breaker":
                yield from _circuit_totals(name, seen)
                yield from _nothing_admitted_while_open(name, options, seen)
            case "bulkhead":
                yield from _bulkhead_limits(name, options, seen)
            case "retry":
                yield from _delays(name, options, seen)
            case "cache":
                yield from _cache_size(name, options, seen)
    if len(policies) == 1 and policies[0][0] == "bulkhead":
        yield from _first_in_first_out(seen)
    if len(policies) == 1 and policies[0][0] == "cache":
        yield from _one_fetch_at_once(document, seen)


def _policies(document: Document) -> list[tuple[str, str, Document]]:
    """Pattern, name in states and events, and options."""
    kind, body = next(iter(document["subject"].items()))
    if kind == "facade":
        return [(pattern, f"facade.{pattern}", options) for pattern, options in body.items() if options is not None]
    if kind == "health":
        return [("circuit_breaker", name, options) for name, options in body.get("circuits", {}).items()]
    policies = body if kind == "compose" else [{kind: body}]
    found = []
    for policy in policies:
        pattern = next(key for key in policy if key != "name")
        found.append((pattern, policy.get("name", pattern), policy[pattern]))
    return found


def _is_of(event: pb.Event, name: str) -> bool:
    return event.policy == name.partition(".")[0]


def _states(name: str, kind: str, seen: pb.Observation) -> Iterator[Any]:
    for step in seen.steps:
        for policy in step.policies:
            if policy.name == name and policy.WhichOneof("state") == kind:
                yield getattr(policy, kind)


def _every_call_ends(seen: pb.Observation) -> Iterator[str]:
    ends: dict[str, bytes] = {}
    for step in seen.steps:
        for call in step.calls:
            end = b"" if call.HasField("pending") else _end_of(call)
            if ends.get(call.id, b"") not in (b"", end):
                yield "a call ends once"
            ends[call.id] = end
    if not all(ends.values()):
        yield "every call ends"
    if seen.steps[-1].running:
        yield "nothing runs after the end"


def _end_of(call: pb.CallObservation) -> bytes:
    """Without the attempts and signals, which abandoned operations may add."""
    end = pb.CallObservation()
    end.CopyFrom(call)
    end.ClearField("starts_ms")
    end.ClearField("signals_ms")
    return end.SerializeToString(deterministic=True)


def _order_of_time(seen: pb.Observation) -> Iterator[str]:
    now = 0
    for step in seen.steps:
        for event in step.events:
            if not now <= event.at_ms <= step.now_ms:
                yield "events come in the order of time"
            now = max(now, event.at_ms)


def _changes_follow_each_other(seen: pb.Observation) -> Iterator[str]:
    """Of a circuit, and of the health of a provider."""
    states: dict[tuple[str, str], str] = {}
    for step in seen.steps:
        for event in step.events:
            if event.HasField("to"):
                first = "UP" if event.provider else "CLOSED"
                if getattr(event, "from") != states.get((event.policy, event.provider), first):
                    yield "a change begins where the last one ended"
                states[event.policy, event.provider] = event.to


def _circuit_totals(name: str, seen: pb.Observation) -> Iterator[str]:
    generation = 0
    state = None
    for state in _states(name, "circuit_breaker", seen):
        if state.generation < generation:
            yield "generations grow"
        generation = state.generation
        if state.calls < sum(getattr(state, total) for total in TOTALS):
            yield "no more calls end than began"
    if state is not None and state.calls != sum(getattr(state, total) for total in TOTALS):
        yield "the totals add up when nothing runs"


def _nothing_admitted_while_open(name: str, options: Document, seen: pb.Observation) -> Iterator[str]:
    opened: int | None = None
    least = options.get("reset_timeout_ms", 30_000)
    for step in seen.steps:
        for event in step.events:
            if not _is_of(event, name):
                continue
            if event.type == "circuit_state_changed":
                if getattr(event, "from") == "OPEN" and event.to == "HALF_OPEN" and opened is not None:
                    if event.at_ms < opened + least:
                        yield "OPEN lasts for the reset timeout"
                opened = event.at_ms if event.to == "OPEN" else None
            elif event.type == "call_admitted" and opened is not None:
                yield "nothing is admitted while OPEN"


def _bulkhead_limits(name: str, options: Document, seen: pb.Observation) -> Iterator[str]:
    for state in _states(name, "bulkhead", seen):
        if state.concurrent_executions > options.get("max_concurrent_calls", 10):
            yield "no more run than may"
        if state.queue_size > options.get("max_queue_size", 100):
            yield "no more wait than may"
        if state.queue_size and state.concurrent_executions < options.get("max_concurrent_calls", 10):
            yield "nobody waits beside a free slot"
    if state is not None and (state.concurrent_executions or state.queue_size):
        yield "every slot is given back"


def _delays(name: str, options: Document, seen: pb.Observation) -> Iterator[str]:
    """Each delay is that of its formula, or the hint of an error, which then is the greater of both (RT-2, RT-3, RT-11)."""
    initial, most = options.get("initial_delay_ms", 1000), options.get("max_delay_ms", 10_000)
    factor, jitter = options.get("backoff_factor", 2), options.get("jitter", "none")
    longest_hint = options.get("max_retry_after_ms", 60_000)
    for step in seen.steps:
        for event in step.events:
            if event.type != "retry_scheduled" or not _is_of(event, name):
                continue
            if event.attempt > options.get("max_retries", 3):
                yield "no more retries than allowed"
            delay = min(initial, most)
            for _ in range(event.attempt - 1):
                delay = min(delay * factor, most)
            least, greatest = {
                "none": (delay, delay),
                "full": (0, delay),
                "equal": (delay / 2, delay),
                "decorrelated": (min(initial, most), most),
            }[jitter]
            if not int(least) <= event.delay_ms <= max(greatest, longest_hint):
                yield "delays stay within their limits"


def _cache_size(name: str, options: Document, seen: pb.Observation) -> Iterator[str]:
    if any(state.size > options.get("max_entries", 1000) for state in _states(name, "cache", seen)):
        yield "no more entries than may be kept"


def _first_in_first_out(seen: pb.Observation) -> Iterator[str]:
    starts = [call.starts_ms[0] for call in latest_calls(seen).values() if call.starts_ms]
    if starts != sorted(starts):
        yield "first in, first out"


def _one_fetch_at_once(document: Document, seen: pb.Observation) -> Iterator[str]:
    """Callers that give up, and what is forgotten meanwhile, may leave a fetch behind beside a new one."""
    actions = {action for step in document["steps"] for action in step}
    if actions & {"cancel", "invalidate", "clear", "close"} or any("cancelled" in step.get("call", {}) for step in document["steps"]):
        return
    keys = {step["call"]["id"]: step["call"].get("key") for step in document["steps"] if "call" in step}
    running: dict[str, list[int]] = defaultdict(list)
    for call in latest_calls(seen).values():
        key = keys[call.id]
        if key is not None:
            running[key] += call.starts_ms
    without_key: dict[str, bool] = {}
    for step in seen.steps:
        for call in step.calls:
            without_key[call.id] = call.HasField("pending") and keys[call.id] is None and bool(call.starts_ms)
        if step.running - sum(without_key.values()) > len(running):
            yield "one fetch for each key at once"

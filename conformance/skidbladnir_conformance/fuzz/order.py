"""How much of the order of things a trace leaves open (GN-2, EV-3)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.fuzz.generate import Document
from skidbladnir_conformance.observation import latest_calls

# Refreshes and abandoned operations go on beside the calls.
BACKGROUND = ("cache_stale_hit", "cache_refreshed", "cache_refresh_failed", "call_abandoned", "late_outcome")


def is_sequential(document: Document, seen: pb.Observation) -> bool:
    """Whether nothing happened beside anything else, so that the order of all events is fixed (EV-2)."""
    if len(document["subject"].get("health", {}).get("providers", ())) > 1:
        return False  # they are checked side by side
    known: set[str] = set()
    pending: set[str] = set()
    for step in seen.steps:
        new = {call.id for call in step.calls} - known
        if new and pending:
            return False
        known |= new
        for call in step.calls:
            (pending.add if call.HasField("pending") else pending.discard)(call.id)
        if any(event.type in BACKGROUND for event in step.events):
            return False
    return True


def is_crowded(document: Document, seen: pb.Observation) -> bool:
    """Whether calls met at one instant where nothing says who comes first.

    Those who waited for one fetch go on together when it ends; and an operation, or a retry, that was abandoned ends beside
    its call, and beside the next attempt where that comes at once.
    Where a slot is handed over, on the other hand, the order is fixed (BH-3).
    """
    if not seen.steps:
        return False
    subject = document["subject"]
    caches, abandons = _has_cache(subject), "'abandon'" in str(subject)
    if not (caches or abandons):
        return False
    calls = latest_calls(seen).values()
    at_work: dict[int, set[str]] = defaultdict(set)
    for call in calls:
        for at in (*call.starts_ms, *call.signals_ms, *([call.ended_ms] if call.HasField("ended_ms") else [])):
            at_work[at].add(call.id)
    ends = {call.ended_ms for call in calls if call.HasField("ended_ms")}
    abandoned = {event.at_ms for step in seen.steps for event in step.events if event.type == "call_abandoned"}
    signals = abandoned.union(*(call.signals_ms for call in calls))
    if caches and (_together(seen) or (abandons and signals)):
        return True
    if _something_around_a_cache(subject) and any(len(at_work[at]) > 1 for at in ends):
        return True
    return abandons and (any(len(at_work[at]) > 1 for at in signals) or _retried_at_once(seen, abandoned))


def _has_cache(subject: Document) -> bool:
    if "facade" in subject:
        return subject["facade"].get("cache", {}) is not None  # it has one unless that is turned off
    return "'cache': {" in str(subject)


def _retried_at_once(seen: pb.Observation, instants: Collection[int]) -> bool:
    """Whether a call was tried again at one of these instants, without a delay."""
    return any(
        event.type == "retry_scheduled" and event.at_ms in instants and not event.delay_ms for step in seen.steps for event in step.events
    )


def _something_around_a_cache(subject: Document) -> bool:
    """Whether a policy sees those who waited for one fetch go on; a fallback treats each of them by itself."""
    patterns = [next(key for key in policy if key != "name") for policy in subject.get("compose", ())]
    while patterns and patterns[0] == "fallback":
        patterns.pop(0)
    return "cache" in patterns[1:]


def _together(seen: pb.Observation) -> bool:
    """Whether two calls failed, or asked the cache, at one instant."""
    kinds = Counter(
        (event.type, event.policy, event.at_ms)
        for step in seen.steps
        for event in step.events
        if event.type in ("cache_miss", "retry_scheduled", "retry_exhausted")
    )
    return any(count > 1 for count in kinds.values())

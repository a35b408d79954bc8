"""Which expectations hold for an observation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.judge import judge, step_differences
from skidbladnir_conformance.trace import Trace


def call(**fields: Any) -> pb.StepObservation:
    return pb.StepObservation(calls=[pb.CallObservation(id="a", **fields)])


PENDING = call(pending=pb.Pending())
OK = call(ok=pb.Value(text="x"), ended_ms=5, starts_ms=[0, 3])
EMPTY = call(ok=pb.Value(), ended_ms=5)
FAILED = call(error=pb.CallError(code="operation", message="boom", same=True), ended_ms=5)
OPEN = call(error=pb.CallError(code="circuit_open", policy="p", retry_after_ms=7, message="open"), ended_ms=5)
OWN_CANCELLATION = call(error=pb.CallError(code="cancelled"), ended_ms=5)
OUR_CANCELLATION = call(error=pb.CallError(code="cancelled", policy="p", message="Call cancelled: p"), ended_ms=5)


def holds(wanted: Any, seen: pb.StepObservation) -> bool:
    return not list(step_differences({"calls": {"a": wanted}}, seen, free_order=False))


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        ("pending", PENDING),
        ({"starts_ms": []}, PENDING),
        ({"ok": "x", "ended_ms": 5, "starts_ms": [0, 3]}, OK),
        ({"ok": None}, EMPTY),
        ({"error": "operation", "message": "boom", "same": True, "cause": None, "policy": None}, FAILED),
        ({"error": "circuit_open", "retry_after_ms": 7, "policy": "p"}, OPEN),
        ({"error": "cancelled", "message": "Call cancelled: p", "policy": "p"}, OUR_CANCELLATION),
        # A language's own cancellation names no policy (GN-10).
        ({"error": "cancelled", "message": "Call cancelled: p", "policy": "p"}, OWN_CANCELLATION),
    ],
)
def test_expectation_that_holds(wanted: Any, seen: pb.StepObservation) -> None:
    assert holds(wanted, seen)


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        ("pending", OK),
        ({"ok": "x"}, PENDING),
        ({"ok": None}, OK),
        ({"ok": None}, FAILED),
        ({"ok": "x"}, EMPTY),
        ({"ok": "x", "ended_ms": 4}, OK),
        ({"ok": "x", "starts_ms": [0]}, OK),
        ({"error": "timeout"}, FAILED),
        ({"error": "operation", "same": False}, FAILED),
        ({"error": "operation", "cause": "timeout"}, FAILED),
        ({"error": "circuit_open", "retry_after_ms": None}, OPEN),
        ({"error": "cancelled", "message": "Call cancelled: q"}, OUR_CANCELLATION),
        ("pending", pb.StepObservation()),
    ],
)
def test_expectation_that_does_not_hold(wanted: Any, seen: pb.StepObservation) -> None:
    assert not holds(wanted, seen)


EVENTS = [
    pb.Event(type="cache_miss", policy="c", at_ms=0, key="k"),
    pb.Event(type="cache_hit", policy="c", at_ms=0, key="k"),
    pb.Event(type="cache_evicted", policy="c", at_ms=1, key="l"),
]


@pytest.mark.parametrize(
    ("wanted", "free", "expected"),
    [
        (["cache_miss", {"type": "cache_hit", "key": "k"}, "cache_evicted"], False, True),
        (["cache_hit", "cache_miss", "cache_evicted"], False, False),
        (["cache_hit", "cache_miss", "cache_evicted"], True, True),
        (["cache_hit", "cache_evicted", "cache_miss"], True, False),
        ([{"type": "cache_hit", "key": "l"}, "cache_miss", "cache_evicted"], True, False),
        (["cache_miss", "cache_hit"], True, False),
        (["cache_miss", {"type": "cache_hit", "key": None}, "cache_evicted"], False, False),
        ([], False, False),
    ],
)
def test_events_are_all_named_in_order(wanted: list[Any], free: bool, expected: bool) -> None:
    seen = pb.StepObservation(events=EVENTS)
    assert (not list(step_differences({"events": wanted}, seen, free_order=free))) == expected


def trace(expect: dict[str, Any]) -> Trace:
    return Trace("providers/x", Path("a.yaml"), 1, ("PF-1",), "why", frozenset(), False, pb.Trace(), (), (), expect, {})


def outcome(expect: dict[str, Any], seen: pb.Observation) -> str:
    return judge(trace(expect), {"python": seen}).verdicts["python"].outcome


@pytest.mark.parametrize(
    ("effective", "seen", "expected"),
    [
        ({"a": {"cache": None}}, '{"a": {"cache": null, "retry": {}}}', "passed"),
        ({"a": {"cache": None}}, '{"a": {}}', "failed"),
        ({"a": {"rate": 2}}, '{"a": {"rate": 2.0}}', "passed"),
        ({"a": {"on": True}}, '{"a": {"on": 1}}', "failed"),
        ({"a": {"limit": "absent"}}, '{"a": {}}', "passed"),
        ({"a": {"limit": "absent"}}, '{"a": {"limit": 1}}', "failed"),
        ({"a": {"list": ["x", {"regex": "y"}]}}, '{"a": {"list": ["x", {"regex": "y"}]}}', "passed"),
        ({"a": {"list": ["x"]}}, '{"a": {"list": ["x", "y"]}}', "failed"),
        ({"a": {}}, "no json", "failed"),
    ],
)
def test_effective_options_are_compared_as_far_as_named(effective: Any, seen: str, expected: str) -> None:
    assert outcome({"effective": effective}, pb.Observation(effective_json=seen)) == expected


def words(path: str, value: str = "x", allowed: str = "y") -> str:
    return f"{path}: {value} is not allowed: {allowed}"


@pytest.mark.parametrize("message", ["", "a", words("b"), words("a", ""), words("a", allowed=""), f"error: {words('a')}"])
def test_message_of_an_option_names_path_value_and_what_is_allowed(message: str) -> None:
    fault = pb.Fault(code="range", path="a", message=message)
    assert outcome({"faults": [{"code": "range", "path": "a"}]}, pb.Observation(faults=[fault])) == "failed"


def test_faults_are_compared_in_order_without_their_messages() -> None:
    faults = [pb.Fault(code="range", path="a", line=2, message=words("a")), pb.Fault(code="type", path="b", line=3)]
    wanted = [{"code": "range", "path": "a", "line": 2}, {"code": "type", "path": "b", "line": 3}]
    assert outcome({"faults": wanted}, pb.Observation(faults=faults)) == "passed"
    assert outcome({"faults": wanted[::-1]}, pb.Observation(faults=faults)) == "failed"
    assert outcome({"faults": wanted[:1]}, pb.Observation(faults=faults)) == "failed"
    assert outcome({"effective": {"a": 1}}, pb.Observation(faults=faults)) == "failed"


def test_columns_agree_where_only_words_differ() -> None:
    first = pb.Observation(
        faults=[pb.Fault(code="range", path="a", message=words("a", "0", "above 0"))], effective_json='{"a": 1, "b": 2.0}'
    )
    second = pb.Observation(
        faults=[pb.Fault(code="range", path="a", message=words("a", "0.0", "1 to 2"))], effective_json='{"b":2,"a":1}'
    )
    result = judge(trace({"faults": [{"code": "range", "path": "a"}]}), {"python": first, "go": second})
    assert not result.failed

"""What a schema cannot say of one trace: names that refer, clauses, events, and expectations worth having."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.spec import Spec
from skidbladnir_conformance.trace import action_of
from skidbladnir_conformance.yaml_nodes import Path_

Found = Iterator[tuple[Path_, str]]

EXPECTS_NOTHING = "expects nothing"
CODES = ("circuit_open", "bulkhead_full", "bulkhead_wait_timeout", "timeout", "cancelled", "operation")
STATE_FIELDS = {
    "circuit_breaker": frozenset(pb.CircuitBreakerState.DESCRIPTOR.fields_by_name),
    "bulkhead": frozenset(pb.BulkheadState.DESCRIPTOR.fields_by_name),
    "cache": frozenset(pb.CacheState.DESCRIPTOR.fields_by_name),
    "facade": frozenset(pb.FacadeStatus.DESCRIPTOR.fields_by_name),
}
# What a facade does itself.
OF_FACADES = ("invalidate", "close")
# The pattern that an action is for.
ACTS_ON = {
    "force_open": "circuit_breaker",
    "disable": "circuit_breaker",
    "reset": "circuit_breaker",
    "invalidate": "cache",
    "clear": "cache",
    "close": "cache",
}


@dataclass(frozen=True)
class Subject:
    """The policies of a trace's subject: those whose state is observed, and those that a step can name."""

    kind: str
    observed: dict[str, str]
    named: dict[str, str]

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Subject:
        kind, body = next(iter(raw.items()))
        match kind:
            case "compose":
                policies = [(next(key for key in policy if key != "name"), policy) for policy in body]
                named = {policy.get("name", pattern): pattern for pattern, policy in policies}
            case "facade":
                name = body.get("name") or body.get("provider") or "facade"
                patterns = [each for each in ("circuit_breaker", "bulkhead", "cache") if body.get(each, {}) is not None]
                observed = {f"{name}.{pattern}": pattern for pattern in patterns}
                return cls(kind, {**observed, name: "facade"}, {pattern: pattern for pattern in patterns})
            case "health":
                named = dict.fromkeys(body.get("circuits", {}), "circuit_breaker")
            case "provider_file":
                named = {}
            case pattern:
                named = {pattern: pattern}
        return cls(kind, {name: pattern for name, pattern in named.items() if pattern in STATE_FIELDS}, named)


def trace_faults(raw: dict[str, Any], spec: Spec, folder: str) -> Found:
    """The faults of a trace that fits the schema, each with the path it stands at."""
    if raw["id"].partition("/")[0] != folder:
        yield ("id",), f"a trace in the folder {folder} is named {folder}/..."
    for index, clause in enumerate(raw["clauses"]):
        if clause not in spec.clauses:
            yield ("clauses", index), f"{clause} does not exist"
        elif spec.clauses[clause].package_tests:
            yield ("clauses", index), f"{clause} is held by package tests"
    subject = Subject.of(raw["subject"])
    yield from _outcome_faults(raw, subject)
    started: dict[str, int] = {}
    for index, step in enumerate(raw.get("steps", [])):
        path: Path_ = ("steps", index)
        for place, what in _step_faults(step, subject, started):
            yield (*path, *place), what
        if "call" in step:
            started[step["call"]["id"]] = index
        for place, what in _expect_faults(step.get("expect", {}), subject, started, spec):
            yield (*path, "expect", *place), what
    yield from _vacuous(raw)


def _outcome_faults(raw: dict[str, Any], subject: Subject) -> Found:
    expect = raw.get("expect", {})
    if subject.kind == "provider_file":
        if "steps" in raw:
            yield ("steps",), "a provider file has no steps"
        contents = [key for key in ("file", "hex", "repeat") if key in raw["subject"]["provider_file"]]
        if len(contents) > 1:
            yield ("subject", "provider_file"), f"only one of {', '.join(contents)} may be given"
    elif "effective" in expect:
        yield ("expect", "effective"), "only a provider file has effective options"
    elif expect and not expect["faults"]:
        yield ("expect", "faults"), "vacuous: a subject without faults is to be run in steps"


def _step_faults(step: dict[str, Any], subject: Subject, started: dict[str, int]) -> Found:
    action = action_of(step)
    value = step[action]
    if action == "call":
        if value["id"] in started:
            yield ("call", "id"), f"a second call {value['id']}"
        if subject.kind == "health":
            yield ("call",), "a health monitor is not called"
        if "fallback" in value and subject.kind != "facade":
            yield ("call", "fallback"), "only a facade takes a fallback with the call"
    elif action == "cancel":
        if value not in started:
            yield ("cancel",), f"there is no call {value} before this step"
    elif action in ("check_health", "start", "stop"):
        if subject.kind != "health":
            yield (action,), "only a health monitor does this"
    elif action in OF_FACADES and subject.kind == "facade":
        return  # with a cache or without
    elif action in ACTS_ON:
        fitting = [name for name, pattern in subject.named.items() if pattern == ACTS_ON[action]]
        if not fitting:
            yield (action,), f"there is no {ACTS_ON[action]} in the subject"
        elif action != "invalidate" and value is None and len(fitting) > 1:
            yield (action,), f"which one? There are {', '.join(fitting)}"
        elif action != "invalidate" and value is not None and value not in fitting:
            yield (action,), f"there is no {ACTS_ON[action]} {value}; there are {', '.join(fitting)}"


def _expect_faults(expect: dict[str, Any], subject: Subject, started: dict[str, int], spec: Spec) -> Found:
    for name in expect.get("calls", {}):
        if name not in started:
            yield ("calls", name), f"there is no call {name} before this step"
    for name, wanted in expect.get("policies", {}).items():
        pattern = subject.observed.get(name)
        if pattern is None:
            names = ", ".join(subject.observed) or "none"
            yield ("policies", name), f"there is no policy {name} with a state; there are {names}"
            continue
        for key in wanted.keys() - STATE_FIELDS[pattern]:
            yield ("policies", name, key), f"the state of a {pattern} has no {key}"
    for index, event in enumerate(expect.get("events", [])):
        kind = event if isinstance(event, str) else event["type"]
        path: Path_ = ("events", index)
        if kind not in spec.events:
            yield path, f"there is no event {kind}"
        elif isinstance(event, dict):
            for key in event.keys() - spec.events[kind]:
                yield (*path, key), f"{kind} has no field {key}"
            if event.get("error") not in (*CODES, None):
                yield (*path, "error"), f"{event['error']} is no error code"
    if "health" in expect and subject.kind != "health":
        yield ("health",), "only a health monitor has providers"


def _vacuous(raw: dict[str, Any]) -> Found:
    """A trace whose expectations hardly any wrong behaviour could break."""
    if "steps" not in raw:
        return
    expecting = [step for step in raw["steps"] if "expect" in step]
    if not expecting:
        yield ("steps",), EXPECTS_NOTHING
    elif all(_only_begins(step) for step in expecting):
        yield ("steps",), "vacuous: all it expects is that calls are pending when they begin"


def _only_begins(step: dict[str, Any]) -> bool:
    return "call" in step and step["expect"] == {"calls": {step["call"]["id"]: "pending"}}

"""Traces: from the YAML of the catalogue to the message a driver replays."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.yaml_nodes import shown

PATTERNS = ("circuit_breaker", "retry", "bulkhead", "timeout", "cache", "fallback")
FACADE_PATTERNS = PATTERNS[:-1]
"""The sections of a facade; its fallback comes with the call."""
FEATURES = (*PATTERNS, "composition", "facade", "health", "providers", "cancel", "listeners", "dynamic_types")
ACTIONS = (
    "call",
    "cancel",
    "advance_ms",
    "invalidate",
    "clear",
    "close",
    "force_open",
    "disable",
    "reset",
    "check_health",
    "start",
    "stop",
)
LEVELS = (
    "one pattern; nothing waits",
    "one pattern; operations and delays take time, and calls overlap",
    "one pattern; callers give up",
    "several patterns, composed",
    "the facade, the health monitor, provider files",
)
"""What a port can do at each level, in the order in which a new one is best written."""
LISTENERS = ("recording", "given", "failing", "removed", "looking")
"""Who can listen to a subject; without a word in the trace it is one that records."""
TOLD = ("events", "reported")
"""What is seen by listening."""
UNHEARD = " (unheard)"
TARGETED = ("clear", "close", "force_open", "disable", "reset", "check_health", "start", "stop")


@dataclass(frozen=True)
class Trace:
    """One trace of the catalogue. ``expects`` has one entry for each step; ``expect`` is that of the trace itself."""

    id: str
    file: Path
    line: int
    clauses: tuple[str, ...]
    why: str
    needs: frozenset[str]
    free_order: bool
    message: pb.Trace
    actions: tuple[str, ...]
    expects: tuple[dict[str, Any] | None, ...]
    expect: dict[str, Any] | None
    raw: dict[str, Any]

    def unheard(self) -> Trace:
        """The same when nobody listens, where a package may take other paths; without the events that it expects."""
        message = pb.Trace()
        message.CopyFrom(self.message)
        message.id, message.unheard = f"{self.id}{UNHEARD}", True
        expects = tuple(
            None if expect is None else {name: value for name, value in expect.items() if name not in TOLD} or None
            for expect in self.expects
        )
        return replace(self, id=message.id, message=message, expects=expects)

    @property
    def pattern(self) -> str:
        """The folder of the catalogue it stands in."""
        return self.id.partition("/")[0]

    @cached_property
    def hash(self) -> str:
        """Changes with what it does and expects."""
        parts = [self.raw["subject"], self.raw.get("random"), self.raw.get("steps"), self.expect, self.free_order, self.message.unheard]
        parts += [self.raw[name] for name in ("listeners", "misfits") if name in self.raw]
        content = json.dumps(parts)
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    @property
    def level(self) -> int:
        """How much a port must be able to do for it, from 1; see :data:`LEVELS`."""
        if self.needs & {"facade", "health", "providers"}:
            return 5
        if "composition" in self.needs:
            return 4
        if "cancel" in self.needs:
            return 3
        return 2 if _waits(self.raw) else 1

    @cached_property
    def as_part_of_batch(self) -> bytes:
        """A batch of this trace alone, serialised; batches one after the other are one batch."""
        return pb.ReplayBatchesRequest(traces=[self.message]).SerializeToString()

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{shown(self.file)}:{self.line}"


@dataclass(frozen=True)
class Filter:
    """Which traces to run; empty parts select everything."""

    patterns: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    level: int = len(LEVELS)

    def selects(self, trace: Trace) -> bool:
        return (
            trace.level <= self.level
            and (not self.patterns or trace.pattern in self.patterns)
            and (not self.clauses or any(clause in trace.clauses for clause in self.clauses))
            and (not self.ids or any(fnmatch.fnmatchcase(trace.id, glob) for glob in self.ids))
        )


def make_trace(file: Path, line: int, raw: dict[str, Any]) -> Trace:
    """A trace that the lint has passed.

    Raises:
        TypeError, ValueError: for a number that the protocol cannot carry.
    """
    steps = raw.get("steps", [])
    message = pb.Trace(
        id=raw["id"],
        random=raw.get("random", []),
        subject=_subject(raw["subject"]),
        steps=[_step(step) for step in steps],
        listeners=[f"LISTENER_{name.upper()}" for name in raw.get("listeners", [])],
        misfits={path: json.dumps(value) for path, value in raw.get("misfits", {}).items()},
    )
    return Trace(
        id=raw["id"],
        file=file,
        line=line,
        clauses=tuple(raw["clauses"]),
        why=raw["why"],
        needs=needs_of(raw),
        free_order=raw.get("order") == "free",
        message=message,
        actions=tuple(_describe(step) for step in steps),
        expects=tuple(step.get("expect") for step in steps),
        expect=raw.get("expect"),
        raw=raw,
    )


def needs_of(raw: dict[str, Any]) -> frozenset[str]:
    """The features without which a trace makes no sense: its patterns, and what goes on around them."""
    kind, body = next(iter(raw["subject"].items()))
    match kind:
        case "compose":
            needs = {next(key for key in policy if key != "name") for policy in body}
            if len(body) > 1:
                needs.add("composition")
        case "facade" if "provider" in body:
            needs = {"facade", "providers"}
        case "facade":
            needs = {"facade", *(pattern for pattern in FACADE_PATTERNS if body.get(pattern, {}) is not None)}
        case "health":
            needs = {"health", *(["circuit_breaker"] if body.get("circuits") else [])}
        case "provider_file":
            needs = {"providers"}
        case pattern:
            needs = {pattern}
    if any("cancel" in step or step.get("call", {}).get("cancelled") for step in raw.get("steps", ())):
        needs.add("cancel")
    if "listeners" in raw:
        needs.add("listeners")
    if "misfits" in raw:
        needs.add("dynamic_types")
    return frozenset(needs)


def _waits(raw: dict[str, Any]) -> bool:
    """Whether an operation or a delay of a trace of one pattern may take time."""
    subject = raw["subject"]
    policy = subject["compose"][0] if "compose" in subject else subject
    if "retry" in policy and (policy["retry"] or {}).get("initial_delay_ms") != 0:
        return True
    scripts = [script for step in raw.get("steps", ()) if "call" in step for script in _listed(step["call"]["op"])]
    if "fallback" in policy:
        scripts.append(policy["fallback"]["handler"])
    return any(script.get("never") or script.get("after_ms") for script in scripts)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def action_of(step: dict[str, Any]) -> str:
    """The name of a step's action."""
    for name in step:
        if name in ACTIONS:
            return name
    raise ValueError(f"a step without an action: {step}")


def _describe(step: dict[str, Any]) -> str:
    action = action_of(step)
    value = step[action]
    if isinstance(value, dict):
        value = value.get("id", value.get("policy"))
    return action if value is None else f"{action} {value}"


def _step(step: dict[str, Any]) -> dict[str, Any]:
    action = action_of(step)
    value = step[action]
    if action == "call":
        call = dict(value)
        call["op"] = [_script(op) for op in _listed(call["op"])]
        if "fallback" in call:
            call["fallback"] = _script(call["fallback"])
        return {"call": call}
    if action in TARGETED:
        return {action: {} if value is None else {"policy": value}}
    return {action: value}


def _script(script: dict[str, Any]) -> dict[str, Any]:
    result = _end(script)
    if script.get("never"):
        result["never"] = {}
    if "after_ms" in script:
        result["after_ms"] = script["after_ms"]
    on_cancel = script.get("on_cancel")
    if on_cancel == "ignore":
        result["on_cancel"] = {"ignore": {}}
    elif on_cancel is not None:
        result["on_cancel"] = _end(on_cancel)
        if "settle_after_ms" in on_cancel:
            result["on_cancel"]["settle_after_ms"] = on_cancel["settle_after_ms"]
    return result


def _end(end: dict[str, Any]) -> dict[str, Any]:
    if "ok" in end:
        return {"ok": {} if end["ok"] is None else {"text": end["ok"]}}
    if "error" in end:
        return {"error": _error(end["error"])}
    return {}


def _error(error: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(error, str):
        return {"message": error}
    return {**error, "cause": _error(error["cause"])} if "cause" in error else error


def _subject(subject: dict[str, Any]) -> dict[str, Any]:
    kind, body = next(iter(subject.items()))
    match kind:
        case "compose":
            return {"composition": {"policies": [_policy(policy) for policy in body]}}
        case "facade":
            return {"facade": _facade(body)}
        case "health":
            return {"health": _health(body)}
        case "provider_file":
            return {"provider_file": _file(body)}
        case _:
            return {"composition": {"policies": [_policy(subject)]}}


def _policy(policy: dict[str, Any]) -> dict[str, Any]:
    return {name: body if name == "name" else _options(name, body) for name, body in policy.items()}


def _options(pattern: str, options: dict[str, Any] | None) -> dict[str, Any]:
    options = dict(options or {})
    if "retryable_errors" in options:
        patterns = [f"/{one['regex']}/" if isinstance(one, dict) else one for one in options["retryable_errors"]]
        options["retryable_errors"] = {"patterns": patterns}
    if pattern == "fallback":
        options["handler"] = _script(options["handler"])
    return options


def _facade(body: dict[str, Any]) -> dict[str, Any]:
    facade: dict[str, Any] = {}
    for name, value in body.items():
        if name not in PATTERNS:
            facade[name] = value
        elif value is None:
            facade.setdefault("off", []).append(name)
        else:
            facade[name] = _options(name, value)
    return facade


def _health(body: dict[str, Any]) -> dict[str, Any]:
    health = dict(body)
    health["checks"] = [
        {"provider": provider, "rounds": [_script(script) for script in rounds]}
        for provider, rounds in body.get("checks", {}).items()
    ]
    health["circuits"] = [
        {"name": provider, "circuit_breaker": options or {}} for provider, options in body.get("circuits", {}).items()
    ]
    return health


def _file(body: dict[str, Any]) -> dict[str, Any]:
    result = {key: value for key, value in body.items() if key == "provider"}
    data: bytes | None = None
    if "file" in body:
        data = body["file"].encode()
    elif "hex" in body:
        data = bytes.fromhex(body["hex"])
    elif "repeat" in body:
        repeat = body["repeat"]
        data = "".join(part["text"] * part["times"] for part in repeat).encode()
    if data is not None:
        result["file"] = data
    return result

"""Drivers that behave as told: ``python fake_drivers.py <behaviour> [trace id]``.

They know the traces of ``data/catalogue``, and make what they see from what is expected; but for the trace that is
named, where they misbehave. There is one behaviour for each way to be wrong.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

from conformance_support import CATALOGUE
from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.lint import lint
from skidbladnir_conformance.paths import SPEC
from skidbladnir_conformance.spec import read_spec

SERVICE = "skidbladnir.conformance.v1.TestDriver"


def observation(expects: tuple[dict[str, Any] | None, ...], message: pb.Trace) -> pb.Observation:
    """What a driver sees to whom everything happens as expected."""
    seen = pb.Observation()
    now = 0
    for step, expect in zip(message.steps, expects, strict=True):
        now += step.advance_ms
        found = seen.steps.add(now_ms=now, running=(expect or {}).get("running", 0))
        for name, end in (expect or {}).get("calls", {}).items():
            fill_call(found.calls.add(id=name), end)
        for name, fields in (expect or {}).get("policies", {}).items():
            state = getattr(found.policies.add(name=name), name)
            state.SetInParent()
            for key, value in fields.items():
                if value is not None:
                    setattr(state, key, value)
        for event in (expect or {}).get("events", []):
            given = event if isinstance(event, dict) else {"type": event}
            found.events.add(**{"at_ms": now, **given})
    return seen


def fill_call(call: pb.CallObservation, end: Any) -> None:
    if end == "pending":
        call.pending.SetInParent()
        return
    fields = {key: value for key, value in end.items() if key in ("message", "same")}
    if "error" in end:
        call.error.CopyFrom(pb.CallError(code=end["error"], **fields))
    else:
        call.ok.CopyFrom(pb.Value() if end["ok"] is None else pb.Value(text=end["ok"]))
    call.ended_ms = end.get("ended_ms", 0)


class Fake:
    def __init__(self, behaviour: str, target: str, language: str, state: str) -> None:
        self.behaviour = behaviour
        self.target = target
        self.language = language
        self.state = Path(state) if state else None
        traces, _ = lint(CATALOGUE, read_spec(SPEC))
        self.expects = {each.id: each.expects for trace in traces for each in (trace, trace.unheard())}

    def describe(self, request: object, context: object) -> pb.DescribeResponse:
        return pb.DescribeResponse(
            language=self.language,
            package_version="9.9",
            spec_version="0.1" if self.behaviour == "other-spec" else "1.0",
            protocol_version=2 if self.behaviour == "other-protocol" else 1,
            features={
                "no-cancel": ["circuit_breaker", "cache"],
                "no-cache": ["circuit_breaker", "cancel"],
                "unknown-feature": ["circuit_breaker", "cache", "cancel", "teleport"],
            }.get(self.behaviour, ["circuit_breaker", "cache", "cancel"]),
        )

    def replay(self, requests: Iterator[pb.ReplayRequest], context: grpc.ServicerContext) -> Iterator[bytes]:
        for request in requests:
            right = pb.ReplayResponse(
                trace_id=request.trace.id, observation=observation(self.expects[request.trace.id], request.trace)
            )
            if request.trace.id == self.target:
                wrong = self.misbehave(right, context)
                if wrong is None:
                    return
                yield wrong
            else:
                yield right.SerializeToString()
        if self.behaviour == "chatters":
            yield pb.ReplayResponse(trace_id="one/more").SerializeToString()

    def misbehave(self, answer: pb.ReplayResponse, context: grpc.ServicerContext) -> bytes | None:
        match self.behaviour:
            case "crashes" | "crashes-once":
                if self.behaviour == "crashes" or self.first_time():
                    print("the fake falls over", file=sys.stderr, flush=True)
                    os._exit(7)
            case "hangs":
                time.sleep(3600)
            case "garbage":
                return b"\xff\xff\xff\xff"
            case "other-trace":
                answer.trace_id = "some/other"
            case "silent":
                return None
            case "empty":
                answer.ClearField("observation")
            case "unsupported":
                answer.unsupported = "never heard of it"
            case "lies":
                answer.observation.steps[0].policies[0].circuit_breaker.failure_count = 2
            case "differs":
                answer.observation.steps[0].policies[0].circuit_breaker.calls = 17
            case "leaks":
                answer.observation.leftovers = 3
            case "forgets-a-step":
                del answer.observation.steps[-1]
            case "aborts":
                context.abort(grpc.StatusCode.INTERNAL, "no more")
            case "shuffles":
                events = list(answer.observation.steps[-1].events)
                answer.observation.steps[-1].ClearField("events")
                answer.observation.steps[-1].events.extend(reversed(events))
        return answer.SerializeToString()

    def first_time(self) -> bool:
        assert self.state is not None
        if self.state.exists():
            return False
        self.state.touch()
        return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("behaviour")
    parser.add_argument("target", nargs="?", default="")
    parser.add_argument("--language", default="fake")
    parser.add_argument("--state", default="")
    arguments = parser.parse_args()
    match arguments.behaviour:
        case "no-address":
            time.sleep(3600)
        case "bad-address":
            print("8.8.8.8:53", flush=True)
            time.sleep(3600)
        case "dies-at-start":
            print("no such luck", file=sys.stderr)
            sys.exit(3)
    fake = Fake(arguments.behaviour, arguments.target, arguments.language, arguments.state)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    methods: dict[str, Any] = {
        "Describe": grpc.unary_unary_rpc_method_handler(
            fake.describe, pb.DescribeRequest.FromString, pb.DescribeResponse.SerializeToString
        ),
        "Replay": grpc.stream_stream_rpc_method_handler(fake.replay, pb.ReplayRequest.FromString, bytes),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    if arguments.behaviour == "has-children":
        child = subprocess.Popen(["sleep", "3600"])
        Path(arguments.state).write_text(str(child.pid))
    print(f"127.0.0.1:{port}", flush=True)
    sys.stdin.buffer.read()
    if arguments.behaviour == "does-not-end":
        time.sleep(3600)
    os._exit(5 if arguments.behaviour == "ends-badly" else 0)


if __name__ == "__main__":
    main()

"""From YAML to the message a driver replays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.trace import Trace, make_trace
from skidbladnir_conformance.yaml_nodes import read


def message(tmp_path: Path, subject: str, *steps: str) -> pb.Trace:
    return trace(tmp_path, subject, *steps).message


def trace(tmp_path: Path, subject: str, *steps: str) -> Trace:
    file = tmp_path / "a.yaml"
    lines = "".join(f"  - {step}\n" for step in steps)
    file.write_text(f"id: a/b\nclauses: [CB-1]\nwhy: because of it\nsubject: {subject}\nsteps:\n{lines}")
    document = read(file)
    assert not document.faults
    raw: dict[str, Any] = document.value
    raw["steps"] = raw["steps"] or []
    return make_trace(file, 1, raw)


def test_single_policy_is_a_composition_of_one(tmp_path: Path) -> None:
    subject = message(
        tmp_path, "{circuit_breaker: {failure_threshold: 0, window: {kind: count, failure_rate: 1}}}"
    ).subject
    (policy,) = subject.composition.policies
    assert not policy.HasField("name")
    assert policy.circuit_breaker.HasField("failure_threshold")
    assert policy.circuit_breaker.failure_threshold == 0
    assert not policy.circuit_breaker.HasField("reset_timeout_ms")
    assert policy.circuit_breaker.window == pb.Window(kind="count", failure_rate=1)


def test_composition_keeps_order_and_names(tmp_path: Path) -> None:
    subject = message(tmp_path, "{compose: [{name: outer, retry: {}}, {timeout: {}}]}").subject
    assert [(each.name, each.WhichOneof("pattern")) for each in subject.composition.policies] == [
        ("outer", "retry"),
        ("", "timeout"),
    ]


def test_patterns_are_written_as_in_a_provider_file(tmp_path: Path) -> None:
    subject = message(tmp_path, "{retry: {retryable_errors: [ECONNRESET, {regex: '5..'}]}}").subject
    assert list(subject.composition.policies[0].retry.retryable_errors.patterns) == ["ECONNRESET", "/5../"]


def test_empty_list_of_patterns_is_not_an_absent_one(tmp_path: Path) -> None:
    retry = message(tmp_path, "{retry: {retryable_errors: []}}").subject.composition.policies[0].retry
    assert retry.HasField("retryable_errors")


def test_sections_of_a_facade_are_given_left_out_or_off(tmp_path: Path) -> None:
    facade = message(
        tmp_path, "{facade: {name: f, retry: {max_retries: 1}, cache: null, bulkhead: null}}"
    ).subject.facade
    assert facade.retry.max_retries == 1
    assert list(facade.off) == ["cache", "bulkhead"]
    assert not facade.HasField("circuit_breaker")
    assert facade.name == "f"


def test_health_monitor_keeps_checks_and_circuits_by_provider(tmp_path: Path) -> None:
    subject = "{health: {providers: [a], checks: {a: [{ok: 'true'}]}, circuits: {a: null}, check_interval_ms: 5}}"
    health = message(tmp_path, subject).subject.health
    assert health.checks[0].rounds[0].ok.text == "true"
    assert (health.circuits[0].name, health.circuits[0].WhichOneof("pattern")) == ("a", "circuit_breaker")
    assert health.check_interval_ms == 5


@pytest.mark.parametrize(
    ("subject", "content"),
    [
        ("{provider_file: {file: 'ä'}}", "ä".encode()),
        ("{provider_file: {hex: ff fe}}", b"\xff\xfe"),
        ("{provider_file: {repeat: [{text: ab, times: 2}, {text: c, times: 1}]}}", b"ababc"),
    ],
)
def test_provider_file_is_given_as_text_bytes_or_repeated_text(tmp_path: Path, subject: str, content: bytes) -> None:
    assert message(tmp_path, subject).subject.provider_file.file == content


def test_provider_file_without_content_is_that_of_the_presets(tmp_path: Path) -> None:
    file = message(tmp_path, "{provider_file: {provider: zephyr}}").subject.provider_file
    assert not file.HasField("file")
    assert file.provider == "zephyr"


def test_script_alone_is_a_list_of_one(tmp_path: Path) -> None:
    trace = message(tmp_path, "{retry: {}}", "call: {id: a, op: {ok: null, after_ms: 5}}")
    (script,) = trace.steps[0].call.op
    assert script.after_ms == 5
    assert script.WhichOneof("end") == "ok"
    assert not script.ok.HasField("text")
    assert not trace.steps[0].call.HasField("key")


def test_errors_are_a_text_or_all_that_an_error_can_carry(tmp_path: Path) -> None:
    carried = "{message: m, http_status: 503, cause: {message: c, os_code: EPIPE}}"
    step = f"call: {{id: a, op: [{{error: boom}}, {{error: {carried}}}]}}"
    first, second = message(tmp_path, "{retry: {}}", step).steps[0].call.op
    assert first.error == pb.Error(message="boom")
    assert second.error == pb.Error(message="m", http_status=503, cause=pb.Error(message="c", os_code="EPIPE"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("ignore", pb.OnCancel(ignore=pb.Ignore())),
        ("{settle_after_ms: 0}", pb.OnCancel(settle_after_ms=0)),
        ("{settle_after_ms: 5, ok: late}", pb.OnCancel(settle_after_ms=5, ok=pb.Value(text="late"))),
        ("{error: x}", pb.OnCancel(error=pb.Error(message="x"))),
    ],
)
def test_reactions_to_cancellation(tmp_path: Path, written: str, expected: pb.OnCancel) -> None:
    step = f"call: {{id: a, op: {{never: true, on_cancel: {written}}}}}"
    assert message(tmp_path, "{timeout: {}}", step).steps[0].call.op[0].on_cancel == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("cancel: a", pb.Step(cancel="a")),
        ("advance_ms: 5", pb.Step(advance_ms=5)),
        ("invalidate: k", pb.Step(invalidate="k")),
        ("clear:", pb.Step(clear=pb.Target())),
        ("reset: other", pb.Step(reset=pb.Target(policy="other"))),
        ("check_health:", pb.Step(check_health=pb.Target())),
    ],
)
def test_steps(tmp_path: Path, written: str, expected: pb.Step) -> None:
    assert message(tmp_path, "{cache: {}}", written).steps[0] == expected


@pytest.mark.parametrize(
    ("subject", "step", "needs", "level"),
    [
        ("{circuit_breaker: {}}", "call: {id: a, op: {ok: x}}", {"circuit_breaker"}, 1),
        ("{circuit_breaker: {}}", "call: {id: a, op: {ok: x, after_ms: 1}}", {"circuit_breaker"}, 2),
        ("{bulkhead: {}}", "call: {id: a, op: [{ok: x}, {never: true}]}", {"bulkhead"}, 2),
        ("{retry: {}}", "call: {id: a, op: {ok: x}}", {"retry"}, 2),
        ("{retry: {initial_delay_ms: 0}}", "call: {id: a, op: {ok: x}}", {"retry"}, 1),
        ("{fallback: {handler: {ok: x, after_ms: 1}}}", "call: {id: a, op: {error: x}}", {"fallback"}, 2),
        ("{compose: [{cache: {}, name: one}]}", "invalidate: x", {"cache"}, 1),
        ("{cache: {}}", "call: {id: a, op: {ok: x}, cancelled: true}", {"cache", "cancel"}, 3),
        ("{timeout: {mode: cancel}}", "cancel: a", {"timeout", "cancel"}, 3),
        ("{compose: [{retry: {}}, {timeout: {}}]}", "cancel: a", {"retry", "timeout", "composition", "cancel"}, 4),
        ("{facade: {cache: null, bulkhead: null}}", "advance_ms: 1", {"facade", "circuit_breaker", "timeout", "retry"}, 5),
        ("{facade: {provider: zephyr}}", "advance_ms: 1", {"facade", "providers"}, 5),
        ("{health: {providers: [a]}}", "start:", {"health"}, 5),
        ("{health: {providers: [a], circuits: {a: {}}}}", "start:", {"health", "circuit_breaker"}, 5),
    ],
)
def test_what_a_trace_needs_follows_from_what_it_uses(
    tmp_path: Path, subject: str, step: str, needs: set[str], level: int
) -> None:
    made = trace(tmp_path, subject, step)
    assert made.needs == needs
    assert made.level == level

"""`conformance run` against drivers that are right, and against every way to be wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from conformance_support import CATALOGUE, Conformance, fake
from skidbladnir_conformance import process
from skidbladnir_conformance.trace import UNHEARD

FIRST = "circuit_breaker/failure-is-counted"
SECOND = "circuit_breaker/slow-call-is-pending"
STALE = "cache/stale-value-stands-in"


def test_right_drivers_pass(conformance: Conformance) -> None:
    result = conformance("run", execs=[fake("right"), fake("right", "--language", "other")])
    assert result.exit_code == 0, result.output
    assert "fake 9.9: 5 passed" in result.output
    assert "5 traces, all passed; replay" in result.output


def test_two_drivers_of_one_language_are_two_columns(conformance: Conformance) -> None:
    result = conformance("run", execs=[fake("right"), fake("right")])
    assert "fake' 9.9: 5 passed" in result.output


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("crashes", "crashed: UNAVAILABLE"),
        ("garbage", "bytes that are no ReplayResponse"),
        ("other-trace", f"answered 'some/other' when '{FIRST}' was due"),
        ("silent", "closed the stream without an answer"),
        ("aborts", "INTERNAL: no more"),
        ("empty", "answered neither an observation nor a reason"),
        ("unsupported", "unsupported: never heard of it"),
        ("leaks", "3 timers, tasks or listeners are left behind"),
        ("forgets-a-step", "0 steps were observed of 1"),
        ("lies", "policies.circuit_breaker.failure_count: expected 1, saw 2"),
    ],
)
def test_wrong_answer_costs_its_trace_alone(conformance: Conformance, behaviour: str, said: str) -> None:
    result = conformance("run", execs=[fake(behaviour, FIRST)])
    assert result.exit_code == 1
    assert said in result.output
    assert f"FAILED {FIRST} in fake" in result.output
    assert "4 passed, 1 failed" in result.output


def test_crash_shows_how_the_driver_ended_and_what_it_said(conformance: Conformance) -> None:
    result = conformance("run", execs=[fake("crashes", FIRST)])
    assert "(exit code 7)" in result.output
    assert "| the fake falls over" in result.output


def test_hanging_driver_costs_its_trace_and_ends(conformance: Conformance) -> None:
    began = time.monotonic()
    result = conformance("run", "--timeout", "0.5", execs=[fake("hangs", FIRST)])
    assert "hangs: no answer within 0.5 s" in result.output
    assert "4 passed, 1 failed" in result.output
    assert time.monotonic() - began < 15


def test_crash_is_laid_to_the_trace_that_caused_it(conformance: Conformance) -> None:
    """Answers that a driver gave before it crashed may never have left it."""
    result = conformance("run", execs=[fake("crashes", SECOND)])
    assert f"FAILED {SECOND}" in result.output
    assert "4 passed, 1 failed" in result.output


def test_crash_that_does_not_come_again_is_not_forgotten(conformance: Conformance, tmp_path: Path) -> None:
    result = conformance("run", execs=[fake("crashes-once", FIRST, "--state", str(tmp_path / "crashed"))])
    assert result.exit_code == 1
    assert "but not when sent again" in result.output


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("other-protocol", "speaks protocol version 2; this runner speaks 1"),
        ("other-spec", "is of specification '0.1'; this catalogue is of '1.0'"),
        ("bad-address", "printed '8.8.8.8:53', which is no address of this machine"),
        ("dies-at-start", "ended before it printed an address (exit code 3)\n    | no such luck"),
        ("chatters", "answers more than it was asked"),
    ],
)
def test_unusable_driver_fails_its_column_and_no_other(conformance: Conformance, behaviour: str, said: str) -> None:
    result = conformance("run", execs=[fake(behaviour), fake("right", "--language", "other")])
    assert result.exit_code == 1
    assert said in result.output
    assert "other 9.9: 5 passed" in result.output
    assert "not run" in result.output


def test_driver_without_address_fails_its_column(conformance: Conformance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "START_SECONDS", 0.5)
    result = conformance("run", execs=[fake("no-address")])
    assert result.exit_code == 1
    assert "printed no address within 0.5 s" in result.output


def test_driver_that_is_not_there_fails_its_column(conformance: Conformance) -> None:
    result = conformance("run", execs=["./no-such-driver"])
    assert result.exit_code == 1
    assert "cannot start ./no-such-driver: No such file or directory" in result.output


def test_trace_that_needs_a_missing_feature_is_skipped_and_counted(conformance: Conformance) -> None:
    result = conformance("run", execs=[fake("no-cancel")])
    assert result.exit_code == 0
    assert "fake 9.9: 4 passed, 1 skipped" in result.output


def test_pattern_that_a_driver_does_not_have_is_skipped(conformance: Conformance) -> None:
    result = conformance("run", execs=[fake("no-cache")])
    assert result.exit_code == 0
    assert "fake 9.9: 3 passed, 2 skipped" in result.output


def test_unknown_feature_does_no_harm(conformance: Conformance) -> None:
    assert conformance("run", execs=[fake("unknown-feature")]).exit_code == 0


def test_column_that_saw_something_else_fails_though_its_expectations_hold(conformance: Conformance) -> None:
    right = [fake("right", "--language", language) for language in ("one", "two")]
    result = conformance("run", execs=[*right, fake("differs", FIRST, "--language", "three")])
    assert f"FAILED {FIRST} in three" in result.output
    assert "three: saw something else than one, two" in result.output
    row = next(line for line in result.output.splitlines() if "circuit_breaker.calls" in line)
    assert "≠ 17" in row


def test_trace_must_also_hold_when_nobody_listens(conformance: Conformance) -> None:
    result = conformance("run", execs=[fake("lies", f"{FIRST}{UNHEARD}")])
    assert f"FAILED {FIRST} in fake" in result.output
    assert "fake: when nobody listens: policies.circuit_breaker.failure_count: expected 1, saw 2" in result.output


def test_where_as_many_disagree_python_is_right(conformance: Conformance) -> None:
    execs = [fake("right", "--language", "python"), fake("differs", FIRST, "--language", "go")]
    assert f"FAILED {FIRST} in go\n" in conformance("run", execs=execs).output


def test_where_as_many_disagree_without_python_all_fail(conformance: Conformance) -> None:
    execs = [fake("right", "--language", "go"), fake("differs", FIRST, "--language", "ruby")]
    assert f"FAILED {FIRST} in go, ruby" in conformance("run", execs=execs).output


def test_events_of_one_instant_may_change_places_where_the_trace_says_so(conformance: Conformance) -> None:
    execs = [fake("right", "--language", "one"), fake("shuffles", STALE, "--language", "two")]
    assert conformance("run", execs=execs).exit_code == 0


def test_events_may_not_change_places_otherwise(conformance: Conformance) -> None:
    result = conformance("run", execs=[fake("shuffles", FIRST)])
    assert "events: expected [call_admitted, call_failed], saw [call_failed, call_admitted]" in result.output


def test_failure_is_shown_as_a_timeline_with_the_command_that_replays_it(conformance: Conformance) -> None:
    result = conformance("run", execs=[fake("right", "--language", "one"), fake("lies", FIRST)])
    row = next(line for line in result.output.splitlines() if "circuit_breaker.failure_count " in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["policies.circuit_breaker.failure_count", "1", "1", "≠ 2"]
    assert f"--id {FIRST}" in result.output
    assert "opening.yaml:1 " in result.output


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--pattern", "cache"], 2),
        (["--clause", "CB-22"], 1),
        (["--id", "circuit_breaker/*"], 3),
        (["--id", FIRST, "--id", STALE], 2),
    ],
)
def test_filters(conformance: Conformance, arguments: list[str], count: int) -> None:
    assert f"{count} traces, all passed" in conformance("run", *arguments, execs=[fake("right")]).output


def test_language_leaves_out_other_drivers(conformance: Conformance) -> None:
    execs = [fake("right", "--language", "one"), fake("lies", FIRST, "--language", "two")]
    result = conformance("run", "--language", "one", execs=execs)
    assert result.exit_code == 0
    assert "two" not in result.output


def test_nothing_selected_is_an_error(conformance: Conformance) -> None:
    result = conformance("run", "--id", "no/such", execs=[fake("right")])
    assert result.exit_code == 2
    assert "no trace is selected" in result.output


def test_faulty_catalogue_starts_no_driver(conformance: Conformance, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "a.yaml").write_text("- id: cache/x\n  colour: red\n")
    result = conformance("run", "--catalogue", str(tmp_path), execs=["./never-started"])
    assert result.exit_code == 2
    assert "a.yaml:2: unknown key 'colour'" in result.output
    assert "never-started" not in result.output


def test_driver_that_does_not_end_is_killed_with_a_warning(
    conformance: Conformance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "END_SECONDS", 0.3)
    result = conformance("run", execs=[fake("does-not-end")])
    assert result.exit_code == 0
    assert "did not end within 0.3 s after its standard input closed, and was killed" in result.output


def test_driver_that_ends_badly_gets_a_warning(conformance: Conformance) -> None:
    assert "ended with exit code 5" in conformance("run", execs=[fake("ends-badly")]).output


def test_children_of_a_driver_do_not_outlive_it(conformance: Conformance, tmp_path: Path) -> None:
    state = tmp_path / "child"
    conformance("run", execs=[fake("has-children", "--state", str(state))])
    assert _ends(int(state.read_text()))


def test_terminated_run_leaves_no_driver(tmp_path: Path) -> None:
    state = tmp_path / "child"
    command = [sys.executable, "-m", "skidbladnir_conformance", "run", "--catalogue", str(CATALOGUE)]
    execs = ["--exec", fake("has-children", "--state", str(state)), "--exec", fake("hangs", FIRST, "--language", "b")]
    run = subprocess.Popen([*command, *execs], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    while not (state.exists() and state.read_text()):
        time.sleep(0.05)
    time.sleep(0.5)
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=10)
    assert run.returncode == 2
    assert said == b"interrupted\n"
    assert _ends(int(state.read_text()))


def test_connected_driver_is_used_and_left_alone(conformance: Conformance) -> None:
    command = [sys.executable, str(Path(__file__).parent / "fake_drivers.py"), "silent", FIRST]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        address = driver.stdout.readline().strip()
        result = conformance("run", "--connect", address)
        assert "4 passed, 1 failed" in result.output
        assert f"--connect {address}" in result.output
        assert driver.poll() is None
        assert driver.stdin is not None
        driver.stdin.close()


def test_connecting_to_nobody_fails_the_column(conformance: Conformance) -> None:
    result = conformance("run", "--timeout", "0.5", "--connect", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "does not describe itself" in result.output


def test_junit_has_a_suite_for_each_language(conformance: Conformance, tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    execs = [fake("lies", FIRST), fake("no-cancel", "--language", "two"), fake("other-spec", "--language", "three")]
    conformance("run", "--junit", str(file), execs=execs)
    suites = {suite.get("name"): suite for suite in ElementTree.parse(file).getroot()}
    assert suites["fake"].get("failures") == "1"
    assert suites["two"].get("skipped") == "1"
    failure = suites["fake"].find(f"testcase[@name='{FIRST}']/failure")
    assert failure is not None
    assert failure.get("message") == "policies.circuit_breaker.failure_count: expected 1, saw 2"
    broken = next(suite for name, suite in suites.items() if name not in ("fake", "two"))
    assert broken.find("testcase[@name='driver']/error") is not None


def test_markdown_has_the_matrix_and_the_failures(conformance: Conformance, tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    conformance("run", "--markdown", str(file), execs=[fake("lies", FIRST)])
    text = file.read_text()
    assert "| pattern | fake |" in text
    assert "| circuit_breaker | 2 passed, 1 failed |" in text
    assert f"- `{FIRST}` in fake: policies.circuit_breaker.failure_count: expected 1, saw 2" in text


def _ends(process_id: int) -> bool:
    """Whether a process ends soon. One that is dead and waits for somebody to take notice has ended."""
    for _ in range(100):
        try:
            if "\nState:\tZ" in Path(f"/proc/{process_id}/status").read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False

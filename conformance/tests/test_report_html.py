"""The report as one HTML file: that it is whole by itself, safe, and says what was seen."""

from __future__ import annotations

import json
import re
import shlex
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from conformance_support import HERE, Conformance, fake
from report_support import Page, page_of, traces_of
from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.coverage import read_transitions
from skidbladnir_conformance.paths import CATALOGUE, SPEC
from skidbladnir_conformance.report_html.diagram import LEVEL, Arrow, draw
from skidbladnir_conformance.report_html.machines import machines
from skidbladnir_conformance.report_html.timeline import timeline

FIRST = "circuit_breaker/failure-is-counted"
LYING = shlex.join([sys.executable, str(HERE / "lying_driver.py")])
OPENS = "circuit_breaker/threshold-of-one-opens-at-once"

HOSTILE = """
- id: circuit_breaker/hostile
  clauses: [CB-1]
  why: "</script><script>alert(1)</script><!--<script> & <img src=x onerror=alert(2)> ' \\" \\u2028"
  subject: {circuit_breaker: {}}
  steps:
    - call: {id: "</script><b>", op: {error: "<i>boom</i>]]>"}}
      expect: {calls: {"</script><b>": {error: operation}}}
"""

OVERLAPPING = """
- id: circuit_breaker/overlapping
  clauses: [CB-1]
  why: calls overlap
  subject: {circuit_breaker: {failure_threshold: 1}}
  steps:
    - call: {id: a, op: [{error: boom, after_ms: 100, on_cancel: {settle_after_ms: 20, ok: late}}, {ok: x, after_ms: 60000}]}
    - advance_ms: 5
    - cancel: a
    - advance_ms: 60000
      expect: {running: 0}
"""


@pytest.fixture
def report(conformance: Conformance, tmp_path: Path) -> Any:
    """Runs fake drivers with --html; the page."""

    def run(*arguments: str, execs: list[str]) -> Page:
        file = tmp_path / "report.html"
        conformance("run", "--html", str(file), *arguments, execs=execs)
        return Page(file.read_text(encoding="utf-8"))

    return run


def test_page_is_well_formed_and_whole_by_itself(report: Any) -> None:
    page = report(execs=[fake("right"), fake("lies", FIRST, "--language", "liar")])
    assert page.text.startswith("<!doctype html>\n<html lang=")
    assert page.faults == []
    assert len(page.ids) == len(set(page.ids))
    assert [load for load in page.loads if not load.startswith(("#", "data:"))] == []
    assert not re.search(r"@import|url\(|@font-face", page.scripts["style"])
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|import)\s*\(", page.scripts["script"])
    assert "default-src 'none'" in page.text


def test_every_link_within_the_page_has_its_aim(report: Any) -> None:
    page = report(execs=[fake("right"), fake("lies", FIRST, "--language", "liar")])
    aims = {load[1:].partition("?")[0] for load in page.loads if load.startswith("#")}
    assert aims - set(page.ids) == set()


def test_green_run_says_so_with_versions_and_counts(report: Any) -> None:
    page = report(execs=[fake("right"), fake("right", "--language", "other")])
    assert "2 columns do what 5 traces say, and see the same." in page.said
    assert "fake 9.9 5 passed" in page.said
    assert "What failed" not in page.said


def test_failure_is_told_at_the_top_and_marked_in_its_trace(report: Any) -> None:
    page = report(execs=[fake("right"), fake("lies", FIRST, "--language", "liar")])
    assert "1 of 5 traces failed." in page.said
    assert f"{FIRST} liar policies.circuit_breaker.failure_count: expected 1, saw 2" in page.said
    trace = page.trace(FIRST)
    assert [(lane["columns"], lane["outcome"]) for lane in trace["lanes"]] == [([0], "passed"), ([1], "failed")]
    assert ["policies.circuit_breaker.failure_count", "1", ["1", "2"], ["", "wrong"]] in trace["steps"][0]["rows"]


def test_difference_that_nobody_expected_is_marked_too(report: Any) -> None:
    page = report(execs=[fake("right"), fake("right", "--language", "other"), fake("differs", FIRST, "--language", "third")])
    trace = page.trace(FIRST)
    assert [(lane["columns"], lane["outcome"]) for lane in trace["lanes"]] == [([0, 1], "passed"), ([2], "failed")]
    assert ["policies.circuit_breaker.calls", None, ["0", "17"], ["", "unlike"]] in trace["steps"][0]["rows"]


def test_alike_languages_share_a_lane_and_no_row_repeats_what_is_expected(report: Any) -> None:
    page = report(execs=[fake("right"), fake("right", "--language", "other")])
    for trace in page.data["traces"]:
        assert [lane["columns"] for lane in trace["lanes"]] == [[0, 1]]
        assert all(len(row) == 2 for step in trace["steps"] for row in step.get("rows", ()))


def test_driver_that_cannot_run_and_traces_it_skips(report: Any) -> None:
    page = report(execs=[fake("no-cancel"), fake("dies-at-start", "--language", "dead")])
    assert "ended before it printed an address (exit code 3)" in page.said
    outcomes = {lane["outcome"] for trace in page.data["traces"] for lane in trace["lanes"]}
    assert outcomes == {"passed", "skipped", "not run"}
    assert "The run is not complete." in page.said
    assert "1 replay was skipped" in page.said


def test_crash_stands_in_its_lane(report: Any) -> None:
    page = report(execs=[fake("crashes", FIRST)])
    lane = page.trace(FIRST)["lanes"][0]
    assert "calls" not in lane
    assert "crashed: UNAVAILABLE" in lane["reasons"][0]


def test_known_failure_is_not_red(report: Any, tmp_path: Path) -> None:
    known = tmp_path / "known.yaml"
    known.write_text(f"- {{language: fake, id: {FIRST}, reason: we know}}\n")
    page = report("--known-failures", str(known), execs=[fake("lies", FIRST)])
    assert page.trace(FIRST)["lanes"][0]["outcome"] == "known"
    assert "Passed" in page.said
    assert "9.9 4 passed 1 known" in page.said


def test_selection_is_told_as_such(report: Any) -> None:
    page = report("--id", FIRST, execs=[fake("right")])
    assert "A selection: 1 of the 5 traces of the catalogue." in page.said


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    traces = traces_of(tmp_path, HOSTILE)
    seen = pb.Observation()
    step = seen.steps.add()
    step.calls.add(id="</script><b>", ended_ms=0, starts_ms=[0], error=pb.CallError(code="operation", message="</script><i>boom</i>"))
    event = step.events.add(type="call_failed", policy="</script>")
    event.error = "--><script>"
    page = page_of(traces, {"<u>lang</u>": {traces[0].id: seen}, "</script>": {traces[0].id: "<script>crashed()</script>"}})
    assert page.faults == []
    assert page.text.count("<script") == 2
    assert "<img" not in page.text
    assert "<u>" not in page.text
    trace = page.trace("circuit_breaker/hostile")
    assert trace["why"].startswith("</script><script>alert(1)</script><!--")
    assert trace["lanes"][0]["calls"][0]["id"] == "</script><b>"
    assert trace["lanes"][0]["events"] == [[0, 0, "call_failed", "</script>", "error --><script>"]]
    assert page.data["columns"] == ["<u>lang</u>", "</script>"]


def test_attempts_end_by_script_or_by_signal(tmp_path: Path) -> None:
    (trace,) = traces_of(tmp_path, OVERLAPPING)
    seen = pb.Observation()
    for now in (0, 5, 5, 60005):
        step = seen.steps.add(now_ms=now)
        step.calls.add(id="a", pending=pb.Pending(), starts_ms=[0])
    for step in seen.steps[2:]:
        step.calls[0].signals_ms.append(5)
    end = seen.steps[3].calls[0]
    end.starts_ms.append(25)
    end.ok.text = "x"
    end.ended_ms = 60005
    (call,) = timeline(trace, seen)["calls"]
    assert call["at"] == 0
    assert call["signals"] == [[2, 5]]
    assert call["tries"] == [{"from": [0, 0], "how": "ok", "to": [3, 25]}, {"from": [3, 25], "how": "running"}]
    assert (call["end"], call["how"], call["says"]) == ([3, 60005], "ok", "x")


def test_attempt_that_ends_by_a_signal_ends_in_the_step_of_the_signal(tmp_path: Path) -> None:
    (trace,) = traces_of(tmp_path, OVERLAPPING.replace(", on_cancel: {settle_after_ms: 20, ok: late}", ""))
    seen = pb.Observation()
    for now in (0, 5, 5, 60005):
        seen.steps.add(now_ms=now).calls.add(id="a", pending=pb.Pending(), starts_ms=[0])
    for step in seen.steps[2:]:
        step.calls[0].signals_ms.append(5)
    (call,) = timeline(trace, seen)["calls"]
    assert call["tries"] == [{"from": [0, 0], "how": "cancelled", "to": [2, 5]}]
    assert call["how"] == "pending"


def test_band_follows_events_and_trusts_what_is_seen_after_a_step(tmp_path: Path) -> None:
    (trace,) = traces_of(tmp_path, OVERLAPPING)
    seen = pb.Observation()
    for now, state in ((0, "CLOSED"), (5, "CLOSED"), (5, "OPEN"), (60005, "DISABLED")):
        step = seen.steps.add(now_ms=now)
        step.policies.add(name="circuit_breaker").circuit_breaker.state = state
    event = seen.steps[2].events.add(type="circuit_state_changed", policy="circuit_breaker", at_ms=5, to="OPEN")
    setattr(event, "from", "CLOSED")
    assert timeline(trace, seen)["bands"] == [{"name": "circuit_breaker", "states": [[0, 0, "CLOSED"], [2, 5, "OPEN"], [3, 60005, "DISABLED"]]}]


def test_page_of_a_lying_driver(conformance: Conformance, tmp_path: Path) -> None:
    """The real catalogue, a real driver, and one with a bug: what the port's author gets to see."""
    file = tmp_path / "report.html"
    result = conformance("run", "--catalogue", str(CATALOGUE), "--id", OPENS, "--driver", "python", "--html", str(file), execs=[LYING])
    assert result.exit_code == 1
    page = Page(file.read_text(encoding="utf-8"))
    honest, lying = page.trace(OPENS)["lanes"]
    assert [state[2] for state in honest["bands"][0]["states"]] == ["CLOSED", "OPEN"]
    assert [state[2] for state in lying["bands"][0]["states"]] == ["CLOSED"]
    marks = {row[0]: row[3] for step in page.trace(OPENS)["steps"] for row in step.get("rows", ()) if len(row) > 2}
    assert marks["policies.circuit_breaker.state"] == ["", "wrong"]
    assert f"--exec {shlex.quote(LYING)}" in page.data["command"]


def test_report_command_replays_and_shows_the_figures(conformance: Conformance, tmp_path: Path) -> None:
    mutants, fuzz, out = tmp_path / "mutants.json", tmp_path / "fuzz.json", tmp_path / "some" / "report.html"
    survivor = {"file": "python/x.py", "number": 7, "line": "if a < b:", "mutation": "a < b -> a <= b"}
    counts = {"mutants": 1234, "killed": 1200, "timed out": 10, "survived": 1, "equivalent": 20, "free": 4, "outside": 3}
    listed = [survivor | {"kind": "equivalent", "reason": "nobody can tell <b>"}]
    figures = {**counts, "score": 0.9876, "survivors": [survivor | {"which": 0}], "listed": listed}
    mutants.write_text(json.dumps({"catalogue": "x", "languages": {"python": figures}}))
    fuzz.write_text(
        json.dumps(
            {"seed": 7, "drivers": ["python", "go"], "traces": 5000, "seconds": 2.5, "rate": 2000, "shares": {"subject: facade": 0.25}, "found": []}
        )
    )
    result = conformance("report", "--mutants", str(mutants), "--fuzz", str(fuzz), "--out", str(out))
    assert result.exit_code == 0, result.output
    page = Page(out.read_text(encoding="utf-8"))
    assert page.data["columns"] == ["python", "python-sync", "go", "typescript"]
    assert "python1,234" in page.said.replace(" ", "")
    assert "98.8 %" in page.said
    assert "python: 1 survived without a reason" in page.said
    assert "python: 1 equivalent. nobody can tell <b>" in page.said
    assert "5,000 traces from seed 7 through python, go in 2.5 s, 2,000 a second; nothing found." in page.said


def test_sections_without_figures_name_the_command_that_makes_them(report: Any) -> None:
    page = report(execs=[fake("right")])
    assert "No figures of mutation in this report. make mutants makes them" in page.said
    assert "No figures of exploration in this report. make fuzz makes them" in page.said


@pytest.mark.parametrize("content", ["{", "[]", '{"languages": {"python": {}}}', '{"languages": 3}'])
def test_damaged_figures_are_told_before_anything_runs(conformance: Conformance, tmp_path: Path, content: str) -> None:
    mutants, out = tmp_path / "mutants.json", tmp_path / "report.html"
    mutants.write_text(content)
    result = conformance("report", "--mutants", str(mutants), "--out", str(out))
    assert result.exit_code == 2
    assert f"{mutants} is damaged" in result.output
    assert not out.exists()
    assert mutants.read_text() == content


def test_every_transition_is_drawn_or_stays_in_its_state() -> None:
    transitions = read_transitions(SPEC)
    for machine in machines(transitions, []):
        drawn = {(edge.source, edge.target) for edge in machine.diagram.edges}
        moving = {(row.transition.state, row.transition.next) for row in machine.rows if row.transition.state != row.transition.next}
        assert drawn == moving
        assert not any(edge.complete for edge in machine.diagram.edges)
    assert sum(len(machine.rows) for machine in machines(transitions, [])) == len(transitions)


def test_brackets_of_one_level_do_not_touch_and_ports_are_apart() -> None:
    states = list("ABCDE")
    diagram = draw(states, {(one, other): Arrow(("go",), True) for one in states for other in states if one != other})
    assert len(diagram.edges) == 20
    spans = {}
    for edge in diagram.edges:
        leave, *_, enter = map(float, re.findall(r"[MHQ, ](\d+\.\d)", edge.path))
        spans[edge] = (min(leave, enter), max(leave, enter))
        assert abs(edge.y) % 1 == 0
    for one, other in combinations(diagram.edges, 2):
        assert abs(one.y - other.y) >= LEVEL or spans[one][1] < spans[other][0] or spans[other][1] < spans[one][0]

"""`conformance lint` and `list`: each fault with its file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conformance_support import Conformance
from skidbladnir_conformance.lint import lint, lint_packages, uncovered
from skidbladnir_conformance.paths import CATALOGUE, SPEC
from skidbladnir_conformance.spec import read_spec

Faults = Callable[[str], list[str]]

HEAD = "- id: {folder}/x\n  clauses: [CB-1]\n  why: a reason to have it\n"
BREAKER = HEAD.format(folder="circuit_breaker") + "  subject: {circuit_breaker: {}}\n"


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    """The faults of one file in the folder that its first trace names, as ``line: message``."""

    def check(text: str) -> list[str]:
        folder = tmp_path / ("circuit_breaker" if "/" not in text else text.split("/")[0].rpartition(" ")[2])
        folder.mkdir(exist_ok=True)
        (folder / "a.yaml").write_text(text)
        _, found = lint(tmp_path, read_spec(SPEC))
        return [f"{fault.line}: {fault.message.removeprefix(f'{folder.name}/x: ')}" for fault in found]

    return check


def steps(*lines: str) -> str:
    return BREAKER + "  steps:\n" + "".join(f"    {line}\n" for line in lines)


CALL = "- call: {id: a, op: {ok: x}}"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([CALL, "  expect: {runing: 1}"], "7: unknown key 'runing' in steps[0].expect; did you mean 'running'?"),
        ([CALL, "  expect: {}"], "7: steps[0].expect: nothing is given here"),
        ([CALL, "  expect: {calls: {a: {}}}"], "7: steps[0].expect.calls.a: nothing is given here"),
        (["- advance_ms: 0"], "6: steps[0].advance_ms: 0 is less than the minimum of 1"),
        (["- call: {id: a}"], "6: steps[0].call: 'op' is missing"),
        (["- call: {id: a, op: {after_ms: 1}}"], "exactly one of ok, error, never is needed, not none"),
        (["- call: {id: a, op: {ok: x, error: y}}"], "exactly one of ok, error, never is needed, not ok and error"),
        (["- call: {id: a, op: {ok: 1}}"], "6: steps[0].call.op.ok: 1 is not of type 'string', 'null'"),
        (["- {expect: {running: 0}}"], "is needed, not none"),
        ([CALL, "  advance_ms: 1"], "is needed, not call and advance_ms"),
        ([CALL], "5: expects nothing"),
        (
            ["- call: {id: a, op: {never: true}}", "  expect: {calls: {a: pending}}"],
            "5: vacuous: all it expects is that calls are pending when they begin",
        ),
        ([CALL, "  expect: {calls: {b: pending}}"], "7: there is no call b before this step"),
        (["- cancel: a", "  expect: {running: 0}"], "6: there is no call a before this step"),
        ([CALL, "  expect: {running: 0}", CALL], "8: a second call a"),
        (
            [CALL, "  expect: {policies: {cache: {size: 1}}}"],
            "7: there is no policy cache with a state; there are circuit_breaker",
        ),
        (
            [CALL, "  expect: {policies: {circuit_breaker: {size: 1}}}"],
            "7: the state of a circuit_breaker has no size",
        ),
        ([CALL, "  expect: {policies: {circuit_breaker: {state: SHUT}}}"], "'SHUT' is not one of"),
        ([CALL, "  expect: {events: [call_admited]}"], "7: there is no event call_admited"),
        ([CALL, "  expect: {events: [{type: cache_hit, reason: x}]}"], "7: cache_hit has no field reason"),
        ([CALL, "  expect: {events: [{type: call_failed, error: broken}]}"], "7: broken is no error code"),
        ([CALL, "  expect: {health: {a: {status: UP}}}"], "7: only a health monitor has providers"),
        (["- start:", "  expect: {running: 0}"], "6: only a health monitor does this"),
        (["- clear:", "  expect: {running: 0}"], "6: there is no cache in the subject"),
        (
            ["- reset: other", "  expect: {running: 0}"],
            "6: there is no circuit_breaker other; there are circuit_breaker",
        ),
        (
            ["- call: {id: a, op: {ok: x}, fallback: {ok: y}}", "  expect: {running: 0}"],
            "6: only a facade takes a fallback with the call",
        ),
        (
            ["- advance_ms: 99999999999999999999", "  expect: {running: 0}"],
            "1: the protocol cannot carry it",
        ),
    ],
)
def test_fault_of_a_step(faults: Faults, lines: list[str], said: str) -> None:
    found = faults(steps(*lines))
    assert any(said in fault for fault in found), found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            BREAKER.replace("CB-1", "CB-99") + "  steps: [{call: {id: a, op: {ok: x}}, expect: {running: 0}}]",
            "2: CB-99 does",
        ),
        (
            BREAKER.replace("CB-1", "GN-8") + "  steps: [{call: {id: a, op: {ok: x}}, expect: {running: 0}}]",
            "2: GN-8 is held",
        ),
        (BREAKER, "1: trace: exactly one of steps, expect is needed, not none"),
        (BREAKER + "  expect: {effective: {a: 1}}", "5: only a provider file has effective options"),
        (BREAKER + "  expect: {faults: []}", "5: vacuous: a subject without faults is to be run in steps"),
        (BREAKER + "  expect: {faults: [{code: odd, path: x}]}", "5: expect.faults[0].code: 'odd' is not one of"),
        (BREAKER.replace("/x", "/X_y") + "  expect: {faults: []}", "1: id: 'circuit_breaker/X_y' does not match"),
        (BREAKER.replace("  why: a reason to have it\n", ""), "1: trace: 'why' is missing"),
        (
            HEAD.format(folder="facade")
            + "  subject: {facade: {cache: null}}\n  steps: [{clear: null, expect: {running: 0}}]",
            "5: there is no cache in the subject",
        ),
        (
            HEAD.format(folder="composition")
            + "  subject: {compose: [{cache: {}, name: one}, {cache: {}, name: two}]}\n"
            + "  steps:\n    - clear:\n      expect: {running: 0}\n",
            "6: which one? There are one, two",
        ),
        (
            HEAD.format(folder="composition")
            + "  subject: {compose: [{cache: {}, retry: {}}]}\n  steps: [{advance_ms: 1}]",
            "timeout, cache, fallback is needed, not retry and cache",
        ),
        (
            HEAD.format(folder="providers") + "  subject: {provider_file: {file: x, hex: 'ff'}}\n"
            "  expect: {faults: []}",
            "only one of file, hex may be given",
        ),
    ],
)
def test_fault_of_a_trace(faults: Faults, text: str, said: str) -> None:
    found = faults(text)
    assert any(said in fault for fault in found), found


def test_id_of_another_folder_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "a.yaml").write_text(steps(CALL, "  expect: {running: 0}"))
    _, found = lint(tmp_path, read_spec(SPEC))
    assert "a trace in the folder cache is named cache/..." in str(found[0])


def test_id_given_twice_is_a_fault_that_names_the_first_place(faults: Faults) -> None:
    text = steps(CALL, "  expect: {running: 0}")
    (found,) = faults(text + text)
    assert found.startswith("8: the id is taken already, at ")
    assert found.endswith("a.yaml:1")


def test_fault_does_not_hide_the_traces_beside_it(tmp_path: Path) -> None:
    (tmp_path / "circuit_breaker").mkdir()
    good = steps(CALL, "  expect: {running: 0}")
    (tmp_path / "circuit_breaker" / "a.yaml").write_text(good.replace("/x", "/bad") + "  colour: red\n" + good)
    traces, found = lint(tmp_path, read_spec(SPEC))
    assert [trace.id for trace in traces] == ["circuit_breaker/x"]
    assert len(found) == 1


def test_catalogue_has_no_faults() -> None:
    _, found = lint(CATALOGUE, read_spec(SPEC))
    assert list(map(str, found)) == []


def test_clause_without_a_trace_is_a_fault_at_its_line_of_the_spec(tmp_path: Path) -> None:
    (tmp_path / "one.md").write_text(
        "# One\n\n**AB-1** Held.\n\n**AB-2** Not *held*.\n\n**AB-3** *(package tests)* Other.\n"
    )
    (tmp_path / "events.md").write_text("")
    found = uncovered([], read_spec(tmp_path))
    assert [(fault.line, fault.message) for fault in found] == [(3, "no trace names AB-1"), (5, "no trace names AB-2")]


def test_clause_of_the_package_tests_must_be_named_in_each_package(tmp_path: Path) -> None:
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec" / "one.md").write_text("**AB-3** *(package tests)* Other.\n")
    (tmp_path / "spec" / "events.md").write_text("")
    (tmp_path / "go").mkdir()
    (tmp_path / "go" / "one_test.go").write_text("// AB-3: named\n")
    (tmp_path / "python" / "tests").mkdir(parents=True)
    (tmp_path / "python" / "tests" / "test_one.py").write_text("# AB-31 is another\n")
    found = lint_packages(tmp_path, read_spec(tmp_path / "spec"))
    assert [fault.message for fault in found] == [
        "no test in python/tests names AB-3",
        "no test in typescript/test names AB-3",
    ]


def test_events_and_their_fields_are_read_from_the_spec() -> None:
    events = read_spec(SPEC).events
    assert events["cache_invalidated"] == {"type", "policy", "at_ms", "key"}
    assert events["call_rejected"] == {"type", "policy", "at_ms", "state", "generation", "retry_after_ms"}
    assert "cache_stale_hit" in events


def test_lint_reports_clauses_that_no_trace_names(conformance: Conformance) -> None:
    result = conformance("lint")
    assert result.exit_code == 1
    assert "no trace names RT-1\n" in result.output
    assert "no trace names CB-1\n" not in result.output


def test_list_shows_the_clauses_of_the_selected_traces(conformance: Conformance) -> None:
    result = conformance("list", "--clause", "CB-22")
    assert result.output == "circuit_breaker/slow-call-is-pending  2  CB-22, CB-23\n"


def test_catalogue_of_another_specification_is_refused(conformance: Conformance, tmp_path: Path) -> None:
    (tmp_path / "spec_version").write_text("2.0\n")
    result = conformance("run", "--catalogue", str(tmp_path))
    assert result.exit_code == 2
    assert "spec_version:1: the catalogue is of specification '2.0'; this runner is of '1.0'" in result.output

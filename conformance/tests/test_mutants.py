"""`conformance mutants`: a package of three lines, whose mutants are the fake drivers."""

from __future__ import annotations

import asyncio
import json
import shlex
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from conformance_support import CATALOGUE, fake
from skidbladnir_conformance.cli import main
from skidbladnir_conformance.lint import lint
from skidbladnir_conformance.mutants import hunt
from skidbladnir_conformance.mutants.equivalents import find_listed, read_listed, which_of
from skidbladnir_conformance.mutants.languages import Language, ToolFailed
from skidbladnir_conformance.mutants.model import Mutant, Trial, content_hash, short
from skidbladnir_conformance.mutants.results import DamagedResults, Results
from skidbladnir_conformance.mutants.trial import Clean, CleanRunFailed, own_traces_first, replay_key, run_clean, try_mutant
from skidbladnir_conformance.mutants.verdict import judge_language, write_report
from skidbladnir_conformance.paths import SPEC
from skidbladnir_conformance.process import DriverSpec
from skidbladnir_conformance.report_html.figures import read_mutants
from skidbladnir_conformance.spec import read_spec
from skidbladnir_conformance.trace import Trace

FIRST = "circuit_breaker/failure-is-counted"
SOURCE = "if a < b:\n    c = 1\n    c = 1\n"
FILE = "python/skidbladnir/cache.py"


def mutant(after: str = "<=", *, line: int = 1, start: int = 5, before: str = "<", source: str = SOURCE) -> Mutant:
    text = source.splitlines()[line - 1].strip()
    return Mutant("python", 0, FILE, content_hash(source.encode()), line, text, start, start + 1, before, after)


def spec(behaviour: str, *arguments: str) -> list[DriverSpec]:
    return [DriverSpec("fake", tuple(shlex.split(fake(behaviour, *arguments))))]


class Fake(Language):
    """Its mutants are behaviours of the fake driver; ``tried`` are those that a driver was started for."""

    name = "fake"

    def __init__(self, root: Path, *behaviours: str) -> None:
        super().__init__(root)
        self.behaviours = behaviours
        self.tried: list[str] = []
        self.clean = "right"

    def sources(self) -> list[str]:
        return [FILE]

    def prepare(self) -> list[Mutant]:
        return [mutant(behaviour) for behaviour in self.behaviours]

    def drivers(self, mutant: Mutant | None) -> list[DriverSpec]:
        if mutant is None:
            return spec(self.clean)
        self.tried.append(mutant.after)
        return spec(mutant.after, FIRST)


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    found, faults = lint(CATALOGUE, read_spec(SPEC))
    assert not faults
    return found


@pytest.fixture(scope="module")
def clean(traces: list[Trace]) -> Clean:
    return asyncio.run(run_clean(spec("right"), traces))


def tried(language: Fake, root: Path, selection: hunt.Selection | None = None) -> tuple[bool, str]:
    """Whether the verdict is red, and what was said."""
    said = StringIO()
    console = Console(file=said, width=200)
    report = root / "report.json"
    red = hunt.run(console, [language], selection or hunt.Selection(), 1, report, root=root, catalogue=CATALOGUE)
    return red, said.getvalue()


# One mutant.


@pytest.mark.parametrize(
    ("behaviour", "outcome", "by"),
    [
        ("right", "survived", ""),
        ("lies", "killed", FIRST),
        ("leaks", "killed", FIRST),
        ("differs", "killed", FIRST),  # its expectations hold, but the unmutated driver sees something else
        ("crashes", "killed", "crashed"),
        ("dies-at-start", "killed", "ended before it printed an address"),
        ("hangs", "timed out", "hangs"),
    ],
)
def test_a_mutant_is_noticed_by_whatever_it_does(
    behaviour: str, outcome: str, by: str, traces: list[Trace], clean: Clean
) -> None:
    limits = replace(clean, answer_seconds=0.5) if outcome == "timed out" else clean
    trial = asyncio.run(try_mutant(Fake(Path(), behaviour), mutant(behaviour), traces, limits, "c1"))
    assert (trial.outcome, trial.catalogue) == (outcome, "c1")
    assert by in trial.by


def test_slow_machine_kills_no_mutant(traces: list[Trace], clean: Clean) -> None:
    language = Fake(Path(), "right")
    limits = replace(clean, answer_seconds=0.001)
    assert asyncio.run(try_mutant(language, mutant("right"), traces, limits, "c1")).outcome == "survived"
    assert language.tried == ["right", "right"]


def test_unmutated_package_has_to_be_right(traces: list[Trace]) -> None:
    with pytest.raises(CleanRunFailed, match=f"without a mutant: {FIRST}: .*expected 1, saw 2"):
        asyncio.run(run_clean(spec("lies", FIRST), traces))


def test_traces_of_the_files_own_pattern_come_first(traces: list[Trace]) -> None:
    own, others = own_traces_first(mutant(), traces)
    assert {trace.pattern for trace in own} == {"cache"}
    assert len(own) + len(others) == len(traces)
    own, _ = own_traces_first(replace(mutant(), file="go/window.go"), traces)
    assert {trace.pattern for trace in own} == {"circuit_breaker"}


# What is kept.


def test_results_are_kept_until_they_could_be_different(tmp_path: Path) -> None:
    killed, survivor, gone = mutant("1"), mutant("2"), mutant("3")
    results = Results(tmp_path / "r.json")
    results.add(killed, Trial("killed", FIRST, "c1", 0.1))
    results.add(survivor, Trial("survived", "", "c1", 0.1))
    results.add(gone, Trial("survived", "", "c1", 0.1))
    results.forget_all_but([killed, survivor])
    results.save()
    again = Results(tmp_path / "r.json")
    assert again.known(survivor, "c1")
    assert not again.known(survivor, "c2"), "another catalogue may notice it"
    assert again.known(killed, "c2")
    assert not again.known(mutant("1", source=SOURCE + "\n"), "c1"), "its file has changed"
    assert not again.known(gone, "c1")


def test_survivor_is_tried_by_new_replays_only(tmp_path: Path, traces: list[Trace], clean: Clean) -> None:
    results = Results(tmp_path / "r.json")
    label = spec("right")[0].label
    every = {replay_key(label, trace) for trace in traces}
    known = {replay_key(label, trace) for trace in traces if trace.id != FIRST}
    results.describe("c1", known)
    results.add(mutant("1"), Trial("survived", "", "c1", 0.1))
    results.add(mutant("2"), Trial("killed", FIRST, "c1", 0.1))
    results.save()
    again = Results(tmp_path / "r.json")
    assert again.survived(mutant("1")) == known
    assert again.survived(mutant("2")) == again.survived(mutant("3")) == set()
    language, wrong = Fake(Path(), "lies"), mutant("lies")
    assert asyncio.run(try_mutant(language, wrong, traces, clean, "c2", frozenset(known))).by == FIRST
    assert asyncio.run(try_mutant(language, wrong, traces, clean, "c2", frozenset(every))).outcome == "survived"


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 7}', '{"version": 3, "trials": {"k": {"outcome": "?"}}}', "\xff"])
def test_damaged_results_are_told_and_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "r.json"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(DamagedResults, match=r"r\.json is damaged .*nothing was changed"):
        Results(file)
    assert file.read_text(encoding="latin-1") == content


# The list.

LISTED = f"""
- kind: equivalent
  reason: nobody can tell
  mutants:
    - {{file: {FILE}, line: "if a < b:", mutations: ["< -> <="]}}
    - {{file: {FILE}, line: c = 1, mutations: [1 -> 2], which: 2}}
    - {{file: {FILE}, line: c = 3, mutations: [3 -> 4]}}
"""


def test_listed_mutants_are_found_by_their_line(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(LISTED, encoding="utf-8")
    entries, faults = read_listed(tmp_path / "e.yaml")
    assert not faults
    first, second = mutant("2", line=2, start=18, before="1"), mutant("2", line=3, start=28, before="1")
    found, gone = find_listed(entries, [mutant(), first, second])
    assert set(found) == {mutant().key, second.key}
    assert [entry.line for entry in gone] == ["c = 3"]
    assert [which_of(each, [mutant(), first, second]) for each in (mutant(), first, second)] == [0, 1, 2]


@pytest.mark.parametrize(
    "content",
    [
        "a: 1",
        "- kind: equivalent",
        "- {kind: perhaps, reason: r, mutants: []}",
        "- {kind: outside, reason: r, mutants: [{file: f, line: l}]}",
        "- {kind: outside, reason: r, mutants: [{file: f, line: l, mutations: [1]}]}",
    ],
)
def test_faults_of_the_list_are_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "e.yaml").write_text(content, encoding="utf-8")
    assert read_listed(tmp_path / "e.yaml")[1]


def test_verdict_is_red_for_what_the_list_does_not_say(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(LISTED, encoding="utf-8")
    entries, _ = read_listed(tmp_path / "e.yaml")
    killed, survived = Trial("killed", FIRST, "c1", 0.1), Trial("survived", "", "c1", 0.1)
    listed, unlisted = mutant(), mutant(">")
    verdict = judge_language("python", {listed: killed, unlisted: survived}, [listed, unlisted], entries)
    said = "\n".join(verdict.faults)
    assert f"{FILE}:1: survived, and is not listed: < -> >" in said
    assert f"killed by {FIRST}, but is listed" in said
    assert "no such mutant" in said
    assert "score 50.0% is below 95%" in said
    right = judge_language("python", {listed: survived, unlisted: killed}, [listed, unlisted], entries[:1])
    assert (right.faults, right.score, right.figures["equivalent"]) == ([], 1.0, 1)
    few = judge_language("python", {unlisted: survived}, [listed, unlisted], entries[:1])
    assert (few.score, any("is below" in fault for fault in few.faults)) == (0.0, False)
    assert right.as_json()["listed"] == [
        {"file": FILE, "number": 1, "line": "if a < b:", "mutation": "< -> <=", "kind": "equivalent", "reason": "nobody can tell"}
    ]


def test_report_of_figures_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text(LISTED, encoding="utf-8")
    entries, _ = read_listed(tmp_path / "e.yaml")
    survived = Trial("survived", "", "c1", 0.1)
    verdict = judge_language("python", {mutant(): survived, mutant(">"): survived}, [mutant(), mutant(">")], entries)
    write_report(tmp_path / "report.json", [verdict], "c1")
    (figures,) = read_mutants(tmp_path / "report.json") or []
    assert (figures.language, figures.counts, figures.score) == ("python", verdict.figures, 0.0)
    assert [each.mutation for each in figures.unlisted] == ["< -> >"]
    assert [(kind, reason, [each.place for each in mutants]) for kind, reason, mutants in figures.reasons] == [
        ("equivalent", "nobody can tell", [f"{FILE}:1"])
    ]


def test_long_mutations_are_shortened() -> None:
    assert short("a\n  b") == "a b"
    assert len(short("x" * 500)) < 100


# The whole.


def test_hunt_goes_on_where_it_ended(tmp_path: Path) -> None:
    language = Fake(tmp_path, "lies", "right")
    red, said = tried(language, tmp_path, hunt.Selection(sample=1, seed=1))
    assert len(language.tried) == 1
    red, said = tried(language, tmp_path)
    assert sorted(language.tried) == ["lies", "right"]
    assert red
    assert "survived, and is not listed: < -> right" in said
    report = json.loads((tmp_path / "report.json").read_text())["languages"]["fake"]
    assert (report["killed"], report["survived"], report["score"]) == (1, 1, 0.5)
    assert report["survivors"][0]["mutation"] == "< -> right"
    assert tried(language, tmp_path)[0]
    assert len(language.tried) == 2


def test_hunt_can_be_of_some_files(tmp_path: Path) -> None:
    language = Fake(tmp_path, "lies")
    assert tried(language, tmp_path, hunt.Selection(only=("retry*",)))[0] is False
    assert language.tried == []


def test_hunt_needs_a_right_package_and_readable_results(tmp_path: Path) -> None:
    language = Fake(tmp_path, "lies")
    language.clean = "dies-at-start"
    with pytest.raises(CleanRunFailed):
        tried(language, tmp_path)
    (tmp_path / "build/mutants").mkdir(parents=True)
    (tmp_path / "build/mutants/fake.json").write_text("{")
    with pytest.raises(DamagedResults):
        tried(language, tmp_path)


def test_broken_list_stops_the_hunt(tmp_path: Path) -> None:
    (tmp_path / "conformance/mutants/equivalent").mkdir(parents=True)
    (tmp_path / "conformance/mutants/equivalent/fake.yaml").write_text("a: 1")
    with pytest.raises(ToolFailed, match=r"fake\.yaml:1: expected a list"):
        tried(Fake(tmp_path), tmp_path)


def test_command_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(*_: object) -> bool:
        raise ToolFailed("the tool is missing")

    monkeypatch.setattr(hunt, "run", run)
    result = CliRunner().invoke(main, ["mutants", "--language", "python"])
    assert (result.exit_code, result.output) == (2, "the tool is missing\n")

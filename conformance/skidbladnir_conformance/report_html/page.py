"""Puts the page together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from skidbladnir_conformance import SPEC_VERSION
from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.coverage import read_transitions
from skidbladnir_conformance.driver import Column
from skidbladnir_conformance.judge import REFERENCE, Result
from skidbladnir_conformance.paths import SPEC
from skidbladnir_conformance.report import Run, column_line
from skidbladnir_conformance.report_html.clauses import ClauseText, clause_texts, in_order
from skidbladnir_conformance.report_html.figures import Fuzz, Mutants
from skidbladnir_conformance.report_html.machines import Machine, machines
from skidbladnir_conformance.report_html.traces import NOT_RUN, outcomes, trace_data
from skidbladnir_conformance.spec import read_spec
from skidbladnir_conformance.trace import Trace

OUTCOMES = ("passed", "failed", "known", "skipped", NOT_RUN)
SHOWN_FAILURES = 20
SCRIPTS = ("data.js", "element.js", "axis.js", "lane.js", "trace.js", "filter.js", "page.js")


@dataclass(frozen=True)
class Report:
    """What the page tells. ``catalogue`` is all there is, the run may be of a selection; ``command`` replays it."""

    run: Run
    catalogue: Sequence[Trace]
    command: str
    made: datetime
    mutants: list[Mutants] | None = None
    fuzz: Fuzz | None = None


@dataclass(frozen=True)
class Cells:
    """A row of the matrix: the counts by outcome, in each column."""

    title: str
    counts: list[dict[str, int]]
    traces: int


@dataclass(frozen=True)
class Group:
    """A pattern: its row, one for each clause that its traces name, and the results."""

    cells: Cells
    clauses: list[tuple[ClauseText, Cells]]
    results: list[Result]


def write_page(file: Path, report: Report) -> None:
    """Writes the report as one file that needs no other."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(render(report), encoding="utf-8")


def render(report: Report) -> str:
    """The report as HTML."""
    spec = read_spec(SPEC)
    texts = clause_texts(spec)
    columns = report.run.columns
    total = _cells("all", report.run.results, columns)
    named = {clause for trace in report.catalogue for clause in trace.clauses}
    template = _environment().get_template("page.html")
    return template.render(
        report=report,
        run=report.run,
        columns=columns,
        outcome_names=OUTCOMES,
        shown_failures=SHOWN_FAILURES,
        column_line=column_line,
        spec_version=SPEC_VERSION,
        groups=list(_groups(report.run, texts)),
        total=total,
        skipped_replays=sum(counts.get("skipped", 0) for counts in total.counts),
        chips=_chips,
        clauses=[(each, each.clause.id in named) for each in texts.values() if not each.clause.package_tests],
        by_tests=[each for each in texts.values() if each.clause.package_tests],
        machines=_machines(report.run),
        data=_data(report),
    )


def _data(report: Report) -> dict[str, Any]:
    columns = report.run.columns
    return {
        "columns": [column.language for column in columns],
        "command": report.command,
        "traces": [trace_data(result, columns) for result in _by_pattern(report.run)],
    }


def _by_pattern(run: Run) -> list[Result]:
    return sorted(run.results, key=lambda result: result.trace.pattern)


def _groups(run: Run, texts: dict[str, ClauseText]) -> Iterator[Group]:
    results = _by_pattern(run)
    for pattern in dict.fromkeys(result.trace.pattern for result in results):
        own = [result for result in results if result.trace.pattern == pattern]
        clauses = in_order((clause for result in own for clause in result.trace.clauses), texts, pattern)
        rows = [(texts[clause], _cells(clause, [result for result in own if clause in result.trace.clauses], run.columns)) for clause in clauses]
        yield Group(_cells(pattern, own, run.columns), rows, own)


def _cells(title: str, results: Sequence[Result], columns: Sequence[Column]) -> Cells:
    by_column: list[Counter[str]] = [Counter() for _ in columns]
    for result in results:
        for counter, outcome in zip(by_column, outcomes(result, columns), strict=True):
            counter[outcome] += 1
    counts = [{name: counter[name] for name in OUTCOMES if counter[name]} for counter in by_column]
    return Cells(title, counts, len(results))


def _chips(result: Result, columns: Sequence[Column]) -> list[tuple[str, str]]:
    """The outcomes of a trace in few words: one for all columns, or those that are not the usual."""
    said = outcomes(result, columns)
    if len(set(said)) == 1:
        return [(said[0], said[0])]
    others = [(outcome, column.language) for outcome, column in zip(said, columns, strict=True) if outcome != "passed"]
    return [(outcome, f"{language} {outcome}") for outcome, language in others]


def _machines(run: Run) -> list[Machine]:
    """By what the reference saw; where it did not run, the first that did."""
    ran = [column for column in run.columns if not column.problem]
    column = next((each for each in ran if each.language == REFERENCE), ran[0] if ran else None)
    answers = {} if column is None else column.answers
    seen = [(result.trace, answer) for result in run.results if isinstance(answer := answers.get(result.trace.id), pb.Observation)]
    return machines(read_transitions(SPEC), seen)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("skidbladnir_conformance.report_html", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # `tojson` writes <, > and & as escapes, so that no text of a trace can end the element that holds it.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False}
    environment.filters["words"] = lambda text: text.replace("_", " ")
    environment.globals["style"] = _asset("page.css")
    environment.globals["script"] = Markup("\n").join(_asset(name) for name in SCRIPTS)
    return environment


def _asset(name: str) -> Markup:
    # Part of this package, not of what it reports on.
    return Markup((Path(__file__).parent / "assets" / name).read_text(encoding="utf-8"))

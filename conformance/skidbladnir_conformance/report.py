"""What a run says to machines and to pull requests: the counts, JUnit XML, a Markdown summary, a badge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skidbladnir_conformance.driver import Column
from skidbladnir_conformance.judge import Result

ALL = "all"


@dataclass(frozen=True)
class Run:
    """All that a run has found. ``problems`` are those of no single trace."""

    columns: list[Column]
    results: list[Result]
    problems: list[str]
    replay_seconds: float

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.results if result.failed]

    @property
    def red(self) -> bool:
        return bool(self.failed or self.problems or any(column.problem for column in self.columns))


def counts(run: Run, column: Column, pattern: str = ALL) -> str:
    """How many traces passed, failed, ... in one column, as text: ``93 passed, 6 skipped``."""
    if column.problem:
        return "not run"
    outcomes = Counter(
        str(result.verdicts[column.language].outcome)
        for result in run.results
        if pattern in (ALL, result.trace.pattern)
    )
    return ", ".join(f"{outcomes[each]} {each}" for each in ("passed", "failed", "known", "skipped") if outcomes[each])


def matrix(run: Run) -> list[list[str]]:
    """Pattern by language. The first row is the header, the last the sum."""
    patterns = sorted({result.trace.pattern for result in run.results})
    rows = [["pattern", *(column.language for column in run.columns)]]
    return rows + [[pattern, *(counts(run, column, pattern) for column in run.columns)] for pattern in [*patterns, ALL]]


def column_line(run: Run, column: Column) -> str:
    """One column in one line."""
    if column.problem:
        return f"{column.language}: {column.problem}"
    return f"{column.language} {column.package_version}: {counts(run, column)}"


def write_junit(file: Path, run: Run) -> None:
    """One suite for each language, one case for each trace."""
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

    report = JUnitXml("conformance")
    for column in run.columns:
        suite = TestSuite(column.language)
        suite.add_property("package_version", column.package_version)
        if column.problem:
            case = TestCase("driver", classname=column.language)
            case.result = [Error(column.problem)]
            suite.add_testcase(case)
        for result in [] if column.problem else run.results:
            verdict = result.verdicts[column.language]
            case = TestCase(result.trace.id, classname=f"{column.language}.{result.trace.pattern}")
            if verdict.outcome in ("skipped", "known"):
                case.result = [Skipped("; ".join(verdict.reasons))]
            elif verdict.outcome == "failed":
                failure = Failure(verdict.reasons[0])
                failure.text = "\n".join([*verdict.reasons, result.trace.place, result.trace.why])
                case.result = [failure]
            suite.add_testcase(case)
        report.add_testsuite(suite)
    report.write(str(file), pretty=True)


def write_markdown(file: Path, run: Run) -> None:
    """The matrix, and the failures."""
    header, *rows = matrix(run)
    verdict = "failed" if run.red else "passed"
    lines = ["# Conformance", "", f"{len(run.results)} traces, {len(run.columns)} languages: **{verdict}**.", ""]
    lines += [_row(header), _row(["---"] * len(header)), *(_row(row) for row in rows), ""]
    lines += [f"- {_inline(column_line(run, column))}" for column in run.columns if column.problem]
    lines += [f"- {_inline(problem)}" for problem in run.problems]
    if run.failed:
        lines += ["## Failures", ""]
    for result in run.failed:
        for language, found in result.verdicts.items():
            if found.outcome == "failed":
                lines.append(f"- `{result.trace.id}` in {language}: {_inline('; '.join(found.reasons))}")
    file.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def write_badge(file: Path, run: Run) -> None:
    """An SVG image in a few words: how many traces passed in all columns, or how many failed."""
    from anybadge import Badge

    if run.red:
        value, colour = f"{len(run.failed)} failed" if run.failed else "failed", "red"
    else:
        passed = sum(any(verdict.outcome == "passed" for verdict in result.verdicts.values()) for result in run.results)
        known = sum(any(verdict.outcome == "known" for verdict in result.verdicts.values()) for result in run.results)
        value, colour = f"{passed} passed" + (f", {known} known to fail" if known else ""), "green"
    file.write_text(Badge("conformance", value, default_color=colour).badge_svg_text, encoding="utf-8")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _inline(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")

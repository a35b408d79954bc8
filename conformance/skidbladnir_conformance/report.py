"""What a run says: for people, for CI, and for a pull request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite
from rich.console import Console
from rich.table import Table

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.driver import Column
from skidbladnir_conformance.judge import Verdict, show_end
from skidbladnir_conformance.trace import Trace

SHOWN_FAILURES = 10


@dataclass(frozen=True)
class Result:
    """One trace with its verdict in each column, by the column's language."""

    trace: Trace
    verdicts: dict[str, Verdict]

    @property
    def failed(self) -> bool:
        return any(verdict.outcome == "failed" for verdict in self.verdicts.values())


def matrix(results: Sequence[Result], columns: Sequence[Column]) -> list[list[str]]:
    """Pattern by language: passed of replayed, and what was skipped. The first row is the header, the last the sum."""
    patterns = sorted({result.trace.pattern for result in results})
    rows = [["pattern", *(column.language for column in columns)]]
    for pattern in [*patterns, "all"]:
        row = [pattern]
        for column in columns:
            outcomes = Counter(
                result.verdicts[column.language].outcome
                for result in results
                if pattern in ("all", result.trace.pattern)
            )
            replayed = outcomes["passed"] + outcomes["failed"]
            skipped = f" ({outcomes['skipped']} skipped)" if outcomes["skipped"] else ""
            row.append(f"{outcomes['passed']}/{replayed}{skipped}")
        rows.append(row)
    return rows


def print_run(console: Console, results: Sequence[Result], columns: Sequence[Column], drivers: str) -> None:
    """The failures with their timelines, and the matrix."""
    failed = [result for result in results if result.failed]
    for result in failed[:SHOWN_FAILURES]:
        print_failure(console, result, columns, drivers)
    if len(failed) > SHOWN_FAILURES:
        console.print(f"... and {len(failed) - SHOWN_FAILURES} more traces failed:")
        for result in failed[SHOWN_FAILURES:]:
            console.print(f"  {result.trace.id}", highlight=False)
    for column in columns:
        if column.problem:
            console.print(f"[red]{column.language}[/]: {column.problem}", highlight=False)
    header, *rows = matrix(results, columns)
    table = Table(*header)
    for row in rows:
        if row[0] == "all":
            table.add_section()
        table.add_row(*(_coloured(cell) for cell in row))
    console.print(table)


def _coloured(cell: str) -> str:
    if "/" not in cell:
        return cell
    passed, _, rest = cell.partition("/")
    return f"[{'green' if passed == rest.split()[0] else 'red'}]{cell}[/]"


def print_failure(console: Console, result: Result, columns: Sequence[Column], drivers: str) -> None:
    """One failed trace: why in each language, the timelines side by side up to the difference, and how to replay it."""
    trace = result.trace
    console.print(f"\n[bold red]{trace.id}[/]  {trace.file}:{trace.line}  {', '.join(trace.clauses)}", highlight=False)
    console.print(f"  {trace.why}", highlight=False)
    for language, verdict in result.verdicts.items():
        for reason in verdict.reasons:
            console.print(f"  [red]{language}[/]: {reason}", highlight=False, markup=True)
    answered = [column for column in columns if isinstance(column.answers.get(trace.id), pb.Observation)]
    first = min((verdict.step for verdict in result.verdicts.values() if verdict.outcome == "failed"), default=-1)
    if answered and first >= 0:
        table = Table("step", *(column.language for column in answered), show_lines=True)
        for index in range(max(0, first - 2), first + 1):
            cells = [show_step(column.answers[trace.id], index) for column in answered]
            common = Counter(cells).most_common(1)[0][0]
            action = f"{index + 1}. {trace.actions[index]}"
            table.add_row(action, *(cell if cell == common else f"[yellow]{cell}[/]" for cell in cells))
        console.print(table)
    console.print(f"  replay it: conformance run {drivers}--id {trace.id}", highlight=False)


def show_step(answer: object, index: int) -> str:
    """What one driver saw after a step, as lines of text."""
    if not isinstance(answer, pb.Observation) or index >= len(answer.steps):
        return "nothing"
    step = answer.steps[index]
    lines = [f"at {step.now_ms} ms, running {step.running}"]
    for call in step.calls:
        lines.append(f"{call.id}: {show_end(call)}, started {list(call.starts_ms)}")
    for policy in step.policies:
        kind = policy.WhichOneof("state")
        state = MessageToDict(getattr(policy, kind), preserving_proto_field_name=True) if kind else {}
        lines.append(f"{policy.name}: " + ", ".join(f"{key} {value}" for key, value in state.items()))
    for event in step.events:
        fields = MessageToDict(event, preserving_proto_field_name=True)
        kind = fields.pop("type")
        lines.append(f"- {kind} " + ", ".join(f"{key} {value}" for key, value in fields.items()))
    for provider in step.health:
        lines.append(f"{provider.provider}: {provider.status}, rate {provider.failure_rate}, {provider.circuit_state}")
    return "\n".join(lines)


def write_junit(file: Path, results: Sequence[Result], columns: Sequence[Column]) -> None:
    """One suite for each language, one case for each trace."""
    report = JUnitXml("conformance")
    for column in columns:
        suite = TestSuite(column.language)
        for result in results:
            verdict = result.verdicts[column.language]
            case = TestCase(result.trace.id, classname=f"{column.language}.{result.trace.pattern}")
            if verdict.outcome == "skipped":
                case.result = [Skipped("the driver lacks " + ", ".join(set(result.trace.needs) - column.features))]
            elif verdict.outcome == "failed":
                case.result = [Failure("\n".join(verdict.reasons))]
            suite.add_testcase(case)
        report.add_testsuite(suite)
    report.update_statistics()
    report.write(str(file), pretty=True)


def write_markdown(file: Path, results: Sequence[Result], columns: Sequence[Column]) -> None:
    """The matrix, and the failures."""
    header, *rows = matrix(results, columns)
    lines = ["# Conformance", "", _row(header), _row(["---"] * len(header)), *(_row(row) for row in rows), ""]
    failed = [result for result in results if result.failed]
    if failed:
        lines.append("## Failures\n")
    for result in failed:
        for language, verdict in result.verdicts.items():
            if verdict.outcome == "failed":
                lines.append(f"- `{result.trace.id}` in {language}: {'; '.join(verdict.reasons)}")
    file.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"

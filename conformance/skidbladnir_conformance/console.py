"""What a run says to people: progress, failures as timelines of all languages side by side, and the matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from skidbladnir_conformance import test_driver_pb2 as pb
from skidbladnir_conformance.driver import Column
from skidbladnir_conformance.judge import Result, holds, text
from skidbladnir_conformance.observation import Flat, arranged, flat_expectation, flat_step
from skidbladnir_conformance.report import Run, column_line, matrix
from skidbladnir_conformance.trace import Trace

SHOWN_FAILURES = 10
SHOWN_STEPS_BEFORE = 4
MARK = "≠ "


def print_run(console: Console, run: Run, command: str) -> None:
    """The failures with their timelines, one line for each column, and the matrix; ``command`` replays the run."""
    for result in run.failed[:SHOWN_FAILURES]:
        print_failure(console, result, run.columns, command)
    more = run.failed[SHOWN_FAILURES:]
    if more:
        console.print(f"\nand {len(more)} more traces failed:", highlight=False)
        for result in more:
            say(console, f"  {result.trace.id}: {', '.join(failed_in(result))}")
    console.print()
    for column in run.columns:
        say(console, column_line(run, column), "red" if column.problem else "")
        for warning in column.warnings:
            say(console, f"  {column.language} {warning}", "yellow")
    for problem in run.problems:
        say(console, problem, "red")
    console.print(_matrix(run))


def print_failure(console: Console, result: Result, columns: Sequence[Column], command: str) -> None:
    """One failed trace: why in each language, what each saw up to the difference, and how to replay it alone."""
    trace = result.trace
    console.print()
    say(console, f"FAILED {trace.id} in {', '.join(failed_in(result))}", "bold red")
    say(console, f"  {trace.place}  {', '.join(trace.clauses)}  {trace.why}")
    for language, verdict in result.verdicts.items():
        if verdict.outcome == "failed":
            for reason in verdict.reasons:
                say(console, f"  {language}: {reason}", "red")
    steps = [
        verdict.step for verdict in result.verdicts.values() if verdict.outcome == "failed" and verdict.step is not None
    ]
    seen = {
        column.language: answer
        for column in columns
        if isinstance(answer := column.answers.get(trace.id), pb.Observation) and not column.problem
    }
    if steps and seen:
        console.print(_timeline(trace, seen, min(steps)))
    say(console, f"  replay it: {command} --id {trace.id}")


def say(console: Console, line: str, style: str = "") -> None:
    """Prints a line as it is: no markup in it, no wrapping of what a shell or an editor is to read."""
    console.print(line, style=style or None, markup=False, highlight=False, soft_wrap=True)


def failed_in(result: Result) -> list[str]:
    return [language for language, verdict in result.verdicts.items() if verdict.outcome == "failed"]


def _timeline(trace: Trace, seen: Mapping[str, pb.Observation], step: int) -> Table:
    table = Table("step", "expected", *seen, title_justify="left")
    for index in range(max(0, step - SHOWN_STEPS_BEFORE), step):
        cells = [_summary(observation, index) for observation in seen.values()]
        table.add_row(f"{index + 1}. {escape(trace.actions[index])}", "", *map(escape, cells), style="dim")
    table.add_section()
    table.add_row(f"[bold]{step + 1}. {escape(trace.actions[step])}[/]")
    expect = trace.expects[step] or {}
    wanted = flat_expectation(expect)
    flats = [_flat(observation, step, expect if trace.free_order else None) for observation in seen.values()]
    for path in _paths(wanted, flats):
        table.add_row(f"  {escape(path)}", _shown(path, wanted), *_cells(path, wanted, flats))
    return table


def _flat(observation: pb.Observation, step: int, free: dict[str, object] | None) -> Flat:
    if step >= len(observation.steps):
        return {}
    seen = observation.steps[step]
    return flat_step(seen, None if free is None else arranged(free, seen.events))


def _paths(wanted: Flat, flats: Sequence[Flat]) -> Iterator[str]:
    """What is worth a row: what is expected, and what was not seen alike."""
    paths = dict.fromkeys([*wanted, *(path for flat in flats for path in flat)])
    for path in paths:
        if path in wanted or any(flat.get(path) != flats[0].get(path) for flat in flats):
            yield path


def _cells(path: str, wanted: Flat, flats: Sequence[Flat]) -> Iterator[str]:
    common = Counter(_shown(path, flat) for flat in flats).most_common(1)[0][0]
    for flat in flats:
        cell = _shown(path, flat)
        if path in wanted and not holds(path, wanted[path], flat):
            yield f"[bold red]{MARK}{cell}[/]"
        elif path not in wanted and cell != common:
            yield f"[yellow]{MARK}{cell}[/]"
        else:
            yield cell


def _shown(path: str, flat: Flat) -> str:
    return escape(text(flat[path])) if path in flat else ""


def _summary(observation: pb.Observation, index: int) -> str:
    """What happened in one step, in a few words."""
    if index >= len(observation.steps):
        return "nothing"
    step = observation.steps[index]
    before = {call.id for call in observation.steps[index - 1].calls if call.HasField("ended_ms")} if index else set()
    ended = [call for call in step.calls if call.HasField("ended_ms") and call.id not in before]
    parts = [f"at {step.now_ms}"]
    parts += [f"{call.id} {call.error.code or 'ok'}" for call in ended]
    parts += [event.type for event in step.events]
    return ", ".join(parts)


def _matrix(run: Run) -> Table:
    header, *rows = matrix(run)
    table = Table(*map(escape, header))
    for row in rows:
        if row is rows[-1]:
            table.add_section()
        table.add_row(row[0], *(_coloured(cell) for cell in row[1:]))
    return table


def _coloured(cell: str) -> str:
    return f"[{'red' if 'failed' in cell or 'not run' in cell else 'green'}]{cell}[/]" if cell else "-"

"""One run: replay in all drivers, judge every trace, and tell people."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from skidbladnir_conformance.console import print_run, say
from skidbladnir_conformance.driver import Column, replay_all
from skidbladnir_conformance.judge import judge, with_unheard
from skidbladnir_conformance.known import KnownFailure, apply_known_failures, stale_entries
from skidbladnir_conformance.process import BUILT_IN, DriverSpec
from skidbladnir_conformance.report import Run
from skidbladnir_conformance.trace import UNHEARD, Trace

# Where the output is no terminal: wide enough for five columns.
PLAIN_WIDTH = 180


def make_console() -> Console:
    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)


def run(
    console: Console,
    specs: Sequence[DriverSpec],
    traces: Sequence[Trace],
    catalogue: Sequence[Trace],
    languages: Sequence[str],
    known: Sequence[KnownFailure],
    timeout: float,
) -> Run:
    """Replays and judges ``traces``, a selection of the catalogue.

    Raises:
        asyncio.CancelledError: on SIGTERM, when all drivers have been ended.
    """
    replayed = [*traces, *(trace.unheard() for trace in traces if trace.actions)]
    columns, seconds = asyncio.run(_replay(console, specs, replayed, languages, timeout))
    working = [column for column in columns if not column.problem]
    judged = {
        trace.id: judge(trace, {column.language: column.answers.get(trace.id, "not answered") for column in working})
        for trace in replayed
    }
    results = [with_unheard(judged[trace.id], judged.get(f"{trace.id}{UNHEARD}")) for trace in traces]
    apply_known_failures(results, known)
    problems = stale_entries(known, catalogue, {*BUILT_IN, *(column.language for column in columns)})
    return Run(columns, results, problems, seconds)


def print_outcome(console: Console, outcome: Run, command: str, seconds: float) -> None:
    """The failures, the matrix, and the times."""
    print_run(console, outcome, command)
    verdict = f"{len(outcome.failed)} failed" if outcome.red else "all passed"
    times = f"replay {outcome.replay_seconds:.1f} s, in all {seconds:.1f} s"
    say(console, f"{len(outcome.results)} traces, {verdict}; {times}", "red" if outcome.red else "green")


async def _replay(
    console: Console, specs: Sequence[DriverSpec], traces: Sequence[Trace], languages: Sequence[str], timeout: float
) -> tuple[list[Column], float]:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        tasks = {spec: bar.add_task(spec.label, total=len(traces)) for spec in specs}
        return await replay_all(specs, traces, languages, timeout, lambda spec, *_: bar.advance(tasks[spec]))

"""Tries mutants, one language after the other: what is known already is not tried again, and people see how it goes."""

from __future__ import annotations

import asyncio
import fnmatch
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from skidbladnir_conformance.console import say
from skidbladnir_conformance.lint import lint
from skidbladnir_conformance.mutants.equivalents import KINDS, Listed, read_listed
from skidbladnir_conformance.mutants.languages import BUILD, TOOLS, Language, ToolFailed
from skidbladnir_conformance.mutants.model import Mutant, Trial, content_hash
from skidbladnir_conformance.mutants.results import Results
from skidbladnir_conformance.mutants.trial import Clean, replay_key, run_clean, try_mutant
from skidbladnir_conformance.mutants.verdict import Verdict, judge_language, write_report
from skidbladnir_conformance.paths import CATALOGUE, REPOSITORY, SPEC
from skidbladnir_conformance.spec import read_spec
from skidbladnir_conformance.trace import Trace

# Where there is no terminal, a line is printed so often.
PLAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Selection:
    """Which mutants to try: those of the files that fit a glob, or of all where there is none; ``sample`` of them, or all."""

    sample: int | None = None
    seed: int = 1
    only: tuple[str, ...] = ()

    def of(self, mutants: Sequence[Mutant]) -> list[Mutant]:
        chosen = [mutant for mutant in mutants if not self.only or _matches(mutant.file, self.only)]
        if self.sample is None or self.sample >= len(chosen):
            return chosen
        # Drawn by what they are: a change elsewhere leaves most of the sample as it is.
        drawn = set(sorted(chosen, key=self._lot)[: self.sample])
        return [mutant for mutant in chosen if mutant in drawn]

    def _lot(self, mutant: Mutant) -> str:
        return content_hash(f"{self.seed}\0{mutant.file}\0{mutant.text}\0{mutant.mutation}".encode())


@dataclass
class Hunt:
    """What a run works with."""

    console: Console
    traces: Sequence[Trace]
    catalogue: str
    entries: Sequence[Listed]
    results: Path
    jobs: int


def run(
    console: Console,
    languages: Sequence[Language],
    selection: Selection,
    jobs: int,
    report: Path,
    root: Path = REPOSITORY,
    catalogue: Path = CATALOGUE,
) -> bool:
    """Tries the mutants of some languages; True when the verdict is red.

    Raises:
        ToolFailed, DamagedResults, CleanRunFailed: when there is nothing to work with.
        asyncio.CancelledError: on SIGTERM, when all drivers have been ended and what was found has been saved.
    """
    traces, faults = lint(catalogue, read_spec(SPEC))
    entries = []
    for listing in sorted((root / TOOLS / "equivalent").glob("*.yaml")):
        listed, more = read_listed(listing)
        entries += listed
        faults += more
    if faults:
        raise ToolFailed("\n".join(str(fault) for fault in faults))
    files = sorted(catalogue.rglob("*.yaml"))
    hunt = Hunt(
        console=console,
        traces=[*traces, *(trace.unheard() for trace in traces if trace.actions)],
        catalogue=content_hash(b"\0".join(file.read_bytes() for file in files)),
        entries=entries,
        results=root / BUILD,
        jobs=jobs,
    )
    verdicts = [asyncio.run(_hunt(hunt, language, selection)) for language in languages]
    print_verdicts(console, verdicts)
    write_report(report, verdicts, hunt.catalogue)
    return any(verdict.faults for verdict in verdicts)


async def _hunt(hunt: Hunt, language: Language, selection: Selection) -> Verdict:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    results = Results(hunt.results / f"{language.name}.json")
    say(hunt.console, f"{language.name}: listing mutants")
    mutants = language.prepare()
    results.forget_all_but(mutants)
    labels = [spec.label for spec in language.drivers(None)]
    catalogue = content_hash("\0".join([hunt.catalogue, *labels]).encode())
    results.describe(catalogue, (replay_key(label, trace) for label in labels for trace in hunt.traces))
    chosen = selection.of(mutants)
    trials = {mutant: trial for mutant in chosen if (trial := results.known(mutant, catalogue)) is not None}
    left = [mutant for mutant in chosen if mutant not in trials]
    say(hunt.console, f"{language.name}: {len(mutants)} mutants, {len(chosen)} chosen, {len(left)} to try")
    if left:
        with language.tools():
            clean = await run_clean(language.drivers(None), hunt.traces)
            try:
                async with _progress(hunt, language, len(left)) as progress:
                    await _try_all(hunt, language, left, clean, catalogue, results, progress)
            finally:
                results.save()
        trials = {mutant: trial for mutant in chosen if (trial := results.known(mutant, catalogue)) is not None}
    return judge_language(language.name, trials, mutants, hunt.entries)


async def _try_all(
    hunt: Hunt, language: Language, left: Sequence[Mutant], clean: Clean, catalogue: str, results: Results, progress: Counted
) -> None:
    waiting = iter(left)

    async def worker() -> None:
        for mutant in waiting:
            trial = await try_mutant(language, mutant, hunt.traces, clean, catalogue, results.survived(mutant))
            results.add(mutant, trial)
            progress.add(mutant, trial)

    async with asyncio.TaskGroup() as group:
        for _ in range(hunt.jobs):
            group.create_task(worker())


class Counted:
    """How far the work is: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, console: Console, language: str, total: int, bar: Progress) -> None:
        self._console = console
        self._language = language
        self._total = total
        self._bar = bar
        self._task = bar.add_task(language, total=total)
        self._done = self._survived = 0
        self._told = time.monotonic()

    def add(self, mutant: Mutant, trial: Trial) -> None:
        self._done += 1
        self._survived += trial.outcome == "survived"
        self._bar.update(self._task, advance=1, description=f"{self._language}, {self._survived} survived")
        if not self._console.is_terminal and time.monotonic() - self._told > PLAIN_SECONDS:
            self._told = time.monotonic()
            say(self._console, f"{self._language}: {self._done} of {self._total}, {self._survived} survived")


@asynccontextmanager
async def _progress(hunt: Hunt, language: Language, total: int) -> AsyncIterator[Counted]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=hunt.console, transient=True, disable=not hunt.console.is_terminal) as bar:
        yield Counted(hunt.console, language.name, total, bar)


def print_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """What is wrong, and the figures."""
    for verdict in verdicts:
        for fault in verdict.faults:
            say(console, fault, "red")
    table = Table("language", "mutants", "killed", "timed out", "survived", *KINDS, "score")
    for verdict in verdicts:
        style = "red" if verdict.faults else "green"
        table.add_row(verdict.language, *map(str, verdict.figures.values()), f"{verdict.score:.1%}", style=style)
    console.print(table)


def _matches(file: str, globs: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(file, glob) or fnmatch.fnmatchcase(Path(file).name, glob) for glob in globs)

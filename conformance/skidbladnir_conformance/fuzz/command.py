"""The command ``conformance fuzz``."""

from __future__ import annotations

import asyncio
import json
import random
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from skidbladnir_conformance.console import say
from skidbladnir_conformance.fuzz.explore import Explorer, Finding, Statistics
from skidbladnir_conformance.fuzz.found import write_finding
from skidbladnir_conformance.fuzz.generate import KINDS
from skidbladnir_conformance.lint import lint
from skidbladnir_conformance.paths import SPEC
from skidbladnir_conformance.process import BUILT_IN, DriverError, DriverSpec
from skidbladnir_conformance.run import make_console
from skidbladnir_conformance.spec import read_spec

# The sync face of Python shows what its async face shows, but for cancellations; its threads cost more than another language.
SELDOM = {"python-sync": 4}
PASSED, FAILED, NOT_RUN = 0, 1, 2
# Where there is no terminal, a line is printed so often.
PLAIN_SECONDS = 10.0


@click.command("fuzz")
@click.option("--seed", type=int, help="Makes the same traces again; default: another each time.")
@click.option("--traces", type=click.IntRange(min=1), help="Ends after so many.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Ends after so long; default: 30.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only subjects of this kind.")
@click.option("--driver", "drivers", multiple=True, type=click.Choice(list(BUILT_IN)), help="A driver of this repository.")
@click.option("--exec", "commands", multiple=True, metavar="CMD", help="A command that starts a driver.")
@click.option("--findings", type=click.IntRange(min=1), default=1, show_default=True, help="Ends when so much is found.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/fuzz"),
    show_default=True,
    help="Folder for the traces that were found; a catalogue of its own.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the figures go, as JSON; default: report.json in that folder.",
)
@click.option("--all-columns", is_flag=True, help="python-sync replays all too; without, every fourth batch.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True)
def fuzz_command(
    seed: int | None,
    traces: int | None,
    seconds: float | None,
    kinds: tuple[str, ...],
    drivers: tuple[str, ...],
    commands: tuple[str, ...],
    findings: int,
    out: Path,
    report: Path | None,
    all_columns: bool,
    timeout: float,
) -> None:
    """Replays random traces in all drivers, and compares them with each other and with what must always hold.

    What is found is made as small as it can be and written as a trace. The first driver is the reference. Exits with
    0 when nothing is found.
    """
    seed = random.randrange(1_000_000) if seed is None else seed
    if traces is None and seconds is None:
        seconds = 30.0
    if not drivers and not commands:
        drivers = tuple(BUILT_IN)
    try:
        specs = [*map(DriverSpec.built_in, drivers), *map(DriverSpec.command_line, commands)]
    except DriverError as error:
        click.echo(error, err=True)
        sys.exit(NOT_RUN)
    every = {} if all_columns or len(drivers) + len(commands) == 1 else SELDOM
    replay = ["conformance", "run", "--catalogue", str(out)]
    replay += [part for command in commands for part in ("--exec", command)]
    replay += [part for driver in drivers if drivers != tuple(BUILT_IN) for part in ("--driver", driver)]
    console = make_console()
    found: list[Finding] = []

    def tell(finding: Finding) -> None:
        found.append(finding)
        path = write_finding(out, finding)
        say(console, f"FOUND {finding.document['id']}: {finding.reason}", "bold red")
        say(console, f"  {path}\n  replay it: {shlex.join([*replay, '--id', finding.document['id']])}")

    explorer = Explorer(specs, timeout, every)
    try:
        _check_folder(out)
        asyncio.run(_explore(console, explorer, tell, seed, kinds or KINDS, traces, seconds, findings))
        problem = ""
    except (DriverError, OSError) as error:
        problem = str(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        problem = f"interrupted; --seed {seed} makes the same traces again"
    statistics = explorer.statistics
    if statistics.traces:
        _print_statistics(console, statistics)
        _write_report(report or out / "report.json", seed, [spec.label for spec in specs], statistics, found)
    verdict = f"{statistics.found} found" if statistics.found else "nothing found"
    say(
        console,
        f"seed {seed}: {statistics.traces} traces, {statistics.rate:.0f} a second; {verdict}",
        "red" if statistics.found else "green",
    )
    if problem:
        click.echo(problem, err=True)
    sys.exit(FAILED if statistics.found else NOT_RUN if problem else PASSED)


def _check_folder(out: Path) -> None:
    """Makes the folder, and tells of what would keep the findings in it from being replayed.

    Raises:
        OSError: when nothing can be written there.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out):
        pass
    _, faults = lint(out, read_spec(SPEC))
    for fault in faults:
        click.echo(f"{fault}; findings can be replayed when this is mended or removed", err=True)


async def _explore(
    console: Console,
    explorer: Explorer,
    tell: Callable[[Finding], None],
    seed: int,
    kinds: Sequence[str],
    traces: int | None,
    seconds: float | None,
    findings: int,
) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    told = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        line = bar.add_task(f"seed {seed}", total=None)

        def show(statistics: Statistics) -> None:
            nonlocal told
            text = f"seed {seed}: {statistics.traces} traces, {statistics.rate:.0f} a second"
            bar.update(line, description=text)
            if not console.is_terminal and time.monotonic() - told > PLAIN_SECONDS:
                told = time.monotonic()
                say(console, text)

        async with explorer:
            await explorer.explore(
                seed, kinds, traces=traces, seconds=seconds, most_findings=findings, on_progress=show, on_finding=tell
            )


def _shares(statistics: Statistics) -> list[dict[str, float]]:
    """In what part of the traces each thing occurred: what the exploration reached."""
    every = max(1, statistics.traces)
    judged = max(1, statistics.traces - statistics.tied - statistics.skipped)
    return [
        {f"subject: {name}": count / judged for name, count in sorted(statistics.kinds.items())},
        {name: count / judged for name, count in sorted(statistics.seen.items())},
        {
            **{f"replayed by {name}": count / every for name, count in statistics.replayed.items()},
            "left out, for no driver has the features": statistics.skipped / every,
            "left out, for two timers were due at one instant": statistics.tied / every,
            "where a difference would not count, for an order is open": statistics.open_order / judged,
        },
    ]


def _print_statistics(console: Console, statistics: Statistics) -> None:
    table = Table("in the traces", "share", title_justify="left")
    for section in _shares(statistics):
        for name, share in section.items():
            table.add_row(name, f"{share:.1%}")
        table.add_section()
    console.print(table)


def _write_report(file: Path, seed: int, drivers: list[str], statistics: Statistics, found: list[Finding]) -> None:
    """The figures as JSON."""
    data = {
        "seed": seed,
        "drivers": drivers,
        "traces": statistics.traces,
        "seconds": round(statistics.seconds, 3),
        "rate": round(statistics.rate, 1),
        "shares": {name: round(share, 6) for section in _shares(statistics) for name, share in section.items()},
        "found": [{"id": finding.document["id"], "reason": finding.reason} for finding in found],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")

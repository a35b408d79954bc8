"""The command ``conformance fuzz``."""

from __future__ import annotations

import asyncio
import json
import random
import shlex
import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from skidbladnir_conformance.console import say
from skidbladnir_conformance.fuzz.explore import Explorer, Finding, Statistics
from skidbladnir_conformance.fuzz.found import write_finding
from skidbladnir_conformance.fuzz.generate import KINDS
from skidbladnir_conformance.process import BUILT_IN, DriverError, DriverSpec
from skidbladnir_conformance.run import make_console

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
    console = make_console()
    try:
        specs = [*map(DriverSpec.built_in, drivers), *map(DriverSpec.command_line, commands)]
        found, statistics = asyncio.run(_explore(console, specs, seed, kinds or KINDS, traces, seconds, findings, timeout))
    except DriverError as error:
        click.echo(error, err=True)
        sys.exit(NOT_RUN)
    except KeyboardInterrupt:
        click.echo(f"interrupted; --seed {seed} makes the same traces again", err=True)
        sys.exit(NOT_RUN)
    _print_statistics(console, statistics)
    _write_report(report or out / "report.json", seed, [spec.label for spec in specs], statistics, found)
    for finding in found:
        path = write_finding(out, finding)
        say(console, f"FOUND {finding.document['id']}: {finding.reason}", "bold red")
        replay = ["conformance", "run", "--catalogue", str(out), "--id", finding.document["id"]]
        replay += [part for command in commands for part in ("--exec", command)]
        replay += [part for driver in drivers if drivers != tuple(BUILT_IN) for part in ("--driver", driver)]
        say(console, f"  {path}\n  replay it: {shlex.join(replay)}")
    verdict = f"{len(found)} found" if found else "nothing found"
    say(
        console,
        f"seed {seed}: {statistics.traces} traces, {statistics.rate:.0f} a second; {verdict}",
        "red" if found else "green",
    )
    sys.exit(FAILED if found else PASSED)


async def _explore(
    console: Console,
    specs: list[DriverSpec],
    seed: int,
    kinds: tuple[str, ...],
    traces: int | None,
    seconds: float | None,
    findings: int,
    timeout: float,
) -> tuple[list[Finding], Statistics]:
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

        async with Explorer(specs, timeout) as explorer:
            found = await explorer.explore(
                seed, kinds, traces=traces, seconds=seconds, most_findings=findings, on_progress=show
            )
            return found, explorer.statistics


def _shares(statistics: Statistics) -> list[dict[str, float]]:
    """In what part of the traces each thing occurred: what the exploration reached."""
    judged = max(1, statistics.traces - statistics.tied)
    return [
        {f"subject: {name}": count / judged for name, count in sorted(statistics.kinds.items())},
        {name: count / judged for name, count in sorted(statistics.seen.items())},
        {
            "left out, for two timers were due at one instant": statistics.tied / max(1, statistics.traces),
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

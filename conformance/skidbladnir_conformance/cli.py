"""The command ``conformance``."""

from __future__ import annotations

import asyncio
import itertools
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skidbladnir_conformance.fuzz.command import fuzz_command
from skidbladnir_conformance.lint import lint, lint_packages, uncovered
from skidbladnir_conformance.mutants.command import mutants_command
from skidbladnir_conformance.new_driver import new_driver_command
from skidbladnir_conformance.paths import CATALOGUE, REPOSITORY, SPEC
from skidbladnir_conformance.process import BUILT_IN, DriverError, DriverSpec
from skidbladnir_conformance.spec import read_spec
from skidbladnir_conformance.trace import LEVELS, Filter, Trace

if TYPE_CHECKING:
    from skidbladnir_conformance.known import KnownFailure
    from skidbladnir_conformance.report import Run

PASSED, FAILED, NOT_RUN = 0, 1, 2

catalogue_option = click.option(
    "--catalogue",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=CATALOGUE,
    help="Folder of traces; default: those of this suite.",
)
pattern_option = click.option("--pattern", "patterns", multiple=True, help="Only traces of this folder.")
clause_option = click.option("--clause", "clauses", multiple=True, help="Only traces that name this clause.")
id_option = click.option("--id", "ids", multiple=True, metavar="GLOB", help="Only traces whose id matches.")
level_option = click.option(
    "--level",
    type=click.IntRange(1, len(LEVELS)),
    default=len(LEVELS),
    help="Only traces up to this level. " + "; ".join(f"{number}: {what}" for number, what in enumerate(LEVELS, 1)) + ".",
)
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds a driver may take for one answer.",
)
mutants_option = click.option(
    "--mutants",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/mutants/report.json"),
    show_default=True,
    help="Figures of `conformance mutants`; may be missing.",
)
fuzz_option = click.option(
    "--fuzz",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/fuzz/report.json"),
    show_default=True,
    help="Figures of `conformance fuzz`; may be missing.",
)


@click.group()
def main() -> None:
    """Replays the catalogue of behaviour traces against the ports, and compares them.

    Exit codes: 0 all is well, 1 something failed, 2 nothing was run.
    """


main.add_command(fuzz_command)
main.add_command(mutants_command)
main.add_command(new_driver_command)


@main.command("lint")
@catalogue_option
@click.option("--packages", is_flag=True, help="Also: do the package tests name the clauses that are theirs?")
def lint_command(catalogue: Path, packages: bool) -> None:
    """Checks the catalogue: its form, its references, and that every clause is covered."""
    spec = read_spec(SPEC)
    traces, faults = lint(catalogue, spec)
    if not faults:
        faults = uncovered(traces, spec)
    if packages:
        faults += lint_packages(REPOSITORY, spec)
    _complain(faults)
    click.echo(f"{len(traces)} traces cover {len(spec.by_traces)} clauses")
    sys.exit(FAILED if faults else PASSED)


@main.command("list")
@catalogue_option
@pattern_option
@clause_option
@id_option
@level_option
def list_command(
    catalogue: Path, patterns: tuple[str, ...], clauses: tuple[str, ...], ids: tuple[str, ...], level: int
) -> None:
    """Lists traces with their levels and clauses."""
    for trace in _selected(_read(catalogue), Filter(patterns, clauses, ids, level)):
        click.echo(f"{trace.id}  {trace.level}  {', '.join(trace.clauses)}")


@main.command("show")
@click.argument("trace_id", metavar="ID")
@catalogue_option
def show_command(trace_id: str, catalogue: Path) -> None:
    """Prints a trace, and where it stands."""
    (trace,) = _selected(_read(catalogue), Filter(ids=(trace_id,)))[:1]
    lines = trace.file.read_text("utf-8").splitlines()[trace.line - 1 :]
    text = [lines[0], *itertools.takewhile(lambda line: not line.startswith("- "), lines[1:])]
    click.echo("\n".join([f"# {trace.place}, level {trace.level}", *text]).rstrip())


@main.command("spec")
@click.argument("chapter", type=click.Choice(sorted(file.stem for file in SPEC.glob("[a-z]*.md"))))
def spec_command(chapter: str) -> None:
    """Prints a chapter of the specification."""
    click.echo((SPEC / f"{chapter}.md").read_text("utf-8"), nl=False)


@main.command("coverage")
@catalogue_option
@click.option("--exec", "command", metavar="CMD", help="A command that starts a driver; default: that of Python.")
def coverage_command(catalogue: Path, command: str | None) -> None:
    """Lists clauses and transitions of the specification that no trace reaches, replayed in one driver."""
    from skidbladnir_conformance import coverage, test_driver_pb2
    from skidbladnir_conformance.driver import replay_all
    from skidbladnir_conformance.observation import complete

    traces = _read(catalogue)
    spec = read_spec(SPEC)
    specs = _built_in(["python"]) if command is None else [DriverSpec.command_line(command)]
    columns, _ = asyncio.run(replay_all(specs, traces, (), 10.0, lambda *_: None))
    _stop_on([column.problem for column in columns if column.problem])
    answers = columns[0].answers
    seen = [(trace, answer) for trace in traces if isinstance(answer := answers[trace.id], test_driver_pb2.Observation)]
    for _, observation in seen:
        complete(observation)
    transitions = coverage.read_transitions(SPEC)
    left = coverage.unseen(transitions, [each for pair in seen for each in coverage.happenings(*pair)])
    clauses = uncovered(traces, spec)
    _complain([*clauses, *(f"no trace shows {transition}" for transition in left)])
    for what, total, missing in (("clauses", len(spec.by_traces), len(clauses)), ("transitions", len(transitions), len(left))):
        click.echo(f"{what}: {total - missing} of {total}, {(total - missing) / total:.0%}")
    sys.exit(FAILED if clauses or left else PASSED)


@main.command("diagrams")
def diagrams_command() -> None:
    """Draws the tables of states of the specification anew, beside the tables."""
    from skidbladnir_conformance import coverage

    transitions = coverage.read_transitions(SPEC)
    for machine in dict.fromkeys(each.machine for each in transitions):
        file = SPEC / f"{machine}.md"
        rows = [each for each in transitions if each.machine == machine]
        file.write_text(coverage.with_diagram(file.read_text("utf-8"), rows), "utf-8")


@main.command("run")
@click.option(
    "--driver", "drivers", multiple=True, type=click.Choice(list(BUILT_IN)), help="A driver of this repository."
)
@click.option("--exec", "commands", multiple=True, metavar="CMD", help="A command that starts a driver.")
@click.option(
    "--connect", "addresses", multiple=True, metavar="HOST:PORT", help="A driver that runs already; or unix:PATH."
)
@click.option("--language", "languages", multiple=True, help="Only drivers of this language.")
@catalogue_option
@pattern_option
@clause_option
@id_option
@level_option
@click.option(
    "--known-failures",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML list of {language, id, reason}: these may fail, and must not pass.",
)
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Writes JUnit XML.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Writes a Markdown summary.")
@click.option("--badge", type=click.Path(dir_okay=False, path_type=Path), help="Writes an SVG image with the verdict.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Writes the report, as one HTML file.")
@timeout_option
def run_command(
    drivers: tuple[str, ...],
    commands: tuple[str, ...],
    addresses: tuple[str, ...],
    languages: tuple[str, ...],
    catalogue: Path,
    patterns: tuple[str, ...],
    clauses: tuple[str, ...],
    ids: tuple[str, ...],
    level: int,
    known_failures: Path | None,
    junit: Path | None,
    markdown: Path | None,
    badge: Path | None,
    html: Path | None,
    timeout: float,
) -> None:
    """Replays traces in all drivers at once.

    Without --driver, --exec and --connect: in the four drivers of this repository. Exits with 0 only when
    all of them do what the catalogue says, and the same.
    """
    from skidbladnir_conformance.known import read_known_failures
    from skidbladnir_conformance.report import write_badge, write_junit, write_markdown

    everything = _read(catalogue)
    traces = _selected(everything, Filter(patterns, clauses, ids, level))
    known, faults = ([], []) if known_failures is None else read_known_failures(known_failures)
    _stop_on(faults)
    specs = _specs(drivers, commands, addresses, languages)
    command = _command(drivers, commands, addresses, catalogue)
    outcome = _replayed(specs, traces, everything, languages, known, timeout, command)
    if junit is not None:
        write_junit(junit, outcome)
    if markdown is not None:
        write_markdown(markdown, outcome)
    if badge is not None:
        write_badge(badge, outcome)
    if html is not None:
        from skidbladnir_conformance.report_html.page import Report, write_page

        write_page(html, Report(outcome, everything, command, datetime.now(UTC)))
    sys.exit(FAILED if outcome.red else PASSED)


@main.command("report")
@catalogue_option
@mutants_option
@fuzz_option
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/report.html"),
    show_default=True,
    help="Where the report goes.",
)
@timeout_option
def report_command(catalogue: Path, mutants: Path, fuzz: Path, out: Path, timeout: float) -> None:
    """Writes the report: one HTML file with every trace drawn, and the figures of coverage, mutation and exploration.

    Replays the catalogue in the four drivers of this repository; `run --html` does it for others. Exits as `run` does.
    """
    from skidbladnir_conformance.report_html.figures import DamagedFigures, read_fuzz, read_mutants
    from skidbladnir_conformance.report_html.page import Report, write_page

    try:
        figures = read_mutants(mutants), read_fuzz(fuzz)
    except DamagedFigures as error:
        click.echo(error, err=True)
        sys.exit(NOT_RUN)
    everything = _read(catalogue)
    command = _command((), (), (), catalogue)
    outcome = _replayed(_specs((), (), (), ()), everything, everything, (), [], timeout, command)
    write_page(out, Report(outcome, everything, command, datetime.now(UTC), *figures))
    click.echo(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
    sys.exit(FAILED if outcome.red else PASSED)


def _replayed(
    specs: Sequence[DriverSpec],
    traces: Sequence[Trace],
    everything: Sequence[Trace],
    languages: Sequence[str],
    known: Sequence[KnownFailure],
    timeout: float,
    command: str,
) -> Run:
    """Replays, judges, and prints."""
    from skidbladnir_conformance import run as runner

    began = time.monotonic()
    console = runner.make_console()
    try:
        outcome = runner.run(console, specs, traces, everything, languages, known, timeout)
    except asyncio.CancelledError:
        click.echo("interrupted", err=True)
        sys.exit(NOT_RUN)
    if not outcome.columns:
        _stop_on([f"no driver is of the language {', '.join(languages)}"])
    runner.print_outcome(console, outcome, command, time.monotonic() - began)
    return outcome


def _read(catalogue: Path) -> list[Trace]:
    traces, faults = lint(catalogue, read_spec(SPEC))
    _stop_on(faults)
    return traces


def _selected(traces: Sequence[Trace], selection: Filter) -> list[Trace]:
    selected = [trace for trace in traces if selection.selects(trace)]
    if not selected:
        _stop_on(["no trace is selected"])
    return selected


def _specs(
    drivers: Sequence[str], commands: Sequence[str], addresses: Sequence[str], languages: Sequence[str]
) -> list[DriverSpec]:
    if not (drivers or commands or addresses):
        # Where only languages of this repository are asked for, no other driver has to be started.
        drivers = [name for name in BUILT_IN if not languages or name in languages]
        if not drivers:
            _stop_on([f"no driver of this repository is of the language {', '.join(languages)}"])
    return [
        *_built_in(dict.fromkeys(drivers)),
        *(DriverSpec.command_line(command) for command in commands),
        *(DriverSpec(label=address, address=address) for address in addresses),
    ]


def _built_in(names: Iterable[str]) -> list[DriverSpec]:
    try:
        return [DriverSpec.built_in(name) for name in names]
    except DriverError as error:
        _stop_on([error])
        raise


def _command(drivers: Sequence[str], commands: Sequence[str], addresses: Sequence[str], catalogue: Path) -> str:
    parts = ["conformance", "run"]
    for option, values in (("--driver", drivers), ("--exec", commands), ("--connect", addresses)):
        parts += [part for value in values for part in (option, value)]
    if catalogue != CATALOGUE:
        parts += ["--catalogue", str(catalogue)]
    return shlex.join(parts)


def _complain(faults: Iterable[object]) -> None:
    for fault in faults:
        click.echo(fault, err=True)


def _stop_on(faults: Sequence[object]) -> None:
    if faults:
        _complain(faults)
        sys.exit(NOT_RUN)

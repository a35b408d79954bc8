"""The command ``conformance``."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from skidbladnir_conformance.driver import BUILT_IN, Column, DriverSpec, replay
from skidbladnir_conformance.judge import judge
from skidbladnir_conformance.known import apply_known_failures, read_known_failures
from skidbladnir_conformance.lint import UNCOVERED, lint, lint_packages, read_spec
from skidbladnir_conformance.report import Result, print_run, write_junit, write_markdown
from skidbladnir_conformance.trace import Filter, Trace, traces_of
from skidbladnir_conformance.yaml_nodes import YamlError

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "conformance" / "spec"
CATALOGUE = ROOT / "conformance" / "catalogue"

catalogue_option = click.option(
    "--catalogue", type=click.Path(exists=True, file_okay=False, path_type=Path), default=CATALOGUE, help="Folder of traces."
)
pattern_option = click.option("--pattern", "patterns", multiple=True, help="Only traces of this folder.")
clause_option = click.option("--clause", "clauses", multiple=True, help="Only traces that name this clause.")
id_option = click.option("--id", "ids", multiple=True, help="Only traces whose id matches this glob.")


@click.group()
def main() -> None:
    """Replays the catalogue of behaviour traces against the ports, and compares them."""


@main.command("lint")
@catalogue_option
@click.option("--packages", is_flag=True, help="Also: do the package tests name the clauses that are theirs?")
def lint_command(catalogue: Path, packages: bool) -> None:
    """Checks the catalogue: its form, its references, and that every clause is covered."""
    spec = read_spec(SPEC)
    documents, faults = lint(catalogue, spec)
    if packages:
        faults.extend(lint_packages(ROOT, spec))
    _stop_on(faults)
    count = sum(len(document.value) for document in documents)
    click.echo(f"{count} traces in {len(documents)} files cover {len(spec.by_traces)} clauses")


@main.command("list")
@catalogue_option
@pattern_option
@clause_option
@id_option
def list_command(catalogue: Path, patterns: tuple[str, ...], clauses: tuple[str, ...], ids: tuple[str, ...]) -> None:
    """Lists traces with their clauses."""
    for trace in _selected(catalogue, Filter(patterns, clauses, ids)):
        click.echo(f"{trace.id}  {', '.join(trace.clauses)}")


@main.command("run")
@catalogue_option
@pattern_option
@clause_option
@id_option
@click.option("--driver", "drivers", multiple=True, type=click.Choice(list(BUILT_IN)), help="A driver of this repository.")
@click.option("--language", "drivers", multiple=True, type=click.Choice(list(BUILT_IN)), help="The same as --driver.")
@click.option("--exec", "commands", multiple=True, help="A command that starts a driver.")
@click.option("--connect", "addresses", multiple=True, help="The address of a driver that runs: HOST:PORT or unix:PATH.")
@click.option("--known-failures", type=click.Path(exists=True, path_type=Path), help="YAML list of language, id, reason.")
@click.option("--junit", type=click.Path(path_type=Path), help="Writes JUnit XML.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Writes a Markdown summary.")
@click.option("--timeout", default=20.0, show_default=True, help="Seconds a driver may take for one answer.")
def run_command(
    catalogue: Path,
    patterns: tuple[str, ...],
    clauses: tuple[str, ...],
    ids: tuple[str, ...],
    drivers: tuple[str, ...],
    commands: tuple[str, ...],
    addresses: tuple[str, ...],
    known_failures: Path | None,
    junit: Path | None,
    markdown: Path | None,
    timeout: float,
) -> None:
    """Replays traces in all drivers at once; exits 0 when all of them do what the catalogue says, and the same."""
    began = time.monotonic()
    traces = _selected(catalogue, Filter(patterns, clauses, ids))
    if not traces:
        _stop_on(["no trace is selected"])
    try:
        known = [] if known_failures is None else read_known_failures(known_failures)
    except YamlError as error:
        _stop_on([str(error)])
    specs = [DriverSpec.built_in(name, ROOT) for name in dict.fromkeys(drivers)]
    specs += [DriverSpec.command_line(command) for command in commands]
    specs += [DriverSpec(label=address, address=address) for address in addresses]
    specs = specs or [DriverSpec.built_in(name, ROOT) for name in BUILT_IN]

    console = Console(width=None if sys.stdout.isatty() else 160)
    replay_began = time.monotonic()
    columns = _replay_all(console, specs, traces, timeout)
    replayed = time.monotonic() - replay_began
    _name_apart(columns)

    results: list[Result] = []
    for trace in traces:
        answers = {
            column.language: column.answers.get(trace.id, column.problem or "not answered")
            for column in columns
            if not column.problem
        }
        results.append(Result(trace, judge(trace, answers)))
    working = [column for column in columns if not column.problem]
    problems = apply_known_failures(results, known)

    arguments = "".join(f"--driver {name} " for name in drivers)
    arguments += "".join(f"--exec '{command}' " for command in commands)
    arguments += "".join(f"--connect {address} " for address in addresses)
    print_run(console, results, working, arguments)
    for column in columns:
        if column.problem:
            console.print(f"[red]{column.spec.label}[/]: {column.problem}", highlight=False)
    for problem in problems:
        console.print(f"[red]{problem}[/]", highlight=False)
    if junit is not None:
        write_junit(junit, results, working)
    if markdown is not None:
        write_markdown(markdown, results, working)
    failed = sum(result.failed for result in results)
    red = bool(failed or problems or len(working) < len(columns))
    console.print(
        f"{len(traces)} traces, {failed} failed; replay {replayed:.1f} s, in all {time.monotonic() - began:.1f} s",
        highlight=False,
    )
    sys.exit(1 if red else 0)


def _selected(catalogue: Path, selection: Filter) -> list[Trace]:
    documents, faults = lint(catalogue, read_spec(SPEC))
    _stop_on([fault for fault in faults if not fault.startswith(UNCOVERED)])
    return [trace for trace in traces_of(documents) if selection.selects(trace)]


def _stop_on(faults: list[str]) -> None:
    if faults:
        for fault in faults:
            click.echo(fault, err=True)
        sys.exit(2)


def _replay_all(console: Console, specs: list[DriverSpec], traces: list[Trace], timeout: float) -> list[Column]:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks = {spec: progress.add_task(spec.label, total=len(traces)) for spec in specs}

        def one(spec: DriverSpec) -> Column:
            return replay(spec, traces, timeout, lambda: progress.advance(tasks[spec]))

        with ThreadPoolExecutor(len(specs)) as pool:
            return list(pool.map(one, specs))


def _name_apart(columns: list[Column]) -> None:
    """Two drivers of one language become two columns."""
    seen: set[str] = set()
    for column in columns:
        while column.language in seen:
            column.language += "'"
        seen.add(column.language)

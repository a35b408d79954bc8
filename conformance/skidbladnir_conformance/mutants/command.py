"""The command ``conformance mutants``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

LANGUAGE_NAMES = ("python", "go", "typescript")
PASSED, FAILED, NOT_RUN = 0, 1, 2


@click.command("mutants")
@click.option("--language", "languages", multiple=True, type=click.Choice(LANGUAGE_NAMES), help="Only this language.")
@click.option("--sample", type=click.IntRange(min=1), help="Only so many mutants of each language, drawn by --seed.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--only", metavar="GLOB", multiple=True, help="Only mutants of files whose path or name matches.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Mutants tried at once.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/mutants/report.json"),
    show_default=True,
    help="Where the figures go, as JSON.",
)
def mutants_command(languages: tuple[str, ...], sample: int | None, seed: int, only: tuple[str, ...], jobs: int, report: Path) -> None:
    """Proves how sharp the catalogue is: replays it against mutants of the packages, and of nothing else.

    Needs a checkout, and the tools that `make mutants` installs. What was found is kept in build/mutants.
    Exits with 0 only when all others are listed, with a reason, in conformance/mutants/equivalent, and of all mutants that
    are wrong by the specification at least 95 % are noticed.
    """
    from skidbladnir_conformance.mutants import hunt
    from skidbladnir_conformance.mutants.languages import LANGUAGES, ToolFailed
    from skidbladnir_conformance.mutants.results import DamagedResults
    from skidbladnir_conformance.mutants.trial import CleanRunFailed
    from skidbladnir_conformance.run import make_console

    chosen = [LANGUAGES[name]() for name in LANGUAGE_NAMES if name in LANGUAGES and (not languages or name in languages)]
    try:
        red = hunt.run(make_console(), chosen, hunt.Selection(sample, seed, only), jobs, report)
    except (ToolFailed, DamagedResults, CleanRunFailed) as error:
        click.echo(error, err=True)
        sys.exit(NOT_RUN)
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("interrupted; the next run goes on from here", err=True)
        sys.exit(NOT_RUN)
    sys.exit(FAILED if red else PASSED)

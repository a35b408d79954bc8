"""The command ``conformance new-driver``: what a new port begins with."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from skidbladnir_conformance.paths import GUIDE, PROTOCOL, TEMPLATES

PASSED, NOT_RUN = 0, 2
COMMON = "common"
LANGUAGE_NAME = re.compile(r"[a-z][a-z0-9+#.-]*")
MARK = "@LANGUAGE@"


def with_skeletons() -> list[str]:
    """The languages for which there is a driver to begin with."""
    return sorted(folder.name for folder in TEMPLATES.iterdir() if folder.is_dir() and folder.name != COMMON)


@click.command("new-driver", epilog=f"With a driver to begin with: {', '.join(with_skeletons())}.")
@click.argument("language")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("conformance"),
    show_default=True,
    help="Folder to write to; it must be empty or new.",
)
def new_driver_command(language: str, out: Path) -> None:
    """Writes what a port to LANGUAGE begins with: protocol, guide, list of known failures, files for CI.

    And for some languages a driver that builds and describes itself, and knows no trace yet.
    """
    if not LANGUAGE_NAME.fullmatch(language):
        _stop(f"{language!r} is no name of a language: lower-case letters, digits, and + # . - are allowed")
    if out.exists() and any(out.iterdir()):
        _stop(f"{out} is not empty")
    try:
        written = list(write_skeleton(language, out))
    except OSError as error:
        _stop(f"cannot write {error.filename or out}: {error.strerror}")
    for file in written:
        click.echo(file)
    if language not in with_skeletons():
        click.echo(f"There is no driver to begin with for {language}: {out / 'porting.md'} says what it must do.")
    sys.exit(PASSED)


def write_skeleton(language: str, out: Path) -> Iterator[Path]:
    """Writes the files, and tells each. ``out`` is made where it is not there."""
    yield _write(out / PROTOCOL.name, PROTOCOL.read_text("utf-8"))
    yield _write(out / GUIDE.name, GUIDE.read_text("utf-8"))
    for folder in (TEMPLATES / COMMON, TEMPLATES / language):
        for source in sorted(folder.rglob("*")):
            if source.is_file():
                yield _write(out / source.relative_to(folder), source.read_text("utf-8").replace(MARK, language))


def _write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def _stop(reason: str) -> None:
    click.echo(reason, err=True)
    sys.exit(NOT_RUN)

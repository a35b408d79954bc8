"""The kit for port authors, proven in Rust: the skeleton builds and knows no trace, and the example, made from it, is green beside Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from skidbladnir_conformance.cli import main
from skidbladnir_conformance.paths import REPOSITORY

CARGO = shutil.which("cargo")
EXAMPLE = REPOSITORY / "conformance/examples/rust"
# One folder for both, so that what they share is built once.
TARGET = REPOSITORY / "build/rust"

needs_cargo = pytest.mark.skipif(CARGO is None, reason="cargo is not installed")
# The first build takes a minute or two of one core, and there may be less than one.
slow = pytest.mark.timeout(900)


def build(folder: Path, binary: str) -> str:
    command = ["nice", "cargo", "build", "--quiet", "--locked", "--jobs", "2"]
    built = subprocess.run(
        command, cwd=folder, env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)}, capture_output=True, text=True, check=False
    )
    assert (built.returncode, built.stderr) == (0, "")
    return str(TARGET / "debug" / binary)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments])


@needs_cargo
@slow
def test_skeleton_builds_and_says_what_it_does_not_know(tmp_path: Path) -> None:
    made = CliRunner().invoke(main, ["new-driver", "rust", "--out", str(tmp_path / "port")])
    assert made.exit_code == 0
    assert "There is no driver to begin with" not in made.output
    driver = build(tmp_path / "port", "conformance-driver")
    ran = run("--exec", driver, "--pattern", "circuit_breaker", "--level", "1")
    assert ran.exit_code == 1
    assert "unsupported: the subject is not known" in ran.output
    assert re.search(r"rust 0\.1\.0: \d+ failed(, \d+ skipped)?$", ran.output, re.MULTILINE)


@needs_cargo
@slow
def test_example_is_green_beside_python() -> None:
    ran = run("--driver", "python", "--exec", build(EXAMPLE, "driver"))
    assert ran.exit_code == 0, ran.output
    told = re.search(r"rust 0\.1\.0: (\d+) passed, \d+ skipped$", ran.output, re.MULTILINE)
    assert told is not None
    assert int(told[1]) >= 238


def test_example_and_skeleton_have_the_same_dependencies() -> None:
    skeleton = locked(REPOSITORY / "conformance/skidbladnir_conformance/templates/rust/Cargo.lock")
    assert skeleton
    assert skeleton <= locked(EXAMPLE / "Cargo.lock")


def locked(file: Path) -> set[tuple[str, str, str]]:
    packages = tomllib.loads(file.read_text())["package"]
    return {(package["name"], package["version"], package["checksum"]) for package in packages if "checksum" in package}

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from skidbladnir_conformance.cli import main
from skidbladnir_conformance.paths import REPOSITORY

DRIVER = REPOSITORY / "python/driver/main.py"
ASKS = f"""
import sys
sys.argv = [{str(DRIVER)!r}, *sys.argv[1:]]
import runpy
runpy.run_path(sys.argv[0], run_name="imported")
print(__import__("skidbladnir.policy").policy.SWITCHES_AT_CALLS)
"""


@pytest.mark.parametrize("face", ["", "--sync"])
def test_catalogue_holds_without_a_gil(face: str) -> None:
    ran = CliRunner().invoke(main, ["run", "--exec", f"{sys.executable} {DRIVER} --free-threaded {face}"])
    assert ran.exit_code == 0, ran.output


def test_the_driver_turns_off_what_relies_on_a_gil() -> None:
    ran = subprocess.run([sys.executable, "-c", ASKS, "--free-threaded"], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"

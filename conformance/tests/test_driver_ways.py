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


TYPESCRIPT = REPOSITORY / "typescript/build/driver.cjs"


@pytest.mark.parametrize(
    "driver",
    [
        f"{sys.executable} {DRIVER} --free-threaded",
        f"{sys.executable} {DRIVER} --free-threaded --sync",
        f"{sys.executable} {DRIVER} --wrapped",
        f"{sys.executable} {DRIVER} --wrapped --sync",
        f"node {TYPESCRIPT} --system-clock",
        f"node {TYPESCRIPT} --fake-timers",
    ],
)
def test_catalogue_holds_in_every_way(driver: str) -> None:
    ran = CliRunner().invoke(main, ["run", "--exec", driver])
    assert ran.exit_code == 0, ran.output


def test_the_driver_turns_off_what_relies_on_a_gil() -> None:
    ran = subprocess.run([sys.executable, "-c", ASKS, "--free-threaded"], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"

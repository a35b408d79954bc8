"""A few seconds of ``make load-python``, at a rate that any machine gives."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "build" / "bench" / "venv" / "bin" / "python"
SERVER = ROOT / "build" / "load" / "server"


@pytest.mark.skipif(not (PYTHON.exists() and SERVER.exists()), reason="made by `make test-python`")
def test_every_call_is_accounted_for_and_the_limit_holds(tmp_path: Path) -> None:
    schedule = "healthy:500ms,failing:300ms,stalling:400ms,resetting:300ms,recovering:300ms"
    output = tmp_path / "load.json"
    command = [PYTHON, "-m", "load", "--server", SERVER, "--seconds", "6", "--rate", "100", "--schedule", schedule, "--output", output]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "python")}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, env=environment)
    assert (ended.returncode, ended.stderr) == (0, "100 calls a second\n")
    without, guarded = json.loads(output.read_text())["runs"]
    assert without["issued"] > 0
    assert sum(guarded["outcomes"].values()) == guarded["issued"] > 0
    assert guarded["outcomes"]["ok"] > 0
    assert 0 < guarded["highest_concurrency"] <= 64

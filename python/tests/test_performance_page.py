"""docs/performance.md is what ``make bench-docs`` writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TABLES = Path(__file__).resolve().parents[1] / "bench" / "tables.py"


def test_is_in_step_with_the_measured_runs() -> None:
    ended = subprocess.run([sys.executable, TABLES, "--check"], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")

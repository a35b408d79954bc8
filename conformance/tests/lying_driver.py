"""The driver of Python, but for one wrong comparison: its circuits open a failure too late."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

PYTHON = Path(__file__).parents[2] / "python"
sys.path.insert(0, str(PYTHON))

from skidbladnir.window import ThresholdCounter  # noqa: E402

_record = ThresholdCounter.record


def record(self: ThresholdCounter, now: int, failed: bool, slow: bool) -> str | None:
    reason = _record(self, now, failed, slow)
    return reason if self._failures > self._threshold else None


ThresholdCounter.record = record  # type: ignore[method-assign]
runpy.run_path(str(PYTHON / "driver" / "main.py"), run_name="__main__")

"""The driver of Python, but a circuit that is forced open breaks it: ``breaking_driver.py crashes|hangs FILE``.

It adds a line to the file each time.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from pathlib import Path

PYTHON = Path(__file__).parents[2] / "python"
sys.path.insert(0, str(PYTHON))

from skidbladnir import CircuitBreaker  # noqa: E402

behaviour, file = sys.argv[1:]


def break_down(self: CircuitBreaker) -> None:
    with Path(file).open("a") as lines:
        lines.write("broken\n")
    if behaviour == "crashes":
        os._exit(7)
    time.sleep(3600)


CircuitBreaker.force_open = break_down  # type: ignore[method-assign]
sys.argv[1:] = []
runpy.run_path(str(PYTHON / "driver" / "main.py"), run_name="__main__")

"""What the tests of the runner share."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

HERE = Path(__file__).parent
CATALOGUE = HERE / "data" / "catalogue"

Conformance = Callable[..., Result]


def fake(behaviour: str, *arguments: str) -> str:
    """The command line of a fake driver."""
    return shlex.join([sys.executable, str(HERE / "fake_drivers.py"), behaviour, *arguments])

from __future__ import annotations

from collections.abc import Sequence

import pytest
from click.testing import CliRunner, Result

from conformance_support import CATALOGUE, Conformance
from skidbladnir_conformance.cli import main


@pytest.fixture
def conformance() -> Conformance:
    """Runs the command; ``execs`` are fake drivers to run, in the catalogue of the tests."""

    def run(*arguments: str, execs: Sequence[str] = ()) -> Result:
        options = [option for command in execs for option in ("--exec", command)]
        catalogue = [] if "--catalogue" in arguments else ["--catalogue", str(CATALOGUE)]
        return CliRunner().invoke(main, [arguments[0], *catalogue, *options, *arguments[1:]])

    return run

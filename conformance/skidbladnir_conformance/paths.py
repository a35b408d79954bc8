"""Where the suite and the repository's drivers are."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# Installed from a wheel, the suite lies inside the package; in a checkout, beside it.
_SUITE = _PACKAGE if (_PACKAGE / "catalogue").is_dir() else _PACKAGE.parent

REPOSITORY = _PACKAGE.parents[1]
CATALOGUE = _SUITE / "catalogue"
SPEC = _SUITE / "spec"
SCHEMA = CATALOGUE / "trace.schema.json"

"""Where the suite and the repository's drivers are."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# Installed from a wheel, the suite lies inside the package; in a checkout, beside it.
IS_CHECKOUT = not (_PACKAGE / "catalogue").is_dir()
_SUITE = _PACKAGE.parent if IS_CHECKOUT else _PACKAGE

REPOSITORY = _PACKAGE.parents[1]
CATALOGUE = _SUITE / "catalogue"
SPEC = _SUITE / "spec"
SCHEMA = CATALOGUE / "trace.schema.json"
TEMPLATES = _PACKAGE / "templates"
PROTOCOL = (REPOSITORY / "proto/skidbladnir/conformance/v1" if IS_CHECKOUT else _PACKAGE) / "test_driver.proto"
GUIDE = (REPOSITORY / "docs" if IS_CHECKOUT else _PACKAGE) / "porting.md"

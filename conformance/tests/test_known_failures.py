"""Known failures stay green, and turn red when they pass or match nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance_support import Conformance, fake

FIRST = "circuit_breaker/failure-is-counted"


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return tmp_path / "known.yaml"


def test_failure_that_is_known_does_not_turn_red(conformance: Conformance, listed: Path) -> None:
    listed.write_text("- {language: fake, id: 'circuit_breaker/failure-*', reason: not yet}\n")
    result = conformance("run", "--known-failures", str(listed), execs=[fake("lies", FIRST)])
    assert result.exit_code == 0, result.output
    assert "4 passed, 1 known" in result.output


def test_known_failure_that_passes_turns_red(conformance: Conformance, listed: Path) -> None:
    listed.write_text(f"- {{language: fake, id: {FIRST}, reason: not yet}}\n")
    result = conformance("run", "--known-failures", str(listed), execs=[fake("right")])
    assert result.exit_code == 1
    assert "passes, but is listed: remove it from the list" in result.output
    assert "known.yaml:1" in result.output


def test_entry_of_another_language_covers_nothing(conformance: Conformance, listed: Path) -> None:
    listed.write_text(f"- {{language: go, id: {FIRST}, reason: not yet}}\n")
    result = conformance("run", "--known-failures", str(listed), execs=[fake("lies", FIRST)])
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{language: fake, id: cache/no-such, reason: x}", "known failure cache/no-such matches no trace"),
        ("{language: klingon, id: 'cache/*', reason: x}", "is of klingon, which is no language here"),
    ],
)
def test_entry_that_matches_nothing_is_an_error(conformance: Conformance, listed: Path, entry: str, said: str) -> None:
    listed.write_text(f"- {entry}\n")
    result = conformance("run", "--known-failures", str(listed), execs=[fake("right")])
    assert result.exit_code == 1
    assert said in result.output


def test_entry_outside_of_the_selection_is_no_error(conformance: Conformance, listed: Path) -> None:
    listed.write_text(f"- {{language: fake, id: {FIRST}, reason: not yet}}\n")
    result = conformance("run", "--pattern", "cache", "--known-failures", str(listed), execs=[fake("right")])
    assert result.exit_code == 0


def test_faulty_file_stops_the_run(conformance: Conformance, listed: Path) -> None:
    listed.write_text("- {language: fake, id: x, reason: y}\n- {language: fake}\n")
    result = conformance("run", "--known-failures", str(listed), execs=[fake("right")])
    assert result.exit_code == 2
    assert "known.yaml:2: expected a mapping of the texts language, id, reason" in result.output

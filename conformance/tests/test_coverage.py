"""Which rows of the tables of states the catalogue reaches."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from skidbladnir_conformance.cli import main
from skidbladnir_conformance.coverage import Transition, read_transitions, unseen, with_diagram
from skidbladnir_conformance.paths import CATALOGUE, SPEC

TABLE = """# Door

| state | event | condition | next | seen as |
| --- | --- | --- | --- | --- |
| OPEN | `shut()` | | SHUT | `door_changed to=SHUT` |
| SHUT | knock | at night | SHUT | `knocked after=none` |

The end.
"""


@pytest.fixture
def door(tmp_path: Path) -> list[Transition]:
    (tmp_path / "door.md").write_text(TABLE)
    return read_transitions(tmp_path)


def test_rows_are_read_with_what_shows_them(door: list[Transition]) -> None:
    assert [str(each) for each in door] == ["door: OPEN -- shut() --> SHUT", "door: SHUT -- knock, at night --> SHUT"]
    assert [each.seen_as for each in door] == [{"type": "door_changed", "to": "SHUT"}, {"type": "knocked", "after": "none"}]
    assert [each.line for each in door] == [5, 6]


@pytest.mark.parametrize(
    ("pattern", "happening"),
    [
        ("window", {"type": "door_changed", "to": "SHUT"}),
        ("door", {"type": "door_changed", "to": "OPEN"}),
        ("door", {"type": "door_changed"}),
    ],
)
def test_row_is_not_reached_by_another_pattern_or_another_value(
    door: list[Transition], pattern: str, happening: dict[str, str]
) -> None:
    assert unseen(door, [(pattern, happening)]) == door


def test_row_is_reached_by_an_event_that_says_more(door: list[Transition]) -> None:
    assert unseen(door, [("door", {"type": "door_changed", "to": "SHUT", "from": "OPEN"})]) == door[1:]


def test_diagram_stands_behind_its_table_once(door: list[Transition]) -> None:
    drawn = with_diagram(TABLE, door)
    assert drawn.index("`knocked after=none`") < drawn.index("```mermaid") < drawn.index("The end.")
    assert "  [*] --> OPEN\n  OPEN --> SHUT: shut()\n```" in drawn
    assert with_diagram(drawn, door) == drawn


def test_specification_holds_the_diagrams_of_its_tables() -> None:
    transitions = read_transitions(SPEC)
    for machine in {each.machine for each in transitions}:
        text = (SPEC / f"{machine}.md").read_text("utf-8")
        assert with_diagram(text, [each for each in transitions if each.machine == machine]) == text


def test_catalogue_without_a_folder_lacks_its_transitions(tmp_path: Path) -> None:
    shutil.copytree(CATALOGUE, tmp_path / "catalogue", ignore=shutil.ignore_patterns("bulkhead", "facade", "composition"))
    result = CliRunner().invoke(main, ["coverage", "--catalogue", str(tmp_path / "catalogue")])
    assert result.exit_code == 1
    assert "no trace shows bulkhead: waiting -- its caller gives up --> cancelled" in result.output
    assert "no trace shows circuit_breaker" not in result.output

"""What the runner reads from the specification: its clauses, and the table of events."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_CLAUSE = re.compile(r"^\*\*([A-Z]{2}-[0-9]+)\*\*( \*\(package tests\)\*)?", re.MULTILINE)
_EVENT_ROW = re.compile(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \| (.*?) \|", re.MULTILINE)
_WORD = re.compile(r"`([a-z_]+)`")


@dataclass(frozen=True)
class Clause:
    """A paragraph of the specification that begins with its id. Those held by package tests no trace can show."""

    id: str
    file: Path
    line: int
    package_tests: bool


@dataclass(frozen=True)
class Spec:
    """The clauses by id, and the fields of each event."""

    clauses: dict[str, Clause]
    events: dict[str, frozenset[str]]

    @property
    def by_traces(self) -> list[Clause]:
        return [clause for clause in self.clauses.values() if not clause.package_tests]

    @property
    def by_tests(self) -> list[Clause]:
        return [clause for clause in self.clauses.values() if clause.package_tests]


def read_spec(directory: Path) -> Spec:
    """Reads every file of the specification."""
    clauses: dict[str, Clause] = {}
    for file in sorted(directory.glob("*.md")):
        text = file.read_text(encoding="utf-8")
        for match in _CLAUSE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            clauses[match[1]] = Clause(match[1], file, line, match[2] is not None)
    events: dict[str, frozenset[str]] = {}
    for names, fields in _EVENT_ROW.findall((directory / "events.md").read_text(encoding="utf-8")):
        for name in _WORD.findall(names):
            events[name] = frozenset(_WORD.findall(fields)) | {"type", "policy", "at_ms"}
    return Spec(clauses, events)

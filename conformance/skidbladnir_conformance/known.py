"""Known failures: traces that a port is known to fail. They do not turn a run red, unless one of them passes."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skidbladnir_conformance.judge import Verdict
from skidbladnir_conformance.report import Result
from skidbladnir_conformance.yaml_nodes import YamlError, read


@dataclass(frozen=True)
class KnownFailure:
    """A glob over trace ids in one language, and why."""

    language: str
    id: str
    reason: str


def read_known_failures(file: Path) -> list[KnownFailure]:
    """Reads a list of ``{language, id, reason}``.

    Raises:
        YamlError: for a file of another form.
    """
    document = read(file)
    entries = document.value if document.value is not None else []
    if not isinstance(entries, list):
        raise YamlError(file, 1, "expected a list")
    known: list[KnownFailure] = []
    for index, entry in enumerate(entries):
        wanted = {"language", "id", "reason"}
        if not isinstance(entry, dict) or set(entry) != wanted or not all(isinstance(v, str) for v in entry.values()):
            raise YamlError(file, document.line((index,)), "expected a mapping of the strings language, id and reason")
        known.append(KnownFailure(**entry))
    return known


def apply_known_failures(results: Sequence[Result], known: Sequence[KnownFailure]) -> list[str]:
    """Takes expected failures as skipped; returns the entries that are wrong: they match nothing, or something that passes."""
    problems: list[str] = []
    for entry in known:
        matched = [result for result in results if fnmatch.fnmatch(result.trace.id, entry.id)]
        matched = [result for result in matched if entry.language in result.verdicts]
        if not matched:
            problems.append(f"known failure {entry.id} of {entry.language} matches no trace of this run")
        for result in matched:
            if result.verdicts[entry.language].outcome == "passed":
                problems.append(f"known failure {result.trace.id} of {entry.language} passes: remove it from the list")
            elif result.verdicts[entry.language].outcome == "failed":
                result.verdicts[entry.language] = Verdict("skipped", [f"known: {entry.reason}"])
    return problems

"""Known failures: traces that a port is known to fail. They do not turn a run red, unless one of them passes."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from skidbladnir_conformance.judge import Result
from skidbladnir_conformance.trace import Trace
from skidbladnir_conformance.yaml_nodes import Fault, read

_KEYS = ("language", "id", "reason")


@dataclass(frozen=True)
class KnownFailure:
    """A glob over trace ids in one language, why, and the place in the file that says so."""

    language: str
    id: str
    reason: str
    place: Fault

    def covers(self, trace: Trace) -> bool:
        return fnmatch.fnmatchcase(trace.id, self.id)


def read_known_failures(file: Path) -> tuple[list[KnownFailure], list[Fault]]:
    """Reads a list of ``{language, id, reason}``; the entries, and the faults of the file."""
    document = read(file)
    entries = document.value or []
    faults = list(document.faults)
    if not faults and not isinstance(entries, list):
        return [], [Fault(file, 1, "expected a list")]
    known: list[KnownFailure] = []
    for index, entry in enumerate([] if faults else entries):
        if isinstance(entry, dict) and set(entry) == set(_KEYS) and all(isinstance(entry[key], str) for key in _KEYS):
            known.append(KnownFailure(**entry, place=document.fault((index,), f"known failure {entry['id']}")))
        else:
            faults.append(document.fault((index,), f"expected a mapping of the texts {', '.join(_KEYS)}"))
    return known, faults


def stale_entries(known: Sequence[KnownFailure], catalogue: Sequence[Trace], languages: Collection[str]) -> list[str]:
    """The entries that match no trace of the whole catalogue, or speak of a language that nobody knows."""
    stale = []
    for entry in known:
        if entry.language not in languages:
            stale.append(f"{entry.place} is of {entry.language}, which is no language here")
        elif not any(entry.covers(trace) for trace in catalogue):
            stale.append(f"{entry.place} matches no trace")
    return stale


def apply_known_failures(results: Sequence[Result], known: Sequence[KnownFailure]) -> None:
    """Takes failures that are expected as such, and fails what passes though it is listed."""
    for entry in known:
        for result in results:
            verdict = result.verdicts.get(entry.language)
            if verdict is None or not entry.covers(result.trace):
                continue
            if verdict.outcome == "failed":
                verdict.outcome = "known"
                verdict.reasons.append(f"known failure: {entry.reason}")
            elif verdict.outcome == "passed":
                verdict.outcome = "failed"
                verdict.reasons = [f"passes, but is listed: remove it from the list ({entry.place})"]

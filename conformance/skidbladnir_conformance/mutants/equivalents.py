"""The list of mutants that the catalogue cannot notice, each with its reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skidbladnir_conformance.mutants.model import Mutant
from skidbladnir_conformance.yaml_nodes import Fault, read

KINDS = ("equivalent", "free", "outside")
"""Nobody can tell it from the package; the specification leaves it to the language; it is wrong, and no trace can show it."""


@dataclass(frozen=True)
class Listed:
    """An entry. ``which`` picks one, from 1, where the same change can be made more than once in lines of that text."""

    file: str
    line: str
    mutation: str
    which: int
    kind: str
    reason: str
    place: Fault


def read_listed(file: Path) -> tuple[list[Listed], list[Fault]]:
    """The entries, and what is wrong with the file.

    They stand together with their reason: ``{kind, reason, mutants: [{file, line, mutations: [...], which}]}``.
    """
    document = read(file)
    groups = document.value or []
    faults = list(document.faults)
    if not faults and not isinstance(groups, list):
        faults.append(Fault(file, 1, "expected a list"))
    entries: list[Listed] = []
    for at, group in enumerate([] if faults else groups):
        if not _is_group(group):
            faults.append(document.fault((at,), f"expected kind ({' or '.join(KINDS)}), reason and mutants"))
            continue
        for index, lines in enumerate(group["mutants"]):
            place = (at, "mutants", index)
            if not _is_entry(lines):
                faults.append(document.fault(place, "expected the texts file and line, a list mutations, and no more but which"))
                continue
            entries += [
                Listed(lines["file"], lines["line"], mutation, lines.get("which", 0), group["kind"], group["reason"], document.fault(place, mutation))
                for mutation in lines["mutations"]
            ]
    return entries, faults


def _is_group(group: Any) -> bool:
    return (
        isinstance(group, dict)
        and set(group) == {"kind", "reason", "mutants"}
        and group["kind"] in KINDS
        and isinstance(group["reason"], str)
        and isinstance(group["mutants"], list)
    )


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and {"file", "line", "mutations"} <= set(entry) <= {"file", "line", "mutations", "which"}
        and isinstance(entry["file"], str)
        and isinstance(entry["line"], str)
        and isinstance(entry["mutations"], list)
        and all(isinstance(mutation, str) for mutation in entry["mutations"])
        and isinstance(entry.get("which", 0), int)
    )


def find_listed(entries: Sequence[Listed], mutants: Sequence[Mutant]) -> tuple[dict[str, Listed], list[Listed]]:
    """The entries by the keys of their mutants, and the entries that no mutant fits any more."""
    places: dict[tuple[str, str, str], list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        places[mutant.file, mutant.text, mutant.mutation].append(mutant)
    found: dict[str, Listed] = {}
    gone = []
    for entry in entries:
        fitting = places[entry.file, entry.line, entry.mutation]
        if entry.which:
            fitting = fitting[entry.which - 1 : entry.which]
        found.update({mutant.key: entry for mutant in fitting})
        if not fitting:
            gone.append(entry)
    return found, gone


def which_of(mutant: Mutant, mutants: Sequence[Mutant]) -> int:
    """What an entry for a mutant has to say under ``which``; 0: nothing."""
    alike = [each.key for each in mutants if _identity(each) == _identity(mutant)]
    return alike.index(mutant.key) + 1 if len(alike) > 1 else 0


def _identity(mutant: Mutant) -> tuple[str, str, str]:
    return mutant.file, mutant.text, mutant.mutation

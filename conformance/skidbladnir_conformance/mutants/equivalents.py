"""The list of mutants that the catalogue cannot notice, each with its reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skidbladnir_conformance.mutants.model import Mutant
from skidbladnir_conformance.yaml_nodes import Fault, read

KINDS = ("equivalent", "outside")
_TEXTS = ("file", "line", "mutation", "kind", "reason")


@dataclass(frozen=True)
class Listed:
    """An entry. ``which`` picks one, from 1, where the same change can be made more than once in lines of that text."""

    file: str
    line: str
    mutation: str
    kind: str
    reason: str
    which: int
    place: Fault


def read_listed(file: Path) -> tuple[list[Listed], list[Fault]]:
    """The entries, and what is wrong with the file.

    Entries stand under their reason: ``{kind, reason, mutants: [{file, line, mutation, which}]}``.
    """
    document = read(file)
    groups = document.value or []
    faults = list(document.faults)
    if not faults and not isinstance(groups, list):
        faults.append(Fault(file, 1, "expected a list"))
    entries = []
    for at, group in enumerate([] if faults else groups):
        if not isinstance(group, dict) or set(group) != {"kind", "reason", "mutants"}:
            faults.append(document.fault((at,), "expected a mapping of kind, reason and mutants"))
            continue
        for index, raw in enumerate(group["mutants"] or []):
            fields = {"which": 0, "kind": group["kind"], "reason": group["reason"]}
            fields.update(raw if isinstance(raw, dict) else {})
            if not _right(fields):
                faults.append(document.fault((at, "mutants", index), "expected the texts file, line and mutation"))
            else:
                entries.append(Listed(**fields, place=document.fault((at, "mutants", index), fields["mutation"])))
    return entries, faults


def _right(fields: Mapping[str, Any]) -> bool:
    return (
        set(fields) == {*_TEXTS, "which"}
        and all(isinstance(fields[name], str) and fields[name] for name in _TEXTS)
        and isinstance(fields["which"], int)
        and fields["kind"] in KINDS
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

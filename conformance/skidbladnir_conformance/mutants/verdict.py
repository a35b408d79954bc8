"""Sums up: the figures of each language, what is wrong with them, and the report for machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skidbladnir_conformance.mutants.equivalents import KINDS, Listed, find_listed, which_of
from skidbladnir_conformance.mutants.model import Mutant, Trial

LEAST_SCORE = 0.95


@dataclass(frozen=True)
class Verdict:
    """Of one language. ``gone`` are entries of the list that fit no mutant; it is looked at only where all were listed."""

    language: str
    trials: Mapping[Mutant, Trial]
    mutants: Sequence[Mutant]
    listed: Mapping[str, Listed]
    gone: Sequence[Listed]

    @property
    def figures(self) -> dict[str, int]:
        """How many were killed, timed out, survived without an entry in the list, and have one."""
        counts = Counter(
            "listed" if trial.outcome == "survived" and mutant.key in self.listed else trial.outcome for mutant, trial in self.trials.items()
        )
        kinds = Counter(
            self.listed[mutant.key].kind for mutant, trial in self.trials.items() if trial.outcome == "survived" and mutant.key in self.listed
        )
        return {
            "mutants": len(self.trials),
            "killed": counts["killed"],
            "timed out": counts["timed out"],
            "survived": counts["survived"],
            **{kind: kinds[kind] for kind in KINDS},
        }

    @property
    def score(self) -> float:
        """The part that was noticed of those that are wrong by the specification, whether a trace can show it or not."""
        figures = self.figures
        noticed = figures["killed"] + figures["timed out"]
        of = noticed + figures["survived"] + figures["outside"]
        return noticed / of if of else 1.0

    @property
    def unlisted(self) -> list[Mutant]:
        """The survivors without an entry."""
        return [mutant for mutant, trial in self.trials.items() if trial.outcome == "survived" and mutant.key not in self.listed]

    @property
    def faults(self) -> list[str]:
        """Why the run fails."""
        faults = [f"{mutant.place}: survived, and is not listed: {mutant.mutation}" for mutant in self.unlisted]
        for mutant, trial in self.trials.items():
            if mutant.key in self.listed and trial.outcome != "survived":
                faults.append(f"{self.listed[mutant.key].place}: {trial.outcome} by {trial.by}, but is listed")
        faults += [f"{entry.place}: no such mutant ({entry.file}: {entry.line})" for entry in self.gone]
        if len(self.trials) == len(self.mutants) and self.score < LEAST_SCORE:  # a few mutants have no score to speak of
            faults.append(f"{self.language}: the score {self.score:.1%} is below {LEAST_SCORE:.0%}")
        return faults

    def as_json(self) -> dict[str, Any]:
        survivors = [_as_json(mutant) | {"which": which_of(mutant, self.mutants)} for mutant in self.unlisted]
        listed = [
            _as_json(mutant) | {"kind": self.listed[mutant.key].kind, "reason": self.listed[mutant.key].reason}
            for mutant, trial in self.trials.items()
            if trial.outcome == "survived" and mutant.key in self.listed
        ]
        return {**self.figures, "score": round(self.score, 4), "survivors": survivors, "listed": listed}


def _as_json(mutant: Mutant) -> dict[str, Any]:
    return {"file": mutant.file, "number": mutant.line, "line": mutant.text, "mutation": mutant.mutation}


def judge_language(language: str, trials: Mapping[Mutant, Trial], mutants: Sequence[Mutant], entries: Sequence[Listed]) -> Verdict:
    """The verdict on the trials of some of a language's mutants."""
    files = {mutant.file for mutant in mutants}
    folder = language + "/"
    own = [entry for entry in entries if entry.file in files or entry.file.startswith(folder)]
    listed, gone = find_listed(own, mutants)
    return Verdict(language, trials, mutants, listed, gone)


def write_report(file: Path, verdicts: Sequence[Verdict], catalogue: str) -> None:
    """The figures as JSON."""
    data = {"catalogue": catalogue, "languages": {verdict.language: verdict.as_json() for verdict in verdicts}}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")

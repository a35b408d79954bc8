"""What was found, kept in one JSON file for each language, so that a run goes on where the last one ended."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from skidbladnir_conformance.mutants.model import Mutant, Outcome, Trial

VERSION = 3
SAVE_SECONDS = 3.0


class DamagedResults(Exception):
    """A file of results that cannot be read. It is left as it is."""


class Results:
    """The trials of one language, by the mutants' keys. A replay is one trace in one driver."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._trials, self._catalogues = _read(file) if file.exists() else ({}, {})
        self._saved = time.monotonic()

    def known(self, mutant: Mutant, catalogue: str) -> Trial | None:
        """What is still true: a survivor is tried again in another catalogue, a killed one when its file changes."""
        trial = self._trials.get(mutant.key)
        if trial is None or (trial.outcome == "survived" and trial.catalogue != catalogue):
            return None
        return trial

    def describe(self, catalogue: str, replays: Iterable[str]) -> None:
        """Says which replays a catalogue has, so that a survivor of it need not be tried by them again."""
        self._catalogues[catalogue] = list(replays)

    def survived(self, mutant: Mutant) -> frozenset[str]:
        """The replays that did not notice a mutant."""
        trial = self._trials.get(mutant.key)
        return frozenset(self._catalogues.get(trial.catalogue, ()) if trial is not None and trial.outcome == "survived" else ())

    def add(self, mutant: Mutant, trial: Trial) -> None:
        """Keeps a trial; it is in the file some seconds later, or at :meth:`save`."""
        self._trials[mutant.key] = trial
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self.save()

    def forget_all_but(self, mutants: Iterable[Mutant]) -> None:
        """Drops the trials of mutants that are no more."""
        keys = {mutant.key for mutant in mutants}
        self._trials = {key: trial for key, trial in self._trials.items() if key in keys}

    def save(self) -> None:
        """Writes the file as a whole or not at all."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        used = {trial.catalogue for trial in self._trials.values() if trial.outcome == "survived"}
        data = {
            "version": VERSION,
            "catalogues": {name: replays for name, replays in self._catalogues.items() if name in used},
            "trials": {key: asdict(trial) for key, trial in self._trials.items()},
        }
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps(data, indent=0), encoding="utf-8")
        os.replace(draft, self._file)
        self._saved = time.monotonic()


def _read(file: Path) -> tuple[dict[str, Trial], dict[str, list[str]]]:
    try:
        data = json.loads(file.read_bytes())
        if data["version"] != VERSION:
            raise ValueError(f"its version is {data['version']}, not {VERSION}")
        trials = {str(key): _trial(trial) for key, trial in data["trials"].items()}
        return trials, {str(name): list(replays) for name, replays in data["catalogues"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedResults(
            f"{file} is damaged ({type(error).__name__}: {error}); nothing was changed: mend it, or remove it to try its mutants anew"
        ) from error


def _trial(fields: dict[str, Any]) -> Trial:
    trial = Trial(**fields)
    if trial.outcome not in get_args(Outcome):
        raise ValueError(f"{trial.outcome!r} is no outcome")
    return trial

"""What other commands have found out and left as JSON: mutation and exploration."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from skidbladnir_conformance.mutants.equivalents import KINDS

T = TypeVar("T")


class DamagedFigures(Exception):
    """A file of figures that cannot be read. It is left as it is."""


@dataclass(frozen=True)
class Survivor:
    """A mutant that nothing noticed; ``kind`` and ``reason`` where the list of such mutants has it."""

    place: str
    line: str
    mutation: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Mutants:
    """The figures of one language. The score is a share of 1."""

    language: str
    counts: dict[str, int]
    score: float
    unlisted: list[Survivor]
    reasons: list[tuple[str, str, list[Survivor]]]


@dataclass(frozen=True)
class Fuzz:
    """The figures of one exploration."""

    seed: int
    traces: int
    seconds: float
    rate: float
    drivers: list[str]
    shares: list[tuple[str, float]]
    found: list[dict[str, str]]


def read_mutants(file: Path) -> list[Mutants] | None:
    """As `conformance mutants` writes them; None where there is no file.

    Raises:
        DamagedFigures: when it is something else.
    """
    return _read(file, lambda data: [_language(name, figures) for name, figures in data["languages"].items()])


def read_fuzz(file: Path) -> Fuzz | None:
    """As `conformance fuzz` writes them; None where there is no file.

    Raises:
        DamagedFigures: when it is something else.
    """
    return _read(file, _fuzz)


def _read(file: Path, make: Callable[[Any], T]) -> T | None:
    if not file.exists():
        return None
    try:
        return make(json.loads(file.read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFigures(f"{file} is damaged ({type(error).__name__}: {error}); make it anew, or remove it") from error


def _language(name: str, figures: dict[str, Any]) -> Mutants:
    listed = [_survivor(each) for each in figures.get("listed", [])]
    groups = dict.fromkeys((each.kind, each.reason) for each in listed)
    return Mutants(
        language=name,
        counts={key: int(figures[key]) for key in ("mutants", "killed", "timed out", "survived", *KINDS)},
        score=float(figures["score"]),
        unlisted=[_survivor(each) for each in figures["survivors"]],
        reasons=[(kind, reason, [each for each in listed if (each.kind, each.reason) == (kind, reason)]) for kind, reason in groups],
    )


def _survivor(fields: dict[str, Any]) -> Survivor:
    return Survivor(
        place=f"{fields['file']}:{fields['number']}",
        line=str(fields["line"]),
        mutation=str(fields["mutation"]),
        kind=str(fields.get("kind", "")),
        reason=str(fields.get("reason", "")),
    )


def _fuzz(data: dict[str, Any]) -> Fuzz:
    return Fuzz(
        seed=int(data["seed"]),
        traces=int(data["traces"]),
        seconds=float(data["seconds"]),
        rate=float(data["rate"]),
        drivers=[str(each) for each in data["drivers"]],
        shares=[(str(name), float(share)) for name, share in data["shares"].items()],
        found=[{"id": str(each["id"]), "reason": str(each["reason"])} for each in data["found"]],
    )

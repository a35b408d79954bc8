"""A mutant: one small change of one file, and what became of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["killed", "timed out", "survived"]

SHOWN = 90


@dataclass(frozen=True)
class Mutant:
    """``start`` and ``end`` are bytes of the file; ``number`` is what the driver knows the mutant by."""

    language: str
    number: int
    file: str
    file_hash: str
    line: int
    text: str
    start: int
    end: int
    before: str
    after: str

    @property
    def key(self) -> str:
        """Stays the same as long as the file and the mutant do."""
        parts = (self.file, self.file_hash, str(self.start), str(self.end), self.after)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]

    @property
    def mutation(self) -> str:
        """The change as people read it, on one line."""
        return f"{short(self.before)} -> {short(self.after)}"

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Trial:
    """What became of a mutant: killed by ``by``, a trace or a reason; or nothing noticed it in this catalogue."""

    outcome: Outcome
    by: str
    catalogue: str
    seconds: float


def short(text: str) -> str:
    """A text on one line, without its middle where it is long."""
    text = " ".join(text.split())
    half = SHOWN // 2
    return text if len(text) <= SHOWN else f"{text[:half]} ... {text[-half:]}"


def content_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]

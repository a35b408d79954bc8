"""What several tests of the package need."""

from __future__ import annotations

from skidbladnir import Clock, Event


class Events(list[Event]):
    """A listener that keeps what it hears."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def types(self) -> list[str]:
        return [event.type for event in self]


class HandClock(Clock):
    """Time that goes on only by ``advance``."""

    def __init__(self) -> None:
        self._now = 0

    def now(self) -> int:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += round(seconds * 1_000_000_000)


class Failure(Exception):
    """What operations of the tests fail with."""


def fail() -> None:
    raise Failure

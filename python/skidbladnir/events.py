"""What policies report to listeners (EV-1)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

EventType = Literal[
    "call_admitted",
    "call_rejected",
    "call_succeeded",
    "call_failed",
    "call_ignored",
    "call_cancelled",
    "circuit_state_changed",
    "retry_scheduled",
    "retry_exhausted",
    "bulkhead_queued",
    "bulkhead_rejected",
    "bulkhead_handed_over",
    "timed_out",
    "call_abandoned",
    "late_outcome",
    "cache_hit",
    "cache_stale_hit",
    "cache_miss",
    "cache_refreshed",
    "cache_refresh_failed",
    "cache_evicted",
    "cache_invalidated",
    "fallback_used",
    "health_changed",
]


@dataclass(frozen=True, slots=True)
class Event:
    """One event. Fields that do not belong to its ``type`` are None; durations are in seconds."""

    type: EventType
    policy: str
    error: BaseException | None = None
    state: str | None = None
    generation: int | None = None
    retry_after: float | None = None
    from_state: str | None = None
    to_state: str | None = None
    reason: str | None = None
    attempt: int | None = None
    delay: float | None = None
    queue_size: int | None = None
    timeout: float | None = None
    outcome: str | None = None
    key: object = None
    provider: str | None = None


Listener = Callable[[Event], None]

_log = logging.getLogger("skidbladnir")


# One for all: listeners come and go rarely.
_lock = threading.Lock()


class Listeners:
    """An ordered list of listeners. While ``all`` is empty no event is to be built (GN-13)."""

    __slots__ = ("all",)

    def __init__(self) -> None:
        # Replaced whole, so that emitting needs no lock.
        self.all: tuple[Listener, ...] = ()

    def add(self, listener: Listener) -> Callable[[], None]:
        """Adds a listener; returns what removes it again, once."""
        added = [listener]
        with _lock:
            self.all = (*self.all, listener)

        def remove() -> None:
            with _lock:
                if added:
                    at = self.all.index(added.pop())
                    self.all = self.all[:at] + self.all[at + 1 :]

        return remove

    def emit(self, event: Event) -> None:
        """Calls every listener. One that raises is logged, and changes nothing."""
        for listener in self.all:
            try:
                listener(event)
            except Exception:
                _log.exception("a listener failed on %s of %s", event.type, event.policy)

NOBODY = Listeners()
"""Shared by all whom nobody listens to. Nobody is added to it."""

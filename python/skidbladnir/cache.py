"""Cache: answers from what was fetched before, one fetch per key at a time (CA).

``Store`` decides: which value is fresh, stale or gone, who fetches and who waits. ``Cache`` does: it runs the fetches, wakes
the waiters and tells the listeners.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar, cast

from skidbladnir.bulkhead import current_hold
from skidbladnir.clock import (
    CancelSignal,
    Clock,
    TaskWaiter,
    Waiter,
    check_cancelled,
    park,
    run_with_signal,
)
from skidbladnir.errors import CallCancelledError
from skidbladnir.events import Event, EventType, Listener
from skidbladnir.options import Duration, boolean, integer, nanoseconds, optional_nanoseconds
from skidbladnir.policy import SWITCHES_AT_CALLS, AsyncOperation, Key, Operation, Policy, T

W = TypeVar("W", Waiter, TaskWaiter)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """CA-13."""

    size: int


Entry = tuple[Any, int]
"""A value, and when it was fetched."""


class Joiner(Generic[W]):
    """A caller that waits for another's fetch. ``leads`` is written under the store's lock: it must fetch itself now."""

    __slots__ = ("leads", "waiter")

    def __init__(self, waiter: W) -> None:
        self.waiter: W = waiter
        self.leads = False


class Flight:
    """A fetch under way, and who waits for it. Once ``done``, it holds a value or an error."""

    # In the class, and without __init__: there is one for each miss, and most never change any of this.
    key: Hashable = None
    joiners: OrderedDict[Joiner[Any], None] | None = None
    valid = True
    done = False
    value: Any = None
    error: Exception | None = None
    stands_in = False
    """A stale value stands in for the error (CA-9)."""
    signal: asyncio.Task[None] | CancelSignal | None = None
    """What cancels a refresh: its task, or the signal of its thread."""


class Store:
    """The entries and the flights. Every method but ``fresh`` is called under the cache's lock."""

    def __init__(self, ttl: int, max_stale: int | None, max_entries: int, *, revalidate: bool, if_error: bool) -> None:
        self.entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self.flights: dict[Hashable, Flight] = {}
        self._ttl = ttl
        self._max_stale = max_stale
        self._max_entries = max_entries
        self._revalidate = revalidate
        self._if_error = if_error

    def fresh(self, key: Hashable, now: Callable[[], int]) -> Entry | None:
        """The entry of a hit. The clock is read after the entry was found, so that it cannot be of the future."""
        entries = self.entries
        entry = entries.get(key)
        if entry is None or now() - entry[1] >= self._ttl:
            return None
        try:
            entries.move_to_end(key)
        except KeyError:
            return entry  # dropped meanwhile: only without the lock
        return entry

    def read(self, key: Hashable, now: Callable[[], int]) -> tuple[EventType, Entry | None]:
        """What a read finds: a hit or a stale hit with its entry, or a miss."""
        entry = self.entries.get(key)
        if entry is not None:
            age = now() - entry[1]
            if age < self._ttl:
                self.entries.move_to_end(key)
                return "cache_hit", entry
            if self._revalidate and self._is_usable(age):
                self.entries.move_to_end(key)
                return "cache_stale_hit", entry
        return "cache_miss", None

    def depart(self, key: Hashable) -> Flight | None:
        """A new flight for the key; None when one is under way."""
        if key in self.flights:
            return None
        flight = self.flights[key] = Flight()
        flight.key = key
        return flight

    def land(self, flight: Flight, value: object, error: Exception | None, now: int) -> Sequence[Hashable]:
        """Ends a flight with a value or an error; returns the keys that were evicted."""
        flight.done = True
        flight.value, flight.error = value, error
        if not flight.valid:
            return ()
        del self.flights[flight.key]
        if error is None:
            self.entries[flight.key] = value, now
            self.entries.move_to_end(flight.key)
            return () if len(self.entries) <= self._max_entries else (self.entries.popitem(last=False)[0],)
        entry = self.entries.get(flight.key)
        if self._if_error and entry is not None and self._is_usable(now - entry[1]):
            self.entries.move_to_end(flight.key)
            flight.value, flight.stands_in = entry[0], True
        return ()

    def hand_on(self, flight: Flight) -> Joiner[Any] | None:
        """The fetch was cancelled: the first who waits takes over; without one the flight is over."""
        if flight.joiners:
            joiner, _ = flight.joiners.popitem(last=False)
            joiner.leads = True
            return joiner
        flight.done = True
        if flight.valid:
            del self.flights[flight.key]
        return None

    def drop(self, key: Hashable) -> None:
        """CA-11."""
        self.entries.pop(key, None)
        flight = self.flights.pop(key, None)
        if flight is not None:
            flight.valid = False

    def _is_usable(self, age: int) -> bool:
        return self._max_stale is None or age < self._ttl + self._max_stale


class Cache(Policy):
    """Answers from memory while a value is fresh, and, where asked to, while it is stale.

    Calls take a ``key``; a call without one passes the cache by. Async and sync callers share the values and the fetches.

    Args:
        ttl: seconds (or ``timedelta``) a value is fresh, from the end of its fetch; at least 0.
        stale_while_revalidate: a stale value is the answer, and is fetched anew in the background.
        stale_if_error: a stale value is the answer when its fetch fails.
        max_stale: how long after ``ttl`` a stale value may still be used; None: no limit.
        max_entries: values kept, at least 1; the least recently used goes first.
        name: default ``"cache"``.

    Raises:
        ConfigurationError: for an option outside its range.
    """

    pattern = "cache"

    def __init__(
        self,
        *,
        ttl: Duration = 60.0,
        stale_while_revalidate: bool = True,
        stale_if_error: bool = False,
        max_stale: Duration | None = None,
        max_entries: int = 1000,
        name: str | None = None,
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, listeners, clock)
        self._store = Store(
            nanoseconds("cache.ttl_ms", ttl, 0),
            optional_nanoseconds("cache.max_stale_ms", max_stale, 0),
            integer("cache.max_entries", max_entries, 1),
            revalidate=boolean("cache.stale_while_revalidate", stale_while_revalidate),
            if_error=boolean("cache.stale_if_error", stale_if_error),
        )
        self._lock = threading.Lock()
        self._refreshes: set[Flight] = set()

    def stats(self) -> CacheStats:
        """How many values are kept (CA-13)."""
        with self._lock:
            return CacheStats(size=len(self._store.entries))

    def invalidate(self, key: Hashable) -> None:
        """Forgets a value; a fetch of it that is under way stores nothing (CA-11)."""
        with self._lock:
            self._store.drop(key)
        self._emit("cache_invalidated", key)

    def clear(self) -> None:
        """Forgets all values, as ``invalidate``."""
        with self._lock:
            for key in [*self._store.entries, *self._store.flights]:
                self._store.drop(key)
        self._emit("cache_invalidated", None)

    def close(self) -> None:
        """Cancels the refreshes under way, of this event loop and of threads (CA-12)."""
        with self._lock:
            signals = [flight.signal for flight in self._refreshes]
        for signal in signals:
            if signal is not None:
                signal.cancel()

    # The fast path of both faces: a hit of which nobody is told needs no lock, where threads change only at calls. Only for keys
    # that compare without code of Python's: such code would be a call in the midst of a look into the store.

    async def execute(self, operation: AsyncOperation[T], key: Key = None) -> T:
        if key is None:
            return await operation()
        if SWITCHES_AT_CALLS and not self._listeners.all and (type(key) is str or type(key) is int):
            entry = self._store.fresh(key, self._now)
            if entry is not None:
                value: T = entry[0]
                return value
        with self._lock:
            found, entry = self._store.read(key, self._now)
            flight = None if found == "cache_hit" else self._store.depart(key)
            joiner = self._join(key, TaskWaiter()) if found == "cache_miss" and flight is None else None
        if self._listeners.all:
            self._emit(found, key)
        if entry is not None:
            if flight is not None:
                task = asyncio.get_running_loop().create_task(self._refresh(flight, operation))
                flight.signal = task
                self._refreshes.add(flight)
                task.add_done_callback(partial(self._refresh_ended, flight))
            return cast("T", entry[0])
        if joiner is not None:
            flight, joined = joiner
            try:
                await joined.waiter.future
            except BaseException:
                self._leave(flight, joined)
                raise
            if not joined.leads:
                return cast("T", self._answer(flight))
        flight = cast("Flight", flight)
        try:
            value = await operation()
        except Exception as error:
            return cast("T", self._failed(flight, error))
        except BaseException:
            self._hand_on(flight)
            raise
        self._landed(flight, value)
        return value

    def call(self, operation: Operation[T], key: Key = None) -> T:
        if key is None:
            return operation()
        if SWITCHES_AT_CALLS and not self._listeners.all and (type(key) is str or type(key) is int):
            entry = self._store.fresh(key, self._now)
            if entry is not None:
                value: T = entry[0]
                return value
        with self._lock:
            found, entry = self._store.read(key, self._now)
            flight = None if found == "cache_hit" else self._store.depart(key)
            joiner = self._join(key, self._clock.waiter()) if found == "cache_miss" and flight is None else None
        if self._listeners.all:
            self._emit(found, key)
        if entry is not None:
            if flight is not None:
                self._start_refresh(flight, operation)
            return cast("T", entry[0])
        if joiner is not None:
            flight, joined = joiner
            try:
                park(self._clock, joined.waiter, None)
                if not flight.done and not joined.leads:
                    check_cancelled(self.name)
            except BaseException:
                self._leave(flight, joined)
                raise
            if not joined.leads:
                return cast("T", self._answer(flight))
        flight = cast("Flight", flight)
        try:
            value = operation()
        except CallCancelledError:
            self._hand_on(flight)
            raise
        except Exception as error:
            return cast("T", self._failed(flight, error))
        except BaseException:
            self._hand_on(flight)
            raise
        self._landed(flight, value)
        return value

    async def _refresh(self, flight: Flight, operation: AsyncOperation[object]) -> None:
        current_hold.set(None)  # the slot of a bulkhead around is the caller's
        try:
            value = await operation()
        except Exception as error:
            self._refresh_failed(flight, error)
        else:
            self._refreshed(flight, value)

    def _refresh_ended(self, flight: Flight, task: asyncio.Task[None]) -> None:
        # Not in the coroutine: a task that is cancelled before its first step never runs it.
        self._refreshes.discard(flight)
        if task.cancelled() or task.exception() is not None:
            self._hand_on(flight)

    def _start_refresh(self, flight: Flight, operation: Operation[object]) -> None:
        # The refresh does not end with its caller: it has a signal of its own, which ``close`` cancels.
        signal = flight.signal = CancelSignal(self._clock)
        self._refreshes.add(flight)
        self._clock.start_thread(
            lambda: run_with_signal(signal, lambda: self._refresh_sync(flight, operation)), f"skidbladnir-{self.name}"
        )

    def _refresh_sync(self, flight: Flight, operation: Operation[object]) -> None:
        current_hold.set(None)  # the slot of a bulkhead around is the caller's
        try:
            value = operation()
        except CallCancelledError:
            self._hand_on(flight)
        except Exception as error:
            self._refresh_failed(flight, error)
        except BaseException:
            self._hand_on(flight)
            raise
        else:
            self._refreshed(flight, value)
        finally:
            self._refreshes.discard(flight)

    def _join(self, key: Hashable, waiter: W) -> tuple[Flight, Joiner[W]]:
        flight = self._store.flights[key]
        joiner = Joiner(waiter)
        if flight.joiners is None:
            flight.joiners = OrderedDict()
        flight.joiners[joiner] = None
        return flight, joiner

    def _leave(self, flight: Flight, joiner: Joiner[Any]) -> None:
        with self._lock:
            if flight.joiners is not None:
                flight.joiners.pop(joiner, None)
            leads, joiner.leads = joiner.leads, False
        if leads:
            self._hand_on(flight)

    def _hand_on(self, flight: Flight) -> None:
        while True:
            with self._lock:
                joiner = self._store.hand_on(flight)
            if joiner is None or joiner.waiter.set():
                return
            with self._lock:
                # Its event loop is closed. Should its task be destroyed meanwhile, that has handed on already.
                leads, joiner.leads = joiner.leads, False
            if not leads:
                return

    def _land(self, flight: Flight, value: object, error: Exception | None) -> Sequence[Hashable]:
        with self._lock:
            evicted = self._store.land(flight, value, error, self._now())
            joiners, flight.joiners = flight.joiners, None
        for joiner in joiners or ():
            joiner.waiter.set()
        return evicted

    def _landed(self, flight: Flight, value: object) -> None:
        for key in self._land(flight, value, None):
            self._emit("cache_evicted", key)

    def _failed(self, flight: Flight, error: Exception) -> Any:
        self._land(flight, None, error)
        if flight.stands_in:
            self._emit("cache_refresh_failed", flight.key, error)
        return self._answer(flight)

    def _refreshed(self, flight: Flight, value: object) -> None:
        evicted = self._land(flight, value, None)
        if flight.valid:
            self._emit("cache_refreshed", flight.key)
        for key in evicted:
            self._emit("cache_evicted", key)

    def _refresh_failed(self, flight: Flight, error: Exception) -> None:
        self._land(flight, None, error)
        if flight.valid:
            self._emit("cache_refresh_failed", flight.key, error)

    def _answer(self, flight: Flight) -> Any:
        """What a landed flight gives each of its callers."""
        if flight.stands_in:
            self._emit("cache_stale_hit", flight.key)
        elif flight.error is not None:
            raise flight.error
        return flight.value

    def _emit(self, kind: EventType, key: object, error: BaseException | None = None) -> None:
        if self._listeners.all:
            self._listeners.emit(Event(kind, self.name, key=key, error=error))



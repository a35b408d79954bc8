"""What all policies have in common: a name, listeners, and the ways to call through them."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, ClassVar, ParamSpec, Self, TypeVar, cast

from skidbladnir.clock import SYSTEM_CLOCK, Clock
from skidbladnir.errors import ConfigurationError
from skidbladnir.events import NOBODY, Listener, Listeners

T = TypeVar("T")
P = ParamSpec("P")

AsyncOperation = Callable[[], Awaitable[T]]
Operation = Callable[[], T]
Key = Hashable | None


# Whether `n += 1` needs no lock: an interpreter with a GIL, as CPython has it, changes threads only at calls and jumps back.
SWITCHES_AT_CALLS = sys.implementation.name == "cpython" and bool(getattr(sys, "_is_gil_enabled", lambda: True)())


class Layer(ABC):
    """Anything a call can go through: a policy or a composition of several. Async by ``execute``, sync by ``call``.

    Each implements the two itself: a method in between would cost more than most policies do. ``key`` is to be given by
    its name; the signatures do not insist, since CPython is slow to call functions with keyword-only parameters.
    """

    @abstractmethod
    def add_listener(self, listener: Listener) -> Callable[[], None]:
        """Adds a listener for every event from here on (EV-4); returns what removes it again."""

    @abstractmethod
    def execute(self, operation: AsyncOperation[T], key: Key = None) -> Coroutine[Any, Any, T]:
        """Runs an async operation, a function without arguments, under this policy.

        ``key`` is for a cache: None passes it by. Raises what the operation raises, unchanged, and this package's errors.
        """

    @abstractmethod
    def call(self, operation: Operation[T], key: Key = None) -> T:
        """As ``execute``, for a function that is not async."""

    def wrap(self, function: Callable[P, T], *, key: Callable[P, Hashable] | None = None) -> Callable[P, T]:
        """The function, async or not, under this policy. ``key`` makes a cache's key from the arguments."""
        if inspect.iscoroutinefunction(function):
            operation = cast("Callable[..., Coroutine[Any, Any, Any]]", function)

            @functools.wraps(function)
            async def execute(*args: P.args, **kwargs: P.kwargs) -> Any:
                at = None if key is None else key(*args, **kwargs)
                return await self.execute(functools.partial(operation, *args, **kwargs), key=at)

            return cast("Callable[P, T]", execute)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            at = None if key is None else key(*args, **kwargs)
            return self.call(functools.partial(function, *args, **kwargs), key=at)

        return call

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Decorates a function, async or not. A cache needs ``wrap`` with a ``key``."""
        return self.wrap(function)


_first_listener = threading.Lock()


class Policy(Layer):
    """One pattern with its options. May be shared by threads, tasks and event loops."""

    pattern: ClassVar[str]

    def __init__(self, name: str | None, listeners: Iterable[Listener], clock: Clock | None) -> None:
        if name is not None and not isinstance(name, str):
            raise ConfigurationError("type", f"{self.pattern}.name", name, "a string")
        self.name = self.pattern if name is None else name
        self._clock = SYSTEM_CLOCK if clock is None else clock
        # The system's clock is read directly: its method would cost as much again.
        self._now: Callable[[], int] = time.monotonic_ns if type(self._clock) is Clock else self._clock.now
        self._listeners = NOBODY
        for listener in listeners:
            Policy.add_listener(self, listener)

    def add_listener(self, listener: Listener) -> Callable[[], None]:
        with _first_listener:
            if self._listeners is NOBODY:
                self._listeners = Listeners()
        return self._listeners.add(listener)


class Guard(AbstractContextManager["Guard"], AbstractAsyncContextManager["Guard"]):
    """A block of code as the operation: for ``with`` and ``async with``, once."""

    def __enter__(self) -> Self:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

"""Fallback: another answer when an operation fails (FB)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast

from skidbladnir.clock import Clock, caller_gave_up, task_gave_up
from skidbladnir.errors import CallCancelledError
from skidbladnir.events import Event, Listener
from skidbladnir.options import function, optional_function
from skidbladnir.policy import AsyncOperation, Key, Operation, Policy, T

Handler = Callable[[Exception], Any]


class Fallback(Policy):
    """Answers with ``handler(error)`` when the operation fails or is refused.

    Args:
        handler: receives the error. For ``execute`` it may be async; for ``call`` it may not.
        when: an error for which it is false passes through untouched.
        name: default ``"fallback"``.

    Raises:
        ConfigurationError: for a handler or predicate that is no function.
    """

    pattern = "fallback"

    def __init__(
        self,
        handler: Handler,
        *,
        when: Callable[[Exception], bool] | None = None,
        name: str | None = None,
        listeners: Iterable[Listener] = (),
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, listeners, clock)
        self._handler = function(f"{self.pattern}.handler", handler)
        self._when = optional_function(f"{self.pattern}.when", when)

    def execute(self, operation: AsyncOperation[T], key: Key = None) -> Coroutine[Any, Any, T]:
        return self.run_with(self._handler, operation)

    def call(self, operation: Operation[T], key: Key = None) -> T:
        return self.run_with_sync(self._handler, operation)

    async def run_with(self, handler: Handler, operation: AsyncOperation[T]) -> T:
        """The async face with another handler; for the facade."""
        try:
            return await operation()
        except Exception as error:
            if task_gave_up():
                raise
            self._check(error)
            try:
                answer = handler(error)
                return cast("T", await answer if inspect.isawaitable(answer) else answer)
            except Exception as second:
                raise _caused(second, error)  # noqa: B904 (the cause is set, and an error may be raised again)

    def run_with_sync(self, handler: Handler, operation: Operation[T]) -> T:
        """The sync face with another handler; for the facade."""
        try:
            return operation()
        except Exception as error:
            if caller_gave_up():
                raise
            self._check(error)
            try:
                return cast("T", handler(error))
            except Exception as second:
                raise _caused(second, error)  # noqa: B904

    def _check(self, error: Exception) -> None:
        """Raises the error again when it is not for the handler."""
        if isinstance(error, CallCancelledError) or (self._when is not None and not self._when(error)):
            raise error
        if self._listeners.all:
            self._listeners.emit(Event("fallback_used", self.name, error=error))


def _caused(error: Exception, cause: Exception) -> Exception:
    if error is not cause and error.__cause__ is None:
        error.__cause__ = cause
    return error



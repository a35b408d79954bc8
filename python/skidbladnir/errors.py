"""The errors that policies make, under one base (GN-9, GN-16)."""

from __future__ import annotations

from typing import ClassVar, Literal, cast

ErrorCode = Literal[
    "circuit_open", "bulkhead_full", "bulkhead_wait_timeout", "timeout", "cancelled", "configuration", "operation"
]


class ResilienceError(Exception):
    """Base of every error this package makes."""

    code: ClassVar[ErrorCode]


class PolicyError(ResilienceError):
    """A policy ended a call. ``policy`` is the policy's name."""

    _policy: str

    @property
    def policy(self) -> str:
        return self._policy


class RejectedError(PolicyError):
    """A policy refused the call; the operation never ran.

    Rejections are to cost next to nothing: they keep what they are made from in ``args``, the policy's name first, and put
    their message together when it is read.
    """

    @property
    def policy(self) -> str:
        return cast("str", self.args[0])


class CircuitOpenError(RejectedError):
    """The circuit breaker refused the call (CB-8, CB-11, CB-19). Made from the policy, the reason or None, and ``retry_after``.

    ``retry_after``: seconds until the circuit may be tried, only while it is OPEN.
    """

    code = "circuit_open"

    @property
    def retry_after(self) -> float | None:
        return cast("float | None", self.args[2])

    def __str__(self) -> str:
        policy, reason, retry_after = self.args
        if reason is None:
            reason = f"retry after {-(-round(retry_after * 1e9) // 1_000_000)} ms"  # rounded up
        return f"Circuit breaker is open: {policy}, {reason}"


class BulkheadFullError(RejectedError):
    """All slots run and the queue is full (BH-2). Made from the policy and its two limits."""

    code = "bulkhead_full"

    def __str__(self) -> str:
        policy, max_concurrent_calls, max_queue_size = self.args
        return f"Bulkhead capacity reached: {policy}, {max_concurrent_calls} running, {max_queue_size} queued"


class BulkheadWaitTimeoutError(RejectedError):
    """No slot became free within ``max_wait`` (BH-4). Made from the policy and that time in milliseconds."""

    code = "bulkhead_wait_timeout"

    def __str__(self) -> str:
        policy, max_wait_ms = self.args
        return f"Bulkhead capacity reached: {policy}, no slot within {max_wait_ms} ms"


class CallTimeoutError(PolicyError, TimeoutError):
    """The operation did not end before its deadline (TO-3, TO-4)."""

    code = "timeout"

    def __init__(self, policy: str, timeout_ms: int) -> None:
        super().__init__(f"Operation timed out: {policy}, {timeout_ms} ms")
        self._policy = policy


class CallCancelledError(PolicyError):
    """The sync face's cancellation: a wait of this policy was ended by a timeout around it, or by ``stop()``.

    The async face raises ``asyncio.CancelledError`` instead (GN-10).
    """

    code = "cancelled"

    def __init__(self, policy: str) -> None:
        super().__init__(f"Call cancelled: {policy}")
        self._policy = policy


class ConfigurationError(ResilienceError, ValueError):
    """An option is not allowed (GN-16): ``path`` says where, ``fault`` is one of the codes of PF-7."""

    code = "configuration"

    def __init__(self, fault: str, path: str, value: object, allowed: str) -> None:
        super().__init__(f"{path}: {shorten(value)} is not allowed: {allowed}")
        self.fault = fault
        self.path = path
        self.value = value
        self.allowed = allowed


def shorten(value: object) -> str:
    """The value for a message, not longer than a line."""
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def error_code(error: BaseException) -> ErrorCode:
    """The code of an error: its own, or ``operation`` for one that is not of this package."""
    return error.code if isinstance(error, ResilienceError) else "operation"

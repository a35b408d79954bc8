"""The errors that policies make, under one base (GN-9, GN-16)."""

from __future__ import annotations

from typing import ClassVar, Literal

ErrorCode = Literal[
    "circuit_open", "bulkhead_full", "bulkhead_wait_timeout", "timeout", "cancelled", "configuration", "operation"
]


class ResilienceError(Exception):
    """Base of every error this package makes."""

    code: ClassVar[ErrorCode]


class PolicyError(ResilienceError):
    """A policy ended a call. ``policy`` is the policy's name."""

    def __init__(self, message: str, policy: str) -> None:
        super().__init__(message)
        self.policy = policy


class RejectedError(PolicyError):
    """A policy refused the call; the operation never ran."""


class CircuitOpenError(RejectedError):
    """The circuit breaker refused the call (CB-8, CB-11, CB-19).

    ``retry_after``: seconds until the circuit may be tried, only while it is OPEN.
    """

    code = "circuit_open"

    def __init__(self, policy: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__(f"Circuit breaker is open: {policy}, {reason}", policy)
        self.retry_after = retry_after


class BulkheadFullError(RejectedError):
    """All slots run and the queue is full (BH-2)."""

    code = "bulkhead_full"

    def __init__(self, policy: str, max_concurrent_calls: int, max_queue_size: int) -> None:
        super().__init__(
            f"Bulkhead capacity reached: {policy}, {max_concurrent_calls} running, {max_queue_size} queued", policy
        )


class BulkheadWaitTimeoutError(RejectedError):
    """No slot became free within ``max_wait`` (BH-4)."""

    code = "bulkhead_wait_timeout"

    def __init__(self, policy: str, max_wait_ms: int) -> None:
        super().__init__(f"Bulkhead capacity reached: {policy}, no slot within {max_wait_ms} ms", policy)


class CallTimeoutError(PolicyError, TimeoutError):
    """The operation did not end before its deadline (TO-3, TO-4)."""

    code = "timeout"

    def __init__(self, policy: str, timeout_ms: int) -> None:
        super().__init__(f"Operation timed out: {policy}, {timeout_ms} ms", policy)


class CallCancelledError(PolicyError):
    """The sync face's cancellation: a wait of this policy was ended by a timeout around it, or by ``stop()``.

    The async face raises ``asyncio.CancelledError`` instead (GN-10).
    """

    code = "cancelled"

    def __init__(self, policy: str) -> None:
        super().__init__(f"Call cancelled: {policy}", policy)


class ConfigurationError(ResilienceError, ValueError):
    """An option is not allowed (GN-16): ``path`` says where, ``fault`` is one of the codes of PF-7."""

    code = "configuration"

    def __init__(self, fault: str, path: str, value: object, allowed: str) -> None:
        super().__init__(f"{path}: {value!r} is not allowed: {allowed}")
        self.fault = fault
        self.path = path
        self.value = value
        self.allowed = allowed


def error_code(error: BaseException) -> ErrorCode:
    """The code of an error: its own, or ``operation`` for one that is not of this package."""
    return error.code if isinstance(error, ResilienceError) else "operation"

"""Skíðblaðnir Resilience: patterns for services that call APIs which fail.

Every policy serves async callers by ``execute`` and others by ``call``, decorates functions, and composes with the others.
What each one must do is in ``conformance/spec`` of the repository; the ports to Go and TypeScript do the same.
"""

from skidbladnir.bulkhead import Bulkhead, BulkheadStats
from skidbladnir.cache import Cache, CacheStats
from skidbladnir.circuit_breaker import CircuitBreaker, CircuitBreakerStats, CircuitState, ResetTimeoutBackoff
from skidbladnir.clock import CancelSignal, Clock, cancellation
from skidbladnir.compose import Composition, compose
from skidbladnir.errors import (
    BulkheadFullError,
    BulkheadWaitTimeoutError,
    CallCancelledError,
    CallTimeoutError,
    CircuitOpenError,
    ConfigurationError,
    PolicyError,
    RejectedError,
    ResilienceError,
    error_code,
)
from skidbladnir.events import Event, EventType, Listener
from skidbladnir.facade import FacadeOptions, FacadeStatus, ResilienceFacade
from skidbladnir.fallback import Fallback
from skidbladnir.health import HealthStatus, ProviderHealth, ServiceHealthMonitor
from skidbladnir.policy import Policy
from skidbladnir.retry import Retry
from skidbladnir.timeout import Timeout
from skidbladnir.window import SlowCall, Window

__version__ = "0.1.0"

__all__ = [
    "Bulkhead",
    "BulkheadFullError",
    "BulkheadStats",
    "BulkheadWaitTimeoutError",
    "Cache",
    "CacheStats",
    "CallCancelledError",
    "CallTimeoutError",
    "CancelSignal",
    "CircuitBreaker",
    "CircuitBreakerStats",
    "CircuitOpenError",
    "CircuitState",
    "Clock",
    "Composition",
    "ConfigurationError",
    "Event",
    "EventType",
    "FacadeOptions",
    "FacadeStatus",
    "Fallback",
    "HealthStatus",
    "Listener",
    "Policy",
    "PolicyError",
    "ProviderHealth",
    "RejectedError",
    "ResetTimeoutBackoff",
    "ResilienceError",
    "ResilienceFacade",
    "Retry",
    "ServiceHealthMonitor",
    "SlowCall",
    "Timeout",
    "Window",
    "cancellation",
    "compose",
    "error_code",
]

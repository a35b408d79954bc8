/**
 * Skíðblaðnir Resilience: patterns for services that call APIs which fail.
 *
 * What each of them must do is in `conformance/spec` of the repository; the packages for Python and Go do the same.
 */

export { Bulkhead, type BulkheadOptions, type BulkheadStats } from './bulkhead.js';
export { Cache, type CacheOptions, type CacheStats } from './cache.js';
export type { CallOptions, Operation, OperationContext } from './call.js';
export {
  CircuitBreaker,
  type CircuitBreakerOptions,
  type CircuitBreakerStats,
  type CircuitState,
  type Outcome,
  type ResetTimeoutBackoff,
} from './circuit-breaker.js';
export { systemClock, type Clock, type TimerHandle } from './clock.js';
export { Composition, compose } from './compose.js';
export {
  BulkheadFullError,
  BulkheadWaitTimeoutError,
  CancelledError,
  CircuitOpenError,
  ConfigurationError,
  PolicyError,
  RejectedError,
  ResilienceError,
  TimeoutError,
  errorCode,
  type ErrorCode,
} from './errors.js';
export type { EventType, Listener, ResilienceEvent } from './events.js';
export { ResilienceFacade, type FacadeOptions, type FacadeStatus } from './facade.js';
export { Fallback, type FallbackHandler, type FallbackOptions } from './fallback.js';
export {
  ServiceHealthMonitor,
  type HealthCheck,
  type HealthStatus,
  type ProviderHealth,
  type ServiceHealthMonitorOptions,
} from './health.js';
export type { Pattern } from './matching.js';
export { Layer, Policy, type PolicyOptions } from './policy.js';
export { Retry, type Jitter, type RetryOptions } from './retry.js';
export { Timeout, type TimeoutMode, type TimeoutOptions } from './timeout.js';
export type { SlowCall, Window, WindowKind } from './window.js';

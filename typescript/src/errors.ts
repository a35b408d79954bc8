/** The errors that policies make, under one base (GN-9, GN-16). */

export type ErrorCode =
  | 'circuit_open'
  | 'bulkhead_full'
  | 'bulkhead_wait_timeout'
  | 'timeout'
  | 'cancelled'
  | 'configuration'
  | 'operation';

/** Base of every error this package makes. */
export abstract class ResilienceError extends Error {
  abstract readonly code: ErrorCode;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A policy ended a call; `policy` is the policy's name. */
export abstract class PolicyError extends ResilienceError {
  constructor(
    message: string,
    readonly policy: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * A policy refused the call; the operation never ran.
 *
 * Its `stack` has no frames: taking them costs more than all the rest of a refusal, which has to be cheap when load is shed, and they
 * would tell where the call came from, not what is wrong.
 */
export abstract class RejectedError extends PolicyError {
  constructor(message: string, policy: string) {
    const frames: unknown = Error.stackTraceLimit;
    // Nothing but the constructor of Error runs before it is as it was. Where it is frozen, or there is none, the stack is whole.
    const lowered = typeof frames === 'number' && Reflect.set(Error, 'stackTraceLimit', 0);
    super(message, policy);
    if (lowered) Error.stackTraceLimit = frames;
  }
}

/** The circuit breaker refused the call (CB-8, CB-11, CB-19). `retryAfterMs` is given only while it is OPEN. */
export class CircuitOpenError extends RejectedError {
  readonly code = 'circuit_open';

  constructor(
    policy: string,
    reason: string,
    readonly retryAfterMs?: number,
  ) {
    super(`Circuit breaker is open: ${policy}, ${reason}`, policy);
  }
}

/** All slots run and the queue is full (BH-2). */
export class BulkheadFullError extends RejectedError {
  readonly code = 'bulkhead_full';

  constructor(policy: string, maxConcurrentCalls: number, maxQueueSize: number) {
    super(`Bulkhead capacity reached: ${policy}, ${maxConcurrentCalls} running, ${maxQueueSize} queued`, policy);
  }
}

/** No slot became free within `maxWaitMs` (BH-4). */
export class BulkheadWaitTimeoutError extends RejectedError {
  readonly code = 'bulkhead_wait_timeout';

  constructor(policy: string, maxWaitMs: number) {
    super(`Bulkhead capacity reached: ${policy}, no slot within ${maxWaitMs} ms`, policy);
  }
}

/** The operation did not end before its deadline (TO-3, TO-4). */
export class TimeoutError extends PolicyError {
  readonly code = 'timeout';

  constructor(policy: string, timeoutMs: number) {
    super(`Operation timed out: ${policy}, ${timeoutMs} ms`, policy);
  }
}

/** The caller gave up while a policy was waiting; `cause` is the signal's reason (GN-10). */
export class CancelledError extends PolicyError {
  readonly code = 'cancelled';

  constructor(policy: string, reason: unknown) {
    super(`Call cancelled: ${policy}`, policy, { cause: reason });
  }
}

/** An option is not allowed (GN-16): `path` says where, `fault` is one of the codes of PF-7. */
export class ConfigurationError extends ResilienceError {
  readonly code = 'configuration';

  constructor(
    readonly fault: string,
    readonly path: string,
    readonly value: unknown,
    readonly allowed: string,
  ) {
    super(`${path}: ${show(value)} is not allowed: ${allowed}`);
  }
}

/** The code of an error: its own, or `operation` for one that is not of this package. */
export function errorCode(error: unknown): ErrorCode {
  return error instanceof ResilienceError ? error.code : 'operation';
}

/** A value for a message, not longer than a line. */
export function show(value: unknown): string {
  // eslint-disable-next-line @typescript-eslint/no-base-to-string -- objects go the other way
  const shown = typeof value === 'string' || typeof value === 'object' ? safeJson(value) : String(value);
  return shown.length <= 60 ? shown : `${shown.slice(0, 57)}...`;
}

function safeJson(value: string | object | null): string {
  try {
    return JSON.stringify(value);
  } catch {
    return Object.prototype.toString.call(value); // cyclic
  }
}

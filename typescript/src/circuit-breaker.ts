/**
 * Circuit breaker: stops calls to a dependency that fails (CB).
 *
 * `Circuit` decides: the state table of the specification, without clock or listener. `CircuitBreaker` does: it reads the
 * clock, asks `Circuit`, and tells the listeners afterwards.
 */

import { isCancellation, start, type Call, type Operation } from './call.js';
import { microsecondsNow } from './clock.js';
import { CircuitOpenError, ConfigurationError, RejectedError } from './errors.js';
import type { EventType } from './events.js';
import { MAXIMUM, integer, known, microseconds, number, optionalCallable } from './options.js';
import { POLICY_OPTIONS, Policy, refused, type PolicyOptions } from './policy.js';
import { buildCounter, type Counter, type Counts, type SlowCall, type Window } from './window.js';

export type CircuitState = 'CLOSED' | 'OPEN' | 'HALF_OPEN' | 'FORCED_OPEN' | 'DISABLED';

/** How an operation ended. */
export type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown };

/** Each opening in a row multiplies the reset timeout by `factor` (1 to 1000, default 2), up to `maxMs` (CB-10). */
export interface ResetTimeoutBackoff {
  readonly factor?: number;
  readonly maxMs: number;
}

export interface CircuitBreakerOptions extends PolicyOptions {
  /** Failures that open the circuit, at least 1; default 5. Not with a rate window. */
  readonly failureThreshold?: number;
  /** From opening to the first probe, at least 0; default 30,000. */
  readonly resetTimeoutMs?: number;
  /** Successful probes that close it, at least 1; default 3. */
  readonly halfOpenSuccessThreshold?: number;
  /** Probes at once, at least 1; default `halfOpenSuccessThreshold`. */
  readonly halfOpenMaxConcurrent?: number;
  /** What is counted while CLOSED; default `{kind: 'consecutive'}`. */
  readonly window?: Window;
  /** Opens for slow calls too; only with the windows `count` and `time`. */
  readonly slowCall?: SlowCall;
  readonly resetTimeoutBackoff?: ResetTimeoutBackoff;
  /** Decides between failure and success; default: every error fails, no result does. */
  readonly isFailure?: (outcome: Outcome) => boolean;
  /** Asked before `isFailure`; an outcome for which it is true does not count. */
  readonly ignore?: (outcome: Outcome) => boolean;
}

/** CB-22 and CB-23. */
export interface CircuitBreakerStats {
  readonly state: CircuitState;
  readonly failureCount: number;
  readonly successCount: number;
  readonly runningProbes: number;
  readonly generation: number;
  /** Only while OPEN. */
  readonly retryAfterMs?: number;
  readonly calls: number;
  readonly successes: number;
  readonly failures: number;
  readonly ignored: number;
  readonly cancelled: number;
  readonly rejected: number;
  readonly slow: number;
}

const OPTIONS = [
  ...POLICY_OPTIONS,
  'failureThreshold',
  'resetTimeoutMs',
  'halfOpenSuccessThreshold',
  'halfOpenMaxConcurrent',
  'window',
  'slowCall',
  'resetTimeoutBackoff',
  'isFailure',
  'ignore',
] as const;

/** An admitted call: the generation it belongs to, and when it began. */
interface Permit {
  readonly generation: number;
  readonly started: number;
}

interface Transition {
  readonly from: CircuitState;
  readonly to: CircuitState;
  readonly generation: number;
  readonly reason: string;
}

interface CircuitOptions {
  readonly counter: Counter;
  readonly resetTimeout: number;
  readonly successThreshold: number;
  readonly maxProbes: number;
  readonly slowCall: number | undefined;
  readonly backoff: { readonly factor: number; readonly maxMs: number } | undefined;
}

/** The state machine. Every method takes the time, in microseconds. */
class Circuit {
  state: CircuitState = 'CLOSED';
  generation = 0;
  readonly totals = { successes: 0, failures: 0, ignored: 0, cancelled: 0, rejected: 0, slow: 0, running: 0 };
  #openedAt = 0;
  #timeout: number;
  #nextTimeoutMs: number;
  /** Whether the counts are those of the probes: in HALF_OPEN, and in an OPEN that a probe caused. */
  #countsProbes = false;
  #probeFailures = 0;
  #probeSuccesses = 0;
  /** When each probe that occupies a place began, the oldest first. */
  #probes: number[] = [];

  constructor(private readonly options: CircuitOptions) {
    this.#timeout = options.resetTimeout;
    this.#nextTimeoutMs = options.resetTimeout / 1000;
  }

  /** Whether the time of an admission matters: while CLOSED only where calls may be slow. */
  get timesAdmissions(): boolean {
    return this.state !== 'CLOSED' || this.options.slowCall !== undefined;
  }

  /** Whether the time of a success matters. */
  get timesSuccesses(): boolean {
    return this.timesAdmissions || this.options.counter.timesSuccesses;
  }

  /** Goes from OPEN to HALF_OPEN when it is time (CB-9). */
  wake(now: number): Transition | undefined {
    if (this.state !== 'OPEN' || now - this.#openedAt < this.#timeout) return undefined;
    return this.#enter('HALF_OPEN', now, 'reset_timeout');
  }

  /** The permit of a call, or undefined: rejected. */
  admit(now: number): Permit | undefined {
    if (!this.#admits(now)) {
      this.totals.rejected++;
      return undefined;
    }
    this.totals.running++;
    if (this.state === 'HALF_OPEN') this.#probes.push(now);
    return { generation: this.generation, started: now };
  }

  succeed(permit: Permit, now: number): Transition | undefined {
    this.totals.successes++;
    const slow = this.#end(permit, now);
    if (permit.generation !== this.generation) return undefined;
    if (this.state === 'CLOSED') return this.#openFor(this.options.counter.record(now, false, slow), now);
    if (this.state !== 'HALF_OPEN') return undefined;
    if (slow) return this.#enter('OPEN', now, 'probe_slow');
    this.#probeSuccesses++;
    if (this.#probeSuccesses < this.options.successThreshold) return undefined;
    return this.#enter('CLOSED', now, 'probes_succeeded');
  }

  fail(permit: Permit, now: number): Transition | undefined {
    this.totals.failures++;
    const slow = this.#end(permit, now);
    if (permit.generation !== this.generation) return undefined;
    if (this.state === 'CLOSED') return this.#openFor(this.options.counter.record(now, true, slow), now);
    if (this.state !== 'HALF_OPEN') return undefined;
    this.#probeFailures++;
    return this.#enter('OPEN', now, 'probe_failed');
  }

  /** Neither success nor failure (GN-4). */
  ignore(permit: Permit, kind: 'ignored' | 'cancelled'): void {
    this.totals[kind]++;
    this.#giveBack(permit);
  }

  /** CB-19 to CB-21. */
  force(state: CircuitState, now: number, reason: string): Transition | undefined {
    if (state === this.state && state !== 'CLOSED') return undefined;
    return this.#enter(state, now, reason);
  }

  counts(now: number): Counts {
    if (this.#countsProbes) return { failures: this.#probeFailures, successes: this.#probeSuccesses };
    return this.options.counter.counts(this.state === 'OPEN' ? this.#openedAt : now);
  }

  runningProbes(now: number): number {
    return this.#probes.filter((started) => !this.#isHung(started, now)).length;
  }

  /** Microseconds that are left of OPEN; undefined in other states. */
  retryAfter(now: number): number | undefined {
    return this.state === 'OPEN' ? Math.max(0, this.#openedAt + this.#timeout - now) : undefined;
  }

  #admits(now: number): boolean {
    switch (this.state) {
      case 'CLOSED':
      case 'DISABLED':
        return true;
      case 'OPEN':
      case 'FORCED_OPEN':
        return false;
      case 'HALF_OPEN': {
        this.#probes = this.#probes.filter((started) => !this.#isHung(started, now));
        const running = this.#probes.length;
        const { maxProbes, successThreshold } = this.options;
        return running < maxProbes && running + this.#probeSuccesses < successThreshold;
      }
    }
  }

  /** Gives back what the call held; returns whether it was slow. */
  #end(permit: Permit, now: number): boolean {
    this.#giveBack(permit);
    const { slowCall } = this.options;
    const slow = slowCall !== undefined && now - permit.started >= slowCall;
    if (slow) this.totals.slow++;
    return slow;
  }

  #giveBack(permit: Permit): void {
    this.totals.running--;
    if (permit.generation !== this.generation) return;
    const place = this.#probes.indexOf(permit.started);
    if (place >= 0) this.#probes.splice(place, 1);
  }

  /** CB-12. */
  #isHung(started: number, now: number): boolean {
    return this.options.resetTimeout > 0 && now - started >= this.options.resetTimeout;
  }

  #openFor(reason: string | undefined, now: number): Transition | undefined {
    return reason === undefined ? undefined : this.#enter('OPEN', now, reason);
  }

  /** Every transition passes here: a new generation, and counts from 0 (CB-17, CB-18). */
  #enter(state: CircuitState, now: number, reason: string): Transition {
    const from = this.state;
    this.state = state;
    this.generation++;
    this.#probes = [];
    this.#countsProbes = state === 'HALF_OPEN' || (state === 'OPEN' && from === 'HALF_OPEN');
    if (state === 'OPEN') {
      this.#openedAt = now;
      const { backoff } = this.options;
      if (backoff !== undefined) {
        this.#timeout = Math.trunc(this.#nextTimeoutMs) * 1000;
        this.#nextTimeoutMs = Math.min(this.#nextTimeoutMs * backoff.factor, backoff.maxMs);
      }
    } else {
      this.options.counter.clear();
      this.#probeFailures = this.#probeSuccesses = 0;
      if (state === 'CLOSED') this.#nextTimeoutMs = this.options.resetTimeout / 1000;
    }
    return { from, to: state, generation: this.generation, reason };
  }
}

/**
 * A circuit breaker.
 *
 * @throws ConfigurationError for an option outside its range, or options that exclude each other.
 */
export class CircuitBreaker extends Policy {
  readonly #circuit: Circuit;
  readonly #isFailure: ((outcome: Outcome) => boolean) | undefined;
  readonly #ignore: ((outcome: Outcome) => boolean) | undefined;

  constructor(options: CircuitBreakerOptions = {}) {
    super('circuit_breaker', options);
    const path = this.pattern;
    known(path, options, OPTIONS);
    const resetTimeout = microseconds(`${path}.reset_timeout_ms`, options.resetTimeoutMs ?? 30_000, 0);
    const successThreshold = integer(`${path}.half_open_success_threshold`, options.halfOpenSuccessThreshold ?? 3, 1);
    const { window = { kind: 'consecutive' }, slowCall, resetTimeoutBackoff } = options;
    this.#circuit = new Circuit({
      resetTimeout,
      successThreshold,
      counter: buildCounter(path, window, options.failureThreshold, slowCall, microsecondsNow(this.clock)),
      maxProbes: integer(`${path}.half_open_max_concurrent`, options.halfOpenMaxConcurrent ?? successThreshold, 1),
      slowCall: slowCall && microseconds(`${path}.slow_call.duration_ms`, slowCall.durationMs, 1),
      backoff: resetTimeoutBackoff && checkBackoff(path, resetTimeoutBackoff, resetTimeout),
    });
    this.#isFailure = optionalCallable(`${path}.is_failure`, options.isFailure);
    this.#ignore = optionalCallable(`${path}.ignore`, options.ignore);
  }

  /** The state. OPEN lasts until a call comes after the reset timeout (CB-9). */
  get state(): CircuitState {
    return this.#circuit.state;
  }

  /** CB-22, CB-23. */
  stats(): CircuitBreakerStats {
    const now = microsecondsNow(this.clock);
    const circuit = this.#circuit;
    const { running, ...totals } = circuit.totals;
    const { failures, successes } = circuit.counts(now);
    const retryAfter = circuit.retryAfter(now);
    return {
      state: circuit.state,
      failureCount: failures,
      successCount: successes,
      runningProbes: circuit.runningProbes(now),
      generation: circuit.generation,
      ...(retryAfter !== undefined && { retryAfterMs: retryAfter / 1000 }),
      ...totals,
      calls: running + totals.successes + totals.failures + totals.ignored + totals.cancelled + totals.rejected,
    };
  }

  /** Rejects every call until `reset` or `disable` (CB-19). */
  forceOpen(): void {
    this.#force('FORCED_OPEN', 'forced_open');
  }

  /** Admits every call and counts only totals, until `reset` or `forceOpen` (CB-20). */
  disable(): void {
    this.#force('DISABLED', 'disabled');
  }

  /** Closes the circuit, with every count at 0 (CB-21). */
  reset(): void {
    this.#force('CLOSED', 'reset');
  }

  /** @internal */
  run<T>(operation: Operation<T>, call: Call): Promise<T> {
    // A clock is dearer than all the rest of a call that passes a closed circuit: it is read only for who needs it.
    const now = this.#circuit.timesAdmissions ? microsecondsNow(this.clock) : 0;
    const permit = this.#admit(now);
    if (permit === undefined) return refused(this.#reject(now));
    return start(operation, call).then(
      (value) => {
        this.#returned(permit, value);
        return value;
      },
      (error: unknown) => {
        this.#threw(permit, error, call);
        throw error;
      },
    );
  }

  #admit(now: number): Permit | undefined {
    const circuit = this.#circuit;
    const transition = circuit.wake(now);
    const permit = circuit.admit(now);
    if (this.listeners.empty) return permit;
    const { state, generation } = circuit;
    this.#changed(transition);
    if (permit !== undefined) this.listeners.emit({ type: 'call_admitted', policy: this.name, state, generation });
    return permit;
  }

  #reject(now: number): CircuitOpenError {
    const { state, generation } = this.#circuit;
    const retryAfter = this.#circuit.retryAfter(now);
    if (!this.listeners.empty) {
      const retryAfterMs = retryAfter === undefined ? {} : { retryAfterMs: retryAfter / 1000 };
      this.listeners.emit({ type: 'call_rejected', policy: this.name, state, generation, ...retryAfterMs });
    }
    if (retryAfter === undefined) return new CircuitOpenError(this.name, state === 'HALF_OPEN' ? 'probing' : 'forced open');
    return new CircuitOpenError(this.name, `retry after ${Math.ceil(retryAfter / 1000)} ms`, retryAfter / 1000);
  }

  #returned(permit: Permit, value: unknown): void {
    if (this.#ignore === undefined && this.#isFailure === undefined) {
      this.#record(permit, false);
      return;
    }
    this.#decide(permit, { ok: true, value }, false);
  }

  #threw(permit: Permit, error: unknown, call: Call): void {
    if (isCancellation(error, call)) {
      this.#circuit.ignore(permit, 'cancelled');
      this.listeners.emit({ type: 'call_cancelled', policy: this.name, generation: permit.generation });
    } else if (error instanceof RejectedError) {
      this.#ignored(permit, { error });
    } else {
      this.#decide(permit, { ok: false, error }, true);
    }
  }

  /** Asks the predicates (CB-7). One that throws makes the outcome a failure, and its error goes to the caller. */
  #decide(permit: Permit, outcome: Outcome, failedByDefault: boolean): void {
    const error = outcome.ok ? {} : { error: outcome.error };
    let verdict: 'ignored' | boolean;
    try {
      verdict = this.#ignore?.(outcome) ? 'ignored' : (this.#isFailure?.(outcome) ?? failedByDefault);
    } catch (broken) {
      this.#record(permit, true, outcome.ok ? { error: broken } : error);
      throw broken;
    }
    if (verdict === 'ignored') this.#ignored(permit, error);
    else this.#record(permit, verdict, error);
  }

  #ignored(permit: Permit, error: { error?: unknown }): void {
    this.#circuit.ignore(permit, 'ignored');
    this.listeners.emit({ type: 'call_ignored', policy: this.name, generation: permit.generation, ...error });
  }

  #record(permit: Permit, failed: boolean, error: { error?: unknown } = {}): void {
    const now = failed || this.#circuit.timesSuccesses ? microsecondsNow(this.clock) : 0;
    const transition = failed ? this.#circuit.fail(permit, now) : this.#circuit.succeed(permit, now);
    if (this.listeners.empty) return;
    const type: EventType = failed ? 'call_failed' : 'call_succeeded';
    this.listeners.emit({ type, policy: this.name, generation: permit.generation, ...(failed && error) });
    this.#changed(transition);
  }

  #force(state: CircuitState, reason: string): void {
    this.#changed(this.#circuit.force(state, microsecondsNow(this.clock), reason));
  }

  #changed(transition: Transition | undefined): void {
    if (transition !== undefined) {
      this.listeners.emit({ type: 'circuit_state_changed', policy: this.name, ...transition });
    }
  }
}

function checkBackoff(path: string, backoff: ResetTimeoutBackoff, resetTimeout: number): { factor: number; maxMs: number } {
  const at = `${path}.reset_timeout_backoff`;
  known(at, backoff, ['factor', 'maxMs']);
  const factor = number(`${at}.factor`, backoff.factor ?? 2, 1, 1000);
  const maxMs = microseconds(`${at}.max_ms`, backoff.maxMs, 0) / 1000;
  if (maxMs < resetTimeout / 1000) {
    throw new ConfigurationError('range', `${at}.max_ms`, maxMs, `${resetTimeout / 1000} (reset_timeout_ms) to ${MAXIMUM}`);
  }
  return { factor, maxMs };
}

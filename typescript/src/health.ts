/** Service health monitor: checks providers in rounds and keeps what it saw of each (HM). */

import { AbortableCall, Call, type OperationContext } from './call.js';
import type { CircuitBreaker, CircuitState } from './circuit-breaker.js';
import { microsecondsNow, systemClock, type Clock, type TimerHandle } from './clock.js';
import { ConfigurationError } from './errors.js';
import { Listeners, type Listener } from './events.js';
import type { ResilienceFacade } from './facade.js';
import { callable, known, mapping, microseconds, number } from './options.js';
import { Timeout } from './timeout.js';

export type HealthStatus = 'UP' | 'DEGRADED' | 'DOWN';

/** What the last check saw. */
export interface ProviderHealth {
  readonly status: HealthStatus;
  readonly responseTimeMs: number;
  readonly circuitState: CircuitState;
  readonly failureRate: number;
  /** Absent before the first check. */
  readonly lastChecked?: Date;
}

/** True: healthy. False, or an error: not. */
export type HealthCheck = (context: OperationContext) => boolean | PromiseLike<boolean>;

export interface ServiceHealthMonitorOptions {
  /** The names, at least one. */
  readonly providers: readonly string[];
  /** A check for each provider. */
  readonly checks: Readonly<Record<string, HealthCheck>>;
  /** For some providers, what tells the state of its circuit. */
  readonly circuits?: Readonly<Record<string, CircuitBreaker | ResilienceFacade<never>>>;
  /** At least 1; default 60,000. */
  readonly checkIntervalMs?: number;
  /** After which a check counts as not healthy, at least 1; default 10,000. */
  readonly checkTimeoutMs?: number;
  /** A healthy answer slower than this is DEGRADED; default 5000. */
  readonly degradedResponseTimeMs?: number;
  /** A failure rate greater than this is DEGRADED, 0 to 1; default 0.3. */
  readonly degradedFailureRate?: number;
  readonly listeners?: readonly Listener[];
  readonly clock?: Clock;
}

const OPTIONS = [
  'providers',
  'checks',
  'circuits',
  'checkIntervalMs',
  'checkTimeoutMs',
  'degradedResponseTimeMs',
  'degradedFailureRate',
  'listeners',
  'clock',
] as const;

/** A round under way: what ends it, and its end. */
interface Round {
  readonly call: AbortableCall;
  readonly ended: Promise<void>;
}

/**
 * Watches the health of providers.
 *
 * @throws ConfigurationError for an option outside its range, and for providers and checks that do not fit (HM-10).
 */
export class ServiceHealthMonitor {
  readonly #checks: ReadonlyMap<string, HealthCheck>;
  readonly #circuits: ReadonlyMap<string, CircuitBreaker | ResilienceFacade<never>>;
  readonly #clock: Clock;
  readonly #interval: number;
  readonly #timeout: Timeout;
  readonly #timeoutMs: number;
  readonly #degradedResponseTime: number;
  readonly #degradedFailureRate: number;
  readonly #listeners: Listeners;
  readonly #health = new Map<string, ProviderHealth>();
  #timer: TimerHandle;
  #started = false;
  #round: Round | undefined;

  constructor(options: ServiceHealthMonitorOptions) {
    known('health', options, OPTIONS);
    const { providers, checks, circuits = {}, clock = systemClock } = options;
    checkNames(providers, checks, circuits);
    this.#checks = new Map(Object.entries(checks));
    this.#circuits = new Map(Object.entries(circuits));
    this.#clock = clock;
    this.#interval = microseconds('health.check_interval_ms', options.checkIntervalMs ?? 60_000, 1) / 1000;
    this.#timeoutMs = microseconds('health.check_timeout_ms', options.checkTimeoutMs ?? 10_000, 1) / 1000;
    this.#timeout = new Timeout({ timeoutMs: this.#timeoutMs, mode: 'abandon', clock });
    const responseTime = options.degradedResponseTimeMs ?? 5000;
    this.#degradedResponseTime = microseconds('health.degraded_response_time_ms', responseTime, 0) / 1000;
    this.#degradedFailureRate = number('health.degraded_failure_rate', options.degradedFailureRate ?? 0.3, 0, 1);
    this.#listeners = new Listeners(options.listeners);
    for (const provider of providers) {
      const circuitState = this.#circuitState(provider);
      this.#health.set(provider, { status: 'UP', responseTimeMs: 0, circuitState, failureRate: 0 });
    }
  }

  /** Checks at once, and then each interval, until `stop` (HM-6). Does nothing when started already. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#tick(this.#clock.now(), 0);
  }

  /** Ends the rounds, and the one under way, whose unfinished checks change nothing (HM-8). */
  stop(): void {
    this.#started = false;
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    const round = this.#round;
    this.#round = undefined;
    round?.call.abort(new Error('the health monitor was stopped'));
  }

  /** One round now, or the end of the one under way (HM-7). Never rejects. */
  checkAll(): Promise<void> {
    this.#round ??= this.#startRound();
    return this.#round.ended;
  }

  /** What is known of a provider. */
  providerHealth(provider: string): ProviderHealth | undefined {
    return this.#health.get(provider);
  }

  /** What is known of every provider, in their order. */
  allHealth(): Map<string, ProviderHealth> {
    return new Map(this.#health);
  }

  /** Whether it is UP. */
  isHealthy(provider: string): boolean {
    return this.#health.get(provider)?.status === 'UP';
  }

  /** Whether it is DEGRADED. */
  isDegraded(provider: string): boolean {
    return this.#health.get(provider)?.status === 'DEGRADED';
  }

  /** Adds a listener for `health_changed`; returns what removes it again. */
  addListener(listener: Listener): () => void {
    return this.#listeners.add(listener);
  }

  #tick(start: number, count: number): void {
    void this.checkAll();
    const next = start + (count + 1) * this.#interval;
    this.#timer = this.#clock.setTimeout(() => {
      this.#tick(start, count + 1);
    }, next - this.#clock.now());
    this.#clock.unref?.(this.#timer);
  }

  #startRound(): Round {
    const call = new AbortableCall(new Call(undefined, undefined));
    const round: Round = {
      call,
      ended: Promise.all([...this.#health.keys()].map((provider) => this.#check(provider, call))).then(() => {
        if (this.#round === round) this.#round = undefined;
      }),
    };
    return round;
  }

  async #check(provider: string, call: AbortableCall): Promise<void> {
    const check = this.#checks.get(provider);
    const began = microsecondsNow(this.#clock);
    let healthy: boolean;
    try {
      healthy = await this.#timeout.run(async (context) => (await check?.(context)) === true, call);
    } catch {
      healthy = false; // an error is an answer here (HM-2)
    }
    if (call.aborted) return; // stopped meanwhile
    const elapsed = (microsecondsNow(this.#clock) - began) / 1000;
    this.#assess(provider, healthy, Math.min(elapsed, this.#timeoutMs));
  }

  /** HM-3 to HM-5. */
  #assess(provider: string, healthy: boolean, responseTimeMs: number): void {
    const before = this.#health.get(provider);
    if (before === undefined) return;
    const circuitState = this.#circuitState(provider);
    const failureRate = healthy ? before.failureRate * 0.8 : Math.min(before.failureRate * 1.2 + 0.1, 1);
    const degraded =
      responseTimeMs > this.#degradedResponseTime || failureRate > this.#degradedFailureRate || circuitState !== 'CLOSED';
    const status: HealthStatus = !healthy ? 'DOWN' : degraded ? 'DEGRADED' : 'UP';
    this.#health.set(provider, { status, responseTimeMs, circuitState, failureRate, lastChecked: new Date() });
    if (status !== before.status) {
      this.#listeners.emit({ type: 'health_changed', policy: 'health', provider, from: before.status, to: status });
    }
  }

  #circuitState(provider: string): CircuitState {
    const circuit = this.#circuits.get(provider);
    if (circuit === undefined) return 'CLOSED';
    return 'state' in circuit ? circuit.state : (circuit.circuitBreaker?.state ?? 'CLOSED');
  }
}

/** HM-10. */
function checkNames(
  providers: readonly string[],
  checks: Readonly<Record<string, unknown>>,
  circuits: Readonly<Record<string, unknown>>,
): void {
  if (!Array.isArray(providers)) throw new ConfigurationError('type', 'health.providers', providers, 'a list of names');
  if (providers.length === 0) throw new ConfigurationError('range', 'health.providers', providers, 'at least one');
  mapping('health.checks', checks, 'a mapping by provider');
  mapping('health.circuits', circuits, 'a mapping by provider');
  for (const [index, provider] of providers.entries()) {
    if (typeof provider !== 'string') throw new ConfigurationError('type', `health.providers[${index}]`, provider, 'a name');
    if (providers.indexOf(provider) < index) {
      throw new ConfigurationError('conflict', 'health.providers', provider, 'each name once');
    }
    if (!Object.hasOwn(checks, provider)) {
      throw new ConfigurationError('required', `health.checks.${provider}`, undefined, 'a check for each provider');
    }
  }
  for (const [kind, given] of Object.entries({ checks, circuits })) {
    for (const provider of Object.keys(given)) {
      if (!providers.includes(provider)) {
        throw new ConfigurationError('unknown_key', `health.${kind}.${provider}`, provider, providers.join(', '));
      }
    }
  }
  for (const [provider, check] of Object.entries(checks)) callable(`health.checks.${provider}`, check);
  for (const [provider, circuit] of Object.entries(circuits)) {
    mapping(`health.circuits.${provider}`, circuit, 'a circuit breaker or a facade');
  }
}

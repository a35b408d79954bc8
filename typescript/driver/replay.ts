/** Replays one trace, and observes. */

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';

import {
  Bulkhead,
  Cache,
  CircuitBreaker,
  compose,
  ConfigurationError,
  errorCode,
  type Layer,
  type Listener,
  type Policy,
  type ResilienceEvent,
  type ResilienceFacade,
  type ServiceHealthMonitor,
} from '../src/index.js';
import { ProviderFileError, UnknownProviderError } from '../src/providers.js';
import {
  Listener as Who,
  type Call,
  type CircuitBreakerState,
  type Event,
  type Fault,
  type Observation,
  type PolicyState,
  type Step,
  type StepObservation,
  type Target,
  type Trace,
} from './gen/test_driver.js';
import { nextClock } from './platform.js';
import { Record, Stage, Unsupported, whole } from './script.js';
import { Builder, composed, effective } from './subjects.js';

export async function replay(trace: Trace): Promise<Observation> {
  const observation: Observation = { faults: [], steps: [], leftovers: 0, tiedMs: [] };
  const kind = trace.subject?.kind;
  let run: Run;
  try {
    if (kind?.$case === 'providerFile') {
      observation.effectiveJson = effective(kind.value);
      return observation;
    }
    run = new Run(trace);
  } catch (error) {
    observation.faults = faultsOf(error);
    return observation;
  }
  for (const step of trace.steps) {
    await run.perform(step);
    await run.stage.clock.settle();
    observation.steps.push(run.observe());
  }
  observation.leftovers = run.leftovers();
  return observation;
}

function faultsOf(error: unknown): Fault[] {
  if (error instanceof ConfigurationError) {
    return [{ code: error.fault, path: error.path, line: 0, message: error.message }];
  }
  if (error instanceof UnknownProviderError) {
    return [{ code: 'unknown_provider', path: '', line: 0, message: error.message }];
  }
  if (error instanceof ProviderFileError) {
    return error.faults.map(({ code, path, line }) => ({ code, path, line, message: error.message }));
  }
  throw error;
}

interface Heard {
  addListener(listener: Listener): () => void;
}

const failure = new Error('this listener fails');

function failing(): never {
  throw failure;
}

/** How often the console was told of the listener that fails, since this was last asked. */
let reported = 0;
const { error: report } = console;
console.error = (...args: unknown[]) => {
  if (args.includes(failure)) reported++;
  else report(...args);
};

/** The subject of a trace, and what has been seen of it. */
class Run {
  readonly stage = new Stage(nextClock());
  readonly #records = new Map<string, Record>();
  readonly #policies: Policy[] = [];
  readonly #watched: Watched[] = [];
  #events: Event[] = [];
  #target: Layer | undefined;
  #facade: ResilienceFacade<string | undefined> | undefined;
  #monitor: ServiceHealthMonitor | undefined;
  #monitoring = false;
  /** Where nobody listens, a caller who never gives up brings no signal, as most callers do not. */
  readonly #bringsSignal: (call: Call) => boolean;

  constructor(trace: Trace) {
    const gaveUp = new Set(trace.steps.map(({ action }) => action?.$case === 'cancel' && action.value));
    this.#bringsSignal = ({ id, cancelled }) => !trace.unheard || cancelled || gaveUp.has(id);
    const listen = (event: ResilienceEvent): void => {
      this.#events.push(eventOf(event, this.stage.clock.now()));
    };
    const listeners = trace.unheard ? [] : trace.listeners.length > 0 ? trace.listeners : [Who.LISTENER_RECORDING];
    const build = new Builder(trace, this.stage, listeners.includes(Who.LISTENER_GIVEN) ? [listen] : []);
    const heard: Heard[] = [];
    const kind = trace.subject?.kind;
    switch (kind?.$case) {
      case 'composition': {
        this.#policies = kind.value.policies.map((message) => build.policy(message));
        if ('compose' in trace.misfits) compose(...(build.misfitting('')['compose'] as Policy[])); // which refuses them
        const [only] = this.#policies;
        this.#target = this.#policies.length === 1 && only !== undefined ? only : composed(this.#policies);
        heard.push(this.#target);
        break;
      }
      case 'facade':
        this.#facade = build.facade(kind.value);
        heard.push(this.#facade);
        this.#policies = [this.#facade.circuitBreaker, this.#facade.bulkhead, this.#facade.cache].filter((one) => one !== null);
        break;
      case 'health': {
        const { monitor, circuits } = build.health(kind.value);
        this.#monitor = monitor;
        this.#policies = circuits;
        heard.push(monitor, ...circuits);
        break;
      }
      default:
        throw new Unsupported('the kind of the subject is not known to this driver');
    }
    for (const one of heard) for (const listener of listeners) this.#addListener(one, listener, listen);
    const facade = this.#facade;
    for (const policy of this.#policies) {
      const name = facade === undefined ? policy.name : `${facade.name}.${policy.pattern}`;
      if (policy instanceof CircuitBreaker) this.#watch(name, () => ({ $case: 'circuitBreaker', value: stateOf(policy) }));
      if (policy instanceof Bulkhead) this.#watch(name, () => ({ $case: 'bulkhead', value: policy.stats() }));
      if (policy instanceof Cache) this.#watch(name, () => ({ $case: 'cache', value: policy.stats() }));
    }
    if (facade !== undefined) this.#watch(facade.name, () => ({ $case: 'facade', value: facade.status() }));
  }

  #addListener(heard: Heard, listener: Who, listen: Listener): void {
    switch (listener) {
      case Who.LISTENER_RECORDING:
        heard.addListener(listen);
        break;
      case Who.LISTENER_GIVEN:
        break; // handed over with the options
      case Who.LISTENER_FAILING:
        heard.addListener(failing);
        break;
      case Who.LISTENER_REMOVED: {
        const remove = heard.addListener(listen);
        remove();
        remove();
        break;
      }
      case Who.LISTENER_LOOKING:
        heard.addListener(() => {
          for (const watched of this.#watched) watched.read();
        });
        break;
      default:
        throw new Unsupported('the listener is not known to this driver');
    }
  }

  #watch(name: string, read: () => State): void {
    this.#watched.push(new Watched(name, read));
  }

  async perform({ action }: Step): Promise<void> {
    switch (action?.$case) {
      case 'call':
        this.#call(action.value);
        break;
      case 'cancel':
        this.#records.get(action.value)?.controller.abort(new Error('the caller gave up'));
        break;
      case 'advanceMs':
        await this.stage.clock.advance(action.value);
        break;
      case 'invalidate':
        if (this.#facade) this.#facade.invalidateCache(action.value);
        else for (const one of this.#policies) if (one instanceof Cache) one.invalidate(action.value);
        break;
      case 'clear':
        this.#the(Cache, action.value).clear();
        break;
      case 'close':
        (this.#facade ?? this.#the(Cache, action.value)).close();
        break;
      case 'forceOpen':
        this.#the(CircuitBreaker, action.value).forceOpen();
        break;
      case 'disable':
        this.#the(CircuitBreaker, action.value).disable();
        break;
      case 'reset':
        this.#the(CircuitBreaker, action.value).reset();
        break;
      case 'checkHealth':
        void this.#monitor?.checkAll();
        break;
      case 'start':
        this.#monitor?.start();
        this.#monitoring = true;
        break;
      case 'stop':
        this.#monitor?.stop();
        this.#monitoring = false;
        break;
      default:
        throw new Unsupported('the action is not known to this driver');
    }
  }

  #call(call: Call): void {
    const { id, key, op, fallback, cancelled } = call;
    const record = new Record(id);
    this.#records.set(id, record);
    const signal = this.#bringsSignal(call) ? record.controller.signal : undefined;
    if (cancelled) record.controller.abort(new Error('the caller gave up'));
    const operation = this.stage.operation(record, op);
    const handler = fallback && this.stage.handler(fallback);
    const result =
      this.#facade?.execute(key, operation, handler, { signal }) ?? this.#target?.execute(operation, { key, signal });
    result?.then(
      (value) => {
        record.ended = { at: this.stage.clock.now(), value };
      },
      (error: unknown) => {
        record.ended = { at: this.stage.clock.now(), error };
      },
    );
  }

  #the<P extends Policy>(kind: new (...args: never[]) => P, { policy }: Target): P {
    const found = this.#policies.find((one): one is P => one instanceof kind && (policy === undefined || one.name === policy));
    if (found === undefined) throw new Unsupported(`there is no ${kind.name} ${policy ?? ''} in the subject`);
    return found;
  }

  observe(): StepObservation {
    const { clock, running, made } = this.stage;
    const events = this.#events;
    const seen: StepObservation = { nowMs: clock.now(), calls: [], policies: [], events, health: [], running, reported };
    this.#events = [];
    reported = 0;
    for (const record of this.#records.values()) if (record.isNews()) seen.calls.push(record.observe(made));
    for (const watched of this.#watched) if (watched.isNews()) seen.policies.push(watched.observe());
    const monitor = this.#monitor;
    for (const [provider, health] of monitor?.allHealth() ?? []) {
      const { status, circuitState, failureRate, responseTimeMs } = health;
      // The questions about one provider are other ways to the same.
      assert.equal(monitor?.providerHealth(provider), health);
      assert.deepEqual([monitor?.isHealthy(provider), monitor?.isDegraded(provider)], [status === 'UP', status === 'DEGRADED']);
      seen.health.push({ provider, status, circuitState, failureRate, responseTimeMs: Math.round(responseTimeMs) });
    }
    return seen;
  }

  /** Timers that are armed, and listeners on the callers' signals. */
  leftovers(): number {
    if (this.stage.running > 0 || this.#monitoring) return 0;
    const listeners = [...this.#records.values()].map(({ controller }) => getEventListeners(controller.signal, 'abort').length);
    return listeners.reduce((sum, count) => sum + count, this.stage.clock.armedTimers);
  }
}

type State = NonNullable<PolicyState['state']>;

/** Something that has statistics: a policy, or the facade. */
class Watched {
  #state: State | undefined;
  #told: unknown[] | undefined;

  constructor(
    readonly name: string,
    readonly read: () => State,
  ) {}

  /** Whether they are not as they were when this was last asked. */
  isNews(): boolean {
    const before = this.#told;
    this.#state = this.read();
    this.#told = Object.values(this.#state.value);
    return before === undefined || this.#told.some((value, at) => value !== before[at]);
  }

  observe(): PolicyState {
    return { name: this.name, state: this.#state };
  }
}

function stateOf(circuit: CircuitBreaker): CircuitBreakerState {
  const stats = circuit.stats();
  return { ...stats, retryAfterMs: whole(stats.retryAfterMs) };
}

/** Names every field: objects of one shape are encoded the fastest. */
function eventOf(event: ResilienceEvent, now: number): Event {
  return {
    type: event.type,
    policy: event.policy,
    atMs: now,
    state: event.state,
    generation: event.generation,
    retryAfterMs: whole(event.retryAfterMs),
    error: 'error' in event ? errorCode(event.error) : undefined,
    from: event.from,
    to: event.to,
    reason: event.reason,
    attempt: event.attempt,
    delayMs: whole(event.delayMs),
    queueSize: event.queueSize,
    timeoutMs: whole(event.timeoutMs),
    outcome: event.outcome,
    key: event.key,
    provider: event.provider,
  };
}

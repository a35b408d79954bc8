/** Replays one trace, and observes. */

import { getEventListeners } from 'node:events';

import { create } from '@bufbuild/protobuf';

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
import { VirtualClock } from '../src/testing.js';
import {
  EventSchema,
  FaultSchema,
  ObservationSchema,
  PolicyStateSchema,
  ProviderHealthSchema,
  StepObservationSchema,
  type Call,
  type Event,
  type Fault,
  type Observation,
  type PolicyState,
  type Step,
  type StepObservation,
  type Target,
  type Trace,
} from './gen/test_driver_pb.js';
import { Record, Stage, Unsupported } from './script.js';
import * as subjects from './subjects.js';

export async function replay(trace: Trace): Promise<Observation> {
  const observation = create(ObservationSchema);
  const kind = trace.subject?.kind;
  let run: Run;
  try {
    if (kind?.case === 'providerFile') {
      observation.effectiveJson = subjects.effective(kind.value);
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
    return [create(FaultSchema, { code: error.fault, path: error.path, message: error.message })];
  }
  if (error instanceof UnknownProviderError) {
    return [create(FaultSchema, { code: 'unknown_provider', message: error.message })];
  }
  if (error instanceof ProviderFileError) {
    return error.faults.map(({ code, path, line }) => create(FaultSchema, { code, path, line, message: error.message }));
  }
  throw error;
}

/** The subject of a trace, and what has been seen of it. */
class Run {
  readonly stage = new Stage(new VirtualClock());
  readonly #records = new Map<string, Record>();
  readonly #policies: Policy[] = [];
  readonly #watched: Watched[] = [];
  #events: Event[] = [];
  #target: Layer | undefined;
  #facade: ResilienceFacade<string | undefined> | undefined;
  #monitor: ServiceHealthMonitor | undefined;
  #monitoring = false;

  constructor(trace: Trace) {
    let drawn = 0;
    const random = (): number => {
      const next = trace.random[drawn++];
      if (next === undefined) throw new Error('the random numbers of the trace have run out');
      return next;
    };
    const listen = (event: ResilienceEvent): void => {
      this.#events.push(eventOf(event, this.stage.clock.now()));
    };
    const heard: { addListener(listener: Listener): unknown }[] = [];
    const kind = trace.subject?.kind;
    switch (kind?.case) {
      case 'composition': {
        this.#policies = kind.value.policies.map((message) => subjects.policy(message, this.stage, random));
        const [only] = this.#policies;
        this.#target = this.#policies.length === 1 && only !== undefined ? only : compose(...this.#policies);
        heard.push(this.#target);
        break;
      }
      case 'facade':
        this.#facade = subjects.facade(kind.value, this.stage, random);
        heard.push(this.#facade);
        this.#policies = [this.#facade.circuitBreaker, this.#facade.bulkhead, this.#facade.cache].filter((one) => one !== null);
        break;
      case 'health': {
        const { monitor, circuits } = subjects.health(kind.value, this.stage);
        this.#monitor = monitor;
        this.#policies = circuits;
        heard.push(monitor, ...circuits);
        break;
      }
      default:
        throw new Unsupported(`the kind of the subject is not known to this driver: ${String(kind?.case)}`);
    }
    if (!trace.unheard) for (const one of heard) one.addListener(listen);
    const facade = this.#facade;
    for (const policy of this.#policies) {
      const name = facade === undefined ? policy.name : `${facade.name}.${policy.pattern}`;
      if (policy instanceof CircuitBreaker) this.#watched.push(new Watched(name, 'circuitBreaker', () => policy.stats()));
      if (policy instanceof Bulkhead) this.#watched.push(new Watched(name, 'bulkhead', () => policy.stats()));
      if (policy instanceof Cache) this.#watched.push(new Watched(name, 'cache', () => policy.stats()));
    }
    if (facade !== undefined) this.#watched.push(new Watched(facade.name, 'facade', () => facade.status()));
  }

  async perform({ action }: Step): Promise<void> {
    switch (action.case) {
      case 'call':
        this.#call(action.value);
        break;
      case 'cancel':
        this.#records.get(action.value)?.controller.abort(new Error('the caller gave up'));
        break;
      case 'advanceMs':
        await this.stage.clock.advance(Number(action.value));
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
        throw new Unsupported(`the action is not known to this driver: ${String(action.case)}`);
    }
  }

  #call({ id, key, op, fallback, cancelled }: Call): void {
    const record = new Record(id);
    this.#records.set(id, record);
    const { signal } = record.controller;
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
    const now = this.stage.clock.now();
    const seen = create(StepObservationSchema, { nowMs: BigInt(now), running: this.stage.running, events: this.#events });
    this.#events = [];
    for (const record of this.#records.values()) if (record.isNews()) seen.calls.push(record.observe(this.stage.made));
    for (const watched of this.#watched) if (watched.isNews()) seen.policies.push(watched.observe());
    for (const [provider, health] of this.#monitor?.allHealth() ?? []) {
      const { status, circuitState, failureRate, responseTimeMs } = health;
      const fields = { provider, status, circuitState, failureRate, responseTimeMs: BigInt(Math.round(responseTimeMs)) };
      seen.health.push(create(ProviderHealthSchema, fields));
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

/** Something that has statistics: a policy, or the facade. */
class Watched {
  #told: string | undefined;
  #stats: object = {};

  constructor(
    readonly name: string,
    readonly kind: 'circuitBreaker' | 'bulkhead' | 'cache' | 'facade',
    readonly read: () => object,
  ) {}

  /** Whether they are not as they were when this was last asked. */
  isNews(): boolean {
    const before = this.#told;
    this.#stats = this.read();
    this.#told = Object.values(this.#stats).join();
    return this.#told !== before;
  }

  observe(): PolicyState {
    const present = Object.entries(this.#stats).filter(([, value]) => value !== undefined);
    // Whole numbers are 64 bits wide in the protocol.
    const fields = present.map(([name, value]) => [name, typeof value === 'number' ? BigInt(Math.ceil(value)) : (value as unknown)]);
    const state = { case: this.kind, value: Object.fromEntries(fields) as object } as PolicyState['state'];
    return create(PolicyStateSchema, { name: this.name, state });
  }
}

function eventOf(event: ResilienceEvent, now: number): Event {
  const seen = create(EventSchema, { type: event.type, policy: event.policy, atMs: BigInt(now) });
  for (const name of ['generation', 'retryAfterMs', 'attempt', 'delayMs', 'queueSize', 'timeoutMs'] as const) {
    const value = event[name];
    if (value !== undefined) seen[name] = BigInt(Math.ceil(value));
  }
  for (const name of ['state', 'from', 'to', 'reason', 'outcome', 'key', 'provider'] as const) {
    const value = event[name];
    if (value !== undefined) seen[name] = value;
  }
  if ('error' in event) seen.error = errorCode(event.error);
  return seen;
}

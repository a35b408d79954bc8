/** Builds what a trace is about, from the package's public API. */

import {
  Bulkhead,
  Cache,
  CircuitBreaker,
  compose,
  Fallback,
  Retry,
  ResilienceFacade,
  ServiceHealthMonitor,
  Timeout,
  type CircuitBreakerOptions,
  type Composition,
  type FallbackHandler,
  type Listener,
  type OperationContext,
  type Outcome,
  type Policy,
  type PolicyOptions,
  type RetryOptions,
  type ServiceHealthMonitorOptions,
} from '../src/index.js';
import { parseProviders, presets, type Providers } from '../src/providers.js';
import type {
  CircuitBreaker as CircuitBreakerMessage,
  Facade as FacadeMessage,
  Fallback as FallbackMessage,
  HealthMonitor as HealthMessage,
  Match,
  Policy as PolicyMessage,
  ProviderFile,
  Retry as RetryMessage,
  Trace,
} from './gen/test_driver.js';
import { isVirtual } from './platform.js';
import { Record as Seen, Unsupported, type Stage } from './script.js';

type Options = Record<string, unknown>;

function matchesError(match: Match): (error: unknown) => boolean {
  return (error) => error instanceof Error && match.errors.some((part) => error.message.includes(part));
}

function matches(match: Match): (outcome: Outcome) => boolean {
  const error = matchesError(match);
  return (outcome) =>
    outcome.ok ? typeof outcome.value === 'string' && match.results.includes(outcome.value) : error(outcome.error);
}

function known(file: Uint8Array | string | undefined): Providers {
  return file === undefined ? presets() : parseProviders(file);
}

/** The effective options of a file, or of one provider, as JSON. */
export function effective({ file, provider }: ProviderFile): string {
  const providers = known(file);
  const names = provider === undefined ? providers.names : [provider];
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, providers.provider(name)])));
}

/** A pattern in one of the forms that the package takes; where the platform is virtual, as it is seldom written. */
function inForm(pattern: string): string | RegExp | { regex: string } {
  const source = /^\/(.+)\/$/s.exec(pattern)?.[1];
  if (!isVirtual || source === undefined) return pattern;
  try {
    return new RegExp(source, 'g');
  } catch {
    return { regex: source }; // for the package to refuse
  }
}

/** Several policies as one; where the platform is virtual, compositions within a composition. */
export function composed(policies: readonly Policy[]): Composition {
  return isVirtual ? compose(compose(...policies.slice(0, 2)), ...policies.slice(2)) : compose(...policies);
}

/** The name of an option in TypeScript. */
function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Makes the policies of one trace. */
export class Builder {
  readonly #common: PolicyOptions;
  readonly #random: () => number;

  constructor(
    readonly trace: Trace,
    readonly stage: Stage,
    listeners: readonly Listener[],
  ) {
    this.#common = { ...(!isVirtual && { clock: stage.clock }), ...(listeners.length > 0 && { listeners }) };
    let drawn = 0;
    this.#random = () => {
      const next = trace.random[drawn++];
      if (next === undefined) throw new Error('the random numbers of the trace have run out');
      return next;
    };
  }

  policy({ name, pattern }: PolicyMessage): Policy {
    const common = { ...this.#common, ...(name !== undefined && { name }) };
    switch (pattern?.$case) {
      case 'circuitBreaker':
        return new CircuitBreaker({ ...this.#circuitBreaker(pattern.value), ...common });
      case 'retry':
        return new Retry({ ...this.#retry(pattern.value), ...common });
      case 'bulkhead':
        return new Bulkhead({ ...this.#given('bulkhead', pattern.value), ...common });
      case 'timeout':
        return new Timeout({ ...this.#given('timeout', pattern.value), ...common });
      case 'cache':
        return new Cache({ ...this.#given('cache', pattern.value), ...common });
      case 'fallback': {
        const { handler, ...options } = this.#fallback(pattern.value);
        return new Fallback(handler as FallbackHandler, { ...options, ...common });
      }
      case undefined:
        throw new Unsupported(`the pattern of policy ${name ?? '?'} is not known to this driver`);
    }
  }

  facade(message: FacadeMessage): ResilienceFacade<string | undefined> {
    const { name, provider, file, bulkhead, timeout, cache } = message;
    if (provider !== undefined) {
      const options = known(file).provider(provider).options();
      const retry = options.retry && { retry: { ...options.retry, random: this.#random } };
      return new ResilienceFacade({ ...options, ...retry, ...this.#common });
    }
    const options: Options = { ...this.#common, retry: this.#retry(message.retry) };
    if (name !== undefined) options['name'] = name;
    if (message.circuitBreaker !== undefined) options['circuitBreaker'] = this.#circuitBreaker(message.circuitBreaker);
    if (bulkhead !== undefined) options['bulkhead'] = this.#given('bulkhead', bulkhead);
    if (timeout !== undefined) options['timeout'] = this.#given('timeout', timeout);
    if (cache !== undefined) options['cache'] = this.#given('cache', cache);
    for (const section of message.off) options[camelCase(section)] = null;
    return new ResilienceFacade({ ...options, ...this.misfitting('') });
  }

  /** The monitor, and its circuits in the order of the trace. */
  health(message: HealthMessage): { monitor: ServiceHealthMonitor; circuits: Policy[] } {
    const circuits = message.circuits.map((circuit) => this.policy(circuit));
    const checks = message.checks.map(({ provider, rounds }) => {
      const operation = this.stage.operation(new Seen(provider), rounds);
      return [provider, async (context: OperationContext) => (await operation(context)) === 'true'] as const;
    });
    const options: Options = {
      providers: message.providers,
      checks: Object.fromEntries(checks),
      ...(circuits.length > 0 && { circuits: Object.fromEntries(circuits.map((circuit) => [circuit.name, circuit])) }),
      ...this.#given('health', message),
      ...this.#common,
    };
    return { monitor: new ServiceHealthMonitor(options as unknown as ServiceHealthMonitorOptions), circuits };
  }

  #circuitBreaker(message: CircuitBreakerMessage): CircuitBreakerOptions {
    const { window, slowCall, resetTimeoutBackoff, isFailure, ignore } = message;
    const options: Options = {};
    if (window !== undefined) options['window'] = this.#given('circuit_breaker.window', window);
    if (slowCall !== undefined) options['slowCall'] = this.#given('circuit_breaker.slow_call', slowCall);
    if (resetTimeoutBackoff !== undefined) {
      options['resetTimeoutBackoff'] = this.#given('circuit_breaker.reset_timeout_backoff', resetTimeoutBackoff);
    }
    if (isFailure !== undefined) options['isFailure'] = matches(isFailure);
    if (ignore !== undefined) options['ignore'] = matches(ignore);
    return { ...options, ...this.#given('circuit_breaker', message) };
  }

  #retry(message: RetryMessage | undefined): RetryOptions {
    const options: Options = { random: this.#random };
    if (message?.retryableErrors !== undefined) options['retryableErrors'] = message.retryableErrors.patterns.map(inForm);
    if (message?.isRetryable !== undefined) options['isRetryable'] = matchesError(message.isRetryable);
    return { ...options, ...this.#given('retry', message ?? {}) };
  }

  #fallback({ handler, when }: FallbackMessage): Options {
    if (handler === undefined) throw new Unsupported('a fallback without a handler');
    const options: Options = { handler: this.stage.handler(handler) };
    if (when !== undefined) options['when'] = matchesError(when);
    return { ...options, ...this.misfitting('fallback') };
  }

  /** The options of a message that are present; those that are messages themselves, or lists, are left out. */
  #given(path: string, message: object): Options {
    const present = Object.entries(message).filter(([, value]) => value !== undefined && typeof value !== 'object');
    return { ...Object.fromEntries(present), ...this.misfitting(path) };
  }

  /** The options directly under a path that have a type which the messages cannot carry. */
  misfitting(path: string): Options {
    const options: Options = {};
    for (const [at, value] of Object.entries(this.trace.misfits)) {
      const dot = at.lastIndexOf('.');
      if (at.slice(0, Math.max(dot, 0)) === path) options[camelCase(at.slice(dot + 1))] = JSON.parse(value);
    }
    return options;
  }
}

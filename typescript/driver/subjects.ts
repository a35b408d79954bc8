/** Builds what a trace is about, from the package's public API. */

import {
  Bulkhead,
  Cache,
  CircuitBreaker,
  Fallback,
  Retry,
  ResilienceFacade,
  ServiceHealthMonitor,
  Timeout,
  type CircuitBreakerOptions,
  type Outcome,
  type Policy,
  type RetryOptions,
} from '../src/index.js';
import { parseProviders, presets, type Providers } from '../src/providers.js';
import type {
  CircuitBreaker as CircuitBreakerMessage,
  Facade as FacadeMessage,
  HealthMonitor as HealthMessage,
  Match,
  Policy as PolicyMessage,
  ProviderFile,
  Retry as RetryMessage,
} from './gen/test_driver.js';
import { Record as Seen, Unsupported, type Stage } from './script.js';

type Random = () => number;
type Options = Record<string, unknown>;

/** The options of a message that are present; those that are messages themselves, or lists, are left out. */
function given(message: object): Options {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined && typeof value !== 'object'));
}

function matchesError(match: Match): (error: unknown) => boolean {
  return (error) => error instanceof Error && match.errors.some((part) => error.message.includes(part));
}

function matches(match: Match): (outcome: Outcome) => boolean {
  const error = matchesError(match);
  return (outcome) =>
    outcome.ok ? typeof outcome.value === 'string' && match.results.includes(outcome.value) : error(outcome.error);
}

function circuitBreaker(message: CircuitBreakerMessage): CircuitBreakerOptions {
  const { window, slowCall, resetTimeoutBackoff, isFailure, ignore } = message;
  const options: Options = given(message);
  if (window !== undefined) options['window'] = given(window);
  if (slowCall !== undefined) options['slowCall'] = given(slowCall);
  if (resetTimeoutBackoff !== undefined) options['resetTimeoutBackoff'] = given(resetTimeoutBackoff);
  if (isFailure !== undefined) options['isFailure'] = matches(isFailure);
  if (ignore !== undefined) options['ignore'] = matches(ignore);
  return options;
}

function retry(message: RetryMessage | undefined, random: Random): RetryOptions {
  const options: Options = { ...(message && given(message)), random };
  if (message?.retryableErrors !== undefined) options['retryableErrors'] = message.retryableErrors.patterns;
  if (message?.isRetryable !== undefined) options['isRetryable'] = matchesError(message.isRetryable);
  return options;
}

export function policy({ name, pattern }: PolicyMessage, stage: Stage, random: Random): Policy {
  const common = { clock: stage.clock, ...(name !== undefined && { name }) };
  switch (pattern?.$case) {
    case 'circuitBreaker':
      return new CircuitBreaker({ ...circuitBreaker(pattern.value), ...common });
    case 'retry':
      return new Retry({ ...retry(pattern.value, random), ...common });
    case 'bulkhead':
      return new Bulkhead({ ...given(pattern.value), ...common });
    case 'timeout':
      return new Timeout({ ...given(pattern.value), ...common });
    case 'cache':
      return new Cache({ ...given(pattern.value), ...common });
    case 'fallback': {
      const { handler, when } = pattern.value;
      if (handler === undefined) throw new Unsupported('a fallback without a handler');
      return new Fallback(stage.handler(handler), { ...(when && { when: matchesError(when) }), ...common });
    }
    case undefined:
      throw new Unsupported(`the pattern of policy ${name ?? '?'} is not known to this driver`);
  }
}

function known(file: Uint8Array | string | undefined): Providers {
  return file === undefined ? presets() : parseProviders(file);
}

export function facade(message: FacadeMessage, { clock }: Stage, random: Random): ResilienceFacade<string | undefined> {
  const { name, provider, file, bulkhead, timeout, cache } = message;
  if (provider !== undefined) {
    const options = known(file).provider(provider).options();
    return new ResilienceFacade({ ...options, ...(options.retry && { retry: { ...options.retry, random } }), clock });
  }
  const options: Options = { clock, retry: retry(message.retry, random) };
  if (name !== undefined) options['name'] = name;
  if (message.circuitBreaker !== undefined) options['circuitBreaker'] = circuitBreaker(message.circuitBreaker);
  if (bulkhead !== undefined) options['bulkhead'] = given(bulkhead);
  if (timeout !== undefined) options['timeout'] = given(timeout);
  if (cache !== undefined) options['cache'] = given(cache);
  for (const section of message.off) options[section === 'circuit_breaker' ? 'circuitBreaker' : section] = null;
  return new ResilienceFacade(options);
}

/** The effective options of a file, or of one provider, as JSON. */
export function effective({ file, provider }: ProviderFile): string {
  const providers = known(file);
  const names = provider === undefined ? providers.names : [provider];
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, providers.provider(name)])));
}

/** The monitor, and its circuits in the order of the trace. */
export function health(message: HealthMessage, stage: Stage): { monitor: ServiceHealthMonitor; circuits: CircuitBreaker[] } {
  const circuits = message.circuits.map(({ name, pattern }) => {
    const options = pattern?.$case === 'circuitBreaker' ? circuitBreaker(pattern.value) : {};
    return new CircuitBreaker({ ...options, name: name ?? '', clock: stage.clock });
  });
  const checks = message.checks.map(({ provider, rounds }) => {
    const operation = stage.operation(new Seen(provider), rounds);
    return [provider, async (context: Parameters<typeof operation>[0]) => (await operation(context)) === 'true'] as const;
  });
  const monitor = new ServiceHealthMonitor({
    ...given(message),
    providers: message.providers,
    checks: Object.fromEntries(checks),
    circuits: Object.fromEntries(circuits.map((circuit) => [circuit.name, circuit])),
    clock: stage.clock,
  });
  return { monitor, circuits };
}

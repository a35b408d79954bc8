import { describe, expect, it } from 'vitest';

import { Bulkhead, Cache, CircuitBreaker, Retry, ServiceHealthMonitor, Timeout, compose } from '../src/index.js';
import { parseProviders } from '../src/providers.js';

// With options that the types do not allow.
const breaker = (options: unknown) => () => new CircuitBreaker(options as never);
const retry = (options: unknown) => () => new Retry(options as never);
const monitor = (options: unknown) => () => new ServiceHealthMonitor(options as never);
const healthy = () => true;

// GN-16: the catalogue holds paths and codes, this the words for people.
describe('the error of an option', () => {
  it.each<[() => unknown, string]>([
    [breaker({ failureThreshold: 0 }), 'circuit_breaker.failure_threshold: 0 is not allowed: 1 to 2147483647'],
    [breaker({ failureThreshold: '5' }), 'circuit_breaker.failure_threshold: "5" is not allowed: a whole number'],
    [breaker({ resetTimeoutMs: '5' }), 'circuit_breaker.reset_timeout_ms: "5" is not allowed: a number'],
    [breaker({ window: { kind: 'sliding' } }), 'circuit_breaker.window.kind: "sliding" is not allowed: one of consecutive, cumulative, count, time'],
    [breaker({ window: { kind: 5 } }), 'circuit_breaker.window.kind: 5 is not allowed: one of consecutive, cumulative, count, time'],
    [breaker({ window: { kind: 'time', size: 5 } }), 'circuit_breaker.window.size: 5 is not allowed: not with the window time'],
    [breaker({ window: { kind: 'count', size: 5, minimumCalls: 6 } }), 'circuit_breaker.window.minimum_calls: 6 is not allowed: 1 to size (5)'],
    [breaker({ window: { kind: 'count', failureRate: 0 } }), 'circuit_breaker.window.failure_rate: 0 is not allowed: above 0 to 1'],
    [breaker({ window: { kind: 'time' }, failureThreshold: 3 }), 'circuit_breaker.failure_threshold: 3 is not allowed: not with the window time'],
    [breaker({ slowCall: { durationMs: 1 } }), 'circuit_breaker.slow_call: {"durationMs":1} is not allowed: only with the windows count and time'],
    [
      breaker({ resetTimeoutMs: 60_000, resetTimeoutBackoff: { maxMs: 1000 } }),
      'circuit_breaker.reset_timeout_backoff.max_ms: 1000 is not allowed: 60000 (reset_timeout_ms) to 2147483647',
    ],
    [retry({ backoffFactor: 0.5 }), 'retry.backoff_factor: 0.5 is not allowed: 1 to 1000'],
    [retry({ retryRejections: 1 }), 'retry.retry_rejections: 1 is not allowed: true or false'],
    [retry({ retryableErrors: 'busy' }), 'retry.retryable_errors: "busy" is not allowed: a list of patterns'],
    [retry({ retryableErrors: ['busy', 5] }), 'retry.retryable_errors[1]: 5 is not allowed: a string, a RegExp, or {regex}'],
    [retry({ retryableErrors: [], isRetryable: 7 }), 'retry.is_retryable: 7 is not allowed: not with retryable_errors'],
    [() => new Timeout({ mode: 'kill' } as never), 'timeout.mode: "kill" is not allowed: one of cancel, abandon'],
    [() => new Bulkhead({ name: 7 } as never), 'bulkhead.name: 7 is not allowed: a string'],
    [() => new Cache({ maxEntries: 0 }), 'cache.max_entries: 0 is not allowed: 1 to 2147483647'],
    [() => compose(), 'compose: [] is not allowed: at least one policy'],
    [() => compose(new Retry(), 'timeout' as never), 'compose[1]: "timeout" is not allowed: a policy'],
    [() => new Timeout(5 as never), 'timeout: 5 is not allowed: a mapping of options'],
    [() => new Timeout({ time: 5 } as never), 'timeout.time: "time" is not allowed: one of name, listeners, clock, timeoutMs, mode'],
    [monitor({ providers: [], checks: {} }), 'health.providers: [] is not allowed: at least one'],
    [monitor({ providers: 'a', checks: {} }), 'health.providers: "a" is not allowed: a list of names'],
    [monitor({ providers: ['a', 'a'], checks: { a: healthy } }), 'health.providers: "a" is not allowed: each name once'],
    [monitor({ providers: ['a'], checks: {} }), 'health.checks.a: undefined is not allowed: a check for each provider'],
    [monitor({ providers: ['a', 'b'], checks: { a: healthy, b: healthy, c: healthy } }), 'health.checks.c: "c" is not allowed: a, b'],
  ])('says what is allowed: %#', (build, words) => {
    expect(build).toThrow(expect.objectContaining({ message: words }) as Error);
  });
});

// PF-6
describe('the faults of a file', () => {
  const words = (file: string): string[] => {
    try {
      parseProviders(file);
    } catch (error) {
      return (error as Error).message.split('\n');
    }
    return [];
  };

  it('say what stands there, and what is allowed', () => {
    const file = `version: 1
providers:
  a: {extend: b, retry: {max_retries: -1, jitter: all, retryable_errors: [5, {}]}}
  c: {extend: c}
  d: {extend: e}
  e: {extend: d}
  g: {circuit_breaker: {window: {kind: time, size: 5, failure_rate: 0}, failure_threshold: 3, reset_timeout_backoff: {max_ms: 5}}}
  h: {circuit_breaker: {slow_call: {duration_ms: 1}}}
  i: {circuit_breaker: {window: {kind: count, size: 5, minimum_calls: 6}}}
`;
    expect(words(file)).toEqual([
      'line 1: version: "version" is not allowed: one of defaults, providers (unknown_key)',
      'line 3: providers.a.extend: "b" is not allowed: one of a, c, d, e, g, h, i, zephyr, qtest (unknown_extend)',
      'line 3: providers.a.retry.jitter: "all" is not allowed: none or full or equal or decorrelated (enum)',
      'line 3: providers.a.retry.max_retries: -1 is not allowed: 0 to 2147483647 (range)',
      'line 3: providers.a.retry.retryable_errors[0]: 5 is not allowed: string or object (type)',
      'line 3: providers.a.retry.retryable_errors[1]: {} is not allowed: with regex (required)',
      'line 4: providers.c.extend: "c" is not allowed: another provider (cyclic_extend)',
      'line 5: providers.d.extend: "d" is not allowed: no way back to itself (cyclic_extend)',
      'line 6: providers.e.extend: "e" is not allowed: no way back to itself (cyclic_extend)',
      'line 7: providers.g.circuit_breaker.failure_threshold: 3 is not allowed: not with the window time (conflict)',
      'line 7: providers.g.circuit_breaker.reset_timeout_backoff.max_ms: 5 is not allowed: at least reset_timeout_ms (30000) (range)',
      'line 7: providers.g.circuit_breaker.window.failure_rate: 0 is not allowed: above 0 to 1 (range)',
      'line 7: providers.g.circuit_breaker.window.size: 5 is not allowed: not with the window time (conflict)',
      'line 8: providers.h.circuit_breaker.slow_call: {"duration_ms":1} is not allowed: only with the windows count and time (conflict)',
      'line 9: providers.i.circuit_breaker.window.minimum_calls: 6 is not allowed: 1 to size (5) (range)',
    ].map((line) => `providers: ${line}`));
  });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ProviderFileError, UnknownProviderError, parseProviders, presets } from '../src/providers.js';
import { Events } from './support/calls.js';

/** The faults of a file, as `code path line`. */
function faultsOf(text: string | Uint8Array): string[] {
  try {
    parseProviders(text);
  } catch (error) {
    if (error instanceof ProviderFileError) return error.faults.map(({ code, path, line }) => `${code} ${path} ${line}`);
    throw error;
  }
  return [];
}

describe('the presets', () => {
  it('are those of the files that every language shares', () => {
    for (const name of ['presets.yaml', 'providers.schema.json']) {
      const [copy, original] = ['../src/data', '../../proto'].map((directory) => readFileSync(join(import.meta.dirname, directory, name), 'utf8'));
      expect(copy).toBe(original);
    }
    expect(presets().names).toEqual(['zephyr', 'qtest']);
    expect(presets().provider('qtest').toJSON()).toMatchObject({
      retry: { max_retries: 4, initial_delay_ms: 800, backoff_factor: 1.5 },
      circuit_breaker: { failure_threshold: 8, half_open_max_concurrent: 3, window: { kind: 'consecutive' } },
    });
  });
});

describe('a provider file', () => {
  it('inherits option by option from what it extends, and from the defaults where it extends nothing', () => {
    const providers = parseProviders(`
defaults: {retry: {max_retries: 7}}
providers:
  own: {timeout: {timeout_ms: 5}}
  heir: {extend: own, retry: {jitter: full}, cache: null}
  zephyr: {extend: zephyr, bulkhead: {max_queue_size: 0}}
`);
    expect(providers.provider('heir').toJSON()).toMatchObject({ retry: { max_retries: 7, jitter: 'full' }, timeout: { timeout_ms: 5 }, cache: null });
    expect(providers.provider('zephyr').toJSON()).toMatchObject({ retry: { max_retries: 3 }, bulkhead: { max_concurrent_calls: 15, max_queue_size: 0 } });
    expect(providers.provider('qtest').name).toBe('qtest');
    expect(() => providers.provider('nobody')).toThrow(UnknownProviderError);
  });

  it('may be JSON', () => {
    expect(parseProviders('{"providers": {"a": {"cache": {"ttl_ms": 5}}}}').provider('a').toJSON()).toMatchObject({ cache: { ttl_ms: 5 } });
  });

  it('makes a facade that does what it says, with regexes of RE2', async () => {
    const events = new Events();
    const file = 'providers: {a: {retry: {max_retries: 1, initial_delay_ms: 0, retryable_errors: ["/(?i)BUSY/"]}}}';
    const facade = parseProviders(file).provider('a').facade({ listeners: [events.listen] });
    await expect(facade.execute(undefined, () => Promise.reject(new Error('busy')))).rejects.toThrow('busy');
    expect(events.types).toContain('retry_exhausted');
    expect(facade.name).toBe('a');
  });

  it('matches a hostile regex in linear time', () => {
    const facade = parseProviders('providers: {a: {retry: {max_retries: 0, retryable_errors: ["/(a+)+$/"]}}}').provider('a').facade();
    return expect(facade.execute(undefined, () => Promise.reject(new Error(`${'a'.repeat(5000)}!`)))).rejects.toThrow('!');
  });

  it.each([
    ['an empty file', '', ['documents  1']],
    ['two documents', 'providers: {}\n---\nproviders: {}', ['documents  2']],
    ['no YAML', 'providers: {', ['syntax  1']],
    ['an alias', 'providers:\n  a: &x {}\n  b: *x', ['alias providers.a 2', 'alias providers.b 3']],
    ['a tag', 'providers: !!map {}', ['tag providers 1']],
    ['a key twice', 'providers:\n  a: {}\n  a: {}', ['duplicate_key providers.a 3']],
    ['a list', '[]', ['type  1']],
    ['no providers', 'defaults: {}', ['required  1']],
    ['wrong values', 'providers:\n  a:\n    retry:\n      max_retries: -1\n      jitter: some\n      retryable_errors: yes\n      other: 1',
      ['range providers.a.retry.max_retries 4', 'enum providers.a.retry.jitter 5', 'type providers.a.retry.retryable_errors 6', 'unknown_key providers.a.retry.other 7']],
    ['a bad regex', 'providers: {a: {retry: {retryable_errors: [x, "/(/"]}}}', ['regex providers.a.retry.retryable_errors[1] 1']],
    ['nobody to extend', 'providers: {a: {extend: b}}', ['unknown_extend providers.a.extend 1']],
    ['a circle', 'providers:\n  a: {extend: b}\n  b: {extend: a}', ['cyclic_extend providers.a.extend 2', 'cyclic_extend providers.b.extend 3']],
    ['too few calls in a window', 'providers: {a: {circuit_breaker: {window: {kind: count, size: 5, minimum_calls: 6}}}}', ['range providers.a.circuit_breaker.window.minimum_calls 1']],
    ['slow calls without a rate', 'providers: {a: {circuit_breaker: {slow_call: {duration_ms: 5}}}}', ['conflict providers.a.circuit_breaker.slow_call 1']],
    ['a backoff below its beginning', 'providers: {a: {circuit_breaker: {reset_timeout_backoff: {max_ms: 5}}}}', ['range providers.a.circuit_breaker.reset_timeout_backoff.max_ms 1']],
    ['faults in defaults nobody has', 'defaults:\n  retry: {retryable_errors: ["/(/"]}\n  circuit_breaker: {slow_call: {duration_ms: 5}}\nproviders: {}',
      ['regex defaults.retry.retryable_errors[0] 2', 'conflict defaults.circuit_breaker.slow_call 3']],
    ['a conflict', 'providers: {a: {circuit_breaker: {failure_threshold: 3, window: {kind: count}}}}', ['conflict providers.a.circuit_breaker.failure_threshold 1']],
  ])('with %s is refused', (_, text, faults) => {
    expect(faultsOf(text)).toEqual(faults);
  });

  it('is refused for its size, its depth and its bytes', () => {
    expect(faultsOf(' '.repeat(262_145))).toEqual(['too_large  1']);
    expect(faultsOf(`providers: {a: ${'['.repeat(15)}${']'.repeat(15)}}`)[0]).toBe('too_deep  1');
    expect(faultsOf(new Uint8Array([0x0a, 0xff]))).toEqual(['syntax  2']);
  });

  it('never makes the reader throw anything but its own error', { timeout: 60_000 }, () => {
    const word = fc.constantFrom('providers', 'a', 'retry', 'extend', 'window', 'kind', 'count', '&x', '*x', '!!int', '? ', '- ', ': ', '{', '}', '[', ']', '|', '"', '\n', '\n  ', '0', '.inf', '~', '__proto__', 'constructor', '%', '---\n', '\t');
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(word, { maxLength: 40 }).map((words) => words.join('')),
      fc.json().map((json) => `{"providers": {"a": {"retry": ${json}}}}`),
    );
    fc.assert(fc.property(fc.oneof(text, fc.uint8Array()), (data) => Array.isArray(faultsOf(data))), { numRuns: 1000 });
  });
});

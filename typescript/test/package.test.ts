/** The built package, as its users get it, in processes of their own. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { describe, expect, it } from 'vitest';

import { consumer } from './support/build.js';

const execute = promisify(execFile);

/** Runs a module or script beside the installed package; rejects when it does not end well in time. */
async function run(kind: 'module' | 'commonjs', code: string): Promise<string> {
  const { stdout, stderr } = await execute(process.execPath, [`--input-type=${kind}`, '--eval', code], { cwd: consumer, timeout: 10_000 });
  expect(stderr).toBe('');
  return stdout.trim();
}

describe('the built package', () => {
  it('is imported as an ES module', async () => {
    const code = `
      import { Retry } from 'skidbladnir';
      import { VirtualClock } from 'skidbladnir/testing';
      console.log(await new Retry({ clock: new VirtualClock() }).execute(() => 'retry'));`;
    await expect(run('module', code)).resolves.toBe('retry');
  });

  it('is required as CommonJS', async () => {
    const code = `
      const { Retry } = require('skidbladnir');
      const { presets } = require('skidbladnir/providers');
      const { VirtualClock } = require('skidbladnir/testing');
      new Retry({ clock: new VirtualClock() }).execute(() => presets().names.join()).then(console.log);`;
    await expect(run('commonjs', code)).resolves.toBe('zephyr,qtest');
  });
});

describe.each(['module', 'commonjs'] as const)('the entries of the package as %s', (kind) => {
  it('share their classes', async () => {
    const load = (name: string) => (kind === 'module' ? `await import('${name}')` : `require('${name}')`);
    const code = `
      const { CircuitOpenError, ResilienceFacade } = ${load('skidbladnir')};
      const facade = (${load('skidbladnir/providers')}).presets().provider('zephyr').facade();
      facade.circuitBreaker.forceOpen();
      const told = (error) => { console.log(facade instanceof ResilienceFacade, error instanceof CircuitOpenError); };
      facade.execute('k', () => 'x').catch(told);`;
    await expect(run(kind, code)).resolves.toBe('true true');
  });
});

describe('a process (GN-15)', () => {
  it('ends after its calls, whatever is left in options with long times', async () => {
    const code = `
      import { ResilienceFacade } from 'skidbladnir';
      const facade = new ResilienceFacade({ timeout: { timeoutMs: 3_600_000 }, cache: { ttlMs: 3_600_000 } });
      console.log(await facade.execute('k', () => 'x'));`;
    await expect(run('module', code)).resolves.toBe('x');
  });

  it('stays alive for the delay of a retry that somebody waits for', async () => {
    const code = `
      import { Retry } from 'skidbladnir';
      let starts = 0;
      const operation = () => { if (starts++ === 0) throw new Error('x'); return 'second'; };
      console.log(await new Retry({ initialDelayMs: 50 }).execute(operation));`;
    await expect(run('module', code)).resolves.toBe('second');
  });

  it('ends although a health monitor is started', async () => {
    const code = `
      import { ServiceHealthMonitor } from 'skidbladnir';
      const monitor = new ServiceHealthMonitor({ providers: ['a'], checks: { a: () => true } });
      monitor.start();
      process.on('exit', () => console.log(monitor.isHealthy('a')));`;
    await expect(run('module', code)).resolves.toBe('true');
  });

  it('hears of no unhandled rejection: of abandoned operations, refreshes, shared fetches', async () => {
    const code = `
      import { Cache, Timeout, compose } from 'skidbladnir';
      process.on('unhandledRejection', (error) => { console.log('unhandled', error); });
      const late = () => new Promise((_, reject) => setTimeout(reject, 30, new Error('late')));
      const cache = new Cache({ ttlMs: 0 });
      await new Timeout({ timeoutMs: 5 }).execute(late).catch(() => {});
      await cache.execute(() => 'old', { key: 'k' });
      await cache.execute(late, { key: 'k' });
      const shared = compose(new Cache(), new Timeout({ timeoutMs: 5 }));
      await Promise.allSettled([1, 2, 3].map(() => shared.execute(late, { key: 'k' })));
      setTimeout(() => console.log('quiet'), 100);`;
    await expect(run('module', code)).resolves.toBe('quiet');
  });
});

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { expect, it } from 'vitest';

import { consumer } from './support/build.js';

it('the example lives through its outage, and its process ends', async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['outage.js'], { cwd: consumer, timeout: 30_000 });
  expect(stderr).toBe('');
  expect(stdout).toMatch(/retry_scheduled attempt=2 delayMs=20 error=HTTP status 503/);
  expect(stdout).toMatch(/retry_scheduled attempt=1 delayMs=10 error=fetch failed <- .*(ECONNRESET|other side closed)/);
  expect(stdout).toMatch(/timed_out timeoutMs=300/);
  expect(stdout).toMatch(/circuit_state_changed from=CLOSED to=OPEN .*reason=failure_threshold/);
  expect(stdout).toMatch(/call_rejected .*\n.*fallback_used error=Circuit breaker is open: zephyr/);
  expect(stdout).toMatch(/cache_hit key=front page/);
  expect(stdout).toMatch(/1 circuit_state_changed to CLOSED/);
  expect(stdout.trim()).toMatch(/The circuit is CLOSED\.$/);
});

/**
 * An outage from beginning to end: a server on loopback that fails, resets connections, stalls and recovers, called through
 * the facade of the preset `zephyr`.
 *
 *     npx tsup examples/outage.ts --no-config --format esm --loader .yaml=text --skip-node-modules-bundle --out-dir build
 *     node build/outage.js
 */

import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

// In a project of your own: from 'skidbladnir' and from 'skidbladnir/providers'.
import { ResilienceFacade, type FacadeOptions, type ResilienceEvent } from '../src/index.js';
import { presets } from '../src/providers.js';

/** The preset's minutes become fractions of a second. */
const SCALE = 1 / 100;

/** The options with every duration scaled: all options that end in `Ms`, in every section. */
function scaled(options: FacadeOptions, factor: number): FacadeOptions {
  const scale = (value: unknown, name = ''): unknown => {
    if (typeof value === 'number' && name.endsWith('Ms')) return value * factor;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, scale(inner, key)]));
  };
  return scale(options) as FacadeOptions;
}

const answers = {
  well: (_, response) => response.end('well'),
  unavailable: (_, response) => response.writeHead(503).end(),
  resetting: (request) => request.socket.resetAndDestroy(),
  stalled: () => undefined, // the client hears nothing
} satisfies Record<string, RequestListener>;

/** What the server does with the next requests; the last of them goes on. */
let weather: (keyof typeof answers)[] = ['well'];

const server = createServer((request, response) => {
  const now = weather.length > 1 ? weather.shift() : weather[0];
  answers[now ?? 'well'](request, response);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

/** An answer that is no success; a retry finds its status. */
class HttpError extends Error {
  constructor(readonly status: number) {
    super(`HTTP status ${status}`);
  }
}

const began = performance.now();
const seen = new Map<string, number>();

function print(line: string): void {
  console.log(`${(performance.now() - began).toFixed(0).padStart(6)} ms  ${line}`);
}

/** The error and what caused it: fetch tells of a reset connection only by a cause. */
function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} <- ${told(error.cause)}`;
}

function onEvent({ type, policy, error, ...fields }: ResilienceEvent): void {
  const name = fields.to === undefined ? type : `${type} to ${fields.to}`;
  seen.set(name, (seen.get(name) ?? 0) + 1);
  const details = Object.entries(fields).map(([field, value]) => `${field}=${value}`);
  if (error !== undefined) details.push(`error=${told(error)}`);
  print(`    ${policy}: ${type} ${details.join(' ')}`);
}

const facade = new ResilienceFacade<string>({ ...scaled(presets().provider('zephyr').options(), SCALE), listeners: [onEvent] });

async function get(key?: string): Promise<void> {
  const answer = await facade.execute(
    key,
    async ({ signal }) => {
      const response = await fetch(url, { signal });
      if (!response.ok) throw new HttpError(response.status);
      return await response.text();
    },
    () => 'an answer of the fallback',
  );
  print(`-> ${answer}`);
}

await (await fetch(url)).text(); // the first fetch also loads what it needs
print('All is well.');
await get('front page');

print('Two answers are 503: the third attempt succeeds.');
weather = ['unavailable', 'unavailable', 'well'];
await get();

print('A connection is reset: the second attempt succeeds.');
weather = ['resetting', 'well'];
await get();

print('The server stalls: the deadline ends the call.');
weather = ['stalled'];
await get();

print('The server is down: the circuit opens, and spares it the load.');
weather = ['unavailable'];
while (facade.status().circuitState !== 'OPEN') await get();
await get();

print('What was fetched before is still answered.');
await get('front page');

print('The server is back: after the reset timeout, probes close the circuit.');
weather = ['well'];
await new Promise((resolve) => setTimeout(resolve, 60_000 * SCALE + 20));
while (facade.status().circuitState !== 'CLOSED') await get();

facade.close();
server.close();
server.closeAllConnections();
print('Summary:');
for (const [name, count] of [...seen].sort()) print(`    ${String(count).padStart(3)} ${name}`);
print(`The circuit is ${String(facade.status().circuitState)}.`);

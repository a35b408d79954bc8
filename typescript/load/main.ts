/**
 * Drives the facade against a server that fails and recovers: `node --expose-gc build/main.js --server FILE [--seconds N] [--rate N]
 * [--schedule TEXT] [--json FILE]`. Ends with status 1 when a call is not accounted for, more calls ran than the bulkhead lets, or
 * memory grew.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';

import { faults, run, table } from './load.js';

const { values: options } = parseArgs({
  options: {
    server: { type: 'string', default: '../../build/load/server' },
    seconds: { type: 'string', default: '180' },
    rate: { type: 'string', default: '0' },
    schedule: { type: 'string', default: 'healthy:4s,failing:2s,stalling:2s,resetting:2s,recovering:2s' },
    json: { type: 'string', default: 'typescript.json' },
  },
});
const seconds = Number(options.seconds);
if (!(seconds >= 4 && seconds <= 3600)) throw new RangeError(`--seconds: ${options.seconds} is not allowed: 4 to 3600`);
const result = await run({ server: options.server, seconds, rate: Number(options.rate), schedule: options.schedule });
await mkdir(dirname(options.json), { recursive: true });
await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
console.log(table(result));
const found = faults(result);
for (const fault of found) console.error(fault);
process.exitCode = found.length > 0 ? 1 : 0;

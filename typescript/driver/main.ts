/**
 * The conformance driver of TypeScript: serves `TestDriver` on loopback, prints the address, and ends when its standard
 * input closes. For its flags see `platform.ts`.
 */

import { loaded } from './platform.js'; // first: it may have to be there before the package

import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';

import {
  TestDriverService,
  type DescribeResponse,
  type ReplayResponse,
  type TestDriverServer,
  type Trace,
} from './gen/test_driver.js';
import { replay } from './replay.js';
import { Unsupported } from './script.js';

const description: DescribeResponse = {
  language: 'typescript',
  packageVersion: '0.1.0',
  specVersion: '1.0',
  protocolVersion: 1,
  features: [
    ...['circuit_breaker', 'retry', 'bulkhead', 'timeout', 'cache', 'fallback'],
    ...['composition', 'facade', 'health', 'providers', 'cancel', 'listeners', 'dynamic_types'],
  ],
  batches: true,
};

async function answer(trace: Trace | undefined): Promise<ReplayResponse> {
  const traceId = trace?.id ?? '';
  try {
    if (trace === undefined) throw new Unsupported('the request has no trace');
    return { traceId, result: { $case: 'observation', value: await replay(trace) } };
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    return { traceId, result: { $case: 'unsupported', value: error.message } };
  }
}

/** Answers one request after the other, in order; what fails here is a fault of the driver, and ends it. */
function answering<I, O>(work: (request: I) => Promise<O>): (stream: ServerDuplexStream<I, O>) => void {
  return (stream) => {
    let last = Promise.resolve();
    stream.on('data', (request: I) => {
      last = last.then(async () => {
        stream.write(await work(request));
      });
    });
    stream.on('end', () => {
      void last.then(() => {
        stream.end();
      });
    });
  };
}

const driver: TestDriverServer = {
  describe: (_call, done) => {
    done(null, description);
  },
  replay: answering(({ trace }) => answer(trace)),
  replayBatches: answering(async ({ traces }) => {
    const responses: ReplayResponse[] = [];
    for (const trace of traces) responses.push(await answer(trace));
    return { responses };
  }),
};

loaded();
const server = new Server();
server.addService(TestDriverService, driver);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`127.0.0.1:${port}\n`);
});
process.stdin.resume();
process.stdin.on('end', () => {
  server.forceShutdown();
  process.exit(0);
});

/**
 * The conformance driver of TypeScript: serves `TestDriver` on loopback, prints the address, and ends when its standard
 * input closes.
 */

import { create, fromBinary, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerDuplexStream, type ServiceDefinition } from '@grpc/grpc-js';

import {
  DescribeRequestSchema,
  DescribeResponseSchema,
  ReplayBatchesRequestSchema,
  ReplayBatchesResponseSchema,
  ReplayRequestSchema,
  ReplayResponseSchema,
  type DescribeRequest,
  type DescribeResponse,
  type ReplayBatchesRequest,
  type ReplayBatchesResponse,
  type ReplayRequest,
  type ReplayResponse,
  type Trace,
} from './gen/test_driver_pb.js';
import { replay } from './replay.js';
import { Unsupported } from './script.js';

const PATH = '/skidbladnir.conformance.v1.TestDriver';

function method<I extends DescMessage, O extends DescMessage>(name: string, input: I, output: O, stream: boolean) {
  return {
    path: `${PATH}/${name}`,
    requestStream: stream,
    responseStream: stream,
    requestDeserialize: (bytes: Buffer): MessageShape<I> => fromBinary(input, bytes),
    requestSerialize: (message: MessageShape<I>): Buffer => Buffer.from(toBinary(input, message)),
    responseSerialize: (message: MessageShape<O>): Buffer => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes: Buffer): MessageShape<O> => fromBinary(output, bytes),
  };
}

const service: ServiceDefinition = {
  describe: method('Describe', DescribeRequestSchema, DescribeResponseSchema, false),
  replay: method('Replay', ReplayRequestSchema, ReplayResponseSchema, true),
  replayBatches: method('ReplayBatches', ReplayBatchesRequestSchema, ReplayBatchesResponseSchema, true),
};

const description = create(DescribeResponseSchema, {
  language: 'typescript',
  packageVersion: '0.1.0',
  specVersion: '1.0',
  protocolVersion: 1,
  features: [
    ...['circuit_breaker', 'retry', 'bulkhead', 'timeout', 'cache', 'fallback'],
    ...['composition', 'facade', 'health', 'providers', 'cancel'],
  ],
  batches: true,
});

async function answer(trace: Trace | undefined): Promise<ReplayResponse> {
  const traceId = trace?.id ?? '';
  try {
    if (trace === undefined) throw new Unsupported('the request has no trace');
    return create(ReplayResponseSchema, { traceId, result: { case: 'observation', value: await replay(trace) } });
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    return create(ReplayResponseSchema, { traceId, result: { case: 'unsupported', value: error.message } });
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

const server = new Server();
server.addService(service, {
  describe: (_call: { request: DescribeRequest }, done: (error: null, value: DescribeResponse) => void) => {
    done(null, description);
  },
  replay: answering<ReplayRequest, ReplayResponse>(({ trace }) => answer(trace)),
  replayBatches: answering<ReplayBatchesRequest, ReplayBatchesResponse>(async ({ traces }) => {
    const responses: ReplayResponse[] = [];
    for (const trace of traces) responses.push(await answer(trace));
    return create(ReplayBatchesResponseSchema, { responses });
  }),
});
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`127.0.0.1:${port}\n`);
});
process.stdin.resume();
process.stdin.on('end', () => {
  server.forceShutdown();
  process.exit(0);
});

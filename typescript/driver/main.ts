/**
 * The conformance driver of TypeScript: serves `TestDriver` on loopback, prints the address, and ends when its standard
 * input closes.
 */

import { create, fromBinary, toBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerDuplexStream, type ServiceDefinition } from '@grpc/grpc-js';

import {
  DescribeRequestSchema,
  DescribeResponseSchema,
  ReplayRequestSchema,
  ReplayResponseSchema,
  type DescribeRequest,
  type DescribeResponse,
  type ReplayRequest,
  type ReplayResponse,
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
});

async function answer(request: ReplayRequest): Promise<ReplayResponse> {
  const { trace } = request;
  const traceId = trace?.id ?? '';
  try {
    if (trace === undefined) throw new Unsupported('the request has no trace');
    return create(ReplayResponseSchema, { traceId, result: { case: 'observation', value: await replay(trace) } });
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    return create(ReplayResponseSchema, { traceId, result: { case: 'unsupported', value: error.message } });
  }
}

const server = new Server();
server.addService(service, {
  describe: (_call: { request: DescribeRequest }, done: (error: null, value: DescribeResponse) => void) => {
    done(null, description);
  },
  replay: (stream: ServerDuplexStream<ReplayRequest, ReplayResponse>) => {
    let last = Promise.resolve();
    stream.on('data', (request: ReplayRequest) => {
      // One trace after the other, in order; what fails here is a fault of the driver, and ends it.
      last = last.then(async () => {
        stream.write(await answer(request));
      });
    });
    stream.on('end', () => {
      void last.then(() => {
        stream.end();
      });
    });
  },
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

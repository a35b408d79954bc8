/** The server as a process of its own, and two ways to call it: with a timeout alone, and through the facade. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get, request } from 'node:http';
import { createInterface } from 'node:readline';

import { ResilienceFacade, errorCode } from '../src/index.js';

export const SLOTS = 64;
const TIMEOUT_MS = 250;

/** Ends with its standard input, at the latest when this process ends. */
export class Server {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(program: string, schedule: string): Promise<Server> {
    const child = spawn(program, ['-schedule', schedule], { stdio: ['pipe', 'pipe', 'inherit'] });
    const failed = once(child, 'exit').then(() => { throw new Error(`${program} ended before it said where it listens`); });
    const [url] = (await Promise.race([once(createInterface(child.stdout), 'line'), failed])) as [string];
    failed.catch(() => undefined); // it ends some time
    return new Server(child, url);
  }

  /** Begins the schedule anew. */
  async restart(): Promise<void> {
    const post = request(`${this.url}/-/start`, { method: 'POST', agent: false }).end();
    const [response] = (await once(post, 'response')) as [{ resume(): void }];
    response.resume();
  }

  async stop(): Promise<void> {
    const ended = once(this.child, 'exit');
    this.child.stdin?.end();
    await ended;
  }
}

/** An answer that is not 200. */
class HttpError extends Error {
  constructor(readonly status: number) {
    super(`HTTP status ${status}`);
  }
}

/** Calls the server, and knows how many of its calls ran at once. */
export class Client {
  highest = 0;
  #running = 0;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(private readonly url: string) {}

  async fetch(signal: AbortSignal): Promise<string> {
    this.highest = Math.max(this.highest, ++this.#running);
    try {
      return await this.#get(signal);
    } finally {
      this.#running--;
    }
  }

  #get(signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const sent = get(this.url, { agent: this.#agent, signal }, (response) => {
        const { statusCode = 0 } = response;
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => { body += part; });
        response.on('error', reject);
        response.on('end', () => {
          if (statusCode === 200) resolve(body);
          else reject(new HttpError(statusCode));
        });
      });
      sent.on('error', reject);
    });
  }

  /** What people write without a library: the operation with a timeout. */
  async fetchWithin(): Promise<string> {
    const controller = new AbortController();
    const timer = setTimeout(() => { controller.abort(); }, TIMEOUT_MS);
    try {
      await this.fetch(controller.signal);
      return 'ok';
    } catch (error) {
      if (controller.signal.aborted) return 'timeout';
      if (error instanceof HttpError) return `http_${error.status}`;
      return (error as NodeJS.ErrnoException).code === 'ECONNRESET' ? 'connection_reset' : 'other';
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** The client behind a facade with every pattern. A third of its keys is asked for again while it is fresh or stale. */
export class Guarded {
  readonly facade = new ResilienceFacade<string>({
    circuitBreaker: { window: { kind: 'time', durationMs: 1000, minimumCalls: 20 }, resetTimeoutMs: 500 },
    bulkhead: { maxConcurrentCalls: SLOTS, maxQueueSize: 4 * SLOTS, maxWaitMs: 100 },
    timeout: { timeoutMs: TIMEOUT_MS },
    retry: { maxRetries: 2, initialDelayMs: 5, jitter: 'full' },
    cache: { ttlMs: 100, maxStaleMs: 100 },
  });

  constructor(private readonly client: Client) {}

  async call(number: number): Promise<string> {
    const key = number % 3 === 0 ? `shared ${number % 300}` : String(number);
    try {
      await this.facade.execute(key, ({ signal }) => this.client.fetch(signal));
      return 'ok';
    } catch (error) {
      return errorCode(error);
    }
  }
}

/** What the operations of a trace do. */

import { errorCode, CircuitOpenError, PolicyError, type OperationContext } from '../src/index.js';
import type { VirtualClock } from '../src/testing.js';
import type { CallError, CallObservation, Error as ScriptError, OnCancel, Script } from './gen/test_driver.js';

/** The trace asks for something this driver does not know. */
export class Unsupported extends Error {}

/** The error of a script: it carries what HTTP clients' errors carry. */
class ScriptedError extends Error {}

/** By which names fetch's implementation says what elsewhere is a system error. */
const CODES_OF_UNDICI: { readonly [code: string]: readonly string[] } = {
  ECONNRESET: ['UND_ERR_SOCKET'],
  ETIMEDOUT: ['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'],
};

/** An error as a script wants it. `turn`: which of the ways in which JavaScript's errors carry codes and statuses. */
function makeError(script: ScriptError, turn: number): Error {
  const { message, osCode, httpStatus, retryAfterMs, cause } = script;
  const error = new ScriptedError(message, cause && { cause: makeError(cause, turn) });
  if (osCode !== undefined) {
    const codes = [osCode, ...(CODES_OF_UNDICI[osCode] ?? [])];
    const code = codes[turn % codes.length];
    // Where several addresses were tried, each has its error, and the whole has none.
    Object.assign(error, turn % 2 ? { errors: [Object.assign(new Error('an address'), { code })] } : { code });
  }
  if (httpStatus !== undefined) {
    const status = { [turn % 2 ? 'statusCode' : 'status']: httpStatus };
    Object.assign(error, turn % 4 < 2 ? status : { response: status });
  }
  if (retryAfterMs !== undefined) Object.assign(error, { retryAfterMs });
  return error;
}

/** Performs the scripts of one trace, and counts what runs. */
export class Stage {
  running = 0;
  /** Every error that a script made: an error that reaches a caller is "the same" when it is one of them. */
  readonly made = new Set<unknown>();

  constructor(readonly clock: VirtualClock) {}

  /** An operation that does what the next script says. */
  operation(record: Record, scripts: readonly Script[]): (context: OperationContext) => Promise<string | undefined> {
    return async ({ signal }) => {
      record.starts.push(this.clock.now());
      const script = scripts[Math.min(record.starts.length, scripts.length) - 1];
      if (script === undefined) throw new Unsupported('a call without a script');
      this.running++;
      try {
        return await this.#perform(record, script, signal);
      } finally {
        this.running--;
      }
    };
  }

  /** A fallback's handler. */
  handler(script: Script): (error: unknown, context: OperationContext) => Promise<string | undefined> {
    const operation = this.operation(new Record('handler'), [script]);
    return (_, context) => operation(context);
  }

  async #perform(record: Record, script: Script, signal: AbortSignal): Promise<string | undefined> {
    const never = script.end?.$case === 'never';
    if (!never && script.afterMs === 0) return this.#finish(script);
    const heard = await new Promise<boolean>((resolve) => {
      const timer = never
        ? undefined
        : this.clock.setTimeout(() => {
            signal.removeEventListener('abort', hear);
            resolve(false);
          }, script.afterMs);
      const hear = (): void => {
        record.signals.push(this.clock.now());
        if (script.onCancel?.reaction?.$case === 'ignore') return;
        if (timer !== undefined) this.clock.clearTimeout(timer);
        resolve(true);
      };
      if (signal.aborted) hear();
      else signal.addEventListener('abort', hear, { once: true });
    });
    if (!heard) return this.#finish(script);
    const { onCancel } = script;
    if (onCancel?.reaction?.$case === 'settleAfterMs') await this.#sleep(onCancel.reaction.value);
    if (onCancel?.end === undefined) throw signal.reason;
    return this.#finish(onCancel);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.setTimeout(resolve, ms);
    });
  }

  #finish({ end }: Script | OnCancel): string | undefined {
    if (end?.$case === 'error') {
      const error = makeError(end.value, this.made.size);
      this.made.add(error);
      throw error;
    }
    return end?.$case === 'ok' ? end.value.text : undefined;
  }
}

/** What is seen of one call, or of the checks of one provider. */
export class Record {
  readonly starts: number[] = [];
  readonly signals: number[] = [];
  readonly controller = new AbortController();
  ended: { at: number; value: unknown } | { at: number; error: unknown } | undefined;

  #told = -1;

  constructor(readonly id: string) {}

  /** Whether there is more to see than when this was last asked. */
  isNews(): boolean {
    const before = this.#told;
    this.#told = this.starts.length + this.signals.length + (this.ended === undefined ? 0 : 1);
    return this.#told !== before;
  }

  observe(made: ReadonlySet<unknown>): CallObservation {
    return {
      id: this.id,
      startsMs: [...this.starts],
      signalsMs: [...this.signals],
      end: this.#end(made),
      endedMs: this.ended?.at,
    };
  }

  #end(made: ReadonlySet<unknown>): CallObservation['end'] {
    if (this.ended === undefined) return { $case: 'pending', value: {} };
    if ('error' in this.ended) {
      return { $case: 'error', value: observeError(this.ended.error, this.controller.signal, made) };
    }
    const { value } = this.ended;
    return { $case: 'ok', value: { text: typeof value === 'string' ? value : undefined } };
  }
}

function observeError(error: unknown, signal: AbortSignal, made: ReadonlySet<unknown>): CallError {
  const code = errorCode(error);
  if (code === 'cancelled' || (signal.aborted && error === signal.reason)) {
    return { code: 'cancelled', message: '', same: false };
  }
  const isError = error instanceof Error;
  return {
    code,
    message: isError ? error.message : '',
    policy: error instanceof PolicyError ? error.policy : undefined,
    retryAfterMs: error instanceof CircuitOpenError ? whole(error.retryAfterMs) : undefined,
    same: made.has(error),
    cause: isError && error.cause !== undefined ? errorCode(error.cause) : undefined,
  };
}

/** Milliseconds as the protocol has them. */
export function whole(ms: number | undefined): number | undefined {
  return ms && Math.ceil(ms);
}

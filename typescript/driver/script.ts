/** What the operations of a trace do. */

import { create } from '@bufbuild/protobuf';

import { errorCode, CircuitOpenError, PolicyError, type OperationContext } from '../src/index.js';
import type { VirtualClock } from '../src/testing.js';
import {
  CallErrorSchema,
  CallObservationSchema,
  PendingSchema,
  ValueSchema,
  type CallError,
  type CallObservation,
  type Error as ScriptError,
  type OnCancel,
  type Script,
} from './gen/test_driver_pb.js';

/** The trace asks for something this driver does not know. */
export class Unsupported extends Error {}

/** The error of a script: it carries what HTTP clients' errors carry. */
class ScriptedError extends Error {
  readonly code?: string;
  readonly status?: number;
  readonly retryAfterMs?: number;

  constructor(script: ScriptError) {
    super(script.message, script.cause && { cause: new ScriptedError(script.cause) });
    if (script.osCode !== undefined) this.code = script.osCode;
    if (script.httpStatus !== undefined) this.status = script.httpStatus;
    if (script.retryAfterMs !== undefined) this.retryAfterMs = Number(script.retryAfterMs);
  }
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
    const never = script.end.case === 'never';
    if (!never && script.afterMs === 0n) return this.#finish(script);
    const heard = await new Promise<boolean>((resolve) => {
      const timer = never
        ? undefined
        : this.clock.setTimeout(() => {
            signal.removeEventListener('abort', hear);
            resolve(false);
          }, Number(script.afterMs));
      const hear = (): void => {
        record.signals.push(this.clock.now());
        if (script.onCancel?.reaction.case === 'ignore') return;
        if (timer !== undefined) this.clock.clearTimeout(timer);
        resolve(true);
      };
      if (signal.aborted) hear();
      else signal.addEventListener('abort', hear, { once: true });
    });
    if (!heard) return this.#finish(script);
    const { onCancel } = script;
    if (onCancel?.reaction.case === 'settleAfterMs') await this.#sleep(Number(onCancel.reaction.value));
    if (onCancel?.end.case === undefined) throw signal.reason;
    return this.#finish(onCancel);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.setTimeout(resolve, ms);
    });
  }

  #finish({ end }: Script | OnCancel): string | undefined {
    if (end.case === 'error') {
      const error = new ScriptedError(end.value);
      this.made.add(error);
      throw error;
    }
    return end.case === 'ok' ? end.value.text : undefined;
  }
}

/** What is seen of one call, or of the checks of one provider. */
export class Record {
  readonly starts: number[] = [];
  readonly signals: number[] = [];
  readonly controller = new AbortController();
  ended: { at: number; value: unknown } | { at: number; error: unknown } | undefined;

  #told = '';

  constructor(readonly id: string) {}

  /** Whether there is something to see that was not there when this was last asked. */
  isNews(): boolean {
    const before = this.#told;
    this.#told = `${this.starts.length} ${this.signals.length} ${this.ended?.at}`;
    return this.#told !== before;
  }

  observe(made: ReadonlySet<unknown>): CallObservation {
    const seen = create(CallObservationSchema, {
      id: this.id,
      startsMs: this.starts.map(BigInt),
      signalsMs: this.signals.map(BigInt),
    });
    if (this.ended === undefined) {
      seen.end = { case: 'pending', value: create(PendingSchema) };
      return seen;
    }
    seen.endedMs = BigInt(this.ended.at);
    if ('error' in this.ended) seen.end = { case: 'error', value: observeError(this.ended.error, this.controller.signal, made) };
    else seen.end = { case: 'ok', value: create(ValueSchema, textOf(this.ended.value)) };
    return seen;
  }
}

function textOf(value: unknown): { text?: string } {
  return typeof value === 'string' ? { text: value } : {};
}

function observeError(error: unknown, signal: AbortSignal, made: ReadonlySet<unknown>): CallError {
  if (errorCode(error) === 'cancelled' || (signal.aborted && error === signal.reason)) {
    return create(CallErrorSchema, { code: 'cancelled' });
  }
  const seen = create(CallErrorSchema, { code: errorCode(error), same: made.has(error) });
  if (error instanceof Error) {
    seen.message = error.message;
    if (error.cause !== undefined) seen.cause = errorCode(error.cause);
  }
  if (error instanceof PolicyError) seen.policy = error.policy;
  if (error instanceof CircuitOpenError && error.retryAfterMs !== undefined) {
    seen.retryAfterMs = BigInt(Math.ceil(error.retryAfterMs));
  }
  return seen;
}

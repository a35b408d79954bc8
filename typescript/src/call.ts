/** One call on its way through the policies: its operation, its key, its cancellation, and the slots it holds. */

import { CancelledError } from './errors.js';

/** What an operation receives. */
export interface OperationContext {
  /** Aborted when the operation should end: by a timeout around it, or because its caller gave up. */
  readonly signal: AbortSignal;
}

export type Operation<T> = (context: OperationContext) => T | PromiseLike<T>;

export interface CallOptions {
  /** For a cache; undefined passes it by. */
  readonly key?: string | undefined;
  /** By which the caller can give up. */
  readonly signal?: AbortSignal | undefined;
}

/** A call as its caller made it. The signal's object is made only for who looks at it. */
export class Call implements OperationContext {
  #never: AbortSignal | undefined;

  constructor(
    readonly key: string | undefined,
    private readonly source: AbortSignal | undefined,
    /** What a composition has at its inside. */
    readonly operation: Operation<unknown> = nothing,
    /** The slot of the bulkhead around, where that keeps it for abandoned operations. */
    readonly hold?: HoldingCall,
  ) {}

  get signal(): AbortSignal {
    return this.source ?? (this.#never ??= new AbortController().signal);
  }

  /** Whether there is anybody who could give up. */
  get abortable(): boolean {
    return this.source !== undefined;
  }

  get aborted(): boolean {
    return this.source !== undefined && this.source.aborted;
  }

  get reason(): unknown {
    return this.source?.reason as unknown;
  }

  /** Calls back when the caller gives up; returns what takes that back (TO-7). */
  onAbort(callback: () => void): () => void {
    const source = this.source;
    if (source === undefined) return nothing;
    source.addEventListener('abort', callback, { once: true });
    return () => {
      source.removeEventListener('abort', callback);
    };
  }
}

/** The same call with one more slot, which it keeps until it has ended and every operation it abandoned has too (BH-7). */
export class HoldingCall extends Call {
  override readonly hold: HoldingCall = this;
  #count = 1;

  constructor(
    private readonly outer: Call,
    private readonly release: () => void,
  ) {
    super(outer.key, undefined, outer.operation);
  }

  override get signal(): AbortSignal {
    return this.outer.signal;
  }

  override get abortable(): boolean {
    return this.outer.abortable;
  }

  override get aborted(): boolean {
    return this.outer.aborted;
  }

  override get reason(): unknown {
    return this.outer.reason;
  }

  override onAbort(callback: () => void): () => void {
    return this.outer.onAbort(callback);
  }

  /** One more operation keeps the slot, and those of the bulkheads around. */
  addOperation(): void {
    this.#count++;
    this.outer.hold?.addOperation();
  }

  /** An operation that was added has ended. */
  endOperation(): void {
    this.leave();
    this.outer.hold?.endOperation();
  }

  /** The call itself has ended. */
  leave(): void {
    if (--this.#count === 0) this.release();
  }
}

/** A call that can be aborted by a policy too. To be disposed of when it is over. */
export class AbortableCall extends Call {
  #controller: AbortController | undefined;
  #aborted = false;
  #reason: unknown;
  #callbacks: Set<() => void> | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(outer: Call) {
    super(outer.key, undefined, outer.operation, outer.hold);
    if (!outer.abortable) return;
    this.#unsubscribe = outer.onAbort(() => {
      this.abort(outer.reason);
    });
    if (outer.aborted) this.abort(outer.reason);
  }

  override get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  override get abortable(): boolean {
    return true;
  }

  override get aborted(): boolean {
    return this.#aborted;
  }

  override get reason(): unknown {
    return this.#reason;
  }

  override onAbort(callback: () => void): () => void {
    const callbacks = (this.#callbacks ??= new Set());
    callbacks.add(callback);
    return () => {
      callbacks.delete(callback);
    };
  }

  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    const callbacks = [...(this.#callbacks ?? [])];
    this.#callbacks?.clear();
    for (const callback of callbacks) callback();
    this.#controller?.abort(reason);
  }

  /** Stops listening to the caller. */
  dispose(): void {
    this.#unsubscribe?.();
  }
}

/** Starts an operation, which may answer with a plain value, or throw before it returns a promise (GN-8). */
export function start<T>(operation: Operation<T>, call: Call): Promise<T> {
  try {
    return Promise.resolve(operation(call));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Whether an operation ended by the cancellation it was told of, rather than by an error of its own (GN-5). */
export function isCancellation(error: unknown, call: Call): boolean {
  if (error instanceof CancelledError) return true;
  if (!call.aborted) return false;
  return error === call.reason || (error instanceof Error && error.name === 'AbortError');
}

function nothing(): void {
  // no operation, or no signal to stop listening to
}

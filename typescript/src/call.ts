/** One call on its way through the policies: its key, its cancellation, and the slots it holds. */

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

/** Keeps a bulkhead's slot until the call has ended and every operation it abandoned has too (BH-7). */
export class Hold {
  #count = 1;

  constructor(
    private readonly release: () => void,
    private readonly outer: Hold | undefined,
  ) {}

  /** One more operation keeps the slot, and those of the bulkheads around. */
  add(): void {
    this.#count++;
    this.outer?.add();
  }

  /** An operation that was added has ended. */
  end(): void {
    this.leave();
    this.outer?.end();
  }

  /** The call itself has ended. */
  leave(): void {
    if (--this.#count === 0) this.release();
  }
}

/** A call as its caller made it. The signal's object is made only for who looks at it. */
export class Call implements OperationContext {
  #never: AbortSignal | undefined;

  constructor(
    readonly key: string | undefined,
    private readonly source: AbortSignal | undefined,
    readonly hold?: Hold,
  ) {}

  get signal(): AbortSignal {
    return this.source ?? (this.#never ??= new AbortController().signal);
  }

  get aborted(): boolean {
    return this.source?.aborted ?? false;
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

/** The same call with one more slot held. */
export class HoldingCall extends Call {
  constructor(
    private readonly outer: Call,
    hold: Hold,
  ) {
    super(outer.key, undefined, hold);
  }

  override get signal(): AbortSignal {
    return this.outer.signal;
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
}

/** A call that can be aborted by a policy too. To be disposed of when it is over. */
export class AbortableCall extends Call {
  #controller: AbortController | undefined;
  #aborted = false;
  #reason: unknown;
  readonly #callbacks = new Set<() => void>();
  readonly #unsubscribe: () => void;

  constructor(outer: Call) {
    super(outer.key, undefined, outer.hold);
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

  override get aborted(): boolean {
    return this.#aborted;
  }

  override get reason(): unknown {
    return this.#reason;
  }

  override onAbort(callback: () => void): () => void {
    this.#callbacks.add(callback);
    return () => {
      this.#callbacks.delete(callback);
    };
  }

  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#reason = reason;
    const callbacks = [...this.#callbacks];
    this.#callbacks.clear();
    for (const callback of callbacks) callback();
    this.#controller?.abort(reason);
  }

  /** Stops listening to the caller. */
  dispose(): void {
    this.#unsubscribe();
  }
}

/** Whether an operation ended by the cancellation it was told of, rather than by an error of its own (GN-5). */
export function isCancellation(error: unknown, call: Call): boolean {
  if (error instanceof CancelledError) return true;
  if (!call.aborted) return false;
  return error === call.reason || (error instanceof Error && error.name === 'AbortError');
}

function nothing(): void {
  // there is no signal to listen to
}
